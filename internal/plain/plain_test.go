package plain_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin/internal/plain"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"as it is", "disk is full", "disk is full"},
		{"line breaks and tabs are one space", " a\r\n\t b ", "a b"},
		{"control characters", "a\x1b[31mb\x00c", "a [31mb c"},
		{"marks that turn writing", "abc\u202egpj.exe", "abcgpj.exe"},
		{"invisible ones", "pay\u200bpal\ufeff", "paypal"},
		{"private ones", "pay\ue000pal", "paypal"},
		{"no UTF-8", "a\xffb", "a\ufffdb"},
		{"other writing", "Łódź 漢字 🛎", "Łódź 漢字 🛎"},
		{"links stay alive", "https://wiki.example.com/run", "https://wiki.example.com/run"},
		{"nothing", "", ""},
	} {
		if got := plain.Line(tt.text, 100); got != tt.want {
			t.Errorf("%s: Line(%q) = %q, want %q", tt.name, tt.text, got, tt.want)
		}
	}
}

func TestLineIsCutWhereACharacterEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		limit int
		want  string
	}{
		{"漢字漢字", 4, "漢字漢字"},
		{"漢字漢字漢", 4, "漢字漢…"},
		{"one, two", 5, "one…"},
		{"ab", 1, "…"},
		{"a b", 3, "a b"},
		{"abc \t\u200b", 3, "abc"},
		{"abc  d", 3, "ab…"},
	} {
		if got := plain.Line(tt.text, tt.limit); got != tt.want {
			t.Errorf("Line(%q, %d) = %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}

func TestProseHasNoLinkThatWorks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"see https://evil.example/x now", "see hxxps://evil[.]example/x now"},
		{"HTTP://EVIL.example", "hxxp://EVIL[.]example"},
		{"go to www.evil.example", "go to www[.]evil[.]example"},
		{"WWW.evil.example", "WWW[.]evil[.]example"},
		{"İwww.evil.example", "İwww[.]evil[.]example"},
		{"(http://a.example?u=http://b.example)", "(hxxp://a[.]example?u=hxxp://b[.]example)"},
		{"hxxp://evil[.]example", "hxxp://evil[.]example"},
		{"version 1.2.3 of a.b", "version 1.2.3 of a.b"},
	} {
		if got := plain.Prose(tt.text, 100); got != tt.want {
			t.Errorf("Prose(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

// A sender that fills half a megabyte with the beginnings of links gets the same
// answer as one that stops where the text is cut, and as soon.
func TestProseOfLinksWithoutEnd(t *testing.T) {
	t.Parallel()
	const limit = 300
	for _, link := range []string{"http://a/", "x://y/", "www.a.example ", "\u202e"} {
		begun := time.Now()
		got, want := plain.Prose("see "+strings.Repeat(link, 100_000), limit), plain.Prose("see "+strings.Repeat(link, limit), limit)
		if took := time.Since(begun); got != want || took > 5*time.Second {
			t.Errorf("Prose(%q without end) = %.40q after %v, want %.40q at once", link, got, took, want)
		}
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		ok   bool
	}{
		{"https://grafana.example.com/d/1?orgId=1&var=a%20b", true},
		{"http://10.0.0.1:9090/graph", true},
		{"javascript:alert(1)", false},
		{"https://user:pass@example.com/", false},
		{"https:///nowhere", false},
		{"https://a.example/\"onclick=", false},
		{"https://a.example/ b", false},
		{"https://a.example/" + strings.Repeat("x", 2000), false},
		{"", false},
	} {
		if got := plain.Link(tt.text); (got != "") != tt.ok {
			t.Errorf("Link(%q) = %q, want a link: %v", tt.text, got, tt.ok)
		}
	}
}

func FuzzProse(f *testing.F) {
	f.Add("see https://evil.example/x", 20)
	f.Add("a\u202e\xff\n", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 1 + (limit&0xfff)%300
		got := plain.Prose(s, limit)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > limit || strings.ContainsAny(got, "\n\r\t\x00") {
			t.Errorf("Prose(%q, %d) = %q", s, limit, got)
		}
		if strings.Contains(strings.ToLower(got), "http://") || strings.Contains(strings.ToLower(got), "https://") {
			t.Errorf("Prose(%q) = %q has a link", s, got)
		}
	})
}
