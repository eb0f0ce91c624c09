package rocketchat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	token   = "RScctEHSmLGZGywfIhWyRpyofhKOiMoUIpimhvheU3f"
	userID  = "rbAXPnMktTFbNpwtJ"
	hookKey = "VBo5JoYgpvKW6vXBN/hSKzLpwPmXTAHzrGuTTcbnjmXkzpXxGBDZrSgzKqmJbWk9Zu"
	ok      = `{"success":true,"ts":1781231160000,"channel":"#soc","message":{"_id":"7aDSXtjMA3KPLxLjt","rid":"GENERAL"}}`
)

func opened(t *testing.T, server string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{URL: server, UserID: userID, Token: secret.New(token), Channel: "#soc"})
}

func TestPromisesOfAUser(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{token},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, ok)
			return opened(t, url), taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			if got.Header.Get("X-Auth-Token") != token || got.Header.Get("X-User-Id") != userID {
				t.Error("token and user are not in their headers")
			}
			for _, wrong := range mistakes[newMessage](got.Body) {
				t.Error(wrong)
			}
			links(t, m, got.Body)
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string { return texts(read(t, got.Body)) },
	})
}

func TestPromisesOfAWebhook(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{hookKey, "hSKzLpwPmXTAHzrGuTTcbnjmXkzpXxGBDZrSgzKqmJbWk9Zu"},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, `{"success":true}`)
			return notifytest.Open(t, open, Config{WebhookURL: secret.New(url + "/hooks/" + hookKey)}), taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			for _, wrong := range mistakes[hook](got.Body) {
				t.Error(wrong)
			}
			links(t, m, got.Body)
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string { return texts(read(t, got.Body)) },
	})
}

var colour = regexp.MustCompile(`^#[0-9A-F]{6}$`)

// mistakes are what Rocket.Chat would refuse a body of type B for: keys that it does
// not know, and its published rules.
func mistakes[B newMessage | edit | hook](body []byte) []string {
	var wrong []string
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var b B
	if err := d.Decode(&b); err != nil {
		return []string{"must NOT have additional properties [invalid-params]: " + err.Error()}
	}
	size := func(text string) {
		if n := notify.UTF16(text); n > 5000 {
			wrong = append(wrong, fmt.Sprintf("error-message-size-exceeded: %d", n))
		}
		if strings.TrimSpace(text) == "" {
			wrong = append(wrong, "nothing is said")
		}
	}
	var attachments []attachment
	switch b := any(b).(type) {
	case newMessage:
		size(b.Text)
		if (b.Channel == "") == (b.Room == "") || b.Thread != "" && b.Room == "" {
			wrong = append(wrong, "must match exactly one schema in oneOf [invalid-params]")
		}
		if b.Attachments == nil {
			wrong = append(wrong, "links are looked at")
		}
	case edit:
		size(b.Text)
		if b.Room == "" || b.Message == "" {
			wrong = append(wrong, "must have required property [invalid-params]")
		}
	case hook:
		size(b.Text)
		attachments = b.Attachments
	}
	for _, a := range attachments {
		size(a.Text)
		if !colour.MatchString(a.Colour) {
			wrong = append(wrong, "no colour: "+a.Colour)
		}
		for _, f := range a.Fields {
			if f.Title == "" || f.Value == "" {
				wrong = append(wrong, "Invalid attachment field, title and value is required")
			}
		}
	}
	return wrong
}

// A shown message is what is posted or edited.
type shown struct {
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments"`
}

func read(t *testing.T, body []byte) shown {
	t.Helper()
	var s shown
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	ourLink = regexp.MustCompile(`\[[^\][]*\]\(([^()\s]*)\)`)
	ourBold = regexp.MustCompile(`(?m)^\*([^*\n]*)\*`)
	code    = regexp.MustCompile("(?s)```\n.*\n```")
	// markup is what Rocket.Chat would take for more than text; written apart from the
	// code that takes it out.
	markup = regexp.MustCompile("\\]\\(|`|\\*\\S|\\S\\*|__|~~|<[a-zA-Z/!?@#]|(?:^|\\s):[a-z_]+:|(?:^|[^0-9A-Za-z])@|\\\\[\\[(]")
)

