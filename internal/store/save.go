package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin"
)

// A standing is what the indexes and the counts have of an alert, when it is due
// apart: that changes with nearly every event.
type standing struct {
	key                    tocsin.Key
	status                 tocsin.Status
	level                  tocsin.Level
	openedAt               int64
	team, assignee, heldBy string
	unanswered             bool
}

func standingOf(a *tocsin.Alert) standing {
	s := standing{
		key: a.Key, status: a.Status, level: a.Level, openedAt: millis(a.OpenedAt),
		team: a.Team, assignee: a.Assignee,
	}
	if a.Held != nil {
		s.heldBy = a.Held.By
	}
	s.unanswered = a.Status != tocsin.StatusClosed && a.Escalation != nil && a.Escalation.Exhausted
	return s
}

// A known alert is as the transaction read or wrote it last.
type known struct {
	version int64
	standing
}

func (tx *Tx) knows(id int64, k known) {
	if tx.known == nil {
		tx.known = map[int64]known{}
	}
	tx.known[id] = k
}

// A writing is an alert that is about to be saved.
type writing struct {
	alert *tocsin.Alert
	standing
	due int64
	doc string
}

// Save inserts the alerts without an ID, giving them one, and updates the
// others, raising Version by one. ErrStale if a Version is not the one stored.
// Version is 1 at first.
func (tx *Tx) Save(alerts ...*tocsin.Alert) error {
	all, err := writings(alerts)
	if err != nil {
		return err
	}
	if tx.dialect.replicated {
		slices.SortStableFunc(all, func(v, w writing) int { return cmp.Compare(v.key, w.key) })
	}
	var fresh, old []writing
	for _, w := range all {
		if w.alert.ID == 0 {
			fresh = append(fresh, w)
		} else {
			old = append(old, w)
		}
	}
	// What is closed makes room for what opens, so it goes first.
	if err := tx.updateAlerts(old); err != nil {
		return err
	}
	return tx.insertAlerts(fresh)
}

// writings has the alerts as JSON. The ID and Version in it are those from before
// and are not read back: the columns have them.
func writings(alerts []*tocsin.Alert) ([]writing, error) {
	all := make([]writing, len(alerts))
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	for i, a := range alerts {
		buffer.Reset()
		if err := encoder.Encode(a); err != nil {
			return nil, fmt.Errorf("alert %d: %w", a.ID, err)
		}
		all[i] = writing{a, standingOf(a), millis(a.Due()), buffer.String()}
	}
	return all, nil
}

func (tx *Tx) insertAlerts(fresh []writing) error {
	return tx.db.inserts(`
		INSERT INTO alert (
			key, live, version, status, level, severity, account, region, type,
			opened_at, changed_at, occurrences, search, doc,
			due, team, assignee, held_by, unanswered
		)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		"id", len(fresh), func(i int, args []any) []any {
			return fresh[i].columns(args, 1)
		}, func(i int, id int64) {
			a := fresh[i].alert
			tx.remember(&a.ID, &a.Version)
			a.ID, a.Version = id, 1
			tx.countAlert(fresh[i].standing, 1)
			tx.tallies.add(tallyType, text(a.Type), text(a.Account), 1, 0)
		})
}

// updateAlerts writes the alerts, in two ways. SQLite writes the entry of an index
// anew when its column is named, the same or not; most updates are events that
// change none but due. PostgreSQL finds that out by itself.
func (tx *Tx) updateAlerts(old []writing) error {
	if err := tx.know(old); err != nil {
		return err
	}
	var still, moved []writing
	for _, w := range old {
		if !tx.dialect.replicated && w.standing == tx.known[w.alert.ID].standing {
			still = append(still, w)
		} else {
			moved = append(moved, w)
		}
	}
	err := tx.updateBy(still, `
		UPDATE alert
		SET version = $1, severity = $2, account = $3, region = $4, type = $5,
			changed_at = $6, occurrences = $7, search = $8, doc = $9, due = $10
		WHERE id = $11
			AND version = $12`,
		func(w writing, args []any) []any {
			a := w.alert
			return append(args, a.Version+1, a.Severity, text(a.Account), text(a.Region), text(a.Type), millis(a.ChangedAt), a.Occurrences, searchText(a), w.doc, w.due)
		})
	if err != nil {
		return err
	}
	return tx.updateBy(moved, `
		UPDATE alert
		SET key = $1, live = $2, version = $3, status = $4, level = $5, severity = $6, account = $7, region = $8, type = $9,
			opened_at = $10, changed_at = $11, occurrences = $12, search = $13, doc = $14,
			due = $15, team = $16, assignee = $17, held_by = $18, unanswered = $19
		WHERE id = $20
			AND version = $21`,
		func(w writing, args []any) []any { return w.columns(args, w.alert.Version+1) })
}

func (tx *Tx) updateBy(old []writing, sql string, columns func(w writing, args []any) []any) error {
	return tx.db.execs(sql, len(old), func(i int, args []any) []any {
		a := old[i].alert
		return append(columns(old[i], args), a.ID, a.Version)
	}, func(i int, rows int64) error {
		a := old[i].alert
		if rows == 0 {
			return fmt.Errorf("alert %d: %w", a.ID, ErrStale)
		}
		tx.remember(&a.Version)
		a.Version++
		before, now := tx.known[a.ID].standing, old[i].standing
		tx.knows(a.ID, known{a.Version, now})
		if before.status != now.status || before.level != now.level {
			tx.countAlert(before, -1)
			tx.countAlert(now, 1)
		}
		return nil
	})
}

// know reads what the transaction does not know yet of the alerts.
func (tx *Tx) know(old []writing) error {
	unknown := slices.DeleteFunc(slices.Clone(old), func(w writing) bool { return tx.known[w.alert.ID].version == w.alert.Version })
	return tx.db.queries(`
		SELECT `+alertColumns+`
		FROM alert
		WHERE id = $1`,
		len(unknown), func(i int, args []any) []any {
			return append(args, unknown[i].alert.ID)
		}, func(_ int, r row) error {
			_, err := tx.scanAlert(r)
			return err
		})
}

// countAlert counts n alerts that stand so.
func (tx *Tx) countAlert(s standing, n int64) {
	tx.tallies.add(tallyAlert, string(s.status), strconv.Itoa(int(s.level)), n, 0)
}

// columns appends the columns as they will be once it is saved.
func (w writing) columns(args []any, version int64) []any {
	a, live := w.alert, any(int64(1))
	if a.Status == tocsin.StatusClosed {
		live = nil
	}
	return append(args,
		text(string(a.Key)), live, version, text(string(a.Status)), int64(a.Level), a.Severity,
		text(a.Account), text(a.Region), text(a.Type),
		millis(a.OpenedAt), millis(a.ChangedAt), a.Occurrences, searchText(a), w.doc,
		w.due, text(w.team), orNull(w.assignee), orNull(w.heldBy), number(w.unanswered))
}

// searchText is what AlertFilter.Text looks in.
func searchText(a *tocsin.Alert) string {
	return text(strings.ToLower(strings.Join([]string{
		a.Headline, a.Title, a.Type, a.Account, a.Region, a.Resource.ID, a.Resource.Name,
		a.Actor.IP, a.Actor.Domain, a.Actor.Principal, a.Actor.Org, a.Actor.Country, a.Detection.ID,
	}, "\n")))
}
