package aws_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const role = "arn:aws:iam::111122223333:role/tocsin-sends"

func opened(t *testing.T, set aws.Settings) *aws.Session {
	t.Helper()
	s, err := set.Open("aws-test", awstest.Region, "alerts", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deliver sends one message by hand and gives the error as the contract has it.
func deliver(ctx context.Context, s *aws.Session) error {
	_, err := sqs.NewFromConfig(s.Config).SendMessageBatch(ctx, &sqs.SendMessageBatchInput{
		QueueUrl: sdk.String("https://sqs.eu-west-1.amazonaws.com/111122223333/alerts"),
		Entries:  []types.SendMessageBatchRequestEntry{{Id: sdk.String("0"), MessageBody: sdk.String("{}")}},
	})
	if err != nil {
		return s.Refused(ctx, aws.Call{Action: "sqs:SendMessage", Resource: "arn:aws:sqs:eu-west-1:111122223333:alerts"}, err)
	}
	return nil
}

func assumed(s *awstest.Server) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Operation == "AssumeRole" {
			n++
		}
	}
	return n
}

func TestARoleIsAssumedAgainBeforeItsSessionEnds(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	s.Sessions(30 * time.Second) // less than the minute that is kept free
	session := opened(t, s.Assuming(role, "x4711"))
	for range 3 {
		if err := deliver(t.Context(), session); err != nil {
			t.Fatal(err)
		}
	}
	if got := assumed(s); got != 3 {
		t.Errorf("the role was assumed %d times, want 3", got)
	}
}

func TestCredentialsThatEndedAreFetchedAnew(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	session := opened(t, s.Assuming(role, "x4711"))
	if err := deliver(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	s.Answers(awstest.Answer{Status: 400, Code: "ExpiredTokenException", Once: true})
	if err := deliver(t.Context(), session); err == nil || notify.IsPermanent(err) {
		t.Errorf("an expired session: %v, want to be tried again", err)
	}
	if err := deliver(t.Context(), session); err != nil || assumed(s) != 2 {
		t.Errorf("after that: %v, and the role was assumed %d times, want twice", err, assumed(s))
	}
}

func TestTwoReceiversAssumeTheirOwnRoles(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	for _, r := range []string{role, role + "-2"} {
		if err := deliver(t.Context(), opened(t, s.Assuming(r, "x4711"))); err != nil {
			t.Fatal(err)
		}
	}
	calls := s.Calls()
	if len(calls) != 4 || calls[0].Resource != role || calls[2].Resource != role+"-2" || calls[1].KeyID == calls[3].KeyID {
		t.Errorf("calls %v", calls)
	}
}

func TestARoleThatMayNotBeAssumed(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	set := s.Assuming(role, "the-right-one")
	set.ExternalID = "the-wrong-one"
	err := deliver(t.Context(), opened(t, set))
	if !notify.IsPermanent(err) || !strings.Contains(err.Error(), "allow sts:AssumeRole on "+role) || !strings.Contains(err.Error(), "trust it") || strings.Contains(err.Error(), "the-wrong-one") {
		t.Errorf("Refused = %v, want a permanent error that says what to allow", err)
	}
	s.Answers(awstest.Answer{Operation: "AssumeRole", Status: 400, Code: "Throttling", RetryAfter: "5"})
	err = deliver(t.Context(), opened(t, s.Assuming(role, "x4711")))
	if wait, told := notify.RetryAfter(err); notify.IsPermanent(err) || !told || wait != 5*time.Second {
		t.Errorf("a throttled AssumeRole: %v, want to be tried again in 5s", err)
	}
}

func TestClasses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status    int
		code      string
		permanent bool
		says      string
	}{
		{400, "ThrottlingException", false, "ThrottlingException"},
		{400, "RequestThrottled", false, ""},
		{400, "ProvisionedThroughputExceededException", false, ""},
		{400, "KMS.ThrottlingException", false, ""},
		{400, "LimitExceededException", false, ""},
		{409, "ResourceConflictException", false, ""},
		{400, "ExpiredTokenException", false, "new credentials are fetched"},
		{500, "InternalFailure", false, ""},
		{500, "SomethingNew", false, ""},
		{503, "ServiceUnavailable", false, ""},
		{429, "SomethingNew", false, ""},
		{403, "AccessDeniedException", true, "allow sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:alerts to the role that tocsin runs as"},
		{400, "KMS.AccessDeniedException", true, "allow sqs:SendMessage"},
		{400, "AWS.SimpleQueueService.NonExistentQueue", true, "400 AWS.SimpleQueueService.NonExistentQueue: in its own words; make arn:aws:sqs:eu-west-1:111122223333:alerts"},
		{400, "QueueDoesNotExist", true, "make arn:aws:sqs:eu-west-1:111122223333:alerts, or name the right one"},
		{403, "InvalidClientTokenId", true, "correct the credentials"},
		{403, "SignatureDoesNotMatch", true, "or the clock"},
		{400, "ValidationException", true, "(sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:alerts)"},
		{400, "SomethingNew", true, "SomethingNew"},
	} {
		t.Run(tt.code, func(t *testing.T) {
			t.Parallel()
			s := awstest.New(t)
			s.Answers(awstest.Answer{Status: tt.status, Code: tt.code, Message: "in its own words"})
			err := deliver(t.Context(), opened(t, s.Settings()))
			if err == nil || notify.IsPermanent(err) != tt.permanent || !strings.Contains(err.Error(), tt.says) || !strings.HasPrefix(err.Error(), "aws-test: ") || !strings.Contains(err.Error(), "in its own words") {
				t.Errorf("Refused = %v, permanent %v; want %v with %q", err, notify.IsPermanent(err), tt.permanent, tt.says)
			}
		})
	}
}

