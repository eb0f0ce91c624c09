package firehose_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/firehose"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

func open(c firehose.Config, env collect.Env) (collect.Collector, error) {
	return firehose.Kind.Open(func(into any) error {
		*into.(*firehose.Config) = c
		return nil
	}, env)
}

// request is what Firehose posts with these records.
func request(id string, records ...string) []byte {
	type record struct {
		Data []byte `json:"data"`
	}
	all := []record{}
	for _, r := range records {
		all = append(all, record{[]byte(r)})
	}
	body, err := json.Marshal(map[string]any{"requestId": id, "timestamp": 1578090901599, "records": all})
	if err != nil {
		panic(err)
	}
	return body
}

func packed(text []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(text)
	_ = z.Close()
	return out.Bytes()
}

func TestPromises(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	collecttest.Run(t, collecttest.Harness{
		Source: "stream", Via: "firehose",
		Start: collecttest.HTTP("stream",
			func(env collect.Env) (collect.Collector, error) { return open(firehose.Config{}, env) },
			func(url string, body []byte) (*http.Request, error) {
				id := fmt.Sprint("request-", requests.Add(1))
				r, err := http.NewRequest(http.MethodPost, url+"/in/stream", bytes.NewReader(packed(request(id, string(body)))))
				if err == nil {
					r.Header.Set("X-Amz-Firehose-Access-Key", collecttest.Token)
					r.Header.Set("X-Amz-Firehose-Request-Id", id)
					r.Header.Set("Content-Encoding", "gzip")
				}
				return r, err
			}),
	})
}

// journal is a sink that keeps what it got, and says err once failAfter calls were
// good.
type journal struct {
	mu        sync.Mutex
	events    []tocsin.Event
	calls     []int
	err       error
	failAfter int
}

func (j *journal) take(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = append(j.calls, len(events))
	if j.err != nil && len(j.calls) > j.failAfter {
		return nil, j.err
	}
	for _, ev := range events {
		ev.Raw = bytes.Clone(ev.Raw)
		j.events = append(j.events, ev)
	}
	return make([]tocsin.Receipt, len(events)), nil
}

// door is a source that runs, without a network.
type door struct {
	http.Handler
	source collect.Collector
	*journal
}

func running(t *testing.T, c firehose.Config) *door {
	t.Helper()
	d := &door{journal: &journal{}}
	source, err := open(c, collecttest.Env("stream", &d.Handler))
	if err != nil {
		t.Fatal(err)
	}
	d.source = source
	collecttest.Begin(t, source, d.take)
	return d
}

// reply is what Firehose reads.
type reply struct {
	RequestID string `json:"requestId"`
	Timestamp int64  `json:"timestamp"`
	Error     string `json:"errorMessage"`
}

