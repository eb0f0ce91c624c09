package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// Owe writes notifications and sets their IDs. One without a State is pending.
// One with Attempts and a Due is taken as leased already: who writes it may
// deliver it without a [Tx.Claim] once the transaction is committed.
func (tx *Tx) Owe(notifications []*tocsin.Notification) error {
	changes := make([]string, len(notifications))
	for i, n := range notifications {
		var err error
		if changes[i], err = changesText(n.Changes); err != nil {
			return err
		}
		if state := stateOf(n); state != tocsin.Pending {
			tx.tallies.add(tallyNotification, string(state), "", 1, 0)
		}
	}
	return tx.db.inserts(`
		INSERT INTO notification (
			alert, receiver, kind, why, changes, state, created_at, deadline,
			due, leased, attempts, settled_at, ref, last_error, person, contact, note, digest
		)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
		"id", len(notifications), func(i int, args []any) []any {
			n := notifications[i]
			state, leased := stateOf(n), int64(0)
			if state == tocsin.Pending && n.Attempts > 0 {
				leased = 1
			}
			return append(args,
				n.Alert, text(n.Receiver), text(string(n.Kind)), text(n.Why), changes[i], text(string(state)), millis(n.CreatedAt), millis(n.Deadline),
				millis(n.Due), leased, int64(n.Attempts), millis(n.SettledAt), text(n.Ref), text(n.LastError),
				text(n.Person), n.Contact, text(n.Text), number(n.Digest))
		}, func(i int, id int64) {
			notifications[i].ID = id
		})
}

func stateOf(n *tocsin.Notification) tocsin.State {
	return cmp.Or(n.State, tocsin.Pending)
}

// changesText is JSON, or empty for none.
func changesText(changes []tocsin.Change) (string, error) {
	if len(changes) == 0 {
		return "", nil
	}
	encoded, err := json.Marshal(changes)
	return string(encoded), err
}

// notificationColumns are what scanNotification reads.
const notificationColumns = `
	id, alert, receiver, kind, why, changes, state, created_at, deadline,
	due, attempts, settled_at, ref, last_error, person, contact, note, digest`

func scanNotification(r row) (tocsin.Notification, error) {
	var n tocsin.Notification
	var kind, state string
	var changes []byte
	var created, deadline, due, settled, digest int64
	err := r.Scan(
		&n.ID, &n.Alert, &n.Receiver, &kind, &n.Why, &changes, &state, &created, &deadline,
		&due, &n.Attempts, &settled, &n.Ref, &n.LastError, &n.Person, &n.Contact, &n.Text, &digest)
	if err != nil {
		return n, err
	}
	n.Kind, n.State, n.Digest = tocsin.Kind(kind), tocsin.State(state), digest != 0
	n.CreatedAt, n.Deadline, n.Due, n.SettledAt = moment(created), moment(deadline), moment(due), moment(settled)
	if len(changes) > 0 {
		if err := json.Unmarshal(changes, &n.Changes); err != nil {
			return n, fmt.Errorf("notification %d: %w", n.ID, err)
		}
	}
	return n, nil
}

func (tx *Tx) notifications(sql string, args ...any) ([]tocsin.Notification, error) {
	var list []tocsin.Notification
	err := tx.db.query(sql, args, func(r row) error {
		n, err := scanNotification(r)
		list = append(list, n)
		return err
	})
	return list, err
}

// isNext says of notification n that none before it is pending for the same alert
// at the same place. Those that are about no alert, and those of one digest, go in
// any order.
const isNext = `
	NOT EXISTS (
		SELECT 1
		FROM notification AS earlier
		WHERE n.alert > 0
			AND earlier.alert = n.alert
			AND earlier.receiver = n.receiver
			AND earlier.contact = n.contact
			AND earlier.state = 'pending'
			AND earlier.id < n.id
			AND (earlier.digest = 0 OR n.digest = 0)
	)`

// Claim leases up to limit pending notifications of receiver that are due at now,
// oldest first: it pushes their Due to now+lease and raises Attempts. Of one
// alert and place it gives only the oldest that is pending, so that messages keep
// their order. Those for a digest are claimed by [Tx.ClaimDigest].
func (tx *Tx) Claim(receiver string, now time.Time, lease time.Duration, limit int) ([]tocsin.Notification, error) {
	return tx.claim(`
		SELECT n.id
		FROM notification AS n
		WHERE n.state = 'pending'
			AND n.receiver = $1
			AND n.due <= $2
			AND n.digest = 0
			AND `+isNext+`
		ORDER BY n.due, n.id
		LIMIT CAST($3 AS BIGINT)
		`+tx.dialect.skipLocked,
		now.Add(lease), text(receiver), millis(now), int64(max(0, limit)))
}

// ClaimDigest leases up to limit notifications that are to be sent as one digest:
// all that are due at now for one place of receiver, the one that has waited
// longest. Of two replicas that ask at once, one gets them all and the other those
// of the next place.
func (tx *Tx) ClaimDigest(receiver string, now time.Time, lease time.Duration, limit int) ([]tocsin.Notification, error) {
	contact := int64(-1)
	// Whoever waits for this lock finds afterwards that the row is not due any more,
	// and goes on to the next.
	err := tx.db.query(`
		SELECT n.contact
		FROM notification AS n
		WHERE n.state = 'pending'
			AND n.digest = 1
			AND n.receiver = $1
			AND n.due <= $2
			AND `+isNext+`
		ORDER BY n.due, n.id
		LIMIT 1
		`+tx.forUpdate(),
		[]any{text(receiver), millis(now)}, func(r row) error { return r.Scan(&contact) })
	if err != nil || contact < 0 {
		return nil, err
	}
	return tx.claim(`
		SELECT n.id
		FROM notification AS n
		WHERE n.state = 'pending'
			AND n.digest = 1
			AND n.receiver = $1
			AND n.due <= $2
			AND n.contact = $3
			AND `+isNext+`
		ORDER BY n.due, n.id
		LIMIT CAST($4 AS BIGINT)
		`+tx.forUpdate(),
		now.Add(lease), text(receiver), millis(now), contact, int64(max(0, limit)))
}

// claim leases until then the notifications that the SELECT chooses.
func (tx *Tx) claim(chosen string, until time.Time, args ...any) ([]tocsin.Notification, error) {
	args = append(args, millis(until))
	list, err := tx.notifications(`
		WITH claimed AS MATERIALIZED (`+chosen+`
		)
		UPDATE notification
		SET due = $`+strconv.Itoa(len(args))+`, leased = 1, attempts = attempts + 1
		WHERE id IN (SELECT id FROM claimed)
		RETURNING `+notificationColumns, args...)
	slices.SortFunc(list, func(a, b tocsin.Notification) int { return cmp.Compare(a.ID, b.ID) })
	return list, err
}

// Settle writes what came of attempts, and gives back the IDs of those it kept.
// An empty Ref or Error leaves the one from before. An attempt with an Error after
// which the notification stays pending is kept for [Tx.Attempts].
func (tx *Tx) Settle(ss []Settlement) ([]int64, error) {
	order := tx.order(len(ss), func(i, j int) int { return cmp.Compare(ss[i].ID, ss[j].ID) })
	kept := make([]int64, 0, len(ss))
	var again []*Settlement
	err := tx.db.execs(`
		UPDATE notification
		SET state = $1,
			due = COALESCE($2, due),
			settled_at = $3,
			leased = 0,
			ref = COALESCE($4, ref),
			last_error = COALESCE($5, last_error)
		WHERE id = $6
			AND attempts = $7
			AND state = 'pending'`,
		len(ss), func(i int, args []any) []any {
			s := &ss[order[i]]
			due, settled := any(nil), millis(s.At)
			if s.State == tocsin.Pending {
				due, settled = millis(s.Due), 0
			}
			return append(args, text(string(s.State)), due, settled, orNull(s.Ref), orNull(s.Error), s.ID, int64(s.Attempts))
		}, func(i int, rows int64) error {
			if rows == 0 {
				return nil
			}
			s := &ss[order[i]]
			kept = append(kept, s.ID)
			if s.State != tocsin.Pending {
				tx.tallies.add(tallyNotification, string(s.State), "", 1, 0)
			} else if s.Error != "" {
				again = append(again, s)
			}
			if s.State == tocsin.Delivered && s.Receiver != "" {
				tx.tallies.add(tallyReceiver, text(s.Receiver), "", 1, millis(s.At))
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	return kept, tx.keepAttempts(again)
}

// orNull is s, or NULL if it is empty.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return text(s)
}

// Cancel ends the notifications of an alert that c chooses and that nobody is
// about to deliver, and gives back their IDs. Whoever delivers one that was
// cancelled after its lease ran out cannot settle it.
func (tx *Tx) Cancel(c Cancellation) ([]int64, error) {
	kinds := c.Kinds
	if len(kinds) == 0 {
		kinds = callingKinds
	}
	var w where
	settled, reason := w.arg(millis(c.At)), w.arg(text(c.Reason))
	w.and("alert = ?", c.Alert)
	w.and("state = 'pending'")
	w.and("(leased = 0 OR due <= ?)", millis(c.At))
	w.in("kind", texts(kinds))
	w.equal("receiver", c.Receiver)
	w.equal("person", c.Person)
	if c.Contact != 0 {
		w.and("contact = ?", c.Contact)
	}
	ids, err := tx.ids(`
		UPDATE notification
		SET state = 'cancelled', leased = 0, settled_at = `+settled+`, last_error = `+reason+w.text()+`
		RETURNING id`, w.args...)
	if len(ids) > 0 {
		tx.tallies.add(tallyNotification, string(tocsin.Cancelled), "", int64(len(ids)), 0)
	}
	return ids, err
}

// callingKinds are those that call for somebody to act.
var callingKinds = func() (kinds []tocsin.Kind) {
	for _, k := range []tocsin.Kind{
		tocsin.TellOpened, tocsin.TellRaised, tocsin.TellUpdated, tocsin.TellAcknowledged, tocsin.TellChanged, tocsin.TellClosed,
		tocsin.TellDigest, tocsin.TellCode, tocsin.TellNote,
	} {
		if k.Calls() {
			kinds = append(kinds, k)
		}
	}
	return kinds
}()

// ids gives the one column of a statement, which is of numbers, sorted.
func (tx *Tx) ids(sql string, args ...any) ([]int64, error) {
	ids := []int64{}
	err := tx.db.query(sql, args, func(r row) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	slices.Sort(ids)
	return ids, err
}

// Release makes every pending notification due now whose lease this process
// cannot have: called once at the start of a process that has the store alone.
// What waits for its next attempt goes on waiting.
func (tx *Tx) Release(now time.Time) error {
	_, err := tx.db.exec(`
		UPDATE notification
		SET due = $1, leased = 0
		WHERE state = 'pending'
			AND leased = 1`, millis(now))
	return err
}

// NextDue is, of each receiver, the earliest Due of a pending notification that
// no earlier one of its alert holds up: when a [Tx.Claim] could give something.
func (tx *Tx) NextDue() (map[string]time.Time, error) {
	next := map[string]time.Time{}
	err := tx.db.query(`
		WITH RECURSIVE owed (receiver) AS (
			SELECT MIN(receiver)
			FROM notification
			WHERE state = 'pending'
			UNION ALL
			SELECT (
				SELECT MIN(n.receiver)
				FROM notification AS n
				WHERE n.state = 'pending'
					AND n.receiver > owed.receiver
			)
			FROM owed
			WHERE owed.receiver IS NOT NULL
		)
		SELECT owed.receiver, (
			SELECT n.due
			FROM notification AS n
			WHERE n.state = 'pending'
				AND n.receiver = owed.receiver
				AND `+isNext+`
			ORDER BY n.due
			LIMIT 1
		)
		FROM owed
		WHERE owed.receiver IS NOT NULL`, nil, func(r row) error {
		var receiver string
		var due int64
		err := r.Scan(&receiver, &due)
		next[receiver] = moment(due)
		return err
	})
	return next, err
}

// Notification gives one notification, or ErrNotFound.
func (tx *Tx) Notification(id int64) (tocsin.Notification, error) {
	list, err := tx.notifications(`
		SELECT `+notificationColumns+`
		FROM notification
		WHERE id = $1`, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("notification %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return tocsin.Notification{}, err
	}
	return list[0], nil
}

// Notifications lists notifications, newest first.
func (tx *Tx) Notifications(f NotificationFilter) ([]tocsin.Notification, error) {
	var w where
	if f.Alert != 0 {
		w.and("alert = ?", f.Alert)
	}
	w.equal("receiver", f.Receiver)
	if f.Contact != 0 {
		w.and("contact > 0 AND contact = ?", f.Contact) // as the index says it
	}
	if f.Person != "" {
		w.and("contact > 0 AND contact IN (SELECT c.id FROM contact AS c WHERE c.person = ?) AND person = ?", text(f.Person), text(f.Person))
	}
	if len(f.States) == 1 && f.States[0] == tocsin.Pending {
		w.and("state = 'pending'") // as the index says it
	} else {
		w.in("state", texts(f.States))
	}
	w.in("kind", texts(f.Kinds))
	if !f.Since.IsZero() {
		w.and("created_at >= ?", millis(f.Since))
	}
	if f.Before > 0 {
		w.and("id < ?", f.Before)
	}
	return tx.notifications(`
		SELECT `+notificationColumns+`
		FROM notification`+w.text()+`
		ORDER BY id DESC
		LIMIT `+w.limit(limit(f.Limit)), w.args...)
}
