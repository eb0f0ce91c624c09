package importer

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Map is a mapping of the new file, whose keys stay in the order in which they
// were set.
type Map struct {
	fields []field
	// Flow writes it on one line.
	Flow bool
}

type field struct {
	key      string
	value    any
	comments []string
}

// Items is a list of the new file. Those that are maps have comments above them
// where their first key has.
type Items []any

// Ref names a secret.
type Ref struct{ *Secret }

// Behind is text with a secret behind it: "Bearer ${env:TOKEN}".
type Behind struct {
	Text string
	Ref  Ref
}

// Block is text that is written as it stands, a line each: JSON, say, that is kept
// as it was.
type Block string

// Set sets a key to text, a number, a boolean, a *Map, Items, a Ref, a Block or a
// list of texts. Comments go above it, a line each.
func (m *Map) Set(key string, value any, comments ...string) *Map {
	for i, f := range m.fields {
		if f.key == key {
			m.fields[i].value = value
			m.fields[i].comments = slices.Concat(f.comments, comments)
			return m
		}
	}
	m.fields = append(m.fields, field{key, value, comments})
	return m
}

// SetText sets a key to text, if there is any.
func (m *Map) SetText(key, text string, comments ...string) *Map {
	if text == "" {
		return m
	}
	return m.Set(key, text, comments...)
}

// Empty reports whether no key was set.
func (m *Map) Empty() bool { return len(m.fields) == 0 }

// Keys are those that were set, in order.
func (m *Map) Keys() []string {
	keys := make([]string, len(m.fields))
	for i, f := range m.fields {
		keys[i] = f.key
	}
	return keys
}

// YAML writes the file; ref is how it names a secret.
func (d *Draft) YAML(ref func(*Secret) string) []byte {
	w := writer{ref: ref}
	w.mapping(d.Config, 0, false)
	return w.Bytes()
}

// File is the whole file: a head that says what it was made of, all that is not the
// same, the configuration, and the commands of silences as comments.
func (d *Draft) File(command string, ref func(*Secret) string) []byte {
	w := writer{ref: ref}
	head := []string{"Made by '" + command + "'. Try it: tocsin check tocsin.yml; it runs beside what it replaces with shadow: true."}
	if remarks := d.Sorted(); len(remarks) > 0 {
		head = append(head, "", "Not the same as before, or left to you:")
		for _, r := range remarks {
			head = append(head, "  "+r.String())
		}
	}
	w.comment(0, head)
	w.WriteByte('\n')
	w.mapping(d.Config, 0, false)
	if len(d.Silences) > 0 {
		w.WriteByte('\n')
		w.comment(0, append([]string{"The silences that are in force; run these once tocsin does:"}, d.Silences...))
	}
	return w.Bytes()
}

// Checked is the configuration with the secrets themselves in it, or something of
// their form, to be checked and not to be kept.
func (d *Draft) Checked() []byte {
	return d.YAML(func(s *Secret) string {
		if s.Value.IsZero() {
			return Literal(s.Sample)
		}
		return Literal(s.Value.Reveal())
	})
}

// A writer writes YAML that every reader of YAML reads alike: what might be taken
// for something else than text is in quotes.
type writer struct {
	bytes.Buffer
	ref func(*Secret) string
}

func (w *writer) indent(depth int) { w.WriteString(strings.Repeat("  ", depth)) }

// comment writes the lines above a key. Their texts are the old file's: whatever
// might end the line, or do something to a terminal, is not in them.
func (w *writer) comment(depth int, lines []string) {
	for _, l := range lines {
		w.indent(depth)
		w.WriteString(strings.TrimRight("# "+OneLine(l), " ") + "\n")
	}
}

// OneLine is text without what might end a line, or do something to a terminal.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0x85, r == '\u2028', r == '\u2029', r == '\ufeff', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return '?'
		}
		return r
	}, text)
}

// mapping writes keys and values. afterDash says that "- " stands already where
// the first key goes.
func (w *writer) mapping(m *Map, depth int, afterDash bool) {
	for i, f := range m.fields {
		if i > 0 || !afterDash {
			if depth == 0 && i > 0 {
				w.WriteByte('\n')
			}
			w.comment(depth, f.comments)
			w.indent(depth)
		}
		w.WriteString(scalar(f.key) + ":")
		w.value(f.value, depth)
	}
}

