package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"sync/atomic"

	"github.com/tocsin-sec/tocsin/internal/secret"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// state is a source's own memory, under its own names in the store.
type state struct {
	store  *store.Store
	prefix string
	made   *atomic.Bool // set when a token is made
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

// token is the source's URL token: 32 random bytes, made when it is first asked
// for and kept, so that the URL given to a sender stays good.
func (s state) token() (secret.String, error) {
	const name = "token"
	var token []byte
	err := s.store.Update(context.Background(), func(tx *store.Tx) (err error) {
		if token, err = tx.Get(s.prefix + name); err != nil || len(token) > 0 {
			return err
		}
		var random [32]byte
		if _, err := rand.Read(random[:]); err != nil {
			return err
		}
		s.made.Store(true)
		token = []byte(base64.RawURLEncoding.EncodeToString(random[:]))
		return tx.Put(s.prefix+name, token)
	})
	return secret.New(string(token)), err
}
