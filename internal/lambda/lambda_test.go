package lambda_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lambda"
)

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// finding is the event that all generated envelopes carry.
func finding(t testing.TB) string {
	t.Helper()
	return compact(t, recorded(t, "lambda_event.eventbridge"))
}

func compact(t testing.TB, raw []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %.200s", err, raw)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func read(t *testing.T, payload []byte) lambda.Invocation {
	t.Helper()
	in, err := lambda.Read(payload)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func events(in lambda.Invocation) (all []tocsin.Event) {
	for _, item := range in.Items {
		all = append(all, item.Events...)
	}
	return all
}

func TestTheFindingIsFoundWhateverTriggeredTheFunction(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file     string
		trigger  lambda.Trigger
		envelope string
	}{
		{"lambda_event.eventbridge", lambda.Direct, "c547bc5c-fd81-561c-46da-a8fd52ca15e1"},
		{"lambda_event.sns", lambda.SNS, "5c7ba7a1-6a1c-5d0a-8b3e-f8d5b3a3c111"},
		{"lambda_event.sqs", lambda.SQS, "19dd0b57-b21e-4ac1-bd88-01bbb068cb78"},
		{"lambda_event.kinesis", lambda.Kinesis, "shardId-000000000006/49590338271490256608559692538361571095921575989136588898"},
		{"lambda_event.cloudwatch_logs", lambda.Logs, ""},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			in := read(t, recorded(t, tt.file))
			all := events(in)
			if in.Trigger != tt.trigger || len(all) != 1 {
				t.Fatalf("trigger %s with %d events, want %s with 1", in.Trigger, len(all), tt.trigger)
			}
			if diff := cmp.Diff(finding(t), compact(t, all[0].Raw)); diff != "" {
				t.Errorf("the event (-sent +read):\n%s", diff)
			}
			if ev := all[0]; ev.Unreadable != "" || ev.Envelope == "" || tt.envelope != "" && ev.Envelope != tt.envelope {
				t.Errorf("envelope %q, unreadable %q; want %q", ev.Envelope, ev.Unreadable, tt.envelope)
			}
		})
	}
}

// sqs is a batch of messages with these bodies, whose ids are m0, m1 …
func sqs(t *testing.T, bodies ...string) []byte {
	t.Helper()
	records := make([]map[string]string, len(bodies))
	for i, b := range bodies {
		records[i] = map[string]string{"messageId": fmt.Sprintf("m%d", i), "body": b, "eventSource": "aws:sqs"}
	}
	text, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// body is the one in an answer to ReceiveMessage.
func body(t *testing.T, file string) string {
	t.Helper()
	return gjson.GetBytes(recorded(t, file), "Messages.0.Body").Str
}

func TestAMessageOfAQueueIsReadAsItWasSent(t *testing.T) {
	t.Parallel()
	event := finding(t)
	for _, tt := range []struct {
		name, body, raw, envelope, unreadable string
	}{
		{"the event itself", event, event, "m0", ""},
		{"SNS around it", body(t, "sqs_receive.from_sns_wrapped"), event, "5c7ba7a1-6a1c-5d0a-8b3e-f8d5b3a3c111", ""},
		{"what only looks like SNS", `{"TopicArn":"x","Message":"{}"}`, `{"TopicArn":"x","Message":"{}"}`, "m0", ""},
		{"no JSON", "Message Body", "Message Body", "m0", "not JSON"},
		{"lines of a log", "no JSON\n{neither}\n", "no JSON\n{neither}\n", "m0", "not JSON"},
		{"nothing", " ", " ", "m0", "it is empty"},
		{"a notification of a bucket", body(t, "sqs_receive.s3_event_notification_of_export"), "", "m0", "source of kind s3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := read(t, sqs(t, tt.body))
			if len(in.Items) != 1 || in.Items[0].ID != "m0" || len(in.Items[0].Events) != 1 {
				t.Fatalf("Read = %+v", in)
			}
			ev := in.Items[0].Events[0]
			if tt.raw != "" && string(ev.Raw) != tt.raw && compact(t, ev.Raw) != tt.raw {
				t.Errorf("raw = %s\nwant  %s", ev.Raw, tt.raw)
			}
			if ev.Envelope != tt.envelope || !strings.Contains(ev.Unreadable, tt.unreadable) || (tt.unreadable == "") != (ev.Unreadable == "") {
				t.Errorf("envelope %q, unreadable %q", ev.Envelope, ev.Unreadable)
			}
		})
	}
}

