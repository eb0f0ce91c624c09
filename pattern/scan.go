package pattern

import (
	"bytes"
	"maps"
	"slices"
)

// A kind is what sort of JSON value a leaf is.
type kind uint8

const (
	kindNull kind = iota
	kindTrue
	kindFalse
	kindNumber
	kindString
)

// A leaf is one value of the event that some pattern asks about. The leaves of a
// field are chained in the order of the event.
type leaf struct {
	text  []byte // a string without quotes and escapes; a number as spelled
	kind  kind
	next  int32 // the field's next leaf, or -1
	trail int32 // the array elements around it, an index in scratch.trails

	numberState, addressState parseState
	value                     float64
	ip                        address
}

// A parseState remembers whether a leaf has been read as something else.
type parseState uint8

const (
	unread parseState = iota
	readable
	unreadable
)

func stateOf(ok bool) parseState {
	if ok {
		return readable
	}
	return unreadable
}

// number reads the leaf as a number that can be compared, once.
func (v *leaf) number() (float64, bool) {
	if v.numberState == unread {
		f, ok := comparableNumber(v.text)
		v.value, v.numberState = f, stateOf(ok)
	}
	return v.value, v.numberState == readable
}

// address reads the leaf as an IP address, once.
func (v *leaf) address() (address, bool) {
	if v.addressState == unread {
		a, ok := parseAddress(v.text)
		v.ip, v.addressState = a, stateOf(ok)
	}
	return v.ip, v.addressState == readable
}

// A trail is one element of one array, within the elements around that array.
// Only elements that are objects or arrays have trails: scalars side by side in
// an array may be combined. They are numbered in the order they begin in, so all
// that is within an array lies between its first and its end.
type trail struct {
	parent int32
	array  int32 // which array of the event
}

// A span is the trails within an array: from the first to before the end.
type span struct {
	first, end int32
}

// outermost is the trail of what is in no array.
const outermost int32 = 0

// A node is a place in the tree of all paths that patterns ask about.
type node struct {
	field int32 // the field at this path, or -1
	keys  []string
	nodes []*node
	index map[string]*node // instead of a search, where there are many keys
}

func newNode() *node { return &node{field: -1} }

// child returns the node one key below, or nil.
func (n *node) child(key []byte) *node {
	if n.index != nil {
		return n.index[string(key)]
	}
	for i, k := range n.keys {
		if len(key) == len(k) && string(key) == k {
			return n.nodes[i]
		}
	}
	return nil
}

// below follows an event's key with dots in it, which separate keys, too.
func (n *node) below(key []byte) *node {
	for n != nil {
		dot := bytes.IndexByte(key, '.')
		if dot < 0 {
			return n.child(key)
		}
		n, key = n.child(key[:dot]), key[dot+1:]
	}
	return nil
}

// add returns the node one key below, making it if need be, or a copy of it.
func (n *node) add(key string, copied bool) *node {
	to := n.child([]byte(key))
	switch {
	case to != nil && !copied:
		return to
	case to != nil:
		to = to.clone()
		n.nodes[slices.Index(n.keys, key)] = to
	default:
		to = newNode()
		n.keys = append(n.keys, key)
		n.nodes = append(n.nodes, to)
	}
	if n.index == nil && len(n.keys) > few {
		n.index = make(map[string]*node, len(n.keys))
		for i, k := range n.keys {
			n.index[k] = n.nodes[i]
		}
	}
	if n.index != nil {
		n.index[key] = to
	}
	return to
}

func (n *node) clone() *node {
	return &node{n.field, slices.Clone(n.keys), slices.Clone(n.nodes), maps.Clone(n.index)}
}

