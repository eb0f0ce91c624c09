package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// dusk is ten minutes before New York skips an hour: delays do not notice.
var dusk = time.Date(2026, 3, 8, 6, 50, 0, 0, time.UTC)

// A night is an engine with people, and a log of what they were told: "5 sec sms"
// is that sec was told by SMS five minutes after dusk.
type night struct {
	*engine.Engine
	t      *testing.T
	store  *store.Store
	plan   *engine.Plan
	places map[string]*spot

	mu  sync.Mutex
	now time.Time
	log []string
	got []notify.Message
}

// A spot is a receiver of the night.
type spot struct {
	n    *night
	name string
	// refuse, if set, is what it answers.
	refuse func(m notify.Message) error
}

func (s *spot) Notify(_ context.Context, m notify.Message) (string, error) {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(m); err != nil {
			return "", err
		}
	}
	who := s.name
	if m.Person != "" {
		who = m.Person + " " + s.name
	}
	if m.Kind != tocsin.TellOpened {
		who += " " + string(m.Kind)
	}
	s.n.log = append(s.n.log, fmt.Sprintf("%d %s", int(s.n.now.Sub(dusk).Minutes()), who))
	s.n.got = append(s.n.got, m)
	return "ref", nil
}

// newNight has people pri, sec and mgr with a verified phone each, and a policy
// that tells one after the other. change may change the plan before it begins.
func newNight(t *testing.T, change func(*engine.Plan, *routing.Table)) *night {
	t.Helper()
	return newNightOn(t, openSQLite, change)
}

func newNightOn(t *testing.T, open func(*testing.T) *store.Store, change func(*engine.Plan, *routing.Table)) *night {
	t.Helper()
	n := &night{t: t, store: open(t), now: dusk, places: map[string]*spot{}}
	asItIs := func(text string) (string, error) { return text, nil }
	receivers := map[string]engine.Receiver{}
	for _, name := range []string{"soc", "chat", "sms", "mail"} {
		n.places[name] = &spot{n: n, name: name}
		receivers[name] = engine.Receiver{Notifier: n.places[name], Kind: name}
	}
	sms, mail, chat := receivers["sms"], receivers["mail"], receivers["chat"]
	sms.Address, sms.Interrupts, sms.Burst = asItIs, true, 5
	mail.Address, chat.Follows = asItIs, true
	receivers["sms"], receivers["mail"], receivers["chat"] = sms, mail, chat

	step := func(target string, wait time.Duration) escalation.Step {
		to, err := escalation.ParseTarget(target)
		check(t, err)
		return escalation.Step{Targets: []escalation.Target{to}, Wait: escalation.Duration(wait)}
	}
	n.plan = &engine.Plan{
		Receivers: receivers, Fallback: []string{"soc"}, ReachableAt: "https://tocsin.example.com", PublicURL: "http://127.0.0.1:8080",
		Policies: map[string]escalation.Policy{"all-night": {
			Name: "all-night", Repeat: 1, Fallback: []escalation.Target{{Kind: escalation.Receiver, Name: "soc"}},
			Steps: []escalation.Step{step("person:pri", 5*time.Minute), step("person:sec", 10*time.Minute), step("person:mgr", 15*time.Minute)},
		}},
		Teams: map[string]tocsin.Team{"watch": {Name: "watch", Policy: "all-night", Members: []string{"pri", "sec"}, Channel: "chat"}},
	}
	var err error
	n.plan.Rules, err = rules.New([]rules.Rule{{Name: "guardduty", Pattern: parse(t, `{"source":["aws.guardduty"]}`)}}, nil)
	check(t, err)
	table := routing.Table{Routes: []routing.Route{{Name: "all", Team: "watch"}}, Fallback: []string{"soc"}, Teams: n.plan.Teams}
	if change != nil {
		change(n.plan, &table)
	}
	table.Teams = n.plan.Teams
	n.plan.Routes, err = routing.New(table)
	check(t, err)
	n.restart()
	for _, name := range []string{"pri", "sec", "mgr"} {
		n.person(tocsin.Person{Name: name}, "sms")
	}
	return n
}

// restart is a new process on the same store.
func (n *night) restart() {
	n.t.Helper()
	e, err := engine.New(n.t.Context(), engine.Options{Store: n.store, Plan: n.plan, Now: n.time})
	check(n.t, err)
	n.Engine = e
}

func (n *night) time() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now
}

// person writes a person with verified contact methods.
func (n *night) person(p tocsin.Person, receivers ...string) tocsin.Person {
	n.t.Helper()
	p, err := n.SavePerson(n.t.Context(), p, "test")
	check(n.t, err)
	for _, r := range receivers {
		c := tocsin.Contact{Person: p.Name, Receiver: r, Address: p.Name + "@" + r, VerifiedAt: dusk}
		check(n.t, n.store.Update(n.t.Context(), func(tx *store.Tx) error { return tx.SaveContact(&c) }))
		p.Contacts = append(p.Contacts, c)
	}
	return p
}

// at lets time pass until so many minutes after dusk, minute by minute.
func (n *night) at(minute int) *night {
	n.t.Helper()
	for until := dusk.Add(time.Duration(minute) * time.Minute); ; {
		check(n.t, n.Drain(n.t.Context(), n.time()))
		n.mu.Lock()
		done := !n.now.Before(until)
		if !done {
			n.now = n.now.Add(time.Minute)
		}
		n.mu.Unlock()
		if done {
			return n
		}
	}
}

// asleep lets time pass without an engine.
func (n *night) asleep(minute int) {
	n.mu.Lock()
	n.now = dusk.Add(time.Duration(minute) * time.Minute)
	n.mu.Unlock()
	n.restart()
	n.at(minute)
}

// finding has a version of a finding come in: f1 of severity 8 for the first time,
// unless changed.
func (n *night) finding(change ...func(*finding)) tocsin.Receipt {
	n.t.Helper()
	f := finding{id: "f1", severity: 8, count: 1}
	for _, c := range change {
		c(&f)
	}
	n.mu.Lock()
	f.envelope = fmt.Sprintf("e-%s-%d-%v-%v", f.id, n.now.Unix(), f.severity, f.count)
	f.hour = int(n.now.Sub(dusk).Minutes()) // a version a minute, an hour apart
	n.mu.Unlock()
	receipts, err := n.Accept(n.t.Context(), f.event())
	check(n.t, err)
	n.at(int(n.time().Sub(dusk).Minutes()))
	return receipts[0]
}

