package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tocsin-sec/tocsin/internal/lambda/lambdatest"
)

// runtimeKey is where a script keeps its Runtime API.
type runtimeKey struct{}

// playLambda is AWS Lambda.
//
//	lambda begin              what is started from now on is a function
//	lambda invoke FILE [LIMIT]  invokes it; its answer, or its error, is the output
//	lambda refused            waits until the function says that it cannot begin
func playLambda(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	runtime, _ := ts.Value(runtimeKey{}).(**lambdatest.Runtime)
	switch {
	case !neg && len(args) == 1 && args[0] == "begin":
		var err error
		*runtime, err = lambdatest.New()
		ts.Check(err)
		ts.Defer(func() { _ = (*runtime).Close() })
		ts.Setenv("AWS_LAMBDA_RUNTIME_API", (*runtime).Address())
	case !neg && len(args) == 1 && args[0] == "refused":
		f, err := (*runtime).InitFailure(ctx)
		ts.Check(err)
		fmt.Fprintf(ts.Stdout(), "%s: %s\n", f.Type, f.Message)
	case len(args) >= 2 && len(args) <= 3 && args[0] == "invoke":
		limit := patience
		if len(args) == 3 {
			var err error
			limit, err = time.ParseDuration(args[2])
			ts.Check(err)
		}
		a, err := (*runtime).Invoke(ctx, []byte(ts.ReadFile(args[1])), limit)
		ts.Check(err)
		if a.Failure != nil {
			fmt.Fprintln(ts.Stdout(), a.Failure.Message)
		} else {
			fmt.Fprintf(ts.Stdout(), "%s\n", a.Body)
		}
		if failed := a.Failure != nil; failed != neg {
			ts.Fatalf("the invocation failed: %v: %s%v", failed, a.Body, a.Failure)
		}
	default:
		ts.Fatalf("usage: lambda begin, [!] lambda invoke FILE [LIMIT], or lambda refused")
	}
}
