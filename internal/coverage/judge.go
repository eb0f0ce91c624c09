package coverage

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// Judge says how every place stands.
func Judge(w World, now time.Time) Grid {
	j := &judge{World: w, now: now, grid: Grid{At: tocsin.Millis(now), Regions: []string{}, Accounts: []Account{}, Gaps: []Gap{}}}
	j.index()
	j.rows()
	j.columns()
	for i := range j.grid.Accounts {
		j.account(&j.grid.Accounts[i])
	}
	slices.SortFunc(j.grid.Gaps, byWeight)
	j.count()
	j.grid.Reconciliation = j.sum()
	j.grid.Notes = j.notes()
	return j.grid
}

// byWeight orders gaps before warnings, the oldest first.
func byWeight(a, b Gap) int {
	if a.Severity != b.Severity {
		return cmp.Compare(a.Severity, b.Severity) // "gap" before "warning"
	}
	return cmp.Or(
		a.Since.Compare(b.Since), cmp.Compare(kindRank[a.Kind], kindRank[b.Kind]),
		strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region),
	)
}

// A judge holds the world by place.
type judge struct {
	World
	now  time.Time
	grid Grid

	left       map[string]bool
	members    map[string]tocsin.Sighting // those that the organisation has today
	inventory  bool                       // somebody knows the organisation
	lookErrors map[string]string          // of accounts that could not be looked up, by id
	detectors  map[tocsin.Place]*looked[tocsin.Detector]
	forwarding map[tocsin.Place]*looked[tocsin.Forwarding]
	reconciled map[tocsin.Place][]tocsin.Sighting // of each source
	canaries   map[tocsin.Place][]tocsin.Canary   // older before newer of each source
	events     map[tocsin.Place]Heard
	remembered map[gapID]*Remembered
	probes     bool // canaries or reconciliations come from somewhere
	// administrators are those of each region, and the places that they are in.
	administrators map[string][]string
	// expected are the regions of each account.
	expected map[string]map[string]bool
	seen     map[string]map[string]bool // regions of each account of which anything is known
	out      map[string]map[string]bool // regions of each account that are left out
	failures []tocsin.Sighting          // of no account: the source cannot look at all
	present  place                      // the one that is being judged
}

// looked is what was seen of a place, and how long ago.
type looked[T any] struct {
	saw    *T        // nil if nobody ever saw it
	at     time.Time // when it was seen
	source string
	error  string // why it cannot be seen since
}

// stale reports whether what was seen is too old to prove anything.
func (l *looked[T]) stale(now time.Time) bool { return now.Sub(l.at) > ProofHolds }

// newer reports whether a sighting is to be believed rather than what there is: what
// was seen rather than nothing, then the newest.
func (l *looked[T]) newer(saw *T, at time.Time) bool {
	return l == nil || l.saw == nil && saw != nil || (l.saw == nil) == (saw == nil) && at.After(l.at)
}

// seenAt is when a source saw what its sighting says; zero if it never saw anything.
func seenAt(s tocsin.Sighting) time.Time {
	if s.Seen.IsZero() && s.Error == "" {
		return s.At
	}
	return s.Seen
}

func (j *judge) index() {
	j.left = map[string]bool{}
	for _, id := range j.Left {
		j.left[id] = true
	}
	j.members, j.lookErrors = map[string]tocsin.Sighting{}, map[string]string{}
	j.detectors, j.forwarding = make(map[tocsin.Place]*looked[tocsin.Detector], len(j.Sightings)), map[tocsin.Place]*looked[tocsin.Forwarding]{}
	j.reconciled, j.canaries, j.events = map[tocsin.Place][]tocsin.Sighting{}, map[tocsin.Place][]tocsin.Canary{}, make(map[tocsin.Place]Heard, len(j.Heard))
	j.seen, j.administrators = map[string]map[string]bool{}, map[string][]string{}
	j.remembered = j.Memory.byID()

	lists := newestLists(j.Sightings)
	for i := range j.Sightings {
		s := &j.Sightings[i]
		if !isAccount(s.Account) || s.Region != "" && !IsRegion(s.Region) {
			if s.Error != "" {
				j.failures = append(j.failures, *s)
			}
			continue
		}
		j.sighted(s, lists)
	}
	for _, c := range j.Canaries {
		if at := c.Place; isAccount(at.Account) && IsRegion(at.Region) {
			j.canaries[at] = append(j.canaries[at], c)
			j.saw(at)
			j.probes = true
		}
	}
	for _, h := range j.Heard {
		if isAccount(h.Account) && (h.Region == "" || IsRegion(h.Region)) {
			j.events[h.Place] = h
			j.saw(h.Place)
		}
	}
	for at, d := range j.detectors {
		if d.saw == nil || d.saw.Administrator == "" || d.saw.Administrator == at.Account {
			continue
		}
		if !slices.Contains(j.administrators[at.Region], d.saw.Administrator) {
			j.administrators[at.Region] = append(j.administrators[at.Region], d.saw.Administrator)
		}
	}
	for _, all := range j.administrators {
		slices.Sort(all)
	}
}

