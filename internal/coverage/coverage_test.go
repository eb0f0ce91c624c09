package coverage

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
)

// now is when it is looked at.
var now = time.Date(2026, 11, 21, 14, 10, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// An organisation is a simulated one, in which everything is as it should be: one
// account administers GuardDuty for all, its rules bring the findings of each region,
// it sends the canaries, and its findings are compared.
type organisation struct {
	accounts map[string]tocsin.Account
	regions  []string
	members  map[string]*tocsin.Sighting
	detector map[tocsin.Place]*tocsin.Sighting
	rule     map[tocsin.Place]*tocsin.Sighting
	compared map[tocsin.Place]*tocsin.Sighting
	canary   map[tocsin.Place]*tocsin.Canary
	heard    map[tocsin.Place]Heard
	expect   Expectation
	memory   Memory
	left     []string
	more     []tocsin.Sighting
	next     []tocsin.Canary // newer ones
}

func id(n int) string { return fmt.Sprintf("%012d", 111100000000+n) }

// admin is the account that administers the others.
var admin = id(0)

func simulate(accounts int, regions []string) *organisation {
	o := &organisation{
		accounts: map[string]tocsin.Account{}, regions: regions, members: map[string]*tocsin.Sighting{}, detector: map[tocsin.Place]*tocsin.Sighting{},
		rule: map[tocsin.Place]*tocsin.Sighting{}, compared: map[tocsin.Place]*tocsin.Sighting{}, canary: map[tocsin.Place]*tocsin.Canary{}, heard: map[tocsin.Place]Heard{},
		expect: Expectation{All: true, Features: []string{"S3_DATA_EVENTS"}},
	}
	for n := range accounts {
		account := id(n)
		o.accounts[account] = tocsin.Account{ID: account, Name: fmt.Sprintf("account-%03d", n), Team: "payments"}
		o.members[account] = &tocsin.Sighting{
			Place: tocsin.Place{Account: account}, Source: "guardduty", Kind: tocsin.SawMember, At: ago(20 * time.Minute),
			Member: &tocsin.Member{Name: fmt.Sprintf("account-%03d", n), Status: "ACTIVE", OU: "prod", Regions: slices.Clone(regions)},
		}
		for i, region := range regions {
			at := tocsin.Place{Account: account, Region: region}
			d := &tocsin.Detector{ID: fmt.Sprintf("%06x%06x", n, i), Enabled: true, Frequency: "SIX_HOURS", Administrator: admin, Relationship: "Enabled", Features: map[string]bool{"S3_DATA_EVENTS": true, "RDS_LOGIN_EVENTS": false}}
			if n == 0 {
				d.Frequency, d.Administrator, d.Relationship = "FIFTEEN_MINUTES", "", ""
				o.administer(at)
			}
			o.detector[at] = &tocsin.Sighting{Place: at, Source: "guardduty", Kind: tocsin.SawDetector, At: ago(10 * time.Minute), Detector: d}
			if n%3 != 1 { // most accounts are quiet somewhere
				o.heard[at] = Heard{at, ago(time.Duration(n*7+i) * time.Hour), int64(n + i)}
			}
		}
	}
	return o
}

// administer gives the administrator's place what brings and proves.
func (o *organisation) administer(at tocsin.Place) {
	o.rule[at] = &tocsin.Sighting{Place: at, Source: "guardduty", Kind: tocsin.SawForwarding, At: ago(10 * time.Minute), Forwarding: &tocsin.Forwarding{
		Rule: "arn:aws:events:" + at.Region + ":" + at.Account + ":rule/guardduty-to-tocsin", Enabled: true, Targets: []string{"arn:aws:sqs:" + at.Region + ":" + at.Account + ":findings"},
	}}
	o.compared[at] = &tocsin.Sighting{Place: at, Source: "guardduty", Kind: tocsin.SawReconciliation, At: ago(5 * time.Minute), Reconciliation: &tocsin.Reconciliation{
		From: ago(65 * time.Minute), Until: ago(5 * time.Minute), Every: 15 * time.Minute, API: 120, Received: 110, Pending: 4, Suppressed: 6,
	}}
	o.canary[at] = &tocsin.Canary{Place: at, ID: strings.Repeat("0", 32), Source: "canary", SentAt: ago(4 * time.Minute), Due: ago(2 * time.Minute), ArrivedAt: ago(4*time.Minute - 3*time.Second), Path: "sqs:findings"}
}

func (o *organisation) world() World {
	w := World{Accounts: o.accounts, Expect: o.expect, Memory: o.memory, Left: o.left, Sightings: slices.Clone(o.more)}
	for _, all := range []map[tocsin.Place]*tocsin.Sighting{o.detector, o.rule, o.compared} {
		for _, s := range all {
			w.Sightings = append(w.Sightings, *s)
		}
	}
	for _, s := range o.members {
		w.Sightings = append(w.Sightings, *s)
	}
	for _, c := range o.canary {
		w.Canaries = append(w.Canaries, *c)
	}
	w.Canaries = append(w.Canaries, o.next...)
	w.Heard = slices.Collect(maps.Values(o.heard))
	return w
}

func (o *organisation) judge() Grid { return Judge(o.world(), now) }

// named are the gaps as "kind account region", sorted.
func named(g Grid) []string {
	all := []string{}
	for _, gap := range g.Gaps {
		all = append(all, strings.TrimSpace(string(gap.Kind)+" "+gap.Name+" "+gap.Region))
	}
	slices.Sort(all)
	return all
}

var seventeen = enabled["aws"]

// member is an account that is administered, and where everything else is planted.
var (
	member = tocsin.Place{Account: id(7), Region: "eu-west-3"}
	hub    = tocsin.Place{Account: admin, Region: "eu-west-3"}
)

func TestAnOrganisationInWhichAllIsWellHasNoGap(t *testing.T) {
	t.Parallel()
	g := simulate(200, seventeen).judge()
	if got := named(g); len(got) > 0 {
		t.Errorf("gaps: %q", got)
	}
	want := Totals{Places: 3400, Covered: 3400, Kinds: map[Kind]int{}}
	if diff := cmp.Diff(want, g.Totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if r := g.Reconciliation; r == nil || r.Places != 17 || r.Received != 17*110 || r.API != 17*120 || !r.Until.Equal(ago(5*time.Minute)) {
		t.Errorf("reconciliation = %+v", r)
	}
	if len(g.Notes) > 0 {
		t.Errorf("notes: %q", g.Notes)
	}
}

// Gaps of every kind that a place can have are planted in an organisation of 200
// accounts in 17 regions: exactly those are found, each by its name.
func TestExactlyThePlantedGapsAreFound(t *testing.T) {
	t.Parallel()
	o := simulate(200, seventeen)
	at := func(n int, region string) tocsin.Place { return tocsin.Place{Account: id(n), Region: region} }
	*o.detector[at(11, "eu-west-1")].Detector = tocsin.Detector{}
	o.detector[at(12, "eu-west-1")].Detector.Enabled = false
	o.detector[at(13, "eu-west-1")].Detector.Relationship = "Invited"
	delete(o.detector, at(16, "eu-west-1")) // n%3 == 1: nothing was ever heard of it either
	o.detector[at(17, "eu-west-1")].Detector.Features["S3_DATA_EVENTS"] = false
	o.detector[at(0, "sa-east-1")].Detector.Frequency = "SIX_HOURS"
	o.canary[at(0, "us-east-1")].ArrivedAt = time.Time{}
	o.canary[at(0, "us-east-2")].Error = "access denied: events:PutEvents"
	o.compared[at(0, "us-west-1")].Reconciliation.Until = ago(5 * time.Hour)
	o.compared[at(0, "us-west-2")].Reconciliation = nil
	o.compared[at(0, "us-west-2")].Error = "access denied: guardduty:ListFindings"
	o.compared[at(0, "eu-west-2")].Reconciliation.Recovered = 3
	o.compared[at(0, "eu-north-1")].Reconciliation.Unexplained = 1
	for place, change := range map[tocsin.Place]tocsin.Forwarding{
		at(19, "eu-west-1"): {Rule: "arn:aws:events:eu-west-1:1:rule/own", Targets: []string{"arn"}},
		at(21, "eu-west-1"): {Rule: "arn:aws:events:eu-west-1:1:rule/own", Enabled: true, Targets: []string{"arn"}, Misses: "Critical findings"},
	} {
		d := o.detector[place].Detector
		d.Administrator, d.Relationship, d.Frequency = "", "", "ONE_HOUR"
		o.heard[place] = Heard{place, ago(time.Hour), 1} // until lately all was well
		o.rule[place] = &tocsin.Sighting{Place: place, Source: "guardduty", Kind: tocsin.SawForwarding, At: ago(time.Minute), Forwarding: &change}
	}
	*o.rule[at(0, "ca-central-1")].Forwarding = tocsin.Forwarding{}
	o.members[id(22)].Member.Regions = append(o.members[id(22)].Member.Regions, "af-south-1")
	a := o.accounts[id(22)]
	a.Regions = seventeen
	o.accounts[id(22)] = a
	o.detector[at(23, "eu-west-1")].Seen, o.detector[at(23, "eu-west-1")].Error = ago(3*time.Hour), "access denied: guardduty:GetDetector"
	delete(o.members, id(24))
	delete(o.accounts, id(25))
	o.members[id(26)].Member.Status = "SUSPENDED"

	want := []string{
		"no-detector account-011 eu-west-1", "detector-disabled account-012 eu-west-1", "not-administered account-013 eu-west-1",
		"never-heard account-016 eu-west-1", "feature-off account-017 eu-west-1", "six-hourly account-000 sa-east-1",
		"canary-late account-000 us-east-1", "canary-unsent account-000 us-east-2", "reconciliation-behind account-000 us-west-1",
		"reconciliation-failing account-000 us-west-2", "recovered account-000 eu-west-2", "unexplained account-000 eu-north-1",
		"rule-disabled account-019 eu-west-1", "rule-misses account-021 eu-west-1",
		"left-out account-022 af-south-1", "look-failing account-023 eu-west-1", "not-in-organisation account-024", "not-in-configuration account-025",
	}
	for n := range 200 { // the administrator's rule is for all its members
		if n != 26 {
			want = append(want, fmt.Sprintf("no-rule account-%03d ca-central-1", n))
		}
	}
	slices.Sort(want)
	g := o.judge()
	if diff := cmp.Diff(want, named(g)); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if tt := g.Totals; tt.Places != 199*17 || tt.Places != tt.Covered+tt.Gaps+tt.Unknown || tt.Unknown != 0 || tt.LeftOut != 1 {
		t.Errorf("totals = %+v", tt)
	}
}

// some is how many accounts are enough.
const some = 20

// Each kind of gap is planted by itself, and is found by its name, alone.
func TestEachGapIsFoundByItsName(t *testing.T) {
	t.Parallel()
	everybody := func(kind Kind, region string) (all []string) {
		for n := range some {
			all = append(all, fmt.Sprintf("%s account-%03d %s", kind, n, region))
		}
		return all
	}
	for _, tt := range []struct {
		name  string
		plant func(o *organisation)
		want  []string
		state State // of the member's place, or of the hub's where the gap is there
	}{
		{"no detector", func(o *organisation) { *o.detector[member].Detector = tocsin.Detector{} }, []string{"no-detector account-007 eu-west-3"}, Dark},
		{"detector disabled", func(o *organisation) { o.detector[member].Detector.Enabled = false }, []string{"detector-disabled account-007 eu-west-3"}, Dark},
		{"invited and never accepted", func(o *organisation) { o.detector[member].Detector.Relationship = "Invited" }, []string{"not-administered account-007 eu-west-3"}, Dark},
		{"invited, so that nobody knows its detector", func(o *organisation) {
			*o.detector[member].Detector = tocsin.Detector{Administrator: admin, Relationship: "Invited"}
		}, []string{"not-administered account-007 eu-west-3"}, Dark},
		{"removed by the administrator", func(o *organisation) { o.detector[member].Detector.Relationship = "Removed" }, []string{"not-administered account-007 eu-west-3"}, Dark},
		{"resigned", func(o *organisation) { o.detector[member].Detector.Relationship = "Resigned" }, []string{"not-administered account-007 eu-west-3"}, Dark},
		{"on its own beside members, and nothing comes from it", func(o *organisation) {
			d := o.detector[member].Detector
			d.Administrator, d.Relationship, d.Frequency = "", "", "ONE_HOUR"
			delete(o.heard, member)
		}, []string{"never-heard", "not-administered account-007 eu-west-3"}[1:], Dark},
		{"on its own, with a rule of its own and an event of today", func(o *organisation) {
			d := o.detector[member].Detector
			d.Administrator, d.Relationship, d.Frequency = "", "", "ONE_HOUR"
			o.heard[member] = Heard{member, ago(2 * time.Hour), 1}
			o.rule[member] = &tocsin.Sighting{Place: member, Source: "guardduty", Kind: tocsin.SawForwarding, At: ago(time.Minute), Forwarding: &tocsin.Forwarding{Rule: "arn:aws:events:eu-west-3:111100000007:rule/own", Enabled: true, Targets: []string{"arn"}}}
		}, nil, Covered},
		{"no rule in the administrator's account", func(o *organisation) { *o.rule[hub].Forwarding = tocsin.Forwarding{} }, everybody(NoRule, "eu-west-3"), Dark},
		{"a rule without a target", func(o *organisation) { o.rule[hub].Forwarding.Targets = nil }, everybody(NoRule, "eu-west-3"), Dark},
		{"the administrator's rule is disabled", func(o *organisation) { o.rule[hub].Forwarding.Enabled = false }, everybody(RuleDisabled, "eu-west-3"), Dark},
		{"the administrator's rule misses some", func(o *organisation) { o.rule[hub].Forwarding.Misses = "Critical findings" }, everybody(RuleMisses, "eu-west-3"), Dark},
		{"no rule there, and one of its own that brings all", func(o *organisation) {
			*o.rule[hub].Forwarding = tocsin.Forwarding{}
			for n := range some {
				at := tocsin.Place{Account: id(n), Region: "eu-west-3"}
				if n != 7 && n != 0 {
					o.rule[at] = &tocsin.Sighting{Place: at, Source: "guardduty", Kind: tocsin.SawForwarding, At: ago(time.Minute), Forwarding: &tocsin.Forwarding{Rule: "arn:aws:events:eu-west-3:1:rule/own", Enabled: true, Targets: []string{"arn"}}}
				}
			}
		}, []string{"no-rule account-000 eu-west-3", "no-rule account-007 eu-west-3"}, Dark},
		{"updates every six hours", func(o *organisation) { o.detector[hub].Detector.Frequency = "SIX_HOURS" }, []string{"six-hourly account-000 eu-west-3"}, Covered},
		{"a protection plan off that is expected", func(o *organisation) { o.detector[member].Detector.Features["S3_DATA_EVENTS"] = false }, []string{"feature-off account-007 eu-west-3"}, Warned},
		{"a protection plan that the region does not have", func(o *organisation) { delete(o.detector[member].Detector.Features, "S3_DATA_EVENTS") }, nil, Covered},
		{"a region from which nothing ever came", func(o *organisation) {
			delete(o.detector, member)
			delete(o.heard, member)
		}, []string{"never-heard account-007 eu-west-3"}, Dark},
		{"a canary late", func(o *organisation) {
			o.canary[hub].ArrivedAt, o.canary[hub].Path = time.Time{}, ""
		}, []string{"canary-late account-000 eu-west-3"}, Covered},
		{"a canary that is under way", func(o *organisation) {
			o.canary[hub].ArrivedAt, o.canary[hub].Due = time.Time{}, now.Add(time.Minute)
		}, nil, Covered},
		{"a canary that cannot be sent", func(o *organisation) {
			o.canary[hub].ArrivedAt, o.canary[hub].Error = time.Time{}, "access denied: events:PutEvents"
		}, []string{"canary-unsent account-000 eu-west-3"}, Covered},
		{"reconciliation behind", func(o *organisation) { o.compared[hub].Reconciliation.Until = ago(46 * time.Minute) }, []string{"reconciliation-behind account-000 eu-west-3"}, Covered},
		{"reconciliation not behind yet", func(o *organisation) { o.compared[hub].Reconciliation.Until = ago(44 * time.Minute) }, nil, Covered},
		{"reconciliation denied from the beginning", func(o *organisation) {
			s := o.compared[hub]
			s.Reconciliation, s.Seen, s.Error = nil, time.Time{}, "access denied: guardduty:ListFindings"
		}, []string{"reconciliation-failing account-000 eu-west-3"}, Covered},
		{"reconciliation that failed once", func(o *organisation) {
			s := o.compared[hub]
			s.Seen, s.Error = ago(20*time.Minute), "throttled"
		}, nil, Covered},
		{"reconciliation that fails again and again", func(o *organisation) {
			s := o.compared[hub]
			s.Seen, s.Error = ago(31*time.Minute), "throttled"
		}, []string{"reconciliation-failing account-000 eu-west-3"}, Covered},
		{"findings recovered", func(o *organisation) { o.compared[hub].Reconciliation.Recovered = 3 }, []string{"recovered account-000 eu-west-3"}, Covered},
		{"findings unexplained", func(o *organisation) { o.compared[hub].Reconciliation.Unexplained = 1 }, []string{"unexplained account-000 eu-west-3"}, Covered},
		{"a region left out of those that are expected", func(o *organisation) {
			o.expect.All, o.expect.Regions = false, slices.DeleteFunc(slices.Clone(seventeen), func(r string) bool { return r == "eu-west-3" })
		}, everybody(LeftOut, "eu-west-3"), Warned},
		{"a region that the account does not use", func(o *organisation) {
			a := o.accounts[member.Account]
			a.Regions = slices.DeleteFunc(slices.Clone(seventeen), func(r string) bool { return r == "eu-west-3" })
			o.accounts[member.Account] = a
			*o.detector[member].Detector = tocsin.Detector{}
			delete(o.heard, member)
		}, nil, NotExpected},
		{"a region that the account does not use, and events come from it", func(o *organisation) {
			a := o.accounts[member.Account]
			a.Regions = slices.DeleteFunc(slices.Clone(seventeen), func(r string) bool { return r == "eu-west-3" })
			o.accounts[member.Account] = a
			o.heard[member] = Heard{member, ago(3 * 24 * time.Hour), 1}
		}, []string{"left-out account-007 eu-west-3"}, Warned},
		{"an account suspended", func(o *organisation) {
			o.members[member.Account].Member.Status = "SUSPENDED"
			*o.detector[member].Detector = tocsin.Detector{}
		}, nil, NotExpected},
		{"an account that has left", func(o *organisation) {
			o.left = []string{member.Account}
			delete(o.members, member.Account)
		}, nil, NotExpected},
		{"an account that is in no organisation", func(o *organisation) { delete(o.members, member.Account) }, []string{"not-in-organisation account-007"}, Covered},
		{"an account that the last look did not see any more", func(o *organisation) { o.members[member.Account].At = ago(3 * time.Hour) }, []string{"not-in-organisation account-007"}, Covered},
		{"an account that the configuration does not name", func(o *organisation) { delete(o.accounts, member.Account) }, []string{"not-in-configuration account-007"}, Covered},
		{"a place that cannot be looked at", func(o *organisation) {
			s := o.detector[member]
			s.Seen, s.Error = ago(2*time.Hour), "access denied: guardduty:GetDetector"
		}, []string{"look-failing account-007 eu-west-3"}, Warned},
		{"a place that could not be looked at once", func(o *organisation) {
			s := o.detector[member]
			s.Seen, s.Error = ago(20*time.Minute), "throttled"
		}, nil, Covered},
		{"the administrator's region cannot be compared, and its members' with it", func(o *organisation) {
			o.compared[member] = &tocsin.Sighting{Place: member, Source: "guardduty", Kind: tocsin.SawReconciliation, At: ago(time.Hour), Reconciliation: &tocsin.Reconciliation{Until: ago(time.Hour), Every: 15 * time.Minute}}
			s := o.compared[hub]
			s.Seen, s.Error = ago(time.Hour), "access denied: guardduty:ListFindings"
			s.Reconciliation.Until = ago(time.Hour)
		}, []string{"reconciliation-failing account-000 eu-west-3"}, Covered},
		{"a place that nobody has looked at for two days", func(o *organisation) {
			o.detector[member].At = ago(48 * time.Hour)
			o.heard[member] = Heard{member, ago(time.Hour), 1}
		}, []string{"look-failing account-007 eu-west-3"}, Warned},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := simulate(some, seventeen)
			tt.plant(o)
			g := o.judge()
			slices.Sort(tt.want)
			if diff := cmp.Diff(append([]string{}, tt.want...), named(g)); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			_, c, ok := g.Place(member.Account, member.Region)
			if !ok || c.State != tt.state {
				t.Errorf("%v is %q (%s), want %q", member, c.State, c.Why, tt.state)
			}
			for _, gap := range g.Gaps {
				if gap.Says == "" || gap.Fix == "" || gap.Since.IsZero() {
					t.Errorf("%s of %s: says %q, fix %q, since %v", gap.Kind, gap.Label(), gap.Says, gap.Fix, gap.Since)
				}
			}
			t0 := g.Totals
			if t0.Places != t0.Covered+t0.Gaps+t0.Unknown {
				t.Errorf("totals do not add up: %+v", t0)
			}
		})
	}
}

