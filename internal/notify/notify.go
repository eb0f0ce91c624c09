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
	"strings"
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
	// Ref is what this place called its first message of the alert, or "". A
	// receiver that can edit its messages edits that one, and tells what is new in
	// its thread.
	Ref string
	// At is when the notification came to be owed.
	At time.Time

	// To is the address of a person's contact method, as [Kind.Address] made it, or
	// "" for the place that the receiver's settings name. Person is whose it is.
	To     string
	Person string
	// Team owns the alert; OnCall are its people on call at the moment.
	Team   string
	OnCall []string
	// Seen is how many earlier alerts had the same type in the same account.
	Seen int64
	// Actions are what the reader may do from where they are.
	Actions []Action
	// Digest are the alerts that a digest lists, worst first, without Alert.
	Digest []Item
	// Text is what a note says, Code what a code message is for. Both have no Alert.
	Text, Code string
	// Event is the newest event of the alert, byte for byte as its source sent it,
	// for notifiers that are an [EventReader]; nil where it is not kept any more.
	Event []byte
	// By is who had an action run: a person, or "" where the rule does by itself.
	By string
}

// An Item is one line of a digest.
type Item struct {
	Alert   tocsin.Alert
	Account tocsin.Account
	URL     string // the alert's page here, or ""
}

// An Action is something that the reader of a message may do.
type Action struct {
	Do Do
	// Label is the word on the button: "Acknowledge".
	Label string
	// URL does it from anywhere: signed, for one use, and for this reader alone; it
	// leads to a page with one button, since mail programs open links by
	// themselves. It is "" where no public URL is known.
	URL string
	// Reply is what to send back where people answer by text: "4821a".
	Reply string
}

// Do is what can be done to an alert from a message.
type Do string

// What can be done. Expected closes the alert as expected.
const (
	DoAcknowledge Do = "acknowledge"
	DoEscalate    Do = "escalate"
	DoExpected    Do = "expected"
	DoClose       Do = "close"
)

const doRun = "run:"

// DoRun is to have the action run that is configured as the receiver of that name.
func DoRun(receiver string) Do { return Do(doRun + receiver) }

// Runs is the receiver of a [DoRun].
func (d Do) Runs() (receiver string, ok bool) { return strings.CutPrefix(string(d), doRun) }

// An Answer is what somebody did with a message: pressed a button, sent a reply,
// pressed a key.
type Answer struct {
	// ID is what the vendor calls the answer, so that one that is delivered twice
	// is done once; "" if it has none.
	ID    string
	Alert int64
	Do    Do
	// From is who, as the receiver calls people: the address of a contact method
	// ("U012AB3CD", "+4930123456"). Somebody whom no contact method names is refused.
	From string
	Note string // what they wrote with it
}

// A Reply is what came of an answer, in one line that names who and when.
type Reply struct {
	Text string
	// Alert is as it is afterwards; its Account is for rendering.
	Alert   tocsin.Alert
	Account tocsin.Account
}

// A Listener is a notifier that brings answers over a connection of its own
// (Slack's Socket Mode). Listen runs until ctx ends; it connects again by itself.
type Listener interface {
	Listen(ctx context.Context) error
}

// A Follower is a notifier whose settings decide whether it is told how an alert
// stands, where its kind's Follows says only that it can be. An incoming webhook
// of Slack cannot edit, so that each change would be one more message.
type Follower interface {
	Follows() bool
}

// Placed is a notifier whose settings decide whether there is a place that it
// tells: without one it tells single people alone. One that is not Placed has a
// place.
type Placed interface {
	Placed() bool
}

// An EventReader is a notifier that sends the event itself, or something made of
// it (see [Input]), if its settings say so: then a message has its Event.
type EventReader interface {
	ReadsEvent() bool
}

// State keeps small values by name for one receiver: they outlive a restart, and
// are the same for all replicas.
type State interface {
	Load(ctx context.Context, key string) ([]byte, error) // nil, nil if there is none
	Save(ctx context.Context, key string, value []byte) error
	// First keeps value if there is none yet, and gives what is kept.
	First(ctx context.Context, key string, value []byte) ([]byte, error)
}

