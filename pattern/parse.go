package pattern

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unique"
)

const (
	maxCombinations = 1000
	maxFields       = 256  // per combination
	maxPatternDepth = 1000 // the events are allowed more
)

// reserved keys are refused in a branch of $or: AWS keeps them to tell a branch
// from a match expression.
var reserved = map[string]bool{
	"exactly": true, "equals-ignore-case": true, "prefix": true, "suffix": true, "anything-but": true,
	"exists": true, "wildcard": true, "numeric": true, "cidr": true,
	"=": true, "<": true, "<=": true, ">": true, ">=": true,
	"regex": true, "not-wildcard": true, "not-equals-ignore-case": true,
	"date-after": true, "date-on-or-after": true, "date-before": true, "date-on-or-before": true, "in-date-range": true,
	"ip-address-in-range": true, "ip-address-not-in-range": true,
}

// A field is one leaf of a pattern and the dotted path it is found under.
type field struct {
	path string
	list *list
}

// A conjunction is a set of fields that must all match, sorted by path. A
// pattern is one of these, or several when it uses $or.
type conjunction []field

// set adds a field. Of two lists for one path the later is the one that counts.
func (c conjunction) set(f field) conjunction {
	for i := range c {
		if c[i].path == f.path {
			c[i] = f
			return c
		}
	}
	return append(c, f)
}

// A parser reads a pattern once, from start to end, so that of several mistakes
// it reports the one AWS would.
type parser struct {
	text  []byte
	kept  string // the same, for what is kept of it
	pos   int
	trail []string // the JSON path to where we are, in pieces
	lists map[string]*list
}

func (p *parser) fail(offset int, reason string) error {
	return newError(p.text, offset, "$"+strings.Join(p.trail, ""), reason)
}

// next returns the next byte that is not whitespace without taking it, 0 at the end.
func (p *parser) next() byte {
	p.pos = skipSpace(p.text, p.pos)
	if p.pos == len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

// take takes the next byte, which must be c.
func (p *parser) take(c byte) error {
	if p.next() != c {
		return p.unexpected(strconv.QuoteRune(rune(c)))
	}
	p.pos++
	return nil
}

func (p *parser) unexpected(wanted string) error {
	if p.pos == len(p.text) {
		return p.fail(p.pos, unexpectedEnd)
	}
	return p.fail(p.pos, "unexpected character "+strconv.QuoteRune(rune(p.text[p.pos]))+", expected "+wanted)
}

// string takes the string whose opening quote is next.
func (p *parser) string() (string, error) {
	if err := p.take('"'); err != nil {
		return "", err
	}
	end, escaped, bad := scanString(p.text, p.pos)
	if bad != "" {
		return "", p.fail(end, bad)
	}
	raw := p.text[p.pos:end]
	p.pos = end + 1
	if escaped {
		raw = appendUnescaped(nil, raw)
	}
	return string(raw), nil
}

// token takes the number, true, false or null that is next.
func (p *parser) token() (kind, []byte, error) {
	start := p.pos
	k, end, bad := scanToken(p.text, p.pos)
	if bad != "" {
		return k, nil, p.fail(end, bad)
	}
	p.pos = end
	return k, p.text[start:end], nil
}

// isToken tells whether a number, true, false or null begins with c.
func isToken(c byte) bool {
	return c == '-' || '0' <= c && c <= '9' || c == 't' || c == 'f' || c == 'n'
}

func isNumber(c byte) bool {
	return c == '-' || '0' <= c && c <= '9'
}

// elements calls each for every element of the array whose bracket is next, with
// the element next.
func (p *parser) elements(each func(i int) error) error {
	if err := p.take('['); err != nil {
		return err
	}
	if p.next() == ']' {
		p.pos++
		return nil
	}
	for i := 0; ; i++ {
		p.next()
		p.trail = append(p.trail, "["+strconv.Itoa(i)+"]")
		if err := each(i); err != nil {
			return err
		}
		p.trail = p.trail[:len(p.trail)-1]
		switch p.next() {
		case ',':
			p.pos++
		case ']':
			p.pos++
			return nil
		default:
			return p.unexpected("',' or ']'")
		}
	}
}

// key takes an object key and the colon after it, and makes it part of the path.
func (p *parser) key() (key string, at int, err error) {
	if p.next() != '"' {
		return "", p.pos, p.unexpected("'\"'")
	}
	at = p.pos
	if key, err = p.string(); err != nil {
		return "", at, err
	}
	p.trail = append(p.trail, pathKey(key))
	if err := p.take(':'); err != nil {
		return "", at, err
	}
	p.next()
	return key, at, nil
}

func (p *parser) leave() { p.trail = p.trail[:len(p.trail)-1] }

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(text string) int {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return i
		}
	}
	return -1
}

