package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/store/storetest"
	"github.com/tocsin-sec/tocsin/pattern"
)

// morning is when the tests begin.
var morning = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

// A receiver records what it is told, and answers as the test says.
type receiver struct {
	mu   sync.Mutex
	told []notify.Message
	// answer is asked before a message is taken; nil takes everything.
	answer func(ctx context.Context, m notify.Message) error
}

func (r *receiver) Notify(ctx context.Context, m notify.Message) (string, error) {
	if r.answer != nil {
		if err := r.answer(ctx, m); err != nil {
			return "", err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, m)
	return fmt.Sprintf("ref-%d", len(r.told)), nil
}

func (r *receiver) messages() []notify.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told)
}

// A scene is an engine on its own store with two receivers.
type scene struct {
	*engine.Engine
	store    *store.Store
	plan     *engine.Plan
	soc, web *receiver
	clock    atomic.Int64 // milliseconds
}

func (s *scene) now() time.Time       { return time.UnixMilli(s.clock.Load()).UTC() }
func (s *scene) pass(d time.Duration) { s.clock.Add(d.Milliseconds()) }
func (s *scene) drain(t *testing.T)   { t.Helper(); check(t, s.Drain(t.Context(), s.now())) }
func (s *scene) reopenEngine(t *testing.T) {
	t.Helper()
	e, err := engine.New(t.Context(), s.options())
	check(t, err)
	s.Engine = e
}

func (s *scene) options() engine.Options {
	return engine.Options{Store: s.store, Plan: s.plan, Now: s.now}
}

func newScene(t *testing.T, open func(*testing.T) *store.Store) *scene {
	t.Helper()
	s := &scene{store: open(t), soc: &receiver{}, web: &receiver{}}
	s.clock.Store(morning.UnixMilli())
	accounts := map[string]tocsin.Account{
		"111122223333": {ID: "111122223333", Name: "payments-prod", Team: "payments", Minimum: tocsin.Medium},
		"444455556666": {ID: "444455556666", Name: "sandbox", Receivers: []string{"web"}},
	}
	rs, err := rules.New([]rules.Rule{
		{Name: "our scanners", Pattern: parse(t, `{"detail":{"type":[{"prefix":"Recon:"}]}}`), Drop: "our own scanners"},
		{Name: "guardduty", Pattern: parse(t, `{"source":["aws.guardduty"]}`)},
		{Name: "root signed in", Pattern: parse(t, `{"source":["aws.signin"]}`), Alert: rules.Alert{
			Level: tocsin.High, Title: "Root signed in", Key: []string{"$.detail.userIdentity.accountId"},
		}},
	}, accounts)
	check(t, err)
	routes, err := routing.New(routing.Table{Routes: []routing.Route{
		{Name: "critical", Pattern: parse(t, `{"level":["critical"]}`), Receivers: []string{"soc", "web"}, Storm: 1_000_000},
	}, Fallback: []string{"soc"}, Accounts: accounts})
	check(t, err)
	s.plan = &engine.Plan{Rules: rs, Routes: routes, Accounts: accounts, PublicURL: "https://tocsin.example.com", Fallback: []string{"soc"}, Receivers: map[string]engine.Receiver{
		"soc": {Notifier: s.soc}, "web": {Notifier: s.web, Patience: time.Hour},
	}}
	s.reopenEngine(t)
	return s
}

// onBoth runs a test on SQLite and on PostgreSQL.
func onBoth(t *testing.T, f func(t *testing.T, open func(*testing.T) *store.Store)) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); f(t, openSQLite) })
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, func(t *testing.T) *store.Store { return open(t, storetest.Postgres(t)) })
	})
}

func openSQLite(t *testing.T) *store.Store { return open(t, "sqlite:"+t.TempDir()) }

func open(t *testing.T, url string) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), url)
	check(t, err)
	t.Cleanup(func() { check(t, st.Close()) })
	return st
}

