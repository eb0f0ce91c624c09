package guardduty

import (
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording/wordingtest"
)

var notices = wordingtest.Dialect{Dir: "testdata/notices/events", Read: wordingtest.One(func(raw []byte) (tocsin.Detection, bool) {
	d, _, ok := ReadNotice(raw)
	return d, ok
})}

func TestNoticesInWords(t *testing.T) { t.Parallel(); notices.Golden(t, *update) }

func TestNoticesWithHostileTexts(t *testing.T) { t.Parallel(); notices.Harmless(t) }

func FuzzReadNotice(f *testing.F) { notices.Fuzz(f) }

func readNotice(t *testing.T, name string, change ...string) (tocsin.Detection, string) {
	t.Helper()
	d, quiet, ok := ReadNotice([]byte(strings.NewReplacer(change...).Replace(string(notices.Sample(t, name)))))
	if !ok {
		t.Fatalf("%s is not read", name)
	}
	return d, quiet
}

func TestWhatIsUnhealthyIsOneAlertUntilItIsHealthy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		steps []string
		want  []tocsin.Verdict
	}{
		{"a cluster", []string{"runtime-eks-healthy", "runtime-eks-unhealthy", "runtime-eks-healthy"}, []tocsin.Verdict{tocsin.Ignored, tocsin.Opened, tocsin.Closed}},
		{"a bucket", []string{"bucket-warning", "bucket-error", "bucket-active"}, []tocsin.Verdict{tocsin.Opened, tocsin.Updated, tocsin.Closed}},
	} {
		var a tocsin.Alert
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for i, name := range tt.steps {
			d, quiet := readNotice(t, name)
			var act tocsin.Activity
			now = now.Add(time.Minute)
			if a, act = a.Fold(d, now); act.Verdict != tt.want[i] || quiet != "" {
				t.Errorf("%s, %s: %s, quiet %q; want %s", tt.name, name, act.Verdict, quiet, tt.want[i])
			}
		}
	}
}

func TestScanResults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sample, status string
		level          tocsin.Level
		quiet          bool
	}{
		{"object-threats", "THREATS_FOUND", tocsin.High, false},
		{"object-threats", "NO_THREATS_FOUND", tocsin.Informational, true},
		{"object-threats", "ACCESS_DENIED", tocsin.Low, false},
		{"object-threats", "FAILED", tocsin.Low, false},
		{"object-threats", "UNSUPPORTED", tocsin.Low, false},
	} {
		d, quiet := readNotice(t, tt.sample, `"THREATS_FOUND"`, `"`+tt.status+`"`)
		if d.Level != tt.level || (quiet != "") != tt.quiet {
			t.Errorf("%s: %s, quiet %q", tt.status, d.Level, quiet)
		}
	}
}

func TestWhatIsNoNotice(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `{}`,
		`{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":{"id":"f"}}`,
		`{"source":"mine","detail-type":"GuardDuty Runtime Protection Unhealthy","detail":{"resourceDetails":{"eksClusterDetails":{"clusterName":"a"}}}}`,
		`{"source":"aws.guardduty","detail-type":"GuardDuty Runtime Protection Unhealthy","detail":{}}`,
		`{"source":"aws.guardduty","detail-type":"GuardDuty Malware Protection Object Scan Result","detail":{}}`,
		`{"source":"aws.guardduty","detail-type":"GuardDuty Malware Protection Resource Status Error","detail":{}}`,
		`{"source":"aws.guardduty","detail-type":"GuardDuty Malware Protection Post Scan Action Failed","detail":{}}`,
	} {
		if d, _, ok := ReadNotice([]byte(raw)); ok {
			t.Errorf("%s is read as %+v", raw, d)
		}
	}
	for _, name := range []string{"object-threats", "runtime-eks-unhealthy"} {
		if _, ok, err := Read(notices.Sample(t, name)); ok || err != nil {
			t.Errorf("%s passes for a finding: %v", name, err)
		}
	}
}
