package mattermost

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
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
	token    = "9xuqwrwgstrb3mzrxb83nb357a"
	hookKey  = "xxx7dk5n3bgyzq1kqy8w4yfoxc"
	channel  = "4xp9fdt77pncbef59f4k1qe83o"
	botID    = "b0tb0tb0tb0tb0tb0tb0tb0tb0"
	anaID    = "anaanaanaanaanaanaanaanaan"
	directID = "d1rectd1rectd1rectd1rectd1"
)

func opened(t *testing.T, server string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{URL: server, Token: secret.New(token), Channel: channel})
}

func TestPromisesOfABot(t *testing.T) {
	t.Parallel()
	schema := compiled(t, "Create")
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{token},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, `{"id":"tqgcxfxbzffztk5cqbgatb58hr"}`)
			return opened(t, url), taken
		},
		Key: func(got notifytest.Taken) string {
			var p newPost
			_ = json.Unmarshal(got.Body, &p) // without it there is no key
			return p.Pending
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			if got.Header.Get("Authorization") != "Bearer "+token {
				t.Error("the token is not in its header")
			}
			for _, wrong := range mistakes(schema, got.Body) {
				t.Error(wrong)
			}
			links(t, m, got.Body)
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string { return texts(read(t, got.Body)) },
	})
}

func TestPromisesOfAWebhook(t *testing.T) {
	t.Parallel()
	schema := compiled(t, "Webhook")
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{hookKey},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, "ok")
			return notifytest.Open(t, open, Config{WebhookURL: secret.New(url + "/hooks/" + hookKey)}), taken
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

func compiled(t *testing.T, definition string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "schema", "message.schema.json") + "#/definitions/" + definition)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A shown message is what is made, edited or posted by a webhook: they differ in
// names alone.
type shown struct {
	newPost
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments"`
}

func read(t *testing.T, body []byte) shown {
	t.Helper()
	var s shown
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatal(err)
	}
	return s.one()
}

// one has the message and its attachments where a post has them.
func (s shown) one() shown {
	s.Message += s.Text
	s.Props.Attachments = append(s.Props.Attachments, s.Attachments...)
	return s
}

var colour = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)

// mistakes are what Mattermost would refuse a message for: what its types say, and
// what they do not.
func mistakes(s *jsonschema.Schema, body []byte) []string {
	var wrong []string
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return []string{err.Error()}
	}
	if err := s.Validate(doc); err != nil {
		wrong = append(wrong, err.Error())
	}
	var m shown
	if err := json.Unmarshal(body, &m); err != nil {
		return append(wrong, err.Error())
	}
	m = m.one()
	if n := notify.Runes(m.Message); n > 16383 || n == 0 {
		wrong = append(wrong, fmt.Sprintf("the message has %d characters", n))
	}
	if n := notify.Runes(string(body)); n > 17000 {
		wrong = append(wrong, fmt.Sprintf("all of it has %d characters", n))
	}
	for _, a := range m.Props.Attachments {
		if !colour.MatchString(a.Colour) {
			wrong = append(wrong, "no colour: "+a.Colour)
		}
		if a.TitleLink != "" && a.Title == "" {
			wrong = append(wrong, "a link without a title")
		}
		if notify.Runes(a.Footer) > 300 {
			wrong = append(wrong, "a footer is cut")
		}
		for _, b := range a.Actions {
			if !actionID.MatchString(b.ID) || b.Name == "" || !strings.HasPrefix(b.Integration.URL, "http") {
				wrong = append(wrong, fmt.Sprintf("a button is not one: %+v", b))
			}
		}
	}
	return wrong
}

// actionID is what Mattermost routes a press by.
var actionID = regexp.MustCompile(`^[A-Za-z0-9]+$`)

var (
	ourLink = regexp.MustCompile(`\[[^\][]*\]\(([^()\s]*)\)`)
	code    = regexp.MustCompile("(?s)```\n.*\n```")
	// markup is what Mattermost would take for more than text; written apart from the
	// code that takes it out. mention is what would ring.
	markup  = regexp.MustCompile("\\]\\(|`|\\*\\S|\\S\\*|__|~~|<[a-zA-Z/!?@#]|(?:^|\\s):[a-z_]+:|&#?[a-zA-Z0-9]+;")
	mention = regexp.MustCompile(`(?:^|[^0-9A-Za-z])@`)
)

// texts are what is shown, without code and our links' addresses.
func texts(s shown) []string {
	all := []string{s.Message}
	for _, a := range s.Props.Attachments {
		all = append(all, a.Fallback, a.Title, ourLink.ReplaceAllString(code.ReplaceAllString(a.Text, ""), ""))
		for _, f := range a.Fields {
			all = append(all, f.Title, f.Value)
		}
		all = append(all, a.Footer)
	}
	return all
}

