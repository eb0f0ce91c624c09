package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"unicode/utf8"
)

// minify checks JSON and takes the space out of it. Numbers, strings and the order
// of members stay as they are, but what is not UTF-8 becomes U+FFFD.
func minify(text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	small := bytes.NewBuffer(make([]byte, 0, len(text)))
	if err := json.Compact(small, text); err != nil {
		return nil, err
	}
	return small.Bytes(), nil
}

// syntax says what keeps text from being JSON, and at which byte.
func syntax(text []byte) (offset int, what string) {
	var whole json.RawMessage
	e, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(text, &whole)) // Compact does not say where
	if !ok {
		return 0, "not JSON"
	}
	offset = int(e.Offset)
	if offset > 0 && !strings.HasPrefix(e.Error(), "unexpected end") {
		offset-- // it was read
	}
	return offset, e.Error()
}

// What follows reads JSON that minify gave.

// members gives the members of an object: keys as they are written, with quotes.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for i := 1; object[i] == '"' || object[i] == ','; {
			if object[i] == ',' {
				i++
			}
			colon := skipString(object, i)
			end := skip(object, colon+1)
			if !yield(object[i:colon:colon], object[colon+1:end:end]) {
				return
			}
			i = end
		}
	}
}

func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := 1; i < len(array)-1; {
			end := skip(array, i)
			if !yield(array[i:end:end]) {
				return
			}
			i = end + 1 // behind the comma
		}
	}
}

// skip is the end of the value at i.
func skip(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; ; {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			i++
			if depth == 0 {
				return i
			}
		}
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	return i
}

// skipString is the end of the string whose opening quote is at i.
func skipString(b []byte, i int) int {
	for from := i + 1; ; {
		quote := from + bytes.IndexByte(b[from:], '"')
		slashes := 0
		for b[quote-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return quote + 1
		}
		from = quote + 1
	}
}

// reads reports whether a string as it is written reads as name.
func reads(written []byte, name string) bool {
	plain := written[1 : len(written)-1]
	if bytes.IndexByte(plain, '\\') < 0 {
		return string(plain) == name
	}
	return string(unquoted(written)) == name
}

// unquoted is the text of a string as it is written.
func unquoted(written []byte) []byte {
	plain := written[1 : len(written)-1]
	if bytes.IndexByte(plain, '\\') < 0 {
		return plain
	}
	var text string
	_ = json.Unmarshal(written, &text) // it is a valid string
	return []byte(text)
}

func isString(written []byte) bool { return written[0] == '"' }

func quote(text string) []byte {
	return append(appendEscaped([]byte{'"'}, []byte(text)), '"')
}

// awkward says what in text cannot be inside quotes as it is, or nothing.
func awkward(text []byte) string {
	i := bytes.IndexFunc(text, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' })
	if i < 0 {
		return ""
	}
	switch text[i] {
	case '"':
		return "a quotation mark"
	case '\\':
		return "a backslash"
	case '\n', '\r':
		return "a line break"
	}
	return "a control character"
}

// appendEscaped appends text as it is written inside quotes.
func appendEscaped(b, text []byte) []byte {
	const hex = "0123456789abcdef"
	for _, r := range string(text) { // bytes that are not UTF-8 read as U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\r':
			b = append(b, '\\', 'r')
		case r == '\t':
			b = append(b, '\\', 't')
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&0xf])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
