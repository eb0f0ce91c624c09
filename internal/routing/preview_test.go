package routing_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

// past is an alert that opened then, in the account of payments.
func past(t testing.TB, id int64, opened string, change func(*tocsin.Alert)) tocsin.Alert {
	t.Helper()
	a := alert(ofPayments, tocsin.Low)
	a.ID, a.OpenedAt, a.Type, a.Told = id, at(t, opened), "Recon:EC2/PortProbeUnprotectedPort", []string{"soc-slack", "archive"}
	a.Detection.ID = "finding-" + string(rune('a'+id))
	if change != nil {
		change(&a)
	}
	return a
}

// sequence is an attack sequence of the same account.
func sequence(t testing.TB, id int64, opened string, facts ...tocsin.Fact) tocsin.Alert {
	t.Helper()
	return past(t, id, opened, func(a *tocsin.Alert) {
		a.Type, a.Level, a.Detection.ID, a.Facts = "AttackSequence:EC2/CompromisedInstanceGroup", tocsin.Critical, "seq-1", facts
		a.Resource = tocsin.Resource{Type: "AttackSequence", ID: "i-0abc"}
	})
}

func TestWhatASilenceWouldHaveHidden(t *testing.T) {
	t.Parallel()
	rs := routes(t, table())
	alerts := []tocsin.Alert{
		past(t, 1, "2026-03-01T10:00:00Z", nil),
		past(t, 2, "2026-03-02T10:00:00Z", func(a *tocsin.Alert) { a.CloseReason, a.Status = tocsin.ReasonFixed, tocsin.StatusClosed }),
		past(t, 3, "2026-03-03T10:00:00Z", func(a *tocsin.Alert) { a.Type, a.Told = "Recon:IAMUser/TorIPCaller", nil }),
		past(t, 4, "2026-03-04T10:00:00Z", func(a *tocsin.Alert) { a.Level = tocsin.High }), // not matched
		past(t, 5, "2025-11-01T10:00:00Z", nil), // before
		past(t, 6, "2026-03-06T10:00:00Z", func(a *tocsin.Alert) { a.Status, a.Assignee = tocsin.StatusAcked, "ana" }),
		past(t, 7, "2025-11-01T10:00:00Z", func(a *tocsin.Alert) { a.ReopenedAt = at(t, "2026-03-07T10:00:00Z") }),
		sequence(t, 8, "2026-03-07T11:00:00Z", tocsin.Fact{Name: "Findings", Value: "finding-x, finding-b and 3 more"}),
	}
	s := silence(t, 0, "2026-04-01T00:00:00Z", "2026-04-08T00:00:00Z")
	s.Pattern = json.RawMessage(`{"level":["low"],"status":["open"],"assignee":[{"exists":false}]}`)
	from, to := at(t, "2026-01-01T00:00:00Z"), at(t, "2026-04-01T00:00:00Z")
	want := routing.Preview{
		From: from, To: to, Alerts: 5, Notifications: 8,
		ByLevel:   map[tocsin.Level]int{tocsin.Low: 5},
		ByType:    []routing.TypeCount{{"Recon:EC2/PortProbeUnprotectedPort", 4}, {"Recon:IAMUser/TorIPCaller", 1}},
		Sequences: 1, Fixed: 1,
		Later: []routing.Later{{Alert: 1, Type: "Recon:EC2/PortProbeUnprotectedPort", Level: tocsin.Low, What: routing.LaterSequence, Sequence: 8, By: "finding finding-b"}, {Alert: 2, Type: "Recon:EC2/PortProbeUnprotectedPort", Level: tocsin.Low, What: routing.LaterFixed}},
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 { // the answer is the same whatever the order
		got, err := rs.Preview(s, from, to, slices.Values(alerts))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("Preview (-want +got):\n%s", diff)
		}
		random.Shuffle(len(alerts), func(i, j int) { alerts[i], alerts[j] = alerts[j], alerts[i] })
	}
	const line = "would have hidden 5 alerts in 90 days (5 low), 1 of which later became part of an attack sequence, 1 closed as fixed"
	if got := want.String(); got != line {
		t.Errorf("String = %q, want %q", got, line)
	}
	s.Pattern = json.RawMessage(`{"level":[]}`)
	if _, err := rs.Preview(s, from, to, slices.Values(alerts)); err == nil {
		t.Error("a pattern that is none has a preview")
	}
}

