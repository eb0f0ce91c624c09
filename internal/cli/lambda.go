package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	runtime "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
)

// Environment variables of a function
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
const (
	runtimeEnv  = "AWS_LAMBDA_RUNTIME_API"          // host and port of what calls us
	taskEnv     = "LAMBDA_TASK_ROOT"                // where the zip was unpacked
	memoryEnv   = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" // in MB
	levelEnv    = "AWS_LAMBDA_LOG_LEVEL"
	configEnv   = "TOCSIN_CONFIG"
	textEnv     = "TOCSIN_CONFIG_YAML"
	functionEnv = "TOCSIN_SOURCE"
)

// isFunction reports whether AWS Lambda started the program: it does so without
// arguments.
func isFunction(args []string) bool { return len(args) == 0 && os.Getenv(runtimeEnv) != "" }

func lambdaCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "lambda",
		Short: "Be an AWS Lambda function",
		Long: `lambda takes in what triggers the AWS Lambda function that it is (EventBridge, SNS, SQS,
Kinesis, CloudWatch Logs, a function URL, a schedule) and tells the receivers. AWS starts
it: without a command where AWS_LAMBDA_RUNTIME_API is set, as "bootstrap" of the runtime
provided.al2023.

The configuration is the text in TOCSIN_CONFIG_YAML, or the file of --config, or
tocsin.yml in the zip. Events belong to the source named in TOCSIN_SOURCE, or to the one
of kind lambda. With store: postgres://… it shares the database with servers and other
functions; otherwise it keeps nothing that its sandbox does not, and leaves with AWS what
nobody was told of.`,
		Example: "  tocsin lambda",
		RunE:    func(c *cobra.Command, _ []string) error { return s.lambda(c.Context()) },
	}
}

// lambda is a function until the program is asked to end.
func (s *shell) lambda(ctx context.Context) error {
	if os.Getenv(runtimeEnv) == "" {
		return usage(errors.New(runtimeEnv + " is not set: AWS Lambda starts this command; to try it see docs/lambda.md"))
	}
	spareGarbage()
	requests := &requests{}
	log := slog.New(functionLog{functionHandler(s.out, s.logLevel), requests})
	slog.SetDefault(log) // for what the runtime says of itself
	f, err := s.function(ctx, log)
	if err != nil {
		log.ErrorContext(ctx, "the function cannot begin", "err", err)
		if err := initError(ctx, err); err != nil {
			log.ErrorContext(ctx, "AWS could not be told", "err", err)
		}
		return errors.Join(err, errSaid)
	}
	go runtime.StartWithOptions(invocations{f, requests}) // it ends with the program
	<-ctx.Done()
	return f.Close()
}

// spareGarbage has memory looked through only where the function's own is three
// quarters full: a sandbox is charged for all of it, and what it begins with is some
// 20 MB. GOGC and GOMEMLIMIT go before that.
func spareGarbage() {
	size, err := strconv.ParseInt(os.Getenv(memoryEnv), 10, 64)
	if err != nil || size <= 0 || os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(size << 20 / 4 * 3)
	debug.SetGCPercent(-1)
}

// function reads the configuration and opens what it names.
func (s *shell) function(ctx context.Context, log *slog.Logger) (*app.Function, error) {
	c, err := s.functionConfig()
	if err != nil {
		return nil, err
	}
	warn(log, c)
	f, err := app.NewFunction(ctx, app.Options{Config: c, Log: log, Out: s.out, Version: version()}, os.Getenv(functionEnv))
	if err != nil {
		return nil, err
	}
	log.InfoContext(ctx, "the function is ready", "version", version(), "source", f.Source(), "store", f.StoreLabel())
	return f, nil
}

func (s *shell) functionConfig() (*config.Config, error) {
	text := os.Getenv(textEnv)
	if text != "" && s.configFile != "" {
		return nil, fmt.Errorf("%s and %s are both set: unset one of them", textEnv, configEnv)
	}
	if text != "" {
		return config.Parse(textEnv, []byte(text), app.Kinds())
	}
	file := s.configFile
	if file == "" {
		file = filepath.Join(os.Getenv(taskEnv), defaultConfigFile)
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("there is no configuration: put %s into the zip beside bootstrap, or set %s or %s: %w", defaultConfigFile, configEnv, textEnv, err)
		}
	}
	return config.Load(file, app.Kinds())
}

// initError tells AWS why the function cannot begin, so that it does not wait for it
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror).
func initError(ctx context.Context, cause error) error {
	kind := "Runtime.StartFailed"
	if _, ok := errors.AsType[config.Problems](cause); ok {
		kind = "Runtime.ConfigInvalid"
	}
	body, err := json.Marshal(struct {
		Message string   `json:"errorMessage"`
		Type    string   `json:"errorType"`
		Stack   []string `json:"stackTrace"`
	}{cause.Error(), kind, []string{}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+os.Getenv(runtimeEnv)+"/2018-06-01/runtime/init/error", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(r) // by no proxy
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("init/error: %s", resp.Status)
	}
	return nil
}

// invocations hands invocations to the function, one at a time or several.
type invocations struct {
	function *app.Function
	requests *requests
}

var _ runtime.Handler = invocations{}

// Invoke does what an invocation is for.
func (i invocations) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	defer i.requests.begin(ctx)()
	return i.function.Invoke(ctx, payload)
}

// requests knows which request is under way, for lines of the log that belong to none
// by their context. Where several are, it knows none.
type requests struct{ only atomic.Pointer[string] }

func (r *requests) begin(ctx context.Context) (end func()) {
	lc, ok := lambdacontext.FromContext(ctx)
	if !ok || lambdacontext.MaxConcurrency() > 1 {
		return func() {}
	}
	r.only.Store(&lc.AwsRequestID)
	return func() { r.only.Store(nil) }
}

// functionHandler writes JSON as AWS Lambda reads it, "timestamp" and "message"
// included (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html).
func functionHandler(out io.Writer, level string) slog.Handler {
	if asked := os.Getenv(levelEnv); asked != "" {
		level = asked
	}
	o := &slog.HandlerOptions{Level: functionLevel(level), ReplaceAttr: lambdacontext.ReplaceAttr}
	return slog.NewJSONHandler(out, o)
}

// functionLevel is a level by AWS's name or ours; info where it is neither.
func functionLevel(name string) slog.Level {
	switch strings.ToLower(name) {
	case "trace":
		return slog.LevelDebug
	case "fatal":
		return slog.LevelError
	}
	var level slog.Level
	if level.UnmarshalText([]byte(name)) != nil {
		return slog.LevelInfo
	}
	return level
}

// functionLog adds the request's id to each line, by the name that AWS gives it.
type functionLog struct {
	slog.Handler
	requests *requests
}

func (l functionLog) Handle(ctx context.Context, r slog.Record) error {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		r.Add("requestId", lc.AwsRequestID)
	} else if id := l.requests.only.Load(); id != nil {
		r.Add("requestId", *id)
	}
	return l.Handler.Handle(ctx, r)
}

func (l functionLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return functionLog{l.Handler.WithAttrs(attrs), l.requests}
}

func (l functionLog) WithGroup(name string) slog.Handler {
	return functionLog{l.Handler.WithGroup(name), l.requests}
}