func TestSeveralEventsInOneMessageAreToldApart(t *testing.T) {
	t.Parallel()
	in := read(t, sqs(t, `{"a":1} {"a":2}`, `{"a":3}`))
	var got []string
	for _, ev := range events(in) {
		got = append(got, ev.Envelope+" "+string(ev.Raw))
	}
	want := []string{`m0#0 {"a":1}`, `m0#1 {"a":2}`, `m1 {"a":3}`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// kinesis is a batch of records with this data, whose sequence numbers are 100, 101 …
func kinesis(t *testing.T, data ...string) []byte {
	t.Helper()
	records := make([]map[string]any, len(data))
	for i, d := range data {
		n := fmt.Sprint(100 + i)
		records[i] = map[string]any{
			"eventSource": "aws:kinesis", "eventID": "shardId-0:" + n,
			"kinesis": map[string]string{"sequenceNumber": n, "data": d},
		}
	}
	text, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestARecordOfAStreamIsUnpacked(t *testing.T) {
	t.Parallel()
	plain := base64.StdEncoding.EncodeToString
	logs := gjson.GetBytes(recorded(t, "kinesis_getrecords.cloudwatch_logs_subscription"), "Records.0.Data").Str
	for _, tt := range []struct {
		name, data string
		raw        []string
		unreadable string
	}{
		{"one event", plain([]byte(`{"a":1}`)), []string{`{"a":1}`}, ""},
		// magic, {3: {1: 0, 3: `{"a":1}`}} and {3: {1: 0, 3: `{"a":2}`}}, MD5
		{"an aggregate", "84mawhoLCAAaB3siYSI6MX0aCwgAGgd7ImEiOjJ9qZfPBAll4PsC3KIBrl1E1A==", []string{`{"a":1}`, `{"a":2}`}, ""},
		{"a subscription of CloudWatch Logs", logs, []string{finding(t)}, ""},
		{"no base64", "%%", []string{"%%"}, "base64"},
		{"broken gzip", plain([]byte{0x1f, 0x8b, 8, 0, 1}), []string{"\x1f\x8b\x08\x00\x01"}, "gzip"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all := events(read(t, kinesis(t, tt.data)))
			var got []string
			envelopes := map[string]bool{}
			for _, ev := range all {
				raw := string(ev.Raw)
				if len(raw) > 100 {
					raw = compact(t, ev.Raw)
				}
				got = append(got, raw)
				envelopes[ev.Envelope] = true
				if !strings.Contains(ev.Unreadable, tt.unreadable) || (tt.unreadable == "") != (ev.Unreadable == "") {
					t.Errorf("unreadable: %q, want %q", ev.Unreadable, tt.unreadable)
				}
			}
			if diff := cmp.Diff(tt.raw, got); diff != "" || len(envelopes) != len(all) || envelopes[""] {
				t.Errorf("events (-want +got):\n%s\nenvelopes %v", diff, envelopes)
			}
		})
	}
}

func TestTheRecordedBatchesAreRead(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]int{"aws-lambda-go.sqs-event": 1, "aws-lambda-go.sns-event": 1, "aws-lambda-go.kinesis-event": 2} {
		in := read(t, recorded(t, file))
		if len(in.Items) != want || len(events(in)) != want {
			t.Errorf("%s: %d items with %d events, want %d", file, len(in.Items), len(events(in)), want)
		}
		for _, ev := range events(in) { // none of them is JSON
			if ev.Unreadable == "" || ev.Envelope == "" {
				t.Errorf("%s: %+v", file, ev)
			}
		}
	}
	if all := events(read(t, recorded(t, "aws-lambda-go.cloudwatch-logs-event"))); len(all) != 2 || all[0].Envelope == all[1].Envelope {
		t.Errorf("cloudwatch-logs-event: %+v", all)
	}
}

func TestAScheduleTurnsTheClock(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"aws.events", "aws.scheduler"} {
		in := read(t, []byte(`{"version":"0","id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa","detail-type":"Scheduled Event","source":"`+source+`","account":"111122223333","detail":{}}`))
		if in.Trigger != lambda.Schedule || len(in.Items) != 0 {
			t.Errorf("%s: %+v", source, in)
		}
	}
	if in := read(t, []byte(`{"detail-type":"Scheduled Event","source":"me"}`)); in.Trigger != lambda.Direct {
		t.Errorf("somebody's own event is taken for a schedule: %+v", in)
	}
}

