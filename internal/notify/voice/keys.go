package voice

import (
	"context"
	"net/url"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio"
)

// keys are what can be pressed.
var keys = []struct {
	digit string
	do    notify.Do
	word  string
}{
	{"4", notify.DoAcknowledge, "acknowledge"},
	{"6", notify.DoEscalate, "escalate"},
	{"8", notify.DoClose, "close"},
}

// prompt says what can be pressed, of those actions: "Press 4 to acknowledge, 6
// to escalate, 8 to close."
func prompt(actions []notify.Action) string {
	var ways []string
	for _, k := range keys {
		for _, a := range actions {
			if a.Do == k.do {
				ways = append(ways, k.digit+" to "+k.word)
			}
		}
	}
	if len(ways) == 0 {
		return ""
	}
	return "Press " + strings.Join(ways, ", ") + "."
}

// call is the TwiML of a call: the text, twice, and the keys, where there are any.
// It stays below the 4,000 characters that a call may bring along.
func call(text, keys, action string) string {
	twice := say(text) + `<Pause length="1"/>` + say("Again: "+text)
	if keys == "" {
		return "<Response>" + twice + "</Response>"
	}
	return "<Response>" + gather(say(text)+say(keys)+`<Pause length="1"/>`+say("Again: "+text)+say(keys), action) +
		say("No key was pressed. Goodbye.") + "</Response>"
}

// gather takes one key while it says inner, and for eight seconds after.
func gather(inner, action string) string {
	return `<Gather numDigits="1" timeout="8" method="POST" action="` + twilio.Escape(action) + `">` + inner + "</Gather>"
}

func say(text string) string { return "<Say>" + twilio.Escape(text) + "</Say>" }

// pressed is the callback of a key: it does what the key is for and says what came
// of it. Who pressed it is the number that was called.
func (n *notifier) pressed(ctx context.Context, query, form url.Values) string {
	digit, alert := form.Get("Digits"), twilio.AlertOf(query)
	for _, k := range keys {
		if k.digit != digit || alert == 0 {
			continue
		}
		answer := notify.Answer{Alert: alert, Do: k.do, From: form.Get("To")}
		if id := form.Get("CallSid"); id != "" {
			answer.ID = id + "-" + digit
		}
		done, err := n.act(ctx, answer)
		if err != nil {
			return "<Response>" + say(sentence(plain(err.Error()))) + "</Response>"
		}
		return "<Response>" + say(sentence(plain(done.Text))) + say("Goodbye.") + "</Response>"
	}
	action := twilio.About(n.base, "key", alert)
	return "<Response>" + gather(say("That key does nothing. Press 4 to acknowledge, 6 to escalate, 8 to close."), action) + "</Response>"
}

// calls reports whether the message is worth ringing somebody for.
func calls(k tocsin.Kind) bool {
	switch k {
	case tocsin.TellAcknowledged, tocsin.TellChanged:
		return false
	}
	return true
}
