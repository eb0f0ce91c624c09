// Package notifytest has what every notifier is held to: the promises of the
// contract, and one set of messages that each renders into golden files.
package notifytest

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Now is the time at which the messages are sent.
func Now() time.Time { return time.Date(2026, 6, 12, 2, 30, 0, 0, time.UTC) }

// A Case is a message with the name under which tests and golden files know it.
type Case struct {
	Name    string
	Message notify.Message
}

// Cases are the messages that golden files are made of: [Messages], and one
// opening for each alert in notifytest/testdata/alerts/*.json, which hold one
// tocsin.Alert each.
func Cases(t *testing.T) []Case {
	t.Helper()
	cases := Messages()
	dir := filepath.Join("..", "notifytest", "testdata", "alerts")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return cases
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name, isJSON := strings.CutSuffix(entry.Name(), ".json")
		if !isJSON {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var a tocsin.Alert
		if err := json.Unmarshal(text, &a); err != nil {
			t.Fatalf("%s: %v", entry.Name(), err)
		}
		cases = append(cases, Case{"alert-" + name, Opening(a)})
	}
	return cases
}

// Opening is the message that tells of the alert's opening.
func Opening(a tocsin.Alert) notify.Message {
	return notify.Message{
		ID: "01JXGH6C3T2M5Q8V9WZ4N7RKBD", Kind: tocsin.TellOpened, Alert: a,
		Account:  tocsin.Account{ID: a.Account, Name: "prod-payments", Environment: "production", Team: "payments"},
		Receiver: "payments-oncall", Why: "route 2",
		AlertURL: "https://tocsin.example.com/alerts/" + strconv.FormatInt(a.ID, 10), At: Now().Add(-20 * time.Second),
	}
}

// alert is a plausible alert around what the caller says of it.
func alert(id int64, level tocsin.Level, severity float64, kind, headline string, facts ...tocsin.Fact) tocsin.Alert {
	finding := "3ac1b2c3d4e5f60718293a4b5c6d7e8f"
	return tocsin.Alert{
		ID: id, Version: 1, Status: tocsin.StatusOpen, Worst: level, Occurrences: 17, Events: 2,
		Paths: []string{"sns:org-topic"}, OpenedAt: Now().Add(-4 * time.Minute), ChangedAt: Now().Add(-20 * time.Second),
		Detection: tocsin.Detection{
			Key: tocsin.KeyOf("aws", "111122223333", "eu-west-1", finding), Rule: "guardduty", Dialect: "guardduty",
			Type: kind, ID: finding, Level: level, Severity: severity,
			Headline: headline, Title: headline,
			Account: "111122223333", Region: "eu-west-1", Partition: "aws",
			Facts:         facts,
			Console:       "https://eu-west-1.console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings?macros=current&fId=" + finding,
			Documentation: "https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-types-active.html",
			Count:         17,
			FirstSeen:     Now().Add(-17 * time.Minute), LastSeen: Now().Add(-3 * time.Minute),
			CreatedAt: Now().Add(-15 * time.Minute), UpdatedAt: Now().Add(-2 * time.Minute),
			Path: "sns:org-topic",
		},
	}
}

func fact(name, value string) tocsin.Fact { return tocsin.Fact{Name: name, Value: value} }

// Messages are the shared messages: an opening for each kind of resource and
// level, every kind of news, what people made of an alert, and what is about no
// single alert.
func Messages() []Case {
	return slices.Concat(openings(), news(), life(), several())
}

