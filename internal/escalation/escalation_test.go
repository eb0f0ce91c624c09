package escalation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
)

func TestTimelines(t *testing.T) {
	t.Parallel()
	with := func(change func(*escalation.Policy)) escalation.Policy {
		p := three(t)
		change(&p)
		return p
	}
	repeat := func(n int) escalation.Policy { return with(func(p *escalation.Policy) { p.Repeat = n }) }
	for _, tt := range []struct {
		name string
		sim  sim
		want string
	}{
		{
			"E-V1 nobody acknowledges, one pass more",
			sim{policy: repeat(1), until: 600},
			"0 pri, 5 sec, 15 mgr, 30 pri, 35 sec, 45 mgr, 60 exhausted -> soc",
		},
		{
			"E-V2 acknowledged, and it happens again",
			sim{policy: three(t), happens: []happening{{7, "ack sec"}, {8, "open medium"}}, until: 600},
			"0 pri, 5 sec, 7 ack, 8 appended",
		},
		{
			"E-V3 a step that reaches nobody is skipped at once",
			sim{policy: three(t), world: world{away: map[string][]span{"sec": always}}, until: 600},
			"0 pri, 5 skip sec, 5 mgr, 20 exhausted -> soc",
		},
		{
			"E-V4 nobody anywhere for twelve minutes",
			sim{
				policy: three(t), world: world{away: map[string][]span{"pri": always, "mgr": always, "sec": {{0, 12}}}},
				happens: []happening{{17, "close"}}, until: 600,
			},
			"0 skip x3, 0 soc, 5 skip x3, 10 skip x3, 15 skip pri, 15 sec, 17 closed",
		},
		{
			"E-V5 acknowledged as medium, then high",
			sim{policy: three(t), happens: []happening{{2, "ack pri"}, {3, "open medium"}, {4, "open high"}}, until: 10},
			"0 pri, 2 ack, 3 appended, 4 reopened, 4 pri, 9 sec",
		},
		{
			"E-V6 an acknowledgement that runs out",
			sim{
				policy:  with(func(p *escalation.Policy) { p.AckTimeout = minutes(30) }),
				happens: []happening{{1, "ack pri"}, {41, "close"}}, until: 600,
			},
			"0 pri, 1 ack, 31 back to open, 31 pri, 36 sec, 41 closed",
		},
		{
			"E-V8 the engine is down from 1 to 40",
			sim{policy: three(t), down: []span{{1, 40}}, until: 600},
			"0 pri, 40 sec, 50 mgr, 65 exhausted -> soc",
		},
		{
			"E-V9 a step until it is closed, after an acknowledgement",
			sim{
				policy: policy(t, step(t, "pri", 60), func() escalation.Step {
					s := step(t, "mgr", 10)
					s.OnlyIf = escalation.Unclosed
					return s
				}()),
				happens: []happening{{3, "ack pri"}}, until: 600,
			},
			"0 pri, 3 ack, 60 mgr",
		},
		{
			"E-V10 one step, again and again until somebody acknowledges",
			sim{
				policy: func() escalation.Policy {
					p := policy(t, step(t, "pri", 10))
					p.Repeat = -1
					return p
				}(),
				happens: []happening{{95, "ack pri"}}, until: 600,
			},
			"0 pri, 10 pri, 20 pri, 30 pri, 40 pri, 50 pri, 60 pri, 70 pri, 80 pri, 90 pri, 95 ack",
		},

		{
			"high: the fallback is told again every hour until somebody acknowledges",
			sim{policy: three(t), level: tocsin.High, happens: []happening{{100, "ack soc"}}, until: 300},
			"0 pri, 5 sec, 15 mgr, 30 exhausted -> soc, 90 again -> soc, 100 ack",
		},
		{
			"high: an acknowledgement runs out after four hours",
			sim{policy: three(t), level: tocsin.High, happens: []happening{{1, "ack pri"}}, until: 245},
			"0 pri, 1 ack, 241 back to open, 241 pri",
		},
		{
			"given back",
			sim{policy: three(t), happens: []happening{{7, "ack sec"}, {8, "unack"}}, until: 13},
			"0 pri, 5 sec, 7 ack, 8 given back, 8 pri, 13 sec",
		},
		{
			"assigned",
			sim{policy: three(t), happens: []happening{{7, "assign bo"}}, until: 600},
			"0 pri, 5 sec, 7 assigned",
		},
		{
			"escalated by hand, to the end",
			sim{policy: three(t), happens: []happening{{1, "escalate"}, {2, "escalate"}, {3, "escalate"}, {4, "escalate"}}, until: 600},
			"0 pri, 1 escalate, 1 sec, 2 escalate, 2 mgr, 3 escalate, 3 exhausted -> soc, 4 escalate, 4 again -> soc",
		},
		{
			"escalated by hand, the rest follows from then",
			sim{policy: three(t), happens: []happening{{1, "escalate"}}, until: 600},
			"0 pri, 1 escalate, 1 sec, 11 mgr, 26 exhausted -> soc",
		},
		{
			"raised while nobody has it: it goes on as it was",
			sim{policy: three(t), happens: []happening{{2, "open high"}}, until: 6},
			"0 pri, 2 raised, 5 sec",
		},
		{
			"raised after nobody answered: from the beginning",
			sim{policy: three(t), happens: []happening{{40, "open high"}}, until: 46},
			"0 pri, 5 sec, 15 mgr, 30 exhausted -> soc, 40 reopened, 40 pri, 45 sec",
		},
		{
			"raised while the fallback is being reminded: from the beginning",
			sim{policy: three(t), level: tocsin.High, happens: []happening{{40, "open critical"}}, until: 46},
			"0 pri, 5 sec, 15 mgr, 30 exhausted -> soc, 40 reopened, 40 pri, 45 sec",
		},
		{
			"handed to another policy",
			sim{policy: three(t), other: policy(t, step(t, "bo", 5)), happens: []happening{{7, "reassign"}}, until: 600},
			"0 pri, 5 sec, 7 reassigned, 7 bo, 12 exhausted -> soc",
		},

		{
			"E3 the first pass reached somebody, the second nobody",
			sim{
				policy: repeat(1), world: world{away: map[string][]span{"pri": {{20, 40}}, "sec": {{20, 99}}, "mgr": {{20, 99}}}}, until: 600,
			},
			"0 pri, 5 sec, 15 mgr, 30 skip x3, 30 soc, 35 skip x3, 40 pri, 45 skip x2, 45 exhausted -> soc",
		},
		{
			"E3 nobody anywhere but one after twelve minutes, who does not answer",
			sim{policy: three(t), world: world{away: map[string][]span{"pri": always, "mgr": always, "sec": {{0, 12}}}}, until: 600},
			"0 skip x3, 0 soc, 5 skip x3, 10 skip x3, 15 skip pri, 15 sec, 25 skip mgr, 25 exhausted -> soc",
		},
		{
			"E3 nobody, somebody, nobody: the fallback is told each time that it comes to that",
			sim{
				policy: func() escalation.Policy {
					p := policy(t, step(t, "pri", 5))
					p.Repeat = -1
					return p
				}(),
				world: world{away: map[string][]span{"pri": {{0, 8}, {14, 28}}}}, until: 30,
			},
			"0 skip pri, 0 soc, 5 skip pri, 10 pri, 15 skip pri, 15 soc, 20 skip pri, 25 skip pri, 30 pri",
		},
		{
			"E3 nobody and no fallback: both are tried until one is there",
			sim{
				policy: policy(t, step(t, "pri", 5)), world: world{away: map[string][]span{"pri": {{0, 19}}, "soc": {{0, 8}}}}, until: 30,
			},
			"0 skip pri, 0 no fallback, 5 skip pri, 5 no fallback, 10 skip pri, 10 soc, 15 skip pri, 20 pri, 25 exhausted -> soc",
		},
		{
			"nobody answers and the fallback cannot be told: it is tried until it can",
			sim{policy: policy(t, step(t, "pri", 5)), world: world{away: map[string][]span{"soc": {{0, 12}}}}, until: 600},
			"0 pri, 5 exhausted -> nobody, 10 again -> nobody, 15 again -> soc",
		},
		{
			"E3 acknowledged while nobody could be reached",
			sim{policy: three(t), world: world{away: map[string][]span{"pri": always, "sec": always, "mgr": always}}, happens: []happening{{7, "ack soc"}}, until: 600},
			"0 skip x3, 0 soc, 5 skip x3, 7 ack",
		},
		{
			"E6 down over the end: the last delay counts from the late step",
			sim{policy: repeat(-1), down: []span{{6, 600}}, until: 606},
			"0 pri, 5 sec, 600 mgr",
		},
		{
			"E6 down while an acknowledgement runs out",
			sim{
				policy:  with(func(p *escalation.Policy) { p.AckTimeout = minutes(30) }),
				happens: []happening{{1, "ack pri"}}, down: []span{{2, 100}}, until: 106,
			},
			"0 pri, 1 ack, 100 back to open, 100 pri, 105 sec",
		},
		{
			"E9 low is told once",
			sim{policy: with(func(p *escalation.Policy) { p.NotifyOnlyBelow = tocsin.Medium; p.Repeat = 3 }), level: tocsin.Low, until: 600},
			"0 pri",
		},
		{
			"E9 medium is not low",
			sim{policy: with(func(p *escalation.Policy) { p.NotifyOnlyBelow = tocsin.Medium }), until: 6},
			"0 pri, 5 sec",
		},
		{
			"E9 told once, and nobody is there: no other step, but the fallback, and tried again",
			sim{
				policy: with(func(p *escalation.Policy) { p.NotifyOnlyBelow = tocsin.Medium }), level: tocsin.Low,
				world: world{away: map[string][]span{"pri": {{0, 7}}}}, until: 600,
			},
			"0 skip pri, 0 soc, 5 skip pri, 10 pri",
		},
		{
			"E9 told once by the first step that is for it",
			sim{policy: with(func(p *escalation.Policy) { p.NotifyOnlyBelow = tocsin.Medium; p.Steps[0].MinLevel = tocsin.High }), level: tocsin.Low, until: 600},
			"0 skip pri, 0 sec",
		},
		{
			"E9 acknowledged before it was told: not even by a step until it is closed",
			sim{
				policy: with(func(p *escalation.Policy) { p.NotifyOnlyBelow, p.Steps[0].OnlyIf = tocsin.Medium, escalation.Unclosed }),
				level:  tocsin.Low, world: world{away: map[string][]span{"pri": {{0, 3}}}}, happens: []happening{{2, "ack soc"}}, until: 600,
			},
			"0 skip pri, 0 soc, 2 ack",
		},
		{
			"E9 told once, then it is high",
			sim{policy: with(func(p *escalation.Policy) { p.NotifyOnlyBelow = tocsin.Medium }), level: tocsin.Low, happens: []happening{{20, "open high"}}, until: 26},
			"0 pri, 20 reopened, 20 pri, 25 sec",
		},
		{
			"E10 one of several is enough",
			sim{policy: policy(t, step(t, "ana bo", 5), step(t, "cy", 5)), happens: []happening{{3, "ack bo"}}, until: 600},
			"0 ana+bo, 3 ack",
		},
		{
			"E10 two must acknowledge: the first is not told again, the second stops it",
			sim{
				policy: func() escalation.Policy {
					p := policy(t, step(t, "ana bo", 5), step(t, "ana bo cy", 5), step(t, "ana", 5))
					p.NeedAcks, p.Repeat = 2, -1
					return p
				}(),
				happens: []happening{{3, "ack ana"}, {6, "ack ana"}, {12, "ack cy"}}, until: 600,
			},
			"0 ana+bo, 3 ack, 5 bo+cy, 6 ack, 10 skip ana, 10 bo, 12 ack",
		},
		{
			"E10 one of two, and then it is worse: both must again",
			sim{
				policy: func() escalation.Policy {
					p := policy(t, step(t, "ana bo", 5))
					p.NeedAcks, p.Repeat = 2, -1
					return p
				}(),
				happens: []happening{{3, "ack ana"}, {4, "open high"}, {6, "ack bo"}, {12, "ack ana"}}, until: 200,
			},
			"0 ana+bo, 3 ack, 4 raised, 5 ana+bo, 6 ack, 10 ana, 12 ack",
		},
		{
			"E10 one of two, who is the fallback, too",
			sim{
				policy: func() escalation.Policy {
					p := policy(t, step(t, "ana bo", 5))
					p.NeedAcks, p.Fallback = 2, targets(t, "ana")
					return p
				}(),
				happens: []happening{{3, "ack ana"}}, until: 600,
			},
			"0 ana+bo, 3 ack, 5 exhausted -> ana",
		},
		{
			"a step until it is closed keeps its time through the steps that are not told, in each pass",
			sim{
				policy: func() escalation.Policy {
					p := three(t)
					p.Steps[2].OnlyIf = escalation.Unclosed
					p.Repeat = 1
					return p
				}(),
				happens: []happening{{2, "ack pri"}}, until: 600,
			},
			"0 pri, 2 ack, 15 mgr, 45 mgr",
		},
		{
			"a step until it is closed that reaches nobody: somebody has it, and it goes on by the clock",
			sim{
				policy: func() escalation.Policy {
					p := policy(t, step(t, "pri", 5), step(t, "mgr", 10))
					p.Steps[1].OnlyIf = escalation.Unclosed
					p.Repeat = 2
					return p
				}(),
				world: world{away: map[string][]span{"mgr": {{0, 19}}}}, happens: []happening{{2, "ack pri"}}, until: 600,
			},
			"0 pri, 2 ack, 5 skip mgr, 20 mgr, 35 mgr",
		},
		{
			"down while steps until it is closed were due: one of them, then from now",
			sim{
				policy: func() escalation.Policy {
					p := three(t)
					p.Steps[1].OnlyIf, p.Steps[2].OnlyIf = escalation.Unclosed, escalation.Unclosed
					return p
				}(),
				happens: []happening{{2, "ack pri"}}, down: []span{{3, 100}}, until: 600,
			},
			"0 pri, 2 ack, 100 sec, 110 mgr",
		},
		{
			"a step for high and worse is passed over at once",
			sim{policy: with(func(p *escalation.Policy) { p.Steps[1].MinLevel = tocsin.High }), until: 600},
			"0 pri, 5 skip sec, 5 mgr, 20 exhausted -> soc",
		},
		{
			"a step for high and worse, once it is",
			sim{policy: with(func(p *escalation.Policy) { p.Steps[1].MinLevel = tocsin.High }), happens: []happening{{3, "open high"}}, until: 6},
			"0 pri, 3 raised, 5 sec",
		},
		{
			"no step is for that level: the fallback has it",
			sim{policy: func() escalation.Policy {
				p := policy(t, step(t, "pri", 5))
				p.Steps[0].MinLevel = tocsin.High
				return p
			}(), happens: []happening{{20, "open critical"}}, until: 26},
			"0 exhausted -> soc, 20 reopened, 20 pri, 25 exhausted -> soc",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.sim.run(t); got != tt.want {
				t.Errorf("got  %s\nwant %s\n\n%s", got, tt.want, strings.Join(tt.sim.texts, "\n"))
			}
		})
	}
}

