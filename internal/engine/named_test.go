package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// sampleEvent is an event of a dialect's test data.
func sampleEvent(t *testing.T, path string, change ...string) tocsin.Event {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", path))
	check(t, err)
	return tocsin.Event{Source: "org", Via: "sqs", Raw: []byte(strings.NewReplacer(change...).Replace(string(raw)))}
}

// ruled has the scene go by those rules.
func (s *scene) ruled(t *testing.T, list ...rules.Rule) *scene {
	t.Helper()
	rs, err := rules.New(list, map[string]tocsin.Account{"111122223333": {ID: "111122223333", Name: "payments-prod", Minimum: tocsin.Medium}})
	check(t, err)
	s.plan.Rules = rs
	s.reopenEngine(t)
	return s
}

func (s *scene) events(t *testing.T) (all []tocsin.Event) {
	t.Helper()
	check(t, s.store.View(t.Context(), func(tx *store.Tx) (err error) {
		all, err = tx.Events(store.EventFilter{})
		return err
	}))
	slices.SortFunc(all, func(a, b tocsin.Event) int { return int(a.Seq - b.Seq) })
	return all
}

func TestEventsOfOtherServicesInTheirOwnWords(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite).ruled(t, rules.Rule{Name: "all", Pattern: parse(t, `{"source":[{"prefix":"aws."}]}`)})
	for _, tt := range []struct {
		path, headline string
		verdict        tocsin.Verdict
		level          tocsin.Level
	}{
		{"trustedadvisor/testdata/exposed-key.json", "access key AKIAIOSFODNN7EXAMPLE of my-username is exposed", tocsin.Opened, tocsin.Critical},
		{"cloudtrail/testdata/gd-hiding-filter.json", "ops-admin hides findings with the new filter weekly-maintenance", tocsin.Opened, tocsin.High},
		{"health/testdata/abuse.json", "AWS has a report of a DoS attack by i-0abc and 1 other", tocsin.Opened, tocsin.High},
		{"securityhub/testdata/control.json", "Account 111111111111 fails Config.1: PCI.Config.1 AWS Config should be enabled", tocsin.Opened, tocsin.Medium},
		{"inspector/testdata/ec2-log4j.json", "CVE-2021-44228 (log4j-core) in EC2 payments-api-1", tocsin.Opened, tocsin.Critical},
		{"macie/testdata/credentials.json", "credentials lie in payments-exports/2026/03/backup.env", tocsin.Opened, tocsin.High},
		{"accessanalyzer/testdata/public.json", "RDS DB cluster snapshot nightly is open to everybody", tocsin.Opened, tocsin.High},
		{"guardduty/testdata/notices/events/object-threats.json", "malware in S3 object amzn-s3-demo-bucket/APKAEIBAERJR2EXAMPLE: EICAR-Test-F… vi…", tocsin.Opened, tocsin.High},
		{"guardduty/testdata/notices/events/object-clean.json", "", tocsin.Filtered, tocsin.Informational},
		{"guardduty/testdata/notices/events/runtime-eks-healthy.json", "", tocsin.Ignored, tocsin.Medium},
		{"inspector/testdata/lambda-code-closed.json", "", tocsin.Ignored, tocsin.High},
	} {
		r := s.accept(t, sampleEvent(t, tt.path))[0]
		if r.Verdict != tt.verdict {
			t.Errorf("%s: %s (%s), want %s", tt.path, r.Verdict, r.Reason, tt.verdict)
		}
		i := slices.IndexFunc(s.alerts(t), func(a tocsin.Alert) bool { return a.ID == r.Alert })
		if tt.headline != "" && (i < 0 || s.alerts(t)[i].Headline != tt.headline || s.alerts(t)[i].Level != tt.level) {
			t.Errorf("%s: alert %+v, want %s, %q", tt.path, s.alerts(t)[max(i, 0)], tt.level, tt.headline)
		}
		if evs := s.events(t); evs[len(evs)-1].Level != tt.level {
			t.Errorf("%s: in the journal it is %s, want %s", tt.path, evs[len(evs)-1].Level, tt.level)
		}
	}
}

