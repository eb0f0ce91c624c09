// Package cloudtrail reads what CloudTrail records of calls of AWS's APIs and of
// sign-ins to the console: who did what, to what of ours, from where, and whether it
// worked.
//
// Calls that would blind whoever watches have words of their own: GuardDuty that is
// switched off, a filter that hides findings, a queue that is emptied. Calls that were
// refused are told as attempts.
//
// What the same actor does to the same thing by the same call with the same outcome is
// one alert, which counts; it has no end that AWS would tell of. An insight has one.
//
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
package cloudtrail

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// The detail-types of what comes by way of CloudTrail. Their source is the service
// that was called, "aws.s3".
const (
	APICall      = "AWS API Call via CloudTrail"
	SignIn       = "AWS Console Sign In via CloudTrail"
	ServiceEvent = "AWS Service Event via CloudTrail"
	Insight      = "AWS Insight via CloudTrail"
)

// DetailTypes are all of them.
func DetailTypes() []string { return []string{APICall, SignIn, ServiceEvent, Insight} }

const documentation = "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html"

// A record is what CloudTrail has of one call.
type record struct {
	wording.Event
	service, call      string // "guardduty", "DeleteDetector"
	account, region    string
	partition          string
	who                actor
	ip, from           string // from is whatever CloudTrail gives for where it came from
	failed, reason     string // errorCode and errorMessage
	request, responded gjson.Result
	ours               tocsin.Resource // what of ours it was about
	at                 time.Time
}

// Read puts the event into words; ok is false for anything else. The key of the
// detection is within the rule that wants it: whoever takes it puts the rule's name
// before it.
func Read(raw []byte) (d tocsin.Detection, ok bool) {
	ev, ok := wording.Read(raw)
	if !ok {
		return d, false
	}
	switch ev.DetailType {
	case APICall, SignIn, ServiceEvent, Insight:
	default:
		return d, false
	}
	r := newRecord(ev)
	if r.call == "" && ev.DetailType != Insight {
		return d, false
	}
	if ev.DetailType == Insight {
		return r.insight()
	}
	return r.detection(), true
}

// Brief is where it was done, which takes less.
func Brief(detail gjson.Result) (account, region string) {
	account = wording.First(wording.Account(detail.Get("recipientAccountId")), wording.Account(detail.Get("userIdentity.accountId")))
	return account, wording.Line(detail.Get("awsRegion"))
}

func newRecord(ev wording.Event) record {
	d := ev.Detail
	account, region := Brief(d)
	service, _, _ := strings.Cut(wording.Line(d.Get("eventSource")), ".")
	r := record{
		Event: ev, service: wording.First(service, strings.TrimPrefix(ev.Source, "aws.")), call: wording.Line(d.Get("eventName")),
		account: wording.First(account, ev.Account), region: wording.First(region, ev.Region), who: newActor(d.Get("userIdentity")),
		from: wording.Line(d.Get("sourceIPAddress")), failed: wording.Line(d.Get("errorCode")), reason: wording.Line(d.Get("errorMessage")),
		request: d.Get("requestParameters"), responded: d.Get("responseElements"), at: wording.Time(d.Get("eventTime")),
	}
	if isIP(r.from) {
		r.ip = r.from
	}
	if r.at.IsZero() {
		r.at = ev.Time
	}
	if r.failed == "" && ev.DetailType == SignIn && strings.EqualFold(wording.Line(r.responded.Get("ConsoleLogin")), "failure") {
		r.failed = "Failure"
	}
	if r.failed == "" && r.allUndone() {
		r.failed, r.reason = "nothing was done", wording.First(wording.Line(r.responded.Get("unprocessedAccounts.0.result")), wording.Line(r.responded.Get("failedEntries.0.errorMessage")))
	}
	r.partition = wording.First(wording.ParseARN(r.who.arn).Partition, wording.Partition(r.region))
	r.ours = r.resource()
	return r
}

// isIP tells an address from the name of a service of AWS's.
func isIP(s string) bool {
	return strings.Trim(s, "0123456789abcdefABCDEF:.") == "" && strings.ContainsAny(s, "0123456789") && (strings.Count(s, ".") == 3 || strings.Contains(s, ":"))
}

