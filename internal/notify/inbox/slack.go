package inbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// A slackMessage is what came by an incoming webhook, or by an app.
type slackMessage struct {
	N       int
	Channel string // "payments-alerts", "C0123456789", "D0123456789"
	Place   string // what people call it: "#payments-alerts", "Ana Lima"
	At      time.Time
	Before  string

	App     *App // nil for a webhook, and for a token of nobody's
	TS      string
	Edits   int // how often it was edited
	Thread  []threadLine
	Private []privately

	Text        string            `json:"text"`
	Blocks      []slackBlock      `json:"blocks"`
	Attachments []slackAttachment `json:"attachments"`
}

type slackAttachment struct {
	Color  string       `json:"color"`
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type     string      `json:"type"`
	Text     *slackText  `json:"text"`
	Fields   []slackText `json:"fields"`
	Elements []slackText `json:"elements"`
}

// A slackText is a text object, or a button with the text on it.
type slackText struct {
	Type   string
	Text   string
	Action string // of a button: "tocsin_acknowledge"
	Value  string
	Style  string
	Sure   *sure
}

// A sure is what Slack asks before a button counts as pressed.
type sure struct{ Title, Text, Confirm, Deny slackText }

// UnmarshalJSON reads both: a button's text is a text object itself.
func (t *slackText) UnmarshalJSON(text []byte) error {
	var outer struct {
		Type    string          `json:"type"`
		Text    json.RawMessage `json:"text"`
		Action  string          `json:"action_id"`
		Value   string          `json:"value"`
		Style   string          `json:"style"`
		Confirm *sure           `json:"confirm"`
	}
	if err := json.Unmarshal(text, &outer); err != nil {
		return err
	}
	*t = slackText{Type: outer.Type, Action: outer.Action, Value: outer.Value, Style: outer.Style, Sure: outer.Confirm}
	if !bytes.HasPrefix(bytes.TrimSpace(outer.Text), []byte("{")) {
		return json.Unmarshal(outer.Text, &t.Text)
	}
	var inner struct {
		Text string `json:"text"`
	}
	err := json.Unmarshal(outer.Text, &inner)
	t.Text = inner.Text
	return err
}

// read takes a payload, and refuses what Slack would refuse
// (https://docs.slack.dev/reference/block-kit/blocks), in Slack's words.
func (m *slackMessage) read(body []byte) error {
	var payload struct {
		Text        string            `json:"text"`
		Blocks      []slackBlock      `json:"blocks"`
		Attachments []slackAttachment `json:"attachments"`
	}
	if err := json.Unmarshal(body, &payload); err != nil {
		return errors.New("invalid_payload")
	}
	m.Text, m.Blocks, m.Attachments = payload.Text, payload.Blocks, payload.Attachments
	if m.Text == "" && len(m.Blocks) == 0 && len(m.Attachments) == 0 {
		return errors.New("no_text")
	}
	all := m.Blocks
	for _, a := range m.Attachments {
		all = append(all, a.Blocks...)
	}
	if len(all) > 50 {
		return errors.New("invalid_blocks")
	}
	total := 0
	for _, block := range all {
		n, ok := block.valid()
		if !ok {
			return errors.New("invalid_blocks")
		}
		total += n
	}
	if total > 13200 {
		return errors.New("msg_blocks_too_long")
	}
	return nil
}

// valid says whether Slack would take the block, and how long its texts are.
func (b slackBlock) valid() (length int, ok bool) {
	most := 3000
	texts := append(append([]slackText(nil), b.Fields...), b.Elements...)
	if b.Text != nil {
		texts = append(texts, *b.Text)
	}
	switch b.Type {
	case "header":
		most = 150
		if b.Text == nil || b.Text.Type != "plain_text" {
			return 0, false
		}
	case "section":
		if b.Text == nil && len(b.Fields) == 0 || len(b.Fields) > 10 {
			return 0, false
		}
		if len(b.Fields) > 0 {
			most = 2000
		}
	case "context":
		if len(b.Elements) == 0 || len(b.Elements) > 10 {
			return 0, false
		}
	case "actions":
		return b.buttons()
	case "divider":
		return 0, true
	default:
		return 0, false
	}
	for _, t := range texts {
		n := utf8.RuneCountInString(t.Text)
		if n == 0 || n > most || t.Type != "plain_text" && t.Type != "mrkdwn" {
			return 0, false
		}
		length += n
	}
	return length, true
}

