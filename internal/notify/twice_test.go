package notify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

func TestWhatCannotBeTakenBackIsConfirmed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 12, 2, 30, 0, 0, time.UTC)
	ana := notify.Answer{Alert: 4821, Do: notify.DoClose, From: "ana"}
	with := func(change func(a *notify.Answer)) notify.Answer {
		a := ana
		change(&a)
		return a
	}
	var twice notify.Twice
	for _, press := range []struct {
		name  string
		a     notify.Answer
		after time.Duration
		done  bool
		says  string
	}{
		{"acknowledging is done at once", with(func(a *notify.Answer) { a.Do = notify.DoAcknowledge }), 0, true, ""},
		{"escalating is done at once", with(func(a *notify.Answer) { a.Do = notify.DoEscalate }), 0, true, ""},
		{"closing is asked", ana, 0, false, "Alert #4821 is closed then, and nobody is told of it any more. Press once more to do so."},
		{"by somebody else as well", with(func(a *notify.Answer) { a.From = "bo" }), time.Second, false, "Alert #4821 is closed"},
		{"of another alert as well", with(func(a *notify.Answer) { a.Alert = 4822 }), time.Second, false, "Alert #4822 is closed"},
		{"as expected as well", with(func(a *notify.Answer) { a.Do = notify.DoExpected }), time.Second, false, "Alert #4821 is closed"},
		{"the second press does it", ana, 20 * time.Second, true, ""},
		{"once", ana, 20 * time.Second, false, "Alert #4821 is closed"},
		{"too late", ana, 41 * time.Second, false, "Alert #4821 is closed"},
		{"soon after that", ana, 42 * time.Second, true, ""},
		{"a press with an ID", with(func(a *notify.Answer) { a.ID, a.Alert = "cb1", 7 }), 0, false, "Alert #7 is closed"},
		{"that is delivered twice", with(func(a *notify.Answer) { a.ID, a.Alert = "cb1", 7 }), time.Second, false, "Alert #7 is closed"},
		{"and then once more", with(func(a *notify.Answer) { a.ID, a.Alert = "cb2", 7 }), 2 * time.Second, true, ""},
		{"an action is asked", with(func(a *notify.Answer) { a.Do = notify.DoRun("isolate\u202e") }), 0, false, "isolate runs for alert #4821 then, and your name stands with it on the timeline. Press once more to run it."},
	} {
		words, done := twice.Confirmed(press.a, now.Add(press.after))
		if done != press.done || !strings.HasPrefix(words, press.says) || done != (words == "") {
			t.Errorf("%s: %q, %v, want %q, %v", press.name, words, done, press.says, press.done)
		}
	}
	for i := range 5000 { // strangers who press do not fill the memory
		twice.Confirmed(notify.Answer{Alert: 1, Do: notify.DoClose, From: fmt.Sprint(i)}, now)
	}
	if words, done := twice.Confirmed(notify.Answer{Alert: 1, Do: notify.DoClose, From: "4999"}, now); !done {
		t.Errorf("the last one's second press: %q", words)
	}
	if words, done := twice.Confirmed(notify.Answer{Alert: 1, Do: notify.DoClose, From: "0"}, now); done {
		t.Errorf("the first one's is remembered for ever: %q", words)
	}
}
