package discord

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Discord's limits, in characters
// (https://discord.com/developers/docs/resources/message#embed-object-embed-limits).
// It does not say of which kind; UTF-16 units are the safe reading.
const (
	contentMax     = 2000
	titleMax       = 256
	descriptionMax = 4096
	fieldsMax      = 25
	nameMax        = 256
	valueMax       = 1024
	footerMax      = 2048
	totalMax       = 6000 // over all embeds of a message
)

// A payload is what executing a webhook takes, and what editing its messages does.
type payload struct {
	Content  string   `json:"content"`
	Embeds   []embed  `json:"embeds"`
	Mentions mentions `json:"allowed_mentions"`
}

// mentions are who may be mentioned: with an empty list, nobody.
type mentions struct {
	Parse []string `json:"parse"`
}

type embed struct {
	Title       string  `json:"title,omitempty"`
	URL         string  `json:"url,omitempty"`
	Description string  `json:"description,omitempty"`
	Colour      int     `json:"color"`
	Fields      []field `json:"fields,omitempty"`
	Footer      *footer `json:"footer,omitempty"`
}

type field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type footer struct {
	Text string `json:"text"`
}

// size is what counts towards the total.
func (e embed) size() int {
	n := notify.UTF16(e.Title) + notify.UTF16(e.Description)
	for _, f := range e.Fields {
		n += notify.UTF16(f.Name) + notify.UTF16(f.Value)
	}
	if e.Footer != nil {
		n += notify.UTF16(e.Footer.Text)
	}
	return n
}

// render makes the payload of a message. The first line is its content, since that
// is what a phone shows.
func render(m notify.Message, now time.Time) payload {
	var e embed
	o := notify.OutlineOf(m, now)
	o.Fit(func(o notify.Outline) string {
		e = card(o)
		return e.Description
	}, func(description string) bool {
		return notify.UTF16(description) <= descriptionMax && e.size() <= totalMax
	})
	return post(m, e)
}

func post(m notify.Message, e embed) payload {
	e.Colour = colour(m.Look())
	p := payload{Content: plain(m.Look().Shape+" "+notify.FirstLine(m), contentMax), Mentions: mentions{Parse: []string{}}}
	p.Embeds = []embed{e}
	return p
}

// superseded is what becomes of a message when the alert is told anew.
func superseded(m notify.Message) payload {
	p := post(m, embed{Description: "Told anew below."})
	p.Embeds[0].Colour = colour(notify.LookOf(tocsin.Informational))
	return p
}

func card(o notify.Outline) embed {
	var e embed
	if page, ok := o.TakePage(); ok {
		e.Title, e.URL = notify.Truncate(page.Text, titleMax, notify.UTF16), page.URL
	}
	e.Description = description(o)
	for _, f := range o.Facts[:min(len(o.Facts), fieldsMax)] {
		e.Fields = append(e.Fields, field{plain(f.Name, nameMax), plain(f.Value, valueMax)})
	}
	switch {
	case o.Footer == "":
	case e.Description == "" && len(e.Fields) == 0: // an embed needs more than a footer
		e.Description = plain(o.Footer, descriptionMax)
	default:
		e.Footer = &footer{notify.Truncate(o.Footer, footerMax, notify.UTF16)} // knows no markup
	}
	return e
}

func description(o notify.Outline) string {
	var lines []string
	add := func(s string) {
		if s != "" {
			lines = append(lines, s)
		}
	}
	add(plain(o.Situation, 500))
	for _, p := range o.Prose {
		add(plain(p, 2000))
	}
	if o.Step != "" && !strings.Contains(o.Step, "```") {
		add("First step\n```\n" + o.Step + "\n```")
	}
	for _, item := range o.Items {
		text := plain(item.Text, 200)
		if item.URL != "" {
			text += " · " + notify.Anchors(notify.Line{Text: "open", URL: item.URL})
		}
		add(text)
	}
	add(o.More)
	add(notify.Anchors(slices.Concat(o.Answers, o.Links)...))
	return strings.Join(lines, "\n")
}

// plain is untrusted text where Discord reads its Markdown.
func plain(s string, most int) string { return notify.Unmarked(s, most, notify.UTF16) }

// colour is a look's colour as a number.
func colour(l notify.Look) int {
	n, err := strconv.ParseInt(strings.TrimPrefix(l.Colour, "#"), 16, 32)
	if err != nil {
		return 0
	}
	return int(n)
}
