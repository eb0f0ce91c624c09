package inbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/secret"
)

// An App is a Slack app as it was set up at Slack.
type App struct {
	Name  string        // "platform"
	Token secret.String // of its bot
	// Callback is its Request URL for what people press, and Signing what such
	// requests are signed with. Without a Callback its buttons do nothing.
	Callback string
	Signing  secret.String
	Channels map[string]string // their names by their IDs: "C0123456789" is "payments-alerts"
}

// slackDoor is the Web API among the receivers: all of it for a token of nobody's
// app, and of an app "slack-api/platform".
const slackDoor = "slack-api"

func (a *App) door() string {
	if a == nil {
		return slackDoor
	}
	return slackDoor + "/" + a.Name
}

// presses reports whether its buttons lead anywhere.
func (a *App) presses() bool { return a != nil && a.Callback != "" }

// appOf is the app that has the request's token.
func (b *Inbox) appOf(r *http.Request) *App {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	for i := range b.apps {
		if b.apps[i].Token.Reveal() == token && token != "" {
			return &b.apps[i]
		}
	}
	return nil
}

// takeSlackCall is a method of the Web API (https://docs.slack.dev/apis/web-api):
// posting, editing, and opening a direct message. What is refused comes with 200
// and "ok": false, as Slack does it.
func (b *Inbox) takeSlackCall(w http.ResponseWriter, r *http.Request) {
	app := b.appOf(r)
	body, ok := b.receive(w, r, app.door())
	if !ok {
		return
	}
	answer := func(fields map[string]any) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(fields)
	}
	refuse := func(code string) { answer(map[string]any{"ok": false, "error": code}) }
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer xoxb-") {
		refuse("not_authed")
		return
	}
	var call slackCall
	if err := json.Unmarshal(body, &call); err != nil {
		refuse("invalid_json")
		return
	}
	switch method := r.PathValue("method"); method {
	case "auth.test":
		answer(map[string]any{"ok": true, "user": "tocsin", "team": "Demo"})
	case "conversations.open":
		direct, isPerson := strings.CutPrefix(call.Users, "U")
		if !isPerson {
			refuse("user_not_found")
			return
		}
		answer(map[string]any{"ok": true, "channel": map[string]any{"id": "D" + direct}})
	case "chat.postMessage", "chat.update":
		m := &slackMessage{Channel: call.Channel, Place: b.place(app, call.Channel), App: app, At: b.now(), TS: call.TS}
		if err := m.read(body); err != nil {
			refuse(err.Error())
			return
		}
		if code := b.placeSlack(m, call, method == "chat.update"); code != "" {
			refuse(code)
			return
		}
		answer(map[string]any{"ok": true, "channel": m.Channel, "ts": m.TS})
	default:
		refuse("unknown_method")
	}
}

// slackCall is what methods are told besides the message.
type slackCall struct {
	Channel   string `json:"channel"`
	TS        string `json:"ts"`
	ThreadTS  string `json:"thread_ts"`
	Broadcast bool   `json:"reply_broadcast"`
	Users     string `json:"users"`
}

// place is what people call a channel: "#payments-alerts", "Ana Lima".
func (b *Inbox) place(app *App, channel string) string {
	if app != nil && app.Channels[channel] != "" {
		return "#" + app.Channels[channel]
	}
	id, direct := strings.CutPrefix(channel, "D")
	if !direct {
		return "#" + channel
	}
	if p, ok := b.person(func(p Person) bool { return p.Slack == "U"+id }); ok {
		return p.Called()
	}
	return "@U" + id
}

// A threadLine is what was said in a message's thread.
type threadLine struct {
	At        time.Time
	Text      string
	Broadcast bool // shown in the channel as well
}

// placeSlack puts a message of an app into its channel, a thread, or in place of
// what it was before. It returns Slack's word for what is wrong.
func (b *Inbox) placeSlack(m *slackMessage, call slackCall, edit bool) (refusal string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.Channel == "" {
		return "channel_not_found"
	}
	if edit {
		old := b.slackAt(m.Channel, m.TS)
		if old == nil {
			return "message_not_found"
		}
		b.mended(m.App.door())
		old.Text, old.Blocks, old.Attachments = m.Text, m.Blocks, m.Attachments
		old.Edits++
		return ""
	}
	b.seq++
	m.N, m.TS = b.seq, fmt.Sprintf("%d.%06d", m.At.Unix(), b.seq)
	if call.ThreadTS != "" {
		root := b.slackAt(m.Channel, call.ThreadTS)
		if root == nil {
			return "thread_not_found"
		}
		b.mended(m.App.door())
		root.Thread = append(root.Thread, threadLine{m.At, m.Plain(), call.Broadcast})
		return ""
	}
	m.Before = b.took(m.App.door())
	b.slack = push(b.slack, m, b.keep)
	return ""
}

// slackAt finds a message. b.mu is held.
func (b *Inbox) slackAt(channel, ts string) *slackMessage {
	for _, m := range b.slack {
		if ts != "" && m.TS == ts && m.Channel == channel {
			return m
		}
	}
	return nil
}

// A press is a button that somebody pressed.
type press struct {
	N       int
	message *slackMessage
	by      Person
	replied bool
}

// A privately is what only one reader of a message sees.
type privately struct{ To, Text string }

