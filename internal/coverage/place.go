package coverage

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/plain"
)

// A place is one that is being judged.
type place struct {
	j       *judge
	account *Account
	at      tocsin.Place
	cell    *Cell
	gaps    []Gap

	detector *looked[tocsin.Detector] // nil if nobody looked
	// admin is the place of the administrator that brings its findings; zero where
	// there is none or the account is no good member of it. administrator is whoever
	// claims to be it.
	admin         tocsin.Place
	administrator string
}

// maxSays is the longest sentence of a gap, in characters: errors of AWS are in some.
const maxSays = 600

// place gathers what is known of one into its cell. It is good until the next.
func (j *judge) place(a *Account, region string, c *Cell) *place {
	c.Region = region
	p := &j.present
	*p = place{j: j, account: a, at: tocsin.Place{Account: a.ID, Region: region}, cell: c}
	p.lookAtDetector()
	p.lookAtRule()
	p.lookAtCanaries()
	p.lookAtReconciliation()
	if h, ok := j.events[p.at]; ok {
		p.cell.LastEvent, p.cell.Events = h.Last, h.Events
	}
	return p
}

func (p *place) lookAtDetector() {
	p.detector = p.j.detectors[p.at]
	if p.detector == nil || p.detector.saw == nil {
		return
	}
	d := p.detector.saw
	p.cell.Detector = &Detector{
		ID: d.ID, Enabled: d.Enabled, Frequency: d.Frequency, Administrator: d.Administrator, Relationship: d.Relationship,
		SeenAt: p.detector.at, Error: p.detector.error,
	}
	p.cell.Detector.On, p.cell.Detector.Off = features(d.Features)
	if d.Administrator == "" || d.Administrator == p.at.Account {
		return
	}
	p.administrator = d.Administrator
	if !associated(d.Relationship) {
		return
	}
	p.admin = tocsin.Place{Account: d.Administrator, Region: p.at.Region}
	if above := p.j.detectors[p.admin]; above != nil && above.saw != nil && above.saw.Frequency != "" {
		p.cell.Detector.Frequency, p.cell.Detector.FrequencyBy = above.saw.Frequency, p.admin.Account
	}
}

// features parts plans into those that are on and those that are off.
func features(plans map[string]bool) (on, off []string) {
	if len(plans) == 0 {
		return nil, nil
	}
	all := make([]string, len(plans)) // one for both, filled from both ends
	first, last := 0, len(plans)
	for name, is := range plans {
		if is {
			all[first] = name
			first++
		} else {
			last--
			all[last] = name
		}
	}
	on, off = all[:first:first], all[first:]
	slices.Sort(on)
	slices.Sort(off)
	if len(on) == 0 {
		on = nil
	}
	if len(off) == 0 {
		off = nil
	}
	return on, off
}

// associated reports whether a member's relationship is one in which its findings
// reach the administrator
// (https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Member.html).
func associated(relationship string) bool {
	return relationship == "" || strings.EqualFold(relationship, "Enabled")
}

// lookAtRule finds the rule that does the most for the place: its own or, of a member,
// its administrator's.
func (p *place) lookAtRule() {
	best := -1
	for _, at := range []tocsin.Place{p.at, p.admin} {
		l := p.j.forwarding[at]
		if at == (tocsin.Place{}) || l == nil || l.saw == nil {
			continue
		}
		if good := worth(*l.saw); good > best {
			best = good
			p.cell.Rule = &Rule{ARN: l.saw.Rule, Enabled: l.saw.Enabled, Targets: l.saw.Targets, Misses: l.saw.Misses, SeenAt: l.at, Error: l.error}
			if at != p.at {
				p.cell.Rule.Account = at.Account
			}
		}
	}
}

// worth orders rules by how much they bring.
func worth(f tocsin.Forwarding) int {
	switch {
	case f.Rule == "":
		return 0
	case !f.Enabled:
		return 1
	case len(f.Targets) == 0:
		return 2
	case f.Misses != "":
		return 3
	}
	return 4
}

func (p *place) lookAtCanaries() {
	for _, c := range p.j.canaries[p.at] {
		k := p.cell.Canary
		if k == nil {
			k = &Canary{}
			p.cell.Canary = k
		}
		if !c.SentAt.Before(k.SentAt) {
			k.Source, k.SentAt, k.Due, k.Error = c.Source, c.SentAt, c.Due, c.Error
		}
		if c.ArrivedAt.After(k.ArrivedAt) {
			k.ArrivedAt, k.Took, k.Path = c.ArrivedAt, max(0, c.ArrivedAt.Sub(c.SentAt)).Milliseconds(), c.Path
		}
	}
}

