package routing_test

import (
	"fmt"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

func benchAlert() tocsin.Alert {
	return tocsin.Alert{
		ID: 7, Status: tocsin.StatusOpen, Occurrences: 46, Paths: []string{"https:bus", "sns:org-topic"},
		Detection: tocsin.Detection{
			Key: "aws/1/2/3", Rule: "guardduty", Type: "CryptoCurrency:EC2/BitcoinTool.B!DNS", ID: "60c2",
			Level: tocsin.High, Severity: 8, Title: "The EC2 instance i-0abc is mining", Account: "111122223333", Region: "eu-west-1", Partition: "aws",
			Resource: tocsin.Resource{Type: "Instance", ID: "i-0abc", Name: "web-1", Tags: map[string]string{"team": "web", "env": "prod"}},
			Actor:    tocsin.Actor{IP: "198.51.100.23", Country: "Netherlands", Org: "AS64500 Example", Domain: "pool[.]example"},
		},
	}
}

func BenchmarkRoute(b *testing.B) {
	for _, n := range []int{0, 3, 20, 500} {
		b.Run(fmt.Sprintf("flat list of %d", n), func(b *testing.B) {
			var list []routing.Route
			for i := range n {
				list = append(list, routing.Route{Pattern: parse(b, fmt.Sprintf(`{"account":["%012d"],"level":["high","critical"]}`, i)), Receivers: []string{"soc"}})
			}
			if n > 0 {
				list[n-1] = routing.Route{Pattern: parse(b, `{"team":["payments"]}`), Receivers: []string{"pager", "soc"}}
			}
			rs, err := routing.New(routing.Table{Routes: list, Fallback: []string{"soc"}, Accounts: accounts})
			if err != nil {
				b.Fatal(err)
			}
			a := benchAlert()
			b.ReportAllocs()
			for b.Loop() {
				if len(rs.Route(a)) == 0 {
					b.Fatal("nobody")
				}
			}
		})
	}
}

// BenchmarkHold is what silences and inhibitions add to each alert that opens.
func BenchmarkHold(b *testing.B) {
	var list []tocsin.Silence
	for i := range 50 {
		s := silence(b, int64(i+1), "2026-03-02T10:00:00Z", "2026-03-09T10:00:00Z")
		s.Pattern = fmt.Appendf(nil, `{"account":["%012d"]}`, i)
		list = append(list, s)
	}
	list[49].Kind, list[49].Pattern = tocsin.KindMaintenance, []byte(`{"team":["payments"]}`)
	list[49].Every = &tocsin.Recurrence{TimeZone: "Europe/Berlin", From: "22:00", To: "06:00"}
	ss := snapshot(b, list...)
	inhibitions, err := routing.NewInhibitions([]routing.Inhibition{{Name: "x", When: parse(b, `{"level":["critical"]}`), Mute: parse(b, `{"level":["high"]}`), Equal: []string{"account", "resource.id"}}})
	if err != nil {
		b.Fatal(err)
	}
	a, account, now := benchAlert(), accounts["111122223333"], at(b, "2026-03-03T23:00:00Z")
	b.Run("a silence that recurs", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := ss.Hold(a, account, now); !ok {
				b.Fatal("not held")
			}
		}
	})
	b.Run("an inhibition", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if len(inhibitions.Targets(a, account)) != 1 {
				b.Fatal("not inhibited")
			}
		}
	})
}
