package lint_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/pattern"
	"github.com/tocsin-sec/tocsin/pattern/lint"
)

var update = flag.Bool("update", false, "write the golden files and the manual anew")

func codesOf(found []lint.Diagnostic) []string {
	var codes []string
	for _, d := range found {
		codes = append(codes, d.Code)
	}
	return codes
}

func TestEveryCodeHasAnExampleAndAMend(t *testing.T) {
	t.Parallel()
	for _, c := range lint.Codes() {
		if c.Example == "" {
			continue
		}
		found := lint.Pattern([]byte(c.Example), lint.Events)
		if got := codesOf(found); !slices.Equal(got, []string{c.Name}) {
			t.Errorf("%s: Pattern(%s) = %v", c.Name, c.Example, found)
			continue
		}
		if d := found[0]; !strings.Contains(c.Severity, string(d.Severity)) || d.Message == "" {
			t.Errorf("%s: %v, want severity %s", c.Name, d, c.Severity)
		}
		if found := lint.Pattern([]byte(c.Mend), lint.Events); len(found) > 0 {
			t.Errorf("%s: Pattern(%s), which is the mend, = %v", c.Name, c.Mend, found)
		}
	}
}

func TestTheManualIsCurrent(t *testing.T) {
	t.Parallel()
	golden(t, filepath.Join("..", "..", "docs", "lint.md"), lint.Manual())
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not current; read what 'go test ./pattern/lint -update' changes:\n%s", file, got)
	}
}

