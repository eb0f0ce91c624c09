package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

// A period is what a report is over: whole days of UTC, both included.
type period struct{ From, To time.Time }

// longestPeriod bounds a report, in days.
const longestPeriod = 400

// readPeriod reads it from the address; the last 30 days unless it says.
func readPeriod(v url.Values, now time.Time) (p period, err error) {
	today := now.UTC().Truncate(24 * time.Hour)
	p = period{From: today.AddDate(0, 0, -29), To: today}
	for _, field := range []struct {
		name string
		into *time.Time
	}{{"from", &p.From}, {"to", &p.To}} {
		s := line(v.Get(field.name), 20)
		if s == "" {
			continue
		}
		if *field.into, err = time.Parse(time.DateOnly, s); err != nil {
			return p, fmt.Errorf("%s %q is no day such as 2026-11-21", field.name, s)
		}
	}
	switch days := p.days(); {
	case days < 1:
		return p, fmt.Errorf("it ends on %s, before it begins", p.To.Format(time.DateOnly))
	case days > longestPeriod:
		return p, fmt.Errorf("%d days are more than %d", days, longestPeriod)
	}
	return p, nil
}

func (p period) days() int { return int(p.To.Sub(p.From)/(24*time.Hour)) + 1 }

// First and Last are the days for form fields.
func (p period) First() string { return p.From.Format(time.DateOnly) }

// Last is the last day, included.
func (p period) Last() string { return p.To.Format(time.DateOnly) }

type reportsView struct {
	Period  period
	Lately  []tab
	Report  reports.Report
	Times   []measureRow
	Groups  []groupTable
	Noise   []noiseTable
	Dead    []routing.Dead
	DeadFor int // days
}

// A measureRow is how long something took.
type measureRow struct {
	Name, Means       string
	Count             int
	Mean, Median, P90 string // empty without a count
	Missing           string // "3 were acknowledged by nobody"
}

// A groupTable is the answers by level or by team.
type groupTable struct {
	Title, Of string
	Rows      []groupRow
}

// A groupRow is one line of it.
type groupRow struct {
	Name                string
	Episodes            int
	TTN, TTA, TTR       string // medians
	Escalated, Unanswer string
}

// A noiseTable is what was closed without having been worth it.
type noiseTable struct {
	Title, Of string
	Rows      []reports.Noise
}

// deadAfter is for how many days what took nothing is dead (N days of silence of a
// route say that nobody would notice if it were gone).
const deadAfter = 90

// A reportsInput is all that the page of reports is made of.
type reportsInput struct {
	Period period
	Now    time.Time
	Report reports.Report
	Dead   []routing.Dead
}

func (p *Pages) showReport(w http.ResponseWriter, r *http.Request) error {
	in := reportsInput{Now: p.opts.Now()}
	var err error
	if in.Period, err = readPeriod(r.URL.Query(), in.Now); err != nil {
		return badQuery("/reports", err)
	}
	if p.opts.Report == nil {
		return noSuchPage(r)
	}
	to := in.Period.To.AddDate(0, 0, 1)
	if to.After(in.Now) {
		to = in.Now
	}
	if !in.Period.From.Before(to) {
		return badQuery("/reports", fmt.Errorf("%s is still to come", in.Period.First()))
	}
	if in.Report, err = p.opts.Report(r.Context(), in.Period.From, to); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if in.Dead, err = p.opts.Act.DeadRoutes(r.Context(), deadAfter); err != nil {
		return fmt.Errorf("dead routes: %w", err)
	}
	return show(p, w, r, http.StatusOK, p.reportsPage, head{Title: "Reports", Here: "reports"}, in.view())
}

// noiseShown is how many rules or types are listed.
const noiseShown = 12

func (in reportsInput) view() reportsView {
	rep := in.Report
	v := reportsView{Period: in.Period, Report: rep, Dead: in.Dead, DeadFor: deadAfter}
	today := in.Now.UTC().Truncate(24 * time.Hour)
	for _, days := range []int{7, 30, 90} {
		p := period{today.AddDate(0, 0, 1-days), today}
		v.Lately = append(v.Lately, tab{
			Label: strconv.Itoa(days) + " days", Here: p == in.Period,
			Href: "/reports?" + url.Values{"from": {p.First()}, "to": {p.Last()}}.Encode(),
		})
	}
	v.Times = []measureRow{
		newMeasure("Time to notify", "from receipt to the first delivered message", rep.TTN, rep.Untold, "told to nobody"),
		newMeasure("Time to acknowledge", "from opening until somebody took it on", rep.TTA, rep.Unacked, "taken on by nobody"),
		newMeasure("Time to resolve", "from opening to the close", rep.TTR, rep.Open, "still open"),
	}
	v.Groups = []groupTable{{Title: "By level", Of: "Level", Rows: groupRows(rep.ByLevel, title[string])}, {Title: "By team", Of: "Team", Rows: groupRows(rep.ByTeam, plain)}}
	v.Noise = []noiseTable{{Title: "Noise by rule", Of: "Rule", Rows: noisy(rep.NoiseByRule)}, {Title: "Noise by type", Of: "Type", Rows: noisy(rep.NoiseByType)}}
	return v
}

// noisy are those that brought noise at all.
func noisy(all []reports.Noise) []reports.Noise {
	var rows []reports.Noise
	for _, n := range all {
		if n.FalsePositive+n.Expected > 0 && len(rows) < noiseShown {
			rows = append(rows, n)
		}
	}
	return rows
}

func newMeasure(name, means string, m reports.Measure, missing int, words string) measureRow {
	row := measureRow{Name: name, Means: means, Count: m.Count}
	if m.Count > 0 {
		row.Mean, row.Median, row.P90 = lasting(m.Mean), lasting(m.Median), lasting(m.P90)
	}
	if missing > 0 {
		row.Missing = number(missing) + " " + words
	}
	return row
}

func groupRows(groups []reports.Group, name func(string) string) []groupRow {
	var rows []groupRow
	for _, g := range groups {
		row := groupRow{Name: name(g.Name), Episodes: g.Episodes, Escalated: share(g.Escalated), Unanswer: share(g.Unanswered)}
		for _, m := range []struct {
			from reports.Measure
			into *string
		}{{g.TTN, &row.TTN}, {g.TTA, &row.TTA}, {g.TTR, &row.TTR}} {
			if m.from.Count > 0 {
				*m.into = lasting(m.from.Median)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func share(s reports.Share) string {
	if s.Count == 0 {
		return "0"
	}
	return fmt.Sprintf("%s (%g %%)", number(s.Count), s.Percent)
}

// lasting says seconds in two units at most: "2 min 5 s".
func lasting(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return twoUnits(d, time.Minute, "min", time.Second, "s")
	case d < 48*time.Hour:
		return twoUnits(d, time.Hour, "h", time.Minute, "min")
	}
	return twoUnits(d, 24*time.Hour, "d", time.Hour, "h")
}

func twoUnits(d, large time.Duration, largeWord string, small time.Duration, smallWord string) string {
	text := fmt.Sprintf("%d %s", d/large, largeWord)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf(" %d %s", rest, smallWord)
	}
	return text
}
