package oncall

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"
)

// A Plan is a schedule with its whole history and the overrides, ready to be
// asked. It is immutable and safe for many goroutines.
type Plan struct {
	name     string
	segments []segment
}

// A segment is as long as one version holds and the same overrides do.
type segment struct {
	since     time.Time
	roster    *roster
	overrides []*Override // as created
}

// New makes a plan. Of the overrides it takes those of its schedule, by the name
// that it has in the last version, and those of every schedule. It is an error if
// there is no version, if versions are out of order, or if one, or an override
// that it takes, is not valid.
func New(history History, overrides []Override) (*Plan, error) {
	if len(history) == 0 {
		return nil, errors.New("a schedule without any version")
	}
	p := &Plan{name: history[len(history)-1].Schedule.Name}
	var mine []Override
	for _, o := range overrides {
		if o.Schedule != "" && o.Schedule != p.name {
			continue
		}
		if err := o.Validate(); err != nil {
			return nil, err
		}
		mine = append(mine, o)
	}
	slices.SortStableFunc(mine, inOrder)
	rosters := make([]*roster, len(history))
	var since []time.Time
	for i, v := range history {
		var err error
		if rosters[i], err = v.Schedule.ready(); err != nil {
			return nil, err
		}
		if i > 0 && v.Since.Before(history[i-1].Since) {
			return nil, fmt.Errorf("schedule %q: version %d is of before the one before it", p.name, i+1)
		}
		since = append(since, v.Since)
	}
	for _, o := range mine {
		since = append(since, o.From, o.Until)
	}
	slices.SortFunc(since, time.Time.Compare)
	since = slices.CompactFunc(since, time.Time.Equal)
	for _, t := range since {
		// The last version of those that hold since t or earlier.
		if i := sort.Search(len(history), func(i int) bool { return history[i].Since.After(t) }); i > 0 {
			p.segments = append(p.segments, segment{since: t, roster: rosters[i-1]})
		}
	}
	for i := range mine {
		o := &mine[i]
		first := sort.Search(len(p.segments), func(i int) bool { return !p.segments[i].since.Before(o.From) })
		for n := first; n < len(p.segments) && p.segments[n].since.Before(o.Until); n++ {
			p.segments[n].overrides = append(p.segments[n].overrides, o)
		}
	}
	return p, nil
}

// Name is what the schedule is called now.
func (p *Plan) Name() string { return p.name }

// At is who is on call at t: each person once, in the order of the layers; nobody
// in a gap, and before the first version. The caller may keep it.
func (p *Plan) At(t time.Time) []string {
	if i := p.segment(t); i >= 0 {
		return p.segments[i].at(t, nil)
	}
	return nil
}

// segment is the index of the one in which t is, -1 before the first.
func (p *Plan) segment(t time.Time) int {
	return sort.Search(len(p.segments), func(i int) bool { return p.segments[i].since.After(t) }) - 1
}

func (s *segment) at(t time.Time, why *reasons) []string {
	people := s.roster.at(t, why)
	for _, o := range s.overrides {
		people = o.apply(people, why)
	}
	return people
}

// Reasons are by which layers, and by which overrides that changed something,
// somebody is on call.
type reasons struct{ layers, overrides []string }

func (r *reasons) layer(name string) {
	if r != nil {
		r.layers = with(r.layers, []string{name})
	}
}

func (r *reasons) override(id string) {
	if r != nil {
		r.overrides = with(r.overrides, []string{id})
	}
}

// A stretch is as long as the same people are on call, or nobody is.
type stretch struct {
	start, end time.Time
	people     []string
	reasons
	zone *time.Location
}

// pieces tile from to to, as far as there is a version, by every instant at which
// somebody else may come on call; neighbours may be alike.
func (p *Plan) pieces(from, to time.Time) []stretch {
	if begin := p.segments[0].since; from.Before(begin) {
		from = begin
	}
	var all []stretch
	for i := p.segment(from); from.Before(to); i++ {
		s, until := &p.segments[i], to
		if i+1 < len(p.segments) && p.segments[i+1].since.Before(to) {
			until = p.segments[i+1].since
		}
		edges := []time.Time{from}
		for j := range s.roster.layers {
			edges = append(edges, s.roster.layers[j].edges(from, until)...)
		}
		slices.SortFunc(edges, time.Time.Compare)
		edges = slices.CompactFunc(edges, time.Time.Equal)
		for n, start := range edges {
			piece := stretch{start: start.In(s.roster.zone), end: until.In(s.roster.zone), zone: s.roster.zone}
			if n+1 < len(edges) {
				piece.end = edges[n+1].In(s.roster.zone)
			}
			piece.people = s.at(start, &piece.reasons)
			all = append(all, piece)
		}
		from = until
	}
	return all
}

