package app

import (
	"context"

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
