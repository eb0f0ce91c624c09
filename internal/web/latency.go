package web

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// longestLatency bounds the time that the page of latency is over, in days.
const longestLatency = 31

// A latencyInput is all that the page of latency is made of.
type latencyInput struct {
	Period                 period
	Now                    time.Time
	Account, Region, Route string
	Report                 reports.LatencyReport
}

type latencyView struct {
	latencyInput
	Lately   []tab
	Clear    string // the address without the choice of a part; empty without one
	Stages   []stageRow
	Charts   []stageChart
	Groups   []latencyGroups
	Canaries []canaryRow
	Words    []string // of the stages, in their order
}

// A stageRow is how long a stage took.
type stageRow struct {
	Name, Means         string
	P50, P90, P99, Max  string // empty without a count
	Count, Skewed, Days int
}

// latencyGroups are the openings by one thing.
type latencyGroups struct {
	Title, Of, None string
	Rows            []latencyRow
	More            int // that are not listed
}

// A latencyRow is one line of it.
type latencyRow struct {
	Name, Href string
	Openings   int
	Stages     []string // "3 s / 12 s"; empty without a count
}

type canaryRow struct {
	Account, Region, Took, Path string
	Sample, Skewed              bool
	Sent                        when
}

// stageWords say what a stage is.
var stageWords = map[reports.Stage]struct{ name, short, means string }{
	reports.ActivityToCreated:  {"Activity to finding", "found", "until GuardDuty made a finding of it, or the new version of one"},
	reports.CreatedToEvent:     {"Finding to event", "sent", "until EventBridge had an event of it; updates wait for the publishing frequency"},
	reports.EventToReceived:    {"Event to receipt", "received", "until tocsin had received it"},
	reports.ReceivedToTold:     {"Receipt to people", "told", "until the first message was delivered"},
	reports.ToldToAcknowledged: {"People to acknowledgement", "taken", "until somebody took it on"},
}

func (p *Pages) showLatency(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	in := latencyInput{Now: p.opts.Now(), Account: line(q.Get("account"), 80), Region: line(q.Get("region"), 80), Route: line(q.Get("route"), 200)}
	if p.opts.Latency == nil {
		return noSuchPage(r)
	}
	var err error
	if in.Period, err = readLatencyPeriod(q, in.Now); err != nil {
		return badQuery("/latency", err)
	}
	to := in.Period.To.AddDate(0, 0, 1)
	if to.After(in.Now) {
		to = in.Now
	}
	if !in.Period.From.Before(to) {
		return badQuery("/latency", fmt.Errorf("%s is still to come", in.Period.First()))
	}
	in.Report, err = p.opts.Latency(r.Context(), store.LatencyFilter{From: in.Period.From, To: to, Account: in.Account, Region: in.Region, Route: in.Route})
	if err != nil {
		return fmt.Errorf("latency: %w", err)
	}
	return show(p, w, r, http.StatusOK, p.latencyPage, head{Title: "Latency", Here: "reports"}, in.view())
}

// readLatencyPeriod is the last seven days unless the address says.
func readLatencyPeriod(q url.Values, now time.Time) (period, error) {
	if q.Get("from") == "" && q.Get("to") == "" {
		today := now.UTC().Truncate(24 * time.Hour)
		return period{today.AddDate(0, 0, -6), today}, nil
	}
	p, err := readPeriod(q, now)
	if days := p.days(); err == nil && days > longestLatency {
		return p, fmt.Errorf("%d days are more than %d", days, longestLatency)
	}
	return p, err
}

// href is the page's address with this choice.
func (in latencyInput) href(p period, account, region, route string) string {
	q := url.Values{"from": {p.First()}, "to": {p.Last()}}
	for name, value := range map[string]string{"account": account, "region": region, "route": route} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/latency?" + q.Encode()
}

// latencyShown is how many parts are listed.
const latencyShown = 25

func (in latencyInput) view() latencyView {
	v := latencyView{latencyInput: in}
	today := in.Now.UTC().Truncate(24 * time.Hour)
	for _, days := range []int{1, 7, 31} {
		p := period{today.AddDate(0, 0, 1-days), today}
		label := strconv.Itoa(days) + " days"
		if days == 1 {
			label = "Today"
		}
		v.Lately = append(v.Lately, tab{Label: label, Here: p == in.Period, Href: in.href(p, in.Account, in.Region, in.Route)})
	}
	if in.Account+in.Region+in.Route != "" {
		v.Clear = in.href(in.Period, "", "", "")
	}
	for _, s := range in.Report.Stages {
		words := stageWords[s.Stage]
		row := stageRow{Name: words.name, Means: words.means, Count: s.Count, Skewed: s.Skewed}
		if s.Count > 0 {
			row.P50, row.P90, row.P99, row.Max = lasting(s.P50), lasting(s.P90), lasting(s.P99), lasting(s.Max)
		}
		v.Stages, v.Words = append(v.Stages, row), append(v.Words, words.short)
	}
	if in.Report.Openings > 0 {
		for i := range in.Report.Stages {
			v.Charts = append(v.Charts, newStageChart(in.Report, i))
		}
	}
	for _, g := range []struct {
		title, of, none string
		all             []reports.LatencyGroup
		href            func(name string) string
	}{
		{"By account", "Account", "no account", in.Report.ByAccount, func(n string) string { return in.href(in.Period, n, in.Region, in.Route) }},
		{"By region", "Region", "no region", in.Report.ByRegion, func(n string) string { return in.href(in.Period, in.Account, n, in.Route) }},
		{"By route", "Route", "no route", in.Report.ByRoute, func(n string) string { return in.href(in.Period, in.Account, in.Region, n) }},
	} {
		groups := latencyGroups{Title: g.title, Of: g.of, None: g.none, More: max(0, len(g.all)-latencyShown)}
		for _, one := range g.all[:min(len(g.all), latencyShown)] {
			row := latencyRow{Name: one.Name, Openings: one.Openings}
			if one.Name != "" {
				row.Href = g.href(one.Name)
			}
			for _, s := range one.Stages {
				text := ""
				if s.Count > 0 {
					text = lasting(s.P50) + " / " + lasting(s.P90)
				}
				row.Stages = append(row.Stages, text)
			}
			groups.Rows = append(groups.Rows, row)
		}
		v.Groups = append(v.Groups, groups)
	}
	for _, c := range in.Report.Canaries {
		v.Canaries = append(v.Canaries, canaryRow{
			Account: c.Account, Region: c.Region, Took: lasting(c.Seconds), Path: c.Path, Sample: c.Sample, Skewed: c.Skewed, Sent: when{c.SentAt, in.Now},
		})
	}
	return v
}