// Every kind of the table is planted above, or below.
func TestEveryKindIsDescribed(t *testing.T) {
	t.Parallel()
	seen := map[Kind]bool{}
	for _, k := range Kinds() {
		if seen[k.Kind] || k.Title == "" || !strings.HasSuffix(k.Means, ".") {
			t.Errorf("%q is there twice, or has no title or no sentence: %+v", k.Kind, k)
		}
		if (k.Severity == IsGap) != (k.headline != "") {
			t.Errorf("%s: a gap has a headline for its alert, and a warning none", k.Kind)
		}
		seen[k.Kind] = true
	}
	if _, ok := Kind("nothing").Info(); ok {
		t.Error("a word that is no kind has an info")
	}
}

func TestSilenceIsAGapOnlyIfTheConfigurationSaysSo(t *testing.T) {
	t.Parallel()
	quiet := func(o *organisation) tocsin.Place {
		at := tocsin.Place{Account: id(9), Region: "eu-west-1"}
		d := o.detector[at].Detector
		d.Administrator, d.Relationship, d.Frequency = "", "", ""
		delete(o.members, at.Account) // on its own, so that no administrator speaks for it
		delete(o.accounts, at.Account)
		o.heard[at] = Heard{at, ago(8 * 24 * time.Hour), 3}
		return at
	}
	o := simulate(20, []string{"eu-west-1", "eu-west-3"})
	at := quiet(o)
	if _, c, _ := o.judge().Place(at.Account, at.Region); c.State == Dark {
		t.Errorf("without silence it is %s: %s %v", c.State, c.Why, c.Kinds)
	}
	o.expect.Silence = 7 * 24 * time.Hour
	g := o.judge()
	_, c, _ := g.Place(at.Account, at.Region)
	if !slices.Equal(c.Kinds, []Kind{Silent}) {
		t.Errorf("with a silence of a week it has %v", c.Kinds)
	}
	for _, gap := range g.Of(at.Account, at.Region) {
		if want := ago(24 * time.Hour); !gap.Since.Equal(want) || gap.Age != 24*60*60 {
			t.Errorf("it is silent since %v (%d s), want %v", gap.Since, gap.Age, want)
		}
	}
	// The administrator's canary is heard for its members.
	if _, c, _ := g.Place(id(4), "eu-west-1"); c.State != Covered {
		t.Errorf("a member whose administrator's canary came is %s: %s", c.State, c.Why)
	}
}