// Every case is a mistake that was made in public, or that is made of one there.
func TestPublicMistakes(t *testing.T) {
	t.Parallel()
	const mediumToHigh = `4, 4.0, 4.1, 4.2, 4.3, 4.4, 4.5, 4.6, 4.7, 4.8, 4.9, 5, 5.0, 5.1, 5.2, 5.3, 5.4, 5.5, 5.6, 5.7, 5.8, 5.9,
		6, 6.0, 6.1, 6.2, 6.3, 6.4, 6.5, 6.6, 6.7, 6.8, 6.9, 7, 7.0, 7.1, 7.2, 7.3, 7.4, 7.5, 7.6, 7.7, 7.8, 7.9,
		8, 8.0, 8.1, 8.2, 8.3, 8.4, 8.5, 8.6, 8.7, 8.8, 8.9`
	findings := func(detail string) string {
		return `{"source": ["aws.guardduty"], "detail-type": ["GuardDuty Finding"], "detail": {` + detail + `}}`
	}
	for _, tt := range []struct {
		name, pattern string
		want          []string
		says          string
	}{
		{"the list of AWS's own pages, any Medium to High finding", findings(`"severity": [` + mediumToHigh + `]`), []string{"cannot-match-critical"}, `write [{"numeric": [">=", 4]}]`},
		{"the same without saying whose findings", `{"detail": {"severity": [` + mediumToHigh + `]}}`, []string{"no-source", "cannot-match-critical"}, ""},
		{"5 and 8, as AWS's page has it", findings(`"severity": [5, 8]`), []string{"cannot-match-critical"}, ""},
		{"High as it was before there was Critical", findings(`"severity": [{"numeric": [">=", 7.0, "<=", 8.9]}]`), []string{"stops-below-critical"}, ""},
		{"one severity", findings(`"severity": [{"numeric": ["=", 8]}]`), []string{"cannot-match-critical"}, ""},
		{"numeric equality is a list too", findings(`"severity": [{"numeric": ["=", 8]}, 5]`), []string{"cannot-match-critical"}, ""},
		{"numbers that CloudFormation made strings", findings(`"severity": ["5", "8"]`), []string{"string-for-number", "string-for-number"}, "write 5 without quotes"},
		{"a severity by its name", findings(`"severity": ["HIGH", "CRITICAL"]`), []string{"severity-name", "severity-name"}, `write {"numeric": [">=", 7, "<", 9]}`},
		{"a severity that is no number at all", findings(`"severity": [{"prefix": "8"}]`), []string{"string-for-number"}, "a range such as"},
		{"an empty source where CloudTrail's should be", `{"source": ["", "aws.guardduty", "aws.trustedadvisor"]}`, []string{"empty-string"}, ""},
		{"a bus whose account and region are swapped", `{"source": ["aws.events"], "resources": ["arn:aws:events:111122223333:us-west-2:event-bus/default"]}`, []string{"arn-order"}, `"arn:aws:events:us-west-2:111122223333:event-bus/default"`},
		{"the same in an operator", `{"source": ["aws.events"], "resources": [{"prefix": "arn:aws:events:111122223333:us-west-2:"}]}`, []string{"arn-order"}, ""},
		{"Findings for Finding", `{"source": ["aws.guardduty"], "detail-type": ["GuardDuty Findings"]}`, []string{"unknown-detail-type"}, `write "GuardDuty Finding"`},
		{"upper and lower case", `{"source": ["aws.guardduty"], "detail-type": ["Guardduty finding"]}`, []string{"unknown-detail-type"}, ""},
		{"the service's name as its detail-type", `{"source": ["aws.guardduty"], "detail-type": ["GuardDuty"]}`, []string{"unknown-detail-type"}, ""},
		{"a source without aws.", `{"source": ["guardduty"], "detail-type": ["GuardDuty Finding"]}`, []string{"impossible-combination", "source-without-aws"}, ""},
		{"a source as CloudTrail has it", `{"source": ["guardduty.amazonaws.com"]}`, []string{"unknown-source"}, ""},
		{"a source misspelt", `{"source": ["aws.gaurdduty"]}`, []string{"unknown-source"}, ""},
		{"a source in capitals", `{"source": ["aws.GuardDuty"]}`, []string{"unknown-source"}, ""},
		{"source and detail-type mixed up", `{"source": ["GuardDuty Finding"]}`, []string{"unknown-source"}, ""},
		{"findings from Security Hub's source", `{"source": ["aws.securityhub"], "detail-type": ["GuardDuty Finding"]}`, []string{"impossible-combination"}, ""},
		{"findings as calls", `{"source": ["aws.guardduty"], "detail-type": ["AWS API Call via CloudTrail"], "detail": {"severity": [{"numeric": [">=", 7]}]}}`, []string{"impossible-combination"}, ""},
		{"signing in is no call", `{"detail-type": ["AWS API Call via CloudTrail"], "source": ["aws.signin"], "detail": {"eventName": ["ConsoleLogin"]}}`, []string{"impossible-combination"}, ""},
		{"calls to IAM under CloudTrail's source", `{"source": ["aws.cloudtrail"], "detail-type": ["AWS API Call via CloudTrail"], "detail": {"eventSource": ["iam.amazonaws.com"], "eventName": ["CreateUser"]}}`, []string{"impossible-combination"}, `write "aws.iam"`},
		{"a severity beside detail", `{"source": ["aws.guardduty"], "severity": [{"numeric": [">=", 7]}]}`, []string{"unknown-field"}, ""},
		{"detailType as the API writes it", `{"source": ["aws.guardduty"], "detailType": ["GuardDuty Finding"]}`, []string{"unknown-field"}, ""},
		{"keys as the CLI prints them", findings(`"Severity": [{"numeric": [">=", 7]}], "Resource": {"ResourceType": ["Instance"]}`), []string{"unknown-field", "unknown-field"}, ""},
		{"a field on another level", findings(`"resource": {"instanceId": [{"exists": true}]}`), []string{"unknown-field"}, "detail.resource.instanceDetails.instanceId"},
		{"a field below a number", findings(`"severity": {"label": ["HIGH"]}`), []string{"unknown-field"}, ""},
		{"is it about an instance", findings(`"resource": {"instanceDetails": [{"exists": true}]}`), []string{"object-path"}, "instanceId"},
		{"is it not about an instance", findings(`"resource": {"instanceDetails": [{"exists": false}]}`), []string{"object-path"}, "always true"},
		{"is there any detail", `{"source": ["aws.guardduty"], "detail": [{"exists": true}]}`, []string{"object-path"}, ""},
		{"an account id without quotes", `{"source": ["aws.guardduty"], "account": [123456789012]}`, []string{"number-for-string"}, `"123456789012"`},
		{"an account id whose zero YAML took", `{"source": ["aws.guardduty"], "account": [12345678901]}`, []string{"account-id"}, `"012345678901"`},
		{"an account id that YAML read as octal", `{"source": ["aws.guardduty"], "account": [1402433619]}`, []string{"account-id"}, `"012345670123" if it was read as octal, "001402433619" if zeros were lost`},
		{"the same in quotes", `{"source": ["aws.guardduty"], "detail": {"accountId": ["1402433619"]}}`, []string{"account-id"}, ""},
		{"an account id with its zero and no quotes", `{"source": ["aws.guardduty"], "account": [012345678901]}`, []string{"account-id"}, `"012345678901"`},
		{"an account id with dashes", `{"source": ["aws.guardduty"], "account": ["1234-5678-9012"]}`, []string{"account-id"}, `"123456789012"`},
		{"a name for an account", `{"source": ["aws.guardduty"], "account": ["prod"]}`, []string{"account-id"}, ""},
		{"an availability zone for a region", `{"source": ["aws.guardduty"], "region": ["eu-west-1b"]}`, []string{"region"}, `"eu-west-1"`},
		{"a region that is not there", `{"source": ["aws.guardduty"], "region": ["eu-east-1"]}`, []string{"region"}, ""},
		{"a place for a region", `{"source": ["aws.guardduty"], "region": ["Frankfurt"]}`, []string{"region"}, ""},
		{"a star in a type", findings(`"type": ["UnauthorizedAccess:*"]`), []string{"literal-star"}, `{"prefix": "UnauthorizedAccess:"}`},
		{"stars in an ARN", `{"source": ["aws.s3"], "resources": ["arn:aws:s3:::logs-*/*"]}`, []string{"literal-star"}, `{"wildcard": "arn:aws:s3:::logs-*/*"}`},
		{"the beginning of a type", findings(`"type": ["UnauthorizedAccess:IAMUser/"]`), []string{"unknown-finding-type"}, `{"prefix": "UnauthorizedAccess:IAMUser/"}`},
		{"a type in another case", findings(`"type": ["CryptoCurrency:EC2/BitCoinTool.B!DNS"]`), []string{"unknown-finding-type"}, "CryptoCurrency:EC2/BitcoinTool.B!DNS"},
		{"a prefix that no type has", findings(`"type": [{"prefix": "Cryptocurrency:EC2/"}]`), []string{"unknown-finding-type"}, "CryptoCurrency:EC2/"},
		{"a wildcard that no type has", findings(`"type": [{"wildcard": "*Bitcoins*"}]`), []string{"unknown-finding-type"}, ""},
		{"a type that was given up", findings(`"type": [{"prefix": "ResourceConsumption:"}]`), []string{"retired-finding-type"}, ""},
		{"a type that was renamed", findings(`"type": ["UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration"]`), []string{"retired-finding-type"}, ".OutsideAWS"},
		{"addresses that are none of ours, by text", findings(`"service": {"action": {"awsApiCallAction": {"remoteIpDetails": {"ipAddressV4": [{"anything-but": ["198.51.100.0/24"]}]}}}}`), []string{"literal-cidr"}, `{"cidr": "198.51.100.0/24"}`},
		{"not this and not that, joined by or", findings(`"type": [{"anything-but": {"prefix": "Recon:"}}, {"anything-but": {"prefix": "Policy:"}}]`), []string{"excludes-nothing"}, ""},
		{"an exclusion beside what it excludes", `{"source": ["aws.guardduty"], "region": ["us-east-1", {"anything-but": ["us-east-1"]}]}`, []string{"excludes-nothing"}, ""},
		{"two lists for one key, as on AWS's page", `{"source": ["my.app"], "detail": {"location": [{"prefix": "eu-"}], "location": [{"anything-but": "eu-west-1"}]}}`, []string{"overridden-list"}, ""},
		{"a branch of $or before the list that replaces it", `{"source": ["a.b"], "detail": {"$or": [{"a": ["1"]}, {"b": ["1"]}], "a": ["2"]}}`, []string{"overridden-list"}, ""},
		{"MFA as a boolean", `{"source": ["aws.iam"], "detail-type": ["AWS API Call via CloudTrail"], "detail": {"userIdentity": {"sessionContext": {"attributes": {"mfaAuthenticated": [false]}}}}}`, []string{"wrong-type"}, `write "false"`},
		{"everything, as AWS's page has it", `{"source": [{"prefix": ""}]}`, []string{"matches-everything"}, ""},
		{"everything, by the account", `{"version": ["0"], "account": [{"exists": true}]}`, []string{"matches-everything"}, ""},
		{"a value without its list", `{"source": "aws.guardduty"}`, []string{"invalid-pattern"}, `["aws.guardduty"]`},
		{"a regular expression", findings(`"type": [{"regex": "^Recon"}]`), []string{"invalid-pattern"}, `"wildcard"`},
		{"an operator misspelt", findings(`"type": [{"anythingbut": "Recon"}]`), []string{"invalid-pattern"}, `write "anything-but"`},
		{"a range in quotes", findings(`"severity": [{"numeric": [">=", "7"]}]`), []string{"invalid-pattern"}, "without quotes"},
		{"one address as a range", findings(`"x": [{"cidr": "192.0.2.1/32"}]`), []string{"invalid-pattern"}, "the address alone"},
		{"several suffixes in one", `{"source": ["a.b"], "detail": {"f": [{"suffix": [".png", ".jpg"]}]}}`, []string{"invalid-pattern"}, "one operator for each"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			found := lint.Pattern([]byte(tt.pattern), lint.Events)
			got, want := codesOf(found), slices.Clone(tt.want)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) || !strings.Contains(fmt.Sprint(found), tt.says) {
				t.Errorf("Pattern(%s) = %v, want %v and %q", tt.pattern, found, tt.want, tt.says)
			}
		})
	}
}

