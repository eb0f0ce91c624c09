package pattern

import (
	"encoding/binary"
	"strings"
)

// A catalogue is what the patterns of a Set are made of, every part there once
// and with a number, so that machines are built by counting and not by comparing.
// Only one goroutine may add to it. The numbers never change.
type catalogue struct {
	tree   *tree
	shapes numbered[string] // the numbers of their fields, four bytes each
	fields [][]int32        // by shape

	tests    numbered[testKey]
	allTests []test
	checks   []int32 // by test, for the builder: none while nothing is built

	terms    numbered[term]
	allTerms []term
	postings []int32 // by term, for the builder: none while nothing is built
}

// A test is a list that a field has to match.
type test struct {
	field int32
	list  *list
	terms []int32 // any of which has to be met, if only because the list must then be tried
	late  []int32 // terms that tell for certain, in the place of trying, but are slow to look up
}

type testKey struct {
	field int32
	list  string // as written
}

// A term is what can be looked up about a field: that it is missing, or has a
// value at all, or one of a kind, or a certain string or number.
type term struct {
	field int32
	about about
	text  string
	value float64
}

type about uint8

// The kinds come first, by their own numbers.
const (
	aboutAny about = about(kindString) + 1 + iota
	aboutAbsent
	aboutString
	aboutNumber

	// What follows is found by a lookup; text is as that has it.
	aboutLookedUp
	aboutFolded
	aboutPrefix
	aboutSuffix
	aboutFoldedPrefix
	aboutFoldedSuffix
	aboutAddress
)

// A rule is a conjunction on its way to its owner: tests for the fields of a shape.
type rule struct {
	owner int32
	shape int32
	tests []int32
}

// numbered gives numbers to things, the same to equal ones.
type numbered[T comparable] map[T]int32

// number returns the number of t, and whether it is a new one.
func (n numbered[T]) number(t T) (id int32, added bool) {
	id, ok := n[t]
	if !ok {
		id = int32(len(n))
		n[t] = id
	}
	return id, !ok
}

func newCatalogue() *catalogue {
	return &catalogue{tree: newTree(), shapes: numbered[string]{}, tests: numbered[testKey]{}, terms: numbered[term]{}}
}

// rules appends what makes owner match what p matches.
func (c *catalogue) rules(dst []rule, owner int32, p *Pattern) []rule {
	for _, conjunction := range p.all {
		fields, lists := make([]int32, len(conjunction)), make([]*list, len(conjunction))
		for i, f := range conjunction {
			fields[i], lists[i] = c.tree.field(f.path), f.list
		}
		dst = append(dst, c.rule(owner, fields, lists))
	}
	return dst
}

func (c *catalogue) rule(owner int32, fields []int32, lists []*list) rule {
	r := rule{owner: owner, tests: make([]int32, len(fields))}
	var buf [64]byte
	key := buf[:0]
	for i, f := range fields {
		key = binary.LittleEndian.AppendUint32(key, uint32(f))
		r.tests[i] = c.test(f, lists[i])
	}
	shape, ok := c.shapes[string(key)]
	if !ok {
		shape = int32(len(c.shapes))
		c.shapes[string(key)] = shape
		c.fields = append(c.fields, fields)
	}
	r.shape = shape
	return r
}

// mostlyUnusedBy tells whether rules need less than half of the tests.
func (c *catalogue) mostlyUnusedBy(rules []rule) bool {
	used := 0
	seen := make([]bool, len(c.allTests))
	for _, r := range rules {
		for _, test := range r.tests {
			if !seen[test] {
				seen[test] = true
				used++
			}
		}
	}
	return used < len(seen)/2
}

// only returns a catalogue of these rules alone, and changes their numbers to its own.
func (c *catalogue) only(rules []rule) *catalogue {
	paths := make([]string, len(c.tree.fields))
	for path, field := range c.tree.fields {
		paths[field] = path
	}
	fresh := newCatalogue()
	for i, r := range rules {
		fields, lists := make([]int32, len(r.tests)), make([]*list, len(r.tests))
		for n, id := range r.tests {
			t := &c.allTests[id]
			fields[n], lists[n] = fresh.tree.field(paths[t.field]), t.list
		}
		rules[i] = fresh.rule(r.owner, fields, lists)
	}
	return fresh
}

func (c *catalogue) test(field int32, l *list) int32 {
	id, added := c.tests.number(testKey{field, l.text})
	if added {
		c.checks = append(c.checks, none)
		c.allTests = append(c.allTests, test{field, l, c.numbersOf(field, l.terms()), c.numbersOf(field, l.lookedUp())})
	}
	return id
}

// numbersOf returns the numbers of a field's terms.
func (c *catalogue) numbersOf(field int32, terms []term) []int32 {
	if len(terms) == 0 {
		return nil
	}
	all := make([]int32, len(terms))
	for i, t := range terms {
		t.field = field
		id, added := c.terms.number(t)
		if added {
			c.allTerms = append(c.allTerms, t)
			c.postings = append(c.postings, none)
		}
		all[i] = id
	}
	return all
}

// terms returns those without any of which a leaf does not match the list.
func (l *list) terms() []term {
	var all []term
	if l.absent {
		all = append(all, term{about: aboutAbsent})
	}
	kinds := l.kinds | l.tried()
	if kinds == everyKind {
		return append(all, term{about: aboutAny})
	}
	for k := kindNull; k <= kindString; k++ {
		if kinds.has(k) {
			all = append(all, term{about: about(k)})
		}
	}
	if !kinds.has(kindString) {
		for _, s := range l.strings {
			all = append(all, term{about: aboutString, text: s})
		}
	}
	if !kinds.has(kindNumber) {
		for _, n := range l.numbers {
			all = append(all, term{about: aboutNumber, value: n})
		}
	}
	return all
}

// A tree is all paths that patterns ask about.
type tree struct {
	root      *node
	fields    numbered[string]
	published bool // events are read with the nodes there are: they must not change
}

func newTree() *tree { return &tree{root: newNode(), fields: numbered[string]{}} }

// publish returns the tree as it is now, and how many fields it has. From now on
// a new path makes new nodes.
func (t *tree) publish() (root *node, fields int) {
	t.published = true
	return t.root, len(t.fields)
}

// field returns the number of the field at path, making one if need be.
func (t *tree) field(path string) int32 {
	id, added := t.fields.number(path)
	if !added {
		return id
	}
	if t.published {
		t.root = t.root.clone()
	}
	n := t.root
	for key := range strings.SplitSeq(path, ".") {
		n = n.add(key, t.published)
	}
	n.field = id
	return id
}
