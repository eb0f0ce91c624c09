package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// weeksShown is how much of a schedule a page shows.
const weeksShown = 4

type scheduleView struct {
	Me                     actor
	Name, Zone, Mode, Feed string
	Policies               []string
	Now                    onCallRow
	People                 []personTag // those of the weeks shown
	Weeks                  []week
	From, To               string // the days shown, the last included
	Earlier, Later, Today  string
	Past, Shifts           []shiftRow // those that are over, and the others
	Cut                    int        // how many are not listed
	Gaps                   int
	Overrides              []overrideRow
	Everybody              []option
	Quality                oncall.Report
	Begins                 string // when it was first configured, if that is within
}

// Action is where the form of a new override goes.
func (v scheduleView) Action() string { return scheduleHref(v.Name) + "/overrides" }

// Href is the page's address.
func (v scheduleView) Href() string { return scheduleHref(v.Name) }

// A week is a row of the calendar, Monday to Sunday.
type week struct {
	Label  string // "16 – 22 Nov"
	Days   []calendarDay
	Bars   []bar
	Now    string // where the present moment is, as a percentage; empty if it is not in it
	Lanes  int    // of people that are on call at once
	Height int
}

// A calendarDay is the head of one day.
type calendarDay struct {
	Word, Date string
	X, Mid     string // percentages: where it begins, and its middle
	Today      bool
	Weekend    bool
	Clocks     string // "23 h", where clocks change
}

// A bar is one person's stretch of a week, or a gap.
type bar struct {
	X, Width  string // percentages
	Y, Height int
	Name      string
	Hue       int
	Gap       bool
	Past      bool
	Tip       string // who, and from when to when
}

// A shiftRow is one shift of the list below the calendar, or a gap.
type shiftRow struct {
	People     []personTag
	Gap        bool
	Begins     string
	Ends       string
	Hours      string
	By         string // layers and overrides
	Now, Over  bool
	Start, End time.Time
}

// A scheduleInput is all that a schedule's page is made of.
type scheduleInput struct {
	Now       time.Time
	By        string
	People    []tocsin.Person
	Info      engine.ScheduleInfo
	OnCall    []engine.OnCall
	Plan      *oncall.Plan
	Since     time.Time // of the first version; zero is always
	Overrides []oncall.Override
	Monday    oncall.Civil // the first day shown
}

func (p *Pages) showSchedule(w http.ResponseWriter, r *http.Request) error {
	name := pathName(r, "schedule")
	in := scheduleInput{Now: p.opts.Now(), By: remembered(r), OnCall: p.opts.Act.OnCall(p.opts.Now())}
	infos := p.opts.Act.Schedules()
	i := slices.IndexFunc(infos, func(s engine.ScheduleInfo) bool { return s.Name == name })
	if i < 0 {
		return noSuchPage(r)
	}
	in.Info = infos[i]
	var err error
	if in.Monday, err = in.firstDay(r.URL.Query().Get("from")); err != nil {
		return badQuery(scheduleHref(name), err)
	}
	if err := p.opts.Store.View(r.Context(), in.read); err != nil {
		return fmt.Errorf("schedule %s: %w", name, err)
	}
	return show(p, w, r, http.StatusOK, p.schedulePage, head{Title: name + ", on call", Here: "oncall"}, in.view())
}

// firstDay is the Monday of the week of the day that is asked for, or of this one.
func (in *scheduleInput) firstDay(from string) (oncall.Civil, error) {
	day := in.Now.In(in.zone())
	if from != "" {
		var err error
		if day, err = time.Parse(time.DateOnly, from); err != nil || day.Year() < 1970 || day.Year() > 9000 {
			return oncall.Civil{}, fmt.Errorf("from %q is no day such as 2026-11-16", from)
		}
	}
	return dayAfter(oncall.Civil{Year: day.Year(), Month: day.Month(), Day: day.Day()}, -int(day.Weekday()+6)%7), nil
}

func (in *scheduleInput) zone() *time.Location {
	zone, err := time.LoadLocation(in.Info.TimeZone)
	if err != nil {
		return time.UTC // cannot be: such a schedule is refused
	}
	return zone
}

// dayAfter is midnight so many days later.
func dayAfter(c oncall.Civil, days int) oncall.Civil {
	t := time.Date(c.Year, c.Month, c.Day+days, 0, 0, 0, 0, time.UTC)
	return oncall.Civil{Year: t.Year(), Month: t.Month(), Day: t.Day()}
}