// oneLook is how long a look at all members may take: a member that was seen so much
// before the newest was not there any more at the last look. It is also for how long
// a look may fail before anybody is told.
const oneLook = time.Hour

// newestLists is when each source saw a member of its organisation last.
func newestLists(all []tocsin.Sighting) map[string]time.Time {
	lists := map[string]time.Time{}
	for _, s := range all {
		if s.Kind == tocsin.SawMember && s.Member != nil && seenAt(s).After(lists[s.Source]) {
			lists[s.Source] = seenAt(s)
		}
	}
	return lists
}

// sighted files what a source saw under its place.
func (j *judge) sighted(s *tocsin.Sighting, lists map[string]time.Time) {
	at := seenAt(*s)
	switch s.Kind {
	case tocsin.SawMember:
		if s.Member == nil {
			j.lookErrors[s.Account] = s.Error
			return
		}
		j.inventory = true
		if m, ok := j.members[s.Account]; lists[s.Source].Sub(at) <= oneLook && (!ok || at.After(seenAt(m))) {
			j.members[s.Account] = *s
		}
	case tocsin.SawDetector:
		j.detectors[s.Place] = j.merge(j.detectors[s.Place], *s)
		j.saw(s.Place)
	case tocsin.SawForwarding:
		if l := j.forwarding[s.Place]; l.newer(s.Forwarding, at) {
			j.forwarding[s.Place] = &looked[tocsin.Forwarding]{s.Forwarding, at, s.Source, s.Error}
		}
		j.saw(s.Place)
	case tocsin.SawReconciliation:
		j.reconciled[s.Place] = append(j.reconciled[s.Place], *s)
		j.saw(s.Place)
		j.probes = j.probes || s.Reconciliation != nil
	}
}

// merge takes another sighting of a detector to what is known of it. Two sources may
// see two sides of one: the account itself its frequency, the administrator the
// relationship.
func (j *judge) merge(l *looked[tocsin.Detector], s tocsin.Sighting) *looked[tocsin.Detector] {
	fresh := &looked[tocsin.Detector]{s.Detector, seenAt(s), s.Source, s.Error}
	if l == nil {
		return fresh
	}
	if !l.newer(s.Detector, fresh.at) {
		l, fresh = fresh, l
	}
	if l.saw == nil || fresh.saw.ID == "" || l.saw.ID == "" || l.stale(j.now) {
		return fresh
	}
	d, other := *fresh.saw, l.saw
	d.Frequency = cmp.Or(d.Frequency, other.Frequency)
	d.Administrator, d.Relationship = cmp.Or(d.Administrator, other.Administrator), cmp.Or(d.Relationship, other.Relationship)
	if d.Features == nil {
		d.Features = other.Features
	}
	fresh.saw = &d
	return fresh
}

func (j *judge) saw(at tocsin.Place) {
	if j.seen[at.Account] == nil {
		j.seen[at.Account] = map[string]bool{}
	}
	if at.Region != "" {
		j.seen[at.Account][at.Region] = true
	}
}

// rows are all accounts that anybody knows of.
func (j *judge) rows() {
	ids := map[string]bool{}
	for id := range j.Accounts {
		ids[id] = true
	}
	for id := range j.members {
		ids[id] = true
	}
	for id := range j.seen {
		ids[id] = true
	}
	for id := range ids {
		known, configured := j.Accounts[id]
		a := Account{
			ID: id, Name: known.Name, Environment: known.Environment, Team: known.Team, OU: strings.Trim(known.OU, "/"), Configured: configured,
		}
		if m, ok := j.members[id]; ok {
			a.Name, a.OU, a.Status = cmp.Or(a.Name, m.Member.Name), cmp.Or(a.OU, strings.Trim(m.Member.OU, "/")), m.Member.Status
		}
		j.grid.Accounts = append(j.grid.Accounts, a)
	}
	slices.SortFunc(j.grid.Accounts, func(a, b Account) int {
		return cmp.Or(strings.Compare(strings.ToLower(cmp.Or(a.Name, "\uffff")), strings.ToLower(cmp.Or(b.Name, "\uffff"))), strings.Compare(a.ID, b.ID))
	})
}