func (n *night) ack(by string) {
	n.t.Helper()
	_, err := n.Acknowledge(n.t.Context(), 1, engine.Ask{By: by})
	check(n.t, err)
}

func (n *night) alert() (a tocsin.Alert) {
	n.t.Helper()
	check(n.t, n.store.View(n.t.Context(), func(tx *store.Tx) (err error) {
		a, err = tx.Alert(1)
		return err
	}))
	return a
}

func (n *night) timeline() (lines []string) {
	n.t.Helper()
	check(n.t, n.store.View(n.t.Context(), func(tx *store.Tx) error {
		entries, err := tx.Timeline(1)
		for _, e := range entries {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", int(e.At.Sub(dusk).Minutes()), e.Kind, e.By, e.Text)))
		}
		return err
	}))
	return lines
}

// told is the log, and begins another.
func (n *night) told() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	log := n.log
	n.log = nil
	slices.SortStableFunc(log, func(a, b string) int {
		var x, y int
		_, _ = fmt.Sscan(a, &x)
		_, _ = fmt.Sscan(b, &y)
		if x != y {
			return x - y
		}
		return strings.Compare(a, b)
	})
	return log
}

func (n *night) want(lines ...string) {
	n.t.Helper()
	if diff := cmp.Diff(lines, n.told()); diff != "" {
		n.t.Errorf("told (-want +got):\n%s", diff)
	}
}

func sev(severity float64) func(*finding) { return func(f *finding) { f.severity = severity } }
func named(id string) func(*finding)      { return func(f *finding) { f.id = id } }
func counted(c int) func(*finding)        { return func(f *finding) { f.count = c } }
func over(f *finding)                     { f.archived = true }

func changePolicy(change func(*escalation.Policy)) func(*engine.Plan, *routing.Table) {
	return func(p *engine.Plan, _ *routing.Table) {
		policy := p.Policies["all-night"]
		policy.Steps = slices.Clone(policy.Steps)
		change(&policy)
		p.Policies["all-night"] = policy
	}
}

// The vectors of escalation, through the whole engine and its store.
func TestAnEscalationThroughTheNight(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*engine.Plan, *routing.Table)
		live   func(n *night)
		want   []string
	}{
		{"E-V1 nobody acknowledges", changePolicy(func(p *escalation.Policy) { p.Repeat = 1 }), func(n *night) {
			n.finding()
			n.at(100)
		}, []string{"0 pri sms", "5 sec sms", "15 mgr sms", "30 pri sms", "35 sec sms", "45 mgr sms", "60 soc"}},
		{"E-V2 acknowledged at 7, again at 8", nil, func(n *night) {
			n.finding()
			n.at(7).ack("pri")
			n.at(8).finding(counted(2))
			n.at(100)
		}, []string{"0 pri sms", "5 sec sms"}},
		{"E-V5 a raise after an acknowledgement", nil, func(n *night) {
			n.finding(sev(5))
			n.at(2).ack("pri")
			n.at(3).finding(sev(5), counted(2))
			n.at(4).finding(sev(8), counted(3))
			n.at(10)
		}, []string{"0 pri sms", "4 pri sms", "9 sec sms"}},
		{"E-V6 an acknowledgement runs out", changePolicy(func(p *escalation.Policy) {
			half := escalation.Duration(30 * time.Minute)
			p.AckTimeout = &half
		}), func(n *night) {
			n.finding()
			n.at(1).ack("pri")
			n.at(41)
			_, err := n.Close(n.t.Context(), 1, engine.Ask{By: "pri"}, tocsin.ReasonFixed, time.Time{})
			check(n.t, err)
			n.at(100)
		}, []string{"0 pri sms", "31 pri sms", "36 sec sms"}},
		{"E-V8 the engine is down from 1 to 40", changePolicy(func(p *escalation.Policy) { p.Repeat = 0 }), func(n *night) {
			n.finding()
			n.asleep(40)
			n.at(70)
		}, []string{"0 pri sms", "40 sec sms", "50 mgr sms", "65 soc"}},
		{"E-V9 a step that is told until it is closed", changePolicy(func(p *escalation.Policy) {
			p.Steps = []escalation.Step{p.Steps[0], p.Steps[2]}
			p.Steps[0].Wait, p.Steps[1].OnlyIf, p.Repeat = escalation.Duration(time.Hour), escalation.Unclosed, 0
		}), func(n *night) {
			n.finding()
			n.at(3).ack("pri")
			n.at(100)
		}, []string{"0 pri sms", "60 mgr sms"}},
		{"E-V10 again and again", changePolicy(func(p *escalation.Policy) {
			p.Steps = p.Steps[:1]
			p.Steps[0].Wait, p.Repeat = escalation.Duration(10*time.Minute), -1
		}), func(n *night) {
			n.finding()
			n.at(30).ack("pri")
			n.at(60)
		}, []string{"0 pri sms", "10 pri sms", "20 pri sms", "30 pri sms"}},
		{"escalated by hand", nil, func(n *night) {
			n.finding()
			n.at(2)
			_, err := n.Escalate(n.t.Context(), 1, engine.Ask{By: "pri"})
			check(n.t, err)
			n.at(13)
		}, []string{"0 pri sms", "2 sec sms", "12 mgr sms"}},
		{"snoozed until 20", nil, func(n *night) {
			n.finding()
			_, err := n.Snooze(n.t.Context(), 1, engine.Ask{By: "pri"}, dusk.Add(20*time.Minute))
			check(n.t, err)
			n.at(26)
		}, []string{"0 pri sms", "20 pri sms", "25 sec sms"}},
		{"given back at 3", nil, func(n *night) {
			n.finding()
			n.at(1).ack("pri")
			n.at(3)
			_, err := n.Unacknowledge(n.t.Context(), 1, engine.Ask{By: "pri"})
			check(n.t, err)
			n.at(9)
		}, []string{"0 pri sms", "3 pri sms", "8 sec sms"}},
		{"assigned to somebody, who is told", nil, func(n *night) {
			n.person(tocsin.Person{Name: "dee"}, "mail")
			n.finding()
			_, err := n.Assign(n.t.Context(), 1, engine.Ask{By: "pri"}, "dee")
			check(n.t, err)
			n.at(60)
		}, []string{"0 dee mail changed", "0 pri sms"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNight(t, tt.change)
			tt.live(n)
			n.want(tt.want...)
		})
	}
}