func (r record) detection() tocsin.Detection {
	b, blinds := r.blinding()
	place := r.region
	if r.DetailType == SignIn {
		place = "signin" // the console has many doors
	}
	if b.ours != "" {
		r.ours = tocsin.Resource{Type: r.service, ID: b.ours}
	}
	d := tocsin.Detection{
		Key: r.key(b, place),
		ID:  wording.First(wording.Line(r.Detail.Get("eventID")), r.ID), Dialect: "cloudtrail", Type: r.DetailType,
		Level: r.level(b), Headline: wording.Headline(r.headline(b)), Title: wording.Title(r.title()),
		Account: r.account, Region: r.region, Partition: r.partition, Resource: r.ours, Actor: tocsin.Actor{IP: r.ip, Principal: wording.Prose(r.who.long, wording.MaxName)},
		Facts: r.facts(b), Command: r.lookup(), Console: r.console(), Documentation: documentation,
		FirstSeen: r.at, LastSeen: r.at, UpdatedAt: r.at,
	}
	if blinds {
		d.Command = wording.First(b.command, d.Command)
		d.Description = b.means
		if r.failed != "" {
			d.Description = "It did not work: nothing is dark by it."
		}
	}
	if r.Account != r.account {
		d.ReportedBy = r.Account
	}
	return d
}

// key is one for the same call by the same actor on the same thing with the same
// outcome. What was tried is not what was done: later attempts would put their words and
// their level in the place of what was done.
func (r record) key(b blinding, place string) tocsin.Key {
	parts := []string{r.partition, r.account, place, "cloudtrail", wording.Identity(r.who.id), r.service + ":" + r.call, wording.Identity(wording.First(b.of, r.ours.ID))}
	if r.failed != "" {
		parts = append(parts, "attempt")
	}
	return tocsin.KeyOf(parts...)
}

// level is what the call means, if that is known; CloudTrail itself does not say how
// bad anything is. An attempt is one less than the deed, and what AWS does by itself two:
// somebody asked it to, and of that there is a call as well.
func (r record) level(b blinding) tocsin.Level {
	worked := r.failed == ""
	switch {
	case r.who.root && worked: // whatever it is that root did
		return max(b.level, tocsin.High)
	case b.level != tocsin.Unknown && r.who.aws:
		return max(b.level-2, tocsin.Low)
	case b.level != tocsin.Unknown && worked:
		return b.level
	case b.level != tocsin.Unknown:
		return max(b.level-1, tocsin.Low)
	case r.DetailType == SignIn && !worked && !r.who.root:
		return tocsin.Low
	}
	return tocsin.Medium
}

func (r record) title() string {
	return wording.Join(" ", r.call, wording.After("of ", r.service)) + wording.After(": ", r.result())
}

// result is "refused (AccessDenied)", or nothing where it worked.
func (r record) result() string {
	switch {
	case r.failed == "":
		return ""
	case r.denied():
		return "refused (" + r.failed + ")"
	}
	return "failed (" + r.failed + ")"
}

func (r record) denied() bool {
	return strings.Contains(r.failed, "Denied") || strings.Contains(r.failed, "Unauthorized") || strings.Contains(r.failed, "Forbidden")
}

// headline is "ana switched …", with what is known of the call, and else what was
// called.
func (r record) headline(b blinding) string {
	who := r.by()
	switch {
	case b.done != "" && r.failed != "":
		if text := b.tried + wording.Paren(r.failed); utf8.RuneCountInString(text) <= wording.MaxHeadline {
			return text
		}
		return b.tried // the facts have it
	case b.done != "":
		return b.done
	case r.DetailType == SignIn:
		return r.signedIn(who)
	case r.DetailType == ServiceEvent:
		return "AWS did " + r.call + wording.After(" on ", wording.Short(r.ours.ID))
	}
	what := wording.Middle(r.call, 34)
	on := wording.After(" on ", wording.Middle(r.ours.ID, 24))
	if r.failed != "" {
		return who + " tried " + what + on + ": " + r.failed
	}
	return who + " called " + what + on
}

