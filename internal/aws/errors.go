package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// A Call is something that is done at AWS: an action as IAM calls it, and
// on what.
type Call struct {
	Action   string // "sqs:SendMessage"
	Resource string // ARN
}

// A fault is what kind of refusal a code is.
type fault int

const (
	unknown    fault = iota // judged by its status
	passing                 // the service is busy or broken, or somebody changes something just now
	stale                   // credentials that ended; new ones are fetched
	denied                  // a policy does not allow it
	missing                 // there is no such resource
	unbelieved              // credentials that AWS does not know
	unknowable              // of a single entry, without a code that says more
)

// faults are the codes of which the SDK does not know already whether they pass.
// They are the services' own: see the errors of each operation in its API
// reference.
var faults = map[string]fault{
	"InternalFailure": passing, "InternalError": passing, "InternalException": passing, "InternalServerError": passing, "InternalServerException": passing,
	"InternalServiceError": passing, "ServerException": passing, "ServiceException": passing, "ServiceUnavailable": passing, "ServiceUnavailableException": passing,
	"KMSThrottling": passing, "KMSThrottlingException": passing, "KMS.ThrottlingException": passing, "KmsThrottlingException": passing, "Throttled": passing, "ThrottledException": passing,
	"OverLimit": passing, "LimitExceededException": passing, "ExecutionLimitExceeded": passing, "ServiceQuotaExceededException": passing,
	"OperationAbortedException": passing, "ResourceConflictException": passing, "ResourceInUseException": passing, "ResourceNotReadyException": passing, "ClientLimitExceeded": passing,
	"EC2ThrottledException": passing, "EC2UnexpectedException": passing, "ENILimitReachedException": passing, "SubnetIPAddressLimitReachedException": passing, "EFSMountTimeoutException": passing,
	"RequestTimeTooSkewed": passing,

	"ExpiredToken": stale, "ExpiredTokenException": stale, "RequestExpired": stale,

	"AccessDenied": denied, "AccessDeniedException": denied, "AccessDeniedFault": denied, "AuthorizationError": denied, "AuthorizationErrorException": denied,
	"NotAuthorized": denied, "UnauthorizedOperation": denied, "KMSAccessDenied": denied, "KMSAccessDeniedException": denied, "KMS.AccessDeniedException": denied, "KmsAccessDeniedException": denied,

	"ResourceNotFoundException": missing, "NotFound": missing, "NotFoundException": missing, "QueueDoesNotExist": missing, "AWS.SimpleQueueService.NonExistentQueue": missing,
	"StateMachineDoesNotExist": missing, "ClusterNotFoundException": missing, "InvalidDocument": missing,

	"InvalidSignatureException": unbelieved, "SignatureDoesNotMatch": unbelieved, "UnrecognizedClientException": unbelieved, "InvalidClientTokenId": unbelieved,
	"MissingAuthenticationToken": unbelieved, "MissingAuthenticationTokenException": unbelieved, "IncompleteSignature": unbelieved, "OptInRequired": unbelieved,
}

func faultOf(code string) fault {
	_, retryable := retry.DefaultRetryableErrorCodes[code]
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	if retryable || throttled {
		return passing
	}
	return faults[code]
}

// blames marks a refusal of a request that one of its entries may have brought
// about.
type blames struct{ error }

func (b blames) Unwrap() error { return b.error }

// OneToBlame reports whether the request was refused for what one of its entries may
// have brought about.
func OneToBlame(err error) bool {
	_, ok := errors.AsType[blames](err)
	return ok
}

// Refused says in the contract's terms what went wrong with a call:
//
//   - what throttles, what is broken and the network may be tried again, not before
//     a Retry-After; so may credentials that ended, once new ones are fetched, and
//     what was signed by a clock that is wrong;
//   - a policy that does not allow the call, a resource that is not there, and what
//     the service finds wrong with the request are permanent, and name the call and
//     the next step;
//   - what else is answered is judged by its status.
//
// No error holds a secret, a session token or a signature.
func (s *Session) Refused(ctx context.Context, call Call, err error) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s: %w", s.Kind, cause)
	}
	if assuming(err) {
		call = Call{"sts:AssumeRole", s.set.RoleARN}
	}
	answer, _ := errors.AsType[*smithyhttp.ResponseError](err)
	if !Answered(err) {
		return s.unanswered(err)
	}
	code, message := "", ""
	if refusal, ok := errors.AsType[smithy.APIError](err); ok && refusal.ErrorCode() != "UnknownError" {
		code, message = refusal.ErrorCode(), refusal.ErrorMessage()
	}
	status := answer.HTTPStatusCode()
	f := faultOf(code)
	if f == unknown && (status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests || status >= 500) {
		f = passing
	}
	said := s.judged(call, f, strconv.Itoa(status), code, message)
	if wait, ok := notify.Wait(answer.Response.Header); ok && !notify.IsPermanent(said) {
		return notify.After(said, wait)
	}
	return said
}

