package eventbridge_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	api "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/eventbridge"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const region = "eu-west-1"

func open(c eventbridge.Config, env collect.Env) (collect.Collector, error) {
	return eventbridge.Kind.Open(func(into any) error {
		*into.(*eventbridge.Config) = c
		return nil
	}, env)
}

// signed is a call of the API as SDKs make it.
func signed(url, target string, body []byte, at time.Time) (*http.Request, error) {
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", target)
	sum := sha256.Sum256(body)
	who := sdk.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: collecttest.Token}
	return r, v4.NewSigner().SignHTTP(context.Background(), who, r, hex.EncodeToString(sum[:]), "events", region, at)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	collecttest.Run(t, collecttest.Harness{
		Source: "bus", Via: "eventbridge",
		Start: collecttest.HTTP("bus",
			func(env collect.Env) (collect.Collector, error) { return open(eventbridge.Config{}, env) },
			func(url string, body []byte) (*http.Request, error) {
				var entries []map[string]string
				for p := range collect.Pieces(body) {
					entries = append(entries, map[string]string{"Source": "my.app", "DetailType": "test", "Detail": string(p.Raw)})
				}
				call, err := json.Marshal(map[string]any{"Entries": entries})
				if err != nil {
					return nil, err
				}
				return signed(url+"/in/bus", "AWSEvents.PutEvents", call, time.Now())
			}),
		// What is put is the detail of an event.
		Kept: func(sent, kept []byte) bool { return gjson.GetBytes(kept, "detail").Raw == string(sent) },
	})
}

// journal is a sink that keeps what it got.
type journal struct {
	mu     sync.Mutex
	events []tocsin.Event
	err    error
}

func (j *journal) take(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return nil, j.err
	}
	for _, ev := range events {
		ev.Raw = bytes.Clone(ev.Raw)
		j.events = append(j.events, ev)
	}
	return make([]tocsin.Receipt, len(events)), nil
}

func (j *journal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err = err
}

// taken gives what came since it was last asked.
func (j *journal) taken() []tocsin.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	events := j.events
	j.events = nil
	return events
}

// bus is a source that runs behind a server, and the SDK's client for it.
type bus struct {
	*api.Client
	*journal
	handler http.Handler
	source  collect.Collector
	env     collect.Env
	stop    func() error
}

func running(t *testing.T, c eventbridge.Config, state collect.State) *bus {
	t.Helper()
	b := &bus{journal: &journal{}}
	b.env = collecttest.Env("bus", &b.handler)
	if state != nil {
		b.env.State = state
	}
	source, err := open(c, b.env)
	if err != nil {
		t.Fatal(err)
	}
	b.source = source
	b.stop = collecttest.Begin(t, source, b.take)
	server := httptest.NewServer(b.handler)
	t.Cleanup(server.Close)
	b.Client = client(server.URL+"/in/bus", collecttest.Token)
	return b
}

// client is AWS's own, pointed at url. It makes each call once.
func client(url, secretKey string) *api.Client {
	return api.New(api.Options{
		Region: region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", secretKey, ""),
		RetryMaxAttempts: 1,
	})
}

// refused checks what a call was refused with.
func refused(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || e.ErrorMessage() != message {
		t.Errorf("%s: %v, want %s: %s", what, err, code, message)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (b *bus) putRule(t *testing.T, name, pattern string) {
	t.Helper()
	must[*api.PutRuleOutput](t)(b.PutRule(t.Context(), &api.PutRuleInput{Name: &name, EventPattern: &pattern}))
}

// put puts an event of a source, and gives it as the sink got it.
func (b *bus) put(t *testing.T, source string) tocsin.Event {
	t.Helper()
	b.taken()
	out := must[*api.PutEventsOutput](t)(b.PutEvents(t.Context(), &api.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Source: &source, DetailType: new("test"), Detail: new(`{"a":1}`)}}}))
	events := b.taken()
	if out.FailedEntryCount != 0 || len(events) != 1 || out.Entries[0].EventId == nil || *out.Entries[0].EventId != events[0].Envelope {
		t.Fatalf("PutEvents = %+v, events %+v", out, events)
	}
	return events[0]
}

