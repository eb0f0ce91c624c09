package cloudtrail

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// A blinding is what a call means that takes the sight of whoever watches. Its texts
// have {who} for the actor.
type blinding struct {
	done, tried string
	level       tocsin.Level
	means       string
	facts       []tocsin.Fact
	command     string // shows what is left; it only reads
}

// blindings are those calls, by service and name.
var blindings = map[string]func(record) blinding{
	"guardduty:DeleteDetector":                       switchedOff,
	"guardduty:UpdateDetector":                       updatedDetector,
	"guardduty:UpdateMemberDetectors":                updatedMembers,
	"guardduty:UpdateOrganizationConfiguration":      updatedOrganization,
	"guardduty:CreateFilter":                         filter,
	"guardduty:UpdateFilter":                         filter,
	"guardduty:CreateIPSet":                          trusted,
	"guardduty:UpdateIPSet":                          trusted,
	"guardduty:CreateTrustedEntitySet":               trusted,
	"guardduty:UpdateTrustedEntitySet":               trusted,
	"guardduty:DeleteThreatIntelSet":                 threats,
	"guardduty:DeleteThreatEntitySet":                threats,
	"guardduty:DeleteMembers":                        members("were removed from GuardDuty", "remove", "from GuardDuty"),
	"guardduty:DisassociateMembers":                  members("were cut off from GuardDuty's administrator", "cut", "off from GuardDuty's administrator"),
	"guardduty:StopMonitoringMembers":                members("are no longer watched by GuardDuty", "stop GuardDuty watching", ""),
	"guardduty:DisassociateFromMasterAccount":        left,
	"guardduty:DisassociateFromAdministratorAccount": left,
	"guardduty:DeletePublishingDestination":          export("deleted", "delete"),
	"guardduty:UpdatePublishingDestination":          export("changed", "change"),
	"guardduty:DisableOrganizationAdminAccount":      administrator,
	"guardduty:ArchiveFindings":                      archived,
	"guardduty:DeleteMalwareProtectionPlan":          plan,
	"events:DisableRule":                             eventRule("disabled", "disable"),
	"events:DeleteRule":                              eventRule("deleted", "delete"),
	"events:RemoveTargets":                           eventRule("emptied of targets", "take the targets from"),
	"events:PutRule":                                 eventRule("changed", "change"),
	"sns:Unsubscribe":                                topic("a subscription of", "ended", "end"),
	"sns:DeleteTopic":                                topic("", "deleted", "delete"),
	"sqs:DeleteQueue":                                queue("deleted", "delete"),
	"sqs:PurgeQueue":                                 queue("emptied", "empty"),
	"cloudtrail:StopLogging":                         trail("was stopped", "stop", tocsin.Critical),
	"cloudtrail:DeleteTrail":                         trail("was deleted", "delete", tocsin.Critical),
	"cloudtrail:PutEventSelectors":                   trail("had its selectors changed", "change the selectors of", tocsin.High),
	"cloudtrail:UpdateTrail":                         trail("was changed", "change", tocsin.High),
	"cloudtrail:DeleteEventDataStore":                store("deleted", "delete"),
	"cloudtrail:StopEventDataStoreIngestion":         store("stopped", "stop"),
	"securityhub:DisableSecurityHub":                 service("Security Hub", "aws securityhub describe-hub", tocsin.Critical),
	"securityhub:DisableSecurityHubV2":               service("Security Hub", "aws securityhub describe-security-hub-v2", tocsin.Critical),
	"config:StopConfigurationRecorder":               service("AWS Config's recorder", "aws configservice describe-configuration-recorder-status", tocsin.High),
	"config:DeleteConfigurationRecorder":             service("AWS Config's recorder", "aws configservice describe-configuration-recorder-status", tocsin.High),
	"config:DeleteDeliveryChannel":                   service("AWS Config's delivery", "aws configservice describe-delivery-channel-status", tocsin.High),
	"macie2:DisableMacie":                            service("Macie", "aws macie2 get-macie-session", tocsin.High),
	"inspector2:Disable":                             service("Inspector", "aws inspector2 batch-get-account-status", tocsin.High),
	"access-analyzer:DeleteAnalyzer":                 service("an analyser of Access Analyzer", "aws accessanalyzer list-analyzers", tocsin.High),
}

