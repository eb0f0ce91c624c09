package store

import "context"

// A Memory is small values under names of their own, that begin with Prefix: what one
// source or receiver remembers.
type Memory struct {
	Store  *Store
	Prefix string
}

// Load gives what was kept, or nil, nil.
func (m Memory) Load(ctx context.Context, key string) (value []byte, err error) {
	err = m.Store.View(ctx, func(tx *Tx) (err error) {
		value, err = tx.Get(m.Prefix + key)
		return err
	})
	return value, err
}

// Save keeps value in the stead of what was kept before.
func (m Memory) Save(ctx context.Context, key string, value []byte) error {
	return m.Store.Update(ctx, func(tx *Tx) error { return tx.Put(m.Prefix+key, value) })
}

// First keeps value if there is none yet, and gives what is kept: of several that ask at
// once, all are given the same.
func (m Memory) First(ctx context.Context, key string, value []byte) (kept []byte, err error) {
	err = m.Store.Update(ctx, func(tx *Tx) error {
		if err := tx.PutFirst(m.Prefix+key, value); err != nil {
			return err
		}
		kept, err = tx.Get(m.Prefix + key)
		return err
	})
	return kept, err
}

// Put keeps a small value under a name; Get gives it, or nil, nil.
func (tx *Tx) Put(name string, value []byte) error {
	_, err := tx.db.exec(`
		INSERT INTO memory (name, value)
		VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE
		SET value = excluded.value`, text(name), nonNil(value))
	return err
}

// PutFirst keeps a value under a name that has none. Of several that do so at once,
// the first stands: Get says which, in a transaction of its own.
func (tx *Tx) PutFirst(name string, value []byte) error {
	_, err := tx.db.exec(`
		INSERT INTO memory (name, value)
		VALUES ($1, $2)
		ON CONFLICT (name) DO NOTHING`, text(name), nonNil(value))
	return err
}

// Get gives the value that was put under the name, or nil, nil.
func (tx *Tx) Get(name string) ([]byte, error) {
	var value []byte
	err := tx.db.query(`
		SELECT value
		FROM memory
		WHERE name = $1`, []any{text(name)}, func(r row) error {
		if err := r.Scan(&value); err != nil {
			return err
		}
		value = nonNil(value)
		return nil
	})
	return value, err
}
