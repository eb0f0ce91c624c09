package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// pager is a dialect of a sender that says what is to be done: open, update,
// acknowledge or close.
type pager struct{}

func (pager) Read(source string, raw []byte, _ func() (tocsin.Detection, bool)) (collect.Reading, error) {
	var in struct{ Key, Do, Title, Level string }
	if err := json.Unmarshal(raw, &in); err != nil {
		return collect.Reading{}, errors.New("no JSON")
	}
	r := collect.Reading{Steps: []tocsin.Fact{{Name: "decision", Value: in.Do}}}
	if in.Do == "change" {
		r.End, r.Reason = tocsin.Filtered, "a change opens nothing"
		return r, nil
	}
	r.Detection = tocsin.Detection{Key: tocsin.KeyOf(source, in.Key), Dialect: "pager", Title: in.Title, Headline: in.Title}
	_ = r.Detection.Level.UnmarshalText([]byte(in.Level))
	switch in.Do {
	case "acknowledge":
		r.Detection.Intent = tocsin.IntentAcknowledge
	case "resolve":
		r.Detection.Intent, r.Detection.Over, r.Detection.OverReason = tocsin.IntentClose, true, string(tocsin.ReasonRecovered)
	case "update":
		r.Detection.Intent = tocsin.IntentUpdate
	}
	return r, nil
}

// door is a night on which a pager's events come in by the source "pd".
func door(t *testing.T) *night {
	return newNight(t, func(p *engine.Plan, table *routing.Table) {
		p.Dialects = map[string]collect.Dialect{"pd": pager{}}
		table.Routes = []routing.Route{{Name: "all", Receivers: []string{"chat"}, Team: "watch"}}
	})
}

// post has the pager say something.
func (n *night) post(do, key, title, level string) tocsin.Receipt {
	n.t.Helper()
	raw, err := json.Marshal(map[string]string{"key": key, "do": do, "title": title, "level": level})
	check(n.t, err)
	receipts, err := n.Accept(n.t.Context(), tocsin.Event{Source: "pd", Via: "pagerduty", Raw: raw})
	check(n.t, err)
	n.at(int(n.time().Sub(dusk).Minutes()))
	return receipts[0]
}

func TestWhatASenderWantsDoneWithAnAlert(t *testing.T) {
	t.Parallel()
	n := door(t)
	for _, step := range []struct {
		do, key, title, level string
		want                  string // verdict, status of alert 1, its title and level
	}{
		{"acknowledge", "db", "", "", "ignored"},
		{"resolve", "db", "", "", "ignored"},
		{"change", "db", "", "", "filtered"},
		{"trigger", "db", "The database is slow", "medium", "opened open: The database is slow, medium"},
		{"trigger", "db", "The database is slow", "medium", "updated open: The database is slow, medium"},
		{"update", "db", "The database is very slow", "", "updated open: The database is very slow, medium"},
		{"acknowledge", "db", "", "", "updated acked: The database is very slow, medium"},
		{"acknowledge", "db", "", "", "updated acked: The database is very slow, medium"},
		{"resolve", "db", "", "", "closed closed: The database is very slow, medium"},
		{"resolve", "db", "", "", "ignored"},
	} {
		r := n.post(step.do, step.key, step.title, step.level)
		got := string(r.Verdict)
		if r.Alert != 0 {
			a := n.alert()
			got += fmt.Sprintf(" %s: %s, %s", a.Status, a.Title, a.Level)
		}
		if got != step.want {
			t.Errorf("%s %s: %s, want %s", step.do, step.title, got, step.want)
		}
		if r.Verdict == tocsin.Ignored && (r.Alert != 0 || r.Reason == "") {
			t.Errorf("%s: alert %d, reason %q", step.do, r.Alert, r.Reason)
		}
	}
	a := n.alert()
	if a.AckedBy != "pager" || a.CloseReason != tocsin.ReasonRecovered || a.Occurrences != 2 {
		t.Errorf("acknowledged by %s, closed as %s, %d occurrences; want pager, recovered, 2", a.AckedBy, a.CloseReason, a.Occurrences)
	}
	// Who was called is told that it was taken elsewhere, and nobody is called any more.
	n.at(40)
	n.want("0 chat", "0 chat acknowledged", "0 chat closed", "0 pri sms")
}

func TestAnAcknowledgementElsewhereStopsTheEscalation(t *testing.T) {
	t.Parallel()
	n := door(t)
	n.post("trigger", "db", "The database is down", "high")
	n.at(2).post("acknowledge", "db", "", "")
	n.at(60)
	n.want("0 chat", "0 pri sms", "2 chat acknowledged")
	if !slices.ContainsFunc(n.timeline(), func(l string) bool { return strings.HasPrefix(l, "2 acknowledged pagerduty:pd") }) {
		t.Errorf("timeline %q", n.timeline())
	}
}

// An event that is ignored is in the journal all the same, and on no timeline.
func TestWhatIsIgnoredIsJournalled(t *testing.T) {
	t.Parallel()
	n := door(t)
	n.post("resolve", "db", "", "")
	check(t, n.store.View(t.Context(), func(tx *store.Tx) error {
		evs, err := tx.Events(store.EventFilter{Verdicts: []tocsin.Verdict{tocsin.Ignored}})
		if len(evs) != 1 || evs[0].Alert != 0 || evs[0].Did != "" || evs[0].Reason != "there is no open alert that it could be about" {
			t.Errorf("journal %+v", evs)
		}
		return err
	}))
}

func TestExplainSaysHowASourceReadsItsEvents(t *testing.T) {
	t.Parallel()
	n := door(t)
	x, err := n.ExplainFrom(t.Context(), "pd", []byte(`{"key":"db","do":"trigger","title":"down","level":"high"}`))
	check(t, err)
	if x.Verdict != tocsin.Opened || !slices.Contains(x.Steps, "decision: trigger") || !slices.Equal(x.Told, []string{"chat", "pri"}) {
		t.Errorf("verdict %s, told %v, steps %q", x.Verdict, x.Told, x.Steps)
	}
	x, err = n.ExplainFrom(t.Context(), "pd", []byte(`{"key":"db","do":"resolve"}`))
	check(t, err)
	if diff := cmp.Diff([]any{tocsin.Ignored, "there is no open alert that it could be about"}, []any{x.Verdict, x.Reason}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
