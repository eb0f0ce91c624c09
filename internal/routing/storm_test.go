package routing_test

import (
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

func TestTheFirstOfAMinuteAreToldSinglyAndTheRestTogether(t *testing.T) {
	t.Parallel()
	var s routing.Storm
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	take := func(route string, after time.Duration, single bool, due time.Duration) {
		t.Helper()
		want := time.Time{}
		if !single {
			want = noon.Add(due)
		}
		if got, when := s.Take(route, 3, noon.Add(after)); got != single || !when.Equal(want) {
			t.Errorf("%s at 12:00 +%s: singly %v, due %s; want %v, %s", route, after, got, when, single, want)
		}
	}
	for i := range 3 {
		take("a", time.Duration(i)*time.Second, true, 0)
	}
	take("a", 3*time.Second, false, time.Minute)
	take("b", 4*time.Second, true, 0) // each route by itself
	take("a", 59*time.Second, false, time.Minute)
	take("a", time.Minute, true, 0)                 // the next minute begins anew
	take("a", 59*time.Second, true, 0)              // a clock that goes back is in the present one
	take("a", 59*time.Second, true, 0)              //
	take("a", 59*time.Second, false, 2*time.Minute) //
}

func TestAStormOfAThousandAlerts(t *testing.T) {
	t.Parallel()
	rs := routes(t, table(
		routing.Route{Name: "archive", Receivers: []string{"archive"}, Storm: 1000, Continue: true},
		routing.Route{Name: "soc", Team: "soc", Receivers: []string{"soc-slack", "pager"}},
	))
	var s routing.Storm
	now := time.Date(2026, 3, 2, 12, 0, 30, 0, time.UTC)
	end := time.Date(2026, 3, 2, 12, 1, 0, 0, time.UTC)
	singly := map[string]int{}
	for i := range 1000 {
		d := rs.Decide(alert(ofNobody, tocsin.Low))
		s.Mark(&d, now)
		for _, target := range d.Targets {
			switch {
			case target.Digest.IsZero():
				singly[target.Receiver]++
			case !target.Digest.Equal(end):
				t.Fatalf("alert %d: the digest for %s is due at %s, want the end of the minute", i, target.Receiver, target.Digest)
			}
		}
		if d.Digest.IsZero() {
			singly["policy"]++
		}
	}
	want := map[string]int{"archive": 1000, "soc-slack": routing.DefaultStorm, "pager": routing.DefaultStorm, "policy": routing.DefaultStorm}
	for who, n := range want {
		if singly[who] != n {
			t.Errorf("%s was told %d singly, want %d", who, singly[who], n)
		}
	}
}

func TestWhatWasNotKeptDoesNotCount(t *testing.T) {
	t.Parallel()
	rs := routes(t, table(routing.Route{Name: "soc", Receivers: []string{"a"}, Storm: 1}))
	var s routing.Storm
	now := time.Date(2026, 3, 2, 12, 0, 30, 0, time.UTC)
	s.Untake(rs.Decide(alert(ofNobody, tocsin.Low)), now) // nothing to take back
	for range 3 {
		d := rs.Decide(alert(ofNobody, tocsin.Low))
		s.Mark(&d, now)
		if !d.Targets[0].Digest.IsZero() {
			t.Fatal("after it was taken back it still counts")
		}
		s.Untake(d, now)
	}
	d := rs.Decide(alert(ofNobody, tocsin.Low))
	s.Mark(&d, now)
	s.Untake(d, now.Add(-time.Hour)) // of a minute that is over
	s.Mark(&d, now)
	if d.Targets[0].Digest.IsZero() {
		t.Error("what was kept does not count")
	}
}
