// Package coverage judges which accounts and regions are watched, which are dark, and
// what nobody can tell: one picture that a lead can show an auditor.
//
// What it judges are places: an account in a region. [Judge] takes what is expected
// (the configuration), what sources saw (the members of an organisation, detectors,
// rules, how far findings are reconciled), the canaries that were sent, and when each
// place was heard of last, and gives a [Grid]. A place is covered only with a proof
// that is not older than [ProofHolds]: an event or a canary that arrived from it, or a
// reconciliation with what GuardDuty has that is not behind. Where there is none, it
// is unknown; what is known to be wrong is a [Gap] of a [Kind].
//
// Where a delegated administrator is at work, its rules bring the findings of all its
// members, and its detector has them all: a canary or a reconciliation of the
// administrator is a proof for each member that it administers in that region
// (https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_accounts.html).
//
// It is pure. [Memory] is what is to be remembered between two looks: since when each
// gap is there, and which were told of; [Memory.Tidings] says what is to be told, and
// [Read] reads that back into a detection.
package coverage

import (
	"time"

	"github.com/tocsin-sec/tocsin"
)

// Source is the name of the source, and of the kind, by which gaps come in as events.
// No source of the configuration has it.
const Source = tocsin.ViaCoverage

// ProofHolds is for how long an event, a canary or a look proves anything: a day, and
// some time for what is done daily to be done again.
const ProofHolds = 26 * time.Hour

// RecoveredFor is for how long it is told that findings were recovered, or are
// unexplained, after the reconciliation that said so.
const RecoveredFor = 24 * time.Hour

// A World is all that is judged.
type World struct {
	// Accounts are those of the configuration, by id, each with the team that owns it;
	// Left are those that it says have left.
	Accounts map[string]tocsin.Account
	Left     []string
	Expect   Expectation
	// Sightings and Canaries are those of sources that are configured: what a source
	// saw that is no more says nothing of today.
	Sightings []tocsin.Sighting
	Canaries  []tocsin.Canary
	Heard     []Heard
	Memory    Memory
}

// An Expectation is what the configuration expects of every account.
type Expectation struct {
	// Regions are those that each account is expected in that says none itself. All
	// says that it is every region that is enabled for the account.
	Regions []string
	All     bool
	// Features are the protection plans that are to be on: "S3_DATA_EVENTS".
	Features []string
	// Silence is for how long no event and no canary may come; 0 is for ever.
	Silence time.Duration
}

// Heard is when an event of a place came last, and how many came.
type Heard struct {
	tocsin.Place
	Last   time.Time
	Events int64
}

// A State is how a place stands.
type State string

// The states, the worst first.
const (
	Dark        State = "gap"          // something is known to be wrong
	Unknown     State = "unknown"      // nothing is known to be wrong, and nothing proves that it is not
	Warned      State = "warning"      // covered, or not expected, and something is worth a look
	Covered     State = "covered"      // proven, and nothing is wrong
	NotExpected State = "not-expected" // the account does not use the region, or is suspended, or has left
)

// States are all of them, the worst first.
func States() []State { return []State{Dark, Unknown, Warned, Covered, NotExpected} }

// A Grid is the judgement of all places.
type Grid struct {
	At time.Time `json:"at" doc:"When it was judged."`
	// Regions are the columns, and Accounts the rows: each has a cell for each region.
	Regions        []string        `json:"regions" doc:"The regions, in the order of each account's cells."`
	Accounts       []Account       `json:"accounts" doc:"The accounts, by name."`
	Gaps           []Gap           `json:"gaps" doc:"What is wrong or worth a look, gaps before warnings, the oldest first."`
	Totals         Totals          `json:"totals" doc:"How many places are how. A filter does not change it."`
	Reconciliation *Reconciliation `json:"reconciliation,omitempty" doc:"What arrived by event beside what GuardDuty has, over all places; left out where nothing compares them."`
	Notes          []Note          `json:"notes,omitempty" doc:"What cannot be known as things are, and what to add."`
}

