package cloudtrail

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

func trail(did, try string) func(record) blinding {
	return func(r record) blinding {
		name := wording.First(r.text("name"), r.text("trailName")) // or its ARN, by which it is found from another region
		level, command := tocsin.Critical, r.shown("aws cloudtrail get-trail-status", "--name", name, "aws cloudtrail describe-trails")
		var changed string
		switch r.call {
		case "UpdateTrail":
			level, changed = tocsin.High, r.askedFor()
		case "DeleteTrail":
			command = r.show("aws cloudtrail describe-trails") // what is left
		}
		return blinding{
			done: say("CloudTrail trail", wording.Middle(wording.Name(name), 24), did, "by", r.by()), tried: say(r.by(), "tried to", try, "CloudTrail trail", wording.Middle(wording.Name(name), 24)), level: level,
			means: "What is done in the account is not recorded by it any more, or not all of it.",
			facts: facts("Trail", wording.Name(name), "Asked for", changed), command: command, ours: wording.Name(name),
		}
	}
}

// selectors say what a trail records. One that still records whoever changes something
// has lost less.
func selectors(r record) blinding {
	b := trail("had its selectors changed", "change the selectors of")(r)
	b.level, b.of = tocsin.High, b.ours
	b.command = r.shown("aws cloudtrail get-event-selectors", "--trail-name", wording.First(r.text("trailName"), r.text("name")), "aws cloudtrail describe-trails")
	b.facts = append(b.facts, facts("Asked for", wording.First(r.param("eventSelectors").Raw, r.param("advancedEventSelectors").Raw))...)
	if r.recordsChanges() {
		b.level, b.means = tocsin.Medium, "It still records calls that change something."
		b.of += "/records changes"
	}
	return b
}

// recordsChanges reports whether the selectors of a trail take calls that change
// something, of all services but those that are left out by name
// (https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_EventSelector.html,
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html).
func (r record) recordsChanges() (yes bool) {
	wording.Each(r.param("eventSelectors"), func(s gjson.Result) bool {
		management, known := wording.Truth(wording.Get(s, "includeManagementEvents"))
		yes = yes || (management || !known) && !strings.EqualFold(wording.Line(wording.Get(s, "readWriteType")), "ReadOnly")
		return !yes
	})
	wording.Each(r.param("advancedEventSelectors"), func(s gjson.Result) bool {
		management, narrow := false, false
		wording.Each(wording.Get(s, "fieldSelectors"), func(f gjson.Result) bool {
			switch equals := wording.Texts(wording.Get(f, "equals"), 5); {
			case wording.Line(wording.Get(f, "field")) == "eventCategory":
				management = len(equals) == 1 && equals[0] == "Management"
			case wording.Line(wording.Get(f, "field")) == "readOnly":
				narrow = narrow || len(equals) != 1 || equals[0] != "false"
			case len(wording.Texts(wording.Get(f, "notEquals"), 5)) == 0: // it picks some, and so leaves the others
				narrow = true
			}
			return true
		})
		yes = yes || management && !narrow
		return !yes
	})
	return yes
}

func store(did, try string) func(record) blinding {
	return func(r record) blinding {
		name := wording.Name(r.text("eventDataStore"))
		return blinding{
			done: say("CloudTrail's event data store was", did, "by", r.by()), tried: say(r.by(), "tried to", try, "CloudTrail's event data store"), level: tocsin.High,
			means: "What is done from now on cannot be searched there.",
			facts: facts("Event data store", name), command: r.show("aws cloudtrail list-event-data-stores"),
		}
	}
}

// flowLogs are those of a VPC, which a SIEM reads; GuardDuty has its own.
func flowLogs(r record) blinding {
	var ids []string
	wording.Each(wording.At(r.request, "DeleteFlowLogsRequest", "FlowLogId"), func(v gjson.Result) bool {
		ids = append(ids, wording.Line(wording.Get(v, "content")))
		return len(ids) < 100
	})
	return blinding{
		done: say("flow logs of a VPC were deleted by", r.by()), tried: say(r.by(), "tried to delete flow logs of a VPC"), level: tocsin.Medium,
		means: "What reads them sees nothing of that network any more. GuardDuty has its own.",
		facts: facts("Flow logs", wording.Some(8, ids)), command: r.show("aws ec2 describe-flow-logs"), ours: wording.Some(3, ids), of: strings.Join(ids, ","),
	}
}