// intern returns s, the same one for all patterns that have it in them: many
// patterns name the same accounts, and are about the same fields.
func intern(s string) string { return unique.Make(s).Value() }

// pattern reads the whole text.
func (p *parser) pattern() ([]conjunction, error) {
	if bad := invalidUTF8(p.kept); bad >= 0 {
		return nil, p.fail(bad, "invalid UTF-8")
	}
	if p.next() != '{' {
		return nil, p.fail(p.pos, "Filter is not an object")
	}
	all, err := p.object([]conjunction{{}}, scope{})
	if err != nil {
		return nil, err
	}
	if p.next() != 0 || p.pos < len(p.text) {
		return nil, p.fail(p.pos, "unexpected text after the pattern")
	}
	for _, c := range all {
		slices.SortFunc(c, func(a, b field) int { return cmp.Compare(a.path, b.path) })
	}
	return all, p.checkComplexity(all)
}

// A scope is where in the pattern an object stands.
type scope struct {
	path     string
	depth    int
	inBranch bool // inside $or
}

func (s scope) enter(key string) scope {
	s.path = s.join(key)
	s.depth++
	return s
}

func (s scope) join(key string) string {
	if s.depth == 0 {
		return key
	}
	return s.path + "." + key
}

// object adds the fields of an object to all conjunctions, in the order of the text.
func (p *parser) object(all []conjunction, in scope) ([]conjunction, error) {
	start := p.pos
	if err := p.take('{'); err != nil {
		return nil, err
	}
	if p.next() == '}' {
		return nil, p.fail(start, "Empty objects are not allowed")
	}
	if len(p.trail) > maxPatternDepth {
		return nil, p.fail(start, "nested too deeply")
	}
	for {
		var err error
		if all, err = p.member(all, in); err != nil {
			return nil, err
		}
		switch p.next() {
		case ',':
			p.pos++
		case '}':
			p.pos++
			return all, nil
		default:
			return nil, p.unexpected("',' or '}'")
		}
	}
}

func (p *parser) member(all []conjunction, in scope) ([]conjunction, error) {
	key, at, err := p.key()
	if err != nil {
		return nil, err
	}
	defer p.leave()
	if key == "$or" {
		return p.or(all, in)
	}
	if in.inBranch && reserved[key] {
		return nil, p.fail(at, key+" is Ruler reserved fieldName which cannot be used inside $or.")
	}
	switch c := p.next(); {
	case c == '{':
		return p.object(all, in.enter(key))
	case c == '[':
		l, err := p.list()
		if err != nil {
			return nil, err
		}
		path := intern(in.join(key))
		for i := range all {
			all[i] = all[i].set(field{path, l})
			if len(all[i]) > maxFields {
				return nil, p.fail(at, "Size of rule exceeds max value of "+strconv.Itoa(maxFields))
			}
		}
		return all, nil
	case c == '"' || isToken(c):
		return nil, p.fail(p.pos, strconv.Quote(key)+" must be an object or an array")
	}
	return nil, p.unexpected("an object or an array")
}

