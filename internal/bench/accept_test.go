package main

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/bench/rig"
)

// house is the program in this process, for profiles:
//
//	go test ./internal/bench -run '^$' -bench Accept -cpuprofile cpu.out
func house(b *testing.B, url string) *app.App {
	b.Helper()
	b.Setenv("TOKEN", rig.Token)
	a, err := openHouse(b.Context(), b.TempDir(), rig.Config{Receivers: map[string]string{"recorder": url}})
	if err != nil {
		b.Fatal(err)
	}
	return a
}

// BenchmarkAccept is the way from a collector's hand to the disk, and no more.
func BenchmarkAccept(b *testing.B) {
	for _, bb := range []struct {
		name  string
		event func(n int) []byte
	}{{"opens an alert", event}, {"no rule matches", unmatched}} {
		b.Run(bb.name, func(b *testing.B) {
			a := house(b, "http://127.0.0.1:9/")
			b.Cleanup(func() {
				if err := a.Store().Close(); err != nil {
					b.Error(err)
				}
			})
			accept(b, a, bb.event)
		})
	}
}

// BenchmarkAcceptAndTell is all of it but the way in by HTTP, until the receiver
// has heard of each.
func BenchmarkAcceptAndTell(b *testing.B) {
	r, err := newRecorder()
	if err != nil {
		b.Fatal(err)
	}
	a := house(b, r.url)
	done := make(chan error, 1)
	go func() { done <- a.Engine().Run(b.Context(), time.Second) }()
	run := r.expect(0, b.N)
	accept(b, a, event)
	if !run.wait(time.Minute) {
		b.Errorf("told of %d of %d", run.told.Load(), b.N)
	}
	b.StopTimer()
	b.Cleanup(func() {
		if err := <-done; err != nil { // the context of b has ended
			b.Error(err)
		}
		if err := a.Store().Close(); err != nil {
			b.Error(err)
		}
	})
}

func accept(b *testing.B, a *app.App, event func(n int) []byte) {
	b.Helper()
	events := make([][]byte, b.N)
	for n := range events {
		events[n] = event(n)
	}
	var next atomic.Int64
	b.SetParallelism(32) // 64 clients on two cores
	b.ReportAllocs()
	b.ResetTimer()
	used := processor()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := int(next.Add(1)) - 1
			_, err := a.Engine().Accept(b.Context(), tocsin.Event{
				Source: "gd", Via: "https", Envelope: rig.Envelope(1, n), Raw: events[n], ReceivedAt: time.Now(),
			})
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(micros(processor()-used)/float64(b.N), "cpu-µs/event")
}
