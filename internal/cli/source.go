package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/connect"
)

func sourceCommand(s *shell) *cobra.Command {
	r := &client{shell: s}
	c := &cobra.Command{
		Use: "source", Aliases: []string{"sources"}, Short: "List, add, connect, test and delete sources, and turn over their tokens",
		Long: `source sets up by what events come, on the running tocsin. What it adds and changes is
written into the managed file (tocsin.managed.yml beside the configuration), checked
with the whole configuration first, and in force at once. What stands in a file that
people write is shown and not touched.`,
		Example: `  tocsin source list
  tocsin source add guardduty-sns org-topic topics='arn:aws:sns:*:111122223333:guardduty' team=soc
  tocsin source connect org-topic --format cloudformation --regions all
  tocsin source test org-topic
  tocsin source rotate org-topic --keep 7d`,
	}
	clientFlags(c, r)
	c.AddCommand(
		sourceList(r), sourceShow(r), sourceKinds(r), sourceAdd(r), sourceSet(r), sourceTest(r), sourceConnect(r), sourceURL(r),
		sourceRotate(r), sourceRetire(r), sourceDisable(r), sourceEnable(r), sourceDelete(r),
	)
	return c
}

func sourcePath(name, what string) string { return "/api/sources/" + url.PathEscape(name) + what }

func sourceList(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List sources, and how they stand", Args: cobra.NoArgs,
		Example: "  tocsin source list",
		RunE: func(c *cobra.Command, _ []string) error {
			return show(c.Context(), r, http.MethodGet, "/api/sources", nil, r.printSources)
		},
	}
}

func (r *client) printSources(list api.Sources) error {
	t := newTable(r.out, "NAME", "KIND", "STATE", "LAST EVENT", "EVENTS", "WHERE")
	for _, s := range list.Sources {
		t.row(s.Name, s.Kind, sourceState(s), r.moment(s.LastEvent), fmt.Sprint(s.Events), where(s.Entry))
	}
	return t.flush()
}

// sourceState is in a word how a source stands.
func sourceState(s api.SourceDetails) string {
	if s.Deleted {
		return "deleted"
	}
	return s.State
}

// where says in which file it stands.
func where(e api.Entry) string {
	if e.File == "" {
		return ""
	}
	text := fmt.Sprintf("%s:%d", e.File, e.Line)
	if e.Managed {
		text += " (managed)"
	}
	return text
}

func sourceShow(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show one source: its settings, its tokens, and what was done with it", Args: cobra.ExactArgs(1),
		Example: "  tocsin source show org-topic",
		RunE: func(c *cobra.Command, args []string) error {
			return show(c.Context(), r, http.MethodGet, sourcePath(args[0], ""), nil, r.printSource)
		},
	}
}

func (r *client) printSource(s api.SourceDetails) error {
	t := newTable(r.out)
	t.row(fmt.Sprintf("%s  %s", s.Name, sourceState(s)))
	t.gap()
	t.line("kind", s.Title)
	t.line("where", where(s.Entry))
	t.line("url", s.URL)
	for _, f := range s.Status {
		t.line(f.Name, f.Value)
	}
	t.line("last event", r.moment(s.LastEvent))
	t.line("events", fmt.Sprint(s.Events))
	printValues(t, s.Entry)
	for i, token := range s.Tokens {
		name := ""
		if i == 0 {
			name = "tokens"
		}
		t.row(name, r.tokenLine(token))
	}
	t.line("tokens", s.TokenWhy)
	t.gap()
	r.printHistory(t, s.History)
	return t.flush()
}

func printValues(t table, e api.Entry) {
	for _, key := range sortedNames(e.Values) {
		t.line(strings.TrimPrefix(key, e.Kind+"."), strings.ReplaceAll(e.Values[key], "\n", ", "))
	}
}

func (r *client) tokenLine(t api.Token) string {
	text := t.ID
	if !t.MadeAt.IsZero() {
		text += ", made " + r.moment(t.MadeAt)
		if t.MadeBy != "" {
			text += " by " + t.MadeBy
		}
	}
	if t.UsedAt.IsZero() {
		text += ", not used yet"
	} else {
		text += ", used " + r.moment(t.UsedAt)
	}
	if !t.Until.IsZero() {
		text += ", good until " + r.moment(t.Until)
	}
	return text
}

func (r *client) printHistory(t table, history []api.SetupChange) {
	for _, h := range history {
		t.row(r.moment(h.At), h.Did+" by "+h.By, h.Text)
	}
}

