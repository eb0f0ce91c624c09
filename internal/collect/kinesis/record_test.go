package kinesis

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

func zipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// aggregated is a record of the Kinesis Producer Library.
func aggregated(records ...[]byte) []byte {
	message := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "key")
	for _, r := range records {
		rec := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 0)
		rec = protowire.AppendBytes(protowire.AppendTag(rec, 3, protowire.BytesType), r)
		message = protowire.AppendBytes(protowire.AppendTag(message, 3, protowire.BytesType), rec)
	}
	sum := md5.Sum(message)
	return append(append([]byte("\xF3\x89\x9A\xC2"), message...), sum[:]...)
}

// subscription is what CloudWatch Logs puts for log events of these texts.
func subscription(t testing.TB, texts ...string) []byte {
	t.Helper()
	type event struct {
		ID        string `json:"id"`
		Timestamp int64  `json:"timestamp"`
		Message   string `json:"message"`
	}
	d := struct {
		MessageType string  `json:"messageType"`
		LogEvents   []event `json:"logEvents"`
	}{"DATA_MESSAGE", []event{}}
	for _, text := range texts {
		d.LogEvents = append(d.LogEvents, event{"7", 1, text})
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return zipped(t, text)
}

const (
	control = `{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}`
	finding = `{"detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{"n":1}}`
	another = `{"detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{"n":2}}`
)

// written writes parts down for a comparison.
func written(data []byte) []string {
	var out []string
	for p := range parts(data, "s/1") {
		switch {
		case p.control:
			out = append(out, p.id+" control")
		case p.wrong != "":
			out = append(out, p.id+" !"+string(p.raw))
		default:
			out = append(out, p.id+" "+string(p.raw))
		}
	}
	return out
}

func TestWhatIsInARecord(t *testing.T) {
	t.Parallel()
	broken := aggregated([]byte(finding))
	broken[len(broken)-1] ^= 1
	for _, tt := range []struct {
		name string
		data []byte
		want []string
	}{
		{"an event", []byte(finding), []string{"s/1 " + finding}},
		{"an event with space around it", []byte(" " + finding + "\n"), []string{"s/1 " + finding}},
		{"several events", []byte(finding + another), []string{"s/1#0 " + finding, "s/1#1 " + another}},
		{"an array of events", []byte("[" + finding + "," + another + "]"), []string{"s/1#0 " + finding, "s/1#1 " + another}},
		{"an event as gzip", zipped(t, []byte(finding)), []string{"s/1 " + finding}},
		{"several events as gzip", zipped(t, []byte(finding+"\n"+another)), []string{"s/1#0 " + finding, "s/1#1 " + another}},
		{"gzip of gzip", zipped(t, zipped(t, []byte(finding))), []string{"s/1 " + finding}},
		{"an aggregate", aggregated([]byte(finding), []byte(another)), []string{"s/1/0 " + finding, "s/1/1 " + another}},
		{"an aggregate of one", aggregated([]byte(finding)), []string{"s/1/0 " + finding}},
		{"an aggregate of gzip, several events and a subscription", aggregated(zipped(t, []byte(finding)), []byte(finding+another), subscription(t, finding, another)), []string{
			"s/1/0 " + finding, "s/1/1#0 " + finding, "s/1/1#1 " + another, "s/1/2/0 " + finding, "s/1/2/1 " + another,
		}},
		{"gzip of an aggregate", zipped(t, aggregated([]byte(finding), []byte(another))), []string{"s/1/0 " + finding, "s/1/1 " + another}},
		{"a subscription", subscription(t, finding, another), []string{"s/1/0 " + finding, "s/1/1 " + another}},
		{"a subscription with a line of text", subscription(t, finding, "START RequestId: 1"), []string{"s/1/0 " + finding, "s/1/1 !START RequestId: 1"}},
		{"a subscription with nothing in it", subscription(t), nil},
		{"a control message", zipped(t, []byte(control)), []string{"s/1 control"}},
		{"a control message in an aggregate", aggregated(zipped(t, []byte(control)), []byte(finding)), []string{"s/1/0 control", "s/1/1 " + finding}},

		{"text", []byte("hello"), []string{"s/1 !hello"}},
		{"nothing", nil, []string{"s/1 !"}},
		{"space", []byte(" \n"), []string{"s/1 ! \n"}},
		{"a good event and a broken one", []byte(finding + "\n{broken\n"), []string{"s/1#0 " + finding, "s/1#1 !{broken"}},
		{"an aggregate with a wrong checksum", broken, []string{"s/1 !" + string(broken)}},
		{"an aggregate with nothing in a record", aggregated(nil, []byte(finding)), []string{"s/1/0 !", "s/1/1 " + finding}},
		{"gzip cut short", zipped(t, []byte(finding))[:30], []string{"s/1 !" + string(zipped(t, []byte(finding))[:30])}},
		{"a subscription cut short", subscription(t, finding)[:60], []string{"s/1 !" + string(subscription(t, finding)[:60])}},
		{"gzip of nothing", zipped(t, nil), []string{"s/1 !"}},
		{"more aggregates in aggregates than anybody makes", aggregated(aggregated(aggregated(aggregated(aggregated([]byte(finding)))))), []string{
			"s/1/0/0/0/0 !" + string(aggregated([]byte(finding))),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, written(tt.data)); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
		})
	}
}

// recorded are the records of an answer to GetRecords.
func recorded(t testing.TB, file string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Records []struct{ Data []byte } }
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, r := range answer.Records {
		all = append(all, r.Data)
	}
	return all
}

// What EventBridge puts and what CloudWatch Logs makes of the same event is the same
// event.
func TestBothWaysToAStreamBringTheSameEvent(t *testing.T) {
	t.Parallel()
	direct, logged := written(recorded(t, "getrecords.json")[0]), written(recorded(t, "getrecords.subscription.json")[0])
	if len(direct) != 1 || len(logged) != 1 || strings.TrimPrefix(direct[0], "s/1 ") != strings.TrimPrefix(logged[0], "s/1/0 ") || strings.Contains(direct[0], "!") {
		t.Errorf("events %.300q and %.300q, want the same", direct, logged)
	}
}

// Whoever reads on is asked no more than he wants.
func TestPartsEndEarly(t *testing.T) {
	t.Parallel()
	for _, data := range [][]byte{[]byte(finding + another), aggregated([]byte(finding), []byte(another)), subscription(t, finding, another), aggregated([]byte(finding+another), []byte(finding))} {
		for range parts(data, "s/1") {
			break // a second call would panic
		}
	}
}

func FuzzParts(f *testing.F) {
	f.Add([]byte(finding+another), false)
	f.Add(aggregated([]byte(finding), subscription(f, finding, another)), false)
	f.Add([]byte(control), true)
	f.Add(aggregated(zipped(f, []byte(control))), true)
	f.Fuzz(func(t *testing.T, data []byte, zip bool) {
		if zip { // or nothing would ever be unpacked
			data = zipped(t, data)
		}
		ids := map[string]bool{}
		n := 0
		for p := range parts(data, "s/1") {
			if ids[p.id] || !strings.HasPrefix(p.id, "s/1") {
				t.Errorf("id %q of two parts", p.id)
			}
			ids[p.id] = true
			if p.wrong == "" && !p.control && !json.Valid(p.raw) {
				t.Errorf("%q is said to be readable", p.raw)
			}
			if n++; n > len(data)*1200+1 {
				t.Fatal("there is no end of parts")
			}
		}
		if first, second := written(data), written(data); !cmp.Equal(first, second) {
			t.Errorf("read twice it is %q and %q", first, second)
		}
	})
}
