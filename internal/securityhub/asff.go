package securityhub

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// asffLevel is the label, or what the number says, of 0 to 100
// (https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_Severity.html).
func asffLevel(v gjson.Result) tocsin.Level {
	severity := v.Get("Severity")
	if level := wording.Level(wording.Line(severity.Get("Label"))); level != tocsin.Unknown {
		return level
	}
	n := severity.Get("Normalized")
	if !n.Exists() {
		return tocsin.Unknown
	}
	switch score := wording.Number(n); {
	case score >= 90:
		return tocsin.Critical
	case score >= 70:
		return tocsin.High
	case score >= 40:
		return tocsin.Medium
	case score >= 1:
		return tocsin.Low
	}
	return tocsin.Informational
}

// readASFF reads a finding in the AWS Security Finding Format
// (https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format-syntax.html).
func readASFF(ev wording.Event, v gjson.Result) finding {
	product := wording.Line(v.Get("ProductArn"))
	region := wording.First(wording.Line(v.Get("Region")), wording.Line(v.Get("Resources.0.Region")), wording.ParseARN(product).Region, ev.Region)
	f := finding{
		Event: ev, product: product, types: wording.Texts(v.Get("Types"), 20),
		name:  wording.First(wording.Line(v.Get("ProductName")), wording.Line(v.Get("ProductFields.aws/securityhub/ProductName")), wording.Name(product)),
		title: v.Get("Title").Str, description: v.Get("Description").Str,
		account: wording.First(wording.Account(v.Get("AwsAccountId")), ev.Account), region: region,
		partition: wording.First(wording.ParseARN(product).Partition, wording.Line(v.Get("Resources.0.Partition")), wording.Partition(region)),
		level:     asffLevel(v), created: wording.Time(v.Get("CreatedAt")), updated: wording.Time(v.Get("UpdatedAt")), processed: wording.Time(v.Get("ProcessedAt")),
		first: wording.Time(v.Get("FirstObservedAt")), last: wording.Time(v.Get("LastObservedAt")),
		compliance: wording.Line(v.Get("Compliance.Status")), remedy: v.Get("Remediation.Recommendation.Text").Str,
		control: wording.First(wording.Line(v.Get("Compliance.SecurityControlId")), wording.Line(v.Get("ProductFields.ControlId")), wording.Line(v.Get("ProductFields.RuleId"))),
		ip:      wording.First(wording.Line(v.Get("Network.SourceIpV4")), wording.Line(v.Get("Network.SourceIpV6"))),
	}
	f.identify(v.Get("Id"))
	f.sample, _ = wording.Truth(v.Get("Sample"))
	wording.Each(v.Get("Resources"), func(r gjson.Result) bool {
		f.resources = append(f.resources, resource{kind: wording.Line(r.Get("Type")), id: wording.Line(r.Get("Id")), details: r.Get("Details"), tags: wording.Tags(r.Get("Tags"))})
		return len(f.resources) < 20
	})
	f.readService(v.Get("ProductFields"), "aws/guardduty/service/")
	f.severity = number(v.Get("Severity.Product"))
	f.endASFF(v)
	f.factsASFF(v)
	return f
}

// endASFF says whether it is over, and as what.
func (f *finding) endASFF(v gjson.Result) {
	workflow := wording.Line(v.Get("Workflow.Status"))
	switch {
	case wording.Line(v.Get("RecordState")) == "ARCHIVED":
		f.state, f.archived = "archived", true
	case workflow == "SUPPRESSED":
		f.state, f.archived = "suppressed", true
	case workflow == "RESOLVED":
		f.state = "resolved"
	case f.compliance == "PASSED":
		f.state = "passed"
	}
}

// factsASFF are those that only some findings have.
func (f *finding) factsASFF(v gjson.Result) {
	f.facts.Add("Sent by", wording.Line(f.Detail.Get("actionName")))
	var threats, flaws []string
	wording.Each(v.Get("ThreatIntelIndicators"), func(t gjson.Result) bool {
		threats = append(threats, wording.Join(" ", wording.Sentence(wording.Line(t.Get("Type"))), wording.Line(t.Get("Value"))))
		return len(threats) < 10
	})
	f.facts.Add("Signs", wording.Some(4, threats))
	wording.Each(v.Get("Vulnerabilities"), func(flaw gjson.Result) bool {
		p := flaw.Get("VulnerablePackages.0")
		flaws = append(flaws, wording.Join(" ", wording.Line(flaw.Get("Id")), wording.After("in ", wording.Join("-", wording.Line(p.Get("Name")), wording.Line(p.Get("Version")))), wording.After("fixed in ", wording.Line(p.Get("FixedInVersion")))))
		return len(flaws) < 20
	})
	f.facts.Add("Vulnerability", wording.Some(3, flaws))
	f.facts.Add("Process", wording.Join(", ", wording.Line(v.Get("Process.Name")), wording.Line(v.Get("Process.Path"))))
	f.facts.Add("Why", wording.Line(v.Get("Compliance.StatusReasons.0.Description")))
	f.facts.Add("Workflow", strings.ToLower(wording.Line(v.Get("Workflow.Status"))))
	f.facts.Add("Note", v.Get("Note.Text").Str)
}

// readService reads what GuardDuty calls the service part of its finding out of flat
// fields. Nobody else has one.
func (f *finding) readService(fields gjson.Result, prefix string) {
	f.service = map[string]any{"serviceName": "guardduty"}
	if !f.by("guardduty") {
		return
	}
	t, n := tree{root: f.service, left: 2000}, 0
	fields.ForEach(func(k, v gjson.Result) bool {
		path, ok := strings.CutPrefix(k.Str, prefix)
		if !ok || path == "" {
			return true
		}
		t.put(path, wording.Line(v))
		n++
		return n < 1000
	})
}

// number is a number, of a number or a text; nil for all else.
func number(v gjson.Result) any {
	if n := wording.Number(v); n > 0 {
		return n
	}
	return nil
}
