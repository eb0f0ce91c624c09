// Package aws is how sources and receivers reach AWS: whose credentials they ask
// with, which resource an ARN means, and what can be done about an error.
//
// Opening a session reaches nobody: credentials are looked for by the first
// request.
package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Settings are how a source or receiver reaches AWS.
type Settings struct {
	Region          string        `json:"region,omitempty" doc:"AWS region: eu-west-1. Left out, it is that of the ARN."`
	RoleARN         string        `json:"role_arn,omitempty" doc:"Role that is assumed for this alone. Without it the credentials are used as they are found."`
	ExternalID      string        `json:"external_id,omitempty" doc:"External id that the role's trust policy asks for."`
	RoleSessionName string        `json:"role_session_name,omitempty" doc:"How CloudTrail calls who assumed the role; left out, tocsin- and its name here."`
	EndpointURL     string        `json:"endpoint_url,omitempty" doc:"Another address of the service, such as a VPC endpoint."`
	STSEndpointURL  string        `json:"sts_endpoint_url,omitempty" doc:"Another address of AWS STS, where role_arn is assumed."`
	AccessKeyID     string        `json:"access_key_id,omitempty" doc:"Access key. Without it credentials are found as every AWS tool finds them: environment, shared files, role of the machine, task or pod. A key that never ends is the last resort."`
	SecretAccessKey secret.String `json:"secret_access_key,omitzero" doc:"Secret of the access key."`
	SessionToken    secret.String `json:"session_token,omitzero" doc:"Session token of a temporary access key."`
}

// A Session is how one source or receiver reaches AWS.
type Session struct {
	// Kind begins every error: "aws-sqs".
	Kind string
	// Config makes a client of a service: it has region, credentials and endpoint,
	// and does not try again by itself.
	Config aws.Config
	// Partition of the region: "aws", "aws-cn", "aws-us-gov".
	Partition string

	set    Settings
	found  *string // where all services are, if the machine says so
	seen   *watched
	cached *aws.CredentialsCache
}

var (
	regionForm  = lazyregexp.New(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
	roleForm    = lazyregexp.New(`^arn:[a-z-]+:iam::[0-9]{12}:role/[\x21-\x7e]{1,512}$`)
	sessionForm = lazyregexp.New(`^[\w+=,.@-]{2,64}$`)
	externForm  = lazyregexp.New(`^[\w+=,.@:/-]+$`)
)

// Open checks the settings and makes the session of the source or receiver of that
// name, whose requests go out by client. where is the region of its ARN, or "" where
// the settings must say it.
func (s Settings) Open(kind, where, name string, client *http.Client) (*Session, error) {
	if err := s.check(where); err != nil {
		return nil, err
	}
	s.Region = cmp.Or(s.Region, where)
	s.RoleSessionName = cmp.Or(s.RoleSessionName, sessionName(name))
	client = unredirected(client)
	base, err := s.load(client)
	if err != nil {
		return nil, err
	}
	session := &Session{Kind: kind, Partition: PartitionOf(s.Region), set: s, found: base.BaseEndpoint}
	found := base.Credentials
	if s.RoleARN != "" {
		found = s.assuming(base)
	}
	session.seen = &watched{from: found}
	session.cached = aws.NewCredentialsCache(session.seen, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = time.Minute })
	base.Credentials = session.cached
	base.HTTPClient = witness{client}
	if s.EndpointURL != "" {
		base.BaseEndpoint = &s.EndpointURL
	}
	session.Config = base
	return session, nil
}

func (s Settings) check(where string) error {
	region := cmp.Or(s.Region, where)
	switch {
	case region == "":
		return errors.New("region: is not set, and there is no ARN to take it from")
	case !regionForm.MatchString(region) && !secret.IsReference(region):
		return fmt.Errorf("region: %q is not an AWS region", region)
	case where != "" && region != where:
		return fmt.Errorf("region: %s is not that of the ARN, %s: leave it out", region, where)
	case (s.AccessKeyID == "") != s.SecretAccessKey.IsZero():
		return errors.New("access_key_id and secret_access_key go together: set both or none")
	case !s.SessionToken.IsZero() && s.AccessKeyID == "":
		return errors.New("session_token: belongs to an access_key_id, and there is none")
	case s.RoleARN == "" && s.ExternalID+s.RoleSessionName+s.STSEndpointURL != "":
		return errors.New("external_id, role_session_name and sts_endpoint_url are for role_arn, and there is none")
	case s.RoleARN != "" && !roleForm.MatchString(s.RoleARN) && !secret.IsReference(s.RoleARN):
		return fmt.Errorf("role_arn: %q is not the ARN of a role: arn:aws:iam::111122223333:role/name", s.RoleARN)
	case s.RoleSessionName != "" && !sessionForm.MatchString(s.RoleSessionName):
		return errors.New("role_session_name: want 2 to 64 letters, digits and +=,.@_-")
	case s.ExternalID != "" && (!externForm.MatchString(s.ExternalID) || len(s.ExternalID) < 2 || len(s.ExternalID) > 1224):
		return errors.New("external_id: want 2 to 1224 letters, digits and +=,.@:/_-")
	}
	for _, e := range []struct{ key, address string }{{"endpoint_url", s.EndpointURL}, {"sts_endpoint_url", s.STSEndpointURL}} {
		if e.address == "" {
			continue
		}
		if err := notify.CheckURL(secret.New(e.address)); err != nil {
			return fmt.Errorf("%s %w", e.key, err)
		}
	}
	return nil
}

