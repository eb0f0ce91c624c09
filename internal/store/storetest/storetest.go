// Package storetest has what a store promises, as a suite that runs on every
// database, and a throw-away PostgreSQL to run it on.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A promise is one of a store's, with what finds out whether it is kept.
type promise struct {
	name string
	test func(t *testing.T, s *store.Store)
}

// Run checks the promises. open gives an empty store, and closes it when the
// test ends.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, p := range slices.Concat(promises, ofTheClock, ofTheOutbox, ofPeople, ofReports, ofPlaces, ofLatency) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t, open(t))
		})
	}
}

// promises are those of events, alerts and notifications, and of transactions.
var promises = []promise{
	{"events are kept byte for byte", eventsAreKeptByteForByte},
	{"events that were written together are taken apart", chunksAreTakenApart},
	{"texts that a database refuses are made acceptable", textsAreMadeAcceptable},
	{"a delivery is known when it comes again", deliveriesAreKnown},
	{"a batch keeps its order", batchesKeepTheirOrder},
	{"many are looked for at once", manyAreLookedFor},
	{"a delivery has one journal row", deliveriesAreUnique},
	{"the journal is filtered and paged", journalIsFiltered},
	{"the journal is walked from its beginning", journalIsWalked},
	{"alerts come back as they were saved", alertsComeBack},
	{"a key has one alert that is not closed", oneLiveAlert},
	{"a stale alert is not saved", staleIsRefused},
	{"alerts are filtered, sorted and paged", alertsAreFiltered},
	{"replicas that fold one finding lose no count", foldsLoseNothing},
	{"what opens at the same time opens once", openingsAreOne},
	{"a timeline keeps its order", timelinesKeepOrder},
	{"a claim is a lease", claimsAreLeases},
	{"messages of one alert keep their order", messagesKeepOrder},
	{"a claimed notification is claimed once", claimsAreExclusive},
	{"whoever lost its lease cannot settle", settlementsAreFenced},
	{"what was written with a lease needs no claim", owedWithLease},
	{"leases of the dead are released", leasesAreReleased},
	{"notifications are filtered and paged", notificationsAreFiltered},
	{"counts are exact", countsAreExact},
	{"coverage and sources know who was heard of", coverageKnows},
	{"an error leaves nothing behind", errorsLeaveNothing},
	{"a panic leaves nothing behind", panicsLeaveNothing},
	{"a view sees one moment", viewsSeeOneMoment},
	{"a view writes nothing", viewsWriteNothing},
	{"values are kept by name", valuesAreKept},
	{"what is not there is not found", missingIsNotFound},
	{"a context that has ended ends the work", endedContexts},
	{"a store answers until it is closed", answersUntilClosed},
}

