package send

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/webhook"
)

// documentMost is how long tocsin's own document is at most, in bytes, also where
// the service takes more: with its attributes it fits everywhere.
const documentMost = 256<<10 - Room

// Content is what a receiver sends: tocsin's own JSON document, unless one of
// these is set.
type Content struct {
	Input *notify.Input `json:"input,omitempty" doc:"Send what an EventBridge input transformer makes of the alert's newest event instead of tocsin's own document."`
	Raw   bool          `json:"raw,omitempty" doc:"Send the alert's newest event as it came, byte for byte (Matched event)."`
}

// A Body makes what is sent of a message.
type Body struct {
	kind   string
	shaper *notify.Shaper
	raw    bool
	most   int
	acts   bool
}

// Body checks the settings. most is how many bytes the service takes: a document
// is cut to fit, what is made of an event is refused where it is longer.
func (c Content) Body(kind string, most int) (*Body, error) {
	if c.Raw && c.Input != nil {
		return nil, errors.New("set raw or input, not both")
	}
	shaper, err := c.Input.Shaper()
	if err != nil {
		return nil, err
	}
	return &Body{kind: kind, shaper: shaper, raw: c.Raw, most: most}, nil
}

// Acting is the body of a receiver that does something: it does it for an action
// and for nothing else.
func (c Content) Acting(kind string, most int) (*Body, error) {
	b, err := c.Body(kind, most)
	if b != nil {
		b.acts = true
	}
	return b, err
}

// ReadsEvent reports whether messages need their event.
func (b *Body) ReadsEvent() bool { return b.raw || b.shaper != nil }

// Follows reports whether it is told of acknowledgements and the like: the event is
// still the same then.
func (b *Body) Follows() bool { return b.Own() }

// Own reports whether it is tocsin's own document that is sent.
func (b *Body) Own() bool { return !b.ReadsEvent() }

// Takes says why a message cannot be sent at all, for good: a code would prove
// nothing, since nobody has an address here, and only an action is acted upon.
func (b *Body) Takes(m notify.Message) error {
	switch {
	case b.acts && m.Kind != tocsin.TellAction:
		return notify.Permanent(fmt.Errorf("%s: it acts, and tells nobody: name it among a rule's actions", b.kind))
	case m.Kind == tocsin.TellCode:
		return notify.Permanent(fmt.Errorf("%s: a code proves a person's address, and this is nobody's", b.kind))
	}
	return nil
}

// Of is what is sent. An error of it is permanent.
func (b *Body) Of(m notify.Message) ([]byte, error) {
	if err := b.Takes(m); err != nil {
		return nil, err
	}
	text, err := b.text(m)
	if err != nil {
		return nil, notify.Permanent(fmt.Errorf("%s: %w", b.kind, err))
	}
	if len(text) > b.most {
		return nil, TooLong(b.kind, len(text), b.most)
	}
	return text, nil
}

func (b *Body) text(m notify.Message) ([]byte, error) {
	switch {
	case b.shaper != nil:
		return b.shaper.Shape(m)
	case b.raw && len(m.Event) == 0:
		return nil, errors.New("there is no event to send: the message is about no single alert, or its event is not kept any more")
	case b.raw:
		return m.Event, nil
	}
	most := min(b.most, documentMost)
	text, err := webhook.Document(m, most)
	if err != nil {
		return nil, err
	}
	if text = printable(text); len(text) > most {
		return shrunk(text, most)
	}
	return text, nil
}

// shrunk cuts every text of a document until it fits. Only a finding that was made
// to be long needs it, and it must not keep anybody from being told.
func shrunk(text []byte, most int) ([]byte, error) {
	for _, characters := range []int{200, 100, 40} {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var document any
		if err := d.Decode(&document); err != nil {
			return nil, err
		}
		smaller, err := json.Marshal(cut(document, characters))
		if err != nil || len(smaller) <= most {
			return printable(smaller), err
		}
	}
	return nil, fmt.Errorf("the document has no room in %d bytes", most)
}

func cut(value any, characters int) any {
	switch v := value.(type) {
	case string:
		return notify.Truncate(v, characters, notify.Runes)
	case []any:
		for i, one := range v {
			v[i] = cut(one, characters)
		}
	case map[string]any:
		for name, one := range v {
			if name != "links" { // a link that is cut leads nowhere
				v[name] = cut(one, characters)
			}
		}
	}
	return value
}

// printable writes the two characters of JSON text that XML cannot hold, and SNS
// and SQS therefore refuse, as escapes: they are within strings only.
func printable(text []byte) []byte {
	for _, c := range []struct{ raw, escaped string }{{"\ufffe", `\ufffe`}, {"\uffff", `\uffff`}} {
		text = bytes.ReplaceAll(text, []byte(c.raw), []byte(c.escaped))
	}
	return text
}

// An Attribute is a fact that travels beside the body, so that subscribers can
// filter by it.
type Attribute struct{ Name, Value string }

// Attributes are level, account, region, type and kind, as far as the message has
// them: none is empty or longer than 256 characters.
func Attributes(m notify.Message) []Attribute {
	var all []Attribute
	add := func(name, value string) {
		if value = notify.Truncate(notify.Clean(value), 256, notify.UTF16); value != "" {
			all = append(all, Attribute{name, value})
		}
	}
	add("kind", string(m.Kind))
	switch {
	case m.Kind == tocsin.TellDigest:
		add("level", notify.Worst(m).String())
	case m.Kind != tocsin.TellNote:
		add("level", m.Alert.Level.String())
		add("account", m.Alert.Account)
		add("region", m.Alert.Region)
		add("type", m.Alert.Type)
	}
	return all
}

// Weight is how many bytes the attributes count, each with its data type.
func Weight(attributes []Attribute) int {
	n := 0
	for _, a := range attributes {
		n += len(a.Name) + len("String") + len(a.Value)
	}
	return n
}

// Room is what attributes may take of a message at most: it is kept free for them.
const Room = 5*(len("account")+len("String")) + 5*256*3

// Group is what keeps messages of one alert in order: the same for all of them,
// at most 128 letters, digits and marks.
func Group(m notify.Message) string { return Key(notify.DedupKey(m), 128) }

// Key is an id as idempotency keys are allowed to be written everywhere: letters,
// digits, - and _, at most that many.
func Key(id string, most int) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, id[:min(len(id), most)])
}