// links finds links, mentions and markup that are not ours.
func links(t *testing.T, m notify.Message, body []byte) {
	t.Helper()
	ours := []string{"", m.AlertURL, notify.ConsoleLink(m), notify.DocumentationLink(m)}
	for _, a := range m.Actions {
		ours = append(ours, a.URL)
	}
	for _, item := range m.Digest {
		ours = append(ours, item.URL)
	}
	s := read(t, body)
	for i, a := range s.Props.Attachments {
		led := []string{a.TitleLink}
		for _, found := range ourLink.FindAllStringSubmatch(code.ReplaceAllString(a.Text, ""), -1) {
			led = append(led, found[1])
		}
		for _, url := range led {
			if !slices.Contains(ours, url) {
				t.Errorf("a link leads to %s", url)
			}
		}
		s.Props.Attachments[i].Footer = "" // knows no markup, and mentions nobody
	}
	for _, text := range texts(s) {
		if found := markup.FindString(text) + mention.FindString(text); found != "" {
			t.Errorf("markup %q in %.200q", found, text)
		}
	}
}

func remembering() *notifytest.Memory {
	return notifytest.Remembering(map[string]string{keyName: "0123456789abcdef0123456789abcdef"})
}

func TestGoldenPayloadsAreWhatMattermostsTypesSay(t *testing.T) {
	t.Parallel()
	create, patch, webhook := compiled(t, "Create"), compiled(t, "Patch"), compiled(t, "Webhook")
	env := notifytest.Env(t, nil)
	env.State, env.CallbackURL, env.Handle = remembering(), "https://tocsin.example.com/act/payments-oncall", func(http.Handler) {}
	env.Act = func(context.Context, notify.Answer) (notify.Reply, error) { return notify.Reply{}, nil }
	n, err := open(Config{URL: "https://mattermost.example.com", Token: secret.New(token), Channel: channel}, env)
	if err != nil {
		t.Fatal(err)
	}
	b := n.(*bot)
	check := func(t *testing.T, m notify.Message, s *jsonschema.Schema, v any) []byte {
		t.Helper()
		text, err := notify.JSON(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range mistakes(s, text) {
			t.Error(wrong)
		}
		links(t, m, text)
		return text
	}
	golden := func(t *testing.T, name string, text []byte) {
		t.Helper()
		var out bytes.Buffer
		if err := json.Indent(&out, text, "", "  "); err != nil {
			t.Fatal(err)
		}
		notifytest.Golden(t, name+".json", append(out.Bytes(), '\n'))
	}
	for _, c := range notifytest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			m := c.Message
			p := render(m, notifytest.Now(), b.actions(t.Context(), m))
			check(t, m, patch, p)
			check(t, m, webhook, hook{p.Message, p.Props.Attachments})
			golden(t, c.Name, check(t, m, create, newPost{post: p, Channel: channel, Pending: pending(m, "post")}))
		})
	}
	t.Run("superseded", func(t *testing.T) {
		golden(t, "superseded", check(t, named(t, "raised"), patch, superseded(named(t, "raised"))))
	})
}

