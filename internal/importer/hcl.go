package importer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ReadHCL reads the simple form of Terraform's language: attributes, blocks, and
// values that are text, numbers, booleans, lists and maps. Everything else is an
// [Expression], as it is spelled. A block is under its type and its labels, one
// within the other; several of the same are a list:
//
//	module "slack" { source = "…" }   is   {module: {slack: {source: "…"}}}
//
// https://developer.hashicorp.com/terraform/language/syntax/configuration
func ReadHCL(name string, text []byte) (*Node, error) {
	if len(text) > MaxFile {
		return nil, &Error{File: name, Text: "larger than 8 MiB"}
	}
	if !utf8.Valid(text) {
		return nil, &Error{File: name, Text: "not UTF-8"}
	}
	r := hclReader{file: name, text: strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n")}
	r.lines.text = r.text
	n := r.node(Mapping)
	if err := r.body(n, 0, false); err != nil {
		return nil, err
	}
	return n, nil
}

type hclReader struct {
	file  string
	text  string
	at    int
	lines lines
}

// node is a new node at this place.
func (r *hclReader) node(k Kind) *Node {
	line, column := r.lines.place(r.at)
	return &Node{File: r.file, Line: line, Column: column, Kind: k}
}

func (r *hclReader) fail(format string, args ...any) error { return r.failAt(r.at, format, args...) }

func (r *hclReader) failAt(offset int, format string, args ...any) error {
	line, column := r.lines.place(offset)
	return &Error{r.file, line, column, fmt.Sprintf(format, args...)}
}

func (r *hclReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

// skip goes over blanks and comments, and over line breaks if lines says so.
func (r *hclReader) skip(lines bool) {
	for r.at < len(r.text) {
		rest := r.text[r.at:]
		switch {
		case rest[0] == ' ' || rest[0] == '\t' || lines && rest[0] == '\n':
			r.at++
		case rest[0] == '#' || strings.HasPrefix(rest, "//"):
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				r.at += end
			} else {
				r.at = len(r.text)
			}
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				r.at = len(r.text)
				return
			}
			r.at += end + len("*/")
		default:
			return
		}
	}
}

func identifierByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c >= utf8.RuneSelf
}

func (r *hclReader) identifier() string {
	from := r.at
	for r.at < len(r.text) && identifierByte(r.text[r.at]) {
		r.at++
	}
	return r.text[from:r.at]
}

// body reads attributes and blocks up to the closing brace, or to the end.
func (r *hclReader) body(into *Node, depth int, inside bool) error {
	if depth > maxDepth {
		return r.fail("nested too deep")
	}
	for {
		r.skip(true)
		switch {
		case r.at >= len(r.text) && inside:
			return r.fail("a closing brace is missing")
		case r.at >= len(r.text):
			return nil
		case r.peek() == '}' && inside:
			r.at++
			return nil
		}
		line, column := r.lines.place(r.at)
		key, ok := "", true
		if r.peek() == '"' {
			key, ok = r.quoted()
		} else {
			key = r.identifier()
		}
		if key == "" || !ok {
			return r.fail("want a name = value, or a block")
		}
		e := &Entry{Key: key, Line: line, Column: column}
		r.skip(false)
		if r.peek() == '=' && !strings.HasPrefix(r.text[r.at:], "==") {
			r.at++
			r.skip(false)
			v, err := r.value(depth+1, "\n")
			if err != nil {
				return err
			}
			if into.entry(key) != nil {
				return &Error{r.file, line, column, fmt.Sprintf("%q is there twice", key)}
			}
			e.Value = v
			into.add(e)
			continue
		}
		if err := r.block(into, e, depth); err != nil {
			return err
		}
	}
}

// block reads the labels and the body of a block, of whose type there may be more.
func (r *hclReader) block(into *Node, e *Entry, depth int) error {
	var labels []*Entry
	for r.skip(false); r.peek() != '{'; r.skip(false) {
		line, column := r.lines.place(r.at)
		label, ok := "", true
		if r.peek() == '"' {
			label, ok = r.quoted()
		} else {
			label = r.identifier()
		}
		if label == "" || !ok {
			return r.fail("%s: want = or {", e.Key)
		}
		labels = append(labels, &Entry{Key: label, Line: line, Column: column})
	}
	body := r.node(Mapping)
	r.at++
	if err := r.body(body, depth+1, true); err != nil {
		return err
	}
	path := append([]*Entry{e}, labels...)
	for i, l := range path {
		known := into.entry(l.Key)
		last := i == len(path)-1
		switch {
		case known == nil && last:
			l.Value = body
			into.add(l)
			return nil
		case known == nil:
			l.Value = &Node{File: r.file, Line: l.Line, Column: l.Column, Kind: Mapping}
			into.add(l)
			known = l
		case last && known.Value.Kind == List:
			known.Value.Items = append(known.Value.Items, body)
			return nil
		case last && known.Value.Kind == Mapping:
			known.Value = &Node{File: r.file, Line: known.Line, Column: known.Column, Kind: List, Items: []*Node{known.Value, body}}
			return nil
		}
		if into = known.Value; into.Kind != Mapping {
			return &Error{r.file, e.Line, e.Column, fmt.Sprintf("%q is a block here and something else before", l.Key)}
		}
	}
	return nil
}

