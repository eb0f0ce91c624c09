package chaos_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// nightEnv has a process of this test be one of the night: it is the path of the
// configuration.
const nightEnv = "TOCSIN_NIGHT_CONFIG"

// An order is what happens within a minute, as the one who drives the time tells
// a process. It may come again after a kill.
type order struct {
	Minute  time.Time `json:"minute"`
	Events  []posting `json:"events"`
	Answers []answer  `json:"answers"`
	// Morning has everything closed that is still open.
	Morning bool `json:"morning"`
}

// A report says that a minute is over.
type report struct {
	Minute  time.Time `json:"minute"`
	Pending int64     `json:"pending"` // notifications
	// Problems are what should never happen.
	Problems []string `json:"problems"`
}

// reportMark begins the lines that are reports, among what a test writes.
const reportMark = "night: "

// TestNightProcess is the process that is killed: the real engine on the real
// store, with a clock that is told the time.
func TestNightProcess(t *testing.T) {
	file := os.Getenv(nightEnv)
	if file == "" {
		t.Skip("it is a part of TestOneNight")
	}
	w := &watch{}
	orders := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var o order
		err := orders.Decode(&o)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		w.now.Store(o.Minute.UnixMilli())
		if w.app == nil {
			if w.app, err = w.open(t.Context(), file); err != nil {
				t.Fatal(err)
			}
		}
		line, err := json.Marshal(w.keep(t.Context(), o))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s%s\n", reportMark, line)
	}
	if w.app != nil {
		if err := w.app.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A watch is one process through its part of the night.
type watch struct {
	now atomic.Int64 // Unix milliseconds
	app *app.App
}

func (w *watch) time() time.Time { return time.UnixMilli(w.now.Load()).UTC() }

func (w *watch) open(ctx context.Context, file string) (*app.App, error) {
	c, err := config.Load(file, app.Kinds())
	if err != nil {
		return nil, err
	}
	return app.Offline(ctx, app.Options{
		Config: c, Now: w.time, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	})
}

// keep lets a minute pass: what comes in and what people answer at the same time,
// then all that is due.
func (w *watch) keep(ctx context.Context, o order) report {
	r := report{Minute: o.Minute}
	if err := w.pass(ctx, o); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	err := w.app.Store().View(ctx, func(tx *store.Tx) error {
		totals, err := tx.Totals()
		r.Pending = totals.Notifications[tocsin.Pending]
		return err
	})
	if err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	return r
}

func (w *watch) pass(ctx context.Context, o order) error {
	const ways = 4
	var g errgroup.Group
	for way := range ways {
		g.Go(func() error {
			for i := way; i < len(o.Events); i += ways {
				p := o.Events[i]
				ev := tocsin.Event{Source: p.Source, Via: "https", Envelope: p.Envelope, ReceivedAt: o.Minute, Raw: p.Raw}
				if _, err := w.app.Engine().Accept(ctx, ev); err != nil {
					return fmt.Errorf("accept %s: %w", p.Envelope, err)
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		for _, a := range o.Answers {
			if err := w.answer(ctx, a); err != nil {
				return fmt.Errorf("%s of %s to alert %d: %w", a.Do, a.By, a.Alert, err)
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if err := w.app.Engine().Drain(ctx, o.Minute); err != nil {
		return err
	}
	if !o.Morning {
		return nil
	}
	if err := w.closeAll(ctx); err != nil {
		return err
	}
	return w.app.Engine().Drain(ctx, o.Minute)
}

// answer does what somebody answers. That somebody else was faster is no error.
func (w *watch) answer(ctx context.Context, a answer) error {
	e := w.app.Engine()
	ask := engine.Ask{By: a.By, Via: "page"}
	var err error
	switch {
	case a.Link != "":
		_, err = e.FollowLink(ctx, a.Link)
	case a.Receiver != "":
		_, err = e.Answer(ctx, a.Receiver, notify.Answer{ID: a.ID, Alert: a.Alert, Do: notify.Do(a.Do), From: a.From})
	case a.Do == "acknowledge":
		_, err = e.Acknowledge(ctx, a.Alert, ask)
	case a.Do == "escalate":
		_, err = e.Escalate(ctx, a.Alert, ask)
	case a.Do == "close":
		_, err = e.Close(ctx, a.Alert, ask, tocsin.ReasonFixed, time.Time{})
	case a.Do == "expected":
		_, err = e.Close(ctx, a.Alert, ask, tocsin.ReasonExpected, time.Time{})
	case a.Do == "mute":
		_, err = e.Close(ctx, a.Alert, ask, tocsin.ReasonExpected, w.time().Add(2*time.Hour))
	case a.Do == "give back":
		_, err = e.Unacknowledge(ctx, a.Alert, ask)
	case a.Do == "snooze":
		err = w.snooze(ctx, a.Alert, ask)
	case a.Do == "hand over":
		err = w.handOver(ctx, a.Alert, ask)
	default:
		err = fmt.Errorf("nobody does that")
	}
	if _, state := errors.AsType[*tocsin.StateError](err); state {
		return nil
	}
	if _, input := errors.AsType[engine.InputError](err); input && a.Do == "escalate" {
		return nil // it is held back by now
	}
	return err
}

// snooze has nobody told for half an hour, unless that is so already: a page that
// is shown again after a kill says so.
func (w *watch) snooze(ctx context.Context, id int64, ask engine.Ask) error {
	a, err := w.alert(ctx, id)
	if err != nil || a.Snoozed(w.time()) {
		return err
	}
	_, err = w.app.Engine().Snooze(ctx, id, ask, w.time().Add(30*time.Minute))
	return err
}

// handOver gives the alert to the team beside its own, unless it has it.
func (w *watch) handOver(ctx context.Context, id int64, ask engine.Ask) error {
	a, err := w.alert(ctx, id)
	next := map[string]string{"web": "pay", "pay": "core", "core": "web"}[teamOf(a.Account)]
	if err != nil || a.Team == next {
		return err
	}
	_, err = w.app.Engine().Reassign(ctx, id, ask, next, "")
	return err
}

func (w *watch) alert(ctx context.Context, id int64) (a tocsin.Alert, err error) {
	err = w.app.Store().View(ctx, func(tx *store.Tx) error {
		a, err = tx.Alert(id)
		return err
	})
	return a, err
}

// closeAll is what somebody does in the morning.
func (w *watch) closeAll(ctx context.Context) error {
	for {
		var live []tocsin.Alert
		err := w.app.Store().View(ctx, func(tx *store.Tx) (err error) {
			live, _, err = tx.Alerts(store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusOpen, tocsin.StatusAcked}, Limit: 500})
			return err
		})
		if err != nil || len(live) == 0 {
			return err
		}
		for _, a := range live {
			_, err := w.app.Engine().Close(ctx, a.ID, engine.Ask{By: "bo", Via: "page"}, tocsin.ReasonFixed, time.Time{})
			if _, state := errors.AsType[*tocsin.StateError](err); err != nil && !state {
				return err
			}
		}
	}
}
