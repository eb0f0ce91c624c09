// Package inspector reads the findings of Amazon Inspector: a vulnerable package, code
// that can be attacked, a port that can be reached.
//
// A finding's ARN is its identity. CLOSED and SUPPRESSED end it.
//
// https://docs.aws.amazon.com/inspector/latest/user/eventbridge-integration.html
package inspector

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// What the envelope says of such events. A scan says how much was found, which comes
// as findings too.
const (
	Source         = "aws.inspector2"
	DetailType     = "Inspector2 Finding"
	ScanDetailType = "Inspector2 Scan"
)

const documentation = "https://docs.aws.amazon.com/inspector/latest/user/findings-types.html"

// A finding of Inspector's.
type finding struct {
	wording.Event
	arn, typ, severity, status, account, region string
	packages                                    gjson.Result // packageVulnerabilityDetails
}

// Read puts the event into words; ok is false for anything else.
func Read(raw []byte) (d tocsin.Detection, ok bool) {
	ev, ok := wording.Read(raw)
	if !ok || ev.Source != Source || ev.DetailType != DetailType {
		return d, false
	}
	f := finding{
		Event: ev, arn: wording.Line(ev.Detail.Get("findingArn")), typ: wording.Line(ev.Detail.Get("type")),
		severity: wording.Line(ev.Detail.Get("severity")), status: wording.Line(ev.Detail.Get("status")),
		packages: ev.Detail.Get("packageVulnerabilityDetails"),
	}
	f.account = wording.First(wording.Account(ev.Detail.Get("awsAccountId")), wording.ParseARN(f.arn).Account, ev.Account)
	f.region = wording.First(wording.ParseARN(f.arn).Region, ev.Region)
	if f.arn == "" {
		return d, false
	}
	return f.detection(), true
}

// Brief is whose finding it is and how bad, which takes less.
func Brief(detail gjson.Result) (account string, level tocsin.Level) {
	return wording.Account(detail.Get("awsAccountId")), wording.Level(wording.Line(detail.Get("severity")))
}

// Key is the identity of the finding with that ARN.
func Key(partition, account, region, arn string) tocsin.Key {
	return tocsin.KeyOf(partition, account, region, "inspector", wording.Identity(wording.Name(arn)))
}

func (f finding) detection() tocsin.Detection {
	partition := wording.First(wording.ParseARN(f.arn).Partition, wording.Partition(f.region))
	_, level := Brief(f.Detail)
	d := tocsin.Detection{
		Key: Key(partition, f.account, f.region, f.arn), Dialect: "inspector", Type: wording.First(f.typ, DetailType), ID: f.arn,
		Level: level, Headline: wording.Headline(f.headline()), Title: wording.First(wording.Title(f.Detail.Get("title").Str), wording.Title(f.headline())),
		Description: wording.Description(f.Detail.Get("description").Str),
		Account:     f.account, Region: f.region, Partition: partition, Resource: f.resource(), Facts: f.facts(), Command: f.command(),
		Console: wording.Console(partition, "inspector/v2/home", f.region, "/findings"), Documentation: documentation, Count: 1,
		FirstSeen: wording.Time(f.Detail.Get("firstObservedAt")), LastSeen: wording.Time(f.Detail.Get("lastObservedAt")),
		CreatedAt: wording.Time(f.Detail.Get("firstObservedAt")), UpdatedAt: wording.Time(f.Detail.Get("updatedAt")),
	}
	if f.Account != f.account {
		d.ReportedBy = f.Account
	}
	switch f.status {
	case "CLOSED":
		d.End(tocsin.ReasonRecovered)
	case "SUPPRESSED":
		d.End(tocsin.ReasonArchived)
	}
	return d
}

// headline is "CVE-2019-17498 (libssh2) in ECR image amazon/amazon-ecs-sample".
func (f finding) headline() string {
	in := wording.After(" in ", f.ours())
	switch f.typ {
	case "NETWORK_REACHABILITY":
		return wording.First(f.ours(), "something of ours") + " can be reached from the internet" + wording.After(" on ", f.ports())
	case "CODE_VULNERABILITY":
		return wording.First(wording.Line(f.Detail.Get("codeVulnerabilityDetails.detectorName")), "vulnerable code") + in
	}
	id := wording.Line(f.packages.Get("vulnerabilityId"))
	if id == "" {
		return wording.First(wording.Line(f.Detail.Get("title")), f.DetailType) + in
	}
	return id + wording.Paren(wording.Middle(wording.Line(f.packages.Get("vulnerablePackages.0.name")), 20)) + in
}

// ports is "TCP port 22" or "TCP ports 1 to 65535".
func (f finding) ports() string {
	n := f.Detail.Get("networkReachabilityDetails")
	from, to := wording.Line(n.Get("openPortRange.begin")), wording.Line(n.Get("openPortRange.end"))
	switch {
	case from == "":
		return ""
	case to == "" || to == from:
		return wording.Join(" ", wording.Line(n.Get("protocol")), "port", from)
	}
	return wording.Join(" ", wording.Line(n.Get("protocol")), "ports", from, "to", to)
}

