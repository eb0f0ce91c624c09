package email

import (
	"embed"
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

//go:embed mail.html
var files embed.FS

var mailHTML = template.Must(template.ParseFS(files, "mail.html"))

// A page is what both parts of a mail say. Its texts are clean and defanged, and
// not escaped.
type page struct {
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
}

func newPage(m notify.Message, now time.Time) page {
	p := page{
		First: notify.FirstLine(m), Headline: notify.Headline(m), Look: m.Look(), Level: notify.LookOf(m.Alert.Level),
		State: m.State(), Sample: m.Alert.Sample, Type: notify.Type(m), Changes: notify.Changes(m),
		Description: notify.Description(m), Command: notify.Command(m), Alert: m.Alert.ID,
		AlertURL: notify.AlertLink(m), ConsoleURL: notify.ConsoleLink(m), TypeURL: notify.DocumentationLink(m),
		FindingID: notify.FindingID(m), Delivery: notify.Truncate(notify.Clean(m.ID), 64, notify.Runes), Why: notify.Why(m),
	}
	p.Place = strings.TrimSpace(notify.AccountLabel(m) + " · " + notify.Region(m))
	p.Place = strings.Trim(p.Place, " ·")
	for _, f := range notify.Facts(m, now) {
		if f.Name != "First step" {
			p.Facts = append(p.Facts, f)
		}
	}
	return p
}

// text is the plain part, for text-only programs and for being read aloud.
func (p page) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s", p.First)
	line("")
	if p.Changes != "" {
		line("What changed: %s\n", p.Changes)
	}
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
	if p.AlertURL != "" {
		line("Alert #%d: %s", p.Alert, p.AlertURL)
	} else {
		line("Alert #%d", p.Alert)
	}
	if p.ConsoleURL != "" {
		line("AWS console: %s", p.ConsoleURL)
	}
	if p.TypeURL != "" {
		line("About this type: %s", p.TypeURL)
	}
	// RFC 3676, section 4.3: what follows is a signature.
	line("\n-- ")
	if p.FindingID != "" {
		line("finding %s", p.FindingID)
	}
	line("%s", p.Why)
	line("delivery %s", p.Delivery)
	return b.String()
}

func (p page) html() (string, error) {
	var b strings.Builder
	if err := mailHTML.Execute(&b, p); err != nil {
		return "", err
	}
	return b.String(), nil
}

// Band is what the coloured band says: the level, and what became of it.
func (p page) Band() string {
	switch {
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
