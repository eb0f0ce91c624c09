package pagerduty_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
)

// Alertmanager pages by PagerDuty's Events API v2; here it is pointed at the door.
func TestAlertmanagerPagesByThisDoor(t *testing.T) {
	t.Parallel()
	events := make(chan tocsin.Event, 100)
	var handler http.Handler
	source, err := open(collecttest.Env("pager", &handler))
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
	send := collecttest.Alertmanager(t, fmt.Sprintf(`
route: {receiver: tocsin, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: tocsin, pagerduty_configs: [{url: '%s/in/pager/v2/enqueue', routing_key: %s, severity: critical, component: disk}]}]
`, server.URL, collecttest.Token))
	next := func() tocsin.Detection {
		select {
		case ev := <-events:
			if ev.Unreadable != "" || strings.Contains(string(ev.Raw), collecttest.Token) {
				t.Fatalf("kept %s, %s", ev.Raw, ev.Unreadable)
			}
			return read(t, string(ev.Raw)).Detection
		case <-time.After(time.Minute):
			t.Fatal("Alertmanager does not page")
			return tocsin.Detection{}
		}
	}
	const labels = `"labels":{"alertname":"DiskFull","instance":"db-1"}`
	send(`{` + labels + `}`)
	opened := next()
	if opened.Intent != "" || opened.Level != tocsin.Critical || !strings.Contains(opened.Title, "DiskFull") || opened.Resource.Tags["component"] != "disk" {
		t.Errorf("Alertmanager's page is %+v", opened)
	}
	send(`{` + labels + `,"endsAt":"` + time.Now().Format(time.RFC3339Nano) + `"}`)
	if closed := next(); closed.Intent != tocsin.IntentClose || closed.Key != opened.Key {
		t.Errorf("what ended is %s for %q, what began %s", closed.Key, closed.Intent, opened.Key)
	}
}
