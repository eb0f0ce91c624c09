// Package zulip tells a channel of Zulip, or people in direct messages, as a bot
// (https://zulip.com/api/).
//
// An alert has a topic of its own. Its first message is edited when anything changes,
// as long as the organisation lets it be edited, and what changed is a message below.
// Nobody is mentioned, whatever a finding says.
package zulip

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Zulip notifier. Zulip takes 200 requests a minute of one account
// (https://zulip.com/api/http-headers#rate-limiting-response-headers).
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("zulip", "Posts to a Zulip channel, a topic for each alert, or to people.", open)
	k.Title = "Zulip"
	k.Rate = 3
	k.Follows, k.Edits = true, true
	k.Address = address
	k.Abilities = notify.Abilities{Edits: true, Threads: true, Acknowledge: true, Resolve: true, Rich: true, Limit: "10,000 characters"}
	k.Checks = []notify.Check{
		{How: notify.ByFake, By: "a server of ours that keeps Zulip's published limits", Test: "TestTheLifeOfAnAlertIsOneTopic"},
	}
	return k
}

// Config are the settings of a Zulip receiver.
type Config struct {
	Site    string        `json:"site" doc:"Where the organisation is: https://example.zulipchat.com."`
	Email   string        `json:"email" doc:"E-mail address of the bot."`
	Key     secret.String `json:"key" doc:"API key of the bot: 32 characters."`
	Channel string        `json:"channel,omitempty" doc:"Name of the channel that is told, besides people. Left out, people alone are told."`
	Topic   string        `json:"topic,omitempty" doc:"Topic of what is about no single alert: digests and notes. An alert has one of its own." default:"tocsin"`
}

// Zulip's limits, in characters
// (https://zulip.com/api/register-queue: max_topic_length, max_message_length). Longer
// messages would be cut there.
const (
	topicMax   = 60
	contentMax = 10000
	channelMax = 60
)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if c.Topic == "" {
		c.Topic = "tocsin"
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return &notifier{
		c: c, base: strings.TrimRight(c.Site, "/") + "/api/v1/messages", client: notify.Throttled(env.HTTP, throttled), now: env.Now, log: env.Log,
	}, nil
}

var keyForm = lazyregexp.New(`^[A-Za-z0-9]{32}$`)

func (c Config) check() error {
	if err := notify.CheckURL(secret.New(c.Site)); err != nil {
		return fmt.Errorf("site %w", err)
	}
	key := c.Key.Reveal()
	switch {
	case strings.Contains(c.Site, "/api"):
		return errors.New("site: want the organisation's address alone, without /api/…")
	case c.Email == "":
		return errors.New("email is not set")
	case !secret.IsReference(c.Email) && !isMail(c.Email):
		return fmt.Errorf("email: %q is not a bot's address, such as tocsin-bot@example.zulipchat.com", notify.Truncate(notify.Clean(c.Email), 60, notify.Runes))
	case key == "":
		return errors.New("key is not set")
	case !secret.IsReference(key) && !keyForm.MatchString(key):
		return errors.New("key is not an API key: want 32 letters and digits")
	case notify.UTF16(c.Channel) > channelMax:
		return fmt.Errorf("channel: is longer than Zulip's %d characters", channelMax)
	case notify.UTF16(c.Topic) > topicMax:
		return fmt.Errorf("topic: is longer than Zulip's %d characters", topicMax)
	}
	return nil
}

func isMail(text string) bool {
	at, err := mail.ParseAddress(text)
	return err == nil && at.Address == text
}

// address reads a person's e-mail address in Zulip, or their user ID.
func address(text string) (string, error) {
	text = strings.TrimSpace(text)
	if id, err := strconv.ParseInt(text, 10, 64); err == nil && id > 0 {
		return strconv.FormatInt(id, 10), nil
	}
	if !isMail(text) {
		return "", fmt.Errorf("%q is neither an e-mail address in Zulip nor a user ID; both are in the person's profile", notify.Truncate(notify.Clean(text), 60, notify.Runes))
	}
	return text, nil
}

type notifier struct {
	c      Config
	base   string // "https://example.zulipchat.com/api/v1/messages"
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
}

// Placed reports whether the settings name a channel.
func (n *notifier) Placed() bool { return n.c.Channel != "" }

// Notify posts the first message of an alert under a topic of its own, edits it from
// then on, and tells below it what is new. To a person that is told besides the edit
// only if it calls for them, or if the message cannot be edited: organisations let
// messages be edited for a while only.
//
// The reference is the first message and its topic: "42 #4821 EC2 i-0abc is calling".
// Zulip knows no idempotency key: a message whose answer was lost is posted again.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	switch {
	case m.Kind == tocsin.TellCode && m.To == "":
		return "", notify.Permanent(errors.New("zulip: a code is for a person, not for a channel"))
	case m.To == "" && n.c.Channel == "":
		return "", notify.Permanent(errors.New("zulip: channel is not set: this receiver tells only people"))
	}
	id, topic, ok := root(m)
	if !ok {
		return n.begin(ctx, m)
	}
	err := n.edit(ctx, id, render(m, n.now()))
	switch {
	case err == nil && m.To != "" && !m.Kind.Calls():
		return m.Ref, nil
	case err == nil:
	case gone(err):
		return n.begin(ctx, m)
	case notify.IsPermanent(err):
		n.log.DebugContext(ctx, "message not edited", "alert", m.Alert.ID, "err", err)
	default:
		return "", fmt.Errorf("zulip: %w", err)
	}
	if _, err := n.post(ctx, m.To, topic, line(m)); err != nil {
		return "", fmt.Errorf("zulip: %w", err)
	}
	return m.Ref, nil
}

