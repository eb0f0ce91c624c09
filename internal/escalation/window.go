package escalation

import (
	"errors"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wallclock"
)

func checkWindow(field string, w tocsin.Recurrence, add report) {
	_, err := wallclock.Recurrence(w).Window()
	if problems, ok := errors.AsType[wallclock.Problems](err); ok {
		for _, p := range problems {
			add(field+"."+p.Field, "%s", p.Text)
		}
	}
}

// open reports whether t is within the window. One that cannot be read is always
// open, since telling too many is the better mistake; Check refuses it.
func open(w tocsin.Recurrence, t time.Time) bool {
	window, err := wallclock.Recurrence(w).Window()
	if err != nil {
		return true
	}
	_, in := window.Occurrence(t)
	return in
}
