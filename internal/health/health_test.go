package health_test

import (
	"flag"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/health"
	"github.com/tocsin-sec/tocsin/internal/wording/wordingtest"
)

var (
	update  = flag.Bool("update", false, "write the golden files anew")
	dialect = wordingtest.Dialect{Read: wordingtest.One(health.Read)}
)

func TestEventsInWords(t *testing.T) { t.Parallel(); dialect.Golden(t, *update) }

func TestHostileTexts(t *testing.T) { t.Parallel(); dialect.Harmless(t) }

func FuzzRead(f *testing.F) { dialect.Fuzz(f) }

func TestAllThatIsSentOfOneEventIsOneAlert(t *testing.T) {
	t.Parallel()
	first := dialect.Detection(t, "abuse")
	now := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	a, act := tocsin.Alert{}.Fold(first, now)
	if act.Verdict != tocsin.Opened || act.Tell != tocsin.TellOpened {
		t.Fatalf("the first: %+v", act)
	}
	for _, step := range []struct {
		name    string
		change  []string
		verdict tocsin.Verdict
	}{
		{"the backup in another region", []string{`"region": "us-east-1"`, `"region": "us-west-2"`, `"backupEvent": "false"`, `"backupEvent": "true"`, "7bf73129", "8bf73129"}, tocsin.Appended},
		{"on the account's own bus", []string{`"account": "222233334444"`, `"account": "111122223333"`}, tocsin.Appended},
		{"the second page", []string{`"page": "1"`, `"page": "2"`, `"totalPages": "1"`, `"totalPages": "2"`, "i-0abc", "i-0eee"}, tocsin.Appended},
		{"an update", []string{`"lastUpdatedTime": "Sun, 1 Mar 2026 05:30`, `"lastUpdatedTime": "Sun, 1 Mar 2026 07:30`, "45678-1", "45678-2"}, tocsin.Updated},
		{"the end", []string{`"lastUpdatedTime": "Sun, 1 Mar 2026 05:30`, `"lastUpdatedTime": "Sun, 1 Mar 2026 09:30`, "45678-1", "45678-3", `"statusCode": "open"`, `"statusCode": "closed"`}, tocsin.Closed},
		{"the end, once more as a backup", []string{`"lastUpdatedTime": "Sun, 1 Mar 2026 05:30`, `"lastUpdatedTime": "Sun, 1 Mar 2026 09:30`, `"statusCode": "open"`, `"statusCode": "closed"`, `"backupEvent": "false"`, `"backupEvent": "true"`}, tocsin.Ignored},
	} {
		d := dialect.Detection(t, "abuse", step.change...)
		if d.Key != first.Key || d.Region != "us-east-1" || d.Account != "111122223333" {
			t.Errorf("%s: %s in %s of %s", step.name, d.Key, d.Region, d.Account)
		}
		now = now.Add(time.Minute)
		if a, act = a.Fold(d, now); act.Verdict != step.verdict {
			t.Errorf("%s: %s, want %s", step.name, act.Verdict, step.verdict)
		}
	}
	if a.Occurrences != 1 || a.Status != tocsin.StatusClosed {
		t.Errorf("it happened %d times and is %s", a.Occurrences, a.Status)
	}
}

func TestAnEventConcernsEachAccountByItself(t *testing.T) {
	t.Parallel()
	if a, b := dialect.Detection(t, "public-issue"), dialect.Detection(t, "public-issue", `"affectedAccount": "123456789012"`, `"affectedAccount": "444455556666"`); a.Key == b.Key || b.Account != "444455556666" {
		t.Errorf("%s and %s", a.Key, b.Key)
	}
}

func TestBriefSaysWhomItConcerns(t *testing.T) {
	t.Parallel()
	detail := gjson.GetBytes(dialect.Sample(t, "backup-of-account-issue"), "detail")
	if account, region := health.Brief(detail); account != "123456789012" || region != "us-east-1" {
		t.Errorf("%s, %s", account, region)
	}
}

func TestWhatIsNoHealthEvent(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `{}`,
		`{"source":"awsmock.health","detail-type":"AWS Health Abuse Event","detail":{"eventArn":"a","eventTypeCode":"b"}}`,
		`{"source":"aws.health","detail-type":"AWS API Call via CloudTrail","detail":{"eventArn":"a","eventTypeCode":"b"}}`,
		`{"source":"aws.health","detail-type":"AWS Health Event","detail":{"eventArn":"a"}}`,
		`{"source":"aws.health","detail-type":"AWS Health Event","detail":{"eventTypeCode":"b"}}`,
	} {
		if d, ok := health.Read([]byte(raw)); ok {
			t.Errorf("%s is read as %+v", raw, d)
		}
	}
}
