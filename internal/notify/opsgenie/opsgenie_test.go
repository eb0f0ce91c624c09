package opsgenie

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	key     = "eb243592-faa2-4ba2-a551-1afdf565c889"
	opening = "opened-critical-ec2-c2"
)

func config(url string) Config { return Config{APIKey: secret.New(key), BaseURL: url} }

// firsts remembers which request was the first of each message: some make two.
type firsts struct {
	notify.Notifier
	fake *fake
	at   *[]int
}

func (f firsts) Notify(ctx context.Context, m notify.Message) (string, error) {
	before := len(f.fake.taken())
	ref, err := f.Notifier.Notify(ctx, m)
	if len(f.fake.taken()) > before {
		*f.at = append(*f.at, before)
	}
	return ref, err
}

func TestPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{key},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			if a != (notifytest.Answer{}) {
				url, taken := notifytest.Serve(t, a, "")
				return notifytest.Open(t, open, config(url)), taken
			}
			f := &fake{}
			server := httptest.NewServer(f)
			t.Cleanup(server.Close)
			n := firsts{notifytest.Open(t, open, config(server.URL)), f, new([]int)}
			return n, func() []notifytest.Taken {
				var taken []notifytest.Taken
				for _, i := range *n.at {
					taken = append(taken, f.taken()[i])
				}
				return taken
			}
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) { valid(t, m, got.Body) },
		Shown: func(t *testing.T, got notifytest.Taken) []string { return shown(t, got.Body) },
	})
}

// valid holds a request to the lengths and to what would be shown as HTML.
func valid(t *testing.T, m notify.Message, raw []byte) {
	t.Helper()
	var a alert
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatal(err)
	}
	if a.Message != "" {
		if wrong := a.wrong(); wrong != "" {
			t.Errorf("the service would say: %s\n%.500s", wrong, raw)
		}
		if a.Alias != notify.DedupKey(m) {
			t.Errorf("alias %q, want %q", a.Alias, notify.DedupKey(m))
		}
	}
	for _, s := range shown(t, raw) {
		if strings.ContainsAny(s, "<>") {
			t.Errorf("%.200q may be shown as HTML", s)
		}
	}
}

