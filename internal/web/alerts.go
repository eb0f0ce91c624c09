package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/setup"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// alertsPerPage is what a person can still scan.
const alertsPerPage = 50

// An alertQuery is what the address asks of the list of alerts.
type alertQuery struct {
	Status  string // "open", "acked", "closed" or "all"
	Level   tocsin.Level
	Account string // as typed: an id, or a configured name
	Region  string
	Type    string
	Text    string
	// Team and Assignee are names; Unanswered wants those alone that everybody was
	// told of, and nobody answered.
	Team, Assignee string
	Unanswered     bool
	Sort           string
	Page           int // from 1
}

var alertStatuses = []string{"open", "acked", "closed", "all"}

// alertSorts are the orders in the words of the page; the first is the default.
var alertSorts = []option{
	{Value: "level", Label: "Worst, then oldest"},
	{Value: "newest", Label: "Newest"},
	{Value: "changed", Label: "Changed last"},
	{Value: "count", Label: "Most frequent"},
}

func readAlertQuery(v url.Values) (alertQuery, error) {
	q := alertQuery{
		Status:  cmp.Or(v.Get("status"), "open"),
		Account: line(v.Get("account"), 200), Region: line(v.Get("region"), 40),
		Type: line(v.Get("type"), 200), Text: line(v.Get("q"), 400),
		Team: line(v.Get("team"), 200), Assignee: line(v.Get("assignee"), 200), Unanswered: v.Get("unanswered") != "",
		Sort: cmp.Or(v.Get("sort"), "level"), Page: 1,
	}
	if !slices.Contains(alertStatuses, q.Status) {
		return q, fmt.Errorf("status %q is none of %s", q.Status, strings.Join(alertStatuses, ", "))
	}
	if !slices.ContainsFunc(alertSorts, func(o option) bool { return o.Value == q.Sort }) {
		return q, fmt.Errorf("there is no order %q", q.Sort)
	}
	if s := v.Get("level"); s != "" {
		level, err := tocsin.ParseLevel(s)
		if err != nil {
			return q, err
		}
		q.Level = level
	}
	if s := v.Get("page"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 1_000_000 {
			return q, fmt.Errorf("page %q is not a number from 1", s)
		}
		q.Page = n
	}
	return q, nil
}

// filter is the query in the store's words.
func (q alertQuery) filter(accounts map[string]tocsin.Account) store.AlertFilter {
	f := store.AlertFilter{
		MinLevel: q.Level, Account: accountID(q.Account, accounts), Region: q.Region, Type: q.Type, Text: q.Text,
		Team: q.Team, Assignee: q.Assignee, Unanswered: q.Unanswered,
		Sort: q.Sort, Limit: alertsPerPage, Offset: (q.Page - 1) * alertsPerPage,
	}
	if q.Status != "all" {
		f.Statuses = []tocsin.Status{tocsin.Status(q.Status)}
	}
	return f
}

// Narrowed reports whether the query leaves alerts of its status out.
func (q alertQuery) Narrowed() bool {
	return q.Level != 0 || q.Account != "" || q.Region != "" || q.Type != "" || q.Text != "" || q.Team != "" || q.Assignee != "" || q.Unanswered
}

// href is the address of the list with the query; what is default is left out.
func (q alertQuery) href() string {
	return address("/",
		param{"status", q.Status, "open"},
		param{"level", q.Level.String(), tocsin.Unknown.String()},
		param{"account", q.Account, ""},
		param{"region", q.Region, ""},
		param{"type", q.Type, ""},
		param{"q", q.Text, ""},
		param{"team", q.Team, ""},
		param{"assignee", q.Assignee, ""},
		param{"unanswered", yes(q.Unanswered), ""},
		param{"sort", q.Sort, "level"},
		param{"page", strconv.Itoa(q.Page), "1"})
}

// accountID finds the account that a person means: by id, also between
// asterisks, or by its configured name. What is neither is given as it is.
func accountID(s string, accounts map[string]tocsin.Account) string {
	s = strings.Trim(s, "* ")
	if _, ok := accounts[s]; ok || s == "" {
		return s
	}
	for id, a := range accounts {
		if strings.EqualFold(a.Name, s) || strings.EqualFold(a.Label(), s) {
			return id
		}
	}
	return s
}

// accountLabel is the account as people call it.
func accountLabel(id string, accounts map[string]tocsin.Account) string {
	if a, ok := accounts[id]; ok {
		return a.Label()
	}
	return id
}

