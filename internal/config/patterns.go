package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/pattern"
)

// eventPattern is an event pattern, written as YAML or as JSON in a string, as
// it is pasted from EventBridge.
type eventPattern struct {
	parsed *pattern.Pattern
	text   []byte // as JSON
	marks  []mark
}

func (p *eventPattern) read(d *decoder, n ast.Node, path string) {
	if text, ok := textOf(n); ok {
		p.text = []byte(text)
		p.marks = marksIn(d, n, text)
		if at, digits, found := bareAccount(p.text); found {
			d.fail(p.spot(at), path, "account ids are strings: quote it, %q", digits)
			return
		}
	} else {
		if _, ok := n.(*ast.MappingNode); !ok {
			d.fail(d.spots[path], path, "got %s, want mapping or JSON in a string", kindOf(n))
			return
		}
		w := jsonWriter{d: d, path: path}
		w.value(n, "")
		if w.bad {
			return
		}
		p.text, p.marks = w.out, w.marks
	}
	parsed, err := pattern.Parse(p.text)
	if err != nil {
		if at, ok := errors.AsType[*pattern.Error](err); ok {
			d.fail(p.spot(at.Offset), path, "%s: %s", at.Path, at.Reason)
		} else {
			d.fail(d.spots[path], path, "%s", err)
		}
		return
	}
	p.parsed = parsed
}

// A mark says where in the file a byte of a JSON text was written.
type mark struct {
	offset int
	at     position
}

// spot is where the byte at offset was written, or what is next before it.
func (p *eventPattern) spot(offset int) position {
	i, found := slices.BinarySearchFunc(p.marks, offset, func(m mark, o int) int { return m.offset - o })
	if !found {
		i--
	}
	if i < 0 {
		return p.marks[0].at
	}
	return p.marks[i].at
}

// marksIn finds the lines of a JSON text in the file. What was written on one
// line, or folded, is known by its beginning alone.
func marksIn(d *decoder, n ast.Node, text string) []mark {
	start := d.start(n)
	marks := []mark{{0, start}}
	block, ok := n.(*ast.LiteralNode)
	if !ok || block.Start == nil || block.Start.Type != token.LiteralType {
		return marks
	}
	offset := 0
	for i, line := range strings.SplitAfter(text, "\n") {
		number := start.line + 1 + i
		if number > len(d.lines) {
			break
		}
		written := d.lines[number-1]
		indent := strings.Index(written, strings.TrimRight(line, "\n"))
		if indent < 0 {
			break
		}
		column := utf8.RuneCountInString(written[:indent]) + 1
		for j := range line {
			marks = append(marks, mark{offset + j, position{number, column, start.file}})
			column++
		}
		offset += len(line)
	}
	return marks[1:]
}

var jsonNumber = lazyregexp.New(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// jsonWriter writes a node as JSON, numbers as they are spelled in the file.
type jsonWriter struct {
	d     *decoder
	path  string
	out   []byte
	marks []mark
	depth int
	bad   bool
}

func (w *jsonWriter) fail(at position, format string, args ...any) {
	w.bad = true
	w.d.fail(at, w.path, format, args...)
}

// value writes one node; under is the key that it is under.
func (w *jsonWriter) value(n ast.Node, under string) {
	if w.depth++; w.depth > maxDepth {
		w.fail(w.d.spots[w.path], "nested too deep: is an anchor used within itself?")
		w.depth--
		return
	}
	defer func() { w.depth-- }()
	at := w.d.start(n)
	n, ok := w.d.follow(n, w.path)
	if !ok {
		w.bad = true
		return
	}
	w.marks = append(w.marks, mark{len(w.out), at})
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		w.object(n)
	case *ast.SequenceNode:
		w.out = append(w.out, '[')
		for i, item := range n.Values {
			if i > 0 {
				w.out = append(w.out, ',')
			}
			w.value(item, under)
		}
		w.out = append(w.out, ']')
	case *ast.BoolNode:
		w.out = append(w.out, strings.ToLower(n.GetToken().Value)...)
	case nil, *ast.NullNode:
		w.out = append(w.out, "null"...)
	default:
		w.scalar(n, at, under)
	}
}

func (w *jsonWriter) object(n ast.Node) {
	before := len(w.d.problems)
	entries := w.d.entries(n, w.path)
	w.bad = w.bad || len(w.d.problems) > before
	w.out = append(w.out, '{')
	for i, e := range entries {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if !e.plain {
			w.fail(e.at, "key %s without quotes: quote it, %q", e.key, e.key)
		}
		w.marks = append(w.marks, mark{len(w.out), e.at})
		w.string(e.key)
		w.out = append(w.out, ':')
		w.value(e.node, e.key)
	}
	w.out = append(w.out, '}')
}

func (w *jsonWriter) scalar(n ast.Node, at position, under string) {
	spelled := n.GetToken().Value
	if text, ok := textOf(n); ok {
		if !isPlain(n) || !jsonNumber.MatchString(text) {
			w.string(text)
			return
		}
		spelled = text // 1e3 is a number, though some readers of YAML take it for text
	}
	switch {
	case isDigits(spelled) && len(spelled) == 12 && under != "numeric",
		isDigits(spelled) && len(spelled) > 1 && spelled[0] == '0':
		w.fail(at, "account ids are strings: quote it, %q", spelled)
	case jsonNumber.MatchString(spelled):
		w.out = append(w.out, spelled...)
	default:
		w.fail(at, "%s is no number in JSON: write it in plain decimals, or quote it if it is text", spelled)
	}
}

func isPlain(n ast.Node) bool {
	s, ok := n.(*ast.StringNode)
	return ok && !quoted(s)
}

func (w *jsonWriter) string(s string) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		w.out = strconv.AppendQuote(w.out, s) // cannot be: every string has a form in JSON
		return
	}
	w.out = append(w.out, bytes.TrimRight(b.Bytes(), "\n")...)
}

// bareAccount finds a number of 12 digits in a JSON text outside of "numeric":
// an account id that would never equal the string in an event.
func bareAccount(text []byte) (offset int, digits string, found bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var last string
	for {
		t, err := dec.Token()
		if err != nil {
			return 0, "", false
		}
		switch t := t.(type) {
		case string:
			last = t
			if t == "<" || t == "<=" || t == ">" || t == ">=" || t == "=" {
				last = "numeric"
			}
		case json.Number:
			if s := t.String(); isDigits(s) && len(s) == 12 && last != "numeric" {
				return int(dec.InputOffset()) - len(s), s, true
			}
		}
	}
}
