package escalation

import (
	"fmt"
	"strings"
)

// A Target is whom or what a step tells: "person:ana", "schedule:soc" (whoever is
// on call), "team:soc" (all its members) or "receiver:soc-slack".
type Target struct {
	Kind TargetKind
	Name string
}

// A TargetKind says what a target's name is the name of.
type TargetKind string

// The kinds of targets.
const (
	Person   TargetKind = "person"
	Schedule TargetKind = "schedule"
	Team     TargetKind = "team"
	Receiver TargetKind = "receiver"
)

const targetForms = "person:NAME, schedule:NAME, team:NAME or receiver:NAME"

// ParseTarget reads "kind:name".
func ParseTarget(s string) (Target, error) {
	kind, name, ok := strings.Cut(s, ":")
	if !ok {
		return Target{}, fmt.Errorf("%q does not say what it is: write %s", s, targetForms)
	}
	switch t := (Target{TargetKind(kind), name}); {
	case !t.known():
		return Target{}, fmt.Errorf("%q: there is no %q to tell: write %s", s, kind, targetForms)
	case name == "":
		return Target{}, fmt.Errorf("%q names no %s", s, kind)
	case strings.TrimSpace(name) != name:
		return Target{}, fmt.Errorf("%q: a space is before or after the name of the %s", s, kind)
	default:
		return t, nil
	}
}

func (t Target) known() bool {
	switch t.Kind {
	case Person, Schedule, Team, Receiver:
		return true
	}
	return false
}

// String is "schedule:soc", as ParseTarget reads it.
func (t Target) String() string { return string(t.Kind) + ":" + t.Name }

// label is how a sentence calls it: "schedule soc".
func (t Target) label() string { return string(t.Kind) + " " + t.Name }

// MarshalText writes what ParseTarget reads.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what ParseTarget does.
func (t *Target) UnmarshalText(text []byte) (err error) {
	*t, err = ParseTarget(string(text))
	return err
}
