// Package stepfunctions starts executions of an AWS Step Functions state machine.
//
// The execution is named after the message, so that a standard workflow runs once
// however often the message is sent. An express workflow knows no such names: what
// is tried again may run twice.
package stepfunctions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
)

// Limits of StartExecution (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html).
const (
	inputMost = 256 << 10 // bytes
	nameMost  = 80        // characters of an execution's name
)

// Kind is the notifier for Step Functions. It acts.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("aws-step-functions", "Starts an AWS Step Functions state machine.", open)
	k.Title = "AWS Step Functions"
	k.Abilities = notify.Abilities{Limit: "262,144 bytes"}
	k.Checks = []notify.Check{
		{How: notify.ByCounterpart, By: "moto 5.2.1", Test: "TestMoto"},
		{How: notify.BySchema, By: "AWS's model of the service, in botocore 1.43.11", Test: "TestPromises"},
	}
	k.Acts = true
	k.Patience = send.ActPatience
	return k
}

// Config are the settings of a state machine.
type Config struct {
	StateMachine string `json:"state_machine" required:"true" doc:"ARN of the state machine, or of a version or alias of it." example:"arn:aws:states:eu-west-1:111122223333:stateMachine:isolate"`
	send.Content
	aws.Settings
}

type notifier struct {
	*send.Body
	session        *aws.Session
	startExecution aws.Operation[api.StartExecutionInput, api.StartExecutionOutput, api.Options]
	call           aws.Call
	machine        aws.ARN
}

const before = "stateMachine:"

var nameForm = lazyregexp.New(`^[^\s<>{}\[\]?*"#%\\^|~` + "`" + `$&,;:/]{1,80}(:[a-zA-Z0-9_.-]{1,80})?$`)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if !strings.HasPrefix(c.StateMachine, "arn:") && !strings.HasPrefix(c.StateMachine, "${") {
		return nil, fmt.Errorf("state_machine: %q is not an ARN: arn:aws:states:REGION:ACCOUNT:stateMachine:NAME", c.StateMachine)
	}
	machine, err := aws.Named("state_machine", c.StateMachine, "states", before, nameForm)
	if err != nil {
		return nil, err
	}
	n := &notifier{machine: machine}
	if n.Body, err = c.Acting("aws-step-functions", inputMost); err != nil {
		return nil, err
	}
	if n.session, err = c.Open("aws-step-functions", machine.Where(), env.Name, env.HTTP); err != nil {
		return nil, err
	}
	n.startExecution = api.NewFromConfig(n.session.Config).StartExecution
	n.call = aws.Call{Action: "states:StartExecution", Resource: c.StateMachine}
	return n, nil
}

// Notify starts the execution and returns its ARN. One that was started before by
// the same message is a success.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	input, err := n.Of(m)
	if err != nil {
		return "", err
	}
	if !json.Valid(input) {
		return "", notify.Permanent(errors.New("aws-step-functions: the input is JSON, and this is none: have input make some"))
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("aws-step-functions: %w", ctx.Err())
	}
	name := send.Key(m.ID, nameMost)
	out, err := n.startExecution(ctx, &api.StartExecutionInput{
		StateMachineArn: &n.call.Resource, Name: &name, Input: sdk.String(string(input)),
	})
	if _, again := errors.AsType[*types.ExecutionAlreadyExists](err); again {
		return n.execution(name), nil
	}
	if err != nil {
		return "", n.session.Refused(ctx, n.call, err)
	}
	return sdk.ToString(out.ExecutionArn), nil
}

// execution is the ARN of an execution, which is not told where it is there
// already.
func (n *notifier) execution(name string) string {
	a := n.machine
	machine, _, _ := strings.Cut(strings.TrimPrefix(a.Resource, before), ":")
	a.Resource = "execution:" + machine + ":" + name
	return a.String()
}
