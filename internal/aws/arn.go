package aws

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/secret"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// An ARN names a resource of AWS
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html).
type ARN struct {
	Partition, Service, Region, Account string
	// Resource is the rest: "alerts", "function:order-export:PROD".
	Resource string
}

// String is the ARN as it is written.
func (a ARN) String() string {
	return strings.Join([]string{"arn", a.Partition, a.Service, a.Region, a.Account, a.Resource}, ":")
}

var accountForm = lazyregexp.New(`^([0-9]{12}|aws)?$`)

// ParseARN reads the ARN of a resource of the service.
func ParseARN(text, service string) (ARN, error) {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[5] == "" || !accountForm.MatchString(parts[4]) {
		return ARN{}, fmt.Errorf("%q is not an ARN: arn:aws:%s:REGION:ACCOUNT:…", text, service)
	}
	a := ARN{parts[1], parts[2], parts[3], parts[4], parts[5]}
	switch {
	case a.Service != service:
		return ARN{}, fmt.Errorf("%q is of the service %s, want %s", text, a.Service, service)
	case !regionForm.MatchString(a.Region):
		return ARN{}, fmt.Errorf("%q has no region", text)
	case a.Partition != PartitionOf(a.Region):
		return ARN{}, fmt.Errorf("%q: the region %s is in the partition %s", text, a.Region, PartitionOf(a.Region))
	}
	return a, nil
}

// Named reads a resource that may be written as an ARN or as its name. before
// stands before the name in an ARN: "stream/". The name has that form; an ARN's
// may have more after a colon, such as an alias. Where only the name is known,
// region and account are "*", as policies write what they leave open.
func Named(key, text, service, before string, form interface{ MatchString(string) bool }) (ARN, error) {
	name := text
	a := ARN{Partition: "*", Service: service, Region: "*", Account: "*", Resource: before + text}
	if strings.HasPrefix(text, "arn:") {
		var err error
		if a, err = ParseARN(text, service); err != nil {
			return ARN{}, fmt.Errorf("%s: %w", key, err)
		}
		var ok bool
		if name, ok = strings.CutPrefix(a.Resource, before); !ok {
			return ARN{}, fmt.Errorf("%s: %q is not the ARN of a resource of this kind: want %s… at its end", key, text, before)
		}
	}
	switch {
	case text == "":
		return ARN{}, fmt.Errorf("%s: is not set", key)
	case !form.MatchString(name) && !secret.IsReference(text):
		return ARN{}, fmt.Errorf("%s: %q is not such a name", key, name)
	}
	return a, nil
}

// Where is the ARN's region, or "" where only a name is known.
func (a ARN) Where() string {
	if a.Region == "*" {
		return ""
	}
	return a.Region
}

// In is the ARN with the partition and region of the session where only a name
// was known.
func (a ARN) In(s *Session) ARN {
	if a.Region == "*" {
		a.Partition, a.Region = s.Partition, s.Config.Region
	}
	return a
}

// PartitionOf is the partition that a region is in.
func PartitionOf(region string) string { return wording.Partition(region) }

// domains are where the services of a partition are, if that is not amazonaws.com
// (https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html).
var domains = map[string]string{
	"aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu",
	"aws-iso": "c2s.ic.gov", "aws-iso-b": "sc2s.sgov.gov", "aws-iso-e": "cloud.adc-e.uk", "aws-iso-f": "csp.hci.ic.gov",
}

// DomainOf is under which name a region's services are.
func DomainOf(region string) string { return cmp.Or(domains[PartitionOf(region)], "amazonaws.com") }
