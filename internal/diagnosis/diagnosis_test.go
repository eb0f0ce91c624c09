package diagnosis_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/diagnosis"
)

const (
	admin    = "999988887777"
	queueARN = "arn:aws:sqs:eu-west-1:999988887777:tocsin"
	deadARN  = "arn:aws:sqs:eu-west-1:999988887777:tocsin-undelivered"
	topicARN = "arn:aws:sns:eu-west-1:999988887777:guardduty"
	ruleARN  = "arn:aws:events:eu-west-1:999988887777:rule/tocsin"
	keyARN   = "arn:aws:kms:eu-west-1:999988887777:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	glassARN = "arn:aws:sns:eu-west-1:999988887777:break-glass"
)

func sendPolicy(arn, principal, condition string) string {
	return `{"Version":"2012-10-17","Statement":[{"Sid":"rule","Effect":"Allow","Principal":{"Service":"` + principal + `"},"Action":"sqs:SendMessage","Resource":"` + arn + `"` + condition + `}]}`
}

const ofRule = `,"Condition":{"ArnEquals":{"aws:SourceArn":"` + ruleARN + `"}}`

func queue(arn string) diagnosis.Queue {
	return diagnosis.Queue{
		URL: "https://sqs.eu-west-1.amazonaws.com/999988887777/tocsin", Policy: sendPolicy(arn, "events.amazonaws.com", ofRule), Retention: 14 * 24 * time.Hour,
	}
}

func target(arn string) diagnosis.Target {
	return diagnosis.Target{ID: "tocsin", ARN: arn, DeadLetter: deadARN, Attempts: -1, Age: -1}
}

// healthy is an account in which findings arrive: a rule to a queue that tocsin reads,
// and one that mails Critical findings past it.
func healthy() diagnosis.Facts {
	return diagnosis.Facts{
		Caller:  diagnosis.Caller{Account: admin, ARN: "arn:aws:sts::999988887777:assumed-role/doctor/x", Partition: "aws"},
		Sources: []diagnosis.Source{{Name: "findings", Kind: "sqs", ARNs: []string{queueARN}}},
		Regions: []diagnosis.Region{{
			Name: "eu-west-1", Looked: true,
			Detector: &diagnosis.Detector{ID: "d1", Enabled: true, Frequency: "FIFTEEN_MINUTES"},
			Buses:    []diagnosis.Bus{{Name: "default", ARN: "arn:aws:events:eu-west-1:999988887777:event-bus/default"}},
			Rules: []diagnosis.Rule{
				{Name: "tocsin", ARN: ruleARN, Bus: "default", State: "ENABLED", Pattern: `{"source":["aws.guardduty"]}`, Targets: []diagnosis.Target{target(queueARN)}},
				{
					Name: "break-glass", ARN: "arn:aws:events:eu-west-1:999988887777:rule/break-glass", Bus: "default", State: "ENABLED",
					Pattern: `{"source":["aws.guardduty"],"detail":{"severity":[{"numeric":[">=",9]}]}}`, Targets: []diagnosis.Target{target(glassARN)},
				},
			},
			Queues: map[string]diagnosis.Queue{queueARN: queue(queueARN), deadARN: queue(deadARN)},
			Topics: map[string]diagnosis.Topic{glassARN: {Subscriptions: []diagnosis.Subscription{{ARN: glassARN + ":1", Protocol: "email", Endpoint: "soc@example.com"}}}},
			Keys: map[string]diagnosis.Key{keyARN: {
				State:  "Enabled",
				Policy: `{"Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":["kms:GenerateDataKey*","kms:Decrypt"],"Resource":"*"}}`,
			}},
		}},
	}
}

// byTopic is the same by a topic that a source is subscribed to over HTTPS.
func byTopic() diagnosis.Facts {
	f := healthy()
	f.Sources = []diagnosis.Source{{Name: "org", Kind: "sns", ARNs: []string{"arn:aws:sns:*:999988887777:guardduty"}, URL: "https://tocsin.example.com/in/org"}}
	r := &f.Regions[0]
	r.Rules[0].Targets = []diagnosis.Target{target(topicARN)}
	r.Topics[topicARN] = diagnosis.Topic{
		Policy: `{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sns:Publish","Resource":"` + topicARN + `"}]}`, SignatureVersion: "2",
		Subscriptions: []diagnosis.Subscription{{ARN: topicARN + ":1", Protocol: "https", Endpoint: "https://tocsin.example.com/in/org/token", DeadLetter: deadARN, Retries: 50}},
	}
	return f
}

