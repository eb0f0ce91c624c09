package pattern

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// A Set matches an event against many patterns at once, in much less time than
// one after the other, and with the same result. Any number of goroutines may use
// it.
//
// The first Match builds an index of all patterns, in some milliseconds for
// 10,000. After that it waits for nobody: Add and Remove do what there is to do,
// which takes tens of microseconds on average, and now and then as long as the
// first Match did.
type Set[K comparable] struct {
	// current is what Match uses: nil until the first one, then never again.
	current atomic.Pointer[snapshot[K]]

	mu     sync.Mutex // guards the rest, and who stores current
	owners map[K]int32
	next   snapshot[K] // to be stored; what it points to may be in use already
	known  *catalogue
	layers []layer
}

// A layer is some of the rules, and their machine once there is one.
type layer struct {
	rules   []rule
	machine *machine
}

// A snapshot is a Set as it was at one time. It does not change.
type snapshot[K comparable] struct {
	keys     []K      // in the order they were added
	removed  []uint64 // keys that are no more, a bit each
	root     *node
	fields   int
	machines []*machine
}

// NewSet returns an empty Set. The keys are what Match returns: rule names, for
// example.
func NewSet[K comparable]() *Set[K] {
	return &Set[K]{owners: map[K]int32{}, known: newCatalogue()}
}

// Add makes k match what p matches, besides what it matched before. A Match that
// begins after Add has returned takes account of it.
func (s *Set[K]) Add(k K, p *Pattern) {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, ok := s.owners[k]
	if !ok {
		owner = int32(len(s.next.keys))
		s.owners[k] = owner
		s.next.keys = append(s.next.keys, k)
	}
	if s.current.Load() == nil {
		s.wait(owner, p)
		return
	}
	s.push(s.known.rules(nil, owner, p))
	s.store()
}

// Remove takes away k and all its patterns. It does nothing if there is no k.
func (s *Set[K]) Remove(k K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, ok := s.owners[k]
	if !ok {
		return
	}
	delete(s.owners, k)
	removed := make([]uint64, (len(s.next.keys)+63)/64)
	copy(removed, s.next.removed)
	removed[owner/64] |= 1 << (owner % 64)
	s.next.removed = removed
	if s.current.Load() == nil {
		return
	}
	if len(s.next.keys) > 2*len(s.owners)+64 {
		s.renumber()
	}
	s.store()
}

// Match appends to dst the keys that have a pattern the event matches, each once,
// in the order in which they were added. It returns an [*Error], and dst as it
// was, if the event is not a JSON object, or has so many array elements that
// matching it would take a second or more.
func (s *Set[K]) Match(event []byte, dst []K) ([]K, error) {
	c := s.current.Load()
	if c == nil {
		c = s.first()
	}
	x := scratches.Get().(*scratch)
	defer x.release()
	x.prepare(c.fields, len(c.keys))
	if err := x.scan(c.root, event); err != nil {
		return dst, err
	}
	for _, m := range c.machines {
		if err := m.match(x); err != nil {
			x.found.drain() // the next event must not see it
			return dst, err
		}
	}
	return c.take(&x.found, dst), nil
}

// take empties found into dst.
func (c *snapshot[K]) take(found *bitset, dst []K) []K {
	for i, some := range found.some {
		for ; some != 0; some &= some - 1 {
			at := i*64 + bits.TrailingZeros64(some)
			owners := found.words[at]
			found.words[at] = 0
			if at < len(c.removed) {
				owners &^= c.removed[at]
			}
			for ; owners != 0; owners &= owners - 1 {
				dst = append(dst, c.keys[at*64+bits.TrailingZeros64(owners)])
			}
		}
		found.some[i] = 0
	}
	return dst
}

// first builds what Match needs.
func (s *Set[K]) first() *snapshot[K] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.current.Load(); c != nil {
		return c // another goroutine was faster
	}
	s.renumber()
	s.store()
	return s.current.Load()
}

// store lets Match use what there is now.
func (s *Set[K]) store() {
	c := s.next
	c.root, c.fields = s.known.tree.publish()
	c.machines = make([]*machine, len(s.layers))
	for i, l := range s.layers {
		c.machines[i] = l.machine
	}
	s.current.Store(&c)
}

// wait keeps a pattern for the first Match.
func (s *Set[K]) wait(owner int32, p *Pattern) {
	if len(s.layers) == 0 {
		s.layers = append(s.layers, layer{})
	}
	s.layers[0].rules = s.known.rules(s.layers[0].rules, owner, p)
}

// push adds a layer. Layers that it is not much smaller than become part of it,
// so that there are few, and a rule is indexed again only as often as there are
// powers of four below their number.
func (s *Set[K]) push(rules []rule) {
	for last := len(s.layers) - 1; last >= 0 && len(s.layers[last].rules) <= 4*len(rules); last-- {
		rules = append(s.kept(s.layers[last].rules), rules...)
		s.layers = s.layers[:last]
	}
	s.layers = append(s.layers, layer{rules, s.known.build(rules)})
}

// kept returns a copy without those of removed keys.
func (s *Set[K]) kept(rules []rule) []rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r rule) bool { return s.isRemoved(r.owner) })
}

func (s *Set[K]) isRemoved(owner int32) bool {
	return int(owner/64) < len(s.next.removed) && s.next.removed[owner/64]&(1<<(owner%64)) != 0
}

// renumber forgets removed keys, with all that only they needed, and makes one
// layer of all rules.
func (s *Set[K]) renumber() {
	var keys []K
	numbers := make([]int32, len(s.next.keys))
	for old, k := range s.next.keys {
		if !s.isRemoved(int32(old)) {
			numbers[old] = int32(len(keys))
			s.owners[k] = int32(len(keys))
			keys = append(keys, k)
		}
	}
	var rules []rule
	for _, l := range s.layers {
		rules = append(rules, s.kept(l.rules)...)
	}
	for i := range rules {
		rules[i].owner = numbers[rules[i].owner]
	}
	if s.known.mostlyUnusedBy(rules) {
		s.known = s.known.only(rules)
	}
	s.next = snapshot[K]{keys: keys}
	s.layers = []layer{{rules, s.known.build(rules)}}
}
