package store

import (
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A Page says how much of a long list to give: Limit rows (100 if 0) with a
// sequence below Before, newest first (no bound if 0).
type Page struct {
	Limit  int
	Before int64
}

// EventFilter chooses journal rows; empty fields choose all.
type EventFilter struct {
	Source, Account, Region, Type, Rule string
	Verdicts                            []tocsin.Verdict
	Alert                               int64
	Since, Until                        time.Time // received at Since or later, and before Until
	Page
}

// AlertFilter chooses alerts; empty fields choose all.
type AlertFilter struct {
	Statuses        []tocsin.Status
	MinLevel        tocsin.Level
	Account, Region string
	Type            string // a prefix: "CryptoCurrency:"
	Team, Assignee  string
	Unanswered      bool   // those alone that were escalated to the end, and nobody answered
	Text            string // anywhere in headline, title, type, account, region, resource, actor, id; any case; * is any run of characters
	// Sort is "level" (level, then age: oldest first; the default), "newest",
	// "changed", "count".
	Sort          string
	Limit, Offset int
}

// NotificationFilter chooses notifications; empty fields choose all.
type NotificationFilter struct {
	Alert    int64
	Receiver string
	Person   string
	Contact  int64
	States   []tocsin.State
	Kinds    []tocsin.Kind
	Since    time.Time // came to be owed at Since or later
	Page
}

// A Settlement is what came of one attempt at a notification. It is kept only if
// Attempts is still what the claim gave: whoever lost its lease cannot settle.
type Settlement struct {
	ID       int64
	Attempts int
	State    tocsin.State // Pending: try again at Due
	Due      time.Time
	At       time.Time
	Ref      string
	Error    string
	// Receiver, of a delivery, is counted with the time: see [Tx.ReceiverTotals].
	Receiver string
	// Started and Took say when the attempt began and how long it took. They are
	// kept of one that is to be tried again, with its Error.
	Started time.Time
	Took    time.Duration
}

// An Attempt is one that did not end its notification.
type Attempt struct {
	N     int
	At    time.Time
	Took  time.Duration
	Error string
}

// A Cancellation chooses pending notifications of one alert that nobody needs any
// more; empty fields choose all.
type Cancellation struct {
	Alert int64
	// Kinds are those that call for somebody to act, if none is given.
	Kinds            []tocsin.Kind
	Receiver, Person string
	Contact          int64
	Reason           string // for people: "acknowledged by ada"
	At               time.Time
}

// Totals are counts for pages and metrics.
type Totals struct {
	Verdicts      map[tocsin.Verdict]int64 // events in the journal; Duplicate counts redeliveries
	Alerts        map[tocsin.Status]int64
	OpenByLevel   map[tocsin.Level]int64
	Notifications map[tocsin.State]int64
	// OldestDue is the oldest Due of a pending notification, zero if none.
	OldestDue time.Time
}

// SourceActivity is when a source last brought an event, and how many.
type SourceActivity struct {
	Source    string
	LastEvent time.Time
	Events    int64
}

// Coverage is when an account and region were last heard of.
type Coverage struct {
	Account, Region string
	LastEvent       time.Time
	Events          int64
}
