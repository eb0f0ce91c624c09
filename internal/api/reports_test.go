package api_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/store"
)

func TestAReportIsOfWhatIsOverAndOfWhatIsLive(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.told(t)
	// #1 is acknowledged and closed, #2 is closed as noise, #3 stays open.
	ask(t, h, "POST", "/api/alerts/1/acknowledge", `{"by":"ana"}`, 200, nil)
	ask(t, h, "POST", "/api/alerts/1/close", `{"by":"ana","reason":"fixed"}`, 200, nil)
	ask(t, h, "POST", "/api/alerts/2/close", `{"by":"ana","reason":"false_positive"}`, 200, nil)
	check(t, h.store.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.Alert(3)
		if err != nil {
			return err
		}
		a.Escalation = &tocsin.Escalation{Policy: "around-the-clock", Version: "1", Highest: 2, Exhausted: true}
		return tx.Save(&a)
	}))
	var r reports.Report
	ask(t, h, "GET", "/api/reports?from=2026-06-12T00:00:00Z&to=2026-06-13T00:00:00Z", "", 200, &r)
	want := reports.Answers{
		Episodes: 3, Open: 1, Untold: 2, Unacked: 2,
		TTN:       reports.Measure{Count: 1, Mean: 600, Median: 600, P90: 600},
		TTA:       reports.Measure{Count: 1, Mean: 3600, Median: 3600, P90: 3600},
		TTR:       reports.Measure{Count: 2, Mean: 3570, Median: 3570, P90: 3594},
		Escalated: reports.Share{Count: 1, Percent: 33.3}, Unanswered: reports.Share{Count: 1, Percent: 33.3},
	}
	if diff := cmp.Diff(want, r.Answers); diff != "" {
		t.Errorf("answers (want -, got +):\n%s", diff)
	}
	// 02:40 UTC is 04:40 in Berlin.
	if diff := cmp.Diff([]reports.Load{{Person: "ana", Notifications: 1, Interruptions: 1}}, r.People); diff != "" {
		t.Errorf("people (want -, got +):\n%s", diff)
	}
	if diff := cmp.Diff([]reports.Noise{{Name: "guardduty", Closed: 2, FalsePositive: 1, Percent: 50}}, r.NoiseByRule); diff != "" {
		t.Errorf("noise (want -, got +):\n%s", diff)
	}
	// The schedules are there since 03:30; the office opens at 07:00 for 8 hours.
	if diff := cmp.Diff([]reports.Coverage{
		{Schedule: "office", Hours: 20.5, CoveredHours: 8, Percent: 39}, {Schedule: "soc", Hours: 20.5, CoveredHours: 20.5, Percent: 100},
	}, r.Schedules); diff != "" {
		t.Errorf("schedules (want -, got +):\n%s", diff)
	}
}

func TestAReportIsOfTheLastThirtyDaysUnlessAskedOtherwise(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var r reports.Report
	ask(t, h, "GET", "/api/reports", "", 200, &r)
	if !r.To.Equal(night.Add(time.Hour)) || r.To.Sub(r.From) != 30*24*time.Hour || r.Episodes != 3 {
		t.Errorf("%d episodes from %s to %s", r.Episodes, r.From, r.To)
	}
	ask(t, h, "GET", "/api/reports?from=2026-06-12T02:31:00Z", "", 200, &r)
	if r.Episodes != 2 {
		t.Errorf("%d episodes since the second opened, want 2", r.Episodes)
	}
	ask(t, h, "GET", "/api/reports?from=2026-06-13T00:00:00Z", "", 400, nil)
	ask(t, h, "GET", "/api/reports?from=2024-06-13T00:00:00Z", "", 400, nil)
}

// One digest is one message, whatever it tells of.
func TestADigestCountsOnceInAReport(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	at := night.Add(20 * time.Minute)
	check(t, h.store.Update(t.Context(), func(tx *store.Tx) error {
		c := &tocsin.Contact{Person: "bo", Receiver: "mail", Address: "bo@example.com", VerifiedAt: night}
		if err := tx.SaveContact(c); err != nil {
			return err
		}
		of := func(alert int64, digest bool, at time.Time) *tocsin.Notification {
			return &tocsin.Notification{
				Alert: alert, Receiver: "mail", Person: "bo", Contact: c.ID, Kind: tocsin.TellOpened, Digest: digest, State: tocsin.Delivered,
				CreatedAt: at, Due: at, Deadline: at, SettledAt: at,
			}
		}
		return tx.Owe([]*tocsin.Notification{of(1, true, at), of(2, true, at), of(3, true, at), of(1, true, at.Add(time.Hour)), of(1, false, at)})
	}))
	var r reports.Report
	ask(t, h, "GET", "/api/reports?to=2026-06-13T00:00:00Z", "", 200, &r)
	if diff := cmp.Diff([]reports.Load{{Person: "bo", Notifications: 3, Interruptions: 3}}, r.People); diff != "" {
		t.Errorf("people (want -, got +):\n%s", diff)
	}
}
