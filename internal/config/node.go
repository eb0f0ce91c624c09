package config

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A position is a place in a file, both numbers from 1. file is which of the files
// of the configuration it is, 0 for the main one.
type position struct{ line, column, file int }

// A document is a file that was read as YAML, with its aliases tied to their
// anchors. Nothing is decoded yet.
type document struct {
	root  ast.Node // nil where the file is empty
	lines []string
	bound map[*ast.AliasNode]ast.Node
}

// readYAML reads one document. The problem says why it cannot.
func readYAML(name string, text []byte) (doc document, problem *Problem) {
	fail := func(at position, why string) *Problem {
		return &Problem{File: name, Line: at.line, Column: at.column, Text: why}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	if len(text) > maxFile {
		return document{}, fail(position{}, "larger than 8 MiB")
	}
	if i := invalidUTF8(text); i >= 0 {
		return document{}, fail(placeOf(text, i), "not UTF-8")
	}
	if i := tooDeep(text); i >= 0 {
		return document{}, fail(placeOf(text, i), "nested too deep to be a configuration")
	}
	// Not every text that is no YAML is refused politely by the parser.
	defer func() {
		if recover() != nil {
			doc, problem = document{}, fail(position{}, "not YAML that can be read")
		}
	}()
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			return document{}, fail(positionOf(at.GetToken()), explain(at.GetMessage()))
		}
		return document{}, fail(position{}, err.Error())
	}
	doc = document{lines: strings.Split(string(text), "\n"), bound: map[*ast.AliasNode]ast.Node{}}
	for _, d := range file.Docs {
		switch {
		case d.Body == nil || d.Body.Type() == ast.DirectiveType:
		case doc.root == nil:
			doc.root = d.Body
		default:
			return document{}, fail(startOf(d.Body), "a second document: a configuration is one")
		}
	}
	if doc.root != nil {
		ast.Walk(&binder{doc.bound, map[string]ast.Node{}}, doc.root)
	}
	return doc, nil
}

const (
	maxFile    = 8 << 20
	maxNesting = 1000
)

// tooDeep is where brackets, or dashes on one line, open more levels than anybody
// writes, or -1. The parser's time grows with the square of the depth.
func tooDeep(text []byte) int {
	brackets, dashes := 0, 0
	for i, c := range text {
		switch c {
		case '[', '{':
			brackets++
		case ']', '}':
			brackets = max(0, brackets-1)
		case '-':
			dashes++
		case ' ', '\t':
		default:
			dashes = 0
		}
		if brackets > maxNesting || (c == ' ' && dashes > maxNesting) {
			return i
		}
	}
	return -1
}

func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

func placeOf(text []byte, offset int) position {
	before := text[:offset]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return position{line: bytes.Count(before, []byte{'\n'}) + 1, column: utf8.RuneCount(line) + 1}
}

// explain puts the parser's message into words that say what to do.
func explain(message string) string {
	switch {
	case strings.Contains(message, "'\t'") || strings.Contains(message, "tab character"):
		return "a tab: YAML is indented with spaces"
	case strings.HasPrefix(message, "mapping value is not allowed"):
		return `a ":" where a value is expected: quote the value, or begin a new line`
	case strings.Contains(message, "is a reserved character"):
		return message + ": quote the value"
	}
	return "not YAML: " + message
}

// binder ties each alias to the anchor of its name that was set last before it.
type binder struct {
	bound   map[*ast.AliasNode]ast.Node
	anchors map[string]ast.Node
}

func (b *binder) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case nil:
		return nil
	case *ast.AnchorNode:
		b.anchors[nameOf(n.Name)] = n.Value
	case *ast.AliasNode:
		b.bound[n] = b.anchors[nameOf(n.Value)]
		return nil
	}
	return b
}

func nameOf(n ast.Node) string {
	if n == nil || n.GetToken() == nil {
		return ""
	}
	return n.GetToken().Value
}

func positionOf(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{line: 1, column: 1}
	}
	return position{line: max(1, t.Position.Line), column: max(1, t.Position.Column)}
}

// startOf is where a person sees the node begin. (The parser puts a mapping at
// its first colon.)
func startOf(n ast.Node) position {
	switch n := n.(type) {
	case nil:
		return position{line: 1, column: 1}
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return startOf(n.Values[0])
		}
	case *ast.MappingValueNode:
		return startOf(n.Key)
	}
	return positionOf(n.GetToken())
}

// kindOf names what a node is in the words of a person.
func kindOf(n ast.Node) string {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "mapping"
	case *ast.SequenceNode:
		return "list"
	case *ast.IntegerNode:
		return "integer"
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "number"
	case *ast.BoolNode:
		return "boolean"
	case *ast.StringNode:
		if isDigits(n.Value) && !quoted(n) {
			return "integer"
		}
		return "string"
	case *ast.LiteralNode:
		return "string"
	}
	return "something else"
}

func quoted(n ast.Node) bool {
	t := n.GetToken().Type
	return t == token.SingleQuoteType || t == token.DoubleQuoteType
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// textOf is the text of a node that holds text. Digits without quotes are none:
// what a YAML reader makes of 012345678901 depends on the reader.
func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, quoted(n) || !isDigits(n.Value)
	case *ast.LiteralNode:
		return n.Value.Value, true
	case forcedText:
		return n.text, true
	}
	return "", false
}

// forcedText is a scalar that the tag !!str makes text.
type forcedText struct {
	ast.Node
	text string
}

// colonText is the text of what the parser takes for a mapping and YAML does not:
// in a list in braces, person:ana without a space is text
// (https://yaml.org/spec/1.2.2/#733-plain-style).
func colonText(n *ast.MappingNode) (string, bool) {
	if n.IsFlowStyle || len(n.Values) != 1 {
		return "", false
	}
	v := n.Values[0]
	key, plain := v.Key.(*ast.StringNode)
	value, scalar := v.Value.(ast.ScalarNode)
	if !plain || !scalar || quoted(key) {
		return "", false
	}
	k, colon, t := key.GetToken(), v.GetToken(), value.GetToken()
	if t.Value == "" || quoted(value) || positionOf(k).line != positionOf(t).line {
		return "", false
	}
	end := positionOf(k).column + utf8.RuneCountInString(k.Value)
	if positionOf(colon).column != end || positionOf(t).column != end+1 {
		return "", false
	}
	return k.Value + ":" + t.Value, true
}

// wantText says what to do about a node that holds no text.
func wantText(n ast.Node) string {
	kind := kindOf(n)
	switch kind {
	case "integer", "number", "boolean":
		return "got " + kind + ", want string: quote it, " + strconv.Quote(n.GetToken().Value)
	}
	return "got " + kind + ", want string"
}
