package pagerduty_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/pagerduty"
)

func open(env collect.Env) (collect.Collector, error) {
	return pagerduty.Kind.Open(func(any) error { return nil }, env)
}

func trigger(i int) []byte {
	return fmt.Appendf(nil, `{"event_action":"trigger","dedup_key":"disk-%d","payload":{"summary":"Disk %d is full","source":"db-1","severity":"error"}}`, i, i)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	collecttest.Run(t, collecttest.Harness{
		Source: "pager", Via: "pagerduty",
		Event: trigger, Single: true, Nameless: true, Unreadable: collecttest.Refused,
		Start: collecttest.HTTP("pager", open, func(url string, body []byte) (*http.Request, error) {
			return http.NewRequest(http.MethodPost, url+"/in/pager/"+collecttest.Token+"/v2/enqueue", bytes.NewReader(body))
		}),
	})
}

// journal is a sink that keeps what it got.
type journal struct {
	events []tocsin.Event
	err    error
}

func (j *journal) take(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	for _, ev := range events {
		ev.Raw = bytes.Clone(ev.Raw)
		j.events = append(j.events, ev)
	}
	return make([]tocsin.Receipt, len(events)), j.err
}

func running(t *testing.T, j *journal) (http.Handler, collect.Collector) {
	t.Helper()
	var handler http.Handler
	c, err := open(collecttest.Env("pager", &handler))
	if err != nil {
		t.Fatal(err)
	}
	stop := collecttest.Begin(t, c, j.take)
	t.Cleanup(func() { _ = stop() })
	return handler, c
}

func post(h http.Handler, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func withKey(key string) string {
	return `{"routing_key":"` + key + `",` + strings.TrimPrefix(string(trigger(1)), "{")
}

func TestWhoMaySend(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, path, body string
		header           []string
		want             int
	}{
		{"routing_key is the token", "/in/pager", withKey(collecttest.Token), nil, 202},
		{"routing_key at PagerDuty's own path", "/in/pager/v2/enqueue", withKey(collecttest.Token), nil, 202},
		{"token in the path, and the sender's old routing_key", "/in/pager/" + collecttest.Token + "/v2/enqueue", withKey("e93facc04764012d7bfb002500d5d1a6"), nil, 202},
		{"token in the path alone", "/in/pager/" + collecttest.Token, string(trigger(1)), nil, 202},
		{"token in a header", "/in/pager/v2/enqueue", string(trigger(1)), []string{"Authorization", "Token token=" + collecttest.Token}, 202},
		{"wrong routing_key", "/in/pager", withKey("guess"), nil, 400},
		{"no routing_key", "/in/pager", string(trigger(1)), nil, 400},
		{"wrong token in the path", "/in/pager/guess/v2/enqueue", withKey(collecttest.Token), nil, 404},
		{"wrong token in a header", "/in/pager", string(trigger(1)), []string{"X-Api-Key", "guess"}, 400},
		{"somewhere else", "/in/pager/" + collecttest.Token + "/v1/create_event.json", string(trigger(1)), nil, 404},
		{"no JSON from a stranger", "/in/pager", "hello", nil, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			h, _ := running(t, &j)
			w := post(h, tt.path, tt.body, tt.header...)
			if w.Code != tt.want || (len(j.events) == 1) != (tt.want == 202) {
				t.Errorf("answer %d with %d events, want %d: %s", w.Code, len(j.events), tt.want, w.Body)
			}
			if strings.Contains(w.Body.String(), collecttest.Token) {
				t.Errorf("the answer tells the token: %s", w.Body)
			}
		})
	}
}

