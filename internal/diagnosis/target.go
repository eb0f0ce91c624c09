package diagnosis

import (
	"fmt"
	"strings"
	"time"
)

// target judges where a rule sends findings: that it is there, that it lets EventBridge
// in, and that what cannot be delivered is kept.
func (j *judge) target(r Region, rule Rule, t Target) {
	works := true
	wrong := func(code, fix, says string, args ...any) {
		works = false
		j.say(Broken, code, r.Name, t.ARN, fix, says, args...)
	}
	switch part(t.ARN, 2) {
	case "sqs":
		j.queueTarget(r, rule, t, wrong)
	case "sns":
		j.topicTarget(r, rule, t, wrong)
	case "lambda":
		j.functionTarget(r, rule, t, wrong)
	case "kinesis", "firehose":
		j.streamTarget(r, rule, t, wrong)
	case "events":
		j.eventsTarget(r, rule, t, wrong)
	}
	if t.Transforms {
		j.say(Warning, "transformer", r.Name, t.ARN, "aws events list-targets-by-rule --rule "+rule.Name+onBus(rule)+" --region "+r.Name,
			"rule %s changes findings before it sends them (an input transformer): the description of a finding may hold line breaks, which break it, and what it leaves out is lost; send the matched event as it is", rule.Name)
	}
	if t.DeadLetter == "" {
		j.say(Warning, "no-dead-letter", r.Name, t.ARN, "aws events put-targets --rule "+rule.Name+onBus(rule)+" --region "+r.Name+" --targets Id="+t.ID+",Arn="+t.ARN+",DeadLetterConfig={Arn=QUEUE_ARN}",
			"what rule %s cannot deliver is dropped after a day: give the target a dead-letter queue (keep its other settings: put-targets replaces it whole)", rule.Name)
	} else {
		j.deadLetter(r, rule, t)
	}
	if t.Attempts == 0 || t.Age > 0 && t.Age < time.Hour {
		j.say(Warning, "few-retries", r.Name, t.ARN, "", "rule %s gives up on a delivery after %d attempts or %v: leave its retry policy at AWS's default of 185 in 24 hours", rule.Name, max(t.Attempts, 0), t.Age)
	}
	if works {
		note(&j.reached, t.ARN)
	} else {
		note(&j.broken, t.ARN)
	}
}

func note(set *map[string]bool, arn string) {
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[arn] = true
}

// report says that something does not work.
type report func(code, fix, says string, args ...any)

const eventBridge = "events.amazonaws.com"

func (j *judge) queueTarget(r Region, rule Rule, t Target, wrong report) {
	q, ok := r.Queues[t.ARN]
	if !ok {
		return
	}
	name := part(t.ARN, 5)
	if q.Missing {
		wrong("target-missing", "aws sqs list-queues --region "+r.Name, "rule %s sends to queue %s, which is not there", rule.Name, name)
		return
	}
	j.queuePolicy(r, rule, t.ARN, q, wrong)
	j.key(r, "queue "+name, q.Key, wrong)
	if q.Retention > 0 && q.Retention < 4*24*time.Hour {
		j.say(Warning, "short-retention", r.Name, t.ARN, "aws sqs set-queue-attributes --queue-url "+q.URL+" --attributes MessageRetentionPeriod=1209600 --region "+r.Name,
			"queue %s keeps messages for %v: findings are lost when tocsin is down for longer", name, q.Retention)
	}
	if q.Messages > 10_000 {
		j.say(Warning, "backlog", r.Name, t.ARN, "tocsin source show", "%d messages wait in queue %s: tocsin does not read it, or not fast enough", q.Messages, name)
	}
}

func (j *judge) queuePolicy(r Region, rule Rule, arn string, q Queue, wrong report) {
	j.allowed(r, "queue "+part(arn, 5), q.Policy, request{
		service: eventBridge, action: "sqs:SendMessage", resource: arn,
		context: map[string]string{"aws:SourceArn": rule.ARN, "aws:SourceAccount": j.facts.Caller.Account, "aws:SecureTransport": "true"},
	}, "aws sqs set-queue-attributes --region "+r.Name+" --queue-url "+q.URL+" --attributes file://policy.json", wrong)
}

func (j *judge) deadLetter(r Region, rule Rule, t Target) {
	q, ok := r.Queues[t.DeadLetter]
	if !ok {
		return
	}
	warn := func(code, fix, says string, args ...any) {
		j.say(Warning, "dead-letter-"+code, r.Name, t.DeadLetter, fix, says, args...)
	}
	switch {
	case q.Missing:
		warn("missing", "aws sqs list-queues --region "+r.Name, "the dead-letter queue %s of rule %s is not there: what cannot be delivered is lost", part(t.DeadLetter, 5), rule.Name)
	default:
		j.queuePolicy(r, rule, t.DeadLetter, q, warn)
		if q.Messages > 0 {
			j.say(Warning, "undelivered", r.Name, t.DeadLetter, "", "%d findings that rule %s could not deliver lie in %s: add the queue as a source of tocsin, and nothing is lost", q.Messages, rule.Name, part(t.DeadLetter, 5))
		}
	}
}

