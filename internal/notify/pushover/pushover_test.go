package pushover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const ok = `{"status":1,"request":"647d2300-702c-4b38-8b2f-d56326ae460b"}`

func settings(url string) Config {
	return Config{Token: secret.New(token), User: secret.New(group), APIURL: url}
}

func opened(t *testing.T, url string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, settings(url))
}

func TestPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{token, group},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, ok)
			return opened(t, url), func() []notifytest.Taken {
				return slices.DeleteFunc(taken(), func(got notifytest.Taken) bool { return !parsed(t, got.Body).Has("message") })
			}
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			form := parsed(t, got.Body)
			for _, wrong := range mistakes(form) {
				t.Errorf("Pushover would say: %s", wrong)
			}
			ours := []string{m.AlertURL, notify.ConsoleLink(m), notify.DocumentationLink(m)}
			for _, a := range m.Actions {
				ours = append(ours, a.URL)
			}
			if form.Has("url") && !slices.Contains(ours, form.Get("url")) {
				t.Errorf("the link leads to %s", form.Get("url"))
			}
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string {
			form := parsed(t, got.Body)
			return []string{form.Get("title"), form.Get("message"), form.Get("url_title")}
		},
	})
}

func parsed(t *testing.T, body []byte) url.Values {
	t.Helper()
	form, err := url.ParseQuery(string(body))
	if err != nil {
		t.Fatal(err)
	}
	return form
}

// A check that lets everything pass is none.
func TestTheCheckFindsMistakes(t *testing.T) {
	t.Parallel()
	n := opened(t, "http://127.0.0.1:1/1/").(*notifier)
	for name, spoil := range map[string]func(f url.Values){
		"no mistake":               func(url.Values) {},
		"a short key":              func(f url.Values) { f.Set("user", "u1") },
		"no message":               func(f url.Values) { f.Del("message") },
		"a message of 1025":        func(f url.Values) { f.Set("message", strings.Repeat("é", 1025)) },
		"a title of 251":           func(f url.Values) { f.Set("title", strings.Repeat("é", 251)) },
		"a title with a break":     func(f url.Values) { f.Set("title", "a\nb") },
		"a link of 513":            func(f url.Values) { f.Set("url", "https://a.example/"+strings.Repeat("a", 500)) },
		"a name without a link":    func(f url.Values) { f.Del("url") },
		"a priority of its own":    func(f url.Values) { f.Set("priority", "3") },
		"an emergency sent once":   func(f url.Values) { f.Del("retry") },
		"an emergency without end": func(f url.Values) { f.Set("expire", "10801") },
		"a retry of no emergency":  func(f url.Values) { f.Set("priority", "1") },
		"a misspelt parameter":     func(f url.Values) { f.Set("titel", "x") },
	} {
		f := n.form(named(t, "opened-with-actions"))
		f.Set("token", token)
		f.Set("user", group)
		spoil(f)
		if wrong := mistakes(f); (len(wrong) > 0) != (name != "no mistake") {
			t.Errorf("%s: the check says %q", name, wrong)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	env := notifytest.Env(t, nil)
	env.Act = (&actor{}).act
	env.Handle, env.CallbackURL = func(http.Handler) {}, "https://tocsin.example.com/act/phones"
	n, err := open(settings(""), env)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range notifytest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			form := n.(*notifier).form(c.Message)
			form.Set("token", token)
			form.Set("user", group)
			if wrong := mistakes(form); len(wrong) > 0 {
				t.Errorf("Pushover would say: %q", wrong)
			}
			form.Del("token")
			var out strings.Builder
			for _, name := range slices.Sorted(maps.Keys(form)) {
				fmt.Fprintf(&out, "%s: %s\n", name, strings.ReplaceAll(form.Get(name), "\n", "\n  "))
			}
			notifytest.Golden(t, c.Name+".txt", []byte(out.String()))
		})
	}
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

func tell(t *testing.T, n notify.Notifier, to, ref string, names ...string) string {
	t.Helper()
	for _, name := range names {
		m := named(t, name)
		m.To, m.Ref = to, ref
		got, err := n.Notify(t.Context(), m)
		if err != nil {
			t.Fatalf("Notify(%s): %v", name, err)
		}
		if got != "" {
			ref = got
		}
	}
	return ref
}

