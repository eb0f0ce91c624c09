package events_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/events"
)

// Every event that a dialect has among its test data is found by its envelope, and
// what is said of it in brief is what is said of it at length.
func TestTheListHasEveryDialect(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../*/testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../guardduty/testdata/notices/events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, path := range append(paths, more...) {
		dialect := strings.Split(filepath.ToSlash(path), "/")[1]
		switch dialect {
		case "trustedadvisor", "cloudtrail", "health", "securityhub", "inspector", "macie", "accessanalyzer", "guardduty":
		default:
			continue
		}
		seen[dialect] = true
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d := events.Find(gjson.GetBytes(raw, "source").Str, gjson.GetBytes(raw, "detail-type").Str)
		if d == nil {
			t.Errorf("%s: no dialect is found for it", path)
			continue
		}
		got, ok := d.Read(raw)
		if !ok || len(got.Detections) == 0 {
			t.Errorf("%s: the dialect that is found does not read it", path)
			continue
		}
		if d.Brief == nil {
			continue
		}
		brief, whole := d.Brief(raw), got.Detections[0]
		for _, same := range []struct{ what, brief, whole string }{
			{"account", brief.Account, whole.Account},
			{"region", brief.Region, whole.Region},
			{"level", strings.TrimPrefix(brief.Level.String(), "unknown"), whole.Level.String()},
		} {
			if same.brief != "" && same.brief != same.whole && !whole.Copied {
				t.Errorf("%s: in brief its %s is %q, at length %q", path, same.what, same.brief, same.whole)
			}
		}
	}
	if len(seen) != 8 {
		t.Errorf("only %v have test data", seen)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		source, detailType string
		want               bool
	}{
		{"aws.s3", "AWS API Call via CloudTrail", true},
		{"aws.guardduty", "AWS API Call via CloudTrail", true},
		{"my.app", "AWS API Call via CloudTrail", false},
		{"aws.guardduty", "GuardDuty Finding", false},
		{"aws.macie", "AWS Health Event", false},
		{"aws.ec2", "EC2 Instance State-change Notification", false},
		{"", "", false},
	} {
		if got := events.Find(tt.source, tt.detailType) != nil; got != tt.want {
			t.Errorf("Find(%q, %q) finds one: %v, want %v", tt.source, tt.detailType, got, tt.want)
		}
	}
}

func TestAScanIsQuiet(t *testing.T) {
	t.Parallel()
	got, ok := events.Find("aws.inspector2", "Inspector2 Scan").Read([]byte(`{}`))
	if !ok || got.Quiet == "" || len(got.Detections) > 0 {
		t.Errorf("%+v, %v", got, ok)
	}
}
