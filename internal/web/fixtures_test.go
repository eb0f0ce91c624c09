package web

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// fixtureNow is the time of all fixtures: somebody was just woken.
var fixtureNow = time.Date(2026, 11, 21, 3, 7, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return fixtureNow.Add(-d) }

var fixtureAccounts = map[string]tocsin.Account{
	"111122223333": {ID: "111122223333", Name: "payments-prod", Environment: "prod", Team: "payments"},
	"222233334444": {ID: "222233334444", Name: "web-prod", Environment: "prod", Team: "storefront"},
	"333344445555": {ID: "333344445555", Name: "data-lake", Environment: "prod", Team: "data"},
	"444455556666": {ID: "444455556666", Name: "sandbox", Environment: "dev"},
	"123456789123": {ID: "123456789123", Name: "security-audit", Environment: "prod", Team: "security"},
	"999900001111": {ID: "999900001111", Name: "acquired-co", Environment: "prod"},
}

func fixtureSources() []SourceInfo {
	const topic = "arn:aws:sns:eu-west-1:123456789123:guardduty-findings"
	const ustopic = "arn:aws:sns:us-east-1:123456789123:guardduty-findings"
	const endpoint = "https://tocsin.example.com/in/org-topic/***"
	return []SourceInfo{
		{
			Name: "org-topic", Kind: "sns",
			Status: collect.Status{State: "ok", Lines: []tocsin.Fact{
				{Name: topic, Value: "Confirmed since 2026-09-01T08:00:12Z (" + topic + ":0c1f3c4e-0000-4000-8000-000000000001)"},
			}},
			Connect: []tocsin.Fact{
				{Name: "Endpoint", Value: endpoint},
				{Name: "Subscribe " + topic, Value: `aws sns subscribe --region eu-west-1 --topic-arn "` + topic + `" --protocol https --notification-endpoint "` + endpoint + `"`},
			},
		},
		{
			Name: "us-topic", Kind: "sns",
			Status: collect.Status{State: "pending", Lines: []tocsin.Fact{
				{Name: ustopic, Value: "Pending confirmation since 2026-11-21T03:01:40Z"},
			}},
			Connect: []tocsin.Fact{
				{Name: "Endpoint", Value: "https://tocsin.example.com/in/us-topic/***"},
				{Name: "Subscribe " + ustopic, Value: `aws sns subscribe --region us-east-1 --topic-arn "` + ustopic + `" --protocol https --notification-endpoint "https://tocsin.example.com/in/us-topic/***"`},
			},
		},
		{
			Name: "api", Kind: "https", Status: collect.Status{State: "ok", Lines: []tocsin.Fact{{Name: "Wrong tokens", Value: "6 since the start, last 2026-11-21T01:12:01Z"}}},
			Connect: []tocsin.Fact{
				{Name: "Endpoint", Value: "https://tocsin.example.com/in/api"},
				{Name: "Header", Value: "X-Api-Key: ***"},
				{Name: "Try it", Value: "curl -sS -H 'X-Api-Key: ***' --data-binary @event.json https://tocsin.example.com/in/api"},
			},
		},
		{
			Name: "old-topic", Kind: "sns",
			Status: collect.Status{State: "unsubscribed", Lines: []tocsin.Fact{
				{Name: "arn:aws:sns:eu-west-1:444455556666:findings", Value: "Unsubscribed since 2026-11-19T14:02:11Z; subscribe again if that was not intended"},
			}},
		},
	}
}

// A sketch is what varies between the fixtures' findings.
type sketch struct {
	typ, headline, title   string
	severity               float64
	level                  tocsin.Level
	account, region        string
	resource, id, name     string
	role, ip, org, command string
}