// texts are what is shown, without code and our links' addresses.
func texts(s shown) []string {
	clean := func(text string) string {
		return ourBold.ReplaceAllString(ourLink.ReplaceAllString(code.ReplaceAllString(text, ""), ""), "$1")
	}
	all := []string{clean(s.Text)}
	for _, a := range s.Attachments {
		all = append(all, a.Title, clean(a.Text))
		for _, f := range a.Fields {
			all = append(all, f.Title, f.Value)
		}
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
	led := []string{}
	for _, a := range append(s.Attachments, attachment{Text: s.Text}) {
		led = append(led, a.TitleLink)
		for _, found := range ourLink.FindAllStringSubmatch(code.ReplaceAllString(a.Text, ""), -1) {
			led = append(led, found[1])
		}
	}
	for _, url := range led {
		if !slices.Contains(ours, url) {
			t.Errorf("a link leads to %s", url)
		}
	}
	for _, text := range texts(s) {
		if found := markup.FindString(text); found != "" {
			t.Errorf("markup %q in %.200q", found, text)
		}
	}
}

// Golden files hold what is posted by a user, and by a webhook.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			byUser, err := notify.JSON(newMessage{Channel: "#soc", Text: whole(c.Message, notifytest.Now(), messageMax), Attachments: []attachment{}})
			if err != nil {
				t.Fatal(err)
			}
			byHook, err := notify.JSON(coloured(c.Message, notifytest.Now(), messageMax))
			if err != nil {
				t.Fatal(err)
			}
			changed, err := notify.JSON(edit{Room: "GENERAL", Message: "x", Text: whole(c.Message, notifytest.Now(), messageMax), Previews: &[]string{}})
			if err != nil {
				t.Fatal(err)
			}
			for _, wrong := range slices.Concat(mistakes[newMessage](byUser), mistakes[hook](byHook), mistakes[edit](changed)) {
				t.Error(wrong)
			}
			links(t, c.Message, byUser)
			links(t, c.Message, byHook)
			var out bytes.Buffer
			if err := json.Indent(&out, []byte(`{"chat.postMessage":`+string(byUser)+`,"webhook":`+string(byHook)+`}`), "", "  "); err != nil {
				t.Fatal(err)
			}
			notifytest.Golden(t, c.Name+".json", append(out.Bytes(), '\n'))
		})
	}
}

