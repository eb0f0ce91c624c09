package jira

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Jira's limits. A summary is one line of at most 255 characters; a description
// and a comment have at most 32,767, and an administrator of a Data Center may
// have set less (jira.text.field.character.limit).
const (
	summaryMax = 255
	textMax    = 32767
	idMax      = 60
)

// A document is what a description or a comment says, before it is written as
// Jira Cloud or a Data Center wants it.
type document []block

// A block is a paragraph, a list or a command; one of them.
type block struct {
	words []span
	list  [][]span
	code  string
}

// A span is words in a paragraph: bold, or a link of ours.
type span struct {
	text string
	bold bool
	url  string
}

func paragraph(spans ...span) block { return block{words: spans} }
func plain(s string) span           { return span{text: s} }
func bold(s string) span            { return span{text: s, bold: true} }

// written is the document as the API wants it, cut until Jira takes it: as the
// value rooms of render grow smaller, so does the text.
func (n *notifier) written(render func(room int) document) any {
	var text any
	for _, room := range []int{500, 200, 80, 40} {
		d := render(room)
		if n.c.API == 2 {
			wiki := d.wiki()
			if text = wiki; notify.UTF16(wiki) <= textMax {
				break
			}
			continue
		}
		adf := d.adf()
		text = adf
		// Jira counts the characters of the text; that of its JSON is the safe measure.
		if raw, err := json.Marshal(adf); err == nil && notify.UTF16(string(raw)) <= textMax {
			break
		}
	}
	return text
}

// description is what a new ticket says.
func description(m notify.Message, now time.Time, room int) document {
	switch m.Kind {
	case tocsin.TellDigest:
		return digest(m, room)
	case tocsin.TellNote:
		return document{paragraph(plain(notify.Note(m))), footer(m)}
	}
	d := document{situation(m)}
	if changes := notify.Changes(m); changes != "" {
		d = append(d, paragraph(bold("What changed: "), plain(word(changes, 2*room))))
	}
	if prose := notify.Description(m); prose != "" {
		d = append(d, paragraph(plain(prose)))
	}
	facts, command := facts(m, now, room)
	d = append(d, block{list: facts})
	if command != "" {
		d = append(d, paragraph(bold("First step")), block{code: command})
	}
	if m.Kind != tocsin.TellOpened {
		d = append(d, paragraph(plain(became(m))))
	}
	if links := links(m); len(links.words) > 0 {
		d = append(d, links)
	}
	return append(d, footer(m))
}

// situation is the first line: level, what is told, type.
func situation(m notify.Message) block {
	level := notify.LookOf(m.Alert.Level)
	spans := []span{bold(level.Shape + " " + level.Word), plain(" · " + m.State())}
	if m.Alert.Sample {
		spans = append(spans, bold(" · SAMPLE"))
	}
	if kind := notify.Type(m); kind != "" {
		spans = append(spans, plain(" · "), span{text: kind, url: notify.DocumentationLink(m)})
	}
	return paragraph(spans...)
}

func facts(m notify.Message, now time.Time, room int) (list [][]span, command string) {
	add := func(name, value string) {
		if value != "" {
			list = append(list, []span{bold(name + ": "), plain(notify.Truncate(value, room, notify.UTF16))})
		}
	}
	for _, f := range notify.Facts(m, now) {
		if f.Name == "First step" {
			command = f.Value
			continue
		}
		add(f.Name, f.Value)
	}
	add("On call", notify.OnCall(m))
	add("Seen before", notify.Seen(m))
	return list, command
}

// became says by whom and when the alert came to be as it is.
func became(m notify.Message) string {
	a := m.Alert
	who := func(by string) string {
		if by = word(by, 40); by != "" {
			return " by " + by
		}
		return ""
	}
	switch m.Kind {
	case tocsin.TellClosed:
		reason := word(strings.ReplaceAll(string(a.CloseReason), "_", " "), 30)
		if reason == "" {
			reason = "no reason given"
		}
		return "Closed" + who(a.ClosedBy) + on(a.ClosedAt) + ": " + reason + "."
	case tocsin.TellAcknowledged:
		return "Acknowledged" + who(a.AckedBy) + on(a.AckedAt) + "."
	case tocsin.TellChanged:
		return m.State() + "."
	}
	return "Told" + on(m.At) + "."
}

