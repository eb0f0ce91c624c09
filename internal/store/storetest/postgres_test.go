package storetest

import (
	"strings"
	"testing"
)

func TestMissingProgramNamesTheNextStep(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := program("no-such-program-of-postgresql")
	if err == nil {
		t.Fatal("a program that does not exist was found")
	}
	for _, want := range []string{"sudo apt-get install postgresql", ServerEnv} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want it to say %q", err, want)
		}
	}
}
