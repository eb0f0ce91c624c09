package guarddutyapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	"github.com/aws/aws-sdk-go-v2/service/guardduty/types"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/reconcile"
)

// A place is an account in a region, with what was seen of it last. One goroutine at a
// time has it.
type place struct {
	tocsin.Place
	*Source
	session *aws.Session
	client  *guardduty.Client
	// apart are the accounts that are looked at by themselves, sorted.
	apart []string
	// named says that the region is one of the settings, and not one of all.
	named bool

	id       string          // of the detector
	detector tocsin.Detector // but for what filters archived
	members  []member
	filters  []reconcile.Filter // those that archive
	known    bool               // filters are all there are
	looked   time.Time          // when what seldom changes was seen
	swept    time.Time          // when the whole window was listed
	rule     *tocsin.Forwarding // nil where that could not be seen
}

// A member is an account that the place's detector administers.
type member struct {
	account  string
	detector tocsin.Detector
}

// identity is how STS is asked who we are.
func (s *Source) identity() sdk.Config {
	config := s.base.Beside()
	if s.STSEndpointURL != "" {
		config.BaseEndpoint = sdk.String(s.STSEndpointURL)
	}
	return config
}

func (s *Source) placed(session *aws.Session, apart []string, at tocsin.Place) *place {
	session = session.In(at.Region)
	return &place{
		Place: at, Source: s, session: session, apart: apart, named: s.Regions[0] != all,
		client: guardduty.NewFromConfig(session.Config, func(o *guardduty.Options) { o.APIOptions = append(o.APIOptions, s.clocked) }),
	}
}

// part names the place in the Status.
func (p *place) part() string { return p.Account + " " + p.Region }

// ARN of the place's detector.
func (p *place) arn() string {
	return "arn:" + p.session.Partition + ":guardduty:" + p.Region + ":" + p.Account + ":detector/" + p.id
}

// ask does a call of GuardDuty's about the place's detector.
func ask[T any](ctx context.Context, p *place, operation string, do func(context.Context) (T, error)) (T, error) {
	return asked(ctx, p.Source, p.session, aws.Call{Action: "guardduty:" + operation, Resource: p.arn()}, do)
}

// An outcome is what a place's round came to.
type outcome struct {
	compared bool // there is a detector
	accounts map[string]tocsin.Reconciliation
}

// round compares the place's findings and tells what it saw. It is nil where AWS would
// not let it.
func (p *place) round(ctx context.Context, sink collect.Sink) (*outcome, error) {
	out, err := p.compare(ctx, sink)
	_, ours := errors.AsType[*ownError](err)
	switch {
	case err == nil:
		p.pull.Worked(ctx, p.part())
		return out, nil
	case ours, ctx.Err() != nil:
		return nil, err
	}
	p.pull.Failed(ctx, p.part(), err)
	failed := []tocsin.Sighting{p.sighting(tocsin.SawDetector, p.Account), p.sighting(tocsin.SawReconciliation, p.Account)}
	for i := range failed {
		failed[i].Error = err.Error()
	}
	return nil, p.observe(ctx, failed)
}

// compare is round without what follows from its error.
func (p *place) compare(ctx context.Context, sink collect.Sink) (*outcome, error) {
	there, err := p.find(ctx)
	if err != nil {
		return nil, err
	}
	if !there {
		return &outcome{}, nil
	}
	refused, members, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	w, err := p.walk(ctx, sink)
	if err != nil {
		return nil, err
	}
	if err := w.catchUp(ctx); err != nil {
		return nil, err
	}
	if refused != nil {
		p.note(ctx, p.part(), *refused)
	}
	now := p.now()
	out := &outcome{compared: true, accounts: w.ledger.Counts(now, p.watched()...)}
	seen := []tocsin.Sighting{p.sawDetector(w.ledger.Filters(now))}
	if p.rule != nil {
		s := p.sighting(tocsin.SawForwarding, p.Account)
		s.Forwarding = p.rule
		seen = append(seen, s)
	}
	for _, m := range members {
		s := p.sighting(tocsin.SawDetector, m.account)
		s.Detector = &m.detector
		seen = append(seen, s)
	}
	for account, r := range out.accounts {
		if account != p.Account && slices.Contains(p.apart, account) {
			continue // it is looked at by itself
		}
		r.Every = p.Every
		s := p.sighting(tocsin.SawReconciliation, account)
		s.Reconciliation = &r
		seen = append(seen, s)
	}
	if w.recovered > 0 {
		p.env.Log.WarnContext(ctx, "findings did not arrive by event and were put through", slog.String("source", p.env.Name), slog.String("account", p.Account), slog.String("region", p.Region), slog.Int("count", w.recovered))
	}
	return out, p.observe(ctx, seen)
}