func (r record) signedIn(who string) string {
	switch r.call {
	case "ConsoleLogin":
		if r.failed != "" {
			return "sign-in to the console as " + who + " failed" + wording.After(" from ", r.ip)
		}
		if used, known := r.mfa(); known && !used {
			return who + " signed in to the console without MFA" + wording.After(" from ", r.ip)
		}
		return who + " signed in to the console" + wording.After(" from ", r.ip)
	case "SwitchRole":
		return who + " switched roles in the console" + wording.After(" to ", wording.Short(wording.Name(wording.Line(r.Detail.Get("additionalEventData.SwitchTo")))))
	case "PasswordRecoveryRequested", "PasswordRecoveryCompleted", "PasswordUpdated", "EmailUpdated", "CheckMfa":
		return who + ": " + map[string]string{
			"PasswordRecoveryRequested": "a new password was asked for", "PasswordRecoveryCompleted": "the password was reset",
			"PasswordUpdated": "the password was changed", "EmailUpdated": "the email address was changed", "CheckMfa": "MFA was asked for",
		}[r.call]
	}
	return who + ": " + r.call + " at the console" + wording.After(": ", r.failed)
}

// mfa says whether a second factor was used, by the sign-in or by the session.
func (r record) mfa() (used, known bool) {
	if used, known = wording.Truth(r.Detail.Get("additionalEventData.MFAUsed")); known {
		return used, known
	}
	return wording.Truth(r.Detail.Get("userIdentity.sessionContext.attributes.mfaAuthenticated"))
}

func (r record) facts(b blinding) []tocsin.Fact {
	var f wording.Facts
	f.Add("What", wording.Join(", ", wording.Join(" of ", r.call, r.service), wording.First(r.result(), r.loginResult())))
	f.Add("By", r.who.long)
	f.Add("From", r.from)
	if used, known := r.mfa(); known {
		f.Add("MFA", map[bool]string{true: "yes", false: "no"}[used])
	}
	f.Add("Error", r.reason)
	for _, fact := range b.facts {
		f.Add(fact.Name, fact.Value)
	}
	if len(b.facts) == 0 {
		f.Add("On", r.ours.ID)
	}
	f.Add("Agent", wording.Line(r.Detail.Get("userAgent")))
	if r.who.account != "" && r.who.account != r.account {
		f.Add("Actor's account", r.who.account)
	}
	if len(b.facts) == 0 && r.request.IsObject() {
		f.Add("Asked for", r.request.Raw)
	}
	f.Add("Key", wording.Line(r.Detail.Get("userIdentity.accessKeyId")))
	f.Add("Through", wording.Line(r.Detail.Get("vpcEndpointId")))
	f.Add("Event", wording.Line(r.Detail.Get("eventID")))
	return f
}

func (r record) loginResult() string {
	return strings.ToLower(wording.Line(r.responded.Get("ConsoleLogin")))
}

// lookup asks CloudTrail what else was done by whoever it was.
func (r record) lookup() string {
	if key := wording.Line(r.Detail.Get("userIdentity.accessKeyId")); key != "" {
		if s := wording.LookupEvents("AccessKeyId", key, r.region); s != "" {
			return s
		}
	}
	return wording.First(wording.LookupEvents("Username", r.who.name, r.region), wording.LookupEvents("EventName", r.call, r.region))
}

func (r record) console() string {
	id := wording.Line(r.Detail.Get("eventID"))
	if id == "" || strings.Trim(id, "0123456789abcdef-") != "" {
		return wording.Console(r.partition, "cloudtrailv2/home", r.region, "/events")
	}
	return wording.Console(r.partition, "cloudtrailv2/home", r.region, "/events/"+id)
}

// named are the parameters that say what of ours a call is about, the more telling
// ones first; the rest is found by how it ends.
var named = []string{
	"bucketName", "instanceId", "functionName", "userName", "roleName", "groupName", "policyArn", "trailName", "filterName", "keyId", "secretId",
	"dBInstanceIdentifier", "clusterName", "queueUrl", "topicArn", "rule", "name",
}

