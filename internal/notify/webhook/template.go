package webhook

import (
	"bytes"
	"encoding"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/spelling"
)

// shipped are the bodies that have a name.
var shipped = map[string]string{
	// What Amazon Chime took until it ended: at most 4,096 characters
	// (https://docs.aws.amazon.com/chime/latest/ug/webhooks.html).
	"chime": `{"Content": "{{message}}"}`,
}

// messageMax is how long {{message}} is, in characters.
const messageMax = 4096

// A template is a body with holes: {{path}} is a value of the webhook's own JSON
// document, escaped as what it stands in wants it.
type template struct {
	holes  []hole
	tail   string // behind the last hole
	escape func(v any, quoted bool) string
}

// A hole is one placeholder.
type hole struct {
	before string   // the text between the hole before it and this one
	path   []string // of the value; nil is the whole message as text
	quoted bool     // it stands within a string of JSON
}

// parse reads a template for a body of the media type.
func parse(text, contentType string) (*template, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, fmt.Errorf("content_type: %q is not a media type, such as application/json", contentType)
	}
	t := &template{escape: escaper(kind)}
	quoted := false
	rest := text
	for {
		before, after, open := strings.Cut(rest, "{{")
		quoted = within(before, quoted)
		if !open {
			t.tail = before
			break
		}
		name, behind, closed := strings.Cut(after, "}}")
		if !closed {
			return nil, fmt.Errorf("body: {{%s is not closed with }}", notify.Truncate(notify.Clean(after), 30, notify.Runes))
		}
		path, err := known(strings.TrimSpace(name))
		if err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		t.holes = append(t.holes, hole{before, path, quoted})
		rest = behind
	}
	if len(t.holes) == 0 {
		return nil, errors.New("body: it has no {{placeholder}}, so that every message would be the same")
	}
	if isJSON(kind) || isLines(kind) {
		if err := check(t.fill(nil, ""), isLines(kind)); err != nil {
			return nil, fmt.Errorf("body: it is not JSON, which content_type says: %w", err)
		}
	}
	return t, nil
}

// check says what is wrong with a text that is to be JSON: one value, or several.
func check(text string, several bool) error {
	if !several {
		return json.Unmarshal([]byte(text), new(any))
	}
	d := json.NewDecoder(strings.NewReader(text))
	for {
		if err := d.Decode(new(any)); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// within reports whether what follows the text stands within a string of JSON.
func within(text string, quoted bool) bool {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == '\\' && quoted:
			i++
		}
	}
	return quoted
}

func isJSON(kind string) bool {
	return strings.HasSuffix(kind, "/json") || strings.HasSuffix(kind, "+json")
}

// isLines reports whether it is several values of JSON, as bulk interfaces take them.
func isLines(kind string) bool {
	return strings.HasSuffix(kind, "ndjson") || strings.HasSuffix(kind, "jsonl") || strings.HasSuffix(kind, "jsonlines")
}

// escaper is how values are written into a body of the media type.
func escaper(kind string) func(v any, quoted bool) string {
	switch {
	case isJSON(kind), isLines(kind):
		return func(v any, quoted bool) string {
			if !quoted {
				return encoded(v)
			}
			text := encoded(words(v))
			return text[1 : len(text)-1]
		}
	case kind == "application/x-www-form-urlencoded":
		return func(v any, _ bool) string { return url.QueryEscape(words(v)) }
	case strings.HasSuffix(kind, "xml"), strings.HasSuffix(kind, "html"):
		return func(v any, _ bool) string {
			var b bytes.Buffer
			// A buffer takes everything.
			_ = xml.EscapeText(&b, []byte(words(v)))
			return b.String()
		}
	}
	return func(v any, _ bool) string { return words(v) }
}

