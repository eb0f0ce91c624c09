package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

func TestASilenceIsMadeChangedAndEnded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var s tocsin.Silence
	ask(t, h, "POST", "/api/silences", `{"by":"ana","pattern":{"type":[{"prefix":"Recon:"}]},"reason":"scan of the quarter","until":"2026-06-13T06:00:00Z"}`, 200, &s)
	if s.ID == 0 || s.Kind != tocsin.KindSilence || s.Author != "ana" || s.NotifyFrom != tocsin.High || !s.From.Equal(night.Add(time.Hour)) {
		t.Errorf("made: %+v", s)
	}
	ask(t, h, "PUT", "/api/silences/1", `{"by":"bo","version":1,"kind":"maintenance","pattern":{"type":[{"prefix":"Recon:"}]},"reason":"it takes longer","until":"2026-06-14T06:00:00Z",
		"every":{"time_zone":"Europe/Berlin","weekdays":["fri","sat"],"from":"02:00","to":"05:00"},"notify_from":"critical"}`, 200, &s)
	if s.Author != "ana" || s.Version != 2 || s.Every == nil || s.Every.From != "02:00" || s.NotifyFrom != tocsin.Critical || !s.From.Equal(night.Add(time.Hour)) {
		t.Errorf("changed: %+v", s)
	}
	ask(t, h, "PUT", "/api/silences/1", `{"by":"bo","version":1,"pattern":{"level":["low"]},"reason":"too late","until":"2026-06-14T06:00:00Z"}`, 409, nil)
	ask(t, h, "GET", "/api/silences/1", "", 200, &s)
	if s.Reason != "it takes longer" {
		t.Errorf("it is %+v", s)
	}
	ask(t, h, "POST", "/api/silences/1/end", `{"by":"bo"}`, 200, &s)
	if s.EndedBy != "bo" || !s.EndedAt.Equal(night.Add(time.Hour)) {
		t.Errorf("ended: %+v", s)
	}
	ask(t, h, "POST", "/api/silences/1/end", `{"by":"bo"}`, 422, nil)
	ask(t, h, "POST", "/api/silences/99/end", `{"by":"bo"}`, 404, nil)
	ask(t, h, "GET", "/api/silences/99", "", 404, nil)
}

func TestSilencesAreListedByWhetherTheyAreOver(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 3 {
		ask(t, h, "POST", "/api/silences", `{"by":"ana","pattern":{"level":["low"]},"reason":"r","until":"2026-06-13T06:00:00Z"}`, 200, nil)
	}
	ask(t, h, "POST", "/api/silences/2/end", `{"by":"ana"}`, 200, nil)
	for query, want := range map[string][]int64{
		"":                  {3, 1},
		"?state=active":     {3, 1},
		"?state=ended":      {2},
		"?state=all":        {3, 2, 1},
		"?limit=1":          {3},
		"?limit=1&before=3": {1},
	} {
		var list api.Silences
		ask(t, h, "GET", "/api/silences"+query, "", 200, &list)
		var got []int64
		for _, s := range list.Silences {
			got = append(got, s.ID)
		}
		if !same(got, want) {
			t.Errorf("%q gives %v, want %v", query, got, want)
		}
	}
}

func TestWhatASilenceHidesIsToldBeforeAndAfter(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var p routing.Preview
	ask(t, h, "POST", "/api/silences/preview", `{"pattern":{"type":[{"prefix":"Recon:"}]}}`, 200, &p)
	if p.Alerts != 1 || p.Hid || p.To.Sub(p.From).Round(time.Minute) != 30*24*time.Hour {
		t.Errorf("it would have hidden %+v", p)
	}
	ask(t, h, "POST", "/api/silences/preview", `{"kind":"mute","key":"a","days":1}`, 200, &p)
	if p.Alerts != 1 || p.ByLevel[tocsin.High] != 1 {
		t.Errorf("a mute would have hidden %+v", p)
	}
	ask(t, h, "POST", "/api/silences", `{"by":"ana","pattern":{"level":["low"]},"reason":"r","from":"2026-06-12T02:00:00Z","until":"2026-06-13T06:00:00Z"}`, 200, nil)
	ask(t, h, "GET", "/api/silences/1/report", "", 200, &p)
	if p.Alerts != 1 || !p.Hid {
		t.Errorf("it hid %+v", p)
	}
	ask(t, h, "GET", "/api/silences/99/report", "", 404, nil)
}

func TestASilenceThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, tt := range []struct {
		name, body string
		status     int
		says       []string
	}{
		{"nothing said", `{}`, 400, []string{"by: is missing", "reason: is missing", "until: is missing"}},
		{"a pattern that is a text", `{"by":"a","reason":"r","until":"2026-06-13T06:00:00Z","pattern":"low"}`, 400, []string{"pattern: is not an object"}},
		{"a kind that is none", `{"by":"a","reason":"r","until":"2026-06-13T06:00:00Z","kind":"quiet"}`, 400, []string{`kind: "quiet" is none of silence, maintenance, mute`}},
		{"a window without a zone", `{"by":"a","reason":"r","until":"2026-06-13T06:00:00Z","every":{"from":"02:00","to":4}}`, 400, []string{"every.time_zone: is missing", "every.to: is not a text"}},
		{"a window with a wish", `{"by":"a","reason":"r","until":"2026-06-13T06:00:00Z","every":{"from":"02:00","to":"03:00","time_zone":"UTC","week_days":[]}}`, 400, []string{`every.week_days: there is no such field (did you mean "weekdays"?)`}},
		{"a pattern that is none", `{"by":"a","reason":"r","until":"2026-06-13T06:00:00Z","pattern":{"level":"low"}}`, 422, []string{"pattern"}},
		{"over already", `{"by":"a","reason":"r","until":"2026-06-11T06:00:00Z","pattern":{"level":["low"]}}`, 422, []string{"is over already"}},
		{"too long", `{"by":"a","reason":"r","until":"2027-06-11T06:00:00Z","pattern":{"level":["low"]}}`, 422, []string{"30 days is the longest"}},
	} {
		var refusal api.Refusal
		ask(t, h, "POST", "/api/silences", tt.body, tt.status, &refusal)
		for _, want := range tt.says {
			if !strings.Contains(refusal.Error, want) {
				t.Errorf("%s: it says %q, want %q in it", tt.name, refusal.Error, want)
			}
		}
	}
}