// columns finds out which regions each account is expected in, and which are in the
// grid.
func (j *judge) columns() {
	j.expected, j.out = make(map[string]map[string]bool, len(j.grid.Accounts)), map[string]map[string]bool{}
	shown := map[string]bool{}
	for i := range j.grid.Accounts {
		a := &j.grid.Accounts[i]
		if a.Why = j.gone(*a); a.Why == "" {
			j.expected[a.ID] = j.regionsOf(a.ID)
			if out := j.leftOut(a.ID); len(out) > 0 {
				j.out[a.ID] = out
				maps.Copy(shown, out)
			}
		}
		maps.Copy(shown, j.expected[a.ID])
		maps.Copy(shown, j.seen[a.ID])
	}
	j.grid.Regions = slices.AppendSeq(j.grid.Regions, maps.Keys(shown))
	slices.Sort(j.grid.Regions)
}

// gone is why nothing is expected of an account as a whole.
func (j *judge) gone(a Account) string {
	switch {
	case j.left[a.ID]:
		return "The configuration says that it has left the organisation."
	case a.Status != "" && !strings.EqualFold(a.Status, "ACTIVE"):
		return "Its status in the organisation is " + a.Status + "."
	}
	return ""
}

// regionsOf are the regions in which events of an account are expected.
func (j *judge) regionsOf(id string) map[string]bool {
	own, m := j.Accounts[id].Regions, j.members[id].Member
	regions := map[string]bool{}
	add := func(list []string) {
		for _, r := range list {
			if IsRegion(r) {
				regions[r] = true
			}
		}
	}
	switch {
	case own != nil:
		add(own)
	case len(j.Expect.Regions) > 0:
		add(j.Expect.Regions)
	case m != nil && m.Regions != nil:
		add(m.Regions)
	default: // where anything of it was seen, and if all are wanted where it cannot but be
		maps.Copy(regions, j.seen[id])
		if j.Expect.All {
			add(enabled[j.partition(id)])
		}
	}
	return regions
}

// partition is that in which anything of the account was seen, or aws.
func (j *judge) partition(id string) string {
	for _, r := range slices.Sorted(maps.Keys(j.seen[id])) {
		return partitionOf(r)
	}
	return "aws"
}

// inUse is for how long a region is in use after an event of it.
const inUse = 30 * 24 * time.Hour

// leftOut are the regions of an account of which nothing is expected, and that are
// enabled in it or in use. Where the account itself says which it uses, a region that
// cannot be disabled is none of them, unless events come from there.
func (j *judge) leftOut(id string) map[string]bool {
	expected := j.expected[id]
	out := map[string]bool{}
	own := j.Accounts[id].Regions != nil
	if m := j.members[id].Member; m != nil {
		for _, r := range m.Regions {
			if !expected[r] && (!own || optedInto(r)) && IsRegion(r) {
				out[r] = true
			}
		}
	}
	for r := range j.seen[id] {
		if expected[r] {
			continue
		}
		if h, ok := j.events[tocsin.Place{Account: id, Region: r}]; ok && j.now.Sub(h.Last) <= inUse {
			out[r] = true
		}
	}
	return out
}

// account judges an account and all its places.
func (j *judge) account(a *Account) {
	active := a.Why == ""
	expected, out := j.expected[a.ID], j.out[a.ID]
	a.Cells = make([]Cell, len(j.grid.Regions))
	a.State = NotExpected
	for i, region := range j.grid.Regions {
		c := &a.Cells[i]
		p := j.place(a, region, c)
		c.Expected = expected[region]
		switch {
		case c.Expected:
			p.expect()
			a.Expected++
			if c.State == Covered || c.State == Warned {
				a.Proven++
			}
			a.State = worse(a.State, c.State)
		case out[region]:
			p.leaveOut()
		default:
			c.State = NotExpected
			c.Why = cmp.Or(a.Why, j.whyNot(a.ID))
		}
		for _, g := range p.gaps {
			c.Kinds = append(c.Kinds, g.Kind)
		}
		j.grid.Gaps = append(j.grid.Gaps, p.gaps...)
	}
	if active {
		j.whole(a)
	}
}

// whyNot is why nothing is expected of a region of an account that is active.
func (j *judge) whyNot(id string) string {
	switch {
	case j.Accounts[id].Regions != nil:
		return "The configuration says which regions the account uses, and this is none of them."
	case len(j.Expect.Regions) > 0:
		return "It is none of the regions that the configuration expects."
	case j.members[id].Member != nil && j.members[id].Member.Regions != nil:
		return "The region is not enabled for the account."
	}
	return "Nothing of the account was ever seen there."
}

// worse is the worse of two states.
func worse(a, b State) State {
	for _, s := range States() {
		if s == a || s == b {
			return s
		}
	}
	return a
}

