package slack

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	slackgo "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	retryLeast = time.Second
	retryMost  = 5 * time.Minute
	ackTime    = 3 * time.Second // in which Slack wants to know that an envelope came
	busyMax    = 16              // answers that are worked on at once
)

// socket is an app that hears of its buttons over a connection of its own
// (Socket Mode, https://docs.slack.dev/apis/events-api/using-socket-mode).
// Of several connections Slack picks one for each answer, so that replicas need
// no arrangement.
type socket struct {
	*app
	token secret.String // of the app, not of the bot
	least time.Duration // between two attempts to connect; retryLeast
}

var _ notify.Listener = (*socket)(nil)

// Listen takes answers until ctx ends. It connects again by itself: at once when
// Slack asks for it, which it does every few hours, and otherwise after one second
// to five minutes. Answers that are being worked on are finished first.
func (s *socket) Listen(ctx context.Context) error {
	var busy sync.WaitGroup
	defer busy.Wait()
	places := make(chan struct{}, busyMax)
	wait := s.least
	for ctx.Err() == nil {
		// It comes back when connecting again is of no use, or ctx has ended.
		err := s.connect(ctx, func(work func()) {
			places <- struct{}{}
			busy.Go(func() {
				defer func() { <-places }()
				work()
			})
		})
		if ctx.Err() != nil {
			break
		}
		s.env.Log.ErrorContext(ctx, "Slack refuses the connection for buttons; is app_token right?", "receiver", s.name, "err", hidden(err))
		wait = min(2*wait, retryMost)
		if !sleep(ctx, wait) {
			break
		}
	}
	return nil
}

// connect connects, and takes what comes, until connecting again is of no use.
// Work that takes time is handed to start.
func (s *socket) connect(ctx context.Context, start func(work func())) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := socketmode.New(
		slackgo.New("", slackgo.OptionAppLevelToken(s.token.Reveal()), slackgo.OptionAPIURL(s.api), slackgo.OptionHTTPClient(&opener{client: s.client, pace: pace{least: s.least}})),
		socketmode.OptionDialer(dialer(s.client)), socketmode.OptionReadLimit(bodyMax),
	)
	ended := make(chan error, 1)
	go func() { ended <- client.RunContext(ctx) }()
	for {
		select {
		case err := <-ended:
			return err
		case e := <-client.Events:
			s.take(ctx, client, e, start)
		}
	}
}

// take deals with one event of the connection.
func (s *socket) take(ctx context.Context, client *socketmode.Client, e socketmode.Event, start func(work func())) {
	request := e.Request
	switch data := e.Data.(type) {
	case *slackgo.ConnectionErrorEvent:
		s.env.Log.WarnContext(ctx, "no connection for Slack's buttons", "receiver", s.name, "attempt", data.Attempt, "err", hidden(data.ErrorObj))
	case *socketmode.ConnectedEvent:
		s.env.Log.DebugContext(ctx, "connected for Slack's buttons", "receiver", s.name)
	case *socketmode.ErrorBadMessage:
		// The library could not read all of it, such as a block that is newer than it
		// is. What we need of it may well be there.
		request = new(socketmode.Request)
		if json.Unmarshal(data.Message, request) != nil {
			return
		}
	}
	if request == nil || request.EnvelopeID == "" {
		return
	}
	acked, cancel := context.WithTimeout(ctx, ackTime)
	defer cancel()
	if err := client.AckCtx(acked, request.EnvelopeID, nil); err != nil {
		return // Slack sends it again
	}
	var i interaction
	if request.Type != socketmode.RequestTypeInteractive || json.Unmarshal(request.Payload, &i) != nil {
		return
	}
	start(func() { s.show(ctx, i, s.act(ctx, i)) })
}

// opener makes the library's requests, of which there is one kind: for the address
// of a connection. Slack's 429 and everything else is judged as for any receiver,
// and no error holds a token. It keeps a server that takes connections and drops
// them from being asked again without a pause.
type opener struct {
	client *http.Client
	pace   pace // the library asks for one connection after the other
}

func (o *opener) Do(r *http.Request) (*http.Response, error) {
	if !sleep(r.Context(), o.pace.next(time.Now())) {
		return nil, r.Context().Err()
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	reply, err := notify.Post(r.Context(), o.client, r.URL.String(), r.Header, body)
	if wait, told := notify.RetryAfter(err); told {
		return nil, &slackgo.RateLimitedError{RetryAfter: wait}
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(reply)), Request: r}, nil
}

// A pace says how long to wait before the next attempt: not at all after a
// connection that lasted, and ever longer after those that did not.
type pace struct {
	least time.Duration
	last  time.Time
	wait  time.Duration
}

func (p *pace) next(now time.Time) time.Duration {
	switch lasted := now.Sub(p.last) - p.wait; {
	case p.last.IsZero(), lasted > time.Minute:
		p.wait = 0
	default:
		p.wait = min(max(2*p.wait, p.least), time.Minute)
	}
	p.last = now
	return p.wait
}

// dialer connects as the client does: by the same proxy, with the same
// certificates.
func dialer(client *http.Client) *websocket.Dialer {
	// One message must be one frame: Slack drops what comes in several.
	d := &websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: 15 * time.Second, WriteBufferSize: 32 << 10}
	if client == nil {
		return d
	}
	if t, ok := client.Transport.(*http.Transport); ok {
		d.Proxy, d.NetDialContext = t.Proxy, t.DialContext
		if t.TLSClientConfig != nil {
			d.TLSClientConfig = t.TLSClientConfig.Clone()
			d.TLSClientConfig.NextProtos = []string{"http/1.1"}
		}
	}
	if d.TLSClientConfig == nil {
		d.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return d
}

var addresses = lazyregexp.New(`(?i)\b((?:wss?|https?)://[^/?#\s"]+)[^\s"]*`)

// hidden is the error without what is behind the host of an address: the
// connection's has a ticket in it.
func hidden(err error) string {
	if err == nil {
		return ""
	}
	return notify.Truncate(notify.Clean(addresses.ReplaceAllString(err.Error(), "$1/…")), 300, notify.Runes)
}

// sleep reports whether the time went by before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
