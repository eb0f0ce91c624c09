package sns

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// The states of a subscription:
//
//	(none) ──SubscriptionConfirmation──▶ pending ──SubscribeURL visited──▶ confirmed
//	                                        ▲                                │
//	                                        └──────── unsubscribed ◀─UnsubscribeConfirmation
//
// A notification of the topic also says that it is confirmed, if it is newer than
// the end of the subscription. Nothing here ever undoes an unsubscription: whoever
// ended it, a person is to look.
const (
	pending      = "pending"
	confirmed    = "confirmed"
	unsubscribed = "unsubscribed"
)

// A subscription is how one topic stands. Its times are those of SNS.
type subscription struct {
	State string `json:"state"`
	// Since is when the state began.
	Since time.Time `json:"since"`
	// ARN is the subscription's own.
	ARN string `json:"arn,omitempty"`
	// URL confirms a pending subscription; empty once that is hopeless.
	URL string `json:"url,omitempty"`
	// Asked is when SNS asked for the confirmation of a subscription.
	Asked time.Time `json:"asked,omitzero"`
	// Ended is when the topic's subscription was last ended.
	Ended   time.Time `json:"ended,omitzero"`
	Tries   int       `json:"tries,omitempty"`
	Next    time.Time `json:"next,omitzero"` // when to try again
	Problem string    `json:"problem,omitempty"`
}

// subscriptions are how the topics stand. They are kept in the source's state as
// one document, which is read again before each change: replicas share it.
type subscriptions struct {
	state collect.State
	// wake says that there is one to confirm.
	wake chan struct{}

	changing sync.Mutex // held over reading and writing the state
	mu       sync.RWMutex
	byTopic  map[string]subscription // as last read or written; never changed in place
}

const stateKey = "subscriptions"

// all are the subscriptions by topic, read anew.
func (s *subscriptions) all(ctx context.Context) (map[string]subscription, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	return s.load(ctx)
}

// load reads the state; changing is held.
func (s *subscriptions) load(ctx context.Context) (map[string]subscription, error) {
	text, err := s.state.Load(ctx, stateKey)
	if err != nil {
		return nil, fmt.Errorf("state of subscriptions: %w", err)
	}
	all := map[string]subscription{}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &all); err != nil {
			return nil, fmt.Errorf("state of subscriptions: %w", err)
		}
	}
	s.remember(all)
	return all, nil
}

func (s *subscriptions) remember(all map[string]subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byTopic = maps.Clone(all)
}

// change replaces one topic's subscription by what f makes of it; where f says
// false nothing is changed.
func (s *subscriptions) change(ctx context.Context, arn string, f func(subscription) (subscription, bool)) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	all, err := s.load(ctx)
	if err != nil {
		return err
	}
	after, ok := f(all[arn])
	if !ok {
		return nil
	}
	all[arn] = after
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := s.state.Save(ctx, stateKey, text); err != nil {
		return fmt.Errorf("state of subscriptions: %w", err)
	}
	s.remember(all)
	return nil
}

func (s *subscriptions) known(arn string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byTopic[arn].State
}

func (s *subscriptions) isConfirmed(arn string) bool    { return s.known(arn) == confirmed }
func (s *subscriptions) isUnsubscribed(arn string) bool { return s.known(arn) == unsubscribed }

