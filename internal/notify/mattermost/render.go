package mattermost

import (
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Mattermost's limits, in characters: of a message
// (https://docs.mattermost.com/product-overview/faq-product.html), under which
// attachments are kept as well, though they may be longer; and of a footer
// (https://developers.mattermost.com/integrate/reference/message-attachments/).
const (
	messageMax = 16383
	footerMax  = 300
)

// A post is what editing a message takes.
type post struct {
	Message string `json:"message"`
	Props   props  `json:"props"`
}

// A newPost is what making one takes.
type newPost struct {
	post
	Channel string `json:"channel_id"`
	Root    string `json:"root_id,omitempty"`
	Pending string `json:"pending_post_id,omitempty"`
}

// A hook is what an incoming webhook takes.
type hook struct {
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments,omitempty"`
}

type props struct {
	Attachments []attachment `json:"attachments,omitempty"`
}

type attachment struct {
	Fallback  string   `json:"fallback"`
	Colour    string   `json:"color"`
	Title     string   `json:"title,omitempty"`
	TitleLink string   `json:"title_link,omitempty"`
	Text      string   `json:"text,omitempty"`
	Fields    []field  `json:"fields,omitempty"`
	Actions   []action `json:"actions,omitempty"`
	Footer    string   `json:"footer,omitempty"`
}

type field struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

// An action is a button. Where it leads is told to nobody by the server.
type action struct {
	ID          string      `json:"id"` // letters and digits alone
	Type        string      `json:"type"`
	Name        string      `json:"name"`
	Style       string      `json:"style,omitempty"`
	Integration integration `json:"integration"`
}

type integration struct {
	URL     string            `json:"url"`
	Context map[string]string `json:"context"`
}

// render makes the message, with its buttons. The first line is its text, since
// that is what a phone shows; the rest is an attachment whose colour says the level.
func render(m notify.Message, now time.Time, buttons []action) post {
	var a attachment
	notify.OutlineOf(m, now).Fit(func(o notify.Outline) string {
		if len(buttons) > 0 {
			o.Answers = nil
		}
		a = attached(m, o)
		a.Actions = buttons
		text, err := notify.JSON(a)
		if err != nil {
			return ""
		}
		return string(text)
	}, func(s string) bool { return notify.Runes(s) <= messageMax-2*notify.FirstLineMax })
	return post{heading(m), props{[]attachment{a}}}
}

// superseded is what becomes of a message when the alert is told anew.
func superseded(m notify.Message) post {
	a := attachment{Fallback: heading(m), Colour: notify.Colour(tocsin.Informational), Text: "Told anew below."}
	return post{heading(m), props{[]attachment{a}}}
}

func heading(m notify.Message) string {
	return plain(m.Look().Shape+" "+notify.FirstLine(m), 2*notify.FirstLineMax)
}

func attached(m notify.Message, o notify.Outline) attachment {
	a := attachment{Fallback: heading(m), Colour: m.Look().Colour, Footer: notify.Truncate(o.Footer, footerMax, notify.UTF16)}
	if page, ok := o.TakePage(); ok {
		a.Title, a.TitleLink = page.Text, page.URL
	}
	a.Text = body(o)
	for _, f := range o.Facts {
		a.Fields = append(a.Fields, field{plain(f.Name, 80), plain(f.Value, 1000), false})
	}
	return a
}

func body(o notify.Outline) string {
	var paragraphs []string
	add := func(s string) {
		if s != "" {
			paragraphs = append(paragraphs, s)
		}
	}
	add(plain(o.Situation, 500))
	for _, p := range o.Prose {
		add(plain(p, 2500))
	}
	if o.Step != "" && quotable(o.Step) {
		add("First step\n```\n" + o.Step + "\n```")
	}
	var items []string
	for _, item := range o.Items {
		text := "- " + plain(item.Text, 200)
		if item.URL != "" {
			text += " · " + notify.Anchors(notify.Line{Text: "open", URL: item.URL})
		}
		items = append(items, text)
	}
	add(strings.Join(items, "\n"))
	add(o.More)
	add(notify.Anchors(slices.Concat(o.Answers, o.Links)...))
	return strings.Join(paragraphs, "\n\n")
}

// quotable reports whether a command stays as it is in a block of code: incoming
// webhooks turn Slack's links around wherever they are, and a fence may end.
func quotable(command string) bool {
	link := strings.Index(command, "<")
	return !strings.Contains(command, "```") && (link < 0 || !strings.Contains(command[link:], "|"))
}

// plain is untrusted text where Mattermost reads Markdown and looks for mentions
// (https://docs.mattermost.com/end-user-guide/collaborate/format-messages.html).
func plain(s string, most int) string { return notify.Unmarked(s, most, notify.UTF16) }
