package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

func silenceCommand(s *shell) *cobra.Command {
	r := &client{shell: s}
	c := &cobra.Command{
		Use: "silence", Aliases: []string{"silences"}, Short: "List, preview, make and end silences, maintenance and mutes",
		Long: `silence keeps alerts from being told: they open and are recorded, and nobody is
notified while it lasts. A silence lasts 30 days at most, maintenance and mutes 365.

A pattern is an event pattern over the alert, as a route's is: JSON that begins with
"{", the name of a file with one in it, or - for standard input.`,
		Example: `  tocsin silence list
  tocsin silence preview --pattern '{"type": [{"prefix": "Recon:"}], "account": ["111122223333"]}'
  tocsin silence create --pattern scanner.json --until 8h --reason 'scan of the quarter'
  tocsin silence end 3`,
	}
	clientFlags(c, r)
	c.AddCommand(silenceList(r), silenceShow(r), silencePreview(r), silenceCreate(r), silenceEnd(r), silenceReport(r))
	return c
}

// what is what a silence is to hide, as flags have it.
type what struct {
	kind, pattern, key, every string
}

func (w *what) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&w.kind, "kind", string(tocsin.KindSilence), "silence, maintenance or mute")
	flags.StringVar(&w.pattern, "pattern", "", "event `pattern` over the alert: JSON, a file, or -")
	flags.StringVar(&w.key, "key", "", "of a mute: the one alert, by its key")
	flags.StringVar(&w.every, "every", "", "of maintenance: the `window` in which it recurs, such as 'sat,sun 22:00-02:00 Europe/Berlin'")
}

// body is what the API takes.
func (w *what) body(s *shell) (api.What, error) {
	body := api.What{Kind: tocsin.SilenceKind(w.kind), Key: tocsin.Key(w.key)}
	switch {
	case w.pattern == "" && w.key == "":
		return body, usage(errors.New("--pattern is missing: say what is to be silent"))
	case w.pattern != "":
		text, err := s.patternFile(w.pattern)
		if err != nil {
			return body, err
		}
		var tight bytes.Buffer
		if err := json.Compact(&tight, text); err != nil {
			return body, usage(fmt.Errorf("--pattern: not JSON: %w", err))
		}
		body.Pattern = tight.Bytes()
	}
	if w.every != "" {
		every, err := parseEvery(w.every)
		if err != nil {
			return body, err
		}
		body.Every = &every
	}
	return body, nil
}

var everyForm = lazyregexp.New(`^(?:([a-z,-]+) )?(\d\d:\d\d)-(\d\d:\d\d) ([A-Za-z0-9_+/-]+)$`)

// parseEvery reads "sat,sun 22:00-02:00 Europe/Berlin"; the days may be left out.
func parseEvery(text string) (tocsin.Recurrence, error) {
	m := everyForm.FindStringSubmatch(strings.Join(strings.Fields(text), " "))
	if m == nil {
		return tocsin.Recurrence{}, usage(fmt.Errorf("--every %q: want days, a window and a time zone, such as 'sat,sun 22:00-02:00 Europe/Berlin'", text))
	}
	every := tocsin.Recurrence{TimeZone: m[4], From: m[2], To: m[3]}
	if m[1] != "" {
		every.Weekdays = strings.Split(m[1], ",")
	}
	return every, nil
}

func silenceList(r *client) *cobra.Command {
	var state, before string
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List silences, the newest first", Args: cobra.NoArgs,
		Example: "  tocsin silence list\n  tocsin silence list --state ended",
		RunE: func(c *cobra.Command, _ []string) error {
			q := url.Values{"state": {state}, "before": {before}, "limit": {strconv.Itoa(limit)}}
			return show(c.Context(), r, http.MethodGet, "/api/silences"+query(q), nil, r.printSilences)
		},
	}
	flags := c.Flags()
	flags.StringVar(&state, "state", "active", "active (those that are not over), ended or all")
	flags.StringVar(&before, "before", "", "with a smaller number than this: the next page")
	flags.IntVar(&limit, "limit", 50, "at most so many")
	return c
}

func silencePath(id int64, what string) string {
	path := fmt.Sprintf("/api/silences/%d", id)
	if what != "" {
		path += "/" + what
	}
	return path
}

func silenceShow(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one silence", Args: cobra.ExactArgs(1),
		Example: "  tocsin silence show 3",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := number("a silence", args[0])
			if err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodGet, silencePath(id, ""), nil, r.printSilence)
		},
	}
}