// watched are the accounts whose findings the detector has.
func (p *place) watched() []string {
	accounts := []string{p.Account}
	for _, m := range p.members {
		if m.detector.Enabled && !slices.Contains(p.apart, m.account) {
			accounts = append(accounts, m.account)
		}
	}
	return accounts
}

func (p *place) sighting(kind tocsin.SightingKind, account string) tocsin.Sighting {
	return tocsin.Sighting{Place: tocsin.Place{Account: account, Region: p.Region}, Source: p.env.Name, Kind: kind, At: p.env.Now().UTC()}
}

// together is how many sightings are kept at once.
const together = 500

// observe keeps what was seen.
func (s *Source) observe(ctx context.Context, seen []tocsin.Sighting) error {
	if s.env.Observe == nil {
		return nil
	}
	for some := range slices.Chunk(seen, together) {
		if err := s.env.Observe(ctx, some...); err != nil {
			return &ownError{fmt.Errorf("sightings: %w", err)}
		}
	}
	return nil
}

// notEnabled are the codes by which a region refuses the credentials of an account that
// has not enabled it.
var notEnabled = []string{"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "OptInRequired"}

// errNotEnabled says that the account has not enabled the region.
var errNotEnabled = errors.New("the region is not enabled for the account; enable it, or leave it out")

// find finds the place's detector, of which there is one at most. Where there is none
// that is what was seen.
func (p *place) find(ctx context.Context) (there bool, err error) {
	p.id = "*"
	out, err := ask(ctx, p, "ListDetectors", func(ctx context.Context) (*guardduty.ListDetectorsOutput, error) {
		return p.client.ListDetectors(ctx, &guardduty.ListDetectorsInput{})
	})
	switch {
	case err != nil && slices.Contains(notEnabled, codeOf(err)) && p.believed(ctx):
		if p.named {
			return false, errNotEnabled
		}
		return false, nil // of every region, one that cannot have anything
	case err != nil:
		return false, err
	case len(out.DetectorIds) == 0:
		p.looked = time.Time{}
		s := p.sighting(tocsin.SawDetector, p.Account)
		s.Detector = &tocsin.Detector{}
		return false, p.observe(ctx, []tocsin.Sighting{s})
	}
	p.id = out.DetectorIds[0]
	return true, nil
}

// believed reports whether the credentials are good: elsewhere they are.
func (p *place) believed(ctx context.Context) bool {
	_, err := p.session.Config.Credentials.Retrieve(ctx)
	if err != nil {
		return false
	}
	home := p.base.Config.Region
	if home == p.Region {
		return false
	}
	elsewhere := p.placed(p.session, p.apart, tocsin.Place{Account: p.Account, Region: home})
	elsewhere.id = "*"
	_, err = ask(ctx, elsewhere, "ListDetectors", func(ctx context.Context) (*guardduty.ListDetectorsOutput, error) {
		return elsewhere.client.ListDetectors(ctx, &guardduty.ListDetectorsInput{})
	})
	return err == nil || !slices.Contains(notEnabled, codeOf(err))
}

// look sees how the detector stands; now and then also what seldom changes. What is
// not allowed is in refused, which is nil where not all was asked, and members are
// those that were seen.
func (p *place) look(ctx context.Context) (refused *refusals, members []member, err error) {
	var no refusals
	before := p.detector
	p.detector = tocsin.Detector{ID: p.id, Enabled: true}
	out, err := ask(ctx, p, "GetDetector", func(ctx context.Context) (*guardduty.GetDetectorOutput, error) {
		return p.client.GetDetector(ctx, &guardduty.GetDetectorInput{DetectorId: &p.id})
	})
	if err == nil {
		p.detector.Enabled = out.Status == types.DetectorStatusEnabled
		p.detector.Frequency = string(out.FindingPublishingFrequency)
		p.detector.Features = map[string]bool{}
		for _, f := range out.Features {
			p.detector.Features[string(f.Name)] = f.Status == types.FeatureStatusEnabled
		}
	} else if err := no.without(err); err != nil {
		return nil, nil, err
	}
	if p.env.Now().Sub(p.looked) < look && before.ID == p.id {
		d := &p.detector
		d.Administrator, d.Relationship, d.Exports, d.Lists = before.Administrator, before.Relationship, before.Exports, before.Lists
		p.imposed()
		return nil, nil, nil
	}
	for _, see := range []func(context.Context) error{
		p.seeAdministrator, p.seeMembers, p.seeFeatures, p.seeFilters, p.seeExports, p.seeIPSets, p.seeThreatIntelSets, p.seeThreatEntitySets, p.seeTrustedEntitySets, p.seeRules,
	} {
		if err := no.without(see(ctx)); err != nil {
			return nil, nil, err
		}
	}
	p.looked = p.env.Now()
	p.imposed()
	return &no, p.others(), nil
}

// imposed gives members the publishing period of their administrator.
func (p *place) imposed() {
	for i := range p.members {
		p.members[i].detector.Frequency = p.detector.Frequency
	}
}

// others are the members that are not looked at by themselves.
func (p *place) others() []member {
	return slices.DeleteFunc(slices.Clone(p.members), func(m member) bool { return slices.Contains(p.apart, m.account) })
}

// pages asks for all pages of a list. do gives one page and the token of the next.
func pages(do func(token *string) (next *string, err error)) error {
	var token *string
	seen := map[string]bool{}
	for {
		next, err := do(token)
		if err != nil || text(next) == "" {
			return err
		}
		if seen[*next] {
			return errors.New("the same page is given again and again")
		}
		seen[*next], token = true, next
	}
}

func (p *place) seeAdministrator(ctx context.Context) error {
	out, err := ask(ctx, p, "GetAdministratorAccount", func(ctx context.Context) (*guardduty.GetAdministratorAccountOutput, error) {
		return p.client.GetAdministratorAccount(ctx, &guardduty.GetAdministratorAccountInput{DetectorId: &p.id})
	})
	if err == nil && out.Administrator != nil {
		p.detector.Administrator, p.detector.Relationship = text(out.Administrator.AccountId), text(out.Administrator.RelationshipStatus)
	}
	return err
}

// seeMembers sees the accounts that the detector administers.
func (p *place) seeMembers(ctx context.Context) error {
	p.members = nil
	if p.detector.Administrator != "" {
		return nil // it is one itself
	}
	var found []member
	err := pages(func(token *string) (*string, error) {
		out, err := ask(ctx, p, "ListMembers", func(ctx context.Context) (*guardduty.ListMembersOutput, error) {
			return p.client.ListMembers(ctx, &guardduty.ListMembersInput{DetectorId: &p.id, NextToken: token, MaxResults: sdk.Int32(50), OnlyAssociated: sdk.String("false")})
		})
		if err != nil {
			return nil, err
		}
		for _, m := range out.Members {
			d := tocsin.Detector{ID: text(m.DetectorId), Administrator: p.Account, Relationship: text(m.RelationshipStatus)}
			d.Enabled = strings.EqualFold(d.Relationship, "Enabled")
			found = append(found, member{text(m.AccountId), d})
		}
		return out.NextToken, nil
	})
	if err != nil {
		return err
	}
	p.members = found
	return nil
}

// seeFeatures sees the protection plans of members.
func (p *place) seeFeatures(ctx context.Context) error {
	var enabled []string
	at := map[string]int{}
	for i, m := range p.members {
		if at[m.account] = i; m.detector.Enabled {
			enabled = append(enabled, m.account)
		}
	}
	for fifty := range slices.Chunk(enabled, 50) {
		out, err := ask(ctx, p, "GetMemberDetectors", func(ctx context.Context) (*guardduty.GetMemberDetectorsOutput, error) {
			return p.client.GetMemberDetectors(ctx, &guardduty.GetMemberDetectorsInput{DetectorId: &p.id, AccountIds: fifty})
		})
		if err != nil {
			return err
		}
		for _, m := range out.MemberDataSourceConfigurations {
			i, ok := at[text(m.AccountId)]
			if !ok {
				continue
			}
			on := map[string]bool{}
			for _, f := range m.Features {
				on[string(f.Name)] = f.Status == types.FeatureStatusEnabled
			}
			p.members[i].detector.Features = on
		}
	}
	return nil
}

// seeFilters sees the filters that archive. Only all of them are of use.
func (p *place) seeFilters(ctx context.Context) error {
	p.filters, p.known = nil, false
	var names []string
	err := pages(func(token *string) (*string, error) {
		out, err := ask(ctx, p, "ListFilters", func(ctx context.Context) (*guardduty.ListFiltersOutput, error) {
			return p.client.ListFilters(ctx, &guardduty.ListFiltersInput{DetectorId: &p.id, NextToken: token, MaxResults: sdk.Int32(50)})
		})
		if err != nil {
			return nil, err
		}
		names = append(names, out.FilterNames...)
		return out.NextToken, nil
	})
	if err != nil {
		return err
	}
	var found []reconcile.Filter
	for _, name := range names {
		out, err := ask(ctx, p, "GetFilter", func(ctx context.Context) (*guardduty.GetFilterOutput, error) {
			return p.client.GetFilter(ctx, &guardduty.GetFilterInput{DetectorId: &p.id, FilterName: &name})
		})
		if err != nil {
			return err
		}
		if out.Action != types.FilterActionArchive {
			continue
		}
		f := reconcile.Filter{Name: name, Criteria: map[string]reconcile.Condition{}}
		if out.FindingCriteria != nil {
			for attribute, c := range out.FindingCriteria.Criterion {
				f.Criteria[attribute] = condition(c)
			}
		}
		found = append(found, f)
	}
	p.filters, p.known = found, true
	return nil
}

// condition is a condition of GuardDuty's, in its newer words.
func condition(c types.Condition) reconcile.Condition {
	wide := func(newer *int64, older *int32) *int64 {
		if newer == nil && older != nil {
			return sdk.Int64(int64(*older))
		}
		return newer
	}
	either := func(newer, older []string) []string {
		if newer == nil {
			return older
		}
		return newer
	}
	//nolint:staticcheck // filters that were made years ago have the words of then
	return reconcile.Condition{
		Equals: either(c.Equals, c.Eq), NotEquals: either(c.NotEquals, c.Neq), Matches: c.Matches, NotMatches: c.NotMatches,
		Over: wide(c.GreaterThan, c.Gt), AtLeast: wide(c.GreaterThanOrEqual, c.Gte), Under: wide(c.LessThan, c.Lt), AtMost: wide(c.LessThanOrEqual, c.Lte),
	}
}

func (p *place) seeExports(ctx context.Context) error {
	var found []tocsin.Export
	err := pages(func(token *string) (*string, error) {
		out, err := ask(ctx, p, "ListPublishingDestinations", func(ctx context.Context) (*guardduty.ListPublishingDestinationsOutput, error) {
			return p.client.ListPublishingDestinations(ctx, &guardduty.ListPublishingDestinationsInput{DetectorId: &p.id, NextToken: token, MaxResults: sdk.Int32(50)})
		})
		if err != nil {
			return nil, err
		}
		for _, d := range out.Destinations {
			one, err := ask(ctx, p, "DescribePublishingDestination", func(ctx context.Context) (*guardduty.DescribePublishingDestinationOutput, error) {
				return p.client.DescribePublishingDestination(ctx, &guardduty.DescribePublishingDestinationInput{DetectorId: &p.id, DestinationId: d.DestinationId})
			})
			if err != nil {
				return nil, err
			}
			e := tocsin.Export{Status: string(one.Status)}
			if one.DestinationProperties != nil {
				e.To = text(one.DestinationProperties.DestinationArn)
			}
			found = append(found, e)
		}
		return out.NextToken, nil
	})
	p.detector.Exports = found
	return err
}

// seeLists sees the lists of one sort: list gives a page of ids, name the name of one.
func (p *place) seeLists(sort string, list func(token *string) (ids []string, next *string, err error), name func(id string) (*string, error)) error {
	return pages(func(token *string) (*string, error) {
		ids, next, err := list(token)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			found, err := name(id)
			if err != nil {
				return nil, err
			}
			p.detector.Lists = append(p.detector.Lists, sort+" "+text(found))
		}
		return next, nil
	})
}

