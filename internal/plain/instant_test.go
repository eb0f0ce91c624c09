package plain_test

import (
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/plain"
)

func TestInstant(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 3, 1, 12, 0, 0, 500e6, time.UTC)
	for _, text := range []string{
		"2026-03-01T12:00:00.5Z", " 2026-03-01T13:00:00.5009+01:00 ", "2026-03-01T12:00:00.500+0000", "2026-03-01 12:00:00.5Z", "1772366400.5", "1772366400500",
	} {
		if got, ok := plain.Instant(text); !ok || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("Instant(%q) = %v, %v; want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-1", "0", "1e300", "NaN", "Inf", "2026-03-01"} {
		if got, ok := plain.Instant(text); ok {
			t.Errorf("Instant(%q) = %v, want none", text, got)
		}
	}
}
