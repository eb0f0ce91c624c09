package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// ofTheOutbox are the promises of what people are owed.
var ofTheOutbox = []promise{
	{"a message to a person comes back as it was owed", personalMessages},
	{"one contact method does not wait for another", contactsDoNotWait},
	{"what is about no alert has no order", noAlertNoOrder},
	{"a digest takes all that wait for one place", digestsAreWhole},
	{"a digest waits for what was owed before it", digestsKeepOrder},
	{"two replicas send one digest once", digestsAreExclusive},
	{"what nobody needs any more is cancelled", cancellations},
	{"a delivery that is under way is not cancelled", leasedAreNotCancelled},
	{"the next message can be brought forward", advances},
	{"how much an address was sent lately", recentMessages},
	{"attempts that failed are kept", attemptsAreKept},
	{"when somebody was told first", firstDelivered},
	{"what each receiver and each route took is counted", takersAreCounted},
}

// to is an opening owed to a contact method, due at second n.
func to(alert, contact int64, n int) *tocsin.Notification {
	return &tocsin.Notification{
		Alert: alert, Receiver: "sms", Person: fmt.Sprint("person ", contact), Contact: contact,
		Kind: tocsin.TellOpened, CreatedAt: at(0), Due: at(n),
	}
}

// digest is one that waits for its place's digest.
func digest(alert, contact int64, n int) *tocsin.Notification {
	d := to(alert, contact, n)
	d.Digest = true
	return d
}

func claimDigest(t *testing.T, s *store.Store, now time.Time, limit int) []tocsin.Notification {
	t.Helper()
	var claimed []tocsin.Notification
	update(t, s, func(tx *store.Tx) (err error) {
		claimed, err = tx.ClaimDigest("sms", now, time.Minute, limit)
		return err
	})
	return claimed
}

func cancel(t *testing.T, s *store.Store, c store.Cancellation) []int64 {
	t.Helper()
	var cancelled []int64
	update(t, s, func(tx *store.Tx) (err error) {
		cancelled, err = tx.Cancel(c)
		return err
	})
	return cancelled
}

func notification(t *testing.T, s *store.Store, id int64) tocsin.Notification {
	t.Helper()
	var n tocsin.Notification
	view(t, s, func(tx *store.Tx) (err error) {
		n, err = tx.Notification(id)
		return err
	})
	return n
}

func personalMessages(t *testing.T, s *store.Store) {
	n := to(0, 7, 5)
	n.Kind, n.Text, n.Digest, n.State, n.Deadline = tocsin.TellNote, "a gap ☃ ahead", true, tocsin.Pending, at(60)
	owe(t, s, n)
	same(t, "notification", notification(t, s, n.ID), *n)
}

func contactsDoNotWait(t *testing.T, s *store.Store) {
	// The first rule of a person is a push at once, the second a call in five
	// minutes; then it gets worse, and both are owed once more.
	call, push, worse, own := to(1, 2, 300), to(1, 1, 0), to(1, 1, 60), &tocsin.Notification{Alert: 1, Receiver: "sms", Due: at(0)}
	worseCall := to(1, 2, 200)
	owe(t, s, call, push, worse, own, worseCall)
	same(t, "claimed at 0", ids(claim(t, s, "sms", at(0), 10)), []int64{push.ID, own.ID})
	settle(t, s,
		store.Settlement{ID: push.ID, Attempts: 1, State: tocsin.Delivered, At: at(1)},
		store.Settlement{ID: own.ID, Attempts: 1, State: tocsin.Delivered, At: at(1)})
	same(t, "claimed at 200", ids(claim(t, s, "sms", at(200), 10)), []int64{worse.ID})
	view(t, s, func(tx *store.Tx) error {
		next, err := tx.NextDue()
		same(t, "NextDue", next, map[string]time.Time{"sms": at(260)}) // the lease; then the call
		return err
	})
	settle(t, s, store.Settlement{ID: worse.ID, Attempts: 1, State: tocsin.Delivered, At: at(201)})
	view(t, s, func(tx *store.Tx) error {
		next, err := tx.NextDue()
		same(t, "NextDue", next, map[string]time.Time{"sms": at(300)})
		return err
	})
	same(t, "claimed at 300", ids(claim(t, s, "sms", at(300), 10)), []int64{call.ID})
}

