package collect_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// doorEnv is that of a source "prom" whose token was made here.
func doorEnv(admits func(string) bool) collect.Env {
	return collect.Env{
		Name: "prom", Log: slog.New(slog.DiscardHandler), Now: time.Now, PublicURL: "https://tocsin.example.com/in/prom",
		Handle: func(http.Handler) {}, Admits: admits,
		Token: func() (secret.String, error) { return secret.New("the-newest-of-its-tokens"), nil },
	}
}

func door(t *testing.T, limits collect.Limits) *collect.Door {
	t.Helper()
	d, err := collect.NewDoorWithin(limits, doorEnv(nil), secret.New("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// run runs d until end, which returns once it has ended. It is for a bubble.
func run(t *testing.T, d *collect.Door, sink collect.Sink) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Run(ctx, sink)
	}()
	synctest.Wait()
	return func() {
		cancel()
		<-ended
	}
}

// A token may be anything that somebody's generator gave: its URL is taken as the
// source itself tells it.
func TestADoorKnowsItsTokenHoweverItIsSpelled(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"0123456789abcdef", "c2/VjcmV0+c2VjcmV0=", "per%cent%2Fage&more?#", "ein schlüssel mit blanks"} {
		d, err := collect.NewDoor(doorEnv(nil), secret.New(token))
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, url string
			header    [2]string
			rest      string
			ok        bool
		}{
			{"in the path", d.URL(true), [2]string{}, "", true},
			{"before more of the path", d.URL(true) + "/api/v2/alerts", [2]string{}, "api/v2/alerts", true},
			{"in a header", "https://tocsin.example.com/in/prom/api/v2/alerts", [2]string{"X-Api-Key", token}, "api/v2/alerts", true},
			{"as a bearer token", "https://tocsin.example.com/in/prom/api/v2/alerts", [2]string{"Authorization", "bearer " + token}, "api/v2/alerts", true},
			{"as PagerDuty has it", "https://tocsin.example.com/in/prom/v2/enqueue", [2]string{"Authorization", "Token token=" + token}, "v2/enqueue", true},
			{"in a header of another scheme", "https://tocsin.example.com/in/prom/x", [2]string{"Authorization", "Digest " + token}, "x", false},
			{"with more behind it", d.URL(true) + "x", [2]string{}, "", false},
			{"only its beginning", "https://tocsin.example.com/in/prom/" + url.PathEscape(token[:4]), [2]string{}, "", false},
			{"none", "https://tocsin.example.com/in/prom", [2]string{}, "", false},
			{"nothing but a slash", "https://tocsin.example.com/in/prom/", [2]string{}, "", false},
		} {
			r := httptest.NewRequest(http.MethodPost, tt.url, nil)
			if tt.header[0] != "" {
				r.Header.Set(tt.header[0], tt.header[1])
			}
			rest, ok := d.Admit(r)
			if ok != tt.ok || ok && rest != tt.rest {
				t.Errorf("%s, %s: %q, admitted: %v; want %q, %v", token, tt.name, rest, ok, tt.rest, tt.ok)
			}
		}
	}
}

// While senders are given a new token, the one before it is as good.
func TestADoorAdmitsTheTokenBefore(t *testing.T) {
	t.Parallel()
	d, err := collect.NewDoor(doorEnv(func(token string) bool { return strings.HasSuffix(token, "-of-its-tokens") }), secret.String{})
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]bool{"the-newest-of-its-tokens": true, "an-older-of-its-tokens": true, "a-guess": false, "": false} {
		if _, ok := d.Admit(httptest.NewRequest(http.MethodPost, "/in/prom/"+token, nil)); ok != want {
			t.Errorf("token %q is admitted: %v, want %v", token, ok, want)
		}
	}
}

func TestWhatComesBeforeADoorRunsWaitsForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := door(t, collect.Limits{})
		kept := make(chan error, 1)
		go func() {
			_, err := d.Deliver(t.Context(), tocsin.Event{})
			kept <- err
		}()
		synctest.Wait() // the delivery is inside
		end := run(t, d, func(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
			return make([]tocsin.Receipt, len(events)), nil
		})
		if err := <-kept; err != nil {
			t.Errorf("a delivery from before it ran: %v, want it kept", err)
		}
		end()
		began := time.Now()
		if _, err := d.Deliver(t.Context(), tocsin.Event{}); !errors.Is(err, collect.ErrStopped) || time.Since(began) != 0 {
			t.Errorf("after it ran: %v after %v, want %v at once", err, time.Since(began), collect.ErrStopped)
		}
	})
}

func TestADoorThatIsFullOrClosedTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := door(t, collect.Limits{})
		if _, err := d.Deliver(t.Context(), tocsin.Event{}); !errors.Is(err, collect.ErrStopped) {
			t.Errorf("before it runs: %v, want %v", err, collect.ErrStopped)
		}
		var calls atomic.Int64
		gate := make(chan struct{})
		end := run(t, d, func(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
			calls.Add(1)
			<-gate
			return make([]tocsin.Receipt, len(events)), nil
		})
		if _, err := d.Deliver(t.Context()); err != nil || calls.Load() != 0 {
			t.Errorf("no event at all: %v, and the sink was called %d times", err, calls.Load())
		}
		for range collect.MaxWaiting {
			go func() { _, _ = d.Deliver(t.Context(), tocsin.Event{}) }()
		}
		synctest.Wait()
		if _, err := d.Deliver(t.Context(), tocsin.Event{}); !errors.Is(err, collect.ErrBusy) || calls.Load() != collect.MaxWaiting {
			t.Errorf("one more than may wait: %v with %d waiting, want %v", err, calls.Load(), collect.ErrBusy)
		}
		close(gate)
		synctest.Wait()
		if _, err := d.Deliver(t.Context(), tocsin.Event{}); err != nil {
			t.Errorf("once they are done: %v", err)
		}
		end()
	})
}

