package googlechat

import (
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// messageMax is the most that Google Chat takes of a message, and of a card, in bytes
// (https://developers.google.com/workspace/chat/create-messages). Of a card's widgets it
// ignores those beyond 100, which is more than an outline makes
// (https://developers.google.com/workspace/chat/api/reference/rest/v1/cards).
const messageMax = 32000

// A message is what spaces.messages.create takes.
type message struct {
	Text   string   `json:"text"`
	Cards  []cardID `json:"cardsV2,omitempty"`
	Thread thread   `json:"thread"`
}

type thread struct {
	Key string `json:"threadKey"`
}

type cardID struct {
	ID   string `json:"cardId"`
	Card card   `json:"card"`
}

type card struct {
	Sections []section `json:"sections"`
}

type section struct {
	Widgets []widget `json:"widgets"`
}

// A widget is one of them.
type widget struct {
	Paragraph *paragraph `json:"textParagraph,omitempty"`
	Decorated *decorated `json:"decoratedText,omitempty"`
	Buttons   *buttons   `json:"buttonList,omitempty"`
}

type paragraph struct {
	Text string `json:"text"`
}

type decorated struct {
	Label string `json:"topLabel"`
	Text  string `json:"text"`
	Wrap  bool   `json:"wrapText"`
}

type buttons struct {
	Buttons []button `json:"buttons"`
}

type button struct {
	Text    string `json:"text"`
	OnClick click  `json:"onClick"`
}

type click struct {
	OpenLink link `json:"openLink"`
}

type link struct {
	URL string `json:"url"`
}

// render makes the message: a card of what calls for somebody and of a digest,
// lines of text of anything else.
func render(m notify.Message, now time.Time) ([]byte, error) {
	var failed error
	body := notify.OutlineOf(m, now).Fit(func(o notify.Outline) string { // whose last try has a few lines
		shown := message{Text: heading(m), Thread: thread{threadKey(m)}}
		if m.Kind.Calls() {
			shown.Cards = []cardID{{"alert", card{[]section{{widgets(m, o)}}}}}
		} else {
			shown.Text = strings.Join(lines(m, o), "\n")
		}
		text, err := notify.JSON(shown)
		failed = err
		return string(text)
	}, func(s string) bool { return len(s) <= messageMax })

	return []byte(body), failed
}

// heading is the first line, which is what a phone shows. Its shape says what a
// colour would.
func heading(m notify.Message) string {
	return plain(m.Look().Shape + " " + notify.FirstLine(m))
}

// lines are what is new, for the alert's thread, and a note.
func lines(m notify.Message, o notify.Outline) []string {
	said := []string{heading(m)}
	if m.AboutAlert() {
		o = o.Brief()
		o.Links = o.Links[:min(len(o.Links), 1)] // the card has the others
		for _, f := range o.Facts {
			o.Prose = append(o.Prose, f.Name+": "+f.Value)
		}
	}
	for _, p := range o.Prose {
		said = append(said, plain(p))
	}
	var links []string
	for _, l := range slices.Concat(o.Answers, o.Links) {
		links = append(links, "<"+l.URL+"|"+plain(l.Text)+">")
	}
	if len(links) > 0 {
		said = append(said, strings.Join(links, " · "))
	}
	if !m.AboutAlert() && o.Footer != "" {
		said = append(said, plain(o.Footer))
	}
	return said
}

// widgets are the inside of a card.
func widgets(m notify.Message, o notify.Outline) []widget {
	var ws []widget
	say := func(html string) { ws = append(ws, widget{Paragraph: &paragraph{html}}) }
	if o.Situation != "" {
		say(`<font color="` + m.Look().Colour + `"><b>` + inert(o.Situation) + `</b></font>`)
	}
	for _, p := range o.Prose {
		say(inert(p))
	}
	for _, f := range o.Facts {
		ws = append(ws, widget{Decorated: &decorated{inert(f.Name), inert(f.Value), true}})
	}
	// One that is not as it should be would quietly find nothing.
	if o.Step != "" && inert(o.Step) == o.Step && notify.Defang(o.Step) == o.Step {
		ws = append(ws, widget{Decorated: &decorated{"First step", o.Step, true}})
	}
	for _, item := range o.Items {
		say(inert(item.Text) + opens(item.URL))
	}
	if o.More != "" {
		say(inert(o.More))
	}
	if b := leads(slices.Concat(o.Answers, o.Links)); len(b) > 0 {
		ws = append(ws, widget{Buttons: &buttons{b}})
	}
	if o.Footer != "" {
		say(`<font color="#757575">` + inert(o.Footer) + `</font>`)
	}
	return ws
}

// opens is a link of ours behind an item, or "" where it leads nowhere. The address
// is fit for quotes.
func opens(url string) string {
	if url == "" {
		return ""
	}
	return ` <a href="` + url + `">open</a>`
}

func leads(lines []notify.Line) []button {
	var b []button
	for _, l := range lines {
		b = append(b, button{l.Text, click{link{l.URL}}})
	}
	return b
}

// plain is untrusted text where Chat reads its own markup
// (https://developers.google.com/workspace/chat/format-messages).
func plain(s string) string { return notify.Unmarked(s, 2000, notify.UTF16) }

// Cards read a few tags, as HTML has them. Whether a card shows "&lt;" as what it
// stands for depends on the widget, so what would be a tag or a character's name is
// replaced by what looks like it.
var (
	tag  = lazyregexp.New(`<([a-zA-Z/!?])`)
	name = lazyregexp.New(`&(#\d|#[xX][0-9a-fA-F]|[a-zA-Z][a-zA-Z0-9]*;)`)
)

// inert is untrusted text for a card.
func inert(s string) string {
	return name.ReplaceAllString(tag.ReplaceAllString(s, "‹$1"), "＆$1")
}