func openings() []Case {
	c2 := alert(4821, tocsin.Critical, 9.2, "Backdoor:EC2/C&CActivity.B!DNS", "EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		fact("What", "DNS query for evil[.]example, known as a command and control server"),
		fact("Ours", "EC2 i-0abc123def456789a (web-1), actor, 10.0.4.17 / 203.0.113.80, vpc-0a1b2c, profile web-role"),
		fact("By", "evil[.]example (threat list ProofPoint)"),
		fact("Blocked", "no"))
	c2.Description = "The EC2 instance i-0abc123def456789a is querying a domain name that is associated with a known command and control server. The instance might be compromised."
	c2.Command = "aws ec2 describe-instances --instance-ids i-0abc123def456789a --region eu-west-1 --profile 111122223333"
	c2.Resource = tocsin.Resource{Type: "Instance", ID: "i-0abc123def456789a", Name: "web-1", Tags: map[string]string{"team": "payments"}}

	root := alert(4822, tocsin.Low, 2, "Policy:IAMUser/RootCredentialUsage", "Root user of the account called ListBuckets",
		fact("Who", "Root, access key …X7QJ"), fact("API", "ListBuckets (s3.amazonaws.com), succeeded"),
		fact("From", "198.51.100.23 (Exampleland, AS64496 Example Telecom), aws-cli/2.17.1"))
	root.Count, root.Occurrences = 1, 1
	root.LastSeen = root.FirstSeen

	key := alert(4823, tocsin.High, 8, "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS", "Keys of role web-role are used outside AWS",
		fact("Who", "assumed role web-role / i-0abc123def456789a, key …B2D3"), fact("API", "GetSecretValue (secretsmanager.amazonaws.com), AccessDenied"),
		fact("From", "203.0.113.7 (Exampleland, AS64500 Example Hosting), not affiliated"))
	key.Command = "aws cloudtrail lookup-events --lookup-attributes AttributeKey=AccessKeyId,AttributeValue=ASIAEXAMPLEB2D3 --region eu-west-1"

	bucket := alert(4824, tocsin.High, 8, "Policy:S3/BucketAnonymousAccessGranted", "S3 bucket invoices_archive_2026 was made public",
		fact("Bucket", "invoices_archive_2026, public, not encrypted, tags team=payments"), fact("Who", "user alice, key …90AB"),
		fact("API", "PutBucketAcl (s3.amazonaws.com), succeeded"))
	bucket.Command = "aws s3api get-bucket-policy-status --bucket 'invoices_archive_2026'"

	eks := alert(4825, tocsin.Medium, 5, "Discovery:Kubernetes/SuccessfulAnonymousAccess", "EKS prod-cluster answers anonymous users",
		fact("Cluster", "prod-cluster, namespace payments, workload *:*"), fact("User", "system:anonymous, groups system:unauthenticated"),
		fact("Call", "get /api/v1/namespaces/payments/secrets → 200"), fact("From", "198.51.100.99 (Exampleland)"))

	ecs := alert(4826, tocsin.Medium, 5.5, "Execution:Runtime/NewBinaryExecuted", "ECS task 7f1c… ran a new binary",
		fact("Process", "/tmp/.x/kinsing -c 4 --pool pool[.]evil[.]example"), fact("Lineage", "nginx → sh → kinsing"),
		fact("Image", "111122223333.dkr.ecr.eu-west-1.amazonaws.com/web@sha256:9f86d081"), fact("User", "www-data (33)"))

	lambda := alert(4827, tocsin.Medium, 5, "Trojan:Lambda/BlackholeTraffic", "Lambda order-export talks to a black hole",
		fact("Function", "order-export:12, role order-export-role"), fact("To", "192.0.2.44:443 (Exampleland)"))

	rds := alert(4828, tocsin.High, 8, "CredentialAccess:RDS/AnomalousBehavior.SuccessfulBruteForce", "Brute force on RDS orders-db succeeded as admin",
		fact("Database", "orders-db (aurora-postgresql 16.2), public"), fact("User", "admin, application psql"),
		fact("Attempts", "1,204 failed, 1 succeeded"), fact("From", "203.0.113.99 (Exampleland, AS64511)"))

	malware := alert(4829, tocsin.High, 8, "Execution:EC2/MaliciousFile", "Malware found on EC2 i-0feed0beef0cafe01",
		fact("Threat", "EICAR-Test-File"), fact("File", "/var/www/html/wp-content/uploads/shell.php (sha256 275a021b…)"),
		fact("Scan", "1 of 2 volumes, started by finding 7ab4…"))

	sequence := alert(4830, tocsin.Critical, 9.5, "AttackSequence:IAM/CompromisedCredentials", "Attack sequence: credentials of deploy-bot are compromised",
		fact("Story", "7 signals in 42 min: Discovery → Persistence → Exfiltration"), fact("Actor", "deploy-bot from 203.0.113.7"),
		fact("Resources", "IAM user deploy-bot, S3 invoices_archive_2026, 3 more"), fact("Findings", "5 linked"))

	probe := alert(4831, tocsin.Low, 2, "Recon:EC2/PortProbeUnprotectedPort", "EC2 i-0abc123def456789a has port 22 probed",
		fact("Ports", "22 (SSH)"), fact("By", "14 addresses, first 198.51.100.5 (Exampleland)"), fact("Blocked", "no"))

	unknown := alert(4832, tocsin.Unknown, 0, "PlanetaryAlignment:Quantum/Entangled", "PlanetaryAlignment:Quantum/Entangled on a QuantumRegister")
	unknown.Facts, unknown.Documentation, unknown.Occurrences, unknown.Count = nil, "", 1, 0

	return []Case{
		{"opened-critical-ec2-c2", Opening(c2)},
		{"opened-low-root", Opening(root)},
		{"opened-high-access-key", Opening(key)},
		{"opened-high-s3-public", Opening(bucket)},
		{"opened-medium-eks", Opening(eks)},
		{"opened-medium-ecs-runtime", Opening(ecs)},
		{"opened-medium-lambda", Opening(lambda)},
		{"opened-high-rds", Opening(rds)},
		{"opened-high-malware", Opening(malware)},
		{"opened-critical-attack-sequence", Opening(sequence)},
		{"opened-low-port-probe", Opening(probe)},
		{"opened-unknown-type", Opening(unknown)},
	}
}

