//go:build !race

package pattern

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The tests here are about what is used again for the next event. With the race
// detector sync.Pool forgets on purpose, so they would prove nothing.

const raceEnabled = false

// Every event goes through Match, so Match makes no garbage.
func TestMatchDoesNotAllocate(t *testing.T) {
	set := benchmarkSet(t, 100)
	matched := make([]int, 0, 100)
	allocations := testing.AllocsPerRun(100, func() {
		matched, _ = set.Match(benchmarkEvent, matched[:0])
	})
	if allocations >= 1 {
		t.Errorf("Match: %v allocations, want none", allocations)
	}
}

// TestNothingIsLeftBehind matches an event that keeps a Set busy, perhaps too
// busy to finish. The next one must not see anything of it.
func TestNothingIsLeftBehind(t *testing.T) {
	set := NewSet[int]()
	set.Add(-1, parse(t, `{"a":["y"]}`))
	for i := range 1000 {
		set.Add(i, parse(t, fmt.Sprintf(`{"a":[{"wildcard":"*x%d*"}]}`, i)))
	}
	large := []byte(`{"a":["y"` + strings.Repeat(`,"`+strings.Repeat("z", 128)+`"`, 8_000) + `]}`)
	if got, err := set.Match(large, nil); err == nil && !slices.Equal(got, []int{-1}) {
		t.Errorf("Match of the large event = %v, want [-1]", got)
	}
	for event, want := range map[string][]int{`{"a":"z"}`: nil, `{"a":"-x7-"}`: {7}, `{"a":"y"}`: {-1}} {
		if got, err := set.Match([]byte(event), nil); err != nil || !slices.Equal(got, want) {
			t.Errorf("Match(%s) = %v, %v, want %v", event, got, err, want)
		}
	}
	for _, broken := range []string{`{"a":"y"`, `{"a":["y","x1`, `{"a":"y"} x`} {
		if got, err := set.Match([]byte(broken), []int{5}); err == nil || !slices.Equal(got, []int{5}) {
			t.Errorf("Match(%s) = %v, %v, want an error", broken, got, err)
		}
		if got, err := set.Match([]byte(`{"a":"-x8-"}`), nil); err != nil || !slices.Equal(got, []int{8}) {
			t.Errorf("Match after %s = %v, %v, want [8]", broken, got, err)
		}
	}
}
