package importer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Node is a value of the old file as it is spelled there, and where. YAML, JSON
// and Terraform's language are all read into nodes. A nil Node is one that is not
// there: its methods give what there is nothing of.
type Node struct {
	File         string
	Line, Column int // from 1
	Kind         Kind
	// Text is that of a scalar: what is within the quotes, or digits as they are
	// spelled, so that 012345678901 keeps its zero. Of an Expression it is the
	// expression.
	Text    string
	Quoted  bool
	Tag     string // of YAML, such as !Sub
	Entries []*Entry
	Items   []*Node
	// byKey has the entries as well, where they are many: a file may have a hundred
	// thousand keys, each of which is looked for before it is added.
	byKey map[string]*Entry
	// raw is the JSON that it was read from, if it was.
	raw []byte
	// whole says that all of it was taken, whatever is in it.
	whole bool
}

// Kind is what a node is.
type Kind int

// The kinds. A Word is a scalar without quotes: text, or a number, or true.
const (
	Null Kind = iota
	Word
	String
	List
	Mapping
	Expression // of Terraform, whose value is not in the file
)

func (k Kind) String() string {
	return [...]string{"nothing", "a word", "text", "a list", "a mapping", "an expression"}[k]
}

// An Entry is a key of a mapping, with its value and place.
type Entry struct {
	Key          string
	Line, Column int
	Value        *Node
	asked        bool
}

// Is reports whether the node is there and of that kind.
func (n *Node) Is(k Kind) bool { return n != nil && n.Kind == k }

// At is the value of a key, or nil. From then on the key is none of the
// [Draft.Leftovers].
func (n *Node) At(key string) *Node {
	if e := n.entry(key); e != nil {
		e.asked = true
		return e.Value
	}
	return nil
}

// First is the value of the first of the keys that is there.
func (n *Node) First(keys ...string) *Node {
	for _, key := range keys {
		if v := n.At(key); v != nil {
			return v
		}
	}
	return nil
}

// Has reports whether there is such a key, without asking for it.
func (n *Node) Has(key string) bool { return n.entry(key) != nil }

func (n *Node) entry(key string) *Entry {
	if n == nil {
		return nil
	}
	if n.byKey != nil {
		return n.byKey[key]
	}
	i := slices.IndexFunc(n.Entries, func(e *Entry) bool { return e.Key == key })
	if i < 0 {
		return nil
	}
	return n.Entries[i]
}

// add adds an entry of another key than those that are there.
func (n *Node) add(e *Entry) {
	const few = 32
	n.Entries = append(n.Entries, e)
	switch {
	case n.byKey != nil:
		n.byKey[e.Key] = e
	case len(n.Entries) > few:
		n.byKey = make(map[string]*Entry, len(n.Entries))
		for _, e := range n.Entries {
			n.byKey[e.Key] = e
		}
	}
}

// Each gives the entries in order, all of them asked for.
func (n *Node) Each(yield func(key string, e *Entry)) {
	if n == nil {
		return
	}
	for _, e := range n.Entries {
		e.asked = true
		yield(e.Key, e)
	}
}

// List are the items of a list, or the node itself where it is a single one.
func (n *Node) List() []*Node {
	switch {
	case n == nil || n.Kind == Null:
		return nil
	case n.Kind == List:
		return n.Items
	}
	return []*Node{n}
}

// Take asks for all that is in the node.
func (n *Node) Take() *Node {
	if n != nil {
		n.whole = true
	}
	return n
}

// Scalar is the text of a word or of a string; "" where there is none.
func (n *Node) Scalar() string {
	if n == nil || n.Kind != Word && n.Kind != String {
		return ""
	}
	return n.Text
}

// Str is the text of a key; "" if it is not there. An error says that it is no
// text.
func (n *Node) Str(key string) (string, error) {
	v := n.At(key)
	if v == nil || v.Kind == Null {
		return "", nil
	}
	if v.Kind != Word && v.Kind != String {
		return "", Failure(v, "%s is %s, want text", key, v.Kind)
	}
	return v.Text, nil
}

// True reports whether the node says true as YAML 1.1 and JSON spell it.
func (n *Node) True() bool {
	switch strings.ToLower(n.Scalar()) {
	case "true", "yes", "on":
		return true
	}
	return false
}

// Where is "line 12 of main.yml", for comments.
func (n *Node) Where() string { return fmt.Sprintf("%s:%d", n.File, n.Line) }

// JSON is the value as JSON: the very bytes where it was read from JSON, and
// otherwise with numbers as they are spelled. All of it is asked for.
func (n *Node) JSON() ([]byte, error) {
	n.Take()
	if n != nil && n.raw != nil {
		return n.raw, nil
	}
	var b bytes.Buffer
	if err := n.appendJSON(&b); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b.Bytes(), "", "  "); err != nil {
		return nil, Failure(n, "%s", err)
	}
	return out.Bytes(), nil
}

func (n *Node) appendJSON(b *bytes.Buffer) error {
	switch {
	case n == nil || n.Kind == Null:
		b.WriteString("null")
	case n.Tag != "":
		return Failure(n, "%s is not known before the template is deployed; want the value itself", n.Tag)
	case n.Kind == Expression:
		return Failure(n, "%s is not in the file; want the value itself", n.Text)
	case n.Kind == Word && (n.Text == "true" || n.Text == "false" || n.isNumber()):
		b.WriteString(n.Text)
	case n.Kind == Word || n.Kind == String:
		b.Write(quoteJSON(n.Text))
	case n.Kind == List:
		b.WriteByte('[')
		for i, item := range n.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := item.appendJSON(b); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		b.WriteByte('{')
		for i, e := range n.Entries {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(quoteJSON(e.Key))
			b.WriteByte(':')
			if err := e.Value.appendJSON(b); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	}
	return nil
}

// isNumber knows a number of JSON. (encoding/json would take true and null too.)
func (n *Node) isNumber() bool {
	return n.Text != "" && strings.IndexByte("-0123456789", n.Text[0]) >= 0 && json.Valid([]byte(n.Text))
}

// lines tell where in a text something is. They are quick where what is asked for is
// near what was asked for before.
type lines struct {
	text             string
	at, line, column int // of the place that was last asked for, from 0
}

// place is the line and the column of an offset, from 1.
func (l *lines) place(offset int) (line, column int) {
	offset = min(max(offset, 0), len(l.text))
	if offset < l.at {
		l.line -= strings.Count(l.text[offset:l.at], "\n")
		start := strings.LastIndexByte(l.text[:offset], '\n') + 1
		l.at, l.column = offset, utf8.RuneCountInString(l.text[start:offset])
	}
	for l.at < offset {
		r, size := utf8.DecodeRuneInString(l.text[l.at:])
		l.at += size
		l.column++
		if r == '\n' {
			l.line, l.column = l.line+1, 0
		}
	}
	return l.line + 1, l.column + 1
}

func quoteJSON(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return []byte(`""`) // cannot be: every string has a form in JSON
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
