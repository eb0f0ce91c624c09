package store

import "time"

// UseToken says whether a single-use token is used for the first time. Until it
// expires the store remembers that it was.
func (tx *Tx) UseToken(id string, expires time.Time) (fresh bool, err error) {
	rows, err := tx.db.exec(`
		INSERT INTO used_token (id, expires)
		VALUES ($1, $2)
		ON CONFLICT (id) DO NOTHING`, text(id), millis(expires))
	return rows > 0, err
}

// SweepTokens forgets the tokens that have expired by now and would be refused
// for that.
func (tx *Tx) SweepTokens(now time.Time) error {
	_, err := tx.db.exec(`
		DELETE FROM used_token
		WHERE expires <= $1`, millis(now))
	return err
}
