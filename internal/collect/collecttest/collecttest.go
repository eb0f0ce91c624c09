// Package collecttest is the promises of a collector as one suite of tests, which
// each collector runs over itself. The promises are those of package collect:
// "received" is said only after the sink returned nil, a failure asks for another
// try, what cannot be read is recorded and acknowledged, bytes are kept as they
// came, and a collector ends cleanly.
package collecttest

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

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// An Answer is what a sender is told.
type Answer int

// The answers.
const (
	Received Answer = iota // never send it again
	TryAgain               // send it again later
	Refused                // it will never be taken
)

func (a Answer) String() string { return [...]string{"received", "try again", "refused"}[a] }

// A Harness runs one kind of collector.
type Harness struct {
	// Source and Via are what its events are to say of themselves.
	Source, Via string
	// Start runs a collector that hands events to sink.
	Start func(t *testing.T, sink collect.Sink) *Running

	// What follows is for kinds that do not take whatever is posted.

	// Event is the i-th of events that the kind takes, a JSON object with room for
	// unknown members; nil is an EventBridge event.
	Event func(i int) []byte
	// Kept reports whether what is kept is the event that was sent; nil wants the same
	// bytes.
	Kept func(sent, kept []byte) bool
	// Single says that one delivery is one event, whatever is in it.
	Single bool
	// Nameless says that a delivery has no id, so that each one counts.
	Nameless bool
	// Unreadable is what the sender of something unreadable is told. It is recorded
	// all the same.
	Unreadable Answer
	// Anything says that nothing is unreadable.
	Anything bool
}

func (h Harness) event(i int) []byte {
	if h.Event == nil {
		return event(i)
	}
	return h.Event(i)
}

func (h Harness) kept(sent, kept []byte) bool {
	if h.Kept == nil {
		return bytes.Equal(sent, kept)
	}
	return h.Kept(sent, kept)
}

// Running is a collector that runs, and the one who sends to it.
type Running struct {
	// Send delivers body as one event, or several where [collect.Split] says so.
	Send func(body []byte) Answer
	// Stop ends the context of Run and returns what Run returned.
	Stop func() error
	// Hang begins a delivery and never ends it; release lets go of it. It is nil
	// where there is only one sender.
	Hang func(t *testing.T) (release func())
	// Once says that each Send runs the collector to its end, so that there is
	// nothing to send to after Stop.
	Once bool
}

// deadline is how long anything may take before the suite calls it stuck.
const deadline = time.Minute

// sink is a sink that a test controls.
type sink struct {
	mu     sync.Mutex
	events []tocsin.Event
	fail   error
	// gate, when set, is waited for by each call, which says so on entered.
	gate    chan struct{}
	entered chan struct{}
}

func (s *sink) take(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		s.entered <- struct{}{}
		select {
		case <-gate:
		case <-time.After(deadline):
			return nil, errors.New("the test never let go")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	receipts := make([]tocsin.Receipt, len(events))
	for i, ev := range events {
		ev.Raw = slices.Clone(ev.Raw)
		s.events = append(s.events, ev)
		receipts[i] = tocsin.Receipt{Seq: int64(len(s.events)), Verdict: tocsin.Filtered}
	}
	if s.fail != nil {
		return nil, s.fail
	}
	return receipts, ctx.Err()
}

func (s *sink) got() []tocsin.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

func (s *sink) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// event is a small event with an id of its own.
func event(i int) []byte {
	return fmt.Appendf(nil, `{"version":"0","id":"event-%d","detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{"n":%d}}`, i, i)
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, promise := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"an event arrives with source, kind and time", arrives},
		{"bytes are kept as they came", keepsBytes},
		{"several events in one delivery", several},
		{"acknowledged only after the sink returned", waitsForSink},
		{"a failing sink asks for another try", triesAgain},
		{"what cannot be read is recorded and acknowledged", recordsUnreadable},
		{"good neighbours of a broken event arrive", keepsNeighbours},
		{"many senders at once", manySenders},
		{"a sender that hangs keeps nobody waiting", hanging},
		{"ends cleanly", endsCleanly},
	} {
		t.Run(promise.name, func(t *testing.T) {
			t.Parallel()
			promise.test(t, h)
		})
	}
}

func start(t *testing.T, h Harness) (*sink, *Running) {
	t.Helper()
	s := &sink{}
	return s, h.Start(t, s.take)
}

