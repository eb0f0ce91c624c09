// Package trustedadvisor reads what Trusted Advisor says of one thing that it checked:
// an access key that was found on the internet, a bucket that anybody may read, and
// all the rest by the name of the check.
//
// Trusted Advisor says how a thing stands now, and says it again with each refresh:
// account, check and resource are the identity, and OK is the end. The events are in
// us-east-1, need a support plan, and are sent as best AWS can.
//
// https://docs.aws.amazon.com/awssupport/latest/user/cloudwatch-events-ta.html
package trustedadvisor

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/plain"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// What the envelope says of such events.
const (
	Source     = "aws.trustedadvisor"
	DetailType = "Trusted Advisor Check Item Refresh Notification"
)

const documentation = "https://docs.aws.amazon.com/awssupport/latest/user/trusted-advisor-check-reference.html"

// An item is one thing that was checked.
type item struct {
	wording.Event
	check, status string
	fields        gjson.Result
	resource      string
}

// Read puts the event into words; ok is false for anything else.
func Read(raw []byte) (d tocsin.Detection, ok bool) {
	ev, ok := wording.Read(raw)
	if !ok || ev.Source != Source || ev.DetailType != DetailType {
		return d, false
	}
	it := item{
		Event: ev, check: wording.Line(ev.Detail.Get("check-name")), status: wording.Line(ev.Detail.Get("status")),
		fields: ev.Detail.Get("check-item-detail"), resource: wording.Line(ev.Detail.Get("resource_id")),
	}
	if it.check == "" || it.status == "" {
		return d, false
	}
	return it.detection(), true
}

// field is a column of the check's table; they are named for people.
func (it item) field(name string) (text string) {
	it.fields.ForEach(func(k, v gjson.Result) bool {
		if strings.EqualFold(strings.TrimSpace(k.Str), name) {
			text = wording.Line(v)
			return false
		}
		return true
	})
	return text
}

// what is which thing the check looked at, as its identity; empty for a check that
// looks at the account as a whole.
func (it item) what() string {
	if named := wording.First(it.resource, it.field("Access Key ID"), it.field("Bucket Name")); named != "" {
		return named
	}
	var names []string
	it.fields.ForEach(func(k, v gjson.Result) bool {
		if s := wording.Line(v); s != "" && (strings.HasSuffix(k.Str, " ID") || strings.HasSuffix(k.Str, " Name") || strings.HasPrefix(k.Str, "Region")) {
			names = append(names, plain.Line(k.Str, wording.MaxName)+" "+s)
		}
		return len(names) < 10
	})
	slices.Sort(names) // the columns come in any order
	return strings.Join(names, ", ")
}

// region is where the thing is; the event itself is always from the one place.
func (it item) region() string {
	for _, r := range []string{wording.ParseARN(it.resource).Region, it.field("Region API Parameter"), it.field("Region"), it.field("Region/AZ")} {
		if wording.IsRegion(r) && strings.Count(r, "-") >= 2 {
			return strings.TrimRight(r, "abcdef") // of an availability zone
		}
	}
	return it.Region
}

func (it item) detection() tocsin.Detection {
	partition := wording.First(wording.ParseARN(it.resource).Partition, wording.Partition(it.Region))
	k := kindOf(it.check)
	d := tocsin.Detection{
		Key:     tocsin.KeyOf(partition, it.Account, "trusted-advisor", it.check, wording.Identity(it.what())),
		Dialect: "trustedadvisor", Type: DetailType, ID: wording.First(wording.Line(it.Detail.Get("uuid")), it.what()),
		Level: k.level(it), Headline: wording.Headline(k.headline(it)), Title: wording.Title(it.check), Description: k.description,
		Account: it.Account, Region: it.region(), Partition: partition,
		Resource: k.resource(it), Actor: tocsin.Actor{}, Facts: it.facts(), Command: k.command(it),
		Console: wording.Console(partition, "trustedadvisor/home", "", "/category/"+k.category), Documentation: documentation,
		FirstSeen: it.Time, LastSeen: it.Time, UpdatedAt: it.Time,
	}
	if it.status == "OK" {
		d.End(tocsin.ReasonRecovered)
	}
	return d
}

