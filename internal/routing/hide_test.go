package routing_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

// What a route hides is hidden from the receivers that it names; who is told by a
// policy or the fallback is kept from what any route hides.
func TestWhatRoutesHideAndFromWhom(t *testing.T) {
	t.Parallel()
	teams := map[string]tocsin.Team{"watch": {Name: "watch", Policy: "night", Receivers: []string{"chat"}}}
	for _, tt := range []struct {
		name   string
		routes []routing.Route
		want   map[string][]string
	}{
		{"nothing", []routing.Route{{Receivers: []string{"soc"}}}, nil},
		{"its receivers alone", []routing.Route{
			{Receivers: []string{"soc"}, Continue: true},
			{Receivers: []string{"vendor"}, Hide: []string{"actor"}},
		}, map[string][]string{"": {"actor"}, "soc": {}, "vendor": {"actor"}}},
		{"a receiver that two routes name", []routing.Route{
			{Receivers: []string{"soc"}, Hide: []string{"account"}, Continue: true},
			{Receivers: []string{"soc", "vendor"}, Hide: []string{"actor", "account"}},
		}, map[string][]string{"": {"account", "actor"}, "soc": {"account", "actor"}, "vendor": {"actor", "account"}}},
		{"a team's receivers, and its policy's people", []routing.Route{{Team: "watch", Hide: []string{"resource"}}}, map[string][]string{"": {"resource"}, "chat": {"resource"}}},
		{"routes within hide as well", []routing.Route{
			{Receivers: []string{"soc"}, Hide: []string{"account"}, Routes: []routing.Route{{Hide: []string{"actor"}}}},
		}, map[string][]string{"": {"account", "actor"}, "soc": {"account", "actor"}}},
		{"one that leaves the alert to its owner hides from everybody", []routing.Route{
			{Hide: []string{"links"}, Continue: true}, {Receivers: []string{"soc"}},
		}, map[string][]string{"": {"links"}, "soc": {"links"}}},
		{"from the fallback too", []routing.Route{{Hide: []string{"links"}}}, map[string][]string{"": {"links"}, "last": {"links"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rs, err := routing.New(routing.Table{Routes: tt.routes, Teams: teams, Fallback: []string{"last"}})
			if err != nil {
				t.Fatal(err)
			}
			d := rs.Decide(tocsin.Alert{Detection: tocsin.Detection{Level: tocsin.High, Account: "111122223333"}})
			if diff := cmp.Diff(tt.want, d.Hide); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
