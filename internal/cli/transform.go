package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/sift"
	"github.com/tocsin-sec/tocsin/transform"
)

func transformCommand(s *shell) *cobra.Command {
	c := &cobra.Command{
		Use: "transform", Short: "Show what an EventBridge input transformer makes of events",
		Example: "  tocsin transform run target.json < events.jsonl",
	}
	c.AddCommand(transformRun(s))
	return c
}

// transformFlags are those of transform run.
type transformFlags struct {
	target    string // Id of one of several
	template  string
	paths     string
	inputPath string
	strict    bool
	rule      transform.Rule
	ingestion string
}

func transformRun(s *shell) *cobra.Command {
	var f transformFlags
	c := &cobra.Command{
		Use:   "run [TARGET] [EVENTS...]",
		Short: "Print what a target would be sent of each event, and what EventBridge would drop",
		Long: `A TARGET is JSON as 'aws events put-targets' takes it, the name of a file with it, or
- for standard input: a target, an array of targets, --cli-input-json, the answer of
list-targets-by-rule, or an InputTransformer alone. It may be given as --template with
--paths, or as --input-path, instead.

EVENTS are files or folders, gzip or plain; without any, standard input. Each may be
JSON Lines, JSON texts one after the other, an array, or the output of 'aws guardduty
get-findings'. A finding that is in no event is taken as the event that EventBridge
would have made of it.

What the target would be sent goes to standard output. What EventBridge would drop
without a word is told on standard error with file and line, and the exit code is 1.
On a terminal, characters that it would obey or hide are written as \u009b.`,
		Example: `  tocsin transform run target.json < events.jsonl
  tocsin transform run target.json findings.jsonl.gz
  tocsin transform run --paths '{"type": "$.detail.type"}' --template '{"text": "<type>"}' < events.jsonl
  aws events list-targets-by-rule --rule guardduty | tocsin transform run --strict - findings/`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error { return s.transform(f, args) },
	}
	flags := c.Flags()
	flags.StringVar(&f.target, "target", "", "`Id` of the target, if there are several")
	flags.StringVar(&f.template, "template", "", "InputTemplate, instead of a target: `text` or file://")
	flags.StringVar(&f.paths, "paths", "", "InputPathsMap for --template: `JSON` or file://")
	flags.StringVar(&f.inputPath, "input-path", "", "InputPath, instead of a target: a `path` such as $.detail")
	flags.BoolVar(&f.strict, "strict", false, "escape values inside quotes, which EventBridge does not")
	flags.StringVar(&f.rule.Name, "rule-name", "", "`name` of the rule, for <aws.events.rule-name>")
	flags.StringVar(&f.rule.ARN, "rule-arn", "", "`ARN` of the rule (default: of the name, on the default bus of the event's account)")
	flags.StringVar(&f.ingestion, "ingestion-time", "", "`time` for <aws.events.event.ingestion-time>, such as 2026-03-01T12:00:00Z (default: the event's)")
	return c
}

func (s *shell) transform(f transformFlags, args []string) error {
	if f.ingestion != "" {
		at, err := time.Parse(time.RFC3339, f.ingestion)
		if err != nil {
			return usage(fmt.Errorf("--ingestion-time %q: want a time such as 2026-03-01T12:00:00Z", f.ingestion))
		}
		f.rule.IngestionTime = at
	}
	// A filter dies of Ctrl-C wherever it is, be it in a read that does not end.
	signal.Reset(os.Interrupt, syscall.SIGTERM)
	name, target, files, err := s.transformTarget(f, args)
	if err != nil {
		return err
	}
	mode := transform.AWS
	if f.strict {
		mode = transform.Strict
	}
	t, err := target.Compile(mode)
	if err != nil {
		return s.sayEach(name, err)
	}
	r := transformRunning{shell: s, t: t, rule: f.rule, strict: f.strict, out: bufio.NewWriter(s.out), eyes: terminal(s.out)}
	for in, err := range s.inputs(files) {
		if err != nil {
			r.tell("tocsin: " + err.Error())
			r.broken = true
			continue
		}
		r.stream(in)
	}
	return r.end()
}

// sayEach prints each of joined errors, with the name of what they are about.
func (s *shell) sayEach(name string, err error) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, e := range all {
		fmt.Fprintf(s.err, "tocsin: %s: %v\n", name, e)
	}
	return exitCode{errSaid, exitFailed}
}

// transformTarget is the target that flags and arguments give, what to call it in
// errors, and the paths of the events.
func (s *shell) transformTarget(f transformFlags, args []string) (name string, t transform.Target, files []string, err error) {
	byFlags := f.template != "" || f.inputPath != "" || f.paths != ""
	switch {
	case byFlags && f.target != "":
		err = usage(errors.New("--target chooses one of several in a file; leave it out with --template, --paths and --input-path"))
	case byFlags:
		t, err = s.flagTarget(f)
		return "flags", t, args, err
	case len(args) == 0:
		err = usage(errors.New("a TARGET is missing, or --template or --input-path; see 'tocsin transform run --help'"))
	case args[0] == "-" && (len(args) == 1 || slices.Contains(args[1:], "-")):
		err = usage(errors.New("standard input cannot be the target and the events: name a file"))
	}
	if err != nil {
		return "", t, nil, err
	}
	name, t, err = s.readTarget(args[0], f.target)
	return name, t, args[1:], err
}