func news() []Case {
	c2 := openings()[0].Message

	raised := c2
	raised.ID, raised.Kind, raised.Ref = "01JXGHD2B6N8P0R4T7V9X1Y3Z5", tocsin.TellRaised, "first-ref"
	raised.Alert.Occurrences = 46
	raised.Changes = []tocsin.Change{
		{What: "severity", From: "medium 5", To: "critical 9.2"},
		{What: "count", From: "12", To: "46"},
		{What: "remote IP", From: "198.51.100.4", To: "203.0.113.7"},
	}

	closed := c2
	closed.ID, closed.Kind, closed.Ref = "01JXGHQ4F7G2H5J8K1M3N6P9R0", tocsin.TellClosed, "first-ref"
	closed.Alert.Status, closed.Alert.CloseReason, closed.Alert.ClosedBy = tocsin.StatusClosed, tocsin.ReasonArchived, "guardduty"
	closed.Alert.ClosedAt = Now().Add(-time.Minute)
	closed.Alert.Over, closed.Alert.OverReason = true, "archived"
	closed.Changes = []tocsin.Change{{What: "over", From: "false", To: "true"}}

	person := closed
	person.Alert.CloseReason, person.Alert.ClosedBy = tocsin.ReasonFalsePositive, "alice@example.com"
	person.Alert.Over, person.Alert.OverReason, person.Changes = false, "", nil

	reopened := c2
	reopened.ID, reopened.Alert.Reopened = "01JXGHT5A1B2C3D4E5F6G7H8J9", 1
	reopened.Changes = []tocsin.Change{{What: "over", From: "true", To: "false"}, {What: "count", From: "17", To: "21"}}
	reopened.Alert.Occurrences = 21

	sample := c2
	sample.Alert.Sample = true

	nameless := c2
	nameless.Account = tocsin.Account{ID: "111122223333"}
	nameless.AlertURL = ""

	sparse := notify.Message{
		ID: "01JXGHV0000000000000000000", Kind: tocsin.TellOpened, At: Now(),
		Alert: tocsin.Alert{ID: 1, Status: tocsin.StatusOpen, OpenedAt: Now(), Occurrences: 1},
	}

	return []Case{
		{"raised", raised},
		{"closed-archived", closed},
		{"closed-by-person", person},
		{"reopened", reopened},
		{"sample", sample},
		{"account-without-name", nameless},
		{"sparse", sparse},
	}
}