// resource is what of ours the call was about.
func (r record) resource() tocsin.Resource {
	if r.DetailType == SignIn {
		return tocsin.Resource{Type: "User", ID: r.who.name}
	}
	for _, name := range named {
		if s := wording.Line(wording.Get(r.request, name)); s != "" {
			return tocsin.Resource{Type: r.service, ID: wording.Name(s)}
		}
	}
	if s := wording.Line(wording.At(r.request, "instancesSet", "items").Get("0.instanceId")); s != "" {
		return tocsin.Resource{Type: r.service, ID: s}
	}
	var found tocsin.Resource
	if r.request.IsObject() {
		r.request.ForEach(func(k, v gjson.Result) bool {
			name, value := wording.Line(k), wording.Line(v)
			lower := strings.ToLower(name)
			for _, end := range []string{"name", "id", "arn", "identifier", "url"} {
				if value != "" && strings.HasSuffix(lower, end) && !strings.Contains(lower, "token") {
					found = tocsin.Resource{Type: r.service, ID: wording.Name(value)}
					return lower == "detectorid" // there is one in a region: what else there is says more
				}
			}
			return true
		})
	}
	if found.ID == "" {
		found = tocsin.Resource{Type: r.service, ID: wording.Name(wording.Line(r.Detail.Get("resources.0.ARN")))}
	}
	return found
}

// insight reads an unusual rate of calls or of errors, which has a beginning and an
// end (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-insights-events-with-cloudtrail.html).
func (r record) insight() (d tocsin.Detection, ok bool) {
	in := r.Detail.Get("insightDetails")
	id := wording.First(wording.Line(r.Detail.Get("sharedEventID")), wording.Line(r.Detail.Get("eventID")))
	call := wording.Line(in.Get("eventName"))
	if id == "" || call == "" {
		return d, false
	}
	service, _, _ := strings.Cut(wording.Line(in.Get("eventSource")), ".")
	statistics := in.Get("insightContext.statistics")
	what := "calls of " + call
	if code := wording.Line(in.Get("errorCode")); code != "" {
		what = code + " errors of " + call
	}
	d = tocsin.Detection{
		Key: tocsin.KeyOf(r.partition, r.account, r.region, "cloudtrail-insight", wording.Identity(id)), Dialect: "cloudtrail", Type: r.DetailType, ID: id,
		Level: tocsin.Medium, Headline: wording.Headline("unusually many " + what), Title: wording.Title("Unusual rate: " + what + wording.Paren(service)),
		Account: r.account, Region: r.region, Partition: r.partition, Resource: tocsin.Resource{Type: service, ID: call},
		Command: wording.LookupEvents("EventName", call, r.region), Documentation: "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-insights-events-with-cloudtrail.html",
		Console: wording.Console(r.partition, "cloudtrailv2/home", r.region, "/insights"), Count: 1, FirstSeen: r.at, LastSeen: r.at, UpdatedAt: r.at,
	}
	var f wording.Facts
	f.Add("What", wording.Join(", ", call+wording.After(" of ", service), wording.Sentence(wording.Line(in.Get("insightType")))))
	f.Add("A minute", wording.Join(", usual is ", rate(statistics.Get("insight.average")), rate(statistics.Get("baseline.average"))))
	wording.Each(in.Get("insightContext.attributions"), func(a gjson.Result) bool {
		var values []string
		wording.Each(a.Get("insight"), func(v gjson.Result) bool {
			values = append(values, wording.Line(v.Get("value")))
			return len(values) < 5
		})
		f.Add(words(wording.Line(a.Get("attribute"))), wording.Some(3, values))
		return true
	})
	d.Facts = f
	if strings.EqualFold(wording.Line(in.Get("state")), "end") {
		d.End(tocsin.ReasonRecovered)
	}
	return d, true
}

// words names the attributes of an insight as a fact does.
func words(attribute string) string {
	switch attribute {
	case "userIdentityArn":
		return "By"
	case "userAgent":
		return "Agent"
	case "errorCode":
		return "Error"
	}
	return attribute
}

func rate(v gjson.Result) string {
	if !v.Exists() {
		return ""
	}
	return strconv.FormatFloat(wording.Number(v), 'g', 3, 64)
}
