package importer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxFile is how many bytes a file may have.
const MaxFile = 8 << 20

const (
	maxNodes = 500_000
	maxDepth = 100
)

// ReadYAML reads one YAML document from its tokens: nothing becomes a number, a
// date or a boolean by what it looks like. Anchors, aliases and merge keys are
// resolved.
func ReadYAML(name string, text []byte) (n *Node, err error) {
	text = bytes.ReplaceAll(bytes.TrimPrefix(text, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
	switch {
	case len(text) > MaxFile:
		return nil, &Error{File: name, Text: "larger than 8 MiB"}
	case !utf8.Valid(text):
		return nil, &Error{File: name, Text: "not UTF-8"}
	case nested(text):
		return nil, &Error{File: name, Text: "nested too deep"}
	}
	// Not every text that is no YAML is refused politely by the parser.
	defer func() {
		if recover() != nil {
			n, err = nil, &Error{File: name, Text: "not YAML that can be read"}
		}
	}()
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
			p := at.GetToken().Position
			return nil, &Error{name, max(1, p.Line), max(1, p.Column), "not YAML: " + at.GetMessage()}
		}
		return nil, &Error{File: name, Text: "not YAML: " + err.Error()}
	}
	r := yamlReader{file: name, anchors: map[string]ast.Node{}, left: maxNodes}
	var root ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.DirectiveType:
		case root == nil:
			root = doc.Body
		default:
			return nil, r.fail(doc.Body, "a second document: want one")
		}
	}
	if root == nil {
		return nil, &Error{File: name, Text: "is empty"}
	}
	return r.node(root, 0)
}

// nested reports whether brackets open more levels than anybody writes: the
// parser's time grows with the square of the depth.
func nested(text []byte) bool {
	depth, dashes := 0, 0
	for _, c := range text {
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		case '-':
			dashes++
		case ' ':
		default:
			dashes = 0
		}
		if depth > 1000 || dashes > 1000 && c == ' ' {
			return true
		}
	}
	return false
}

// A yamlReader makes nodes of the parser's. An alias costs what it stands for, so
// that a few lines cannot become gigabytes.
type yamlReader struct {
	file    string
	anchors map[string]ast.Node
	left    int
}

func (r *yamlReader) fail(n ast.Node, format string, args ...any) error {
	line, column := startOf(n)
	return &Error{r.file, line, column, fmt.Sprintf(format, args...)}
}

func (r *yamlReader) node(n ast.Node, depth int) (*Node, error) {
	if r.left--; r.left < 0 || depth > maxDepth {
		return nil, r.fail(n, "too much: its aliases stand for more than anybody writes")
	}
	line, column := startOf(n)
	out := &Node{File: r.file, Line: line, Column: column}
	switch n := n.(type) {
	case *ast.AnchorNode:
		r.anchors[nameOf(n.Name)] = n.Value
		return r.node(n.Value, depth+1)
	case *ast.AliasNode:
		target := r.anchors[nameOf(n.Value)]
		if target == nil {
			return nil, r.fail(n, "no anchor &%s before this", nameOf(n.Value))
		}
		return r.node(target, depth+1)
	case *ast.TagNode:
		if n.Value == nil {
			return out, nil
		}
		inner, err := r.node(n.Value, depth+1)
		if err != nil {
			return nil, err
		}
		switch tag := n.GetToken().Value; {
		case tag == "!!str":
			inner.Kind, inner.Quoted = String, true
		case !strings.HasPrefix(tag, "!!"):
			inner.Tag = tag
		}
		return inner, nil
	case *ast.MappingNode:
		out.Kind = Mapping
		return out, r.entries(out, n.Values, depth)
	case *ast.MappingValueNode:
		out.Kind = Mapping
		return out, r.entries(out, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		out.Kind = List
		for _, v := range n.Values {
			item, err := r.node(v, depth+1)
			if err != nil {
				return nil, err
			}
			out.Items = append(out.Items, item)
		}
	case *ast.LiteralNode:
		out.Kind, out.Text, out.Quoted = String, n.Value.Value, true
	case *ast.StringNode:
		out.Kind, out.Text = Word, n.Value
		if t := n.GetToken().Type; t == token.SingleQuoteType || t == token.DoubleQuoteType {
			out.Kind, out.Quoted = String, true
		}
	case nil, *ast.NullNode:
	default:
		out.Kind, out.Text = Word, n.GetToken().Value
	}
	return out, nil
}

// entries reads the keys of a mapping. Of two the same the file is wrong; what a
// merge key brings gives way to what is written out.
func (r *yamlReader) entries(into *Node, values []*ast.MappingValueNode, depth int) error {
	var merged []*Node
	for _, v := range values {
		if v == nil || v.Key == nil {
			continue
		}
		if v.Key.IsMergeKey() {
			m, err := r.node(v.Value, depth+1)
			if err != nil {
				return err
			}
			merged = append(merged, m.List()...)
			continue
		}
		var key ast.Node = v.Key
		if k, ok := v.Key.(*ast.MappingKeyNode); ok {
			key = k.Value
		}
		k, err := r.node(key, depth+1)
		if err != nil {
			return err
		}
		if k.Kind != Word && k.Kind != String && k.Kind != Null {
			return r.fail(key, "%s as a key, want text", k.Kind)
		}
		if first := into.entry(k.Text); first != nil {
			return &Error{r.file, k.Line, k.Column, fmt.Sprintf("%q is there twice, first in line %d", k.Text, first.Line)}
		}
		value, err := r.node(v.Value, depth+1)
		if err != nil {
			return err
		}
		if value.Kind == Null { // there is nothing to point at
			value.Line, value.Column = k.Line, k.Column
		}
		into.add(&Entry{Key: k.Text, Line: k.Line, Column: k.Column, Value: value})
	}
	for _, m := range merged {
		for _, e := range m.Entries {
			if into.entry(e.Key) == nil {
				into.add(e)
			}
		}
	}
	return nil
}

func nameOf(n ast.Node) string {
	if n == nil || n.GetToken() == nil {
		return ""
	}
	return n.GetToken().Value
}

// startOf is where a person sees the node begin. (The parser puts a mapping at its
// first colon.)
func startOf(n ast.Node) (line, column int) {
	switch v := n.(type) {
	case nil:
		return 1, 1
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return startOf(v.Values[0])
		}
	case *ast.MappingValueNode:
		return startOf(v.Key)
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return 1, 1
	}
	return max(1, t.Position.Line), max(1, t.Position.Column)
}
