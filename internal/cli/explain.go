package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

func explainCommand(s *shell) *cobra.Command {
	r := &client{shell: s}
	var at string
	c := &cobra.Command{
		Use: "explain EVENT", Short: "Say what would become of an event, step by step, and why",
		Long: `explain says which rule takes an event, which routes were asked and which leaf of which
pattern held them back, whose the alert is, what holds it, and whom the policy tells
when. Nothing is kept and nobody is told.

It asks the running tocsin, which knows what is open, silenced and who can be reached.
With --config FILE it goes by that file alone: nothing is open or silenced, and
everybody whom the file names can be reached.

EVENT is the name of a file with one event or finding, plain or gzip, or - for standard
input.`,
		Example: `  tocsin explain finding.json
  tocsin explain finding.json -c tocsin.yml --at 2026-06-13T03:00:00+02:00
  aws guardduty get-findings … | jq .Findings[0] | tocsin explain -`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			moment, err := s.parseTime("at", at)
			if err != nil {
				return err
			}
			event, err := s.readEvent(args[0])
			if err != nil {
				return err
			}
			if c.Flags().Changed("config") {
				return r.explainOffline(c.Context(), event, moment)
			}
			if !moment.IsZero() {
				return usage(errors.New("--at needs --config: the running tocsin says what would become of it now"))
			}
			return show(c.Context(), r, http.MethodPost, "/api/explain", event, r.printExplanation)
		},
	}
	clientFlags(c, r)
	c.Flags().StringVar(&at, "at", "", "with --config: as if it came at `TIME`, "+timeHelp+"; now if left out")
	return c
}

// readEvent reads the one event that a file has.
func (s *shell) readEvent(path string) ([]byte, error) {
	name, raw, err := s.readInput(path)
	if err == nil {
		raw, err = unpacked(raw)
	}
	if err != nil {
		return nil, ofFile(name, err)
	}
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return nil, fmt.Errorf("%s: is empty", name)
	case raw[0] == '[' || bytes.Contains(raw, []byte("}\n{")) || gjson.GetBytes(raw, "Findings").IsArray():
		return nil, fmt.Errorf("%s: want one event; 'tocsin replay' takes many", name)
	}
	return raw, nil
}

// explainOffline goes by the configuration alone. What it needed is gone before
// anything is printed, since whoever reads may have had enough.
func (r *client) explainOffline(ctx context.Context, event []byte, at time.Time) error {
	conf, err := config.Load(r.configFile, app.Kinds())
	if err != nil {
		return err
	}
	trial, err := r.rehearse(ctx, conf)
	if err != nil {
		return err
	}
	x, err := trial.explain(ctx, event, at)
	if err = errors.Join(err, trial.close()); err != nil {
		return err
	}
	if r.json {
		raw, err := marshal(x)
		return errors.Join(err, r.print(raw))
	}
	if err := r.printExplanation(x); err != nil {
		return err
	}
	return r.say("By %s alone: what is open, silenced or unreachable now is not asked.", r.configFile)
}

// stepForm is a step of an explanation that has a name. Lines of the trace of routes
// have none.
var stepForm = lazyregexp.New(`^(event|rule|key|fold|owner|note|told|as|shadow|held back|verdict|after [0-9a-z]+): (.*)$`)

// printExplanation prints what it comes to, and below it step by step why.
func (r *client) printExplanation(x engine.Explanation) error {
	if err := r.say("%s", verdictLine(x)); err != nil {
		return err
	}
	if x.Alert != nil {
		if err := r.say("%s  %s", strings.ToUpper(x.Alert.Level.String()), x.Alert.Headline); err != nil {
			return err
		}
	}
	if err := r.say("at %s", r.moment(x.At)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(r.out); err != nil {
		return err
	}
	return r.printSteps(x.Steps)
}

// verdictLine is what it comes to in a line.
func verdictLine(x engine.Explanation) string {
	text := string(x.Verdict)
	if x.Reason != "" {
		text += ": " + x.Reason
	}
	switch {
	case x.Live != 0:
		return fmt.Sprintf("%s: it belongs to alert %d, which is open; below is what would become of a new one", text, x.Live)
	case len(x.Told) > 0:
		return text + "; tells " + strings.Join(once(x.Told), ", ") + " at once"
	}
	return text
}

// printSteps prints the steps with their names in a column. The trace of routes
// stands under its own name.
func (r *client) printSteps(steps []string) error {
	width := 0
	for _, step := range steps {
		if m := stepForm.FindStringSubmatch(step); m != nil {
			width = max(width, len(m[1]))
		}
	}
	inTrace := false
	for _, step := range steps {
		m := stepForm.FindStringSubmatch(step)
		name, text := "", step
		switch {
		case m != nil:
			name, text, inTrace = m[1], m[2], false
		case !inTrace:
			name, inTrace = "routes", true
		}
		if err := r.say("%-*s  %s", width, name, text); err != nil {
			return err
		}
	}
	return nil
}

// once is each of them once, in their order.
func once(names []string) []string {
	var all []string
	for _, name := range names {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
