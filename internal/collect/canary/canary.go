// Package canary sends events from accounts and regions to tocsin itself, times them,
// and opens an alert where one does not arrive: a region that is quiet and a region
// that is cut off look the same otherwise.
//
// A canary is an event that is put on the event bus of the place, or a sample finding
// that GuardDuty is asked for there. It takes the way that findings take, into
// whichever source they take it to; whoever accepts events knows it by its id, keeps
// when it arrived, and tells nobody. That one does not arrive, and that one cannot be
// sent, are events of this source, which every replica makes alike.
package canary

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the source that sends canaries.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define(via, "Sends canaries from every account and region, times them, and opens an alert where none arrives.", open)
	k.Title, k.Dialect = "Canary", dialect{}
	k.Sample = []byte(`{"canary":"late","at":"2026-01-01T00:00:00Z","level":"informational","account":"111122223333","region":"eu-west-1",` +
		`"name":"payments-prod","silent":"12m","sent":"2025-12-31T23:53:00Z"}`)
	return k
}

const via = tocsin.ViaCanary

// The modes.
const (
	modeEvent  = "event"
	modeSample = "sample"
)

// Config is what can be set.
type Config struct {
	Mode     string        `json:"mode" default:"event" oneof:"event sample" doc:"What is sent: an event on the event bus, or a sample finding that GuardDuty is asked for."`
	Every    time.Duration `json:"every,omitempty" doc:"How often, 1m to 1d. Left out, 5m, and 1d for sample findings."`
	Within   time.Duration `json:"within,omitempty" doc:"How long one may take to arrive, 10s to 1d. Left out, 5m, and 30m for sample findings, to which GuardDuty's publishing frequency is added."`
	Regions  []string      `json:"regions,omitempty" doc:"AWS regions from which canaries are sent: [eu-west-1, us-east-1]." example:"[eu-west-1, us-east-1]"`
	Accounts []string      `json:"accounts,omitempty" doc:"Accounts from which they are sent. Left out, the account of the credentials, or with role every active account that a source has seen in the organisation."`
	Role     string        `json:"role,omitempty" doc:"Role that is assumed in each account: its name, or arn:aws:iam::{account}:role/tocsin-canary." example:"tocsin-canary"`
	EventBus string        `json:"event_bus" default:"default" doc:"Name of the event bus in each account and region; an ARN is one bus, in its own region."`
	Type     string        `json:"finding_type" default:"Recon:EC2/PortProbeUnprotectedPort" doc:"Type of the sample finding."`
	Level    tocsin.Level  `json:"level" default:"high" doc:"Level of the alert where none arrives. Where none can be sent it is medium at most."`
	aws.Settings
}

// Bounds and defaults.
const (
	leastEvery     = time.Minute
	leastWithin    = 10 * time.Second
	longest        = 24 * time.Hour
	defaultBus     = "default"
	defaultFinding = "Recon:EC2/PortProbeUnprotectedPort"
)

var (
	busForm     = lazyregexp.New(`^[/.A-Za-z0-9_-]{1,256}$`)
	roleName    = lazyregexp.New(`^[\w+=,.@-]{1,64}$`)
	findingForm = lazyregexp.New(`^[A-Za-z0-9]+:[A-Za-z0-9]+/[A-Za-z0-9.!-]+$`)
)

// anyAccount is what stands for the account in a role.
const anyAccount = "{account}"