func TestWhatCallsIsLoudAndNewsAreQuiet(t *testing.T) {
	t.Parallel()
	n, err := open(Config{Token: secret.New(token), Priority: map[string]int{"low": 0}}, notifytest.Env(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		level tocsin.Level
		to    string
		want  int
	}{
		{"opened-critical-ec2-c2", tocsin.Critical, "", 2},
		{"opened-critical-ec2-c2", tocsin.High, "", 1},
		{"opened-critical-ec2-c2", tocsin.Unknown, "", 1},
		{"opened-critical-ec2-c2", tocsin.Medium, "", 0},
		{"opened-critical-ec2-c2", tocsin.Low, "", 0}, // as the settings say
		{"opened-critical-ec2-c2", tocsin.Informational, "", -2},
		{"raised", tocsin.Critical, ana, 2},
		{"reopened", tocsin.Critical, "", 2},
		{"updated", tocsin.Critical, "", -1},
		{"acknowledged", tocsin.Critical, "", -1},
		{"acknowledged", tocsin.Critical, ana, -2},
		{"closed-archived", tocsin.Critical, "", -1},
		{"note", tocsin.Unknown, "", -1},
		{"code", tocsin.Unknown, ana, 0},
		{"digest", tocsin.Unknown, "", 1}, // its worst is critical, but there is no one alert to acknowledge
	} {
		m := named(t, tt.name)
		m.Alert.Level, m.To = tt.level, tt.to
		if got := n.(*notifier).priorityOf(m); got != tt.want {
			t.Errorf("priority(%s, %v, to %q) = %d, want %d", tt.name, tt.level, tt.to, got, tt.want)
		}
	}
}

func TestAnEmergencyEndsWhenNobodyNeedsToBeCalled(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		then  []string
		rings int
	}{
		{"opened", nil, 1},
		{"news of it", []string{"updated"}, 1},
		{"open again after a snooze", []string{"changed-open-again"}, 1},
		{"worse: one emergency, not two", []string{"raised"}, 1},
		{"told again by a later step: one is left", []string{"opened-critical-ec2-c2"}, 1},
		{"acknowledged", []string{"acknowledged"}, 0},
		{"assigned", []string{"changed-assigned"}, 0},
		{"snoozed", []string{"changed-snoozed"}, 0},
		{"closed", []string{"closed-by-person"}, 0},
		{"acknowledged and closed", []string{"acknowledged", "closed-archived"}, 0},
		{"worse and acknowledged", []string{"raised", "acknowledged"}, 0},
	} {
		for _, to := range []string{"", ana} {
			t.Run(tt.name+" "+to, func(t *testing.T) {
				t.Parallel()
				p, url := newServer(t)
				n := opened(t, url)
				ref := tell(t, n, to, "", "opened-critical-ec2-c2")
				if !keyForm.MatchString(ref) {
					t.Fatalf("the reference is %q, want a receipt", ref)
				}
				tell(t, n, to, ref, tt.then...)
				if got := p.ringing(); len(got) != tt.rings {
					t.Errorf("%q are repeated, want %d; after %q", got, tt.rings, p.called())
				}
			})
		}
	}
}

func TestTheEndOfAnAlertConcernsEverybodyWhoWasCalled(t *testing.T) {
	t.Parallel()
	p, url := newServer(t)
	n := opened(t, url)
	tell(t, n, ana, "", "opened-critical-ec2-c2") // she is not told of the end
	tell(t, n, "", "", "opened-critical-ec2-c2", "closed-archived")
	if got := p.ringing(); len(got) != 0 {
		t.Errorf("%q are repeated, want none", got)
	}
}

func TestAnEmergencyWhoseAnswerWasLostEndsToo(t *testing.T) {
	t.Parallel()
	for _, then := range []string{"acknowledged", "changed-snoozed", "closed-archived"} {
		p, url := newServer(t)
		n := opened(t, url)
		tell(t, n, "", "", "opened-critical-ec2-c2") // nobody here learns its receipt
		ref := tell(t, n, "", "", "opened-critical-ec2-c2")
		tell(t, n, "", ref, then)
		if got := p.ringing(); len(got) != 0 {
			t.Errorf("%s: %q are repeated, want none", then, got)
		}
	}
}

