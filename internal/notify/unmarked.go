package notify

import (
	"strings"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// Unmarked is a line of untrusted text, clean and defanged, as text for chat
// programs with a Markdown of their own (Discord, Mattermost, Rocket.Chat, Google
// Chat): what they would take for markup, a mention, an emoji or a link is replaced
// by what looks like it. Escapes are no way: they show up where a program does
// without markup, in notifications on a phone. Most texts, and the ids that people
// copy, are left as they are. It is at most most units long.
func Unmarked(s string, most int, unit Unit) string {
	for room := most; ; {
		text := unmark(Truncate(s, room, unit))
		over := unit(text) - most
		if over <= 0 {
			return text
		}
		room -= max(1, over/3) // a look-alike has up to three times the bytes
	}
}

var (
	anchorText = strings.NewReplacer("[", "(", "]", ")")
	anchorURL  = strings.NewReplacer("(", "%28", ")", "%29")
)

// Anchors are links of ours in the Markdown of those programs. Those that lead nowhere
// are left out.
func Anchors(lines ...Line) string {
	var all []string
	for _, l := range lines {
		if l.URL != "" {
			all = append(all, "["+anchorText.Replace(Unmarked(l.Text, 80, UTF16))+"]("+anchorURL.Replace(l.URL)+")")
		}
	}
	return strings.Join(all, " · ")
}

var (
	characterName = lazyregexp.New(`&(#\d|#[xX][0-9a-fA-F]|[a-zA-Z][a-zA-Z0-9]*;)`)
	// blockStart is what makes a list, a heading, a quotation, a table or a rule of a
	// line.
	blockStart = lazyregexp.New(`^(?:[-+*#]|\d{1,9}[.)])(?:\s|$)|^(?:#{1,6}|-#)\s|^>|^\||^[-=]+\s*$|^(?:-{3,}|={3,}|:-)`)
	emojiName  = lazyregexp.New(`(^|[^0-9A-Za-z]):([0-9A-Za-z_+-]+):`)
	pairs      = strings.NewReplacer("](", "] (", "][", "] [", "]:", "] :", "||", "∣∣")
)

func unmark(s string) string {
	s = characterName.ReplaceAllStringFunc(s, func(found string) string { return "＆" + found[1:] })
	s = emojiName.ReplaceAllString(s, "${1}∶${2}:")
	s = pairs.Replace(s)
	if blockStart.MatchString(s) {
		s = "· " + s
	}
	if !strings.ContainsAny(s, "*_~`<@#\\") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	before, runes := ' ', []rune(s)
	for i, r := range runes {
		after := ' '
		if i+1 < len(runes) {
			after = runes[i+1]
		}
		b.WriteRune(lookalike(before, r, after))
		before = r
	}
	return b.String()
}

// lookalike is r, or what looks like it where it would be markup between its
// neighbours.
func lookalike(before, r, after rune) rune {
	apart := before == ' ' && after == ' '
	within := alphanumeric(before) && alphanumeric(after)
	switch {
	case r == '`':
		return 'ˋ'
	case r == '*' && !apart:
		return '∗'
	case r == '_' && !within:
		return '＿'
	case r == '~' && !apart && !within:
		return '∼'
	case r == '<' && after != ' ' && after != '=':
		return '‹'
	case r == '@' && !alphanumeric(before):
		return '＠'
	case r == '#' && !alphanumeric(before) && after != ' ' && (after < '0' || after > '9'):
		return '＃'
	case r == '\\' && !alphanumeric(after):
		return '＼'
	}
	return r
}

func alphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