// or multiplies the conjunctions by the branches. A branch starts from what the
// text has said so far, so later lists override earlier ones inside and out.
func (p *parser) or(all []conjunction, in scope) ([]conjunction, error) {
	start := p.pos
	if p.next() != '[' {
		return nil, p.fail(p.pos, "It must be an Array followed with $or.")
	}
	in.inBranch = true
	var product []conjunction
	branches := 0
	err := p.elements(func(int) error {
		if p.next() != '{' {
			return p.fail(p.pos, "Only JSON object is allowed in array of $or relationship.")
		}
		branch := make([]conjunction, len(all))
		for i := range all {
			branch[i] = slices.Clone(all[i])
		}
		branch, err := p.object(branch, in)
		if err != nil {
			return err
		}
		branches++
		product = append(product, branch...)
		if len(product) > maxCombinations {
			return p.fail(start, "$or makes more than "+strconv.Itoa(maxCombinations)+" combinations")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if branches < 2 {
		return nil, p.fail(start, "There must have at least 2 Objects in $or relationship.")
	}
	return product, nil
}

// list reads a leaf. Equal lists are one list, so that they can be told by
// their pointer.
func (p *parser) list() (*list, error) {
	start := p.pos
	l := &list{}
	n := 0
	err := p.elements(func(int) error {
		n++
		return p.alternative(l)
	})
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, p.fail(start, "Empty arrays are not allowed")
	}
	slices.Sort(l.strings)
	slices.Sort(l.numbers)
	l.strings, l.numbers = slices.Compact(l.strings), slices.Compact(l.numbers)
	l.text = p.kept[start:p.pos]
	if same := p.lists[l.text]; same != nil {
		return same, nil
	}
	if p.lists == nil {
		p.lists = map[string]*list{}
	}
	p.lists[l.text] = l
	return l, nil
}

func (p *parser) alternative(l *list) error {
	switch c := p.next(); {
	case c == '{':
		return p.expression(l)
	case c == '"':
		s, err := p.string()
		if err != nil {
			return err
		}
		if a, ok := parseAddress([]byte(s)); ok {
			l.others().addresses = append(l.others().addresses, single(a))
		} else {
			l.strings = append(l.strings, intern(s))
		}
		return nil
	case isToken(c):
		k, token, err := p.token()
		if err != nil {
			return err
		}
		l.addToken(k, token)
		return nil
	case c == '[':
		return p.fail(p.pos, "Match value must be String, number, true, false, or null")
	}
	return p.unexpected("a value")
}

func (l *list) addToken(k kind, token []byte) {
	if k != kindNumber {
		l.kinds |= 1 << k
	} else if f, ok := comparableNumber(token); ok {
		l.numbers = append(l.numbers, f)
	} else {
		l.others().tokens = append(l.others().tokens, bytes.Clone(token))
	}
}

// checkComplexity adds up the wildcards that AWS would have in one automaton:
// those for one path among the conjunctions that agree on all paths before it.
func (p *parser) checkComplexity(all []conjunction) error {
	type state struct {
		before int
		field  field
	}
	type place struct {
		before int
		path   string
	}
	states := map[state]int{}
	wildcards := map[place]map[string]wildcard{}
	for _, c := range all {
		before := 0
		for _, f := range c {
			for _, w := range f.list.wildcards() {
				at := place{before, f.path}
				if wildcards[at] == nil {
					wildcards[at] = map[string]wildcard{}
				}
				wildcards[at][w.identity()] = w
			}
			s := state{before, f}
			if states[s] == 0 {
				states[s] = len(states) + 1
			}
			before = states[s]
		}
	}
	for at, distinct := range wildcards {
		var ws []wildcard
		for _, w := range distinct {
			ws = append(ws, w)
		}
		if complexity(ws, maxComplexity) > maxComplexity {
			p.trail = []string{"." + at.path}
			return p.fail(0, tooComplex)
		}
	}
	return nil
}
