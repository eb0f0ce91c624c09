package all_test

import (
	"reflect"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/collect/all"
)

func TestKindsDescribeThemselves(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range all.Kinds() {
		if k.Name == "" || k.Doc == "" || k.Open == nil || seen[k.Name] {
			t.Errorf("kind %+v: want a name of its own, a sentence and a way to open it", k)
		}
		seen[k.Name] = true
		for _, f := range reflect.VisibleFields(k.Config) {
			if f.Anonymous {
				continue // its fields are the settings
			}
			if f.Tag.Get("json") == "" || f.Tag.Get("doc") == "" {
				t.Errorf("%s: setting %s has no json or doc tag", k.Name, f.Name)
			}
		}
	}
}