// blinding is what the call means to those who watch; ok is false where it means
// nothing.
func (r record) blinding() (b blinding, ok bool) {
	if r.DetailType != APICall {
		return b, false
	}
	judge, ok := blindings[r.service+":"+r.call]
	if !ok {
		return b, false
	}
	b = judge(r)
	return b, b.done != ""
}

// param is a parameter of the request, by whichever case it came.
func (r record) param(name string) gjson.Result { return wording.Get(r.request, name) }

func (r record) text(name string) string { return wording.Line(r.param(name)) }

func facts(pairs ...string) []tocsin.Fact {
	var f wording.Facts
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Add(pairs[i], pairs[i+1])
	}
	return f
}

// detector shows the detector, or which there are.
func (r record) detector(words string) string {
	return wording.First(wording.NewCommand(words).Option("--detector-id", r.text("detectorId")).In(r.region).String(), r.detectors())
}

func (r record) detectors() string {
	return wording.NewCommand("aws guardduty list-detectors").In(r.region).String()
}

const (
	meansBlind  = "Nothing that GuardDuty would have found there is found any more."
	meansHidden = "What is hidden is sent nowhere: not to EventBridge, not to S3, not to Security Hub."
	meansLost   = "Findings that should have come this way are lost on it."
)

func switchedOff(r record) blinding {
	return blinding{
		done: "GuardDuty was switched off by {who}", tried: "{who} tried to switch GuardDuty off", level: tocsin.Critical, means: meansBlind,
		facts: facts("Detector", r.text("detectorId")), command: r.detectors(),
	}
}

// updatedDetector: off, with a plan less, or with updates that come later.
func updatedDetector(r record) blinding {
	enable, known := wording.Truth(r.param("enable"))
	off := r.switched("DISABLED")
	how := "aws guardduty get-detector"
	switch {
	case known && !enable:
		b := switchedOff(r)
		b.command = r.detector(how)
		return b
	case len(off) > 0:
		return blinding{
			done: "GuardDuty's " + wording.Middle(wording.Some(2, off), 30) + " off, by {who}", tried: "{who} tried to switch off GuardDuty's " + wording.Middle(wording.Some(1, off), 20),
			level: tocsin.High, means: meansBlind, facts: facts("Off", wording.Some(8, off), "Detector", r.text("detectorId")), command: r.detector(how),
		}
	case r.text("findingPublishingFrequency") != "":
		frequency := wording.Sentence(r.text("findingPublishingFrequency"))
		return blinding{
			done: "GuardDuty's updates now come every " + frequency + ", by {who}", tried: "{who} tried to have GuardDuty's updates come every " + frequency,
			level: tocsin.Medium, means: "What happens again is told of that much later, for all members.",
			facts: facts("Updates every", frequency, "Detector", r.text("detectorId")), command: r.detector(how),
		}
	}
	return blinding{
		done: "GuardDuty's settings were changed by {who}", tried: "{who} tried to change GuardDuty's settings", level: tocsin.Low,
		facts: facts("Asked for", r.request.Raw), command: r.detector(how),
	}
}

// switched are the protection plans that a request has in that state.
func (r record) switched(state string) (all []string) {
	wording.Each(r.param("features"), func(f gjson.Result) bool {
		name := wording.Line(wording.Get(f, "name"))
		if strings.EqualFold(wording.First(wording.Line(wording.Get(f, "status")), wording.Line(wording.Get(f, "autoEnable"))), state) {
			all = append(all, wording.Sentence(name))
		}
		wording.Each(wording.Get(f, "additionalConfiguration"), func(more gjson.Result) bool {
			if strings.EqualFold(wording.First(wording.Line(wording.Get(more, "status")), wording.Line(wording.Get(more, "autoEnable"))), state) {
				all = append(all, wording.Sentence(wording.Line(wording.Get(more, "name"))))
			}
			return len(all) < 20
		})
		return len(all) < 20
	})
	// As it was written before there were features.
	for _, old := range [...]struct {
		name string
		path []string
	}{
		{"S3 data events", []string{"s3Logs", "enable"}},
		{"EKS audit logs", []string{"kubernetes", "auditLogs", "enable"}},
		{"EBS malware protection", []string{"malwareProtection", "scanEc2InstanceWithFindings", "ebsVolumes"}},
	} {
		if on, known := wording.Truth(wording.At(r.param("dataSources"), old.path...)); known && !on && state != "ENABLED" {
			all = append(all, old.name)
		}
	}
	return all
}

