package servicenow

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
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
	user         = "tocsin.integration"
	password     = "correct-horse-battery"
	clientSecret = "cl13nt-s3cr3t-s3cr3t"
	opening      = "opened-critical-ec2-c2"
	itsKey       = "tocsin-4821-1781231160000"
)

func config(url, mode string) Config {
	return Config{URL: url, Mode: mode, Username: user, Password: secret.New(password)}
}

// afresh has each message come to an instance without incidents, or with its own,
// since the messages of the suite are of one alert and would find each other's.
type afresh struct {
	notify.Notifier
	snow *fake
}

func (a afresh) Notify(ctx context.Context, m notify.Message) (string, error) {
	a.snow.clear()
	if m.Ref != "" {
		m.Ref = a.snow.add(map[string]string{"correlation_id": key(m)})
	}
	return a.Notifier.Notify(ctx, m)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"incident", "event"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			notifytest.Run(t, notifytest.Harness{
				HTTP: true, NoCodes: true, Secrets: []string{password, "dG9jc2luLmludGVncmF0aW9u"},
				Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
					if a != (notifytest.Answer{}) {
						url, taken := notifytest.Serve(t, a, "")
						return notifytest.Open(t, open, config(url, mode)), taken
					}
					snow := &fake{closeCode: "Solution provided"}
					server := httptest.NewServer(snow)
					t.Cleanup(server.Close)
					return afresh{notifytest.Open(t, open, config(server.URL, mode)), snow}, func() []notifytest.Taken { return told(snow) }
				},
				Check: func(t *testing.T, m notify.Message, got notifytest.Taken) { valid(t, m, got.Body) },
				Shown: func(t *testing.T, got notifytest.Taken) []string { return shown(t, got.Body) },
			})
		})
	}
}

// told are the writes that tell of messages, without those that only move an
// incident that was just made.
func told(snow *fake) []notifytest.Taken {
	return slices.DeleteFunc(snow.taken(), func(w notifytest.Taken) bool {
		return !bytes.Contains(w.Body, []byte(`"work_notes"`)) && !bytes.Contains(w.Body, []byte(`"short_description"`)) && !bytes.Contains(w.Body, []byte(`"records"`))
	})
}

// decode are the fields of a write, of an incident or of an event.
func decode(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	var q struct {
		Records []map[string]string `json:"records"`
	}
	var fields map[string]string
	if json.Unmarshal(raw, &q) == nil && len(q.Records) == 1 {
		return q.Records[0]
	}
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return fields
}

// valid holds a write to what a journal field would show as HTML. The lengths the
// fake has checked.
func valid(t *testing.T, m notify.Message, raw []byte) {
	t.Helper()
	fields := decode(t, raw)
	if id := fields["correlation_id"] + fields["message_key"]; id != "" && id != key(m) {
		t.Errorf("the key is %q, want %q", id, key(m))
	}
	for name, value := range fields {
		if strings.Contains(strings.ToLower(value), "[code]") {
			t.Errorf("%s has HTML: %.300q", name, value)
		}
	}
	if note := fields["work_notes"]; note != "" && !strings.Contains(note, "message "+notify.MessageID(m)) {
		t.Errorf("the work note does not name its message: %.300q", note)
	}
}

func shown(t *testing.T, raw []byte) []string {
	t.Helper()
	fields := decode(t, raw)
	if text := fields["additional_info"]; text != "" {
		var info map[string]string
		if err := json.Unmarshal([]byte(text), &info); err != nil {
			t.Fatal(err)
		}
		delete(fields, "additional_info")
		maps.Copy(fields, info)
	}
	return slices.Collect(maps.Values(fields))
}

func TestGolden(t *testing.T) {
	t.Parallel()
	c := config("https://example.service-now.com", "")
	c.Group, c.Fields = "Security Operations", map[string]string{"category": "Security"}
	n := notifytest.Open(t, open, c).(*notifier)
	write := func(name string, v any) {
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		notifytest.Golden(t, name, out.Bytes())
	}
	for _, tt := range notifytest.Cases(t) {
		if tt.Message.Kind == tocsin.TellCode {
			continue
		}
		e := n.record(tt.Message)
		if wrong := e.wrong(); wrong != "" {
			t.Errorf("%s: Event Management would say %s", tt.Name, wrong)
		}
		write("event/"+tt.Name+".json", map[string][]event{"records": {e}})
		if tt.Message.Ref == "" {
			write(tt.Name+".json", n.fields(tt.Message))
			continue
		}
		changes := map[string]string{"work_notes": text(notify.CommentOutline(tt.Message, n.now(), ""), textMax)}
		maps.Copy(changes, n.move(tt.Message, record{State: value{Value: "1"}}))
		write(tt.Name+".json", changes)
	}
}

