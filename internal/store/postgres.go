package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresEngine is a pool of connections to PostgreSQL.
type postgresEngine struct {
	pool   *pgxpool.Pool
	closed atomic.Bool
}

// minConnections is the least that a pool may open, so that pages do not wait
// for batches.
const minConnections = 8

// pingTimeout is how long a connection that was idle is given to prove itself.
const pingTimeout = 5 * time.Second

// openPostgres connects once, so that a wrong URL is told at the start. Errors of
// pgx do not hold the password.
func openPostgres(ctx context.Context, url string) (engine, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	config.MaxConns = max(config.MaxConns, minConnections)
	if params := config.ConnConfig.RuntimeParams; params["application_name"] == "" {
		params["application_name"] = "tocsin"
	}
	// A server that hangs does not keep the pool from closing: it waits for its pings.
	config.PingTimeout = cmp.Or(config.PingTimeout, pingTimeout)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("store: %w", err)
	}
	return &postgresEngine{pool: pool}, nil
}

func (e *postgresEngine) close() error {
	e.closed.Store(true)
	e.pool.Close() // waits for transactions under way
	return nil
}

// maxAttempts is how often a transaction is run that others keep disturbing.
const maxAttempts = 12

func (e *postgresEngine) update(ctx context.Context, f func(session) error) error {
	for attempt := 1; ; attempt++ {
		err := e.transact(ctx, pgx.TxOptions{}, f)
		if err == nil || attempt == maxAttempts || !disturbed(err, attempt) {
			return err
		}
		// A random share of a growing wait, so that the same ones do not meet again.
		wait := rand.N(time.Duration(attempt) * 4 * time.Millisecond)
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(wait):
		}
	}
}

// overtaken is an error that another replica may have caused, which was faster:
// who looks again sees what it did. It may also be that nobody looked.
type overtaken struct{ error }

func (o overtaken) Unwrap() error { return o.error }

// maxOvertaken is how often a transaction is run that others overtake.
const maxOvertaken = 3

// disturbed says whether the transaction, after that many attempts, would do if it
// ran again. https://www.postgresql.org/docs/current/errcodes-appendix.html
func disturbed(err error, attempt int) bool {
	if _, ok := errors.AsType[overtaken](err); ok {
		return attempt < maxOvertaken
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case "40001", // serialization_failure
			"40P01", // deadlock_detected
			"23505": // unique_violation: another replica inserted it first
			return true
		}
		return false
	}
	// The connection was found broken before anything was sent on it.
	return pgconn.SafeToRetry(err)
}

func (e *postgresEngine) view(ctx context.Context, f func(session) error) error {
	return e.transact(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, f)
}

func (e *postgresEngine) transact(ctx context.Context, options pgx.TxOptions, f func(session) error) error {
	if e.closed.Load() {
		return ErrClosed
	}
	return pgx.BeginTxFunc(ctx, e.pool, options, func(tx pgx.Tx) error {
		return f(&postgresSession{ctx, tx})
	})
}

// A postgresSession is one transaction. pgx prepares and keeps its statements.
type postgresSession struct {
	ctx context.Context
	tx  pgx.Tx
}

func (s *postgresSession) exec(sql string, args ...any) (int64, error) {
	tag, err := s.tx.Exec(s.ctx, sql, args...)
	return tag.RowsAffected(), err
}

func (s *postgresSession) query(sql string, args []any, each func(row) error) error {
	rows, err := s.tx.Query(s.ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *postgresSession) execs(sql string, n int, bind binder, done func(i int, rows int64) error) error {
	return s.pipeline(sql, n, bind, func(i int, results pgx.BatchResults) error {
		tag, err := results.Exec()
		if err != nil || done == nil {
			return err
		}
		return done(i, tag.RowsAffected())
	})
}

func (s *postgresSession) inserts(sql, column string, n int, bind binder, id func(i int, id int64)) error {
	return s.pipeline(sql+" RETURNING "+column, n, bind, func(i int, results pgx.BatchResults) error {
		var key int64
		if err := results.QueryRow().Scan(&key); err != nil {
			return err
		}
		id(i, key)
		return nil
	})
}

func (s *postgresSession) queries(sql string, n int, bind binder, each func(i int, r row) error) error {
	return s.pipeline(sql, n, bind, func(i int, results pgx.BatchResults) error {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := each(i, rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// pipelined is how many runs of a statement go in one round trip.
const pipelined = 256

// pipeline sends n runs of one statement and reads their results in order.
func (s *postgresSession) pipeline(sql string, n int, bind binder, read func(i int, results pgx.BatchResults) error) error {
	for start := 0; start < n; start += pipelined {
		end := min(start+pipelined, n)
		var batch pgx.Batch
		for i := start; i < end; i++ {
			batch.Queue(sql, bind(i, nil)...)
		}
		results := s.tx.SendBatch(s.ctx, &batch)
		for i := start; i < end; i++ {
			if err := read(i, results); err != nil {
				_ = results.Close() // it fails for the same reason
				return err
			}
		}
		if err := results.Close(); err != nil {
			return err
		}
	}
	return nil
}
