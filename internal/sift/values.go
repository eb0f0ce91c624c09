package sift

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
)

// A Span is a part of a text.
type Span struct{ From, To int }

// Values are the places in an event, which is valid JSON, of the values at a dotted
// path, in order. Paths are those of patterns: arrays do not appear in them, so that
// there may be several values, and a key with a dot is the same as two keys. A value
// is never an array, but those in it; an object is one, {} too.
func Values(event []byte, path string) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		w := walker{text: event, yield: yield}
		w.value(0, path, true)
	}
}

// A walker walks over valid JSON.
type walker struct {
	text  []byte
	yield func(Span) bool
	done  bool
}

// value walks over the value at i and says where it ends. What is at path below it is
// yielded if wanted.
func (w *walker) value(i int, path string, wanted bool) int {
	i = w.space(i)
	switch w.text[i] {
	case '[':
		return w.array(i, path, wanted)
	case '{':
		if wanted && path != "" {
			return w.object(i, path)
		}
	}
	end := w.skip(i)
	if wanted && path == "" && !w.done {
		w.done = !w.yield(Span{i, end})
	}
	return end
}

func (w *walker) array(i int, path string, wanted bool) int {
	if i = w.space(i + 1); w.text[i] == ']' {
		return i + 1
	}
	for {
		i = w.space(w.value(i, path, wanted))
		if w.text[i] == ']' {
			return i + 1
		}
		i++ // the comma
	}
}

func (w *walker) object(i int, path string) int {
	if i = w.space(i + 1); w.text[i] == '}' {
		return i + 1
	}
	for {
		end := w.skip(i)
		rest, wanted := below(w.text[i:end], path)
		i = w.space(end) + 1 // the colon
		i = w.space(w.value(i, rest, wanted))
		if w.text[i] == '}' {
			return i + 1
		}
		i = w.space(i + 1) // the comma
	}
}

// below is what is left of path behind a key, which is in quotes.
func below(quoted []byte, path string) (rest string, ok bool) {
	key := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(key, '\\') >= 0 {
		var plain string
		if json.Unmarshal(quoted, &plain) != nil {
			return "", false // it was valid
		}
		key = []byte(plain)
	}
	if len(path) < len(key) || path[:len(key)] != string(key) {
		return "", false
	}
	if path = path[len(key):]; path == "" {
		return "", true
	}
	return path[1:], path[0] == '.' && path != "."
}

func (w *walker) space(i int) int {
	for i < len(w.text) && w.text[i] <= ' ' {
		i++
	}
	return i
}

// skip is the end of the value at i, without a look at what is in it.
func (w *walker) skip(i int) int {
	depth := 0
	for {
		switch w.text[i] {
		case '"':
			i = w.quote(i + 1)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			i++
			continue
		default:
			for i < len(w.text) && w.text[i] > ' ' && strings.IndexByte(",]}", w.text[i]) < 0 {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}

// quote is the place behind the quote that ends a string.
func (w *walker) quote(i int) int {
	for {
		i += bytes.IndexByte(w.text[i:], '"')
		slashes := 0
		for w.text[i-1-slashes] == '\\' {
			slashes++
		}
		i++
		if slashes%2 == 0 {
			return i
		}
	}
}

// AppendText appends a value as it is to be read in a column of a table: strings
// without quotes, everything else as compact JSON. Tabs, line breaks and other
// control characters are written as in JSON, and a backslash as two.
func AppendText(dst, value []byte) []byte {
	if value[0] == '{' {
		var b bytes.Buffer
		if json.Compact(&b, value) == nil {
			return append(dst, b.Bytes()...)
		}
	}
	if value[0] != '"' {
		return append(dst, value...)
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return append(dst, inner...)
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return append(dst, inner...) // it was valid
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			dst = append(dst, `\\`...)
		case c < ' ':
			dst = appendEscape(dst, rune(c))
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
