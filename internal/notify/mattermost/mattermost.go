// Package mattermost tells a Mattermost channel, or people in direct messages.
//
// With a bot's token it speaks the REST API
// (https://developers.mattermost.com/api-documentation/): one message an alert,
// which is edited when anything changes, with what changed in its thread, and with
// buttons. Neither an edit nor a reply rings, so what calls for somebody (the alert
// got worse, or is open again) is a message of its own, which is edited from then
// on; the one before says so. With an incoming webhook it posts, and no more
// (https://developers.mattermost.com/integrate/webhooks/incoming/).
//
// What a finding says mentions nobody: Mattermost looks for mentions in attachments
// too.
package mattermost

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Mattermost notifier. A server that limits requests takes 10 a second
// unless it is told otherwise
// (https://docs.mattermost.com/administration-guide/configure/rate-limiting-configuration-settings.html);
// an edit with its reply is two.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("mattermost", "Posts to a Mattermost channel or to people, as a bot or by an incoming webhook.", open)
	k.Title = "Mattermost"
	k.Abilities = notify.Abilities{Edits: true, Threads: true, Acknowledge: true, Resolve: true, Rich: true, Limit: "16,383 characters"}
	k.Checks = []notify.Check{
		{How: notify.BySchema, By: "JSON Schema from @mattermost/types 11.9.0", Test: "TestGoldenPayloadsAreWhatMattermostsTypesSay"},
		{How: notify.ByFake, By: "a server that speaks Mattermost's REST API v4", Test: "TestTheLifeOfAnAlertIsOneThread"},
	}
	k.Rate = 5
	k.Follows, k.Edits = true, true
	k.Address = address
	return k
}

// Config are the settings of a Mattermost receiver: those of a bot, which begin
// with its token, or an incoming webhook.
type Config struct {
	URL        string        `json:"url,omitempty" doc:"Where the server is: https://mattermost.example.com, with its path if it has one."`
	Token      secret.String `json:"token,omitzero" doc:"The bot's access token. With it messages are edited, have threads and, with public_url, buttons."`
	Channel    string        `json:"channel,omitempty" doc:"ID of the channel that is told: 26 letters and digits. Left out, the bot tells only people."`
	WebhookURL secret.String `json:"webhook_url,omitzero" doc:"Instead of a bot, the incoming webhook of a channel: https://mattermost.example.com/hooks/… It has neither edits nor buttons."`
}

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if !c.WebhookURL.IsZero() {
		return openWebhook(c, env)
	}
	if err := c.checkBot(); err != nil {
		return nil, err
	}
	b := &bot{
		name: env.Name, server: strings.TrimSuffix(c.URL, "/"), token: c.Token, channel: c.Channel,
		client: env.HTTP, now: env.Now, env: env,
	}
	b.mount()
	return b, nil
}

func openWebhook(c Config, env notify.Env) (notify.Notifier, error) {
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"url", c.URL != ""},
		{"token", !c.Token.IsZero()},
		{"channel", c.Channel != ""},
	} {
		if s.set {
			return nil, fmt.Errorf("%s: webhook_url is set too; an incoming webhook is all there is, or else leave it out", s.name)
		}
	}
	if err := notify.CheckURL(c.WebhookURL); err != nil {
		return nil, fmt.Errorf("webhook_url %w", err)
	}
	return &webhook{url: c.WebhookURL, client: env.HTTP, now: env.Now}, nil
}

// id is what Mattermost calls anything by.
var id = lazyregexp.New(`^[a-z0-9]{26}$`)

// checkBot says what is wrong with the settings of a bot, without quoting a secret.
// References that are not resolved yet are taken as they are.
func (c Config) checkBot() error {
	switch {
	case c.Token.IsZero() && c.URL == "" && c.Channel == "":
		return errors.New("neither token nor webhook_url is set")
	case c.Token.IsZero():
		return errors.New("token is not set; want the bot's access token")
	}
	if err := notify.CheckURL(secret.New(c.URL)); err != nil {
		return fmt.Errorf("url %w", err)
	}
	if c.Channel != "" && !secret.IsReference(c.Channel) && !id.MatchString(c.Channel) {
		return fmt.Errorf("channel: %q is not a channel's ID; copy it from the channel's menu, View Info", notify.Truncate(notify.Clean(c.Channel), 40, notify.Runes))
	}
	return nil
}

var username = lazyregexp.New(`^[a-z0-9._-]{1,64}$`)

// address reads the name of a user.
func address(text string) (string, error) {
	name := strings.ToLower(strings.TrimPrefix(strings.TrimSpace(text), "@"))
	if !username.MatchString(name) {
		return "", fmt.Errorf("%q is not the name of a Mattermost user; it is in their profile: ana.lopez", notify.Truncate(notify.Clean(text), 40, notify.Runes))
	}
	return name, nil
}

// bot speaks the REST API with its token.
type bot struct {
	name    string
	server  string // without a slash at its end
	token   secret.String
	channel string
	client  *http.Client
	now     func() time.Time
	env     notify.Env
	signer  *signer // nil where buttons lead nowhere
	asked   notify.Twice
	direct  sync.Map // of the channels with people, by their name
}

// Follows says that a bot edits its messages, so that it can be told of everything.
func (*bot) Follows() bool { return true }

// Placed reports whether the settings name a channel.
func (b *bot) Placed() bool { return b.channel != "" }
