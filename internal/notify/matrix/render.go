package matrix

import (
	"html"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

// What one event says at most, in bytes. An event may have 65,536 with all that the
// homeserver adds (https://spec.matrix.org/v1.12/client-server-api/#size-limits), and
// JSON may double every byte of it.
const (
	htmlMax = 20 << 10
	textMax = 8 << 10
)

// content is an m.room.message.
type content struct {
	MsgType  string    `json:"msgtype"`
	Body     string    `json:"body"`
	Format   string    `json:"format,omitempty"`
	HTML     string    `json:"formatted_body,omitempty"`
	Mentions mentions  `json:"m.mentions"`
	New      *content  `json:"m.new_content,omitempty"`
	Relates  *relation `json:"m.relates_to,omitempty"`
}

// mentions are nobody, and the whole room neither: with it homeservers and apps look
// for no names in the text
// (https://spec.matrix.org/v1.12/client-server-api/#user-and-room-mentions).
type mentions struct{}

// A relation is to another event.
type relation struct {
	Type  string `json:"rel_type,omitempty"` // m.replace, m.thread
	Event string `json:"event_id,omitempty"`
	// Fallback and InReplyTo show the line as a reply where threads are not known.
	Fallback  bool   `json:"is_falling_back,omitempty"`
	InReplyTo *reply `json:"m.in_reply_to,omitempty"`
}

type reply struct {
	Event string `json:"event_id"`
}

const (
	textType   = "m.text"
	htmlFormat = "org.matrix.custom.html"
)

// render makes the event of a message.
func render(m notify.Message, now time.Time) content {
	o := notify.OutlineOf(m, now)
	look := m.Look()
	first := look.Shape + " " + o.First
	body := first
	if rest := o.Text(textMax-len(first)-1, notify.Bytes); rest != "" {
		body += "\n" + rest
	}
	return content{
		MsgType: textType, Body: body, Format: htmlFormat,
		HTML: o.Fit(func(o notify.Outline) string { return page(o, look) }, func(s string) bool { return len(s) <= htmlMax }),
	}
}

// edit makes the event by which the root is replaced. Whoever does not know edits sees
// the first line with an asterisk.
func edit(c content, root string) content {
	first, _, _ := strings.Cut(c.Body, "\n")
	return content{MsgType: textType, Body: "* " + first, New: &c, Relates: &relation{Type: "m.replace", Event: root}}
}

// line is what is new. What calls for somebody says first what it is about, and is a
// reply in the room rather than in the thread.
func line(m notify.Message, root string) content {
	news := notify.News(m)
	c := content{MsgType: textType, Body: news, Format: htmlFormat, HTML: escape(news)}
	at := &relation{InReplyTo: &reply{root}}
	if m.Kind.Calls() {
		first := m.Look().Shape + " " + notify.FirstLine(m)
		c.Body, c.HTML = first+"\n"+news, "<strong>"+escape(first)+"</strong><br/>"+escape(news)
	} else {
		at.Type, at.Event, at.Fallback = "m.thread", root, true
	}
	c.Relates = at
	return c
}

func escape(s string) string { return html.EscapeString(s) }

// page is the outline in the part of HTML that Matrix takes
// (https://spec.matrix.org/v1.12/client-server-api/#mroommessage-msgtypes).
func page(o notify.Outline, look notify.Look) string {
	var b strings.Builder
	write := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
		}
	}
	write(`<p><span data-mx-color="`, look.Colour, `">`, escape(look.Shape), `</span> <strong>`, escape(o.First), `</strong>`)
	if o.Situation != "" {
		write("<br/>", escape(o.Situation))
	}
	write("</p>")
	for _, p := range o.Prose {
		write("<p>", escape(p), "</p>")
	}
	if len(o.Facts) > 0 {
		write("<ul>")
		for _, f := range o.Facts {
			write("<li><strong>", escape(f.Name), ":</strong> ", escape(f.Value), "</li>")
		}
		write("</ul>")
	}
	if o.Step != "" {
		write("<p>First step:</p><pre><code>", escape(o.Step), "</code></pre>")
	}
	if len(o.Items) > 0 {
		write("<ul>")
		for _, item := range o.Items {
			write("<li>", anchor(item), "</li>")
		}
		write("</ul>")
	}
	if o.More != "" {
		write("<p>", escape(o.More), "</p>")
	}
	if lines := slices.Concat(o.Answers, o.Links); len(lines) > 0 {
		anchors := make([]string, len(lines))
		for i, l := range lines {
			anchors[i] = anchor(l)
		}
		write("<p>", strings.Join(anchors, " · "), "</p>")
	}
	if o.Footer != "" {
		write("<p>", escape(o.Footer), "</p>")
	}
	return b.String()
}

func anchor(l notify.Line) string {
	if l.URL == "" {
		return escape(l.Text)
	}
	return `<a href="` + escape(l.URL) + `">` + escape(l.Text) + `</a>`
}