func TestWhatWasAnEmergencyIsEndedThoughItIsNoneAnyMore(t *testing.T) {
	t.Parallel()
	p, url := newServer(t)
	c := settings(url)
	c.Priority = map[string]int{"high": 2, "critical": 1}
	n := notifytest.Open(t, open, c)
	m := named(t, "opened-critical-ec2-c2")
	m.Alert.Level, m.Alert.Worst = tocsin.High, tocsin.High
	if _, err := n.Notify(t.Context(), m); err != nil || len(p.ringing()) != 1 {
		t.Fatalf("%v, %q are repeated", err, p.ringing())
	}
	tell(t, n, "", "", "closed-archived") // as critical
	if got := p.ringing(); len(got) != 0 {
		t.Errorf("%q are repeated, want none", got)
	}
}

func TestWhatIsOverAtPushoverNeedsNoCancelling(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusBadRequest, http.StatusNotFound} {
		p, url := newServer(t)
		p.fail = func(w http.ResponseWriter, path string) bool {
			if strings.Contains(path, "cancel") {
				w.WriteHeader(status)
				return true
			}
			return false
		}
		m := named(t, "acknowledged")
		m.Ref = strings.Repeat("r", 30)
		if _, err := opened(t, url).Notify(t.Context(), m); err != nil || len(p.messages) != 1 {
			t.Errorf("%d: %v and %d messages, want the news", status, err, len(p.messages))
		}
	}
}

func TestAnEmergencyOfAnAlertThatIsSnoozedOrFellEnds(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(m *notify.Message){
		"snoozed while open": func(m *notify.Message) {
			m.Kind, m.Alert.Status, m.Alert.SnoozedUntil = tocsin.TellChanged, tocsin.StatusOpen, m.At.Add(time.Hour)
		},
		"closed after its level fell": func(m *notify.Message) { m.Alert.Level, m.Alert.Worst = tocsin.Medium, tocsin.Critical },
	} {
		p, url := newServer(t)
		n := opened(t, url)
		tell(t, n, "", "", "opened-critical-ec2-c2")
		m := named(t, "closed-archived")
		change(&m)
		if _, err := n.Notify(t.Context(), m); err != nil || len(p.ringing()) != 0 {
			t.Errorf("%s: %v, %q are repeated", name, err, p.ringing())
		}
	}
}

func TestALesserAlertHasNoReceiptToCancel(t *testing.T) {
	t.Parallel()
	p, url := newServer(t)
	n := opened(t, url)
	m := named(t, "closed-archived")
	m.Alert.Level, m.Alert.Worst, m.Ref = tocsin.Medium, tocsin.Medium, ""
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := p.called(); len(got) != 1 {
		t.Errorf("called %q, want the message alone", got)
	}
}

func TestWhatCannotBeCancelledIsTriedAgain(t *testing.T) {
	t.Parallel()
	p, url := newServer(t)
	n := opened(t, url)
	ref := tell(t, n, "", "", "opened-critical-ec2-c2")
	p.fail = func(w http.ResponseWriter, path string) bool {
		if strings.Contains(path, "cancel") {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	}
	m := named(t, "acknowledged")
	m.Ref = ref
	if _, err := n.Notify(t.Context(), m); err == nil || notify.IsPermanent(err) || len(p.messages) != 1 {
		t.Errorf("Notify = %v and %d messages, want an error that passes, and the news not sent", err, len(p.messages))
	}
}

// actor does what is answered and keeps it.
type actor struct {
	mu      sync.Mutex // guards answers
	answers []notify.Answer
	err     error
}

func (a *actor) act(_ context.Context, answer notify.Answer) (notify.Reply, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers = append(a.answers, answer)
	return notify.Reply{Text: "Acknowledged by ana at 02:30 UTC."}, a.err
}

// doors are a notifier with its callback reachable.
func doors(t *testing.T, a *actor) (p *server, n notify.Notifier, door *httptest.Server) {
	t.Helper()
	p, base := newServer(t)
	var mounted http.Handler
	door = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mounted.ServeHTTP(w, r) }))
	t.Cleanup(door.Close)
	env := notifytest.Env(t, nil)
	env.Act, env.Handle, env.CallbackURL = a.act, func(h http.Handler) { mounted = h }, door.URL+"/act/phones"
	n, err := open(settings(base), env)
	if err != nil {
		t.Fatal(err)
	}
	return p, n, door
}

