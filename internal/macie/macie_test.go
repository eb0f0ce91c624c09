package macie_test

import (
	"flag"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/macie"
	"github.com/tocsin-sec/tocsin/internal/wording/wordingtest"
)

var (
	update  = flag.Bool("update", false, "write the golden files anew")
	dialect = wordingtest.Dialect{Read: wordingtest.One(macie.Read)}
)

func TestFindingsInWords(t *testing.T) { t.Parallel(); dialect.Golden(t, *update) }

func TestHostileTexts(t *testing.T) { t.Parallel(); dialect.Harmless(t) }

func FuzzRead(f *testing.F) { dialect.Fuzz(f) }

func TestLevels(t *testing.T) {
	t.Parallel()
	for severity, want := range map[string]tocsin.Level{
		`{"score":3,"description":"High"}`: tocsin.High, `{"score":2}`: tocsin.Medium, `{"score":1,"description":"Low"}`: tocsin.Low, `{"score":9}`: tocsin.Unknown, `null`: tocsin.Unknown,
	} {
		if _, got := macie.Brief(gjson.Parse(`{"severity":` + severity + `}`)); got != want {
			t.Errorf("%s is %s, want %s", severity, got, want)
		}
	}
}

func TestAFindingsLife(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a, _ := tocsin.Alert{}.Fold(dialect.Detection(t, "bucket-public"), now)
	for _, step := range []struct {
		name    string
		change  []string
		verdict tocsin.Verdict
		count   int64
	}{
		{"on the member's own bus", []string{`"account": "222233334444"`, `"account": "111122223333"`}, tocsin.Appended, 3},
		{"again", []string{`"count": 3`, `"count": 4`, `"updatedAt": "2026-03-01T11`, `"updatedAt": "2026-03-01T13`}, tocsin.Updated, 4},
		{"archived", []string{`"count": 3`, `"count": 4`, `"updatedAt": "2026-03-01T11`, `"updatedAt": "2026-03-01T13`, `"archived": false`, `"archived": true`}, tocsin.Closed, 4},
	} {
		d := dialect.Detection(t, "bucket-public", step.change...)
		var act tocsin.Activity
		if a, act = a.Fold(d, now); act.Verdict != step.verdict || a.Occurrences != step.count {
			t.Errorf("%s: %s, %d times; want %s, %d", step.name, act.Verdict, a.Occurrences, step.verdict, step.count)
		}
	}
}

func TestWhatIsNoFinding(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `{}`,
		`{"source":"aws.macie","detail-type":"Macie Alert","detail":{"id":"a"}}`,
		`{"source":"mine","detail-type":"Macie Finding","detail":{"id":"a"}}`,
		`{"source":"aws.macie","detail-type":"Macie Finding","detail":{}}`,
	} {
		if d, ok := macie.Read([]byte(raw)); ok {
			t.Errorf("%s is read as %+v", raw, d)
		}
	}
}
