package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// mostAtInit is how often a package of ours may allocate before main begins. Every
// command and every new sandbox of the Lambda function waits for that; a regular
// expression is some hundred, so those are lazyregexp's, and templates are parsed when
// they are first shown.
const mostAtInit = 600

func TestTheProgramStartsWithoutMuchAdo(t *testing.T) {
	t.Parallel()
	c := exec.Command("tocsin", "version") // this binary, as testscript.Main has it in PATH
	c.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	c.Stderr = &trace
	if err := c.Run(); err != nil {
		t.Fatalf("tocsin version: %v\n%s", err, trace.String())
	}
	const ours = "github.com/tocsin-sec/tocsin/"
	seen := 0
	for line := range strings.Lines(trace.String()) {
		// init internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs
		var name string
		var at, clock float64
		var bytes, allocs int
		if _, err := fmt.Sscanf(line, "init %s @%f ms, %f ms clock, %d bytes, %d allocs", &name, &at, &clock, &bytes, &allocs); err != nil {
			t.Fatalf("%q is no line of inittrace: %v", line, err)
		}
		room, is := strings.CutPrefix(name, ours)
		if !is {
			continue
		}
		seen++
		if allocs > mostAtInit {
			t.Errorf("%s allocates %d times (%d bytes) before main begins; want %d at most: make it when it is first asked for", room, allocs, bytes, mostAtInit)
		}
	}
	if seen < 20 {
		t.Errorf("inittrace names %d packages of ours; is it what it was?\n%s", seen, trace.String())
	}
}
