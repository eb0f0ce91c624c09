// Package discord tells a Discord channel, or a thread of one, by a webhook
// (https://discord.com/developers/docs/resources/webhook).
//
// There is one message an alert, which is edited when anything changes. An edit
// makes no phone ring, so what calls for somebody (the alert got worse, or is open
// again) is a message of its own, which is edited from then on; the one before says
// so, if it can still be edited. Nothing that is told mentions anybody.
package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Discord notifier. Discord takes 5 requests in 2 seconds of one
// webhook, and shows 30 of its messages a minute in a channel
// (https://discord.com/developers/docs/topics/rate-limits).
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("discord", "Posts to a Discord channel or thread by a webhook, and edits what it posted.", open)
	k.Title = "Discord"
	k.Abilities = notify.Abilities{Edits: true, Resolve: true, Rich: true, Limit: "6,000 characters"}
	k.Checks = []notify.Check{
		{How: notify.BySchema, By: "JSON Schema from discord-api-types 0.38.57", Test: "TestGoldenPayloadsAreWhatDiscordsTypesSay"},
		{How: notify.ByFake, By: "a server that keeps Discord's published rules for webhooks", Test: "TestTheLifeOfAnAlertIsOneMessage"},
	}
	k.Rate = 0.5
	k.Follows, k.Edits = true, true
	return k
}

// Config are the settings of a Discord receiver.
type Config struct {
	URL    secret.String `json:"url" doc:"URL of the channel's webhook: https://discord.com/api/webhooks/… Anybody who has it can post."`
	Thread string        `json:"thread,omitempty" doc:"ID of a thread in that channel which is told instead: 17 to 20 digits. A forum needs one."`
}

var (
	snowflake = lazyregexp.New(`^[0-9]{1,20}$`)
	hook      = lazyregexp.New(`/webhooks/[0-9]{1,20}/[\w-]+$`)
)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if err := notify.CheckURL(c.URL); err != nil {
		return nil, fmt.Errorf("url %w", err)
	}
	n := &notifier{url: c.URL, thread: c.Thread, client: notify.Throttled(env.HTTP, throttled), now: env.Now, log: env.Log}
	if c.Thread != "" && !secret.IsReference(c.Thread) && !snowflake.MatchString(c.Thread) {
		return nil, fmt.Errorf("thread: %q is no ID; copy it with the menu of the thread (Copy Thread ID, in developer mode)", notify.Truncate(notify.Clean(c.Thread), 40, notify.Runes))
	}
	if secret.IsReference(c.URL.Reveal()) {
		return n, nil
	}
	if u, err := url.Parse(c.URL.Reveal()); err != nil || !hook.MatchString(strings.TrimSuffix(u.Path, "/")) {
		return nil, errors.New("url is not a webhook's; want https://discord.com/api/webhooks/ID/TOKEN, without /slack or /github at its end")
	}
	return n, nil
}

type notifier struct {
	url    secret.String
	thread string
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
}

// Notify posts the first message of an alert and edits it from then on. The
// reference is the message's ID. Discord knows no idempotency key for webhooks: a
// message whose answer was lost is posted again.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.To != "" || m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("discord: a webhook posts to a channel, not to a single person, and proves no address"))
	}
	known := m.AboutAlert() && snowflake.MatchString(m.Ref)
	if known && !m.Kind.Calls() {
		switch err := n.edit(ctx, m.Ref, render(m, n.now())); {
		case err == nil:
			return m.Ref, nil
		case !gone(err):
			return "", err
		}
	}
	id, err := n.post(ctx, render(m, n.now()))
	if err == nil && known && m.Kind.Calls() {
		// What calls goes first, and is told whatever becomes of the message before it.
		if err := n.edit(ctx, m.Ref, superseded(m)); err != nil {
			n.log.WarnContext(ctx, "earlier message not marked", "alert", m.Alert.ID, "err", err)
		}
	}
	return id, err
}