func bad(f diagnosis.Facts) (codes []string) {
	for _, r := range diagnosis.Judge(f) {
		if r.Weight != diagnosis.Good {
			codes = append(codes, string(r.Weight)+" "+r.Code)
		}
	}
	slices.Sort(codes)
	return codes
}

func TestNothingIsWrongWithAHealthyAccount(t *testing.T) {
	t.Parallel()
	// Each rule that sends to a queue has a statement of its own.
	shared := healthy()
	q := shared.Regions[0].Queues[queueARN]
	_, another, _ := strings.Cut(strings.ReplaceAll(q.Policy, ruleARN, ruleARN+"-of-another"), "[")
	q.Policy = strings.TrimSuffix(q.Policy, "]}") + "," + another
	shared.Regions[0].Queues[queueARN] = q
	for name, f := range map[string]diagnosis.Facts{"by a queue": healthy(), "by a topic": byTopic(), "by a queue of several rules": shared} {
		if codes := bad(f); codes != nil {
			t.Errorf("%s: %q", name, codes)
		}
		if !slices.ContainsFunc(diagnosis.Judge(f), func(r diagnosis.Remark) bool { return r.Code == "reached" }) {
			t.Errorf("%s: nobody says that findings are sent to the source", name)
		}
	}
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	queueOf := func(change func(*diagnosis.Queue)) func(*diagnosis.Facts) {
		return func(f *diagnosis.Facts) {
			q := f.Regions[0].Queues[queueARN]
			change(&q)
			f.Regions[0].Queues[queueARN] = q
		}
	}
	rule := func(change func(*diagnosis.Rule)) func(*diagnosis.Facts) {
		return func(f *diagnosis.Facts) { change(&f.Regions[0].Rules[0]) }
	}
	for _, tt := range []struct {
		name   string
		change func(*diagnosis.Facts)
		want   []string
		says   string // part of what is said of the first
		fix    string // part of its command
	}{
		{"there is no rule", func(f *diagnosis.Facts) { f.Regions[0].Rules = f.Regions[0].Rules[1:] }, []string{"broken no-rule", "broken nothing-sends"}, "takes GuardDuty's findings off the bus", "put-rule"},
		{"the rule is disabled", rule(func(r *diagnosis.Rule) { r.State = "DISABLED" }), []string{"broken no-rule", "broken nothing-sends", "broken rule-disabled"}, "", ""},
		{"the rule has no target", rule(func(r *diagnosis.Rule) { r.Targets = nil }), []string{"broken no-target", "broken nothing-sends"}, "", ""},
		{
			"the pattern ends at 8.9",
			rule(func(r *diagnosis.Rule) {
				r.Pattern = `{"source":["aws.guardduty"],"detail-type":["GuardDuty Finding"],"detail":{"severity":[4,4.0,5,6.9,7,8,8.9]}}`
			}),
			[]string{"broken rule-misses"},
			"leaves out Critical findings", "describe-rule",
		},
		{
			"the pattern has an empty source",
			rule(func(r *diagnosis.Rule) {
				r.Pattern = `{"source":[""],"detail-type":["GuardDuty Finding"],"detail":{"severity":[8]}}`
			}),
			[]string{"broken no-rule", "broken nothing-sends", "broken rule-never-matches"},
			"", "",
		},
		{"another service's rule does not count", rule(func(r *diagnosis.Rule) { r.ManagedBy = "securityhub.amazonaws.com" }), []string{"broken no-rule", "broken nothing-sends"}, "", ""},
		{"the rule sends elsewhere", rule(func(r *diagnosis.Rule) { r.Targets[0].ARN = "arn:aws:sqs:eu-west-1:999988887777:other" }), []string{"broken nothing-sends"}, "reads", "list-rule-names-by-target"},
		{"there is no policy", queueOf(func(q *diagnosis.Queue) { q.Policy = "" }), []string{"broken not-allowed"}, "does not allow sqs:SendMessage to events.amazonaws.com", "set-queue-attributes"},
		{"the principal is CloudWatch", queueOf(func(q *diagnosis.Queue) { q.Policy = sendPolicy(queueARN, "cloudwatch.amazonaws.com", "") }), []string{"broken wrong-principal"}, "to cloudwatch.amazonaws.com and not to events.amazonaws.com", ""},
		{
			"the policy is for another rule",
			queueOf(func(q *diagnosis.Queue) {
				q.Policy = sendPolicy(queueARN, "events.amazonaws.com", strings.ReplaceAll(ofRule, "rule/tocsin", "rule/older"))
			}),
			[]string{"broken condition"},
			"ArnEquals of aws:SourceArn", "",
		},
		{
			"somebody else is refused as well",
			queueOf(func(q *diagnosis.Queue) {
				q.Policy = `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"},{"Sid":"no","Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}`
			}),
			[]string{"broken denied"},
			"statement no denies it", "",
		},
		{
			"only plain connections are refused",
			queueOf(func(q *diagnosis.Queue) {
				q.Policy = strings.TrimSuffix(sendPolicy(queueARN, "events.amazonaws.com", ofRule), "]}") + `,{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
			}), nil, "", "",
		},
		{"the queue is not there", queueOf(func(q *diagnosis.Queue) { *q = diagnosis.Queue{Missing: true} }), []string{"broken target-missing"}, "", ""},
		{"the queue has AWS's key", queueOf(func(q *diagnosis.Queue) { q.Key = "alias/aws/sqs" }), []string{"broken key-of-aws"}, "EventBridge may not use", ""},
		{"the queue has a key of its own", queueOf(func(q *diagnosis.Queue) { q.Key = keyARN }), nil, "", ""},
		{
			"the key does not let EventBridge",
			func(f *diagnosis.Facts) {
				queueOf(func(q *diagnosis.Queue) { q.Key = keyARN })(f)
				f.Regions[0].Keys[keyARN] = diagnosis.Key{Policy: `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999988887777:root"},"Action":"kms:*","Resource":"*"}]}`}
			},
			[]string{"broken key-wrong-principal"},
			"kms:GenerateDataKey", "get-key-policy",
		},
		{
			"the key is disabled",
			func(f *diagnosis.Facts) {
				queueOf(func(q *diagnosis.Queue) { q.Key = keyARN })(f)
				f.Regions[0].Keys[keyARN] = diagnosis.Key{State: "PendingDeletion"}
			},
			[]string{"broken key-disabled"},
			"", "",
		},
		{"messages are kept an hour", queueOf(func(q *diagnosis.Queue) { q.Retention = time.Hour }), []string{"warning short-retention"}, "", "1209600"},
		{"messages pile up", queueOf(func(q *diagnosis.Queue) { q.Messages = 40_000 }), []string{"warning backlog"}, "", ""},
		{"there is no dead-letter queue", rule(func(r *diagnosis.Rule) { r.Targets[0].DeadLetter = "" }), []string{"warning no-dead-letter"}, "", "DeadLetterConfig"},
		{
			"the dead-letter queue lets nobody in",
			func(f *diagnosis.Facts) { f.Regions[0].Queues[deadARN] = diagnosis.Queue{} },
			[]string{"warning dead-letter-not-allowed"},
			"", "",
		},
		{
			"findings lie in the dead-letter queue",
			func(f *diagnosis.Facts) {
				f.Regions[0].Rules = f.Regions[0].Rules[:1]
				q := f.Regions[0].Queues[deadARN]
				q.Messages = 3
				f.Regions[0].Queues[deadARN] = q
			},
			[]string{"warning no-break-glass", "warning undelivered"},
			"", "",
		},
		{"the rule does not try again", rule(func(r *diagnosis.Rule) { r.Targets[0].Attempts = 0 }), []string{"warning few-retries"}, "", ""},
		{"the rule changes events", rule(func(r *diagnosis.Rule) { r.Targets[0].Transforms = true }), []string{"warning transformer"}, "", ""},
		{"GuardDuty is off", func(f *diagnosis.Facts) { f.Regions[0].Detector = nil }, []string{"broken no-detector"}, "", "create-detector"},
		{"GuardDuty could not be asked", func(f *diagnosis.Facts) { f.Regions[0].Detector, f.Regions[0].Looked = nil, false }, nil, "", ""},
		{"GuardDuty is suspended", func(f *diagnosis.Facts) { f.Regions[0].Detector.Enabled = false }, []string{"broken detector-disabled"}, "", "update-detector"},
		{"updates come every six hours", func(f *diagnosis.Facts) { f.Regions[0].Detector.Frequency = "SIX_HOURS" }, []string{"warning six-hours"}, "", "FIFTEEN_MINUTES"},
		{"the account is a member", func(f *diagnosis.Facts) { f.Regions[0].Detector.Administrator = "111122223333" }, []string{"warning member-not-administrator"}, "account 111122223333 administers", ""},
		{"the credentials are another account's", func(f *diagnosis.Facts) { f.Caller.Account = "111122223333" }, []string{"broken wrong-account"}, "ask with credentials of 999988887777", "get-caller-identity"},
		{
			"the bus is open to the world",
			func(f *diagnosis.Facts) {
				f.Regions[0].Buses[0].Policy = `{"Statement":[{"Sid":"all","Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"*"}]}`
			},
			[]string{"warning bus-open"},
			"aws:PrincipalOrgID", "remove-permission",
		},
		{
			"the bus is open to the organisation",
			func(f *diagnosis.Facts) {
				f.Regions[0].Buses[0].Policy = `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-abcdefghij"}}}]}`
			}, nil, "", "",
		},
		{"an export does not work", func(f *diagnosis.Facts) {
			f.Regions[0].Detector.Exports = map[string]string{"arn:aws:s3:::findings": "UNABLE_TO_PUBLISH_FIX_DESTINATION_PROPERTY"}
		}, []string{"warning export-broken"}, "", ""},
		{"nobody is mailed past tocsin", func(f *diagnosis.Facts) { f.Regions[0].Rules = f.Regions[0].Rules[:1] }, []string{"warning no-break-glass"}, "", "break-glass"},
		{"something is denied", func(f *diagnosis.Facts) {
			f.Denied = []diagnosis.Denied{{Region: "eu-west-1", Action: "kms:GetKeyPolicy", Resource: keyARN, Says: "403", Access: true}}
		}, []string{"unknown not-looked-at"}, "does not allow kms:GetKeyPolicy", "--policy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := healthy()
			tt.change(&f)
			check(t, f, tt.want, tt.says, tt.fix)
		})
	}
}