type alertsView struct {
	Query    alertQuery
	Tabs     []tab
	Counts   []levelCount
	Levels   []option
	Sorts    []option
	Accounts []tocsin.Account // for the field's suggestions
	More     int              // how many of the filters that are folded away are set
	Rows     []alertRow
	Pager    pager
	Empty    emptyAlerts
	Parked   int64
	Clear    string // the list without the filters
	Here     string // this list, to come back to
	Me       actor
	Teams    []string
	Reasons  []option
	Mine     tab // what the reader has taken on; without an address if nobody knows who reads
	// Unanswered leads to those that nobody answered.
	Unanswered tab
	Add        string // where a source is added; empty where that cannot be done
}

// Start reports whether there is nothing to filter yet: what comes next is to
// connect a source.
func (v alertsView) Start() bool { return v.Empty.NoSource || v.Empty.Nothing }

// A tab is one of a few ways to look at a list.
type tab struct {
	Label string
	Href  string
	Here  bool
	Count int64
}

// A levelCount is how many open alerts have a level, and the way to them.
type levelCount struct {
	Level tocsin.Level
	Count int64
	Href  string
	Here  bool
}

// An option is one choice of a select.
type option struct {
	Value, Label string
	Chosen       bool
}

// An emptyAlerts says why there is no row; at most one is true.
type emptyAlerts struct {
	NoSource bool // nothing is configured
	Nothing  bool // nothing ever came in
	Calm     bool // nothing of the status
	Narrowed bool // the filters leave nothing
	LastPage bool // the address asks for a page after the last
	Last     when // the last event of any source
	Source   string
}

// An alertRow is one alert in the list.
type alertRow struct {
	tocsin.Alert
	Label   string // the account's
	Opened  when
	Changed when
	Acked   when
	Closed  when
	Snooze  when // until when nobody is told; zero if it is not snoozed
}

func newAlertRow(a tocsin.Alert, accounts map[string]tocsin.Account, now time.Time) alertRow {
	r := alertRow{
		Alert: a, Label: accountLabel(a.Account, accounts),
		Opened: when{a.OpenedAt, now}, Changed: when{a.ChangedAt, now},
		Acked: when{a.AckedAt, now}, Closed: when{a.ClosedAt, now},
	}
	if a.Status != tocsin.StatusClosed && a.Snoozed(now) {
		r.Snooze = when{a.SnoozedUntil, now}
	}
	return r
}

// Unanswered reports whether everybody was told, and nobody answered.
func (r alertRow) Unanswered() bool {
	return r.Status == tocsin.StatusOpen && r.Escalation != nil && r.Escalation.Exhausted
}

// Fell reports whether the alert was worse than it is.
func (r alertRow) Fell() bool { return r.Worst > r.Level }

// What are the words of the alert, even where a finding gave none.
func (r alertRow) What() string {
	return cmp.Or(strings.TrimSpace(plain(r.Headline)), strings.TrimSpace(plain(r.Title)), r.Type,
		fmt.Sprintf("Alert %d", r.ID))
}

func (p *Pages) listAlerts(w http.ResponseWriter, r *http.Request) error {
	q, err := readAlertQuery(r.URL.Query())
	if err != nil {
		return badQuery("/", err)
	}
	in := alertsInput{Query: q, Accounts: p.opts.Accounts(), Now: p.opts.Now(), By: remembered(r), Add: p.addHref(setup.Source)}
	for _, t := range p.opts.Act.Teams() {
		in.Teams = append(in.Teams, t.Name)
	}
	err = p.opts.Store.View(r.Context(), in.read)
	if err != nil {
		return fmt.Errorf("alerts: %w", err)
	}
	if len(in.Alerts) == 0 {
		in.Sources = len(p.opts.Sources(r.Context()))
	}
	v := in.view()
	return show(p, w, r, http.StatusOK, p.alertsPage, head{Title: alertsTitle(v), Here: "alerts", Refresh: 30}, v)
}

// alertsTitle puts what is open into the browser's tab.
func alertsTitle(v alertsView) string {
	if n := v.Tabs[0].Count; n > 0 {
		return "(" + number(n) + ") Alerts"
	}
	return "Alerts"
}

// An alertsInput is all that the list of alerts is made of.
type alertsInput struct {
	Query    alertQuery
	Accounts map[string]tocsin.Account
	Now      time.Time
	By       string
	People   []tocsin.Person
	Teams    []string
	Alerts   []tocsin.Alert
	Total    int64
	Mine     int64 // live alerts that the reader has
	// Unanswered is how many nobody answered.
	Unanswered int64
	Totals     store.Totals
	Activity   []store.SourceActivity // read only where there is no row
	Add        string
	Sources    int // how many are configured, as Activity
}

