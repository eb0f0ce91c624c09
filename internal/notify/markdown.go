package notify

import (
	"strings"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// Markdown is the outline below its first line as GitHub and GitLab take it
// (https://github.github.com/gfm/, https://docs.gitlab.com/user/markdown/), at most
// most characters long. Its texts mention nobody, refer to nothing and command
// nothing; see [MarkdownText].
func (o Outline) Markdown(most int) string {
	return o.Fit(Outline.markdown, func(s string) bool { return UTF16(s) <= most })
}

func (o Outline) markdown() string {
	var blocks []string
	add := func(s string) {
		if s != "" {
			blocks = append(blocks, s)
		}
	}
	list := func(lines []string) { add(strings.Join(lines, "\n")) }
	if o.Situation != "" {
		add("**" + MarkdownText(o.Situation) + "**")
	}
	for _, p := range o.Prose {
		add(MarkdownText(p))
	}
	var facts, items, links []string
	for _, f := range o.Facts {
		facts = append(facts, "- **"+MarkdownText(f.Name+":")+"** "+MarkdownText(f.Value))
	}
	list(facts)
	if o.Step != "" {
		add("**First step:**")
		add(fenced(o.Step))
	}
	for _, i := range o.Items {
		items = append(items, "- "+markdownLink(MarkdownText(i.Text), i.URL))
	}
	list(items)
	if o.More != "" {
		add(MarkdownText(o.More))
	}
	for _, l := range o.Links {
		links = append(links, markdownLink(brackets.Replace(l.Text), l.URL)) // words of ours
	}
	add(strings.Join(links, " · "))
	if o.Footer != "" {
		add(MarkdownText(o.Footer))
	}
	return strings.Join(blocks, "\n\n")
}

// markdownLink is a link, within which neither takes anything for a reference.
func markdownLink(text, url string) string {
	if url == "" {
		return text
	}
	return "[" + text + "](<" + strings.ReplaceAll(url, "&", "&amp;") + ">)"
}

// meant is what GitHub or GitLab makes something of before or after they read
// Markdown, so that no backslash helps: mentions, references of every kind,
// emoji, formulas, links of any scheme, characters by their name, and what opens a
// block at the beginning of a line, GitLab's quick actions among it.
var meant = lazyregexp.New("[@#$~*{}\\\\|<>`^]" +
	`|[!&]\d|%[\pL\pN"]|&[\pL\pN#]+;|(?i:\bG[HL]-\d)|(?i:\[[a-z_]+:)` +
	`|:[\pL\pN_+-]+:|://|__|(?:^|[^\pL\pN])_|_(?:$|[^\pL\pN])` +
	`|^[-+=/:\[]|^\d+[.)](?:\s|$)`)

// MarkdownText is a line of untrusted text, clean and defanged, as text of
// Markdown. One of which GitHub or GitLab would make anything but text stands in a
// code span, where both leave it alone
// (https://docs.github.com/get-started/writing-on-github, https://docs.gitlab.com/user/markdown/).
func MarkdownText(s string) string {
	if meant.MatchString(s) {
		return codeSpan(s)
	}
	return brackets.Replace(s)
}

// referring is what GitLab refers by even in titles, and GitHub where it shows them.
var referring = lazyregexp.New("[@#$~^%`]|[!&]\\d|(?i:\\[[a-z_]+:)")

// TicketTitle is the message's first line as a title, where no code span helps:
// what would mention somebody or refer to something is written in wide letters,
// "＠ana", "＃12".
func TicketTitle(m Message, most int) string {
	title := referring.ReplaceAllStringFunc(FirstLine(m), func(found string) string {
		return string(rune(found[0])+'！'-'!') + found[1:]
	})
	return Truncate(title, most, UTF16)
}

var brackets = strings.NewReplacer("[", `\[`, "]", `\]`)

// codeSpan shows s as it is (https://github.github.com/gfm/#code-spans).
func codeSpan(s string) string {
	fence := strings.Repeat("`", longest(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

func fenced(s string) string {
	fence := strings.Repeat("`", max(3, longest(s)+1))
	return fence + "\n" + s + "\n" + fence
}

// longest is the longest run of backticks.
func longest(s string) int {
	most, run := 0, 0
	for i := range len(s) {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		most = max(most, run)
	}
	return most
}
