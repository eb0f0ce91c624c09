package store

import (
	"time"

	"github.com/tocsin-sec/tocsin"
)

// DueAlerts gives up to limit alerts at which the clock is to look by now,
// earliest first, locked against other replicas until the transaction ends. What
// another replica has locked is passed over: it is being looked at.
func (tx *Tx) DueAlerts(now time.Time, limit int) ([]tocsin.Alert, error) {
	skipLocked := tx.dialect.skipLocked
	if tx.readOnly {
		skipLocked = ""
	}
	return tx.alerts(`
		SELECT `+alertColumns+`
		FROM alert
		WHERE due > 0
			AND due <= $1
		ORDER BY due, id
		LIMIT CAST($2 AS BIGINT)
		`+skipLocked, millis(now), int64(max(0, limit)))
}

// NextAlertDue is when the clock is to look at an alert next; zero if never.
func (tx *Tx) NextAlertDue() (time.Time, error) {
	var due int64
	err := tx.db.query(`
		SELECT COALESCE(MIN(due), 0)
		FROM alert
		WHERE due > 0`, nil, func(r row) error { return r.Scan(&due) })
	return moment(due), err
}

// HeldBy gives the IDs of the alerts whose opening is not told yet because of by:
// "silence 3", "alert 12".
func (tx *Tx) HeldBy(by string) ([]int64, error) {
	return tx.ids(`
		SELECT id
		FROM alert
		WHERE held_by = $1`, text(by))
}

// An Inhibitor is a live alert that keeps others quiet: those at which an
// inhibition rule finds the same fingerprint.
type Inhibitor struct {
	Alert             int64
	Rule, Fingerprint string
}

// AddInhibitors writes inhibitors; one that is there already stays.
func (tx *Tx) AddInhibitors(list ...Inhibitor) error {
	return tx.db.execs(`
		INSERT INTO inhibitor (rule, fingerprint, alert)
		VALUES ($1, $2, $3)
		ON CONFLICT (rule, fingerprint, alert) DO NOTHING`,
		len(list), func(i int, args []any) []any {
			return append(args, text(list[i].Rule), text(list[i].Fingerprint), list[i].Alert)
		}, nil)
}

// Inhibitors gives, of each fingerprint that has any, the alerts that inhibit by
// the rule, oldest first.
func (tx *Tx) Inhibitors(rule string, fingerprints []string) (map[string][]int64, error) {
	found := map[string][]int64{}
	err := tx.db.queries(`
		SELECT alert
		FROM inhibitor
		WHERE rule = $1
			AND fingerprint = $2
		ORDER BY alert`,
		len(fingerprints), func(i int, args []any) []any {
			return append(args, text(rule), text(fingerprints[i]))
		}, func(i int, r row) error {
			var alert int64
			err := r.Scan(&alert)
			found[fingerprints[i]] = append(found[fingerprints[i]], alert)
			return err
		})
	return found, err
}

// DropInhibitors forgets that the alerts inhibit, since they are over.
func (tx *Tx) DropInhibitors(alerts ...int64) error {
	return tx.db.execs(`
		DELETE FROM inhibitor
		WHERE alert = $1`,
		len(alerts), func(i int, args []any) []any {
			return append(args, alerts[i])
		}, nil)
}
