package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// states are a notification's, in the order of the page: what needs a person first.
var states = []tocsin.State{tocsin.Parked, tocsin.Failed, tocsin.Pending, tocsin.Delivered, tocsin.Cancelled, tocsin.Shadow}

// A stateNote is a state as people read it.
type stateNote struct{ Word, Tone, Means string }

// noteOfState says what each state means.
func noteOfState(s tocsin.State) stateNote {
	n := stateNote{Word: title(s)}
	switch s {
	case tocsin.Pending:
		n.Tone, n.Means = "odd", "It is owed: not tried yet, being tried, or to be tried again."
	case tocsin.Delivered:
		n.Tone, n.Means = "good", "The receiver took it."
	case tocsin.Failed:
		n.Tone, n.Means = "bad", "The receiver refused it for good. It can be sent again."
	case tocsin.Parked:
		n.Tone, n.Means = "bad", "Its time ran out before the receiver took it. It can be sent again."
	case tocsin.Cancelled:
		n.Tone, n.Means = "quiet", "Nobody needed it any more: the alert was taken on, snoozed or closed before."
	case tocsin.Shadow:
		n.Tone, n.Means = "quiet", "A route that only shadows would have sent it. Nothing was sent."
	}
	return n
}

// kinds are a notification's, in the order in which they come in an alert's life.
var kinds = []option{
	{Value: "", Label: "Anything"},
	{Value: string(tocsin.TellOpened), Label: "Opened"},
	{Value: string(tocsin.TellRaised), Label: "Got worse"},
	{Value: string(tocsin.TellUpdated), Label: "Something new"},
	{Value: string(tocsin.TellAcknowledged), Label: "Acknowledged"},
	{Value: string(tocsin.TellChanged), Label: "Changed hands"},
	{Value: string(tocsin.TellClosed), Label: "Closed"},
	{Value: string(tocsin.TellDigest), Label: "Digest of several"},
	{Value: string(tocsin.TellNote), Label: "Note"},
	{Value: string(tocsin.TellCode), Label: "Code for an address"},
}

// A notificationQuery is what the address asks of the delivery ledger.
type notificationQuery struct {
	State    tocsin.State // empty is all
	Receiver string
	Person   string
	Kind     tocsin.Kind
	Before   int64
}

func readNotificationQuery(v url.Values) (q notificationQuery, err error) {
	q = notificationQuery{State: tocsin.State(v.Get("state")), Receiver: line(v.Get("receiver"), 200), Person: line(v.Get("person"), 200), Kind: tocsin.Kind(v.Get("kind"))}
	if !slices.ContainsFunc(kinds, func(o option) bool { return o.Value == string(q.Kind) }) {
		return q, fmt.Errorf("there is no kind %q", q.Kind)
	}
	if q.State != "" && !slices.Contains(states, q.State) {
		return q, fmt.Errorf("there is no state %q", q.State)
	}
	q.Before, err = positive(v, "before")
	return q, err
}

func (q notificationQuery) filter() store.NotificationFilter {
	f := store.NotificationFilter{Receiver: q.Receiver, Person: q.Person, Page: store.Page{Limit: rowsPerPage + 1, Before: q.Before}}
	if q.State != "" {
		f.States = []tocsin.State{q.State}
	}
	if q.Kind != "" {
		f.Kinds = []tocsin.Kind{q.Kind}
	}
	return f
}

func (q notificationQuery) href() string {
	return address("/notifications",
		param{"state", string(q.State), ""},
		param{"receiver", q.Receiver, ""},
		param{"person", q.Person, ""},
		param{"kind", string(q.Kind), ""},
		param{"before", strconv.FormatInt(q.Before, 10), "0"})
}

type notificationsView struct {
	Query     notificationQuery
	Tabs      []tab
	Receivers []string // for the fields' suggestions
	People    []string
	Kinds     []option
	Means     []stateNote
	Parked    notificationTable
	Rest      notificationTable
	// OldestDue is the oldest pending notification's time, where it is overdue.
	Overdue  when
	Pager    pager
	Narrowed bool
}

// A notificationTable is rows, on an alert's own page or with their alerts.
type notificationTable struct {
	Rows    []notificationRow
	OfAlert int64 // the alert whose page it is; 0 where rows name their alerts
	Caption string
}

// A notificationRow is one line of the delivery ledger.
type notificationRow struct {
	tocsin.Notification
	Headline string // the alert's, where rows name their alerts
	Level    tocsin.Level
	Created  when
	Next     when // the next attempt of what is pending
	Settled  when
	stateNote
	KindWord string
	Tries    []tryRow // every attempt, the first first
}

