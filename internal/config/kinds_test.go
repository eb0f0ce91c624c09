package config_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// The kinds of the tests look like real ones and do nothing.
var kinds = config.Kinds{
	Collectors: []collect.Kind{
		collect.Define("https", "Takes events by POST.", func(c httpsConfig, env collect.Env) (collect.Collector, error) {
			if c.Token.IsZero() {
				token, err := env.Token()
				if err != nil {
					return nil, err
				}
				c.Token = token
			}
			env.Handle(http.NotFoundHandler())
			return source{c}, nil
		}),
		collect.Define("sns", "Takes events from SNS topics.", func(c snsConfig, _ collect.Env) (collect.Collector, error) {
			if len(c.Topics) == 0 {
				return nil, errors.New("topics: name at least one topic")
			}
			return source{c}, nil
		}),
	},
	Notifiers: []notify.Kind{
		notify.Define("console", "Writes to the console.", func(c struct{}, env notify.Env) (notify.Notifier, error) {
			if env.Out == nil {
				return nil, errors.New("nowhere to write")
			}
			return receiver{c}, nil
		}),
		slackKind(),
		notify.Define("email", "Sends mail.", func(c emailConfig, _ notify.Env) (notify.Notifier, error) {
			if len(c.To) == 0 {
				return nil, errors.New("email: to: name at least one address")
			}
			return receiver{c}, nil
		}),
		smsKind(),
	},
}

// smsKind tells people, and the numbers of its settings if there are any.
func smsKind() notify.Kind {
	k := notify.Define("sms", "Sends text messages.", func(c smsConfig, _ notify.Env) (notify.Notifier, error) {
		return texter{receiver{c}, len(c.To) > 0}, nil
	})
	k.Interrupts, k.Burst = true, 5
	k.Address = func(text string) (string, error) {
		number := strings.ReplaceAll(text, " ", "")
		if !strings.HasPrefix(number, "+") {
			return "", fmt.Errorf("%q is not a number such as +4930123456", text)
		}
		return number, nil
	}
	return k
}

type smsConfig struct {
	To []string `json:"to" doc:"Numbers that are told besides people."`
}

type texter struct {
	receiver
	placed bool
}

func (t texter) Placed() bool { return t.placed }

func slackKind() notify.Kind {
	k := notify.Define("slack", "Posts to a Slack channel.", func(c slackConfig, _ notify.Env) (notify.Notifier, error) {
		if c.WebhookURL.IsZero() {
			return nil, errors.New("webhook_url is missing")
		}
		return receiver{c}, nil
	})
	k.Rate = 1
	return k
}

type httpsConfig struct {
	Token secret.String     `json:"token" doc:"Unguessable part of the URL."`
	Map   map[string]string `json:"map" doc:"Where things are."`
}

type snsConfig struct {
	Topics []string `json:"topics" doc:"ARNs, in which * stands for anything."`
}

type slackConfig struct {
	WebhookURL secret.String `json:"webhook_url" doc:"Incoming webhook."`
	Channel    string        `json:"channel" doc:"Channel id."`
}

type emailConfig struct {
	To       []string      `json:"to" doc:"Addresses." required:"true"`
	SMTP     smtpConfig    `json:"smtp" doc:"The server."`
	Wait     time.Duration `json:"wait" default:"1h30m" doc:"How long."`
	Minimum  tocsin.Level  `json:"minimum" default:"low" doc:"How bad."`
	Template any           `json:"template" doc:"Whatever you like."`
	Hidden   string        `json:"-"`
}

type smtpConfig struct {
	Host string  `json:"host" doc:"Name | address." required:"true"`
	Port uint16  `json:"port" default:"587" doc:"Port."`
	TLS  bool    `json:"tls" default:"true" doc:"Whether <encrypted>."`
	Load float64 `json:"load" doc:"How much."`
}

// source and receiver keep their settings, so that a test can look at them.
type source struct{ Config any }

func (source) Run(context.Context, collect.Sink) error { return nil }

type receiver struct{ Config any }

func (r receiver) Notify(context.Context, notify.Message) (string, error) {
	return "", fmt.Errorf("%T is for tests", r.Config)
}