func (in *alertsInput) read(tx *store.Tx) (err error) {
	if in.Alerts, in.Total, err = tx.Alerts(in.Query.filter(in.Accounts)); err != nil {
		return err
	}
	if in.People, err = tx.People(); err != nil {
		return err
	}
	if in.By != "" {
		if _, in.Mine, err = tx.Alerts(in.mine().filter(nil)); err != nil {
			return err
		}
	}
	if _, in.Unanswered, err = tx.Alerts(unanswered.filter(nil)); err != nil {
		return err
	}
	if in.Totals, err = tx.Totals(); err != nil || len(in.Alerts) > 0 {
		return err
	}
	in.Activity, err = tx.Sources()
	return err
}

// mine are the alerts that the reader has taken on or was given.
func (in alertsInput) mine() alertQuery {
	return alertQuery{Status: "acked", Assignee: in.By, Sort: "level", Page: 1}
}

// unanswered are the open alerts that everybody was told of, and nobody answered.
var unanswered = alertQuery{Status: "open", Unanswered: true, Sort: "level", Page: 1}

// yes is how a query says yes.
func yes(on bool) string {
	if on {
		return "1"
	}
	return ""
}

func (in alertsInput) view() alertsView {
	q := in.Query
	v := alertsView{
		Query: q, Tabs: in.tabs(), Counts: in.counts(), Accounts: sortedAccounts(in.Accounts),
		Levels: levelOptions(q.Level), Sorts: choose(alertSorts, q.Sort),
		More: set(q.Account) + set(q.Region) + set(q.Type) + set(q.Team) + set(q.Assignee), Parked: in.Totals.Notifications[tocsin.Parked],
		Clear: alertQuery{Status: q.Status, Sort: "level", Page: 1}.href(),
		Pager: in.pager(), Me: newActor(in.By, in.People), Teams: in.Teams, Reasons: reasonOptions(), Here: q.href(), Add: in.Add,
	}
	if in.By != "" {
		v.Mine = tab{Label: "Mine", Href: in.mine().href(), Here: q.Status == "acked" && q.Assignee == in.By, Count: in.Mine}
	}
	if in.Unanswered > 0 || q.Unanswered {
		v.Unanswered = tab{Label: "Unanswered", Href: unanswered.href(), Here: q.Unanswered, Count: in.Unanswered}
	}
	for _, a := range in.Alerts {
		v.Rows = append(v.Rows, newAlertRow(a, in.Accounts, in.Now))
	}
	if len(v.Rows) == 0 {
		v.Empty = in.empty()
	}
	return v
}

func (in alertsInput) tabs() []tab {
	counts, total := in.Totals.Alerts, int64(0)
	for _, n := range counts {
		total += n
	}
	labels := map[string]string{"open": "Open", "acked": "Acked", "closed": "Closed", "all": "All"}
	var tabs []tab
	for _, s := range alertStatuses {
		q := in.Query
		q.Status, q.Page = s, 1
		q.Unanswered = false
		t := tab{Label: labels[s], Href: q.href(), Here: s == in.Query.Status && !in.Query.Unanswered, Count: counts[tocsin.Status(s)]}
		if s == "all" {
			t.Count = total
		}
		tabs = append(tabs, t)
	}
	return tabs
}

// counts are the open alerts by level, worst first; pressing one again takes
// its filter off.
func (in alertsInput) counts() []levelCount {
	var cs []levelCount
	for l := tocsin.Critical; l >= tocsin.Informational; l-- {
		q := in.Query
		q.Status, q.Page = "open", 1
		here := in.Query.Level == l && in.Query.Status == "open"
		q.Level = l
		if here {
			q.Level = 0
		}
		cs = append(cs, levelCount{Level: l, Count: in.Totals.OpenByLevel[l], Href: q.href(), Here: here})
	}
	return cs
}

func (in alertsInput) pager() pager {
	q := in.Query
	pg := pager{Total: in.Total, From: int64((q.Page-1)*alertsPerPage) + 1}
	pg.To = pg.From + int64(len(in.Alerts)) - 1
	if q.Page > 1 {
		before := q
		before.Page--
		pg.Previous = before.href()
	}
	if pg.To < in.Total && len(in.Alerts) > 0 {
		after := q
		after.Page++
		pg.Next = after.href()
	}
	return pg
}

func (in alertsInput) empty() emptyAlerts {
	e := emptyAlerts{}
	for _, a := range in.Activity {
		if a.LastEvent.After(e.Last.At) {
			e.Last, e.Source = when{a.LastEvent, in.Now}, a.Source
		}
	}
	switch {
	case in.Total > 0:
		e.LastPage = true
	case in.Query.Narrowed():
		e.Narrowed = true
	case e.Last.Zero() && in.Sources == 0:
		e.NoSource = true
	case e.Last.Zero():
		e.Nothing = true
	default:
		e.Calm = true
	}
	return e
}
