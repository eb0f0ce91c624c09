package store

import (
	"context"
	"testing"
)

func TestAFleetingStoreWaitsForNoDiskAndOutlivesTheProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := OpenFleeting(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func(context.Context, func(session) error) error{
		"writer": s.engine.update, "reader": s.engine.view,
	} {
		if got := ask[int64](t, run, "PRAGMA synchronous"); got != 0 {
			t.Errorf("%s: synchronous = %d, want 0 (OFF)", name, got)
		}
		if got := ask[string](t, run, "PRAGMA journal_mode"); got != "wal" {
			t.Errorf("%s: journal_mode = %s, want wal", name, got)
		}
		if got := ask[int64](t, run, "PRAGMA page_size"); got != 4096 {
			t.Errorf("%s: page_size = %d, want 4096", name, got)
		}
	}
	if _, err := OpenFleeting(t.Context(), dir); err == nil {
		t.Error("it was opened a second time while it was open")
	}
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.Put("kept", []byte("this")) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err = openDir(t, dir).View(t.Context(), func(tx *Tx) error {
		if got, err := tx.Get("kept"); err != nil || string(got) != "this" {
			t.Errorf("Get = %q, %v; want this", got, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestOneWhoReadsAloneOpensOneConnection(t *testing.T) {
	t.Parallel()
	s := openDir(t, t.TempDir())
	for range 5 {
		if got := ask[int64](t, s.engine.view, "SELECT 1"); got != 1 {
			t.Fatalf("SELECT 1 = %d", got)
		}
	}
	if got := len(s.engine.(*sqliteEngine).readers); got != 1 {
		t.Errorf("five views, one after the other, opened %d connections; want 1", got)
	}
}
