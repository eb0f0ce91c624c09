package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// ofTheClock are the promises of alerts as time goes by.
var ofTheClock = []promise{
	{"alerts come due in their order", alertsComeDue},
	{"what the clock looked at comes due when it says next", dueFollowsTheAlert},
	{"two replicas never look at the same alert", ticksAreExclusive},
	{"an alert that another replica has is passed over", lockedAlertsAreSkipped},
	{"whoever reads an alert to change it can save it", changesAreSerial},
	{"what holds an alert back is known", holdsAreKnown},
	{"what inhibits is found by what it has in common", inhibitorsAreFound},
	{"the page of a team, of a person, and of what nobody answers", peoplesPages},
	{"what only events touched is written whole", foldsAreWrittenWhole},
	{"alerts are counted by status and level whatever becomes of them", countsFollow},
	{"counts follow what replicas do at the same time", countsFollowReplicas},
	{"how often it was seen before", seenBefore},
	{"alerts of a period are walked", alertsAreWalked},
}

// snoozed is an open alert that the clock is to look at at second n.
func snoozed(key tocsin.Key, n int) tocsin.Alert {
	a, err := alert(key).Snooze("ada", at(n), at(0))
	if err != nil {
		panic(err)
	}
	return a
}

func due(t *testing.T, s *store.Store, now time.Time, limit int) []int64 {
	t.Helper()
	got := []int64{}
	update(t, s, func(tx *store.Tx) error {
		alerts, err := tx.DueAlerts(now, limit)
		for _, a := range alerts {
			got = append(got, a.ID)
		}
		return err
	})
	return got
}

func nextDue(t *testing.T, s *store.Store) time.Time {
	t.Helper()
	var next time.Time
	view(t, s, func(tx *store.Tx) (err error) {
		next, err = tx.NextAlertDue()
		return err
	})
	return next
}

func alertsComeDue(t *testing.T, s *store.Store) {
	same(t, "next of nothing", nextDue(t, s), time.Time{})
	late, early, noon, never := snoozed("late", 300), snoozed("early", 100), snoozed("noon", 200), alert("never")
	never.Terms = &tocsin.Terms{}
	closed, err := snoozed("closed", 50).Close("ada", tocsin.ReasonFixed, at(1))
	if err != nil {
		t.Fatal(err)
	}
	save(t, s, &late, &early, &noon, &never, &closed)
	same(t, "next", nextDue(t, s), at(100))
	same(t, "before the first", due(t, s, at(99), 10), []int64{})
	same(t, "at the first", due(t, s, at(100), 10), []int64{early.ID})
	same(t, "when all are", due(t, s, at(300), 10), []int64{early.ID, noon.ID, late.ID})
	same(t, "the first two", due(t, s, at(300), 2), []int64{early.ID, noon.ID})
	same(t, "with no limit left", due(t, s, at(300), 0), []int64{})
}

func dueFollowsTheAlert(t *testing.T, s *store.Store) {
	a := snoozed("k", 100)
	save(t, s, &a)
	for _, step := range []struct {
		name   string
		change func(a tocsin.Alert) (tocsin.Alert, error)
		want   time.Time
	}{
		{"snoozed for longer", func(a tocsin.Alert) (tocsin.Alert, error) { return a.Snooze("ada", at(500), at(1)) }, at(500)},
		{"awake", func(a tocsin.Alert) (tocsin.Alert, error) {
			a, _ = a.Tick(at(500))
			a.Escalation = &tocsin.Escalation{Policy: "p", At: at(560)}
			return a, nil
		}, at(560)},
		{"acknowledged", func(a tocsin.Alert) (tocsin.Alert, error) {
			a.Terms, a.Escalation = &tocsin.Terms{AckTimeout: time.Hour}, nil
			return a.Acknowledge("ada", at(600))
		}, at(600).Add(time.Hour)},
		{"closed", func(a tocsin.Alert) (tocsin.Alert, error) { return a.Close("ada", tocsin.ReasonFixed, at(700)) }, time.Time{}},
	} {
		update(t, s, func(tx *store.Tx) error {
			a, err := tx.AlertForUpdate(a.ID)
			if err != nil {
				return err
			}
			if a, err = step.change(a); err != nil {
				return err
			}
			return tx.Save(&a)
		})
		same(t, step.name, nextDue(t, s), step.want)
	}
}