// resourceTypes are what Inspector looks at, as people call it.
var resourceTypes = map[string]string{
	"AWS_EC2_INSTANCE": "EC2", "AWS_ECR_CONTAINER_IMAGE": "ECR image", "AWS_ECR_REPOSITORY": "ECR repository",
	"AWS_LAMBDA_FUNCTION": "Lambda", "CODE_REPOSITORY": "repository",
}

// ours is "EC2 i-0abc".
func (f finding) ours() string {
	r := f.resource()
	return wording.Join(" ", wording.First(resourceTypes[r.Type], wording.Sentence(r.Type)), wording.Short(wording.First(r.Name, r.ID)))
}

func (f finding) resource() tocsin.Resource {
	v := f.Detail.Get("resources.0")
	r := tocsin.Resource{Type: wording.Line(v.Get("type")), ID: wording.Name(wording.Line(v.Get("id"))), Tags: wording.Tags(v.Get("tags"))}
	r.Name = r.Tags["Name"]
	if image := v.Get("details.awsEcrContainerImage"); image.Exists() {
		r.Name = wording.Line(image.Get("repositoryName")) + wording.After(":", wording.Line(image.Get("imageTags.0")))
	}
	if name := wording.Line(v.Get("details.awsLambdaFunction.functionName")); name != "" {
		r.ID, r.Name = name, ""
	}
	return r
}

func (f finding) facts() []tocsin.Fact {
	var all wording.Facts
	all.Add("Vulnerability", wording.Join(", ", wording.Line(f.packages.Get("vulnerabilityId")), wording.After("vendor calls it ", wording.Line(f.packages.Get("vendorSeverity"))), wording.After("score ", wording.Line(f.Detail.Get("inspectorScore")))))
	var packages, fixed []string
	wording.Each(f.packages.Get("vulnerablePackages"), func(p gjson.Result) bool {
		name := wording.Line(p.Get("name"))
		version := wording.Join("-", wording.Line(p.Get("version")), wording.Line(p.Get("release")))
		packages = append(packages, wording.Join(" ", name, version)+wording.Paren(wording.Line(p.Get("filePath"))))
		if in := wording.Line(p.Get("fixedInVersion")); in != "" {
			fixed = append(fixed, wording.Join(" ", name, in))
		}
		return len(packages) < 20
	})
	all.Add("Package", wording.Some(3, packages))
	all.Add("Fixed in", wording.Some(3, fixed))
	all.Add("Open", f.ports())
	all.Add("Ours", f.place())
	all.Add("Exploit", f.exploit())
	code := f.Detail.Get("codeVulnerabilityDetails")
	all.Add("Code", wording.Join(":", wording.Line(code.Get("filePath.filePath")), wording.Line(code.Get("filePath.startLine"))))
	all.Add("Weakness", wording.Some(3, wording.Texts(code.Get("cwes"), 10)))
	all.Add("State", strings.ToLower(f.status))
	all.Add("Do", f.Detail.Get("remediation.recommendation.text").Str)
	all.Add("Source", f.packages.Get("sourceUrl").Str)
	return all
}

// place is where the thing is, at length.
func (f finding) place() string {
	details := f.Detail.Get("resources.0.details")
	ec2, image := details.Get("awsEc2Instance"), details.Get("awsEcrContainerImage")
	return wording.Join(", ", f.ours(), wording.Line(ec2.Get("type")), wording.Some(2, wording.Texts(ec2.Get("ipV4Addresses"), 5)),
		wording.Line(ec2.Get("vpcId")), wording.After("image ", wording.Line(ec2.Get("imageId"))),
		wording.Line(image.Get("platform")), wording.After("in use ", inUse(image)), wording.Line(details.Get("awsLambdaFunction.runtime")))
}

func inUse(image gjson.Result) string {
	if n := wording.Number(image.Get("inUseCount")); n > 0 {
		return strconv.Itoa(int(n)) + " times"
	}
	return ""
}

// exploit says whether the vulnerability is known to be used.
func (f finding) exploit() string {
	known := map[string]string{"YES": "one is public", "NO": "none is known"}[wording.Line(f.Detail.Get("exploitAvailable"))]
	last := ""
	if t := wording.Time(f.Detail.Get("exploitabilityDetails.lastKnownExploitAt")); !t.IsZero() {
		last = "last seen used " + t.Format("2006-01-02")
	}
	epss := ""
	if p := wording.Number(f.Detail.Get("epss.score")); p > 0 && p <= 1 {
		epss = "EPSS " + strconv.FormatFloat(p*100, 'f', 1, 64) + " %"
	}
	return wording.Join(", ", known, last, epss)
}

// command shows the finding with all that belongs to it.
func (f finding) command() string {
	return wording.NewCommand("aws inspector2 batch-get-finding-details").Option("--finding-arns", f.arn).In(f.region).String()
}
