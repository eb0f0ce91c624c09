package app

import (
	"context"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// state is the memory of a source or a receiver, under its own names in the store.
type state struct {
	store  *store.Store
	prefix string
}

func (s state) Load(ctx context.Context, key string) (value []byte, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		value, err = tx.Get(s.prefix + key)
		return err
	})
	return value, err
}

func (s state) Save(ctx context.Context, key string, value []byte) error {
	return s.store.Update(ctx, func(tx *store.Tx) error { return tx.Put(s.prefix+key, value) })
}

// First keeps value if there is none yet, and gives what is kept.
func (s state) First(ctx context.Context, key string, value []byte) (kept []byte, err error) {
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.PutFirst(s.prefix+key, value); err != nil {
			return err
		}
		kept, err = tx.Get(s.prefix + key)
		return err
	})
	return kept, err
}

// sights are what a source may know and keep of places: what the journal holds, what
// it and others saw, and which canaries are out.
type sights struct {
	store  *store.Store
	source string
}

func (s sights) held(ctx context.Context, keys []tocsin.Key) (held map[tocsin.Key]tocsin.Held, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		held, err = tx.Held(keys)
		return err
	})
	return held, err
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