var sketches = []sketch{
	{"Backdoor:EC2/C&CActivity.B!DNS", "EC2 i-0a1b2c3d4e5f60718 (checkout-7) is calling a C2 server", "EC2 instance i-0a1b2c3d4e5f60718 is querying a domain name associated with a known command and control server.", 9.3, tocsin.Critical, "111122223333", "eu-west-1", "Instance", "i-0a1b2c3d4e5f60718", "checkout-7", "ACTOR", "203.0.113.77", "AS64500 Example Hosting", "aws ec2 describe-instances --region eu-west-1 --instance-ids i-0a1b2c3d4e5f60718"},
	{"UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS", "Credentials of role checkout-task are used outside AWS", "Credentials for the EC2 instance role checkout-task were used from a remote AWS account.", 8, tocsin.High, "111122223333", "eu-west-1", "AccessKey", "ASIAEXAMPLE0001", "checkout-task", "TARGET", "198.51.100.23", "AS64511 Example Telecom", "aws cloudtrail lookup-events --region eu-west-1 --lookup-attributes AttributeKey=AccessKeyId,AttributeValue=ASIAEXAMPLE0001 --max-results 20"},
	{"CryptoCurrency:EC2/BitcoinTool.B!DNS", "EC2 i-0f9e8d7c6b5a43210 (batch-3) is mining cryptocurrency", "EC2 instance i-0f9e8d7c6b5a43210 is querying a domain name that is associated with Bitcoin-related activity.", 8, tocsin.High, "222233334444", "us-east-1", "Instance", "i-0f9e8d7c6b5a43210", "batch-3", "ACTOR", "192.0.2.44", "AS64501 Example Pool", "aws ec2 describe-instances --region us-east-1 --instance-ids i-0f9e8d7c6b5a43210"},
	{"Policy:S3/BucketAnonymousAccessGranted", "Bucket acme-exports was opened to everybody by deploy-bot", "Amazon S3 Block Public Access was disabled for the S3 bucket acme-exports.", 8, tocsin.High, "333344445555", "eu-central-1", "S3Bucket", "acme-exports", "", "TARGET", "198.51.100.9", "AS64502 Example Cloud", "aws s3api get-bucket-policy-status --bucket acme-exports"},
	{"PrivilegeEscalation:Kubernetes/PrivilegedContainer", "Privileged container started in EKS payments by ci-runner", "A privileged container was launched in your Kubernetes cluster.", 5, tocsin.Medium, "111122223333", "eu-west-1", "EKSCluster", "payments", "", "TARGET", "203.0.113.5", "AS64500 Example Hosting", "kubectl -n payments get pod ci-runner-7f9 -o yaml"},
	{"Stealth:IAMUser/CloudTrailLoggingDisabled", "CloudTrail trail org-trail was stopped by root", "AWS CloudTrail trail org-trail was disabled by root calling StopLogging.", 7.5, tocsin.High, "123456789123", "us-east-1", "AccessKey", "AIDAEXAMPLEROOT", "root", "TARGET", "198.51.100.131", "AS64503 Example ISP", "aws cloudtrail get-trail-status --name org-trail"},
	{"Recon:EC2/PortProbeUnprotectedPort", "Port 22 of EC2 i-0123456789abcdef0 (bastion) is probed from the internet", "Unprotected port on EC2 instance i-0123456789abcdef0 is being probed.", 2, tocsin.Low, "222233334444", "us-east-1", "Instance", "i-0123456789abcdef0", "bastion", "TARGET", "192.0.2.201", "AS64504 Example Scanner", "aws ec2 describe-security-groups --region us-east-1 --group-ids sg-0123abcd"},
	{"Discovery:S3/AnomalousBehavior", "User ana listed 412 buckets, which is unusual for her", "An API commonly used in Discovery tactics was invoked in an anomalous way.", 5, tocsin.Medium, "333344445555", "eu-central-1", "AccessKey", "AKIAEXAMPLE0007", "ana", "TARGET", "203.0.113.119", "AS64505 Example Mobile", "aws iam get-access-key-last-used --access-key-id AKIAEXAMPLE0007"},
	{"UnauthorizedAccess:EC2/SSHBruteForce", "SSH of EC2 i-0bb11cc22dd33ee44 (build-agent) is brute-forced from one address", "203.0.113.200 is performing SSH brute force attacks against i-0bb11cc22dd33ee44.", 2, tocsin.Low, "444455556666", "eu-north-1", "Instance", "i-0bb11cc22dd33ee44", "build-agent", "TARGET", "203.0.113.200", "AS64506 Example VPS", ""},
	{"Execution:Runtime/NewBinaryExecuted", "A new binary /tmp/.x/kworkerd runs in container web in ECS storefront", "A newly created or recently modified binary file in a container has been executed.", 5, tocsin.Medium, "222233334444", "us-east-1", "ECSCluster", "storefront", "", "TARGET", "", "", "aws ecs describe-tasks --cluster storefront --tasks 9f8e7d"},
	{"Policy:IAMUser/RootCredentialUsage", "Root of sandbox signed in without MFA", "API ConsoleLogin was invoked using root credentials.", 2, tocsin.Low, "444455556666", "us-east-1", "AccessKey", "AIDAEXAMPLEROOT2", "root", "TARGET", "198.51.100.77", "AS64503 Example ISP", ""},
	{"AWS Trusted Advisor Check Item Refresh Notification", "Trusted Advisor: MFA on root account is red", "MFA on Root Account", 0, tocsin.Informational, "444455556666", "us-east-1", "", "", "", "", "", "", ""},
}

