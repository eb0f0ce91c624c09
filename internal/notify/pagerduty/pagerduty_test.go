package pagerduty

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/pagerduty/pagerdutytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	key  = "e93facc04764012d7bfb002500d5d1a6"
	path = "/v2/enqueue"
	ok   = `{"status":"success","message":"Event processed","dedup_key":"x"}`
)

func opened(t *testing.T, url string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{RoutingKey: secret.New(key), URL: url})
}

func TestPromises(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{key},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, ok)
			return opened(t, url+path), taken
		},
		Check: func(t *testing.T, _ notify.Message, got notifytest.Taken) { valid(t, schema, got.Body) },
		Shown: func(t *testing.T, got notifytest.Taken) []string { return shown(t, got.Body) },
	})
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "event.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("event.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("event.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// valid holds an event to the schema, to what the fake refuses and to the size.
func valid(t *testing.T, schema *jsonschema.Schema, body []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("the schema says: %v", err)
	}
	if len(body) > 512<<10 {
		t.Errorf("the event has %d bytes", len(body))
	}
	e, wrong := pagerdutytest.Parse(body)
	if len(wrong) > 0 {
		t.Errorf("PagerDuty would say: %q", wrong)
	}
	if n := notify.UTF16(e.Payload.Summary); n > 1024 || strings.Contains(e.Payload.Summary, "\n") {
		t.Errorf("the summary is %d long: %q", n, e.Payload.Summary)
	}
}

// shown are all texts of an event: PagerDuty makes links in any of them.
func shown(t *testing.T, body []byte) []string {
	t.Helper()
	e, _ := pagerdutytest.Parse(body)
	texts := []string{e.Payload.Summary, e.Payload.Source, e.Payload.Component, e.Payload.Group, e.Payload.Class, e.DedupKey}
	for _, l := range e.Links {
		texts = append(texts, l.Href, l.Text)
	}
	for name, value := range e.Payload.Details {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, name, string(text))
	}
	return texts
}

// A check that lets everything pass is none.
func TestTheChecksFindMistakes(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	good, err := json.Marshal(withKey(render(notifytest.Messages()[0].Message, notifytest.Now())))
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(e, p map[string]any){
		"no mistake":          func(map[string]any, map[string]any) {},
		"unknown action":      func(e, _ map[string]any) { e["event_action"] = "open" },
		"unknown severity":    func(_, p map[string]any) { p["severity"] = "high" },
		"no source":           func(_, p map[string]any) { delete(p, "source") },
		"a summary too long":  func(_, p map[string]any) { p["summary"] = strings.Repeat("a", 1025) },
		"a key too long":      func(e, _ map[string]any) { e["dedup_key"] = strings.Repeat("a", 256) },
		"a short routing key": func(e, _ map[string]any) { e["routing_key"] = "short" },
		"no time":             func(_, p map[string]any) { p["timestamp"] = "yesterday" },
		"details that are a list": func(_, p map[string]any) {
			p["custom_details"] = []any{"a"}
		},
		"a link to nowhere": func(e, _ map[string]any) { e["links"] = []any{map[string]any{"text": "x", "href": "not a url at all"}} },
		"a key misspelt":    func(e, _ map[string]any) { e["dedupkey"] = "x" },
		"no payload":        func(e, _ map[string]any) { delete(e, "payload") },
	} {
		var e map[string]any
		if err := json.Unmarshal(good, &e); err != nil {
			t.Fatal(err)
		}
		spoil(e, e["payload"].(map[string]any))
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		_, wrong := pagerdutytest.Parse(body)
		want := name != "no mistake"
		if bySchema := schema.Validate(e) != nil; bySchema != want || (len(wrong) > 0) != want {
			t.Errorf("%s: schema finds a mistake %v, the fake %q; want %v", name, bySchema, wrong, want)
		}
	}
}

func withKey(e event) event {
	e.RoutingKey = key
	return e
}

func TestGolden(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for _, c := range notifytest.Cases(t) {
		if c.Message.Kind == tocsin.TellCode {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			var out bytes.Buffer
			enc := json.NewEncoder(&out)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(withKey(render(c.Message, notifytest.Now()))); err != nil {
				t.Fatal(err)
			}
			valid(t, schema, out.Bytes())
			notifytest.Golden(t, c.Name+".json", out.Bytes())
		})
	}
}

