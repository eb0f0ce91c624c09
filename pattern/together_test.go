package pattern

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// What else is in a Set, and what has been there before, must make no
// difference to a pattern.

// TestTogether adds and removes invented patterns and compares what the Set says
// with each pattern alone, and each pattern alone with the reference.
func TestTogether(t *testing.T) {
	samples := readSamples(t)
	seeds, matches := 60, 0
	if raceEnabled {
		seeds = 18 // there is one goroutine only
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			world := []int{smallWorld, arraysWorld, rulesWorld, rulesWorld, rulesWorld, corpusWorld}[seed%6]
			c := newCrowd(t, samples, rand.New(rand.NewPCG(seed, 9)), world)
			for range 70 {
				c.step()
			}
			c.lastLook()
			matches += c.matches
		})
	}
	if t.Logf("%d matches", matches); matches < 50*seeds {
		t.Errorf("%d matches: what is invented hardly ever meets", matches)
	}
}

// FuzzTogether goes on where TestTogether stops. The inputs are numbers, since go
// would spend its time on making strings shorter; to shorten what fails, lower
// the number of steps.
func FuzzTogether(f *testing.F) {
	for world := range worlds {
		f.Add(byte(world), byte(40), uint64(world))
	}
	samples := readSamples(f)
	f.Fuzz(func(t *testing.T, world, steps byte, seed uint64) {
		c := newCrowd(t, samples, rand.New(rand.NewPCG(seed, 10)), int(world))
		for range steps % 128 {
			c.step()
		}
		c.lastLook()
	})
}

// A crowd is a Set, and beside it a plain account of what was added.
type crowd struct {
	*rand.Rand
	t        *testing.T
	inventor *inventor

	set     *Set[int]
	keys    []int // in the order in which they were added, as Match should tell them
	members map[int][]*member

	known  []*member // every pattern so far
	events []*happening
	buffer []byte // of every event, one after the other, so that none can be kept
	got    []int

	matches int
}

// A member is a pattern and what the reference thinks of it.
type member struct {
	text     string
	pattern  *Pattern
	plain    plainPattern
	verdicts map[*happening]bool
}

// A happening is an event and its leaves by their paths.
type happening struct {
	text   string
	leaves map[string][]plainLeaf
}

func newCrowd(t *testing.T, samples samples, r *rand.Rand, world int) *crowd {
	c := &crowd{
		Rand: r, t: t, inventor: &inventor{Rand: r, samples: samples, world: world},
		set: NewSet[int](), members: map[int][]*member{},
	}
	if c.IntN(4) == 0 { // a large one
		for key := range 50 + c.IntN(150) {
			c.add(key, c.someone())
		}
	}
	return c
}

// step does one thing that the user of a Set may do.
func (c *crowd) step() {
	switch n := c.IntN(16); {
	case n < 6:
		c.add(c.IntN(12), c.someone())
	case n == 6:
		for range 1 + c.IntN(10) {
			c.add(100+c.IntN(1000), c.someone())
		}
	case n < 10 && len(c.keys) > 0:
		c.remove(c.keys[c.IntN(len(c.keys))])
	case n == 10:
		c.remove(c.IntN(12)) // which may not be there
	case n == 11 && c.IntN(4) == 0:
		for _, key := range slices.Clone(c.keys) {
			if c.IntN(2) == 0 {
				c.remove(key)
			}
		}
	default:
		c.match(c.anEvent())
	}
}

// lastLook matches every event again that there was.
func (c *crowd) lastLook() {
	c.match(c.anEvent())
	for _, e := range c.events {
		c.match(e)
	}
}

// someone returns a pattern: a new one, one that is or was in the Set, or the
// same text parsed again.
func (c *crowd) someone() *member {
	n := c.IntN(8)
	if n < 2 && len(c.known) > 0 {
		return c.known[c.IntN(len(c.known))]
	}
	text := c.inventor.pattern()
	if n == 2 && len(c.known) > 0 {
		text = c.known[c.IntN(len(c.known))].text
	}
	p, err := Parse([]byte(text))
	if e, ok := errors.AsType[*Error](err); ok && e.Reason == tooComplex {
		text = `{"source":[{"wildcard":"*"}]}` // it was meant well
		p, err = Parse([]byte(text))
	}
	if err != nil {
		c.t.Fatalf("Parse(%s): %v", text, err)
	}
	m := &member{text, p, plainParse(text), map[*happening]bool{}}
	c.known = append(c.known, m)
	return m
}

func (c *crowd) anEvent() *happening {
	if len(c.events) > 0 && c.IntN(4) == 0 {
		return c.events[c.IntN(len(c.events))]
	}
	e := &happening{c.inventor.event(), map[string][]plainLeaf{}}
	for _, l := range plainLeaves(e.text) {
		e.leaves[l.path] = append(e.leaves[l.path], l)
	}
	c.events = append(c.events, e)
	return e
}

func (c *crowd) add(key int, m *member) {
	c.set.Add(key, m.pattern)
	if len(c.members[key]) == 0 {
		c.keys = append(c.keys, key)
	}
	c.members[key] = append(c.members[key], m)
}