// A check that lets everything pass is none.
func TestTheChecksFindMistakes(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string][]string{
		"a key of another chat":  mistakes[newMessage]([]byte(`{"channel":"#soc","text":"x","attachments":[],"thread_ts":"1"}`)),
		"a room twice":           mistakes[newMessage]([]byte(`{"channel":"#soc","roomId":"GENERAL","text":"x","attachments":[]}`)),
		"no room":                mistakes[newMessage]([]byte(`{"text":"x","attachments":[]}`)),
		"a thread by name":       mistakes[newMessage]([]byte(`{"channel":"#soc","tmid":"1","text":"x","attachments":[]}`)),
		"links are looked at":    mistakes[newMessage]([]byte(`{"channel":"#soc","text":"x"}`)),
		"a long text":            mistakes[newMessage]([]byte(`{"channel":"#soc","attachments":[],"text":"` + strings.Repeat("é", 5001) + `"}`)),
		"no text":                mistakes[edit]([]byte(`{"roomId":"GENERAL","msgId":"1","text":" "}`)),
		"an edit of nothing":     mistakes[edit]([]byte(`{"roomId":"GENERAL","text":"x"}`)),
		"an edit of attachments": mistakes[edit]([]byte(`{"roomId":"GENERAL","msgId":"1","text":"x","attachments":[]}`)),
		"a field without value":  mistakes[hook]([]byte(`{"text":"x","attachments":[{"color":"#C62828","text":"x","fields":[{"title":"a","value":""}]}]}`)),
		"a colour in words":      mistakes[hook]([]byte(`{"text":"x","attachments":[{"color":"red","text":"x"}]}`)),
	} {
		if len(wrong) == 0 {
			t.Errorf("%s is not found", name)
		}
	}
	if wrong := mistakes[newMessage]([]byte(`{"roomId":"GENERAL","tmid":"1","text":"x","attachments":[]}`)); len(wrong) > 0 {
		t.Errorf("a good message: %q", wrong)
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

// fake is a Rocket.Chat server, as far as its REST API is needed.
type fake struct {
	mu       sync.Mutex // guards what follows
	messages map[string]*newMessage
	order    []string
	calls    []string
	frozen   string // why nothing can be edited
	old      bool   // it does not know previewUrls
	most     int    // characters of a message by its settings; 0 is 5,000
	fail     []answered
	hooked   []hook
}

// An answered call is one that goes wrong.
type answered struct {
	status           int // 0 is the server's own answer
	retryAfter, body string
}

func serve(t *testing.T) (*fake, string) {
	t.Helper()
	f := &fake{messages: map[string]*newMessage{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	f.calls = append(f.calls, r.URL.Path)
	w.Header().Set("Content-Type", "application/json")
	refuse := func(code int, format string, args ...any) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"success": false, "error": fmt.Sprintf(format, args...)})
	}
	var a answered
	if len(f.fail) > 0 {
		a, f.fail = f.fail[0], f.fail[1:]
	}
	if a.status != 0 {
		if a.retryAfter != "" {
			w.Header().Set("Retry-After", a.retryAfter)
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
		return
	}
	if f.most != 0 && len(body) > f.most {
		refuse(http.StatusBadRequest, "error-message-size-exceeded")
		return
	}
	if r.URL.Path == "/hooks/"+hookKey {
		var h hook
		if wrong := mistakes[hook](body); len(wrong) > 0 {
			refuse(http.StatusBadRequest, "%s", strings.Join(wrong, "; "))
			return
		}
		_ = json.Unmarshal(body, &h) // the checks have read it
		f.hooked = append(f.hooked, h)
		_, _ = io.WriteString(w, `{"success":true}`)
		return
	}
	if r.Header.Get("X-Auth-Token") != token || r.Header.Get("X-User-Id") != userID {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"status":"error","message":"You must be logged in to do this."}`)
		return
	}
	switch r.URL.Path {
	case "/api/v1/chat.postMessage":
		f.post(w, body, refuse)
	case "/api/v1/chat.update":
		f.update(w, body, refuse)
	default:
		refuse(http.StatusNotFound, "API endpoint not found")
	}
}

// rooms are those that there are, by their names.
var rooms = map[string]string{"#soc": "GENERAL", "@ana": "rbAXana"}

func (f *fake) post(w http.ResponseWriter, body []byte, refuse func(int, string, ...any)) {
	var m newMessage
	if wrong := mistakes[newMessage](body); len(wrong) > 0 {
		refuse(http.StatusBadRequest, "%s", strings.Join(wrong, "; "))
		return
	}
	_ = json.Unmarshal(body, &m) // the checks have read it
	if m.Channel != "" {
		m.Room = rooms[m.Channel]
	}
	if m.Room == "" || m.Thread != "" && f.messages[m.Thread] == nil {
		refuse(http.StatusBadRequest, "[invalid-channel]")
		return
	}
	id := fmt.Sprintf("message%d", len(f.order))
	f.order = append(f.order, id)
	f.messages[id] = &m
	fmt.Fprintf(w, `{"success":true,"ts":1,"message":{"_id":%q,"rid":%q}}`, id, m.Room)
}

func (f *fake) update(w http.ResponseWriter, body []byte, refuse func(int, string, ...any)) {
	var e edit
	if wrong := mistakes[edit](body); len(wrong) > 0 {
		refuse(http.StatusBadRequest, "%s", strings.Join(wrong, "; "))
		return
	}
	_ = json.Unmarshal(body, &e) // the checks have read it
	switch m := f.messages[e.Message]; {
	case f.old && e.Previews != nil:
		refuse(http.StatusBadRequest, "must NOT have additional properties [invalid-params]")
	case m == nil:
		refuse(http.StatusBadRequest, "No message found with the id of %q.", e.Message)
	case m.Room != e.Room:
		refuse(http.StatusBadRequest, "The room id provided does not match where the message is from.")
	case f.frozen != "":
		refuse(http.StatusBadRequest, "Message editing not allowed [%s]", f.frozen)
	default:
		m.Text = e.Text
		_, _ = io.WriteString(w, `{"success":true,"message":{}}`)
	}
}

// shows are the messages, those in threads after an arrow.
func (f *fake) shows() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, id := range f.order {
		m := f.messages[id]
		switch {
		case m == nil: // deleted
		case m.Thread != "":
			all = append(all, "→ "+m.Text)
		default:
			all = append(all, m.Text)
		}
	}
	return all
}

func begin(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("the room shows %q, want %d messages", got, len(want))
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
	if was := tell("updated"); was != ref || ref != "GENERAL:message0" {
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
	if old := server.messages["message0"].Text; !strings.HasSuffix(old, "\nTold anew below.") {
		t.Errorf("the message before says %q", old)
	}
}

func TestAMessageThatSomebodyDeletedIsPostedAnew(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	m := named(t, "acknowledged")
	m.Ref = "GENERAL:long-gone"
	if ref, err := opened(t, url).Notify(t.Context(), m); err != nil || ref != "GENERAL:message0" {
		t.Errorf("Notify = %q, %v", ref, err)
	}
	begin(t, server.shows(), "■ ACKNOWLEDGED by ana")
}

func TestTheThreadSaysItWhereEditingIsForbidden(t *testing.T) {
	t.Parallel()
	for _, why := range []string{"error-action-not-allowed", "error-message-editing-blocked"} {
		server, url := serve(t)
		n := opened(t, url)
		ref, err := n.Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
		if err != nil {
			t.Fatal(err)
		}
		server.frozen = why
		m := named(t, "acknowledged")
		m.Ref = ref
		if got, err := n.Notify(t.Context(), m); err != nil || got != ref {
			t.Fatalf("%s: Notify = %q, %v", why, got, err)
		}
		begin(t, server.shows(), "■ CRITICAL", "→ ACKNOWLEDGED by ana")
	}
}

func TestWhatCallsDoesNotWaitForTheMessageBefore(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]answered{
		"forbidden":         {400, "", `{"success":false,"error":"Message editing not allowed [error-action-not-allowed]"}`},
		"too many requests": {429, "60", `{"success":false}`},
		"in trouble":        {502, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, url := serve(t)
			server.fail = []answered{{}, a}
			m := named(t, "raised")
			m.Ref = "GENERAL:before"
			if ref, err := opened(t, url).Notify(t.Context(), m); err != nil || ref != "GENERAL:message0" {
				t.Errorf("Notify = %q, %v", ref, err)
			}
			begin(t, server.shows(), "■ RAISED")
			if want := []string{"/api/v1/chat.postMessage", "/api/v1/chat.update"}; !slices.Equal(server.calls, want) {
				t.Errorf("calls %q, want %q", server.calls, want)
			}
		})
	}
}

func TestAServerThatTakesShortMessagesAloneIsToldInShort(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	server.most = 1500
	n := opened(t, url)
	m := named(t, "opened-critical-ec2-c2")
	m.Alert.Facts = slices.Repeat(m.Alert.Facts, 2)
	ref, err := n.Notify(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Kind, m.Ref = tocsin.TellUpdated, ref
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	begin(t, server.shows(), "■ UPDATED critical · prod-payments", "→ UPDATED")
	for _, text := range server.shows() {
		if n := notify.UTF16(text); n > 1000 {
			t.Errorf("a message of %d characters", n)
		}
	}
	hooks := notifytest.Open(t, open, Config{WebhookURL: secret.New(url + "/hooks/" + hookKey)})
	if _, err := hooks.Notify(t.Context(), m); err != nil || len(server.hooked) != 1 {
		t.Errorf("%v, %d messages by webhook", err, len(server.hooked))
	}
	server.most = 10
	if _, err := n.Notify(t.Context(), named(t, "opened-critical-ec2-c2")); !notify.IsPermanent(err) {
		t.Errorf("a server that takes nothing: %v", err)
	}
}

func TestAnOlderServerIsAskedInItsOwnWords(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	server.old = true
	n := opened(t, url)
	ref, err := n.Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
	if err != nil {
		t.Fatal(err)
	}
	m := named(t, "acknowledged")
	m.Ref = ref
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	begin(t, server.shows(), "■ ACKNOWLEDGED by ana", "→ ACKNOWLEDGED by ana")
}

func TestAPersonIsToldInADirectMessage(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	n := notifytest.Open(t, open, Config{URL: url, UserID: userID, Token: secret.New(token)})
	if n.(notify.Placed).Placed() {
		t.Error("a user without a room has a place")
	}
	code := named(t, "code")
	code.To = "ana"
	m := named(t, "opened-with-actions")
	m.To = "ana"
	for _, m := range []notify.Message{code, m} {
		if ref, err := n.Notify(t.Context(), m); err != nil || !strings.HasPrefix(ref, "rbAXana:") {
			t.Fatalf("Notify = %q, %v", ref, err)
		}
	}
	begin(t, server.shows(), "○ 428317 is your code for tocsin", "■ CRITICAL")
	if got := server.shows()[1]; !strings.Contains(got, "[Acknowledge](https://tocsin.example.com/do/3kq9v2?s=MEUCIQDx)") {
		t.Errorf("the message has no link to acknowledge:\n%s", got)
	}
	m.To = ""
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) {
		t.Errorf("to no room: %v", err)
	}
}

func TestACommandThatWouldMentionIsLeftOut(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]bool{
		"aws ec2 describe-instances": true, "mail ana@example.com": true,
		"echo @all": false, "@all": false, "cat >@here": false, "echo ``` x": false,
	} {
		m := named(t, "opened-critical-ec2-c2")
		m.Alert.Command = command
		if got := strings.Contains(whole(m, notifytest.Now(), messageMax), "\n"+command+"\n"); got != want {
			t.Errorf("%q is shown: %v, want %v", command, got, want)
		}
	}
}

