package lint

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin/pattern"
)

// A node is a value in the text of a pattern.
type node struct {
	place
	end      int // offset after it
	kind     byte
	text     string // of a string, decoded; of a number as it is spelled
	members  []member
	elements []*node
}

// The kinds of nodes.
const (
	isObject = '{'
	isArray  = '['
	isString = '"'
	isNumber = '0'
	isBool   = 't'
	isNull   = 'n'
)

type member struct {
	place // of the key
	key   string
	value *node
}

// is reports whether it is an object with that key alone, which is how operators
// are written, and returns the operator's argument.
func (n *node) is(operator string) (argument *node, ok bool) {
	if n.kind != isObject || len(n.members) != 1 || n.members[0].key != operator {
		return nil, false
	}
	return n.members[0].value, true
}

// A reader reads the text of a pattern, which is known to be one, with the places
// of everything in it.
type reader struct {
	*json.Decoder
	text []byte
}

func (r *reader) next() (t json.Token, start int) {
	start = int(r.InputOffset())
	t, err := r.Token()
	if err != nil {
		return nil, start // cannot be: it was parsed
	}
	for start < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[start]) >= 0 {
		start++
	}
	return t, start
}

func (r *reader) value(path string) *node {
	t, start := r.next()
	n := &node{place: place{path, start}}
	switch t := t.(type) {
	case json.Delim:
		n.kind = byte(t)
		if t == '{' {
			r.object(n)
		} else {
			r.array(n)
		}
	case string:
		n.kind, n.text = isString, t
	case json.Number:
		n.kind, n.text = isNumber, t.String()
	case bool:
		n.kind, n.text = isBool, strconv.FormatBool(t)
	default:
		n.kind = isNull
	}
	n.end = int(r.InputOffset())
	return n
}

func (r *reader) object(n *node) {
	for r.More() {
		t, start := r.next()
		key, _ := t.(string)
		at := place{n.path + pathKey(key), start}
		n.members = append(n.members, member{at, key, r.value(at.path)})
	}
	r.next()
}

func (r *reader) array(n *node) {
	for r.More() {
		n.elements = append(n.elements, r.value(n.path+"["+strconv.Itoa(len(n.elements))+"]"))
	}
	r.next()
}

// pathKey writes one object key the way a JSON path does.
func pathKey(key string) string {
	plain := key != "" && strings.IndexFunc(key, func(r rune) bool {
		return r != '-' && r != '_' && r != '$' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
	if plain {
		return "." + key
	}
	return "[" + strconv.Quote(key) + "]"
}

// A leaf is a list of the pattern, and the dotted path of what it is about.
type leaf struct {
	place // of the key
	name  string
	list  *node
	alone *pattern.Pattern // the list over the field "x" alone
	known map[string]bool  // what it accepts, as far as it was asked
	in    int              // how many combinations it is in
}

// A combo is a set of leaves that have to hold together: one branch of each $or.
type combo []*leaf

func (c combo) at(name string) *leaf {
	for _, f := range c {
		if f.name == name {
			return f
		}
	}
	return nil
}

// An override is a leaf that another, later in the text, replaces.
type override struct{ old, by *leaf }

// read makes the tree, the leaves and the combinations of the text.
func (l *linter) read() {
	r := reader{json.NewDecoder(bytes.NewReader(l.text)), l.text}
	r.UseNumber()
	l.root = r.value("$")
	l.combos = l.object([]combo{{}}, l.root, "", 0)
	for _, c := range l.combos {
		for _, f := range c {
			f.in++
		}
	}
}

// object adds the leaves of an object to all combinations, in the order of the
// text.
func (l *linter) object(all []combo, n *node, name string, depth int) []combo {
	for _, m := range n.members {
		below := m.key
		if depth > 0 {
			below = name + "." + m.key
		}
		switch {
		case m.key == "$or":
			all = l.or(all, m.value, name, depth)
		case m.value.kind == isObject:
			all = l.object(all, m.value, below, depth+1)
		default:
			f := &leaf{place: m.place, name: below, list: m.value}
			l.leaves = append(l.leaves, f)
			for i := range all {
				all[i] = l.set(all[i], f)
			}
		}
	}
	return all
}

func (l *linter) or(all []combo, n *node, name string, depth int) []combo {
	var product []combo
	for _, branch := range n.elements {
		copies := make([]combo, len(all))
		for i := range all {
			copies[i] = slices.Clone(all[i])
		}
		product = append(product, l.object(copies, branch, name, depth)...)
	}
	return product
}

// set adds a leaf. Of two for one path the later is the one that counts.
func (l *linter) set(c combo, f *leaf) combo {
	for i := range c {
		if c[i].name == f.name {
			if o := (override{c[i], f}); len(l.overrides) == 0 || l.overrides[len(l.overrides)-1] != o {
				l.overrides = append(l.overrides, o)
			}
			c[i] = f
			return c
		}
	}
	return append(c, f)
}

// raw is a node as it is written.
func (l *linter) raw(n *node) string { return string(l.text[n.offset:n.end]) }

// accepts reports whether a leaf by itself matches a value, given as JSON.
func (l *linter) accepts(f *leaf, value string) bool {
	if known, ok := f.known[value]; ok {
		return known
	}
	if f.alone == nil {
		f.alone, f.known = l.small(l.raw(f.list)), map[string]bool{}
	}
	f.known[value] = l.matches(f.alone, value)
	return f.known[value]
}

// small is the pattern of a list over the field "x".
func (l *linter) small(list string) *pattern.Pattern {
	p, err := pattern.Parse([]byte(`{"x":` + list + `}`))
	if err != nil {
		return &pattern.Pattern{} // cannot be: it is part of a pattern
	}
	return p
}

// matches tries a small pattern on a value, as long as the budget lasts.
func (l *linter) matches(p *pattern.Pattern, value string) bool {
	if l.budget--; l.budget < 0 {
		return false
	}
	ok, err := p.Match([]byte(`{"x":` + value + `}`))
	return ok && err == nil
}

// someString is one that no pattern is written for.
const someString = `"x.q7-zv"`

// open reports whether a leaf takes any string, but perhaps some.
func (l *linter) open(f *leaf) bool { return f == nil || l.accepts(f, someString) }

// takes is accepts of a string, for a leaf that may not be there.
func (l *linter) takes(f *leaf, s string) bool { return f == nil || l.accepts(f, quote(s)) }

// strings are the plain strings of a leaf's list.
func (f *leaf) strings() []*node {
	if f == nil {
		return nil
	}
	var all []*node
	for _, a := range f.list.elements {
		if a.kind == isString {
			all = append(all, a)
		} else if exactly, ok := a.is("exactly"); ok {
			all = append(all, exactly)
		}
	}
	return all
}

// absentOnly reports whether a list asks for nothing but absence.
func (f *leaf) absentOnly() bool {
	for _, a := range f.list.elements {
		if e, ok := a.is("exists"); !ok || e.text != "false" {
			return false
		}
	}
	return true
}

func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return `""` // cannot be: every string has a form in JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// shown is a text in quotes, cut if it is long.
func shown(s string) string {
	const most = 100
	if r := []rune(s); len(r) > most {
		return quote(string(r[:most])) + "…"
	}
	return quote(s)
}