// facts are the columns that say something, those that people look for first.
func (it item) facts() []tocsin.Fact {
	var all wording.Facts
	all.Add("Check", it.check+", "+it.status)
	said := map[string]bool{}
	add := func(name string) {
		value := it.field(name)
		if at := wording.Instant(value); name == "Deadline" || name == "Time Updated" {
			if !at.IsZero() {
				value = at.Format("2006-01-02 15:04:05 MST")
			}
		}
		if value != "" {
			all.Add(name, value)
			said[strings.ToLower(name)] = true
		}
	}
	for _, name := range firstFields {
		add(name)
	}
	it.fields.ForEach(func(k, v gjson.Result) bool {
		name := strings.TrimSpace(k.Str)
		if !said[strings.ToLower(name)] && !strings.HasPrefix(name, "Day ") && !strings.EqualFold(name, "status") {
			all.Add(name, wording.Line(v))
		}
		return true
	})
	all.Add("Resource", it.resource)
	return all
}

// firstFields are the columns to say first, of whichever check.
var firstFields = []string{
	"Access Key ID", "User Name (IAM or Root)", "Location", "Fraud Type", "Deadline", "Time Updated",
	"Bucket Name", "ACL Allows List", "ACL Allows Upload/Delete", "Policy Allows Access",
	"Security Group Name", "Security Group ID", "Protocol", "Port", "From Port", "To Port", "IP Range", "Reason",
}

// A kind is what there is to say of a check beyond its name.
type kind struct {
	checks      []string // lower case, as the names begin
	category    string
	description string
	level       func(item) tocsin.Level
	headline    func(item) string
	resource    func(item) tocsin.Resource
	command     func(item) string
}

// kinds are the checks that have words of their own; the last is all others.
var kinds = []kind{
	{
		checks: []string{"exposed access keys"}, category: "security",
		description: "AWS found the key in a public place, or saw it used as stolen keys are. Whoever found it there can use it as the user.",
		level:       exposed,
		headline: func(it item) string {
			text := "access key " + wording.Short(it.field("Access Key ID")) + wording.After(" of ", wording.Short(it.field("User Name (IAM or Root)")))
			if strings.EqualFold(it.field("Fraud Type"), "Suspected") {
				return text + " looks stolen"
			}
			return text + " is exposed"
		},
		resource: func(it item) tocsin.Resource {
			return tocsin.Resource{Type: "AccessKey", ID: wording.First(it.field("Access Key ID"), it.resource), Name: it.field("User Name (IAM or Root)")}
		},
		command: func(it item) string {
			return wording.LookupEvents("AccessKeyId", it.field("Access Key ID"), "us-east-1")
		},
	},
	{
		checks: []string{"amazon s3 bucket permissions", "s3 bucket permissions"}, category: "security",
		description: "Anybody, or anybody with an AWS account, may do what the facts say.",
		level:       byStatus,
		headline: func(it item) string {
			return "S3 bucket " + wording.Short(it.bucket()) + " is open: " + wording.First(it.open(), "see its permissions")
		},
		resource: func(it item) tocsin.Resource {
			return tocsin.Resource{Type: "S3Bucket", ID: it.bucket()}
		},
		command: func(it item) string {
			return wording.NewCommand("aws s3api get-bucket-policy-status").Option("--bucket", it.bucket()).In(it.region()).String()
		},
	},
	{
		checks: []string{"security groups"}, category: "security", level: byStatus, resource: resource,
		headline: func(it item) string {
			return "security group " + wording.Short(it.group()) + " is open to the internet" + wording.After(" on port ", wording.First(it.field("Port"), it.field("From Port")))
		},
		command: func(it item) string {
			return wording.NewCommand("aws ec2 describe-security-groups").Option("--group-ids", it.group()).In(it.region()).String()
		},
	},
	{checks: []string{"mfa on root account"}, category: "security", level: byStatus, resource: resource, headline: says("the root user has no MFA"), command: fixed("aws iam get-account-summary")},
	{checks: []string{"aws cloudtrail"}, category: "security", level: byStatus, resource: resource, headline: says("CloudTrail does not log as it should"), command: fixed("aws cloudtrail describe-trails")},
	{
		checks: []string{"amazon ebs public snapshots"}, category: "security", level: byStatus, resource: resource,
		headline: func(it item) string {
			return "EBS snapshot " + wording.Short(wording.First(it.field("Snapshot ID"), wording.Name(it.resource))) + " is public"
		},
		command: func(it item) string {
			return wording.NewCommand("aws ec2 describe-snapshots").Option("--snapshot-ids", it.field("Snapshot ID")).In(it.region()).String()
		},
	},
	{
		checks: []string{"amazon rds public snapshots"}, category: "security", level: byStatus, resource: resource,
		headline: func(it item) string {
			return "RDS snapshot " + wording.Short(wording.First(it.field("Snapshot ID"), wording.Name(it.resource))) + " is public"
		},
		command: fixed("aws rds describe-db-snapshots --include-public --snapshot-type manual"),
	},
	{
		level: byStatus, resource: resource, command: fixed(""),
		headline: func(it item) string {
			what := wording.First(wording.Name(it.resource), it.what())
			return it.check + wording.After(": ", wording.Short(what))
		},
	},
}

