package store

import (
	"context"
	"database/sql/driver"
	"reflect"

	sqlite3 "modernc.org/sqlite/lib"
)

// OpenSchema opens a store whose schema is that of an earlier version.
func OpenSchema(ctx context.Context, url string, version int) (*Store, error) {
	steps, err := readMigrations()
	if err != nil {
		return nil, err
	}
	return open(ctx, url, steps[:version])
}

// Run runs the statements of a text as migrations do.
func (s *Store) Run(ctx context.Context, text string) error {
	return s.engine.update(ctx, func(db session) error {
		for _, statement := range s.dialect.statements(text) {
			if _, err := db.exec(statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// Replanned are the statements that SQLite planned again as they were run, and how often
// since this was asked last: those of the connections that nobody uses.
func (s *Store) Replanned() map[string]int {
	e, ok := s.engine.(*sqliteEngine)
	if !ok {
		return nil
	}
	again := map[string]int{}
	for _, idle := range []chan *sqliteConn{e.writer, e.readers} {
		for range len(idle) {
			c := <-idle
			for sql, st := range c.statements {
				if n := replanned(st); n > 0 {
					again[sql] += n
				}
			}
			idle <- c
		}
	}
	return again
}

// replanned asks SQLite (https://www.sqlite.org/c3ref/stmt_status.html), for which the
// driver has no call: the handles are fields of its own.
func replanned(st driver.Stmt) int {
	statement := reflect.ValueOf(st).Elem()
	handle := statement.FieldByName("pstmt")
	if handle.Uint() == 0 {
		return 0 // a script, or a comment
	}
	tls := statement.FieldByName("c").Elem().FieldByName("tls")
	tls = reflect.NewAt(tls.Type(), tls.Addr().UnsafePointer()).Elem()
	count := reflect.ValueOf(sqlite3.Xsqlite3_stmt_status).Call([]reflect.Value{
		tls,
		reflect.ValueOf(uintptr(handle.Uint())),
		reflect.ValueOf(int32(sqlite3.SQLITE_STMTSTATUS_REPREPARE)),
		reflect.ValueOf(int32(1)), // from zero
	})
	return int(count[0].Int())
}
