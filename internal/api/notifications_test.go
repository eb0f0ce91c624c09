package api_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// told adds to the three notifications to soc (#1 to #3) one that ana was sent by
// mail (#4) and one that failed (#5).
func (h house) told(t *testing.T) {
	t.Helper()
	at := night.Add(10 * time.Minute)
	check(t, h.store.Update(t.Context(), func(tx *store.Tx) error {
		c := &tocsin.Contact{Person: "ana", Receiver: "mail", Address: "ana@example.com", VerifiedAt: night}
		if err := tx.SaveContact(c); err != nil {
			return err
		}
		return tx.Owe([]*tocsin.Notification{
			{Alert: 1, Receiver: "mail", Person: "ana", Contact: c.ID, Kind: tocsin.TellRaised, State: tocsin.Delivered, CreatedAt: at, Due: at, Deadline: at, SettledAt: at, Attempts: 1},
			{Alert: 1, Receiver: "web", Kind: tocsin.TellClosed, State: tocsin.Failed, CreatedAt: at, Due: at, Deadline: at, SettledAt: at, LastError: "404 Not Found"},
		})
	}))
}

func TestTheLedgerIsFilteredAndPaged(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.fail(t, 1)
	h.told(t)
	for _, tt := range []struct {
		name, query string
		want        []int64
		next        int64
	}{
		{"the newest first", "", []int64{5, 4, 3, 2, 1}, 0},
		{"of one alert", "?alert=1", []int64{5, 4, 1}, 0},
		{"to a receiver", "?receiver=web", []int64{5}, 0},
		{"to a person", "?person=ana", []int64{4}, 0},
		{"in a state", "?state=failed", []int64{5}, 0},
		{"in any of two states", "?state=failed&state=delivered", []int64{5, 4}, 0},
		{"of a kind", "?kind=raised", []int64{4}, 0},
		{"of any of two kinds", "?kind=raised&kind=closed", []int64{5, 4}, 0},
		{"since a time", "?since=2026-06-12T02:32:00Z", []int64{5, 4, 3}, 0},
		{"since a time by another clock", "?since=2026-06-12T04:32:00%2B02:00", []int64{5, 4, 3}, 0},
		{"a page", "?limit=2", []int64{5, 4}, 4},
		{"the next page", "?limit=2&before=4", []int64{3, 2}, 2},
		{"the last page", "?limit=2&before=2", []int64{1}, 0},
		{"nothing", "?person=nobody", nil, 0},
	} {
		var list api.Notifications
		ask(t, h, "GET", "/api/notifications"+tt.query, "", 200, &list)
		var got []int64
		for _, n := range list.Notifications {
			got = append(got, n.ID)
		}
		if !slices.Equal(got, tt.want) || list.Next != tt.next {
			t.Errorf("%s: %s gives %v and then %d, want %v and %d", tt.name, tt.query, got, list.Next, tt.want, tt.next)
		}
	}
	var n api.Notification
	ask(t, h, "GET", "/api/notifications/1", "", 200, &n)
	if len(n.Tries) != 1 || n.Tries[0].Error != "503 Service Unavailable" || !n.Tries[0].At.Equal(night) {
		t.Errorf("its tries are %+v", n.Tries)
	}
	ask(t, h, "GET", "/api/notifications/99", "", 404, nil)
}

func TestWhatFailedIsSentAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.told(t)
	var done api.Done
	ask(t, h, "POST", "/api/notifications/5/retry", `{"by":"ana"}`, 200, &done)
	if done.ID != 5 {
		t.Errorf("done: %+v", done)
	}
	var list api.Notifications
	ask(t, h, "GET", "/api/notifications?receiver=web&state=pending", "", 200, &list)
	if len(list.Notifications) != 1 || list.Notifications[0].Kind != tocsin.TellClosed {
		t.Errorf("owed afterwards: %+v", list.Notifications)
	}
	ask(t, h, "POST", "/api/notifications/4/retry", `{"by":"ana"}`, 409, nil)
	ask(t, h, "POST", "/api/notifications/99/retry", `{"by":"ana"}`, 404, nil)
}
