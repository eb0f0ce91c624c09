package escalation_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want, err string }{
		{"person:ana", "person:ana", ""},
		{"schedule:soc", "schedule:soc", ""},
		{"team:soc", "team:soc", ""},
		{"receiver:soc-slack", "receiver:soc-slack", ""},
		{"person:ana:b", "person:ana:b", ""},
		{"soc", "", `"soc" does not say what it is: write person:NAME, schedule:NAME, team:NAME or receiver:NAME`},
		{"", "", `"" does not say what it is: write person:NAME, schedule:NAME, team:NAME or receiver:NAME`},
		{"user:ana", "", `"user:ana": there is no "user" to tell: write person:NAME, schedule:NAME, team:NAME or receiver:NAME`},
		{"Schedule:soc", "", `"Schedule:soc": there is no "Schedule" to tell: write person:NAME, schedule:NAME, team:NAME or receiver:NAME`},
		{"team:", "", `"team:" names no team`},
		{"team: soc", "", `"team: soc": a space is before or after the name of the team`},
	} {
		got, err := escalation.ParseTarget(tt.in)
		if fmt.Sprint(err) != tt.err && (err != nil || tt.err != "") {
			t.Errorf("ParseTarget(%q): %v, want %s", tt.in, err, tt.err)
		}
		if err == nil && got.String() != tt.want {
			t.Errorf("ParseTarget(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

const around = `{
  "name": "around-the-clock",
  "steps": [
    {"tell": ["schedule:soc"], "wait": "10m"},
    {"tell": ["team:soc", "person:ana"], "wait": "1h30m", "assign": "round_robin", "only_if": "unclosed", "min_level": "high",
     "window": {"time_zone": "Europe/Berlin", "weekdays": ["mon", "fri"], "from": "09:00", "to": "17:00"}}
  ],
  "repeat": 2,
  "fallback": ["receiver:soc-pager"],
  "ack_timeout": "0s",
  "exhausted_every": "30m",
  "need_acks": 2,
  "notify_only_below": "medium"
}`

func TestAPolicyIsJSON(t *testing.T) {
	t.Parallel()
	var p, back escalation.Policy
	if err := json.Unmarshal([]byte(around), &p); err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err != nil {
		t.Errorf("Check: %v", err)
	}
	if got := time.Duration(p.Steps[1].Wait); got != 90*time.Minute {
		t.Errorf("wait = %s, want 1h30m", got)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := errors.Join(json.Unmarshal([]byte(around), &want), json.Unmarshal(text, &got), json.Unmarshal(text, &back)); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	if p.Version() != back.Version() {
		t.Errorf("versions %s and, after it was saved, %s", p.Version(), back.Version())
	}
	for _, bad := range []string{`{"steps": [{"wait": "10"}]}`, `{"fallback": ["soc"]}`, `{"notify_only_below": "severe"}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

// A live alert names a version for days: it may not change with the program.
func TestVersionIsOfTheContent(t *testing.T) {
	t.Parallel()
	read := func() (p escalation.Policy) {
		if err := json.Unmarshal([]byte(around), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if got, want := read().Version(), "979cd2069a12"; got != want {
		t.Errorf("Version = %s, want %s", got, want)
	}
	same := three(t)
	same.NeedAcks, same.Steps[0].Assign, same.Steps[0].OnlyIf = 1, escalation.All, escalation.Unacked
	if three(t).Version() != same.Version() {
		t.Error("defaults that are written out make another version")
	}
	if same.Steps[1].Assign != "" {
		t.Error("Version changed the policy")
	}
	seen := map[string]string{read().Version(): "as it was"}
	for name, change := range map[string]func(*escalation.Policy){
		"name":              func(p *escalation.Policy) { p.Name = "other" },
		"wait":              func(p *escalation.Policy) { p.Steps[0].Wait++ },
		"tell":              func(p *escalation.Policy) { p.Steps[0].Targets = targets(t, "schedule:other") },
		"min_level":         func(p *escalation.Policy) { p.Steps[0].MinLevel = tocsin.Low },
		"window":            func(p *escalation.Policy) { p.Steps[1].Window = nil },
		"repeat":            func(p *escalation.Policy) { p.Repeat = 1 },
		"fallback":          func(p *escalation.Policy) { p.Fallback = nil },
		"ack_timeout":       func(p *escalation.Policy) { p.AckTimeout = nil },
		"exhausted_every":   func(p *escalation.Policy) { p.ExhaustedEvery = nil },
		"need_acks":         func(p *escalation.Policy) { p.NeedAcks = 1 },
		"notify_only_below": func(p *escalation.Policy) { p.NotifyOnlyBelow = tocsin.High },
		"one step less":     func(p *escalation.Policy) { p.Steps = p.Steps[:1] },
	} {
		p := read()
		change(&p)
		if other, ok := seen[p.Version()]; ok {
			t.Errorf("%s: the same version as %s", name, other)
		}
		seen[p.Version()] = name
	}
}

func TestTimeoutsByLevel(t *testing.T) {
	t.Parallel()
	var none escalation.Policy
	chosen := escalation.Policy{AckTimeout: minutes(30), ExhaustedEvery: minutes(0)}
	for _, tt := range []struct {
		level         tocsin.Level
		holds, remind time.Duration
	}{
		{tocsin.Unknown, 0, 0},
		{tocsin.Low, 0, 0},
		{tocsin.Medium, 0, 0},
		{tocsin.High, 4 * time.Hour, time.Hour},
		{tocsin.Critical, 4 * time.Hour, time.Hour},
	} {
		if got := none.AckHolds(tt.level); got != tt.holds {
			t.Errorf("AckHolds(%s) = %s, want %s", tt.level, got, tt.holds)
		}
		if got := none.RemindsEvery(tt.level); got != tt.remind {
			t.Errorf("RemindsEvery(%s) = %s, want %s", tt.level, got, tt.remind)
		}
		if got := chosen.AckHolds(tt.level); got != 30*time.Minute {
			t.Errorf("AckHolds(%s) = %s, want the chosen 30m", tt.level, got)
		}
		if got := chosen.RemindsEvery(tt.level); got != 0 {
			t.Errorf("RemindsEvery(%s) = %s, want the chosen 0", tt.level, got)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	window := func(w tocsin.Recurrence) func(*escalation.Policy) {
		return func(p *escalation.Policy) { p.Steps[2].Window = &w }
	}
	wait := func(d time.Duration) func(*escalation.Policy) {
		return func(p *escalation.Policy) { p.Steps[1].Wait = escalation.Duration(d) }
	}
	steps := func(n int) func(*escalation.Policy) {
		return func(p *escalation.Policy) {
			p.Steps = nil
			for range n {
				p.Steps = append(p.Steps, step(t, "pri", 5))
			}
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*escalation.Policy)
		want   string // empty: nothing is wrong
	}{
		{"as it should be", func(*escalation.Policy) {}, ""},
		{"no name", func(p *escalation.Policy) { p.Name = "" }, "name: a policy needs a name"},
		{"no step", steps(0), "steps: nobody is told: a policy needs a step"},
		{"20 steps", steps(20), ""},
		{"21 steps", steps(21), "steps: 21 are more than 20"},
		{"a step without targets", func(p *escalation.Policy) { p.Steps[1].Targets = nil }, "steps[1].tell: nobody is told: write person:NAME, schedule:NAME, team:NAME or receiver:NAME"},
		{"a target of no kind", func(p *escalation.Policy) {
			p.Steps[1].Targets = append(p.Steps[1].Targets, escalation.Target{Kind: "group", Name: "soc"})
		}, `steps[1].tell[1]: "group:soc": there is no "group" to tell: write person:NAME, schedule:NAME, team:NAME or receiver:NAME`},
		{"no wait", wait(0), "steps[1].wait: say how long until the next step, 1m to 24h"},
		{"a wait of 59s", wait(59 * time.Second), "steps[1].wait: 59s is shorter than 1m"},
		{"a wait of a minute", wait(time.Minute), ""},
		{"a wait of a day", wait(24 * time.Hour), ""},
		{"a wait of more than a day", wait(24*time.Hour + time.Minute), "steps[1].wait: 24h1m is longer than 24h"},
		{"a wait that is negative", wait(-time.Hour), "steps[1].wait: -1h is shorter than 1m"},
		{"an unknown assign", func(p *escalation.Policy) { p.Steps[0].Assign = "random" }, `steps[0].assign: "random" is neither all nor round_robin`},
		{"a round of receivers", func(p *escalation.Policy) {
			p.Steps[0].Targets, p.Steps[0].Assign = targets(t, "receiver:slack"), escalation.RoundRobin
		}, "steps[0].assign: round_robin goes round people, teams and schedules, and the step names none"},
		{"an unknown only_if", func(p *escalation.Policy) { p.Steps[0].OnlyIf = "open" }, `steps[0].only_if: "open" is neither unacked nor unclosed`},
		{"a level that is none", func(p *escalation.Policy) { p.Steps[0].MinLevel = 9 }, "steps[0].min_level: level(9) is none of informational, low, medium, high, critical"},
		{"notify_only_below what is none", func(p *escalation.Policy) { p.NotifyOnlyBelow = -1 }, "notify_only_below: level(-1) is none of informational, low, medium, high, critical"},
		{"repeat 20", func(p *escalation.Policy) { p.Repeat = 20 }, ""},
		{"repeat 21", func(p *escalation.Policy) { p.Repeat = 21 }, "repeat: 21 is not between 0 and 20, and not -1 for as long as nobody answers"},
		{"repeat -1", func(p *escalation.Policy) { p.Repeat = -1 }, ""},
		{"repeat -2", func(p *escalation.Policy) { p.Repeat = -2 }, "repeat: -2 is not between 0 and 20, and not -1 for as long as nobody answers"},
		{"no fallback", func(p *escalation.Policy) { p.Fallback = nil }, "fallback: say who is told when nobody can be reached and when nobody answers, such as receiver:NAME"},
		{"a fallback of no kind", func(p *escalation.Policy) { p.Fallback = []escalation.Target{{}} }, `fallback[0]: ":": there is no "" to tell: write person:NAME, schedule:NAME, team:NAME or receiver:NAME`},
		{"an acknowledgement for ever", func(p *escalation.Policy) { p.AckTimeout = minutes(0) }, ""},
		{"an acknowledgement for a second", func(p *escalation.Policy) {
			d := escalation.Duration(time.Second)
			p.AckTimeout = &d
		}, "ack_timeout: 1s is shorter than 1m; 0 is never"},
		{"reminded each negative hour", func(p *escalation.Policy) { p.ExhaustedEvery = minutes(-60) }, "exhausted_every: -1h is shorter than 1m; 0 is never"},
		{"fewer than no acknowledgement", func(p *escalation.Policy) { p.NeedAcks = -1 }, "need_acks: -1 is less than 0"},
		{"more acknowledgements than people", func(p *escalation.Policy) { p.NeedAcks, p.Fallback = 4, targets(t, "pri") }, "need_acks: 4 people must acknowledge, and only 3 are told"},
		{"who knows how many are behind a receiver", func(p *escalation.Policy) { p.NeedAcks = 4 }, ""},
		{"a window", window(tocsin.Recurrence{Weekdays: []string{"mon"}, From: "22:00", To: "06:00", TimeZone: "America/New_York"}), ""},
		{"a window by no clock", window(tocsin.Recurrence{From: "09:00", To: "17:00"}), "steps[2].window.time_zone: is empty; name one such as Europe/Berlin, or UTC"},
		{"a window by the machine's clock", window(tocsin.Recurrence{From: "09:00", To: "17:00", TimeZone: "Local"}), `steps[2].window.time_zone: "Local" is no IANA time zone such as Europe/Berlin`},
		{"a window in an unknown zone", window(tocsin.Recurrence{From: "09:00", To: "17:00", TimeZone: "Berlin"}), `steps[2].window.time_zone: "Berlin" is no IANA time zone such as Europe/Berlin`},
		{"a window from 9", window(tocsin.Recurrence{From: "9:00", To: "17:00", TimeZone: "UTC"}), `steps[2].window.from: "9:00" is no time of day, such as 02:00; 24:00 is 00:00`},
		{"a window to 25:00", window(tocsin.Recurrence{From: "09:00", To: "25:00", TimeZone: "UTC"}), `steps[2].window.to: "25:00" is no time of day, such as 02:00; 24:00 is 00:00`},
		{"a window on Mondays", window(tocsin.Recurrence{Weekdays: []string{"mon", "Monday"}, From: "09:00", To: "17:00", TimeZone: "UTC"}), `steps[2].window.weekdays[1]: "Monday" is none of mon, tue, wed, thu, fri, sat, sun`},
		{"several", func(p *escalation.Policy) { p.Name, p.Repeat = "", 99 }, "name: a policy needs a name\nrepeat: 99 is not between 0 and 20, and not -1 for as long as nobody answers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := three(t)
			tt.change(&p)
			err := p.Check()
			if tt.want == "" {
				if err != nil {
					t.Errorf("Check: %v, want nothing", err)
				}
				return
			}
			if err == nil || err.Error() != tt.want {
				t.Fatalf("Check:\n%v\nwant\n%s", err, tt.want)
			}
			ps, ok := errors.AsType[escalation.Problems](err)
			if !ok || len(ps) != strings.Count(tt.want, "\n")+1 {
				t.Errorf("Check is %T of %d, want one of Problems for each line", err, len(ps))
			}
		})
	}
}
