package routing_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// silence is one of low alerts for that time.
func silence(t testing.TB, id int64, from, until string) tocsin.Silence {
	t.Helper()
	return tocsin.Silence{
		ID: id, Kind: tocsin.KindSilence, Pattern: json.RawMessage(`{"level":["low"]}`), Author: "ana", Reason: "scanners at work",
		From: at(t, from), Until: at(t, until),
	}
}

func snapshot(t testing.TB, list ...tocsin.Silence) *routing.Silences {
	t.Helper()
	ss, err := routing.NewSilences(list)
	if err != nil {
		t.Fatal(err)
	}
	return ss
}

func TestWhichSilenceHoldsAnAlert(t *testing.T) {
	t.Parallel()
	first := silence(t, 1, "2026-03-02T10:00:00Z", "2026-03-02T12:00:00Z")
	longer := silence(t, 2, "2026-03-02T11:00:00Z", "2026-03-02T14:00:00Z")
	same := silence(t, 3, "2026-03-02T09:00:00Z", "2026-03-02T14:00:00Z")
	ended := longer
	ended.ID, ended.EndedAt = 4, at(t, "2026-03-02T11:30:00Z")
	mute := tocsin.Silence{ID: 5, Kind: tocsin.KindMute, Key: "aws/1/2/3", From: first.From, Until: first.Until}
	other := first
	other.ID, other.Pattern = 6, json.RawMessage(`{"level":["high"]}`)
	account := first
	account.ID, account.Pattern = 7, json.RawMessage(`"{\"account_tags\":{\"team\":[\"web\"]}}"`)
	for _, tt := range []struct {
		name     string
		silences []tocsin.Silence
		now      string
		want     int64 // 0 is none
		until    string
	}{
		{"none", nil, "2026-03-02T11:00:00Z", 0, ""},
		{"from its beginning", []tocsin.Silence{first}, "2026-03-02T10:00:00Z", 1, "2026-03-02T12:00:00Z"},
		{"not before", []tocsin.Silence{first}, "2026-03-02T09:59:59Z", 0, ""},
		{"until its end, and not at it", []tocsin.Silence{first}, "2026-03-02T12:00:00Z", 0, ""},
		{"of two the one that ends last", []tocsin.Silence{longer, first}, "2026-03-02T11:15:00Z", 2, "2026-03-02T14:00:00Z"},
		{"of two that end together the older", []tocsin.Silence{same, longer}, "2026-03-02T11:15:00Z", 2, "2026-03-02T14:00:00Z"},
		{"one that is to begin does not count", []tocsin.Silence{longer, first}, "2026-03-02T10:30:00Z", 1, "2026-03-02T12:00:00Z"},
		{"one that somebody is going to end ends then", []tocsin.Silence{ended}, "2026-03-02T11:15:00Z", 4, "2026-03-02T11:30:00Z"},
		{"one that somebody ended holds nothing", []tocsin.Silence{ended}, "2026-03-02T11:30:00Z", 0, ""},
		{"a mute of its key", []tocsin.Silence{mute, other}, "2026-03-02T11:00:00Z", 5, "2026-03-02T12:00:00Z"},
		{"a pattern that it does not match", []tocsin.Silence{other}, "2026-03-02T11:00:00Z", 0, ""},
		{"a pattern in a string, over what is known of the account", []tocsin.Silence{account}, "2026-03-02T11:00:00Z", 7, "2026-03-02T12:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := alert(ofTagged, tocsin.Low)
			a.Key = "aws/1/2/3"
			s, until, ok := snapshot(t, tt.silences...).Holding(a, organisation[ofTagged], at(t, tt.now))
			if s.ID != tt.want || ok != (tt.want != 0) || ok && !until.Equal(at(t, tt.until)) {
				t.Errorf("at %s silence %d until %s (%v) holds it, want %d until %s", tt.now, s.ID, until, ok, tt.want, tt.until)
			}
		})
	}
	t.Run("no snapshot", func(t *testing.T) {
		t.Parallel()
		var none *routing.Silences
		if _, _, ok := none.Holding(alert("", tocsin.Low), tocsin.Account{}, first.From); ok {
			t.Error("the nil Silences hold an alert")
		}
	})
	t.Run("one that cannot be understood does not keep the others from holding", func(t *testing.T) {
		t.Parallel()
		broken := first
		broken.ID, broken.Pattern = 8, json.RawMessage(`{"level":[]}`)
		elsewhere := first
		elsewhere.ID, elsewhere.Every = 9, &tocsin.Recurrence{TimeZone: "Europe/Atlantis", From: "01:00", To: "02:00"}
		ss, err := routing.NewSilences([]tocsin.Silence{broken, elsewhere, first})
		if err == nil || !strings.Contains(err.Error(), "silence 8: pattern: ") || !strings.Contains(err.Error(), `silence 9: every: time_zone: "Europe/Atlantis" is no IANA time zone`) {
			t.Errorf("NewSilences = %v", err)
		}
		if s, _, ok := ss.Holding(alert("", tocsin.Low), tocsin.Account{}, first.From); !ok || s.ID != 1 {
			t.Errorf("silence %d holds it, %v", s.ID, ok)
		}
	})
}

