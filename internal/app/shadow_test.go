package app_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/shadow"
)

// beside is a tocsin that runs beside an old function that told Slack of every
// event from medium on, and did not know Critical.
const beside = `
listen: 127.0.0.1:0
shadow: true
sources:
  events: {https: {token: 0123456789abcdef}}
  old-lambda: {shadow: {token: 0123456789abcdef}}
accounts: {}
rules: [{use: guardduty-no-samples}, {use: guardduty}]
fallback: terminal
receivers: {terminal: {console: {}}}
`

// oldMessage is what the old function posted of a finding, if it did.
func oldMessage(event []byte) (body []byte, told bool) {
	d := gjson.GetBytes(event, "detail")
	severity := d.Get("severity").Float()
	if severity < 4 || severity > 8.9 {
		return nil, false
	}
	body, err := json.Marshal(map[string]any{"attachments": []any{map[string]any{
		"fallback": d.Get("title").String(),
		"fields": []any{map[string]string{
			"title": "URL",
			"value": fmt.Sprintf("https://console.aws.amazon.com/guardduty/home?region=%s#/findings?macros=current&fId=%s", d.Get("region"), d.Get("id")),
		}},
	}}})
	return body, err == nil
}

// Two streams of the same findings, and what the comparison says of them.
func TestTheySentAndWeWouldSend(t *testing.T) {
	t.Parallel()
	packed, err := os.Open("testdata/real/synthetic/lifecycle_updates.shuffled_with_duplicates.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packed.Close() }()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	sequence, err := os.ReadFile("../guardduty/testdata/findings/sequence-iam.json")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, app.Options{Config: parse(t, beside)})
	sent := 0
	for line := range bytes.Lines(append(raw, bytes.Join(bytes.Fields(sequence), []byte(" "))...)) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if status, answer := post(t, h.in("events", token), string(line)); status != http.StatusAccepted {
			t.Fatalf("%d %s", status, answer)
		}
		if body, told := oldMessage(line); told {
			sent++
			if status, answer := post(t, h.in("old-lambda", token), string(body)); status != http.StatusOK || answer != "ok" {
				t.Fatalf("%d %s", status, answer)
			}
		}
	}
	status, body := get(t, h.URL()+"/api/shadow")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	var c shadow.Comparison
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		t.Fatal(err)
	}
	// Every version of twelve findings was a message of theirs. Five of them are
	// samples, seven are one alert each, and the attack sequence they never told of.
	if c.Sent != sent || sent != 82 || c.Told != 8 || c.Both != 7 || c.TheyOnly != 5 || c.WeOnly != 1 {
		t.Errorf("they sent %d of %d, we %d; both %d, they only %d, we only %d", c.Sent, sent, c.Told, c.Both, c.TheyOnly, c.WeOnly)
	}
	whys := map[string]int{}
	for _, row := range c.Rows {
		if row.Finding == nil {
			t.Errorf("a message of theirs about nothing that we have: %q", row.They[0].Text)
		}
		whys[regexp.MustCompile(`\d+`).ReplaceAllString(string(row.Side)+": "+row.Why, "n")]++
	}
	want := map[string]int{
		"they only: filtered: a sample finding":                                                                5,
		"both: they sent n messages of it, we n: repeats are folded into one alert":                            7,
		"we only: they sent nothing of it; a pattern that lists severities up to n.n never fires for Critical": 1,
	}
	if diff := cmp.Diff(want, whys); diff != "" {
		t.Errorf("why they differ (-want +got):\n%s", diff)
	}
	// Nothing was told, and nothing of theirs opened anything.
	if strings.Contains(h.out.String(), "HIGH") {
		t.Errorf("somebody was told in shadow: %s", h.out)
	}
	if _, page := get(t, h.URL()+"/shadow"); !strings.Contains(page, "We tell of it, and they do not") {
		t.Error("the page says nothing of what only we tell of")
	}
}
