// Package console tells whoever looks at the terminal or reads the log: one
// line for each message, and one more if something changed.
//
//	02:29:40  CRITICAL ■  prod-payments         eu-west-1       EC2 i-0abc (web-1) is calling a C2 server  #4821
package console

import (
	"context"
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
var Kind = notify.Define("console", "Writes a line to standard output.", open)

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
	look := m.Look()
	level := notify.LookOf(m.Alert.Level)
	what := notify.Headline(m)
	if state := m.State(); state != "NEW" {
		what = state + " · " + what
	}
	if m.Alert.Sample {
		what = "[SAMPLE] " + what
	}
	line := strings.Join([]string{
		n.paint(faint, m.At.UTC().Format("15:04:05")),
		n.paint(colourOf(m), pad(level.Word+" "+look.Shape, levelWidth)),
		pad(notify.Truncate(notify.AccountLabel(m), accountWidth, notify.Runes), accountWidth),
		n.paint(faint, pad(notify.Truncate(notify.Region(m), regionWidth, notify.Runes), regionWidth)),
		what,
		n.paint(faint, fmt.Sprintf("#%d", m.Alert.ID)),
	}, "  ") + "\n"
	if changes := notify.Changes(m); changes != "" {
		line += strings.Repeat(" ", 10) + n.paint(faint, "└ "+changes) + "\n"
	}
	return line
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
	switch {
	case m.Alert.Sample, m.Kind == tocsin.TellClosed:
		return grey
	case m.Alert.Level == tocsin.Critical:
		return red
	case m.Alert.Level == tocsin.High:
		return plain
	case m.Alert.Level == tocsin.Medium, m.Alert.Level == tocsin.Low:
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
