// Package health reads what AWS Health says: that something of AWS's fails, that
// something of ours will be changed, and that somebody complains of what we do.
//
// One event has its ARN, and concerns an account: those two are the identity. AWS
// sends it again with each update, in pages where it concerns many things, and, as a
// backup, in a second region: all of them are one alert, in the region that is
// concerned, and it ends when AWS closes the event.
//
// https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html
package health

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// What the envelope says of such events.
const (
	Source          = "aws.health"
	DetailType      = "AWS Health Event"
	AbuseDetailType = "AWS Health Abuse Event"
)

const documentation = "https://docs.aws.amazon.com/health/latest/ug/aws-health-concepts-and-terms.html"

// A notice is what AWS says of one event of its own to one account.
type notice struct {
	wording.Event
	arn, service, code, category, scope, status string
	account, region                             string
	entities                                    []string
	description                                 string
	abuse                                       bool
}

// Read puts the event into words; ok is false for anything else.
func Read(raw []byte) (d tocsin.Detection, ok bool) {
	ev, ok := wording.Read(raw)
	if !ok || ev.Source != Source || (ev.DetailType != DetailType && ev.DetailType != AbuseDetailType) {
		return d, false
	}
	n := newNotice(ev)
	if n.code == "" || n.identity() == "" {
		return d, false
	}
	return n.detection(), true
}

// Brief is whom it concerns, which takes less.
func Brief(detail gjson.Result) (account, region string) {
	return wording.Account(detail.Get("affectedAccount")), wording.Line(detail.Get("eventRegion"))
}

func newNotice(ev wording.Event) notice {
	d := ev.Detail
	n := notice{
		Event: ev, arn: wording.Line(d.Get("eventArn")), service: wording.Line(d.Get("service")), code: wording.Line(d.Get("eventTypeCode")),
		category: wording.Line(d.Get("eventTypeCategory")), scope: wording.Line(d.Get("eventScopeCode")), status: wording.Line(d.Get("statusCode")),
		abuse: ev.DetailType == AbuseDetailType || wording.Line(d.Get("service")) == "ABUSE",
	}
	account, region := Brief(d)
	n.account = wording.First(account, ev.Account)
	n.region = wording.First(region, wording.ParseARN(n.arn).Region, ev.Region)
	wording.Each(d.Get("affectedEntities"), func(e gjson.Result) bool {
		if s := wording.Line(e.Get("entityValue")); s != "" {
			n.entities = append(n.entities, s+wording.Paren(strings.ToLower(wording.Line(e.Get("status")))))
		}
		return len(n.entities) < 100
	})
	wording.Each(d.Get("eventDescription"), func(e gjson.Result) bool {
		if text := wording.Description(e.Get("latestDescription").Str); n.description == "" || strings.HasPrefix(e.Get("language").Str, "en") {
			n.description = text
		}
		return true
	})
	return n
}

// identity is the same for all that AWS sends of one event: each update has a
// communicationId of its own, and an event without an ARN is known by that.
func (n notice) identity() string {
	return wording.First(n.arn, wording.Line(n.Detail.Get("communicationId")))
}

func (n notice) detection() tocsin.Detection {
	partition := wording.First(wording.ParseARN(n.arn).Partition, wording.Partition(n.Region))
	updated := wording.Time(n.Detail.Get("lastUpdatedTime"))
	if updated.IsZero() {
		updated = n.Time
	}
	d := tocsin.Detection{
		Key:     tocsin.KeyOf(partition, n.account, "health", wording.Identity(n.identity())),
		Dialect: "health", Type: n.code, ID: n.identity(), Level: n.level(),
		Headline: wording.Headline(n.headline()), Title: wording.Title(n.title()), Description: n.description,
		Account: n.account, Region: n.region, Partition: partition,
		Resource: n.resource(), Facts: n.facts(),
		Command:       wording.NewCommand("aws health describe-event-details").Option("--event-arns", n.arn).Words("--region us-east-1").String(),
		Console:       wording.Console(partition, "health/home", "", "/account/dashboard/open-issues"),
		Documentation: documentation,
		Count:         1, // however often AWS tells of it
		FirstSeen:     wording.Time(n.Detail.Get("startTime")), LastSeen: updated, UpdatedAt: updated,
	}
	if n.Account != n.account {
		d.ReportedBy = n.Account
	}
	if n.status == "closed" {
		d.End(tocsin.ReasonRecovered)
	}
	return d
}