// A disk that is full shows on the Sources page at those who push as well.
func TestADoorWhoseEventsAreNotKeptIsFailing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := door(t, collect.Limits{})
		var full error
		defer run(t, d, func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
			return make([]tocsin.Receipt, len(events)), cmp.Or(full, ctx.Err())
		})()
		stands := func(when, state string, says ...string) {
			t.Helper()
			st := d.Status(t.Context())
			if st.State != state || (len(says) > 0) != (len(st.Lines) > 0) {
				t.Errorf("%s: %+v, want %s", when, st, state)
				return
			}
			for _, part := range says {
				if !strings.Contains(st.Lines[0].Value, part) {
					t.Errorf("%s: %q, want %q in it", when, st.Lines[0].Value, part)
				}
			}
		}
		deliver := func(ctx context.Context) {
			_, _ = d.Deliver(ctx, tocsin.Event{})
			synctest.Wait() // the sink is done too
		}
		deliver(t.Context())
		stands("while all is kept", "ok")
		gone, leave := context.WithCancel(t.Context())
		leave()
		deliver(gone)
		stands("when a sender left", "ok")
		full = errors.New("database or disk is full")
		began := time.Now().UTC().Format(time.RFC3339)
		for range 3 {
			deliver(t.Context())
			time.Sleep(time.Minute)
		}
		stands("meanwhile", "failing", "failing since "+began, "disk is full", "come again")
		time.Sleep(time.Hour)
		stands("when nobody came again", "ok", "disk is full")
		full = nil
		deliver(t.Context())
		stands("once it is kept", "ok")
	})
}

// A disk that hangs in a commit heeds no context: the sender is answered in time all the
// same, the operator sees it, and the events are the sink's until it is done.
func TestADoorAnswersInTimeWhateverTheSinkDoes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		limits   collect.Limits
		patience time.Duration
	}{
		{"with nothing said", collect.Limits{Waiting: 1}, 8 * time.Second},
		{"with less patience", collect.Limits{Waiting: 1, Patience: 4500 * time.Millisecond}, 4500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := door(t, tt.limits)
				const hang = time.Minute
				var kept string
				end := run(t, d, func(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
					time.Sleep(hang)
					kept = string(events[0].Raw)
					return make([]tocsin.Receipt, len(events)), nil
				})
				began := time.Now()
				deliver := func() error {
					body, err := collect.ReadBody(httptest.NewRequest(http.MethodPost, "/in/prom", strings.NewReader(`{"first":"event"}`)))
					if err != nil {
						t.Fatal(err)
					}
					_, err = d.Deliver(t.Context(), tocsin.Event{Raw: body})
					return err
				}
				if err := deliver(); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != tt.patience {
					t.Errorf("Deliver = %v after %v, want that there is no answer after %v", err, time.Since(began), tt.patience)
				}
				if st := d.Status(t.Context()); st.State != "failing" || !strings.Contains(st.Lines[0].Value, "no answer of the store") {
					t.Errorf("meanwhile it stands %+v", st)
				}
				if err := deliver(); !errors.Is(err, collect.ErrBusy) {
					t.Errorf("another meanwhile: %v, want %v", err, collect.ErrBusy)
				}
				end()
				if took := time.Since(began); took != hang || kept != `{"first":"event"}` {
					t.Errorf("Run ended after %v with %q kept, want it to wait for the sink", took, kept)
				}
				if st := d.Status(t.Context()); st.State != "ok" {
					t.Errorf("once it was kept after all: %+v", st)
				}
			})
		})
	}
}

func TestASenderThatLeavesADoorWaitsForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := door(t, collect.Limits{})
		defer run(t, d, func(context.Context, ...tocsin.Event) ([]tocsin.Receipt, error) {
			time.Sleep(time.Minute)
			return []tocsin.Receipt{{}}, nil
		})()
		began := time.Now()
		sender, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if _, err := d.Deliver(sender, tocsin.Event{}); err == nil || time.Since(began) != time.Second {
			t.Errorf("Deliver = %v after %v, want an end when the sender left", err, time.Since(began))
		}
		if st := d.Status(t.Context()); st.State != "ok" {
			t.Errorf("a sender that leaves is nobody's fault: %+v", st)
		}
	})
}

// What one event has the sink panic with ends its request, and not the program.
func TestAPanicOfTheSinkIsTheDeliverys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := door(t, collect.Limits{Waiting: 1})
		var hang time.Duration
		defer run(t, d, func(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
			if len(events[0].Raw) == 0 {
				time.Sleep(hang)
				panic("no event")
			}
			return make([]tocsin.Receipt, len(events)), nil
		})()
		func() {
			defer func() {
				if got := recover(); got != "no event" {
					t.Errorf("the delivery panics with %v", got)
				}
			}()
			_, _ = d.Deliver(t.Context(), tocsin.Event{})
		}()
		next := func() {
			t.Helper()
			if _, err := d.Deliver(t.Context(), tocsin.Event{Raw: []byte("{}")}); err != nil {
				t.Errorf("the next delivery: %v", err)
			}
		}
		next()
		hang = time.Minute // nobody waits for it any more
		if _, err := d.Deliver(t.Context(), tocsin.Event{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one that panics late: %v", err)
		}
		time.Sleep(time.Hour)
		if st := d.Status(t.Context()); len(st.Lines) != 1 || !strings.Contains(st.Lines[0].Value, "panic: no event") {
			t.Errorf("afterwards it stands %+v", st)
		}
		next()
	})
}