// Env is what a notifier is given besides its settings.
type Env struct {
	Name string       // the receiver's name in the configuration
	Log  *slog.Logger // names the receiver; never nil for who is opened by their Kind
	Now  func() time.Time
	HTTP *http.Client // has a timeout, follows no redirects
	Out  io.Writer    // where the console notifier writes
	// Handle mounts what the vendor calls back, at CallbackURL and below. It is
	// reachable for everybody: the handler checks signatures. Nil in tests that
	// need none.
	Handle func(http.Handler)
	// CallbackURL is how the world reaches it, "https://tocsin.example.com/act/soc",
	// or "" where no public URL is known.
	CallbackURL string
	// Act does what somebody answered; nil where nothing can be done. An error of
	// it is fit to be shown to them.
	Act func(ctx context.Context, a Answer) (Reply, error)
	// State is the receiver's own memory; nil in a check of settings.
	State State
	// Enroll writes an address, which the receiver has proved itself, as a verified
	// contact method of a person; nil where nothing can be written. An error of it is
	// fit to be shown.
	Enroll func(ctx context.Context, person, address string) error
}

// A Kind is one way to tell people, described once for decoder, reference and
// JSON Schema.
type Kind struct {
	Name  string // "slack"
	Title string // what its makers call it: "Slack"
	Doc   string // one sentence
	// Abilities and Checks are for people who choose: the page of destinations.
	Abilities Abilities
	Checks    []Check
	// Acts says that it changes something (runs a function, a task, a command)
	// rather than telling somebody. It is told nothing by routes and policies: it
	// runs only where a rule names it among its actions.
	Acts bool
	// Ended says that the service is no more, and what to use in its place: nothing is
	// set up with it any more.
	Ended  string
	Config reflect.Type
	Open   func(decode func(into any) error, env Env) (Notifier, error)
	// Rate is how many messages a second the receiver takes by its published
	// limits; 0 is no limit.
	Rate float64
	// Patience is how long a message is tried before it is parked.
	Patience time.Duration
	// Follows says that it shows how an alert stands, not only that it calls: it is
	// told of acknowledgements and other changes too.
	Follows bool
	// Edits says that a later message of an alert edits the first, or ends a call that
	// goes on until somebody acts, so that people who were called by it are shown, or
	// left alone. Those that edit have the ability too; what ends a call leaves the
	// message as it was.
	Edits bool
	// Interrupts says that it wakes people: a person is told by it only what calls
	// for them.
	Interrupts bool
	// Address reads the address of a person's contact method and gives it as the
	// vendor writes it ("+49 30 123456" is "+4930123456"). Nil: it cannot tell
	// single people.
	Address func(text string) (string, error)
	// Burst is how many messages one address is sent within 15 minutes before they
	// are told in digests; 0 is 60.
	Burst int
}

// Abilities are what a destination can show, and how much of it.
type Abilities struct {
	Edits       bool // a later message changes the first
	Threads     bool // what is new comes under the first message
	Acknowledge bool // people can answer from where they are: a button, a reply, a signed link
	Resolve     bool // it is told that an alert is over, and shows it as such
	Rich        bool // more than plain text: colours, fields, links
	// Limit is how much one message holds, in the vendor's own unit: "4,096 bytes".
	// Longer ones are cut where a character ends, and say so.
	Limit string
}

// A Check is how a destination was proved to understand what it is sent.
type Check struct {
	How CheckKind
	// By is what checked it: "JSON Schema from @googleapis/chat 51.0.0", "moto 5.2.1",
	// "a server that speaks Matrix's client-server API".
	By string
	// Test is the test function of the notifier's package that does it.
	Test string
}

// CheckKind is what a destination was checked against.
type CheckKind string

// What destinations are checked against.
const (
	BySchema      CheckKind = "schema"      // the vendor's own machine-readable description
	ByCounterpart CheckKind = "counterpart" // a program that others use as the real thing
	ByFake        CheckKind = "fake"        // a server of ours that keeps the vendor's published rules
)

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
			if env.Log == nil {
				env.Log = slog.New(slog.DiscardHandler)
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
