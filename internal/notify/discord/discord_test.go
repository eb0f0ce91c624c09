package discord

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
	"strconv"
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
	token = "3d89bb7572e0fb30d8128367b3b1b44fecd1726de135cbe28a41f8b2f777c372ba2939e72279b94526ff5d1bd4358d65cf11"
	path  = "/api/webhooks/223704706495545344/" + token
)

func opened(t *testing.T, url string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{URL: secret.New(url)})
}

func TestPromises(t *testing.T) {
	t.Parallel()
	schema := compiled(t, "Execute")
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{token},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, `{"id":"1145813071512850442"}`)
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

func compiled(t *testing.T, definition string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "schema", "message.schema.json") + "#/definitions/" + definition)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mistakes are what Discord would refuse a body for: what its types say, and its
// limits, which types do not have.
func mistakes(s *jsonschema.Schema, body []byte) []string {
	var wrong []string
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return []string{err.Error()}
	}
	if err := s.Validate(doc); err != nil {
		wrong = append(wrong, err.Error())
	}
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return append(wrong, err.Error())
	}
	total := 0
	most := func(what, text string, limit int) {
		if n := notify.UTF16(text); n > limit {
			wrong = append(wrong, fmt.Sprintf("%s has %d characters, %d at most", what, n, limit))
		}
	}
	required := func(what, text string) {
		if strings.TrimSpace(text) == "" {
			wrong = append(wrong, what+" is required")
		}
	}
	most("content", p.Content, 2000)
	required("content", p.Content)
	if len(p.Embeds) > 10 {
		wrong = append(wrong, "more than 10 embeds")
	}
	for _, e := range p.Embeds {
		most("title", e.Title, 256)
		most("description", e.Description, 4096)
		if e.Title == "" && e.Description == "" && len(e.Fields) == 0 {
			wrong = append(wrong, "an embed is empty")
		}
		if len(e.Fields) > 25 {
			wrong = append(wrong, "more than 25 fields")
		}
		for _, f := range e.Fields {
			most("name", f.Name, 256)
			most("value", f.Value, 1024)
			required("name", f.Name)
			required("value", f.Value)
		}
		if e.Footer != nil {
			most("footer", e.Footer.Text, 2048)
			required("footer", e.Footer.Text)
		}
		if e.Colour < 0 || e.Colour > 0xFFFFFF {
			wrong = append(wrong, "no colour")
		}
		// Written apart from the code that keeps to it.
		all := e.Title + e.Description
		for _, f := range e.Fields {
			all += f.Name + f.Value
		}
		if e.Footer != nil {
			all += e.Footer.Text
		}
		total += notify.UTF16(all)
	}
	if total > 6000 {
		wrong = append(wrong, fmt.Sprintf("the embeds have %d characters, 6000 at most", total))
	}
	if p.Mentions.Parse == nil || len(p.Mentions.Parse) > 0 {
		wrong = append(wrong, "it may mention somebody")
	}
	return wrong
}

