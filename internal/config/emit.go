package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	yaml "github.com/goccy/go-yaml"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// toYAML writes a tree as YAML that is read as the same tree, whoever reads it: a
// text that any reader could take for something else is in quotes.
func toYAML(tree any) []byte {
	var b strings.Builder
	emit(&b, tree, "")
	return []byte(strings.TrimPrefix(b.String(), "\n"))
}

// emit writes a value behind what stands on the line, or below it.
func emit(b *strings.Builder, v any, indent string) {
	switch v := v.(type) {
	case yaml.MapSlice:
		if len(v) == 0 {
			b.WriteString(" {}\n")
			return
		}
		b.WriteByte('\n')
		for _, item := range v {
			b.WriteString(indent + word(fmt.Sprint(item.Key)) + ":")
			emit(b, item.Value, indent+"  ")
		}
	case []any:
		if len(v) == 0 {
			b.WriteString(" []\n")
			return
		}
		b.WriteByte('\n')
		for _, item := range v {
			var inner strings.Builder
			emit(&inner, item, indent+"  ")
			text := inner.String()
			if rest, below := strings.CutPrefix(text, "\n"); below { // its first line stands behind the dash
				text = " " + strings.TrimPrefix(rest, indent+"  ")
			}
			b.WriteString(indent + "-" + text)
		}
	case string:
		if strings.Contains(v, "\n") && block.MatchString(v) && !strings.HasSuffix(v, "\n\n") {
			emitBlock(b, v, indent)
			return
		}
		b.WriteString(" " + word(v) + "\n")
	default:
		b.WriteString(" " + scalarText(v) + "\n")
	}
}

// block are texts of several lines that can stand as they are: none is indented
// at its beginning, ends in blanks, or has what cannot be printed.
var block = lazyregexp.New(`^[^\s\pC](?:[^\pC]*[^\s\pC])?(?:\n|\n[^\pC]*[^\s\pC])*\n?$`)

func emitBlock(b *strings.Builder, text, indent string) {
	sign := " |\n"
	if !strings.HasSuffix(text, "\n") {
		sign = " |-\n"
	}
	b.WriteString(sign)
	for line := range strings.Lines(strings.TrimSuffix(text, "\n")) {
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			line = indent + line
		}
		b.WriteString(line + "\n")
	}
}

func scalarText(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

var (
	// plain is what needs no quotes by its form.
	plain = lazyregexp.New(`^[A-Za-z/$][A-Za-z0-9_./${}@+*:=-]*(?: [A-Za-z0-9_./${}@+*=(-][A-Za-z0-9_./${}@+*:=(),-]*)*$`)
	// others are words that some readers take for something else.
	others = []string{"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"}
)

// word is a text on one line, in quotes unless it is sure to be read as text.
func word(s string) string {
	if plain.MatchString(s) && !strings.HasSuffix(s, ":") && !strings.Contains(s, ": ") && !slices.Contains(others, strings.ToLower(s)) {
		return s
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return strconv.Quote(s) // cannot be: every text has a form in JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}
