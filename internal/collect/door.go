package collect

import (
	"cmp"
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
	patience time.Duration
	places   chan struct{} // one taken for each delivery that the sink is not done with
}

const (
	// maxWaiting is how many deliveries the sink may have in hand at once.
	maxWaiting = 1024
	// patience is how long the sink is given. Prometheus gives up after ten seconds.
	patience = 8 * time.Second
)

// Limits are how many deliveries a door lets through at once, and for how long.
type Limits struct {
	// Waiting is how many deliveries the sink may have in hand; 0 is 1024.
	Waiting int
	// Patience is how long a sender is kept waiting, less than after what it gives up;
	// 0 is eight seconds.
	Patience time.Duration
}

// ErrBusy says that too many deliveries wait for the sink.
var ErrBusy = errors.New("too many deliveries are waiting")

// NewDoor makes the door of the source that env is for.
func NewDoor(env Env, token secret.String) (*Door, error) {
	return NewDoorWithin(Limits{}, env, token)
}

// NewDoorWithin makes a door with limits of its own.
func NewDoorWithin(limits Limits, env Env, token secret.String) (*Door, error) {
	in, err := NewInlet(env, token)
	if err != nil {
		return nil, err
	}
	return &Door{Inlet: in, patience: cmp.Or(limits.Patience, patience), places: make(chan struct{}, cmp.Or(limits.Waiting, maxWaiting))}, nil
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

// Deliver hands events to the sink, and returns when the sender's patience ends, at the
// latest: see [Inlet.Hand]. On an error the sender is to come again; one that an operator
// has to know of is logged. A delivery counts as waiting until the sink is done with it.
func (d *Door) Deliver(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	select {
	case d.places <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	if len(events) == 0 {
		<-d.places
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	receipts, err := d.hand(ctx, events, func() { <-d.places })
	if err != nil && !errors.Is(err, ErrStopped) {
		d.env.Log.ErrorContext(ctx, "events not kept", slog.String("source", d.env.Name), slog.Any("err", err))
	}
	return receipts, err
}

// Status says how the source stands.
func (d *Door) Status(context.Context) Status { return d.Standing() }
