package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"modernc.org/sqlite"
)

// sqliteFile is the database's name within its directory.
const sqliteFile = "tocsin.db"

// sqlitePragmas are set on every connection.
//
//   - synchronous=FULL has each commit wait for the disk: what was acknowledged
//     outlives a power cut (https://www.sqlite.org/pragma.html#pragma_synchronous).
//     OFF outlives the end of the program alone.
//   - journal_mode=WAL lets readers and the writer go on beside each other.
//   - page_size=4096: an index that is hit anywhere (event_delivery, alert_key) has
//     a page of its own changed by nearly each row, and pages are written twice.
//     What is large is in chunks, which fill their pages whatever the size.
//   - wal_autocheckpoint in pages: 32 MB, so that a page that many commits change
//     is copied back once.
//
// They are run here, in this order, since the driver sorts those in its URL, and
// a page_size after journal_mode has no effect.
func sqlitePragmas(synchronous string) []string {
	return []string{
		"busy_timeout = 10000",
		"page_size = 4096",
		"synchronous = " + synchronous, // before the first page is written
		"journal_mode = WAL",
		"wal_autocheckpoint = 8000",
		"journal_size_limit = 67108864",
		"temp_store = MEMORY",
	}
}

// sqliteEngine is a directory with one connection that writes and several that
// read. The connections are the driver's own; each is used by whoever took it
// out of its channel.
type sqliteEngine struct {
	file        string
	synchronous string // durable or fleeting
	lock        *lock
	writer      chan *sqliteConn
	readers     chan *sqliteConn // those that are open
	spare       chan struct{}    // one for each that may be opened yet
	closed      chan struct{}
	closing     sync.Once
}

// How SQLite is synchronous.
const (
	durable  = "FULL"
	fleeting = "OFF"
)

// openSQLite opens the directory, which it creates, and locks.
func openSQLite(ctx context.Context, dir, synchronous string) (engine, error) {
	if dir == "" {
		return nil, errors.New("store \"sqlite:\": want sqlite:DIRECTORY")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	lock, err := lockDirectory(dir)
	if err != nil {
		return nil, err
	}
	e := &sqliteEngine{
		file:        filepath.Join(dir, sqliteFile),
		synchronous: synchronous,
		lock:        lock,
		writer:      make(chan *sqliteConn, 1),
		readers:     make(chan *sqliteConn, max(4, 2*runtime.GOMAXPROCS(0))),
		closed:      make(chan struct{}),
	}
	e.spare = make(chan struct{}, cap(e.readers))
	for range cap(e.spare) {
		e.spare <- struct{}{}
	}
	// The writer comes first: it creates the file.
	writer, err := e.connect(ctx, "cache_size = -32768")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", e.file, err), lock.release())
	}
	e.writer <- writer
	return e, nil
}

