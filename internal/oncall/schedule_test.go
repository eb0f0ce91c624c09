package oncall_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/oncall"
)

const whole = `{"name":"soc","time_zone":"Europe/Berlin","mode":"union","layers":[` +
	`{"name":"nights","rotate":"2 weeks","from":"2026-01-05T20:00","people":["ana",["bo","cy"],[]],"offset":1,` +
	`"windows":[{"from":"20:00","to":"08:00","weekdays":["mon-thu","sun"]},{"from":"Fri 17:00","to":"Mon 08:00"}],` +
	`"start":"2026-01-05T20:00:00+01:00","end":"2027-01-05T20:00:00+01:00"},` +
	`{"people":["di"]}]}`

func TestAScheduleAsJSON(t *testing.T) {
	t.Parallel()
	s, err := oncall.ParseSchedule([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	start := instant(t, "2026-01-05T20:00:00+01:00")
	want := oncall.Schedule{Name: "soc", TimeZone: "Europe/Berlin", Mode: oncall.Union, Layers: []oncall.Layer{
		{
			Name: "nights", Rotate: "2 weeks", From: "2026-01-05T20:00", Turns: turns("ana", "bo+cy", ""), Offset: 1,
			Windows: []oncall.Window{{From: "20:00", To: "08:00", Weekdays: []string{"mon-thu", "sun"}}, {From: "Fri 17:00", To: "Mon 08:00"}},
			Start:   start, End: start.AddDate(1, 0, 0),
		},
		{Turns: turns("di")},
	}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("ParseSchedule (-want +got):\n%s", diff)
	}
	if text, err := json.Marshal(s); err != nil || string(text) != whole {
		t.Errorf("Marshal = %s, %v, want %s", text, err, whole)
	}
}

func TestAScheduleIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, json, want string }{
		{"an unknown field", `{"name":"soc","time_zone":"UTC","lairs":[]}`, `schedule: json: unknown field "lairs"`},
		{"two documents", `{"name":"soc","time_zone":"UTC","layers":[{"people":["ana"]}]} {}`, "schedule: something follows its end"},
		{"a number for a person", `{"name":"soc","time_zone":"UTC","layers":[{"people":[7]}]}`, "schedule: a turn is a name or a list of names"},
		{"no name", `{"time_zone":"UTC","layers":[{"people":["ana"]}]}`, `schedule "": name: is empty`},
		{"no zone", `{"name":"soc","layers":[{"people":["ana"]}]}`, `schedule "soc": time_zone: is empty; name one such as Europe/Berlin, or UTC`},
		{"a zone that is none", `{"name":"soc","time_zone":"CEST","layers":[{"people":["ana"]}]}`, `schedule "soc": time_zone: "CEST" is no IANA time zone such as Europe/Berlin`},
		{"the machine's zone", `{"name":"soc","time_zone":"Local","layers":[{"people":["ana"]}]}`, `schedule "soc": time_zone: "Local" is no IANA time zone such as Europe/Berlin`},
		{"an unknown mode", `{"name":"soc","time_zone":"UTC","mode":"all","layers":[{"people":["ana"]}]}`, `schedule "soc": mode: "all" is neither stack nor union`},
		{"no layer", `{"name":"soc","time_zone":"UTC"}`, `schedule "soc": layers: there is none, so nobody would ever be on call`},
		{"one name for two layers", `{"name":"soc","time_zone":"UTC","layers":[{"name":"layer 2","people":["ana"]},{"people":["bo"]}]}`, `schedule "soc": layers[1].name: "layer 2" is there twice`},
		{"no rotation", layerJSON(`"from":"2026-01-05T09:00","people":["ana","bo"]`), `layers[0].rotate: is left out, and there are 2 turns`},
		{"a rotation that is none", layerJSON(`"rotate":"weakly","from":"2026-01-05T09:00","people":["ana","bo"]`), `layers[0].rotate: "weakly" is no rotation: want hourly, daily, weekly, monthly, every shift, or such as 12 hours or 2 weeks`},
		{"a rotation of nothing", layerJSON(`"rotate":"0 days","from":"2026-01-05T09:00","people":["ana","bo"]`), `layers[0].rotate: 0 is out of range: want 1 to 10000`},
		{"a rotation of a word where a number belongs", layerJSON(`"rotate":"two weeks","from":"2026-01-05T09:00","people":["ana","bo"]`), `layers[0].rotate: "two weeks" is no rotation: want hourly, daily, weekly, monthly, every shift, or such as 12 hours or 2 weeks`},
		{"a rotation of an unknown unit", layerJSON(`"rotate":"2 moons","from":"2026-01-05T09:00","people":["ana","bo"]`), `layers[0].rotate: "2 moons" is no rotation: want hourly, daily, weekly, monthly, every shift, or such as 12 hours or 2 weeks`},
		{"a rotation by a word alone", layerJSON(`"rotate":"week","from":"2026-01-05T09:00","people":["ana","bo"]`), `layers[0].rotate: "week" is no rotation: want hourly, daily, weekly, monthly, every shift, or such as 12 hours or 2 weeks`},
		{"no from", layerJSON(`"rotate":"weekly","people":["ana","bo"]`), `layers[0].from: is left out: say when the first turn begins`},
		{"a from that is none", layerJSON(`"rotate":"weekly","from":"2026-02-30T09:00","people":["ana","bo"]`), `layers[0].from: "2026-02-30T09:00" is no date and time such as "2026-01-05T09:00"`},
		{"nobody", layerJSON(`"rotate":"weekly","from":"2026-01-05T09:00"`), `layers[0].people: there is nobody`},
		{"an empty name", layerJSON(`"people":[""]`), `layers[0].people[0]: a name is empty`},
		{"space around a name", layerJSON(`"people":["ana "]`), `layers[0].people[0]: "ana " has space around it`},
		{"one person twice in a turn", layerJSON(`"people":[["ana","bo","ana"]]`), `layers[0].people[0]: "ana" is there twice`},
		{"an offset beyond reason", layerJSON(`"people":["ana"],"offset":12345678`), `layers[0].offset: 12345678 is out of range`},
		{"shifts without windows", layerJSON(`"rotate":"every shift","from":"2026-01-05T09:00","people":["ana","bo"]`), `layers[0].windows: there is none, and turns rotate every shift: a shift is a window`},
		{"a window without edges", layerJSON(`"people":["ana"],"windows":[{}]`), `layers[0].windows[0].from: "" is no time such as "09:00" or "Fri 17:00"` + "\n" + `schedule "soc": layers[0].windows[0].to: "" is no time such as "17:00" or "Mon 08:00"`},
		{"a window from the end of a day", layerJSON(`"people":["ana"],"windows":[{"from":"24:00","to":"08:00"}]`), `layers[0].windows[0].from: "24:00" is no time such as "09:00" or "Fri 17:00"`},
		{"a window to nowhen", layerJSON(`"people":["ana"],"windows":[{"from":"20:00","to":"24:01"}]`), `layers[0].windows[0].to: "24:01" is no time such as "17:00" or "Mon 08:00"`},
		{"hours that are none", layerJSON(`"people":["ana"],"windows":[{"from":"1x:00","to":"08:00"}]`), `layers[0].windows[0].from: "1x:00" is no time such as "09:00" or "Fri 17:00"`},
		{"too much of an edge", layerJSON(`"people":["ana"],"windows":[{"from":"09:00","to":"Fri 17:00 sharp"}]`), `layers[0].windows[0].to: "Fri 17:00 sharp" is no time such as "17:00" or "Mon 08:00"`},
		{"a window to no day", layerJSON(`"people":["ana"],"windows":[{"from":"Fri 17:00","to":"Mo 08:00"}]`), `layers[0].windows[0].to: "Mo 08:00" is no time such as "17:00" or "Mon 08:00"`},
		{"a weekday at one end only", layerJSON(`"people":["ana"],"windows":[{"from":"Fri 17:00","to":"08:00"}]`), `layers[0].windows[0].to: "08:00" has no weekday, and from has one`},
		{"a weekday at the other end only", layerJSON(`"people":["ana"],"windows":[{"from":"17:00","to":"Mon 08:00"}]`), `layers[0].windows[0].from: "17:00" has no weekday, and to has one`},
		{"weekdays of a weekly window", layerJSON(`"people":["ana"],"windows":[{"from":"Fri 17:00","to":"Mon 08:00","weekdays":["fri"]}]`), `layers[0].windows[0].weekdays: are of daily windows; this one has weekdays in from and to`},
		{"a weekday that is none", layerJSON(`"people":["ana"],"windows":[{"from":"09:00","to":"17:00","weekdays":["mon","frei-sun"]}]`), `layers[0].windows[0].weekdays[1]: "frei-sun" is no weekday such as mon, or mon-fri`},
		{"an end before its start", layerJSON(`"people":["ana"],"start":"2026-01-05T09:00:00Z","end":"2026-01-05T09:00:00Z"`), `layers[0].end: 2026-01-05T09:00:00Z is not after start`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := tt.want
			if !strings.HasPrefix(want, "schedule") {
				want = `schedule "soc": ` + want
			}
			if _, err := oncall.ParseSchedule([]byte(tt.json)); err == nil || err.Error() != want {
				t.Errorf("ParseSchedule(%s) = %v, want %s", tt.json, err, want)
			}
		})
	}
}

