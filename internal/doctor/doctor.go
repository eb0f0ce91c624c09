// Package doctor reads what of AWS brings findings to tocsin: detectors, rules and
// their targets, policies, keys, subscriptions. It only reads: what is wrong is for
// package diagnosis to say, and for a person to mend.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/diagnosis"
)

// Options say where to look.
type Options struct {
	// Settings are whose credentials are used. Their region is not looked at.
	Settings aws.Settings
	// Regions are those to look at; there is one.
	Regions []string
	// Sources are what findings should come to.
	Sources []diagnosis.Source
	// HTTP is for the requests.
	HTTP *http.Client
	// Progress, if it is not nil, hears of each region that is done.
	Progress func(done, total int)
}

// atOnce is how many regions are read at the same time.
const atOnce = 6

// Examine reads what there is. What could not be read is among the facts; an error
// says that nothing could be.
func Examine(ctx context.Context, o Options) (diagnosis.Facts, error) {
	f := diagnosis.Facts{Sources: o.Sources}
	first, err := o.session(o.Regions[0])
	if err != nil {
		return f, err
	}
	me, err := sts.NewFromConfig(first.Config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return f, first.Refused(ctx, aws.Call{Action: "sts:GetCallerIdentity", Resource: "*"}, err)
	}
	f.Caller = diagnosis.Caller{Account: sdk.ToString(me.Account), ARN: sdk.ToString(me.Arn), Partition: first.Partition}
	examined := make([]*region, len(o.Regions))
	var g errgroup.Group
	g.SetLimit(atOnce)
	done := make(chan struct{}, len(o.Regions))
	for i, name := range o.Regions {
		g.Go(func() error {
			defer func() { done <- struct{}{} }()
			session, err := o.session(name)
			if err != nil {
				return err
			}
			examined[i] = newRegion(session, name)
			examined[i].read(ctx, o.Sources)
			return nil
		})
	}
	for n := range o.Regions {
		<-done
		if o.Progress != nil {
			o.Progress(n+1, len(o.Regions))
		}
	}
	if err := g.Wait(); err != nil {
		return f, err
	}
	for _, r := range examined {
		f.Regions = append(f.Regions, r.Region)
		f.Denied = append(f.Denied, r.denied...)
	}
	return f, ctx.Err()
}

// session reaches a region. What throttles is tried again: nobody else would.
func (o Options) session(region string) (*aws.Session, error) {
	set := o.Settings
	set.Region = region
	s, err := set.Open("doctor", "", "doctor", o.HTTP)
	if err != nil {
		return nil, err
	}
	s.Config.Retryer = nil
	s.Config.RetryMaxAttempts = 4
	return s, nil
}

// A region is one that is read.
type region struct {
	diagnosis.Region
	session *aws.Session
	denied  []diagnosis.Denied
}

func newRegion(s *aws.Session, name string) *region {
	return &region{session: s, Region: diagnosis.Region{
		Name: name, Queues: map[string]diagnosis.Queue{}, Topics: map[string]diagnosis.Topic{}, Streams: map[string]diagnosis.Stream{},
		Functions: map[string]diagnosis.Function{}, Destinations: map[string]diagnosis.Destination{}, Keys: map[string]diagnosis.Key{},
	}}
}

// failed notes what could not be read, and reports whether that is so.
func (r *region) failed(ctx context.Context, action, resource string, err error) bool {
	if err == nil {
		return false
	}
	said := r.session.Refused(ctx, aws.Call{Action: action, Resource: resource}, err)
	refusal, ok := errors.AsType[smithy.APIError](err)
	access := ok && (strings.Contains(refusal.ErrorCode(), "AccessDenied") || strings.Contains(refusal.ErrorCode(), "Unauthorized") || strings.Contains(refusal.ErrorCode(), "AuthorizationError"))
	d := diagnosis.Denied{Region: r.Name, Action: action, Resource: resource, Says: said.Error(), Access: access}
	if !slices.ContainsFunc(r.denied, func(other diagnosis.Denied) bool { return other.Action == action && other.Says == d.Says }) {
		r.denied = append(r.denied, d)
	}
	return true
}

// gone reports whether there is no such resource.
func gone(err error) bool {
	refusal, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	for _, code := range []string{"NotFound", "NonExistentQueue", "QueueDoesNotExist", "ResourceNotFound"} {
		if strings.Contains(refusal.ErrorCode(), code) {
			return true
		}
	}
	return false
}

