package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// Latest gives, of each key, the alert that was opened last, locked against other
// replicas until the transaction ends. Keys without an alert are missing. In a
// view nothing is locked.
func (tx *Tx) Latest(keys []tocsin.Key) (map[tocsin.Key]tocsin.Alert, error) {
	locking := tx.dialect.replicated && !tx.readOnly
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	latest := make(map[tocsin.Key]tocsin.Alert, len(keys))
	for len(keys) > 0 {
		ids, of, err := tx.latestIDs(keys)
		if err != nil {
			return nil, err
		}
		keys = nil
		err = tx.db.queries(`
			SELECT `+alertColumns+`
			FROM alert
			WHERE id = $1
			`+tx.forUpdate(),
			len(ids), func(i int, args []any) []any {
				return append(args, ids[i])
			}, func(i int, r row) error {
				a, err := tx.scanAlert(r)
				if err != nil {
					return err
				}
				// While we waited for the lock of a closed alert, who had it may have
				// opened the next one: look again until nothing changes.
				if locking && a.Status == tocsin.StatusClosed && latest[of[i]].ID != a.ID {
					keys = append(keys, of[i])
				}
				latest[of[i]] = a
				return nil
			})
		if err != nil {
			return nil, err
		}
	}
	return latest, nil
}

// latestIDs gives the id of the latest alert of each key that has one, and the
// keys, in their order: so all replicas lock in one order. Most keys have none.
func (tx *Tx) latestIDs(keys []tocsin.Key) (ids []int64, of []tocsin.Key, err error) {
	found := map[string]int64{}
	err = tx.db.queries(`
		SELECT key, MAX(id)
		FROM alert
		WHERE key IN `+placeholders+`
		GROUP BY key`,
		groups(len(keys)), func(i int, args []any) []any {
			return group(args, i, keys, func(k tocsin.Key) any { return text(string(k)) })
		}, func(_ int, r row) error {
			var key string
			var id int64
			err := r.Scan(&key, &id)
			found[key] = id
			return err
		})
	for _, k := range keys {
		if id, ok := found[text(string(k))]; ok {
			ids, of = append(ids, id), append(of, k)
		}
	}
	return ids, of, err
}

// forUpdate locks the rows of a SELECT against other replicas until the
// transaction ends. In a view nothing is locked.
func (tx *Tx) forUpdate() string {
	if tx.readOnly {
		return ""
	}
	return tx.dialect.forUpdate
}

// alertColumns are what scanAlert reads.
const alertColumns = `id, version, doc`

// scanAlert reads an alert. Who may write it later remembers how it stood.
func (tx *Tx) scanAlert(r row) (tocsin.Alert, error) {
	var id, version int64
	var doc []byte
	if err := r.Scan(&id, &version, &doc); err != nil {
		return tocsin.Alert{}, err
	}
	var a tocsin.Alert
	if err := json.Unmarshal(doc, &a); err != nil {
		return tocsin.Alert{}, fmt.Errorf("alert %d: %w", id, err)
	}
	a.ID, a.Version = id, version
	if !tx.readOnly {
		tx.knows(id, known{version, standingOf(&a)})
	}
	return a, nil
}

// Alert gives one alert, or ErrNotFound.
func (tx *Tx) Alert(id int64) (tocsin.Alert, error) { return tx.alert(id, "") }

// AlertForUpdate gives one alert, or ErrNotFound, locked against other replicas
// until the transaction ends: who reads it so can save it.
func (tx *Tx) AlertForUpdate(id int64) (tocsin.Alert, error) { return tx.alert(id, tx.forUpdate()) }