func updatedMembers(r record) blinding {
	off := r.switched("DISABLED")
	if len(off) == 0 {
		return blinding{
			done: "GuardDuty's settings of " + r.accounts() + " were changed by {who}", tried: "{who} tried to change GuardDuty's settings of " + r.accounts(), level: tocsin.Low,
			facts: facts("Accounts", r.accountList(), "Asked for", r.request.Raw), command: r.membersCommand(),
		}
	}
	return blinding{
		done: "GuardDuty's " + wording.Middle(wording.Some(1, off), 22) + " off for " + r.accounts() + ", by {who}", tried: "{who} tried to switch off GuardDuty's plans for " + r.accounts(),
		level: tocsin.High, means: meansBlind, facts: facts("Off", wording.Some(8, off), "Accounts", r.accountList()), command: r.membersCommand(),
	}
}

func updatedOrganization(r record) blinding {
	off := r.switched("NONE")
	auto, known := wording.Truth(r.param("autoEnable"))
	none := strings.EqualFold(r.text("autoEnableOrganizationMembers"), "NONE") || known && !auto
	b := blinding{
		done: "GuardDuty's settings for the organisation were changed by {who}", tried: "{who} tried to change GuardDuty's settings for the organisation", level: tocsin.Low,
		facts: facts("Asked for", r.request.Raw), command: r.detector("aws guardduty describe-organization-configuration"),
	}
	switch {
	case none:
		b.done, b.tried, b.level = "new accounts do not get GuardDuty any more, by {who}", "{who} tried to leave new accounts without GuardDuty", tocsin.High
	case len(off) > 0:
		b.done, b.level = "new accounts get GuardDuty without "+wording.Middle(wording.Some(1, off), 20)+", by {who}", tocsin.High
		b.facts = facts("Off", wording.Some(8, off))
	}
	return b
}

// accounts is "3 accounts", of a request that names them.
func (r record) accounts() string { return wording.Plural(len(r.accountIDs()), "account") }

func (r record) accountIDs() []string { return wording.Texts(r.param("accountIds"), 1000) }

func (r record) accountList() string { return wording.Some(15, r.accountIDs()) }

func (r record) membersCommand() string {
	return r.detector("aws guardduty list-members --only-associated false")
}

func members(did, try, from string) func(record) blinding {
	return func(r record) blinding {
		return blinding{
			done:  r.accounts() + " " + did + ", by {who}",
			tried: wording.Join(" ", "{who} tried to", try, r.accounts(), from), level: tocsin.Critical, means: meansBlind,
			facts: facts("Accounts", r.accountList(), "Detector", r.text("detectorId")), command: r.membersCommand(),
		}
	}
}

func left(r record) blinding {
	return blinding{
		done: "the account left its GuardDuty administrator, by {who}", tried: "{who} tried to leave the GuardDuty administrator", level: tocsin.Critical,
		means: "The administrator does not see what GuardDuty finds in this account any more.",
		facts: facts("Detector", r.text("detectorId")), command: r.detector("aws guardduty get-administrator-account"),
	}
}

