package sqs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/queue"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/sqstest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// key reaches a server that believes everybody.
var key = aws.Settings{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret.New("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}

func open(env collect.Env, c sqs.Config) (collect.Collector, error) {
	return sqs.Kind.Open(func(into any) error {
		*into.(*sqs.Config) = c
		return nil
	}, env)
}

// A scene is a queue, and a collector that empties it into a journal.
type scene struct {
	t      *testing.T
	server *sqstest.Server
	queue  *sqstest.Queue
	config sqs.Config
	log    *collecttest.Log
}

func set(t *testing.T, name string) *scene {
	t.Helper()
	server := sqstest.New()
	q := server.Queue(name)
	return &scene{t: t, server: server, queue: q, config: sqs.Config{QueueURL: q.URL(), Settings: key}, log: &collecttest.Log{}}
}

// A running is a collector that runs.
type running struct {
	collect.Collector
	stop func()
}

// run runs a collector whose requests go by transport; nil is the server itself.
func (s *scene) run(sink collect.Sink, transport http.RoundTripper) running {
	s.t.Helper()
	env := collecttest.Env("org-queue", nil)
	env.Log = slog.New(slog.NewTextHandler(s.log, nil))
	env.HTTP = &http.Client{Transport: s.server}
	if transport != nil {
		env.HTTP.Transport = transport
	}
	c, err := open(env, s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := c.Run(ctx, sink); err != nil {
			s.t.Errorf("Run = %v", err)
		}
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		began := time.Now()
		<-ended
		if took := time.Since(began); took > 10*time.Second {
			s.t.Errorf("Run ended %v after its context", took)
		}
	})
	return running{c, stop}
}

func (r running) status() string {
	return collecttest.Said(r.Collector.(collect.Reporter).Status(context.Background()))
}

func event(i int) string {
	return fmt.Sprintf(`{"version":"0","id":"event-%d","detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{"n":%d}}`, i, i)
}

func events(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = event(i)
	}
	return all
}

// once fails unless each message was kept once, and the queue is empty.
func (s *scene) once(j *collecttest.Journal, ids []string) {
	s.t.Helper()
	want := map[string]int{}
	for _, id := range ids {
		want[id] = 1
	}
	if diff := cmp.Diff(want, j.Kept()); diff != "" {
		s.t.Errorf("messages kept (-want +got):\n%s\n%s", diff, s.log)
	}
	s.empty()
}

// gone returns once messages are deleted.
func (s *scene) gone(ids ...string) {
	s.t.Helper()
	s.queue.AwaitGone(s.t, s.log, ids...)
}

func (s *scene) empty() {
	s.t.Helper()
	s.queue.WantEmpty(s.t)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	collecttest.Run(t, collecttest.Harness{
		Source: "org-queue", Via: "sqs", Unreadable: collecttest.Received,
		Start: collecttest.Pulled(func(t *testing.T) (collect.Collector, func([]byte) <-chan struct{}) {
			s := set(t, "findings")
			env := collecttest.Env("org-queue", nil)
			env.HTTP = &http.Client{Transport: s.server}
			c, err := open(env, s.config)
			if err != nil {
				t.Fatal(err)
			}
			return c, func(body []byte) <-chan struct{} { return s.queue.Gone(s.queue.Send(string(body))[0]) }
		}),
	})
}

// received is what a file says that SQS answered.
func received(t *testing.T, name string) (body string, m sqstest.Message) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Messages []struct {
			Body              string
			MessageAttributes map[string]struct{ StringValue string }
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	m = sqstest.Message{Body: answer.Messages[0].Body, Attributes: map[string]string{}}
	for name, value := range answer.Messages[0].MessageAttributes {
		m.Attributes[name] = value.StringValue
	}
	return m.Body, m
}

