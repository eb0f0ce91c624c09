package store

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// tallySlots is over how many rows replicas spread one count. Each store adds to
// one of them, chosen at random when it opens. The alternatives are worse: a
// single row makes every commit of every replica wait for the one before, and
// rows that are only ever inserted must be folded by somebody.
const tallySlots = 16

// The kinds of tally; see the migrations.
const (
	tallyVerdict      = "verdict"
	tallySource       = "source"
	tallyPlace        = "place"
	tallyAlert        = "alert"
	tallyType         = "type"
	tallyNotification = "notification"
	tallyRoute        = "route"
	tallyReceiver     = "receiver"
	tallyGeneration   = "generation"
)

// A tallyKey is what is counted.
type tallyKey struct{ kind, a, b string }

func (k tallyKey) compare(other tallyKey) int {
	return cmp.Or(cmp.Compare(k.kind, other.kind), cmp.Compare(k.a, other.a), cmp.Compare(k.b, other.b))
}

// A tallied is how many were added, and when last (0 where that does not matter).
type tallied struct{ n, at int64 }

// A span is a range of journal rows, both ends included.
type span struct{ first, last int64 }

// tallies are what a transaction adds to the counts. They are summed here and
// written once, last before the commit and in one order, so that the rows that
// everybody writes are locked as late as can be and never in a circle.
type tallies struct {
	counts map[tallyKey]tallied
	hours  map[int64]span
}

func (t *tallies) add(kind, a, b string, n, at int64) {
	if t.counts == nil {
		t.counts = map[tallyKey]tallied{}
	}
	key := tallyKey{kind, a, b}
	sum := t.counts[key]
	t.counts[key] = tallied{sum.n + n, max(sum.at, at)}
}

func (t *tallies) received(at, seq int64) {
	if t.hours == nil {
		t.hours = map[int64]span{}
	}
	hour := hourOf(at)
	s, ok := t.hours[hour]
	if !ok {
		s = span{seq, seq}
	}
	t.hours[hour] = span{min(s.first, seq), max(s.last, seq)}
}

// hourOf counts hours since 1970, rounded down.
func hourOf(ms int64) int64 {
	const hour = int64(time.Hour / time.Millisecond)
	h := ms / hour
	if ms%hour < 0 {
		h--
	}
	return h
}

// flush writes what was summed. It comes before a commit, and before a read of
// the counts in the transaction that added to them.
func (tx *Tx) flush() error {
	t := tx.tallies
	tx.tallies = tallies{}
	if err := tx.flushCounts(t.counts); err != nil {
		return err
	}
	return tx.flushHours(t.hours)
}

func (tx *Tx) flushCounts(counts map[tallyKey]tallied) error {
	keys := slices.SortedFunc(maps.Keys(counts), tallyKey.compare)
	return tx.db.execs(`
		INSERT INTO tally (kind, a, b, slot, n, at)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (kind, a, b, slot) DO UPDATE
		SET n = tally.n + excluded.n,
			at = CASE WHEN excluded.at > tally.at THEN excluded.at ELSE tally.at END`,
		len(keys), func(i int, args []any) []any {
			key := keys[i]
			sum := counts[key]
			return append(args, key.kind, key.a, key.b, tx.slot, sum.n, sum.at)
		}, nil)
}

func (tx *Tx) flushHours(spans map[int64]span) error {
	hours := slices.Sorted(maps.Keys(spans))
	return tx.db.execs(`
		INSERT INTO event_hour (hour, slot, first_seq, last_seq)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT (hour, slot) DO UPDATE
		SET first_seq = CASE WHEN excluded.first_seq < event_hour.first_seq THEN excluded.first_seq ELSE event_hour.first_seq END,
			last_seq = CASE WHEN excluded.last_seq > event_hour.last_seq THEN excluded.last_seq ELSE event_hour.last_seq END`,
		len(hours), func(i int, args []any) []any {
			hour := hours[i]
			return append(args, hour, tx.slot, spans[hour].first, spans[hour].last)
		}, nil)
}

// counted gives the sums of one kind, by a, then b.
func (tx *Tx) counted(kind string, each func(a, b string, sum tallied)) error {
	if err := tx.flush(); err != nil {
		return err
	}
	return tx.db.query(`
		SELECT a, b, CAST(SUM(n) AS BIGINT), MAX(at)
		FROM tally
		WHERE kind = $1
		GROUP BY a, b`, []any{kind}, func(r row) error {
		var a, b string
		var sum tallied
		if err := r.Scan(&a, &b, &sum.n, &sum.at); err != nil {
			return err
		}
		each(a, b, sum)
		return nil
	})
}