// service is one that is switched off, or a part of one.
func service(name, words string, level tocsin.Level) func(record) blinding {
	return func(r record) blinding {
		ids := r.accountIDs()
		which := wording.First(
			r.text("configurationRecorderName"), r.text("deliveryChannelName"), r.text("analyzerName"), wording.Name(r.text("productSubscriptionArn")),
			strings.Join(wording.Texts(r.param("resourceTypes"), 5), ", "),
		)
		where := ""
		if len(ids) > 0 {
			where = "for " + r.accounts()
		}
		return blinding{
			done: say(name, "was switched off", where, "by", r.by()), tried: say(r.by(), "tried to switch", name, "off", where), level: level, means: "Nothing that it would have found there is found any more.",
			facts: facts("Which", which, "Accounts", wording.Some(15, ids), "Region", r.region), command: r.show(words), of: wording.Join(" ", which, r.accountsOf()),
		}
	}
}

// macieSession is paused, or gets a setting.
func macieSession(r record) blinding {
	if strings.EqualFold(r.text("status"), "PAUSED") || !r.asked() {
		b := service("Macie", "aws macie2 get-macie-session", tocsin.High)(r)
		b.of = "paused"
		return b
	}
	return r.settings("Macie's settings", r.show("aws macie2 get-macie-session"))
}

// hiding is a filter of another service than GuardDuty, whose action may be to hide what
// it takes.
func hiding(product, action, words string) func(record) blinding {
	return func(r record) blinding {
		name := r.text("name")
		b := blinding{
			done: say(r.by(), "hides findings of", product, "with the filter", wording.Middle(name, 20)), tried: say(r.by(), "tried to hide findings of", product, "with a filter", wording.Middle(name, 16)),
			level: tocsin.Medium, means: "What is hidden is sent nowhere, or as what is over.", facts: facts("Filter", name, "Says", r.text("description"), "Asked for", r.askedFor()), command: r.show(words),
		}
		if r.asked() && !strings.EqualFold(r.text("action"), action) {
			b.done, b.tried = say(r.by(), "made a filter of", product+"'s, which hides nothing"), say(r.by(), "tried to make a filter of", product+"'s")
			b.level, b.means, b.of = tocsin.Low, "", name+"/noop"
		}
		return b
	}
}

func archiveRule(r record) blinding {
	name := r.text("ruleName")
	return blinding{
		done: say(r.by(), "hides findings of Access Analyzer with the rule", wording.Middle(name, 16)), tried: say(r.by(), "tried to hide findings of Access Analyzer"), level: tocsin.Medium,
		means: "What is hidden is archived as it is found.", facts: facts("Rule", name, "Analyser", r.text("analyzerName"), "Asked for", r.askedFor()),
		command: r.show("aws accessanalyzer list-analyzers"), of: wording.Join("/", r.text("analyzerName"), name),
	}
}

// suppressed is of findings of Security Hub's, as archived is of GuardDuty's. All else
// that people do to findings there means nothing here.
func suppressed(r record) (b blinding) {
	if !strings.EqualFold(wording.Line(wording.At(r.param("workflow"), "status")), "SUPPRESSED") {
		return b
	}
	var ids []string
	wording.Each(r.param("findingIdentifiers"), func(v gjson.Result) bool {
		ids = append(ids, wording.Name(wording.Line(wording.Get(v, "id"))))
		return len(ids) < 100
	})
	what := "findings"
	if len(ids) > 0 {
		what = wording.Plural(len(ids), "finding")
	}
	return blinding{
		done: say(r.by(), "suppressed", what, "in Security Hub"), tried: say(r.by(), "tried to suppress", what, "in Security Hub"), level: tocsin.Medium,
		means: "Suppressed findings are not in the console's list any more.", facts: facts("Findings", wording.Some(5, ids), "Note", wording.Line(wording.At(r.param("note"), "text"))),
		command: r.show("aws securityhub describe-hub"), of: "suppressed",
	}
}