func noAlertNoOrder(t *testing.T, s *store.Store) {
	first, second, digested := to(0, 1, 100), to(0, 1, 0), digest(0, 1, 0)
	owe(t, s, first, second, digested)
	same(t, "claimed at 0", ids(claim(t, s, "sms", at(0), 10)), []int64{second.ID})
	same(t, "in a digest", ids(claimDigest(t, s, at(0), 10)), []int64{digested.ID})
}

func digestsAreWhole(t *testing.T, s *store.Store) {
	a1, a2, later := digest(1, 1, 10), digest(2, 1, 20), digest(3, 1, 100)
	b1, own, ownToo := digest(1, 2, 5), digest(1, 0, 30), digest(2, 0, 30)
	a1Again, alone := digest(1, 1, 15), to(9, 1, 0)
	owe(t, s, a1, a2, later, b1, own, ownToo, a1Again, alone)
	same(t, "claimed one by one", ids(claim(t, s, "sms", at(60), 10)), []int64{alone.ID})
	same(t, "before any is due", ids(claimDigest(t, s, at(4), 10)), []int64{})
	same(t, "for who waited longest", ids(claimDigest(t, s, at(60), 10)), []int64{b1.ID})
	got := claimDigest(t, s, at(60), 10)
	same(t, "for the next, one alert twice", ids(got), []int64{a1.ID, a2.ID, a1Again.ID})
	for _, n := range got {
		if !n.Digest || n.Attempts != 1 || !n.Due.Equal(at(120)) {
			t.Errorf("claimed %+v, want a first attempt leased until %s", n, at(120))
		}
	}
	same(t, "for the receiver's own place, as far as there is room", ids(claimDigest(t, s, at(60), 1)), []int64{own.ID})
	same(t, "and the rest", ids(claimDigest(t, s, at(60), 10)), []int64{ownToo.ID})
	same(t, "when all are leased", ids(claimDigest(t, s, at(60), 10)), []int64{})
	same(t, "with no limit left", ids(claimDigest(t, s, at(1000), 0)), []int64{})
	var ss []store.Settlement
	for _, n := range got {
		ss = append(ss, store.Settlement{ID: n.ID, Attempts: 1, State: tocsin.Delivered, At: at(61), Ref: "m1"})
	}
	same(t, "settled together", settle(t, s, ss...), []int64{a1.ID, a2.ID, a1Again.ID})
	same(t, "due later", ids(claimDigest(t, s, at(100), 10)), []int64{later.ID})
}

func digestsKeepOrder(t *testing.T, s *store.Store) {
	alone, digested, closing := to(1, 1, 50), digest(1, 1, 0), to(1, 1, 0)
	closing.Kind = tocsin.TellClosed
	owe(t, s, alone, digested, closing)
	same(t, "a digest before the first message", ids(claimDigest(t, s, at(40), 10)), []int64{})
	same(t, "first", ids(claim(t, s, "sms", at(50), 10)), []int64{alone.ID})
	settle(t, s, store.Settlement{ID: alone.ID, Attempts: 1, State: tocsin.Delivered, At: at(51)})
	same(t, "the end before the digest", ids(claim(t, s, "sms", at(52), 10)), []int64{})
	same(t, "second", ids(claimDigest(t, s, at(52), 10)), []int64{digested.ID})
	settle(t, s, store.Settlement{ID: digested.ID, Attempts: 1, State: tocsin.Delivered, At: at(53)})
	same(t, "third", ids(claim(t, s, "sms", at(54), 10)), []int64{closing.ID})
}