// encoded is a value as JSON. What was read of JSON can be written as such.
func encoded(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// words are a value as text: nothing is "", and what has parts is JSON.
func words(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return encoded(v)
}

// render is the body for a message.
func (t *template) render(m notify.Message, now time.Time) ([]byte, error) {
	text, err := render(m)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	return []byte(t.fill(doc, whole(m, now))), nil
}

func (t *template) fill(doc any, message string) string {
	var b strings.Builder
	for _, h := range t.holes {
		b.WriteString(h.before)
		var v any = message
		if h.path != nil {
			v = at(doc, h.path)
		}
		b.WriteString(t.escape(v, h.quoted))
	}
	b.WriteString(t.tail)
	return b.String()
}

// whole is the message as text of several lines, clean and defanged.
func whole(m notify.Message, now time.Time) string {
	first := notify.FirstLine(m)
	rest := notify.OutlineOf(m, now).Text(messageMax-notify.UTF16(first)-1, notify.UTF16)
	return strings.TrimRight(first+"\n"+rest, "\n")
}

// at is the value at the path, or nil. What remains of a path at an object whose
// keys people chose, such as tags, is one key, dots and all.
func at(v any, path []string) any {
	for i, name := range path {
		switch parts := v.(type) {
		case map[string]any:
			if rest, there := parts[strings.Join(path[i:], ".")]; there {
				return rest
			}
			v = parts[name]
		case []any:
			n, err := strconv.Atoi(name)
			if err != nil || n < 0 || n >= len(parts) {
				return nil
			}
			v = parts[n]
		default:
			return nil
		}
	}
	return v
}

// message is the placeholder that is no part of the document.
const message = "message"

// known is the path of a placeholder, nil for {{message}}, or says that there is
// none of the name and which is the nearest.
func known(name string) ([]string, error) {
	if name == message {
		return nil, nil
	}
	path := strings.Split(name, ".")
	if name != "" && leads(reflect.TypeFor[body](), path) {
		return path, nil
	}
	near, fewest := "", len(name)/2+2
	for _, other := range append(paths(reflect.TypeFor[body](), "", 0), message) {
		if n := spelling.Edits(name, other); n < fewest {
			near, fewest = other, n
		}
	}
	if near == "" {
		return nil, fmt.Errorf("{{%s}} is not part of the message; see the webhook's JSON document for what is", notify.Truncate(notify.Clean(name), 60, notify.Runes))
	}
	return nil, fmt.Errorf("{{%s}} is not part of the message (did you mean {{%s}}?)", notify.Truncate(notify.Clean(name), 60, notify.Runes), near)
}

// leads reports whether the path leads to something in JSON of the type.
func leads(t reflect.Type, path []string) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if len(path) == 0 {
		return true
	}
	switch {
	case single(t):
		return false
	case t.Kind() == reflect.Map:
		return path[0] != ""
	case t.Kind() == reflect.Slice:
		n, err := strconv.Atoi(path[0])
		return err == nil && n >= 0 && leads(t.Elem(), path[1:])
	}
	for _, k := range keysOf(t) {
		if k.name == path[0] {
			return leads(k.typ, path[1:])
		}
	}
	return false
}

// single reports whether a value of the type is one in JSON, without parts.
func single(t reflect.Type) bool {
	for _, p := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if t.Implements(p) || reflect.PointerTo(t).Implements(p) {
			return true
		}
	}
	return !slices.Contains([]reflect.Kind{reflect.Struct, reflect.Map, reflect.Slice}, t.Kind())
}

// A key is one of an object in JSON.
type key struct {
	name string
	typ  reflect.Type
}

// keysOf are the keys of a struct, those of embedded structs among them, the outer
// ones first.
func keysOf(t reflect.Type) []key {
	var own, inner []key
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "":
			inner = append(inner, keysOf(f.Type)...)
		default:
			own = append(own, key{name, f.Type})
		}
	}
	return append(own, inner...)
}

// paths are those of all that is in JSON of the type, but for lists' items.
func paths(t reflect.Type, under string, depth int) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if single(t) || t.Kind() != reflect.Struct || depth > 4 {
		return nil
	}
	var all []string
	for _, k := range keysOf(t) {
		all = append(all, under+k.name)
		all = append(all, paths(k.typ, under+k.name+".", depth+1)...)
	}
	return all
}