// A check that lets everything pass is none.
func TestTheChecksFindMistakes(t *testing.T) {
	t.Parallel()
	create := compiled(t, "Create")
	p := render(named(t, "opened-critical-ec2-c2"), notifytest.Now(), []action{{
		ID: "acknowledge", Type: "button", Name: "Acknowledge", Style: "primary",
		Integration: integration{"https://tocsin.example.com/act/soc", map[string]string{"do": "acknowledge"}},
	}})
	good, err := notify.JSON(newPost{post: p, Channel: channel, Pending: "x"})
	if err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	button := func(a object) object { return a["actions"].([]any)[0].(object) }
	for name, tt := range map[string]struct {
		bySchema bool
		spoil    func(m, a object)
	}{
		"no mistake":                {false, func(object, object) {}},
		"attachments at the top":    {true, func(m, a object) { m["attachments"] = []any{a} }},
		"no channel":                {true, func(m, _ object) { delete(m, "channel_id") }},
		"a thread of another chat":  {true, func(m, _ object) { m["thread_ts"] = "1" }},
		"a colour with other vowel": {true, func(_, a object) { a["colour"] = "#C62828" }},
		"short in words":            {true, func(_, a object) { a["fields"].([]any)[0].(object)["short"] = "yes" }},
		"a green button":            {true, func(_, a object) { button(a)["style"] = "green" }},
		"a button without a target": {true, func(_, a object) { delete(button(a), "integration") }},
		"a button's ID with a dash": {false, func(_, a object) { button(a)["id"] = "ack-now" }},
		"a colour in words":         {false, func(_, a object) { a["color"] = "red" }},
		"a long message":            {false, func(m, _ object) { m["message"] = strings.Repeat("é", 16384) }},
		"a long footer":             {false, func(_, a object) { a["footer"] = strings.Repeat("é", 301) }},
	} {
		var m object
		if err := json.Unmarshal(good, &m); err != nil {
			t.Fatal(err)
		}
		tt.spoil(m, m["props"].(object)["attachments"].([]any)[0].(object))
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		want := name != "no mistake"
		if found := create.Validate(m) != nil; found != tt.bySchema || (len(mistakes(create, body)) > 0) != want {
			t.Errorf("%s: the schema finds it %v, all checks %q; want %v, %v", name, found, mistakes(create, body), tt.bySchema, want)
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

// fake is a Mattermost server, as far as its REST API v4 is needed.
type fake struct {
	create, patch *jsonschema.Schema

	mu    sync.Mutex // guards what follows
	posts map[string]*newPost
	order []string
	calls []string
	fail  []answered // the next answers
}

// An answered call is one that goes wrong.
type answered struct {
	status           int
	retryAfter, body string
}

func serve(t *testing.T) (*fake, string) {
	t.Helper()
	f := &fake{create: compiled(t, "Create"), patch: compiled(t, "Patch"), posts: map[string]*newPost{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	path := strings.TrimPrefix(r.URL.Path, "/api/v4")
	f.calls = append(f.calls, r.Method+" "+path)
	w.Header().Set("Content-Type", "application/json")
	refuse := func(code int, id string) {
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"id":%q,"message":"…","detailed_error":"","request_id":"x","status_code":%d}`, id, code)
	}
	say := func(code int, id string) {
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"id":%q}`, id)
	}
	if len(f.fail) > 0 {
		a := f.fail[0]
		f.fail = f.fail[1:]
		if a.status != 0 {
			if a.retryAfter != "" {
				w.Header().Set("Retry-After", a.retryAfter)
			}
			w.WriteHeader(a.status)
			_, _ = io.WriteString(w, a.body)
			return
		}
	}
	if r.Header.Get("Authorization") != "Bearer "+token {
		refuse(http.StatusUnauthorized, "api.context.session_expired.app_error")
		return
	}
	switch call := r.Method + " " + path; {
	case call == "GET /users/me":
		say(http.StatusOK, botID)
	case call == "GET /users/username/ana":
		say(http.StatusOK, anaID)
	case call == "GET /users/username/bo":
		fmt.Fprintf(w, `{"id":%q,"username":"bo","delete_at":1765432100000}`, anaID)
	case strings.HasPrefix(call, "GET /users/username/"):
		refuse(http.StatusNotFound, "app.user.missing_account.const")
	case call == "POST /channels/direct":
		var two []string
		if json.Unmarshal(body, &two) != nil || !slices.Equal(two, []string{botID, anaID}) {
			refuse(http.StatusBadRequest, "api.context.invalid_body_param.app_error")
			return
		}
		say(http.StatusCreated, directID)
	case call == "POST /posts":
		f.make(body, refuse, say)
	case r.Method == http.MethodPut && strings.HasSuffix(path, "/patch"):
		id := strings.TrimSuffix(strings.TrimPrefix(path, "/posts/"), "/patch")
		wrong := mistakes(f.patch, body)
		switch p := f.posts[id]; {
		case p == nil:
			refuse(http.StatusForbidden, "api.context.permissions.app_error")
		case len(wrong) > 0:
			refuse(http.StatusBadRequest, strings.Join(wrong, "; "))
		default:
			p.post = post{}
			_ = json.Unmarshal(body, &p.post) // the checks have read it
			say(http.StatusOK, id)
		}
	default:
		refuse(http.StatusNotFound, "api.context.404.app_error")
	}
}

func (f *fake) make(body []byte, refuse, say func(int, string)) {
	var p newPost
	if wrong := mistakes(f.create, body); len(wrong) > 0 {
		refuse(http.StatusBadRequest, strings.Join(wrong, "; "))
		return
	}
	_ = json.Unmarshal(body, &p) // the checks have read it
	if p.Channel != channel && p.Channel != directID {
		refuse(http.StatusForbidden, "api.context.permissions.app_error")
		return
	}
	if root := f.posts[p.Root]; p.Root != "" && (root == nil || root.Channel != p.Channel || root.Root != "") {
		refuse(http.StatusBadRequest, "api.post.create_post.root_id.app_error")
		return
	}
	for id, known := range f.posts {
		if p.Pending != "" && known.Pending == p.Pending {
			say(http.StatusCreated, id)
			return
		}
	}
	id := fmt.Sprintf("post%022d", len(f.order))
	f.order = append(f.order, id)
	f.posts[id] = &p
	say(http.StatusCreated, id)
}

// shows are the messages, those in threads after an arrow.
func (f *fake) shows() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, id := range f.order {
		p := f.posts[id]
		if p.Root != "" {
			all = append(all, "→ "+p.Message)
			continue
		}
		all = append(all, p.Message)
	}
	return all
}

func (f *fake) delete(ref string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, id, _ := strings.Cut(ref, ":")
	delete(f.posts, id)
	f.order = slices.DeleteFunc(f.order, func(o string) bool { return o == id })
}

func begin(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("the channel shows %q, want %d messages", got, len(want))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("message %d begins %.60q, want %q", i, got[i], want[i])
		}
	}
}

