package notify_test

import (
	"errors"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

func TestWhatCannotBeTransformedIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	none, err := (*notify.Input)(nil).Shaper()
	if none != nil || err != nil {
		t.Errorf("no input makes %v, %v", none, err)
	}
	s, err := (&notify.Input{Paths: map[string]string{"level": "$.detail.severity"}, Template: `{"level": <level>}`}).Shaper()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := s.Shape(notify.Message{Event: []byte(`{"detail":{"severity":8}}`)}); err != nil || string(text) != `{"level":8}` {
		t.Errorf("Shape = %s, %v", text, err)
	}
	if _, err := s.Shape(notify.Message{}); !notify.IsPermanent(err) || !errors.Is(err, notify.ErrNoEvent) {
		t.Errorf("without an event: %v", err)
	}
	if _, err := s.Shape(notify.Message{Event: []byte(`{"detail":`)}); !notify.IsPermanent(err) {
		t.Errorf("of an event that is none: %v", err)
	}
}
