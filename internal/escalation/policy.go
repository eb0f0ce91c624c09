package escalation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A Policy says who is told of an alert one after the other until somebody
// answers. It is a value that is not changed once it is in use.
type Policy struct {
	Name  string `json:"name"`
	Steps []Step `json:"steps"` // 1 to 20
	// Repeat is how often the steps are gone through once more: 0 to 20, or -1 for
	// as long as nobody answers.
	Repeat int `json:"repeat,omitempty"`
	// Fallback is told when a whole pass reaches nobody, and when nobody answers.
	Fallback []Target `json:"fallback"`
	// AckTimeout is how long an acknowledgement holds; 0 is for ever. Nil is four
	// hours for high and critical, and for ever below.
	AckTimeout *Duration `json:"ack_timeout,omitempty"`
	// ExhaustedEvery is how long after it the fallback is told again that nobody
	// answers; 0 is never. Nil is an hour for high and critical, and never below.
	ExhaustedEvery *Duration `json:"exhausted_every,omitempty"`
	// NeedAcks is how many people must acknowledge; 0 is one.
	NeedAcks int `json:"need_acks,omitempty"`
	// NotifyOnlyBelow has the first step told once, and no more, of alerts below
	// that level. Zero is none.
	NotifyOnlyBelow tocsin.Level `json:"notify_only_below,omitempty"`
}

// A Step is some people and places that are told at once.
type Step struct {
	Targets []Target `json:"tell"`
	// Wait is how long they have until the next step: 1m to 24h, by elapsed time.
	Wait Duration `json:"wait"`
	// Assign says whether all are told or one after the other; empty is all.
	Assign Assign `json:"assign,omitempty"`
	// OnlyIf says when the step is left out; empty is unacked.
	OnlyIf Condition `json:"only_if,omitempty"`
	// MinLevel is the lowest level that the step is for. Alerts of unknown level are
	// for every step, since they may be the worst.
	MinLevel tocsin.Level `json:"min_level,omitempty"`
	// Window is when the step is told at all, by the wall clock; nil is always.
	Window *tocsin.Recurrence `json:"window,omitempty"`
}

// Assign says who of a step's targets is told.
type Assign string

// The ways to assign.
const (
	All Assign = "all"
	// RoundRobin goes round: each firing tells the next of the people, members of
	// teams and schedules, for whichever alert. Receivers are told every time.
	RoundRobin Assign = "round_robin"
)

// A Condition says until when a step is told.
type Condition string

// The conditions.
const (
	Unacked  Condition = "unacked"  // until somebody acknowledges
	Unclosed Condition = "unclosed" // until it is closed, acknowledged or not
)

// A Duration is one that JSON has as text: "10m", "1h30m".
type Duration time.Duration

// String leaves out what is zero: "10m", not "10m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what [time.ParseDuration] does.
func (d *Duration) UnmarshalText(text []byte) error {
	span, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 10m", text)
	}
	*d = Duration(span)
	return nil
}

// The bounds of a policy.
const (
	MaxSteps  = 20
	MaxRepeat = 20
	MinWait   = Duration(time.Minute)
	MaxWait   = Duration(24 * time.Hour)
)

// AckHolds is how long an acknowledgement of an alert of that level holds; 0 is
// for ever.
func (p Policy) AckHolds(l tocsin.Level) time.Duration {
	return orIfUrgent(p.AckTimeout, l, 4*time.Hour)
}

// RemindsEvery is how long after it the fallback is told again that nobody
// answers; 0 is never.
func (p Policy) RemindsEvery(l tocsin.Level) time.Duration {
	return orIfUrgent(p.ExhaustedEvery, l, time.Hour)
}

func orIfUrgent(chosen *Duration, l tocsin.Level, span time.Duration) time.Duration {
	switch {
	case chosen != nil:
		return time.Duration(*chosen)
	case tocsin.UrgencyOf(l) == tocsin.UrgencyHigh:
		return span
	}
	return 0
}

// notifyOnly reports whether alerts of that level are told of once and no more.
func (p Policy) notifyOnly(l tocsin.Level) bool { return !reaches(l, p.NotifyOnlyBelow) }

// isFor reports whether alerts of that level get to the step at all.
func (s Step) isFor(l tocsin.Level) bool { return reaches(l, s.MinLevel) }

func reaches(l, floor tocsin.Level) bool { return l == tocsin.Unknown || l >= floor }

// lastPass reports whether no other pass follows.
func (p Policy) lastPass(pass int) bool { return p.Repeat >= 0 && pass >= p.Repeat }