// post delivers, and checks of the answer what Firehose insists on.
func (d *door) post(t *testing.T, body []byte, header ...string) (status int, a reply) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/in/stream", bytes.NewReader(body))
	r.Header.Set("X-Amz-Firehose-Access-Key", collecttest.Token)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("answer %q: %v", w.Body, err)
	}
	if w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) || w.Header().Get("Content-Encoding") != "" {
		t.Errorf("headers %v", w.Header())
	}
	if ago := time.Since(time.UnixMilli(a.Timestamp)); ago < -time.Second || ago > time.Minute {
		t.Errorf("timestamp %d is not of now in milliseconds", a.Timestamp)
	}
	if (w.Code == http.StatusOK) != (a.Error == "") {
		t.Errorf("answer %d with the error %q", w.Code, a.Error)
	}
	if strings.Contains(w.Body.String(), collecttest.Token) {
		t.Errorf("the answer tells the token: %s", w.Body)
	}
	return w.Code, a
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestADeliveryAsFirehoseMakesIt(t *testing.T) {
	t.Parallel()
	d := running(t, firehose.Config{})
	body := testdata(t, "request.json")
	const id = "ed4acda5-034f-9f42-bba1-f29aea6d7d8f"
	header := []string{
		"X-Amz-Firehose-Protocol-Version", "1.0", "X-Amz-Firehose-Request-Id", id,
		"X-Amz-Firehose-Source-Arn", "arn:aws:firehose:eu-west-1:111122223333:deliverystream/guardduty",
		"X-Amz-Firehose-Common-Attributes", `{"commonAttributes":{"deployment-context":"prod"}}`, "Content-Type", "application/json",
	}
	if status, a := d.post(t, []byte(body), header...); status != 200 || a.RequestID != id {
		t.Fatalf("answer %d %+v", status, a)
	}
	if len(d.events) != 2 || d.events[0].Envelope != id+"/0" || d.events[1].Envelope != id+"/1" {
		t.Fatalf("events %+v", d.events)
	}
	if !strings.HasPrefix(string(d.events[0].Raw), `{"version":"0","id":"c547bc5c`) || collect.EventID(d.events[0].Raw) == "" {
		t.Errorf("event %.200s", d.events[0].Raw)
	}
	st := d.source.(collect.Reporter).Status(t.Context())
	if st.State != "ok" || len(st.Lines) != 1 || !strings.HasSuffix(st.Lines[0].Name, "/guardduty") || !strings.HasPrefix(st.Lines[0].Value, "last delivery 20") {
		t.Errorf("status %+v", st)
	}
	// The same request again has the same ids, by which it is a redelivery.
	d.post(t, packed([]byte(body)), header...)
	if len(d.events) != 4 || d.events[2].Envelope != d.events[0].Envelope || !bytes.Equal(d.events[2].Raw, d.events[0].Raw) {
		t.Errorf("the same again: %+v", d.events[2:])
	}
}

