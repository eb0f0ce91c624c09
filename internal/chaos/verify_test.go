package chaos_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // for SQL beside the store
	_ "modernc.org/sqlite"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A verdict is what a count found wrong, the first few of each sort.
type verdict struct {
	problems []string
	counts   map[string]int
}

func (v *verdict) add(sort, format string, args ...any) {
	if v.counts == nil {
		v.counts = map[string]int{}
	}
	v.counts[sort]++
	if v.counts[sort] <= 3 {
		v.problems = append(v.problems, sort+": "+fmt.Sprintf(format, args...))
	}
}

// verify compares a store with what was sent and what was told. doubled is how
// many messages a receiver took more than once.
func verify(ctx context.Context, s *store.Store, l *ledger, receivers map[string]*receiver) (v verdict, doubled int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err = s.View(ctx, func(tx *store.Tx) error {
		v, doubled = verdict{}, 0
		verdicts, err := v.journal(tx, l)
		if err != nil {
			return err
		}
		alerts, err := v.alerts(tx, l)
		if err != nil {
			return err
		}
		states, n, err := v.notifications(tx, l, alerts, receivers)
		doubled = n
		if err != nil {
			return err
		}
		return v.totals(tx, verdicts, states)
	})
	return v, doubled, err
}

// journal: every message that was answered 2xx is there exactly once, byte for
// byte, and nothing is there that was not sent.
func (v *verdict) journal(tx *store.Tx, l *ledger) (map[tocsin.Verdict]int64, error) {
	seen := make(map[delivery]int, len(l.messages))
	verdicts := map[tocsin.Verdict]int64{}
	err := tx.EachEvent(store.EventFilter{}, func(ev tocsin.Event) error {
		d := delivery{ev.Source, ev.Envelope}
		seen[d]++
		verdicts[ev.Verdict]++
		if again := int64(ev.Deliveries - 1); again > 0 {
			verdicts[tocsin.Duplicate] += again
		}
		m, ok := l.messages[d]
		switch {
		case !ok && l.offered[d]:
			// Received, but the sender was cut off before it heard so.
		case !ok:
			v.add("stranger", "row %d, %s %s, was never sent", ev.Seq, ev.Source, ev.Envelope)
		case sha256.Sum256(ev.Raw) != m.sum:
			v.add("changed", "row %d, %s %s, is not what was sent", ev.Seq, ev.Source, ev.Envelope)
		case ev.Deliveries < m.answers:
			v.add("deliveries", "row %d, %s %s: %d deliveries, answered %d times", ev.Seq, ev.Source, ev.Envelope, ev.Deliveries, m.answers)
		case ev.Alert == 0:
			v.add("no alert", "row %d, %s %s: %s %s", ev.Seq, ev.Source, ev.Envelope, ev.Verdict, ev.Reason)
		}
		return nil
	})
	for d := range l.messages {
		if seen[d] == 0 {
			v.add("lost", "%s %s was answered 2xx and is not in the journal", d.source, d.envelope)
		}
	}
	for d, n := range seen {
		if n > 1 {
			v.add("twice", "%s %s is in the journal %d times", d.source, d.envelope, n)
		}
	}
	return verdicts, err
}

// alerts: every finding has one alert, open, with the right counts.
func (v *verdict) alerts(tx *store.Tx, l *ledger) (map[int64]tocsin.Alert, error) {
	byFinding := map[string]int{}
	byID := map[int64]tocsin.Alert{}
	for {
		page, total, err := tx.Alerts(store.AlertFilter{Sort: "newest", Limit: 1000, Offset: len(byID)})
		if err != nil {
			return nil, err
		}
		for _, a := range page {
			byID[a.ID] = a
			id := a.Detection.ID
			if byFinding[id]++; byFinding[id] > 1 {
				v.add("alert twice", "finding %s has %d alerts", id, byFinding[id])
			}
			f, ok := l.findings[id]
			if !ok {
				continue // of a message whose sender was cut off
			}
			worst := tocsin.Medium
			if f.raised {
				worst = tocsin.High
			}
			if a.Status != tocsin.StatusOpen || a.Events != int64(f.events) || a.Occurrences != f.count || a.Worst != worst {
				v.add("alert", "finding %s: %s, %d events, count %d, worst %s; want open, %d, %d, %s",
					id, a.Status, a.Events, a.Occurrences, a.Worst, f.events, f.count, worst)
			}
		}
		if len(page) == 0 {
			if int64(len(byID)) != total {
				v.add("alert", "%d listed of %d", len(byID), total)
			}
			break
		}
	}
	for id := range l.findings {
		if byFinding[id] == 0 {
			v.add("no alert", "finding %s has none", id)
		}
	}
	return byID, nil
}