func post(t *testing.T, address string, form url.Values) int {
	t.Helper()
	resp, err := http.PostForm(address, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func TestAnEmergencyIsAcknowledgedOnThePhone(t *testing.T) {
	t.Parallel()
	a := &actor{}
	p, n, _ := doors(t, a)
	receipt := tell(t, n, "", "", "opened-critical-ec2-c2")
	m := p.last()
	form := url.Values{"receipt": {receipt}, "acknowledged": {"1"}, "acknowledged_by": {group}}
	if code := post(t, m.Get("callback"), form); code != http.StatusConflict || len(a.answers) != 0 {
		t.Errorf("before it was acknowledged: %d and %+v, want 409 and nothing done", code, a.answers)
	}
	if code := post(t, m.Get("callback"), url.Values{"receipt": {receipt}, "x": {strings.Repeat("x", 65<<10)}}); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of 65 KiB: %d, want 413", code)
	}
	m.By = ana // on her phone
	for range 2 {
		if code := post(t, m.Get("callback"), form); code != http.StatusNoContent {
			t.Errorf("the callback is answered with %d", code)
		}
	}
	want := notify.Answer{ID: receipt, Alert: 4821, Do: notify.DoAcknowledge, From: ana}
	if diff := cmp.Diff([]notify.Answer{want, want}, a.answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestOnlyPushoversOwnWordAcknowledges(t *testing.T) {
	t.Parallel()
	a := &actor{}
	p, n, door := doors(t, a)
	receipt := tell(t, n, "", "", "opened-critical-ec2-c2")
	m := p.last()
	m.By = ana
	good := m.Get("callback")
	form := url.Values{"receipt": {receipt}, "acknowledged": {"1"}}
	signature := good[strings.LastIndex(good, "=")+1:]
	for _, tt := range []struct {
		name, address string
		form          url.Values
		want          int
	}{
		{"no signature", door.URL + "/act/phones?alert=4821", form, 403},
		{"another's signature", door.URL + "/act/phones?alert=4822&signature=" + signature, form, 403},
		{"no alert", door.URL + "/act/phones", form, 403},
		{"a receipt that is none", good, url.Values{"receipt": {"../messages"}}, 400},
		{"no receipt", good, url.Values{}, 400},
		{"a receipt that Pushover does not know", good, url.Values{"receipt": {strings.Repeat("a", 30)}}, 502},
	} {
		if code := post(t, tt.address, tt.form); code != tt.want || len(a.answers) != 0 {
			t.Errorf("%s: %d and %+v, want %d and nothing done", tt.name, code, a.answers, tt.want)
		}
	}
	resp, err := http.Get(good)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || len(a.answers) != 0 {
		t.Errorf("GET: %s, want 405 and nothing done", resp.Status)
	}
}

func TestWhoIsNobodyHereAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	a := &actor{err: errors.New("nobody here has this key as a verified contact method")}
	p, n, _ := doors(t, a)
	receipt := tell(t, n, "", "", "opened-critical-ec2-c2")
	p.last().By = ana
	if code := post(t, p.last().Get("callback"), url.Values{"receipt": {receipt}}); code != http.StatusNoContent {
		t.Errorf("the callback is answered with %d, want 204: calling again would help nobody", code)
	}
}

func TestAnAcknowledgementThatTookTooLongMayBeCalledAgain(t *testing.T) {
	t.Parallel()
	p, url := newServer(t)
	p.messages = []*pushed{{Receipt: strings.Repeat("r", 30), By: ana}}
	n := &notifier{
		api: api{base: url, token: secret.New(token)}, log: slog.New(slog.DiscardHandler),
		act: func(ctx context.Context, _ notify.Answer) (notify.Reply, error) {
			deadline, _ := ctx.Deadline()
			if until := time.Until(deadline); until <= 0 || until > 10*time.Second {
				t.Errorf("it has %v", until)
			}
			return notify.Reply{}, context.DeadlineExceeded
		},
	}
	w := httptest.NewRecorder()
	n.acknowledged(w, httptest.NewRequest(http.MethodPost, "/", nil), 4821, strings.Repeat("r", 30))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("the callback is answered with %d, want 503", w.Code)
	}
}

func TestWithoutAPublicURLNothingIsCalledBack(t *testing.T) {
	t.Parallel()
	p, url := newServer(t)
	tell(t, opened(t, url), "", "", "opened-critical-ec2-c2")
	if m := p.last(); m.Has("callback") || m.Get("retry") != "60" || m.Get("expire") != "3000" {
		t.Errorf("sent %v", m.Values)
	}
}

func TestTheLinkIsWhatAcknowledgesOrElseTheAlertsPage(t *testing.T) {
	t.Parallel()
	n := opened(t, "").(*notifier)
	m := named(t, "opened-with-actions")
	if f := n.form(m); f.Get("url") != m.Actions[0].URL || f.Get("url_title") != "Acknowledge" {
		t.Errorf("the link is %s (%s)", f.Get("url"), f.Get("url_title"))
	}
	m.Actions[0].URL += strings.Repeat("a", 512)
	if f := n.form(m); f.Get("url") != m.AlertURL || f.Get("url_title") != "Alert #4821" {
		t.Errorf("where that is too long the link is %s (%s)", f.Get("url"), f.Get("url_title"))
	}
}

func TestALongMessageIsCutAtTheLimit(t *testing.T) {
	t.Parallel()
	p, url := newServer(t)
	n := opened(t, url)
	m := named(t, "note")
	m.Text = strings.Repeat("é", 3000)
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := p.last().Get("message"); !strings.Contains(got, "…") {
		t.Errorf("the message does not say that it was cut: %.80q", got)
	}
	m = named(t, "digest")
	for len(m.Digest) < 40 {
		m.Digest = append(m.Digest, m.Digest[0])
	}
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := p.last().Get("message"); !strings.Contains(got, " more") {
		t.Errorf("a digest of 40 does not say how many more there are:\n%s", got)
	}
}

func TestAPersonHasAKeyOfTheirOwn(t *testing.T) {
	t.Parallel()
	p, url := newServer(t)
	n := notifytest.Open(t, open, Config{Token: secret.New(token), APIURL: url})
	if n.(notify.Placed).Placed() {
		t.Error("without a user there is a place")
	}
	m := named(t, "code")
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) {
		t.Errorf("a code for nobody: %v, want a permanent error", err)
	}
	m.To = ana
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := p.last(); got.Get("user") != ana || !strings.Contains(got.Get("title"), "428317") {
		t.Errorf("sent %v", got.Values)
	}
}

