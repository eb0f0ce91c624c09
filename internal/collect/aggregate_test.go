package collect_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

// aggregatedByAmazon is what Amazon's own library for JavaScript (aws-kinesis-agg
// 4.2.8) makes of three records, one of them with an explicit hash key.
const aggregatedByAmazon = "f3899ac20a01610a016212273137303134313138333436303436393233313733313638373330333731353838343130353732381a0b08001a077b226e223a317d" +
	"1a19080110001a137b226e223a322c2274657874223a22c3a9227d1a0908001a051f8b000102eb1bbd6a171b98ad31749a3fafd6b584"

func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sealed puts magic and checksum around a message.
func sealed(message []byte) []byte {
	sum := md5.Sum(message)
	return append(append([]byte("\xF3\x89\x9A\xC2"), message...), sum[:]...)
}

// record is one of an aggregate.
func record(data []byte) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 0)
	return protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), data)
}

func aggregate(records ...[]byte) []byte {
	b := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "key")
	for _, r := range records {
		b = protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), r)
	}
	return b
}

func TestDeaggregate(t *testing.T) {
	t.Parallel()
	amazon := fromHex(t, aggregatedByAmazon)
	tampered := bytes.Clone(amazon)
	tampered[60] ^= 1
	whole := aggregate(record([]byte("a")), record([]byte("b")))
	for _, tt := range []struct {
		name string
		data []byte
		want []string
		ok   bool
	}{
		{"Amazon's own", amazon, []string{`{"n":1}`, `{"n":2,"text":"é"}`, "\x1f\x8b\x00\x01\x02"}, true},
		{"two records", sealed(whole), []string{"a", "b"}, true},
		{"a record of nothing", sealed(aggregate(record(nil))), []string{""}, true},
		{"no records", sealed(aggregate()), nil, true},
		{"fields that are not known yet", sealed(append(protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 7), whole...)), []string{"a", "b"}, true},
		{"a record with tags", sealed(aggregate(append(record([]byte("a")), protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), []byte("tag"))...))), []string{"a"}, true},

		{"a byte changed", tampered, nil, false},
		{"its end is missing", amazon[:len(amazon)-1], nil, false},
		{"magic alone", amazon[:4], nil, false},
		{"magic and a checksum of nothing", sealed(nil), nil, true},
		{"a message cut short", sealed(whole[:len(whole)-1]), nil, false},
		{"a record cut short", sealed(aggregate([]byte{0x1A, 0x05, 'a'})), nil, false},
		{"a record without data", sealed(aggregate([]byte{0x08, 0x00})), nil, false},
		{"a field cut short", sealed([]byte{0x08}), nil, false},
		{"a tag that is none", sealed([]byte{0xFF}), nil, false},
		{"an event", []byte(`{"detail-type":"GuardDuty Finding"}`), nil, false},
		{"nothing", nil, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			records, ok := collect.Deaggregate(tt.data)
			var got []string
			for _, r := range records {
				got = append(got, string(r))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || ok != tt.ok {
				t.Errorf("ok %v, want %v (-want +got):\n%s", ok, tt.ok, diff)
			}
		})
	}
}

func FuzzDeaggregate(f *testing.F) {
	amazon := fromHex(f, aggregatedByAmazon)
	f.Add(amazon[4:len(amazon)-16], true)
	f.Add(amazon, false)
	f.Add(aggregate(record([]byte("a")), record(nil)), true)
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		if seal { // or no message would ever be looked at
			data = sealed(data)
		}
		records, ok := collect.Deaggregate(data)
		if !ok && records != nil {
			t.Errorf("no aggregate, and %d records", len(records))
		}
		size := 0
		for _, r := range records {
			size += len(r)
			if cap(r) != len(r) {
				t.Error("appending to a record would write over the next")
			}
		}
		if size > len(data) {
			t.Errorf("%d bytes of records in %d", size, len(data))
		}
	})
}
