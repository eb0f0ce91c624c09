// Package config reads tocsin.yml, the one file that says what is collected,
// what matters, whose it is and how they are told.
//
// Reading is strict, and tells everything that is wrong at once, each with file,
// line and column. A vendor's settings are decoded into the vendor's own struct;
// the same structs make the reference ([Reference]) and the JSON Schema
// ([Schema]). Secrets and other texts may name what they are to be, as
// ${env:NAME} or ${file:/path}, which is looked up after parsing.
//
// Every source and receiver is opened once while the file is checked, with an
// environment that reaches nothing, so that what a vendor's own checks refuse is
// known before anything starts.
package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kinds are the ways in and the ways to tell people that a file may name.
type Kinds struct {
	Collectors []collect.Kind
	Notifiers  []notify.Kind
}

// A Config is a file that was read and checked. It is not changed any more.
type Config struct {
	// Listen is a host and port. The host may be empty: all addresses.
	Listen string
	// Intake is where senders reach the sources if that is not Listen, or "".
	Intake string
	// TLS is the certificate of whichever of the two senders reach; zero for none.
	TLS TLS
	// PublicURL is empty or has no slash at its end.
	PublicURL string
	// Store is "sqlite:<folder>" or a postgres:// URL.
	Store     string
	Heartbeat *Heartbeat // nil for none
	Sources   []Source   // in the order of the file
	Receivers []Receiver // in the order of the file
	Accounts  map[string]tocsin.Account
	Left      []string // accounts that are not of the organisation any more
	Coverage  Coverage
	Rules     *rules.Rules
	Routes    *routing.Routes
	// Fallback are the receivers that are told at the very last; there is one.
	Fallback    []string
	Inhibitions *routing.Inhibitions
	Terms       tocsin.Terms
	// Updates are what rules say of how often people hear what is new, by rule.
	Updates   map[string]tocsin.Updates
	Teams     map[string]tocsin.Team
	Policies  map[string]escalation.Policy
	Schedules []oncall.Schedule // in the order of the file
	// People are to be written where nobody of that name is. Their contact methods
	// are not verified.
	People []tocsin.Person // in the order of the file
	Tests  []Trial         // in the order of the file
	// Hash is the SHA-256 of the text, and of those of the other files that belong to
	// it, in hexadecimal. It does not change when what a reference names does.
	Hash string
	// Managed is the file that pages and commands write; it need not be there. Files
	// are all that were read, the main one first.
	Managed string
	Files   []string
	// Warnings are what is likely not meant, in the order of the file.
	Warnings Problems
}

// A Heartbeat is where an outside monitor is told that tocsin works, and how often.
type Heartbeat struct {
	URL   secret.String
	Every time.Duration
}

// A Source is one way by which events come in.
type Source struct {
	Name, Kind string
	Open       func(collect.Env) (collect.Collector, error)
	// Dialect reads its events, where they are of no shape that tocsin knows or its
	// map says otherwise; nil where not.
	Dialect collect.Dialect
	// Disabled says that it takes nothing in.
	Disabled bool
	Place
}

// A Place is where an entry is written, and what is: references as they stand, and
// *** for a secret that stands there itself.
type Place struct {
	File string
	Line int
	// Values are what is written, by the key of the [Form]'s field.
	Values map[string]string

	hidden map[string]secret.String
}

// Hidden is the secret that is written at a key, or a path below one, where Values
// has *** in its place.
func (p Place) Hidden(key string) (secret.String, bool) {
	s, ok := p.hidden[key]
	return s, ok
}

// A Receiver is one place where people are told.
type Receiver struct {
	Name, Kind string
	// Rate is how many messages a second it takes; 0 is no limit.
	Rate float64
	// Timeout is how long one attempt may take, Patience how long a message is
	// tried at all.
	Timeout, Patience time.Duration
	// Follows, Edits, Interrupts, Address and Burst are what its kind says of itself. Where
	// the notifier is a [notify.Follower], that goes before Follows.
	Follows, Edits, Interrupts bool
	Address                    func(text string) (string, error)
	Burst                      int
	// Acts says that it does something rather than telling somebody, Hide are the
	// fields that never leave by it.
	Acts bool
	Hide []string
	Open func(notify.Env) (notify.Notifier, error)
	// Disabled says that nobody is told by it.
	Disabled bool
	Place
}

// StoreLabel is Store as it may be shown: a URL's password is left out.
func (c *Config) StoreLabel() string {
	if u, err := url.Parse(c.Store); err == nil && u.User != nil {
		return u.Redacted()
	}
	return c.Store
}

// Rehearse is the receiver with its name, but writing to the console: for a trial
// that is to reach nobody.
func Rehearse(r Receiver, kinds Kinds) Receiver {
	for _, k := range kinds.Notifiers {
		if k.Name != "console" {
			continue
		}
		settings := reflect.New(k.Config).Elem()
		if settings.Kind() == reflect.Struct {
			setDefaults(fieldsOf(k.Config), settings)
		}
		c := chosen{name: k.Name, settings: settings}
		r.Kind, r.Rate = k.Name, 0
		r.Open = func(env notify.Env) (notify.Notifier, error) { return k.Open(c.decode, env) }
		return r
	}
	r.Open = func(notify.Env) (notify.Notifier, error) {
		return nil, errors.New("there is no console to rehearse on")
	}
	return r
}

// Load reads and checks a file. What is wrong with it comes as [Problems].
func Load(path string, kinds Kinds) (*Config, error) { return LoadWith(path, kinds, nil) }

// LoadWith is Load as it would be if files held something else.
func LoadWith(path string, kinds Kinds, instead Files) (*Config, error) {
	text, err := instead.read(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return ParseWith(path, text, kinds, instead)
}

// Parse checks the text of a file; name is how problems call it. It looks at the
// environment and at files where the text names them, and at the managed file, which
// it need not name. What is wrong comes as [Problems].
func Parse(name string, text []byte, kinds Kinds) (*Config, error) {
	return ParseWith(name, text, kinds, nil)
}

// ParseWith is Parse as it would be if files held something else.
func ParseWith(name string, text []byte, kinds Kinds, instead Files) (*Config, error) {
	d, f, problems := decode(name, text, kinds, instead)
	if problems != nil {
		return nil, problems
	}
	c := d.build(f)
	if len(d.problems) > 0 {
		return nil, d.problems.inOrder()
	}
	sum := sha256.Sum256(bytes.Join(append([][]byte{text}, d.texts...), []byte{0}))
	c.Hash = hex.EncodeToString(sum[:])
	c.Warnings = d.warnings.inOrder()
	c.Managed, c.Files = d.beside(f.Managed), slices.Concat(d.files, d.read)
	return c, nil
}

// decode reads a file and those that belong to it. What is wrong with them is with
// the decoder, unless the file is no YAML at all.
func decode(name string, text []byte, kinds Kinds, instead Files) (*decoder, file, Problems) {
	var f file
	doc, problem := readYAML(name, text)
	if problem != nil {
		return nil, f, Problems{*problem}
	}
	d := newDecoder(name, doc, kinds)
	d.instead = instead
	d.value(doc.root, "", reflect.ValueOf(&f).Elem())
	d.more(&f)
	d.plant()
	return d, f, nil
}
