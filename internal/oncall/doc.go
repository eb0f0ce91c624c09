// Package oncall judges who is on call, and when.
//
// A [Schedule] is what people write: layers of turns that rotate on the wall clock
// of a time zone. A [History] is its versions over time, and an [Override] what
// somebody decided about a stretch of it. [New] makes a [Plan] of them, which
// answers who is on call at an instant, which shifts, hand-offs and gaps there are
// between two, and how the load is shared.
//
// One rule carries it all: a wall-clock time stands for the first instant at which
// the zone's clock shows that time or later ([Resolve]). Starts and ends go by it
// alike, so what ends at 08:00 ends where that which begins at 08:00 begins,
// whatever the clocks do in between.
//
// Intervals are half-open: their end does not belong to them.
package oncall