// stretches are pieces of which neighbours are never alike.
func (p *Plan) stretches(from, to time.Time) []stretch {
	var all []stretch
	for _, piece := range p.pieces(from, to) {
		if n := len(all); n > 0 && same(all[n-1].people, piece.people) {
			all[n-1].extend(piece)
			continue
		}
		all = append(all, piece)
	}
	return all
}

// extend has the stretch go on through the next one.
func (s *stretch) extend(next stretch) {
	s.end = next.end
	s.layers, s.overrides = with(s.layers, next.layers), with(s.overrides, next.overrides)
}

// reach is how far whole looks beyond, step by step, for where a stretch begins or
// ends.
var reach = [...]time.Duration{24 * time.Hour, 8 * 24 * time.Hour, 64 * 24 * time.Hour, 366 * 24 * time.Hour}

// whole are the stretches that touch from to to, the first and the last in their
// whole length; what is longer is cut off a year beyond.
func (p *Plan) whole(from, to time.Time) []stretch {
	all := p.stretches(from, to)
	if len(all) == 0 {
		return nil
	}
	first := &all[0]
	for _, far := range reach {
		before := p.stretches(from.Add(-far), from)
		if len(before) == 0 || !same(before[len(before)-1].people, first.people) {
			break
		}
		began := before[len(before)-1]
		began.extend(*first)
		*first = began
		if len(before) > 1 {
			break
		}
	}
	last := &all[len(all)-1]
	for _, far := range reach {
		after := p.stretches(to, to.Add(far))
		if len(after) == 0 || !same(after[0].people, last.people) {
			break
		}
		last.extend(after[0])
		if len(after) > 1 {
			break
		}
	}
	return all
}

// A Shift is as long as the same people are on call. Its times are in the
// schedule's zone.
type Shift struct {
	Schedule  string    `json:"schedule"`
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	People    []string  `json:"people"`
	Layers    []string  `json:"layers"`              // by which they are
	Overrides []string  `json:"overrides,omitempty"` // ids of those that changed who is
}

// Shifts are those that touch from to to, in their whole length, so that a shift
// is the same whenever one asks; what goes on for longer is cut off a year beyond.
// Neighbours never have the same people, and where nobody is on call there is
// none: that is a [Gap].
func (p *Plan) Shifts(from, to time.Time) []Shift {
	var all []Shift
	for _, s := range p.whole(from, to) {
		if len(s.people) > 0 {
			all = append(all, Shift{p.name, s.start, s.end, s.people, s.layers, s.overrides})
		}
	}
	return all
}

// Current is the shift at t, in its whole length; false if nobody is on call.
func (p *Plan) Current(t time.Time) (Shift, bool) {
	shifts := p.Shifts(t, t.Add(time.Nanosecond))
	if len(shifts) == 0 {
		return Shift{}, false
	}
	return shifts[0], true
}

// Horizon is how far ahead gaps are looked for.
const Horizon = 60 * 24 * time.Hour

// A Gap is as long as nobody is on call. Its times are in the schedule's zone.
type Gap struct {
	Schedule string    `json:"schedule"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
}

// Gaps are those that touch from to to, in their whole length; what goes on for
// longer is cut off a year beyond. Before the first version there is no gap: there
// was no schedule.
func (p *Plan) Gaps(from, to time.Time) []Gap {
	var all []Gap
	for _, s := range p.whole(from, to) {
		if len(s.people) == 0 {
			all = append(all, Gap{p.name, s.start, s.end})
		}
	}
	return all
}

// A HandOff is an instant at which somebody comes on call or goes.
type HandOff struct {
	Schedule string    `json:"schedule"`
	At       time.Time `json:"at"`
	In       []string  `json:"in,omitempty"`  // who comes
	Out      []string  `json:"out,omitempty"` // who goes
	On       []string  `json:"on,omitempty"`  // who is on call from then on
}

// HandOffs are those from from on and before to, so that asking stretch after
// stretch tells of each once.
func (p *Plan) HandOffs(from, to time.Time) []HandOff {
	if !from.Before(to) {
		return nil
	}
	var all []HandOff
	var before []string
	for _, s := range p.stretches(from.Add(-time.Nanosecond), to) {
		if !s.start.Before(from) && !same(before, s.people) {
			all = append(all, HandOff{p.name, s.start, without(s.people, before), without(before, s.people), s.people})
		}
		before = s.people
	}
	return all
}

// without are those of people that are not among others.
func without(people, others []string) []string {
	var rest []string
	for _, p := range people {
		if !slices.Contains(others, p) {
			rest = append(rest, p)
		}
	}
	return rest
}
