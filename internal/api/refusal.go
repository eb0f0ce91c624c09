package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A Refusal is the body of every answer that is not 200.
type Refusal struct {
	Error    string    `json:"error" doc:"What is wrong, in words for people."`
	Problems []Problem `json:"problems,omitempty" doc:"With 400: all that is wrong with what was asked."`
	// Alert is there where somebody was faster.
	Alert *tocsin.Alert `json:"alert,omitempty" doc:"With 409, where it is about an alert: the alert as it is now."`
}

// A Problem is what is wrong with one field of what was asked.
type Problem struct {
	In    string `json:"in" jsonschema:"enum=path,enum=query,enum=body" doc:"Where the field is."`
	Field string `json:"field" doc:"Its name; of a body its path, such as every.from; empty for the body as a whole."`
	Text  string `json:"problem" doc:"What is wrong with it."`
}

func (p Problem) String() string {
	if p.Field == "" {
		return p.In + ": " + p.Text
	}
	return p.Field + ": " + p.Text
}

// problems are all that is wrong with what was asked: 400.
type problems []Problem

func (ps problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "; ")
}

// errNoAddress says that nothing is served there.
var errNoAddress = fmt.Errorf("address %w; /api/openapi.json has all there are", store.ErrNotFound)

// A methodError says that the address is there for other methods: 405.
type methodError struct {
	method string
	allow  []string
}

func (e methodError) Error() string {
	return fmt.Sprintf("%s is not for this address; %s is", e.method, strings.Join(e.allow, " or "))
}

// A mediaError says that a body is in no form that is read here: 415.
type mediaError struct{ got string }

func (e mediaError) Error() string {
	return fmt.Sprintf("body: Content-Type %q is not application/json", e.got)
}

// An unprocessable is an error of what was asked that could be read: 422.
type unprocessable struct{ error }

// statusOf is where errors become statuses.
func statusOf(err error) int {
	if _, ok := errors.AsType[*tocsin.StateError](err); ok {
		return http.StatusConflict
	}
	if _, ok := errors.AsType[problems](err); ok {
		return http.StatusBadRequest
	}
	if _, ok := errors.AsType[methodError](err); ok {
		return http.StatusMethodNotAllowed
	}
	if _, ok := errors.AsType[mediaError](err); ok {
		return http.StatusUnsupportedMediaType
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, store.ErrStale), errors.Is(err, store.ErrExists):
		return http.StatusConflict
	}
	if _, ok := errors.AsType[unprocessable](err); ok {
		return http.StatusUnprocessableEntity
	}
	if _, ok := errors.AsType[engine.InputError](err); ok {
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}

// refusalOf is what the caller is told of an error. Of our own faults that is
// nothing.
func refusalOf(err error) (int, Refusal) {
	status := statusOf(err)
	refusal := Refusal{Error: err.Error()}
	switch status {
	case http.StatusInternalServerError:
		refusal.Error = "internal error; the log says more"
	case http.StatusRequestEntityTooLarge:
		most, _ := errors.AsType[*http.MaxBytesError](err)
		refusal.Error = fmt.Sprintf("body: it is longer than %d bytes", most.Limit)
	case http.StatusBadRequest:
		refusal.Problems, _ = errors.AsType[problems](err)
	case http.StatusConflict:
		refusal.Alert = present(err)
	}
	return status, refusal
}

// present is the alert as it is, where the error has it.
func present(err error) *tocsin.Alert {
	if state, ok := errors.AsType[*tocsin.StateError](err); ok {
		return &state.Alert
	}
	if stale, ok := errors.AsType[*engine.StaleError](err); ok {
		return &stale.Alert
	}
	return nil
}

// refuse is the refusal of a request; our own faults go to the log.
func (a *api) refuse(r *http.Request, err error) (int, Refusal) {
	status, refusal := refusalOf(err)
	if status == http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		a.log.ErrorContext(r.Context(), "request refused", "path", r.URL.Path, "err", err)
	}
	return status, refusal
}