// value writes what goes behind a colon, and ends the line.
func (w *writer) value(v any, depth int) {
	switch v := v.(type) {
	case *Map:
		switch {
		case v.Empty():
			w.WriteString(" {}\n")
		case v.Flow:
			w.WriteString(" " + w.flow(v) + "\n")
		default:
			w.WriteByte('\n')
			w.mapping(v, depth+1, false)
		}
	case Items:
		if len(v) == 0 {
			w.WriteString(" []\n")
			return
		}
		w.WriteByte('\n')
		w.items(v, depth+1)
	case Block:
		w.block(string(v), depth+1)
	default:
		w.WriteString(" " + w.flow(v) + "\n")
	}
}

func (w *writer) items(items Items, depth int) {
	for _, item := range items {
		m, ok := item.(*Map)
		if !ok || m.Empty() || m.Flow {
			w.indent(depth)
			w.WriteString("- " + w.flow(item) + "\n")
			continue
		}
		w.comment(depth, m.fields[0].comments)
		w.indent(depth)
		w.WriteString("- ")
		w.mapping(m, depth+1, true)
	}
}

// block writes text as it stands. What a block cannot hold as it stands is
// written in quotes.
func (w *writer) block(text string, depth int) {
	if strings.TrimSpace(text) == "" || strings.ContainsFunc(text, unprintable) || strings.TrimRight(strings.TrimSuffix(text, "\n"), " \t\n") != strings.TrimSuffix(text, "\n") {
		w.WriteString(" " + quoted(text) + "\n")
		return
	}
	sign := "|"
	if text[0] == ' ' || text[0] == '\n' || text[0] == '\t' {
		sign += "2" // how deep it is cannot be told by its first line
	}
	if !strings.HasSuffix(text, "\n") {
		sign += "-"
	}
	w.WriteString(" " + sign + "\n")
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if line != "" {
			w.indent(depth)
		}
		w.WriteString(line + "\n")
	}
}

func unprintable(r rune) bool { return r != '\n' && r != '\t' && OneLine(string(r)) != string(r) }

// flow is a value on one line.
func (w *writer) flow(v any) string {
	switch v := v.(type) {
	case string:
		return scalar(Literal(v))
	case Ref:
		return quoted(w.ref(v.Secret))
	case Behind:
		return quoted(Literal(v.Text) + w.ref(v.Ref.Secret))
	case Block:
		return quoted(string(v))
	case Template:
		return quoted(string(v))
	case []string:
		texts := make(Items, len(v))
		for i, s := range v {
			texts[i] = s
		}
		return w.flow(texts)
	case Items:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = w.flow(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *Map:
		parts := make([]string, len(v.fields))
		for i, f := range v.fields {
			parts[i] = scalar(f.key) + ": " + w.flow(f.value)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default: // numbers and booleans
		return fmt.Sprint(v)
	}
}

// A Template is text in which references stay references.
type Template string

// Literal is text for a setting in which nothing is a reference: where it has $$
// or ${, its dollar signs are doubled.
func Literal(text string) string {
	if strings.Contains(text, "$$") || strings.Contains(text, "${") {
		return strings.ReplaceAll(text, "$", "$$")
	}
	return text
}

// plainScalar is text that no reader of YAML takes for anything else.
var plainScalar = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_/.-]*( [A-Za-z0-9_/.-]+)*$`)

// reservedWords are those that some reader of YAML takes for something else than
// text (https://yaml.org/type/bool.html).
var reservedWords = map[string]bool{
	"true": true, "false": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true, "null": true, "nan": true, "inf": true,
}

func scalar(text string) string {
	if plainScalar.MatchString(text) && !reservedWords[strings.ToLower(text)] && len(text) < 200 {
		return text
	}
	return quoted(text)
}

// quoted is text in double quotes, whose escapes are those of JSON.
func quoted(text string) string {
	var b strings.Builder
	for _, r := range string(quoteJSON(text)) {
		if unprintable(r) && r <= 0xffff {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Texts are those of a key that was set to a list of texts, or to one.
func (m *Map) Texts(key string) []string {
	for _, f := range m.fields {
		if f.key != key {
			continue
		}
		switch v := f.value.(type) {
		case []string:
			return v
		case string:
			return []string{v}
		}
	}
	return nil
}