func TestTheLifeOfAnAlertIsOneThread(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	n := opened(t, url)
	ref := ""
	tell := func(name string) string {
		t.Helper()
		m := named(t, name)
		m.Ref = ref
		was := ref
		var err error
		if ref, err = n.Notify(t.Context(), m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return was
	}
	tell("opened-critical-ec2-c2")
	begin(t, server.shows(), "■ CRITICAL · prod-payments")
	if was := tell("updated"); was != ref {
		t.Errorf("an edit moved the message from %s to %s", was, ref)
	}
	tell("acknowledged")
	begin(t, server.shows(), "■ ACKNOWLEDGED by ana · prod-payments", "→ UPDATED: count 17 → 61 (+44)", "→ ACKNOWLEDGED by ana")
	if was := tell("raised"); was == ref {
		t.Error("what got worse is not a message of its own")
	}
	tell("closed-by-person")
	begin(t, server.shows(),
		"■ RAISED medium→critical", "→ UPDATED", "→ ACKNOWLEDGED by ana", "✓ CLOSED (false positive)", "→ CLOSED (false positive)")
	if old := server.posts[server.order[0]]; old.Props.Attachments[0].Text != "Told anew below." {
		t.Errorf("the message before says %+v", old.Props)
	}
	if a := server.posts[server.order[3]].Props.Attachments[0]; a.Colour != "#546E7A" {
		t.Errorf("a closed alert has the colour %s", a.Colour)
	}
}

func TestARepeatIsPostedOnce(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	n := opened(t, url)
	m := named(t, "opened-critical-ec2-c2")
	first, err := n.Notify(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	again, err := n.Notify(t.Context(), m)
	if err != nil || again != first {
		t.Errorf("again: %q, %v; want %q", again, err, first)
	}
	begin(t, server.shows(), "■ CRITICAL")
}

func TestAMessageThatSomebodyDeletedIsPostedAnew(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	n := opened(t, url)
	ref, err := n.Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
	if err != nil {
		t.Fatal(err)
	}
	server.delete(ref)
	m := named(t, "acknowledged")
	m.Ref = ref
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	begin(t, server.shows(), "■ ACKNOWLEDGED by ana")
	server.fail = []answered{{404, "", `{"id":"app.post.get.app_error","status_code":404}`}}
	m.ID += "2"
	if again, err := n.Notify(t.Context(), m); err != nil || again == ref {
		t.Errorf("one that is not found: %q, %v", again, err)
	}
}

func TestTheThreadSaysItWhereEditingIsForbidden(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	n := opened(t, url)
	ref, err := n.Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
	if err != nil {
		t.Fatal(err)
	}
	server.fail = []answered{{400, "", `{"id":"api.post.update_post.permissions_time_limit.app_error","status_code":400}`}}
	m := named(t, "acknowledged")
	m.Ref = ref
	if got, err := n.Notify(t.Context(), m); err != nil || got != ref {
		t.Fatalf("Notify = %q, %v", got, err)
	}
	begin(t, server.shows(), "■ CRITICAL", "→ ACKNOWLEDGED by ana")
}

func TestAPersonIsToldInADirectMessage(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	n := notifytest.Open(t, open, Config{URL: url, Token: secret.New(token)})
	if n.(notify.Placed).Placed() {
		t.Error("a bot without a channel has a place")
	}
	code := named(t, "code")
	code.To = "ana"
	if _, err := n.Notify(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	m := named(t, "opened-critical-ec2-c2")
	m.To = "ana"
	ref, err := n.Notify(t.Context(), m)
	if err != nil || !strings.HasPrefix(ref, directID+":") {
		t.Fatalf("Notify = %q, %v", ref, err)
	}
	begin(t, server.shows(), "○ 428317 is your code for tocsin", "■ CRITICAL")
	if got := slices.Index(server.calls, "GET /users/me"); got < 0 || slices.Contains(server.calls[got+1:], "GET /users/me") {
		t.Errorf("calls %q, want the direct message opened once", server.calls)
	}
	m.To = "nobody"
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "user nobody") {
		t.Errorf("to somebody who is not there: %v", err)
	}
	m.To = "ana"
	server.fail = []answered{{403, "", `{"id":"api.context.permissions.app_error","status_code":403}`}}
	before := len(server.calls)
	for range 2 { // the first finds the direct message gone, the second opens one
		_, err = n.Notify(t.Context(), m)
	}
	if err != nil || !slices.Contains(server.calls[before:], "POST /channels/direct") {
		t.Errorf("after a refusal: %v, calls %q", err, server.calls[before:])
	}
	m.To = "bo"
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "user bo is deactivated") {
		t.Errorf("to somebody who left: %v", err)
	}
	m.To = ""
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) {
		t.Errorf("to no channel: %v", err)
	}
}

