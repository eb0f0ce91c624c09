package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Field says where a value is, and what is made of it. In the configuration it is
//
//	Message^id                      a path
//	"{{Message^id}} in {{region}}"  a text with paths in it
//	[Message^id, id, {text: none}]  the first of these that is there
//	{text: payments}                a text as it stands
//	{from: Message^id, then: [trim, lower]}
//
// where from is any of the others, and then are transforms: see [Transform].
type Field struct {
	from []origin
	then []Transform
	text string // as JSON, for IsZero and people
}

// An origin gives one text.
type origin interface {
	read(d *Document) (text string, ok bool)
	String() string
}

// IsZero reports whether nothing is said.
func (f Field) IsZero() bool { return len(f.from) == 0 }

// UnmarshalJSON reads any of its forms.
func (f *Field) UnmarshalJSON(text []byte) error {
	whole := struct {
		From json.RawMessage `json:"from"`
		Text json.RawMessage `json:"text"`
		Then []Transform     `json:"then"`
	}{From: text}
	if first(text) == '{' {
		whole.From = nil
		if err := strict(text, &whole); err != nil {
			return err
		}
		if (whole.From == nil) == (whole.Text == nil) {
			return errors.New(`want "from", where the value is, or "text", what it is`)
		}
	}
	*f = Field{then: whole.Then, text: string(text)}
	if whole.Text != nil {
		text, err := scalar(whole.Text)
		if err != nil {
			return fmt.Errorf("text: %w", err)
		}
		f.from = []origin{static(text)}
		return nil
	}
	from, err := origins(whole.From)
	f.from = from
	return err
}

// origins reads one origin or a list of them.
func origins(text []byte) ([]origin, error) {
	if first(text) != '[' {
		o, err := newOrigin(text)
		return []origin{o}, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, errors.New("is an empty list: want at least one place")
	}
	all := make([]origin, len(items))
	for i, item := range items {
		o, err := newOrigin(item)
		if err != nil {
			return nil, err
		}
		all[i] = o
	}
	return all, nil
}

func newOrigin(text []byte) (origin, error) {
	switch first(text) {
	case '"':
		var s string
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, err
		}
		if strings.Contains(s, "{{") {
			return newTemplate(s)
		}
		p, err := ParsePath(s)
		return place{p}, err
	case '{':
		var o struct {
			Text json.RawMessage `json:"text"`
		}
		if err := strict(text, &o); err != nil {
			return nil, err
		}
		if o.Text == nil {
			return nil, errors.New(`want "text"`)
		}
		s, err := scalar(o.Text)
		return static(s), err
	}
	return nil, fmt.Errorf("got %s, want a path such as Message^id", text)
}

// first is the first byte of a JSON text that is no space.
func first(text []byte) byte {
	if text = bytes.TrimLeft(text, " \t\r\n"); len(text) > 0 {
		return text[0]
	}
	return 0
}

// strict reads an object into a struct, and refuses keys that it has not.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		return nil
	}
	if key, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("unknown key %s", key)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s: got %s, want %s", wrong.Field, wrong.Value, wrong.Type)
	}
	return err
}

// scalar is a text, a number or a boolean as text.
func scalar(text []byte) (string, error) {
	switch c := first(text); {
	case c == '"':
		var s string
		err := json.Unmarshal(text, &s)
		return s, err
	case c == '-', '0' <= c && c <= '9':
		return number(string(bytes.TrimSpace(text))), nil
	case c == 't', c == 'f':
		return string(bytes.TrimSpace(text)), nil
	}
	return "", fmt.Errorf("got %s, want a text", text)
}

// static is a text as it stands.
type static string

func (s static) read(*Document) (string, bool) { return string(s), true }
func (s static) String() string                { return fmt.Sprintf("the text %q", string(s)) }

// place is what is at a path.
type place struct{ Path }

// snsEnvelope is the member in which SNS carries what it delivers.
const snsEnvelope = "Message"

// read looks behind Message^ where there is no such member: the sns door has taken
// the envelope off, and maps are written for events within it.
func (p place) read(d *Document) (string, bool) {
	text, ok := p.Text(d)
	if ok || len(p.segments) == 0 || p.segments[0].key != snsEnvelope || !d.lacks(snsEnvelope) {
		return text, ok
	}
	bare, ok := p.behind(snsEnvelope)
	if !ok {
		return "", false
	}
	return bare.Text(d)
}

// texts are as read's, each by itself.
func (p place) texts(d *Document) []string {
	all := p.Texts(d)
	if all == nil && d.lacks(snsEnvelope) {
		if bare, ok := p.behind(snsEnvelope); ok {
			return bare.Texts(d)
		}
	}
	return all
}

// A template is a text with paths in it. It is missing if all of them are.
type template struct {
	text   string
	pieces []origin
}

func newTemplate(text string) (origin, error) {
	t := template{text: text}
	for rest := text; rest != ""; {
		before, behind, found := strings.Cut(rest, "{{")
		if before != "" {
			t.pieces = append(t.pieces, static(before))
		}
		if !found {
			break
		}
		inside, after, closed := strings.Cut(behind, "}}")
		if !closed {
			return nil, fmt.Errorf("%q: {{ without }}", text)
		}
		p, err := ParsePath(strings.TrimSpace(inside))
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		t.pieces = append(t.pieces, place{p})
		rest = after
	}
	return t, nil
}

func (t template) read(d *Document) (string, bool) {
	var b strings.Builder
	there := false
	for _, piece := range t.pieces {
		text, ok := piece.read(d)
		b.WriteString(text)
		if _, isText := piece.(static); ok && !isText {
			there = true
		}
	}
	return b.String(), there
}

func (t template) String() string { return t.text }

// read is the field's value in an event, and where it was found.
func (f Field) read(d *Document) (text, from string, ok bool) {
	for _, o := range f.from {
		if text, ok = o.read(d); ok {
			from = o.String()
			break
		}
	}
	for _, t := range f.then {
		text, ok = t.apply(text, ok)
	}
	return text, from, ok
}

// places are where it looks, for people.
func (f Field) places() string {
	all := make([]string, len(f.from))
	for i, o := range f.from {
		all[i] = o.String()
	}
	return strings.Join(slices.Compact(all), ", ")
}
