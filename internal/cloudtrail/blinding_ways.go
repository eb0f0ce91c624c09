package cloudtrail

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
	"github.com/tocsin-sec/tocsin/pattern"
)

// What is only changed, and what may carry anything, is told of by these names. The
// shipped rule has the same; EventBridge allows no more wildcards.
var (
	names   = []string{"*ocsin*", "*uard*uty*", "*finding*"}
	buckets = []string{"*tocsin*", "*guardduty*", "*cloudtrail*"}
)

// like reports whether one of the texts is as one of the names is.
func like(names []string, texts ...string) bool {
	return slices.ContainsFunc(texts, func(t string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return wording.Like(t, n) })
	})
}

// watchful are parts of the names, or of the patterns, of what carries findings.
var watchful = []string{"tocsin", "guardduty", "guard-duty", "security", "finding", "alert", "alarm", "siem", "cloudtrail"}

// carries says how bad it is that something on the way of events is gone: its name or
// pattern tells whether findings go that way. Everybody has rules and queues.
func carries(texts ...string) tocsin.Level {
	for _, t := range texts {
		t = strings.ToLower(t)
		if slices.ContainsFunc(watchful, func(w string) bool { return strings.Contains(t, w) }) {
			return tocsin.High
		}
	}
	return tocsin.Medium
}

// changed is what is told of something on the way of events that is another than it was.
// Whoever builds such things changes them every day: it means nothing here where the name
// does not say that findings go that way.
func (b blinding) changed(texts ...string) blinding {
	if !like(names, texts...) {
		return blinding{}
	}
	b.level, b.means = tocsin.Medium, meansLess
	return b
}

// A way is what an EventBridge call says of its rule.
type way struct{ name, bus, pattern, state string }

func (r record) way() way {
	return way{wording.Name(wording.First(r.text("name"), r.text("rule"))), r.text("eventBusName"), r.text("eventPattern"), r.text("state")}
}

// of is the rule as a part of a key: rules of two buses may have one name.
func (w way) of() string { return wording.Join("/", wording.Name(w.bus), w.name) }

// command shows the rule.
func (w way) command(r record, words, option string) string {
	c := wording.NewCommand(words).Option(option, w.name)
	if w.bus != "" && w.bus != "default" {
		c.Option("--event-bus-name", w.bus)
	}
	return wording.First(c.In(r.region).String(), r.show("aws events list-rules"))
}

func eventRule(did, try string) func(record) blinding {
	return func(r record) blinding {
		w := r.way()
		return blinding{
			done: say("EventBridge rule", wording.Middle(w.name, 26), "was", did, "by", r.by()), tried: say(r.by(), "tried to", try, "the EventBridge rule", wording.Middle(w.name, 22)),
			level: carries(w.name, w.bus, w.pattern), means: meansLost, ours: w.name, of: w.of(),
			facts:   facts("Rule", w.name, "Bus", w.bus, "Pattern", w.pattern, "State", strings.ToLower(w.state)),
			command: w.command(r, "aws events describe-rule", "--name"),
		}
	}
}

// putRule makes a rule or changes it; CloudTrail does not say which, nor what the rule
// was. One that is disabled sends nothing, and one that sends all findings of GuardDuty
// is none the worse for it.
func putRule(r record) blinding {
	w := r.way()
	if strings.EqualFold(w.state, "DISABLED") {
		b := eventRule("disabled", "disable")(r)
		b.of += "/disabled"
		return b
	}
	b := eventRule("changed", "change")(r)
	b.means = meansLess
	if takesAll(w.pattern) {
		b.level, b.means = tocsin.Low, "Its pattern takes all findings of GuardDuty."
		b.of += "/all"
	}
	return b
}

// aFinding is what every finding of GuardDuty's has of what a pattern could ask for
// without leaving one out.
const aFinding = `{"source":"aws.guardduty","detail-type":"GuardDuty Finding"}`

// takesAll reports whether a pattern takes every finding of GuardDuty's.
func takesAll(text string) bool {
	p, err := pattern.Parse([]byte(text))
	if err != nil {
		return false
	}
	narrow := false
	gjson.Parse(text).ForEach(func(field, _ gjson.Result) bool {
		narrow = field.Str != "source" && field.Str != "detail-type"
		return !narrow
	})
	if narrow {
		return false
	}
	all, err := p.Match([]byte(aFinding))
	return all && err == nil
}

// targetIDs are the targets that a call names: "ids" to remove them, "targets" to put
// them.
func (r record) targetIDs() []string {
	if ids := wording.Texts(r.param("ids"), 100); len(ids) > 0 {
		return ids
	}
	var ids []string
	wording.Each(r.param("targets"), func(t gjson.Result) bool {
		ids = append(ids, wording.Line(wording.Get(t, "id")))
		return len(ids) < 100
	})
	return ids
}

// targets are where a rule sends events to. Whether others are left, or were there
// before, CloudTrail does not say.
func targets(did, try string) func(record) blinding {
	return func(r record) blinding {
		w := r.way()
		ids := r.targetIDs()
		n, were := "targets", "were"
		switch len(ids) {
		case 0:
		case 1:
			n, were = "a target", "was"
		default:
			n = wording.Plural(len(ids), "target")
		}
		var arns []string
		wording.Each(r.param("targets"), func(t gjson.Result) bool {
			arns = append(arns, wording.Line(wording.Get(t, "arn")))
			return len(arns) < 20
		})
		b := blinding{
			done: say(n, "of EventBridge rule", wording.Middle(w.name, 22), were, did, "by", r.by()), tried: say(r.by(), "tried to", try, n, "of EventBridge rule", wording.Middle(w.name, 18)),
			level: carries(w.name, w.bus), means: meansLost, ours: w.name, of: w.of(),
			facts:   facts("Rule", w.name, "Bus", w.bus, "Targets", wording.Some(5, ids), "To", wording.Some(3, arns)),
			command: w.command(r, "aws events list-targets-by-rule", "--rule"),
		}
		if did == "changed" {
			return b.changed(r.text("rule"), w.bus)
		}
		return b
	}
}

