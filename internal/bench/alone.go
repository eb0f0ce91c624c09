package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/config"
)

// openHouse is the program in this process, on a store of its own in dir. Nothing of
// it runs: it accepts, and no more.
func openHouse(ctx context.Context, dir string, conf rig.Config) (*app.App, error) {
	conf.Store = "sqlite:" + dir
	file := filepath.Join(dir, "tocsin.yml")
	if err := conf.Write(file); err != nil {
		return nil, err
	}
	c, err := config.Load(file, app.Kinds())
	if err != nil {
		return nil, err
	}
	c.Listen = "127.0.0.1:0"
	return app.New(ctx, app.Options{Config: c, Log: slog.New(slog.DiscardHandler)})
}

// A shape is how events come to the engine: so many in a call of Accept, and so many
// calls at once.
type shape struct{ call, callers int }

func (s shape) String() string { return fmt.Sprintf("%d × %d", s.call, s.callers) }

// alone has the engine accept n events, after some to be warm, in the shape in which a
// way in hands them on, with no way in before it and nobody told.
func (b *bench) alone(ctx context.Context, s shape, n int) (t cost, err error) {
	dir, err := os.MkdirTemp(b.dir, "alone-")
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	a, err := openHouse(ctx, dir, b.waysConfig(nil))
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, a.Store().Close()) }()
	if _, err := b.accepted(ctx, a, s, warmUp(n)); err != nil {
		return t, err
	}
	return b.accepted(ctx, a, s, n)
}

// accepted has a accept n new events, which are made before the clock starts.
func (b *bench) accepted(ctx context.Context, a *app.App, s shape, n int) (cost, error) {
	first := b.next
	b.next += n
	bodies, err := build(func(n int) ([]byte, error) { return quiet(n), nil }, first, n)
	if err != nil {
		return cost{}, err
	}
	runtime.GC()
	var next atomic.Int64
	used, begin := processor(), time.Now()
	err = parallel(s.callers, func(int) error {
		events := make([]tocsin.Event, 0, s.call)
		for {
			end := int(next.Add(int64(s.call)))
			events = events[:0]
			for i := end - s.call; i < min(end, n); i++ {
				events = append(events, tocsin.Event{Source: "gd", Via: "https", Envelope: rig.Envelope(1, first+i), Raw: bodies[i], ReceivedAt: time.Now()})
			}
			if len(events) == 0 {
				return nil
			}
			if _, err := a.Engine().Accept(ctx, events...); err != nil {
				return err
			}
		}
	})
	return cost{float64(n) / time.Since(begin).Seconds(), micros(processor()-used) / float64(n)}, err
}

// processor is the user and system time that this process has used.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // there is no process that it fails for
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