func send(t *testing.T, r *Running, body []byte, want Answer) {
	t.Helper()
	if got := r.Send(body); got != want {
		t.Fatalf("sending %.200q: the sender is told %q, want %q", body, got, want)
	}
}

func stop(t *testing.T, r *Running) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- r.Stop() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run after its context ended = %v, want nil", err)
		}
	case <-time.After(deadline):
		t.Error("Run does not return after its context ended")
	}
}

func arrives(t *testing.T, h Harness) {
	s, r := start(t, h)
	send(t, r, h.event(1), Received)
	stop(t, r)
	got := s.got()
	if len(got) != 1 {
		t.Fatalf("the sink got %d events, want 1", len(got))
	}
	ev := got[0]
	if ev.Source != h.Source || ev.Via != h.Via || ev.ReceivedAt.IsZero() || (ev.Envelope == "") != h.Nameless || ev.Unreadable != "" {
		t.Errorf("event = %+v, want source %s via %s, with a time and an envelope id, readable", ev, h.Source, h.Via)
	}
}

func keepsBytes(t *testing.T, h Harness) {
	s, r := start(t, h)
	bodies := []string{
		string(event(1)),
		`{ "a" : 1.0 ,	"b" : 1e2, "c":-0 }`,
		"{\n  \"pretty\": true\n}",
		`{"b":1,"a":2,"b":3}`,
		`{"text":"\u00e9 é 漢字 🛎 \ud83d\udece \/ \u0000 <&>"}`,
		`{"long":12345678901234567890123}`,
		`{}`,
	}
	if h.Event != nil {
		bodies = nil
		for i, odd := range []string{
			`"a" : 1.0 ,	"b" : 1e2, "c":-0 , `, "\n  \"pretty\": true,\n", `"b":1,"b":3,`,
			`"text":"\u00e9 é 漢字 🛎 \ud83d\udece \/ \u0000 <&>",`, `"long":12345678901234567890123,`,
		} {
			bodies = append(bodies, "{"+odd+strings.TrimPrefix(string(h.Event(i)), "{"))
		}
	}
	for _, b := range bodies {
		send(t, r, []byte(b), Received)
	}
	stop(t, r)
	var got []string
	for _, ev := range s.got() {
		got = append(got, string(ev.Raw))
	}
	if !slices.EqualFunc(bodies, got, func(sent, kept string) bool { return h.kept([]byte(sent), []byte(kept)) }) {
		t.Errorf("events:\n%q\nwant\n%q", got, bodies)
	}
}

