// Package s3 takes in the findings that GuardDuty exports to an Amazon S3 bucket, and
// events that Firehose writes to one.
//
// It is told of new objects by an SQS queue (S3's notifications, directly or by SNS, or
// S3's events by EventBridge), or looks for them by listing the bucket, or does both:
// what comes twice has the same envelope. Objects are read event by event, gzip or not,
// and are never in memory as a whole. A message is deleted once all of its objects are
// in the journal.
//
// Nothing is taken from an object's path. The account in it is the one that exports,
// which is seldom the one that a finding is about.
//
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_exportfindings.html
package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/queue"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the way in by objects of S3.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define("s3", "Takes in the findings that GuardDuty exports to an Amazon S3 bucket, and what Firehose writes to one.", open)
	k.Title = "Amazon S3 (GuardDuty export)"
	return k
}

// Config is what can be set.
type Config struct {
	QueueURL string        `json:"queue_url,omitempty" doc:"URL or ARN of the SQS queue that tells of new objects. Left out, the bucket is listed alone." example:"https://sqs.eu-west-1.amazonaws.com/111122223333/guardduty-export"`
	Bucket   string        `json:"bucket,omitempty" doc:"Bucket that is listed for new objects. Left out, only those that the queue tells of are read."`
	Prefix   string        `json:"prefix,omitempty" doc:"What comes before AWSLogs/ in the bucket; for Firehose, before the year. Only what is below it is listed." example:"security/guardduty/"`
	Every    time.Duration `json:"every,omitempty" default:"5m" doc:"How often the bucket is listed, 30s at least."`
	Since    time.Duration `json:"since,omitempty" default:"24h" doc:"How far back it is listed the first time."`
	queue.Polling
	aws.Settings
}

const (
	via = "s3"
	// maxReaders is how many objects are read at once.
	maxReaders = 8
)

// source is the collector.
type source struct {
	env      collect.Env
	config   Config
	pull     *collect.Pull
	queue    *queue.Queue // nil if nothing tells of objects
	session  *aws.Session
	http     *http.Client
	readers  chan struct{} // one taken for each object that is read
	progress *progress
	objects  *objects
	lister   lister

	mu    sync.Mutex       // guards calls
	calls map[string]calls // by region
}

var (
	_ collect.Collector = (*source)(nil)
	_ collect.Reporter  = (*source)(nil)
	_ collect.Describer = (*source)(nil)
)

func open(c Config, env collect.Env) (collect.Collector, error) {
	c.Every, c.Since = cmp.Or(c.Every, 5*time.Minute), cmp.Or(c.Since, 24*time.Hour)
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &source{env: env, config: c, pull: collect.NewPull(env), readers: make(chan struct{}, maxReaders), calls: map[string]calls{}}
	s.progress = &progress{state: env.State, pull: s.pull, now: env.Now}
	s.objects = &objects{pull: s.pull, now: env.Now, failing: map[string]time.Time{}}
	s.lister.source = s
	if c.QueueURL != "" {
		reach := c.Settings
		reach.EndpointURL = "" // S3's; the queue's is in its URL
		if queue.RegionOf(c.QueueURL) != "" {
			reach.Region = "" // the bucket's
		}
		var err error
		if s.queue, err = queue.Open(via, c.QueueURL, c.Polling, reach, env, s.pull); err != nil {
			return nil, err
		}
		c.Region = cmp.Or(c.Region, s.queue.Region())
	}
	s.http = queue.Client(env.HTTP, maxReaders)
	var err error
	s.session, err = c.Open(via, "", env.Name, s.http)
	return s, err
}

func (c Config) check() error {
	switch {
	case c.QueueURL == "" && c.Bucket == "":
		return errors.New("set queue_url, bucket or both: how is one to know of new objects?")
	case c.Bucket == "" && c.Prefix != "":
		return errors.New("prefix: is what is listed of bucket, and there is none")
	case c.Bucket != "" && !bucketForm.MatchString(c.Bucket) && !secret.IsReference(c.Bucket):
		return fmt.Errorf("bucket: %q is not the name of a bucket", c.Bucket)
	case strings.HasPrefix(c.Prefix, "/"):
		return fmt.Errorf("prefix: %q begins with /, and keys of GuardDuty and Firehose do not", c.Prefix)
	case c.Every < 30*time.Second:
		return fmt.Errorf("every: want 30s at least, not %v", c.Every)
	case c.Since < 0:
		return fmt.Errorf("since: %v is less than nothing", c.Since)
	}
	return nil
}

// Run hands what is in new objects to sink until ctx ends.
func (s *source) Run(ctx context.Context, sink collect.Sink) error {
	var parts sync.WaitGroup
	if s.queue != nil {
		parts.Go(func() {
			s.queue.Run(ctx, 1, func(ctx context.Context, messages []queue.Message) []error {
				errs := make([]error, len(messages))
				for i, m := range messages {
					errs[i] = s.follow(ctx, sink, m)
				}
				return errs
			})
		})
	}
	if s.config.Bucket != "" {
		parts.Go(func() { s.lister.run(ctx, sink) })
	}
	parts.Wait()
	s.http.CloseIdleConnections()
	return nil
}

