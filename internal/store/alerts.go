package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
)

// Latest gives, of each key, the alert that was opened last, locked against other
// replicas until the transaction ends. Keys without an alert are missing. In a
// view nothing is locked.
func (tx *Tx) Latest(keys []tocsin.Key) (map[tocsin.Key]tocsin.Alert, error) {
	locking := tx.dialect.replicated && !tx.readOnly
	forUpdate := ""
	if locking {
		forUpdate = tx.dialect.forUpdate
	}
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	latest := make(map[tocsin.Key]tocsin.Alert, len(keys))
	for len(keys) > 0 {
		ids, of, err := tx.latestIDs(keys)
		if err != nil {
			return nil, err
		}
		keys = nil
		err = tx.db.queries(`
			SELECT id, version, doc
			FROM alert
			WHERE id = $1
			`+forUpdate,
			len(ids), func(i int, args []any) []any {
				return append(args, ids[i])
			}, func(i int, r row) error {
				a, err := scanAlert(r)
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

// saved is an alert as it was before it was saved.
type saved struct {
	alert       *tocsin.Alert
	id, version int64
}

// unsave gives alerts their old ID and Version back, since nothing was kept.
func (tx *Tx) unsave() {
	for _, s := range slices.Backward(tx.saved) {
		s.alert.ID, s.alert.Version = s.id, s.version
	}
	tx.saved = nil
}

// Save inserts the alerts without an ID, giving them one, and updates the
// others, raising Version by one. ErrStale if a Version is not the one stored.
// Version is 1 at first.
func (tx *Tx) Save(alerts ...*tocsin.Alert) error {
	var fresh, known []*tocsin.Alert
	for _, a := range alerts {
		if a.ID == 0 {
			fresh = append(fresh, a)
		} else {
			known = append(known, a)
		}
	}
	if tx.dialect.replicated {
		slices.SortStableFunc(fresh, func(a, b *tocsin.Alert) int { return cmp.Compare(a.Key, b.Key) })
		slices.SortStableFunc(known, func(a, b *tocsin.Alert) int { return cmp.Compare(a.Key, b.Key) })
	}
	// What is closed makes room for what opens, so it goes first.
	if err := tx.updateAlerts(known); err != nil {
		return err
	}
	return tx.insertAlerts(fresh)
}

func (tx *Tx) insertAlerts(alerts []*tocsin.Alert) error {
	docs, err := tx.docs(alerts)
	if err != nil {
		return err
	}
	if len(alerts) > 0 {
		tx.tallies.add(tallyAlert, "", "", int64(len(alerts)), 0)
	}
	return tx.db.inserts(`
		INSERT INTO alert (
			key, live, version, status, level, severity, account, region, type,
			opened_at, changed_at, occurrences, search, doc
		)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		"id", len(alerts), func(i int, args []any) []any {
			return alertArgs(args, alerts[i], docs[i])
		}, func(i int, id int64) {
			tx.saved = append(tx.saved, saved{alerts[i], 0, alerts[i].Version})
			alerts[i].ID, alerts[i].Version = id, 1
		})
}

func (tx *Tx) updateAlerts(alerts []*tocsin.Alert) error {
	docs, err := tx.docs(alerts)
	if err != nil {
		return err
	}
	return tx.db.execs(`
		UPDATE alert
		SET key = $1, live = $2, version = $3, status = $4, level = $5, severity = $6, account = $7, region = $8, type = $9,
			opened_at = $10, changed_at = $11, occurrences = $12, search = $13, doc = $14
		WHERE id = $15
			AND version = $16`,
		len(alerts), func(i int, args []any) []any {
			a := alerts[i]
			return append(alertArgs(args, a, docs[i]), a.ID, a.Version)
		}, func(i int, rows int64) error {
			a := alerts[i]
			if rows == 0 {
				return fmt.Errorf("alert %d: %w", a.ID, ErrStale)
			}
			tx.saved = append(tx.saved, saved{a, a.ID, a.Version})
			a.Version++
			return nil
		})
}

// alertArgs appends the columns of an alert as they will be once it is saved.
func alertArgs(args []any, a *tocsin.Alert, doc string) []any {
	live, version := any(int64(1)), a.Version+1
	if a.Status == tocsin.StatusClosed {
		live = nil
	}
	if a.ID == 0 {
		version = 1
	}
	return append(args,
		text(string(a.Key)), live, version, text(string(a.Status)), int64(a.Level), a.Severity,
		text(a.Account), text(a.Region), text(a.Type),
		millis(a.OpenedAt), millis(a.ChangedAt), a.Occurrences, searchText(a), doc)
}

// docs are the alerts as JSON. The ID and Version in them are those from before
// and are not read back: the columns have them.
func (tx *Tx) docs(alerts []*tocsin.Alert) ([]string, error) {
	docs := make([]string, len(alerts))
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	for i, a := range alerts {
		buffer.Reset()
		if err := encoder.Encode(a); err != nil {
			return nil, fmt.Errorf("alert %d: %w", a.ID, err)
		}
		docs[i] = buffer.String()
	}
	return docs, nil
}

// searchText is what AlertFilter.Text looks in.
func searchText(a *tocsin.Alert) string {
	return text(strings.ToLower(strings.Join([]string{
		a.Headline, a.Title, a.Type, a.Account, a.Region, a.Resource.ID, a.Resource.Name,
		a.Actor.IP, a.Actor.Domain, a.Actor.Principal, a.Actor.Org, a.Actor.Country, a.Detection.ID,
	}, "\n")))
}

func scanAlert(r row) (tocsin.Alert, error) {
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
	return a, nil
}

// Alert gives one alert, or ErrNotFound.
func (tx *Tx) Alert(id int64) (tocsin.Alert, error) {
	alerts, err := tx.alerts(`
		SELECT id, version, doc
		FROM alert
		WHERE id = $1`, id)
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
	w := alertsWhere(f)
	err = tx.db.query(`
		SELECT COUNT(*)
		FROM alert`+w.text(), w.args, func(r row) error { return r.Scan(&total) })
	if err != nil {
		return nil, 0, err
	}
	alerts, err = tx.alerts(`
		SELECT id, version, doc
		FROM alert`+w.text()+`
		ORDER BY `+sort+`
		LIMIT `+w.arg(limit(f.Limit))+`
		OFFSET `+w.arg(int64(max(0, f.Offset))), w.args...)
	return alerts, total, err
}

func (tx *Tx) alerts(sql string, args ...any) ([]tocsin.Alert, error) {
	var alerts []tocsin.Alert
	err := tx.db.query(sql, args, func(r row) error {
		a, err := scanAlert(r)
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
	if f.Type != "" {
		// Not LIKE, which in SQLite knows no case.
		w.and("SUBSTR(type, 1, LENGTH(CAST(? AS TEXT))) = ?", text(f.Type), text(f.Type))
	}
	if f.Text != "" {
		w.and(`search LIKE ? ESCAPE '\'`, likeAnywhere(f.Text))
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
