package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

// Wherever the API of EventBridge puts a pattern into a string, each of its bytes is
// found in the file again.
func TestPlacesInAStringOfJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, written string }{
		{"plain", `"abc"`},
		{"escapes", `"a\"b\\c\nd\/e"`},
		{"letters of several bytes", `"é€😀x"`},
		{"escaped letters", `"\u00e9\u20ac\ud83d\ude00x"`},
		{"half of a pair", `"\ud83dx"`},
		{"nothing", `""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := `{"EventPattern": ` + tt.written + `}`
			start := strings.Index(file, tt.written)
			var value string
			if err := json.Unmarshal([]byte(tt.written), &value); err != nil {
				t.Fatal(err)
			}
			offsets := offsetsOf([]byte(file), start, value)
			if len(offsets) != len(value)+1 || offsets[len(value)] != start+len(tt.written)-1 {
				t.Fatalf("offsetsOf(%s) = %v for %q", tt.written, offsets, value)
			}
			for i := range value { // of each letter, as it was written up to the next
				var part string
				rest := file[offsets[i]:]
				end := len(rest) - 2
				for j := range value {
					if j > i {
						end = offsets[j] - offsets[i]
						break
					}
				}
				if err := json.Unmarshal([]byte(`"`+rest[:end]+`"`), &part); err != nil || !strings.HasPrefix(value[i:], part) || part == "" {
					t.Errorf("letter %d of %q is written %q", i, value, rest[:end])
				}
			}
		})
	}
}

func TestRulesInWhatAWSPrints(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"one rule", `{"Name": "a", "EventPattern": "{}"}`, "a"},
		{"its name after its pattern", `{"EventPattern": "{}", "Name": "a"}`, "a"},
		{"several", `{"Rules": [{"Name": "a", "EventPattern": "{}"}, {"Name": "b", "ScheduleExpression": "rate(1 day)"}, {"Name": "c", "EventPattern": "{}"}]}`, "a c"},
		{"a pattern", `{"source": ["a"], "detail": {"x": ["EventPattern"], "n": [1e400]}}`, ""},
		{"a pattern about rules", `{"detail": {"requestParameters": {"EventPattern": ["{}"]}}}`, ""},
		{"the end is missing", `{"Rules": [{"Name": "a", "EventPattern": "{}"}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var names []string
			for _, r := range rulesIn([]byte(tt.text)) {
				names = append(names, r.name)
			}
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("rulesIn(%s) = %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}
