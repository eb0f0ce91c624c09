package oncall_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/oncall"
)

// heavy is a schedule of four layers with ten years of edits and a thousand
// overrides.
func heavy(tb testing.TB) *oncall.Plan {
	tb.Helper()
	people := []string{"ana", "bo", "cy", "di", "eve", "fay", "gil"}
	begin := instant(tb, "2020-01-06T00:00:00Z")
	h := oncall.History{}
	for i := range 120 {
		var err error
		if h, err = h.Edit(schedule(
			"America/New_York",
			oncall.Layer{Name: "base", Rotate: "weekly", From: "2020-01-06T09:00", Turns: turns(people[:2+i%5]...)},
			oncall.Layer{Name: "nights", Rotate: "daily", From: "2020-01-06T20:00", Turns: turns(people...), Windows: []oncall.Window{{From: "20:00", To: "08:00"}}},
			oncall.Layer{Name: "weekends", Rotate: "every shift", From: "2020-01-10T17:00", Turns: turns(people...), Windows: []oncall.Window{{From: "Fri 17:00", To: "Mon 08:00"}}},
			oncall.Layer{Name: "lunch", Rotate: "monthly", From: "2020-01-31T12:00", Turns: turns(people...), Windows: []oncall.Window{{From: "12:00", To: "13:00", Weekdays: []string{"mon-fri"}}}},
		), begin.AddDate(0, i, 0)); err != nil {
			tb.Fatal(err)
		}
	}
	var overrides []oncall.Override
	for i := range 1000 {
		from := begin.Add(time.Duration(i) * 80 * time.Hour)
		overrides = append(overrides, oncall.Override{ID: fmt.Sprint(i), Kind: oncall.Replace, People: names("ana bo"), With: names("zoe"), From: from, Until: from.Add(100 * time.Hour), CreatedAt: from})
	}
	p, err := oncall.New(h, overrides)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func BenchmarkAt(b *testing.B) {
	p, at := heavy(b), instant(b, "2026-03-08T06:50:00Z")
	b.ReportAllocs()
	for b.Loop() {
		p.At(at)
	}
}

func BenchmarkShiftsOfSixtyDays(b *testing.B) {
	p, at := heavy(b), instant(b, "2026-03-08T06:50:00Z")
	b.ReportAllocs()
	for b.Loop() {
		p.Shifts(at, at.Add(oncall.Horizon))
	}
}

func BenchmarkNew(b *testing.B) {
	h, err := oncall.History{}.Edit(schedule("America/New_York", weekly("ana", "bo", "cy")), time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := oncall.New(h, nil); err != nil {
			b.Fatal(err)
		}
	}
}
