package guardduty

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
)

func TestLevelOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		severity float64
		want     tocsin.Level
	}{
		{-1, tocsin.Informational},
		{0, tocsin.Informational},
		{0.9, tocsin.Informational},
		{1, tocsin.Low},
		{3.9, tocsin.Low},
		{3.95, tocsin.Low},
		{4, tocsin.Medium},
		{6.9, tocsin.Medium},
		{6.99, tocsin.Medium},
		{7, tocsin.High},
		{8.9, tocsin.High},
		{8.95, tocsin.High},
		{9, tocsin.Critical},
		{10, tocsin.Critical},
		{11, tocsin.Critical},
		{math.NaN(), tocsin.Unknown},
	} {
		if got := LevelOf(tt.severity); got != tt.want {
			t.Errorf("LevelOf(%v) = %v, want %v", tt.severity, got, tt.want)
		}
	}
}

func TestParseType(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want Type
	}{
		{"CryptoCurrency:EC2/BitcoinTool.B!DNS", Type{"CryptoCurrency", "EC2", "BitcoinTool", "B", "DNS"}},
		{"Backdoor:EC2/C&CActivity.B", Type{"Backdoor", "EC2", "C&CActivity", "B", ""}},
		{"Persistence:Kubernetes/AnomalousBehavior.WorkloadDeployed!PrivilegedContainer", Type{"Persistence", "Kubernetes", "AnomalousBehavior", "WorkloadDeployed", "PrivilegedContainer"}},
		{"Execution:EC2/MaliciousFile!AMI", Type{"Execution", "EC2", "MaliciousFile", "", "AMI"}},
		{"DefenseImpairment:Route53Resolver/DisableOrModifyTools", Type{"DefenseImpairment", "Route53Resolver", "DisableOrModifyTools", "", ""}},
		{"Something", Type{Family: "Something"}},
		{"", Type{}},
	} {
		if got := ParseType(tt.text); got != tt.want {
			t.Errorf("ParseType(%q) = %+v, want %+v", tt.text, got, tt.want)
		} else if got.String() != tt.text {
			t.Errorf("String of %+v is %q, want %q", got, got.String(), tt.text)
		}
	}
}

func TestDocumentation(t *testing.T) {
	t.Parallel()
	const base = "https://docs.aws.amazon.com/guardduty/latest/ug/"
	for typ, want := range map[string]string{
		"CryptoCurrency:EC2/BitcoinTool.B!DNS":  base + "guardduty_finding-types-ec2.html#cryptocurrency-ec2-bitcointoolbdns",
		"DefenseEvasion:EC2/UnusualDoHActivity": base + "guardduty_finding-types-ec2.html#defenseevasion-ec2-unsualdohactivity",
		"AttackSequence:S3/CompromisedData":     base + "guardduty-attack-sequence-finding-types.html#attack-sequence-s3-compromised-data",
		"Backdoor:EC2/CCActivity.B":             base + "guardduty_finding-types-ec2.html#backdoor-ec2-ccactivityb",
		"Levitation:Quantum/EntangledQubits":    base + "guardduty_finding-types-active.html",
		"":                                      base + "guardduty_finding-types-active.html",
	} {
		if got := Documentation(typ); got != want {
			t.Errorf("Documentation(%q) = %s, want %s", typ, got, want)
		}
	}
}

func TestConsole(t *testing.T) {
	t.Parallel()
	const id = "b174b38d16e34da0a4c66012083bd8f7"
	const rest = "#/findings?search=id%3D" + id
	for _, tt := range []struct{ partition, region, id, want string }{
		{"aws", "eu-west-1", id, "https://console.aws.amazon.com/guardduty/home?region=eu-west-1" + rest},
		{"aws-cn", "cn-north-1", id, "https://console.amazonaws.cn/guardduty/home?region=cn-north-1" + rest},
		{"aws-us-gov", "us-gov-west-1", id, "https://console.amazonaws-us-gov.com/guardduty/home?region=us-gov-west-1" + rest},
		{"aws-eusc", "eusc-de-east-1", id, "https://eusc-de-east-1.console.amazonaws-eusc.eu/guardduty/home?region=eusc-de-east-1" + rest},
		{"aws-iso", "us-iso-east-1", id, ""},
		{"aws-iso-b", "us-isob-east-1", id, ""},
		{"elsewhere", "eu-west-1", id, ""},
		{"aws", "", id, ""},
		{"aws", "eu-west-1.evil.example/", id, ""},
		{"aws", "eu-west-1", "", ""},
		{"aws", "eu-west-1", `a b"<>&#é`, "https://console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings?search=id%3Da%20b%22%3C%3E%26%23%C3%A9"},
	} {
		if got := Console(tt.partition, tt.region, tt.id); got != tt.want {
			t.Errorf("Console(%q, %q, %q) = %q, want %q", tt.partition, tt.region, tt.id, got, tt.want)
		}
	}
}