// value reads one value. Behind it stands one of the ends, or what ends everything.
func (r *hclReader) value(depth int, ends string) (*Node, error) {
	if depth > maxDepth {
		return nil, r.fail("nested too deep")
	}
	from := r.at
	n, err := r.simple(depth)
	if err != nil {
		return nil, err
	}
	if n != nil {
		r.skip(false)
		if r.at >= len(r.text) || strings.IndexByte(ends+"}", r.peek()) >= 0 {
			return n, nil
		}
	}
	r.at = from // more stands behind it: it is an expression
	return r.expression(ends)
}

// simple reads a value that is one by itself; nil if it is none.
func (r *hclReader) simple(depth int) (*Node, error) {
	n := r.node(String)
	switch c := r.peek(); {
	case c == '"':
		text, ok := r.quoted()
		if !ok {
			return nil, nil
		}
		n.Text, n.Quoted = text, true
		return n, nil
	case strings.HasPrefix(r.text[r.at:], "<<"):
		return r.heredoc(n)
	case c == '[':
		n.Kind = List
		r.at++
		for r.skip(true); r.peek() != ']'; r.skip(true) {
			item, err := r.value(depth+1, "\n,]")
			if err != nil {
				return nil, err
			}
			n.Items = append(n.Items, item)
			r.skip(true)
			if r.peek() == ',' {
				r.at++
			} else if r.peek() != ']' {
				return nil, nil
			}
		}
		r.at++
		return n, nil
	case c == '{':
		return r.object(n, depth)
	case c == '-' || '0' <= c && c <= '9':
		from := r.at
		r.at++
		for r.at < len(r.text) && strings.IndexByte("0123456789.eE+-", r.text[r.at]) >= 0 {
			r.at++
		}
		n.Kind, n.Text = Word, r.text[from:r.at]
		return n, nil
	default:
		switch word := r.identifier(); word {
		case "true", "false":
			n.Kind, n.Text = Word, word
			return n, nil
		case "null":
			n.Kind = Null
			return n, nil
		}
	}
	return nil, nil
}

func (r *hclReader) object(n *Node, depth int) (*Node, error) {
	n.Kind = Mapping
	r.at++
	for r.skip(true); r.peek() != '}'; r.skip(true) {
		line, column := r.lines.place(r.at)
		key, ok := "", true
		if r.peek() == '"' {
			key, ok = r.quoted()
		} else {
			key = r.identifier()
		}
		r.skip(false)
		if key == "" || !ok || r.peek() != '=' && r.peek() != ':' {
			return nil, nil // such as a for expression
		}
		r.at++
		r.skip(false)
		v, err := r.value(depth+1, "\n,}")
		if err != nil {
			return nil, err
		}
		if n.entry(key) != nil {
			return nil, &Error{r.file, line, column, fmt.Sprintf("%q is there twice", key)}
		}
		n.add(&Entry{Key: key, Line: line, Column: column, Value: v})
		r.skip(true)
		if r.peek() == ',' {
			r.at++
		}
	}
	r.at++
	return n, nil
}

// quoted reads text in quotes. ok is false where it has a template in it, or no
// end.
func (r *hclReader) quoted() (text string, ok bool) {
	var b strings.Builder
	ok = true
	for r.at++; r.at < len(r.text); r.at++ {
		rest := r.text[r.at:]
		switch {
		case rest[0] == '"':
			r.at++
			return b.String(), ok
		case rest[0] == '\n':
			return "", false
		case strings.HasPrefix(rest, "$${") || strings.HasPrefix(rest, "%%{"):
			b.WriteString(rest[1:3])
			r.at += 2
		case strings.HasPrefix(rest, "${") || strings.HasPrefix(rest, "%{"):
			ok = false
			b.WriteByte(rest[0])
		case rest[0] == '\\' && len(rest) > 1:
			r.at++
			switch rest[1] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			case 'u', 'U':
				size := map[byte]int{'u': 4, 'U': 8}[rest[1]]
				if len(rest) < 2+size {
					return "", false
				}
				code, err := strconv.ParseUint(rest[2:2+size], 16, 32)
				if err != nil {
					return "", false
				}
				b.WriteRune(rune(code))
				r.at += size
			default:
				b.WriteByte(rest[1])
			}
		default:
			b.WriteByte(rest[0])
		}
	}
	return "", false
}

