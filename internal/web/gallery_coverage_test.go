package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/coverage"
)

// fixtureRegions are those that are enabled in every account.
var fixtureRegions = []string{
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-north-1",
	"eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
}

// fixtureWorld is an organisation of so many accounts in those regions: the first one
// administers the others, and here and there something is wrong.
func fixtureWorld(accounts int, regions []string, evil func(string) string) coverage.World {
	const admin = "123456789123"
	w := coverage.World{
		Accounts: map[string]tocsin.Account{}, Expect: coverage.Expectation{Regions: regions, Features: []string{"S3_DATA_EVENTS", "RUNTIME_MONITORING"}},
	}
	saw := func(kind tocsin.SightingKind, at tocsin.Place, since time.Duration, fill func(s *tocsin.Sighting)) {
		s := tocsin.Sighting{Place: at, Source: evil("guardduty"), Kind: kind, At: ago(since)}
		fill(&s)
		w.Sightings = append(w.Sightings, s)
	}
	teams := []string{"payments", "storefront", "data", "platform"}
	for n := range accounts {
		id, name := fmt.Sprintf("%012d", 111122223333+n*1111), fmt.Sprintf("%s-%s", teams[n%4], []string{"prod", "stage", "dev"}[n/4%3])
		if n >= 12 {
			name += fmt.Sprintf("-%02d", n/12)
		}
		if n == 0 {
			id, name = admin, "security-tooling"
		}
		if n != 5 {
			w.Accounts[id] = tocsin.Account{ID: id, Name: evil(name), Environment: evil("prod"), Team: evil(teams[n%4]), OU: evil("prod/" + teams[n%4])}
		}
		if n != 9 {
			saw(tocsin.SawMember, tocsin.Place{Account: id}, 20*time.Minute, func(s *tocsin.Sighting) {
				s.Member = &tocsin.Member{Name: evil(name), Status: "ACTIVE", OU: evil("prod"), Joined: ago(900 * time.Hour)}
				if n == 7 {
					s.Member.Status = evil("SUSPENDED")
				}
			})
		}
		for i, region := range regions {
			at := tocsin.Place{Account: id, Region: region}
			d := &tocsin.Detector{ID: evil(fmt.Sprintf("%06xabcdef%06x", n, i)), Enabled: true, Administrator: admin, Relationship: "Enabled", Features: map[string]bool{"S3_DATA_EVENTS": true, "RUNTIME_MONITORING": n%17 != 8}}
			if n == 0 {
				d.Frequency, d.Administrator, d.Relationship = "FIFTEEN_MINUTES", "", ""
				if region == "sa-east-1" {
					d.Frequency = "SIX_HOURS"
				}
				fixtureHub(&w, at, i, saw, evil)
			}
			switch {
			case n == 3 && region == "eu-west-3":
				d = &tocsin.Detector{}
			case n == 14 && region == "ap-northeast-3":
				d.Enabled = false
			case n == 21 && i > 13:
				d.Relationship = evil("Invited")
			}
			if n == 25 && i < 3 || n == 30 && region == "us-west-2" {
				continue // nobody has seen it yet
			}
			saw(tocsin.SawDetector, at, 10*time.Minute, func(s *tocsin.Sighting) {
				s.Detector = d
				if n == 11 && region == "us-east-1" {
					s.Error, s.Seen = evil("access denied: guardduty:GetDetector; allow it to the role tocsin-read"), ago(5*time.Hour)
				}
			})
			if n%4 == 2 || n == 0 {
				w.Heard = append(w.Heard, coverage.Heard{Place: at, Last: ago(time.Duration(n*3+i+1) * time.Hour), Events: int64(n*7 + i + 1)})
			}
		}
	}
	if accounts > 4 {
		a := w.Accounts["111122227777"]
		a.Regions = []string{"eu-west-1", "eu-west-2", "us-east-1"}
		w.Accounts[a.ID] = a
	}
	w.Memory = coverage.Memory{}.Note(coverage.Judge(w, fixtureNow), fixtureNow)
	for i := range w.Memory.Gaps { // each is there for longer than the one before
		if g := &w.Memory.Gaps[i]; g.Since.Equal(fixtureNow) {
			g.Since = ago(time.Duration(i*i+1) * 11 * time.Minute)
		}
	}
	return w
}

