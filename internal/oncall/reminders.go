package oncall

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Of is when one person is on call by these shifts, whoever else is: shifts of one
// schedule that follow each other without a break are one.
func Of(shifts []Shift, person string) []Shift {
	var own []Shift
	for _, s := range shifts {
		if !slices.Contains(s.People, person) {
			continue
		}
		s.People = []string{person}
		i := slices.IndexFunc(own, func(o Shift) bool { return o.Schedule == s.Schedule && o.End.Equal(s.Start) })
		if i < 0 {
			s.Layers, s.Overrides = slices.Clone(s.Layers), slices.Clone(s.Overrides)
			own = append(own, s)
			continue
		}
		own[i].End = s.End
		own[i].Layers, own[i].Overrides = with(own[i].Layers, s.Layers), with(own[i].Overrides, s.Overrides)
	}
	return own
}

// everybody is on some of the shifts, by name.
func everybody(shifts []Shift) []string {
	var names []string
	for _, s := range shifts {
		names = append(names, s.People...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// reminders are how long before they come on call people are reminded.
var reminders = [...]time.Duration{24 * time.Hour, 15 * time.Minute}

// A Reminder tells a person that they come on call.
type Reminder struct {
	Person string
	At     time.Time // when to tell them
	Before time.Duration
	Shift  Shift // theirs, as [Of] has it
}

// Key is the same whenever the same reminder is worked out.
func (r Reminder) Key() string {
	return "on-call/" + r.Shift.Schedule + "/" + r.Person + "/" + stamp(r.Shift.Start) + "/" + r.Before.String()
}

// Reminders are those to be told from from on and before to, so that asking
// stretch after stretch tells of each once. The shifts have to be those from from
// up to a day after to.
func Reminders(shifts []Shift, from, to time.Time) []Reminder {
	var all []Reminder
	for _, person := range everybody(shifts) {
		for _, s := range Of(shifts, person) {
			for _, before := range reminders {
				if at := s.Start.Add(-before); !at.Before(from) && at.Before(to) {
					all = append(all, Reminder{person, at, before, s})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Reminder) int { return a.At.Compare(b.At) })
	return all
}

// warnings are how many days before a gap its team is warned, latest first.
var warnings = [...]int{1, 3, 14}

// A Warning tells a team of a gap.
type Warning struct {
	Gap  Gap
	Days int // which it is: 14, 3 or 1
}

// Key is the same whenever the same warning is worked out, so that it is given
// once.
func (w Warning) Key() string {
	return "gap/" + w.Gap.Schedule + "/" + stamp(w.Gap.Start) + "/" + strconv.Itoa(w.Days)
}

// Warnings are those that are due: for each gap that is not over the latest whose
// time has come. A gap that comes up when it is near, or already there, has the
// latest at once, and never those that it missed. Days are of 24 hours.
func Warnings(gaps []Gap, now time.Time) []Warning {
	var due []Warning
	for _, g := range gaps {
		if !g.End.After(now) {
			continue
		}
		for _, days := range warnings {
			if !now.Before(g.Start.Add(-time.Duration(days) * 24 * time.Hour)) {
				due = append(due, Warning{g, days})
				break
			}
		}
	}
	slices.SortStableFunc(due, func(a, b Warning) int {
		return cmp.Or(a.Gap.Start.Compare(b.Gap.Start), cmp.Compare(a.Gap.Schedule, b.Gap.Schedule))
	})
	return due
}

// stamp is an instant in a key.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