// automation is of rules by which Security Hub does to findings what people would.
func automation(r record) blinding {
	name := r.text("ruleName")
	b := blinding{
		done: say(r.by(), "changed what Security Hub does to findings by itself"), tried: say(r.by(), "tried to change what Security Hub does to findings"), level: tocsin.Medium,
		facts: facts("Rule", name, "Says", r.text("description"), "Asked for", r.askedFor()), command: r.show("aws securityhub list-automation-rules"), of: wording.First(name, "rules"),
	}
	if strings.HasSuffix(r.call, "V2") {
		b.command = r.show("aws securityhub list-automation-rules-v2")
	}
	if raw := strings.ToUpper(strings.Join(strings.Fields(r.request.Raw), "")); strings.Contains(raw, `"SUPPRESSED"`) || strings.Contains(raw, `"STATUSID":3`) {
		b.done, b.tried = say(r.by(), "has Security Hub suppress findings by itself"), say(r.by(), "tried to have Security Hub suppress findings")
		b.level, b.means = tocsin.High, "What the rule takes is suppressed as it comes."
		b.of += "/suppresses"
	}
	return b
}

func leftOrganization(r record) blinding {
	return blinding{
		done: say("the account left the organisation, by", r.by()), tried: say(r.by(), "tried to have the account leave the organisation"), level: tocsin.Critical,
		means: "No administrator sees its findings any more, and no policy of the organisation binds it.", facts: facts("Account", r.account),
		command: "aws organizations describe-organization",
	}
}

func removedAccount(r record) blinding {
	id := r.text("accountId")
	return blinding{
		done: say(wording.First(wording.After("account ", wording.Middle(id, 12)), "an account"), "was removed from the organisation by", r.by()), tried: say(r.by(), "tried to remove account", wording.Middle(id, 12), "from the organisation"), level: tocsin.Critical,
		means: "No administrator sees its findings any more, and no policy of the organisation binds it.", facts: facts("Account", id),
		command: "aws organizations list-accounts", ours: id,
	}
}

// serviceAccess is of a service that may not see all accounts any more, or an account
// that may not be its administrator.
func serviceAccess(r record) blinding {
	principal := r.text("servicePrincipal")
	name, _, _ := strings.Cut(principal, ".")
	short := wording.Middle(wording.First(name, "a service"), 22)
	level := tocsin.Medium
	if watching[name] {
		level = tocsin.Critical
	}
	b := blinding{
		done: say("the organisation was closed to", short, "by", r.by()), tried: say(r.by(), "tried to close the organisation to", short), level: level,
		means: "It does not reach all accounts any more, nor those that join from now on.", facts: facts("Service", principal, "Account", r.text("accountId")),
		command: "aws organizations list-aws-service-access-for-organization", ours: principal, of: wording.Join("/", principal, r.text("accountId")),
	}
	if r.call == "DeregisterDelegatedAdministrator" {
		b.done, b.tried = say("the organisation's administrator of", short, "was dismissed by", r.by()), say(r.by(), "tried to dismiss the organisation's administrator of", short)
		b.means, b.command = "That account does not see what the service finds in the others any more.", "aws organizations list-delegated-administrators"
	}
	return b
}

// watching are the services that find something, as the first part of their principals.
var watching = map[string]bool{
	"guardduty": true, "malware-protection": true, "securityhub": true, "cloudtrail": true, "config": true, "config-multiaccountsetup": true,
	"macie": true, "inspector2": true, "access-analyzer": true, "detective": true, "health": true,
}

// policy is of what an organisation forbids its accounts, watching among it.
func policy(r record) blinding {
	id, target := r.text("policyId"), wording.First(r.text("targetId"), r.text("rootId"))
	from := wording.After("from ", wording.Middle(target, 18))
	b := blinding{
		done: say("policy", wording.Middle(id, 14), "was detached", from, "by", r.by()), tried: say(r.by(), "tried to detach policy", wording.Middle(id, 14), from), level: tocsin.Medium,
		means: "What it forbade there is allowed now: to switch off GuardDuty too, if it forbade that.", facts: facts("Policy", id, "From", target),
		command: r.policies(target), ours: wording.First(id, target), of: wording.Join("/", id, target),
	}
	if r.call == "DisablePolicyType" {
		kind := wording.First(wording.Sentence(r.text("policyType")), "policies")
		b.done, b.tried, b.level = say("the organisation's", kind, "was switched off by", r.by()), say(r.by(), "tried to switch off the organisation's", kind), tocsin.Critical
		b.facts, b.of = facts("Kind", kind, "Root", target), kind
		b.command = "aws organizations list-roots"
	}
	return b
}

func (r record) policies(target string) string {
	return wording.First(wording.NewCommand("aws organizations list-policies-for-target").Option("--target-id", target).Words("--filter SERVICE_CONTROL_POLICY").String(), "aws organizations list-roots")
}