func TestAnythingElseIsAnEvent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		payload string
		events  int
	}{
		{`{"alert":"disk full"}`, 1},
		{`{"Records":[{"eventSource":"iam.amazonaws.com","eventName":"CreateUser"}]}`, 1},
		{`{"Records":[]}`, 1},
		{`"text"`, 1},
		{`[{"a":1},{"a":2}]`, 2},
	} {
		in := read(t, []byte(tt.payload))
		if in.Trigger != lambda.Direct || len(events(in)) != tt.events {
			t.Errorf("Read(%s) = %+v", tt.payload, in)
		}
	}
}

func TestWhatIsNoTriggerIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, payload, want string }{
		{"S3", string(recorded(t, "aws-lambda-go.s3-event")), "aws:s3 is not a trigger of tocsin"},
		{"Firehose", string(recorded(t, "aws-lambda-go.kinesis-firehose-event")), "aws:firehose is not a trigger"},
		{"DynamoDB", `{"Records":[{"eventSource":"aws:dynamodb"}]}`, "aws:dynamodb is not a trigger"},
		{"Kafka", `{"eventSource":"aws:kafka","records":{}}`, "aws:kafka is not a trigger"},
		{"a REST API", `{"httpMethod":"POST","requestContext":{"resourcePath":"/"},"body":"{}"}`, "payload format 2.0"},
		{"a load balancer", `{"httpMethod":"POST","requestContext":{"elb":{}},"body":"{}"}`, "payload format 2.0"},
		{"a WebSocket", `{"requestContext":{"connectionId":"x"},"body":"{}"}`, "payload format 2.0"},
		{"a message without an id", `{"Records":[{"eventSource":"aws:sqs","body":"{}"}]}`, "record 0 of aws:sqs has no id"},
	} {
		if in, err := lambda.Read([]byte(tt.payload)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Read = %+v, %v, want %q", tt.name, in, err, tt.want)
		}
	}
}

func TestAWSIsToldWhatToSendAgain(t *testing.T) {
	t.Parallel()
	batch := read(t, sqs(t, `{"a":1}`, `{"a":2}`, `{"a":3}`))
	stream := read(t, kinesis(t, "e30=", "e30=", "e30="))
	topic := read(t, recorded(t, "lambda_event.sns"))
	for _, tt := range []struct {
		name   string
		in     lambda.Invocation
		failed []int
		want   string
		err    error
	}{
		{"nothing of a batch", batch, nil, `{"batchItemFailures":[]}`, nil},
		{"two of a batch", batch, []int{2, 0}, `{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m2"}]}`, nil},
		{"nothing of a stream", stream, nil, `{"batchItemFailures":[]}`, nil},
		{"a stream from the first on", stream, []int{2, 1}, `{"batchItemFailures":[{"itemIdentifier":"101"}]}`, nil},
		{"nothing of a topic", topic, nil, `{"accepted":1}`, nil},
		{"all of a topic", topic, []int{0}, "", lambda.ErrNotKept},
	} {
		got, err := tt.in.Answer(tt.failed...)
		if string(got) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: Answer(%v) = %s, %v, want %s, %v", tt.name, tt.failed, got, err, tt.want, tt.err)
		}
	}
}

