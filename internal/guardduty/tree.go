package guardduty

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
)

// A finding is read in one pass into a flat list of nodes, in the order of the
// text; a node knows where its subtree ends. That is one allocation a document,
// and a look-up touches only the members of one object. Names are compared
// without regard to case, so that all spellings of a finding read alike.

type kind uint8

const (
	absent kind = iota
	null
	boolean
	number
	text
	array
	object
)

// A node is one value of the document.
type node struct {
	keyFrom, keyTo uint32 // the member's name, without quotes and still escaped
	from, to       uint32 // the value; strings without quotes and still escaped
	next           int32  // the node after this one's subtree
	kind           kind
	plainKey       bool // nothing in the name needs work
	plain          bool // nothing in the string needs work: printable ASCII, no escapes
}

type tree struct {
	raw   []byte
	nodes []node
}

// maxDepth is encoding/json's own limit.
const maxDepth = 10000

// parse reads a JSON document. It checks the structure and leaves numbers and
// escapes to be checked by those who read them.
func parse(raw []byte) (value, bool) {
	if len(raw) > math.MaxInt32 {
		return value{}, false
	}
	// Every value but the first of its container follows a comma.
	most := 1 + bytes.Count(raw, []byte{','}) + bytes.Count(raw, []byte{'{'}) + bytes.Count(raw, []byte{'['})
	p := parser{raw: raw, nodes: make([]node, 0, most)}
	end := p.value(p.space(0), node{}, 0)
	if end < 0 || p.space(end) != len(raw) {
		return value{}, false
	}
	return value{t: &tree{raw, p.nodes}}, true
}

type parser struct {
	raw   []byte
	nodes []node
}

// space skips white space from i.
func (p *parser) space(i int) int {
	for i < len(p.raw) && (p.raw[i] == ' ' || p.raw[i] == '\n' || p.raw[i] == '\t' || p.raw[i] == '\r') {
		i++
	}
	return i
}

// value reads the value at i into n, which has the name already, and gives the
// place behind it, or -1.
func (p *parser) value(i int, n node, depth int) int {
	if i >= len(p.raw) || depth > maxDepth {
		return -1
	}
	at := len(p.nodes)
	p.nodes = append(p.nodes, n)
	var end int
	switch p.raw[i] {
	case '"':
		end = p.scalarString(i, &n)
	case '{':
		n.kind = object
		end = p.members(i, depth)
		n.from, n.to = uint32(i), uint32(max(end, 0))
	case '[':
		n.kind = array
		end = p.elements(i, depth)
		n.from, n.to = uint32(i), uint32(max(end, 0))
	default:
		end = p.word(i, &n)
	}
	if end < 0 {
		return -1
	}
	n.next = int32(len(p.nodes))
	p.nodes[at] = n
	return end
}

func (p *parser) scalarString(i int, n *node) int {
	end, plain := p.str(i)
	n.kind, n.plain = text, plain
	n.from, n.to = uint32(i+1), uint32(max(end-1, 0))
	return end
}

// str finds the end of the string that opens at i.
func (p *parser) str(i int) (end int, plain bool) {
	plain = true
	for j := i + 1; j < len(p.raw); j++ {
		switch c := p.raw[j]; {
		case c == '"':
			return j + 1, plain
		case c == '\\':
			plain = false
			j++
		case c < 0x20 || c >= 0x7f:
			plain = false
		}
	}
	return -1, false
}

func (p *parser) members(i, depth int) int {
	i = p.space(i + 1)
	if i < len(p.raw) && p.raw[i] == '}' {
		return i + 1
	}
	for i < len(p.raw) && p.raw[i] == '"' {
		end, plain := p.str(i)
		if end < 0 {
			return -1
		}
		n := node{keyFrom: uint32(i + 1), keyTo: uint32(end - 1), plainKey: plain}
		i = p.space(end)
		if i >= len(p.raw) || p.raw[i] != ':' {
			return -1
		}
		if i = p.value(p.space(i+1), n, depth+1); i < 0 {
			return -1
		}
		var done bool
		if i, done = p.separator(i, '}'); done {
			return i
		}
	}
	return -1
}