// The event is the same bytes, whichever way it came into the queue.
func TestAFindingIsTheSameHoweverItCameIntoTheQueue(t *testing.T) {
	t.Parallel()
	direct, _ := received(t, "from_eventbridge.json")
	for _, tt := range []struct{ name, file, envelope string }{
		{"from EventBridge", "from_eventbridge.json", ""},
		{"from SNS, raw", "from_sns_raw.json", ""},
		{"from SNS, wrapped", "from_sns_wrapped.json", "5c7ba7a1-6a1c-5d0a-8b3e-f8d5b3a3c111"},
		{"from a dead-letter queue", "eventbridge_dlq.json", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, j := set(t, "findings"), &collecttest.Journal{}
				_, m := received(t, tt.file)
				id := s.queue.Put(m)
				if tt.envelope == "" {
					tt.envelope = id
				}
				r := s.run(j.Take, nil)
				s.gone(id)
				r.stop()
				got := j.All()
				if len(got) != 1 || string(got[0].Raw) != direct || got[0].Envelope != tt.envelope || got[0].Unreadable != "" || got[0].Via != "sqs" {
					t.Errorf("events = %+v, want one with the bytes of EventBridge and envelope %s", got, tt.envelope)
				}
			})
		})
	}
}

func TestWhatAMessageHolds(t *testing.T) {
	t.Parallel()
	type got struct {
		Raw, ID    string
		Unreadable bool
	}
	wrapped := func(typ, message string) string {
		text, err := json.Marshal(map[string]string{"Type": typ, "MessageId": "SNS", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:guardduty", "Message": message, "Subject": "x"})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	one := event(1)
	notice, _ := received(t, "s3_event_notification_of_export.json")
	for _, tt := range []struct {
		name, body string
		want       []got
	}{
		{"one event", one, []got{{one, "ID", false}}},
		{"an array of events", `[{"a":1},{"b":2}]`, []got{{`{"a":1}`, "ID#0", false}, {`{"b":2}`, "ID#1", false}}},
		{"one of two is broken", `{"a":1}{b}`, []got{{`{"a":1}`, "ID#0", false}, {`{b}`, "ID#1", true}}},
		{"text", "Hello!\n{it is\n", []got{{"Hello!\n{it is\n", "ID", true}}},
		{"no event", "[]", []got{{"[]", "ID", true}}},
		{"a notification of SNS", wrapped("Notification", one), []got{{one, "SNS", false}}},
		{"a notification of SNS with two events", wrapped("Notification", one+"\n"+one), []got{{one, "SNS#0", false}, {one, "SNS#1", false}}},
		{"a notification of SNS with text", wrapped("Notification", "Hello é"), []got{{"Hello é", "SNS", true}}},
		{"a notification of SNS with nothing", wrapped("Notification", ""), []got{{"", "SNS", true}}},
		{"a question of SNS", wrapped("SubscriptionConfirmation", "You have chosen …"), []got{{wrapped("SubscriptionConfirmation", "You have chosen …"), "ID", false}}},
		{"an event that looks a bit like SNS", `{"Type":"Notification","TopicArn":"x","detail":{"Message":"y"}}`, []got{{`{"Type":"Notification","TopicArn":"x","detail":{"Message":"y"}}`, "ID", false}}},
		{"a notification of S3, which is for another kind of source", notice, []got{{notice, "ID", false}}},
		{"far too many", "[" + strings.Repeat("{},", 60_000) + "{}]", []got{{"[" + strings.Repeat("{},", 60_000) + "{}]", "ID", true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, j := set(t, "findings"), &collecttest.Journal{}
				id := s.queue.Send(tt.body)[0]
				r := s.run(j.Take, nil)
				s.gone(id)
				r.stop()
				var all []got
				for _, ev := range j.All() {
					all = append(all, got{string(ev.Raw), strings.Replace(ev.Envelope, id, "ID", 1), ev.Unreadable != ""})
				}
				if diff := cmp.Diff(tt.want, all); diff != "" {
					t.Errorf("events (-want +got):\n%.2000s", diff)
				}
				if asks := strings.Contains(s.log.String(), "subscription is not confirmed"); asks != strings.Contains(tt.name, "question") {
					t.Errorf("log:\n%s", s.log)
				}
			})
		})
	}
}

func TestADeadLetterQueueIsTakenInAndTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t, "dead-letters"), &collecttest.Journal{}
		_, m := received(t, "eventbridge_dlq.json")
		var ids []string
		for range 3 {
			ids = append(ids, s.queue.Put(m))
		}
		r := s.run(j.Take, nil)
		s.gone(ids...)
		st := r.status()
		r.stop()
		s.once(j, ids)
		if want := "From a dead-letter queue: 3 since the start, last " + m.Attributes["RULE_ARN"]; !strings.Contains(st, want) || !strings.Contains(st, m.Attributes["ERROR_CODE"]) || !strings.Contains(st, m.Attributes["EXHAUSTED_RETRY_CONDITION"]) {
			t.Errorf("Status:\n%s\nwant %q with why", st, want)
		}
		if n := strings.Count(s.log.String(), "event from a dead-letter queue"); n != 1 {
			t.Errorf("logged %d times, want once for the same rule, target and error:\n%s", n, s.log)
		}
	})
}