// The zone does not matter to a delay: at 07:00Z New York skips an hour.
func TestDelaysAreElapsedTime(t *testing.T) {
	t.Parallel()
	s := escalation.Start(three(t), start)
	s, _ = escalation.Fire(three(t), s, escalation.Facts{Status: tocsin.StatusOpen}, start.Add(8*time.Minute), &world{})
	ny, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.At.In(ny).Format(time.Kitchen), "3:03AM"; got != want {
		t.Errorf("five minutes after 01:58 clocks show %s, want %s", got, want)
	}
}

// Nothing is lost of what the vectors say if the engine asks later than it might.
func TestNothingIsDueBeforeItsTime(t *testing.T) {
	t.Parallel()
	p, w := three(t), &world{}
	open := escalation.Facts{Status: tocsin.StatusOpen, Level: tocsin.Medium}
	s, acts := escalation.Fire(p, escalation.Start(p, start), open, start, w)
	if len(acts) != 1 {
		t.Fatalf("Fire = %v, want one act", acts)
	}
	same, acts := escalation.Fire(p, s, open, s.At.Add(-time.Millisecond), w)
	if diff := gocmp.Diff(s, same); diff != "" || len(acts) > 0 {
		t.Errorf("a millisecond too early: %v\n%s", acts, diff)
	}
	// Whoever died between judging and saving asks the same again, later.
	_, first := escalation.Fire(p, s, open, s.At, w)
	_, second := escalation.Fire(p, s, open, s.At.Add(time.Minute), w)
	if diff := gocmp.Diff(first, second); diff != "" {
		t.Errorf("asked again after a crash (-first +second):\n%s", diff)
	}
	closed, acts := escalation.Fire(p, s, escalation.Facts{Status: tocsin.StatusClosed}, s.At, w)
	if !closed.At.IsZero() || closed.Ended != escalation.Closed || len(acts) > 0 {
		t.Errorf("closed: %+v, %v", closed, acts)
	}
}