func (s *shell) flagTarget(f transformFlags) (transform.Target, error) {
	t := transform.Target{InputPath: f.inputPath}
	if f.template == "" && f.paths == "" {
		return t, nil
	}
	template, err := fileOrText(f.template)
	if err != nil {
		return t, usage(fmt.Errorf("--template: %w", err))
	}
	paths, err := fileOrText(f.paths)
	if err != nil {
		return t, usage(fmt.Errorf("--paths: %w", err))
	}
	t.InputTransformer = &transform.InputTransformer{InputTemplate: string(template)}
	if len(paths) > 0 {
		if err := json.Unmarshal(paths, &t.InputTransformer.InputPathsMap); err != nil {
			return t, usage(fmt.Errorf(`--paths: %w; want JSON such as {"type": "$.detail.type"}`, err))
		}
	}
	return t, nil
}

// fileOrText is a flag's value, or what is in the file that it names.
func fileOrText(value string) ([]byte, error) {
	if path, ok := strings.CutPrefix(value, "file://"); ok {
		return os.ReadFile(path)
	}
	return []byte(value), nil
}

// readTarget reads a TARGET argument: see the help of the command.
func (s *shell) readTarget(argument, id string) (name string, t transform.Target, err error) {
	name, text := "target", []byte(argument)
	if !strings.HasPrefix(strings.TrimLeft(argument, " \t\r\n["), "{") {
		name, text, err = s.readInput(argument)
		if err != nil {
			return name, t, usage(fmt.Errorf("target: %w", err))
		}
	}
	targets, err := transform.Targets(text)
	if err != nil {
		return name, t, fmt.Errorf("%s: %w", name, err)
	}
	var ids []string
	for _, t := range targets {
		if t.ID == id || id == "" && len(targets) == 1 {
			return name, t, nil
		}
		ids = append(ids, t.ID)
	}
	switch {
	case len(targets) == 0:
		return name, t, fmt.Errorf("%s: there is no target in it", name)
	case id == "":
		return name, t, usage(fmt.Errorf("%s: there are %d targets; choose with --target: %s", name, len(targets), strings.Join(ids, ", ")))
	}
	return name, t, usage(fmt.Errorf("%s: no target %q; there are %s", name, id, strings.Join(ids, ", ")))
}

// transformRunning is one run over all events.
type transformRunning struct {
	*shell
	t      *transform.Transformer
	rule   transform.Rule
	strict bool
	out    *bufio.Writer
	eyes   bool // the output is for a person to look at
	line   []byte

	total, dropped, unreadable int
	broken                     bool // a file could not be read
	missing, unsafe            []noticed
}

// noticed is what was noticed of a placeholder, in how many events.
type noticed struct {
	name   string
	events int
	first  string // file:line
}

// stream prints what the target would be sent of the events in one stream.
func (r *transformRunning) stream(in input) {
	for events := collect.NewReader(in); ; {
		p, err := events.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.tell(fmt.Sprintf("tocsin: %s: behind line %d: %v", in.name, events.Line(), err))
			r.broken = true
			return
		}
		r.event(fmt.Sprintf("%s:%d", in.name, events.Line()), p)
	}
}

func (r *transformRunning) event(where string, p collect.Piece) {
	r.total++
	got, err := r.result(p)
	if _, ok := errors.AsType[*transform.DropError](err); ok {
		r.dropped++
		r.tell(where + ": dropped: " + err.Error())
		return
	}
	if err != nil {
		r.unreadable++
		r.tell(where + ": " + err.Error())
		return
	}
	r.missing = notice(r.missing, got.Missing, where)
	r.unsafe = notice(r.unsafe, got.Unsafe, where)
	r.print(got.Text)
}

func (r *transformRunning) result(p collect.Piece) (transform.Result, error) {
	if p.Err != nil {
		return transform.Result{}, p.Err
	}
	raw := p.Raw
	if f, ok, err := guardduty.Read(raw); ok && err == nil {
		raw = f.Event()
	}
	return r.t.Apply(raw, r.rule)
}

// print prints a result, with a line break behind it if it has none.
func (r *transformRunning) print(text []byte) {
	r.line = r.line[:0]
	if r.eyes {
		r.line = sift.AppendVisible(r.line, text)
	} else {
		r.line = append(r.line, text...)
	}
	if len(r.line) == 0 || r.line[len(r.line)-1] != '\n' {
		r.line = append(r.line, '\n')
	}
	_, _ = r.out.Write(r.line) // an error comes again with Flush
}

// tell says something behind the results before it.
func (r *transformRunning) tell(what string) {
	_ = r.out.Flush() // an error comes again at the end
	if terminal(r.err) {
		what = string(sift.AppendVisible(nil, []byte(what)))
	}
	fmt.Fprintln(r.err, what)
}

func notice(all []noticed, names []string, where string) []noticed {
	for _, name := range names {
		i := slices.IndexFunc(all, func(n noticed) bool { return n.name == name })
		if i < 0 {
			all = append(all, noticed{name: name, first: where})
			i = len(all) - 1
		}
		all[i].events++
	}
	return all
}

// end tells what was noticed, and fails if not all was delivered.
func (r *transformRunning) end() error {
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	r.notes(r.missing, "has no value")
	if r.strict {
		r.notes(r.unsafe, "was escaped")
	} else {
		r.notes(r.unsafe, "went inside quotes unescaped")
	}
	var what []string
	if r.dropped > 0 {
		what = append(what, fmt.Sprintf("%d dropped", r.dropped))
	}
	if r.unreadable > 0 {
		what = append(what, fmt.Sprintf("%d unreadable", r.unreadable))
	}
	switch {
	case len(what) > 0:
		return fmt.Errorf("of %s %s", plural(r.total, "event"), strings.Join(what, ", "))
	case r.broken:
		return exitCode{errSaid, exitFailed}
	}
	return nil
}

func (r *transformRunning) notes(all []noticed, what string) {
	for _, n := range all {
		r.tell(fmt.Sprintf("note: <%s> %s in %d of %s, first at %s", n.name, what, n.events, plural(r.total, "event"), n.first))
	}
}