func TestWhatCallsDoesNotWaitForTheMessageBefore(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]answered{
		"forbidden":         {403, "", `{"id":"api.context.permissions.app_error"}`},
		"too many requests": {429, "60", "limit exceeded"},
		"in trouble":        {502, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, url := serve(t)
			server.fail = []answered{{}, a}
			m := named(t, "raised")
			m.Ref = channel + ":post0000000000000000000009"
			ref, err := opened(t, url).Notify(t.Context(), m)
			if err != nil || ref == "" || ref == m.Ref {
				t.Errorf("Notify = %q, %v", ref, err)
			}
			begin(t, server.shows(), "■ RAISED")
			if want := []string{"POST /posts", "PUT /posts/post0000000000000000000009/patch"}; !slices.Equal(server.calls, want) {
				t.Errorf("calls %q, want %q", server.calls, want)
			}
		})
	}
}

func TestAMessageInAChannelOfBeforeIsLeftAlone(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	m := named(t, "acknowledged")
	m.Ref = "0therchanne10therchanne10t:post0000000000000000000000"
	if _, err := opened(t, url).Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	begin(t, server.shows(), "■ ACKNOWLEDGED")
	if !slices.Equal(server.calls, []string{"POST /posts"}) {
		t.Errorf("calls %q", server.calls)
	}
}

// pressable is a bot whose buttons lead to a server, which Mattermost can reach.
func pressable(t *testing.T, name, url string, state notify.State, act func(context.Context, notify.Answer) (notify.Reply, error)) notify.Notifier {
	t.Helper()
	var mounted http.Handler
	callback := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mounted.ServeHTTP(w, r) }))
	t.Cleanup(callback.Close)
	env := notifytest.Env(t, nil)
	env.Name, env.State, env.Act, env.CallbackURL = name, state, act, callback.URL+"/act/"+name
	env.Handle = func(h http.Handler) { mounted = h }
	n, err := open(Config{URL: url, Token: secret.New(token), Channel: channel}, env)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// presses is what Mattermost does when somebody presses a button.
func presses(t *testing.T, a action, user string) (status int, reply struct {
	Ephemeral string `json:"ephemeral_text"`
	Skip      bool   `json:"skip_slack_parsing"`
},
) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"user_id": anaID, "user_name": user, "channel_id": channel, "channel_name": "soc", "team_id": "", "team_domain": "",
		"post_id": "x", "trigger_id": "trigger-" + rand.Text(), "type": "button", "data_source": "", "context": a.Integration.Context,
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(a.Integration.URL, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode, reply
}

func buttons(server *fake) []action {
	server.mu.Lock()
	defer server.mu.Unlock()
	return server.posts[server.order[len(server.order)-1]].Props.Attachments[0].Actions
}

