package alertmanager_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect/alertmanager"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
)

// The tests in this file run the real clients. make deps installs amtool and
// Alertmanager; Prometheus is large, and is asked where it is installed all the same
// (apt-get install prometheus), or where TOCSIN_TEST_PROMETHEUS says.

// served is a source behind a real server, and what it handed on.
func served(t *testing.T) (url string, events chan tocsin.Event) {
	t.Helper()
	events = make(chan tocsin.Event, 1000)
	var handler http.Handler
	source, err := opener(alertmanager.Config{})(collecttest.Env("prom", &handler))
	if err != nil {
		t.Fatal(err)
	}
	stop := collecttest.Begin(t, source, func(_ context.Context, batch ...tocsin.Event) ([]tocsin.Receipt, error) {
		for _, ev := range batch {
			ev.Raw = bytes.Clone(ev.Raw)
			events <- ev
		}
		return make([]tocsin.Receipt, len(batch)), nil
	})
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.Close()
		_ = stop()
	})
	return server.URL + prefix, events
}

// await is the first alert that is wanted.
func await(t *testing.T, events chan tocsin.Event, what string, wanted func(tocsin.Detection) bool) tocsin.Detection {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case ev := <-events:
			if ev.Unreadable != "" {
				t.Fatalf("%s cannot be read: %s", ev.Raw, ev.Unreadable)
			}
			if d := read(t, string(ev.Raw)).Detection; wanted(d) {
				return d
			}
		case <-deadline:
			t.Fatalf("no alert that %s", what)
		}
	}
}

func run(t *testing.T, path string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", path, args, err, out)
	}
	return string(out)
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAmtool(t *testing.T) {
	t.Parallel()
	amtool := collecttest.Program(t, "amtool")
	url, events := served(t)
	at := "--alertmanager.url=" + url
	if out := run(t, amtool, at, "cluster", "show"); !strings.Contains(out, "disabled") {
		t.Errorf("amtool cluster show: %s", out)
	}
	run(t, amtool, at, "alert", "add", "DiskFull", "instance=db-1", "severity=critical", "--annotation=summary=Disk of db-1 is full")
	opened := await(t, events, "opens", func(d tocsin.Detection) bool { return d.Intent == "" })
	if opened.Title != "Disk of db-1 is full" || opened.Type != "DiskFull" || opened.Level != tocsin.Critical {
		t.Errorf("amtool's alert is %+v", opened)
	}
	run(t, amtool, at, "alert", "add", "DiskFull", "instance=db-1", "severity=critical", "--end="+time.Now().Add(-time.Second).Format(time.RFC3339))
	closed := await(t, events, "closes", func(d tocsin.Detection) bool { return d.Intent == tocsin.IntentClose })
	if closed.Key != opened.Key {
		t.Errorf("what ended is %s, what began %s", closed.Key, opened.Key)
	}
}

func TestAlertmanagersWebhookReceiver(t *testing.T) {
	t.Parallel()
	url, events := served(t)
	post := collecttest.Alertmanager(t, fmt.Sprintf(`
route: {receiver: tocsin, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: tocsin, webhook_configs: [{url: '%s', send_resolved: true}]}]
`, url))
	const labels = `"labels":{"alertname":"DiskFull","instance":"db-1","severity":"warning"},"annotations":{"summary":"Disk of db-1 is full"}`
	post(`{` + labels + `}`)
	opened := await(t, events, "opens", func(d tocsin.Detection) bool { return d.Intent == "" })
	if opened.Title != "Disk of db-1 is full" || opened.Level != tocsin.Medium || opened.UpdatedAt.IsZero() {
		t.Errorf("Alertmanager's alert is %+v", opened)
	}
	post(`{` + labels + `,"endsAt":"` + time.Now().Format(time.RFC3339Nano) + `"}`)
	closed := await(t, events, "closes", func(d tocsin.Detection) bool { return d.Intent == tocsin.IntentClose })
	if closed.Key != opened.Key || !closed.UpdatedAt.After(opened.UpdatedAt) {
		t.Errorf("what ended is %s at %v, what began %s at %v", closed.Key, closed.UpdatedAt, opened.Key, opened.UpdatedAt)
	}
}

// Prometheus watches a gauge of the test's own: it looks for whom to ask and whom to
// tell every five seconds, and for the rest every second.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath(cmp.Or(os.Getenv("TOCSIN_TEST_PROMETHEUS"), "prometheus"))
	if err != nil {
		t.Skipf("%v: apt-get install prometheus, or set TOCSIN_TEST_PROMETHEUS to its path", err)
	}
	url, events := served(t)
	host, prefix, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	var full atomic.Bool
	full.Store(true)
	watched := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		disk := 0
		if full.Load() {
			disk = 1
		}
		_, _ = fmt.Fprintf(w, "disk_full %d\n", disk)
	}))
	t.Cleanup(watched.Close)
	rules := write(t, "rules.yml", `groups: [{name: test, interval: 1s, rules: [{alert: DiskFull, expr: disk_full > 0, labels: {severity: page}, annotations: {summary: The disk is full}}]}]`)
	config := write(t, "prometheus.yml", fmt.Sprintf(`
global: {evaluation_interval: 1s, scrape_interval: 1s}
rule_files: ['%s']
scrape_configs: [{job_name: disks, static_configs: [{targets: ['%s']}]}]
alerting: {alertmanagers: [{path_prefix: '/%s', static_configs: [{targets: ['%s']}]}]}
`, rules, strings.TrimPrefix(watched.URL, "http://"), prefix, host))
	collecttest.Serve(t, path, "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+collecttest.Free(t), "--rules.alert.resend-delay=1s")
	opened := await(t, events, "fires", func(d tocsin.Detection) bool { return d.Intent == "" })
	if opened.Type != "DiskFull" || opened.Title != "The disk is full" || opened.Level != tocsin.Critical || opened.UpdatedAt.IsZero() || opened.Resource.Tags["job"] != "disks" {
		t.Errorf("Prometheus's alert is %+v", opened)
	}
	full.Store(false)
	closed := await(t, events, "is over", func(d tocsin.Detection) bool { return d.Intent == tocsin.IntentClose })
	if closed.Key != opened.Key || !closed.UpdatedAt.After(opened.UpdatedAt) {
		t.Errorf("what ended is %s at %v, what began %s at %v", closed.Key, closed.UpdatedAt, opened.Key, opened.UpdatedAt)
	}
}
