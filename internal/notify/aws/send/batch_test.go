package send_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
)

// A sender keeps the requests that a batcher makes, each of which takes a second.
type sender struct {
	mu       sync.Mutex
	requests [][]string
	answer   func(entries []string) (send.Results[string], error)
}

func (s *sender) send(ctx context.Context, entries []string) (send.Results[string], error) {
	s.mu.Lock()
	s.requests = append(s.requests, slices.Clone(entries))
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Second):
	}
	if s.answer != nil {
		return s.answer(entries)
	}
	results := send.Unanswered[string]("aws-test", len(entries))
	for i, e := range entries {
		results.Set(new(fmt.Sprint(i)), send.Result[string]{Value: "took " + e})
	}
	return results, nil
}

func (s *sender) batcher() *send.Batcher[string, string] {
	return send.NewBatcher("aws-test", send.Limits[string]{Count: 10, Bytes: 100, Size: func(e string) int { return len(e) }}, s.send)
}

// told is what one caller is told.
type told struct {
	ref string
	err error
	at  time.Duration // since the beginning
}

// all sends the entries at once and gives what each caller was told.
func all(ctx func(i int) context.Context, b *send.Batcher[string, string], entries []string) []told {
	got := make([]told, len(entries))
	start := time.Now()
	var wg sync.WaitGroup
	for i, e := range entries {
		wg.Go(func() {
			ref, err := b.Do(ctx(i), e)
			got[i] = told{ref, err, time.Since(start)}
		})
		synctest.Wait() // they come in this order
	}
	wg.Wait()
	return got
}

func numbered(n int) []string {
	entries := make([]string, n)
	for i := range entries {
		entries[i] = fmt.Sprintf("e%d", i)
	}
	return entries
}

func TestWhoComesAloneWaitsForNobodyAndWhoWaitsGoesTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sender{}
		got := all(func(int) context.Context { return t.Context() }, s.batcher(), numbered(24))
		for i, g := range got {
			if g.err != nil || g.ref != fmt.Sprintf("took e%d", i) {
				t.Errorf("caller %d was told %q, %v", i, g.ref, g.err)
			}
		}
		var sizes []int
		for _, r := range s.requests {
			sizes = append(sizes, len(r))
		}
		if want := []int{1, 10, 10, 3}; !slices.Equal(sizes, want) {
			t.Errorf("requests of %v, want %v", sizes, want)
		}
		if got[0].at != time.Second || got[23].at != 4*time.Second {
			t.Errorf("the first took %v and the last %v, want 1s and 4s", got[0].at, got[23].at)
		}
	})
}

func TestARequestHoldsSoManyBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sender{}
		sixty, forty := strings.Repeat("x", 60), strings.Repeat("y", 40)
		all(func(int) context.Context { return t.Context() }, s.batcher(), []string{"first", sixty, forty, "z", strings.Repeat("w", 150), "last"})
		var got []int
		for _, r := range s.requests {
			got = append(got, len(r))
		}
		if want := []int{1, 2, 1, 1, 1}; !slices.Equal(got, want) {
			t.Errorf("requests of %v entries, want %v: 60 and 40 bytes fit, one more does not, and what no request holds goes alone", got, want)
		}
	})
}

func TestOneCallersEndIsNobodyElses(t *testing.T) {
	t.Parallel()
	for hurries := 1; hurries <= 3; hurries++ { // the first, the second and the last of the second request
		synctest.Test(t, func(t *testing.T) {
			s := &sender{}
			hasty, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			got := all(func(i int) context.Context {
				if i == hurries {
					return hasty
				}
				return t.Context()
			}, s.batcher(), numbered(4))
			for i, g := range got {
				if i == hurries {
					if !errors.Is(g.err, context.DeadlineExceeded) || g.at != 1500*time.Millisecond || notify.IsPermanent(g.err) {
						t.Errorf("the hasty one was told %v after %v", g.err, g.at)
					}
					continue
				}
				if g.err != nil {
					t.Errorf("caller %d was told %v", i, g.err)
				}
			}
		})
	}
}

// Whoever comes once all is quiet is sent as soon as the first was, and one whose
// time is up before is not sent at all.
func TestWhoComesLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sender{}
		b := s.batcher()
		for i := range 3 {
			if ref, err := b.Do(t.Context(), "e"); ref != "took e" || err != nil {
				t.Errorf("caller %d was told %q, %v", i, ref, err)
			}
			synctest.Wait()
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.Do(ended, "late"); !errors.Is(err, context.Canceled) {
			t.Errorf("one that had ended was told %v", err)
		}
		if len(s.requests) != 3 {
			t.Errorf("%d requests, want 3", len(s.requests))
		}
	})
}

func TestWhoWaitedInVainIsNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sender{}
		hasty, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		all(func(i int) context.Context {
			if i == 1 {
				return hasty
			}
			return t.Context()
		}, s.batcher(), numbered(3))
		if want := [][]string{{"e0"}, {"e2"}}; !slices.EqualFunc(s.requests, want, slices.Equal) {
			t.Errorf("requests %v, want %v", s.requests, want)
		}
	})
}

func TestARequestForWhichNobodyWaitsIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		given := make(chan time.Duration, 1)
		start := time.Now()
		b := send.NewBatcher("aws-test", send.Limits[string]{Count: 10, Bytes: 100, Size: func(string) int { return 1 }},
			func(ctx context.Context, _ []string) (send.Results[string], error) {
				<-ctx.Done() // it hangs
				given <- time.Since(start)
				return nil, ctx.Err()
			})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := b.Do(ctx, "e"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do = %v", err)
		}
		if at := <-given; at != 3*time.Second {
			t.Errorf("the request was given up after %v, want 3s", at)
		}
	})
}

func TestABatchThatFailsFailsForEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("aws-test: 500")
		s := &sender{answer: func([]string) (send.Results[string], error) { return nil, broken }}
		for i, g := range all(func(int) context.Context { return t.Context() }, s.batcher(), numbered(5)) {
			if !errors.Is(g.err, broken) {
				t.Errorf("caller %d was told %v", i, g.err)
			}
		}
		if len(s.requests) != 2 {
			t.Errorf("%d requests, want 2: nothing is tried again here", len(s.requests))
		}
	})
}

func TestWhatIsNotAnsweredMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sender{answer: func(entries []string) (send.Results[string], error) {
			results := send.Unanswered[string]("aws-test", len(entries))
			results.Set(new("0"), send.Result[string]{Value: "ok"})
			results.Set(new("17"), send.Result[string]{Value: "no such entry"})
			results.Set(new("x"), send.Result[string]{Value: "no place"})
			results.Set(nil, send.Result[string]{Value: "nothing"})
			return results, nil
		}}
		got := all(func(int) context.Context { return t.Context() }, s.batcher(), numbered(3))
		if got[0].err != nil || got[1].err != nil || got[2].err == nil || notify.IsPermanent(got[2].err) {
			t.Errorf("told %v, want the third alone to fail, for now", got)
		}
	})
}

// One entry that the service cannot have in any request takes no other with it.
func TestOneBadEntryFailsAlone(t *testing.T) {
	t.Parallel()
	server := awstest.New(t)
	server.Answers(awstest.Answer{Status: 400, Code: "ValidationException"})
	refused := answered(t, server)
	server.Answers(awstest.Answer{Status: 403, Code: "AccessDeniedException"})
	denied := answered(t, server)
	for _, tt := range []struct {
		name     string
		err      error
		fails    []int
		requests int
	}{
		{"which may be one entry's fault", refused, []int{4}, 1 + 1 + 3*2},
		{"which is none's", denied, []int{1, 2, 3, 4, 5, 6, 7, 8}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sender{}
				s.answer = func(entries []string) (send.Results[string], error) {
					if slices.Contains(entries, "e4") {
						return nil, tt.err
					}
					return make(send.Results[string], len(entries)), nil
				}
				var fails []int
				for i, g := range all(func(int) context.Context { return t.Context() }, s.batcher(), numbered(9)) {
					if g.err != nil {
						fails = append(fails, i)
					}
				}
				if !slices.Equal(fails, tt.fails) || len(s.requests) != tt.requests {
					t.Errorf("%v failed in %d requests, want %v in %d", fails, len(s.requests), tt.fails, tt.requests)
				}
			})
		})
	}
}

// answered is the error of a request to the server.
func answered(t *testing.T, server *awstest.Server) error {
	t.Helper()
	session, err := server.Settings().Open("aws-test", awstest.Region, "alerts", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqs.NewFromConfig(session.Config).SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{
		QueueUrl: new("https://sqs.eu-west-1.amazonaws.com/111122223333/alerts"),
		Entries:  []types.SendMessageBatchRequestEntry{{Id: new("0"), MessageBody: new("{}")}},
	})
	return session.Refused(t.Context(), aws.Call{Action: "sqs:SendMessage", Resource: "arn:aws:sqs:eu-west-1:111122223333:alerts"}, err)
}
