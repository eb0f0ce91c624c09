package notify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

func TestDedupKey(t *testing.T) {
	t.Parallel()
	opened, closed := message(t, "opened-critical-ec2-c2"), message(t, "closed-archived")
	key := notify.DedupKey(opened)
	if key != "tocsin-4821-1781231160000" {
		t.Errorf("DedupKey = %q", key)
	}
	if got := notify.DedupKey(closed); got != key {
		t.Errorf("DedupKey of the alert's end = %q, want that of its opening, %q", got, key)
	}
	reopened := message(t, "reopened")
	reopened.Alert.ReopenedAt = time.Date(2026, 6, 13, 0, 0, 0, 0, time.UTC)
	if got := notify.DedupKey(reopened); got != key {
		t.Errorf("DedupKey of the next episode = %q, want %q", got, key)
	}
	elsewhere := opened
	elsewhere.Alert.OpenedAt = opened.Alert.OpenedAt.Add(time.Millisecond)
	if got := notify.DedupKey(elsewhere); got == key {
		t.Errorf("DedupKey of alert 4821 of another database = %q, too", got)
	}
	note, digest := message(t, "note"), message(t, "digest")
	if a, b := notify.DedupKey(note), notify.DedupKey(digest); a == b || a != "tocsin-"+note.ID {
		t.Errorf("DedupKey of a note and a digest = %q, %q", a, b)
	}
	if got := notify.DedupKey(notify.Message{ID: strings.Repeat("ä b", 500)}); len(got) > 255 || strings.ContainsAny(got, "ä ") {
		t.Errorf("DedupKey of an odd id = %q", got)
	}
}

func TestOnCall(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		team   string
		people []string
		want   string
	}{
		{"", nil, ""},
		{"payments", nil, "team payments"},
		{"payments", []string{"ana", "bo"}, "team payments, on call ana, bo"},
		{"", []string{"a", "b", "c", "d", "e", "f", "g"}, "on call a, b, c, d, e, 2 more"},
	} {
		if got := notify.OnCall(notify.Message{Team: tt.team, OnCall: tt.people}); got != tt.want {
			t.Errorf("OnCall(%q, %q) = %q, want %q", tt.team, tt.people, got, tt.want)
		}
	}
}

func TestWorstOfADigest(t *testing.T) {
	t.Parallel()
	if got := notify.Worst(message(t, "digest")); got != tocsin.Critical {
		t.Errorf("Worst = %v", got)
	}
	if got := notify.Worst(notify.Message{}); got != tocsin.Unknown {
		t.Errorf("Worst of nothing = %v", got)
	}
}
