package sms

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio"
)

// verbs are what people write, by what they mean.
var verbs = map[string]notify.Do{
	"a": notify.DoAcknowledge, "ack": notify.DoAcknowledge, "acknowledge": notify.DoAcknowledge, "acknowledged": notify.DoAcknowledge,
	"e": notify.DoEscalate, "esc": notify.DoEscalate, "escalate": notify.DoEscalate,
	"c": notify.DoClose, "close": notify.DoClose, "closed": notify.DoClose,
	"x": notify.DoExpected, "expected": notify.DoExpected,
}

var (
	// numberFirst is "4821a", "#4821 ack", "4821: close, it was the backup".
	numberFirst = lazyregexp.New(`^#?([0-9]{1,18})[ .,:;-]*([A-Za-z]+)(?:$|[^A-Za-z0-9](.*)$)`)
	// verbFirst is "ack 4821", "A4821", "close #4821 it was the backup".
	verbFirst = lazyregexp.New(`^([A-Za-z]+)[ .,:;#-]*([0-9]{1,18})(?:$|[^A-Za-z0-9](.*)$)`)
)

// repliesMost bounds what one message may ask for.
const repliesMost = 5

// parse reads a reply: one or several of "4821a", "4821 ack", "ack 4821", the last
// with a note behind it. It is nil for any other text.
func parse(body string) []notify.Answer {
	rest := trim(notify.Truncate(notify.Clean(body), 1000, notify.Runes))
	var answers []notify.Answer
	for rest != "" {
		a, after, ok := command(rest)
		if !ok {
			break
		}
		if len(answers) == repliesMost {
			return nil // not half of it
		}
		answers = append(answers, a)
		rest = trim(after)
	}
	if n := len(answers); n > 0 {
		answers[n-1].Note = rest
	}
	return answers
}

// command reads one command and gives what stands behind it.
func command(s string) (a notify.Answer, after string, ok bool) {
	number, verb := "", ""
	if found := numberFirst.FindStringSubmatch(s); found != nil {
		number, verb, after = found[1], found[2], found[3]
	} else if found := verbFirst.FindStringSubmatch(s); found != nil {
		verb, number, after = found[1], found[2], found[3]
	}
	id, err := strconv.ParseInt(number, 10, 64)
	a = notify.Answer{Alert: id, Do: verbs[strings.ToLower(verb)]}
	return a, after, err == nil && id > 0 && a.Do != ""
}

// trim takes off what phones and people put around a word.
func trim(s string) string { return strings.Trim(s, " \t.,;:!-\"'“”‘’„") }

// keywords are words that carriers and Twilio answer themselves
// (https://help.twilio.com/articles/223134027): an answer of ours would not arrive,
// or would be one too many.
var keywords = map[string]bool{
	"stop": true, "stopall": true, "unsubscribe": true, "cancel": true, "end": true, "quit": true, "optout": true, "revoke": true,
	"start": true, "yes": true, "unstop": true, "help": true, "info": true,
}

const (
	// helpEvery is how seldom one number is told how to reply: two machines that
	// answer each other would not end.
	helpEvery = 10 * time.Minute
	// helpedMost bounds the numbers that are remembered for it.
	helpedMost = 1024
	// answerMost is the longest answer: two parts.
	answerMost = 2 * part
)

const help = "Not understood. Reply with the number of an alert and a letter: 4821a acknowledges it, 4821e escalates, 4821c closes."

// A desk answers what people send back.
type desk struct {
	act func(ctx context.Context, a notify.Answer) (notify.Reply, error)
	now func() time.Time

	mu     sync.Mutex           // guards what follows
	helped map[string]time.Time // by number
}

// reply is the callback of messages that come in: it does what the message says
// and answers what came of it, or why it was refused.
func (d *desk) reply(ctx context.Context, _, form url.Values) string {
	from, body, id := form.Get("From"), form.Get("Body"), form.Get("MessageSid")
	if keywords[strings.ToLower(trim(notify.Clean(body)))] {
		return twiml("")
	}
	answers := parse(body)
	if len(answers) == 0 {
		if !d.mayHelp(from) {
			return twiml("")
		}
		return twiml(help)
	}
	var said []string
	for i, a := range answers {
		a.From = from
		if a.ID = id; i > 0 && id != "" {
			a.ID = id + "-" + strconv.Itoa(i+1)
		}
		done, err := d.act(ctx, a)
		if err != nil {
			said = append(said, err.Error())
			continue
		}
		said = append(said, done.Text)
	}
	return twiml(strings.Join(said, "\n"))
}

// mayHelp reports whether the number may be told how to reply, and remembers that
// it was.
func (d *desk) mayHelp(number string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if last, ok := d.helped[number]; ok && now.Sub(last) < helpEvery {
		return false
	}
	if d.helped == nil || len(d.helped) >= helpedMost {
		d.helped = map[string]time.Time{}
	}
	d.helped[number] = now
	return true
}

// twiml answers with a text message, or with none.
func twiml(text string) string {
	var said []string
	for line := range strings.Lines(text) {
		said = append(said, notify.Defang(notify.Clean(line)))
	}
	if text = fit(strings.Join(filled(said), "\n"), answerMost); text == "" {
		return "<Response></Response>"
	}
	return "<Response><Message>" + twilio.Escape(text) + "</Message></Response>"
}
