package lint

import (
	"fmt"
	"strings"
)

// A Code is a kind of mistake.
type Code struct {
	Name     string
	Severity string // "error", "warning", or "error or warning" where it hangs on how sure it is
	Summary  string
	Example  string // a pattern with the mistake
	Mend     string // the same without it
}

// Codes are all kinds of mistakes, those of what is matched before those of how it
// is written.
func Codes() []Code {
	return append([]Code(nil), codes...)
}

var codes = []Code{
	{
		"invalid-pattern", "error", "AWS refuses it.",
		`{"source": ["aws.guardduty"], "detail": {"type": [{"starts-with": "Recon:"}]}}`,
		`{"source": ["aws.guardduty"], "detail": {"type": [{"prefix": "Recon:"}]}}`,
	},
	{
		"cannot-match-critical", "error", "Severities of GuardDuty findings are listed one by one and end below 9.0. Critical findings, all attack sequences among them, never match.",
		`{"source": ["aws.guardduty"], "detail": {"severity": [7, 7.5, 8, 8.5, 8.9]}}`,
		`{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 7]}]}}`,
	},
	{
		"stops-below-critical", "warning", "A range of severities takes High and ends before Critical. That is right only where another rule takes Critical.",
		`{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 7, "<=", 8.9]}]}}`,
		`{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 7]}]}}`,
	},
	{
		"enumerated-severities", "warning", "Severities are listed one by one. What lies between does not match.",
		`{"source": ["aws.guardduty"], "detail": {"severity": [4, 5, 6]}}`,
		`{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 4, "<", 7]}]}}`,
	},
	{
		"severity-name", "error", "The severity of a GuardDuty finding is a number, not a word.",
		`{"source": ["aws.guardduty"], "detail": {"severity": ["CRITICAL"]}}`,
		`{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 9]}]}}`,
	},
	{
		"string-for-number", "error", "A field that is a number is compared with a string.",
		`{"source": ["aws.guardduty"], "detail": {"service": {"count": ["1"]}}}`,
		`{"source": ["aws.guardduty"], "detail": {"service": {"count": [1]}}}`,
	},
	{
		"number-for-string", "error", "A field that is a string is compared with a number, such as an account id without quotes.",
		`{"source": ["aws.guardduty"], "account": [123456789012]}`,
		`{"source": ["aws.guardduty"], "account": ["123456789012"]}`,
	},
	{
		"wrong-type", "error", "A field is compared with true, false or text, and is none.",
		`{"source": ["aws.guardduty"], "detail": {"service": {"archived": ["false"]}}}`,
		`{"source": ["aws.guardduty"], "detail": {"service": {"archived": [false]}}}`,
	},
	{
		"object-path", "error", "A list is about a field that is an object. Objects have no value: nothing matches, and “exists” finds nothing either.",
		`{"source": ["aws.guardduty"], "detail": {"resource": {"instanceDetails": [{"exists": true}]}}}`,
		`{"source": ["aws.guardduty"], "detail": {"resource": {"instanceDetails": {"instanceId": [{"exists": true}]}}}}`,
	},
	{
		"unknown-field", "error or warning", "The events have no such field: it is misspelt, or on another level.",
		`{"source": ["aws.guardduty"], "severity": [{"numeric": [">=", 7]}]}`,
		`{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 7]}]}}`,
	},
	{
		"unknown-source", "error or warning", "No service has this source.",
		`{"source": ["guardduty.amazonaws.com"]}`,
		`{"source": ["aws.guardduty"]}`,
	},
	{
		"source-without-aws", "error", "Sources of AWS begin with “aws.”.",
		`{"source": ["guardduty"]}`,
		`{"source": ["aws.guardduty"]}`,
	},
	{
		"unknown-detail-type", "error or warning", "No event has this detail-type.",
		`{"source": ["aws.guardduty"], "detail-type": ["GuardDuty Findings"]}`,
		`{"source": ["aws.guardduty"], "detail-type": ["GuardDuty Finding"]}`,
	},
	{
		"impossible-combination", "error", "Two fields ask for what no event has together.",
		`{"source": ["aws.cloudtrail"], "detail-type": ["AWS API Call via CloudTrail"], "detail": {"eventSource": ["iam.amazonaws.com"]}}`,
		`{"source": ["aws.iam"], "detail-type": ["AWS API Call via CloudTrail"], "detail": {"eventSource": ["iam.amazonaws.com"]}}`,
	},
	{
		"read-only-calls", "warning", "Calls that only read are not on the bus unless the rule says so by its state.",
		`{"source": ["aws.iam"], "detail-type": ["AWS API Call via CloudTrail"], "detail": {"eventName": ["ListUsers"]}}`,
		`{"source": ["aws.iam"], "detail-type": ["AWS API Call via CloudTrail"], "detail": {"eventName": ["CreateUser"]}}`,
	},
	{
		"unknown-finding-type", "error or warning", "GuardDuty has no finding type that matches.",
		`{"source": ["aws.guardduty"], "detail": {"type": ["UnauthorizedAccess:EC2/"]}}`,
		`{"source": ["aws.guardduty"], "detail": {"type": [{"prefix": "UnauthorizedAccess:EC2/"}]}}`,
	},
	{
		"retired-finding-type", "warning", "GuardDuty has given the finding type up, or renamed it.",
		`{"source": ["aws.guardduty"], "detail": {"type": ["UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration"]}}`,
		`{"source": ["aws.guardduty"], "detail": {"type": ["UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"]}}`,
	},
	{
		"account-id", "error", "An account id has not 12 digits, as when YAML read it as a number: 012345678901 without quotes loses its zero, or is octal.",
		`{"source": ["aws.guardduty"], "account": ["12345678901"]}`,
		`{"source": ["aws.guardduty"], "account": ["012345678901"]}`,
	},
	{
		"region", "error or warning", "There is no such region.",
		`{"source": ["aws.guardduty"], "region": ["us-east-1a"]}`,
		`{"source": ["aws.guardduty"], "region": ["us-east-1"]}`,
	},
	{
		"arn-order", "error", "Account and region of an ARN are swapped.",
		`{"source": ["aws.events"], "resources": ["arn:aws:events:111122223333:us-east-1:rule/nightly"]}`,
		`{"source": ["aws.events"], "resources": ["arn:aws:events:us-east-1:111122223333:rule/nightly"]}`,
	},
	{
		"empty-string", "error", "A field of the envelope is compared with an empty string, and is never empty.",
		`{"source": ["", "aws.guardduty"]}`,
		`{"source": ["aws.cloudtrail", "aws.guardduty"]}`,
	},
	{
		"literal-star", "error or warning", "A “*” outside of “wildcard” is only a star.",
		`{"source": ["aws.guardduty"], "detail": {"type": ["UnauthorizedAccess:*"]}}`,
		`{"source": ["aws.guardduty"], "detail": {"type": [{"prefix": "UnauthorizedAccess:"}]}}`,
	},
	{
		"literal-cidr", "error", "A range of addresses outside of “cidr” is only text.",
		`{"source": ["aws.iam"], "detail": {"sourceIPAddress": ["198.51.100.0/24"]}}`,
		`{"source": ["aws.iam"], "detail": {"sourceIPAddress": [{"cidr": "198.51.100.0/24"}]}}`,
	},
	{
		"excludes-nothing", "error", "The alternatives of a list are joined by or: what one excludes, another takes.",
		`{"source": ["aws.guardduty"], "region": [{"anything-but": "us-east-1"}, {"anything-but": "us-west-2"}]}`,
		`{"source": ["aws.guardduty"], "region": [{"anything-but": ["us-east-1", "us-west-2"]}]}`,
	},
	{
		"overridden-list", "error", "A later list for the same field replaces this one, which counts for nothing.",
		`{"source": ["aws.guardduty"], "region": ["us-east-1"], "region": ["us-west-2"]}`,
		`{"source": ["aws.guardduty"], "region": ["us-east-1", "us-west-2"]}`,
	},
	{
		"overridden-in-or", "warning", "A branch of “$or” replaces what is asked of the same field outside of it.",
		`{"source": ["aws.guardduty"], "region": ["us-east-1"], "$or": [{"region": ["us-west-2"]}, {"account": ["111122223333"]}]}`,
		`{"source": ["aws.guardduty"], "$or": [{"region": ["us-west-2"]}, {"region": ["us-east-1"], "account": ["111122223333"]}]}`,
	},
	{
		"duplicate-key", "warning", "An object is there twice under one key. EventBridge puts the two together; most other readers of JSON keep the last.",
		`{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 7]}]}, "detail": {"resource": {"resourceType": ["Instance"]}}}`,
		`{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 7]}], "resource": {"resourceType": ["Instance"]}}}`,
	},
	{
		"no-source", "warning", "Without a source, whatever anybody puts on the bus can match. Only AWS sends with a source that begins with “aws.”.",
		`{"detail-type": ["GuardDuty Finding"]}`,
		`{"source": ["aws.guardduty"], "detail-type": ["GuardDuty Finding"]}`,
	},
	{
		"matches-everything", "warning", "Every event matches.",
		`{"source": [{"prefix": ""}]}`,
		`{"source": [{"prefix": "aws."}]}`,
	},
	{
		"needless-wildcard", "warning", "A value, a prefix, a suffix or “exists” says the same. AWS counts wildcards, and refuses patterns with too many.",
		`{"source": ["aws.guardduty"], "detail": {"type": [{"wildcard": "Recon:*"}]}}`,
		`{"source": ["aws.guardduty"], "detail": {"type": [{"prefix": "Recon:"}]}}`,
	},
	{
		"any-string", "warning", "An empty prefix or suffix takes every string.",
		`{"source": ["aws.guardduty"], "detail": {"title": [{"prefix": ""}]}}`,
		`{"source": ["aws.guardduty"], "detail": {"title": [{"exists": true}]}}`,
	},
	{
		"needless-ignore-case", "warning", "AWS writes it one way only.",
		`{"source": ["aws.guardduty"], "detail-type": [{"equals-ignore-case": "guardduty finding"}]}`,
		`{"source": ["aws.guardduty"], "detail-type": ["GuardDuty Finding"]}`,
	},
	{
		"too-long", "warning", "AWS takes 2,048 characters unless asked for more. White space is not counted here.",
		"", "",
	},
}

