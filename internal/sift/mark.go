package sift

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/pattern"
)

// A Marker finds the values in an event that make it match a pattern: those at the
// paths of the pattern that are among what is listed there. In a $or these are
// looked for in the branches that match.
type Marker struct {
	leaves   []leaf
	branches []branch
}

// A leaf is a list in a pattern.
type leaf struct {
	path string
	list *pattern.Pattern // of {"value": …}
}

// A branch is one of a $or.
type branch struct {
	whole  *pattern.Pattern
	within Marker
}

// NewMarker makes a Marker for a pattern.
func NewMarker(p *pattern.Pattern) Marker {
	var m Marker
	m.read("", gjson.Parse(p.String()))
	return m
}

// read takes apart the object at path.
func (m *Marker) read(path string, object gjson.Result) {
	object.ForEach(func(key, value gjson.Result) bool {
		at := key.Str
		if path != "" {
			at = path + "." + at
		}
		switch {
		case value.IsObject():
			m.read(at, value)
		case key.Str == "$or":
			value.ForEach(func(_, one gjson.Result) bool {
				m.readBranch(path, one)
				return true
			})
		default:
			if list, err := pattern.Parse([]byte(under("value", value.Raw))); err == nil { // it was valid
				m.leaves = append(m.leaves, leaf{at, list})
			}
		}
		return true
	})
}

func (m *Marker) readBranch(path string, object gjson.Result) {
	text := object.Raw
	if path != "" {
		text = under(path, text)
	}
	whole, err := pattern.Parse([]byte(text))
	if err != nil {
		return // it is a part of a pattern that was valid; nothing of it is marked
	}
	b := branch{whole: whole}
	b.within.read(path, object)
	m.branches = append(m.branches, b)
}

// under is an object with one member.
func under(key, value string) string {
	quoted, err := json.Marshal(key)
	if err != nil {
		return value // cannot be: every string has a form in JSON
	}
	return `{` + string(quoted) + `:` + value + `}`
}

// Marks are the values in the Raw of an event that make it match the patterns, all
// of which it matches, sorted.
func Marks(f Find, of ...Marker) []Span {
	var marks []Span
	for _, m := range of {
		marks = m.append(marks, f)
	}
	slices.SortFunc(marks, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	return slices.Compact(marks)
}

func (m Marker) append(marks []Span, f Find) []Span {
	for _, l := range m.leaves {
		path := l.path
		if &f.Raw[0] != &f.Event[0] { // a finding in an envelope that was made for it
			var ok bool
			if path, ok = strings.CutPrefix(path, "detail."); !ok {
				continue
			}
		}
		for at := range Values(f.Raw, path) {
			value := f.Raw[at.From:at.To]
			if value[0] == '{' {
				continue // patterns are of what is in it
			}
			alone := slices.Concat([]byte(`{"value":`), value, []byte{'}'})
			if ok, err := l.list.Match(alone); ok && err == nil {
				marks = append(marks, at)
			}
		}
	}
	for _, b := range m.branches {
		if ok, err := b.whole.Match(f.Event); ok && err == nil {
			marks = b.within.append(marks, f)
		}
	}
	return marks
}