// heredoc reads text over several lines: <<EOT, or <<-EOT which is indented. It is
// nil where there is no such text, or one with a template in it.
func (r *hclReader) heredoc(n *Node) (*Node, error) {
	lines, indented, err := r.heredocLines()
	if err != nil || lines == nil {
		return nil, err
	}
	if indented {
		lines = unindented(lines)
	}
	text := strings.Join(lines, "\n")
	if len(lines) > 0 {
		text += "\n"
	}
	if strings.Contains(strings.ReplaceAll(text, "$${", ""), "${") || strings.Contains(strings.ReplaceAll(text, "%%{", ""), "%{") {
		return nil, nil
	}
	n.Text, n.Quoted = strings.NewReplacer("$${", "${", "%%{", "%{").Replace(text), true
	return n, nil
}

// heredocLines goes over text over several lines, to the end of its last word. lines
// are nil, and nothing was gone over, where there is none.
func (r *hclReader) heredocLines() (lines []string, indented bool, err error) {
	from := r.at
	r.at += len("<<")
	if indented = r.peek() == '-'; indented {
		r.at++
	}
	word := r.identifier()
	if word == "" || r.peek() != '\n' {
		r.at = from
		return nil, false, nil
	}
	r.at++
	lines = []string{}
	for {
		end := strings.IndexByte(r.text[r.at:], '\n')
		if end < 0 {
			end = len(r.text) - r.at
		}
		line := r.text[r.at : r.at+end]
		if strings.TrimSpace(line) == word {
			r.at += end
			return lines, indented, nil
		}
		if r.at+end >= len(r.text) {
			return nil, false, r.failAt(from, "%s is missing, which ends the text", word)
		}
		lines = append(lines, line)
		r.at += end + 1
	}
}

// unindented takes from each line what all of them are indented by.
func unindented(lines []string) []string {
	least := -1
	for _, l := range lines {
		if strings.TrimSpace(l) == "" {
			continue
		}
		if by := len(l) - len(strings.TrimLeft(l, " \t")); least < 0 || by < least {
			least = by
		}
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l[min(max(least, 0), len(l)):]
	}
	return out
}

// expression is what stands there up to one of the ends, brackets, quotes, texts over
// several lines and comments left whole.
func (r *hclReader) expression(ends string) (*Node, error) {
	n := r.node(Expression)
	from, depth := r.at, 0
	for r.at < len(r.text) {
		c, rest := r.text[r.at], r.text[r.at:]
		comment := c == '#' || strings.HasPrefix(rest, "//")
		switch {
		case c == '"':
			quote := r.at
			r.at++
			if !r.overQuotes() {
				return nil, r.failAt(quote, "a quote is missing")
			}
			continue
		case strings.HasPrefix(rest, "<<"):
			lines, _, err := r.heredocLines()
			if err != nil {
				return nil, err
			}
			if lines != nil {
				continue
			}
		case depth > 0 && comment, strings.HasPrefix(rest, "/*"):
			r.skip(depth > 0)
			continue
		case c == '(' || c == '[' || c == '{':
			depth++
		case depth == 0 && (strings.IndexByte(ends, c) >= 0 || c == '}' || comment):
			n.Text = strings.TrimSpace(r.text[from:r.at])
			if n.Text == "" {
				return nil, r.fail("a value is missing")
			}
			return n, nil
		case c == ')' || c == ']' || c == '}':
			depth--
		}
		r.at++
	}
	if n.Text = strings.TrimSpace(r.text[from:]); n.Text == "" || depth > 0 {
		return nil, r.fail("a value is missing, or a bracket")
	}
	return n, nil
}

// overQuotes goes over text whose opening quote was read, and over the templates in
// it, which may have text of their own.
func (r *hclReader) overQuotes() bool {
	for depth := 0; r.at < len(r.text); {
		c := r.text[r.at]
		r.at++
		switch {
		case depth == 0 && c == '\\':
			r.at++
		case depth == 0 && c == '"':
			return true
		case depth == 0 && c == '\n':
			return false
		case depth == 0 && (strings.HasPrefix(r.text[r.at-1:], "$${") || strings.HasPrefix(r.text[r.at-1:], "%%{")):
			r.at += 2
		case depth == 0 && (c == '$' || c == '%') && r.peek() == '{':
			r.at++
			depth = 1
		case depth > 0 && c == '"':
			if !r.overQuotes() {
				return false
			}
		case depth > 0 && c == '{':
			depth++
		case depth > 0 && c == '}':
			depth--
		}
	}
	return false
}
