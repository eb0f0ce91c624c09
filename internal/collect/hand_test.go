package collect_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

func TestNamed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"one event", ` {"a":1} `, []string{`id {"a":1}`}},
		{"two events", `{"a":1}{"b":2}`, []string{`id#0 {"a":1}`, `id#1 {"b":2}`}},
		{"an array of one", `[{"a":1}]`, []string{`id {"a":1}`}},
		{"a good one and a broken one", "{\"a\":1}\n{broken", []string{`id#0 {"a":1}`, `id#1 !{broken`}},
		{"nothing but broken ones", "{broken\n{also\n", []string{"id !{broken\n{also\n"}},
		{"a line of text", "START RequestId: 1", []string{"id !START RequestId: 1"}},
		{"nothing", "", []string{"id !"}},
		{"an empty array", "[]", []string{"id ![]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for id, p := range collect.Named([]byte(tt.text), "id") {
				mark := " "
				if p.Err != nil {
					mark = " !"
				}
				got = append(got, id+mark+string(p.Raw))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Named (-want +got):\n%s", diff)
			}
		})
	}
	n := 0
	for _, p := range collect.Named([]byte(strings.Repeat("1 ", 10_001)), "id") {
		if n++; p.Err == nil || !strings.Contains(p.Err.Error(), "more than 10000 events") {
			t.Errorf("of 10,001 values: %v", p.Err)
		}
	}
	if n != 1 {
		t.Errorf("10,001 values are %d pieces, want one that cannot be read", n)
	}
	for range collect.Named([]byte("1 2 3"), "id") {
		break // a second call would panic
	}
}

func TestHandGoesOnUntilTheEventsAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p, tries := pull(&log), 0
		kept := p.Hand(t.Context(), func(context.Context, ...tocsin.Event) ([]tocsin.Receipt, error) {
			if tries++; tries < 5 {
				return nil, errors.New("the disk is full")
			}
			return nil, nil
		}, []tocsin.Event{{}})
		if !kept || tries != 5 || p.Status().State != "ok" || !strings.Contains(log.String(), "the disk is full") {
			t.Errorf("kept %v after %d tries, %+v\n%s", kept, tries, p.Status(), &log)
		}
		if !p.Hand(t.Context(), nil, nil) {
			t.Error("nothing is not kept")
		}
	})
}

// What is being kept when the end comes is waited for, five seconds and no longer.
func TestTheEndWaitsForWhatIsBeingKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			takes, want time.Duration
			kept        bool
		}{{time.Second, time.Second, true}, {time.Hour, 5 * time.Second, false}} {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			before := time.Now()
			kept := pull(new(bytes.Buffer)).Hand(ctx, func(ctx context.Context, _ ...tocsin.Event) ([]tocsin.Receipt, error) {
				if !collect.Sleep(ctx, tt.takes) {
					return nil, ctx.Err()
				}
				return nil, nil
			}, []tocsin.Event{{}})
			if took := time.Since(before); kept != tt.kept || took != tt.want {
				t.Errorf("a sink that takes %v: kept %v after %v, want %v after %v", tt.takes, kept, took, tt.kept, tt.want)
			}
		}
	})
}