func several(t *testing.T, h Harness) {
	if h.Single {
		t.Skip("one delivery is one event")
	}
	s, r := start(t, h)
	want := []string{string(h.event(1)), string(h.event(2)), string(h.event(3))}
	send(t, r, fmt.Appendf(nil, "[%s, %s,\n%s]", want[0], want[1], want[2]), Received)
	stop(t, r)
	var got, ids []string
	for _, ev := range s.got() {
		got, ids = append(got, string(ev.Raw)), append(ids, ev.Envelope)
	}
	if !slices.EqualFunc(want, got, func(sent, kept string) bool { return h.kept([]byte(sent), []byte(kept)) }) {
		t.Errorf("events %q, want %q", got, want)
	}
	if h.Nameless {
		return
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 3 {
		t.Errorf("envelope ids %q, want three", ids)
	}
}

func waitsForSink(t *testing.T, h Harness) {
	s, r := start(t, h)
	s.gate, s.entered = make(chan struct{}), make(chan struct{}, 1)
	answer := make(chan Answer, 1)
	go func() { answer <- r.Send(h.event(1)) }()
	await(t, s.entered, "the sink is never called")
	select {
	case a := <-answer:
		t.Errorf("the sender is told %q before the sink returned", a)
	default:
	}
	close(s.gate)
	select {
	case a := <-answer:
		if a != Received {
			t.Errorf("the sender is told %q, want %q", a, Received)
		}
	case <-time.After(deadline):
		t.Error("the sender is told nothing after the sink returned")
	}
	stop(t, r)
}

func triesAgain(t *testing.T, h Harness) {
	s, r := start(t, h)
	s.setFail(errors.New("the disk is full"))
	for i, body := range [][]byte{h.event(1), []byte("not JSON")} {
		s.setFail(errors.New("the disk is full"))
		send(t, r, body, TryAgain)
		s.setFail(nil)
		if i == 0 || h.Anything {
			send(t, r, body, Received)
		} else {
			send(t, r, body, h.Unreadable)
		}
	}
	stop(t, r)
	got := s.got()
	if len(got) != 4 {
		t.Fatalf("the sink was offered %d events, want each of two twice", len(got))
	}
	if !h.kept(h.event(1), got[0].Raw) || !h.kept(h.event(1), got[1].Raw) || !h.Anything && !bytes.Equal(got[2].Raw, got[3].Raw) {
		t.Errorf("the second try brought other bytes: %q, %q; then %q, %q", got[0].Raw, got[1].Raw, got[2].Raw, got[3].Raw)
	}
}

func recordsUnreadable(t *testing.T, h Harness) {
	if h.Anything {
		t.Skip("nothing is unreadable")
	}
	s, r := start(t, h)
	for i, body := range []string{"not JSON", `{"id":`, "\x00\x01\x02", `{"a":"b" "c"}`} {
		send(t, r, []byte(body), h.Unreadable)
		got := s.got()
		if len(got) != i+1 {
			t.Fatalf("%q: the sink got %d events, want one more", body, len(got))
		}
		if ev := got[i]; ev.Unreadable == "" || string(ev.Raw) != body {
			t.Errorf("%q: recorded %q as %q, want the same bytes and why they cannot be read", body, ev.Raw, ev.Unreadable)
		}
	}
	stop(t, r)
}

func keepsNeighbours(t *testing.T, h Harness) {
	if h.Single {
		t.Skip("one delivery is one event")
	}
	s, r := start(t, h)
	send(t, r, fmt.Appendf(nil, "%s\n{broken\n%s\n", h.event(1), h.event(2)), Received)
	stop(t, r)
	got := s.got()
	if len(got) != 3 {
		t.Fatalf("the sink got %d events, want 3", len(got))
	}
	for i, want := range []string{string(h.event(1)), "{broken", string(h.event(2))} {
		same := string(got[i].Raw) == want || i != 1 && h.kept([]byte(want), got[i].Raw)
		if !same || (got[i].Unreadable != "") != (i == 1) {
			t.Errorf("event %d = %q, unreadable %q; want %q", i, got[i].Raw, got[i].Unreadable, want)
		}
	}
}

func manySenders(t *testing.T, h Harness) {
	s, r := start(t, h)
	const senders = 20
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			if a := r.Send(h.event(i)); a != Received {
				t.Errorf("sender %d is told %q", i, a)
			}
		})
	}
	wg.Wait()
	stop(t, r)
	if t.Failed() {
		return
	}
	var got []string
	for _, ev := range s.got() {
		got = append(got, string(ev.Raw))
	}
	for i := range senders {
		if !slices.ContainsFunc(got, func(kept string) bool { return h.kept(h.event(i), []byte(kept)) }) {
			t.Errorf("event %d was acknowledged and is not in the sink", i)
		}
	}
}

func hanging(t *testing.T, h Harness) {
	s, r := start(t, h)
	if r.Hang == nil {
		stop(t, r)
		t.Skip("there is only one sender")
	}
	release := r.Hang(t)
	defer release()
	send(t, r, h.event(1), Received)
	stop(t, r)
	if n := len(s.got()); n != 1 {
		t.Errorf("the sink got %d events, want 1", n)
	}
}

func endsCleanly(t *testing.T, h Harness) {
	s, r := start(t, h)
	s.gate, s.entered = make(chan struct{}), make(chan struct{}, 1)
	answer := make(chan Answer, 1)
	go func() { answer <- r.Send(h.event(1)) }()
	await(t, s.entered, "the sink is never called")
	ended := make(chan error, 1)
	stopping := make(chan struct{})
	go func() {
		close(stopping)
		ended <- r.Stop()
	}()
	<-stopping
	select {
	case err := <-ended:
		t.Errorf("Run returned while the sink was at work: %v", err)
	case <-time.After(20 * time.Millisecond): // a wrong end would be seen; a late one is no fault
	}
	close(s.gate)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run after its context ended = %v, want nil", err)
		}
	case <-time.After(deadline):
		t.Fatal("Run does not return after the sink did")
	}
	if a := <-answer; a == Refused {
		t.Errorf("the last sender is told %q", a)
	}
	if !r.Once {
		send(t, r, h.event(2), TryAgain)
		if n := len(s.got()); n != 1 {
			t.Errorf("the sink got %d events, want none after the end", n)
		}
	}
}

func await(t *testing.T, c <-chan struct{}, otherwise string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(deadline):
		t.Fatal(otherwise)
	}
}
