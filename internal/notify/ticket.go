package notify

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// BeginsTicket reports whether the message is what a ticket begins with. Whatever else
// finds no ticket looks for one that is older than itself.
func BeginsTicket(m Message) bool {
	return m.Kind == tocsin.TellDigest || m.Kind == tocsin.TellNote || m.Kind == tocsin.TellOpened && m.Alert.Reopened == 0
}

// A Desk keeps one ticket of each alert, whatever is told first of it, and makes none
// twice. K is what a ticket is called by; its zero is no ticket.
type Desk[K comparable] struct {
	// Find looks for the ticket with the message's [DedupKey].
	Find func(ctx context.Context, m Message) (K, error)
	// Create makes one, as its alert is by now.
	Create func(ctx context.Context, m Message) (K, error)
	// Follow writes the message into the ticket, unless it is there, and moves it.
	Follow func(ctx context.Context, ticket K, m Message) error
	// Gone reports whether an error says that there is no such ticket, or none that
	// we may see.
	Gone func(error) bool
}

// Tell writes the message into its alert's ticket, and gives that. known is the ticket
// that the message's Ref names, if it names one.
func (d Desk[K]) Tell(ctx context.Context, known K, m Message) (K, error) {
	var none K
	if known != none && m.Alert.ID != 0 {
		err := d.Follow(ctx, known, m)
		if err == nil || !d.Gone(err) {
			return known, err
		}
		// Deleted, or moved to where it is called otherwise.
	}
	found, err := d.Find(ctx, m)
	switch {
	case err != nil:
		return none, err
	case found != none && m.Ref == "" && BeginsTicket(m):
		return found, nil // made by an attempt whose reply was lost
	case found != none:
		return found, d.Follow(ctx, found, m)
	case m.Ref != "" && !m.Kind.Calls():
		return none, Permanent(fmt.Errorf("ticket %s is gone, or we may not see it", Truncate(Clean(m.Ref), 100, Runes)))
	}
	return d.Create(ctx, m)
}

// KeyMark finds the key in a ticket's text, as [TicketOutline] writes it. People may
// have written more around it.
func KeyMark(m Message) *regexp.Regexp {
	return regexp.MustCompile(`\bkey ` + regexp.QuoteMeta(DedupKey(m)) + `(?:$|[^\w-])`)
}

// TicketOutline is what a new ticket says. It has no links that act, since they
// act for one reader and a ticket has many, and its footer ends with the
// [DedupKey] by which the ticket is found again.
func TicketOutline(m Message, now time.Time) Outline {
	o := OutlineOf(m, now)
	o.Answers = nil
	if m.Kind == tocsin.TellNote {
		o.Prose = []string{Note(m)} // a title is no place to read
	}
	if !m.Kind.Calls() && m.AboutAlert() { // its opening was told elsewhere
		o.Prose = slices.Insert(o.Prose, 0, m.Look().Shape+" "+News(m))
	}
	o.Footer = joinDots(o.Footer, told(m), "key "+DedupKey(m))
	return o
}

// CommentOutline is what a comment on a ticket says: what is new, and what could
// not be done, if anything. Its footer ends with the message's id, by which a
// comment that is there already can be told from others.
func CommentOutline(m Message, now time.Time, missing string) Outline {
	o := OutlineOf(m, now)
	o.Answers, o.Step, o.Prose = nil, "", nil
	o.Situation = Truncate(m.Look().Shape+" "+News(m), 1000, Runes)
	if missing != "" {
		o.Prose = []string{missing}
	}
	brief := o.Facts[:0:0]
	for _, f := range o.Facts {
		if f.Name == "When" || f.Name == "On call" {
			brief = append(brief, f)
		}
	}
	o.Facts = brief
	o.Footer = joinDots(o.Footer, told(m))
	return o
}

// told is "message 01JXGH…", or "".
func told(m Message) string {
	if id := MessageID(m); id != "" {
		return "message " + id
	}
	return ""
}

// MessageID is the message's id as tickets and comments show it, "" where it is too
// short to be told from other words.
func MessageID(m Message) string {
	if id := Truncate(strings.Map(keySafe, m.ID), 64, Runes); len(id) >= 8 {
		return id
	}
	return ""
}
