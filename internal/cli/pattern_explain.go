package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/pattern"
)

func patternExplainCommand(s *shell) *cobra.Command {
	var asIs bool
	var color string
	c := &cobra.Command{
		Use:   "explain PATTERN EVENT",
		Short: "Say which parts of a pattern an event matches, and which not",
		Long: `explain matches one event, and says of each part of the pattern whether the event has it,
what the event has instead, and what is likely the matter: a number in quotes, another
spelling, a field on another level, values in different elements of an array. Of a
pattern with $or the combination that comes nearest is told first.

EVENT is the name of a file, plain or gzip, or - for standard input. A finding that is
in no event (GuardDuty's export to S3, get-findings) is matched as the event that
EventBridge would have made of it, as rules do; --as-is matches it as it stands.

Exit codes: 0 it matches, 1 it does not, 2 something went wrong.`,
		Example: `  tocsin pattern explain pattern.json event.json
  tocsin pattern explain '{"detail": {"severity": [{"numeric": [">=", 7]}]}}' event.json
  aws events describe-rule --name guardduty | tocsin pattern explain - event.json`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error { return s.explain(args[0], args[1], asIs, color) },
	}
	flags := c.Flags()
	flags.BoolVar(&asIs, "as-is", false, "match a finding without an event around it as it stands")
	colorFlag(c, &color)
	withoutConfig(c, s)
	return c
}

func (s *shell) explain(patternArg, eventArg string, asIs bool, color string) error {
	colorful, err := s.colorful(color)
	if err != nil {
		return err
	}
	if patternArg == "-" && eventArg == "-" {
		return usage(errors.New("pattern and event cannot both be standard input"))
	}
	text, err := s.patternFile(patternArg)
	if err != nil {
		return usage(err)
	}
	p, err := pattern.Parse(text)
	if err != nil {
		return usage(fmt.Errorf("%s: %w", givenName(patternArg), err))
	}
	name, raw, err := s.readInput(eventArg)
	if err != nil {
		return usage(ofFile(name, err))
	}
	if raw, err = unpacked(raw); err != nil {
		return usage(fmt.Errorf("%s: %w", name, err))
	}
	raw = bytes.TrimSpace(raw)
	if !asIs && !gjson.GetBytes(raw, "detail-type").Exists() {
		if finding, ok, err := guardduty.Read(raw); ok && err == nil {
			raw = finding.Event()
		}
	}
	e, err := p.Explain(raw)
	if err != nil {
		return usage(fmt.Errorf("%s: %w", name, oneEvent(raw, err)))
	}
	told := e.String()
	if colorful {
		told = colored(told)
	}
	if _, err := s.out.Write([]byte(told)); err != nil {
		return err
	}
	if !e.Match {
		return exitCode{errSaid, exitFailed}
	}
	return nil
}

// givenName is how errors call an argument.
func givenName(argument string) string {
	switch {
	case argument == "-":
		return stdinName
	case strings.HasPrefix(strings.TrimSpace(argument), "{"):
		return "pattern"
	}
	return argument
}

// oneEvent says what to do with what is no event, or more than one.
func oneEvent(raw []byte, err error) error {
	if bytes.HasPrefix(raw, []byte("[")) || bytes.Contains(raw, []byte("}\n{")) {
		return fmt.Errorf("want one event: %w; 'tocsin pattern match' takes many", err)
	}
	return err
}

// colored colours the verdicts of an explanation.
func colored(told string) string {
	var b strings.Builder
	for line := range strings.Lines(told) {
		for _, c := range []struct{ start, word, color string }{
			{"", "match\n", green},
			{"", "no match", red},
			{"  ", "yes", green},
			{"  ", "no ", red},
			{"       ", "hint:", yellow},
		} {
			if rest, ok := strings.CutPrefix(line, c.start+c.word); ok {
				line = c.start + paint(c.color, strings.TrimRight(c.word, "\n")) + strings.Repeat("\n", strings.Count(c.word, "\n")) + rest
				break
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

func paint(color, what string) string { return "\x1b[" + color + "m" + what + "\x1b[m" }

func colorFlag(c *cobra.Command, color *string) {
	c.Flags().StringVar(color, "color", "auto", "auto (on a terminal, unless NO_COLOR is set), always or never")
}

// colorful reports whether output is to be coloured.
func (s *shell) colorful(color string) (bool, error) {
	switch color {
	case "auto":
		return terminal(s.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", nil
	case "always", "never":
		return color == "always", nil
	}
	return false, usage(fmt.Errorf("--color %q: want auto, always or never", color))
}