// shown are all texts of a request.
func shown(t *testing.T, raw []byte) []string {
	t.Helper()
	var a alert
	var d deed
	for _, into := range []any{&a, &d} {
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	texts := append([]string{a.Message, a.Description, a.Entity, d.Note, d.User}, a.Tags...)
	for name, value := range a.Details {
		texts = append(texts, name, value)
	}
	return texts
}

// A check that lets everything pass is none.
func TestTheFakeFindsMistakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		step  step
		body  string
		wrong bool
	}{
		{"an alert", create, `{"message":"a","priority":"P1"}`, false},
		{"a message of 130 characters", create, `{"message":"` + strings.Repeat("é", 130) + `","priority":"P1"}`, false},
		{"a message of 131", create, `{"message":"` + strings.Repeat("é", 131) + `","priority":"P1"}`, true},
		{"an alias of 513", create, `{"message":"a","priority":"P1","alias":"` + strings.Repeat("a", 513) + `"}`, true},
		{"a description of 15,001", create, `{"message":"a","priority":"P1","description":"` + strings.Repeat("a", 15001) + `"}`, true},
		{"a tag of 51", create, `{"message":"a","priority":"P1","tags":["` + strings.Repeat("a", 51) + `"]}`, true},
		{"a priority that is not there", create, `{"message":"a","priority":"P0"}`, true},
		{"a key misspelt", create, `{"mesage":"a","priority":"P1"}`, true},
		{"a note", note, `{"note":"a","source":"tocsin"}`, false},
		{"a note of nothing", note, `{"source":"tocsin"}`, true},
	} {
		if got := (&fake{}).carryOut("x", tt.step, []byte(tt.body)); (got != "") != tt.wrong {
			t.Errorf("%s: %q, want wrong %v", tt.name, got, tt.wrong)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	c := config("")
	c.Responders, c.Tags = []Responder{{Type: "team", Name: "secops"}}, []string{"guardduty"}
	n := notifytest.Open(t, open, c).(*notifier)
	for _, tt := range notifytest.Cases(t) {
		if tt.Message.Kind == tocsin.TellCode {
			continue
		}
		t.Run(tt.Name, func(t *testing.T) {
			var out bytes.Buffer
			for _, s := range steps(tt.Message) {
				var body any = n.deed(tt.Message)
				if s == create {
					body = n.alert(tt.Message, notify.DedupKey(tt.Message))
				}
				out.WriteString("POST /v2/alerts")
				if s != create {
					out.WriteString("/" + notify.DedupKey(tt.Message) + "/" + string(s) + "?identifierType=alias")
				}
				out.WriteString("\n")
				e := json.NewEncoder(&out)
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				if err := e.Encode(body); err != nil {
					t.Fatal(err)
				}
			}
			notifytest.Golden(t, tt.Name+".txt", out.Bytes())
		})
	}
}

// serve is the service with a notifier that tells it.
func serve(t *testing.T, change func(*Config)) (*fake, notify.Notifier) {
	t.Helper()
	f := &fake{}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	c := config(server.URL)
	if change != nil {
		change(&c)
	}
	return f, notifytest.Open(t, open, c)
}

func named(t *testing.T, name string) notify.Message {
	t.Helper()
	for _, c := range notifytest.Messages() {
		if c.Name == name {
			return c.Message
		}
	}
	t.Fatalf("no message %q", name)
	return notify.Message{}
}

func TestTheLifeOfAnAlertIsOneAlert(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		told   []string
		alerts []string // how they stand: "open", "acked", "closed"
		notes  []int
	}{
		{"opened", []string{opening}, []string{"open"}, []int{0}},
		{"told twice after a crash", []string{opening, opening}, []string{"open"}, []int{0}},
		{"raised and updated", []string{opening, "raised", "updated"}, []string{"open"}, []int{2}},
		{"acknowledged, assigned to another, and updated", []string{opening, "acknowledged", "changed-assigned", "updated"}, []string{"acked"}, []int{3}},
		{"handed over", []string{opening, "changed-handed-over"}, []string{"open"}, []int{1}},
		{"closed", []string{opening, "acknowledged", "closed-archived"}, []string{"closed"}, []int{2}},
		{"open again as itself", []string{opening, "closed-archived", "reopened"}, []string{"closed", "open"}, []int{1, 0}},
		{"snoozed, and the snooze is over", []string{opening, "changed-snoozed", "changed-open-again"}, []string{"closed", "open"}, []int{1, 1}},
		{"never told of the opening", []string{"acknowledged", "closed-archived"}, nil, nil},
		{"two alerts", []string{opening, "opened-low-root"}, []string{"open", "open"}, []int{0, 0}},
		{"a digest and a note", []string{"digest", "note", "digest"}, []string{"open", "open"}, []int{0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, n := serve(t, nil)
			for _, name := range tt.told {
				m := named(t, name)
				ref, err := n.Notify(t.Context(), m)
				if err != nil || ref != notify.DedupKey(m) {
					t.Fatalf("Notify(%s) = %q, %v", name, ref, err)
				}
			}
			var stand []string
			var notes []int
			for _, a := range f.all() {
				is := "open"
				switch {
				case a.Closed:
					is = "closed"
				case a.Acked:
					is = "acked"
				}
				stand, notes = append(stand, is), append(notes, len(a.Notes))
			}
			if !slices.Equal(stand, tt.alerts) || !slices.Equal(notes, tt.notes) {
				t.Errorf("alerts %q with notes %v, want %q with %v", stand, notes, tt.alerts, tt.notes)
			}
		})
	}
}