func (p *place) lookAtReconciliation() {
	all := p.j.reconciled[p.at]
	s, ok := newestReconciliation(all)
	if !ok && len(all) > 0 {
		s = all[0]
	}
	if len(all) == 0 {
		return
	}
	p.cell.Reconciliation = &Reconciling{Source: s.Source, At: seenAt(s), Error: s.Error}
	if r := s.Reconciliation; r != nil {
		c := p.cell.Reconciliation
		c.From, c.Until, c.Counts = r.From, r.Until, countsOf(*r)
	}
}

// expect judges a place of which events are expected.
func (p *place) expect() {
	p.judgeDetector()
	p.judgeRule()
	p.judgeCanaries()
	p.judgeReconciliation()
	p.cell.Proof = p.proof()
	p.judgeSilence()
	p.hold()
	p.settle()
}

// settle drops what follows from something else, and says how the place stands.
func (p *place) settle() {
	p.once()
	has := map[Kind]bool{}
	for _, g := range p.gaps {
		has[g.Kind] = true
	}
	p.gaps = slices.DeleteFunc(p.gaps, func(g Gap) bool {
		info, _ := g.Kind.Info()
		return slices.ContainsFunc(info.follows, func(k Kind) bool { return has[k] })
	})
	c := p.cell
	c.State = Covered
	for _, g := range p.gaps {
		if g.Severity == IsGap {
			c.State = Dark
			c.Why = g.Says
			return
		}
		c.State = Warned
	}
	if c.Proof == nil {
		c.State, c.Why = Unknown, p.unproven()
		return
	}
	c.Why = p.proven()
}

// proven says what proves that the way is open.
func (p *place) proven() string {
	switch by := p.cell.Proof; {
	case by.Account != "" && by.By == ByCanary:
		return "It is a member of " + by.Account + ", whose canary arrived."
	case by.Account != "":
		return "It is a member of " + by.Account + ", whose findings were compared with what GuardDuty has."
	case by.By == ByCanary:
		return "A canary of it arrived."
	case by.By == ByReconciliation:
		return "What came was compared with what GuardDuty has."
	}
	return "An event of it arrived."
}

// unproven says why nothing does.
func (p *place) unproven() string {
	c := p.cell
	last := c.LastEvent
	if c.Canary != nil && c.Canary.ArrivedAt.After(last) {
		last = c.Canary.ArrivedAt
	}
	switch {
	case p.administrator != "" && !last.IsZero():
		return "It is a member of " + p.administrator + ", whose canary and reconciliation prove nothing at the moment, and nothing came from it for a day."
	case p.administrator != "":
		return "It is a member of " + p.administrator + ", whose canary and reconciliation prove nothing at the moment."
	case !last.IsZero():
		return "Nothing came from it for a day: whether it is quiet or the way is broken nobody can tell."
	case c.Canary != nil && c.Canary.ArrivedAt.IsZero():
		return "Its first canary is under way."
	}
	return "Nothing ever came from it, and nothing proves that it would."
}

// leaveOut judges a place of which nothing is expected though it is enabled or in use.
func (p *place) leaveOut() {
	says := "The region is enabled for the account, and nothing is expected of it."
	if h, ok := p.j.events[p.at]; ok && p.j.now.Sub(h.Last) <= inUse {
		says = "Events come from there, and nothing is expected of it: nobody would notice if they stopped."
	}
	p.gap(LeftOut, time.Time{}, says)
	p.cell.State, p.cell.Why = Warned, says
}

// gap notes that something is wrong: since a time that is known, or since it was first
// noted.
func (p *place) gap(kind Kind, since time.Time, says string) *Gap {
	info, _ := kind.Info()
	g := Gap{
		Account: p.at.Account, Region: p.at.Region, Name: p.account.Name, Kind: kind, Severity: info.Severity,
		Since: since, Says: plain.Line(says, maxSays),
	}
	if r := p.j.remembered[g.id()]; r != nil && r.Ended.IsZero() {
		g.Since = r.Since
	}
	if g.Since.IsZero() || g.Since.After(p.j.now) {
		g.Since = p.j.now
	}
	g.Since = tocsin.Millis(g.Since)
	g.Age = int64(p.j.now.Sub(g.Since) / time.Second)
	fix := p.remedy(kind)
	g.Fix, g.Change, g.Command = fix.words, fix.change, fix.look
	p.gaps = append(p.gaps, g)
	return &p.gaps[len(p.gaps)-1]
}

