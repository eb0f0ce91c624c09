package reports_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/reports"
)

// june is the month that is reported on.
var (
	june = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	july = june.AddDate(0, 1, 0)
)

// episode opens so long after the beginning of June; what else happens is said in
// minutes after that, and left out below 0.
func episode(after time.Duration, told, acked, closed int) reports.Episode {
	e := reports.Episode{
		AcceptedAt: june.Add(after), OpenedAt: june.Add(after), Level: tocsin.High, Rule: "guardduty", Type: "Recon:EC2/Portscan", Team: "soc",
	}
	at := func(minutes int) time.Time {
		if minutes < 0 {
			return time.Time{}
		}
		return e.OpenedAt.Add(time.Duration(minutes) * time.Minute)
	}
	e.ToldAt, e.AckedAt, e.ClosedAt = at(told), at(acked), at(closed)
	if closed >= 0 {
		e.Reason = tocsin.ReasonFixed
	}
	return e
}

func with(e reports.Episode, change func(*reports.Episode)) reports.Episode {
	change(&e)
	return e
}

func judge(episodes ...reports.Episode) reports.Report {
	return reports.Judge(reports.Facts{From: june, To: july, Episodes: episodes})
}

func TestHowSoonAlertsWereAnswered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		episodes []reports.Episode
		want     reports.Answers
	}{
		{"M1 nothing opened", nil, reports.Answers{}},
		{
			"M1 one that was told at once, taken on after 4 minutes and closed after an hour",
			[]reports.Episode{episode(0, 0, 4, 60)},
			reports.Answers{
				Episodes: 1,
				TTN:      reports.Measure{Count: 1},
				TTA:      reports.Measure{Count: 1, Mean: 240, Median: 240, P90: 240},
				TTR:      reports.Measure{Count: 1, Mean: 3600, Median: 3600, P90: 3600},
			},
		},
		{
			"M1 the mean is pulled by one that took long, the median is not",
			[]reports.Episode{episode(1, 0, 1, 10), episode(2, 0, 2, 10), episode(3, 0, 3, 10), episode(4, 0, 94, 110)},
			reports.Answers{
				Episodes: 4,
				TTN:      reports.Measure{Count: 4},
				// 1, 2, 3, 94: the median is between 2 and 3, the 90th percentile seven
				// tenths of the way from 3 to 94.
				TTA: reports.Measure{Count: 4, Mean: 1500, Median: 150, P90: 4002},
				TTR: reports.Measure{Count: 4, Mean: 2100, Median: 600, P90: 4800},
			},
		},
		{
			"M1 what nobody took on is a count and never a zero",
			[]reports.Episode{episode(1, 1, 10, 20), episode(2, 1, -1, -1), episode(3, -1, -1, -1)},
			reports.Answers{
				Episodes: 3, Open: 2, Unacked: 2, Untold: 1,
				TTN: reports.Measure{Count: 2, Mean: 60, Median: 60, P90: 60},
				TTA: reports.Measure{Count: 1, Mean: 600, Median: 600, P90: 600},
				TTR: reports.Measure{Count: 1, Mean: 1200, Median: 1200, P90: 1200},
			},
		},
		{
			"M1 it is told from the receipt of its event, not from its opening",
			[]reports.Episode{with(episode(time.Hour, 1, -1, -1), func(e *reports.Episode) { e.AcceptedAt = e.OpenedAt.Add(-time.Minute) })},
			reports.Answers{Episodes: 1, Open: 1, Unacked: 1, TTN: reports.Measure{Count: 1, Mean: 120, Median: 120, P90: 120}},
		},
		{
			"a clock that is ahead has nothing take less than no time",
			[]reports.Episode{with(episode(time.Hour, 0, -1, -1), func(e *reports.Episode) { e.ToldAt = e.OpenedAt.Add(-time.Second) })},
			reports.Answers{Episodes: 1, Open: 1, Unacked: 1, TTN: reports.Measure{Count: 1}},
		},
		{
			"M2 escalated beyond the first step, and unanswered",
			[]reports.Episode{
				with(episode(1, -1, -1, -1), func(e *reports.Episode) { e.Step = 1 }),
				with(episode(2, -1, -1, -1), func(e *reports.Episode) { e.Step = 2 }),
				with(episode(3, -1, -1, -1), func(e *reports.Episode) { e.Step, e.Unanswered = 3, true }),
			},
			reports.Answers{
				Episodes: 3, Open: 3, Unacked: 3, Untold: 3,
				Escalated: reports.Share{Count: 2, Percent: 66.7}, Unanswered: reports.Share{Count: 1, Percent: 33.3},
			},
		},
		{
			"the first instant of the time belongs to it, and the last does not",
			[]reports.Episode{episode(-time.Millisecond, -1, -1, -1), episode(0, -1, -1, -1), episode(july.Sub(june), -1, -1, -1)},
			reports.Answers{Episodes: 1, Open: 1, Unacked: 1, Untold: 1},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, judge(tt.episodes...).Answers); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestWhatIsLeftOutIsCounted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		episode reports.Episode
		want    reports.LeftOut
		counts  int
	}{
		{"M1 a sample", with(episode(1, 0, 1, 2), func(e *reports.Episode) { e.Sample = true }), reports.LeftOut{Tests: 1}, 0},
		{"M1 what was suppressed", with(episode(1, -1, -1, 2), func(e *reports.Episode) { e.Suppressed = true }), reports.LeftOut{Suppressed: 1}, 0},
		{"a suppressed sample is a sample", with(episode(1, -1, -1, 2), func(e *reports.Episode) { e.Sample, e.Suppressed = true, true }), reports.LeftOut{Tests: 1}, 0},
		{"M1 closed by the source before anybody was told", closedFor(episode(1, -1, -1, 2), tocsin.ReasonArchived), reports.LeftOut{ClosedBeforeTold: 1}, 0},
		{"M1 closed by the source, and the message came later", closedFor(episode(1, 3, -1, 2), tocsin.ReasonRecovered), reports.LeftOut{ClosedBeforeTold: 1}, 0},
		{"closed by the source after somebody was told", closedFor(episode(1, 1, -1, 2), tocsin.ReasonArchived), reports.LeftOut{}, 1},
		{"closed for a reason that only the source knows", closedFor(episode(1, -1, -1, 2), "expired"), reports.LeftOut{ClosedBeforeTold: 1}, 0},
		{"closed by a person whom nobody had told", episode(1, -1, -1, 2), reports.LeftOut{}, 1},
		{"closed since it was silent, and nobody was told", closedFor(episode(1, -1, -1, 2), tocsin.ReasonStale), reports.LeftOut{}, 1},
		{"still open, and nobody was told", episode(1, -1, -1, -1), reports.LeftOut{}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := judge(tt.episode)
			if r.LeftOut != tt.want || r.Episodes != tt.counts {
				t.Errorf("left out %+v and %d counted, want %+v and %d", r.LeftOut, r.Episodes, tt.want, tt.counts)
			}
		})
	}
}

