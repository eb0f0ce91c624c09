package collect

import (
	"bytes"
	"net/url"
	"strings"
	"unicode"
)

// Form are the fields of a body as browsers post forms
// (application/x-www-form-urlencoded); of a field that is there twice the last
// counts. Blanks that the sender did not encode are let pass, line breaks are not.
// ok is false for anything else, JSON among it: curl says of everything that it is
// a form.
func Form(body []byte) (fields map[string]string, ok bool) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 || strings.IndexByte("{[\"", body[0]) >= 0 || bytes.IndexByte(body, '=') <= 0 ||
		bytes.ContainsFunc(body, unicode.IsControl) {
		return nil, false
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, false
	}
	fields = make(map[string]string, len(values))
	for key, all := range values {
		fields[key] = all[len(all)-1]
	}
	return fields, true
}