func TestAButtonDoesWhatItSays(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	var asked []notify.Answer
	n := pressable(t, "soc", url, remembering(), func(_ context.Context, a notify.Answer) (notify.Reply, error) {
		asked = append(asked, a)
		if a.From != "ana" {
			return notify.Reply{}, errors.New("nobody here has " + a.From + " as a verified contact method")
		}
		return notify.Reply{Text: "Acknowledged by ana at 02:31 UTC."}, nil
	})
	if _, err := n.Notify(t.Context(), named(t, "opened-with-actions")); err != nil {
		t.Fatal(err)
	}
	bs := buttons(server)
	var names []string
	for _, b := range bs {
		names = append(names, b.Name)
	}
	if !slices.Equal(names, []string{"Acknowledge", "Escalate", "Expected…"}) {
		t.Fatalf("buttons %q", names)
	}
	status, reply := presses(t, bs[0], "Ana")
	if status != http.StatusOK || reply.Ephemeral != "Acknowledged by ana at 02:31 UTC." || !reply.Skip {
		t.Errorf("pressed: %d, %+v", status, reply)
	}
	if len(asked) != 1 || !strings.HasPrefix(asked[0].ID, "trigger-") {
		t.Fatalf("asked %+v, want one answer with the trigger's ID", asked)
	}
	if want := (notify.Answer{ID: asked[0].ID, Alert: 4821, Do: notify.DoAcknowledge, From: "ana"}); asked[0] != want {
		t.Errorf("asked %+v, want %+v", asked[0], want)
	}
	if _, reply := presses(t, bs[1], "mallory"); !strings.HasPrefix(reply.Ephemeral, "Not done: nobody here has mallory") {
		t.Errorf("pressed by somebody else: %+v", reply)
	}
	if _, reply := presses(t, bs[1], "@all https://evil.example **x**"); !strings.HasPrefix(reply.Ephemeral, "Not done: nobody here has ＠all hxxps://evil[.]example ∗∗x∗∗") {
		t.Errorf("pressed by a name that is markup: %+v", reply)
	}
}

func TestAPressThatTakesTooLongSaysSo(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	n := pressable(t, "soc", url, remembering(), func(context.Context, notify.Answer) (notify.Reply, error) {
		return notify.Reply{}, fmt.Errorf("acknowledge: %w", context.DeadlineExceeded)
	})
	if _, err := n.Notify(t.Context(), named(t, "opened-with-actions")); err != nil {
		t.Fatal(err)
	}
	if _, reply := presses(t, buttons(server)[0], "ana"); reply.Ephemeral != "That took too long. Look whether it was done, and try again." {
		t.Errorf("pressed: %+v", reply)
	}
}

func TestThereAreNoButtonsWhereTheyWouldDoNothing(t *testing.T) {
	t.Parallel()
	act := func(context.Context, notify.Answer) (notify.Reply, error) { return notify.Reply{}, nil }
	closed := named(t, "opened-with-actions")
	closed.Alert.Status = tocsin.StatusClosed // while the message waited
	for name, tt := range map[string]struct {
		m      notify.Message
		state  notify.State
		change func(*notify.Env)
	}{
		"an alert that is over":          {closed, remembering(), func(*notify.Env) {}},
		"a key that somebody shortened":  {named(t, "opened-with-actions"), notifytest.Remembering(map[string]string{"buttons": "x"}), func(*notify.Env) {}},
		"no memory for the key":          {named(t, "opened-with-actions"), nil, func(e *notify.Env) { e.State = nil }},
		"no public URL":                  {named(t, "opened-with-actions"), remembering(), func(e *notify.Env) { e.CallbackURL = "" }},
		"nobody to do what is asked for": {named(t, "opened-with-actions"), remembering(), func(e *notify.Env) { e.Act = nil }},
	} {
		server, url := serve(t)
		env := notifytest.Env(t, nil)
		env.State, env.Act, env.CallbackURL, env.Handle = tt.state, act, "https://tocsin.example.com/act/soc", func(http.Handler) {}
		tt.change(&env)
		n, err := open(Config{URL: url, Token: secret.New(token), Channel: channel}, env)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Notify(t.Context(), tt.m); err != nil || len(buttons(server)) != 0 {
			t.Errorf("%s: %v, buttons %+v", name, err, buttons(server))
		}
	}
}

func TestWhatCannotBeTakenBackIsPressedTwice(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	var asked []notify.Do
	n := pressable(t, "soc", url, remembering(), func(_ context.Context, a notify.Answer) (notify.Reply, error) {
		asked = append(asked, a.Do)
		return notify.Reply{Text: "Done by " + a.From + "."}, nil
	})
	m := named(t, "opened-with-actions")
	for _, name := range []string{"isolate-1", "isolate1"} {
		m.Actions = append(m.Actions, notify.Action{Do: notify.DoRun(name), Label: "Run " + name})
	}
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	bs := buttons(server)
	ids := map[string]bool{}
	for _, b := range bs {
		ids[b.ID] = true
	}
	if len(bs) != 5 || len(ids) != 5 {
		t.Fatalf("buttons %+v, want five that Mattermost can tell apart", bs)
	}
	for _, press := range []struct {
		button int
		user   string
		says   string
	}{
		{2, "ana", "Alert #4821 is closed then, and nobody is told of it any more. Press once more to do so."},
		{2, "bo", "Alert #4821 is closed then"},
		{3, "ana", "isolate-1 runs for alert #4821 then"},
		{4, "ana", "isolate1 runs for alert #4821 then"},
		{2, "ana", "Done by ana."},
		{4, "ana", "Done by ana."},
	} {
		if _, reply := presses(t, bs[press.button], press.user); !strings.HasPrefix(reply.Ephemeral, press.says) {
			t.Errorf("%s presses %s: %q, want %q", press.user, bs[press.button].Name, reply.Ephemeral, press.says)
		}
	}
	if want := []notify.Do{notify.DoExpected, notify.DoRun("isolate1")}; !slices.Equal(asked, want) {
		t.Errorf("done: %q, want %q", asked, want)
	}
}

