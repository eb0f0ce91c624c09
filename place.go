package tocsin

import (
	"slices"
	"time"
)

// A Place is an account in a region: a cell of the coverage grid. Region is empty
// where the account as a whole is meant.
type Place struct {
	Account string `json:"account"`
	Region  string `json:"region,omitempty"`
}

// A Sighting is what a source saw of a place when it looked: the inventory of an
// organisation, a detector, a rule, or how far findings are reconciled. Of each
// kind a source has one of each place, the newest.
type Sighting struct {
	Place
	Source string       `json:"source"` // name of the source that looked
	Kind   SightingKind `json:"kind"`
	At     time.Time    `json:"at"` // when it looked
	// Error says why it could see nothing this time; the rest is then what it saw
	// before, if it ever did, and Seen says when.
	Error string    `json:"error,omitempty"`
	Seen  time.Time `json:"seen,omitzero"`

	// What was seen, by kind; the others are nil.

	Member         *Member         `json:"member,omitempty"`
	Detector       *Detector       `json:"detector,omitempty"`
	Forwarding     *Forwarding     `json:"forwarding,omitempty"`
	Reconciliation *Reconciliation `json:"reconciliation,omitempty"`
}

// A SightingKind is what was looked at.
type SightingKind string

// The kinds of sightings.
const (
	SawMember         SightingKind = "member"
	SawDetector       SightingKind = "detector"
	SawForwarding     SightingKind = "forwarding"
	SawReconciliation SightingKind = "reconciliation"
)

// A Member is an account of an AWS organisation
// (https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html).
// Its sighting has no region.
type Member struct {
	Name   string            `json:"name"`
	Status string            `json:"status"`       // "ACTIVE", "SUSPENDED", "PENDING_CLOSURE"
	OU     string            `json:"ou,omitempty"` // "prod/payments"
	Tags   map[string]string `json:"tags,omitempty"`
	Joined time.Time         `json:"joined,omitzero"`
	// Regions are those that are enabled for the account; nil if that is not known.
	Regions []string `json:"regions,omitempty"`
}

// A Detector is GuardDuty in a place
// (https://docs.aws.amazon.com/guardduty/latest/APIReference/API_GetDetector.html).
type Detector struct {
	ID      string `json:"id,omitempty"` // empty where there is none
	Enabled bool   `json:"enabled"`
	// Frequency is how often updates are published: "FIFTEEN_MINUTES", "ONE_HOUR" or
	// "SIX_HOURS". The administrator's is imposed on all members.
	Frequency string `json:"frequency,omitempty"`
	// Features are the protection plans by name, "S3_DATA_EVENTS", and whether each is
	// on; nil if that is not known.
	Features map[string]bool `json:"features,omitempty"`
	// Administrator is the account that administers it; empty where it is its own.
	Administrator string `json:"administrator,omitempty"`
	// Relationship is the member's relationship status as the administrator has it:
	// "Enabled", "Invited", "Removed"; empty where there is no administrator.
	Relationship string `json:"relationship,omitempty"`
	// Filters are those that archive findings by themselves, so that nobody hears of
	// them; Exports where findings are published besides; Lists the IP and threat lists.
	Filters []UpstreamFilter `json:"filters,omitempty"`
	Exports []Export         `json:"exports,omitempty"`
	Lists   []string         `json:"lists,omitempty"`
}

// An UpstreamFilter is a suppression rule of GuardDuty's. What it archives is sent
// nowhere.
type UpstreamFilter struct {
	Name string `json:"name"`
	// Findings is how many of the findings that are known it archived.
	Findings int64 `json:"findings"`
}

// An Export is a publishing destination of a detector.
type Export struct {
	To     string `json:"to"`     // ARN of a bucket
	Status string `json:"status"` // "PUBLISHING"
}

