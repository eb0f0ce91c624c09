package collecttest

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Program is where one of Prometheus's programs is that `make deps` installs:
// amtool, Alertmanager. A test that needs one fails where it is not there.
func Program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not in PATH: run make deps, or sudo apt-get install prometheus-alertmanager", strings.Join(names, " or "))
	return ""
}

// Serve runs a server of others until the test ends, and shows what it said if the
// test failed.
func Serve(t testing.TB, path string, args ...string) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s says:\n%s", filepath.Base(path), log.String())
		}
	})
}

// Free is an address of this machine on which nobody listens.
func Free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Alertmanager runs the real one with that configuration until the test ends. post
// gives it an alert, as JSON, and returns once it has it.
func Alertmanager(t testing.TB, config string) (post func(alert string)) {
	t.Helper()
	path := Program(t, "prometheus-alertmanager", "alertmanager")
	file := filepath.Join(t.TempDir(), "alertmanager.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	address := Free(t)
	Serve(t, path, "--config.file="+file, "--storage.path="+t.TempDir(), "--web.listen-address="+address, "--cluster.listen-address=")
	return func(alert string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/v2/alerts", strings.NewReader("["+alert+"]"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			if resp, err := http.DefaultClient.Do(r); err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					return
				}
			}
			select { // until it listens
			case <-ctx.Done():
				t.Fatal("Alertmanager takes no alerts")
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}
