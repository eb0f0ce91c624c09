package store

import (
	"fmt"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// canaryKept is for how long canaries are kept. The newest of each place that
// arrived is kept for as long as none is newer.
const canaryKept = time.Hour

const canaryColumns = `id, source, account, region, sample, sent_at, due, arrived_at, path, error`

// SendCanaries notes canaries that are about to be sent; sent are those whose id was
// not known.
func (tx *Tx) SendCanaries(canaries ...tocsin.Canary) (sent []tocsin.Canary, err error) {
	err = tx.db.queries(`
		INSERT INTO canary (`+canaryColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '', '')
		ON CONFLICT (id) DO NOTHING
		RETURNING sent_at`, len(canaries), func(i int, args []any) []any {
		c := &canaries[i]
		return append(args, text(c.ID), text(c.Source), text(c.Account), text(c.Region), text(c.Sample), millis(c.SentAt), millis(c.Due))
	}, func(i int, r row) error {
		var at int64
		sent = append(sent, canaries[i])
		return r.Scan(&at)
	})
	if err != nil || len(sent) == 0 {
		return sent, err
	}
	return sent, tx.pruneCanaries(sent[0].Source, sent[0].SentAt.Add(-canaryKept))
}

// pruneCanaries forgets those that were sent before, but for the newest of each place
// and the newest that arrived.
func (tx *Tx) pruneCanaries(source string, before time.Time) error {
	_, err := tx.db.exec(`
		DELETE FROM canary
		WHERE source = $1
			AND sent_at < $2
			AND due < $2
			AND EXISTS (
				SELECT 1
				FROM canary AS newer
				WHERE newer.source = canary.source
					AND newer.account = canary.account
					AND newer.region = canary.region
					AND newer.sent_at > canary.sent_at
					AND (canary.arrived_at = 0 OR newer.arrived_at > 0)
			)`, text(source), millis(before))
	return err
}

// FailCanary notes why a canary could not be sent.
func (tx *Tx) FailCanary(id, why string) error {
	_, err := tx.db.exec(`
		UPDATE canary
		SET error = $2
		WHERE id = $1`, text(id), text(why))
	return err
}

// ArriveCanary notes that the canary of that id arrived by path; what arrives a second
// time changes nothing. ErrNotFound if there is none.
func (tx *Tx) ArriveCanary(id, path string, at time.Time) (tocsin.Canary, error) {
	_, err := tx.db.exec(`
		UPDATE canary
		SET arrived_at = $2, path = $3
		WHERE id = $1
			AND arrived_at = 0`, text(id), millis(at), text(path))
	if err != nil {
		return tocsin.Canary{}, err
	}
	return tx.canary("WHERE id = $1", text(id))
}

// ArriveSample notes that a sample finding of that type came from the place by path.
// It is a canary's if one was ever sent from there. ErrNotFound if none was.
func (tx *Tx) ArriveSample(at tocsin.Place, sample, path string, when time.Time) (tocsin.Canary, error) {
	_, err := tx.db.exec(`
		UPDATE canary
		SET arrived_at = $4, path = $5
		WHERE sample <> ''
			AND account = $1
			AND region = $2
			AND sample = $3
			AND arrived_at = 0
			AND sent_at <= $4`, text(at.Account), text(at.Region), text(sample), millis(when), text(path))
	if err != nil {
		return tocsin.Canary{}, err
	}
	return tx.SampleCanary(at, sample)
}

// SampleCanary gives the canary of that type that arrived from the place last, or was
// sent there last. ErrNotFound if none ever was.
func (tx *Tx) SampleCanary(at tocsin.Place, sample string) (tocsin.Canary, error) {
	return tx.canary(`
		WHERE sample <> ''
			AND account = $1
			AND region = $2
			AND sample = $3
		ORDER BY arrived_at DESC, sent_at DESC
		LIMIT 1`, text(at.Account), text(at.Region), text(sample))
}

func (tx *Tx) canary(where string, args ...any) (tocsin.Canary, error) {
	all, err := tx.canaries(where, args...)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("canary: %w", ErrNotFound)
	}
	if err != nil {
		return tocsin.Canary{}, err
	}
	return all[0], nil
}

func (tx *Tx) canaries(where string, args ...any) ([]tocsin.Canary, error) {
	var all []tocsin.Canary
	err := tx.db.query(`
		SELECT `+canaryColumns+`
		FROM canary
		`+where, args, func(r row) error {
		var c tocsin.Canary
		var sent, due, arrived int64
		err := r.Scan(&c.ID, &c.Source, &c.Account, &c.Region, &c.Sample, &sent, &due, &arrived, &c.Path, &c.Error)
		c.SentAt, c.Due, c.ArrivedAt = moment(sent), moment(due), moment(arrived)
		all = append(all, c)
		return err
	})
	return all, err
}

// Canaries gives, of each place and source, the newest canary and the newest that
// arrived, where that is another: of one source, or of all if it is "". Newer ones
// come after older ones of the same place.
func (tx *Tx) Canaries(source string) ([]tocsin.Canary, error) {
	var w where
	w.equal("source", source)
	all, err := tx.canaries(w.text()+`
		ORDER BY source, account, region, sent_at`, w.args...)
	if err != nil {
		return nil, err
	}
	type of struct {
		source string
		tocsin.Place
	}
	newest, arrived := map[of]int{}, map[of]int{}
	for i, c := range all {
		at := of{c.Source, c.Place}
		newest[at] = i
		if !c.ArrivedAt.IsZero() {
			arrived[at] = i
		}
	}
	kept := all[:0]
	for i, c := range all {
		at := of{c.Source, c.Place}
		last, ok := arrived[at]
		if newest[at] == i || ok && last == i {
			kept = append(kept, c)
		}
	}
	return kept, nil
}
