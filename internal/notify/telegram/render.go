package telegram

import (
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Telegram's limits (https://core.telegram.org/bots/api#sendmessage,
// #inlinekeyboardbutton).
const (
	textMax  = 4096     // UTF-16 units, without the markup
	rawMax   = 16 << 10 // bytes with the markup; Telegram says none
	dataMax  = 64       // bytes of a button's data
	labelMax = 40       // of a button; phones show no more
	perRow   = 2
)

// message are the arguments of sendMessage and editMessageText.
type message struct {
	Chat      any       `json:"chat_id"`
	MessageID int64     `json:"message_id,omitempty"`
	Thread    int64     `json:"message_thread_id,omitempty"`
	Text      string    `json:"text"`
	ParseMode string    `json:"parse_mode"`
	Preview   preview   `json:"link_preview_options"`
	Silent    bool      `json:"disable_notification,omitempty"`
	ReplyTo   *replyTo  `json:"reply_parameters,omitempty"`
	Keyboard  *keyboard `json:"reply_markup,omitempty"`
}

type preview struct {
	Disabled bool `json:"is_disabled"`
}

type replyTo struct {
	MessageID int64 `json:"message_id"`
	// Anyway has it sent also if that message is gone.
	Anyway bool `json:"allow_sending_without_reply"`
}

type keyboard struct {
	Rows [][]button `json:"inline_keyboard"`
}

type button struct {
	Text string `json:"text"`
	Data string `json:"callback_data"`
}

func text(s string) message { return message{Text: s, ParseMode: "HTML", Preview: preview{true}} }

// render makes the message. What has a button is not offered as a link too.
func (n *notifier) render(m notify.Message) message {
	o, look := notify.OutlineOf(m, n.now()), m.Look()
	var pressed []string
	var rows [][]button
	if n.buttons {
		rows, pressed = buttons(m)
	}
	o.Answers = slices.DeleteFunc(o.Answers, func(l notify.Line) bool { return slices.Contains(pressed, l.URL) })
	body := text(o.Fit(func(o notify.Outline) string { return page(o, look.Shape) }, fits))
	if len(rows) > 0 {
		body.Keyboard = &keyboard{rows}
	}
	return body
}

func fits(s string) bool { return notify.UTF16(visible(s)) <= textMax && len(s) <= rawMax }

var tag = lazyregexp.New(`<[^>]*>`)

// visible is the text as Telegram counts it: without markup.
func visible(s string) string { return html.UnescapeString(tag.ReplaceAllString(s, "")) }

// buttons are what the reader can do, and the links that they stand for. There is
// nothing to be done about a closed alert. What does not fit a button's data has none.
func buttons(m notify.Message) (rows [][]button, urls []string) {
	if m.Kind == tocsin.TellClosed || m.Alert.Status == tocsin.StatusClosed {
		return nil, nil
	}
	for _, a := range m.Actions {
		b := button{Text: notify.Truncate(notify.Clean(a.Label), labelMax, notify.UTF16), Data: data(a.Do, m.Alert.ID)}
		if b.Text == "" || len(b.Data) > dataMax {
			continue
		}
		if a.Do.Asks() {
			b.Text = strings.TrimRight(b.Text, "…. ") + "…"
		}
		if len(rows) == 0 || len(rows[len(rows)-1]) == perRow {
			rows = append(rows, nil)
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], b)
		urls = append(urls, a.Link())
	}
	return rows, urls
}

// data is what comes back when the button is pressed: "acknowledge:4821".
func data(do notify.Do, alert int64) string { return string(do) + ":" + strconv.FormatInt(alert, 10) }

// line is what is new. What calls for somebody says first what it is about.
func line(m notify.Message) message {
	news := escape(plain(notify.Truncate(notify.News(m), textMax/2, notify.UTF16)))
	if m.Kind.Calls() {
		return text("<b>" + escape(plain(m.Look().Shape+" "+notify.FirstLine(m))) + "</b>\n" + news)
	}
	return text(news)
}

// page is the outline in Telegram's HTML
// (https://core.telegram.org/bots/api#html-style).
func page(o notify.Outline, shape string) string {
	var b strings.Builder
	add := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
		}
		b.WriteByte('\n')
	}
	add("<b>", escape(plain(shape+" "+o.First)), "</b>")
	if o.Situation != "" {
		add(escape(plain(o.Situation)))
	}
	for _, p := range o.Prose {
		add("\n", escape(plain(p)))
	}
	if len(o.Facts) > 0 {
		add()
	}
	for _, f := range o.Facts {
		add("<b>", escape(plain(f.Name)), ":</b> ", value(f.Value))
	}
	if o.Step != "" {
		add("\nFirst step:\n<pre>", escape(o.Step), "</pre>")
	}
	if len(o.Items) > 0 {
		add()
	}
	for _, item := range o.Items {
		if item.URL == "" {
			add(escape(plain(item.Text)))
			continue
		}
		add(escape(plain(item.Text)), " ", anchor(notify.Line{Text: "open", URL: item.URL}))
	}
	if o.More != "" {
		add(escape(o.More))
	}
	if lines := slices.Concat(o.Answers, o.Links); len(lines) > 0 {
		anchors := make([]string, len(lines))
		for i, l := range lines {
			anchors[i] = anchor(l)
		}
		add("\n", strings.Join(anchors, " · "))
	}
	if o.Footer != "" {
		add("\n", escape(plain(o.Footer)))
	}
	return strings.TrimSpace(b.String())
}

func anchor(l notify.Line) string {
	return `<a href="` + escape(l.URL) + `">` + escape(plain(l.Text)) + `</a>`
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func escape(s string) string { return escaper.Replace(s) }

// value is a text that people copy: as it is, or as code where Telegram would make a
// mention, a command or a tag of something in it. In code it makes none.
func value(s string) string {
	if plain(s) == s {
		return escape(s)
	}
	return "<code>" + escape(s) + "</code>"
}

// lookalikes are for the signs that make something to press of the word behind them, and
// of @name a mention that makes somebody's phone ring.
var lookalikes = map[rune]rune{'@': '＠', '/': '∕', '#': '＃', '$': '＄'}

// plain is s without what Telegram would make something of by itself.
func plain(s string) string {
	if !strings.ContainsAny(s, "@/#$") {
		return s
	}
	runes := []rune(s)
	for i, r := range runes {
		like, special := lookalikes[r]
		if !special || i+1 == len(runes) || !wordy(runes[i+1]) {
			continue
		}
		if r == '#' && digits(runes[i+1:]) {
			continue // a number is no tag
		}
		if i == 0 || !wordy(runes[i-1]) {
			runes[i] = like
		}
	}
	return string(runes)
}

func wordy(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// digits reports whether the word that begins here is a number.
func digits(rest []rune) bool {
	for _, r := range rest {
		if !wordy(r) {
			return true
		}
		if !unicode.IsDigit(r) {
			return false
		}
	}
	return true
}