// begin posts a message as a first one.
func (n *notifier) begin(ctx context.Context, m notify.Message) (string, error) {
	topic := n.c.Topic
	if m.AboutAlert() {
		topic = topicOf(m)
	}
	id, err := n.post(ctx, m.To, topic, render(m, n.now()))
	if err != nil {
		return "", fmt.Errorf("zulip: %w", err)
	}
	if m.To != "" {
		return strconv.FormatInt(id, 10), nil
	}
	return strconv.FormatInt(id, 10) + " " + topic, nil
}

// root is the message that is to be edited, and its topic. That of a person has none.
func root(m notify.Message) (id int64, topic string, ok bool) {
	number, topic, _ := strings.Cut(m.Ref, " ")
	id, err := strconv.ParseInt(number, 10, 64)
	ok = err == nil && id > 0 && m.AboutAlert() && (topic == "") == (m.To != "")
	return id, topic, ok
}

func (n *notifier) post(ctx context.Context, to, topic, content string) (id int64, err error) {
	form := url.Values{"content": {content}}
	if to == "" {
		form.Set("type", "stream")
		form.Set("to", n.c.Channel)
		form.Set("topic", topic)
	} else {
		recipients := []any{to}
		if number, err := strconv.ParseInt(to, 10, 64); err == nil {
			recipients = []any{number}
		}
		list, err := json.Marshal(recipients)
		if err != nil {
			return 0, notify.Permanent(err)
		}
		form.Set("type", "direct")
		form.Set("to", string(list))
	}
	made, err := n.call(ctx, http.MethodPost, n.base, form)
	if err == nil && made.ID <= 0 {
		err = errNotZulip
	}
	return made.ID, err
}

func (n *notifier) edit(ctx context.Context, id int64, content string) error {
	_, err := n.call(ctx, http.MethodPatch, n.base+"/"+strconv.FormatInt(id, 10), url.Values{"content": {content}})
	return err
}

// A result is Zulip's, as far as it is needed.
type result struct {
	Result string  `json:"result"` // "success", "error"
	Msg    string  `json:"msg"`
	Code   string  `json:"code"`
	ID     int64   `json:"id"`
	Wait   float64 `json:"retry-after"` // seconds
}

var errNotZulip = errors.New("the reply is not Zulip's; is there a proxy in between, or is site wrong?")

func (n *notifier) call(ctx context.Context, method, address string, form url.Values) (result, error) {
	request := http.Request{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	request.SetBasicAuth(n.c.Email, n.c.Key.Reveal())
	reply, err := notify.Request{
		Method: method, URL: address, Headers: request.Header, Body: []byte(form.Encode()), Secrets: []secret.String{n.c.Key},
	}.Send(ctx, n.client)
	var said result
	read := json.Unmarshal(reply, &said)
	switch {
	case err != nil:
		return said, judged(err, said)
	case read != nil || said.Result == "":
		return said, errNotZulip
	case said.Result != "success":
		return said, notify.Permanent(&refusal{said.Code, said.Msg, errors.New("refused: " + notify.Said(said.Msg, n.c.Key))})
	}
	return said, nil
}

// A refusal is Zulip's error.
type refusal struct {
	code string // "STREAM_DOES_NOT_EXIST"
	msg  string
	err  error
}

func (r *refusal) Error() string {
	if advice := advices[r.code]; advice != "" {
		return r.err.Error() + ": " + advice
	}
	return r.err.Error()
}

func (r *refusal) Unwrap() error { return r.err }

// advices are what to do about errors whose words alone do not say it
// (https://zulip.com/api/rest-error-handling).
var advices = map[string]string{
	"UNAUTHORIZED":          "email and key are not a bot's there; copy both again",
	"INVALID_API_KEY":       "email and key are not a bot's there; copy both again",
	"STREAM_DOES_NOT_EXIST": "check channel; the bot must be subscribed to a private one",
	"USER_DEACTIVATED":      "the bot is deactivated",
	"REALM_DEACTIVATED":     "the organisation is deactivated",
}

// gone reports whether there is no such message any more.
func gone(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && strings.HasPrefix(r.msg, "Invalid message")
}

// throttled reads for how long Zulip wants to be left alone: in the body where the
// header does not say it.
func throttled(resp *http.Response, body []byte) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests {
		return 0, false
	}
	if wait, ok := notify.Wait(resp.Header); ok {
		return wait, true
	}
	var said result
	if json.Unmarshal(body, &said) != nil || said.Wait <= 0 {
		return 0, false
	}
	return notify.Seconds(said.Wait), true
}

// judged is the error with Zulip's code.
func judged(err error, said result) error {
	if notify.Status(err) == 0 || said.Result != "error" {
		return err
	}
	return &refusal{said.Code, said.Msg, err}
}