// serve is an instance with a notifier that writes to it.
func serve(t *testing.T, change func(*Config)) (*fake, notify.Notifier, *bytes.Buffer) {
	t.Helper()
	snow := &fake{closeCode: "Solution provided"}
	server := httptest.NewServer(snow)
	t.Cleanup(server.Close)
	c := config(server.URL, "")
	if change != nil {
		change(&c)
	}
	snow.oauth = c.OAuth != nil
	env := notifytest.Env(t, nil)
	var log bytes.Buffer
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	n, err := open(c, env)
	if err != nil {
		t.Fatal(err)
	}
	return snow, n, &log
}

func named(t *testing.T, name string) notify.Message {
	t.Helper()
	for _, c := range notifytest.Messages() {
		if c.Name != name {
			continue
		}
		if c.Message.Kind == tocsin.TellClosed {
			c.Message.Alert.Status = tocsin.StatusClosed
		}
		return c.Message
	}
	t.Fatalf("no message %q", name)
	return notify.Message{}
}

// tell notifies of the messages in order, as the engine does: with the reference
// that the first of an alert gave.
func tell(t *testing.T, n notify.Notifier, names ...string) string {
	t.Helper()
	refs := map[int64]string{}
	var last string
	for _, name := range names {
		m := named(t, name)
		m.Ref = refs[m.Alert.ID]
		ref, err := n.Notify(t.Context(), m)
		if err != nil {
			t.Fatalf("Notify(%s): %v", name, err)
		}
		if refs[m.Alert.ID] == "" {
			refs[m.Alert.ID] = ref
		}
		last = ref
	}
	return last
}

func TestTheLifeOfAnAlertIsOneIncident(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		told  []string
		state string
		notes []string // beginnings
	}{
		{"opened", []string{opening}, "1", nil},
		{"raised and updated", []string{opening, "raised", "updated"}, "1", []string{"■ RAISED medium→critical: ", "■ UPDATED: "}},
		{"acknowledged", []string{opening, "acknowledged"}, "2", []string{"■ ACKNOWLEDGED by ana"}},
		{"assigned and snoozed", []string{opening, "changed-assigned", "changed-snoozed"}, "2", []string{"■ ASSIGNED to bo", "■ SNOOZED until 12 Jun 06:00 UTC"}},
		{"closed by a person", []string{opening, "acknowledged", "closed-by-person"}, "6", []string{"■ ACK", "✓ CLOSED (false positive) by alice@example[.]com"}},
		{"closed without being acknowledged", []string{opening, "closed-archived"}, "6", []string{"✓ CLOSED (archived)"}},
		{"open again as itself", []string{opening, "closed-archived", "reopened"}, "2", []string{"✓ CLOSED", "■ REOPENED"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			snow, n, log := serve(t, nil)
			ref := tell(t, n, tt.told...)
			all := snow.all()
			if len(all) != 1 || all[0].ID != ref || all[0].Fields["state"] != tt.state || all[0].Fields["correlation_id"] != itsKey {
				t.Fatalf("incidents %+v, reference %q; want one in state %s", all, ref, tt.state)
			}
			if len(all[0].Notes) != len(tt.notes) {
				t.Fatalf("work notes %q, want %q", all[0].Notes, tt.notes)
			}
			for i, want := range tt.notes {
				if got := all[0].Notes[i]; !strings.HasPrefix(got, want) {
					t.Errorf("work note %d is %.200q, want %q…", i, got, want)
				}
			}
			if log.Len() > 0 {
				t.Errorf("logged %s", log)
			}
		})
	}
}

