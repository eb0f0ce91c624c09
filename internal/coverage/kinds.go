package coverage

import "time"

// A Severity says whether a place is dark, or only worth a look.
type Severity string

// The severities.
const (
	IsGap     Severity = "gap"     // findings are lost, or nobody would notice if they were; people are told
	IsWarning Severity = "warning" // worth a look; nobody is woken
)

// A Kind is what is wrong with a place, or worth a look.
type Kind string

// The gaps: what makes a place dark.
const (
	// NoDetector: GuardDuty was never enabled there.
	NoDetector Kind = "no-detector"
	// DetectorDisabled: there is a detector, and it is suspended.
	DetectorDisabled Kind = "detector-disabled"
	// NotAdministered: the account is no member of the region's administrator: invited,
	// removed, resigned, or on its own beside members and without a rule of its own.
	NotAdministered Kind = "not-administered"
	// NoRule: no rule forwards its findings, neither there nor in its administrator's
	// account, or the rule has no target.
	NoRule Kind = "no-rule"
	// RuleDisabled: a rule would, and is disabled.
	RuleDisabled Kind = "rule-disabled"
	// RuleMisses: the rule's pattern lets some findings go by.
	RuleMisses Kind = "rule-misses"
	// NeverHeard: no event, no canary and no reconciliation ever came from there, though
	// canaries or reconciliations come from elsewhere: a new account or region.
	NeverHeard Kind = "never-heard"
	// Silent: no event and no canary came for longer than the configuration allows.
	Silent Kind = "silent"
	// CanaryLate: a canary did not arrive by the time that it was due, and none since.
	// The source that sends canaries opens the alert.
	CanaryLate Kind = "canary-late"
	// CanaryUnsent: a canary cannot be sent from there. The source that sends canaries
	// opens the alert.
	CanaryUnsent Kind = "canary-unsent"
	// ReconciliationBehind: findings are compared until a time that is more than three
	// of the source's intervals ago.
	ReconciliationBehind Kind = "reconciliation-behind"
	// ReconciliationFailing: comparing fails, again and again or from the beginning.
	ReconciliationFailing Kind = "reconciliation-failing"
	// Unexplained: GuardDuty has findings that neither arrived nor can be had.
	Unexplained Kind = "unexplained"
)

// The warnings.
const (
	// SixHourly: updates of findings are published every six hours, the slowest that
	// there is. It is told of whoever decides it: the administrator.
	SixHourly Kind = "six-hourly"
	// FeatureOff: a protection plan is off that the configuration expects.
	FeatureOff Kind = "feature-off"
	// Recovered: findings did not arrive by event within a day, and were fetched: events
	// get lost there.
	Recovered Kind = "recovered"
	// LeftOut: the region is enabled or in use in the account, and nothing is expected
	// of it: nobody would notice that it is dark.
	LeftOut Kind = "left-out"
	// LookFailing: a source cannot look at the place, or has not for a day.
	LookFailing Kind = "look-failing"
	// NotInOrganisation: the configuration names the account, and the organisation does
	// not have it.
	NotInOrganisation Kind = "not-in-organisation"
	// NotInConfiguration: the organisation has the account, and the configuration does
	// not name it: nobody owns what is found there.
	NotInConfiguration Kind = "not-in-configuration"
)

// A KindInfo says of a kind what people are to know.
type KindInfo struct {
	Kind     Kind
	Severity Severity
	Title    string // "No detector"
	Means    string // one sentence
	// Elsewhere says that whoever finds it out opens an alert of its own, so that
	// coverage opens none: people are to get one message.
	Elsewhere bool
	headline  string // of an alert, behind the place: "is dark: no detector"
	held      time.Duration
	// follows are kinds of which it is a consequence: where one of them is there, it is
	// not told.
	follows []Kind
}

// broken are what keeps events from coming.
var broken = []Kind{NoDetector, DetectorDisabled, NotAdministered, NoRule, RuleDisabled}