func (p *place) judgeDetector() {
	l := p.detector
	if l == nil {
		return
	}
	switch {
	case l.error != "" && l.saw == nil:
		p.gap(LookFailing, time.Time{}, "GuardDuty there cannot be looked at: "+l.error)
		return
	case l.error != "" && p.j.now.Sub(l.at) > oneLook:
		p.gap(LookFailing, l.at, "GuardDuty there cannot be looked at any more: "+l.error)
	case l.stale(p.j.now):
		p.gap(LookFailing, l.at, "Source "+l.source+" has not looked at GuardDuty there since "+instant(l.at)+".")
	}
	if l.saw == nil {
		return
	}
	d := l.saw
	switch {
	case !associated(d.Relationship):
		p.gap(NotAdministered, time.Time{}, "Its relationship with the administrator "+p.administrator+" is "+d.Relationship+": its findings do not reach it.")
	case d.ID == "":
		p.gap(NoDetector, time.Time{}, "GuardDuty has no detector there.")
		return
	case !d.Enabled:
		p.gap(DetectorDisabled, time.Time{}, "The detector "+d.ID+" is disabled.")
	case p.stray():
		p.gap(NotAdministered, time.Time{}, "It is no member of the region's administrator "+strings.Join(p.j.administrators[p.at.Region], ", ")+", and has no rule of its own: its findings reach nobody.")
	}
	if p.cell.Detector.Frequency == "SIX_HOURS" && p.cell.Detector.FrequencyBy == "" {
		p.gap(SixHourly, time.Time{}, "Updates of findings are published every six hours.")
	}
	var off []string
	for _, f := range p.j.Expect.Features {
		if on, known := d.Features[f]; known && !on && !instead(d.Features, f) {
			off = append(off, f)
		}
	}
	if len(off) > 0 {
		p.gap(FeatureOff, time.Time{}, "Off, though the configuration expects it: "+strings.Join(off, ", ")+".")
	}
}

// instead reports whether another plan that is on has all that this one does
// (https://docs.aws.amazon.com/guardduty/latest/ug/runtime-monitoring.html).
func instead(features map[string]bool, plan string) bool {
	return plan == "EKS_RUNTIME_MONITORING" && features["RUNTIME_MONITORING"]
}

// member reports whether somebody else administers the region, so that no rule of its
// own is needed there.
func (p *place) member() bool {
	all := p.j.administrators[p.at.Region]
	return len(all) > 0 && !slices.Contains(all, p.at.Account)
}

// stray reports whether the account is of the organisation, is on its own beside
// members of the region's administrator, and brings nothing by itself.
func (p *place) stray() bool {
	if _, inside := p.j.members[p.at.Account]; !inside || p.administrator != "" || !p.member() {
		return false
	}
	if p.cell.Rule != nil && p.cell.Rule.Enabled {
		return false
	}
	return p.proofOf(p.at, "") == nil
}

func (p *place) judgeRule() {
	if own := p.j.forwarding[p.at]; own != nil {
		switch {
		case own.error != "" && (own.saw == nil || p.j.now.Sub(own.at) > oneLook):
			p.gap(LookFailing, own.at, "The rules of EventBridge there cannot be looked at: "+own.error)
		case own.stale(p.j.now):
			p.gap(LookFailing, own.at, "Source "+own.source+" has not looked at the rules of EventBridge there since "+instant(own.at)+".")
		}
	}
	r := p.cell.Rule
	if r == nil {
		return
	}
	if above := p.j.forwarding[p.admin]; p.admin != (tocsin.Place{}) && (above == nil || above.saw == nil) && (r.ARN == "" || !r.Enabled || len(r.Targets) == 0) {
		return // the administrator's may bring them: nobody looked
	}
	if p.admin == (tocsin.Place{}) && p.member() && r.ARN == "" {
		return // that it is no member is told already, and a member needs none
	}
	name := ruleName(r.ARN)
	where := "there"
	if r.Account != "" {
		where = "in the administrator's account " + r.Account
	}
	switch {
	case r.ARN == "" && p.admin != (tocsin.Place{}):
		p.gap(NoRule, time.Time{}, "No rule of EventBridge forwards its findings, neither there nor in the administrator's account "+p.admin.Account+".")
	case r.ARN == "":
		p.gap(NoRule, time.Time{}, "No rule of EventBridge forwards its findings.")
	case !r.Enabled:
		p.gap(RuleDisabled, time.Time{}, "The rule "+name+" "+where+" is disabled.")
	case len(r.Targets) == 0:
		p.gap(NoRule, time.Time{}, "The rule "+name+" "+where+" has no target.")
	case r.Misses != "":
		p.gap(RuleMisses, time.Time{}, "The rule "+name+" "+where+" lets go by: "+r.Misses+".")
	}
}

