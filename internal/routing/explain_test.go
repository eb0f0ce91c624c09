package routing_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

func TestExplainInWords(t *testing.T) {
	t.Parallel()
	five := 5 * time.Minute
	rs := routes(t, table(
		routing.Route{Name: "critical", Pattern: parse(t, `{"level":["critical"]}`), Policy: "now", Receivers: []string{"pager"}, Continue: true},
		routing.Route{Name: "calmer nights", Pattern: parse(t, `{"level":["low"]}`), Team: "web", Shadow: true},
		routing.Route{Name: "our scanners", Pattern: parse(t, `{"actor":{"ip":[{"cidr":"192.0.2.0/24"}]}}`), Drop: "our own scanners"},
		routing.Route{Name: "production", Pattern: parse(t, `{"environment":["prod"]}`), Receivers: []string{"prod-slack"}, FirstWindow: &five, Tags: map[string]string{"stage": "prod"}, Routes: []routing.Route{
			{Pattern: parse(t, `{"resource":{"type":["S3Bucket"]},"level":["high","critical"]}`), Title: "A bucket"},
			{Name: "owners", Team: routing.OwnTeam, AtLeast: tocsin.Medium, Storm: 10, Updates: tocsin.UpdatesNever},
			{Name: "others"},
		}},
		routing.Route{Name: "everything else", Receivers: []string{"archive"}},
	))
	var out strings.Builder
	for _, tt := range []struct {
		name  string
		alert tocsin.Alert
	}{
		{"critical, in production", alert(ofPayments, tocsin.Critical)},
		{"a bucket in production", func() tocsin.Alert {
			a := alert(ofPayments, tocsin.High)
			a.Resource.Type = "S3Bucket"
			return a
		}()},
		{"low, by a scanner", func() tocsin.Alert {
			a := alert(ofProdOU, tocsin.Low)
			a.Actor.IP = "192.0.2.7"
			return a
		}()},
		{"low, from who knows where, with an address that is none", func() tocsin.Alert {
			a := alert("<1>\x1b[31m", tocsin.Low)
			a.Actor.IP = "\x1b[31m192.0.2.7"
			return a
		}()},
	} {
		fmt.Fprintf(&out, "## %s\n\n%s\n", tt.name, rs.Explain(tt.alert))
	}
	alone := table(routing.Route{Name: "adds a title", Title: "Now!", Continue: true})
	fmt.Fprintf(&out, "## nobody owns it\n\n%s\n", routes(t, alone).Explain(alert(ofNobody, tocsin.Unknown)))
	alone.Shadow = true
	fmt.Fprintf(&out, "## everything in shadow\n\n%s", routes(t, alone).Explain(alert(ofMail, tocsin.Low)))
	if strings.Contains(out.String(), "\x1b") {
		t.Error("an alert's text reaches the terminal as it is")
	}
	golden(t, "explain.golden", out.String())
}

func TestExplainInJSON(t *testing.T) {
	t.Parallel()
	rs := routes(t, table(routing.Route{Name: "critical", Pattern: parse(t, `{"level":["critical"]}`), Receivers: []string{"pager"}}))
	text, err := json.Marshal(rs.Explain(alert(ofTagged, tocsin.Low)))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Document map[string]any
		Steps    []map[string]any
		Decision map[string]any
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Document["account_name"] != "shop" || got.Steps[0]["result"] != "not matched" || fmt.Sprint(got.Steps[0]["why"]) != `[no   level  is "low", want ["critical"]]` || got.Decision["team"] != "web" {
		t.Errorf("Explain in JSON is %s", text)
	}
}

// The manual's routes, and what the manual says that explain says of them.
func TestTheManualExplains(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/rules-and-routes.md")
	if err != nil {
		t.Fatal(err)
	}
	two := 2 * time.Minute
	rs := routes(t, routing.Table{
		Fallback: []string{"soc-slack"},
		Accounts: map[string]tocsin.Account{"111122223333": {Name: "payments-prod", Environment: "prod", OU: "prod/payments"}},
		Teams: map[string]tocsin.Team{
			"payments": {Policy: "office-hours", Receivers: []string{"payments-slack"}, Members: []string{"ana", "bo"}, Updates: tocsin.UpdatesSixHourly},
			"data":     {Receivers: []string{"data-slack"}},
		},
		Owners: []routing.Owner{{OU: "prod/payments", Team: "payments"}, {Tag: "cost", Value: "4711", Team: "data"}},
		Routes: []routing.Route{
			{Name: "critical", Pattern: parse(t, `{"level":["critical"]}`), Receivers: []string{"pager"}, Continue: true},
			{Name: "sandboxes", Pattern: parse(t, `{"ou":[{"prefix":"sandbox"}]}`), Drop: "nothing of ours is in a sandbox", Routes: []routing.Route{
				{Pattern: parse(t, `{"type":[{"prefix":"CryptoCurrency:"}]}`), Receivers: []string{"soc-slack"}},
			}},
			{Name: "production", Pattern: parse(t, `{"environment":["prod"]}`), Receivers: []string{"soc-slack"}, FirstWindow: &two, Routes: []routing.Route{
				{Name: "buckets", Pattern: parse(t, `{"resource":{"type":["S3Bucket"]}}`), Team: "data"},
				{Name: "owners", Pattern: parse(t, `{"team":[{"exists":true}]}`), Team: routing.OwnTeam},
			}},
		},
	})
	a := alert("111122223333", tocsin.High)
	a.Resource.Type = "S3Bucket"
	if want := "```text\n" + rs.Explain(a).String() + "```\n"; !strings.Contains(string(manual), want) {
		t.Errorf("the manual does not have\n%s", want)
	}
}
