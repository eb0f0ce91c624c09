package aws

import (
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// dualStack is under which names services are that answer by IPv6 too
// (https://docs.aws.amazon.com/general/latest/gr/rande.html#dual-stack-endpoints).
var dualStack = []string{"api.aws", "api.amazonwebservices.com.cn", "api.amazonwebservices.eu"}

// Beside makes a client of another service than the one that the settings are for. Of
// AWS's own names, such as a VPC endpoint's, endpoint_url is that one service's: others
// are where they are for everybody. Any other name is taken for one where all of AWS is,
// as it is with emulators. AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL_ORGANIZATIONS and so on
// say it for a service alone, as to every AWS tool
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).
func (s *Session) Beside() aws.Config {
	c := s.Config
	if s.set.EndpointURL != "" && s.ofAWS(s.set.EndpointURL) {
		c.BaseEndpoint = s.found
	}
	if c.ConfigSources == nil { // with a key of the settings
		c.ConfigSources = []any{config.EnvConfig{}}
	}
	return c
}

// ofAWS reports whether an address has a name of AWS's.
func (s *Session) ofAWS(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return slices.ContainsFunc(append([]string{DomainOf(s.Config.Region)}, dualStack...), func(domain string) bool {
		return strings.HasSuffix(host, "."+domain)
	})
}
