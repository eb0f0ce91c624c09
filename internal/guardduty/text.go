package guardduty

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what is kept of the finding's own texts, in characters.
const (
	maxFact        = 300
	maxFacts       = 12
	maxTitle       = 300
	maxDescription = 2000
	maxHeadline    = 80  // a headline is cut there
	goodHeadline   = 70  // and does without what it can above this
	maxName        = 28  // a name within a headline
	maxIdentity    = 300 // AWS: a finding's id is at most 300 characters
	maxTags        = 50  // AWS: a resource has at most 50 tags
	maxSignals     = 100 // AWS: an attack sequence has at most 100 signals
)

// clean makes one line of valid UTF-8 out of text from outside: control
// characters and line breaks become spaces, and marks that turn the direction of
// writing, with which a name could pass for another, are dropped.
func clean(b []byte) string {
	b = bytes.TrimSpace(b)
	plain := true
	for _, c := range b {
		if c < 0x20 || c >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return string(b)
	}
	var out strings.Builder
	out.Grow(len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			out.WriteByte(' ')
		case turnsWriting(r):
		default:
			out.WriteRune(r)
		}
	}
	return strings.TrimSpace(out.String())
}

func turnsWriting(r rune) bool {
	return r == '\u061c' || r == '\u200e' || r == '\u200f' || r == '\ufeff' ||
		r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// clip cuts s to at most limit characters, the last then being "…".
func clip(s string, limit int) string {
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

// middle shortens a name and keeps both ends, which tell names apart.
func middle(s string, limit int) string {
	r := []rune(s)
	if len(r) <= limit {
		return s
	}
	head := (limit - 1) * 2 / 3
	return string(r[:head]) + "…" + string(r[len(r)-(limit-1-head):])
}

// digest keeps identities short enough for a database's index without making
// two of them one.
func digest(s string) string {
	if len(s) <= maxIdentity {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return clip(s, 64) + hex.EncodeToString(sum[:])
}

// zeroPad writes n with at least width digits.
func zeroPad(n int64, width int) string {
	s := strconv.FormatInt(n, 10)
	if len(s) < width {
		s = strings.Repeat("0", width-len(s)) + s
	}
	return s
}

// defang makes a domain that nobody can click: evil[.]com.
func defang(domain string) string {
	if strings.Contains(domain, "[.]") { // done before, at least in part
		domain = strings.ReplaceAll(domain, "[.]", ".")
	}
	return strings.ReplaceAll(domain, ".", "[.]")
}

// defangLinks makes the links in a text unclickable: hxxp://evil[.]com/x.
func defangLinks(s string) string {
	if !strings.Contains(s, "://") && !strings.Contains(s, "www.") && !strings.Contains(s, "WWW.") {
		return s
	}
	words := strings.Split(s, " ")
	for i, w := range words {
		words[i] = defangWord(w)
	}
	return strings.Join(words, " ")
}

// longestLink is the longest word, in bytes, in which links are looked for one by
// one: that takes the square of its length.
const longestLink = 4 << 10

func defangWord(w string) string {
	if len(w) > longestLink {
		return defang(strings.ReplaceAll(w, "://", ":"))
	}
	lower := strings.ToLower(w)
	from, host := -1, -1
	for _, scheme := range [...]string{"http://", "https://", "ftp://", "ftps://"} {
		if i := strings.Index(lower, scheme); i >= 0 && (from < 0 || i < from) {
			from, host = i, i+len(scheme)
		}
	}
	if from < 0 {
		i := strings.Index(lower, "www.")
		if i < 0 || len(lower) != len(w) {
			return w
		}
		return w[:i] + defang(w[i:])
	}
	if len(lower) != len(w) { // lower-casing changed the length: the places do not fit
		return defang(strings.ReplaceAll(w, "://", ":"))
	}
	scheme := strings.Replace(lower[from:host], "http", "hxxp", 1)
	scheme = strings.Replace(scheme, "ftp", "fxp", 1)
	rest := w[host:]
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	// The path may hold another link.
	return w[:from] + scheme + defang(rest[:end]) + defangWord(rest[end:])
}

// defangIn makes one known domain unclickable wherever it stands in the text.
func defangIn(s, domain string) string {
	if domain == "" || !strings.Contains(domain, ".") {
		return s
	}
	return strings.ReplaceAll(s, domain, defang(domain))
}

// humanise makes words of a name in camel case: "DNSDataExfiltration" is "DNS
// data exfiltration".
func humanise(name string) string {
	r := []rune(name)
	var words []string
	start := 0
	cut := func(end int) {
		if end > start {
			words = append(words, word(string(r[start:end])))
		}
		start = end
	}
	for i := 1; i < len(r); i++ {
		upper, before := unicode.IsUpper(r[i]), unicode.IsUpper(r[i-1])
		nextLower := i+1 < len(r) && unicode.IsLower(r[i+1])
		switch {
		case r[i] == '_' || r[i] == '.' || r[i] == '!' || r[i] == '-' || r[i] == ' ':
			cut(i)
			start = i + 1
		case upper && !before, upper && before && nextLower:
			cut(i)
		}
	}
	cut(len(r))
	return strings.Join(words, " ")
}

// word is lower case unless it is an abbreviation.
func word(s string) string {
	if len(s) > 1 && s == strings.ToUpper(s) && len(s) <= 5 {
		return s
	}
	return strings.ToLower(s)
}

// join puts the texts that are not empty together.
func join(sep string, texts ...string) string {
	size, only, n := 0, "", 0
	for _, s := range texts {
		if s != "" {
			size += len(s) + len(sep)
			only = s
			n++
		}
	}
	if n <= 1 {
		return only
	}
	var b strings.Builder
	b.Grow(size)
	for _, s := range texts {
		if s == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(sep)
		}
		b.WriteString(s)
	}
	return b.String()
}

// paren is " (s)", or nothing.
func paren(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
