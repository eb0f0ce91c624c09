// Package collect is the contract between tocsin and what brings events in: a
// [Collector] runs until its context ends and hands events to a [Sink].
//
// The promises, which collecttest checks for each collector:
//
//   - The sender is told "received" only after the Sink returned nil.
//   - When the Sink fails the sender is told to try again, never to give up.
//   - What cannot be read is handed on with Unreadable set, and acknowledged: it
//     is in the journal as malformed, and no retry would mend it.
//   - Raw is what the sender sent as the event, byte for byte.
package collect

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// A Sink takes events. When it returns nil they are durable with all that
// follows from them, and the collector may tell the sender so. The receipts are
// in the order of the events. On an error nothing of them was kept.
type Sink func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error)

// A Collector brings events in.
type Collector interface {
	// Run hands events to sink until ctx ends, then returns nil once nothing of
	// its is under way. An error says why it cannot go on.
	Run(ctx context.Context, sink Sink) error
}

// Env is what a collector is given besides its settings.
type Env struct {
	// Name is the source's name in the configuration.
	Name string
	// Log is that of the whole server: a line says which source it is of.
	Log *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// HTTP is for requests going out. It has a timeout.
	HTTP *http.Client
	// Roots are the authorities that certificates of senders are checked against;
	// nil is what the system trusts.
	Roots *x509.CertPool
	// Handle mounts h for the paths /in/<Name> and /in/<Name>/...; nil where
	// nothing listens. It is called while the collector is opened; requests arrive
	// only between the start and the end of Run.
	Handle func(h http.Handler)
	// Token is the unguessable part of the source's URL when the configuration
	// gives none: made once and kept. It is called only by collectors that need it, and
	// gives another one once the token was turned over.
	Token func() (secret.String, error)
	// Admits reports whether token is one that was made here and is still good: the
	// present one, or one before it that senders may go on using for a while. It takes
	// the same time whatever the token is. nil: only the present one is.
	Admits func(token string) bool
	// State is the source's own memory: small values that outlive a restart.
	State State
	// Held says what the journal has of findings; one that it has nothing of is not in
	// the answer.
	Held func(ctx context.Context, keys []tocsin.Key) (map[tocsin.Key]tocsin.Held, error)
	// Observe keeps what the source saw of places, in the stead of what it saw before.
	// Source is set to Name.
	Observe func(ctx context.Context, seen ...tocsin.Sighting) error
	// Sightings are what sources saw, this one or another, that of a kind alone if it
	// is not "".
	Sightings func(ctx context.Context, kind tocsin.SightingKind) ([]tocsin.Sighting, error)
	// Canaries knows which canaries are out.
	Canaries Canaries
	// PublicURL is how the world reaches Handle's paths: "https://tocsin.example.com/in/org-topic".
	PublicURL string
}

// State keeps small values by name for one source.
type State interface {
	Load(ctx context.Context, key string) ([]byte, error) // nil, nil if there is none
	Save(ctx context.Context, key string, value []byte) error
	// First keeps value if there is none yet, and gives what is kept: of several
	// replicas that ask at once, all are given the same.
	First(ctx context.Context, key string, value []byte) (kept []byte, err error)
}

// Canaries keeps the canaries that a source sends. That one arrives is noted by
// whoever accepts events, in the transaction in which the event is journalled.
type Canaries interface {
	// Send notes canaries before they are sent. One whose id is known already is left
	// as it is, so that of several replicas one sends; sent are those that were not.
	Send(ctx context.Context, canaries ...tocsin.Canary) (sent []tocsin.Canary, err error)
	// Fail notes why a canary could not be sent.
	Fail(ctx context.Context, id, why string) error
	// Latest gives the newest canary of each place that the source sent one from, and
	// the newest that arrived, where that is another.
	Latest(ctx context.Context) ([]tocsin.Canary, error)
}

// A Kind is one way in, with its settings described once: the same description
// feeds the decoder of the configuration, the reference and the JSON Schema.
type Kind struct {
	Name   string       // "sns"
	Doc    string       // one sentence
	Config reflect.Type // the struct of its settings, with json and doc tags
	Open   func(decode func(into any) error, env Env) (Collector, error)
	// Title is what people call it: "Prometheus Alertmanager".
	Title string
	// Sample is an event as such a source brings it, to try one with; nil for a
	// GuardDuty finding.
	Sample []byte
	// Dialect reads what it brings, where that is nothing that tocsin knows by its
	// looks; nil where it is. A source's own map goes before it.
	Dialect Dialect
}

// A Dialect reads events of sources whose shape says nothing to rules and to
// guardduty: a sender of another system, or a body that a map explains. It is
// pure, and safe for many goroutines.
type Dialect interface {
	// Read reads one event as its source brought it. base is what tocsin makes of it
	// by its looks (a GuardDuty finding in any envelope), if it knows it; known is
	// false if not. An error says that nothing can be made of it: it is malformed.
	Read(source string, raw []byte, base func() (d tocsin.Detection, known bool)) (Reading, error)
}

// A Reading is what a dialect made of an event.
type Reading struct {
	// Detection is to be folded into an alert. Its Path and Rule are set by others.
	Detection tocsin.Detection
	// End is where the event ends instead, and Reason says why: Filtered by a filter
	// of the source, Ignored where no condition wants it. "" where it goes on.
	End    tocsin.Verdict
	Reason string
	// Steps are how it came to that, for a trace: each filter, mapped field and
	// decision with its value.
	Steps []tocsin.Fact
}

// Define makes a Kind of the function that checks settings of type C and builds
// the collector.
func Define[C any](name, doc string, open func(c C, env Env) (Collector, error)) Kind {
	return Kind{
		Name: name, Doc: doc, Config: reflect.TypeFor[C](),
		Open: func(decode func(any) error, env Env) (Collector, error) {
			var c C
			if err := decode(&c); err != nil {
				return nil, err
			}
			return open(c, env)
		},
	}
}

// Status is what a collector says of itself on the Sources page and in the
// readiness check. Collectors that have something to say implement [Reporter].
type Status struct {
	// State is "ok", "pending", "unsubscribed" or "failing".
	State string
	// Lines are details for people: a topic and its subscription's state, each a
	// line. Nothing secret.
	Lines []tocsin.Fact
}

// A Reporter says how it stands.
type Reporter interface {
	Status(ctx context.Context) Status
}

// A Describer tells how to connect a sender to the source, for the Sources page
// and the line printed at the start. With reveal the URL's token is in it.
type Describer interface {
	Describe(reveal bool) []tocsin.Fact
}

// Progress tells a person how far a long reading is; total is 0 if unknown.
type Progress func(done, total int64)

// MaxBody is the largest body taken in one delivery, in bytes. EventBridge's own
// limit is 1 MiB an event; arrays may hold many.
const MaxBody = 32 << 20