func (p *parser) elements(i, depth int) int {
	i = p.space(i + 1)
	if i < len(p.raw) && p.raw[i] == ']' {
		return i + 1
	}
	for {
		if i = p.value(i, node{}, depth+1); i < 0 {
			return -1
		}
		var done bool
		if i, done = p.separator(i, ']'); done {
			return i
		}
	}
}

// separator passes a comma, or ends the container: then done is true and the
// place is behind it, or -1.
func (p *parser) separator(i int, closing byte) (next int, done bool) {
	i = p.space(i)
	switch {
	case i >= len(p.raw):
		return -1, true
	case p.raw[i] == closing:
		return i + 1, true
	case p.raw[i] == ',':
		return p.space(i + 1), false
	}
	return -1, true
}

// word reads a number, true, false or null.
func (p *parser) word(i int, n *node) int {
	end := i
	for end < len(p.raw) && !delimits(p.raw[end]) {
		end++
	}
	n.from, n.to = uint32(i), uint32(end)
	switch w := p.raw[i:end]; {
	case string(w) == "null":
		n.kind = null
	case string(w) == "true", string(w) == "false":
		n.kind = boolean
	case isNumber(w):
		n.kind = number
	default:
		return -1
	}
	return end
}

func delimits(c byte) bool {
	return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == ':' || c == '"'
}

func isNumber(w []byte) bool {
	for _, c := range w {
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			return false
		}
	}
	return len(w) > 0
}

// A value is a place in a document. The zero value is absent, and everything
// within it is absent too.
type value struct {
	t *tree
	i int32
}

func (v value) ok() bool { return v.t != nil }

func (v value) node() node {
	if v.t == nil {
		return node{}
	}
	return v.t.nodes[v.i]
}

func (v value) kind() kind {
	if v.t == nil {
		return absent
	}
	return v.t.nodes[v.i].kind
}

// raw is the value as it stands in the document.
func (v value) raw() []byte {
	n := v.node()
	if n.kind == text {
		return v.t.raw[n.from-1 : n.to+1]
	}
	if v.t == nil {
		return nil
	}
	return v.t.raw[n.from:n.to]
}

// name is the value's name in its object.
func (v value) name() string {
	n := v.node()
	if v.t == nil {
		return ""
	}
	key := v.t.raw[n.keyFrom:n.keyTo]
	if n.plainKey {
		return string(key)
	}
	return clean(unescape(key))
}

// child is the first value within an array or object.
func (v value) child() value {
	if k := v.kind(); k != object && k != array {
		return value{}
	}
	if v.t.nodes[v.i].next == v.i+1 {
		return value{}
	}
	return value{v.t, v.i + 1}
}

// each calls do for every value within an array or object, until it returns
// false.
func (v value) each(do func(value) bool) {
	if k := v.kind(); k != object && k != array {
		return
	}
	end := v.t.nodes[v.i].next
	for i := v.i + 1; i < end; i = v.t.nodes[i].next {
		if !do(value{v.t, i}) {
			return
		}
	}
}

// list calls do for every element; what is not an array counts as its only
// element, since some senders unwrap arrays of one.
func (v value) list(do func(value) bool) {
	switch v.kind() {
	case array:
		v.each(do)
	case absent, null:
	default:
		do(v)
	}
}

// len is the number of elements that list would visit.
func (v value) len() (n int) {
	v.list(func(value) bool { n++; return true })
	return n
}

// get is the member of that name, in any spelling. Of an array it is the member
// of the first element, since some senders wrap single objects. Null is absent.
func (v value) get(name string) value {
	if v.kind() == array {
		v = v.child()
	}
	if v.kind() != object {
		return value{}
	}
	nodes := v.t.nodes
	end := nodes[v.i].next
	for i := v.i + 1; i < end; i = nodes[i].next {
		n := &nodes[i]
		if n.plainKey && int(n.keyTo-n.keyFrom) != len(name) {
			continue
		}
		if !(value{v.t, i}).named(name) {
			continue
		}
		if n.kind == null {
			return value{}
		}
		return value{v.t, i}
	}
	return value{}
}