func silencePreview(r *client) *cobra.Command {
	var w what
	var days int
	c := &cobra.Command{
		Use: "preview", Short: "Say what a silence would have hidden of the last days", Args: cobra.NoArgs,
		Example: `  tocsin silence preview --days 90 --pattern '{"type": [{"prefix": "Recon:"}]}'`,
		RunE: func(c *cobra.Command, _ []string) error {
			body, err := w.body(r.shell)
			if err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodPost, "/api/silences/preview", api.PreviewBody{What: body, Days: days}, func(p routing.Preview) error {
				return r.printPreview(r.out, p)
			})
		},
	}
	w.flags(c)
	c.Flags().IntVar(&days, "days", 30, "of how many days before now, 400 at most")
	return c
}

func silenceCreate(r *client) *cobra.Command {
	var w what
	var from, until, reason, notifyFrom string
	var days int
	var yes bool
	c := &cobra.Command{
		Use: "create", Short: "Make a silence, once you have seen what it would have hidden", Args: cobra.NoArgs,
		Long: `create says first what the silence would have hidden of the last days, and of that what
became part of an attack sequence or was closed as fixed. Then it asks, unless --yes is
given. Whoever makes it is told before it ends, and what it hid.`,
		Example: `  tocsin silence create --pattern '{"account": ["111122223333"], "level": ["low"]}' --until 8h --reason 'penetration test'
  tocsin silence create --kind maintenance --pattern lab.json --every 'sat 22:00-02:00 Europe/Berlin' --until 90d --reason patches --yes`,
		RunE: func(c *cobra.Command, _ []string) error {
			if w.pattern == "-" && !yes {
				return usage(errors.New("the pattern comes from standard input, where the answer would be; give --yes or name a file"))
			}
			body, err := w.body(r.shell)
			if err != nil {
				return err
			}
			sb := api.SilenceBody{By: r.by, What: body, Reason: reason}
			if sb.From, err = r.parseTime("from", from); err != nil {
				return err
			}
			if sb.Until, err = r.parseTime("until", until); err != nil {
				return err
			}
			switch {
			case sb.Until.IsZero():
				return usage(errors.New("--until is missing: say until when, such as 8h"))
			case strings.TrimSpace(reason) == "":
				return usage(errors.New("--reason is missing: others will look for what it hides"))
			}
			if notifyFrom != "" {
				if sb.NotifyFrom, err = tocsin.ParseLevel(notifyFrom); err != nil {
					return usage(fmt.Errorf("--notify-from: %w", err))
				}
			}
			if err := r.confirmSilence(c, sb, days, yes); err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodPost, "/api/silences", sb, func(s tocsin.Silence) error {
				return r.say("%s %d is in force until %s", s.Kind, s.ID, r.moment(s.Until))
			})
		},
	}
	w.flags(c)
	byFlag(c, r)
	flags := c.Flags()
	flags.StringVar(&from, "from", "", "from `TIME` on, "+timeHelp+"; now if left out")
	flags.StringVar(&until, "until", "", "until `TIME` (required)")
	flags.StringVar(&reason, "reason", "", "why, for those who look for what it hides (required)")
	flags.StringVar(&notifyFrom, "notify-from", "", "the lowest `level` of which people are told at its end, if the alert is still open (default high)")
	flags.IntVar(&days, "days", 30, "preview so many days before now, 400 at most")
	flags.BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// confirmSilence shows the preview, and asks. What is shown is not in the way of
// JSON.
func (r *client) confirmSilence(c *cobra.Command, sb api.SilenceBody, days int, yes bool) error {
	var p routing.Preview
	if _, err := r.ask(c.Context(), http.MethodPost, "/api/silences/preview", api.PreviewBody{What: sb.What, Days: days}, &p); err != nil {
		return err
	}
	out := r.out
	if r.json {
		out = r.err
	}
	if err := r.printPreview(out, p); err != nil || yes {
		return err
	}
	fmt.Fprintf(out, "Make it, until %s? [y/N] ", r.moment(sb.Until))
	answer, err := bufio.NewReader(r.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if errors.Is(err, io.EOF) {
		fmt.Fprintln(out)
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("nothing was made")
	}
	return nil
}

func silenceEnd(r *client) *cobra.Command {
	c := &cobra.Command{
		Use: "end ID", Short: "End a silence now; what it held is told, if it is still worth it", Args: cobra.ExactArgs(1),
		Example: "  tocsin silence end 3",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := number("a silence", args[0])
			if err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodPost, silencePath(id, "end"), api.Who{By: r.by}, func(s tocsin.Silence) error {
				return r.say("%s %d ended by %s", s.Kind, s.ID, s.EndedBy)
			})
		},
	}
	byFlag(c, r)
	return c
}

