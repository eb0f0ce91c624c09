package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// acting has the rule run actions by receivers that act, and tells nobody but chat.
func acting(actions ...rules.Action) func(*testing.T, *[]*spot) func(*engine.Plan, *routing.Table) {
	return func(t *testing.T, spots *[]*spot) func(*engine.Plan, *routing.Table) {
		return func(p *engine.Plan, table *routing.Table) {
			for _, a := range actions {
				s := &spot{name: a.Run}
				*spots = append(*spots, s)
				p.Receivers[a.Run] = engine.Receiver{Notifier: s, Kind: "aws-lambda", Acts: true}
			}
			var err error
			p.Rules, err = rules.New([]rules.Rule{{Name: "guardduty", Pattern: parse(t, `{"source":["aws.guardduty"]}`), Actions: actions}}, nil)
			check(t, err)
			table.Routes = []routing.Route{{Name: "all", Receivers: []string{"chat"}}}
		}
	}
}

func newActingNight(t *testing.T, change func(*engine.Plan, *routing.Table), actions ...rules.Action) *night {
	t.Helper()
	var spots []*spot
	n := newNight(t, func(p *engine.Plan, table *routing.Table) {
		acting(actions...)(t, &spots)(p, table)
		if change != nil {
			change(p, table)
		}
	})
	for _, s := range spots {
		s.n = n
	}
	return n
}

var isolate = rules.Action{Run: "isolate"}

// message is the newest of that kind.
func (n *night) message(kind tocsin.Kind) notify.Message {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range slices.Backward(n.got) {
		if m.Kind == kind {
			return m
		}
	}
	n.t.Fatalf("no message of kind %s", kind)
	return notify.Message{}
}

func actionLines(n *night) (lines []string) {
	for _, l := range n.timeline() {
		if strings.Contains(l, " action ") {
			lines = append(lines, l)
		}
	}
	return lines
}

func TestAnActionRunsOnceForEachOpening(t *testing.T) {
	t.Parallel()
	n := newActingNight(t, nil, isolate)
	n.finding()
	n.at(1).finding(counted(2))
	n.want("0 chat", "0 chat changed", "0 isolate action")
	n.at(20).finding(over)
	n.at(21).finding(counted(3))
	n.want("20 chat closed", "21 chat", "21 chat changed", "21 isolate action")
	want := []string{
		"0 action  isolate runs, as rule guardduty says", "0 action  isolate done: ref",
		"21 action  isolate runs, as rule guardduty says", "21 action  isolate done: ref",
	}
	if diff := cmp.Diff(want, actionLines(n)); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}