func TestE3NobodyAnywhereUntil12(t *testing.T) {
	t.Parallel()
	n := newNight(t, func(p *engine.Plan, _ *routing.Table) {
		p.Receivers["sms"] = engine.Receiver{Notifier: p.Receivers["sms"].Notifier}
	})
	n.finding()
	n.at(12)
	n.want("0 soc")
	n.plan.Receivers["sms"] = engine.Receiver{Notifier: n.places["sms"], Address: func(s string) (string, error) { return s, nil }, Interrupts: true}
	check(t, n.Replace(t.Context(), n.plan))
	n.at(20)
	n.want("15 pri sms", "20 sec sms")
}

func TestE7RoundRobinIsSharedByAllAlerts(t *testing.T) {
	t.Parallel()
	n := newNight(t, changePolicy(func(p *escalation.Policy) {
		p.Steps = []escalation.Step{{
			Targets: []escalation.Target{{Kind: escalation.Person, Name: "pri"}, {Kind: escalation.Person, Name: "nobody"}, {Kind: escalation.Person, Name: "mgr"}},
			Wait:    escalation.Duration(time.Hour), Assign: escalation.RoundRobin,
		}}
	}))
	for i := range 4 {
		n.at(i).finding(named(fmt.Sprint("f", i)))
	}
	n.want("0 pri sms", "1 mgr sms", "2 pri sms", "3 mgr sms")
}

func TestAKillAtAnyMinuteChangesNothing(t *testing.T) {
	t.Parallel()
	n := newNight(t, nil)
	n.finding()
	for minute := range 70 {
		n.restart()
		n.at(minute)
	}
	n.want("0 pri sms", "5 sec sms", "15 mgr sms", "30 pri sms", "35 sec sms", "45 mgr sms", "60 soc")
}

func TestALivingAlertKeepsThePolicyItBeganWith(t *testing.T) {
	t.Parallel()
	n := newNight(t, nil)
	n.finding()
	p := n.plan.Policies["all-night"]
	p.Steps = p.Steps[2:]
	next := *n.plan
	next.Policies = map[string]escalation.Policy{"all-night": p}
	check(t, n.Replace(t.Context(), &next))
	n.at(5)
	n.want("0 pri sms", "5 sec sms")
	if _, err := n.ApplyPolicy(t.Context(), 1, engine.Ask{By: "pri"}); err != nil {
		t.Fatal(err)
	}
	if got := n.timeline(); !strings.Contains(strings.Join(got, "\n"), "policy all-night "+p.Version()) {
		t.Errorf("the timeline does not tell of the newer policy:\n%s", strings.Join(got, "\n"))
	}
	if _, err := n.ApplyPolicy(t.Context(), 1, engine.Ask{By: "pri"}); err == nil {
		t.Error("applied what is in force already")
	}
}

func TestRulesOfAPersonRunUntilSomebodyAcknowledges(t *testing.T) {
	t.Parallel()
	rules := func(n *night) {
		p := n.person(tocsin.Person{Name: "eve"}, "mail", "sms")
		p.High = []tocsin.NotificationRule{{Minutes: 0, Contact: p.Contacts[0].ID}, {Minutes: 3, Contact: p.Contacts[1].ID}, {Minutes: 8, Contact: p.Contacts[1].ID}}
		p.Contacts = nil
		_, err := n.SavePerson(t.Context(), p, "test")
		check(t, err)
	}
	toEve := changePolicy(func(p *escalation.Policy) {
		p.Steps[0].Targets = []escalation.Target{{Kind: escalation.Person, Name: "eve"}}
		p.Steps[0].Wait = escalation.Duration(time.Hour)
	})
	t.Run("U2 one after the other", func(t *testing.T) {
		t.Parallel()
		n := newNight(t, toEve)
		rules(n)
		n.finding()
		n.at(5).ack("eve")
		for _, one := range n.notificationsOf(tocsin.TellOpened) {
			if one.State == tocsin.Pending { // the one at 8, which nobody waits for any more
				t.Errorf("notification %d, due at %s, is still pending", one.ID, one.Due)
			}
		}
		n.at(30)
		n.want("0 eve mail", "3 eve sms")
	})
	t.Run("U3 the next at once if the first fails for good", func(t *testing.T) {
		t.Parallel()
		n := newNight(t, toEve)
		rules(n)
		n.places["mail"].refuse = func(notify.Message) error { return notify.Permanent(errors.New("550 no such user")) }
		n.finding()
		n.at(30)
		n.want("0 eve sms", "8 eve sms")
	})
	t.Run("three lasting failures disable a contact method, and it is told by another", func(t *testing.T) {
		t.Parallel()
		n := newNight(t, func(p *engine.Plan, r *routing.Table) {
			toEve(p, r)
			p.Teams["watch"] = tocsin.Team{Name: "watch", Policy: "all-night", Members: []string{"eve"}, Channel: "chat"}
		})
		rules(n)
		n.places["mail"].refuse = func(notify.Message) error { return notify.Permanent(errors.New("550 no such user")) }
		for i := range 3 {
			n.finding(named(fmt.Sprint("f", i)))
		}
		n.at(0)
		n.want("0 chat note", "0 eve sms", "0 eve sms", "0 eve sms", "0 eve sms note")
	})
	t.Run("U5 quiet hours are for what is not urgent", func(t *testing.T) {
		t.Parallel()
		n := newNight(t, toEve)
		n.person(tocsin.Person{Name: "eve", TimeZone: "America/New_York", Quiet: &tocsin.Hours{From: "22:00", To: "04:00"}}, "mail")
		n.finding(sev(5)) // 01:50 in New York; 04:00 is 70 minutes later, since an hour is skipped
		n.finding(named("f2"))
		n.at(55)
		n.want("0 eve mail")
		n.at(75)
		n.want("60 sec sms", "60 sec sms", "70 eve mail", "70 mgr sms", "70 mgr sms")
	})
}