func sourceKinds(r *client) *cobra.Command {
	return kindsCommand(r, "source", "guardduty-sns", func(c api.Catalogue) []api.Choice { return c.Sources })
}

// kindsCommand lists what can be added, or the settings of one.
func kindsCommand(r *client, what, example string, of func(api.Catalogue) []api.Choice) *cobra.Command {
	return &cobra.Command{
		Use: "kinds [KIND]", Short: "List the kinds of " + what + "s that can be added, or the settings of one", Args: cobra.MaximumNArgs(1),
		Example: "  tocsin " + what + " kinds\n  tocsin " + what + " kinds " + example,
		RunE: func(c *cobra.Command, args []string) error {
			return show(c.Context(), r, http.MethodGet, "/api/catalogue", nil, func(all api.Catalogue) error {
				if len(args) == 0 {
					return r.printKinds(of(all))
				}
				for _, choice := range of(all) {
					if choice.Name == args[0] {
						return r.printKind(choice)
					}
				}
				return fmt.Errorf("there is no kind %q of %ss", args[0], what)
			})
		},
	}
}

func (r *client) printKinds(all []api.Choice) error {
	t := newTable(r.out, "KIND", "GROUP", "TITLE")
	for _, c := range all {
		t.row(c.Name, c.Group, c.Title)
	}
	return t.flush()
}

func (r *client) printKind(c api.Choice) error {
	t := newTable(r.out)
	t.row(c.Title + ": " + c.Doc)
	t.gap()
	t.row("SETTING", "TYPE", "DEFAULT", "MEANING")
	for _, f := range c.Fields {
		fallback := f.Default
		if f.Required {
			fallback = "required"
		}
		if v, ok := c.Values[f.Key]; ok {
			fallback = v
		}
		typ := f.Type
		if len(f.Options) > 0 {
			typ = strings.Join(f.Options, "|")
		}
		t.row(strings.TrimPrefix(f.Key, c.Kind+"."), typ, fallback, f.Doc)
	}
	return t.flush()
}

const settingsHelp = `Settings are written key=value; 'kinds KIND' lists them. A list takes its key once for
each item. key=@FILE takes the value from a file, and key=@- from standard input: for
secrets, which others could see on a command line. Secrets are kept in files of their
own beside the managed file, and not shown again.`

func sourceAdd(r *client) *cobra.Command {
	c := &cobra.Command{
		Use: "add KIND NAME [KEY=VALUE...]", Short: "Add a source", Args: cobra.MinimumNArgs(2),
		Long: "add writes a source into the managed file and puts it in force.\n\n" + settingsHelp,
		Example: `  tocsin source add guardduty-sns org-topic topics='arn:aws:sns:*:111122223333:guardduty' team=soc
  tocsin source add https api receivers=soc-slack`,
		RunE: func(c *cobra.Command, args []string) error {
			values, err := r.settings(args[2:])
			if err != nil {
				return err
			}
			body := api.Saving{By: r.by, Kind: args[0], Values: values, New: true}
			return put(c.Context(), r, sourcePath(args[1], ""), body, func(s api.SourceDetails) error {
				if err := r.say("source %s is in force, in %s", s.Name, where(s.Entry)); err != nil || s.URL == "" {
					return err
				}
				return r.say("connect a sender with 'tocsin source connect %s' or 'tocsin source url %s'", s.Name, s.Name)
			})
		},
	}
	byFlag(c, r)
	return c
}

func sourceSet(r *client) *cobra.Command {
	c := &cobra.Command{
		Use: "set NAME KEY=VALUE...", Short: "Change settings of a source, in place", Args: cobra.MinimumNArgs(2),
		Long:    "set changes the settings that are given and leaves the others; KEY= takes one out.\n\n" + settingsHelp,
		Example: `  tocsin source set org-topic policy=around-the-clock`,
		RunE: func(c *cobra.Command, args []string) error {
			var now api.SourceDetails
			if _, err := r.ask(c.Context(), http.MethodGet, sourcePath(args[0], ""), nil, &now); err != nil {
				return err
			}
			body, err := r.changed(now.Entry, args[1:])
			if err != nil {
				return err
			}
			return put(c.Context(), r, sourcePath(args[0], ""), body, func(s api.SourceDetails) error {
				return r.say("source %s is changed", s.Name)
			})
		},
	}
	byFlag(c, r)
	return c
}