func dateOf(c oncall.Civil) string { return fmt.Sprintf("%04d-%02d-%02d", c.Year, c.Month, c.Day) }

func (in *scheduleInput) read(tx *store.Tx) error {
	history, err := tx.History(in.Info.Name)
	if err != nil {
		return err
	}
	if len(history) == 0 {
		return store.ErrNotFound
	}
	in.Since = history[0].Since
	from := oncall.Resolve(in.Monday, in.zone())
	if in.Now.Before(from) {
		from = in.Now
	}
	overrides, err := tx.Overrides(in.Info.Name, tocsin.Millis(from))
	if err != nil {
		return err
	}
	if in.Plan, err = oncall.New(history, overrides); err != nil {
		return err
	}
	for _, o := range overrides {
		if o.Until.After(in.Now) {
			in.Overrides = append(in.Overrides, o)
		}
	}
	in.People, err = tx.People()
	return err
}

func (in scheduleInput) view() scheduleView {
	zone := in.zone()
	start, end := oncall.Resolve(in.Monday, zone), oncall.Resolve(dayAfter(in.Monday, 7*weeksShown), zone)
	shifts, gaps := in.Plan.Shifts(start, end), in.Plan.Gaps(start, end)
	var everybody []string
	for _, s := range shifts {
		everybody = append(everybody, s.People...)
	}
	colours := coloursOf(everybody)
	v := scheduleView{
		Me: newActor(in.By, in.People), Name: in.Info.Name, Zone: in.Info.TimeZone, Mode: in.Info.Mode, Policies: in.Info.Policies,
		Feed: "/api/schedules/" + strings.TrimPrefix(scheduleHref(in.Info.Name), "/on-call/") + ".ics",
		From: start.Format("2 January"), To: end.Add(-time.Minute).Format("2 January 2006"),
		Earlier: in.href(dayAfter(in.Monday, -7*weeksShown)), Later: in.href(dayAfter(in.Monday, 7*weeksShown)),
		Overrides: overrideRows(in.Overrides, zone, in.Now), Everybody: peopleOf(in.People, ""), Gaps: len(gaps),
		Quality: in.Plan.Quality(start, end),
	}
	if in.Now.Before(start) || !in.Now.Before(end) {
		v.Today = scheduleHref(in.Info.Name)
	}
	if in.Since.After(start) {
		v.Begins = in.Since.In(zone).Format(clockForm)
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(everybody))) {
		v.People = append(v.People, personTag{name, colours[name]})
	}
	now := onCallInput{Now: in.Now, OnCall: in.OnCall, Schedules: []engine.ScheduleInfo{in.Info}}.view()
	v.Now = now.Schedules[0]
	for i := range v.Now.Now {
		v.Now.Now[i].Hue = colours[v.Now.Now[i].Name]
	}
	for n := range weeksShown {
		v.Weeks = append(v.Weeks, in.week(dayAfter(in.Monday, 7*n), shifts, gaps, colours))
	}
	for _, row := range in.rows(shifts, gaps, colours, start, end) {
		switch {
		case row.Over && len(v.Past) < shiftsListed:
			v.Past = append(v.Past, row)
		case !row.Over && len(v.Shifts) < shiftsListed:
			v.Shifts = append(v.Shifts, row)
		default:
			v.Cut++
		}
	}
	return v
}

func (in scheduleInput) href(monday oncall.Civil) string {
	return address(scheduleHref(in.Info.Name), param{"from", dateOf(monday), ""})
}

// shiftsListed bounds a list; shifts may be as short as an hour.
const shiftsListed = 100

// What a week's row is made of, in pixels.
const (
	laneHeight = 26
	soloHeight = 32 // of a row where nobody shares
)