// complete fills in what is left out, and checks what is not.
func (c Config) complete() (Config, error) {
	c.Mode, c.EventBus, c.Type = cmp.Or(c.Mode, modeEvent), cmp.Or(c.EventBus, defaultBus), cmp.Or(c.Type, defaultFinding)
	c.Level = cmp.Or(c.Level, tocsin.High)
	switch c.Mode {
	case modeEvent:
		c.Every, c.Within = cmp.Or(c.Every, 5*time.Minute), cmp.Or(c.Within, 5*time.Minute)
	case modeSample:
		c.Every, c.Within = cmp.Or(c.Every, longest), cmp.Or(c.Within, 30*time.Minute)
	default:
		return c, fmt.Errorf("mode: %q is neither event nor sample", c.Mode)
	}
	switch {
	case c.Every < leastEvery || c.Every > longest:
		return c, fmt.Errorf("every: %v is not between 1m and 1d", c.Every)
	case c.Within < leastWithin || c.Within > longest:
		return c, fmt.Errorf("within: %v is not between 10s and 1d", c.Within)
	case c.Mode == modeSample && c.EventBus != defaultBus:
		return c, errors.New("event_bus: GuardDuty puts findings on the default bus; leave it out")
	case c.Mode == modeEvent && c.Type != defaultFinding:
		return c, errors.New("finding_type: is for mode: sample")
	case !findingForm.MatchString(c.Type):
		return c, fmt.Errorf("finding_type: %q is not the type of a finding: %s", c.Type, defaultFinding)
	}
	if err := c.where(); err != nil {
		return c, err
	}
	return c, c.who()
}

// where checks the regions.
func (c *Config) where() error {
	bus, err := aws.Named("event_bus", c.EventBus, "events", "event-bus/", busForm)
	if err != nil {
		return err
	}
	if len(c.Regions) == 0 {
		if only := cmp.Or(c.Region, bus.Where()); only != "" {
			c.Regions = []string{only}
		}
	}
	if len(c.Regions) == 0 {
		return errors.New("regions: is not set: name the regions from which canaries are sent")
	}
	c.Regions = slices.Clone(c.Regions)
	slices.Sort(c.Regions)
	c.Regions = slices.Compact(c.Regions)
	for _, r := range c.Regions {
		switch {
		case !aws.IsRegion(r) && !secret.IsReference(r):
			return fmt.Errorf("regions: %q is not an AWS region", r)
		case bus.Where() != "" && bus.Where() != r:
			return fmt.Errorf("regions: the event bus is in %s, and nothing can be put on it from %s", bus.Where(), r)
		case aws.PartitionOf(r) != aws.PartitionOf(c.Regions[0]):
			return fmt.Errorf("regions: %s and %s are in different partitions; make a source for each", c.Regions[0], r)
		}
	}
	if c.Region != "" && !slices.Contains(c.Regions, c.Region) {
		return fmt.Errorf("region: %s is none of the regions; leave it out", c.Region)
	}
	if c.Region == "" {
		c.Region = c.Regions[0]
	}
	return nil
}

// who checks the accounts and the role.
func (c *Config) who() error {
	c.Accounts = slices.Clone(c.Accounts)
	slices.Sort(c.Accounts)
	c.Accounts = slices.Compact(c.Accounts)
	for _, a := range c.Accounts {
		if !aws.IsAccount(a) && !secret.IsReference(a) {
			return fmt.Errorf("accounts: %q is not the number of an account: 12 digits", a)
		}
	}
	if roleName.MatchString(c.Role) {
		c.Role = "arn:" + aws.PartitionOf(c.Regions[0]) + ":iam::" + anyAccount + ":role/" + c.Role
	}
	switch {
	case c.Role != "" && !strings.Contains(c.Role, anyAccount):
		return fmt.Errorf("role: %q has no %s in it; for one account alone use role_arn", c.Role, anyAccount)
	case c.Role != "" && !aws.IsRole(strings.ReplaceAll(c.Role, anyAccount, "111122223333")):
		return fmt.Errorf("role: %q is not the ARN of a role: arn:aws:iam::{account}:role/tocsin-canary", c.Role)
	case c.Role == "" && len(c.Accounts) > 1:
		return errors.New("role: is needed to send from several accounts: arn:aws:iam::{account}:role/tocsin-canary")
	}
	return nil
}

// source is the collector.
type source struct {
	env collect.Env
	Config
	fleet *fleet
	pull  *collect.Pull

	mu     sync.Mutex // guards what follows
	trails map[tocsin.Place]*trail
	places []tocsin.Place // from which canaries are sent, sorted
}

