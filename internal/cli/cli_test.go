package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// run runs the program as from a shell.
func run(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Main(args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Example == "" || c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short %q, Example %q", c.CommandPath(), c.Short, c.Example)
		}
		for line := range strings.Lines(c.Example) {
			if !strings.Contains(line, c.CommandPath()) && c.HasParent() {
				t.Errorf("%s: the example %q does not use it", c.CommandPath(), line)
			}
		}
		if c.RunE == nil && c.HasParent() {
			t.Errorf("%s: with a wrong word behind it, it would find nothing wrong", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(rootCommand(&shell{in: strings.NewReader(""), out: io.Discard, err: io.Discard}))
}

func TestExitCodes(t *testing.T) {
	// No t.Parallel: commands read the environment.
	t.Chdir(t.TempDir())
	t.Setenv("TOCSIN_SERVER", "")
	t.Setenv("TOCSIN_CONFIG", "")
	const gone = "http://127.0.0.1:1"
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"done", []string{"version"}, exitDone, ""},
		{"help", []string{"--help"}, exitDone, ""},
		{"a group of commands alone explains itself", []string{"alerts"}, exitDone, ""},
		{"no such command", []string{"srve"}, exitUsage, `unknown command "srve"`},
		{"no such command in a group", []string{"alerts", "lst"}, exitUsage, `unknown command "lst" for "tocsin alerts"`},
		{"no such flag", []string{"version", "--loud"}, exitUsage, "unknown flag: --loud"},
		{"too many words", []string{"version", "now"}, exitUsage, "see 'tocsin version --help'"},
		{"too few words", []string{"alerts", "show"}, exitUsage, "see 'tocsin alerts show --help'"},
		{"a reason that is none", []string{"alerts", "close", "1", "--reason", "tired"}, exitUsage, `--reason: reason "tired" is none of`},
		{"nobody answers", []string{"alerts", "list", "--server", gone}, exitFailed, "no tocsin answers at " + gone},
		{"no file to check", []string{"check"}, exitUsage, "name the file: tocsin check FILE"},
		{"a file that is not there", []string{"check", "nowhere.yml"}, exitFailed, "nowhere.yml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, errOut := run(t, tt.args...)
			if code != tt.code || !strings.Contains(errOut, tt.says) || (tt.code != exitDone) != strings.HasPrefix(errOut, "tocsin: ") {
				t.Errorf("tocsin %s exits with %d and says %q, want %d and %q", strings.Join(tt.args, " "), code, errOut, tt.code, tt.says)
			}
		})
	}
}

func TestAgeIsInItsLargestUnit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"},
		{59*time.Second + 999*time.Millisecond, "59s"},
		{time.Minute, "1m"},
		{59 * time.Minute, "59m"},
		{time.Hour, "1h"},
		{47*time.Hour + 59*time.Minute, "47h"},
		{48 * time.Hour, "2d"},
		{400 * 24 * time.Hour, "400d"},
	} {
		if got := age(tt.d); got != tt.want {
			t.Errorf("age(%v) = %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestPluralAndExitCodesOfErrors(t *testing.T) {
	t.Parallel()
	if plural(1, "event") != "1 event" || plural(0, "event") != "0 events" || plural(2, "event") != "2 events" {
		t.Error("plural is wrong")
	}
	wrapped := fmt.Errorf("outer: %w", usage(errors.New("inner")))
	if c, ok := errors.AsType[exitCode](wrapped); !ok || c.code != exitUsage || wrapped.Error() != "outer: inner" {
		t.Errorf("%v does not carry its exit code", wrapped)
	}
}

// What a server says is told in its words, and what is no tocsin at all with its
// status.
func TestAlertsOfAServer(t *testing.T) {
	t.Setenv("TOCSIN_SERVER", "")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/alerts":
			if r.URL.Query().Get("status") != "" || r.URL.Query().Get("level") != "high" {
				http.Error(w, `{"error":"asked for `+r.URL.RawQuery+`"}`, http.StatusBadRequest)
				return
			}
			fmt.Fprint(w, `{"alerts":[],"total":0}`)
		case "/api/alerts/1":
			http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway)
		default:
			http.Error(w, `{"error":"alert 2: not found"}`, http.StatusNotFound)
		}
	}))
	defer server.Close()
	if code, out, errOut := run(t, "alerts", "list", "--server", server.URL+"/", "--status", "all", "--level", "high", "--json"); code != exitDone || out != `{"alerts":[],"total":0}` {
		t.Errorf("list: %d, %q, %q", code, out, errOut)
	}
	if code, _, errOut := run(t, "alerts", "show", "1", "--server", server.URL); code != exitFailed || errOut != "tocsin: "+server.URL+" answered 502 Bad Gateway\n" {
		t.Errorf("a proxy's page: %d, %q", code, errOut)
	}
	if code, _, errOut := run(t, "alerts", "show", "#2", "--server", server.URL); code != exitFailed || errOut != "tocsin: alert 2: not found\n" {
		t.Errorf("the server's words: %d, %q", code, errOut)
	}
}
