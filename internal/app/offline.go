package app

import (
	"context"
	"errors"
	"io"

	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/file"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// Offline is an App without addresses and sources, for commands that hand events
// to the engine themselves and Drain it. Close it; do not Run it.
func Offline(ctx context.Context, o Options) (*App, error) {
	a := &App{o: o.withDefaults()}
	var err error
	if a.store, err = store.Open(ctx, o.Config.Store); err != nil {
		return nil, err
	}
	plan, _, err := a.plan(o.Config)
	if err != nil {
		_ = a.store.Close() // the plan's error says more
		return nil, err
	}
	if a.engine, err = engine.New(ctx, engine.Options{Store: a.store, Plan: plan, Log: a.o.Log, Now: a.o.Now}); err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	return a, nil
}

// Close closes what Offline opened.
func (a *App) Close() error {
	a.engine.Quiesce()
	return a.store.Close()
}

// ReadFiles reads events from files, folders and "-" into sink, as the source
// "replay".
func (a *App) ReadFiles(ctx context.Context, paths []string, stdin io.Reader, progress collect.Progress, sink collect.Sink) error {
	env := collect.Env{Name: "replay", Log: a.o.Log, Now: a.o.Now}
	return file.New(env, paths, progress, stdin).Run(ctx, sink)
}