func TestAnAddressIsSentNothingButItsCodeUntilItIsVerified(t *testing.T) {
	t.Parallel()
	n := newNight(t, changePolicy(func(p *escalation.Policy) {
		p.Steps[0].Targets = []escalation.Target{{Kind: escalation.Person, Name: "eve"}}
	}))
	n.person(tocsin.Person{Name: "eve"})
	c, err := n.AddContact(t.Context(), "eve", "mail", "eve@example.com", "eve")
	check(t, err)
	n.finding()
	n.at(1)
	n.want("0 eve mail code", "0 sec sms")
	sent := n.lastCode()
	code := sent.Code
	if len(code) != 6 || sent.To != "eve@example.com" {
		t.Fatalf("the code is %q, to %q", code, sent.To)
	}
	for range 5 {
		if _, err := n.Verify(t.Context(), c.ID, "no"); err == nil {
			t.Fatal("a wrong code was taken")
		}
	}
	if _, err := n.Verify(t.Context(), c.ID, code); err == nil || !strings.Contains(err.Error(), "too often") {
		t.Errorf("after five tries: %v", err)
	}
	check(t, n.SendCode(t.Context(), c.ID))
	check(t, n.SendCode(t.Context(), c.ID))
	if err := n.SendCode(t.Context(), c.ID); err == nil {
		t.Error("a fourth code within an hour")
	}
	n.at(2)
	if c, err = n.Verify(t.Context(), c.ID, n.lastCode().Code); err != nil || !c.Usable() {
		t.Fatalf("verified: %v, %v", c.Usable(), err)
	}
	n.told()
	n.finding(named("f2"))
	n.want("2 eve mail")
	if got := n.notificationsOf("code"); len(got) != 3 {
		t.Errorf("%d codes, want 3", len(got))
	}
	n.at(3)
	check(t, n.RemoveContact(t.Context(), c.ID, "eve"))
	n.told()
	n.finding(named("f3"))
	n.want("3 sec sms")
}

// lastCode is the last code message.
func (n *night) lastCode() (code notify.Message) {
	for _, m := range n.got {
		if m.Kind == tocsin.TellCode {
			code = m
		}
	}
	return code
}

func (n *night) notificationsOf(kind tocsin.Kind) (ns []tocsin.Notification) {
	n.t.Helper()
	check(n.t, n.store.View(n.t.Context(), func(tx *store.Tx) error {
		all, err := tx.Notifications(store.NotificationFilter{Page: store.Page{Limit: 10000}})
		for _, one := range all {
			if one.Kind == kind {
				ns = append(ns, one)
			}
		}
		return err
	}))
	return ns
}

func TestAnExpiredCodeIsRefused(t *testing.T) {
	t.Parallel()
	n := newNight(t, nil)
	n.person(tocsin.Person{Name: "eve"})
	c, err := n.AddContact(t.Context(), "eve", "mail", "eve@example.com", "eve")
	check(t, err)
	n.at(16)
	if _, err := n.Verify(t.Context(), c.ID, n.lastCode().Code); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("after 16 minutes: %v", err)
	}
}

func TestU4WhatIsTooMuchForAPhoneIsTheLastMessageThatListsIt(t *testing.T) {
	t.Parallel()
	n := newNight(t, nil)
	for i := range 9 {
		n.finding(named(fmt.Sprint("f", i)), sev(5))
	}
	n.finding(named("worse"), sev(8))
	n.at(4)
	n.want("0 pri sms", "0 pri sms", "0 pri sms", "0 pri sms", "0 pri sms", "0 pri sms")
	n.at(16)
	var digests []notify.Message
	for _, m := range n.got {
		if m.Kind == tocsin.TellDigest && m.Person == "pri" {
			digests = append(digests, m)
		}
	}
	if len(digests) != 1 || len(digests[0].Digest) != 4 {
		t.Fatalf("%d digests, want one of 4 alerts: %+v", len(digests), len(digests[0].Digest))
	}
	for _, one := range n.notificationsOf(tocsin.TellOpened) {
		if one.State == tocsin.Pending && one.Person == "pri" {
			t.Errorf("notification %d is %s", one.ID, one.State)
		}
	}
}

func TestR6AStormIsToldInOneDigestAMinuteAndNothingIsDropped(t *testing.T) {
	t.Parallel()
	n := newNight(t, func(_ *engine.Plan, r *routing.Table) {
		r.Routes = []routing.Route{{Name: "all", Receivers: []string{"chat"}, Storm: 3}}
	})
	for i := range 10 {
		n.finding(named(fmt.Sprint("f", i)))
	}
	n.want("0 chat", "0 chat", "0 chat")
	n.at(1)
	n.want("1 chat digest")
	last := n.got[len(n.got)-1]
	if len(last.Digest) != 7 {
		t.Errorf("the digest lists %d, want 7", len(last.Digest))
	}
	for _, one := range n.notificationsOf(tocsin.TellOpened) {
		if one.State != tocsin.Delivered {
			t.Errorf("notification %d is %s", one.ID, one.State)
		}
	}
	n.finding(named("after"))
	n.want("1 chat")
}

// What could not be kept was no part of a storm.
func TestWhatWasNotKeptDoesNotCountForAStorm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNightOn(t, func(t *testing.T) *store.Store { return open(t, "sqlite:"+dir) }, func(_ *engine.Plan, r *routing.Table) {
		r.Routes = []routing.Route{{Name: "all", Receivers: []string{"chat"}, Storm: 1}}
	})
	db, err := sql.Open("sqlite", filepath.Join(dir, "tocsin.db"))
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	_, err = db.ExecContext(t.Context(), `
		CREATE TRIGGER refuse BEFORE INSERT ON alert WHEN NEW.key LIKE '%/bad'
		BEGIN SELECT RAISE(ABORT, 'not this one'); END`)
	check(t, err)
	if _, err := n.Accept(t.Context(), finding{envelope: "b", id: "bad", severity: 8, count: 1}.event()); err == nil {
		t.Fatal("it was accepted")
	}
	n.finding()
	n.want("0 chat")
}