func (p *place) judgeCanaries() {
	own := p.j.canaries[p.at]
	if len(own) == 0 {
		return
	}
	newest := map[string]tocsin.Canary{} // of each source
	for _, c := range own {
		if n, ok := newest[c.Source]; !ok || !c.SentAt.Before(n.SentAt) {
			newest[c.Source] = c
		}
	}
	var late, unsent bool
	for _, source := range slices.Sorted(maps.Keys(newest)) {
		c := newest[source]
		switch {
		case c.Error != "" && !unsent:
			unsent = true
			p.gap(CanaryUnsent, c.SentAt, "The canary of source "+source+" cannot be sent: "+c.Error)
		case c.Error == "" && c.Late(p.j.now) && !late:
			late = true
			p.gap(CanaryLate, c.Due, "The canary that source "+source+" sent at "+instant(c.SentAt)+" has not arrived, and was due at "+instant(c.Due)+".")
		}
	}
	if r := p.j.missed(p.at); r != nil && !late && !unsent {
		p.gap(CanaryLate, r.Since, r.Says)
	}
}

// missed is that a canary of the place is late, where none arrived since it was: the
// next one may be under way, and the one before is missing all the same.
func (j *judge) missed(at tocsin.Place) *Remembered {
	r := j.remembered[gapID{at, CanaryLate}]
	if r == nil || !r.Ended.IsZero() || slices.ContainsFunc(j.canaries[at], func(c tocsin.Canary) bool { return c.ArrivedAt.After(r.Since) }) {
		return nil
	}
	return r
}

// open reports whether canaries of the place prove anything: none is missing.
func (j *judge) open(at tocsin.Place) bool {
	return j.missed(at) == nil && !slices.ContainsFunc(j.canaries[at], func(c tocsin.Canary) bool { return c.Error != "" || c.Late(j.now) })
}

// usualInterval is how often findings are taken to be compared where the source does
// not say.
const usualInterval = time.Hour

func interval(r *tocsin.Reconciliation) time.Duration {
	if r == nil || r.Every <= 0 {
		return usualInterval
	}
	return r.Every
}

// behind reports whether findings are not compared as they should be.
func behind(s tocsin.Sighting, now time.Time) bool {
	r := s.Reconciliation
	return r != nil && now.Sub(r.Until) > 3*interval(r)
}

// failing reports whether comparing fails for longer than once.
func failing(s tocsin.Sighting, now time.Time) bool {
	return s.Error != "" && (s.Reconciliation == nil || now.Sub(seenAt(s)) > 2*interval(s.Reconciliation))
}

func (p *place) judgeReconciliation() {
	for _, s := range p.j.reconciled[p.at] {
		r := s.Reconciliation
		switch {
		case failing(s, p.j.now):
			p.gap(ReconciliationFailing, seenAt(s), "What came cannot be compared with what GuardDuty has: "+s.Error)
		case behind(s, p.j.now) && !p.j.stuck(p.admin, s.Source):
			p.gap(ReconciliationBehind, r.Until.Add(3*interval(r)), "What came is compared with what GuardDuty has until "+instant(r.Until)+" only; it should be every "+span(interval(r))+".")
		}
		if r == nil || p.j.now.Sub(seenAt(s)) > RecoveredFor {
			continue
		}
		if r.Recovered > 0 {
			p.gap(Recovered, seenAt(s), count(r.Recovered, "finding")+" did not arrive by event and had to be fetched from GuardDuty: events get lost there.").seen = seenAt(s)
		}
		if r.Unexplained > 0 {
			p.gap(Unexplained, seenAt(s), count(r.Unexplained, "finding")+" of GuardDuty's neither arrived nor could be fetched.").seen = seenAt(s)
		}
	}
}

// stuck reports whether comparing the findings of a place is behind or failing, so that
// those of whoever it administers are too.
func (j *judge) stuck(at tocsin.Place, source string) bool {
	return slices.ContainsFunc(j.reconciled[at], func(s tocsin.Sighting) bool {
		return s.Source == source && (s.Error != "" || behind(s, j.now))
	})
}