func (p *place) seeIPSets(ctx context.Context) error {
	return p.seeLists("IP set", func(token *string) ([]string, *string, error) {
		out, err := ask(ctx, p, "ListIPSets", func(ctx context.Context) (*guardduty.ListIPSetsOutput, error) {
			return p.client.ListIPSets(ctx, &guardduty.ListIPSetsInput{DetectorId: &p.id, NextToken: token, MaxResults: sdk.Int32(50)})
		})
		if err != nil {
			return nil, nil, err
		}
		return out.IpSetIds, out.NextToken, nil
	}, func(id string) (*string, error) {
		out, err := ask(ctx, p, "GetIPSet", func(ctx context.Context) (*guardduty.GetIPSetOutput, error) {
			return p.client.GetIPSet(ctx, &guardduty.GetIPSetInput{DetectorId: &p.id, IpSetId: &id})
		})
		if err != nil {
			return nil, err
		}
		return out.Name, nil
	})
}

func (p *place) seeThreatIntelSets(ctx context.Context) error {
	return p.seeLists("threat intelligence set", func(token *string) ([]string, *string, error) {
		out, err := ask(ctx, p, "ListThreatIntelSets", func(ctx context.Context) (*guardduty.ListThreatIntelSetsOutput, error) {
			return p.client.ListThreatIntelSets(ctx, &guardduty.ListThreatIntelSetsInput{DetectorId: &p.id, NextToken: token, MaxResults: sdk.Int32(50)})
		})
		if err != nil {
			return nil, nil, err
		}
		return out.ThreatIntelSetIds, out.NextToken, nil
	}, func(id string) (*string, error) {
		out, err := ask(ctx, p, "GetThreatIntelSet", func(ctx context.Context) (*guardduty.GetThreatIntelSetOutput, error) {
			return p.client.GetThreatIntelSet(ctx, &guardduty.GetThreatIntelSetInput{DetectorId: &p.id, ThreatIntelSetId: &id})
		})
		if err != nil {
			return nil, err
		}
		return out.Name, nil
	})
}