func TestWhatRecordsMayHold(t *testing.T) {
	t.Parallel()
	subscription := testdata(t, "subscription.json")
	var logged struct {
		LogEvents []struct{ Message string } `json:"logEvents"`
	}
	if err := json.Unmarshal([]byte(subscription), &logged); err != nil {
		t.Fatal(err)
	}
	message := logged.LogEvents[0].Message
	two := strings.Replace(subscription, `"logEvents": [`, `"logEvents":[{"id":"1","timestamp":1,"message":"START of a log"},`, 1)
	broken := packed([]byte(`{"a":1}`))
	broken = broken[:len(broken)-6]
	const bad = "?" // stands for unreadable, before the bytes
	for _, tt := range []struct {
		name    string
		records []string
		want    []string // envelope, blank, bytes
	}{
		{"an event", []string{`{"a":1}`}, []string{`r/0 {"a":1}`}},
		{"an event with a line break", []string{"{\"a\":1}\n"}, []string{`r/0 {"a":1}`}},
		{"events one after the other", []string{`{"a":1}{"b":2}`, `{"c":3}`}, []string{`r/0/0 {"a":1}`, `r/0/1 {"b":2}`, `r/1 {"c":3}`}},
		{"an array of events", []string{`[{"a":1},{"b":2}]`}, []string{`r/0/0 {"a":1}`, `r/0/1 {"b":2}`}},
		{"an event as gzip", []string{string(packed([]byte(`{"a":1}`)))}, []string{`r/0 {"a":1}`}},
		{"a subscription of CloudWatch Logs", []string{string(packed([]byte(subscription)))}, []string{"r/0 " + message}},
		{"a subscription that Firehose unpacked", []string{subscription}, []string{"r/0 " + message}},
		{"a line of a log beside an event", []string{string(packed([]byte(two)))}, []string{"r/0/0 " + bad + "START of a log", "r/0/1 " + message}},
		{"CloudWatch Logs sees if it can deliver", []string{string(packed([]byte(testdata(t, "control.json"))))}, nil},
		{"an empty record", []string{"", `{"a":1}`}, []string{`r/1 {"a":1}`}},
		{"what is not JSON", []string{"hello", `{"a":1}`}, []string{"r/0 " + bad + "hello", `r/1 {"a":1}`}},
		{"gzip that is broken", []string{string(broken), `{"a":1}`}, []string{"r/0 " + bad + string(broken), `r/1 {"a":1}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := running(t, firehose.Config{})
			if status, a := d.post(t, request("r", tt.records...)); status != 200 || a.RequestID != "r" {
				t.Fatalf("answer %d %+v", status, a)
			}
			var got []string
			for _, ev := range d.events {
				mark := ""
				if ev.Unreadable != "" {
					mark = bad
				}
				got = append(got, ev.Envelope+" "+mark+string(ev.Raw))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsNoRequestOfFirehoseIsRecorded(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 100_000)
	for _, tt := range []struct{ name, body, raw, why string }{
		{"no JSON", "hello", "hello", "no request of Firehose: not JSON: a value is missing at byte 0"},
		{"nothing", "", "", "no request of Firehose: not JSON: it ends too early at byte 0"},
		{"an event itself", `{"source":"aws.guardduty"}`, `{"source":"aws.guardduty"}`, "no request of Firehose: there is no array of records"},
		{"an array", `[{"data":"e30="}]`, `[{"data":"e30="}]`, "no request of Firehose: there is no array of records"},
		{"deep nesting", deep, deep, "no request of Firehose: not JSON: more than 1024 levels at byte 1024"},
		{"data that is not Base64", `{"records":[{"data":"{}"}]}`, "{}", "the record's data is not Base64: illegal base64 data at input byte 0"},
		{"no data", `{"records":[{}]}`, "", "the record has no data"},
		{"data that is a number", `{"records":[{"data":7}]}`, "7", "the record has no data"},
		{"records that are none", `{"records":[3]}`, "", "the record has no data"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := running(t, firehose.Config{})
			if status, a := d.post(t, []byte(tt.body), "X-Amz-Firehose-Request-Id", "r"); status != 200 || a.RequestID != "r" {
				t.Errorf("answer %d %+v", status, a)
			}
			if len(d.events) != 1 || string(d.events[0].Raw) != tt.raw || d.events[0].Unreadable != tt.why {
				t.Errorf("events %.500v, want %.100q for %q", d.events, tt.raw, tt.why)
			}
		})
	}
}

// AWS's page has an example whose data is no Base64.
func TestDataAsInAWSsExample(t *testing.T) {
	t.Parallel()
	d := running(t, firehose.Config{})
	d.post(t, []byte(`{"requestId":"r","records":[{"data":{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","timestamp":1,"message":"{\"a\":1}"}]}}]}`))
	if len(d.events) != 1 || string(d.events[0].Raw) != `{"a":1}` {
		t.Errorf("events %+v", d.events)
	}
}

func TestWhoMayDeliver(t *testing.T) {
	t.Parallel()
	mine := firehose.Config{Streams: []string{"arn:aws:firehose:*:111122223333:deliverystream/guardduty-*"}}
	const arn = "X-Amz-Firehose-Source-Arn"
	for _, tt := range []struct {
		name   string
		config firehose.Config
		header []string
		want   int
	}{
		{"with the access key", firehose.Config{}, nil, 200},
		{"with a wrong one", firehose.Config{}, []string{"X-Amz-Firehose-Access-Key", "guess"}, 401},
		{"without one", firehose.Config{}, []string{"X-Amz-Firehose-Access-Key", ""}, 401},
		{"with an access key of one's own", firehose.Config{Token: secret.New("0123456789abcdef")}, []string{"X-Amz-Firehose-Access-Key", "0123456789abcdef"}, 200},
		{"a stream on the list", mine, []string{arn, "arn:aws:firehose:eu-west-1:111122223333:deliverystream/guardduty-eu"}, 200},
		{"a stream of another account", mine, []string{arn, "arn:aws:firehose:eu-west-1:444455556666:deliverystream/guardduty-eu"}, 403},
		{"a stream of another name", mine, []string{arn, "arn:aws:firehose:eu-west-1:111122223333:deliverystream/other"}, 403},
		{"a name with more parts", mine, []string{arn, "arn:aws:firehose:eu:west:111122223333:deliverystream/guardduty-eu"}, 403},
		{"a stream that is not named", mine, nil, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := running(t, tt.config)
			if status, _ := d.post(t, request("r", `{"a":1}`), tt.header...); status != tt.want || len(d.events) != map[int]int{200: 1}[tt.want] {
				t.Errorf("answer %d with %d events, want %d", status, len(d.events), tt.want)
			}
		})
	}
}

func TestTheURLMayHaveTheToken(t *testing.T) {
	t.Parallel()
	d := running(t, firehose.Config{})
	for path, want := range map[string]int{"/in/stream/" + collecttest.Token: 200, "/in/stream/guess": 401} {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, bytes.NewReader(request("r", `{"a":1}`))))
		if w.Code != want {
			t.Errorf("POST %s = %d, want %d", path, w.Code, want)
		}
	}
}

func TestAStreamThatIsTurnedAwayIsShown(t *testing.T) {
	t.Parallel()
	d := running(t, firehose.Config{Streams: []string{"arn:aws:firehose:eu-west-1:111122223333:deliverystream/guardduty"}})
	_, a := d.post(t, request("r", `{}`), "X-Amz-Firehose-Source-Arn", "arn:aws:firehose:eu-west-1:444455556666:deliverystream/guardduty")
	if !strings.Contains(a.Error, "444455556666") || !strings.Contains(a.Error, "streams of the source stream") {
		t.Errorf("the sender is told %q", a.Error)
	}
	st := d.source.(collect.Reporter).Status(t.Context())
	if len(st.Lines) != 1 || !strings.HasPrefix(st.Lines[0].Value, "not in streams, last turned away 20") {
		t.Errorf("status %+v", st)
	}
}

// Firehose drops for good what is answered 413; anything else it tries again, and
// keeps in the bucket for errors when its time is over.
func TestTooLargeIsNotAnsweredWith413(t *testing.T) {
	t.Parallel()
	d := running(t, firehose.Config{})
	for name, body := range map[string][]byte{
		"as it comes": bytes.Repeat([]byte(" "), collect.MaxBody+1),
		"unpacked":    packed(bytes.Repeat([]byte(" "), collect.MaxBody+1)),
	} {
		status, a := d.post(t, body, "X-Amz-Firehose-Request-Id", "r")
		if status != 400 || a.RequestID != "r" || !strings.Contains(a.Error, "5 MiB") || len(d.events) > 0 {
			t.Errorf("%s: answer %d %+v", name, status, a)
		}
	}
}

func TestStoreDown(t *testing.T) {
	t.Parallel()
	d := running(t, firehose.Config{})
	d.err = errors.New("the disk is full")
	if status, a := d.post(t, request("r", `{"a":1}`)); status != 503 || a.RequestID != "r" || strings.Contains(a.Error, "disk") {
		t.Errorf("answer %d %+v, want 503 and no word of the disk", status, a)
	}
}

// A large request goes to the store in parts. When one fails the whole comes again,
// and what was kept is known by its ids.
func TestALargeRequestGoesInParts(t *testing.T) {
	t.Parallel()
	d := running(t, firehose.Config{})
	records := make([]string, 1200)
	for i := range records {
		records[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	d.err, d.failAfter = errors.New("the disk is full"), 1
	if status, _ := d.post(t, request("r", records...)); status != 503 || !slices.Equal(d.calls, []int{500, 500}) || len(d.events) != 500 {
		t.Fatalf("answer %d after calls with %v", status, d.calls)
	}
	first := d.events[7]
	d.err, d.events, d.calls = nil, nil, nil
	if status, _ := d.post(t, request("r", records...)); status != 200 || !slices.Equal(d.calls, []int{500, 500, 200}) {
		t.Fatalf("answer %d after calls with %v", status, d.calls)
	}
	if again := d.events[7]; again.Envelope != first.Envelope || again.Envelope != "r/7" || !bytes.Equal(again.Raw, first.Raw) {
		t.Errorf("the same record again is %s %s, was %s %s", again.Envelope, again.Raw, first.Envelope, first.Raw)
	}
	if last := d.events[1199]; last.Envelope != "r/1199" || string(last.Raw) != `{"n":1199}` {
		t.Errorf("the last event is %s %s", last.Envelope, last.Raw)
	}
}

func TestOnlyPost(t *testing.T) {
	t.Parallel()
	d := running(t, firehose.Config{})
	r := httptest.NewRequest(http.MethodGet, "/in/stream", nil)
	r.Header.Set("X-Amz-Firehose-Access-Key", collecttest.Token)
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("answer %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	d := running(t, firehose.Config{})
	hidden, shown := fmt.Sprint(d.source.(collect.Describer).Describe(false)), fmt.Sprint(d.source.(collect.Describer).Describe(true))
	if strings.Contains(hidden, collecttest.Token) || !strings.Contains(shown, "X-Amz-Firehose-Access-Key: "+collecttest.Token) || !strings.Contains(shown, "https://tocsin.example.com/in/stream") {
		t.Errorf("hidden:\n%s\nshown:\n%s", hidden, shown)
	}
	// What it says to try works.
	_, data, _ := strings.Cut(shown, `"data":"`)
	data, _, _ = strings.Cut(data, `"`)
	event, err := base64.StdEncoding.DecodeString(data)
	if err != nil || !json.Valid(event) {
		t.Errorf("data %q: %v", data, err)
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	var handler http.Handler
	for _, tt := range []struct {
		config firehose.Config
		want   string
	}{
		{firehose.Config{Token: secret.New(strings.Repeat("x", 4097))}, "token: it has 4097 characters, and Firehose sends 4096 at most"},
		{firehose.Config{Streams: []string{"guardduty"}}, `streams[0]: "guardduty" is no ARN of a Firehose stream, such as arn:aws:firehose:eu-west-1:111122223333:deliverystream/guardduty`},
		{firehose.Config{Streams: []string{"arn:aws:kinesis:eu-west-1:111122223333:stream/guardduty"}}, `streams[0]: "arn:aws:kinesis:eu-west-1:111122223333:stream/guardduty" is no ARN of a Firehose stream, such as arn:aws:firehose:eu-west-1:111122223333:deliverystream/guardduty`},
	} {
		if _, err := open(tt.config, collecttest.Env("stream", &handler)); err == nil || err.Error() != tt.want {
			t.Errorf("open: %v, want %s", err, tt.want)
		}
	}
}

func FuzzDelivery(f *testing.F) {
	f.Add(request("r", `{"a":1}`, "hello"))
	f.Add([]byte(`{"requestId":"r","records":[{"data":{}},{"data":"H4sI"},{}]}`))
	f.Add([]byte("\x1f\x8b"))
	var handler http.Handler
	source, err := open(firehose.Config{}, collecttest.Env("stream", &handler))
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.Cleanup(cancel)
	go func() {
		_ = source.Run(ctx, func(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
			return make([]tocsin.Receipt, len(events)), nil
		})
	}()
	for !source.(interface{ Ready() bool }).Ready() {
		time.Sleep(time.Microsecond)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/in/stream", bytes.NewReader(body))
		r.Header.Set("X-Amz-Firehose-Access-Key", collecttest.Token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !json.Valid(w.Body.Bytes()) {
			t.Errorf("answer %d %s", w.Code, w.Body)
		}
	})
}
