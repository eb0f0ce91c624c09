package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/coverage"
)

// covered is an organisation of three accounts in two regions: one administers the
// others, and of one of them a detector is disabled and findings were recovered.
func covered(context.Context) (coverage.Grid, error) {
	const admin, payments, lab = "111122223333", "444455556666", "777788889999"
	at := night.Add(time.Hour)
	w := coverage.World{
		Accounts: map[string]tocsin.Account{admin: {ID: admin, Name: "security", Team: "soc"}, payments: {ID: payments, Name: "payments-prod", Environment: "prod"}},
		Expect:   coverage.Expectation{Features: []string{"S3_DATA_EVENTS"}},
	}
	saw := func(s tocsin.Sighting) {
		s.Source, s.At = "guardduty", at.Add(-5*time.Minute)
		w.Sightings = append(w.Sightings, s)
	}
	for _, id := range []string{admin, payments, lab} {
		saw(tocsin.Sighting{Place: tocsin.Place{Account: id}, Kind: tocsin.SawMember, Member: &tocsin.Member{Name: "lab", Status: "ACTIVE", Regions: []string{"eu-west-1", "us-east-1"}}})
		for _, region := range []string{"eu-west-1", "us-east-1"} {
			here := tocsin.Place{Account: id, Region: region}
			d := &tocsin.Detector{ID: "12abc", Enabled: id != payments || region == "eu-west-1", Administrator: admin, Relationship: "Enabled", Features: map[string]bool{"S3_DATA_EVENTS": id != lab}}
			if id == admin {
				d.Administrator, d.Relationship, d.Frequency = "", "", "SIX_HOURS"
				saw(tocsin.Sighting{Place: here, Kind: tocsin.SawForwarding, Forwarding: &tocsin.Forwarding{Rule: "arn:aws:events:" + region + ":" + id + ":rule/tocsin", Enabled: true, Targets: []string{"arn:aws:sqs:" + region + ":" + id + ":q"}}})
				saw(tocsin.Sighting{Place: here, Kind: tocsin.SawReconciliation, Reconciliation: &tocsin.Reconciliation{From: night, Until: at, Every: 15 * time.Minute, API: 12, Received: 9, Recovered: 3}})
				w.Canaries = append(w.Canaries, tocsin.Canary{Place: here, Source: "canary", SentAt: at.Add(-time.Minute), Due: at, ArrivedAt: at.Add(-58 * time.Second), Path: "sqs:findings"})
			}
			saw(tocsin.Sighting{Place: here, Kind: tocsin.SawDetector, Detector: d})
		}
	}
	w.Heard = []coverage.Heard{{Place: tocsin.Place{Account: payments, Region: "eu-west-1"}, Last: night, Events: 7}}
	return coverage.Judge(w, at), nil
}

func TestTheGridOfCoverage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var g coverage.Grid
	ask(t, h, "GET", "/api/coverage", "", 200, &g)
	if g.Totals.Places != 6 || g.Totals.Gaps != 1 || len(g.Accounts) != 3 || len(g.Regions) != 2 || g.Reconciliation.Recovered != 6 {
		t.Errorf("totals = %+v of %d accounts in %d regions, reconciliation %+v", g.Totals, len(g.Accounts), len(g.Regions), g.Reconciliation)
	}
	for query, want := range map[string]struct{ accounts, gaps int }{
		"?gaps=true":                          {1, 1},
		"?account=444455556666":               {1, 1},
		"?account=PAYMENTS&region=eu-west-1":  {1, 0},
		"?kind=six-hourly":                    {1, 2},
		"?state=covered&account=payments":     {1, 0},
		"?account=nobody":                     {0, 0},
		"?region=eu-west-3":                   {0, 0},
		"?kind=not-in-configuration&gaps=":    {1, 1},
		"?kind=detector-disabled&account=lab": {0, 0},
	} {
		ask(t, h, "GET", "/api/coverage"+query, "", 200, &g)
		if len(g.Accounts) != want.accounts || len(g.Gaps) != want.gaps || g.Totals.Places != 6 {
			t.Errorf("%s: %d accounts, %d gaps of %d places; want %d, %d of 6", query, len(g.Accounts), len(g.Gaps), g.Totals.Places, want.accounts, want.gaps)
		}
	}
	ask(t, h, "GET", "/api/coverage?kind=nothing", "", 400, nil)
	ask(t, h, "GET", "/api/coverage?state=fine", "", 400, nil)
	ask(t, h, "GET", "/api/coverage?acount=a", "", 400, nil)
}
