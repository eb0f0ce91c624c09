package canary

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/plain"
)

// Limits of what is shown, in characters.
const (
	maxTitle       = 300
	maxHeadline    = 80
	maxName        = 60
	maxDescription = 2000
)

// dialect reads notices.
type dialect struct{}

// Read reads one notice.
func (dialect) Read(source string, raw []byte, _ func() (tocsin.Detection, bool)) (collect.Reading, error) {
	var n notice
	if err := json.Unmarshal(raw, &n); err != nil {
		return collect.Reading{}, fmt.Errorf("no notice of canaries: %w", err)
	}
	r := collect.Reading{
		Detection: tocsin.Detection{
			Key: key(source, n), Dialect: via, Type: "Canary", ID: where(n), Level: n.Level, Account: n.Account, Region: n.Region,
			Resource: tocsin.Resource{Type: "Place", ID: where(n), Name: plain.Line(n.Name, maxName)}, FirstSeen: n.Sent, LastSeen: n.At,
		},
		Steps: []tocsin.Fact{{Name: "canary", Value: plain.Line(string(n.Trouble)+" "+string(n.Phase), maxHeadline)}},
	}
	d := &r.Detection
	if n.Trouble != silent && n.Trouble != unsent {
		return r, fmt.Errorf("canary: %q is neither late nor unsent", plain.Line(string(n.Trouble), maxHeadline))
	}
	switch n.Phase {
	case began, goes:
	case ended:
		d.Level = tocsin.Unknown
		d.End(tocsin.ReasonRecovered)
		return r, nil
	default:
		return r, fmt.Errorf("phase: %q is neither still nor over", plain.Line(string(n.Phase), maxHeadline))
	}
	if n.Phase == goes {
		d.Intent = tocsin.IntentUpdate
	} else if d.Level == tocsin.Unknown {
		d.Level = tocsin.High
	}
	if n.Trouble == unsent {
		n.sayUnsent(d)
	} else {
		n.saySilent(d)
	}
	d.Facts = n.facts()
	return r, nil
}

// key is the alert's: of a place, or of all that are told of as one.
func key(source string, n notice) tocsin.Key {
	parts := []string{via, source}
	if n.Account != "" || n.Region != "" {
		parts = append(parts, n.Account, n.Region)
	}
	if n.Trouble == unsent {
		parts = append(parts, string(unsent))
	}
	return tocsin.KeyOf(parts...)
}

// where is the scope as an id.
func where(n notice) string {
	switch {
	case n.single():
		return n.Account + "/" + n.Region
	case n.Account+n.Region == "":
		return "everywhere"
	}
	return n.Account + n.Region
}

// from is the scope in words: "payments-prod eu-west-3".
func (n notice) from() string {
	name := plain.Line(n.Name, maxName)
	if name == "" {
		name = n.Account
	}
	of := strconv.Itoa(n.Places) + " of " + strconv.Itoa(n.Of)
	switch {
	case n.single():
		return name + " " + n.Region
	case n.Region != "":
		return of + " accounts in " + n.Region
	case n.Account != "":
		return name + " in " + of + " regions"
	}
	return of + " places"
}

// findings are those of the scope once it was named.
func (n notice) findings() string {
	if n.Account+n.Region != "" {
		return "findings of there"
	}
	return "findings"
}

func (n notice) saySilent(d *tocsin.Detection) {
	d.Headline = "No canary from " + n.from() + " for " + minutes(n.Silent)
	if n.Arrived.IsZero() {
		d.Headline = "No canary has arrived yet from " + n.from()
	}
	d.Title = plain.Cut(d.Headline+": "+n.findings()+" may not arrive", maxTitle)
	d.Headline = plain.Cut(d.Headline, maxHeadline)
	what := "An event is put on the event bus every " + n.Every
	if n.Sample != "" {
		what = "GuardDuty is asked for a sample finding every " + n.Every
	}
	text := what + ", and is to arrive within " + n.Within + " by the way that findings take. Findings may be late, or lost where nothing keeps them; GuardDuty has them for 90 days. "
	switch {
	case n.Sample == "" && n.Arrived.IsZero():
		text += "None ever arrived: look whether the rule on the event bus lets events of source tocsin.canary through, and then whether it has a target and may use it."
	case n.Sample == "":
		text += "Look at the rule on the event bus: whether it is enabled and lets source tocsin.canary through, its target and whether it may use it (FailedInvocations), and its dead-letter queue; then at the source by which the last one came."
	default:
		text += "Look at the detector, at the rule on the default event bus and its target, and at the source by which the last one came."
	}
	d.Description = plain.Cut(text, maxDescription)
	if n.Region != "" {
		bus := n.Bus
		if bus == "" {
			bus = defaultBus
		}
		if busForm.MatchString(bus) && aws.IsRegion(n.Region) {
			d.Command = "aws events list-rules --event-bus-name " + bus + " --region " + n.Region
		}
	}
}

func (n notice) sayUnsent(d *tocsin.Detection) {
	d.Headline = "No canary can be sent from " + n.from()
	d.Title = plain.Cut(d.Headline+": whether "+n.findings()+" arrive is not known", maxTitle)
	d.Headline = plain.Cut(d.Headline, maxHeadline)
	d.Description = plain.Prose(n.Why, maxDescription)
	if n.Region != "" && aws.IsRegion(n.Region) {
		d.Command = "aws sts get-caller-identity --region " + n.Region
	}
}

// facts are what a person needs.
func (n notice) facts() []tocsin.Fact {
	var all []tocsin.Fact
	add := func(name, value string) {
		if value != "" {
			all = append(all, tocsin.Fact{Name: name, Value: value})
		}
	}
	if n.Trouble == unsent {
		add("Why", plain.Prose(n.Why, maxTitle))
		add("Since", when(n.Sent))
	} else {
		last := "none yet"
		if !n.Arrived.IsZero() {
			last = when(n.Arrived) + " by " + plain.Line(n.Path, maxHeadline)
		}
		add("Last arrived", last)
		add("First missing", when(n.Sent))
	}
	if !n.single() && len(n.Some) > 0 {
		names := make([]string, len(n.Some))
		for i, name := range n.Some {
			names[i] = plain.Line(name, maxName)
		}
		add("From", some(names, max(n.Places, len(names))))
	}
	if n.Every != "" {
		add("Sent", "every "+plain.Line(n.Every, maxHeadline)+", to arrive within "+plain.Line(n.Within, maxHeadline))
	}
	return all
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return instant(t)
}

// minutes is a span as a sentence has it: "12 minutes", "1h5m".
func minutes(text string) string {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil || d >= time.Hour:
		return plain.Line(text, maxHeadline)
	case d < 2*time.Minute:
		return "a minute"
	}
	return strconv.Itoa(int(d.Minutes())) + " minutes"
}
