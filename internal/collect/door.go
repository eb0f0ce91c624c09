package collect

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// A Door is the [Inlet] of senders that speak to another system and are pointed
// here instead: what they ask for is behind the token, or the token is in a header.
type Door struct {
	*Inlet
	places chan struct{} // one taken for each delivery that waits for the sink
}

const (
	// maxWaiting is how many deliveries may wait for the sink at once.
	maxWaiting = 1024
	// patience is how long the sink is given. Prometheus gives up after ten seconds.
	patience = 8 * time.Second
)

// ErrBusy says that too many deliveries wait for the sink.
var ErrBusy = errors.New("too many deliveries are waiting")

// NewDoor makes the door of the source that env is for.
func NewDoor(env Env, token secret.String) (*Door, error) {
	in, err := NewInlet(env, token)
	if err != nil {
		return nil, err
	}
	return &Door{Inlet: in, places: make(chan struct{}, maxWaiting)}, nil
}

// Admit says what is asked for behind /in/<Name> and the token, without a slash
// before it, and whether the request has the token there or in a header.
func (d *Door) Admit(r *http.Request) (rest string, ok bool) {
	// The path as it was sent: a token that was made by others may hold a slash, which
	// its URL then has as %2F.
	escaped, ok := strings.CutPrefix(r.URL.EscapedPath(), "/in/"+d.env.Name+"/")
	if first, behind, _ := strings.Cut(escaped, "/"); ok && d.knowsEscaped(first) {
		return behind, true
	}
	token := headerToken(r)
	return d.PathToken(r), token != "" && d.Knows(token)
}

func (d *Door) knowsEscaped(token string) bool {
	token, err := url.PathUnescape(token)
	return err == nil && d.Knows(token)
}

// headerToken is the token that a header carries, as an API key, a bearer token or
// the password of basic authentication.
func headerToken(r *http.Request) string {
	if key := r.Header.Get("X-Api-Key"); key != "" {
		return key
	}
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if ok && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Token")) {
		return strings.TrimPrefix(strings.TrimSpace(token), "token=")
	}
	return ""
}

// Deliver hands events to the sink, with a few seconds for it. On an error the sender
// is to come again; one that an operator has to know of is logged.
func (d *Door) Deliver(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	if len(events) == 0 {
		return nil, nil
	}
	select {
	case d.places <- struct{}{}:
		defer func() { <-d.places }()
	default:
		return nil, ErrBusy
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	receipts, err := d.Hand(ctx, events...)
	if err != nil && !errors.Is(err, ErrStopped) {
		d.env.Log.ErrorContext(ctx, "events not kept", slog.String("source", d.env.Name), slog.Any("err", err))
	}
	return receipts, err
}

// Status says how the source stands.
func (d *Door) Status(context.Context) Status { return d.Standing() }
