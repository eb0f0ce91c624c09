// Package demo shows the whole program at work on a simulated AWS organisation:
// no AWS, nothing beyond this machine. What it delivers are signed SNS messages
// over the real HTTP endpoint; only the signing authority and the receivers are
// of its own making.
package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/collect/sns/snstest"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/web"
)

// Options are what a person may choose.
type Options struct {
	Accounts, Regions int           // 12 and 17 by default; at most 10,000 and 17
	Listen            string        // 127.0.0.1:8080; another port is taken if that one is in use
	Data              string        // kept there; a folder that is gone afterwards if empty
	Pace              time.Duration // between two things that happen
	Once              bool          // end after the story
	Seed              uint64        // the same seed tells the same story
	Log               *slog.Logger
	Out               io.Writer
	Version           string
}

// grace bounds the end: what is under way has this long.
const grace = 1500 * time.Millisecond

// Run shows until ctx ends, or until the story is told if Once.
func Run(ctx context.Context, o Options) error {
	dir, cleanUp, err := folder(o.Data)
	if err != nil {
		return err
	}
	defer cleanUp()
	signer, err := snstest.New(time.Now)
	if err != nil {
		return err
	}
	hook, err := secretToken()
	if err != nil {
		return err
	}
	in, err := openReceivers(ctx, hook)
	if err != nil {
		return err
	}
	defer in.close()
	w := &world{
		accounts: accounts(o.Accounts), regions: regions[:o.Regions], rng: mathrand.New(mathrand.NewPCG(o.Seed, 1)),
		now: time.Now().Add(-48 * time.Hour).Truncate(time.Second), signer: signer, slack: func(times int) { in.refuse("soc", times) }, pace: o.Pace,
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	w.tell = func(line string) {
		fmt.Fprintf(o.Out, "%s  %s\n", time.Now().Format(time.TimeOnly), line)
	}
	conf, token, err := w.configure(ctx, o.Listen, dir, hook, in)
	if err != nil {
		return err
	}
	w.app, err = app.New(ctx, app.Options{
		Config: conf, Log: o.Log, Out: o.Out, Version: o.Version, Grace: grace,
		Transport: &snstest.Transport{Signer: signer, Next: http.DefaultTransport}, Roots: signer.Roots(),
		Demo: &web.DemoLinks{Inbox: in.URL()},
	})
	if err != nil {
		return err
	}
	w.doors = doors{topic: w.app.URL() + "/in/org-topic/" + token, bus: w.app.URL() + "/in/member-bus/" + token}
	w.greet(o.Out, dir, in.URL())
	return w.run(ctx, o.Once)
}

// run runs the program and the story beside each other; the end of one is the
// end of both.
func (w *world) run(ctx context.Context, once bool) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var g errgroup.Group
	g.Go(func() error {
		defer end()
		return w.app.Run(ctx)
	})
	g.Go(func() error {
		defer end()
		err := w.play(ctx, once)
		if ctx.Err() != nil {
			return nil // asked to end in the middle of a scene
		}
		return err
	})
	return g.Wait()
}

