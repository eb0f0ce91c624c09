// Package guarddutyapi asks Amazon GuardDuty what it has, compares that with what
// arrived by event, and puts through what never arrived: so that a page can say
// "checked until 12:00: received 997, API 1000, recovered 3, unexplained 0".
//
// For each account, region and detector it lists the findings that changed since the
// last time, archived ones included, and some that it listed before; fetches them, byte
// for byte as GuardDuty gives them; and has package reconcile judge each by what the
// journal has of it. How far it came is kept after each step that the sink took.
//
// Besides, it sees how GuardDuty stands: detectors, their publishing period, members,
// protection plans, filters that archive, exports and lists; and, where the credentials
// may, the accounts of the organisation. What a policy does not allow of this is noted
// and does not keep the findings from being compared.
package guarddutyapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// Kind is the way in by asking GuardDuty.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define("guardduty-api", "Asks Amazon GuardDuty what it has, compares that with what arrived by event, and puts through what never arrived.", open)
	k.Title = "Amazon GuardDuty API"
	return k
}

// Config is what can be set.
type Config struct {
	Regions      []string      `json:"regions" required:"true" doc:"Regions to look at: eu-west-1, or all for every one that has GuardDuty and is enabled for the account, in the partition of region." example:"all"`
	Accounts     []string      `json:"accounts,omitempty" doc:"Accounts whose detectors are looked at, each by assuming role in it. Left out, it is the account of the credentials: that of the delegated administrator has the findings of all members."`
	Role         string        `json:"role,omitempty" doc:"Role that is assumed in each of accounts: its name, or arn:aws:iam::{account}:role/tocsin-read." example:"tocsin-read"`
	Organization bool          `json:"organization" default:"false" doc:"Read the accounts of the organisation too, with their organizational units and tags. The credentials have to be of the management account, or of one that AWS Organizations delegates to."`
	Every        time.Duration `json:"every" default:"15m" doc:"How often to compare."`
	Overlap      time.Duration `json:"overlap" default:"30m" doc:"How much of what was compared already is compared once more."`
	Lookback     time.Duration `json:"lookback" default:"24h" doc:"How far back the first comparison goes, at most 90d. What did not arrive of that time is put through, and people are told of it."`
	Grace        time.Duration `json:"grace" default:"15m" doc:"How long an event may be on its way before its finding is put through from here."`
	Concurrency  int           `json:"concurrency" default:"8" doc:"How many requests are under way at once."`
	aws.Settings
}

const (
	kindName = "guardduty-api"
	// all stands for every region of the partition.
	all = "all"
	// retention is how long GuardDuty keeps findings.
	retention = 90 * 24 * time.Hour
	// lag is how long what changes may take to be listed. What takes longer is in the
	// overlap.
	lag = 5 * time.Second
	// look is how often is seen what seldom changes: members, filters, the organisation.
	look = time.Hour
)

// A Source is the collector.
type Source struct {
	Config
	env   collect.Env
	role  string // ARN with {account}; empty where none is assumed
	trust aws.Role
	base  *aws.Session
	pull  *collect.Pull
	me    string // this replica

	slots chan struct{} // a request each
	open  chan struct{} // a place each
	// pause is the first pause after a refusal that passes; patience is how long one
	// place is throttled before the others' round goes on without it.
	pause, patience time.Duration

	skew atomic.Int64 // by how much AWS's clock is ahead of ours
	away atomic.Pointer[absence]

	mu           sync.Mutex // guards what follows
	places       []*place
	organisation time.Time           // when it was read last
	notes        map[string][]string // actions that are not allowed, by part
	logged       map[string]bool     // of those, which were said
}

var (
	_ collect.Collector = (*Source)(nil)
	_ collect.Reporter  = (*Source)(nil)
	_ collect.Describer = (*Source)(nil)
)

var (
	roleName = lazyregexp.New(`^[\w+=,.@/-]{1,512}$`)
	roleARN  = lazyregexp.New(`^arn:[a-z-]+:iam::([0-9]{12}|\{account\}):role/[\x21-\x7e]{1,512}$`)
)

func open(c Config, env collect.Env) (collect.Collector, error) { return New(c, env) }

