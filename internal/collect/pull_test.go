package collect_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

func pull(log *bytes.Buffer) *collect.Pull {
	return collect.NewPull(collect.Env{Name: "org-queue", Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now})
}

// A source that fails for an hour says so twice: when it begins and when it ends.
func TestAFailingSourceIsLoggedOnceAndOnceWhenItWorks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := pull(&log)
		p.Worked(t.Context(), "shard 1")
		if st := p.Status(); st.State != "ok" || len(st.Lines) != 0 || log.Len() != 0 {
			t.Errorf("before anything failed: %+v\n%s", st, &log)
		}
		began := time.Now()
		for time.Since(began) < time.Hour {
			p.Again(t.Context(), "shard 1", errors.New("503 busy"), 0)
			p.Again(t.Context(), "shard 2", errors.New("400 no such shard"), 0)
		}
		want := "failing since " + began.UTC().Format(time.RFC3339) + ": 503 busy"
		if st := p.Status(); st.State != "failing" || len(st.Lines) != 2 || st.Lines[0].Name != "shard 1" || st.Lines[0].Value != want {
			t.Errorf("meanwhile: %+v, want %q", st, want)
		}
		p.Worked(t.Context(), "shard 1")
		if st := p.Status(); st.State != "failing" || len(st.Lines) != 1 {
			t.Errorf("when one of two works again: %+v", st)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "503 busy") {
			t.Errorf("logged %d lines:\n%s", n, &log)
		}
		p.Worked(t.Context(), "shard 2")
		if st := p.Status(); st.State != "ok" || strings.Count(log.String(), "\n") != 2 || !strings.Contains(log.String(), "works again") {
			t.Errorf("when all work again: %+v\n%s", st, &log)
		}
	})
}

func TestWaitsGrowToAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pull(new(bytes.Buffer))
		began, tries := time.Now(), 0
		for time.Since(began) < time.Hour {
			before := time.Now()
			failing := before.Sub(began)
			p.Again(t.Context(), "", errors.New("no route to host"), 0)
			waited := time.Since(before)
			least := min(max(failing, time.Second), 30*time.Second)
			if waited < least || waited > 2*least {
				t.Errorf("after failing for %v it waited %v, want %v to %v", failing, waited, least, 2*least)
			}
			tries++
		}
		if tries < 60 || tries > 130 {
			t.Errorf("%d tries in an hour, want about 80", tries)
		}
		before := time.Now()
		p.Again(t.Context(), "", errors.New("503 Retry-After: 300"), 5*time.Minute)
		if waited := time.Since(before); waited != 5*time.Minute {
			t.Errorf("waited %v, want as long as the service asked for", waited)
		}
	})
}

// Whoever waits for what works again for another one goes on with it, though not at
// once: that one may have been lucky.
func TestWhoWaitsGoesOnWhenItWorksForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pull(new(bytes.Buffer))
		for range 10 {
			p.Again(t.Context(), "journal", errors.New("the disk is full"), 0)
		}
		time.AfterFunc(3*time.Second, func() { p.Worked(t.Context(), "journal") })
		if before := time.Now(); !p.Again(t.Context(), "journal", errors.New("the disk is full"), 0) || time.Since(before) != 3*time.Second {
			t.Errorf("waited %v, want until it worked for another", time.Since(before))
		}
		time.AfterFunc(time.Millisecond, func() { p.Worked(t.Context(), "journal") })
		if before := time.Now(); !p.Again(t.Context(), "journal", errors.New("429"), 0) || time.Since(before) < time.Second {
			t.Errorf("waited %v, want a second at least", time.Since(before))
		}
	})
}

func TestTheEndIsNoFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := pull(&log)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(200*time.Millisecond, cancel)
		if before := time.Now(); p.Again(ctx, "", errors.New("503"), 0) || time.Since(before) > 200*time.Millisecond {
			t.Errorf("it waited on for %v after the end", time.Since(before))
		}
		log.Reset()
		if q := pull(&log); q.Again(ctx, "", ctx.Err(), 0) || q.Status().State != "ok" || log.Len() > 0 {
			t.Errorf("what fails because of the end: %+v\n%s", q.Status(), &log)
		}
	})
}

