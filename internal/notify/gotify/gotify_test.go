package gotify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	token = "AbCdEfGhIjKlMnO"
	ok    = `{"id":25,"appid":5,"message":"x","title":"y","priority":8,"date":"2026-06-12T02:30:00Z"}`
)

func opened(t *testing.T, url string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{URL: url, Token: secret.New(token)})
}

func TestPromises(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{token},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, ok)
			return opened(t, url), taken
		},
		Check: func(t *testing.T, _ notify.Message, got notifytest.Taken) {
			if key := got.Header.Get("X-Gotify-Key"); key != token {
				t.Errorf("X-Gotify-Key = %q", key)
			}
			valid(t, schema, got.Body)
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string {
			m := parsed(t, got.Body)
			return []string{m.Title, m.Message}
		},
	})
}

// compiled is what Gotify's own description says of a message.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "message.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("message.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("message.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
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

// valid holds a message to the schema and to what Gotify's clients make of it.
func valid(t *testing.T, schema *jsonschema.Schema, body []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("the schema says: %v", err)
	}
	m := parsed(t, body)
	switch {
	case len(m.Message) > messageMax:
		t.Errorf("the message has %d bytes", len(m.Message))
	case m.Message == "":
		t.Error("the message is empty, which Gotify refuses")
	case m.Title == "" || strings.Contains(m.Title, "\n"):
		t.Errorf("the title is %q", m.Title)
	case m.Priority < 0 || m.Priority > 10:
		t.Errorf("the priority is %d", m.Priority)
	case m.Extras.Display.ContentType != "text/plain":
		t.Errorf("the text is taken for %q", m.Extras.Display.ContentType)
	}
}

