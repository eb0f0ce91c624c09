package lambda_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/lambda"
)

func TestOnAServerItWaitsAndTakesNothingIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, err := lambda.Kind.Open(func(any) error { return nil }, collect.Env{Name: "lambda"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- c.Run(ctx, func(context.Context, ...tocsin.Event) ([]tocsin.Receipt, error) {
				t.Error("it handed an event to the sink")
				return nil, nil
			})
		}()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("Run = %v before it was asked to end", err)
		default:
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v at the end", err)
		}
		if st := c.(collect.Reporter).Status(t.Context()); st.State != "ok" {
			t.Errorf("Status = %v", st)
		}
		if facts := c.(collect.Describer).Describe(false); len(facts) == 0 {
			t.Error("it does not say what brings its events")
		}
	})
}