// A stageChart is how long a stage took over time, as a picture: a bar a step, from
// what half stayed within to what nine of ten did, and a line to the longest. Heights
// are on a logarithmic scale. Widths are in percent, so that the picture fits whatever
// it is shown on, and its letters stay as large as they are.
type stageChart struct {
	Name, Means, Says string
	Height            int
	Lines             []chartLine
	Bars              []chartBar
	Dates             []chartDate
}

// A chartLine is one of the scale.
type chartLine struct {
	Y     float64
	Label string
}

// A chartBar is one step. X and Wide are in percent, the rest in pixels.
type chartBar struct {
	X, Middle, Wide        float64
	Top, High, Half, Whole float64 // Half is where half is, Whole where the longest is
	Says                   string
}

type chartDate struct {
	X      float64
	Anchor string
	Label  string
}

const (
	chartHeight = 132 // of the picture, in pixels
	chartTop    = 10  // of the plot in it
	chartBottom = 108
	chartLeft   = 9.0 // of the first bar, in percent
)

// scale are the lines that there may be, in seconds.
var scale = []struct {
	seconds float64
	label   string
}{
	{.001, "1 ms"}, {.01, "10 ms"}, {.1, "0.1 s"}, {1, "1 s"}, {10, "10 s"}, {60, "1 min"}, {600, "10 min"}, {3600, "1 h"}, {6 * 3600, "6 h"}, {86400, "1 d"}, {10 * 86400, "10 d"}, {100 * 86400, "100 d"},
}

// newStageChart draws the i-th stage.
func newStageChart(r reports.LatencyReport, i int) stageChart {
	all := r.Stages[i]
	words := stageWords[all.Stage]
	c := stageChart{Name: words.name, Means: words.means, Height: chartHeight}
	if all.Count == 0 {
		c.Says = "nothing was measured"
		return c
	}
	c.Says = fmt.Sprintf("half within %s, 9 of 10 within %s, the longest %s", lasting(all.P50), lasting(all.P90), lasting(all.Max))
	low, high := bounds(r.OverTime, i)
	y := func(seconds float64) float64 {
		part := (math.Log(max(seconds, scale[low].seconds)) - math.Log(scale[low].seconds)) / (math.Log(scale[high].seconds) - math.Log(scale[low].seconds))
		return tenths(chartBottom - part*(chartBottom-chartTop))
	}
	for _, l := range scale[low : high+1] {
		c.Lines = append(c.Lines, chartLine{y(l.seconds), l.label})
	}
	step := (100 - chartLeft) / float64(len(r.OverTime))
	for j, s := range r.OverTime {
		took := s.Stages[i]
		if took.Count == 0 {
			continue
		}
		x := chartLeft + float64(j)*step
		top := y(took.P90)
		c.Bars = append(c.Bars, chartBar{
			X: hundredths(x + .2*step), Middle: hundredths(x + .5*step), Wide: hundredths(.6 * step),
			Top: top, High: max(2, tenths(y(took.P50)-top)), Half: y(took.P50), Whole: y(took.Max),
			Says: fmt.Sprintf("%s: half within %s, 9 of 10 within %s, the longest %s, of %s", stepName(s.At, r.Every), lasting(took.P50), lasting(took.P90), lasting(took.Max), number(took.Count)),
		})
	}
	last := len(r.OverTime) - 1
	for _, d := range []struct {
		step   int
		x      float64
		anchor string
	}{{0, chartLeft, "start"}, {last / 2, chartLeft + (float64(last/2)+.5)*step, "middle"}, {last, 100, "end"}} {
		if last > 1 || d.step == 0 && d.anchor == "start" {
			c.Dates = append(c.Dates, chartDate{hundredths(d.x), d.anchor, stepName(r.OverTime[d.step].At, r.Every)})
		}
	}
	return c
}

// bounds are the lines of the scale between which all of a stage is.
func bounds(over []reports.LatencyStep, i int) (low, high int) {
	least, most := math.Inf(1), 0.0
	for _, s := range over {
		if took := s.Stages[i]; took.Count > 0 {
			least, most = min(least, took.P50), max(most, took.Max)
		}
	}
	for low < len(scale)-3 && scale[low+1].seconds <= least {
		low++
	}
	high = low + 1
	for high < len(scale)-1 && scale[high].seconds < most {
		high++
	}
	return low, high
}

// stepName is when a step of that many seconds begins, in UTC.
func stepName(at time.Time, every float64) string {
	if every >= (24 * time.Hour).Seconds() {
		return at.UTC().Format("2 Jan")
	}
	return at.UTC().Format("2 Jan 15:04")
}

func tenths(x float64) float64     { return math.Round(x*10) / 10 }
func hundredths(x float64) float64 { return math.Round(x*100) / 100 }
