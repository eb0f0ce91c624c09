package pattern

import (
	"encoding/json"
	"strings"
	"sync/atomic"
)

// A Pattern is an event pattern, ready to be matched. It does not change once it
// is parsed, and any number of goroutines may use it. The zero Pattern matches
// nothing.
//
// A Pattern may be a field of a configuration: in JSON it is the pattern itself
// or, as in the AWS API, a string with the pattern in it.
type Pattern struct {
	text string
	all  []conjunction

	alone atomic.Pointer[aloneMachine] // built by the first Match
}

// Parse reads a pattern. It returns an [*Error] that tells what is wrong and
// where if AWS would refuse the pattern, and in these cases besides: text after
// the closing brace, a $or that makes more than 1,000 combinations, or wildcards
// that AWS finds too complex. The length of a pattern is not limited.
//
//	{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 7]}]}}
func Parse(text []byte) (*Pattern, error) {
	p := parser{text: text, kept: string(text)}
	all, err := p.pattern()
	if err != nil {
		return nil, err
	}
	return &Pattern{text: strings.TrimSpace(p.kept), all: all}, nil
}

// Match tells whether an event, a JSON object, matches. It returns an [*Error] if
// the event is anything else, or has too many array elements, as with [Set.Match].
// To match many patterns, use a [Set].
func (p *Pattern) Match(event []byte) (bool, error) {
	m := p.alone.Load()
	if m == nil {
		m = newAlone(p)
		p.alone.Store(m) // two goroutines may both build one: they are alike
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	s.prepare(m.fields, 1)
	if err := s.scan(m.root, event); err != nil {
		return false, err
	}
	err := m.match(s)
	found := s.found.drain() // the next event must not see it
	return found && err == nil, err
}

// aloneMachine is the machine of one Pattern, and the paths it asks about.
type aloneMachine struct {
	*machine
	root   *node
	fields int
}

func newAlone(p *Pattern) *aloneMachine {
	c := newCatalogue()
	m := c.build(c.rules(nil, 0, p))
	return &aloneMachine{m, c.tree.root, len(c.tree.fields)}
}

// String returns the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// MarshalJSON returns the pattern as it was written, null if there is none.
func (p *Pattern) MarshalJSON() ([]byte, error) {
	if p == nil || p.text == "" {
		return []byte("null"), nil
	}
	return []byte(p.text), nil
}

// UnmarshalJSON reads a pattern, or a string with a pattern in it. It returns the
// errors of [Parse]. Unlike all other methods it changes the Pattern.
func (p *Pattern) UnmarshalJSON(text []byte) error {
	switch {
	case string(text) == "null":
		return nil
	case len(text) > 0 && text[0] == '"':
		var inner string
		if err := json.Unmarshal(text, &inner); err != nil {
			return err
		}
		text = []byte(inner)
	}
	return p.UnmarshalText(text)
}

// MarshalText returns the pattern as it was written.
func (p *Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText reads a pattern. It returns the errors of [Parse].
func (p *Pattern) UnmarshalText(text []byte) error {
	parsed, err := Parse(text)
	if err != nil {
		return err
	}
	p.text, p.all = parsed.text, parsed.all
	p.alone.Store(nil)
	return nil
}