// notifications: everything that was owed was owed once, is settled as
// delivered, and was taken by its receiver, under one key however often.
func (v *verdict) notifications(tx *store.Tx, l *ledger, alerts map[int64]tocsin.Alert, receivers map[string]*receiver) (map[tocsin.State]int64, int, error) {
	took := map[told][]string{}
	for _, r := range receivers {
		maps.Copy(took, r.told())
	}
	owed := map[told]int{}
	states := map[tocsin.State]int64{}
	for f := (store.NotificationFilter{Page: store.Page{Limit: 1000}}); ; {
		page, err := tx.Notifications(f)
		if err != nil {
			return nil, 0, err
		}
		if len(page) == 0 {
			break
		}
		f.Before = page[len(page)-1].ID
		for _, n := range page {
			what := told{n.Receiver, alerts[n.Alert].Detection.ID, string(n.Kind)}
			owed[what]++
			states[n.State]++
			switch {
			case n.State != tocsin.Delivered:
				// Nobody acknowledges or closes here, and nobody's patience ends.
				v.add("not delivered", "notification %d (%s to %s) is %s after %d attempts: %s", n.ID, n.Kind, n.Receiver, n.State, n.Attempts, n.LastError)
			case n.SettledAt.IsZero():
				v.add("not delivered", "notification %d is %s at no time", n.ID, n.State)
			case len(took[what]) == 0:
				v.add("not told", "notification %d (%s to %s of %s) is delivered, and the receiver has not seen it", n.ID, n.Kind, n.Receiver, what.finding)
			}
		}
	}
	for what, n := range owed {
		if n > 1 {
			v.add("owed twice", "%s is to be told of %s %d times (%s)", what.receiver, what.finding, n, what.kind)
		}
	}
	for id, f := range l.findings {
		for name := range receivers {
			kinds := []tocsin.Kind{tocsin.TellOpened}
			if f.raised {
				kinds = append(kinds, tocsin.TellRaised)
			}
			for _, kind := range kinds {
				if owed[told{name, id, string(kind)}] == 0 {
					v.add("not owed", "%s is not to be told of %s (%s)", name, id, kind)
				}
			}
		}
	}
	doubled := 0
	for what, keys := range took {
		doubled += len(keys) - 1
		for _, key := range keys {
			if key == "" || key != keys[0] {
				v.add("key", "%s was told of %s (%s) under %q", what.receiver, what.finding, what.kind, keys)
				break
			}
		}
	}
	return states, doubled, nil
}

// totals: the counts that are kept beside the rows are the rows'.
func (v *verdict) totals(tx *store.Tx, verdicts map[tocsin.Verdict]int64, states map[tocsin.State]int64) error {
	totals, err := tx.Totals()
	if err != nil {
		return err
	}
	for _, verdict := range tocsin.Verdicts() {
		if totals.Verdicts[verdict] != verdicts[verdict] {
			v.add("totals", "%d %s, and %d in the journal", totals.Verdicts[verdict], verdict, verdicts[verdict])
		}
	}
	for _, state := range []tocsin.State{tocsin.Pending, tocsin.Delivered, tocsin.Failed, tocsin.Parked} {
		if totals.Notifications[state] != states[state] {
			v.add("totals", "%d notifications %s, and %d rows", totals.Notifications[state], state, states[state])
		}
	}
	return nil
}