func TestManyFailingPartsAreCounted(t *testing.T) {
	t.Parallel()
	p := pull(new(bytes.Buffer))
	for part := range strings.FieldsSeq("a b c d e f g h") {
		p.Failed(t.Context(), part, errors.New("503"))
	}
	st := p.Status()
	if len(st.Lines) != 6 || st.Lines[5].Value != "3 more" {
		t.Errorf("Status = %+v, want five and 3 more", st)
	}
}

// For how long it failed is for people to read, in a log of JSON as well.
func TestHowLongASourceFailedCanBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := collect.NewPull(collect.Env{Name: "org-queue", Log: slog.New(slog.NewJSONHandler(&log, nil)), Now: time.Now})
		p.Failed(t.Context(), "shard 1", errors.New("503 busy"))
		time.Sleep(90 * time.Second)
		p.Worked(t.Context(), "shard 1")
		if !strings.Contains(log.String(), `"after":"1m30s"`) {
			t.Errorf("logged\n%s", &log)
		}
	})
}

// Others use a service too: half a minute of it is no failure, and it is counted.
func TestWhatIsThrottledIsAskedAgainForHalfAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pull(new(bytes.Buffer))
		var since time.Time
		began, times := time.Now(), 0
		for p.Throttled(t.Context(), &since) {
			if times++; since != began {
				t.Fatalf("it has been throttled since %v, want %v", since, began)
			}
		}
		if took := time.Since(began); took < 30*time.Second || took > 32*time.Second || times < 15 || times > 30 {
			t.Errorf("asked %d times in %v", times, took)
		}
		since = time.Time{} // it worked
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began = time.Now()
		if !p.Throttled(ctx, &since) || time.Since(began) != 0 {
			t.Errorf("at the end it waits %v, or calls it a failure", time.Since(began))
		}
		if st := p.Status(); st.State != "ok" || len(st.Lines) != 1 || st.Lines[0].Value != strconv.Itoa(times+2)+" since the start" {
			t.Errorf("Status = %+v", st)
		}
	})
}

func TestLossesAreLoggedAndStay(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p := pull(&log)
	p.Loses(t.Context(), "", "It was away for too long")
	for i := range 10 {
		p.Loses(t.Context(), "shard "+strconv.Itoa(i), "The shard is gone")
	}
	st := p.Status()
	if st.State != "ok" || len(st.Lines) != 10 || st.Lines[0].Name != "Lost, shard 0" || st.Lines[9].Name != "Lost, shard 9" {
		t.Errorf("Status = %+v, want the last ten", st)
	}
	if n := strings.Count(log.String(), "events may be lost"); n != 11 || !strings.Contains(log.String(), "It was away for too long") {
		t.Errorf("logged:\n%s", &log)
	}
	p = pull(new(bytes.Buffer))
	p.Loses(t.Context(), "", "It was away for too long")
	p.Failed(t.Context(), "group", errors.New("503 busy"))
	if st := p.Status(); st.State != "failing" || len(st.Lines) != 2 || st.Lines[0].Name != "group" || st.Lines[1].Name != "Lost" {
		t.Errorf("while it fails: %+v", st)
	}
}

func TestWhereToStart(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 12, 3, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		text, word string
		at         time.Time
		wrong      string
	}{
		{"latest", "latest", time.Time{}, ""},
		{"TRIM_HORIZON", "trim_horizon", time.Time{}, ""},
		{"2026-06-01T00:00:00Z", "", time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), ""},
		{"2026-06-12T03:00:00Z", "", now, ""},
		{"2026-06-12T03:00:01Z", "", time.Time{}, "start: 2026-06-12T03:00:01Z is yet to come"},
		{"yesterday", "", time.Time{}, `start: "yesterday" is neither trim_horizon nor latest, and no time such as 2026-06-01T00:00:00Z`},
		{"", "", time.Time{}, `start: "" is neither`},
	} {
		word, at, err := collect.Start(tt.text, now, "trim_horizon", "latest")
		if word != tt.word || !at.Equal(tt.at) || (err == nil) != (tt.wrong == "") || err != nil && !strings.HasPrefix(err.Error(), tt.wrong) {
			t.Errorf("Start(%q) = %q, %v, %v; want %q, %v, %q", tt.text, word, at, err, tt.word, tt.at, tt.wrong)
		}
	}
}
