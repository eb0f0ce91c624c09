package email

import (
	"embed"
	"fmt"
	"html/template"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

//go:embed mail.html
var files embed.FS

var mailHTML = sync.OnceValue(func() *template.Template { return template.Must(template.ParseFS(files, "mail.html")) })

// A page is what both parts of a mail say. Its texts are clean and defanged, and
// not escaped.
type page struct {
	kind        tocsin.Kind
	First       string
	Headline    string
	Look        notify.Look
	Level       notify.Look
	State       string
	Sample      bool
	Place       string // "prod-payments (111122223333) eu-west-1"
	Type        string
	Changes     string
	Description string
	Facts       []tocsin.Fact // without the first step
	Command     string
	Alert       int64
	AlertURL    string
	ConsoleURL  string
	TypeURL     string
	FindingID   string
	Delivery    string
	Why         string
	// Thread says that the reader has the alert's first mail, so that what has not
	// changed need not be said again.
	Thread  bool
	Actions []action
	// Items, Note and Code are what messages about no single alert have instead.
	Items []item
	Note  string
	Code  string
}

// An action is a link that does something, as a button.
type action struct{ Label, URL string }

// An item is one alert of a digest.
type item struct {
	Look  notify.Look
	Line  string
	Alert int64
	URL   string
}

// Brief reports whether the mail says only what is different: in a thread, where
// nothing of the finding is new.
func (p page) Brief() bool {
	return p.Thread && (p.kind == tocsin.TellAcknowledged || p.kind == tocsin.TellChanged)
}

// About reports whether the mail is about one alert.
func (p page) About() bool {
	return p.kind != tocsin.TellDigest && p.kind != tocsin.TellNote && p.kind != tocsin.TellCode
}

func newPage(m notify.Message, now time.Time) page {
	p := page{
		kind:  m.Kind,
		First: notify.FirstLine(m), Headline: notify.Headline(m), Look: m.Look(), Level: notify.LookOf(m.Alert.Level),
		State: m.State(), Sample: m.Alert.Sample, Type: notify.Type(m), Changes: notify.Changes(m),
		Description: notify.Description(m), Command: notify.Command(m), Alert: m.Alert.ID,
		AlertURL: notify.AlertLink(m), ConsoleURL: notify.ConsoleLink(m), TypeURL: notify.DocumentationLink(m),
		FindingID: notify.FindingID(m), Delivery: notify.Truncate(notify.Clean(m.ID), 64, notify.Runes), Why: notify.Why(m),
	}
	p.Place = strings.TrimSpace(notify.AccountLabel(m) + " · " + notify.Region(m))
	p.Place = strings.Trim(p.Place, " ·")
	for _, a := range m.Actions {
		if url := a.Link(); url != "" {
			p.Actions = append(p.Actions, action{notify.Truncate(notify.Clean(a.Label), 30, notify.Runes), url})
		}
	}
	switch m.Kind {
	case tocsin.TellDigest:
		p.digest(m)
	case tocsin.TellNote:
		p.Note, p.Headline = notify.Note(m), p.First
	case tocsin.TellCode:
		p.Why = "" // they asked for it
		p.Code, p.Headline = notify.Truncate(notify.Clean(m.Code), 20, notify.Runes), "Your code"
		p.Note = notify.Truncate(notify.Defang(notify.Clean(m.Text)), 500, notify.Runes)
	default:
		p.facts(m, now)
	}
	return p
}

// facts are those of the alert, and who has to do with it.
func (p *page) facts(m notify.Message, now time.Time) {
	for _, f := range notify.Facts(m, now) {
		if f.Name != "First step" {
			p.Facts = append(p.Facts, f)
		}
	}
	for _, f := range []tocsin.Fact{{Name: "On call", Value: notify.OnCall(m)}, {Name: "Seen before", Value: notify.Seen(m)}} {
		if f.Value != "" {
			p.Facts = append(p.Facts, f)
		}
	}
}

// itemsMost is how many alerts a digest lists, and linksMost how many bytes their links
// have together, so that no mail program cuts it; beyond that it says how many more.
const (
	itemsMost = 50
	linksMost = 20 << 10
)

func (p *page) digest(m notify.Message) {
	p.Headline, _, _ = strings.Cut(strings.Replace(p.First, " · ", ": ", 1), " · ")
	links := 0
	for i, it := range m.Digest {
		if links += len(it.Link()); i == itemsMost || links > linksMost {
			p.Note = fmt.Sprintf("and %d more", len(m.Digest)-i)
			break
		}
		p.Items = append(p.Items, item{notify.LookOf(it.Alert.Level), it.Line(), it.Alert.ID, it.Link()})
	}
}

// text is the plain part, for text-only programs and for being read aloud.
func (p page) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s", p.First)
	for _, it := range p.Items {
		line("\n%s %s\n  #%d %s", it.Look.Shape, it.Line, it.Alert, it.URL)
	}
	if p.Note != "" && p.Note != p.First {
		line("\n%s", p.Note)
	}
	if p.About() || p.AlertURL != "" || len(p.Actions) > 0 {
		line("")
	}
	if p.Changes != "" {
		line("What changed: %s\n", p.Changes)
	}
	if p.About() && !p.Brief() {
		p.finding(line)
	}
	p.links(line)
	// RFC 3676, section 4.3: what follows is a signature.
	line("\n-- ")
	if p.FindingID != "" {
		line("finding %s", p.FindingID)
	}
	if p.Why != "" {
		line("%s", p.Why)
	}
	line("delivery %s", p.Delivery)
	return b.String()
}