// fixtureHub is what the administrator's account does in a region.
func fixtureHub(w *coverage.World, at tocsin.Place, i int, saw func(tocsin.SightingKind, tocsin.Place, time.Duration, func(*tocsin.Sighting)), evil func(string) string) {
	saw(tocsin.SawForwarding, at, 10*time.Minute, func(s *tocsin.Sighting) {
		s.Forwarding = &tocsin.Forwarding{Rule: evil("arn:aws:events:" + at.Region + ":" + at.Account + ":rule/tocsin-findings"), Enabled: true, Targets: []string{evil("arn:aws:sqs:" + at.Region + ":" + at.Account + ":findings")}}
	})
	saw(tocsin.SawReconciliation, at, 5*time.Minute, func(s *tocsin.Sighting) {
		r := &tocsin.Reconciliation{From: ago(125 * time.Minute), Until: ago(5*time.Minute + time.Duration(i)*time.Second), Every: 15 * time.Minute, API: int64(1000 + i*9), Received: int64(990 + i*9), Pending: 6, Suppressed: 4}
		if at.Region == "eu-west-1" {
			r.Recovered, r.Received = 3, r.Received-3
		}
		s.Reconciliation = r
	})
	c := tocsin.Canary{Place: at, Source: evil("canaries"), SentAt: ago(4 * time.Minute), Due: fixtureNow.Add(time.Minute), ArrivedAt: ago(4*time.Minute - 1800*time.Millisecond), Path: evil("sqs:findings")}
	if at.Region == "ap-northeast-2" {
		c.SentAt, c.Due, c.ArrivedAt, c.Path = ago(14*time.Minute), ago(9*time.Minute), time.Time{}, ""
		before := c
		before.SentAt, before.Due, before.ArrivedAt, before.Path = ago(19*time.Minute), ago(14*time.Minute), ago(19*time.Minute-2*time.Second), "sqs:findings"
		w.Canaries = append(w.Canaries, before)
	}
	w.Canaries = append(w.Canaries, c)
}

// fixtureGrid is how that organisation stands.
func fixtureGrid(accounts int, regions []string, evil func(string) string) coverage.Grid {
	return coverage.Judge(fixtureWorld(accounts, regions, evil), fixtureNow)
}

// coverageStates renders the pages of coverage.
func coverageStates(t *testing.T, p *Pages, evil func(string) string, add func(name, html string)) {
	t.Helper()
	in := coverageInput{Grid: fixtureGrid(8, fixtureRegions[9:13], evil), Now: fixtureNow}
	add("coverage", render(t, p.coveragePage, in.view()))
	filtered := in
	filtered.Query = coverageQuery{Account: evil("prod"), Region: "eu-west-3", Kind: coverage.NoDetector, State: coverage.Dark}
	add("coverage-filtered", render(t, p.coveragePage, filtered.view()))
	filtered.Query = coverageQuery{Account: evil("nobody"), Region: evil("xx"), Kind: coverage.NoRule, State: coverage.Dark}
	add("coverage-no-match", render(t, p.coveragePage, filtered.view()))
	add("coverage-none", render(t, p.coveragePage, coverageInput{Now: fixtureNow, Add: "/sources/add"}.view()))
	events := coverage.World{
		Accounts: map[string]tocsin.Account{"111122223333": {ID: "111122223333", Name: evil("payments-prod")}, "222233334444": {ID: "222233334444", Name: evil("new-lab")}},
		Heard: []coverage.Heard{
			{Place: tocsin.Place{Account: "111122223333", Region: "eu-west-1"}, Last: ago(2 * time.Hour), Events: 12}, {Place: tocsin.Place{Account: "111122223333", Region: "us-east-1"}, Last: ago(90 * time.Hour), Events: 3},
		},
	}
	add("coverage-events-alone", render(t, p.coveragePage, coverageInput{Grid: coverage.Judge(events, fixtureNow), Now: fixtureNow}.view()))
	for name, at := range map[string]tocsin.Place{"gap": {Account: "111122226666", Region: "eu-west-3"}, "hub": {Account: "123456789123", Region: "eu-west-1"}, "not-expected": {Account: "111122227777", Region: "eu-west-3"}} {
		v, ok := placeInput{Grid: in.Grid, Account: at.Account, Region: at.Region, Now: fixtureNow}.view()
		if !ok {
			t.Fatalf("%v is no place of the fixture", at)
		}
		add("coverage-place-"+name, render(t, p.placePage, v))
	}
}

// The CSV has a line for each place, with the time of each proof, and nothing that a
// spreadsheet would run.
func TestTheFileForTheAuditor(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := writeCoverage(&b, fixtureGrid(40, fixtureRegions, func(s string) string { return "=HYPERLINK(1)" + s })); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) < 1+40*17 {
		t.Errorf("%d lines, want one for each of %d places at least", len(lines), 40*17)
	}
	if !strings.HasPrefix(lines[0], "judged_at,account,name,") || !strings.Contains(b.String(), ",canary,2026-11-21T03:03:01Z,123456789123,") {
		t.Errorf("the head is %s, and no line has the administrator's canary:\n%s", lines[0], lines[60])
	}
	for _, line := range lines {
		if strings.Contains(line, ",=") || strings.HasPrefix(line, "=") {
			t.Fatalf("a spreadsheet would run %s", line)
		}
	}
}
