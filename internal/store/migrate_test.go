package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// released has the SHA-256 of every migration that was released: databases exist
// that ran it as it was, so it never changes. Add a file instead.
var released = map[string]string{
	"0001_begin":   "56fc55e1e4d8df1707eac8ecb326accbf0bbe710850c37ff242742f84d5c0e3e",
	"0002_people":  "4012421889ec4c149fa95706f5defac4a463139814c29dff363588f802c63e1d",
	"0003_places":  "f4702db2371557a3d20943c854d1eda646fe934e24331dfa4f69cd25a8fc4b53",
	"0004_latency": "4a7cf1677de0690f85324c6e2fb0929d1cdbc01a80227ecc14ba7970694fed43",
}

func TestReleasedMigrationsNeverChange(t *testing.T) {
	t.Parallel()
	steps, err := readMigrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		got := fmt.Sprintf("%x", sha256.Sum256([]byte(step.text)))
		if want := released[step.name]; got != want {
			t.Errorf("%s has SHA-256 %s, want %q: a released migration never changes; a new one needs an entry here", step.name, got, want)
		}
	}
	if len(steps) < len(released) {
		t.Errorf("%d migrations were released, and %d are left", len(released), len(steps))
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDir(t, dir)
	err := s.engine.update(t.Context(), func(db session) error {
		_, err := db.exec("INSERT INTO schema_version (version, name, applied_at) VALUES (7, '0007_future', 0)")
		return err
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), "sqlite:"+dir)
	if !errors.Is(err, ErrNewer) {
		t.Fatalf("Open = %v, want ErrNewer", err)
	}
	for _, part := range []string{"tocsin.db: ", "version 7", fmt.Sprintf("up to %d", len(released))} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("Open = %v, want it to say %q", err, part)
		}
	}
	// It let go of the directory.
	if _, err := Open(context.Background(), "sqlite:"+dir); !errors.Is(err, ErrNewer) {
		t.Errorf("Open again = %v, want ErrNewer", err)
	}
}

func TestMigrationsRunOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := openDir(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	s := openDir(t, dir)
	if n := ask[int64](t, s.engine.view, "SELECT COUNT(*) FROM schema_version"); n != int64(len(released)) {
		t.Errorf("%d migrations were applied, want %d", n, len(released))
	}
}
