// Package escalation decides who hears of an alert next, and when.
//
// It is a judge: what it is to know comes in as values, the time among them, and
// what it decides goes out as values. Whoever calls it keeps the state
// ([tocsin.Escalation]) and does what the acts say in one transaction, so that a
// call that is repeated after a crash finds the state as it was, or finds that
// nothing is due.
//
// An open alert is never dropped: either At says when it goes on, or Ended says
// why nothing is to come, and then its fallback was told or it was to be told
// once only.
package escalation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wallclock"
)

// Why an escalation is to fire no more ([tocsin.Escalation.Ended]).
const (
	Acknowledged = "acknowledged" // and no step is left that is told all the same
	Exhausted    = "exhausted"    // nobody answered; the fallback was told
	ToldOnce     = "told once"    // the policy wants no more for that level
	Closed       = "closed"
)

// retry is how long after it a pass that reached nobody is tried again, and a
// fallback that could not be told.
const retry = Duration(5 * time.Minute)

// Facts are what counts of an alert when its escalation fires.
type Facts struct {
	Status tocsin.Status
	// Level is the worst it ever had: what got less is still to be answered.
	Level tocsin.Level
}

// FactsOf are those of the alert.
func FactsOf(a tocsin.Alert) Facts { return Facts{Status: a.Status, Level: a.Worst} }

// An Act is one thing that firing did: a line of the timeline, and people and
// receivers to be told.
type Act struct {
	Kind Kind
	// Pass and Step count from 1; 0 where the act is of none.
	Pass, Step int
	// People and Receivers are to be told, each named once over all acts of a firing.
	People, Receivers []string
	// Why is by what they came to be told: "policy around-the-clock, step 2 of 3,
	// pass 2".
	Why string
	// Text is the line of the timeline: Why, and who is told, and who is not and why.
	Text string
	// Turn is not nil where the round of the step moves on.
	Turn *Turn
	// Again says that nothing is new: a pass that reached nobody was tried again in
	// vain. A timeline may leave it out.
	Again bool
}

// A Kind says what an act is.
type Kind string

// The kinds of acts.
const (
	Told       Kind = "told"      // a step fired
	Skipped    Kind = "skipped"   // a step reaches nobody, or is not for now; the next has its turn at once
	Fallback   Kind = "fallback"  // a pass reached nobody: the fallback is told
	Unanswered Kind = "exhausted" // nobody answered: the fallback is told
	Reminded   Kind = "reminded"  // still nobody answers: the fallback is told again
)

// Start begins at step 1. It is to be fired at once.
func Start(p Policy, now time.Time) tocsin.Escalation {
	return tocsin.Escalation{Policy: p.Name, Version: p.Version(), At: tocsin.Millis(now)}
}

// Restart begins at step 1 again: the acknowledgement was given back or has run
// out, or a snooze or a silence is over. It is to be fired at once.
func Restart(s tocsin.Escalation, now time.Time) tocsin.Escalation {
	return tocsin.Escalation{Policy: s.Policy, Version: s.Version, At: tocsin.Millis(now), Highest: s.Highest}
}

// Reassign begins at step 1 of another policy. It is to be fired at once.
func Reassign(p Policy, s tocsin.Escalation, now time.Time) tocsin.Escalation {
	fresh := Start(p, now)
	fresh.Highest = s.Highest
	return fresh
}

// Apply has a live alert go by p, a newer version of its policy, from where it
// stands. Where the older version had nothing more to do for an open alert it
// begins at step 1, to be fired at once.
func Apply(p Policy, s tocsin.Escalation, status tocsin.Status, now time.Time) tocsin.Escalation {
	if status == tocsin.StatusOpen && (s.Exhausted || s.At.IsZero()) {
		return Reassign(p, s, now)
	}
	s.Policy, s.Version = p.Name, p.Version()
	s.Step = min(s.Step, len(p.Steps))
	if p.Repeat >= 0 {
		s.Pass = min(s.Pass, p.Repeat)
	}
	return s
}

// Raised says what it means that the alert is worse than it ever was. What
// somebody had taken (acknowledged or snoozed) begins at step 1, and so does what
// nobody would be told of any more; anything else goes on as it was. It reports
// whether it is to be fired at once.
func Raised(s tocsin.Escalation, taken bool, now time.Time) (tocsin.Escalation, bool) {
	if taken || s.Exhausted || s.At.IsZero() {
		return Restart(s, now), true
	}
	s.Acked = nil // they acknowledged something smaller
	return s, false
}

// Acknowledge takes note that by has. It reports whether those are as many as the
// policy wants: until then the alert stays open, and the others are told.
func Acknowledge(p Policy, s tocsin.Escalation, by string) (tocsin.Escalation, bool) {
	if !slices.Contains(s.Acked, by) {
		s.Acked = append(slices.Clone(s.Acked), by)
	}
	if len(s.Acked) < p.NeedAcks {
		return s, false
	}
	return Taken(p, s), true
}

