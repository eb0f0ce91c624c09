// Package main is bench: it measures what tocsin can take in and how soon it
// tells, beside Prometheus Alertmanager on the same machine in the same run, and
// prints a table in Markdown.
//
//	go run ./internal/bench            about twenty minutes
//	go run ./internal/bench -quick     less than a minute, and rough
//
// CPU is user and system time of the server's process alone; clients and the
// receiver of webhooks are in this one. It is counted until every notification
// that follows from the accepted events has been delivered. It needs Linux (/proc),
// strace for the rows with a slow disk, and taskset for those with one core.
//
// A second table has each way in beside the engine alone, which accepts the same events
// in this process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/collect/sns/snstest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// bench is what all rows share.
type bench struct {
	dir           string
	binary        string
	alertmanager  string // path; empty if it is not installed
	groupInterval string
	recorder      *recorder
	signer        *snstest.Signer
	quick         bool
	runs          int
	rows          []row
	ways          []wayRow
	out           io.Writer
	progress      io.Writer
	next          int // number of the next finding
}

// A row is a line of the table.
type row struct{ what, tocsin, alertmanager, ratio string }

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "one short run of everything, in less than a minute")
	runs := flags.Int("runs", 3, "how often each row is measured; the table has medians")
	only := flags.String("only", "", "only the rows whose section has this in its name")
	binary := flags.String("tocsin", "", "`path` of tocsin; built if it is not given")
	alertmanager := flags.String("alertmanager", "prometheus-alertmanager", "`path` of Alertmanager")
	interval := flags.String("group-interval", "5m", "Alertmanager's group_interval; 5m is its default and the kindest to it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b := &bench{binary: *binary, groupInterval: *interval, quick: *quick, runs: *runs, out: out, progress: progress}
	if b.quick {
		b.runs = 1
	}
	if b.dir, err = os.MkdirTemp("", "tocsin-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.alertmanager, err = exec.LookPath(*alertmanager); err != nil {
		fmt.Fprintf(progress, "!!! Alertmanager is not measured: %v\n!!! apt-get install prometheus-alertmanager, or say where it is with -alertmanager\n", err)
		b.alertmanager = ""
	}
	if err := os.Setenv("TOKEN", rig.Token); err != nil { // for the engine in this process
		return err
	}
	if b.binary == "" {
		if b.binary, err = rig.Build(ctx, b.dir); err != nil {
			return err
		}
	}
	if b.recorder, err = newRecorder(); err != nil {
		return err
	}
	if b.signer, err = rig.NewSigner(filepath.Join(b.dir, "sns.pem")); err != nil {
		return err
	}
	before := load()
	begin := time.Now()
	for _, section := range b.sections() {
		if !strings.Contains(section.name, *only) {
			continue
		}
		fmt.Fprintf(progress, "%6.1fs %s\n", time.Since(begin).Seconds(), section.name)
		if err := section.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
	}
	b.print(ctx, before, time.Since(begin))
	return nil
}

type section struct {
	name    string
	measure func(ctx context.Context) error
}

func (b *bench) sections() []section {
	return []section{
		{"accepts", b.accepts},
		{"unmatched", b.unmatched},
		{"ways in", b.waysIn},
		{"latency", b.latencies},
		{"loss", b.losses},
		{"one core", b.onOneCore},
		{"slow disk", b.onSlowDisk},
		{"memory", b.memories},
	}
}

func (b *bench) print(ctx context.Context, before string, took time.Duration) {
	fmt.Fprintf(b.out, "%d cores (%s), %s, fsync %v, load average %s before and %s after; %s",
		runtime.NumCPU(), cpuModel(), runtime.Version(), fsyncTime(b.dir).Round(time.Microsecond), before, load(), took.Round(time.Second))
	fmt.Fprintf(b.out, "; medians of %d.\n", b.runs)
	if len(b.rows) > 0 {
		b.printRows(ctx)
	}
	if len(b.ways) > 0 {
		b.printWays(b.out)
	}
}

// printRows prints the table beside Alertmanager.
func (b *bench) printRows(ctx context.Context) {
	if b.alertmanager != "" {
		version, _ := exec.CommandContext(ctx, b.alertmanager, "--version").CombinedOutput()
		first, _, _ := strings.Cut(string(version), "\n")
		fmt.Fprintf(b.out, "Beside it: %s, group_wait 0s, group_interval %s, one group an alert.\n", first, b.groupInterval)
	} else {
		fmt.Fprintln(b.out, "**Alertmanager is not installed here and was not measured.**")
	}
	fmt.Fprintln(b.out, "\n| | tocsin | Alertmanager | tocsin ÷ Alertmanager |\n|---|--:|--:|--:|")
	for _, r := range b.rows {
		fmt.Fprintf(b.out, "| %s | %s | %s | %s |\n", r.what, r.tocsin, r.alertmanager, r.ratio)
	}
}

// add adds a row of two numbers and their ratio; a number of 0 is none.
func (b *bench) add(what, format string, tocsin, alertmanager float64) {
	r := row{what: what, tocsin: fmt.Sprintf(format, tocsin), alertmanager: "–", ratio: "–"}
	if alertmanager > 0 {
		r.alertmanager = fmt.Sprintf(format, alertmanager)
		r.ratio = fmt.Sprintf("%.2f", tocsin/alertmanager)
	}
	b.rows = append(b.rows, r)
}

// medianOf is the median of what f says of each; 0 if there is none.
func medianOf[T any](list []T, f func(T) float64) float64 {
	if len(list) == 0 {
		return 0
	}
	values := make([]float64, len(list))
	for i, v := range list {
		values[i] = f(v)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// quantile is the value below which the part p of the list lies.
func quantile(of []time.Duration, p float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	of = slices.Sorted(slices.Values(of))
	return of[min(len(of)-1, int(p*float64(len(of))))]
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, rest, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(rest)
		}
	}
	return runtime.GOARCH
}

// fsyncTime is how long the disk takes to keep 8 KB, the median of 50.
func fsyncTime(dir string) time.Duration {
	f, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	var times []time.Duration
	page := make([]byte, 8<<10)
	for range 50 {
		begin := time.Now()
		if _, err := f.Write(page); err != nil || f.Sync() != nil {
			return 0
		}
		times = append(times, time.Since(begin))
	}
	return quantile(times, 0.5)
}