func TestTheLifeOfARule(t *testing.T) {
	t.Parallel()
	b, ctx := running(t, eventbridge.Config{Account: "111122223333"}, nil), t.Context()
	const pattern, arn = `{"source":["aws.guardduty"]}`, "arn:aws:events:eu-west-1:111122223333:rule/Test"
	out := must[*api.PutRuleOutput](t)(b.PutRule(ctx, &api.PutRuleInput{
		Name: new("Test"), EventPattern: new(pattern), Description: new("all of <GuardDuty>"), RoleArn: new("arn:aws:iam::111122223333:role/r"),
		Tags: []types.Tag{{Key: new("team"), Value: new("soc")}},
	}))
	if *out.RuleArn != arn {
		t.Errorf("RuleArn %s, want %s", *out.RuleArn, arn)
	}
	described := must[*api.DescribeRuleOutput](t)(b.DescribeRule(ctx, &api.DescribeRuleInput{Name: new("Test")}))
	if *described.Arn != arn || *described.EventPattern != pattern || described.State != types.RuleStateEnabled || *described.Description != "all of <GuardDuty>" ||
		*described.RoleArn != "arn:aws:iam::111122223333:role/r" || *described.EventBusName != "default" || *described.CreatedBy != "111122223333" || described.ScheduleExpression != nil {
		t.Errorf("DescribeRule = %+v", described)
	}

	function := types.Target{Id: new("1"), Arn: new("arn:aws:lambda:us-east-1:111122223333:function:my-function"), RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: new(int32(0))}}
	queue := types.Target{
		Id: new("2"), Arn: new("arn:aws:sqs:us-east-1:111122223333:q"), InputTransformer: &types.InputTransformer{InputPathsMap: map[string]string{"a": "$.detail.a"}, InputTemplate: new(`"<a>"`)},
		DeadLetterConfig: &types.DeadLetterConfig{Arn: new("arn:aws:sqs:us-east-1:111122223333:dead")}, SqsParameters: &types.SqsParameters{MessageGroupId: new("g")},
	}
	put := must[*api.PutTargetsOutput](t)(b.PutTargets(ctx, &api.PutTargetsInput{Rule: new("Test"), Targets: []types.Target{queue, function}}))
	if put.FailedEntryCount != 0 {
		t.Errorf("PutTargets = %+v", put)
	}
	// A rule that is put again keeps its targets and tags.
	must[*api.PutRuleOutput](t)(b.PutRule(ctx, &api.PutRuleInput{Name: new("Test"), EventPattern: new(pattern), State: types.RuleStateDisabled, Tags: []types.Tag{{Key: new("new"), Value: new("")}}}))
	targets := must[*api.ListTargetsByRuleOutput](t)(b.ListTargetsByRule(ctx, &api.ListTargetsByRuleInput{Rule: new("Test")}))
	if diff := cmp.Diff([]types.Target{function, queue}, targets.Targets, ignoreUnexported); diff != "" || targets.NextToken != nil {
		t.Errorf("ListTargetsByRule (-want +got):\n%s", diff)
	}
	names := must[*api.ListRuleNamesByTargetOutput](t)(b.ListRuleNamesByTarget(ctx, &api.ListRuleNamesByTargetInput{TargetArn: queue.Arn}))
	if diff := cmp.Diff([]string{"Test"}, names.RuleNames); diff != "" {
		t.Errorf("ListRuleNamesByTarget (-want +got):\n%s", diff)
	}
	rules := must[*api.ListRulesOutput](t)(b.ListRules(ctx, &api.ListRulesInput{}))
	want := []types.Rule{{Name: new("Test"), Arn: new(arn), EventBusName: new("default"), EventPattern: new(pattern), State: types.RuleStateDisabled}}
	if diff := cmp.Diff(want, rules.Rules, ignoreUnexported); diff != "" {
		t.Errorf("ListRules (-want +got):\n%s", diff)
	}
	must[*api.EnableRuleOutput](t)(b.EnableRule(ctx, &api.EnableRuleInput{Name: new("Test"), EventBusName: new("arn:aws:events:eu-west-1:111122223333:event-bus/default")}))
	if d := must[*api.DescribeRuleOutput](t)(b.DescribeRule(ctx, &api.DescribeRuleInput{Name: new("Test")})); d.State != types.RuleStateEnabled {
		t.Errorf("after EnableRule it is %s", d.State)
	}

	_, err := b.DeleteRule(ctx, &api.DeleteRuleInput{Name: new("Test")})
	refused(t, "DeleteRule with targets", err, "ValidationException", "Rule can't be deleted since it has targets.")
	removed := must[*api.RemoveTargetsOutput](t)(b.RemoveTargets(ctx, &api.RemoveTargetsInput{Rule: new("Test"), Ids: []string{"1", "2", "3"}}))
	if removed.FailedEntryCount != 1 || *removed.FailedEntries[0].TargetId != "3" || *removed.FailedEntries[0].ErrorCode != "ResourceNotFoundException" {
		t.Errorf("RemoveTargets = %+v", removed)
	}
	for range 2 { // that it is gone already is no mistake
		must[*api.DeleteRuleOutput](t)(b.DeleteRule(ctx, &api.DeleteRuleInput{Name: new("Test")}))
	}
	_, err = b.DescribeRule(ctx, &api.DescribeRuleInput{Name: new("Test")})
	refused(t, "DescribeRule after DeleteRule", err, "ResourceNotFoundException", "Rule Test does not exist on EventBus default.")
}

var ignoreUnexported = cmp.FilterPath(func(path cmp.Path) bool {
	f, ok := path.Last().(cmp.StructField)
	return ok && f.Name() == "noSmithyDocumentSerde"
}, cmp.Ignore())