func on(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " on " + notify.UTC(t)
}

func links(m notify.Message) block {
	var spans []span
	add := func(text, url string) {
		if url == "" {
			return
		}
		if len(spans) > 0 {
			spans = append(spans, plain(" · "))
		}
		spans = append(spans, span{text: text, url: url})
	}
	add("Alert #"+strconv.FormatInt(m.Alert.ID, 10), notify.AlertLink(m))
	add("AWS console", notify.ConsoleLink(m))
	return block{words: spans}
}

// footer ends every text. The message's id in it is what tells whether a comment
// is there already.
func footer(m notify.Message) block {
	var parts []string
	if m.Alert.ID != 0 {
		parts = append(parts, "alert #"+strconv.FormatInt(m.Alert.ID, 10))
	}
	if id := notify.FindingID(m); id != "" {
		parts = append(parts, "finding "+id)
	}
	parts = append(parts, notify.Why(m))
	if id := word(m.ID, idMax); id != "" {
		parts = append(parts, "message "+id)
	}
	return paragraph(plain(strings.Join(parts, " · ")))
}

// news is a comment: what the message tells, and what could not be done.
func news(m notify.Message, now time.Time, room int, missing string) document {
	look := m.Look()
	d := document{paragraph(bold(look.Shape+" "+m.State()), plain(" · "+became(m)))}
	if changes := notify.Changes(m); changes != "" {
		d = append(d, paragraph(bold("What changed: "), plain(word(changes, 2*room))))
	}
	list := [][]span{{bold("When: "), plain(notify.When(m, now))}}
	if who := notify.OnCall(m); who != "" {
		list = append(list, []span{bold("On call: "), plain(who)})
	}
	d = append(d, block{list: list})
	if missing != "" {
		d = append(d, paragraph(plain("This ticket was not moved: "+missing+".")))
	}
	if links := links(m); len(links.words) > 0 {
		d = append(d, links)
	}
	return append(d, footer(m))
}

// digest lists a digest's alerts, as many as the room allows.
func digest(m notify.Message, room int) document {
	most := min(len(m.Digest), room/10)
	var list [][]span
	for _, item := range m.Digest[:most] {
		line := []span{plain(notify.LookOf(item.Alert.Level).Shape + " " + item.Line())}
		if url := item.Link(); url != "" {
			line = append(line, plain(" "), span{text: "#" + strconv.FormatInt(item.Alert.ID, 10), url: url})
		}
		list = append(list, line)
	}
	d := document{paragraph(plain(notify.FirstLine(m)))}
	if len(list) > 0 {
		d = append(d, block{list: list})
	}
	if more := len(m.Digest) - most; more > 0 {
		d = append(d, paragraph(plain(fmt.Sprintf("%d more", more))))
	}
	return append(d, footer(m))
}

// A node is one of the Atlassian Document Format
// (https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/).
// Its texts are no markup, and nothing in them becomes a link.
type node struct {
	Type    string `json:"type"`
	Version int    `json:"version,omitempty"`
	Content []node `json:"content,omitempty"`
	Text    string `json:"text,omitempty"`
	Marks   []mark `json:"marks,omitempty"`
}

type mark struct {
	Type  string      `json:"type"`
	Attrs *attributes `json:"attrs,omitempty"`
}

type attributes struct {
	Href string `json:"href"`
}

func (d document) adf() node {
	doc := node{Type: "doc", Version: 1}
	for _, b := range d {
		switch {
		case b.code != "":
			doc.Content = append(doc.Content, node{Type: "codeBlock", Content: []node{{Type: "text", Text: b.code}}})
		case len(b.list) > 0:
			list := node{Type: "bulletList"}
			for _, item := range b.list {
				list.Content = append(list.Content, node{Type: "listItem", Content: []node{texts(item)}})
			}
			doc.Content = append(doc.Content, list)
		default:
			doc.Content = append(doc.Content, texts(b.words))
		}
	}
	return doc
}