func TestWhatNoRuleWantsIsInTheJournalWithItsPlaceAndLevel(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite).ruled(t, rules.Rule{Name: "scans", Pattern: parse(t, `{"source":["aws.macie"]}`), Drop: "Macie is looked at elsewhere"})
	for _, tt := range []struct {
		path, typ, account, region, reason string
		level                              tocsin.Level
	}{
		{"inspector/testdata/ec2-log4j.json", "Inspector2 Finding", "111122223333", "eu-west-1", "no rule matched", tocsin.Critical},
		{"health/testdata/backup-of-account-issue.json", "AWS Health Event", "123456789012", "us-east-1", "no rule matched", tocsin.Unknown},
		{"securityhub/testdata/control.json", "Software and Configuration Checks/Industry and Regulatory Standards/PCI-DSS", "111111111111", "us-east-2", "no rule matched", tocsin.Medium},
		{"cloudtrail/testdata/gd-disable.json", "AWS API Call via CloudTrail", "222233334444", "eu-west-1", "no rule matched", tocsin.Unknown},
		{"trustedadvisor/testdata/exposed-key.json", "Trusted Advisor Check Item Refresh Notification", "123456789012", "us-east-1", "no rule matched", tocsin.Unknown},
		{"macie/testdata/credentials.json", "Macie Finding", "111122223333", "eu-west-1", "Macie is looked at elsewhere", tocsin.High},
	} {
		s.accept(t, sampleEvent(t, tt.path))
		evs := s.events(t)
		ev := evs[len(evs)-1]
		if ev.Verdict != tocsin.Filtered || ev.Type != tt.typ || ev.Account != tt.account || ev.Region != tt.region || ev.Reason != tt.reason {
			t.Errorf("%s: %s (%s), %q of %s in %s", tt.path, ev.Verdict, ev.Reason, ev.Type, ev.Account, ev.Region)
		}
		if tt.reason == "no rule matched" && ev.Level != tt.level {
			t.Errorf("%s: %s, want %s", tt.path, ev.Level, tt.level)
		}
	}
}

func TestARulesKeyGoesBeforeTheDialects(t *testing.T) {
	t.Parallel()
	call := `{"detail":{"eventName":["CreateFilter"]}}`
	s := newScene(t, openSQLite).ruled(t, rules.Rule{Name: "filters", Pattern: parse(t, call), Alert: rules.Alert{Level: tocsin.Low, Key: []string{"$.detail.requestParameters.detectorId"}}})
	first := s.accept(t, sampleEvent(t, "cloudtrail/testdata/gd-hiding-filter.json"))[0]
	second := s.accept(t, sampleEvent(t, "cloudtrail/testdata/gd-sorting-filter.json"))[0]
	if first.Alert == 0 || first.Alert != second.Alert {
		t.Errorf("two filters of one detector: %+v, %+v", first, second)
	}
	if a := s.alerts(t)[0]; a.Key != "rule/filters/12abc34d567e8fa901bc2d34e56789f0" || a.Level != tocsin.Low || !strings.HasPrefix(a.Headline, "ops-admin") {
		t.Errorf("%s, %s: %s", a.Key, a.Level, a.Headline)
	}
	// Without one, another rule's alert of the same call is another.
	s.ruled(t, rules.Rule{Name: "other", Pattern: parse(t, call)})
	third := s.accept(t, sampleEvent(t, "cloudtrail/testdata/gd-hiding-filter.json", "0b9b1b6e", "1b9b1b6e"))[0]
	again := s.accept(t, sampleEvent(t, "cloudtrail/testdata/gd-hiding-filter.json", "0b9b1b6e", "2b9b1b6e", "12:00:00Z", "12:05:00Z"))[0]
	if third.Verdict != tocsin.Opened || again.Alert != third.Alert || again.Verdict != tocsin.Updated {
		t.Errorf("by another rule: %+v, then %+v", third, again)
	}
}

