package web

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// fixtureLatency is a week of findings, with a night in which people were told late.
func fixtureLatency(evil func(string) string) reports.LatencyReport {
	from := fixtureNow.UTC().Truncate(24*time.Hour).AddDate(0, 0, -6)
	f := reports.LatencyFacts{From: from, To: fixtureNow}
	places := []struct{ account, region, route string }{
		{"111122223333", "eu-west-1", "payments"}, {"111122223333", "us-east-1", "payments"}, {"444455556666", "eu-west-1", ""}, {"222233334444", "eu-west-3", "everything critical"},
	}
	for i := range 420 {
		at := from.Add(time.Duration(i) * 20 * time.Minute).Add(time.Duration(i*i%977) * time.Second)
		wave := 1 + math.Abs(math.Sin(float64(i)/9))
		span := func(seconds float64) time.Duration { return time.Duration(seconds * wave * float64(time.Second)) }
		of := places[i%7%len(places)]
		p := reports.Passage{OpenedAt: at, ReceivedAt: at, Account: evil(of.account), Region: evil(of.region), Route: evilIf(evil, of.route)}
		p.EventAt = at.Add(-span(.4 + float64(i%7)/10)).Truncate(time.Second)
		p.CreatedAt = p.EventAt.Add(-span(3 + float64(i%40)*2))
		p.ActivityAt = p.CreatedAt.Add(-span(240 + float64(i%13)*50))
		told := span(.02 + float64(i%5)/100)
		if i > 200 && i < 215 {
			told = span(200)
		}
		p.ToldAt = at.Add(told)
		if i%3 > 0 {
			p.AckedAt = p.ToldAt.Add(span(60 + float64(i%29)*40))
		}
		if i%50 == 0 {
			p.EventAt = p.ReceivedAt.Add(2 * time.Second)
		}
		f.Passages = append(f.Passages, p)
	}
	for i, of := range places {
		c := tocsin.Canary{Place: tocsin.Place{Account: evil(of.account), Region: evil(of.region)}, Source: "canaries", SentAt: ago(time.Duration(i+1) * time.Minute), Path: evil("sqs:org-queue")}
		c.ArrivedAt = c.SentAt.Add(time.Duration(i*900-500) * time.Millisecond)
		if i == 2 {
			c.Sample = "Recon:EC2/PortProbeUnprotectedPort"
		}
		f.Canaries = append(f.Canaries, c)
	}
	return reports.JudgeLatency(f)
}

// latencyStates renders the page of latency.
func latencyStates(t *testing.T, p *Pages, evil func(string) string, add func(name, html string)) {
	t.Helper()
	week := must(readLatencyPeriod(nil, fixtureNow))
	whole := latencyInput{Period: week, Now: fixtureNow, Report: fixtureLatency(evil)}
	add("latency", render(t, p.latencyPage, whole.view()))
	part := whole
	part.Account, part.Region, part.Route = evil("111122223333"), evil("eu-west-1"), evil("payments")
	part.Report.Cut, part.Report.Canaries = true, nil
	add("latency-part", render(t, p.latencyPage, part.view()))
	none := latencyInput{Period: week, Now: fixtureNow, Report: reports.JudgeLatency(reports.LatencyFacts{From: week.From, To: fixtureNow})}
	add("latency-nothing", render(t, p.latencyPage, none.view()))
}

// timing are pages over an empty store, with that latency.
func timing(t testing.TB, latency func(context.Context, store.LatencyFilter) (reports.LatencyReport, error)) *Pages {
	t.Helper()
	return newPages(Options{
		Store: openStore(t), Now: func() time.Time { return fixtureNow }, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Latency: latency,
	})
}

func TestLatencyPage(t *testing.T) {
	t.Parallel()
	var asked store.LatencyFilter
	p := timing(t, func(_ context.Context, f store.LatencyFilter) (reports.LatencyReport, error) {
		if asked = f; f.Account == "fault" {
			return reports.LatencyReport{}, errors.New("the disk is gone")
		}
		return fixtureLatency(func(s string) string { return s }), nil
	})
	for _, tt := range []struct {
		name, path string
		status     int
		words      []string
	}{
		{"a week", "/latency", 200, []string{"Activity to finding", "<rect x=", "9 skewed", "sqs:org-queue", `href="/latency?account=111122223333&amp;from=2026-11-15&amp;to=2026-11-21"`, "no route"}},
		{"a part", "/latency?from=2026-11-20&to=2026-11-21&account=1&region=r&route=x", 200, []string{`value="x"`, `href="/latency?from=2026-11-20&amp;to=2026-11-21"`}},
		{"too long", "/latency?from=2026-10-01&to=2026-11-21", 400, []string{"52 days are more than 31"}},
		{"still to come", "/latency?from=2027-01-01&to=2027-01-02", 400, []string{"still to come"}},
		{"no day", "/latency?from=soon&to=2027-01-02", 400, []string{"is no day such as"}},
		{"a fault of ours", "/latency?account=fault", 500, nil},
	} {
		says(t, get(p, tt.path), tt.status, tt.words...)
		if tt.name == "a part" {
			want := store.LatencyFilter{From: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), To: fixtureNow, Account: "1", Region: "r", Route: "x"}
			if asked != want {
				t.Errorf("asked for %+v, want %+v", asked, want)
			}
		}
	}
	says(t, get(timing(t, nil), "/latency"), 404)
}

