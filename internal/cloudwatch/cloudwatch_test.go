package cloudwatch_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/cloudwatch"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sample(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func read(t testing.TB, name string) tocsin.Detection {
	t.Helper()
	d, ok := cloudwatch.Read(sample(t, name))
	if !ok {
		t.Fatalf("%s is not read", name)
	}
	return d
}

func TestAlarmsInWords(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"event-metric", "event-composite", "message-metric", "message-composite", "message-math", "event-ruler-1", "event-ruler-2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := json.MarshalIndent(read(t, name), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got, path := string(text)+"\n", filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAlarmIsOneAlertByEitherWay(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"event-metric", "message-metric"}, {"event-composite", "message-composite"}} {
		if a, b := read(t, pair[0]), read(t, pair[1]); a.Key != b.Key || a.Region != b.Region || a.Account != b.Account {
			t.Errorf("%s is %s, %s is %s", pair[0], a.Key, pair[1], b.Key)
		}
	}
	if got := read(t, "event-metric").Key; got != "aws/111122223333/eu-west-1/alarm/ServerCpuTooHigh" {
		t.Errorf("key %s", got)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	event := func(state, at string) []byte {
		text := strings.NewReplacer(`"value": "ALARM"`, `"value": "`+state+`"`, "2026-03-01T12:00:40.989+0000", at).Replace(string(sample(t, "event-metric")))
		return []byte(text)
	}
	var a tocsin.Alert
	for _, tt := range []struct {
		what, state, at string
		verdict         tocsin.Verdict
		status          tocsin.Status
	}{
		{"OK of what is not open", "OK", "2026-03-01T11:00:00.000+0000", tocsin.Ignored, ""},
		{"no data of what is not open", "INSUFFICIENT_DATA", "2026-03-01T11:01:00.000+0000", tocsin.Ignored, ""},
		{"ALARM opens", "ALARM", "2026-03-01T12:00:00.000+0000", tocsin.Opened, tocsin.StatusOpen},
		{"no data is news", "INSUFFICIENT_DATA", "2026-03-01T12:01:00.000+0000", tocsin.Updated, tocsin.StatusOpen},
		{"what comes late undoes nothing", "OK", "2026-03-01T11:59:00.000+0000", tocsin.Appended, tocsin.StatusOpen},
		{"OK closes", "OK", "2026-03-01T12:02:00.000+0000", tocsin.Closed, tocsin.StatusClosed},
		{"ALARM opens again", "ALARM", "2026-03-01T12:03:00.000+0000", tocsin.Opened, tocsin.StatusOpen},
	} {
		d, ok := cloudwatch.Read(event(tt.state, tt.at))
		if !ok {
			t.Fatalf("%s is not read", tt.what)
		}
		now = now.Add(time.Minute)
		var act tocsin.Activity
		a, act = a.Fold(d, now)
		if act.Verdict != tt.verdict || a.Status != tt.status {
			t.Errorf("%s: %s, the alert is %q; want %s, %q", tt.what, act.Verdict, a.Status, tt.verdict, tt.status)
		}
		if a.Status != "" && a.Title != "ServerCpuTooHigh: Goes into alarm when server CPU utilization is too high!" {
			t.Errorf("%s: the alert is called %q", tt.what, a.Title)
		}
	}
}

func TestWhatIsNoAlarm(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `null`, `{}`, `[]`, `hello`,
		`{"source":"aws.cloudwatch","detail-type":"CloudWatch Alarm Configuration Change","detail":{"alarmName":"a","state":{"value":"ALARM"}}}`,
		`{"source":"mine","detail-type":"CloudWatch Alarm State Change","detail":{"alarmName":"a","state":{"value":"ALARM"}}}`,
		`{"source":"aws.cloudwatch","detail-type":"CloudWatch Alarm State Change","detail":{"state":{"value":"ALARM"}}}`,
		`{"source":"aws.cloudwatch","detail-type":"CloudWatch Alarm State Change","detail":{"alarmName":"a","state":{"value":"alarm"}}}`,
		`{"AlarmName":"a"}`,
		`{"AlarmName":"a","NewStateValue":"DOWN"}`,
		`{"AlarmName":"a","NewStateValue":"ALARM"`,
	} {
		if d, ok := cloudwatch.Read([]byte(raw)); ok {
			t.Errorf("%s is read as %+v", raw, d)
		}
	}
}

func TestNamesThatWouldRunOrLead(t *testing.T) {
	t.Parallel()
	d, ok := cloudwatch.Read([]byte(`{"AlarmName":"a'; rm -rf / #","NewStateValue":"ALARM","AlarmArn":"arn:aws:cloudwatch:eu-west-1 --x:111122223333:alarm:a"}`))
	if !ok || d.Command != `aws cloudwatch describe-alarm-history --max-items 10 --alarm-name='a'\''; rm -rf / #'` || d.Console != "" {
		t.Errorf("command %s, console %s", d.Command, d.Console)
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"event-metric", "event-composite", "message-metric", "message-composite", "message-math", "event-ruler-2"} {
		f.Add(sample(f, name))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, ok := cloudwatch.Read(raw)
		if !ok {
			return
		}
		for _, text := range append([]string{d.Title, d.Headline, d.Description, d.ID, d.Account, d.Region, d.Resource.ID, d.Command}, func() (all []string) {
			for _, fact := range d.Facts {
				all = append(all, fact.Value)
			}
			return all
		}()...) {
			if !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r\x00\u202e") || utf8.RuneCountInString(text) > 3000 {
				t.Fatalf("%q has %q", raw, text)
			}
		}
		if d.Key == "" || len(d.Facts) > 12 {
			t.Fatalf("%q: key %q, %d facts", raw, d.Key, len(d.Facts))
		}
	})
}

func BenchmarkRead(b *testing.B) {
	raw := sample(b, "event-metric")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := cloudwatch.Read(raw); !ok {
			b.Fatal("not read")
		}
	}
}

func BenchmarkSomethingElse(b *testing.B) {
	raw := []byte(strings.Replace(string(sample(b, "event-metric")), "Alarm State", "Something Else", 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := cloudwatch.Read(raw); ok {
			b.Fatal("read")
		}
	}
}

// Rules match an alarm as the bus has it, whichever way it came.
func TestAnAlarmBySNSIsMatchedAsTheEventOfTheBus(t *testing.T) {
	t.Parallel()
	sns := []byte(`{"AlarmName":"cpu","AWSAccountId":"111122223333","NewStateValue":"ALARM","OldStateValue":"OK","Region":"EU (Ireland)","AlarmArn":"arn:aws:cloudwatch:eu-west-1:111122223333:alarm:cpu"}`)
	want := `{"account":"111122223333","detail":{"alarmName":"cpu","previousState":{"value":"OK"},"state":{"value":"ALARM"}},"detail-type":"CloudWatch Alarm State Change","region":"eu-west-1","resources":["arn:aws:cloudwatch:eu-west-1:111122223333:alarm:cpu"],"source":"aws.cloudwatch"}`
	if got := string(cloudwatch.Event(sns)); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	bus := []byte(`{"source":"aws.cloudwatch","detail-type":"CloudWatch Alarm State Change","detail":{"alarmName":"cpu"}}`)
	if got := cloudwatch.Event(bus); string(got) != string(bus) {
		t.Errorf("the event of the bus became %s", got)
	}
}
