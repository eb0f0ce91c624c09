// Package voice tells people by phone, over Twilio or AWS End User Messaging: it
// says the first line, twice. Over Twilio keys answer it: 4 acknowledges, 6
// escalates, 8 closes.
package voice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/phone"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the notifier for calls. There is no rate: both vendors queue calls.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("voice", "Calls by phone, by Twilio or AWS End User Messaging.", open)
	k.Title = "Phone calls"
	k.Abilities = notify.Abilities{Acknowledge: true, Limit: "what is said in about half a minute"}
	k.Checks = []notify.Check{
		{How: notify.ByFake, By: "a server that signs and answers as Twilio's API does", Test: "TestPromisesOverTwilio"},
		{How: notify.ByFake, By: "a server that checks signatures as AWS End User Messaging does", Test: "TestPromisesOverAWS"},
	}
	k.Patience = phone.Patience
	k.Address = phone.Number
	k.Burst = 3
	k.Interrupts = true
	return k
}

// Config are the settings of a receiver of calls: those of exactly one vendor.
type Config struct {
	To     []string `json:"to,omitempty" doc:"Numbers that are called, besides people: +4930123456. Without it the receiver calls people alone."`
	Twilio *Twilio  `json:"twilio,omitempty" doc:"Call by Twilio."`
	AWS    *AWS     `json:"aws,omitempty" doc:"Call by AWS End User Messaging, which takes no keys."`
}

// Twilio are the settings of Twilio for calls.
type Twilio struct {
	twilio.Settings
	From string `json:"from" required:"true" doc:"Number that calls: +4930123456."`
}

// AWS are the settings of AWS for calls.
type AWS struct {
	phone.AWS
	Voice string `json:"voice,omitempty" doc:"Voice of Amazon Polly that speaks, such as AMY; by default the service's own, MATTHEW."`
}

// A vendor makes one call.
type vendor func(ctx context.Context, to string, m notify.Message) (id string, err error)

type notifier struct {
	name  string
	log   *slog.Logger
	to    []string
	call  vendor
	base  string // of what is called back
	act   func(ctx context.Context, a notify.Answer) (notify.Reply, error)
	round phone.Round
}

// Placed reports whether the settings name numbers that are told besides people.
func (n *notifier) Placed() bool { return len(n.to) > 0 }

func open(c Config, env notify.Env) (notify.Notifier, error) {
	n := &notifier{name: env.Name, log: env.Log, base: env.CallbackURL, act: env.Act}
	var err error
	if n.to, err = phone.Numbers(c.To); err != nil {
		return nil, err
	}
	switch {
	case (c.Twilio == nil) == (c.AWS == nil):
		return nil, errors.New("set exactly one of twilio and aws")
	case c.Twilio != nil:
		if err := n.byTwilio(*c.Twilio, env); err != nil {
			return nil, fmt.Errorf("twilio: %w", err)
		}
	default:
		client, err := c.AWS.Open(env.HTTP)
		if err != nil {
			return nil, fmt.Errorf("aws: %w", err)
		}
		n.call = func(ctx context.Context, to string, m notify.Message) (string, error) {
			text := said(m)
			return client.Call(ctx, to, text+" Again: "+text, c.AWS.Voice, map[string]string{"alert": strconv.FormatInt(m.Alert.ID, 10)})
		}
	}
	return n, nil
}

// byTwilio has Twilio call, and mounts what it calls back.
func (n *notifier) byTwilio(c Twilio, env notify.Env) error {
	client, err := c.Open(env.HTTP)
	if err != nil {
		return err
	}
	from := c.From
	if !secret.IsReference(from) {
		if from, err = phone.Number(from); err != nil {
			return fmt.Errorf("from: %w", err)
		}
	}
	callbacks := env.CallbackURL != "" && env.Handle != nil && client.Verifies()
	answers := callbacks && env.Act != nil
	n.call = func(ctx context.Context, to string, m notify.Message) (string, error) {
		keys := ""
		if answers && m.To != "" && m.Alert.ID != 0 {
			keys = prompt(m.Actions)
		}
		form := url.Values{"To": {to}, "From": {from}, "Twiml": {call(said(m), keys, twilio.About(env.CallbackURL, "key", m.Alert.ID))}}
		if callbacks {
			form.Set("StatusCallback", twilio.About(env.CallbackURL, "status", m.Alert.ID))
		}
		return client.Create(ctx, "Calls", form)
	}
	if !callbacks {
		return nil
	}
	served := map[string]twilio.Callback{"status": twilio.Status(env.Log, env.Name, "CallStatus")}
	if answers {
		served["key"] = n.pressed
	}
	env.Handle(client.Callbacks(env.CallbackURL, env.Log, env.Name, served))
	return nil
}

// Notify calls the person that the message is for, or the numbers of the settings,
// and returns what the vendor calls the (first) call. It does not wait until
// somebody answers: that nobody did is logged when Twilio says so. Messages that
// call for nobody are refused.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("voice: %w", err)
	}
	if !calls(m.Kind) {
		return "", notify.Permanent(fmt.Errorf("voice: nobody is called for what is %s", m.Kind))
	}
	ref, err := n.round.Tell(ctx, m, n.to, n.log, n.name, func(ctx context.Context, number string) (string, error) {
		return n.call(ctx, number, m)
	})
	if err != nil {
		return "", fmt.Errorf("voice: %w", err)
	}
	return ref, nil
}