func (r *region) read(ctx context.Context, sources []diagnosis.Source) {
	r.readDetector(ctx)
	r.readRules(ctx)
	for _, rule := range r.Rules {
		for _, t := range rule.Targets {
			r.readTarget(ctx, t.ARN)
			r.readTarget(ctx, t.DeadLetter)
		}
	}
	for _, s := range sources {
		for _, arn := range s.ARNs {
			if p := strings.SplitN(arn, ":", 6); len(p) == 6 && p[3] == r.Name && !strings.Contains(arn, "*") {
				r.readTarget(ctx, arn)
			}
		}
	}
}

func (r *region) readDetector(ctx context.Context) {
	c := guardduty.NewFromConfig(r.session.Config)
	list, err := c.ListDetectors(ctx, &guardduty.ListDetectorsInput{})
	if r.failed(ctx, "guardduty:ListDetectors", "*", err) {
		return
	}
	r.Looked = true
	if len(list.DetectorIds) == 0 {
		return
	}
	d := &diagnosis.Detector{ID: list.DetectorIds[0], Enabled: true}
	r.Detector = d
	got, err := c.GetDetector(ctx, &guardduty.GetDetectorInput{DetectorId: &d.ID})
	if !r.failed(ctx, "guardduty:GetDetector", "*", err) {
		d.Enabled, d.Frequency = got.Status == "ENABLED", string(got.FindingPublishingFrequency)
	}
	admin, err := c.GetAdministratorAccount(ctx, &guardduty.GetAdministratorAccountInput{DetectorId: &d.ID})
	if !r.failed(ctx, "guardduty:GetAdministratorAccount", "*", err) && admin.Administrator != nil {
		d.Administrator, d.Relationship = sdk.ToString(admin.Administrator.AccountId), sdk.ToString(admin.Administrator.RelationshipStatus)
	}
	exports, err := c.ListPublishingDestinations(ctx, &guardduty.ListPublishingDestinationsInput{DetectorId: &d.ID})
	if r.failed(ctx, "guardduty:ListPublishingDestinations", "*", err) {
		return
	}
	d.Exports = map[string]string{}
	for _, e := range exports.Destinations {
		d.Exports[sdk.ToString(e.DestinationId)] = string(e.Status)
	}
}

func (r *region) readRules(ctx context.Context) {
	c := eventbridge.NewFromConfig(r.session.Config)
	for next := (*string)(nil); ; {
		page, err := c.ListEventBuses(ctx, &eventbridge.ListEventBusesInput{NextToken: next})
		if r.failed(ctx, "events:ListEventBuses", "*", err) {
			break
		}
		for _, b := range page.EventBuses {
			r.Buses = append(r.Buses, diagnosis.Bus{Name: sdk.ToString(b.Name), ARN: sdk.ToString(b.Arn), Policy: sdk.ToString(b.Policy)})
		}
		if next = page.NextToken; next == nil {
			break
		}
	}
	if len(r.Buses) == 0 {
		r.Buses = []diagnosis.Bus{{Name: "default"}}
	}
	for _, b := range r.Buses {
		if !r.readBus(ctx, c, b.Name) {
			return
		}
	}
}

func (r *region) readBus(ctx context.Context, c *eventbridge.Client, bus string) bool {
	var next *string
	for {
		page, err := c.ListRules(ctx, &eventbridge.ListRulesInput{EventBusName: &bus, NextToken: next})
		if r.failed(ctx, "events:ListRules", "*", err) {
			return false
		}
		for _, rule := range page.Rules {
			got := diagnosis.Rule{
				Name: sdk.ToString(rule.Name), ARN: sdk.ToString(rule.Arn), Bus: cmp.Or(sdk.ToString(rule.EventBusName), bus), State: string(rule.State),
				Pattern: sdk.ToString(rule.EventPattern), ManagedBy: sdk.ToString(rule.ManagedBy),
			}
			if got.Pattern != "" {
				r.readTargets(ctx, c, &got)
			}
			r.Rules = append(r.Rules, got)
		}
		if next = page.NextToken; next == nil {
			return true
		}
	}
}

