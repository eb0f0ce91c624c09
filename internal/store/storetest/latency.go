package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// ofLatency are the promises of what is kept of the way from an activity to a person.
var ofLatency = []promise{
	{"openings are kept once, as they were", openingsAreKept},
	{"of an opening the first message and the first who takes it on count", firstsCount},
	{"openings are found by when they were", openingsAreFound},
	{"openings are found by account, region and route", openingsAreFiltered},
}

// opening is one of an alert, opened at second n.
func opening(alert int64, n, second int) store.Latency {
	return store.Latency{Alert: alert, N: n, Passage: reports.Passage{
		OpenedAt: at(second), ActivityAt: at(second - 600), CreatedAt: at(second - 60), EventAt: at(second - 2), ReceivedAt: at(second - 1),
		Level: tocsin.High, Account: "111122223333", Region: "eu-west-1", Route: "payments", Source: "org",
	}}
}

func latencies(t *testing.T, s *store.Store, f store.LatencyFilter) (list []store.Latency) {
	t.Helper()
	view(t, s, func(tx *store.Tx) (err error) {
		list, err = tx.Latencies(f)
		return err
	})
	return list
}

var always = store.LatencyFilter{From: at(-1e6), To: at(1e7)}

func openingsAreKept(t *testing.T, s *store.Store) {
	odd := opening(3, 1, 30)
	odd.Route, odd.Source, odd.ActivityAt, odd.CreatedAt, odd.EventAt = "", "", time.Time{}, time.Time{}, time.Time{}
	odd.Account, odd.Region = "two\nlines", "\x00"
	var want []store.Latency
	for i := range 40 { // more than one statement keeps them
		want = append(want, opening(int64(100+i), 1, 100+i))
	}
	kept := append([]store.Latency{opening(1, 1, 10), opening(1, 2, 40), opening(2, 1, 20), odd}, want...)
	update(t, s, func(tx *store.Tx) error { return tx.AddLatencies(kept) })
	update(t, s, func(tx *store.Tx) error {
		again := opening(1, 1, 10)
		again.Account = "another"
		return tx.AddLatencies([]store.Latency{again})
	})
	update(t, s, func(tx *store.Tx) error { return tx.AddLatencies(nil) })
	got := latencies(t, s, always)
	if len(got) != len(kept) {
		t.Fatalf("%d openings, want %d", len(got), len(kept))
	}
	same(t, "the oldest", got[len(got)-1], opening(1, 1, 10))
	same(t, "the newest", got[0], opening(139, 1, 139))
	same(t, "one that opened again", got[40], opening(1, 2, 40))
	odd.Account, odd.Region = "two lines", "\uFFFD"
	same(t, "an odd one", got[41], odd)
}

func firstsCount(t *testing.T, s *store.Store) {
	update(t, s, func(tx *store.Tx) error {
		return tx.AddLatencies([]store.Latency{opening(1, 1, 10), opening(1, 2, 100), opening(2, 1, 20)})
	})
	told := func(alerts []int64, at []time.Time) (list []store.Latency) {
		update(t, s, func(tx *store.Tx) (err error) {
			list, err = tx.Told(alerts, at)
			return err
		})
		return list
	}
	got := told([]int64{2, 1, 7, 2}, []time.Time{at(110), at(111), at(112), at(113)})
	first, second := opening(1, 2, 100), opening(2, 1, 20)
	first.ToldAt, second.ToldAt = at(111), at(110)
	if len(got) == 2 && got[0].Alert == 1 { // replicas write in the order of alerts
		got[0], got[1] = got[1], got[0]
	}
	same(t, "told first", got, []store.Latency{second, first})
	same(t, "told again", told([]int64{1}, []time.Time{at(120)}), []store.Latency(nil))
	for i, tt := range []struct {
		alert int64
		want  bool
	}{{1, true}, {1, false}, {7, false}} {
		update(t, s, func(tx *store.Tx) error {
			l, is, err := tx.Acked(tt.alert, at(200+i))
			same(t, fmt.Sprintf("acknowledged %d is the first", i), is, tt.want)
			if is {
				first.AckedAt = at(200)
				same(t, "acknowledged", l, first)
			}
			return err
		})
	}
	same(t, "all of them", latencies(t, s, always), []store.Latency{first, second, opening(1, 1, 10)})
}

func openingsAreFound(t *testing.T, s *store.Store) {
	var all []store.Latency
	const day = 24 * 3600
	for i := range 50 {
		// Ids with gaps, and two replicas whose clocks are half an hour apart.
		all = append(all, opening(int64(10+7*i), 1, i*day+1800*(i%2)))
	}
	all = append(all, opening(10, 2, 40*day+10), opening(17, 2, 60*day))
	update(t, s, func(tx *store.Tx) error { return tx.AddLatencies(all) })
	for _, tt := range []struct {
		name     string
		from, to int // days
		limit    int
		want     []string
	}{
		{"a day", 7, 8, 0, []string{"59.1"}},
		{"from an opening until before one", 6, 8, 0, []string{"59.1", "52.1"}},
		{"the newest of many", 0, 50, 2, []string{"353.1", "346.1"}},
		{"one that opened again", 40, 41, 0, []string{"10.2", "290.1"}},
		{"after all first openings", 55, 70, 0, []string{"17.2"}},
		{"before all", -5, 0, 0, nil},
		{"after all", 70, 90, 0, nil},
		{"nothing in between", 49, 49, 0, nil},
	} {
		var got []string
		for _, l := range latencies(t, s, store.LatencyFilter{From: at(tt.from * day), To: at(tt.to * day), Limit: tt.limit}) {
			got = append(got, fmt.Sprint(l.Alert, ".", l.N))
		}
		same(t, tt.name, got, tt.want)
	}
}

func openingsAreFiltered(t *testing.T, s *store.Store) {
	var all []store.Latency
	for i, of := range [][3]string{
		{"111122223333", "eu-west-1", "payments"},
		{"111122223333", "us-east-1", ""},
		{"444455556666", "eu-west-1", "us-east-1"},
		{"444455556666", "eu_west-1", "a%b"},
		{"", "", ""},
	} {
		l := opening(int64(i+1), 1, i)
		l.Account, l.Region, l.Route = of[0], of[1], of[2]
		all = append(all, l)
	}
	update(t, s, func(tx *store.Tx) error { return tx.AddLatencies(all) })
	for _, tt := range []struct {
		account, region, route string
		want                   []int64
	}{
		{"", "", "", []int64{5, 4, 3, 2, 1}},
		{"111122223333", "", "", []int64{2, 1}},
		{"", "eu-west-1", "", []int64{3, 1}},
		{"", "us-east-1", "", []int64{2}},
		{"", "", "us-east-1", []int64{3}},
		{"", "", "a%b", []int64{4}},
		{"", "", "a%", nil},
		{"444455556666", "eu-west-1", "us-east-1", []int64{3}},
		{"1111", "", "", nil},
	} {
		f := always
		f.Account, f.Region, f.Route = tt.account, tt.region, tt.route
		var got []int64
		for _, l := range latencies(t, s, f) {
			got = append(got, l.Alert)
		}
		same(t, fmt.Sprintf("%q %q %q", tt.account, tt.region, tt.route), got, tt.want)
	}
}
