package guarddutyapi

import (
	"context"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/diagnosis"
)

// seeRules sees which rule brings findings off the default event bus of the place, onto
// which GuardDuty puts them: of several, the one that brings most.
func (p *place) seeRules(ctx context.Context) error {
	p.rule = nil
	best := tocsin.Forwarding{}
	client := eventbridge.NewFromConfig(p.session.Beside())
	err := pages(func(token *string) (*string, error) {
		out, err := asked(ctx, p.Source, p.session, p.events("ListRules"), func(ctx context.Context) (*eventbridge.ListRulesOutput, error) {
			return client.ListRules(ctx, &eventbridge.ListRulesInput{NextToken: token})
		})
		if err != nil {
			return nil, err
		}
		for _, r := range out.Rules {
			some, misses := diagnosis.Takes(text(r.EventPattern))
			if !some || r.ManagedBy != nil { // another service's rule does not lead here
				continue
			}
			found := tocsin.Forwarding{Rule: text(r.Arn), Enabled: r.State != types.RuleStateDisabled, Misses: misses}
			if found.Targets, err = p.targets(ctx, client, text(r.Name)); err != nil {
				return nil, err
			}
			if best.Rule == "" || brings(found) > brings(best) {
				best = found
			}
		}
		return out.NextToken, nil
	})
	if err == nil {
		p.rule = &best
	}
	return err
}

// brings orders rules by how much they bring.
func brings(f tocsin.Forwarding) int {
	n := 0
	for _, yes := range []bool{f.Misses == "", len(f.Targets) > 0, f.Enabled} { // the last counts most
		n *= 2
		if yes {
			n++
		}
	}
	return n
}

func (p *place) targets(ctx context.Context, client *eventbridge.Client, rule string) (arns []string, err error) {
	err = pages(func(token *string) (*string, error) {
		out, err := asked(ctx, p.Source, p.session, p.events("ListTargetsByRule"), func(ctx context.Context) (*eventbridge.ListTargetsByRuleOutput, error) {
			return client.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: sdk.String(rule), NextToken: token})
		})
		if err != nil {
			return nil, err
		}
		for _, t := range out.Targets {
			arns = append(arns, text(t.Arn))
		}
		return out.NextToken, nil
	})
	slices.Sort(arns)
	return arns, err
}

// events is a call of EventBridge's in the place.
func (p *place) events(operation string) aws.Call {
	return aws.Call{Action: "events:" + operation, Resource: "arn:" + p.session.Partition + ":events:" + p.Region + ":" + p.Account + ":rule/*"}
}
