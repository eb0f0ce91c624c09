package slack

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	s := secret.New
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"a webhook", Config{WebhookURL: s("https://hooks.slack.com/services/T0/B0/x")}, ""},
		{"an app for a channel", Config{Token: s("xoxb-1"), Channel: "C0123456789"}, ""},
		{"an app for people only", Config{Token: s("xoxb-1")}, ""},
		{"an app with everything", Config{Token: s("xoxb-1"), Channel: "G0123456789", AppToken: s("xapp-1"), SigningSecret: s("0f"), APIURL: s("https://slack-gov.com/api/")}, ""},
		{"references that are not resolved yet", Config{Token: s("${env:TOKEN}"), AppToken: s("${env:APP}"), Channel: "${env:CHANNEL}", APIURL: s("${env:API}")}, ""},
		{"a reference for the webhook", Config{WebhookURL: s("${env:SLACK_URL}")}, ""},
		{"nothing", Config{}, "neither token nor webhook_url is set"},
		{"plain HTTP to the world", Config{WebhookURL: s("http://hooks.slack.com/services/T0/B0/x")}, "webhook_url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"words for a webhook", Config{WebhookURL: s("my secret")}, "webhook_url is not a URL; want https://host/path"},
		{"both", Config{WebhookURL: s("https://hooks.slack.com/x"), Token: s("xoxb-1")}, "token: webhook_url is set too; an incoming webhook is all there is, or else leave it out"},
		{"buttons by webhook", Config{WebhookURL: s("https://hooks.slack.com/x"), SigningSecret: s("0f")}, "signing_secret: webhook_url is set too; an incoming webhook is all there is, or else leave it out"},
		{"Socket Mode by webhook", Config{WebhookURL: s("https://hooks.slack.com/x"), AppToken: s("xapp-1")}, "app_token: webhook_url is set too; an incoming webhook is all there is, or else leave it out"},
		{"a channel without a token", Config{Channel: "C0123456789"}, "channel: token is not set; want the app's bot token"},
		{"Socket Mode without a token", Config{AppToken: s("xapp-1")}, "app_token: token is not set; want the app's bot token"},
		{"a user's token", Config{Token: s("xoxp-1")}, "token: is not a bot token; want the Bot User OAuth Token, which begins with xoxb-"},
		{"the tokens mixed up", Config{Token: s("xoxb-1"), AppToken: s("xoxb-1")}, "app_token: is not an app-level token; want one that begins with xapp-"},
		{"a channel's name", Config{Token: s("xoxb-1"), Channel: "#soc"}, `channel: "#soc" is not a channel's ID; copy it from the end of the channel's details: C0123456789`},
		{"an API elsewhere in clear", Config{Token: s("xoxb-1"), APIURL: s("http://slack.example.com/api/")}, "api_url: must begin with https:// (http:// only to localhost or a written-out IP address)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if _, err := open(tt.c, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open(%s) = %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}

func TestWhoFollowsAndListens(t *testing.T) {
	t.Parallel()
	act := func(context.Context, notify.Answer) (notify.Reply, error) { return notify.Reply{}, nil }
	for _, tt := range []struct {
		name             string
		c                Config
		act              func(context.Context, notify.Answer) (notify.Reply, error)
		handle           bool
		follows, listens bool
		buttons, mounts  bool
	}{
		{"webhook", Config{WebhookURL: secret.New("https://hooks.slack.com/x")}, act, true, false, false, false, false},
		{"app without answers", Config{Token: secret.New("xoxb-1")}, act, true, true, false, false, false},
		{"Socket Mode", Config{Token: secret.New("xoxb-1"), AppToken: secret.New("xapp-1")}, act, false, true, true, true, false},
		{"signed requests", Config{Token: secret.New("xoxb-1"), SigningSecret: secret.New("0f")}, act, true, true, false, true, true},
		{"signed requests that reach nobody", Config{Token: secret.New("xoxb-1"), SigningSecret: secret.New("0f")}, act, false, true, false, false, false},
		{"nothing can be done", Config{Token: secret.New("xoxb-1"), AppToken: secret.New("xapp-1"), SigningSecret: secret.New("0f")}, nil, true, true, false, false, false},
	} {
		env := notifytest.Env(t, nil)
		env.Act = tt.act
		mounted := false
		if tt.handle {
			env.Handle = func(http.Handler) { mounted = true }
		}
		n, err := open(tt.c, env)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := n.(notify.Follower).Follows(); got != tt.follows {
			t.Errorf("%s: Follows = %v", tt.name, got)
		}
		if _, got := n.(notify.Listener); got != tt.listens {
			t.Errorf("%s: is a Listener: %v", tt.name, got)
		}
		buttons := false
		switch n := n.(type) {
		case *app:
			buttons = n.render.buttons
		case *socket:
			buttons = n.render.buttons
		}
		if buttons != tt.buttons || mounted != tt.mounts {
			t.Errorf("%s: buttons %v, mounted %v; want %v, %v", tt.name, buttons, mounted, tt.buttons, tt.mounts)
		}
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"U012AB3CD", "U012AB3CD"},
		{" w012ab3cd\n", "W012AB3CD"},
	} {
		if got, err := Kind.Address(tt.text); got != tt.want || err != nil {
			t.Errorf("Address(%q) = %q, %v, want %q", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{"", "@ana", "ana@example.com", "C0123456789", "U", "U012AB3CD<!channel>"} {
		if got, err := Kind.Address(text); err == nil {
			t.Errorf("Address(%q) = %q, want an error", text, got)
		}
	}
}

func TestNothingSecretInSettingsErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{
		{Token: secret.New("xoxp-sesame")},
		{Token: secret.New("xoxb-1"), AppToken: secret.New("sesame")},
		{Token: secret.New("xoxb-1"), APIURL: secret.New("http://sesame.example.com/")},
	} {
		_, err := open(c, notifytest.Env(t, nil))
		if err == nil {
			t.Fatal("open = nil, want an error")
		}
		if strings.Contains(err.Error(), "sesame") {
			t.Errorf("the error holds a secret: %v", err)
		}
	}
}