func TestARequestIsTheOneThatWasMade(t *testing.T) {
	t.Parallel()
	r, err := lambda.ReadRequest(t.Context(), recorded(t, "aws-lambda-go.lambda-urls-request"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{r.Method, r.URL.String(), string(text), r.Header.Get("Header2"), r.Header.Get("Cookie"), r.RemoteAddr, fmt.Sprint(r.ContentLength)}
	want := []string{
		"POST", "/my/path?parameter1=value1&parameter1=value2&parameter2=value", "Hello from client!", "value1,value2",
		"cookie1; cookie2", "123.123.123.123:0", "18",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	r, err = lambda.ReadRequest(t.Context(), recorded(t, "aws-lambda-go.apigw-v2-request-no-authorizer"))
	if err != nil || r.Method != "GET" || r.URL.Path != "/" || r.Host != "aaaaaaaaaa.execute-api.us-west-2.amazonaws.com" {
		t.Errorf("API Gateway: %+v, %v", r, err)
	}
	for _, tt := range []struct{ name, path, stage, want string }{
		{"a stage", "/prod/in/api", "prod", "/in/api"},
		{"a stage alone", "/prod", "prod", "/"},
		{"no stage", "/in/api", "$default", "/in/api"},
		{"what begins as a stage", "/production/in", "prod", "/production/in"},
		{"a token with a slash in it", "/in/api/a%2Fb", "$default", "/in/api/a%2Fb"},
	} {
		r, err := lambda.ReadRequest(t.Context(), fmt.Appendf(nil,
			`{"rawPath":%q,"requestContext":{"stage":%q,"http":{"method":"POST"}},"isBase64Encoded":true,"body":"aGk="}`, tt.path, tt.stage))
		if err != nil || r.URL.EscapedPath() != tt.want || r.ContentLength != 2 {
			t.Errorf("%s: path %v, %v, want %s", tt.name, r, err, tt.want)
		}
	}
	if r, err := lambda.ReadRequest(t.Context(), []byte(`{"isBase64Encoded":true,"body":"%","requestContext":{"http":{"method":"POST"}}}`)); err == nil {
		t.Errorf("no base64: %v", r)
	}
}

func TestAResponseIsTheOneThatWasWritten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		write func(w http.ResponseWriter)
		want  string
	}{
		{"nothing", func(http.ResponseWriter) {}, `{"statusCode":200,"headers":{},"body":"","isBase64Encoded":false}`},
		{"a refusal", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "5")
			w.Header().Set("Content-Length", "2")
			w.WriteHeader(503)
			w.WriteHeader(200)
			_, _ = io.WriteString(w, "no")
		}, `{"statusCode":503,"headers":{"Retry-After":"5"},"body":"no","isBase64Encoded":false}`},
		{"several of a header", func(w http.ResponseWriter) {
			w.Header()["Vary"] = []string{"A", "B"}
			w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		}, `{"statusCode":200,"headers":{"Vary":"A, B"},"cookies":["a=1","b=2"],"body":"","isBase64Encoded":false}`},
		{"no text", func(w http.ResponseWriter) { _, _ = w.Write([]byte{0xff, 0}) }, `{"statusCode":200,"headers":{},"body":"/wA=","isBase64Encoded":true}`},
	} {
		w := lambda.NewResponse()
		tt.write(w)
		if got, err := w.Answer(); string(got) != tt.want || err != nil {
			t.Errorf("%s: Answer = %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
}

// Whatever a function is called with, it does not panic, each item can be named to
// AWS, and no event is without bytes of its own.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		in, err := lambda.Read(payload)
		if err != nil {
			return
		}
		named := in.Trigger == lambda.SQS || in.Trigger == lambda.Kinesis
		if slices.ContainsFunc(in.Items, func(i lambda.Item) bool { return named && i.ID == "" }) {
			t.Errorf("an item has no id: %+v", in)
		}
		if in.Trigger == lambda.HTTP {
			if r, err := lambda.ReadRequest(t.Context(), in.Request); err == nil && !strings.HasPrefix(r.URL.Path, "/") {
				t.Errorf("path %q", r.URL.Path)
			}
			return
		}
		all := make([]int, len(in.Items))
		for i := range all {
			all[i] = i
		}
		if _, err := in.Answer(all...); err != nil && (named || len(all) == 0) {
			t.Errorf("Answer: %v", err)
		}
	})
}
