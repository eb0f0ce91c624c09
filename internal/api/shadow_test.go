package api_test

import (
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/shadow"
	"github.com/tocsin-sec/tocsin/internal/store"
)

func TestWhatAnotherSystemSentIsCompared(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	check(t, h.store.Update(t.Context(), func(tx *store.Tx) error {
		const id = "16afba5c5c43e07c9e3e5e2e544e95df"
		a, err := tx.AlertForUpdate(1)
		if err != nil {
			return err
		}
		a.Detection.ID = id
		if err := tx.Save(&a); err != nil {
			return err
		}
		they := &tocsin.Event{
			Source: "old", Via: "shadow", ReceivedAt: night.Add(2 * time.Minute), Verdict: tocsin.Filtered,
			Raw: []byte(`{"text":"finding ` + id + `"}`),
		}
		other := &tocsin.Event{Source: "old", Via: "shadow", ReceivedAt: night.Add(3 * time.Minute), Verdict: tocsin.Filtered, Raw: []byte("the disk is full")}
		return tx.Journal([]*tocsin.Event{they, other}, []string{"", ""})
	}))
	var c shadow.Comparison
	ask(t, h, "GET", "/api/shadow", "", 200, &c)
	if c.Sent != 2 || c.Both != 1 || c.TheyOnly != 1 || len(c.Rows) != 2 {
		t.Fatalf("%+v", c)
	}
	if row := c.Rows[1]; row.Side != shadow.Both || row.Finding.Alert != 1 || len(row.We) != 1 || row.We[0].Receiver != "soc" {
		t.Errorf("row %+v", row)
	}
	ask(t, h, "GET", "/api/shadow?from=2026-06-12T02:32:30Z", "", 200, &c)
	if c.Sent != 1 {
		t.Errorf("from a minute on they sent %d, want 1", c.Sent)
	}
	ask(t, h, "GET", "/api/shadow?from=2026-01-01T00:00:00Z", "", 400, nil)
}

func TestAnActionIsApproved(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	check(t, h.store.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AlertForUpdate(1)
		if err != nil {
			return err
		}
		a.Approvals = []string{"isolate"}
		return tx.Save(&a)
	}))
	var a tocsin.Alert
	ask(t, h, "POST", "/api/alerts/1/run", `{"by":"ana","action":"isolate"}`, 200, &a)
	if len(a.Approvals) != 0 {
		t.Errorf("still waits for approval: %v", a.Approvals)
	}
	ask(t, h, "POST", "/api/alerts/1/run", `{"by":"ana","action":"isolate"}`, 422, nil)
	ask(t, h, "POST", "/api/alerts/1/run", `{"by":"ana"}`, 400, nil)
	ask(t, h, "POST", "/api/alerts/99/run", `{"by":"ana","action":"isolate"}`, 404, nil)
}
