package shadow_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/shadow"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

const (
	one   = "16afba5c5c43e07c9e3e5e2e544e95df"
	two   = "26afba5c5c43e07c9e3e5e2e544e95df"
	three = "36afba5c5c43e07c9e3e5e2e544e95df"
)

func TestWhatAnotherSystemSentIsReadInEveryShape(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		ids        []string
		text       string
	}{
		{
			"a Slack attachment with the finding's link in it",
			`{"attachments":[{"fallback":"EC2 instance i-99999999 is probing","color":"#ff0000","fields":[{"title":"URL","value":"https://console.aws.amazon.com/guardduty/home?region=us-west-2#/findings?macros=current&fId=` + one + `"}]}]}`,
			[]string{one},
			"EC2 instance i-99999999 is probing",
		},
		{
			"a link whose search is escaped",
			`{"text":"<https://console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings?search=id%3D` + two + `|look>"}`,
			[]string{two},
			"<https://console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings?search=id=" + two + "|look>",
		},
		{
			"a form as old Slack webhooks take it",
			"payload={\"text\":\"finding " + one + "\"}",
			[]string{one},
			"finding " + one,
		},
		{
			"a message by SNS with JSON in a string",
			`{"Type":"Notification","Subject":"GuardDuty","Message":"{\"detail\":{\"id\":\"` + three + `\"}}"}`,
			[]string{three},
			"GuardDuty",
		},
		{
			"Alertmanager's webhook, which has fingerprints",
			`{"version":"4","status":"firing","alerts":[{"fingerprint":"a1b2c3d4e5f60718","labels":{"alertname":"DiskFull"}},{"fingerprint":"0718a1b2c3d4e5f6"}]}`,
			[]string{"a1b2c3d4e5f60718", "0718a1b2c3d4e5f6"},
			"",
		},
		{"a mail's text", "Finding " + one + "\r\nand " + two + " too", []string{one, two}, "Finding " + one + " and " + two + " too"},
		{"longer runs of hexadecimal digits are something else", strings.Repeat("a", 64), nil, strings.Repeat("a", 64)},
		{"an id that is there twice", `{"text":"` + one + ` is ` + one + `"}`, []string{one}, one + " is " + one},
		{"nothing that is known", `[1, null, true]`, nil, ""},
		{"a long text", strings.Repeat("é ", 200), nil, strings.TrimRight(strings.Repeat("é ", 80), " ") + "…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := shadow.Read(7, "old", noon, []byte(tt.body))
			if !slices.Equal(got.IDs, tt.ids) {
				t.Errorf("ids %v, want %v", got.IDs, tt.ids)
			}
			if tt.name != "Alertmanager's webhook, which has fingerprints" && got.Text != unescape(tt.text) {
				t.Errorf("text %q, want %q", got.Text, tt.text)
			}
		})
	}
}

