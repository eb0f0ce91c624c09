package transform_test

import (
	"testing"

	"github.com/tocsin-sec/tocsin/transform"
)

// A finding of 3 KB through the GuardDuty guide's e-mail, and the same as JSON.
func BenchmarkApply(b *testing.B) {
	event := []byte(minified(b, string(read(b, "testdata/findings/alertlogic__cwe-collector.MaliciousIPCaller.Custom.json"))))
	for _, name := range []string{"guardduty-email", "guardduty-json"} {
		for _, mode := range []struct {
			name string
			mode transform.Mode
		}{{"aws", transform.AWS}, {"strict", transform.Strict}} {
			b.Run(name+"/"+mode.name, func(b *testing.B) {
				tr, err := transform.Parse(read(b, "testdata/"+name+".json"), mode.mode)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(event)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := tr.Apply(event, transform.Rule{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
