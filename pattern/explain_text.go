package pattern

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// spelled is raw JSON, cut and fit to be printed.
func spelled(raw string) string {
	if len(raw) <= maxSpelled {
		return printable(raw)
	}
	cut := maxSpelled
	for cut > 0 && !utf8.RuneStart(raw[cut]) {
		cut--
	}
	return printable(raw[:cut]) + "…"
}

// oneLine is a list without the white space it was laid out with.
func oneLine(list string) string {
	if !strings.ContainsAny(list, "\n\t") {
		return list
	}
	var b bytes.Buffer
	if json.Compact(&b, []byte(list)) != nil {
		return list
	}
	return b.String()
}

// printable escapes, as JSON would, what is not to reach a terminal or would not
// be seen there.
func printable(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !unprintable(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// String tells it in lines: the verdict, then a line for each leaf of the nearest
// combination and for the leaves that do not hold of the others.
//
//	no match
//	  yes  source           is "aws.guardduty", want ["aws.guardduty"]
//	  no   detail.severity  is "8", want [{"numeric": [">=", 7]}]
//	       hint: the event has the string "8" in quotes, and the pattern wants the number 8
func (e Explanation) String() string {
	var b strings.Builder
	switch total := len(e.Combinations) + e.More; {
	case e.Match:
		b.WriteString("match\n")
	case total > 1:
		fmt.Fprintf(&b, "no match: none of the %d combinations that $or makes; the nearest first\n", total)
	default:
		b.WriteString("no match\n")
	}
	for i, c := range e.Combinations {
		if e.Match && !c.Match {
			break
		}
		if i > 0 {
			b.WriteString("or\n")
		}
		c.write(&b, i == 0)
	}
	if e.More > 0 && !e.Match {
		fmt.Fprintf(&b, "and %d more\n", e.More)
	}
	return b.String()
}

func (c Combination) write(b *strings.Builder, whole bool) {
	width := 0
	for _, l := range c.Leaves {
		width = max(width, min(40, utf8.RuneCountInString(l.Path)))
	}
	held := 0
	for _, l := range c.Leaves {
		if l.Holds && !whole {
			held++
			continue
		}
		verdict := "no "
		if l.Holds {
			verdict = "yes"
		}
		fmt.Fprintf(b, "  %s  %-*s  %s, want %s\n", verdict, width, l.Path, l.saw(), l.Want)
		for _, h := range l.Hints {
			fmt.Fprintf(b, "       hint: %s\n", h)
		}
	}
	if held > 0 {
		fmt.Fprintf(b, "  yes  for the other %d\n", held)
	}
	for _, s := range c.Splits {
		fmt.Fprintf(b, "  no   all hold, but in different elements of %s:", s.Array)
		for i, in := range s.In {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(b, " %s in %s", in.Path, strings.Join(strings.Fields(fmt.Sprint(in.Elements)), ", "))
		}
		b.WriteByte('\n')
	}
}

func (l Leaf) saw() string {
	switch {
	case l.Found != "":
		return "is " + l.Found
	case l.More > 0:
		return fmt.Sprintf("is %s and %d more", strings.Join(l.Saw, " "), l.More)
	}
	return "is " + strings.Join(l.Saw, " ")
}

func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""` // cannot be: every string has a form in JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}