func unescape(s string) string { return strings.ReplaceAll(s, "search=id=", "search=id%3D") }

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"text":"x","attachments":[{"text":"y"}]}`))
	f.Add([]byte("payload=%7B%22text%22%3A1%7D"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, id := range shadow.Read(1, "old", noon, body).IDs {
			if id == "" {
				t.Error("an empty id")
			}
		}
	})
}

func told(minutes ...int) (ts []shadow.Told) {
	for _, m := range minutes {
		ts = append(ts, shadow.Told{At: noon.Add(time.Duration(m) * time.Minute), Receiver: "soc", Kind: tocsin.TellOpened, State: tocsin.Shadow})
	}
	return ts
}

func sent(minute int, body string) shadow.Sent {
	return shadow.Read(int64(minute), "old", noon.Add(time.Duration(minute)*time.Minute), []byte(body))
}

func TestTheySentWeWouldSend(t *testing.T) {
	t.Parallel()
	finding := func(id string, level tocsin.Level, verdict tocsin.Verdict, reason string, ts []shadow.Told) shadow.Finding {
		return shadow.Finding{ID: id, Level: level, At: noon, Events: 1, Verdict: verdict, Reason: reason, Told: ts, Account: "111122223333", Title: "i-0abc is calling a C2 server"}
	}
	r := shadow.Compare(noon, noon.Add(time.Hour), []shadow.Sent{
		sent(2, `{"text":"finding `+one+`"}`), sent(17, `{"text":"finding `+one+`"}`),
		sent(3, `{"text":"low finding `+two+`"}`),
		sent(4, `{"text":"finding `+strings.Repeat("f", 32)+`"}`),
		sent(5, `{"text":"the disk is full"}`), sent(6, `{"text":"the disk is full"}`),
	}, []shadow.Finding{
		finding(one, tocsin.High, tocsin.Opened, "", told(1)),
		finding(two, tocsin.Low, tocsin.Filtered, "low is below the minimum of account 111122223333 (medium)", nil),
		finding(three, tocsin.Critical, tocsin.Opened, "", told(2)),
		finding("nobody tells of it", tocsin.Low, tocsin.Filtered, "no rule matched", nil),
	})
	var got []string
	for _, row := range r.Rows {
		id := row.They
		name := "-"
		if row.Finding != nil {
			name = row.Finding.ID[:1]
		}
		got = append(got, fmt.Sprintf("%s %s: they %d, we %d, %s: %s", row.Side, name, len(id), len(row.We), time.Duration(row.Later)*time.Millisecond, row.Why))
	}
	want := []string{
		"they only 2: they 1, we 0, 0s: filtered: low is below the minimum of account 111122223333 (medium)",
		"they only -: they 1, we 0, 0s: it never came in here: see whether the same events reach both",
		"they only -: they 2, we 0, 0s: it never came in here: see whether the same events reach both",
		"we only 3: they 0, we 1, 0s: they sent nothing of it; a pattern that lists severities up to 8.9 never fires for Critical",
		"both 1: they 2, we 1, -1m0s: they sent 2 messages of it, we 1: repeats are folded into one alert",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Sent != 6 || r.Told != 2 || r.Both != 1 || r.TheyOnly != 3 || r.WeOnly != 1 {
		t.Errorf("sent %d, told %d, both %d, they only %d, we only %d", r.Sent, r.Told, r.Both, r.TheyOnly, r.WeOnly)
	}
	text, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(text), `"later_ms":-60000`) {
		t.Errorf("%v: %s", err, text)
	}
}

// Some tell of a finding without its id.
func TestAMessageWithoutAnIDIsPairedByTitleAccountAndTime(t *testing.T) {
	t.Parallel()
	f := shadow.Finding{ID: one, At: noon, Account: "111122223333", Title: "i-0abc is calling a C2 server", Told: told(0)}
	for body, want := range map[string]shadow.Side{
		`{"text":"i-0abc is calling a C2 server in 111122223333"}`: shadow.Both,
		`{"text":"i-0abc is calling a C2 server in 999988887777"}`: shadow.TheyOnly,
		`{"text":"i-0abd is calling a C2 server in 111122223333"}`: shadow.TheyOnly,
		// It says which finding it is of, and that is another one.
		`{"text":"i-0abc is calling a C2 server in 111122223333, ` + two + `"}`: shadow.TheyOnly,
	} {
		if r := shadow.Compare(noon, noon, []shadow.Sent{sent(1, body)}, []shadow.Finding{f}); r.Rows[0].Side != want {
			t.Errorf("%s: %s, want %s", body, r.Rows[0].Side, want)
		}
	}
	short := shadow.Finding{ID: one, At: noon, Title: "a C2 server"} // which may be said of anything
	if r := shadow.Compare(noon, noon, []shadow.Sent{sent(1, `{"text":"i-0abc is calling a C2 server"}`)}, []shadow.Finding{short}); r.Both != 0 || r.TheyOnly != 1 {
		t.Error("one is paired by a title of eleven letters")
	}
	late := []shadow.Sent{sent(40, `{"text":"i-0abc is calling a C2 server in 111122223333"}`)}
	if r := shadow.Compare(noon, noon, late, []shadow.Finding{f}); r.Both != 0 {
		t.Error("one that came 40 minutes later is paired")
	}
}