func layerJSON(fields string) string {
	return `{"name":"soc","time_zone":"UTC","layers":[{` + fields + `}]}`
}

func TestAllProblemsAreTold(t *testing.T) {
	t.Parallel()
	s := oncall.Schedule{Name: "soc", Layers: []oncall.Layer{{Turns: turns("ana")}, {Rotate: "never", Turns: turns("bo", "bo+bo")}}}
	var got []string
	for _, p := range s.Problems() {
		got = append(got, p.Field)
	}
	if diff := cmp.Diff([]string{"time_zone", "layers[1].people[1]", "layers[1].rotate", "layers[1].from"}, got); diff != "" {
		t.Errorf("Problems (-want +got):\n%s", diff)
	}
}

func TestWaysToWriteARotation(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"hourly": "1h", "every hour": "1h", "1 hour": "1h", "12 hours": "12h", "every 12 hours": "12h",
		"daily": "24h", "every day": "24h", "3 days": "72h", "Weekly": "168h", "2 weeks": "336h", "every 1 week": "168h",
		"monthly": "744h", "every 2 months": "1416h",
	} {
		p := plan(t, schedule("UTC", oncall.Layer{Rotate: written, From: "2026-01-01T00:00", Turns: turns("ana", "bo")}))
		s, _ := p.Current(instant(t, "2026-01-01T00:00:00Z"))
		if got := strings.TrimSuffix(s.End.Sub(s.Start).String(), "0m0s"); got != want {
			t.Errorf("%s: a turn lasts %s, want %s", written, got, want)
		}
	}
}

