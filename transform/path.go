package transform

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A step leads from a value to one in it: to a member, an element or all of both.
type step struct {
	name  string
	index int // of an element, or one of the below
}

const (
	byName = -1
	all    = -2
)

// maxIndex is more elements than any event has.
const maxIndex = 1 << 24

// parsePath reads $, $.a.b, $.a[0], $.a[*], $.* and, where quoted, $['a'].
func parsePath(text string, quoted bool) ([]step, error) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, fmt.Errorf("does not begin with $")
	}
	var path []step
	for rest != "" {
		s, size, err := parseStep(rest, quoted)
		if err != nil {
			return nil, fmt.Errorf("at %q: %w", rest, err)
		}
		path, rest = append(path, s), rest[size:]
	}
	return path, nil
}

// parseStep reads the step that text begins with and says how long it is.
func parseStep(text string, quoted bool) (step, int, error) {
	switch {
	case strings.HasPrefix(text, ".*"):
		return step{index: all}, 2, nil
	case text[0] == '.':
		name := text[1:]
		if end := strings.IndexFunc(name, notInName); end >= 0 {
			name = name[:end]
		}
		if name == "" {
			return step{}, 0, fmt.Errorf("a name is missing; only letters, digits, -, _ and / can be in one")
		}
		return step{name: name, index: byName}, 1 + len(name), nil
	case strings.HasPrefix(text, "[*]"):
		return step{index: all}, 3, nil
	case strings.HasPrefix(text, "['"), strings.HasPrefix(text, `["`):
		if !quoted {
			return step{}, 0, fmt.Errorf("EventBridge wants dot notation here")
		}
		name, _, ok := strings.Cut(text[2:], text[1:2]+"]")
		if !ok {
			return step{}, 0, fmt.Errorf("the quote or bracket is not closed")
		}
		return step{name: name, index: byName}, 2 + len(name) + 2, nil
	case text[0] == '[':
		digits, _, ok := strings.Cut(text[1:], "]")
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || n > maxIndex {
			return step{}, 0, fmt.Errorf("only [0], [1] … and [*] are understood")
		}
		return step{index: int(n)}, 2 + len(digits), nil
	}
	_, size := utf8.DecodeRuneInString(text)
	return step{}, 0, fmt.Errorf("%q is not understood", text[:size])
}

func notInName(r rune) bool {
	return r != '-' && r != '_' && r != '/' && !unicode.IsLetter(r) && !unicode.IsDigit(r) || r == utf8.RuneError
}

// A branch is where the paths of several variables have come to by the same steps.
type branch struct {
	names   []named
	indexes []indexed
	every   *branch
	ends    []int // variables whose path ends here
	many    []int // variables whose path goes through every, and so give arrays
}

type named struct {
	name string
	to   *branch
}

type indexed struct {
	index int
	to    *branch
}

// add adds the path of a variable.
func (b *branch) add(path []step, variable int) {
	for _, s := range path {
		if s.index == all {
			b.many = append(b.many, variable)
		}
		b = b.along(s)
	}
	b.ends = append(b.ends, variable)
}

// along is the branch that a step leads to, made if it is not there.
func (b *branch) along(s step) *branch {
	switch s.index {
	case all:
		if b.every == nil {
			b.every = &branch{}
		}
		return b.every
	case byName:
		for _, n := range b.names {
			if n.name == s.name {
				return n.to
			}
		}
		to := &branch{}
		b.names = append(b.names, named{s.name, to})
		return to
	}
	for _, i := range b.indexes {
		if i.index == s.index {
			return i.to
		}
	}
	to := &branch{}
	b.indexes = append(b.indexes, indexed{s.index, to})
	return to
}

// A variable is what a path found.
type variable struct {
	json []byte // minified; nil if there is nothing
	many bool   // an array is being gathered, not closed yet
}

// take notes a value that the path of v leads to.
func (v *variable) take(value []byte) {
	switch {
	case !v.many:
		v.json = value
	case len(v.json) <= MaxResult: // what is longer is not delivered anyway
		if len(v.json) > 1 {
			v.json = append(v.json, ',')
		}
		v.json = append(v.json, value...)
	}
}

// find gives what n variables are in a value, which is minified.
func (b *branch) find(value []byte, n int) []variable {
	found := make([]variable, n)
	b.visit(value, found)
	for i, v := range found {
		if v.many {
			found[i].json = append(found[i].json, ']')
		}
	}
	return found
}

func (b *branch) visit(value []byte, found []variable) {
	for _, v := range b.ends {
		found[v].take(value)
	}
	for _, v := range b.many {
		if !found[v].many {
			found[v] = variable{json: []byte{'['}, many: true}
		}
	}
	switch {
	case value[0] == '{' && (b.names != nil || b.every != nil):
		b.object(value, found)
	case value[0] == '[' && (b.indexes != nil || b.every != nil):
		b.array(value, found)
	}
}

func (b *branch) object(value []byte, found []variable) {
	last := make([][]byte, len(b.names))
	for key, member := range members(value) {
		for i, n := range b.names {
			if reads(key, n.name) {
				last[i] = member
			}
		}
		if b.every != nil {
			b.every.visit(member, found)
		}
	}
	for i, member := range last {
		if member != nil {
			b.names[i].to.visit(member, found)
		}
	}
}

func (b *branch) array(value []byte, found []variable) {
	at := 0
	for element := range elements(value) {
		for _, i := range b.indexes {
			if i.index == at {
				i.to.visit(element, found)
			}
		}
		if b.every != nil {
			b.every.visit(element, found)
		}
		at++
	}
}
