package doctor_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	events "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/diagnosis"
	"github.com/tocsin-sec/tocsin/internal/doctor"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const region = "eu-west-1"

func settings(url string) aws.Settings {
	return aws.Settings{EndpointURL: url, AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret.New("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}
}

// account sets up what a careless person would: a rule that ends at 8.9 to a queue
// without a policy and to a topic with a condition and SNS's own key, whose
// subscription nobody confirmed.
func account(t *testing.T, url string) {
	t.Helper()
	c := sdk.Config{Region: region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "")}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := guardduty.NewFromConfig(c).CreateDetector(t.Context(), &guardduty.CreateDetectorInput{Enable: sdk.Bool(true), FindingPublishingFrequency: "SIX_HOURS"})
	must(err)
	key, err := kms.NewFromConfig(c).CreateKey(t.Context(), &kms.CreateKeyInput{})
	must(err)
	_, err = sqs.NewFromConfig(c).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: sdk.String("tocsin"), Attributes: map[string]string{"KmsMasterKeyId": *key.KeyMetadata.KeyId, "MessageRetentionPeriod": "3600"}})
	must(err)
	topics := sns.NewFromConfig(c)
	_, err = topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: sdk.String("guardduty"), Attributes: map[string]string{"KmsMasterKeyId": "alias/aws/sns"}})
	must(err)
	topic := sdk.String("arn:aws:sns:eu-west-1:123456789012:guardduty")
	_, err = topics.SetTopicAttributes(t.Context(), &sns.SetTopicAttributesInput{
		TopicArn: topic, AttributeName: sdk.String("Policy"),
		AttributeValue: sdk.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sns:Publish","Resource":"arn:aws:sns:eu-west-1:123456789012:guardduty","Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}}]}`),
	})
	must(err)
	_, err = topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic, Protocol: sdk.String("https"), Endpoint: sdk.String("https://tocsin.example.com/in/org/token")})
	must(err)
	bus := eventbridge.NewFromConfig(c)
	_, err = bus.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: sdk.String("findings"), EventPattern: sdk.String(`{"source":["aws.guardduty"],"detail":{"severity":[4,5,6.9,7,8,8.9]}}`)})
	must(err)
	_, err = bus.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: sdk.String("findings"), Targets: []events.Target{
		{Id: sdk.String("queue"), Arn: sdk.String("arn:aws:sqs:eu-west-1:123456789012:tocsin")},
		{Id: sdk.String("topic"), Arn: topic},
		{Id: sdk.String("gone"), Arn: sdk.String("arn:aws:sqs:eu-west-1:123456789012:older"), RetryPolicy: &events.RetryPolicy{MaximumRetryAttempts: sdk.Int32(0), MaximumEventAgeInSeconds: sdk.Int32(60)}},
	}})
	must(err)
}

func TestWhatACarelessPersonSetUpIsFound(t *testing.T) {
	t.Parallel()
	url := collecttest.Moto(t)
	account(t, url)
	facts, err := doctor.Examine(t.Context(), doctor.Options{
		Settings: settings(url), Regions: []string{region}, HTTP: &http.Client{Timeout: time.Minute},
		Sources: []diagnosis.Source{
			{Name: "queue", Kind: "sqs", ARNs: []string{"arn:aws:sqs:eu-west-1:123456789012:tocsin"}},
			{Name: "org", Kind: "sns", ARNs: []string{"arn:aws:sns:*:123456789012:guardduty"}, URL: "https://tocsin.example.com/in/org"},
		},
	})
	if err != nil || facts.Caller.Account != "123456789012" {
		t.Fatalf("%+v, %v", facts.Caller, err)
	}
	codes := map[string]bool{}
	for _, r := range diagnosis.Judge(facts) {
		codes[string(r.Weight)+" "+r.Code] = true
	}
	for _, want := range []string{
		"broken rule-misses", "broken not-allowed", "broken key-wrong-principal", "broken condition", "broken key-of-aws", "broken target-missing",
		"warning six-hours", "warning short-retention", "warning no-dead-letter", "warning few-retries", "warning signature-version", "warning no-break-glass",
	} {
		if !codes[want] {
			t.Errorf("it does not say %s: %v\n%+v", want, codes, facts.Denied)
		}
	}
	if codes["good reached"] {
		t.Error("it says that findings reach a source")
	}
}

// What the credentials may not do is said with the action that a policy has to allow.
func TestWhatIsDeniedIsNamed(t *testing.T) {
	t.Parallel()
	server := newRefuser(t)
	facts, err := doctor.Examine(t.Context(), doctor.Options{Settings: settings(server), Regions: []string{region}, HTTP: http.DefaultClient})
	if err != nil {
		t.Fatal(err)
	}
	var denied []string
	for _, r := range diagnosis.Judge(facts) {
		if r.Code == "not-looked-at" && r.Fix == "tocsin doctor --policy" {
			denied = append(denied, r.Where)
		}
	}
	slices.Sort(denied)
	if want := []string{"events:ListEventBuses", "events:ListRules", "guardduty:ListDetectors"}; !slices.Equal(denied, want) {
		t.Errorf("denied %q, want %q: %+v", denied, want, facts.Denied)
	}
}

// newRefuser knows who asks, and lets nobody do anything.
func newRefuser(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), "/sts/") {
			_, _ = w.Write([]byte(`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/x</Arn><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`))
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"__type":"AccessDeniedException","message":"no"}`))
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return "http://" + l.Addr().String()
}

// Nothing that is called changes anything, and all that is called is allowed.
func TestThePolicyOnlyReads(t *testing.T) {
	t.Parallel()
	var policy struct {
		Statement []struct{ Action []string }
	}
	if err := json.Unmarshal([]byte(doctor.Policy()), &policy); err != nil {
		t.Fatal(err)
	}
	if diff := slices.Compare(policy.Statement[0].Action, doctor.Actions()); diff != 0 || !slices.IsSorted(doctor.Actions()) {
		t.Error("the policy is not the list of actions, sorted")
	}
	code, err := os.ReadFile("doctor.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"([a-z]+:(?:Get|List|Describe)[A-Za-z]+)"`).FindAllStringSubmatch(string(code), -1) {
		if !slices.Contains(doctor.Actions(), m[1]) {
			t.Errorf("%s is called and not in the policy", m[1])
		}
	}
	for _, a := range doctor.Actions() {
		_, verb, _ := strings.Cut(a, ":")
		if !strings.HasPrefix(verb, "Get") && !strings.HasPrefix(verb, "List") && !strings.HasPrefix(verb, "Describe") {
			t.Errorf("%s may change something", a)
		}
	}
}
