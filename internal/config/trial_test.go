package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/config"
)

// trials stands after crew; its first line is line 48.
const trials = `tests:
  - name: root was used
    event: {source: aws.signin, detail: {userIdentity: {accountId: "012345678901"}}}
    at: 2026-01-05T09:00:00+01:00
    expect:
      verdict: opened
      rule: root
      level: high
      team: soc
      policy: around-the-clock
      routes: [production]
      receivers: console
      told: [ana, console]
      silenced: false
      drop: ""
  - event: '{"source": "aws.signin"}'
    expect: {verdict: filtered, routes: []}
`

func asExpected() config.Outcome {
	return config.Outcome{
		Verdict: tocsin.Opened, Rule: "root", Level: tocsin.High, Team: "soc", Policy: "around-the-clock",
		Routes: []string{"production"}, Receivers: []string{"console"}, Told: []string{"console", "ana", "console"},
	}
}

func TestATestThatIsAsExpected(t *testing.T) {
	t.Parallel()
	c := parse(t, crew+trials)
	if len(c.Tests) != 2 || c.Tests[0].Name != "root was used" || c.Tests[1].Name != "test 2" {
		t.Fatalf("Tests = %+v", c.Tests)
	}
	var events []string
	var times []time.Time
	problems := c.Try(func(event []byte, at time.Time) (config.Outcome, error) {
		events, times = append(events, string(event)), append(times, at)
		if len(events) == 2 {
			return config.Outcome{Verdict: tocsin.Filtered}, nil
		}
		return asExpected(), nil
	})
	if len(problems) > 0 {
		t.Errorf("Try:\n%v", problems)
	}
	if events[0] != `{"source":"aws.signin","detail":{"userIdentity":{"accountId":"012345678901"}}}` || events[1] != `{"source": "aws.signin"}` {
		t.Errorf("events = %q", events)
	}
	if !times[0].Equal(time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)) || !times[1].IsZero() {
		t.Errorf("times = %v", times)
	}
}

func TestATestSaysWhatIsNotAsExpected(t *testing.T) {
	t.Parallel()
	first := parse(t, crew+trials).Tests[0]
	for _, tt := range []struct {
		name   string
		change func(*config.Outcome)
		want   string
	}{
		{"another verdict", func(o *config.Outcome) { o.Verdict = tocsin.Filtered }, "tocsin.yml:53:16: tests[0].expect.verdict: root was used: expected opened, got filtered"},
		{"no rule", func(o *config.Outcome) { o.Rule = "" }, "tocsin.yml:54:13: tests[0].expect.rule: root was used: expected root, got none"},
		{"another level", func(o *config.Outcome) { o.Level = tocsin.Low }, "tocsin.yml:55:14: tests[0].expect.level: root was used: expected high, got low"},
		{"another team", func(o *config.Outcome) { o.Team = "web" }, "tocsin.yml:56:13: tests[0].expect.team: root was used: expected soc, got web"},
		{"another policy", func(o *config.Outcome) { o.Policy = "calm" }, "tocsin.yml:57:15: tests[0].expect.policy: root was used: expected around-the-clock, got calm"},
		{"more routes", func(o *config.Outcome) { o.Routes = append(o.Routes, "bad") }, "tocsin.yml:58:15: tests[0].expect.routes: root was used: expected production, got production, bad"},
		{"no receivers", func(o *config.Outcome) { o.Receivers = nil }, "tocsin.yml:59:18: tests[0].expect.receivers: root was used: expected console, got none"},
		{"somebody else", func(o *config.Outcome) { o.Told = []string{"bo", "console"} }, "tocsin.yml:60:13: tests[0].expect.told: root was used: expected ana, console, got bo, console"},
		{"silenced", func(o *config.Outcome) { o.Silenced = true }, "tocsin.yml:61:17: tests[0].expect.silenced: root was used: expected false, got true"},
		{"dropped", func(o *config.Outcome) { o.Drop = "samples" }, "tocsin.yml:62:13: tests[0].expect.drop: root was used: expected none, got samples"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := first.Run(func([]byte, time.Time) (config.Outcome, error) {
				o := asExpected()
				tt.change(&o)
				return o, nil
			})
			if got.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", got, tt.want)
			}
		})
	}
	got := first.Run(func([]byte, time.Time) (config.Outcome, error) { return config.Outcome{}, errors.New("no store") })
	if want := "tocsin.yml:49:5: tests[0]: root was used: no store"; got.Error() != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

func TestATestsEventMayBeAFileBesideTheConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	main := filepath.Join(dir, "tocsin.yml")
	c, err := config.Parse(main, []byte(least+"tests: [{event: root.json, expect: {verdict: opened}}]\n"), kinds)
	if err != nil {
		t.Fatal(err) // the file need not be there where the configuration is only served
	}
	judge := func(event []byte, _ time.Time) (config.Outcome, error) {
		return config.Outcome{Verdict: tocsin.Verdict(event)}, nil
	}
	if got := c.Try(judge).Error(); !strings.HasPrefix(got, main+":6:9: tests[0]: test 1: event: open ") {
		t.Errorf("without the file: %s", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "root.json"), []byte("opened"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := c.Try(judge); len(got) > 0 {
		t.Errorf("with the file: %v", got)
	}
}

func TestOneMistakeInATest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, old, with, want string }{
		{"no event", "  - event: '{\"source\": \"aws.signin\"}'\n    expect: {verdict", "  - expect: {verdict", `t.yml:63:5: tests[1]: "event" is missing`},
		{"an event that is no JSON", `'{"source": "aws.signin"}'`, `'{"source": }'`, `t.yml:63:12: tests[1].event: not JSON`},
		{"an event that is a list", `'{"source": "aws.signin"}'`, `[a]`, `t.yml:63:12: tests[1].event: got list, want the path of a file, or an event as a mapping`},
		{"an event of no name", `'{"source": "aws.signin"}'`, `""`, `t.yml:63:12: tests[1].event: is empty: name a file, or write the event`},
		{"an account without quotes", `accountId: "012345678901"`, `accountId: 012345678901`, `t.yml:50:68: tests[0].event: account ids are strings: quote it, "012345678901"`},
		{"nothing expected", "{verdict: filtered, routes: []}", "{}", `t.yml:64:13: tests[1].expect: is empty: say what is to become of the event`},
		{"a key that is none", "silenced: false", "silence: false", `t.yml:61:7: tests[0].expect: unknown key "silence" (did you mean "silenced"?)`},
		{"a verdict that is none", "verdict: opened", "verdict: open", `t.yml:53:16: tests[0].expect.verdict: no verdict "open"; known: opened, updated`},
		{"a rule that is none", "rule: root", "rule: rot", `t.yml:54:13: tests[0].expect.rule: no rule "rot" (did you mean "root"?)`},
		{"a level that is none", "level: high\n      team", "level: hihg\n      team", `t.yml:55:14: tests[0].expect.level: level "hihg" is none of`},
		{"a team that is none", "team: soc\n      policy", "team: sok\n      policy", `t.yml:56:13: tests[0].expect.team: no team "sok" (did you mean "soc"?)`},
		{"a policy that is none", "policy: around-the-clock\n", "policy: round-the-clock\n", `t.yml:57:15: tests[0].expect.policy: no policy "round-the-clock" (did you mean "around-the-clock"?)`},
		{"a route that is none", "routes: [production]", "routes: [production, bda]", `t.yml:58:28: tests[0].expect.routes[1]: no route "bda" (did you mean "bad"?)`},
		{"a receiver that is none", "receivers: console\n      told", "receivers: consle\n      told", `t.yml:59:18: tests[0].expect.receivers: no receiver "consle" (did you mean "console"?)`},
		{"somebody who cannot be told", "told: [ana,", "told: [eve,", `t.yml:60:14: tests[0].expect.told[0]: no person or receiver "eve"`},
		{"a time that is none", "at: 2026-01-05T09:00:00+01:00\n    expect", "at: yesterday\n    expect", `t.yml:51:9: tests[0].at: "yesterday" is no instant such as 2026-01-05T09:00:00+01:00`},
	} {
		t.Run(tt.name, func(t *testing.T) { mistake(t, replace(t, crew+trials, tt.old, tt.with), tt.want) })
	}
	c := parse(t, replace(t, crew+trials, "    at: 2026-01-05T09:00:00+01:00\n", ""))
	if want := `tocsin.yml:49:5: tests[0]: asks who is told without saying when: write "at", since who is on call changes`; c.Warnings.Error() != want {
		t.Errorf("without a time: %v, want %s", c.Warnings, want)
	}
}