func TestAnActionDoesNotRun(t *testing.T) {
	t.Parallel()
	shadow := func(_ *engine.Plan, table *routing.Table) { table.Shadow = true }
	drop := func(_ *engine.Plan, table *routing.Table) {
		table.Routes = []routing.Route{{Name: "none", Drop: "nobody wants it"}}
	}
	for _, tt := range []struct {
		name   string
		change func(*engine.Plan, *routing.Table)
		live   func(n *night)
		want   []string
	}{
		{"for a sample", nil, func(n *night) { n.finding(named("sample")) }, []string{"0 action  isolate does not run: the finding is a sample"}},
		{"where everything is in shadow", shadow, func(n *night) { n.finding() }, nil},
		{"where a route drops the alert", drop, func(n *night) { n.finding() }, nil},
		{"for an alert that is over already", nil, func(n *night) { n.finding(over) }, nil},
		{"under a silence", nil, func(n *night) {
			_, err := n.SaveSilence(n.t.Context(), tocsin.Silence{
				Kind: tocsin.KindSilence, Pattern: []byte(`{"level":["high"]}`), Author: "ana", Reason: "a test of theirs", From: dusk, Until: dusk.AddDate(0, 0, 1),
			})
			check(n.t, err)
			n.finding()
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newActingNight(t, tt.change, isolate)
			tt.live(n)
			if told := n.told(); slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "isolate") }) {
				t.Errorf("it ran: %v", told)
			}
			if diff := cmp.Diff(tt.want, actionLines(n)); diff != "" {
				t.Errorf("timeline (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnActionThatNeedsApprovalWaitsForIt(t *testing.T) {
	t.Parallel()
	n := newActingNight(t, nil, rules.Action{Run: "isolate", Approve: true})
	n.finding()
	n.want("0 chat")
	if got := n.alert().Approvals; !slices.Equal(got, []string{"isolate"}) {
		t.Fatalf("approvals %v, want isolate", got)
	}
	var offered []notify.Do
	for _, a := range n.got[0].Actions {
		offered = append(offered, a.Do)
	}
	if !slices.Contains(offered, notify.DoRun("isolate")) {
		t.Errorf("the message offers %v, not to run isolate", offered)
	}

	n.at(3)
	_, err := n.RunAction(t.Context(), 1, engine.Ask{By: "ana", Note: "the owner knows"}, "isolate")
	check(t, err)
	n.at(4)
	n.want("3 chat changed", "3 chat changed", "3 isolate action")
	if m := n.message(tocsin.TellAction); m.By != "ana" || m.Person != "" {
		t.Errorf("it is told that %q approved it and that it is for %q, want ana and nobody", m.By, m.Person)
	}
	want := []string{"0 action  isolate waits for approval", "3 action ana approved isolate: the owner knows", "3 action ana isolate done: ref"}
	if diff := cmp.Diff(want, actionLines(n)); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}

	_, err = n.RunAction(t.Context(), 1, engine.Ask{By: "bo"}, "isolate")
	if input, ok := errors.AsType[engine.InputError](err); !ok || input.Error() != "isolate runs once, and did at 06:53 UTC" {
		t.Errorf("a second approval: %v", err)
	}
	_, err = n.RunAction(t.Context(), 1, engine.Ask{By: "bo"}, "reboot")
	if err == nil || !strings.Contains(err.Error(), `no action "reboot" that waits for approval`) {
		t.Errorf("an action that no rule has: %v", err)
	}
	if _, err = n.Close(t.Context(), 1, engine.Ask{By: "bo"}, tocsin.ReasonFixed, time.Time{}); err == nil {
		_, err = n.RunAction(t.Context(), 1, engine.Ask{By: "bo"}, "isolate")
	}
	if _, ok := errors.AsType[*tocsin.StateError](err); !ok {
		t.Errorf("on a closed alert: %v", err)
	}
}

func TestAnActionThatFailsIsTold(t *testing.T) {
	t.Parallel()
	n := newActingNight(t, nil, isolate)
	s, _ := n.plan.Receivers["isolate"].Notifier.(*spot)
	s.refuse = func(notify.Message) error { return notify.Permanent(errors.New("access denied")) }
	n.finding()
	n.want("0 chat", "0 chat updated")
	if got, want := n.message(tocsin.TellUpdated).Changes, []tocsin.Change{{What: "action isolate", To: "failed: access denied"}}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	if got := actionLines(n); !slices.Contains(got, "0 action  isolate failed: access denied") {
		t.Errorf("timeline %q", got)
	}
	// It can be sent again by hand, and no new approval is needed.
	s.refuse = nil
	var failed []tocsin.Notification
	check(t, n.store.View(t.Context(), func(tx *store.Tx) (err error) {
		failed, err = tx.Notifications(store.NotificationFilter{Alert: 1, Receiver: "isolate"})
		return err
	}))
	check(t, n.Retry(t.Context(), failed[0].ID, "ana"))
	n.at(1)
	n.want("0 chat changed", "0 isolate action")
}

// What waits while a receiver is down is not run once the alert is closed.
func TestAnActionIsTakenBackWithItsAlert(t *testing.T) {
	t.Parallel()
	n := newActingNight(t, nil, isolate)
	s, _ := n.plan.Receivers["isolate"].Notifier.(*spot)
	s.refuse = func(notify.Message) error { return errors.New("it is down") }
	n.finding()
	_, err := n.Close(t.Context(), 1, engine.Ask{By: "ana"}, tocsin.ReasonFalsePositive, time.Time{})
	check(t, err)
	s.refuse = nil
	n.at(30)
	if told := n.told(); slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "isolate") }) {
		t.Errorf("it ran: %v", told)
	}
}

// A button in a message approves as well, in the name of who pressed it.
func TestAButtonApproves(t *testing.T) {
	t.Parallel()
	n := newActingNight(t, nil, rules.Action{Run: "isolate", Approve: true})
	n.finding()
	answer := notify.Answer{ID: "trigger-1", Alert: 1, Do: notify.DoRun("isolate"), From: "pri@sms"}
	reply, err := n.Answer(t.Context(), "sms", answer)
	check(t, err)
	if !strings.HasPrefix(reply.Text, "isolate approved by pri at ") {
		t.Errorf("reply %q", reply.Text)
	}
	again, err := n.Answer(t.Context(), "sms", answer)
	if err != nil || again.Text != "That was done already." {
		t.Errorf("the same press again: %q, %v", again.Text, err)
	}
	n.at(1)
	if told := n.told(); !slices.Contains(told, "0 isolate action") {
		t.Errorf("told %v", told)
	}
}

// A receiver that somebody disabled says nothing of the addresses that it reaches.
func TestADisabledReceiverIsNoFaultOfAnAddress(t *testing.T) {
	t.Parallel()
	n := newNight(t, nil)
	n.places["sms"].refuse = func(notify.Message) error { return notify.Permanent(engine.ErrDisabled) }
	for i := range 4 {
		n.finding(named(fmt.Sprint("f", i)))
	}
	n.at(1)
	check(t, n.store.View(t.Context(), func(tx *store.Tx) error {
		p, err := tx.Person("pri")
		if c := p.Contacts[0]; !c.Usable() || c.Failures != 0 {
			t.Errorf("contact method %+v", c)
		}
		return err
	}))
}

// A browser that has forgotten its subscription is not tried three times.
func TestAnAddressThatIsGoneIsDisabledAtOnce(t *testing.T) {
	t.Parallel()
	n := newNight(t, nil)
	n.places["sms"].refuse = func(m notify.Message) error {
		if m.Person == "pri" {
			return notify.Gone(errors.New("410 Gone"))
		}
		return nil
	}
	n.finding()
	n.at(1)
	check(t, n.store.View(t.Context(), func(tx *store.Tx) error {
		p, err := tx.Person("pri")
		if c := p.Contacts[0]; c.DisabledWhy != "is gone: 410 Gone" || c.Usable() {
			t.Errorf("contact method %+v", c)
		}
		return err
	}))
	if told := n.told(); !slices.Contains(told, "0 chat note") {
		t.Errorf("told %v, not the team that pri cannot be reached", told)
	}
}
