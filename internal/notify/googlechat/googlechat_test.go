package googlechat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	key   = "AIzaSyDdI0hCZtE6vySjMm-WEfRq3CPzqKqqsHI"
	token = "Zk9wYt3vQm4aL2bXc8nR"
	space = "/v1/spaces/AAAAbbbbCCC/messages"
	path  = space + "?key=" + key + "&token=" + token
	ok    = `{"name":"spaces/AAAAbbbbCCC/messages/x.y","thread":{"name":"spaces/AAAAbbbbCCC/threads/z"}}`
)

func opened(t *testing.T, url string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{URL: secret.New(url)})
}

func TestPromises(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{key, token},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, ok)
			return opened(t, url+path), taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			for _, wrong := range mistakes(schema, got.Body) {
				t.Error(wrong)
			}
			links(t, m, got.Body)
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string { return texts(read(t, got.Body)) },
	})
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "schema", "message.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mistakes are what Google Chat would refuse a message for, or quietly leave out:
// what its types say, and its limits, which types do not have.
func mistakes(s *jsonschema.Schema, body []byte) []string {
	var wrong []string
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return []string{err.Error()}
	}
	if err := s.Validate(doc); err != nil {
		wrong = append(wrong, err.Error())
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return append(wrong, err.Error())
	}
	if len(body) > 32000 {
		wrong = append(wrong, fmt.Sprintf("the message has %d bytes", len(body)))
	}
	if strings.TrimSpace(m.Text) == "" {
		wrong = append(wrong, "no text")
	}
	if m.Thread.Key == "" || len(m.Thread.Key) > 4000 {
		wrong = append(wrong, "no thread")
	}
	for _, c := range m.Cards {
		if text, err := notify.JSON(c.Card); err != nil || len(text) > 32<<10 {
			wrong = append(wrong, fmt.Sprintf("a card has %d bytes", len(text)))
		}
		n := 0
		for _, s := range c.Card.Sections {
			n += len(s.Widgets)
			for _, w := range s.Widgets {
				wrong = append(wrong, w.mistakes()...)
			}
		}
		if n == 0 || n > 100 {
			wrong = append(wrong, fmt.Sprintf("a card has %d widgets", n))
		}
	}
	return wrong
}

// mistakes are what types do not say: a widget is one of several, and says something.
func (w widget) mistakes() []string {
	var wrong []string
	kinds := 0
	if w.Paragraph != nil {
		kinds++
		if w.Paragraph.Text == "" {
			wrong = append(wrong, "a paragraph says nothing")
		}
	}
	if w.Decorated != nil {
		kinds++
		if w.Decorated.Text == "" {
			wrong = append(wrong, "a decorated text says nothing")
		}
	}
	if w.Buttons != nil {
		kinds++
		for _, b := range w.Buttons.Buttons {
			if b.Text == "" || b.OnClick.OpenLink.URL == "" {
				wrong = append(wrong, "a button says nothing, or leads nowhere")
			}
		}
	}
	if kinds != 1 {
		wrong = append(wrong, fmt.Sprintf("a widget is %d", kinds))
	}
	return wrong
}