func TestEV7TheRoundPassesOverWhoCannotBeReached(t *testing.T) {
	t.Parallel()
	ring := step(t, "ana bo cy", 5)
	ring.Assign = escalation.RoundRobin
	w := world{away: map[string][]span{"bo": always}}
	var got []string
	for range 4 {
		m := sim{policy: policy(t, ring), world: w, until: 1}
		got = append(got, strings.TrimPrefix(m.run(t), "0 "))
		w = m.world
	}
	if want := "ana cy ana cy"; strings.Join(got, " ") != want {
		t.Errorf("four alerts were given to %v, want %s", got, want)
	}
}

func TestE5Rounds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, who, want string
		away            map[string][]span
	}{
		{"people", "ana bo cy", "ana, bo, cy, ana, bo", nil},
		{"the members of a team", "team:soc", "ana, bo, cy, ana, bo", nil},
		{"somebody named by themself and as a member has one turn", "bo team:soc", "bo, ana, cy, bo, ana", nil},
		{"a schedule is one turn, whoever has it", "ana schedule:two", "ana, dee+eve, ana, dee+eve, ana", nil},
		{"a schedule that nobody has keeps its turn", "ana schedule:gap bo", "ana, bo, ana, bo, ana", nil},
		{"receivers are told each time", "ana receiver:slack bo", "ana+slack, bo+slack, ana+slack, bo+slack, ana+slack", nil},
		{"a receiver alone", "ana receiver:slack", "slack, slack, slack, slack, slack", map[string][]span{"ana": always}},
		{"only one is there", "ana bo cy", "cy, cy, cy, cy, cy", map[string][]span{"ana": always, "bo": always}},
		{"nobody is there: nobody is tried twice", "ana bo", "skip ana, soc, skip ana, soc, skip ana, soc, skip ana, soc, skip ana, soc", map[string][]span{"ana": always, "bo": always}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ring := step(t, tt.who, 5)
			ring.Assign = escalation.RoundRobin
			w := world{
				away: tt.away, teams: map[string][]string{"soc": {"ana", "bo", "cy"}},
				schedules: map[string]func(int) []string{"two": func(int) []string { return []string{"dee", "eve"} }},
			}
			var got []string
			for range 5 {
				m := sim{policy: policy(t, ring), world: w, until: 1}
				got = append(got, strings.ReplaceAll(m.run(t), "0 ", ""))
				w = m.world
			}
			if s := strings.Join(got, ", "); s != tt.want {
				t.Errorf("five alerts: %s, want %s", s, tt.want)
			}
		})
	}
}