func (j *judge) topicTarget(r Region, rule Rule, t Target, wrong report) {
	topic, ok := r.Topics[t.ARN]
	if !ok {
		return
	}
	name := part(t.ARN, 5)
	if topic.Missing {
		wrong("target-missing", "aws sns list-topics --region "+r.Name, "rule %s sends to topic %s, which is not there", rule.Name, name)
		return
	}
	// EventBridge publishes without a source in its context.
	j.allowed(r, "topic "+name, topic.Policy, request{
		service: eventBridge, action: "sns:Publish", resource: t.ARN, context: map[string]string{"aws:SecureTransport": "true"},
	}, "aws sns set-topic-attributes --region "+r.Name+" --topic-arn "+t.ARN+" --attribute-name Policy --attribute-value file://policy.json", wrong)
	j.key(r, "topic "+name, topic.Key, wrong)
	if t.RoleARN != "" {
		j.say(Warning, "needless-role", r.Name, t.ARN, "", "rule %s has a role for topic %s: AWS advises against one where the topic's policy lets EventBridge in", rule.Name, name)
	}
	if topic.SignatureVersion != "2" {
		j.say(Warning, "signature-version", r.Name, t.ARN, "aws sns set-topic-attributes --region "+r.Name+" --topic-arn "+t.ARN+" --attribute-name SignatureVersion --attribute-value 2",
			"topic %s signs with SHA-1 (signature version 1)", name)
	}
	j.subscriptions(r, t.ARN, topic)
}

// subscriptions judges those that lead to a source: over HTTPS, or into its queue.
func (j *judge) subscriptions(r Region, arn string, topic Topic) {
	led := false
	for _, s := range topic.Subscriptions {
		source := j.sourceAt(s)
		if source == "" {
			continue
		}
		led = true
		switch {
		case s.ARN == pending:
			j.say(Broken, "pending", r.Name, arn, "aws sns list-subscriptions-by-topic --topic-arn "+arn+" --region "+r.Name,
				"the subscription of source %s to %s was never confirmed: tocsin has not been reached at its URL, or does not allow the topic; see tocsin source show %s", source, part(arn, 5), source)
			note(&j.broken, arn)
			continue
		case s.FilterPolicy != "":
			j.say(Warning, "filter-policy", r.Name, s.ARN, "aws sns get-subscription-attributes --subscription-arn "+s.ARN+" --region "+r.Name,
				"the subscription of source %s has a filter policy: what it leaves out never arrives, and nobody is told", source)
		}
		if s.DeadLetter == "" {
			j.say(Warning, "no-dead-letter", r.Name, s.ARN, "aws sns set-subscription-attributes --region "+r.Name+" --subscription-arn "+s.ARN+" --attribute-name RedrivePolicy --attribute-value '{\"deadLetterTargetArn\": \"QUEUE_ARN\"}'",
				"what SNS cannot deliver to source %s is dropped: give the subscription a dead-letter queue", source)
		}
		if s.Protocol == "https" && s.Retries < 10 {
			j.say(Warning, "few-retries", r.Name, s.ARN, "tocsin source connect "+source, "SNS gives up on source %s after about a minute, since the subscription has no delivery policy: findings are lost while tocsin starts again", source)
		}
		if s.Protocol == "sqs" {
			note(&j.reached, s.Endpoint)
		}
	}
	if name := j.sourceReads(arn); !led && name != "" {
		j.say(Broken, "not-subscribed", r.Name, arn, "tocsin source connect "+name, "nothing of tocsin's is subscribed to topic %s, which source %s reads", part(arn, 5), name)
		note(&j.broken, arn)
	}
}

// sourceAt names the source at the end of a subscription, or is "".
func (j *judge) sourceAt(s Subscription) string {
	for _, source := range j.facts.Sources {
		if source.URL != "" && strings.HasPrefix(s.Endpoint, source.URL) {
			return source.Name
		}
		for _, arn := range source.ARNs {
			if s.Protocol == "sqs" && like(arn, s.Endpoint) {
				return source.Name
			}
		}
	}
	return ""
}

// sourceReads names the source that reads the topic, or is "".
func (j *judge) sourceReads(arn string) string {
	for _, source := range j.facts.Sources {
		for _, pattern := range source.ARNs {
			if like(pattern, arn) {
				return source.Name
			}
		}
	}
	return ""
}

func (j *judge) functionTarget(r Region, rule Rule, t Target, wrong report) {
	f, ok := r.Functions[t.ARN]
	if !ok {
		return
	}
	name := strings.TrimPrefix(part(t.ARN, 5), "function:")
	if f.Missing {
		wrong("target-missing", "aws lambda list-functions --region "+r.Name, "rule %s invokes function %s, which is not there", rule.Name, name)
		return
	}
	j.allowed(r, "function "+name, f.Policy, request{
		service: eventBridge, action: "lambda:InvokeFunction", resource: t.ARN,
		context: map[string]string{"aws:SourceArn": rule.ARN, "aws:SourceAccount": j.facts.Caller.Account},
	}, fmt.Sprintf("aws lambda add-permission --region %s --function-name %s --statement-id tocsin --action lambda:InvokeFunction --principal events.amazonaws.com --source-arn %s", r.Name, t.ARN, rule.ARN), wrong)
}

