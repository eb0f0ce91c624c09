// Package plain makes texts from outside fit to be shown: one line, nothing that
// hides or turns writing, links that nobody can click, no longer than wanted.
package plain

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is s as one line of valid UTF-8 without control characters, invisible ones
// and those that turn the direction of writing, of at most limit characters; what
// was cut ends in "…".
func Line(s string, limit int) string {
	return Cut(clean(s, limit), limit)
}

// Prose is a [Line] whose links are dead: hxxp://evil[.]example/x. It is cut before
// as well as after: what is made of links grows, and costs, with the square of how
// many there are.
func Prose(s string, limit int) string {
	return Cut(defang(Line(s, limit)), limit)
}

// Cut is s with at most limit characters, the last then being "…".
func Cut(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == limit {
			return strings.TrimRight(s[:i], " ,") + "…"
		}
	}
	return s
}

// maxLink is the longest address that is kept, in bytes.
const maxLink = 2000

// Link is s if it is an http or https address that may be shown as one: with a
// host, without a user, and without characters that could end a quotation. It is
// "" if not.
func Link(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > maxLink || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("\"'<>|`\\^{}", r)
	}) {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	return s
}

// clean looks no further than a text of more than limit characters needs.
func clean(s string, limit int) string {
	var b strings.Builder
	space := false
	n := 0
	for _, r := range s {
		if n > limit {
			break
		}
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			space = true
			continue
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
			n++
		}
		space = false
		n++
		b.WriteRune(r) // what is no UTF-8 is U+FFFD here
	}
	return b.String()
}

// defang makes the addresses in a text unclickable.
func defang(s string) string {
	if !strings.Contains(s, "://") && indexWWW(s) < 0 {
		return s
	}
	words := strings.Split(s, " ")
	for i, w := range words {
		words[i] = defangWord(w)
	}
	return strings.Join(words, " ")
}

func defangWord(w string) string {
	before, rest, found := strings.Cut(w, "://")
	if !found {
		if i := indexWWW(w); i >= 0 {
			return w[:i] + dots(w[i:])
		}
		return w
	}
	if n := len(before); n >= len("http") {
		for _, scheme := range []string{"https", "http"} {
			if from := n - len(scheme); from >= 0 && strings.EqualFold(before[from:], scheme) {
				before = before[:from] + "hxxp" + strings.ToLower(scheme[len("http"):])
				break
			}
		}
	}
	host, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	return before + "://" + dots(host) + defangWord(path) // the path may hold another address
}

// indexWWW is where an address without a scheme begins, in any case, or -1.
func indexWWW(s string) int {
	const www = "www."
	for i := range len(s) - len(www) + 1 {
		if strings.EqualFold(s[i:i+len(www)], www) {
			return i
		}
	}
	return -1
}

func dots(host string) string {
	return strings.ReplaceAll(strings.ReplaceAll(host, "[.]", "."), ".", "[.]")
}