// whole judges an account apart from its regions.
func (j *judge) whole(a *Account) {
	_, inside := j.members[a.ID]
	p := &place{j: j, account: a, at: tocsin.Place{Account: a.ID}}
	switch {
	case j.inventory && !inside && a.Configured && j.lookErrors[a.ID] == "":
		p.gap(NotInOrganisation, time.Time{}, "The configuration names the account, and the organisation does not have it.")
	case inside && !a.Configured && len(j.Accounts) > 0:
		p.gap(NotInConfiguration, j.members[a.ID].Member.Joined, "The organisation has the account, and the configuration does not name it.")
	}
	if err := j.lookErrors[a.ID]; err != "" && !inside {
		p.gap(LookFailing, time.Time{}, "The account cannot be looked up in its organisation: "+err)
	}
	if a.Expected == 0 {
		_, heard := j.events[p.at]
		switch own := j.Accounts[a.ID].Regions; {
		case own != nil:
			a.Why = "The configuration says that it uses no region."
		case heard:
			a.State, a.Why = Unknown, "Events of it name no region, and nothing says which regions it uses."
		case inside && j.probes:
			a.State, a.Why = Dark, "No region of it is known."
			p.gap(NeverHeard, time.Time{}, "Nothing ever came from any region of the account, and no region of it is known.")
		default:
			a.State, a.Why = Unknown, "Nothing ever came from it, and nothing says which regions it uses."
		}
	}
	for _, g := range p.gaps {
		a.Kinds = append(a.Kinds, g.Kind)
	}
	j.grid.Gaps = append(j.grid.Gaps, p.gaps...)
}

// count sums how places stand.
func (j *judge) count() {
	t := Totals{Kinds: map[Kind]int{}}
	add := func(s State) {
		t.Places++
		switch s {
		case Covered:
			t.Covered++
		case Warned:
			t.Covered++
			t.Warnings++
		case Dark:
			t.Gaps++
		default:
			t.Unknown++
		}
	}
	for i := range j.grid.Accounts {
		a := &j.grid.Accounts[i]
		for k := range a.Cells {
			c := &a.Cells[k]
			switch {
			case c.Expected:
				add(c.State)
			case c.State == Warned:
				t.LeftOut++
				t.NotExpected++
			default:
				t.NotExpected++
			}
		}
		if a.Expected == 0 && a.State != NotExpected {
			add(a.State)
		}
	}
	for _, g := range j.grid.Gaps {
		t.Kinds[g.Kind]++
	}
	j.grid.Totals = t
}

// sum adds up what was compared, of each place once.
func (j *judge) sum() *Reconciliation {
	var sum tocsin.Reconciliation
	places := 0
	for _, all := range j.reconciled {
		s, ok := newestReconciliation(all)
		if !ok {
			continue
		}
		sum = sum.With(*s.Reconciliation)
		places++
	}
	if places == 0 {
		return nil
	}
	return &Reconciliation{Places: places, From: sum.From, Until: sum.Until, Counts: countsOf(sum)}
}

// newestReconciliation is the one that goes furthest.
func newestReconciliation(all []tocsin.Sighting) (newest tocsin.Sighting, ok bool) {
	for _, s := range all {
		if s.Reconciliation != nil && (!ok || s.Reconciliation.Until.After(newest.Reconciliation.Until)) {
			newest, ok = s, true
		}
	}
	return newest, ok
}

// notes say what cannot be known as things are.
func (j *judge) notes() []Note {
	var notes []Note
	for _, s := range j.failures {
		notes = append(notes, Note{
			Says: "Source " + s.Source + " cannot look: " + s.Error, Fix: "See how the source stands on the Sources page.",
		})
	}
	canaries := len(j.canaries) > 0
	switch {
	case !j.probes && len(j.events) > 0:
		notes = append(notes, Note{
			Says: "Only events say that a place is heard of. Where none came for a day, nobody can tell whether it is quiet or the way is broken.",
			Fix:  "Add a source of the kind canary, which sends an event from each region and sees that it arrives, or of the kind guardduty-api, which compares what came with what GuardDuty has.",
		})
	case !j.probes:
		notes = append(notes, Note{
			Says: "Nothing was ever heard of any place, and nothing looks.",
			Fix:  "Add a source by which events come, and one of the kind canary or guardduty-api to prove that they all do.",
		})
	case !canaries:
		notes = append(notes, Note{
			Says: "No canary is sent: that an event arrives within seconds is not proven, only that none is missing later.",
			Fix:  "Add a source of the kind canary.",
		})
	case len(j.reconciled) == 0:
		notes = append(notes, Note{
			Says: "Nothing compares what came with what GuardDuty has: that the way is open is proven, that no finding was lost is not.",
			Fix:  "Add a source of the kind guardduty-api.",
		})
	}
	if !j.inventory && len(j.failures) == 0 {
		notes = append(notes, Note{
			Says: "Nobody says which accounts the organisation has and which regions are enabled in them: an account or a region that nobody named and that nothing comes from is not in this picture.",
			Fix:  "Add a source of the kind guardduty-api with organization: true, or name every account under accounts and its regions under coverage.",
		})
	}
	return notes
}
