// Package lambda names a source whose events AWS hands to tocsin where it runs as an
// AWS Lambda function. The function brings them in; the source is where the
// configuration says how they are read: its map and its filters. On a server it takes
// nothing in.
package lambda

import (
	"context"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// Name is the kind's, and how its events came.
const Name = "lambda"

// Kind is the way in by a function.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define(Name, "Takes in what triggers the AWS Lambda function that tocsin runs as: EventBridge, SNS, SQS, Kinesis, CloudWatch Logs.", open)
	k.Title = "AWS Lambda"
	return k
}

// Config is what can be set: nothing of its own, since what triggers the function is
// set in AWS.
type Config struct{}

type source struct{}

var (
	_ collect.Collector = source{}
	_ collect.Reporter  = source{}
	_ collect.Describer = source{}
)

func open(Config, collect.Env) (collect.Collector, error) { return source{}, nil }

// Run waits: the function hands its events to the sink by itself.
func (source) Run(ctx context.Context, _ collect.Sink) error {
	<-ctx.Done()
	return nil
}

// Status is always ok: whether AWS calls the function is for AWS to say.
func (source) Status(context.Context) collect.Status { return collect.Status{State: "ok"} }

// Describe tells what brings events here.
func (source) Describe(bool) []tocsin.Fact {
	return []tocsin.Fact{{Name: "Taken in by", Value: "the AWS Lambda function of deploy/lambda, which shares this store"}}
}