// database opens the database of a store's URL beside the program, for questions
// that no program should have to answer.
func database(t testing.TB, storeURL string) *sql.DB {
	t.Helper()
	driver, source := "pgx", storeURL
	if dir, ok := strings.CutPrefix(storeURL, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+filepath.Join(dir, "tocsin.db")+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// pending is how many notifications are owed and not settled.
func pending(ctx context.Context, db *sql.DB) (n int, err error) {
	err = db.QueryRowContext(ctx, `SELECT COUNT(*) FROM notification WHERE state = 'pending'`).Scan(&n)
	return n, err
}

// settled waits until nothing is pending.
func (sc *scene) settled(within time.Duration) {
	sc.t.Helper()
	ctx, cancel := context.WithTimeout(sc.t.Context(), within)
	defer cancel()
	db := database(sc.t, sc.store)
	defer func() { _ = db.Close() }()
	n := -1
	for {
		got, err := pending(ctx, db)
		if err == nil && got == 0 {
			return
		}
		if err == nil {
			n = got
		}
		select {
		case <-ctx.Done():
			sc.t.Errorf("%d notifications are still pending after %v (%v)", n, within, err)
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// check opens the store, which no program may have open, and verifies it. It
// gives how many messages were taken more than once.
func (sc *scene) check() (doubled int) {
	sc.t.Helper()
	ctx := context.WithoutCancel(sc.t.Context())
	if strings.HasPrefix(sc.store, "sqlite:") {
		db := database(sc.t, sc.store)
		var says string
		if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&says); err != nil || says != "ok" {
			sc.t.Errorf("integrity_check: %s %v", says, err)
		}
		_ = db.Close()
	}
	s, err := store.Open(ctx, sc.store)
	if err != nil {
		sc.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	v, doubled, err := verify(ctx, s, sc.ledger, sc.receivers)
	if err != nil {
		sc.t.Fatal(err)
	}
	for _, p := range v.problems {
		sc.t.Error(p)
	}
	for sort, n := range v.counts {
		sc.t.Errorf("%d × %s", n, sort)
	}
	return doubled
}

// A verifier that sees nothing proves nothing: each fault that is made by hand is
// reported.
func TestVerifierSeesEachFault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, fault, want string }{
		{"nothing wrong", ``, ""},
		{"a message is not in the journal", `DELETE FROM event WHERE seq = 1`, "lost"},
		{"a message is there twice", again("event", "seq", "delivery = NULL"), "twice"},
		{"its bytes changed", otherBytes, "changed"},
		{"it led to no alert", `UPDATE event SET alert = 0, verdict = 'filtered' WHERE seq = 2`, "no alert"},
		{"a redelivery was not counted", `UPDATE event SET deliveries = 0 WHERE seq = 1`, "deliveries"},
		{"an alert is missing", `DELETE FROM alert WHERE id = 1`, "no alert"},
		{"an alert is there twice", again("alert", "id", "key = key || 'x'"), "alert twice"},
		{"an alert has a wrong count", `UPDATE alert SET doc = REPLACE(doc, '"occurrences":10', '"occurrences":11')`, "alert"},
		{"a message was never owed", `DELETE FROM notification WHERE id = 1`, "not owed"},
		{"a message is owed twice", again("notification", "id", "ref = ''"), "owed twice"},
		{"a message is still pending", `UPDATE notification SET state = 'pending' WHERE id = 1`, "not delivered"},
		{"a message is called delivered and was not", `UPDATE alert SET doc = REPLACE(doc, '` + rig.ID(1) + `', '` + rig.ID(3) + `')`, "not told"},
		{"a count is wrong", `UPDATE tally SET n = n + 1 WHERE kind = 'verdict'`, "totals"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := verifyWith(t, tt.fault)
			if tt.want == "" && len(v.problems) > 0 {
				t.Errorf("problems %q; want none", v.problems)
			}
			if tt.want != "" && v.counts[tt.want] == 0 {
				t.Errorf("problems %q; want one of %q", v.problems, tt.want)
			}
		})
	}
}

// again is the fault that the first row of a table is there twice, the second
// time under another number and with a change that lets it be.
func again(table, number, change string) string {
	return fmt.Sprintf(`CREATE TEMP TABLE copy AS SELECT * FROM %[1]s WHERE %[2]s = 1;
		UPDATE copy SET %[2]s = 99, %[3]s;
		INSERT INTO %[1]s SELECT * FROM copy`, table, number, change)
}

// otherBytes is the fault that what is kept is not what was sent, made on the
// sender's side, since how bytes are kept is the store's own business.
const otherBytes = "other bytes"

// verifyWith verifies a store of two findings that was tampered with.
func verifyWith(t *testing.T, fault string) verdict {
	t.Helper()
	url := "sqlite:" + t.TempDir()
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	l := newLedger()
	soc := &receiver{took: map[told][]string{}}
	for n := 1; n <= 2; n++ {
		if err := remember(t.Context(), s, l, soc, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	switch fault {
	case "":
	case otherBytes:
		for d, m := range l.messages {
			m.sum[0]++
			l.messages[d] = m
		}
	default:
		db := database(t, url)
		if _, err := db.ExecContext(t.Context(), fault); err != nil {
			t.Fatal(err)
		}
		_ = db.Close()
	}
	if s, err = store.Open(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	v, _, err := verify(t.Context(), s, l, map[string]*receiver{"soc": soc})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// remember writes what accepting and delivering finding n comes to.
func remember(ctx context.Context, s *store.Store, l *ledger, soc *receiver, n int) error {
	m := byHTTPS(rig.Finding{Number: n, Version: 1, Severity: 5, Envelope: rig.Envelope(1, n)})
	at := time.Date(2026, 6, 12, 2, 30, 0, 0, time.UTC)
	id := rig.ID(n)
	err := s.Update(ctx, func(tx *store.Tx) error {
		d := tocsin.Detection{Key: tocsin.Key(id), ID: id, Level: tocsin.Medium, Count: 10}
		a, _ := tocsin.Alert{}.Fold(d, at)
		if err := tx.Save(&a); err != nil {
			return err
		}
		ev := &tocsin.Event{
			Source: m.source, Envelope: m.envelope, ReceivedAt: at, Raw: bytes.Clone(m.event),
			Verdict: tocsin.Opened, Alert: a.ID, Deliveries: 1,
		}
		if err := tx.Journal([]*tocsin.Event{ev}, []string{m.envelope}); err != nil {
			return err
		}
		return tx.Owe([]*tocsin.Notification{{
			Alert: a.ID, Receiver: "soc", Kind: tocsin.TellOpened, State: tocsin.Delivered,
			CreatedAt: at, Due: at, Deadline: at.Add(time.Hour), SettledAt: at, Attempts: 1,
		}})
	})
	l.offer(m)
	l.received(m)
	soc.took[told{"soc", id, string(tocsin.TellOpened)}] = []string{"msg_" + id}
	return err
}