// A tryRow is one attempt.
type tryRow struct {
	N     int
	When  when
	Took  string
	Error string
}

// Retryable reports whether a person can send it again.
func (r notificationRow) Retryable() bool {
	return r.State == tocsin.Parked || r.State == tocsin.Failed
}

// When is the time that matters in the row's state.
func (r notificationRow) When() when {
	switch {
	case r.State == tocsin.Pending && r.Attempts > 0:
		return r.Next
	case r.State != tocsin.Pending && !r.Settled.Zero():
		return r.Settled
	}
	return r.Created
}

// WhenWord says which time When is.
func (r notificationRow) WhenWord() string {
	switch {
	case r.State == tocsin.Pending && r.Attempts > 0:
		return "next try"
	case r.State != tocsin.Pending && !r.Settled.Zero():
		return string(r.State)
	}
	return "owed"
}

// notificationRows are the rows of ns; alerts, by id, may lack some, and so may
// attempts.
func notificationRows(ns []tocsin.Notification, alerts map[int64]tocsin.Alert, attempts map[int64][]store.Attempt, now time.Time) []notificationRow {
	var rows []notificationRow
	for _, n := range ns {
		row := notificationRow{
			Notification: n, stateNote: noteOfState(n.State), KindWord: kindWord(n.Kind),
			Created: when{n.CreatedAt, now}, Next: when{n.Due, now}, Settled: when{n.SettledAt, now},
		}
		if a, ok := alerts[n.Alert]; ok {
			row.Headline, row.Level = alertRow{Alert: a}.What(), a.Level
		}
		for _, t := range attempts[n.ID] {
			row.Tries = append(row.Tries, tryRow{N: t.N, When: when{t.At, now}, Took: took(t.Took), Error: t.Error})
		}
		if len(row.Tries) > 0 && !n.SettledAt.IsZero() {
			last := tryRow{N: n.Attempts, When: row.Settled, Error: string(n.State)}
			if n.State != tocsin.Delivered && n.LastError != "" {
				last.Error = n.LastError
			}
			row.Tries = append(row.Tries, last)
		}
		rows = append(rows, row)
	}
	return rows
}

func kindWord(k tocsin.Kind) string {
	for _, o := range kinds {
		if o.Value == string(k) {
			return o.Label
		}
	}
	return title(k)
}

// took says how long an attempt took.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// attemptsOf reads the attempts at those that were tried more than once.
func attemptsOf(tx *store.Tx, ns []tocsin.Notification) (map[int64][]store.Attempt, error) {
	all := map[int64][]store.Attempt{}
	for _, n := range ns {
		if n.Attempts < 2 && (n.Attempts < 1 || n.State != tocsin.Pending) {
			continue
		}
		list, err := tx.Attempts(n.ID)
		if err != nil {
			return nil, err
		}
		all[n.ID] = list
	}
	return all, nil
}

func (p *Pages) listNotifications(w http.ResponseWriter, r *http.Request) error {
	q, err := readNotificationQuery(r.URL.Query())
	if err != nil {
		return badQuery("/notifications", err)
	}
	in := notificationsInput{Query: q, Now: p.opts.Now(), Receivers: p.opts.Receivers()}
	err = p.opts.Store.View(r.Context(), in.read)
	if err != nil {
		return fmt.Errorf("notifications: %w", err)
	}
	return show(p, w, r, http.StatusOK, p.notificationsPage, logHead("Notifications", "notifications", q.Before), in.view())
}

// A notificationsInput is all that the delivery ledger's page is made of.
type notificationsInput struct {
	Query         notificationQuery
	Now           time.Time
	Parked        []tocsin.Notification // shown above an unfiltered list
	Notifications []tocsin.Notification // one more than is shown says that there are more
	Alerts        map[int64]tocsin.Alert
	Attempts      map[int64][]store.Attempt
	Totals        store.Totals
	Receivers     []ReceiverInfo
	People        []tocsin.Person
}

// parkedShown is how many parked notifications stand above the list.
const parkedShown = 10

