// Package diagnosis judges what AWS really has against what it should have for
// findings to arrive. It is given facts that somebody read and touches nothing: each
// [Remark] says what is wrong, what follows from that, and the command that mends it.
package diagnosis

import "time"

// Facts are what was read of AWS, and what of it should be there.
type Facts struct {
	// Caller is whose credentials they were read with.
	Caller Caller
	// Sources are those of the configuration that findings should come to.
	Sources []Source
	// Regions are those that were looked at.
	Regions []Region
	// Denied are what could not be read, and why.
	Denied []Denied
}

// A Caller is who asks, as sts:GetCallerIdentity says.
type Caller struct{ Account, ARN, Partition string }

// A Source is where findings should arrive.
type Source struct {
	Name, Kind string
	// ARNs are the queue, topics or stream that it reads, with * where the
	// configuration has one; URL is where it is posted to. One of the two is set.
	ARNs []string
	URL  string
}

// A Denied is a call that could not be made.
type Denied struct {
	Region   string
	Action   string // as IAM calls it: "events:ListRules"
	Resource string
	Says     string
	Access   bool // a policy does not allow it; otherwise it failed
}

// A Region is what there is in one region of the caller's account.
type Region struct {
	Name     string
	Detector *Detector // nil where there is none, or it could not be read
	// Looked says that detectors could be listed.
	Looked bool
	Buses  []Bus
	Rules  []Rule
	// What targets are, by ARN.
	Queues       map[string]Queue
	Topics       map[string]Topic
	Streams      map[string]Stream
	Functions    map[string]Function
	Destinations map[string]Destination
	Keys         map[string]Key // by ARN, alias or id, as it is named where it is used
}

// A Detector is GuardDuty's.
type Detector struct {
	ID        string
	Enabled   bool
	Frequency string // "SIX_HOURS"
	// Administrator is the account that administers this one; empty if it is no member.
	Administrator string
	Relationship  string // "Enabled"
	// Exports are publishing destinations, with their status: "PUBLISHING".
	Exports map[string]string
}

// A Bus is an event bus.
type Bus struct{ Name, ARN, Policy string }

// A Rule brings events off a bus.
type Rule struct {
	Name, ARN, Bus string
	State          string // "ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
	Pattern        string // empty for a schedule
	ManagedBy      string // another service, whose rule it is
	Targets        []Target
}

// A Target is where a rule sends.
type Target struct {
	ID, ARN, RoleARN string
	DeadLetter       string // ARN of a queue
	Transforms       bool   // it does not send the event as it is
	// Attempts and Age are its retry policy; negative where it is the default of 185
	// attempts in 24 hours.
	Attempts int
	Age      time.Duration
}

// A Queue is one of SQS's. Its attributes are those of sqs:GetQueueAttributes.
type Queue struct {
	URL        string
	Policy     string
	Key        string // KmsMasterKeyId
	DeadLetter string // ARN
	Retention  time.Duration
	Visibility time.Duration
	Messages   int64
	Missing    bool
}

// A Topic is one of SNS's.
type Topic struct {
	Policy           string
	Key              string // KmsMasterKeyId
	SignatureVersion string // "1" or "2"
	Subscriptions    []Subscription
	Missing          bool
}

// A Subscription is to a topic. Its ARN is "PendingConfirmation" until somebody
// confirms it.
type Subscription struct {
	ARN, Protocol, Endpoint string
	Raw                     bool
	DeadLetter              string
	FilterPolicy            string
	// Retries is how often delivery over HTTPS is tried; 0 is the default of 3.
	Retries int
}

// A Stream is one of Kinesis'.
type Stream struct {
	Status  string // "ACTIVE"
	Key     string
	Missing bool
}

// A Function is one of Lambda's.
type Function struct {
	Policy  string
	Missing bool
}

// A Destination is one of EventBridge's API destinations.
type Destination struct {
	Endpoint        string
	State           string // "ACTIVE"
	ConnectionState string // "AUTHORIZED"
	Missing         bool
}

// A Key is one of KMS'.
type Key struct {
	Policy string
	// AWS says that it is a key that AWS manages for a service: its policy cannot be
	// changed.
	AWS     bool
	State   string // "Enabled"
	Unknown bool   // it could not be read
}

// A Weight is how bad something is.
type Weight string

// The weights.
const (
	Broken  Weight = "broken"  // findings do not arrive because of it
	Warning Weight = "warning" // some do not arrive, or will not when something else fails
	Unknown Weight = "unknown" // it could not be looked at
	Good    Weight = "good"    // it is as it should be
)

// A Remark is what was found.
type Remark struct {
	Weight Weight `json:"weight"`
	Code   string `json:"code"` // "no-rule"; docs/doctor.md has each
	Region string `json:"region,omitempty"`
	Where  string `json:"where,omitempty"` // name or ARN of what it is about
	Says   string `json:"says"`            // what is wrong, and what follows
	// Fix is a command of the AWS CLI, for a person to read and run; empty where there
	// is none. It is never run from here.
	Fix string `json:"fix,omitempty"`
}