func TestAButtonThatIsNotOursDoesNothing(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	act := func(context.Context, notify.Answer) (notify.Reply, error) {
		t.Error("it was done")
		return notify.Reply{}, nil
	}
	n := pressable(t, "soc", url, remembering(), act)
	if _, err := n.Notify(t.Context(), named(t, "opened-with-actions")); err != nil {
		t.Fatal(err)
	}
	good := buttons(server)[0]
	other := pressable(t, "other", url, remembering(), act).(*bot)
	strange := pressable(t, "soc", url, &notifytest.Memory{}, act).(*bot)
	of := func(b *bot) string {
		return b.actions(t.Context(), named(t, "opened-with-actions"))[0].Integration.Context[contextSig]
	}
	for name, change := range map[string]func(c map[string]string){
		"of another alert":              func(c map[string]string) { c[contextID] = "4822" },
		"to do something else":          func(c map[string]string) { c[contextDo] = "close" },
		"without a signature":           func(c map[string]string) { delete(c, contextSig) },
		"with another signature":        func(c map[string]string) { c[contextSig] = strings.Repeat("0", 64) },
		"signed for another receiver":   func(c map[string]string) { c[contextSig] = of(other) },
		"signed with another key":       func(c map[string]string) { c[contextSig] = of(strange) },
		"of an alert that is a word":    func(c map[string]string) { c[contextID] = "x" },
		"of an alert written otherwise": func(c map[string]string) { c[contextID] = "+4821" },
		"with nothing at all":           func(c map[string]string) { clear(c) },
	} {
		bad := good
		bad.Integration.Context = maps.Clone(good.Integration.Context)
		change(bad.Integration.Context)
		if status, _ := presses(t, bad, "ana"); status != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", name, status)
		}
	}
	for name, body := range map[string]string{"no JSON": "x", "a list": "[]", "longer than 64 KiB": `{"user_name":"` + strings.Repeat("x", 65<<10) + `"}`} {
		resp, err := http.Post(good.Integration.URL, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", name, resp.StatusCode)
		}
	}
	resp, err := http.Get(good.Integration.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d, want 405", resp.StatusCode)
	}
}

func TestButtonsOutliveARestart(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	state := &notifytest.Memory{}
	done := 0
	act := func(context.Context, notify.Answer) (notify.Reply, error) {
		done++
		return notify.Reply{}, nil
	}
	if _, err := pressable(t, "soc", url, state, act).Notify(t.Context(), named(t, "opened-with-actions")); err != nil {
		t.Fatal(err)
	}
	b := buttons(server)[0]
	after := pressable(t, "soc", url, state, act).(*bot)
	b.Integration.URL = after.env.CallbackURL
	if status, reply := presses(t, b, "ana"); status != http.StatusOK || reply.Ephemeral != "Done." || done != 1 {
		t.Errorf("pressed: %d, %+v, done %d", status, reply, done)
	}
}

func TestAnAlertIsToldWithoutButtonsRatherThanNotAtAll(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	state := remembering()
	state.Fail(errors.New("the database is away"))
	n := pressable(t, "soc", url, state, func(context.Context, notify.Answer) (notify.Reply, error) { return notify.Reply{}, nil })
	if _, err := n.Notify(t.Context(), named(t, "opened-with-actions")); err != nil {
		t.Fatal(err)
	}
	if got := buttons(server); got != nil {
		t.Errorf("buttons %+v", got)
	}
	begin(t, server.shows(), "■ CRITICAL")
}

func TestMattermostAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		a         answered
		want      string
		permanent bool
		wait      time.Duration
	}{
		{"too many requests", answered{429, "3", "limit exceeded"}, "429", false, 3 * time.Second},
		{"the token was revoked", answered{401, "", `{"id":"api.context.session_expired.app_error","status_code":401}`}, "session_expired", true, 0},
		{"not a member of the channel", answered{403, "", `{"id":"api.context.permissions.app_error","status_code":403}`}, "permissions", true, 0},
		{"a repeat while the first is being saved", answered{500, "", `{"id":"api.post.deduplicate_create_post.pending","status_code":500}`}, "deduplicate", false, 0},
		{"in trouble", answered{502, "", ""}, "502", false, 0},
		{"the page of a proxy", answered{200, "", "<!DOCTYPE html><title>Sign in</title>"}, "is there a proxy in between", false, 0},
		{"something else", answered{200, "", `{"status":"OK"}`}, "names no message", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, url := serve(t)
			server.fail = []answered{tt.a}
			_, err := opened(t, url).Notify(t.Context(), named(t, "opened-low-root"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Notify = %v, permanent %v; want %q, %v", err, notify.IsPermanent(err), tt.want, tt.permanent)
			}
			if wait, _ := notify.RetryAfter(err); wait != tt.wait {
				t.Errorf("RetryAfter(%v) = %v, want %v", err, wait, tt.wait)
			}
		})
	}
}

func TestWhatIsTooLongIsCut(t *testing.T) {
	t.Parallel()
	create := compiled(t, "Create")
	long := named(t, "opened-with-actions")
	long.Alert.Facts = nil
	for i := range 12 {
		long.Alert.Facts = append(long.Alert.Facts, tocsin.Fact{Name: fmt.Sprint("Fact ", i), Value: strings.Repeat("*@all 𝔘🔥 ", 2000)})
	}
	long.Alert.Detection.ID, long.Why, long.Receiver = strings.Repeat("f", 100), strings.Repeat("w", 200), strings.Repeat("r", 100)
	command := named(t, "opened-critical-ec2-c2")
	command.Alert.Command = "echo ``` @all"
	link := named(t, "opened-critical-ec2-c2")
	link.Alert.Command = "cat <x.example|y>"
	digest := named(t, "digest")
	item := digest.Digest[0]
	item.URL += "?" + strings.Repeat("x", 400)
	digest.Digest = slices.Repeat([]notify.Item{item}, 100)
	for _, tt := range []struct {
		name string
		m    notify.Message
		says string
	}{
		{"facts", long, "Fact 0"},
		{"a digest", digest, "80 more"},
		{"a command that would end its block", command, "What"},
		{"a command that webhooks would turn around", link, "What"},
	} {
		body, err := notify.JSON(newPost{post: render(tt.m, notifytest.Now(), nil), Channel: channel})
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range mistakes(create, body) {
			t.Errorf("%s: %s", tt.name, wrong)
		}
		links(t, tt.m, body)
		if n := notify.Runes(string(body)); n > messageMax {
			t.Errorf("%s: %d characters", tt.name, n)
		}
		if bytes.Contains(body, []byte("First step")) && tt.m.Alert.Command != long.Alert.Command {
			t.Errorf("%s: %s", tt.name, body)
		}
		if all := strings.Join(texts(read(t, body)), "\n"); !strings.Contains(all, tt.says) {
			t.Errorf("%s: it does not say %q:\n%.600s", tt.name, tt.says, all)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"a bot", Config{URL: "https://mattermost.example.com/", Token: secret.New(token), Channel: channel}, ""},
		{"a bot that tells people", Config{URL: "https://mattermost.example.com", Token: secret.New(token)}, ""},
		{"a webhook", Config{WebhookURL: secret.New("https://mattermost.example.com/hooks/" + hookKey)}, ""},
		{"nothing", Config{}, "neither token nor webhook_url is set"},
		{"no token", Config{URL: "https://mattermost.example.com"}, "token is not set; want the bot's access token"},
		{"no server", Config{Token: secret.New(token)}, "url is not set"},
		{"both", Config{Token: secret.New(token), WebhookURL: secret.New("https://mattermost.example.com/hooks/x")}, "token: webhook_url is set too; an incoming webhook is all there is, or else leave it out"},
		{"plain HTTP to the world", Config{URL: "http://mattermost.example.com", Token: secret.New(token)}, "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"a channel's name", Config{URL: "https://mattermost.example.com", Token: secret.New(token), Channel: "soc-alerts"}, `channel: "soc-alerts" is not a channel's ID; copy it from the channel's menu, View Info`},
		{"references that are not resolved yet", Config{URL: "${env:MM_URL}", Token: secret.New("${env:MM_TOKEN}"), Channel: "${env:MM_CHANNEL}"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if _, err := open(tt.c, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open(%+v) = %q, want %q", tt.c, got, tt.want)
			}
		})
	}
}

func TestAddressesAreUsersNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"ana": "ana", " @Ana.Lopez ": "ana.lopez", "bo_2-x": "bo_2-x", "": "", "Ana Lopez": "", "ana/../x": ""} {
		got, err := address(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("address(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}