// week lays out seven days. Days are as wide as each other, whatever the clocks do:
// within a day, time goes on evenly.
func (in scheduleInput) week(monday oncall.Civil, shifts []oncall.Shift, gaps []oncall.Gap, colours map[string]int) week {
	zone := in.zone()
	days := make([]time.Time, 8)
	for i := range days {
		days[i] = oncall.Resolve(dayAfter(monday, i), zone)
	}
	w := week{Lanes: 1, Label: days[0].Format("2 Jan") + " – " + days[7].Add(-time.Minute).Format("2 Jan")}
	for i := range 7 {
		d := calendarDay{
			Word: days[i].Format("Mon"), Date: days[i].Format("2"), X: percent(float64(i) / 7), Mid: percent((float64(i) + .5) / 7), Weekend: i >= 5,
			Today: !in.Now.Before(days[i]) && in.Now.Before(days[i+1]),
		}
		if i == 0 || days[i].Day() == 1 {
			d.Date = days[i].Format("2 Jan")
		}
		if long := days[i+1].Sub(days[i]); long != 24*time.Hour {
			d.Clocks = hours(long)
		}
		w.Days = append(w.Days, d)
	}
	if !in.Now.Before(days[0]) && in.Now.Before(days[7]) {
		w.Now = percent(place(days, in.Now))
	}
	for _, s := range shifts {
		if s.Start.Before(days[7]) && s.End.After(days[0]) {
			w.Lanes = max(w.Lanes, len(s.People))
		}
	}
	w.Height = soloHeight
	if w.Lanes > 1 {
		w.Height = laneHeight * w.Lanes
	}
	add := func(b bar, start, end time.Time) {
		if !start.Before(days[7]) || !end.After(days[0]) {
			return
		}
		x, to := place(days, start), place(days, end)
		b.X, b.Width, b.Past = percent(x), percent(to-x), !end.After(in.Now)
		b.Tip += ", " + start.In(zone).Format(clockForm) + " to " + end.In(zone).Format(clockForm)
		w.Bars = append(w.Bars, b)
	}
	for _, s := range shifts {
		for i, name := range s.People {
			add(bar{Name: name, Hue: colours[name], Tip: name, Y: i * w.Height / len(s.People), Height: w.Height / len(s.People)}, s.Start, s.End)
		}
	}
	for _, g := range gaps {
		add(bar{Name: "nobody", Gap: true, Tip: "nobody", Height: w.Height}, g.Start, g.End)
	}
	return w
}

// place is where the instant is in the week, 0 to 1.
func place(days []time.Time, at time.Time) float64 {
	n := len(days) - 1
	for i := range n {
		if at.Before(days[i+1]) {
			part := at.Sub(days[i]).Seconds() / days[i+1].Sub(days[i]).Seconds()
			return (float64(i) + max(0, part)) / float64(n)
		}
	}
	return 1
}

// percent is for attributes of SVG.
func percent(part float64) string { return strconv.FormatFloat(100*part, 'f', 2, 64) + "%" }

// hours says a duration in hours: "24 h", "10.5 h".
func hours(d time.Duration) string { return strconv.FormatFloat(d.Hours(), 'f', -1, 64) + " h" }

// rows are shifts and gaps in their order.
func (in scheduleInput) rows(shifts []oncall.Shift, gaps []oncall.Gap, colours map[string]int, start, end time.Time) []shiftRow {
	zone := in.zone()
	ids := map[string]string{}
	for _, o := range overrideRows(in.Overrides, zone, in.Now) {
		ids[o.ID] = o.Text
	}
	var rows []shiftRow
	add := func(r shiftRow) {
		if !r.End.After(start) || !r.Start.Before(end) {
			return
		}
		r.Begins, r.Ends = r.Start.In(zone).Format(clockForm), r.End.In(zone).Format(clockForm)
		r.Hours = strconv.FormatFloat(r.End.Sub(r.Start).Round(6*time.Minute).Hours(), 'f', -1, 64) + " h"
		r.Now, r.Over = !in.Now.Before(r.Start) && in.Now.Before(r.End), !r.End.After(in.Now)
		rows = append(rows, r)
	}
	for _, s := range shifts {
		by := slices.Clone(s.Layers)
		for _, id := range s.Overrides {
			if text := ids[id]; text != "" {
				by = append(by, text)
			} else {
				by = append(by, "override "+id)
			}
		}
		add(shiftRow{People: tagsOf(s.People, colours), Start: s.Start, End: s.End, By: strings.Join(by, "; ")})
	}
	for _, g := range gaps {
		add(shiftRow{Gap: true, Start: g.Start, End: g.End})
	}
	slices.SortFunc(rows, func(a, b shiftRow) int { return a.Start.Compare(b.Start) })
	return rows
}