// at is a moment for tests, n seconds later.
func at(n int) time.Time {
	return time.Date(2026, 7, 31, 3, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
}

func update(t *testing.T, s *store.Store, f func(tx *store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func view(t *testing.T, s *store.Store, f func(tx *store.Tx) error) {
	t.Helper()
	if err := s.View(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// event is one of account 111122223333 in eu-west-1, received at second n.
func event(n int, verdict tocsin.Verdict) *tocsin.Event {
	return &tocsin.Event{
		Source: "org-topic", Via: "sns", Envelope: fmt.Sprintf("message-%d", n), ReceivedAt: at(n),
		Raw: fmt.Appendf(nil, `{"id":%d}`, n), Verdict: verdict, Reason: "no rule wants it", Rule: "guardduty",
		Type: "Recon:EC2/Portscan", Account: "111122223333", Region: "eu-west-1", Level: tocsin.Medium,
	}
}

func journal(t *testing.T, s *store.Store, events ...*tocsin.Event) {
	t.Helper()
	update(t, s, func(tx *store.Tx) error { return tx.Journal(events, make([]string, len(events))) })
}

// alert is an open one of the key.
func alert(key tocsin.Key) tocsin.Alert {
	a, _ := tocsin.Alert{}.Fold(tocsin.Detection{
		Key: key, Rule: "guardduty", Dialect: "guardduty", Type: "Recon:EC2/Portscan", ID: "f-" + string(key),
		Level: tocsin.Medium, Severity: 5.5, Headline: "EC2 i-0abc (web-1) scans ports", Title: "Outbound portscan",
		Account: "111122223333", Region: "eu-west-1", Path: "sns:org-topic",
		Resource: tocsin.Resource{Type: "Instance", ID: "i-0abc", Name: "web-1", Tags: map[string]string{"team": "payments"}},
		Actor:    tocsin.Actor{IP: "203.0.113.7", Org: "AS64500 Example"},
		Facts:    []tocsin.Fact{{Name: "By", Value: "203.0.113.7:443"}},
	}, at(0))
	return a
}

func save(t *testing.T, s *store.Store, alerts ...*tocsin.Alert) {
	t.Helper()
	update(t, s, func(tx *store.Tx) error { return tx.Save(alerts...) })
}

func owe(t *testing.T, s *store.Store, list ...*tocsin.Notification) {
	t.Helper()
	update(t, s, func(tx *store.Tx) error { return tx.Owe(list) })
}

func claim(t *testing.T, s *store.Store, receiver string, now time.Time, limit int) []tocsin.Notification {
	t.Helper()
	var claimed []tocsin.Notification
	update(t, s, func(tx *store.Tx) (err error) {
		claimed, err = tx.Claim(receiver, now, time.Minute, limit)
		return err
	})
	return claimed
}

func settle(t *testing.T, s *store.Store, ss ...store.Settlement) []int64 {
	t.Helper()
	var kept []int64
	update(t, s, func(tx *store.Tx) (err error) {
		kept, err = tx.Settle(ss)
		return err
	})
	return kept
}

func totals(t *testing.T, s *store.Store) store.Totals {
	t.Helper()
	var got store.Totals
	view(t, s, func(tx *store.Tx) (err error) {
		got, err = tx.Totals()
		return err
	})
	return got
}

func ids(list []tocsin.Notification) []int64 {
	got := []int64{}
	for _, n := range list {
		got = append(got, n.ID)
	}
	return got
}

func eventsAreKeptByteForByte(t *testing.T, s *store.Store) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, tt := range []struct {
		name string
		raw  []byte
	}{
		{"JSON with its white space", []byte("{ \"a\" :\t1.0 }\r\n")},
		{"every byte", all},
		{"NUL", []byte("a\x00b\x00")},
		{"invalid UTF-8", []byte("\xff\xfe{\"a\":\"\xc3\x28\"}")},
		{"nothing", []byte{}},
		{"a megabyte", bytes.Repeat([]byte("0123456789abcdef"), 1<<16)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := event(1, tocsin.Malformed)
			ev.Raw = tt.raw
			journal(t, s, ev)
			view(t, s, func(tx *store.Tx) error {
				got, err := tx.Event(ev.Seq)
				if err != nil {
					return err
				}
				if !bytes.Equal(got.Raw, tt.raw) {
					t.Errorf("Event(%d).Raw = %.60q, want %.60q", ev.Seq, got.Raw, tt.raw)
				}
				if got.Size != len(tt.raw) {
					t.Errorf("Event(%d).Size = %d, want %d", ev.Seq, got.Size, len(tt.raw))
				}
				got.Raw, got.Size = nil, 0
				want := *ev
				want.Raw, want.Deliveries = nil, 1
				same(t, "event", got, want)
				return nil
			})
		})
	}
}

func chunksAreTakenApart(t *testing.T, s *store.Store) {
	events := make([]*tocsin.Event, 300)
	for i := range events {
		events[i] = event(i, tocsin.Filtered)
	}
	// Together they are more than a chunk; one alone is, and one is nothing.
	for i := 10; i < 20; i++ {
		events[i].Raw = bytes.Repeat([]byte{byte(i)}, 250_000+i)
	}
	events[30].Raw = bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	events[31].Raw, events[32].Raw = nil, []byte{}
	journal(t, s, events...)
	check := func(seq int64, raw []byte) {
		i := slices.IndexFunc(events, func(ev *tocsin.Event) bool { return ev.Seq == seq })
		if raw == nil || !bytes.Equal(raw, events[i].Raw) {
			t.Errorf("event %d has %.20q, want %.20q", i, raw, events[i].Raw)
		}
	}
	view(t, s, func(tx *store.Tx) error {
		for _, i := range []int{0, 9, 10, 13, 14, 19, 20, 29, 30, 31, 32, 33, 299} {
			got, err := tx.Event(events[i].Seq)
			if err != nil {
				return err
			}
			check(got.Seq, got.Raw)
		}
		walked := 0
		err := tx.EachEvent(store.EventFilter{}, func(ev tocsin.Event) error {
			check(ev.Seq, ev.Raw)
			walked++
			return nil
		})
		if walked != len(events) {
			t.Errorf("walked %d events, want %d", walked, len(events))
		}
		return err
	})
}

func textsAreMadeAcceptable(t *testing.T, s *store.Store) {
	const given, kept = "a\x00b\xffc \u2603", "a\uFFFDb\uFFFDc \u2603"
	ev := event(1, tocsin.Unmapped)
	ev.Reason, ev.Type, ev.Account, ev.Region, ev.Envelope, ev.Source = given, given, given, given, given, given
	a := alert(given)
	a.Headline, a.Actor.Domain, a.Account = given, given, given
	n := &tocsin.Notification{Alert: 1, Receiver: given, Why: given, LastError: given, Person: given, Text: given, Changes: []tocsin.Change{{What: given, To: given}}}
	p, c := &tocsin.Person{Name: given, FullName: given}, &tocsin.Contact{Person: given, Receiver: given, Address: given, DisabledWhy: given}
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(
			tx.Save(&a),
			tx.Journal([]*tocsin.Event{ev}, []string{given}),
			tx.Log(tocsin.Entry{Alert: a.ID, Kind: "note", By: given, Text: given}),
			tx.Owe([]*tocsin.Notification{n}),
			tx.Put(given, []byte(given)),
			tx.SavePerson(p),
			tx.SaveContact(c),
			tx.SaveSilence(&tocsin.Silence{Reason: given, Author: given}),
			tx.AddEpisodes(store.Episode{Alert: 1, Rule: given, Type: given, Team: given}),
		)
	})
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Events(store.EventFilter{Source: given, Account: given})
		if err != nil {
			return err
		}
		if len(got) != 1 || got[0].Reason != kept || got[0].Type != kept {
			t.Errorf("Events = %+v, want one with reason and type %q", got, kept)
		}
		seen, err := tx.Seen([]string{given})
		if err != nil {
			return err
		}
		same(t, "Seen", seen, map[string]int64{given: ev.Seq})
		alerts, _, err := tx.Alerts(store.AlertFilter{Account: given, Text: given})
		if err != nil {
			return err
		}
		if len(alerts) != 1 || alerts[0].ID != a.ID {
			t.Errorf("Alerts by a text with NUL = %d of them, want alert %d", len(alerts), a.ID)
		}
		latest, err := tx.Latest([]tocsin.Key{given})
		if err != nil || latest[given].ID != a.ID {
			t.Errorf("Latest = %v, %v, want alert %d", latest, err, a.ID)
		}
		kept, err := tx.Person(given)
		if err != nil || len(kept.Contacts) != 1 || kept.Contacts[0].ID != c.ID {
			t.Errorf("Person = %+v, %v, want one with contact %d", kept, err, c.ID)
		}
		value, err := tx.Get(given)
		same(t, "Get", string(value), given)
		return err
	})
}

func deliveriesAreKnown(t *testing.T, s *store.Store) {
	first, second := event(1, tocsin.Filtered), event(2, tocsin.Filtered)
	update(t, s, func(tx *store.Tx) error {
		return tx.Journal([]*tocsin.Event{first, second}, []string{"sns/1", ""})
	})
	if first.Seq == 0 || second.Seq == 0 || first.Seq == second.Seq {
		t.Fatalf("seqs %d and %d, want two", first.Seq, second.Seq)
	}
	update(t, s, func(tx *store.Tx) error {
		seen, err := tx.Seen([]string{"", "sns/2", "sns/1"})
		same(t, "Seen", seen, map[string]int64{"sns/1": first.Seq})
		return errors.Join(err, tx.Redelivered([]int64{first.Seq, first.Seq}, at(60)), tx.Redelivered([]int64{first.Seq}, at(50)))
	})
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Event(first.Seq)
		if got.Deliveries != 4 {
			t.Errorf("deliveries = %d after the first and three more, want 4", got.Deliveries)
		}
		sources, err2 := tx.Sources()
		same(t, "Sources", sources, []store.SourceActivity{{Source: "org-topic", LastEvent: at(60), Events: 2}})
		return errors.Join(err, err2)
	})
	same(t, "verdicts", totals(t, s).Verdicts, map[tocsin.Verdict]int64{tocsin.Filtered: 2, tocsin.Duplicate: 3})
}

func batchesKeepTheirOrder(t *testing.T, s *store.Store) {
	var events []*tocsin.Event
	var deliveries []string
	for i := range 50 {
		events, deliveries = append(events, event(i, tocsin.Filtered)), append(deliveries, fmt.Sprint("d", 99-i))
	}
	update(t, s, func(tx *store.Tx) error { return tx.Journal(events, deliveries) })
	if !slices.IsSortedFunc(events, func(a, b *tocsin.Event) int { return int(a.Seq - b.Seq) }) {
		t.Error("the events of a batch have numbers that do not grow in the order given")
	}
	view(t, s, func(tx *store.Tx) error {
		for _, ev := range events {
			got, err := tx.Event(ev.Seq)
			if err != nil || got.Envelope != ev.Envelope || !bytes.Equal(got.Raw, ev.Raw) {
				t.Errorf("event %d is %s with %q, %v, want %s with %q", ev.Seq, got.Envelope, got.Raw, err, ev.Envelope, ev.Raw)
			}
		}
		return nil
	})
}