// requested takes note that a subscription waits to be confirmed at link. stale
// says that it was ended after that was asked for.
func (s *subscriptions) requested(ctx context.Context, arn, link string, sent, now time.Time) (stale bool, err error) {
	err = s.change(ctx, arn, func(was subscription) (subscription, bool) {
		if stale = !was.Ended.IsZero() && !sent.After(was.Ended); stale {
			return was, false
		}
		return subscription{State: pending, Since: sent, Asked: sent, URL: link, Ended: was.Ended, Next: now}, true
	})
	if err == nil && !stale {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return stale, err
}

// heard takes note of a notification sent at that time.
func (s *subscriptions) heard(ctx context.Context, arn, subscriptionARN string, sent time.Time) error {
	return s.change(ctx, arn, func(was subscription) (subscription, bool) {
		if was.State == confirmed || !was.Ended.IsZero() && !sent.After(was.Ended) {
			return was, false
		}
		return subscription{State: confirmed, Since: sent, ARN: subscriptionARN, Asked: was.Asked, Ended: was.Ended}, true
	})
}

// unsubscribed takes note that the subscription was ended at that time.
func (s *subscriptions) unsubscribed(ctx context.Context, arn string, sent time.Time) error {
	return s.change(ctx, arn, func(was subscription) (subscription, bool) {
		if sent.Before(was.Asked) {
			return was, false // of a subscription before this one
		}
		return subscription{State: unsubscribed, Since: sent, ARN: was.ARN, Asked: was.Asked, Ended: sent}, true
	})
}

const (
	// confirmFor is how long a SubscribeURL is tried. SNS forgets it after two days.
	confirmFor   = 72 * time.Hour
	firstBackoff = 5 * time.Second
	lastBackoff  = 10 * time.Minute
	// idle is how long the loop waits when there is nothing to confirm: another
	// replica may have left something.
	idle = 10 * time.Minute
)

// confirm visits the SubscribeURLs of pending subscriptions until ctx ends.
func (s *source) confirm(ctx context.Context) {
	for {
		wait := s.confirmDue(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.subs.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// confirmDue confirms what is due and says how long to wait for the next.
func (s *source) confirmDue(ctx context.Context) time.Duration {
	all, err := s.subs.all(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.env.Log.ErrorContext(ctx, "subscriptions not confirmed", slog.String("source", s.env.Name), slog.Any("err", err))
		}
		return firstBackoff
	}
	wait := idle
	for arn, sub := range all {
		if sub.State != pending || sub.URL == "" {
			continue
		}
		if left := sub.Next.Sub(s.env.Now()); left > 0 {
			wait = min(wait, left)
			continue
		}
		next, err := s.confirmOne(ctx, arn, sub)
		if err != nil && ctx.Err() == nil {
			s.env.Log.WarnContext(ctx, "subscription not confirmed", slog.String("source", s.env.Name), slog.String("topic", arn), slog.Any("err", err))
		}
		wait = min(wait, next)
	}
	return wait
}

// confirmOne visits one SubscribeURL, keeps what came of it, and says how long to
// wait until it is tried again.
func (s *source) confirmOne(ctx context.Context, arn string, sub subscription) (time.Duration, error) {
	own, visitErr := s.visit(ctx, arn, sub.URL)
	if ctx.Err() != nil {
		return idle, ctx.Err()
	}
	now := s.env.Now()
	after := sub
	wait := idle
	switch {
	case visitErr == nil:
		after = subscription{State: confirmed, Since: now, ARN: own, Asked: sub.Asked, Ended: sub.Ended}
	case hopeless(visitErr) || now.Sub(sub.Since) > confirmFor:
		after.URL, after.Problem = "", visitErr.Error()+"; subscribe again"
	default:
		wait = min(firstBackoff<<min(sub.Tries, 10), lastBackoff)
		after.Tries++
		after.Next, after.Problem = now.Add(wait), visitErr.Error()
	}
	err := s.subs.change(ctx, arn, func(was subscription) (subscription, bool) {
		return after, was.State == pending && was.URL == sub.URL // else something newer came
	})
	if err != nil {
		return firstBackoff, err
	}
	if visitErr == nil {
		s.env.Log.InfoContext(ctx, "subscription confirmed", slog.String("source", s.env.Name), slog.String("topic", arn))
	}
	return wait, visitErr
}

// hopeless reports whether SNS said that the URL will never do.
func hopeless(err error) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && e.status >= 400 && e.status < 500 && e.status != http.StatusTooManyRequests && e.status != http.StatusRequestTimeout
}

// visit confirms the subscription and gives its ARN.
// https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
func (s *source) visit(ctx context.Context, arn, link string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	text, err := get(ctx, s.http, link, maxCertificate)
	if err != nil {
		return "", fmt.Errorf("confirming: %w", err)
	}
	var reply struct {
		ARN string `xml:"ConfirmSubscriptionResult>SubscriptionArn"`
	}
	if err := xml.Unmarshal(text, &reply); err != nil {
		return "", fmt.Errorf("confirming: answer of SNS: %w", err)
	}
	own := strings.TrimSpace(reply.ARN)
	if !strings.HasPrefix(own, arn+":") {
		return "", fmt.Errorf("confirming: SNS gave no ARN of a subscription to %s", arn)
	}
	return own, nil
}

// Status says how each topic stands. The worst of them is the source's state.
func (s *source) Status(ctx context.Context) collect.Status {
	all, err := s.subs.all(ctx)
	if err != nil {
		return collect.Status{State: "failing", Lines: []tocsin.Fact{{Name: "Subscriptions", Value: err.Error()}}}
	}
	st := collect.Status{State: "ok"}
	worst := func(state string) {
		order := []string{"ok", "pending", "unsubscribed", "failing"}
		if slices.Index(order, state) > slices.Index(order, st.State) {
			st.State = state
		}
	}
	for _, pattern := range s.topics {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(arn string) bool { return matchARN(pattern, arn) }) {
			worst("pending")
			st.Lines = append(st.Lines, tocsin.Fact{Name: pattern, Value: "Not subscribed yet"})
		}
	}
	for _, arn := range slices.Sorted(maps.Keys(all)) {
		if !s.topics.allows(arn) {
			continue // no longer ours
		}
		sub := all[arn]
		if sub.State != confirmed {
			worst(sub.State)
		}
		st.Lines = append(st.Lines, tocsin.Fact{Name: arn, Value: sub.describe()})
	}
	if err := s.certs.failing(); err != nil {
		worst("failing")
		st.Lines = append(st.Lines, tocsin.Fact{Name: "Signing certificate", Value: err.Error()})
	}
	standing := s.Standing()
	worst(standing.State)
	st.Lines = append(st.Lines, standing.Lines...)
	return st
}

func (s subscription) describe() string {
	since := s.Since.UTC().Format(time.RFC3339)
	switch s.State {
	case confirmed:
		if s.ARN == "" {
			return "Confirmed since " + since
		}
		return "Confirmed since " + since + " (" + s.ARN + ")"
	case unsubscribed:
		return "Unsubscribed since " + since + "; subscribe again if that was not intended"
	}
	if s.Problem != "" {
		return "Pending confirmation since " + since + ": " + s.Problem
	}
	return "Pending confirmation since " + since
}

// Describe tells how to subscribe the endpoint to the topics.
func (s *source) Describe(reveal bool) []tocsin.Fact {
	endpoint := s.URL(reveal)
	facts := []tocsin.Fact{{Name: "Endpoint", Value: endpoint}}
	for _, arn := range s.topics {
		part := strings.Split(arn, ":")
		if strings.Contains(part[3], "*") {
			part[3] = "$REGION"
		}
		facts = append(facts, tocsin.Fact{Name: "Subscribe " + arn, Value: fmt.Sprintf(
			`aws sns subscribe --region %s --topic-arn "%s" --protocol https --notification-endpoint "%s"`,
			part[3], strings.Join(part, ":"), endpoint)})
	}
	return facts
}
