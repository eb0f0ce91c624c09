package twilio

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strconv"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

// reasons are why a message did not arrive, for those numbers that are seen most
// (https://www.twilio.com/docs/api/errors).
var reasons = map[string]string{
	"30001": "the sender's queue is full",
	"30002": "the account is suspended",
	"30003": "the phone cannot be reached",
	"30004": "the number or its carrier blocks the message",
	"30005": "the number is not known",
	"30006": "a landline, or a carrier that cannot be reached",
	"30007": "the carrier filtered it as spam",
	"30008": "the carrier does not say why",
	"30036": "it was queued for longer than it is of use",
}

// lost are the statuses of messages and calls that reached nobody.
var lost = map[string]bool{"undelivered": true, "failed": true, "busy": true, "no-answer": true, "canceled": true}

// Status is the callback that is told what became of a message ("MessageStatus")
// or a call ("CallStatus"): one that reached nobody is logged.
func Status(log *slog.Logger, receiver, status string) Callback {
	return func(ctx context.Context, query, form url.Values) string {
		state := form.Get(status)
		if !lost[state] {
			return ""
		}
		said := word(form.Get("To")) + ": " + word(state)
		if code := word(form.Get("ErrorCode")); code != "" {
			said += ": " + code
			if reason := reasons[code]; reason != "" {
				said += " " + reason
			}
		}
		log.WarnContext(ctx, "message reached nobody", "receiver", receiver, "alert", AlertOf(query), "err", errors.New(said))
		return ""
	}
}

func word(s string) string { return notify.Truncate(notify.Clean(s), 40, notify.Runes) }

// About is base/name for one alert: what Twilio is given to call.
func About(base, name string, alert int64) string {
	return base + "/" + name + "?alert=" + strconv.FormatInt(alert, 10)
}

// AlertOf is the alert that [About] was given, or 0.
func AlertOf(query url.Values) int64 {
	id, err := strconv.ParseInt(query.Get("alert"), 10, 64)
	if err != nil || id < 0 {
		return 0
	}
	return id
}
