package api_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/oncall"
)

func TestWhoIsOnCall(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, tt := range []struct {
		name, query string
		soc, office []string
	}{
		{"now, at night", "", []string{"ana"}, []string{}},
		{"on the next day, in office hours", "?at=2026-06-12T10:00:00Z", []string{"bo"}, []string{"bo"}},
	} {
		var now api.OnCall
		ask(t, h, "GET", "/api/on-call"+tt.query, "", 200, &now)
		if len(now.OnCall) != 2 || !slices.Equal(now.OnCall[0].People, tt.soc) || !slices.Equal(now.OnCall[1].People, tt.office) {
			t.Errorf("%s: %+v, want %v and %v", tt.name, now, tt.soc, tt.office)
		}
	}
}

func TestSchedulesShiftsAndGaps(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var all api.Schedules
	ask(t, h, "GET", "/api/schedules", "", 200, &all)
	if len(all.Schedules) != 2 || !slices.Equal(all.Schedules[0].Policies, []string{"around-the-clock"}) {
		t.Errorf("schedules: %+v", all.Schedules)
	}
	var one engine.ScheduleInfo
	ask(t, h, "GET", "/api/schedules/office", "", 200, &one)
	if one.Name != "office" || one.TimeZone != "Europe/Berlin" {
		t.Errorf("one: %+v", one)
	}
	var shifts api.Shifts
	ask(t, h, "GET", "/api/schedules/soc/shifts?from=2026-06-13T00:00:00Z&to=2026-06-15T00:00:00Z", "", 200, &shifts)
	var people []string
	for _, s := range shifts.Shifts {
		people = append(people, s.People...)
	}
	if !slices.Equal(people, []string{"bo", "ana", "bo"}) {
		t.Errorf("shifts: %+v", shifts.Shifts)
	}
	var gaps api.Gaps
	ask(t, h, "GET", "/api/schedules/office/gaps?to=2026-06-12T12:00:00Z", "", 200, &gaps)
	if len(gaps.Gaps) != 1 || !gaps.Gaps[0].End.Equal(time.Date(2026, 6, 12, 7, 0, 0, 0, time.UTC)) {
		t.Errorf("gaps: %+v", gaps.Gaps)
	}
	ask(t, h, "GET", "/api/schedules/soc/gaps", "", 200, &gaps)
	if len(gaps.Gaps) != 0 {
		t.Errorf("somebody is always on call, and the gaps are %+v", gaps.Gaps)
	}
	for _, path := range []string{"/api/schedules/none", "/api/schedules/none/shifts", "/api/schedules/none/gaps", "/api/schedules/none.ics", "/api/people/none.ics"} {
		ask(t, h, "GET", path, "", 404, nil)
	}
	for _, query := range []string{"?from=2026-06-13T00:00:00Z&to=2026-06-13T00:00:00Z", "?from=2026-06-13T00:00:00Z&to=2028-06-13T00:00:00Z", "?from=tomorrow"} {
		ask(t, h, "GET", "/api/schedules/soc/shifts"+query, "", 400, nil)
	}
}

func TestOverridesAreMadeListedAndEnded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var o oncall.Override
	ask(t, h, "POST", "/api/overrides", `{"by":"ana","schedule":"soc","kind":"set","people":["bo"],"until":"2026-06-13T08:00:00Z","reason":"dentist"}`, 200, &o)
	if o.ID == "" || o.Kind != oncall.Set || !o.From.Equal(night.Add(time.Hour)) {
		t.Errorf("made: %+v", o)
	}
	var shifts api.Shifts
	ask(t, h, "GET", "/api/schedules/soc/shifts?to=2026-06-12T05:00:00Z", "", 200, &shifts)
	if len(shifts.Shifts) == 0 || !slices.Contains(shifts.Shifts[len(shifts.Shifts)-1].People, "bo") {
		t.Errorf("shifts: %+v", shifts.Shifts)
	}
	ask(t, h, "POST", "/api/overrides", `{"by":"bo","kind":"remove","people":["bo"],"from":"2026-07-01T00:00:00Z","until":"2026-07-15T00:00:00Z"}`, 200, nil)
	var list api.Overrides
	for query, want := range map[string]int{"": 2, "?schedule=soc": 2, "?schedule=office": 1} {
		ask(t, h, "GET", "/api/overrides"+query, "", 200, &list)
		if len(list.Overrides) != want {
			t.Errorf("%q: %+v, want %d", query, list.Overrides, want)
		}
	}
	var done api.OverrideDone
	ask(t, h, "POST", "/api/overrides/"+o.ID+"/end", `{"by":"ana"}`, 200, &done)
	ask(t, h, "GET", "/api/overrides?schedule=soc", "", 200, &list)
	if done.ID != o.ID || len(list.Overrides) != 1 {
		t.Errorf("ended %q; there are %+v", done.ID, list.Overrides)
	}
	ask(t, h, "POST", "/api/overrides/"+o.ID+"/end", `{"by":"ana"}`, 409, nil)
	ask(t, h, "POST", "/api/overrides/99/end", `{"by":"ana"}`, 404, nil)
	ask(t, h, "POST", "/api/overrides", `{"by":"ana","schedule":"soc","kind":"replace","people":["ana"],"until":"2026-06-13T08:00:00Z"}`, 422, nil)
	ask(t, h, "POST", "/api/overrides", `{"by":"ana","schedule":"soc","kind":"add","people":["nobody"],"until":"2026-06-13T08:00:00Z"}`, 422, nil)
}

