package chaos_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-sec/tocsin/internal/bench/rig"
)

// A message is one thing to be posted until it is received.
type message struct {
	delivery
	finding rig.Finding
	event   []byte // what the source is to make of it
	raises  bool   // it makes the alert worse than it was
	path    string
	header  http.Header
	body    []byte
}

// bySNS is a finding as SNS posts it.
func (sc *scene) bySNS(f rig.Finding) (message, error) {
	event := f.Event()
	m, err := sc.signer.Notification(rig.TopicARN, string(event))
	return message{
		delivery: delivery{"topic", m.MessageID}, finding: f, event: event,
		path: rig.SNSPath, header: m.Header(), body: m.Body(),
	}, err
}

// byHTTPS is a finding as an EventBridge API destination posts it.
func byHTTPS(f rig.Finding) message {
	event := f.Event()
	return message{
		delivery: delivery{"gd", f.Envelope}, finding: f, event: event,
		path: rig.HTTPSPath, header: http.Header{"Content-Type": {"application/json"}}, body: event,
	}
}

// senders post findings from many clients, each until it is received.
type senders struct {
	sc      *scene
	client  *http.Client
	targets func() string // address of the program that is asked next
	// pause is how long a client waits after an answer that is not 2xx.
	pause time.Duration
	wg    sync.WaitGroup

	refused  atomic.Int64 // answers of 5xx
	cut      atomic.Int64 // connections that ended without an answer
	mistakes mistakes
}

// mistakes are what should never happen, the first few of it.
type mistakes struct {
	mu   sync.Mutex
	list []string
}

func (m *mistakes) add(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.list) < 10 {
		m.list = append(m.list, fmt.Sprintf(format, args...))
	}
}

func (m *mistakes) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.list
}

func newSenders(sc *scene, targets func() string) *senders {
	return &senders{
		sc: sc, targets: targets, pause: 10 * time.Millisecond,
		client: &http.Client{
			Timeout:   15 * time.Second, // as SNS
			Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxIdleConns: 128},
		},
	}
}

// start has n clients send findings until ctx ends; each then brings what it has
// begun to its end, for which hurry is the latest. Numbers of findings come from
// next.
func (s *senders) start(ctx, hurry context.Context, n int, next *atomic.Int64, rnd *rand.Rand) {
	for range n {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 2))
		s.wg.Go(func() {
			for ctx.Err() == nil {
				if err := s.story(hurry, int(next.Add(1)), rnd); err != nil {
					s.mistakes.add("%v", err)
					return
				}
			}
		})
	}
}

// story is what is sent of one finding: most often one message; else the same
// message again, the same finding by another way, or news of it.
func (s *senders) story(ctx context.Context, n int, rnd *rand.Rand) error {
	f := rig.Finding{Number: n, Version: 1, Severity: 5, Envelope: rig.Envelope(1, n)}
	first, err := s.either(f, rnd)
	if err != nil {
		return err
	}
	if err := s.post(ctx, first); err != nil {
		return err
	}
	switch rnd.IntN(10) {
	case 0: // SNS delivers at least once
		return s.post(ctx, first)
	case 1: // the same version by another way, or in another envelope
		f.Envelope = rig.Envelope(2, n)
	case 2: // it happened again
		f.Version, f.Envelope = 2, rig.Envelope(3, n)
	case 3: // it got worse
		f.Version, f.Severity, f.Envelope = 3, 8, rig.Envelope(4, n)
	default:
		return nil
	}
	second, err := s.either(f, rnd)
	if err != nil {
		return err
	}
	second.raises = f.Severity > 5
	return s.post(ctx, second)
}

func (s *senders) either(f rig.Finding, rnd *rand.Rand) (message, error) {
	if rnd.IntN(2) == 0 {
		return byHTTPS(f), nil
	}
	return s.sc.bySNS(f)
}

// post sends m until it is answered 2xx.
func (s *senders) post(ctx context.Context, m message) error {
	s.sc.ledger.offer(m)
	for {
		status, again, err := s.once(ctx, m)
		switch {
		case err != nil:
			s.cut.Add(1)
		case status >= 200 && status < 300:
			s.sc.ledger.received(m)
			return nil
		case status >= 500:
			s.refused.Add(1)
			if status == http.StatusServiceUnavailable && again == "" {
				s.mistakes.add("%s answered 503 without Retry-After", m.path)
			}
		default:
			return fmt.Errorf("%s %s answered %d, on which a sender gives up", m.source, m.envelope, status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s %s was never received: last %d %w", m.source, m.envelope, status, err)
		case <-time.After(s.pause):
		}
	}
}

func (s *senders) once(ctx context.Context, m message) (status int, retryAfter string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.targets()+m.path, bytes.NewReader(m.body))
	if err != nil {
		return 0, "", err
	}
	r.Header = m.header
	resp, err := s.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	// An answer counts once its first line is there: that is when SNS is content.
	if err != nil && resp.StatusCode >= 300 {
		return 0, "", err
	}
	if strings.Contains(string(text), rig.Token) {
		s.mistakes.add("%s: the token is in an answer", m.path)
	}
	return resp.StatusCode, resp.Header.Get("Retry-After"), nil
}
