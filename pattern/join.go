package pattern

// A join looks for one leaf per test of a rule such that no two are in different
// elements of one array.
//
// Tests are settled in the order of their paths, as event-ruler does, because
// absence is judged against the elements settled on so far. When a test cannot
// be settled, the search goes back to the latest test that is to blame and not
// merely to the one before, so that fields with nothing to do with each other
// do not multiply.
type join struct {
	candidates []int32 // leaves that match, test after test
	spans      []int32 // where each test's candidates begin; one more for the end
	chosen     []int32 // the trail of each settled test, outermost if it binds nothing
}

// A blame is a set of tests of one rule.
type blame [maxFields / 64]uint64

func (b *blame) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b *blame) remove(i int)   { b[i/64] &^= 1 << (i % 64) }
func (b *blame) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (b *blame) addAll(other blame) {
	for i := range b {
		b[i] |= other[i]
	}
}

// addBefore adds all tests before i.
func (b *blame) addBefore(i int) {
	for j := range i {
		b.add(j)
	}
}

// joins tells whether the tests of a rule match together.
func (m *machine) joins(s *scratch, r *rule) bool {
	j := &s.join
	j.candidates, j.spans, j.chosen = j.candidates[:0], j.spans[:0], j.chosen[:0]
	for _, id := range r.tests {
		j.spans = append(j.spans, int32(len(j.candidates)))
		t := &m.tests[id]
		for i := s.first(t.field); i >= 0; i = s.leaves[i].next {
			if t.list.match(&s.leaves[i]) {
				j.candidates = append(j.candidates, i)
			}
		}
	}
	j.spans = append(j.spans, int32(len(j.candidates)))
	ok, _ := m.settle(s, r, 0)
	return ok
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
func (m *machine) settle(s *scratch, r *rule, i int) (bool, blame) {
	var at blame
	if i == len(r.tests) {
		return true, at
	}
	j := &s.join
	for _, c := range j.candidates[j.spans[i]:j.spans[i+1]] {
		trail := s.leaves[c].trail
		if rival := s.rival(trail); rival >= 0 {
			at.add(rival)
			continue
		}
		ok, below := m.settleAs(s, r, i, trail)
		if ok || !below.has(i) {
			return ok, below
		}
		below.remove(i)
		at.addAll(below)
	}
	t := &m.tests[r.tests[i]]
	if !t.list.absent {
		return false, at
	}
	if s.anyWithin(t.field) {
		at.addBefore(i)
		return false, at
	}
	ok, below := m.settleAs(s, r, i, outermost)
	below.remove(i)
	below.addAll(at)
	return ok, below
}

// settleAs settles test i in one way, and then the tests after it.
func (m *machine) settleAs(s *scratch, r *rule, i int, trail int32) (bool, blame) {
	s.join.chosen = append(s.join.chosen, trail)
	ok, below := m.settle(s, r, i+1)
	s.join.chosen = s.join.chosen[:i]
	return ok, below
}

// rival returns the first settled test that a trail is at odds with, or -1.
func (s *scratch) rival(trail int32) int {
	for i, other := range s.join.chosen {
		if !s.compatible(trail, other) {
			return i
		}
	}
	return -1
}

// anyWithin tells whether a field has a leaf among the elements settled on.
func (s *scratch) anyWithin(f int32) bool {
	for i := s.first(f); i >= 0; i = s.leaves[i].next {
		if s.rival(s.leaves[i].trail) < 0 {
			return true
		}
	}
	return false
}

// compatible tells whether two trails never pass through different elements of
// one array. Where they part, they do so in one array or in two.
func (s *scratch) compatible(a, b int32) bool {
	for s.trails[a].depth > s.trails[b].depth {
		a = s.trails[a].parent
	}
	for s.trails[b].depth > s.trails[a].depth {
		b = s.trails[b].parent
	}
	for a != b {
		x, y := s.trails[a], s.trails[b]
		if x.parent == y.parent {
			return x.array != y.array
		}
		a, b = x.parent, y.parent
	}
	return true
}
