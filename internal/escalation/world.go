package escalation

import (
	"slices"
	"strings"
	"time"
)

// A World answers what a policy does not say. Asked the same twice it gives the
// same answer, and asking changes nothing.
type World interface {
	// Who says whom and what a target stands for at that instant, always in the
	// same order.
	Who(t Target, at time.Time) Who
	// Turn is where the round of a step stands: what the last [Turn] of that policy
	// and step said, 0 before the first. Steps count from 1.
	Turn(policy string, step int) int
}

// Who is what a target stands for at an instant.
type Who struct {
	People    []Reach
	Receivers []Reach
	// Nobody says why it stands for nobody: "nobody is on call until Monday 09:00".
	Nobody string
}

// A Reach is a person or a receiver, and whether they can be told.
type Reach struct {
	Name string
	// Not says why they cannot: "disabled", "no verified contact method". Empty: they can.
	Not string
}

// A Turn moves the round of a step on. It is to be kept in the transaction that
// keeps the escalation, since all alerts share it.
type Turn struct {
	Policy string `json:"policy"`
	Step   int    `json:"step"` // from 1
	Next   int    `json:"next"`
}

// A party is who is told, and who would have been but cannot be.
type party struct {
	people, receivers []string
	missed            []string // "bo: disabled", "schedule soc: nobody is on call"
}

func (p party) nobody() bool { return len(p.people) == 0 && len(p.receivers) == 0 }

// told is "ana, cy, receiver soc-slack".
func (p party) told() string {
	names := slices.Clone(p.people)
	for _, r := range p.receivers {
		names = append(names, Target{Receiver, r}.label())
	}
	return strings.Join(names, ", ")
}

// add takes in those who can be told, each once.
func (p *party) add(t Target, w Who, acked []string) {
	for _, r := range w.People {
		switch {
		case slices.Contains(acked, r.Name):
			p.miss(r.Name, "has acknowledged")
		case r.Not != "":
			p.miss(r.Name, r.Not)
		case !slices.Contains(p.people, r.Name):
			p.people = append(p.people, r.Name)
		}
	}
	for _, r := range w.Receivers {
		switch {
		case r.Not != "":
			p.miss(Target{Receiver, r.Name}.label(), r.Not)
		case !slices.Contains(p.receivers, r.Name):
			p.receivers = append(p.receivers, r.Name)
		}
	}
	if len(w.People) == 0 && len(w.Receivers) == 0 {
		why := w.Nobody
		if why == "" {
			why = "nobody"
		}
		p.miss(t.label(), why)
	}
}

func (p *party) miss(who, why string) {
	if text := who + ": " + why; !slices.Contains(p.missed, text) {
		p.missed = append(p.missed, text)
	}
}

// everybody resolves all the targets.
func everybody(targets []Target, acked []string, at time.Time, w World) party {
	var p party
	for _, t := range targets {
		p.add(t, w.Who(t, at), acked)
	}
	return p
}

// A place is one stop of a round: a person, or whoever is on call for a schedule.
type place struct {
	target Target
	who    Who
}

// inTurn resolves the targets of a step that goes round. Whoever cannot be told
// is passed over, and nobody is tried twice; next is where the round stands
// afterwards, or -1 where it told nobody.
func inTurn(targets []Target, acked []string, turn int, at time.Time, w World) (told party, next int) {
	var round []place
	var rest party
	for _, t := range targets {
		who := w.Who(t, at)
		switch t.Kind {
		case Receiver:
			rest.add(t, who, nil)
		case Schedule:
			round = append(round, place{t, who})
		case Person, Team:
			for _, r := range who.People {
				round = join(round, place{t, Who{People: []Reach{r}}})
			}
			if len(who.People) == 0 {
				rest.add(t, who, nil)
			}
		}
	}
	next = -1
	for i := range round {
		here := (max(turn, 0) + i) % len(round) // the round may have become shorter since
		told.add(round[here].target, round[here].who, acked)
		if len(told.people) > 0 {
			next = (here + 1) % len(round)
			break
		}
	}
	told.receivers = rest.receivers
	told.missed = append(told.missed, rest.missed...)
	return told, next
}

// join adds a person to the round who is not in it by themself already.
func join(round []place, p place) []place {
	same := func(q place) bool {
		return q.target.Kind != Schedule && q.who.People[0].Name == p.who.People[0].Name
	}
	if slices.ContainsFunc(round, same) {
		return round
	}
	return append(round, p)
}
