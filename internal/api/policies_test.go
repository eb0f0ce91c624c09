package api_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/engine"
)

func TestPoliciesAndTeamsAreListed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var policies api.Policies
	ask(t, h, "GET", "/api/policies", "", 200, &policies)
	if len(policies.Policies) != 1 || len(policies.Policies[0].Steps) != 2 {
		t.Errorf("policies: %+v", policies.Policies)
	}
	var teams api.Teams
	ask(t, h, "GET", "/api/teams", "", 200, &teams)
	if len(teams.Teams) != 2 || teams.Teams[1].Name != "soc" || !slices.Equal(teams.Teams[1].Members, []string{"ana", "bo"}) {
		t.Errorf("teams: %+v", teams.Teams)
	}
}

func TestAPolicyIsPreviewed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.told(t) // ana can be reached by mail, bo cannot
	var p api.PolicyPreview
	ask(t, h, "GET", "/api/policies/around-the-clock/preview?level=critical", "", 200, &p)
	if p.Level != tocsin.Critical || !p.At.Equal(night.Add(time.Hour)) || len(p.Expected) == 0 {
		t.Errorf("preview: %+v", p)
	}
	ask(t, h, "GET", "/api/policies/around-the-clock/preview", "", 200, &p)
	if p.Level != tocsin.High {
		t.Errorf("the level is %s, want high if left out", p.Level)
	}
	ask(t, h, "GET", "/api/policies/none/preview", "", 404, nil)
	ask(t, h, "GET", "/api/policies/around-the-clock/preview?level=bad", "", 400, nil)
}

func TestDeadRoutesAreListed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var dead api.DeadRoutes
	ask(t, h, "GET", "/api/routes/dead?days=1", "", 200, &dead)
	if dead.Days != 1 || dead.Dead == nil {
		t.Errorf("dead: %+v", dead)
	}
	ask(t, h, "GET", "/api/routes/dead?days=0", "", 400, nil)
}

func TestAnEventIsExplained(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	event, err := os.ReadFile("testdata/event.json")
	check(t, err)
	var x engine.Explanation
	ask(t, h, "POST", "/api/explain", string(event), 200, &x)
	if x.Verdict != tocsin.Opened || x.Rule != "guardduty" || x.Alert == nil || x.Routes == nil || len(x.Steps) == 0 {
		t.Errorf("explained: %+v", x)
	}
	for _, tt := range []struct{ name, body string }{{"an event of something else", `{"source":"aws.health"}`}, {"no event at all", `nonsense`}} {
		ask(t, h, "POST", "/api/explain", tt.body, 200, &x)
		if x.Verdict == tocsin.Opened || len(x.Steps) == 0 {
			t.Errorf("%s: %+v", tt.name, x)
		}
	}
	ask(t, h, "POST", "/api/explain", "", 400, nil)
	ask(t, h, "POST", "/api/explain", strings.Repeat("x", 1<<20), 200, nil)
	ask(t, h, "POST", "/api/explain", strings.Repeat("x", 1<<20+1), 413, nil)
	var list api.Alerts
	ask(t, h, "GET", "/api/alerts", "", 200, &list)
	if list.Total != 3 {
		t.Errorf("explaining left %d alerts, want the 3 there were", list.Total)
	}
}