// The clock closes an alert and, in the same turn, what it kept quiet.
func TestTheClockClosesAnInhibitorAndWhatItInhibits(t *testing.T) {
	t.Parallel()
	n := newNight(t, func(p *engine.Plan, _ *routing.Table) {
		in, err := routing.NewInhibitions([]routing.Inhibition{{Name: "sequence", When: parse(t, `{"level":["critical"]}`), Mute: parse(t, `{"level":["high"]}`)}})
		check(t, err)
		p.Inhibitions, p.Terms = in, tocsin.Terms{Stale: time.Hour}
	})
	n.finding(sev(9.5))
	n.finding(named("f2"))
	n.ack("pri")
	n.told()
	n.at(130)
	n.want()
	var closed int
	check(t, n.store.View(t.Context(), func(tx *store.Tx) error {
		alerts, _, err := tx.Alerts(store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusClosed}})
		closed = len(alerts)
		return err
	}))
	if closed != 2 {
		t.Errorf("%d are closed, want both", closed)
	}
}

func TestSilences(t *testing.T) {
	t.Parallel()
	silence := func(n *night, minutes int, pattern string) tocsin.Silence {
		n.t.Helper()
		s, err := n.SaveSilence(t.Context(), tocsin.Silence{
			Pattern: []byte(pattern), Author: "pri", Reason: "our own test", Until: dusk.Add(time.Duration(minutes) * time.Minute),
		})
		check(n.t, err)
		return s
	}
	t.Run("R4 what is silenced is recorded and told at the end if it is bad and open", func(t *testing.T) {
		t.Parallel()
		n := newNight(t, nil)
		silence(n, 20, `{"account":["111122223333"]}`)
		if r := n.finding(); r.Verdict != tocsin.Silenced {
			t.Errorf("verdict %s", r.Verdict)
		}
		n.finding(named("f2"), sev(5))
		n.at(5).finding(named("f3"), sev(8))
		n.at(6).finding(named("f3"), sev(8), over, counted(2))
		n.at(19)
		n.want()
		n.at(21)
		n.want("20 pri sms", "20 pri sms note") // f1, and what the silence hid; f2 is below high, f3 is over
		note := n.got[len(n.got)-1]
		for _, m := range n.got {
			if m.Kind == tocsin.TellNote {
				note = m
			}
		}
		if !strings.Contains(note.Text, "3 alerts") {
			t.Errorf("the report is %q", note.Text)
		}
	})
	t.Run("ended by hand it tells at once", func(t *testing.T) {
		t.Parallel()
		n := newNight(t, nil)
		s := silence(n, 20, `{"account":["111122223333"]}`)
		n.finding()
		n.at(3)
		_, err := n.EndSilence(t.Context(), s.ID, "sec")
		check(t, err)
		n.at(3)
		n.want("3 pri sms")
		if _, err := n.EndSilence(t.Context(), s.ID, "sec"); err == nil {
			t.Error("ended twice")
		}
	})
	t.Run("one silence's end is another's hold", func(t *testing.T) {
		t.Parallel()
		n := newNight(t, nil)
		silence(n, 10, `{"account":["111122223333"]}`)
		n.finding()
		silence(n, 30, `{"region":["eu-west-1"]}`)
		n.at(29)
		for _, line := range n.told() {
			if !strings.Contains(line, "note") {
				t.Errorf("told %q", line)
			}
		}
		n.at(30)
		n.want("30 pri sms", "30 pri sms note")
	})
	t.Run("what gets worse than the silence is for is told", func(t *testing.T) {
		t.Parallel()
		n := newNight(t, nil)
		silence(n, 60, `{"level":["medium"]}`)
		n.finding(sev(5))
		n.want()
		n.at(2).finding(sev(9.5), counted(2))
		n.want("2 pri sms")
		if got := strings.Join(n.timeline(), "\n"); !strings.Contains(got, "2 released  it got worse than what silence 1 keeps back") {
			t.Errorf("the timeline does not say why it was told:\n%s", got)
		}
	})
	t.Run("A15 closed as expected with a mute, it stays quiet", func(t *testing.T) {
		t.Parallel()
		n := newNight(t, nil)
		n.finding()
		n.told()
		_, err := n.Close(t.Context(), 1, engine.Ask{By: "pri", Note: "our scanner"}, tocsin.ReasonExpected, dusk.AddDate(0, 1, 0))
		check(t, err)
		if r := n.at(10).finding(counted(7)); r.Verdict != tocsin.Silenced || r.Alert == 1 {
			t.Errorf("verdict %s, alert %d", r.Verdict, r.Alert)
		}
		n.at(60)
		n.want()
	})
	t.Run("R3 recurring maintenance ends each night", func(t *testing.T) {
		t.Parallel()
		n := newNight(t, nil)
		_, err := n.SaveSilence(t.Context(), tocsin.Silence{
			Kind: tocsin.KindMaintenance, Pattern: []byte(`{"account":["111122223333"]}`), Author: "pri", Reason: "patching",
			Until: dusk.AddDate(0, 1, 0), Every: &tocsin.Recurrence{TimeZone: "UTC", From: "06:00", To: "07:00"},
		})
		check(t, err)
		n.finding()
		n.at(9)
		n.want()
		n.at(10)
		n.want("10 pri sms")
	})
	t.Run("N09 a preview says what it would have hidden", func(t *testing.T) {
		t.Parallel()
		n := newNight(t, nil)
		n.finding()
		n.finding(named("f2"), sev(5))
		p, err := n.PreviewSilence(t.Context(), tocsin.Silence{Pattern: []byte(`{"level":["medium"]}`)}, 90)
		if err != nil || p.Alerts != 1 || p.ByLevel[tocsin.Medium] != 1 {
			t.Errorf("%+v, %v", p, err)
		}
	})
	t.Run("a bad silence says all that is wrong", func(t *testing.T) {
		t.Parallel()
		n := newNight(t, nil)
		_, err := n.SaveSilence(t.Context(), tocsin.Silence{Pattern: []byte(`{"acount":["1"]}`), Until: dusk.AddDate(0, 3, 0)})
		for _, want := range []string{"author", "reason", "acount", "30 days is the longest"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one with %q", err, want)
			}
		}
	})
}