func manyAreLookedFor(t *testing.T, s *store.Store) {
	const n = 100 // of which every other is there
	var deliveries, kept []string
	var keys []tocsin.Key
	var events []*tocsin.Event
	var alerts []*tocsin.Alert
	for i := range n {
		delivery, key := fmt.Sprintf("\x00\xff%d", i), tocsin.Key(fmt.Sprint("k", i))
		deliveries, keys = append(deliveries, delivery), append(keys, key)
		if i%2 == 0 {
			a := alert(key)
			kept, events, alerts = append(kept, delivery), append(events, event(i, tocsin.Opened)), append(alerts, &a)
		}
	}
	update(t, s, func(tx *store.Tx) error { return errors.Join(tx.Save(alerts...), tx.Journal(events, kept)) })
	seen, latest := map[string]int64{}, map[tocsin.Key]int64{}
	for i := range kept {
		seen[kept[i]], latest[alerts[i].Key] = events[i].Seq, alerts[i].ID
	}
	update(t, s, func(tx *store.Tx) error {
		got, err := tx.Seen(deliveries)
		same(t, "Seen", got, seen)
		found, err2 := tx.Latest(keys)
		gotIDs := map[tocsin.Key]int64{}
		for key, a := range found {
			gotIDs[key] = a.ID
		}
		same(t, "Latest", gotIDs, latest)
		return errors.Join(err, err2)
	})
}

