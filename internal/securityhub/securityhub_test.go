package securityhub_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/securityhub"
	"github.com/tocsin-sec/tocsin/internal/wording/wordingtest"
)

var (
	update  = flag.Bool("update", false, "write the golden files anew")
	dialect = wordingtest.Dialect{Read: securityhub.Read}
)

func TestFindingsInWords(t *testing.T) { t.Parallel(); dialect.Golden(t, *update) }

func TestHostileTexts(t *testing.T) { t.Parallel(); dialect.Harmless(t) }

func FuzzRead(f *testing.F) { dialect.Fuzz(f) }

func TestWhatGuardDutyFoundIsGuardDutysAlert(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"guardduty-delete-trail", "guardduty-delete-trail-v2"} {
		d := dialect.Detection(t, name)
		if d.Key != "aws/111111111111/us-east-2/a6c556fcbc9bea427a19f8b787099a0b" || !d.Copied || d.Type != "Stealth:IAMUser/CloudTrailLoggingDisabled" {
			t.Errorf("%s: %s of type %s, copied %v", name, d.Key, d.Type, d.Copied)
		}
		if d.Level != tocsin.Low || d.Severity != 2 || d.Count != 1 || !d.UpdatedAt.Equal(time.Date(2023, 9, 19, 15, 5, 22, 487e6, time.UTC)) {
			t.Errorf("%s: %s (%v), %d times, of %s", name, d.Level, d.Severity, d.Count, d.UpdatedAt)
		}
		if d.Actor.IP != "52.94.133.131" || d.Resource.ID != "ASIATMJPC7EXAMPLE" || !strings.Contains(d.Headline, "Admin") {
			t.Errorf("%s: from %q, of %+v: %s", name, d.Actor.IP, d.Resource, d.Headline)
		}
		if d.ReportedBy != "222233334444" || d.Intent != "" {
			t.Errorf("%s: reported by %q, intent %q", name, d.ReportedBy, d.Intent)
		}
	}
}

// As Security Hub V2 sends it itself: GuardDuty's own type, a product ARN of V2's, the
// resource in GuardDuty's words, and a count.
func TestACopyOfSecurityHubV2sOwnIsGuardDutysAlert(t *testing.T) {
	t.Parallel()
	d := dialect.Detection(t, "guardduty-productv2")
	if d.Key != "aws/111111111111/us-east-2/a6c556fcbc9bea427a19f8b787099a0b" || !d.Copied || d.Type != "Stealth:IAMUser/CloudTrailLoggingDisabled" || d.Level != tocsin.Low {
		t.Errorf("%s of type %s, copied %v, %s", d.Key, d.Type, d.Copied, d.Level)
	}
	if d.Count != 264 || d.Role != "TARGET" || !strings.Contains(d.Headline, "Admin") || !strings.Contains(d.Headline, "DeleteTrail") {
		t.Errorf("%d times, as %s: %s", d.Count, d.Role, d.Headline)
	}
	for name, want := range map[string]string{"inspector": "inspector/faa0d54609b94871badcc83ac7c2add5", "inspector-v2": "inspector/faa0d54609b94871badcc83ac7c2add5"} {
		if d := dialect.Detection(t, name, "::product/aws/inspector", "::productv2/aws/inspector"); !strings.HasSuffix(string(d.Key), want) || !d.Copied {
			t.Errorf("%s: %s, copied %v", name, d.Key, d.Copied)
		}
	}
}

