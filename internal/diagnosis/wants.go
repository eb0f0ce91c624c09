package diagnosis

import (
	"fmt"
	"strings"

	"github.com/tocsin-sec/tocsin/pattern"
	"github.com/tocsin-sec/tocsin/pattern/lint"
)

// severities are one finding's of each level, and of both ends of High and Critical.
var severities = []struct {
	value float64
	level string
}{{2, "Low"}, {4, "Medium"}, {5, "Medium"}, {6.9, "Medium"}, {7, "High"}, {8, "High"}, {8.9, "High"}, {9, "Critical"}, {9.3, "Critical"}, {10, "Critical"}}

// wanted is which of the severities a rule's pattern matches.
type wanted []bool

// Takes reports whether a rule's pattern takes findings of GuardDuty's off a bus, and
// which of the High and Critical ones it leaves out: "Critical findings", or "".
func Takes(text string) (some bool, misses string) {
	w := wants(text)
	if w.none() {
		return false, ""
	}
	return true, w.misses()
}

// wants tries a pattern on a finding of each severity. One that asks for more than
// source, detail-type and severity matches none of them and is no rule for all
// findings.
func wants(text string) wanted {
	w := make(wanted, len(severities))
	p, err := pattern.Parse([]byte(text))
	if text == "" || err != nil {
		return w
	}
	for i, s := range severities {
		event := fmt.Sprintf(`{"version":"0","id":"6afe5f25-7f0e-4a4c-8e0a-0d2f5c3a2c11","detail-type":"GuardDuty Finding","source":"aws.guardduty","account":"111122223333","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":[],"detail":{"schemaVersion":"2.0","accountId":"111122223333","region":"us-east-1","partition":"aws","id":"16afba5c5c43e07c9e3e5e2e544e95df","type":"AttackSequence:IAM/CompromisedCredentials","severity":%v,"service":{"serviceName":"guardduty","archived":false,"count":1}}}`, s.value)
		w[i], _ = p.Match([]byte(event))
	}
	return w
}

func (w wanted) none() bool {
	for _, yes := range w {
		if yes {
			return false
		}
	}
	return true
}

// misses names the levels of which something is left out, High and Critical; less
// than that may be meant.
func (w wanted) misses() string {
	var left []string
	for i, s := range severities {
		if !w[i] && s.value >= 7 && (len(left) == 0 || left[len(left)-1] != s.level) {
			left = append(left, s.level)
		}
	}
	if left == nil {
		return ""
	}
	return strings.Join(left, " and ") + " findings"
}

// onlyWorst reports whether it takes Critical findings and no Medium ones.
func (w wanted) onlyWorst() bool {
	for i, s := range severities {
		if s.value >= 9 && !w[i] || s.value < 7 && w[i] {
			return false
		}
	}
	return true
}

// hopeless says why a rule that names GuardDuty never matches a finding, where a
// mistake is known.
func hopeless(rule Rule) (string, bool) {
	if !strings.Contains(strings.ToLower(rule.Pattern), "guardduty") {
		return "", false
	}
	for _, d := range lint.Pattern([]byte(rule.Pattern), lint.Events) {
		if d.Severity == lint.Error {
			return d.Path + " " + d.Message, true
		}
	}
	return "", false
}
