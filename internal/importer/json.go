package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// ReadJSON reads one JSON text, numbers as they are spelled.
func ReadJSON(name string, text []byte) (*Node, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(text) > MaxFile {
		return nil, &Error{File: name, Text: "larger than 8 MiB"}
	}
	r := jsonReader{file: name, text: text, dec: json.NewDecoder(bytes.NewReader(text)), lines: lines{text: string(text)}}
	r.dec.UseNumber()
	n, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if rest := bytes.TrimLeft(text[r.dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, r.fail(len(text)-len(rest), "something follows the JSON text")
	}
	return n, nil
}

type jsonReader struct {
	file  string
	text  []byte
	dec   *json.Decoder
	lines lines
}

func (r *jsonReader) fail(offset int, format string, args ...any) error {
	line, column := r.lines.place(offset)
	return &Error{r.file, line, column, fmt.Sprintf(format, args...)}
}

// next is the next token, and where it begins.
func (r *jsonReader) next() (t json.Token, from int, err error) {
	from = int(r.dec.InputOffset())
	for from < len(r.text) && bytes.IndexByte([]byte(" \t\r\n,:"), r.text[from]) >= 0 {
		from++
	}
	t, err = r.dec.Token()
	if err == nil {
		return t, from, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, 0, r.fail(len(r.text), "not JSON: it ends too early")
	}
	return nil, 0, r.fail(from, "not JSON: %s", err)
}

func (r *jsonReader) value(depth int) (*Node, error) {
	t, from, err := r.next()
	if err != nil {
		return nil, err
	}
	return r.rest(t, from, depth)
}

// rest reads the value that begins with a token.
func (r *jsonReader) rest(t json.Token, from, depth int) (*Node, error) {
	if depth > maxDepth {
		return nil, r.fail(from, "nested too deep")
	}
	n := &Node{File: r.file}
	n.Line, n.Column = r.lines.place(from)
	switch t := t.(type) {
	case json.Delim:
		if err := r.inside(n, t, depth); err != nil {
			return nil, err
		}
	case string:
		n.Kind, n.Text, n.Quoted = String, t, true
	case json.Number:
		n.Kind, n.Text = Word, t.String()
	case bool:
		n.Kind, n.Text = Word, strconv.FormatBool(t)
	}
	n.raw = r.text[from:r.dec.InputOffset()]
	return n, nil
}

func (r *jsonReader) inside(n *Node, open json.Delim, depth int) error {
	n.Kind = List
	if open == '{' {
		n.Kind = Mapping
	}
	for {
		t, from, err := r.next()
		if err != nil {
			return err
		}
		if d, ok := t.(json.Delim); ok && (d == '}' || d == ']') {
			return nil
		}
		if n.Kind == List {
			item, err := r.rest(t, from, depth+1)
			if err != nil {
				return err
			}
			n.Items = append(n.Items, item)
			continue
		}
		e := &Entry{Key: t.(string)} // the decoder takes nothing else as a key
		e.Line, e.Column = r.lines.place(from)
		if n.entry(e.Key) != nil {
			return r.fail(from, "%q is there twice", e.Key)
		}
		if e.Value, err = r.value(depth + 1); err != nil {
			return err
		}
		n.add(e)
	}
}

// Read reads JSON where the text begins like it, and YAML otherwise.
func Read(name string, text []byte) (*Node, error) {
	if t := bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), " \t\r\n"); len(t) > 0 && (t[0] == '{' || t[0] == '[') && json.Valid(t) {
		return ReadJSON(name, text)
	}
	return ReadYAML(name, text)
}
