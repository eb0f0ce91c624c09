// Package reports judges how soon alerts were answered, who was disturbed by them,
// and how much of it was noise.
//
// What it judges are episodes: an alert from one opening to the close that
// followed. It is pure: [Judge] takes what was and gives a [Report].
package reports

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// An Episode is what became of an alert from its opening to its close. Times are
// zero for what has not happened.
type Episode struct {
	AcceptedAt time.Time // when the event that opened it was received
	OpenedAt   time.Time
	ToldAt     time.Time // when the first message was delivered
	AckedAt    time.Time // when a person first took it on
	ClosedAt   time.Time
	Level      tocsin.Level
	Rule, Type string
	Team       string
	Reason     tocsin.Reason // why it was closed
	Step       int           // the furthest step of its policy that was told, from 1; 0 is none
	Unanswered bool          // it was escalated to the end
	Suppressed bool          // nobody was to be told of it
	Sample     bool          // a sample finding, or a test
}

// A Message is one that was delivered to a person.
type Message struct {
	Person string
	At     time.Time
	Calls  bool // for somebody to act; see [tocsin.Kind.Calls]
}

// A Span is a stretch of time; its end does not belong to it.
type Span struct{ Start, End time.Time }

// A Schedule is when somebody was on call, and when nobody was. Time that is
// neither is from before there was a schedule.
type Schedule struct {
	Name          string
	Covered, Gaps []Span
}

// Facts are what is judged. What lies outside From and To does not count.
type Facts struct {
	From, To  time.Time
	Episodes  []Episode // those that opened in that time count
	Messages  []Message
	Zones     map[string]*time.Location // of people; UTC where missing
	Schedules []Schedule
}

// A Report is what came of the alerts that opened in a stretch of time.
type Report struct {
	From time.Time `json:"from" doc:"Alerts that opened at this instant or later count."`
	To   time.Time `json:"to" doc:"Alerts that opened before this instant count."`
	Answers
	LeftOut       LeftOut    `json:"left_out" doc:"Episodes that are in no other number of the report."`
	ByLevel       []Group    `json:"by_level" doc:"The same by level, the highest first."`
	ByTeam        []Group    `json:"by_team" doc:"The same by owning team, by name."`
	People        []Load     `json:"people" doc:"What people were sent, by name."`
	NoiseByRule   []Noise    `json:"noise_by_rule" doc:"Closed alerts by rule, the noisiest first."`
	NoiseByType   []Noise    `json:"noise_by_type" doc:"Closed alerts by finding type, the noisiest first."`
	Schedules     []Coverage `json:"schedules" doc:"How much of the time somebody was on call, by schedule."`
	Interruptions int        `json:"interruptions" doc:"Messages that called people to act between 22:00 and 08:00 of their own clock."`
}

// LeftOut counts the episodes that say nothing of how people answer, each once,
// by the first of these that it is.
type LeftOut struct {
	Tests            int `json:"tests" doc:"Sample findings and tests."`
	Suppressed       int `json:"suppressed" doc:"Episodes that nobody was to be told of."`
	ClosedBeforeTold int `json:"closed_before_told" doc:"Episodes that the source closed before anybody was told."`
}

// Answers are how soon episodes were answered, and how many were not.
type Answers struct {
	Episodes   int     `json:"episodes" doc:"Alerts that opened, each reopening once more."`
	Open       int     `json:"open" doc:"Those that are not closed yet."`
	Untold     int     `json:"untold" doc:"Those of which no message was delivered; they are in no time to notify."`
	Unacked    int     `json:"unacked" doc:"Those that nobody took on; they are in no time to acknowledge."`
	TTN        Measure `json:"time_to_notify" doc:"From the event's receipt to the first delivered message."`
	TTA        Measure `json:"time_to_acknowledge" doc:"From the opening until a person first took it on."`
	TTR        Measure `json:"time_to_resolve" doc:"From the opening to the close."`
	Escalated  Share   `json:"escalated" doc:"Those that went beyond the first step of their policy."`
	Unanswered Share   `json:"unanswered" doc:"Those that were escalated to the end, and nobody answered."`
}

// A Group is the answers of a part of the episodes.
type Group struct {
	Name string `json:"name" doc:"The level or the team; empty where there is no team."`
	Answers
}

// A Measure sums up how long something took. Without a count there are no times:
// what has not happened took no time at all, neither zero nor any other.
type Measure struct {
	Count  int     `json:"count" doc:"How many were measured."`
	Mean   float64 `json:"mean_seconds,omitempty" doc:"Arithmetic mean, in seconds."`
	Median float64 `json:"median_seconds,omitempty" doc:"In seconds."`
	// P90 is between the two nearest values in proportion, as spreadsheets'
	// PERCENTILE.INC and NumPy have it; so is the median.
	P90 float64 `json:"p90_seconds,omitempty" doc:"Nine of ten took no longer, in seconds."`
}