// New checks the settings and makes the source. It reaches nobody.
func New(c Config, env collect.Env) (*Source, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &Source{
		Config: c, env: env, pull: collect.NewPull(env), me: rand.Text(),
		slots: make(chan struct{}, c.Concurrency), open: make(chan struct{}, 8*c.Concurrency),
		pause: time.Second, patience: 2 * time.Minute, notes: map[string][]string{}, logged: map[string]bool{},
	}
	set := c.Settings
	s.trust = aws.Role{ExternalID: set.ExternalID, SessionName: set.RoleSessionName, STSEndpointURL: set.STSEndpointURL}
	if set.RoleARN == "" { // they are for the roles in the accounts, then
		set.ExternalID, set.RoleSessionName, set.STSEndpointURL = "", "", ""
	}
	var err error
	if s.base, err = set.Open(kindName, c.home(), env.Name, env.HTTP); err != nil {
		return nil, err
	}
	if s.role = c.Role; s.role != "" && !strings.HasPrefix(s.role, "arn:") {
		s.role = "arn:" + s.base.Partition + ":iam::{account}:role/" + s.role
	}
	return s, nil
}

// home is the region in which is asked what is asked once. "" is that of the settings.
func (c Config) home() string {
	switch {
	case c.Region != "":
		return ""
	case c.Regions[0] == all:
		return "us-east-1"
	}
	return c.Regions[0]
}

func (c Config) check() error {
	if len(c.Regions) == 0 {
		return errors.New("regions: name one, or all")
	}
	for _, r := range c.Regions {
		switch {
		case r == all && len(c.Regions) > 1:
			return errors.New("regions: all is all of them: leave out the others")
		case r != all && !aws.IsRegion(r):
			return fmt.Errorf("regions: %q is not an AWS region", r)
		case r != all && aws.PartitionOf(r) != c.partition():
			return fmt.Errorf("regions: %s is in the partition %s, and others are in %s: that takes another source, with its own credentials", r, aws.PartitionOf(r), c.partition())
		}
	}
	for _, a := range c.Accounts {
		if !aws.IsAccount(a) {
			return fmt.Errorf("accounts: %q is not the id of an account: want 12 digits", a)
		}
	}
	switch {
	case len(c.Accounts) > 0 && c.Role == "":
		return errors.New("role: is not set: accounts are looked at by assuming one in each")
	case strings.HasPrefix(c.Role, "arn:") && !roleARN.MatchString(c.Role), !strings.HasPrefix(c.Role, "arn:") && c.Role != "" && !roleName.MatchString(c.Role):
		return fmt.Errorf("role: %q is neither the name of a role nor arn:aws:iam::{account}:role/name", c.Role)
	case len(c.Accounts) == 0 && c.Role != "" && accountOf(c.Role) == "":
		return errors.New("accounts: is not set, and role names no account: list those to assume it in")
	case len(c.Accounts) > 1 && accountOf(c.Role) != "":
		return errors.New("role: is in one account, and there are several: write {account} for its id")
	case c.Every < time.Second || c.Every > 24*time.Hour:
		return fmt.Errorf("every: %v is not between 1s and 24h", c.Every)
	case c.Overlap < 0 || c.Overlap > 24*time.Hour:
		return fmt.Errorf("overlap: %v is not between 0 and 24h", c.Overlap)
	case c.Lookback < 0 || c.Lookback > retention:
		return fmt.Errorf("lookback: %v is not between 0 and 90 days, for which GuardDuty keeps findings", c.Lookback)
	case c.Grace < 0 || c.Grace > 24*time.Hour:
		return fmt.Errorf("grace: %v is not between 0 and 24h", c.Grace)
	case c.Concurrency < 1 || c.Concurrency > 256:
		return fmt.Errorf("concurrency: %d is not between 1 and 256", c.Concurrency)
	}
	return nil
}

// partition is that of the region of the settings, or of the first of the others.
func (c Config) partition() string {
	switch {
	case c.Region != "":
		return aws.PartitionOf(c.Region)
	case c.Regions[0] == all:
		return "aws"
	}
	return aws.PartitionOf(c.Regions[0])
}

// accountOf is the account of a role that is written as an ARN, or "".
func accountOf(role string) string {
	parts := strings.Split(role, ":")
	if len(parts) < 6 || !aws.IsAccount(parts[4]) {
		return ""
	}
	return parts[4]
}

// now is what AWS's clocks say, as far as they told it.
func (s *Source) now() time.Time {
	return tocsin.Millis(s.env.Now().Add(time.Duration(s.skew.Load())))
}

// Run compares every so often, and hands what never arrived to sink, until ctx ends.
// Of several replicas one does so at a time.
func (s *Source) Run(ctx context.Context, sink collect.Sink) error {
	for {
		wait := s.turn(ctx, sink)
		if !collect.Sleep(ctx, wait) {
			return nil
		}
	}
}

// whole is the part of [collect.Pull] that is not one place.
const whole = ""

