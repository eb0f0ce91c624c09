// Package cli is the command line, one file a subcommand.
//
// Commands about what a running tocsin has are clients of its API over loopback; see
// [client]. What they print for people is aligned, with times absolute and relative,
// and does nothing to a terminal whatever is in it; with --json it is what the API
// answered.
//
// Exit codes: 0 done; 1 it went wrong; 2 it was called wrongly; 3 check found
// problems in the configuration, or a test of it failed.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
)

// The exit codes.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitProblems = 3
)

// Version is the program's version; a release sets it when it is linked.
var Version = ""

// Main runs the program as from a shell and returns its exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return (&shell{in: in, out: out, err: errOut}).run(ctx, args)
}

// run runs a command and returns its exit code.
func (s *shell) run(ctx context.Context, args []string) int {
	if isFunction(args) {
		args = []string{"lambda"}
	}
	root := rootCommand(s)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintf(s.err, "tocsin: %v\n", err)
	}
	if c, ok := errors.AsType[exitCode](err); ok {
		return c.code
	}
	if strings.HasPrefix(err.Error(), "unknown command") { // cobra has no type for it
		return exitUsage
	}
	return exitFailed
}

// errSaid is in errors that were shown already.
var errSaid = errors.New("")

// exitCode carries an exit code with an error.
type exitCode struct {
	error
	code int
}

func (e exitCode) Unwrap() error { return e.error }

func usage(err error) error { return exitCode{err, exitUsage} }

// shell is what the program was started in, and the flags that all commands share.
type shell struct {
	in       io.Reader
	out, err io.Writer
	now      func() time.Time // time.Now if nil

	configFile string
	data       string
	listen     string
	logFormat  string
	logLevel   string
}

func rootCommand(s *shell) *cobra.Command {
	root := &cobra.Command{
		Use:   "tocsin",
		Short: "Takes in Amazon GuardDuty findings and tells the people who own them",
		Long: `tocsin takes in the Amazon GuardDuty findings of every account and region of an AWS
organisation, folds repeats into one alert, and tells the people who own it.

Exit codes: 0 done, 1 it went wrong, 2 it was called wrongly, 3 check found problems.`,
		Example: `  tocsin demo                      a simulated organisation, no AWS needed
  tocsin serve                     start on built-in defaults, data in ./tocsin-data
  tocsin serve --config tocsin.yml
  tocsin check tocsin.yml          every mistake at once, with file:line:column, and its tests
  tocsin explain finding.json      what would become of it, and why
  tocsin alerts list               what is open on the running tocsin`,
		SilenceErrors: true, SilenceUsage: true,
		Version: version(),
	}
	root.SetVersionTemplate("tocsin {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w; see '%s --help'", err, c.CommandPath()))
	})
	flags := root.PersistentFlags()
	flags.StringVarP(&s.configFile, "config", "c", os.Getenv("TOCSIN_CONFIG"), "configuration `file` (default ./tocsin.yml if it is there; env TOCSIN_CONFIG)")
	flags.StringVar(&s.data, "data", "", "keep the embedded database in this `directory` (default ./tocsin-data)")
	flags.StringVar(&s.logFormat, "log-format", "", "text or json (default: text on a terminal, json otherwise)")
	flags.StringVar(&s.logLevel, "log-level", envOr("TOCSIN_LOG_LEVEL", "info"), "debug, info, warn or error (env TOCSIN_LOG_LEVEL)")
	root.AddCommand(
		serveCommand(s), lambdaCommand(s), demoCommand(s), replayCommand(s), backfillCommand(s), checkCommand(s), explainCommand(s),
		alertsCommand(s), notificationsCommand(s), silenceCommand(s), onCallCommand(s), peopleCommand(s), routesCommand(s), coverageCommand(s), reportsCommand(s), shadowCommand(s),
		sourceCommand(s), receiverCommand(s), patternCommand(s), lintCommand(s), transformCommand(s), doctorCommand(s), configCommand(s), importCommand(s), breakGlassCommand(s), versionCommand(s),
	)
	for _, c := range root.Commands() {
		if c.Args == nil {
			c.Args = cobra.NoArgs
		}
		if c.RunE == nil { // cobra would show the help and find nothing wrong
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
		wrapArgs(c)
	}
	return root
}

// wrapArgs makes wrong arguments a usage error, for the exit code.
func wrapArgs(c *cobra.Command) {
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
	check := c.Args
	if check == nil {
		return
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usage(fmt.Errorf("%w; see '%s --help'", err, c.CommandPath()))
		}
		return nil
	}
}

func versionCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Example: "  tocsin version",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(s.out, "tocsin", version())
			return err
		},
	}
}

func version() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// log writes text for people and JSON for programs.
func (s *shell) log() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return nil, usage(fmt.Errorf("--log-level %q: want debug, info, warn or error", s.logLevel))
	}
	options := &slog.HandlerOptions{Level: level}
	switch {
	case s.logFormat == "text", s.logFormat == "" && terminal(s.err):
		return slog.New(slog.NewTextHandler(s.err, options)), nil
	case s.logFormat == "json", s.logFormat == "":
		return slog.New(slog.NewJSONHandler(s.err, options)), nil
	}
	return nil, usage(fmt.Errorf("--log-format %q: want text or json", s.logFormat))
}

const defaultConfigFile = "tocsin.yml"

// file is the configuration file to read, or "" where there is none.
func (s *shell) file() string {
	if s.configFile != "" {
		return s.configFile
	}
	if _, err := os.Stat(defaultConfigFile); err == nil {
		return defaultConfigFile
	}
	return ""
}

// load reads the configuration, or the embedded defaults, and lets flags have
// their say.
func (s *shell) load() (*config.Config, error) { return s.loadFile(s.file()) }

// loadFile is load of one file, or of the embedded defaults where it is "".
func (s *shell) loadFile(file string) (*config.Config, error) {
	var c *config.Config
	var err error
	if file != "" {
		c, err = config.Load(file, app.Kinds())
	} else {
		c, err = config.Parse("defaults", config.Default(), app.Kinds())
	}
	if err != nil {
		return nil, err
	}
	if s.data != "" && !strings.HasPrefix(c.Store, "sqlite:") {
		return nil, usage(errors.New("--data is for the embedded database, and the configuration's store is PostgreSQL"))
	}
	if s.data != "" {
		c.Store = "sqlite:" + s.data
	}
	if s.listen != "" {
		c.Listen = s.listen
	}
	return c, nil
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func envOr(name, otherwise string) string {
	if v := strings.TrimSpace(os.Getenv(name)); v != "" {
		return v
	}
	return otherwise
}