// scan reads the event once: it checks all of it and keeps the leaves that root
// asks for.
func (s *scratch) scan(root *node, event []byte) error {
	s.event = event
	i := skipSpace(event, 0)
	if i == len(event) || event[i] != '{' {
		return newError(event, i, "$", "the event is not a JSON object")
	}
	if i = s.object(i, root, outermost, 1); i < 0 {
		return newError(event, s.failedAt, "$", s.failure)
	}
	if i = skipSpace(event, i); i < len(event) {
		return newError(event, i, "$", "unexpected text after the event")
	}
	return nil
}

// fail notes what is wrong and returns the offset that stands for failure.
func (s *scratch) fail(i int, reason string) int {
	s.failedAt, s.failure = i, reason
	if i >= len(s.event) {
		s.failedAt, s.failure = len(s.event), unexpectedEnd
	}
	return -1
}

// object reads the object that begins at i and returns the offset after it, or
// -1.
func (s *scratch) object(i int, n *node, around int32, depth int) int {
	d := s.event
	if depth > maxDepth {
		return s.fail(i, "nested too deeply")
	}
	if i = skipSpace(d, i+1); i < len(d) && d[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(d) || d[i] != '"' {
			return s.fail(i, "expected a key")
		}
		end, escaped, bad := scanString(d, i+1)
		if bad != "" {
			return s.fail(end, bad)
		}
		key := d[i+1 : end]
		if escaped {
			key = s.unescape(key)
		}
		below := n.child(key)
		if below == nil && bytes.IndexByte(key, '.') >= 0 {
			below = n.below(key)
		}
		if i = skipSpace(d, end+1); i >= len(d) || d[i] != ':' {
			return s.fail(i, "expected ':' after a key")
		}
		i = skipSpace(d, i+1)
		if below == nil {
			i = s.skip(i, depth)
		} else {
			i = s.value(i, below, around, depth)
		}
		if i < 0 {
			return i
		}
		if i = skipSpace(d, i); i >= len(d) {
			return s.fail(i, unexpectedEnd)
		}
		switch d[i] {
		case ',':
			i = skipSpace(d, i+1)
		case '}':
			return i + 1
		default:
			return s.fail(i, "expected ',' or '}'")
		}
	}
}

// array reads the array that begins at i, like object.
func (s *scratch) array(i int, n *node, around int32, depth int) int {
	d := s.event
	if depth > maxDepth {
		return s.fail(i, "nested too deeply")
	}
	if i = skipSpace(d, i+1); i < len(d) && d[i] == ']' {
		return i + 1
	}
	id := int32(len(s.arrays))
	s.arrays = append(s.arrays, span{first: int32(len(s.trails))})
	elements := 0
	for {
		element := around
		if i < len(d) && (d[i] == '{' || d[i] == '[') {
			if elements++; elements > 1 {
				s.several = true
			}
			element = int32(len(s.trails))
			s.trails = append(s.trails, trail{parent: around, array: id})
		}
		if i = s.value(i, n, element, depth); i < 0 {
			return i
		}
		if i = skipSpace(d, i); i >= len(d) {
			return s.fail(i, unexpectedEnd)
		}
		switch d[i] {
		case ',':
			i = skipSpace(d, i+1)
		case ']':
			s.arrays[id].end = int32(len(s.trails))
			return i + 1
		default:
			return s.fail(i, "expected ',' or ']'")
		}
	}
}

func (s *scratch) value(i int, n *node, around int32, depth int) int {
	d := s.event
	if i >= len(d) {
		return s.fail(i, unexpectedEnd)
	}
	switch d[i] {
	case '{':
		return s.object(i, n, around, depth+1)
	case '[':
		return s.array(i, n, around, depth+1)
	case '"':
		end, escaped, bad := scanString(d, i+1)
		if bad != "" {
			return s.fail(end, bad)
		}
		if n.field >= 0 {
			text := d[i+1 : end]
			if escaped {
				text = s.unescape(text)
			}
			s.keep(n.field, kindString, text, around)
		}
		return end + 1
	}
	k, end, bad := scanToken(d, i)
	if bad != "" {
		return s.fail(end, bad)
	}
	if n.field >= 0 {
		s.keep(n.field, k, d[i:end], around)
	}
	return end
}

