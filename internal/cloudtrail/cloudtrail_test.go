package cloudtrail_test

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/cloudtrail"
	"github.com/tocsin-sec/tocsin/internal/wording/wordingtest"
)

var (
	update  = flag.Bool("update", false, "write the golden files anew")
	dialect = wordingtest.Dialect{Read: wordingtest.One(cloudtrail.Read)}
)

func TestRecordsInWords(t *testing.T) { t.Parallel(); dialect.Golden(t, *update) }

func TestHostileTexts(t *testing.T) { t.Parallel(); dialect.Harmless(t) }

func FuzzRead(f *testing.F) { dialect.Fuzz(f) }

func TestWhatItMeansForThoseWhoWatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sample   string
		level    tocsin.Level
		headline string
	}{
		{"gd-delete-detector", tocsin.Critical, "GuardDuty was switched off by ana@example.com"},
		{"gd-delete-detector-refused", tocsin.High, "ops-admin tried to switch GuardDuty off (AccessDenied)"},
		{"gd-disable", tocsin.Critical, "GuardDuty was switched off by ops-admin"},
		{"gd-feature-off", tocsin.High, "GuardDuty's S3 data events, EKS…management off, by ops-admin"},
		{"gd-frequency", tocsin.Medium, "GuardDuty's updates now come every six hours, by ops-admin"},
		{"gd-hiding-filter", tocsin.High, "ops-admin hides findings with the new filter weekly-maintenance"},
		{"gd-sorting-filter", tocsin.Low, "ops-admin made the filter high, which hides nothing"},
		{"gd-update-filter", tocsin.High, "ops-admin changed the filter scanners that hides findings"},
		{"gd-ip-set", tocsin.High, "ops-admin has GuardDuty trust the list office"},
		{"gd-stop-monitoring", tocsin.Critical, "2 accounts are no longer watched by GuardDuty, by ana@example.com"},
		{"gd-disassociate", tocsin.Critical, "the account left its GuardDuty administrator, by ops-admin"},
		{"gd-export", tocsin.High, "ops-admin deleted GuardDuty's export of findings"},
		{"gd-admin", tocsin.Critical, "GuardDuty's administrator was dismissed by ops-admin"},
		{"gd-archive", tocsin.Medium, "ops-admin archived 2 findings in GuardDuty"},
		{"gd-organisation", tocsin.High, "new accounts do not get GuardDuty any more, by ops-admin"},
		{"events-disable-rule", tocsin.High, "EventBridge rule tocsin-findings was disabled by ops-admin"},
		{"events-put-rule", tocsin.High, "EventBridge rule nightly was changed by ops-admin"},
		{"events-remove-targets", tocsin.High, "a target of EventBridge rule to-siem was removed by ops-admin"},
		{"sns-unsubscribe", tocsin.High, "a subscription of SNS topic tocsin-findings was ended by ops-admin"},
		{"sqs-purge", tocsin.Medium, "SQS queue orders was emptied by ops-admin"},
		{"securityhub-off", tocsin.Critical, "Security Hub was switched off by ops-admin"},
		{"config-off", tocsin.High, "AWS Config's recorder was switched off by ops-admin"},
		{"real-stop-logging", tocsin.High, "bert-jan tried to stop CloudTrail trail stratus-red-tea…bgnfqisx"},
		{"real-delete-trail", tocsin.High, "bert-jan tried to delete CloudTrail trail stratus-red-tea…eolsaccp"},
		{"real-put-event-selectors", tocsin.High, "CloudTrail trail stratus-red-tea…xyekjbtk had its selectors changed by bert-jan"},
	} {
		d := dialect.Detection(t, tt.sample)
		if d.Level != tt.level || (tt.headline != "" && d.Headline != tt.headline) {
			t.Errorf("%s: %s, %q; want %s, %q", tt.sample, d.Level, d.Headline, tt.level, tt.headline)
		}
		if !strings.HasPrefix(d.Command, "aws ") || utf8.RuneCountInString(d.Headline) > 80 {
			t.Errorf("%s: command %q, headline of %d bytes", tt.sample, d.Command, len(d.Headline))
		}
	}
}

