package guarddutyapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// tries is how often is asked what fails and is not throttled.
const tries = 3

// longestPause is between two tries.
const longestPause = 20 * time.Second

// A refusal is an error of AWS's: what was refused, and its code; "" if nobody answered.
type refusal struct {
	error
	action, code string
}

func (r *refusal) Unwrap() error { return r.error }

// codeOf is AWS's code of an error, or "".
func codeOf(err error) string {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.code
	}
	return ""
}

// refusals are what AWS did not let see, and what can be done without.
type refusals []*refusal

// without takes note of an error that one can do without, and gives back one that not.
func (rs *refusals) without(err error) error {
	r, ok := errors.AsType[*refusal](err)
	if !ok || r.code == "" {
		return err // the network, or the end
	}
	*rs = append(*rs, r)
	return nil
}

// asked does a call, again and again while what is wrong with it passes. Nobody else
// waits for its pauses.
func asked[T any](ctx context.Context, s *Source, session *aws.Session, call aws.Call, do func(context.Context) (T, error)) (T, error) {
	began := time.Now()
	for try := 1; ; try++ {
		out, err := once(ctx, s, do)
		if err == nil || ctx.Err() != nil {
			return out, err
		}
		code := ""
		if refused, ok := errors.AsType[smithy.APIError](err); ok {
			code = refused.ErrorCode()
		}
		err = &refusal{session.Refused(ctx, call, err), call.Action, code}
		_, throttled := retry.DefaultThrottleErrorCodes[code]
		pause := s.pause << min(try-1, 6)
		pause = min(pause/2+rand.N(pause/2+1), longestPause) //nolint:gosec // chance, no secret
		if least, ok := notify.RetryAfter(err); ok {
			pause = max(pause, least)
		}
		switch {
		case notify.IsPermanent(err), !throttled && try >= tries, throttled && time.Since(began)+pause > s.patience:
			return out, err
		}
		if !collect.Sleep(ctx, pause) {
			return out, ctx.Err()
		}
	}
}

// once does a call when there is room for one more.
func once[T any](ctx context.Context, s *Source, do func(context.Context) (T, error)) (out T, err error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return out, ctx.Err()
	}
	defer func() { <-s.slots }()
	return do(ctx)
}

// clocked has the clock of each answer read.
func (s *Source) clocked(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("tocsin:clock", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if resp, ok := out.RawResponse.(*smithyhttp.Response); ok {
			if at, bad := http.ParseTime(resp.Header.Get("Date")); bad == nil {
				s.skew.Store(int64(at.Sub(s.env.Now())))
			}
		}
		return out, metadata, err
	}), middleware.After)
}

// errTooLarge says that an answer is more than is taken at once.
var errTooLarge = errors.New("the answer is too large")

// rawly has the body of an answer put into raw, and the SDK find none of it: what
// GuardDuty calls a finding is ours to read, whatever is in it.
func rawly(raw *[]byte) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("tocsin:raw", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			resp, ok := out.RawResponse.(*smithyhttp.Response)
			if err != nil || !ok || resp.StatusCode != http.StatusOK {
				return out, metadata, err
			}
			body, err := io.ReadAll(io.LimitReader(resp.Body, collect.MaxBody+1))
			_ = resp.Body.Close()
			switch {
			case err != nil:
				return out, metadata, fmt.Errorf("body: %w", err)
			case len(body) > collect.MaxBody:
				return out, metadata, errTooLarge
			}
			*raw = body
			resp.Body = http.NoBody
			return out, metadata, nil
		}), middleware.After)
	}
}

// text is what a field says, or "".
func text(field *string) string { return sdk.ToString(field) }