// Taken is the escalation of an alert that somebody has: acknowledged by as many
// as the policy wants, or assigned. Only the steps go on that are told until it
// is closed, at the times that they would have had.
func Taken(p Policy, s tocsin.Escalation) tocsin.Escalation {
	if s.Exhausted || s.At.IsZero() {
		return end(s, Acknowledged)
	}
	s.Empty, s.FallbackTold = false, false
	return seek(p, s)
}

// EscalateNow ends the present step of an open alert: the next is to be fired at
// once. After the last of the last pass that is the fallback.
func EscalateNow(s tocsin.Escalation, now time.Time) tocsin.Escalation {
	s.At, s.Ended = tocsin.Millis(now), ""
	return s
}

func end(s tocsin.Escalation, why string) tocsin.Escalation {
	s.At, s.Ended = time.Time{}, why
	if why == Acknowledged {
		s.Exhausted, s.Empty, s.FallbackTold = false, false, false
	}
	return s
}

// seek goes on to the next step that is told in spite of an acknowledgement. The
// delays of those in between run as if they had been told.
func seek(p Policy, s tocsin.Escalation) tocsin.Escalation {
	if !slices.ContainsFunc(p.Steps, func(s Step) bool { return s.OnlyIf == Unclosed }) {
		return end(s, Acknowledged)
	}
	for {
		switch {
		case s.Step < len(p.Steps) && p.Steps[s.Step].OnlyIf == Unclosed:
			return s
		case s.Step < len(p.Steps):
			s.At = s.At.Add(time.Duration(p.Steps[s.Step].Wait))
			s.Step++
		case p.lastPass(s.Pass):
			return end(s, Acknowledged)
		default:
			s.Pass, s.Step = s.Pass+1, 0
		}
	}
}

// Fire does what is due by now: at most one step is told, however late it is, and
// the next counts from now. Nothing is due before s.At; then it returns s and no
// acts. The policy is to be the version that s names.
func Fire(p Policy, s tocsin.Escalation, f Facts, now time.Time, w World) (tocsin.Escalation, []Act) {
	now = tocsin.Millis(now)
	if s.At.IsZero() || now.Before(s.At) {
		return s, nil
	}
	j := &firing{Policy: p, s: s, level: f.Level, now: now, world: w}
	switch f.Status {
	case tocsin.StatusClosed:
		return end(s, Closed), nil
	case tocsin.StatusAcked:
		j.goOn()
	default:
		if p.NeedAcks > 1 {
			j.acked = s.Acked
		}
		j.climb()
	}
	return j.s, j.acts
}

// A firing is the state on its way, and what was done so far.
type firing struct {
	Policy
	s     tocsin.Escalation
	level tocsin.Level
	now   time.Time
	world World
	acked []string // are told no more
	acts  []Act
}

// climb tells the next step that reaches somebody. It ends: no step is looked at
// twice in one pass, and a pass that reaches nobody is the last to be looked at.
func (j *firing) climb() {
	if j.s.Exhausted || !slices.ContainsFunc(j.Steps, func(s Step) bool { return s.isFor(j.level) }) {
		j.exhaust()
		return
	}
	for {
		if j.s.Step >= len(j.Steps) {
			if !j.s.Reached {
				j.empty()
				return
			}
			if j.lastPass(j.s.Pass) {
				j.exhaust()
				return
			}
			j.s.Pass, j.s.Step, j.s.Reached = j.s.Pass+1, 0, false
		}
		step := j.Steps[j.s.Step]
		if j.try(step) {
			j.told(step)
			return
		}
		j.s.Step++
		if j.notifyOnly(j.level) && step.isFor(j.level) {
			j.empty()
			return
		}
	}
}

// told waits for an answer to the step that was just told.
func (j *firing) told(step Step) {
	j.s.Step++
	j.s.Reached, j.s.Empty, j.s.FallbackTold = true, false, false
	j.s.At = j.now.Add(time.Duration(step.Wait))
	if j.s.Step == len(j.Steps) && !j.lastPass(j.s.Pass) {
		j.s.Pass, j.s.Step, j.s.Reached = j.s.Pass+1, 0, false
	}
	if j.notifyOnly(j.level) {
		j.s = end(j.s, ToldOnce)
	}
}

// goOn tells the next step that is told in spite of an acknowledgement. Somebody
// has the alert: where it reaches nobody, nobody is looked for.
func (j *firing) goOn() {
	if j.notifyOnly(j.level) {
		j.s = end(j.s, Acknowledged)
		return
	}
	j.s = Taken(j.Policy, j.s)
	if j.s.At.IsZero() || j.s.At.After(j.now) {
		return
	}
	step := j.Steps[j.s.Step]
	j.try(step)
	j.s.Step++
	j.s.At = j.now.Add(time.Duration(step.Wait))
	j.s = seek(j.Policy, j.s)
}

