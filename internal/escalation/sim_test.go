package escalation_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
)

// start is ten minutes before New York skips an hour: delays do not notice.
var start = time.Date(2026, 3, 8, 6, 50, 0, 0, time.UTC)

// A span is some minutes, from the first to before the second.
type span struct{ from, to int }

// always is longer than any simulation.
var always = []span{{0, 1 << 30}}

func within(spans []span, minute int) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.from <= minute && minute < s.to })
}

// A world is made of people and receivers that can be reached but when they are
// away, teams, and schedules.
type world struct {
	away      map[string][]span
	teams     map[string][]string
	schedules map[string]func(minute int) []string
	turns     map[string]int
}

func (w *world) Who(t escalation.Target, at time.Time) escalation.Who {
	minute := int(at.Sub(start) / time.Minute)
	reach := func(name string) escalation.Reach {
		if within(w.away[name], minute) {
			return escalation.Reach{Name: name, Not: "disabled"}
		}
		return escalation.Reach{Name: name}
	}
	var names []string
	switch t.Kind {
	case escalation.Receiver:
		return escalation.Who{Receivers: []escalation.Reach{reach(t.Name)}}
	case escalation.Person:
		names = []string{t.Name}
	case escalation.Team:
		names = w.teams[t.Name]
	case escalation.Schedule:
		if on := w.schedules[t.Name]; on != nil {
			names = on(minute)
		}
	}
	who := escalation.Who{Nobody: "nobody is on call"}
	for _, n := range names {
		who.People = append(who.People, reach(n))
	}
	return who
}

func (w *world) Turn(policy string, step int) int { return w.turns[fmt.Sprint(policy, step)] }

func (w *world) move(t *escalation.Turn) {
	if t != nil {
		if w.turns == nil {
			w.turns = map[string]int{}
		}
		w.turns[fmt.Sprint(t.Policy, t.Step)] = t.Next
	}
}

// A happening is what people and senders do at a minute: "ack ana", "unack",
// "assign bo", "open high", "close", "escalate", "apply", "reassign".
type happening struct {
	minute int
	what   string
}

// A sim is one alert's life by its policy.
type sim struct {
	policy   escalation.Policy
	level    tocsin.Level // medium if zero
	world    world
	happens  []happening
	down     []span            // when nothing runs
	other    escalation.Policy // for apply and reassign
	until    int               // minutes
	alert    tocsin.Alert
	state    tocsin.Escalation
	timeline []string
	texts    []string
}

// run renders the timeline: "0 pri, 5 skip sec, 60 exhausted -> soc".
func (m *sim) run(t *testing.T) string {
	t.Helper()
	if err := m.policy.Check(); err != nil {
		t.Fatalf("the policy: %v", err)
	}
	m.level = cmp.Or(m.level, tocsin.Medium)
	m.alert, _ = tocsin.Alert{}.Fold(m.finding(m.level), start)
	m.terms()
	m.state = escalation.Start(m.policy, start)
	for minute := range m.until + 1 {
		now := start.Add(time.Duration(minute) * time.Minute)
		for _, h := range m.happens {
			if h.minute == minute {
				m.happen(t, h, now)
			}
		}
		if within(m.down, minute) {
			continue
		}
		m.tick(minute, now)
		m.fire(t, minute, now)
	}
	return strings.Join(m.timeline, ", ")
}

func (m *sim) finding(l tocsin.Level) tocsin.Detection { return tocsin.Detection{Key: "k", Level: l} }

func (m *sim) terms() {
	m.alert.Terms = &tocsin.Terms{AckTimeout: m.policy.AckHolds(m.alert.Worst)}
}

func (m *sim) line(minute int, format string, args ...any) {
	m.timeline = append(m.timeline, fmt.Sprintf("%d ", minute)+fmt.Sprintf(format, args...))
}

func (m *sim) happen(t *testing.T, h happening, now time.Time) {
	t.Helper()
	verb, object, _ := strings.Cut(h.what, " ")
	var err error
	switch verb {
	case "ack":
		var enough bool
		m.line(h.minute, "ack")
		if m.state, enough = escalation.Acknowledge(m.policy, m.state, object); enough {
			m.alert, err = m.alert.Acknowledge(object, now)
			if m.state.Exhausted || m.state.Empty || m.state.FallbackTold {
				t.Errorf("minute %d: acknowledged, and it says that nobody answered: %+v", h.minute, m.state)
			}
		}
	case "assign":
		m.line(h.minute, "assigned")
		m.alert, err = m.alert.Assign("lead", object, now)
		m.state = escalation.Taken(m.policy, m.state)
	case "unack":
		m.line(h.minute, "given back")
		m.alert, err = m.alert.Unacknowledge("ana", now)
		m.state = escalation.Restart(m.state, now)
	case "open":
		m.open(t, h.minute, object, now)
	case "close":
		m.line(h.minute, "closed")
		m.alert, err = m.alert.Close("ana", tocsin.ReasonFixed, now)
	case "escalate":
		m.line(h.minute, "escalate")
		m.state = escalation.EscalateNow(m.state, now)
	case "apply":
		m.line(h.minute, "applied")
		m.policy, m.state = m.other, escalation.Apply(m.other, m.state, m.alert.Status, now)
	case "reassign":
		m.line(h.minute, "reassigned")
		m.alert, err = m.alert.Hand("other", now)
		m.policy, m.state = m.other, escalation.Reassign(m.other, m.state, now)
	default:
		t.Fatalf("nothing is called %q", h.what)
	}
	if err != nil {
		t.Fatalf("minute %d: %s: %v", h.minute, h.what, err)
	}
}