func TestWhatTiesAHiddenAlertToAnAttackSequence(t *testing.T) {
	t.Parallel()
	rs := routes(t, table())
	for _, tt := range []struct {
		name   string
		hidden func(*tocsin.Alert)
		facts  []tocsin.Fact // of the sequence
		what   routing.LaterKind
		by     string
	}{
		{"its finding is one of the sequence's", nil, []tocsin.Fact{{Name: "Findings", Value: "finding-b"}}, routing.LaterSequence, "finding finding-b"},
		{"an id that only begins like it is another", nil, []tocsin.Fact{{Name: "Findings", Value: "finding-bb"}}, "", ""},
		{"it names the sequence itself", func(a *tocsin.Alert) { a.Facts = []tocsin.Fact{{Name: "Sequence", Value: "seq-1"}} }, nil, routing.LaterSequence, "names sequence seq-1"},
		{"a finding ties whenever it was", func(a *tocsin.Alert) { a.OpenedAt = a.OpenedAt.AddDate(0, -1, 0) }, []tocsin.Fact{{Name: "Findings", Value: "finding-b"}}, routing.LaterSequence, "finding finding-b"},
		{"its resource is the sequence's", func(a *tocsin.Alert) { a.Resource.ID = "i-0abc" }, nil, routing.LaterSuspect, "resource i-0abc"},
		{"its resource is one of several", func(a *tocsin.Alert) { a.Resource.ID = "i-0def" }, []tocsin.Fact{{Name: "Ours", Value: "EC2 i-0fff, EC2 i-0def"}}, routing.LaterSuspect, "resource i-0def"},
		{"a resource whose name is part of another's is another", func(a *tocsin.Alert) { a.Resource.ID = "prod" }, []tocsin.Fact{{Name: "Ours", Value: "S3 bucket prod-logs"}}, "", ""},
		{"a resource more than a day before is another story", func(a *tocsin.Alert) { a.Resource.ID, a.OpenedAt = "i-0abc", a.OpenedAt.AddDate(0, 0, -3) }, nil, "", ""},
		{"unless it was heard of since", func(a *tocsin.Alert) {
			a.Resource.ID, a.HeardAt, a.OpenedAt = "i-0abc", a.OpenedAt, a.OpenedAt.AddDate(0, 0, -3)
		}, nil, routing.LaterSuspect, "resource i-0abc"},
		{"its principal", func(a *tocsin.Alert) { a.Actor.Principal = "user ana" }, nil, routing.LaterSuspect, "principal user ana"},
		{"its address", func(a *tocsin.Alert) { a.Actor.IP = "198.51.100.1" }, nil, routing.LaterSuspect, "address 198.51.100.1"},
		{"nothing", nil, nil, "", ""},
		{"the same in another account", func(a *tocsin.Alert) { a.Account, a.Actor.IP = ofNobody, "198.51.100.1" }, nil, "", ""},
		{"it is an attack sequence", func(a *tocsin.Alert) { a.Type = "AttackSequence:S3/CompromisedData" }, nil, routing.LaterSequence, "is one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			seq := sequence(t, 9, "2026-03-05T12:00:00Z", tt.facts...)
			seq.Actor = tocsin.Actor{Principal: "user ana", IP: "198.51.100.1"}
			s := silence(t, 4, "2026-02-01T00:00:00Z", "2026-03-06T00:00:00Z")
			got, err := rs.Report(s, slices.Values([]tocsin.Alert{past(t, 1, "2026-03-05T10:00:00Z", tt.hidden), seq}))
			if err != nil {
				t.Fatal(err)
			}
			if got.Alerts != 1 || got.Sequences+got.Suspects != len(got.Later) {
				t.Fatalf("%d alerts, %d in sequences, %d suspects, %v", got.Alerts, got.Sequences, got.Suspects, got.Later)
			}
			var later routing.Later
			if len(got.Later) > 0 {
				later = got.Later[0]
			}
			if later.What != tt.what || later.By != tt.by {
				t.Errorf("it is %q by %q, want %q by %q", later.What, later.By, tt.what, tt.by)
			}
		})
	}
}

