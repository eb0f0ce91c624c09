package store

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// An Episode is what became of an alert from its opening to its close.
type Episode struct {
	Alert      int64     `json:"alert"`
	N          int       `json:"n"` // counts the alert's episodes from 1
	OpenedAt   time.Time `json:"opened_at"`
	AcceptedAt time.Time `json:"accepted_at"` // when the event that opened it was received
	// ToldAt is when the first message was delivered, AckedAt when a person took it
	// on; zero if never.
	ToldAt   time.Time     `json:"told_at,omitzero"`
	AckedAt  time.Time     `json:"acked_at,omitzero"`
	ClosedAt time.Time     `json:"closed_at"`
	Level    tocsin.Level  `json:"level"`
	Rule     string        `json:"rule,omitempty"`
	Type     string        `json:"type,omitempty"`
	Account  string        `json:"account,omitempty"`
	Team     string        `json:"team,omitempty"`
	Reason   tocsin.Reason `json:"reason"`
	// HighestStep is the furthest step of its policy that was told, from 1; 0 is none.
	HighestStep int  `json:"highest_step,omitempty"`
	Unanswered  bool `json:"unanswered,omitempty"` // it was escalated to the end
	Suppressed  bool `json:"suppressed,omitempty"` // a silence or another alert kept it quiet to the end
	Sample      bool `json:"sample,omitempty"`     // a sample finding, or a test
}

// AddEpisodes keeps episodes that have ended. Each is kept once.
func (tx *Tx) AddEpisodes(list ...Episode) error {
	return tx.db.execs(`
		INSERT INTO episode (
			alert, n, opened_at, accepted_at, told_at, acked_at, closed_at, level,
			rule, type, account, team, reason, highest_step, unanswered, suppressed, sample
		)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
		ON CONFLICT (alert, n) DO NOTHING`,
		len(list), func(i int, args []any) []any {
			e := &list[i]
			return append(args,
				e.Alert, int64(e.N), millis(e.OpenedAt), millis(e.AcceptedAt), millis(e.ToldAt), millis(e.AckedAt), millis(e.ClosedAt), int64(e.Level),
				text(e.Rule), text(e.Type), text(e.Account), text(e.Team), text(string(e.Reason)), int64(e.HighestStep),
				number(e.Unanswered), number(e.Suppressed), number(e.Sample))
		}, nil)
}

// Episodes gives the episodes that ended and were opened at from or later and
// before to, in the order of their openings. What is still open is an alert:
// [Tx.EachAlert].
func (tx *Tx) Episodes(from, to time.Time) ([]Episode, error) {
	var list []Episode
	err := tx.db.query(`
		SELECT
			alert, n, opened_at, accepted_at, told_at, acked_at, closed_at, level,
			rule, type, account, team, reason, highest_step, unanswered, suppressed, sample
		FROM episode
		WHERE opened_at >= $1
			AND opened_at < $2
		ORDER BY opened_at, alert, n`, []any{millis(from), millis(to)}, func(r row) error {
		e, err := scanEpisode(r)
		list = append(list, e)
		return err
	})
	return list, err
}

func scanEpisode(r row) (Episode, error) {
	var e Episode
	var opened, accepted, told, acked, closed, unanswered, suppressed, sample int64
	var level int
	var reason string
	err := r.Scan(
		&e.Alert, &e.N, &opened, &accepted, &told, &acked, &closed, &level,
		&e.Rule, &e.Type, &e.Account, &e.Team, &reason, &e.HighestStep, &unanswered, &suppressed, &sample)
	e.OpenedAt, e.AcceptedAt, e.ToldAt, e.AckedAt, e.ClosedAt = moment(opened), moment(accepted), moment(told), moment(acked), moment(closed)
	e.Level, e.Reason = tocsin.Level(level), tocsin.Reason(reason)
	e.Unanswered, e.Suppressed, e.Sample = unanswered != 0, suppressed != 0, sample != 0
	return e, err
}

// A PersonalMessage is one that a person was sent: one digest is one, whatever it
// tells of.
type PersonalMessage struct {
	Person string
	At     time.Time // when it was delivered
	Kind   tocsin.Kind
}

// Personal gives the messages that were delivered to contact methods of people at
// from or later and before to, in their order.
func (tx *Tx) Personal(from, to time.Time) ([]PersonalMessage, error) {
	var list []PersonalMessage
	type digest struct {
		contact, at int64
	}
	var last digest
	err := tx.db.query(`
		SELECT person, contact, settled_at, kind, digest
		FROM notification
		WHERE contact > 0
			AND state = 'delivered'
			AND settled_at >= $1
			AND settled_at < $2
		ORDER BY settled_at, contact, digest, id`, []any{millis(from), millis(to)}, func(r row) error {
		var m PersonalMessage
		var contact, at, digested int64
		var kind string
		if err := r.Scan(&m.Person, &contact, &at, &kind, &digested); err != nil {
			return err
		}
		m.At, m.Kind = moment(at), tocsin.Kind(kind)
		if digested != 0 {
			if last == (digest{contact, at}) {
				return nil
			}
			last, m.Kind = digest{contact, at}, tocsin.TellDigest
		}
		list = append(list, m)
		return nil
	})
	return list, err
}

// FirstDelivered gives, of each alert, when the first message that called for
// somebody was delivered since its episode began. Alerts without one are missing.
func (tx *Tx) FirstDelivered(began map[int64]time.Time) (map[int64]time.Time, error) {
	alerts := slices.Sorted(maps.Keys(began))
	first := make(map[int64]time.Time, len(alerts))
	err := tx.db.queries(`
		SELECT COALESCE(MIN(settled_at), 0)
		FROM notification
		WHERE alert = $1
			AND state = 'delivered'
			AND kind IN (`+quoted(callingKinds)+`)
			AND settled_at >= $2`,
		len(alerts), func(i int, args []any) []any {
			return append(args, alerts[i], millis(began[alerts[i]]))
		}, func(i int, r row) error {
			var at int64
			err := r.Scan(&at)
			if at > 0 {
				first[alerts[i]] = moment(at)
			}
			return err
		})
	return first, err
}

// quoted are the kinds as they stand in SQL.
func quoted(kinds []tocsin.Kind) string {
	return "'" + strings.Join(texts(kinds), "', '") + "'"
}
