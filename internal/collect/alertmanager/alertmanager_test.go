package alertmanager_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/alertmanager"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
)

func opener(c alertmanager.Config) func(collect.Env) (collect.Collector, error) {
	return func(env collect.Env) (collect.Collector, error) {
		return alertmanager.Kind.Open(func(into any) error {
			*into.(*alertmanager.Config) = c
			return nil
		}, env)
	}
}

func disk(i int) []byte {
	return fmt.Appendf(nil, `{"labels":{"alertname":"DiskFull","instance":"db-%d","severity":"critical"},"annotations":{"summary":"Disk of db-%d is full"},"startsAt":"2026-03-01T12:00:00Z"}`, i, i)
}

const (
	prefix = "/in/prom/" + collecttest.Token
	api    = prefix + "/api/v2/alerts"
)

// withStatus is an alert of the API as it is kept.
func withStatus(sent []byte, status string) string {
	return strings.TrimSuffix(string(sent), "}") + `,"status":"` + status + `"}`
}

func TestPromises(t *testing.T) {
	t.Parallel()
	collecttest.Run(t, collecttest.Harness{
		Source: "prom", Via: "alertmanager",
		Event: disk, Nameless: true,
		Kept: func(sent, kept []byte) bool { return string(kept) == withStatus(sent, "firing") },
		Start: collecttest.HTTP("prom", opener(alertmanager.Config{}), func(url string, body []byte) (*http.Request, error) {
			return http.NewRequest(http.MethodPost, url+api, bytes.NewReader(body))
		}),
	})
}

// journal is a sink that keeps what it got.
type journal struct {
	mu     sync.Mutex
	events []tocsin.Event
	err    error
}

func (j *journal) take(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return nil, j.err
	}
	for _, ev := range events {
		ev.Raw = bytes.Clone(ev.Raw)
		j.events = append(j.events, ev)
	}
	return make([]tocsin.Receipt, len(events)), nil
}

func (j *journal) kept() []tocsin.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

func (j *journal) raws() []string {
	var all []string
	for _, ev := range j.kept() {
		all = append(all, string(ev.Raw))
	}
	return all
}

func running(t *testing.T, c alertmanager.Config, j *journal) (http.Handler, collect.Collector) {
	t.Helper()
	var handler http.Handler
	source, err := opener(c)(collecttest.Env("prom", &handler))
	if err != nil {
		t.Fatal(err)
	}
	stop := collecttest.Begin(t, source, j.take)
	t.Cleanup(func() { _ = stop() })
	return handler, source
}