func parse(t *testing.T, text string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Parse([]byte(text))
	check(t, err)
	return p
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// finding is an EventBridge event with a GuardDuty finding in it.
type finding struct {
	envelope, id, account, kind string
	severity                    float64
	count, hour                 int
	archived                    bool
}

func (f finding) event() tocsin.Event {
	if f.account == "" {
		f.account = "111122223333"
	}
	if f.kind == "" {
		f.kind = "Backdoor:EC2/C&CActivity.B"
	}
	updated := morning.Add(time.Duration(f.hour) * time.Hour).Format("2006-01-02T15:04:05.000Z")
	raw, err := json.Marshal(map[string]any{
		"version": "0", "id": f.envelope, "detail-type": "GuardDuty Finding", "source": "aws.guardduty", "account": f.account, "region": "eu-west-1", "time": updated,
		"detail": map[string]any{
			"schemaVersion": "2.0", "accountId": f.account, "region": "eu-west-1", "partition": "aws", "id": f.id, "type": f.kind, "severity": f.severity,
			"title": "t", "description": "d", "createdAt": updated, "updatedAt": updated,
			"resource": map[string]any{"resourceType": "Instance", "instanceDetails": map[string]any{"instanceId": "i-0abc"}},
			"service":  map[string]any{"count": f.count, "archived": f.archived, "eventFirstSeen": updated, "eventLastSeen": updated, "additionalInfo": map[string]any{"sample": f.id == "sample"}},
		},
	})
	if err != nil {
		panic(err)
	}
	return tocsin.Event{Source: "org", Via: "sns", Envelope: f.envelope, Raw: raw}
}

func (s *scene) accept(t *testing.T, events ...tocsin.Event) []tocsin.Receipt {
	t.Helper()
	receipts, err := s.Accept(t.Context(), events...)
	check(t, err)
	return receipts
}

func (s *scene) alerts(t *testing.T) (alerts []tocsin.Alert) {
	t.Helper()
	check(t, s.store.View(t.Context(), func(tx *store.Tx) (err error) {
		alerts, _, err = tx.Alerts(store.AlertFilter{Sort: "newest", Limit: 10000})
		return err
	}))
	return alerts
}

func (s *scene) notifications(t *testing.T) (ns []tocsin.Notification) {
	t.Helper()
	check(t, s.store.View(t.Context(), func(tx *store.Tx) (err error) {
		ns, err = tx.Notifications(store.NotificationFilter{Page: store.Page{Limit: 10000}})
		return err
	}))
	return ns
}

func verdicts(rs []tocsin.Receipt) (vs []tocsin.Verdict) {
	for _, r := range rs {
		vs = append(vs, r.Verdict)
	}
	return vs
}

func TestEachEventGetsItsVerdict(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *store.Store) {
		s := newScene(t, open)
		raw := func(text string) tocsin.Event { return tocsin.Event{Source: "org", Via: "https", Raw: []byte(text)} }
		events := []tocsin.Event{
			finding{"e1", "f1", "", "", 8, 1, 0, false}.event(),
			finding{"e2", "f1", "", "", 8, 5, 1, false}.event(),
			finding{"e3", "f1", "", "", 8, 3, 0, false}.event(),
			finding{"e2", "f1", "", "", 8, 5, 1, false}.event(),
			finding{"e4", "f1", "", "", 8, 6, 2, true}.event(),
			finding{"e5", "f2", "", "Recon:EC2/Portscan", 8, 1, 0, false}.event(),
			finding{"e6", "f3", "", "", 2, 1, 0, false}.event(),
			raw(`{"source":"aws.ec2","detail-type":"EC2 Instance State-change Notification","detail":{}}`),
			raw(`{"hello":"world"}`),
			raw(`{"hello":`),
			raw(`[1]`),
			{Source: "org", Via: "sns", Raw: []byte("x"), Unreadable: "signature does not verify"},
			raw(`{"source":"aws.signin","detail-type":"AWS Console Sign In via CloudTrail","account":"444455556666","detail":{"userIdentity":{"accountId":"444455556666"}}}`),
		}
		var got []tocsin.Verdict
		for _, ev := range events { // one after another: the order is the test
			got = append(got, verdicts(s.accept(t, ev))...)
		}
		want := []tocsin.Verdict{
			tocsin.Opened, tocsin.Updated, tocsin.Appended, tocsin.Duplicate, tocsin.Closed, tocsin.Filtered, tocsin.Filtered,
			tocsin.Filtered, tocsin.Unmapped, tocsin.Malformed, tocsin.Malformed, tocsin.Malformed, tocsin.Opened,
		}
		if !slices.Equal(got, want) {
			t.Errorf("verdicts\n got %v\nwant %v", got, want)
		}
		reasons := map[string]string{}
		check(t, s.store.View(t.Context(), func(tx *store.Tx) error {
			events, err := tx.Events(store.EventFilter{})
			for _, ev := range events {
				reasons[ev.Envelope] = ev.Reason + "|" + ev.Rule
			}
			return err
		}))
		if reasons["e5"] != "our own scanners|our scanners" {
			t.Errorf("dropped event: %q", reasons["e5"])
		}
		if reasons["e6"] != "low is below the minimum of account payments-prod (111122223333) (medium)|guardduty" {
			t.Errorf("event below the minimum: %q", reasons["e6"])
		}
	})
}

