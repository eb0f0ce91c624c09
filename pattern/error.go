package pattern

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// An Error says what is wrong with a pattern or an event, and where.
type Error struct {
	Path   string // JSON path of the offending part, such as $.detail.severity[0]; "$" for events
	Offset int    // byte offset in the text
	Reason string // in the words of AWS where AWS has words for it

	line, column int // from 1; line is 0 when the text has one line only
}

func newError(text []byte, offset int, path, reason string) *Error {
	e := &Error{Path: path, Offset: offset, Reason: reason}
	if bytes.IndexByte(text, '\n') >= 0 {
		before := text[:min(offset, len(text))]
		e.line = bytes.Count(before, []byte{'\n'}) + 1
		e.column = len(before) - bytes.LastIndexByte(before, '\n')
	}
	return e
}

// Error reads like "$.detail.severity[0] (offset 24): Empty arrays are not allowed".
// The line and column are told when the text has several lines.
func (e *Error) Error() string {
	if e.line > 0 {
		return fmt.Sprintf("%s (line %d:%d, offset %d): %s", e.Path, e.line, e.column, e.Offset, e.Reason)
	}
	return fmt.Sprintf("%s (offset %d): %s", e.Path, e.Offset, e.Reason)
}

// pathKey writes one object key the way a JSON path does.
func pathKey(key string) string {
	plain := key != "" && strings.IndexFunc(key, func(r rune) bool {
		return r != '-' && r != '_' && r != '$' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
	if plain {
		return "." + key
	}
	return "[" + strconv.Quote(key) + "]"
}
