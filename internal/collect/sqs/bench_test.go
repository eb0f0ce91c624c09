package sqs_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/queue"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/sqstest"
)

// BenchmarkSQS empties a queue of findings of 3 KB over HTTP into a sink that returns
// at once. The server is in the same process: its part of the processor is in the
// figures.
func BenchmarkSQS(b *testing.B) {
	for _, tt := range []struct {
		name    string
		latency time.Duration // of each answer
		polling queue.Polling
	}{
		{"nearby", 0, queue.Polling{}},
		{"10ms away, 2 pollers", 10 * time.Millisecond, queue.Polling{}},
		{"10ms away, 8 pollers", 10 * time.Millisecond, queue.Polling{Pollers: 8, InFlight: 400}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			server := sqstest.New()
			if err := server.Listen("127.0.0.1:0"); err != nil {
				b.Fatal(err)
			}
			defer func() { _ = server.Close() }()
			server.Latency(func(sqstest.Call) time.Duration { return tt.latency })
			q := server.Queue("findings")
			body := strings.Replace(event(1), `{"n":1}`, `{"text":"`+strings.Repeat("x", 3000)+`"}`, 1)
			for range b.N {
				q.Put(sqstest.Message{Body: body})
			}
			config := sqs.Config{QueueURL: q.URL(), Settings: key, Polling: tt.polling}
			config.Region = sqstest.Region
			env := collecttest.Env("org-queue", nil)
			env.HTTP = &http.Client{}
			c, err := open(env, config)
			if err != nil {
				b.Fatal(err)
			}
			var kept atomic.Int64
			all := make(chan struct{})
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan struct{})
			b.ResetTimer()
			used, began := processor(b), time.Now()
			go func() {
				defer close(ended)
				_ = c.Run(ctx, func(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
					if kept.Add(int64(len(events))) == int64(b.N) {
						close(all)
					}
					return make([]tocsin.Receipt, len(events)), nil
				})
			}()
			<-all
			took := time.Since(began)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/took.Seconds(), "events/s")
			b.ReportMetric(float64((processor(b)-used).Microseconds())/float64(b.N), "cpu-µs/event")
			cancel()
			<-ended
		})
	}
}

// processor is the time of processors that this process used.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
