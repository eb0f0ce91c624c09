package collect

import (
	"bytes"
	"crypto/md5"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// aggregateMagic is how a record begins that the Kinesis Producer Library put
// together of several.
var aggregateMagic = []byte{0xF3, 0x89, 0x9A, 0xC2}

// Numbers of the fields of an AggregatedRecord, and of a Record within.
const (
	aggregateRecords = 3
	recordData       = 3
)

// Deaggregate gives the records that the Kinesis Producer Library put into one: four
// bytes of magic, a protobuf message and the MD5 of that
// (https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md).
// They are sub-slices of data, in order. ok is false if data is no such record; that
// of a wrong MD5 is none either, as it is for Amazon's own libraries.
//
// All of them are given. Amazon's libraries leave out those whose key is of another
// shard, which the producer sends again after a shard was split or merged: such a
// one is here twice rather than not at all.
func Deaggregate(data []byte) (records [][]byte, ok bool) {
	if len(data) < len(aggregateMagic)+md5.Size || !bytes.HasPrefix(data, aggregateMagic) {
		return nil, false
	}
	end := len(data) - md5.Size
	message := data[len(aggregateMagic):end]
	// The checksum is a part of the format, and protects from nobody.
	if sum := md5.Sum(message); !bytes.Equal(sum[:], data[end:]) {
		return nil, false
	}
	ok = fields(message, func(number protowire.Number, value []byte) bool {
		if number != aggregateRecords {
			return true
		}
		record, ok := aggregated(value)
		records = append(records, record)
		return ok
	})
	if !ok {
		return nil, false
	}
	return records, true
}

// aggregated is the data of a record within an aggregate.
func aggregated(message []byte) (data []byte, ok bool) {
	found := false
	ok = fields(message, func(number protowire.Number, value []byte) bool {
		if number == recordData {
			data, found = value, true
		}
		return true
	})
	return data, ok && found
}

// fields calls visit with each field of a protobuf message that has a length, and
// passes the others. It is false if the message is broken or visit said no.
func fields(message []byte, visit func(protowire.Number, []byte) bool) bool {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return false
		}
		message = message[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
				return false
			}
			message = message[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(message)
		if n < 0 || !visit(number, slices.Clip(value)) {
			return false
		}
		message = message[n:]
	}
	return true
}