// filter hides findings if its action is to archive them. An update that leaves the
// action as it is may be of one that does.
func filter(r record) blinding {
	name := wording.First(r.text("name"), r.text("filterName"))
	action := strings.ToUpper(r.text("action"))
	created := r.call == "CreateFilter"
	b := blinding{
		level: tocsin.High, means: meansHidden, facts: facts("Filter", name, "Hides", criteria(wording.At(r.param("findingCriteria"), "criterion")), "Says", r.text("description"), "Detector", r.text("detectorId")),
		command: wording.First(wording.NewCommand("aws guardduty get-filter").Option("--detector-id", r.text("detectorId")).Option("--filter-name", name).In(r.region).String(), r.detector("aws guardduty list-filters")),
	}
	short := wording.Middle(name, 24)
	switch {
	case action == "ARCHIVE" && created:
		b.done, b.tried = "{who} hides findings with the new filter "+short, "{who} tried to hide findings with a filter "+short
	case action == "ARCHIVE", action == "" && !created:
		b.done, b.tried = "{who} changed the filter "+short+" that hides findings", "{who} tried to change the filter "+short
	default: // it only sorts the console's list
		b.done, b.tried, b.level, b.means = "{who} made the filter "+short+", which hides nothing", "{who} tried to make the filter "+short, tocsin.Low, ""
		b.facts = facts("Filter", name, "Picks", criteria(wording.At(r.param("findingCriteria"), "criterion")), "Detector", r.text("detectorId"))
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

// trusted is a list of addresses or domains of which GuardDuty finds nothing.
func trusted(r record) blinding {
	name := wording.First(r.text("name"), r.text("ipSetId"), r.text("trustedEntitySetId"))
	short := wording.Middle(name, 24)
	b := blinding{
		done: "{who} has GuardDuty trust the list " + short, tried: "{who} tried to have GuardDuty trust the list " + short, level: tocsin.High,
		means: "GuardDuty finds nothing of what comes from the addresses on the list.",
		facts: facts("List", name, "Where", r.text("location"), "Active", r.text("activate"), "Detector", r.text("detectorId")), command: r.detector("aws guardduty list-ip-sets"),
	}
	if on, known := wording.Truth(r.param("activate")); known && !on {
		b.done, b.tried, b.level, b.means = "{who} put the trusted list "+short+" out of use", "{who} tried to put the trusted list "+short+" out of use", tocsin.Low, ""
	}
	return b
}

func threats(r record) blinding {
	name := wording.First(r.text("threatIntelSetId"), r.text("threatEntitySetId"))
	return blinding{
		done: "{who} deleted a threat list of GuardDuty's", tried: "{who} tried to delete a threat list of GuardDuty's", level: tocsin.High,
		means: "GuardDuty does not look for what was on the list any more.",
		facts: facts("List", name, "Detector", r.text("detectorId")), command: r.detector("aws guardduty list-threat-intel-sets"),
	}
}

func export(did, try string) func(record) blinding {
	return func(r record) blinding {
		return blinding{
			done: "{who} " + did + " GuardDuty's export of findings", tried: "{who} tried to " + try + " GuardDuty's export of findings", level: tocsin.High, means: meansLost,
			facts:   facts("Destination", r.text("destinationId"), "To", wording.Line(wording.At(r.param("destinationProperties"), "destinationArn")), "Detector", r.text("detectorId")),
			command: r.detector("aws guardduty list-publishing-destinations"),
		}
	}
}

func administrator(r record) blinding {
	return blinding{
		done: "GuardDuty's administrator was dismissed by {who}", tried: "{who} tried to dismiss GuardDuty's administrator", level: tocsin.Critical,
		means: "The administrator does not see what GuardDuty finds in the organisation any more.",
		facts: facts("Administrator", r.text("adminAccountId")), command: wording.NewCommand("aws guardduty list-organization-admin-accounts").In(r.region).String(),
	}
}

// archived is what people do every day, and what hides a trace.
func archived(r record) blinding {
	ids := wording.Texts(r.param("findingIds"), 1000)
	return blinding{
		done: "{who} archived " + wording.Plural(len(ids), "finding") + " in GuardDuty", tried: "{who} tried to archive " + wording.Plural(len(ids), "finding") + " in GuardDuty",
		level: tocsin.Medium, means: "Archived findings are not in the console's list any more.",
		facts: facts("Findings", wording.Some(5, ids), "Detector", r.text("detectorId")), command: r.detector("aws guardduty list-findings"),
	}
}

func plan(r record) blinding {
	return blinding{
		done: "{who} deleted a malware protection plan", tried: "{who} tried to delete a malware protection plan", level: tocsin.High, means: "Objects of its bucket are not scanned for malware any more.",
		facts: facts("Plan", r.text("malwareProtectionPlanId")), command: wording.NewCommand("aws guardduty list-malware-protection-plans").In(r.region).String(),
	}
}

// watchful are parts of the names of what carries findings.
var watchful = []string{"tocsin", "guardduty", "guard-duty", "security", "finding", "alert", "alarm", "siem", "soc-", "cloudtrail"}

// carries says how bad it is that something on the way of events is gone: its name or
// pattern tells whether findings go that way. Everybody has rules and queues.
func carries(texts ...string) tocsin.Level {
	for _, t := range texts {
		t = strings.ToLower(t)
		for _, w := range watchful {
			if strings.Contains(t, w) {
				return tocsin.High
			}
		}
	}
	return tocsin.Medium
}

func eventRule(did, try string) func(record) blinding {
	return func(r record) blinding {
		name := wording.Name(wording.First(r.text("name"), r.text("rule")))
		bus, pattern, state := r.text("eventBusName"), r.text("eventPattern"), r.text("state")
		did, try := did, try
		if r.call == "PutRule" && strings.EqualFold(state, "DISABLED") {
			did, try = "disabled", "disable"
		}
		command := wording.NewCommand("aws events describe-rule").Option("--name", name)
		if r.call == "RemoveTargets" {
			command = wording.NewCommand("aws events list-targets-by-rule").Option("--rule", name)
		}
		if bus != "" && bus != "default" {
			command.Option("--event-bus-name", bus)
		}
		return blinding{
			done: "EventBridge rule " + wording.Middle(name, 26) + " was " + did + " by {who}", tried: "{who} tried to " + try + " the EventBridge rule " + wording.Middle(name, 22),
			level: carries(name, bus, pattern), means: meansLost,
			facts:   facts("Rule", name, "Bus", bus, "Pattern", pattern, "State", strings.ToLower(state), "Targets", wording.Some(5, wording.Texts(r.param("ids"), 100))),
			command: command.In(r.region).String(),
		}
	}
}

func topic(what, did, try string) func(record) blinding {
	return func(r record) blinding {
		arn := wording.First(r.text("topicArn"), r.text("subscriptionArn"))
		name := wording.ParseARN(arn).Resource // a subscription: topic:id
		name, _, _ = strings.Cut(name, ":")
		topicARN, _, _ := strings.Cut(arn, ":"+name+":")
		if topicARN != arn {
			topicARN += ":" + name
		}
		of := wording.Join(" ", what, "SNS topic", wording.Middle(name, 26))
		return blinding{
			done: of + " was " + did + " by {who}", tried: "{who} tried to " + try + " " + of, level: carries(name), means: meansLost,
			facts: facts("Topic", name, "ARN", arn), command: wording.NewCommand("aws sns list-subscriptions-by-topic").Option("--topic-arn", topicARN).In(r.region).String(),
		}
	}
}

func queue(did, try string) func(record) blinding {
	return func(r record) blinding {
		name := r.text("queueUrl")
		name = name[strings.LastIndex(name, "/")+1:]
		return blinding{
			done: "SQS queue " + wording.Middle(name, 30) + " was " + did + " by {who}", tried: "{who} tried to " + try + " the SQS queue " + wording.Middle(name, 26), level: carries(name), means: meansLost,
			facts: facts("Queue", name), command: wording.NewCommand("aws sqs list-queues").Option("--queue-name-prefix", name).In(r.region).String(),
		}
	}
}

func trail(did, try string, level tocsin.Level) func(record) blinding {
	return func(r record) blinding {
		name := wording.Name(wording.First(r.text("name"), r.text("trailName")))
		words := "aws cloudtrail get-trail-status"
		option := "--name"
		if r.call == "PutEventSelectors" {
			words, option = "aws cloudtrail get-event-selectors", "--trail-name"
		}
		selectors := wording.First(r.param("eventSelectors").Raw, r.param("advancedEventSelectors").Raw)
		if r.call == "UpdateTrail" {
			selectors = r.request.Raw
		}
		return blinding{
			done: "CloudTrail trail " + wording.Middle(name, 24) + " " + did + " by {who}", tried: "{who} tried to " + try + " CloudTrail trail " + wording.Middle(name, 24), level: level,
			means: "What is done in the account is not recorded by it any more, or not all of it.",
			facts: facts("Trail", name, "Asked for", selectors), command: wording.NewCommand(words).Option(option, name).In(r.region).String(),
		}
	}
}

func store(did, try string) func(record) blinding {
	return func(r record) blinding {
		name := wording.Name(r.text("eventDataStore"))
		return blinding{
			done: "CloudTrail's event data store was " + did + " by {who}", tried: "{who} tried to " + try + " CloudTrail's event data store", level: tocsin.High,
			facts: facts("Event data store", name), command: wording.NewCommand("aws cloudtrail list-event-data-stores").In(r.region).String(),
		}
	}
}

func service(name, words string, level tocsin.Level) func(record) blinding {
	return func(r record) blinding {
		which := wording.First(r.text("configurationRecorderName"), r.text("deliveryChannelName"), r.text("analyzerName"), strings.Join(wording.Texts(r.param("resourceTypes"), 5), ", "))
		return blinding{
			done: name + " was switched off by {who}", tried: "{who} tried to switch " + name + " off", level: level, means: "Nothing that it would have found there is found any more.",
			facts: facts("Which", which, "Region", r.region), command: wording.NewCommand(words).In(r.region).String(),
		}
	}
}