// finding is what the alert itself says, in plain text.
func (p page) finding(line func(format string, args ...any)) {
	width := 8
	for _, f := range p.Facts {
		width = max(width, min(utf8.RuneCountInString(f.Name), 16))
	}
	for _, f := range p.Facts {
		line("%-*s  %s", width+1, f.Name+":", f.Value)
	}
	if p.Type != "" {
		line("%-*s  %s", width+1, "Type:", p.Type)
	}
	if p.Command != "" {
		line("\nFirst step:")
		// Mail programs make links of names even in plain text.
		command := notify.Defang(p.Command)
		line("  %s", command)
		if command != p.Command {
			line("  (defanged: write . for [.] and http for hxxp)")
		}
	}
	if p.Description != "" {
		line("\n%s", p.Description)
	}
	line("")
}

// links are what can be done and where to read on, in plain text.
func (p page) links(line func(format string, args ...any)) {
	for _, a := range p.Actions {
		line("%s: %s", a.Label, a.URL)
	}
	switch {
	case p.About() && p.AlertURL != "":
		line("Alert #%d: %s", p.Alert, p.AlertURL)
	case p.About():
		line("Alert #%d", p.Alert)
	case p.AlertURL != "":
		line("More: %s", p.AlertURL)
	}
	if p.Brief() {
		return
	}
	if p.ConsoleURL != "" {
		line("AWS console: %s", p.ConsoleURL)
	}
	if p.TypeURL != "" {
		line("About this type: %s", p.TypeURL)
	}
}

func (p page) html() (string, error) {
	var b strings.Builder
	if err := mailHTML().Execute(&b, p); err != nil {
		return "", err
	}
	return b.String(), nil
}

// Band is what the coloured band says: the level, and what became of it.
func (p page) Band() string {
	switch {
	case p.kind == tocsin.TellDigest:
		return "DIGEST · " + p.Look.Word
	case p.kind == tocsin.TellNote, p.kind == tocsin.TellCode:
		return p.State
	case p.State == "NEW":
		return p.Level.Word
	case strings.HasPrefix(p.State, "RAISED"):
		return p.State // which names the level
	}
	return p.State + " · " + p.Level.Word
}

// Bar is the colour of the level for a style attribute.
func (p page) Bar() template.CSS { return template.CSS("background-color:" + p.Look.Colour) }

// Ink is a colour that can be read upon Bar.
func (p page) Ink() template.CSS {
	switch p.Look.Colour {
	case notify.Colour(tocsin.Low), notify.Colour(tocsin.Medium), "#9E9E9E":
		return "color:#1B1B1B"
	}
	return "color:#FFFFFF"
}

// Pieces are the command cut at every dot and colon, each shown in an element of
// its own: that keeps mail programs from making links of names in it, and it can
// be copied all the same.
func (p page) Pieces() []string {
	var pieces []string
	rest := p.Command
	for {
		i := strings.IndexAny(rest, ".:@。．｡")
		if i < 0 {
			return append(pieces, rest)
		}
		_, size := utf8.DecodeRuneInString(rest[i:])
		pieces = append(pieces, rest[:i], rest[i:i+size])
		rest = rest[i+size:]
	}
}
