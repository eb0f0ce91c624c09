package logs

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	api "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
)

// Moto is what others take for CloudWatch Logs in their tests
// (https://docs.getmoto.org): a group with two streams, read by a collector that is
// stopped halfway and started again.
func TestMoto(t *testing.T) {
	t.Parallel()
	url := collecttest.Moto(t)
	client := api.New(api.Options{
		Region: "eu-west-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
		RetryMaxAttempts: 1,
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	group := sdk.String(groupName)
	if _, err := client.CreateLogGroup(ctx, &api.CreateLogGroupInput{LogGroupName: group}); err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{"one", "two"} {
		if _, err := client.CreateLogStream(ctx, &api.CreateLogStreamInput{LogGroupName: group, LogStreamName: &stream}); err != nil {
			t.Fatal(err)
		}
	}
	put := func(stream string, from, to int) {
		in := &api.PutLogEventsInput{LogGroupName: group, LogStreamName: &stream}
		for i := from; i < to; i++ {
			in.LogEvents = append(in.LogEvents, types.InputLogEvent{Timestamp: sdk.Int64(time.Now().UnixMilli()), Message: sdk.String(`{"n":` + strconv.Itoa(i) + `}`)})
		}
		if _, err := client.PutLogEvents(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t)
	start := func() (stop func() error) {
		made := w.open(func(c *Config) { c.Group, c.Region, c.EndpointURL = groupName, "eu-west-1", url })
		made.env.HTTP = http.DefaultClient
		s, err := newSource(made.Config, made.env)
		if err != nil {
			t.Fatal(err)
		}
		s.Every, s.gap = 100*time.Millisecond, 10*time.Millisecond
		return collecttest.Begin(t, s, w.take)
	}
	has := func(n int) func() bool { return func() bool { return w.count() >= n } }

	put("one", 0, 100)
	stop := start()
	collecttest.Until(ctx, t, "the first events do not come", has(100))
	put("two", 100, 150)
	collecttest.Until(ctx, t, "those of the other stream do not come", has(150))
	if err := stop(); err != nil {
		t.Error(err)
	}
	put("one", 150, 200)
	stop = start()
	collecttest.Until(ctx, t, "those that were written meanwhile do not come", has(200))
	if err := stop(); err != nil {
		t.Error(err)
	}
	w.wants("at the end", 200, 150) // what is in the overlap comes twice
	bodies := map[string]bool{}
	for _, ev := range w.had {
		bodies[string(ev.Raw)] = true
	}
	if len(bodies) != 200 {
		t.Errorf("%d different events, want 200", len(bodies))
	}
}
