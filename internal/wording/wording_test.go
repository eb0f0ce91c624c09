package wording_test

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

func TestTimesAsAWSWritesThem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"2021-11-21T01:22:22Z", "2021-11-21T01:22:22Z"},
		{"2025-04-08T03:18:43.509465073Z", "2025-04-08T03:18:43.509Z"},
		{"2017-04-18T00:21:12.059000", "2017-04-18T00:21:12.059Z"},
		{"Fri, 27 Jan 2023 06:02:51 GMT", "2023-01-27T06:02:51Z"},
		{"Fri, 3 Jun 2022 05:01:10 GMT", "2022-06-03T05:01:10Z"},
		{"Sat, 05 Jun 2016 15:10:09 GMT", "2016-06-05T15:10:09Z"}, // it was a Sunday
		{"Dec 3, 2021, 6:02:30 PM", "2021-12-03T18:02:30Z"},
		{"Dec 3, 2021, 6:02:30\u202fPM", "2021-12-03T18:02:30Z"},
		{"1440453299248", "2015-08-24T21:54:59.248Z"},
		{"yesterday", "0001-01-01T00:00:00Z"},
		{"", "0001-01-01T00:00:00Z"},
		{strings.Repeat("9", 100), "0001-01-01T00:00:00Z"},
	} {
		if got := wording.Instant(tt.text).Format("2006-01-02T15:04:05.999Z07:00"); got != tt.want {
			t.Errorf("Instant(%q) = %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	ev, ok := wording.Read([]byte(`{"id":"e","detail-type":"A\nB","source":"aws.x","account":"111122223333","region":"eu-west-1","time":"2026-03-01T12:00:00Z","resources":["r",1,{}],"detail":{"a":1}}`))
	if !ok || ev.DetailType != "A B" || ev.Account != "111122223333" || len(ev.Resources) != 2 || ev.Time.IsZero() || ev.Detail.Get("a").Int() != 1 {
		t.Errorf("read as %+v, %v", ev, ok)
	}
	for _, raw := range []string{``, `[]`, `{}`, `{"detail-type":"a","source":"b"}`, `{"detail-type":"a","source":"b","detail":"c"}`, `{"detail-type":"a","source":"b","detail":{}`} {
		if _, ok := wording.Read([]byte(raw)); ok {
			t.Errorf("%s is an event", raw)
		}
	}
}

func TestNamesOfParametersInAnyCase(t *testing.T) {
	t.Parallel()
	v := gjson.Parse(`{"DetectorID":"other","detectorId":"exact","AccountIds":["1"]}`)
	if got := wording.Get(v, "detectorId").Str; got != "exact" {
		t.Errorf("detectorId is %q", got)
	}
	if got := wording.Texts(wording.Get(v, "accountIds"), 5); len(got) != 1 {
		t.Errorf("accountIds are %v", got)
	}
	if wording.Get(v, "none").Exists() || wording.Get(gjson.Parse(`[1]`), "a").Exists() || wording.At(v, "a", "b").Exists() {
		t.Error("what is not there exists")
	}
}

func TestAccountsAndTruths(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{`"111122223333"`: "111122223333", `11122223333`: "011122223333", `{}`: "", `null`: ""} {
		if got := wording.Account(gjson.Parse(raw)); got != want {
			t.Errorf("account %s is %q, want %q", raw, got, want)
		}
	}
	for raw, want := range map[string][2]bool{`true`: {true, true}, `"False"`: {false, true}, `"x"`: {false, false}, `1`: {true, true}, `{}`: {false, false}} {
		if yes, known := wording.Truth(gjson.Parse(raw)); yes != want[0] || known != want[1] {
			t.Errorf("%s is %v, %v", raw, yes, known)
		}
	}
	for raw, want := range map[string]float64{`1.5`: 1.5, `"7"`: 7, `"NaN"`: 0, `1e300`: 0, `[]`: 0} {
		if got := wording.Number(gjson.Parse(raw)); got != want {
			t.Errorf("%s is %v, want %v", raw, got, want)
		}
	}
}

func TestCommandsThatCannotBeTurned(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, got, want string }{
		{"a plain one", wording.NewCommand("aws x y").Option("--name", "a b").In("eu-west-1").String(), `aws x y --name 'a b' --region eu-west-1`},
		{"a quote", wording.NewCommand("aws x y").Option("--name", "a'; rm -rf / #").String(), `aws x y --name 'a'\''; rm -rf / #'`},
		{"an option for a value", wording.NewCommand("aws x y").Option("--name", "--endpoint-url").String(), `aws x y --name='--endpoint-url'`},
		{"a file for a value", wording.NewCommand("aws x y").Option("--name", "file:///etc/passwd").String(), ""},
		{"nothing for a value", wording.NewCommand("aws x y").Option("--name", "").String(), ""},
		{"a region that is none", wording.NewCommand("aws x y").In("eu; rm").String(), "aws x y"},
		{"CloudTrail", wording.LookupEvents("Username", "ana@example.com", "eu-west-1"), `aws cloudtrail lookup-events --lookup-attributes 'AttributeKey=Username,AttributeValue=ana@example.com' --max-results 50 --region eu-west-1`},
		{"a comma for CloudTrail", wording.LookupEvents("Username", "a,AttributeKey=b", "eu-west-1"), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, tt.got, tt.want)
		}
	}
}

