// Package shadow compares what another system sent with what tocsin sends, or
// would send, of the same findings: "they sent, we would send". So one can run
// beside the old Lambda function or Alertmanager until the differences are known.
// It is pure.
package shadow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A Sent is one message that the other system sent.
type Sent struct {
	Event  int64     `json:"event" doc:"Its row in the journal."` // its row in the journal
	Source string    `json:"source" doc:"The source by which it came."`
	At     time.Time `json:"at" doc:"When it came."`
	// Text is how it begins, on one line.
	Text string `json:"text,omitempty" doc:"How it begins, on one line."`
	// IDs are what in it may be the id of a finding.
	IDs []string `json:"-"`
	all string
}

// A Told is one message of ours.
type Told struct {
	At       time.Time    `json:"at" doc:"When it came to be owed."`
	Receiver string       `json:"receiver" doc:"By which receiver."`
	Person   string       `json:"person,omitempty" doc:"To whom, if not to the place of the receiver."`
	Kind     tocsin.Kind  `json:"kind" doc:"What it tells."`
	State    tocsin.State `json:"state" doc:"What became of it; shadow is what would have been sent."` // "shadow" is what would have been sent
	Why      string       `json:"why,omitempty" doc:"By what they came to be told."`
}

// A Finding is one that we received, and what became of it.
type Finding struct {
	ID      string       `json:"id" doc:"The finding's id, or the fingerprint of an alert of Alertmanager."` // the finding's, or the fingerprint of an Alertmanager alert
	Alert   int64        `json:"alert,omitempty" doc:"Its alert, if it has one."`
	Level   tocsin.Level `json:"level" doc:"How bad it is."`
	Account string       `json:"account,omitempty" doc:"The account that it is about."`
	Region  string       `json:"region,omitempty" doc:"The region that it is about."`
	Type    string       `json:"type,omitempty" doc:"The finding's type."`
	Title   string       `json:"title,omitempty" doc:"The finding's title."`
	// At is when we had it first, Events how often it came.
	At     time.Time `json:"at" doc:"When it came in here first."`
	Events int       `json:"events" doc:"How often it came."`
	// Verdict and Reason are those of its newest event.
	Verdict tocsin.Verdict `json:"verdict" doc:"The verdict of its newest event."`
	Reason  string         `json:"reason,omitempty" doc:"Why."`
	Told    []Told         `json:"-"`
}

// A Side says who tells of a finding.
type Side string

// The sides.
const (
	Both     Side = "both"
	TheyOnly Side = "they only"
	WeOnly   Side = "we only"
)

// A Row is one finding that somebody tells of.
type Row struct {
	Side    Side     `json:"side" doc:"Who tells of it: both, they only, we only."`
	Finding *Finding `json:"finding,omitempty" doc:"The finding as it is here; left out where it never came in."` // nil where we never had it
	They    []Sent   `json:"they,omitempty" doc:"What they sent of it."`
	We      []Told   `json:"we,omitempty" doc:"What we sent of it, or would have sent."`
	// Why explains the difference.
	Why string `json:"why,omitempty" doc:"What explains the difference."`
	// Later is by how many milliseconds our first message came after theirs, where
	// both tell; negative where it came before.
	Later int64 `json:"later_ms,omitempty" doc:"By how many milliseconds our first message came after theirs; negative where it came before."`
}

// A Comparison is what both sides did over a time.
type Comparison struct {
	From time.Time `json:"from" doc:"From when on."`
	To   time.Time `json:"to" doc:"Until when."`
	// Sent is how many messages they sent, Told how many we sent or would have sent.
	Sent int `json:"sent" doc:"How many messages they sent."`
	Told int `json:"told" doc:"How many messages we sent, or would have sent."`
	// Both, TheyOnly and WeOnly count findings.
	Both     int   `json:"both" doc:"Findings that both tell of."`
	TheyOnly int   `json:"they_only" doc:"Findings that only they tell of."`
	WeOnly   int   `json:"we_only" doc:"Findings that only we tell of."`
	Rows     []Row `json:"rows" doc:"The findings, differences first."`
}

