package collect_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/collect"
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

func subscribed(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "subscription", file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// recordedByLambda is what Lambda was sent, unwrapped.
func recordedByLambda(t testing.TB) []byte {
	t.Helper()
	var event struct {
		Logs struct{ Data []byte } `json:"awslogs"`
	}
	if err := json.Unmarshal(subscribed(t, "lambda-event.json"), &event); err != nil {
		t.Fatal(err)
	}
	return event.Logs.Data
}

func TestWhatASubscriptionSends(t *testing.T) {
	t.Parallel()
	data, control := subscribed(t, "data.json"), subscribed(t, "control.json")
	var document struct {
		Events []struct{ Message string } `json:"logEvents"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	logged := func(id, text string) collect.LogMessage { return collect.LogMessage{Text: []byte(text), ID: id} }
	finding := logged("31953106606966983378809025079804211143289615424298221568", document.Events[0].Message)
	line := func(text string) collect.LogMessage { return logged("7", text) }
	const one = `{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[{"id":"7","timestamp":1,"message":"one","extractedFields":{"a":"b"}}]}`
	two := strings.Replace(one, "one", "two", 1)
	for _, tt := range []struct {
		name        string
		raw         []byte
		want        []collect.LogMessage
		control, ok bool
		wrong       string
	}{
		{"a finding, as JSON", data, []collect.LogMessage{finding}, false, true, ""},
		{"a finding, as gzip", zipped(t, data), []collect.LogMessage{finding}, false, true, ""},
		{"what Lambda was sent", recordedByLambda(t), []collect.LogMessage{
			logged("eventId1", "[ERROR] First test message"), logged("eventId2", "[ERROR] Second test message"),
		}, false, true, ""},
		{"a control message", zipped(t, control), nil, true, true, ""},
		{"no log events", []byte(`{"messageType":"DATA_MESSAGE","logEvents":[]}`), nil, false, true, ""},
		{"several documents, as Firehose writes them", []byte(one + two), []collect.LogMessage{line("one"), line("two")}, false, true, ""},
		{"several documents, each as gzip", append(zipped(t, []byte(one)), zipped(t, []byte(two))...), []collect.LogMessage{line("one"), line("two")}, false, true, ""},
		{"a control message before a document", append(control, one...), []collect.LogMessage{line("one")}, false, true, ""},

		{"an event", []byte(`{"detail-type":"GuardDuty Finding","source":"aws.guardduty"}`), nil, false, false, ""},
		{"an event, as gzip", zipped(t, []byte(`{"detail-type":"GuardDuty Finding"}`)), nil, false, false, ""},
		{"an event that tells of a subscription", []byte(`{"detail":{"messageType":"DATA_MESSAGE","logEvents":[]}}`), nil, false, false, ""},
		{"a message of another type", []byte(`{"messageType":"NEWS","logEvents":[]}`), nil, false, false, ""},
		{"nothing", nil, nil, false, false, ""},
		{"text", []byte("hello"), nil, false, false, ""},

		{"a document cut short", []byte(one[:len(one)-5]), nil, false, true, "subscription of CloudWatch Logs: not JSON: it ends too early"},
		{"log events of another form", []byte(`{"messageType":"DATA_MESSAGE","logEvents":[3]}`), nil, false, true, "subscription of CloudWatch Logs"},
		{"something else behind a document", []byte(one + `{"messageType":"NEWS"}`), nil, false, true, `messageType "NEWS" is neither`},
		{"gzip cut short", zipped(t, data)[:200], nil, false, false, "broken gzip"},
		{"gzip by its first two bytes", []byte("\x1f\x8bhello, hello"), nil, false, false, "not gzip in spite of its looks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, control, ok, err := collect.Subscription(tt.raw)
			if control != tt.control || ok != tt.ok {
				t.Errorf("control %v, ok %v; want %v, %v", control, ok, tt.control, tt.ok)
			}
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("err = %v, want %q", err, tt.wrong)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGunzip(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		raw, want []byte
		err       error
	}{
		{"gzip", zipped(t, []byte("hello")), []byte("hello"), nil},
		{"gzip of nothing", zipped(t, nil), []byte{}, nil},
		{"more than may be", bytes.Repeat(zipped(t, make([]byte, 1<<20)), collect.MaxBody>>20+1), nil, collect.ErrTooLarge},
		{"no gzip", []byte("hello"), []byte("hello"), nil},
		{"nothing", []byte{}, []byte{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := collect.Gunzip(tt.raw)
			if !bytes.Equal(got, tt.want) || !errors.Is(err, tt.err) {
				t.Errorf("Gunzip = %d bytes, %v; want %d, %v", len(got), err, len(tt.want), tt.err)
			}
		})
	}
}

func FuzzSubscription(f *testing.F) {
	f.Add(subscribed(f, "data.json"))
	f.Add(subscribed(f, "control.json"))
	f.Add(recordedByLambda(f))
	f.Fuzz(func(t *testing.T, raw []byte) {
		messages, control, ok, err := collect.Subscription(raw)
		switch {
		case err != nil && (messages != nil || control):
			t.Errorf("an error, and %d messages, control %v", len(messages), control)
		case !ok && (messages != nil || control):
			t.Errorf("no subscription, and %d messages, control %v", len(messages), control)
		case control && messages != nil:
			t.Errorf("nothing but control messages, and %d messages", len(messages))
		}
	})
}
