package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/casefile"
	"github.com/tocsin-sec/tocsin/internal/collect/file"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/sift"
	"github.com/tocsin-sec/tocsin/pattern"
)

func patternTestCommand(s *shell) *cobra.Command {
	var verbose bool
	c := &cobra.Command{
		Use:   "test FILE...",
		Short: "Try patterns on the events that they should match, and on those that they should not",
		Long: `test reads files of cases, YAML or JSON, and says for which of them the verdict is not
what the file says it should be, and why.

  pattern: {detail: {severity: [{numeric: [">=", 7]}]}}   # or the name of a file
  cases:
    - name: a high finding
      match: true
      event: {detail: {severity: 8}}                      # or the name of a file
    - {name: last week, match: false, events: [monday.jsonl.gz, tuesday.jsonl.gz]}

A case may have a pattern of its own. Names of files are relative to the file. Shipped
rules with their samples are such files too, and so are JSON Lines of
{"pattern": …, "event": …, "match": true}.

Exit codes: 0 all is as it should be, 1 some verdicts are not, 2 a file has mistakes.`,
		Example: `  tocsin pattern test examples/patterns/exposed-credentials.yml
  tocsin pattern test -v patterns/*.yml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return s.testPatterns(args, verbose) },
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "print the cases that are as they should be as well")
	return c
}

func (s *shell) testPatterns(paths []string, verbose bool) error {
	failed, total, mistakes := 0, 0, 0
	for _, path := range paths {
		name, cases, err := s.readCases(path)
		problems := problemsIn(err)
		for _, p := range problems {
			fmt.Fprintln(s.err, p)
		}
		mistakes += len(problems)
		wrong := s.runCases(name, cases, verbose)
		failed += wrong
		total += len(cases)
		switch {
		case err != nil:
			fmt.Fprintf(s.out, "FAIL\t%s\t%s in the file\n", name, plural(len(problems), "mistake"))
		case wrong > 0:
			fmt.Fprintf(s.out, "FAIL\t%s\t%d of %s\n", name, wrong, plural(len(cases), "case"))
		default:
			fmt.Fprintf(s.out, "ok\t%s\t%s\n", name, plural(len(cases), "case"))
		}
	}
	switch {
	case mistakes > 0:
		return exitCode{errSaid, exitUsage}
	case failed > 0:
		return exitCode{fmt.Errorf("%d of %s failed", failed, plural(total, "case")), exitFailed}
	}
	return nil
}

// readCases reads one file of cases.
func (s *shell) readCases(path string) (name string, cases []casefile.Case, err error) {
	name, text, err := s.readInput(path)
	if err != nil {
		return name, nil, ofFile(name, err)
	}
	if text, err = unpacked(text); err != nil {
		return name, nil, ofFile(name, err)
	}
	beside := func(other string) string {
		if path == "-" || filepath.IsAbs(other) {
			return other
		}
		return filepath.Join(filepath.Dir(path), other)
	}
	cases, err = casefile.Read(name, text, casefile.Files{
		YAML: config.JSON,
		Events: func(name string) ([]byte, error) {
			text, err := os.ReadFile(beside(name))
			if err != nil {
				return nil, ofFile(name, err)
			}
			return unpacked(text)
		},
		Pattern: func(name string) ([]byte, error) { return s.patternFile(beside(name)) },
	})
	return name, cases, err
}

// patternFile is the pattern in a file of JSON or YAML.
func (s *shell) patternFile(name string) ([]byte, error) {
	read, err := s.readPattern(name)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(strings.TrimSpace(string(read.text)), "{") {
		return read.text, nil
	}
	json, _, err := config.JSON(name, read.file)
	return json, err
}

func unpacked(text []byte) ([]byte, error) {
	plain, err := file.Unpack(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(plain)
}

// problemsIn are the problems that an error joins.
func problemsIn(err error) []error {
	if err == nil {
		return nil
	}
	if problems, ok := errors.AsType[config.Problems](err); ok {
		all := make([]error, len(problems))
		for i, p := range problems {
			all[i] = p
		}
		return all
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{fmt.Errorf("tocsin: %w", err)}
}

// runCases prints what is not as it should be, and counts it.
func (s *shell) runCases(name string, cases []casefile.Case, verbose bool) (failed int) {
	for _, c := range cases {
		got, err := c.Run()
		at := fmt.Sprintf("%s:%d: %s", name, c.Line, c.Name)
		switch {
		case err == nil && got == c.Match && verbose:
			fmt.Fprintf(s.out, "--- PASS: %s\n", s.harmless(at))
		case err == nil && got == c.Match:
		default:
			failed++
			fmt.Fprintf(s.out, "--- FAIL: %s\n", s.harmless(at))
			for _, line := range why(c, got, err) {
				fmt.Fprintf(s.out, "    %s\n", s.harmless(line))
			}
		}
	}
	return failed
}

// harmless is a text as it may be written to a terminal.
func (s *shell) harmless(text string) string {
	if terminal(s.out) {
		return string(sift.AppendVisible(nil, []byte(text)))
	}
	return text
}

// why says, a line each, what made the verdict.
func why(c casefile.Case, got bool, err error) (lines []string) {
	if err != nil {
		return []string{err.Error()}
	}
	e, err := c.Pattern.Explain(c.Event)
	if err != nil || len(e.Combinations) == 0 {
		return nil
	}
	nearest := e.Combinations[0]
	if got {
		lines = append(lines, "it matches, and should not:")
	} else {
		lines = append(lines, "it does not match, and should:")
	}
	for _, l := range nearest.Leaves {
		if l.Holds == got || len(nearest.Splits) > 0 {
			lines = append(lines, leafLine(l))
		}
	}
	for _, split := range nearest.Splits {
		for _, w := range split.In {
			lines = append(lines, fmt.Sprintf("%s is so in element %s of %s", w.Path, strings.Trim(fmt.Sprint(w.Elements), "[]"), split.Array))
		}
		lines = append(lines, "and not in one and the same element")
	}
	return lines
}

// leafLine is "detail.severity is 5, wanted [{"numeric":[">=",7]}]; hint".
func leafLine(l pattern.Leaf) string {
	saw := strings.Join(l.Saw, ", ")
	if l.More > 0 {
		saw += fmt.Sprintf(" and %d more", l.More)
	}
	as := "not as in"
	if l.Holds {
		as = "as in"
	}
	line := fmt.Sprintf("%s is %s, %s %s", l.Path, cmp.Or(saw, l.Found), as, l.Want)
	return strings.Join(append([]string{line}, l.Hints...), "; ")
}