func TestADeviceIsOfTheGroupAndASoundOfWhatCalls(t *testing.T) {
	t.Parallel()
	p, url := newServer(t)
	c := settings(url)
	c.Device, c.Sound = "nexus5", "siren"
	n := notifytest.Open(t, open, c)
	for _, tt := range []struct{ name, to, device, sound string }{
		{"opened-high-rds", "", "nexus5", "siren"},
		{"opened-high-rds", ana, "", "siren"},
		{"updated", "", "nexus5", ""},
		{"note", ana, "", ""},
	} {
		tell(t, n, tt.to, "", tt.name)
		if m := p.last(); m.Get("device") != tt.device || m.Get("sound") != tt.sound {
			t.Errorf("%s to %q: device %q and sound %q, want %q and %q", tt.name, tt.to, m.Get("device"), m.Get("sound"), tt.device, tt.sound)
		}
	}
}

func TestPushoversAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		status    int
		reset     string
		body      string
		permanent bool
		gone      bool
		wait      time.Duration
		says      string
	}{
		{"the page of a proxy", 200, "", "<html>Sign in</html>", false, false, 0, "is there a proxy in between"},
		{"a refusal with a good status", 200, "", `{"status":0,"errors":["message cannot be blank"]}`, true, false, 0, "message cannot be blank"},
		{"a wrong token", 400, "", `{"token":"invalid","errors":["application token is invalid"],"status":0}`, true, false, 0, "copy token again"},
		{"a key of nobody", 400, "", `{"user":"invalid","errors":["user identifier is not a valid user, group, or subscribed user key"],"status":0}`, true, true, 0, "not a valid user"},
		{"a key without a phone", 400, "", `{"user":"invalid","errors":["user has no active devices"],"status":0}`, true, false, 0, "no active devices"},
		{"the token echoed", 400, "", `{"errors":["` + token + ` and ` + group + `"],"status":0}`, true, false, 0, "*** and ***"},
		{"the month is used up", 429, "1782882000", `{"errors":["application is over its quota"],"status":0}`, false, false, 15 * time.Minute, "used up until 2026-07-01T05:00:00Z"},
		{"too many", 429, "", `{"status":0}`, false, false, 0, "429"},
		{"in trouble", 500, "", "", false, false, 5 * time.Second, "500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, url := newServer(t)
			p.fail = func(w http.ResponseWriter, _ string) bool {
				if tt.reset != "" {
					w.Header().Set("X-Limit-App-Reset", tt.reset)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
				return true
			}
			_, err := opened(t, url).Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
			if err == nil || notify.IsPermanent(err) != tt.permanent || notify.IsGone(err) != tt.gone {
				t.Fatalf("Notify = %v, permanent %v, gone %v; want %v, %v", err, notify.IsPermanent(err), notify.IsGone(err), tt.permanent, tt.gone)
			}
			if wait, told := notify.RetryAfter(err); wait != tt.wait || told != (tt.wait > 0) {
				t.Errorf("RetryAfter = %v, %v, want %v", wait, told, tt.wait)
			}
			for _, s := range []string{token, group} {
				if strings.Contains(err.Error(), s) {
					t.Errorf("the error holds %q: %v", s, err)
				}
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Notify = %v, want it to say %q", err, tt.says)
			}
		})
	}
}