func TestWaysToWriteAWindow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		window oncall.Window
		want   []string // in the week of Monday, 5 January 2026
	}{
		{"every day", oncall.Window{From: "9:00", To: "17:00"}, names("Mon09-Mon17 Tue09-Tue17 Wed09-Wed17 Thu09-Thu17 Fri09-Fri17 Sat09-Sat17 Sun09-Sun17")},
		{"some days", oncall.Window{From: "09:00", To: "17:00", Weekdays: []string{"Tuesday", "fri"}}, names("Tue09-Tue17 Fri09-Fri17")},
		{"a range over the weekend", oncall.Window{From: "09:00", To: "17:00", Weekdays: []string{"sat - mon"}}, names("Mon09-Mon17 Sat09-Sat17 Sun09-Sun17")},
		{"over midnight, by the day on which it opens", oncall.Window{From: "22:00", To: "06:00", Weekdays: []string{"wed"}}, names("Wed22-Thu06")},
		{"equal edges are a day", oncall.Window{From: "09:00", To: "09:00", Weekdays: []string{"wed"}}, names("Wed09-Thu09")},
		{"up to the end of a day", oncall.Window{From: "16:00", To: "24:00", Weekdays: []string{"wed"}}, names("Wed16-Thu00")},
		{"a whole day", oncall.Window{From: "00:00", To: "24:00", Weekdays: []string{"wed"}}, names("Wed00-Thu00")},
		{"days that touch are one", oncall.Window{From: "00:00", To: "24:00", Weekdays: []string{"wed", "thu"}}, names("Wed00-Fri00")},
		{"weekly", oncall.Window{From: "Tue 17:00", To: "Thu 08:00"}, names("Tue17-Thu08")},
		{"weekly within a day", oncall.Window{From: "Tue 17:00", To: "Tue 18:00"}, names("Tue17-Tue18")},
		{"weekly over Sunday", oncall.Window{From: "Fri 17:00", To: "Mon 08:00"}, names("Fri17-Mon08 Fri17-Mon08")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, schedule("UTC", oncall.Layer{Turns: turns("ana"), Windows: []oncall.Window{tt.window}}))
			var got []string
			for _, s := range p.Shifts(instant(t, "2026-01-05T00:00:00Z"), instant(t, "2026-01-12T00:00:00Z")) {
				got = append(got, s.Start.Format("Mon15")+"-"+s.End.Format("Mon15"))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Shifts (-want +got):\n%s", diff)
			}
		})
	}
	always := plan(t, schedule("UTC", oncall.Layer{Turns: turns("ana"), Windows: []oncall.Window{{From: "Mon 08:00", To: "Mon 08:00"}}}))
	if gaps := always.Gaps(instant(t, "2026-01-05T00:00:00Z"), instant(t, "2026-03-05T00:00:00Z")); gaps != nil {
		t.Errorf("a window from Mon 08:00 to Mon 08:00 has gaps: %v", gaps)
	}
}

func TestAPlanKeepsToItself(t *testing.T) {
	t.Parallel()
	s := schedule("UTC", oncall.Layer{Turns: turns("ana+bo")})
	p := plan(t, s)
	s.Layers[0].Turns[0][0] = "mallory"
	p.At(instant(t, "2026-01-05T00:00:00Z"))[1] = "mallory"
	if diff := cmp.Diff(names("ana bo"), p.At(instant(t, "2026-01-05T00:00:00Z"))); diff != "" {
		t.Errorf("At, after others wrote to what they had (-want +got):\n%s", diff)
	}
	if p.Name() != "soc" {
		t.Errorf("Name() = %q, want soc", p.Name())
	}
}