// Every type that AWS has has a phrase of its own, a command, and no words
// missing from its headline.
func TestEveryKnownTypeHasWords(t *testing.T) {
	t.Parallel()
	for typ := range pages {
		if pick(ParseType(typ)) == "" {
			t.Errorf("%s has no phrase", typ)
		}
		for _, service := range []string{
			`{}`,
			`{"resourceRole":"TARGET","action":{"awsApiCallAction":{"api":"DeleteTrail","errorCode":"AccessDenied"}}}`,
			`{"action":{"networkConnectionAction":{"connectionDirection":"INBOUND","remoteIpDetails":{"ipAddressV4":"198.51.100.7"}}}}`,
		} {
			raw, _ := json.Marshal(map[string]any{"id": "f", "type": typ, "service": json.RawMessage(service)})
			d := read(t, raw).Detection()
			if fault := faultOf(d); fault != "" {
				t.Errorf("%s: %s", typ, fault)
			}
			if strings.ContainsAny(d.Headline, "{}|") || strings.Contains(d.Headline, "  ") || strings.HasSuffix(d.Headline, " ") {
				t.Errorf("%s: headline %q", typ, d.Headline)
			}
		}
	}
}

func TestActorAndTarget(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]string{
		`"ACTOR"`:  "EC2 i-1 is brute-forcing SSH elsewhere",
		`"TARGET"`: "EC2 i-1 is under an SSH brute-force attack",
		`null`:     "EC2 i-1 is under an SSH brute-force attack", // by the direction
	} {
		raw := `{"id":"f","type":"UnauthorizedAccess:EC2/SSHBruteForce","resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-1"}},
			"service":{"resourceRole":` + role + `,"action":{"networkConnectionAction":{"connectionDirection":"INBOUND"}}}}`
		if got := read(t, []byte(raw)).Detection().Headline; got != want {
			t.Errorf("role %s: %q, want %q", role, got, want)
		}
	}
}

func TestKeysAreShownByTheirEnd(t *testing.T) {
	t.Parallel()
	d := read(t, document(t, "findings/iam-stolen-credentials.json")).Detection()
	key := d.Resource.ID
	if len(key) != 20 {
		t.Fatalf("the key is %q", key)
	}
	for _, f := range d.Facts {
		if strings.Contains(f.Value, key) {
			t.Errorf("fact %s shows the whole key: %s", f.Name, f.Value)
		}
	}
	if !strings.Contains(d.Facts[1].Value, "…"+key[16:]) {
		t.Errorf("fact %+v does not show the key's end", d.Facts[1])
	}
}

func TestDefanging(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"see http://evil.example/a.b and more": "see hxxp://evil[.]example/a.b and more",
		"(+HTTPS://Evil.Example)":              "(+hxxps://Evil[.]Example)",
		"x=http://a.b/?u=https://c.d":          "x=hxxp://a[.]b/?u=hxxps://c[.]d",
		"www.evil.example":                     "www[.]evil[.]example",
		"aws-cli/2.17.0 s3://bucket/x":         "aws-cli/2.17.0 s3://bucket/x",
		"":                                     "",
	} {
		if got := defangLinks(s); got != want {
			t.Errorf("defangLinks(%q) = %q, want %q", s, got, want)
		}
	}
	d := read(t, document(t, "findings/hostile-texts.json")).Detection()
	whole, _ := json.Marshal(d)
	for _, live := range []string{"evil.example", "https://evil", "http://evil"} {
		if strings.Contains(string(whole), live) {
			t.Errorf("the detection has %q alive: %s", live, whole)
		}
	}
	if d.Actor.Domain != "evil[.]example" {
		t.Errorf("Actor.Domain = %q", d.Actor.Domain)
	}
}

