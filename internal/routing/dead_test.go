package routing_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/routing"
)

func TestRoutesAndReceiversThatTookNothing(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)
	ago := func(days int) time.Time { return now.AddDate(0, 0, -days) }
	one := table(
		routing.Route{Name: "busy", Receivers: []string{"a"}},
		routing.Route{Name: "quiet", Receivers: []string{"b"}},
		routing.Route{Name: "never"},
		routing.Route{Name: "new"},
		routing.Route{Name: "old", Routes: []routing.Route{{Name: "dead child"}, {Name: "live child"}}},
		routing.Route{Name: "dead family", Routes: []routing.Route{{Name: "dead too"}}},
	)
	one.Accounts, one.Owners, one.Teams = nil, nil, nil
	dead := routes(t, one).DeadRoutes(routing.Tallies{
		Routes: map[string]routing.Tally{
			"busy":       {Count: 9, Last: ago(1)},
			"quiet":      {Count: 2, Last: ago(91)},
			"new":        {Since: ago(10)},
			"live child": {Count: 1, Last: ago(90)},
			"dead child": {Since: ago(300)},
		},
		Receivers: map[string]routing.Tally{"a": {Count: 1, Last: ago(3)}, "b": {Count: 5, Last: ago(100)}, "unnamed": {}},
	}, now, 90)
	var got []string
	for _, d := range dead {
		got = append(got, d.String())
	}
	want := []string{
		`route "quiet" took nothing since 2026-03-31`,
		`route "never" never took anything`,
		`route "dead child" took nothing ever since it is there, 2025-09-03`,
		`route "dead family" never took anything`,
		`route "dead too" never took anything`,
		`receiver "b" took nothing since 2026-03-22`,
		`receiver "last" never took anything`,
		`receiver "unnamed" never took anything`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DeadRoutes (-want +got):\n%s", diff)
	}
}
