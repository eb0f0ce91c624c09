package tocsin

import (
	"strings"
	"time"
)

// A Key is an alert's identity. It comes from what was found and never from the
// envelope it came in, so that the same finding by two paths is one alert. For a
// GuardDuty finding it is partition, detail.accountId, detail.region, detail.id.
type Key string

// KeyOf joins the parts with "/". A "/" within a part is escaped as "~1" and "~"
// as "~0" (as in RFC 6901), so that different parts make different keys.
func KeyOf(parts ...string) Key {
	for i, p := range parts {
		if strings.ContainsAny(p, "~/") {
			parts[i] = strings.NewReplacer("~", "~0", "/", "~1").Replace(p)
		}
	}
	return Key(strings.Join(parts, "/"))
}

// A Detection is an event that a rule found worth attention, read into words.
// Its texts are the finding's own and untrusted: whoever shows them escapes them
// for the place where they are shown. Control characters are gone and live
// links of attackers are defanged.
type Detection struct {
	Key  Key    `json:"key"`
	Rule string `json:"rule"`
	// Dialect is what read it: "guardduty", "cloudtrail", "generic".
	Dialect string `json:"dialect"`
	// Type is the finding's type, "CryptoCurrency:EC2/BitcoinTool.B!DNS", or the
	// event's detail-type.
	Type string `json:"type"`
	// ID is the finding's id as people copy it. In JSON it is finding_id, since an
	// alert's id is its own.
	ID       string  `json:"finding_id"`
	Level    Level   `json:"level"`
	Severity float64 `json:"severity,omitempty"` // GuardDuty's 1.0 to 10.0; 0 if unknown

	// Headline is what happened to what of ours in at most about 70 characters:
	// "EC2 i-0abc (web-1) is calling a C2 server". Level, account and region are
	// not in it.
	Headline    string `json:"headline"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`

	Account   string `json:"account"`
	Region    string `json:"region"`
	Partition string `json:"partition,omitempty"`
	// ReportedBy is the account whose bus gave us the event, where it is another
	// than Account: a delegated administrator.
	ReportedBy string `json:"reported_by,omitempty"`

	Resource Resource `json:"resource"`
	Actor    Actor    `json:"actor"`
	// Role says whether our resource is the "TARGET" or the "ACTOR".
	Role string `json:"role,omitempty"`
	// Linked are the ids of all findings that are signals of an attack sequence, as
	// their own Detections have them in ID.
	Linked []string `json:"linked,omitempty"`
	// Facts are what a person needs at 3 a.m., most important first, at most 12.
	Facts []Fact `json:"facts,omitempty"`
	// Command is the first thing to run: read-only, filled in, shell-quoted.
	Command string `json:"command,omitempty"`

	Console       string `json:"console,omitempty"`       // link to the finding in the AWS console
	Documentation string `json:"documentation,omitempty"` // link to AWS's page on the type

	// Count is how often it happened as the sender counts (service.count). 0 says
	// that the sender does not count: then each event is one occurrence.
	Count     int64     `json:"count,omitempty"`
	FirstSeen time.Time `json:"first_seen,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	// UpdatedAt orders the versions of one finding; zero when the sender gives none.
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	// EventAt is when EventBridge had the event, in whole seconds; zero where it came
	// another way. It is the event's and not kept.
	EventAt time.Time `json:"-"`

	// Over says that the sender regards it as ended: archived in GuardDuty, OK
	// from a CloudWatch alarm. OverReason says which: "archived".
	Over       bool   `json:"over,omitempty"`
	OverReason string `json:"over_reason,omitempty"`
	Sample     bool   `json:"sample,omitempty"`
	// Copied says that another than the service that found it tells of it, with less:
	// Security Hub, of a finding of GuardDuty's. What the service itself says of the
	// same version goes before it.
	Copied bool `json:"copied,omitempty"`
	// Stands says that the sender tells of it for as long as it goes on: what it
	// called over and then tells of again goes on after all, though nothing of it is
	// newer. It is the event's and not kept.
	Stands bool `json:"-"`

	// Intent is what the sender wants done with an alert that is there, where it
	// says so; empty opens one or is folded in.
	Intent Intent `json:"intent,omitempty"`

	// Path is how this copy came: "sns:org-topic". The fold keeps every path.
	Path string `json:"path,omitempty"`
}

// An Intent is for an alert that is there: where there is none that is not closed,
// the event is [Ignored] and opens none.
type Intent string

// The intents.
const (
	IntentUpdate      Intent = "update"      // news of it
	IntentAcknowledge Intent = "acknowledge" // somebody has taken it on elsewhere: the sender says so
	IntentClose       Intent = "close"       // it is over; Over is set too
)

// A Fact is one line of a message: "By", "203.0.113.7:443 (Exampleland, AS64500)".
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A Resource is what of ours is concerned.
type Resource struct {
	Type string            `json:"type,omitempty"` // GuardDuty's resourceType: "Instance"
	ID   string            `json:"id,omitempty"`   // "i-0abc"
	Name string            `json:"name,omitempty"` // its Name tag, or the like
	Tags map[string]string `json:"tags,omitempty"`
}

// An Actor is who did it, as far as it is known.
type Actor struct {
	IP        string `json:"ip,omitempty"`
	Country   string `json:"country,omitempty"`
	Org       string `json:"org,omitempty"` // "AS64500 Example Hosting"
	Domain    string `json:"domain,omitempty"`
	Principal string `json:"principal,omitempty"` // user, role session, database or Kubernetes user
}