func TestTags(t *testing.T) {
	t.Parallel()
	b, ctx := running(t, eventbridge.Config{}, nil), t.Context()
	b.putRule(t, "Test", `{"source":["a"]}`)
	for _, arn := range []string{"arn:aws:events:eu-west-1:000000000000:rule/Test", "arn:aws:events:eu-west-1:000000000000:event-bus/default"} {
		must[*api.TagResourceOutput](t)(b.TagResource(ctx, &api.TagResourceInput{ResourceARN: &arn, Tags: []types.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b"), Value: new("2")}}}))
		must[*api.TagResourceOutput](t)(b.TagResource(ctx, &api.TagResourceInput{ResourceARN: &arn, Tags: []types.Tag{{Key: new("a"), Value: new("3")}, {Key: new("c"), Value: new("")}}}))
		must[*api.UntagResourceOutput](t)(b.UntagResource(ctx, &api.UntagResourceInput{ResourceARN: &arn, TagKeys: []string{"b", "none"}}))
		got := must[*api.ListTagsForResourceOutput](t)(b.ListTagsForResource(ctx, &api.ListTagsForResourceInput{ResourceARN: &arn}))
		if diff := cmp.Diff([]types.Tag{{Key: new("a"), Value: new("3")}, {Key: new("c"), Value: new("")}}, got.Tags, ignoreUnexported); diff != "" {
			t.Errorf("tags of %s (-want +got):\n%s", arn, diff)
		}
	}
	_, err := b.ListTagsForResource(ctx, &api.ListTagsForResourceInput{ResourceARN: new("arn:aws:events:eu-west-1:000000000000:rule/None")})
	refused(t, "tags of no rule", err, "ResourceNotFoundException", "Rule None does not exist on EventBus default.")
	_, err = b.ListTagsForResource(ctx, &api.ListTagsForResourceInput{ResourceARN: new("Test")})
	refused(t, "tags of no ARN", err, "ValidationException", "Parameter Test is not valid. Reason: Provided Arn is not in correct format.")
}

func TestTheBusItself(t *testing.T) {
	t.Parallel()
	b, ctx := running(t, eventbridge.Config{}, nil), t.Context()
	const arn = "arn:aws:events:eu-west-1:000000000000:event-bus/default"
	if d := must[*api.DescribeEventBusOutput](t)(b.DescribeEventBus(ctx, &api.DescribeEventBusInput{})); *d.Name != "default" || *d.Arn != arn {
		t.Errorf("DescribeEventBus = %+v", d)
	}
	if l := must[*api.ListEventBusesOutput](t)(b.ListEventBuses(ctx, &api.ListEventBusesInput{NamePrefix: new("def")})); len(l.EventBuses) != 1 || *l.EventBuses[0].Arn != arn {
		t.Errorf("ListEventBuses = %+v", l)
	}
	if l := must[*api.ListEventBusesOutput](t)(b.ListEventBuses(ctx, &api.ListEventBusesInput{NamePrefix: new("other")})); len(l.EventBuses) != 0 {
		t.Errorf("ListEventBuses of others = %+v", l)
	}
	_, err := b.DescribeEventBus(ctx, &api.DescribeEventBusInput{Name: new("mine")})
	refused(t, "DescribeEventBus", err, "ResourceNotFoundException", "Event bus mine does not exist.")
}

func TestListsHavePages(t *testing.T) {
	t.Parallel()
	b, ctx := running(t, eventbridge.Config{}, nil), t.Context()
	for i := range 7 {
		b.putRule(t, fmt.Sprintf("rule-%d", i), `{"source":["a"]}`)
	}
	b.putRule(t, "other", `{"source":["a"]}`)
	var got []string
	pages, in := 0, &api.ListRulesInput{NamePrefix: new("rule-"), Limit: new(int32(3))}
	for {
		page := must[*api.ListRulesOutput](t)(b.ListRules(ctx, in))
		pages++
		for _, r := range page.Rules {
			got = append(got, *r.Name)
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
		// A token stays good where the rule is gone behind which it goes on.
		must[*api.DeleteRuleOutput](t)(b.DeleteRule(ctx, &api.DeleteRuleInput{Name: page.Rules[2].Name}))
	}
	if want := "rule-0 rule-1 rule-2 rule-3 rule-4 rule-5 rule-6"; strings.Join(got, " ") != want || pages != 3 {
		t.Errorf("%d pages with %v, want 3 with %s", pages, got, want)
	}
	_, err := b.ListRules(ctx, &api.ListRulesInput{NextToken: new("???")})
	refused(t, "a token of others", err, "ValidationException", "Parameter NextToken is not valid.")
	_, err = b.ListRules(ctx, &api.ListRulesInput{Limit: new(int32(101))})
	refused(t, "a limit of 101", err, "ValidationException", "1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100")
}

// call makes a call by hand, for what the SDK would not send.
func (b *bus) call(t *testing.T, operation, body string) (status int, answer string, header http.Header) {
	t.Helper()
	r, err := signed("http://tocsin.example.com/in/bus", "AWSEvents."+operation, []byte(body), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, asServed(t, r, []byte(body)))
	return w.Code, w.Body.String(), w.Header()
}

// asServed is a client's request as a server has it.
func asServed(t *testing.T, r *http.Request, body []byte) *http.Request {
	t.Helper()
	s := httptest.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
	s.Header = r.Header
	return s
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 65)
	shown := func(n int) string {
		return "'" + strings.Repeat("x", min(n, 200)) + map[bool]string{true: "…"}[n > 200] + "'"
	}
	for _, tt := range []struct{ name, operation, body, code, message string }{
		{"a rule without a name", "PutRule", `{"EventPattern":"{}"}`, "ValidationException", "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{"a long name", "PutRule", `{"Name":"` + long + `"}`, "ValidationException", "1 validation error detected: Value " + shown(65) + " at 'name' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{
			"several mistakes", "PutRule", `{"Name":"This should fail","State":"ON"}`, "ValidationException",
			`2 validation errors detected: Value 'This should fail' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+; Value 'ON' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED, ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS]`,
		},
		{"a long pattern", "PutRule", `{"Name":"a","EventPattern":"` + strings.Repeat("x", 4097) + `"}`, "ValidationException", "1 validation error detected: Value " + shown(4097) + " at 'eventPattern' failed to satisfy constraint: Member must have length less than or equal to 4096"},
		{"a rule without a pattern", "PutRule", `{"Name":"a"}`, "ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified."},
		{"a schedule", "PutRule", `{"Name":"a","ScheduleExpression":"rate(5 minutes)"}`, "ValidationException", "Parameter ScheduleExpression is not valid. Reason: there are no schedules here, since tocsin makes no events by the clock; keep scheduled rules in Amazon EventBridge, or watch a job with a source of the kind heartbeat."},
		{"a rule on another bus", "PutRule", `{"Name":"a","EventPattern":"{}","EventBusName":"mine"}`, "ResourceNotFoundException", "Event bus mine does not exist."},
		{"an empty array in a pattern", "PutRule", `{"Name":"a","EventPattern":"{\"source\":[]}"}`, "InvalidEventPatternException", "Event pattern is not valid. Reason: Empty arrays are not allowed\n at [$.source; offset: 10]"},
		{"a pattern that is no object", "TestEventPattern", `{"EventPattern":"[1]","Event":"{}"}`, "InvalidEventPatternException", "Event pattern is not valid. Reason: Filter is not an object\n at [$; offset: 0]"},
		{"an event that is none", "TestEventPattern", `{"EventPattern":"{\"source\":[\"a\"]}","Event":"hello"}`, "ValidationException", "Parameter Event is not valid."},
		{"an event that is an array", "TestEventPattern", `{"EventPattern":"{\"source\":[\"a\"]}","Event":"[]"}`, "ValidationException", "Parameter Event is not valid."},
		{"targets of no rule", "PutTargets", `{"Rule":"None","Targets":[{"Id":"1","Arn":"arn:aws:sqs:eu-west-1:111122223333:q"}]}`, "ResourceNotFoundException", "Rule None does not exist on EventBus default."},
		{"no targets", "PutTargets", `{"Rule":"Test","Targets":[]}`, "ValidationException", "1 validation error detected: Value '[]' at 'targets' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"an id that is none", "PutTargets", `{"Rule":"Test","Targets":[{"Id":"!@#$@!#$","Arn":"arn:aws:sqs:eu-west-1:111122223333:q"}]}`, "ValidationException", `1 validation error detected: Value '!@#$@!#$' at 'targets.1.member.id' failed to satisfy constraint: Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+`},
		{"an ARN that is none", "PutTargets", `{"Rule":"Test","Targets":[{"Id":"1","Arn":"my-function"}]}`, "ValidationException", "Parameter my-function is not valid. Reason: Provided Arn is not in correct format."},
		{"two kinds of input", "PutTargets", `{"Rule":"Test","Targets":[{"Id":"1","Arn":"arn:aws:sqs:eu-west-1:111122223333:q","Input":"1","InputPath":"$.detail"}]}`, "ValidationException", "Only one of Input, InputPath, or InputTransformer must be provided for target 1."},
		{"a placeholder that leads nowhere", "PutTargets", `{"Rule":"Test","Targets":[{"Id":"1","Arn":"arn:aws:sqs:eu-west-1:111122223333:q","InputTransformer":{"InputTemplate":"\"<a>\""}}]}`, "ValidationException", "InputTemplate for target 1 contains invalid placeholder a."},
		{"a retry policy", "PutTargets", `{"Rule":"Test","Targets":[{"Id":"1","Arn":"arn:aws:sqs:eu-west-1:111122223333:q","RetryPolicy":{"MaximumRetryAttempts":186,"MaximumEventAgeInSeconds":59}}]}`, "ValidationException", "2 validation errors detected: Value '186' at 'targets.1.member.retryPolicy.maximumRetryAttempts' failed to satisfy constraint: Member must have value less than or equal to 185; Value '59' at 'targets.1.member.retryPolicy.maximumEventAgeInSeconds' failed to satisfy constraint: Member must have value greater than or equal to 60"},
		{"a topic for dead letters", "PutTargets", `{"Rule":"Test","Targets":[{"Id":"1","Arn":"arn:aws:sqs:eu-west-1:111122223333:q","DeadLetterConfig":{"Arn":"arn:aws:sns:eu-west-1:111122223333:t"}}]}`, "ValidationException", "sns is not supported as a dead letter resource."},
		{"an id to remove", "RemoveTargets", `{"Rule":"Test","Ids":[""]}`, "ValidationException", `2 validation errors detected: Value '' at 'ids.1.member' failed to satisfy constraint: Member must have length greater than or equal to 1; Value '' at 'ids.1.member' failed to satisfy constraint: Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+`},
		{"no rule to disable", "DisableRule", `{"Name":"None"}`, "ResourceNotFoundException", "Rule None does not exist on EventBus default."},
		{"an operation that is none", "PutLetters", `{}`, "UnknownOperationException", `There is no operation "AWSEvents.PutLetters" here.`},
		{"an operation of EventBridge that is not here", "CreateApiDestination", `{}`, "UnknownOperationException", `There is no operation "AWSEvents.CreateApiDestination" here.`},
		{"no JSON", "ListRules", `{"Name`, "SerializationException", "The body is no JSON that can be read: not JSON: it ends too early at byte 6"},
		{"nothing", "ListRules", ``, "SerializationException", "The body is no JSON that can be read: not JSON: it ends too early at byte 0"},
		{"deep nesting", "ListRules", strings.Repeat(`{"a":`, 2000), "SerializationException", "The body is no JSON that can be read: not JSON: more than 1024 levels at byte 5120"},
		{"a number for a name", "DescribeRule", `{"Name":7}`, "SerializationException", "number can not be converted to a string at 'Name'"},
		{"an array for a request", "DescribeRule", `[]`, "SerializationException", "array can not be converted to an object at ''"},
		{"no entries", "PutEvents", `{}`, "ValidationException", "1 validation error detected: Value null at 'entries' failed to satisfy constraint: Member must not be null"},
		{"eleven entries", "PutEvents", `{"Entries":[` + strings.Repeat("{},", 10) + `{}]}`, "ValidationException", "1 validation error detected: Value '[11 members]' at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10"},
		{"more than 1 MiB", "PutEvents", `{"Entries":[{"Source":"a","DetailType":"b","Detail":"{\"x\":\"` + strings.Repeat("x", 1<<20) + `\"}"}]}`, "ValidationException", "Total size of the entries in the request is over the limit."},
		{"a date in words", "PutEvents", `{"Entries":[{"Time":"2026-01-01T00:00:00Z"}]}`, "SerializationException", "string can not be converted to a number at 'Entries.Time'"},
		{"a global endpoint", "PutEvents", `{"Entries":[{}],"EndpointId":"a.b"}`, "ValidationException", "EndpointId is not supported: there are no global endpoints here."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := running(t, eventbridge.Config{}, nil)
			b.putRule(t, "Test", `{"source":["a"]}`)
			status, answer, header := b.call(t, tt.operation, tt.body)
			var got struct {
				Type    string `json:"__type"`
				Message string `json:"message"`
			}
			if err := json.Unmarshal([]byte(answer), &got); err != nil {
				t.Fatalf("answer %s: %v", answer, err)
			}
			if status != 400 || got.Type != tt.code || got.Message != tt.message {
				t.Errorf("answer %d %s: %s\nwant 400 %s: %s", status, got.Type, got.Message, tt.code, tt.message)
			}
			if header.Get("Content-Type") != "application/x-amz-json-1.1" || !uuid.MatchString(header.Get("X-Amzn-Requestid")) {
				t.Errorf("headers %v", header)
			}
			if events := b.taken(); len(events) > 0 {
				t.Errorf("the sink got %+v", events)
			}
		})
	}
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestQuotas(t *testing.T) {
	t.Parallel()
	state := &collecttest.Memory{}
	rules := map[string]any{}
	for i := range 300 {
		rules[fmt.Sprintf("rule-%03d", i)] = map[string]any{"pattern": `{"source":["a"]}`, "state": "DISABLED"}
	}
	kept, err := json.Marshal(map[string]any{"version": 1, "rules": rules})
	if err != nil {
		t.Fatal(err)
	}
	if err := state.Save(t.Context(), "bus", kept); err != nil {
		t.Fatal(err)
	}
	b, ctx := running(t, eventbridge.Config{}, state), t.Context()
	const over = "The requested resource exceeds the maximum number allowed."
	_, err = b.PutRule(ctx, &api.PutRuleInput{Name: new("one-more"), EventPattern: new(`{"source":["a"]}`)})
	refused(t, "a rule more than 300", err, "LimitExceededException", over)
	b.putRule(t, "rule-299", `{"source":["b"]}`) // one that is there may be changed
	var targets []types.Target
	for i := range 5 {
		targets = append(targets, types.Target{Id: new(fmt.Sprint(i)), Arn: new("arn:aws:sqs:eu-west-1:111122223333:q")})
	}
	must[*api.PutTargetsOutput](t)(b.PutTargets(ctx, &api.PutTargetsInput{Rule: new("rule-000"), Targets: targets}))
	must[*api.PutTargetsOutput](t)(b.PutTargets(ctx, &api.PutTargetsInput{Rule: new("rule-000"), Targets: targets[:1]}))
	_, err = b.PutTargets(ctx, &api.PutTargetsInput{Rule: new("rule-000"), Targets: []types.Target{{Id: new("5"), Arn: targets[0].Arn}}})
	refused(t, "a target more than 5", err, "LimitExceededException", over)
	var tags []types.Tag
	for i := range 51 {
		tags = append(tags, types.Tag{Key: new(fmt.Sprint(i)), Value: new("")})
	}
	_, err = b.TagResource(ctx, &api.TagResourceInput{ResourceARN: new("arn:aws:events:eu-west-1:000000000000:rule/rule-000"), Tags: tags})
	refused(t, "a tag more than 50", err, "LimitExceededException", over)
}

func TestWhatBecomesOfAnEntry(t *testing.T) {
	t.Parallel()
	const ok = `{"Source":"my.app","DetailType":"deployed","Detail":"{ \"a\" : 1.0 }"}`
	for _, tt := range []struct {
		name, entry   string
		config        eventbridge.Config
		code, message string
		raw           string // of what is kept, without id and time
		unreadable    string
		unwanted      string
	}{
		{
			name: "an event", entry: ok,
			raw: `{"version":"0","id":"ID","detail-type":"deployed","source":"my.app","account":"000000000000","time":"NOW","region":"eu-west-1","resources":[],"detail":{ "a" : 1.0 }}`,
		},
		{
			name: "with all members", entry: `{"Source":"my.app","DetailType":"<b>&","Detail":" {}\n","Time":1767225600.9,"Resources":["arn:aws:s3:::b","x\"y"],"EventBusName":"default","TraceHeader":"t"}`,
			config: eventbridge.Config{Account: "111122223333"},
			raw:    `{"version":"0","id":"ID","detail-type":"<b>&","source":"my.app","account":"111122223333","time":"2026-01-01T00:00:00Z","region":"eu-west-1","resources":["arn:aws:s3:::b","x\"y"],"detail":{}}`,
		},
		{
			name: "the bus by its ARN", entry: `{"Source":"my.app","DetailType":"d","Detail":"{}","EventBusName":"arn:aws:events:eu-west-1:111122223333:event-bus/default"}`,
			raw: `{"version":"0","id":"ID","detail-type":"d","source":"my.app","account":"000000000000","time":"NOW","region":"eu-west-1","resources":[],"detail":{}}`,
		},
		{
			name: "without a source", entry: `{"DetailType":"d","Detail":"{}"}`, code: "InvalidArgument", message: "Parameter Source is not valid. Reason: Source is a required argument.",
			raw: `{"DetailType":"d","Detail":"{}"}`, unreadable: "Parameter Source is not valid. Reason: Source is a required argument.",
		},
		{
			name: "without a detail type", entry: `{"Source":"a","Detail":"{}"}`, code: "InvalidArgument", message: "Parameter DetailType is not valid. Reason: DetailType is a required argument.",
			raw: `{"Source":"a","Detail":"{}"}`, unreadable: "Parameter DetailType is not valid. Reason: DetailType is a required argument.",
		},
		{
			name: "without a detail", entry: `{"Source":"a","DetailType":"d","Detail":""}`, code: "InvalidArgument", message: "Parameter Detail is not valid. Reason: Detail is a required argument.",
			raw: `{"Source":"a","DetailType":"d","Detail":""}`, unreadable: "Parameter Detail is not valid. Reason: Detail is a required argument.",
		},
		{
			name: "a detail that is a string", entry: `{"Source":"a","DetailType":"d","Detail":"\"{}\""}`, code: "MalformedDetail", message: "Detail is malformed.",
			raw: `"{}"`, unreadable: "the detail is JSON and no object",
		},
		{
			name: "a detail that is an array", entry: `{"Source":"a","DetailType":"d","Detail":"[]"}`, code: "MalformedDetail", message: "Detail is malformed.",
			raw: `[]`, unreadable: "the detail is JSON and no object",
		},
		{
			name: "a detail that is no JSON", entry: `{"Source":"a","DetailType":"d","Detail":"{\"not\": closed mark\""}`, code: "MalformedDetail", message: "Detail is malformed.",
			raw: `{"not": closed mark"`, unreadable: "the detail is not JSON: a value is missing at byte 8",
		},
		{
			name: "a detail of two objects", entry: `{"Source":"a","DetailType":"d","Detail":"{}{}"}`, code: "MalformedDetail", message: "Detail is malformed.",
			raw: `{}{}`, unreadable: "the detail is not JSON: more after the value at byte 2",
		},
		{
			name: "a time that never comes", entry: `{"Source":"a","DetailType":"d","Detail":"{}","Time":1e300}`, code: "InvalidArgument", message: "Parameter Time is not valid. Reason: Time is out of range.",
			raw: `{"Source":"a","DetailType":"d","Detail":"{}","Time":1e300}`, unreadable: "Parameter Time is not valid. Reason: Time is out of range.",
		},
		{
			name: "a source of AWS's own", entry: `{"Source":"aws.guardduty","DetailType":"d","Detail":"{}"}`, code: "NotAuthorizedForSourceException", message: "Not authorized for the source.",
			raw:      `{"version":"0","id":"ID","detail-type":"d","source":"aws.guardduty","account":"000000000000","time":"NOW","region":"eu-west-1","resources":[],"detail":{}}`,
			unwanted: "the source aws.guardduty is AWS's own; allow_aws_sources: true lets it in",
		},
		{
			name: "such a source where that is allowed", entry: `{"Source":"aws.guardduty","DetailType":"d","Detail":"{}"}`, config: eventbridge.Config{AllowAWSSources: true},
			raw: `{"version":"0","id":"ID","detail-type":"d","source":"aws.guardduty","account":"000000000000","time":"NOW","region":"eu-west-1","resources":[],"detail":{}}`,
		},
		{
			name: "another bus", entry: `{"Source":"a","DetailType":"d","Detail":"{}","EventBusName":"mine"}`, code: "ResourceNotFoundException", message: "Event bus mine does not exist.",
			raw:      `{"version":"0","id":"ID","detail-type":"d","source":"a","account":"000000000000","time":"NOW","region":"eu-west-1","resources":[],"detail":{}}`,
			unwanted: "there is no event bus mine",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := running(t, tt.config, nil)
			status, answer, _ := b.call(t, "PutEvents", `{"Entries":[`+ok+`,`+tt.entry+`]}`)
			events := b.taken()
			if status != 200 || len(events) != 2 {
				t.Fatalf("answer %d %s, events %+v", status, answer, events)
			}
			got, ev := gjson.Get(answer, "Entries.1"), events[1]
			if failed := gjson.Get(answer, "FailedEntryCount").Int(); (failed == 1) != (tt.code != "") || got.Get("ErrorCode").Str != tt.code || got.Get("ErrorMessage").Str != tt.message || !gjson.Get(answer, "Entries.0.EventId").Exists() {
				t.Errorf("answer %s, want %s: %s", answer, tt.code, tt.message)
			}
			if id := got.Get("EventId").Str; tt.code == "" && (id != ev.Envelope || !uuid.MatchString(id)) {
				t.Errorf("EventId %q of the event %q", id, ev.Envelope)
			}
			raw := strings.NewReplacer(`"id":"`+ev.Envelope, `"id":"ID`, ev.ReceivedAt.UTC().Format(time.RFC3339), "NOW").Replace(string(ev.Raw))
			if raw != tt.raw || ev.Unreadable != tt.unreadable || ev.Unwanted != tt.unwanted || ev.Via != "eventbridge" {
				t.Errorf("kept %s, unreadable %q, unwanted %q\nwant %s, %q, %q", raw, ev.Unreadable, ev.Unwanted, tt.raw, tt.unreadable, tt.unwanted)
			}
		})
	}
}

func TestRulesDecideWhatIsWanted(t *testing.T) {
	t.Parallel()
	b, ctx := running(t, eventbridge.Config{}, nil), t.Context()
	const unwanted = "no rule of the event bus default matches it"
	look := func(when, app, other string) {
		t.Helper()
		for source, want := range map[string]string{"my.app": app, "my.other": other} {
			if ev := b.put(t, source); ev.Unwanted != want {
				t.Errorf("%s: an event of %s is unwanted for %q, want %q", when, source, ev.Unwanted, want)
			}
		}
	}
	look("without rules", "", "")
	b.putRule(t, "apps", `{"source":["my.app"]}`)
	look("with a rule", "", unwanted)
	must[*api.DisableRuleOutput](t)(b.DisableRule(ctx, &api.DisableRuleInput{Name: new("apps")}))
	look("with a rule that is disabled", "", "")
	b.putRule(t, "others", `{"source":["my.other"]}`)
	look("with another beside it", unwanted, "")
	must[*api.EnableRuleOutput](t)(b.EnableRule(ctx, &api.EnableRuleInput{Name: new("apps")}))
	look("with both", "", "")
	must[*api.DeleteRuleOutput](t)(b.DeleteRule(ctx, &api.DeleteRuleInput{Name: new("apps")}))
	must[*api.DeleteRuleOutput](t)(b.DeleteRule(ctx, &api.DeleteRuleInput{Name: new("others")}))
	look("without rules again", "", "")
}

func TestTestEventPattern(t *testing.T) {
	t.Parallel()
	b := running(t, eventbridge.Config{}, nil)
	for _, tt := range []struct {
		pattern string
		want    bool
	}{{`{"source":["com.mycompany.myapp"]}`, true}, {`{"source":[{"prefix":"aws."}]}`, false}} {
		out := must[*api.TestEventPatternOutput](t)(b.TestEventPattern(t.Context(), &api.TestEventPatternInput{
			EventPattern: &tt.pattern,
			Event:        new(`{"id":"1","source":"com.mycompany.myapp","detail-type":"myDetailType","account":"123456789012","region":"us-east-1","time":"2017-04-11T20:11:04Z"}`),
		}))
		if out.Result != tt.want {
			t.Errorf("TestEventPattern(%s) = %t, want %t", tt.pattern, out.Result, tt.want)
		}
	}
}

func TestRulesOutliveARestart(t *testing.T) {
	t.Parallel()
	state := &collecttest.Memory{}
	b := running(t, eventbridge.Config{}, state)
	b.putRule(t, "apps", `{"source":["my.app"]}`)
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	again := running(t, eventbridge.Config{}, state)
	if ev := again.put(t, "my.other"); ev.Unwanted == "" {
		t.Error("after a restart the rule is not asked")
	}
	must[*api.DescribeRuleOutput](t)(again.DescribeRule(t.Context(), &api.DescribeRuleInput{Name: new("apps")}))
}

// Of several replicas each sees at once what it changed itself, and what another one
// changed within seconds.
func TestReplicasShareTheRules(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		state := &collecttest.Memory{}
		replicas := make([]*bus, 2)
		for i := range replicas {
			b := &bus{journal: &journal{}}
			b.env = collecttest.Env("bus", &b.handler)
			b.env.State = state
			source, err := open(eventbridge.Config{}, b.env)
			if err != nil {
				t.Fatal(err)
			}
			collecttest.Begin(t, source, b.take)
			replicas[i] = b
		}
		one, other := replicas[0], replicas[1]
		const put = `{"Entries":[{"Source":"my.other","DetailType":"d","Detail":"{}"}]}`
		synctest.Wait()
		if status, answer, _ := one.call(t, "PutRule", `{"Name":"apps","EventPattern":"{\"source\":[\"my.app\"]}"}`); status != 200 {
			t.Fatal(answer)
		}
		one.call(t, "PutEvents", put)
		if ev := one.taken()[0]; ev.Unwanted == "" {
			t.Error("the replica that took the rule does not ask it")
		}
		time.Sleep(6 * time.Second)
		other.call(t, "PutEvents", put)
		if ev := other.taken()[0]; ev.Unwanted == "" {
			t.Error("the other replica does not ask the rule after 6 seconds")
		}
		// What the other one changes does not undo it.
		other.call(t, "PutRule", `{"Name":"more","EventPattern":"{\"source\":[\"my.more\"]}"}`)
		if _, answer, _ := one.call(t, "ListRules", `{}`); gjson.Get(answer, "Rules.#").Int() != 2 {
			t.Errorf("rules %s", answer)
		}
	})
}

func TestStoreDown(t *testing.T) {
	t.Parallel()
	b, ctx := running(t, eventbridge.Config{}, nil), t.Context()
	b.fail(errors.New("the disk is full"))
	_, err := b.PutEvents(ctx, &api.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Source: new("a"), DetailType: new("b"), Detail: new("{}")}}})
	refused(t, "PutEvents", err, "InternalException", "The events could not be kept. Put them again.")
	b.env.State.(*collecttest.Memory).Fail(errors.New("the disk is full"))
	_, err = b.PutRule(ctx, &api.PutRuleInput{Name: new("a"), EventPattern: new(`{"source":["a"]}`)})
	refused(t, "PutRule", err, "InternalException", "The call could not be completed. Try it again.")
	st := b.source.(collect.Reporter).Status(ctx)
	if st.State != "failing" || !strings.Contains(fmt.Sprint(st.Lines), "the disk is full") {
		t.Errorf("status %+v", st)
	}
}