// A new account is told of until something of it is seen.
func TestANewAccountIsToldOfUntilItIsSeen(t *testing.T) {
	t.Parallel()
	regions := seventeen[:2]
	fresh := tocsin.Place{Account: id(500), Region: regions[0]}
	base := func() *organisation {
		o := simulate(5, regions)
		o.expect = Expectation{Regions: regions}
		o.accounts[fresh.Account] = tocsin.Account{ID: fresh.Account, Name: "new"}
		o.members[fresh.Account] = &tocsin.Sighting{Place: tocsin.Place{Account: fresh.Account}, Source: "guardduty", Kind: tocsin.SawMember, At: ago(20 * time.Minute), Member: &tocsin.Member{Name: "new", Status: "ACTIVE"}}
		return o
	}
	for _, tt := range []struct {
		name string
		see  func(o *organisation)
		want []string
	}{
		{"nothing", func(*organisation) {}, []string{"never-heard new " + regions[0], "never-heard new " + regions[1]}},
		{"an event", func(o *organisation) { o.heard[fresh] = Heard{fresh, ago(time.Minute), 1} }, []string{"never-heard new " + regions[1]}},
		{"a canary", func(o *organisation) {
			o.canary[fresh] = &tocsin.Canary{Place: fresh, Source: "canary", SentAt: ago(time.Minute), Due: now, ArrivedAt: ago(50 * time.Second)}
		}, []string{"never-heard new " + regions[1]}},
		{"a reconciliation", func(o *organisation) {
			o.compared[fresh] = &tocsin.Sighting{Place: fresh, Source: "guardduty", Kind: tocsin.SawReconciliation, At: ago(time.Minute), Reconciliation: &tocsin.Reconciliation{Until: ago(time.Minute)}}
		}, []string{"never-heard new " + regions[1]}},
		{"that the administrator has it", func(o *organisation) {
			for _, r := range regions {
				at := tocsin.Place{Account: fresh.Account, Region: r}
				o.detector[at] = &tocsin.Sighting{Place: at, Source: "guardduty", Kind: tocsin.SawDetector, At: ago(time.Minute), Detector: &tocsin.Detector{ID: "d", Enabled: true, Administrator: admin, Relationship: "Enabled"}}
			}
		}, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := base()
			tt.see(o)
			if diff := cmp.Diff(tt.want, named(o.judge())); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

// Of an account of which no region is known the account as a whole is told of.
func TestANewAccountWithoutARegionIsToldOfAsAWhole(t *testing.T) {
	t.Parallel()
	o := simulate(3, seventeen[:2])
	o.expect = Expectation{}
	account := id(500)
	o.members[account] = &tocsin.Sighting{Place: tocsin.Place{Account: account}, Source: "guardduty", Kind: tocsin.SawMember, At: ago(20 * time.Minute), Member: &tocsin.Member{Name: "new", Status: "ACTIVE", Joined: ago(time.Hour)}}
	g := o.judge()
	if diff := cmp.Diff([]string{"never-heard new", "not-in-configuration new"}, named(g)); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if g.Totals.Places != 3*2+1 || g.Totals.Gaps != 1 {
		t.Errorf("totals = %+v, want the account counted as one place that is dark", g.Totals)
	}
}

// What the administrator sets is imposed on all members, whatever they have.
func TestTheFrequencyIsTheAdministrators(t *testing.T) {
	t.Parallel()
	o := simulate(3, seventeen)
	g := o.judge()
	_, c, _ := g.Place(id(2), "eu-west-3")
	if c.Detector.Frequency != "FIFTEEN_MINUTES" || c.Detector.FrequencyBy != admin {
		t.Errorf("a member with SIX_HOURS of its own has %q by %q, want the administrator's FIFTEEN_MINUTES", c.Detector.Frequency, c.Detector.FrequencyBy)
	}
	o.detector[tocsin.Place{Account: id(2), Region: "eu-west-3"}].Detector.Relationship = "Resigned"
	g = o.judge()
	if _, c, _ = g.Place(id(2), "eu-west-3"); c.Detector.Frequency != "SIX_HOURS" || c.Detector.FrequencyBy != "" {
		t.Errorf("one that resigned has %q by %q, want its own", c.Detector.Frequency, c.Detector.FrequencyBy)
	}
}

// With nothing but events, what was heard of today is covered, what was heard of once
// is unknown, and nothing is green without a proof.
func TestWithNothingButEventsItSaysWhatItCannotKnow(t *testing.T) {
	t.Parallel()
	w := World{
		Accounts: map[string]tocsin.Account{
			id(1): {ID: id(1), Name: "payments"}, id(2): {ID: id(2), Name: "never"}, id(3): {ID: id(3), Name: "expected", Regions: []string{"eu-west-1"}},
		},
		Heard: []Heard{
			{tocsin.Place{Account: id(1), Region: "eu-west-1"}, ago(time.Hour), 9},
			{tocsin.Place{Account: id(1), Region: "us-east-1"}, ago(30 * time.Hour), 2},
			{tocsin.Place{Account: "not an account", Region: "eu-west-1"}, ago(time.Hour), 9},
			{tocsin.Place{Account: id(1), Region: "<script>"}, ago(time.Hour), 9},
		},
	}
	g := Judge(w, now)
	got := map[string]State{}
	for _, a := range g.Accounts {
		for i, c := range a.Cells {
			got[a.Name+" "+g.Regions[i]] = c.State
		}
		if a.Expected == 0 {
			got[a.Name] = a.State
		}
	}
	want := map[string]State{
		"payments eu-west-1": Covered, "payments us-east-1": Unknown, "never": Unknown, "never eu-west-1": NotExpected, "never us-east-1": NotExpected,
		"expected eu-west-1": Unknown, "expected us-east-1": NotExpected,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if len(g.Gaps) != 0 {
		t.Errorf("gaps: %q", named(g))
	}
	if len(g.Notes) != 2 || !strings.Contains(g.Notes[0].Fix, "canary") || !strings.Contains(g.Notes[0].Fix, "guardduty-api") {
		t.Errorf("notes = %q", g.Notes)
	}
	if g := Judge(World{}, now); len(g.Accounts) != 0 || len(g.Notes) == 0 || g.Totals.Places != 0 {
		t.Errorf("of nothing: %+v", g)
	}
}

func TestAllRegionsWithoutAnInventoryAreThoseThatNobodyCanDisable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		heard string
		want  []string
	}{
		{"nothing is known", "", seventeen},
		{"China", "cn-north-1", []string{"cn-north-1", "cn-northwest-1"}},
		{"GovCloud", "us-gov-west-1", []string{"us-gov-east-1", "us-gov-west-1"}},
		{"a region of tomorrow besides", "eu-south-9", append([]string{"eu-south-9"}, seventeen...)},
		{"an isolated partition that nobody here has seen", "us-iso-east-1", []string{"us-iso-east-1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := World{Accounts: map[string]tocsin.Account{id(1): {ID: id(1)}}, Expect: Expectation{All: true}}
			if tt.heard != "" {
				w.Heard = []Heard{{tocsin.Place{Account: id(1), Region: tt.heard}, ago(time.Hour), 1}}
			}
			want := slices.Sorted(slices.Values(tt.want))
			if g := Judge(w, now); !slices.Equal(g.Regions, want) || g.Totals.Places != len(want) {
				t.Errorf("regions = %v of %d places, want %v", g.Regions, g.Totals.Places, want)
			}
		})
	}
}

// An opt-in region that is enabled was enabled by somebody, though the account says
// that it does not use it.
func TestAnOptInRegionThatIsEnabledIsNotForgotten(t *testing.T) {
	t.Parallel()
	o := simulate(2, seventeen[:2])
	a := o.accounts[id(1)]
	a.Regions = seventeen[:2]
	o.accounts[id(1)] = a
	m := o.members[id(1)].Member
	m.Regions = append(m.Regions, "af-south-1", "us-west-2")
	if diff := cmp.Diff([]string{"left-out account-001 af-south-1"}, named(o.judge())); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func TestIsRegion(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"eu-west-1": true, "us-gov-east-1": true, "cn-northwest-1": true, "eusc-de-east-1": true, "us-iso-east-1": true, "ap-southeast-12": true,
		"": false, "all": false, "EU-WEST-1": false, "eu-west": false, "eu west 1": false, "eu-west-1; rm": false, "../etc": false, strings.Repeat("a-", 30) + "1": false,
	} {
		if got := IsRegion(s); got != want {
			t.Errorf("IsRegion(%q) = %t", s, got)
		}
	}
}

// A proof of the administrator's holds for its members only while they are seen to be
// its members, and its own canaries come.
func TestAnAdministratorProvesForItsMembers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		plant func(o *organisation)
		want  State
		by    Proof
	}{
		{"its canary", func(o *organisation) { delete(o.compared, hub) }, Covered, Proof{ByCanary, ago(4*time.Minute - 3*time.Second), admin}},
		{"its reconciliation", func(o *organisation) { delete(o.canary, hub) }, Covered, Proof{ByReconciliation, ago(5 * time.Minute), admin}},
		{"its reconciliation while its canary is late", func(o *organisation) { o.canary[hub].ArrivedAt = time.Time{} }, Covered, Proof{ByReconciliation, ago(5 * time.Minute), admin}},
		{"the account's own event", func(o *organisation) {
			delete(o.canary, hub)
			delete(o.compared, hub)
			o.heard[member] = Heard{member, ago(time.Hour), 1}
		}, Covered, Proof{ByEvent, ago(time.Hour), ""}},
		{"nothing", func(o *organisation) {
			delete(o.canary, hub)
			delete(o.compared, hub)
			o.heard[member] = Heard{member, ago(27 * time.Hour), 1}
		}, Unknown, Proof{}},
		{"nothing, since nobody saw lately that it is a member", func(o *organisation) {
			o.detector[member].At = ago(27 * time.Hour)
			o.heard[member] = Heard{member, ago(27 * time.Hour), 1}
		}, Unknown, Proof{}},
		{"its canary of the day before yesterday, while the next is under way", func(o *organisation) {
			delete(o.compared, hub)
			o.canary[hub].SentAt, o.canary[hub].ArrivedAt = ago(31*time.Hour), ago(30*time.Hour)
			next := *o.canary[hub]
			next.SentAt, next.Due, next.ArrivedAt = ago(7*time.Hour), now.Add(time.Hour), time.Time{}
			o.next = append(o.next, next)
		}, Covered, Proof{ByCanary, ago(30 * time.Hour), admin}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := simulate(20, seventeen)
			tt.plant(o)
			_, c, _ := o.judge().Place(member.Account, member.Region)
			got := Proof{}
			if c.Proof != nil {
				got = *c.Proof
			}
			if c.State != tt.want || got != tt.by {
				t.Errorf("it is %s by %+v (%s), want %s by %+v", c.State, got, c.Why, tt.want, tt.by)
			}
		})
	}
}

