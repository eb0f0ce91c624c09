package trustedadvisor_test

import (
	"flag"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/trustedadvisor"
	"github.com/tocsin-sec/tocsin/internal/wording/wordingtest"
)

var (
	update  = flag.Bool("update", false, "write the golden files anew")
	dialect = wordingtest.Dialect{Read: wordingtest.One(trustedadvisor.Read)}
)

func TestChecksInWords(t *testing.T) { t.Parallel(); dialect.Golden(t, *update) }

func TestHostileTexts(t *testing.T) { t.Parallel(); dialect.Harmless(t) }

func FuzzRead(f *testing.F) { dialect.Fuzz(f) }

func TestHowBadItIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, sample, status string
		level                tocsin.Level
		over                 bool
	}{
		{"a key that was found outside is critical", "exposed-key", "ERROR", tocsin.Critical, false},
		{"a key that is watched is critical as well", "exposed-key", "WARN", tocsin.Critical, false},
		{"an open bucket", "public-bucket", "ERROR", tocsin.High, false},
		{"a bucket to look at", "public-bucket", "WARN", tocsin.Medium, false},
		{"a bucket that is closed again", "public-bucket", "OK", tocsin.Informational, true},
		{"a colour that is new", "public-bucket", "PURPLE", tocsin.Unknown, false},
	} {
		d := dialect.Detection(t, tt.sample, `"ERROR"`, `"`+tt.status+`"`)
		if d.Level != tt.level || d.Over != tt.over {
			t.Errorf("%s: %s, over %v; want %s, %v", tt.name, d.Level, d.Over, tt.level, tt.over)
		}
	}
}

func TestRefreshesAreOneAlertAndOKIsItsEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	open := dialect.Detection(t, "public-bucket")
	a, act := tocsin.Alert{}.Fold(dialect.Detection(t, "public-bucket-closed"), now)
	if act.Verdict != tocsin.Ignored {
		t.Fatalf("what was never open: %s", act.Verdict)
	}
	for _, step := range []struct {
		d       tocsin.Detection
		verdict tocsin.Verdict
	}{
		{open, tocsin.Opened},
		{dialect.Detection(t, "public-bucket", "2026-03-01T12", "2026-03-01T18", "bb12345f", "ee12345f"), tocsin.Updated},
		{dialect.Detection(t, "public-bucket-closed"), tocsin.Closed},
	} {
		now = now.Add(time.Minute)
		if a, act = a.Fold(step.d, now); act.Verdict != step.verdict {
			t.Errorf("%s: %s, want %s", step.d.UpdatedAt, act.Verdict, step.verdict)
		}
	}
	if a.Headline != open.Headline || a.CloseReason != tocsin.ReasonRecovered {
		t.Errorf("closed, it says %q, %s", a.Headline, a.CloseReason)
	}
	if other := dialect.Detection(t, "public-bucket", "payments-exports", "other"); other.Key == open.Key {
		t.Error("two buckets are one alert")
	}
	if other := dialect.Detection(t, "public-bucket", "111122223333", "444455556666"); other.Key == open.Key || other.Account != "444455556666" {
		t.Error("two accounts are one alert")
	}
}

func TestWhatIsNoCheck(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `{}`, `[]`,
		`{"source":"mine","detail-type":"Trusted Advisor Check Item Refresh Notification","detail":{"check-name":"a","status":"WARN"}}`,
		`{"source":"aws.trustedadvisor","detail-type":"AWS API Call via CloudTrail","detail":{"eventName":"a"}}`,
		`{"source":"aws.trustedadvisor","detail-type":"Trusted Advisor Check Item Refresh Notification","detail":{"status":"WARN"}}`,
		`{"source":"aws.trustedadvisor","detail-type":"Trusted Advisor Check Item Refresh Notification","detail":{"check-name":"a"}}`,
	} {
		if d, ok := trustedadvisor.Read([]byte(raw)); ok {
			t.Errorf("%s is read as %+v", raw, d)
		}
	}
}