func TestAMonthThatIsNearlyUsedUpIsSaid(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	p, base := newServer(t)
	env := notifytest.Env(t, nil)
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	n, err := open(settings(base), env)
	if err != nil {
		t.Fatal(err)
	}
	p.fail = func(w http.ResponseWriter, _ string) bool {
		w.Header().Set("X-Limit-App-Limit", "10000")
		w.Header().Set("X-Limit-App-Remaining", "475")
		w.Header().Set("X-Limit-App-Reset", "1782882000")
		fmt.Fprint(w, ok)
		return true
	}
	tell(t, n, "", "", "note")
	if got := log.String(); !strings.Contains(got, "few messages are left at Pushover this month") || !strings.Contains(got, "left=475") {
		t.Errorf("the log says %q", got)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	key, user := secret.New(token), secret.New(group)
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"a group", Config{Token: key, User: user}, ""},
		{"people alone", Config{Token: key}, ""},
		{"all there is", Config{Token: key, User: user, Device: "nexus5", Sound: "siren", Retry: 30, Expire: 10800, Priority: map[string]int{"high": 2}}, ""},
		{"references that are not resolved yet", Config{Token: secret.New("${env:TOKEN}"), User: secret.New("${env:USER}")}, ""},
		{"nothing", Config{}, "token is not set"},
		{"a short key", Config{Token: key, User: secret.New("u123")}, "user has 4 characters, want 30"},
		{"an address for a key", Config{Token: key, User: secret.New("ana@example.com.but.30.long.xx")}, "user has other characters than letters and digits"},
		{"a device of nobody", Config{Token: key, Device: "nexus5"}, "device: user is not set"},
		{"too often", Config{Token: key, Retry: 29}, "retry: 29 seconds are less than Pushover's 30"},
		{"too long", Config{Token: key, Expire: 10801}, "expire: 10801 seconds are more than Pushover's 10800"},
		{"never repeated", Config{Token: key, Retry: 600, Expire: 60}, "expire: 60 seconds end before the first retry after 600"},
		{"an unknown priority", Config{Token: key, Priority: map[string]int{"high": 3}}, "priority: high: 3 is not from -2 to 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if _, err := open(tt.c, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ana: ana, " " + ana + "\n": ana, "ana": "", "${env:KEY}": "", ana + "x": ""} {
		if got, err := address(text); got != want || (err == nil) != (want != "") {
			t.Errorf("address(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}