// follow reads the objects that a message tells of.
func (s *source) follow(ctx context.Context, sink collect.Sink, m queue.Message) error {
	n, ok := parse(m.Body)
	if !ok {
		return s.other(ctx, sink, m)
	}
	if n.test {
		s.env.Log.InfoContext(ctx, "S3 says that it can send notifications", slog.String("source", s.env.Name))
		return nil
	}
	var wrong error
	for i, t := range n.objects {
		envelope := m.ID
		if len(n.objects) > 1 {
			envelope += "#" + strconv.Itoa(i)
		}
		err := s.followOne(ctx, sink, t, []byte(m.Body), envelope)
		if _, kept := errors.AsType[sinkError](err); kept {
			return err // held, and tried again
		}
		wrong = cmp.Or(wrong, err)
	}
	if wrong != nil && ctx.Err() == nil {
		return queue.Later(wrong)
	}
	return wrong
}

func (s *source) followOne(ctx context.Context, sink collect.Sink, t told, notice []byte, envelope string) error {
	if t.wrong == "" && s.config.Bucket != "" && t.bucket != s.config.Bucket {
		t.wrong = fmt.Sprintf("the bucket %s is not this source's, %s", t.bucket, s.config.Bucket)
	}
	if t.wrong == "" && t.region != "" && aws.PartitionOf(t.region) != s.session.Partition {
		t.wrong = fmt.Sprintf("the region %s is not in the partition %s", t.region, s.session.Partition)
	}
	switch {
	case t.wrong != "":
		return s.record(ctx, sink, tocsin.Event{Raw: notice, Envelope: envelope, Unreadable: "a notification of S3 that cannot be followed: " + t.wrong})
	case t.unwanted != "":
		return s.record(ctx, sink, tocsin.Event{Raw: notice, Envelope: envelope, Unwanted: t.String() + ": " + t.unwanted})
	case strings.HasSuffix(t.key, "/"):
		return nil // a folder that somebody made in the console
	}
	return s.read(ctx, sink, t.place, notice, envelope)
}

// other takes a message that tells of no object: as the event that it may be.
func (s *source) other(ctx context.Context, sink collect.Sink, m queue.Message) error {
	ev := tocsin.Event{Raw: []byte(m.Body), Envelope: m.ID}
	if err := collect.Valid(ev.Raw); err != nil {
		ev.Unreadable = "not a notification of S3: " + err.Error()
	}
	return s.record(ctx, sink, ev)
}

// calls are what a bucket is asked.
type calls struct {
	list aws.Operation[api.ListObjectsV2Input, api.ListObjectsV2Output, api.Options]
	get  aws.Operation[api.GetObjectInput, api.GetObjectOutput, api.Options]
}

// bucket is for one in that region.
func (s *source) bucket(region string) calls {
	if region == "" || s.config.EndpointURL != "" {
		region = s.session.Config.Region
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.calls[region]
	if !ok {
		client := api.NewFromConfig(s.session.Config, func(o *api.Options) {
			o.Region = region
			o.UsePathStyle = s.config.EndpointURL != ""
			o.DisableLogOutputChecksumValidationSkipped = true
		})
		c = calls{client.ListObjectsV2, client.GetObject}
		s.calls[region] = c
	}
	return c
}

func (s *source) arn(bucket string) string { return "arn:" + s.session.Partition + ":s3:::" + bucket }

// Status says how queue and bucket stand.
func (s *source) Status(ctx context.Context) collect.Status {
	o := s.objects
	o.mu.Lock()
	o.quiet(ctx)
	last := "none since the start"
	if o.count > 0 {
		last = fmt.Sprintf("%s; %d objects with %d events since the start", o.last.UTC().Format(time.RFC3339), o.count, o.events)
	}
	o.mu.Unlock()
	st := s.pull.Status()
	if s.queue != nil {
		st.Lines = append(st.Lines, s.queue.Facts()...)
	}
	if s.config.Bucket != "" {
		fact, found := s.lister.fact()
		if !found && s.queue == nil && st.State == "ok" {
			st.State = "pending"
		}
		st.Lines = append(st.Lines, fact)
	}
	return collect.Status{State: st.State, Lines: append(st.Lines, tocsin.Fact{Name: "Last object", Value: last})}
}

// Describe tells what is read, and what tocsin has to be allowed.
func (s *source) Describe(bool) []tocsin.Fact {
	var facts []tocsin.Fact
	var needed []aws.Statement
	if s.queue != nil {
		facts = append(facts, tocsin.Fact{Name: "Queue", Value: s.queue.ARN()})
		needed = append(needed, s.queue.Statement())
	}
	bucket, prefix := cmp.Or(s.config.Bucket, "BUCKET"), s.config.Prefix
	if s.config.Bucket != "" {
		facts = append(facts, tocsin.Fact{Name: "Bucket", Value: "s3://" + bucket + "/" + prefix})
	}
	needed = append(needed,
		aws.Allow([]string{"s3:GetObject"}, s.arn(bucket)+"/"+prefix+"*"),
		// Without it S3 says of what is not there that it is not allowed.
		aws.Allow([]string{"s3:ListBucket"}, s.arn(bucket)),
		aws.Allow([]string{"kms:Decrypt"}, "arn:"+s.session.Partition+":kms:"+s.session.Config.Region+":ACCOUNT:key/KEY"),
	)
	return append(facts, tocsin.Fact{Name: "Policy that tocsin needs", Value: aws.Policy(needed...)})
}
