package escalation_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
)

// Whatever the policy, whoever is there and whatever people do, these hold:
//
//   - an open alert goes on, or its fallback has it, or it was to be told once;
//   - at most one step is told at an instant, however late the engine is, and
//     nobody is told twice by it;
//   - nobody is told who cannot be reached, and after an acknowledgement nobody
//     but by steps that are told until it is closed;
//   - the state stays within bounds, and firing ends.
func TestPromises(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1500) {
		keepsItsPromises(t, seed)
		if t.Failed() {
			return
		}
	}
}

func FuzzPromises(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed << 32)
	}
	f.Fuzz(keepsItsPromises)
}

var names = []string{"ana", "bo", "cy", "dee"}

// A chance makes random policies, worlds and deeds.
type chance struct{ *rand.Rand }

func (c chance) one(in int) bool { return c.IntN(in) == 0 }

func pick[T any](c chance, list ...T) T { return list[c.IntN(len(list))] }

func (c chance) targets() (list []escalation.Target) {
	for range 1 + c.IntN(3) {
		list = append(list, pick(c,
			escalation.Target{Kind: escalation.Person, Name: pick(c, names...)},
			escalation.Target{Kind: escalation.Team, Name: "team"},
			escalation.Target{Kind: escalation.Schedule, Name: "rota"},
			escalation.Target{Kind: escalation.Receiver, Name: "slack"},
		))
	}
	return list
}

func (c chance) policy() escalation.Policy {
	p := escalation.Policy{Name: "p", Repeat: pick(c, 0, 0, 1, 3, -1), Fallback: c.targets(), NeedAcks: pick(c, 0, 1, 2)}
	for range 1 + c.IntN(5) {
		s := escalation.Step{
			Targets: c.targets(), Wait: escalation.Duration(1+c.IntN(12)) * escalation.MinWait,
			OnlyIf: pick(c, "", escalation.Unacked, escalation.Unclosed), MinLevel: pick(c, tocsin.Unknown, tocsin.Unknown, tocsin.High),
		}
		s.Assign = pick(c, "", escalation.All, escalation.RoundRobin)
		if !slices.ContainsFunc(s.Targets, func(t escalation.Target) bool { return t.Kind != escalation.Receiver }) {
			s.Assign = escalation.All
		}
		if c.one(5) {
			s.Window = &tocsin.Recurrence{TimeZone: "America/New_York", From: fmt.Sprintf("0%d:00", 1+c.IntN(4)), To: fmt.Sprintf("0%d:30", 1+c.IntN(5))}
		}
		p.Steps = append(p.Steps, s)
	}
	if c.one(2) {
		p.ExhaustedEvery = minutes(pick(c, 0, 1, 30))
	}
	if c.one(3) {
		p.NotifyOnlyBelow = tocsin.High
	}
	return p
}

func (c chance) world() world {
	w := world{away: map[string][]span{}, teams: map[string][]string{"team": names[:c.IntN(len(names)+1)]}, schedules: map[string]func(int) []string{}}
	for _, n := range append([]string{"slack"}, names...) {
		for range c.IntN(4) {
			from := c.IntN(200) - 50
			w.away[n] = append(w.away[n], span{from, from + c.IntN(120)})
		}
	}
	turn := 1 + c.IntN(40)
	w.schedules["rota"] = func(minute int) []string {
		if n := minute / turn % (len(names) + 1); n < len(names) {
			return names[n : n+1]
		}
		return nil
	}
	return w
}

