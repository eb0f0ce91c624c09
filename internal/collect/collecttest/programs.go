package collecttest

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/loopback"
)

// Program is where a program is that `make deps` installs: amtool, Alertmanager,
// moto_server, kinesalite. A test that needs one fails where it is not there; of what
// `make deps` tried to install, and said that it could not, it is skipped.
func Program(t testing.TB, names ...string) string {
	t.Helper()
	cache, _ := os.UserCacheDir() // without one there is only the path
	for _, name := range names {
		for _, at := range []string{name, filepath.Join(cache, "tocsin-test", "bin", name)} {
			if path, err := exec.LookPath(at); err == nil {
				return path
			}
		}
	}
	absent, _ := os.ReadFile(filepath.Join(cache, "tocsin-test", "absent")) // there is none where all is there
	for _, name := range names {
		if slices.Contains(strings.Fields(string(absent)), name) {
			t.Skipf("make deps could not install %s", name)
		}
	}
	t.Fatalf("%s is not in PATH: run make deps", strings.Join(names, " or "))
	return ""
}

// Serve runs a server of others until the test ends, and shows what it said if the
// test failed.
func Serve(t testing.TB, path string, args ...string) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Dir = t.TempDir() // moto writes what it records where it runs
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

// Free is an address of this machine on which nobody listens, or comes to listen by
// chance.
func Free(t testing.TB) string {
	t.Helper()
	address, err := loopback.Free()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// Moto runs moto_server, which others take for AWS in their tests
// (https://docs.getmoto.org), until the test ends, and gives its address. The server is
// the test's alone.
func Moto(t testing.TB) (url string) {
	t.Helper()
	address := Free(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	Serve(t, Program(t, "moto_server"), "-H", host, "-p", port)
	url = "http://" + address
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	Until(ctx, t, "moto_server does not answer", func() bool {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/moto-api/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil
	})
	return url
}

// Until returns once done is true: for what another program does, which has a time of
// its own. Where ctx ends before, the test fails with otherwise.
func Until(ctx context.Context, t testing.TB, otherwise string, done func() bool) {
	t.Helper()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatal(otherwise)
		case <-time.After(20 * time.Millisecond):
		}
	}
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
		Until(ctx, t, "Alertmanager takes no alerts", func() bool {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/v2/alerts", strings.NewReader("["+alert+"]"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
	}
}
