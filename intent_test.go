package tocsin_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
)

// An intent is about an alert that is there, and says only what it says.
func TestAnEventThatMeansAnAlertThatIsThere(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	full := tocsin.Detection{
		Key: "k", Dialect: "pager", ID: "db", Title: "The database is slow", Headline: "The database is slow", Description: "over 2 s", Level: tocsin.Medium, Severity: 5,
		Resource: tocsin.Resource{ID: "db-1"}, Actor: tocsin.Actor{IP: "192.0.2.1"}, Facts: []tocsin.Fact{{Name: "What", Value: "slow"}},
	}
	open, _ := tocsin.Alert{}.Fold(full, now)
	for _, tt := range []struct {
		name   string
		news   tocsin.Detection
		change func(want *tocsin.Detection)
		status tocsin.Status
		tell   tocsin.Kind
	}{
		{
			"news says what is new and leaves the rest",
			tocsin.Detection{Intent: tocsin.IntentUpdate, Title: "The database is slower", Level: tocsin.Low, Facts: []tocsin.Fact{{Name: "What", Value: "slower"}}, LastSeen: now},
			func(want *tocsin.Detection) {
				want.Title, want.Level, want.Severity, want.LastSeen = "The database is slower", tocsin.Low, 0, now
				want.Facts = []tocsin.Fact{{Name: "What", Value: "slower"}}
			}, tocsin.StatusOpen, "",
		},
		{
			"news that it is worse calls people again",
			tocsin.Detection{Intent: tocsin.IntentUpdate, Level: tocsin.Critical, Actor: tocsin.Actor{IP: "192.0.2.2"}},
			func(want *tocsin.Detection) {
				want.Level, want.Severity, want.Actor.IP = tocsin.Critical, 0, "192.0.2.2"
			}, tocsin.StatusOpen, tocsin.TellRaised,
		},
		{
			"an acknowledgement says nothing of what happened",
			tocsin.Detection{Intent: tocsin.IntentAcknowledge, Title: "acknowledge", Level: tocsin.Critical},
			nil, tocsin.StatusAcked, tocsin.TellAcknowledged,
		},
		{
			"nor does an end",
			tocsin.Detection{Intent: tocsin.IntentClose, Over: true, OverReason: "recovered", Title: "resolve", Level: tocsin.Low},
			func(want *tocsin.Detection) { want.Over, want.OverReason = true, "recovered" }, tocsin.StatusClosed, tocsin.TellClosed,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, act := open.Fold(tt.news, now.Add(time.Minute))
			want := full
			if tt.change != nil {
				tt.change(&want)
			}
			if diff := cmp.Diff(want, got.Detection); diff != "" {
				t.Errorf("detection (-want +got):\n%s", diff)
			}
			if got.Status != tt.status || act.Tell != tt.tell || got.Occurrences != 1 || got.Events != 2 {
				t.Errorf("%s, tells %q, %d occurrences in %d events; want %s, %q, 1 in 2", got.Status, act.Tell, got.Occurrences, got.Events, tt.status, tt.tell)
			}
		})
	}
	for _, intent := range []tocsin.Intent{tocsin.IntentUpdate, tocsin.IntentAcknowledge, tocsin.IntentClose} {
		closed := open
		closed.Status = tocsin.StatusClosed
		for what, a := range map[string]tocsin.Alert{"no alert": {}, "a closed alert": closed} {
			if got, act := a.Fold(tocsin.Detection{Key: "k", Intent: intent}, now); act.Verdict != tocsin.Ignored || got.Events != a.Events {
				t.Errorf("%s of %s: %s, %d events", intent, what, act.Verdict, got.Events)
			}
		}
	}
}