// put writes an entry. What is wrong with a setting is told by its name alone.
func put[T any](ctx context.Context, r *client, path string, body api.Saving, tell func(T) error) error {
	err := show(ctx, r, http.MethodPut, path, body, tell)
	if err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "values.", ""))
	}
	return nil
}

// settings reads key=value.
func (r *client) settings(args []string) (map[string]string, error) {
	values := map[string]string{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			return nil, usage(fmt.Errorf("%q: settings are written key=value", arg))
		}
		if file, ok := strings.CutPrefix(value, "@"); ok {
			_, text, err := r.readInput(file)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			value = strings.TrimRight(string(text), "\r\n")
		}
		if before, twice := values[key]; twice {
			value = before + "\n" + value
		}
		values[key] = value
	}
	return values, nil
}

// changed is what is there with what the arguments say.
func (r *client) changed(now api.Entry, args []string) (api.Saving, error) {
	more, err := r.settings(args)
	if err != nil {
		return api.Saving{}, err
	}
	values := map[string]string{}
	for key, value := range now.Values {
		if _, ok := more[strings.TrimPrefix(key, now.Kind+".")]; !ok {
			values[key] = value
		}
	}
	for key, value := range more {
		if value == "" {
			value = "-" // also takes out a secret, which would stay
			if !secretField(now, key) {
				value = ""
			}
		}
		values[key] = value
	}
	return api.Saving{By: r.by, Kind: now.Kind, Values: values}, nil
}

// secretField reports whether a key has a secret, as far as its value tells.
func secretField(now api.Entry, key string) bool {
	for _, full := range []string{key, now.Kind + "." + key} {
		if v := now.Values[full]; strings.HasPrefix(v, "***") || strings.Contains(v, "${") {
			return true
		}
	}
	return false
}

func sourceTest(r *client) *cobra.Command {
	c := &cobra.Command{
		Use: "test NAME [EVENT]", Short: "Say what would become of an event of a source, step by step", Args: cobra.RangeArgs(1, 2),
		Long: `test takes an event through the source's map, the rules, the routes and the policy, and
says each step. Nothing is kept and nobody is told. EVENT is the name of a file with
one event as the source brings it, or - for standard input; left out, it is a sample.`,
		Example: "  tocsin source test org-topic\n  tocsin source test org-topic finding.json",
		RunE: func(c *cobra.Command, args []string) error {
			event := []byte("{}")
			if len(args) == 2 {
				var err error
				if event, err = r.readEvent(args[1]); err != nil {
					return err
				}
			}
			return show(c.Context(), r, http.MethodPost, sourcePath(args[0], "/test"), event, r.printExplanation)
		},
	}
	return c
}

func sourceConnect(r *client) *cobra.Command {
	var body api.Connecting
	var tags []string
	var folder string
	c := &cobra.Command{
		Use: "connect NAME", Short: "Say what to paste into AWS to have it send its findings", Args: cobra.ExactArgs(1),
		Long: `connect prints commands for exactly this source, with nothing to fill in: a rule for
GuardDuty findings with what it sends them by, a queue for what cannot be delivered, and
policies that let in nobody else. The source's token is in the commands; templates and
configurations, which --dir writes into files, hold nothing secret.`,
		Example: `  tocsin source connect org-topic
  tocsin source connect org-topic --format cloudformation --regions all --dir deploy
  tocsin source connect api --format terraform --regions eu-west-1,us-east-1 --tags owner=soc`,
		RunE: func(c *cobra.Command, args []string) error {
			body.Tags = map[string]string{}
			for _, t := range tags {
				key, value, ok := strings.Cut(t, "=")
				if !ok {
					return usage(fmt.Errorf("--tags %q: want key=value", t))
				}
				body.Tags[key] = value
			}
			return show(c.Context(), r, http.MethodPost, sourcePath(args[0], "/connect"), body, func(p api.Pasting) error { return r.printPasting(p, folder) })
		},
	}
	flags := c.Flags()
	flags.StringVar(&body.Format, "format", string(connect.CLI), "cli, cloudformation or terraform")
	flags.StringSliceVar(&body.Regions, "regions", nil, "`REGIONS` to set up, or all (default the one that the AWS CLI is configured for)")
	flags.StringSliceVar(&body.OUs, "ous", nil, "organizational `UNITS` in whose accounts a StackSet is to put it")
	flags.StringArrayVar(&tags, "tags", nil, "`KEY=VALUE` to put on every resource; may be there several times")
	flags.StringVar(&body.RoleARN, "role-arn", "", "`ARN` of the role that CloudFormation acts as")
	flags.StringVar(&body.StackName, "stack-name", "", "`NAME` of the stack: a letter first, then letters, digits and hyphens")
	flags.StringVar(&folder, "dir", "", "write the files into this `directory`")
	return c
}

