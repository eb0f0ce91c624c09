package routing_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

func TestAListSaysWhatEachRouteDoes(t *testing.T) {
	t.Parallel()
	window := 2 * time.Minute
	rs := routes(t, table(
		routing.Route{Name: "critical", Pattern: parse(t, `{"level": ["critical"]}`), Receivers: []string{"pager"}, Continue: true},
		routing.Route{Name: "sandboxes", Drop: "nothing of ours", Pattern: parse(t, `{"ou": ["sandbox"]}`)},
		routing.Route{Name: "production", Pattern: parse(t, `{"environment": ["prod"]}`), Receivers: []string{"soc-slack"}, FirstWindow: &window, Routes: []routing.Route{
			{Name: "owners", Team: routing.OwnTeam},
			{Team: "payments"},
		}},
		routing.Route{Name: "louder", Pattern: parse(t, `{"region": ["eu-west-1"]}`), AtLeast: tocsin.High, Continue: true},
		routing.Route{Name: "try", Shadow: true, Policy: "around-the-clock"},
		routing.Route{Name: "rest"},
	))
	want := []routing.Listed{
		{Name: "critical", Pattern: `{"level": ["critical"]}`, Does: "tells pager; goes on"},
		{Name: "sandboxes", Pattern: `{"ou": ["sandbox"]}`, Does: "drops it: nothing of ours"},
		{Name: "production", Pattern: `{"environment": ["prod"]}`, Does: "tells soc-slack; first window 2m"},
		{
			Name: "owners", Depth: 1, Does: "leaves it to the team that owns the account; first window 2m",
			Inherited: []routing.Inheritance{{Field: "first_window", From: "production"}},
		},
		{
			Name: "route 3.2", Depth: 1, Does: "tells payments-slack; climbs policy office-hours; for team payments; first window 2m",
			Inherited: []routing.Inheritance{{Field: "first_window", From: "production"}},
		},
		{Name: "louder", Pattern: `{"region": ["eu-west-1"]}`, Does: "tells nobody by itself; level high at least; goes on"},
		{Name: "try", Does: "shadow, nothing is sent; climbs policy around-the-clock"},
		{Name: "rest", Does: "leaves it to the owner"},
	}
	if diff := cmp.Diff(want, rs.List()); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}
