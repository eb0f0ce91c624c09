package setup

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Sample is an event as the source brings it, to begin a test with.
func (s *Setup) Sample(source string) []byte {
	kind, _, p, _ := place(s.o.Config(), Source, source)
	if text := samples[p.Values["preset"]]; text != "" {
		return []byte(text)
	}
	i := slices.IndexFunc(s.o.Kinds.Collectors, func(k collect.Kind) bool { return k.Name == kind })
	if i >= 0 && s.o.Kinds.Collectors[i].Sample != nil {
		return s.o.Kinds.Collectors[i].Sample
	}
	if text := samples[kind]; text != "" {
		return []byte(text)
	}
	return slices.Clone(finding)
}

// samples are events of sources that bring no GuardDuty findings, by their preset or
// kind.
var samples = map[string]string{
	"alertops":     `{"Source": "monitoring", "SourceName": "db-1", "SourceId": "4711", "SourceStatus": "Open", "Severity": "Critical", "Subject": "Disk of db-1 is full"}`,
	"alertmanager": `{"status": "firing", "labels": {"alertname": "DiskFull", "severity": "critical", "instance": "db-1"}, "annotations": {"summary": "Disk of db-1 is full"}, "startsAt": "2026-06-12T02:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}`,
	"pagerduty":    `{"event_action": "trigger", "dedup_key": "disk-of-db-1", "payload": {"summary": "Disk of db-1 is full", "source": "db-1", "severity": "critical"}}`,
	"heartbeat":    `{"heartbeat": "backup", "status": "fail", "at": "2026-06-12T02:00:00Z", "exit": 1, "text": "no space left on device"}`,
	"shadow":       `{"text": "Disk of db-1 is full"}`,
}

// finding is a GuardDuty finding as EventBridge has it.
//
//go:embed sample.json
var finding []byte

// TestSource says what would become of an event of a source, step by step: a sample
// if event is nil. Nothing is kept and nobody is told.
func (s *Setup) TestSource(ctx context.Context, source string, event []byte) (engine.Explanation, error) {
	if _, _, _, ok := place(s.o.Config(), Source, source); !ok {
		if s.Gone(source) {
			return engine.Explanation{}, refused("source %s was deleted", source)
		}
		return engine.Explanation{}, fmt.Errorf("source %q %w", source, ErrNotFound)
	}
	if event == nil {
		event = s.Sample(source)
	}
	return s.o.Explain(ctx, source, event)
}

// TestReceiver sends a message that is marked as a test by a receiver, now and once.
// The error is a [*RefusedError] with what the receiver says where it did not take it.
func (s *Setup) TestReceiver(ctx context.Context, receiver, by string) error {
	by, err := author(by)
	if err != nil {
		return err
	}
	kind, disabled, _, ok := place(s.o.Config(), Receiver, receiver)
	switch {
	case !ok:
		return fmt.Errorf("receiver %q %w", receiver, ErrNotFound)
	case disabled:
		return refused("receiver %s is disabled: enable it first", receiver)
	case s.notifier(kind).Acts:
		return refused("receiver %s does something rather than telling somebody: a test would do it", receiver)
	}
	text := fmt.Sprintf("[TEST] This is a test message of tocsin for the receiver %s, sent by %s. There is no alert, and nothing to do.", receiver, by)
	err = s.o.Tell(ctx, receiver, notify.Message{Kind: tocsin.TellNote, Text: text})
	c := Change{By: by, What: Receiver, Name: receiver, Did: "tested", Text: "it took the message"}
	if err != nil {
		c.Text = "it did not take the message: " + err.Error()
	}
	s.did(ctx, c)
	if err != nil {
		return refused("receiver %s did not take the message: %s", receiver, err)
	}
	return nil
}

func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
