package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/sift"
	"github.com/tocsin-sec/tocsin/pattern"
)

// matchFlags are what can be said of pattern match.
type matchFlags struct {
	invert, count, files, lines, which, asIs bool

	max      int
	fields   []string
	patterns []string
	color    string
}

func patternMatchCommand(s *shell) *cobra.Command {
	var f matchFlags
	c := &cobra.Command{
		Use:   "match PATTERN [FILE...]",
		Short: "Print the events that match a pattern, as grep does with lines",
		Long: `match prints the events in files, or in standard input, that match a pattern, byte by
byte as they came. Input may be JSON Lines, JSON texts one after the other, arrays of
events and the output of 'aws guardduty get-findings', plain or gzip; a folder stands
for all files in it.

A finding that is in no event (GuardDuty's export to S3, get-findings) is matched as
the event that EventBridge would have made of it, as rules do; --as-is matches it as
it stands.

What is no event is told on standard error with file and line, and the rest goes on.
On a terminal, characters that it would obey or hide are written as \u009b.

Exit codes: 0 something was selected, 1 nothing was, 2 something went wrong.`,
		Example: `  tocsin pattern match '{"detail": {"severity": [{"numeric": [">=", 7]}]}}' findings.jsonl.gz
  tocsin pattern match pattern.json export/ --field detail.type --field detail.accountId
  zcat -f *.gz | tocsin pattern match -c pattern.json
  tocsin pattern match -e tor.json -e root='{"detail": {"userIdentity": {"type": ["Root"]}}}' --name events.jsonl`,
		RunE: func(_ *cobra.Command, args []string) error { return s.match(f, args) },
	}
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 && len(f.patterns) == 0 {
			return errors.New("a PATTERN is missing")
		}
		return nil
	}
	flags := c.Flags()
	flags.BoolVarP(&f.invert, "invert-match", "v", false, "select the events that do not match")
	flags.BoolVarP(&f.count, "count", "c", false, "print how many events are selected; with -H of each file")
	flags.StringArrayVar(&f.fields, "field", nil, "print what is at this dotted `path` instead of the event; several become columns with tabs between")
	flags.BoolVarP(&f.files, "with-filename", "H", false, "print the file before each event")
	flags.BoolVarP(&f.lines, "line-number", "n", false, "print the line on which each event begins before it")
	flags.IntVarP(&f.max, "max-count", "m", 0, "stop a file after so many events; 0 is no limit")
	flags.StringArrayVarP(&f.patterns, "pattern", "e", nil, "a `pattern`, or NAME=PATTERN; of several any is enough, and all arguments are files")
	flags.BoolVar(&f.which, "name", false, "print which of the patterns match before each event")
	flags.BoolVar(&f.asIs, "as-is", false, "match findings without an event around them as they stand")
	colorFlag(c, &f.color)
	withoutConfig(c, s)
	return c
}

// withoutConfig gives -c to a command that has no use for a configuration.
func withoutConfig(c *cobra.Command, s *shell) {
	c.Flags().StringVar(&s.configFile, "config", s.configFile, "")
	c.Flags().Lookup("config").Hidden = true
}

// A namedPattern is one of those to match.
type namedPattern struct {
	name string
	*pattern.Pattern
}

// match prints what is selected.
func (s *shell) match(f matchFlags, args []string) error {
	// As a filter should, it dies of Ctrl-C wherever it is, be it in a read that does
	// not end.
	signal.Reset(os.Interrupt, syscall.SIGTERM)
	patterns, files, err := s.matchPatterns(f, args)
	if err != nil {
		return err
	}
	p, err := s.newPrinter(f, patterns)
	if err != nil {
		return err
	}
	options := sift.Options{Invert: f.invert, AsIs: f.asIs}
	for _, one := range patterns {
		options.Patterns = append(options.Patterns, one.Pattern)
	}
	sieve, err := sift.New(options)
	if err != nil {
		return usage(err)
	}
	for in, err := range s.inputs(files) {
		if err != nil {
			p.trouble(err)
			continue
		}
		if err := p.stream(sieve, in); err != nil {
			return p.end(err)
		}
	}
	return p.end(nil)
}