// An Account is a row.
type Account struct {
	ID          string `json:"id" doc:"Its id."`
	Name        string `json:"name,omitempty" doc:"How people call it."`
	Environment string `json:"environment,omitempty" doc:"Its environment."`
	Team        string `json:"team,omitempty" doc:"The team that owns it."`
	OU          string `json:"ou,omitempty" doc:"Where in the organisation it stands."`
	Status      string `json:"status,omitempty" doc:"Its status in the organisation, where that is known: ACTIVE, SUSPENDED."`
	Configured  bool   `json:"configured" doc:"Whether the configuration names it."`
	State       State  `json:"state" doc:"The worst of its places that are expected; of one that has none, how it stands as a whole."`
	Why         string `json:"why,omitempty" doc:"Why it has no place that is expected."`
	// Kinds are what is wrong with the account as a whole, and Cells its places, in the
	// order of the grid's regions.
	Kinds    []Kind `json:"gaps,omitempty" doc:"What is wrong with the account as a whole."`
	Expected int    `json:"expected" doc:"How many of its places are expected."`
	Proven   int    `json:"covered" doc:"How many of them are covered, with a warning or without."`
	Cells    []Cell `json:"cells" doc:"Its places, in the order of the regions."`
}

// Label is "payments-prod (111122223333)", or the id alone.
func (a Account) Label() string { return tocsin.Account{ID: a.ID, Name: a.Name}.Label() }

// A Cell is a place with all that is known of it.
type Cell struct {
	Region string `json:"region" doc:"The region."`
	State  State  `json:"state" doc:"How it stands."`
	// Why is what proves it, or why nothing does, or why nothing is expected.
	Why            string       `json:"why,omitempty" doc:"What proves that it is covered, or why nothing does."`
	Expected       bool         `json:"expected" doc:"Whether events are expected of it."`
	Kinds          []Kind       `json:"gaps,omitempty" doc:"What is wrong, or worth a look."`
	Proof          *Proof       `json:"proof,omitempty" doc:"The newest proof that the way from there is open."`
	Detector       *Detector    `json:"detector,omitempty" doc:"GuardDuty there, as it was seen last."`
	Rule           *Rule        `json:"rule,omitempty" doc:"What forwards its events, as it was seen last."`
	LastEvent      time.Time    `json:"last_event,omitzero" doc:"When an event of it came last."`
	Events         int64        `json:"events,omitempty" doc:"How many came."`
	Canary         *Canary      `json:"canary,omitempty" doc:"The newest canary from there."`
	Reconciliation *Reconciling `json:"reconciliation,omitempty" doc:"The newest comparison with what GuardDuty has."`
}

// A Proof is what shows that the way from a place is open.
type Proof struct {
	By ProofKind `json:"by" doc:"What shows it."`
	At time.Time `json:"at" doc:"When it did."`
	// Account is the administrator's, where the proof is its.
	Account string `json:"account,omitempty" doc:"The administrator whose canary or reconciliation it is, where it is not the account's own."`
}

// A ProofKind is what shows that the way from a place is open.
type ProofKind string

// What shows it.
const (
	ByEvent          ProofKind = "event"
	ByCanary         ProofKind = "canary"
	ByReconciliation ProofKind = "reconciliation"
)

// A Detector is GuardDuty in a place, as it was seen last.
type Detector struct {
	ID      string `json:"id,omitempty" doc:"Its id; left out where there is none."`
	Enabled bool   `json:"enabled" doc:"Whether it is enabled."`
	// Frequency is the one in force: the administrator's, where there is one.
	Frequency     string    `json:"frequency,omitempty" doc:"How often updates are published, as is in force: the administrator's, where there is one."`
	FrequencyBy   string    `json:"frequency_by,omitempty" doc:"The administrator that imposes it."`
	On            []string  `json:"features_on,omitempty" doc:"Protection plans that are on."`
	Off           []string  `json:"features_off,omitempty" doc:"Protection plans that are off."`
	Administrator string    `json:"administrator,omitempty" doc:"The account that administers it."`
	Relationship  string    `json:"relationship,omitempty" doc:"Its relationship with the administrator: Enabled, Invited, Removed."`
	SeenAt        time.Time `json:"seen_at" doc:"When it was seen."`
	Error         string    `json:"error,omitempty" doc:"Why it cannot be looked at since."`
}

// A Rule is what forwards the events of a place.
type Rule struct {
	ARN     string   `json:"arn,omitempty" doc:"Its ARN; left out where there is none."`
	Enabled bool     `json:"enabled" doc:"Whether it is enabled."`
	Targets []string `json:"targets,omitempty" doc:"ARNs of its targets."`
	Misses  string   `json:"misses,omitempty" doc:"What its pattern lets go by."`
	// Account is the administrator's, where the rule is there.
	Account string    `json:"account,omitempty" doc:"The administrator's account, where the rule is in it."`
	SeenAt  time.Time `json:"seen_at" doc:"When it was seen."`
	Error   string    `json:"error,omitempty" doc:"Why it cannot be looked at since."`
}

