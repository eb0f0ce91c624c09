package notify

import (
	"bytes"
	"encoding/json"
)

// JSON is v as JSON in which <, > and & stay as they are: written as escapes they
// take six bytes of a receiver's limit.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}
