package app_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/setup"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// setUp starts an App on a file.
func setUp(t *testing.T, text string) *house {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tocsin.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	data := "sqlite:" + t.TempDir()
	load := func() (*config.Config, error) {
		c, err := config.Load(file, app.Kinds())
		if err == nil {
			c.Store = data
		}
		return c, err
	}
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return start(t, app.Options{Config: c, File: file, Reload: load})
}

func TestASourceThatIsAddedTakesEventsAtOnce(t *testing.T) {
	t.Parallel()
	h := setUp(t, basic)
	if err := h.Setup().Save(t.Context(), setup.Save{What: setup.Source, Name: "more", Kind: "https", By: "ana"}); err != nil {
		t.Fatal(err)
	}
	access, err := h.Setup().URL(t.Context(), "more")
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it takes events", func() bool {
		status, answer := post(t, h.in("more", access.Token), finding(1))
		return status == http.StatusAccepted && strings.Contains(answer, `"verdict":"opened"`)
	})
	for _, tt := range []struct {
		name string
		do   func() error
		want int
	}{
		{"disabled", func() error { return h.Setup().Disable(t.Context(), setup.Source, "more", "ana") }, http.StatusServiceUnavailable},
		{"deleted", func() error { return h.Setup().Delete(t.Context(), setup.Source, "more", "ana") }, http.StatusGone},
	} {
		if err := tt.do(); err != nil {
			t.Fatal(err)
		}
		if status, _ := post(t, h.in("more", access.Token), finding(2)); status != tt.want {
			t.Errorf("%s it answers %d, want %d", tt.name, status, tt.want)
		}
	}
	if status, _ := post(t, h.in("never", access.Token), finding(2)); status != http.StatusNotFound {
		t.Errorf("one that never was answers %d", status)
	}
	// Its journal is kept.
	got, err := h.Setup().Source(t.Context(), "more")
	if err != nil || !got.Deleted || got.Events != 1 || got.LastEvent.IsZero() {
		t.Errorf("deleted it is %+v, %v", got, err)
	}
}

// What a disabled receiver is owed fails, and the fallback hears of it.
func TestADisabledReceiverIsStoodInFor(t *testing.T) {
	t.Parallel()
	h := setUp(t, `
listen: 127.0.0.1:0
sources: {events: {https: {token: 0123456789abcdef}}}
rules: [{use: guardduty}]
routes: [{name: all, pattern: {account: [{exists: true}]}, receivers: [other]}]
fallback: terminal
receivers: {terminal: {console: {}}, other: {console: {}, disabled: true}}
`)
	if status, answer := post(t, h.in("events", token), finding(1)); status != http.StatusAccepted {
		t.Fatalf("answered %d %s", status, answer)
	}
	until(t, "the fallback is told", func() bool {
		states := map[string]tocsin.State{}
		if err := h.Store().View(t.Context(), func(tx *store.Tx) error {
			all, err := tx.Notifications(store.NotificationFilter{Page: store.Page{Limit: 10}})
			for _, n := range all {
				states[n.Receiver] = n.State
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return states["other"] == tocsin.Failed && states["terminal"] == tocsin.Delivered
	})
	if err := h.Setup().TestReceiver(t.Context(), "other", "ana"); err == nil || !strings.Contains(err.Error(), "disabled") {
		t.Errorf("a test of it = %v", err)
	}
	if err := h.Setup().TestReceiver(t.Context(), "terminal", "ana"); err != nil || !strings.Contains(h.out.String(), "[TEST]") {
		t.Errorf("a test of the other = %v:\n%s", err, h.out)
	}
}

// Every kind and preset of the catalogue has a sample that its sources can read.
func TestEverySourceOfTheCatalogueHasASampleOfItsOwn(t *testing.T) {
	t.Parallel()
	h := setUp(t, basic+"public_url: https://tocsin.example.com\n")
	needed := map[string]map[string]string{
		"sns": {"sns.topics": "arn:aws:sns:*:111122223333:guardduty"}, "heartbeat": {"heartbeat.interval": "1h"}, "file": {"file.path": "none.json"},
		"sqs": {"sqs.queue_url": "http://127.0.0.1:9/111122223333/findings"}, "kinesis": {"kinesis.stream": "findings"}, "logs": {"logs.log_group": "/aws/events/findings"},
		"s3": {"s3.bucket": "findings"}, "guardduty-api": {"guardduty-api.regions": "eu-west-1"}, "canary": {"canary.regions": "eu-west-1"},
	}
	for _, kind := range []string{"sqs", "kinesis", "logs", "s3", "guardduty-api", "canary"} { // they would ask AWS
		maps.Copy(needed[kind], map[string]string{
			kind + ".region": "eu-west-1", kind + ".endpoint_url": "http://127.0.0.1:9", kind + ".access_key_id": "AKIAIOSFODNN7EXAMPLE",
			kind + ".secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		})
	}
	for _, c := range h.Setup().Catalogue(setup.Source) {
		if c.Kind == "file" {
			continue // it would be read at once
		}
		values := maps.Clone(c.Values)
		if values == nil {
			values = map[string]string{}
		}
		maps.Copy(values, needed[c.Kind])
		if err := h.Setup().Save(t.Context(), setup.Save{What: setup.Source, Name: "of-" + c.Name, Kind: c.Kind, Values: values, By: "ana"}); err != nil {
			t.Errorf("%s cannot be added: %v", c.Name, err)
			continue
		}
		x, err := h.Setup().TestSource(t.Context(), "of-"+c.Name, nil)
		want := tocsin.Opened
		if c.Kind == "shadow" {
			want = tocsin.Filtered
		}
		if err != nil || x.Verdict != want {
			t.Errorf("%s: its sample is %s (%s), %v\n%s", c.Name, x.Verdict, x.Reason, err, strings.Join(x.Steps, "\n"))
		}
	}
}

func TestASourceIsTestedThroughRulesAndRoutes(t *testing.T) {
	t.Parallel()
	h := setUp(t, basic)
	x, err := h.Setup().TestSource(t.Context(), "events", nil)
	if err != nil || x.Verdict != tocsin.Opened || len(x.Told) != 1 || x.Told[0] != "terminal" {
		t.Errorf("TestSource = %+v, %v", x, err)
	}
	if got, err := h.Setup().Source(t.Context(), "events"); err != nil || got.Events != 0 || h.out.String() != "" {
		t.Errorf("something came of it: %d events, %v, %s", got.Events, err, h.out)
	}
}
