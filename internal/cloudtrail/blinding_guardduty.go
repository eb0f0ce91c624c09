package cloudtrail

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// detector shows the detector, or which there are.
func (r record) detector(words string) string {
	return r.shown(words, "--detector-id", r.text("detectorId"), "aws guardduty list-detectors")
}

const (
	meansBlind  = "Nothing that GuardDuty would have found there is found any more."
	meansHidden = "What is hidden is sent nowhere: not to EventBridge, not to S3, not to Security Hub."
	meansLost   = "Findings that should have come this way are lost on it."
	meansLess   = "If findings come this way, fewer of them may come, or none."
)

func switchedOff(r record) blinding {
	return blinding{
		done: say("GuardDuty was switched off by", r.by()), tried: say(r.by(), "tried to switch GuardDuty off"), level: tocsin.Critical, means: meansBlind,
		facts: facts("Detector", r.text("detectorId")), command: r.show("aws guardduty list-detectors"), of: "off",
	}
}

// updatedDetector: off, with a plan less, or with updates that come later.
func updatedDetector(r record) blinding {
	enable, known := wording.Truth(r.param("enable"))
	off := r.switched("DISABLED")
	command := r.detector("aws guardduty get-detector")
	frequency := r.text("findingPublishingFrequency")
	switch {
	case known && !enable:
		b := switchedOff(r)
		b.command = command
		return b
	case len(off) > 0:
		return blinding{
			done: say("GuardDuty's", wording.Middle(wording.Some(2, off), 30), "off, by", r.by()), tried: say(r.by(), "tried to switch off GuardDuty's", wording.Middle(wording.Some(1, off), 20)),
			level: tocsin.High, means: meansBlind, facts: facts("Off", wording.Some(8, off), "Detector", r.text("detectorId")), command: command, of: plans(off),
		}
	case frequency != "" && frequency != "FIFTEEN_MINUTES": // there is none that is shorter
		frequency = strings.TrimPrefix(wording.Sentence(frequency), "one ")
		return blinding{
			done: say("GuardDuty's updates now come every", frequency+", by", r.by()), tried: say(r.by(), "tried to have GuardDuty's updates come every", frequency),
			level: tocsin.Medium, means: "What happens again is told of that much later, for all members.",
			facts: facts("Updates every", frequency, "Detector", r.text("detectorId")), command: command, of: "frequency",
		}
	}
	return r.settings("GuardDuty's settings", command)
}

// settings is a change that takes nothing away. Where the request is not known it may
// have been anything.
func (r record) settings(what, command string) blinding {
	b := blinding{
		done: say(what, "were changed by", r.by()), tried: say(r.by(), "tried to change", what), level: tocsin.Low,
		facts: facts("Asked for", r.askedFor()), command: command, of: "settings",
	}
	if !r.asked() {
		b.level = tocsin.High
	}
	return b
}

// plans are the protection plans as a part of a key, in whichever order they came.
func plans(off []string) string { return strings.Join(slices.Sorted(slices.Values(off)), ",") }

// switched are the protection plans that a request has in that state: "DISABLED", or
// "NONE" of an organisation's new members.
func (r record) switched(state string) (all []string) {
	add := func(f gjson.Result) {
		if strings.EqualFold(wording.First(wording.Line(wording.Get(f, "status")), wording.Line(wording.Get(f, "autoEnable"))), state) {
			all = append(all, wording.Sentence(wording.Line(wording.Get(f, "name"))))
		}
	}
	wording.Each(r.param("features"), func(f gjson.Result) bool {
		add(f)
		wording.Each(wording.Get(f, "additionalConfiguration"), func(more gjson.Result) bool {
			add(more)
			return len(all) < 20
		})
		return len(all) < 20
	})
	// As it was written before there were features.
	for _, old := range [...]struct {
		name string
		path []string
	}{
		{"S3 data events", []string{"s3Logs"}},
		{"EKS audit logs", []string{"kubernetes", "auditLogs"}},
		{"EBS malware protection", []string{"malwareProtection", "scanEc2InstanceWithFindings", "ebsVolumes"}},
	} {
		v := wording.At(r.param("dataSources"), old.path...)
		for _, setting := range [...]gjson.Result{v, wording.Get(v, "enable"), wording.Get(v, "autoEnable")} {
			if on, known := wording.Truth(setting); known && !on {
				all = append(all, old.name)
				break
			}
		}
	}
	return all
}