func TestWhatIsWrongWithATopicIsNamed(t *testing.T) {
	t.Parallel()
	topic := func(change func(*diagnosis.Topic)) func(*diagnosis.Facts) {
		return func(f *diagnosis.Facts) {
			topic := f.Regions[0].Topics[topicARN]
			change(&topic)
			f.Regions[0].Topics[topicARN] = topic
		}
	}
	subscription := func(change func(*diagnosis.Subscription)) func(*diagnosis.Facts) {
		return topic(func(topic *diagnosis.Topic) { change(&topic.Subscriptions[0]) })
	}
	for _, tt := range []struct {
		name   string
		change func(*diagnosis.Facts)
		want   []string
		says   string
	}{
		{
			"the policy has a condition", topic(func(topic *diagnosis.Topic) {
				topic.Policy = `{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sns:Publish","Resource":"` + topicARN + `","Condition":{"ArnEquals":{"aws:SourceArn":"` + ruleARN + `"}}}]}`
			}), []string{"broken condition"}, "on a condition that does not hold",
		},
		{"it is AWS's default policy, for its owner alone", topic(func(topic *diagnosis.Topic) {
			topic.Policy = `{"Statement":[{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:Publish","SNS:Subscribe"],"Resource":"` + topicARN + `","Condition":{"StringEquals":{"AWS:SourceOwner":"999988887777"}}}]}`
		}), []string{"broken condition"}, "StringEquals of AWS:SourceOwner"},
		{"it has SNS's own key", topic(func(topic *diagnosis.Topic) { topic.Key = "alias/aws/sns" }), []string{"broken key-of-aws"}, ""},
		{"it signs with SHA-1", topic(func(topic *diagnosis.Topic) { topic.SignatureVersion = "1" }), []string{"warning signature-version"}, ""},
		{"the subscription is pending", subscription(func(s *diagnosis.Subscription) { s.ARN = "PendingConfirmation" }), []string{"broken pending"}, "never confirmed"},
		{"nothing is subscribed", topic(func(topic *diagnosis.Topic) { topic.Subscriptions = nil }), []string{"broken not-subscribed"}, ""},
		{"SNS gives up after a minute", subscription(func(s *diagnosis.Subscription) { s.Retries = 3 }), []string{"warning few-retries"}, ""},
		{"what SNS cannot deliver is dropped", subscription(func(s *diagnosis.Subscription) { s.DeadLetter = "" }), []string{"warning no-dead-letter"}, ""},
		{"a filter leaves things out", subscription(func(s *diagnosis.Subscription) { s.FilterPolicy = `{"severity":["8"]}` }), []string{"warning filter-policy"}, ""},
		{"the target has a role", func(f *diagnosis.Facts) {
			f.Regions[0].Rules[0].Targets[0].RoleARN = "arn:aws:iam::999988887777:role/x"
		}, []string{"warning needless-role"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := byTopic()
			tt.change(&f)
			check(t, f, tt.want, tt.says, "")
		})
	}
}