var (
	_ collect.Collector = (*source)(nil)
	_ collect.Reporter  = (*source)(nil)
	_ collect.Describer = (*source)(nil)
)

func open(c Config, env collect.Env) (collect.Collector, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	f, err := newFleet(c, env)
	if err != nil {
		return nil, err
	}
	return &source{env: env, Config: c, fleet: f, pull: collect.NewPull(env), trails: map[tocsin.Place]*trail{}}, nil
}

const (
	// tick is how often it is looked at what is to be sent and what has not arrived.
	tick = 15 * time.Second
	// after is how long after what is sent at a tick it is looked at what arrived.
	after = 5 * time.Second
)

// Run sends canaries until ctx ends, and hands to sink that one does not arrive.
func (s *source) Run(ctx context.Context, sink collect.Sink) error {
	var both sync.WaitGroup
	both.Go(func() {
		r := sender{source: s}
		for ok := true; ok; ok = s.nextTick(ctx, 0) {
			r.turn(ctx)
		}
	})
	both.Go(func() {
		w := watcher{source: s, sink: sink}
		for s.nextTick(ctx, after) {
			w.turn(ctx)
		}
	})
	both.Wait()
	return nil
}

// nextTick waits for the next full tick and so much after it, which all replicas have
// at the same time. It is false if ctx ended before.
func (s *source) nextTick(ctx context.Context, after time.Duration) bool {
	now := s.env.Now()
	return collect.Sleep(ctx, now.Add(-after).Truncate(tick).Add(tick+after).Sub(now))
}

// Status says how canaries are sent, and which places are not heard. That one does not
// arrive is its alert's business: the source itself is well.
func (s *source) Status(context.Context) collect.Status {
	st := s.pull.Status()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.env.Now()
	if len(s.places) == 0 && st.State == "ok" {
		st.State = "pending"
	}
	st.Lines = append(st.Lines, tocsin.Fact{Name: "Places", Value: s.said()})
	var last tocsin.Canary
	var silent []string
	for _, p := range s.places {
		t := s.trails[p]
		if t == nil {
			continue
		}
		if t.arrived.ArrivedAt.After(last.ArrivedAt) {
			last = t.arrived
		}
		if _, ok := t.missing(now); ok {
			silent = append(silent, label(p, ""))
		}
	}
	arrived := "none yet"
	if !last.ArrivedAt.IsZero() {
		arrived = fmt.Sprintf("%s from %s by %s, after %s", instant(last.ArrivedAt), label(last.Place, ""), last.Path, span(took(last)))
	}
	st.Lines = append(st.Lines, tocsin.Fact{Name: "Last arrived", Value: arrived})
	if len(silent) > 0 {
		st.Lines = append(st.Lines, tocsin.Fact{Name: "None arrives from", Value: some(silent, len(silent))})
	}
	return st
}

// said is from how many places canaries are sent, and how often. s.mu is held.
func (s *source) said() string {
	what := "an event"
	if s.Mode == modeSample {
		what = "a sample finding"
	}
	return fmt.Sprintf("%s every %s from each of %d; it is to arrive within %s", what, span(s.Every), len(s.places), span(s.Within))
}

// Describe tells what has to be set up for canaries to travel.
func (s *source) Describe(bool) []tocsin.Fact {
	if s.Mode == modeSample {
		return []tocsin.Fact{{Name: "Permissions", Value: "guardduty:ListDetectors, guardduty:GetDetector, guardduty:CreateSampleFindings"}}
	}
	return []tocsin.Fact{
		{Name: "Event pattern of the rule", Value: Pattern},
		{Name: "Permission", Value: "events:PutEvents on the event bus " + s.EventBus},
	}
}

// Pattern is the event pattern of a rule that lets findings and canaries through.
const Pattern = `{"source":["aws.guardduty","tocsin.canary"]}`