func updatedMembers(r record) blinding {
	off := r.switched("DISABLED")
	command := r.detector("aws guardduty list-members --only-associated false")
	if len(off) == 0 {
		b := r.settings("GuardDuty's settings of "+r.accounts(), command)
		b.facts = append(facts("Accounts", r.accountList()), b.facts...)
		b.of = say(b.of, r.accountsOf())
		return b
	}
	return blinding{
		done: say("GuardDuty's", wording.Middle(wording.Some(1, off), 22), "off for", r.accounts()+", by", r.by()), tried: say(r.by(), "tried to switch off GuardDuty's plans for", r.accounts()),
		level: tocsin.High, means: meansBlind, facts: facts("Off", wording.Some(8, off), "Accounts", r.accountList()), command: command,
		of: say(plans(off), r.accountsOf()),
	}
}

func updatedOrganization(r record) blinding {
	off := r.switched("NONE")
	b := r.settings("GuardDuty's settings for the organisation", r.detector("aws guardduty describe-organization-configuration"))
	// autoEnable is what there was before; who gives both means the newer one.
	who := r.text("autoEnableOrganizationMembers")
	auto, known := wording.Truth(r.param("autoEnable"))
	switch {
	case strings.EqualFold(who, "NONE"), who == "" && known && !auto:
		b.done, b.tried, b.level = say("new accounts do not get GuardDuty any more, by", r.by()), say(r.by(), "tried to leave new accounts without GuardDuty"), tocsin.High
		b.means, b.of = "In accounts that join from now on GuardDuty finds nothing, until somebody switches it on.", "none"
	case len(off) > 0:
		b.done, b.tried = say("new accounts get GuardDuty without", wording.Middle(wording.Some(1, off), 20)+", by", r.by()), say(r.by(), "tried to leave new accounts without", wording.Middle(wording.Some(1, off), 20))
		b.level, b.facts, b.of = tocsin.High, facts("Off", wording.Some(8, off)), plans(off)
		b.means = "In accounts that join from now on GuardDuty finds nothing of that kind."
	}
	return b
}

// scanSettings say by tags which instances are scanned for malware, and which are not.
func scanSettings(r record) blinding {
	b := r.settings("GuardDuty's malware scan settings", r.detector("aws guardduty get-malware-scan-settings"))
	if exclude := wording.At(r.param("scanResourceCriteria"), "exclude"); exclude.IsObject() && exclude.Raw != "{}" {
		b.level, b.means, b.of = tocsin.Medium, "Instances with such tags are not scanned for malware.", "exclude"
	}
	return b
}

// accountList are the accounts for a fact.
func (r record) accountList() string { return wording.Some(15, r.accountIDs()) }

// accountsOf are the accounts as a part of a key, in whichever order they came.
func (r record) accountsOf() string {
	return strings.Join(slices.Sorted(slices.Values(r.accountIDs())), ",")
}

func membersOfGuardDuty(did, try, from string) func(record) blinding {
	judge := membersOf("GuardDuty", did, try, from, "", tocsin.Critical)
	return func(r record) blinding {
		b := judge(r)
		b.facts = append(b.facts, facts("Detector", r.text("detectorId"))...)
		b.command = r.detector("aws guardduty list-members --only-associated false")
		return b
	}
}

// membersOf is of accounts that an administrator lets go of.
func membersOf(product, did, try, from, words string, level tocsin.Level) func(record) blinding {
	return func(r record) blinding {
		one, are := len(r.accountIDs()) == 1, "were"
		if one {
			are = "was"
		}
		means := "The administrator does not see what " + product + " finds there any more."
		if r.call == "StopMonitoringMembers" { // that goes on
			are, means = "are", meansBlind
			if one {
				are = "is"
			}
		}
		return blinding{
			done:  say(r.accounts(), are, did+", by", r.by()),
			tried: say(r.by(), "tried to", try, r.accounts(), from), level: level, means: means,
			facts: facts("Accounts", r.accountList()), command: r.show(words), ours: r.accountList(), of: r.accountsOf(),
		}
	}
}

// left is of an account that leaves its administrator.
func left(product string, level tocsin.Level, words string) func(record) blinding {
	return func(r record) blinding {
		b := blinding{
			done: say("the account left its", product, "administrator, by", r.by()), tried: say(r.by(), "tried to leave the", product, "administrator"), level: level,
			means: "The administrator does not see what " + product + " finds in this account any more.",
			facts: facts("Detector", r.text("detectorId")), command: r.show(words),
		}
		if product == "GuardDuty" {
			b.command = r.detector("aws guardduty get-administrator-account")
		}
		return b
	}
}

