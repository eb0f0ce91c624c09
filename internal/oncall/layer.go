package oncall

import (
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin/internal/wallclock"
)

// A roster is one version of a schedule, ready to be asked.
type roster struct {
	name   string
	zone   *time.Location
	union  bool
	layers []layer
}

// A layer is a [Layer], ready to be asked. All that it compares are readings of
// its zone's clock, which never go back: that is what makes boundaries meet.
type layer struct {
	name     string
	zone     *time.Location
	turns    []Turn
	rotation rotation
	anchor   Civil
	offset   int64
	spans    []span // empty: always there
	// starts are when spans begin, each time once, in order; shifts are counted by
	// them. first is the number of the one that counts as 0.
	starts     []reading
	first      int64
	start, end time.Time
}

// A span is a part of every week: how far into it it begins, and how long it is.
type span struct{ into, length reading }

func (s span) covers(into reading) bool {
	return reading(mod(int64(into-s.into), int64(week))) < s.length
}

// arrange finds what shifts are counted by, and which is the first: the one that
// goes on at the anchor, or else the next.
func (l *layer) arrange() {
	for _, s := range l.spans {
		l.starts = append(l.starts, s.into)
	}
	slices.Sort(l.starts)
	l.starts = slices.Compact(l.starts)
	if l.rotation.unit == shifts && len(l.starts) > 0 {
		l.first = l.shift(l.anchor.Reading())
		if !l.open(l.anchor.Reading()) {
			l.first++
		}
	}
}

// open reports whether the windows let the layer be there.
func (l *layer) open(r reading) bool {
	_, into := weekOf(r)
	return len(l.spans) == 0 || slices.ContainsFunc(l.spans, func(s span) bool { return s.covers(into) })
}

// shift numbers the windows by their beginnings, one after the other: it is that
// of the last one that began.
func (l *layer) shift(r reading) int64 {
	number, into := weekOf(r)
	began, found := slices.BinarySearch(l.starts, into)
	if found {
		began++
	}
	return number*int64(len(l.starts)) + int64(began) - 1
}

// count is the number of the last hand-off up to r; that at the anchor is 0.
func (l *layer) count(r reading) int64 {
	switch {
	case l.rotation.unit == never || len(l.turns) < 2:
		return 0
	case l.rotation.unit == shifts:
		return floor(l.shift(r)-l.first, l.rotation.every)
	case l.rotation.unit == months:
		now := time.Unix(int64(r), 0).UTC()
		k := floor(int64(now.Year()-l.anchor.Year)*12+int64(now.Month()-l.anchor.Month), l.rotation.every)
		if l.handOff(k) > r {
			k--
		}
		return k
	}
	return floor(int64(r-l.anchor.Reading()), l.rotation.every*int64(l.rotation.length()))
}

// length is that of units that always last as long on the clock.
func (r rotation) length() reading {
	switch r.unit {
	case hours:
		return hour
	case weeks:
		return week
	}
	return day
}

// handOff is when the k-th hand-off is. Months are counted from the anchor, not
// from the hand-off before, so that the 31st comes back after a shorter month.
func (l *layer) handOff(k int64) reading {
	switch l.rotation.unit {
	case months:
		a := l.anchor
		first := time.Date(a.Year, a.Month+time.Month(k*l.rotation.every), 1, a.Hour, a.Minute, 0, 0, time.UTC)
		last := first.AddDate(0, 1, -1).Day()
		return reading(first.AddDate(0, 0, min(a.Day, last)-1).Unix())
	case shifts:
		n := k*l.rotation.every + l.first
		week := floor(n, int64(len(l.starts)))
		return inWeek(week, l.starts[mod(n, int64(len(l.starts)))])
	}
	return l.anchor.Reading() + reading(k*l.rotation.every)*l.rotation.length()
}

// index is whose turn it is after the k-th hand-off.
func (l *layer) index(k int64) int { return int(mod(k+l.offset, int64(len(l.turns)))) }

// at is who the layer names; r is the reading at t. A turn that falls wholly into
// a skipped hour never comes, and is used up.
func (l *layer) at(t time.Time, r reading) Turn {
	if t.Before(l.start) || (!l.end.IsZero() && !t.Before(l.end)) || !l.open(r) {
		return nil
	}
	return l.turns[l.index(l.count(r))]
}

// edges are the instants after from and before to at which the layer may come to
// name others.
func (l *layer) edges(from, to time.Time) []time.Time {
	edges := []time.Time{l.start, l.end}
	a, b := wallclock.Read(from, l.zone), wallclock.Read(to, l.zone)
	if l.rotation.unit != never && len(l.turns) > 1 {
		for k := l.count(a) + 1; k <= l.count(b); k++ {
			edges = append(edges, wallclock.Resolve(l.handOff(k), l.zone))
		}
	}
	if len(l.spans) > 0 {
		first, _ := weekOf(a)
		last, _ := weekOf(b)
		for n := first - 1; n <= last; n++ { // a window of the week before may still be open
			for _, s := range l.spans {
				opens := inWeek(n, s.into)
				edges = append(edges, wallclock.Resolve(opens, l.zone), wallclock.Resolve(opens+s.length, l.zone))
			}
		}
	}
	return slices.DeleteFunc(edges, func(t time.Time) bool { return !t.After(from) || !t.Before(to) })
}

// at is who is on call, and by which layers, into what the caller gives.
func (r *roster) at(t time.Time, why *reasons) []string {
	now := wallclock.Read(t, r.zone)
	var people []string
	for i := len(r.layers) - 1; i >= 0; i-- {
		l := &r.layers[i]
		if r.union {
			l = &r.layers[len(r.layers)-1-i] // in order
		}
		turn := l.at(t, now)
		if len(turn) == 0 {
			continue
		}
		why.layer(l.name)
		if !r.union {
			return slices.Clone(turn)
		}
		people = with(people, turn)
	}
	return people
}

// with adds to people those that are not among them.
func with(people, others []string) []string {
	for _, p := range others {
		if !slices.Contains(people, p) {
			people = append(people, p)
		}
	}
	return people
}

// same reports whether both are the same people, each once, in whatever order.
func same(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(p string) bool { return !slices.Contains(b, p) })
}