// cut is a network that can be cut.
type cut struct {
	http.RoundTripper
	mu   sync.Mutex
	gone bool
}

func (c *cut) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	gone := c.gone
	c.mu.Unlock()
	if gone {
		return nil, errors.New("the machine is dead")
	}
	return c.RoundTripper.RoundTrip(r)
}

func (c *cut) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
}

// Whoever is killed leaves messages that come again when their visibility is over:
// none is lost, and what was kept already has the same envelope.
func TestKilledBetweenReceivingAndDeleting(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		kept bool
	}{{"before the journal had it", false}, {"after the journal had it", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, j := set(t, "findings"), &collecttest.Journal{}
				ids := s.queue.Send(events(25)...)
				network := &cut{RoundTripper: s.server}
				died := time.Now()
				first := s.run(func(ctx context.Context, all ...tocsin.Event) ([]tocsin.Receipt, error) {
					network.cut()
					if tt.kept {
						return j.Take(ctx, all...)
					}
					return nil, errors.New("killed")
				}, network)
				synctest.Wait()
				first.stop()
				if s.queue.Invisible() == 0 {
					t.Fatal("nothing was in flight")
				}
				second := s.run(j.Take, nil)
				s.gone(ids...)
				took := time.Since(died)
				second.stop()
				s.empty()
				kept := j.Kept()
				if len(kept) != 25 {
					t.Errorf("%d messages were kept, want all 25", len(kept))
				}
				if twice := slices.Max(slices.Collect(maps.Values(kept))); twice != map[bool]int{false: 1, true: 2}[tt.kept] {
					t.Errorf("a message was kept %d times", twice)
				}
				if took < 59*time.Second || took > 2*time.Minute {
					t.Errorf("all were there after %v, want once the visibility of a minute was over", took)
				}
			})
		})
	}
}

func TestASlowJournalKeepsItsMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t, "findings"), &collecttest.Journal{}
		j.Refuse(func([]tocsin.Event) error {
			time.Sleep(10 * time.Minute)
			return nil
		})
		ids := s.queue.Send(events(12)...)
		r := s.run(j.Take, nil)
		s.gone(ids...)
		r.stop()
		s.once(j, ids)
		if n := s.server.Calls("ChangeMessageVisibilityBatch"); n < 20 || n > 60 {
			t.Errorf("the visibility of two batches was extended %d times in ten minutes, want every half a minute", n)
		}
	})
}

