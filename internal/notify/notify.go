// Package notify is the contract between tocsin and what tells people: a
// [Notifier] delivers one [Message] to one place.
//
// Retrying, back-off, rate limits, timeouts, metrics and logging are the
// engine's. A notifier says with its error what can be done about it: plain
// errors are tried again, those made with [Permanent] are not, and those made
// with [After] not before the receiver allows. No error carries a secret.
package notify

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A Notifier delivers messages to one receiver.
type Notifier interface {
	// Notify returns once the receiver has taken the message, and what the
	// receiver calls it, if anything, for threads and edits. It obeys ctx.
	Notify(ctx context.Context, m Message) (ref string, err error)
}

// A Message is what is told of one change of one alert.
type Message struct {
	// ID is the same for every attempt at one notification and different for
	// every notification: the idempotency key.
	ID   string
	Kind tocsin.Kind
	// Alert is the alert as it is now.
	Alert tocsin.Alert
	// Changes are what is new since the last message; empty for an opening.
	Changes []tocsin.Change
	// Account is what the configuration says of the alert's account.
	Account tocsin.Account
	// Receiver and Why say who is told and by which route.
	Receiver string
	Why      string
	// AlertURL is the alert's page here, or "" where no public URL is known.
	AlertURL string
	// Ref is what this receiver called its first message of the alert, or "".
	Ref string
	// At is when the notification came to be owed.
	At time.Time
}

// Env is what a notifier is given besides its settings.
type Env struct {
	Name string // the receiver's name in the configuration
	Log  *slog.Logger
	Now  func() time.Time
	HTTP *http.Client // has a timeout, follows no redirects
	Out  io.Writer    // where the console notifier writes
}

// A Kind is one way to tell people, described once for decoder, reference and
// JSON Schema.
type Kind struct {
	Name   string // "slack"
	Doc    string // one sentence
	Config reflect.Type
	Open   func(decode func(into any) error, env Env) (Notifier, error)
	// Rate is how many messages a second the receiver takes by its published
	// limits; 0 is no limit.
	Rate float64
	// Patience is how long a message is tried before it is parked.
	Patience time.Duration
}

// Define makes a Kind of the function that checks settings of type C and builds
// the notifier. Rate and Patience are set on the result.
func Define[C any](name, doc string, open func(c C, env Env) (Notifier, error)) Kind {
	return Kind{
		Name: name, Doc: doc, Config: reflect.TypeFor[C](), Patience: 24 * time.Hour,
		Open: func(decode func(any) error, env Env) (Notifier, error) {
			var c C
			if err := decode(&c); err != nil {
				return nil, err
			}
			return open(c, env)
		},
	}
}

// permanent marks an error that no retry can mend.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent says that trying again cannot help.
func Permanent(err error) error { return permanent{err} }

// IsPermanent reports whether trying again cannot help.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[permanent](err)
	return ok
}

// after marks an error with the time for which the receiver wants to be left alone.
type after struct {
	error
	wait time.Duration
}

func (a after) Unwrap() error { return a.error }

// After says that the receiver asked not to be tried again before wait has passed.
func After(err error, wait time.Duration) error { return after{err, wait} }

// RetryAfter is the wait that the receiver asked for, if it did.
func RetryAfter(err error) (time.Duration, bool) {
	a, ok := errors.AsType[after](err)
	return a.wait, ok
}