// turn does a round if it is this replica's turn, and says when to look again.
func (s *Source) turn(ctx context.Context, sink collect.Sink) time.Duration {
	wait, err := s.claim(ctx)
	if err != nil {
		return s.again(ctx, fmt.Errorf("state: %w", err))
	}
	if wait > 0 {
		return min(wait, s.Every)
	}
	began := s.env.Now()
	keeping, stop := context.WithCancel(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { s.keep(keeping) })
	err = s.Round(ctx, sink)
	stop()
	keeper.Wait()
	if err != nil {
		return s.again(ctx, err)
	}
	if err := s.release(ctx, began); err != nil {
		return s.again(ctx, fmt.Errorf("state: %w", err))
	}
	s.pull.Worked(ctx, whole)
	return max(s.Every-s.env.Now().Sub(began), time.Second)
}

// again is how long to wait after what went wrong here, and not at AWS.
func (s *Source) again(ctx context.Context, err error) time.Duration {
	failing := s.pull.Failed(ctx, whole, err)
	return min(max(failing, time.Second), time.Minute, s.Every)
}

// Round compares everything once. What goes wrong with a place is in the Status, and is
// tried again in the next round; the error is of the sink, of the source's own memory,
// or of credentials that nobody knows.
func (s *Source) Round(ctx context.Context, sink collect.Sink) error {
	places, err := s.whereto(ctx)
	if err != nil {
		return err
	}
	var (
		rounds sync.WaitGroup
		mu     sync.Mutex // guards what follows
		first  error
		sum    summary
	)
	if s.Organization {
		rounds.Go(func() { s.readOrganisation(ctx) })
	}
	for _, p := range places {
		rounds.Go(func() {
			select {
			case s.open <- struct{}{}:
				defer func() { <-s.open }()
			case <-ctx.Done():
				return
			}
			counts, err := p.round(ctx, sink)
			mu.Lock()
			defer mu.Unlock()
			sum.add(counts)
			if _, ours := errors.AsType[*ownError](err); ours && first == nil {
				first = err
			}
		})
	}
	rounds.Wait()
	if ctx.Err() != nil || first != nil {
		return first
	}
	return s.conclude(ctx, sum)
}

// An ownError is one of the sink or of the source's memory, and not of AWS.
type ownError struct{ error }

func (e *ownError) Unwrap() error { return e.error }

// whereto are the places to look at. They are made once it is known whose the
// credentials are.
func (s *Source) whereto(ctx context.Context) ([]*place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places != nil {
		return s.places, nil
	}
	accounts := slices.Clone(s.Accounts)
	if account := accountOf(s.role); len(accounts) == 0 && account != "" {
		accounts = []string{account}
	}
	if len(accounts) == 0 {
		out, err := asked(ctx, s, s.base, aws.Call{Action: "sts:GetCallerIdentity", Resource: "*"}, func(ctx context.Context) (*sts.GetCallerIdentityOutput, error) {
			return sts.NewFromConfig(s.identity(), func(o *sts.Options) { o.APIOptions = append(o.APIOptions, s.clocked) }).GetCallerIdentity(ctx, nil)
		})
		if err != nil {
			return nil, err
		}
		accounts = []string{text(out.Account)}
	}
	slices.Sort(accounts)
	accounts = slices.Compact(accounts)
	for _, a := range accounts {
		session := s.base
		if s.role != "" {
			r := s.trust
			r.ARN = strings.ReplaceAll(s.role, "{account}", a)
			session = s.base.As(r)
		}
		for _, r := range s.regions() {
			s.places = append(s.places, s.placed(session, accounts, tocsin.Place{Account: a, Region: r}))
		}
	}
	return s.places, nil
}

// regions are those to look at.
func (s *Source) regions() []string {
	if s.Regions[0] != all {
		return slices.Compact(slices.Sorted(slices.Values(s.Regions)))
	}
	return aws.RegionsOf(s.base.Partition)
}

// Describe tells what the source needs of AWS.
func (s *Source) Describe(bool) []tocsin.Fact {
	facts := []tocsin.Fact{{Name: "Regions", Value: strings.Join(s.regions(), ", ")}}
	if s.role == "" {
		return append(facts, tocsin.Fact{Name: "IAM policy", Value: s.policy(true)})
	}
	facts = append(facts, tocsin.Fact{Name: "IAM policy of whoever tocsin runs as", Value: s.policyToAssume()})
	return append(facts, tocsin.Fact{Name: "IAM policy of " + s.role, Value: s.policy(false)})
}

// note remembers what cannot be seen of a part. Each action is logged once.
func (s *Source) note(ctx context.Context, part string, refused refusals) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var actions []string
	for _, r := range refused {
		actions = append(actions, r.action)
		if !s.logged[r.action] {
			s.logged[r.action] = true
			s.env.Log.WarnContext(ctx, "not everything can be seen", slog.String("source", s.env.Name), slog.String("part", part), slog.Any("err", r.error))
		}
	}
	s.notes[part] = actions
}
