package store

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// Totals counts.
func (tx *Tx) Totals() (Totals, error) {
	t := Totals{
		Verdicts:      map[tocsin.Verdict]int64{},
		Alerts:        map[tocsin.Status]int64{},
		OpenByLevel:   map[tocsin.Level]int64{},
		Notifications: map[tocsin.State]int64{},
	}
	for _, count := range []func(*Totals) error{tx.countEvents, tx.countAlerts, tx.countNotifications} {
		if err := count(&t); err != nil {
			return Totals{}, err
		}
	}
	return t, nil
}

func (tx *Tx) countEvents(t *Totals) error {
	return tx.counted(tallyVerdict, func(verdict, _ string, sum tallied) {
		t.Verdicts[tocsin.Verdict(verdict)] = sum.n
	})
}

func (tx *Tx) countAlerts(t *Totals) error {
	return tx.countedAlerts(func(status tocsin.Status, level tocsin.Level, n int64) {
		t.Alerts[status] += n
		if status == tocsin.StatusOpen {
			t.OpenByLevel[level] = n
		}
	})
}

// countedAlerts gives the number of alerts of each status and level that has any.
func (tx *Tx) countedAlerts(each func(status tocsin.Status, level tocsin.Level, n int64)) error {
	return tx.counted(tallyAlert, func(status, level string, sum tallied) {
		l, err := strconv.Atoi(level)
		if err == nil && sum.n > 0 {
			each(tocsin.Status(status), tocsin.Level(l), sum.n)
		}
	})
}

func (tx *Tx) countNotifications(t *Totals) error {
	err := tx.counted(tallyNotification, func(state, _ string, sum tallied) {
		t.Notifications[tocsin.State(state)] = sum.n
	})
	if err != nil {
		return err
	}
	return tx.db.query(`
		SELECT COUNT(*), COALESCE(MIN(due), 0)
		FROM notification
		WHERE state = 'pending'`, nil, func(r row) error {
		var n, due int64
		if err := r.Scan(&n, &due); err != nil {
			return err
		}
		if n > 0 {
			t.Notifications[tocsin.Pending], t.OldestDue = n, moment(due)
		}
		return nil
	})
}

// Sources gives each source's activity, by name.
func (tx *Tx) Sources() ([]SourceActivity, error) {
	var list []SourceActivity
	err := tx.counted(tallySource, func(source, _ string, sum tallied) {
		list = append(list, SourceActivity{Source: source, LastEvent: moment(sum.at), Events: sum.n})
	})
	slices.SortFunc(list, func(x, y SourceActivity) int { return cmp.Compare(x.Source, y.Source) })
	return list, err
}

// Coverage gives each account and region heard of, by account, then region.
func (tx *Tx) Coverage() ([]Coverage, error) {
	var list []Coverage
	err := tx.counted(tallyPlace, func(account, region string, sum tallied) {
		list = append(list, Coverage{Account: account, Region: region, LastEvent: moment(sum.at), Events: sum.n})
	})
	slices.SortFunc(list, func(x, y Coverage) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Region, y.Region))
	})
	return list, err
}

// CountRoutes counts the alerts that each route took, at that time.
func (tx *Tx) CountRoutes(alerts map[string]int64, at time.Time) {
	for name, n := range alerts {
		tx.tallies.add(tallyRoute, text(name), "", n, millis(at))
	}
}

// A Count is how many there were, and when the last.
type Count struct {
	N    int64
	Last time.Time
}

// RouteTotals gives, by name, how many alerts each route took.
func (tx *Tx) RouteTotals() (map[string]Count, error) { return tx.countsOf(tallyRoute) }

// ReceiverTotals gives, by name, how many notifications each receiver took: those
// that were settled as delivered with its name.
func (tx *Tx) ReceiverTotals() (map[string]Count, error) { return tx.countsOf(tallyReceiver) }

func (tx *Tx) countsOf(kind string) (map[string]Count, error) {
	counts := map[string]Count{}
	err := tx.counted(kind, func(name, _ string, sum tallied) {
		counts[name] = Count{sum.n, moment(sum.at)}
	})
	return counts, err
}

// SeenBefore is how many alerts of that type were ever opened in that account, by
// the type that they had at first. One is not counted: the one that asks.
func (tx *Tx) SeenBefore(findingType, account string) (int64, error) {
	if err := tx.flush(); err != nil {
		return 0, err
	}
	var n int64
	err := tx.db.query(`
		SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT)
		FROM tally
		WHERE kind = $1
			AND a = $2
			AND b = $3`, []any{tallyType, text(findingType), text(account)}, func(r row) error { return r.Scan(&n) })
	return max(0, n-1), err
}
