package api

import (
	"context"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A Notification is one with all that was tried.
type Notification struct {
	tocsin.Notification
	Tries []Attempt `json:"tries,omitempty" doc:"The attempts after which it was to be tried again, in their order. The last attempt is the notification itself."`
}

// An Attempt is one that did not end its notification.
type Attempt struct {
	N          int       `json:"n" doc:"Which attempt it was, from 1."`
	At         time.Time `json:"at" doc:"When it began."`
	TookMillis int64     `json:"took_ms" doc:"How long it took, in milliseconds."`
	Error      string    `json:"error" doc:"What went wrong, without secrets."`
}

// Notifications is the answer to a list.
type Notifications struct {
	Notifications []Notification `json:"notifications" doc:"The notifications, the newest first."`
	Next          int64          `json:"next,omitempty" doc:"What before is to be for the next page; left out on the last."`
}

type listNotifications struct {
	Alert    int64          `query:"alert" jsonschema:"minimum=1" doc:"Notifications of this alert."`
	Receiver string         `query:"receiver" doc:"Notifications to this receiver of the configuration."`
	Person   string         `query:"person" doc:"Notifications to contact methods of this person."`
	State    []tocsin.State `query:"state" doc:"Notifications in this state; several may be given."`
	Kind     []tocsin.Kind  `query:"kind" doc:"Notifications of this kind; several may be given."`
	Since    time.Time      `query:"since" doc:"Notifications that came to be owed at this instant or later."`
	Before   int64          `query:"before" jsonschema:"minimum=1" doc:"Notifications with a smaller number: the next page."`
	Limit    int            `query:"limit" jsonschema:"minimum=1,maximum=1000,default=100" doc:"At most so many."`
}

func (a *api) listNotifications(ctx context.Context, in listNotifications) (Notifications, error) {
	f := store.NotificationFilter{
		Alert: in.Alert, Receiver: in.Receiver, Person: in.Person, States: in.State, Kinds: in.Kind, Since: in.Since,
		Page: store.Page{Limit: in.Limit, Before: in.Before},
	}
	return view(ctx, a, func(tx *store.Tx) (out Notifications, err error) {
		if out.Notifications, err = ledger(tx, f); err == nil && len(out.Notifications) == in.Limit {
			out.Next = out.Notifications[in.Limit-1].ID
		}
		return out, err
	})
}

// ledger reads notifications with their attempts.
func ledger(tx *store.Tx, f store.NotificationFilter) ([]Notification, error) {
	found, err := tx.Notifications(f)
	if err != nil {
		return nil, err
	}
	all := make([]Notification, len(found))
	for i, n := range found {
		if all[i], err = withTries(tx, n); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func withTries(tx *store.Tx, n tocsin.Notification) (Notification, error) {
	out := Notification{Notification: n}
	if n.Attempts == 0 {
		return out, nil
	}
	attempts, err := tx.Attempts(n.ID)
	for _, t := range attempts {
		out.Tries = append(out.Tries, Attempt{N: t.N, At: t.At, TookMillis: t.Took.Milliseconds(), Error: t.Error})
	}
	return out, err
}

func (a *api) showNotification(ctx context.Context, in byID) (Notification, error) {
	return view(ctx, a, func(tx *store.Tx) (Notification, error) {
		n, err := tx.Notification(in.ID)
		if err != nil {
			return Notification{}, err
		}
		return withTries(tx, n)
	})
}

// Who is the body of what needs to know no more than who does it.
type Who struct {
	By string `json:"by" jsonschema:"minLength=1,maxLength=200,example=ana" doc:"Who does it."`
}

type changeByID struct {
	byID
	Who `body:"json"`
}

// Done says that something was done of which there is nothing to show.
type Done struct {
	ID int64 `json:"id" doc:"The number of what it was done to."`
}

func (a *api) retry(ctx context.Context, in changeByID) (Done, error) {
	return Done{in.ID}, a.act.Retry(ctx, in.ID, in.By)
}
