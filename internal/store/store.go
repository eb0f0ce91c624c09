// Package store remembers. All SQL is here, in both dialects, and nothing else:
// no judgement, no order of things.
//
// A [Store] is SQLite in a directory (the default) or PostgreSQL; storetest runs
// one suite over both. Everything that belongs together is written inside one
// [Store.Update]; nothing is sent from within it.
//
// Times are kept as UTC milliseconds since 1970. Alerts are kept as columns for
// filters beside one JSON document. Texts are kept as UTF-8 without NUL, since
// PostgreSQL takes no other; only [tocsin.Event.Raw] is kept byte for byte.
package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
)

// Errors that callers ask for by name.
var (
	ErrNotFound = errors.New("not found")
	// ErrExists says that what was to be made is there already.
	ErrExists = errors.New("there already")
	// ErrStale says that something was changed since it was read.
	ErrStale = errors.New("changed by somebody else in the meantime")
	// ErrNewer says that the database was written by a newer tocsin.
	ErrNewer = errors.New("the database is of a newer version of tocsin")
	// ErrInUse says that another process has the SQLite directory.
	ErrInUse = errors.New("in use by another tocsin")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("the store is closed")
)

// A Store is where everything is remembered. It is safe for many goroutines.
type Store struct {
	engine  engine
	dialect *dialect
	// slot is the share of the counters that this store adds to; see tally.go.
	slot    int64
	buffers buffers
}

// Open opens the store that url names, creates it where it is a directory that
// does not exist, and brings its schema up to date:
//
//	sqlite:./tocsin-data      a directory, locked while it is open
//	postgres://user@host/db   as libpq reads it
func Open(ctx context.Context, url string) (*Store, error) {
	steps, err := readMigrations()
	if err != nil {
		return nil, err
	}
	return open(ctx, url, steps)
}

// OpenFleeting is Open of a directory that need not outlive the machine: no commit waits
// for the disk. What is committed outlives the program, and not a power cut.
func OpenFleeting(ctx context.Context, dir string) (*Store, error) {
	steps, err := readMigrations()
	if err != nil {
		return nil, err
	}
	s := &Store{dialect: &sqliteDialect}
	if s.engine, err = openSQLite(ctx, dir, fleeting); err != nil {
		return nil, err
	}
	return s.migrated(ctx, filepath.Join(dir, sqliteFile), steps)
}

func open(ctx context.Context, url string, steps []migration) (*Store, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	s, where := &Store{}, "store"
	var err error
	switch scheme {
	case "sqlite":
		dir := strings.TrimPrefix(rest, "//")
		s.dialect, where = &sqliteDialect, filepath.Join(dir, sqliteFile)
		s.engine, err = openSQLite(ctx, dir, durable)
	case "postgres", "postgresql":
		s.dialect, s.slot = &postgresDialect, rand.Int64N(tallySlots)
		s.engine, err = openPostgres(ctx, url)
	default:
		return nil, fmt.Errorf("store %q: want sqlite:DIRECTORY or postgres://USER@HOST/DATABASE", withoutRest(url))
	}
	if err != nil {
		return nil, err
	}
	return s.migrated(ctx, where, steps)
}

func (s *Store) migrated(ctx context.Context, where string, steps []migration) (*Store, error) {
	if err := s.migrate(ctx, steps); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", where, err), s.Close())
	}
	return s, nil
}

// withoutRest is the part of a URL that cannot hold a password.
func withoutRest(url string) string {
	scheme, _, found := strings.Cut(url, ":")
	if !found {
		return url
	}
	return scheme + ":…"
}

// Close waits for what is under way and lets go of the database.
func (s *Store) Close() error { return s.engine.close() }

// Dialect is "sqlite" or "postgres".
func (s *Store) Dialect() string { return s.dialect.name }

// Replicated says whether other processes may have the same store open.
func (s *Store) Replicated() bool { return s.dialect.replicated }

// Ping says whether the database answers and can be written.
func (s *Store) Ping(ctx context.Context) error {
	return s.engine.update(ctx, func(db session) error {
		_, err := db.exec(`
			UPDATE schema_version
			SET version = version
			WHERE version = 1`)
		return err
	})
}

// Update runs f in one durable transaction. f may run again when the database
// asks for it (a serialization failure, a deadlock, a row that another replica
// was faster to insert), so it must not change anything outside but its results.
// When nothing was kept, what was given to be saved has its ID and Version back.
func (s *Store) Update(ctx context.Context, f func(tx *Tx) error) error {
	tx := &Tx{}
	err := s.engine.update(ctx, func(db session) error {
		tx.unsave()
		tx = &Tx{db: db, dialect: s.dialect, slot: s.slot, buffers: &s.buffers}
		if err := f(tx); err != nil {
			return err
		}
		return tx.flush()
	})
	if err != nil {
		tx.unsave()
	}
	return err
}

// View runs f on one consistent snapshot, beside any writer.
func (s *Store) View(ctx context.Context, f func(tx *Tx) error) error {
	return s.engine.view(ctx, func(db session) error {
		return f(&Tx{db: db, dialect: s.dialect, slot: s.slot, buffers: &s.buffers, readOnly: true})
	})
}

// A Tx is one transaction, used by one goroutine.
type Tx struct {
	db      session
	dialect *dialect
	slot    int64
	buffers *buffers
	// readOnly says that this is a view: it locks nothing.
	readOnly bool
	tallies  tallies
	// known are the alerts that it read or wrote; nil in a view.
	known map[int64]known
	saved []saved
}

// saved is an ID or a Version as it was before what has it was saved.
type saved struct {
	number *int64
	was    int64
}

// remember keeps the numbers of what is about to be saved.
func (tx *Tx) remember(numbers ...*int64) {
	for _, n := range numbers {
		tx.saved = append(tx.saved, saved{n, *n})
	}
}

// unsave gives them back, since nothing was kept.
func (tx *Tx) unsave() {
	for _, s := range slices.Backward(tx.saved) {
		*s.number = s.was
	}
	tx.saved = nil
}