func (c *crowd) remove(key int) {
	c.set.Remove(key)
	delete(c.members, key)
	c.keys = slices.DeleteFunc(c.keys, func(k int) bool { return k == key })
}

func (c *crowd) match(e *happening) {
	c.t.Helper()
	var want []int
	for _, key := range c.keys {
		for _, m := range c.members[key] {
			if c.alone(m, e) {
				want = append(want, key)
				break
			}
		}
	}
	c.matches += len(want)

	before := []int{-1, -2}[:c.IntN(3)]
	c.buffer = append(c.buffer[:0], e.text...)
	got, err := c.set.Match(c.buffer, append(c.got[:0], before...))
	c.got = got
	if err != nil || !slices.Equal(got, slices.Concat(before, want)) {
		c.t.Fatalf("Match(%s) = %v, %v, want %v and then %v%s", e.text, got, err, before, want, c.blame(got[min(len(before), len(got)):], want))
	}
	if string(c.buffer) != e.text {
		c.t.Fatalf("Match changed the event %s to %s", e.text, c.buffer)
	}
}

// alone tells whether a pattern matches by itself, as the reference has it.
func (c *crowd) alone(m *member, e *happening) bool {
	if want, ok := m.verdicts[e]; ok {
		return want
	}
	want := m.plain.matches(e)
	m.verdicts[e] = want
	if got, err := m.pattern.Match([]byte(e.text)); err != nil || got != want {
		c.t.Fatalf("match(%s, %s) = %v, %v, want %v", m.text, e.text, got, err, want)
	}
	return want
}

// blame lists the patterns of the keys that are too many or too few.
func (c *crowd) blame(got, want []int) string {
	var b strings.Builder
	for _, key := range got {
		if !slices.Contains(want, key) {
			fmt.Fprintf(&b, "\n%d should not match:", key)
			for _, m := range c.members[key] {
				b.WriteString(" " + m.text)
			}
		}
	}
	for _, key := range want {
		if !slices.Contains(got, key) {
			fmt.Fprintf(&b, "\n%d should match:", key)
			for _, m := range c.members[key] {
				b.WriteString(" " + m.text)
			}
		}
	}
	fmt.Fprintf(&b, "\n%d keys, %d patterns so far", len(c.keys), len(c.known))
	return b.String()
}

// matches is plainMatch, without the leaves that nobody asks for.
func (p plainPattern) matches(e *happening) bool {
	return slices.ContainsFunc(p, func(fields map[string][]any) bool {
		paths := slices.Sorted(maps.Keys(fields))
		var leaves []plainLeaf
		for _, path := range paths {
			leaves = append(leaves, e.leaves[path]...)
		}
		return plainChoose(leaves, fields, paths, map[int]int{})
	})
}

// TestMatchWhileTheSetChanges matches in some goroutines while others add and
// remove. What a Match returns must be the truth of some moment between its
// beginning and its end, and no earlier one than a Match before has seen.
func TestMatchWhileTheSetChanges(t *testing.T) {
	set := NewSet[int]()
	var all sync.WaitGroup
	for w := range 2 {
		h := newHistory(t, set, w)
		all.Go(func() { h.unfold(t) })
	}
	all.Wait()
}

// A history is a sequence of changes to a Set, and the truth after each of them.
// Several of them may share a Set: keys and events are their own.
type history struct {
	set     *Set[int]
	changes []change
	events  []string
	truth   [][][]int // by the number of changes, by event

	begun, done atomic.Int64 // changes
}

type change struct {
	key     int
	pattern *Pattern // to be added, nil to remove the key
}

func newHistory(t *testing.T, set *Set[int], w int) *history {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(w), 11))
	mine := strconv.Itoa(w)
	h := &history{set: set, events: []string{
		`{"w":"` + mine + `","a":"x"}`, `{"tick":{"x":1},"w":"` + mine + `","a":["y","xy"],"b":1,"tick":[{"y":1}]}`, `{"w":"` + mine + `","a":7,"b":null}`,
	}}
	texts := []string{
		`{"w":["` + mine + `"]}`, `{"w":["` + mine + `"],"a":["x"]}`, `{"w":["` + mine + `"],"a":["x","y"]}`,
		`{"w":["` + mine + `"],"a":[{"prefix":"x"}]}`, `{"w":["` + mine + `"],"a":[{"anything-but":"x"}]}`,
		`{"w":["` + mine + `"],"a":[{"numeric":[">",5]}]}`, `{"w":["` + mine + `"],"b":[{"exists":false}]}`,
	}
	var keys []int
	members := map[int][]string{}
	verdicts := map[[2]string]bool{}
	matches := func(text, event string) bool {
		ok, known := verdicts[[2]string{text, event}]
		if !known {
			ok = plainMatch(text, event)
			verdicts[[2]string{text, event}] = ok
		}
		return ok
	}
	note := func(c change, text string) {
		h.changes = append(h.changes, c)
		if c.pattern == nil {
			keys = slices.DeleteFunc(keys, func(k int) bool { return k == c.key })
			delete(members, c.key)
		} else {
			if len(members[c.key]) == 0 {
				keys = append(keys, c.key)
			}
			members[c.key] = append(members[c.key], text)
		}
		truth := make([][]int, len(h.events))
		for i, e := range h.events {
			for _, k := range keys {
				if slices.ContainsFunc(members[k], func(text string) bool { return matches(text, e) }) {
					truth[i] = append(truth[i], k)
				}
			}
		}
		h.truth = append(h.truth, truth)
	}
	h.truth = append(h.truth, make([][]int, len(h.events)))
	first := w * 10_000
	for tick := range 200 {
		// The ticks make each moment unlike the one before, and ask for a field
		// that nobody has asked for.
		text := fmt.Sprintf(`{"w":[%q],"tick":{"%d":[{"exists":false}]}}`, mine, tick)
		note(change{first + 100 + tick, parse(t, text)}, text)
		if key := first + r.IntN(6); r.IntN(3) == 0 {
			note(change{key: key}, "")
		} else {
			text := texts[r.IntN(len(texts))]
			note(change{key, parse(t, text)}, text)
		}
		if tick > 2 {
			note(change{key: first + 100 + tick - 3}, "")
		}
	}
	return h
}

