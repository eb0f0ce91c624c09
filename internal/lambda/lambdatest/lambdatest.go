// Package lambdatest is AWS Lambda as a program sees it: its Runtime API on loopback,
// which hands out invocations and takes their answers.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
package lambdatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A Runtime hands invocations to whatever programs ask it for some, each to one of
// them, as Lambda does with the sandboxes of a function.
type Runtime struct {
	server  *http.Server
	address string
	queue   chan *invocation
	closed  chan struct{}

	mu     sync.Mutex // guards what follows
	last   int
	under  map[string]*invocation
	inits  []Failure
	failed chan struct{} // closed at the first error of an init
	asked  int
}

// An invocation waits for a program, and then for its answer.
type invocation struct {
	id      string
	payload []byte
	limit   time.Duration
	taken   chan struct{}
	answer  chan Answer
}

// A Failure is how a program says that it, or an invocation, failed.
type Failure struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

// An Answer is what came of an invocation.
type Answer struct {
	// ID is the request's.
	ID string
	// Body is what the program answered, unless it failed.
	Body    []byte
	Failure *Failure
	// At is when the answer came.
	At time.Time
}

// ErrTimedOut says that no answer came before the invocation's time was over. Lambda
// kills the sandbox then.
var ErrTimedOut = errors.New("the task timed out")

// New listens on loopback until Close.
func New() (*Runtime, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Runtime{
		address: l.Addr().String(), queue: make(chan *invocation), closed: make(chan struct{}),
		under: map[string]*invocation{}, failed: make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", r.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", r.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", r.failure)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", r.initError)
	r.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = r.server.Serve(l) }() // until Close
	return r, nil
}

// Address is what AWS_LAMBDA_RUNTIME_API is to be.
func (r *Runtime) Address() string { return r.address }

// Close ends it, and so the programs that wait for it.
func (r *Runtime) Close() error {
	close(r.closed)
	return r.server.Close()
}

// Invoke hands payload to the first program that asks, and waits for its answer for as
// long as the function's timeout says.
func (r *Runtime) Invoke(ctx context.Context, payload []byte, timeout time.Duration) (Answer, error) {
	i := &invocation{payload: payload, limit: timeout, taken: make(chan struct{}), answer: make(chan Answer, 1)}
	r.mu.Lock()
	r.last++
	i.id = fmt.Sprintf("00000000-0000-4000-8000-%012d", r.last)
	r.under[i.id] = i
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.under, i.id)
	}()
	select {
	case r.queue <- i:
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
	select {
	case <-i.taken:
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case a := <-i.answer:
		return a, nil
	case <-timer.C:
		return Answer{}, ErrTimedOut
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// InitFailure waits until a program says that it cannot begin.
func (r *Runtime) InitFailure(ctx context.Context) (Failure, error) {
	select {
	case <-r.failed:
	case <-ctx.Done():
		return Failure{}, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inits[0], nil
}

// Asked is how often a program asked for an invocation.
func (r *Runtime) Asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

func (r *Runtime) next(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.asked++
	r.mu.Unlock()
	select {
	case i := <-r.queue:
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(i.limit).UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:111122223333:function:tocsin")
		h.Set("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1")
		h.Set("Content-Type", "application/json")
		close(i.taken)
		_, _ = w.Write(i.payload) // a program that was killed reads no more
	case <-req.Context().Done():
	case <-r.closed:
	}
}

func (r *Runtime) response(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // it was killed
	}
	r.settle(w, req.PathValue("id"), Answer{Body: body})
}

func (r *Runtime) failure(w http.ResponseWriter, req *http.Request) {
	var f Failure
	if json.NewDecoder(req.Body).Decode(&f) != nil {
		http.Error(w, "no error", http.StatusBadRequest)
		return
	}
	r.settle(w, req.PathValue("id"), Answer{Failure: &f})
}

func (r *Runtime) settle(w http.ResponseWriter, id string, a Answer) {
	a.ID, a.At = id, time.Now()
	r.mu.Lock()
	i, ok := r.under[id]
	delete(r.under, id)
	r.mu.Unlock()
	if !ok {
		http.Error(w, "no such invocation is under way", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	i.answer <- a
}

func (r *Runtime) initError(w http.ResponseWriter, req *http.Request) {
	var f Failure
	if json.NewDecoder(req.Body).Decode(&f) != nil || req.Header.Get("Lambda-Runtime-Function-Error-Type") == "" {
		http.Error(w, "no error", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.inits = append(r.inits, f)
	if len(r.inits) == 1 {
		close(r.failed)
	}
	r.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}