// skip reads a value of which nothing is kept, like value.
func (s *scratch) skip(i, depth int) int {
	d := s.event
	level := 0           // how many of the objects and arrays that began here are open
	objects := uint64(0) // a bit each, the innermost the lowest
	key := false         // a key is next
	for {
		if i >= len(d) {
			return s.fail(i, unexpectedEnd)
		}
		switch c := d[i]; {
		case c == '"':
			end, _, bad := scanString(d, i+1)
			if bad != "" {
				return s.fail(end, bad)
			}
			i = end + 1
			if key {
				if i = skipSpace(d, i); i >= len(d) || d[i] != ':' {
					return s.fail(i, "expected ':' after a key")
				}
				i = skipSpace(d, i+1)
				key = false
				continue
			}
		case key:
			return s.fail(i, "expected a key")
		case c == '{' || c == '[':
			if depth+level >= maxDepth {
				return s.fail(i, "nested too deeply")
			}
			if level == 64 {
				if i = s.skip(i, depth+level); i < 0 {
					return i
				}
				break
			}
			i = skipSpace(d, i+1)
			if i < len(d) && d[i] == c+2 { // its end
				i++
				break
			}
			level++
			objects <<= 1
			if key = c == '{'; key {
				objects |= 1
			}
			continue
		default:
			_, end, bad := scanToken(d, i)
			if bad != "" {
				return s.fail(end, bad)
			}
			i = end
		}
		for {
			if level == 0 {
				return i
			}
			if i = skipSpace(d, i); i >= len(d) {
				return s.fail(i, unexpectedEnd)
			}
			if d[i] == ',' {
				i = skipSpace(d, i+1)
				key = objects&1 != 0
				break
			}
			if d[i] != ']'+byte(objects&1)<<5 {
				return s.fail(i, "expected ',' or '"+string(rune(']'+byte(objects&1)<<5))+"'")
			}
			i++
			level--
			objects >>= 1
		}
	}
}

// scanToken reads a number, true, false or null.
func scanToken(d []byte, i int) (k kind, end int, bad string) {
	if i >= len(d) {
		return 0, i, unexpectedEnd
	}
	switch c := d[i]; {
	case c == '-' || '0' <= c && c <= '9':
		end, bad = scanNumber(d, i)
		return kindNumber, end, bad
	case c == 't':
		end, bad = scanLiteral(d, i, "true")
		return kindTrue, end, bad
	case c == 'f':
		end, bad = scanLiteral(d, i, "false")
		return kindFalse, end, bad
	case c == 'n':
		end, bad = scanLiteral(d, i, "null")
		return kindNull, end, bad
	}
	return 0, i, "expected a value"
}

// unescape returns what a string with escapes means. It stays valid until the
// scratch is used for another event.
func (s *scratch) unescape(raw []byte) []byte {
	start := len(s.unescaped)
	s.unescaped = appendUnescaped(s.unescaped, raw)
	return s.unescaped[start:]
}

// keep adds a leaf to its field.
func (s *scratch) keep(f int32, k kind, text []byte, around int32) {
	at := int32(len(s.leaves))
	if len(s.leaves) == cap(s.leaves) {
		s.leaves = slices.Grow(s.leaves, 1)
	}
	s.leaves = s.leaves[:at+1]
	v := &s.leaves[at]
	v.text, v.kind, v.next, v.trail = text, k, -1, around
	v.numberState, v.addressState = unread, unread
	c := &s.fields[f]
	if c.use != s.use {
		*c = chain{use: s.use, first: at, last: at, inArray: around != outermost}
		s.present = append(s.present, f)
		return
	}
	s.leaves[c.last].next = at
	c.last = at
	c.inArray = c.inArray || around != outermost
}