func digestsAreExclusive(t *testing.T, s *store.Store) {
	const replicas, places, each = 4, 6, 8
	var list []*tocsin.Notification
	for i := range places * each {
		list = append(list, digest(int64(1+i), int64(1+i%places), i%3))
	}
	owe(t, s, list...)
	var mu sync.Mutex
	var errs []error
	sent := map[int64]int{}
	var wg sync.WaitGroup
	for range replicas {
		wg.Go(func() {
			for range 4 * places {
				var got []tocsin.Notification
				err := s.Update(t.Context(), func(tx *store.Tx) (err error) {
					got, err = tx.ClaimDigest("sms", at(60), time.Minute, 1000)
					return err
				})
				mu.Lock()
				errs = append(errs, err)
				if len(got) > 0 {
					sent[got[0].Contact]++
					if len(got) != each {
						errs = append(errs, fmt.Errorf("a digest of %d, want all %d", len(got), each))
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for contact := range int64(places) {
		if sent[contact+1] != 1 {
			t.Errorf("contact %d was sent %d digests", contact+1, sent[contact+1])
		}
	}
}

func cancellations(t *testing.T, s *store.Store) {
	kind := func(n *tocsin.Notification, k tocsin.Kind) *tocsin.Notification {
		n.Kind = k
		return n
	}
	opened, raised, digested := to(1, 1, 0), kind(to(1, 2, 500), tocsin.TellRaised), digest(1, 3, 10)
	closed, other, done := kind(to(1, 1, 0), tocsin.TellClosed), to(2, 1, 0), to(1, 9, 0)
	done.State = tocsin.Delivered
	pager := &tocsin.Notification{Alert: 1, Receiver: "pager", Kind: tocsin.TellOpened, Due: at(0)}
	owe(t, s, opened, raised, digested, closed, other, done, pager)
	for _, tt := range []struct {
		name string
		c    store.Cancellation
		want []int64
	}{
		{"of one person", store.Cancellation{Person: "person 2"}, []int64{raised.ID}},
		{"of one contact method", store.Cancellation{Contact: 3}, []int64{digested.ID}},
		{"of one receiver", store.Cancellation{Receiver: "pager"}, []int64{pager.ID}},
		{"of another alert's", store.Cancellation{Alert: 404}, []int64{}},
		{"all that calls for somebody", store.Cancellation{}, []int64{opened.ID}},
		{"once more", store.Cancellation{}, []int64{}},
		{"of a kind", store.Cancellation{Kinds: []tocsin.Kind{tocsin.TellUpdated, tocsin.TellClosed}}, []int64{closed.ID}},
	} {
		if tt.c.Alert == 0 {
			tt.c.Alert = 1
		}
		tt.c.Reason, tt.c.At = "acknowledged by ada", at(7)
		same(t, tt.name, cancel(t, s, tt.c), tt.want)
	}
	got := notification(t, s, opened.ID)
	if got.State != tocsin.Cancelled || got.LastError != "acknowledged by ada" || !got.SettledAt.Equal(at(7)) {
		t.Errorf("cancelled: %+v", got)
	}
	same(t, "claimed afterwards", ids(claim(t, s, "sms", at(1000), 10)), []int64{other.ID})
	same(t, "notifications", totals(t, s).Notifications, map[tocsin.State]int64{
		tocsin.Cancelled: 5, tocsin.Delivered: 1, tocsin.Pending: 1,
	})
	view(t, s, func(tx *store.Tx) error {
		list, err := tx.Notifications(store.NotificationFilter{States: []tocsin.State{tocsin.Cancelled}})
		same(t, "listed", len(list), 5)
		return err
	})
}

func leasedAreNotCancelled(t *testing.T, s *store.Store) {
	leased, waiting, fresh := to(1, 1, 0), to(1, 2, 0), to(1, 3, 60)
	fresh.Attempts = 1 // leased when it was written
	owe(t, s, leased, waiting, fresh)
	claim(t, s, "sms", at(0), 1)
	c := store.Cancellation{Alert: 1, Reason: "closed by ada", At: at(1)}
	same(t, "cancelled", cancel(t, s, c), []int64{waiting.ID})
	same(t, "settled", settle(t, s, store.Settlement{ID: leased.ID, Attempts: 1, State: tocsin.Pending, Due: at(10), At: at(2), Error: "503"}), []int64{leased.ID})
	same(t, "cancelled between two attempts", cancel(t, s, c), []int64{leased.ID})
	// Whoever had the lease may be gone.
	c.At = at(60)
	same(t, "cancelled when the lease has run out", cancel(t, s, c), []int64{fresh.ID})
	same(t, "kept of a late delivery", settle(t, s, store.Settlement{ID: fresh.ID, Attempts: 1, State: tocsin.Delivered, At: at(61)}), []int64{})
	same(t, "its state", notification(t, s, fresh.ID).State, tocsin.Cancelled)
}

func advances(t *testing.T, s *store.Store) {
	first, second, third, other := to(1, 1, 0), to(1, 2, 300), to(1, 3, 600), to(1, 4, 300)
	first.Person, second.Person, third.Person = "ana", "ana", "ana"
	owe(t, s, first, second, third, other)
	claim(t, s, "sms", at(0), 1)
	pending := func() (list []tocsin.Notification) {
		view(t, s, func(tx *store.Tx) (err error) {
			list, err = tx.PendingOf(1, "ana")
			return err
		})
		return list
	}
	same(t, "owed to ana", ids(pending()), []int64{first.ID, second.ID, third.ID})
	settle(t, s, store.Settlement{ID: first.ID, Attempts: 1, State: tocsin.Failed, At: at(5)})
	same(t, "still owed to ana", ids(pending()), []int64{second.ID, third.ID})
	advance := func(id int64, due time.Time) (did bool) {
		update(t, s, func(tx *store.Tx) (err error) {
			did, err = tx.Advance(id, due)
			return err
		})
		return did
	}
	same(t, "brought forward", advance(second.ID, at(5)), true)
	same(t, "put off", advance(second.ID, at(900)), false)
	same(t, "of one that is settled", advance(first.ID, at(0)), false)
	same(t, "claimed", ids(claim(t, s, "sms", at(5), 10)), []int64{second.ID})
	same(t, "of one that is leased", advance(second.ID, at(6)), false)
}

func recentMessages(t *testing.T, s *store.Store) {
	sent := func(contact int64, n int, change func(n *tocsin.Notification)) *tocsin.Notification {
		o := to(int64(n), contact, 0)
		o.CreatedAt = at(n)
		if change != nil {
			change(o)
		}
		return o
	}
	owe(t, s,
		sent(1, 10, nil), sent(1, 20, nil), sent(1, 30, func(n *tocsin.Notification) { n.State = tocsin.Delivered }),
		sent(1, 40, func(n *tocsin.Notification) { n.State = tocsin.Cancelled }),
		sent(1, 50, func(n *tocsin.Notification) { n.Digest = true }),
		sent(2, 60, nil), sent(0, 70, nil))
	for _, tt := range []struct {
		name    string
		contact int64
		since   int
		count   int64
		oldest  time.Time
	}{
		{"all", 1, 0, 3, at(10)},
		{"since one of them", 1, 20, 2, at(20)},
		{"since the last", 1, 31, 0, time.Time{}},
		{"another's", 2, 0, 1, at(60)},
		{"nobody's", 3, 0, 0, time.Time{}},
	} {
		view(t, s, func(tx *store.Tx) error {
			count, oldest, err := tx.Recent(tt.contact, at(tt.since))
			if err != nil || count != tt.count || !oldest.Equal(tt.oldest) {
				t.Errorf("%s: Recent = %d, %s, %v, want %d, %s", tt.name, count, oldest, err, tt.count, tt.oldest)
			}
			return err
		})
	}
}

func attemptsAreKept(t *testing.T, s *store.Store) {
	n, released := to(1, 1, 0), to(2, 1, 0)
	owe(t, s, n, released)
	claim(t, s, "sms", at(0), 10)
	settle(t, s,
		store.Settlement{ID: n.ID, Attempts: 1, State: tocsin.Pending, Due: at(10), At: at(2), Started: at(1), Took: 1234 * time.Millisecond, Error: "503"},
		store.Settlement{ID: released.ID, Attempts: 1, State: tocsin.Pending, Due: at(0), At: at(2)}) // given back, not tried
	claim(t, s, "sms", at(10), 10)
	settle(t, s, store.Settlement{ID: n.ID, Attempts: 1, State: tocsin.Pending, Due: at(11), At: at(11), Error: "too late"})
	settle(t, s, store.Settlement{ID: n.ID, Attempts: 2, State: tocsin.Pending, Due: at(20), At: at(12), Error: "timeout"})
	claim(t, s, "sms", at(20), 10)
	settle(t, s, store.Settlement{ID: n.ID, Attempts: 3, State: tocsin.Delivered, At: at(21), Took: time.Second})
	attempts := func(id int64) (list []store.Attempt) {
		view(t, s, func(tx *store.Tx) (err error) {
			list, err = tx.Attempts(id)
			return err
		})
		return list
	}
	same(t, "Attempts", attempts(n.ID), []store.Attempt{
		{N: 1, At: at(1), Took: 1234 * time.Millisecond, Error: "503"},
		{N: 2, At: at(12), Error: "timeout"},
	})
	same(t, "Attempts of what was given back", len(attempts(released.ID)), 0)
}

func firstDelivered(t *testing.T, s *store.Store) {
	told := func(alert int64, n int, kind tocsin.Kind, state tocsin.State) *tocsin.Notification {
		return &tocsin.Notification{Alert: alert, Receiver: "slack", Kind: kind, State: state, SettledAt: at(n)}
	}
	owe(t, s,
		told(1, 10, tocsin.TellOpened, tocsin.Failed),
		told(1, 30, tocsin.TellOpened, tocsin.Delivered),
		told(1, 20, tocsin.TellRaised, tocsin.Delivered),
		told(1, 15, tocsin.TellUpdated, tocsin.Delivered),
		told(1, 70, tocsin.TellOpened, tocsin.Delivered), // of the second episode
		told(2, 40, tocsin.TellOpened, tocsin.Cancelled))
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.FirstDelivered(map[int64]time.Time{1: at(0), 2: at(0), 3: at(0)})
		same(t, "of the first episode", got, map[int64]time.Time{1: at(20)})
		got, err2 := tx.FirstDelivered(map[int64]time.Time{1: at(60)})
		same(t, "of the second episode", got, map[int64]time.Time{1: at(70)})
		return errors.Join(err, err2)
	})
}

func takersAreCounted(t *testing.T, s *store.Store) {
	owe(t, s, to(1, 1, 0), to(2, 1, 0), to(3, 1, 0))
	update(t, s, func(tx *store.Tx) error {
		tx.CountRoutes(map[string]int64{"critical": 2, "payments": 1}, at(5))
		tx.CountRoutes(map[string]int64{"critical": 1}, at(3))
		return nil
	})
	claimed := claim(t, s, "sms", at(0), 10)
	slices.SortFunc(claimed, func(a, b tocsin.Notification) int { return int(a.Alert - b.Alert) })
	settle(t, s,
		store.Settlement{ID: claimed[0].ID, Attempts: 1, State: tocsin.Delivered, At: at(20), Receiver: "sms"},
		store.Settlement{ID: claimed[1].ID, Attempts: 1, State: tocsin.Delivered, At: at(30), Receiver: "sms"},
		store.Settlement{ID: claimed[1].ID, Attempts: 1, State: tocsin.Delivered, At: at(40), Receiver: "sms"}, // not kept
		store.Settlement{ID: claimed[2].ID, Attempts: 1, State: tocsin.Failed, At: at(50), Receiver: "sms"})
	view(t, s, func(tx *store.Tx) error {
		routes, err := tx.RouteTotals()
		same(t, "RouteTotals", routes, map[string]store.Count{"critical": {N: 3, Last: at(5)}, "payments": {N: 1, Last: at(5)}})
		receivers, err2 := tx.ReceiverTotals()
		same(t, "ReceiverTotals", receivers, map[string]store.Count{"sms": {N: 2, Last: at(30)}})
		return errors.Join(err, err2)
	})
}