// Two sources may see two sides of one detector.
func TestTwoLooksAtOneDetectorAreOne(t *testing.T) {
	t.Parallel()
	at := tocsin.Place{Account: id(1), Region: "eu-west-1"}
	w := World{Sightings: []tocsin.Sighting{
		{Place: at, Source: "account", Kind: tocsin.SawDetector, At: ago(2 * time.Hour), Detector: &tocsin.Detector{ID: "d", Enabled: true, Frequency: "ONE_HOUR", Features: map[string]bool{"S3_DATA_EVENTS": true}}},
		{Place: at, Source: "administrator", Kind: tocsin.SawDetector, At: ago(time.Hour), Detector: &tocsin.Detector{ID: "d", Enabled: false, Administrator: admin, Relationship: "Enabled"}},
		{Place: at, Source: "a third", Kind: tocsin.SawDetector, At: ago(time.Minute), Error: "denied"},
	}}
	for range 6 {
		_, c, _ := Judge(w, now).Place(at.Account, at.Region)
		want := &Detector{ID: "d", Enabled: false, Frequency: "ONE_HOUR", On: []string{"S3_DATA_EVENTS"}, Administrator: admin, Relationship: "Enabled", SeenAt: ago(time.Hour)}
		if diff := cmp.Diff(want, c.Detector); diff != "" {
			t.Fatalf("detector (-want +got):\n%s", diff)
		}
		w.Sightings = append(w.Sightings[1:], w.Sightings[0])
	}
}

