package aws

import (
	"cmp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tocsin-sec/tocsin/internal/wording"
)

// regions are those in which GuardDuty is, as of late 2026, by partition. Regions come
// faster than lists of them: one that is not here is as good as any
// (https://docs.aws.amazon.com/general/latest/gr/guardduty.html).
var regions = map[string][]string{
	"aws": {
		"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1",
		"eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "ap-south-1",
		"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-southeast-1", "ap-southeast-2",
		// An account has to enable these before anything can be there.
		"af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4",
		"ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1",
		"eu-south-2", "il-central-1", "me-central-1", "me-south-1", "mx-central-1",
	},
	"aws-us-gov": {"us-gov-east-1", "us-gov-west-1"},
	"aws-cn":     {"cn-north-1", "cn-northwest-1"},
	"aws-eusc":   {"eusc-de-east-1"},
}

// RegionsOf are the regions of a partition that have GuardDuty; nil of one that is
// not known.
func RegionsOf(partition string) []string { return slices.Clone(regions[partition]) }

// IsRegion reports whether the text has the form of a region's name.
func IsRegion(text string) bool { return regionForm.MatchString(text) }

// IsAccount reports whether the text has the form of an account's id: 12 digits.
func IsAccount(text string) bool { return wording.IsAccount(text) }

// IsRole reports whether the text has the form of a role's ARN.
func IsRole(text string) bool { return roleForm.MatchString(text) }

// In is the session in another region, with the same credentials.
func (s *Session) In(region string) *Session {
	there := *s
	there.Config.Region, there.Partition = region, PartitionOf(region)
	return &there
}

// A Role is one that a session assumes.
type Role struct {
	ARN string
	// ExternalID, SessionName and STSEndpointURL are as in [Settings]. Without a
	// SessionName it is that of the session.
	ExternalID, SessionName, STSEndpointURL string
}

// As is the session once it has assumed the role, by its own credentials. Nobody is
// asked before the first request.
func (s *Session) As(r Role) *Session {
	as := *s
	as.set.RoleARN, as.set.ExternalID, as.set.STSEndpointURL = r.ARN, r.ExternalID, r.STSEndpointURL
	as.set.RoleSessionName = cmp.Or(r.SessionName, s.set.RoleSessionName)
	base := s.Config
	if s.set.EndpointURL != "" { // which is another service's
		base.BaseEndpoint = s.found
	}
	if w, ok := base.HTTPClient.(witness); ok {
		base.HTTPClient = w.client
	}
	as.seen = &watched{from: as.set.assuming(base)}
	as.cached = aws.NewCredentialsCache(as.seen, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = time.Minute })
	as.Config.Credentials = as.cached
	return &as
}