func silenceReport(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "report ID", Short: "Say what a silence has hidden", Args: cobra.ExactArgs(1),
		Example: "  tocsin silence report 3",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := number("a silence", args[0])
			if err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodGet, silencePath(id, "report"), nil, func(p routing.Preview) error { return r.printPreview(r.out, p) })
		},
	}
}

func (r *client) printSilences(list api.Silences) error {
	t := newTable(r.out, "ID", "KIND", "STATE", "UNTIL", "BY", "REASON", "WHAT")
	for _, s := range list.Silences {
		t.row(strconv.FormatInt(s.ID, 10), string(s.Kind), r.silenceState(s), r.moment(s.Until), s.Author, s.Reason, silenced(s))
	}
	if err := t.flush(); err != nil {
		return err
	}
	if list.Next > 0 {
		return r.say("more with --before %d", list.Next)
	}
	return nil
}

// silenceState is in a word whether it is in force.
func (r *client) silenceState(s tocsin.Silence) string {
	now := r.time()
	switch {
	case !s.EndedAt.IsZero():
		return "ended"
	case !s.Until.After(now):
		return "over"
	case s.From.After(now):
		return "to come"
	case s.Every != nil:
		return "recurs"
	}
	return "in force"
}

// silenced is what a silence hides.
func silenced(s tocsin.Silence) string {
	what := unescaped(s.Pattern)
	if s.Key != "" {
		what = "key " + string(s.Key)
	}
	return what
}

// unescaped is JSON without the escapes that are for browsers: "C&CActivity", not
// "C\u0026CActivity".
func unescaped(text []byte) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		if plain, ok := forBrowsers[string(text[i:min(i+6, len(text))])]; ok {
			b.WriteByte(plain)
			i += 5
			continue
		}
		b.Write(text[i : i+2])
		i++
	}
	return b.String()
}

// forBrowsers are the escapes that encoding/json writes in case a browser reads it.
var forBrowsers = map[string]byte{`\u0026`: '&', `\u003c`: '<', `\u003e`: '>'}

func everyLine(e *tocsin.Recurrence) string {
	if e == nil {
		return ""
	}
	days := "every day"
	if len(e.Weekdays) > 0 {
		days = strings.Join(e.Weekdays, ",")
	}
	return days + " " + e.From + "-" + e.To + " " + e.TimeZone
}

func (r *client) printSilence(s tocsin.Silence) error {
	t := newTable(r.out)
	t.row(fmt.Sprintf("%s %d  %s", s.Kind, s.ID, r.silenceState(s)))
	t.gap()
	t.line("what", silenced(s))
	t.line("from", r.moment(s.From))
	t.line("until", r.moment(s.Until))
	t.line("every", everyLine(s.Every))
	t.line("by", s.Author)
	t.line("reason", s.Reason)
	if s.Kind != tocsin.KindMute {
		t.line("at its end", "people are told of what is open and "+s.NotifyFrom.String()+" or worse")
	}
	if !s.EndedAt.IsZero() {
		t.line("ended", r.moment(s.EndedAt)+" by "+s.EndedBy)
	}
	return t.flush()
}

// printPreview prints what is hidden in a line, and below it what one would be sorry
// for.
func (r *client) printPreview(out io.Writer, p routing.Preview) error {
	t := newTable(out)
	t.row(p.String())
	if p.Notifications > 0 && !p.Hid {
		t.row(plural(p.Notifications, "message") + " would not have been sent")
	}
	if len(p.ByType) > 0 {
		t.gap()
	}
	for _, of := range p.ByType {
		t.row(fmt.Sprintf("%5d", of.Alerts), of.Type)
	}
	if len(p.Later) > 0 {
		t.gap()
		t.row("worth knowing of:")
	}
	for _, l := range p.Later {
		t.row(fmt.Sprintf("  alert %d", l.Alert), l.Level.String(), l.Type, laterLine(l))
	}
	return t.flush()
}

func laterLine(l routing.Later) string {
	switch l.What {
	case routing.LaterSequence:
		if l.Sequence == l.Alert {
			return "is an attack sequence"
		}
		return fmt.Sprintf("became part of attack sequence %d (%s)", l.Sequence, l.By)
	case routing.LaterSuspect:
		return fmt.Sprintf("shares with attack sequence %d: %s", l.Sequence, l.By)
	case routing.LaterFixed:
		return "was closed as fixed"
	}
	return string(l.What)
}
