package accessanalyzer_test

import (
	"flag"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/accessanalyzer"
	"github.com/tocsin-sec/tocsin/internal/wording/wordingtest"
)

var (
	update  = flag.Bool("update", false, "write the golden files anew")
	dialect = wordingtest.Dialect{Read: wordingtest.One(accessanalyzer.Read)}
)

func TestFindingsInWords(t *testing.T) { t.Parallel(); dialect.Golden(t, *update) }

func TestHostileTexts(t *testing.T) { t.Parallel(); dialect.Harmless(t) }

func FuzzRead(f *testing.F) { dialect.Fuzz(f) }

func TestLevels(t *testing.T) {
	t.Parallel()
	for detail, want := range map[string]tocsin.Level{
		`{"isPublic":true}`: tocsin.High, `{"isPublic":false}`: tocsin.Medium, `{"findingType":"InternalAccess"}`: tocsin.Medium,
		`{"findingType":"UnusedIAMRole"}`: tocsin.Low, `{"isPublic":false,"error":"ACCESS_DENIED"}`: tocsin.Low,
	} {
		if _, got := accessanalyzer.Brief(gjson.Parse(detail)); got != want {
			t.Errorf("%s is %s, want %s", detail, got, want)
		}
	}
}

func TestAFindingsLife(t *testing.T) {
	t.Parallel()
	now := time.Date(2019, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, end := range map[string]struct {
		change []string
		reason tocsin.Reason
	}{
		"resolved": {[]string{`"ACTIVE"`, `"RESOLVED"`}, tocsin.ReasonRecovered},
		"archived": {[]string{`"ACTIVE"`, `"ARCHIVED"`}, tocsin.ReasonArchived},
		"deleted":  {[]string{`"isDeleted": false`, `"isDeleted": true`}, tocsin.ReasonRecovered},
	} {
		a, _ := tocsin.Alert{}.Fold(dialect.Detection(t, "external"), now)
		a, act := a.Fold(dialect.Detection(t, "external", append(end.change, "2019-11-21T01:22:33Z", "2019-11-21T02:22:33Z")...), now.Add(time.Hour))
		if act.Verdict != tocsin.Closed || a.CloseReason != end.reason {
			t.Errorf("%s: %s as %s, want closed as %s", name, act.Verdict, a.CloseReason, end.reason)
		}
	}
}

func TestWhatIsNoFinding(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `{}`,
		`{"source":"aws.access-analyzer","detail-type":"Access Preview State Change","detail":{"id":"a","resource":"b"}}`,
		`{"source":"mine","detail-type":"Access Analyzer Finding","detail":{"id":"a","resource":"b"}}`,
		`{"source":"aws.access-analyzer","detail-type":"Access Analyzer Finding","detail":{"id":"a"}}`,
		`{"source":"aws.access-analyzer","detail-type":"Access Analyzer Finding","detail":{"resource":"b"}}`,
	} {
		if d, ok := accessanalyzer.Read([]byte(raw)); ok {
			t.Errorf("%s is read as %+v", raw, d)
		}
	}
}
