package webpush

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// A payload is what the service worker is given, which shows it.
type payload struct {
	Title string `json:"title"`
	Body  string `json:"body,omitempty"`
	// Tag is the alert's: what is shown with the same tag is replaced.
	Tag string `json:"tag"`
	At  int64  `json:"at"` // milliseconds since 1970
	// Kind is the message's, since a push service may swap two.
	Kind tocsin.Kind `json:"kind,omitempty"`
	// Level is the alert's, "critical", for the mark beside it in the page.
	Level string `json:"level,omitempty"`
	// Calls says that it makes a sound, Stays that it stays until somebody has
	// touched it.
	Calls   bool     `json:"calls,omitempty"`
	Stays   bool     `json:"stays,omitempty"`
	URL     string   `json:"url,omitempty"` // the alert's page
	Actions []action `json:"actions,omitempty"`
	// Proof is given back to Confirm, a path: the address is the browser's.
	Proof   string `json:"proof,omitempty"`
	Confirm string `json:"confirm,omitempty"`
}

type action struct {
	Do    notify.Do `json:"do"`
	Label string    `json:"label"`
	URL   string    `json:"url"`
}

// sizes are how much of a message is kept, tried until it fits.
var sizes = []struct{ body, actions, links int }{
	{700, 5, 1}, {400, 5, 1}, {200, 5, 1}, {200, 2, 1}, {200, 1, 0}, {60, 0, 0},
}

// titleMost is the longest title, in characters; phones show about 50.
const titleMost = 100

// render makes the JSON, of textMost bytes at most.
func render(m notify.Message, now time.Time) ([]byte, error) {
	whole := payload{
		Title: notify.Truncate(title(m), titleMost, notify.UTF16), Body: body(m, now), Tag: notify.DedupKey(m), At: m.At.UnixMilli(), Kind: m.Kind,
		Calls: m.Kind.Calls() || m.Kind == tocsin.TellCode, URL: notify.AlertLink(m),
	}
	level := m.Level()
	if m.Alert.ID != 0 || m.Kind == tocsin.TellDigest {
		whole.Level = level.String()
	}
	whole.Stays = whole.Calls && level == tocsin.Critical
	for _, a := range m.Actions {
		if url := a.Link(); url != "" {
			whole.Actions = append(whole.Actions, action{a.Do, notify.Truncate(notify.Clean(a.Label), 30, notify.UTF16), url})
		}
	}
	for _, size := range sizes {
		p := whole
		p.Body = notify.Truncate(p.Body, size.body, notify.UTF16)
		p.Actions = p.Actions[:min(len(p.Actions), size.actions)]
		if size.links == 0 {
			p.URL = ""
		}
		text, err := notify.JSON(p)
		if err != nil || len(text) <= textMost {
			return text, err
		}
	}
	return nil, fmt.Errorf("the message does not fit into %d bytes", textMost)
}

// title is what is read on a lock screen: how bad, and where.
//
//	■ CRITICAL · prod-payments eu-west-1
//	✓ CLOSED (archived) · prod-payments eu-west-1
func title(m notify.Message) string {
	switch m.Kind {
	case tocsin.TellNote:
		return "tocsin"
	case tocsin.TellCode:
		return notify.FirstLine(m)
	case tocsin.TellDigest:
		return m.Look().Shape + " " + counted(m)
	}
	look, word := m.Look(), m.State()
	switch {
	case m.Kind == tocsin.TellOpened && word == "NEW":
		word = look.Word
	case m.Kind == tocsin.TellOpened, m.Kind == tocsin.TellUpdated:
		word += " " + strings.ToLower(look.Word)
	}
	if m.Alert.Sample {
		word = "[SAMPLE] " + word
	}
	place := strings.TrimSpace(notify.AccountLabel(m) + " " + notify.Region(m))
	return strings.Join(filled(look.Shape+" "+word, place), " · ")
}

// counted is the beginning of a digest's first line, before what the first alert
// says: "12 alerts · 1 critical, 11 high".
func counted(m notify.Message) string {
	parts := strings.SplitN(notify.FirstLine(m), " · ", 3)
	return strings.Join(parts[:min(len(parts), 2)], " · ")
}

// listedMost is how many alerts of a digest have a line.
const listedMost = 6

// body is what stands under the title.
func body(m notify.Message, now time.Time) string {
	switch m.Kind {
	case tocsin.TellNote:
		return notify.Note(m)
	case tocsin.TellCode:
		return notify.Truncate(notify.Defang(notify.Clean(m.Text)), 200, notify.UTF16)
	case tocsin.TellDigest:
		return list(m)
	}
	lines := []string{notify.Headline(m), notify.Changes(m)}
	if m.Kind.Calls() {
		lines = append(lines, facts(m, now)...)
		lines = append(lines, notify.OnCall(m))
	}
	return strings.Join(filled(append(lines, since(m))...), "\n")
}

// since is when and how often. It is read at any time, so that nothing in it is
// relative to now.
func since(m notify.Message) string {
	first := m.Alert.FirstSeen
	if first.IsZero() {
		first = m.Alert.OpenedAt
	}
	if m.Alert.Occurrences < 2 {
		return notify.UTC(first)
	}
	return fmt.Sprintf("%d times since %s", m.Alert.Occurrences, notify.UTC(first))
}

// facts are the two that say most besides the headline. Where and when are told
// anyway, and nobody types a command on a phone.
func facts(m notify.Message, now time.Time) []string {
	var lines []string
	for _, f := range notify.Facts(m, now) {
		if len(lines) < 2 && !slices.Contains([]string{"What", "When", "Our account", "First step"}, f.Name) {
			lines = append(lines, notify.Truncate(f.Name+": "+f.Value, 120, notify.UTF16))
		}
	}
	return lines
}

func list(m notify.Message) string {
	var lines []string
	for i, item := range m.Digest {
		if i == listedMost {
			lines = append(lines, fmt.Sprintf("%d more", len(m.Digest)-i))
			break
		}
		lines = append(lines, notify.LookOf(item.Alert.Level).Shape+" "+notify.Truncate(item.Line(), 90, notify.UTF16))
	}
	return strings.Join(lines, "\n")
}

func filled(texts ...string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}
