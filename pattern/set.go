package pattern

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// A Set matches an event against many patterns at once, in much less time than
// one after the other, and with the same result. Any number of goroutines may use it.
type Set[K comparable] struct {
	// current is what Match uses: nil after a change, until the next Match
	// builds it from the entries.
	current atomic.Pointer[snapshot[K]]

	mu      sync.Mutex // guards the rest, and who stores current
	entries map[K]*entry
	added   uint64 // keys ever added
}

// An entry is a key's patterns, any of which makes it match.
type entry struct {
	order    uint64 // when the key was first added
	patterns []*Pattern
}

// A snapshot is a Set as it was at one time. It does not change.
type snapshot[K comparable] struct {
	keys    []K // in the order they were added
	machine *machine
}

// NewSet returns an empty Set. The keys are what Match returns: rule names, for
// example.
func NewSet[K comparable]() *Set[K] {
	return &Set[K]{entries: map[K]*entry{}}
}

// Add makes k match what p matches, besides what it matched before. A Match that
// begins after Add has returned takes account of it; that Match takes longer,
// since it builds the index of all patterns anew.
func (s *Set[K]) Add(k K, p *Pattern) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[k]
	if e == nil {
		s.added++
		e = &entry{order: s.added}
		s.entries[k] = e
	}
	e.patterns = append(e.patterns, p)
	s.current.Store(nil)
}

// Remove takes away k and all its patterns. It does nothing if there is no k.
func (s *Set[K]) Remove(k K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.entries[k]; ok {
		delete(s.entries, k)
		s.current.Store(nil)
	}
}

// Match appends to dst the keys that have a pattern the event matches, each once,
// in the order in which they were added. It returns an [*Error], and dst as it
// was, if the event is not a JSON object.
func (s *Set[K]) Match(event []byte, dst []K) ([]K, error) {
	c := s.current.Load()
	if c == nil {
		c = s.build()
	}
	x := scratches.Get().(*scratch)
	defer x.release()
	if err := c.machine.match(x, event, len(c.keys)); err != nil {
		return dst, err
	}
	for _, owner := range x.owners {
		dst = append(dst, c.keys[owner])
	}
	return dst, nil
}

// build makes a snapshot of the entries as they are now.
func (s *Set[K]) build() *snapshot[K] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.current.Load(); c != nil {
		return c // another goroutine was faster
	}
	type keyed struct {
		k K
		*entry
	}
	all := make([]keyed, 0, len(s.entries))
	for k, e := range s.entries {
		all = append(all, keyed{k, e})
	}
	slices.SortFunc(all, func(a, b keyed) int { return cmp.Compare(a.order, b.order) })
	c := &snapshot[K]{keys: make([]K, len(all))}
	b := newBuilder()
	for owner, e := range all {
		c.keys[owner] = e.k
		for _, p := range e.patterns {
			b.add(owner, p)
		}
	}
	c.machine = b.build()
	s.current.Store(c)
	return c
}