func TestNothingIsReceivedUnlogged(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	bodies := []string{"\x00\xff\xfe not JSON", `{"a":1}`, ``, "\xef\xbb\xbf{}"}
	for _, b := range bodies {
		s.accept(t, tocsin.Event{Source: "org", Via: "https", Raw: []byte(b)})
	}
	var kept []string
	check(t, s.store.View(t.Context(), func(tx *store.Tx) error {
		return tx.EachEvent(store.EventFilter{}, func(ev tocsin.Event) error {
			kept = append(kept, string(ev.Raw))
			return nil
		})
	}))
	if !slices.Equal(kept, bodies) {
		t.Errorf("journal holds %q; want %q", kept, bodies)
	}
}

func TestManyCopiesAtOnceMakeOneAlertAndOneMessage(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *store.Store) {
		s := newScene(t, open)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				// 50 versions of one finding, each by four paths.
				ev := finding{fmt.Sprintf("e%d", i), "f1", "", "", 8, 10 * (i%50 + 1), i % 50, false}.event()
				if _, err := s.Accept(context.Background(), ev); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		alerts := s.alerts(t)
		if len(alerts) != 1 || alerts[0].Occurrences != 500 || alerts[0].Events != 200 {
			t.Fatalf("%d alerts, first %+v; want one of 500 occurrences in 200 events", len(alerts), alerts)
		}
		s.drain(t)
		if n := len(s.soc.messages()); n != 1 {
			t.Errorf("%d messages; want 1", n)
		}
	})
}

func TestRedeliveriesWithinOneBatchCountOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	ev := finding{"e1", "f1", "", "", 8, 1, 0, false}.event()
	got := s.accept(t, ev, ev, ev)
	if !slices.Equal(verdicts(got), []tocsin.Verdict{tocsin.Opened, tocsin.Duplicate, tocsin.Duplicate}) || got[0].Seq != got[2].Seq {
		t.Errorf("receipts %+v; want opened and two duplicates of the same row", got)
	}
	check(t, s.store.View(t.Context(), func(tx *store.Tx) error {
		ev, err := tx.Event(got[0].Seq)
		if ev.Deliveries != 3 || ev.Verdict != tocsin.Opened {
			t.Errorf("row has %d deliveries, verdict %s; want 3, opened", ev.Deliveries, ev.Verdict)
		}
		return err
	}))
}