func TestHumanise(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"DNSDataExfiltration": "DNS data exfiltration",
		"EntangledQubits C":   "entangled qubits c",
		"QUBIT_FLIP":          "QUBIT FLIP",
		"userAgent":           "user agent",
		"":                    "",
	} {
		if got := humanise(s); got != want {
			t.Errorf("humanise(%q) = %q, want %q", s, got, want)
		}
	}
}

// readOnly are the commands that may be suggested.
var readOnly = regexp.MustCompile(`^(aws [a-z0-9]+ (get|describe|list|lookup|head)-[a-z-]+|kubectl get) ?`)

// words takes a command apart as a POSIX shell would. It refuses everything with
// a meaning to the shell outside of quotes.
func words(t *testing.T, command string) []string {
	t.Helper()
	var all []string
	var word strings.Builder
	inWord, quoted := false, false
	for i := 0; i < len(command); i++ {
		c := command[i]
		switch {
		case quoted && c == '\'':
			quoted = false
		case quoted:
			word.WriteByte(c)
		case c == '\'':
			quoted, inWord = true, true
		case c == '\\' && i+1 < len(command) && command[i+1] == '\'':
			i++
			word.WriteByte('\'')
		case c == ' ':
			if inWord {
				all = append(all, word.String())
			}
			word.Reset()
			inWord = false
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '=':
			word.WriteByte(c)
			inWord = true
		default:
			t.Fatalf("%q stands outside of quotes in %s", c, command)
		}
	}
	if quoted {
		t.Fatalf("a quote is open at the end of %s", command)
	}
	if inWord {
		all = append(all, word.String())
	}
	return all
}

// commandPlaces are findings with %s wherever a command takes something from.
var commandPlaces = []string{
	`"type":"Recon:IAMUser/TorIPCaller","resource":{"resourceType":"AccessKey","accessKeyDetails":{"accessKeyId":%s}}`,
	`"type":"Recon:IAMUser/TorIPCaller","resource":{"resourceType":"AccessKey","accessKeyDetails":{"userName":%s}}`,
	`"type":"Recon:EC2/Portscan","resource":{"resourceType":"Instance","instanceDetails":{"instanceId":%s}}`,
	`"type":"Recon:EC2/PortProbeUnprotectedPort","resource":{"instanceDetails":{"networkInterfaces":[{"securityGroups":[{"groupId":%s}]}]}},"service":{"action":{"portProbeAction":{}}}`,
	`"type":"Execution:EC2/MaliciousFile","resource":{"instanceDetails":{"instanceId":"i"}},"service":{"detectorId":%[1]s,"ebsVolumeScanDetails":{"scanId":%[1]s}}`,
	`"type":"Discovery:S3/TorIPCaller","resource":{"s3BucketDetails":[{"name":%s}]}`,
	`"type":"Object:S3/MaliciousFile","resource":{"resourceType":"S3Object","s3BucketDetails":[{"name":%[1]s,"s3ObjectDetails":[{"key":%[1]s,"versionId":%[1]s}]}]}`,
	`"type":"Discovery:Kubernetes/TorIPCaller","resource":{"eksClusterDetails":{"name":%s}}`,
	`"type":"Discovery:Kubernetes/TorIPCaller","resource":{"kubernetesDetails":{"kubernetesWorkloadDetails":{"name":%[1]s,"type":%[1]s,"namespace":%[1]s}}}`,
	`"type":"Execution:ECS/MaliciousFile","resource":{"ecsClusterDetails":{"name":%[1]s,"taskDetails":{"arn":%[1]s}}}`,
	`"type":"Trojan:Lambda/DropPoint","resource":{"lambdaDetails":{"functionName":%s}}`,
	`"type":"Discovery:RDS/TorIPCaller","resource":{"rdsDbInstanceDetails":{"dbInstanceIdentifier":%s}}`,
	`"type":"Discovery:RDS/TorIPCaller","resource":{"rdsLimitlessDbDetails":{"dbShardGroupIdentifier":%s}}`,
	`"type":"Execution:EC2/MaliciousFile!Snapshot","resource":{"ebsSnapshotDetails":{"snapshotArn":%s}}`,
	`"type":"Execution:EC2/MaliciousFile!AMI","resource":{"ec2ImageDetails":{"imageArn":%s}}`,
	`"type":"Execution:EC2/MaliciousFile!RecoveryPoint","resource":{"recoveryPointDetails":{"recoveryPointArn":%[1]s,"backupVaultName":%[1]s}}`,
	`"type":"AttackSequence:S3/CompromisedData","service":{"detectorId":%s}`,
	`"type":"What:Ever/It","resource":{},"region":%s`,
}