func TestWhetherPeopleAreToldAtTheEndOfASilence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		kind  tocsin.SilenceKind
		from  tocsin.Level
		level tocsin.Level
		want  tocsin.Hold
	}{
		{"of what is high, unless said otherwise", tocsin.KindMaintenance, 0, tocsin.High, tocsin.Hold{By: "maintenance 3", Tell: true}},
		{"not of what is medium", tocsin.KindMaintenance, 0, tocsin.Medium, tocsin.Hold{By: "maintenance 3"}},
		{"of what is medium, if it says so", tocsin.KindSilence, tocsin.Medium, tocsin.Medium, tocsin.Hold{By: "silence 3", Tell: true}},
		{"of what nobody knows how bad it is", tocsin.KindSilence, 0, tocsin.Unknown, tocsin.Hold{By: "silence 3", Tell: true}},
		{"never after a mute", tocsin.KindMute, tocsin.Low, tocsin.Critical, tocsin.Hold{By: "mute 3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := silence(t, 3, "2026-03-02T10:00:00Z", "2026-03-02T12:00:00Z")
			s.Kind, s.NotifyFrom, s.Pattern = tt.kind, tt.from, json.RawMessage(`{"type":[{"exists":true}]}`)
			tt.want.Until = s.Until
			got, ok := snapshot(t, s).Hold(alert("", tt.level), tocsin.Account{}, s.From)
			if diff := cmp.Diff(tt.want, got); diff != "" || !ok {
				t.Errorf("Hold = %v (-want +got):\n%s", ok, diff)
			}
		})
	}
	if _, ok := snapshot(t).Hold(alert("", tocsin.Low), tocsin.Account{}, time.Unix(0, 0)); ok {
		t.Error("nothing holds it, and it is held")
	}
}