func TestR5WhileTheWorseOneLivesTheOtherIsQuiet(t *testing.T) {
	t.Parallel()
	n := newNight(t, func(p *engine.Plan, _ *routing.Table) {
		in, err := routing.NewInhibitions([]routing.Inhibition{{
			Name: "sequence", When: parse(t, `{"level":["critical"]}`), Mute: parse(t, `{"level":["high"]}`), Equal: []string{"account"},
		}})
		check(t, err)
		p.Inhibitions = in
	})
	n.finding(sev(9.5))
	n.at(1)
	if r := n.finding(named("f2")); r.Verdict != tocsin.Suppressed {
		t.Errorf("verdict %s", r.Verdict)
	}
	n.ack("pri")
	n.want("0 pri sms")
	n.at(4)
	_, err := n.Close(t.Context(), 1, engine.Ask{By: "pri"}, tocsin.ReasonFixed, time.Time{})
	check(t, err)
	n.at(4)
	n.want("4 pri sms")
}

// The end of the worse one and news of the one that it keeps quiet come in one
// delivery, and so in one transaction.
func TestAnInhibitorAndWhatItInhibitsInOneDelivery(t *testing.T) {
	t.Parallel()
	n := newNight(t, func(p *engine.Plan, _ *routing.Table) {
		in, err := routing.NewInhibitions([]routing.Inhibition{{Name: "sequence", When: parse(t, `{"level":["critical"]}`), Mute: parse(t, `{"level":["high"]}`)}})
		check(t, err)
		p.Inhibitions = in
	})
	n.finding(sev(9.5))
	n.finding(named("f2"))
	n.ack("pri")
	n.told()
	n.at(3)
	_, err := n.Accept(t.Context(),
		finding{envelope: "a", id: "f1", severity: 9.5, count: 2, hour: 5, archived: true}.event(),
		finding{envelope: "b", id: "f2", severity: 8, count: 2, hour: 5}.event())
	check(t, err)
	n.at(3)
	n.want("3 pri sms")
}

func TestTakenWhileNobodyWasTold(t *testing.T) {
	t.Parallel()
	held := func(t *testing.T) *night {
		n := newNight(t, nil)
		_, err := n.SaveSilence(t.Context(), tocsin.Silence{
			Kind: tocsin.KindMaintenance, Pattern: []byte(`{"account":["111122223333"]}`), Author: "pri", Reason: "patching", Until: dusk.Add(20 * time.Minute),
		})
		check(t, err)
		n.finding()
		return n
	}
	t.Run("acknowledged: nobody is told at the silence's end, unless it is given back", func(t *testing.T) {
		t.Parallel()
		n := held(t)
		n.at(5).ack("sec")
		n.at(30)
		n.want("20 pri sms note") // what the silence hid
		_, err := n.Unacknowledge(t.Context(), 1, engine.Ask{By: "sec"})
		check(t, err)
		n.at(30)
		n.want("30 pri sms")
	})
	t.Run("snoozed beyond the silence's end: told at the snooze's end", func(t *testing.T) {
		t.Parallel()
		n := held(t)
		_, err := n.Snooze(t.Context(), 1, engine.Ask{By: "sec"}, dusk.Add(40*time.Minute))
		check(t, err)
		n.at(41)
		n.want("20 pri sms note", "40 pri sms")
	})
	t.Run("handed over: told at once", func(t *testing.T) {
		t.Parallel()
		n := held(t)
		_, err := n.Reassign(t.Context(), 1, engine.Ask{By: "sec"}, "watch", "")
		check(t, err)
		n.at(1)
		n.want("0 pri sms")
	})
}

func TestTheFirstWindowKeepsBackWhatIsOverInAMoment(t *testing.T) {
	t.Parallel()
	five := 5 * time.Minute
	n := newNight(t, func(_ *engine.Plan, r *routing.Table) {
		r.Routes = []routing.Route{{Name: "all", Team: "watch", Receivers: []string{"chat"}, FirstWindow: &five}}
	})
	n.finding()
	n.finding(named("f2"))
	n.at(2).finding(over, counted(2))
	n.at(4)
	n.want()
	n.at(6)
	n.want("5 chat", "5 pri sms")
}

func TestWhatGetsWorseWithinItsFirstWindowIsToldAtOnce(t *testing.T) {
	t.Parallel()
	five := 5 * time.Minute
	n := newNight(t, func(_ *engine.Plan, r *routing.Table) {
		r.Routes = []routing.Route{{Name: "all", Team: "watch", FirstWindow: &five}}
	})
	n.finding(sev(5))
	n.at(2).finding(sev(8), counted(2))
	n.want("2 pri sms")
}

func TestUpdatesAreToldAsDifferences(t *testing.T) {
	t.Parallel()
	n := newNight(t, func(_ *engine.Plan, r *routing.Table) {
		r.Routes = []routing.Route{{Name: "all", Receivers: []string{"chat"}, Updates: tocsin.UpdatesQuarterHourly}}
	})
	n.finding()
	n.at(3).finding(counted(5))
	n.at(20)
	n.want("0 chat")
	n.finding(counted(50))
	n.at(30)
	n.want("20 chat updated")
	if got := n.got[len(n.got)-1].Changes; len(got) != 1 || got[0] != (tocsin.Change{What: "count", From: "1", To: "50"}) {
		t.Errorf("changes %+v", got)
	}
}

func TestOnlyWhoShowsHowItStandsHearsOfAnAcknowledgement(t *testing.T) {
	t.Parallel()
	n := newNight(t, func(_ *engine.Plan, r *routing.Table) {
		r.Routes = []routing.Route{{Name: "all", Receivers: []string{"chat", "soc"}}}
	})
	n.finding()
	n.at(1).ack("pri")
	n.at(2)
	_, err := n.Close(t.Context(), 1, engine.Ask{By: "pri"}, tocsin.ReasonFixed, time.Time{})
	check(t, err)
	n.at(3)
	n.want("0 chat", "0 soc", "1 chat acknowledged", "2 chat closed", "2 soc closed")
	if n.got[2].Ref != "ref" {
		t.Errorf("the change does not name the first message: %q", n.got[2].Ref)
	}
}