func do(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWhoMaySend(t *testing.T) {
	t.Parallel()
	basic := httptest.NewRequest(http.MethodGet, "/", nil)
	basic.SetBasicAuth("prometheus", collecttest.Token)
	for _, tt := range []struct {
		name, path string
		header     []string
		want       int
	}{
		{"token in the path prefix", api, nil, 200},
		{"bearer token", "/in/prom/api/v2/alerts", []string{"Authorization", "Bearer " + collecttest.Token}, 200},
		{"password", "/in/prom/api/v2/alerts", []string{"Authorization", basic.Header.Get("Authorization")}, 200},
		{"a webhook's URL", prefix, nil, 200},
		{"a webhook's URL with a slash", prefix + "/", nil, 200},
		{"no token", "/in/prom/api/v2/alerts", nil, 401},
		{"wrong token", "/in/prom/guess/api/v2/alerts", nil, 401},
		{"silences", prefix + "/api/v2/silences", nil, 404},
	} {
		var j journal
		h, _ := running(t, alertmanager.Config{}, &j)
		if w := do(h, http.MethodPost, tt.path, "["+string(disk(1))+"]", tt.header...); w.Code != tt.want || len(j.kept()) != map[int]int{200: 1}[tt.want] {
			t.Errorf("%s: answer %d with %d events, want %d: %s", tt.name, w.Code, len(j.kept()), tt.want, w.Body)
		}
	}
}

// What Alertmanager's documentation shows of a webhook's body, shortened.
const webhook = `{"version":"4","groupKey":"{}:{alertname=\"DiskFull\"}","truncatedAlerts":2,"status":"firing","receiver":"tocsin","groupLabels":{"alertname":"DiskFull"},
	"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am.example.com",
	"alerts":[
		{"status":"firing","labels":{"alertname":"DiskFull","instance":"db-1"},"annotations":{},"startsAt":"2026-03-01T12:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prom.example.com/graph?g0=1","fingerprint":"c39e3a4d8f2b1a07"},
		{"status":"resolved","labels":{"alertname":"DiskFull","instance":"db-2"},"annotations":{},"startsAt":"2026-03-01T12:00:00Z","endsAt":"2026-03-01T12:30:00Z","generatorURL":"","fingerprint":"0"}
	]}`

func TestEachAlertOfABodyIsAnEvent(t *testing.T) {
	t.Parallel()
	past, future := time.Now().Add(-time.Minute).Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339)
	ending := func(at string) string {
		return `{"labels":{"alertname":"A"},"startsAt":"2020-01-01T00:00:00Z","endsAt":"` + at + `"}`
	}
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"an array", "[" + string(disk(1)) + "," + string(disk(2)) + "]", []string{withStatus(disk(1), "firing"), withStatus(disk(2), "firing")}},
		{"none", "[]", nil},
		{"endsAt past: over", ending(past), []string{withStatus([]byte(ending(past)), "resolved")}},
		{"endsAt as it began: over", ending("2020-01-01T00:00:00Z"), []string{withStatus([]byte(ending("2020-01-01T00:00:00Z")), "resolved")}},
		{"endsAt to come: not over", ending(future), []string{withStatus([]byte(ending(future)), "firing")}},
		{"endsAt in year 1: not over", `[{"labels":{"a":"b"},"endsAt":"0001-01-01T00:00:00.000Z"}]`, []string{`{"labels":{"a":"b"},"endsAt":"0001-01-01T00:00:00.000Z","status":"firing"}`}},
		{"a status of another kind", `{"labels":{"a":"b"},"status":{"state":"active"}}`, []string{`{"labels":{"a":"b"},"status":{"state":"active"},"status":"firing"}`}},
		{"a webhook's, as they are", webhook, []string{
			`{"status":"firing","labels":{"alertname":"DiskFull","instance":"db-1"},"annotations":{},"startsAt":"2026-03-01T12:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prom.example.com/graph?g0=1","fingerprint":"c39e3a4d8f2b1a07"}`,
			`{"status":"resolved","labels":{"alertname":"DiskFull","instance":"db-2"},"annotations":{},"startsAt":"2026-03-01T12:00:00Z","endsAt":"2026-03-01T12:30:00Z","generatorURL":"","fingerprint":"0"}`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var j journal
			h, _ := running(t, alertmanager.Config{}, &j)
			if w := do(h, http.MethodPost, api, tt.body); w.Code != 200 || w.Body.Len() != 0 {
				t.Fatalf("answer %d %s", w.Code, w.Body)
			}
			if diff := cmp.Diff(tt.want, j.raws()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			for _, ev := range j.kept() {
				if ev.Unreadable != "" {
					t.Errorf("%s: %s", ev.Raw, ev.Unreadable)
				}
			}
		})
	}
}