// texts is a paragraph. A text node must not be empty.
func texts(spans []span) node {
	p := node{Type: "paragraph"}
	for _, s := range spans {
		if s.text == "" {
			continue
		}
		t := node{Type: "text", Text: s.text}
		if s.bold {
			t.Marks = append(t.Marks, mark{Type: "strong"})
		}
		if s.url != "" {
			t.Marks = append(t.Marks, mark{Type: "link", Attrs: &attributes{s.url}})
		}
		p.Content = append(p.Content, t)
	}
	return p
}

// wiki is the document in Jira's own markup
// (https://jira.atlassian.com/secure/WikiRendererHelpAction.jspa?section=all).
func (d document) wiki() string {
	var parts []string
	for _, b := range d {
		switch {
		case strings.Contains(strings.ToLower(b.code), "{noformat"):
			// It would end the block it stands in, and no other way shows it as it is.
			parts = append(parts, "see the alert's page")
		case b.code != "":
			parts = append(parts, "{noformat}\n"+b.code+"\n{noformat}")
		case len(b.list) > 0:
			items := make([]string, 0, len(b.list))
			for _, item := range b.list {
				items = append(items, "* "+wikiSpans(item))
			}
			parts = append(parts, strings.Join(items, "\n"))
		default:
			parts = append(parts, wikiSpans(b.words))
		}
	}
	return strings.Join(parts, "\n\n")
}

func wikiSpans(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		text := escape(s.text)
		switch {
		case text == "":
		case s.url != "":
			b.WriteString("[" + text + "|" + wikiURL.Replace(s.url) + "]")
		case s.bold && strings.TrimSpace(text) != "":
			// Bold ends at a word's end: the spaces around it stay outside.
			inner := strings.TrimSpace(text)
			lead, trail, _ := strings.Cut(text, inner)
			b.WriteString(lead + "*" + inner + "*" + trail)
		default:
			b.WriteString(text)
		}
	}
	return b.String()
}

var wikiURL = strings.NewReplacer("[", "%5B", "]", "%5D", "{", "%7B", "}", "%7D", "|", "%7C", "!", "%21")

// What is more than its characters in Jira's wiki markup: references to
// characters, emoticons, and what opens a heading or a quotation.
var signs = []*lazyregexp.Regexp{
	lazyregexp.New(`&(?:#\d|#[xX]|[a-zA-Z][a-zA-Z0-9]*;)`),
	lazyregexp.New(`[:;]-?[()PDpd|]`),
	lazyregexp.New(`(?i)\((?:[xynicr/!?+*-]|\*[rgby]|on|off|flag|flagoff|tm)\)`),
	lazyregexp.New(`^(?:h[1-6]|bq)\.`),
}

// escape writes what Jira's wiki markup would give a meaning as a reference to the
// character, which the renderer leaves for the browser. A mark within a word is
// none, so that ids can be read where somebody edits the ticket.
func escape(s string) string {
	starts := map[int]bool{}
	for _, sign := range signs {
		for _, at := range sign.FindAllStringIndex(s, -1) {
			starts[at[0]] = true
		}
	}
	var b strings.Builder
	before := ' '
	for i, r := range s {
		after, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
		if starts[i] || means(before, r, after) {
			fmt.Fprintf(&b, "&#%d;", r)
		} else {
			b.WriteRune(r)
		}
		before = r
	}
	return b.String()
}

// means reports whether r is markup between its neighbours.
func means(before, r, after rune) bool {
	switch r {
	case '{', '}', '[', ']', '|', '!', '\\', '<', '>', '~', '^':
		return true
	case '*', '_', '+', '-':
		return !wordy(before) || !wordy(after)
	case '?', '#':
		return before == r || after == r || before == ' ' && after == ' '
	}
	return false
}

func wordy(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