func FuzzCommandCannotBeEscaped(f *testing.F) {
	for _, s := range []string{
		"i-0abc", "'; rm -rf ~; '", `\'`, "$(id)", "`id`", "a\nb", "--profile=evil", "-", "file:///etc/passwd", "a,AttributeKey=Username", "'\\''", "\x00", "é", "!!", strings.Repeat("'", 600),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		inJSON, err := json.Marshal(s)
		if err != nil {
			return
		}
		for _, place := range commandPlaces {
			body := strings.NewReplacer("%s", string(inJSON), "%[1]s", string(inJSON)).Replace(place)
			if !strings.Contains(body, `"service"`) {
				body += `,"service":{"detectorId":"d"}`
			}
			if !strings.Contains(body, `"region"`) {
				body += `,"region":"eu-west-1"`
			}
			command := read(t, []byte(`{"id":"f",`+body+`}`)).Detection().Command
			if !readOnly.MatchString(command) {
				t.Fatalf("not a command that only reads: %s", command)
			}
			all := words(t, command)
			for i, w := range all {
				if strings.HasPrefix(w, "file://") || strings.HasPrefix(w, "http://") {
					t.Errorf("the CLI would load %q in %s", w, command)
				}
				if strings.HasPrefix(w, "-") && !isOurOption(w) && !slices.Contains(all[:i], "--") {
					t.Errorf("%q passes for an option in %s", w, command)
				}
			}
		}
	})
}

func isOurOption(w string) bool {
	name, _, _ := strings.Cut(w, "=")
	return name == "--" || slices.Contains([]string{
		"--lookup-attributes", "--start-time", "--max-results", "--region", "--instance-ids", "--group-ids", "--detector-id",
		"--filter-criteria", "--bucket", "--key", "--version-id", "--name", "--namespace", "--output", "--cluster", "--tasks", "--clusters",
		"--function-name", "--db-instance-identifier", "--db-shard-group-identifier", "--snapshot-ids", "--image-ids",
		"--backup-vault-name", "--recovery-point-arn", "--finding-ids",
	}, name)
}

func TestCommandsHaveTheFindingsIDs(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"ec2-c2":            `^aws ec2 describe-instances --instance-ids 'i-[0-9a-f]+' --region '`,
		"ec2-port-probe":    `^aws ec2 describe-security-groups --group-ids 'sg-[0-9a-f]+' --region '`,
		"s3-object-malware": `^aws s3api head-object --bucket 'uploads' --key 'in/invoice\.exe' --version-id 'v1' --region '`,
		"eks-runtime-dns":   `^kubectl get --namespace 'kube-system' --output yaml -- 'pods/nginx-[0-9a-f]+'$`,
		"rds-limitless":     `^aws rds describe-db-shard-groups --db-shard-group-identifier 'orders-shards' --region '`,
		"sequence-s3":       `^aws guardduty get-findings --detector-id '[0-9a-f]+' --finding-ids '[0-9a-f]+' --region '`,
	} {
		if got := read(t, document(t, "findings/"+name+".json")).Detection().Command; !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func FuzzTexts(f *testing.F) {
	f.Add("http://a.b www.c", 5)
	f.Add("İİİhttp://", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = min(max(limit, 4), 1000)
		c := clean([]byte(s))
		if !utf8.ValidString(c) || strings.ContainsFunc(c, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("clean(%q) = %q", s, c)
		}
		for _, short := range []string{clip(c, limit), middle(c, limit)} {
			if utf8.RuneCountInString(short) > limit {
				t.Errorf("%q is longer than %d", short, limit)
			}
		}
		if d := defangLinks(c); strings.Contains(d, "http://") {
			t.Errorf("defangLinks(%q) = %q", c, d)
		}
		humanise(c)
	})
}

// A word without end made of links is dead, and does not take for ever: people wait.
func TestAWordOfVeryManyLinksIsDead(t *testing.T) {
	t.Parallel()
	got := defangLinks(strings.Repeat("http://evil.example/", 100_000))
	if strings.Contains(got, "http://") || strings.Contains(got, "evil.example") {
		t.Errorf("alive: %.80s", got)
	}
}
