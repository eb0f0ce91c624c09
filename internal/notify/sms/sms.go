// Package sms tells people by text message, over Twilio or AWS End User Messaging.
//
// One alert is told in one part of 160 characters of GSM 7-bit: level, account
// and what happened, the link, and by what to reply where replies can come back.
package sms

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"strconv"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/phone"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the notifier for text messages. There is no rate: both vendors queue
// what comes faster than the carriers take it.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("sms", "Sends text messages by Twilio or AWS End User Messaging.", open)
	k.Title = "Text messages (SMS)"
	k.Abilities = notify.Abilities{Acknowledge: true, Limit: "160 characters, one part"}
	k.Checks = []notify.Check{
		{How: notify.ByFake, By: "a server that signs and answers as Twilio's API does", Test: "TestPromisesOverTwilio"},
		{How: notify.ByFake, By: "a server that checks signatures as AWS End User Messaging does", Test: "TestPromisesOverAWS"},
	}
	k.Patience = phone.Patience
	k.Address = phone.Number
	k.Burst = 5
	k.Interrupts = true
	return k
}

// Config are the settings of a receiver of text messages: those of exactly one
// vendor.
type Config struct {
	To     []string   `json:"to,omitempty" doc:"Numbers that are told, besides people: +4930123456. Without it the receiver tells people alone."`
	Twilio *Twilio    `json:"twilio,omitempty" doc:"Send by Twilio."`
	AWS    *phone.AWS `json:"aws,omitempty" doc:"Send by AWS End User Messaging."`
}

// Twilio are the settings of Twilio for text messages.
type Twilio struct {
	twilio.Settings
	From                string `json:"from,omitempty" doc:"Number, short code or alphanumeric sender that it is sent from; this or messaging_service_sid."`
	MessagingServiceSID string `json:"messaging_service_sid,omitempty" doc:"Messaging service (MG…) that picks the sender."`
	Replies             *bool  `json:"replies,omitempty" doc:"Tell people by what to reply. Replies come back once the number's webhook at Twilio is the receiver's callback URL with /reply." default:"true"`
}

// A vendor sends one text to one number.
type vendor func(ctx context.Context, to, text string, alert int64) (id string, err error)

type notifier struct {
	name    string
	log     *slog.Logger
	to      []string
	send    vendor
	replies bool // can come back
	round   phone.Round
}

// Placed reports whether the settings name numbers that are told besides people.
func (n *notifier) Placed() bool { return len(n.to) > 0 }

func open(c Config, env notify.Env) (notify.Notifier, error) {
	n := &notifier{name: env.Name, log: env.Log}
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
		n.send = func(ctx context.Context, to, text string, alert int64) (string, error) {
			return client.Text(ctx, to, text, map[string]string{"alert": strconv.FormatInt(alert, 10)})
		}
	}
	return n, nil
}

var (
	shortCode  = lazyregexp.New(`^[0-9]{3,8}$`)
	senderID   = lazyregexp.New(`^[A-Za-z0-9 ]{1,11}$`)
	serviceSID = lazyregexp.New(`^MG[0-9a-fA-F]{32}$`)
)

// byTwilio has it sent by Twilio, and mounts what Twilio calls back.
func (n *notifier) byTwilio(c Twilio, env notify.Env) error {
	client, err := c.Open(env.HTTP)
	if err != nil {
		return err
	}
	from, answerable, err := c.sender()
	if err != nil {
		return err
	}
	callbacks := env.CallbackURL != "" && env.Handle != nil && client.Verifies()
	n.replies = callbacks && answerable && env.Act != nil && (c.Replies == nil || *c.Replies)
	n.send = func(ctx context.Context, to, text string, alert int64) (string, error) {
		form := url.Values{"To": {to}, "Body": {text}, "ValidityPeriod": {strconv.Itoa(int(phone.Patience.Seconds()))}}
		maps.Copy(form, from)
		if callbacks {
			form.Set("StatusCallback", twilio.About(env.CallbackURL, "status", alert))
		}
		return client.Create(ctx, "Messages", form)
	}
	if !callbacks {
		return nil
	}
	served := map[string]twilio.Callback{"status": twilio.Status(env.Log, env.Name, "MessageStatus")}
	if env.Act != nil {
		served["reply"] = (&desk{act: env.Act, now: env.Now}).reply
	}
	env.Handle(client.Callbacks(env.CallbackURL, env.Log, env.Name, served))
	return nil
}

// sender is the part of a form that says who sends, and whether one can reply to
// that: not to a name.
func (c Twilio) sender() (from url.Values, answerable bool, err error) {
	switch {
	case (c.From == "") == (c.MessagingServiceSID == ""):
		return nil, false, errors.New("set exactly one of from and messaging_service_sid")
	case c.MessagingServiceSID != "":
		if !serviceSID.MatchString(c.MessagingServiceSID) && !secret.IsReference(c.MessagingServiceSID) {
			return nil, false, errors.New("messaging_service_sid: want MG and 32 hexadecimal digits")
		}
		return url.Values{"MessagingServiceSid": {c.MessagingServiceSID}}, true, nil
	case secret.IsReference(c.From), shortCode.MatchString(c.From):
		return url.Values{"From": {c.From}}, true, nil
	}
	if number, err := phone.Number(c.From); err == nil {
		return url.Values{"From": {number}}, true, nil
	}
	if senderID.MatchString(c.From) {
		return url.Values{"From": {c.From}}, false, nil
	}
	return nil, false, fmt.Errorf("from: %q is no number with its country code, no short code and no sender of up to 11 letters and digits", c.From)
}

// Notify sends the message to the person that it is for, or to the numbers of the
// settings, and returns what the vendor calls the (first) message. That the vendor
// took it is success; that it reached nobody after all is logged when Twilio says
// so.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("sms: %w", err)
	}
	said := text(m, n.replies && m.To != "")
	ref, err := n.round.Tell(ctx, m, n.to, n.log, n.name, func(ctx context.Context, number string) (string, error) {
		return n.send(ctx, number, said, m.Alert.ID)
	})
	if err != nil {
		return "", fmt.Errorf("sms: %w", err)
	}
	return ref, nil
}
