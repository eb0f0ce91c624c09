package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/pattern"
)

func patternCommand(s *shell) *cobra.Command {
	c := &cobra.Command{
		Use: "pattern", Short: "Grep events by pattern; explain, check and try patterns, without AWS",
		Long: `pattern greps events by EventBridge event patterns, and explains, checks and tries
patterns, without AWS and without a configuration.

A PATTERN is JSON that begins with "{", or the name of a file with a pattern in it,
or - for standard input. The file may also be a rule as 'aws events describe-rule'
prints it.`,
		Example: `  tocsin pattern match '{"source": ["aws.guardduty"]}' events.jsonl.gz
  tocsin pattern test cases.yml
  tocsin pattern explain pattern.json event.json
  tocsin pattern lint pattern.json tocsin.yml`,
	}
	c.AddCommand(
		patternExplainCommand(s),
		patternLintCommand(s),
		patternMatchCommand(s),
		patternTestCommand(s),
	)
	return c
}

// A patternText is a pattern as it was given, and where it was found.
type patternText struct {
	name string // of the file; "pattern" where it was written out, "standard input" for -
	text []byte // of the pattern alone, as JSON
	file []byte // of the whole file; the same as text unless the file is a rule
}

// readPattern reads a PATTERN argument: see the help of the group.
func (s *shell) readPattern(argument string) (patternText, error) {
	if strings.HasPrefix(strings.TrimSpace(argument), "{") {
		text := []byte(argument)
		return patternText{"pattern", text, text}, nil
	}
	name, text, err := s.readInput(argument)
	if err != nil {
		return patternText{}, usage(fmt.Errorf("pattern: %w", err))
	}
	inner, err := rulePattern(text)
	if err != nil {
		return patternText{}, usage(fmt.Errorf("%s: %w", name, err))
	}
	return patternText{name, inner, text}, nil
}

// parse is the pattern. An error says which file it is about.
func (p patternText) parse() (*pattern.Pattern, error) {
	parsed, err := pattern.Parse(p.text)
	if err != nil {
		return nil, usage(fmt.Errorf("%s: %w", p.name, err))
	}
	return parsed, nil
}

// readInput reads a file, or standard input where the name is "-".
func (s *shell) readInput(argument string) (name string, text []byte, err error) {
	if argument == "-" {
		text, err = io.ReadAll(s.in)
		return stdinName, text, err
	}
	text, err = os.ReadFile(argument)
	return argument, bytes.TrimPrefix(text, []byte("\ufeff")), err
}

// rulePattern takes the pattern out of a rule as the API of EventBridge gives it,
// with the pattern as a string, and leaves every other text alone. No event has a
// field of that name, so that no pattern is mistaken for a rule.
func rulePattern(text []byte) ([]byte, error) {
	var rule map[string]any
	isRule := json.Unmarshal(text, &rule) == nil // if not, pattern.Parse says what is wrong
	inner, hasPattern := rule["EventPattern"].(string)
	switch _, scheduled := rule["ScheduleExpression"].(string); {
	case isRule && hasPattern:
		return []byte(inner), nil
	case isRule && scheduled:
		return nil, fmt.Errorf("rule %q runs on a schedule and has no pattern", rule["Name"])
	}
	return text, nil
}
