package securityhub_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
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

func TestFieldsThatWouldGrowWithoutEnd(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a/", 5000)
	d := dialect.Detection(t, "guardduty-delete-trail", `"aws/guardduty/service/count"`, `"aws/guardduty/service/x.999999999_/y": "z", "aws/guardduty/service/`+long+`": "z", "aws/guardduty/service/count"`)
	if d.Count != 1 {
		t.Errorf("count %d", d.Count)
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
