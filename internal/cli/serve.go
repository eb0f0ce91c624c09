package cli

import (
	"context"
	"fmt"
	"log/slog"
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
	warn(log, conf)
	file := s.file() // also where it is gone later, or there is one then
	o := app.Options{Config: conf, File: file, Log: log, Out: s.out, Version: version()}
	o.Reload = func() (*config.Config, error) {
		c, err := s.loadFile(file)
		if err == nil {
			warn(log, c)
		}
		return c, err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	a, err := app.New(ctx, o)
	if err != nil {
		return err
	}
	s.greet(a, conf)
	go reloadOn(ctx, hangup, a, log)
	return a.Run(ctx)
}

func warn(log *slog.Logger, c *config.Config) {
	for _, w := range c.Warnings {
		log.Warn("configuration", "file", w.File, "line", w.Line, "problem", w.Text)
	}
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
	reveal := terminal(s.err) || a.MadeToken()
	connect := a.Connect(reveal)
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
	if !reveal {
		fmt.Fprintln(s.err, "Tokens are shown on a terminal, and when they are made.")
	}
	fmt.Fprintln(s.err, "Ctrl-C ends it.")
}

// reloadOn reads the configuration again at each signal, until ctx ends.
func reloadOn(ctx context.Context, hangup <-chan os.Signal, a *app.App, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		if err := a.Reload(); err != nil {
			log.Error("configuration not reloaded; the old one stays in force", "err", err)
			continue
		}
		log.Info("configuration reloaded")
	}
}