func read(t *testing.T, body []byte) message {
	t.Helper()
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

var (
	chatLink = regexp.MustCompile(`<([^|>\s]+)\|[^<>\n]*>`)
	htmlLink = regexp.MustCompile(`<a href="([^"\s]*)">open</a>`)
	ours     = regexp.MustCompile(`</?b>|<font color="#[0-9A-F]{6}">|</font>`)
	// inText and inCard are what Chat would take for more than text; written apart
	// from the code that takes it out.
	inText = regexp.MustCompile("`|\\*\\S|\\S\\*|(?:^|\\s)_\\S|~\\S|<[a-zA-Z]|\\]\\(")
	inCard = regexp.MustCompile(`<[a-zA-Z/!?]|&#?[a-zA-Z0-9]+;`)
)

// texts are what is shown, without our links' addresses.
func texts(m message) []string {
	shown := []string{chatLink.ReplaceAllString(m.Text, "")}
	for _, c := range m.Cards {
		for _, s := range c.Card.Sections {
			for _, w := range s.Widgets {
				switch {
				case w.Paragraph != nil:
					shown = append(shown, ours.ReplaceAllString(htmlLink.ReplaceAllString(w.Paragraph.Text, ""), ""))
				case w.Decorated != nil:
					shown = append(shown, w.Decorated.Label, w.Decorated.Text)
				case w.Buttons != nil:
					for _, b := range w.Buttons.Buttons {
						shown = append(shown, b.Text)
					}
				}
			}
		}
	}
	return shown
}

// links finds links and markup that are not ours.
func links(t *testing.T, m notify.Message, body []byte) {
	t.Helper()
	known := []string{m.AlertURL, notify.ConsoleLink(m), notify.DocumentationLink(m)}
	for _, a := range m.Actions {
		known = append(known, a.URL)
	}
	for _, item := range m.Digest {
		known = append(known, item.URL)
	}
	shown := read(t, body)
	var led []string
	for _, found := range chatLink.FindAllStringSubmatch(shown.Text, -1) {
		led = append(led, found[1])
	}
	for _, c := range shown.Cards {
		for _, w := range c.Card.Sections[0].Widgets {
			if w.Paragraph != nil {
				for _, found := range htmlLink.FindAllStringSubmatch(w.Paragraph.Text, -1) {
					led = append(led, found[1])
				}
			}
			if w.Buttons != nil {
				for _, b := range w.Buttons.Buttons {
					led = append(led, b.OnClick.OpenLink.URL)
				}
			}
		}
	}
	for _, url := range led {
		if !slices.Contains(known, url) {
			t.Errorf("a link leads to %s", url)
		}
	}
	all := texts(shown)
	if found := inText.FindString(all[0]); found != "" {
		t.Errorf("markup %q in %.200q", found, all[0])
	}
	for _, s := range all[1:] {
		if found := inCard.FindString(s); found != "" {
			t.Errorf("markup %q in %.200q", found, s)
		}
	}
}

func TestGoldenPayloadsAreWhatGooglesTypesSay(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for _, c := range notifytest.Cases(t) {
		if c.Message.Kind == tocsin.TellCode {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			body, err := render(c.Message, notifytest.Now())
			if err != nil {
				t.Fatal(err)
			}
			for _, wrong := range mistakes(schema, body) {
				t.Error(wrong)
			}
			links(t, c.Message, body)
			var out bytes.Buffer
			if err := json.Indent(&out, body, "", "  "); err != nil {
				t.Fatal(err)
			}
			notifytest.Golden(t, c.Name+".json", append(out.Bytes(), '\n'))
		})
	}
}

