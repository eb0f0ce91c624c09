package demo

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
)

// inspection is the source that compares what came with what GuardDuty has.
const inspection = "guardduty"

// planted is what is wrong in the organisation, by account and region.
var planted = struct {
	noDetector, removed, slow struct{ account, region string }
	cutOff                    string // the region whose canaries never arrive
}{
	noDetector: struct{ account, region string }{"backup", "sa-east-1"},
	removed:    struct{ account, region string }{"mobile-prod", "ca-central-1"},
	slow:       struct{ account, region string }{security.name, "ap-south-1"}, // for all members
	cutOff:     "ap-northeast-3",
}

// dark reports whether GuardDuty has nothing to say of a place.
func (p place) dark() bool {
	at := struct{ account, region string }{p.account.name, p.region}
	return at == planted.noDetector || at == planted.removed
}

// kinds are the program's, but for who asks GuardDuty: it asks that of the simulated
// organisation.
func (w *world) kinds() config.Kinds {
	kinds := app.Kinds()
	for i := range kinds.Collectors {
		if k := &kinds.Collectors[i]; k.Name == guarddutyapi.Kind.Name {
			k.Open = w.openInspector
		}
	}
	return kinds
}

// A known is a finding as GuardDuty has it.
type known struct {
	tocsin.Place
	version  time.Time // of its last change
	archived bool
	body     []byte // as GetFindings gives it, of one that EventBridge never had
}

// detect has GuardDuty know of the finding in an event. What EventBridge has of it is
// to be there already, unless it is lost.
func (w *world) detect(raw []byte, lost bool) error {
	f, ok, err := guardduty.Read(raw)
	if err != nil || !ok {
		return fmt.Errorf("GuardDuty has no such finding: %w", err)
	}
	d := f.Detection()
	k := known{Place: tocsin.Place{Account: d.Account, Region: d.Region}, version: f.Version(), archived: d.Over}
	if lost {
		k.body = []byte(gjson.GetBytes(raw, "detail").Raw)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if was, ok := w.detected[f.Key()]; ok && was.version.After(k.version) {
		return nil // what came was late
	}
	if w.detected == nil {
		w.detected = map[tocsin.Key]known{}
	}
	w.detected[f.Key()] = k
	return nil
}

// An inspector looks at the simulated organisation as the source guardduty-api looks
// at a real one: at members and detectors, and at all findings that GuardDuty has, each
// beside what the journal has of it. What never arrived it puts through.
type inspector struct {
	w     *world
	env   collect.Env
	every time.Duration
	began time.Time // from when on findings are compared

	mu      sync.Mutex // one look at a time; guards what follows
	sink    collect.Sink
	looked  time.Time // when detectors and members were seen last
	outcome tocsin.Reconciliation
	err     error
}

var (
	_ collect.Collector = (*inspector)(nil)
	_ collect.Reporter  = (*inspector)(nil)
)

func (w *world) openInspector(decode func(into any) error, env collect.Env) (collect.Collector, error) {
	var c guarddutyapi.Config
	if err := decode(&c); err != nil {
		return nil, err
	}
	if _, err := guarddutyapi.New(c, env); err != nil { // its settings are to be good
		return nil, err
	}
	w.inspector = &inspector{w: w, env: env, every: c.Every, began: env.Now().Add(-c.Lookback)}
	return w.inspector, nil
}

// Run looks until ctx ends.
func (i *inspector) Run(ctx context.Context, sink collect.Sink) error {
	i.mu.Lock()
	i.sink = sink
	i.mu.Unlock()
	for {
		if _, err := i.look(ctx); err != nil && ctx.Err() == nil {
			i.env.Log.WarnContext(ctx, "the organisation cannot be looked at", "source", i.env.Name, "err", err)
		}
		if !wait(ctx, i.every) {
			return nil
		}
	}
}

// Status says what the last look came to.
func (i *inspector) Status(context.Context) collect.Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err != nil {
		return collect.Status{State: "failing", Lines: []tocsin.Fact{{Name: "Reason", Value: i.err.Error()}}}
	}
	r := i.outcome
	return collect.Status{State: "ok", Lines: []tocsin.Fact{
		{Name: "Organisation", Value: "simulated"},
		{Name: "Compared", Value: fmt.Sprintf("received %d, API %d, recovered %d, unexplained %d", r.Received, r.API, r.Recovered, r.Unexplained)},
	}}
}

// look looks once, and gives what all findings come to. Before it runs nothing is put
// through.
func (i *inspector) look(ctx context.Context) (tocsin.Reconciliation, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.err = i.compare(ctx)
	return i.outcome, i.err
}

// together is how many sightings are kept at once.
const together = 500

// compare is look, of whoever holds the lock.
func (i *inspector) compare(ctx context.Context) error {
	now := i.env.Now()
	var seen []tocsin.Sighting
	if now.Sub(i.looked) >= time.Hour {
		seen = i.organisation(now)
	}
	compared, err := i.findings(ctx, now)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(append(seen, compared...), together) {
		if err := i.env.Observe(ctx, some...); err != nil {
			return err
		}
	}
	if seen != nil {
		i.looked = now
	}
	return nil
}