// What was medium and is high by now is to be answered within four hours.
func TestAnAcknowledgementOfWhatGotWorseRunsOut(t *testing.T) {
	t.Parallel()
	n := newNight(t, changePolicy(func(p *escalation.Policy) { p.Steps = p.Steps[:1] }))
	n.finding(sev(5))
	n.at(1).ack("pri")
	n.at(2).finding(sev(8), counted(2))
	n.ack("pri")
	n.told()
	n.at(2 + 4*60)
	n.want("242 pri sms")
}

// What is under way at that moment cannot be taken back; if it fails, it is not
// tried again.
func TestAcknowledgedWhileAMessageWasUnderWay(t *testing.T) {
	t.Parallel()
	n := newNight(t, nil)
	n.places["sms"].refuse = func(notify.Message) error {
		n.places["sms"].refuse = nil
		n.mu.Unlock() // the engine asks for the time
		defer n.mu.Lock()
		n.ack("sec")
		return errors.New("502")
	}
	n.finding()
	n.at(30)
	n.want()
	for _, one := range n.notificationsOf(tocsin.TellOpened) {
		if one.State != tocsin.Cancelled {
			t.Errorf("notification %d is %s", one.ID, one.State)
		}
	}
}

// An alert that cannot be written keeps the others from nothing.
func TestOneAlertThatCannotBeWrittenStopsNoClock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNightOn(t, func(t *testing.T) *store.Store { return open(t, "sqlite:"+dir) }, nil)
	n.finding()
	db, err := sql.Open("sqlite", filepath.Join(dir, "tocsin.db"))
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	_, err = db.ExecContext(t.Context(), `
		CREATE TRIGGER refuse BEFORE UPDATE ON alert WHEN NEW.id = 1
		BEGIN SELECT RAISE(ABORT, 'not this one'); END`)
	check(t, err)
	n.finding(named("f2"))
	n.at(6)
	n.want("0 pri sms", "0 pri sms", "5 sec sms") // the first alert's step 2 is not told
}

// A policy that cannot be read any more leaves nobody untold.
func TestAPolicyThatCannotBeReadGoesToTheFallback(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNightOn(t, func(t *testing.T) *store.Store { return open(t, "sqlite:"+dir) }, nil)
	n.finding()
	db, err := sql.Open("sqlite", filepath.Join(dir, "tocsin.db"))
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	_, err = db.ExecContext(t.Context(), `UPDATE policy_version SET doc = '{'`)
	check(t, err)
	next := *n.plan
	next.Policies = nil
	check(t, n.Replace(t.Context(), &next))
	n.at(6)
	n.want("0 pri sms", "5 soc")
	n.ack("pri")
}

// A direct message with buttons is edited once somebody else has the alert.
func TestWhoWasCalledByWhatIsEditedSeesWhoHasIt(t *testing.T) {
	t.Parallel()
	n := newNight(t, func(p *engine.Plan, r *routing.Table) {
		mail := p.Receivers["mail"]
		mail.Edits = true
		p.Receivers["mail"] = mail
		changePolicy(func(p *escalation.Policy) {
			p.Steps[0].Targets = []escalation.Target{{Kind: escalation.Person, Name: "eve"}}
		})(p, r)
	})
	n.person(tocsin.Person{Name: "eve"}, "mail", "sms")
	n.finding()
	n.at(1).ack("pri")
	n.at(2)
	n.want("0 eve mail", "0 eve sms", "1 eve mail acknowledged")
}

func TestWhoWasCalledHearsOfTheEndByWhatWakesNobody(t *testing.T) {
	t.Parallel()
	n := newNight(t, changePolicy(func(p *escalation.Policy) {
		p.Steps[0].Targets = []escalation.Target{{Kind: escalation.Person, Name: "eve"}}
	}))
	n.person(tocsin.Person{Name: "eve"}, "mail", "sms")
	n.finding()
	n.at(1).finding(over, counted(2))
	n.at(2)
	n.want("0 eve mail", "0 eve sms", "1 eve mail closed")
}

func TestAChannelThatRefusesIsNotTheEndOfAnAlert(t *testing.T) {
	t.Parallel()
	n := newNight(t, func(_ *engine.Plan, r *routing.Table) {
		r.Routes = []routing.Route{{Name: "all", Receivers: []string{"chat"}}}
	})
	n.places["chat"].refuse = func(notify.Message) error { return notify.Permanent(errors.New("is_archived")) }
	n.finding()
	n.at(1)
	n.want("0 soc")
	if got := strings.Join(n.timeline(), "\n"); !strings.Contains(got, "is_archived") {
		t.Errorf("the timeline does not say why:\n%s", got)
	}
}

func TestShadowsAreRecordedAndDropsAreNot(t *testing.T) {
	t.Parallel()
	n := newNight(t, func(_ *engine.Plan, r *routing.Table) {
		r.Routes = []routing.Route{
			{Name: "trial", Receivers: []string{"chat"}, Shadow: true},
			{Name: "noise", Pattern: parse(t, `{"level":["low"]}`), Drop: "nobody wants these"},
			{Name: "rest", Receivers: []string{"soc"}},
		}
	})
	n.finding()
	n.want("0 soc")
	var shadows []string
	for _, one := range n.notificationsOf(tocsin.TellOpened) {
		if one.State == tocsin.Shadow {
			shadows = append(shadows, one.Receiver+" "+one.Why)
		}
	}
	if len(shadows) != 1 || !strings.HasPrefix(shadows[0], "chat shadow") {
		t.Errorf("shadows %q", shadows)
	}
	if r := n.finding(named("f2"), sev(2)); r.Verdict != tocsin.Suppressed || !strings.Contains(r.Reason, "nobody wants these") {
		t.Errorf("verdict %s, %q", r.Verdict, r.Reason)
	}
	n.at(3 * 60)
	n.want()
}

