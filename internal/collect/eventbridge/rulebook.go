package eventbridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/pattern"
)

// stateKey is where the bus is kept: its rules with their targets, in one document.
const stateKey = "bus"

// version is that of the document.
const version = 1

// A document is a bus as it is kept.
type document struct {
	Version int              `json:"version"`
	Rules   map[string]*rule `json:"rules,omitempty"` // by name
	Tags    []tag            `json:"tags,omitempty"`  // of the bus itself
}

// A rule is one as it is kept.
type rule struct {
	Pattern     string `json:"pattern"`
	State       string `json:"state"`
	Description string `json:"description,omitempty"`
	RoleARN     string `json:"role_arn,omitempty"`
	Tags        []tag  `json:"tags,omitempty"`
	// Targets are as they were put, by their Id.
	Targets map[string]json.RawMessage `json:"targets,omitempty"`
}

type tag struct {
	Key   string
	Value string
}

// The states of a rule.
const (
	enabled     = "ENABLED"
	disabled    = "DISABLED"
	enabledAlso = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
)

// names are those of the rules, sorted.
func (d *document) names() []string { return slices.Sorted(maps.Keys(d.Rules)) }

// rules are a document's rules, ready to be matched. They do not change.
type rules struct {
	raw               []byte // the document; nil for none
	enabled, disabled int
	wanted            *pattern.Set[string]
	// unreadable are enabled rules whose patterns cannot be read. While there are some
	// every event is wanted: one of them might match it.
	unreadable []string
}

// want reports whether the bus's rules want an event. One that cannot be matched is
// wanted.
func (r *rules) want(event []byte) bool {
	if r.enabled == 0 || len(r.unreadable) > 0 {
		return true
	}
	matching, err := r.wanted.Match(event, nil)
	return err != nil || len(matching) > 0
}

func (r *rules) String() string {
	text := fmt.Sprintf("%d enabled, %d disabled", r.enabled, r.disabled)
	switch {
	case len(r.unreadable) > 0:
		text += "; every event goes on, since these cannot be read: " + strings.Join(r.unreadable, ", ")
	case r.enabled == 0:
		text += "; every event goes on"
	}
	return text
}

// compile makes the document's rules ready.
func compile(raw []byte, d *document) *rules {
	r := &rules{raw: raw, wanted: pattern.NewSet[string]()}
	for _, name := range d.names() {
		kept := d.Rules[name]
		if kept.State == disabled {
			r.disabled++
			continue
		}
		r.enabled++
		p, err := pattern.Parse([]byte(kept.Pattern))
		if err != nil {
			r.unreadable = append(r.unreadable, name)
			continue
		}
		r.wanted.Add(name, p)
	}
	return r
}

// errVersion says that the bus was kept by a program that knows more.
var errVersion = errors.New("the rules were kept by a newer version of tocsin")

// A rulebook is the bus in the store. It is changed by loading, changing and saving
// all of it, one change at a time in this process. The store has no way to save only
// if nobody else did, so of two replicas that change it in the same moment the later
// one undoes what the other did.
type rulebook struct {
	state collect.State

	changing sync.Mutex // held from loading to saving

	now    atomic.Pointer[rules] // as they were read last; nil before that
	failed atomic.Pointer[error] // why they could not be read last
}

func newRulebook(state collect.State) *rulebook { return &rulebook{state: state} }

// present are the rules as they were read last, or nil.
func (b *rulebook) present() *rules { return b.now.Load() }

// trouble is why they could not be read last, or nil.
func (b *rulebook) trouble() error {
	if err := b.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// forEvents are the rules to match events with: as they are in this process, and if
// they were never read, as they are in the store. The error says that the store does
// not answer.
func (b *rulebook) forEvents(ctx context.Context) (*rules, error) {
	if r := b.now.Load(); r != nil {
		return r, nil
	}
	err := b.reload(ctx)
	if r := b.now.Load(); r != nil {
		return r, nil
	}
	return nil, err
}

// reload reads the rules anew.
func (b *rulebook) reload(ctx context.Context) error {
	_, err := b.load(ctx)
	return err
}

// load gives the document as it is in the store, and makes its rules the present
// ones.
func (b *rulebook) load(ctx context.Context) (*document, error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	return b.read(ctx)
}

// read is load with b.changing held.
func (b *rulebook) read(ctx context.Context) (d *document, err error) {
	defer func() {
		if err == nil {
			b.failed.Store(nil)
		} else if ctx.Err() == nil {
			b.failed.Store(&err)
		}
	}()
	raw, err := b.state.Load(ctx, stateKey)
	if err != nil {
		return nil, fmt.Errorf("rules of the bus: %w", err)
	}
	if d, err = parse(raw); err != nil {
		b.now.Store(&rules{raw: raw}) // without rules every event goes on, and none is lost
		return nil, err
	}
	if before := b.now.Load(); before == nil || !bytes.Equal(before.raw, raw) {
		b.now.Store(compile(raw, d))
	}
	return d, nil
}

// parse reads a document; none is one without rules.
func parse(raw []byte) (*document, error) {
	d := &document{Version: version}
	if raw != nil {
		if err := json.Unmarshal(raw, d); err != nil {
			return nil, fmt.Errorf("rules of the bus: %w", err)
		}
	}
	if d.Version > version {
		return nil, errVersion
	}
	if d.Rules == nil {
		d.Rules = map[string]*rule{}
	}
	return d, nil
}

// change changes the document, unless change says no.
func (b *rulebook) change(ctx context.Context, change func(*document) error) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	d, err := b.read(ctx)
	if err != nil {
		return err
	}
	if err := change(d); err != nil {
		return err
	}
	raw, err := marshal(d)
	if err != nil {
		return fmt.Errorf("rules of the bus: %w", err)
	}
	if bytes.Equal(raw, b.now.Load().raw) {
		return nil
	}
	if err := b.state.Save(ctx, stateKey, raw); err != nil {
		return fmt.Errorf("rules of the bus: %w", err)
	}
	b.now.Store(compile(raw, d))
	return nil
}

// changeRule changes one rule, if it is there.
func (b *rulebook) changeRule(ctx context.Context, name string, change func(*rule) error) error {
	return b.change(ctx, func(d *document) error {
		r := d.Rules[name]
		if r == nil {
			return noRule(name)
		}
		return change(r)
	})
}
