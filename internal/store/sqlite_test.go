package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
)

func openDir(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), "sqlite:"+dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask gives the one value of a query, on a connection that writes or reads.
func ask[T int64 | string](t *testing.T, run func(context.Context, func(session) error) error, sql string) (value T) {
	t.Helper()
	err := run(t.Context(), func(db session) error {
		return db.query(sql, nil, func(r row) error { return r.Scan(&value) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestSQLiteIsSetForDurability(t *testing.T) {
	t.Parallel()
	s := openDir(t, t.TempDir())
	for name, run := range map[string]func(context.Context, func(session) error) error{
		"writer": s.engine.update, "reader": s.engine.view,
	} {
		if got := ask[int64](t, run, "PRAGMA synchronous"); got != 2 {
			t.Errorf("%s: synchronous = %d, want 2 (FULL)", name, got)
		}
		if got := ask[string](t, run, "PRAGMA journal_mode"); got != "wal" {
			t.Errorf("%s: journal_mode = %s, want wal", name, got)
		}
		if got := ask[int64](t, run, "PRAGMA page_size"); got != 4096 {
			t.Errorf("%s: page_size = %d, want 4096", name, got)
		}
	}
	// Older ones may lose what was committed when one connection moves the log
	// into the file while another writes: https://www.sqlite.org/wal.html#walresetbug
	version := ask[string](t, s.engine.view, "SELECT sqlite_version()")
	if !atLeast(version, 3, 51, 3) {
		t.Errorf("sqlite_version() = %s, want 3.51.3 or later", version)
	}
}

func atLeast(version string, want ...int) bool {
	for i, part := range strings.Split(version, ".") {
		if n, _ := strconv.Atoi(part); i < len(want) && n != want[i] {
			return n > want[i]
		}
	}
	return true
}

func TestSQLiteDirectory(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	for _, name := range []string{"tocsin-data", "with space", "100%25", "what?", "a#b", "über"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(parent, name)
			openDir(t, dir)
			info, err := os.Stat(dir)
			if err != nil {
				t.Fatal(err)
			}
			if runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
				t.Errorf("the directory is %v, want -rwx------", info.Mode().Perm())
			}
			if _, err := os.Stat(filepath.Join(dir, "tocsin.db")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSQLiteDirectoryIsForOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := openDir(t, dir)
	_, err := Open(t.Context(), "sqlite:"+dir)
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("the second Open = %v, want ErrInUse", err)
	}
	want := fmt.Sprintf("%s is in use by another tocsin (pid %d); stop it, or give this one another directory with --data", dir, os.Getpid())
	if err.Error() != want {
		t.Errorf("the second Open says\n%s\nwant\n%s", err, want)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openDir(t, dir)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "tocsin.db"), []byte(strings.Repeat("no database at all. ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, url, want string }{
		{"no scheme", "tocsin-data", `store "tocsin-data": want sqlite:DIRECTORY or postgres://USER@HOST/DATABASE`},
		{"another scheme", "mysql://root:hunter2@db/x", `store "mysql:…": want sqlite:DIRECTORY or postgres://USER@HOST/DATABASE`},
		{"no directory", "sqlite:", `store "sqlite:": want sqlite:DIRECTORY`},
		{"a file for a directory", "sqlite:" + file, "not a directory"},
		{"a file that is no database", "sqlite:" + broken, "tocsin.db: file is not a database"},
		{"nobody listens", "postgres://tocsin:hunter2@127.0.0.1:1/tocsin?sslmode=disable", "connect"},
		{"a URL that cannot be read", "postgres://tocsin:hunter2@127.0.0.1:99999/tocsin", "invalid port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(t.Context(), tt.url)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Open(%q) = %v, want ... %s", tt.url, err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
	// What could not be opened is not locked.
	if _, err := Open(t.Context(), "sqlite:"+broken); errors.Is(err, ErrInUse) {
		t.Error(err)
	}
}

// childDir has the test binary be the program that is killed.
const childDir = "TOCSIN_STORE_TEST_CHILD"

// TestSQLiteSurvivesKill kills a process that is committing, again and again, and
// looks for every row that it said was committed.
func TestSQLiteSurvivesKill(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		commitForever(dir)
	}
	t.Parallel()
	dir := t.TempDir()
	told := map[int64]bool{}
	for round := range 3 {
		for _, seq := range killedAfter(t, dir, 40+round) {
			told[seq] = true
		}
	}
	s := openDir(t, dir)
	if got := ask[string](t, s.engine.view, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity_check = %s", got)
	}
	err := s.View(t.Context(), func(tx *Tx) error {
		for seq := range told {
			if ev, err := tx.Event(seq); err != nil || string(ev.Raw) != ev.Envelope {
				t.Errorf("event %d was committed, and is %q, %v", seq, ev.Raw, err)
			}
		}
		totals, err := tx.Totals()
		if n := ask[int64](t, s.engine.view, "SELECT COUNT(*) FROM event"); totals.Verdicts[tocsin.Filtered] != n {
			t.Errorf("counted %d events of %d", totals.Verdicts[tocsin.Filtered], n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// killedAfter runs a child that commits, kills it once it told of n rows, and
// gives all it told of.
func killedAfter(t *testing.T, dir string, n int) (told []int64) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestSQLiteSurvivesKill$")
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		seq, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			t.Errorf("the child said %q", lines.Text())
			break
		}
		told = append(told, seq)
		if len(told) == n {
			_ = child.Process.Kill()
		}
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if len(told) < n {
		t.Errorf("the child told of %d rows, want %d at least", len(told), n)
	}
	return told
}

// commitForever writes three events a transaction and prints their rows once
// they are committed.
func commitForever(dir string) {
	ctx := context.Background()
	s, err := Open(ctx, "sqlite:"+dir)
	for n := 0; err == nil; n++ {
		events := make([]*tocsin.Event, 3)
		for i := range events {
			name := fmt.Sprintf("pid %d, transaction %d, event %d%s", os.Getpid(), n, i, strings.Repeat(".", 3000))
			events[i] = &tocsin.Event{Envelope: name, Raw: []byte(name), Verdict: tocsin.Filtered, Account: "111122223333"}
		}
		err = s.Update(ctx, func(tx *Tx) error { return tx.Journal(events, make([]string, 3)) })
		if err == nil {
			fmt.Printf("%d\n%d\n%d\n", events[0].Seq, events[1].Seq, events[2].Seq)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestPositional(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, sql, want string }{
		{"none", "SELECT 1", "SELECT 1"},
		{"in order", "VALUES ($1, $2)", "VALUES (?, ?)"},
		{"more than nine", "$1$2$3$4$5$6$7$8$9$10,$11", "??????????,?"},
		{"one twice", "a = $1 OR b = $1", "a = $1 OR b = $1"},
		{"out of order", "$2, $1", "$2, $1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := positional(tt.sql); got != tt.want {
				t.Errorf("positional(%q) = %q, want %q", tt.sql, got, tt.want)
			}
		})
	}
}

func TestHourOf(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]int64{0: 0, 3599999: 0, 3600000: 1, -1: -1, -3600000: -1, -3600001: -2} {
		if got := hourOf(ms); got != want {
			t.Errorf("hourOf(%d) = %d, want %d", ms, got, want)
		}
	}
}

// TestReadsUseTheirIndexes keeps the reads that are made over and over from
// walking a table.
func TestReadsUseTheirIndexes(t *testing.T) {
	t.Parallel()
	s := openDir(t, t.TempDir())
	for _, tt := range []struct{ name, sql, want string }{
		{"deliveries", "SELECT delivery, seq FROM event WHERE delivery IN (?, ?)", "event_delivery"},
		{"an alert's events", "SELECT source FROM event WHERE alert > 0 AND alert = ? ORDER BY seq DESC LIMIT CAST(? AS BIGINT)", "event_alert"},
		{"an alert's timeline", "SELECT reason FROM event WHERE alert > 0 AND alert = ? AND did <> '' ORDER BY seq", "event_alert"},
		{"the latest alerts of keys", "SELECT key, MAX(id) FROM alert WHERE key IN (?, ?) GROUP BY key", "COVERING INDEX alert_key"},
		{"the first page", "SELECT doc FROM alert WHERE status <> 'closed' AND status IN (?, ?) ORDER BY level DESC, opened_at, id LIMIT CAST(? AS BIGINT) OFFSET ?", "alert_open"},
		{"how many a team has", "SELECT COUNT(*) FROM alert WHERE status <> 'closed' AND status IN (?, ?) AND team = ?", "COVERING INDEX alert_open"},
		{"a team's page", "SELECT doc FROM alert WHERE status <> 'closed' AND status IN (?, ?) AND team = ? ORDER BY level DESC, opened_at, id LIMIT CAST(? AS BIGINT)", "alert_open"},
		{"a person's page", "SELECT doc FROM alert WHERE status <> 'closed' AND status IN (?, ?) AND assignee = ? ORDER BY level DESC, opened_at, id LIMIT CAST(? AS BIGINT)", "alert_assignee"},
		{"what nobody answers", "SELECT doc FROM alert WHERE status <> 'closed' AND status IN (?, ?) AND unanswered = 1 ORDER BY level DESC, opened_at, id LIMIT CAST(? AS BIGINT)", "alert_unanswered"},
		{"what the clock takes", "SELECT doc FROM alert WHERE due > 0 AND due <= ? ORDER BY due, id LIMIT CAST(? AS BIGINT)", "SEARCH alert USING INDEX alert_due (due>? AND due<?)\n"},
		{"when the clock is needed", "SELECT COALESCE(MIN(due), 0) FROM alert WHERE due > 0", "COVERING INDEX alert_due"},
		{"what is held", "SELECT id FROM alert WHERE held_by = ?", "alert_held"},
		{"what inhibits", "SELECT alert FROM inhibitor WHERE rule = ? AND fingerprint = ? ORDER BY alert", "COVERING INDEX sqlite_autoindex_inhibitor_1"},
		{"counts of one kind", "SELECT SUM(n) FROM tally WHERE kind = ? AND a = ? AND b = ?", "sqlite_autoindex_tally_1"},
		{"pending notifications", "SELECT COUNT(*), COALESCE(MIN(due), 0) FROM notification WHERE state = 'pending'", "notification_due"},
		{"what a receiver is owed", "SELECT n.id FROM notification AS n WHERE n.state = 'pending' AND n.receiver = ? AND n.due <= ? AND " + isNext + " ORDER BY n.due, n.id LIMIT CAST(? AS BIGINT)", "notification_due"},
		{"an earlier one", "SELECT 1 FROM notification AS n WHERE " + isNext, "notification_alert"},
		{"digests that are due", "SELECT n.contact FROM notification AS n WHERE n.state = 'pending' AND n.digest = 1 AND n.receiver = ? AND n.due <= ? AND " + isNext + " ORDER BY n.due, n.id LIMIT 1", "notification_digest"},
		{"what an address was sent", "SELECT COUNT(*), COALESCE(MIN(created_at), 0) FROM notification WHERE contact > 0 AND contact = ? AND digest = 0 AND created_at >= ? AND state <> 'cancelled'", "notification_contact"},
		{"a person's messages", "SELECT ref FROM notification WHERE contact > 0 AND contact IN (SELECT c.id FROM contact AS c WHERE c.person = ?) AND person = ? ORDER BY id DESC LIMIT CAST(? AS BIGINT)", "notification_contact"},
		{"what a person is still owed", "SELECT ref FROM notification WHERE alert = ? AND person = ? AND state = 'pending' ORDER BY id", "notification_alert"},
		{"attempts", "SELECT error FROM attempt WHERE notification = ? ORDER BY n", "sqlite_autoindex_attempt_1"},
		{"silences that last", "SELECT doc FROM silence WHERE id IN (SELECT id FROM silence WHERE ends > ?) ORDER BY id DESC LIMIT CAST(? AS BIGINT)", "silence_ends"},
		{"silences to report", "SELECT doc FROM silence WHERE id IN (SELECT id FROM silence WHERE ends <= ? AND reported_at = 0) ORDER BY id DESC LIMIT CAST(? AS BIGINT)", "silence_unreported"},
		{"overrides that last", "SELECT doc FROM override WHERE ends > ? AND schedule IN ('', ?)", "override_ends"},
		{"a person's contact methods", "SELECT code FROM contact WHERE person = ? AND address IS NOT NULL ORDER BY id", "contact_person"},
		{"whose an address is", "SELECT code FROM contact WHERE receiver = ? AND address = ? ORDER BY id", "contact_address"},
		{"episodes of a period", "SELECT reason FROM episode WHERE opened_at >= ? AND opened_at < ? ORDER BY opened_at, alert, n", "episode_opened"},
		{"an alert's notifications", "SELECT ref FROM notification WHERE alert = ? AND receiver = ? ORDER BY id DESC LIMIT CAST(? AS BIGINT)", "notification_alert"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var plan strings.Builder
			err := s.engine.view(t.Context(), func(db session) error {
				args := make([]any, strings.Count(tt.sql, "?"))
				return db.query("EXPLAIN QUERY PLAN "+tt.sql, args, func(r row) error {
					var id, parent, unused int64
					var detail string
					err := r.Scan(&id, &parent, &unused, &detail)
					fmt.Fprintln(&plan, detail)
					return err
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(plan.String(), tt.want) {
				t.Errorf("the plan does not use %s:\n%s", tt.want, plan.String())
			}
		})
	}
}