func TestLinksInMessagesWorkOnceAndForTheirReader(t *testing.T) {
	t.Parallel()
	n := newNight(t, nil)
	n.finding()
	var link string
	for _, a := range n.got[0].Actions {
		if a.Do == notify.DoAcknowledge {
			link = strings.TrimPrefix(a.URL, "https://tocsin.example.com/act/link/")
		}
	}
	if link == "" {
		t.Fatalf("no link to acknowledge: %+v", n.got[0].Actions)
	}
	l, a, err := n.ReadLink(t.Context(), link)
	if err != nil || l.Person != "pri" || a.Status != tocsin.StatusOpen {
		t.Fatalf("%+v %s %v", l, a.Status, err)
	}
	if _, err := n.FollowLink(t.Context(), link[:len(link)-2]+"xx"); !errors.Is(err, engine.ErrLink) {
		t.Errorf("a link that was changed: %v", err)
	}
	r, err := n.FollowLink(t.Context(), link)
	if err != nil || !strings.Contains(r.Text, "Acknowledged by pri") || n.alert().AckedBy != "pri" {
		t.Errorf("%q %v", r.Text, err)
	}
	_, err = n.Unacknowledge(t.Context(), 1, engine.Ask{By: "sec"})
	check(t, err)
	if r, err = n.FollowLink(t.Context(), link); err != nil || !strings.Contains(r.Text, "done already") || n.alert().Status != tocsin.StatusOpen {
		t.Errorf("used twice: %q %v", r.Text, err)
	}
	n.asleep(25 * 60)
	if _, err := n.FollowLink(t.Context(), link); !errors.Is(err, engine.ErrLinkOver) {
		t.Errorf("after a day: %v", err)
	}
}

func TestAnswersNameTheHuman(t *testing.T) {
	t.Parallel()
	n := newNight(t, nil)
	n.finding()
	if _, err := n.Answer(t.Context(), "sms", notify.Answer{ID: "1", Alert: 1, Do: notify.DoAcknowledge, From: "+666"}); err == nil {
		t.Error("somebody whom nobody knows has acknowledged")
	}
	r, err := n.Answer(t.Context(), "sms", notify.Answer{ID: "2", Alert: 1, Do: notify.DoAcknowledge, From: "sec@sms"})
	if err != nil || !strings.Contains(r.Text, "Acknowledged by sec") {
		t.Errorf("%q %v", r.Text, err)
	}
	r, err = n.Answer(t.Context(), "sms", notify.Answer{ID: "3", Alert: 1, Do: notify.DoAcknowledge, From: "pri@sms"})
	if err != nil || !strings.Contains(r.Text, "already acknowledged by sec") {
		t.Errorf("%q %v", r.Text, err)
	}
	if got := strings.Join(n.timeline(), "\n"); !strings.Contains(got, "pri acknowledged it too") {
		t.Errorf("the second one is not noted:\n%s", got)
	}
}

func TestAStaleChangeIsRefusedWithWhatIs(t *testing.T) {
	t.Parallel()
	n := newNight(t, nil)
	n.finding()
	seen := n.alert().Version
	n.ack("pri")
	_, err := n.Close(t.Context(), 1, engine.Ask{By: "sec", Version: seen}, tocsin.ReasonFixed, time.Time{})
	stale, ok := errors.AsType[*engine.StaleError](err)
	if !ok || !errors.Is(err, store.ErrStale) || stale.Alert.AckedBy != "pri" {
		t.Errorf("%v", err)
	}
}

func TestAccountsThatLeftTakeTheirAlertsWithThem(t *testing.T) {
	t.Parallel()
	n := newNight(t, nil)
	n.finding()
	next := *n.plan
	next.Left = []string{"111122223333"}
	check(t, n.Replace(t.Context(), &next))
	if a := n.alert(); a.CloseReason != tocsin.ReasonAccountLeft {
		t.Errorf("%s, %q", a.Status, a.CloseReason)
	}
}

func TestWhoComesOnCallHearsOfItInTime(t *testing.T) {
	t.Parallel()
	n := newNight(t, func(p *engine.Plan, _ *routing.Table) {
		p.Schedules = []oncall.Schedule{{Name: "duty", TimeZone: "UTC", Layers: []oncall.Layer{{
			Rotate: "daily", From: "2026-03-08T07:30", Turns: []oncall.Turn{{"pri"}, {"sec"}},
			End: dusk.AddDate(0, 0, 10),
		}}}}
		policy := p.Policies["all-night"]
		policy.Steps = []escalation.Step{{Targets: []escalation.Target{{Kind: escalation.Schedule, Name: "duty"}}, Wait: escalation.Duration(24 * time.Hour)}}
		p.Policies["all-night"] = policy
	})
	n.finding()
	n.at(45)
	var notes []string
	for _, m := range n.got {
		if m.Kind == tocsin.TellNote {
			notes = append(notes, m.Receiver+" "+m.Person+": "+m.Text)
		}
	}
	got := strings.Join(notes, "\n")
	for _, want := range []string{"You are on call for duty from", "in 15 minutes", "You are on call for duty now. #1 HIGH", "Nobody is on call for duty from"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Count(got, "in 15 minutes") != 1 || strings.Count(got, "Nobody is on call") != 1 || strings.Count(got, "on call for duty now") != 1 {
		t.Errorf("told more than once:\n%s", got)
	}
	on := n.OnCall(dusk.Add(time.Hour))
	if len(on) != 1 || !slices.Equal(on[0].People, []string{"pri"}) || !slices.Equal(on[0].Next, []string{"sec"}) {
		t.Errorf("%+v", on)
	}
	_, err := n.SaveOverride(t.Context(), oncall.Override{Schedule: "duty", Kind: oncall.Replace, People: []string{"pri"}, With: []string{"mgr"}, From: dusk, Until: dusk.AddDate(0, 0, 1), By: "pri"})
	check(t, err)
	if on := n.OnCall(dusk.Add(time.Hour)); !slices.Equal(on[0].People, []string{"mgr"}) {
		t.Errorf("%+v", on)
	}
}

func TestExplainSaysWhatWouldBecomeOfAnEvent(t *testing.T) {
	t.Parallel()
	n := newNight(t, nil)
	f := finding{envelope: "x", id: "f9", severity: 8, count: 1}
	ev := f.event()
	x, err := n.Explain(t.Context(), ev.Raw)
	check(t, err)
	text := strings.Join(x.Steps, "\n")
	if x.Verdict != tocsin.Opened || x.Rule != "guardduty" || !slices.Contains(x.Told, "pri") {
		t.Errorf("%+v", x)
	}
	for _, want := range []string{"rule: guardduty matched", "all", "pri", "verdict: opened"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if len(n.notificationsOf(tocsin.TellOpened)) != 0 {
		t.Error("explaining told somebody")
	}
}
