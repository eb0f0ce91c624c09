// Package sift picks the events of a stream that match event patterns, as grep
// picks lines, without changing a byte of them.
//
// A stream is what [collect.Split] takes: one JSON text after the other, JSON
// Lines, an array of events, the answer of GetFindings. While each line is one
// event, which is what logs and exports are, the lines are matched at once and in
// parallel, and each byte is looked at once; from the first line that is anything
// else on, the stream is split by [collect.Reader]. What is found is the same
// either way. Memory is bounded, whatever the size of the stream.
package sift

import (
	"bytes"
	"errors"
	"sync"

	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/pattern"
)

// A Find is a text of the stream that was wanted, or one that is no event.
type Find struct {
	// Raw is the text as it came, without the space around it. Like the other
	// slices it is good until the next Find.
	Raw []byte
	// Line is where it begins, from 1.
	Line int
	// Matched are the patterns that match, in order, by their place among those
	// of the Sieve. There are none where those that do not match are wanted.
	Matched []int
	// Event is what was matched: Raw, or the event made of a bare finding.
	Event []byte
	// Err says why Raw is no event, and that is all there is to it: a
	// [*collect.SyntaxError], or [ErrNoObject].
	Err error
}

// ErrNoObject is of a text that is JSON and no object.
var ErrNoObject = errors.New("not a JSON object, as events are")

// Options say what is wanted.
type Options struct {
	Patterns []*pattern.Pattern // any of them
	Invert   bool               // wanted is what none of them matches
	// AsIs matches a finding that is in no event (GuardDuty's export to S3, the
	// answer of GetFindings) as it stands. Otherwise it is matched as the event that
	// EventBridge would have made of it, as rules do.
	AsIs bool
}

// A Sieve picks events. It does not change, and several streams may be sifted at
// once.
type Sieve struct {
	set    *pattern.Set[int]
	invert bool
	bare   int // the key of what has no detail-type: wrappers and bare findings
	asIs   bool
	blocks sync.Pool
}

// noEnvelope is matched by whatever is not an EventBridge event.
const noEnvelope = `{"detail-type": [{"exists": false}]}`

// New makes a Sieve.
func New(o Options) (*Sieve, error) {
	s := &Sieve{set: pattern.NewSet[int](), invert: o.Invert, asIs: o.AsIs, bare: len(o.Patterns)}
	for i, p := range o.Patterns {
		s.set.Add(i, p)
	}
	bare, err := pattern.Parse([]byte(noEnvelope))
	if err != nil {
		return nil, err
	}
	s.set.Add(s.bare, bare)
	return s, nil
}

// match matches one text. The keys are appended to those given. bare says that the
// text is no EventBridge event. The error is that of the Set.
func (s *Sieve) match(raw []byte, keys []int) (_ []int, bare bool, err error) {
	before := len(keys)
	keys, err = s.set.Match(raw, keys)
	if n := len(keys); n > before && keys[n-1] == s.bare { // it was added last
		return keys[:n-1], true, err
	}
	return keys, false, err
}

// wanted decides about a text that is an object, and matches what was appended to
// keys since they were so many.
func (b *block) wanted(s *Sieve, raw []byte, line, before int, bare bool) {
	event := raw
	if bare && !s.asIs {
		event = b.enveloped(s, raw, before)
	}
	matched := b.keys[before:len(b.keys):len(b.keys)]
	if (len(matched) > 0) == s.invert {
		b.keys = b.keys[:before]
		return
	}
	b.finds = append(b.finds, Find{Raw: raw, Line: line, Matched: matched, Event: event})
}

// enveloped matches a bare finding anew as the event it would have been.
func (b *block) enveloped(s *Sieve, raw []byte, before int) []byte {
	finding, ok, err := guardduty.Read(raw)
	if !ok || err != nil {
		return raw
	}
	event := finding.Event()
	if &event[0] == &raw[0] { // it has an envelope, of a kind
		return raw
	}
	keys, _, err := s.match(event, b.keys[:before])
	if err != nil {
		return raw // it is made of what was valid, so that cannot be
	}
	b.keys = keys
	return event
}

// lines judges a block in which each line should be an event. It sets stuck where
// that ends.
func (b *block) lines(s *Sieve) {
	for at := 0; at < len(b.data); {
		end, next := len(b.data), len(b.data)
		if n := bytes.IndexByte(b.data[at:], '\n'); n >= 0 {
			end, next = at+n, at+n+1
		} else if !b.last {
			b.stuck = at
			return
		}
		raw := bytes.Trim(b.data[at:end], " \t\r")
		if len(raw) > 0 && !b.line(s, raw) {
			b.stuck = at
			return
		}
		at = next
		b.passed++
	}
}

// line judges one line, and is false if it is not one event.
func (b *block) line(s *Sieve, raw []byte) bool {
	before := len(b.keys)
	keys, bare, err := s.match(raw, b.keys)
	if err != nil || mayBeWrapper(raw) || bare && !whole(raw) {
		return false
	}
	b.keys = keys
	b.wanted(s, raw, b.passed, before, bare)
	return true
}

// mayBeWrapper tells what begins as GetFindings answers, which is taken apart even
// where a detail-type follows.
func mayBeWrapper(raw []byte) bool {
	const key = `"findings"`
	rest := bytes.TrimLeft(raw[1:], " \t\r\n")
	return len(rest) >= len(key) && bytes.EqualFold(rest[:len(key)], []byte(key))
}

// whole reports whether the text is one event and not several in one.
func whole(raw []byte) bool {
	for p := range collect.Pieces(raw) {
		return p.Err == nil && len(p.Raw) == len(raw)
	}
	return false
}

// pieces judges a block whose texts were found already.
func (b *block) pieces(s *Sieve) {
	for _, t := range b.texts {
		raw := b.data[t.from:t.to:t.to]
		if t.err == nil && raw[0] != '{' {
			t.err = ErrNoObject
		}
		if t.err != nil {
			b.finds = append(b.finds, Find{Raw: raw, Line: t.line, Err: t.err})
			continue
		}
		before := len(b.keys)
		keys, bare, err := s.match(raw, b.keys)
		if err != nil {
			b.finds = append(b.finds, Find{Raw: raw, Line: t.line, Err: err})
			continue
		}
		b.keys = keys
		b.wanted(s, raw, t.line, before, bare)
	}
}