// try tells the step at which the state stands, or says why it is skipped.
func (j *firing) try(step Step) bool {
	switch {
	case !step.isFor(j.level):
		j.skip(fmt.Sprintf("it is for %s and worse, and this is %s", step.MinLevel, j.level))
		return false
	case step.Window != nil && !open(*step.Window, j.now):
		j.skip("it is told at " + wallclock.Recurrence(*step.Window).String() + " only")
		return false
	}
	var who party
	var turn *Turn
	if step.Assign == RoundRobin {
		var next int
		number := j.s.Step + 1
		if who, next = inTurn(step.Targets, j.acked, j.world.Turn(j.Name, number), j.now, j.world); next >= 0 {
			turn = &Turn{Policy: j.Name, Step: number, Next: next}
		}
	} else {
		who = everybody(step.Targets, j.acked, j.now, j.world)
	}
	if who.nobody() {
		j.skip(strings.Join(who.missed, "; "))
		return false
	}
	j.s.Highest = max(j.s.Highest, j.s.Step+1)
	j.say(Act{Kind: Told, Turn: turn}, who, ": told "+who.told())
	return true
}

func (j *firing) skip(why string) {
	j.say(Act{Kind: Skipped, Again: j.s.Empty}, party{}, ": skipped; "+why)
}

// say adds the act of the present step.
func (j *firing) say(a Act, who party, text string) {
	a.Pass, a.Step = j.s.Pass+1, j.s.Step+1
	a.Why = fmt.Sprintf("policy %s, step %d of %d", j.Name, a.Step, len(j.Steps))
	if j.s.Pass > 0 {
		a.Why += fmt.Sprintf(", pass %d", a.Pass)
	}
	j.add(a, who, a.Why+text)
}

func (j *firing) add(a Act, who party, text string) {
	a.People, a.Receivers, a.Text = who.people, who.receivers, text
	if !who.nobody() && len(who.missed) > 0 {
		a.Text += "; not told: " + strings.Join(who.missed, "; ")
	}
	j.acts = append(j.acts, a)
}

// empty has the pass tried again, and the fallback told once of it.
func (j *firing) empty() {
	again := j.s.Empty
	j.s.Step, j.s.Reached, j.s.Empty = 0, false, true
	j.s.At = j.now.Add(time.Duration(retry))
	if !j.s.FallbackTold {
		j.fallback(Act{Kind: Fallback, Pass: j.s.Pass + 1}, again, "nobody could be reached, tried again every "+retry.String())
	}
}

// exhaust tells the fallback that nobody answers, and again after a while.
func (j *firing) exhaust() {
	a, what := Act{Kind: Unanswered, Pass: j.s.Pass + 1}, j.unanswered()
	again := j.s.Exhausted && !j.s.FallbackTold
	if j.s.Exhausted {
		a, what = Act{Kind: Reminded}, "still so: "+what
	}
	j.s.Exhausted, j.s.Empty = true, false
	if !j.fallback(a, again, what) {
		j.s.At = j.now.Add(time.Duration(retry))
		return
	}
	every := j.RemindsEvery(j.level)
	if every == 0 {
		j.s = end(j.s, Exhausted)
		return
	}
	j.s.At = j.now.Add(every)
}

func (j *firing) unanswered() string {
	switch {
	case !slices.ContainsFunc(j.Steps, func(s Step) bool { return s.isFor(j.level) }):
		return "no step of it is for what is " + j.level.String()
	case len(j.acked) > 0:
		return fmt.Sprintf("only %s answered, and %d must", strings.Join(j.acked, ", "), j.NeedAcks)
	case j.s.Pass == 0:
		return "nobody answered"
	}
	return fmt.Sprintf("nobody answered in %d passes", j.s.Pass+1)
}

// fallback tells the fallback, and reports whether that reaches anybody.
func (j *firing) fallback(a Act, again bool, what string) bool {
	// Whoever acknowledged where several must is told as well: the others did not.
	who := everybody(j.Fallback, nil, j.now, j.world)
	a.Why = "policy " + j.Name + ", fallback"
	j.s.FallbackTold = !who.nobody()
	if who.nobody() {
		a.Again = again
		j.add(a, who, fmt.Sprintf("policy %s: %s; the fallback cannot be told, tried again in %s: %s", j.Name, what, retry, strings.Join(who.missed, "; ")))
		return false
	}
	j.add(a, who, fmt.Sprintf("policy %s: %s; told the fallback, %s", j.Name, what, who.told()))
	return true
}