// A machine that slept has a clock that is wrong for a moment: nobody's message is
// given up for that, and its credentials are not blamed.
func TestAClockThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ code, message string }{
		{"InvalidSignatureException", "Signature expired: 20260612T020000Z is now earlier than 20260612T025500Z (20260612T030000Z - 5 min.)"},
		{"SignatureDoesNotMatch", "Signature not yet current: 20260612T040000Z is still later than 20260612T030500Z (20260612T030000Z + 5 min.)"},
		{"RequestTimeTooSkewed", "The difference between the request time and the current time is too large."},
	} {
		s := awstest.New(t)
		s.Answers(awstest.Answer{Status: 403, Code: tt.code, Message: tt.message, Once: true})
		session := opened(t, s.Settings())
		err := deliver(t.Context(), session)
		if err == nil || notify.IsPermanent(err) || strings.Contains(err.Error(), "correct the credentials") {
			t.Errorf("%s: %v, want to be tried again", tt.code, err)
		}
		if err := deliver(t.Context(), session); err != nil {
			t.Errorf("%s, and once it is right: %v", tt.code, err)
		}
	}
}

func TestClassesOfEntries(t *testing.T) {
	t.Parallel()
	session := opened(t, aws.Settings{AccessKeyID: awstest.KeyID, SecretAccessKey: secret.New(awstest.Secret)})
	for _, tt := range []struct {
		code            string
		ours, permanent bool
	}{
		{"InternalFailure", false, false},
		{"InternalException", true, false},
		{"ThrottlingException", true, false},
		{"ServiceUnavailableException", false, false},
		{"ProvisionedThroughputExceededException", false, false},
		{"MalformedDetail", true, true},
		{"SomethingNew", false, false},
		{"SomethingNew", true, true},
		{"AccessDeniedException", false, true},
		{"", false, false},
	} {
		err := session.RefusedEntry(aws.Call{Action: "events:PutEvents", Resource: "arn:x"}, tt.code, "in its own words", tt.ours)
		if err == nil || notify.IsPermanent(err) != tt.permanent {
			t.Errorf("%s, ours %v: %v, permanent %v, want %v", tt.code, tt.ours, err, notify.IsPermanent(err), tt.permanent)
		}
	}
}

// A server that says 200 and nothing that can be read may have taken the message.
func TestAnAnswerThatCannotBeRead(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer server.Close()
	session := opened(t, aws.Settings{EndpointURL: server.URL, AccessKeyID: awstest.KeyID, SecretAccessKey: secret.New(awstest.Secret)})
	ctx, left := aws.Witness(t.Context())
	if err := deliver(ctx, session); err == nil || notify.IsPermanent(err) || !left() {
		t.Errorf("Refused = %v, left %v; want to be tried again", err, left())
	}
}

func TestWhetherARequestLeft(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	ctx, left := aws.Witness(t.Context())
	set := s.Assuming(role, "x4711")
	set.EndpointURL = "http://127.0.0.1:1"
	if err := deliver(ctx, opened(t, set)); err == nil || left() || assumed(s) != 1 {
		t.Errorf("to nobody: %v, left %v, assumed %d times; what asks for credentials is no request to the service", err, left(), assumed(s))
	}
	ctx, left = aws.Witness(t.Context())
	if err := deliver(ctx, opened(t, s.Settings())); err != nil || !left() {
		t.Errorf("to somebody: %v, left %v", err, left())
	}
}