// sessionName is tocsin- and the receiver's name, as STS allows it.
func sessionName(receiver string) string {
	name := "tocsin-" + strings.Map(func(r rune) rune {
		if r < 0x80 && sessionForm.MatchString(string([]rune{r, r})) {
			return r
		}
		return '-'
	}, receiver)
	return name[:min(len(name), 64)]
}

// load finds credentials. With those of the settings nothing of the machine is
// looked at.
func (s Settings) load(client *http.Client) (aws.Config, error) {
	once := func() aws.Retryer { return aws.NopRetryer{} }
	if s.AccessKeyID != "" {
		static := credentials.NewStaticCredentialsProvider(s.AccessKeyID, s.SecretAccessKey.Reveal(), s.SessionToken.Reveal())
		return aws.Config{Region: s.Region, Credentials: static, Retryer: once, HTTPClient: client, AppID: "tocsin"}, nil
	}
	// The mode is said, since one that the environment says may ask the machine's
	// metadata here. The metadata's own client stays as it is: it knows how long to
	// wait where there is none. What the SDK would write to the standard error by
	// itself is no line of our log, and comes again in errors.
	loaded, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(s.Region), config.WithRetryer(once),
		config.WithDefaultsMode(aws.DefaultsModeStandard), config.WithAppID("tocsin"), config.WithLogger(logging.Nop{}))
	if err != nil {
		return aws.Config{}, fmt.Errorf("credentials of AWS: %w", err)
	}
	loaded.HTTPClient = client
	return loaded, nil
}

// assuming has the role assumed by the credentials of base, in its region.
func (s Settings) assuming(base aws.Config) aws.CredentialsProvider {
	if s.STSEndpointURL != "" {
		base.BaseEndpoint = &s.STSEndpointURL
	}
	return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(base), s.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = s.RoleSessionName
		if s.ExternalID != "" {
			o.ExternalID = &s.ExternalID
		}
	})
}

// unredirected is the client, following no redirect: a signed request is for the
// one it was signed for.
func unredirected(client *http.Client) *http.Client {
	if client == nil {
		client = http.DefaultClient
	}
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &once
}

// watched remembers the secrets that were last used, so that no error repeats
// them.
type watched struct {
	from aws.CredentialsProvider

	mu   sync.Mutex // guards last
	last []string
}

func (w *watched) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := w.from.Retrieve(ctx)
	if err != nil {
		return c, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// The ones before are still in requests under way.
	w.last = append([]string{c.SecretAccessKey, c.SessionToken}, w.last[:min(len(w.last), 2)]...)
	return c, nil
}

func (w *watched) secrets() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// witness makes requests and sees whether they left.
type witness struct{ client *http.Client }

type witnessed struct{}

func (w witness) Do(r *http.Request) (*http.Response, error) {
	if left, ok := r.Context().Value(witnessed{}).(*atomic.Bool); ok {
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{WroteHeaders: func() { left.Store(true) }}))
	}
	if r.Body != nil && r.ContentLength > 0 {
		r.Body = readOnly{r.Body}
	}
	return w.client.Do(r)
}

// readOnly is a body without WriteTo. The SDK closes a body as soon as there is an
// answer, net/http looks after that whether the body is at its end, and the SDK's
// WriteTo calls that an error: net/http then closes the connection, while the answer is
// being read. Read says that it is at its end.
type readOnly struct{ io.ReadCloser }

// Witness gives a context in which left tells whether a request was sent to the
// service. Requests for credentials are none.
func Witness(ctx context.Context) (watching context.Context, left func() bool) {
	var flag atomic.Bool
	return context.WithValue(ctx, witnessed{}, &flag), flag.Load
}