// buttons are the elements of a block of actions.
func (b slackBlock) buttons() (length int, ok bool) {
	if len(b.Elements) == 0 || len(b.Elements) > 25 {
		return 0, false
	}
	for _, e := range b.Elements {
		n := utf8.RuneCountInString(e.Text)
		if e.Type != "button" || n == 0 || n > 75 {
			return 0, false
		}
		length += n
	}
	return length, true
}

// has reports whether the message has that button.
func (m *slackMessage) has(action, value string) bool {
	all := slices.Clone(m.Blocks)
	for _, a := range m.Attachments {
		all = append(all, a.Blocks...)
	}
	for _, block := range all {
		for _, e := range block.Elements {
			if e.Type == "button" && e.Action == action && e.Value == value {
				return true
			}
		}
	}
	return false
}

// HTML is the text as Slack shows it.
func (t slackText) HTML() template.HTML {
	if t.Type != "mrkdwn" {
		return template.HTML(breaks(escape(t.Text)))
	}
	return template.HTML(mrkdwn(t.Text))
}

// Plain is the message's text as a notification on a phone shows it.
func (m *slackMessage) Plain() string { return entities.Replace(m.Text) }

var (
	entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

	codeBlock  = regexp.MustCompile("(?s)```(.+?)```")
	angled     = lazyregexp.New(`<([^<>|\n]+)(?:\|([^<>\n]*))?>`)
	boldText   = lazyregexp.New(`(^|[\s(])\*([^\s*](?:[^*\n]*[^\s*])?)\*`)
	italicText = lazyregexp.New(`(^|[\s(])_([^\s_](?:[^_\n]*[^\s_])?)_`)
	struckText = lazyregexp.New(`(^|[\s(])~([^\s~](?:[^~\n]*[^\s~])?)~`)
	codeText   = lazyregexp.New("`([^`\n]+)`")
)

// escape turns Slack's text, in which only & < > are escaped, into HTML.
func escape(s string) string { return html.EscapeString(entities.Replace(s)) }

func breaks(s string) string { return strings.ReplaceAll(s, "\n", "<br>") }

// mrkdwn turns Slack's markup into HTML
// (https://docs.slack.dev/messaging/formatting-message-text). Every text goes
// through escape; the only links are http and https.
func mrkdwn(s string) string {
	var b strings.Builder
	for {
		at := codeBlock.FindStringSubmatchIndex(s)
		if at == nil {
			b.WriteString(inline(s))
			return b.String()
		}
		b.WriteString(inline(strings.TrimSuffix(s[:at[0]], "\n")))
		b.WriteString("<pre>" + escape(strings.Trim(s[at[2]:at[3]], "\n")) + "</pre>")
		s = strings.TrimPrefix(s[at[1]:], "\n")
	}
}

func inline(s string) string {
	var b strings.Builder
	for {
		at := angled.FindStringSubmatchIndex(s)
		if at == nil {
			b.WriteString(formatted(s))
			return b.String()
		}
		b.WriteString(formatted(s[:at[0]]))
		label := ""
		if at[4] >= 0 {
			label = s[at[4]:at[5]]
		}
		b.WriteString(bracket(s[at[2]:at[3]], label))
		s = s[at[1]:]
	}
}

// bracket is what stands in <…>: a link, a date, a mention.
func bracket(what, label string) string {
	if strings.HasPrefix(what, "!date^") {
		return `<time>` + escape(label) + `</time>`
	}
	if strings.ContainsAny(what[:1], "!@#") {
		// Nobody is mentioned here; that it would have been is to be seen.
		return `<mark class="mention">` + escape(what) + `</mark>`
	}
	address := entities.Replace(what)
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return escape(what)
	}
	if label == "" {
		label = what
	}
	return `<a href="` + html.EscapeString(address) + `" rel="noopener noreferrer" target="_blank">` + escape(label) + `</a>`
}

func formatted(s string) string {
	s = escape(s)
	s = codeText.ReplaceAllString(s, "<code>$1</code>")
	s = boldText.ReplaceAllString(s, "$1<b>$2</b>")
	s = italicText.ReplaceAllString(s, "$1<i>$2</i>")
	s = struckText.ReplaceAllString(s, "$1<s>$2</s>")
	return breaks(s)
}

var hexColour = lazyregexp.New(`^#?([0-9A-Fa-f]{6})$`)

// Bar is the class of the attachment's colour bar: "bar-C62828".
func (a slackAttachment) Bar() string {
	if found := hexColour.FindStringSubmatch(a.Color); found != nil {
		return "bar-" + strings.ToUpper(found[1])
	}
	return "bar-none"
}

func indented(body []byte) string {
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return string(body)
	}
	// JSON may write <, > and & as escapes; people read the characters.
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(out.String())
}