// What is right is left alone, odd as it may look.
func TestNoFalseAlarms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, pattern string }{
		{"from Medium on", `{"source": ["aws.guardduty"], "detail-type": ["GuardDuty Finding"], "detail": {"severity": [{"numeric": [">=", 4]}]}}`},
		{"a window", `{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 5, "<", 8]}]}}`},
		{"all but the worst", `{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": ["<", 9]}]}}`},
		{"short names are names", `{"account": ["111122223333"], "source": ["a.b"], "detail": {"d": ["x"], "id": ["y"]}}`},
		{"other documents", `{"d": {"e": ["1"]}, "tim": ["x"]}`},
		{"Low only", `{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": ["<", 4]}]}}`},
		{"High and Critical by branches", `{"source": ["aws.guardduty"], "detail": {"$or": [{"severity": [{"numeric": [">=", 7, "<", 9]}], "type": [{"prefix": "Recon:"}]}, {"severity": [{"numeric": [">=", 9]}]}]}}`},
		{"High of a type that is never Critical", `{"source": ["aws.guardduty"], "detail": {"type": [{"prefix": "Recon:EC2/"}], "severity": [{"numeric": [">=", 5, "<=", 8.9]}]}}`},
		{"calls to GuardDuty", `{"source": ["aws.guardduty"], "detail-type": ["AWS API Call via CloudTrail"], "detail": {"eventSource": ["guardduty.amazonaws.com"], "eventName": ["DeleteDetector", "StopMonitoringMembers"]}}`},
		{"calls to GuardDuty, by the name alone", `{"source": ["aws.guardduty"], "detail": {"eventSource": ["guardduty.amazonaws.com"], "eventName": ["DeleteDetector"]}}`},
		{"calls to several services", `{"source": ["aws.iam", "aws.s3"], "detail-type": ["AWS API Call via CloudTrail"], "detail": {"eventSource": ["iam.amazonaws.com", "s3.amazonaws.com"], "eventName": ["CreateUser", "PutBucketPolicy"]}}`},
		{"Inspector's severities are words", `{"source": ["aws.guardduty", "aws.inspector2"], "detail": {"severity": ["HIGH", {"numeric": [">=", 7]}]}}`},
		{"Security Hub's labels", `{"source": ["aws.securityhub"], "detail-type": ["Security Hub Findings - Imported"], "detail": {"findings": {"Severity": {"Label": ["HIGH", "CRITICAL"]}, "ProductName": ["GuardDuty"]}}}`},
		{"an application of one's own", `{"source": ["com.example.shop"], "detail-type": ["Order Placed"], "detail": {"severity": ["HIGH"], "account": ["gold"], "type": ["new"], "region": ["north"]}}`},
		{"an application named like a service", `{"source": ["health"], "detail-type": ["Patient Admitted"]}`},
		{"a partner", `{"source": [{"prefix": "aws.partner/example.com"}]}`},
		{"records of a pipe", `{"dynamodb": {"NewImage": {"n": {"N": ["1"]}}}, "FileName": [{"suffix": ".png"}]}`},
		{"anything but, or missing", `{"source": ["aws.guardduty"], "detail": {"resource": {"resourceType": [{"anything-but": "Instance"}, {"exists": false}]}}}`},
		{"not one of ours", `{"source": ["aws.guardduty"], "account": [{"anything-but": ["111122223333"]}], "region": [{"prefix": "eu-"}]}`},
		{"addresses of ours", `{"source": ["aws.guardduty"], "detail": {"service": {"action": {"awsApiCallAction": {"remoteIpDetails": {"ipAddressV4": [{"cidr": "198.51.100.0/24"}, "192.0.2.7"]}}}}}}`},
		{"a security group's ranges are text", `{"source": ["aws.ec2"], "detail-type": ["AWS API Call via CloudTrail"], "detail": {"requestParameters": {"ipPermissions": {"items": {"ipRanges": {"items": {"cidrIp": ["0.0.0.0/0"]}}}}}}}`},
		{"a policy's star is a star", `{"source": ["aws.s3"], "detail": {"requestParameters": {"bucketPolicy": {"Statement": {"Principal": ["*"]}}}}}`},
		{"two stars", `{"source": ["aws.guardduty"], "detail": {"type": [{"wildcard": "*:EC2/*"}]}}`},
		{"a star that is escaped", `{"source": ["a.b"], "detail": {"x": [{"wildcard": "a\\**c"}]}}`},
		{"fields that hang on the finding", `{"source": ["aws.guardduty"], "detail": {"service": {"additionalInfo": {"sample": [true], "anything": {"at": ["all"]}}, "detection": {"anomaly": {"profiles": {"account": {"x": ["y"]}}}}}}}`},
		{"a field that may have come since", `{"source": ["aws.guardduty"], "detail": {"quantumDetails": {"qubits": [7]}}}`},
		{"times come as numbers or text", `{"source": ["aws.guardduty"], "detail": {"resource": {"s3BucketDetails": {"createdAt": [{"exists": true}, {"prefix": "2026-"}]}}}}`},
		{"a malware scan", `{"source": ["aws.guardduty"], "detail-type": ["GuardDuty Malware Protection Object Scan Result"], "detail": {"scanResultDetails": {"scanResultStatus": ["THREATS_FOUND"]}}}`},
		{"a dotted key", `{"source": ["aws.guardduty"], "detail.severity": [{"numeric": [">=", 7]}]}`},
		{"replayed events", `{"source": ["aws.guardduty"], "replay-name": [{"exists": true}]}`},
		{"what Terraform has yet to put in", `{"source": ["aws.guardduty"], "account": ["${local.account}"], "region": ["${var.region}"]}`},
		{"every attack sequence", `{"source": ["aws.guardduty"], "detail": {"type": [{"prefix": "AttackSequence:"}]}}`},
		{"a finding that may have come since, by its family", `{"source": ["aws.guardduty"], "detail": {"type": [{"prefix": "Impact:"}, {"suffix": "!DNS"}, {"anything-but": {"prefix": "Policy:"}}]}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if found := lint.Pattern([]byte(tt.pattern), lint.Events); len(found) > 0 {
				t.Errorf("Pattern(%s) = %v, want nothing", tt.pattern, found)
			}
		})
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, pattern string
		want          []string
	}{
		{"everything that a route may ask for", `{"level": ["high"], "severity": [{"numeric": [">=", 7, "<", 9]}], "account": ["111122223333"], "resource": {"tags": {"team": ["payments"]}}, "sample": [false], "type": ["Recon:EC2/Portscan", "AWS API Call via CloudTrail"]}`, nil},
		{"a number in quotes", `{"severity": ["8"], "count": ["3"]}`, []string{"string-for-number", "string-for-number"}},
		{"a listed severity", `{"severity": [7, 8]}`, []string{"cannot-match-critical"}},
		{"a level where there is a number", `{"severity": ["high"]}`, []string{"severity-name"}},
		{"an object", `{"resource": [{"exists": true}]}`, []string{"object-path"}},
		{"true in quotes", `{"sample": ["true"]}`, []string{"wrong-type"}},
		{"a short account id", `{"account": ["12345"]}`, []string{"account-id"}},
		{"a type that was given up", `{"type": [{"prefix": "ResourceConsumption:"}]}`, []string{"retired-finding-type"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if found := lint.Pattern([]byte(tt.pattern), lint.Alerts); !slices.Equal(codesOf(found), tt.want) {
				t.Errorf("Pattern(%s) = %v, want %v", tt.pattern, found, tt.want)
			}
		})
	}
}

func TestTheShippedRulesAreClean(t *testing.T) {
	t.Parallel()
	shipped, err := config.Library()
	if err != nil || len(shipped) == 0 {
		t.Fatalf("Library = %d rules, %v", len(shipped), err)
	}
	for _, r := range shipped {
		found := lint.Pattern([]byte(r.Pattern.String()), lint.Events)
		// They are matched here, where a pattern may be as long as it likes.
		found = slices.DeleteFunc(found, func(d lint.Diagnostic) bool { return d.Code == "too-long" })
		if len(found) > 0 {
			t.Errorf("shipped rule %q: %v", r.Name, found)
		}
	}
}

func TestTheExamplesAreClean(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("examples = %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := config.Lint(file, text); err != nil || len(found) > 0 {
			t.Errorf("Lint(%s) = %v, %v", file, found, err)
		}
	}
}

// What is said of the patterns that were recorded against AWS was read and agreed
// to. Most show one operator and do not say whose events they want.
func TestPatternsRecordedAgainstAWS(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, c := range recorded(t) {
		if codes := codesOf(lint.Pattern(c.Pattern, lint.Events)); len(codes) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", strings.Join(codes, " "), c.Pattern)
		}
	}
	golden(t, filepath.Join("testdata", "recorded.golden"), b.String())
}

type recordedCase struct {
	Pattern json.RawMessage
	AWS     any
}

// recorded are the conformance cases that were recorded against AWS, each pattern
// once.
func recorded(t testing.TB) []recordedCase {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "testdata", "conformance.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []recordedCase
	seen := map[string]bool{}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var c recordedCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if _, err := pattern.Parse(c.Pattern); c.AWS != nil && err == nil && !seen[string(c.Pattern)] {
			seen[string(c.Pattern)] = true
			all = append(all, recordedCase{Pattern: bytes.Clone(c.Pattern)})
		}
	}
	if lines.Err() != nil || len(all) < 50 {
		t.Fatalf("%d cases, %v", len(all), lines.Err())
	}
	return all
}

// The types that are known here and those whose pages GuardDuty's dialect knows
// are the same.
func TestFindingTypesAreThoseWithAPage(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join("..", "..", "internal", "guardduty", "pages.go"))
	if err != nil {
		t.Fatal(err)
	}
	general := guardduty.Documentation("no such type")
	known := map[string]bool{}
	for _, typ := range lint.FindingTypes() {
		known[typ] = true
		if guardduty.Documentation(typ) == general {
			t.Errorf("%s has no page", typ)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\t"([^"]+)":`).FindAllSubmatch(source, -1) {
		if typ := string(m[1]); !known[typ] && guardduty.Documentation(typ) != general {
			t.Errorf("%s has a page and is not known", typ)
		}
	}
}