func (tx *Tx) alert(id int64, lock string) (tocsin.Alert, error) {
	alerts, err := tx.alerts(`
		SELECT `+alertColumns+`
		FROM alert
		WHERE id = $1
		`+lock, id)
	if err == nil && len(alerts) == 0 {
		err = fmt.Errorf("alert %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return tocsin.Alert{}, err
	}
	return alerts[0], nil
}

// alertSorts are the orders in which alerts are listed. Each ends with the id, so
// that pages do not overlap.
var alertSorts = map[string]string{
	"":        "level DESC, opened_at, id",
	"level":   "level DESC, opened_at, id",
	"newest":  "id DESC",
	"changed": "changed_at DESC, id DESC",
	"count":   "occurrences DESC, id DESC",
}

// Alerts lists alerts, and how many f chooses in all.
func (tx *Tx) Alerts(f AlertFilter) (alerts []tocsin.Alert, total int64, err error) {
	sort, ok := alertSorts[f.Sort]
	if !ok {
		return nil, 0, fmt.Errorf("sort %q is none of level, newest, changed, count", f.Sort)
	}
	total, err = tx.countOf(f)
	if err != nil {
		return nil, 0, err
	}
	w := alertsWhere(f)
	alerts, err = tx.alerts(`
		SELECT `+alertColumns+`
		FROM alert`+w.text()+`
		ORDER BY `+sort+`
		LIMIT `+w.limit(limit(f.Limit))+`
		OFFSET `+w.arg(int64(max(0, f.Offset))), w.args...)
	return alerts, total, err
}

// countOf is how many alerts f chooses. By status and level they are counted
// already.
func (tx *Tx) countOf(f AlertFilter) (total int64, err error) {
	rest := f
	rest.Statuses, rest.MinLevel, rest.Sort, rest.Limit, rest.Offset = nil, tocsin.Unknown, "", 0, 0
	if reflect.ValueOf(rest).IsZero() {
		err = tx.countedAlerts(func(status tocsin.Status, level tocsin.Level, n int64) {
			if level >= f.MinLevel && (len(f.Statuses) == 0 || slices.Contains(f.Statuses, status)) {
				total += n
			}
		})
		return total, err
	}
	w := alertsWhere(f)
	err = tx.db.query(`
		SELECT COUNT(*)
		FROM alert`+w.text(), w.args, func(r row) error { return r.Scan(&total) })
	return total, err
}

// walkAlerts is how many alerts EachAlert holds at a time, and disorder how much
// later an alert may say it was opened than one that was saved after it: replicas
// have clocks of their own.
const (
	walkAlerts = 256
	disorder   = time.Hour
)

// EachAlert walks the alerts that were opened at from or later and before to,
// newest first, until yield says false.
func (tx *Tx) EachAlert(from, to time.Time, yield func(tocsin.Alert) bool) error {
	for last := int64(math.MaxInt64); ; {
		alerts, err := tx.alerts(`
			SELECT `+alertColumns+`
			FROM alert
			WHERE id < $1
			ORDER BY id DESC
			LIMIT CAST($2 AS BIGINT)`, last, int64(walkAlerts))
		if err != nil {
			return err
		}
		for _, a := range alerts {
			if a.OpenedAt.Before(from.Add(-disorder)) {
				return nil
			}
			if !a.OpenedAt.Before(from) && a.OpenedAt.Before(to) && !yield(a) {
				return nil
			}
		}
		if len(alerts) < walkAlerts {
			return nil
		}
		last = alerts[len(alerts)-1].ID
	}
}

func (tx *Tx) alerts(sql string, args ...any) ([]tocsin.Alert, error) {
	var alerts []tocsin.Alert
	err := tx.db.query(sql, args, func(r row) error {
		a, err := tx.scanAlert(r)
		alerts = append(alerts, a)
		return err
	})
	return alerts, err
}

func alertsWhere(f AlertFilter) where {
	var w where
	if len(f.Statuses) > 0 && !slices.Contains(f.Statuses, tocsin.StatusClosed) {
		w.and("status <> 'closed'") // as the index says it
	}
	w.in("status", texts(f.Statuses))
	if f.MinLevel > tocsin.Unknown {
		w.and("level >= ?", int64(f.MinLevel))
	}
	w.equal("account", f.Account)
	w.equal("region", f.Region)
	w.equal("team", f.Team)
	w.equal("assignee", f.Assignee)
	if f.Unanswered {
		w.and("unanswered = 1") // as the index says it
	}
	if f.Type != "" {
		// Not LIKE, which in SQLite knows no case.
		w.and("SUBSTR(type, 1, LENGTH(CAST(? AS TEXT))) = ?", text(f.Type), text(f.Type))
	}
	if f.Text != "" {
		w.like("search", likeAnywhere(f.Text))
	}
	return w
}

// likeAnywhere is the LIKE pattern for s anywhere in a lower-case text, in which
// * stands for any run of characters.
func likeAnywhere(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`).Replace(strings.ToLower(text(s)))
	return "%" + s + "%"
}

// Log adds what people did to timelines. What events did is in the journal, so
// that an entry with an Event is refused.
func (tx *Tx) Log(entries ...tocsin.Entry) error {
	for _, e := range entries {
		if e.Alert == 0 {
			return errors.New("log: an entry names no alert")
		}
		if e.Event != 0 {
			return fmt.Errorf("log: event %d is in the journal, which has what it did", e.Event)
		}
	}
	return tx.db.execs(`
		INSERT INTO timeline (alert, at, kind, who, note)
		VALUES ($1, $2, $3, $4, $5)`,
		len(entries), func(i int, args []any) []any {
			e := &entries[i]
			return append(args, e.Alert, millis(e.At), text(e.Kind), text(e.By), text(e.Text))
		}, nil)
}

// Timeline gives what became of an alert, oldest first: what its events did, in
// the order of the journal, and among them what people did. Of the same
// millisecond the events come first.
func (tx *Tx) Timeline(alert int64) ([]tocsin.Entry, error) {
	events, err := tx.timelineOfEvents(alert)
	if err != nil {
		return nil, err
	}
	people, err := tx.timelineOfPeople(alert)
	if err != nil {
		return nil, err
	}
	entries := slices.Concat(events, people)
	slices.SortStableFunc(entries, func(a, b tocsin.Entry) int { return a.At.Compare(b.At) })
	return entries, nil
}

// timelineOfEvents gives an alert's events as entries. Events that were received
// at nearly the same time may have been folded the other way round; the order of
// the journal is that of the folds, so that an entry's time is never before the
// one above it.
func (tx *Tx) timelineOfEvents(alert int64) ([]tocsin.Entry, error) {
	var entries []tocsin.Entry
	var latest int64
	err := tx.db.query(`
		SELECT seq, received_at, did, via, source, reason
		FROM event
		WHERE alert > 0
			AND alert = $1
			AND did <> ''
		ORDER BY seq`, []any{alert}, func(r row) error {
		e := tocsin.Entry{Alert: alert}
		var at int64
		var via, source string
		err := r.Scan(&e.Event, &at, &e.Kind, &via, &source, &e.Text)
		latest = max(latest, at)
		e.At, e.By = moment(latest), via+":"+source
		entries = append(entries, e)
		return err
	})
	return entries, err
}

func (tx *Tx) timelineOfPeople(alert int64) ([]tocsin.Entry, error) {
	var entries []tocsin.Entry
	err := tx.db.query(`
		SELECT at, kind, who, note
		FROM timeline
		WHERE alert = $1
		ORDER BY id`, []any{alert}, func(r row) error {
		e := tocsin.Entry{Alert: alert}
		var at int64
		err := r.Scan(&at, &e.Kind, &e.By, &e.Text)
		e.At = moment(at)
		entries = append(entries, e)
		return err
	})
	return entries, err
}