func ticksAreExclusive(t *testing.T, s *store.Store) {
	const n, replicas = 60, 4
	alerts := make([]*tocsin.Alert, n)
	for i := range alerts {
		a := snoozed(tocsin.Key(fmt.Sprint("k", i)), 1+i%7)
		alerts[i] = &a
	}
	save(t, s, alerts...)
	var mu sync.Mutex
	var errs []error
	turns := map[int64]int{}
	var wg sync.WaitGroup
	for range replicas {
		wg.Go(func() {
			for range n { // enough for one of them to do all
				var woken []int64
				err := s.Update(t.Context(), func(tx *store.Tx) error {
					woken = nil
					taken, err := tx.DueAlerts(at(10), 5)
					if err != nil {
						return err
					}
					for _, a := range taken {
						after, what := a.Tick(at(10))
						if len(what) != 1 {
							return fmt.Errorf("alert %d had %d turns", a.ID, len(what))
						}
						woken = append(woken, a.ID)
						if err := tx.Save(&after); err != nil {
							return err
						}
					}
					return nil
				})
				mu.Lock()
				errs = append(errs, err)
				for _, id := range woken {
					turns[id]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts {
		if turns[a.ID] != 1 {
			t.Errorf("alert %d was woken %d times", a.ID, turns[a.ID])
		}
	}
	same(t, "due afterwards", due(t, s, at(10), 10), []int64{})
}

func lockedAlertsAreSkipped(t *testing.T, s *store.Store) {
	if !s.Replicated() {
		t.Skip("nobody else writes at the same time")
	}
	first, second := snoozed("a", 1), snoozed("b", 2)
	save(t, s, &first, &second)
	update(t, s, func(tx *store.Tx) error {
		taken, err := tx.DueAlerts(at(5), 1)
		if err != nil || len(taken) != 1 || taken[0].ID != first.ID {
			t.Errorf("took %v, %v, want alert %d", taken, err, first.ID)
		}
		same(t, "what another replica takes meanwhile", due(t, s, at(5), 10), []int64{second.ID})
		return err
	})
	same(t, "afterwards", due(t, s, at(5), 10), []int64{first.ID, second.ID})
}

func changesAreSerial(t *testing.T, s *store.Store) {
	const people, times = 4, 20
	a := alert("k")
	save(t, s, &a)
	var wg sync.WaitGroup
	errs := make([]error, people)
	for i := range people {
		wg.Go(func() {
			for range times {
				errs[i] = errors.Join(errs[i], s.Update(t.Context(), func(tx *store.Tx) error {
					a, err := tx.AlertForUpdate(a.ID)
					if err != nil {
						return err
					}
					a.Reopened++
					return tx.Save(&a)
				}))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.AlertForUpdate(a.ID) // a view locks nothing
		if got.Reopened != people*times || got.Version != 1+people*times {
			t.Errorf("changed %d times, version %d, want %d and %d", got.Reopened, got.Version, people*times, 1+people*times)
		}
		return err
	})
	if err := s.View(t.Context(), func(tx *store.Tx) error {
		_, err := tx.AlertForUpdate(404)
		return err
	}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("AlertForUpdate of none = %v, want ErrNotFound", err)
	}
}

func holdsAreKnown(t *testing.T, s *store.Store) {
	held := func(key tocsin.Key, by string) *tocsin.Alert {
		a := alert(key)
		a.Held = &tocsin.Hold{By: by, Until: at(100), Tell: true}
		return &a
	}
	first, second, other, free := held("a", "silence 3"), held("b", "silence 3"), held("c", "alert 12"), alert("d")
	save(t, s, first, second, other, &free)
	by := func(by string) (ids []int64) {
		view(t, s, func(tx *store.Tx) (err error) {
			ids, err = tx.HeldBy(by)
			return err
		})
		return ids
	}
	same(t, "by a silence", by("silence 3"), []int64{first.ID, second.ID})
	same(t, "by an alert", by("alert 12"), []int64{other.ID})
	same(t, "by another silence", by("silence 33"), []int64{})
	first.Held = nil
	closed, err := second.Close("ada", tocsin.ReasonFixed, at(5))
	if err != nil {
		t.Fatal(err)
	}
	save(t, s, first, &closed)
	same(t, "by the silence, once one was told and one was closed", by("silence 3"), []int64{})
}

func inhibitorsAreFound(t *testing.T, s *store.Store) {
	update(t, s, func(tx *store.Tx) error {
		return tx.AddInhibitors(
			store.Inhibitor{Alert: 12, Rule: "account down", Fingerprint: "111122223333"},
			store.Inhibitor{Alert: 9, Rule: "account down", Fingerprint: "111122223333"},
			store.Inhibitor{Alert: 12, Rule: "account down", Fingerprint: "111122223333"}, // again
			store.Inhibitor{Alert: 12, Rule: "region down", Fingerprint: "111122223333"},
			store.Inhibitor{Alert: 13, Rule: "account down", Fingerprint: "a\x00b"},
		)
	})
	find := func(rule string, fingerprints ...string) (found map[string][]int64) {
		view(t, s, func(tx *store.Tx) (err error) {
			found, err = tx.Inhibitors(rule, fingerprints)
			return err
		})
		return found
	}
	same(t, "of one rule", find("account down", "111122223333", "444455556666", "a\x00b"), map[string][]int64{"111122223333": {9, 12}, "a\x00b": {13}})
	same(t, "of another", find("region down", "111122223333"), map[string][]int64{"111122223333": {12}})
	update(t, s, func(tx *store.Tx) error { return tx.DropInhibitors(12, 13, 404) })
	same(t, "once they are over", find("account down", "111122223333", "a\x00b"), map[string][]int64{"111122223333": {9}})
	same(t, "of the other rule", find("region down", "111122223333"), map[string][]int64{})
}

func peoplesPages(t *testing.T, s *store.Store) {
	alerts := make([]tocsin.Alert, 5)
	exhausted := &tocsin.Escalation{Policy: "p", Exhausted: true}
	for i, change := range []func(a tocsin.Alert) (tocsin.Alert, error){
		func(a tocsin.Alert) (tocsin.Alert, error) { a.Team = "payments"; return a, nil },
		func(a tocsin.Alert) (tocsin.Alert, error) { a.Team = "soc"; return a.Assign("bob", "ada", at(1)) },
		func(a tocsin.Alert) (tocsin.Alert, error) {
			a.Team, a.Escalation = "soc", exhausted
			return a, nil
		},
		func(a tocsin.Alert) (tocsin.Alert, error) {
			a.Team, a.Escalation = "soc", exhausted
			return a.Close("ada", tocsin.ReasonFixed, at(1))
		},
		func(a tocsin.Alert) (tocsin.Alert, error) { return a.Assign("bob", "ada bob", at(1)) },
	} {
		a, err := change(alert(tocsin.KeyOf("k", fmt.Sprint(i))))
		if err != nil {
			t.Fatal(err)
		}
		alerts[i] = a
		save(t, s, &alerts[i])
	}
	unclosed := []tocsin.Status{tocsin.StatusOpen, tocsin.StatusAcked}
	for _, tt := range []struct {
		name   string
		filter store.AlertFilter
		want   []int
	}{
		{"a team's", store.AlertFilter{Team: "soc"}, []int{1, 2, 3}},
		{"a team's that are not closed", store.AlertFilter{Team: "soc", Statuses: unclosed}, []int{1, 2}},
		{"a person's", store.AlertFilter{Assignee: "ada", Statuses: unclosed}, []int{1}},
		{"what nobody answers", store.AlertFilter{Unanswered: true}, []int{2}},
		{"what nobody answers of another team", store.AlertFilter{Unanswered: true, Team: "payments"}, []int{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			view(t, s, func(tx *store.Tx) error {
				list, total, err := tx.Alerts(tt.filter)
				got, want := []int64{}, []int64{}
				for _, a := range list {
					got = append(got, a.ID)
				}
				for _, i := range tt.want {
					want = append(want, alerts[i].ID)
				}
				same(t, "alerts", got, want)
				same(t, "total", total, int64(len(want)))
				return err
			})
		})
	}
	// Somebody answers.
	update(t, s, func(tx *store.Tx) error {
		a, err := tx.AlertForUpdate(alerts[2].ID)
		if err != nil {
			return err
		}
		a.Escalation = nil
		return tx.Save(&a)
	})
	view(t, s, func(tx *store.Tx) error {
		_, total, err := tx.Alerts(store.AlertFilter{Unanswered: true})
		same(t, "what nobody answers, once somebody did", total, int64(0))
		return err
	})
}

// foldsAreWrittenWhole changes what no index has, which may be written in another
// way than the rest.
func foldsAreWrittenWhole(t *testing.T, s *store.Store) {
	a := alert("k")
	save(t, s, &a)
	update(t, s, func(tx *store.Tx) error {
		latest, err := tx.Latest([]tocsin.Key{"k"})
		if err != nil {
			return err
		}
		a = latest["k"]
		a.Account, a.Region, a.Type, a.Headline, a.Severity = "444455556666", "us-east-1", "Trojan:EC2/X", "Something else", 5.6
		a.Occurrences, a.Events, a.ChangedAt = 7, 7, at(70)
		if err := tx.Save(&a); err != nil {
			return err
		}
		a.Occurrences = 8 // again within the transaction
		return tx.Save(&a)
	})
	if a.Version != 3 {
		t.Errorf("version = %d after two more saves, want 3", a.Version)
	}
	for what, filter := range map[string]store.AlertFilter{
		"account": {Account: "444455556666"}, "region": {Region: "us-east-1"}, "type": {Type: "Trojan:"}, "text": {Text: "something else"},
	} {
		view(t, s, func(tx *store.Tx) error {
			list, total, err := tx.Alerts(filter)
			same(t, "alerts by "+what, list, []tocsin.Alert{a})
			same(t, "total by "+what, total, int64(1))
			return err
		})
	}
	// What another transaction wrote is not overwritten.
	stale := a
	save(t, s, &a)
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Alert(a.ID); err != nil {
			return err
		}
		return tx.Save(&stale)
	})
	if !errors.Is(err, store.ErrStale) {
		t.Errorf("Save of a stale alert = %v, want ErrStale", err)
	}
}

// checkCounts compares the counts with what is there.
func checkCounts(t *testing.T, s *store.Store) {
	t.Helper()
	view(t, s, func(tx *store.Tx) error {
		all, _, err := tx.Alerts(store.AlertFilter{Limit: 10_000})
		if err != nil {
			return err
		}
		statuses, open := map[tocsin.Status]int64{}, map[tocsin.Level]int64{}
		for _, a := range all {
			statuses[a.Status]++
			if a.Status == tocsin.StatusOpen {
				open[a.Level]++
			}
		}
		got, err := tx.Totals()
		same(t, "by status", got.Alerts, statuses)
		same(t, "open by level", got.OpenByLevel, open)
		for _, level := range []tocsin.Level{tocsin.Unknown, tocsin.Medium, tocsin.Critical} {
			for _, chosen := range [][]tocsin.Status{nil, {tocsin.StatusOpen}, {tocsin.StatusOpen, tocsin.StatusAcked}, {tocsin.StatusClosed}} {
				want := int64(0)
				for _, a := range all {
					if a.Level >= level && (len(chosen) == 0 || slices.Contains(chosen, a.Status)) {
						want++
					}
				}
				list, total, err := tx.Alerts(store.AlertFilter{Statuses: chosen, MinLevel: level, Sort: "newest", Limit: 10_000})
				if err != nil || total != want || int64(len(list)) != want {
					t.Errorf("%v from %s: a total of %d and a list of %d, %v, want %d", chosen, level, total, len(list), err, want)
				}
			}
		}
		return err
	})
}

func countsFollow(t *testing.T, s *store.Store) {
	random := rand.New(rand.NewPCG(1, 2))
	var alerts []*tocsin.Alert
	for round := range 60 {
		var changed []*tocsin.Alert
		for i := range 3 {
			if len(alerts) < 20 {
				a := alert(tocsin.Key(fmt.Sprint("k", round, i)))
				a.Level = tocsin.Level(random.IntN(6))
				alerts, changed = append(alerts, &a), append(changed, &a)
			}
		}
		for _, a := range alerts[:random.IntN(len(alerts))] {
			if a.ID != 0 {
				turn(a, random)
				changed = append(changed, a)
			}
		}
		wrong := errors.New("wrong")
		kept := random.IntN(4) > 0
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			if random.IntN(2) == 0 && len(alerts) > 3 { // what was read before is known
				if _, err := tx.Latest([]tocsin.Key{alerts[0].Key, alerts[1].Key}); err != nil {
					return err
				}
			}
			if err := tx.Save(changed...); err != nil || kept {
				return err
			}
			return wrong
		})
		if kept && err != nil || !kept && !errors.Is(err, wrong) {
			t.Fatal(err)
		}
	}
	checkCounts(t, s)
}

// turn has something become of the alert.
func turn(a *tocsin.Alert, random *rand.Rand) {
	switch random.IntN(4) {
	case 0:
		a.Status = tocsin.StatusAcked
	case 1:
		a.Status = tocsin.StatusClosed
	case 2:
		a.Status, a.Level = tocsin.StatusOpen, tocsin.Level(random.IntN(6))
	case 3:
		a.Occurrences++
	}
}

func countsFollowReplicas(t *testing.T, s *store.Store) {
	const n, replicas, rounds = 10, 4, 15
	ids := make([]int64, n)
	for i := range ids {
		a := alert(tocsin.Key(fmt.Sprint("k", i)))
		save(t, s, &a)
		ids[i] = a.ID
	}
	var wg sync.WaitGroup
	errs := make([]error, replicas)
	for g := range replicas {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 7))
			for range rounds {
				id := ids[random.IntN(n)]
				err := s.Update(t.Context(), func(tx *store.Tx) error {
					a, err := tx.AlertForUpdate(id)
					if err != nil {
						return err
					}
					turn(&a, random)
					return tx.Save(&a)
				})
				errs[g] = errors.Join(errs[g], err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	checkCounts(t, s)
}

func seenBefore(t *testing.T, s *store.Store) {
	of := func(key tocsin.Key, account, findingType string) *tocsin.Alert {
		a := alert(key)
		a.Account, a.Type = account, findingType
		return &a
	}
	save(t, s, of("a", "111", "Recon"), of("b", "111", "Recon"), of("c", "111", "Trojan"), of("d", "222", "Recon"))
	closed, err := of("e", "111", "Recon").Close("ada", tocsin.ReasonFixed, at(1))
	if err != nil {
		t.Fatal(err)
	}
	save(t, s, &closed)
	save(t, s, &closed) // is counted once
	update(t, s, func(tx *store.Tx) error {
		if err := tx.Save(of("f", "222", "Recon")); err != nil {
			return err
		}
		for _, tt := range []struct {
			account, findingType string
			want                 int64
		}{
			{"111", "Recon", 2}, {"111", "Trojan", 0}, {"222", "Recon", 1}, {"333", "Recon", 0},
		} {
			got, err := tx.SeenBefore(tt.findingType, tt.account)
			if err != nil || got != tt.want {
				t.Errorf("SeenBefore(%s, %s) = %d, %v, want %d", tt.findingType, tt.account, got, err, tt.want)
			}
		}
		return nil
	})
}

func alertsAreWalked(t *testing.T, s *store.Store) {
	const n = 600 // more than is read at a time
	alerts := make([]*tocsin.Alert, n)
	for i := range alerts {
		a := alert(tocsin.Key(fmt.Sprint("k", i)))
		a.OpenedAt = at(i * 60)
		alerts[i] = &a
		save(t, s, &a)
	}
	for _, tt := range []struct {
		name     string
		from, to time.Time
		most     int
		want     []int // the first and the one after the last, newest first
	}{
		{"all", time.Time{}, at(86400), n, []int{599, -1}},
		{"a period", at(60 * 100), at(60 * 400), n, []int{399, 99}},
		{"until it is enough", at(60 * 100), at(60 * 400), 3, []int{399, 396}},
		{"none", at(86400), at(2 * 86400), n, []int{-1, -1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			view(t, s, func(tx *store.Tx) error {
				got, want := []int64{}, []int64{}
				err := tx.EachAlert(tt.from, tt.to, func(a tocsin.Alert) bool {
					got = append(got, a.ID)
					_, err := tx.Alert(a.ID) // the transaction can be used meanwhile
					return err == nil && len(got) < tt.most
				})
				for i := tt.want[0]; i > tt.want[1]; i-- {
					want = append(want, alerts[i].ID)
				}
				same(t, "walked", got, want)
				return err
			})
		})
	}
}