// Manual is a page of Markdown about all codes.
func Manual() string {
	var b strings.Builder
	b.WriteString(manualHead)
	b.WriteString("\n| code | severity | what is wrong |\n|---|---|---|\n")
	for _, c := range codes {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s |\n", c.Name, c.Name, c.Severity, c.Summary)
	}
	for _, c := range codes {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", c.Name, c.Summary)
		if c.Example == "" {
			continue
		}
		fmt.Fprintf(&b, "\n```json\n%s\n```\n\n", c.Example)
		for _, d := range Pattern([]byte(c.Example), Events) {
			if d.Code == c.Name {
				fmt.Fprintf(&b, "> %s\n\n", d)
				break
			}
		}
		fmt.Fprintf(&b, "Write\n\n```json\n%s\n```\n", c.Mend)
	}
	return b.String()
}

const manualHead = `<!-- Written by go test ./pattern/lint -update; do not edit. -->

# Lint

Patterns that AWS accepts may still never match, leave the worst findings out, or match more than was meant.
` + "`tocsin pattern lint`" + ` finds such mistakes, without AWS and without a configuration:

` + "```console" + `
$ tocsin pattern lint rule.json
rule.json:3:14: error: $.detail.severity: takes severities of High and none of Critical, which is 9.0 to 10.0; write [{"numeric": [">=", 4]}] [cannot-match-critical]
` + "```" + `

It reads patterns, rules as ` + "`aws events describe-rule` and `aws events list-rules`" + ` print them, and configurations of
tocsin, whose rules and routes it judges. It exits with 1 if there is an error. ` + "`tocsin check`" + ` prints the same as
warnings. What is no mistake in a configuration is not said of one: a rule without a source, or that takes all that is
left; of rules that drop, that they spare Critical.

An error does not do what is written. A warning is likely not meant, or could be said better. What AWS sends is
known here as of September 2026; what may have come since is a warning at most, or nothing.
`