func kindOf(check string) kind {
	check = strings.ToLower(strings.TrimSpace(check))
	for _, k := range kinds {
		if k.checks == nil || slices.ContainsFunc(k.checks, func(name string) bool { return strings.HasPrefix(check, name) }) {
			return k
		}
	}
	return kinds[len(kinds)-1]
}

func says(text string) func(item) string { return func(item) string { return text } }

func fixed(command string) func(item) string {
	return func(item) string {
		return wording.First(command, "aws support describe-trusted-advisor-checks --language en --region us-east-1")
	}
}

// byStatus is Trusted Advisor's colour: red, yellow, green and none.
func byStatus(it item) tocsin.Level {
	switch it.status {
	case "ERROR":
		return tocsin.High
	case "WARN":
		return tocsin.Medium
	case "OK", "INFO":
		return tocsin.Informational
	}
	return tocsin.Unknown
}

func exposed(it item) tocsin.Level {
	if it.status == "OK" {
		return tocsin.Informational
	}
	return tocsin.Critical
}

func (it item) bucket() string {
	return wording.First(it.field("Bucket Name"), wording.Name(it.resource))
}

// group is the id of a security group, which the column has with the one of its VPC.
func (it item) group() string {
	id, _, _ := strings.Cut(it.field("Security Group ID"), " ")
	return wording.First(id, wording.Name(it.resource))
}

// open says what anybody may do with a bucket.
func (it item) open() string {
	var may []string
	for _, column := range []struct{ name, means string }{
		{"ACL Allows List", "list"}, {"ACL Allows Upload/Delete", "write"}, {"Policy Allows Access", "policy allows access"},
	} {
		if strings.EqualFold(it.field(column.name), "yes") {
			may = append(may, column.means)
		}
	}
	return strings.Join(may, ", ")
}

// resource is the thing by its ARN, or by the column that names it.
func resource(it item) tocsin.Resource {
	a := wording.ParseARN(it.resource)
	kind, _, _ := strings.Cut(a.Resource, "/")
	if !strings.Contains(a.Resource, "/") {
		kind = a.Service
	}
	return tocsin.Resource{Type: plain.Line(kind, wording.MaxName), ID: wording.First(a.Name(), it.resource, it.what()), Name: it.field("Instance Name")}
}