// filter hides findings if its action is to archive them. An update that leaves the
// action as it is may be of one that does, and so may one that CloudTrail has no
// parameters of.
func filter(r record) blinding {
	name := wording.First(r.text("name"), r.text("filterName"))
	action := strings.ToUpper(r.text("action"))
	created := r.call == "CreateFilter"
	hides := criteria(wording.At(r.param("findingCriteria"), "criterion"))
	short := wording.Middle(name, 24)
	b := blinding{
		level: tocsin.High, means: meansHidden, facts: facts("Filter", name, "Hides", hides, "Says", r.text("description"), "Detector", r.text("detectorId")),
		command: wording.First(wording.NewCommand("aws guardduty get-filter").Option("--detector-id", r.text("detectorId")).Option("--filter-name", name).In(r.region).String(), r.detector("aws guardduty list-filters")),
	}
	switch {
	case action == "ARCHIVE" && created:
		if hides == "" {
			b.facts = facts("Filter", name, "Hides", "every finding", "Says", r.text("description"), "Detector", r.text("detectorId"))
		}
		b.done, b.tried = say(r.by(), "hides findings with the new filter", short), say(r.by(), "tried to hide findings with a filter", short)
	case !r.asked() && created:
		b.done, b.tried = say(r.by(), "made a filter of findings"), say(r.by(), "tried to make a filter of findings")
	case action == "ARCHIVE", action == "" && !created:
		b.done, b.tried = say(r.by(), "changed the filter", short, "that hides findings"), say(r.by(), "tried to change the filter", short)
	default: // it only sorts the console's list
		b.done, b.tried, b.level, b.means = say(r.by(), "made the filter", short+", which hides nothing"), say(r.by(), "tried to make the filter", short), tocsin.Low, ""
		b.facts, b.of = facts("Filter", name, "Picks", hides, "Detector", r.text("detectorId")), name+"/noop"
	}
	return b
}

// operators are how a filter compares, the old names and the new ones.
var operators = map[string]string{
	"eq": "is", "equals": "is", "neq": "is not", "notequals": "is not", "matches": "matches", "notmatches": "does not match",
	"gt": ">", "greaterthan": ">", "gte": "≥", "greaterthanorequal": "≥", "lt": "<", "lessthan": "<", "lte": "≤", "lessthanorequal": "≤",
}

// criteria is "type is Recon:EC2/Portscan, severity < 7".
func criteria(c gjson.Result) string {
	var all []string
	c.ForEach(func(field, conditions gjson.Result) bool {
		conditions.ForEach(func(op, v gjson.Result) bool {
			how, ok := operators[strings.ToLower(op.Str)]
			if !ok {
				how = wording.Line(op)
			}
			values := wording.Texts(v, 50)
			if len(values) > 0 {
				all = append(all, wording.Line(field)+" "+how+" "+strings.ReplaceAll(wording.Some(4, values), ", ", " or "))
			}
			return len(all) < 20
		})
		return len(all) < 20
	})
	return strings.Join(all, ", ")
}

// trusted is a list of addresses or names of which GuardDuty finds nothing.
func trusted(r record) blinding {
	name := wording.First(r.text("name"), r.text("ipSetId"), r.text("trustedEntitySetId"))
	short := wording.Middle(name, 24)
	lists := "aws guardduty list-ip-sets"
	if strings.HasSuffix(r.call, "TrustedEntitySet") {
		lists = "aws guardduty list-trusted-entity-sets"
	}
	b := blinding{
		done: say(r.by(), "has GuardDuty trust the list", short), tried: say(r.by(), "tried to have GuardDuty trust the list", short), level: tocsin.High,
		means: "GuardDuty finds nothing of what comes from the addresses on the list.", ours: name,
		facts: facts("List", name, "Where", r.text("location"), "Active", r.text("activate"), "Detector", r.text("detectorId")), command: r.detector(lists),
	}
	if on, known := wording.Truth(r.param("activate")); known && !on {
		b.done, b.tried = say(r.by(), "put the trusted list", short, "out of use"), say(r.by(), "tried to put the trusted list", short, "out of use")
		b.level, b.means, b.of = tocsin.Low, "", name+"/inactive"
	}
	return b
}

// threats is a list of what GuardDuty looks for besides what it knows itself.
func threats(r record) blinding {
	name := wording.First(r.text("name"), r.text("threatIntelSetId"), r.text("threatEntitySetId"))
	short := wording.Middle(name, 24)
	lists := "aws guardduty list-threat-intel-sets"
	if strings.HasSuffix(r.call, "ThreatEntitySet") {
		lists = "aws guardduty list-threat-entity-sets"
	}
	b := blinding{
		done: say(r.by(), "deleted GuardDuty's threat list", short), tried: say(r.by(), "tried to delete GuardDuty's threat list", short), level: tocsin.High,
		means: "GuardDuty does not look for what was on the list any more.", ours: name,
		facts: facts("List", name, "Where", r.text("location"), "Active", r.text("activate"), "Detector", r.text("detectorId")), command: r.detector(lists),
	}
	if strings.HasPrefix(r.call, "Delete") {
		return b
	}
	if on, known := wording.Truth(r.param("activate")); known && !on {
		b.done, b.tried = say(r.by(), "put GuardDuty's threat list", short, "out of use"), say(r.by(), "tried to put GuardDuty's threat list", short, "out of use")
		return b
	}
	b.done, b.tried = say(r.by(), "changed GuardDuty's threat list", short), say(r.by(), "tried to change GuardDuty's threat list", short)
	b.level, b.means, b.of = tocsin.Medium, "What was on the list before and is not now is not looked for any more.", name+"/changed"
	return b
}