func (r *region) readTargets(ctx context.Context, c *eventbridge.Client, rule *diagnosis.Rule) {
	var targets []types.Target
	for next := (*string)(nil); ; {
		page, err := c.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &rule.Name, EventBusName: &rule.Bus, NextToken: next})
		if r.failed(ctx, "events:ListTargetsByRule", "*", err) {
			return
		}
		targets = append(targets, page.Targets...)
		if next = page.NextToken; next == nil {
			break
		}
	}
	for _, t := range targets {
		got := diagnosis.Target{
			ID: sdk.ToString(t.Id), ARN: sdk.ToString(t.Arn), RoleARN: sdk.ToString(t.RoleArn), Attempts: -1, Age: -1,
			Transforms: t.InputTransformer != nil || t.InputPath != nil || t.Input != nil,
		}
		if t.DeadLetterConfig != nil {
			got.DeadLetter = sdk.ToString(t.DeadLetterConfig.Arn)
		}
		if p := t.RetryPolicy; p != nil {
			if p.MaximumRetryAttempts != nil {
				got.Attempts = int(*p.MaximumRetryAttempts)
			}
			if p.MaximumEventAgeInSeconds != nil {
				got.Age = seconds(int64(*p.MaximumEventAgeInSeconds))
			}
		}
		rule.Targets = append(rule.Targets, got)
	}
}

// readTarget reads what is at an ARN, once.
func (r *region) readTarget(ctx context.Context, arn string) {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 || p[3] != r.Name {
		return
	}
	switch p[2] {
	case "sqs":
		once(r.Queues, arn, func() (diagnosis.Queue, bool) { return r.queue(ctx, arn, p[5]) })
		r.readKey(ctx, r.Queues[arn].Key)
	case "sns":
		once(r.Topics, arn, func() (diagnosis.Topic, bool) { return r.topic(ctx, arn) })
		r.readKey(ctx, r.Topics[arn].Key)
		for _, s := range r.Topics[arn].Subscriptions {
			if s.Protocol == "sqs" {
				r.readTarget(ctx, s.Endpoint)
			}
		}
	case "lambda":
		once(r.Functions, arn, func() (diagnosis.Function, bool) { return r.function(ctx, arn) })
	case "kinesis":
		once(r.Streams, arn, func() (diagnosis.Stream, bool) { return r.stream(ctx, arn) })
	case "events":
		if strings.HasPrefix(p[5], "api-destination/") {
			once(r.Destinations, arn, func() (diagnosis.Destination, bool) { return r.destination(ctx, arn, p[5]) })
		}
	}
}

// once reads what is not known yet. What could not be read stays unknown.
func once[T any](known map[string]T, name string, read func() (T, bool)) {
	if _, ok := known[name]; ok {
		return
	}
	if got, ok := read(); ok {
		known[name] = got
	}
}

func (r *region) queue(ctx context.Context, arn, name string) (diagnosis.Queue, bool) {
	c := sqs.NewFromConfig(r.session.Config)
	url, err := c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name, QueueOwnerAWSAccountId: sdk.String(strings.Split(arn, ":")[4])})
	if gone(err) {
		return diagnosis.Queue{Missing: true}, true
	}
	if r.failed(ctx, "sqs:GetQueueUrl", arn, err) {
		return diagnosis.Queue{}, false
	}
	got, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url.QueueUrl, AttributeNames: everything})
	if r.failed(ctx, "sqs:GetQueueAttributes", arn, err) {
		return diagnosis.Queue{}, false
	}
	a := got.Attributes
	return diagnosis.Queue{
		URL: sdk.ToString(url.QueueUrl), Policy: a["Policy"], Key: a["KmsMasterKeyId"], DeadLetter: deadLetter(a["RedrivePolicy"]),
		Retention: seconds(number(a["MessageRetentionPeriod"])), Visibility: seconds(number(a["VisibilityTimeout"])), Messages: number(a["ApproximateNumberOfMessages"]),
	}, true
}

func (r *region) topic(ctx context.Context, arn string) (diagnosis.Topic, bool) {
	c := sns.NewFromConfig(r.session.Config)
	got, err := c.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
	if gone(err) {
		return diagnosis.Topic{Missing: true}, true
	}
	if r.failed(ctx, "sns:GetTopicAttributes", arn, err) {
		return diagnosis.Topic{}, false
	}
	a := got.Attributes
	t := diagnosis.Topic{Policy: a["Policy"], Key: a["KmsMasterKeyId"], SignatureVersion: cmp.Or(a["SignatureVersion"], "1")}
	var next *string
	for {
		page, err := c.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: &arn, NextToken: next})
		if r.failed(ctx, "sns:ListSubscriptionsByTopic", arn, err) {
			return t, true
		}
		for _, s := range page.Subscriptions {
			t.Subscriptions = append(t.Subscriptions, r.subscription(ctx, c, diagnosis.Subscription{
				ARN: sdk.ToString(s.SubscriptionArn), Protocol: sdk.ToString(s.Protocol), Endpoint: sdk.ToString(s.Endpoint),
			}))
		}
		if next = page.NextToken; sdk.ToString(next) == "" {
			return t, true
		}
	}
}

