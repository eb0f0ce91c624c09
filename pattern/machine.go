package pattern

import (
	"math/bits"
	"sync"
)

// A machine matches events against many rules at once. It does not change once
// it is built, and any number of goroutines may use it.
//
// Rules that ask about the same fields are a group, 64 of them to a word, with a
// bit each. Every value of the event that some rule asks for has a posting: the
// bits of the rules, field by field, that it satisfies. Matching sets the bits of
// the values that the event has; a rule whose bits are set for all its fields
// matches, and 64 of them are told by one AND a field. What cannot be looked up,
// a wildcard for example, has its bit set by any value of the right kind, and is
// tried when nothing else stands in the way of its rule.
type machine struct {
	indexes []index   // by field
	filed   [][]group // by field: groups to look at when the event has that field
	always  []group   // groups that may match an event without any of their fields
	absent  []int32   // fields that some rule wants to be missing
	late    []uint64  // by word, the bits that a lookup tells for certain

	postings []int32 // where each begins in marks; one more for the end
	marks    []mark

	owners []int32   // by rule
	rules  [][]int32 // the tests of each, for the fields of its group
	tests  []test    // by number
	trials []int32   // by rule, its check; none; or, for several, -2 less their place in tried
	tried  []int32   // checks of rules that have several: how many they are, then which
	checks []check
}

// A group is rules about the same fields. Its bits begin at word first: a word
// for each field, for the first 64 rules, and so on.
type group struct {
	fields []int32 // in the order of their paths
	first  int32
	rule   int32 // its first
	rules  int32
	absent bool // some rule wants a field to be missing
	late   bool // it has bits of machine.late
}

// A mark is bits to be set in one word.
type mark struct {
	word int32
	bits uint64
}

// An index tells the posting for what can be looked up about a field's value,
// none where no rule asks.
type index struct {
	kinds   [5]int32 // by kind
	any     int32    // of any kind
	absent  int32    // of no value at all
	strings map[string]int32
	numbers map[float64]int32
	lookup  *lookup // nil if it would find nothing
}

const none int32 = -1

var noIndex = index{kinds: [5]int32{none, none, none, none, none}, any: none, absent: none}

func (x *index) add(t term, posting int32) {
	switch t.about {
	case aboutAny:
		x.any = posting
	case aboutAbsent:
		x.absent = posting
	case aboutString:
		if x.strings == nil {
			x.strings = map[string]int32{}
		}
		x.strings[t.text] = posting
	case aboutNumber:
		if x.numbers == nil {
			x.numbers = map[float64]int32{}
		}
		x.numbers[t.value] = posting
	case aboutLookedUp, aboutFolded, aboutPrefix, aboutSuffix, aboutFoldedPrefix, aboutFoldedSuffix, aboutAddress:
		if x.lookup == nil {
			x.lookup = &lookup{strings: map[string]int32{}, folded: map[string]int32{}}
		}
		x.lookup.add(t, posting)
	default:
		x.kinds[t.about] = posting
	}
}

// A check is a list to be tried against a field. Equal ones are one check.
type check struct {
	field    int32
	lookedUp bool // the field's lookup tells as well
	isRange  bool // the list is one range of numbers
	within   interval
	list     *list
}

func newCheck(t *test) check {
	c := check{field: t.field, lookedUp: t.list.canBeLookedUp(), list: t.list}
	c.within, c.isRange = t.list.onlyRange()
	return c
}

// A verdict is what can be said of a list without regard to the other fields.
type verdict uint8

const (
	no    verdict = iota
	maybe         // it asks for absence, which depends on the array elements others choose
	yes
)

// A scratch is what matching one event needs. Marks carry the number of the
// event, or of the turn, they were made for, so that little has to be cleared.
type scratch struct {
	use   uint32
	steps int // left for this event

	event    []byte
	failure  string
	failedAt int

	arrays    []span
	several   bool // an array has more than one element that leaves are in
	trails    []trail
	leaves    []leaf
	unescaped []byte
	fields    []chain
	present   []int32 // fields that have leaves

	turn     uint32   // a machine's turn at an event
	met      []uint64 // the bits
	sure     []uint64 // those of machine.late, where a lookup was made
	cleared  uint32   // the turn in which sure was made ready
	posted   []uint32 // by posting, the turn it was last posted in
	spelling []byte   // of a leaf, as a lookup needs it
	verdicts []uint32 // by check, the turn it was last evaluated in and, in the low bits, its verdict
	found    bitset   // owners that match

	join join
}

