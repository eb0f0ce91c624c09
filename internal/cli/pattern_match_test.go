package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const anything = `{"a": [{"exists": true}]}`

// match runs pattern match as from a shell.
func match(t *testing.T, in string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Main(append([]string{"pattern", "match"}, args...), strings.NewReader(in), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestMatchSaysNotAllOfWhatIsNoEvent(t *testing.T) {
	in := strings.Repeat("oops\n{\"a\":1}\n", maxTold+5)
	code, out, errOut := match(t, in, "-c", anything)
	if code != exitUsage || out != fmt.Sprintln(maxTold+5) {
		t.Errorf("%d, %q", code, out)
	}
	lines := strings.Split(strings.TrimSpace(errOut), "\n")
	if len(lines) != maxTold+1 || lines[0] != "standard input:1: not JSON: a value is missing at byte 0" || lines[maxTold] != "standard input: and 5 more that are no events" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
}

type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

func TestMatchWhenTheOutputEnds(t *testing.T) {
	for _, tt := range []struct {
		err  error
		says string
	}{
		{syscall.EPIPE, ""},
		{syscall.ENOSPC, "tocsin: standard output: no space left on device\n"},
	} {
		var stderr bytes.Buffer
		in := strings.NewReader(strings.Repeat("{\"a\":1}\n", 100_000))
		code := Main([]string{"pattern", "match", anything}, in, full{tt.err}, &stderr)
		if code != exitUsage || stderr.String() != tt.says {
			t.Errorf("%v: %d, %q", tt.err, code, stderr.String())
		}
	}
}

func TestMatchNamesPatterns(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"one.json": `{"a":[1]}`, "x=y.json": `{"a":[2]}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	code, out, errOut := match(t, `{"a":[1,2,3,4]}`, "--name", "-e", "one.json", "-e", "./x=y.json", "-e", `drei={"a":[3]}`, "-e", `{"a":[4]}`)
	if code != exitDone || out != "one,x=y,drei,4:{\"a\":[1,2,3,4]}\n" {
		t.Errorf("%d, %q, %q", code, out, errOut)
	}
	if _, _, errOut := match(t, "", "-e", "x=y.json"); !strings.Contains(errOut, "y.json: no such file") {
		t.Errorf("x=y.json is a pattern x in y.json: %q", errOut)
	}
	if code, out, _ := match(t, `{"a":2}`, "x=y.json"); code != exitDone || out != "{\"a\":2}\n" {
		t.Errorf("without -e it is a file: %d, %q", code, out)
	}
}

func TestExamplesOfPatternTestsAreAsTheyShouldBe(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../examples/patterns/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("examples = %v, %v", paths, err)
	}
	for _, path := range append(paths, "../../library/guardduty-high.yaml") {
		code, out, errOut := run(t, "pattern", "test", path)
		if code != exitDone || !strings.HasPrefix(out, "ok\t") || errOut != "" {
			t.Errorf("%s: %d\n%s%s", path, code, out, errOut)
		}
	}
}

func TestProblemsInAnError(t *testing.T) {
	t.Parallel()
	one, two := errors.New("one"), errors.New("two")
	if got := problemsIn(errors.Join(one, two)); len(got) != 2 || !errors.Is(got[1], two) {
		t.Errorf("%v", got)
	}
	if got := problemsIn(one); len(got) != 1 || !errors.Is(got[0], one) {
		t.Errorf("%v", got)
	}
	if got := problemsIn(nil); got != nil {
		t.Errorf("%v", got)
	}
}
