package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// rowsPerPage is how many lines of a log a page shows.
const rowsPerPage = 100

// An inboundQuery is what the address asks of the inbound log.
type inboundQuery struct {
	Verdict tocsin.Verdict // empty is all
	Source  string
	Account string // as typed
	Alert   int64
	Before  int64
}

func readInboundQuery(v url.Values) (q inboundQuery, err error) {
	q = inboundQuery{
		Verdict: tocsin.Verdict(v.Get("verdict")),
		Source:  line(v.Get("source"), 200), Account: line(v.Get("account"), 200),
	}
	if q.Verdict != "" && !slices.Contains(tocsin.Verdicts(), q.Verdict) {
		return q, fmt.Errorf("there is no verdict %q", q.Verdict)
	}
	if q.Alert, err = positive(v, "alert"); err != nil {
		return q, err
	}
	q.Before, err = positive(v, "before")
	return q, err
}

// positive reads an optional number; 0 says that there is none.
func positive(v url.Values, name string) (int64, error) {
	s := line(v.Get(name), 30)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s %q is not a number from 1", name, s)
	}
	return n, nil
}

func (q inboundQuery) filter(accounts map[string]tocsin.Account) store.EventFilter {
	f := store.EventFilter{
		Source: q.Source, Account: accountID(q.Account, accounts), Alert: q.Alert,
		Page: store.Page{Limit: rowsPerPage + 1, Before: q.Before},
	}
	if q.Verdict != "" {
		f.Verdicts = []tocsin.Verdict{q.Verdict}
	}
	return f
}

func (q inboundQuery) href() string {
	return address("/inbound",
		param{"verdict", string(q.Verdict), ""},
		param{"source", q.Source, ""},
		param{"account", q.Account, ""},
		param{"alert", strconv.FormatInt(q.Alert, 10), "0"},
		param{"before", strconv.FormatInt(q.Before, 10), "0"})
}

type inboundView struct {
	Query    inboundQuery
	Tabs     []tab
	Sources  []option
	Accounts []tocsin.Account
	Rows     []eventRow
	Pager    pager
	// Narrowed says that filters are set: then an empty list does not say that
	// nothing came in.
	Narrowed bool
	Clear    string
}

// An eventRow is one line of the inbound log.
type eventRow struct {
	tocsin.Event
	Label string // the account's
	When  when
	Note  verdictNote
}

// A verdictNote is a verdict as a page shows it.
type verdictNote struct {
	Word     string // "Opened"
	AlertOps string // AlertOps's name for it
	Tone     string // class of its badge: "news", "calm", "quiet", "odd", "bad"
	Means    string
}

// noteOf says what each verdict means.
func noteOf(v tocsin.Verdict) verdictNote {
	n := verdictNote{Word: title(v), AlertOps: v.AlertOps()}
	switch v {
	case tocsin.Opened:
		n.Tone, n.Means = "news", "It opened an alert."
	case tocsin.Updated:
		n.Tone, n.Means = "news", "It brought news to an alert."
	case tocsin.Appended:
		n.Tone, n.Means = "calm", "It was recorded on an alert that knew as much or more."
	case tocsin.Closed:
		n.Tone, n.Means = "calm", "It closed an alert."
	case tocsin.Filtered:
		n.Tone, n.Means = "quiet", "No rule wants it, a rule drops it, or it is below the account's minimum."
	case tocsin.Suppressed:
		n.Tone, n.Means = "quiet", "It was recorded on an alert that nobody is to be told of."
	case tocsin.Silenced:
		n.Tone, n.Means = "quiet", "It was recorded, and nobody was told because of a silence."
	case tocsin.Watched:
		n.Tone, n.Means = "quiet", "tocsin sent it itself, to see that the way is open. Nobody is told of it."
	case tocsin.Ignored:
		n.Tone, n.Means = "quiet", "It is news, an acknowledgement or an end of an alert that is not there."
	case tocsin.Unmapped:
		n.Tone, n.Means = "odd", "It is JSON of a shape that nothing here reads."
	case tocsin.Malformed:
		n.Tone, n.Means = "bad", "It is not JSON, or not a finding in spite of its looks."
	case tocsin.Duplicate:
		n.Tone, n.Means = "quiet", "It is a redelivery of an event that is in the log."
	}
	return n
}

