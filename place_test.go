package tocsin_test

import (
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// Two places are compared together for the time that both are.
func TestReconciliationsAddUp(t *testing.T) {
	t.Parallel()
	at := func(hour int) time.Time { return time.Date(2026, 6, 12, hour, 0, 0, 0, time.UTC) }
	a := tocsin.Reconciliation{From: at(1), Until: at(9), API: 20, Received: 10, Pending: 4, Suppressed: 3, Recovered: 2, Unexplained: 1}
	b := tocsin.Reconciliation{From: at(2), Until: at(8), API: 5, Received: 1, Pending: 1, Suppressed: 1, Recovered: 1, Unexplained: 1}
	want := tocsin.Reconciliation{From: at(2), Until: at(8), API: 25, Received: 11, Pending: 5, Suppressed: 4, Recovered: 3, Unexplained: 2}
	for _, order := range [][]tocsin.Reconciliation{{a, b}, {b, a}} {
		var sum tocsin.Reconciliation
		for _, r := range order {
			sum = sum.With(r)
		}
		if sum != want {
			t.Errorf("they add up to %+v, want %+v", sum, want)
		}
	}
}
