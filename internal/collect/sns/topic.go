package sns

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// suffixes are the domains of the partitions that have SNS.
// https://docs.aws.amazon.com/general/latest/gr/sns.html
var suffixes = map[string]string{
	"aws":        "amazonaws.com",
	"aws-us-gov": "amazonaws.com",
	"aws-cn":     "amazonaws.com.cn",
	"aws-eusc":   "amazonaws.eu",
	"aws-iso":    "c2s.ic.gov",
	"aws-iso-b":  "sc2s.sgov.gov",
	"aws-iso-e":  "cloud.adc-e.uk",
	"aws-iso-f":  "csp.hci.ic.gov",
}

// signingNames are the names of the signing certificates in regions that do not
// follow the rule in [topic.signingNames]; as in the AWS SDK for Java, 2.42.
var signingNames = map[string]string{
	"us-gov-east-1":   "sns-us-gov-west-1.amazonaws.com",
	"us-gov-west-1":   "sns-us-gov-west-1.amazonaws.com",
	"cn-north-1":      "sns-cn-north-1.amazonaws.com.cn",
	"cn-northwest-1":  "sns-cn-northwest-1.amazonaws.com.cn",
	"us-iso-east-1":   "sns-us-iso-east-1.c2s.ic.gov",
	"us-isob-east-1":  "sns-us-isob-east-1.sc2s.sgov.gov",
	"us-isof-east-1":  "sns-signing.us-isof-east-1.csp.hci.ic.gov",
	"us-isof-south-1": "sns-signing.us-isof-south-1.csp.hci.ic.gov",
	"eu-isoe-west-1":  "sns-signing.eu-isoe-west-1.cloud.adc-e.uk",
	"eusc-de-east-1":  "sns-signing.eusc-de-east-1.amazonaws.eu",
}

// optIn are the regions of the partition aws whose certificate has their name.
var optIn = []string{
	"af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
	"ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1",
	"me-central-1", "me-south-1", "mx-central-1",
}

// A topic is what a topic's ARN says: "arn:aws:sns:eu-west-1:111122223333:guardduty".
type topic struct {
	arn, partition, region, account, name string
}

func parseTopic(arn string) (topic, error) {
	part := strings.Split(arn, ":")
	if len(part) != 6 || part[0] != "arn" || part[2] != "sns" {
		return topic{}, fmt.Errorf("%.80q is no ARN of an SNS topic", arn)
	}
	t := topic{arn: arn, partition: part[1], region: part[3], account: part[4], name: part[5]}
	switch {
	case suffixes[t.partition] == "":
		return topic{}, fmt.Errorf("%.80q: unknown partition %.20q", arn, t.partition)
	case !only(t.region, "-") || len(t.region) < 3 || len(t.region) > 32:
		return topic{}, fmt.Errorf("%.80q: %.40q is no region", arn, t.region)
	case t.account == "" || t.name == "":
		return topic{}, fmt.Errorf("%.80q: the account or the name is missing", arn)
	}
	return t, nil
}

// only reports whether s is of lower-case letters, digits and the bytes in more.
func only(s, more string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return true
}

// host is where the topic's region has its SNS endpoint.
func (t topic) host() string { return "sns." + t.region + "." + suffixes[t.partition] }

// signingNames are the names that the certificate of the topic's region may have.
// A region newer than the tables may follow either custom.
func (t topic) signingNames() []string {
	if name := signingNames[t.region]; name != "" {
		return []string{name}
	}
	suffix := suffixes[t.partition]
	own := "sns-signing." + t.region + "." + suffix
	if slices.Contains(optIn, t.region) {
		return []string{own}
	}
	return []string{"sns." + suffix, own}
}

// checkCertURL says why link is no address of a signing certificate of the
// topic's region, or nil.
func (t topic) checkCertURL(link string) error {
	name, ok := strings.CutPrefix(link, "https://"+t.host()+"/SimpleNotificationService-")
	if ok {
		name, ok = strings.CutSuffix(name, ".pem")
	}
	if !ok || name == "" || len(name) > 64 || strings.Trim(name, "0123456789abcdef") != "" {
		return fmt.Errorf("SigningCertURL is not a certificate at %s", t.host())
	}
	return nil
}

// checkSubscribeURL says why link does not confirm the subscription to the topic
// that token is for, or nil.
func (t topic) checkSubscribeURL(link, token string) error {
	u, err := url.Parse(link)
	if err != nil {
		return fmt.Errorf("SubscribeURL is no address") // err would show the token
	}
	q, err := url.ParseQuery(u.RawQuery)
	switch {
	case err != nil, u.Scheme != "https", u.Host != t.host(), u.User != nil, u.Path != "/" && u.Path != "", u.Fragment != "":
		return fmt.Errorf("SubscribeURL is not at https://%s/", t.host())
	case !is(q["Action"], "ConfirmSubscription"):
		return fmt.Errorf("SubscribeURL is not for ConfirmSubscription")
	case !is(q["TopicArn"], t.arn):
		return fmt.Errorf("SubscribeURL is not for topic %s", t.arn)
	case token == "", !is(q["Token"], token):
		return fmt.Errorf("SubscribeURL has another token than the message")
	}
	return nil
}

// is reports whether values are want alone.
func is(values []string, want string) bool { return len(values) == 1 && values[0] == want }

// An allowList holds the topics that may send: ARNs in which * stands for any
// run of characters within one segment.
type allowList []string

func parseAllowList(topics []string) (allowList, error) {
	if len(topics) == 0 {
		return nil, fmt.Errorf("topics: name the topics that may send, as arn:aws:sns:<region>:<account>:<name>")
	}
	for _, pattern := range topics {
		part := strings.Split(pattern, ":")
		if len(part) != 6 || part[0] != "arn" || part[2] != "sns" {
			return nil, fmt.Errorf("topics: %q is no ARN of an SNS topic, such as arn:aws:sns:eu-west-1:111122223333:guardduty", pattern)
		}
		if !strings.Contains(part[1], "*") && suffixes[part[1]] == "" {
			return nil, fmt.Errorf("topics: %q: unknown partition %q", pattern, part[1])
		}
		if part[4] == "" || strings.Contains(part[4], "*") {
			return nil, fmt.Errorf("topics: %q: write the account out; any AWS customer can make a topic of that name", pattern)
		}
	}
	return topics, nil
}

// allows reports whether the topic is on the list.
func (l allowList) allows(arn string) bool {
	return slices.ContainsFunc(l, func(pattern string) bool { return matchARN(pattern, arn) })
}

func matchARN(pattern, arn string) bool {
	if pattern == arn {
		return true
	}
	p, a := strings.Split(pattern, ":"), strings.Split(arn, ":")
	if len(p) != len(a) {
		return false
	}
	for i := range p {
		if !matchSegment(p[i], a[i]) {
			return false
		}
	}
	return true
}

// matchSegment matches s with a pattern in which * is any run of characters.
func matchSegment(pattern, s string) bool {
	first, rest, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == s
	}
	s, ok = strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	middle := strings.Split(rest, "*")
	last := middle[len(middle)-1]
	for _, m := range middle[:len(middle)-1] {
		i := strings.Index(s, m)
		if i < 0 {
			return false
		}
		s = s[i+len(m):]
	}
	return strings.HasSuffix(s, last)
}
