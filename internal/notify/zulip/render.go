package zulip

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// topicOf is the topic of an alert: its number and what happened.
func topicOf(m notify.Message) string {
	return notify.Truncate(fmt.Sprintf("#%d %s", m.Alert.ID, notify.Headline(m)), topicMax, notify.UTF16)
}

// render makes the text of a message.
func render(m notify.Message, now time.Time) string {
	o := notify.OutlineOf(m, now)
	shape := m.Look().Shape
	return o.Fit(func(o notify.Outline) string { return page(o, shape) }, fits)
}

func fits(s string) bool { return notify.UTF16(s) <= contentMax }

// line is what is new. What calls for somebody says first what it is about.
func line(m notify.Message) string {
	news := plain(notify.Truncate(notify.News(m), contentMax/4, notify.UTF16))
	if m.Kind.Calls() || m.To != "" {
		return "**" + plain(m.Look().Shape+" "+notify.FirstLine(m)) + "**\n" + news
	}
	return news
}

// page is the outline in Zulip's Markdown
// (https://zulip.com/help/format-your-message-using-markdown).
func page(o notify.Outline, shape string) string {
	var b strings.Builder
	add := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
		}
		b.WriteByte('\n')
	}
	add("**", plain(shape+" "+o.First), "**")
	if o.Situation != "" {
		add(plain(o.Situation))
	}
	for _, p := range o.Prose {
		add("\n", plain(p))
	}
	if len(o.Facts) > 0 {
		add()
	}
	for _, f := range o.Facts {
		add("* **", plain(f.Name), ":** ", value(f.Value))
	}
	if o.Step != "" && !strings.Contains(o.Step, "```") {
		add("\nFirst step:\n```text\n", o.Step, "\n```")
	}
	if len(o.Items) > 0 {
		add()
	}
	for _, item := range o.Items {
		add("* ", strings.TrimSpace(plain(item.Text)+" "+anchor(notify.Line{Text: "open", URL: item.URL})))
	}
	if o.More != "" {
		add("\n", o.More)
	}
	var anchors []string
	for _, l := range slices.Concat(o.Answers, o.Links) {
		if a := anchor(l); a != "" {
			anchors = append(anchors, a)
		}
	}
	if len(anchors) > 0 {
		add("\n", strings.Join(anchors, " · "))
	}
	if o.Footer != "" {
		add("\n", plain(o.Footer))
	}
	return strings.TrimSpace(b.String())
}

// anchor is a link, or "" where the address would end it early.
func anchor(l notify.Line) string {
	if l.URL == "" || strings.ContainsAny(l.URL, "()[]<>*`") {
		return ""
	}
	return "[" + strings.NewReplacer("[", "(", "]", ")").Replace(plain(l.Text)) + "](" + l.URL + ")"
}

// value is a text that people copy: as it is, or as code where something in it would be
// markup. In code Zulip takes nothing for anything.
func value(s string) string {
	if plain(s) == s {
		return s
	}
	return "`" + strings.ReplaceAll(s, "`", "ˋ") + "`"
}

// Zulip has no escapes that work everywhere, so what would be markup is replaced by
// what looks like it.
var (
	entity  = lazyregexp.New(`&(#\d|#[xX][0-9a-fA-F]|[a-zA-Z][a-zA-Z0-9]*;)`)
	opening = lazyregexp.New(`^(?:[-+*>#|]|\d{1,9}[.)])(?:\s|$)|^#{1,6}\s|^(?:-{3,}|={3,})|^[>|]|^/(?:me|poll|todo)\b`)
	smiley  = lazyregexp.New(`:([\pL\pN_+-]+:)`)
	doubled = strings.NewReplacer("](", "] (", "][", "] [", "]:", "] :", "~~", "∼∼", "$$", "＄＄", "`", "ˋ", "!avatar(", "! avatar(", "!gravatar(", "! gravatar(")
)

// plain is s without what Zulip would take for markup or for a mention. Most texts are
// left as they are.
func plain(s string) string {
	if entity.MatchString(s) {
		s = entity.ReplaceAllStringFunc(s, func(found string) string { return "＆" + found[1:] })
	}
	s = doubled.Replace(s)
	for smiley.MatchString(s) { // what was the end of one may begin the next
		s = smiley.ReplaceAllString(s, "∶$1")
	}
	if opening.MatchString(s) {
		s = "· " + s
	}
	if !strings.ContainsAny(s, "*<\\") {
		return s
	}
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		before, after := ' ', ' '
		if i > 0 {
			before = runes[i-1]
		}
		if i+1 < len(runes) {
			after = runes[i+1]
		}
		b.WriteRune(harmless(before, r, after))
	}
	return b.String()
}

// harmless is r, or what looks like it where it would be markup between its
// neighbours: mentions (@**all**, @_*team*) and emphasis need an asterisk at a word.
func harmless(before, r, after rune) rune {
	switch {
	case r == '*' && (before != ' ' || after != ' '):
		return '∗'
	case r == '<' && after != ' ':
		return '‹'
	case r == '\\' && !wordy(after):
		return '＼'
	}
	return r
}

func wordy(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
