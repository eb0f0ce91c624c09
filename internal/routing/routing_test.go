package routing_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/pattern"
)

var update = flag.Bool("update", false, "write golden files anew")

func parse(t testing.TB, text string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var accounts = map[string]tocsin.Account{
	"111122223333": {ID: "111122223333", Name: "payments-prod", Team: "payments", Environment: "prod", Receivers: []string{"payments-mail", "soc"}},
	"444455556666": {ID: "444455556666", Name: "sandbox"},
}

func alert(account string, level tocsin.Level) tocsin.Alert {
	return tocsin.Alert{Status: tocsin.StatusOpen, Detection: tocsin.Detection{Account: account, Level: level, Type: "Backdoor:EC2/Spambot"}}
}

func TestWhoIsTold(t *testing.T) {
	t.Parallel()
	critical := routing.Route{Name: "critical", Pattern: parse(t, `{"level":["critical"]}`), Receivers: []string{"pager", "soc"}}
	onward := critical
	onward.Continue = true
	payments := routing.Route{Pattern: parse(t, `{"team":["payments"]}`), Receivers: []string{"soc", "payments-slack"}}
	everything := routing.Route{Name: "everything", Receivers: []string{"archive"}, Continue: true}
	for _, tt := range []struct {
		name   string
		routes []routing.Route
		alert  tocsin.Alert
		want   []routing.Target
	}{
		{"the first route that matches decides", []routing.Route{critical, payments}, alert("111122223333", tocsin.Critical), []routing.Target{{Receiver: "pager", Why: "critical"}, {Receiver: "soc", Why: "critical"}}},
		{"with continue the next has its say, and each receiver hears it once, by the first way", []routing.Route{onward, payments}, alert("111122223333", tocsin.Critical), []routing.Target{{Receiver: "pager", Why: "critical"}, {Receiver: "soc", Why: "critical"}, {Receiver: "payments-slack", Why: "route 2"}}},
		{"a route without a name has its number", []routing.Route{critical, payments}, alert("111122223333", tocsin.Low), []routing.Target{{Receiver: "soc", Why: "route 2"}, {Receiver: "payments-slack", Why: "route 2"}}},
		{"a route without a pattern takes everything", []routing.Route{everything}, alert("", tocsin.Unknown), []routing.Target{{Receiver: "archive", Why: "everything"}}},
		{"continue after the last route does not bring in the account", []routing.Route{everything}, alert("111122223333", tocsin.Low), []routing.Target{{Receiver: "archive", Why: "everything"}}},
		{"order is that of the list, patterns or none", []routing.Route{everything, critical}, alert("444455556666", tocsin.Critical), []routing.Target{{Receiver: "archive", Why: "everything"}, {Receiver: "pager", Why: "critical"}, {Receiver: "soc", Why: "critical"}}},
		{"no route: the account's own receivers", []routing.Route{critical}, alert("111122223333", tocsin.Low), []routing.Target{{Receiver: "payments-mail", Why: "account payments-prod (111122223333)"}, {Receiver: "soc", Why: "account payments-prod (111122223333)"}}},
		{"no route, and the account names nobody: the fallback", []routing.Route{critical}, alert("444455556666", tocsin.Low), []routing.Target{{Receiver: "last", Why: "fallback", Fallback: true}, {Receiver: "resort", Why: "fallback", Fallback: true}}},
		{"an account that nobody named", []routing.Route{critical}, alert("777788889999", tocsin.Low), []routing.Target{{Receiver: "last", Why: "fallback", Fallback: true}, {Receiver: "resort", Why: "fallback", Fallback: true}}},
		{"no routes at all", nil, alert("", tocsin.Critical), []routing.Target{{Receiver: "last", Why: "fallback", Fallback: true}, {Receiver: "resort", Why: "fallback", Fallback: true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rs, err := routing.New(routing.Table{Routes: tt.routes, Fallback: []string{"last", "resort"}, Accounts: accounts})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, rs.Route(tt.alert)); diff != "" {
				t.Errorf("Route (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWithoutAFallbackThereAreNoRoutes(t *testing.T) {
	t.Parallel()
	if _, err := routing.New(routing.Table{Routes: []routing.Route{{Receivers: []string{"soc"}}}}); err == nil || !strings.Contains(err.Error(), "no fallback: name a receiver") {
		t.Errorf("New without a fallback = %v", err)
	}
}

func TestNewLeavesTheListAlone(t *testing.T) {
	t.Parallel()
	list := []routing.Route{{Receivers: []string{"soc"}}}
	if _, err := routing.New(routing.Table{Routes: list, Fallback: []string{"soc"}}); err != nil || list[0].Name != "" {
		t.Errorf("New = %v, and named the caller's route %q", err, list[0].Name)
	}
}

// What routes can ask for is a promise to whoever writes them.
func TestTheAlertAsRoutesSeeIt(t *testing.T) {
	t.Parallel()
	full := tocsin.Alert{
		ID: 7, Status: tocsin.StatusAcked, Team: "web", Assignee: "ana", Tags: map[string]string{"stage": "prod"}, Occurrences: 46, Paths: []string{"https:bus", "sns:org-topic"}, OpenedAt: time.Unix(0, 0),
		Detection: tocsin.Detection{
			Key: "aws/1/2/3", Rule: "guardduty", Dialect: "guardduty", Type: "CryptoCurrency:EC2/BitcoinTool.B!DNS", ID: "60c2",
			Level: tocsin.High, Severity: 8, Headline: "not for routes", Title: "EC2 is mining <b>", Account: "111122223333", Region: "eu-west-1", Partition: "aws",
			Resource: tocsin.Resource{Type: "Instance", ID: "i-0abc", Name: "web-1", Tags: map[string]string{"team": "web"}},
			Actor:    tocsin.Actor{IP: "198.51.100.23", Country: "Netherlands", Org: "AS64500 Example", Domain: "pool[.]example", Principal: "deploy-bot"}, Sample: true,
		},
	}
	var got bytes.Buffer
	account := accounts["111122223333"]
	account.OU, account.Tags = "prod/payments", map[string]string{"cost": "4711", "owner": "ana"}
	for _, doc := range [][]byte{routing.Document(full, account), routing.Document(tocsin.Alert{}, tocsin.Account{})} {
		if err := json.Indent(&got, doc, "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
	}
	golden(t, "documents.golden", got.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// The document is written by hand for speed; encoding/json writes the same.
func TestTheDocumentIsWhatJSONIs(t *testing.T) {
	t.Parallel()
	texts := []string{"", "a", `"quoted" \ back`, "line\nbreak\x00", "<b>&", "Zürich\u2028", "\xff\xfe", "\x7f"}
	for i, s := range texts {
		other := texts[(i+1)%len(texts)]
		a := tocsin.Alert{
			Status: tocsin.StatusOpen, Occurrences: int64(i), Paths: texts[:i], Team: s, Assignee: other, Tags: map[string]string{other: s},
			Detection: tocsin.Detection{
				Type: s, Title: other, Level: tocsin.Level(i % 6), Severity: []float64{0, 8, 5.5, 1e21, 1e-7, 3, 2, 1}[i], Account: s, Region: s, Partition: other, Rule: s, Sample: i%2 == 0,
				Resource: tocsin.Resource{Type: other, ID: s, Name: other, Tags: map[string]string{s: other, "a": s}},
				Actor:    tocsin.Actor{IP: s, Country: other, Org: s, Domain: other, Principal: s},
			},
		}
		account := tocsin.Account{Name: s, Environment: other, Team: s, OU: s, Tags: map[string]string{"k": s}}
		slow, err := routing.Slowly(a, account)
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := errors.Join(json.Unmarshal(slow, &want), json.Unmarshal(routing.Document(a, account), &got)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("of %q (-json +by hand):\n%s", s, diff)
		}
	}
	if doc := routing.Document(tocsin.Alert{Detection: tocsin.Detection{Severity: math.NaN()}}, tocsin.Account{}); !json.Valid(doc) {
		t.Errorf("what is no number makes %s", doc)
	}
}

func TestFieldsThatAPatternMayAskFor(t *testing.T) {
	t.Parallel()
	known := routing.Fields()
	if diff := cmp.Diff(map[string][]string{
		"resource": {"type", "id", "name", "tags"}, "actor": {"ip", "country", "org", "domain", "principal"}, "account_tags": {"*"}, "ou": nil, "assignee": nil,
	}, map[string][]string{"resource": known["resource"], "actor": known["actor"], "account_tags": known["account_tags"], "ou": known["ou"], "assignee": known["assignee"]}); diff != "" || len(known) != 21 {
		t.Errorf("%d fields (-want +got):\n%s", len(known), diff)
	}
	for _, tt := range []struct{ name, pattern, want string }{
		{"any of an alert", `{"level":["high"],"resource":{"tags":{"team":["web"]}},"actor.ip":["192.0.2.1"]}`, ""},
		{"any tag of the account", `{"account_tags":{"whatever":["x"]}}`, ""},
		{"within $or", `{"$or":[{"level":["high"]},{"sevrity":[8]}]}`, `an alert has no field "sevrity" (did you mean "severity"?)`},
		{"within an object", `{"resource":{"tag":{"team":["web"]}}}`, `an alert's resource has no field "tag" (did you mean "tags"?)`},
		{"within an object, dotted", `{"actor.ipv4":["192.0.2.1"]}`, `an alert's actor has no field "ipv4"`},
		{"of what is no object", `{"level":{"name":["high"]}}`, `an alert's level has no field "name"`},
		{"of the event, and not the alert", `{"detail":{"type":["x"]}}`, `an alert has no field "detail"`},
	} {
		err := routing.CheckFields([]byte(tt.pattern))
		if got := fmt.Sprint(err); got != tt.want && (err != nil || tt.want != "") {
			t.Errorf("%s: CheckFields = %v, want %q", tt.name, err, tt.want)
		}
	}
}
