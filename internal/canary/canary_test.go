package canary_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/canary"
)

const id = "0123456789abcdef0123456789abcdef"

var sent = tocsin.Canary{
	Place: tocsin.Place{Account: "111122223333", Region: "eu-west-3"}, ID: id, Source: "canary",
	SentAt: time.Date(2026, 3, 1, 4, 5, 6, 0, time.FixedZone("", 3600)),
}

// event is c as EventBridge delivers it.
func event(source, detail string) string {
	return fmt.Sprintf(`{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":%q,"source":%q,"account":"111122223333",`+
		`"time":"2026-03-01T03:05:06Z","region":"eu-west-3","resources":[],"detail":%s}`, canary.DetailType, source, detail)
}

func TestDetail(t *testing.T) {
	t.Parallel()
	want := `{"canary":"` + id + `","account":"111122223333","region":"eu-west-3","sent_at":"2026-03-01T03:05:06Z"}`
	if got := string(canary.Detail(sent)); got != want {
		t.Errorf("Detail = %s, want %s", got, want)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	detail := string(canary.Detail(sent))
	var pretty strings.Builder
	enc := json.NewEncoder(&pretty)
	enc.SetIndent("", "    ")
	if err := enc.Encode(json.RawMessage(event(canary.Source, detail))); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, raw, id string
		ok            bool
	}{
		{"a canary", event(canary.Source, detail), id, true},
		{"printed prettily", pretty.String(), id, true},
		{"with fields of tomorrow", event(canary.Source, strings.Replace(detail, "{", `{"hops":3,`, 1)), id, true},
		{"without an id", event(canary.Source, `{}`), "", true},
		{"with another id", event(canary.Source, `{"canary":"guess"}`), "", true},
		{"an id in capitals", event(canary.Source, `{"canary":"`+strings.ToUpper(id)+`"}`), "", true},
		{"an id that is a number", event(canary.Source, `{"canary":7}`), "", true},
		{"without a detail", `{"source":"tocsin.canary"}`, "", true},
		{"a detail that is text", event(canary.Source, `"`+id+`"`), "", true},
		{"a finding", event("aws.guardduty", `{"id":"16afba5c5c43e07c9e3e5e2e544e95df"}`), "", false},
		{"a finding that speaks of canaries", event("aws.guardduty", `{"title":"tocsin.canary","tag":"tocsin.canary"}`), "", false},
		{"somebody else's", event("tocsin.canary.not", detail), "", false},
		{"cut off", event(canary.Source, detail)[:300], "", false},
		{"no JSON", `"tocsin.canary"`, "", false},
		{"nothing", "", "", false},
		{"too large for one", event(canary.Source, `{"canary":"`+id+`","more":"`+strings.Repeat("x", 4000)+`"}`), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, ok := canary.Read([]byte(tt.raw)); got != tt.id || ok != tt.ok {
				t.Errorf("Read(%s) = %q, %v, want %q, %v", tt.raw, got, ok, tt.id, tt.ok)
			}
		})
	}
}

func TestAFindingCostsAGlance(t *testing.T) {
	raw := []byte(event("aws.guardduty", `{"title":"`+strings.Repeat("x", 1000)+`"}`))
	if n := testing.AllocsPerRun(100, func() { canary.Read(raw) }); n != 0 {
		t.Errorf("Read allocates %v times, want none", n)
	}
}

func BenchmarkReadOfAFinding(b *testing.B) {
	for _, size := range []int{1500, 5000} {
		raw := []byte(event("aws.guardduty", `{"title":"`+strings.Repeat("x\":\"y", size/5)+`"}`))
		b.Run(fmt.Sprint(len(raw)), func(b *testing.B) {
			for b.Loop() {
				canary.Read(raw)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(event(canary.Source, string(canary.Detail(sent)))))
	f.Add([]byte(`{"source":"tocsin.canary","detail":{"canary":null}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got, ok := canary.Read(raw); got != "" && (!ok || !canary.IsID(got)) {
			t.Errorf("Read(%q) = %q, %v", raw, got, ok)
		}
	})
}
