package phone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	api "github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2"
	"github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	reach "github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Patience is for how long a message or a call is of use to anybody. Vendors that
// queue are told to drop it then.
const Patience = 30 * time.Minute

// AWS are the settings of AWS End User Messaging.
type AWS struct {
	Region              string        `json:"region" required:"true" doc:"AWS region of the number or pool: eu-west-1."`
	OriginationIdentity string        `json:"origination_identity" required:"true" doc:"What it is sent from: a phone number, pool or (for text) sender ID, by name, id or ARN."`
	ConfigurationSet    string        `json:"configuration_set,omitempty" doc:"Configuration set, by name or ARN; its event destinations are told of deliveries."`
	ProtectConfig       string        `json:"protect_configuration,omitempty" doc:"Protect configuration, by id or ARN: the countries that may be told."`
	AccessKeyID         string        `json:"access_key_id,omitempty" doc:"Access key; without it credentials are found as every AWS tool finds them: environment, shared files, role of the machine or task."`
	SecretAccessKey     secret.String `json:"secret_access_key,omitzero" doc:"Secret of the access key."`
	Endpoint            string        `json:"endpoint,omitempty" doc:"Another address of the service, such as a VPC endpoint."`
}

// A Client sends by AWS End User Messaging.
type Client struct {
	set   AWS
	text  reach.Operation[api.SendTextMessageInput, api.SendTextMessageOutput, api.Options]
	voice reach.Operation[api.SendVoiceMessageInput, api.SendVoiceMessageOutput, api.Options]
}

// Open checks the settings and makes the client. It calls nobody.
func (a AWS) Open(client *http.Client) (*Client, error) {
	for _, f := range []struct{ key, value string }{{"region", a.Region}, {"origination_identity", a.OriginationIdentity}} {
		if f.value == "" {
			return nil, fmt.Errorf("%s: is not set", f.key)
		}
	}
	if strings.Trim(a.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" && !secret.IsReference(a.Region) {
		return nil, fmt.Errorf("region: %q is not an AWS region", a.Region)
	}
	if (a.AccessKeyID == "") != a.SecretAccessKey.IsZero() {
		return nil, errors.New("access_key_id and secret_access_key go together: set both or none")
	}
	if a.Endpoint != "" {
		if err := notify.CheckURL(secret.New(a.Endpoint)); err != nil {
			return nil, fmt.Errorf("endpoint %w", err)
		}
	}
	loaded, err := a.load()
	if err != nil {
		return nil, err
	}
	sender := api.NewFromConfig(loaded, func(o *api.Options) {
		// Trying again is the engine's.
		o.Retryer = aws.NopRetryer{}
		if client != nil {
			o.HTTPClient = client
		}
		if a.Endpoint != "" {
			o.BaseEndpoint = aws.String(a.Endpoint)
		}
	})
	return &Client{set: a, text: sender.SendTextMessage, voice: sender.SendVoiceMessage}, nil
}

// load finds credentials. With those of the settings nothing of the machine is
// looked at.
func (a AWS) load() (aws.Config, error) {
	if a.AccessKeyID != "" {
		static := credentials.NewStaticCredentialsProvider(a.AccessKeyID, a.SecretAccessKey.Reveal(), "")
		return aws.Config{Region: a.Region, Credentials: aws.NewCredentialsCache(static)}, nil
	}
	loaded, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(a.Region))
	if err != nil {
		return aws.Config{}, fmt.Errorf("credentials of AWS: %w", err)
	}
	return loaded, nil
}

// Text sends a text message of at most 1,600 characters and returns its id. about
// is logged with what becomes of it at AWS.
func (c *Client) Text(ctx context.Context, to, text string, about map[string]string) (string, error) {
	out, err := c.text(ctx, &api.SendTextMessageInput{
		DestinationPhoneNumber: &to, MessageBody: &text, MessageType: types.MessageTypeTransactional,
		OriginationIdentity: &c.set.OriginationIdentity, ConfigurationSetName: optional(c.set.ConfigurationSet),
		ProtectConfigurationId: optional(c.set.ProtectConfig), TimeToLive: aws.Int32(int32(Patience.Seconds())), Context: about,
	})
	if err != nil {
		return "", c.judge(ctx, err)
	}
	return aws.ToString(out.MessageId), nil
}

// Call has a text of at most 3,000 characters read out by voice, one of Amazon
// Polly's, or the service's own if that is empty.
func (c *Client) Call(ctx context.Context, to, text, voice string, about map[string]string) (string, error) {
	out, err := c.voice(ctx, &api.SendVoiceMessageInput{
		DestinationPhoneNumber: &to, MessageBody: &text, MessageBodyTextType: types.VoiceMessageBodyTextTypeText, VoiceId: types.VoiceId(voice),
		OriginationIdentity: &c.set.OriginationIdentity, ConfigurationSetName: optional(c.set.ConfigurationSet),
		ProtectConfigurationId: optional(c.set.ProtectConfig), TimeToLive: aws.Int32(int32(Patience.Seconds())), Context: about,
	})
	if err != nil {
		return "", c.judge(ctx, err)
	}
	return aws.ToString(out.MessageId), nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// passing are error codes that are not the fault of the number or the text,
// besides those that the SDK knows to pass: a quota can be raised, a policy or key
// mended, and the SDK sets a clock right by what the first answer says. Nobody's
// phone is to be given up for them.
var passing = map[string]bool{
	"ServiceQuotaExceededException": true, "InternalServerException": true, "AccessDeniedException": true, "ResourceNotFoundException": true,
	"ExpiredTokenException": true, "ExpiredToken": true, "RequestExpired": true, "RequestTimeTooSkewed": true,
	"InvalidSignatureException": true, "UnrecognizedClientException": true, "InvalidClientTokenId": true, "MissingAuthenticationTokenException": true,
}

// judge says in the contract's terms what went wrong.
func (c *Client) judge(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("aws: %w", cause)
	}
	said := errors.New("aws: " + c.words(err))
	answer, answered := errors.AsType[*smithyhttp.ResponseError](err)
	if !answered || answer.Response == nil {
		return said // the network, or no credentials: somebody mends it
	}
	if refusal, ok := errors.AsType[smithy.APIError](err); ok {
		_, retryable := retry.DefaultRetryableErrorCodes[refusal.ErrorCode()]
		_, throttled := retry.DefaultThrottleErrorCodes[refusal.ErrorCode()]
		if retryable || throttled || passing[refusal.ErrorCode()] {
			return said
		}
	}
	switch code := answer.HTTPStatusCode(); {
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return said
	}
	return notify.Permanent(said)
}

// words are what the service said, fit to be shown, or what kept it from saying
// anything.
func (c *Client) words(err error) string {
	text := err.Error()
	if refusal, ok := errors.AsType[smithy.APIError](err); ok {
		text = refusal.ErrorCode()
		if message := refusal.ErrorMessage(); message != "" && message != text {
			text += ": " + message
		}
		if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.Response != nil {
			text = fmt.Sprintf("%d %s", answer.HTTPStatusCode(), text)
		}
	}
	text = notify.Clean(text)
	if key := c.set.SecretAccessKey.Reveal(); key != "" {
		text = strings.ReplaceAll(text, key, "***")
	}
	return notify.Truncate(notify.Defang(text), 300, notify.Runes)
}
