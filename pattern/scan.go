package pattern

import "bytes"

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
	field int32
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
// an array may be combined.
type trail struct {
	parent int32
	array  int32 // which array of the event
	depth  int32
}

// outermost is the trail of what is in no array.
const outermost int32 = 0

// A node is a place in the tree of all paths that patterns ask about.
type node struct {
	field int32 // the field at this path, or -1
	keys  []string
	nodes []*node
	index map[string]*node // instead of a search when there are many keys
}

func newNode() *node { return &node{field: -1} }

// child returns the node one key below, or nil.
func (n *node) child(key []byte) *node {
	if n.index != nil {
		return n.index[string(key)]
	}
	for i, k := range n.keys {
		if string(key) == k {
			return n.nodes[i]
		}
	}
	return nil
}

// below follows an event's key, in which dots separate keys too.
func (n *node) below(key []byte) *node {
	for {
		dot := bytes.IndexByte(key, '.')
		if dot < 0 {
			return n.child(key)
		}
		if n = n.child(key[:dot]); n == nil {
			return nil
		}
		key = key[dot+1:]
	}
}

// add returns the node one key below, making it if need be.
func (n *node) add(key string) *node {
	if to := n.child([]byte(key)); to != nil {
		return to
	}
	to := newNode()
	n.keys = append(n.keys, key)
	n.nodes = append(n.nodes, to)
	switch {
	case n.index != nil:
		n.index[key] = to
	case len(n.keys) > 8:
		n.index = make(map[string]*node, len(n.keys))
		for i, k := range n.keys {
			n.index[k] = n.nodes[i]
		}
	}
	return to
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
// -1. Nothing below is kept when n is nil.
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
		below := n
		if n != nil {
			key := d[i+1 : end]
			if escaped {
				key = s.unescape(key)
			}
			below = n.below(key)
		}
		if i = skipSpace(d, end+1); i >= len(d) || d[i] != ':' {
			return s.fail(i, "expected ':' after a key")
		}
		if i = s.value(skipSpace(d, i+1), below, around, depth); i < 0 {
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
	id := s.arrays
	s.arrays++
	for {
		element := around
		if n != nil && i < len(d) && (d[i] == '{' || d[i] == '[') {
			element = int32(len(s.trails))
			s.trails = append(s.trails, trail{parent: around, array: id, depth: s.trails[around].depth + 1})
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
		if n != nil && n.field >= 0 {
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
	if n != nil && n.field >= 0 {
		s.keep(n.field, k, d[i:end], around)
	}
	return end
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
	s.leaves = append(s.leaves, leaf{text: text, kind: k, field: f, next: -1, trail: around})
	c := &s.fields[f]
	if c.use != s.use {
		*c = chain{use: s.use, first: at, last: at, inArray: around != outermost}
		return
	}
	s.leaves[c.last].next = at
	c.last = at
	c.inArray = c.inArray || around != outermost
}
