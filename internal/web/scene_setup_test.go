package web

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/https"
	"github.com/tocsin-sec/tocsin/internal/collect/sns"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/console"
	"github.com/tocsin-sec/tocsin/internal/notify/slack"
	"github.com/tocsin-sec/tocsin/internal/notify/sms"
	"github.com/tocsin-sec/tocsin/internal/notify/webhook"
	"github.com/tocsin-sec/tocsin/internal/setup"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// setupKinds are a few that between them have every type of field.
var setupKinds = config.Kinds{
	Collectors: []collect.Kind{sns.Kind, https.Kind},
	Notifiers:  []notify.Kind{console.Kind, slack.Kind, sms.Kind, webhook.Kind},
}

// longName is as long as a name may be, and has no place to break.
const longName = "a123456789b123456789c123456789d123456789e123456789f123456789g12"

// writtenByHand is the main file of the configuration, managedHere the one that pages
// write.
const (
	writtenByHand = `public_url: https://tocsin.example.com
rules: [{use: guardduty}]
fallback: terminal
sources:
  org-topic:
    sns: {topics: ["arn:aws:sns:*:123456789123:guardduty-findings"]}
receivers:
  terminal: {console: {}}
  soc-slack:
    slack: {webhook_url: "https://hooks.slack.com/services/T000/B000/handwrittensecret"}
teams:
  payments: {receivers: soc-slack}
`
	managedHere = `# Written by tocsin's pages and commands. It may be changed by hand as well.
sources:
  api:
    https: {}
  checkmk:
    https:
      header: X-Api-Key
    team: payments
    receivers: [soc-slack]
    filters:
      - {name: only what is bad, path: state, op: is not, values: [OK]}
    map:
      subject: "{{host}}: {{service}}"
      severity: state
      source_id: host
      status: state
    close: {status: [OK]}
  ` + longName + `:
    https: {header: ` + longName + `-of-a-header}
    facts: {` + longName + `: ` + longName + `.` + longName + `.` + longName + `}
receivers:
  ` + longName + `: {console: {}}
  pages:
    webhook:
      url: https://pages.example.com/hook
      headers: {Authorization: Bearer typedsecret}
  loud: {console: {colour: always}}
`
)

// A shop is a setup over files of its own.
type shop struct {
	*setup.Setup
	folder string
	keys   *setup.Keys
	config atomic.Pointer[config.Config]
	// refuses is what receivers say to a test message; nil takes it.
	refuses error
	told    atomic.Int64
}

// managed is what pages wrote.
func (s *shop) managed(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.folder, "tocsin.managed.yml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// openShop is a setup whose configuration is in files, over the store and the engine
// of the scene.
func openShop(t testing.TB, sc *scene) *shop {
	t.Helper()
	s := &shop{folder: t.TempDir(), keys: setup.NewKeys(sc.store, func() time.Time { return fixtureNow })}
	for name, text := range map[string]string{"tocsin.yml": writtenByHand, "tocsin.managed.yml": managedHere} {
		if err := os.WriteFile(filepath.Join(s.folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(s.folder, "tocsin.yml")
	var made *setup.Setup
	reload := func() error {
		c, err := config.Load(file, setupKinds)
		if err != nil {
			return err
		}
		plan := fixturePlan()
		plan.Dialects = map[string]collect.Dialect{}
		for _, source := range c.Sources {
			if source.Dialect != nil {
				plan.Dialects[source.Name] = source.Dialect
			}
		}
		if err := sc.Replace(t.Context(), plan); err != nil {
			return err
		}
		s.config.Store(c)
		return made.Adopt(t.Context(), c)
	}
	made = setup.New(setup.Options{
		File: file, Kinds: setupKinds, Store: sc.store, Keys: s.keys, Now: func() time.Time { return fixtureNow },
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Config: s.config.Load, Reload: reload, Live: s.live,
		Explain: func(ctx context.Context, source string, raw []byte) (engine.Explanation, error) {
			return sc.ExplainFrom(ctx, source, raw)
		},
		Tell: func(context.Context, string, notify.Message) error {
			s.told.Add(1)
			return s.refuses
		},
	})
	s.Setup = made
	if err := reload(); err != nil {
		t.Fatal(err)
	}
	return s
}

// live are the sources as they would run: each has a token of its own.
func (s *shop) live() map[string]setup.Live {
	all := map[string]setup.Live{}
	for _, source := range s.config.Load().Sources {
		if source.Disabled {
			continue
		}
		ring := s.keys.Of(source.Name)
		all[source.Name] = setup.Live{
			Status: func(context.Context) collect.Status {
				return collect.Status{State: "ok", Lines: []tocsin.Fact{{Name: "Wrong tokens", Value: "none since the start"}}}
			},
			Describe: func(bool) []tocsin.Fact {
				return []tocsin.Fact{{Name: "Try it", Value: "curl -sS -H 'X-Api-Key: ***' --data-binary @event.json https://tocsin.example.com/in/" + source.Name}}
			},
			URL: func(reveal bool) string {
				if !reveal {
					return "https://tocsin.example.com/in/" + source.Name + "/***"
				}
				return "https://tocsin.example.com/in/" + source.Name + "/" + must(ring.Token()).Reveal()
			},
			Token: func() string { return must(ring.Token()).Reveal() },
			Made:  true,
		}
	}
	return all
}

// withShop are the filled pages with sources and receivers that can be set up.
func withShop(t testing.TB) (*Pages, *shop) {
	t.Helper()
	p, sc := filled(t)
	s := openShop(t, sc)
	opts := p.opts
	opts.Setup = s
	return newPages(opts), s
}

// gone makes a source of the shop one that was there once.
func (s *shop) gone(t testing.TB, name string) {
	t.Helper()
	if err := s.Delete(t.Context(), setup.Source, name, "ana"); err != nil {
		t.Fatal(err)
	}
}

// errRefused is what a vendor says.
var errRefused = errors.New("slack: 403 Forbidden: invalid_token, and " + strings.Repeat("a long word of theirs ", 4))

// activity is what the journal has of a source.
func activity(t testing.TB, p *Pages, name string) (a store.SourceActivity) {
	t.Helper()
	err := p.opts.Store.View(t.Context(), func(tx *store.Tx) error {
		all, err := tx.Sources()
		for _, one := range all {
			if one.Source == name {
				a = one
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}