// Version is a short hash of all that the policy says, in hexadecimal. What is
// left out and the default that stands for it have the same.
func (p Policy) Version() string {
	p.NeedAcks = max(p.NeedAcks, 1)
	p.Steps = slices.Clone(p.Steps)
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Assign == "" {
			s.Assign = All
		}
		if s := &p.Steps[i]; s.OnlyIf == "" {
			s.OnlyIf = Unacked
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		text = fmt.Appendf(nil, "%+v", p) // cannot be: a policy holds nothing that JSON has no form for
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// Problems are all that is wrong with a policy.
type Problems []Problem

// A Problem is what is wrong with one field of a policy.
type Problem struct {
	Field string // as JSON and YAML name it: "steps[1].wait"; empty for the policy as a whole
	Text  string
}

// Error is "steps[1].wait: 30s is shorter than 1m".
func (p Problem) Error() string { return p.Field + ": " + p.Text }

// Error is one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// A report takes what is wrong with a field.
type report func(field, format string, args ...any)

// Check says everything that is wrong with the policy, as [Problems]. Whether the
// people, schedules, teams and receivers exist is for others to say.
func (p Policy) Check() error {
	var found Problems
	add := func(field, format string, args ...any) {
		found = append(found, Problem{field, fmt.Sprintf(format, args...)})
	}
	if p.Name == "" {
		add("name", "a policy needs a name")
	}
	switch n := len(p.Steps); {
	case n == 0:
		add("steps", "nobody is told: a policy needs a step")
	case n > MaxSteps:
		add("steps", "%d are more than %d", n, MaxSteps)
	}
	for i, s := range p.Steps {
		s.check(fmt.Sprintf("steps[%d]", i), add)
	}
	if p.Repeat < -1 || p.Repeat > MaxRepeat {
		add("repeat", "%d is not between 0 and %d, and not -1 for as long as nobody answers", p.Repeat, MaxRepeat)
	}
	if len(p.Fallback) == 0 {
		add("fallback", "say who is told when nobody can be reached and when nobody answers, such as receiver:NAME")
	}
	checkTargets("fallback", p.Fallback, add)
	p.checkTimes(add)
	p.checkAcks(add)
	checkLevel("notify_only_below", p.NotifyOnlyBelow, add)
	if len(found) == 0 {
		return nil
	}
	return found
}

func (p Policy) checkTimes(add report) {
	for _, d := range []struct {
		field  string
		chosen *Duration
	}{{"ack_timeout", p.AckTimeout}, {"exhausted_every", p.ExhaustedEvery}} {
		if d.chosen != nil && *d.chosen != 0 && *d.chosen < MinWait {
			add(d.field, "%s is shorter than %s; 0 is never", *d.chosen, MinWait)
		}
	}
}

// checkAcks finds out whether enough people can acknowledge, where the policy
// names each of them.
func (p Policy) checkAcks(add report) {
	if p.NeedAcks < 0 {
		add("need_acks", "%d is less than 0", p.NeedAcks)
	}
	people := map[string]bool{}
	all := slices.Clone(p.Fallback)
	for _, s := range p.Steps {
		all = append(all, s.Targets...)
	}
	for _, t := range all {
		if t.Kind != Person {
			return
		}
		people[t.Name] = true
	}
	if p.NeedAcks > len(people) {
		add("need_acks", "%d people must acknowledge, and only %d are told", p.NeedAcks, len(people))
	}
}

func (s Step) check(field string, add report) {
	if len(s.Targets) == 0 {
		add(field+".tell", "nobody is told: write %s", targetForms)
	}
	checkTargets(field+".tell", s.Targets, add)
	switch {
	case s.Wait == 0:
		add(field+".wait", "say how long until the next step, %s to %s", MinWait, MaxWait)
	case s.Wait < MinWait:
		add(field+".wait", "%s is shorter than %s", s.Wait, MinWait)
	case s.Wait > MaxWait:
		add(field+".wait", "%s is longer than %s", s.Wait, MaxWait)
	}
	switch s.Assign {
	case "", All:
	case RoundRobin:
		if len(s.Targets) > 0 && !slices.ContainsFunc(s.Targets, func(t Target) bool { return t.Kind != Receiver }) {
			add(field+".assign", "%s goes round people, teams and schedules, and the step names none", RoundRobin)
		}
	default:
		add(field+".assign", "%q is neither %s nor %s", string(s.Assign), All, RoundRobin)
	}
	switch s.OnlyIf {
	case "", Unacked, Unclosed:
	default:
		add(field+".only_if", "%q is neither %s nor %s", string(s.OnlyIf), Unacked, Unclosed)
	}
	checkLevel(field+".min_level", s.MinLevel, add)
	if s.Window != nil {
		checkWindow(field+".window", *s.Window, add)
	}
}

func checkTargets(field string, targets []Target, add report) {
	for i, t := range targets {
		if _, err := ParseTarget(t.String()); err != nil {
			add(fmt.Sprintf("%s[%d]", field, i), "%s", err)
		}
	}
}

func checkLevel(field string, l tocsin.Level, add report) {
	if l < tocsin.Unknown || l > tocsin.Critical {
		add(field, "%s is none of %s", l, strings.Join(tocsin.Levels(), ", "))
	}
}