func TestAnAlertThatSomebodyClosedThereIsOpenedWhenItGetsWorse(t *testing.T) {
	t.Parallel()
	f, n := serve(t, nil)
	for i, name := range []string{opening, "raised"} {
		if i == 1 {
			f.closeByHand("tocsin-4821-1781231160000")
		}
		if _, err := n.Notify(t.Context(), named(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	all := f.all()
	if len(all) != 2 || all[1].Closed || all[1].Priority != "P1" || !strings.HasPrefix(all[1].Message, "RAISED medium→critical · ") {
		t.Errorf("alerts %+v", all)
	}
}

func TestNewsOfAClosedAlertPagesNobody(t *testing.T) {
	t.Parallel()
	f, n := serve(t, nil)
	for _, name := range []string{"updated", "changed-assigned", "changed-open-again"} {
		m := named(t, name)
		m.Alert.Status = tocsin.StatusClosed // while the message waited
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.all(); len(got) != 0 {
		t.Errorf("alerts %+v, want none", got)
	}
}

func TestWhatAnAlertSays(t *testing.T) {
	t.Parallel()
	f, n := serve(t, func(c *Config) {
		c.Responders, c.Tags = []Responder{{Type: "schedule", ID: "4513b7ea"}}, []string{"guardduty"}
	})
	if _, err := n.Notify(t.Context(), named(t, "opened-with-actions")); err != nil {
		t.Fatal(err)
	}
	a := f.all()[0]
	if a.Message != notify.FirstLine(named(t, opening)) || a.Entity != "i-0abc123def456789a" || a.Source != "tocsin" || a.Priority != "P1" {
		t.Errorf("the alert is %+v", a)
	}
	if want := []string{"tocsin", "critical", "prod-payments", "eu-west-1", "guardduty"}; !slices.Equal(a.Tags, want) {
		t.Errorf("tags %q, want %q", a.Tags, want)
	}
	if a.Details["account"] != "111122223333" || a.Details["finding"] != "3ac1b2c3d4e5f60718293a4b5c6d7e8f" || a.Details["alert"] != "4821" || a.Responders[0].ID != "4513b7ea" {
		t.Errorf("details %v, responders %v", a.Details, a.Responders)
	}
	for _, want := range []string{"What: DNS query for evil[.]example", "https://tocsin.example.com/alerts/4821", "aws ec2 describe-instances"} {
		if !strings.Contains(a.Description, want) {
			t.Errorf("the description lacks %q:\n%s", want, a.Description)
		}
	}
	if strings.Contains(a.Description, "/do/") {
		t.Error("the alert, which a team reads, has a link that acts for one reader")
	}
	m := named(t, opening)
	m.Account.Name, m.Alert.Command = "prod, payments", "cat <x>"
	if a := n.(*notifier).alert(m, "x"); a.Tags[2] != "prod payments" || strings.Contains(a.Description, "First step") {
		t.Errorf("tags %q, description %s", a.Tags, a.Description)
	}
}

func TestPriorities(t *testing.T) {
	t.Parallel()
	f, n := serve(t, func(c *Config) { c.Priority = map[string]string{"medium": "P2"} })
	want := map[tocsin.Level]string{
		tocsin.Critical: "P1", tocsin.High: "P2", tocsin.Medium: "P2", tocsin.Low: "P4", tocsin.Informational: "P5", tocsin.Unknown: "P2",
	}
	for l, priority := range want {
		m := named(t, opening)
		m.Alert.Level, m.Alert.ID = l, 100+int64(l)
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		all := f.all()
		if got := all[len(all)-1].Priority; got != priority {
			t.Errorf("priority of %v = %s, want %s", l, got, priority)
		}
	}
}

// Texts are cut at the edge and not before.
func TestLengthsAtTheirEdge(t *testing.T) {
	t.Parallel()
	for most, cut := range map[int]bool{130: false, 129: true} {
		if got := short(strings.Repeat("𝔘", 65), most); strings.HasSuffix(got, "…") != cut || notify.UTF16(got) > most {
			t.Errorf("130 units within %d: %q", most, got)
		}
	}
	m := named(t, "digest")
	m.Digest = slices.Repeat(m.Digest, 40)
	n := notifytest.Open(t, open, config("")).(*notifier)
	a := n.alert(m, "x")
	if size := notify.UTF16(a.Description); size > 15000 || size < 5000 || !strings.Contains(a.Description, " more\n") {
		t.Errorf("the description of a digest of 200 is %d long: …%s", size, a.Description[max(0, len(a.Description)-300):])
	}
}

func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		headers map[string]string
		wait    time.Duration
	}{
		{"Retry-After", map[string]string{"Retry-After": "30"}, 30 * time.Second},
		{"Opsgenie's own headers", map[string]string{"X-RateLimit-State": "THROTTLED", "X-RateLimit-Reason": "ACCOUNT", "X-RateLimit-Period-In-Sec": "60"}, time.Minute},
		{"both", map[string]string{"Retry-After": "30", "X-RateLimit-Period-In-Sec": "60"}, 30 * time.Second},
		{"a period that is none", map[string]string{"X-RateLimit-Period-In-Sec": "0"}, 0},
		{"neither", nil, 0},
	} {
		for _, at := range []step{create, note, closing} {
			f, n := serve(t, nil)
			f.next(fault{step: at, status: 429, headers: tt.headers, body: `{"message":"You are making too many requests!","took":0.0,"requestId":"x"}`})
			var errs []error
			for _, name := range []string{opening, "raised", "closed-archived"} {
				for range 2 {
					_, err := n.Notify(t.Context(), named(t, name))
					if err == nil {
						break
					}
					errs = append(errs, err)
				}
			}
			if len(errs) != 1 {
				t.Fatalf("%s: errors %v, want one", tt.name, errs)
			}
			if wait, told := notify.RetryAfter(errs[0]); wait != tt.wait || told != (tt.wait > 0) || notify.IsPermanent(errs[0]) {
				t.Errorf("%s: RetryAfter(%v) = %v, %v", tt.name, errs[0], wait, told)
			}
			if all := f.all(); len(all) != 1 || !all[0].Closed || len(all[0].Notes) != 2 {
				t.Errorf("%s at %q: alerts %+v", tt.name, at, all)
			}
		}
	}
}

func TestTheServicesAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		status    int
		body      string
		permanent bool
		says      string
	}{
		{"a wrong key", 401, `{"message":"Key format is not valid! ` + key + `"}`, true, "Key format is not valid! ***"},
		{"a plan without the API", 402, `{"message":"Your plan does not allow it"}`, true, "402"},
		{"a responder that is not there", 422, `{"message":"Request body is not processable."}`, true, "422"},
		{"JSON of something else", 200, `{"status":"ok"}`, false, "the reply names no request"},
		{"the page of a proxy", 200, "<html>Sign in</html>", false, "is there a proxy in between"},
		{"in trouble", 503, "", false, "503"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		}))
		_, err := notifytest.Open(t, open, config(server.URL)).Notify(t.Context(), named(t, opening))
		server.Close()
		if err == nil || notify.IsPermanent(err) != tt.permanent || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v, permanent %v; want permanent %v, %q", tt.name, err, notify.IsPermanent(err), tt.permanent, tt.says)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string // an error, or the address
	}{
		{"Jira Service Management", func(*Config) {}, "https://api.atlassian.com/jsm/ops/integration/v2/alerts"},
		{"the same, by name", func(c *Config) { c.Instance = "jsm" }, "https://api.atlassian.com/jsm/ops/integration/v2/alerts"},
		{"Opsgenie", func(c *Config) { c.Instance = "opsgenie" }, "https://api.opsgenie.com/v2/alerts"},
		{"Opsgenie in the EU", func(c *Config) { c.Instance = "opsgenie-eu" }, "https://api.eu.opsgenie.com/v2/alerts"},
		{"something that speaks the same", func(c *Config) { c.BaseURL = "https://pager.example.com/opsgenie/" }, "https://pager.example.com/opsgenie/v2/alerts"},
		{"a key that is not resolved yet", func(c *Config) { c.APIKey = secret.New("${env:JSM_KEY}") }, "https://api.atlassian.com/jsm/ops/integration/v2/alerts"},
		{"an instance that is not there", func(c *Config) { c.Instance = "eu" }, `instance: "eu" is none of jsm, opsgenie, opsgenie-eu`},
		{"all of the address", func(c *Config) { c.BaseURL = "https://api.opsgenie.com/v2/alerts" }, "base_url: want what stands before /v2/alerts"},
		{"plain HTTP to the world", func(c *Config) { c.BaseURL = "http://api.opsgenie.com" }, "base_url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"no key", func(c *Config) { c.APIKey = secret.String{} }, "api_key is not set"},
		{"a responder of no kind", func(c *Config) { c.Responders = []Responder{{Name: "x"}} }, `responders[0]: type: "" is none of team, user, escalation, schedule`},
		{"a responder without name", func(c *Config) { c.Responders = []Responder{{Type: "team"}} }, "responders[0]: want one of name, username and id"},
		{"a team's user name", func(c *Config) { c.Responders = []Responder{{Type: "team", Username: "a@b.example"}} }, "responders[0]: username: a team has none; want name or id"},
		{"a priority that is not there", func(c *Config) { c.Priority = map[string]string{"high": "P6"} }, `priority: high: "P6" is none of P1, P2, P3, P4, P5`},
		{"a level that is not there", func(c *Config) { c.Priority = map[string]string{"urgent": "P1"} }, `priority: level "urgent" is none of informational, low, medium, high, critical`},
		{"a tag too long", func(c *Config) { c.Tags = []string{strings.Repeat("x", 51)} }, `tags: "` + strings.Repeat("x", 51) + `" is not 1 to 50 characters without a comma`},
		{"too many tags", func(c *Config) { c.Tags = strings.Fields(strings.Repeat("x ", 17)) }, "tags: 17 are more than 16"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := config("")
			tt.change(&c)
			n, err := open(c, notifytest.Env(t, nil))
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = n.(*notifier).alerts
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
		})
	}
}