func TestTheRoutingKeyIsNotKept(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"in its place":     ` {"routing_key" : "` + collecttest.Token + `" , "event_action":"resolve","dedup_key":"a"}`,
		"twice":            `{"routing_key":"x","event_action":"resolve","routing_key":"` + collecttest.Token + `","dedup_key":"a"}`,
		"behind the rest":  "\ufeff" + `{"event_action":"resolve","dedup_key":"é","routing_key":"` + collecttest.Token + `"}`,
		"of an odd event":  `{"routing_key":"` + collecttest.Token + `"}`,
		"in an escape":     `{"rou\u0074ing_key":"` + collecttest.Token + `","event_action":"resolve","dedup_key":"a"}`,
		"of what is cut":   `{"routing_key":"` + collecttest.Token + `","event_action":`,
		"somebody else's":  `{"routing_key": "e93facc04764012d7bfb002500d5d1a6","dedup_key":"` + collecttest.Token + `",}`,
		"within a form":    `event_action=resolve&routing_key=e93facc04764012d7bfb002500d5d1a6&dedup_key=a`,
		"as a number also": `{"routing_key":5,"event_action":"resolve","dedup_key":"a"}`,
	} {
		var j journal
		h, _ := running(t, &j)
		post(h, "/in/pager/"+collecttest.Token, body)
		if len(j.events) != 1 {
			t.Fatalf("%s: %d events, want 1", name, len(j.events))
		}
		got := string(j.events[0].Raw)
		if strings.Contains(got, collecttest.Token) || strings.Contains(got, "e93facc0") || !strings.Contains(got, `***`) {
			t.Errorf("%s: kept as %s", name, got)
		}
		if j.events[0].Unreadable == "" && !json.Valid([]byte(strings.TrimPrefix(got, "\ufeff"))) {
			t.Errorf("%s: kept as %s, which is no JSON", name, got)
		}
	}
}