func (n *notifier) edit(ctx context.Context, id string, p payload) error {
	_, err := n.send(ctx, http.MethodPatch, "/messages/"+id, p)
	return err
}

func (n *notifier) post(ctx context.Context, p payload) (string, error) {
	reply, err := n.send(ctx, http.MethodPost, "", p)
	if err != nil {
		return "", err
	}
	var posted struct{ ID string }
	if err := json.Unmarshal(reply, &posted); err != nil || !snowflake.MatchString(posted.ID) {
		return "", errors.New("discord: the reply names no message, so it is not Discord's; is there a proxy in between, or is url wrong?")
	}
	return posted.ID, nil
}

func (n *notifier) send(ctx context.Context, method, path string, p payload) ([]byte, error) {
	body, err := notify.JSON(p)
	if err != nil {
		return nil, notify.Permanent(fmt.Errorf("discord: %w", err))
	}
	reply, err := notify.Request{Method: method, URL: n.address(method, path), Body: body, Secrets: []secret.String{n.url}}.Send(ctx, n.client)
	if err == nil {
		return reply, nil
	}
	if r, refused := refusalOf(err, reply); refused {
		return nil, fmt.Errorf("discord: %w", r)
	}
	return nil, fmt.Errorf("discord: %w", err)
}

// address is the webhook, or what is below it. A post waits for Discord to have
// the message, and so learns its ID.
func (n *notifier) address(method, path string) string {
	base, query, _ := strings.Cut(n.url.Reveal(), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		values = url.Values{}
	}
	if method == http.MethodPost {
		values.Set("wait", "true")
	}
	if n.thread != "" {
		values.Set("thread_id", n.thread)
	}
	address := strings.TrimSuffix(base, "/") + path
	if len(values) > 0 {
		address += "?" + values.Encode()
	}
	return address
}

// throttled reads how long Discord wants to be left alone: retry_after in the body
// is in seconds with decimals, and more exact than the header
// (https://discord.com/developers/docs/topics/rate-limits#exceeding-a-rate-limit).
func throttled(resp *http.Response, body []byte) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests {
		return 0, false
	}
	var said struct {
		RetryAfter float64 `json:"retry_after"`
	}
	if json.Unmarshal(body, &said) != nil || said.RetryAfter <= 0 || said.RetryAfter > 1e6 {
		return 0, false
	}
	return time.Duration(said.RetryAfter * float64(time.Second)), true
}

// The codes that say more than the status
// (https://discord.com/developers/docs/topics/opcodes-and-status-codes#json-json-error-codes).
const (
	unknownChannel = 10003
	unknownMessage = 10008
	unknownWebhook = 10015
	badToken       = 50027
	threadArchived = 50083
	notHisMessage  = 50005
	threadLocked   = 160005
	forumNoThread  = 220001
)

var advice = map[int]string{
	unknownChannel: "the channel or thread is gone; set url and thread anew",
	unknownWebhook: "the webhook is gone; make a new one and set url",
	badToken:       "url is not complete, or its token was changed",
	threadArchived: "the thread is archived; open it again, or set another thread",
	threadLocked:   "the thread is locked",
	forumNoThread:  "the channel is a forum; set thread",
}

// A refusal is Discord's answer with its code.
type refusal struct {
	error
	code int
}

func (r refusal) Unwrap() error { return r.error }

func refusalOf(err error, reply []byte) (refusal, bool) {
	var said struct{ Code int }
	if json.Unmarshal(reply, &said) != nil || said.Code == 0 {
		return refusal{}, false
	}
	if words, known := advice[said.Code]; known {
		err = fmt.Errorf("%w: %s", err, words)
	}
	return refusal{err, said.Code}, true
}

// gone says that there is nothing that can be edited any more, but that the webhook may
// well be there. A thread is archived by itself after some days, and opened again by the
// next post.
func gone(err error) bool {
	r, ok := errors.AsType[refusal](err)
	return ok && (r.code == unknownMessage || r.code == notHisMessage || r.code == threadArchived)
}
