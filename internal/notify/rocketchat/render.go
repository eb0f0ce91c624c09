package rocketchat

import (
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

// messageMax is the longest text that Rocket.Chat takes, in UTF-16 units, unless
// its setting Maximum Allowed Characters Per Message is another
// (https://docs.rocket.chat/docs/message). It holds for an attachment's text as well.
const messageMax = 5000

// shortMax is what any server takes: one that refuses more is told in so much.
const shortMax = 1000

// A newMessage is what chat.postMessage takes: for a room by its name, or in a
// thread by its ID. With attachments, be there none, links are not looked at.
type newMessage struct {
	Channel     string       `json:"channel,omitempty"`
	Room        string       `json:"roomId,omitempty"`
	Thread      string       `json:"tmid,omitempty"`
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments"`
}

// An edit is what chat.update takes.
type edit struct {
	Room    string `json:"roomId"`
	Message string `json:"msgId"`
	Text    string `json:"text"`
	// Previews are the links that are looked at, so that a part of what is there is
	// shown: none.
	Previews *[]string `json:"previewUrls,omitempty"`
}

// A hook is what an incoming webhook takes.
type hook struct {
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	Colour    string  `json:"color"`
	Title     string  `json:"title,omitempty"`
	TitleLink string  `json:"title_link,omitempty"`
	Text      string  `json:"text,omitempty"`
	Fields    []field `json:"fields,omitempty"`
}

type field struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

func heading(m notify.Message) string {
	return plain(m.Look().Shape+" "+notify.FirstLine(m), 2*notify.FirstLineMax)
}

// whole is the message as one text of at most most units.
func whole(m notify.Message, now time.Time, most int) string {
	return notify.OutlineOf(m, now).Fit(func(o notify.Outline) string {
		var facts []string
		for _, f := range o.Facts {
			facts = append(facts, "*"+bold(f.Name)+"* "+plain(f.Value, 1000))
		}
		return heading(m) + "\n" + lines(o, facts)
	}, func(s string) bool { return notify.UTF16(s) <= most })
}

// superseded is what becomes of a message when the alert is told anew.
func superseded(m notify.Message) string { return heading(m) + "\nTold anew below." }

// coloured is the message with an attachment, whose bar has the level's colour.
func coloured(m notify.Message, now time.Time, most int) hook {
	var a attachment
	notify.OutlineOf(m, now).Fit(func(o notify.Outline) string {
		a = attachment{Colour: m.Look().Colour}
		if page, ok := o.TakePage(); ok {
			a.Title, a.TitleLink = page.Text, page.URL
		}
		var all strings.Builder
		for _, f := range o.Facts {
			a.Fields = append(a.Fields, field{plain(f.Name, 80), plain(f.Value, 1000), false})
			all.WriteString(f.Name + f.Value)
		}
		a.Text = lines(o, nil)
		return a.Text + all.String()
	}, func(s string) bool { return notify.UTF16(s) <= most })
	return hook{heading(m), []attachment{a}}
}

// lines are what is below the first line, with the facts between what the finding
// says and what is to be done.
func lines(o notify.Outline, facts []string) string {
	var all []string
	add := func(s string) {
		if s != "" {
			all = append(all, s)
		}
	}
	add(plain(o.Situation, 500))
	for _, p := range o.Prose {
		add(plain(p, 2000))
	}
	all = append(all, facts...)
	if o.Step != "" && quotable(o.Step) {
		add("*First step*\n```\n" + o.Step + "\n```")
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
	add(plain(o.Footer, 500))
	return strings.Join(all, "\n")
}

// quotable reports whether a command stays as it is in a block of code, and mentions
// nobody: older servers look for mentions in code as well.
func quotable(command string) bool {
	return !strings.Contains(command, "```") && !strings.Contains(" "+command, " @") && !strings.Contains(command, ">@")
}

// bold is untrusted text between the marks of bold.
func bold(s string) string { return strings.ReplaceAll(plain(s, 80), "*", "∗") }

// plain is untrusted text where Rocket.Chat reads its Markdown and looks for mentions
// (https://docs.rocket.chat/docs/format-messages).
func plain(s string, most int) string { return notify.Unmarked(s, most, notify.UTF16) }
