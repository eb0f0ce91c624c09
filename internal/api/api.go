// Package api is the JSON API: what the command line and other programs ask of a
// running tocsin. It reads through the store and acts through the engine.
//
//	GET  /api/alerts                    ?status= &level= &account= &region= &type= &text= &sort= &limit= &offset=
//	GET  /api/alerts/{id}               the alert, its timeline and its notifications
//	POST /api/alerts/{id}/acknowledge   {"by": "ana"}
//	POST /api/alerts/{id}/close         {"by": "ana", "reason": "fixed", "note": "…"}
//
// Errors are {"error": "…"} with a fitting status: 404 where there is no such
// alert, 409 where it is not in a state for what was asked, 400 for a field that
// cannot be read.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// An Actor changes alerts.
type Actor interface {
	Acknowledge(ctx context.Context, id int64, by string) (tocsin.Alert, error)
	Close(ctx context.Context, id int64, by string, reason tocsin.Reason, note string) (tocsin.Alert, error)
}

// New is the API as a handler for paths under /api/.
func New(s *store.Store, act Actor, log *slog.Logger) http.Handler {
	a := api{s, act, log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/alerts", a.handle(a.list))
	mux.HandleFunc("GET /api/alerts/{id}", a.handle(a.show))
	mux.HandleFunc("POST /api/alerts/{id}/acknowledge", a.handle(a.acknowledge))
	mux.HandleFunc("POST /api/alerts/{id}/close", a.handle(a.close))
	mux.HandleFunc("/api/", a.handle(func(*http.Request) (any, error) { return nil, store.ErrNotFound }))
	return http.NewCrossOriginProtection().Handler(mux)
}

type api struct {
	store *store.Store
	act   Actor
	log   *slog.Logger
}

// Alerts is the answer to a list.
type Alerts struct {
	Alerts []tocsin.Alert `json:"alerts"`
	Total  int64          `json:"total"` // how many the filter chooses in all
}

// Alert is the answer about one alert.
type Alert struct {
	tocsin.Alert
	Timeline      []tocsin.Entry        `json:"timeline"`
	Notifications []tocsin.Notification `json:"notifications"`
}

// A Change is the body of a POST.
type Change struct {
	By     string        `json:"by"`
	Reason tocsin.Reason `json:"reason,omitempty"`
	Note   string        `json:"note,omitempty"`
}

func (a api) list(r *http.Request) (any, error) {
	f, err := filter(r)
	if err != nil {
		return nil, err
	}
	out := Alerts{Alerts: []tocsin.Alert{}}
	err = a.store.View(r.Context(), func(tx *store.Tx) error {
		alerts, total, err := tx.Alerts(f)
		out.Alerts, out.Total = append(out.Alerts, alerts...), total
		return err
	})
	return out, err
}

func (a api) show(r *http.Request) (any, error) {
	id, err := id(r)
	if err != nil {
		return nil, err
	}
	return Show(r.Context(), a.store, id)
}

// Show reads one alert with all that belongs to it.
func Show(ctx context.Context, s *store.Store, id int64) (out Alert, err error) {
	err = s.View(ctx, func(tx *store.Tx) (err error) {
		if out.Alert, err = tx.Alert(id); err != nil {
			return err
		}
		if out.Timeline, err = tx.Timeline(id); err != nil {
			return err
		}
		out.Notifications, err = tx.Notifications(store.NotificationFilter{Alert: id})
		return err
	})
	return out, err
}

func (a api) acknowledge(r *http.Request) (any, error) {
	id, c, err := change(r)
	if err != nil {
		return nil, err
	}
	return a.act.Acknowledge(r.Context(), id, c.By)
}

func (a api) close(r *http.Request) (any, error) {
	id, c, err := change(r)
	if err != nil {
		return nil, err
	}
	reason, err := tocsin.ParseReason(string(c.Reason))
	if err != nil {
		return nil, badRequest{err}
	}
	return a.act.Close(r.Context(), id, c.By, reason, c.Note)
}

// badRequest marks what the caller can mend.
type badRequest struct{ error }

func (a api) handle(f func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := f(r)
		status := http.StatusOK
		if err != nil {
			status = statusOf(err)
			answer = map[string]string{"error": err.Error()}
			if status == http.StatusInternalServerError {
				a.log.ErrorContext(r.Context(), "request refused", "path", r.URL.Path, "err", err)
				answer = map[string]string{"error": "internal error; the log says more"}
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer) // a caller that left needs no answer
	}
}

func statusOf(err error) int {
	if _, ok := errors.AsType[*tocsin.StateError](err); ok {
		return http.StatusConflict
	}
	if _, ok := errors.AsType[badRequest](err); ok {
		return http.StatusBadRequest
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, store.ErrStale):
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

func id(r *http.Request) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, badRequest{fmt.Errorf("alert %q is not a number", r.PathValue("id"))}
	}
	return n, nil
}

func change(r *http.Request) (int64, Change, error) {
	n, err := id(r)
	if err != nil {
		return 0, Change{}, err
	}
	var c Change
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return 0, c, badRequest{fmt.Errorf("body: %w", err)}
	}
	if strings.TrimSpace(c.By) == "" {
		return 0, c, badRequest{errors.New(`body: "by" is missing: say who does it`)}
	}
	return n, c, nil
}

// What a list can be asked for.
var (
	statuses = []tocsin.Status{tocsin.StatusOpen, tocsin.StatusAcked, tocsin.StatusClosed}
	sorts    = []string{"level", "newest", "changed", "count"}
)

func filter(r *http.Request) (store.AlertFilter, error) {
	q := r.URL.Query()
	f := store.AlertFilter{
		Account: q.Get("account"), Region: q.Get("region"), Type: q.Get("type"), Text: q.Get("text"), Sort: q.Get("sort"),
	}
	for _, s := range q["status"] {
		if !slices.Contains(statuses, tocsin.Status(s)) {
			return f, badRequest{fmt.Errorf("status: %q is none of %v", s, statuses)}
		}
		f.Statuses = append(f.Statuses, tocsin.Status(s))
	}
	if f.Sort != "" && !slices.Contains(sorts, f.Sort) {
		return f, badRequest{fmt.Errorf("sort: %q is none of %v", f.Sort, sorts)}
	}
	var err error
	if s := q.Get("level"); s != "" {
		if f.MinLevel, err = tocsin.ParseLevel(s); err != nil {
			return f, badRequest{err}
		}
	}
	for name, into := range map[string]*int{"limit": &f.Limit, "offset": &f.Offset} {
		if s := q.Get(name); s != "" {
			if *into, err = strconv.Atoi(s); err != nil || *into < 0 {
				return f, badRequest{fmt.Errorf("%s: %q is not a number", name, s)}
			}
		}
	}
	return f, nil
}