func keepsItsPromises(t *testing.T, seed uint64) {
	c := chance{rand.New(rand.NewPCG(seed, 7))} //nolint:gosec // a test repeats itself by its seed
	p, w := c.policy(), c.world()
	if err := p.Check(); err != nil && !strings.HasPrefix(err.Error(), "need_acks: ") {
		t.Fatalf("seed %d: %v", seed, err)
	}
	facts := escalation.Facts{Status: tocsin.StatusOpen, Level: pick(c, tocsin.Unknown, tocsin.Medium, tocsin.High)}
	s := escalation.Start(p, start)
	for minute := range 240 {
		now := start.Add(time.Duration(minute)*time.Minute + time.Duration(c.IntN(1000))*time.Microsecond)
		if minute > 0 && c.one(12) {
			p, s, facts = deed(c, p, s, facts, now)
		}
		if c.one(4) {
			continue // the engine is late
		}
		due := !s.At.IsZero() && !s.At.After(now)
		before := s
		var acts []escalation.Act
		s, acts = escalation.Fire(p, s, facts, now, &w)
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("seed %d, minute %d: %s\nfacts %+v\nbefore %+v\nafter  %+v\nacts %+v\npolicy %+v", seed, minute, fmt.Sprintf(format, args...), facts, before, s, acts, p)
		}
		told, people := 0, []string{}
		for _, a := range acts {
			if a.Kind == escalation.Told {
				told++
				if facts.Status == tocsin.StatusAcked && p.Steps[a.Step-1].OnlyIf != escalation.Unclosed {
					fail("step %d is told of what is acknowledged", a.Step)
				}
			}
			for _, n := range append(slices.Clone(a.People), a.Receivers...) {
				if slices.Contains(people, n) {
					fail("%s is told twice", n)
				}
				if within(w.away[n], minute) {
					fail("%s is told and is not there", n)
				}
				people = append(people, n)
			}
			if facts.Status != tocsin.StatusOpen && a.Kind != escalation.Told && a.Kind != escalation.Skipped {
				fail("%s of what is %s", a.Kind, facts.Status)
			}
			w.move(a.Turn)
		}
		switch open := facts.Status == tocsin.StatusOpen; {
		case told > 1:
			fail("%d steps at once", told)
		case !due && len(acts) > 0:
			fail("nothing was due")
		case due && len(acts) == 0 && open:
			fail("due, and nothing happened")
		case !s.At.IsZero() && !s.At.After(now) && due:
			fail("due again at the same instant")
		case s.At.IsZero() != (s.Ended != ""):
			fail("it is to end with a reason, and only then")
		case open && s.At.IsZero() && s.Ended == escalation.Exhausted && !s.FallbackTold:
			fail("dropped: nobody answered, and the fallback does not know")
		case due && s.Ended == escalation.ToldOnce && told == 0:
			fail("dropped: it was to be told once and was not")
		case open && s.At.IsZero() && s.Ended != escalation.Exhausted && s.Ended != escalation.ToldOnce:
			fail("dropped: %s", s.Ended)
		case s.Empty && !s.FallbackTold && open && s.At.Sub(now) > 5*time.Minute:
			fail("nobody has it, and nobody is looked for")
		case s.Step < 0 || s.Step > len(p.Steps) || s.Pass < 0 || p.Repeat >= 0 && s.Pass > p.Repeat || s.Highest > escalation.MaxSteps || len(s.Acked) > len(names):
			fail("the state is out of bounds")
		case !s.At.Equal(tocsin.Millis(s.At)):
			fail("a time that is not kept as it is")
		case due && facts.Status == tocsin.StatusAcked && (s.Empty || s.Exhausted || s.FallbackTold):
			fail("somebody has it, and it says that nobody answered")
		case len(acts) > 2*len(p.Steps)+1:
			fail("%d acts", len(acts))
		}
		if _, again := escalation.Fire(p, s, facts, now, &w); len(again) > 0 {
			fail("fired twice at the same instant")
		}
	}
}

// deed is something that people do, or a sender.
func deed(c chance, p escalation.Policy, s tocsin.Escalation, f escalation.Facts, now time.Time) (escalation.Policy, tocsin.Escalation, escalation.Facts) {
	open := f.Status == tocsin.StatusOpen
	switch {
	case f.Status == tocsin.StatusClosed:
	case c.one(20):
		f.Status = tocsin.StatusClosed
	case c.one(8):
		p = c.policy()
		s = escalation.Apply(p, s, f.Status, now)
	case c.one(6) && f.Level < tocsin.Critical:
		s, _ = escalation.Raised(s, !open, now)
		f.Status, f.Level = tocsin.StatusOpen, f.Level+1
	case !open && c.one(3):
		s, f.Status = escalation.Restart(s, now), tocsin.StatusOpen
	case open && c.one(3):
		s = escalation.EscalateNow(s, now)
	case open && c.one(5):
		s, f.Status = escalation.Taken(p, s), tocsin.StatusAcked
	case open:
		var enough bool
		if s, enough = escalation.Acknowledge(p, s, pick(c, names...)); enough {
			f.Status = tocsin.StatusAcked
		}
	}
	return p, s, f
}
