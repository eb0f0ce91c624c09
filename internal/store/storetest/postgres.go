package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-sec/tocsin/internal/loopback"
)

// ServerEnv names an existing PostgreSQL server to use instead of a throw-away
// one: a URL whose user may create schemas.
const ServerEnv = "TOCSIN_TEST_POSTGRES"

// Postgres gives the URL of an empty database, dropped when the test ends: a
// schema of its own, by way of search_path. All tests of a process share one
// throw-away server on a loopback port, which starts with the first and stops
// with the last of those that use it at the same time; [Main] keeps it for the
// whole process. It does not wait for the disk; with settings ("fsync=on", as in
// postgresql.conf) the test has a server of its own.
//
// Without PostgreSQL's programs the test fails and says how to get them.
func Postgres(t testing.TB, settings ...string) string {
	t.Helper()
	s := &shared
	if len(settings) > 0 {
		s = &server{settings: settings}
	}
	at, err := s.take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.giveBack(); err != nil {
			t.Error(err)
		}
	})
	base, drop, err := createSchema(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := drop(); err != nil {
			t.Error(err)
		}
	})
	return base
}

// Main runs the tests of a package with one server for all of them:
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
//
// The server starts with the first test that wants it, if any.
func Main(m *testing.M) int {
	shared.hold()
	code := m.Run()
	if err := shared.giveBack(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// createSchema makes a schema of a new name and gives the URL of a database that
// consists of it, as far as its users can see. Dropping a database would wait for
// a checkpoint.
func createSchema(ctx context.Context, server string) (base string, drop func() error, err error) {
	name := fmt.Sprintf("tocsin_test_%016x", rand.Uint64())
	if err := run(ctx, server, "CREATE SCHEMA "+name); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, err
	}
	query := u.Query()
	query.Set("search_path", name)
	u.RawQuery = query.Encode()
	return u.String(), func() error {
		// The test's own context has ended by then.
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		return run(ctx, server, "DROP SCHEMA "+name+" CASCADE")
	}, nil
}

func run(ctx context.Context, server, statement string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// shared is the process's server: a table of one row, as it were.
var shared server

// A server is one throw-away PostgreSQL, running while somebody uses it.
type server struct {
	settings []string // beside the usual ones

	mu     sync.Mutex
	users  int // guarded by mu, as are the rest
	url    string
	dir    string
	parent *exec.Cmd      // a shell that has the server as its child
	leash  io.WriteCloser // its standard input
}

// hold counts a user that does not need the server yet.
func (s *server) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users++
}

// take counts a user and gives the server's URL, starting it if need be.
func (s *server) take() (string, error) {
	if existing := os.Getenv(ServerEnv); existing != "" {
		s.hold()
		return existing, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.url == "" {
		if err := s.start(); err != nil {
			return "", errors.Join(err, s.stop())
		}
	}
	s.users++
	return s.url, nil
}

// giveBack counts one user less, and stops the server behind the last.
func (s *server) giveBack() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users > 0 {
		return nil
	}
	return s.stop()
}

// start makes a cluster in a new directory and waits until it answers.
func (s *server) start() error {
	initdb, err := program("initdb")
	if err != nil {
		return err
	}
	postgres, err := program("postgres")
	if err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "tocsin-postgres-"); err != nil {
		return err
	}
	as, err := unprivileged(s.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	create := exec.Command(initdb, "--pgdata", data, "--username", "tocsin", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	create.Dir, create.SysProcAttr = s.dir, as
	if out, err := create.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	address, err := loopback.Free()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	output, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = output.Close() }()
	args := []string{"-c", leashed, "sh", s.dir, postgres, "-D", data, "-p", port, "-k", ""}
	for _, setting := range append([]string{"listen_addresses=127.0.0.1", "max_connections=300", "fsync=off", "full_page_writes=off", "autovacuum=off"}, s.settings...) {
		args = append(args, "-c", setting)
	}
	parent := exec.Command("sh", args...)
	parent.Dir, parent.SysProcAttr = s.dir, as
	parent.Stdout, parent.Stderr = output, output
	if s.leash, err = parent.StdinPipe(); err != nil {
		return err
	}
	if err := parent.Start(); err != nil {
		return err
	}
	s.parent = parent
	s.url = "postgres://tocsin@127.0.0.1:" + port + "/postgres?sslmode=disable"
	return s.answer()
}

// answer waits until the server takes connections.
func (s *server) answer() error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.url)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("postgres does not answer: %w\n%s", err, text)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// leashed is a shell's script that runs a server until its standard input ends,
// be it that we closed it or that we are no more, and removes the directory.
const leashed = `dir=$1; shift
"$@" &
read -r nothing
kill -INT $!
wait $!
cd / && rm -rf "$dir"`

// stop ends the server, "fast" as PostgreSQL calls it.
func (s *server) stop() error {
	var errs []error
	if s.parent != nil {
		errs = append(errs, s.leash.Close())
		_ = s.parent.Wait() // with the status of the last thing it did
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	s.url, s.dir, s.parent, s.leash = "", "", nil, nil
	return errors.Join(errs...)
}

// program finds one of PostgreSQL's programs, the newest where Debian keeps
// several versions.
func program(name string) (string, error) {
	if found, err := exec.LookPath(name); err == nil {
		return found, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return "", fmt.Errorf("%s is neither in PATH nor in /usr/lib/postgresql/*/bin: "+
			"install PostgreSQL (sudo apt-get install postgresql), or name a running server in %s", name, ServerEnv)
	}
	return slices.MaxFunc(found, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b) // 9 before 10
		}
		return strings.Compare(a, b)
	}), nil
}
