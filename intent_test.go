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

// A source that tells of an alert for as long as it goes on may have called it over
// too soon.
func TestWhatStandsAfterItsEndGoesOn(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	fires := tocsin.Detection{Key: "k", Dialect: "prometheus", Title: "The disk is full", Level: tocsin.High, Count: 1, UpdatedAt: now, Stands: true}
	over := tocsin.Detection{Key: "k", Intent: tocsin.IntentClose, Over: true, OverReason: "recovered", UpdatedAt: now.Add(time.Hour)}
	once := fires
	once.Stands = false
	open, _ := tocsin.Alert{}.Fold(fires, now)
	closed, _ := open.Fold(over, now.Add(time.Hour))
	noted := open
	noted.Terms = &tocsin.Terms{MarkOver: true}
	noted, _ = noted.Fold(over, now.Add(time.Hour))
	byPerson, err := open.Close("ana", tocsin.ReasonFixed, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		before  tocsin.Alert
		news    tocsin.Detection
		after   time.Duration
		verdict tocsin.Verdict
		id      bool // it is the alert that it was
	}{
		{"under way as it ended", closed, fires, 2 * time.Minute, tocsin.Appended, true},
		{"told of again", closed, fires, 2*time.Minute + time.Millisecond, tocsin.Opened, true},
		{"told of again when it would not reopen any more", closed, fires, 11 * time.Minute, tocsin.Opened, false},
		{"a version that is only late", closed, once, 5 * time.Minute, tocsin.Appended, true},
		{"closed by a person", byPerson, fires, 5 * time.Minute, tocsin.Appended, true},
		{"only noted as over", noted, fires, 5 * time.Minute, tocsin.Appended, true},
		{"still open", open, fires, 5 * time.Minute, tocsin.Appended, true},
	} {
		tt.before.ID = 7
		got, act := tt.before.Fold(tt.news, now.Add(time.Hour+tt.after))
		if act.Verdict != tt.verdict || (got.ID == 7) != tt.id || got.Stands {
			t.Errorf("%s: %s, alert %d, stands %v; want %s", tt.name, act.Verdict, got.ID, got.Stands, tt.verdict)
		}
	}
}
