package reports

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A Stage is a part of the way from an activity to the person who takes it on.
type Stage string

// The stages, which follow each other.
const (
	// ActivityToCreated: from the activity until GuardDuty made a finding of it.
	ActivityToCreated Stage = "activity_to_created"
	// CreatedToEvent: until EventBridge had an event of the finding.
	CreatedToEvent Stage = "created_to_event"
	// EventToReceived: until tocsin had received it.
	EventToReceived Stage = "event_to_received"
	// ReceivedToTold: until the first message of it was delivered to people.
	ReceivedToTold Stage = "received_to_told"
	// ToldToAcknowledged: until somebody took it on.
	ToldToAcknowledged Stage = "told_to_acknowledged"
)

// Stages are all of them, in their order.
func Stages() []Stage {
	return []Stage{ActivityToCreated, CreatedToEvent, EventToReceived, ReceivedToTold, ToldToAcknowledged}
}

// A Passage is when what happened on the way from an activity to a person, of one
// opening of an alert. A time is zero while it has not happened, or where nobody says.
type Passage struct {
	OpenedAt time.Time // when the alert opened

	ActivityAt time.Time // when it happened, as the finding has it
	CreatedAt  time.Time // when the finding, or this version of it, was made
	EventAt    time.Time // when EventBridge had the event; in whole seconds
	ReceivedAt time.Time // when it was here
	ToldAt     time.Time // when the first message of it was delivered to people
	AckedAt    time.Time // when somebody first took it on

	Level                          tocsin.Level
	Account, Region, Route, Source string
}

// atOnce is by how much the versions of a finding differ that is new: its creation and
// its last update. Updates are published no sooner than a quarter of an hour later.
const atOnce = time.Minute

// Begin fills in when what d tells of happened and was made: at first, or again where
// it is a later version of a finding.
func (p *Passage) Begin(d *tocsin.Detection) {
	p.ActivityAt, p.CreatedAt, p.EventAt = d.FirstSeen, d.CreatedAt, d.EventAt
	if d.UpdatedAt.Sub(d.CreatedAt) >= atOnce && !d.CreatedAt.IsZero() {
		p.ActivityAt, p.CreatedAt = d.LastSeen, d.UpdatedAt
	}
}

// A Took is how long a stage took.
type Took struct {
	// Known says that both of its ends are.
	Known bool
	Time  time.Duration
	// Skewed says that its end was before its beginning by the clocks of two machines.
	// Time is then 0.
	Skewed bool
}

// Took is how long the stage took.
func (p Passage) Took(s Stage) Took {
	var from, to time.Time
	var exact time.Duration // what an end is rounded down to
	switch s {
	case ActivityToCreated:
		from, to = p.ActivityAt, p.CreatedAt
	case CreatedToEvent:
		from, to, exact = p.CreatedAt, p.EventAt, time.Second
	case EventToReceived:
		from, to = p.EventAt, p.ReceivedAt
	case ReceivedToTold:
		from, to = p.ReceivedAt, p.ToldAt
	case ToldToAcknowledged:
		from, to = p.ToldAt, p.AckedAt
	}
	if from.IsZero() || to.IsZero() {
		return Took{}
	}
	d := to.Sub(from)
	return Took{Known: true, Time: max(d, 0), Skewed: d < 0 && d <= -exact}
}

// A LatencyReport is how long the stages took of what opened in a stretch of time.
type LatencyReport struct {
	From     time.Time `json:"from" doc:"Alerts that opened at this instant or later count."`
	To       time.Time `json:"to" doc:"Alerts that opened before this instant count."`
	Openings int       `json:"openings" doc:"Alerts that opened, each reopening once more. Samples and canaries are none."`
	Cut      bool      `json:"cut" doc:"There were more, and only the newest count: choose a shorter time."`
	// Stages has all of them.
	Stages    []StageTimes   `json:"stages" doc:"How long each stage took."`
	ByAccount []LatencyGroup `json:"by_account" doc:"The same by account, the one with most openings first."`
	ByRegion  []LatencyGroup `json:"by_region" doc:"The same by region."`
	ByRoute   []LatencyGroup `json:"by_route" doc:"The same by the first route that took the alert."`
	Every     float64        `json:"step_seconds" doc:"Length of a step of over_time, in seconds."`
	OverTime  []LatencyStep  `json:"over_time" doc:"The same by when the alert opened, the oldest step first."`
	Canaries  []CanaryTime   `json:"canaries" doc:"How long the newest canary of each account and region took."`
}

// StageTimes are how long one stage took.
type StageTimes struct {
	Stage  Stage `json:"stage" doc:"Which: activity_to_created, created_to_event, event_to_received, received_to_told or told_to_acknowledged."`
	Count  int   `json:"count" doc:"How many were measured."`
	Skewed int   `json:"skewed" doc:"Those whose end was before their beginning by the clocks of two machines. They count as 0 seconds."`
	// P50 to P99 are between the two nearest values in proportion, as [Measure.P90] is.
	P50 float64 `json:"p50_seconds,omitempty" doc:"Half took no longer, in seconds."`
	P90 float64 `json:"p90_seconds,omitempty" doc:"Nine of ten took no longer, in seconds."`
	P99 float64 `json:"p99_seconds,omitempty" doc:"99 of a hundred took no longer, in seconds."`
	Max float64 `json:"max_seconds,omitempty" doc:"The longest, in seconds."`
}

// A LatencyGroup is a part of the openings.
type LatencyGroup struct {
	Name     string       `json:"name" doc:"The account, region or route; empty where there is none."`
	Openings int          `json:"openings" doc:"Alerts that opened."`
	Stages   []StageTimes `json:"stages" doc:"How long each stage took."`
}

