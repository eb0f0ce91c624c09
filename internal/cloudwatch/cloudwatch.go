// Package cloudwatch reads CloudWatch alarms, as SNS carries them and as EventBridge
// does, metric alarms and composite ones, and puts them into words.
//
// An alarm is the one thing of AWS's that says when it is over: ALARM opens an
// alert, OK closes it, INSUFFICIENT_DATA is news of one that is there. Partition,
// account, region and the alarm's name are its identity, so that an alarm by either
// way is one alert.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
package cloudwatch

import (
	"cmp"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/plain"
)

const (
	// DetailType is the detail-type of alarms on the bus, and the type of an alarm
	// whichever way it came.
	DetailType = "CloudWatch Alarm State Change"
	// Source is the source of such events.
	Source = "aws.cloudwatch"
)

// The states of an alarm
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html).
const (
	stateAlarm = "ALARM"
	stateOK    = "OK"
	stateNone  = "INSUFFICIENT_DATA"
)

// An alarm is what either shape says of one.
type alarm struct {
	arn, name, account, region   string
	state, was, reason, at, says string // says is its description
	metrics                      []metric
	condition                    string
	rule                         string // of a composite alarm
	children                     []string
	suppressed                   string // why its actions are
}

// A metric is what an alarm looks at.
type metric struct {
	namespace, name, stat string
	dimensions            []dimension
	expression            string
}

type dimension struct{ name, value string }

// Read reads an alarm that changed its state, from an event of EventBridge or the
// message of an SNS topic; ok is false for anything else. All of the detection is
// set but Rule and Path. Its texts are one line each, without control characters.
func Read(raw []byte) (d tocsin.Detection, ok bool) {
	var a alarm
	switch {
	case gjson.GetBytes(raw, "detail-type").Str == DetailType && gjson.GetBytes(raw, "source").Str == Source:
		a = fromEvent(gjson.ParseBytes(raw))
	case gjson.GetBytes(raw, "AlarmName").Type == gjson.String && gjson.GetBytes(raw, "NewStateValue").Type == gjson.String:
		a = fromMessage(gjson.ParseBytes(raw))
	default:
		return d, false
	}
	if a.name == "" || (a.state != stateAlarm && a.state != stateOK && a.state != stateNone) || !json.Valid(raw) {
		return d, false
	}
	return a.detection(), true
}

// fromEvent reads an event of the bus.
func fromEvent(root gjson.Result) alarm {
	detail := root.Get("detail")
	state, configuration := detail.Get("state"), detail.Get("configuration")
	a := alarm{
		arn: root.Get("resources.0").String(), name: detail.Get("alarmName").String(), account: root.Get("account").String(), region: root.Get("region").String(),
		state: state.Get("value").String(), was: detail.Get("previousState.value").String(), reason: state.Get("reason").String(), at: state.Get("timestamp").String(),
		says: configuration.Get("description").String(), rule: configuration.Get("alarmRule").String(), suppressed: state.Get("actionsSuppressedReason").String(),
	}
	configuration.Get("metrics").ForEach(func(_, m gjson.Result) bool {
		one := metric{
			namespace: m.Get("metricStat.metric.namespace").String(), stat: m.Get("metricStat.stat").String(), expression: m.Get("expression").String(),
			name: cmp.Or(m.Get("metricStat.metric.name").String(), m.Get("metricStat.metric.metricName").String()),
		}
		m.Get("metricStat.metric.dimensions").ForEach(func(k, v gjson.Result) bool {
			one.dimensions = append(one.dimensions, dimension{k.String(), v.String()})
			return true
		})
		a.metrics = append(a.metrics, one)
		return true
	})
	// The reason of a composite alarm names its children by their ARN.
	if data := state.Get("reasonData").String(); a.rule != "" && data != "" {
		a.addChildren(gjson.Get(data, "triggeringAlarms"), "arn", "state.value")
	}
	return a
}

