package store_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/store/storetest"
)

// TestDatabasesOfTheFirstSchemaLiveOn opens a database that a tocsin of the first
// schema left, with what was open and owed then.
func TestDatabasesOfTheFirstSchemaLiveOn(t *testing.T) {
	t.Parallel()
	for _, database := range []struct {
		name string
		url  func(t *testing.T) string
	}{
		{"sqlite", func(t *testing.T) string { return "sqlite:" + t.TempDir() }},
		{"postgres", func(t *testing.T) string { return storetest.Postgres(t) }},
	} {
		t.Run(database.name, func(t *testing.T) {
			t.Parallel()
			url := database.url(t)
			leaveSchema1(t, url)
			s := open(t, url)
			t.Run("alerts are counted by status and level", func(t *testing.T) { countedAnew(t, s) })
			t.Run("the clock closes what falls silent", func(t *testing.T) { closedWhenSilent(t, s) })
			t.Run("what was owed is delivered", func(t *testing.T) { deliveredAfterwards(t, s) })
			t.Run("alerts go on", func(t *testing.T) { alertsGoOn(t, s) })
		})
	}
}

func leaveSchema1(t *testing.T, url string) {
	t.Helper()
	rows, err := os.ReadFile(filepath.Join("testdata", "schema1.sql"))
	if err != nil {
		t.Fatal(err)
	}
	old, err := store.OpenSchema(t.Context(), url, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Run(t.Context(), string(rows)); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
}

// second is n seconds after the first alert of testdata/schema1.sql was opened.
func second(n int) time.Time {
	return time.Date(2026, 7, 31, 3, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
}

func update(t *testing.T, s *store.Store, f func(tx *store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func view(t *testing.T, s *store.Store, f func(tx *store.Tx) error) {
	t.Helper()
	if err := s.View(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func countedAnew(t *testing.T, s *store.Store) {
	view(t, s, func(tx *store.Tx) error {
		totals, err := tx.Totals()
		if err != nil {
			return err
		}
		want := map[tocsin.Status]int64{tocsin.StatusOpen: 2, tocsin.StatusAcked: 1, tocsin.StatusClosed: 1}
		if diff := cmp.Diff(want, totals.Alerts); diff != "" {
			t.Errorf("alerts (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[tocsin.Level]int64{tocsin.High: 2}, totals.OpenByLevel); diff != "" {
			t.Errorf("open by level (-want +got):\n%s", diff)
		}
		seen, err := tx.SeenBefore("Recon:EC2/Portscan", "111122223333")
		if seen != 1 {
			t.Errorf("SeenBefore = %d, want 1", seen)
		}
		return err
	})
}

func closedWhenSilent(t *testing.T, s *store.Store) {
	fourteenDays := second(0).Add(14 * 24 * time.Hour)
	update(t, s, func(tx *store.Tx) error {
		next, err := tx.NextAlertDue()
		if !next.Equal(fourteenDays) {
			t.Errorf("NextAlertDue = %s, want %s", next, fourteenDays)
		}
		if err != nil {
			return err
		}
		due, err := tx.DueAlerts(fourteenDays, 10)
		if err != nil || len(due) != 1 || due[0].ID != 1 {
			t.Fatalf("DueAlerts = %+v, %v, want alert 1", due, err)
		}
		if due, err = tx.DueAlerts(fourteenDays.Add(time.Hour), 10); len(due) != 3 {
			t.Errorf("%d alerts come due in all, %v, want the 3 that are not closed", len(due), err)
		}
		if after, turns := due[0].Tick(fourteenDays.Add(24 * time.Hour)); after.Status != tocsin.StatusClosed || len(turns) != 1 {
			t.Errorf("the clock made it %s in %d turns, want closed in one", after.Status, len(turns))
		}
		return err
	})
}

func deliveredAfterwards(t *testing.T, s *store.Store) {
	update(t, s, func(tx *store.Tx) error {
		claimed, err := tx.Claim("slack", second(300), time.Minute, 10)
		if err != nil {
			return err
		}
		if len(claimed) != 1 || claimed[0].ID != 2 || claimed[0].LastError != "503" || len(claimed[0].Changes) != 1 || claimed[0].Digest || claimed[0].Contact != 0 {
			t.Errorf("claimed %+v, want notification 2 as it was", claimed)
		}
		kept, err := tx.Settle([]store.Settlement{{ID: 2, Attempts: 1, State: tocsin.Delivered, At: second(301), Receiver: "slack"}})
		if len(kept) != 1 {
			t.Errorf("kept %v", kept)
		}
		return err
	})
}

func alertsGoOn(t *testing.T, s *store.Store) {
	update(t, s, func(tx *store.Tx) error {
		acked, err := tx.AlertForUpdate(2)
		if err != nil {
			return err
		}
		closed, err := acked.Close("ada", tocsin.ReasonFixed, second(400))
		if err != nil {
			return err
		}
		fresh, _ := tocsin.Alert{}.Fold(acked.Detection, second(500))
		fresh.Previous = 2
		return tx.Save(&closed, &fresh)
	})
	view(t, s, func(tx *store.Tx) error {
		latest, err := tx.Latest([]tocsin.Key{"aws/111122223333/eu-west-1/f2"})
		if a := latest["aws/111122223333/eu-west-1/f2"]; a.Previous != 2 || a.Status != tocsin.StatusOpen {
			t.Errorf("the latest of the key is alert %d after %d, %s", a.ID, a.Previous, a.Status)
		}
		if err != nil {
			return err
		}
		page, total, err := tx.Alerts(store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusOpen, tocsin.StatusAcked}})
		if total != 3 || len(page) != 3 {
			t.Errorf("%d on a page of %d, want 3", len(page), total)
		}
		return err
	})
}