// The same finding by every way is one alert, whichever version comes first.
func TestCopiesFoldIntoGuardDutysOwnInAnyOrder(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:guardduty:us-east-2:111111111111:detector/1ac1bfceda6679698215d5d0EXAMPLE/finding/a6c556fcbc9bea427a19f8b787099a0b"
	g, ok, err := guardduty.Read([]byte(`{"id":"e","detail-type":"GuardDuty Finding","source":"aws.guardduty","account":"222233334444","region":"us-east-2","detail":{
		"schemaVersion":"2.0","accountId":"111111111111","region":"us-east-2","partition":"aws","id":"a6c556fcbc9bea427a19f8b787099a0b","arn":"` + arn + `",
		"type":"Stealth:IAMUser/CloudTrailLoggingDisabled","severity":2,"title":"in GuardDuty's own words","createdAt":"2023-09-19T15:05:22.487Z","updatedAt":"2023-09-19T15:05:22.487Z",
		"resource":{"resourceType":"AccessKey","accessKeyDetails":{"accessKeyId":"ASIATMJPC7EXAMPLE","userName":"Admin"}},"service":{"serviceName":"guardduty","count":1,"archived":false}}}`))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	ds := []tocsin.Detection{g.Detection()}
	for _, name := range []string{"guardduty-delete-trail", "guardduty-delete-trail-v2"} {
		ds = append(ds, dialect.Detection(t, name), dialect.Detection(t, name, "us-east-2::product", "eu-west-1::product", `"region": "us-east-2",
 "resources"`, `"region": "eu-west-1",
 "resources"`))
	}
	ds = append(ds, dialect.Detection(t, "guardduty-productv2"))
	for first := range ds {
		for _, step := range []int{1, len(ds) - 1} {
			var a tocsin.Alert
			now := time.Date(2026, 3, 1, 12, 5, 0, 0, time.UTC)
			told := 0
			for i := range ds {
				d := ds[(first+i*step)%len(ds)]
				if d.Key != ds[0].Key {
					t.Fatalf("the key is %s, and GuardDuty's %s", d.Key, ds[0].Key)
				}
				var act tocsin.Activity
				if a, act = a.Fold(d, now.Add(time.Duration(i)*time.Second)); act.Verdict == tocsin.Opened {
					told++
				}
			}
			if told != 1 || a.Title != "in GuardDuty's own words" || a.Count != 264 || a.Level != tocsin.Low || a.Status != tocsin.StatusOpen {
				t.Errorf("from %d by %d: opened %d times, %q, %d times, %s, %s", first, step, told, a.Title, a.Count, a.Level, a.Status)
			}
		}
	}
}

// Anybody who may import findings can give them the Id of a finding of GuardDuty's, and
// say that it is archived.
func TestOnlyAWSSpeaksForGuardDuty(t *testing.T) {
	t.Parallel()
	const finding = "detector/1ac1bfceda6679698215d5d0EXAMPLE/finding/a6c556fcbc9bea427a19f8b787099a0b"
	for _, name := range []string{"guardduty-delete-trail", "guardduty-delete-trail-v2"} {
		own := dialect.Detection(t, name)
		for _, tt := range []struct {
			name   string
			change []string
		}{
			{"another's product", []string{"us-east-2::product/aws/guardduty", "us-east-2:999988887777:product/999988887777/default"}},
			{"a product that ends so", []string{"us-east-2::product/aws/guardduty", "us-east-2:999988887777:product/999988887777/product/aws/guardduty"}},
			{"another service's ARN", []string{"arn:aws:securityhub:us-east-2::product/aws/guardduty", "arn:aws:mine:us-east-2::product/aws/guardduty"}},
			{"no product", []string{"arn:aws:securityhub:us-east-2::product/aws/guardduty", ""}},
			{"another service's finding", []string{`": "arn:aws:guardduty:us-east-2:111111111111:` + finding, `": "arn:aws:mine:us-east-2:111111111111:` + finding}},
			{"something else of GuardDuty's", []string{finding, "detector/1ac1bfceda6679698215d5d0EXAMPLE/filter/x"}},
			{"with more behind it", []string{finding, finding + "/x"}},
			{"without an id", []string{finding, "detector/1ac1bfceda6679698215d5d0EXAMPLE/finding/"}},
			{"elsewhere in the ARN", []string{finding, "ipset/finding/a6c556fcbc9bea427a19f8b787099a0b"}},
		} {
			d := dialect.Detection(t, name, tt.change...)
			if d.Key == own.Key || d.Copied || !strings.Contains(string(d.Key), "/securityhub/") {
				t.Errorf("%s, %s: the alert is %s, copied %v", name, tt.name, d.Key, d.Copied)
			}
		}
	}
}

func TestIdsThatDifferAtTheirEnds(t *testing.T) {
	t.Parallel()
	const id = "subscription/pci-dss/v/3.2.1/PCI.Config.1/finding/7d619054-6f0d-456b-aa75-23b20f74fae6"
	for _, name := range []string{"control", "control-v2"} {
		long := id + strings.Repeat("/0123456789", 40)
		a, b := dialect.Detection(t, name, id, long+"a"), dialect.Detection(t, name, id, long+"b")
		if a.Key == b.Key || a.Key != dialect.Detection(t, name, id, long+"a").Key {
			t.Errorf("%s: %s and %s", name, a.Key, b.Key)
		}
	}
}