func (w *world) play(ctx context.Context, once bool) error {
	for _, s := range w.story() {
		if err := s(ctx); err != nil {
			return err
		}
		if !wait(ctx, w.pace) {
			return nil
		}
	}
	if once {
		wait(ctx, 8*w.pace) // Slack's refusals are over by then
	}
	if err := w.account(ctx); err != nil || once {
		return err
	}
	w.tell("from here on: now and then an update or something new. Ctrl-C ends it.")
	for life := w.life(); ; {
		if !wait(ctx, 5*w.pace) {
			return nil
		}
		if err := life(ctx); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (w *world) greet(out io.Writer, dir, inboxURL string) {
	fmt.Fprintf(out, `tocsin demo: a simulated organisation of %d accounts × %d regions. No AWS, nothing leaves this machine.

  alerts         %s/
  inbound log    %s/inbound
  demo inbox     %s/      what Slack, e-mail and webhook receivers see
  configuration  %s

`, len(w.accounts), len(w.regions), w.app.URL(), w.app.URL(), inboxURL, filepath.Join(dir, "demo.yml"))
}

var demoConfig = template.Must(template.New("demo.yml").Parse(`# The configuration of the demo. Receivers are its own inbox on this machine.
listen: {{.Listen}}
public_url: http://{{.Listen}}
store: sqlite:{{.Dir}}

sources:
  org-topic:                    # the delegated administrator's topics, one a region
    sns:
      token: {{.Token}}
      topics: ["arn:aws:sns:*:{{.Admin}}:guardduty"]
  member-bus:                   # a member's own rule, by an API destination
    https: {token: {{.Token}}}

accounts:
{{- range .Accounts}}
  "{{.ID}}": {name: {{.Name}}, environment: {{.Environment}}, team: {{.Team}}{{with .Minimum}}, minimum: {{.}}{{end}}}
{{- end}}

rules:
  - use: guardduty

routes:
  - name: critical wakes everybody
    pattern: {level: [critical]}
    receivers: [soc-slack, soc-mail, siem-webhook]
  - name: low is for the SIEM alone
    pattern: {level: [low]}
    receivers: [siem-webhook]
  - name: payments have a channel of their own
    pattern: {team: [payments]}
    receivers: [payments-slack, soc-mail, siem-webhook]

fallback: [soc-slack, siem-webhook]

receivers:
  soc-slack:      {slack: {webhook_url: "{{.Inbox.URL}}/slack/soc"}, rate: 20}
  payments-slack: {slack: {webhook_url: "{{.Inbox.URL}}/slack/payments"}, rate: 20}
  soc-mail:       {email: {smtp: "{{.Inbox.SMTP}}", tls: none, from: tocsin@example.com, to: [soc@example.com]}}
  siem-webhook:   {webhook: {url: "{{.Inbox.URL}}/webhook/siem", secret: "{{.Hook}}"}}
`))

// configure writes the configuration as a file would hold it, and reads it.
func (w *world) configure(ctx context.Context, listen, dir, hook string, in *receivers) (conf *config.Config, token string, err error) {
	if token, err = secretToken(); err != nil {
		return nil, "", err
	}
	address, err := free(ctx, listen)
	if err != nil {
		return nil, "", err
	}
	type row struct{ ID, Name, Environment, Team, Minimum string }
	rows := make([]row, len(w.accounts))
	for i, a := range w.accounts {
		rows[i] = row{a.id, a.name, a.environment, a.team, a.minimum}
	}
	var text bytes.Buffer
	err = demoConfig.Execute(&text, map[string]any{
		"Listen": address, "Dir": dir, "Token": token, "Admin": admin, "Accounts": rows, "Inbox": in, "Hook": hook,
	})
	if err != nil {
		return nil, "", err
	}
	file := filepath.Join(dir, "demo.yml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return nil, "", err
	}
	conf, err = config.Load(file, app.Kinds())
	return conf, token, err
}

// free is the address, or one with a port of the system's choice if it is in use.
func free(ctx context.Context, listen string) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		if l, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
	}
	return l.Addr().String(), l.Close()
}

// folder is where the demo keeps its database.
func folder(data string) (dir string, cleanUp func(), err error) {
	if data != "" {
		return data, func() {}, os.MkdirAll(data, 0o700)
	}
	dir, err = os.MkdirTemp("", "tocsin-demo-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

func secretToken() (string, error) {
	var b [32]byte
	_, err := rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:]), err
}

// Check says what of the options cannot be.
func (o Options) Check() error {
	switch {
	case o.Accounts < 1 || o.Accounts > 10_000:
		return errors.New("--accounts: want 1 to 10000")
	case o.Regions < 1 || o.Regions > len(regions):
		return fmt.Errorf("--regions: want 1 to %d", len(regions))
	}
	return nil
}
