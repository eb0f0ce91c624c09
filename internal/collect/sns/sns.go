// Package sns takes in what Amazon SNS posts to an HTTPS endpoint, and confirms
// the subscriptions that make it do so.
//
// The endpoint is /in/<source>/<token>. A message counts if its topic is on the
// list of the source's topics and SNS signed it. The signature only says that SNS
// sent it, for whichever customer: the list is what tells ours from others.
//
// A topic that delivers raw sends the event alone, with no signature; then the
// token is all that the sender proves itself with, so raw delivery has to be
// allowed with raw: true.
//
// Refused messages (bad signature, unknown topic) are journalled as malformed,
// under no envelope id, so that nobody can use up the id of a true message. Where
// the fault may be on this side — the journal, the way to the certificate — the
// answer is 503, the only kind on which SNS tries again.
//
// https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html
package sns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the way in by SNS.
var Kind = kind()

func kind() collect.Kind {
	k := collect.Define("sns", "Takes in messages that Amazon SNS posts over HTTPS, verifies their signatures and confirms subscriptions.", open)
	k.Title = "Amazon SNS"
	return k
}

// Config is what can be set.
type Config struct {
	Topics              []string      `json:"topics" doc:"ARNs of the topics that may send. * stands for any run of characters within one segment, but not for the account: arn:aws:sns:*:111122223333:guardduty."`
	Token               secret.String `json:"token,omitzero" doc:"Unguessable part of the endpoint's URL, 16 characters or more. Left out, one is made and shown with the source."`
	Raw                 bool          `json:"raw,omitempty" doc:"Also take raw deliveries. They have no signature: the token in the URL is all that protects them."`
	SignatureVersions   []int         `json:"signature_versions,omitempty" doc:"Versions of the signature that count (default [1, 2]). Set [2] once every topic has the attribute SignatureVersion=2."`
	SigningCertificates []string      `json:"signing_certificates,omitempty" doc:"PEM files with certificates of SNS to trust instead of fetching any, for hosts without a way out. Their names and dates are still checked."`
	MaxAge              time.Duration `json:"max_age,omitempty" doc:"How old a confirmation may be when it arrives (default 1h15m: SNS tries for an hour)."`
}

const (
	via           = "sns"
	defaultMaxAge = 75 * time.Minute
	// patience is how long SNS waits at most; it gives up after 15 seconds.
	patience = 13 * time.Second
	// maxEvents is how many events one message may hold.
	maxEvents = 50_000
)

// source is the collector.
type source struct {
	*collect.Inlet
	env      collect.Env
	topics   allowList
	raw      bool
	versions []string
	maxAge   time.Duration
	http     *http.Client
	certs    *certificates
	subs     *subscriptions
}

var (
	_ collect.Collector = (*source)(nil)
	_ collect.Reporter  = (*source)(nil)
	_ collect.Describer = (*source)(nil)
)

func open(c Config, env collect.Env) (collect.Collector, error) {
	topics, err := parseAllowList(c.Topics)
	if err != nil {
		return nil, err
	}
	versions := []string{"1", "2"}
	if len(c.SignatureVersions) > 0 {
		versions = nil
		for _, v := range c.SignatureVersions {
			if v != 1 && v != 2 {
				return nil, fmt.Errorf("signature_versions: %d is neither 1 nor 2", v)
			}
			versions = append(versions, strconv.Itoa(v))
		}
	}
	if c.MaxAge < 0 {
		return nil, fmt.Errorf("max_age: %v is less than nothing", c.MaxAge)
	}
	if c.MaxAge == 0 {
		c.MaxAge = defaultMaxAge
	}
	pinned, err := readPinned(c.SigningCertificates)
	if err != nil {
		return nil, err
	}
	inlet, err := collect.NewInlet(env, c.Token)
	if err != nil {
		return nil, err
	}
	client := *env.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := &source{
		Inlet: inlet, env: env, topics: topics, raw: c.Raw, versions: versions, maxAge: c.MaxAge, http: &client,
		certs: &certificates{http: &client, roots: env.Roots, now: env.Now, log: env.Log.With("source", env.Name), pinned: pinned},
		subs:  &subscriptions{state: env.State, wake: make(chan struct{}, 1)},
	}
	env.Handle(s)
	return s, nil
}