// A Forwarding is what brings events off a place's event bus.
type Forwarding struct {
	Rule    string   `json:"rule,omitempty"` // ARN of the rule; empty where there is none
	Enabled bool     `json:"enabled"`
	Targets []string `json:"targets,omitempty"` // ARNs
	// Misses says what the rule's pattern lets go by: "Critical findings"; empty where
	// it has them all.
	Misses string `json:"misses,omitempty"`
}

// A Reconciliation compares what arrived by event with what GuardDuty has. API is
// Received + Pending + Suppressed + Recovered + Unexplained.
type Reconciliation struct {
	// From and Until are the time of the findings' last change that it covers.
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	// Every is how often it is done; 0 where the source does not say.
	Every time.Duration `json:"every,omitempty"`
	// API is how many findings GuardDuty has of that time, archived ones included.
	API int64 `json:"api"`
	// Received arrived by event, as new as they are there.
	Received int64 `json:"received"`
	// Pending arrived by event, and what is newer of them is not due to be published.
	Pending int64 `json:"pending"`
	// Suppressed are archived and were never sent: a filter of GuardDuty's did that.
	Suppressed int64 `json:"suppressed"`
	// Recovered should have arrived and did not; they were put through from here.
	Recovered int64 `json:"recovered"`
	// Unexplained could not be had from the API either.
	Unexplained int64 `json:"unexplained"`
}

// With adds up what was compared in another place: both are compared from the later
// beginning to the earlier end. The zero Reconciliation is none.
func (r Reconciliation) With(o Reconciliation) Reconciliation {
	if o.From.After(r.From) {
		r.From = o.From
	}
	if r.Until.IsZero() || o.Until.Before(r.Until) {
		r.Until = o.Until
	}
	r.API += o.API
	r.Received += o.Received
	r.Pending += o.Pending
	r.Suppressed += o.Suppressed
	r.Recovered += o.Recovered
	r.Unexplained += o.Unexplained
	return r
}

// Held is what the journal has of a finding: the newest version (its updatedAt) that
// any event brought, and the newest that came by event rather than being asked for
// from an API. Zero is none.
type Held struct {
	Newest time.Time
	Pushed time.Time
}

// A Canary is an event that tocsin sends from a place to itself, to see that the way
// is open. It is timed, and nobody is told of it.
type Canary struct {
	Place
	ID     string `json:"id"`     // 32 lower-case hexadecimal digits that nobody guesses
	Source string `json:"source"` // the source that sent it
	// Sample is the type of the sample finding that GuardDuty was asked for; empty
	// where an event was put on the bus.
	Sample string    `json:"sample,omitempty"`
	SentAt time.Time `json:"sent_at"`
	// Due is when it is late.
	Due time.Time `json:"due"`
	// ArrivedAt is zero until it arrived, and Path is then by which source: "sqs:queue".
	ArrivedAt time.Time `json:"arrived_at,omitzero"`
	Path      string    `json:"path,omitempty"`
	// Error says why it could not be sent.
	Error string `json:"error,omitempty"`
}

// Late reports whether it has not arrived though it is due.
func (c Canary) Late(now time.Time) bool { return c.ArrivedAt.IsZero() && !c.Due.After(now) }

// Requested are the values of [Event.Via] of events that were asked for rather than
// sent, or that tocsin made itself.
var requested = []string{ViaReconcile, ViaBackfill, ViaCoverage, ViaCanary}

// How events came that nobody sent.
const (
	ViaReconcile = "reconcile" // GuardDuty was asked for it: it should have arrived by itself
	ViaBackfill  = "backfill"  // GuardDuty was asked for it: it is older than tocsin
	ViaCoverage  = "coverage"  // tocsin says of a place that it is dark, or is no more
	ViaCanary    = "canary"    // tocsin says that no canary arrives from a place, or none can be sent
)

// Pushed reports whether an event that came by via was sent here, and not asked for
// or made here: it shows that the way from its account and region is open.
func Pushed(via string) bool { return !slices.Contains(requested, via) }