// A Share is how many of the episodes are something.
type Share struct {
	Count   int     `json:"count" doc:"How many."`
	Percent float64 `json:"percent" doc:"Of all episodes of the report, 0 to 100."`
}

// A Load is what one person was sent.
type Load struct {
	Person        string `json:"person" doc:"By name."`
	Notifications int    `json:"notifications" doc:"Messages that were delivered to them."`
	Interruptions int    `json:"interruptions" doc:"Those that called them to act between 22:00 and 08:00 of their own clock."`
}

// Noise is how much of what a rule or type brought need not have been told.
type Noise struct {
	Name          string  `json:"name" doc:"The rule or the finding type."`
	Closed        int     `json:"closed" doc:"Episodes that were closed, by anybody."`
	FalsePositive int     `json:"false_positive" doc:"Those closed as false positive."`
	Expected      int     `json:"expected" doc:"Those closed as expected."`
	Percent       float64 `json:"percent" doc:"How many of the closed are one of the two, 0 to 100."`
}

// Coverage is how much of the time somebody was on call.
type Coverage struct {
	Schedule     string  `json:"schedule" doc:"By name."`
	Hours        float64 `json:"hours" doc:"Hours of the report in which there was the schedule."`
	CoveredHours float64 `json:"covered_hours" doc:"Those with somebody on call."`
	Percent      float64 `json:"percent" doc:"The second of the first, 0 to 100; 0 where there was no schedule."`
}

// Judge makes the report.
func Judge(f Facts) Report {
	r := Report{From: f.From, To: f.To}
	counted := r.LeftOut.sift(f)
	r.Answers = answers(counted)
	r.ByLevel = byLevel(counted)
	r.ByTeam = groups(counted, func(e Episode) string { return e.Team })
	r.NoiseByRule = noise(counted, func(e Episode) string { return e.Rule })
	r.NoiseByType = noise(counted, func(e Episode) string { return e.Type })
	r.People = loads(f)
	for _, l := range r.People {
		r.Interruptions += l.Interruptions
	}
	r.Schedules = coverages(f)
	return r
}

// sift gives the episodes that count, and counts those that do not.
func (l *LeftOut) sift(f Facts) []Episode {
	var counted []Episode
	for _, e := range f.Episodes {
		switch {
		case e.OpenedAt.Before(f.From) || !e.OpenedAt.Before(f.To):
		case e.Sample:
			l.Tests++
		case e.Suppressed:
			l.Suppressed++
		case e.sourceWasFaster():
			l.ClosedBeforeTold++
		default:
			counted = append(counted, e)
		}
	}
	return counted
}

// sourceWasFaster reports whether the source closed it before anybody was told.
func (e Episode) sourceWasFaster() bool {
	if e.ClosedAt.IsZero() || slices.Contains(tocsin.Reasons(), e.Reason) {
		return false
	}
	switch e.Reason {
	case tocsin.ReasonQuiet, tocsin.ReasonStale, tocsin.ReasonAccountLeft: // tocsin itself did
		return false
	}
	return e.ToldAt.IsZero() || e.ToldAt.After(e.ClosedAt)
}

func answers(episodes []Episode) Answers {
	a := Answers{Episodes: len(episodes)}
	var told, acked, closed []time.Duration
	for _, e := range episodes {
		told = lapse(told, e.AcceptedAt, e.ToldAt)
		acked = lapse(acked, e.OpenedAt, e.AckedAt)
		closed = lapse(closed, e.OpenedAt, e.ClosedAt)
		if e.Step > 1 {
			a.Escalated.Count++
		}
		if e.Unanswered {
			a.Unanswered.Count++
		}
	}
	a.TTN, a.TTA, a.TTR = measure(told), measure(acked), measure(closed)
	a.Untold, a.Unacked, a.Open = a.Episodes-a.TTN.Count, a.Episodes-a.TTA.Count, a.Episodes-a.TTR.Count
	a.Escalated.Percent = percent(float64(a.Escalated.Count), float64(a.Episodes))
	a.Unanswered.Percent = percent(float64(a.Unanswered.Count), float64(a.Episodes))
	return a
}

// lapse adds how long it took, if it has happened. Clocks of several machines may
// have it happen before it could; then it took no time.
func lapse(all []time.Duration, from, to time.Time) []time.Duration {
	if to.IsZero() {
		return all
	}
	return append(all, max(0, to.Sub(from)))
}