func (v value) named(name string) bool {
	n := &v.t.nodes[v.i]
	key := v.t.raw[n.keyFrom:n.keyTo]
	if !n.plainKey {
		return strings.EqualFold(clean(unescape(key)), name)
	}
	for i, c := range key {
		d := name[i]
		if c == d {
			continue
		}
		if c|0x20 != d|0x20 || c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}

// at follows names from member to member.
func (v value) at(names ...string) value {
	for _, name := range names {
		v = v.get(name)
	}
	return v
}

// text is a string or a number or a truth as one line of text, without control
// characters and in valid UTF-8; of everything else it is "".
func (v value) text() string {
	n := v.node()
	switch n.kind {
	case text:
		s := v.t.raw[n.from:n.to]
		if n.plain {
			return string(bytes.TrimSpace(s))
		}
		return clean(unescape(s))
	case number, boolean:
		return string(v.t.raw[n.from:n.to])
	}
	return ""
}

// reads reports whether the value is the text want.
func (v value) reads(want string) bool {
	n := v.node()
	if n.kind == text && n.plain {
		return string(v.t.raw[n.from:n.to]) == want
	}
	return v.text() == want
}

// is reports whether the value is the text want in any case of letters.
func (v value) is(want string) bool {
	n := v.node()
	if n.kind == text && n.plain {
		return strings.EqualFold(string(v.t.raw[n.from:n.to]), want)
	}
	return strings.EqualFold(v.text(), want)
}

// texts are the texts in a list, without the empty ones, at most limit.
func (v value) texts(limit int) (all []string) {
	v.list(func(e value) bool {
		if s := e.text(); s != "" {
			all = append(all, s)
		}
		return len(all) < limit
	})
	return all
}

// float is a number, or a string that reads as one.
func (v value) float() (float64, bool) {
	switch v.kind() {
	case number, text:
		f, err := strconv.ParseFloat(strings.TrimSpace(v.text()), 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return 0, false
}

// int is float without its fraction, kept within int64.
func (v value) int() (int64, bool) {
	switch v.kind() {
	case number, text:
		if n, err := strconv.ParseInt(strings.TrimSpace(v.text()), 10, 64); err == nil {
			return n, true
		}
	}
	f, ok := v.float()
	switch {
	case !ok:
		return 0, false
	case f >= math.MaxInt64:
		return math.MaxInt64, true
	case f <= math.MinInt64:
		return math.MinInt64, true
	}
	return int64(f), true
}

// truth is a boolean, or a string or number that reads as one; known is false
// for everything else.
func (v value) truth() (yes, known bool) {
	switch v.kind() {
	case boolean, text, number:
		s := strings.ToLower(strings.TrimSpace(v.text()))
		switch s {
		case "true", "yes", "1":
			return true, true
		case "false", "no", "0":
			return false, true
		}
	}
	return false, false
}

// The forms in which senders write times besides RFC 3339.
var timeLayouts = [...]string{
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02",
}

// time is a time in ISO 8601 or in seconds or milliseconds since 1970, whole or
// not, as string or number. What cannot be read is the zero time.
func (v value) time() time.Time {
	k := v.kind()
	if k != text && k != number {
		return time.Time{}
	}
	s := v.text()
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return sane(t)
	}
	if f, ok := v.float(); ok {
		return epoch(f)
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return sane(t)
		}
	}
	return time.Time{}
}

// epoch takes numbers from 1e11 on for milliseconds; as seconds that would be
// the year 5138, as milliseconds it is 1973.
func epoch(f float64) time.Time {
	if f >= 1e11 {
		f /= 1000
	}
	if f <= 0 || f >= 1e11 {
		return time.Time{}
	}
	return sane(time.UnixMilli(int64(math.Round(f * 1000))))
}

// sane drops times that JSON cannot write.
func sane(t time.Time) time.Time {
	t = t.UTC()
	if t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}
	}
	return tocsin.Millis(t)
}

// unescape resolves the escapes of a JSON string. Escapes that are none stay.
func unescape(s []byte) []byte {
	if bytes.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'u':
			r, ok := hex4(s[i+1:])
			if !ok {
				out = utf8.AppendRune(out, utf8.RuneError)
				continue
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low, ok := lowSurrogate(s[i+1:])
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return out
}

func lowSurrogate(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	return hex4(s[2:])
}

func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s[:4]), 16, 16)
	return rune(n), err == nil
}