func closedFor(e reports.Episode, reason tocsin.Reason) reports.Episode {
	e.Reason = reason
	return e
}

func TestLevelsAndTeamsAreReportedApart(t *testing.T) {
	t.Parallel()
	r := judge(
		with(episode(1, 0, 1, -1), func(e *reports.Episode) { e.Level, e.Team = tocsin.Low, "web" }),
		with(episode(2, 0, 3, -1), func(e *reports.Episode) { e.Level = tocsin.Critical }),
		with(episode(3, 0, -1, -1), func(e *reports.Episode) { e.Team = "" }),
		with(episode(4, 0, 5, -1), func(e *reports.Episode) { e.Level = tocsin.Critical }),
	)
	row := func(g reports.Group) [3]any { return [3]any{g.Name, g.Episodes, g.TTA.Mean} }
	var levels, teams [][3]any
	for _, g := range r.ByLevel {
		levels = append(levels, row(g))
	}
	for _, g := range r.ByTeam {
		teams = append(teams, row(g))
	}
	if diff := cmp.Diff([][3]any{{"critical", 2, 240.0}, {"high", 1, 0.0}, {"low", 1, 60.0}}, levels); diff != "" {
		t.Errorf("by level (want -, got +):\n%s", diff)
	}
	if diff := cmp.Diff([][3]any{{"", 1, 0.0}, {"soc", 2, 240.0}, {"web", 1, 60.0}}, teams); diff != "" {
		t.Errorf("by team (want -, got +):\n%s", diff)
	}
}

