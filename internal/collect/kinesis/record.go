package kinesis

import (
	"iter"
	"strconv"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

// A part is one event of a record.
type part struct {
	raw []byte
	// id is the envelope's: the record's own where the record is one event, with /2 for
	// the third record of an aggregate or log event of a subscription, and #2 for the
	// third of several values in one text.
	id string
	// wrong says why raw cannot be read.
	wrong string
	// control says that it is nothing but CloudWatch Logs looking whether the stream
	// takes records.
	control bool
}

// maxDepth is how often a record is unpacked: gzip in an aggregate in gzip.
const maxDepth = 4

// parts gives the events of a record, in order. A record is what EventBridge put, one
// or several of them, plain or as gzip; what the Kinesis Producer Library aggregated
// of such; or what a subscription of CloudWatch Logs sends. What cannot be read is a
// part too. A record gives the same parts with the same ids whenever it is read.
func parts(data []byte, id string) iter.Seq[part] {
	return func(yield func(part) bool) { unpack(data, id, 0, yield) }
}

// unpack is false once yield was.
func unpack(data []byte, id string, depth int, yield func(part) bool) bool {
	if records, ok := collect.Deaggregate(data); ok && depth < maxDepth {
		for i, r := range records {
			if !unpack(r, id+"/"+strconv.Itoa(i), depth+1, yield) {
				return false
			}
		}
		return true
	}
	plain, err := collect.Gunzip(data)
	if err != nil {
		return yield(part{raw: data, id: id, wrong: err.Error()})
	}
	messages, control, ok, err := collect.Subscription(plain)
	switch {
	case err != nil:
		return yield(part{raw: data, id: id, wrong: err.Error()})
	case control:
		return yield(part{id: id, control: true})
	case ok:
		for i, m := range messages {
			if !values(m.Text, id+"/"+strconv.Itoa(i), yield) {
				return false
			}
		}
		return true
	case len(plain) > 0 && len(data) > 0 && &plain[0] != &data[0] && depth < maxDepth:
		return unpack(plain, id, depth+1, yield) // it was gzip
	}
	return values(plain, id, yield)
}

// values gives the values of a text.
func values(text []byte, id string, yield func(part) bool) bool {
	for id, p := range collect.Named(text, id) {
		v := part{raw: p.Raw, id: id}
		if p.Err != nil {
			v.wrong = p.Err.Error()
		}
		if !yield(v) {
			return false
		}
	}
	return true
}