// A Canary is the newest that was sent from a place, and the newest that arrived.
type Canary struct {
	Source    string    `json:"source" doc:"The source that sent it."`
	SentAt    time.Time `json:"sent_at" doc:"When the newest was sent."`
	Due       time.Time `json:"due" doc:"When it is late."`
	Error     string    `json:"error,omitempty" doc:"Why it could not be sent."`
	ArrivedAt time.Time `json:"arrived_at,omitzero" doc:"When the newest that arrived did."`
	Took      int64     `json:"took_ms,omitempty" doc:"How long that one took, in milliseconds."`
	Path      string    `json:"path,omitempty" doc:"By which source it came."`
}

// A Reconciling is the newest comparison of what came from a place with what
// GuardDuty has.
type Reconciling struct {
	Source string    `json:"source" doc:"The source that compares."`
	At     time.Time `json:"at,omitzero" doc:"When it compared last."`
	From   time.Time `json:"from,omitzero" doc:"From when on findings were compared."`
	Until  time.Time `json:"until,omitzero" doc:"Until when."`
	Counts
	Error string `json:"error,omitempty" doc:"Why it cannot compare since."`
}

// Counts are the findings that were compared: API is all the others together.
type Counts struct {
	API         int64 `json:"api" doc:"Findings that GuardDuty has."`
	Received    int64 `json:"received" doc:"Those that arrived by event."`
	Pending     int64 `json:"pending" doc:"Those that arrived, and of which something newer is not due."`
	Suppressed  int64 `json:"suppressed" doc:"Those that GuardDuty itself archived and never sends."`
	Recovered   int64 `json:"recovered" doc:"Those that did not arrive, and were fetched."`
	Unexplained int64 `json:"unexplained" doc:"Those that could not be had at all."`
}

func countsOf(r tocsin.Reconciliation) Counts {
	return Counts{r.API, r.Received, r.Pending, r.Suppressed, r.Recovered, r.Unexplained}
}

// A Gap is something that is wrong with a place, or worth a look.
type Gap struct {
	Account string `json:"account" doc:"The account."`
	// Region is empty where it is the account as a whole.
	Region   string    `json:"region,omitempty" doc:"The region; left out where it is the account as a whole."`
	Name     string    `json:"name,omitempty" doc:"How people call the account."`
	Kind     Kind      `json:"kind" doc:"What is wrong."`
	Severity Severity  `json:"severity" doc:"Whether it is dark, or only worth a look."`
	Since    time.Time `json:"since" doc:"Since when it is so, as far as that is known."`
	Age      int64     `json:"age_seconds" doc:"For how long it has been so."`
	Says     string    `json:"says" doc:"It in one sentence."`
	Fix      string    `json:"fix" doc:"The next step."`
	Change   string    `json:"change,omitempty" doc:"What would mend it, for a person to read and run: it changes something."`
	Command  string    `json:"command,omitempty" doc:"What to run to see more; it only reads."`

	seen time.Time // when that was seen which it is made of, if it is to be held
}

// Label is "eu-west-3 of payments-prod".
func (g Gap) Label() string { return label(g.Account, g.Name, g.Region) }

func label(account, name, region string) string {
	if name != "" {
		account = name
	}
	if region == "" {
		return account
	}
	return region + " of " + account
}

// Totals count places. An account of which no region is known counts as one.
type Totals struct {
	Places      int          `json:"places" doc:"Places of which events are expected."`
	Covered     int          `json:"covered" doc:"Those that are covered, with a warning or without."`
	Warnings    int          `json:"warnings" doc:"Those that are covered and have a warning."`
	Gaps        int          `json:"dark" doc:"Those that have a gap."`
	Unknown     int          `json:"unknown" doc:"Those of which nothing proves that they are covered, and nothing that they are not."`
	NotExpected int          `json:"not_expected" doc:"Places in the grid of which nothing is expected."`
	LeftOut     int          `json:"left_out" doc:"Those of them that are in use or enabled all the same."`
	Kinds       map[Kind]int `json:"kinds" doc:"How many there are of each kind of gap and warning."`
}

// Reconciliation sums what was compared.
type Reconciliation struct {
	Places int       `json:"places" doc:"How many detectors were compared."`
	From   time.Time `json:"from" doc:"From when on findings were compared: the latest beginning of all."`
	Until  time.Time `json:"until" doc:"Until when findings are checked: the earliest end of all."`
	Counts
}

// A Note says what cannot be known as things are, and what to add.
type Note struct {
	Says string `json:"says" doc:"What cannot be known."`
	Fix  string `json:"fix" doc:"What to add."`
}