// matchPatterns are the patterns and the files that the arguments name.
func (s *shell) matchPatterns(f matchFlags, args []string) (patterns []namedPattern, files []string, err error) {
	if f.max < 0 {
		return nil, nil, usage(fmt.Errorf("-m %d: want 0 or more", f.max))
	}
	for _, path := range f.fields {
		if strings.Trim(path, "$.") == "" {
			return nil, nil, usage(fmt.Errorf("--field %q: want a dotted path, such as detail.severity", path))
		}
	}
	if f.which && f.invert {
		return nil, nil, usage(errors.New("--name and -v: no pattern matches what is selected; leave one out"))
	}
	given, files := slices.Clone(f.patterns), args
	if len(given) == 0 {
		given, files = args[:1], args[1:]
	}
	names := make([]string, len(given))
	all := slices.Clone(files)
	for i := range given {
		if names[i] = strconv.Itoa(i + 1); len(f.patterns) > 0 {
			names[i], given[i] = patternName(given[i], names[i])
		}
		all = append(all, given[i])
	}
	if n := count(all, "-"); n > 1 || n == 1 && len(files) == 0 {
		return nil, nil, usage(errors.New("standard input is asked for twice: name a file"))
	}
	for i, one := range given {
		text, err := s.readPattern(one)
		if err != nil {
			return nil, nil, err
		}
		parsed, err := text.parse()
		if err != nil {
			return nil, nil, err
		}
		patterns = append(patterns, namedPattern{names[i], parsed})
	}
	return patterns, files, nil
}

func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

var nameBefore = lazyregexp.New(`(?s)^([\pL\pN_.:-]+)=(.+)$`)

// patternName takes the name off NAME=PATTERN. A pattern without one goes by its
// file, or by its number.
func patternName(given, number string) (name, rest string) {
	if m := nameBefore.FindStringSubmatch(given); m != nil {
		return m[1], m[2]
	}
	if strings.HasPrefix(strings.TrimSpace(given), "{") || given == "-" {
		return number, given
	}
	return strings.TrimSuffix(filepath.Base(given), ".json"), given
}

// A printer prints what is selected of one stream after the other.
type printer struct {
	flags matchFlags
	shell *shell
	out   *bufio.Writer
	line  []byte // to be printed
	text  []byte // a part of it
	err   error  // of the output

	patterns []namedPattern
	markers  []sift.Marker // of the patterns; none where nothing is coloured
	eyes     bool          // the output is for a person to look at

	selected int
	broken   bool // something was told on standard error
}

func (s *shell) newPrinter(f matchFlags, patterns []namedPattern) (*printer, error) {
	p := &printer{flags: f, shell: s, out: bufio.NewWriterSize(s.out, 64<<10), patterns: patterns, eyes: terminal(s.out)}
	color, err := s.colorful(f.color)
	if err != nil {
		return nil, err
	}
	p.eyes = p.eyes || f.color == "always"
	if color {
		p.markers = make([]sift.Marker, len(patterns))
		for i, one := range patterns {
			p.markers[i] = sift.NewMarker(one.Pattern)
		}
	}
	return p, nil
}

// maxTold is how many texts of one stream that are no events are told of one by one.
const maxTold = 100

// stream prints what is selected of one stream. An error is one of the output.
func (p *printer) stream(sieve *sift.Sieve, in input) error {
	selected, broken := 0, 0
	for found, err := range sieve.Sift(in, p.flush) {
		switch {
		case err != nil:
			p.trouble(ofFile(in.name, err))
		case found.Err != nil:
			if broken++; broken <= maxTold {
				p.tell(fmt.Sprintf("%s:%d: %v", in.name, found.Line, found.Err))
			}
		default:
			selected++
			if !p.flags.count {
				p.print(in.name, found)
			}
		}
		if p.err != nil {
			return p.err
		}
		if selected == p.flags.max && selected > 0 {
			break
		}
	}
	if broken > maxTold {
		p.tell(fmt.Sprintf("%s: and %d more that are no events", in.name, broken-maxTold))
	}
	p.selected += selected
	if p.flags.count && p.flags.files {
		p.line = p.line[:0]
		p.prefix(magenta, in.name)
		p.line = append(strconv.AppendInt(p.line, int64(selected), 10), '\n')
		p.write()
	}
	p.flush()
	return p.err
}

