package store

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