// life are messages of what somebody made of an alert, and of what is new.
func life() []Case {
	c2 := openings()[0].Message

	asked := c2
	asked.ID = "01JXGHV1A2C3E4G5J6K7M8N9P0"
	asked.Team, asked.OnCall, asked.Seen = "payments", []string{"ana", "bo"}, 3
	asked.Actions = []notify.Action{
		{Do: notify.DoAcknowledge, Label: "Acknowledge", URL: "https://tocsin.example.com/do/3kq9v2?s=MEUCIQDx", Reply: "4821a"},
		{Do: notify.DoEscalate, Label: "Escalate", URL: "https://tocsin.example.com/do/7hw1pz?s=MEQCIBy0", Reply: "4821e"},
		{Do: notify.DoExpected, Label: "Expected", URL: "https://tocsin.example.com/do/9jd4rt?s=MEYCIQCf", Reply: "4821x"},
	}

	after := c2
	after.Ref, after.Team, after.OnCall = "first-ref", "payments", []string{"ana", "bo"}

	updated := after
	updated.ID, updated.Kind = "01JXGHW0B1D2F3H4K5M6N7P8Q9", tocsin.TellUpdated
	updated.Alert.Occurrences, updated.Alert.LastSeen = 61, Now().Add(-time.Minute)
	updated.Changes = []tocsin.Change{
		{What: "count", From: "17", To: "61"},
		{What: "domain", From: "evil[.]example", To: "worse[.]example"},
		{What: "path", To: "https:api"},
	}

	acknowledged := after
	acknowledged.ID, acknowledged.Kind = "01JXGHX1C2E3G4J5K6M7N8P9Q0", tocsin.TellAcknowledged
	acknowledged.Alert.Status, acknowledged.Alert.AckedBy, acknowledged.Alert.Assignee = tocsin.StatusAcked, "ana", "ana"
	acknowledged.Alert.AckedAt, acknowledged.Alert.FirstAckAt = Now().Add(-30*time.Second), Now().Add(-30*time.Second)
	acknowledged.Changes = []tocsin.Change{{What: "status", From: "open", To: "acknowledged by ana"}}

	assigned := acknowledged
	assigned.ID, assigned.Kind = "01JXGHY2D3F4H5K6M7N8P9Q0R1", tocsin.TellChanged
	assigned.Alert.Assignee = "bo"
	assigned.Changes = []tocsin.Change{{What: "assignee", From: "ana", To: "bo"}}

	snoozed := acknowledged
	snoozed.ID, snoozed.Kind = "01JXGHZ3E4G5J6M7N8P9Q0R1S2", tocsin.TellChanged
	snoozed.Alert.SnoozedUntil, snoozed.Alert.SnoozedBy = Now().Add(3*time.Hour+30*time.Minute), "ana"
	snoozed.Changes = []tocsin.Change{{What: "status", From: "acknowledged by ana", To: "snoozed"}}

	again := after
	again.ID, again.Kind = "01JXGJ04F5H6K7N8P9Q0R1S2T3", tocsin.TellChanged
	again.Changes = []tocsin.Change{{What: "status", From: "snoozed", To: "open"}}

	handed := after
	handed.ID, handed.Kind, handed.Team, handed.OnCall = "01JXGJ15G6J7M8P9Q0R1S2T3V4", tocsin.TellChanged, "platform", []string{"cy"}
	handed.Alert.Team = "platform"
	handed.Changes = []tocsin.Change{{What: "team", From: "payments", To: "platform"}}

	return []Case{
		{"opened-with-actions", asked},
		{"updated", updated},
		{"acknowledged", acknowledged},
		{"changed-assigned", assigned},
		{"changed-snoozed", snoozed},
		{"changed-open-again", again},
		{"changed-handed-over", handed},
	}
}

// several are messages about no single alert.
func several() []Case {
	about := func(id string, kind tocsin.Kind) notify.Message {
		return notify.Message{ID: id, Kind: kind, Receiver: "payments-oncall", Why: "policy around-the-clock, step 1", At: Now().Add(-20 * time.Second)}
	}
	digest := about("01JXGJ26H7K8N9Q0R1S2T3V4W5", tocsin.TellDigest)
	for _, i := range []int{0, 9, 2, 4, 1} {
		m := openings()[i].Message
		digest.Digest = append(digest.Digest, notify.Item{Alert: m.Alert, Account: m.Account, URL: m.AlertURL})
	}

	note := about("01JXGJ37J8M9P0R1S2T3V4W5X6", tocsin.TellNote)
	note.Text = "Nobody is on call for schedule payments from 2026-06-13 18:00 UTC to 2026-06-14 08:00 UTC."

	code := about("01JXGJ48K9N0Q1S2T3V4W5X6Y7", tocsin.TellCode)
	code.Text, code.Code, code.Why, code.Person = "It proves that this address is yours and holds for 15 minutes.", "428317", "", "ana"

	return []Case{{"digest", digest}, {"note", note}, {"code", code}}
}