// No field of a real finding is called unknown, and no value is of another kind
// than is known.
func TestFieldsAreThoseOfFindings(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "internal", "guardduty", "testdata", "findings", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("findings = %v, %v", files, err)
	}
	asked := map[string]bool{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var event struct {
			DetailType string `json:"detail-type"`
			Detail     map[string]any
		}
		if json.Unmarshal(raw, &event) != nil || event.DetailType != "GuardDuty Finding" || strings.HasPrefix(filepath.Base(file), "odd-") {
			continue
		}
		if event.Detail["severity"] == nil {
			continue // with the keys of the API, which no event has
		}
		leaves(event.Detail, "detail", func(path string, value any) {
			v, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			kind := fmt.Sprintf("%s %T", path, value)
			if asked[kind] {
				return
			}
			asked[kind] = true
			text := fmt.Sprintf(`{"source":["aws.guardduty"],%q:[%s]}`, path, v)
			for _, d := range lint.Pattern([]byte(text), lint.Events) {
				if slices.Contains([]string{"unknown-field", "object-path", "string-for-number", "number-for-string", "wrong-type"}, d.Code) {
					t.Errorf("%s: %s: %s", filepath.Base(file), path, d)
				}
			}
		})
	}
	if len(asked) < 200 {
		t.Errorf("only %d fields were asked for", len(asked))
	}
}