// A journal that is down for an hour costs no message a place in a dead-letter queue.
func TestAJournalThatIsDownForAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t, "findings"), &collecttest.Journal{}
		dead := s.server.Queue("dead-letters")
		s.queue.Set(map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + dead.ARN() + `","maxReceiveCount":"20"}`})
		down := errors.New("the disk is full")
		j.Refuse(func([]tocsin.Event) error { return down })
		ids := s.queue.Send(events(500)...)
		r := s.run(j.Take, nil)
		time.Sleep(30 * time.Minute)
		st := r.status()
		if !strings.HasPrefix(st, "failing\nJournal: failing since 2000-01-01T00:00:00Z: the disk is full\n") || !strings.Contains(st, "Waiting: about 4") {
			t.Errorf("meanwhile the status is:\n%s", st)
		}
		time.Sleep(30 * time.Minute)
		j.Refuse(nil)
		again := time.Now()
		s.gone(ids...)
		if took := time.Since(again); took > 2*time.Minute {
			t.Errorf("all were kept %v after the journal worked again", took)
		}
		if st := r.status(); !strings.HasPrefix(st, "ok\n") {
			t.Errorf("at the end the status is:\n%s", st)
		}
		r.stop()
		s.once(j, ids)
		if n := dead.Depth(); n != 0 {
			t.Errorf("%d messages are in the dead-letter queue", n)
		}
		if n := strings.Count(s.log.String(), "\n"); n != 2 {
			t.Errorf("log, want a line when it fails and one when it works:\n%s", s.log)
		}
	})
}

// A message that the journal will not have does not keep others from it.
func TestAPoisonousMessageIsInNobodysWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t, "findings"), &collecttest.Journal{}
		j.Refuse(func(all []tocsin.Event) error {
			for _, ev := range all {
				if strings.Contains(string(ev.Raw), "poison") {
					return errors.New("no such text")
				}
			}
			return nil
		})
		bodies := slices.Insert(events(40), 3, `{"poison":true}`)
		bodies = slices.Insert(bodies, 7, "not JSON")
		ids := s.queue.Send(bodies...)
		r := s.run(j.Take, nil)
		for i, id := range ids {
			if i != 3 {
				s.gone(id)
			}
		}
		if took := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); took > 5*time.Second {
			t.Errorf("its neighbours were kept after %v", took)
		}
		for i := range 360 { // others go on coming
			ids = append(ids, s.queue.Send(event(100+i))...)
			time.Sleep(10 * time.Second)
		}
		if n := strings.Count(s.log.String(), "\n"); n > 30 {
			t.Errorf("%d lines of log in an hour:\n%.2000s", n, s.log)
		}
		if n, err := s.queue.Receives(ids[3]); err != nil || n < 5 || n > 20 {
			t.Errorf("it was received %d times in an hour (%v), want less and less often", n, err)
		}
		j.Refuse(nil)
		s.gone(ids[3])
		r.stop()
		s.once(j, ids)
		for _, ev := range j.All() {
			if (ev.Unreadable != "") != (string(ev.Raw) == "not JSON") {
				t.Errorf("%q is unreadable: %q", ev.Raw, ev.Unreadable)
			}
		}
	})
}

func TestABodyOfOneMebibyte(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t, "findings"), &collecttest.Journal{}
		body := `{"text":"` + strings.Repeat("é", 1<<19-6) + `!"}`
		if len(body) != 1<<20 {
			t.Fatalf("the body has %d bytes", len(body))
		}
		ids := s.queue.Send(body, body, body)
		r := s.run(j.Take, nil)
		s.gone(ids...)
		r.stop()
		s.once(j, ids)
		for _, ev := range j.All() {
			if string(ev.Raw) != body {
				t.Errorf("an event has %d bytes", len(ev.Raw))
			}
		}
	})
}