// printPasting prints what is to be pasted as it is, and what is good to know on
// standard error.
func (r *client) printPasting(p api.Pasting, folder string) error {
	for _, n := range p.Notes {
		fmt.Fprintln(r.err, "# "+visible(n))
	}
	for _, f := range p.Files {
		if folder != "" {
			if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // nothing secret is in it
				return err
			}
			path := filepath.Join(folder, filepath.Base(f.Name))
			if err := os.WriteFile(path, []byte(f.Text), 0o644); err != nil { //nolint:gosec // nothing secret is in it
				return err
			}
			fmt.Fprintln(r.err, "# wrote "+path)
			continue
		}
		if _, err := fmt.Fprintf(r.out, "cat > %s <<'END_OF_FILE'\n%sEND_OF_FILE\n", f.Name, f.Text); err != nil {
			return err
		}
	}
	_, err := io.Copy(r.out, bytes.NewBufferString(p.Commands))
	return err
}

func sourceURL(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "url NAME", Short: "Show where a source is reached, with its token", Args: cobra.ExactArgs(1),
		Example: "  tocsin source url org-topic",
		RunE: func(c *cobra.Command, args []string) error {
			return show(c.Context(), r, http.MethodPost, sourcePath(args[0], "/url"), nil, func(a api.Access) error {
				t := newTable(r.out)
				t.line("url", a.URL)
				if a.Header != "" {
					t.line("or", a.Endpoint)
					t.line("with", a.Header+": "+a.Token)
				}
				return t.flush()
			})
		},
	}
}

func sourceRotate(r *client) *cobra.Command {
	var keep string
	c := &cobra.Command{
		Use: "rotate NAME", Short: "Make a source a new token; the one before stays good for a while", Args: cobra.ExactArgs(1),
		Long: `rotate makes a new token. The one before stays good for as long as --keep says, so that
senders can be moved one after the other; 'source show' says when each was used last.
'source retire' ends the one before at once.`,
		Example: "  tocsin source rotate org-topic\n  tocsin source rotate org-topic --keep 24h",
		RunE: func(c *cobra.Command, args []string) error {
			span, err := config.ParseDuration(keep)
			if err != nil {
				return usage(fmt.Errorf("--keep: %w", err))
			}
			body := api.Rotation{By: r.by, Keep: int64(span / time.Second)}
			return show(c.Context(), r, http.MethodPost, sourcePath(args[0], "/rotate"), body, func(s api.SourceDetails) error {
				for _, t := range s.Tokens {
					if err := r.say("token %s", r.tokenLine(t)); err != nil {
						return err
					}
				}
				return r.say("'tocsin source connect %s' and 'tocsin source url %s' have the new one", s.Name, s.Name)
			})
		},
	}
	c.Flags().StringVar(&keep, "keep", "7d", "for how `LONG` the one before stays good, 90d at most")
	byFlag(c, r)
	return c
}

func sourceRetire(r *client) *cobra.Command {
	return sourceChange(r, "retire", "End the tokens of a source that another one has followed", "the token before the present one of source %s is not good any more")
}

func sourceDisable(r *client) *cobra.Command {
	return sourceChange(r, "disable", "Have a source take nothing in; senders are told to come again in an hour", "source %s takes nothing in")
}

func sourceEnable(r *client) *cobra.Command {
	return sourceChange(r, "enable", "Have a disabled source take events in again", "source %s takes events in again")
}

func sourceDelete(r *client) *cobra.Command {
	return sourceChange(r, "delete", "Delete a source; its journal is kept, and its URL answers 410 Gone", "source %s is deleted")
}

// sourceChange is a command that takes the name of a source and nothing else.
func sourceChange(r *client, verb, short, done string) *cobra.Command {
	c := &cobra.Command{
		Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1), Example: "  tocsin source " + verb + " org-topic",
		RunE: func(c *cobra.Command, args []string) error {
			return show(c.Context(), r, http.MethodPost, sourcePath(args[0], "/"+verb), api.Who{By: r.by}, func(s api.SourceDetails) error {
				return r.say(done, s.Name)
			})
		},
	}
	byFlag(c, r)
	return c
}