func (in *notificationsInput) read(tx *store.Tx) (err error) {
	if in.Notifications, err = tx.Notifications(in.Query.filter()); err != nil {
		return err
	}
	if in.Query.State == "" && in.Query.Before == 0 {
		in.Parked, err = tx.Notifications(store.NotificationFilter{
			Receiver: in.Query.Receiver, Person: in.Query.Person, Kinds: in.Query.filter().Kinds, States: []tocsin.State{tocsin.Parked}, Page: store.Page{Limit: parkedShown},
		})
		if err != nil {
			return err
		}
	}
	if in.Totals, err = tx.Totals(); err != nil {
		return err
	}
	if in.People, err = tx.People(); err != nil {
		return err
	}
	all := slices.Concat(in.Parked, in.Notifications)
	if in.Attempts, err = attemptsOf(tx, all); err != nil {
		return err
	}
	in.Alerts, err = alertsOf(tx, all)
	return err
}

// alertsOf reads the alerts that notifications are about.
func alertsOf(tx *store.Tx, ns []tocsin.Notification) (map[int64]tocsin.Alert, error) {
	all := map[int64]tocsin.Alert{}
	for _, n := range ns {
		if _, ok := all[n.Alert]; ok || n.Alert == 0 {
			continue
		}
		a, err := tx.Alert(n.Alert)
		if errors.Is(err, store.ErrNotFound) {
			continue // older than what is kept
		}
		if err != nil {
			return nil, err
		}
		all[n.Alert] = a
	}
	return all, nil
}

func (in notificationsInput) view() notificationsView {
	q := in.Query
	v := notificationsView{
		Query: q, Tabs: in.tabs(), Pager: pager{Timeline: true}, Narrowed: q.State != "" || q.Receiver != "" || q.Person != "" || q.Kind != "",
		Kinds:  choose(kinds, string(q.Kind)),
		Parked: notificationTable{Rows: notificationRows(in.Parked, in.Alerts, in.Attempts, in.Now), Caption: "Parked"},
	}
	shown := in.Notifications
	if len(shown) > rowsPerPage {
		shown = shown[:rowsPerPage]
		older := q
		older.Before = shown[len(shown)-1].ID
		v.Pager.Next = older.href()
	}
	if q.Before != 0 {
		newest := q
		newest.Before = 0
		v.Pager.Previous = newest.href()
	}
	above := map[int64]bool{}
	for _, n := range in.Parked {
		above[n.ID] = true
	}
	rest := slices.DeleteFunc(slices.Clone(shown), func(n tocsin.Notification) bool { return above[n.ID] })
	v.Rest = notificationTable{Rows: notificationRows(rest, in.Alerts, in.Attempts, in.Now), Caption: "Notifications"}
	for _, n := range slices.Concat(in.Parked, shown) {
		if !slices.Contains(v.Receivers, n.Receiver) {
			v.Receivers = append(v.Receivers, n.Receiver)
		}
	}
	for _, one := range in.Receivers {
		if !slices.Contains(v.Receivers, one.Name) {
			v.Receivers = append(v.Receivers, one.Name)
		}
	}
	slices.Sort(v.Receivers)
	for _, one := range in.People {
		v.People = append(v.People, one.Name)
	}
	for _, s := range states {
		v.Means = append(v.Means, noteOfState(s))
	}
	// A minute is more than the sender ever rests between two looks.
	if due := in.Totals.OldestDue; !due.IsZero() && in.Now.Sub(due) > time.Minute {
		v.Overdue = when{due, in.Now}
	}
	return v
}

func (in notificationsInput) tabs() []tab {
	all := in.Query
	all.State, all.Before = "", 0
	tabs := []tab{{Label: "All", Href: all.href(), Here: in.Query.State == ""}}
	for _, s := range states {
		q := all
		q.State = s
		n := in.Totals.Notifications[s]
		tabs[0].Count += n
		if n == 0 && in.Query.State != s && (s == tocsin.Cancelled || s == tocsin.Shadow) {
			continue
		}
		tabs = append(tabs, tab{Label: title(s), Href: q.href(), Here: in.Query.State == s, Count: n})
	}
	return tabs
}

func (p *Pages) retryNotification(w http.ResponseWriter, r *http.Request) error {
	id, err := readForm(r)
	if err != nil {
		return err
	}
	who := remembered(r)
	if who == "" {
		who = "web"
	}
	if err := p.opts.Act.Retry(r.Context(), id, who); err != nil {
		return fmt.Errorf("send notification %d again: %w", id, err)
	}
	back := "/notifications"
	if alert, err := positive(r.PostForm, "alert"); err == nil && alert != 0 {
		back = fmt.Sprintf("/alerts/%d", alert)
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}
