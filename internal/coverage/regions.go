package coverage

import (
	"slices"
	"strings"
)

// IsRegion reports whether s has the form of a region's name: "eu-west-1",
// "us-gov-east-1". Regions come faster than lists of them, so that one that nobody
// has heard of is as good as any.
func IsRegion(s string) bool {
	words := 0
	if len(s) > 40 {
		return false
	}
	for rest := s; ; words++ {
		word, more, ok := strings.Cut(rest, "-")
		if !ok {
			return words >= 2 && len(word) <= 2 && digits(word)
		}
		if word == "" || words == 0 && (len(word) < 2 || len(word) > 5) {
			return false
		}
		for i := range len(word) {
			if word[i] < 'a' || word[i] > 'z' {
				return false
			}
		}
		rest = more
	}
}

// digits reports whether s is a number.
func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// isAccount reports whether s is the id of an account.
func isAccount(s string) bool { return len(s) == 12 && digits(s) }

// enabled are the regions that are enabled for every account of a partition and that
// nobody can disable, by the beginning of their names; the others of the partition aws
// have to be opted into
// (https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html).
var enabled = map[string][]string{
	"aws": {
		"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
		"eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
	},
	"aws-cn":     {"cn-north-1", "cn-northwest-1"},
	"aws-us-gov": {"us-gov-east-1", "us-gov-west-1"},
	"aws-eusc":   {"eusc-de-east-1"},
}

// partitionOf is the partition of a region.
func partitionOf(region string) string {
	for _, p := range []struct{ prefix, partition string }{
		{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"eusc-", "aws-eusc"}, {"us-isob-", "aws-iso-b"}, {"us-isof-", "aws-iso-f"}, {"eu-isoe-", "aws-iso-e"}, {"us-iso-", "aws-iso"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}

// optedInto reports whether a region is one that somebody had to enable.
func optedInto(region string) bool {
	always, known := enabled[partitionOf(region)]
	return known && !slices.Contains(always, region)
}