func export(did, try string) func(record) blinding {
	return func(r record) blinding {
		means := meansLost
		if did == "changed" {
			means = meansLess
		}
		return blinding{
			done: say(r.by(), did, "GuardDuty's export of findings"), tried: say(r.by(), "tried to", try, "GuardDuty's export of findings"), level: tocsin.High, means: means,
			facts:   facts("Destination", r.text("destinationId"), "To", wording.Line(wording.At(r.param("destinationProperties"), "destinationArn")), "Detector", r.text("detectorId")),
			command: r.detector("aws guardduty list-publishing-destinations"),
		}
	}
}

// administrator is of the account that an organisation had see the findings of all.
func administrator(product string, level tocsin.Level, words string) func(record) blinding {
	return func(r record) blinding {
		return blinding{
			done: say(product+"'s administrator was dismissed by", r.by()), tried: say(r.by(), "tried to dismiss", product+"'s administrator"), level: level,
			means: "The administrator does not see what " + product + " finds in the organisation any more.",
			facts: facts("Administrator", r.text("adminAccountId")), command: r.show(words),
		}
	}
}

// archived is what people do every day, and what hides a trace.
func archived(r record) blinding {
	ids := wording.Texts(r.param("findingIds"), 1000)
	what := "findings"
	if len(ids) > 0 {
		what = wording.Plural(len(ids), "finding")
	}
	return blinding{
		done: say(r.by(), "archived", what, "in GuardDuty"), tried: say(r.by(), "tried to archive", what, "in GuardDuty"),
		level: tocsin.Medium, means: "Archived findings are not in the console's list any more.",
		facts: facts("Findings", wording.Some(5, ids), "Detector", r.text("detectorId")), command: r.detector("aws guardduty list-findings"),
	}
}

func plan(did, try string, level tocsin.Level) func(record) blinding {
	return func(r record) blinding {
		means := "Objects of its bucket are not scanned for malware any more."
		if did == "changed" {
			means = "Objects of its bucket may not be scanned for malware any more, or not be tagged."
		}
		return blinding{
			done: say(r.by(), did, "a malware protection plan"), tried: say(r.by(), "tried to", try, "a malware protection plan"), level: level, means: means,
			facts: facts("Plan", r.text("malwareProtectionPlanId")), command: r.show("aws guardduty list-malware-protection-plans"),
		}
	}
}

// leftOut is of a tag that has GuardDuty leave an instance or a cluster alone. All other
// tags mean nothing here
// (https://docs.aws.amazon.com/guardduty/latest/ug/managing-gdu-agent-ec2-automated.html,
// https://docs.aws.amazon.com/guardduty/latest/ug/malware-protection-customizations.html).
func leftOut(r record) (b blinding) {
	tags := wording.Tags(r.param("tags"))
	if r.service == "ec2" {
		tags = wording.Tags(wording.At(r.param("tagSet"), "items"))
	}
	what := ""
	switch excluded, there := tags["GuardDutyExcluded"]; {
	case tags["GuardDutyManaged"] == "false":
		what = "agent"
	case r.service == "ec2" && there && excluded != "false":
		what = "malware scans"
	default:
		return b
	}
	var ours []string
	wording.Each(wording.At(r.param("resourcesSet"), "items"), func(v gjson.Result) bool {
		ours = append(ours, wording.Line(wording.Get(v, "resourceId")))
		return len(ours) < 50
	})
	if arn := r.text("resourceArn"); arn != "" {
		ours = append(ours, wording.Name(arn))
	}
	out := wording.First(wording.Middle(wording.Some(1, ours), 26), "something")
	return blinding{
		done: say(r.by(), "had GuardDuty's", what, "leave out", out), tried: say(r.by(), "tried to have GuardDuty's", what, "leave out", out), level: tocsin.Medium,
		means: "By that tag GuardDuty does not look into it any more.", facts: facts("Left out", wording.Some(8, ours)),
		command: r.show("aws guardduty list-detectors"), ours: wording.Some(3, ours), of: wording.Some(50, ours),
	}
}