// level: keys that are out are the worst there is, and complaints come before what
// fails and what is to come.
func (n notice) level() tocsin.Level {
	switch {
	case n.service == "RISK" || strings.Contains(n.code, "CREDENTIALS_EXPOSED"):
		return tocsin.Critical
	case n.abuse:
		return tocsin.High
	case n.category == "issue" && n.scope == "PUBLIC":
		return tocsin.Low
	case n.category == "issue", n.category == "investigation", wording.Line(n.Detail.Get("actionability")) == "ACTION_REQUIRED":
		return tocsin.Medium
	case n.category == "scheduledChange":
		return tocsin.Low
	}
	return tocsin.Informational
}

// phrases are codes in other words than their own; {it} is what of ours is
// concerned.
var phrases = []struct{ code, text string }{
	{"AWS_RISK_CREDENTIALS_EXPOSED", "AWS found {it} in public: credentials exposed"},
	{"AWS_RISK_IAM_QUARANTINE", "AWS quarantined the credentials of {it}"},
	{"AWS_ABUSE_DOS_REPORT", "AWS has a report of a DoS attack by {it}"},
	{"AWS_ABUSE_PORT_SCANNING_REPORT", "AWS has a report of port scans by {it}"},
	{"AWS_ABUSE_INTRUSION_ATTEMPTS_REPORT", "AWS has a report of attacks on others by {it}"},
	{"AWS_ABUSE_EMAIL_SPAM_REPORT", "AWS has a report of spam from {it}"},
	{"AWS_ABUSE_COPYRIGHT_DMCA_REPORT", "AWS has a report of a copyright infringement by {it}"},
}

func (n notice) headline() string {
	it := "the account"
	if len(n.entities) > 0 {
		it = wording.Short(wording.Name(n.entity(0)))
		if more := len(n.entities) - 1; more > 0 {
			it += " and " + wording.Plural(more, "other")
		}
	}
	for _, p := range phrases {
		if p.code == n.code {
			return strings.ReplaceAll(p.text, "{it}", it)
		}
	}
	if n.abuse {
		return "AWS has a report of abuse by " + it + ": " + n.said()
	}
	text := n.service + ": " + n.said()
	if len(n.entities) > 0 {
		text += wording.After(", ", it)
	}
	return text
}

// said is the code in words, without the service's name in front.
func (n notice) said() string {
	code := strings.TrimPrefix(n.code, "AWS_")
	for _, prefix := range []string{n.service + "_", "ABUSE_", "AWS_"} {
		code = strings.TrimPrefix(code, prefix)
	}
	return wording.Sentence(code)
}

func (n notice) title() string { return n.service + ": " + n.said() }

// entity is the i-th thing of ours that is concerned, without how it is.
func (n notice) entity(i int) string {
	text, _, _ := strings.Cut(n.entities[i], " (")
	return text
}

func (n notice) resource() tocsin.Resource {
	r := tocsin.Resource{Type: n.service}
	if len(n.entities) > 0 {
		r.ID = wording.Name(n.entity(0))
	}
	r.Tags = wording.Tags(n.Detail.Get("affectedEntities.0.tags"))
	r.Name = r.Tags["Name"]
	return r
}

func (n notice) facts() []tocsin.Fact {
	var f wording.Facts
	f.Add("What", n.title()+wording.Paren(strings.Join(slices.DeleteFunc([]string{wording.Sentence(n.category), n.status}, empty), ", ")))
	pages := ""
	if total := wording.Line(n.Detail.Get("totalPages")); total != "" && total != "1" {
		pages = ", page " + wording.Line(n.Detail.Get("page")) + " of " + total
	}
	f.Add("Affected", wording.Some(5, n.entities)+pages)
	f.Add("Scope", wording.Sentence(n.scope))
	for _, at := range []struct{ name, field string }{{"Begins", "startTime"}, {"Ends", "endTime"}} {
		if t := wording.Time(n.Detail.Get(at.field)); !t.IsZero() {
			f.Add(at.name, t.Format("2006-01-02 15:04:05 MST"))
		}
	}
	f.Add("AWS asks for", wording.Sentence(wording.Line(n.Detail.Get("actionability"))))
	f.Add("For", wording.Sentence(wording.Some(5, wording.Texts(n.Detail.Get("personas"), 10))))
	n.Detail.Get("eventMetadata").ForEach(func(k, v gjson.Result) bool {
		f.Add(wording.Line(k), wording.Line(v))
		return true
	})
	return f
}

func empty(s string) bool { return s == "" }