func (s sketch) detection(n int, first, last time.Time, count int64) tocsin.Detection {
	id := fmt.Sprintf("%08xb92bc8dc5a0abe4acd2d%08x", n*7919+1, n*104729+1)
	d := tocsin.Detection{
		Key: tocsin.KeyOf("aws", s.account, s.region, id), Rule: "guardduty", Dialect: "guardduty", Type: s.typ, ID: id,
		Level: s.level, Severity: s.severity, Headline: s.headline, Title: s.title,
		Description: s.title + " This may indicate that the resource is compromised. Look at what it did since it was first seen, and who may act with its permissions.",
		Account:     s.account, Region: s.region, Partition: "aws", ReportedBy: "123456789123",
		Resource: tocsin.Resource{Type: s.resource, ID: s.id, Name: s.name}, Role: s.role,
		Actor:   tocsin.Actor{IP: s.ip, Org: s.org, Country: "Exampleland"},
		Command: s.command, Count: count, FirstSeen: first, LastSeen: last, CreatedAt: first, UpdatedAt: last, Path: "sns:org-topic",
		Console:       "https://" + s.region + ".console.aws.amazon.com/guardduty/home?region=" + s.region + "#/findings?macros=current&fId=" + id,
		Documentation: "https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-types-active.html",
	}
	if s.resource == "" {
		d.Severity, d.Dialect, d.Console, d.Documentation, d.Rule = 0, "generic", "", "", "trusted-advisor"
		return d
	}
	d.Facts = []tocsin.Fact{
		{Name: "What", Value: s.headline},
		{Name: "Ours", Value: s.resource + " " + s.id + ", the " + map[string]string{"TARGET": "target", "ACTOR": "actor"}[s.role]},
		{Name: "By", Value: s.ip + " (Exampleland, " + s.org + ")"},
		{Name: "Action", Value: "DNS_REQUEST · c2.evil[.]example · not blocked"},
		{Name: "Security groups", Value: "sg-0123abcd (web), sg-0456cdef (ssh)"},
		{Name: "Role", Value: "arn:aws:iam::" + s.account + ":instance-profile/" + s.name},
	}
	if s.ip == "" {
		d.Facts[2].Value = "unknown"
	}
	return d
}

// fixtureAlert makes the n-th alert, as old as that many steps, and lets it live.
func fixtureAlert(n int) tocsin.Alert {
	s := sketches[n%len(sketches)]
	first := ago(time.Duration(n*n+3) * 4 * time.Minute)
	last := first.Add(time.Duration(n%5+1) * time.Minute)
	d := s.detection(n, first, last, int64(n%4*n*7+1))
	d.Sample = n == 20
	a, _ := tocsin.Alert{}.Fold(d, last.Add(20*time.Second))
	if n%3 == 1 {
		d.Path, d.Count, d.UpdatedAt, d.LastSeen = "https:api", d.Count+5, last.Add(time.Minute), last.Add(time.Minute)
		a, _ = a.Fold(d, last.Add(80*time.Second))
	}
	if s.level >= tocsin.Medium {
		a.Told = []string{"security-slack"}
		if s.level >= tocsin.High {
			a.Told = []string{"payments-oncall", "security-slack"}
		}
	}
	a.Team = fixtureAccounts[a.Account].Team
	fixtureClimb(&a, n)
	switch {
	case n%7 == 4:
		a, _ = a.Acknowledge("ana", last.Add(3*time.Minute))
	case n > 40, n%7 == 6:
		a, _ = a.Close("marek", tocsin.Reasons()[n%6], last.Add(time.Hour))
	}
	return a
}

