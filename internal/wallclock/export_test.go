package wallclock

import (
	"testing"
	"time"
)

// Walk goes from period to period as Resolve does, and fails where that would not
// come to an end.
func Walk(t *testing.T, from, to time.Time) {
	t.Helper()
	at := from
	for range 20 { // no zone sets its clocks so often in a few days
		end, endless := periodEnd(at)
		if endless || end.After(to) {
			return
		}
		if !end.After(at) {
			t.Fatalf("the period of %s ends at %s", at, end)
		}
		at = end
	}
	t.Fatalf("from %s one gets to %s, and not to %s", from, at, to)
}
