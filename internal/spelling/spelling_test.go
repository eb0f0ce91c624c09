package spelling_test

import (
	"testing"

	"github.com/tocsin-sec/tocsin/internal/spelling"
)

func TestEdits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"webhook", "webhook", 0},
		{"webhok", "webhook", 1},
		{"webbhook", "webhook", 1},
		{"wbehook", "webhook", 1},
		{"wabhook", "webhook", 1},
		{"kitten", "sitting", 3},
	} {
		if got := spelling.Edits(tt.a, tt.b); got != tt.want {
			t.Errorf("Edits(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if there, back := spelling.Edits(tt.a, tt.b), spelling.Edits(tt.b, tt.a); there != back {
			t.Errorf("Edits(%q, %q) = %d, and %d the other way about", tt.a, tt.b, there, back)
		}
	}
}
