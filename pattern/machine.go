package pattern

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"sync"
)

// A machine matches events against many conjunctions at once. It does not change
// once it is built, and any number of goroutines may use it.
type machine struct {
	root   *node
	fields int // paths asked about
	tests  []test
	rules  []rule

	// A rule is looked at when the field it is filed under makes it worth while:
	// byString files those that ask a field for one of some strings, byTest
	// all others under one of their tests, to be looked at if that may hold.
	byString []map[string][]int32 // by field
	byTest   []testRules
}

// A test is a list to be matched against a field. Equal ones are one test.
type test struct {
	field int32
	list  *list
}

// A rule is a conjunction: tests in the order of their paths.
type rule struct {
	owner int32
	tests []int32
}

type testRules struct {
	test  int32
	rules []int32
}

// A builder makes a machine.
type builder struct {
	m     *machine
	paths map[string]int32
	tests map[testKey]int32
}

type testKey struct {
	field int32
	text  string
}

func newBuilder() *builder {
	return &builder{
		m:     &machine{root: newNode()},
		paths: map[string]int32{},
		tests: map[testKey]int32{},
	}
}

// add makes owner match what p matches.
func (b *builder) add(owner int, p *Pattern) {
	for _, c := range p.all {
		r := rule{owner: int32(owner), tests: make([]int32, len(c))}
		for i, f := range c {
			r.tests[i] = b.test(f)
		}
		b.m.rules = append(b.m.rules, r)
	}
}

func (b *builder) test(f field) int32 {
	key := testKey{b.path(f.path), f.list.text}
	id, ok := b.tests[key]
	if !ok {
		id = int32(len(b.m.tests))
		b.tests[key] = id
		b.m.tests = append(b.m.tests, test{key.field, f.list})
	}
	return id
}

func (b *builder) path(path string) int32 {
	id, ok := b.paths[path]
	if ok {
		return id
	}
	id = int32(len(b.paths))
	b.paths[path] = id
	n := b.m.root
	for key := range strings.SplitSeq(path, ".") {
		n = n.add(key)
	}
	n.field = id
	return id
}

// build files every rule where the fewest events will find it: under the
// strings that the fewest rules ask for, if it asks for strings.
func (b *builder) build() *machine {
	m := b.m
	m.fields = len(b.paths)
	m.byString = make([]map[string][]int32, m.fields)
	wanted := make([]map[string]int, m.fields)
	for _, r := range m.rules {
		for _, id := range r.tests {
			if t := m.tests[id]; t.list.onlyStrings() {
				count(wanted, t)
			}
		}
	}
	byTest := map[int32]int{}
	for id, r := range m.rules {
		if t, ok := m.rarest(r, wanted); ok {
			m.fileByString(int32(id), t)
			continue
		}
		at, ok := byTest[r.tests[0]]
		if !ok {
			at = len(m.byTest)
			byTest[r.tests[0]] = at
			m.byTest = append(m.byTest, testRules{test: r.tests[0]})
		}
		m.byTest[at].rules = append(m.byTest[at].rules, int32(id))
	}
	return m
}

func count(wanted []map[string]int, t test) {
	if wanted[t.field] == nil {
		wanted[t.field] = map[string]int{}
	}
	for s := range t.list.strings {
		wanted[t.field][s]++
	}
}

// rarest picks the test whose strings are asked for least, by all rules together.
func (m *machine) rarest(r rule, wanted []map[string]int) (best test, found bool) {
	fewest := math.MaxInt
	for _, id := range r.tests {
		t := m.tests[id]
		if !t.list.onlyStrings() {
			continue
		}
		n := 0
		for s := range t.list.strings {
			n += wanted[t.field][s]
		}
		if n < fewest {
			fewest, best, found = n, t, true
		}
	}
	return best, found
}

func (m *machine) fileByString(id int32, t test) {
	if m.byString[t.field] == nil {
		m.byString[t.field] = map[string][]int32{}
	}
	for s := range t.list.strings {
		m.byString[t.field][s] = append(m.byString[t.field][s], id)
	}
}

// A scratch is what matching one event needs. Marks carry the number of the
// event they were made for, so nothing has to be cleared between events.
type scratch struct {
	use uint32

	event    []byte
	failure  string
	failedAt int

	arrays    int32
	trails    []trail
	leaves    []leaf
	unescaped []byte
	fields    []chain

	verdicts []mark   // by test
	looked   []uint32 // by rule, the event it was last looked at for
	matched  []uint32 // by owner, the event it last matched
	owners   []int32  // that match this event

	join join
}

