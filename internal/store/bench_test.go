//go:build !windows

package store_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/store/storetest"
)

// BenchmarkUpdate measures durable transactions of n events of 5 KB. User and sys
// are the CPU of this process, all threads: on PostgreSQL the server's is not in
// it, on SQLite most of sys is the kernel copying pages to the log and the file.
//
//	journal   each event is a row in the journal
//	all       each also opens an alert, with a notification
//	known     each is looked for by its delivery and folded into a known alert
func BenchmarkUpdate(b *testing.B) {
	for _, database := range []struct {
		name string
		open func(b *testing.B) *store.Store
	}{
		{"sqlite", func(b *testing.B) *store.Store { return open(b, "sqlite:"+b.TempDir()) }},
		{"postgres", func(b *testing.B) *store.Store { return open(b, storetest.Postgres(b, "fsync=on")) }},
	} {
		for _, work := range []struct {
			name string
			do   func(l *load, tx *store.Tx) error
		}{
			{"journal", (*load).journal},
			{"all", (*load).all},
			{"known", (*load).known},
		} {
			for _, n := range []int{1, 16, 128} {
				b.Run(fmt.Sprintf("%s/%s/%d", database.name, work.name, n), func(b *testing.B) {
					s := database.open(b)
					b.ReportAllocs()
					loads := 0
					user, system := cpuTime(b)
					for b.Loop() {
						l := newLoad(loads, n)
						loads++
						if err := s.Update(b.Context(), func(tx *store.Tx) error { return work.do(l, tx) }); err != nil {
							b.Fatal(err)
						}
					}
					events := float64(b.N * n)
					userEnd, systemEnd := cpuTime(b)
					b.ReportMetric(float64((userEnd-user).Microseconds())/events, "user-µs/event")
					b.ReportMetric(float64((systemEnd-system).Microseconds())/events, "sys-µs/event")
					b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
				})
			}
		}
	}
}

// BenchmarkSettle measures the way of a notification through the outbox on SQLite,
// 64 at a time: written and settled, each in a transaction with others.
//
//	leased    written with a lease, and settled
//	claimed   written, claimed, and settled
func BenchmarkSettle(b *testing.B) {
	const n = 64
	for _, leased := range []bool{true, false} {
		name := map[bool]string{true: "leased", false: "claimed"}[leased]
		b.Run(name, func(b *testing.B) {
			s := open(b, "sqlite:"+b.TempDir())
			alert := int64(0)
			user, system := cpuTime(b)
			for b.Loop() {
				if err := notifyAll(b.Context(), s, &alert, n, leased); err != nil {
					b.Fatal(err)
				}
			}
			userEnd, systemEnd := cpuTime(b)
			b.ReportMetric(float64((userEnd+systemEnd-user-system).Microseconds())/float64(b.N*n), "cpu-µs/notification")
		})
	}
}

// BenchmarkOpenAlerts measures what is done over and over while many alerts are open.
//
//	page   the first page of what is not closed, 50 alerts, with all counts
//	team   the first page of a team that has one in a hundred of them
//	tick   the clock takes the 10 alerts that are due and puts them off
//	idle   the clock asks, and none is due
func BenchmarkOpenAlerts(b *testing.B) {
	for _, database := range []struct {
		name string
		url  func(b *testing.B) string
	}{
		{"sqlite", func(b *testing.B) string { return "sqlite:" + b.TempDir() }},
		{"postgres", func(b *testing.B) string { return storetest.Postgres(b, "fsync=on") }},
	} {
		for _, n := range []int{1_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", database.name, n), func(b *testing.B) {
				s := open(b, database.url(b))
				manyOpen(b, s, n)
				for _, work := range []struct {
					name string
					do   func(ctx context.Context, s *store.Store, i int) error
				}{
					{"page", func(ctx context.Context, s *store.Store, _ int) error { return firstPage(ctx, s, "") }},
					{"team", func(ctx context.Context, s *store.Store, _ int) error { return firstPage(ctx, s, "team-7") }},
					{"tick", func(ctx context.Context, s *store.Store, i int) error { return tick(ctx, s, i, n) }},
					{"idle", func(ctx context.Context, s *store.Store, _ int) error { return tick(ctx, s, 0, n) }},
				} {
					b.Run(work.name, func(b *testing.B) {
						b.ReportAllocs()
						for i := 1; b.Loop(); i++ {
							if err := work.do(b.Context(), s, i); err != nil {
								b.Fatal(err)
							}
						}
					})
				}
			})
		}
	}
}

