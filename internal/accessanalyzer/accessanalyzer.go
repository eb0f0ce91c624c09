// Package accessanalyzer reads the findings of IAM Access Analyzer: that a resource can
// be used from outside, or from within by those who may not be meant, and that access
// is granted which nobody uses.
//
// Account, region and id of a finding are its identity. RESOLVED, ARCHIVED and its
// deletion end it.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-eventbridge.html
package accessanalyzer

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// What the envelope says of such events.
const (
	Source             = "aws.access-analyzer"
	DetailType         = "Access Analyzer Finding"
	InternalDetailType = "Internal Access Finding"
	UnusedDetailType   = "Unused Access Finding for IAM entities"
)

const documentation = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-findings.html"

// A finding of Access Analyzer's.
type finding struct {
	wording.Event
	id, account, region, resource, kind, status, failed string
	public                                              bool
}

// Read puts the event into words; ok is false for anything else.
func Read(raw []byte) (d tocsin.Detection, ok bool) {
	ev, ok := wording.Read(raw)
	if !ok || ev.Source != Source || (ev.DetailType != DetailType && ev.DetailType != InternalDetailType && ev.DetailType != UnusedDetailType) {
		return d, false
	}
	v := ev.Detail
	f := finding{
		Event: ev, id: wording.First(wording.Line(v.Get("id")), wording.Line(v.Get("findingId"))), region: wording.First(wording.Line(v.Get("region")), ev.Region),
		resource: wording.Line(v.Get("resource")), kind: wording.Line(v.Get("resourceType")), status: wording.Line(v.Get("status")), failed: wording.Line(v.Get("error")),
	}
	account, _ := Brief(v)
	f.account = wording.First(account, ev.Account)
	f.public, _ = wording.Truth(v.Get("isPublic"))
	if f.id == "" || f.resource == "" {
		return d, false
	}
	return f.detection(), true
}

// Brief is whose resource it is and how bad, which takes less.
func Brief(detail gjson.Result) (account string, level tocsin.Level) {
	account = wording.Account(detail.Get("accountId"))
	public, known := wording.Truth(detail.Get("isPublic"))
	switch {
	case public:
		return account, tocsin.High
	case detail.Get("error").Exists():
		return account, tocsin.Low
	case known, wording.Line(detail.Get("findingType")) == "InternalAccess":
		return account, tocsin.Medium
	}
	return account, tocsin.Low
}

func (f finding) detection() tocsin.Detection {
	arn := wording.ParseARN(f.resource)
	partition := wording.First(arn.Partition, wording.Partition(f.region))
	_, level := Brief(f.Detail)
	updated := wording.Time(f.Detail.Get("updatedAt"))
	if updated.IsZero() || f.Time.After(updated) {
		updated = f.Time // a finding that is archived or deleted keeps its time
	}
	d := tocsin.Detection{
		Key:     tocsin.KeyOf(partition, f.account, f.region, "access-analyzer", wording.Identity(f.id)),
		Dialect: "accessanalyzer", Type: f.DetailType, ID: f.id, Level: level,
		Headline: wording.Headline(f.headline()), Title: wording.Title(f.headline()),
		Account: f.account, Region: f.region, Partition: partition,
		Resource: tocsin.Resource{Type: f.kind, ID: wording.Name(f.resource)}, Actor: tocsin.Actor{Principal: wording.Prose(f.principal(), wording.MaxName)},
		Facts: f.facts(), Command: f.command(), Documentation: documentation, Count: 1,
		Console:   wording.Console(partition, "access-analyzer/home", f.region, "/findings"),
		FirstSeen: wording.Time(f.Detail.Get("createdAt")), CreatedAt: wording.Time(f.Detail.Get("createdAt")), LastSeen: wording.Time(f.Detail.Get("analyzedAt")), UpdatedAt: updated,
	}
	if f.Account != f.account {
		d.ReportedBy = f.Account
	}
	deleted, _ := wording.Truth(f.Detail.Get("isDeleted"))
	switch {
	case f.status == "ARCHIVED":
		d.End(tocsin.ReasonArchived)
	case f.status == "RESOLVED", deleted:
		d.End(tocsin.ReasonRecovered)
	}
	return d
}