func TestAReplyThatNamesNoMessageIsNoReference(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	server.fail = []answered{{200, "", `{"success":true}`}}
	if ref, err := opened(t, url).Notify(t.Context(), named(t, "opened-low-root")); err != nil || ref != "" {
		t.Errorf("Notify = %q, %v", ref, err)
	}
}

func TestAWebhookPostsWithTheLevelsColour(t *testing.T) {
	t.Parallel()
	server, url := serve(t)
	n := notifytest.Open(t, open, Config{WebhookURL: secret.New(url + "/hooks/" + hookKey)})
	for _, name := range []string{"opened-critical-ec2-c2", "opened-low-root", "closed-archived"} {
		if ref, err := n.Notify(t.Context(), named(t, name)); err != nil || ref != "" {
			t.Fatalf("%s: %q, %v", name, ref, err)
		}
	}
	var got []string
	for _, h := range server.hooked {
		got = append(got, h.Attachments[0].Colour+" "+h.Attachments[0].TitleLink)
	}
	want := []string{
		"#6E0B14 https://tocsin.example.com/alerts/4821", "#F9A825 https://tocsin.example.com/alerts/4822",
		"#546E7A https://tocsin.example.com/alerts/4821",
	}
	if !slices.Equal(got, want) {
		t.Errorf("attachments %q, want %q", got, want)
	}
	if n.(notify.Follower).Follows() {
		t.Error("a webhook, which cannot edit, is told of everything")
	}
}

