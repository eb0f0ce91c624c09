package oncall_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/oncall"
)

// weekly is a week each from Monday, 5 January 2026, 09:00.
func weekly(names ...string) oncall.Layer {
	return oncall.Layer{Rotate: "weekly", From: "2026-01-05T09:00", Turns: turns(names...)}
}

func edit(t *testing.T, h oncall.History, s oncall.Schedule, at time.Time) oncall.History {
	t.Helper()
	h, err := h.Edit(s, at)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestV14WhoIsOnCallAfterAnEdit(t *testing.T) {
	t.Parallel()
	shiftsOf := func(names ...string) oncall.Layer {
		return oncall.Layer{Rotate: "every shift", From: "2026-01-05T09:00", Turns: turns(names...), Windows: []oncall.Window{{From: "09:00", To: "17:00", Weekdays: []string{"mon-fri"}}}}
	}
	const midWeek, saturday = "2026-01-14T12:00:00Z", "2026-01-10T12:00:00Z" // bo's week; after Friday's shift, which is bo's
	for _, tt := range []struct {
		name        string
		before, now oncall.Layer
		at          string
		want        []string // from the edit on
	}{
		{"V14 somebody is added before: the person on call stays", weekly("ana", "bo", "cy"), weekly("di", "ana", "bo", "cy"), midWeek, names("bo cy di ana bo")},
		{"V14 somebody is added after", weekly("ana", "bo", "cy"), weekly("ana", "bo", "di", "cy"), midWeek, names("bo di cy ana bo")},
		{"V14 somebody else is taken out", weekly("ana", "bo", "cy"), weekly("bo", "cy"), midWeek, names("bo cy bo cy")},
		{"V14 the order is turned round", weekly("ana", "bo", "cy"), weekly("cy", "bo", "ana"), midWeek, names("bo ana cy bo")},
		{"V14 the person on call is taken out: the next one is on call", weekly("ana", "bo", "cy"), weekly("ana", "cy"), midWeek, names("cy ana cy")},
		{"V14 and if the next is taken out, too, the one after", weekly("ana", "bo", "cy", "di"), weekly("ana", "di"), midWeek, names("di ana di")},
		{"V14 the last is taken out: the first is next", weekly("ana", "bo"), weekly("ana", "cy"), midWeek, names("ana cy ana")},
		{"V14 nobody is left: the first of the new ones", weekly("ana", "bo", "cy"), weekly("di", "eve"), midWeek, names("di eve di")},
		{"V14 one remains", weekly("ana", "bo", "cy"), weekly("bo"), midWeek, names("bo")},
		{"V14 one becomes several", weekly("bo"), weekly("ana", "bo", "cy"), midWeek, names("bo cy ana")},
		{"V14 a shared turn stays", weekly("ana", "bo+cy", "di"), weekly("bo+cy", "ana", "di"), midWeek, names("bo+cy ana di")},
		{"V14 one of a shared turn stays", weekly("ana", "bo+cy", "di"), weekly("di", "ana", "cy"), midWeek, names("cy di ana")},
		{"V14 somebody joins the turn that goes on", weekly("ana", "bo", "cy"), weekly("ana", "bo+di", "cy"), midWeek, names("bo+di cy ana")},
		{"V14 somebody has two turns, and is in the second", weekly("ana", "bo", "cy", "bo"), weekly("cy", "bo", "ana", "bo", "di"), "2026-01-28T12:00:00Z", names("bo ana bo di cy")},
		{"V14 somebody has two turns, and what follows tells nothing: the one in the same place", weekly("ana", "bo", "ana", "cy"), weekly("ana", "eve", "ana", "di"), "2026-01-21T12:00:00Z", names("ana di ana eve")},
		{"V14 the rotation gets another length: the person on call stays", weekly("ana", "bo", "cy"), oncall.Layer{Rotate: "2 weeks", From: "2026-01-05T09:00", Turns: turns("ana", "bo", "cy")}, midWeek, names("bo cy ana")},
		{"V14 from is another one: it says who begins when", weekly("ana", "bo", "cy"), oncall.Layer{Rotate: "weekly", From: "2026-01-12T09:00", Turns: turns("ana", "bo", "cy")}, midWeek, names("ana bo cy")},
		{"V14 after the last shift of the week, its person is taken out: Monday is the next one's", shiftsOf("ana", "bo", "cy"), shiftsOf("ana", "cy"), saturday, names("cy ana cy")},
		{"V14 after the last shift of the week, somebody is added: Monday stays whose it was", shiftsOf("ana", "bo", "cy"), shiftsOf("di", "ana", "bo", "cy"), saturday, names("cy di ana")},
		{"V14 within a shift, its person stays", shiftsOf("ana", "bo", "cy"), shiftsOf("di", "ana", "bo", "cy"), "2026-01-06T12:00:00Z", names("bo cy di ana")},
		{"V14 an offset that was there before goes on", oncall.Layer{Rotate: "weekly", From: "2026-01-05T09:00", Offset: 2, Turns: turns("ana", "bo", "cy")}, weekly("ana", "bo", "cy", "di"), midWeek, names("ana bo cy di")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at := instant(t, tt.at)
			first := oncall.History{{Schedule: schedule("UTC", tt.before)}}
			h := edit(t, first, schedule("UTC", tt.now), at)
			p, err := oncall.New(h, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range p.Shifts(at, at.AddDate(0, 6, 0)) {
				if got = append(got, strings.Join(s.People, "+")); len(got) == len(tt.want) {
					break
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("shifts from the edit on (-want +got):\n%s", diff)
			}
			old := plan(t, first[0].Schedule)
			for past := at.AddDate(0, -1, 0); past.Before(at); past = past.Add(time.Hour) {
				if was, is := old.At(past), p.At(past); !cmp.Equal(was, is) {
					t.Fatalf("At(%s) = %v, and was %v before the edit", past, is, was)
				}
			}
		})
	}
}

func TestEditsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	day := func(d int) time.Time { return time.Date(2026, 1, d, 12, 0, 0, 0, time.UTC) }
	h := edit(t, nil, schedule("UTC", weekly("ana", "bo", "cy")), day(1))
	h = edit(t, h, schedule("UTC", weekly("di", "ana", "bo", "cy")), day(14))
	if got := edit(t, h, schedule("UTC", weekly("di", "ana", "bo", "cy")), day(15)); len(got) != 2 {
		t.Errorf("saying the same again makes %d versions, want 2: its offset is not the one that was worked out", len(got))
	}
	before := len(h)
	longer := edit(t, h, schedule("UTC", weekly("di", "bo", "cy", "eve")), day(14).Add(time.Hour))
	longer = edit(t, longer, schedule("UTC", weekly("eve", "di", "cy")), day(20))
	if len(h) != before {
		t.Error("an edit changed the history that it was of")
	}
	p, err := oncall.New(longer, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"01-01 12:00+00:00 93h cy", "01-05 09:00+00:00 168h ana", "01-12 09:00+00:00 168h bo", "01-19 09:00+00:00 168h cy", "01-26 09:00+00:00 168h eve", "02-02 09:00+00:00 168h di"}
	if diff := cmp.Diff(want, lines(p.Shifts(day(1), day(33)))); diff != "" {
		t.Errorf("Shifts (-want +got):\n%s", diff)
	}
	if on := p.At(day(1).Add(-time.Second)); on != nil {
		t.Errorf("before the schedule was there %v was on call", on)
	}
	if gaps := p.Gaps(day(-30), day(33)); gaps != nil {
		t.Errorf("Gaps = %v; before the schedule was there is none", gaps)
	}
}

func TestEditsOfSeveralLayers(t *testing.T) {
	t.Parallel()
	named := func(name string, l oncall.Layer) oncall.Layer { l.Name = name; return l }
	at := instant(t, "2026-01-14T12:00:00Z")
	h := oncall.History{{Schedule: schedule("UTC", named("first", weekly("ana", "bo", "cy")), named("second", weekly("di", "eve", "fay")))}}
	union := schedule("UTC", named("second", weekly("gil", "di", "eve", "fay")), named("third", weekly("hal", "ida")), named("first", weekly("ana", "bo", "cy")))
	union.Mode = oncall.Union
	p, err := oncall.New(edit(t, h, union, at), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names("eve ida bo"), p.At(at)); diff != "" {
		t.Errorf("layers that moved go on, and a new one goes by its from (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		name   string
		change func(*oncall.Schedule)
		want   int
	}{
		{"nothing", func(*oncall.Schedule) {}, 1},
		{"the mode that is the default, in words", func(s *oncall.Schedule) { s.Mode = oncall.Stack }, 1},
		{"the mode", func(s *oncall.Schedule) { s.Mode = oncall.Union }, 2},
		{"the zone", func(s *oncall.Schedule) { s.TimeZone = "Europe/Berlin" }, 2},
		{"the order of layers", func(s *oncall.Schedule) { s.Layers[0], s.Layers[1] = s.Layers[1], s.Layers[0] }, 2},
		{"a layer less", func(s *oncall.Schedule) { s.Layers = s.Layers[:1] }, 2},
		{"a window", func(s *oncall.Schedule) { s.Layers[1].Windows = []oncall.Window{{From: "09:00", To: "17:00"}} }, 2},
		{"an end", func(s *oncall.Schedule) { s.Layers[1].End = at }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := h[0].Schedule
			s.Layers = append([]oncall.Layer(nil), s.Layers...)
			tt.change(&s)
			if got := edit(t, h, s, at); len(got) != tt.want {
				t.Errorf("an edit of %s makes %d versions, want %d", tt.name, len(got), tt.want)
			}
		})
	}
}

func TestAnEditIsRefused(t *testing.T) {
	t.Parallel()
	at := instant(t, "2026-01-14T12:00:00Z")
	h := oncall.History{{at, schedule("UTC", weekly("ana", "bo"))}}
	if _, err := h.Edit(schedule("UTC", weekly("bo")), at.Add(-time.Second)); err == nil || !strings.Contains(err.Error(), `schedule "soc": an edit as of 2026-01-14T11:59:59Z is before the last one, of 2026-01-14T12:00:00Z`) {
		t.Errorf("Edit into the past = %v, want an error", err)
	}
	if _, err := h.Edit(schedule("Mars/Olympus", weekly("bo")), at); err == nil || !strings.Contains(err.Error(), "time_zone") {
		t.Errorf("Edit to what is not valid = %v, want an error of time_zone", err)
	}
	if _, err := (oncall.History{{at, oncall.Schedule{Name: "old"}}}).Edit(schedule("UTC", weekly("bo")), at); err == nil || !strings.Contains(err.Error(), `schedule "old": time_zone`) {
		t.Errorf("Edit of what is not valid = %v, want an error of the old one", err)
	}
	for name, h := range map[string]oncall.History{
		"no version":       nil,
		"versions swapped": {{at, h[0].Schedule}, {at.Add(-time.Hour), h[0].Schedule}},
		"a bad version":    {{at, oncall.Schedule{}}},
	} {
		if _, err := oncall.New(h, nil); err == nil {
			t.Errorf("New takes a history with %s", name)
		}
	}
}