func TestWhatFailsIsTriedAgainAndTold(t *testing.T) {
	t.Parallel()
	const policy = "arn:aws:sqs:eu-west-1:111122223333:findings"
	for _, tt := range []struct {
		name, action string
		fault        sqstest.Fault
		says         string
	}{
		{"throttled", "ReceiveMessage", sqstest.Fault{Status: 400, Code: "ThrottlingException", Message: "Rate exceeded"}, "Receiving: failing since 2000-01-01T00:00:00Z: sqs: 400 ThrottlingException: Rate exceeded"},
		{"busy", "ReceiveMessage", sqstest.Fault{Status: 503, Code: "ServiceUnavailable", RetryAfter: "20"}, "Receiving: failing since 2000-01-01T00:00:00Z: sqs: 503 ServiceUnavailable"},
		{"not allowed to receive", "ReceiveMessage", sqstest.Fault{Status: 403, Code: "AccessDenied", Message: "no"}, "allow sqs:ReceiveMessage on " + policy + " to the role that tocsin runs as"},
		{"no such queue", "ReceiveMessage", sqstest.Fault{Status: 400, Code: "QueueDoesNotExist", Message: "no"}, "make " + policy + ", or name the right one"},
		{"a key that encrypts the queue", "ReceiveMessage", sqstest.Fault{Status: 400, Code: "KmsAccessDenied", Message: "no kms:Decrypt"}, "KmsAccessDenied: no kms:Decrypt"},
		{"not allowed to delete", "DeleteMessageBatch", sqstest.Fault{Status: 403, Code: "AccessDenied", Message: "no"}, "Deleting: failing since 2000-01-01T00:00:0"},
		{"not allowed to ask how long it is", "GetQueueAttributes", sqstest.Fault{Status: 403, Code: "AccessDenied", Message: "no"}, "Waiting: not known: sqs: 403 AccessDenied: no; allow sqs:GetQueueAttributes on " + policy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, j := set(t, "findings"), &collecttest.Journal{}
				s.server.Faults(func(c sqstest.Call) *sqstest.Fault {
					if c.Action == tt.action && !c.Entry {
						return &tt.fault
					}
					return nil
				})
				ids := s.queue.Send(events(15)...)
				r := s.run(j.Take, nil)
				time.Sleep(10 * time.Minute)
				if st := r.status(); !strings.Contains(st, tt.says) {
					t.Errorf("meanwhile the status is:\n%s\nwant %q", st, tt.says)
				}
				if n := s.server.Calls("ReceiveMessage"); tt.action == "ReceiveMessage" && (n < 10 || n > 100) {
					t.Errorf("it was tried %d times in ten minutes", n)
				}
				s.server.Faults(nil)
				s.gone(ids...)
				time.Sleep(2 * time.Minute)
				if st := r.status(); !strings.HasPrefix(st, "ok\n") || !strings.Contains(st, "Waiting: about 0, and 0 in flight\n") {
					t.Errorf("at the end the status is:\n%s", st)
				}
				r.stop()
				s.empty()
				if kept := j.Kept(); len(kept) != 15 || tt.action == "ReceiveMessage" && len(j.All()) != 15 {
					t.Errorf("%d messages were kept in %d events, want 15", len(kept), len(j.All()))
				}
			})
		})
	}
}

// Some of a batch are not deleted at first.
func TestDeletionsThatFailAreTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t, "findings"), &collecttest.Journal{}
		tries := map[string]int{}
		var mu sync.Mutex
		s.server.Faults(func(c sqstest.Call) *sqstest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if c.Action != "DeleteMessageBatch" || !c.Entry || !strings.Contains(c.Body, `"n":3`) {
				return nil
			}
			if tries[c.Body]++; tries[c.Body] > 2 {
				return nil
			}
			return &sqstest.Fault{Status: 500, Code: "InternalError", Message: "try again"}
		})
		ids := s.queue.Send(events(10)...)
		r := s.run(j.Take, nil)
		s.gone(ids...)
		r.stop()
		s.once(j, ids)
	})
}