func TestASwapIsTwoOverridesOrNone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	swap := func(schedule, accepted string) string {
		return `{"by":"ana","schedule":"` + schedule + `","accepted":` + accepted + `,
			"a":{"person":"ana","from":"2026-06-13T08:00:00Z","until":"2026-06-14T08:00:00Z"},
			"b":{"person":"bo","from":"2026-06-14T08:00:00Z","until":"2026-06-15T08:00:00Z"}}`
	}
	var refusal api.Refusal
	ask(t, h, "POST", "/api/overrides/swap", swap("soc", `["ana"]`), 422, &refusal)
	if !strings.Contains(refusal.Error, "bo has not accepted") {
		t.Errorf("refused with %q", refusal.Error)
	}
	ask(t, h, "POST", "/api/overrides/swap", swap("none", `["ana","bo"]`), 422, nil)
	var made api.Overrides
	ask(t, h, "GET", "/api/overrides", "", 200, &made)
	if len(made.Overrides) != 0 {
		t.Errorf("of what was refused there is %+v", made.Overrides)
	}
	ask(t, h, "POST", "/api/overrides/swap", swap("soc", `["bo","ana"]`), 200, &made)
	if len(made.Overrides) != 2 || made.Overrides[0].With[0] != "bo" || made.Overrides[1].With[0] != "ana" {
		t.Errorf("made: %+v", made.Overrides)
	}
	var now api.OnCall
	ask(t, h, "GET", "/api/on-call?at=2026-06-13T12:00:00Z", "", 200, &now)
	if !slices.Equal(now.OnCall[0].People, []string{"bo"}) {
		t.Errorf("on call in ana's slot: %v", now.OnCall[0].People)
	}
}

func TestASwapWhoseSecondHalfIsRefusedLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ask(t, h, "POST", "/api/overrides/swap", `{"by":"ana","schedule":"soc","accepted":["ana","bo"],
		"a":{"person":"ana","from":"2026-06-13T08:00:00Z","until":"2026-06-14T08:00:00Z"},
		"b":{"person":"bo","from":"2026-06-10T08:00:00Z","until":"2026-06-11T08:00:00Z"}}`, 422, nil)
	var left api.Overrides
	ask(t, h, "GET", "/api/overrides", "", 200, &left)
	if len(left.Overrides) != 0 {
		t.Errorf("left: %+v", left.Overrides)
	}
}

func TestCalendarsCanBeSubscribedTo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, tt := range []struct{ path, has, hasNot string }{
		{"/api/schedules/soc.ics", "SUMMARY:bo on call: soc", "on call: office"},
		{"/api/people/bo.ics", "SUMMARY:On call: office", "SUMMARY:ana"},
	} {
		header := ask(t, h, "GET", tt.path, "", 200, nil)
		if got := header.Get("Content-Type"); got != "text/calendar; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", tt.path, got)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", tt.path, nil))
		text := w.Body.String()
		if !strings.HasPrefix(text, "BEGIN:VCALENDAR\r\n") || !strings.Contains(text, tt.has) || strings.Contains(text, tt.hasNot) {
			t.Errorf("%s answers %.600s", tt.path, text)
		}
	}
}