func TestWhatIsNoAlertIsRecordedBesideThoseThatAre(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ alert, want string }{
		{`{}`, "labels: at least one is wanted"},
		{`{"labels":{}}`, "labels: at least one is wanted"},
		{`{"labels":{"a":""}}`, "labels: at least one is wanted"},
		{`{"labels":[]}`, "labels: not an object"},
		{`{"labels":{"a":5}}`, "labels.a: not a text"},
		{`{"labels":{"":"x"}}`, "labels: a name is empty, or no UTF-8"},
		{"{\"labels\":{\"a\xff\":\"x\"}}", "labels: a name is empty, or no UTF-8"},
		{"{\"labels\":{\"a\":\"x\xff\"}}", "labels: a name is empty, or no UTF-8"},
		{`{"labels":{"a":"b"},"annotations":{"x":1}}`, "annotations.x: not a text"},
		{`{"labels":{"a":"b"},"startsAt":"yesterday"}`, `startsAt: "yesterday" is no time`},
		{`{"labels":{"a":"b"},"endsAt":7}`, `endsAt: "7" is no time`},
		{`{"labels":{"a":"b"},"startsAt":"2026-03-01T12:00:00Z","endsAt":"2026-03-01T11:00:00Z"}`, "endsAt: is before startsAt"},
		{`5`, "an alert is an object, and this is 5"},
	} {
		var j journal
		h, _ := running(t, alertmanager.Config{}, &j)
		w := do(h, http.MethodPost, api, "["+string(disk(1))+","+tt.alert+"]")
		got := j.kept()
		if w.Code != 200 || len(got) != 2 || got[0].Unreadable != "" || got[1].Unreadable != tt.want || string(got[1].Raw) != tt.alert {
			t.Errorf("%s: answer %d, events %+v; want the second unreadable: %s", tt.alert, w.Code, got, tt.want)
		}
	}
}