func TestHowBadItIsInASFF(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		severity string
		want     tocsin.Level
	}{
		{`{"Label":"CRITICAL","Normalized":1}`, tocsin.Critical},
		{`{"Label":"INFORMATIONAL","Normalized":99}`, tocsin.Informational},
		{`{"Label":"?","Normalized":90}`, tocsin.Critical},
		{`{"Normalized":100}`, tocsin.Critical},
		{`{"Normalized":"89"}`, tocsin.High},
		{`{"Normalized":70}`, tocsin.High},
		{`{"Normalized":69}`, tocsin.Medium},
		{`{"Normalized":40}`, tocsin.Medium},
		{`{"Normalized":39}`, tocsin.Low},
		{`{"Normalized":1}`, tocsin.Low},
		{`{"Normalized":0}`, tocsin.Informational},
		{`{"Product":8}`, tocsin.Unknown}, // what it is of, only the product knows
		{`{}`, tocsin.Unknown},
		{`"HIGH"`, tocsin.Unknown},
	} {
		d := dialect.Detection(t, "control", `"Severity": {
     "Label": "MEDIUM",
     "Normalized": 40,
     "Original": "MEDIUM",
     "Product": 40
    },
    "Title"`, `"Severity": `+tt.severity+`, "Title"`)
		if d.Level != tt.want {
			t.Errorf("%s is %s, want %s", tt.severity, d.Level, tt.want)
		}
	}
	// GuardDuty's own number is of 1 to 10.
	for severity, want := range map[string]tocsin.Level{
		`"Product": 9.1`: tocsin.Critical, `"Product": 7`: tocsin.High, `"Product": "5"`: tocsin.Medium, `"Product": 0`: tocsin.Low, `"Original": "8"`: tocsin.Low,
	} {
		if d := dialect.Detection(t, "guardduty-delete-trail", `"Product": 2`, severity); d.Level != want {
			t.Errorf("GuardDuty's with %s is %s, want %s", severity, d.Level, want)
		}
	}
}

func TestWhatIsMissingIsTakenFromElsewhere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, sample    string
		change          []string
		account, region string
	}{
		{"the finding's own", "control", nil, "111111111111", "us-east-2"},
		{"no account", "control", []string{`"AwsAccountId": "111111111111",`, ""}, "222233334444", "us-east-2"},
		{"no region but the resource's", "control", []string{`"Region": "us-east-2",
    "Remediation"`, `"Remediation"`, `"Region": "us-east-2",
      "Type"`, `"Region": "eu-west-3", "Type"`}, "111111111111", "eu-west-3"},
		{"an account without its zeros", "control", []string{`"AwsAccountId": "111111111111"`, `"AwsAccountId": 1111111111`}, "001111111111", "us-east-2"},
		{"GuardDuty's, without account or region", "guardduty-delete-trail", []string{`"AwsAccountId": "111111111111",`, "", `"Region": "us-east-2",`, ""}, "111111111111", "us-east-2"},
		{"GuardDuty's, gathered in another region", "guardduty-delete-trail", []string{`"region": "us-east-2"`, `"region": "eu-west-1"`}, "111111111111", "us-east-2"},
	} {
		if d := dialect.Detection(t, tt.sample, tt.change...); d.Account != tt.account || d.Region != tt.region {
			t.Errorf("%s: %s in %s, want %s in %s", tt.name, d.Account, d.Region, tt.account, tt.region)
		}
	}
	d := dialect.Detection(t, "guardduty-delete-trail", `"FirstObservedAt": "2023-09-19T14:55:09.000Z",`, "", `"aws/guardduty/service/eventFirstSeen": "2023-09-19T14:55:09.000Z",`, "",
		`"Types": [
     "TTPs/Defense Evasion/Stealth:IAMUser-CloudTrailLoggingDisabled"
    ],
    "UpdatedAt"`, `"UpdatedAt"`)
	if d.Type != securityhub.Imported || d.Key != dialect.Detection(t, "guardduty-delete-trail").Key {
		t.Errorf("without types: %q, %s", d.Type, d.Key)
	}
}

func TestWhatInspectorFoundIsInspectorsAlert(t *testing.T) {
	t.Parallel()
	const want = "aws/111111111111/us-east-2/inspector/faa0d54609b94871badcc83ac7c2add5"
	for _, name := range []string{"inspector", "inspector-v2"} {
		if d := dialect.Detection(t, name); d.Key != want || !d.Copied || d.Level != tocsin.Medium {
			t.Errorf("%s: %s, copied %v, %s", name, d.Key, d.Copied, d.Level)
		}
	}
}

func TestEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, sample string
		change       []string
		reason       string // empty where it goes on
	}{
		{"a control that fails", "control", nil, ""},
		{"and passes", "control", []string{`"Status": "FAILED"`, `"Status": "PASSED"`}, "recovered"},
		{"resolved", "control", []string{`"Status": "NEW"`, `"Status": "RESOLVED"`}, "recovered"},
		{"notified", "control", []string{`"Status": "NEW"`, `"Status": "NOTIFIED"`}, ""},
		{"suppressed", "control", []string{`"Status": "NEW"`, `"Status": "SUPPRESSED"`}, "archived"},
		{"archived", "control", []string{`"RecordState": "ACTIVE"`, `"RecordState": "ARCHIVED"`}, "archived"},
		{"GuardDuty's, resolved", "guardduty-delete-trail", []string{`"Status": "NEW"`, `"Status": "RESOLVED"`}, "recovered"},
		{"GuardDuty's, updated since it was resolved", "guardduty-delete-trail", []string{`"Status": "NEW"`, `"Status": "RESOLVED"`, "2023-09-19T15:05:22.487Z", "2026-03-01T11:46:00Z"}, ""},
		{"GuardDuty's, resolved a while after its update", "guardduty-delete-trail", []string{`"Status": "NEW"`, `"Status": "RESOLVED"`, "2023-09-19T15:05:22.487Z", "2026-03-01T11:45:00Z"}, "recovered"},
		{"GuardDuty's, suppressed and updated", "guardduty-delete-trail", []string{`"Status": "NEW"`, `"Status": "SUPPRESSED"`, "2023-09-19T15:05:22.487Z", "2026-03-01T11:59:00Z"}, "archived"},
		{"Inspector's, updated since it was resolved", "inspector", []string{`"Status": "NEW"`, `"Status": "RESOLVED"`, "2024-01-26T22:19:14Z", "2026-03-01T11:59:00Z"}, ""},
		{"GuardDuty's, archived there", "guardduty-delete-trail", []string{`service/archived": "false"`, `service/archived": "true"`}, "archived"},
		{"a control, in OCSF", "control-v2", nil, ""},
		{"and passes, in OCSF", "control-v2", []string{`"FAILED"`, `"PASSED"`}, "recovered"},
		{"resolved, in OCSF", "control-v2", []string{`"status": "New"`, `"status": "Resolved"`}, "recovered"},
		{"suppressed, in OCSF", "control-v2", []string{`"status": "New"`, `"status": "Suppressed"`}, "archived"},
		{"by its number, in OCSF", "control-v2", []string{`"status": "New"`, `"status_id": 4`}, "recovered"},
	} {
		d := dialect.Detection(t, tt.sample, tt.change...)
		if d.Over != (tt.reason != "") || d.OverReason != tt.reason {
			t.Errorf("%s: over %v as %q, want %q", tt.name, d.Over, d.OverReason, tt.reason)
		}
		if d.Over && !d.Copied && d.Intent != tocsin.IntentClose {
			t.Errorf("%s: what was never open opens", tt.name)
		}
	}
}

func TestWhatPeopleDoToAFindingIsNews(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var a tocsin.Alert
	for _, step := range []struct {
		workflow, at string
		verdict      tocsin.Verdict
	}{
		{"NEW", "2026-03-01T12:00:00Z", tocsin.Opened},
		{"NEW", "2026-03-01T12:00:00Z", tocsin.Appended},
		{"RESOLVED", "2026-03-01T12:10:00Z", tocsin.Closed},
		{"NEW", "2026-03-01T12:00:00Z", tocsin.Appended},
		{"NEW", "2026-03-01T12:15:00Z", tocsin.Opened},
	} {
		d := dialect.Detection(t, "control", `"Status": "NEW"`, `"Status": "`+step.workflow+`"`, "2026-03-01T12:00:00Z", step.at)
		now = now.Add(time.Minute)
		var act tocsin.Activity
		if a, act = a.Fold(d, now); act.Verdict != step.verdict {
			t.Errorf("%s at %s: %s, want %s", step.workflow, step.at, act.Verdict, step.verdict)
		}
	}
}

func TestSeveralFindingsInOneEvent(t *testing.T) {
	t.Parallel()
	keys := map[tocsin.Key]bool{}
	for _, d := range dialect.Detections(t, "guardduty-several") {
		keys[d.Key] = true
	}
	if len(keys) != 4 {
		t.Errorf("keys %v", keys)
	}
}