// RefusedEntry is as [Session.Refused] for one entry of a request that succeeded.
// ours says that the service holds the entry to be at fault, where it tells.
func (s *Session) RefusedEntry(call Call, code, message string, ours bool) error {
	f := faultOf(code)
	if f == unknown && !ours {
		f = passing
	}
	if f == unknown {
		f = unknowable
	}
	return s.judged(call, f, "", code, message)
}

// judged makes the error of a fault.
func (s *Session) judged(call Call, f fault, status, code, message string) error {
	text := s.Clean(joined(status, code, message))
	if f != unknown && f != unknowable {
		// A code that is known is no address of anybody's.
		text = strings.Replace(text, notify.Defang(code), code, 1)
	}
	text = s.Kind + ": " + text
	if f == passing {
		return errors.New(text)
	}
	text = strings.TrimSuffix(text, ".") // more follows
	if f == unbelieved && mistimed.MatchString(message) {
		return errors.New(text + "; correct the clock of this machine") // the credentials may be good
	}
	if assumes := call.Action == "sts:AssumeRole"; f == denied && assumes {
		text += "; allow sts:AssumeRole on " + call.Resource + " to whoever tocsin runs as, and trust it in the role's own policy, with its external id"
	} else if f == denied {
		text += "; allow " + call.Action + " on " + call.Resource + " to " + s.who()
	}
	switch f {
	case stale:
		s.cached.Invalidate()
		return errors.New(text + "; new credentials are fetched")
	case missing:
		text += "; make " + call.Resource + ", or name the right one"
	case unbelieved:
		text += "; correct the credentials, or the clock"
	case unknown:
		if code == "" {
			text += ": AWS gives a code with what it refuses; look whether a proxy or a firewall answered"
		}
		return notify.Permanent(blames{errors.New(text + " (" + call.Action + " on " + call.Resource + ")")})
	case unknowable:
		text += " (" + call.Action + " on " + call.Resource + ")"
	}
	return notify.Permanent(errors.New(text))
}

// mistimed finds what AWS says of a signature whose time is more than minutes from
// its own (https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html).
var mistimed = lazyregexp.New(`(?i)^\s*signature (expired|not yet current)\b`)

// who sends, as somebody who writes a policy would call it.
func (s *Session) who() string {
	if s.set.RoleARN != "" {
		return "role " + s.set.RoleARN
	}
	return "the role that tocsin runs as"
}

func joined(status, code, message string) string {
	text := strings.TrimSpace(status + " " + code)
	if text == "" {
		text = "refused"
	}
	if message != "" && message != code {
		text += ": " + message
	}
	return text
}

// slowly is how long what nobody but an operator mends is left alone.
const slowly = 30 * time.Second

// Patience is how long to leave alone, at least, what failed with err of
// [Session.Refused].
func Patience(err error) time.Duration {
	if notify.IsPermanent(err) {
		return slowly
	}
	wait, _ := notify.RetryAfter(err)
	return wait
}

// Answered reports whether the service said that it did not do what it was asked.
// Otherwise nobody knows whether it did.
func Answered(err error) bool {
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && answer.Response != nil && answer.HTTPStatusCode() >= 300
}

// Undone reports whether the service said for certain that it did not do what it was
// asked. A server that broke, or a gateway before it, may say so of what it had
// done already.
func Undone(err error) bool {
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && Answered(err) && (answer.HTTPStatusCode() < 500 || answer.HTTPStatusCode() == http.StatusServiceUnavailable)
}

// unanswered is the error where no answer came: the network, or no credentials.
// Somebody mends it.
func (s *Session) unanswered(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		host := ""
		if u, bad := url.Parse(wrapped.URL); bad == nil {
			host = u.Host + ": "
		}
		return errors.New(s.Kind + ": " + host + s.Clean(wrapped.Err.Error()))
	}
	text := err.Error()
	// The SDK begins with what it was doing.
	if _, rest, ok := strings.Cut(text, "get credentials: "); ok {
		text = "credentials: " + rest + "; give tocsin a role, or a key of its own"
	}
	return errors.New(s.Kind + ": " + s.Clean(text))
}

// assuming reports whether it was the role that could not be assumed.
func assuming(err error) bool {
	for err != nil {
		op, ok := errors.AsType[*smithy.OperationError](err)
		if !ok {
			return false
		}
		if op.Service() == "STS" && op.Operation() == "AssumeRole" {
			return true
		}
		err = op.Err
	}
	return false
}

var signature = lazyregexp.New(`(?i)(signature|credential|token)[=:\[" ]+[^\s,&\]"]{16,}`)

// Clean is what somebody said, fit to be shown: services echo what they were sent.
func (s *Session) Clean(text string) string {
	text = notify.Clean(text)
	for _, known := range append(s.seen.secrets(), s.set.SecretAccessKey.Reveal(), s.set.SessionToken.Reveal(), s.set.ExternalID) {
		if len(known) >= 4 {
			text = strings.ReplaceAll(text, known, "***")
		}
	}
	text = signature.ReplaceAllString(text, "$1=***")
	return notify.Truncate(notify.Defang(text), 300, notify.Runes)
}