func TestStoppingLeavesNothingInFlight(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		refuse func([]tocsin.Event) error
	}{
		{"while the journal is at work", func([]tocsin.Event) error { time.Sleep(2 * time.Second); return nil }},
		{"while the journal fails", func([]tocsin.Event) error { return errors.New("the disk is full") }},
		{"while the journal is about to fail", func([]tocsin.Event) error { time.Sleep(2 * time.Second); return errors.New("the disk is full") }},
		{"while one message is poisonous", func(all []tocsin.Event) error {
			if strings.Contains(string(all[0].Raw), `"n":1`) {
				return errors.New("no such text")
			}
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, j := set(t, "findings"), &collecttest.Journal{}
				j.Refuse(tt.refuse)
				s.server.Latency(func(sqstest.Call) time.Duration { return 30 * time.Millisecond })
				ids := s.queue.Send(events(300)...)
				r := s.run(j.Take, nil)
				time.Sleep(time.Second)
				r.stop()
				if tt.name == "while one message is poisonous" {
					time.Sleep(time.Minute) // for which it is left alone at most by then
				}
				if n := s.queue.Invisible(); n != 0 {
					t.Errorf("%d messages are in flight", n)
				}
				kept := j.Kept()
				if s.queue.Depth()+len(kept) != len(ids) {
					t.Errorf("of %d messages %d are kept and %d still there", len(ids), len(kept), s.queue.Depth())
				}
				// What is still there is taken by the next one.
				j.Refuse(nil)
				r = s.run(j.Take, nil)
				s.gone(ids...)
				r.stop()
				s.once(j, ids)
			})
		})
	}
}

func TestNoMoreIsInFlightThanMayBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t, "findings"), &collecttest.Journal{}
		s.config.Polling = queue.Polling{Pollers: 3, InFlight: 40, Visibility: 30 * time.Second}
		var most int
		var mu sync.Mutex
		j.Refuse(func([]tocsin.Event) error {
			time.Sleep(3 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			most = max(most, s.queue.Invisible())
			return nil
		})
		began := time.Now()
		ids := s.queue.Send(events(400)...)
		r := s.run(j.Take, nil)
		s.gone(ids...)
		took := time.Since(began)
		r.stop()
		s.once(j, ids)
		if most != 40 {
			t.Errorf("%d messages were in flight, want 40", most)
		}
		if took > 35*time.Second {
			t.Errorf("it took %v, want ten rounds of three seconds", took)
		}
	})
}

func TestAFIFOQueueIsEmptied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t, "findings.fifo"), &collecttest.Journal{}
		var ids []string
		for i := range 90 {
			ids = append(ids, s.queue.Put(sqstest.Message{Body: event(i), Group: fmt.Sprint(i % 3), Deduplication: fmt.Sprint(i)}))
		}
		r := s.run(j.Take, nil)
		s.gone(ids...)
		r.stop()
		s.once(j, ids)
		order := map[int][]int{}
		for _, ev := range j.All() {
			var e struct{ Detail struct{ N int } }
			if err := json.Unmarshal(ev.Raw, &e); err != nil {
				t.Fatal(err)
			}
			order[e.Detail.N%3] = append(order[e.Detail.N%3], e.Detail.N)
		}
		for group, got := range order {
			if !slices.IsSorted(got) {
				t.Errorf("group %d was kept in the order %v", group, got)
			}
		}
	})
}

// An empty queue costs three requests a minute for each poller, and one more for its
// length.
func TestAnEmptyQueueIsAskedThreeTimesAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t, "findings"), &collecttest.Journal{}
		r := s.run(j.Take, nil)
		time.Sleep(time.Hour)
		st := r.status()
		r.stop()
		if polls, asks := s.server.Calls("ReceiveMessage"), s.server.Calls("GetQueueAttributes"); polls < 360 || polls > 364 || asks < 60 || asks > 61 {
			t.Errorf("%d long polls and %d other requests in an hour, want 360 and 60", polls, asks)
		}
		if want := "ok\nQueue: arn:aws:sqs:eu-west-1:111122223333:findings\nWaiting: about 0, and 0 in flight\nLast message: none since the start\n"; st != want {
			t.Errorf("Status:\n%s\nwant\n%s", st, want)
		}
	})
}