func TestAFiltersCriteriaAreInTheFacts(t *testing.T) {
	t.Parallel()
	facts := dialect.Detection(t, "gd-hiding-filter").Facts
	want := "type is UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS or CryptoCurrency:EC2/BitcoinTool.B, severity < 9"
	if !slices.Contains(facts, tocsin.Fact{Name: "Hides", Value: want}) {
		t.Errorf("facts %+v", facts)
	}
}

func TestSignIns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, sample string
		change       []string
		level        tocsin.Level
		headline     string
	}{
		{"root", "root-sign-in", nil, tocsin.High, "root signed in to the console without MFA from 0.0.0.0"},
		{"root with MFA", "root-sign-in", []string{`"MFAUsed": "No"`, `"MFAUsed": "Yes"`}, tocsin.High, "root signed in to the console from 0.0.0.0"},
		{"root, failed", "root-sign-in", []string{"Success", "Failure"}, tocsin.Medium, "sign-in to the console as root failed from 0.0.0.0"},
		{"a user, failed", "failed-sign-in", nil, tocsin.Low, "sign-in to the console as ana failed from 203.0.113.7"},
		{"root, by API", "root-create-bucket", nil, tocsin.High, "root called CreateBucket on bucket-test-iad"},
	} {
		if d := dialect.Detection(t, tt.sample, tt.change...); d.Level != tt.level || d.Headline != tt.headline {
			t.Errorf("%s: %s, %q; want %s, %q", tt.name, d.Level, d.Headline, tt.level, tt.headline)
		}
	}
}

func TestTheSameByTheSameToTheSameIsOneAlert(t *testing.T) {
	t.Parallel()
	key := func(name string, change ...string) tocsin.Key { return dialect.Detection(t, name, change...).Key }
	if a, b := key("gd-hiding-filter"), key("gd-hiding-filter", "0b9b1b6e", "1b9b1b6e", "12:00:00", "12:30:00", "203.0.113.7", "203.0.113.8"); a != b {
		t.Errorf("again: %s and %s", a, b)
	}
	for name, change := range map[string][]string{
		"another filter": {"weekly-maintenance", "monthly"}, "another person": {"user/ops-admin", "user/ana"},
		"another account": {`"recipientAccountId": "222233334444"`, `"recipientAccountId": "111122223333"`}, "another call": {"CreateFilter", "UpdateFilter"},
	} {
		if a, b := key("gd-hiding-filter"), key("gd-hiding-filter", change...); a == b {
			t.Errorf("%s is the same alert, %s", name, a)
		}
	}
	machine := []string{"AWSReservedSSO_AdministratorAccess_0123456789abcdef", "deploy"}
	if a, b := key("gd-delete-detector", machine...), key("gd-delete-detector", append(machine, "ana@example.com", "run-2")...); a != b {
		t.Errorf("two sessions of one role: %s and %s", a, b)
	}
	if a, b := key("gd-delete-detector"), key("gd-delete-detector", "ana@example.com", "ben@example.com"); a == b {
		t.Errorf("two people who share a role are one alert, %s", a)
	}
}

func TestAnInsightEnds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a, act := tocsin.Alert{}.Fold(dialect.Detection(t, "insight-start"), now)
	if act.Verdict != tocsin.Opened {
		t.Fatalf("its start: %s", act.Verdict)
	}
	if a, act = a.Fold(dialect.Detection(t, "insight-end"), now); act.Verdict != tocsin.Closed || a.Headline != "unusually many calls of RunInstances" {
		t.Errorf("its end: %s, it says %q", act.Verdict, a.Headline)
	}
}

func TestBriefSaysWhere(t *testing.T) {
	t.Parallel()
	account, region := cloudtrail.Brief(gjson.GetBytes(dialect.Sample(t, "gd-disable"), "detail"))
	if account != "222233334444" || region != "eu-west-1" {
		t.Errorf("%s, %s", account, region)
	}
}

func TestWhatIsNoRecord(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `{}`,
		`{"source":"aws.s3","detail-type":"Object Created","detail":{"eventName":"a"}}`,
		`{"source":"aws.s3","detail-type":"AWS API Call via CloudTrail","detail":{}}`,
		`{"source":"aws.cloudtrail","detail-type":"AWS Insight via CloudTrail","detail":{"eventID":"a"}}`,
	} {
		if d, ok := cloudtrail.Read([]byte(raw)); ok {
			t.Errorf("%s is read as %+v", raw, d)
		}
	}
}