// A check that lets everything pass is none.
func TestTheSchemaFindsMistakes(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for name, body := range map[string]string{
		"no message":               `{"title":"x"}`,
		"a priority that is text":  `{"message":"x","priority":"high"}`,
		"extras that are a list":   `{"message":"x","extras":[]}`,
		"a title that is a number": `{"message":"x","title":5}`,
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(doc) == nil {
			t.Errorf("%s: the schema lets %s pass", name, body)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for _, c := range notifytest.Cases(t) {
		if c.Message.Kind == tocsin.TellCode {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			body, err := notify.JSON(render(c.Message, notifytest.Now()))
			if err != nil {
				t.Fatal(err)
			}
			valid(t, schema, body)
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
		{"opened-critical-ec2-c2", tocsin.Critical, 10},
		{"opened-critical-ec2-c2", tocsin.High, 8},
		{"opened-critical-ec2-c2", tocsin.Unknown, 8},
		{"opened-critical-ec2-c2", tocsin.Medium, 5},
		{"opened-critical-ec2-c2", tocsin.Low, 3},
		{"opened-critical-ec2-c2", tocsin.Informational, 1},
		{"raised", tocsin.Critical, 10},
		{"reopened", tocsin.Critical, 10},
		{"updated", tocsin.Critical, 2},
		{"acknowledged", tocsin.Critical, 2},
		{"closed-archived", tocsin.Critical, 2},
		{"note", tocsin.Unknown, 2},
		{"digest", tocsin.Unknown, 10}, // its worst is critical
	} {
		m := named(t, tt.name)
		m.Alert.Level = tt.level
		if got := priority(m); got != tt.want {
			t.Errorf("priority(%s, %v) = %d, want %d", tt.name, tt.level, got, tt.want)
		}
	}
}

func TestATapLeadsToTheAlert(t *testing.T) {
	t.Parallel()
	m := named(t, "opened-with-actions")
	got := render(m, notifytest.Now())
	if got.Extras.Notification == nil || got.Extras.Notification.Click.URL != m.AlertURL {
		t.Errorf("a tap leads to %+v, want %s", got.Extras.Notification, m.AlertURL)
	}
	for _, want := range []string{"Acknowledge: " + m.Actions[0].URL, "Alert #4821: " + m.AlertURL} {
		if !strings.Contains(got.Message, want) {
			t.Errorf("the message lacks %q:\n%s", want, got.Message)
		}
	}
	m.AlertURL, m.Alert.Console, m.Alert.Documentation = "", "", ""
	if got := render(m, notifytest.Now()); got.Extras.Notification != nil {
		t.Errorf("without a page a tap leads to %+v", got.Extras.Notification)
	}
}

func TestADigestSaysHowManyMoreThereAre(t *testing.T) {
	t.Parallel()
	m := named(t, "digest")
	for len(m.Digest) < 300 {
		m.Digest = append(m.Digest, m.Digest[0])
	}
	if got := render(m, notifytest.Now()).Message; !strings.Contains(got, "250 more") || len(got) > messageMax {
		t.Errorf("a digest of 300 has %d bytes and does not say 250 more:\n%.400s", len(got), got)
	}
}

func TestGotifysAnswers(t *testing.T) {
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
		{"JSON of something else", 200, `{"health":"green"}`, false, false, "is there a proxy in between"},
		{"a wrong token", 401, `{"error":"Unauthorized","errorCode":401,"errorDescription":"you need to provide a valid access token or user credentials to access this api"}`, false, true, "token is not of an application there"},
		{"another path", 404, `{"error":"Not Found","errorCode":404,"errorDescription":"page not found"}`, false, true, "url lacks the path"},
		{"the token echoed", 400, `{"errorDescription":"bad ` + token + `"}`, false, true, "bad ***"},
		{"in trouble", 500, `{"error":"Internal Server Error"}`, false, false, "500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || r.URL.Path != "/push/message" || r.URL.RawQuery != "" {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			}))
			defer server.Close()
			ref, err := opened(t, server.URL+"/push/").Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
			if (err == nil) != tt.ok || notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Notify = %v, permanent %v; want ok %v, permanent %v", err, notify.IsPermanent(err), tt.ok, tt.permanent)
			}
			if tt.ok && ref != "25" {
				t.Errorf("the reference is %q, want 25", ref)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), token)) {
				t.Errorf("Notify = %v, want it to say %q and no token", err, tt.says)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, url, token, want string }{
		{"a server", "https://gotify.example.com", token, ""},
		{"a reference that is not resolved yet", "https://gotify.example.com", "${env:GOTIFY_TOKEN}", ""},
		{"nothing", "", "", "url is not set"},
		{"plain HTTP to the world", "http://gotify.example.com", token, "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"no token", "https://gotify.example.com", "", "token is not set"},
		{"a client's token", "https://gotify.example.com", "CbCdEfGhIjKlMnO", "token is a client's, which may not send; want an application's, which begins with A"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if _, err := open(Config{URL: tt.url, Token: secret.New(tt.token)}, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestARealServer sends every message to the server that TOCSIN_TEST_GOTIFY names,
// http://127.0.0.1:8080, whose administrator is admin:admin, and reads them back.
func TestARealServer(t *testing.T) {
	base := os.Getenv("TOCSIN_TEST_GOTIFY")
	if base == "" {
		t.Skip("set TOCSIN_TEST_GOTIFY to the address of a Gotify server whose administrator is admin:admin (docker run -p 8080:80 gotify/server)")
	}
	call := func(method, path, body string, into any) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("admin", "admin")
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s", method, path, resp.Status)
		}
		if into != nil {
			if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
				t.Fatal(err)
			}
		}
	}
	var app struct {
		ID    int64  `json:"id"`
		Token string `json:"token"`
	}
	call(http.MethodPost, "/application", `{"name":"tocsin"}`, &app)
	defer call(http.MethodDelete, fmt.Sprintf("/application/%d", app.ID), "", nil)
	n := notifytest.Open(t, open, Config{URL: base, Token: secret.New(app.Token)})
	for _, c := range append(notifytest.Cases(t), notifytest.Corpus()...) {
		if c.Message.Kind == tocsin.TellCode {
			continue
		}
		ref, err := n.Notify(t.Context(), c.Message)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		var page struct {
			Messages []struct {
				ID int64 `json:"id"`
				message
			} `json:"messages"`
		}
		call(http.MethodGet, fmt.Sprintf("/application/%d/message?limit=1", app.ID), "", &page)
		want := render(c.Message, notifytest.Now())
		if len(page.Messages) != 1 || fmt.Sprint(page.Messages[0].ID) != ref || page.Messages[0].Message != want.Message || page.Messages[0].Title != want.Title {
			t.Errorf("%s: the server has %+v, want %+v", c.Name, page.Messages, want)
		}
	}
	wrong := notifytest.Open(t, open, Config{URL: base, Token: secret.New("Awrong-token-xy")})
	if _, err := wrong.Notify(t.Context(), named(t, "note")); !notify.IsPermanent(err) {
		t.Errorf("with a wrong token: %v, want a permanent error", err)
	}
}
