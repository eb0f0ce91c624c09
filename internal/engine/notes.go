package engine

import (
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A desk is where notes are written: what people are to know that is about no
// single alert.
type desk struct {
	*world
	now time.Time
}

func (d desk) note(receiver, text string) *tocsin.Notification {
	return &tocsin.Notification{
		Receiver: receiver, Kind: tocsin.TellNote, Text: text, State: tocsin.Pending,
		CreatedAt: d.now, Due: d.now, Deadline: d.now.Add(d.plan.patience(receiver)),
	}
}

// noteTo tells a person by what does not wake them, or if they have nothing else,
// by what does. It leaves out one contact method.
func (d desk) noteTo(name, text string, but int64) []*tocsin.Notification {
	p, ok := d.person(name)
	if !ok || p.Disabled {
		return nil
	}
	var calm, loud []*tocsin.Notification
	for _, c := range p.Contacts {
		if c.ID == but || !c.Usable() {
			continue
		}
		n := d.note(c.Receiver, text)
		n.Person, n.Contact = name, c.ID
		if d.plan.Receivers[c.Receiver].Interrupts {
			loud = append(loud, n)
		} else {
			calm = append(calm, n)
		}
	}
	if len(calm) > 0 {
		return calm
	}
	return loud
}

// noteToTeam tells the team where it talks.
func (d desk) noteToTeam(name, text string) []*tocsin.Notification {
	t := d.plan.Teams[name]
	places := t.Receivers
	if t.Channel != "" {
		places = []string{t.Channel}
	}
	if len(places) == 0 {
		places = d.plan.Fallback
	}
	ns := make([]*tocsin.Notification, len(places))
	for i, r := range places {
		ns[i] = d.note(r, text)
	}
	return ns
}

// teamsOf are the teams of which a person is a member, by name.
func (p *Plan) teamsOf(person string) []string {
	var names []string
	for name, t := range p.Teams {
		if slices.Contains(t.Members, person) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
