// Package setup changes what comes in and who is told while tocsin runs: it lists,
// adds, changes, tests, disables and deletes sources and receivers, and turns over
// the tokens of sources. Pages, API and command line stand on it.
//
// What it writes is the managed file of the configuration ([config.Config].Managed),
// YAML as a person would write it. A change is checked with the whole configuration
// around it before anything is written, is written at once or not at all, and is
// put in force by a reload. What stands in a file that people write is shown and
// never touched.
//
// Secrets that are typed in are kept as files of their own beside the managed file
// and referred to; they are never shown again.
package setup

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// What is set up: sources, by which events come, or receivers, by which people are
// told.
type What string

// What can be set up.
const (
	Source   What = "source"
	Receiver What = "receiver"
)

// key is the top-level key under which they stand in a file.
func (w What) key() string { return string(w) + "s" }

// A Choice is an entry of the catalogue: a kind, perhaps with some of its settings
// made already.
type Choice struct {
	Name  string `json:"name"`  // "guardduty-sns"
	Title string `json:"title"` // "GuardDuty by Amazon SNS"
	Doc   string `json:"doc"`   // one sentence
	Group string `json:"group"` // "Amazon GuardDuty": under what it stands in the catalogue
	Kind  string `json:"kind"`  // "sns"
	// Values are what is made already, by the key of the form's field.
	Values map[string]string `json:"values,omitempty"`
	// Abilities and Checks are a receiver's, Acts whether it does something rather than
	// telling somebody.
	Abilities *notify.Abilities `json:"abilities,omitempty"`
	Checks    []notify.Check    `json:"checks,omitempty"`
	Acts      bool              `json:"acts,omitempty"`
}

// An Entry is a source or a receiver as it is configured.
type Entry struct {
	What  What   `json:"what"`
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Title string `json:"title"` // of the kind: "Amazon SNS"
	// File and Line are where it stands; Managed says that it can be changed here, and
	// Why why it cannot.
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Managed bool   `json:"managed"`
	Why     string `json:"why,omitempty"`
	// Disabled takes nothing in, or tells nobody. Deleted was there once: its journal
	// is kept, and the rest here is empty.
	Disabled bool `json:"disabled,omitempty"`
	Deleted  bool `json:"deleted,omitempty"`
	// Values are what is set, by the key of the form's field. Of a secret it is the
	// reference that names it, ${file:…}; "***" where the file holds it itself.
	Values map[string]string `json:"values,omitempty"`
}

// A SourceInfo is a source and how it stands.
type SourceInfo struct {
	Entry
	// URL is where senders reach it, with *** for its token; empty where nothing is
	// posted to it.
	URL    string         `json:"url,omitempty"`
	Status collect.Status `json:"status"`
	// Connect is how to connect a sender, tokens hidden.
	Connect []tocsin.Fact `json:"connect,omitempty"`
	// Tokens are those that open it, the newest first; none where the configuration
	// gives the token itself, which TokenWhy says.
	Tokens   []Token `json:"tokens,omitempty"`
	TokenWhy string  `json:"token_why,omitempty"`
	// LastEvent and Events are what the journal has of it.
	LastEvent time.Time `json:"last_event,omitzero"`
	Events    int64     `json:"events"`
	History   []Change  `json:"history,omitempty"`
}

// A ReceiverInfo is a receiver and how it stands.
type ReceiverInfo struct {
	Entry
	Personal  bool             `json:"personal,omitempty"` // single people can be told by it
	Abilities notify.Abilities `json:"abilities"`
	Acts      bool             `json:"acts,omitempty"`
	History   []Change         `json:"history,omitempty"`
}

// A Token is one of those that open a source. What it is itself is not in it.
type Token struct {
	ID     string    `json:"id"` // 8 characters by which to tell it from others
	MadeAt time.Time `json:"made_at,omitzero"`
	MadeBy string    `json:"made_by,omitempty"`
	// UsedAt is when a request came with it last, to about a minute.
	UsedAt time.Time `json:"used_at,omitzero"`
	// Until is when it ends, of one that another has followed; zero for no end.
	Until time.Time `json:"until,omitzero"`
}

// A Change is a line of the history of what was set up.
type Change struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	What What      `json:"what"`
	Name string    `json:"name"`
	Did  string    `json:"did"`            // "added", "changed", "disabled", "enabled", "deleted", "rotated", "retired", "tested"
	Text string    `json:"text,omitempty"` // "topics, team": which settings, or what came of a test; nothing secret
}

// A Save is what is to be written of one entry.
type Save struct {
	What What   `json:"what"`
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Values are what is set, by the key of the form's field; what is left out or
	// empty is not written. An empty secret leaves what is there, and "-" removes it.
	Values map[string]string `json:"values"`
	// New says that nothing of that name may be there yet.
	New bool   `json:"new,omitempty"`
	By  string `json:"by"`
}

