package securityhub

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// ocsfLevel is severity_id, whose numbers are those of levels up to fatal, which is
// beyond (https://schema.ocsf.io, attribute severity_id).
func ocsfLevel(v gjson.Result) tocsin.Level {
	switch n := int(wording.Number(v.Get("severity_id"))); {
	case n >= 1 && n <= 5:
		return tocsin.Level(n)
	case n == 6:
		return tocsin.Critical
	}
	return wording.Level(wording.Line(v.Get("severity")))
}

// readOCSF reads a finding of OCSF's category Findings: Detection (2004), Vulnerability
// (2002), Compliance (2003) and Data Security Finding (2006) among them.
func readOCSF(ev wording.Event, v gjson.Result) finding {
	info, product := v.Get("finding_info"), v.Get("metadata.product")
	id := info.Get("uid")
	if wording.Line(id) == "" {
		id = v.Get("metadata.uid")
	}
	productARN := wording.Line(product.Get("uid"))
	resources := v.Get("resources")
	if !resources.Exists() {
		resources = v.Get("resource")
	}
	region := wording.First(wording.Line(v.Get("cloud.region")), wording.Line(first(resources, "0.region", "region")), wording.ParseARN(wording.Line(id)).Region, ev.Region)
	f := finding{
		Event: ev, product: productARN, types: wording.Texts(info.Get("types"), 20), name: wording.First(wording.Line(product.Get("name")), wording.Name(productARN)),
		title: info.Get("title").Str, description: info.Get("desc").Str, account: wording.First(wording.Account(v.Get("cloud.account.uid")), ev.Account), region: region,
		partition: wording.First(wording.ParseARN(productARN).Partition, wording.ParseARN(wording.Line(id)).Partition, wording.Line(v.Get("cloud.cloud_partition")), wording.Partition(region)),
		level:     ocsfLevel(v), created: wording.Time(first(info, "created_time_dt", "created_time")), updated: wording.Time(first(info, "modified_time_dt", "modified_time")),
		processed: wording.Time(first(v, "metadata.processed_time_dt", "metadata.processed_time")),
		first:     wording.Time(first(info, "first_seen_time_dt", "first_seen_time")), last: wording.Time(first(info, "last_seen_time_dt", "last_seen_time")),
		control: wording.Line(v.Get("compliance.control")), compliance: wording.Line(v.Get("compliance.status")),
		remedy: wording.First(v.Get("remediation.desc").Str, v.Get("vulnerabilities.0.remediation.desc").Str), ip: wording.Line(v.Get("evidences.0.src_endpoint.ip")), v2: true,
	}
	f.identify(id)
	f.count = int64(wording.Number(v.Get("count")))
	if f.updated.IsZero() {
		f.updated = wording.Time(first(v, "time_dt", "time"))
	}
	f.sample, _ = wording.Truth(first(v, "unmapped.Sample", "is_sample"))
	wording.Each(resources, func(r gjson.Result) bool {
		data := r.Get("data")
		if data.Type == gjson.String {
			data = gjson.Parse(data.Str)
		}
		f.resources = append(f.resources, resource{kind: wording.Line(r.Get("type")), id: wording.Line(r.Get("uid")), details: data, tags: wording.Tags(r.Get("tags"))})
		return len(f.resources) < 20
	})
	f.readService(v.Get("unmapped"), "ProductFields.aws/guardduty/service/")
	f.evidence(v.Get("evidences.0"))
	f.severity = number(member(v.Get("unmapped"), "Severity.Product"))
	f.endOCSF(v)
	f.factsOCSF(v)
	return f
}

// member is a member whose name has dots in it.
func member(v gjson.Result, name string) gjson.Result {
	return v.Get(strings.ReplaceAll(name, ".", `\.`))
}