// organisation are its members, and the detectors of all of them.
func (i *inspector) organisation(now time.Time) (seen []tocsin.Sighting) {
	for _, a := range i.w.members() {
		seen = append(seen, tocsin.Sighting{Place: tocsin.Place{Account: a.id}, Kind: tocsin.SawMember, At: now, Member: &tocsin.Member{
			Name: a.name, Status: "ACTIVE", OU: a.ou, Joined: time.Date(2021, 3, 1, 9, 0, 0, 0, time.UTC), Regions: i.w.regions,
		}})
		for _, region := range i.w.regions {
			d := place{account: a, region: region}.detector()
			seen = append(seen, tocsin.Sighting{Place: tocsin.Place{Account: a.id, Region: region}, Kind: tocsin.SawDetector, At: now, Detector: &d})
		}
	}
	return seen
}

// large reports whether it takes seconds to write something of every place.
func (w *world) large() bool { return len(w.accounts)*len(w.regions) > 5000 }

// members are all accounts, and the one that administers GuardDuty for them.
func (w *world) members() []account { return append([]account{security}, w.accounts...) }

// detector is GuardDuty in a place.
func (p place) detector() tocsin.Detector {
	d := tocsin.Detector{ID: p.detectorID(), Enabled: true, Features: map[string]bool{
		"S3_DATA_EVENTS": true, "EKS_AUDIT_LOGS": true, "RUNTIME_MONITORING": true, "RDS_LOGIN_EVENTS": true, "LAMBDA_NETWORK_LOGS": true, "EBS_MALWARE_PROTECTION": true,
	}}
	switch at := (struct{ account, region string }{p.account.name, p.region}); {
	case at == planted.noDetector:
		return tocsin.Detector{}
	case p.account.id == admin:
		d.Frequency = "FIFTEEN_MINUTES"
		if at == planted.slow {
			d.Frequency = "SIX_HOURS"
		}
	case at == planted.removed:
		d.Administrator, d.Relationship = admin, "Removed"
	default:
		d.Administrator, d.Relationship = admin, "Enabled"
	}
	return d
}

func (p place) detectorID() string {
	sum := md5.Sum([]byte(p.account.id + p.region))
	return hex.EncodeToString(sum[:])
}

// findings compares what GuardDuty has with what came, place by place, and puts
// through what did not.
func (i *inspector) findings(ctx context.Context, now time.Time) ([]tocsin.Sighting, error) {
	i.w.mu.Lock()
	all := maps.Clone(i.w.detected)
	i.w.mu.Unlock()
	held, err := i.env.Held(ctx, slices.Collect(maps.Keys(all)))
	if err != nil {
		return nil, err
	}
	i.outcome = tocsin.Reconciliation{From: i.began, Until: now, Every: i.every}
	counts := map[tocsin.Place]*tocsin.Reconciliation{}
	var missing []tocsin.Event
	for key, k := range all {
		if counts[k.Place] == nil {
			counts[k.Place] = &tocsin.Reconciliation{}
		}
		for _, r := range []*tocsin.Reconciliation{counts[k.Place], &i.outcome} {
			r.API++
			*became(k, held[key], r)++
		}
		if k.body != nil && held[key].Newest.Before(k.version) {
			missing = append(missing, tocsin.Event{Source: i.env.Name, Via: tocsin.ViaReconcile, ReceivedAt: now, Raw: k.body, Envelope: fmt.Sprintf("%s/%d", key, k.version.UnixMilli())})
		}
	}
	if len(missing) > 0 && i.sink != nil {
		if _, err := i.sink(ctx, missing...); err != nil {
			return nil, err
		}
	}
	return i.sightings(counts), nil
}

// became is the count that a finding belongs to, by what the journal had of it.
func became(k known, held tocsin.Held, r *tocsin.Reconciliation) *int64 {
	switch {
	case held.Pushed.IsZero() && k.archived:
		return &r.Suppressed
	case held.Pushed.IsZero():
		return &r.Recovered
	case held.Pushed.Before(k.version):
		return &r.Pending
	}
	return &r.Received
}

// sightings are how far findings are compared, of each place that has a detector which
// the administrator sees. In a large organisation its own stand for those that have no
// findings.
func (i *inspector) sightings(counts map[tocsin.Place]*tocsin.Reconciliation) (seen []tocsin.Sighting) {
	for _, a := range i.w.members() {
		for _, region := range i.w.regions {
			p := place{account: a, region: region}
			at := tocsin.Place{Account: a.id, Region: region}
			if p.dark() || i.w.large() && a.id != admin && counts[at] == nil {
				continue
			}
			r := *cmp.Or(counts[at], &tocsin.Reconciliation{})
			r.From, r.Until, r.Every = i.outcome.From, i.outcome.Until, i.outcome.Every
			seen = append(seen, tocsin.Sighting{Place: at, Kind: tocsin.SawReconciliation, At: r.Until, Reconciliation: &r})
		}
	}
	return seen
}
