package pattern

import "slices"

// A join looks for one leaf per test of a rule such that no two are in different
// elements of one array.
//
// Tests are settled in the order of their paths, as event-ruler does, because
// absence is judged against the elements settled on so far. When a test cannot
// be settled, the search goes back to the latest test that is to blame and not
// merely to the one before, so that fields with nothing to do with each other do
// not multiply. What lies in other elements than those settled on is skipped in
// one step.
type join struct {
	fields []int32
	lists  []*list

	candidates []int32 // trails of leaves that match, test after test, ascending
	spans      []int32 // where each test's candidates begin; one more for the end
	present    []int32 // trails of any leaves, for tests that ask for absence
	presence   []int32 // where each test's begin; one more for the end

	settled []int32 // by array, the element settled on, or outermost
	by      []int32 // by array, the test that settled on it
	undo    []int32 // arrays in the order they were settled
}

// A blame is a set of tests of one rule.
type blame [maxFields / 64]uint64

func (b *blame) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b *blame) remove(i int)   { b[i/64] &^= 1 << (i % 64) }
func (b *blame) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (b *blame) addAll(other *blame) {
	for i := range b {
		b[i] |= other[i]
	}
}

// joins tells whether the tests of a rule match together. When the steps are used
// up it says that they do, which is not to be trusted.
func (s *scratch) joins(fields, rule []int32, tests []test) bool {
	j := &s.join
	j.fields, j.lists = fields, j.lists[:0]
	j.candidates, j.spans = j.candidates[:0], j.spans[:0]
	j.present, j.presence = j.present[:0], j.presence[:0]
	for n, f := range fields {
		l := tests[rule[n]].list
		j.lists = append(j.lists, l)
		j.spans = append(j.spans, int32(len(j.candidates)))
		j.presence = append(j.presence, int32(len(j.present)))
		for i := s.first(f); i >= 0; i = s.leaves[i].next {
			v := &s.leaves[i]
			if !s.step(v) {
				break
			}
			if l.match(v) {
				j.candidates = append(j.candidates, v.trail)
			}
			if l.absent {
				j.present = append(j.present, v.trail)
			}
		}
		j.candidates = ascending(j.candidates, j.spans[n])
		j.present = ascending(j.present, j.presence[n])
	}
	j.spans = append(j.spans, int32(len(j.candidates)))
	j.presence = append(j.presence, int32(len(j.present)))
	j.settled = atLeast(j.settled, len(s.arrays))
	j.by = atLeast(j.by, len(s.arrays))
	ok, _ := s.settle(0)
	return ok
}

// ascending sorts the trails from a place on, and leaves each there once.
func ascending(trails []int32, from int32) []int32 {
	part := trails[from:]
	if !slices.IsSorted(part) {
		slices.Sort(part)
	}
	return trails[:int(from)+len(slices.Compact(part))]
}

// first returns the first leaf of a field, or -1.
func (s *scratch) first(f int32) int32 {
	if c := &s.fields[f]; c.use == s.use {
		return c.first
	}
	return -1
}

// settle settles test i and those after it. If it cannot, it tells which tests
// before i would have to be settled otherwise.
func (s *scratch) settle(i int) (bool, blame) {
	var at blame
	j := &s.join
	if i == len(j.lists) {
		return true, at
	}
	trails := j.candidates[j.spans[i]:j.spans[i+1]]
	for len(trails) > 0 {
		rival, next := s.rival(trails[0])
		if s.steps < 0 {
			return true, at
		}
		if rival >= 0 {
			at.add(int(rival))
			trails = from(trails, next)
			continue
		}
		ok, below := s.settleAs(i, trails[0])
		if ok || !below.has(i) {
			return ok, below
		}
		below.remove(i)
		at.addAll(&below)
		trails = trails[1:]
	}
	if !j.lists[i].absent {
		return false, at
	}
	if trail, ok := s.within(j.present[j.presence[i]:j.presence[i+1]]); ok {
		s.blameFor(&at, i, trail)
		return false, at
	}
	ok, below := s.settleAs(i, outermost)
	below.remove(i)
	below.addAll(&at)
	return ok, below
}

// settleAs settles test i in one way, and then the tests after it.
func (s *scratch) settleAs(i int, at int32) (bool, blame) {
	j := &s.join
	mark := len(j.undo)
	for ; at != outermost && j.settled[s.trails[at].array] == outermost; at = s.trails[at].parent {
		array := s.trails[at].array
		j.settled[array], j.by[array] = at, int32(i)
		j.undo = append(j.undo, array)
	}
	ok, below := s.settle(i + 1)
	for _, array := range j.undo[mark:] {
		j.settled[array] = outermost
	}
	j.undo = j.undo[:mark]
	return ok, below
}

// rival returns the test that settled on another element than one a trail passes
// through, and the first trail after it that may be at peace with that test. It
// returns -1 if there is none.
func (s *scratch) rival(at int32) (test, next int32) {
	j := &s.join
	s.steps--
	test = -1
	for ; at != outermost; at = s.trails[at].parent {
		array := s.trails[at].array
		switch settled := j.settled[array]; {
		case settled == outermost || settled == at:
		case at < settled:
			test, next = j.by[array], settled
		default:
			test, next = j.by[array], s.arrays[array].end
		}
	}
	return test, next
}

// within returns a trail, of these, that is among the elements settled on.
func (s *scratch) within(trails []int32) (trail int32, ok bool) {
	for len(trails) > 0 && s.steps >= 0 {
		rival, next := s.rival(trails[0])
		if rival < 0 {
			return trails[0], true
		}
		trails = from(trails, next)
	}
	return 0, false
}

// blameFor adds those tests before i that could have settled on other elements
// than those that a trail passes through.
func (s *scratch) blameFor(b *blame, i int, at int32) {
	j := &s.join
	for ; at != outermost; at = s.trails[at].parent {
		array := s.arrays[s.trails[at].array]
		for test := range i {
			s.steps--
			after := from(j.candidates[j.spans[test]:j.spans[test+1]], array.first)
			if len(after) > 0 && after[0] < array.end {
				b.add(test)
			}
		}
	}
}

// from returns those of the ascending trails that are not before one.
func from(trails []int32, first int32) []int32 {
	at, _ := slices.BinarySearch(trails, first)
	return trails[at:]
}
