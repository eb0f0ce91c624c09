package oncall

import (
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin/internal/wallclock"
)

// A History is the versions of a schedule, oldest first. What was, stays: it is
// only ever added to.
type History []Version

// A Version is a definition and the instant from which it holds. A zero Since is
// for ever.
type Version struct {
	Since    time.Time `json:"since,omitzero"`
	Schedule Schedule  `json:"schedule"`
}

// Edit has the definition hold from at, and is the history with it; h itself stays
// as it is. A definition that says what the last one says changes nothing.
//
// Whoever has the turn at that instant keeps it if still listed; if not, the next
// one who is has it. For that, the offset of each layer that was there before is
// worked out, and the one that it came with does not count. A layer is the same
// one if it has the same name; one without, if it has the same place. Where From is
// another one, somebody has said anew who begins when, and the definition is taken
// at its word.
//
// It is an error if the definition is not valid, or if at is before the last
// version.
func (h History) Edit(definition Schedule, at time.Time) (History, error) {
	next, err := definition.ready()
	if err != nil {
		return nil, err
	}
	if len(h) == 0 {
		return History{{at, definition}}, nil
	}
	last := h[len(h)-1]
	if at.Before(last.Since) {
		return nil, fmt.Errorf("schedule %q: an edit as of %s is before the last one, of %s", definition.Name, at.Format(time.RFC3339), last.Since.Format(time.RFC3339))
	}
	old, err := last.Schedule.ready()
	if err != nil {
		return nil, err
	}
	definition.Layers = slices.Clone(definition.Layers)
	changed := !equalApartFromLayers(definition, last.Schedule)
	for i := range definition.Layers {
		l := &definition.Layers[i]
		j := slices.IndexFunc(old.layers, func(o layer) bool { return o.name == next.layers[i].name })
		if j < 0 || old.layers[j].anchor != next.layers[i].anchor {
			changed = true
			continue
		}
		given := l.Offset
		l.Offset = last.Schedule.Layers[j].Offset
		if i == j && equal(*l, last.Schedule.Layers[j]) {
			continue
		}
		changed = true
		l.Offset = given
		if len(l.Turns) > 1 {
			l.Offset = next.layers[i].continuing(&old.layers[j], at)
		}
	}
	if !changed {
		return h, nil
	}
	return append(slices.Clone(h), Version{at, definition}), nil
}

// ready compiles a definition, or says what is wrong with it.
func (s Schedule) ready() (*roster, error) {
	compiled, problems := s.compile()
	if len(problems) > 0 {
		return nil, s.Validate()
	}
	return compiled, nil
}

func equalApartFromLayers(a, b Schedule) bool {
	modeOf := func(s Schedule) bool { return s.Mode == Union }
	return a.Name == b.Name && a.TimeZone == b.TimeZone && modeOf(a) == modeOf(b) && len(a.Layers) == len(b.Layers)
}

func equal(a, b Layer) bool {
	return a.Name == b.Name && a.Rotate == b.Rotate && a.From == b.From && a.Offset == b.Offset &&
		a.Start.Equal(b.Start) && a.End.Equal(b.End) &&
		slices.EqualFunc(a.Turns, b.Turns, slices.Equal[Turn]) &&
		slices.EqualFunc(a.Windows, b.Windows, func(a, b Window) bool {
			return a.From == b.From && a.To == b.To && slices.Equal(a.Weekdays, b.Weekdays)
		})
}

// continuing is the offset with which the layer goes on where old was.
func (l *layer) continuing(old *layer, at time.Time) int {
	j := follow(old.turns, old.index(old.present(at)), l.turns)
	return int(mod(int64(j)-l.present(at), int64(len(l.turns))))
}

// present is the number of the hand-off whose turn it is. Where shifts are counted
// and none goes on, it is that of the next: the last one is over.
func (l *layer) present(at time.Time) int64 {
	r := wallclock.Read(at, l.zone)
	if l.rotation.unit == shifts && len(l.turns) > 1 && !l.open(r) {
		return floor(l.shift(r)+1-l.first, l.rotation.every)
	}
	return l.count(r)
}

// follow is where among the new turns the i-th of the old ones goes on: the same
// people, or else one of them, or else those who would have been next. If nobody
// is left, it is the first.
func follow(old []Turn, i int, turns []Turn) int {
	for step := range old {
		place := (i + step) % len(old)
		if j := best(old, place, turns, func(t Turn) bool { return same(t, old[place]) }); j >= 0 {
			return j
		}
		for _, p := range old[place] {
			if j := best(old, place, turns, func(t Turn) bool { return slices.Contains(t, p) }); j >= 0 {
				return j
			}
		}
	}
	return 0
}

// best is which of the fitting turns it is, -1 if none fits. Somebody may have
// several turns: it is the one after which most turns are as before, and of those
// the one nearest to the old place.
func best(old []Turn, place int, turns []Turn, fits func(Turn) bool) int {
	chosen, most := -1, -1
	for j, t := range turns {
		if !fits(t) {
			continue
		}
		alike := 0
		for alike < len(old) && same(old[(place+1+alike)%len(old)], turns[(j+1+alike)%len(turns)]) {
			alike++
		}
		if alike > most || (alike == most && distance(j, place) < distance(chosen, place)) {
			chosen, most = j, alike
		}
	}
	return chosen
}

func distance(a, b int) int { return max(a-b, b-a) }
