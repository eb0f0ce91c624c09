package inbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/email"
	"github.com/tocsin-sec/tocsin/internal/notify/inbox"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/slack"
	"github.com/tocsin-sec/tocsin/internal/notify/sms"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio"
	"github.com/tocsin-sec/tocsin/internal/notify/voice"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// An office is an inbox with two people, and a program that tells them and takes
// their answers: notifiers of the real kinds, with all that they check.
type office struct {
	inbox                     *inbox.Inbox
	url                       string
	app, texts, calls, direct notify.Notifier

	mu      sync.Mutex
	answers []notify.Answer // guarded by mu
}

func open(t *testing.T) *office {
	t.Helper()
	o := &office{}
	mux := http.NewServeMux()
	program := httptest.NewServer(mux)
	t.Cleanup(program.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.inbox.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	o.url = server.URL
	o.inbox = inbox.New(inbox.Options{
		Now: notifytest.Now, URL: server.URL,
		People: []inbox.Person{
			{Name: "ana", FullName: "Ana Lima", Slack: "U012AB3CD", Phone: "+4930123456", Mail: "ana@example.com"},
			{Name: "bo", FullName: "Bo Chen", Slack: "U012AB3CE", Phone: "+4930123457", Mail: "bo@example.com"},
		},
		Apps: []inbox.App{
			{Name: "soc", Token: secret.New("xoxb-soc"), Signing: secret.New("signing"), Callback: program.URL + "/act/soc", Channels: map[string]string{"C0123456789": "soc-alerts"}},
			{Name: "direct", Token: secret.New("xoxb-direct"), Signing: secret.New("other"), Callback: program.URL + "/act/direct"},
		},
		Phone: inbox.Phone{AuthToken: secret.New("token"), Replies: program.URL + "/act/sms/reply"},
	})
	env := func(name string) notify.Env {
		e := notifytest.Env(t, nil)
		e.Name, e.CallbackURL = name, program.URL+"/act/"+name
		e.Handle = func(h http.Handler) { mux.Handle("/act/"+name, h); mux.Handle("/act/"+name+"/", h) }
		e.Act = o.act
		return e
	}
	account := twilio.Settings{AccountSID: "AC" + strings.Repeat("0", 32), AuthToken: secret.New("token"), URL: server.URL + "/twilio"}
	api := secret.New(server.URL + "/slack-api/")
	o.app = opened(t, slack.Kind, env("soc"), slack.Config{Token: secret.New("xoxb-soc"), Channel: "C0123456789", SigningSecret: secret.New("signing"), APIURL: api})
	o.direct = opened(t, slack.Kind, env("direct"), slack.Config{Token: secret.New("xoxb-direct"), SigningSecret: secret.New("other"), APIURL: api})
	o.texts = opened(t, sms.Kind, env("sms"), sms.Config{Twilio: &sms.Twilio{Settings: account, From: "+15005550006"}})
	o.calls = opened(t, voice.Kind, env("call"), voice.Config{Twilio: &voice.Twilio{Settings: account, From: "+15005550006"}})
	return o
}

func opened[C any](t *testing.T, k notify.Kind, env notify.Env, c C) notify.Notifier {
	t.Helper()
	n, err := k.Open(func(into any) error {
		*into.(*C) = c
		return nil
	}, env)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (o *office) act(_ context.Context, a notify.Answer) (notify.Reply, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if a.ID == "" {
		return notify.Reply{}, errors.New("the answer has no ID")
	}
	a.ID = ""
	o.answers = append(o.answers, a)
	return notify.Reply{Text: fmt.Sprintf("%s of %d done.", a.Do, a.Alert)}, nil
}

// want says what was answered.
func (o *office) want(t *testing.T, want ...notify.Answer) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if diff := cmp.Diff(want, o.answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func (o *office) tell(t *testing.T, n notify.Notifier, to string) {
	t.Helper()
	m := named(t, "opened-with-actions")
	m.To = to
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

var (
	forms  = regexp.MustCompile(`(?s)<form [^>]*action="([a-z]+)">(.*?)</form>`)
	inputs = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)
)

// form is the form of the page whose button says that: what it sends, and where.
func (o *office) form(t *testing.T, page, button string) (action string, values url.Values) {
	t.Helper()
	for _, f := range forms.FindAllStringSubmatch(page, -1) {
		if !strings.Contains(f[2], button+"</button>") {
			continue
		}
		values = url.Values{}
		for _, i := range inputs.FindAllStringSubmatch(f[2], -1) {
			values.Set(i[1], html.UnescapeString(i[2]))
		}
		return f[1], values
	}
	t.Fatalf("the page has no button %q", button)
	return "", nil
}

// send sends a form as a browser does, and gives the page that it leads to.
func (o *office) send(t *testing.T, action string, values url.Values, site string) (page string, status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.url+"/"+action, strings.NewReader(values.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", site)
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		return "", resp.StatusCode
	}
	address, _, _ := strings.Cut(resp.Header.Get("Location"), "#")
	page, _ = get(t, o.url+"/"+strings.TrimPrefix(address, "./"))
	return page, resp.StatusCode
}

func TestAButtonIsPressedInTheNameThatIsChosen(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.tell(t, o.app, "")
	page, _ := get(t, o.url+"/?show=slack&as=bo")
	for _, want := range []string{"#soc-alerts", `<summary class="press">Expected…</summary>`, "Close the alert?"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	action, values := o.form(t, page, "Acknowledge")
	page, _ = o.send(t, action, values, "same-origin")
	o.want(t, notify.Answer{Alert: 4821, Do: notify.DoAcknowledge, From: "U012AB3CE"})
	if !strings.Contains(page, "acknowledge of 4821 done. <span>· only Bo Chen sees this</span>") || !strings.Contains(page, `aria-current="true">Bo</a>`) {
		t.Error("the page does not say what came of it, or forgets who presses")
	}
	action, values = o.form(t, page, "Close it") // the second thought of Expected…
	o.send(t, action, values, "same-origin")
	o.want(t, notify.Answer{Alert: 4821, Do: notify.DoAcknowledge, From: "U012AB3CE"}, notify.Answer{Alert: 4821, Do: notify.DoExpected, From: "U012AB3CE"})
}

func TestADirectMessageIsItsReadersAlone(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.tell(t, o.direct, "U012AB3CD")
	page, _ := get(t, o.url+"/?as=bo")
	if !strings.Contains(page, "to Ana Lima alone") {
		t.Error("the page does not say whose it is")
	}
	action, values := o.form(t, page, "Acknowledge")
	if values.Get("by") != "ana" {
		t.Errorf("the button is pressed by %q", values.Get("by"))
	}
	values.Set("by", "bo")
	o.send(t, action, values, "same-origin")
	o.want(t)
	if err := o.inbox.Press(t.Context(), "bo", 4821, "tocsin_acknowledge"); err == nil {
		t.Error("somebody else pressed the button")
	}
	if err := o.inbox.Press(t.Context(), "ana", 4821, "tocsin_acknowledge"); err != nil {
		t.Error(err)
	}
	o.want(t, notify.Answer{Alert: 4821, Do: notify.DoAcknowledge, From: "U012AB3CD"})
}

func TestATextMessageIsAnswered(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.tell(t, o.texts, "+4930123456")
	page, _ := get(t, o.url+"/?show=phone")
	action, values := o.form(t, page, "Send")
	values.Set("text", " 4821a it was the backup ")
	page, _ = o.send(t, action, values, "same-origin")
	o.want(t, notify.Answer{Alert: 4821, Do: notify.DoAcknowledge, From: "+4930123456", Note: "it was the backup"})
	for _, want := range []string{"<b>Ana Lima</b><span>&#43;4930123456</span>", "<p>4821a it was the backup</p>", "<p>acknowledge of 4821 done.</p>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	values.Set("number", "+4930999999") // whom nobody told anything
	o.send(t, action, values, "same-origin")
	if err := o.inbox.Reply(t.Context(), "bo", "4821e"); err != nil {
		t.Error(err)
	}
	o.want(t, notify.Answer{Alert: 4821, Do: notify.DoAcknowledge, From: "+4930123456", Note: "it was the backup"}, notify.Answer{Alert: 4821, Do: notify.DoEscalate, From: "+4930123457"})
}

func TestACallTakesKeys(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.tell(t, o.calls, "+4930123456")
	page, _ := get(t, o.url+"/?show=phone")
	if strings.Contains(page, "No key was pressed") {
		t.Error("what is said if no key is pressed is shown as said")
	}
	action, values := o.form(t, page, "<b>6</b>escalate")
	page, _ = o.send(t, action, values, "same-origin")
	o.want(t, notify.Answer{Alert: 4821, Do: notify.DoEscalate, From: "+4930123456"})
	if !strings.Contains(page, "<p>escalate of 4821 done.</p>") || strings.Contains(page, `action="key"`) {
		t.Error("the call goes on, or the page does not say what came of it")
	}
	if err := o.inbox.Key(t.Context(), "ana", "4"); err == nil {
		t.Error("a call that is over took a key")
	}
	o.tell(t, o.calls, "+4930123456")
	if err := o.inbox.Key(t.Context(), "ana", "9"); err != nil { // does nothing, and is told so
		t.Fatal(err)
	}
	if err := o.inbox.Key(t.Context(), "ana", "4"); err != nil {
		t.Fatal(err)
	}
	o.want(t, notify.Answer{Alert: 4821, Do: notify.DoEscalate, From: "+4930123456"}, notify.Answer{Alert: 4821, Do: notify.DoAcknowledge, From: "+4930123456"})
}

// A page of somebody else's cannot press anything here.
func TestFormsOfOtherPagesAreRefused(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.tell(t, o.app, "")
	o.tell(t, o.texts, "+4930123456")
	page, _ := get(t, o.url)
	for _, button := range []string{"Acknowledge", "Send"} {
		action, values := o.form(t, page, button)
		values.Set("text", "4821a")
		if _, status := o.send(t, action, values, "cross-site"); status != http.StatusForbidden {
			t.Errorf("%s from another site is answered %d", button, status)
		}
	}
	o.want(t)
}

// A call says where its keys go; they go to the program and to nobody else.
func TestKeysGoNowhereElse(t *testing.T) {
	t.Parallel()
	o := open(t)
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("somebody else was asked") }))
	defer stranger.Close()
	form := url.Values{"To": {"+4930123456"}, "From": {"+15005550006"}, "Twiml": {`<Response><Gather action="` + stranger.URL + `"><Say>4 to acknowledge</Say></Gather></Response>`}}
	post(t, o.url+"/twilio/2010-04-01/Accounts/AC0/Calls.json", form.Encode(), `"sid"`)
	if err := o.inbox.Key(t.Context(), "ana", "4"); err == nil {
		t.Error("the key was taken")
	}
	if page, _ := get(t, o.url); !strings.Contains(page, "No answer: that is not an address of the program&#39;s") {
		t.Error("the page does not say why nothing came of it")
	}
}

// Where the program does not take the answer its reader sees that.
func TestAnAppThatDoesNotRespond(t *testing.T) {
	t.Parallel()
	refuses := httptest.NewServer(http.NotFoundHandler())
	defer refuses.Close()
	b := inbox.New(inbox.Options{
		Now: notifytest.Now, People: []inbox.Person{{Name: "ana", Slack: "U012AB3CD"}},
		Apps: []inbox.App{{Name: "soc", Token: secret.New("xoxb-soc"), Callback: refuses.URL}},
	})
	h := serve(t, b)
	app := opened(t, slack.Kind, func() notify.Env {
		e := notifytest.Env(t, nil)
		e.Handle, e.Act = func(http.Handler) {}, func(context.Context, notify.Answer) (notify.Reply, error) { return notify.Reply{}, nil }
		return e
	}(), slack.Config{Token: secret.New("xoxb-soc"), Channel: "C0123456789", SigningSecret: secret.New("s"), APIURL: secret.New(h + "/slack-api/")})
	if _, err := app.Notify(t.Context(), named(t, "opened-with-actions")); err != nil {
		t.Fatal(err)
	}
	if err := b.Press(t.Context(), "ana", 4821, "tocsin_acknowledge"); err == nil {
		t.Error("Press = nil")
	}
	if page, _ := get(t, h); !strings.Contains(page, "this app is not responding (it answered 404 Not Found)") {
		t.Error("the page does not say that the app does not respond")
	}
}

func TestTheLinksOfAMail(t *testing.T) {
	t.Parallel()
	o := open(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mails := o.inbox.MailServer()
	done := make(chan error, 1)
	go func() { done <- mails.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(mails.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	mail := notifier(t, email.Kind, email.Config{From: "tocsin@example.com", SMTP: l.Addr().String(), TLS: "none"})
	o.tell(t, mail, "ana@example.com")
	for _, tt := range []struct {
		to    string
		alert int64
		word  string
		want  string
	}{
		{"ana", 4821, "Acknowledge", "https://tocsin.example.com/do/3kq9v2?s=MEUCIQDx"},
		{"ana", 4821, "Escalate", "https://tocsin.example.com/do/7hw1pz?s=MEQCIBy0"},
		{"ana", 4821, "Close", ""},
		{"ana", 482, "Acknowledge", ""},
		{"bo", 4821, "Acknowledge", ""},
		{"eve", 4821, "Acknowledge", ""},
	} {
		if got, ok := o.inbox.Link(tt.to, tt.alert, tt.word); got != tt.want || ok != (tt.want != "") {
			t.Errorf("Link(%s, %d, %s) = %q, %v, want %q", tt.to, tt.alert, tt.word, got, ok, tt.want)
		}
	}
}

// What an app posts is not trusted either, nor what it replies.
func TestHostileButtonsAreShownHarmless(t *testing.T) {
	t.Parallel()
	o := open(t)
	const nasty = `"><script>alert(1)</script><b onclick="x">`
	body, err := json.Marshal(map[string]any{"channel": "C0123456789", "blocks": []any{map[string]any{"type": "actions", "elements": []any{map[string]any{
		"type": "button", "text": map[string]any{"type": "plain_text", "text": nasty}, "action_id": nasty, "value": nasty, "style": `" onclick="x`,
		"confirm": map[string]any{"title": map[string]any{"text": nasty}, "text": map[string]any{"text": nasty}, "confirm": map[string]any{"text": nasty}},
	}}}}})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.url+"/slack-api/chat.postMessage", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer xoxb-soc")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	o.send(t, "press", url.Values{"n": {"1"}, "by": {"ana"}, "action": {nasty}, "value": {nasty}}, "same-origin")
	post(t, o.url+"/slack-response/2", `{"text":"<script>alert(2)</script>"}`, "ok")
	post(t, o.url+"/slack-response/7", `{"text":"x"}`, "used_url")
	page, _ := get(t, o.url)
	for _, bad := range []string{"<script", "<b onclick", `" onclick`} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	if !strings.Contains(page, "&lt;script&gt;alert(2)&lt;/script&gt; <span>· only Ana Lima sees this") {
		t.Error("the reply is not shown")
	}
	o.want(t)
}
