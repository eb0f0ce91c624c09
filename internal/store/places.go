package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// fingerprint is how a finding is known in the journal.
func fingerprint(key tocsin.Key) int64 {
	sum := sha256.Sum256([]byte(key))
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // any 64 bits will do
}

// versionOf are the columns of a finding's version; nil for an event that is none.
func versionOf(ev *tocsin.Event) (finding, version any) {
	if ev.Finding == "" {
		return nil, nil
	}
	return fingerprint(ev.Finding), millis(ev.Version)
}

// Held is [Tx.Held] in a transaction of its own.
func (s *Store) Held(ctx context.Context, keys []tocsin.Key) (held map[tocsin.Key]tocsin.Held, err error) {
	err = s.View(ctx, func(tx *Tx) (err error) {
		held, err = tx.Held(keys)
		return err
	})
	return held, err
}

// Held says what the journal has of findings; one that it has nothing of is not in
// the answer.
func (tx *Tx) Held(keys []tocsin.Key) (map[tocsin.Key]tocsin.Held, error) {
	held := make(map[tocsin.Key]tocsin.Held, len(keys))
	of := make(map[int64][]tocsin.Key, len(keys))
	for _, k := range keys {
		f := fingerprint(k)
		of[f] = append(of[f], k)
	}
	err := tx.db.queries(`
		SELECT finding, MAX(version), MAX(CASE WHEN via IN ('`+tocsin.ViaReconcile+`', '`+tocsin.ViaBackfill+`') THEN -1 ELSE version END)
		FROM event
		WHERE finding IN `+placeholders+`
		GROUP BY finding`,
		groups(len(keys)), func(i int, args []any) []any {
			return group(args, i, keys, func(k tocsin.Key) any { return fingerprint(k) })
		}, func(_ int, r row) error {
			var finding, newest, pushed int64
			if err := r.Scan(&finding, &newest, &pushed); err != nil {
				return err
			}
			h := tocsin.Held{Newest: version(newest)}
			if pushed >= 0 {
				h.Pushed = version(pushed)
			}
			for _, k := range of[finding] {
				held[k] = h
			}
			return nil
		})
	return held, err
}

// version is the time of a finding's last change. One without a time is as old as
// can be, and there all the same.
func version(ms int64) time.Time {
	return time.UnixMilli(ms).UTC()
}

// Observe keeps what sources saw, in the stead of what the same sources saw of the
// same before. What somebody could not see leaves standing what was seen.
func (tx *Tx) Observe(seen ...tocsin.Sighting) error {
	docs := make([]string, len(seen))
	for i := range seen {
		s := seen[i]
		if s.Error != "" {
			before, err := tx.sighting(s)
			if err != nil {
				return err
			}
			before.At, before.Error = s.At, s.Error
			s = before
		} else {
			s.Seen = s.At
		}
		doc, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("%s of %s %s: %w", s.Kind, s.Account, s.Region, err)
		}
		docs[i] = text(string(doc))
	}
	return tx.db.execs(`
		INSERT INTO sighting (kind, source, account, region, doc)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (kind, source, account, region) DO UPDATE
		SET doc = excluded.doc`, len(seen), func(i int, args []any) []any {
		s := &seen[i]
		return append(args, text(string(s.Kind)), text(s.Source), text(s.Account), text(s.Region), docs[i])
	}, nil)
}

// sighting is what is kept of the same, or s itself.
func (tx *Tx) sighting(s tocsin.Sighting) (tocsin.Sighting, error) {
	err := tx.db.query(`
		SELECT doc
		FROM sighting
		WHERE kind = $1
			AND source = $2
			AND account = $3
			AND region = $4`, []any{text(string(s.Kind)), text(s.Source), text(s.Account), text(s.Region)}, func(r row) error {
		return scanSighting(r, &s)
	})
	return s, err
}

func scanSighting(r row, into *tocsin.Sighting) error {
	var doc string
	if err := r.Scan(&doc); err != nil {
		return err
	}
	*into = tocsin.Sighting{}
	if err := json.Unmarshal([]byte(doc), into); err != nil {
		return fmt.Errorf("sighting: %w", err)
	}
	return nil
}

// Sightings gives what sources saw, by source, account and region: of one kind, or
// of all if it is "".
func (tx *Tx) Sightings(kind tocsin.SightingKind) ([]tocsin.Sighting, error) {
	var w where
	w.equal("kind", string(kind))
	var all []tocsin.Sighting
	err := tx.db.query(`
		SELECT doc
		FROM sighting`+w.text()+`
		ORDER BY kind, source, account, region`, w.args, func(r row) error {
		var s tocsin.Sighting
		err := scanSighting(r, &s)
		all = append(all, s)
		return err
	})
	return all, err
}
