package chaos_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// Books that see nothing prove nothing: each fault that is made by hand in those of
// a short night is reported.
func TestTheBooksOfANightSeeEachFault(t *testing.T) {
	if raced > 1 {
		unraced(t)
		return
	}
	n := newNight(t, nightSettings{minutes: 120, events: 400})
	n.live()
	if t.Failed() {
		return
	}
	every := func(change func(*tocsin.Notification)) func(*books) {
		return func(b *books) {
			for i := range b.notes {
				change(&b.notes[i])
			}
			b.index()
		}
	}
	lines := func(kind string) func(*books) {
		return func(b *books) {
			for id, entries := range b.timeline {
				b.timeline[id] = slices.DeleteFunc(entries, func(e tocsin.Entry) bool { return e.Kind == kind })
			}
		}
	}
	first := func(b *books, which func(tocsin.Notification) bool) *tocsin.Notification {
		i := slices.IndexFunc(b.notes, which)
		if i < 0 {
			t.Fatal("no such notification")
		}
		return &b.notes[i]
	}
	byPolicy := func(n tocsin.Notification) bool {
		policy, _ := stepOf(n.Why)
		return policy != "" && n.Person != "" && n.State == tocsin.Delivered
	}
	for _, tt := range []struct {
		name  string
		fault func(*books)
		want  string
	}{
		{"nothing wrong", func(*books) {}, ""},
		{"an event is not in the journal", func(b *books) { delete(b.events, 1) }, "journal"},
		{"an event that nobody sent", func(b *books) { b.events[1<<40] = tocsin.Event{Seq: 1 << 40, Envelope: "?"} }, "stranger"},
		{"an event has no verdict", func(b *books) {
			ev := b.events[1]
			ev.Verdict = ""
			b.events[1] = ev
		}, "verdict"},
		{"an alert fell behind its finding", func(b *books) {
			for id, a := range b.alerts {
				a.Count--
				b.alerts[id] = a
			}
		}, "finding"},
		{"calls were given up", every(func(n *tocsin.Notification) {
			if n.Kind.Calls() && n.State == tocsin.Delivered {
				n.State = tocsin.Cancelled
			}
		}), "nobody told"},
		{"calls came an hour late", every(func(n *tocsin.Notification) { n.SettledAt = n.SettledAt.Add(time.Hour) }), "nobody told"},
		{"calls went to somebody who is not on call", every(func(n *tocsin.Notification) {
			if n.Person != "" {
				n.Person = "fin"
			}
		}), "wrong people"},
		{"somebody had a turn too many", every(func(n *tocsin.Notification) {
			if n.Person == "gus" {
				n.Person = "fay"
			}
		}), "turns"},
		{"somebody is told twice", func(b *books) {
			again := *first(b, byPolicy)
			again.ID = 1 << 40
			b.notes = append(b.notes, again)
			b.index()
		}, "told twice"},
		{"somebody is called after it was taken", func(b *books) {
			for i := range b.notes {
				n := &b.notes[i]
				if n.Kind.Calls() && n.State == tocsin.Cancelled {
					n.State, n.SettledAt = tocsin.Delivered, n.SettledAt.Add(time.Minute)
				}
			}
			b.index()
		}, "in vain"},
		{"a message is never settled", func(b *books) {
			first(b, byPolicy).State = tocsin.Pending
			b.index()
		}, "open end"},
		{"an alert is never closed", func(b *books) {
			for id, a := range b.alerts {
				a.Status = tocsin.StatusOpen
				b.alerts[id] = a
			}
		}, "open end"},
		{"the timeline does not say that a step was told", lines("told"), "not explained"},
		{"the timeline does not say who acknowledged", lines("acknowledged"), "not explained"},
		{"what is called delivered was never sent", func(b *books) { b.takes = nil }, "not taken"},
		{"an SMS went to another number", func(b *books) {
			for i := range b.takes {
				if b.takes[i].vendor == "twilio" {
					b.takes[i].to = "+12025550199"
				}
			}
		}, "not taken"},
		{"a message that nobody owed", func(b *books) { b.takes = append(b.takes, take{vendor: "slack", verb: "post", key: "msg_?"}) }, "nobody owed"},
		{"a vendor is told twice, and nobody was killed", func(b *books) {
			for _, t := range b.takes {
				if b.killed[t.at] == 0 && t.vendor != "twilio" && t.verb != "edit" {
					b.takes = append(b.takes, t)
					return
				}
			}
		}, "taken twice"},
		{"somebody is sent a second SMS, and nobody was killed", func(b *books) {
			for _, t := range b.takes {
				if b.killed[t.at] == 0 && t.vendor == "twilio" {
					t.ref = "SM?"
					b.takes = append(b.takes, t)
					return
				}
			}
		}, "taken twice"},
		{"an alert has two tickets", func(b *books) {
			for _, t := range b.takes {
				if t.verb == "create" {
					b.takes = append(b.takes, t)
					return
				}
			}
		}, "two tickets"},
		{"a route in shadow tells", func(b *books) { b.takes = append(b.takes, take{vendor: "slack", verb: "post", to: trialChannel}) }, "shadow"},
		{"a message is given up before its time", func(b *books) {
			n := first(b, func(n tocsin.Notification) bool { return n.Receiver == "sms" && n.State == tocsin.Delivered })
			n.State, n.SettledAt = tocsin.Parked, n.CreatedAt
			b.index()
		}, "parked"},
		{"a contact method is given up", func(b *books) {
			for id, c := range b.contacts {
				if c.Address != bounces {
					c.DisabledWhy = "?"
					b.contacts[id] = c
				}
			}
		}, "contact method"},
	} {
		n.open(func(b *books) {
			tt.fault(b)
			v := &verdict{}
			b.check(v)
			if tt.want == "" && len(v.problems) > 0 {
				t.Errorf("%s: problems %q; want none", tt.name, v.problems)
			}
			if tt.want != "" && v.counts[tt.want] == 0 {
				t.Errorf("%s: problems of %v; want one of %q", tt.name, v.counts, tt.want)
			}
		})
	}
	n.open(func(b *books) {
		n := first(b, byPolicy)
		n.State, n.Due = tocsin.Pending, dusk
		v := &verdict{}
		b.ledgerIsCurrent(v, dusk.Add(time.Hour))
		if v.counts["overdue"] == 0 || v.counts["still called"] == 0 {
			t.Errorf("a call that hangs: problems of %v; want that it is overdue and not needed", v.counts)
		}
	})
}
