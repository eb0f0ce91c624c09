package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/config"
)

const lintFile = `sources: {events: {https: {}}}
rules:
  - name: nobody's
    pattern: {source: [guardduty]}
  - name: probes of no account
    pattern: {source: [aws.guardduty], account: ["12345"], detail: {severity: [7, 8]}}
    drop: they are many, and Critical is to stay
  - name: pasted
    pattern: |
      {
        "source": ["aws.guardduty"],
        "detail": {
          "severity": ["HIGH"]
        }
      }
  - name: high
    pattern: {source: [aws.guardduty], detail: {severity: [{numeric: [">=", 7, "<", 9]}]}}
  - name: numbers
    pattern: {source: [aws.guardduty], account: [12345678901]}
  - name: all that is left
    pattern: {source: [{prefix: ""}]}
    alert: {level: no such level}
routes:
  - pattern: {severity: ["8"]}
    receivers: nobody
`

func TestLint(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"rules and routes, whatever else is wrong", lintFile, []string{
			`4:24 error rules[0].pattern source-without-aws`,
			`6:50 error rules[1].pattern account-id`,
			`13:24 error rules[2].pattern severity-name`,
			`19:50 error rules[4].pattern account-id`,
			`24:26 error routes[0].pattern string-for-number`,
		}},
		{"High goes with Critical", "rules:\n  - use: guardduty-high\n" + `  - {name: high, pattern: {source: [aws.guardduty], detail: {severity: [{numeric: [">=", 7, "<", 9]}]}}}`, nil},
		{"High without Critical", `rules: [{name: high, pattern: {source: [aws.guardduty], detail: {severity: [{numeric: [">=", 7, "<", 9]}]}}}]`, []string{
			`1:66 warning rules[0].pattern stops-below-critical`,
		}},
		{"routes within, and inhibitions", "routes: [{routes: [{pattern: {severity: [\"8\"]}}]}]\ninhibit: [{when: {severity: [\"9\"]}, mute: {severity: [\"2\"]}}]\n", []string{
			`1:42 error routes[0].routes[0].pattern string-for-number`,
			`2:30 error inhibit[0].when string-for-number`,
			`2:55 error inhibit[0].mute string-for-number`,
		}},
		{"a shipped rule", "name: x\npattern:\n  source: [guardduty]\n", []string{`3:12 error pattern source-without-aws`}},
		{"nothing", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			said, err := config.Lint("tocsin.yml", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range said {
				got = append(got, fmt.Sprintf("%d:%d %s %s %s", r.Line, r.Column, r.Severity, r.Path, r.Code))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("Lint:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
	if _, err := config.Lint("tocsin.yml", []byte("rules: [")); err == nil {
		t.Error("Lint of what is no YAML gave no error")
	}
}

// What lint says of a configuration is a warning of it.
func TestLintWarns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"a rule", strings.Replace(least, "[{use: guardduty}]", "[{name: mine, pattern: {source: [aws.guardduty], detail: {severity: [7, 8]}}}]", 1), `t.yml:3:66: rules[0].pattern: $.detail.severity: takes severities of High and none of Critical, which is 9.0 to 10.0; write [{"numeric": [">=", 7]}]`},
		{"a route", least + "routes:\n  - {pattern: {severity: [\"8\"]}, receivers: console}\n", `t.yml:7:27: routes[0].pattern: $.severity[0]: severity is a number, and no string is equal to a number; write 8 without quotes`},
		{"a rule that drops", strings.Replace(least, "[{use: guardduty}]", "[{name: mine, drop: noise, pattern: {source: [aws.guardduty], detail: {severity: [7, 8]}}}]", 1), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := config.Parse("t.yml", []byte(tt.text), kinds)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Warnings.Error(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
