// Package console tells whoever looks at the terminal or reads the log: one
// line for each message, and one more if something changed or several alerts are
// told of. It tells people, too, so that everything can be tried without a vendor.
//
//	02:29:40  CRITICAL ■  prod-payments         eu-west-1       EC2 i-0abc (web-1) is calling a C2 server  #4821
//	02:29:40  CODE ○      to ana (desk 7)                       428317 is your code for tocsin
package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Kind is the console notifier.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("console", "Writes a line to standard output.", open)
	k.Title = "Console"
	k.Abilities = notify.Abilities{Resolve: true, Limit: "one line, and one of what changed"}
	k.Checks = []notify.Check{{How: notify.ByFake, By: "the lines themselves, those of every message", Test: "TestGolden"}}
	k.Follows = true
	k.Address = address
	return k
}

// address takes whatever somebody is called by.
func address(text string) (string, error) {
	if text = notify.Clean(text); text == "" {
		return "", errors.New("the address is empty; any word will do")
	}
	return notify.Truncate(text, 100, notify.Runes), nil
}

// Config are the settings of the console: none are needed.
type Config struct {
	Colour string `json:"colour,omitempty" doc:"auto (on a terminal, unless NO_COLOR is set), always or never." default:"auto"`
}

func open(c Config, env notify.Env) (notify.Notifier, error) {
	n := &notifier{out: env.Out}
	switch c.Colour {
	case "", "auto":
		n.colour = terminal(env.Out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	case "always":
		n.colour = true
	case "never":
	default:
		return nil, fmt.Errorf("colour: %q is none of auto, always, never", c.Colour)
	}
	return n, nil
}

func terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

type notifier struct {
	mu     sync.Mutex // held while writing, so that lines stay whole
	out    io.Writer
	colour bool
}

// Notify writes the message in one write.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	text := n.render(m)
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := io.WriteString(n.out, text); err != nil {
		return "", fmt.Errorf("console: %w", err)
	}
	return "", nil
}

// Widths of the columns, in characters.
const (
	levelWidth   = 10
	accountWidth = 20
	regionWidth  = 14
)

func (n *notifier) render(m notify.Message) string {
	var line []string
	more := notify.Changes(m)
	switch m.Kind {
	case tocsin.TellDigest, tocsin.TellNote, tocsin.TellCode:
		line = n.several(m)
		more = numbers(m.Digest)
	default:
		line = n.alert(m)
	}
	out := strings.Join(line, "  ") + "\n"
	if more != "" {
		out += strings.Repeat(" ", 10) + n.paint(faint, "└ "+more) + "\n"
	}
	return out
}

// alert are the columns of a message about one alert.
func (n *notifier) alert(m notify.Message) []string {
	what := notify.Headline(m)
	if state := m.State(); state != "NEW" {
		what = state + " · " + what
	}
	if m.Alert.Sample {
		what = "[SAMPLE] " + what
	}
	columns := []string{
		n.paint(faint, m.At.UTC().Format("15:04:05")),
		n.paint(colourOf(m), pad(notify.LookOf(m.Alert.Level).Word+" "+m.Look().Shape, levelWidth)),
		pad(notify.Truncate(notify.AccountLabel(m), accountWidth, notify.Runes), accountWidth),
		n.paint(faint, pad(notify.Truncate(notify.Region(m), regionWidth, notify.Runes), regionWidth)),
		what,
		n.paint(faint, fmt.Sprintf("#%d", m.Alert.ID)),
	}
	if to := reader(m); to != "" {
		columns = append(columns, n.paint(faint, to))
	}
	return columns
}

// several are the columns of a message about no single alert. Who reads it stands
// where the account would.
func (n *notifier) several(m notify.Message) []string {
	what := notify.FirstLine(m)
	if m.Kind == tocsin.TellNote {
		what = notify.Note(m)
	}
	width := accountWidth + 2 + regionWidth
	return []string{
		n.paint(faint, m.At.UTC().Format("15:04:05")),
		n.paint(colourOf(m), pad(m.State()+" "+m.Look().Shape, levelWidth)),
		n.paint(faint, pad(notify.Truncate(reader(m), width, notify.Runes), width)),
		what,
	}
}

// reader is the person that the message is for: "to ana (+4930123456)".
func reader(m notify.Message) string {
	person := notify.Truncate(notify.Defang(notify.Clean(m.Person)), 40, notify.Runes)
	to := notify.Truncate(notify.Defang(notify.Clean(m.To)), 60, notify.Runes)
	switch {
	case person == "" && to == "":
		return ""
	case person == "" || to == "" || person == to:
		return "to " + cmp.Or(to, person)
	}
	return "to " + person + " (" + to + ")"
}

// numbersMost is how many alerts of a digest are listed.
const numbersMost = 20

// numbers lists the alerts of a digest, those of one level together: "critical
// #4821 #4830, high #4823".
func numbers(items []notify.Item) string {
	var b strings.Builder
	last := tocsin.Level(-1)
	for i, it := range items {
		if i == numbersMost {
			fmt.Fprintf(&b, ", %d more", len(items)-i)
			break
		}
		if it.Alert.Level != last {
			if b.Len() > 0 {
				b.WriteString(", ")
			}
			b.WriteString(strings.ToLower(notify.LookOf(it.Alert.Level).Word))
		}
		last = it.Alert.Level
		fmt.Fprintf(&b, " #%d", it.Alert.ID)
	}
	return b.String()
}

// pad fills up to width characters with spaces.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// Colours of a terminal (ECMA-48, SGR), those that can be read on black and on
// white.
const (
	faint = "2"
	red   = "1;31"
	plain = "31"
	amber = "33"
	grey  = "90"
)

func colourOf(m notify.Message) string {
	level := m.Alert.Level
	if m.Kind == tocsin.TellDigest {
		level = notify.Worst(m)
	}
	switch {
	case m.Alert.Sample, m.Kind == tocsin.TellClosed:
		return grey
	case level == tocsin.Critical:
		return red
	case level == tocsin.High:
		return plain
	case level == tocsin.Medium, level == tocsin.Low:
		return amber
	}
	return grey
}

func (n *notifier) paint(code, s string) string {
	if !n.colour || strings.TrimSpace(s) == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
