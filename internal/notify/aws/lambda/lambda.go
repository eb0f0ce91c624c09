// Package lambda invokes an AWS Lambda function.
//
// Lambda does not know a repeated invocation for one: the message's id is in the
// payload of tocsin's own document, and in the client context, which a function
// sees that is waited for.
package lambda

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	api "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
)

// Limits of Invoke (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const (
	eventMost   = 1 << 20 // bytes of a payload that nobody waits for
	requestMost = 6 << 20 // of one that is waited for
	contextMost = 3583    // of the client context, in base64
)

// Kind is the notifier for Lambda. It acts.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("aws-lambda", "Invokes an AWS Lambda function.", open)
	k.Title = "AWS Lambda"
	k.Abilities = notify.Abilities{Limit: "1 MiB of an event, 6 MiB of a request"}
	k.Checks = []notify.Check{
		{How: notify.ByCounterpart, By: "moto 5.2.1", Test: "TestMoto"},
		{How: notify.BySchema, By: "AWS's model of the service, in botocore 1.43.11", Test: "TestPromises"},
	}
	k.Acts = true
	k.Patience = send.ActPatience
	return k
}

// Config are the settings of a function.
type Config struct {
	Function   string `json:"function" required:"true" doc:"ARN or name of the function, with :alias or :version at its end if it is to be that." example:"arn:aws:lambda:eu-west-1:111122223333:function:isolate:live"`
	Invocation string `json:"invocation,omitempty" default:"event" oneof:"event request" doc:"event hands it over and returns; request waits for the function, and an error of it is an error."`
	send.Content
	aws.Settings
}

type notifier struct {
	*send.Body
	session  *aws.Session
	invoke   aws.Operation[api.InvokeInput, api.InvokeOutput, api.Options]
	call     aws.Call
	function string
	waits    bool
}

var nameForm = lazyregexp.New(`^[a-zA-Z0-9_-]{1,64}(:(\$LATEST|[a-zA-Z0-9_-]{1,128}))?$`)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	function, err := aws.Named("function", c.Function, "lambda", "function:", nameForm)
	if err != nil {
		return nil, err
	}
	n := &notifier{function: c.Function}
	most := eventMost
	switch c.Invocation {
	case "", "event":
	case "request":
		n.waits, most = true, requestMost
	default:
		return nil, fmt.Errorf("invocation: %q is neither event nor request", c.Invocation)
	}
	if n.Body, err = c.Acting("aws-lambda", most); err != nil {
		return nil, err
	}
	if n.session, err = c.Open("aws-lambda", function.Where(), env.Name, env.HTTP); err != nil {
		return nil, err
	}
	n.invoke = api.NewFromConfig(n.session.Config).Invoke
	n.call = aws.Call{Action: "lambda:InvokeFunction", Resource: function.In(n.session).String()}
	return n, nil
}

// Notify invokes the function and returns the id of the request, by which the
// function's log knows it. An error of a function that is waited for is permanent:
// it ran.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	payload, err := n.Of(m)
	if err != nil {
		return "", err
	}
	if !json.Valid(payload) {
		return "", notify.Permanent(fmt.Errorf("aws-lambda: a payload is JSON, and this is none: have input make some"))
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("aws-lambda: %w", ctx.Err())
	}
	in := &api.InvokeInput{FunctionName: &n.function, InvocationType: types.InvocationTypeEvent, Payload: payload, ClientContext: about(m)}
	if n.waits {
		in.InvocationType = types.InvocationTypeRequestResponse
	}
	out, err := n.invoke(ctx, in)
	if err != nil {
		return "", n.session.Refused(ctx, n.call, err)
	}
	ref, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	if out.FunctionError != nil {
		return "", notify.Permanent(fmt.Errorf("aws-lambda: %s ran and ended in an error (request %s): %s", n.call.Resource, ref, n.session.Clean(said(out))))
	}
	return ref, nil
}

// about is the client context: who sends, and what
// (https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html).
func about(m notify.Message) *string {
	custom := map[string]string{"id": m.ID, "alert": notify.DedupKey(m), "receiver": m.Receiver, "by": m.By}
	for name, value := range custom {
		custom[name] = notify.Truncate(notify.Clean(value), 200, notify.Runes)
	}
	text, err := json.Marshal(map[string]any{"client": map[string]string{"app_title": "tocsin"}, "custom": custom})
	encoded := base64.StdEncoding.EncodeToString(text)
	if err != nil || len(encoded) > contextMost {
		return nil
	}
	return &encoded
}

// said is what the function said went wrong.
func said(out *api.InvokeOutput) string {
	var failure struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(out.Payload, &failure) != nil {
		return sdk.ToString(out.FunctionError)
	}
	return strings.TrimPrefix(cmp.Or(failure.Type, sdk.ToString(out.FunctionError))+": "+failure.Message, ": ")
}