func read(t *testing.T, body []byte) payload {
	t.Helper()
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

var (
	ourLink = regexp.MustCompile(`\[[^\][]*\]\(([^()\s]*)\)`)
	code    = regexp.MustCompile("(?s)```\n.*\n```")
	// markup is what Discord would take for more than text; written apart from the
	// code that takes it out.
	markup = regexp.MustCompile("\\]\\(|`|\\*\\S|\\S\\*|__|~~|\\|\\||<[@#:a-zA-Z/!?]|(?:^|[^0-9A-Za-z])@|(?:^|\\s):[a-z_]+:")
)

// texts are what is shown, without code and our links' addresses.
func texts(p payload) []string {
	shown := []string{p.Content}
	for _, e := range p.Embeds {
		shown = append(shown, e.Title, ourLink.ReplaceAllString(code.ReplaceAllString(e.Description, ""), ""))
		for _, f := range e.Fields {
			shown = append(shown, f.Name, f.Value)
		}
		if e.Footer != nil {
			shown = append(shown, e.Footer.Text)
		}
	}
	return shown
}

// links finds links and markup that are not ours.
func links(t *testing.T, m notify.Message, body []byte) {
	t.Helper()
	ours := []string{m.AlertURL, notify.ConsoleLink(m), notify.DocumentationLink(m)}
	for _, a := range m.Actions {
		ours = append(ours, a.URL)
	}
	for _, item := range m.Digest {
		ours = append(ours, item.URL)
	}
	p := read(t, body)
	for _, e := range p.Embeds {
		if e.URL != "" && !slices.Contains(ours, e.URL) {
			t.Errorf("the title leads to %s", e.URL)
		}
		for _, found := range ourLink.FindAllStringSubmatch(code.ReplaceAllString(e.Description, ""), -1) {
			if !slices.Contains(ours, found[1]) {
				t.Errorf("a link leads to %s", found[1])
			}
		}
		if e.Footer != nil {
			e.Footer.Text = "" // knows no markup
		}
	}
	for _, s := range texts(p) {
		if found := markup.FindString(s); found != "" {
			t.Errorf("markup %q in %.200q", found, s)
		}
	}
}

func TestGoldenPayloadsAreWhatDiscordsTypesSay(t *testing.T) {
	t.Parallel()
	execute, edit := compiled(t, "Execute"), compiled(t, "Edit")
	golden := func(t *testing.T, name string, m notify.Message, p payload) {
		body, err := notify.JSON(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range slices.Concat(mistakes(execute, body), mistakes(edit, body)) {
			t.Error(wrong)
		}
		links(t, m, body)
		var out bytes.Buffer
		if err := json.Indent(&out, body, "", "  "); err != nil {
			t.Fatal(err)
		}
		notifytest.Golden(t, name+".json", append(out.Bytes(), '\n'))
	}
	for _, c := range notifytest.Cases(t) {
		if c.Message.Kind == tocsin.TellCode {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			golden(t, c.Name, c.Message, render(c.Message, notifytest.Now()))
		})
	}
	t.Run("superseded", func(t *testing.T) {
		golden(t, "superseded", named(t, "raised"), superseded(named(t, "raised")))
	})
}

// A check that lets everything pass is none.
func TestTheChecksFindMistakes(t *testing.T) {
	t.Parallel()
	schemas := []*jsonschema.Schema{compiled(t, "Execute"), compiled(t, "Edit")}
	good, err := notify.JSON(render(named(t, "opened-critical-ec2-c2"), notifytest.Now()))
	if err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	for name, tt := range map[string]struct {
		bySchema bool
		spoil    func(p, e object)
	}{
		"an embed misspelt":       {true, func(p, _ object) { p["embed"] = p["embeds"] }},
		"a colour in words":       {true, func(_, e object) { e["color"] = "#C62828" }},
		"a field without a value": {true, func(_, e object) { delete(e["fields"].([]any)[0].(object), "value") }},
		"a key of another chat":   {true, func(_, e object) { e["fallback"] = "x" }},
		"a mention of the world":  {true, func(p, _ object) { p["allowed_mentions"] = object{"parse": []any{"world"}} }},
		"a mention of everyone":   {false, func(p, _ object) { p["allowed_mentions"] = object{"parse": []any{"everyone"}} }},
		"a long content":          {false, func(p, _ object) { p["content"] = strings.Repeat("é", 2001) }},
		"a long title":            {false, func(_, e object) { e["title"] = strings.Repeat("x", 257) }},
		"a long description":      {false, func(_, e object) { e["description"] = strings.Repeat("x", 4097) }},
		"a long value":            {false, func(_, e object) { e["fields"].([]any)[0].(object)["value"] = strings.Repeat("x", 1025) }},
		"a long footer":           {false, func(_, e object) { e["footer"] = object{"text": strings.Repeat("x", 2049)} }},
		"too much in all": {false, func(_, e object) {
			e["description"], e["footer"] = strings.Repeat("x", 4000), object{"text": strings.Repeat("x", 2001)}
		}},
		"a blank field": {false, func(_, e object) { e["fields"].([]any)[0].(object)["value"] = " " }},
		"an empty embed": {false, func(_, e object) {
			delete(e, "title")
			delete(e, "description")
			delete(e, "fields")
		}},
	} {
		var p object
		if err := json.Unmarshal(good, &p); err != nil {
			t.Fatal(err)
		}
		tt.spoil(p, p["embeds"].([]any)[0].(object))
		body, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range schemas {
			if found := s.Validate(p) != nil; found != tt.bySchema {
				t.Errorf("%s: the schema finds it %v, want %v", name, found, tt.bySchema)
			}
			if len(mistakes(s, body)) == 0 {
				t.Errorf("%s is not found", name)
			}
		}
	}
	for _, s := range schemas {
		if wrong := mistakes(s, good); len(wrong) > 0 {
			t.Errorf("a good payload: %q", wrong)
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

// fake is Discord as far as webhooks go.
type fake struct {
	execute, edit *jsonschema.Schema

	mu       sync.Mutex // guards what follows
	messages map[string]payload
	order    []string
	calls    []string // "POST ?wait=true"
	fail     []answer // the next answers
}

type answer struct {
	status     int // 0 is Discord's own answer
	retryAfter string
	body       string
}

func serve(t *testing.T) (*fake, string) {
	t.Helper()
	f := &fake{execute: compiled(t, "Execute"), edit: compiled(t, "Edit"), messages: map[string]payload{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL + path
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	below, ours := strings.CutPrefix(r.URL.Path, path)
	call := r.Method + " " + below
	if r.URL.RawQuery != "" {
		call += "?" + r.URL.RawQuery
	}
	f.calls = append(f.calls, call)
	say := func(status, code int, message string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message":%q,"code":%d}`, message, code)
	}
	body, _ := io.ReadAll(r.Body)
	var a answer
	if len(f.fail) > 0 {
		a, f.fail = f.fail[0], f.fail[1:]
	}
	switch {
	case a.status != 0:
		if a.retryAfter != "" {
			w.Header().Set("Retry-After", a.retryAfter)
		}
		w.WriteHeader(a.status)
		io.WriteString(w, a.body)
		return
	case !ours, r.Method == http.MethodPost && below != "":
		say(http.StatusNotFound, 10015, "Unknown Webhook")
		return
	case r.Header.Get("Content-Type") != "application/json":
		say(http.StatusBadRequest, 50109, "The request body contains invalid JSON.")
		return
	}
	var p payload
	schema, id := f.execute, strings.TrimPrefix(below, "/messages/")
	if r.Method == http.MethodPatch {
		schema = f.edit
		if _, ok := f.messages[id]; !ok {
			say(http.StatusNotFound, 10008, "Unknown Message")
			return
		}
	}
	if wrong := mistakes(schema, body); len(wrong) > 0 {
		say(http.StatusBadRequest, 50035, "Invalid Form Body: "+strings.Join(wrong, "; "))
		return
	}
	_ = json.Unmarshal(body, &p) // the checks have read it
	if r.Method == http.MethodPost {
		if r.URL.Query().Get("wait") != "true" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		id = strconv.Itoa(1145813071512850442 + len(f.order))
		f.order = append(f.order, id)
	}
	f.messages[id] = p
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":%q,"type":0,"channel_id":"199737254929760256"}`, id)
}

// shows is the content of the messages in the channel, in order.
func (f *fake) shows() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var contents []string
	for _, id := range f.order {
		if p, ok := f.messages[id]; ok {
			contents = append(contents, p.Content)
		}
	}
	return contents
}

func (f *fake) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
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

func TestTheLifeOfAnAlertIsOneMessage(t *testing.T) {
	t.Parallel()
	discord, url := serve(t)
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
	begin(t, discord.shows(), "■ CRITICAL · prod-payments")
	if was := tell("updated"); ref != was {
		t.Errorf("an edit moved the message from %s to %s", was, ref)
	}
	tell("acknowledged")
	begin(t, discord.shows(), "■ ACKNOWLEDGED by ana · prod-payments")
	if was := tell("raised"); ref == was {
		t.Error("what got worse is not a message of its own")
	}
	begin(t, discord.shows(), "■ RAISED medium→critical", "■ RAISED medium→critical")
	if old := discord.messages[discord.order[0]]; old.Embeds[0].Description != "Told anew below." || old.Embeds[0].Fields != nil {
		t.Errorf("the message before says %+v", old.Embeds[0])
	}
	tell("closed-by-person")
	begin(t, discord.shows(), "■ RAISED medium→critical", "✓ CLOSED (false positive)")
	if e := discord.messages[ref].Embeds[0]; e.Colour != 0x546E7A {
		t.Errorf("a closed alert has the colour %x", e.Colour)
	}
	want := []string{
		"POST ?wait=true", "PATCH /messages/1145813071512850442", "PATCH /messages/1145813071512850442",
		"POST ?wait=true", "PATCH /messages/1145813071512850442", "PATCH /messages/1145813071512850443",
	}
	if got := discord.called(); !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
}

func TestAMessageThatCannotBeEditedAnyMoreIsPostedAnew(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]answer{
		"deleted":                      {},
		"of another webhook":           {403, "", `{"message":"Cannot edit a message authored by another user","code":50005}`},
		"in a thread that is archived": {400, "", `{"message":"Tried to perform an operation on an archived thread","code":50083}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			discord, url := serve(t)
			discord.fail = []answer{a}
			m := named(t, "acknowledged")
			m.Ref = "1000000000000000000"
			ref, err := opened(t, url).Notify(t.Context(), m)
			if err != nil || ref == m.Ref || ref == "" {
				t.Errorf("Notify = %q, %v", ref, err)
			}
			begin(t, discord.shows(), "■ ACKNOWLEDGED")
			if got := discord.called(); len(got) != 2 {
				t.Errorf("calls %q, want the edit and the post", got)
			}
		})
	}
}

func TestWhatIsForNobodyOrAboutNoAlert(t *testing.T) {
	t.Parallel()
	discord, url := serve(t)
	n := opened(t, url+"/")
	m := named(t, "opened-critical-ec2-c2")
	m.To = "ana"
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || len(discord.called()) != 0 {
		t.Errorf("to a person: %v, calls %q", err, discord.called())
	}
	digest := named(t, "digest")
	digest.Ref = "1000000000000000000" // whatever it may be
	if _, err := n.Notify(t.Context(), digest); err != nil || len(discord.called()) != 1 {
		t.Errorf("a digest: %v, calls %q", err, discord.called())
	}
}

func TestAnEditThatFailsPostsNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		a         answer
		permanent bool
	}{
		"in trouble":             {answer{502, "", ""}, false},
		"too many edits":         {answer{429, "", `{"message":"Maximum number of edits to messages older than 1 hour reached.","retry_after":30,"code":30046}`}, false},
		"the webhook is deleted": {answer{404, "", `{"message":"Unknown Webhook","code":10015}`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			discord, url := serve(t)
			discord.fail = []answer{tt.a}
			m := named(t, "acknowledged")
			m.Ref = "1000000000000000000"
			if ref, err := opened(t, url).Notify(t.Context(), m); err == nil || ref != "" || notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Notify = %q, %v, permanent %v, want %v", ref, err, notify.IsPermanent(err), tt.permanent)
			}
			begin(t, discord.shows())
		})
	}
}

func TestWhatCallsDoesNotWaitForTheMessageBefore(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]answer{
		"forbidden":      {403, "", `{"message":"Missing Access","code":50001}`},
		"too many edits": {429, "600", `{"message":"Maximum number of edits to messages older than 1 hour reached.","code":30046}`},
		"in trouble":     {502, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			discord, url := serve(t)
			discord.fail = []answer{{}, a}
			m := named(t, "raised")
			m.Ref = "1000000000000000000"
			if ref, err := opened(t, url).Notify(t.Context(), m); err != nil || ref == "" || ref == m.Ref {
				t.Errorf("Notify = %q, %v", ref, err)
			}
			begin(t, discord.shows(), "■ RAISED")
			if got := discord.called(); len(got) != 2 || got[0] != "POST ?wait=true" || got[1] != "PATCH /messages/"+m.Ref {
				t.Errorf("calls %q", got)
			}
		})
	}
}

func TestAThreadIsNamedInEveryRequest(t *testing.T) {
	t.Parallel()
	discord, url := serve(t)
	n := notifytest.Open(t, open, Config{URL: secret.New(url), Thread: "1145813071512850000"})
	m := named(t, "opened-low-root")
	ref, err := n.Notify(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Kind, m.Ref = tocsin.TellAcknowledged, ref
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	want := []string{"POST ?thread_id=1145813071512850000&wait=true", "PATCH /messages/" + ref + "?thread_id=1145813071512850000"}
	if got := discord.called(); !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
}

func TestDiscordSaysHowLongToWait(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		a    answer
		want time.Duration
		told bool
	}{
		{"in the body, with decimals", answer{429, "", `{"message":"You are being rate limited.","retry_after":0.75,"global":false}`}, 750 * time.Millisecond, true},
		{"in both: the body is more exact", answer{429, "2", `{"message":"You are being rate limited.","retry_after":1.25,"global":false}`}, 1250 * time.Millisecond, true},
		{"for everything", answer{429, "65", `{"message":"You are being rate limited.","retry_after":64.5,"global":true}`}, 64500 * time.Millisecond, true},
		{"in the header alone, as its edge does", answer{429, "12", "error code: 1015"}, 12 * time.Second, true},
		{"for very long", answer{429, "", `{"retry_after":86400}`}, 15 * time.Minute, true},
		{"not at all", answer{429, "", `{"retry_after":-1}`}, 0, false},
		{"with an error that is none of too many requests", answer{502, "", `{"retry_after":5}`}, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			discord, url := serve(t)
			discord.fail = []answer{tt.a}
			n := opened(t, url)
			_, err := n.Notify(t.Context(), named(t, "opened-low-root"))
			if wait, told := notify.RetryAfter(err); wait != tt.want || told != tt.told || notify.IsPermanent(err) {
				t.Errorf("RetryAfter(%v) = %v, %v, want %v, %v", err, wait, told, tt.want, tt.told)
			}
			if _, err := n.Notify(t.Context(), named(t, "opened-low-root")); err != nil {
				t.Errorf("then: %v", err)
			}
		})
	}
}

func TestDiscordAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		a         answer
		want      string
		permanent bool
	}{
		{"the webhook is gone", answer{404, "", `{"message":"Unknown Webhook","code":10015}`}, "make a new one and set url", true},
		{"the token is wrong", answer{401, "", `{"message":"Invalid Webhook Token","code":50027}`}, "url is not complete", true},
		{"a forum", answer{400, "", `{"message":"Webhooks posted to forum channels must have a thread_name or thread_id","code":220001}`}, "set thread", true},
		{"the thread is locked", answer{403, "", `{"message":"Thread is locked","code":160005}`}, "the thread is locked", true},
		{"a body it does not take", answer{400, "", `{"message":"Invalid Form Body","code":50035}`}, "Invalid Form Body", true},
		{"in trouble", answer{502, "", ""}, "502", false},
		{"the page of a proxy", answer{200, "", "<!DOCTYPE html><title>Sign in</title>"}, "is there a proxy in between", false},
		{"no message", answer{204, "", ""}, "names no message", false},
		{"something else", answer{200, "", `{"id":"42; DROP"}`}, "names no message", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			discord, url := serve(t)
			discord.fail = []answer{tt.a}
			_, err := opened(t, url).Notify(t.Context(), named(t, "opened-low-root"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Notify = %v, permanent %v; want %q, %v", err, notify.IsPermanent(err), tt.want, tt.permanent)
			}
		})
	}
}

func TestWhatIsTooLongIsCut(t *testing.T) {
	t.Parallel()
	schema := compiled(t, "Execute")
	long := named(t, "opened-with-actions")
	long.Alert.Facts = nil
	for i := range 12 {
		long.Alert.Facts = append(long.Alert.Facts, tocsin.Fact{Name: fmt.Sprint("Fact ", i), Value: strings.Repeat("𝔘🔥 ", 2000)})
	}
	for i := range long.Actions {
		long.Actions[i].URL += "&" + strings.Repeat("x", 500)
	}
	digest := named(t, "digest")
	item := digest.Digest[0]
	item.URL += "?" + strings.Repeat("x", 200)
	digest.Digest = slices.Repeat([]notify.Item{item}, 100)
	short := named(t, "digest")
	short.Digest = slices.Repeat(short.Digest[:1], 30) // more than a description has, less than a message
	command := named(t, "opened-critical-ec2-c2")
	command.Alert.Command = "echo ``` @everyone"
	for _, tt := range []struct {
		name string
		m    notify.Message
		says string
	}{
		{"facts", long, "Fact 0"},
		{"a digest", digest, "90 more"},
		{"a digest of short lines", short, "10 more"},
		{"a command that would end its block", command, "What"},
	} {
		body, err := notify.JSON(render(tt.m, notifytest.Now()))
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range mistakes(schema, body) {
			t.Errorf("%s: %s", tt.name, wrong)
		}
		links(t, tt.m, body)
		if all := strings.Join(texts(read(t, body)), "\n"); !strings.Contains(all, tt.says) || !strings.Contains(all, "prod-payments") {
			t.Errorf("%s: it does not say %q:\n%.600s", tt.name, tt.says, all)
		}
		if bytes.Contains(body, []byte("``` @everyone")) {
			t.Errorf("%s: %s", tt.name, body)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, url, thread, want string }{
		{"a webhook", "https://discord.com/api/webhooks/1/abc-_D", "", ""},
		{"a version of the API", "https://discord.com/api/v10/webhooks/1/abc", "123", ""},
		{"a thread in the address", "https://discord.com/api/webhooks/1/abc?thread_id=2", "", ""},
		{"nothing", "", "", "url is not set"},
		{"plain HTTP to the world", "http://discord.com/api/webhooks/1/abc", "", "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"the address for Slack's messages", "https://discord.com/api/webhooks/1/abc/slack", "", "url is not a webhook's; want https://discord.com/api/webhooks/ID/TOKEN, without /slack or /github at its end"},
		{"a channel's address", "https://discord.com/channels/1/2", "", "url is not a webhook's; want https://discord.com/api/webhooks/ID/TOKEN, without /slack or /github at its end"},
		{"a thread's name", "https://discord.com/api/webhooks/1/abc", "alerts", `thread: "alerts" is no ID; copy it with the menu of the thread (Copy Thread ID, in developer mode)`},
		{"a reference that is not resolved yet", "${env:DISCORD_URL}", "${env:THREAD}", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if _, err := open(Config{secret.New(tt.url), tt.thread}, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open(%q, %q) = %q, want %q", tt.url, tt.thread, got, tt.want)
			}
		})
	}
}