func deliveriesAreUnique(t *testing.T, s *store.Store) {
	const goroutines, rounds = 4, 25
	var wg sync.WaitGroup
	errs := make([]error, goroutines)
	for g := range goroutines {
		wg.Go(func() {
			for round := range rounds {
				err := s.Update(t.Context(), func(tx *store.Tx) error { return acceptOnce(tx, round) })
				errs[g] = errors.Join(errs[g], err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	same(t, "verdicts", totals(t, s).Verdicts, map[tocsin.Verdict]int64{
		tocsin.Filtered: rounds * 3, tocsin.Duplicate: rounds * 3 * (goroutines - 1),
	})
}

// acceptOnce journals the three deliveries of a round, unless they are known.
func acceptOnce(tx *store.Tx, round int) error {
	deliveries := []string{fmt.Sprint("a", round), fmt.Sprint("b", round), fmt.Sprint("c", round)}
	seen, err := tx.Seen(deliveries)
	if err != nil {
		return err
	}
	var fresh []*tocsin.Event
	var again []int64
	deliveries = slices.DeleteFunc(deliveries, func(d string) bool {
		seq, ok := seen[d]
		if ok {
			again = append(again, seq)
		} else {
			fresh = append(fresh, event(round, tocsin.Filtered))
		}
		return ok
	})
	return errors.Join(tx.Redelivered(again, at(round)), tx.Journal(fresh, deliveries))
}

func journalIsFiltered(t *testing.T, s *store.Store) {
	var events []*tocsin.Event
	for i, change := range []func(ev *tocsin.Event){
		func(*tocsin.Event) {},
		func(ev *tocsin.Event) { ev.Source = "firehose" },
		func(ev *tocsin.Event) { ev.Account = "444455556666" },
		func(ev *tocsin.Event) { ev.Region = "us-east-1" },
		func(ev *tocsin.Event) { ev.Type = "Trojan:EC2/DNSDataExfiltration" },
		func(ev *tocsin.Event) { ev.Rule = "root" },
		func(ev *tocsin.Event) { ev.Verdict, ev.Alert = tocsin.Opened, 7 },
		func(ev *tocsin.Event) { ev.Verdict, ev.Alert = tocsin.Updated, 7 },
		func(ev *tocsin.Event) { ev.ReceivedAt = at(-86400) },
		func(ev *tocsin.Event) { ev.ReceivedAt = at(86400) },
	} {
		ev := event(i, tocsin.Filtered)
		change(ev)
		events = append(events, ev)
	}
	for _, ev := range events {
		journal(t, s, ev)
	}
	for _, tt := range []struct {
		name   string
		filter store.EventFilter
		want   []int // of events, in their order
	}{
		{"everything, newest first", store.EventFilter{}, []int{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{"by source", store.EventFilter{Source: "firehose"}, []int{1}},
		{"by account", store.EventFilter{Account: "444455556666"}, []int{2}},
		{"by region", store.EventFilter{Region: "us-east-1"}, []int{3}},
		{"by type", store.EventFilter{Type: "Trojan:EC2/DNSDataExfiltration"}, []int{4}},
		{"by rule", store.EventFilter{Rule: "root"}, []int{5}},
		{"by verdicts", store.EventFilter{Verdicts: []tocsin.Verdict{tocsin.Opened, tocsin.Updated}}, []int{7, 6}},
		{"by alert", store.EventFilter{Alert: 7}, []int{7, 6}},
		{"since a moment", store.EventFilter{Since: at(3600)}, []int{9}},
		{"until before a moment", store.EventFilter{Until: at(0)}, []int{8}},
		{"in a period", store.EventFilter{Since: at(2), Until: at(4)}, []int{3, 2}},
		{"in a period without events", store.EventFilter{Since: at(10 * 86400)}, []int{}},
		{"a page", store.EventFilter{Page: store.Page{Limit: 2}}, []int{9, 8}},
		{"the page after", store.EventFilter{Page: store.Page{Limit: 2, Before: events[8].Seq}}, []int{7, 6}},
		{"two conditions", store.EventFilter{Source: "org-topic", Alert: 7, Page: store.Page{Limit: 1}}, []int{7}},
		{"nothing", store.EventFilter{Source: "nobody"}, []int{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			view(t, s, func(tx *store.Tx) error {
				list, err := tx.Events(tt.filter)
				got := []int{}
				for _, ev := range list {
					if ev.Raw != nil {
						t.Errorf("event %d has its raw bytes in a list", ev.Seq)
					}
					got = append(got, slices.IndexFunc(events, func(e *tocsin.Event) bool { return e.Seq == ev.Seq }))
				}
				same(t, "events", got, tt.want)
				return err
			})
		})
	}
}

func journalIsWalked(t *testing.T, s *store.Store) {
	const n = 600 // more than is read at a time
	events := make([]*tocsin.Event, n)
	for i := range events {
		events[i] = event(i, tocsin.Filtered)
		if i%3 == 0 {
			events[i].Account = "444455556666"
		}
	}
	events[3].Raw = bytes.Repeat([]byte("x"), 9<<20)
	journal(t, s, events...)
	view(t, s, func(tx *store.Tx) error {
		walked := 0
		last := int64(0)
		err := tx.EachEvent(store.EventFilter{Account: "444455556666", Page: store.Page{Limit: 1}}, func(ev tocsin.Event) error {
			i := slices.IndexFunc(events, func(e *tocsin.Event) bool { return e.Seq == ev.Seq })
			if ev.Account != "444455556666" || ev.Seq <= last || !bytes.Equal(ev.Raw, events[i].Raw) {
				t.Errorf("event %d of account %s after %d with %d bytes", ev.Seq, ev.Account, last, len(ev.Raw))
			}
			// The transaction can be used meanwhile.
			if _, err := tx.Event(ev.Seq); err != nil {
				return err
			}
			last = ev.Seq
			walked++
			return nil
		})
		if walked != n/3 {
			t.Errorf("walked %d events, want %d", walked, n/3)
		}
		stop := errors.New("enough")
		if err := tx.EachEvent(store.EventFilter{}, func(tocsin.Event) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("EachEvent = %v, want what its function returned", err)
		}
		return err
	})
}

func alertsComeBack(t *testing.T, s *store.Store) {
	a := alert("k")
	a.Facts = append(a.Facts, tocsin.Fact{Name: "Domain", Value: "<evil>&[.]example"})
	save(t, s, &a)
	if a.ID == 0 || a.Version != 1 {
		t.Fatalf("saved as id %d, version %d, want an id and version 1", a.ID, a.Version)
	}
	a.Reopened, a.Level, a.Told = 2, tocsin.Critical, []string{"slack"}
	save(t, s, &a)
	if a.Version != 2 {
		t.Errorf("version = %d after the second save, want 2", a.Version)
	}
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Alert(a.ID)
		same(t, "alert", got, a)
		return err
	})
	update(t, s, func(tx *store.Tx) error {
		got, err := tx.Latest([]tocsin.Key{"k", "unknown", "k"})
		same(t, "Latest", got, map[tocsin.Key]tocsin.Alert{"k": a})
		return err
	})
}

func oneLiveAlert(t *testing.T, s *store.Store) {
	first := alert("k")
	save(t, s, &first)
	again := alert("k")
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.Save(&again) }); err == nil {
		t.Error("a second open alert of one key was saved")
	}
	if again.ID != 0 || again.Version != 0 {
		t.Errorf("the alert that was not saved has id %d, version %d", again.ID, again.Version)
	}
	closed, err := first.Close("ada", tocsin.ReasonFixed, at(60))
	if err != nil {
		t.Fatal(err)
	}
	again.Previous = first.ID
	save(t, s, &again, &closed) // the order is not the caller's concern
	update(t, s, func(tx *store.Tx) error {
		got, err := tx.Latest([]tocsin.Key{"k"})
		same(t, "Latest", got, map[tocsin.Key]tocsin.Alert{"k": again})
		return err
	})
}

func staleIsRefused(t *testing.T, s *store.Store) {
	a := alert("k")
	save(t, s, &a)
	mine, theirs := a, a
	save(t, s, &theirs)
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.Log(tocsin.Entry{Alert: a.ID, Kind: "note"}); err != nil {
			return err
		}
		return tx.Save(&mine)
	})
	if !errors.Is(err, store.ErrStale) {
		t.Errorf("Save of a stale alert = %v, want ErrStale", err)
	}
	if mine.Version != 1 {
		t.Errorf("version = %d after a save that failed, want 1", mine.Version)
	}
	view(t, s, func(tx *store.Tx) error {
		entries, err := tx.Timeline(a.ID)
		if len(entries) != 0 {
			t.Errorf("the timeline kept %d lines of a transaction that failed", len(entries))
		}
		return err
	})
}

func alertsAreFiltered(t *testing.T, s *store.Store) {
	alerts := make([]tocsin.Alert, 6)
	for i, change := range []func(a *tocsin.Alert){
		func(a *tocsin.Alert) { a.Level = tocsin.Low },
		func(a *tocsin.Alert) { a.Level, a.Occurrences = tocsin.Critical, 5 },
		func(a *tocsin.Alert) { a.Level, a.ChangedAt = tocsin.Critical, at(500) },
		func(a *tocsin.Alert) {
			a.Account, a.Region, a.Headline = "444455556666", "us-east-1", "ÜBER 100%_sure"
		},
		func(a *tocsin.Alert) {
			a.Type, a.Actor.Domain = "CryptoCurrency:EC2/BitcoinTool.B!DNS", "Pool[.]Example"
		},
		func(a *tocsin.Alert) { a.Status, a.Detection.ID = tocsin.StatusClosed, "arn\\finding" },
	} {
		alerts[i] = alert(tocsin.KeyOf("k", fmt.Sprint(i)))
		alerts[i].OpenedAt, alerts[i].ChangedAt = at(i), at(i)
		change(&alerts[i])
		save(t, s, &alerts[i])
	}
	unclosed := []tocsin.Status{tocsin.StatusOpen, tocsin.StatusAcked}
	for _, tt := range []struct {
		name   string
		filter store.AlertFilter
		want   []int
		total  int64
	}{
		{"everything: worst first, then oldest", store.AlertFilter{}, []int{1, 2, 3, 4, 5, 0}, 6},
		{"what is not closed", store.AlertFilter{Statuses: unclosed}, []int{1, 2, 3, 4, 0}, 5},
		{"closed", store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusClosed}}, []int{5}, 1},
		{"from a level", store.AlertFilter{MinLevel: tocsin.High}, []int{1, 2}, 2},
		{"by account", store.AlertFilter{Account: "444455556666"}, []int{3}, 1},
		{"by region", store.AlertFilter{Region: "us-east-1"}, []int{3}, 1},
		{"by the beginning of the type", store.AlertFilter{Type: "CryptoCurrency:"}, []int{4}, 1},
		{"a type's case counts", store.AlertFilter{Type: "cryptocurrency:"}, []int{}, 0},
		{"text in any case", store.AlertFilter{Text: "über"}, []int{3}, 1},
		{"text of the actor", store.AlertFilter{Text: "POOL[.]example"}, []int{4}, 1},
		{"text of the resource", store.AlertFilter{Text: "web-1", Statuses: unclosed}, []int{1, 2, 3, 4, 0}, 5},
		{"text with a wildcard", store.AlertFilter{Text: "über*sure"}, []int{3}, 1},
		{"% and _ are themselves", store.AlertFilter{Text: "%_s"}, []int{3}, 1},
		{"% is no wildcard", store.AlertFilter{Text: "ü%sure"}, []int{}, 0},
		{`\ is itself`, store.AlertFilter{Text: `n\f`}, []int{5}, 1},
		{"newest", store.AlertFilter{Sort: "newest", Limit: 2}, []int{5, 4}, 6},
		{"changed last", store.AlertFilter{Sort: "changed", Limit: 2}, []int{2, 5}, 6},
		{"most often", store.AlertFilter{Sort: "count", Limit: 2}, []int{1, 5}, 6},
		{"a page in between", store.AlertFilter{Statuses: unclosed, Limit: 2, Offset: 2}, []int{3, 4}, 5},
		{"behind the last page", store.AlertFilter{Offset: 100}, []int{}, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			view(t, s, func(tx *store.Tx) error {
				list, total, err := tx.Alerts(tt.filter)
				got := []int{}
				for _, a := range list {
					got = append(got, slices.IndexFunc(alerts, func(b tocsin.Alert) bool { return b.ID == a.ID }))
				}
				same(t, "alerts", got, tt.want)
				if total != tt.total {
					t.Errorf("total = %d, want %d", total, tt.total)
				}
				return err
			})
		})
	}
	err := s.View(t.Context(), func(tx *store.Tx) error {
		_, _, err := tx.Alerts(store.AlertFilter{Sort: "colour; DROP TABLE alert"})
		return err
	})
	if err == nil {
		t.Error("an unknown sort was taken")
	}
}