// The same step of one alert's second pass and of other alerts share the round.
func TestE5TheRoundIsSharedByPassesAndAlerts(t *testing.T) {
	t.Parallel()
	ring := step(t, "ana bo cy", 5)
	ring.Assign = escalation.RoundRobin
	p := policy(t, ring, step(t, "mgr", 5))
	p.Repeat = 1
	first := sim{policy: p, until: 10}
	if got, want := first.run(t), "0 ana, 5 mgr, 10 bo"; got != want {
		t.Errorf("the first alert: %s, want %s", got, want)
	}
	second := sim{policy: p, world: first.world, until: 1}
	if got, want := second.run(t), "0 cy"; got != want {
		t.Errorf("the second alert: %s, want %s", got, want)
	}
	p.Name = "another"
	third := sim{policy: p, world: second.world, until: 1}
	if got, want := third.run(t), "0 ana"; got != want {
		t.Errorf("another policy's round: %s, want %s", got, want)
	}
}

func TestE4NobodyIsToldTwiceByOneStep(t *testing.T) {
	t.Parallel()
	m := sim{
		policy: policy(t, step(t, "ana schedule:soc team:soc receiver:slack receiver:slack", 5)), until: 1,
		world: world{
			teams:     map[string][]string{"soc": {"bo", "ana", "cy"}},
			schedules: map[string]func(int) []string{"soc": func(int) []string { return []string{"ana", "cy"} }},
		},
	}
	if got, want := m.run(t), "0 ana+cy+bo+slack"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestE7AStepAsksAnewWhoIsOnCall(t *testing.T) {
	t.Parallel()
	p := policy(t, step(t, "schedule:soc", 10), step(t, "schedule:soc", 10))
	p.Repeat = 1
	m := sim{policy: p, until: 600, world: world{schedules: map[string]func(int) []string{
		"soc": func(minute int) []string { // the hand-off is at 15
			if minute < 15 {
				return []string{"ana"}
			}
			return []string{"bo"}
		},
	}}}
	if got, want := m.run(t), "0 ana, 10 ana, 20 bo, 30 bo, 40 exhausted -> soc"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestE8ALiveAlertKeepsItsPolicyUntilANewerOneIsApplied(t *testing.T) {
	t.Parallel()
	longer := policy(t, step(t, "pri", 5), step(t, "sec", 10), step(t, "mgr", 15), step(t, "cto", 5))
	shorter := policy(t, step(t, "bo", 5))
	for _, tt := range []struct {
		name  string
		newer escalation.Policy
		at    int
		then  []happening
		want  string
	}{
		{"it goes on where it was", longer, 7, nil, "0 pri, 5 sec, 7 applied, 15 mgr, 30 cto, 35 exhausted -> soc"},
		{"another step while the last delay runs", longer, 20, nil, "0 pri, 5 sec, 15 mgr, 20 applied, 30 cto, 35 exhausted -> soc"},
		{"fewer steps than were told", shorter, 7, nil, "0 pri, 5 sec, 7 applied, 15 exhausted -> soc"},
		{"nothing was to come: from the beginning", longer, 50, nil, "0 pri, 5 sec, 15 mgr, 30 exhausted -> soc, 50 applied, 50 pri, 55 sec, 65 mgr, 80 cto, 85 exhausted -> soc"},
		{"acknowledged: it stays so", longer, 7, []happening{{6, "ack sec"}}, "0 pri, 5 sec, 7 applied, 6 ack"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := sim{policy: three(t), other: tt.newer, happens: append([]happening{{tt.at, "apply"}}, tt.then...), until: 600}
			want := strings.Replace(tt.want, "7 applied, 6 ack", "6 ack, 7 applied", 1)
			if got := m.run(t); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if got := m.state.Version; got != tt.newer.Version() {
				t.Errorf("the alert names version %s, want %s", got, tt.newer.Version())
			}
		})
	}
	kept := sim{policy: three(t), until: 600}
	kept.run(t)
	if got, want := kept.state.Version, three(t).Version(); got != want {
		t.Errorf("version = %s, want %s", got, want)
	}
}

// What the timeline says is read by somebody who was just woken up.
func TestWhatTheTimelineSays(t *testing.T) {
	t.Parallel()
	around := escalation.Policy{
		Name: "around-the-clock", Repeat: 1, Fallback: targets(t, "receiver:soc-pager boss"), ExhaustedEvery: minutes(60),
		Steps: []escalation.Step{step(t, "schedule:soc ana", 5), step(t, "schedule:soc-second bo receiver:soc-slack", 10), step(t, "schedule:soc-second", 15)},
	}
	around.Steps[2].MinLevel = tocsin.High
	office := policy(t, step(t, "ana", 5))
	office.Steps[0].Window = &tocsin.Recurrence{Weekdays: []string{"mon", "tue"}, From: "09:00", To: "17:00", TimeZone: "Europe/Berlin"}
	high := policy(t, step(t, "ana", 5))
	high.Steps[0].MinLevel = tocsin.High
	ring := policy(t, step(t, "ana receiver:slack team:none bo cy", 5))
	ring.Steps[0].Assign = escalation.RoundRobin
	two := policy(t, step(t, "ana bo", 5))
	two.NeedAcks, two.Repeat = 2, 1
	for _, tt := range []struct {
		name string
		sim  sim
		want []string
	}{
		{
			"steps, and nobody answers",
			sim{policy: around, until: 90, world: world{
				away:      map[string][]span{"ana": {{0, 3}}, "bo": always, "boss": always, "soc-slack": {{14, 99}}},
				schedules: map[string]func(int) []string{"soc": func(int) []string { return []string{"ana"} }},
			}},
			[]string{
				"policy around-the-clock, step 1 of 3: skipped; ana: disabled",
				"policy around-the-clock, step 2 of 3: told receiver soc-slack; not told: schedule soc-second: nobody is on call; bo: disabled",
				"policy around-the-clock, step 3 of 3: skipped; it is for high and worse, and this is medium",
				"policy around-the-clock, step 1 of 3, pass 2: told ana",
				"policy around-the-clock, step 2 of 3, pass 2: skipped; schedule soc-second: nobody is on call; bo: disabled; receiver soc-slack: disabled",
				"policy around-the-clock, step 3 of 3, pass 2: skipped; it is for high and worse, and this is medium",
				"policy around-the-clock: nobody answered in 2 passes; told the fallback, receiver soc-pager; not told: boss: disabled",
				"policy around-the-clock: still so: nobody answered in 2 passes; told the fallback, receiver soc-pager; not told: boss: disabled",
			},
		},
		{
			"nobody can be reached, nor the fallback at first",
			sim{policy: office, until: 6, world: world{away: map[string][]span{"soc": {{0, 4}}}}},
			[]string{
				"policy p, step 1 of 1: skipped; it is told at mon tue 09:00-17:00 Europe/Berlin only",
				"policy p: nobody could be reached, tried again every 5m; the fallback cannot be told, tried again in 5m: receiver soc: disabled",
				"policy p, step 1 of 1: skipped; it is told at mon tue 09:00-17:00 Europe/Berlin only",
				"policy p: nobody could be reached, tried again every 5m; told the fallback, receiver soc",
			},
		},
		{
			"a round, and what is told each time",
			sim{policy: ring, until: 1, world: world{away: map[string][]span{"ana": always, "slack": always}}},
			[]string{"policy p, step 1 of 1: told bo; not told: ana: disabled; receiver slack: disabled; team none: nobody is on call"},
		},
		{
			"no step is for that level",
			sim{policy: high, until: 6},
			[]string{"policy p: no step of it is for what is medium; told the fallback, receiver soc"},
		},
		{
			"one of two has acknowledged",
			sim{policy: two, until: 12, happens: []happening{{1, "ack bo"}}},
			[]string{
				"policy p, step 1 of 1: told ana, bo",
				"policy p, step 1 of 1, pass 2: told ana; not told: bo: has acknowledged",
				"policy p: only bo answered, and 2 must; told the fallback, receiver soc",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.sim.run(t)
			if diff := gocmp.Diff(tt.want, tt.sim.texts); diff != "" {
				t.Errorf("texts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhyPeopleAreToldAndWhatATimelineMayLeaveOut(t *testing.T) {
	t.Parallel()
	p := three(t)
	p.Repeat = 1
	w := &world{away: map[string][]span{"pri": always, "sec": always, "mgr": {{0, 12}}}}
	s := escalation.Start(p, start)
	var got []string
	for range 5 {
		var acts []escalation.Act
		s, acts = escalation.Fire(p, s, escalation.Facts{Status: tocsin.StatusOpen, Level: tocsin.Low}, s.At, w)
		for _, a := range acts {
			got = append(got, fmt.Sprint(a.Kind, " ", a.Why, " again=", a.Again))
		}
	}
	skips := func(again bool, pass string, steps ...int) (lines []string) {
		for _, n := range steps {
			lines = append(lines, fmt.Sprintf("skipped policy p, step %d of 3%s again=%v", n, pass, again))
		}
		return lines
	}
	want := slices.Concat(
		skips(false, "", 1, 2, 3), []string{"fallback policy p, fallback again=false"},
		skips(true, "", 1, 2, 3), skips(true, "", 1, 2, 3),
		skips(true, "", 1, 2), []string{"told policy p, step 3 of 3 again=false"},
		skips(false, ", pass 2", 1, 2), []string{"told policy p, step 3 of 3, pass 2 again=false"},
	)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("acts (-want +got):\n%s", diff)
	}
}

func TestAReminderThatFailsIsNewsTheFirstTime(t *testing.T) {
	t.Parallel()
	w := &world{away: map[string][]span{"soc": {{20, 99}}}}
	p := policy(t, step(t, "pri", 5))
	p.ExhaustedEvery = minutes(30)
	s := escalation.Start(p, start)
	var got []string
	for range 5 {
		var acts []escalation.Act
		s, acts = escalation.Fire(p, s, escalation.Facts{Status: tocsin.StatusOpen}, s.At, w)
		got = append(got, fmt.Sprint(acts[0].Kind, len(acts[0].Receivers), acts[0].Again))
	}
	if diff := gocmp.Diff([]string{"told0 false", "exhausted1 false", "reminded0 false", "reminded0 true", "reminded0 true"}, got); diff != "" {
		t.Errorf("acts (-want +got):\n%s", diff)
	}
}

// What nobody knows the level of may be the worst there is.
func TestAnUnknownLevelIsForEveryStep(t *testing.T) {
	t.Parallel()
	p := three(t)
	p.Steps[0].MinLevel, p.NotifyOnlyBelow = tocsin.Critical, tocsin.High
	s, acts := escalation.Fire(p, escalation.Start(p, start), escalation.Facts{Status: tocsin.StatusOpen, Level: tocsin.Unknown}, start, &world{})
	if len(acts) != 1 || acts[0].Kind != escalation.Told || s.At.IsZero() {
		t.Errorf("acts %+v, then %+v; want step 1 told, and more to come", acts, s)
	}
}

// The state is a value: what becomes of one copy is not seen in another.
func TestStatesAreValues(t *testing.T) {
	t.Parallel()
	p := three(t)
	p.NeedAcks = 9
	s := escalation.Start(p, start)
	for _, by := range []string{"ana", "bo", "cy"} {
		s, _ = escalation.Acknowledge(p, s, by)
	}
	one, _ := escalation.Acknowledge(p, s, "dee")
	other, _ := escalation.Acknowledge(p, s, "eve")
	if got := fmt.Sprint(one.Acked, other.Acked, s.Acked); got != "[ana bo cy dee] [ana bo cy eve] [ana bo cy]" {
		t.Errorf("acknowledged by %s", got)
	}
}

func TestFactsAreOfTheWorstLevel(t *testing.T) {
	t.Parallel()
	a := tocsin.Alert{Status: tocsin.StatusAcked, Worst: tocsin.Critical, Detection: tocsin.Detection{Level: tocsin.Low}}
	if got, want := escalation.FactsOf(a), (escalation.Facts{Status: tocsin.StatusAcked, Level: tocsin.Critical}); got != want {
		t.Errorf("FactsOf = %+v, want %+v", got, want)
	}
}

func TestHighestIsTheFurthestStepThatWasTold(t *testing.T) {
	t.Parallel()
	m := sim{policy: three(t), happens: []happening{{7, "ack sec"}, {8, "unack"}, {9, "ack pri"}}, until: 20}
	m.run(t)
	if m.state.Highest != 2 {
		t.Errorf("Highest = %d, want 2", m.state.Highest)
	}
	if got := escalation.Reassign(three(t), m.state, start).Highest; got != 2 {
		t.Errorf("Highest of another policy = %d, want 2 still", got)
	}
}