// A chain is the leaves of a field, and whether any is in an array element.
type chain struct {
	use         uint32
	first, last int32
	inArray     bool
	lookedUp    uint32 // the turn in which its lookup was made
}

// maxSteps is how much work an event may be, a step being one leaf tried against
// one list, or 64 bytes of it. It takes arrays of thousands of elements and many
// patterns about them to need so many; they take a second or less.
const maxSteps = 1 << 24

// step counts a leaf that is about to be tried. It returns false when there have
// been too many: what is then said of the event is not to be trusted.
func (s *scratch) step(v *leaf) bool {
	s.steps -= 1 + len(v.text)>>6
	return s.steps >= 0
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// prepare readies s for one event.
func (s *scratch) prepare(fields, owners int) {
	s.use++
	if s.use == 0 { // wrapped around: old marks could pass for new ones
		s.use = 1
		clear(s.fields)
	}
	s.arrays, s.several = s.arrays[:0], false
	s.steps = maxSteps
	s.trails = append(s.trails[:0], trail{})
	s.leaves = s.leaves[:0]
	s.unescaped = s.unescaped[:0]
	s.present = s.present[:0]
	s.fields = atLeast(s.fields, fields)
	s.found.grow(owners)
}

// begin readies s for m's turn.
func (s *scratch) begin(m *machine) {
	s.turn += 4
	if s.turn == 0 {
		s.turn = 4
		clear(s.posted)
		clear(s.verdicts)
	}
	s.met = atLeast(s.met, len(m.late))
	clear(s.met[:len(m.late)])
	s.posted = atLeast(s.posted, len(m.postings))
	s.verdicts = atLeast(s.verdicts, len(m.checks))
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

// match finds the owners of the rules that match the event that s has scanned. It
// fails if that would take too long.
func (m *machine) match(s *scratch) error {
	s.begin(m)
	for _, f := range s.present {
		if int(f) < len(m.indexes) {
			m.post(s, &s.fields[f], &m.indexes[f])
		}
	}
	for _, f := range m.absent {
		if c := &s.fields[f]; c.use != s.use || c.inArray && s.several {
			m.mark(s, s.met, m.indexes[f].absent)
		}
	}
	for _, f := range s.present {
		if int(f) < len(m.filed) {
			m.evaluate(s, m.filed[f])
		}
	}
	m.evaluate(s, m.always)
	if s.steps < 0 {
		return newError(s.event, 0, "$", "the event has too many array elements for these patterns")
	}
	return nil
}

// post sets the bits that a field's leaves satisfy.
func (m *machine) post(s *scratch, c *chain, x *index) {
	m.mark(s, s.met, x.any)
	for i := c.first; i >= 0; i = s.leaves[i].next {
		v := &s.leaves[i]
		m.mark(s, s.met, x.kinds[v.kind])
		switch {
		case v.kind == kindString && x.strings != nil:
			if p, ok := x.strings[string(v.text)]; ok {
				m.mark(s, s.met, p)
			}
		case v.kind == kindNumber && x.numbers != nil:
			if f, ok := v.number(); ok {
				if p, ok := x.numbers[f]; ok {
					m.mark(s, s.met, p)
				}
			}
		}
	}
}

// mark sets the bits of a posting, once per turn.
func (m *machine) mark(s *scratch, bits []uint64, p int32) {
	if p == none || s.posted[p] == s.turn {
		return
	}
	s.posted[p] = s.turn
	bits = bits[:len(m.late)]
	for _, k := range m.marks[m.postings[p]:m.postings[p+1]] {
		bits[k.word] |= k.bits
	}
}

// evaluate looks for rules that have all their bits.
func (m *machine) evaluate(s *scratch, groups []group) {
	for i := range groups {
		g := &groups[i]
		fields := len(g.fields)
		met := s.met[g.first:]
		for base := int32(0); base < g.rules; base += 64 {
			all := met[0]
			for _, w := range met[1:fields] {
				all &= w
			}
			met = met[fields:]
			if all != 0 && g.late {
				all = m.certain(s, g, g.first+base/64*int32(fields), all)
			}
			for ; all != 0; all &= all - 1 {
				m.try(s, g, g.rule+base+int32(bits.TrailingZeros64(all)))
			}
		}
	}
}

// fewTries is how many rules of a word are quicker tried one by one.
const fewTries = 2

// certain takes those of a group's rules away whose late bits turn out not to be
// set. The lookups are made if there are more than a few rules to gain.
func (m *machine) certain(s *scratch, g *group, word int32, all uint64) uint64 {
	for n, f := range g.fields {
		late := all & m.late[word+int32(n)]
		if late == 0 {
			continue
		}
		c := &s.fields[f]
		if c.lookedUp != s.turn {
			if c.first == c.last && bits.OnesCount64(late) <= fewTries {
				continue
			}
			m.lookUpField(s, f)
		}
		all &^= late &^ s.sure[word+int32(n)]
	}
	return all
}

func (m *machine) lookUpField(s *scratch, field int32) {
	if s.cleared != s.turn {
		s.cleared = s.turn
		s.sure = atLeast(s.sure, len(m.late))
		clear(s.sure[:len(m.late)])
	}
	c := &s.fields[field]
	c.lookedUp = s.turn
	for i := c.first; i >= 0; i = s.leaves[i].next {
		if v := &s.leaves[i]; v.kind == kindString {
			m.lookUp(s, m.indexes[field].lookup, v)
		}
	}
}

// try decides a rule that has all its bits: by what could not be looked up, and
// by whether its fields go together.
func (m *machine) try(s *scratch, g *group, rule int32) {
	switch check := m.trials[rule]; {
	case check >= 0:
		if m.verdict(s, check) == no {
			return
		}
	case check < none:
		if !m.passes(s, m.tried[-check-2:]) {
			return
		}
	}
	owner := m.owners[rule]
	if s.several && !s.found.has(owner) && !m.together(s, g, rule) {
		return
	}
	s.found.add(owner)
}

// passes tells whether no check of a list, which begins with how many there are,
// says no.
func (m *machine) passes(s *scratch, checks []int32) bool {
	for _, id := range checks[1 : 1+checks[0]] {
		if m.verdict(s, id) == no {
			return false
		}
	}
	return true
}

// together tells whether the leaves that a rule needs can be taken from the same
// array elements. That is in question only when more than one field is in an array,
// or when one is and another has to be absent.
func (m *machine) together(s *scratch, g *group, rule int32) bool {
	inArrays := 0
	for _, f := range g.fields {
		if c := &s.fields[f]; c.use == s.use && c.inArray {
			inArrays++
		}
	}
	if inArrays == 0 || inArrays == 1 && !g.absent {
		return true
	}
	return s.joins(g.fields, m.rules[rule], m.tests)
}

// verdict evaluates a check, once per turn.
func (m *machine) verdict(s *scratch, id int32) verdict {
	if v := s.verdicts[id] - s.turn; v <= uint32(yes) {
		return verdict(v)
	}
	c := &m.checks[id]
	if c.lookedUp && s.fields[c.field].lookedUp == s.turn {
		return yes // otherwise nobody would ask
	}
	v := c.verdict(s)
	s.verdicts[id] = s.turn + uint32(v)
	return v
}

// match is the list's, with a short way for what is most common.
func (t *check) match(v *leaf) bool {
	if !t.isRange {
		return t.list.match(v)
	}
	if v.kind != kindNumber {
		return false
	}
	f, ok := v.number()
	return ok && t.within.contains(f)
}

func (t *check) verdict(s *scratch) verdict {
	c := &s.fields[t.field]
	if c.use != s.use {
		if t.list.absent {
			return yes
		}
		return no
	}
	for i := c.first; i >= 0; i = s.leaves[i].next {
		v := &s.leaves[i]
		if !s.step(v) {
			return no
		}
		if t.match(v) {
			return yes
		}
	}
	if t.list.absent && c.inArray && s.several {
		return maybe
	}
	return no
}

// A bitset is a set of small numbers that is quick to empty.
type bitset struct {
	words []uint64
	some  []uint64 // the words that are not 0
}

func (b *bitset) grow(n int) {
	b.words = atLeast(b.words, (n+63)/64)
	b.some = atLeast(b.some, (len(b.words)+63)/64)
}

func (b *bitset) has(i int32) bool { return b.words[i>>6]&(1<<(i&63)) != 0 }

func (b *bitset) add(i int32) {
	b.words[i>>6] |= 1 << (i & 63)
	b.some[i>>12] |= 1 << (i >> 6 & 63)
}

// drain empties b, and tells whether there was anything in it.
func (b *bitset) drain() (found bool) {
	for i, some := range b.some {
		for ; some != 0; some &= some - 1 {
			found = true
			b.words[i*64+bits.TrailingZeros64(some)] = 0
		}
		b.some[i] = 0
	}
	return found
}