// ours is "S3 bucket my-bucket", from AWS::S3::Bucket and the ARN.
func (f finding) ours() string {
	parts := strings.Split(f.kind, "::")
	if len(parts) != 3 || parts[0] != "AWS" {
		return wording.Short(wording.Name(f.resource))
	}
	return wording.Join(" ", parts[1], words(parts[2]), wording.Short(wording.Name(f.resource)))
}

// words makes words of a name in camel case: "DBClusterSnapshot" is "DB cluster
// snapshot".
func words(name string) string {
	var b strings.Builder
	r := []rune(name)
	upper := func(i int) bool { return i >= 0 && i < len(r) && r[i] >= 'A' && r[i] <= 'Z' }
	for i := range r {
		nextLower := i+1 < len(r) && !upper(i+1)
		if upper(i) && i > 0 && (!upper(i-1) || nextLower) {
			b.WriteByte(' ')
		}
		b.WriteRune(r[i])
	}
	all := strings.Split(b.String(), " ")
	for i, w := range all {
		if w != strings.ToUpper(w) {
			all[i] = strings.ToLower(w)
		}
	}
	return strings.Join(all, " ")
}

func (f finding) headline() string {
	unused := map[string]string{
		"UnusedIAMRole": "is used by nobody", "UnusedIAMUserAccessKey": "has an access key that nobody uses",
		"UnusedIAMUserPassword": "has a password that nobody uses", "UnusedPermission": "has permissions that it does not use",
	}
	text, isUnused := unused[wording.Line(f.Detail.Get("findingType"))]
	switch {
	case f.failed != "":
		return f.ours() + " could not be analysed: " + wording.Sentence(f.failed)
	case f.public:
		return f.ours() + " is open to everybody"
	case isUnused:
		return f.ours() + " " + text
	case f.DetailType == InternalDetailType:
		return f.ours() + " can be used by " + wording.First(wording.Short(wording.Name(f.principal())), "somebody within")
	}
	return f.ours() + " is shared with " + wording.First(wording.Short(f.short()), "somebody outside")
}

// principal is who may, "AWS 999988887777" without the kind.
func (f finding) principal() string {
	var all []string
	f.Detail.Get("principal").ForEach(func(_, v gjson.Result) bool {
		all = append(all, wording.Line(v))
		return len(all) < 5
	})
	return wording.Some(3, all)
}

// short is the principal as a headline has it.
func (f finding) short() string {
	p := f.principal()
	if wording.IsAccount(p) {
		return "account " + p
	}
	return wording.Name(p)
}

func (f finding) facts() []tocsin.Fact {
	var all wording.Facts
	all.Add("Ours", f.resource+wording.Paren(f.kind))
	all.Add("Who may", f.principal()+wording.Paren(wording.Line(f.Detail.Get("principalOwnerAccount"))))
	all.Add("Public", map[bool]string{true: "yes"}[f.public])
	all.Add("May do", wording.Some(8, wording.Texts(f.Detail.Get("action"), 100)))
	var conditions []string
	f.Detail.Get("condition").ForEach(func(k, v gjson.Result) bool {
		conditions = append(conditions, wording.Line(k)+" = "+wording.Line(v))
		return len(conditions) < 10
	})
	all.Add("Only if", wording.Some(4, conditions))
	var by []string
	wording.Each(f.Detail.Get("sources"), func(s gjson.Result) bool {
		by = append(by, wording.Sentence(wording.Line(s.Get("type"))))
		return len(by) < 5
	})
	all.Add("By", wording.Some(4, by))
	all.Add("Finding", wording.Line(f.Detail.Get("findingType")))
	all.Add("Unused", wording.Join(", ", count(f.Detail.Get("numberOfUnusedActions"), "action"), count(f.Detail.Get("numberOfUnusedServices"), "service")))
	all.Add("Error", wording.Sentence(f.failed))
	all.Add("State", strings.ToLower(f.status))
	return all
}

func count(v gjson.Result, noun string) string {
	if n := int(wording.Number(v)); n > 0 && n < 1e6 {
		return wording.Plural(n, noun)
	}
	return ""
}

// command shows the finding, by the analyser that the event names.
func (f finding) command() string {
	if len(f.Resources) == 0 {
		return wording.NewCommand("aws accessanalyzer list-analyzers").In(f.region).String()
	}
	return wording.NewCommand("aws accessanalyzer get-finding-v2").Option("--analyzer-arn", f.Resources[0]).Option("--id", f.id).In(f.region).String()
}