// A LatencyStep is the openings of a part of the time.
type LatencyStep struct {
	At       time.Time    `json:"at" doc:"When it begins."`
	Openings int          `json:"openings" doc:"Alerts that opened."`
	Stages   []StageTimes `json:"stages" doc:"How long each stage took."`
}

// A CanaryTime is how long a canary took to arrive.
type CanaryTime struct {
	Source    string    `json:"source" doc:"The source that sent it."`
	Account   string    `json:"account" doc:"From where it was sent."`
	Region    string    `json:"region" doc:"From where it was sent."`
	Sample    bool      `json:"sample" doc:"It was a sample finding."`
	SentAt    time.Time `json:"sent_at" doc:"When it was sent."`
	ArrivedAt time.Time `json:"arrived_at" doc:"When it was received."`
	Seconds   float64   `json:"seconds" doc:"How long it took."`
	Skewed    bool      `json:"skewed" doc:"It arrived before it was sent by the clocks of two machines, and counts as 0 seconds."`
	Path      string    `json:"path" doc:"By which source it arrived: sqs:queue."`
}

// LatencyFacts are what a [LatencyReport] is made of.
type LatencyFacts struct {
	From, To time.Time
	Passages []Passage
	Cut      bool
	Canaries []tocsin.Canary
}

// steps are the lengths of steps of a plot: the shortest of which there are no more
// than maxSteps.
var steps = []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour}

const maxSteps = 62

// JudgeLatency makes the report.
func JudgeLatency(f LatencyFacts) LatencyReport {
	in := slices.DeleteFunc(slices.Clone(f.Passages), func(p Passage) bool { return p.OpenedAt.Before(f.From) || !p.OpenedAt.Before(f.To) })
	r := LatencyReport{From: f.From, To: f.To, Openings: len(in), Cut: f.Cut, Stages: stageTimes(in), Canaries: canaryTimes(f.Canaries)}
	r.ByAccount = latencyGroups(in, func(p Passage) string { return p.Account })
	r.ByRegion = latencyGroups(in, func(p Passage) string { return p.Region })
	r.ByRoute = latencyGroups(in, func(p Passage) string { return p.Route })
	step := stepOf(f.To.Sub(f.From))
	r.Every, r.OverTime = step.Seconds(), overTime(in, f.From, f.To, step)
	return r
}

func stepOf(whole time.Duration) time.Duration {
	for _, s := range steps {
		if whole <= (maxSteps-1)*s {
			return s
		}
	}
	return steps[len(steps)-1]
}

func stageTimes(all []Passage) []StageTimes {
	times := make([]StageTimes, 0, len(Stages()))
	for _, s := range Stages() {
		one := StageTimes{Stage: s}
		var took []time.Duration
		for _, p := range all {
			t := p.Took(s)
			if t.Skewed {
				one.Skewed++
			}
			if t.Known {
				took = append(took, t.Time)
			}
		}
		if one.Count = len(took); one.Count > 0 {
			slices.Sort(took)
			one.P50, one.P90 = rounded(quantile(took, 0.5), 1000), rounded(quantile(took, 0.9), 1000)
			one.P99, one.Max = rounded(quantile(took, 0.99), 1000), rounded(took[len(took)-1].Seconds(), 1000)
		}
		times = append(times, one)
	}
	return times
}

func latencyGroups(all []Passage, name func(Passage) string) []LatencyGroup {
	parts := map[string][]Passage{}
	for _, p := range all {
		parts[name(p)] = append(parts[name(p)], p)
	}
	groups := make([]LatencyGroup, 0, len(parts))
	for _, n := range slices.Sorted(maps.Keys(parts)) {
		groups = append(groups, LatencyGroup{n, len(parts[n]), stageTimes(parts[n])})
	}
	slices.SortStableFunc(groups, func(a, b LatencyGroup) int { return cmp.Compare(b.Openings, a.Openings) })
	return groups
}

// overTime parts the openings by when they were. Steps are at full hours and days of
// UTC.
func overTime(all []Passage, from, to time.Time, step time.Duration) []LatencyStep {
	parts := map[time.Time][]Passage{}
	for _, p := range all {
		at := p.OpenedAt.UTC().Truncate(step)
		parts[at] = append(parts[at], p)
	}
	list := []LatencyStep{}
	for at := from.UTC().Truncate(step); at.Before(to); at = at.Add(step) {
		list = append(list, LatencyStep{at, len(parts[at]), stageTimes(parts[at])})
	}
	return list
}

// canaryTimes are how long the newest that arrived took, by place.
func canaryTimes(all []tocsin.Canary) []CanaryTime {
	type of struct {
		source string
		tocsin.Place
	}
	newest := map[of]tocsin.Canary{}
	for _, c := range all {
		at := of{c.Source, c.Place}
		if !c.ArrivedAt.IsZero() && !c.SentAt.Before(newest[at].SentAt) {
			newest[at] = c
		}
	}
	list := make([]CanaryTime, 0, len(newest))
	for _, c := range newest {
		d := c.ArrivedAt.Sub(c.SentAt)
		list = append(list, CanaryTime{
			Source: c.Source, Account: c.Account, Region: c.Region, Sample: c.Sample != "", SentAt: c.SentAt, ArrivedAt: c.ArrivedAt,
			Seconds: rounded(max(d, 0).Seconds(), 1000), Skewed: d < 0, Path: c.Path,
		})
	}
	slices.SortFunc(list, func(a, b CanaryTime) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Source, b.Source))
	})
	return list
}
