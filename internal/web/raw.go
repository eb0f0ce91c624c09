package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
)

// Bounds of a preview. Whoever wants more downloads the event.
const (
	previewMax = 64 << 10  // bytes shown
	indentMax  = 512 << 10 // bytes that are laid out; above, the event is shown as it came
	depthMax   = 100       // of nesting that is laid out: indentation grows with its square
)

// A rawView is an event's bytes as a page can show them.
type rawView struct {
	Seq  int64
	Size int
	JSON bool
	// Text is readable: laid out if it is JSON, characters that cannot be seen
	// made visible.
	Text string
	Cut  bool // there is more than Text
}

func newRaw(ev tocsin.Event) rawView {
	v := rawView{Seq: ev.Seq, Size: len(ev.Raw), JSON: json.Valid(ev.Raw)}
	text := ev.Raw
	if v.JSON && len(text) <= indentMax && depth(text) <= depthMax {
		var b bytes.Buffer
		if json.Indent(&b, text, "", "  ") == nil {
			text = b.Bytes()
		}
	}
	if len(text) > previewMax {
		text, v.Cut = whole(text[:previewMax]), true
	}
	v.Text = visible(string(text))
	return v
}

// extension is that of the file of the event.
func (v rawView) extension() string {
	if v.JSON {
		return ".json"
	}
	return ".txt"
}

// SizeText is the size as people say it.
func (v rawView) SizeText() string { return sizeText(v.Size) }

func sizeText(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// depth is how deep valid JSON nests.
func depth(b []byte) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// whole drops a rune that was cut at the end.
func whole(b []byte) []byte {
	for i := 1; i <= utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			return b
		}
	}
	return b
}

// visible writes what cannot be seen as an escape, so that a text is what it
// looks like.
func visible(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r == '\r' && strings.HasPrefix(s[i+1:], "\n"):
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
