// Package telegram tells a group or channel of Telegram, or people, as a bot
// (https://core.telegram.org/bots/api).
//
// An alert is one message, which is edited when anything changes, with what changed as
// a reply to it. Its buttons answer over requests that tocsin makes (long polling), so
// that no public address is needed, or over requests that Telegram makes. Nobody is
// mentioned, whatever a finding says, and no page is previewed.
package telegram

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Telegram notifier. Telegram takes one message a second in a chat, but no
// more than 20 a minute in a group
// (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this); it
// has us wait beyond that, so that people are not told one every three seconds.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("telegram", "Posts to a Telegram group, channel or topic, or to people, as a bot with buttons.", open)
	k.Title = "Telegram"
	k.Rate = 1
	k.Follows, k.Edits = true, true
	k.Address = address
	k.Abilities = notify.Abilities{Edits: true, Threads: true, Acknowledge: true, Resolve: true, Rich: true, Limit: "4,096 UTF-16 units"}
	k.Checks = []notify.Check{
		{How: notify.BySchema, By: "JSON Schema from @grammyjs/types 5.0.0", Test: "TestGolden"},
		{How: notify.ByFake, By: "a server of ours that speaks Telegram's Bot API", Test: "TestPressingButtons"},
	}
	return k
}

// Config are the settings of a Telegram receiver.
type Config struct {
	Token         secret.String `json:"token" doc:"The bot's token, as BotFather gives it: 123456789:AA…"`
	Chat          string        `json:"chat,omitempty" doc:"ID of the group or channel that is told, besides people, in quotes: \"-1001234567890\", or a public channel's @name. The bot says a chat's ID if it is sent /id there. Left out, people alone are told."`
	Thread        int64         `json:"thread,omitempty" doc:"Number of the topic, in a group that has topics."`
	Answers       *bool         `json:"answers,omitempty" doc:"Fetch what people answer by buttons. One bot can be asked by one receiver only." default:"true"`
	WebhookSecret secret.String `json:"webhook_secret,omitzero" doc:"Instead of fetching answers, have Telegram send them to public_url, /act/ and the receiver's name, with this secret: 1 to 256 letters, digits, _ and -."`
	APIURL        string        `json:"api_url,omitempty" doc:"Where the Bot API is, if it is a server of your own." default:"https://api.telegram.org"`
}

const defaultURL = "https://api.telegram.org"

var (
	tokenForm  = lazyregexp.New(`^[0-9]{3,20}:[A-Za-z0-9_-]{20,100}$`)
	chatForm   = lazyregexp.New(`^(?:-?[1-9][0-9]{0,18}|@[A-Za-z][A-Za-z0-9_]{3,31})$`)
	personForm = lazyregexp.New(`^[1-9][0-9]{0,18}$`)
	secretForm = lazyregexp.New(`^[A-Za-z0-9_-]{1,256}$`)
)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if c.APIURL == "" {
		c.APIURL = defaultURL
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &notifier{
		name: env.Name, chat: c.Chat, thread: c.Thread, env: env, log: env.Log, now: env.Now,
		bot:     bot{base: strings.TrimRight(c.APIURL, "/") + "/bot", token: c.Token, client: notify.Throttled(env.HTTP, throttled)},
		replies: rate.NewLimiter(rate.Every(time.Second), 5),
	}
	if env.Act == nil || c.Answers != nil && !*c.Answers {
		return n, nil // nothing can be answered, so there are no buttons
	}
	if c.WebhookSecret.IsZero() {
		n.buttons = true
		p := &poller{notifier: n, asks: n.bot, least: retryLeast}
		p.asks.client = patient(env.HTTP)
		return p, nil
	}
	if env.Handle == nil || env.CallbackURL == "" {
		return nil, errors.New("webhook_secret: public_url is not set, so that Telegram cannot send answers; leave it out to have them fetched")
	}
	n.buttons = true
	h := &hook{notifier: n, secret: c.WebhookSecret, least: retryLeast}
	env.Handle(http.HandlerFunc(h.callBack))
	return h, nil
}

func (c Config) check() error {
	if err := notify.CheckURL(secret.New(c.APIURL)); err != nil {
		return fmt.Errorf("api_url %w", err)
	}
	token, word := c.Token.Reveal(), c.WebhookSecret.Reveal()
	switch {
	case token == "":
		return errors.New("token is not set")
	case !secret.IsReference(token) && !tokenForm.MatchString(token):
		return errors.New("token is not a bot's: want what BotFather gives, 123456789:AA…")
	case c.Chat != "" && !secret.IsReference(c.Chat) && !chatForm.MatchString(c.Chat):
		return fmt.Errorf("chat: %q is neither a chat's ID, such as \"-1001234567890\", nor a channel's @name", notify.Truncate(notify.Clean(c.Chat), 40, notify.Runes))
	case c.Thread < 0:
		return errors.New("thread: is negative")
	case c.Thread > 0 && c.Chat == "":
		return errors.New("thread: chat is not set")
	case word != "" && !secret.IsReference(word) && !secretForm.MatchString(word):
		return errors.New("webhook_secret: want 1 to 256 letters, digits, _ and -")
	case word != "" && c.Answers != nil && !*c.Answers:
		return errors.New("webhook_secret: answers is false")
	}
	return nil
}

