// Package googlechat tells a Google Chat space by an incoming webhook
// (https://developers.google.com/workspace/chat/quickstart/webhooks).
//
// An alert is a card that begins a thread; what becomes of it is told there, in a
// few lines. A reply in a thread rings for those alone who follow it, so what calls
// for somebody again (the alert got worse, or is open again) begins a thread of its
// own, in which the rest is told. A webhook cannot edit.
package googlechat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Google Chat notifier. One request a second may be sent to a space,
// by all webhooks in it together
// (https://developers.google.com/workspace/chat/limits).
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("google-chat", "Posts to a Google Chat space by an incoming webhook, one thread an alert.", open)
	k.Title = "Google Chat"
	k.Abilities = notify.Abilities{Threads: true, Resolve: true, Rich: true, Limit: "32,000 bytes"}
	k.Checks = []notify.Check{
		{How: notify.BySchema, By: "JSON Schema from @googleapis/chat 51.0.0", Test: "TestGoldenPayloadsAreWhatGooglesTypesSay"},
		{How: notify.ByFake, By: "a server that keeps Google Chat's published rules for webhooks", Test: "TestAnAlertIsOneThread"},
	}
	k.Rate = 1
	k.Follows = true
	return k
}

// Config are the settings of a Google Chat receiver.
type Config struct {
	URL secret.String `json:"url" doc:"URL of the space's webhook: https://chat.googleapis.com/v1/spaces/… with its key and token. Anybody who has it can post."`
}

var create = lazyregexp.New(`/spaces/[^/]+/messages$`)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if err := notify.CheckURL(c.URL); err != nil {
		return nil, fmt.Errorf("url %w", err)
	}
	if text := c.URL.Reveal(); !secret.IsReference(text) {
		u, err := url.Parse(text)
		switch {
		case err != nil || !create.MatchString(u.Path):
			return nil, errors.New("url is not a webhook's; want https://chat.googleapis.com/v1/spaces/SPACE/messages?key=KEY&token=TOKEN")
		case u.Query().Get("key") == "" || u.Query().Get("token") == "":
			return nil, errors.New("url lacks its key or token; copy all of it")
		}
	}
	return &notifier{url: c.URL, client: env.HTTP, now: env.Now}, nil
}

type notifier struct {
	url    secret.String
	client *http.Client
	now    func() time.Time
}

// Notify posts the message. The reference is the message's name,
// "spaces/AAAA/messages/BBBB"; threads need none, since they are found by a key. A
// message whose answer was lost is posted again.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.To != "" || m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("google-chat: a webhook posts to a space, not to a single person, and proves no address"))
	}
	body, err := render(m, n.now())
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("google-chat: %w", err))
	}
	reply, err := notify.Request{Method: http.MethodPost, URL: n.address(), Body: body, Secrets: []secret.String{n.url}}.Send(ctx, n.client)
	if err != nil {
		return "", fmt.Errorf("google-chat: %w", err)
	}
	var posted struct{ Name string }
	if err := json.Unmarshal(reply, &posted); err != nil || !strings.HasPrefix(posted.Name, "spaces/") {
		return "", errors.New("google-chat: the reply names no message, so it is not Google's; is there a proxy in between, or is url wrong?")
	}
	return posted.Name, nil
}

// address is the webhook, asked to reply in the thread that the message names, and
// to begin it where there is none.
func (n *notifier) address() string {
	base, query, _ := strings.Cut(n.url.Reveal(), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return n.url.Reveal()
	}
	values.Set("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")
	return base + "?" + values.Encode()
}

// threadKey is what the messages of an alert have in common for as long as it gets
// no worse and is not opened again.
func threadKey(m notify.Message) string {
	key := notify.DedupKey(m)
	if !m.AboutAlert() {
		return key
	}
	key += "-" + max(m.Alert.Worst, m.Alert.Level).String()
	if m.Alert.Reopened > 0 {
		key += "-" + strconv.Itoa(m.Alert.Reopened)
	}
	return key
}