// once keeps of several gaps of one kind the first.
func (p *place) once() {
	seen := map[Kind]bool{}
	p.gaps = slices.DeleteFunc(p.gaps, func(g Gap) bool {
		twice := seen[g.Kind]
		seen[g.Kind] = true
		return twice
	})
}

// hold keeps what is to be told for some time after it was so.
func (p *place) hold() {
	for i := range kinds {
		k := &kinds[i]
		if k.held == 0 || slices.ContainsFunc(p.gaps, func(g Gap) bool { return g.Kind == k.Kind }) {
			continue
		}
		r := p.j.remembered[gapID{p.at, k.Kind}]
		if r != nil && r.Ended.IsZero() && p.j.now.Sub(r.Seen) < k.held {
			p.gap(k.Kind, r.Since, r.Says).seen = r.Seen
		}
	}
}

// judgeSilence tells of places that nothing comes from.
func (p *place) judgeSilence() {
	c := p.cell
	heard, reconciled := c.LastEvent, c.Reconciliation != nil && !c.Reconciliation.Until.IsZero()
	if c.Canary != nil && c.Canary.ArrivedAt.After(heard) {
		heard = c.Canary.ArrivedAt
	}
	if p.admin != (tocsin.Place{}) {
		for _, k := range p.j.canaries[p.admin] {
			if k.ArrivedAt.After(heard) {
				heard = k.ArrivedAt
			}
		}
		_, ok := newestReconciliation(p.j.reconciled[p.admin])
		reconciled = reconciled || ok
	}
	if heard.IsZero() && !reconciled && p.j.probes {
		p.gap(NeverHeard, time.Time{}, "No event, no canary and no reconciliation ever came from there.")
	}
	if limit := p.j.Expect.Silence; limit > 0 && !heard.IsZero() && p.j.now.Sub(heard) > limit {
		p.gap(Silent, heard.Add(limit), "No event and no canary came since "+instant(heard)+"; at least one every "+span(limit)+" is expected.")
	}
}

// proof is the newest that the way from the place is open.
func (p *place) proof() *Proof {
	best := p.proofOf(p.at, "")
	if p.admin == (tocsin.Place{}) || p.detector.stale(p.j.now) || !p.detector.saw.Enabled {
		return best
	}
	if theirs := p.proofOf(p.admin, p.admin.Account); theirs != nil && (best == nil || theirs.At.After(best.At)) {
		return theirs
	}
	return best
}

// proofOf is the newest that the way from a place is open: that of an administrator
// does not count its events, which may be of anybody.
func (p *place) proofOf(at tocsin.Place, administrator string) *Proof {
	var best *Proof
	take := func(by ProofKind, t time.Time, holds time.Duration) {
		if !t.IsZero() && p.j.now.Sub(t) <= holds && (best == nil || t.After(best.At)) {
			best = &Proof{By: by, At: t, Account: administrator}
		}
	}
	if administrator == "" {
		take(ByEvent, p.j.events[at].Last, ProofHolds)
	}
	if p.j.open(at) {
		holds := ProofHolds
		if slices.ContainsFunc(p.j.canaries[at], func(c tocsin.Canary) bool { return c.ArrivedAt.IsZero() }) {
			holds *= 2 // the next one is under way, and has its time
		}
		for _, c := range p.j.canaries[at] {
			take(ByCanary, c.ArrivedAt, holds)
		}
	}
	for _, s := range p.j.reconciled[at] {
		if s.Reconciliation != nil && !behind(s, p.j.now) && !failing(s, p.j.now) {
			take(ByReconciliation, seenAt(s), ProofHolds)
		}
	}
	return best
}

// instant is a time to the second, as sentences have it.
func instant(t time.Time) string {
	if t.IsZero() {
		return "ever"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// span is a duration in words: "15 minutes", "6 hours", "2 days".
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day && d%day == 0:
		return count(int64(d/day), "day")
	case d >= time.Hour && d%time.Hour == 0:
		return count(int64(d/time.Hour), "hour")
	case d >= time.Minute && d%time.Minute == 0:
		return count(int64(d/time.Minute), "minute")
	}
	return d.String()
}

func count(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.FormatInt(n, 10) + " " + word + "s"
}

// ruleName is the name of a rule, of its ARN: "guardduty-to-tocsin".
func ruleName(arn string) string {
	if i := strings.LastIndexByte(arn, '/'); i >= 0 {
		return arn[i+1:]
	}
	return cmp.Or(arn, "(none)")
}
