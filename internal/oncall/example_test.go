package oncall_test

import (
	"fmt"
	"time"

	"github.com/tocsin-sec/tocsin/internal/oncall"
)

// Three people take turns week by week. Clocks are put forward in bo's week, which
// is an hour shorter for it; cy stands in for one evening.
func Example() {
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	history, err := oncall.History{}.Edit(oncall.Schedule{
		Name: "soc", TimeZone: "Europe/Berlin",
		Layers: []oncall.Layer{{Rotate: "weekly", From: "2026-03-16T09:00", Turns: []oncall.Turn{{"ana"}, {"bo"}, {"cy"}}}},
	}, since)
	if err != nil {
		panic(err)
	}
	evening := time.Date(2026, 3, 25, 17, 0, 0, 0, time.UTC)
	plan, err := oncall.New(history, []oncall.Override{{
		ID: "1", Kind: oncall.Replace, People: []string{"bo"}, With: []string{"cy"},
		From: evening, Until: evening.Add(4 * time.Hour), By: "bo", Reason: "choir", CreatedAt: since,
	}})
	if err != nil {
		panic(err)
	}
	fmt.Println(plan.At(evening), plan.At(evening.Add(4*time.Hour)))
	for _, s := range plan.Shifts(evening.AddDate(0, 0, -3), evening.AddDate(0, 0, 7)) {
		fmt.Println(s.Start.Format("Mon 2 Jan 15:04 MST"), s.End.Sub(s.Start), s.People)
	}
	// Output:
	// [cy] [bo]
	// Mon 16 Mar 09:00 CET 168h0m0s [ana]
	// Mon 23 Mar 09:00 CET 57h0m0s [bo]
	// Wed 25 Mar 18:00 CET 4h0m0s [cy]
	// Wed 25 Mar 22:00 CET 106h0m0s [bo]
	// Mon 30 Mar 09:00 CEST 168h0m0s [cy]
}

// What is skipped resolves to the jump, what comes twice to its first pass.
func ExampleResolve() {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic(err)
	}
	fmt.Println(oncall.Resolve(oncall.Civil{Year: 2026, Month: time.March, Day: 8, Hour: 2, Minute: 30}, zone))
	fmt.Println(oncall.Resolve(oncall.Civil{Year: 2026, Month: time.November, Day: 1, Hour: 1, Minute: 30}, zone))
	// Output:
	// 2026-03-08 03:00:00 -0400 EDT
	// 2026-11-01 01:30:00 -0400 EDT
}
