package api_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/store"
)

func TestLatencyIsOfWhatOpened(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	opening := func(alert int64, minute int, account, region, route string) store.Latency {
		at := night.Add(time.Duration(minute) * time.Minute)
		return store.Latency{Alert: alert, N: 1, Passage: reports.Passage{
			OpenedAt: at, ActivityAt: at.Add(-400 * time.Second), CreatedAt: at.Add(-100 * time.Second), EventAt: at.Add(-time.Second), ReceivedAt: at,
			Account: account, Region: region, Route: route, Source: "org",
		}}
	}
	check(t, h.store.Update(t.Context(), func(tx *store.Tx) error {
		err := tx.AddLatencies([]store.Latency{
			opening(1001, 0, "111122223333", "eu-west-1", "payments"), opening(1002, 10, "111122223333", "us-east-1", ""), opening(1003, 20, "444455556666", "eu-west-1", ""),
		})
		if err != nil {
			return err
		}
		if _, err := tx.Told([]int64{1001}, []time.Time{night.Add(2 * time.Second)}); err != nil {
			return err
		}
		_, err = tx.SendCanaries(tocsin.Canary{
			ID: "0123456789abcdef0123456789abcdef", Source: "canaries", Place: tocsin.Place{Account: "111122223333", Region: "eu-west-1"}, SentAt: night, Due: night.Add(time.Minute),
		})
		if err != nil {
			return err
		}
		_, err = tx.ArriveCanary("0123456789abcdef0123456789abcdef", "sqs:queue", night.Add(1500*time.Millisecond))
		return err
	}))
	for _, tt := range []struct {
		name, query             string
		openings, told, birds   int
		accounts, steps, routes int
	}{
		{"everything of a day", "?from=2026-06-12T00:00:00Z&to=2026-06-13T00:00:00Z", 3, 1, 1, 2, 24, 2},
		{"of an account", "?from=2026-06-12T00:00:00Z&to=2026-06-13T00:00:00Z&account=111122223333", 2, 1, 1, 1, 24, 2},
		{"of a region", "?from=2026-06-12T00:00:00Z&to=2026-06-13T00:00:00Z&region=us-east-1", 1, 0, 0, 1, 24, 1},
		{"of a route", "?from=2026-06-12T00:00:00Z&to=2026-06-13T00:00:00Z&route=payments", 1, 1, 0, 1, 24, 1},
		{"of another day", "?from=2026-06-01T00:00:00Z&to=2026-06-02T00:00:00Z", 0, 0, 1, 0, 24, 0},
	} {
		var r reports.LatencyReport
		ask(t, h, "GET", "/api/reports/latency"+tt.query, "", 200, &r)
		got := []int{r.Openings, r.Stages[3].Count, len(r.Canaries), len(r.ByAccount), len(r.OverTime), len(r.ByRoute)}
		if diff := cmp.Diff([]int{tt.openings, tt.told, tt.birds, tt.accounts, tt.steps, tt.routes}, got); diff != "" {
			t.Errorf("%s: openings, told, canaries, accounts, steps, routes (-want +got):\n%s", tt.name, diff)
		}
	}
	var r reports.LatencyReport
	ask(t, h, "GET", "/api/reports/latency", "", 200, &r)
	want := []reports.StageTimes{
		{Stage: reports.ActivityToCreated, Count: 3, P50: 300, P90: 300, P99: 300, Max: 300},
		{Stage: reports.CreatedToEvent, Count: 3, P50: 99, P90: 99, P99: 99, Max: 99},
		{Stage: reports.EventToReceived, Count: 3, P50: 1, P90: 1, P99: 1, Max: 1},
		{Stage: reports.ReceivedToTold, Count: 1, P50: 2, P90: 2, P99: 2, Max: 2},
		{Stage: reports.ToldToAcknowledged},
	}
	if diff := cmp.Diff(want, r.Stages); diff != "" || r.To.Sub(r.From) != 7*24*time.Hour || r.Canaries[0].Seconds != 1.5 {
		t.Errorf("the last seven days: %+v\nstages (-want +got):\n%s", r, diff)
	}
	ask(t, h, "GET", "/api/reports/latency?from=2026-05-01T00:00:00Z&to=2026-06-13T00:00:00Z", "", 400, nil)
	ask(t, h, "GET", "/api/reports/latency?from=2027-05-01T00:00:00Z", "", 400, nil)
}