func TestM2NoiseByRuleAndType(t *testing.T) {
	t.Parallel()
	of := func(rule, typ string, reason tocsin.Reason) reports.Episode {
		return with(episode(1, 0, 1, 2), func(e *reports.Episode) { e.Rule, e.Type, e.Reason = rule, typ, reason })
	}
	r := judge(
		of("guardduty", "Recon:EC2/Portscan", tocsin.ReasonFalsePositive),
		of("guardduty", "Recon:EC2/Portscan", tocsin.ReasonExpected),
		of("guardduty", "Recon:EC2/Portscan", tocsin.ReasonArchived),
		of("guardduty", "Backdoor:EC2/Spambot", tocsin.ReasonFixed),
		of("root", "AWS Console Sign In", tocsin.ReasonExpected),
		episode(2, 0, 1, -1), // open: nobody knows yet what it is
	)
	want := []reports.Noise{
		{Name: "guardduty", Closed: 4, FalsePositive: 1, Expected: 1, Percent: 50},
		{Name: "root", Closed: 1, Expected: 1, Percent: 100},
	}
	if diff := cmp.Diff(want, r.NoiseByRule); diff != "" {
		t.Errorf("by rule (want -, got +):\n%s", diff)
	}
	want = []reports.Noise{
		{Name: "Recon:EC2/Portscan", Closed: 3, FalsePositive: 1, Expected: 1, Percent: 66.7},
		{Name: "AWS Console Sign In", Closed: 1, Expected: 1, Percent: 100},
		{Name: "Backdoor:EC2/Spambot", Closed: 1},
	}
	if diff := cmp.Diff(want, r.NoiseByType); diff != "" {
		t.Errorf("by type (want -, got +):\n%s", diff)
	}
}

func TestM2WhoWasSentWhatAndWokenByIt(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(hour, minute int) time.Time { return time.Date(2026, 6, 12, hour, minute, 0, 0, time.UTC) }
	r := reports.Judge(reports.Facts{
		From: june, To: july, Zones: map[string]*time.Location{"ana": berlin},
		Messages: []reports.Message{
			{Person: "ana", At: at(19, 59), Calls: true}, // 21:59 in Berlin
			{Person: "ana", At: at(20, 0), Calls: true},  // 22:00
			{Person: "ana", At: at(5, 59), Calls: true},  // 07:59
			{Person: "ana", At: at(6, 0), Calls: true},   // 08:00
			{Person: "ana", At: at(1, 0)},                // that it is over
			{Person: "bo", At: at(20, 0), Calls: true},   // no zone: UTC
			{Person: "bo", At: at(22, 0), Calls: true},
			{At: at(3, 0), Calls: true},                // to a channel
			{Person: "bo", At: july, Calls: true},      // not in June any more
			{Person: "cy", At: june.Add(-time.Second)}, // not yet
		},
	})
	want := []reports.Load{{Person: "ana", Notifications: 5, Interruptions: 2}, {Person: "bo", Notifications: 2, Interruptions: 1}}
	if diff := cmp.Diff(want, r.People); diff != "" || r.Interruptions != 3 {
		t.Errorf("%d interruptions in all, want 3; people (want -, got +):\n%s", r.Interruptions, diff)
	}
}

func TestM2CoverageOfSchedules(t *testing.T) {
	t.Parallel()
	days := func(from, to int) []reports.Span {
		return []reports.Span{{june.AddDate(0, 0, from), june.AddDate(0, 0, to)}}
	}
	for _, tt := range []struct {
		name          string
		covered, gaps []reports.Span
		want          reports.Coverage
	}{
		{"somebody always", days(-10, 100), nil, reports.Coverage{Hours: 720, CoveredHours: 720, Percent: 100}},
		{"nobody for a day", append(days(-1, 10), days(11, 30)...), days(10, 11), reports.Coverage{Hours: 720, CoveredHours: 696, Percent: 96.7}},
		{"a gap that began in May and goes on in July", days(10, 20), append(days(-5, 10), days(20, 40)...), reports.Coverage{Hours: 720, CoveredHours: 240, Percent: 33.3}},
		{"there since the 21st", days(20, 30), nil, reports.Coverage{Hours: 240, CoveredHours: 240, Percent: 100}},
		{"not there yet", nil, nil, reports.Coverage{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := reports.Judge(reports.Facts{From: june, To: july, Schedules: []reports.Schedule{{Name: "soc", Covered: tt.covered, Gaps: tt.gaps}}})
			tt.want.Schedule = "soc"
			if diff := cmp.Diff([]reports.Coverage{tt.want}, r.Schedules, cmpopts.EquateApprox(0, 0.001)); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}
