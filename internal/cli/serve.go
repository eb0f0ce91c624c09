package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
)

func serveCommand(s *shell) *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Take in findings and tell people, until it is stopped",
		Long: `serve takes in findings, folds them into alerts and tells the receivers.

Without a configuration file it starts on built-in defaults: one HTTPS source whose
address it prints, messages on the terminal, data in ./tocsin-data. SIGHUP reads the
file again; SIGINT or SIGTERM ends it: it takes nothing more in, finishes what is
under way, and closes the database.`,
		Example: `  tocsin serve
  tocsin serve --config tocsin.yml --listen 127.0.0.1:9090 --data /var/lib/tocsin`,
		RunE: func(c *cobra.Command, _ []string) error { return s.serve(c.Context()) },
	}
	c.Flags().StringVar(&s.listen, "listen", os.Getenv("TOCSIN_LISTEN"), "`address` of pages and sources (default 127.0.0.1:8080; env TOCSIN_LISTEN)")
	return c
}

func (s *shell) serve(ctx context.Context) error {
	log, err := s.log()
	if err != nil {
		return err
	}
	conf, err := s.load()
	if err != nil {
		return err
	}
	for _, w := range conf.Warnings {
		log.Warn("configuration", "file", w.File, "line", w.Line, "problem", w.Text)
	}
	o := app.Options{Config: conf, Log: log, Out: s.out, Version: version()}
	if s.file() != "" {
		o.Reload = s.load
	}
	a, err := app.New(ctx, o)
	if err != nil {
		return err
	}
	s.greet(a, conf)
	go reloadOnHangup(ctx, a, o)
	return a.Run(ctx)
}

// greet says what was chosen and how to connect.
func (s *shell) greet(a *app.App, c *config.Config) {
	from := s.file()
	if from == "" {
		from = "built-in defaults (no " + defaultConfigFile + " here; print them with 'tocsin config default')"
	}
	fmt.Fprintf(s.err, "tocsin %s\n", version())
	fmt.Fprintf(s.err, "  configuration  %s\n", from)
	fmt.Fprintf(s.err, "  data           %s\n", c.StoreLabel())
	fmt.Fprintf(s.err, "  pages          %s/\n", a.URL())
	connect := a.Connect()
	names := make([]string, 0, len(connect))
	for name := range connect {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(s.err, "  source %s\n", name)
		for _, f := range connect[name] {
			fmt.Fprintf(s.err, "    %-12s %s\n", f.Name, f.Value)
		}
	}
	fmt.Fprintln(s.err, "Ctrl-C ends it.")
}

// reloadOnHangup reads the configuration again whenever the process gets SIGHUP.
func reloadOnHangup(ctx context.Context, a *app.App, o app.Options) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		if err := a.Reload(ctx); err != nil {
			o.Log.Error("configuration not reloaded; the old one stays in force", "err", err)
			continue
		}
		o.Log.Info("configuration reloaded")
	}
}
