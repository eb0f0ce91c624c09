package generic_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/generic"
)

const signIn = `{"version":"0","id":"c0ffee","detail-type":"AWS Console Sign In via CloudTrail","source":"aws.signin","account":"111122223333",
	"time":"2026-06-12T02:40:00Z","region":"us-east-1","resources":["arn:aws:iam::111122223333:root"],
	"detail":{"userIdentity":{"type":"Root","accountId":"111122223333"},"count":3,"mfa":true,"tags":{"a/b":"x"}}}`

func TestAnEnvelopeSaysWhatItIs(t *testing.T) {
	t.Parallel()
	ev := generic.Read([]byte(signIn))
	if !ev.Envelope() {
		t.Error("it is not taken for an event of EventBridge")
	}
	at := time.Date(2026, 6, 12, 2, 40, 0, 0, time.UTC)
	want := tocsin.Detection{
		Key: "rule/root/c0ffee", Dialect: "generic", Type: "AWS Console Sign In via CloudTrail", ID: "c0ffee", Level: tocsin.Medium,
		Headline: "AWS Console Sign In via CloudTrail", Title: "AWS Console Sign In via CloudTrail",
		Account: "111122223333", Region: "us-east-1", FirstSeen: at, LastSeen: at, EventAt: at,
		Facts: []tocsin.Fact{{Name: "What", Value: "AWS Console Sign In via CloudTrail from aws.signin"}},
	}
	if diff := cmp.Diff(want, ev.Detection("root", nil)); diff != "" {
		t.Errorf("Detection (-want +got):\n%s", diff)
	}
}

func TestWhatIsNoEnvelope(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, event string }{
		{"an empty object", `{}`},
		{"a CloudWatch alarm as SNS brings it", `{"AlarmName":"cpu-high","NewStateValue":"ALARM","Region":"EU (Ireland)"}`},
		{"no source", `{"detail-type":"x","detail":{}}`},
		{"no detail-type", `{"source":"aws.x","detail":{}}`},
		{"the words deeper down", `{"detail":{"source":"a","detail-type":"b"}}`},
		{"nothing", ``},
	} {
		ev := generic.Read([]byte(tt.event))
		if ev.Envelope() {
			t.Errorf("%s is taken for an event of EventBridge", tt.name)
		}
		if d := ev.Detection("r", nil); tt.name != "no source" && d.Title != "event without a type" {
			t.Errorf("%s: Title = %q", tt.name, d.Title)
		}
	}
}

func TestWhichEventsAreOneAlert(t *testing.T) {
	t.Parallel()
	key := func(event, rule string, keys ...string) tocsin.Key {
		return generic.Read([]byte(event)).Detection(rule, keys).Key
	}
	for _, tt := range []struct {
		name string
		got  tocsin.Key
		want tocsin.Key
	}{
		{"without keys each event is its own, by its id", key(signIn, "root"), "rule/root/c0ffee"},
		{"a path", key(signIn, "root", "$.detail.userIdentity.accountId"), "rule/root/111122223333"},
		{"two paths, in order", key(signIn, "root", "$.account", "$.detail.userIdentity.type"), "rule/root/111122223333/Root"},
		{"a place in a list", key(signIn, "root", "$.resources.0"), "rule/root/arn:aws:iam::111122223333:root"},
		{"numbers and booleans as they are written", key(signIn, "root", "$.detail.count", "$.detail.mfa"), "rule/root/3/true"},
		{"a path that leads nowhere is empty", key(signIn, "root", "$.detail.nothing"), "rule/root/"},
		{"a slash in a name cannot pass for two parts", key(signIn, "a/b"), "rule/a~1b/c0ffee"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: key %q, want %q", tt.name, tt.got, tt.want)
		}
	}
	anonymous, other := key(`{"a":1}`, "r"), key(`{"a":2}`, "r")
	if anonymous == other || anonymous != key(`{"a":1}`, "r") || len(anonymous) != len("rule/r/")+32 {
		t.Errorf("events without an id are told apart by their bytes: %q, %q", anonymous, other)
	}
	long := func(end string) string { return `{"id":"` + strings.Repeat("x", 100_000) + end + `"}` }
	for _, keys := range [][]string{nil, {"$.id"}} { // an index of a database takes some thousand bytes
		a, b := key(long("a"), "r", keys...), key(long("b"), "r", keys...)
		if a == b || len(a) > 1000 || a != key(long("a"), "r", keys...) {
			t.Errorf("long texts: keys of %d bytes, alike: %v", len(a), a == b)
		}
	}
	if got := key(`{"id":"a\u0000\u001b[31mb"}`, "r", "$.id"); got != "rule/r/a  [31mb" {
		t.Errorf("control characters: %q", got)
	}
	if key(signIn, "one", "$.account") == key(signIn, "two", "$.account") {
		t.Error("two rules share an alert")
	}
}

func TestTextsAreOneLineEach(t *testing.T) {
	t.Parallel()
	ev := generic.Read([]byte(`{"id":"a\u001b]0;gone\u0007b","detail-type":"two\nlines\u0000\u009b31m","source":"\u202Egro.live","account":"1\r2","region":"\u2028x","time":"yesterday"}`))
	d := ev.Detection("r", nil)
	for name, text := range map[string]string{
		"ID": d.ID, "Type": d.Type, "Title": d.Title, "Headline": d.Headline, "Account": d.Account, "Region": d.Region, "What": d.Facts[0].Value,
	} {
		if strings.ContainsAny(text, "\x00\x07\x1b\n\r\u009b\u2028\u202e") {
			t.Errorf("%s = %q", name, text)
		}
	}
	if d.Type != "two lines  31m" || !d.FirstSeen.IsZero() {
		t.Errorf("Type, FirstSeen = %q, %v", d.Type, d.FirstSeen)
	}
	if d := generic.Read([]byte("{\"detail-type\":\"bad \xff utf-8\",\"source\":\"s\"}")).Detection("r", nil); d.Type != "bad \uFFFD utf-8" {
		t.Errorf("Type = %q", d.Type)
	}
	for _, event := range []string{`{"id":5,"source":["a"],"detail-type":{"b":1},"account":null,"time":7}`, `[1,2]`, `"text"`, `{"id"`} {
		_ = generic.Read([]byte(event)).Detection("r", []string{"$.id"}) // whatever it is, it is no panic
	}
}
