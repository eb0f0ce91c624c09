package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin/internal/oncall"
)

// Histories gives the history of every schedule that there ever was, by name.
func (tx *Tx) Histories() (map[string]oncall.History, error) {
	return tx.histories(`
		SELECT name, since, doc
		FROM schedule_version
		ORDER BY name, n`)
}

// History gives the versions of one schedule, oldest first; none if there is no
// such schedule.
func (tx *Tx) History(name string) (oncall.History, error) {
	all, err := tx.histories(`
		SELECT name, since, doc
		FROM schedule_version
		WHERE name = $1
		ORDER BY n`, text(name))
	return all[text(name)], err
}

func (tx *Tx) histories(sql string, args ...any) (map[string]oncall.History, error) {
	all := map[string]oncall.History{}
	err := tx.db.query(sql, args, func(r row) error {
		var v oncall.Version
		var name string
		var since int64
		var doc []byte
		if err := r.Scan(&name, &since, &doc); err != nil {
			return err
		}
		if err := json.Unmarshal(doc, &v.Schedule); err != nil {
			return fmt.Errorf("schedule %s: %w", name, err)
		}
		v.Since = moment(since)
		all[name] = append(all[name], v)
		return nil
	})
	return all, err
}

// SaveHistory adds to the history of a schedule what h has beyond what is stored.
// ErrStale says that h does not begin with what is stored; where another replica
// was faster, the transaction runs again first.
func (tx *Tx) SaveHistory(name string, h oncall.History) error {
	stored, err := tx.History(name)
	if err != nil {
		return err
	}
	docs, err := versionDocs(h)
	if err != nil {
		return fmt.Errorf("schedule %s: %w", name, err)
	}
	begins, err := versionDocs(stored)
	if err != nil {
		return fmt.Errorf("schedule %s: %w", name, err)
	}
	have := len(stored)
	if have > len(h) || !slices.Equal(begins, docs[:have]) {
		return overtaken{fmt.Errorf("schedule %s: %w", name, ErrStale)}
	}
	if have < len(h) {
		tx.changed()
	}
	return tx.db.execs(`
		INSERT INTO schedule_version (name, n, since, doc)
		VALUES ($1, $2, $3, $4)`,
		len(h)-have, func(i int, args []any) []any {
			v := docs[have+i]
			return append(args, text(name), int64(have+i+1), v.since, v.doc)
		}, nil)
}

// A versionDoc is a version as it is stored.
type versionDoc struct {
	since int64
	doc   string
}

func versionDocs(h oncall.History) ([]versionDoc, error) {
	docs := make([]versionDoc, len(h))
	for i, v := range h {
		doc, err := document(v.Schedule)
		if err != nil {
			return nil, err
		}
		docs[i] = versionDoc{millis(v.Since), doc}
	}
	return docs, nil
}

// Overrides gives the overrides that end after since, in the order in which they
// were made: those of one schedule and of all, or, without a name, every one. One
// that was ended lasts until then; one that was ended before it began is left out.
func (tx *Tx) Overrides(schedule string, since time.Time) ([]oncall.Override, error) {
	var w where
	w.and("ends > ?", millis(since))
	if schedule != "" {
		w.and("schedule IN ('', ?)", text(schedule))
	}
	var made []override
	err := tx.db.query(`
		SELECT id, ends, doc
		FROM override`+w.text(), w.args, func(r row) error {
		var o override
		var ends int64
		var doc []byte
		if err := r.Scan(&o.id, &ends, &doc); err != nil {
			return err
		}
		if err := json.Unmarshal(doc, &o.Override); err != nil {
			return fmt.Errorf("override %d: %w", o.id, err)
		}
		o.ID, o.Until = strconv.FormatInt(o.id, 10), moment(ends)
		if o.From.Before(o.Until) {
			made = append(made, o)
		}
		return nil
	})
	// Not by the database: SQLite would rather walk the table in that order.
	slices.SortFunc(made, func(o, p override) int { return cmp.Compare(o.id, p.id) })
	var list []oncall.Override
	for _, o := range made {
		list = append(list, o.Override)
	}
	return list, err
}

// An override has its ID also as a number, which tells when it was made.
type override struct {
	oncall.Override
	id int64
}

// SaveOverride writes a new override and gives it its ID, a number. What was
// decided stays: an override is never changed but by [Tx.EndOverride].
func (tx *Tx) SaveOverride(o *oncall.Override) error {
	if o.ID != "" {
		return fmt.Errorf("override %s: it is there; end it, and make another", o.ID)
	}
	doc, err := document(o)
	if err != nil {
		return fmt.Errorf("override: %w", err)
	}
	tx.changed()
	return tx.db.inserts(`
		INSERT INTO override (schedule, ends, ended_by, doc)
		VALUES ($1, $2, '', $3)`,
		"id", 1, func(_ int, args []any) []any {
			return append(args, text(o.Schedule), millis(o.Until), doc)
		}, func(_ int, id int64) { o.ID = strconv.FormatInt(id, 10) })
}

// EndOverride has an override last until at and no longer. ErrNotFound says that
// there is none of that ID, ErrStale that it is over by then.
func (tx *Tx) EndOverride(id string, at time.Time, by string) error {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return fmt.Errorf("override %q: %w", id, ErrNotFound)
	}
	rows, err := tx.db.exec(`
		UPDATE override
		SET ends = $1, ended_by = $2
		WHERE id = $3
			AND ends > $4`, millis(at), text(by), number, millis(at))
	if err != nil {
		return err
	}
	if rows > 0 {
		tx.changed()
		return nil
	}
	found, err := tx.ids(`
		SELECT id
		FROM override
		WHERE id = $1`, number)
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return fmt.Errorf("override %s: %w", id, ErrNotFound)
	}
	return fmt.Errorf("override %s: %w", id, ErrStale)
}