// Run lets messages through to sink until ctx ends, and confirms subscriptions
// meanwhile.
func (s *source) Run(ctx context.Context, sink collect.Sink) error {
	confirmed := make(chan struct{})
	go func() {
		defer close(confirmed)
		s.confirm(ctx)
	}()
	err := s.Inlet.Run(ctx, sink)
	<-confirmed
	return err
}

// ServeHTTP takes one delivery.
func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.Knows(s.PathToken(r)) {
		s.Stranger()
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "SNS sends with POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := collect.ReadBody(r)
	switch {
	case errors.Is(err, collect.ErrTooLarge):
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		again(w)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	refused, err := s.take(ctx, r.Header, body)
	switch {
	case errors.Is(err, collect.ErrStopped):
		again(w)
	case err != nil:
		s.env.Log.ErrorContext(ctx, "message not taken", slog.String("source", s.env.Name), slog.Any("err", err))
		again(w)
	case refused:
		http.Error(w, "refused", http.StatusForbidden)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

// again tells SNS to deliver the message again. No other kind of answer does.
func again(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, "not now", http.StatusServiceUnavailable)
}

// take does what the message asks for. On an error it may be delivered again; a
// message that is refused need not.
func (s *source) take(ctx context.Context, h http.Header, body []byte) (refused bool, err error) {
	d := delivery{source: s, received: s.env.Now()}
	if strings.EqualFold(h.Get("X-Amz-Sns-Rawdelivery"), "true") {
		return d.raw(ctx, h, body)
	}
	m, err := parse(body)
	if err != nil {
		return false, d.record(ctx, body, err)
	}
	t, err := s.admit(h, m)
	if err != nil {
		return true, d.record(ctx, body, err)
	}
	keys, err := s.certs.keys(ctx, t, m.signingCertURL)
	if err != nil {
		return false, err
	}
	if err := m.verify(keys...); err != nil {
		return true, d.record(ctx, body, err)
	}
	if m.typ == typeNotification {
		if err := d.hand(ctx, m.id, []byte(m.message)); err != nil {
			return false, err
		}
		s.heard(ctx, m, h.Get("X-Amz-Sns-Subscription-Arn"))
		return false, nil
	}
	reason, err := s.control(ctx, t, m, d.received)
	if err != nil {
		return false, err
	}
	if reason != nil {
		return true, d.record(ctx, body, reason)
	}
	return false, nil
}

// admit says why m is not for this source, short of its signature, or which
// topic it is from.
func (s *source) admit(h http.Header, m message) (topic, error) {
	t, err := parseTopic(m.topic)
	if err != nil {
		return t, err
	}
	if v := h.Get("X-Amz-Sns-Message-Type"); v != "" && v != m.typ {
		return t, fmt.Errorf("header x-amz-sns-message-type says %.40q, the message %s", v, m.typ)
	}
	if v := h.Get("X-Amz-Sns-Topic-Arn"); v != "" && v != m.topic {
		return t, fmt.Errorf("header x-amz-sns-topic-arn says %.80q, the message %s", v, m.topic)
	}
	if v := h.Get("X-Amz-Sns-Message-Id"); v != "" && v != m.id {
		return t, fmt.Errorf("header x-amz-sns-message-id says %.40q, the message %.40q", v, m.id)
	}
	if !s.topics.allows(m.topic) {
		return t, fmt.Errorf("topic %s is not on the list of topics", m.topic)
	}
	if !slices.Contains(s.versions, m.version) {
		return t, fmt.Errorf("signature version %.10q is not allowed", m.version)
	}
	return t, t.checkCertURL(m.signingCertURL)
}

// control does what a verified confirmation asks for, or says why not.
func (s *source) control(ctx context.Context, t topic, m message, now time.Time) (reason, err error) {
	sent, reason := m.sent()
	if reason != nil {
		return fmt.Errorf("timestamp %.40q is no time", m.timestamp), nil
	}
	if now.Sub(sent) > s.maxAge {
		return fmt.Errorf("%s is older than %v", m.typ, s.maxAge), nil
	}
	if m.typ == typeUnsubscribe {
		s.env.Log.WarnContext(ctx, "subscription was ended; subscribe again if that was not intended",
			slog.String("source", s.env.Name), slog.String("topic", t.arn))
		return nil, s.subs.unsubscribed(ctx, t.arn, sent)
	}
	if reason := t.checkSubscribeURL(m.subscribeURL, m.token); reason != nil {
		return reason, nil
	}
	stale, err := s.subs.requested(ctx, t.arn, m.subscribeURL, sent, now)
	if stale {
		return errors.New("SubscriptionConfirmation is older than the end of the subscription"), err
	}
	return nil, err
}

// heard takes note that a topic delivers, whoever confirmed its subscription.
func (s *source) heard(ctx context.Context, m message, arn string) {
	if s.subs.isConfirmed(m.topic) {
		return
	}
	sent, err := m.sent()
	if err != nil {
		return
	}
	if err := s.subs.heard(ctx, m.topic, arn, sent); err != nil {
		s.env.Log.WarnContext(ctx, "state of the subscription not kept", slog.String("source", s.env.Name), slog.Any("err", err))
	}
}

// A delivery is one request.
type delivery struct {
	*source
	received time.Time
}

// record hands on what cannot be read or believed. It has no envelope id: nothing
// in it can be relied on.
func (d delivery) record(ctx context.Context, body []byte, reason error) error {
	_, err := d.Hand(ctx, tocsin.Event{
		Source: d.env.Name, Via: via, ReceivedAt: d.received, Raw: body, Unreadable: reason.Error(),
	})
	return err
}

// raw takes a delivery whose body is the event itself.
// https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
func (d delivery) raw(ctx context.Context, h http.Header, body []byte) (refused bool, err error) {
	arn := h.Get("X-Amz-Sns-Topic-Arn")
	switch {
	case !d.source.raw:
		return true, d.record(ctx, body, errors.New("raw delivery is off for this source; raw: true allows it"))
	case !d.topics.allows(arn):
		return true, d.record(ctx, body, fmt.Errorf("topic %.80q is not on the list of topics", arn))
	}
	if err := d.hand(ctx, h.Get("X-Amz-Sns-Message-Id"), body); err != nil {
		return false, err
	}
	if m := (message{topic: arn, timestamp: d.received.UTC().Format(time.RFC3339)}); !d.subs.isUnsubscribed(arn) {
		d.heard(ctx, m, h.Get("X-Amz-Sns-Subscription-Arn"))
	}
	return false, nil
}

// hand hands on the events in text.
func (d delivery) hand(ctx context.Context, id string, text []byte) error {
	var events []tocsin.Event
	var wrong error
	good := false
	for p := range collect.Pieces(text) {
		ev := tocsin.Event{Source: d.env.Name, Via: via, ReceivedAt: d.received, Envelope: id, Raw: p.Raw}
		if p.Err != nil {
			ev.Unreadable = p.Err.Error()
			wrong = cmp.Or(wrong, p.Err)
		}
		good = good || p.Err == nil
		if events = append(events, ev); len(events) > maxEvents {
			good, wrong = false, fmt.Errorf("more than %d events in one message", maxEvents)
			break
		}
	}
	switch {
	case !good:
		// Nothing in it is an event; then it is kept as it came.
		wrong = cmp.Or(wrong, errors.New("there is no event in it"))
		events = []tocsin.Event{{Source: d.env.Name, Via: via, ReceivedAt: d.received, Envelope: id, Raw: text, Unreadable: wrong.Error()}}
	case len(events) > 1 && id != "":
		for i := range events {
			events[i].Envelope = id + "#" + strconv.Itoa(i)
		}
	}
	_, err := d.Hand(ctx, events...)
	return err
}
