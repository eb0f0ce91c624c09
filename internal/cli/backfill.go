package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A backfill is what the command was asked for.
type backfill struct {
	source  string
	regions []string
	days    int
	tell    bool
}

func backfillCommand(s *shell) *cobra.Command {
	var b backfill
	c := &cobra.Command{
		Use:   "backfill",
		Short: "Fetch the findings that are older than tocsin from GuardDuty",
		Long: `backfill asks GuardDuty for the findings of up to 90 days, which is as long as it keeps
them, and puts those into the configured database that are not there: the oldest first,
marked as fetched.

It asks as a source of the kind guardduty-api does, or with --region as every AWS tool
does, by the credentials of the environment. If it is cut off, the same command goes on
where it was. The embedded database has to be free: stop the server first. PostgreSQL can
be filled beside running servers.

Nobody is told of what is found: its alerts are open and held back, until they get worse.
With --tell the receivers are told as of any finding.`,
		Example: `  tocsin backfill --config tocsin.yml
  tocsin backfill --source audit --days 30
  tocsin backfill --region eu-west-1 --region us-east-1 --tell`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.backfill(c.Context(), b) },
	}
	flags := c.Flags()
	flags.StringVar(&b.source, "source", "", "ask as this `source` of the configuration (default: the only one of the kind guardduty-api)")
	flags.StringArrayVar(&b.regions, "region", nil, "ask in this `region`, or all, by the credentials of the environment; may be repeated")
	flags.IntVar(&b.days, "days", 90, "how many days back, 1 to 90")
	flags.BoolVar(&b.tell, "tell", false, "tell the receivers of what is found")
	return c
}

func (s *shell) backfill(ctx context.Context, b backfill) error {
	switch {
	case b.days < 1 || b.days > 90:
		return usage(fmt.Errorf("--days %d: GuardDuty keeps findings for 90 days; want 1 to 90", b.days))
	case b.source != "" && len(b.regions) > 0:
		return usage(errors.New("--source and --region: want one of them; a source has its own regions"))
	}
	log, err := s.log()
	if err != nil {
		return err
	}
	conf, err := s.load()
	if err != nil {
		return err
	}
	name, open, err := b.choose(conf)
	if err != nil {
		return err
	}
	if !b.tell {
		if conf.Routes, err = untold(conf); err != nil {
			return err
		}
	}
	a, err := app.Offline(ctx, app.Options{Config: conf, Log: log, Out: s.out, Version: version(), Now: s.now})
	if err != nil {
		return err
	}
	err = s.fetch(ctx, a, name, open, b, log)
	if b.tell { // what was accepted is to be told even when more could not be fetched
		err = errors.Join(err, a.Engine().Drain(context.WithoutCancel(ctx), s.time()))
	}
	return errors.Join(err, a.Close())
}

// An opener makes a source.
type opener func(collect.Env) (collect.Collector, error)

// choose finds the source to ask as.
func (b backfill) choose(conf *config.Config) (name string, open opener, err error) {
	if len(b.regions) > 0 {
		c := guarddutyapi.Config{
			Regions: b.regions, Every: 15 * time.Minute, Overlap: 30 * time.Minute, Lookback: 24 * time.Hour, Grace: 15 * time.Minute, Concurrency: 8,
		}
		return "backfill", func(env collect.Env) (collect.Collector, error) { return guarddutyapi.New(c, env) }, nil
	}
	var names []string
	for _, src := range conf.Sources {
		if src.Kind != guarddutyapi.Kind.Name {
			if src.Name == b.source {
				return "", nil, usage(fmt.Errorf("--source %s: is of the kind %s, want %s", b.source, src.Kind, guarddutyapi.Kind.Name))
			}
			continue
		}
		names = append(names, src.Name)
		if cmp.Or(b.source, src.Name) == src.Name {
			name, open = src.Name, src.Open
		}
	}
	switch {
	case b.source != "" && open == nil:
		return "", nil, usage(fmt.Errorf("--source %s: there is no such source of the kind %s", b.source, guarddutyapi.Kind.Name))
	case len(names) == 0:
		return "", nil, usage(fmt.Errorf("the configuration has no source of the kind %s; name regions with --region", guarddutyapi.Kind.Name))
	case b.source == "" && len(names) > 1:
		return "", nil, usage(fmt.Errorf("there are several sources to ask as: choose with --source one of %s", strings.Join(names, ", ")))
	}
	return name, open, nil
}