// While it is not known whether there are rules nothing is taken: what no rule wants
// would go on.
func TestEventsWaitForTheRules(t *testing.T) {
	t.Parallel()
	state := &collecttest.Memory{}
	state.Fail(errors.New("the disk is full"))
	b := running(t, eventbridge.Config{}, state)
	in := &api.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Source: new("a"), DetailType: new("b"), Detail: new("{}")}}}
	_, err := b.PutEvents(t.Context(), in)
	refused(t, "PutEvents", err, "InternalException", "The call could not be completed. Try it again.")
	state.Fail(nil)
	must[*api.PutEventsOutput](t)(b.PutEvents(t.Context(), in))
}

func TestRulesThatCannotBeReadStopNoEvent(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]string{
		"a document that is none":    `{`,
		"a newer version":            `{"version":2}`,
		"a pattern that is not read": `{"version":1,"rules":{"a":{"pattern":"{\"source\":[{\"new\":1}]}","state":"ENABLED"},"b":{"pattern":"{\"source\":[\"b\"]}","state":"ENABLED"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := &collecttest.Memory{}
			if err := state.Save(t.Context(), "bus", []byte(kept)); err != nil {
				t.Fatal(err)
			}
			b := running(t, eventbridge.Config{}, state)
			if ev := b.put(t, "my.app"); ev.Unwanted != "" {
				t.Errorf("the event is unwanted: %s", ev.Unwanted)
			}
			if lines := fmt.Sprint(b.source.(collect.Reporter).Status(t.Context()).Lines); !strings.Contains(lines, "every event goes on") {
				t.Errorf("status %s", lines)
			}
		})
	}
}

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	b := running(t, eventbridge.Config{SecretAccessKey: secret.New("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}, nil)
	server := httptest.NewServer(b.handler)
	defer server.Close()
	if _, err := client(server.URL+"/in/bus/", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").ListRules(t.Context(), &api.ListRulesInput{}); err != nil {
		t.Errorf("with the secret: %v", err)
	}
	_, err := client(server.URL+"/in/bus/", "another").ListRules(t.Context(), &api.ListRulesInput{})
	refused(t, "with another", err, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	if st := b.source.(collect.Reporter).Status(t.Context()); !strings.Contains(fmt.Sprint(st.Lines), "Wrong tokens 1 since the start") {
		t.Errorf("status %+v", st)
	}
}

// A large body is not read by those who may not send one, and is short for the others.
func TestGarbage(t *testing.T) {
	t.Parallel()
	b := running(t, eventbridge.Config{}, nil)
	large := strings.Repeat(" ", 20<<20)
	if status, answer, _ := b.call(t, "PutEvents", large); status != 413 || !strings.Contains(answer, "RequestEntityTooLargeException") {
		t.Errorf("20 MB: answer %d %s", status, answer)
	}
	for name, r := range map[string]*http.Request{
		"a GET":                    httptest.NewRequest(http.MethodGet, "/in/bus", nil),
		"20 MB that nobody signed": httptest.NewRequest(http.MethodPost, "/in/bus", strings.NewReader(large)),
		"an event by itself":       httptest.NewRequest(http.MethodPost, "/in/bus", strings.NewReader(`{"source":"a"}`)),
		"a form":                   httptest.NewRequest(http.MethodPost, "/in/bus?Action=PutEvents&X-Amz-Signature=x", strings.NewReader(`a=b`)),
	} {
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		if w.Code != 403 && w.Code != 405 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: answer %d %s", name, w.Code, w.Body)
		}
	}
	if events := b.taken(); len(events) > 0 {
		t.Errorf("the sink got %+v", events)
	}
}

func TestAnAddressOfItsOwn(t *testing.T) {
	t.Parallel()
	b := running(t, eventbridge.Config{Listen: collecttest.Free(t)}, nil)
	address := b.source.(collect.Describer).Describe(false)[1].Value
	reaches(t, address)
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := client(address, collecttest.Token).ListRules(t.Context(), &api.ListRulesInput{}); err == nil {
		t.Error("it listens after its end")
	}
}

// While a configuration is reloaded the source before this one may still listen.
func TestAnAddressThatIsTakenIsWaitedFor(t *testing.T) {
	t.Parallel()
	address := collecttest.Free(t)
	first := running(t, eventbridge.Config{Listen: address}, nil)
	reaches(t, "http://"+address)
	second := running(t, eventbridge.Config{Listen: address}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	collecttest.Until(ctx, t, "the second source does not say that it cannot listen", func() bool {
		return second.source.(collect.Reporter).Status(ctx).State == "failing"
	})
	if st := second.source.(collect.Reporter).Status(t.Context()); st.State != "failing" || !strings.Contains(fmt.Sprint(st.Lines), "address already in use") {
		t.Errorf("status while it is taken: %+v", st)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	reaches(t, "http://"+address)
	if st := second.source.(collect.Reporter).Status(t.Context()); st.State != "ok" {
		t.Errorf("status once it is free: %+v", st)
	}
}

// reaches returns once somebody answers at the address.
func reaches(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	collecttest.Until(ctx, t, "nobody answers at "+address, func() bool {
		_, err := client(address, collecttest.Token).ListRules(ctx, &api.ListRulesInput{})
		return err == nil
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	b := running(t, eventbridge.Config{Listen: collecttest.Free(t)}, nil)
	hidden, shown := fmt.Sprint(b.source.(collect.Describer).Describe(false)), fmt.Sprint(b.source.(collect.Describer).Describe(true))
	if strings.Contains(hidden, collecttest.Token) {
		t.Errorf("without reveal the secret is told: %s", hidden)
	}
	for _, want := range []string{"https://tocsin.example.com/in/bus", "AWS_SECRET_ACCESS_KEY='" + collecttest.Token + "' aws events put-events", "--endpoint-url http://127.0.0.1:", "routes say who is told"} {
		if !strings.Contains(shown, want) {
			t.Errorf("Describe(true) has no %q:\n%s", want, shown)
		}
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	var handler http.Handler
	for _, tt := range []struct {
		config eventbridge.Config
		want   string
	}{
		{eventbridge.Config{Account: "1111-2222-3333"}, `account: "1111-2222-3333" is not 12 digits`},
		{eventbridge.Config{Listen: "18081"}, `listen: "18081" is no address such as 127.0.0.1:18081`},
		{eventbridge.Config{Listen: "127.0.0.1:https"}, `listen: "https" is no port`},
		{eventbridge.Config{Listen: "0.0.0.0:18081"}, `listen: "0.0.0.0:18081" is not loopback, and what is sent there is not encrypted; listen on 127.0.0.1:18081 and put a reverse proxy with TLS before it that leaves path and Host as they are`},
		{eventbridge.Config{Listen: ":18081"}, `listen: ":18081" is not loopback, and what is sent there is not encrypted; listen on 127.0.0.1:18081 and put a reverse proxy with TLS before it that leaves path and Host as they are`},
	} {
		if _, err := open(tt.config, collecttest.Env("bus", &handler)); err == nil || err.Error() != tt.want {
			t.Errorf("open: %v, want %s", err, tt.want)
		}
	}
	for _, listen := range []string{"", "localhost:18081", "[::1]:18081", "127.0.0.1:0"} {
		if _, err := open(eventbridge.Config{Listen: listen}, collecttest.Env("bus", &handler)); err != nil {
			t.Errorf("open with listen %q: %v", listen, err)
		}
	}
}

// What fails here is said in the log, and nothing secret.
func TestLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var handler http.Handler
	env := collecttest.Env("bus", &handler)
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	env.State.(*collecttest.Memory).Fail(errors.New("the disk is full"))
	source, err := open(eventbridge.Config{}, env)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		stop := collecttest.Begin(t, source, (&journal{}).take)
		time.Sleep(12 * time.Second)
		env.State.(*collecttest.Memory).Fail(nil)
		time.Sleep(12 * time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "rules of the event bus cannot be read") || !strings.Contains(text, "can be read again") || strings.Contains(text, collecttest.Token) {
		t.Errorf("log, want two lines:\n%s", text)
	}
}
