package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
)

func checkCommand(s *shell) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Report every mistake of a configuration at once, and run its tests",
		Long: `check reads a configuration as serve would, without starting anything, and reports
every mistake with file, line and column. Then it runs the tests in it: each says of an
event what is to become of it.

  tests:
    - event: events/root-sign-in.json
      at: 2026-01-05T03:00:00+01:00
      expect: {verdict: opened, rule: root was used, team: soc, told: [ana]}

A test goes by the configuration alone: nothing is open or silenced, and everybody whom
the file names can be reached. check exits with 3 if there is a mistake, or a test
fails.`,
		Example: "  tocsin check tocsin.yml\n  tocsin check --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			file := s.file()
			if len(args) == 1 {
				file = args[0]
			}
			if file == "" {
				return usage(fmt.Errorf("no %s here; name the file: tocsin check FILE", defaultConfigFile))
			}
			return s.check(c.Context(), file, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// A checkReport is what check found, for programs.
type checkReport struct {
	File     string         `json:"file"`
	OK       bool           `json:"ok"`
	Problems []checkProblem `json:"problems"`
	Warnings []checkProblem `json:"warnings"`
	Tests    int            `json:"tests"`
	Passed   int            `json:"passed"`
	// Failures are what of the tests is not as it is expected.
	Failures []checkProblem `json:"failures"`

	sources, rules, receivers int
}

// A checkProblem is a [config.Problem].
type checkProblem struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Path   string `json:"path,omitempty"`
	Text   string `json:"text"`
}

func reported(ps config.Problems) []checkProblem {
	all := make([]checkProblem, len(ps))
	for i, p := range ps {
		all[i] = checkProblem(p)
	}
	return all
}

func (s *shell) check(ctx context.Context, file string, asJSON bool) error {
	report, err := s.inspect(ctx, file)
	if err != nil {
		return err
	}
	if asJSON {
		err = s.printReport(report)
	} else {
		err = s.printCheck(report)
	}
	if err == nil && !report.OK {
		return exitCode{errSaid, exitProblems}
	}
	return err
}

// inspect reads the configuration and runs its tests. What is wrong with it is in
// the report; the error is about what could not be found out.
func (s *shell) inspect(ctx context.Context, file string) (checkReport, error) {
	report := checkReport{File: file, Problems: []checkProblem{}, Warnings: []checkProblem{}, Failures: []checkProblem{}}
	c, err := config.Load(file, app.Kinds())
	if problems, ok := errors.AsType[config.Problems](err); ok {
		report.Problems = reported(problems)
		return report, nil
	}
	if err != nil {
		return report, err
	}
	failures, passed, err := s.runTests(ctx, c)
	report.Warnings, report.Failures = reported(c.Warnings), reported(failures)
	report.Tests, report.Passed, report.OK = len(c.Tests), passed, len(failures) == 0
	report.sources, report.rules, report.receivers = len(c.Sources), len(c.Rules.Names()), len(c.Receivers)
	return report, err
}

// runTests runs the tests of a configuration on an engine of their own.
func (s *shell) runTests(ctx context.Context, c *config.Config) (failures config.Problems, passed int, err error) {
	if len(c.Tests) == 0 {
		return nil, 0, nil
	}
	trial, err := s.rehearse(ctx, c)
	if err != nil {
		return nil, 0, fmt.Errorf("run the tests: %w", err)
	}
	defer func() { err = errors.Join(err, trial.close()) }()
	judge := trial.judge(ctx)
	for _, t := range c.Tests {
		found := t.Run(judge)
		failures = append(failures, found...)
		if len(found) == 0 {
			passed++
		}
	}
	return failures, passed, ctx.Err()
}

func (s *shell) printReport(r checkReport) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, s.harmless(string(raw)))
	return err
}

// printCheck prints a line for each thing that is wrong, and what it comes to: what
// is well on standard output, and what is not on standard error.
func (s *shell) printCheck(r checkReport) error {
	for _, w := range r.Warnings {
		w.Text += " (warning)"
		r.Problems = append(r.Problems, w)
	}
	for _, p := range append(r.Problems, r.Failures...) {
		fmt.Fprintln(s.out, visible(config.Problem(p).Error())) // an outcome has texts of the event
	}
	switch failed := r.Tests - r.Passed; {
	case failed > 0:
		fmt.Fprintf(s.err, "tocsin: %s: %s, %d passed, %d failed\n", r.File, plural(r.Tests, "test"), r.Passed, failed)
		return nil
	case !r.OK:
		fmt.Fprintf(s.err, "tocsin: %s: %s\n", r.File, plural(len(r.Problems), "problem"))
		return nil
	}
	tests := ""
	if r.Tests > 0 {
		tests = fmt.Sprintf("; %s, %d passed", plural(r.Tests, "test"), r.Passed)
	}
	_, err := fmt.Fprintf(s.out, "%s: ok: %s, %s, %s%s\n", r.File,
		plural(r.sources, "source"), plural(r.rules, "rule"), plural(r.receivers, "receiver"), tests)
	return err
}