func TestASourceThatCannotLookAtAllIsSaid(t *testing.T) {
	t.Parallel()
	o := simulate(2, seventeen[:1])
	o.more = []tocsin.Sighting{{Source: "guardduty", Kind: tocsin.SawMember, At: ago(time.Minute), Error: "access denied: organizations:ListAccounts"}}
	g := o.judge()
	if len(g.Notes) != 1 || !strings.Contains(g.Notes[0].Says, "organizations:ListAccounts") {
		t.Errorf("notes = %q", g.Notes)
	}
}

func TestAPartOfTheGrid(t *testing.T) {
	t.Parallel()
	o := simulate(20, seventeen)
	o.detector[member].Detector.Enabled = false
	o.detector[tocsin.Place{Account: id(8), Region: "eu-west-1"}].Detector.Features["S3_DATA_EVENTS"] = false
	delete(o.accounts, id(9))
	g := o.judge()
	for _, tt := range []struct {
		name                    string
		q                       Query
		accounts, regions, gaps int
	}{
		{"everything", Query{}, 20, 17, 3},
		{"an account by id", Query{Account: id(7)}, 1, 17, 1},
		{"accounts by a part of the name", Query{Account: "ACCOUNT-00"}, 10, 17, 3},
		{"a region", Query{Region: "eu-west-1"}, 20, 1, 1},
		{"a region that is none", Query{Region: "xx-none-1"}, 0, 0, 0},
		{"a kind", Query{Kind: DetectorDisabled}, 1, 17, 1},
		{"a kind of accounts as a whole", Query{Kind: NotInConfiguration}, 1, 17, 1},
		{"a kind of which there is none", Query{Kind: CanaryLate}, 0, 17, 0},
		{"a state", Query{State: Warned}, 1, 17, 1},
		{"gaps", Query{Gaps: true}, 1, 17, 1},
		{"a kind elsewhere", Query{Kind: DetectorDisabled, Region: "eu-west-1"}, 0, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			part := g.Only(tt.q)
			if len(part.Accounts) != tt.accounts || len(part.Regions) != tt.regions || len(part.Gaps) != tt.gaps {
				t.Errorf("%d accounts, %d regions, %d gaps; want %d, %d, %d", len(part.Accounts), len(part.Regions), len(part.Gaps), tt.accounts, tt.regions, tt.gaps)
			}
			for _, a := range part.Accounts {
				if len(a.Cells) != len(part.Regions) {
					t.Errorf("%s has %d cells of %d regions", a.ID, len(a.Cells), len(part.Regions))
				}
			}
			if part.Totals.Places != 340 {
				t.Errorf("totals are of %d places, want those of the whole", part.Totals.Places)
			}
		})
	}
}

func BenchmarkJudge(b *testing.B) {
	o := simulate(200, seventeen)
	for n := range 20 {
		o.detector[tocsin.Place{Account: id(n), Region: "eu-west-3"}].Detector.Enabled = false
	}
	w := o.world()
	w.Memory = Memory{}.Note(Judge(w, now), now)
	b.ReportAllocs()
	for b.Loop() {
		if g := Judge(w, now); g.Totals.Places != 3400 {
			b.Fatal(g.Totals)
		}
	}
}