// endOCSF says whether it is over, and as what. Of findings, status_id 3 is suppressed,
// 4 resolved, 5 archived and 6 deleted.
func (f *finding) endOCSF(v gjson.Result) {
	status := strings.ToLower(wording.Line(v.Get("status")))
	if status == "" {
		status = map[string]string{"3": "suppressed", "4": "resolved", "5": "archived", "6": "deleted"}[wording.Line(v.Get("status_id"))]
	}
	compliance := strings.ToLower(f.compliance)
	switch {
	case status == "suppressed", status == "archived", status == "deleted", wording.Line(v.Get("unmapped.RecordState")) == "ARCHIVED":
		if f.state, f.archived = "archived", true; status != "" && status != "new" {
			f.state = status
		}
	case status == "resolved", wording.Line(v.Get("activity_id")) == "3":
		f.state = "resolved"
	case compliance == "pass", compliance == "passed":
		f.state = "passed"
	}
	if compliance == "fail" {
		f.compliance = "failed"
	}
}

// evidence gives GuardDuty's words for what was done, where they are not there
// already.
func (f *finding) evidence(e gjson.Result) {
	if role := wording.Line(e.Get("data.resource_role")); role != "" && f.service["resourceRole"] == nil {
		f.service["resourceRole"] = role
	}
	if _, there := f.service["action"].(map[string]any); !there {
		f.service["action"] = map[string]any{}
	}
	action := f.service["action"].(map[string]any)
	api, ip := wording.Line(e.Get("api.operation")), wording.Line(e.Get("src_endpoint.ip"))
	if api == "" {
		return
	}
	if _, there := action["actionType"]; !there {
		action["actionType"] = "AWS_API_CALL"
	}
	call, ok := action["awsApiCallAction"].(map[string]any)
	if !ok {
		call = map[string]any{}
		action["awsApiCallAction"] = call
	}
	add := func(into map[string]any, name, text string) {
		if _, there := into[name]; !there && text != "" {
			into[name] = text
		}
	}
	add(call, "api", api)
	add(call, "serviceName", wording.Line(e.Get("api.service.name")))
	remote, ok := call["remoteIpDetails"].(map[string]any)
	if !ok {
		remote = map[string]any{}
		call["remoteIpDetails"] = remote
	}
	add(remote, "ipAddressV4", ip)
	if country := wording.Line(e.Get("src_endpoint.location.country")); country != "" {
		if _, there := remote["country"]; !there {
			remote["country"] = map[string]any{"countryName": country}
		}
	}
}

// factsOCSF are those that only some findings have.
func (f *finding) factsOCSF(v gjson.Result) {
	var flaws []string
	wording.Each(v.Get("vulnerabilities"), func(flaw gjson.Result) bool {
		p := flaw.Get("affected_packages.0")
		flaws = append(flaws, wording.Join(" ", wording.Line(flaw.Get("cve.uid")), wording.After("in ", wording.Join("-", wording.Line(p.Get("name")), wording.Line(p.Get("version")))), wording.After("fixed in ", wording.Line(p.Get("fixed_in_version")))))
		return len(flaws) < 20
	})
	f.facts.Add("Vulnerability", wording.Some(3, flaws))
	if exploit, known := wording.Truth(v.Get("vulnerabilities.0.is_exploit_available")); known {
		f.facts.Add("Exploit", map[bool]string{true: "one is public", false: "none is known"}[exploit])
	}
	f.facts.Add("Call", wording.Line(v.Get("evidences.0.api.operation")))
	f.facts.Add("Requirements", wording.Some(4, wording.Texts(v.Get("compliance.requirements"), 20)))
	f.facts.Add("Attack", wording.Some(3, techniques(v)))
	f.facts.Add("Status", strings.ToLower(wording.Line(v.Get("status"))))
}

func techniques(v gjson.Result) (all []string) {
	wording.Each(first(v, "finding_info.attacks", "attacks"), func(a gjson.Result) bool {
		all = append(all, wording.Join(" ", wording.Line(a.Get("technique.uid")), wording.Line(a.Get("technique.name"))))
		return len(all) < 10
	})
	return all
}