func TestWhatIsWrongWithOtherTargetsIsNamed(t *testing.T) {
	t.Parallel()
	const (
		function    = "arn:aws:lambda:eu-west-1:999988887777:function:tocsin"
		stream      = "arn:aws:kinesis:eu-west-1:999988887777:stream/tocsin"
		destination = "arn:aws:events:eu-west-1:999988887777:api-destination/tocsin/1"
		role        = "arn:aws:iam::999988887777:role/events"
		invoke      = `{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + function + `","Condition":{"ArnLike":{"AWS:SourceArn":"` + ruleARN + `"}}}]}`
	)
	for _, tt := range []struct {
		name, arn, role string
		change          func(*diagnosis.Region)
		want            []string
	}{
		{"a function that lets the rule in", function, "", func(r *diagnosis.Region) { r.Functions = map[string]diagnosis.Function{function: {Policy: invoke}} }, nil},
		{"a function that lets CloudWatch in", function, "", func(r *diagnosis.Region) {
			r.Functions = map[string]diagnosis.Function{function: {Policy: strings.ReplaceAll(invoke, "events.amazonaws.com", "cloudwatch.amazonaws.com")}}
		}, []string{"broken wrong-principal"}},
		{"a stream without a role", stream, "", func(*diagnosis.Region) {}, []string{"broken no-role"}},
		{"a stream", stream, role, func(r *diagnosis.Region) { r.Streams = map[string]diagnosis.Stream{stream: {Status: "ACTIVE"}} }, nil},
		{"a stream that is being deleted", stream, role, func(r *diagnosis.Region) { r.Streams = map[string]diagnosis.Stream{stream: {Status: "DELETING"}} }, []string{"broken target-inactive"}},
		{"an API destination", destination, role, func(r *diagnosis.Region) {
			r.Destinations = map[string]diagnosis.Destination{destination: {State: "ACTIVE", ConnectionState: "AUTHORIZED"}}
		}, nil},
		{"an API destination that is not authorised", destination, role, func(r *diagnosis.Region) {
			r.Destinations = map[string]diagnosis.Destination{destination: {State: "ACTIVE", ConnectionState: "DEAUTHORIZED"}}
		}, []string{"broken not-authorized"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := healthy()
			f.Sources = nil
			aim := target(tt.arn)
			aim.RoleARN = tt.role
			f.Regions[0].Rules[0].Targets = []diagnosis.Target{aim}
			f.Regions[0].Queues = maps.Clone(f.Regions[0].Queues)
			tt.change(&f.Regions[0])
			check(t, f, tt.want, "", "")
		})
	}
}

func check(t *testing.T, f diagnosis.Facts, want []string, says, fix string) {
	t.Helper()
	if diff := cmp.Diff(want, bad(f)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	some := says == "" && fix == ""
	for _, r := range diagnosis.Judge(f) {
		if strings.Contains(r.Fix, "<") || strings.Contains(r.Says, "%!") {
			t.Errorf("%s: %s; %s", r.Code, r.Says, r.Fix)
		}
		some = some || r.Weight != diagnosis.Good && strings.Contains(r.Says, says) && strings.Contains(r.Fix, fix)
	}
	if !some {
		t.Errorf("nothing says %q with %q: %+v", says, fix, diagnosis.Judge(f))
	}
}
