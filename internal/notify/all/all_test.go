package all_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/notify/all"
)

func TestKindsAreDescribed(t *testing.T) {
	t.Parallel()
	var names []string
	for _, k := range all.Kinds() {
		names = append(names, k.Name)
		if !strings.HasSuffix(k.Doc, ".") || k.Open == nil || k.Patience <= 0 || k.Rate < 0 {
			t.Errorf("%s is not described: %+v", k.Name, k)
		}
		for _, field := range reflect.VisibleFields(k.Config) {
			if field.Tag.Get("json") == "" || field.Tag.Get("doc") == "" {
				t.Errorf("%s: setting %s has no json or doc tag", k.Name, field.Name)
			}
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("kinds %v are not sorted, or not different", names)
	}
}