func TestWhatAnIncidentSays(t *testing.T) {
	t.Parallel()
	snow, n, _ := serve(t, func(c *Config) {
		c.Group, c.Fields = "Security Operations", map[string]string{"category": "Security"}
		c.Urgency = map[string]string{"critical": "3"}
	})
	tell(t, n, "opened-with-actions", "closed-by-person")
	got := snow.all()[0].Fields
	for name, want := range map[string]string{
		"short_description": notify.FirstLine(named(t, opening)), "impact": "1", "urgency": "3", "assignment_group": "Security Operations",
		"category": "Security", "correlation_display": "tocsin", "close_code": "Solution provided",
		"close_notes": "Closed by tocsin: CLOSED (false positive) by alice@example[.]com",
	} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
	for _, want := range []string{"What: DNS query for evil[.]example", "aws ec2 describe-instances", "https://tocsin.example.com/alerts/4821", "message 01JXGHV1A2C3E4G5J6K7M8N9P0"} {
		if !strings.Contains(got["description"], want) {
			t.Errorf("the description lacks %q:\n%s", want, got["description"])
		}
	}
	if strings.Contains(got["description"], "/do/") {
		t.Error("the incident, which many read, has a link that acts for one reader")
	}
}

// The reply to the incident's making is lost; the next attempt finds it.
func TestARepeatAfterACrashMakesNoSecondIncident(t *testing.T) {
	t.Parallel()
	snow, n, _ := serve(t, nil)
	m := named(t, opening)
	snow.next(fault{what: create})
	if _, err := n.Notify(t.Context(), m); err == nil || notify.IsPermanent(err) {
		t.Fatalf("Notify = %v with the reply lost", err)
	}
	ref, err := n.Notify(t.Context(), m)
	if all := snow.all(); err != nil || len(all) != 1 || ref != all[0].ID || len(all[0].Notes) != 0 {
		t.Errorf("then %q, %v; incidents %+v", ref, err, all)
	}
}

func TestARepeatedWorkNoteIsNotWrittenTwice(t *testing.T) {
	t.Parallel()
	snow, n, log := serve(t, nil)
	m := named(t, "closed-archived")
	m.Ref = tell(t, n, opening)
	snow.next(fault{what: patch})
	if _, err := n.Notify(t.Context(), m); err == nil || notify.IsPermanent(err) {
		t.Fatalf("Notify = %v with the reply lost", err)
	}
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := snow.all()[0]; len(got.Notes) != 1 || got.Fields["state"] != "6" || log.Len() > 0 {
		t.Errorf("the incident is %+v; logged %s", got, log)
	}
}

func TestAMoveThatIsRefusedIsSaidAndNoFailure(t *testing.T) {
	t.Parallel()
	snow, n, log := serve(t, func(c *Config) { c.CloseCode = "Done and dusted" })
	tell(t, n, opening, "closed-archived")
	got := snow.all()[0]
	if got.Fields["state"] != "1" || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "This incident was not moved to state 6: ServiceNow refused it.") ||
		!strings.Contains(log.String(), "ticket not moved") || !strings.Contains(log.String(), "Data Policy Exception") {
		t.Errorf("the incident is %+v; logged %s", got, log)
	}
}

func TestStatesThatAreLeft(t *testing.T) {
	t.Parallel()
	snow, n, _ := serve(t, func(c *Config) { c.States = States{Ack: "-", Close: "-", Reopen: "-"} })
	tell(t, n, opening, "acknowledged", "closed-archived", "reopened")
	if got := snow.all()[0]; got.Fields["state"] != "1" || len(got.Notes) != 3 {
		t.Errorf("the incident is %+v", got)
	}
	snow, n, _ = serve(t, func(c *Config) { c.CloseCode = "-" })
	snow.closeCode = ""
	tell(t, n, opening, "closed-archived")
	if _, there := snow.all()[0].Fields["close_code"]; there || snow.all()[0].Fields["state"] != "6" {
		t.Errorf("the incident is %+v", snow.all()[0])
	}
}