func foldsLoseNothing(t *testing.T, s *store.Store) {
	const goroutines, rounds = 4, 25
	keys := []tocsin.Key{"d", "b", "a", "c"}
	var wg sync.WaitGroup
	errs := make([]error, goroutines)
	for g := range goroutines {
		wg.Go(func() {
			for round := range rounds {
				mine := slices.Concat(keys[g:], keys[:g]) // each in another order
				err := s.Update(t.Context(), func(tx *store.Tx) error { return foldAll(tx, mine, round) })
				errs[g] = errors.Join(errs[g], err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	view(t, s, func(tx *store.Tx) error {
		alerts, total, err := tx.Alerts(store.AlertFilter{})
		if total != int64(len(keys)) {
			t.Errorf("%d alerts for %d keys", total, len(keys))
		}
		for _, a := range alerts {
			if a.Events != goroutines*rounds || a.Occurrences != a.Events || a.Version != a.Events {
				t.Errorf("alert %s: events %d, occurrences %d, version %d, want %d of each", a.Key, a.Events, a.Occurrences, a.Version, goroutines*rounds)
			}
			entries, err := tx.Timeline(a.ID)
			if err != nil {
				return err
			}
			if len(entries) != goroutines*rounds {
				t.Errorf("alert %s: %d lines, want %d", a.Key, len(entries), goroutines*rounds)
			}
		}
		return err
	})
}

// foldAll takes one more event into the alert of each key.
func foldAll(tx *store.Tx, keys []tocsin.Key, round int) error {
	latest, err := tx.Latest(keys)
	if err != nil {
		return err
	}
	var changed []*tocsin.Alert
	for _, key := range keys {
		a, activity := latest[key].Fold(alert(key).Detection, at(round))
		_ = activity
		changed = append(changed, &a)
	}
	if err := tx.Save(changed...); err != nil {
		return err
	}
	events := make([]*tocsin.Event, len(changed))
	for i, a := range changed {
		events[i] = event(round, tocsin.Updated)
		events[i].Alert, events[i].Did = a.ID, "updated"
	}
	return tx.Journal(events, make([]string, len(events)))
}

func openingsAreOne(t *testing.T, s *store.Store) {
	const goroutines, rounds = 4, 20
	for round := range rounds {
		var wg sync.WaitGroup
		errs := make([]error, goroutines)
		key := tocsin.Key(fmt.Sprint("k", round))
		if round%2 == 1 { // a person closed the one before
			old := alert(key)
			old, _ = old.Close("ada", tocsin.ReasonFixed, at(0))
			save(t, s, &old)
		}
		for g := range goroutines {
			wg.Go(func() {
				errs[g] = s.Update(t.Context(), func(tx *store.Tx) error { return foldAll(tx, []tocsin.Key{key}, round) })
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		update(t, s, func(tx *store.Tx) error {
			latest, err := tx.Latest([]tocsin.Key{key})
			if a := latest[key]; a.Events != goroutines || a.Status != tocsin.StatusOpen {
				t.Errorf("alert %s: %s with %d events, want open with %d", key, a.Status, a.Events, goroutines)
			}
			return err
		})
	}
}

func timelinesKeepOrder(t *testing.T, s *store.Store) {
	folded := func(second int, alert int64, did, reason string) *tocsin.Event {
		ev := event(second, tocsin.Updated)
		ev.Alert, ev.Did, ev.Reason = alert, did, reason
		return ev
	}
	person := func(second int, kind, who, note string) tocsin.Entry {
		return tocsin.Entry{Alert: 1, At: at(second), Kind: kind, By: who, Text: note}
	}
	events := []*tocsin.Event{
		folded(5, 1, "opened", ""),
		folded(3, 1, "appended", "path https:api"), // received before, folded after
		folded(4, 2, "opened", "of another alert"),
		folded(6, 1, "", "did nothing"),
		folded(7, 1, "raised", "severity low → high"),
		folded(7, 1, "updated", "count 1 → 2"),
		folded(9, 1, "closed", "archived"),
	}
	journal(t, s, events[:4]...)
	update(t, s, func(tx *store.Tx) error {
		return tx.Log(person(7, "acknowledged", "ada", ""), tocsin.Entry{Alert: 2, At: at(1), Kind: "note"}, person(7, "note", "ada", "looking"))
	})
	journal(t, s, events[4:]...)
	update(t, s, func(tx *store.Tx) error { return tx.Log(person(10, "note", "bob", "late")) })
	line := func(second, i int) tocsin.Entry {
		ev := events[i]
		return tocsin.Entry{Alert: 1, At: at(second), Kind: ev.Did, By: "sns:org-topic", Text: ev.Reason, Event: ev.Seq}
	}
	want := []tocsin.Entry{
		line(5, 0), line(5, 1), // a timeline does not run backwards
		line(7, 4), line(7, 5),
		person(7, "acknowledged", "ada", ""), person(7, "note", "ada", "looking"),
		line(9, 6),
		person(10, "note", "bob", "late"),
	}
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Timeline(1)
		same(t, "Timeline", got, want)
		return err
	})
	for what, entry := range map[string]tocsin.Entry{
		"no alert": {Kind: "note"},
		"an event": {Alert: 1, Kind: "updated", Event: 3},
	} {
		if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.Log(entry) }); err == nil {
			t.Errorf("a line of %s was taken", what)
		}
	}
}

func claimsAreLeases(t *testing.T, s *store.Store) {
	n := &tocsin.Notification{
		Alert: 1, Receiver: "slack", Kind: tocsin.TellOpened, Why: "route 2", CreatedAt: at(0), Deadline: at(86400), Due: at(10),
		Changes: []tocsin.Change{{What: "count", From: "1", To: "2"}},
	}
	owe(t, s, n)
	if got := claim(t, s, "slack", at(9), 10); len(got) != 0 {
		t.Errorf("claimed %d before they were due", len(got))
	}
	if got := claim(t, s, "email", at(10), 10); len(got) != 0 {
		t.Errorf("claimed %d of another receiver", len(got))
	}
	want := *n
	want.State, want.Attempts, want.Due = tocsin.Pending, 1, at(70)
	same(t, "first claim", claim(t, s, "slack", at(10), 10), []tocsin.Notification{want})
	if got := claim(t, s, "slack", at(69), 10); len(got) != 0 {
		t.Errorf("claimed %d that were leased", len(got))
	}
	want.Attempts, want.Due = 2, at(130)
	same(t, "claim after the lease ran out", claim(t, s, "slack", at(70), 10), []tocsin.Notification{want})

	if kept := settle(t, s, store.Settlement{ID: n.ID, Attempts: 2, State: tocsin.Pending, Due: at(200), At: at(75), Error: "503"}); len(kept) != 1 {
		t.Errorf("the settlement was not kept")
	}
	view(t, s, func(tx *store.Tx) error {
		next, err := tx.NextDue()
		same(t, "NextDue", next, map[string]time.Time{"slack": at(200)})
		return err
	})
	claim(t, s, "slack", at(200), 10)
	settle(t, s, store.Settlement{ID: n.ID, Attempts: 3, State: tocsin.Delivered, At: at(201), Ref: "1700.1"})
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Notification(n.ID)
		want.State, want.Attempts, want.Due, want.SettledAt, want.Ref, want.LastError = tocsin.Delivered, 3, at(260), at(201), "1700.1", "503"
		same(t, "settled", got, want)
		next, err2 := tx.NextDue()
		same(t, "NextDue", next, map[string]time.Time{})
		return errors.Join(err, err2)
	})
}

func messagesKeepOrder(t *testing.T, s *store.Store) {
	owed := func(alert int64, receiver string, due int) *tocsin.Notification {
		return &tocsin.Notification{Alert: alert, Receiver: receiver, Kind: tocsin.TellOpened, Due: at(due)}
	}
	// The first is due after the second, as if it waited for its next attempt.
	list := []*tocsin.Notification{owed(1, "slack", 100), owed(1, "slack", 0), owed(2, "slack", 0), owed(1, "email", 50), owed(2, "slack", 0)}
	owe(t, s, list...)
	view(t, s, func(tx *store.Tx) error {
		next, err := tx.NextDue()
		same(t, "NextDue", next, map[string]time.Time{"slack": at(0), "email": at(50)})
		return err
	})
	same(t, "claimed at 0", ids(claim(t, s, "slack", at(0), 10)), []int64{list[2].ID})
	view(t, s, func(tx *store.Tx) error {
		next, err := tx.NextDue()
		same(t, "NextDue while the first of each waits", next, map[string]time.Time{"slack": at(60), "email": at(50)})
		return err
	})
	settle(t, s, store.Settlement{ID: list[2].ID, Attempts: 1, State: tocsin.Failed, At: at(1)})
	same(t, "claimed once the first had failed", ids(claim(t, s, "slack", at(1), 10)), []int64{list[4].ID})
	same(t, "claimed at 100", ids(claim(t, s, "slack", at(100), 1)), []int64{list[4].ID}) // due since 61
	same(t, "claimed at 101", ids(claim(t, s, "slack", at(101), 10)), []int64{list[0].ID})
	same(t, "of another receiver", ids(claim(t, s, "email", at(101), 10)), []int64{list[3].ID})
	same(t, "with no limit left", ids(claim(t, s, "email", at(1001), 0)), []int64{})
}

func claimsAreExclusive(t *testing.T, s *store.Store) {
	const n, goroutines = 60, 4
	list := make([]*tocsin.Notification, n)
	for i := range list {
		list[i] = &tocsin.Notification{Alert: int64(i + 1), Receiver: "slack", Due: at(0)}
	}
	owe(t, s, list...)
	var mu sync.Mutex
	var errs []error
	claimed := map[int64]int{}
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range n { // enough for one of them to do all
				var got []tocsin.Notification
				err := s.Update(t.Context(), func(tx *store.Tx) (err error) {
					got, err = tx.Claim("slack", at(0), time.Minute, 5)
					return err
				})
				mu.Lock()
				errs = append(errs, err)
				for _, n := range got {
					claimed[n.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, n := range list {
		if claimed[n.ID] != 1 {
			t.Errorf("notification %d was claimed %d times", n.ID, claimed[n.ID])
		}
	}
}

func settlementsAreFenced(t *testing.T, s *store.Store) {
	a, b := &tocsin.Notification{Alert: 1, Receiver: "slack", Due: at(0)}, &tocsin.Notification{Alert: 2, Receiver: "slack", Due: at(0)}
	owe(t, s, a, b)
	claim(t, s, "slack", at(0), 10)
	claim(t, s, "slack", at(60), 10) // by somebody else, a lease later
	late := store.Settlement{ID: a.ID, Attempts: 1, State: tocsin.Failed, At: at(61), Error: "too late"}
	good := store.Settlement{ID: b.ID, Attempts: 2, State: tocsin.Delivered, At: at(61)}
	same(t, "kept", settle(t, s, good, late), []int64{b.ID})
	same(t, "kept again", settle(t, s, good), []int64{})
	same(t, "kept of what does not exist", settle(t, s, store.Settlement{ID: 999, State: tocsin.Failed}), []int64{})
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Notification(a.ID)
		if got.State != tocsin.Pending || got.LastError != "" {
			t.Errorf("the late settlement made it %s (%q), want pending", got.State, got.LastError)
		}
		return err
	})
	same(t, "notifications", totals(t, s).Notifications, map[tocsin.State]int64{tocsin.Pending: 1, tocsin.Delivered: 1})
}

func owedWithLease(t *testing.T, s *store.Store) {
	n := &tocsin.Notification{Alert: 1, Receiver: "slack", State: tocsin.Pending, Attempts: 1, Due: at(60)}
	owe(t, s, n)
	if got := claim(t, s, "slack", at(59), 10); len(got) != 0 {
		t.Errorf("claimed %d that were leased from the start", len(got))
	}
	same(t, "kept", settle(t, s, store.Settlement{ID: n.ID, Attempts: 1, State: tocsin.Delivered, At: at(1)}), []int64{n.ID})
}

func leasesAreReleased(t *testing.T, s *store.Store) {
	leased := &tocsin.Notification{Alert: 1, Receiver: "slack", Due: at(0)}
	waiting := &tocsin.Notification{Alert: 2, Receiver: "slack", Due: at(0)}
	later := &tocsin.Notification{Alert: 3, Receiver: "slack", Due: at(500)}
	fresh := &tocsin.Notification{Alert: 4, Receiver: "slack", Attempts: 1, Due: at(60)}
	done := &tocsin.Notification{Alert: 5, Receiver: "slack", State: tocsin.Parked, Attempts: 1, Due: at(60)}
	owe(t, s, leased, waiting, later, fresh, done)
	claim(t, s, "slack", at(0), 10)
	settle(t, s, store.Settlement{ID: waiting.ID, Attempts: 1, State: tocsin.Pending, Due: at(300)})
	update(t, s, func(tx *store.Tx) error { return tx.Release(at(10)) })
	same(t, "claimed after the release", ids(claim(t, s, "slack", at(10), 10)), []int64{leased.ID, fresh.ID})
	same(t, "kept of a lease that was released", settle(t, s, store.Settlement{ID: leased.ID, Attempts: 1, State: tocsin.Delivered}), []int64{})
}

func notificationsAreFiltered(t *testing.T, s *store.Store) {
	var list []*tocsin.Notification
	for i := range 6 {
		n := &tocsin.Notification{Alert: int64(1 + i%2), Receiver: "slack", State: tocsin.Pending, Due: at(i)}
		if i%3 == 0 {
			n.Receiver = "email"
		}
		if i > 3 {
			n.State = tocsin.Failed
		}
		list = append(list, n)
	}
	owe(t, s, list...)
	for _, tt := range []struct {
		name   string
		filter store.NotificationFilter
		want   []int
	}{
		{"everything, newest first", store.NotificationFilter{}, []int{5, 4, 3, 2, 1, 0}},
		{"by alert", store.NotificationFilter{Alert: 1}, []int{4, 2, 0}},
		{"by receiver", store.NotificationFilter{Receiver: "email"}, []int{3, 0}},
		{"by alert and receiver", store.NotificationFilter{Alert: 1, Receiver: "email"}, []int{0}},
		{"pending", store.NotificationFilter{States: []tocsin.State{tocsin.Pending}}, []int{3, 2, 1, 0}},
		{"by states", store.NotificationFilter{States: []tocsin.State{tocsin.Failed, tocsin.Parked}}, []int{5, 4}},
		{"a page", store.NotificationFilter{Page: store.Page{Limit: 2, Before: list[4].ID}}, []int{3, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			view(t, s, func(tx *store.Tx) error {
				got, err := tx.Notifications(tt.filter)
				want := []int64{}
				for _, i := range tt.want {
					want = append(want, list[i].ID)
				}
				same(t, "notifications", ids(got), want)
				return err
			})
		})
	}
}

func countsAreExact(t *testing.T, s *store.Store) {
	same(t, "totals of nothing", totals(t, s), store.Totals{
		Verdicts: map[tocsin.Verdict]int64{}, Alerts: map[tocsin.Status]int64{},
		OpenByLevel: map[tocsin.Level]int64{}, Notifications: map[tocsin.State]int64{},
	})
	open, acked, closed := alert("open"), alert("acked"), alert("closed")
	open.Level = tocsin.Critical
	acked, _ = acked.Acknowledge("ada", at(1))
	closed, _ = closed.Close("ada", tocsin.ReasonFixed, at(1))
	update(t, s, func(tx *store.Tx) error {
		err := errors.Join(
			tx.Save(&open, &acked, &closed),
			tx.Journal([]*tocsin.Event{event(1, tocsin.Opened), event(2, tocsin.Opened), event(3, tocsin.Filtered)}, make([]string, 3)),
			tx.Owe([]*tocsin.Notification{
				{Alert: 1, Receiver: "slack", Due: at(7)},
				{Alert: 2, Receiver: "slack", Due: at(5)},
				{Alert: 3, Receiver: "slack", State: tocsin.Parked},
			}))
		within, err2 := tx.Totals()
		same(t, "verdicts within the transaction", within.Verdicts, map[tocsin.Verdict]int64{tocsin.Opened: 2, tocsin.Filtered: 1})
		return errors.Join(err, err2)
	})
	update(t, s, func(tx *store.Tx) error {
		closed, _ := open.Close("ada", tocsin.ReasonExpected, at(2))
		other := alert("other")
		return errors.Join(tx.Save(&closed, &other), tx.Journal([]*tocsin.Event{event(4, tocsin.Closed)}, []string{""}))
	})
	claimed := claim(t, s, "slack", at(5), 1)
	settle(t, s, store.Settlement{ID: claimed[0].ID, Attempts: 1, State: tocsin.Failed, At: at(6)})
	same(t, "totals", totals(t, s), store.Totals{
		Verdicts:      map[tocsin.Verdict]int64{tocsin.Opened: 2, tocsin.Filtered: 1, tocsin.Closed: 1},
		Alerts:        map[tocsin.Status]int64{tocsin.StatusOpen: 1, tocsin.StatusAcked: 1, tocsin.StatusClosed: 2},
		OpenByLevel:   map[tocsin.Level]int64{tocsin.Medium: 1},
		Notifications: map[tocsin.State]int64{tocsin.Pending: 1, tocsin.Failed: 1, tocsin.Parked: 1},
		OldestDue:     at(7),
	})
}

func coverageKnows(t *testing.T, s *store.Store) {
	place := func(n int, source, account, region string) *tocsin.Event {
		ev := event(n, tocsin.Filtered)
		ev.Source, ev.Account, ev.Region = source, account, region
		return ev
	}
	journal(t, s,
		place(30, "sns", "222", "us-east-1"),
		place(10, "sns", "111", "us-east-1"),
		place(20, "sns", "111", "us-east-1"),
		place(5, "sqs", "111", "eu-west-1"),
		place(40, "sqs", "", ""))
	journal(t, s, place(15, "sns", "111", "us-east-1"))
	view(t, s, func(tx *store.Tx) error {
		coverage, err := tx.Coverage()
		same(t, "Coverage", coverage, []store.Coverage{
			{Account: "111", Region: "eu-west-1", LastEvent: at(5), Events: 1},
			{Account: "111", Region: "us-east-1", LastEvent: at(20), Events: 3},
			{Account: "222", Region: "us-east-1", LastEvent: at(30), Events: 1},
		})
		sources, err2 := tx.Sources()
		same(t, "Sources", sources, []store.SourceActivity{
			{Source: "sns", LastEvent: at(30), Events: 4},
			{Source: "sqs", LastEvent: at(40), Events: 2},
		})
		return errors.Join(err, err2)
	})
}

// writeAll writes something of everything.
func writeAll(tx *store.Tx) error {
	a := alert("k")
	if err := tx.Save(&a); err != nil {
		return err
	}
	tx.CountRoutes(map[string]int64{"critical": 1}, at(1))
	_, err := tx.UseToken("token", at(60))
	return errors.Join(err,
		tx.Journal([]*tocsin.Event{event(1, tocsin.Opened)}, []string{"d"}),
		tx.Log(tocsin.Entry{Alert: a.ID, Kind: "opened"}),
		tx.Owe([]*tocsin.Notification{{Alert: a.ID, Receiver: "slack"}}),
		tx.Put("name", []byte("value")),
		tx.SavePerson(ana()),
		tx.SaveContact(&tocsin.Contact{Person: "ana", Receiver: "sms", Address: "+4930123456"}),
		tx.SaveSilence(silence(60)),
		tx.SaveHistory("soc", oncall.History{{Schedule: schedule("ana")}}),
		tx.SaveOverride(&oncall.Override{Kind: oncall.Add, People: []string{"ana"}, From: at(0), Until: at(60)}),
		tx.SetRotation("p", 1, 7),
		tx.AddInhibitors(store.Inhibitor{Alert: a.ID, Rule: "account down", Fingerprint: "111122223333"}),
		tx.AddEpisodes(store.Episode{Alert: a.ID, N: 1, OpenedAt: at(0)}),
	)
}

func nothingIsThere(t *testing.T, s *store.Store) {
	t.Helper()
	view(t, s, func(tx *store.Tx) error {
		events, err := tx.Events(store.EventFilter{})
		alerts, total, err2 := tx.Alerts(store.AlertFilter{})
		notifications, err3 := tx.Notifications(store.NotificationFilter{})
		coverage, err4 := tx.Coverage()
		sources, err5 := tx.Sources()
		value, err6 := tx.Get("name")
		entries, err7 := tx.Timeline(1)
		if n := len(events) + len(alerts) + int(total) + len(notifications) + len(coverage) + len(sources) + len(value) + len(entries); n != 0 {
			t.Errorf("left behind: %d things", n)
		}
		return errors.Join(err, err2, err3, err4, err5, err6, err7)
	})
	view(t, s, func(tx *store.Tx) error {
		people, err := tx.People()
		silences, err2 := tx.Silences(store.SilenceFilter{})
		histories, err3 := tx.Histories()
		overrides, err4 := tx.Overrides("", time.Time{})
		turn, err5 := tx.Rotation("p", 1)
		inhibitors, err6 := tx.Inhibitors("account down", []string{"111122223333"})
		episodes, err7 := tx.Episodes(at(0), at(1))
		routes, err8 := tx.RouteTotals()
		generation, err9 := tx.Generation()
		if n := len(people) + len(silences) + len(histories) + len(overrides) + int(turn) + len(inhibitors) + len(episodes) + len(routes) + int(generation); n != 0 {
			t.Errorf("left behind: %d things of people", n)
		}
		return errors.Join(err, err2, err3, err4, err5, err6, err7, err8, err9)
	})
	if got := totals(t, s); len(got.Verdicts)+len(got.Alerts)+len(got.Notifications) != 0 {
		t.Errorf("left behind: %+v", got)
	}
}

func errorsLeaveNothing(t *testing.T, s *store.Store) {
	wrong := errors.New("wrong")
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		if err := writeAll(tx); err != nil {
			t.Error(err)
		}
		return wrong
	})
	if !errors.Is(err, wrong) {
		t.Errorf("Update = %v, want what its function returned", err)
	}
	nothingIsThere(t, s)
	update(t, s, writeAll)
}

func panicsLeaveNothing(t *testing.T, s *store.Store) {
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = s.Update(t.Context(), func(tx *store.Tx) error {
			if err := writeAll(tx); err != nil {
				t.Error(err)
			}
			panic("wrong")
		})
	}()
	nothingIsThere(t, s)
	update(t, s, writeAll)
}