func measure(all []time.Duration) Measure {
	if len(all) == 0 {
		return Measure{}
	}
	slices.Sort(all)
	var sum float64
	for _, d := range all {
		sum += d.Seconds()
	}
	return Measure{
		Count: len(all), Mean: rounded(sum/float64(len(all)), 1000),
		Median: rounded(quantile(all, 0.5), 1000), P90: rounded(quantile(all, 0.9), 1000),
	}
}

// quantile is, in seconds, the value below which that part of the sorted
// durations is.
func quantile(sorted []time.Duration, part float64) float64 {
	place := part * float64(len(sorted)-1)
	i := int(place)
	low := sorted[i].Seconds()
	if i+1 == len(sorted) {
		return low
	}
	return low + (place-float64(i))*(sorted[i+1].Seconds()-low)
}

func groups(episodes []Episode, name func(Episode) string) []Group {
	parts := map[string][]Episode{}
	for _, e := range episodes {
		parts[name(e)] = append(parts[name(e)], e)
	}
	all := make([]Group, 0, len(parts))
	for _, n := range slices.Sorted(maps.Keys(parts)) {
		all = append(all, Group{n, answers(parts[n])})
	}
	return all
}

func byLevel(episodes []Episode) []Group {
	all := groups(episodes, func(e Episode) string { return e.Level.String() })
	slices.SortFunc(all, func(a, b Group) int {
		x, _ := tocsin.ParseLevel(a.Name) // what String wrote
		y, _ := tocsin.ParseLevel(b.Name)
		return cmp.Compare(y, x)
	})
	return all
}

func noise(episodes []Episode, name func(Episode) string) []Noise {
	found := map[string]*Noise{}
	for _, e := range episodes {
		if e.ClosedAt.IsZero() {
			continue
		}
		n := found[name(e)]
		if n == nil {
			n = &Noise{Name: name(e)}
			found[n.Name] = n
		}
		n.Closed++
		switch e.Reason {
		case tocsin.ReasonFalsePositive:
			n.FalsePositive++
		case tocsin.ReasonExpected:
			n.Expected++
		}
	}
	all := make([]Noise, 0, len(found))
	for _, n := range found {
		n.Percent = percent(float64(n.FalsePositive+n.Expected), float64(n.Closed))
		all = append(all, *n)
	}
	slices.SortFunc(all, func(a, b Noise) int {
		return cmp.Or(cmp.Compare(b.FalsePositive+b.Expected, a.FalsePositive+a.Expected), cmp.Compare(b.Closed, a.Closed), cmp.Compare(a.Name, b.Name))
	})
	return all
}

func loads(f Facts) []Load {
	found := map[string]*Load{}
	for _, m := range f.Messages {
		if m.Person == "" || m.At.Before(f.From) || !m.At.Before(f.To) {
			continue
		}
		l := found[m.Person]
		if l == nil {
			l = &Load{Person: m.Person}
			found[m.Person] = l
		}
		l.Notifications++
		if m.Calls && atNight(m.At, f.Zones[m.Person]) {
			l.Interruptions++
		}
	}
	all := make([]Load, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, *found[name])
	}
	return all
}

// atNight reports whether it is between 22:00 and 08:00 by the clock of the zone.
func atNight(t time.Time, zone *time.Location) bool {
	if zone == nil {
		zone = time.UTC
	}
	hour := t.In(zone).Hour()
	return hour >= 22 || hour < 8
}

func coverages(f Facts) []Coverage {
	all := make([]Coverage, 0, len(f.Schedules))
	for _, s := range f.Schedules {
		covered, gaps := within(f, s.Covered), within(f, s.Gaps)
		all = append(all, Coverage{
			Schedule: s.Name, Hours: rounded((covered + gaps).Hours(), 100), CoveredHours: rounded(covered.Hours(), 100),
			Percent: percent(covered.Hours(), (covered + gaps).Hours()),
		})
	}
	slices.SortFunc(all, func(a, b Coverage) int { return cmp.Compare(a.Schedule, b.Schedule) })
	return all
}

// within is how much of the spans, which do not overlap, is in the report's time.
func within(f Facts, spans []Span) (total time.Duration) {
	for _, s := range spans {
		if s.Start.Before(f.From) {
			s.Start = f.From
		}
		if s.End.After(f.To) {
			s.End = f.To
		}
		total += max(0, s.End.Sub(s.Start))
	}
	return total
}

// percent is with one decimal; of nothing it is 0.
func percent(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return rounded(100*part/whole, 10)
}

// rounded is x to so many parts of one.
func rounded(x, parts float64) float64 { return float64(int64(x*parts+0.5)) / parts }
