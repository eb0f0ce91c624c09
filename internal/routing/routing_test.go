package routing_test

import (
	"bytes"
	"encoding/json"
	"flag"
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

func parse(t *testing.T, text string) *pattern.Pattern {
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
		{"the first route that matches decides", []routing.Route{critical, payments}, alert("111122223333", tocsin.Critical), []routing.Target{{"pager", "critical", false}, {"soc", "critical", false}}},
		{"with continue the next has its say, and each receiver hears it once, by the first way", []routing.Route{onward, payments}, alert("111122223333", tocsin.Critical), []routing.Target{{"pager", "critical", false}, {"soc", "critical", false}, {"payments-slack", "route 2", false}}},
		{"a route without a name has its number", []routing.Route{critical, payments}, alert("111122223333", tocsin.Low), []routing.Target{{"soc", "route 2", false}, {"payments-slack", "route 2", false}}},
		{"a route without a pattern takes everything", []routing.Route{everything}, alert("", tocsin.Unknown), []routing.Target{{"archive", "everything", false}}},
		{"continue after the last route does not bring in the account", []routing.Route{everything}, alert("111122223333", tocsin.Low), []routing.Target{{"archive", "everything", false}}},
		{"order is that of the list, patterns or none", []routing.Route{everything, critical}, alert("444455556666", tocsin.Critical), []routing.Target{{"archive", "everything", false}, {"pager", "critical", false}, {"soc", "critical", false}}},
		{"no route: the account's own receivers", []routing.Route{critical}, alert("111122223333", tocsin.Low), []routing.Target{{"payments-mail", "account payments-prod (111122223333)", false}, {"soc", "account payments-prod (111122223333)", false}}},
		{"no route, and the account names nobody: the fallback", []routing.Route{critical}, alert("444455556666", tocsin.Low), []routing.Target{{"last", "fallback", true}, {"resort", "fallback", true}}},
		{"an account that nobody named", []routing.Route{critical}, alert("777788889999", tocsin.Low), []routing.Target{{"last", "fallback", true}, {"resort", "fallback", true}}},
		{"no routes at all", nil, alert("", tocsin.Critical), []routing.Target{{"last", "fallback", true}, {"resort", "fallback", true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rs, err := routing.New(tt.routes, []string{"last", "resort"}, accounts)
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
	if _, err := routing.New([]routing.Route{{Receivers: []string{"soc"}}}, nil, nil); err == nil || !strings.Contains(err.Error(), "no fallback: name a receiver") {
		t.Errorf("New without a fallback = %v", err)
	}
}

func TestNewLeavesTheListAlone(t *testing.T) {
	t.Parallel()
	list := []routing.Route{{Receivers: []string{"soc"}}}
	if _, err := routing.New(list, []string{"soc"}, nil); err != nil || list[0].Name != "" {
		t.Errorf("New = %v, and named the caller's route %q", err, list[0].Name)
	}
}

// What routes can ask for is a promise to whoever writes them.
func TestTheAlertAsRoutesSeeIt(t *testing.T) {
	t.Parallel()
	full := tocsin.Alert{
		ID: 7, Status: tocsin.StatusAcked, Occurrences: 46, Paths: []string{"https:bus", "sns:org-topic"}, OpenedAt: time.Unix(0, 0),
		Detection: tocsin.Detection{
			Key: "aws/1/2/3", Rule: "guardduty", Dialect: "guardduty", Type: "CryptoCurrency:EC2/BitcoinTool.B!DNS", ID: "60c2",
			Level: tocsin.High, Severity: 8, Headline: "not for routes", Title: "EC2 is mining <b>", Account: "111122223333", Region: "eu-west-1", Partition: "aws",
			Resource: tocsin.Resource{Type: "Instance", ID: "i-0abc", Name: "web-1", Tags: map[string]string{"team": "web"}},
			Actor:    tocsin.Actor{IP: "198.51.100.23", Country: "Netherlands", Org: "AS64500 Example", Domain: "pool[.]example", Principal: "deploy-bot"}, Sample: true,
		},
	}
	var got bytes.Buffer
	for _, doc := range [][]byte{routing.Document(full, accounts["111122223333"]), routing.Document(tocsin.Alert{}, tocsin.Account{})} {
		if err := json.Indent(&got, doc, "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
	}
	const file = "testdata/documents.golden"
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("Document (-want +got):\n%s", diff)
	}
}