// A Problem is what is wrong with a change.
type Problem struct {
	// Field is the key of the form's field, "name" for the name, and empty for what
	// has no field.
	Field string `json:"field,omitempty"`
	Text  string `json:"text"`
}

// Problems are all that is wrong with a change; nothing was written.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Text
		if p.Field != "" {
			lines[i] = p.Field + ": " + p.Text
		}
	}
	return strings.Join(lines, "; ")
}

// Of is what is wrong with a field, or empty.
func (ps Problems) Of(field string) string {
	for _, p := range ps {
		if p.Field == field {
			return p.Text
		}
	}
	return ""
}

// An Access is what opens a source, in clear.
type Access struct {
	// URL is where it is reached, with the token in it; Endpoint is the same without.
	URL      string `json:"url"`
	Endpoint string `json:"endpoint"`
	// Header and Token are what a sender proves itself with instead, if it does not
	// use the URL; Header is empty for sources that take the URL alone.
	Header string `json:"header,omitempty"`
	Token  string `json:"token"`
}

// A RefusedError says why something cannot be done here: it stands in a file that
// people write, it is used by others, it is deleted.
type RefusedError struct{ text string }

func (e *RefusedError) Error() string { return e.text }

func refused(format string, args ...any) error { return &RefusedError{fmt.Sprintf(format, args...)} }

// ErrNotFound says that there is no source or receiver of that name, and was none.
var ErrNotFound = store.ErrNotFound

// Options are what a Setup stands on.
type Options struct {
	// File is the main file of the configuration; empty for built-in defaults.
	File  string
	Kinds config.Kinds
	Store *store.Store
	Keys  *Keys
	Now   func() time.Time // time.Now if nil
	Log   *slog.Logger
	// Config is the configuration in force.
	Config func() *config.Config
	// Reload reads the files again and puts them in force, whole; nil where nothing can
	// be changed.
	Reload func() error
	// Live are the sources that run, by name.
	Live func() map[string]Live
	// Explain says what would become of an event of that source.
	Explain func(ctx context.Context, source string, raw []byte) (engine.Explanation, error)
	// Tell sends a message by a receiver now and once.
	Tell func(ctx context.Context, receiver string, m notify.Message) error
}

// Live is what a source that runs says of itself.
type Live struct {
	Status func(ctx context.Context) collect.Status
	// Describe is how to connect a sender; nil where it does not say.
	Describe func(reveal bool) []tocsin.Fact
	// URL is where it is reached, with its token in it, and Token is the token alone;
	// nil where nothing is posted to it.
	URL   func(reveal bool) string
	Token func() string
	// Made reports whether the token was made here, and is not the configuration's.
	Made bool
}

// A Setup changes what is set up. It is safe for many goroutines.
type Setup struct {
	o Options
	// writing is held over reading the managed file, writing it and reloading.
	writing sync.Mutex
	// gone are the sources that were there once and are no more; replaced whole.
	gone atomic.Pointer[map[string]known]
}

// New makes a Setup.
func New(o Options) *Setup {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Live == nil {
		o.Live = func() map[string]Live { return nil }
	}
	return &Setup{o: o}
}

// Fixed says why nothing can be changed here, or nil.
func (s *Setup) Fixed() error {
	if s.o.Reload == nil {
		return refused("nothing can be set up here: the configuration is fixed")
	}
	return nil
}

// author is the name that a change is written under.
func author(by string) (string, error) {
	by = strings.TrimSpace(by)
	if by == "" {
		return "", Problems{{"by", "say who you are"}}
	}
	return by, nil
}

// place is where an entry stands, if there is one.
func place(c *config.Config, w What, name string) (kind string, disabled bool, p config.Place, ok bool) {
	if w == Source {
		for _, s := range c.Sources {
			if s.Name == name {
				return s.Kind, s.Disabled, s.Place, true
			}
		}
		return "", false, p, false
	}
	for _, r := range c.Receivers {
		if r.Name == name {
			return r.Kind, r.Disabled, r.Place, true
		}
	}
	return "", false, p, false
}

// Form is what can be set of a kind.
func (s *Setup) Form(w What, kind string) (config.Form, bool) {
	if w == Source {
		return config.SourceForm(s.o.Kinds, kind)
	}
	return config.ReceiverForm(s.o.Kinds, kind)
}

// Names are those that the configuration has of a "team", a "policy" or a
// "receiver", sorted.
func (s *Setup) Names(what string) []string {
	c := s.o.Config()
	switch what {
	case "team":
		return slices.Sorted(maps.Keys(c.Teams))
	case "policy":
		return slices.Sorted(maps.Keys(c.Policies))
	case "receiver":
		var names []string
		for _, r := range c.Receivers {
			names = append(names, r.Name)
		}
		slices.Sort(names)
		return names
	}
	return nil
}
