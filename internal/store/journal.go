package store

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// Seen gives the journal rows of those deliveries that the journal has. A
// delivery is an opaque identity of at most 64 bytes, whatever they are.
func (tx *Tx) Seen(deliveries []string) (map[string]int64, error) {
	asked := slices.DeleteFunc(slices.Clone(deliveries), func(d string) bool { return d == "" })
	seen := map[string]int64{}
	err := tx.db.queries(`
		SELECT delivery, seq
		FROM event
		WHERE delivery IN `+placeholders,
		groups(len(asked)), func(i int, args []any) []any {
			return group(args, i, asked, func(d string) any { return []byte(d) })
		}, func(_ int, r row) error {
			var delivery []byte
			var seq int64
			err := r.Scan(&delivery, &seq)
			seen[string(delivery)] = seq
			return err
		})
	return seen, err
}

// Redelivered counts one more delivery of each of the journal rows.
func (tx *Tx) Redelivered(seqs []int64, at time.Time) error {
	seqs = slices.Sorted(slices.Values(seqs))
	ms := millis(at)
	return tx.db.queries(`
		UPDATE event
		SET deliveries = deliveries + 1
		WHERE seq = $1
		RETURNING source, account, region, via, verdict`,
		len(seqs), func(i int, args []any) []any {
			return append(args, seqs[i])
		}, func(_ int, r row) error {
			var source, account, region, via, verdict string
			err := r.Scan(&source, &account, &region, &via, &verdict)
			tx.tallies.add(tallyVerdict, string(tocsin.Duplicate), "", 1, 0)
			tx.tallies.add(tallySource, source, "", 0, ms)
			if tocsin.Pushed(via) && verdict != string(tocsin.Watched) {
				tx.heardOf(account, region, 0, ms)
			}
			return err
		})
}

// Journal writes events with their verdict and sets their Seq, which grows in the
// order given. deliveries are their identities, unique in the journal; an empty one
// is never a redelivery.
func (tx *Tx) Journal(events []*tocsin.Event, deliveries []string) error {
	if len(events) != len(deliveries) {
		return fmt.Errorf("journal: %d events with %d deliveries", len(events), len(deliveries))
	}
	places, err := tx.keep(len(events), func(i int) []byte { return events[i].Raw })
	if err != nil {
		return err
	}
	seqs, err := tx.seqs(len(events))
	if err != nil {
		return err
	}
	order := tx.order(len(events), func(i, j int) int { return cmp.Compare(deliveries[i], deliveries[j]) })
	err = tx.db.inserts(`
		INSERT INTO event (
			seq, received_at, source, via, envelope, verdict, reason, did, rule, alert,
			deliveries, size, type, account, region, level, chunk, start, delivery, finding, version
		)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`,
		"seq", len(events), func(i int, args []any) []any {
			i = order[i]
			ev, delivery := events[i], any(nil)
			if d := deliveries[i]; d != "" {
				delivery = []byte(d)
			}
			finding, version := versionOf(ev)
			return append(args,
				seqs[i], millis(ev.ReceivedAt), text(ev.Source), text(ev.Via), text(ev.Envelope),
				text(string(ev.Verdict)), text(ev.Reason), text(ev.Did), text(ev.Rule), ev.Alert,
				int64(max(1, ev.Deliveries)), int64(len(ev.Raw)), text(ev.Type), text(ev.Account), text(ev.Region),
				int64(ev.Level), places[i].chunk, places[i].start, delivery, finding, version)
		}, func(i int, seq int64) {
			events[order[i]].Seq = seq
		})
	if err != nil {
		return err
	}
	for _, ev := range events {
		ms := millis(ev.ReceivedAt)
		tx.tallies.add(tallyVerdict, text(string(ev.Verdict)), "", 1, 0)
		tx.tallies.add(tallySource, text(ev.Source), "", 1, ms)
		if tocsin.Pushed(ev.Via) && ev.Verdict != tocsin.Watched { // that a place was heard is what AWS sent of it
			tx.heardOf(text(ev.Account), text(ev.Region), 1, ms)
		}
		tx.tallies.received(ms, ev.Seq)
	}
	return nil
}

// seqs are the numbers of the next n rows. Where rows are written in another order
// than they are given they are drawn beforehand; elsewhere each is nil, and the
// database hands them out.
func (tx *Tx) seqs(n int) ([]any, error) {
	seqs := make([]any, 0, n)
	if tx.dialect.nextSeqs == "" || n == 0 {
		return seqs[:n], nil
	}
	err := tx.db.query(tx.dialect.nextSeqs, []any{int64(n)}, func(r row) error {
		var seq int64
		err := r.Scan(&seq)
		seqs = append(seqs, seq)
		return err
	})
	return seqs, err
}

// heardOf tallies n events about a place, where they name one.
func (tx *Tx) heardOf(account, region string, n, at int64) {
	if account != "" {
		tx.tallies.add(tallyPlace, account, region, n, at)
	}
}

// order is 0, 1 … n-1: sorted by compare where replicas write as well, so that
// none waits for another in a circle; otherwise as it stands, as people expect.
func (tx *Tx) order(n int, compare func(i, j int) int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if tx.dialect.replicated {
		slices.SortStableFunc(order, compare)
	}
	return order
}

