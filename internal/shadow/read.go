package shadow

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/plain"
)

// textMost is how much of a message is shown, in characters.
const textMost = 160

// Read reads what the other system sent: JSON of any shape (a Slack webhook's, an
// Alertmanager's, an SNS message), a form that holds some, or text.
func Read(event int64, source string, at time.Time, raw []byte) Sent {
	s := Sent{Event: event, Source: source, At: at}
	body := unescaped(string(raw))
	var words []string
	var doc any
	if json.Unmarshal(raw, &doc) == nil || json.Unmarshal([]byte(strings.TrimPrefix(body, "payload=")), &doc) == nil {
		walk("", doc, &words, &s.IDs)
		s.Text = plain.Line(first(doc, words), textMost)
	} else {
		words = []string{body}
		s.Text = plain.Line(body, textMost)
	}
	s.all = unescaped(strings.Join(words, "\n"))
	for _, id := range findingIDs(s.all) {
		if !slices.Contains(s.IDs, id) {
			s.IDs = append(s.IDs, id)
		}
	}
	return s
}

// unescaped is text without the escapes of links, in which ids stand.
func unescaped(text string) string {
	return strings.NewReplacer("%3D", "=", "%3d", "=", "%2F", "/", "%2f", "/", "%7B", "{", "%22", `"`, "\\u003d", "=", "\\/", "/").Replace(text)
}

// walk gathers the texts of a document in order, those within texts that are JSON
// themselves too (SNS), and the fingerprints of alerts.
func walk(key string, v any, words, ids *[]string) {
	switch v := v.(type) {
	case string:
		if key == "fingerprint" && v != "" {
			*ids = append(*ids, v)
		}
		var inner any
		if text := strings.TrimSpace(v); strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &inner) == nil {
			walk("", inner, words, ids)
			return
		}
		*words = append(*words, v)
	case []any:
		for _, e := range v {
			walk("", e, words, ids)
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			walk(k, v[k], words, ids)
		}
	}
}

// first is what a person reads first of it.
func first(doc any, words []string) string {
	if m, ok := doc.(map[string]any); ok {
		for _, k := range []string{"text", "fallback", "title", "Subject", "subject", "summary", "Content", "content", "message"} {
			if text, ok := m[k].(string); ok && text != "" {
				return text
			}
		}
		if list, ok := m["attachments"].([]any); ok && len(list) > 0 {
			return first(list[0], words)
		}
	}
	if len(words) > 0 {
		return words[0]
	}
	return ""
}

// findingIDs are the ids of GuardDuty findings in text: 32 hexadecimal digits.
func findingIDs(text string) (ids []string) {
	start := 0
	hex := func(b byte) bool { return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' }
	for i := 0; i <= len(text); i++ {
		if i < len(text) && hex(text[i]) {
			continue
		}
		if i-start == 32 {
			ids = append(ids, text[start:i])
		}
		start = i + 1
	}
	return ids
}
