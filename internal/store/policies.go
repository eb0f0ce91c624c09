package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tocsin-sec/tocsin/internal/escalation"
)

// KeepPolicy keeps a policy as it is, under its version, for the alerts that go by
// it. One that is kept already stays.
func (tx *Tx) KeepPolicy(p escalation.Policy, at time.Time) error {
	doc, err := document(p)
	if err != nil {
		return fmt.Errorf("policy %s: %w", p.Name, err)
	}
	_, err = tx.db.exec(`
		INSERT INTO policy_version (version, name, doc, at)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT (version) DO NOTHING`, p.Version(), text(p.Name), doc, millis(at))
	return err
}

// Policy gives the policy of that version, or ErrNotFound.
func (tx *Tx) Policy(version string) (escalation.Policy, error) {
	var p escalation.Policy
	found := false
	err := tx.db.query(`
		SELECT doc
		FROM policy_version
		WHERE version = $1`, []any{text(version)}, func(r row) error {
		var doc []byte
		found = true
		if err := r.Scan(&doc); err != nil {
			return err
		}
		return json.Unmarshal(doc, &p)
	})
	if err == nil && !found {
		err = ErrNotFound
	}
	if err != nil {
		return escalation.Policy{}, fmt.Errorf("policy %s: %w", version, err)
	}
	return p, nil
}

// Rotation gives how often a step that goes round was used, locked against other
// replicas until the transaction ends, so that no two alerts get the same turn.
// In a view nothing is locked.
func (tx *Tx) Rotation(policy string, step int) (pointer int64, err error) {
	sql := `
		INSERT INTO rotation (policy, step, pointer)
		VALUES ($1, $2, 0)
		ON CONFLICT (policy, step) DO UPDATE
		SET pointer = rotation.pointer
		RETURNING pointer`
	if tx.readOnly {
		sql = `
		SELECT pointer
		FROM rotation
		WHERE policy = $1
			AND step = $2`
	}
	err = tx.db.query(sql, []any{text(policy), int64(step)}, func(r row) error { return r.Scan(&pointer) })
	return pointer, err
}

// SetRotation writes what [Tx.Rotation] gives from then on.
func (tx *Tx) SetRotation(policy string, step int, pointer int64) error {
	_, err := tx.db.exec(`
		INSERT INTO rotation (policy, step, pointer)
		VALUES ($1, $2, $3)
		ON CONFLICT (policy, step) DO UPDATE
		SET pointer = excluded.pointer`, text(policy), int64(step), pointer)
	return err
}