// Press has somebody press the button with that action ("tocsin_acknowledge") in
// the newest message that has one about the alert: in a channel, or in their own
// direct messages. It returns once the app took the press and has shown what came
// of it, if it does so soon.
func (b *Inbox) Press(ctx context.Context, by string, alert int64, action string) error {
	p, ok := b.named(by)
	if !ok {
		return fmt.Errorf("nobody is called %q", by)
	}
	value := strconv.FormatInt(alert, 10)
	n := 0
	b.mu.Lock()
	for _, m := range b.slack {
		if m.has(action, value) && m.reads(p) && m.App.presses() {
			n = m.N
			break
		}
	}
	b.mu.Unlock()
	if n == 0 {
		return fmt.Errorf("%s sees no button %s for alert %d", by, action, alert)
	}
	return b.press(ctx, n, action, value, p)
}

// reads reports whether the person can see the message: direct messages are for
// one.
func (m *slackMessage) reads(p Person) bool {
	id, direct := strings.CutPrefix(m.Channel, "D")
	return !direct || p.Slack == "U"+id
}

// soon is for how long whoever pressed a button waits for a reply, and atOnce for
// the message to change after it, if it does.
const (
	soon   = 1500 * time.Millisecond
	atOnce = 300 * time.Millisecond
)

// press tells the app, as Slack does
// (https://docs.slack.dev/reference/interaction-payloads/block_actions-payload).
func (b *Inbox) press(ctx context.Context, n int, action, value string, by Person) error {
	b.mu.Lock()
	i := slices.IndexFunc(b.slack, func(m *slackMessage) bool { return m.N == n })
	if i < 0 {
		b.mu.Unlock()
		return errors.New("the message is not kept any more")
	}
	m := b.slack[i]
	if !m.has(action, value) || !m.reads(by) || !m.App.presses() {
		b.mu.Unlock()
		return errors.New("the message has no such button any more")
	}
	b.seq++
	p := &press{N: b.seq, message: m, by: by}
	b.presses = push(b.presses, p, b.keep)
	edits := m.Edits
	b.mu.Unlock()

	if err := b.interact(ctx, p, action, value); err != nil {
		b.say(p, "Slack: this app is not responding ("+err.Error()+").")
		return err
	}
	b.await(ctx, soon, func() bool { return p.replied })
	b.await(ctx, atOnce, func() bool { return m.Edits > edits })
	return nil
}

// interact posts the interaction, signed
// (https://docs.slack.dev/authentication/verifying-requests-from-slack).
func (b *Inbox) interact(ctx context.Context, p *press, action, value string) error {
	now := b.now()
	stamp := strconv.FormatInt(now.Unix(), 10)
	payload, err := json.Marshal(map[string]any{
		"type": "block_actions", "trigger_id": fmt.Sprintf("%d.%d", p.N, now.UnixMilli()),
		"response_url": fmt.Sprintf("%s/slack-response/%d", b.url, p.N),
		"user":         map[string]any{"id": p.by.Slack, "username": p.by.Name, "name": p.by.Name},
		"channel":      map[string]any{"id": p.message.Channel},
		"message":      map[string]any{"ts": p.message.TS},
		"actions": []any{map[string]any{
			"type": "button", "action_id": action, "value": value, "action_ts": fmt.Sprintf("%d.%06d", now.Unix(), p.N),
		}},
	})
	if err != nil {
		return err
	}
	body := url.Values{"payload": {string(payload)}}.Encode()
	mac := hmac.New(sha256.New, []byte(p.message.App.Signing.Reveal()))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	_, err = b.call(ctx, p.message.App.Callback, body, http.Header{
		"X-Slack-Request-Timestamp": {stamp}, "X-Slack-Signature": {"v0=" + hex.EncodeToString(mac.Sum(nil))},
	})
	return err
}

// call posts a form to whoever is called back, and gives the answer.
func (b *Inbox) call(ctx context.Context, address, form string, headers http.Header) (answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	req.Header = headers
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := b.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(io.LimitReader(resp.Body, bodyMax)); err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("it answered %s", resp.Status)
	}
	return answer, nil
}

// takeResponse is the response_url of a press
// (https://docs.slack.dev/interactivity/handling-user-interaction#message_responses).
func (b *Inbox) takeResponse(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	var said struct{ Text string }
	if err == nil {
		err = json.Unmarshal(body, &said)
	}
	if err != nil || said.Text == "" {
		http.Error(w, "no_text", http.StatusBadRequest)
		return
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	b.mu.Lock()
	i := slices.IndexFunc(b.presses, func(p *press) bool { return p.N == n && err == nil })
	var p *press
	if i >= 0 {
		p = b.presses[i]
	}
	b.mu.Unlock()
	if p == nil {
		http.Error(w, "used_url", http.StatusNotFound)
		return
	}
	b.say(p, entities.Replace(said.Text))
	io.WriteString(w, "ok")
}

// privateMost bounds what is kept beside one message for single readers.
const privateMost = 4

// say shows something to whoever pressed, and to nobody else.
func (b *Inbox) say(p *press, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := p.message
	m.Private = append(m.Private, privately{p.by.Called(), text})
	m.Private = m.Private[max(0, len(m.Private)-privateMost):]
	p.replied = true
	close(b.news)
	b.news = make(chan struct{})
}

// pressForm is a button of the page.
func (b *Inbox) pressForm(w http.ResponseWriter, r *http.Request) {
	b.acts(w, r, func() string {
		n, err := strconv.Atoi(r.PostForm.Get("n"))
		if p, ok := b.named(r.PostForm.Get("by")); ok && err == nil {
			_ = b.press(r.Context(), n, r.PostForm.Get("action"), r.PostForm.Get("value"), p) // it stands with the message
		}
		return "m" + strconv.Itoa(n)
	})
}
