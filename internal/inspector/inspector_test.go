package inspector_test

import (
	"flag"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/inspector"
	"github.com/tocsin-sec/tocsin/internal/wording/wordingtest"
)

var (
	update  = flag.Bool("update", false, "write the golden files anew")
	dialect = wordingtest.Dialect{Read: wordingtest.One(inspector.Read)}
)

func TestFindingsInWords(t *testing.T) { t.Parallel(); dialect.Golden(t, *update) }

func TestHostileTexts(t *testing.T) { t.Parallel(); dialect.Harmless(t) }

func FuzzRead(f *testing.F) { dialect.Fuzz(f) }

func TestAFindingsLife(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a, act := tocsin.Alert{}.Fold(dialect.Detection(t, "ec2-log4j", `"ACTIVE"`, `"CLOSED"`), now)
	if act.Verdict != tocsin.Ignored {
		t.Errorf("the end of what was never open: %s", act.Verdict)
	}
	for _, step := range []struct {
		status, at string
		verdict    tocsin.Verdict
	}{
		{"ACTIVE", "2026-03-01T11:59", tocsin.Opened},
		{"ACTIVE", "2026-03-01T11:59", tocsin.Appended},
		{"ACTIVE", "2026-03-01T12:59", tocsin.Updated},
		{"CLOSED", "2026-03-01T13:59", tocsin.Closed},
	} {
		now = now.Add(time.Minute)
		if a, act = a.Fold(dialect.Detection(t, "ec2-log4j", `"ACTIVE"`, `"`+step.status+`"`, "2026-03-01T11:59", step.at), now); act.Verdict != step.verdict {
			t.Errorf("%s at %s: %s, want %s", step.status, step.at, act.Verdict, step.verdict)
		}
	}
	if a.CloseReason != tocsin.ReasonRecovered || a.Headline != "CVE-2021-44228 (log4j-core) in EC2 payments-api-1" {
		t.Errorf("closed as %s, it says %q", a.CloseReason, a.Headline)
	}
	if d := dialect.Detection(t, "ec2-log4j", `"ACTIVE"`, `"SUPPRESSED"`); d.OverReason != "archived" {
		t.Errorf("suppressed, it is over as %q", d.OverReason)
	}
}

func TestDatesAsTheDocumentationHasThem(t *testing.T) {
	t.Parallel()
	if d := dialect.Detection(t, "ecr-package"); !d.UpdatedAt.Equal(time.Date(2021, 12, 3, 18, 2, 30, 0, time.UTC)) || !d.FirstSeen.Equal(d.UpdatedAt) {
		t.Errorf("updated %s, first seen %s", d.UpdatedAt, d.FirstSeen)
	}
}

func TestBriefSaysWhoseItIsAndHowBad(t *testing.T) {
	t.Parallel()
	account, level := inspector.Brief(gjson.GetBytes(dialect.Sample(t, "ec2-log4j"), "detail"))
	if account != "111122223333" || level != tocsin.Critical {
		t.Errorf("%s, %s", account, level)
	}
}

func TestWhatIsNoFinding(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `{}`,
		`{"source":"aws.inspector2","detail-type":"Inspector2 Scan","detail":{"findingArn":"a"}}`,
		`{"source":"mine","detail-type":"Inspector2 Finding","detail":{"findingArn":"a"}}`,
		`{"source":"aws.inspector2","detail-type":"Inspector2 Finding","detail":{}}`,
	} {
		if d, ok := inspector.Read([]byte(raw)); ok {
			t.Errorf("%s is read as %+v", raw, d)
		}
	}
}
