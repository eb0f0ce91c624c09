package store

import (
	"time"

	"github.com/tocsin-sec/tocsin"
)

// Advance brings forward when a notification is tried next, and says whether it
// did: one that is settled, leased or due before then stays as it is.
func (tx *Tx) Advance(id int64, due time.Time) (bool, error) {
	n, err := tx.db.exec(`
		UPDATE notification
		SET due = $1
		WHERE id = $2
			AND state = 'pending'
			AND leased = 0
			AND due > $3`, millis(due), id, millis(due))
	return n > 0, err
}

// PendingOf gives what a person is still owed of an alert, oldest first.
func (tx *Tx) PendingOf(alert int64, person string) ([]tocsin.Notification, error) {
	return tx.notifications(`
		SELECT `+notificationColumns+`
		FROM notification
		WHERE alert = $1
			AND person = $2
			AND state = 'pending'
		ORDER BY id`, alert, text(person))
}

// Recent counts the messages of their own that a contact method came to be owed
// since then, and says when the oldest of them did: zero if there is none. What
// was cancelled does not count.
func (tx *Tx) Recent(contact int64, since time.Time) (count int64, oldest time.Time, err error) {
	var first int64
	err = tx.db.query(`
		SELECT COUNT(*), COALESCE(MIN(created_at), 0)
		FROM notification
		WHERE contact > 0
			AND contact = $1
			AND digest = 0
			AND created_at >= $2
			AND state <> 'cancelled'`, []any{contact, millis(since)}, func(r row) error {
		return r.Scan(&count, &first)
	})
	return count, moment(first), err
}

// RecentWorst is the worst level of the alerts that those messages are about, as
// the alerts are now; Unknown if there is none.
func (tx *Tx) RecentWorst(contact int64, since time.Time) (tocsin.Level, error) {
	var level int64
	err := tx.db.query(`
		SELECT COALESCE(MAX(a.level), 0)
		FROM notification AS n
		JOIN alert AS a ON a.id = n.alert
		WHERE n.contact > 0
			AND n.contact = $1
			AND n.digest = 0
			AND n.created_at >= $2
			AND n.state <> 'cancelled'`, []any{contact, millis(since)}, func(r row) error { return r.Scan(&level) })
	return tocsin.Level(level), err
}
