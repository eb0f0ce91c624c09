package cloudtrail_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/cloudtrail"
	"github.com/tocsin-sec/tocsin/library"
	"github.com/tocsin-sec/tocsin/pattern"
)

// Members of a record, for call.
type with map[string]any

// call is an event of that call, "guardduty:DeleteDetector", with its request as JSON,
// by the user ops-admin; more is put into the record, over what is there.
func call(t testing.TB, name, request string, more ...with) []byte {
	t.Helper()
	service, call, _ := strings.Cut(name, ":")
	detail := with{
		"eventVersion": "1.09", "eventSource": service + ".amazonaws.com", "eventName": call, "awsRegion": "eu-west-1", "sourceIPAddress": "203.0.113.7",
		"userAgent": "aws-cli/2.15.0", "requestParameters": json.RawMessage(request), "responseElements": nil, "eventID": "0b9b1b6e-4b8b-4f0a-9c0e-3b7f0d2f7a11",
		"eventTime": "2026-03-01T12:00:00Z", "recipientAccountId": "222233334444", "userIdentity": with{
			"type": "IAMUser", "arn": "arn:aws:iam::222233334444:user/ops-admin", "accountId": "222233334444", "userName": "ops-admin", "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
		},
	}
	for _, m := range more {
		maps.Copy(detail, m)
	}
	raw, err := json.Marshal(with{
		"version": "0", "id": "e-1", "detail-type": cloudtrail.APICall, "source": "aws." + service, "account": "222233334444", "region": "eu-west-1",
		"time": "2026-03-01T12:00:00Z", "resources": []string{}, "detail": detail,
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func detect(t testing.TB, name, request string, more ...with) tocsin.Detection {
	t.Helper()
	d, ok := cloudtrail.Read(call(t, name, request, more...))
	if !ok {
		t.Fatalf("%s %s is not read", name, request)
	}
	return d
}

var denied = with{"errorCode": "AccessDenied", "errorMessage": "User is not authorized"}

// shipped is the pattern of the shipped rule.
func shipped(t *testing.T) (*pattern.Pattern, gjson.Result) {
	t.Helper()
	text, err := library.Rule("blinding")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	p := gjson.GetBytes(doc, "pattern")
	parsed, err := pattern.Parse([]byte(p.Raw))
	if err != nil {
		t.Fatal(err)
	}
	return parsed, p
}

func TestTheShippedRuleNamesTheCallsThatHaveWords(t *testing.T) {
	t.Parallel()
	_, p := shipped(t)
	named := map[string]bool{}
	for _, branch := range p.Get("detail.$or").Array() {
		for _, source := range branch.Get("eventSource").Array() {
			for _, name := range branch.Get("eventName").Array() {
				service, _, _ := strings.Cut(source.Str, ".")
				named[service+":"+name.Str] = true
			}
		}
	}
	delete(named, "macie2:CreateFilter") // one branch is of two services,
	delete(named, "inspector2:CreateFindingsFilter")
	if got, want := slices.Sorted(maps.Keys(named)), cloudtrail.Blinding(); !slices.Equal(got, want) {
		t.Errorf("the shipped rule has\n%s\nand words are there for\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What names a thing in a request, whichever call it is of.
const everyName = `"name":%[1]q,"rule":%[1]q,"eventBusName":"central","ruleName":%[1]q,"filterName":%[1]q,"streamName":%[1]q,"deliveryStreamName":%[1]q,"logGroupName":%[1]q,
	"functionName":%[1]q,"bucketName":%[2]q,"topicArn":"arn:aws:sns:eu-west-1:222233334444:%[1]s","subscriptionArn":"arn:aws:sns:eu-west-1:222233334444:%[1]s:8a1c2d3e",
	"queueUrl":"https://sqs.eu-west-1.amazonaws.com/222233334444/%[1]s"`

func TestTheShippedRuleTakesWhatHasWordsAndNothingElse(t *testing.T) {
	t.Parallel()
	p, _ := shipped(t)
	tags := func(key, value string) string {
		return fmt.Sprintf(`"tagSet":{"items":[{"key":"Name","value":"web"},{"key":%q,"value":%q}]},"resourceArn":"arn:aws:eks:eu-west-1:222233334444:cluster/prod"`, key, value)
	}
	var requests []string
	for _, names := range [][2]string{
		{"Tocsin", "aws-cloudtrail-logs-222233334444"}, {"GuardDutyToSlack", "guardduty-export"}, {"my-guard-duty", "my-guardduty-bucket"}, {"all-findings", "assets"}, {"orders", "assets"}, {"alerts", "alerts"},
	} {
		requests = append(requests, "{"+fmt.Sprintf(everyName, names[0], names[1])+"}")
	}
	for _, rest := range []string{
		`"action":"ARCHIVE"`, `"action":"archive"`, `"Action":"ARCHIVE"`, `"action":"NOOP"`, `"action":"SUPPRESS"`,
		`"workflow":{"status":"SUPPRESSED"}`, `"Workflow":{"Status":"SUPPRESSED"}`, `"workflow":{"status":"NOTIFIED"}`,
		tags("GuardDutyManaged", "false"), tags("GuardDutyManaged", "true"), tags("GuardDutyExcluded", "true"), tags("GuardDutyExcluded", "false"), tags("Owner", "false"),
		`"tags":{"GuardDutyManaged":"false"}`, `"tags":{"GuardDutyManaged":"true"}`, `"tags":[{"key":"GuardDutyManaged","value":"false"}]`, `"tags":[{"key":"GuardDutyExcluded","value":"true"}]`,
	} {
		requests = append(requests, "{"+fmt.Sprintf(everyName, "tocsin-findings", "tocsin-archive")+","+rest+"}")
	}
	requests = append(requests, `null`, `{}`, `{"enable":false}`, `{"status":"PAUSED"}`, `{"status":"ENABLED"}`)
	told := map[string]bool{}
	for _, name := range cloudtrail.Blinding() {
		for _, request := range requests {
			raw := call(t, name, request)
			words, harmless := cloudtrail.Blinds(raw)
			taken, err := p.Match(raw)
			if err != nil {
				t.Fatal(err)
			}
			if taken != words && !harmless {
				t.Errorf("%s %s: the rule takes it: %v, it has words: %v", name, request, taken, words)
			}
			told[name] = told[name] || taken && words
		}
		if !told[name] {
			t.Errorf("%s is never told of", name)
		}
	}
	for _, name := range []string{"guardduty:GetFindings", "guardduty:CreateDetector", "guardduty:DeleteFilter", "sqs:SendMessage", "events:EnableRule", "mine:DeleteDetector"} {
		raw := call(t, name, requests[0])
		words, _ := cloudtrail.Blinds(raw)
		if taken, err := p.Match(raw); taken || words || err != nil {
			t.Errorf("%s: the rule takes it: %v, it has words: %v, %v", name, taken, words, err)
		}
	}
}

// Of a call that was refused, CloudTrail often has no parameters.
func TestWithoutParametersNothingIsMadeUp(t *testing.T) {
	t.Parallel()
	for _, name := range cloudtrail.Blinding() {
		for _, more := range [][]with{nil, {denied}} {
			d := detect(t, name, `null`, more...)
			for _, bad := range []string{"  ", " ,", "''", " 0 ", "hides nothing", "'s with", "bucket was", "for ,"} {
				if strings.Contains(d.Headline, bad) {
					t.Errorf("%s: %q in %q", name, bad, d.Headline)
				}
			}
			if strings.TrimSpace(d.Headline) != d.Headline || strings.HasSuffix(d.Headline, "with") || !strings.HasPrefix(d.Command, "aws ") {
				t.Errorf("%s: headline %q, command %q", name, d.Headline, d.Command)
			}
			if worded, _ := cloudtrail.Blinds(call(t, name, `null`)); worded && d.Level+tocsin.Level(len(more)) < tocsin.Medium {
				t.Errorf("%s is %s, though it may have been anything: %q", name, d.Level, d.Headline)
			}
			for _, f := range d.Facts {
				if f.Value == "null" || strings.TrimSpace(f.Value) == "" {
					t.Errorf("%s: the fact %s is %q", name, f.Name, f.Value)
				}
			}
		}
	}
}

func TestEveryCallSaysWhoDidItToWhat(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	request := "{" + fmt.Sprintf(everyName, "tocsin-findings", "tocsin-archive") + `,"action":"ARCHIVE","workflow":{"status":"SUPPRESSED"},"tags":{"GuardDutyManaged":"false"},
		"tagSet":{"items":[{"key":"GuardDutyManaged","value":"false"}]},"findingIds":["f-1"],"enable":false,"status":"PAUSED"}`
	for _, name := range cloudtrail.Blinding() {
		done, tried := detect(t, name, request), detect(t, name, request, denied)
		if !strings.Contains(done.Headline, "ops-admin") || !strings.HasPrefix(tried.Headline, "ops-admin tried to ") {
			t.Errorf("%s: %q, %q", name, done.Headline, tried.Headline)
		}
		if done.Level != tried.Level && done.Level != tried.Level+1 || tried.Level > done.Level {
			t.Errorf("%s is %s, and tried %s", name, done.Level, tried.Level)
		}
		if tried.Description != "It did not work: nothing is dark by it." {
			t.Errorf("%s, tried: %q", name, tried.Description)
		}
		if done.Key == tried.Key {
			t.Errorf("%s: what was tried puts its words in the place of what was done", name)
		}
		if utf8.RuneCountInString(done.Headline) > 80 || strings.HasSuffix(done.Headline, "…") {
			t.Errorf("%s: %q is cut", name, done.Headline)
		}
		if !strings.HasPrefix(done.Command, "aws ") || strings.Contains(done.Command, "lookup-events") {
			t.Errorf("%s: command %q", name, done.Command)
		}
		fmt.Fprintf(&lines, "%s: %s: %s. %s\n", name, done.Level, done.Headline, done.Description)
	}
	const path = "testdata/calls.txt"
	if *update {
		if err := os.WriteFile(path, []byte(lines.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), lines.String()); diff != "" {
		t.Errorf("what is said of each call differs from %s (-want +got):\n%s", path, diff)
	}
}

// What AWS did in somebody's stead, and what was not a call of an API, has other words.
func TestWhatIsNoCallIsNoBlinding(t *testing.T) {
	t.Parallel()
	raw := strings.Replace(string(call(t, "guardduty:DeleteDetector", `{"detectorId":"d"}`)), cloudtrail.APICall, cloudtrail.ServiceEvent, 1)
	if words, _ := cloudtrail.Blinds([]byte(raw)); words {
		t.Error("a service event has the words of a call")
	}
}

func TestHowBadItIs(t *testing.T) {
	t.Parallel()
	const two = `"accountIds":["111122223333","444455556666"]`
	for _, tt := range []struct {
		name, call, request string
		level               tocsin.Level
		headline            string
	}{
		{"", "guardduty:UpdateDetector", `{"enable":true}`, tocsin.Low, "GuardDuty's settings were changed by ops-admin"},
		{"as Terraform writes it", "guardduty:UpdateDetector", `{"enable":true,"findingPublishingFrequency":"FIFTEEN_MINUTES"}`, tocsin.Low, "GuardDuty's settings were changed by ops-admin"},
		{"", "guardduty:UpdateDetector", `{"enable":true,"findingPublishingFrequency":"ONE_HOUR"}`, tocsin.Medium, "GuardDuty's updates now come every hour, by ops-admin"},
		{"off goes before all else", "guardduty:UpdateDetector", `{"enable":false,"findingPublishingFrequency":"SIX_HOURS"}`, tocsin.Critical, "GuardDuty was switched off by ops-admin"},
		{"as text", "guardduty:UpdateDetector", `{"Enable":"false"}`, tocsin.Critical, "GuardDuty was switched off by ops-admin"},
		{"on", "guardduty:UpdateDetector", `{"features":[{"name":"S3_DATA_EVENTS","status":"ENABLED"}]}`, tocsin.Low, "GuardDuty's settings were changed by ops-admin"},
		{"before there were features", "guardduty:UpdateDetector", `{"dataSources":{"s3Logs":{"enable":false},"kubernetes":{"auditLogs":{"enable":true}},"malwareProtection":{"scanEc2InstanceWithFindings":{"ebsVolumes":false}}}}`, tocsin.High, "GuardDuty's S3 data events, EBS…protection off, by ops-admin"},
		{"", "guardduty:UpdateMemberDetectors", `{` + two + `,"features":[{"name":"EKS_AUDIT_LOGS","status":"DISABLED"}]}`, tocsin.High, "GuardDuty's EKS audit logs off for 2 accounts, by ops-admin"},
		{"", "guardduty:UpdateMemberDetectors", `{` + two + `,"features":[{"name":"EKS_AUDIT_LOGS","status":"ENABLED"}]}`, tocsin.Low, "GuardDuty's settings of 2 accounts were changed by ops-admin"},
		{"the newer setting counts", "guardduty:UpdateOrganizationConfiguration", `{"autoEnable":false,"autoEnableOrganizationMembers":"ALL"}`, tocsin.Low, "GuardDuty's settings for the organisation were changed by ops-admin"},
		{"the older one", "guardduty:UpdateOrganizationConfiguration", `{"autoEnable":false}`, tocsin.High, "new accounts do not get GuardDuty any more, by ops-admin"},
		{"the older one, on", "guardduty:UpdateOrganizationConfiguration", `{"autoEnable":true}`, tocsin.Low, "GuardDuty's settings for the organisation were changed by ops-admin"},
		{"a plan", "guardduty:UpdateOrganizationConfiguration", `{"autoEnableOrganizationMembers":"ALL","features":[{"name":"RUNTIME_MONITORING","autoEnable":"ALL","additionalConfiguration":[{"name":"EC2_AGENT_MANAGEMENT","autoEnable":"NONE"}]}]}`, tocsin.High, "new accounts get GuardDuty without EC2 agent management, by ops-admin"},
		{"a plan as it was written before", "guardduty:UpdateOrganizationConfiguration", `{"autoEnable":true,"dataSources":{"s3Logs":{"autoEnable":false}}}`, tocsin.High, "new accounts get GuardDuty without S3 data events, by ops-admin"},
		{"", "guardduty:UpdateMalwareScanSettings", `{"scanResourceCriteria":{"exclude":{"EC2_INSTANCE_TAG":{"mapEquals":[{"key":"web"}]}}}}`, tocsin.Medium, "GuardDuty's malware scan settings were changed by ops-admin"},
		{"", "guardduty:UpdateMalwareScanSettings", `{"ebsSnapshotPreservation":"NO_RETENTION"}`, tocsin.Low, "GuardDuty's malware scan settings were changed by ops-admin"},
		{"", "guardduty:UpdateFilter", `{"filterName":"scanners","action":"NOOP"}`, tocsin.Low, "ops-admin made the filter scanners, which hides nothing"},
		{"", "guardduty:CreateFilter", `{"name":"scanners"}`, tocsin.Low, "ops-admin made the filter scanners, which hides nothing"},
		{"", "guardduty:CreateIPSet", `{"name":"office","activate":false}`, tocsin.Low, "ops-admin put the trusted list office out of use"},
		{"", "guardduty:UpdateTrustedEntitySet", `{"name":"office","activate":true}`, tocsin.High, "ops-admin has GuardDuty trust the list office"},
		{"", "guardduty:UpdateThreatIntelSet", `{"threatIntelSetId":"t-1","activate":false}`, tocsin.High, "ops-admin put GuardDuty's threat list t-1 out of use"},
		{"", "guardduty:UpdateThreatIntelSet", `{"threatIntelSetId":"t-1","activate":true}`, tocsin.Medium, "ops-admin changed GuardDuty's threat list t-1"},
		{"", "guardduty:DeleteThreatEntitySet", `{"threatEntitySetId":"t-1"}`, tocsin.High, "ops-admin deleted GuardDuty's threat list t-1"},
		{"one account", "guardduty:DeleteMembers", `{"accountIds":["111122223333"]}`, tocsin.Critical, "account 111122223333 was removed from GuardDuty, by ops-admin"},
		{"one account", "guardduty:StopMonitoringMembers", `{"accountIds":["111122223333"]}`, tocsin.Critical, "account 111122223333 is no longer watched by GuardDuty, by ops-admin"},
		{"", "guardduty:DisassociateMembers", `{` + two + `}`, tocsin.Critical, "2 accounts were cut off from GuardDuty's administrator, by ops-admin"},
		{"", "guardduty:UpdateMalwareProtectionPlan", `{"malwareProtectionPlanId":"p"}`, tocsin.Medium, "ops-admin changed a malware protection plan"},
		{"", "ec2:CreateTags", `{"resourcesSet":{"items":[{"resourceId":"i-0abc"}]},"tagSet":{"items":[{"key":"GuardDutyManaged","value":"false"}]}}`, tocsin.Medium, "ops-admin had GuardDuty's agent leave out i-0abc"},
		{"", "ec2:CreateTags", `{"resourcesSet":{"items":[{"resourceId":"i-0abc"}]},"tagSet":{"items":[{"key":"GuardDutyExcluded","value":"true"}]}}`, tocsin.Medium, "ops-admin had GuardDuty's malware scans leave out i-0abc"},
		{"another tag", "ec2:CreateTags", `{"resourcesSet":{"items":[{"resourceId":"i-0abc"}]},"tagSet":{"items":[{"key":"Name","value":"web"}]}}`, tocsin.Medium, "ops-admin called CreateTags"},
		{"", "eks:TagResource", `{"resourceArn":"arn:aws:eks:eu-west-1:222233334444:cluster/prod","tags":{"GuardDutyManaged":"false"}}`, tocsin.Medium, "ops-admin had GuardDuty's agent leave out prod"},

		{"disabled as it is made", "events:PutRule", `{"name":"tocsin","state":"DISABLED","eventPattern":"{\"source\":[\"aws.guardduty\"]}"}`, tocsin.High, "EventBridge rule tocsin was disabled by ops-admin"},
		{"one that takes all", "events:PutRule", `{"name":"tocsin","eventPattern":"{\"source\":[\"aws.guardduty\"]}"}`, tocsin.Low, "EventBridge rule tocsin was changed by ops-admin"},
		{"one that takes all findings", "events:PutRule", `{"name":"tocsin","eventPattern":"{\"source\":[{\"prefix\":\"aws.\"}],\"detail-type\":[\"GuardDuty Finding\",\"AWS API Call via CloudTrail\"]}"}`, tocsin.Low, "EventBridge rule tocsin was changed by ops-admin"},
		{"one that takes some accounts", "events:PutRule", `{"name":"tocsin","eventPattern":"{\"source\":[\"aws.guardduty\"],\"account\":[\"111122223333\"]}"}`, tocsin.High, "EventBridge rule tocsin was changed by ops-admin"},
		{"one that asks for what is not there", "events:PutRule", `{"name":"tocsin","eventPattern":"{\"source\":[\"aws.guardduty\"],\"detail\":{\"severity\":[{\"exists\":false}]}}"}`, tocsin.High, "EventBridge rule tocsin was changed by ops-admin"},
		{"one of another service", "events:PutRule", `{"name":"tocsin","eventPattern":"{\"source\":[\"aws.ec2\"]}"}`, tocsin.High, "EventBridge rule tocsin was changed by ops-admin"},
		{"one that is none", "events:PutRule", `{"name":"tocsin","eventPattern":"{"}`, tocsin.High, "EventBridge rule tocsin was changed by ops-admin"},
		{"anybody's", "events:PutRule", `{"name":"orders","eventPattern":"{\"source\":[\"shop\"]}"}`, tocsin.Medium, "EventBridge rule orders was changed by ops-admin"},
		{"anybody's", "events:DeleteRule", `{"name":"orders"}`, tocsin.Medium, "EventBridge rule orders was deleted by ops-admin"},
		{"by its bus", "events:DeleteRule", `{"name":"orders","eventBusName":"arn:aws:events:eu-west-1:222233334444:event-bus/security"}`, tocsin.High, "EventBridge rule orders was deleted by ops-admin"},
		{"", "events:RemoveTargets", `{"rule":"tocsin","ids":["1","2"]}`, tocsin.High, "2 targets of EventBridge rule tocsin were removed by ops-admin"},
		{"", "events:PutTargets", `{"rule":"tocsin","targets":[{"id":"1","arn":"arn:aws:sqs:eu-west-1:999988887777:x"}]}`, tocsin.Medium, "a target of EventBridge rule tocsin was changed by ops-admin"},
		{"anybody's", "events:PutTargets", `{"rule":"orders","targets":[{"id":"1"}]}`, tocsin.Medium, "ops-admin called PutTargets on orders"},
		{"", "events:DeleteEventBus", `{"name":"central"}`, tocsin.High, "event bus central was deleted by ops-admin"},
		{"", "events:RemovePermission", `{"statementId":"org"}`, tocsin.High, "event bus default was closed to senders by ops-admin"},
		{"", "events:DeleteApiDestination", `{"name":"orders"}`, tocsin.Medium, "EventBridge API destination orders was deleted by ops-admin"},
		{"", "events:UpdateApiDestination", `{"name":"tocsin","invocationEndpoint":"https://evil.example/"}`, tocsin.Medium, "EventBridge API destination tocsin was changed by ops-admin"},
		{"", "sns:DeleteTopic", `{"topicArn":"arn:aws:sns:eu-west-1:222233334444:alerts"}`, tocsin.High, "SNS topic alerts was deleted by ops-admin"},
		{"", "sns:SetSubscriptionAttributes", `{"subscriptionArn":"arn:aws:sns:eu-west-1:222233334444:guardduty:8a","attributeName":"FilterPolicy","attributeValue":"{\"a\":[\"b\"]}"}`, tocsin.Medium, "a subscription of SNS topic guardduty was changed by ops-admin"},
		{"", "sqs:DeleteQueue", `{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/222233334444/tocsin"}`, tocsin.High, "SQS queue tocsin was deleted by ops-admin"},
		{"", "sqs:SetQueueAttributes", `{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/222233334444/tocsin","attributes":{"Policy":""}}`, tocsin.Medium, "SQS queue tocsin was changed by ops-admin"},
		{"", "kinesis:DeleteStream", `{"streamName":"findings"}`, tocsin.High, "Kinesis stream findings was deleted by ops-admin"},
		{"anybody's", "kinesis:DeleteStream", `{"streamName":"clicks"}`, tocsin.Medium, "ops-admin called DeleteStream on clicks"},
		{"", "lambda:PutFunctionConcurrency20171031", `{"functionName":"tocsin","reservedConcurrentExecutions":0}`, tocsin.Medium, "Lambda function tocsin was changed by ops-admin"},
		{"", "s3:DeleteBucket", `{"bucketName":"guardduty-export"}`, tocsin.High, "bucket guardduty-export was deleted by ops-admin"},
		{"", "kms:ScheduleKeyDeletion", `{"keyId":"arn:aws:kms:eu-west-1:222233334444:key/1234abcd","pendingWindowInDays":7}`, tocsin.Medium, "KMS key 1234abcd was set to be deleted by ops-admin"},

		{"", "cloudtrail:StopLogging", `{"name":"arn:aws:cloudtrail:eu-west-1:222233334444:trail/organisation"}`, tocsin.Critical, "CloudTrail trail organisation was stopped by ops-admin"},
		{"", "cloudtrail:DeleteTrail", `{"name":"organisation"}`, tocsin.Critical, "CloudTrail trail organisation was deleted by ops-admin"},
		{"", "cloudtrail:UpdateTrail", `{"name":"organisation","isMultiRegionTrail":false}`, tocsin.High, "CloudTrail trail organisation was changed by ops-admin"},
		{"", "cloudtrail:StopEventDataStoreIngestion", `{"eventDataStore":"e"}`, tocsin.High, "CloudTrail's event data store was stopped by ops-admin"},
		{"", "ec2:DeleteFlowLogs", `{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":"fl-064ed3a785e4a37ef"}}}`, tocsin.Medium, "flow logs of a VPC were deleted by ops-admin"},
		{"", "securityhub:DisassociateMembers", `{"AccountIds":["111122223333"]}`, tocsin.High, "account 111122223333 was cut off from Security Hub's administrator, by ops-admin"},
		{"", "securityhub:DisassociateFromAdministratorAccount", `{}`, tocsin.High, "the account left its Security Hub administrator, by ops-admin"},
		{"", "securityhub:DisableOrganizationAdminAccount", `{"adminAccountId":"111122223333"}`, tocsin.High, "Security Hub's administrator was dismissed by ops-admin"},
		{"", "securityhub:BatchUpdateFindings", `{"FindingIdentifiers":[{"Id":"arn:aws:guardduty:eu-west-1:222233334444:detector/d/finding/f"}],"Workflow":{"Status":"SUPPRESSED"}}`, tocsin.Medium, "ops-admin suppressed 1 finding in Security Hub"},
		{"", "securityhub:CreateAutomationRule", `{"RuleName":"quiet","Actions":[{"FindingFieldsUpdate":{"Workflow":{"Status": "SUPPRESSED"}}}]}`, tocsin.High, "ops-admin has Security Hub suppress findings by itself"},
		{"", "securityhub:UpdateAutomationRuleV2", `{"Actions":[{"FindingFieldsUpdate":{"StatusId": 3}}]}`, tocsin.High, "ops-admin has Security Hub suppress findings by itself"},
		{"", "securityhub:CreateAutomationRule", `{"RuleName":"louder","Actions":[{"FindingFieldsUpdate":{"Severity":{"Label":"HIGH"}}}]}`, tocsin.Medium, "ops-admin changed what Security Hub does to findings by itself"},
		{"", "macie2:UpdateMacieSession", `{"status":"PAUSED"}`, tocsin.High, "Macie was switched off by ops-admin"},
		{"", "macie2:UpdateMacieSession", `{"findingPublishingFrequency":"SIX_HOURS"}`, tocsin.Low, "Macie's settings were changed by ops-admin"},
		{"", "macie2:CreateFindingsFilter", `{"name":"quiet","action":"ARCHIVE"}`, tocsin.Medium, "ops-admin hides findings of Macie with the filter quiet"},
		{"", "inspector2:CreateFilter", `{"name":"list","action":"NONE"}`, tocsin.Low, "ops-admin made a filter of Inspector's, which hides nothing"},
		{"", "inspector2:Disable", `{` + two + `,"resourceTypes":["EC2"]}`, tocsin.High, "Inspector was switched off for 2 accounts by ops-admin"},
		{"", "access-analyzer:CreateArchiveRule", `{"analyzerName":"org","ruleName":"quiet"}`, tocsin.Medium, "ops-admin hides findings of Access Analyzer with the rule quiet"},
		{"", "organizations:LeaveOrganization", `null`, tocsin.Critical, "the account left the organisation, by ops-admin"},
		{"", "organizations:RemoveAccountFromOrganization", `{"accountId":"111122223333"}`, tocsin.Critical, "account 111122223333 was removed from the organisation by ops-admin"},
		{"", "organizations:DisableAWSServiceAccess", `{"servicePrincipal":"guardduty.amazonaws.com"}`, tocsin.Critical, "the organisation was closed to guardduty by ops-admin"},
		{"", "organizations:DisableAWSServiceAccess", `{"servicePrincipal":"ram.amazonaws.com"}`, tocsin.Medium, "the organisation was closed to ram by ops-admin"},
		{"", "organizations:DeregisterDelegatedAdministrator", `{"servicePrincipal":"guardduty.amazonaws.com","accountId":"111122223333"}`, tocsin.Critical, "the organisation's administrator of guardduty was dismissed by ops-admin"},
		{"", "organizations:DetachPolicy", `{"policyId":"p-1234abcd","targetId":"ou-abcd-11112222"}`, tocsin.Medium, "policy p-1234abcd was detached from ou-abcd-11112222 by ops-admin"},
		{"", "organizations:DisablePolicyType", `{"rootId":"r-abcd","policyType":"SERVICE_CONTROL_POLICY"}`, tocsin.Critical, "the organisation's service control policy was switched off by ops-admin"},
	} {
		if d := detect(t, tt.call, tt.request); d.Level != tt.level || d.Headline != tt.headline {
			t.Errorf("%s %s %s:\n%s, %q; want\n%s, %q", tt.name, tt.call, tt.request, d.Level, d.Headline, tt.level, tt.headline)
		}
	}
}

func TestWhetherATrailStillRecordsChanges(t *testing.T) {
	t.Parallel()
	advanced := func(fields string) string {
		return `{"trailName":"organisation","advancedEventSelectors":[{"fieldSelectors":[` + fields + `]}]}`
	}
	for _, tt := range []struct {
		name, request string
		level         tocsin.Level
	}{
		{"all", `{"trailName":"organisation","eventSelectors":[{"readWriteType":"All","includeManagementEvents":true}]}`, tocsin.Medium},
		{"by default", `{"trailName":"organisation","eventSelectors":[{"dataResources":[]}]}`, tocsin.Medium},
		{"writes", `{"trailName":"organisation","eventSelectors":[{"readWriteType":"WriteOnly","includeManagementEvents":true}]}`, tocsin.Medium},
		{"reads", `{"trailName":"organisation","eventSelectors":[{"readWriteType":"ReadOnly","includeManagementEvents":true}]}`, tocsin.High},
		{"data alone", `{"trailName":"organisation","eventSelectors":[{"readWriteType":"All","includeManagementEvents":false}]}`, tocsin.High},
		{"one of two", `{"trailName":"organisation","eventSelectors":[{"includeManagementEvents":false},{"includeManagementEvents":true}]}`, tocsin.Medium},
		{"nothing", `{"trailName":"organisation","eventSelectors":[]}`, tocsin.High},
		{"not known", `{"trailName":"organisation"}`, tocsin.High},
		{"advanced, all", advanced(`{"field":"eventCategory","equals":["Management"]}`), tocsin.Medium},
		{"advanced, data", advanced(`{"field":"eventCategory","equals":["Data"]}`), tocsin.High},
		{"advanced, writes", advanced(`{"field":"eventCategory","equals":["Management"]},{"field":"readOnly","equals":["false"]}`), tocsin.Medium},
		{"advanced, reads", advanced(`{"field":"eventCategory","equals":["Management"]},{"field":"readOnly","equals":["true"]}`), tocsin.High},
		{"advanced, without KMS", advanced(`{"field":"eventCategory","equals":["Management"]},{"field":"eventSource","notEquals":["kms.amazonaws.com"]}`), tocsin.Medium},
		{"advanced, KMS alone", advanced(`{"field":"eventCategory","equals":["Management"]},{"field":"eventSource","equals":["kms.amazonaws.com"]}`), tocsin.High},
	} {
		if d := detect(t, "cloudtrail:PutEventSelectors", tt.request); d.Level != tt.level || d.Headline != "CloudTrail trail organisation had its selectors changed by ops-admin" {
			t.Errorf("%s: %s, %q; want %s", tt.name, d.Level, d.Headline, tt.level)
		}
	}
}

// Each pair is two things that a person has to look at: as one alert, the later would
// count and be told to nobody, or put its words in the place of the first.
func TestWhatIsNotOneAlert(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, call, first, second string }{
		{"two rules", "events:RemoveTargets", `{"rule":"tocsin","ids":["1"]}`, `{"rule":"to-siem","ids":["1"]}`},
		{"two rules of one bus", "events:RemoveTargets", `{"rule":"tocsin","eventBusName":"central"}`, `{"rule":"to-siem","eventBusName":"central"}`},
		{"rules of two buses", "events:DisableRule", `{"name":"tocsin","eventBusName":"central"}`, `{"name":"tocsin"}`},
		{"other accounts", "guardduty:StopMonitoringMembers", `{"detectorId":"d","accountIds":["111122223333"]}`, `{"detectorId":"d","accountIds":["444455556666"]}`},
		{"a detector off, and a setting", "guardduty:UpdateDetector", `{"detectorId":"d","enable":false}`, `{"detectorId":"d"}`},
		{"a plan off, and a setting", "guardduty:UpdateDetector", `{"features":[{"name":"S3_DATA_EVENTS","status":"DISABLED"}]}`, `{"features":[{"name":"S3_DATA_EVENTS","status":"ENABLED"}]}`},
		{"two plans", "guardduty:UpdateDetector", `{"features":[{"name":"S3_DATA_EVENTS","status":"DISABLED"}]}`, `{"features":[{"name":"EKS_AUDIT_LOGS","status":"DISABLED"}]}`},
		{"no new accounts, and a setting", "guardduty:UpdateOrganizationConfiguration", `{"autoEnableOrganizationMembers":"NONE"}`, `{"autoEnableOrganizationMembers":"ALL"}`},
		{"a plan of other accounts", "guardduty:UpdateMemberDetectors", `{"accountIds":["1"],"features":[{"name":"S","status":"DISABLED"}]}`, `{"accountIds":["2"],"features":[{"name":"S","status":"DISABLED"}]}`},
		{"a plan, and a setting of the same", "guardduty:UpdateMemberDetectors", `{"accountIds":["1"],"features":[{"name":"S","status":"DISABLED"}]}`, `{"accountIds":["1"]}`},
		{"a rule disabled, and changed", "events:PutRule", `{"name":"tocsin","state":"DISABLED"}`, `{"name":"tocsin"}`},
		{"a rule changed, and one that takes all", "events:PutRule", `{"name":"tocsin"}`, `{"name":"tocsin","eventPattern":"{\"source\":[\"aws.guardduty\"]}"}`},
		{"two attributes", "sns:SetTopicAttributes", `{"topicArn":"arn:aws:sns:eu-west-1:222233334444:tocsin","attributeName":"Policy"}`, `{"topicArn":"arn:aws:sns:eu-west-1:222233334444:tocsin","attributeName":"KmsMasterKeyId"}`},
		{"two subscriptions", "sns:Unsubscribe", `{"subscriptionArn":"arn:aws:sns:eu-west-1:222233334444:tocsin:1"}`, `{"subscriptionArn":"arn:aws:sns:eu-west-1:222233334444:tocsin:2"}`},
		{"a trusted list in use, and out of it", "guardduty:UpdateIPSet", `{"ipSetId":"i"}`, `{"ipSetId":"i","activate":false}`},
		{"selectors that record less", "cloudtrail:PutEventSelectors", `{"trailName":"t"}`, `{"trailName":"t","eventSelectors":[{}]}`},
		{"two kinds of resources", "inspector2:Disable", `{"resourceTypes":["EC2"]}`, `{"resourceTypes":["ECR"]}`},
		{"two policies of one account", "organizations:DetachPolicy", `{"policyId":"p-1","targetId":"1"}`, `{"policyId":"p-2","targetId":"1"}`},
		{"one policy of two accounts", "organizations:DetachPolicy", `{"policyId":"p-1","targetId":"1"}`, `{"policyId":"p-1","targetId":"2"}`},
		{"two services", "organizations:DisableAWSServiceAccess", `{"servicePrincipal":"guardduty.amazonaws.com"}`, `{"servicePrincipal":"config.amazonaws.com"}`},
		{"a filter that hides, and one that does not", "guardduty:UpdateFilter", `{"filterName":"f","action":"ARCHIVE"}`, `{"filterName":"f","action":"NOOP"}`},
		{"flow logs", "ec2:DeleteFlowLogs", `{"DeleteFlowLogsRequest":{"FlowLogId":{"content":"fl-1"}}}`, `{"DeleteFlowLogsRequest":{"FlowLogId":{"content":"fl-2"}}}`},
	} {
		if a, b := detect(t, tt.call, tt.first).Key, detect(t, tt.call, tt.second).Key; a == b {
			t.Errorf("%s are one alert, %s", tt.name, a)
		}
		if a, b := detect(t, tt.call, tt.first).Key, detect(t, tt.call, tt.first, with{"eventID": "1b9b", "eventTime": "2026-03-01T13:00:00Z", "sourceIPAddress": "198.51.100.7"}).Key; a != b {
			t.Errorf("%s: the first, again, is another alert: %s and %s", tt.name, a, b)
		}
	}
	in := func(accounts string) tocsin.Key {
		return detect(t, "guardduty:DeleteMembers", `{"accountIds":[`+accounts+`]}`).Key
	}
	if a, b := in(`"111122223333","444455556666"`), in(`"444455556666","111122223333"`); a != b {
		t.Errorf("the same accounts in another order: %s and %s", a, b)
	}
}

// An attacker who tries again finds nothing to delete. What the first call did stays said.
func TestWhatWasDoneStaysSaidWhenItIsTriedAgain(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alerts := map[tocsin.Key]tocsin.Alert{}
	for _, d := range []tocsin.Detection{
		detect(t, "guardduty:UpdateDetector", `{"detectorId":"d","enable":false}`),
		detect(t, "guardduty:UpdateDetector", `{"detectorId":"d","enable":false}`, denied, with{"eventTime": "2026-03-01T12:01:00Z"}),
		detect(t, "guardduty:UpdateDetector", `{"detectorId":"d"}`, with{"eventTime": "2026-03-01T12:02:00Z"}),
	} {
		alerts[d.Key], _ = alerts[d.Key].Fold(d, now)
		now = now.Add(time.Minute)
	}
	for _, a := range alerts {
		if a.Level == tocsin.Critical && a.Headline == "GuardDuty was switched off by ops-admin" {
			return
		}
	}
	t.Errorf("no alert says that it was switched off: %+v", alerts)
}

// Calls about several accounts work though AWS leaves some as they were, or all.
func TestWhatAWSLeftAsItWasIsNotDone(t *testing.T) {
	t.Parallel()
	const asked = `{"accountIds":["111122223333","444455556666"]}`
	left := func(ids ...string) with {
		all := []with{}
		for _, id := range ids {
			all = append(all, with{"accountId": id, "result": "The request was rejected because the account is managed by the organisation."})
		}
		return with{"responseElements": with{"unprocessedAccounts": all}}
	}
	for _, tt := range []struct {
		name     string
		more     with
		level    tocsin.Level
		headline string
	}{
		{"none", left(), tocsin.Critical, "2 accounts are no longer watched by GuardDuty, by ops-admin"},
		{"one", left("444455556666"), tocsin.Critical, "account 111122223333 is no longer watched by GuardDuty, by ops-admin"},
		{"all", left("111122223333", "444455556666"), tocsin.High, "ops-admin tried to stop GuardDuty watching 2 accounts (nothing was done)"},
	} {
		d := detect(t, "guardduty:StopMonitoringMembers", asked, tt.more)
		if d.Level != tt.level || d.Headline != tt.headline {
			t.Errorf("%s: %s, %q; want %s, %q", tt.name, d.Level, d.Headline, tt.level, tt.headline)
		}
	}
	d := detect(t, "events:RemoveTargets", `{"rule":"tocsin","ids":["1"]}`, with{"responseElements": with{"failedEntryCount": 1, "failedEntries": []with{{"targetId": "1", "errorMessage": "managed rule"}}}})
	if d.Headline != "ops-admin tried to remove a target of EventBridge rule tocsin (nothing was done)" || !slices.Contains(d.Facts, tocsin.Fact{Name: "Error", Value: "managed rule"}) {
		t.Errorf("targets that stay: %q, %+v", d.Headline, d.Facts)
	}
}

// AWS makes and deletes rules of its own all day, and switches off what somebody asked it
// to: that was a call, too.
func TestWhatAWSDoesByItselfWakesNobody(t *testing.T) {
	t.Parallel()
	role := func(path string) with {
		return with{"userIdentity": with{
			"type": "AssumedRole", "arn": "arn:aws:sts::222233334444:assumed-role/AWSServiceRoleForAmazonGuardDuty/GuardDuty", "accountId": "222233334444",
			"invokedBy": "guardduty.amazonaws.com", "sessionContext": with{"sessionIssuer": with{"arn": "arn:aws:iam::222233334444:role/" + path + "AWSServiceRoleForAmazonGuardDuty", "userName": "AWSServiceRoleForAmazonGuardDuty"}},
		}}
	}
	for _, tt := range []struct {
		name  string
		who   with
		level tocsin.Level
	}{
		{"a person", nil, tocsin.Critical},
		{"a service", with{"userIdentity": with{"type": "AWSService", "invokedBy": "guardduty.amazonaws.com"}}, tocsin.Medium},
		{"a service by its role", role("aws-service-role/guardduty.amazonaws.com/"), tocsin.Medium},
		{"a role that is only named so", role(""), tocsin.Critical},
		{"root", with{"userIdentity": with{"type": "Root", "arn": "arn:aws:iam::222233334444:root", "accountId": "222233334444"}}, tocsin.Critical},
		{"a person by way of CloudFormation", with{"userIdentity": with{"type": "IAMUser", "userName": "ops-admin", "invokedBy": "cloudformation.amazonaws.com"}}, tocsin.Critical},
	} {
		if d := detect(t, "guardduty:DeleteDetector", `{"detectorId":"d"}`, tt.who); d.Level != tt.level {
			t.Errorf("%s: %s, %q; want %s", tt.name, d.Level, d.Headline, tt.level)
		}
	}
	root := with{"userIdentity": with{"type": "Root", "arn": "arn:aws:iam::222233334444:root", "accountId": "222233334444"}}
	if d := detect(t, "guardduty:ArchiveFindings", `{"findingIds":["f"]}`, root); d.Level != tocsin.High {
		t.Errorf("root that archives a finding is %s", d.Level)
	}
	if d := detect(t, "guardduty:ArchiveFindings", `{"findingIds":["f"]}`, root, denied); d.Level != tocsin.Low {
		t.Errorf("root that may not archive a finding is %s", d.Level)
	}
	if d := detect(t, "events:PutRule", `{"name":"DO-NOT-DELETE-AmazonGuardDutyMalwareProtectionS3-1","eventPattern":"{\"source\":[\"aws.s3\"]}"}`, role("aws-service-role/malware-protection-plan.guardduty.amazonaws.com/")); d.Level != tocsin.Low {
		t.Errorf("a rule of GuardDuty's own is %s", d.Level)
	}
}

func TestAFilterThatHidesEverythingSaysSo(t *testing.T) {
	t.Parallel()
	d := detect(t, "guardduty:CreateFilter", `{"name":"f","action":"ARCHIVE","findingCriteria":{"criterion":{}}}`)
	if !slices.Contains(d.Facts, tocsin.Fact{Name: "Hides", Value: "every finding"}) {
		t.Errorf("facts %+v", d.Facts)
	}
}

func TestCommandsShowWhatIsLeft(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ call, request, want string }{
		{"guardduty:DeleteDetector", `{"detectorId":"d"}`, `aws guardduty list-detectors --region eu-west-1`},
		{"guardduty:CreateTrustedEntitySet", `{"detectorId":"d"}`, `aws guardduty list-trusted-entity-sets --detector-id 'd' --region eu-west-1`},
		{"guardduty:DeleteThreatEntitySet", `{"detectorId":"d"}`, `aws guardduty list-threat-entity-sets --detector-id 'd' --region eu-west-1`},
		{"cloudtrail:DeleteTrail", `{"name":"t"}`, `aws cloudtrail describe-trails --region eu-west-1`},
		{"cloudtrail:StopLogging", `{"name":"arn:aws:cloudtrail:us-east-1:1:trail/t"}`, `aws cloudtrail get-trail-status --name 'arn:aws:cloudtrail:us-east-1:1:trail/t' --region eu-west-1`},
		{"events:DisableRule", `{"name":"r","eventBusName":"central"}`, `aws events describe-rule --name 'r' --event-bus-name 'central' --region eu-west-1`},
		{"events:DisableRule", `{"name":"r","eventBusName":"default"}`, `aws events describe-rule --name 'r' --region eu-west-1`},
		{"events:RemoveTargets", `{"rule":"r"}`, `aws events list-targets-by-rule --rule 'r' --region eu-west-1`},
		{"sns:Unsubscribe", `{"subscriptionArn":"arn:aws:sns:eu-west-1:222233334444:findings:8a1c"}`, `aws sns list-subscriptions-by-topic --topic-arn 'arn:aws:sns:eu-west-1:222233334444:findings' --region eu-west-1`},
		{"sns:Unsubscribe", `null`, `aws sns list-subscriptions --region eu-west-1`},
		{"organizations:DetachPolicy", `{"policyId":"p","targetId":"ou-1"}`, `aws organizations list-policies-for-target --target-id 'ou-1' --filter SERVICE_CONTROL_POLICY`},
	} {
		if got := detect(t, tt.call, tt.request).Command; got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.call, tt.request, got, tt.want)
		}
	}
}