func TestAnIncidentThatSomebodyClosedStaysClosed(t *testing.T) {
	t.Parallel()
	snow, n, log := serve(t, nil)
	ref := tell(t, n, opening)
	snow.set(ref, "state", "7")
	for _, name := range []string{"acknowledged", "closed-archived"} {
		m := named(t, name)
		m.Ref = ref
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := snow.all()[0]; got.Fields["state"] != "7" || len(got.Notes) != 2 || log.Len() > 0 {
		t.Errorf("the incident is %+v; logged %s", got, log)
	}
}

func TestAnIncidentThatIsGone(t *testing.T) {
	t.Parallel()
	snow, n, _ := serve(t, nil)
	ref := tell(t, n, opening)
	snow.remove(ref)
	acknowledged, raised := named(t, "acknowledged"), named(t, "raised")
	acknowledged.Ref, raised.Ref = ref, ref
	if _, err := n.Notify(t.Context(), acknowledged); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("news of it: %v", err)
	}
	if _, err := n.Notify(t.Context(), raised); err != nil || len(snow.all()) != 1 || !strings.HasPrefix(snow.all()[0].Fields["short_description"], "RAISED") {
		t.Errorf("a call to act: %v; incidents %+v", err, snow.all())
	}
}

func TestAnAlertWhoseOpeningWasToldElsewhere(t *testing.T) {
	t.Parallel()
	snow, n, _ := serve(t, nil)
	m := named(t, "acknowledged")
	m.Ref = ""
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := snow.all()[0]; got.Fields["state"] != "2" || !strings.Contains(got.Fields["description"], "ACKNOWLEDGED by ana") {
		t.Errorf("the incident is %+v", got)
	}
}

func TestDigestsAndNotesAreIncidentsOfTheirOwn(t *testing.T) {
	t.Parallel()
	snow, n, _ := serve(t, nil)
	for _, name := range []string{"digest", "note", "digest", "note"} {
		if _, err := n.Notify(t.Context(), named(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	all := snow.all()
	if len(all) != 2 || all[0].Fields["impact"] != "1" || all[1].Fields["impact"] != "3" || !strings.HasPrefix(all[1].Fields["description"], "Nobody is on call") {
		t.Errorf("incidents %+v", all)
	}
}

func TestKeysAndTextsAtTheirEdge(t *testing.T) {
	t.Parallel()
	m := notify.Message{ID: strings.Repeat("x", 93), Kind: tocsin.TellNote}
	if got := key(m); len(got) != 100 || got != notify.DedupKey(m) {
		t.Errorf("a key of 100: %q", got)
	}
	m.ID += "y"
	if got := key(m); len(got) != 39 {
		t.Errorf("a key of 101: %q", got)
	}
	n := notifytest.Open(t, open, config("https://example.service-now.com", "")).(*notifier)
	d := named(t, "digest")
	d.Digest = slices.Repeat(d.Digest, 40)
	got := n.fields(d)
	if size := notify.UTF16(got["description"]); size > 4000 || size < 1500 || !strings.Contains(got["description"], " more\n") {
		t.Errorf("the description of a digest of 200 is %d long: …%s", size, got["description"][max(0, len(got["description"])-300):])
	}
	h := named(t, opening)
	h.Alert.Facts = []tocsin.Fact{{Name: "By", Value: `[Code]<a href="x">y</a>[/code] [ code ]`}}
	if got := n.fields(h)["description"]; !strings.Contains(got, `(code)<a href="x">y</a>(/code) (code)`) {
		t.Errorf("a journal field would show %s", got)
	}
}

func TestEveryRequestWaitsAsTold(t *testing.T) {
	t.Parallel()
	for _, at := range []what{find, create, patch, ask} {
		snow, n, _ := serve(t, func(c *Config) { c.OAuth = &OAuth{"app", secret.New(clientSecret)} })
		snow.next(fault{what: at, status: http.StatusTooManyRequests, retryAfter: "17"})
		var waits []time.Duration
		ref := ""
		for _, name := range []string{opening, "closed-archived"} {
			for range 2 {
				m := named(t, name)
				m.Ref = ref
				got, err := n.Notify(t.Context(), m)
				if err == nil {
					ref = got
					break
				}
				wait, _ := notify.RetryAfter(err)
				waits = append(waits, wait)
			}
		}
		if all := snow.all(); !slices.Equal(waits, []time.Duration{17 * time.Second}) || len(all) != 1 || len(all[0].Notes) != 1 || all[0].Fields["state"] != "6" {
			t.Errorf("%s throttled: waits %v, incidents %+v", at, waits, all)
		}
	}
}

func TestOAuth(t *testing.T) {
	t.Parallel()
	for _, grant := range []string{"client credentials", "password"} {
		snow, n, _ := serve(t, func(c *Config) {
			c.OAuth = &OAuth{"app", secret.New(clientSecret)}
			if grant == "client credentials" {
				c.Username, c.Password = "", secret.String{}
			}
		})
		now := notifytest.Now()
		n.(*notifier).now = func() time.Time { return now }
		tell(t, n, opening, "acknowledged")
		if got := snow.asked(); got != 1 {
			t.Errorf("%s: %d tokens for four requests", grant, got)
		}
		now = now.Add(29 * time.Minute)
		tell(t, n, "opened-low-root")
		if got := snow.asked(); got != 1 {
			t.Errorf("%s: %d tokens before the first has run out", grant, got)
		}
		now = now.Add(time.Minute)
		tell(t, n, "opened-high-malware")
		if got := snow.asked(); got != 2 {
			t.Errorf("%s: %d tokens after half an hour", grant, got)
		}
		snow.expire()
		tell(t, n, "opened-medium-eks")
		if got := len(snow.all()); got != 4 {
			t.Errorf("%s: %d incidents after the instance forgot the token", grant, got)
		}
	}
	_, n, _ := serve(t, func(c *Config) { c.OAuth = &OAuth{"app", secret.New("wrong-wrong-wrong")} })
	if _, err := n.Notify(t.Context(), named(t, opening)); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "oauth: ") || strings.Contains(err.Error(), "wrong-wrong") {
		t.Errorf("a wrong client secret: %v", err)
	}
}

func TestTheInstancesAnswers(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"incident", "event"} {
		_, n, _ := serve(t, func(c *Config) { c.Mode, c.Password = mode, secret.New("wrong-wrong-wrong") })
		if _, err := n.Notify(t.Context(), named(t, opening)); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "User Not Authenticated") {
			t.Errorf("%s: a wrong password: %v", mode, err)
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "<html>Your instance is hibernating</html>")
		}))
		_, err := notifytest.Open(t, open, config(server.URL, mode)).Notify(t.Context(), named(t, opening))
		server.Close()
		if err == nil || notify.IsPermanent(err) || !strings.Contains(err.Error(), "login page in between") {
			t.Errorf("%s: an instance that sleeps: %v", mode, err)
		}
	}
}