// A picture's bars are where its scale says.
func TestAChartIsToScale(t *testing.T) {
	t.Parallel()
	from := fixtureNow.Add(-time.Hour)
	var all []reports.Passage
	for _, seconds := range []float64{1, 1, 10, 100} {
		all = append(all, reports.Passage{OpenedAt: from, ReceivedAt: from, ToldAt: from.Add(time.Duration(seconds * float64(time.Second)))})
	}
	r := reports.JudgeLatency(reports.LatencyFacts{From: from, To: fixtureNow, Passages: all})
	c := newStageChart(r, 3)
	var labels []string
	lines := map[string]float64{}
	for _, l := range c.Lines {
		labels, lines[l.Label] = append(labels, l.Label), l.Y
	}
	if got := strings.Join(labels, " "); got != "1 s 10 s 1 min 10 min" && got != "0.1 s 1 s 10 s 1 min 10 min" {
		t.Errorf("scale %s", got)
	}
	if len(c.Bars) != 1 {
		t.Fatalf("%d bars, want 1", len(c.Bars))
	}
	b := c.Bars[0]
	// Half is 5.5 s: between the lines of 1 s and 10 s, nearer to the latter. 9 of 10
	// are within 73 s and the longest is 100 s, both a little above the minute.
	if !(b.Half < lines["1 s"] && b.Half > lines["10 s"] && b.Half-lines["10 s"] < lines["1 s"]-b.Half) || !(b.Top < lines["1 min"] && b.Whole < b.Top) {
		t.Errorf("bar %+v on lines %v", b, lines)
	}
	if b.X < chartLeft || b.X+b.Wide > 100 || !strings.Contains(b.Says, "half within 5.5 s") {
		t.Errorf("bar %+v", b)
	}
	if c := newStageChart(r, 4); len(c.Bars) != 0 || c.Says != "nothing was measured" {
		t.Errorf("a stage without a measure: %+v", c)
	}
}

// TestBrowserLatency looks at the pictures.
func TestBrowserLatency(t *testing.T) {
	c := openBrowser(t)
	full := httptest.NewServer(timing(t, func(context.Context, store.LatencyFilter) (reports.LatencyReport, error) {
		return fixtureLatency(func(s string) string { return s }), nil
	}))
	defer full.Close()
	empty := httptest.NewServer(timing(t, func(_ context.Context, f store.LatencyFilter) (reports.LatencyReport, error) {
		return reports.JudgeLatency(reports.LatencyFacts{From: f.From, To: f.To}), nil
	}))
	defer empty.Close()
	for _, page := range []struct{ name, url string }{{"latency", full.URL + "/latency"}, {"latency-nothing", empty.URL + "/latency"}} {
		for _, l := range sights() {
			c.open(page.url, l)
			name := page.name + "-" + l.name
			for what, script := range map[string]string{"too wide": overflow, "too faint": faint, "not accessible": unnamed} {
				var found []string
				if c.ask(script, &found); len(found) > 0 {
					t.Errorf("%s: %s: %q", name, what, found)
				}
			}
			judge(t, name, c.screenshot())
			keep(t, name, c)
		}
	}
	c.open(full.URL+"/latency", phone)
	var seen bool
	c.ask(`(() => {
		const bars = [...document.querySelectorAll(".chart svg")].map(svg => [svg.getBoundingClientRect(), [...svg.querySelectorAll("rect")].map(r => r.getBoundingClientRect())]);
		return bars.length === 5 && bars.every(([box, all]) => all.length > 20 && all.every(r => r.width > 1 && r.height > 1 && r.left >= box.left - 1 && r.right <= box.right + 1 && r.top >= box.top - 1 && r.bottom <= box.bottom + 1));
	})()`, &seen)
	if !seen {
		t.Error("bars are not within their pictures on a phone")
	}
	for _, complaint := range c.complaints() {
		t.Errorf("a page complained: %s", complaint)
	}
}