var kinds = []KindInfo{
	{Kind: NoDetector, Severity: IsGap, Title: "No detector", headline: "is dark: no detector", Means: "GuardDuty is not enabled there."},
	{Kind: DetectorDisabled, Severity: IsGap, Title: "Detector disabled", headline: "is dark: its detector is disabled", Means: "GuardDuty is there, and suspended."},
	{Kind: NotAdministered, Severity: IsGap, Title: "Not administered", headline: "is dark: not administered", Means: "The account is no member of the region's administrator, so that its findings do not reach it."},
	{Kind: NoRule, Severity: IsGap, Title: "No rule", headline: "is dark: no rule forwards its findings", Means: "No rule of EventBridge forwards its findings."},
	{Kind: RuleDisabled, Severity: IsGap, Title: "Rule disabled", headline: "is dark: its rule is disabled", Means: "The rule that would forward its findings is disabled."},
	{Kind: RuleMisses, Severity: IsGap, Title: "Rule misses findings", headline: "is half dark: its rule misses findings", Means: "The rule's pattern lets some findings go by."},
	{Kind: NeverHeard, Severity: IsGap, Title: "Never heard from", headline: "is dark: never heard from", Means: "No event, no canary and no reconciliation ever came from there.", follows: append([]Kind{CanaryLate, CanaryUnsent, ReconciliationFailing}, broken...)},
	{Kind: Silent, Severity: IsGap, Title: "Silent", headline: "is silent", Means: "No event and no canary came for longer than the configuration allows.", follows: append([]Kind{CanaryLate, CanaryUnsent}, broken...)},
	{Kind: CanaryLate, Severity: IsGap, Elsewhere: true, Title: "Canary late", headline: "is dark: its canary is late", Means: "An event that tocsin sent from there to itself has not arrived in time.", follows: []Kind{NoRule, RuleDisabled}},
	{Kind: CanaryUnsent, Severity: IsGap, Elsewhere: true, Title: "Canary cannot be sent", headline: "is not watched: its canary cannot be sent", Means: "The event by which tocsin sees that the way is open cannot be sent."},
	{Kind: ReconciliationBehind, Severity: IsGap, Title: "Reconciliation behind", headline: "is not checked: its reconciliation is behind", Means: "What came was not compared with what GuardDuty has for three intervals.", follows: []Kind{ReconciliationFailing}},
	{Kind: ReconciliationFailing, Severity: IsGap, Title: "Reconciliation failing", headline: "is not checked: its reconciliation fails", Means: "What came cannot be compared with what GuardDuty has."},
	{Kind: Unexplained, Severity: IsGap, Title: "Findings unexplained", headline: "has lost findings", Means: "GuardDuty has findings that neither arrived nor can be fetched.", held: RecoveredFor},
	{Kind: SixHourly, Severity: IsWarning, Title: "Updates every six hours", Means: "Updates of findings are published every six hours; every 15 minutes is possible.", follows: []Kind{NotAdministered, DetectorDisabled}},
	{Kind: FeatureOff, Severity: IsWarning, Title: "Protection plan off", Means: "A protection plan that the configuration expects is off."},
	{Kind: Recovered, Severity: IsWarning, Title: "Findings recovered", Means: "Findings did not arrive by event within the last day, and were fetched from GuardDuty: events get lost.", held: RecoveredFor},
	{Kind: LeftOut, Severity: IsWarning, Title: "Region left out", Means: "The region is enabled or in use, and nothing is expected of it."},
	{Kind: LookFailing, Severity: IsWarning, Title: "Cannot be looked at", Means: "A source cannot see how it stands there; what is shown is what it saw last."},
	{Kind: NotInOrganisation, Severity: IsWarning, Title: "Not in the organisation", Means: "The configuration names the account, and the organisation does not have it."},
	{Kind: NotInConfiguration, Severity: IsWarning, Title: "Not in the configuration", Means: "The organisation has the account, and the configuration does not name it."},
}

// alerts reports whether coverage has people told of it.
func (k Kind) alerts() bool {
	info, _ := k.Info()
	return info.Severity == IsGap && !info.Elsewhere
}

// Kinds are all kinds, gaps before warnings, in the order in which pages list them.
func Kinds() []KindInfo { return kinds }

// kindRank is the place of each kind in the order of the table.
var kindRank = func() map[Kind]int {
	rank := make(map[Kind]int, len(kinds))
	for i, k := range kinds {
		rank[k.Kind] = i
	}
	return rank
}()

// Info is what is to be known of the kind; ok is false for a word that is none.
func (k Kind) Info() (info KindInfo, ok bool) {
	i, ok := kindRank[k]
	if !ok {
		return KindInfo{Kind: k, Title: string(k)}, false
	}
	return kinds[i], true
}
