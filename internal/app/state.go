package app

import (
	"context"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// sights are what a source may know and keep of places: what it and others saw, and
// which canaries are out.
type sights struct {
	store  *store.Store
	source string
}

func (s sights) observe(ctx context.Context, seen ...tocsin.Sighting) error {
	for i := range seen {
		seen[i].Source = s.source
	}
	return s.store.Update(ctx, func(tx *store.Tx) error { return tx.Observe(seen...) })
}

func (s sights) sightings(ctx context.Context, kind tocsin.SightingKind) (all []tocsin.Sighting, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		all, err = tx.Sightings(kind)
		return err
	})
	return all, err
}

// Send notes canaries as out.
func (s sights) Send(ctx context.Context, canaries ...tocsin.Canary) (sent []tocsin.Canary, err error) {
	for i := range canaries {
		canaries[i].Source = s.source
	}
	err = s.store.Update(ctx, func(tx *store.Tx) (err error) {
		sent, err = tx.SendCanaries(canaries...)
		return err
	})
	return sent, err
}

// Fail notes why one could not be sent.
func (s sights) Fail(ctx context.Context, id, why string) error {
	return s.store.Update(ctx, func(tx *store.Tx) error { return tx.FailCanary(id, why) })
}

// Latest gives the newest of each place, and the newest that arrived.
func (s sights) Latest(ctx context.Context) (latest []tocsin.Canary, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		latest, err = tx.Canaries(s.source)
		return err
	})
	return latest, err
}
