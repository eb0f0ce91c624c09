package oncall

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// An Override is what somebody decided about a stretch of one schedule, or of all.
// An absence with cover is a Replace without a Schedule, one without cover a Remove
// without a Schedule.
type Override struct {
	ID        string       `json:"id"`
	Schedule  string       `json:"schedule,omitempty"` // empty: every schedule
	Kind      OverrideKind `json:"kind"`
	People    []string     `json:"people"`
	With      []string     `json:"with,omitempty"` // who comes for People; of Replace only
	From      time.Time    `json:"from"`
	Until     time.Time    `json:"until"`
	By        string       `json:"by"`
	Reason    string       `json:"reason,omitempty"`
	CreatedAt time.Time    `json:"created_at"`
}

// An OverrideKind is what an override does with who is on call.
type OverrideKind string

// The kinds. They are applied one after the other as they were created, so that a
// later one sees what the earlier ones made.
const (
	Replace OverrideKind = "replace" // With for each of People, where and while those are on call
	Add     OverrideKind = "add"     // People besides whoever is on call
	Remove  OverrideKind = "remove"  // People are not on call
	Set     OverrideKind = "set"     // People, and nobody else
)

// Validate is nil, or all that is wrong: override "01JF": until: …
func (o Override) Validate() error {
	var r reader
	if o.ID == "" {
		r.fail("id", "is empty")
	}
	switch o.Kind {
	case Replace, Add, Remove, Set:
	default:
		r.fail("kind", "%q is none of replace, add, remove, set", o.Kind)
	}
	if problem := people(o.People); problem != "" {
		r.fail("people", "%s", problem)
	} else if len(o.People) == 0 {
		r.fail("people", "there is nobody")
	}
	switch problem := people(o.With); {
	case problem != "":
		r.fail("with", "%s", problem)
	case o.Kind == Replace && len(o.With) == 0:
		r.fail("with", "there is nobody to come instead; to have nobody come, remove")
	case o.Kind != Replace && len(o.With) > 0:
		r.fail("with", "is of replace, not of %s", o.Kind)
	}
	switch {
	case o.From.IsZero():
		r.fail("from", "is left out")
	case !o.From.Before(o.Until):
		r.fail("until", "%s is not after from", o.Until.Format(time.RFC3339))
	}
	var errs []error
	for _, p := range r.problems {
		errs = append(errs, fmt.Errorf("override %q: %w", o.ID, p))
	}
	return errors.Join(errs...)
}

// inOrder compares overrides by when they were created.
func inOrder(a, b Override) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

// apply is who is on call once the override was applied to people.
func (o *Override) apply(people []string, why *reasons) []string {
	var after []string
	switch o.Kind {
	case Replace:
		for _, p := range people {
			if slices.Contains(o.People, p) {
				after = with(after, o.With)
			} else {
				after = with(after, []string{p})
			}
		}
	case Add:
		after = with(slices.Clone(people), o.People)
	case Remove:
		after = slices.DeleteFunc(slices.Clone(people), func(p string) bool { return slices.Contains(o.People, p) })
	case Set:
		after = slices.Clone(o.People)
	}
	if !same(people, after) {
		why.override(o.ID)
	}
	return after
}

// A Swap is a request of two people to stand in for each other.
type Swap struct {
	ID        string    `json:"id"`
	Schedule  string    `json:"schedule"`
	A         Slot      `json:"a"`
	B         Slot      `json:"b"`
	Accepted  []string  `json:"accepted,omitempty"` // who agreed; whoever asks does so by asking
	By        string    `json:"by"`
	Reason    string    `json:"reason,omitempty"`
	CreatedAt time.Time `json:"created_at"` // when it was asked for
}

// A Slot is a stretch of which one person gets rid.
type Slot struct {
	Person string    `json:"person"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
}

// Overrides are the two replacements that carry the swap out, created now, when
// the second of the two has accepted: B for A in A's slot, and A for B in B's. It is
// an error if one of them has not, or if the slots overlap: whoever replaced the
// other there would be replaced in turn.
func (s Swap) Overrides(now time.Time) ([]Override, error) {
	switch {
	case s.A.Person == s.B.Person:
		return nil, fmt.Errorf("swap %q: %s cannot swap with themselves", s.ID, s.A.Person)
	case s.A.From.Before(s.B.Until) && s.B.From.Before(s.A.Until):
		return nil, fmt.Errorf("swap %q: the slots overlap", s.ID)
	}
	for _, p := range []string{s.A.Person, s.B.Person} {
		if !slices.Contains(s.Accepted, p) {
			return nil, fmt.Errorf("swap %q: %s has not accepted", s.ID, p)
		}
	}
	replace := func(id string, slot Slot, other string) Override {
		return Override{
			ID: s.ID + id, Schedule: s.Schedule, Kind: Replace, People: []string{slot.Person}, With: []string{other},
			From: slot.From, Until: slot.Until, By: s.By, Reason: s.Reason, CreatedAt: now,
		}
	}
	both := []Override{replace("/a", s.A, s.B.Person), replace("/b", s.B, s.A.Person)}
	return both, errors.Join(both[0].Validate(), both[1].Validate())
}