// untold are routes by which nobody is told, and by which alerts have the owners that
// the configuration gives to accounts.
func untold(conf *config.Config) (*routing.Routes, error) {
	return routing.New(routing.Table{
		Routes:   []routing.Route{{Name: "backfill", Drop: "it was fetched by tocsin backfill, without --tell"}},
		Fallback: conf.Fallback, Accounts: conf.Accounts, Teams: conf.Teams,
	})
}

// since is from when on findings are asked for: so many times 24 hours ago, also over a
// day that is longer or shorter here.
func (b backfill) since(now time.Time) time.Time { return now.UTC().AddDate(0, 0, -b.days) }

// fetch asks GuardDuty, and shows how far it is.
func (s *shell) fetch(ctx context.Context, a *app.App, name string, open opener, b backfill, log *slog.Logger) error {
	collector, err := open(collect.Env{
		Name: name, Log: log.With("source", name), Now: s.time, HTTP: &http.Client{Timeout: 30 * time.Second},
		State: store.Memory{Store: a.Store(), Prefix: "source/" + name + "/"}, Held: a.Store().Held,
	})
	if err != nil {
		return fmt.Errorf("source %s: %w", name, err)
	}
	source, ok := collector.(*guarddutyapi.Source)
	if !ok {
		return fmt.Errorf("source %s: cannot be asked for what is older", name)
	}
	bar := &fetching{out: s.err, bar: terminal(s.err), now: s.time, began: s.time()}
	counts := map[tocsin.Verdict]int{}
	var counting sync.Mutex
	err = source.Backfill(ctx, func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
		receipts, err := a.Engine().Accept(ctx, events...)
		counting.Lock()
		defer counting.Unlock()
		for _, r := range receipts {
			counts[r.Verdict]++
		}
		bar.found(len(receipts))
		return receipts, err
	}, b.since(s.time()), bar.progress)
	bar.end()
	s.summary(counts, true)
	if !b.tell && counts[tocsin.Suppressed] > 0 {
		fmt.Fprintln(s.out, "Nobody was told; the alerts are open and held back. --tell tells the receivers.")
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("cut off; the same command goes on from here")
	}
	return err
}

// fetching shows how far fetching is: a bar on a terminal, and a line now and then
// elsewhere.
type fetching struct {
	out   io.Writer
	bar   bool
	now   func() time.Time
	began time.Time

	mu          sync.Mutex // guards what follows
	findings    int
	done, total int64
	shown       time.Time
}

// Between two pictures of a bar, and between two lines.
const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 10 * time.Second
)

func (f *fetching) found(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.findings += n
	f.show()
}

func (f *fetching) progress(done, total int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done, f.total = max(f.done, done), total
	f.show()
}

// end takes the bar away.
func (f *fetching) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bar {
		fmt.Fprint(f.out, "\r\x1b[K")
	}
}

func (f *fetching) show() {
	every := lineEvery
	if f.bar {
		every = barEvery
	}
	now := f.now()
	if f.shown.IsZero() && !f.bar {
		f.shown = f.began
	}
	if now.Sub(f.shown) < every || f.total <= 0 {
		return
	}
	f.shown = now
	text := f.text(now)
	if !f.bar {
		fmt.Fprintln(f.out, text)
		return
	}
	const width = 30
	full := int(f.done * width / f.total)
	fmt.Fprintf(f.out, "\r[%s%s] %s\x1b[K", strings.Repeat("=", full), strings.Repeat(" ", width-full), text)
}

// text is "45%, 12345 findings, 830 a second, 1m20s left". How much is left is known of
// time alone, since nobody knows how many there are.
func (f *fetching) text(now time.Time) string {
	parts := []string{fmt.Sprintf("%d%%", f.done*100/f.total), plural(f.findings, "finding")}
	spent := now.Sub(f.began)
	if spent >= time.Second {
		parts = append(parts, fmt.Sprintf("%.0f a second", float64(f.findings)/spent.Seconds()))
		if f.done > 0 && f.done < f.total {
			left := time.Duration(float64(spent) * float64(f.total-f.done) / float64(f.done))
			parts = append(parts, left.Round(time.Second).String()+" left")
		}
	}
	return strings.Join(parts, ", ")
}
