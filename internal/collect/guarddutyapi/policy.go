package guarddutyapi

import (
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/aws"
)

// needed are the actions without which nothing is compared, and seen those by which
// more is seen.
var (
	needed = []string{"guardduty:ListDetectors", "guardduty:ListFindings", "guardduty:GetFindings"}
	seen   = []string{
		"guardduty:GetDetector", "guardduty:GetAdministratorAccount", "guardduty:ListMembers", "guardduty:GetMemberDetectors",
		"guardduty:ListFilters", "guardduty:GetFilter",
		"guardduty:ListPublishingDestinations", "guardduty:DescribePublishingDestination",
		"guardduty:ListIPSets", "guardduty:GetIPSet", "guardduty:ListThreatIntelSets", "guardduty:GetThreatIntelSet",
		"guardduty:ListThreatEntitySets", "guardduty:GetThreatEntitySet", "guardduty:ListTrustedEntitySets", "guardduty:GetTrustedEntitySet",
		"events:ListRules", "events:ListTargetsByRule",
	}
	organised = []string{
		"organizations:ListAccounts", "organizations:ListRoots", "organizations:ListOrganizationalUnitsForParent",
		"organizations:ListAccountsForParent", "organizations:ListTagsForResource",
	}
)

// policy is what the credentials that look at detectors need; with home they are those
// that tocsin runs with.
func (s *Source) policy(home bool) string {
	statements := []aws.Statement{allow("Findings", needed, "*"), allow("Detectors", seen, "*")}
	if home {
		statements = append(statements, s.organisedStatement()...)
	}
	return aws.Policy(statements...)
}

// policyToAssume is what whoever tocsin runs as needs to assume the role.
func (s *Source) policyToAssume() string {
	arns := []string{s.role}
	if strings.Contains(s.role, "{account}") {
		arns = nil
		for _, a := range s.Accounts {
			arns = append(arns, strings.ReplaceAll(s.role, "{account}", a))
		}
		slices.Sort(arns)
	}
	return aws.Policy(append([]aws.Statement{allow("Assume", []string{"sts:AssumeRole"}, arns...)}, s.organisedStatement()...)...)
}

func (s *Source) organisedStatement() []aws.Statement {
	if !s.Organization {
		return nil
	}
	return []aws.Statement{allow("Organization", organised, "*")}
}

func allow(sid string, actions []string, resources ...string) aws.Statement {
	s := aws.Allow(actions, resources...)
	s.Sid = sid
	return s
}
