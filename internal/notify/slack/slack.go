// Package slack tells a Slack channel, or people in direct messages.
//
// With a bot's token it is an app: one message an alert, which is edited when
// anything changes, with what changed in its thread, and with buttons. The
// answers come over a connection that tocsin opens (Socket Mode), or as signed
// requests. With an incoming webhook it posts, and no more.
//
// The first line is a header, so that it is what a phone shows; the rest is an
// attachment whose colour bar says the level. Slack shows no links but ours.
package slack

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Slack notifier. Slack takes one message a second, by webhook and in
// a channel (https://docs.slack.dev/apis/web-api/rate-limits).
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("slack", "Posts to a Slack channel or to people, as an app or by an incoming webhook.", open)
	k.Title = "Slack"
	k.Abilities = notify.Abilities{Edits: true, Threads: true, Acknowledge: true, Resolve: true, Rich: true, Limit: "12,000 characters"}
	k.Checks = []notify.Check{
		{How: notify.BySchema, By: "JSON Schema from @slack/types 3.2.0", Test: "TestGoldenPayloadsAreWhatSlacksTypesSay"},
		{How: notify.ByFake, By: "a server that speaks Slack's Web API", Test: "TestOneMessageAnAlert"},
	}
	k.Rate = 1
	k.Follows, k.Edits = true, true
	k.Address = address
	return k
}

// Config are the settings of a Slack receiver: those of an app, which begin with
// its token, or an incoming webhook.
type Config struct {
	Token         secret.String `json:"token,omitzero" doc:"The app's bot token: xoxb-…"`
	Channel       string        `json:"channel,omitempty" doc:"ID of the channel that is told: C0123456789. Left out, the app tells only people."`
	AppToken      secret.String `json:"app_token,omitzero" doc:"App-level token for Socket Mode: xapp-… With it the buttons work without a public URL."`
	SigningSecret secret.String `json:"signing_secret,omitzero" doc:"The app's signing secret. With it the buttons work by requests from Slack to public_url, /act/ and the receiver's name."`
	WebhookURL    secret.String `json:"webhook_url,omitzero" doc:"Instead of an app, the incoming webhook of a channel: https://hooks.slack.com/services/… It has neither edits nor buttons."`
	APIURL        secret.String `json:"api_url,omitzero" doc:"Where Slack's Web API is: https://slack-gov.com/api/ for GovSlack. By default https://slack.com/api/."`
	Colors        Colors        `json:"colors,omitzero" doc:"Colours of the bar beside a message, by level, instead of tocsin's own: #C62828."`
}

const webAPI = "https://slack.com/api/"

func open(c Config, env notify.Env) (notify.Notifier, error) {
	colours, err := c.Colors.palette()
	if err != nil {
		return nil, err
	}
	if !c.WebhookURL.IsZero() {
		return openWebhook(c, env, renderer{colours: colours})
	}
	if err := c.checkApp(); err != nil {
		return nil, err
	}
	return openApp(c, env, renderer{colours: colours})
}

func openWebhook(c Config, env notify.Env, r renderer) (notify.Notifier, error) {
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"token", !c.Token.IsZero()},
		{"channel", c.Channel != ""},
		{"app_token", !c.AppToken.IsZero()},
		{"signing_secret", !c.SigningSecret.IsZero()},
		{"api_url", !c.APIURL.IsZero()},
	} {
		if s.set {
			return nil, fmt.Errorf("%s: webhook_url is set too; an incoming webhook is all there is, or else leave it out", s.name)
		}
	}
	if err := notify.CheckURL(c.WebhookURL); err != nil {
		return nil, fmt.Errorf("webhook_url %w", err)
	}
	return &webhook{url: c.WebhookURL, client: env.HTTP, now: env.Now, render: r}, nil
}

var channelID = lazyregexp.New(`^[CG][A-Z0-9]{6,20}$`)

// checkApp says what is wrong with the settings of an app, without quoting a
// secret. References that are not resolved yet are taken as they are.
func (c Config) checkApp() error {
	if c.Token.IsZero() {
		for _, s := range []struct {
			name string
			set  bool
		}{
			{"channel", c.Channel != ""},
			{"app_token", !c.AppToken.IsZero()},
			{"signing_secret", !c.SigningSecret.IsZero()},
			{"api_url", !c.APIURL.IsZero()},
		} {
			if s.set {
				return fmt.Errorf("%s: token is not set; want the app's bot token", s.name)
			}
		}
		return errors.New("neither token nor webhook_url is set")
	}
	if !begins(c.Token, "xoxb-") {
		return errors.New("token: is not a bot token; want the Bot User OAuth Token, which begins with xoxb-")
	}
	if !begins(c.AppToken, "xapp-") {
		return errors.New("app_token: is not an app-level token; want one that begins with xapp-")
	}
	if c.Channel != "" && !secret.IsReference(c.Channel) && !channelID.MatchString(c.Channel) {
		return fmt.Errorf("channel: %q is not a channel's ID; copy it from the end of the channel's details: C0123456789", notify.Truncate(notify.Clean(c.Channel), 40, notify.Runes))
	}
	if !c.APIURL.IsZero() {
		if err := notify.CheckURL(c.APIURL); err != nil {
			return fmt.Errorf("api_url: %w", err)
		}
	}
	return nil
}

// begins reports whether the secret, if there is one, is of the kind that has
// that prefix.
func begins(s secret.String, prefix string) bool {
	text := s.Reveal()
	return text == "" || secret.IsReference(text) || strings.HasPrefix(text, prefix)
}

var memberID = lazyregexp.New(`^[UW][A-Z0-9]{5,20}$`)

// address reads the ID of a member of the workspace.
func address(text string) (string, error) {
	id := strings.ToUpper(strings.TrimSpace(text))
	if !memberID.MatchString(id) {
		return "", fmt.Errorf("%q is not a Slack member ID; copy it from the person's profile (⋮, Copy member ID): U012AB3CD", notify.Truncate(notify.Clean(text), 40, notify.Runes))
	}
	return id, nil
}

// app is a Slack app that speaks with its bot's token.
type app struct {
	name    string
	channel string
	token   secret.String
	api     string // ends with a slash
	client  *http.Client
	now     func() time.Time
	env     notify.Env
	signing secret.String
	render  renderer
	direct  directory
	actTime time.Duration // for what a button asks for
}

func openApp(c Config, env notify.Env, r renderer) (notify.Notifier, error) {
	a := &app{
		name: env.Name, channel: c.Channel, token: c.Token, api: webAPI, client: env.HTTP, now: env.Now, env: env,
		signing: c.SigningSecret, actTime: actTime, render: r,
	}
	if !c.APIURL.IsZero() {
		a.api = strings.TrimSuffix(c.APIURL.Reveal(), "/") + "/"
	}
	if env.Act == nil {
		return a, nil // nothing can be done, so there are no buttons
	}
	if !c.SigningSecret.IsZero() && env.Handle != nil {
		env.Handle(http.HandlerFunc(a.callBack))
		a.render.buttons = true
	}
	if !c.AppToken.IsZero() {
		a.render.buttons = true
		return &socket{app: a, token: c.AppToken, least: retryLeast}, nil
	}
	return a, nil
}

// Follows says that an app edits its messages, so that it can be told of
// everything.
func (*app) Follows() bool { return true }