// A check that lets everything pass is none.
func TestTheChecksFindMistakes(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	good, err := render(named(t, "opened-critical-ec2-c2"), notifytest.Now())
	if err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	for name, tt := range map[string]struct {
		bySchema bool
		spoil    func(m object, section object)
	}{
		"no mistake":        {false, func(object, object) {}},
		"a card of old":     {true, func(m, _ object) { m["cards"] = m["cardsV2"] }},
		"a widget misspelt": {true, func(_, s object) { s["widgets"] = []any{object{"decoratdText": object{"text": "x"}}} }},
		"wrapping in words": {true, func(_, s object) {
			s["widgets"] = []any{object{"decoratedText": object{"text": "x", "wrapText": "yes"}}}
		}},
		"a link that is a word": {true, func(_, s object) {
			s["widgets"].([]any)[0].(object)["buttonList"] = object{"buttons": []any{object{"onClick": "x"}}}
		}},
		"a thread by its name": {true, func(m, _ object) { m["thread"] = "alert-1" }},
		"two widgets in one":   {false, func(_, s object) { s["widgets"].([]any)[0].(object)["decoratedText"] = object{"text": "x"} }},
		"an empty paragraph":   {false, func(_, s object) { s["widgets"].([]any)[0] = object{"textParagraph": object{"text": ""}} }},
		"a button to nowhere": {false, func(_, s object) {
			s["widgets"] = []any{object{"buttonList": object{"buttons": []any{object{"text": "x"}}}}}
		}},
		"more widgets than fit":  {false, func(_, s object) { s["widgets"] = slices.Repeat(s["widgets"].([]any)[:1], 101) }},
		"more bytes than fit":    {false, func(m, _ object) { m["text"] = strings.Repeat("é", 16000) }},
		"no text for the phones": {false, func(m, _ object) { m["text"] = " " }},
		"no thread":              {false, func(m, _ object) { delete(m, "thread") }},
	} {
		var m object
		if err := json.Unmarshal(good, &m); err != nil {
			t.Fatal(err)
		}
		tt.spoil(m, m["cardsV2"].([]any)[0].(object)["card"].(object)["sections"].([]any)[0].(object))
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		want := name != "no mistake"
		if found := schema.Validate(m) != nil; found != tt.bySchema || (len(mistakes(schema, body)) > 0) != want {
			t.Errorf("%s: the schema finds it %v, all checks %q; want %v, %v", name, found, mistakes(schema, body), tt.bySchema, want)
		}
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

// fake is a space of Google Chat.
type fake struct {
	schema *jsonschema.Schema

	mu      sync.Mutex // guards what follows
	keys    []string   // of the threads, in the order in which they began
	threads map[string][]string
	fail    []answer // the next answers
}

type answer struct {
	status     int
	retryAfter string
	body       string
}

func serve(t *testing.T) (*fake, string) {
	t.Helper()
	f := &fake{schema: compiled(t), threads: map[string][]string{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL + path
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	say := func(code int, status, message string) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"error":{"code":%d,"message":%q,"status":%q}}`, code, message, status)
	}
	body, _ := io.ReadAll(r.Body)
	query := r.URL.Query()
	switch {
	case len(f.fail) > 0:
		a := f.fail[0]
		f.fail = f.fail[1:]
		if a.retryAfter != "" {
			w.Header().Set("Retry-After", a.retryAfter)
		}
		w.WriteHeader(a.status)
		io.WriteString(w, a.body)
		return
	case r.Method != http.MethodPost || r.URL.Path != space:
		say(404, "NOT_FOUND", "Requested entity was not found.")
		return
	case query.Get("key") != key || query.Get("token") != token:
		say(401, "UNAUTHENTICATED", "Request is missing required authentication credential.")
		return
	}
	if wrong := mistakes(f.schema, body); len(wrong) > 0 {
		say(400, "INVALID_ARGUMENT", strings.Join(wrong, "; "))
		return
	}
	var m message
	_ = json.Unmarshal(body, &m) // the checks have read it
	at := m.Thread.Key
	if query.Get("messageReplyOption") != "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD" {
		at = fmt.Sprint("unasked ", len(f.keys)) // the key is ignored, and a thread begun
	}
	if f.threads[at] == nil {
		f.keys = append(f.keys, at)
	}
	f.threads[at] = append(f.threads[at], m.Text)
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	fmt.Fprintf(w, `{"name":"spaces/AAAAbbbbCCC/messages/%d.%d","thread":{"name":"spaces/AAAAbbbbCCC/threads/%d"}}`, len(f.keys), len(f.threads[at]), slices.Index(f.keys, at))
}

func TestAnAlertIsOneThread(t *testing.T) {
	t.Parallel()
	chat, url := serve(t)
	n := opened(t, url)
	tell := func(name string, change func(*notify.Message)) {
		t.Helper()
		m := named(t, name)
		m.Alert.Worst = tocsin.Medium
		m.Alert.Level = tocsin.Medium
		if change != nil {
			change(&m)
		}
		if ref, err := n.Notify(t.Context(), m); err != nil || !strings.HasPrefix(ref, "spaces/") {
			t.Fatalf("%s: %q, %v", name, ref, err)
		}
	}
	worse := func(m *notify.Message) { m.Alert.Worst, m.Alert.Level = tocsin.Critical, tocsin.Critical }
	again := func(m *notify.Message) { worse(m); m.Alert.Reopened = 1 }
	tell("opened-critical-ec2-c2", nil)
	tell("updated", nil)
	tell("acknowledged", nil)
	tell("raised", worse)
	tell("updated", func(m *notify.Message) { m.Alert.Worst = tocsin.Critical }) // its level fell since
	tell("closed-by-person", worse)
	tell("reopened", again)
	tell("changed-snoozed", again)
	tell("note", nil)
	want := [][]string{
		{"● MEDIUM · prod-payments", "● UPDATED medium · prod-payments", "● ACKNOWLEDGED by ana · prod-payments"},
		{"■ RAISED medium→critical · prod-payments", "● UPDATED medium", "✓ CLOSED (false positive) · prod-payments"},
		{"■ REOPENED critical · prod-payments", "■ SNOOZED until 12 Jun 06:00 UTC"},
		{"○ Nobody is on call for schedule payments"},
	}
	if len(chat.keys) != len(want) {
		t.Fatalf("threads %q, want %d", chat.threads, len(want))
	}
	for i, key := range chat.keys {
		got := chat.threads[key]
		if len(got) != len(want[i]) {
			t.Errorf("thread %d: %q, want %q", i, got, want[i])
			continue
		}
		for j := range got {
			if !strings.HasPrefix(got[j], want[i][j]) {
				t.Errorf("thread %d, message %d begins %.60q, want %q", i, j, got[j], want[i][j])
			}
		}
	}
}

func TestAStateChangeIsAFewLines(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"updated", "acknowledged", "changed-assigned", "closed-archived"} {
		body, err := render(named(t, name), notifytest.Now())
		if err != nil {
			t.Fatal(err)
		}
		m := read(t, body)
		if m.Cards != nil || strings.Count(m.Text, "\n") > 5 || !strings.HasSuffix(m.Text, "\n<https://tocsin.example.com/alerts/4821|Alert #4821>") {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestGoogleAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		a         answer
		want      string
		permanent bool
		wait      time.Duration
	}{
		{"too much for the space", answer{429, "", `{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}`}, "RESOURCE_EXHAUSTED", false, 0},
		{"too much, with a wait", answer{429, "30", `{}`}, "429", false, 30 * time.Second},
		{"the webhook is gone", answer{404, "", `{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}`}, "NOT_FOUND", true, 0},
		{"the token is wrong", answer{401, "", `{"error":{"code":401,"status":"UNAUTHENTICATED"}}`}, "UNAUTHENTICATED", true, 0},
		{"webhooks are forbidden", answer{403, "", `{"error":{"code":403,"status":"PERMISSION_DENIED"}}`}, "PERMISSION_DENIED", true, 0},
		{"a field it does not know", answer{400, "", `{"error":{"code":400,"status":"INVALID_ARGUMENT"}}`}, "INVALID_ARGUMENT", true, 0},
		{"in trouble", answer{503, "", ""}, "503", false, 0},
		{"something else", answer{200, "", `{"status":"OK"}`}, "names no message", false, 0},
		{"the page of a proxy", answer{200, "", "<!DOCTYPE html><title>Sign in</title>"}, "is there a proxy in between", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			chat, url := serve(t)
			chat.fail = []answer{tt.a}
			n := opened(t, url)
			_, err := n.Notify(t.Context(), named(t, "opened-low-root"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Notify = %v, permanent %v; want %q, %v", err, notify.IsPermanent(err), tt.want, tt.permanent)
			}
			if wait, _ := notify.RetryAfter(err); wait != tt.wait {
				t.Errorf("RetryAfter(%v) = %v, want %v", err, wait, tt.wait)
			}
			if _, err := n.Notify(t.Context(), named(t, "opened-low-root")); err != nil {
				t.Errorf("then: %v", err)
			}
		})
	}
}

func TestWhatIsTooLongIsCut(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	long := named(t, "opened-with-actions")
	long.Alert.Facts = nil
	for i := range 12 {
		long.Alert.Facts = append(long.Alert.Facts, tocsin.Fact{Name: fmt.Sprint("Fact ", i), Value: strings.Repeat("𝔘🔥 ", 2000)})
	}
	digest := named(t, "digest")
	item := digest.Digest[0]
	item.Alert.Headline = strings.Repeat("𝔘", 300)
	item.URL += "?" + strings.Repeat("x", 900)
	digest.Digest = slices.Repeat([]notify.Item{item}, 100)
	for _, tt := range []struct {
		name string
		m    notify.Message
		says string
	}{
		{"facts", long, "Fact 0"},
		{"a digest", digest, "70 more"},
	} {
		body, err := render(tt.m, notifytest.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range mistakes(schema, body) {
			t.Errorf("%s: %s", tt.name, wrong)
		}
		links(t, tt.m, body)
		if all := strings.Join(texts(read(t, body)), "\n"); !strings.Contains(all, tt.says) {
			t.Errorf("%s: it does not say %q:\n%.600s", tt.name, tt.says, all)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, url, want string }{
		{"a webhook", "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=k&token=t%3D", ""},
		{"nothing", "", "url is not set"},
		{"plain HTTP to the world", "http://chat.googleapis.com/v1/spaces/AAAA/messages?key=k&token=t", "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"the address of the space", "https://chat.google.com/room/AAAA", "url is not a webhook's; want https://chat.googleapis.com/v1/spaces/SPACE/messages?key=KEY&token=TOKEN"},
		{"a part of it, as a shell leaves it that was not quoted", "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=k", "url lacks its key or token; copy all of it"},
		{"a reference that is not resolved yet", "${env:CHAT_URL}", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if _, err := open(Config{secret.New(tt.url)}, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open(%q) = %q, want %q", tt.url, got, tt.want)
			}
		})
	}
}
