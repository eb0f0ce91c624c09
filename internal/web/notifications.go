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
var states = []tocsin.State{tocsin.Parked, tocsin.Failed, tocsin.Pending, tocsin.Delivered}

// A notificationQuery is what the address asks of the delivery ledger.
type notificationQuery struct {
	State    tocsin.State // empty is all
	Receiver string
	Before   int64
}

func readNotificationQuery(v url.Values) (q notificationQuery, err error) {
	q = notificationQuery{State: tocsin.State(v.Get("state")), Receiver: line(v.Get("receiver"), 200)}
	if q.State != "" && !slices.Contains(states, q.State) {
		return q, fmt.Errorf("there is no state %q", q.State)
	}
	q.Before, err = positive(v, "before")
	return q, err
}

func (q notificationQuery) filter() store.NotificationFilter {
	f := store.NotificationFilter{Receiver: q.Receiver, Page: store.Page{Limit: rowsPerPage + 1, Before: q.Before}}
	if q.State != "" {
		f.States = []tocsin.State{q.State}
	}
	return f
}

func (q notificationQuery) href() string {
	return address("/notifications",
		param{"state", string(q.State), ""},
		param{"receiver", q.Receiver, ""},
		param{"before", strconv.FormatInt(q.Before, 10), "0"})
}

type notificationsView struct {
	Query     notificationQuery
	Tabs      []tab
	Receivers []string // for the field's suggestions
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
	Word     string
	Tone     string // class of the state's badge
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

var stateTones = map[tocsin.State]string{
	tocsin.Parked: "bad", tocsin.Failed: "bad", tocsin.Pending: "odd", tocsin.Delivered: "good",
}

// notificationRows are the rows of ns; alerts, by id, may lack some.
func notificationRows(ns []tocsin.Notification, alerts map[int64]tocsin.Alert, now time.Time) []notificationRow {
	var rows []notificationRow
	for _, n := range ns {
		row := notificationRow{
			Notification: n, Word: title(n.State), Tone: stateTones[n.State],
			Created: when{n.CreatedAt, now}, Next: when{n.Due, now}, Settled: when{n.SettledAt, now},
		}
		if a, ok := alerts[n.Alert]; ok {
			row.Headline, row.Level = alertRow{Alert: a}.What(), a.Level
		}
		rows = append(rows, row)
	}
	return rows
}

func (p *Pages) listNotifications(w http.ResponseWriter, r *http.Request) error {
	q, err := readNotificationQuery(r.URL.Query())
	if err != nil {
		return badQuery("/notifications", err)
	}
	in := notificationsInput{Query: q, Now: p.opts.Now()}
	err = p.opts.Store.View(r.Context(), in.read)
	if err != nil {
		return fmt.Errorf("notifications: %w", err)
	}
	return show(p, w, http.StatusOK, p.notificationsPage, logHead("Notifications", "notifications", q.Before), in.view())
}

// A notificationsInput is all that the delivery ledger's page is made of.
type notificationsInput struct {
	Query         notificationQuery
	Now           time.Time
	Parked        []tocsin.Notification // shown above an unfiltered list
	Notifications []tocsin.Notification // one more than is shown says that there are more
	Alerts        map[int64]tocsin.Alert
	Totals        store.Totals
}

// parkedShown is how many parked notifications stand above the list.
const parkedShown = 10

func (in *notificationsInput) read(tx *store.Tx) (err error) {
	if in.Notifications, err = tx.Notifications(in.Query.filter()); err != nil {
		return err
	}
	if in.Query.State == "" && in.Query.Before == 0 {
		in.Parked, err = tx.Notifications(store.NotificationFilter{
			Receiver: in.Query.Receiver, States: []tocsin.State{tocsin.Parked}, Page: store.Page{Limit: parkedShown},
		})
		if err != nil {
			return err
		}
	}
	if in.Totals, err = tx.Totals(); err != nil {
		return err
	}
	in.Alerts = map[int64]tocsin.Alert{}
	for _, n := range slices.Concat(in.Parked, in.Notifications) {
		if _, ok := in.Alerts[n.Alert]; ok {
			continue
		}
		a, err := tx.Alert(n.Alert)
		if errors.Is(err, store.ErrNotFound) {
			continue // older than what is kept
		}
		if err != nil {
			return err
		}
		in.Alerts[n.Alert] = a
	}
	return nil
}

func (in notificationsInput) view() notificationsView {
	q := in.Query
	v := notificationsView{
		Query: q, Tabs: in.tabs(), Pager: pager{Timeline: true}, Narrowed: q.State != "" || q.Receiver != "",
		Parked: notificationTable{Rows: notificationRows(in.Parked, in.Alerts, in.Now), Caption: "Parked"},
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
	v.Rest = notificationTable{Rows: notificationRows(rest, in.Alerts, in.Now), Caption: "Notifications"}
	for _, n := range slices.Concat(in.Parked, shown) {
		if !slices.Contains(v.Receivers, n.Receiver) {
			v.Receivers = append(v.Receivers, n.Receiver)
		}
	}
	slices.Sort(v.Receivers)
	// A minute is more than the sender ever rests between two looks.
	if due := in.Totals.OldestDue; !due.IsZero() && in.Now.Sub(due) > time.Minute {
		v.Overdue = when{due, in.Now}
	}
	return v
}

func (in notificationsInput) tabs() []tab {
	all := notificationQuery{Receiver: in.Query.Receiver}
	tabs := []tab{{Label: "All", Href: all.href(), Here: in.Query.State == ""}}
	for _, s := range states {
		q := all
		q.State = s
		n := in.Totals.Notifications[s]
		tabs[0].Count += n
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