// A sender that reuses its ids is not to lose what it sends.
func TestTheSameIDWithOtherContentIsNotARedelivery(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	got := s.accept(t, finding{"e1", "f1", "", "", 8, 1, 0, false}.event(), finding{"e1", "f2", "", "", 8, 1, 0, false}.event())
	if !slices.Equal(verdicts(got), []tocsin.Verdict{tocsin.Opened, tocsin.Opened}) {
		t.Errorf("verdicts %v; want two opened", verdicts(got))
	}
}

func TestWhoIsToldAndOfWhat(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		events   []finding
		soc, web []tocsin.Kind
	}{
		{"no route takes it: the fallback", []finding{{"e1", "f1", "", "", 5, 1, 0, false}}, []tocsin.Kind{"opened"}, nil},
		{"the account names its own receivers", []finding{{"e1", "f1", "444455556666", "", 5, 1, 0, false}}, nil, []tocsin.Kind{"opened"}},
		{"a route takes it", []finding{{"e1", "f1", "444455556666", "", 9, 1, 0, false}}, []tocsin.Kind{"opened"}, []tocsin.Kind{"opened"}},
		{"an update tells nobody", []finding{{"e1", "f1", "", "", 5, 1, 0, false}, {"e2", "f1", "", "", 5, 9, 1, false}}, []tocsin.Kind{"opened"}, nil},
		{
			"worse than ever tells again, and whom the new level concerns",
			[]finding{{"e1", "f1", "", "", 5, 1, 0, false}, {"e2", "f1", "", "", 9, 9, 1, false}},
			[]tocsin.Kind{"opened", "raised"},
			[]tocsin.Kind{"raised"},
		},
		{"archived tells those who were told", []finding{{"e1", "f1", "", "", 5, 1, 0, false}, {"e2", "f1", "", "", 5, 2, 1, true}}, []tocsin.Kind{"opened", "closed"}, nil},
		{"archived from the first tells nobody", []finding{{"e1", "f1", "", "", 5, 1, 0, true}}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, openSQLite)
			for _, f := range tt.events {
				s.accept(t, f.event())
				s.drain(t)
				s.pass(time.Minute)
			}
			for _, r := range []struct {
				name string
				got  []notify.Message
				want []tocsin.Kind
			}{{"soc", s.soc.messages(), tt.soc}, {"web", s.web.messages(), tt.web}} {
				var got []tocsin.Kind
				for _, m := range r.got {
					got = append(got, m.Kind)
				}
				if !slices.Equal(got, r.want) {
					t.Errorf("%s was told %v; want %v", r.name, got, r.want)
				}
			}
		})
	}
}

func TestAMessageSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	s.accept(t, finding{"e1", "f1", "", "", 5, 1, 0, false}.event())
	s.drain(t)
	s.accept(t, finding{"e2", "f1", "", "", 8, 7, 1, false}.event())
	s.drain(t)
	got := s.soc.messages()
	if len(got) != 2 {
		t.Fatalf("%d messages; want 2", len(got))
	}
	m := got[1]
	if m.Account.Name != "payments-prod" || m.AlertURL != "https://tocsin.example.com/alerts/1" || m.Why != "fallback" || m.Ref != "ref-1" || m.ID == got[0].ID {
		t.Errorf("second message: account %q, url %q, why %q, ref %q, id %q after %q", m.Account.Name, m.AlertURL, m.Why, m.Ref, m.ID, got[0].ID)
	}
	if len(m.Changes) == 0 || m.Changes[0] != (tocsin.Change{What: "severity", From: "medium 5", To: "high 8"}) {
		t.Errorf("changes %v", m.Changes)
	}
}

