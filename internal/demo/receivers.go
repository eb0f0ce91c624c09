package demo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify/inbox"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// receivers are the demo's own Slack, mail server and webhook endpoint.
type receivers struct {
	inbox *inbox.Inbox
	web   *http.Server
	mail  *inbox.MailServer
	on    net.Listener
	smtp  net.Listener
}

// openReceivers starts them on ports of the system's choice. key is what webhooks
// are signed with.
func openReceivers(ctx context.Context, key string) (*receivers, error) {
	var lc net.ListenConfig
	on, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	smtp, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, on.Close())
	}
	box := inbox.New(inbox.Options{Secret: secret.New(key)})
	r := &receivers{inbox: box, web: &http.Server{Handler: box, ReadHeaderTimeout: 10 * time.Second}, mail: box.MailServer(), on: on, smtp: smtp}
	go func() { _ = r.web.Serve(on) }() // ends with close
	go func() { _ = r.mail.Serve(smtp) }()
	return r, nil
}

func (r *receivers) close() { _ = errors.Join(r.web.Close(), r.mail.Close()) }

// URL is the inbox's page.
func (r *receivers) URL() string { return "http://" + r.on.Addr().String() }

// SMTP is the mail server's address.
func (r *receivers) SMTP() string { return r.smtp.Addr().String() }

// refuse makes the Slack channel answer 429 to its next attempts.
func (r *receivers) refuse(channel string, times int) {
	const retryAfter = 2 // seconds
	r.inbox.Fail("slack/"+channel, func(n int) (int, string) {
		if n > times {
			return 0, ""
		}
		return http.StatusTooManyRequests, strconv.Itoa(retryAfter)
	})
}
