package alertmanager

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/importer"
)

// A matcher asks for the value of a label. A label that an alert does not have is
// the same as an empty one.
//
// https://prometheus.io/docs/alerting/latest/configuration/#matcher
type matcher struct {
	label, value string
	negative     bool
	regex        *regexp.Regexp // anchored; nil where the value is compared
	at           *importer.Node
}

func (m matcher) matches(value string) bool {
	ok := value == m.value
	if m.regex != nil {
		ok = m.regex.MatchString(value)
	}
	return ok != m.negative
}

// String is the matcher as Alertmanager writes it.
func (m matcher) String() string {
	op := "="
	switch {
	case m.regex != nil && m.negative:
		op = "!~"
	case m.regex != nil:
		op = "=~"
	case m.negative:
		op = "!="
	}
	return m.label + op + `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(m.value) + `"`
}

func newMatcher(at *importer.Node, label, value string, negative, isRegex bool) (matcher, error) {
	m := matcher{label: label, value: value, negative: negative, at: at}
	if label == "" {
		return m, importer.Failure(at, "a matcher without a label")
	}
	if isRegex {
		re, err := regexp.Compile("^(?:" + value + ")$")
		if err != nil {
			return m, importer.Failure(at, "%s: not a regular expression: %s", label, err)
		}
		m.regex = re
	}
	return m, nil
}

// matchersOf are those that an entry has under the three keys that its version of
// Alertmanager may write: of a route match, match_re and matchers, and of an
// inhibition the same behind a prefix.
func matchersOf(n *importer.Node, prefix string) ([]matcher, error) {
	var all []matcher
	for _, form := range []struct {
		key   string
		regex bool
	}{{"match", false}, {"match_re", true}} {
		of := n.At(prefix + form.key)
		if of == nil || of.Kind == importer.Null {
			continue
		}
		if !of.Is(importer.Mapping) {
			return nil, importer.Failure(of, "%s: got %s, want labels and values", prefix+form.key, of.Kind)
		}
		var err error
		of.Each(func(label string, e *importer.Entry) {
			if err != nil {
				return
			}
			var m matcher
			if m, err = newMatcher(e.Value, label, e.Value.Scalar(), false, form.regex); err == nil {
				all = append(all, m)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	for _, item := range n.At(prefix + "matchers").List() {
		if item.Kind != importer.Word && item.Kind != importer.String {
			return nil, importer.Failure(item, `a matcher is %s, want text such as severity="critical"`, item.Kind)
		}
		ms, err := parseMatchers(item)
		if err != nil {
			return nil, err
		}
		all = append(all, ms...)
	}
	return all, nil
}

// parseMatchers reads one matcher, or several with commas between them, in braces
// or not.
func parseMatchers(n *importer.Node) ([]matcher, error) {
	text := strings.TrimSpace(n.Text)
	if strings.HasPrefix(text, "{") {
		if !strings.HasSuffix(text, "}") {
			return nil, importer.Failure(n, "%q has no closing brace", n.Text)
		}
		text = text[1 : len(text)-1]
	}
	var all []matcher
	for _, part := range splitMatchers(text) {
		if strings.TrimSpace(part) == "" {
			continue // a comma at the end
		}
		m, err := parseMatcher(n, part)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// splitMatchers splits at the commas outside of quotes.
func splitMatchers(text string) []string {
	var parts []string
	from, inside := 0, false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			inside = !inside
		case ',':
			if !inside {
				parts = append(parts, text[from:i])
				from = i + 1
			}
		}
	}
	return append(parts, text[from:])
}

var matcherForm = regexp.MustCompile(`^\s*("(?:[^"\\]|\\.)*"|[^\s=!~{}",]+)\s*(=~|!~|!=|=)\s*((?s).*?)\s*$`)

func parseMatcher(n *importer.Node, text string) (matcher, error) {
	found := matcherForm.FindStringSubmatch(text)
	if found == nil {
		return matcher{}, importer.Failure(n, `%q is no matcher such as severity="critical"`, strings.TrimSpace(text))
	}
	label, err := unquote(found[1])
	if err != nil {
		return matcher{}, importer.Failure(n, "%q: %s", strings.TrimSpace(text), err)
	}
	value, err := unquote(found[3])
	if err != nil {
		return matcher{}, importer.Failure(n, "%q: %s", strings.TrimSpace(text), err)
	}
	return newMatcher(n, label, value, found[2][0] == '!', found[2][1:] == "~")
}

// unquote reads a value, in quotes or not. Within, \n, \" and \\ are what they are
// in every language, and every other backslash is one: regular expressions have
// them.
func unquote(text string) (string, error) {
	inside := strings.HasPrefix(text, `"`)
	if inside {
		if len(text) < 2 || !strings.HasSuffix(text, `"`) {
			return "", fmt.Errorf("a quote is missing")
		}
		text = text[1 : len(text)-1]
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '"':
			return "", fmt.Errorf("a quote within the value; write it as \\\"")
		case c != '\\' || i+1 == len(text):
			b.WriteByte(c)
			continue
		}
		i++
		switch text[i] {
		case 'n':
			b.WriteByte('\n')
		case '"', '\\':
			b.WriteByte(text[i])
		default:
			b.WriteByte('\\')
			b.WriteByte(text[i])
		}
	}
	return b.String(), nil
}
