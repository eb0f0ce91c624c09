package app_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

// What docs/reference says of the configuration is generated from the code.
func TestTheReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"config.md":          config.Reference(app.Kinds()),
		"tocsin.schema.json": string(config.Schema(app.Kinds())),
	} {
		path := filepath.Join("../../docs/reference", name)
		if notifytest.Updating() {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(got), want); diff != "" {
			t.Errorf("%s is not what the code says (run this test with -update):\n%s", path, diff)
		}
	}
}
