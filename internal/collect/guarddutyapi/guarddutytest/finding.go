package guarddutytest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// A Finding is one as GuardDuty has it; what is left empty is something likely.
type Finding struct {
	ID, Account, Region, Type string
	Severity                  float64
	Created, Updated          time.Time
	LastSeen                  time.Time // service.eventLastSeen; Updated if zero
	Archived                  bool
	Count                     int
	Domain                    string // that was looked up; none if empty
}

// Time is a time as findings have it.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// DetectorID is the id of the detector that an account has in a region.
func DetectorID(account, region string) string {
	sum := sha256.Sum256([]byte(account + "/" + region))
	return hex.EncodeToString(sum[:16])
}

// FindingID is the n-th id of many that are as GuardDuty's.
func FindingID(n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "finding %d", n))
	return hex.EncodeToString(sum[:16])
}

// ARN is the finding's.
func (f Finding) ARN() string {
	return "arn:aws:guardduty:" + f.Region + ":" + f.Account + ":detector/" + DetectorID(f.Account, f.Region) + "/finding/" + f.ID
}

// Wire is the finding as an element of what GetFindings answers.
func (f Finding) Wire() []byte {
	return f.with(map[string]any{"value": `{"sample":false}`, "type": "default"})
}

// Event is the finding as EventBridge sends it from the bus of the account.
func (f Finding) Event(account string) []byte {
	sum := sha256.Sum256([]byte(f.ARN() + Time(f.Updated) + account))
	event := map[string]any{
		"version": "0", "id": hex.EncodeToString(sum[:16]), "detail-type": "GuardDuty Finding", "source": "aws.guardduty",
		"account": account, "time": f.Updated.UTC().Format(time.RFC3339), "region": f.Region, "resources": []string{},
		"detail": json.RawMessage(f.with(map[string]any{"value": "{}", "type": "default", "sample": false})),
	}
	return marshal(event)
}

func (f Finding) with(info map[string]any) []byte {
	if f.Type == "" {
		f.Type = "CryptoCurrency:EC2/BitcoinTool.B!DNS"
	}
	if f.Severity == 0 {
		f.Severity = 8
	}
	if f.LastSeen.IsZero() {
		f.LastSeen = f.Updated
	}
	action := map[string]any{}
	if f.Domain != "" {
		action = map[string]any{"actionType": "DNS_REQUEST", "dnsRequestAction": map[string]any{"domain": f.Domain, "protocol": "UDP", "blocked": false}}
	}
	return marshal(map[string]any{
		"schemaVersion": "2.0", "accountId": f.Account, "region": f.Region, "partition": "aws", "id": f.ID, "arn": f.ARN(), "type": f.Type,
		"resource": map[string]any{"resourceType": "Instance", "instanceDetails": map[string]any{"instanceId": "i-" + f.ID[:min(len(f.ID), 17)]}},
		"service": map[string]any{
			"serviceName": "guardduty", "detectorId": DetectorID(f.Account, f.Region), "action": action, "resourceRole": "TARGET",
			"additionalInfo": info, "eventFirstSeen": Time(f.Created), "eventLastSeen": Time(f.LastSeen),
			"archived": f.Archived, "count": max(f.Count, 1),
		},
		"severity": f.Severity, "createdAt": Time(f.Created), "updatedAt": Time(f.Updated),
		"title": "Bitcoin-related domain name queried.", "description": "The instance queries a domain name that is associated with Bitcoin.",
	})
}

func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return text
}
