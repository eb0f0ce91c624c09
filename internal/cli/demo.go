package cli

import (
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/demo"
)

func demoCommand(s *shell) *cobra.Command {
	o := demo.Options{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show it at work on a simulated AWS organisation; no AWS needed",
		Long: `demo simulates an AWS organisation that delivers its findings as signed SNS messages
to a real tocsin on this machine: new ones, updates, redeliveries, the same finding by
two paths, garbage, a forgery and a storm. Three teams of two people are told by Slack,
phone and mail, and answer: what nobody answers goes on to the next one, and some is
kept quiet by a silence, a maintenance or an attack that it is part of. What came is
compared with what its GuardDuty has, canaries are sent from each region, and a few
places are dark.

The terminal says what happens. The addresses that it prints show the alerts, who is
on call, which places are covered, the inbound log, and an inbox with each message as
its reader sees it, from where you can answer in anybody's name: press buttons, send
text messages, press keys of a call, follow links. Nothing leaves this machine.

The story takes a minute and a half. The demo's clock begins a quarter of an hour late, which
the story skips; at a --pace below 800ms more is skipped.`,
		Example: "  tocsin demo\n  tocsin demo --accounts 200 --pace 200ms",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return usage(err)
			}
			o.Data, o.Out, o.Version = s.data, s.out, version()
			o.Log = slog.New(slog.DiscardHandler)
			if s.logFormat != "" {
				log, err := s.log()
				if err != nil {
					return err
				}
				o.Log = log
			}
			if o.Seed == 0 {
				o.Seed = uint64(time.Now().UnixNano())
			}
			return demo.Run(c.Context(), o)
		},
	}
	flags := c.Flags()
	flags.IntVar(&o.Accounts, "accounts", 12, "how many accounts")
	flags.IntVar(&o.Regions, "regions", 17, "how many regions, 17 at most")
	flags.DurationVar(&o.Pace, "pace", 800*time.Millisecond, "time between two things that happen")
	flags.BoolVar(&o.Once, "once", false, "end after the story")
	flags.Uint64Var(&o.Seed, "seed", 0, "tell the same story again")
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:8080", "`address` of the pages; another port if it is in use")
	return c
}