func (e *sqliteEngine) connect(ctx context.Context, pragmas ...string) (*sqliteConn, error) {
	absolute, err := filepath.Abs(e.file)
	if err != nil {
		return nil, err
	}
	path := filepath.ToSlash(absolute)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…, https://www.sqlite.org/uri.html
	}
	connector, err := sqlite.NewConnector("file:" + (&url.URL{Path: path}).EscapedPath())
	if err != nil {
		return nil, err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c := &sqliteConn{conn: conn, ctx: ctx, during: ctx, statements: map[string]driver.Stmt{}, inserting: map[insertion]string{}}
	for _, pragma := range append(sqlitePragmas(e.synchronous), pragmas...) {
		if _, err := c.exec("PRAGMA " + pragma); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	c.forget()
	return c, nil
}

func (e *sqliteEngine) update(ctx context.Context, f func(session) error) error {
	c, err := e.take(ctx)
	if err != nil {
		return err
	}
	defer func() { e.writer <- c }()
	// Its statements are short, and the driver starts a goroutine for each
	// statement whose context can end: the session asks the context itself.
	c.ctx, c.during = ctx, context.Background()
	return c.transact("BEGIN IMMEDIATE", f)
}

func (e *sqliteEngine) view(ctx context.Context, f func(session) error) error {
	c, err := e.reader(ctx)
	if err != nil {
		return err
	}
	defer func() { e.readers <- c }()
	c.ctx, c.during = ctx, ctx
	return c.transact("BEGIN", f)
}

// reader takes one that is open, and opens another only where all are taken: each reads
// the schema, and prepares its statements, anew.
func (e *sqliteEngine) reader(ctx context.Context) (*sqliteConn, error) {
	select {
	case <-e.closed:
		return nil, ErrClosed
	default:
	}
	select {
	case c := <-e.readers:
		return c, nil
	default:
	}
	select {
	case c := <-e.readers:
		return c, nil
	case <-e.spare:
	case <-e.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, err := e.connect(ctx, "cache_size = -4096", "query_only = 1")
	if err != nil {
		e.spare <- struct{}{}
		return nil, fmt.Errorf("%s: %w", e.file, err)
	}
	return c, nil
}

// take takes the writer.
func (e *sqliteEngine) take(ctx context.Context) (*sqliteConn, error) {
	select {
	case <-e.closed:
		return nil, ErrClosed
	default:
	}
	select {
	case c := <-e.writer:
		return c, nil
	case <-e.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// close closes the readers first: the last connection, the writer, moves the
// write-ahead log into the file.
func (e *sqliteEngine) close() error {
	var errs []error
	e.closing.Do(func() {
		close(e.closed)
		for range cap(e.readers) {
			select {
			case c := <-e.readers:
				errs = append(errs, c.close())
			case <-e.spare:
			}
		}
		errs = append(errs, (<-e.writer).close())
		errs = append(errs, e.lock.release())
	})
	return errors.Join(errs...)
}

// A sqliteConn is one connection with its prepared statements.
type sqliteConn struct {
	conn driver.Conn
	// ctx is that of the transaction under way; during is what the driver gets.
	ctx, during context.Context
	statements  map[string]driver.Stmt
	inserting   map[insertion]string // the texts of those that insert several rows
	// Buffers for arguments, used again for each statement.
	args  []any
	named []driver.NamedValue
}

// transact runs f between begin and COMMIT, or rolls back, also if f panics.
func (c *sqliteConn) transact(begin string, f func(session) error) error {
	if _, err := c.exec(begin); err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed {
			c.ctx, c.during = context.Background(), context.Background()
			// Where the database rolled back by itself this is an error, and fine.
			_, _ = c.exec("ROLLBACK")
		}
	}()
	if err := f(c); err != nil {
		return err
	}
	if _, err := c.exec("COMMIT"); err != nil {
		return err
	}
	committed = true
	return nil
}

func (c *sqliteConn) exec(sql string, args ...any) (int64, error) {
	st, err := c.prepare(sql)
	if err != nil {
		return 0, err
	}
	result, err := st.ExecContext(c.during, c.name(args))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (c *sqliteConn) execs(sql string, n int, bind binder, done func(i int, rows int64) error) error {
	st, err := c.prepare(sql)
	if err != nil {
		return err
	}
	for i := range n {
		result, err := st.ExecContext(c.during, c.bind(i, bind))
		if err != nil {
			return err
		}
		if done == nil {
			continue
		}
		rows, _ := result.RowsAffected()
		if err := done(i, rows); err != nil {
			return err
		}
	}
	return nil
}

// inserts asks for the last rowid instead of RETURNING the column, which would
// make a result set of each insert. Several rows go in one statement: what costs is
// the statement more than the row. Their rowids follow each other, since nobody else
// writes.
func (c *sqliteConn) inserts(sql, _ string, n int, bind binder, id func(i int, id int64)) error {
	for first, rows := 0, 0; first < n; first += rows {
		rows = rowsTogether(n - first)
		st, err := c.prepare(c.together(sql, rows))
		if err != nil {
			return err
		}
		c.args = c.args[:0]
		for i := range rows {
			c.args = bind(first+i, c.args)
		}
		result, err := st.ExecContext(c.during, c.name(c.args))
		if err != nil {
			return err
		}
		last, _ := result.LastInsertId()
		for i := range rows {
			id(first+i, last-int64(rows-1-i))
		}
	}
	return nil
}

// maxRows is how many rows one statement inserts at the most.
const maxRows = 32

// rowsTogether is how many of the next n rows one statement inserts: a power of two,
// so that few statements do for all n.
func rowsTogether(n int) int {
	return min(1<<(bits.Len(uint(n))-1), maxRows)
}

// An insertion is an INSERT of one row, and how many rows it is to have.
type insertion struct {
	sql  string
	rows int
}

// together is the INSERT of so many rows. One that is refused fails it at once,
// instead of taking back those before it, for which SQLite would keep a copy of each
// page: who inserts rows rolls back all of the transaction.
func (c *sqliteConn) together(sql string, rows int) string {
	if rows == 1 {
		return sql
	}
	which := insertion{sql, rows}
	if _, ok := c.inserting[which]; !ok {
		insert, row, _ := strings.Cut(positional(sql), "VALUES ")
		insert = strings.Replace(insert, "INSERT", "INSERT OR FAIL", 1)
		c.inserting[which] = insert + "VALUES " + row + strings.Repeat(", "+row, rows-1)
	}
	return c.inserting[which]
}

func (c *sqliteConn) query(sql string, args []any, each func(row) error) error {
	st, err := c.prepare(sql)
	if err != nil {
		return err
	}
	return c.rows(st, c.name(args), each)
}

func (c *sqliteConn) queries(sql string, n int, bind binder, each func(i int, r row) error) error {
	st, err := c.prepare(sql)
	if err != nil {
		return err
	}
	for i := range n {
		err := c.rows(st, c.bind(i, bind), func(r row) error { return each(i, r) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *sqliteConn) rows(st sqliteStatement, args []driver.NamedValue, each func(row) error) error {
	rows, err := st.QueryContext(c.during, args)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	values := make(sqliteRow, len(rows.Columns()))
	for {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = each(values)
		}
		if err != nil {
			return err
		}
	}
}

// sqliteStatement is what a statement of the driver can do.
type sqliteStatement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// maxStatements bounds the prepared statements kept: filters make new texts.
const maxStatements = 256

// prepare gives the prepared statement, unless the context has ended.
func (c *sqliteConn) prepare(sql string) (sqliteStatement, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	if st, ok := c.statements[sql]; ok {
		return st.(sqliteStatement), nil
	}
	if len(c.statements) >= maxStatements {
		c.forget()
	}
	st, err := c.conn.(driver.ConnPrepareContext).PrepareContext(c.during, positional(sql))
	if err != nil {
		return nil, fmt.Errorf("%w in %q", err, sql)
	}
	c.statements[sql] = st
	return st.(sqliteStatement), nil
}

func (c *sqliteConn) forget() {
	for sql, st := range c.statements {
		_ = st.Close()
		delete(c.statements, sql)
	}
}

func (c *sqliteConn) close() error {
	c.forget()
	return c.conn.Close()
}

func (c *sqliteConn) bind(i int, bind binder) []driver.NamedValue {
	c.args = bind(i, c.args[:0])
	return c.name(c.args)
}

func (c *sqliteConn) name(args []any) []driver.NamedValue {
	c.named = c.named[:0]
	for i, arg := range args {
		c.named = append(c.named, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
	return c.named
}

// positional writes ? for $1, $2 … if each stands once and in order: the driver
// looks up a $n by its name at each run.
func positional(sql string) string {
	var out strings.Builder
	rest := sql
	for n := 1; ; n++ {
		before, after, found := strings.Cut(rest, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		end := 0
		for end < len(after) && after[end] >= '0' && after[end] <= '9' {
			end++
		}
		if after[:end] != strconv.Itoa(n) {
			return sql
		}
		out.WriteByte('?')
		rest = after[end:]
	}
}

// A sqliteRow is one row as the driver gives it.
type sqliteRow []driver.Value

func (r sqliteRow) Scan(into ...any) error {
	if len(into) != len(r) {
		return fmt.Errorf("%d columns for %d variables", len(r), len(into))
	}
	for i, value := range r {
		if err := scan(value, into[i]); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

// scan copies what the driver gives into one of a session's types.
func scan(value driver.Value, into any) error {
	switch to := into.(type) {
	case *int64:
		if v, ok := value.(int64); ok {
			*to = v
			return nil
		}
	case *int:
		if v, ok := value.(int64); ok {
			*to = int(v)
			return nil
		}
	case *float64:
		switch v := value.(type) {
		case float64:
			*to = v
			return nil
		case int64:
			*to = float64(v)
			return nil
		}
	case *string:
		switch v := value.(type) {
		case string:
			*to = v
			return nil
		case nil:
			*to = ""
			return nil
		}
	case *[]byte:
		switch v := value.(type) {
		case []byte:
			*to = v
			return nil
		case string:
			*to = []byte(v)
			return nil
		case nil:
			*to = nil
			return nil
		}
	}
	return fmt.Errorf("%T into %T", value, into)
}
