package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
)

// An endpoint is one thing that can be asked. What the server answers, what the
// description says and what the tests hold it to are made of it.
type endpoint struct {
	// name is its operationId.
	name    string
	method  string
	path    string // "/api/alerts/{id}"; the last part may be "{name}.ics"
	summary string
	// in has the parameters: fields tagged path, query or body. out is what is
	// answered with 200.
	in, out reflect.Type
	refuses []int // statuses besides 200, 400 and 500
	plan    plan
	do      func(ctx context.Context, in reflect.Value) (any, error)
}

// on is the endpoint that has do answer pattern, "GET /api/alerts/{id}".
func on[In, Out any](name, pattern, summary string, do func(ctx context.Context, in In) (Out, error), refuses ...int) endpoint {
	method, path, _ := strings.Cut(pattern, " ")
	e := endpoint{
		name: name, method: method, path: path, summary: summary, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), refuses: refuses,
		do: func(ctx context.Context, in reflect.Value) (any, error) { return do(ctx, in.Interface().(In)) },
	}
	e.plan = planOf(e.in)
	if e.plan.body != nil {
		e.refuses = append(e.refuses, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return e
}

// none is In of an endpoint that takes nothing.
type none struct{}

// A media is an answer that is not JSON.
type media interface{ contentType() string }

// suffix is what a path of the mux cannot say: ".ics" of "/api/people/{name}.ics".
func (e endpoint) suffix() string {
	_, suffix, _ := strings.Cut(e.path[strings.LastIndexByte(e.path, '/'):], "}")
	return suffix
}

// pattern is the mux's, without the suffix.
func (e endpoint) pattern() string { return e.method + " " + strings.TrimSuffix(e.path, e.suffix()) }

// serve answers one request.
func (e endpoint) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	in, err := e.plan.read(w, r)
	if err != nil {
		return nil, err
	}
	return e.do(r.Context(), in)
}

// mount has the mux answer the endpoints. Those that differ by a suffix share a
// pattern.
func (a *api) mount(mux *http.ServeMux, endpoints []endpoint) {
	byPattern := map[string][]endpoint{}
	for _, e := range endpoints {
		byPattern[e.pattern()] = append(byPattern[e.pattern()], e)
	}
	for pattern, list := range byPattern {
		mux.Handle(pattern, a.answer(func(w http.ResponseWriter, r *http.Request) (any, error) {
			for _, e := range list {
				if s := e.suffix(); s != "" && stripped(r, e, s) {
					return e.serve(w, r)
				}
			}
			for _, e := range list {
				if e.suffix() == "" {
					return e.serve(w, r)
				}
			}
			return nil, errNoAddress
		}))
	}
	mux.Handle("/api/", a.answer(func(w http.ResponseWriter, r *http.Request) (any, error) { return nil, elsewhere(w, r, mux) }))
}

// stripped takes the suffix off the last path parameter, if it is there.
func stripped(r *http.Request, e endpoint, suffix string) bool {
	last := e.path[strings.LastIndexByte(e.path, '{')+1 : strings.LastIndexByte(e.path, '}')]
	value, ok := strings.CutSuffix(r.PathValue(last), suffix)
	if !ok || value == "" {
		return false
	}
	r.SetPathValue(last, value)
	return true
}

// elsewhere says whether the address is one for another method.
func elsewhere(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) error {
	var allow []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(other); pattern != "/api/" && pattern != "" {
			allow = append(allow, method)
		}
	}
	if len(allow) == 0 {
		return errNoAddress
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	return methodError{r.Method, allow}
}

// answer writes what f gives, or why it gives nothing.
func (a *api) answer(f func(w http.ResponseWriter, r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := f(w, r)
		status := http.StatusOK
		if err != nil {
			status, answer = a.refuse(r, err)
		}
		contentType, text := "application/json", []byte(nil)
		switch body := answer.(type) {
		case interface {
			media
			bytes() []byte
		}:
			contentType, text = body.contentType(), body.bytes()
		default:
			if text, err = json.Marshal(answer); err != nil {
				status, answer = a.refuse(r, fmt.Errorf("encode the answer: %w", err))
				text, _ = json.Marshal(answer) // a refusal of two strings
			}
			text = append(text, '\n')
		}
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = w.Write(text) // a caller that left needs no answer
	})
}