func TestRocketChatSaysHowLongToWait(t *testing.T) {
	t.Parallel()
	const words = `{"success":false,"error":"Error, too many requests. Please slow down. You must wait 42 seconds before trying this endpoint again. [error-too-many-requests]"}`
	for _, tt := range []struct {
		name      string
		a         answered
		permanent bool
		wait      time.Duration
	}{
		{"in words", answered{429, "", words}, false, 42 * time.Second},
		{"in words, with another status", answered{400, "", words}, false, 42 * time.Second},
		{"in a header, as a proxy does", answered{429, "7", "slow down"}, false, 7 * time.Second},
		{"not at all", answered{429, "", `{"success":false}`}, false, 0},
		{"of something else", answered{400, "", `{"success":false,"error":"[invalid-channel]"}`}, true, 0},
	} {
		for kind, c := range map[string]Config{
			"user":    {UserID: userID, Token: secret.New(token), Channel: "#soc"},
			"webhook": {WebhookURL: secret.New("/hooks/" + hookKey)},
		} {
			t.Run(tt.name+", to a "+kind, func(t *testing.T) {
				t.Parallel()
				server, url := serve(t)
				server.fail = []answered{tt.a}
				if kind == "webhook" {
					c.WebhookURL = secret.New(url + c.WebhookURL.Reveal())
				} else {
					c.URL = url
				}
				n := notifytest.Open(t, open, c)
				_, err := n.Notify(t.Context(), named(t, "opened-low-root"))
				if wait, _ := notify.RetryAfter(err); err == nil || wait != tt.wait || notify.IsPermanent(err) != tt.permanent {
					t.Errorf("Notify = %v, permanent %v, wait %v; want %v, %v", err, notify.IsPermanent(err), wait, tt.permanent, tt.wait)
				}
				if _, err := n.Notify(t.Context(), named(t, "opened-low-root")); err != nil {
					t.Errorf("then: %v", err)
				}
			})
		}
	}
}

func TestRocketChatAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		a         answered
		want      string
		permanent bool
	}{
		{"the token was revoked", answered{401, "", `{"status":"error","message":"You must be logged in to do this."}`}, "401", true},
		{"no such room", answered{400, "", `{"success":false,"error":"[invalid-channel]"}`}, "invalid-channel", true},
		{"in trouble", answered{502, "", ""}, "502", false},
		{"a failure that says it is fine", answered{200, "", `{"success":false}`}, "does not say success", false},
		{"the page of a proxy", answered{200, "", "<!DOCTYPE html>"}, "is there a proxy in between", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, url := serve(t)
			server.fail = []answered{tt.a}
			_, err := opened(t, url).Notify(t.Context(), named(t, "opened-low-root"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Notify = %v, permanent %v; want %q, %v", err, notify.IsPermanent(err), tt.want, tt.permanent)
			}
		})
	}
}

func TestWhatIsTooLongIsCut(t *testing.T) {
	t.Parallel()
	long := named(t, "opened-with-actions")
	long.Alert.Facts = nil
	for i := range 12 {
		long.Alert.Facts = append(long.Alert.Facts, tocsin.Fact{Name: fmt.Sprint("Fact ", i), Value: strings.Repeat("*@all 𝔘🔥 ", 2000)})
	}
	digest := named(t, "digest")
	item := digest.Digest[0]
	item.URL += "?" + strings.Repeat("x", 200)
	digest.Digest = slices.Repeat([]notify.Item{item}, 100)
	for _, tt := range []struct {
		name string
		m    notify.Message
		says string
	}{
		{"facts", long, "Fact 0"},
		{"a digest", digest, "90 more"},
	} {
		byUser, err := notify.JSON(newMessage{Channel: "#soc", Text: whole(tt.m, notifytest.Now(), messageMax), Attachments: []attachment{}})
		if err != nil {
			t.Fatal(err)
		}
		byHook, err := notify.JSON(coloured(tt.m, notifytest.Now(), messageMax))
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range slices.Concat(mistakes[newMessage](byUser), mistakes[hook](byHook)) {
			t.Errorf("%s: %s", tt.name, wrong)
		}
		for _, body := range [][]byte{byUser, byHook} {
			links(t, tt.m, body)
			if all := strings.Join(texts(read(t, body)), "\n"); !strings.Contains(all, tt.says) {
				t.Errorf("%s: it does not say %q:\n%.600s", tt.name, tt.says, all)
			}
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	user := func(change func(*Config)) Config {
		c := Config{URL: "https://chat.example.com/", UserID: userID, Token: secret.New(token), Channel: "#soc"}
		change(&c)
		return c
	}
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"a user", user(func(*Config) {}), ""},
		{"a user who tells people", user(func(c *Config) { c.Channel = "" }), ""},
		{"a webhook", Config{WebhookURL: secret.New("https://chat.example.com/hooks/" + hookKey)}, ""},
		{"nothing", Config{}, "neither token nor webhook_url is set"},
		{"no token", user(func(c *Config) { c.Token = secret.String{} }), "token is not set; want a personal access token of the user who posts"},
		{"no user", user(func(c *Config) { c.UserID = "" }), "user_id is not set; it is shown when the token is made"},
		{"no server", user(func(c *Config) { c.URL = "" }), "url is not set"},
		{"both", user(func(c *Config) { c.WebhookURL = secret.New("https://chat.example.com/hooks/x") }), "url: webhook_url is set too; an incoming webhook is all there is, or else leave it out"},
		{"plain HTTP to the world", user(func(c *Config) { c.URL = "http://chat.example.com" }), "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"a person for a room", user(func(c *Config) { c.Channel = "@ana" }), "channel: is a person; leave it out and give them a contact method, or name a room: #soc"},
		{"a room's title", user(func(c *Config) { c.Channel = "SOC alerts" }), `channel: "SOC alerts" has a space; want #soc, or the room's ID`},
		{"references that are not resolved yet", Config{URL: "${env:RC_URL}", UserID: "${env:RC_USER}", Token: secret.New("${env:RC_TOKEN}"), Channel: "${env:RC_ROOM}"}, ""},
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
	for text, want := range map[string]string{"ana": "ana", " @Ana.Lopez ": "Ana.Lopez", "bo_2-x": "bo_2-x", "": "", "Ana Lopez": "", "ana/../x": ""} {
		got, err := address(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("address(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}
