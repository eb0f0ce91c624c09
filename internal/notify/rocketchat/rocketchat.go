// Package rocketchat tells a Rocket.Chat room, or people in direct messages.
//
// As a user it speaks the REST API
// (https://developer.rocket.chat/apidocs/chat): one message an alert, which is
// edited when anything changes, with what changed in its thread. Neither an edit nor
// a reply rings, so what calls for somebody (the alert got worse, or is open again)
// is a message of its own, which is edited from then on; the one before says so.
// Rocket.Chat edits a message's text and nothing else of it, so all of it is text.
// With an incoming webhook it posts, and no more; then the level has a colour.
package rocketchat

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Rocket.Chat notifier. Unless its settings say otherwise a server takes
// 10 requests of a kind a minute, by webhook and of users without the role bot
// (https://docs.rocket.chat/docs/rate-limiter).
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("rocket-chat", "Posts to a Rocket.Chat room or to people, as a user or by an incoming webhook.", open)
	k.Title = "Rocket.Chat"
	k.Abilities = notify.Abilities{Edits: true, Threads: true, Acknowledge: true, Resolve: true, Rich: true, Limit: "5,000 characters"}
	k.Checks = []notify.Check{
		{How: notify.ByFake, By: "a server that speaks Rocket.Chat's REST API", Test: "TestTheLifeOfAnAlertIsOneThread"},
		{How: notify.ByFake, By: "a server that keeps Rocket.Chat's rules for webhooks", Test: "TestAWebhookPostsWithTheLevelsColour"},
	}
	k.Rate = 10.0 / 60
	k.Follows, k.Edits = true, true
	k.Address = address
	return k
}

// Config are the settings of a Rocket.Chat receiver: those of a user, which begin
// with a token, or an incoming webhook.
type Config struct {
	URL        string        `json:"url,omitempty" doc:"Where the server is: https://chat.example.com, with its path if it has one."`
	UserID     string        `json:"user_id,omitempty" doc:"ID of the user who posts, as it is shown with the token."`
	Token      secret.String `json:"token,omitzero" doc:"Personal access token of that user. With it messages are edited, and have threads."`
	Channel    string        `json:"channel,omitempty" doc:"The room that is told: #soc, or its ID. Left out, only people are told."`
	WebhookURL secret.String `json:"webhook_url,omitzero" doc:"Instead of a user, an incoming webhook: https://chat.example.com/hooks/… It has neither edits nor threads."`
}

func open(c Config, env notify.Env) (notify.Notifier, error) {
	client := notify.Throttled(env.HTTP, throttled)
	if !c.WebhookURL.IsZero() {
		return openWebhook(c, client, env)
	}
	if err := c.checkUser(); err != nil {
		return nil, err
	}
	return &user{
		server: strings.TrimSuffix(c.URL, "/"), id: c.UserID, token: c.Token, channel: c.Channel,
		client: client, now: env.Now, log: env.Log,
	}, nil
}

func openWebhook(c Config, client *http.Client, env notify.Env) (notify.Notifier, error) {
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"url", c.URL != ""},
		{"user_id", c.UserID != ""},
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
	return &webhook{url: c.WebhookURL, client: client, now: env.Now}, nil
}

// checkUser says what is wrong with the settings of a user, without quoting a
// secret. References that are not resolved yet are taken as they are.
func (c Config) checkUser() error {
	switch {
	case c.Token.IsZero() && c.UserID == "" && c.URL == "" && c.Channel == "":
		return errors.New("neither token nor webhook_url is set")
	case c.Token.IsZero():
		return errors.New("token is not set; want a personal access token of the user who posts")
	case c.UserID == "":
		return errors.New("user_id is not set; it is shown when the token is made")
	}
	if err := notify.CheckURL(secret.New(c.URL)); err != nil {
		return fmt.Errorf("url %w", err)
	}
	if strings.HasPrefix(c.Channel, "@") {
		return errors.New("channel: is a person; leave it out and give them a contact method, or name a room: #soc")
	}
	if strings.ContainsAny(c.Channel, " \t\n") {
		return fmt.Errorf("channel: %q has a space; want #soc, or the room's ID", notify.Truncate(notify.Clean(c.Channel), 40, notify.Runes))
	}
	return nil
}

var username = lazyregexp.New(`^[0-9a-zA-Z._-]{1,64}$`)

// address reads the name of a user.
func address(text string) (string, error) {
	name := strings.TrimPrefix(strings.TrimSpace(text), "@")
	if !username.MatchString(name) {
		return "", fmt.Errorf("%q is not the name of a Rocket.Chat user; it is in their profile: ana.lopez", notify.Truncate(notify.Clean(text), 40, notify.Runes))
	}
	return name, nil
}

// slowDown is how Rocket.Chat says for how long it wants to be left alone: in words,
// and in no header that is standard.
var slowDown = lazyregexp.New(`[Yy]ou must wait (\d{1,6}) seconds?`)

func throttled(resp *http.Response, body []byte) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusBadRequest {
		return 0, false
	}
	found := slowDown.FindSubmatch(body)
	if found == nil {
		return 0, false
	}
	seconds, err := strconv.Atoi(string(found[1]))
	return time.Duration(seconds) * time.Second, err == nil
}
