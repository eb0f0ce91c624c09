package canary

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	guarddutytypes "github.com/aws/aws-sdk-go-v2/service/guardduty/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/canary"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// A fleet is from where canaries are sent: accounts, with how each is reached.
type fleet struct {
	env collect.Env
	Config
	base *aws.Session // with the credentials as they are found

	mu       sync.Mutex // guards what follows
	sessions map[string]*aws.Session
	own      string // the account of the credentials, once it is known
}

func newFleet(c Config, env collect.Env) (*fleet, error) {
	set := c.Settings
	if c.Role != "" && c.RoleARN == "" { // these are for the role in each account
		set.ExternalID, set.RoleSessionName, set.STSEndpointURL = "", "", ""
	}
	base, err := set.Open(via, "", env.Name, env.HTTP)
	if err != nil {
		return nil, err
	}
	return &fleet{env: env, Config: c, base: base, sessions: map[string]*aws.Session{}}, nil
}

// at is how the place is reached.
func (f *fleet) at(p tocsin.Place) *aws.Session {
	if f.Role == "" {
		return f.base.In(p.Region)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sessions[p.Account]
	if s == nil {
		s = f.base.As(aws.Role{
			ARN: f.roleOf(p.Account), ExternalID: f.ExternalID, SessionName: f.RoleSessionName, STSEndpointURL: f.STSEndpointURL,
		})
		f.sessions[p.Account] = s
	}
	return s.In(p.Region)
}

func (f *fleet) roleOf(account string) string { return strings.ReplaceAll(f.Role, anyAccount, account) }

// accounts are those from which canaries are sent now.
func (f *fleet) accounts(ctx context.Context) ([]string, error) {
	switch {
	case len(f.Accounts) > 0:
		return f.Accounts, nil
	case f.Role != "":
		return f.members(ctx)
	}
	f.mu.Lock()
	own := f.own
	f.mu.Unlock()
	if own != "" {
		return []string{own}, nil
	}
	own, err := f.whoami(ctx)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.own = own
	f.mu.Unlock()
	return []string{own}, nil
}

// members are the active accounts of the organisation, as sources have seen it.
func (f *fleet) members(ctx context.Context) ([]string, error) {
	seen, err := f.env.Sightings(ctx, tocsin.SawMember)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	var all []string
	for _, s := range seen {
		if s.Member != nil && s.Member.Status == "ACTIVE" && aws.IsAccount(s.Account) && !known[s.Account] {
			known[s.Account] = true
			all = append(all, s.Account)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no source has seen the accounts of the organisation; name them in accounts")
	}
	return all, nil
}

// names are what accounts are called, as far as sources have seen it.
func (f *fleet) names(ctx context.Context) map[string]string {
	names := map[string]string{}
	seen, err := f.env.Sightings(ctx, tocsin.SawMember)
	if err != nil { // a number will do
		return names
	}
	for _, s := range seen {
		if s.Member != nil {
			names[s.Account] = s.Member.Name
		}
	}
	return names
}

// whoami is the account of the credentials.
func (f *fleet) whoami(ctx context.Context) (string, error) {
	if parts := strings.Split(f.RoleARN, ":"); len(parts) > 4 {
		return parts[4], nil
	}
	out, err := sts.NewFromConfig(f.base.Beside()).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("%w; or name the account in accounts", f.base.Refused(ctx, aws.Call{Action: "sts:GetCallerIdentity", Resource: "*"}, err))
	}
	return sdk.ToString(out.Account), nil
}

// put puts the canary on the event bus of its place.
func (f *fleet) put(ctx context.Context, c tocsin.Canary) error {
	s := f.at(c.Place)
	call := aws.Call{Action: "events:PutEvents", Resource: f.EventBus}
	if !strings.HasPrefix(f.EventBus, "arn:") {
		call.Resource = aws.ARN{
			Partition: s.Partition, Service: "events", Region: c.Region, Account: c.Account, Resource: "event-bus/" + f.EventBus,
		}.String()
	}
	out, err := eventbridge.NewFromConfig(s.Config).PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		Source: sdk.String(canary.Source), DetailType: sdk.String(canary.DetailType), Detail: sdk.String(string(canary.Detail(c))),
		EventBusName: &f.EventBus, Time: &c.SentAt,
	}}})
	if err != nil {
		return s.Refused(ctx, call, err)
	}
	if len(out.Entries) != 1 {
		return fmt.Errorf("%s: PutEvents answered for %d entries, want 1", via, len(out.Entries))
	}
	if e := out.Entries[0]; e.ErrorCode != nil {
		return s.RefusedEntry(call, *e.ErrorCode, sdk.ToString(e.ErrorMessage), true)
	}
	return nil
}

// A detector is GuardDuty in a place, as far as sample findings are concerned.
type detector struct {
	id        string
	frequency time.Duration // how often updates of a finding are published
}

// frequencies are how often a detector publishes updates of findings
// (https://docs.aws.amazon.com/guardduty/latest/APIReference/API_GetDetector.html).
var frequencies = map[guarddutytypes.FindingPublishingFrequency]time.Duration{
	guarddutytypes.FindingPublishingFrequencyFifteenMinutes: 15 * time.Minute,
	guarddutytypes.FindingPublishingFrequencyOneHour:        time.Hour,
	guarddutytypes.FindingPublishingFrequencySixHours:       6 * time.Hour,
}

// detector finds GuardDuty in the place.
func (f *fleet) detector(ctx context.Context, p tocsin.Place) (detector, error) {
	s := f.at(p)
	api := guardduty.NewFromConfig(s.Config)
	list, err := api.ListDetectors(ctx, &guardduty.ListDetectorsInput{})
	if err != nil {
		return detector{}, s.Refused(ctx, aws.Call{Action: "guardduty:ListDetectors", Resource: "*"}, err)
	}
	if len(list.DetectorIds) == 0 {
		return detector{}, notify.Permanent(fmt.Errorf("%s: GuardDuty is not on in %s of %s; turn it on, or leave the region out", via, p.Region, p.Account))
	}
	d := detector{id: list.DetectorIds[0]}
	got, err := api.GetDetector(ctx, &guardduty.GetDetectorInput{DetectorId: &d.id})
	if err != nil {
		return d, s.Refused(ctx, detectorCall(s, "GetDetector", p, d), err)
	}
	if got.Status == guarddutytypes.DetectorStatusDisabled {
		return d, notify.Permanent(fmt.Errorf("%s: the detector of %s in %s is suspended; enable it, or leave the region out", via, p.Account, p.Region))
	}
	var known bool
	if d.frequency, known = frequencies[got.FindingPublishingFrequency]; !known {
		d.frequency = 6 * time.Hour // GuardDuty's default, and the longest
	}
	return d, nil
}

// sample asks GuardDuty for a sample finding.
func (f *fleet) sample(ctx context.Context, c tocsin.Canary, d detector) error {
	s := f.at(c.Place)
	_, err := guardduty.NewFromConfig(s.Config).CreateSampleFindings(ctx, &guardduty.CreateSampleFindingsInput{DetectorId: &d.id, FindingTypes: []string{c.Sample}})
	if err != nil {
		return s.Refused(ctx, detectorCall(s, "CreateSampleFindings", c.Place, d), err)
	}
	return nil
}

func detectorCall(s *aws.Session, operation string, p tocsin.Place, d detector) aws.Call {
	return aws.Call{Action: "guardduty:" + operation, Resource: aws.ARN{
		Partition: s.Partition, Service: "guardduty", Region: p.Region, Account: p.Account, Resource: "detector/" + d.id,
	}.String()}
}