// fromMessage reads the message of a topic.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
func fromMessage(root gjson.Result) alarm {
	trigger := root.Get("Trigger")
	a := alarm{
		arn: root.Get("AlarmArn").String(), name: root.Get("AlarmName").String(), account: root.Get("AWSAccountId").String(),
		region: root.Get("Region").String(), // a name for people, "EU (Ireland)", where the ARN has it right
		state:  root.Get("NewStateValue").String(), was: root.Get("OldStateValue").String(), reason: root.Get("NewStateReason").String(),
		at: root.Get("StateChangeTime").String(), says: root.Get("AlarmDescription").String(), rule: root.Get("AlarmRule").String(),
		suppressed: root.Get("ActionsSuppressedReason").String(), condition: condition(trigger),
	}
	a.addChildren(root.Get("TriggeringChildren"), "Arn", "State.Value")
	read := func(m gjson.Result) {
		one := metric{
			namespace: m.Get("Namespace").String(), name: m.Get("MetricName").String(), expression: m.Get("Expression").String(),
			stat: cmp.Or(m.Get("Stat").String(), m.Get("Statistic").String(), m.Get("ExtendedStatistic").String()),
		}
		if inner := m.Get("MetricStat"); inner.IsObject() {
			one.namespace, one.name, one.stat = inner.Get("Metric.Namespace").String(), inner.Get("Metric.MetricName").String(), inner.Get("Stat").String()
			m = inner.Get("Metric")
		}
		m.Get("Dimensions").ForEach(func(_, v gjson.Result) bool {
			one.dimensions = append(one.dimensions, dimension{v.Get("name").String(), v.Get("value").String()})
			return true
		})
		a.metrics = append(a.metrics, one)
	}
	switch metrics := trigger.Get("Metrics"); {
	case metrics.IsArray():
		metrics.ForEach(func(_, m gjson.Result) bool {
			read(m)
			return true
		})
	case trigger.IsObject():
		read(trigger)
	}
	return a
}

// addChildren notes which alarms of a composite one are in which state.
func (a *alarm) addChildren(all gjson.Result, arn, state string) {
	all.ForEach(func(_, c gjson.Result) bool {
		name := c.Get(arn).String()
		if i := strings.Index(name, ":alarm:"); i >= 0 {
			name = name[i+len(":alarm:"):]
		}
		a.children = append(a.children, strings.TrimSpace(name+" "+c.Get(state).String()))
		return true
	})
}

// comparisons are CloudWatch's operators in signs.
var comparisons = map[string]string{
	"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": "≥", "LessThanThreshold": "<", "LessThanOrEqualToThreshold": "≤",
}

// condition is what a topic's message says of when the alarm goes off:
// "> 90 in 3 of 3 periods of 60 s".
func condition(trigger gjson.Result) string {
	op := trigger.Get("ComparisonOperator").String()
	periods := trigger.Get("EvaluationPeriods").String()
	if op == "" || periods == "" {
		return ""
	}
	text := cmp.Or(comparisons[op], op)
	if limit := trigger.Get("Threshold"); limit.Exists() {
		text += " " + limit.String()
	}
	text += " in " + cmp.Or(trigger.Get("DatapointsToAlarm").String(), periods) + " of " + periods + " periods"
	if period := trigger.Get("Period").String(); period != "" && period != "0" {
		text += " of " + period + " s"
	}
	return text
}

// Limits of what is kept of an alarm's texts, in characters.
const (
	maxName        = 300
	maxHeadline    = 80
	maxDescription = 2000
	maxFact        = 300
)

func (a alarm) detection() tocsin.Detection {
	partition := "aws"
	if p := strings.SplitN(a.arn, ":", 6); len(p) == 6 && p[0] == "arn" && p[2] == "cloudwatch" {
		partition, a.region, a.account = cmp.Or(p[1], partition), cmp.Or(p[3], a.region), cmp.Or(p[4], a.account)
	}
	partition, account, region, name := plain.Line(partition, maxName), plain.Line(a.account, maxName), plain.Line(a.region, maxName), plain.Line(a.name, maxName)
	title := name
	if a.says != "" {
		title += ": " + plain.Prose(a.says, maxName)
	}
	d := tocsin.Detection{
		Key: tocsin.KeyOf(partition, account, region, "alarm", name), Dialect: "cloudwatch", Type: DetailType, ID: cmp.Or(plain.Line(a.arn, maxName), name),
		Level: tocsin.Medium, Title: plain.Cut(title, maxName), Headline: plain.Cut(title, maxHeadline), Description: plain.Prose(a.says, maxDescription),
		Account: account, Region: region, Partition: partition,
		Resource: a.resource(), Facts: a.facts(), Command: command(name, region), Console: console(partition, region, name),
		Documentation: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Alarms.html",
	}
	if at, ok := plain.Instant(a.at); ok {
		d.LastSeen, d.UpdatedAt = at, at
		if a.state == stateAlarm {
			d.FirstSeen = at
		}
	}
	switch a.state {
	case stateOK:
		d.End(tocsin.ReasonRecovered)
	case stateNone:
		d.Intent = tocsin.IntentUpdate
		d.Title, d.Headline = "", "" // it is still what it was about
	}
	return d
}

