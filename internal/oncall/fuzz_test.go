package oncall_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/oncall"
)

var fuzzZones = []string{
	"UTC", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "Antarctica/Troll",
	"Africa/Casablanca", "Asia/Tehran", "America/St_Johns", "Australia/Sydney", "America/Nuuk", "Asia/Manila", "America/Havana", "Pacific/Kwajalein",
}

// Shifts and gaps tile, neighbours are not alike, each has whom At names from its
// first to its last instant, and hand-offs are where they meet.
func FuzzShiftsTile(f *testing.F) {
	for i := range uint8(12) {
		f.Add(i, i, i%4, int64(1772900000)+int64(i)*86_400*29, uint16(i)*90, uint16(i)*77, uint16(600+uint16(i)*100), i)
	}
	f.Add(uint8(1), uint8(0), uint8(0), int64(2492985600), uint16(0), uint16(120), uint16(180), uint8(0xff)) // over the end of 2048
	f.Fuzz(func(t *testing.T, where, rotate, every uint8, around int64, anchor, open, shut uint16, flags uint8) {
		unit := []string{"hours", "days", "weeks", "months", "shifts"}[int(rotate)%5]
		begin := time.Unix(around%(300*366*24*3600), 0).UTC()
		clock := func(minutes uint16) string { return fmt.Sprintf("%02d:%02d", minutes/60%24, minutes%60) }
		layer := oncall.Layer{
			Rotate: fmt.Sprintf("%d %s", int(every)%12+1, unit),
			From:   begin.Add(time.Duration(anchor) * time.Minute).Format("2006-01-02T15:04"),
			Turns:  turns("ana", "bo", "", "cy+ana"),
			Offset: int(every),
		}
		if unit == "shifts" || flags&1 != 0 {
			layer.Windows = []oncall.Window{{From: clock(open), To: clock(shut)}, {From: "Fri 17:00", To: "Mon " + clock(shut)}}
		}
		if flags&2 != 0 {
			layer.Start, layer.End = begin.Add(36*time.Hour), begin.Add(700*time.Hour)
		}
		s := schedule(fuzzZones[int(where)%len(fuzzZones)], oncall.Layer{Turns: turns("di"), Windows: []oncall.Window{{From: clock(shut), To: clock(open), Weekdays: []string{"wed-sun"}}}}, layer)
		if flags&4 != 0 {
			s.Mode = oncall.Union
		}
		h, err := oncall.History{}.Edit(s, begin.Add(-50*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		at := begin.Add(100 * time.Hour)
		if flags&8 != 0 {
			s.Layers = slices.Clone(s.Layers)
			s.Layers[1].Turns = turns("eve", "bo", "ana")
			if h, err = h.Edit(s, at); err != nil {
				t.Fatal(err)
			}
		}
		p, err := oncall.New(h, []oncall.Override{
			{ID: "1", Kind: oncall.Replace, People: names("bo"), With: names("fay"), From: begin.Add(80 * time.Hour), Until: begin.Add(200 * time.Hour)},
			{ID: "2", Kind: oncall.Remove, People: names("ana di"), From: at.Add(time.Nanosecond), Until: at.Add(25 * time.Hour)},
		})
		if err != nil {
			t.Fatal(err)
		}
		tile(t, p, begin, begin.AddDate(0, 0, 40))
	})
}

func tile(t *testing.T, p *oncall.Plan, from, to time.Time) {
	t.Helper()
	parts := p.Shifts(from, to)
	for _, g := range p.Gaps(from, to) {
		parts = append(parts, oncall.Shift{Start: g.Start, End: g.End})
	}
	slices.SortFunc(parts, func(a, b oncall.Shift) int { return a.Start.Compare(b.Start) })
	if len(parts) == 0 || parts[0].Start.After(from) || parts[len(parts)-1].End.Before(to) {
		t.Fatalf("shifts and gaps do not fill %s to %s: %v", from, to, parts)
	}
	handOffs := p.HandOffs(from, to)
	for i, s := range parts {
		if !s.Start.Before(s.End) {
			t.Fatalf("%v has no length", s)
		}
		if i > 0 && !parts[i-1].End.Equal(s.Start) {
			t.Fatalf("%v ends, and %v follows", parts[i-1], s)
		}
		if i > 0 && alike(parts[i-1].People, s.People) {
			t.Fatalf("%v and %v are alike", parts[i-1], s)
		}
		for _, at := range []time.Time{s.Start, s.Start.Add(s.End.Sub(s.Start) / 3), s.End.Add(-time.Nanosecond)} {
			if on := p.At(at); !alike(on, s.People) {
				t.Fatalf("At(%s) = %v, want %v", at, on, s.People)
			}
		}
		if s.Start.Before(from) {
			continue
		}
		if len(handOffs) == 0 || !handOffs[0].At.Equal(s.Start) || !alike(handOffs[0].On, s.People) {
			t.Fatalf("%v begins, and hand-offs are %v", s, handOffs)
		}
		handOffs = handOffs[1:]
	}
	if len(handOffs) > 0 {
		t.Fatalf("hand-offs %v, where nothing begins", handOffs)
	}
}

func alike(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// What is accepted can be asked, and is the same after it was kept.
func FuzzParseSchedule(f *testing.F) {
	f.Add(whole)
	for _, fields := range []string{
		`"rotate":"every 3 shifts","from":"2026-01-05T09:00","people":["ana","bo"],"windows":[{"from":"22:00","to":"06:00","weekdays":["fri-mon"]}]`,
		`"rotate":"10000 months","from":"9999-12-31T23:59","people":["ana",[],["bo","cy"]],"offset":-3`,
		`"people":[null],"windows":[{"from":"Sun 24:00","to":"sun 24:00"}]`,
	} {
		f.Add(layerJSON(fields))
	}
	now := time.Date(2026, 3, 8, 6, 50, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := oncall.ParseSchedule([]byte(text))
		if err != nil {
			return
		}
		p, err := oncall.New(oncall.History{{Schedule: s}}, nil)
		if err != nil {
			t.Fatalf("New refuses what ParseSchedule takes: %v", err)
		}
		tile(t, p, now, now.Add(100*time.Hour))
		kept, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := oncall.ParseSchedule(kept)
		if err != nil {
			t.Fatalf("%s was kept, and is refused: %v", kept, err)
		}
		h, err := oncall.History{{Schedule: s}}.Edit(again, now)
		if err != nil || len(h) != 1 {
			t.Fatalf("%s was kept, and is not what it was: %v", kept, err)
		}
	})
}