// A chain is the leaves of a field, and whether any is in an array element.
type chain struct {
	use         uint32
	first, last int32
	inArray     bool
}

type mark struct {
	use     uint32
	verdict verdict
}

// A verdict is what can be said of a test without regard to the others.
type verdict uint8

const (
	no    verdict = iota
	maybe         // it asks for absence, which depends on the array elements others choose
	yes
)

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// prepare readies s for one event and m.
func (s *scratch) prepare(m *machine, owners int) {
	s.use++
	if s.use == 0 { // wrapped around: old marks could pass for new ones
		*s = scratch{use: 1}
	}
	s.arrays = 0
	s.trails = append(s.trails[:0], trail{})
	s.leaves = s.leaves[:0]
	s.unescaped = s.unescaped[:0]
	s.owners = s.owners[:0]
	s.fields = atLeast(s.fields, m.fields)
	s.verdicts = atLeast(s.verdicts, len(m.tests))
	s.looked = atLeast(s.looked, len(m.rules))
	s.matched = atLeast(s.matched, owners)
}

func atLeast[E any](s []E, n int) []E {
	if len(s) >= n {
		return s
	}
	return append(s, make([]E, n-len(s))...)
}

// release gives s back, without keeping the event or very large buffers alive.
func (s *scratch) release() {
	const large = 1 << 20
	s.event = nil
	clear(s.leaves)
	if cap(s.unescaped) > large || cap(s.leaves) > large/64 || cap(s.trails) > large/16 {
		return
	}
	scratches.Put(s)
}

// match finds the owners of the rules that match the event, in ascending order.
// They are in s.owners until s is released.
func (m *machine) match(s *scratch, event []byte, owners int) error {
	s.prepare(m, owners)
	if err := s.scan(m.root, event); err != nil {
		return err
	}
	for i := range s.leaves {
		v := &s.leaves[i]
		if rules := m.byString[v.field]; v.kind == kindString && rules != nil {
			for _, id := range rules[string(v.text)] {
				m.look(s, id)
			}
		}
	}
	for i := range m.byTest {
		if g := &m.byTest[i]; m.verdict(s, g.test) != no {
			for _, id := range g.rules {
				m.look(s, id)
			}
		}
	}
	slices.Sort(s.owners)
	return nil
}

// look decides one rule, unless it, or another of its owner, has been already.
func (m *machine) look(s *scratch, id int32) {
	r := &m.rules[id]
	if s.looked[id] == s.use || s.matched[r.owner] == s.use {
		return
	}
	s.looked[id] = s.use
	if m.holds(s, r) {
		s.matched[r.owner] = s.use
		s.owners = append(s.owners, r.owner)
	}
}

// holds tells whether all tests of a rule match, together. Which array elements
// they match in matters only when more than one of them looks into arrays.
func (m *machine) holds(s *scratch, r *rule) bool {
	inArrays := 0
	for _, id := range r.tests {
		if m.verdict(s, id) == no {
			return false
		}
		if c := &s.fields[m.tests[id].field]; c.use == s.use && c.inArray {
			inArrays++
		}
	}
	return inArrays == 0 || inArrays == 1 && m.holdsAlone(s, r) || m.joins(s, r)
}

// holdsAlone tells whether no test is in doubt.
func (m *machine) holdsAlone(s *scratch, r *rule) bool {
	for _, id := range r.tests {
		if m.verdict(s, id) != yes {
			return false
		}
	}
	return true
}

// verdict evaluates a test, once per event.
func (m *machine) verdict(s *scratch, id int32) verdict {
	k := &s.verdicts[id]
	if k.use != s.use {
		*k = mark{s.use, m.tests[id].verdict(s)}
	}
	return k.verdict
}

func (t *test) verdict(s *scratch) verdict {
	c := &s.fields[t.field]
	if c.use != s.use {
		if t.list.absent {
			return yes
		}
		return no
	}
	for i := c.first; i >= 0; i = s.leaves[i].next {
		if t.list.match(&s.leaves[i]) {
			return yes
		}
	}
	if t.list.absent && c.inArray {
		return maybe
	}
	return no
}

// compact returns a copy of text that shares nothing with it.
func compact(text []byte) string {
	return string(bytes.TrimSpace(text))
}
