package store

import (
	"cmp"
	"slices"

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

// countAlerts counts what is not closed, which is little; the rest is closed.
func (tx *Tx) countAlerts(t *Totals) error {
	var all, unclosed int64
	if err := tx.counted(tallyAlert, func(_, _ string, sum tallied) { all = sum.n }); err != nil {
		return err
	}
	err := tx.db.query(`
		SELECT status, level, COUNT(*)
		FROM alert
		WHERE status <> 'closed'
		GROUP BY status, level`, nil, func(r row) error {
		var status string
		var level int
		var n int64
		if err := r.Scan(&status, &level, &n); err != nil {
			return err
		}
		t.Alerts[tocsin.Status(status)] += n
		if status == string(tocsin.StatusOpen) {
			t.OpenByLevel[tocsin.Level(level)] += n
		}
		unclosed += n
		return nil
	})
	if closed := all - unclosed; closed > 0 {
		t.Alerts[tocsin.StatusClosed] = closed
	}
	return err
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