// eventBus is of the bus itself: it is gone, or another account may not send to it any
// more.
func eventBus(did, try string) func(record) blinding {
	return func(r record) blinding {
		name := wording.First(r.text("eventBusName"), r.text("name"), "default")
		return blinding{
			done: say("event bus", wording.Middle(name, 26), "was", did, "by", r.by()), tried: say(r.by(), "tried to", try, "the event bus", wording.Middle(name, 26)),
			level: tocsin.High, means: meansLost, ours: name, of: wording.Join("/", name, r.text("statementId")),
			facts:   facts("Bus", name, "Statement", r.text("statementId"), "All", r.text("removeAllPermissions")),
			command: wording.NewCommand("aws events describe-event-bus").Option("--name", name).In(r.region).String(),
		}
	}
}

// destination is of what EventBridge sends to a page with.
func destination(kind, did, try string) func(record) blinding {
	return func(r record) blinding {
		name := wording.Name(r.text("name"))
		b := blinding{
			done: say("EventBridge", kind, wording.Middle(name, 22), "was", did, "by", r.by()), tried: say(r.by(), "tried to", try, "EventBridge", kind, wording.Middle(name, 20)),
			level: carries(name), means: meansLost, ours: name, facts: facts("Name", name, "To", r.text("invocationEndpoint"), "State", strings.ToLower(r.text("state"))),
			command: r.show("aws events list-api-destinations"),
		}
		if did == "changed" {
			return b.changed(r.text("name"))
		}
		return b
	}
}

func topic(what, did, try string) func(record) blinding {
	return func(r record) blinding {
		arn := wording.First(r.text("topicArn"), r.text("subscriptionArn"))
		name, _, _ := strings.Cut(wording.ParseARN(arn).Resource, ":") // a subscription: topic:id
		topicARN := arn
		if before, _, ok := strings.Cut(arn, ":"+name+":"); ok && name != "" {
			topicARN = before + ":" + name
		}
		subject := say(what, "SNS topic", wording.Middle(name, 26))
		attribute, to := r.text("attributeName"), r.text("attributeValue")
		b := blinding{
			done: say(subject, "was", did, "by", r.by()), tried: say(r.by(), "tried to", try, subject), level: carries(name), means: meansLost,
			ours: name, of: wording.Join("/", arn, attribute),
			facts:   facts("Topic", name, "ARN", arn, "What of it", attribute, "To", to),
			command: r.shown("aws sns list-subscriptions-by-topic", "--topic-arn", topicARN, "aws sns list-subscriptions"),
		}
		if did == "changed" {
			return b.changed(arn)
		}
		return b
	}
}

func queue(did, try string) func(record) blinding {
	return func(r record) blinding {
		name := r.text("queueUrl")
		name = name[strings.LastIndex(name, "/")+1:]
		var attributes []string
		r.param("attributes").ForEach(func(k, v gjson.Result) bool {
			attributes = append(attributes, wording.Line(k)+": "+wording.First(wording.Line(v), "none"))
			return len(attributes) < 20
		})
		b := blinding{
			done: say("SQS queue", wording.Middle(name, 30), "was", did, "by", r.by()), tried: say(r.by(), "tried to", try, "the SQS queue", wording.Middle(name, 26)), level: carries(name), means: meansLost,
			ours: name, facts: facts("Queue", name, "To", wording.Some(8, attributes)), command: r.shown("aws sqs list-queues", "--queue-name-prefix", name, "aws sqs list-queues"),
		}
		if did == "changed" {
			return b.changed(r.text("queueUrl"))
		}
		return b
	}
}

// carrier is of all else that findings may go by, or be kept in: a stream, a log group, a
// function, a bucket. It means nothing here where the name does not say so.
func carrier(names []string, kind, parameter, did, try, words, option string) func(record) blinding {
	return func(r record) blinding {
		name := wording.Name(r.text(parameter))
		if !like(names, r.text(parameter)) {
			return blinding{}
		}
		b := blinding{
			done: say(kind, wording.Middle(name, 26), "was", did, "by", r.by()), tried: say(r.by(), "tried to", try, kind, wording.Middle(name, 24)), level: tocsin.High, means: meansLost,
			ours: name, of: name, facts: facts("Name", name, "Subscription", r.text("filterName"), "At once", r.text("reservedConcurrentExecutions")),
			command: wording.NewCommand(words).Option(option, name).In(r.region).String(),
		}
		if did == "changed" {
			b.level, b.means = tocsin.Medium, meansLess
			b.facts = append(b.facts, facts("Asked for", r.askedFor())...)
		}
		return b
	}
}

// key is of a key by which a topic, a queue or an export may be encrypted; which, nothing
// of the call says.
func key(did, try string) func(record) blinding {
	return func(r record) blinding {
		id := r.text("keyId")
		return blinding{
			done: say("KMS key", wording.Middle(wording.Name(id), 26), "was", did, "by", r.by()), tried: say(r.by(), "tried to", try, "KMS key", wording.Middle(wording.Name(id), 26)), level: tocsin.Medium,
			means: "What is encrypted with it cannot be sent or read: a topic, a queue or an export that findings go by, if it is theirs.",
			facts: facts("Key", id, "After days", r.text("pendingWindowInDays")), command: r.shown("aws kms describe-key", "--key-id", id, "aws kms list-keys"),
		}
	}
}
