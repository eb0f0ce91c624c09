package ntfy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	token = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"
	topic = "soc-alerts-x7k2"
	ok    = `{"id":"hwQ2YpKdmg","time":1635528757,"event":"message","topic":"soc-alerts-x7k2","message":"x"}`
)

func opened(t *testing.T, url string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{URL: url, Topic: topic, Token: secret.New(token)})
}

func TestPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{token, topic},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, ok)
			return opened(t, url), taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			if auth := got.Header.Get("Authorization"); auth != "Bearer "+token {
				t.Errorf("Authorization = %q", auth)
			}
			for _, wrong := range mistakes(got.Body) {
				t.Errorf("ntfy would say: %s", wrong)
			}
			ours(t, m, parsed(t, got.Body))
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string {
			m := parsed(t, got.Body)
			texts := []string{m.Title, m.Message}
			for _, a := range m.Actions {
				texts = append(texts, a.Label)
			}
			return texts
		},
	})
}

func parsed(t *testing.T, body []byte) message {
	t.Helper()
	var m message
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// mistakes are what ntfy's server refuses or its apps do not show, as its manual says;
// written apart from the code that keeps to it.
func mistakes(body []byte) []string {
	var wrong []string
	bad := func(when bool, format string, args ...any) {
		if when {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	var m struct {
		Topic, Title, Message, Click string
		Priority                     *int
		Tags                         []string
		Markdown                     bool
		Actions                      []struct {
			Action, Label, URL, Method string
			Clear                      bool
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return []string{"40017 request body must be message JSON"}
	}
	bad(len(body) > 8192, "41303 JSON body too large: %d", len(body))
	bad(!topicForm.MatchString(m.Topic), "40009 topic invalid: %q", m.Topic)
	bad(len(m.Message) > 4096, "the message becomes an attachment: %d bytes", len(m.Message))
	bad(m.Message == "", "the message is shown as triggered")
	bad(!utf8.Valid(body), "the message is not UTF-8")
	bad(strings.ContainsAny(m.Title, "\r\n"), "the title has a line break")
	bad(m.Priority == nil || *m.Priority < 1 || *m.Priority > 5, "40007 invalid priority")
	bad(len(m.Actions) > 3, "40018 actions invalid, only 3 actions allowed")
	bad(m.Markdown, "what a finding says is taken for Markdown")
	for _, tag := range m.Tags {
		bad(!emojis[tag], "%q is no emoji and is shown as a word", tag)
	}
	for i, a := range m.Actions {
		u, err := url.Parse(a.URL)
		bad(a.Label == "" || err != nil || u.Host == "", "40018 actions invalid, action %d has no label or URL: %+v", i, a)
		bad(a.Action != "view" && a.Action != "http", "40018 action %q unknown", a.Action)
		bad(a.Action == "view" && (a.Method != "" || a.Clear), "a view has a method")
	}
	return wrong
}

// emojis are the words of https://docs.ntfy.sh/emojis/ that are used.
var emojis = map[string]bool{
	"rotating_light": true, "red_circle": true, "orange_circle": true, "yellow_circle": true, "white_circle": true,
	"white_check_mark": true, "eyes": true, "information_source": true, "key": true,
}

// ours finds links that are not ours.
func ours(t *testing.T, m notify.Message, got message) {
	t.Helper()
	own := map[string]bool{m.AlertURL: true, notify.ConsoleLink(m): true, notify.DocumentationLink(m): true}
	for _, a := range m.Actions {
		own[a.URL] = true
	}
	for _, a := range got.Actions {
		if !own[a.URL] {
			t.Errorf("button %q leads to %s", a.Label, a.URL)
		}
	}
	if got.Click != "" && !own[got.Click] {
		t.Errorf("a tap leads to %s", got.Click)
	}
}

// A check that lets everything pass is none.
func TestTheCheckFindsMistakes(t *testing.T) {
	t.Parallel()
	good, err := render(named(t, "opened-with-actions"), topic, notifytest.Now())
	if err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	for name, spoil := range map[string]func(m object){
		"no mistake":              func(object) {},
		"a topic with a slash":    func(m object) { m["topic"] = "a/b" },
		"a message too long":      func(m object) { m["message"] = strings.Repeat("a", 4097) },
		"an empty message":        func(m object) { m["message"] = "" },
		"a body too long":         func(m object) { m["title"] = strings.Repeat("a", 8000) },
		"an unknown priority":     func(m object) { m["priority"] = 6 },
		"a priority that is text": func(m object) { m["priority"] = "high" },
		"Markdown":                func(m object) { m["markdown"] = true },
		"a tag that is no emoji":  func(m object) { m["tags"] = []string{"tocsin"} },
		"four buttons": func(m object) {
			m["actions"] = append(m["actions"].([]any), m["actions"].([]any)[0])
		},
		"a button without a label": func(m object) { m["actions"].([]any)[0].(object)["label"] = "" },
		"a button to nowhere":      func(m object) { m["actions"].([]any)[0].(object)["url"] = "x" },
		"an unknown action":        func(m object) { m["actions"].([]any)[0].(object)["action"] = "ack" },
	} {
		var m object
		if err := json.Unmarshal(good, &m); err != nil {
			t.Fatal(err)
		}
		spoil(m)
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := mistakes(body); (len(wrong) > 0) != (name != "no mistake") {
			t.Errorf("%s: the check says %q", name, wrong)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			body, err := render(c.Message, topic, notifytest.Now())
			if err != nil {
				t.Fatal(err)
			}
			if wrong := mistakes(body); len(wrong) > 0 {
				t.Errorf("ntfy would say: %q", wrong)
			}
			var out bytes.Buffer
			if err := json.Indent(&out, body, "", "  "); err != nil {
				t.Fatal(err)
			}
			notifytest.Golden(t, c.Name+".json", append(out.Bytes(), '\n'))
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

func TestWhatCallsIsLoudAndNewsAreQuiet(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		level tocsin.Level
		want  int
	}{
		{"opened-critical-ec2-c2", tocsin.Critical, 5},
		{"opened-critical-ec2-c2", tocsin.High, 4},
		{"opened-critical-ec2-c2", tocsin.Unknown, 4},
		{"opened-critical-ec2-c2", tocsin.Medium, 3},
		{"opened-critical-ec2-c2", tocsin.Low, 2},
		{"opened-critical-ec2-c2", tocsin.Informational, 1},
		{"raised", tocsin.Critical, 5},
		{"reopened", tocsin.Critical, 5},
		{"updated", tocsin.Critical, 2},
		{"acknowledged", tocsin.Critical, 2},
		{"closed-archived", tocsin.Critical, 2},
		{"note", tocsin.Unknown, 3},
		{"code", tocsin.Unknown, 3},
		{"digest", tocsin.Unknown, 5}, // its worst is critical
	} {
		m := named(t, tt.name)
		m.Alert.Level = tt.level
		if got := priority(m); got != tt.want {
			t.Errorf("priority(%s, %v) = %d, want %d", tt.name, tt.level, got, tt.want)
		}
	}
}

func TestOneTapAcknowledgesAndOthersAskOnceMore(t *testing.T) {
	t.Parallel()
	m := named(t, "opened-with-actions")
	got := content(m, topic, notifytest.Now(), actionsMax, messageMax)
	want := []action{
		{Action: "http", Label: "Acknowledge", URL: m.Actions[0].URL, Method: "POST", Clear: true},
		{Action: "view", Label: "Escalate", URL: m.Actions[1].URL},
		{Action: "view", Label: "Expected", URL: m.Actions[2].URL},
	}
	if fmt.Sprint(got.Actions) != fmt.Sprint(want) {
		t.Errorf("buttons are %+v, want %+v", got.Actions, want)
	}
	if got.Click != m.AlertURL {
		t.Errorf("a tap leads to %s, want %s", got.Click, m.AlertURL)
	}
	m.Alert.Status = tocsin.StatusClosed
	for _, a := range content(m, topic, notifytest.Now(), actionsMax, messageMax).Actions {
		if a.Action == "http" {
			t.Errorf("a closed alert has the button %+v", a)
		}
	}
}

func TestALongMessageIsCutAtTheLimit(t *testing.T) {
	t.Parallel()
	m := named(t, "note")
	for _, tt := range []struct {
		name string
		text string
	}{
		{"letters", strings.Repeat("a", 5000)},
		{"three bytes each", strings.Repeat("漢", 5000)},
		{"two characters when written as JSON", strings.Repeat(`"\`, 2500)},
	} {
		m.Text = tt.text
		body, err := render(m, topic, notifytest.Now())
		if wrong := mistakes(body); err != nil || len(wrong) > 0 {
			t.Errorf("%s: %v, %q", tt.name, err, wrong)
		}
		if got := parsed(t, body).Message; !strings.Contains(got, "…") {
			t.Errorf("%s: does not say that it was cut: %.100q", tt.name, got)
		}
	}
	m = named(t, "digest")
	for len(m.Digest) < 90 {
		m.Digest = append(m.Digest, m.Digest[0])
	}
	body, err := render(m, topic, notifytest.Now())
	if wrong := mistakes(body); err != nil || len(wrong) > 0 {
		t.Fatalf("%v, %q", err, wrong)
	}
	if got := parsed(t, body).Message; !strings.Contains(got, " more\n") {
		t.Errorf("a digest of 90 does not say how many more there are:\n%s", got)
	}
}

func TestLongLinksCostButtonsRatherThanTheMessage(t *testing.T) {
	t.Parallel()
	m := named(t, "opened-with-actions")
	m.AlertURL = "https://tocsin.example.com/" + strings.Repeat("a", 1900)
	for i := range m.Actions {
		m.Actions[i].URL = "https://tocsin.example.com/do/" + strings.Repeat(fmt.Sprint(i), 1900)
	}
	body, err := render(m, topic, notifytest.Now())
	if wrong := mistakes(body); err != nil || len(wrong) > 0 {
		t.Fatalf("%v, %q", err, wrong)
	}
	if got := parsed(t, body); len(got.Actions) == 0 || got.Actions[0].Action != "http" {
		t.Errorf("buttons are %+v, want the first kept", got.Actions)
	}
}

func TestAPersonHasATopicOfTheirOwn(t *testing.T) {
	t.Parallel()
	url, taken := notifytest.Serve(t, notifytest.Answer{}, ok)
	n := notifytest.Open(t, open, Config{URL: url})
	if placed := n.(notify.Placed).Placed(); placed {
		t.Error("without a topic there is a place")
	}
	m := named(t, "code")
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) {
		t.Errorf("a code for nobody: %v, want a permanent error", err)
	}
	m.To, m.Person = "ana-phone-9f3", "ana"
	ref, err := n.Notify(t.Context(), m)
	if err != nil || ref != "hwQ2YpKdmg" {
		t.Fatalf("Notify = %q, %v", ref, err)
	}
	got := parsed(t, taken()[0].Body)
	if got.Topic != m.To || got.Title != "428317 is your code for tocsin" || taken()[0].Header.Get("Authorization") != "" {
		t.Errorf("sent %+v with %v", got, taken()[0].Header)
	}
	m.Text = "" // ntfy would call an empty message "triggered"
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := parsed(t, taken()[1].Body); got.Title != "" || got.Message != "428317 is your code for tocsin" {
		t.Errorf("sent %+v", got)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write(body)
	}))
	defer server.Close()
	echoed := notifytest.Open(t, open, Config{URL: server.URL})
	if _, err := echoed.Notify(t.Context(), m); err == nil || strings.Contains(err.Error(), m.To) {
		t.Errorf("an error holds a person's topic: %v", err)
	}
	m.Kind, m.To = tocsin.TellNote, ""
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) {
		t.Errorf("a note for no topic: %v, want a permanent error", err)
	}
}

func TestALoginIsSent(t *testing.T) {
	t.Parallel()
	url, taken := notifytest.Serve(t, notifytest.Answer{}, ok)
	n := notifytest.Open(t, open, Config{URL: url, Topic: topic, Username: "tocsin", Password: secret.New("s3cret-word")})
	if _, err := n.Notify(t.Context(), named(t, "note")); err != nil {
		t.Fatal(err)
	}
	r := http.Request{Header: taken()[0].Header}
	if user, password, _ := r.BasicAuth(); user != "tocsin" || password != "s3cret-word" {
		t.Errorf("the login is %q, %q", user, password)
	}
}

func TestNtfysAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		status    int
		body      string
		ok        bool
		permanent bool
		says      string
	}{
		{"taken", 200, ok, true, false, ""},
		{"the page of a proxy", 200, "<html>Sign in</html>", false, false, "is there a proxy in between"},
		{"JSON of something else", 200, `{"healthy":true}`, false, false, "the reply is not ntfy's"},
		{"another event", 200, `{"id":"hwQ2YpKdmg","event":"open"}`, false, false, "the reply is not ntfy's"},
		{"a wrong token", 401, `{"code":40101,"http":401,"error":"unauthorized","link":"https://ntfy.sh/docs/publish/#authentication"}`, false, true, "are wrong"},
		{"a topic of others", 403, `{"code":40301,"http":403,"error":"forbidden"}`, false, true, "may not write to the topic"},
		{"not the root", 404, `{"code":40401,"http":404,"error":"page not found"}`, false, true, "url is not the server's root"},
		{"the topic echoed", 400, `{"error":"topic ` + topic + ` with ` + token + `"}`, false, true, "topic *** with ***"},
		{"too many", 429, `{"code":42901,"http":429,"error":"limit reached: too many requests, please be nice"}`, false, false, "please be nice"},
		{"in trouble", 507, `{"code":50701,"http":507}`, false, false, "507"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || r.URL.Path != "/" {
					t.Errorf("%s %s, want POST /", r.Method, r.URL)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			}))
			defer server.Close()
			_, err := opened(t, server.URL).Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
			if (err == nil) != tt.ok || notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Notify = %v, permanent %v; want ok %v, permanent %v", err, notify.IsPermanent(err), tt.ok, tt.permanent)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), topic)) {
				t.Errorf("Notify = %v, want it to say %q and neither token nor topic", err, tt.says)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	word := secret.New("word")
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"a topic of ntfy.sh", Config{Topic: topic}, ""},
		{"people alone", Config{}, ""},
		{"a server and a token", Config{URL: "https://ntfy.example.com/", Topic: topic, Token: secret.New(token)}, ""},
		{"a login", Config{Topic: topic, Username: "tocsin", Password: word}, ""},
		{"references that are not resolved yet", Config{Topic: "${env:TOPIC}", Token: secret.New("${env:TOKEN}")}, ""},
		{"plain HTTP to the world", Config{URL: "http://ntfy.example.com"}, "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"an address for a topic", Config{Topic: "ntfy.sh/soc"}, "topic: want the topic alone, without the server's address"},
		{"a space", Config{Topic: "our alerts"}, "topic: is not a topic: want 1 to 64 of A to Z, a to z, 0 to 9, _ and -"},
		{"a topic of 65", Config{Topic: strings.Repeat("a", 65)}, "topic: is not a topic: want 1 to 64 of A to Z, a to z, 0 to 9, _ and -"},
		{"a page of the server", Config{Topic: "docs"}, "topic: docs is a page of the server and cannot be a topic"},
		{"token and login", Config{Token: secret.New(token), Username: "a", Password: word}, "username: token is set too; one of them is enough"},
		{"a login without a password", Config{Username: "a"}, "username: password is not set"},
		{"a password of nobody", Config{Password: word}, "password: username is not set"},
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