// manyOpen opens n alerts, of which 10 are due in each second of the benchmark.
func manyOpen(b *testing.B, s *store.Store, n int) {
	b.Helper()
	for first := 0; first < n; first += 1000 {
		alerts := make([]*tocsin.Alert, 1000)
		for i := range alerts {
			k := first + i
			a, _ := tocsin.Alert{}.Fold(detection(tocsin.KeyOf("aws", fmt.Sprint(k)), k), ticks.Add(-time.Hour))
			a.Level, a.Team = tocsin.Level(1+k%5), fmt.Sprint("team-", k%100)
			a.Escalation = &tocsin.Escalation{Policy: "p", At: ticks.Add(time.Duration(1+k/10) * time.Second)}
			alerts[i] = &a
		}
		if err := s.Update(b.Context(), func(tx *store.Tx) error { return tx.Save(alerts...) }); err != nil {
			b.Fatal(err)
		}
	}
}

// ticks is when the clock of the benchmark begins.
var ticks = time.Date(2026, 7, 31, 3, 0, 0, 0, time.UTC)

func firstPage(ctx context.Context, s *store.Store, team string) error {
	return s.View(ctx, func(tx *store.Tx) error {
		list, total, err := tx.Alerts(store.AlertFilter{
			Statuses: []tocsin.Status{tocsin.StatusOpen, tocsin.StatusAcked}, Team: team, Limit: 50,
		})
		if err != nil {
			return err
		}
		if want := min(50, int(total)); len(list) != want || total == 0 {
			return fmt.Errorf("%d alerts on a page of %d", len(list), total)
		}
		_, err = tx.Totals()
		return err
	})
}

// tick is the clock's at the i-th second: what is due then is due again once all
// others were.
func tick(ctx context.Context, s *store.Store, i, n int) error {
	now := ticks.Add(time.Duration(i) * time.Second)
	return s.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.NextAlertDue(); err != nil {
			return err
		}
		due, err := tx.DueAlerts(now, 10)
		if err != nil {
			return err
		}
		if i > 0 && len(due) != 10 {
			return fmt.Errorf("%d alerts are due", len(due))
		}
		changed := make([]*tocsin.Alert, len(due))
		for j := range due {
			due[j].Escalation.At = now.Add(time.Duration(n/10) * time.Second)
			changed[j] = &due[j]
		}
		return tx.Save(changed...)
	})
}

// notifyAll takes n notifications of new alerts through the outbox.
func notifyAll(ctx context.Context, s *store.Store, alert *int64, n int, leased bool) error {
	now := time.Now()
	owed := make([]*tocsin.Notification, n)
	for i := range owed {
		*alert++
		owed[i] = &tocsin.Notification{
			Alert: *alert, Receiver: "slack", Kind: tocsin.TellOpened, Why: "route 2", State: tocsin.Pending,
			CreatedAt: now, Deadline: now.Add(24 * time.Hour), Due: now,
		}
		if leased {
			owed[i].Due, owed[i].Attempts = now.Add(time.Minute), 1
		}
	}
	if err := s.Update(ctx, func(tx *store.Tx) error { return tx.Owe(owed) }); err != nil {
		return err
	}
	if !leased {
		err := s.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Claim("slack", now, time.Minute, n)
			return err
		})
		if err != nil {
			return err
		}
	}
	settled := make([]store.Settlement, n)
	for i, o := range owed {
		settled[i] = store.Settlement{ID: o.ID, Attempts: 1, State: tocsin.Delivered, At: now, Ref: "1753930800.000100"}
	}
	return s.Update(ctx, func(tx *store.Tx) error {
		kept, err := tx.Settle(settled)
		if err == nil && len(kept) != n {
			err = fmt.Errorf("settled %d of %d", len(kept), n)
		}
		return err
	})
}

func cpuTime(b *testing.B) (user, system time.Duration) {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano()), time.Duration(usage.Stime.Nano())
}

// A load is one transaction's worth of events.
type load struct {
	events     []*tocsin.Event
	deliveries []string
	keys       []tocsin.Key
}

// rawEvent is 5 KB that do not compress to nothing.
var rawEvent = func() []byte {
	random := make([]byte, 3800)
	_, _ = rand.Read(random)
	return []byte(`{"detail-type":"GuardDuty Finding","detail":"` + base64.StdEncoding.EncodeToString(random) + `"}`)
}()

