// Package main is lambda: it measures how soon a function of tocsin's has told people
// of a finding, in a new sandbox and in a warm one, and how large its zip is, beside a
// function that does nothing but post to Slack (internal/bench/kong). Both are built
// with the same flags and run here in turns, with the same Runtime API, the same event
// and the same receiver.
//
//	go run ./internal/bench/lambda            about two minutes
//
// A cold start is the time from the start of the process to its answer to the first
// invocation, the message delivered. The zip's download and unpacking, which AWS does
// before, is not in it: what it costs grows with the size.
package main

import (
	"archive/zip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/lambda/lambdatest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "lambda: %v\n", err)
		os.Exit(1)
	}
}

// A function is one of those that are measured.
type function struct {
	name, pkg, file, config string
	env                     []string

	binary string           // for this machine
	zips   map[string]int64 // bytes, by architecture
	cold   []time.Duration
	warm   []time.Duration
	cpu    []time.Duration // of a sandbox as a whole
}

const (
	ours = `sources: {findings: {lambda: {}}}
rules: [{use: guardduty}]
receivers: {soc: {rate: 1000, slack: {webhook_url: "${env:HOOK}"}}} # as fast as it goes: that is what is measured
fallback: soc
`
	theirs = `colors: {low: "#439FE0", medium: warning, high: danger}
url: "https://console.aws.amazon.com/guardduty/home?region=%%s#/findings?macros=current&fId=%%s"
webhook: "%s"
accounts: {"111122223333": {name: payments, severity: low}}
`
)

// warmRuns are the invocations of each sandbox after the first.
const warmRuns = 10

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("lambda", flag.ContinueOnError)
	runs := flags.Int("runs", 20, "how many sandboxes of each")
	only := flags.String("only", "", "this `function` alone: tocsin or kong")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tocsin-lambda-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	hook, told, err := receiver(ctx)
	if err != nil {
		return err
	}
	fs := []*function{
		{name: "tocsin", pkg: "./cmd/tocsin", file: "tocsin.yml", config: ours, env: []string{"HOOK=" + hook}},
		{name: "kong", pkg: "./internal/bench/kong", file: "main.yml", config: fmt.Sprintf(theirs, hook)},
	}
	fs = slices.DeleteFunc(fs, func(f *function) bool { return *only != "" && f.name != *only })
	for _, f := range fs {
		if err := f.build(ctx, dir); err != nil {
			return err
		}
	}
	finding := 0
	for range *runs {
		for _, f := range fs {
			before := told.Load()
			if err := f.sandbox(ctx, dir, &finding); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			if n := told.Load() - before; n != warmRuns+1 {
				return fmt.Errorf("%s: %d messages of %d arrived", f.name, n, warmRuns+1)
			}
		}
	}
	report(out, fs)
	return nil
}

// receiver stands for Slack, and counts what it is sent.
func receiver(ctx context.Context) (url string, told *atomic.Int64, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	told = &atomic.Int64{}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		told.Add(1)
		_, _ = io.WriteString(w, "ok")
	})}
	go func() { _ = s.Serve(l) }() // as long as we run
	return "http://" + l.Addr().String() + "/services/T0/B0/x", told, nil
}

// build builds the zips of both architectures, and the program for this one.
func (f *function) build(ctx context.Context, dir string) error {
	f.zips = map[string]int64{}
	for _, arch := range []string{"arm64", "amd64", ""} {
		binary := filepath.Join(dir, f.name+"-"+arch, "bootstrap")
		c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", binary, f.pkg)
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if arch == "" {
			f.binary = binary
		} else {
			c.Env = append(c.Env, "GOOS=linux", "GOARCH="+arch)
		}
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", f.pkg, err, out)
		}
		if arch == "" {
			continue
		}
		size, err := zipped(binary)
		if err != nil {
			return err
		}
		f.zips[arch] = size
	}
	return os.WriteFile(filepath.Join(filepath.Dir(f.binary), f.file), []byte(f.config), 0o600)
}

// zipped is the size of a zip with the program in it.
func zipped(binary string) (int64, error) {
	in, err := os.Open(binary)
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }()
	var n counter
	z := zip.NewWriter(&n)
	w, err := z.Create("bootstrap")
	if err == nil {
		_, err = io.Copy(w, in)
	}
	return int64(n), errors.Join(err, z.Close())
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// sandbox starts the program in a new sandbox and invokes it, once cold and then warm.
func (f *function) sandbox(ctx context.Context, dir string, finding *int) (err error) {
	runtime, err := lambdatest.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, runtime.Close()) }()
	tmp, err := os.MkdirTemp(dir, "sandbox-")
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, f.binary)
	c.Dir = filepath.Dir(f.binary)
	var log strings.Builder
	c.Stdout, c.Stderr = &log, &log
	c.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + runtime.Address(), "LAMBDA_TASK_ROOT=" + c.Dir, "TMPDIR=" + tmp, "PATH=" + os.Getenv("PATH"),
		"GOGC=off", "GOMEMLIMIT=384MiB", // as deploy/lambda has it for 512 MB
	}, f.env...)
	start := time.Now()
	if err := c.Start(); err != nil {
		return err
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
		f.cpu = append(f.cpu, c.ProcessState.UserTime()+c.ProcessState.SystemTime())
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, log.String())
		}
	}()
	for i := range warmRuns + 1 {
		*finding++
		if i > 0 {
			start = time.Now()
		}
		event := rig.Finding{Number: *finding, Severity: 8, Envelope: rig.Envelope(7, *finding)}.Event()
		a, err := runtime.Invoke(ctx, event, 30*time.Second)
		if err == nil && a.Failure != nil {
			err = errors.New(a.Failure.Message)
		}
		if err != nil {
			return err
		}
		if took := a.At.Sub(start); i == 0 {
			f.cold = append(f.cold, took)
		} else {
			f.warm = append(f.warm, took)
		}
	}
	return nil
}

func report(out io.Writer, fs []*function) {
	fmt.Fprintln(out, "| function | zip arm64 | zip amd64 | cold: least | cold: median | warm: least | warm: median | CPU: least |")
	fmt.Fprintln(out, "|---|--:|--:|--:|--:|--:|--:|--:|")
	for _, f := range fs {
		fmt.Fprintf(out, "| %s | %.1f MB | %.1f MB | %s | %s | %s | %s | %s |\n", f.name, megabytes(f.zips["arm64"]), megabytes(f.zips["amd64"]),
			millis(least(f.cold)), millis(median(f.cold)), millis(least(f.warm)), millis(median(f.warm)), millis(least(f.cpu)))
	}
	if len(fs) < 2 {
		return
	}
	a, b := fs[0], fs[1]
	ratio := func(x, y time.Duration) float64 { return float64(x) / float64(y) }
	fmt.Fprintf(out, "| %s / %s | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f |\n", a.name, b.name,
		float64(a.zips["arm64"])/float64(b.zips["arm64"]), float64(a.zips["amd64"])/float64(b.zips["amd64"]),
		ratio(least(a.cold), least(b.cold)), ratio(median(a.cold), median(b.cold)), ratio(least(a.warm), least(b.warm)), ratio(median(a.warm), median(b.warm)), ratio(least(a.cpu), least(b.cpu)))
	fmt.Fprintf(out, "\n%d sandboxes of each, in turns; %d warm invocations in each; CPU is that of the whole sandbox.\n", len(a.cold), warmRuns)
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

func least(ds []time.Duration) time.Duration { return slices.Min(ds) }

func median(ds []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(ds))
	return sorted[len(sorted)/2]
}
