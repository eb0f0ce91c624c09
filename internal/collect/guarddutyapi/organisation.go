package guarddutyapi

import (
	"context"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
)

// organisationPart is the organisation in the Status.
const organisationPart = "organization"

// readOrganisation sees the accounts of the organisation, now and then.
func (s *Source) readOrganisation(ctx context.Context) {
	s.mu.Lock()
	due := s.env.Now().Sub(s.organisation) >= look
	s.mu.Unlock()
	if !due {
		return
	}
	o := organisation{Source: s, client: organizations.NewFromConfig(s.base.Beside(), func(o *organizations.Options) { o.APIOptions = append(o.APIOptions, s.clocked) })}
	members, refused, err := o.read(ctx)
	if err == nil {
		err = s.observe(ctx, members)
	}
	if err != nil {
		s.pull.Failed(ctx, organisationPart, err)
		return
	}
	s.pull.Worked(ctx, organisationPart)
	s.note(ctx, organisationPart, refused)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.organisation = s.env.Now()
}

type organisation struct {
	*Source
	client *organizations.Client
}

func askOrganisation[T any](ctx context.Context, o organisation, operation string, do func(context.Context) (T, error)) (T, error) {
	return asked(ctx, o.Source, o.base, aws.Call{Action: "organizations:" + operation, Resource: "*"}, do)
}

// read sees all accounts, with the organizational units above them and their tags.
// Those two are left out where they are not allowed.
func (o organisation) read(ctx context.Context) (members []tocsin.Sighting, refused refusals, err error) {
	accounts, err := o.accounts(ctx)
	if err != nil {
		return nil, nil, err
	}
	units, err := o.units(ctx)
	if err := refused.without(err); err != nil {
		return nil, nil, err
	}
	tagged := true
	for _, a := range accounts {
		m := tocsin.Member{Name: text(a.Name), Status: statusOf(a), OU: units[text(a.Id)], Joined: sdk.ToTime(a.JoinedTimestamp).UTC()}
		if tagged {
			m.Tags, err = o.tags(ctx, text(a.Id))
			if left := codeOf(err) == "TargetNotFoundException"; err != nil && !left {
				tagged = false
				if err := refused.without(err); err != nil {
					return nil, nil, err
				}
			}
		}
		members = append(members, tocsin.Sighting{Place: tocsin.Place{Account: text(a.Id)}, Source: o.env.Name, Kind: tocsin.SawMember, At: o.env.Now().UTC(), Member: &m})
	}
	return members, refused, nil
}

// statusOf is how the account stands. State is what AWS says of it since 2025, Status
// what it said before.
func statusOf(a types.Account) string {
	if a.State != "" {
		return string(a.State)
	}
	return string(a.Status)
}

func (o organisation) accounts(ctx context.Context) (all []types.Account, err error) {
	err = pages(func(token *string) (*string, error) {
		out, err := askOrganisation(ctx, o, "ListAccounts", func(ctx context.Context) (*organizations.ListAccountsOutput, error) {
			return o.client.ListAccounts(ctx, &organizations.ListAccountsInput{NextToken: token})
		})
		if err != nil {
			return nil, err
		}
		all = append(all, out.Accounts...)
		return out.NextToken, nil
	})
	return all, err
}

// A unit is one of the organisation's, with the names down to it.
type unit struct {
	id    string
	names []string
}

// units gives for each account the organizational units above it: "prod/payments". It
// goes down the tree, since to ask for the parents of each account takes longer.
func (o organisation) units(ctx context.Context) (map[string]string, error) {
	var queue []unit
	err := pages(func(token *string) (*string, error) {
		out, err := askOrganisation(ctx, o, "ListRoots", func(ctx context.Context) (*organizations.ListRootsOutput, error) {
			return o.client.ListRoots(ctx, &organizations.ListRootsInput{NextToken: token})
		})
		if err != nil {
			return nil, err
		}
		for _, r := range out.Roots {
			queue = append(queue, unit{id: text(r.Id)})
		}
		return out.NextToken, nil
	})
	if err != nil {
		return nil, err
	}
	of := map[string]string{}
	for len(queue) > 0 {
		u := queue[0]
		queue = queue[1:]
		below, err := o.below(ctx, u, of)
		if err != nil {
			return nil, err
		}
		queue = append(queue, below...)
	}
	return of, nil
}

// below gives the units directly below one, and puts its accounts into of.
func (o organisation) below(ctx context.Context, u unit, of map[string]string) (below []unit, err error) {
	err = pages(func(token *string) (*string, error) {
		out, err := askOrganisation(ctx, o, "ListAccountsForParent", func(ctx context.Context) (*organizations.ListAccountsForParentOutput, error) {
			return o.client.ListAccountsForParent(ctx, &organizations.ListAccountsForParentInput{ParentId: &u.id, NextToken: token})
		})
		if err != nil {
			return nil, err
		}
		for _, a := range out.Accounts {
			of[text(a.Id)] = strings.Join(u.names, "/")
		}
		return out.NextToken, nil
	})
	if err != nil {
		return nil, err
	}
	err = pages(func(token *string) (*string, error) {
		out, err := askOrganisation(ctx, o, "ListOrganizationalUnitsForParent", func(ctx context.Context) (*organizations.ListOrganizationalUnitsForParentOutput, error) {
			return o.client.ListOrganizationalUnitsForParent(ctx, &organizations.ListOrganizationalUnitsForParentInput{ParentId: &u.id, NextToken: token})
		})
		if err != nil {
			return nil, err
		}
		for _, child := range out.OrganizationalUnits {
			below = append(below, unit{text(child.Id), append(slices.Clone(u.names), text(child.Name))})
		}
		return out.NextToken, nil
	})
	return below, err
}

func (o organisation) tags(ctx context.Context, account string) (map[string]string, error) {
	var all map[string]string
	err := pages(func(token *string) (*string, error) {
		out, err := askOrganisation(ctx, o, "ListTagsForResource", func(ctx context.Context) (*organizations.ListTagsForResourceOutput, error) {
			return o.client.ListTagsForResource(ctx, &organizations.ListTagsForResourceInput{ResourceId: &account, NextToken: token})
		})
		if err != nil {
			return nil, err
		}
		for _, t := range out.Tags {
			if all == nil {
				all = map[string]string{}
			}
			all[text(t.Key)] = text(t.Value)
		}
		return out.NextToken, nil
	})
	return all, err
}