func newLoad(number, n int) *load {
	l := &load{events: make([]*tocsin.Event, n), deliveries: make([]string, n), keys: make([]tocsin.Key, n)}
	for i := range n {
		var id [16]byte
		_, _ = rand.Read(id[:])
		k := number*n + i
		l.deliveries[i] = string(id[:])
		name := hex.EncodeToString(id[:])
		l.keys[i] = tocsin.KeyOf("aws", "111122223333", "eu-west-1", name)
		l.events[i] = &tocsin.Event{
			Source: "org-topic", Via: "sns", Envelope: name, ReceivedAt: time.Now(), Raw: rawEvent,
			Verdict: tocsin.Filtered, Reason: "no rule wants it", Type: "Recon:EC2/Portscan",
			Account: fmt.Sprintf("1111222233%02d", k%50), Region: fmt.Sprintf("region-%d", k%17), Level: tocsin.Medium,
		}
	}
	return l
}

func (l *load) journal(tx *store.Tx) error { return tx.Journal(l.events, l.deliveries) }

func (l *load) all(tx *store.Tx) error {
	return l.fold(tx, map[tocsin.Key]tocsin.Alert{})
}

func (l *load) known(tx *store.Tx) error {
	if _, err := tx.Seen(l.deliveries); err != nil {
		return err
	}
	for i := range l.keys {
		l.keys[i] = tocsin.KeyOf("aws", "111122223333", "eu-west-1", fmt.Sprint(i))
	}
	latest, err := tx.Latest(l.keys)
	if err != nil {
		return err
	}
	return l.fold(tx, latest)
}

func (l *load) fold(tx *store.Tx, latest map[tocsin.Key]tocsin.Alert) error {
	now := time.Now()
	alerts := make([]*tocsin.Alert, len(l.keys))
	owed := make([]*tocsin.Notification, len(l.keys))
	for i, key := range l.keys {
		a, _ := latest[key].Fold(detection(key, i), now)
		alerts[i] = &a
	}
	if err := tx.Save(alerts...); err != nil {
		return err
	}
	for i, a := range alerts {
		l.events[i].Verdict, l.events[i].Did, l.events[i].Alert = tocsin.Opened, "opened", a.ID
	}
	if err := tx.Journal(l.events, l.deliveries); err != nil {
		return err
	}
	for i, a := range alerts {
		owed[i] = &tocsin.Notification{
			Alert: a.ID, Receiver: "slack", Kind: tocsin.TellOpened, Why: "route 2", State: tocsin.Pending,
			CreatedAt: now, Deadline: now.Add(24 * time.Hour), Due: now.Add(time.Minute), Attempts: 1,
		}
	}
	return tx.Owe(owed)
}

// detection makes a document of about 1.5 KB. The n-th is of one of 12 types in one
// of 50 accounts.
func detection(key tocsin.Key, n int) tocsin.Detection {
	return tocsin.Detection{
		Key: key, Rule: "guardduty", Dialect: "guardduty", Type: fmt.Sprintf("CryptoCurrency:EC2/BitcoinTool.%c!DNS", 'B'+n%12), ID: "16c3f1d2a6f94c9bb0c3d1e2f3a4b5c6",
		Level: tocsin.High, Severity: 8,
		Headline:    "EC2 i-0123456789abcdef0 (web-1) is asking for a Bitcoin pool",
		Title:       "Bitcoin-related domain name queried by EC2 instance i-0123456789abcdef0.",
		Description: "EC2 instance i-0123456789abcdef0 is querying a domain name that is associated with Bitcoin-related activity.",
		Account:     fmt.Sprintf("1111222233%02d", n%50), Region: "eu-west-1", Partition: "aws",
		Resource: tocsin.Resource{Type: "Instance", ID: "i-0123456789abcdef0", Name: "web-1", Tags: map[string]string{"team": "payments", "env": "prod"}},
		Actor:    tocsin.Actor{IP: "203.0.113.7", Country: "Exampleland", Org: "AS64500 Example Hosting", Domain: "pool[.]example"},
		Role:     "ACTOR",
		Facts: []tocsin.Fact{
			{Name: "Domain", Value: "pool[.]example"},
			{Name: "By", Value: "203.0.113.7:443 (Exampleland, AS64500)"},
			{Name: "VPC", Value: "vpc-0123456789abcdef0"},
			{Name: "Role", Value: "arn:aws:iam::111122223333:role/web"},
		},
		Command:       "aws ec2 describe-instances --region eu-west-1 --instance-ids i-0123456789abcdef0",
		Console:       "https://eu-west-1.console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings?macros=current&fId=16c3f1d2a6f94c9bb0c3d1e2f3a4b5c6",
		Documentation: "https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-types-ec2.html",
		Count:         3, FirstSeen: time.Now().Add(-time.Hour), LastSeen: time.Now(), CreatedAt: time.Now().Add(-time.Hour), UpdatedAt: time.Now(),
		Path: "sns:org-topic",
	}
}