// serve is PagerDuty with a notifier that tells it.
func serve(t *testing.T) (*pagerdutytest.Server, notify.Notifier) {
	t.Helper()
	pd := &pagerdutytest.Server{RoutingKeys: []string{key}}
	server := httptest.NewServer(pd)
	t.Cleanup(server.Close)
	return pd, opened(t, server.URL+path)
}

func message(t *testing.T, name string) notify.Message {
	t.Helper()
	for _, c := range notifytest.Messages() {
		if c.Name == name {
			return c.Message
		}
	}
	t.Fatalf("no message %q", name)
	return notify.Message{}
}

func TestTheLifeOfAnAlertIsOneIncident(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		told   []string
		status []pagerdutytest.Status // of the incidents, in the order in which they opened
	}{
		{"opened", []string{"opened-critical-ec2-c2"}, []pagerdutytest.Status{pagerdutytest.Triggered}},
		{"told twice after a crash", []string{"opened-critical-ec2-c2", "opened-critical-ec2-c2"}, []pagerdutytest.Status{pagerdutytest.Triggered}},
		{"raised and updated", []string{"opened-critical-ec2-c2", "raised", "updated"}, []pagerdutytest.Status{pagerdutytest.Triggered}},
		{"acknowledged", []string{"opened-critical-ec2-c2", "acknowledged"}, []pagerdutytest.Status{pagerdutytest.Acknowledged}},
		{"assigned to another", []string{"opened-critical-ec2-c2", "acknowledged", "changed-assigned"}, []pagerdutytest.Status{pagerdutytest.Acknowledged}},
		{"updated while acknowledged", []string{"opened-critical-ec2-c2", "acknowledged", "updated"}, []pagerdutytest.Status{pagerdutytest.Acknowledged}},
		{"handed over", []string{"opened-critical-ec2-c2", "changed-handed-over"}, []pagerdutytest.Status{pagerdutytest.Triggered}},
		{"closed", []string{"opened-critical-ec2-c2", "acknowledged", "closed-archived"}, []pagerdutytest.Status{pagerdutytest.Resolved}},
		{"open again as itself", []string{"opened-critical-ec2-c2", "closed-archived", "reopened"}, []pagerdutytest.Status{pagerdutytest.Resolved, pagerdutytest.Triggered}},
		{"snoozed, and the snooze is over", []string{"opened-critical-ec2-c2", "changed-snoozed", "changed-open-again"}, []pagerdutytest.Status{pagerdutytest.Resolved, pagerdutytest.Triggered}},
		{"never told of the opening", []string{"acknowledged", "closed-archived"}, nil},
		{"two alerts", []string{"opened-critical-ec2-c2", "opened-low-root"}, []pagerdutytest.Status{pagerdutytest.Triggered, pagerdutytest.Triggered}},
		{"a digest and a note", []string{"digest", "note", "digest"}, []pagerdutytest.Status{pagerdutytest.Triggered, pagerdutytest.Triggered}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pd, n := serve(t)
			for _, name := range tt.told {
				m := message(t, name)
				ref, err := n.Notify(t.Context(), m)
				if err != nil || ref != notify.DedupKey(m) {
					t.Fatalf("Notify(%s) = %q, %v", name, ref, err)
				}
			}
			var got []pagerdutytest.Status
			for _, i := range pd.Incidents() {
				got = append(got, i.Status)
			}
			if !slices.Equal(got, tt.status) {
				t.Errorf("incidents %q, want %q", got, tt.status)
			}
		})
	}
}

