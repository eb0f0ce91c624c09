package engine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/pattern"
)

// BenchmarkRead is the part of accepting that is done outside the transaction: the
// dialects and the rules.
func BenchmarkRead(b *testing.B) {
	sample := func(path string) []byte {
		raw, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			b.Fatal(err)
		}
		return raw
	}
	state := []byte(`{"version":"0","id":"e","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"111122223333","time":"2026-03-01T12:00:00Z","region":"eu-west-1","resources":[],"detail":{"instance-id":"i-0abc","state":"running"}}`)
	for _, bb := range []struct {
		name, wants string
		raw         []byte
	}{
		{"a finding", `{"source":["aws.guardduty"]}`, sample("guardduty/testdata/findings/ec2-c2.json")},
		{"a finding that nobody wants", `{"source":["aws.nothing"]}`, sample("guardduty/testdata/findings/ec2-c2.json")},
		{"a call", `{"detail":{"eventName":["CreateFilter"]}}`, sample("cloudtrail/testdata/gd-hiding-filter.json")},
		{"a call that nobody wants", `{"source":["aws.nothing"]}`, sample("cloudtrail/testdata/gd-hiding-filter.json")},
		{"Security Hub's copy", `{"source":["aws.securityhub"]}`, sample("securityhub/testdata/guardduty-delete-trail.json")},
		{"a copy that nobody wants", `{"source":["aws.nothing"]}`, sample("securityhub/testdata/guardduty-delete-trail.json")},
		{"another event that nobody wants", `{"source":["aws.nothing"]}`, state},
	} {
		b.Run(bb.name, func(b *testing.B) {
			p, err := pattern.Parse([]byte(bb.wants))
			if err != nil {
				b.Fatal(err)
			}
			rs, err := rules.New([]rules.Rule{{Name: "r", Pattern: p}}, nil)
			if err != nil {
				b.Fatal(err)
			}
			if !json.Valid(bb.raw) {
				b.Fatalf("%s is not JSON", bb.name)
			}
			plan := &Plan{Rules: rs}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				ev := tocsin.Event{Source: "org", Via: "sns", Raw: bb.raw}
				plan.read(&ev)
			}
		})
	}
}
