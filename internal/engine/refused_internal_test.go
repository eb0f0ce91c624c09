package engine

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// A database that is gone for an hour is one line in the log, and its return another.
func TestRefusedCommitsAreSaidOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	e := &Engine{log: slog.New(slog.NewTextHandler(&log, nil))}
	gone := errors.New("the disk is full")
	for _, err := range []error{nil, gone, gone, gone, nil, nil, gone} {
		e.refused(err)
	}
	var levels []string
	for line := range strings.Lines(log.String()) {
		_, rest, _ := strings.Cut(line, "level=")
		level, _, _ := strings.Cut(rest, " ")
		levels = append(levels, level)
	}
	if got := strings.Join(levels, " "); got != "ERROR INFO ERROR" {
		t.Errorf("logged %s, want one line for each beginning and end:\n%s", got, log.String())
	}
}
