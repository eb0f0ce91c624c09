package engine_test

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/pattern"
)

// BenchmarkAccept is the accept path without HTTP: read, match, fold and commit
// on SQLite, by 64 callers at once. Compare with BenchmarkValid of the same run.
func BenchmarkAccept(b *testing.B) {
	for _, bb := range []struct{ name, pattern string }{
		{"opens an alert", `{"source":["aws.guardduty"]}`},
		{"no rule matches", `{"source":["aws.nothing"]}`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			st, err := store.Open(b.Context(), "sqlite:"+b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = st.Close() }()
			p, err := pattern.Parse([]byte(bb.pattern))
			if err != nil {
				b.Fatal(err)
			}
			rs, err := rules.New([]rules.Rule{{Name: "guardduty", Pattern: p}}, nil)
			if err != nil {
				b.Fatal(err)
			}
			routes, err := routing.New(routing.Table{Fallback: []string{"soc"}})
			if err != nil {
				b.Fatal(err)
			}
			e, err := engine.New(b.Context(), engine.Options{Store: st, Plan: &engine.Plan{Rules: rs, Routes: routes, Receivers: map[string]engine.Receiver{"soc": {Notifier: &receiver{}}}}})
			if err != nil {
				b.Fatal(err)
			}
			var n atomic.Int64
			events := make([]tocsin.Event, b.N)
			for i := range events {
				events[i] = large(int64(i))
			}
			b.ResetTimer()
			before := cpu()
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := e.Accept(b.Context(), events[n.Add(1)-1]); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// cpu is what this process has used so far, in the system too.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkValid(b *testing.B) {
	raw := large(1).Raw
	for b.Loop() {
		if !json.Valid(raw) {
			b.Fatal("not JSON")
		}
	}
}

// large is a finding of about 5 KB.
func large(n int64) tocsin.Event {
	f := finding{envelope: fmt.Sprint("e", n), id: fmt.Sprintf("%032x", n), severity: 8, count: 1}
	ev := f.event()
	ev.Raw = append(ev.Raw[:len(ev.Raw)-1], padding...)
	return ev
}

var padding = func() []byte {
	out := []byte(`,"padding":[`)
	for i := range 40 {
		out = fmt.Appendf(out, `{"key":"tag-%d","value":"a value that is as long as values of tags are, or nearly so"},`, i)
	}
	return append(out[:len(out)-1], ']', '}')
}()
