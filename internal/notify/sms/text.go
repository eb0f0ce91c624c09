package sms

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/phone"
)

const (
	// lineLeast is what the first line is given at least; it carries the decision.
	lineLeast = 60
	// urlMost is the longest link that is worth its room.
	urlMost = 300
	// noteMost and digestMost are what a note and a digest take at most: 3 and 6
	// parts.
	noteMost   = 3 * part
	digestMost = 6 * part
)

// text is the message as it is sent, in GSM 7-bit. One alert is told in one part,
// unless its link is too long for that.
func text(m notify.Message, replies bool) string {
	switch m.Kind {
	case tocsin.TellCode:
		return fit(notify.FirstLine(m)+". "+notify.Defang(notify.Clean(m.Text)), single)
	case tocsin.TellNote:
		return withLink(notify.Note(m), link(m), noteMost)
	case tocsin.TellDigest:
		return digest(m)
	}
	first := line(m)
	tail := []string{link(m)}
	if replies {
		tail = append(tail, hints(m.Actions))
	}
	return alone(first, news(m), tail)
}

// alone puts together the message of one alert. What is least needed goes first
// where there is no room: the news, then how to reply, and never the link.
func alone(first, news string, tail []string) string {
	least := min(length(first), lineLeast)
	for {
		rest := strings.Join(filled(tail), "\n")
		if least+lines(rest) <= single || len(tail) == 1 {
			most := max(single, least+lines(rest))
			out := fit(first, most-lines(rest))
			if room := most - length(out) - lines(rest) - 1; news != "" && room >= min(length(news), 20) {
				out += "\n" + fit(news, room)
			}
			return strings.Join(filled([]string{out, rest}), "\n")
		}
		if short, _, long := strings.Cut(tail[len(tail)-1], ", "); long {
			tail[len(tail)-1] = short // to acknowledge alone
			continue
		}
		tail = tail[:len(tail)-1]
	}
}

// lines is what s takes with the line break before it.
func lines(s string) int {
	if s == "" {
		return 0
	}
	return length(s) + 1
}

func filled(texts []string) []string {
	var kept []string
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return kept
}

// line is the first line without numbers and ids that a name stands for:
//
//	CRITICAL prod-payments eu-west-1: EC2 web-1 is calling a C2 server
func line(m notify.Message) string {
	lead, rest, more := strings.Cut(notify.FirstLine(phone.Plain(m)), " · ")
	if !more {
		return lead
	}
	if strings.Contains(strings.TrimPrefix(lead, "[SAMPLE] "), " ") {
		lead += ":" // "CLOSED (archived): prod-payments"
	}
	return lead + " " + strings.ReplaceAll(rest, " · ", ": ")
}

// news says what changed, where the first line does not.
func news(m notify.Message) string {
	switch m.Kind {
	case tocsin.TellRaised, tocsin.TellUpdated:
		return notify.Changes(m)
	}
	return ""
}

// link is the alert's page, or "" where it is too long to be sent.
func link(m notify.Message) string {
	if url := notify.AlertLink(m); length(url) <= urlMost {
		return url
	}
	return ""
}

// words are what replies are called in a message, in this order.
var words = []struct {
	do   notify.Do
	word string
}{{notify.DoAcknowledge, "ack"}, {notify.DoEscalate, "escalate"}, {notify.DoClose, "close"}}

// hints say how to reply: "Reply 4821a ack, 4821e escalate, 4821c close".
func hints(actions []notify.Action) string {
	var ways []string
	for _, w := range words {
		for _, a := range actions {
			if a.Do == w.do && a.Reply != "" {
				ways = append(ways, gsm(notify.Clean(a.Reply))+" "+w.word)
			}
		}
	}
	if len(ways) == 0 {
		return ""
	}
	return "Reply " + strings.Join(ways, ", ")
}

// digest lists the alerts, as many as there is room for:
//
//	3 alerts: 1 critical, 2 high
//	CRITICAL #4821 prod-payments eu-west-1: EC2 web-1 is calling a C2 server https://…/alerts/4821
func digest(m notify.Message) string {
	head, _, _ := strings.Cut(strings.Replace(notify.FirstLine(m), " · ", ": ", 1), " · ")
	out := gsm(head)
	for i, item := range m.Digest {
		next := entry(item)
		if length(out)+lines(next)+lines(fmt.Sprintf("and %d more", len(m.Digest))) > digestMost {
			return out + "\n" + fmt.Sprintf("and %d more", len(m.Digest)-i)
		}
		out += "\n" + next
	}
	return out
}

// entryMost bounds what the line of one alert in a digest says before its link.
const entryMost = 90

func entry(item notify.Item) string {
	m := phone.Of(item)
	lead, rest, _ := strings.Cut(line(m), " ")
	said := fit(lead+" #"+strconv.FormatInt(item.Alert.ID, 10)+" "+rest, entryMost)
	return strings.Join(filled([]string{said, link(m)}), " ")
}

// withLink is the text, and the link behind it, in most septets.
func withLink(text, url string, most int) string {
	if url == "" {
		return fit(text, most)
	}
	return fit(text, most-lines(url)) + "\n" + url
}