func TestSeveralFindingsInOneEventAreAlertsEach(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *store.Store) {
		s := newScene(t, open).ruled(t, rules.Rule{Name: "security-hub", Pattern: parse(t, `{"source":["aws.securityhub"]}`)})
		ev := sampleEvent(t, "securityhub/testdata/guardduty-several.json")
		r := s.accept(t, ev)[0]
		alerts := s.alerts(t)
		if r.Verdict != tocsin.Opened || len(alerts) != 4 || len(s.notifications(t)) != 4 {
			t.Fatalf("%s, %d alerts, %d notifications", r.Verdict, len(alerts), len(s.notifications(t)))
		}
		var others []string
		for _, a := range alerts {
			if a.ID == r.Alert {
				continue
			}
			others = append(others, fmt.Sprint(a.ID))
			var lines []tocsin.Entry
			check(t, s.store.View(t.Context(), func(tx *store.Tx) (err error) {
				lines, err = tx.Timeline(a.ID)
				return err
			}))
			if !slices.ContainsFunc(lines, func(e tocsin.Entry) bool {
				return e.Kind == "opened" && e.By == "sqs:org" && strings.Contains(e.Text, fmt.Sprintf("event %d", r.Seq))
			}) {
				t.Errorf("alert %d does not say what opened it: %+v", a.ID, lines)
			}
		}
		slices.Sort(others)
		if !strings.HasSuffix(r.Reason, "it tells of several: also of alert "+strings.Join(others, ", ")) {
			t.Errorf("reason %q, want alerts %v", r.Reason, others)
		}
		// One of them is over: the row of the journal shows the end, not what else is
		// the same as before.
		s.pass(time.Minute)
		changed := sampleEvent(t, "securityhub/testdata/guardduty-several.json")
		last := strings.LastIndex(string(changed.Raw), `"RecordState": "ACTIVE"`)
		changed.Raw = []byte(string(changed.Raw[:last]) + `"RecordState": "ARCHIVED"` + string(changed.Raw[last+len(`"RecordState": "ACTIVE"`):]))
		if r = s.accept(t, changed)[0]; r.Verdict != tocsin.Closed {
			t.Errorf("%+v", r)
		}
		closed := 0
		for _, a := range s.alerts(t) {
			if a.Status == tocsin.StatusClosed {
				closed++
			}
		}
		if closed != 1 {
			t.Errorf("%d alerts are closed, want one", closed)
		}
	})
}

// A finding that is below its account's minimum is left out, and its neighbours are not.
func TestTheMinimumIsEachFindingsOwn(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite).ruled(t, rules.Rule{Name: "security-hub", Pattern: parse(t, `{"source":["aws.securityhub"]}`)})
	r := s.accept(t, sampleEvent(t, "securityhub/testdata/guardduty-several.json", "123456789012", "111122223333"))[0]
	if got := len(s.alerts(t)); r.Verdict != tocsin.Opened || got != 2 {
		t.Errorf("%s, %d alerts; want the two that are medium", r.Verdict, got)
	}
}

// A sample finding that tocsin asked for comes by way of Security Hub as well: nobody
// is told of that copy, and it does not show that the way of findings is open.
func TestSecurityHubsCopyOfASampleIsACanaryThatHasNotArrived(t *testing.T) {
	t.Parallel()
	s := newScene(t, openSQLite).ruled(t, rules.Rule{Name: "security-hub", Pattern: parse(t, `{"source":["aws.securityhub"]}`)})
	asked := flying(s.now())
	asked.Place, asked.Sample = tocsin.Place{Account: "111111111111", Region: "us-east-2"}, "Stealth:IAMUser/CloudTrailLoggingDisabled"
	copied := sampleEvent(t, "securityhub/testdata/guardduty-delete-trail.json", `"Sample": false`, `"Sample": true`)
	s.send(t, asked)
	if r := s.accept(t, copied)[0]; r.Verdict != tocsin.Watched || !s.canary(t).ArrivedAt.IsZero() || len(s.alerts(t)) > 0 {
		t.Errorf("%+v, %+v, %d alerts", r, s.canary(t), len(s.alerts(t)))
	}
	// One that nobody asked for is told as all else is.
	if r := s.accept(t, sampleEvent(t, "securityhub/testdata/guardduty-delete-trail.json", `"Sample": false`, `"Sample": true`, "IAMUser-CloudTrailLoggingDisabled", "IAMUser-PasswordPolicyChange"))[0]; r.Verdict != tocsin.Opened {
		t.Errorf("a sample of another type: %+v", r)
	}
}