func TestTheLifeOfAnAlertIsOneMessageKey(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		severity string
		state    string
	}{
		{opening, "1", "New"},
		{"raised", "1", "New"},
		{"acknowledged", "1", "New"},
		{"changed-snoozed", "0", "Closing"},
		{"changed-open-again", "1", "New"},
		{"closed-archived", "0", "Closing"},
		{"reopened", "1", "New"},
		{"opened-high-malware", "2", "New"},
		{"opened-medium-eks", "3", "New"},
		{"opened-low-root", "4", "New"},
		{"opened-unknown-type", "", "New"},
		{"digest", "1", "New"},
		{"note", "5", "New"},
	} {
		snow, n, _ := serve(t, func(c *Config) { c.Mode = "event" })
		m := named(t, tt.name)
		ref, err := n.Notify(t.Context(), m)
		sent := snow.sent()
		if err != nil || len(sent) != 1 || ref != notify.DedupKey(m) || sent[0].MessageKey != ref {
			t.Fatalf("%s: %q, %v; events %+v", tt.name, ref, err, sent)
		}
		if e := sent[0]; tt.severity != "" && e.Severity != tt.severity || e.State != tt.state || e.Source != "tocsin" {
			t.Errorf("%s: event %+v, want severity %s, %s", tt.name, e, tt.severity, tt.state)
		}
	}
	m := named(t, opening)
	n := notifytest.Open(t, open, config("https://example.service-now.com", "event")).(*notifier)
	e := n.record(m)
	var info map[string]string
	if err := json.Unmarshal([]byte(e.Info), &info); err != nil || info["account"] != "111122223333" || info["finding"] != "3ac1b2c3d4e5f60718293a4b5c6d7e8f" || info["status"] != "NEW" {
		t.Errorf("additional_info %s, %v", e.Info, err)
	}
	if e.Node != "i-0abc123def456789a" || e.Type != "Backdoor:EC2/C&CActivity.B!DNS" || e.Time != "2026-06-12 02:29:40" {
		t.Errorf("event %+v", e)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"a user", func(*Config) {}, ""},
		{"a token", func(c *Config) { c.Username, c.Password, c.Token = "", secret.String{}, secret.New("x") }, ""},
		{"a client", func(c *Config) {
			c.Username, c.Password, c.OAuth = "", secret.String{}, &OAuth{"app", secret.New("x")}
		}, ""},
		{"references that are not resolved yet", func(c *Config) { c.Password = secret.New("${env:SNOW}") }, ""},
		{"no address", func(c *Config) { c.URL = "" }, "url is not set"},
		{"the API's address", func(c *Config) { c.URL += "/api/now" }, "url: want the address of the instance alone, without /api/…"},
		{"plain HTTP to the world", func(c *Config) { c.URL = "http://example.service-now.com" }, "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"a mode that is not there", func(c *Config) { c.Mode = "alert" }, `mode: "alert" is none of incident, event`},
		{"a table that leads elsewhere", func(c *Config) { c.Table = "../x" }, `table: "../x" is not a table's name, such as incident`},
		{"no login", func(c *Config) { c.Username, c.Password = "", secret.String{} }, "username and password are not set, nor oauth, nor token"},
		{"no password", func(c *Config) { c.Password = secret.String{} }, "username and password: one of them is not set"},
		{"a user with a colon", func(c *Config) { c.Username = "a:b" }, `username: "a:b" has a colon, which a login cannot have`},
		{"a token as well", func(c *Config) { c.Token = secret.New("x") }, "token: it takes the place of username, password and oauth; set one of them"},
		{"a client without secret", func(c *Config) { c.OAuth = &OAuth{ClientID: "app"} }, "oauth: client_id and client_secret: one of them is not set"},
		{"a field of ours", func(c *Config) { c.Fields = map[string]string{"state": "1"} }, "fields: state is set by tocsin itself"},
		{"a field that is none", func(c *Config) { c.Fields = map[string]string{"A b": "1"} }, `fields: "A b" is not a field's name`},
		{"a level that is not there", func(c *Config) { c.Impact = map[string]string{"urgent": "1"} }, `impact: level "urgent" is none of informational, low, medium, high, critical`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := config("https://example.service-now.com", "")
			tt.change(&c)
			got := ""
			if _, err := open(c, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestATokenThatIsRefusedIsAskedForAgainOnce(t *testing.T) {
	t.Parallel()
	snow, n, _ := serve(t, func(c *Config) { c.OAuth = &OAuth{"app", secret.New(clientSecret)} })
	for range 3 {
		snow.next(fault{what: find, status: 401})
	}
	if _, err := n.Notify(t.Context(), named(t, opening)); !notify.IsPermanent(err) || snow.asked() != 2 || len(snow.requests) != 4 {
		t.Errorf("Notify = %v after %q, want a permanent error after two tokens", err, snow.requests)
	}
	now := notifytest.Now()
	n.(*notifier).now = func() time.Time { return now }
	snow.faults = nil
	tell(t, n, opening)
	asked := snow.asked()
	now = now.Add(1799*time.Second - 20*time.Second) // it would run out on its way
	tell(t, n, "opened-low-root")
	if got := snow.asked(); got != asked+1 {
		t.Errorf("%d tokens, want a new one before the old has run out", got-asked)
	}
	snow.expire()
	snow.next(fault{what: ask, status: 200, body: `{"error":"invalid"}`})
	if _, err := n.Notify(t.Context(), named(t, opening)); err == nil || !strings.Contains(err.Error(), "the reply has no token") {
		t.Errorf("a reply without a token: %v", err)
	}
}

func TestWorseGetsTheImpactOfItsLevel(t *testing.T) {
	t.Parallel()
	snow, n, _ := serve(t, nil)
	m := named(t, opening)
	m.Alert.Level = tocsin.Medium
	ref, err := n.Notify(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	was := maps.Clone(snow.all()[0].Fields)
	for _, name := range []string{"updated", "raised"} {
		m := named(t, name)
		m.Ref = ref
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if got := snow.all()[0].Fields; name == "updated" && got["impact"] != was["impact"] {
			t.Errorf("news changed the impact to %s", got["impact"])
		}
	}
	if got := snow.all()[0].Fields; was["impact"] != "2" || was["urgency"] != "2" || got["impact"] != "1" || got["urgency"] != "1" {
		t.Errorf("impact and urgency %s %s, then %s %s", was["impact"], was["urgency"], got["impact"], got["urgency"])
	}
}

func TestWhatIsRefusedForGoodIsAFailureUnlessItIsTheMove(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, told string
		status     int
		failure    bool
	}{
		{"the login, when it is to be moved", "acknowledged", 401, true},
		{"the incident is gone, when it is to be moved", "acknowledged", 404, true},
		{"the work note alone", "updated", 403, true},
		{"the move", "acknowledged", 403, false},
	} {
		snow, n, _ := serve(t, nil)
		m := named(t, tt.told)
		m.Ref = tell(t, n, opening)
		snow.next(fault{what: patch, status: tt.status})
		_, err := n.Notify(t.Context(), m)
		if got := len(snow.all()[0].Notes); (err != nil) != tt.failure || notify.IsPermanent(err) != tt.failure || got == 0 != tt.failure {
			t.Errorf("%s: %v, %d work notes", tt.name, err, got)
		}
	}
}

func TestARepeatWhoseMoveIsRefusedWritesNothing(t *testing.T) {
	t.Parallel()
	snow, n, _ := serve(t, func(c *Config) { c.CloseCode = "Done and dusted" })
	m := named(t, "closed-archived")
	m.Ref = tell(t, n, opening)
	for range 2 {
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := snow.all()[0]; len(got.Notes) != 1 || got.Fields["state"] != "1" {
		t.Errorf("the incident is %+v, want one work note", got)
	}
}

func TestAReplyThatIsNoneOfServiceNowsIsNoSuccess(t *testing.T) {
	t.Parallel()
	const page = "<html>Log in</html>"
	for _, tt := range []struct {
		name string
		mode string
		told []string
		at   fault
	}{
		{"a login page in place of an incident", "incident", []string{opening}, fault{what: create, status: 200, body: page}},
		{"an incident without its id", "incident", []string{opening}, fault{what: create, status: 201, body: `{"result":{}}`}},
		{"a login page in place of a work note", "incident", []string{opening, "updated"}, fault{what: patch, status: 200, body: page}},
		{"an event that nobody took", "event", []string{opening}, fault{what: send, status: 200, body: `{}`}},
	} {
		snow, n, _ := serve(t, func(c *Config) { c.Mode = tt.mode })
		ref := ""
		if len(tt.told) > 1 {
			ref = tell(t, n, tt.told[0])
		}
		snow.next(tt.at)
		m := named(t, tt.told[len(tt.told)-1])
		m.Ref = ref
		if _, err := n.Notify(t.Context(), m); err == nil || notify.IsPermanent(err) {
			t.Errorf("%s: %v, want an error that passes", tt.name, err)
		}
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Errorf("%s: then %v", tt.name, err)
		}
	}
}

func TestWhatClosesAnIncidentIsNoTag(t *testing.T) {
	t.Parallel()
	snow, n, _ := serve(t, func(c *Config) { c.CloseNotes = strings.Repeat("by the book ", 400) })
	tell(t, n, opening, "closed-archived")
	if got := snow.all()[0].Fields["close_notes"]; notify.UTF16(got) > 4000 || !strings.HasSuffix(got, "…") {
		t.Errorf("close_notes have %d characters", notify.UTF16(got))
	}
	m := named(t, "closed-by-person")
	m.Alert.ClosedBy = "[code]<script>[/code]"
	snow, n, _ = serve(t, nil)
	m.Ref = tell(t, n, opening)
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := snow.all()[0].Fields["close_notes"]; !strings.Contains(got, "(code)<script>(/code)") {
		t.Errorf("close_notes %q", got)
	}
}

func TestAnEventsTimeIsUTC(t *testing.T) {
	t.Parallel()
	m := named(t, opening)
	m.At = m.At.In(time.FixedZone("Berlin", 2*60*60))
	n := notifytest.Open(t, open, config("https://example.service-now.com", "event")).(*notifier)
	if got := n.record(m).Time; got != "2026-06-12 02:29:40" {
		t.Errorf("the event is of %s", got)
	}
}