func viewsSeeOneMoment(t *testing.T, s *store.Store) {
	journal(t, s, event(1, tocsin.Filtered))
	view(t, s, func(tx *store.Tx) error {
		before, err := tx.Events(store.EventFilter{})
		journal(t, s, event(2, tocsin.Filtered)) // beside it, without waiting
		after, err2 := tx.Events(store.EventFilter{})
		total, err3 := tx.Totals()
		if len(before) != 1 || len(after) != 1 || total.Verdicts[tocsin.Filtered] != 1 {
			t.Errorf("a view saw %d events, then %d, and counted %d, want 1 each time", len(before), len(after), total.Verdicts[tocsin.Filtered])
		}
		return errors.Join(err, err2, err3)
	})
	if got := totals(t, s).Verdicts[tocsin.Filtered]; got != 2 {
		t.Errorf("the next view counted %d events, want 2", got)
	}
	// What is there stays, whoever else wants to be first.
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(tx.PutFirst("first", []byte("ours")), tx.PutFirst("first", []byte("theirs")))
	})
	view(t, s, func(tx *store.Tx) error {
		value, err := tx.Get("first")
		if string(value) != "ours" {
			t.Errorf("first is %q, want ours", value)
		}
		return err
	})
	// Nor does a writer keep a view waiting.
	update(t, s, func(tx *store.Tx) error {
		if err := tx.Put("name", []byte("value")); err != nil {
			return err
		}
		view(t, s, func(tx *store.Tx) error {
			value, err := tx.Get("name")
			if value != nil {
				t.Errorf("a view saw %q before it was committed", value)
			}
			return err
		})
		return nil
	})
}