// address reads the ID of a person's chat with the bot, which is that of the person.
func address(text string) (string, error) {
	id := strings.TrimSpace(text)
	if !personForm.MatchString(id) {
		return "", fmt.Errorf("%q is not a person's chat ID, such as 123456789; send the bot /start and it tells", notify.Truncate(notify.Clean(text), 40, notify.Runes))
	}
	return id, nil
}

type notifier struct {
	name    string
	chat    string
	thread  int64
	bot     bot
	env     notify.Env
	log     *slog.Logger
	now     func() time.Time
	buttons bool // answers reach us
	// replies bounds what strangers can have the bot say.
	replies *rate.Limiter
	asked   notify.Twice
	me      struct {
		sync.Mutex
		name string // of the bot; guarded by Mutex
	}
}

// Placed reports whether the settings name a chat.
func (n *notifier) Placed() bool { return n.chat != "" }

// Notify posts the first message of an alert and edits it from then on. In a group what
// is new is a reply to it, without a sound unless it calls for somebody; to a person
// only what calls is told besides the edit. A message that is gone is posted anew.
//
// The reference is chat and message: "-1001234567890:42". Telegram knows no idempotency
// key: a message whose answer was lost is posted again.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	chat := n.chat
	if m.To != "" {
		chat = m.To
	}
	switch {
	case m.Kind == tocsin.TellCode && m.To == "":
		return "", notify.Permanent(errors.New("telegram: a code is for a person, not for a group"))
	case chat == "":
		return "", notify.Permanent(errors.New("telegram: chat is not set: this receiver tells only people"))
	}
	if id, ok := root(m, chat); ok {
		body := n.render(m)
		body.MessageID = id
		err := n.send(ctx, chat, "editMessageText", body, nil)
		switch {
		case err == nil, unchanged(err):
			if err := n.follow(ctx, chat, id, m); err != nil {
				return "", fmt.Errorf("telegram: %w", err)
			}
			return m.Ref, nil
		case !gone(err):
			return "", fmt.Errorf("telegram: %w", err)
		}
	}
	body := n.render(m)
	body.Silent = silent(m)
	if m.To == "" {
		body.Thread = n.thread
	}
	var made struct {
		MessageID int64 `json:"message_id"`
	}
	if err := n.send(ctx, chat, "sendMessage", body, &made); err != nil {
		return "", fmt.Errorf("telegram: %w", err)
	}
	if made.MessageID == 0 {
		return "", nil // posted, but nothing to edit
	}
	return chat + ":" + strconv.FormatInt(made.MessageID, 10), nil
}

// follow tells below the message what is new.
func (n *notifier) follow(ctx context.Context, chat string, id int64, m notify.Message) error {
	if m.To != "" && !m.Kind.Calls() {
		return nil
	}
	body := line(m)
	body.ReplyTo = &replyTo{MessageID: id, Anyway: true}
	body.Silent = silent(m)
	if m.To == "" {
		body.Thread = n.thread
	}
	return n.send(ctx, chat, "sendMessage", body, nil)
}

// silent reports whether a phone is to make no sound.
func silent(m notify.Message) bool { return m.AboutAlert() && !m.Kind.Calls() }

// root is the message that is to be edited. One in another chat is left alone.
func root(m notify.Message, chat string) (id int64, ok bool) {
	in, number, found := strings.Cut(m.Ref, ":")
	id, err := strconv.ParseInt(number, 10, 64)
	return id, found && err == nil && id > 0 && in == chat && m.AboutAlert()
}

// send calls a method for a chat. A group that became a supergroup has another ID from
// then on, which Telegram says.
func (n *notifier) send(ctx context.Context, chat, method string, body message, into any) error {
	body.Chat = chatID(chat)
	err := n.bot.call(ctx, method, body, into)
	r, ok := errors.AsType[*refusal](err)
	if !ok || r.migrated == 0 {
		return err
	}
	n.log.WarnContext(ctx, "group became a supergroup; set chat to its new ID", "chat", strconv.FormatInt(r.migrated, 10))
	body.Chat = r.migrated
	return n.bot.call(ctx, method, body, into)
}

// chatID is a number where it is one.
func chatID(chat string) any {
	if id, err := strconv.ParseInt(chat, 10, 64); err == nil {
		return id
	}
	return chat
}