func TestWhatASilenceHid(t *testing.T) {
	t.Parallel()
	rs := routes(t, table())
	s := silence(t, 4, "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z")
	s.Kind, s.Every = tocsin.KindMaintenance, &tocsin.Recurrence{TimeZone: "Europe/Berlin", From: "22:00", To: "02:00"}
	s.EndedAt = at(t, "2026-03-05T00:00:00Z")
	var alerts []tocsin.Alert
	for i, opened := range []string{
		"2026-03-01T22:00:00Z", // before
		"2026-03-02T12:00:00Z", // out of hours
		"2026-03-02T21:00:00Z", // 22:00 in Berlin
		"2026-03-03T00:59:59Z",
		"2026-03-03T01:00:00Z", // 02:00 in Berlin
		"2026-03-06T22:00:00Z", // ended
	} {
		alerts = append(alerts, past(t, int64(i+1), opened, func(a *tocsin.Alert) { a.Told = nil }))
	}
	got, err := rs.Report(s, slices.Values(alerts))
	if err != nil {
		t.Fatal(err)
	}
	if want := "hid 2 alerts in 3 days (2 low)"; got.String() != want || !got.Hid || !got.To.Equal(s.EndedAt) {
		t.Errorf("Report = %s until %s, want %s", got, got.To, want)
	}
	s.Kind, s.Pattern, s.Key, s.Every = tocsin.KindMute, nil, "k", nil
	alerts = append(alerts, past(t, 9, "2026-03-04T00:00:00Z", func(a *tocsin.Alert) { a.Key = "k" }))
	if got, err := rs.Report(s, slices.Values(alerts)); err != nil || got.Alerts != 1 {
		t.Errorf("a mute hid %v, %v", got, err)
	}
	s.EndedAt = s.From.Add(time.Hour)
	if got, err := rs.Report(s, slices.Values(alerts)); err != nil || got.String() != "hid 0 alerts in 1 hour" {
		t.Errorf("a mute that was ended at once %s, %v", got, err)
	}
}

func TestAPreviewIsBounded(t *testing.T) {
	t.Parallel()
	var alerts []tocsin.Alert
	for i := range int64(500) {
		alerts = append(alerts, past(t, i, "2026-03-02T12:00:00Z", func(a *tocsin.Alert) {
			a.Type, a.CloseReason = "Type:EC2/"+string(rune('A'+i%25)), tocsin.ReasonFixed
		}))
	}
	got, err := routes(t, table()).Report(silence(t, 4, "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"), slices.Values(alerts))
	if err != nil || got.Alerts != 500 || got.Fixed != 500 || len(got.ByType) != 10 || len(got.Later) != 100 || got.Later[0].Alert != 0 {
		t.Errorf("of 500 there are %d, %d fixed, %d types, %d later; %v", got.Alerts, got.Fixed, len(got.ByType), len(got.Later), err)
	}
	text, err := json.Marshal(got.ByLevel)
	if err != nil || string(text) != `{"low":500}` {
		t.Errorf("levels in JSON are %s, %v", text, err)
	}
}

func TestASequenceKnowsAllOfItsFindings(t *testing.T) {
	t.Parallel()
	rs := routes(t, table())
	fact := tocsin.Fact{Name: "Findings", Value: "finding-x, finding-b and 7 more"}
	for _, tt := range []struct {
		name   string
		linked []string
		facts  []tocsin.Fact
		want   string
	}{
		{"one that the fact leaves out", []string{"finding-x", "finding-y", "finding-b"}, []tocsin.Fact{{Name: "Findings", Value: "finding-x and 2 more"}}, "finding finding-b"},
		{"without a fact", []string{"finding-b"}, nil, "finding finding-b"},
		{"one that is not among them, whatever the fact says", []string{"finding-x"}, []tocsin.Fact{fact}, ""},
		{"an id that only begins like it", []string{"finding-bb"}, nil, ""},
		{"an alert from before they were kept: the fact", nil, []tocsin.Fact{fact}, "finding finding-b"},
		{"neither", nil, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			seq := sequence(t, 9, "2026-03-05T12:00:00Z", tt.facts...)
			seq.Linked = tt.linked
			s := silence(t, 4, "2026-02-01T00:00:00Z", "2026-03-06T00:00:00Z")
			got, err := rs.Report(s, slices.Values([]tocsin.Alert{past(t, 1, "2026-03-05T10:00:00Z", nil), seq}))
			if err != nil {
				t.Fatal(err)
			}
			var by string
			if len(got.Later) > 0 {
				by = got.Later[0].By
			}
			if by != tt.want {
				t.Errorf("it is tied by %q, want %q", by, tt.want)
			}
		})
	}
}