// Compare pairs messages with findings by the finding's id, and where a message
// has none by its account and title. What nobody tells of is left out.
func Compare(from, to time.Time, sent []Sent, findings []Finding) Comparison {
	r := Comparison{From: from, To: to, Sent: len(sent), Rows: []Row{}}
	byID := make(map[string]int, len(findings))
	for i, f := range findings {
		if f.ID != "" {
			byID[f.ID] = i
		}
	}
	they := make([][]Sent, len(findings))
	strangers := map[string][]Sent{}
	var order []string
	for _, s := range sent {
		if about := aboutWhich(s, byID, findings); len(about) > 0 {
			for _, i := range about {
				they[i] = append(they[i], s)
			}
			continue
		}
		key := cmp.Or(strings.Join(s.IDs, " "), s.Text)
		if strangers[key] == nil {
			order = append(order, key)
		}
		strangers[key] = append(strangers[key], s)
	}
	for i := range findings {
		f := &findings[i]
		r.Told += len(f.Told)
		if len(they[i]) == 0 && len(f.Told) == 0 {
			continue
		}
		r.add(pair(f, they[i]))
	}
	for _, key := range order {
		r.add(Row{Side: TheyOnly, They: strangers[key], Why: "it never came in here: see whether the same events reach both"})
	}
	slices.SortStableFunc(r.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(rank(a.Side), rank(b.Side)), cmp.Compare(level(b), level(a)), a.at().Compare(b.at()))
	})
	return r
}

func (r *Comparison) add(row Row) {
	r.Rows = append(r.Rows, row)
	switch row.Side {
	case Both:
		r.Both++
	case TheyOnly:
		r.TheyOnly++
	case WeOnly:
		r.WeOnly++
	}
}

// rank puts differences first.
func rank(s Side) int { return slices.Index([]Side{TheyOnly, WeOnly, Both}, s) }

func level(r Row) tocsin.Level {
	if r.Finding == nil {
		return tocsin.Unknown
	}
	return r.Finding.Level
}

func (r Row) at() time.Time {
	if r.Finding != nil {
		return r.Finding.At
	}
	return r.They[0].At
}

// aboutWhich are the findings that the message is about.
func aboutWhich(s Sent, byID map[string]int, findings []Finding) (about []int) {
	for _, id := range s.IDs {
		if i, ok := byID[id]; ok && !slices.Contains(about, i) {
			about = append(about, i)
		}
	}
	if len(about) > 0 || len(s.IDs) > 0 {
		return about
	}
	const near = 15 * time.Minute
	for i, f := range findings {
		if s.At.Sub(f.At).Abs() <= near && len(f.Title) >= 12 && strings.Contains(s.all, f.Title) && (f.Account == "" || strings.Contains(s.all, f.Account)) {
			return []int{i}
		}
	}
	return nil
}

func pair(f *Finding, they []Sent) Row {
	row := Row{Side: Both, Finding: f, They: they, We: f.Told}
	switch {
	case len(f.Told) == 0:
		row.Side, row.Why = TheyOnly, whyNot(f)
	case len(they) == 0:
		row.Side, row.Why = WeOnly, "they sent nothing of it"
		if f.Level == tocsin.Critical {
			row.Why += "; a pattern that lists severities up to 8.9 never fires for Critical"
		}
	default:
		row.Later = f.Told[0].At.Sub(they[0].At).Milliseconds()
		if len(they) > len(f.Told) {
			row.Why = fmt.Sprintf("they sent %d messages of it, we %d: repeats are folded into one alert", len(they), len(f.Told))
		}
	}
	return row
}

// whyNot says why nobody is told by us.
func whyNot(f *Finding) string {
	why := string(f.Verdict)
	if f.Reason != "" {
		why += ": " + f.Reason
	}
	if f.Alert != 0 {
		why += fmt.Sprintf(" (alert %d)", f.Alert)
	}
	return why
}