// hosts answers nothing and keeps who was asked.
type hosts struct{ asked []string }

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.asked = append(h.asked, r.URL.Scheme+"://"+r.URL.Host)
	return nil, errors.New("nobody is asked in a test")
}

// Requests go by the client that a receiver is given, to where the region's
// partition has its services.
func TestEndpointsOfPartitions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ region, partition, sqs, sts string }{
		{"eu-west-1", "aws", "https://sqs.eu-west-1.amazonaws.com", "https://sts.eu-west-1.amazonaws.com"},
		{"us-east-1", "aws", "https://sqs.us-east-1.amazonaws.com", "https://sts.us-east-1.amazonaws.com"},
		{"cn-north-1", "aws-cn", "https://sqs.cn-north-1.amazonaws.com.cn", "https://sts.cn-north-1.amazonaws.com.cn"},
		{"us-gov-west-1", "aws-us-gov", "https://sqs.us-gov-west-1.amazonaws.com", "https://sts.us-gov-west-1.amazonaws.com"},
		{"us-iso-east-1", "aws-iso", "https://sqs.us-iso-east-1.c2s.ic.gov", "https://sts.us-iso-east-1.c2s.ic.gov"},
		{"us-isob-east-1", "aws-iso-b", "https://sqs.us-isob-east-1.sc2s.sgov.gov", "https://sts.us-isob-east-1.sc2s.sgov.gov"},
		{"eusc-de-east-1", "aws-eusc", "https://sqs.eusc-de-east-1.amazonaws.eu", "https://sts.eusc-de-east-1.amazonaws.eu"},
	} {
		t.Run(tt.region, func(t *testing.T) {
			t.Parallel()
			for _, roleARN := range []string{"", "arn:" + tt.partition + ":iam::111122223333:role/x"} {
				asked := &hosts{}
				env := notifytest.Env(t, nil)
				env.HTTP = &http.Client{Transport: asked}
				session, err := aws.Settings{AccessKeyID: awstest.KeyID, SecretAccessKey: secret.New(awstest.Secret), RoleARN: roleARN}.Open("aws-test", tt.region, env.Name, env.HTTP)
				if err != nil {
					t.Fatal(err)
				}
				if len(asked.asked) != 0 || session.Partition != tt.partition {
					t.Errorf("opening asked %v; partition %s", asked.asked, session.Partition)
				}
				want := tt.sqs
				if roleARN != "" {
					want = tt.sts
				}
				err = deliver(t.Context(), session)
				if err == nil || notify.IsPermanent(err) || len(asked.asked) != 1 || asked.asked[0] != want {
					t.Errorf("asked %v, want %s: %v", asked.asked, want, err)
				}
			}
			if domain := "https://sqs." + tt.region + "." + aws.DomainOf(tt.region); domain != tt.sqs {
				t.Errorf("DomainOf makes %s, want %s", domain, tt.sqs)
			}
		})
	}
}