func (p *Pages) listInbound(w http.ResponseWriter, r *http.Request) error {
	q, err := readInboundQuery(r.URL.Query())
	if err != nil {
		return badQuery("/inbound", err)
	}
	in := inboundInput{Query: q, Accounts: p.opts.Accounts(), Now: p.opts.Now()}
	for _, s := range p.opts.Sources(r.Context()) {
		in.Sources = append(in.Sources, s.Name)
	}
	err = p.opts.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		if in.Events, err = tx.Events(q.filter(in.Accounts)); err != nil {
			return err
		}
		in.Totals, err = tx.Totals()
		return err
	})
	if err != nil {
		return fmt.Errorf("inbound log: %w", err)
	}
	return show(p, w, r, http.StatusOK, p.inboundPage, logHead("Inbound log", "inbound", q.Before), in.view())
}

// An inboundInput is all that the inbound log's page is made of.
type inboundInput struct {
	Query    inboundQuery
	Accounts map[string]tocsin.Account
	Sources  []string
	Now      time.Time
	Events   []tocsin.Event // one more than is shown says that there are more
	Totals   store.Totals
}

func (in inboundInput) view() inboundView {
	q := in.Query
	v := inboundView{
		Query: q, Tabs: in.tabs(), Accounts: sortedAccounts(in.Accounts), Sources: in.sources(),
		Narrowed: q.Verdict != "" || q.Source != "" || q.Account != "" || q.Alert != 0, Clear: "/inbound",
		Pager: pager{Timeline: true},
	}
	shown := in.Events
	if len(shown) > rowsPerPage {
		shown = shown[:rowsPerPage]
		older := q
		older.Before = shown[len(shown)-1].Seq
		v.Pager.Next = older.href()
	}
	if q.Before != 0 {
		newest := q
		newest.Before = 0
		v.Pager.Previous = newest.href()
	}
	v.Rows = eventRows(shown, in.Accounts, in.Now)
	return v
}

// tabs are the verdicts that ever were, with how often.
func (in inboundInput) tabs() []tab {
	all := in.Query
	all.Verdict, all.Before = "", 0
	tabs := []tab{{Label: "All", Href: all.href(), Here: in.Query.Verdict == ""}}
	for _, v := range tocsin.Verdicts() {
		n := in.Totals.Verdicts[v]
		if v != tocsin.Duplicate { // a redelivery has no line of its own
			tabs[0].Count += n
		}
		here := in.Query.Verdict == v
		if (n == 0 || v == tocsin.Duplicate) && !here {
			continue
		}
		q := all
		q.Verdict = v
		tabs = append(tabs, tab{Label: title(v), Href: q.href(), Here: here, Count: n})
	}
	return tabs
}

// sources are the configured ones, and the one asked for if it is none of them.
func (in inboundInput) sources() []option {
	names := slices.Clone(in.Sources)
	if q := in.Query.Source; q != "" && !slices.Contains(names, q) {
		names = append(names, q)
	}
	slices.Sort(names)
	os := []option{{Label: "Any source", Chosen: in.Query.Source == ""}}
	for _, n := range names {
		os = append(os, option{Value: n, Label: n, Chosen: n == in.Query.Source})
	}
	return os
}

func eventRows(evs []tocsin.Event, accounts map[string]tocsin.Account, now time.Time) []eventRow {
	var rows []eventRow
	for _, ev := range evs {
		rows = append(rows, newEventRow(ev, accounts, now))
	}
	return rows
}

func newEventRow(ev tocsin.Event, accounts map[string]tocsin.Account, now time.Time) eventRow {
	return eventRow{Event: ev, Label: accountLabel(ev.Account, accounts), When: when{ev.ReceivedAt, now}, Note: noteOf(ev.Verdict)}
}