// end is what the command comes to. The error is one of the output.
func (p *printer) end(err error) error {
	if err == nil && p.flags.count && !p.flags.files {
		fmt.Fprintln(p.out, p.selected)
		p.flush()
		err = p.err
	}
	switch {
	case errors.Is(err, syscall.EPIPE): // whoever read had enough
		return exitCode{errSaid, exitUsage}
	case err != nil:
		return exitCode{fmt.Errorf("standard output: %w", err), exitUsage}
	case p.broken:
		return exitCode{errSaid, exitUsage}
	case p.selected == 0:
		return exitCode{errSaid, exitFailed}
	}
	return nil
}

// trouble tells of what could not be read.
func (p *printer) trouble(err error) { p.tell("tocsin: " + err.Error()) }

// tell says what is wrong, behind what was printed before.
func (p *printer) tell(what string) {
	p.broken = true
	p.flush()
	if terminal(p.shell.err) {
		what = string(sift.AppendVisible(nil, []byte(what)))
	}
	fmt.Fprintln(p.shell.err, what)
}

// The colours are those of grep, and yellow for names.
const (
	magenta = "35"
	green   = "32"
	yellow  = "33"
	cyan    = "36"
	red     = "1;31"
)

// print prints one event, or its fields.
func (p *printer) print(file string, found sift.Find) {
	p.line = p.line[:0]
	if p.flags.files {
		p.prefix(magenta, file)
	}
	if p.flags.lines {
		p.prefix(green, strconv.Itoa(found.Line))
	}
	if p.flags.which {
		names := make([]string, len(found.Matched))
		for i, k := range found.Matched {
			names[i] = p.patterns[k].name
		}
		p.prefix(yellow, strings.Join(names, ","))
	}
	if len(p.flags.fields) > 0 {
		p.columns(found)
	} else {
		p.event(found)
	}
	p.line = append(p.line, '\n')
	p.write()
}

func (p *printer) write() {
	if _, err := p.out.Write(p.line); err != nil {
		p.err = err
	}
}

func (p *printer) flush() {
	if err := p.out.Flush(); err != nil {
		p.err = err
	}
}

// prefix adds what stands before an event.
func (p *printer) prefix(color, what string) {
	p.paint(color, []byte(what))
	p.paint(cyan, []byte{':'})
}

// paint adds a text in a colour, if there are any.
func (p *printer) paint(color string, what []byte) {
	if p.markers == nil {
		p.add(what)
		return
	}
	p.line = append(append(append(p.line, "\x1b["...), color...), 'm')
	p.add(what)
	p.line = append(p.line, "\x1b[m"...)
}

// add adds a text, made harmless for a person's terminal.
func (p *printer) add(what []byte) {
	if p.eyes {
		p.line = sift.AppendVisible(p.line, what)
		return
	}
	p.line = append(p.line, what...)
}

func (p *printer) event(found sift.Find) {
	at := 0
	for _, mark := range p.marks(found) {
		if mark.From < at {
			continue
		}
		p.add(found.Raw[at:mark.From])
		p.paint(red, found.Raw[mark.From:mark.To])
		at = mark.To
	}
	p.add(found.Raw[at:])
}

func (p *printer) marks(found sift.Find) []sift.Span {
	if p.markers == nil {
		return nil
	}
	matched := make([]sift.Marker, len(found.Matched))
	for i, k := range found.Matched {
		matched[i] = p.markers[k]
	}
	return sift.Marks(found, matched...)
}

// columns adds what is at the fields. Several values of one have commas between.
func (p *printer) columns(found sift.Find) {
	for i, path := range p.flags.fields {
		if i > 0 {
			p.line = append(p.line, '\t')
		}
		n := 0
		for at := range sift.Values(found.Event, strings.TrimPrefix(path, "$.")) {
			if n++; n > 1 {
				p.line = append(p.line, ',')
			}
			p.text = sift.AppendText(p.text[:0], found.Event[at.From:at.To])
			p.add(p.text)
		}
	}
}
