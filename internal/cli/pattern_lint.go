package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/pattern/lint"
)

func patternLintCommand(s *shell) *cobra.Command {
	var color string
	c := &cobra.Command{
		Use:   "lint FILE...",
		Short: "Find the mistakes in patterns that AWS accepts without a word",
		Long: `lint finds what is wrong with patterns that AWS accepts: that they never match, that they
leave Critical findings out, that they match more than was meant. It says what to write
instead. docs/lint.md has all of it, by the codes in brackets.

FILE is a pattern in JSON or YAML, what 'aws events describe-rule' or 'aws events
list-rules' prints, or a configuration of tocsin, whose rules and routes are judged.
- is standard input, and a pattern may be written out, beginning with "{".

Exit codes: 0 there is no error, 1 there is one, 2 something went wrong.`,
		Example: `  tocsin pattern lint pattern.json
  tocsin pattern lint tocsin.yml
  aws events list-rules | tocsin pattern lint -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return s.lint(args, color) },
	}
	colorFlag(c, &color)
	withoutConfig(c, s)
	return c
}

// lintCommand is where people look for it who come with a pattern in hand.
func lintCommand(s *shell) *cobra.Command {
	c := &cobra.Command{
		Use: "lint", Short: "Find the mistakes in patterns that AWS accepts without a word",
		Example: "  tocsin lint pattern rule.json\n  aws events list-rules | tocsin lint pattern -",
	}
	inner := patternLintCommand(s)
	inner.Use = "pattern FILE..."
	inner.Example = strings.ReplaceAll(inner.Example, "tocsin pattern lint", "tocsin lint pattern")
	c.AddCommand(inner)
	return c
}

func (s *shell) lint(args []string, color string) error {
	colorful, err := s.colorful(color)
	if err != nil {
		return err
	}
	wrong := false
	var unread error
	for _, arg := range args {
		remarks, err := s.lintFile(arg)
		if err != nil {
			unread = errors.Join(unread, err)
		}
		for _, r := range remarks {
			wrong = wrong || r.severity == lint.Error
			if _, err := fmt.Fprintln(s.out, r.line(s.harmless, colorful)); err != nil {
				return err
			}
		}
	}
	switch {
	case unread != nil:
		return usage(unread)
	case wrong:
		return exitCode{errSaid, exitFailed}
	}
	return nil
}

// A remark is one line of what lint says.
type remark struct {
	file        string
	row, column int
	severity    lint.Severity
	text, code  string
}

func (r remark) line(harmless func(string) string, colorful bool) string {
	severity := string(r.severity)
	if colorful {
		severity = paint(map[lint.Severity]string{lint.Error: red, lint.Warning: yellow}[r.severity], severity)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s [%s]", harmless(r.file), r.row, r.column, severity, harmless(r.text), r.code)
}

// lintFile judges all patterns of one argument.
func (s *shell) lintFile(arg string) ([]remark, error) {
	if strings.HasPrefix(strings.TrimSpace(arg), "{") {
		return judged(givenName(arg), "", []byte(arg), placesIn([]byte(arg), nil)), nil
	}
	name, text, err := s.readInput(arg)
	if err != nil {
		return nil, ofFile(name, err)
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return lintJSON(name, text)
	}
	return lintYAML(name, text)
}

// places tells the line and the column of an offset in a pattern, both from 1.
type places func(offset int) (line, column int)

func judged(file, rule string, text []byte, at places) []remark {
	var all []remark
	for _, d := range lint.Pattern(text, lint.Events) {
		said := d.Path + ": " + d.Message
		if d.Instead != "" {
			said += "; " + d.Instead
		}
		if rule != "" {
			said = fmt.Sprintf("rule %q: %s", rule, said)
		}
		line, column := at(d.Offset)
		all = append(all, remark{file, line, column, d.Severity, said, d.Code})
	}
	return all
}

// lintYAML judges a configuration, a shipped rule, or a pattern.
func lintYAML(name string, text []byte) ([]remark, error) {
	asJSON, at, err := config.JSON(name, text)
	var keys map[string]json.RawMessage
	if err == nil && json.Unmarshal(asJSON, &keys) == nil && !isConfig(keys) {
		return judged(name, "", asJSON, at), nil
	}
	said, err := config.Lint(name, text)
	if err != nil {
		return nil, err
	}
	var all []remark
	for _, r := range said {
		all = append(all, remark{r.File, r.Line, r.Column, r.Severity, r.Path + ": " + r.Text, r.Code})
	}
	return all, nil
}

// isConfig tells a configuration, or a file of the library, from a pattern: their
// keys are no fields of an event.
func isConfig(keys map[string]json.RawMessage) bool {
	for _, k := range []string{"rules", "routes", "pattern", "receivers", "sources", "fallback"} {
		if _, ok := keys[k]; ok {
			return true
		}
	}
	return len(keys) == 0
}

// lintJSON judges a pattern, or the patterns of rules as the API of EventBridge
// gives them.
func lintJSON(name string, text []byte) ([]remark, error) {
	rules := rulesIn(text)
	if len(rules) == 0 && isRuleList(text) {
		return nil, nil // all of them run on a schedule
	}
	if len(rules) == 0 {
		inner, err := rulePattern(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return judged(name, "", inner, placesIn(text, nil)), nil
	}
	var all []remark
	for _, r := range rules {
		all = append(all, judged(name, r.name, r.pattern, placesIn(text, r.offsets))...)
	}
	return all, nil
}

// isRuleList knows the output of list-rules.
func isRuleList(text []byte) bool {
	var list struct{ Rules []struct{ Name string } }
	return json.Unmarshal(text, &list) == nil && len(list.Rules) > 0 && list.Rules[0].Name != ""
}

// placesIn tells places in a text; offsets, if there are any, say where in it each
// byte of the pattern is.
func placesIn(text []byte, offsets []int) places {
	return func(offset int) (line, column int) {
		if offsets != nil {
			offset = offsets[min(offset, len(offsets)-1)]
		}
		before := text[:min(offset, len(text))]
		last := before[bytes.LastIndexByte(before, '\n')+1:]
		return bytes.Count(before, []byte{'\n'}) + 1, utf8.RuneCount(last) + 1
	}
}

// A ruleText is a rule as the API gives it.
type ruleText struct {
	name    string
	pattern []byte
	offsets []int // where each byte of the pattern is in the file, and its end
}

// maxRuleDepth is more than anything that AWS prints is nested.
const maxRuleDepth = 100

// rulesIn are the rules with a pattern in what describe-rule or list-rules printed.
func rulesIn(text []byte) []ruleText {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var all []ruleText
	var read func(depth int) bool
	read = func(depth int) bool {
		t, err := dec.Token()
		if err != nil || depth > maxRuleDepth {
			return false
		}
		open, ok := t.(json.Delim)
		if !ok {
			return true
		}
		var r ruleText
		for dec.More() {
			key := ""
			if open == '{' {
				t, err := dec.Token()
				if err != nil {
					return false
				}
				key, _ = t.(string)
			}
			start := int(dec.InputOffset())
			var value string
			isText := textNext(text, start)
			if isText {
				if dec.Decode(&value) != nil {
					return false
				}
			} else if !read(depth + 1) {
				return false
			}
			switch {
			case key == "Name" && isText:
				r.name = value
			case key == "EventPattern" && isText:
				raw := start + bytes.IndexByte(text[start:], '"')
				r.pattern, r.offsets = []byte(value), offsetsOf(text, raw, value)
			}
		}
		if r.pattern != nil && depth <= 2 { // a rule, or one of "Rules"
			all = append(all, r)
		}
		_, err = dec.Token()
		return err == nil
	}
	if !read(0) {
		return nil
	}
	return all
}

// textNext reports whether the next value after offset is a string.
func textNext(text []byte, offset int) bool {
	rest := bytes.TrimLeft(text[offset:], " \t\r\n,:")
	return len(rest) > 0 && rest[0] == '"'
}

// offsetsOf says where in text each byte of a JSON string's value was written. The
// string begins at start.
func offsetsOf(text []byte, start int, value string) []int {
	offsets := make([]int, 0, len(value)+1)
	i := start + 1
	for _, r := range value {
		for range utf8.RuneLen(r) {
			offsets = append(offsets, i)
		}
		switch {
		case i+1 < len(text) && text[i] == '\\' && text[i+1] == 'u':
			i += 6
			if r > 0xffff {
				i += 6
			}
		case i < len(text) && text[i] == '\\':
			i += 2
		default:
			_, size := utf8.DecodeRune(text[min(i, len(text)):])
			i += size
		}
	}
	return append(offsets, i)
}
