package demo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify/inbox"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// receivers are the demo's own Slack, mail server, phone company and webhook
// endpoint.
type receivers struct {
	*inbox.Inbox
	web  *http.Server
	mail *inbox.MailServer
	on   net.Listener
	smtp net.Listener

	hook       string    // what webhooks are signed with
	direct     inbox.App // that writes to people
	authToken  string    // of the account at the phone company
	accountSID string
}

// number is the one that texts come from.
const number = "+12025550199"

// openReceivers starts them on ports of the system's choice. The program that tells
// them, and that they call back, is at the address home; each team gets its app. aws
// answers for AWS.
func openReceivers(ctx context.Context, home string, teams []team, now func() time.Time, aws http.HandlerFunc) (*receivers, error) {
	var lc net.ListenConfig
	on, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	smtp, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, on.Close())
	}
	r := &receivers{on: on, smtp: smtp, hook: secretToken(), authToken: secretToken(), accountSID: "AC" + strings.Repeat("0", 32)}
	var apps []inbox.App
	for i := range teams {
		t := &teams[i]
		t.App = newApp(t.Name, home+"/act/"+t.Name+"-slack")
		t.App.Channels = map[string]string{t.Channel: t.Name + "-alerts"}
		apps = append(apps, t.App)
	}
	r.direct = newApp("direct", home+"/act/direct")
	o := inbox.Options{
		URL: r.URL(), Now: now, Secret: secret.New(r.hook), Apps: append(apps, r.direct),
		Phone: inbox.Phone{AuthToken: secret.New(r.authToken), Replies: home + "/act/sms/reply"},
	}
	for _, p := range cast {
		o.People = append(o.People, p.Person)
	}
	r.Inbox = inbox.New(o)
	mux := http.NewServeMux()
	mux.Handle("/", r.Inbox)
	mux.HandleFunc("POST "+busPath, aws)
	r.web, r.mail = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, r.MailServer()
	go func() { _ = r.web.Serve(on) }() // ends with close
	go func() { _ = r.mail.Serve(smtp) }()
	return r, nil
}

func newApp(name, callback string) inbox.App {
	return inbox.App{Name: name, Token: secret.New("xoxb-" + secretToken()), Signing: secret.New(secretToken()), Callback: callback}
}

func (r *receivers) close() { _ = errors.Join(r.web.Close(), r.mail.Close()) }

// URL is the inbox's page.
func (r *receivers) URL() string { return "http://" + r.on.Addr().String() }

// SMTP is the mail server's address.
func (r *receivers) SMTP() string { return r.smtp.Addr().String() }

// refuse makes a team's Slack app answer 429 to its next attempts.
func (r *receivers) refuse(team string, times int) {
	const retryAfter = 1                                // seconds
	r.Fail("slack-api/"+team, func(int) (int, string) { // it is called by one at a time
		if times == 0 {
			return 0, ""
		}
		times--
		return http.StatusTooManyRequests, strconv.Itoa(retryAfter)
	})
}
