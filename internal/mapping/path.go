package mapping

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// A Path leads to a value in a document, through JSON that is kept in texts too:
// Message^detail^severity.
//
//	path    = segment *( "^" segment )
//	segment = a key in its exact case, in which "^^" is a caret
//	        | an index into an array, from 0, or from the end if it is negative
//	        | "*", all elements of an array or all values of an object
//
// Where a path goes on behind a text that holds an object or an array as JSON, it
// goes on within. What is not there, null, or within what has no parts is missing,
// which is no error; an empty text is there.
type Path struct {
	text     string
	segments []segment
}

// A segment is one step of a path.
type segment struct {
	key   string
	index int
	isInt bool // index may be meant
	all   bool
}

// maxSegments bounds a path. No event is deeper than what is read of it.
const maxSegments = 64

// ParsePath reads the notation.
func ParsePath(text string) (Path, error) {
	p := Path{text: text}
	var key strings.Builder
	for i := 0; i <= len(text); i++ {
		switch {
		case strings.HasPrefix(text[min(i, len(text)):], "^^"):
			key.WriteByte('^')
			i++
		case i == len(text) || text[i] == '^':
			if key.Len() == 0 {
				return Path{}, emptySegment(text)
			}
			p.segments = append(p.segments, newSegment(key.String()))
			key.Reset()
		default:
			key.WriteByte(text[i])
		}
	}
	if len(p.segments) > maxSegments {
		return Path{}, fmt.Errorf("path of %d segments: want %d at most", len(p.segments), maxSegments)
	}
	return p, nil
}

func emptySegment(text string) error {
	if text == "" {
		return errors.New("path is empty")
	}
	return fmt.Errorf("path %q has an empty segment; a caret in a key is written ^^", text)
}

func newSegment(key string) segment {
	s := segment{key: key, all: key == "*"}
	if n, err := strconv.Atoi(key); err == nil && key[0] != '+' {
		s.index, s.isInt = n, true
	}
	return s
}

// String is the path as it was written.
func (p Path) String() string { return p.text }

// behind is the path without its first segment, if that is the key and not all of
// it.
func (p Path) behind(key string) (Path, bool) {
	if len(p.segments) < 2 || p.segments[0].key != key {
		return Path{}, false
	}
	return Path{text: p.text, segments: p.segments[1:]}, true
}

// Text is what is at the path, as text: a text as it is, a number as it is written
// without the zeros that end its fraction (8.0 is 8), true or false, an object or
// an array as compact JSON, and several values joined with ", ". ok is false if it
// is missing.
func (p Path) Text(d *Document) (text string, ok bool) {
	values := p.Texts(d)
	if len(values) == 0 {
		return "", false
	}
	return strings.Join(values, ", "), true
}

// Texts are the values at the path, each as [Path.Text] writes it: more than one
// only where the path has a "*".
func (p Path) Texts(d *Document) []string {
	var texts []string
	d.walk(d.root, p.segments, func(v gjson.Result) {
		if text, ok := textOf(v); ok {
			texts = append(texts, text)
		}
	})
	return texts
}

// walk calls found with what is at the segments within v. What is missing is not
// called for; null is.
func (d *Document) walk(v gjson.Result, segments []segment, found func(gjson.Result)) {
	if len(segments) == 0 {
		found(v)
		return
	}
	if v.Type == gjson.String {
		v = d.within(v)
	}
	s := segments[0]
	switch {
	case v.IsObject() && s.all:
		for _, inner := range byKey(v) {
			d.walk(inner, segments[1:], found)
		}
	case v.IsObject():
		if inner, ok := member(v, s.key); ok {
			d.walk(inner, segments[1:], found)
		}
	case v.IsArray() && s.all:
		v.ForEach(func(_, inner gjson.Result) bool {
			d.walk(inner, segments[1:], found)
			return true
		})
	case v.IsArray() && s.isInt:
		if inner, ok := element(v, s.index); ok {
			d.walk(inner, segments[1:], found)
		}
	}
}

// member is the value of a key, the last where there are several.
func member(v gjson.Result, key string) (found gjson.Result, ok bool) {
	v.ForEach(func(k, inner gjson.Result) bool {
		if k.Str == key {
			found, ok = inner, true
		}
		return true
	})
	return found, ok
}

// byKey are the values of an object in the order of their keys.
func byKey(v gjson.Result) []gjson.Result {
	members := map[string]gjson.Result{}
	v.ForEach(func(k, inner gjson.Result) bool {
		members[k.Str] = inner
		return true
	})
	all := make([]gjson.Result, 0, len(members))
	for _, key := range slices.Sorted(maps.Keys(members)) {
		all = append(all, members[key])
	}
	return all
}

// element is the element at an index, counted from the end if it is negative.
func element(v gjson.Result, index int) (found gjson.Result, ok bool) {
	if index < 0 {
		n := 0
		v.ForEach(func(_, _ gjson.Result) bool { n++; return true })
		index += n
	}
	i := 0
	v.ForEach(func(_, inner gjson.Result) bool {
		if i == index {
			found, ok = inner, true
		}
		i++
		return !ok
	})
	return found, ok
}
