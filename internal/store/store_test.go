package store_test

import (
	"os"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) *store.Store { return open(t, "sqlite:"+t.TempDir()) })
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) *store.Store { return open(t, storetest.Postgres(t)) })
}

func open(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Replanned() // because of the schema, which is new
	t.Cleanup(func() {
		for sql, n := range s.Replanned() {
			t.Errorf("SQLite planned this statement %d times again; is an argument its LIMIT, or what follows LIKE, and no CAST?\n%s", n, sql)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