func TestWhatClientsAskBeforeTheySend(t *testing.T) {
	t.Parallel()
	var j journal
	h, _ := running(t, alertmanager.Config{}, &j)
	for _, path := range []string{"/-/ready", "/-/healthy"} {
		if w := do(h, http.MethodGet, prefix+path, ""); w.Code != 200 || w.Body.String() != "OK" {
			t.Errorf("GET %s: %d %s", path, w.Code, w.Body)
		}
	}
	w := do(h, http.MethodGet, prefix+"/api/v2/status", "")
	var status struct {
		Cluster     *struct{ Status *string }  `json:"cluster"`
		VersionInfo map[string]*string         `json:"versionInfo"`
		Config      *struct{ Original string } `json:"config"`
		Uptime      time.Time                  `json:"uptime"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || status.Cluster == nil || status.Config == nil || status.Uptime.IsZero() || *status.Cluster.Status != "disabled" {
		t.Fatalf("status %s: %v", w.Body, err)
	}
	for _, name := range []string{"branch", "buildDate", "buildUser", "goVersion", "revision", "version"} {
		if status.VersionInfo[name] == nil {
			t.Errorf("the status has no %s, which the API requires: %s", name, w.Body)
		}
	}
	if w := do(h, http.MethodGet, api, ""); w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET of alerts: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if w := do(h, http.MethodPost, prefix+"/-/ready", ""); w.Code != 405 {
		t.Errorf("POST of /-/ready: %d", w.Code)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	j := journal{err: errors.New("the disk is full")}
	h, _ := running(t, alertmanager.Config{}, &j)
	if w := do(h, http.MethodPost, api, "["+string(disk(1))+"]"); w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("a full disk: %d %s", w.Code, w.Body)
	}
	if w := do(h, http.MethodPost, api, strings.Repeat(" ", collect.MaxBody+1)); w.Code != 413 {
		t.Errorf("too large: %d", w.Code)
	}
	if w := do(h, http.MethodPost, api, strings.Repeat("{}", 50_001)); w.Code != 413 {
		t.Errorf("too many: %d", w.Code)
	}
	j.err = nil
	if w := do(h, http.MethodPost, api, strings.Repeat("{}", 50_000)); w.Code != 200 || len(j.kept()) != 50_000 {
		t.Errorf("as many as may be: %d with %d events", w.Code, len(j.kept()))
	}
	if _, err := opener(alertmanager.Config{ResolveTimeout: time.Second})(collecttest.Env("prom", new(http.Handler))); err == nil || err.Error() != "resolve_timeout: 1s is less than 1m0s" {
		t.Errorf("a second of resolve_timeout: %v", err)
	}
}

// A source that does not run (yet, or any more) says so to who asks, and strangers
// and what senders cut off are told to operators.
func TestWhatIsToldBesides(t *testing.T) {
	t.Parallel()
	var handler http.Handler
	var log bytes.Buffer
	env := collecttest.Env("prom", &handler)
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	source, err := opener(alertmanager.Config{})(env)
	if err != nil {
		t.Fatal(err)
	}
	if w := do(handler, http.MethodGet, prefix+"/-/ready", ""); w.Code != 503 {
		t.Errorf("ready before it runs: %d", w.Code)
	}
	if w := do(handler, http.MethodPost, prefix, webhook); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("alerts before it runs: %d", w.Code)
	}
	var j journal
	stop := collecttest.Begin(t, source, j.take)
	do(handler, http.MethodPost, prefix, webhook)
	do(handler, http.MethodPost, "/in/prom/guess", webhook)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if lines := source.(collect.Reporter).Status(t.Context()).Lines; len(lines) != 1 || !strings.HasPrefix(lines[0].Value, "1 since the start") {
		t.Errorf("status %v, want one wrong token", lines)
	}
	if text := log.String(); !strings.Contains(text, "cut off by the sender") || !strings.Contains(text, "count=2") || strings.Contains(text, collecttest.Token) {
		t.Errorf("the log says %s", text)
	}
}

func read(t *testing.T, raw string) collect.Reading {
	t.Helper()
	r, err := alertmanager.Kind.Dialect.Read("prom", []byte(raw), nil)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return r
}

func TestTheKeyIsPrometheussFingerprint(t *testing.T) {
	t.Parallel()
	for _, labels := range []map[string]string{
		{"alertname": "DiskFull"},
		{"alertname": "DiskFull", "instance": "db-1:9100", "job": "node", "severity": "critical"},
		{"b": "2", "a": "1", "ä": "ü 漢字", "A": ""},
		{"a": "b\xc3\xbf", "ab": "c"},
	} {
		set := model.LabelSet{}
		for name, value := range labels {
			if value != "" { // Alertmanager takes empty ones out
				set[model.LabelName(name)] = model.LabelValue(value)
			}
		}
		raw, err := json.Marshal(map[string]any{"labels": labels})
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, string(raw)).Detection
		if want := set.Fingerprint().String(); got.ID != want || got.Key != tocsin.KeyOf("alertmanager", "prom", want) {
			t.Errorf("%v: %s, %s; want %s", labels, got.ID, got.Key, want)
		}
	}
}

func TestWhatBecomesOfAnAlert(t *testing.T) {
	t.Parallel()
	got := read(t, `{"status":"firing","labels":{"alertname":"DiskFull","instance":"db-1:9100","job":"node","severity":"page","account_id":"111122223333","region":"eu-west-1","team":"payments"},
		"annotations":{"summary":"Disk of db-1 is full\n","description":"See http://evil.example","runbook_url":"https://wiki.example.com/disk","dashboard":"javascript:alert(1)","value":"99"},
		"startsAt":"2026-03-01T13:00:00+01:00","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://prom.example.com/graph?g0=1"}`)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := tocsin.Detection{
		Key: got.Detection.Key, ID: got.Detection.ID, Dialect: "alertmanager", Type: "DiskFull", Level: tocsin.Critical,
		Title: "Disk of db-1 is full", Headline: "Disk of db-1 is full", Description: "See hxxp://evil[.]example",
		Account: "111122223333", Region: "eu-west-1", Count: 1, FirstSeen: at, LastSeen: at, UpdatedAt: at, Stands: true,
		Resource: tocsin.Resource{ID: "db-1:9100", Tags: map[string]string{
			"alertname": "DiskFull", "instance": "db-1:9100", "job": "node", "severity": "page", "account_id": "111122223333", "region": "eu-west-1", "team": "payments",
		}},
		Facts: []tocsin.Fact{
			{Name: "runbook_url", Value: "https://wiki.example.com/disk"},
			{Name: "Source", Value: "https://prom.example.com/graph?g0=1"},
			{Name: "value", Value: "99"},
			{Name: "account_id", Value: "111122223333"},
			{Name: "instance", Value: "db-1:9100"},
			{Name: "job", Value: "node"},
			{Name: "region", Value: "eu-west-1"},
			{Name: "severity", Value: "page"},
			{Name: "team", Value: "payments"},
		},
	}
	if diff := cmp.Diff(want, got.Detection); diff != "" {
		t.Errorf("detection (-want +got):\n%s", diff)
	}
	for labels, want := range map[string]string{
		`{"alertname":"Watchdog"}`:                     "Watchdog",
		`{"alertname":"PodDown","pod":"web-7"}`:        "PodDown web-7",
		`{"severity":"info","service":"payments-api"}`: "alert payments-api",
	} {
		if got := read(t, `{"labels":`+labels+`}`).Detection.Title; got != want {
			t.Errorf("%s without a summary is called %q, want %q", labels, got, want)
		}
	}
}

func TestLevelsByTheSeverityLabel(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]tocsin.Level{
		"critical": tocsin.Critical, "page": tocsin.Critical, "error": tocsin.High, "warning": tocsin.Medium, "ticket": tocsin.Medium,
		"info": tocsin.Informational, "none": tocsin.Informational,
	} {
		if got := read(t, `{"labels":{"alertname":"A","severity":"`+label+`"}}`).Detection.Level; got != want {
			t.Errorf("severity %q is %s, want %s", label, got, want)
		}
	}
}

// An alert's life: what comes again is no news, and what comes late undoes nothing.
func TestAnAlertsLife(t *testing.T) {
	t.Parallel()
	const labels = `"labels":{"alertname":"A"},"startsAt":"2026-03-01T12:00:00Z"`
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var a tocsin.Alert
	for _, tt := range []struct {
		what, raw string
		verdict   tocsin.Verdict
		status    tocsin.Status
	}{
		{"over before it was heard of", `{"status":"resolved",` + labels + `,"endsAt":"2026-03-01T12:01:00Z"}`, tocsin.Ignored, ""},
		{"fires", `{"status":"firing",` + labels + `}`, tocsin.Opened, tocsin.StatusOpen},
		{"still fires", `{"status":"firing",` + labels + `,"endsAt":"2026-03-01T12:09:00Z"}`, tocsin.Appended, tocsin.StatusOpen},
		{"is over", `{"status":"resolved",` + labels + `,"endsAt":"2026-03-01T12:05:00Z"}`, tocsin.Closed, tocsin.StatusClosed},
		{"a message that was late", `{"status":"firing",` + labels + `}`, tocsin.Appended, tocsin.StatusClosed},
		{"fires again", `{"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-03-01T12:07:00Z"}`, tocsin.Opened, tocsin.StatusOpen},
	} {
		now = now.Add(time.Minute)
		var act tocsin.Activity
		a, act = a.Fold(read(t, tt.raw).Detection, now)
		if act.Verdict != tt.verdict || a.Status != tt.status {
			t.Errorf("%s: %s, the alert is %q; want %s, %q", tt.what, act.Verdict, a.Status, tt.verdict, tt.status)
		}
	}
	if a.Occurrences != 1 {
		t.Errorf("%d occurrences, want 1: what comes again is the same one", a.Occurrences)
	}
}

// Prometheus could not reach its Alertmanager for a while, which then calls the alert
// over; it fires on, with the startsAt that it always had.
func TestAnAlertThatWasNotOverAfterAll(t *testing.T) {
	t.Parallel()
	const labels = `"labels":{"alertname":"A"},"startsAt":"2026-03-01T12:00:00Z"`
	begun := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	firing, over := read(t, `{"status":"firing",`+labels+`}`).Detection, read(t, `{"status":"resolved",`+labels+`,"endsAt":"2026-03-01T13:00:00Z"}`).Detection
	a, _ := tocsin.Alert{}.Fold(firing, begun)
	closed, _ := a.Fold(over, begun.Add(time.Hour))
	for _, tt := range []struct {
		what    string
		after   time.Duration
		verdict tocsin.Verdict
		status  tocsin.Status
	}{
		{"what the other server of a pair sent meanwhile", 2 * time.Minute, tocsin.Appended, tocsin.StatusClosed},
		{"it fires on", 2*time.Minute + time.Second, tocsin.Opened, tocsin.StatusOpen},
		{"it fires on much later, as the next alert", time.Hour, tocsin.Opened, tocsin.StatusOpen},
	} {
		got, act := closed.Fold(firing, begun.Add(time.Hour+tt.after))
		if act.Verdict != tt.verdict || got.Status != tt.status || got.Stands {
			t.Errorf("%s: %s, the alert is %s; want %s, %s", tt.what, act.Verdict, got.Status, tt.verdict, tt.status)
		}
		if tt.status != tocsin.StatusOpen {
			continue
		}
		if again, act := got.Fold(over, begun.Add(3*time.Hour)); act.Verdict != tocsin.Closed || again.Status != tocsin.StatusClosed {
			t.Errorf("%s, and ends: %s, the alert is %s", tt.what, act.Verdict, again.Status)
		}
	}
	// What a person closed stays closed while it fires on.
	byPerson, err := a.Close("ana", tocsin.ReasonExpected, begun.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if got, act := byPerson.Fold(firing, begun.Add(3*time.Hour)); act.Verdict != tocsin.Appended || got.Status != tocsin.StatusClosed {
		t.Errorf("closed by ana: %s, the alert is %s", act.Verdict, got.Status)
	}
}

func TestOverBySilenceWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		h, _ := running(t, alertmanager.Config{ResolveTimeout: 5 * time.Minute}, &j)
		start := time.Now().UTC()
		alert := func(name, times string) string {
			return `{"labels":{"alertname":"` + name + `"}` + times + `}`
		}
		send := func(alerts ...string) { do(h, http.MethodPost, api, "["+strings.Join(alerts, ",")+"]") }
		inAnHour := start.Add(time.Hour).Format(time.RFC3339)
		send(alert("Silent", ""), alert("SentAgain", ""), alert("SaysWhen", `,"endsAt":"`+inAnHour+`"`), alert("SaidToBeOver", ""), `{"labels":{}}`)
		send(alert("OfTomorrow", `,"startsAt":"`+start.Add(24*time.Hour).Format(time.RFC3339)+`"`))
		do(h, http.MethodPost, prefix, `{"alerts":[{"status":"firing","labels":{"alertname":"Webhook"}}]}`)
		time.Sleep(4 * time.Minute)
		send(alert("SentAgain", ""), alert("SaidToBeOver", `,"endsAt":"`+start.Format(time.RFC3339)+`"`))
		before := len(j.raws())
		over := func() (names []string) {
			for _, raw := range j.raws()[before:] {
				r := read(t, raw)
				if r.Detection.Intent != tocsin.IntentClose {
					t.Errorf("%s does not say that it is over", raw)
				}
				names = append(names, r.Detection.Type+" at "+r.Detection.UpdatedAt.Sub(start).String())
			}
			return names
		}
		time.Sleep(time.Minute)
		if got := over(); got != nil {
			t.Errorf("over after exactly 5 minutes: %v; want a little patience", got)
		}
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"Silent at 5m0s"}, over()); diff != "" {
			t.Errorf("over after 6 minutes (-want +got):\n%s", diff)
		}
		time.Sleep(time.Hour)
		if diff := cmp.Diff([]string{"Silent at 5m0s", "SentAgain at 9m0s", "SaysWhen at 1h0m0s"}, over()); diff != "" {
			t.Errorf("over after more than an hour (-want +got):\n%s", diff)
		}
	})
}

// Two replicas that share a memory tell of an end with the same event, and the one
// to which an alert is sent keeps the other from ending it.
func TestReplicasTellOfAnEndAlike(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := &collecttest.Memory{}
		var handlers [2]http.Handler
		var journals [2]journal
		for i := range 2 {
			env := collecttest.Env("prom", &handlers[i])
			env.State = memory
			source, err := opener(alertmanager.Config{ResolveTimeout: time.Minute})(env)
			if err != nil {
				t.Fatal(err)
			}
			stop := collecttest.Begin(t, source, journals[i].take)
			t.Cleanup(func() { _ = stop() })
		}
		const alert = `[{"labels":{"alertname":"A"},"startsAt":"1999-12-31T00:00:00Z"}]`
		for i := range 10 { // it is sent to one or the other, and never ends
			do(handlers[i%2], http.MethodPost, api, alert)
			time.Sleep(50 * time.Second)
		}
		if n := len(journals[0].raws()) + len(journals[1].raws()); n != 10 {
			t.Errorf("%d events, want the 10 that were sent", n)
		}
		time.Sleep(5 * time.Minute)
		told := map[string]bool{}
		for i := range journals {
			for _, ev := range journals[i].kept()[5:] {
				told[ev.Envelope+string(ev.Raw)] = true
			}
		}
		if len(told) != 1 {
			t.Errorf("the end is told as %d different events, want one: %v", len(told), told)
		}
	})
}

// What is watched for its end is bounded; the rest stays open, and is logged.
func TestMoreAlertsThanAreWatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j journal
		h, _ := running(t, alertmanager.Config{ResolveTimeout: time.Minute}, &j)
		var all []string
		for i := range 5001 {
			all = append(all, fmt.Sprintf(`{"labels":{"i":"%d"}}`, i))
		}
		do(h, http.MethodPost, api, "["+strings.Join(all, ",")+"]")
		do(h, http.MethodPost, api, "["+strings.Join(all, ",")+"]")
		time.Sleep(2 * time.Minute)
		if ended := len(j.kept()) - 2*5001; ended != 5000 {
			t.Errorf("%d of 5001 alerts are ended, want 5000", ended)
		}
	})
}

func TestEndsOutliveARestartAndAFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := &collecttest.Memory{}
		var j journal
		begin := func() (http.Handler, func() error) {
			var h http.Handler
			env := collecttest.Env("prom", &h)
			env.State = memory
			source, err := opener(alertmanager.Config{ResolveTimeout: 5 * time.Minute})(env)
			if err != nil {
				t.Fatal(err)
			}
			return h, collecttest.Begin(t, source, j.take)
		}
		h, stop := begin()
		do(h, http.MethodPost, api, `[{"labels":{"alertname":"A"}}]`)
		time.Sleep(time.Second) // sooner than the next look
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		_, stop = begin()
		j.mu.Lock()
		j.err = errors.New("the disk is full")
		j.mu.Unlock()
		time.Sleep(10 * time.Minute)
		j.mu.Lock()
		j.err = nil
		j.mu.Unlock()
		time.Sleep(time.Minute)
		if raws := j.raws(); len(raws) != 2 || read(t, raws[1]).Detection.Intent != tocsin.IntentClose {
			t.Errorf("events %v, want the alert and its end", raws)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	var j journal
	_, c := running(t, alertmanager.Config{}, &j)
	hidden, shown := fmt.Sprint(c.(collect.Describer).Describe(false)), fmt.Sprint(c.(collect.Describer).Describe(true))
	if strings.Contains(hidden, collecttest.Token) || !strings.Contains(shown, "{Prometheus path_prefix "+prefix+"}") {
		t.Errorf("hidden: %s\nshown: %s", hidden, shown)
	}
}

func FuzzAlerts(f *testing.F) {
	f.Add(webhook)
	f.Add("[" + string(disk(1)) + "]")
	f.Add(`{"labels":{"a":"b"},"status":{},"endsAt":"0001-01-01T00:00:00Z"}`)
	f.Fuzz(func(t *testing.T, body string) {
		var j journal
		h, _ := running(t, alertmanager.Config{}, &j)
		if w := do(h, http.MethodPost, api, body); w.Code != 200 {
			t.Fatalf("%q: answer %d", body, w.Code)
		}
		for _, ev := range j.kept() {
			if ev.Unreadable != "" {
				continue
			}
			if _, err := alertmanager.Kind.Dialect.Read("prom", ev.Raw, nil); err != nil {
				t.Fatalf("%q: %q is kept and cannot be read: %v", body, ev.Raw, err)
			}
		}
	})
}