// unfold makes the changes while readers watch. From time to time it waits until
// each of them has looked again, so that they do watch.
func (h *history) unfold(t *testing.T) {
	const readers = 2
	var looks [readers]atomic.Int64
	var over, failed atomic.Bool
	var watching sync.WaitGroup
	for i := range looks {
		watching.Go(func() {
			var got []int
			since := int64(0)
			for n := i; !over.Load(); n++ {
				var err error
				if got, since, err = h.look(n%len(h.events), got, since); err != nil {
					t.Error(err)
					failed.Store(true)
					return
				}
				looks[i].Add(1)
				runtime.Gosched()
			}
		})
	}
	for i, c := range h.changes {
		h.begun.Store(int64(i + 1))
		if c.pattern == nil {
			h.set.Remove(c.key)
		} else {
			h.set.Add(c.key, c.pattern)
		}
		h.done.Store(int64(i + 1))
		runtime.Gosched()
		for j := range looks {
			// The first may have begun before the change, the second has not.
			for before := looks[j].Load(); i%3 == 0 && looks[j].Load() < before+2 && !failed.Load(); {
				runtime.Gosched()
			}
		}
	}
	over.Store(true)
	watching.Wait()
	if _, _, err := h.look(0, nil, int64(len(h.changes))); err != nil {
		t.Error(err)
	}
}

// look matches one event and returns the earliest moment, not before since, at
// which what it got was true.
func (h *history) look(event int, dst []int, since int64) (got []int, moment int64, err error) {
	since = max(since, h.done.Load())
	got, err = h.set.Match([]byte(h.events[event]), dst[:0])
	until := h.begun.Load()
	if err != nil {
		return nil, 0, err
	}
	for moment = since; moment <= until; moment++ {
		if slices.Equal(got, h.truth[moment][event]) {
			return got, moment, nil
		}
	}
	return nil, 0, fmt.Errorf("match(%s) = %v, which was never true from change %d (%v) to change %d (%v)",
		h.events[event], got, since, h.truth[since][event], until, h.truth[until][event])
}

// TestMatchWaitsForNoLock holds every lock of a Set, as if somebody were in the
// middle of Add for good: Match goes on with what there is. The first Match of
// all is another matter, since it builds the index.
func TestMatchWaitsForNoLock(t *testing.T) {
	set := NewSet[string]()
	set.Add("x", parse(t, `{"a":["x"]}`))
	set.Add("y", parse(t, `{"a":["y"]}`))
	event := []byte(`{"a":"x"}`)
	if _, err := set.Match(event, nil); err != nil {
		t.Fatal(err)
	}
	set.Add("z", parse(t, `{"a":[{"prefix":"x"}]}`))
	set.Remove("x")
	held := locks(reflect.ValueOf(set).Elem())
	if len(held) == 0 {
		t.Fatal("no lock of the Set was found: this proves nothing")
	}
	for _, l := range held {
		l.Lock()
		defer l.Unlock()
	}
	matched := make(chan []string, 1)
	go func() {
		got, _ := set.Match(event, nil)
		matched <- got
	}()
	select {
	case got := <-matched:
		if !slices.Equal(got, []string{"z"}) {
			t.Errorf("Match = %v, want z", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("Match waits for a lock")
	}
}

// locks returns the locks among the fields of a struct, whatever their names.
func locks(v reflect.Value) []sync.Locker {
	var all []sync.Locker
	for _, f := range v.Fields() {
		switch l := reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Interface().(type) {
		case *sync.Mutex:
			all = append(all, l)
		case *sync.RWMutex:
			all = append(all, l)
		default:
			if f.Kind() == reflect.Struct {
				all = append(all, locks(f)...)
			}
		}
	}
	return all
}