func TestConsole(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ got, want string }{
		{wording.Console("aws", "macie/home", "eu-west-1", "findings"), "https://console.aws.amazon.com/macie/home?region=eu-west-1#findings"},
		{wording.Console("aws-cn", "macie/home", "", ""), "https://console.amazonaws.cn/macie/home"},
		{wording.Console("aws-iso", "macie/home", "", ""), ""},
		{wording.Console("aws", "macie/home", "eu west", ""), ""},
		{wording.Console("aws", "macie/home", "eu-west-1", `"onclick=`), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

func TestSmallWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ got, want string }{
		{wording.Sentence("INSTANCE_STORE_DRIVE_PERFORMANCE_DEGRADED"), "instance store drive performance degraded"},
		{wording.Sentence("EBS_VOLUME_LOST"), "EBS volume lost"},
		{wording.Some(2, []string{"a", "b", "a", "", "c"}), "a, b and 1 more"},
		{wording.Some(2, nil), ""},
		{wording.Plural(1, "account"), "1 account"},
		{wording.Plural(3, "account"), "3 accounts"},
		{wording.Join(", ", "", "a", "", "b"), "a, b"},
		{wording.Name("arn:aws:iam::111122223333:user/path/ana"), "ana"},
		{wording.Name("arn:aws:s3:::my-bucket"), "my-bucket"},
		{wording.Name("i-0abc"), "i-0abc"},
		{wording.Middle("abcdefghijklmnopqrstuvwxyz", 10), "abcdef…xyz"},
		{wording.Partition("us-gov-west-1"), "aws-us-gov"},
		{wording.Partition(""), "aws"},
		{wording.Level("HIGH").String(), "high"},
		{wording.Level("Moderate").String(), "medium"},
		{wording.Level("UNTRIAGED").String(), "unknown"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
	long := strings.Repeat("é", 400)
	if a, b := wording.Identity(long+"a"), wording.Identity(long+"b"); a == b || len(a) > 200 {
		t.Errorf("identities %q and %q", a, b)
	}
}

func TestProseHasNoLinkThatWorks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"see https://evil.example/x":        "see hxxps://evil[.]example/x",
		"www.evil.examplehttps://b.example": "www[.]evil[.]examplehxxps://b[.]example",
		"https://a…HTTPS://b.example":       "hxxps://a…hxxpS://b.example",
		"nothing here":                      "nothing here",
	} {
		if got := wording.Prose(text, 100); got != want {
			t.Errorf("Prose(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestFactsHaveLimits(t *testing.T) {
	t.Parallel()
	var f wording.Facts
	f.Add("Nothing", "")
	f.Add("Link", "see https://evil.example/\x1b[31m"+strings.Repeat("x", 500))
	for range 20 {
		f.Add("More", "y")
	}
	if len(f) != wording.MaxFacts || !strings.HasPrefix(f[0].Value, "see hxxps://evil[.]example/ [31mxxx") || len([]rune(f[0].Value)) != wording.MaxFact {
		t.Errorf("%d facts, first %v", len(f), f[0])
	}
	_ = []tocsin.Fact(f)
}

func TestLike(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, pattern string
		want          bool
	}{
		{"arn:aws:sqs:eu-west-1:111122223333:tocsin", "arn:aws:sqs:*:111122223333:*", true},
		{"arn:aws:sqs:eu-west-1:111122223333:tocsin", "arn:aws:sns:*", false},
		{"abcabd", "*ab?", true},
		{"abcab", "*ab?", false},
		{"é", "?", true},
		{"", "*", true},
		{"", "?", false},
		{"aa", "a", false},
		{"a", "a**", true},
	} {
		if got := wording.Like(tt.text, tt.pattern); got != tt.want {
			t.Errorf("Like(%q, %q) = %v, want %v", tt.text, tt.pattern, got, tt.want)
		}
	}
}
