package inbox

import (
	"bytes"
	"cmp"
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed inbox.html
var source string

var pageHTML = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("inbox").Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"join":  func(words []string) string { return strings.Join(words, ", ") },
	}).Parse(source))
})

// A state is what the reader chose to see, in the address of the page.
type state struct {
	Show string // "", "slack", "email", "webhook", "phone"
	As   string // in whose name buttons in channels are pressed
	Live int    // seconds, or 0
}

func stateOf(b *Inbox, q url.Values) state {
	var s state
	if show := q.Get("show"); slices.Contains([]string{"slack", "email", "webhook", "phone"}, show) {
		s.Show = show
	}
	if seconds, err := strconv.Atoi(q.Get("live")); err == nil && seconds > 0 {
		s.Live = max(2, min(seconds, 60))
	}
	if len(b.people) > 0 {
		s.As = b.people[0].Name
	}
	if p, ok := b.named(q.Get("as")); ok {
		s.As = p.Name
	}
	return s
}

// link is an address of the page with that state, relative to the page.
func (s state) link(first string) string {
	q := url.Values{}
	if s.Show != "" {
		q.Set("show", s.Show)
	}
	if s.Live > 0 {
		q.Set("live", strconv.Itoa(s.Live))
	}
	if s.As != "" && s.As != first {
		q.Set("as", s.As)
	}
	return "?" + q.Encode()
}

// A view is what the page shows: copies, so that nothing is locked while it is
// written out.
type view struct {
	state
	Nonce   string
	People  []Person
	Presses bool // buttons do something
	Slack   []slackMessage
	Mails   []mailMessage
	Hooks   []hookMessage
	Phones  []handset
	Rings   int
	Colours []template.CSS // of the bars, without "#"
	Doors   []door
}

// To is the page's address with another thing shown, or in another name, or live.
func (v view) To(what, value string) string {
	s := v.state
	switch what {
	case "show":
		s.Show = value
	case "as":
		s.As = value
	case "live":
		s.Live, _ = strconv.Atoi(value) // our own template gives digits, or nothing
	}
	first := ""
	if len(v.People) > 0 {
		first = v.People[0].Name
	}
	return s.link(first)
}

// A pane is a part of a message, with whoever may press its buttons.
type pane struct {
	view
	Message slackMessage
	Blocks  []slackBlock
	By      string // "" where buttons do nothing
}

// Of is a part of a message as the reader has it: in direct messages it is their
// owner who presses.
func (v view) Of(m slackMessage, blocks []slackBlock) pane {
	p := pane{view: v, Message: m, Blocks: blocks}
	if !m.App.presses() {
		return p
	}
	p.By = v.As
	if strings.HasPrefix(m.Channel, "D") {
		p.By = ""
		for _, who := range v.People {
			if m.reads(who) {
				p.By = who.Name
			}
		}
	}
	return p
}

// A hearing is one message on a phone, with the state of the page.
type hearing struct {
	view
	Ring ring
}

// Hear is a message on a phone for the template.
func (v view) Hear(m ring) hearing { return hearing{v, m} }

// A pressable is a button that does something.
type pressable struct {
	Pane         pane
	Button       slackText
	Label, Style string
}

// Button is a button that counts as soon as it is pressed, Sure the one that is
// pressed when Slack asked whether that is meant.
func (p pane) Button(t slackText) pressable { return pressable{p, t, t.Text, style(t.Style)} }

// Sure see Button.
func (p pane) Sure(t slackText) pressable {
	return pressable{p, t, t.Sure.Confirm.Text, style("danger")}
}

// style is one of Slack's two, or none.
func style(s string) string {
	if s == "primary" || s == "danger" {
		return s
	}
	return ""
}

// Direct reports whether the message is for one person.
func (m slackMessage) Direct() bool { return m.App != nil && strings.HasPrefix(m.Channel, "D") }

// page shows everything, or with ?show= one kind. ?live=5 loads it again every
// five seconds, ?as=ana has buttons pressed in that name.
func (b *Inbox) page(w http.ResponseWriter, r *http.Request) {
	v := b.view()
	v.state, v.Nonce = stateOf(b, r.URL.Query()), rand.Text()
	h := w.Header()
	if v.Live > 0 {
		h.Set("Refresh", strconv.Itoa(v.Live))
	}
	var out bytes.Buffer
	if err := pageHTML().Execute(&out, v); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+v.Nonce+"'; frame-src 'self'; base-uri 'none'; "+
		"form-action 'self'; frame-ancestors 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	w.Write(out.Bytes())
}

func (b *Inbox) view() view {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := view{People: b.people, Phones: b.handsets()}
	for i := range b.apps {
		v.Presses = v.Presses || b.apps[i].presses() && len(b.people) > 0
	}
	seen := map[string]bool{}
	for _, m := range b.slack {
		shown := *m
		shown.Thread, shown.Private = slices.Clone(m.Thread), slices.Clone(m.Private) // they grow
		v.Slack = append(v.Slack, shown)
		for _, a := range m.Attachments {
			if name := strings.TrimPrefix(a.Bar(), "bar-"); name != "none" && !seen[name] {
				seen[name] = true
				v.Colours = append(v.Colours, template.CSS(name))
			}
		}
	}
	for _, m := range b.mails {
		v.Mails = append(v.Mails, *m)
	}
	for _, m := range b.hooks {
		v.Hooks = append(v.Hooks, *m)
	}
	for _, m := range b.rings {
		if !m.Mine {
			v.Rings++
		}
	}
	for _, d := range b.doors {
		v.Doors = append(v.Doors, *d)
	}
	slices.SortFunc(v.Doors, func(a, b door) int { return cmp.Compare(a.Name, b.Name) })
	return v
}

// Trouble says of a receiver that is refusing just now how it stands.
func (d door) Trouble() string {
	if d.inARow == 0 {
		return ""
	}
	return "refusing (" + d.LastError + "), " + strconv.Itoa(d.inARow) + " in a row"
}