func (r *region) subscription(ctx context.Context, c *sns.Client, s diagnosis.Subscription) diagnosis.Subscription {
	if !strings.HasPrefix(s.ARN, "arn:") { // PendingConfirmation
		return s
	}
	got, err := c.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &s.ARN})
	if r.failed(ctx, "sns:GetSubscriptionAttributes", s.ARN, err) {
		return s
	}
	a := got.Attributes
	s.Raw, s.DeadLetter, s.FilterPolicy = a["RawMessageDelivery"] == "true", deadLetter(a["RedrivePolicy"]), a["FilterPolicy"]
	s.Retries = retries(cmp.Or(a["DeliveryPolicy"], a["EffectiveDeliveryPolicy"]))
	return s
}

func (r *region) function(ctx context.Context, arn string) (diagnosis.Function, bool) {
	got, err := lambda.NewFromConfig(r.session.Config).GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: &arn})
	if gone(err) { // so is a function that nobody may invoke: it has no policy
		_, there := lambda.NewFromConfig(r.session.Config).GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &arn})
		if r.failed(ctx, "lambda:GetFunctionConfiguration", arn, keepGone(there)) {
			return diagnosis.Function{}, false
		}
		return diagnosis.Function{Missing: gone(there)}, true
	}
	if r.failed(ctx, "lambda:GetPolicy", arn, err) {
		return diagnosis.Function{}, false
	}
	return diagnosis.Function{Policy: sdk.ToString(got.Policy)}, true
}

// keepGone is err unless it says that there is no such thing.
func keepGone(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

func (r *region) stream(ctx context.Context, arn string) (diagnosis.Stream, bool) {
	got, err := kinesis.NewFromConfig(r.session.Config).DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamARN: &arn})
	if gone(err) {
		return diagnosis.Stream{Missing: true}, true
	}
	if r.failed(ctx, "kinesis:DescribeStreamSummary", arn, err) {
		return diagnosis.Stream{}, false
	}
	d := got.StreamDescriptionSummary
	return diagnosis.Stream{Status: string(d.StreamStatus), Key: sdk.ToString(d.KeyId)}, true
}

func (r *region) destination(ctx context.Context, arn, resource string) (diagnosis.Destination, bool) {
	c := eventbridge.NewFromConfig(r.session.Config)
	name := strings.Split(resource, "/")[1]
	got, err := c.DescribeApiDestination(ctx, &eventbridge.DescribeApiDestinationInput{Name: &name})
	if gone(err) {
		return diagnosis.Destination{Missing: true}, true
	}
	if r.failed(ctx, "events:DescribeApiDestination", arn, err) {
		return diagnosis.Destination{}, false
	}
	d := diagnosis.Destination{Endpoint: sdk.ToString(got.InvocationEndpoint), State: string(got.ApiDestinationState), ConnectionState: "AUTHORIZED"}
	if p := strings.Split(sdk.ToString(got.ConnectionArn), "/"); len(p) > 1 {
		connection, err := c.DescribeConnection(ctx, &eventbridge.DescribeConnectionInput{Name: &p[1]})
		if !r.failed(ctx, "events:DescribeConnection", sdk.ToString(got.ConnectionArn), err) {
			d.ConnectionState = string(connection.ConnectionState)
		}
	}
	return d, true
}

func (r *region) readKey(ctx context.Context, id string) {
	if id == "" || strings.HasPrefix(id, "alias/aws/") {
		return
	}
	once(r.Keys, id, func() (diagnosis.Key, bool) {
		c := kms.NewFromConfig(r.session.Config)
		got, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
		if r.failed(ctx, "kms:DescribeKey", id, err) {
			return diagnosis.Key{}, false
		}
		m := got.KeyMetadata
		k := diagnosis.Key{AWS: m.KeyManager == "AWS", State: string(m.KeyState)}
		policy, err := c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: m.KeyId, PolicyName: sdk.String("default")})
		if k.Unknown = r.failed(ctx, "kms:GetKeyPolicy", sdk.ToString(m.Arn), err); !k.Unknown {
			k.Policy = sdk.ToString(policy.Policy)
		}
		return k, true
	})
}
