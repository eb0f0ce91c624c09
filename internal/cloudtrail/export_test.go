package cloudtrail

import (
	"maps"
	"slices"

	"github.com/tocsin-sec/tocsin/internal/wording"
)

// Blinding are the calls that have words of their own, "guardduty:DeleteDetector".
func Blinding() []string { return slices.Sorted(maps.Keys(blindings)) }

// Blinds reports whether the event is told of in those words, and whether as one that
// takes nothing away.
func Blinds(raw []byte) (yes, harmless bool) {
	ev, ok := wording.Read(raw)
	if !ok {
		return false, false
	}
	b, yes := newRecord(ev).blinding()
	return yes, yes && b.means == "" && b.level <= 2
}
