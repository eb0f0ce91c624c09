// Package demo shows the whole program at work on a simulated AWS organisation:
// no AWS, nothing beyond this machine. What it delivers are signed SNS messages
// over the real HTTP endpoint; only the signing authority and the receivers are
// of its own making.
package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/template"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/collect/sns/snstest"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/store"
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

// ago is how long ago what is found now was seen: GuardDuty and EventBridge take their
// time.
const ago = 5 * time.Minute

// grace bounds the end: what is under way has this long.
const grace = 1500 * time.Millisecond

// Run shows until ctx ends, or until the story is told if Once.
func Run(ctx context.Context, o Options) error {
	dir, cleanUp, err := folder(o.Data)
	if err != nil {
		return err
	}
	defer cleanUp()
	w := &world{
		accounts: accounts(o.Accounts), regions: regions[:o.Regions], rng: mathrand.New(mathrand.NewPCG(o.Seed, 1)), pace: o.Pace, teams: teams(),
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	w.clock.setBack(catchingUp)
	w.seen = func() time.Time { return w.clock.Now().Add(-ago).Truncate(time.Second) }
	w.tell = func(line string) {
		fmt.Fprintf(o.Out, "%s  %s\n", w.clock.Now().Format(time.TimeOnly), line)
	}
	if w.signer, err = snstest.New(w.clock.Now); err != nil {
		return err
	}
	address, err := free(ctx, o.Listen)
	if err != nil {
		return err
	}
	if w.in, err = openReceivers(ctx, "http://"+address, w.teams, w.clock.Now, w.putEvents); err != nil {
		return err
	}
	defer w.in.close()
	conf, token, err := w.configure(address, dir)
	if err != nil {
		return err
	}
	w.app, err = app.New(ctx, app.Options{
		Config: conf, Log: o.Log, Out: o.Out, Version: o.Version, Grace: grace, Now: w.clock.Now,
		Transport: &snstest.Transport{Signer: w.signer, Next: http.DefaultTransport}, Roots: w.signer.Roots(),
		Demo: &web.DemoLinks{Inbox: w.in.URL()},
	})
	if err != nil {
		return err
	}
	if err := w.begin(ctx); err != nil {
		return err
	}
	w.doors = doors{topic: w.app.URL() + "/in/org-topic/" + token, bus: w.app.URL() + "/in/member-bus/" + token}
	w.greet(o.Out, dir)
	return w.run(ctx, o.Once)
}

// begin finds out what an earlier demo left in the store, since that is not to be
// accounted for, nor is its time to come again, and lets people make their plans.
func (w *world) begin(ctx context.Context) error {
	err := w.app.Store().View(ctx, func(tx *store.Tx) error {
		last, err := tx.Events(store.EventFilter{Page: store.Page{Limit: 1}})
		if err != nil {
			return err
		}
		if len(last) > 0 {
			w.clock.forward(max(0, last[0].ReceivedAt.Sub(w.clock.Now())))
		}
		w.before, err = readTally(tx)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.app.Store().Update(ctx, w.missed); err != nil {
		return err
	}
	if !w.large() { // so that it is known from the beginning, where that takes no time
		if _, err := w.inspector.look(ctx); err != nil {
			return err
		}
	}
	return w.seed(ctx)
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
		err := s(ctx)
		if other, ok := errors.AsType[anotherCourse](err); ok && ctx.Err() == nil {
			w.tell("the story takes another course: " + other.Error())
			err = nil
		}
		if err != nil {
			return err
		}
		if !wait(ctx, w.pace) {
			return nil
		}
	}
	if err := w.forward(ctx, w.clock.late()); err != nil {
		return err
	}
	if err := w.quiet(ctx); err != nil {
		return err
	}
	if err := w.account(ctx); err != nil || once {
		return err
	}
	w.tell("from here on: now and then an update, something new, or somebody who answers. Ctrl-C ends it.")
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

func (w *world) greet(out io.Writer, dir string) {
	fmt.Fprintf(out, `tocsin demo: a simulated organisation of %d accounts × %d regions. No AWS, nothing leaves this machine.

  alerts         %s/
  on call        %s/on-call
  coverage       %s/coverage
  inbound log    %s/inbound
  demo inbox     %s/      what people are told by Slack, phone and e-mail; answer from there
  configuration  %s

`, len(w.accounts), len(w.regions), w.app.URL(), w.app.URL(), w.app.URL(), w.app.URL(), w.in.URL(), filepath.Join(dir, "demo.yml"))
}

//go:embed demo.yml
var demoYAML string

var demoConfig = sync.OnceValue(func() *template.Template { return template.Must(template.New("demo.yml").Parse(demoYAML)) })

// storm is how many alerts of port probes a minute are told singly.
const storm = 5

// configure writes the configuration as a file would hold it, and reads it.
func (w *world) configure(address, dir string) (conf *config.Config, token string, err error) {
	type row struct{ ID, Name, Environment, OU, Minimum string }
	rows := make([]row, len(w.accounts)+1)
	mobile := ""
	for i, a := range w.members() {
		rows[i] = row{a.id, a.name, a.environment, a.ou, a.minimum}
		if a.name == "mobile-prod" {
			mobile = a.id
		}
	}
	for i := range w.teams {
		if w.teams[i].Monday, err = monday(w.teams[i].Zone, w.clock.Now()); err != nil {
			return nil, "", err
		}
	}
	token = secretToken()
	var text bytes.Buffer
	err = demoConfig().Execute(&text, map[string]any{
		"Listen": address, "Dir": dir, "Token": token, "Admin": admin, "Regions": strings.Join(w.regions, ", "), "AWS": w.in.URL() + busPath, "Accounts": rows, "Mobile": mobile, "Storm": storm,
		"Teams": w.teams, "People": cast, "Direct": w.in.direct, "Inbox": w.in.URL(), "SMTP": w.in.SMTP(), "Hook": w.in.hook,
		"AccountSID": w.in.accountSID, "AuthToken": w.in.authToken, "Number": number,
	})
	if err != nil {
		return nil, "", err
	}
	file := filepath.Join(dir, "demo.yml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return nil, "", err
	}
	conf, err = config.Load(file, w.kinds())
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

// secretToken is a secret of this run, of 26 letters and digits.
func secretToken() string { return rand.Text() }

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