func TestAnswersArePagerDutys(t *testing.T) {
	t.Parallel()
	const payload = `"payload":{"summary":"a","source":"b","severity":"info"}`
	const notValid = `{"status":"invalid event","message":"Event object is invalid","errors":[%s]}`
	for _, tt := range []struct {
		name, body string
		code       int
		want       string
	}{
		{"trigger", `{"event_action":"trigger","dedup_key":"srv01/HTTP",` + payload + `}`, 202, `{"status":"success","message":"Event processed","dedup_key":"srv01/HTTP"}`},
		{"acknowledge", `{"event_action":"acknowledge","dedup_key":"srv01/HTTP"}`, 202, `{"status":"success","message":"Event processed","dedup_key":"srv01/HTTP"}`},
		{"resolve", `{"event_action":"resolve","dedup_key":"srv01/HTTP"}`, 202, `{"status":"success","message":"Event processed","dedup_key":"srv01/HTTP"}`},
		{"a key of 255 characters", `{"event_action":"resolve","dedup_key":"` + strings.Repeat("é", 255) + `"}`, 202, `{"status":"success","message":"Event processed","dedup_key":"` + strings.Repeat("é", 255) + `"}`},
		{"a key of 256 characters", `{"event_action":"resolve","dedup_key":"` + strings.Repeat("x", 256) + `"}`, 400, fmt.Sprintf(notValid, `"'dedup_key' is too long (maximum is 255 characters)"`)},
		{"a key that is a number", `{"event_action":"resolve","dedup_key":5}`, 400, fmt.Sprintf(notValid, `"'dedup_key' is invalid (must be a string)"`)},
		{"resolve without a key", `{"event_action":"resolve"}`, 400, fmt.Sprintf(notValid, `"'dedup_key' is missing or blank"`)},
		{"no action", `{"dedup_key":"a",` + payload + `}`, 400, fmt.Sprintf(notValid, `"'event_action' is missing or blank"`)},
		{"an odd action", `{"event_action":"open","dedup_key":"a",` + payload + `}`, 400, fmt.Sprintf(notValid, `"'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')"`)},
		{"no payload", `{"event_action":"trigger","dedup_key":"a"}`, 400, fmt.Sprintf(notValid, `"'payload' is missing or blank"`)},
		{"nothing in the payload", `{"event_action":"trigger","payload":{"summary":" "}}`, 400, fmt.Sprintf(notValid, `"'payload.summary' is missing or blank","'payload.source' is missing or blank","'payload.severity' is missing or blank"`)},
		{"an odd severity", `{"event_action":"trigger","payload":{"summary":"a","source":"b","severity":"high"}}`, 400, fmt.Sprintf(notValid, `"'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"`)},
		{"no JSON", `hello`, 400, `{"status":"Unrecognized object","message":"Event object format is unrecognized","errors":["JSON parse error"]}`},
		{"no object", `[{}]`, 400, `{"status":"Unrecognized object","message":"Event object format is unrecognized","errors":["JSON parse error"]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			h, _ := running(t, &j)
			w := post(h, "/in/pager/"+collecttest.Token+"/v2/enqueue", tt.body)
			if got := strings.TrimSpace(w.Body.String()); w.Code != tt.code || got != tt.want || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("answer %d %s\nwant %d %s", w.Code, got, tt.code, tt.want)
			}
			if len(j.events) != 1 || string(j.events[0].Raw) != tt.body || (j.events[0].Unreadable != "") != (tt.code == 400) {
				t.Errorf("kept %+v, want it as it was sent, and why it was refused if it was", j.events)
			}
		})
	}
}

func TestATriggerWithoutAKeyIsGivenOne(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, body := range []string{
		`{"event_action":"trigger","payload":{"summary":"a","source":"b","severity":"info"}}`,
		`{"event_action":"trigger","payload":{"summary":"a","source":"b","severity":"info"}}`,
		` { "event_action":"trigger","dedup_key":"","payload":{"summary":"a","source":"b","severity":"info"}}`,
		`{"dedup_key":null,"event_action":"trigger","payload":{"summary":"a","source":"b","severity":"info"}}`,
		`{"dedup_key":"","event_action":"trigger","routing_key":"` + collecttest.Token + `","payload":{"summary":"a","source":"b","severity":"info"}}`,
	} {
		var j journal
		h, _ := running(t, &j)
		w := post(h, "/in/pager/"+collecttest.Token, body)
		var told struct {
			DedupKey string `json:"dedup_key"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || !regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(told.DedupKey) || seen[told.DedupKey] {
			t.Fatalf("%s: answer %s: want a key of its own", body, w.Body)
		}
		seen[told.DedupKey] = true
		var kept map[string]any
		if err := json.Unmarshal(j.events[0].Raw, &kept); err != nil || kept["dedup_key"] != told.DedupKey || kept["routing_key"] == collecttest.Token {
			t.Errorf("kept as %s: want the key that the sender was told, %s", j.events[0].Raw, told.DedupKey)
		}
		if got := read(t, string(j.events[0].Raw)).Detection.Key; got != tocsin.KeyOf("pagerduty", "pager", told.DedupKey) {
			t.Errorf("key %s", got)
		}
	}
}

func TestChangeEventsAreRecorded(t *testing.T) {
	t.Parallel()
	var j journal
	h, _ := running(t, &j)
	body := `{"routing_key":"` + collecttest.Token + `","payload":{"summary":"Deployed 1.2","source":"ci","custom_details":{"build":7}},"links":[{"href":"https://ci.example.com/7"}]}`
	w := post(h, "/in/pager/v2/change/enqueue", body)
	if got := strings.TrimSpace(w.Body.String()); w.Code != 202 || got != `{"status":"success","message":"Change event processed"}` {
		t.Errorf("answer %d %s", w.Code, got)
	}
	if got := read(t, string(j.events[0].Raw)); got.End != tocsin.Ignored || got.Reason == "" {
		t.Errorf("reading %+v, want it ignored with a reason", got)
	}
	if w := post(h, "/in/pager/"+collecttest.Token+"/v2/change/enqueue", `{"payload":{}}`); w.Code != 400 || j.events[1].Unreadable != "'payload.summary' is missing or blank" {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	var j journal
	h, _ := running(t, &j)
	if w := post(h, "/in/pager/"+collecttest.Token, strings.Repeat(" ", 512<<10+1)); w.Code != 413 || len(j.events) != 0 {
		t.Errorf("more than 512 KB: answer %d, want 413", w.Code)
	}
	longest := withKey(collecttest.Token)
	if w := post(h, "/in/pager", longest+strings.Repeat(" ", 512<<10-len(longest))); w.Code != 202 {
		t.Errorf("512 KB: answer %d, want 202", w.Code)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/in/pager/v2/enqueue", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: answer %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	j.err = errors.New("the disk is full")
	if w := post(h, "/in/pager/"+collecttest.Token, string(trigger(1))); w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("a full disk: answer %d %s", w.Code, w.Body)
	}
}

func read(t *testing.T, raw string) collect.Reading {
	t.Helper()
	r, err := pagerduty.Kind.Dialect.Read("pager", []byte(raw), nil)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return r
}

func TestWhatBecomesOfAnEvent(t *testing.T) {
	t.Parallel()
	got := read(t, `{"routing_key":"***","event_action":"trigger","dedup_key":"srv01/mysql","client":"Sample Monitoring","client_url":"https://monitoring.example.com",
		"links":[{"href":"https://wiki.example.com/disk","text":"Runbook"},{"href":"javascript:alert(1)"}],
		"payload":{"summary":"DISK at 99% on prod-datapipe03\u202e","timestamp":"2015-07-17T08:42:58.315+0000","severity":"critical","source":"prod-datapipe03.example.com",
		"component":"mysql","group":"prod-datapipe","class":"disk","custom_details":{"free space":"1%","load avg":0.75,"hosts":["a","b"],"see":"http://evil.example"}}}`)
	at := time.Date(2015, 7, 17, 8, 42, 58, 315e6, time.UTC)
	want := tocsin.Detection{
		Key: tocsin.KeyOf("pagerduty", "pager", "srv01/mysql"), Dialect: "pagerduty", Type: "disk", ID: "srv01/mysql", Level: tocsin.Critical,
		Headline: "DISK at 99% on prod-datapipe03", Title: "DISK at 99% on prod-datapipe03", FirstSeen: at, LastSeen: at,
		Resource: tocsin.Resource{ID: "prod-datapipe03.example.com", Tags: map[string]string{
			"component": "mysql", "group": "prod-datapipe", "class": "disk", "free space": "1%", "load avg": "0.75", "see": "http://evil.example",
		}},
		Facts: []tocsin.Fact{
			{Name: "Component", Value: "mysql"},
			{Name: "Group", Value: "prod-datapipe"},
			{Name: "Class", Value: "disk"},
			{Name: "Sent by", Value: "Sample Monitoring"},
			{Name: "Link", Value: "https://monitoring.example.com"},
			{Name: "Runbook", Value: "https://wiki.example.com/disk"},
			{Name: "free space", Value: "1%"},
			{Name: "load avg", Value: "0.75"},
			{Name: "hosts", Value: `["a","b"]`},
			{Name: "see", Value: "hxxp://evil[.]example"},
		},
	}
	if diff := cmp.Diff(want, got.Detection); diff != "" {
		t.Errorf("detection (-want +got):\n%s", diff)
	}
}

// Whatever is in the details, people are shown twelve facts and routes have fifty
// tags; what a sender calls component is not overwritten by a detail of that name.
func TestDetailsWithoutEnd(t *testing.T) {
	t.Parallel()
	details := []string{`"component":"impostor"`}
	for i := range 60 {
		details = append(details, fmt.Sprintf(`"d%02d":"x"`, i))
	}
	event := func(details string) string {
		return `{"event_action":"trigger","dedup_key":"a","client_url":"javascript:alert(1)","payload":{"summary":"s","source":"b","severity":"info","component":"db","custom_details":` + details + `}}`
	}
	got := read(t, event("{"+strings.Join(details, ",")+"}")).Detection
	if len(got.Facts) != 12 || len(got.Resource.Tags) != 50 || got.Resource.Tags["component"] != "db" || got.Resource.Tags["d48"] != "x" {
		t.Errorf("%d facts, %d tags: %v", len(got.Facts), len(got.Resource.Tags), got.Resource.Tags)
	}
	if got := read(t, event(`"a note,\nhttp://evil.example"`)).Detection; len(got.Facts) != 2 || got.Facts[1] != (tocsin.Fact{Name: "Details", Value: "a note, hxxp://evil[.]example"}) {
		t.Errorf("details that are text are %v", got.Facts)
	}
	begun := time.Now()
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	if got := read(t, event(`{"deep":`+deep+`,"links":"`+strings.Repeat("http://a/", 40_000)+`"}`)).Detection; len(got.Facts) != 3 || time.Since(begun) > 5*time.Second {
		t.Errorf("%d facts after %v, want three at once", len(got.Facts), time.Since(begun))
	}
}

func TestStrangersAreCounted(t *testing.T) {
	t.Parallel()
	var j journal
	h, c := running(t, &j)
	post(h, "/in/pager", withKey("guess"))
	post(h, "/in/pager/guess/v2/enqueue", withKey(collecttest.Token))
	post(h, "/in/pager", withKey(collecttest.Token))
	lines := c.(collect.Reporter).Status(t.Context()).Lines
	if len(lines) != 1 || !strings.HasPrefix(lines[0].Value, "2 since the start") {
		t.Errorf("status %v, want two wrong tokens", lines)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		raw    string
		intent tocsin.Intent
		level  tocsin.Level
	}{
		{`{"event_action":"trigger","dedup_key":"a","payload":{"summary":"s","source":"b","severity":"error"}}`, "", tocsin.High},
		{`{"event_action":"trigger","dedup_key":"a","payload":{"summary":"s","source":"b","severity":"warning"}}`, "", tocsin.Medium},
		{`{"event_action":"trigger","dedup_key":"a","payload":{"summary":"s","source":"b","severity":"info"}}`, "", tocsin.Informational},
		{`{"event_action":"acknowledge","dedup_key":"a"}`, tocsin.IntentAcknowledge, tocsin.Unknown},
		{`{"event_action":"resolve","dedup_key":"a"}`, tocsin.IntentClose, tocsin.Unknown},
	} {
		got := read(t, tt.raw).Detection
		if got.Intent != tt.intent || got.Level != tt.level || got.Over != (tt.intent == tocsin.IntentClose) {
			t.Errorf("%s: for %q, %s, over %v", tt.raw, got.Intent, got.Level, got.Over)
		}
	}
	for _, raw := range []string{`{"event_action":"open","dedup_key":"a"}`, `{"event_action":"trigger"}`, `hello`} {
		if _, err := pagerduty.Kind.Dialect.Read("pager", []byte(raw), nil); err == nil {
			t.Errorf("%s: want an error", raw)
		}
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	var j journal
	_, c := running(t, &j)
	hidden, shown := fmt.Sprint(c.(collect.Describer).Describe(false)), fmt.Sprint(c.(collect.Describer).Describe(true))
	if strings.Contains(hidden, collecttest.Token) || !strings.Contains(shown, collecttest.Token) || !strings.Contains(shown, "https://tocsin.example.com/in/pager/v2/enqueue") {
		t.Errorf("hidden: %s\nshown: %s", hidden, shown)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add(string(trigger(1)))
	f.Add(withKey("x"))
	f.Add(`{"dedup_key":null,"event_action":"trigger","payload":{"summary":"a","source":"b","severity":"info"},"dedup_key":""}`)
	f.Fuzz(func(t *testing.T, body string) {
		var j journal
		h, _ := running(t, &j)
		w := post(h, "/in/pager/"+collecttest.Token, body)
		if len(j.events) != 1 || (w.Code != 202 && w.Code != 400) {
			t.Fatalf("%q: answer %d and %d events", body, w.Code, len(j.events))
		}
		if w.Code != 202 {
			return
		}
		if !json.Valid(j.events[0].Raw) && json.Valid([]byte(body)) {
			t.Fatalf("%q is kept as %q, which is no JSON", body, j.events[0].Raw)
		}
		r, err := pagerduty.Kind.Dialect.Read("pager", j.events[0].Raw, nil)
		var told struct {
			DedupKey string `json:"dedup_key"`
		}
		if json.Unmarshal(w.Body.Bytes(), &told) != nil || err != nil || r.Detection.Key != tocsin.KeyOf("pagerduty", "pager", told.DedupKey) {
			t.Fatalf("%q: told %q, read as %q, %v", body, told.DedupKey, r.Detection.Key, err)
		}
	})
}

// What tocsin sends to PagerDuty, which is checked against PagerDuty's own
// description, is what it takes.
func TestWhatTocsinSendsToPagerDutyIsTaken(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../notify/pagerduty/testdata/golden/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no events: %v", err)
	}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var j journal
		h, _ := running(t, &j)
		if w := post(h, "/in/pager/"+collecttest.Token+"/v2/enqueue", string(body)); w.Code != 202 {
			t.Errorf("%s: answer %d %s", path, w.Code, w.Body)
			continue
		}
		read(t, string(j.events[0].Raw))
	}
}
