package store

import "time"

// keepAttempts writes the attempts that ended nothing.
func (tx *Tx) keepAttempts(ss []*Settlement) error {
	return tx.db.execs(`
		INSERT INTO attempt (notification, n, at, took_ms, error)
		VALUES ($1, $2, $3, $4, $5)`,
		len(ss), func(i int, args []any) []any {
			s := ss[i]
			started := s.Started
			if started.IsZero() {
				started = s.At
			}
			return append(args, s.ID, int64(s.Attempts), millis(started), s.Took.Milliseconds(), text(s.Error))
		}, nil)
}

// Attempts gives the attempts at a notification after which it was to be tried
// again, in their order. The last attempt is the notification itself.
func (tx *Tx) Attempts(notification int64) ([]Attempt, error) {
	var list []Attempt
	err := tx.db.query(`
		SELECT n, at, took_ms, error
		FROM attempt
		WHERE notification = $1
		ORDER BY n`, []any{notification}, func(r row) error {
		var a Attempt
		var at, took int64
		err := r.Scan(&a.N, &at, &took, &a.Error)
		a.At, a.Took = moment(at), time.Duration(took)*time.Millisecond
		list = append(list, a)
		return err
	})
	return list, err
}