// openStore is an empty store.
func openStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), "sqlite:"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// filledStore has the fixtures. They are written once; each test has its own copy.
func filledStore(t testing.TB) *store.Store {
	t.Helper()
	filledOnce.Do(func() {
		dir, err := os.MkdirTemp("", "tocsin-web-")
		if err != nil {
			t.Fatal(err)
		}
		filledDir = dir
		s, err := store.Open(context.Background(), "sqlite:"+dir)
		if err != nil {
			t.Fatal(err)
		}
		fill(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filledDir)); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(context.Background(), "sqlite:"+dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Where the fixtures are written, until all tests are over.
var (
	filledOnce sync.Once
	filledDir  string
)

func TestMain(m *testing.M) {
	code := m.Run()
	if filledDir != "" {
		_ = os.RemoveAll(filledDir)
	}
	os.Exit(code)
}

// fill puts the fixtures into the store: alerts with all that belongs to them,
// and events of every verdict.
func fill(t testing.TB, s *store.Store) {
	t.Helper()
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		if err := fillPeople(tx); err != nil {
			return err
		}
		// the oldest first, as they would have come
		for n := 59; n >= 0; n-- {
			if err := fillAlert(tx, n); err != nil {
				return err
			}
		}
		return fillRest(tx)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func fillAlert(tx *store.Tx, n int) error {
	a := fixtureAlert(n)
	if err := tx.Save(&a); err != nil {
		return err
	}
	opened := &tocsin.Event{
		Source: "org-topic", Via: "sns", Envelope: fmt.Sprintf("5f3a0c1e-0000-4000-8000-%012d", n), ReceivedAt: a.OpenedAt,
		Raw: fixtureRaw(a), Verdict: tocsin.Opened, Did: "opened", Rule: a.Rule, Alert: a.ID, Type: a.Type, Account: a.Account, Region: a.Region, Level: a.Level,
	}
	evs, deliveries := []*tocsin.Event{opened}, []string{"sns/" + opened.Envelope}
	if a.Events > 1 {
		again := *opened
		again.Source, again.Via, again.Verdict, again.ReceivedAt = "api", "https", tocsin.Updated, a.OpenedAt.Add(time.Minute)
		again.Did, again.Reason = "updated", "count 1 → 6, path https:api"
		evs, deliveries = append(evs, &again), append(deliveries, "api/"+again.Envelope)
	}
	if err := tx.Journal(evs, deliveries); err != nil {
		return err
	}
	if err := tx.Log(fixtureChanges(a)...); err != nil {
		return err
	}
	return tx.Owe(fixtureNotifications(a, n))
}

// fixtureTimeline is what a timeline makes of the events and the changes.
func fixtureTimeline(a tocsin.Alert, seq int64) []tocsin.Entry {
	es := []tocsin.Entry{
		{Alert: a.ID, At: a.OpenedAt, Kind: "opened", By: "sns:org-topic", Event: seq},
		{Alert: a.ID, At: a.OpenedAt.Add(time.Second), Kind: "told", Text: "policy around-the-clock, step 1 of 3: told ana"},
	}
	if a.Events > 1 {
		es = append(es, tocsin.Entry{Alert: a.ID, At: a.OpenedAt.Add(time.Minute), Kind: "updated", By: "https:api", Text: "count 1 → 6, path https:api", Event: seq + 1})
	}
	return append(es, fixtureChanges(a)...)
}

// fixtureChanges are what people did.
func fixtureChanges(a tocsin.Alert) []tocsin.Entry {
	var es []tocsin.Entry
	if !a.AckedAt.IsZero() {
		es = append(es, tocsin.Entry{Alert: a.ID, At: a.AckedAt, Kind: "acknowledged", By: a.AckedBy})
	}
	if !a.ClosedAt.IsZero() {
		es = append(es, tocsin.Entry{Alert: a.ID, At: a.ClosedAt, Kind: "closed", By: a.ClosedBy, Text: "Expected: the red team had announced it."})
	}
	return es
}

func fixtureNotifications(a tocsin.Alert, n int) []*tocsin.Notification {
	var ns []*tocsin.Notification
	for _, r := range a.Told {
		note := &tocsin.Notification{
			Alert: a.ID, Receiver: r, Kind: tocsin.TellOpened, Why: "route 2", State: tocsin.Delivered,
			CreatedAt: a.OpenedAt, Due: a.OpenedAt, Deadline: a.OpenedAt.Add(24 * time.Hour), Attempts: 1,
			SettledAt: a.OpenedAt.Add(800 * time.Millisecond), Ref: "1732158000.000200",
		}
		switch {
		case n == 2 && r == "payments-oncall":
			note.State, note.Attempts, note.LastError = tocsin.Parked, 14, "pagerduty: 503 Service Unavailable"
		case n == 5 && r == "security-slack":
			note.State, note.Attempts, note.LastError = tocsin.Failed, 1, "slack: 404 Not Found: channel_not_found; check the webhook's URL"
		case n == 0:
			note.State, note.SettledAt, note.Attempts, note.Due = tocsin.Pending, time.Time{}, 2, fixtureNow.Add(40*time.Second)
			note.LastError = "pagerduty: 429 Too Many Requests"
		}
		ns = append(ns, note)
	}
	if n == 0 {
		ns = append(ns, &tocsin.Notification{
			Alert: a.ID, Receiver: "sms", Person: "ana", Contact: 1, Kind: tocsin.TellOpened, Why: "policy around-the-clock, step 1 of 3", State: tocsin.Delivered,
			CreatedAt: a.OpenedAt, Due: a.OpenedAt, Deadline: a.OpenedAt.Add(time.Hour), Attempts: 1, SettledAt: a.OpenedAt.Add(2 * time.Second),
		}, &tocsin.Notification{
			Alert: a.ID, Receiver: "voice", Person: "ana", Contact: 2, Kind: tocsin.TellOpened, Why: "policy around-the-clock, step 1 of 3", State: tocsin.Cancelled,
			CreatedAt: a.OpenedAt, Due: a.OpenedAt, Deadline: a.OpenedAt.Add(time.Hour), LastError: "acknowledged by ana",
		})
	}
	return ns
}

// fillRest writes events that made no alert.
func fillRest(tx *store.Tx) error {
	var evs []*tocsin.Event
	for i, v := range []tocsin.Event{
		{Verdict: tocsin.Filtered, Reason: "below the minimum of account sandbox (medium)", Rule: "guardduty", Type: "Recon:EC2/Portscan", Account: "444455556666", Region: "eu-north-1", Level: tocsin.Low, Raw: []byte(`{"detail-type":"GuardDuty Finding","detail":{"severity":2}}`)},
		{Verdict: tocsin.Filtered, Reason: "no rule wants it", Type: "AWS Console Sign In via CloudTrail", Account: "222233334444", Region: "us-east-1", Raw: []byte(`{"detail-type":"AWS Console Sign In via CloudTrail"}`)},
		{Verdict: tocsin.Unmapped, Reason: "JSON, but no EventBridge event and no finding", Raw: []byte(`{"hello":"world"}`)},
		{Verdict: tocsin.Malformed, Reason: "not JSON: unexpected end of input at byte 12", Unreadable: "not JSON: unexpected end of input at byte 12", Raw: []byte("{\"detail\": \xff")},
		{Verdict: tocsin.Suppressed, Reason: "rule lab-noise suppresses it", Rule: "lab-noise", Type: "Recon:EC2/Portscan", Account: "444455556666", Region: "eu-north-1", Level: tocsin.Low, Raw: []byte(`{}`)},
		{Verdict: tocsin.Silenced, Reason: "silence \"red team week\" until 2026-11-23", Type: "UnauthorizedAccess:EC2/TorClient", Account: "222233334444", Region: "us-east-1", Level: tocsin.High, Raw: []byte(`{}`)},
	} {
		v.Source, v.Via, v.ReceivedAt = "org-topic", "sns", ago(time.Duration(30-i*4)*time.Second)
		evs = append(evs, &v)
	}
	if err := tx.Journal(evs, make([]string, len(evs))); err != nil {
		return err
	}
	return tx.Redelivered([]int64{evs[0].Seq, evs[0].Seq}, fixtureNow)
}

// fixtureRaw is the EventBridge event of the alert's finding.
func fixtureRaw(a tocsin.Alert) []byte {
	raw, err := json.Marshal(map[string]any{
		"version": "0", "id": "9b3622ca-3d1d-6b10-beaa-1df144b0d729", "detail-type": "GuardDuty Finding", "source": "aws.guardduty",
		"account": a.Account, "time": a.UpdatedAt, "region": a.Region, "resources": []string{},
		"detail": map[string]any{
			"schemaVersion": "2.0", "accountId": a.Account, "region": a.Region, "partition": "aws", "id": a.Detection.ID,
			"type": a.Type, "severity": a.Severity, "title": a.Title, "description": a.Description,
			"service": map[string]any{"serviceName": "guardduty", "count": a.Count, "resourceRole": a.Role, "archived": false},
		},
	})
	if err != nil {
		panic(err) // a map of strings and numbers
	}
	return raw
}
