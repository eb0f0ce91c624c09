package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

// A Document is an event that paths are read in. It is not safe for several
// goroutines at once.
type Document struct {
	root gjson.Result
	// entered is what is in the texts that a path went on behind, by the text as it is
	// written, so that each is taken apart once.
	entered map[string]gjson.Result
}

// ParseDocument reads an event: JSON, or the fields of a form as a flat object of
// texts.
func ParseDocument(raw []byte) (*Document, error) {
	err := collect.Valid(raw)
	if err == nil {
		return &Document{root: gjson.ParseBytes(raw)}, nil
	}
	if fields, ok := collect.Form(raw); ok {
		text, err := json.Marshal(fields)
		if err != nil { // cannot be: texts have a form in JSON
			return nil, err
		}
		return &Document{root: gjson.ParseBytes(text)}, nil
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, errors.New("it is empty")
	}
	return nil, err
}

// lacks reports whether the document is an object without that key.
func (d *Document) lacks(key string) bool {
	if !d.root.IsObject() {
		return false
	}
	_, ok := member(d.root, key)
	return !ok
}

// within is what a text holds if it is an object or an array as JSON; else it is a
// value without parts.
func (d *Document) within(v gjson.Result) gjson.Result {
	text := strings.TrimLeft(v.Str, " \t\r\n")
	if text == "" || (text[0] != '{' && text[0] != '[') {
		return gjson.Result{}
	}
	inner, known := d.entered[v.Raw]
	if known {
		return inner
	}
	if collect.Valid([]byte(text)) == nil {
		inner = gjson.Parse(text)
	}
	if d.entered == nil {
		d.entered = map[string]gjson.Result{}
	}
	d.entered[v.Raw] = inner
	return inner
}

// textOf is a value as text; ok is false for null.
func textOf(v gjson.Result) (text string, ok bool) {
	switch v.Type {
	case gjson.String:
		return v.Str, true
	case gjson.Number:
		return number(v.Raw), true
	case gjson.True:
		return "true", true
	case gjson.False:
		return "false", true
	case gjson.JSON:
		var b bytes.Buffer
		if err := json.Compact(&b, []byte(v.Raw)); err != nil { // cannot be: it was found valid
			return v.Raw, true
		}
		return b.String(), true
	case gjson.Null:
	}
	return "", false
}

// number is a number without the zeros that end its fraction.
func number(raw string) string {
	mantissa, exponent := raw, ""
	if i := strings.IndexAny(raw, "eE"); i >= 0 {
		mantissa, exponent = raw[:i], raw[i:]
	}
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimSuffix(strings.TrimRight(mantissa, "0"), ".")
	}
	return mantissa + exponent
}
