package oncall

import (
	"cmp"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin/internal/wallclock"
)

// A Report is how well a schedule covers a stretch, and who bears how much of it.
// Hours are elapsed ones: a night in which clocks are put back is longer.
type Report struct {
	Schedule        string    `json:"schedule"`
	From            time.Time `json:"from"`
	To              time.Time `json:"to"`
	Hours           float64   `json:"hours"`            // from From to To
	CoveredHours    float64   `json:"covered_hours"`    // with somebody on call
	CoveragePercent float64   `json:"coverage_percent"` // 0 to 100
	People          []Load    `json:"people"`           // by name
}

// A Load is how much one person is on call. Nights are 22:00 to 08:00, weekends
// Saturday and Sunday, on the schedule's clock; a weekend's night is both.
type Load struct {
	Person       string  `json:"person"`
	Hours        float64 `json:"hours"`
	NightHours   float64 `json:"night_hours"`
	WeekendHours float64 `json:"weekend_hours"`
}

// night and weekend are parts of the week.
var (
	night   = dailySpans(22*hour, 10*hour)
	weekend = []span{{into: 5 * day, length: 2 * day}}
)

func dailySpans(from, length reading) []span {
	var all []span
	for d := range reading(7) {
		all = append(all, span{d*day + from, length})
	}
	return all
}

// Quality reports on from to to; what is before the first version is left out.
func (p *Plan) Quality(from, to time.Time) Report {
	if begin := p.segments[0].since; from.Before(begin) {
		from = begin
	}
	r := Report{Schedule: p.name, From: from, To: to}
	if !from.Before(to) {
		return r
	}
	var covered time.Duration
	loads := map[string]*[3]time.Duration{}
	for _, s := range p.pieces(from, to) {
		if len(s.people) == 0 {
			continue
		}
		length := s.end.Sub(s.start)
		covered += length
		dark, free := overlap(night, s), overlap(weekend, s)
		for _, name := range s.people {
			if loads[name] == nil {
				loads[name] = new([3]time.Duration)
			}
			for i, d := range []time.Duration{length, dark, free} {
				loads[name][i] += d
			}
		}
	}
	r.Hours, r.CoveredHours = to.Sub(from).Hours(), covered.Hours()
	r.CoveragePercent = 100 * covered.Seconds() / to.Sub(from).Seconds()
	for name, l := range loads {
		r.People = append(r.People, Load{name, l[0].Hours(), l[1].Hours(), l[2].Hours()})
	}
	slices.SortFunc(r.People, func(a, b Load) int { return cmp.Compare(a.Person, b.Person) })
	return r
}

// overlap is how long the stretch is within the spans, which do not overlap each
// other.
func overlap(spans []span, s stretch) (total time.Duration) {
	first, _ := weekOf(wallclock.Read(s.start, s.zone))
	last, _ := weekOf(wallclock.Read(s.end, s.zone))
	for n := first - 1; n <= last; n++ {
		for _, sp := range spans {
			opens := inWeek(n, sp.into)
			start, end := wallclock.Resolve(opens, s.zone), wallclock.Resolve(opens+sp.length, s.zone)
			if start.Before(s.start) {
				start = s.start
			}
			if end.After(s.end) {
				end = s.end
			}
			total += max(0, end.Sub(start))
		}
	}
	return total
}