// Without a key in the settings credentials are those of the environment, and
// where there are none the error says what to do.
func TestTheDefaultChain(t *testing.T) {
	for _, name := range []string{"AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	nowhere := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", nowhere)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_DEFAULTS_MODE", "auto")
	t.Setenv("AWS_ACCESS_KEY_ID", awstest.KeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", awstest.Secret)
	s := awstest.New(t)
	if err := deliver(t.Context(), opened(t, aws.Settings{EndpointURL: s.URL})); err != nil || s.Calls()[0].KeyID != awstest.KeyID {
		t.Errorf("with a key in the environment: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	err := deliver(t.Context(), opened(t, aws.Settings{EndpointURL: s.URL}))
	if err == nil || notify.IsPermanent(err) || !strings.Contains(err.Error(), "credentials: ") || !strings.Contains(err.Error(), "give tocsin a role") {
		t.Errorf("with none anywhere: %v, want an error that says what to do", err)
	}
}

// A refusal without a code is none of AWS's: it comes from something on the way.
func TestAnAnswerOfAProxy(t *testing.T) {
	t.Parallel()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "forbidden by the policy of the house", http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	err := deliver(t.Context(), opened(t, aws.Settings{EndpointURL: proxy.URL, AccessKeyID: awstest.KeyID, SecretAccessKey: secret.New(awstest.Secret)}))
	if err == nil || !strings.Contains(err.Error(), "403") || !strings.Contains(err.Error(), "proxy") || !strings.Contains(err.Error(), "sqs:SendMessage") {
		t.Errorf("Refused = %v, want one that says where to look", err)
	}
}

// What the SDK says by itself is no JSON, and would be in the middle of a log that is.
func TestTheSDKWritesNothingByItself(t *testing.T) {
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusForbidden) // of which the SDK warns
	}))
	t.Cleanup(metadata.Close)
	for _, name := range []string{"AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"} {
		t.Setenv(name, "")
	}
	nowhere := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", nowhere)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
	written, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	was := os.Stderr
	os.Stderr = written
	defer func() { os.Stderr = was }()
	if err := deliver(t.Context(), opened(t, aws.Settings{EndpointURL: metadata.URL})); err == nil {
		t.Error("without credentials: no error")
	}
	if text, err := os.ReadFile(written.Name()); err != nil || len(text) > 0 {
		t.Errorf("the SDK wrote %q, %v", text, err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	key := func(s aws.Settings) aws.Settings {
		s.AccessKeyID, s.SecretAccessKey = awstest.KeyID, secret.New(awstest.Secret)
		return s
	}
	for _, tt := range []struct {
		name  string
		set   aws.Settings
		where string
		wrong string
	}{
		{"the ARN's region", key(aws.Settings{}), "eu-west-1", ""},
		{"a region of its own", key(aws.Settings{Region: "ap-southeast-2"}), "", ""},
		{"the same region", key(aws.Settings{Region: "eu-west-1"}), "eu-west-1", ""},
		{"no region", key(aws.Settings{}), "", "region: is not set"},
		{"another region", key(aws.Settings{Region: "eu-west-2"}), "eu-west-1", "leave it out"},
		{"a place", key(aws.Settings{Region: "Ireland"}), "", "is not an AWS region"},
		{"half a key", aws.Settings{AccessKeyID: awstest.KeyID}, "eu-west-1", "set both or none"},
		{"a token of nobody", aws.Settings{SessionToken: secret.New("x")}, "eu-west-1", "session_token"},
		{"a role", key(aws.Settings{RoleARN: role, ExternalID: "x/4711", RoleSessionName: "tocsin@eu"}), "eu-west-1", ""},
		{"a user", key(aws.Settings{RoleARN: "arn:aws:iam::111122223333:user/x"}), "eu-west-1", "is not the ARN of a role"},
		{"an external id of nobody", key(aws.Settings{ExternalID: "x4711"}), "eu-west-1", "are for role_arn"},
		{"a session's name with a space", key(aws.Settings{RoleARN: role, RoleSessionName: "to csin"}), "eu-west-1", "role_session_name"},
		{"an external id with a space", key(aws.Settings{RoleARN: role, ExternalID: "a b"}), "eu-west-1", "external_id"},
		{"an endpoint", key(aws.Settings{EndpointURL: "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com"}), "eu-west-1", ""},
		{"an endpoint in clear", key(aws.Settings{EndpointURL: "http://sqs.example.com"}), "eu-west-1", "endpoint_url must begin with https://"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.set.Open("aws-test", tt.where, "alerts", nil)
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("Open = %v, want %q", err, tt.wrong)
			}
		})
	}
}

func TestARNs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, arn, wrong string }{
		{"a queue", "arn:aws:sqs:eu-west-1:111122223333:alerts", ""},
		{"in China", "arn:aws-cn:sqs:cn-northwest-1:111122223333:alerts", ""},
		{"no region", "arn:aws:sqs::111122223333:alerts", "has no region"},
		{"another service", "arn:aws:sns:eu-west-1:111122223333:alerts", "of the service sns"},
		{"another partition", "arn:aws:sqs:us-gov-west-1:111122223333:alerts", "in the partition aws-us-gov"},
		{"account and region swapped", "arn:aws:sqs:111122223333:eu-west-1:alerts", "is not an ARN"},
		{"nothing at its end", "arn:aws:sqs:eu-west-1:111122223333:", "is not an ARN"},
		{"text", "alerts", "is not an ARN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, err := aws.ParseARN(tt.arn, "sqs")
			if tt.wrong == "" && (err != nil || a.String() != tt.arn) || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("ParseARN = %v, %v, want %q", a, err, tt.wrong)
			}
		})
	}
}

// The server of these tests believes nobody who does not know the secret.
func TestAWrongSecretIsFoundOut(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	set := s.Settings()
	set.SecretAccessKey = secret.New("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEZ")
	if err := deliver(t.Context(), opened(t, set)); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "InvalidSignatureException") || !strings.Contains(err.Error(), "correct the credentials") {
		t.Errorf("with another secret: %v", err)
	}
	set.AccessKeyID = "AKIAIOSFODNN7NOBODYS"
	if err := deliver(t.Context(), opened(t, set)); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "UnrecognizedClientException") {
		t.Errorf("with another key: %v", err)
	}
	if len(s.Calls()) != 0 {
		t.Error("the server took a request that was not signed as it must be")
	}
}