func TestTypesOfGuardDutyAreItsOwnAgain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"TTPs/Defense Evasion/Stealth:IAMUser-CloudTrailLoggingDisabled": "Stealth:IAMUser/CloudTrailLoggingDisabled",
		"TTPs/Initial Access/IAMUser-AnomalousBehavior":                  "InitialAccess:IAMUser/AnomalousBehavior",
		"Effects/Data Exfiltration/Backdoor:EC2-C&CActivity.B!DNS":       "Backdoor:EC2/C&CActivity.B!DNS",
		"AttackSequence:EKS/CompromisedCluster":                          "AttackSequence:EKS/CompromisedCluster",
	} {
		if d := dialect.Detection(t, "guardduty-delete-trail", "TTPs/Defense Evasion/Stealth:IAMUser-CloudTrailLoggingDisabled", in); d.Type != want {
			t.Errorf("%s is read as %s, want %s", in, d.Type, want)
		}
	}
}

func TestASampleOfGuardDutysIsOneHere(t *testing.T) {
	t.Parallel()
	if d := dialect.Detection(t, "guardduty-delete-trail", `"Sample": false`, `"Sample": true`); !d.Sample || !d.Copied {
		t.Errorf("sample %v, copied %v", d.Sample, d.Copied)
	}
	if dialect.Detection(t, "guardduty-delete-trail").Sample {
		t.Error("what happened is a sample")
	}
}

func TestBriefSaysWhoseItIsAndHowBad(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"control", "control-v2"} {
		typ, account, region, level := securityhub.Brief(gjson.GetBytes(dialect.Sample(t, name), "detail"))
		if typ != "Software and Configuration Checks/Industry and Regulatory Standards/PCI-DSS" || account != "111111111111" || region != "us-east-2" || level != tocsin.Medium {
			t.Errorf("%s: %s, %s, %s, %s", name, typ, account, region, level)
		}
	}
}

func TestWhatIsNoFinding(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `{}`,
		`{"source":"mine","detail-type":"Security Hub Findings - Imported","detail":{"findings":[{"Id":"a"}]}}`,
		`{"source":"aws.securityhub","detail-type":"AWS API Call via CloudTrail","detail":{"findings":[{"Id":"a"}]}}`,
		`{"source":"aws.securityhub","detail-type":"Security Hub Findings - Imported","detail":{"findings":[]}}`,
		`{"source":"aws.securityhub","detail-type":"Security Hub Findings - Imported","detail":{"findings":[{"Title":"a"}]}}`,
		`{"source":"aws.securityhub","detail-type":"Security Hub Insight Results","detail":{}}`,
	} {
		if ds, ok := securityhub.Read([]byte(raw)); ok {
			t.Errorf("%s is read as %+v", raw, ds)
		}
	}
}

func TestFieldsThatWouldGrowWithoutEnd(t *testing.T) { // not parallel: it counts allocations
	long := strings.Repeat("a/", 5000)
	d := dialect.Detection(t, "guardduty-delete-trail", `"aws/guardduty/service/count"`, `"aws/guardduty/service/x.999999999_/y": "z", "aws/guardduty/service/`+long+`": "z", "aws/guardduty/service/count"`)
	if d.Count != 1 {
		t.Errorf("count %d", d.Count)
	}
	if d := dialect.Detection(t, "guardduty-delete-trail", `"aws/guardduty/service/action/actionType"`, `"count": "99", "aws/guardduty/service/action/actionType"`); d.Count != 1 {
		t.Errorf("another field's count is taken: %d", d.Count)
	}
	var nested strings.Builder
	for i := range 1000 { // each asks for fifty elements, nineteen times
		fmt.Fprintf(&nested, `"aws/guardduty/service/%da.49_/%sx": "z", `, i, strings.Repeat("b.49_/", 18))
	}
	raw := []byte(strings.Replace(string(dialect.Sample(t, "guardduty-delete-trail")), `"aws/guardduty/service/count"`, nested.String()+`"aws/guardduty/service/count"`, 1))
	if n := testing.AllocsPerRun(1, func() { securityhub.Read(raw) }); n > 150_000 {
		t.Errorf("%.0f allocations for %d bytes", n, len(raw))
	}
}

func BenchmarkRead(b *testing.B) {
	for _, name := range []string{"guardduty-delete-trail", "guardduty-delete-trail-v2", "control", "inspector"} {
		b.Run(name, func(b *testing.B) {
			raw := dialect.Sample(b, name)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := securityhub.Read(raw); !ok {
					b.Fatal("not read")
				}
			}
		})
	}
}