func leaves(v any, path string, each func(string, any)) {
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			leaves(below, path+"."+k, each)
		}
	case []any:
		for _, e := range v {
			leaves(e, path, each)
		}
	case nil:
	default:
		each(path, v)
	}
}

func TestLintIsBounded(t *testing.T) {
	t.Parallel()
	many := func(n int, each func(i int) string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = each(i)
		}
		return strings.Join(parts, ",")
	}
	for _, tt := range []struct{ name, pattern string }{
		{"types that are none", `{"source": ["aws.guardduty"], "detail": {"type": [` + many(5_000, func(i int) string { return fmt.Sprintf(`"Recon:EC2/%050d"`, i) }) + `]}}`},
		{"types that are", `{"source": ["aws.guardduty"], "detail": {"type": [` + many(4_000, func(int) string { return `{"wildcard": "*Persistence:EC2*"}` }) + `]}}`},
		{"combinations", `{"source": ["aws.guardduty"], "$or": [` + many(300, func(i int) string { return fmt.Sprintf(`{"detail": {"severity": [%d, 8]}}`, i) }) + `]}`},
		{"sources", `{"$or": [` + many(300, func(i int) string {
			return fmt.Sprintf(`{"source": ["aws.guardduty", "%d"], "detail-type": [{"prefix": "%d"}]}`, i, i)
		}) + `]}`},
		{"depth", strings.Repeat(`{"detail":`, 990) + `["x"]` + strings.Repeat("}", 990)},
		{"a long string", `{"source": ["aws.` + strings.Repeat("x", 1<<20) + `"]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			found := lint.Pattern([]byte(tt.pattern), lint.Events)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if n := len(found); n > 100 {
				t.Errorf("%d diagnostics", n)
			}
		})
	}
}

func FuzzPattern(f *testing.F) {
	for _, c := range lint.Codes() {
		f.Add(c.Example)
		f.Add(c.Mend)
	}
	f.Add(`{"account":[012345678901]}`)
	f.Add("{\"a\":[\"\xff\"]}")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := pattern.Parse([]byte(text))
		for _, over := range []lint.Document{lint.Events, lint.Alerts} {
			found := lint.Pattern([]byte(text), over)
			if err != nil && len(found) != 1 {
				t.Errorf("Pattern(%q), which is no pattern, = %v", text, found)
			}
			for _, d := range found {
				if d.Offset < 0 || d.Offset > len(text) || d.Code == "" || d.Message == "" || d.Severity != lint.Error && d.Severity != lint.Warning {
					t.Errorf("Pattern(%q): %+v", text, d)
				}
			}
		}
	})
}