// Somebody who waits is seen: how long the queue is, and how long the last message
// had waited.
func TestStatusSaysHowLongMessagesWaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t, "findings"), &collecttest.Journal{}
		id := s.queue.Send(event(1))[0]
		time.Sleep(90 * time.Second)
		r := s.run(j.Take, nil)
		s.gone(id)
		st := r.status()
		r.stop()
		if !strings.Contains(st, "Last message: 2000-01-01T00:01:30Z, after 1m30s in the queue\n") {
			t.Errorf("Status:\n%s", st)
		}
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	s := set(t, "findings")
	env := collecttest.Env("org-queue", nil)
	c, err := open(env, s.config)
	if err != nil {
		t.Fatal(err)
	}
	want := []tocsin.Fact{
		{Name: "Queue", Value: "arn:aws:sqs:eu-west-1:111122223333:findings"},
		{Name: "Policy that tocsin needs", Value: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:ChangeMessageVisibility","sqs:GetQueueAttributes"],"Resource":"arn:aws:sqs:eu-west-1:111122223333:findings"}]}`},
	}
	if diff := cmp.Diff(want, c.(collect.Describer).Describe(false)); diff != "" {
		t.Errorf("Describe (-want +got):\n%s", diff)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	const url = "https://sqs.eu-west-1.amazonaws.com/111122223333/findings"
	for _, tt := range []struct {
		name   string
		config sqs.Config
		wrong  string
	}{
		{"a URL", sqs.Config{QueueURL: url}, ""},
		{"an ARN", sqs.Config{QueueURL: "arn:aws-cn:sqs:cn-north-1:111122223333:findings.fifo"}, ""},
		{"an old URL", sqs.Config{QueueURL: "https://eu-west-1.queue.amazonaws.com/111122223333/findings"}, ""},
		{"a VPC endpoint", sqs.Config{QueueURL: "https://vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com/111122223333/findings"}, ""},
		{"a server of one's own", sqs.Config{QueueURL: "http://localhost:4566/000000000000/findings", Settings: aws.Settings{Region: "eu-west-1"}}, ""},
		{"a server of one's own, somewhere", sqs.Config{QueueURL: "http://localhost:4566/000000000000/findings"}, "region: is not set"},
		{"a server in clear", sqs.Config{QueueURL: "http://sqs.example.com/000000000000/findings", Settings: aws.Settings{Region: "eu-west-1"}}, "must begin with https://"},
		{"nothing", sqs.Config{}, "queue_url: name the queue"},
		{"a name", sqs.Config{QueueURL: "findings"}, `queue_url: "findings" is neither the ARN nor the URL of a queue`},
		{"a topic", sqs.Config{QueueURL: "arn:aws:sns:eu-west-1:111122223333:guardduty"}, "of the service sns"},
		{"a URL without a queue", sqs.Config{QueueURL: "https://sqs.eu-west-1.amazonaws.com/"}, "is not the URL of a queue"},
		{"another region", sqs.Config{QueueURL: url, Settings: aws.Settings{Region: "eu-west-2"}}, "leave it out"},
		{"too many pollers", sqs.Config{QueueURL: url, Polling: queue.Polling{Pollers: 65}}, "pollers: want 1 to 64, not 65"},
		{"too few in flight", sqs.Config{QueueURL: url, Polling: queue.Polling{Pollers: 4, InFlight: 39}}, "in_flight: want 40 at least"},
		{"a short visibility", sqs.Config{QueueURL: url, Polling: queue.Polling{Visibility: time.Second}}, "visibility: want 10s to 12h"},
		{"a long visibility", sqs.Config{QueueURL: url, Polling: queue.Polling{Visibility: 13 * time.Hour}}, "visibility: want 10s to 12h"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.config.AccessKeyID, tt.config.SecretAccessKey = key.AccessKeyID, key.SecretAccessKey
			_, err := open(collecttest.Env("org-queue", nil), tt.config)
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("Open = %v, want %q", err, tt.wrong)
			}
		})
	}
}