func TestNewsOfAClosedAlertPagesNobody(t *testing.T) {
	t.Parallel()
	pd, n := serve(t)
	for _, name := range []string{"updated", "changed-assigned", "changed-open-again"} {
		m := message(t, name)
		m.Alert.Status = tocsin.StatusClosed // while the message waited
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := pd.Incidents(); len(got) != 0 {
		t.Errorf("incidents %+v, want none", got)
	}
}

func TestARaisedAlertRaisesTheIncident(t *testing.T) {
	t.Parallel()
	pd, n := serve(t)
	m := message(t, "opened-critical-ec2-c2")
	m.Alert.Level = tocsin.Medium
	for _, m := range []notify.Message{m, message(t, "raised")} {
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	got := pd.Incidents()
	if len(got) != 1 || got[0].Severity != "critical" || got[0].Log[0].Payload.Severity != "warning" {
		t.Errorf("incidents %+v", got)
	}
	if changed := got[0].Log[1].Payload.Details["What changed"]; changed != "severity medium 5 → critical 9.2, count 12 → 46 (+34), remote IP 198.51.100.4 → 203.0.113.7" {
		t.Errorf("What changed = %q", changed)
	}
}

func TestSeverities(t *testing.T) {
	t.Parallel()
	for l, want := range map[tocsin.Level]string{
		tocsin.Critical: "critical", tocsin.High: "error", tocsin.Medium: "warning",
		tocsin.Low: "info", tocsin.Informational: "info", tocsin.Unknown: "error",
	} {
		if got := severity(l); got != want {
			t.Errorf("severity(%v) = %q, want %q", l, got, want)
		}
	}
}

func TestADigestListsAndCounts(t *testing.T) {
	t.Parallel()
	m := message(t, "digest")
	item := m.Digest[0]
	for len(m.Digest) < 73 {
		m.Digest = append(m.Digest, item)
	}
	d := map[string]any{}
	for _, one := range render(m, notifytest.Now()).Payload.Details {
		d[one.name] = one.value
	}
	if d["Not listed"] != "23 more" {
		t.Errorf("a digest of 73 says %q, want that 23 more are there", d["Not listed"])
	}
	if names := slices.Sorted(maps.Keys(d)); !slices.Equal(names, []string{"Alerts", "Not listed", "Why"}) {
		t.Errorf("details are %q", names)
	}
}

func TestDetailsKeepTheirOrderAndNames(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(details{{"Who", "b"}, {"API", "a"}, {"Who", "c"}})
	if want := `{"Who":"b","API":"a","Who 2":"c"}`; err != nil || string(got) != want {
		t.Errorf("details are %s, %v, want %s", got, err, want)
	}
}

func TestPagerDutysAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		status    int
		body      string
		ok        bool
		permanent bool
		says      string
	}{
		{"taken", 202, ok, true, false, ""},
		{"the page of a proxy", 200, "<html>Sign in</html>", false, false, "is there a proxy in between"},
		{"a wrong key", 400, `{"status":"invalid event","message":"Event object is invalid","errors":["Invalid routing key"]}`, false, true, "Invalid routing key"},
		{"the key echoed", 400, `{"errors":["unknown key ` + key + `"]}`, false, true, "unknown key ***"},
		{"too many", 429, `{"status":"throttle exceeded"}`, false, false, "429"},
		{"in trouble", 500, "", false, false, "500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				w.Write([]byte(tt.body))
			}))
			defer server.Close()
			_, err := opened(t, server.URL+path).Notify(t.Context(), notifytest.Messages()[0].Message)
			if (err == nil) != tt.ok || notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Notify = %v, permanent %v; want ok %v, permanent %v", err, notify.IsPermanent(err), tt.ok, tt.permanent)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), key)) {
				t.Errorf("Notify = %v, want it to say %q and no key", err, tt.says)
			}
		})
	}
}

func TestThrottledEventsWaitAsTold(t *testing.T) {
	t.Parallel()
	pd, n := serve(t)
	pd.Fail(http.StatusTooManyRequests, "30")
	m := message(t, "opened-critical-ec2-c2")
	_, err := n.Notify(t.Context(), m)
	if wait, told := notify.RetryAfter(err); !told || wait != 30*time.Second {
		t.Errorf("RetryAfter(%v) = %v, %v, want 30s", err, wait, told)
	}
	if _, err := n.Notify(t.Context(), m); err != nil || len(pd.Incidents()) != 1 || pd.Attempts() != 2 {
		t.Errorf("then: %v, %d incidents, %d attempts", err, len(pd.Incidents()), pd.Attempts())
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, key, url, want string
	}{
		{"a key", key, "", ""},
		{"the EU", key, "https://events.eu.pagerduty.com/v2/enqueue", ""},
		{"nothing", "", "", "routing_key is not set"},
		{"a REST API key", "u+abcdefghijklmnopqr", "", "routing_key has 20 characters, want 32: it is the Integration Key of an Events API v2 integration"},
		{"a reference that is not resolved yet", "${env:PAGERDUTY_KEY}", "", ""},
		{"plain HTTP to the world", key, "http://events.pagerduty.com/v2/enqueue", "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if _, err := open(Config{secret.New(tt.key), tt.url}, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
		})
	}
}
