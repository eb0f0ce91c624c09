package cloudtrail

import (
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// A blinding is what a call means that takes the sight of whoever watches.
type blinding struct {
	done, tried string
	level       tocsin.Level
	means       string
	facts       []tocsin.Fact
	command     string // shows what is left; it only reads
	// ours is what of ours is dark or gone, where the request has no plain name of it.
	ours string
	// of tells apart what calls of one name ask of one thing. A detector that is switched
	// off is another alert than one that gets a setting: the later call would put its own
	// words, and its own level, in the place of the first.
	of string
}

// blindings are those calls, by service and name. The shipped rule "blinding" picks the
// same ones; a test holds the two together.
var blindings = map[string]func(record) blinding{
	"guardduty:DeleteDetector":                       switchedOff,
	"guardduty:UpdateDetector":                       updatedDetector,
	"guardduty:UpdateMemberDetectors":                updatedMembers,
	"guardduty:UpdateOrganizationConfiguration":      updatedOrganization,
	"guardduty:UpdateMalwareScanSettings":            scanSettings,
	"guardduty:CreateFilter":                         filter,
	"guardduty:UpdateFilter":                         filter,
	"guardduty:CreateIPSet":                          trusted,
	"guardduty:UpdateIPSet":                          trusted,
	"guardduty:CreateTrustedEntitySet":               trusted,
	"guardduty:UpdateTrustedEntitySet":               trusted,
	"guardduty:UpdateThreatIntelSet":                 threats,
	"guardduty:UpdateThreatEntitySet":                threats,
	"guardduty:DeleteThreatIntelSet":                 threats,
	"guardduty:DeleteThreatEntitySet":                threats,
	"guardduty:DeleteMembers":                        membersOfGuardDuty("removed from GuardDuty", "remove", "from GuardDuty"),
	"guardduty:DisassociateMembers":                  membersOfGuardDuty("cut off from GuardDuty's administrator", "cut", "off from GuardDuty's administrator"),
	"guardduty:StopMonitoringMembers":                membersOfGuardDuty("no longer watched by GuardDuty", "stop GuardDuty watching", ""),
	"guardduty:DisassociateFromMasterAccount":        left("GuardDuty", tocsin.Critical, "aws guardduty list-detectors"),
	"guardduty:DisassociateFromAdministratorAccount": left("GuardDuty", tocsin.Critical, "aws guardduty list-detectors"),
	"guardduty:DeletePublishingDestination":          export("deleted", "delete"),
	"guardduty:UpdatePublishingDestination":          export("changed", "change"),
	"guardduty:DisableOrganizationAdminAccount":      administrator("GuardDuty", tocsin.Critical, "aws guardduty list-organization-admin-accounts"),
	"guardduty:ArchiveFindings":                      archived,
	"guardduty:UpdateMalwareProtectionPlan":          plan("changed", "change", tocsin.Medium),
	"guardduty:DeleteMalwareProtectionPlan":          plan("deleted", "delete", tocsin.High),
	"ec2:CreateTags":                                 leftOut,
	"ecs:TagResource":                                leftOut,
	"eks:TagResource":                                leftOut,

	"events:DisableRule":                    eventRule("disabled", "disable"),
	"events:DeleteRule":                     eventRule("deleted", "delete"),
	"events:PutRule":                        putRule,
	"events:RemoveTargets":                  targets("removed", "remove"),
	"events:PutTargets":                     targets("changed", "change"),
	"events:DeleteEventBus":                 eventBus("deleted", "delete"),
	"events:RemovePermission":               eventBus("closed to senders", "close to senders"),
	"events:DeleteConnection":               destination("connection", "deleted", "delete"),
	"events:DeauthorizeConnection":          destination("connection", "deauthorised", "deauthorise"),
	"events:UpdateConnection":               destination("connection", "changed", "change"),
	"events:DeleteApiDestination":           destination("API destination", "deleted", "delete"),
	"events:UpdateApiDestination":           destination("API destination", "changed", "change"),
	"sns:Unsubscribe":                       topic("a subscription of", "ended", "end"),
	"sns:DeleteTopic":                       topic("", "deleted", "delete"),
	"sns:SetTopicAttributes":                topic("", "changed", "change"),
	"sns:SetSubscriptionAttributes":         topic("a subscription of", "changed", "change"),
	"sqs:DeleteQueue":                       queue("deleted", "delete"),
	"sqs:PurgeQueue":                        queue("emptied", "empty"),
	"sqs:SetQueueAttributes":                queue("changed", "change"),
	"kinesis:DeleteStream":                  carrier(names, "Kinesis stream", "streamName", "deleted", "delete", "aws kinesis describe-stream-summary", "--stream-name"),
	"firehose:DeleteDeliveryStream":         carrier(names, "Firehose stream", "deliveryStreamName", "deleted", "delete", "aws firehose describe-delivery-stream", "--delivery-stream-name"),
	"firehose:UpdateDestination":            carrier(names, "Firehose stream", "deliveryStreamName", "changed", "change", "aws firehose describe-delivery-stream", "--delivery-stream-name"),
	"logs:DeleteLogGroup":                   carrier(names, "log group", "logGroupName", "deleted", "delete", "aws logs describe-log-groups", "--log-group-name-prefix"),
	"logs:DeleteSubscriptionFilter":         carrier(names, "subscription of log group", "logGroupName", "deleted", "delete", "aws logs describe-subscription-filters", "--log-group-name"),
	"lambda:DeleteFunction20150331":         carrier(names, "Lambda function", "functionName", "deleted", "delete", "aws lambda get-function-configuration", "--function-name"),
	"lambda:PutFunctionConcurrency20171031": carrier(names, "Lambda function", "functionName", "changed", "change", "aws lambda get-function-concurrency", "--function-name"),
	"s3:DeleteBucket":                       carrier(buckets, "bucket", "bucketName", "deleted", "delete", "aws s3api get-bucket-location", "--bucket"),
	"s3:DeleteBucketPolicy":                 carrier(buckets, "policy of bucket", "bucketName", "deleted", "delete", "aws s3api get-bucket-policy", "--bucket"),
	"s3:PutBucketPolicy":                    carrier(buckets, "policy of bucket", "bucketName", "changed", "change", "aws s3api get-bucket-policy", "--bucket"),
	"s3:PutBucketLifecycle":                 carrier(buckets, "lifecycle of bucket", "bucketName", "changed", "change", "aws s3api get-bucket-lifecycle-configuration", "--bucket"),
	"s3:PutBucketNotification":              carrier(buckets, "notification of bucket", "bucketName", "changed", "change", "aws s3api get-bucket-notification-configuration", "--bucket"),
	"kms:DisableKey":                        key("disabled", "disable"),
	"kms:ScheduleKeyDeletion":               key("set to be deleted", "delete"),

	"cloudtrail:StopLogging":                           trail("was stopped", "stop"),
	"cloudtrail:DeleteTrail":                           trail("was deleted", "delete"),
	"cloudtrail:PutEventSelectors":                     selectors,
	"cloudtrail:UpdateTrail":                           trail("was changed", "change"),
	"cloudtrail:DeleteEventDataStore":                  store("deleted", "delete"),
	"cloudtrail:StopEventDataStoreIngestion":           store("stopped", "stop"),
	"ec2:DeleteFlowLogs":                               flowLogs,
	"securityhub:DisableSecurityHub":                   service("Security Hub", "aws securityhub describe-hub", tocsin.Critical),
	"securityhub:DisableSecurityHubV2":                 service("Security Hub", "aws securityhub describe-security-hub-v2", tocsin.Critical),
	"securityhub:DisableImportFindingsForProduct":      service("an import of Security Hub's", "aws securityhub list-enabled-products-for-import", tocsin.High),
	"securityhub:DeleteFindingAggregator":              service("Security Hub's gathering from all regions", "aws securityhub list-finding-aggregators", tocsin.High),
	"securityhub:BatchUpdateFindings":                  suppressed,
	"securityhub:CreateAutomationRule":                 automation,
	"securityhub:BatchUpdateAutomationRules":           automation,
	"securityhub:CreateAutomationRuleV2":               automation,
	"securityhub:UpdateAutomationRuleV2":               automation,
	"securityhub:DeleteMembers":                        membersOf("Security Hub", "removed from Security Hub", "remove", "from Security Hub", "aws securityhub list-members", tocsin.High),
	"securityhub:DisassociateMembers":                  membersOf("Security Hub", "cut off from Security Hub's administrator", "cut", "off from Security Hub's administrator", "aws securityhub list-members", tocsin.High),
	"securityhub:DisassociateFromAdministratorAccount": left("Security Hub", tocsin.High, "aws securityhub get-administrator-account"),
	"securityhub:DisableOrganizationAdminAccount":      administrator("Security Hub", tocsin.High, "aws securityhub list-organization-admin-accounts"),
	"config:StopConfigurationRecorder":                 service("AWS Config's recorder", "aws configservice describe-configuration-recorder-status", tocsin.High),
	"config:DeleteConfigurationRecorder":               service("AWS Config's recorder", "aws configservice describe-configuration-recorder-status", tocsin.High),
	"config:DeleteDeliveryChannel":                     service("AWS Config's delivery", "aws configservice describe-delivery-channel-status", tocsin.High),
	"macie2:DisableMacie":                              service("Macie", "aws macie2 get-macie-session", tocsin.High),
	"macie2:UpdateMacieSession":                        macieSession,
	"macie2:CreateFindingsFilter":                      hiding("Macie", "ARCHIVE", "aws macie2 list-findings-filters"),
	"inspector2:Disable":                               service("Inspector", "aws inspector2 batch-get-account-status", tocsin.High),
	"inspector2:CreateFilter":                          hiding("Inspector", "SUPPRESS", "aws inspector2 list-filters"),
	"access-analyzer:DeleteAnalyzer":                   service("an analyser of Access Analyzer", "aws accessanalyzer list-analyzers", tocsin.High),
	"access-analyzer:CreateArchiveRule":                archiveRule,

	"organizations:LeaveOrganization":                leftOrganization,
	"organizations:RemoveAccountFromOrganization":    removedAccount,
	"organizations:DisableAWSServiceAccess":          serviceAccess,
	"organizations:DeregisterDelegatedAdministrator": serviceAccess,
	"organizations:DetachPolicy":                     policy,
	"organizations:DisablePolicyType":                policy,
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

// by is who made the call, as headlines have it.
func (r record) by() string { return wording.Middle(r.who.short, 24) }

// say makes a headline of its parts. What the record does not tell leaves no hole: of a
// call that was refused, CloudTrail often has no parameters.
func say(parts ...string) string { return wording.Join(" ", parts...) }

// param is a parameter of the request, by whichever case it came.
func (r record) param(name string) gjson.Result { return wording.Get(r.request, name) }

func (r record) text(name string) string { return wording.Line(r.param(name)) }

// asked reports whether CloudTrail has the parameters of the call.
func (r record) asked() bool { return r.request.IsObject() }

// askedFor are the parameters as they came.
func (r record) askedFor() string {
	if !r.asked() {
		return ""
	}
	return r.request.Raw
}

func facts(pairs ...string) []tocsin.Fact {
	var f wording.Facts
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Add(pairs[i], pairs[i+1])
	}
	return f
}

// show is a command of ours that shows what is left.
func (r record) show(words string) string { return wording.NewCommand(words).In(r.region).String() }

// shown is that command with an option, or without where there is no value to give.
func (r record) shown(words, option, value, otherwise string) string {
	return wording.First(wording.NewCommand(words).Option(option, value).In(r.region).String(), r.show(otherwise))
}

// A number of accounts, of a request that names them: "account 111122223333",
// "3 accounts", or "accounts" where the request is not known.
func (r record) accounts() string {
	switch ids := r.accountIDs(); len(ids) {
	case 0:
		return "accounts"
	case 1:
		return "account " + wording.Middle(ids[0], 12)
	default:
		return wording.Plural(len(ids), "account")
	}
}

// accountIDs are those that the call is about, but for the ones that AWS says it left as
// they were; all of them where it left all.
func (r record) accountIDs() []string {
	all, undone := r.outcome()
	var done []string
	for _, id := range all {
		if !undone[id] {
			done = append(done, id)
		}
	}
	if len(done) == 0 {
		return all
	}
	return done
}

// outcome are the accounts or targets that a call names, and those of them that AWS says
// it left as they were though the call as such worked.
func (r record) outcome() (all []string, undone map[string]bool) {
	all = wording.Texts(r.param("accountIds"), 1000)
	list, id := wording.Get(r.responded, "unprocessedAccounts"), "accountId"
	if len(all) == 0 {
		all = r.targetIDs()
		list, id = wording.Get(r.responded, "failedEntries"), "targetId"
	}
	undone = map[string]bool{}
	wording.Each(list, func(v gjson.Result) bool {
		undone[wording.Line(wording.Get(v, id))] = true
		return len(undone) < 1000
	})
	return all, undone
}

// allUndone reports whether AWS says of everything that the call names that it left it as
// it was: such a call worked, and did nothing.
func (r record) allUndone() bool {
	all, undone := r.outcome()
	if len(all) == 0 {
		return false
	}
	for _, id := range all {
		if !undone[id] {
			return false
		}
	}
	return true
}