// resource is what the first metric is of, or the alarm itself.
func (a alarm) resource() tocsin.Resource {
	for _, m := range a.metrics {
		if len(m.dimensions) > 0 {
			return tocsin.Resource{Type: plain.Line(m.dimensions[0].name, maxName), ID: plain.Line(m.dimensions[0].value, maxName)}
		}
	}
	return tocsin.Resource{Type: "Alarm", ID: plain.Line(a.name, maxName)}
}

func (a alarm) facts() []tocsin.Fact {
	var all []tocsin.Fact
	add := func(name, value string) {
		if value = plain.Prose(value, maxFact); value != "" {
			all = append(all, tocsin.Fact{Name: name, Value: value})
		}
	}
	state := a.state
	if a.was != "" {
		state += ", before that " + a.was
	}
	add("State", state)
	add("Why", a.reason)
	for i, m := range a.metrics {
		if i == 3 {
			break
		}
		add("Metric", m.String())
	}
	add("Condition", a.condition)
	add("Made of", a.rule)
	add("Alarms", strings.Join(a.children, ", "))
	add("Actions suppressed", a.suppressed)
	return all
}

// String is "AWS/EC2 CPUUtilization (Average) of InstanceId i-0abc".
func (m metric) String() string {
	if m.name == "" {
		return m.expression
	}
	text := strings.TrimSpace(m.namespace + " " + m.name)
	if m.stat != "" {
		text += " (" + m.stat + ")"
	}
	var of []string
	for _, d := range m.dimensions {
		of = append(of, d.name+" "+d.value)
	}
	if of != nil {
		text += " of " + strings.Join(of, ", ")
	}
	return text
}

// command shows what the alarm did last.
func command(name, region string) string {
	text := "aws cloudwatch describe-alarm-history --max-items 10 --alarm-name=" + quote(name)
	if isRegion(region) {
		text += " --region " + region
	}
	return text
}

// quote is s as one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// isRegion reports whether s may stand in a link or a command as it is.
func isRegion(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[0] != '-'
}

// consoleHosts are where the console is, by partition; the isolated ones have no
// public one.
var consoleHosts = map[string]string{
	"aws": "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com",
}

// console is a link to the alarm, or empty.
func console(partition, region, name string) string {
	host, ok := consoleHosts[partition]
	if !ok || !isRegion(region) {
		return ""
	}
	return "https://" + host + "/cloudwatch/home?region=" + region + "#alarmsV2:alarm/" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// Event is the alarm as rules match it: as EventBridge has it. Of what an alarm
// publishes to SNS it is made, with the fields that say which alarm it is and how it
// stands.
func Event(raw []byte) []byte {
	doc := gjson.ParseBytes(raw)
	if doc.Get("detail-type").Exists() {
		return raw
	}
	arn := strings.SplitN(doc.Get("AlarmArn").String(), ":", 5)
	region := doc.Get("Region").String()
	if len(arn) == 5 {
		region = arn[3]
	}
	event, err := json.Marshal(map[string]any{
		"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change",
		"account": doc.Get("AWSAccountId").String(), "region": region, "resources": []string{doc.Get("AlarmArn").String()},
		"detail": map[string]any{
			"alarmName": doc.Get("AlarmName").String(), "state": map[string]string{"value": doc.Get("NewStateValue").String()},
			"previousState": map[string]string{"value": doc.Get("OldStateValue").String()},
		},
	})
	if err != nil {
		return raw // cannot be: it holds texts alone
	}
	return event
}
