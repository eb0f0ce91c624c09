package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A SilenceFilter chooses silences; empty fields choose all, and so does a Page
// without a Limit.
type SilenceFilter struct {
	// Live chooses those that end after that moment, begun or not; Over those that
	// have ended by then, by themselves or because somebody ended them.
	Live, Over time.Time
	// Unreported chooses those whose author was not told what they hid.
	Unreported bool
	Page
}

// Silences lists silences, newest first.
func (tx *Tx) Silences(f SilenceFilter) ([]tocsin.Silence, error) {
	var ends, w where
	if !f.Live.IsZero() {
		ends.and("ends > ?", millis(f.Live))
	}
	if !f.Over.IsZero() {
		ends.and("ends <= ?", millis(f.Over))
	}
	if f.Unreported {
		ends.and("reported_at = 0")
	}
	if chosen := ends.text(); chosen != "" {
		// By itself, since SQLite would rather walk the table in the order of the list.
		w.args = ends.args
		w.and("id IN (SELECT id FROM silence" + chosen + ")")
	}
	if f.Before > 0 {
		w.and("id < ?", f.Before)
	}
	most := ""
	if f.Limit > 0 {
		most = "\nLIMIT " + w.limit(int64(f.Limit))
	}
	return tx.silences(`
		SELECT id, version, doc
		FROM silence`+w.text()+`
		ORDER BY id DESC`+most, w.args...)
}

// Silence gives one silence, or ErrNotFound.
func (tx *Tx) Silence(id int64) (tocsin.Silence, error) {
	list, err := tx.silences(`
		SELECT id, version, doc
		FROM silence
		WHERE id = $1`, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("silence %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return tocsin.Silence{}, err
	}
	return list[0], nil
}

func (tx *Tx) silences(sql string, args ...any) ([]tocsin.Silence, error) {
	var list []tocsin.Silence
	err := tx.db.query(sql, args, func(r row) error {
		var s tocsin.Silence
		var id, version int64
		var doc []byte
		if err := r.Scan(&id, &version, &doc); err != nil {
			return err
		}
		if err := json.Unmarshal(doc, &s); err != nil {
			return fmt.Errorf("silence %d: %w", id, err)
		}
		s.ID, s.Version = id, version
		list = append(list, s)
		return nil
	})
	return list, err
}

// SaveSilence inserts a silence without an ID, giving it one, and else updates it,
// ErrStale if the Version is not the one stored. It raises Version by one.
func (tx *Tx) SaveSilence(s *tocsin.Silence) error {
	doc, err := document(s)
	if err != nil {
		return fmt.Errorf("silence %d: %w", s.ID, err)
	}
	ends := s.Until
	if !s.EndedAt.IsZero() && s.EndedAt.Before(ends) {
		ends = s.EndedAt
	}
	tx.changed()
	if s.ID == 0 {
		return tx.db.inserts(`
			INSERT INTO silence (version, ends, reported_at, doc)
			VALUES (1, $1, $2, $3)`,
			"id", 1, func(_ int, args []any) []any {
				return append(args, millis(ends), millis(s.ReportedAt), doc)
			}, func(_ int, id int64) {
				tx.remember(&s.ID, &s.Version)
				s.ID, s.Version = id, 1
			})
	}
	rows, err := tx.db.exec(`
		UPDATE silence
		SET version = version + 1, ends = $1, reported_at = $2, doc = $3
		WHERE id = $4
			AND version = $5`, millis(ends), millis(s.ReportedAt), doc, s.ID, s.Version)
	if err == nil && rows == 0 {
		err = fmt.Errorf("silence %d: %w", s.ID, ErrStale)
	}
	if err != nil {
		return err
	}
	tx.remember(&s.Version)
	s.Version++
	return nil
}