func (p *place) seeThreatEntitySets(ctx context.Context) error {
	return p.seeLists("threat entity set", func(token *string) ([]string, *string, error) {
		out, err := ask(ctx, p, "ListThreatEntitySets", func(ctx context.Context) (*guardduty.ListThreatEntitySetsOutput, error) {
			return p.client.ListThreatEntitySets(ctx, &guardduty.ListThreatEntitySetsInput{DetectorId: &p.id, NextToken: token, MaxResults: sdk.Int32(50)})
		})
		if err != nil {
			return nil, nil, err
		}
		return out.ThreatEntitySetIds, out.NextToken, nil
	}, func(id string) (*string, error) {
		out, err := ask(ctx, p, "GetThreatEntitySet", func(ctx context.Context) (*guardduty.GetThreatEntitySetOutput, error) {
			return p.client.GetThreatEntitySet(ctx, &guardduty.GetThreatEntitySetInput{DetectorId: &p.id, ThreatEntitySetId: &id})
		})
		if err != nil {
			return nil, err
		}
		return out.Name, nil
	})
}

func (p *place) seeTrustedEntitySets(ctx context.Context) error {
	return p.seeLists("trusted entity set", func(token *string) ([]string, *string, error) {
		out, err := ask(ctx, p, "ListTrustedEntitySets", func(ctx context.Context) (*guardduty.ListTrustedEntitySetsOutput, error) {
			return p.client.ListTrustedEntitySets(ctx, &guardduty.ListTrustedEntitySetsInput{DetectorId: &p.id, NextToken: token, MaxResults: sdk.Int32(50)})
		})
		if err != nil {
			return nil, nil, err
		}
		return out.TrustedEntitySetIds, out.NextToken, nil
	}, func(id string) (*string, error) {
		out, err := ask(ctx, p, "GetTrustedEntitySet", func(ctx context.Context) (*guardduty.GetTrustedEntitySetOutput, error) {
			return p.client.GetTrustedEntitySet(ctx, &guardduty.GetTrustedEntitySetInput{DetectorId: &p.id, TrustedEntitySetId: &id})
		})
		if err != nil {
			return nil, err
		}
		return out.Name, nil
	})
}

// sawDetector is the sighting of the place's own detector, with how many findings
// within the window each filter archived.
func (p *place) sawDetector(archived map[string]int64) tocsin.Sighting {
	d := p.detector
	for _, f := range p.filters {
		d.Filters = append(d.Filters, tocsin.UpstreamFilter{Name: f.Name, Findings: archived[f.Name]})
	}
	for _, name := range []string{reconcile.SeveralFilters, reconcile.NoFilter} {
		if n := archived[name]; n > 0 {
			d.Filters = append(d.Filters, tocsin.UpstreamFilter{Name: name, Findings: n})
		}
	}
	s := p.sighting(tocsin.SawDetector, p.Account)
	s.Detector = &d
	return s
}

// period is the detector's publishing period; the longest where that is not known.
func (p *place) period() time.Duration {
	switch p.detector.Frequency {
	case string(types.FindingPublishingFrequencyFifteenMinutes):
		return 15 * time.Minute
	case string(types.FindingPublishingFrequencyOneHour):
		return time.Hour
	}
	return 6 * time.Hour
}
