package routing_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

// What routes made of an alert is not what they judge when they are asked again, at
// the end of a hold or when it got worse.
func TestRoutesSayTheSameOfAnAlertThatTheyChanged(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-03-02T10:00:00Z")
	for _, tt := range []struct {
		name  string
		route routing.Route
		found tocsin.Level
		title string
		want  tocsin.Level // what it is told as
	}{
		{"critical, told as low", routing.Route{Pattern: parse(t, `{"level":["critical"]}`), Level: tocsin.Low}, tocsin.Critical, "found", tocsin.Low},
		{"low, told as critical", routing.Route{Pattern: parse(t, `{"level":["low"]}`), Level: tocsin.Critical}, tocsin.Low, "found", tocsin.Critical},
		{"below high, told as high at least", routing.Route{Pattern: parse(t, `{"level":[{"anything-but":["high","critical"]}]}`), AtLeast: tocsin.High}, tocsin.Medium, "found", tocsin.High},
		{"unknown, told as medium", routing.Route{Pattern: parse(t, `{"level":["unknown"]}`), Level: tocsin.Medium}, tocsin.Unknown, "found", tocsin.Medium},
		{"by its title, told by another", routing.Route{Pattern: parse(t, `{"title":["found"]}`), Title: "said"}, tocsin.High, "found", tocsin.High},
		{"by both", routing.Route{Pattern: parse(t, `{"level":["critical"],"title":["found"]}`), Level: tocsin.Low, Title: "said"}, tocsin.Critical, "found", tocsin.Low},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.route.Name, tt.route.Team = "first", "soc"
			rs := routes(t, table(tt.route, routing.Route{Name: "rest", Team: "web"}))
			found := func(n int) tocsin.Detection {
				d := alert(ofPayments, tt.found).Detection
				d.Title, d.Key, d.Count, d.UpdatedAt = tt.title, "k", int64(n), now.Add(time.Duration(n)*time.Minute)
				return d
			}
			a, _ := tocsin.Alert{}.Fold(found(1), now)
			opened := rs.Decide(a.Own())
			if opened.Level != tt.want || opened.Team != "soc" {
				t.Fatalf("it opens as %s of team %s, want %s of soc", opened.Level, opened.Team, tt.want)
			}
			a = a.As(opened.Level, opened.Title)
			a.Terms = &tocsin.Terms{Title: opened.Title}
			if opened.Level > tt.found {
				a.Terms.AtLeast = opened.Level
			} else {
				a.Terms.AtMost = opened.Level
			}
			a, _ = a.Fold(found(2), now.Add(time.Minute)) // the hold goes on meanwhile
			if diff := cmp.Diff(opened, rs.Decide(a.Own())); diff != "" {
				t.Errorf("asked again they say (-first +then):\n%s", diff)
			}
			if diff := cmp.Diff(opened, rs.Explain(a.Own()).Decision); diff != "" {
				t.Errorf("and explain (-first +then):\n%s", diff)
			}
			if rs.Decide(a).Team == "soc" {
				t.Error("the alert as it is told is still the route's: this shows nothing")
			}
		})
	}
}
