package wording

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/plain"
)

// An ARN in its parts: arn:partition:service:region:account:resource
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html).
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// ParseARN gives zero parts for what is no ARN.
func ParseARN(s string) ARN {
	p := strings.SplitN(s, ":", 6)
	if len(p) < 6 || p[0] != "arn" {
		return ARN{}
	}
	return ARN{p[1], p[2], p[3], p[4], p[5]}
}

// Name is what follows the last "/" or ":" of the resource.
func (a ARN) Name() string { return a.Resource[strings.LastIndexAny(a.Resource, "/:")+1:] }

// Name is the name at the end of an ARN, or s itself.
func Name(s string) string {
	if a := ParseARN(s); a.Resource != "" {
		return First(a.Name(), s)
	}
	return s
}

// Partition is the partition that a region's name tells.
func Partition(region string) string {
	for _, p := range [...]struct{ prefix, partition string }{
		{"cn-", "aws-cn"},
		{"us-gov-", "aws-us-gov"},
		{"eusc-", "aws-eusc"},
		{"us-isob-", "aws-iso-b"},
		{"us-isof-", "aws-iso-f"},
		{"eu-isoe-", "aws-iso-e"},
		{"us-iso-", "aws-iso"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}

// IsRegion reports whether s may stand in a link or a command as a region does.
func IsRegion(s string) bool {
	return s != "" && len(s) < 30 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[0] != '-'
}

// Identity keeps a part of a key short enough for a database's index without making
// two of them one.
func Identity(s string) string {
	if len(s) <= MaxName {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return plain.Cut(strings.ToValidUTF8(s[:64], ""), 64) + hex.EncodeToString(sum[:])
}

// consoleHosts are where the console is, by partition; the isolated ones have no
// public one.
var consoleHosts = map[string]string{
	"aws": "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com",
}

// Console is the address of the console of a service: the path, "macie/home", with
// the region and what follows "#", which is the caller's to escape. It is empty where
// there is no such console.
func Console(partition, path, region, fragment string) string {
	host, ok := consoleHosts[partition]
	if !ok || (region != "" && !IsRegion(region)) {
		return ""
	}
	address := "https://" + host + "/" + path
	if region != "" {
		address += "?region=" + region
	}
	if fragment != "" {
		address += "#" + fragment
	}
	return plain.Link(address)
}

// Escaped is s for a part of an address.
func Escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// Like reports whether a text is as a pattern has it, in which * stands for any run of
// characters and ? for one: AWS writes patterns so in policies and filters. It takes no
// longer than both lengths multiplied.
func Like(text, pattern string) bool {
	t, p := []rune(text), []rune(pattern)
	i, j, star, from := 0, 0, -1, 0
	for i < len(t) {
		switch {
		case j < len(p) && p[j] == '*':
			star, from = j, i
			j++
		case j < len(p) && (p[j] == '?' || p[j] == t[i]):
			i, j = i+1, j+1
		case star >= 0:
			from++
			i, j = from, star+1
		default:
			return false
		}
	}
	for j < len(p) && p[j] == '*' {
		j++
	}
	return j == len(p)
}