func viewsWriteNothing(t *testing.T, s *store.Store) {
	err := s.View(t.Context(), func(tx *store.Tx) error { return tx.Put("name", []byte("value")) })
	if err == nil {
		t.Error("a view wrote")
	}
	nothingIsThere(t, s)
}

func valuesAreKept(t *testing.T, s *store.Store) {
	for _, value := range [][]byte{[]byte("one"), {0, 0xff, '\n'}, {}} {
		update(t, s, func(tx *store.Tx) error { return tx.Put("source/org-topic/token", value) })
		view(t, s, func(tx *store.Tx) error {
			got, err := tx.Get("source/org-topic/token")
			if got == nil || !bytes.Equal(got, value) {
				t.Errorf("Get = %#v after Put of %#v", got, value)
			}
			return err
		})
	}
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Get("never put")
		if got != nil {
			t.Errorf("Get of a name never put = %#v, want nil", got)
		}
		return err
	})
}

func missingIsNotFound(t *testing.T, s *store.Store) {
	view(t, s, func(tx *store.Tx) error {
		_, event := tx.Event(404)
		_, alert := tx.Alert(404)
		_, notification := tx.Notification(404)
		for what, err := range map[string]error{"event": event, "alert": alert, "notification": notification} {
			if !errors.Is(err, store.ErrNotFound) || !strings.HasPrefix(err.Error(), what+" 404") {
				t.Errorf("%s: %v, want \"%s 404: not found\"", what, err, what)
			}
		}
		return nil
	})
}

func endedContexts(t *testing.T, s *store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(tx *store.Tx) error {
		if err := writeAll(tx); err != nil {
			return err
		}
		cancel()
		return tx.Put("name", nil)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Update = %v, want canceled", err)
	}
	if err := s.View(ctx, func(*store.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("View = %v, want canceled", err)
	}
	nothingIsThere(t, s)
	update(t, s, writeAll)
}

func answersUntilClosed(t *testing.T, s *store.Store) {
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping = %v", err)
	}
	if s.Replicated() != (s.Dialect() == "postgres") {
		t.Errorf("Replicated = %v on %s", s.Replicated(), s.Dialect())
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	for what, err := range map[string]error{
		"Ping":   s.Ping(t.Context()),
		"Update": s.Update(t.Context(), func(*store.Tx) error { return nil }),
		"View":   s.View(t.Context(), func(*store.Tx) error { return nil }),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close = %v, want ErrClosed", what, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close again = %v", err)
	}
}