// eventColumns are what scanEvent reads.
const eventColumns = `
	seq, received_at, source, via, envelope, verdict, reason, did, rule, alert,
	deliveries, size, type, account, region, level, chunk, start`

func scanEvent(r row) (tocsin.Event, place, error) {
	var ev tocsin.Event
	var received int64
	var verdict string
	var level int
	var at place
	err := r.Scan(
		&ev.Seq, &received, &ev.Source, &ev.Via, &ev.Envelope, &verdict, &ev.Reason, &ev.Did, &ev.Rule, &ev.Alert,
		&ev.Deliveries, &ev.Size, &ev.Type, &ev.Account, &ev.Region, &level, &at.chunk, &at.start)
	ev.ReceivedAt, ev.Verdict, ev.Level = moment(received), tocsin.Verdict(verdict), tocsin.Level(level)
	return ev, at, err
}

// Event gives one journal row with its raw bytes, or ErrNotFound.
func (tx *Tx) Event(seq int64) (tocsin.Event, error) {
	events, places, err := tx.events(`
		SELECT `+eventColumns+`
		FROM event
		WHERE seq = $1`, seq)
	if err != nil {
		return tocsin.Event{}, err
	}
	if len(events) == 0 {
		return tocsin.Event{}, fmt.Errorf("event %d: %w", seq, ErrNotFound)
	}
	err = tx.loadRaw(events, places)
	return events[0], err
}

// Events lists journal rows without their raw bytes, newest first.
func (tx *Tx) Events(f EventFilter) ([]tocsin.Event, error) {
	w, err := tx.eventsWhere(f)
	if err != nil {
		return nil, err
	}
	if f.Before > 0 {
		w.and("seq < ?", f.Before)
	}
	events, _, err := tx.events(`
		SELECT `+eventColumns+`
		FROM event`+w.text()+`
		ORDER BY seq DESC
		LIMIT `+w.limit(limit(f.Limit)), w.args...)
	return events, err
}

// walkRows and walkBytes bound what EachEvent holds at a time.
const (
	walkRows  = 256
	walkBytes = 8 << 20
)

// EachEvent walks the journal rows that f chooses, raw bytes included, oldest
// first, Limit and Before apart.
func (tx *Tx) EachEvent(f EventFilter, yield func(tocsin.Event) error) error {
	chosen, err := tx.eventsWhere(f)
	if err != nil {
		return err
	}
	for last := int64(0); ; {
		w := chosen.clone()
		w.and("seq > ?", last)
		events, places, err := tx.events(`
			SELECT `+eventColumns+`
			FROM event`+w.text()+`
			ORDER BY seq
			LIMIT `+w.limit(walkRows), w.args...)
		if err != nil || len(events) == 0 {
			return err
		}
		last = events[len(events)-1].Seq
		for len(events) > 0 {
			n := fitting(events)
			if err := tx.loadRaw(events[:n], places[:n]); err != nil {
				return err
			}
			for _, ev := range events[:n] {
				if err := yield(ev); err != nil {
					return err
				}
			}
			clear(events[:n]) // their bytes
			events, places = events[n:], places[n:]
		}
	}
}

// fitting is how many of the events together stay within walkBytes; at least one.
func fitting(events []tocsin.Event) int {
	size := 0
	for n, ev := range events {
		if size += ev.Size; size > walkBytes && n > 0 {
			return n
		}
	}
	return len(events)
}

func (tx *Tx) events(sql string, args ...any) ([]tocsin.Event, []place, error) {
	var events []tocsin.Event
	var places []place
	err := tx.db.query(sql, args, func(r row) error {
		ev, at, err := scanEvent(r)
		events, places = append(events, ev), append(places, at)
		return err
	})
	return events, places, err
}

// eventsWhere says what f chooses, Before and Limit apart.
func (tx *Tx) eventsWhere(f EventFilter) (where, error) {
	var w where
	w.equal("source", f.Source)
	w.equal("account", f.Account)
	w.equal("region", f.Region)
	w.equal("type", f.Type)
	w.equal("rule", f.Rule)
	w.in("verdict", texts(f.Verdicts))
	if f.Alert != 0 {
		w.and("alert > 0 AND alert = ?", f.Alert) // as the index says it
	}
	if !f.Since.IsZero() {
		w.and("received_at >= ?", millis(f.Since))
	}
	if !f.Until.IsZero() {
		w.and("received_at < ?", millis(f.Until))
	}
	if f.Since.IsZero() && f.Until.IsZero() {
		return w, nil
	}
	period, err := tx.period(f.Since, f.Until)
	w.and("seq >= ?", period.first)
	w.and("seq <= ?", period.last)
	return w, err
}

// period is a range of rows outside of which none was received between since
// and until. Times may be zero; an empty range ends before it begins.
func (tx *Tx) period(since, until time.Time) (span, error) {
	if err := tx.flush(); err != nil {
		return span{}, err
	}
	var w where
	if !since.IsZero() {
		w.and("hour >= ?", hourOf(millis(since)))
	}
	if !until.IsZero() {
		w.and("hour <= ?", hourOf(millis(until)))
	}
	var s span
	err := tx.db.query(`
		SELECT COALESCE(MIN(first_seq), 1), COALESCE(MAX(last_seq), 0)
		FROM event_hour`+w.text(), w.args, func(r row) error { return r.Scan(&s.first, &s.last) })
	return s, err
}
