package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

func replayCommand(s *shell) *cobra.Command {
	var keep bool
	c := &cobra.Command{
		Use:   "replay FILE...",
		Short: "Put findings from files through rules and routes",
		Long: `replay reads events from files, folders or standard input (-), .gz or plain: one JSON
object, an array, JSON Lines, the S3 export of GuardDuty or the output of
'aws guardduty get-findings'. It says what would become of each and who would be told.

Without --keep nothing is kept and nobody is told: it uses a database of its own that
is gone afterwards. With --keep the events go into the configured database and the
receivers are told as usual. Of events that are there already nobody is told again.`,
		Example: `  tocsin replay findings.jsonl.gz
  aws guardduty get-findings … | tocsin replay -
  tocsin replay --keep --config tocsin.yml export/`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return s.replay(c.Context(), args, keep) },
	}
	c.Flags().BoolVar(&keep, "keep", false, "keep the events in the configured database and tell the receivers")
	return c
}

func (s *shell) replay(ctx context.Context, paths []string, keep bool) error {
	log, err := s.log()
	if err != nil {
		return err
	}
	conf, err := s.load()
	if err != nil {
		return err
	}
	if !keep {
		var lines sync.Mutex
		dir, err := os.MkdirTemp("", "tocsin-replay-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		conf.Store = "sqlite:" + dir
		for i, r := range conf.Receivers {
			conf.Receivers[i] = named(config.Rehearse(r, app.Kinds()), &lines)
		}
	}
	a, err := app.Offline(ctx, app.Options{Config: conf, Log: log, Out: s.out, Version: version()})
	if err != nil {
		return err
	}
	counts := map[tocsin.Verdict]int{}
	sink := func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
		receipts, err := a.Engine().Accept(ctx, events...)
		for i, r := range receipts {
			counts[r.Verdict]++
			if r.Verdict == tocsin.Malformed || r.Verdict == tocsin.Unmapped {
				what := strings.TrimSpace(string(r.Verdict) + " " + events[i].Envelope)
				fmt.Fprintf(s.err, "%s: %s\n", what, r.Reason)
			}
		}
		return receipts, err
	}
	err = a.ReadFiles(ctx, paths, s.in, s.progress(), sink)
	// What was accepted is to be told even when a later file cannot be read.
	err = errors.Join(err, a.Engine().Drain(ctx, time.Now()), a.Close())
	s.summary(counts, keep)
	return err
}

// named is a receiver that says under each message whose it is. lines keeps the
// two together.
func named(r config.Receiver, lines *sync.Mutex) config.Receiver {
	open := r.Open
	r.Open = func(env notify.Env) (notify.Notifier, error) {
		n, err := open(env)
		return naming{n, env.Out, lines}, err
	}
	return r
}

type naming struct {
	notify.Notifier
	out   io.Writer
	lines *sync.Mutex
}

func (n naming) Notify(ctx context.Context, m notify.Message) (string, error) {
	n.lines.Lock()
	defer n.lines.Unlock()
	ref, err := n.Notifier.Notify(ctx, m)
	fmt.Fprintf(n.out, "          to %s, because of %s\n", m.Receiver, m.Why)
	return ref, err
}

func (s *shell) summary(counts map[tocsin.Verdict]int, keep bool) {
	var parts []string
	total := 0
	for _, v := range tocsin.Verdicts() {
		if n := counts[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	for n := range maps.Values(counts) {
		total += n
	}
	if total == 0 {
		fmt.Fprintln(s.out, "no events")
		return
	}
	fmt.Fprintf(s.out, "%s: %s\n", plural(total, "event"), strings.Join(parts, ", "))
	if !keep {
		fmt.Fprintln(s.out, "Nothing was kept and nobody was told; --keep does both.")
	}
}

// progress draws a bar on a terminal and nothing elsewhere.
func (s *shell) progress() collect.Progress {
	if !terminal(s.err) {
		return nil
	}
	var last time.Time
	return func(done, total int64) {
		if time.Since(last) < 100*time.Millisecond && done != total {
			return
		}
		last = time.Now()
		if total <= 0 {
			fmt.Fprintf(s.err, "\r%.1f MB read\x1b[K", float64(done)/1e6)
			return
		}
		const width = 30
		full := int(done * width / total)
		fmt.Fprintf(s.err, "\r[%s%s] %3d%% of %.1f MB\x1b[K", strings.Repeat("=", full), strings.Repeat(" ", width-full), done*100/total, float64(total)/1e6)
		if done == total {
			fmt.Fprint(s.err, "\r\x1b[K")
		}
	}
}