// The first instant and the last of a window are what resolve makes of its edges.
func TestMaintenanceRecursByTheWallClock(t *testing.T) {
	t.Parallel()
	type spans = [][2]string
	weekdays := []string{"mon", "tue", "wed", "thu", "fri"}
	for _, tt := range []struct {
		name  string
		every tocsin.Recurrence
		from  string // where the search begins
		want  spans  // the windows after it
	}{
		{"every day in UTC", tocsin.Recurrence{TimeZone: "UTC", From: "02:00", To: "04:00"}, "2026-03-02T00:00:00Z", spans{{"2026-03-02T02:00:00Z", "2026-03-02T04:00:00Z"}, {"2026-03-03T02:00:00Z", "2026-03-03T04:00:00Z"}}},
		{"over midnight", tocsin.Recurrence{TimeZone: "UTC", From: "22:00", To: "06:00"}, "2026-03-02T12:00:00Z", spans{{"2026-03-02T22:00:00Z", "2026-03-03T06:00:00Z"}}},
		{"weekdays are those on which it begins", tocsin.Recurrence{TimeZone: "UTC", Weekdays: []string{"fri"}, From: "22:00", To: "06:00"}, "2026-03-02T00:00:00Z", spans{{"2026-03-06T22:00:00Z", "2026-03-07T06:00:00Z"}, {"2026-03-13T22:00:00Z", "2026-03-14T06:00:00Z"}}},
		{"whole days that follow on each other are one window", tocsin.Recurrence{TimeZone: "UTC", Weekdays: weekdays, From: "00:00", To: "00:00"}, "2026-03-01T00:00:00Z", spans{{"2026-03-02T00:00:00Z", "2026-03-07T00:00:00Z"}, {"2026-03-09T00:00:00Z", "2026-03-14T00:00:00Z"}}},
		{"V1 New York 02:30 where that hour is skipped begins at the jump", tocsin.Recurrence{TimeZone: "America/New_York", From: "02:30", To: "05:00"}, "2026-03-08T04:00:00Z", spans{{"2026-03-08T03:00:00-04:00", "2026-03-08T05:00:00-04:00"}}},
		{"V9 New York 02:00 to 03:00 is no window on the day that skips it", tocsin.Recurrence{TimeZone: "America/New_York", From: "02:00", To: "03:00"}, "2026-03-08T05:00:00Z", spans{{"2026-03-09T02:00:00-04:00", "2026-03-09T03:00:00-04:00"}}},
		{"V9 New York 01:00 to 02:00 lasts an hour before the jump", tocsin.Recurrence{TimeZone: "America/New_York", From: "01:00", To: "02:00"}, "2026-03-08T05:00:00Z", spans{{"2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00"}}},
		{"V9 New York 01:00 to 02:00 lasts both passes of the repeated hour", tocsin.Recurrence{TimeZone: "America/New_York", From: "01:00", To: "02:00"}, "2026-11-01T04:00:00Z", spans{{"2026-11-01T01:00:00-04:00", "2026-11-01T02:00:00-05:00"}}},
		{"V9 New York 00:30 to 01:30 ends at the first 01:30", tocsin.Recurrence{TimeZone: "America/New_York", From: "00:30", To: "01:30"}, "2026-11-01T04:00:00Z", spans{{"2026-11-01T00:30:00-04:00", "2026-11-01T01:30:00-04:00"}}},
		{"London 01:30 is skipped in spring", tocsin.Recurrence{TimeZone: "Europe/London", From: "01:30", To: "04:00"}, "2026-03-28T12:00:00Z", spans{{"2026-03-29T02:00:00+01:00", "2026-03-29T04:00:00+01:00"}}},
		{"London 01:30 comes twice in autumn", tocsin.Recurrence{TimeZone: "Europe/London", From: "01:30", To: "04:00"}, "2026-10-24T12:00:00Z", spans{{"2026-10-25T01:30:00+01:00", "2026-10-25T04:00:00Z"}}},
		{"Lord Howe skips half an hour", tocsin.Recurrence{TimeZone: "Australia/Lord_Howe", From: "02:15", To: "04:00"}, "2026-10-03T12:00:00Z", spans{{"2026-10-04T02:30:00+11:00", "2026-10-04T04:00:00+11:00"}}},
		{"Lord Howe repeats half an hour", tocsin.Recurrence{TimeZone: "Australia/Lord_Howe", From: "01:45", To: "04:00"}, "2026-04-04T12:00:00Z", spans{{"2026-04-05T01:45:00+11:00", "2026-04-05T04:00:00+10:30"}}},
		{"V6 Cairo has no such midnight", tocsin.Recurrence{TimeZone: "Africa/Cairo", From: "00:00", To: "04:00"}, "2026-04-23T12:00:00Z", spans{{"2026-04-24T01:00:00+03:00", "2026-04-24T04:00:00+03:00"}}},
		{"Apia has no such day: the window that begins on it ends where the next day does", tocsin.Recurrence{TimeZone: "Pacific/Apia", From: "12:00", To: "12:00", Weekdays: []string{"fri"}}, "2011-12-29T12:00:00Z", spans{{"2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"}}},
		{"V13 New York Saturday night over the repeated hour lasts 9 h", tocsin.Recurrence{TimeZone: "America/New_York", Weekdays: []string{"sat"}, From: "22:00", To: "06:00"}, "2026-10-31T12:00:00Z", spans{{"2026-10-31T22:00:00-04:00", "2026-11-01T06:00:00-05:00"}}},
		{"the last night of a leap year", tocsin.Recurrence{TimeZone: "Europe/Berlin", From: "22:00", To: "06:00"}, "2028-12-31T06:00:00Z", spans{{"2028-12-31T22:00:00+01:00", "2029-01-01T06:00:00+01:00"}}},
		{"and where only the zone's rule reaches", tocsin.Recurrence{TimeZone: "America/New_York", From: "09:00", To: "17:00"}, "2040-12-31T06:00:00Z", spans{{"2040-12-31T09:00:00-05:00", "2040-12-31T17:00:00-05:00"}}},
		{"St. John's puts clocks back over midnight", tocsin.Recurrence{TimeZone: "America/St_Johns", Weekdays: []string{"sun"}, From: "00:00", To: "00:30"}, "2010-11-06T12:00:00Z", spans{{"2010-11-07T00:00:00-02:30", "2010-11-07T00:30:00-03:30"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := silence(t, 1, "2000-01-01T00:00:00Z", "2060-01-01T00:00:00Z")
			s.Kind, s.Every = tocsin.KindMaintenance, &tt.every
			ss := snapshot(t, s)
			holding := func(now time.Time) (time.Time, bool) {
				_, until, ok := ss.Holding(alert("", tocsin.Low), tocsin.Account{}, now)
				return until, ok
			}
			now := at(t, tt.from)
			for _, want := range tt.want {
				from, until := at(t, want[0]), at(t, want[1])
				for ; now.Before(from); now = now.Add(15 * time.Minute) {
					if _, in := holding(now); in {
						t.Fatalf("it is in force at %s, before %s", now, want[0])
					}
				}
				for now = from; now.Before(until); now = now.Add(15 * time.Minute) {
					end, in := holding(now)
					if !in || !end.Equal(until) {
						t.Fatalf("at %s it is in force %v until %s, want until %s", now, in, end, want[1])
					}
				}
				now = until
			}
			if _, in := holding(now); in {
				t.Errorf("it is still in force at %s", now)
			}
		})
	}
}

func TestMaintenanceAroundTheClockEndsWhenItEnds(t *testing.T) {
	t.Parallel()
	s := silence(t, 1, "2026-03-02T10:00:00Z", "2026-03-09T10:00:00Z")
	s.Kind = tocsin.KindMaintenance
	s.Every = &tocsin.Recurrence{TimeZone: "Europe/Berlin", From: "08:00", To: "08:00", Weekdays: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}
	if _, until, ok := snapshot(t, s).Holding(alert("", tocsin.Low), tocsin.Account{}, s.From); !ok || !until.Equal(s.Until) {
		t.Errorf("every day and all day: %v until %s, want %s", ok, until, s.Until)
	}
	s.Every.To = "18:00"
	if _, until, ok := snapshot(t, s).Holding(alert("", tocsin.Low), tocsin.Account{}, at(t, "2026-03-09T09:30:00Z")); !ok || !until.Equal(s.Until) {
		t.Errorf("in its last window: %v until %s, want %s", ok, until, s.Until)
	}
}

func TestCheckASilence(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-03-02T10:00:00Z")
	for _, tt := range []struct {
		name   string
		change func(*tocsin.Silence)
		want   string
	}{
		{"as it should be", func(*tocsin.Silence) {}, ""},
		{"30 days", func(s *tocsin.Silence) { s.Until = s.From.Add(routing.LongestSilence) }, ""},
		{"a mute of a key for a year", func(s *tocsin.Silence) {
			s.Kind, s.Pattern, s.Key, s.Until = tocsin.KindMute, nil, "aws/1/2/3", s.From.Add(routing.LongestMaintenance)
		}, ""},
		{"maintenance every night", func(s *tocsin.Silence) {
			s.Kind, s.Every = tocsin.KindMaintenance, &tocsin.Recurrence{TimeZone: "Europe/Berlin", From: "22:00", To: "02:00", Weekdays: []string{"sat"}}
		}, ""},
		{"nobody", func(s *tocsin.Silence) { s.Author = " " }, "author: is missing"},
		{"no reason", func(s *tocsin.Silence) { s.Reason = "" }, "reason: say why, for those who look for what it hides"},
		{"an unknown kind", func(s *tocsin.Silence) { s.Kind = "pause" }, `kind: "pause" is none of silence, maintenance, mute`},
		{"no pattern", func(s *tocsin.Silence) { s.Pattern = nil }, "pattern: is missing"},
		{"null", func(s *tocsin.Silence) { s.Pattern = json.RawMessage("null") }, "pattern: is missing"},
		{"a pattern that is none", func(s *tocsin.Silence) { s.Pattern = json.RawMessage(`{"level":"low"}`) }, `pattern: $.level (offset 9): `},
		{"a pattern over what no alert has", func(s *tocsin.Silence) { s.Pattern = json.RawMessage(`{"levl":["low"]}`) }, `pattern: an alert has no field "levl" (did you mean "level"?)`},
		{"the same in a string", func(s *tocsin.Silence) { s.Pattern = json.RawMessage(`"{\"levl\":[\"low\"]}"`) }, `pattern: an alert has no field "levl" (did you mean "level"?)`},
		{"a silence of a key", func(s *tocsin.Silence) { s.Pattern, s.Key = nil, "k" }, "key: only a mute is of one alert's key; want a pattern"},
		{"a key and a pattern", func(s *tocsin.Silence) { s.Kind, s.Key = tocsin.KindMute, "k" }, "pattern: and key: want one of them"},
		{"without an end", func(s *tocsin.Silence) { s.Until = time.Time{} }, "until: is missing: every silence ends"},
		{"over already", func(s *tocsin.Silence) { s.Until = now }, "until: 2026-03-02T10:00:00Z is over already"},
		{"an end before its beginning", func(s *tocsin.Silence) { s.From = s.Until }, "until: 2026-03-02T12:00:00Z is not after its beginning"},
		{"31 days", func(s *tocsin.Silence) { s.Until = s.From.AddDate(0, 0, 31) }, "until: 2026-04-02T10:00:00Z is too late: 30 days is the longest; planned maintenance may last 365"},
		{"31 days from now, where it does not say from when", func(s *tocsin.Silence) { s.From, s.Until = time.Time{}, now.AddDate(0, 0, 31) }, "until: 2026-04-02T10:00:00Z is too late: 30 days is the longest; planned maintenance may last 365"},
		{"a mute for more than a year", func(s *tocsin.Silence) { s.Kind, s.Until = tocsin.KindMute, s.From.AddDate(0, 0, 366) }, "until: 2027-03-03T10:00:00Z is too late: 365 days is the longest"},
		{"a silence that recurs", func(s *tocsin.Silence) {
			s.Every = &tocsin.Recurrence{TimeZone: "UTC", From: "01:00", To: "02:00"}
		}, "every: only maintenance recurs"},
		{"no such level", func(s *tocsin.Silence) { s.NotifyFrom = 9 }, "notify_from: no level(9)"},
		{"all that is wrong", func(s *tocsin.Silence) { s.Author, s.Reason = "", "" }, "author: is missing\nreason: say why, for those who look for what it hides"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := silence(t, 0, "2026-03-02T10:00:00Z", "2026-03-02T12:00:00Z")
			tt.change(&s)
			err := routing.Check(s, now)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
				t.Errorf("Check = %v, want %q", err, tt.want)
			}
		})
	}
	for _, tt := range []struct {
		name, want string
		every      tocsin.Recurrence
	}{
		{"a place instead of a zone", `every: time_zone: "Berlin" is no IANA time zone such as Europe/Berlin`, tocsin.Recurrence{TimeZone: "Berlin", From: "01:00", To: "02:00"}},
		{"no zone", "every: time_zone: is empty; name one such as Europe/Berlin, or UTC", tocsin.Recurrence{From: "01:00", To: "02:00"}},
		{"wherever the server is", `every: time_zone: "Local" is no IANA time zone such as Europe/Berlin`, tocsin.Recurrence{TimeZone: "Local", From: "01:00", To: "02:00"}},
		{"an hour without its zero", `every: from: "1:00" is no time of day, such as 02:00; 24:00 is 00:00`, tocsin.Recurrence{TimeZone: "UTC", From: "1:00", To: "02:00"}},
		{"24:00", `every: to: "24:00" is no time of day, such as 02:00; 24:00 is 00:00`, tocsin.Recurrence{TimeZone: "UTC", From: "01:00", To: "24:00"}},
		{"an unknown day", `every: weekdays[1]: "Mon" is none of mon, tue, wed, thu, fri, sat, sun`, tocsin.Recurrence{TimeZone: "UTC", From: "01:00", To: "02:00", Weekdays: []string{"sun", "Mon"}}},
		{"all that is wrong", "every: time_zone: is empty; name one such as Europe/Berlin, or UTC\nevery: to: \"\" is no time of day, such as 02:00; 24:00 is 00:00", tocsin.Recurrence{From: "01:00"}},
	} {
		t.Run("recurrence: "+tt.name, func(t *testing.T) {
			t.Parallel()
			s := silence(t, 0, "2026-03-02T10:00:00Z", "2026-03-02T12:00:00Z")
			s.Kind, s.Every = tocsin.KindMaintenance, &tt.every
			if err := routing.Check(s, now); err == nil || err.Error() != tt.want {
				t.Errorf("Check = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestASilenceAsSomebodySendsIt(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-03-02T10:00:00.1234Z")
	got, err := routing.ParseSilence([]byte(`{"id": 99, "kind":"silence","pattern":"{\"level\":[\"low\"]}","author":"mallory","reason":" scanners ","until":"2026-03-02T12:00:00+01:00","ended_by":"x","version":3}`), "ana", now)
	if err != nil {
		t.Fatal(err)
	}
	want := tocsin.Silence{
		Kind: tocsin.KindSilence, Pattern: json.RawMessage(`{"level":["low"]}`), Author: "ana", Reason: "scanners",
		From: at(t, "2026-03-02T10:00:00.123Z"), Until: at(t, "2026-03-02T11:00:00Z"), NotifyFrom: tocsin.High, Version: 3,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ParseSilence (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		`{"kind":"silence","untl":"x"}`: `silence: json: unknown field "untl"`,
		`{"kind":"silence"} {}`:         "silence: something follows the JSON object",
		`[]`:                            "silence: json: cannot unmarshal array",
		`{"notify_from":"worst"}`:       `silence: level "worst" is none of`,
		`{}`:                            `reason: say why`,
	} {
		if _, err := routing.ParseSilence([]byte(text), "ana", now); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("ParseSilence(%s) = %v, want %s", text, err, want)
		}
	}
}

// Whatever is sent, what is taken passes the check, can be asked, and is the same
// when it is sent once more.
func FuzzParseSilence(f *testing.F) {
	now := at(f, "2026-03-02T10:00:00Z")
	for _, seed := range []string{
		`{"kind":"silence","pattern":{"level":["low"]},"reason":"scanners","until":"2026-03-09T10:00:00Z"}`,
		`{"kind":"mute","key":"aws/1/2/3","reason":"expected","until":"2027-03-01T10:00:00Z","notify_from":"low"}`,
		`{"kind":"maintenance","pattern":"{\"account\":[{\"prefix\":\"1\"}]}","reason":"patch night","from":"2026-03-03T00:00:00Z","until":"2026-06-01T00:00:00Z","every":{"time_zone":"America/New_York","weekdays":["sat","sun"],"from":"22:00","to":"02:30"}}`,
		`{"kind":"maintenance","pattern":{"$or":[{"team":["web"]},{"ou":[{"prefix":"prod/"}]}]},"reason":"x","until":"2026-03-03T00:00:00Z","every":{"time_zone":"Pacific/Apia","from":"00:00","to":"00:00"}}`,
		`{"pattern":null}`, `null`, `{"until":"9999-12-31T23:59:59Z"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := routing.ParseSilence(text, "ana", now)
		if err != nil {
			return
		}
		if err := routing.Check(s, now); err != nil {
			t.Fatalf("%s was taken, and %v", text, err)
		}
		ss := snapshot(t, s)
		a := alert(ofPayments, tocsin.Low)
		a.Key = s.Key
		for _, when := range []time.Time{now, s.From, s.Until.Add(-time.Millisecond), s.Until} {
			if _, until, ok := ss.Holding(a, organisation[ofPayments], when); ok && (!until.After(when) || until.After(s.Until)) {
				t.Errorf("%s holds at %s until %s", text, when, until)
			}
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := routing.ParseSilence(again, "ana", now); err != nil || !cmp.Equal(s, twice) {
			t.Errorf("once more it is %v: %v, %s", err, twice, cmp.Diff(s, twice))
		}
	})
}