func TestAReceiverThatRefusesIsTriedAgainAsItAsks(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	refusal := error(notify.After(errors.New("slack: 429"), 40*time.Second))
	s.soc.answer = func(context.Context, notify.Message) error { return refusal }
	s.accept(t, finding{"e1", "f1", "", "", 5, 1, 0, false}.event())
	s.drain(t)
	n := s.notifications(t)[0]
	if n.State != tocsin.Pending || n.Attempts != 1 || !n.Due.Equal(morning.Add(40*time.Second)) || n.LastError != "slack: 429" {
		t.Fatalf("after a 429 with Retry-After: 40: %+v", n)
	}
	s.drain(t)
	if n := s.notifications(t)[0]; n.Attempts != 1 {
		t.Errorf("tried again before it was due: %d attempts", n.Attempts)
	}
	refusal = nil
	s.pass(41 * time.Second)
	s.drain(t)
	if n := s.notifications(t)[0]; n.State != tocsin.Delivered || n.Attempts != 2 || n.Ref != "ref-1" {
		t.Errorf("in the end: %+v; want delivered at the second attempt", n)
	}
}

func TestEveryNotificationEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer error
		want   tocsin.State
		reason string
	}{
		{"refused for good", notify.Permanent(errors.New("slack: 404 no_service")), tocsin.Failed, "slack: 404 no_service"},
		{"refused until its deadline", errors.New("slack: 503"), tocsin.Parked, "gave up after 19 attempts: slack: 503"},
		{"a notifier that panics", nil, tocsin.Failed, "the notifier failed: boom"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, openSQLite)
			s.web.answer = func(context.Context, notify.Message) error {
				if tt.answer == nil {
					panic("boom")
				}
				return tt.answer
			}
			s.accept(t, finding{"e1", "f1", "444455556666", "", 5, 1, 0, false}.event())
			for range 400 { // an hour and more, ten seconds at a time
				s.drain(t)
				s.pass(10 * time.Second)
			}
			all := s.notifications(t)
			n := all[len(all)-1] // the first; the fallback was told after it
			if n.State != tt.want || n.SettledAt.IsZero() || (tt.want != tocsin.Parked && n.LastError != tt.reason) {
				t.Errorf("%s: %s after %d attempts: %s; want %s: %s", n.Receiver, n.State, n.Attempts, n.LastError, tt.want, tt.reason)
			}
		})
	}
}

func TestWhatNobodyNeedsAnyMoreIsCancelled(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	s.soc.answer = func(context.Context, notify.Message) error { return errors.New("down") }
	s.accept(t, finding{"e1", "f1", "", "", 5, 1, 0, false}.event())
	s.drain(t)
	if _, err := s.Acknowledge(t.Context(), 1, engine.Ask{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Close(t.Context(), 1, engine.Ask{By: "ana", Note: "our test"}, tocsin.ReasonExpected, time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.soc.answer = nil
	s.pass(time.Minute)
	s.drain(t)
	s.pass(time.Minute)
	s.drain(t)
	if got := s.soc.messages(); len(got) != 0 {
		t.Errorf("told %d messages of an alert that was closed before anybody heard of it", len(got))
	}
	for _, n := range s.notifications(t) {
		if n.State != tocsin.Cancelled {
			t.Errorf("%s is %s; want cancelled (%s)", n.Kind, n.State, n.LastError)
		}
	}
}

func TestAReceiverThatWasTakenOutOfTheConfigurationIsNotOwedForEver(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	s.accept(t, finding{"e1", "f1", "", "", 5, 1, 0, false}.event())
	without := *s.plan
	without.Receivers = map[string]engine.Receiver{"web": s.plan.Receivers["web"]}
	without.Fallback = []string{"web"}
	check(t, s.Replace(t.Context(), &without))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, time.Second) }()
	waitFor(t, func() bool {
		ns := s.notifications(t)
		return slices.ContainsFunc(ns, func(n tocsin.Notification) bool { return n.State == tocsin.Parked })
	})
	// Somebody hears of the alert all the same.
	waitFor(t, func() bool { return len(s.web.messages()) == 1 })
	cancel()
	check(t, <-done)
}

// A crash between the commit and the sending: the lease taken at birth is nobody's.
func TestAfterACrashWhatWasOwedIsSent(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	ctx, cancel := context.WithCancel(t.Context())
	hanging := make(chan struct{}, 1)
	s.soc.answer = func(ctx context.Context, _ notify.Message) error {
		hanging <- struct{}{}
		<-ctx.Done() // the crash comes while it is being sent
		return ctx.Err()
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, 0) }()
	waitFor(t, func() bool {
		s.accept(t, finding{"e1", "f1", "", "", 5, 1, 0, false}.event())
		return len(s.alerts(t)) == 1
	})
	<-hanging
	cancel()
	check(t, <-done)
	s.soc.answer = nil

	s.reopenEngine(t)
	ctx, cancel = context.WithCancel(t.Context())
	go func() { done <- s.Run(ctx, time.Second) }()
	waitFor(t, func() bool { return len(s.soc.messages()) == 1 })
	cancel()
	check(t, <-done)
	if n := s.notifications(t)[0]; n.State != tocsin.Delivered {
		t.Errorf("after the restart: %+v", n)
	}
}

func TestAReceiverThatHangsDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	s.web.answer = func(ctx context.Context, _ notify.Message) error { <-ctx.Done(); return ctx.Err() }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, 0) }()
	for i := range 100 { // more than are sent at once
		s.accept(t, finding{fmt.Sprint("e", i), fmt.Sprint("f", i), "", "", 9, 1, 0, false}.event())
	}
	waitFor(t, func() bool { return len(s.soc.messages()) == 100 })
	if n := len(s.web.messages()); n != 0 {
		t.Errorf("the hanging receiver took %d", n)
	}
	cancel()
	check(t, <-done)
}

func TestMessagesOfOneAlertKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	release, opening := make(chan struct{}), make(chan struct{})
	s.soc.answer = func(_ context.Context, m notify.Message) error {
		if m.Kind == tocsin.TellOpened {
			close(opening)
			<-release
		}
		return nil
	}
	go func() { done <- s.Run(ctx, time.Second) }()
	s.accept(t, finding{"e1", "f1", "", "", 5, 1, 0, false}.event())
	<-opening // it is being told while the alert goes on
	s.accept(t, finding{"e2", "f1", "", "", 8, 2, 1, false}.event())
	s.accept(t, finding{"e3", "f1", "", "", 8, 3, 2, true}.event())
	close(release)
	waitFor(t, func() bool {
		ns := s.notifications(t)
		return !slices.ContainsFunc(ns, func(n tocsin.Notification) bool { return n.State == tocsin.Pending })
	})
	cancel()
	check(t, <-done)
	var kinds []tocsin.Kind
	for _, m := range s.soc.messages() {
		kinds = append(kinds, m.Kind)
	}
	// The raise is not needed any more once the alert is closed.
	if !slices.Equal(kinds, []tocsin.Kind{"opened", "closed"}) && !slices.Equal(kinds, []tocsin.Kind{"opened", "raised", "closed"}) {
		t.Errorf("told %v; want the opening first and the close last", kinds)
	}
}

func TestSendAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	s.soc.answer = func(context.Context, notify.Message) error { return notify.Permanent(errors.New("404")) }
	s.accept(t, finding{"e1", "f1", "", "", 5, 1, 0, false}.event())
	s.drain(t)
	s.soc.answer = nil
	check(t, s.Retry(t.Context(), 1, "ana"))
	s.drain(t)
	if got := s.soc.messages(); len(got) != 1 || got[0].Why != "sent again by ana" {
		t.Errorf("messages %+v; want one, sent again by ana", got)
	}
	if err := s.Retry(t.Context(), 2, "ana"); err == nil {
		t.Error("a delivered message was sent again")
	}
}

// waitFor asks until it is so. The engine's goroutines are real here, and so is
// the time they take.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if so() {
			return
		}
	}
	t.Fatal("waited for 20 s")
}