func (m *sim) open(t *testing.T, minute int, level string, now time.Time) {
	t.Helper()
	l, err := tocsin.ParseLevel(level)
	if err != nil {
		t.Fatal(err)
	}
	var activity tocsin.Activity
	m.alert, activity = m.alert.Fold(m.finding(l), now)
	m.terms()
	if activity.Tell != tocsin.TellRaised {
		m.line(minute, "appended")
		return
	}
	var again bool
	if m.state, again = escalation.Raised(m.state, activity.Restart, now); again {
		m.line(minute, "reopened")
	} else {
		m.line(minute, "raised")
	}
}

func (m *sim) tick(minute int, now time.Time) {
	var turns []tocsin.Turn
	m.alert, turns = m.alert.Tick(now)
	for _, turn := range turns {
		if turn.Restart {
			m.line(minute, "back to open")
			m.state = escalation.Restart(m.state, now)
		}
	}
}

// fire does what an engine does, and makes sure of what it relies on.
func (m *sim) fire(t *testing.T, minute int, now time.Time) {
	t.Helper()
	m.alert.Escalation = &m.state
	if !m.alert.Fires(now) {
		return
	}
	state, acts := escalation.Fire(m.policy, m.state, escalation.FactsOf(m.alert), now, &m.world)
	if diff := gocmp.Diff(state, saved(t, state)); diff != "" {
		t.Errorf("minute %d: the state does not survive being saved (-before +after):\n%s", minute, diff)
	}
	m.state = state
	if _, again := escalation.Fire(m.policy, m.state, escalation.FactsOf(m.alert), now, &m.world); len(again) > 0 {
		t.Errorf("minute %d: fired twice: %v", minute, again)
	}
	m.render(minute, acts)
}

func saved(t *testing.T, s tocsin.Escalation) (back tocsin.Escalation) {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func (m *sim) render(minute int, acts []escalation.Act) {
	var skipped []string
	flush := func() {
		switch len(skipped) {
		case 0:
		case 1:
			m.line(minute, "skip %s", skipped[0])
		default:
			m.line(minute, "skip x%d", len(skipped))
		}
		skipped = nil
	}
	for _, a := range acts {
		m.texts = append(m.texts, a.Text)
		m.world.move(a.Turn)
		who := strings.Join(append(slices.Clone(a.People), a.Receivers...), "+")
		if a.Kind == escalation.Skipped {
			skipped = append(skipped, m.policy.Steps[a.Step-1].Targets[0].Name)
			continue
		}
		flush()
		switch a.Kind {
		case escalation.Told:
			m.line(minute, "%s", who)
		case escalation.Fallback:
			m.line(minute, "%s", cmp.Or(who, "no fallback"))
		case escalation.Unanswered:
			m.line(minute, "exhausted -> %s", cmp.Or(who, "nobody"))
		case escalation.Reminded:
			m.line(minute, "again -> %s", cmp.Or(who, "nobody"))
		case escalation.Skipped:
		}
	}
	flush()
}

// targets reads "person:ana schedule:soc"; a bare word is a person.
func targets(t *testing.T, words string) (list []escalation.Target) {
	t.Helper()
	for w := range strings.FieldsSeq(words) {
		if !strings.Contains(w, ":") {
			w = "person:" + w
		}
		target, err := escalation.ParseTarget(w)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, target)
	}
	return list
}

func step(t *testing.T, who string, minutes int) escalation.Step {
	t.Helper()
	return escalation.Step{Targets: targets(t, who), Wait: escalation.Duration(minutes) * escalation.MinWait}
}

// three is the policy of the vectors: pri 5, sec 10, mgr 15; the fallback is soc.
func three(t *testing.T) escalation.Policy {
	t.Helper()
	return policy(t, step(t, "pri", 5), step(t, "sec", 10), step(t, "mgr", 15))
}

func policy(t *testing.T, steps ...escalation.Step) escalation.Policy {
	t.Helper()
	return escalation.Policy{Name: "p", Steps: steps, Fallback: targets(t, "receiver:soc")}
}

func minutes(n int) *escalation.Duration {
	d := escalation.Duration(n) * escalation.MinWait
	return &d
}