func (j *judge) streamTarget(r Region, rule Rule, t Target, wrong report) {
	if t.RoleARN == "" {
		wrong("no-role", "aws events list-targets-by-rule --rule "+rule.Name+onBus(rule)+" --region "+r.Name, "rule %s has no role for %s: EventBridge needs one to write to a stream", rule.Name, part(t.ARN, 5))
	}
	if s, ok := r.Streams[t.ARN]; ok && s.Missing {
		wrong("target-missing", "aws kinesis list-streams --region "+r.Name, "rule %s sends to stream %s, which is not there", rule.Name, part(t.ARN, 5))
	} else if ok && s.Status != "ACTIVE" && s.Status != "UPDATING" {
		wrong("target-inactive", "aws kinesis describe-stream-summary --stream-arn "+t.ARN+" --region "+r.Name, "stream %s is %s", part(t.ARN, 5), s.Status)
	}
}

// eventsTarget judges an API destination, or another bus.
func (j *judge) eventsTarget(r Region, rule Rule, t Target, wrong report) {
	what := part(t.ARN, 5)
	if t.RoleARN == "" {
		wrong("no-role", "aws events list-targets-by-rule --rule "+rule.Name+onBus(rule)+" --region "+r.Name, "rule %s has no role for %s: EventBridge needs one for it", rule.Name, what)
	}
	d, ok := r.Destinations[t.ARN]
	switch {
	case !ok || !strings.HasPrefix(what, "api-destination/"):
	case d.Missing:
		wrong("target-missing", "aws events list-api-destinations --region "+r.Name, "rule %s sends to API destination %s, which is not there", rule.Name, what)
	case d.ConnectionState != "AUTHORIZED" || d.State != "ACTIVE":
		wrong("not-authorized", "aws events list-connections --region "+r.Name, "%s is %s and its connection %s: nothing is sent", what, d.State, d.ConnectionState)
	default:
		for _, s := range j.facts.Sources {
			if s.URL != "" && strings.HasPrefix(d.Endpoint, s.URL) {
				j.say(Good, "reached", r.Name, t.ARN, "", "findings are posted to source %s", s.Name)
			}
		}
	}
}

// allowed judges whether a resource's policy lets EventBridge in.
func (j *judge) allowed(r Region, what, text string, req request, fix string, wrong report) {
	p, err := readPolicy(text)
	if err != nil {
		j.say(Unknown, "policy-unreadable", r.Name, req.resource, "", "the policy of %s cannot be read: %v", what, err)
		return
	}
	o, why := p.judge(req)
	switch o {
	case silent:
		wrong("not-allowed", fix, "the policy of %s does not allow %s to %s: every finding is dropped", what, req.action, req.service)
	case denies:
		wrong("denied", fix, "the policy of %s refuses %s to %s: %s", what, req.action, req.service, why)
	case elsewho:
		wrong("wrong-principal", fix, "the policy of %s allows %s to %s and not to %s, as which EventBridge comes: every finding is dropped", what, req.action, orOthers(why), req.service)
	case never:
		wrong("condition", fix, "the policy of %s allows %s on a condition that does not hold when EventBridge comes (%s): every finding is dropped without an error", what, req.action, why)
	case allows:
	}
}

func orOthers(who string) string {
	if who == "" {
		return "others"
	}
	return who
}

// key judges the KMS key with which a target is encrypted.
func (j *judge) key(r Region, what, id string, wrong report) {
	if id == "" {
		return
	}
	k, ok := r.Keys[id]
	switch {
	case strings.HasPrefix(id, "alias/aws/") || ok && k.AWS:
		wrong("key-of-aws", "aws kms create-key --region "+r.Name, "%s is encrypted with a key that AWS manages (%s), which EventBridge may not use: take a key of your own whose policy allows kms:GenerateDataKey and kms:Decrypt to %s, or SQS's own encryption", what, id, eventBridge)
		return
	case !ok || k.Unknown:
		return
	case k.State != "" && k.State != "Enabled":
		wrong("key-disabled", "aws kms enable-key --region "+r.Name+" --key-id "+id, "%s is encrypted with key %s, which is %s", what, id, k.State)
		return
	}
	for _, action := range []string{"kms:GenerateDataKey", "kms:Decrypt"} {
		failed := false
		j.allowed(r, "key "+id+" of "+what, k.Policy, request{service: eventBridge, action: action, resource: id}, "aws kms get-key-policy --policy-name default --region "+r.Name+" --key-id "+id,
			func(code, fix, says string, args ...any) {
				failed = true
				wrong("key-"+code, fix, says, args...)
			})
		if failed {
			return
		}
	}
}
