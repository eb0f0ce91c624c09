package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin/internal/shadow"
)

// longestShadow bounds a comparison, in days: each event of that time is read again.
const longestShadow = 31

type shadowView struct {
	Period period
	Lately []tab
	Report shadow.Comparison
	Tables []shadowTable
}

// A shadowTable is the findings that one side, or both, tell of.
type shadowTable struct {
	ID, Title, Means string
	Total            int
	Rows             []shadowRow
}

// shadowShown is how many findings a table lists.
const shadowShown = 200

type shadowRow struct {
	shadow.Row
	What  string // the finding, or how their message begins
	Later string // "2 min later"
	At    when
}

// Ours is the finding as it is here, or nil.
func (r shadowRow) Ours() *shadow.Finding { return r.Finding }

// A shadowInput is all that the page is made of.
type shadowInput struct {
	Period period
	Now    time.Time
	Report shadow.Comparison
}

func (p *Pages) showShadow(w http.ResponseWriter, r *http.Request) error {
	in := shadowInput{Now: p.opts.Now()}
	var err error
	if in.Period, err = readPeriod(r.URL.Query(), in.Now); err != nil {
		return badQuery("/shadow", err)
	}
	if r.URL.Query().Get("from") == "" {
		in.Period.From = in.Period.To.AddDate(0, 0, -6)
	}
	if in.Period.days() > longestShadow {
		return badQuery("/shadow", fmt.Errorf("%d days are more than %d", in.Period.days(), longestShadow))
	}
	if p.opts.Compare == nil {
		return noSuchPage(r)
	}
	if in.Report, err = p.opts.Compare(r.Context(), in.Period.From, in.Period.To.AddDate(0, 0, 1)); err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	return show(p, w, r, http.StatusOK, p.shadowPage, head{Title: "Shadow", Here: "reports"}, in.view())
}

func (in shadowInput) view() shadowView {
	v := shadowView{Period: in.Period, Report: in.Report}
	today := in.Now.UTC().Truncate(24 * time.Hour)
	for _, days := range []int{1, 7, 30} {
		p := period{today.AddDate(0, 0, 1-days), today}
		label := strconv.Itoa(days) + " days"
		if days == 1 {
			label = "today"
		}
		v.Lately = append(v.Lately, tab{Label: label, Here: p == in.Period, Href: "/shadow?" + url.Values{"from": {p.First()}, "to": {p.Last()}}.Encode()})
	}
	tables := []shadowTable{
		{ID: "they", Title: "They tell of it, and we do not", Means: "See whether each reason is one that you want."},
		{ID: "we", Title: "We tell of it, and they do not", Means: "What the other system never said."},
		{ID: "both", Title: "Both tell of it"},
	}
	for _, row := range in.Report.Rows {
		t := &tables[map[shadow.Side]int{shadow.TheyOnly: 0, shadow.WeOnly: 1, shadow.Both: 2}[row.Side]]
		if t.Total++; t.Total <= shadowShown {
			t.Rows = append(t.Rows, newShadowRow(row, in.Now))
		}
	}
	for _, t := range tables {
		if t.Total > 0 {
			v.Tables = append(v.Tables, t)
		}
	}
	return v
}

func newShadowRow(row shadow.Row, now time.Time) shadowRow {
	r := shadowRow{Row: row}
	if f := row.Finding; f != nil {
		r.What, r.At = f.Title, when{f.At, now}
		if r.What == "" {
			r.What = f.Type
		}
	} else {
		r.What, r.At = row.They[0].Text, when{row.They[0].At, now}
	}
	if row.Side != shadow.Both {
		return r
	}
	switch d := time.Duration(row.Later) * time.Millisecond; {
	case d > -time.Second && d < time.Second:
		r.Later = "at the same time"
	case d < 0:
		r.Later = lasting(-d.Seconds()) + " sooner"
	default:
		r.Later = lasting(d.Seconds()) + " later"
	}
	return r
}
