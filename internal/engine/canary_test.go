package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/canary"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
)

const birdID = "0123456789abcdef0123456789abcdef"

func (s *scene) send(t *testing.T, canaries ...tocsin.Canary) {
	t.Helper()
	check(t, s.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.SendCanaries(canaries...)
		return err
	}))
}

func (s *scene) canary(t *testing.T) (c tocsin.Canary) {
	t.Helper()
	check(t, s.store.View(t.Context(), func(tx *store.Tx) error {
		all, err := tx.Canaries("")
		if len(all) == 1 {
			c = all[0]
		}
		return err
	}))
	return c
}

// greedy has every event open an alert.
func greedy(t *testing.T, s *scene) {
	t.Helper()
	var err error
	s.plan.Rules, err = rules.New([]rules.Rule{{Name: "everything", Pattern: parse(t, `{"source":[{"exists":true}]}`)}}, nil)
	check(t, err)
	s.reopenEngine(t)
}

func flying(at time.Time) tocsin.Canary {
	return tocsin.Canary{
		ID: birdID, Source: "canaries", Place: tocsin.Place{Account: "111122223333", Region: "eu-west-1"}, SentAt: at, Due: at.Add(5 * time.Minute),
	}
}

// arrived is the event of a canary as EventBridge delivers it to a source.
func arrived(c tocsin.Canary, source string) tocsin.Event {
	return tocsin.Event{Source: source, Via: "sqs", Envelope: "e1", Raw: []byte(`{"version":"0","id":"e1","detail-type":"` + canary.DetailType + `","source":"` + canary.Source +
		`","account":"111122223333","time":"2026-01-05T03:00:00Z","region":"eu-west-1","resources":[],"detail":` + string(canary.Detail(c)) + `}`)}
}

func TestACanaryArrivesAndNobodyIsTold(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *store.Store) {
		s := newScene(t, open)
		greedy(t, s)
		sentAt := s.now()
		s.send(t, flying(sentAt))
		s.pass(2300 * time.Millisecond)
		first := s.accept(t, arrived(flying(sentAt), "queue"))[0]
		again := s.accept(t, arrived(flying(sentAt), "queue"))[0]
		s.pass(time.Minute)
		other := s.accept(t, arrived(flying(sentAt), "topic"))[0]
		got := []string{string(first.Verdict) + ": " + first.Reason, string(again.Verdict), string(other.Verdict) + ": " + other.Reason}
		want := []string{"canary: a canary of canaries, 2.3s after it was sent", "duplicate", "canary: a canary of canaries, which had arrived by sqs:queue before"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if c := s.canary(t); !c.ArrivedAt.Equal(sentAt.Add(2300*time.Millisecond)) || c.Path != "sqs:queue" {
			t.Errorf("the canary is %+v", c)
		}
		s.drain(t)
		if a, n := s.alerts(t), s.notifications(t); len(a)+len(n) != 0 {
			t.Errorf("%d alerts and %d messages, want none", len(a), len(n))
		}
	})
}

// Whoever may put events on a bus may write what he likes; only who knows the id of
// one that is out can say that it arrived.
func TestACanaryOfNobodyIsIgnored(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	greedy(t, s)
	s.send(t, flying(s.now()))
	forged := flying(s.now())
	forged.ID = strings.Repeat("f", 32)
	for _, ev := range []tocsin.Event{arrived(forged, "queue"), {Source: "queue", Via: "sqs", Raw: []byte(`{"source":"tocsin.canary","detail-type":"x","detail":{"canary":7}}`)}} {
		if r := s.accept(t, ev)[0]; r.Verdict != tocsin.Ignored || r.Alert != 0 {
			t.Errorf("%+v, want it ignored", r)
		}
	}
	if c := s.canary(t); !c.ArrivedAt.IsZero() {
		t.Errorf("it says that it arrived: %+v", c)
	}
}

func TestASampleFindingIsACanaryOnlyWhereOneWasAskedFor(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	sample := finding{envelope: "e1", id: "sample", severity: 8, count: 1}
	if r := s.accept(t, sample.event())[0]; r.Verdict != tocsin.Opened {
		t.Errorf("a sample that a person asked for: %s, want it told", r.Verdict)
	}
	asked := flying(s.now())
	asked.Sample = "Backdoor:EC2/C&CActivity.B"
	s.send(t, asked)
	api := finding{envelope: "e2", id: "sample", severity: 8, count: 2, hour: 1}.event()
	api.Via = tocsin.ViaReconcile
	if r := s.accept(t, api)[0]; r.Verdict != tocsin.Watched || !s.canary(t).ArrivedAt.IsZero() {
		t.Errorf("one that was asked for from the API: %s, and %+v; want a canary that has not arrived", r.Verdict, s.canary(t))
	}
	s.pass(time.Minute)
	if r := s.accept(t, finding{envelope: "e3", id: "sample", severity: 8, count: 3, hour: 2}.event())[0]; r.Verdict != tocsin.Watched || s.canary(t).ArrivedAt.IsZero() {
		t.Errorf("one that came by event: %s, and %+v", r.Verdict, s.canary(t))
	}
	for _, other := range []finding{
		{envelope: "e4", id: "sample", severity: 8, kind: "Trojan:EC2/DNSDataExfiltration"},
		{envelope: "e5", id: "real", severity: 8},
		{envelope: "e6", id: "sample", severity: 8, account: "444455556666"},
	} {
		if r := s.accept(t, other.event())[0]; r.Verdict == tocsin.Watched {
			t.Errorf("%+v is taken for a canary", other)
		}
	}
}

// What a collector's own rules do not want is in the journal, and is nothing else.
func TestWhatACollectorDoesNotWantIsFiltered(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	ev := finding{envelope: "e1", id: "f1", severity: 8}.event()
	ev.Unwanted = "no rule of the event bus default matches it"
	if r := s.accept(t, ev)[0]; r.Verdict != tocsin.Filtered || r.Reason != ev.Unwanted {
		t.Errorf("%+v", r)
	}
}

// The journal knows every version of a finding, whatever became of it.
func TestTheJournalKnowsWhichFindingsItHas(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite)
	s.accept(t, finding{envelope: "e1", id: "f1", severity: 8}.event(), finding{envelope: "e2", id: "f1", severity: 8, hour: 3}.event(),
		finding{envelope: "e3", id: "f2", severity: 2, kind: "Recon:EC2/Portscan"}.event())
	key := func(id string) tocsin.Key { return tocsin.KeyOf("aws", "111122223333", "eu-west-1", id) }
	check(t, s.store.View(t.Context(), func(tx *store.Tx) error {
		held, err := tx.Held([]tocsin.Key{key("f1"), key("f2"), key("f3")})
		newest, filtered := morning.Add(3*time.Hour), morning
		want := map[tocsin.Key]tocsin.Held{key("f1"): {Newest: newest, Pushed: newest}, key("f2"): {Newest: filtered, Pushed: filtered}}
		if diff := cmp.Diff(want, held); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		return err
	}))
}
