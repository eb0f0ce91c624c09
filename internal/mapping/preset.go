package mapping

import (
	"encoding/json"
	"maps"
	"slices"
)

// A preset is a shipped map with its conditions.
type preset struct {
	// text are its settings, as JSON.
	text string
	// caveat is what a trace adds to its name.
	caveat string
	// finding says that the events are GuardDuty findings: what they are goes before
	// the map, and a transformed one is made into a finding again.
	finding bool
}

// Presets are their names, sorted.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }

func (p preset) settings() (s Settings, err error) {
	err = json.Unmarshal([]byte(p.text), &s)
	return s, err
}

var presets = map[string]preset{
	// The fields of AlertOps's inbound integrations, posted as JSON or as a form.
	"alertops": {
		text: `{
	"map": {
		"source": "Source",
		"source_name": ["SourceName", "source_name"],
		"source_id": ["SourceId", "SourceID", "source_id"],
		"status": {"from": ["SourceStatus", "source_status"], "then": ["trim"]},
		"severity": ["Severity", "SourceSeverity", "severity"],
		"subject": ["Subject", "ShortText", "subject"],
		"content": ["Content", "LongText", "Description", "content"],
		"url": ["SourceURL", "SourceUrl", "URL", "url"],
		"entity": ["Entity", "entity"],
		"topic": ["Topic", "topic"],
		"assignee": ["Assignee", "assignee"],
		"tags": ["Tags", "tags"]
	},
	"close": {"status": [
		{"equals-ignore-case": "close"}, {"equals-ignore-case": "closed"}, {"equals-ignore-case": "resolve"}, {"equals-ignore-case": "resolved"},
		{"equals-ignore-case": "ok"}, {"equals-ignore-case": "recovered"}, {"equals-ignore-case": "cancelled"}, "0"]},
	"update": {"status": [{"equals-ignore-case": "update"}, {"equals-ignore-case": "updated"}]},
	"acknowledge": {"status": [{"equals-ignore-case": "acknowledge"}, {"equals-ignore-case": "acknowledged"}]}
}`,
	},
	// Alerts of severity 5 to 10 open, 0 closes, all else is ignored. The value is at
	// Message^detail^severity where the event came as it is within an SNS envelope, at
	// Message^severity where an input transformer has been at it, and at the same
	// places without Message where the sns door has taken the envelope off.
	"guardduty-5-to-10": {
		text: `{
	"map": {
		"severity": ["Message^detail^severity", "detail^severity", "Message^severity", "severity"],
		"source_id": ["Message^detail^id", "detail^id", "Message^findingId", "findingId", "Message^id", "id"],
		"account": ["Message^detail^accountId", "detail^accountId", "Message^accountId", "accountId", "Message^account", "account"],
		"region": ["Message^detail^region", "detail^region", "Message^region", "region"],
		"type": ["Message^detail^type", "detail^type", "Message^type", "type"],
		"subject": ["Message^detail^title", "detail^title", "Message^title", "title"],
		"content": ["Message^detail^description", "detail^description", "Message^description", "description"]
	},
	"close": {"severity": [0]},
	"open": {"severity": [{"numeric": [">=", 5, "<=", 10]}]}
}`,
		caveat:  ": severity 5 to 10 opens and 0 closes. GuardDuty itself never sends 0: its findings end by being archived, or by going quiet",
		finding: true,
	},
}
