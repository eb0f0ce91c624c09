package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
)

// alertsFlags are what the alerts commands share.
type alertsFlags struct {
	server string
	json   bool
	by     string
}

func alertsCommand(s *shell) *cobra.Command {
	var f alertsFlags
	c := &cobra.Command{
		Use: "alerts", Short: "List, show, acknowledge and close alerts of a running tocsin",
		Example: `  tocsin alerts list --level high
  tocsin alerts show 42
  tocsin alerts ack 42
  tocsin alerts close 42 --reason false_positive --note "our own scanner"`,
	}
	flags := c.PersistentFlags()
	flags.StringVar(&f.server, "server", os.Getenv("TOCSIN_SERVER"), "`URL` of the running tocsin (default: listen of the configuration; env TOCSIN_SERVER)")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	c.AddCommand(alertsList(s, &f), alertsShow(s, &f), alertsAck(s, &f), alertsClose(s, &f))
	return c
}

func alertsList(s *shell, f *alertsFlags) *cobra.Command {
	var status []string
	var level, account, region, kind, text, sort string
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List alerts: worst first, then oldest", Args: cobra.NoArgs,
		Example: "  tocsin alerts list --status open --level high --account 111122223333\n  tocsin alerts list --text '*bitcoin*' --sort newest --json",
		RunE: func(c *cobra.Command, _ []string) error {
			q := url.Values{"status": status}
			if slices.Contains(status, "all") {
				q.Del("status")
			}
			for key, value := range map[string]string{"level": level, "account": account, "region": region, "type": kind, "text": text, "sort": sort} {
				if value != "" {
					q.Set(key, value)
				}
			}
			q.Set("limit", strconv.Itoa(limit))
			var list api.Alerts
			raw, err := s.ask(c.Context(), f, http.MethodGet, "/api/alerts?"+q.Encode(), nil, &list)
			if err != nil || f.json {
				return errors.Join(err, s.print(raw))
			}
			return s.printAlerts(list)
		},
	}
	flags := c.Flags()
	flags.StringSliceVar(&status, "status", []string{"open", "acked"}, "open, acked, closed or all")
	flags.StringVar(&level, "level", "", "at least this level: "+strings.Join(tocsin.Levels(), ", "))
	flags.StringVar(&account, "account", "", "of this account id")
	flags.StringVar(&region, "region", "", "of this region")
	flags.StringVar(&kind, "type", "", "whose finding type begins so")
	flags.StringVar(&text, "text", "", "with this text anywhere; * is any run of characters")
	flags.StringVar(&sort, "sort", "level", "level, newest, changed or count")
	flags.IntVar(&limit, "limit", 50, "at most so many")
	return c
}

func alertsShow(s *shell, f *alertsFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one alert with its timeline and notifications", Args: cobra.ExactArgs(1),
		Example: "  tocsin alerts show 42",
		RunE: func(c *cobra.Command, args []string) error {
			var a api.Alert
			raw, err := s.ask(c.Context(), f, http.MethodGet, "/api/alerts/"+url.PathEscape(args[0]), nil, &a)
			if err != nil || f.json {
				return errors.Join(err, s.print(raw))
			}
			return s.printAlert(a)
		},
	}
}

func alertsAck(s *shell, f *alertsFlags) *cobra.Command {
	c := &cobra.Command{
		Use: "ack ID", Aliases: []string{"acknowledge"}, Short: "Say that you have taken an alert on", Args: cobra.ExactArgs(1),
		Example: "  tocsin alerts ack 42 --by ana",
		RunE: func(c *cobra.Command, args []string) error {
			return s.change(c.Context(), f, args[0], "acknowledge", api.Change{By: f.by}, "acknowledged")
		},
	}
	byFlag(c, f)
	return c
}

func alertsClose(s *shell, f *alertsFlags) *cobra.Command {
	var reason, note string
	c := &cobra.Command{
		Use: "close ID", Short: "Close an alert, saying why", Args: cobra.ExactArgs(1),
		Example: "  tocsin alerts close 42 --reason fixed --note 'instance terminated'",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := tocsin.ParseReason(reason)
			if err != nil {
				return usage(fmt.Errorf("--reason: %w", err))
			}
			return s.change(c.Context(), f, args[0], "close", api.Change{By: f.by, Reason: r, Note: note}, "closed")
		},
	}
	byFlag(c, f)
	c.Flags().StringVar(&reason, "reason", "", fmt.Sprintf("one of %v (required)", tocsin.Reasons()))
	c.Flags().StringVar(&note, "note", "", "what to remember of it")
	return c
}

func byFlag(c *cobra.Command, f *alertsFlags) {
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	c.Flags().StringVar(&f.by, "by", name, "who you are")
}

func (s *shell) change(ctx context.Context, f *alertsFlags, id, what string, c api.Change, done string) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	var a tocsin.Alert
	raw, err := s.ask(ctx, f, http.MethodPost, "/api/alerts/"+url.PathEscape(id)+"/"+what, body, &a)
	if err != nil || f.json {
		return errors.Join(err, s.print(raw))
	}
	_, err = fmt.Fprintf(s.out, "alert %d %s by %s: %s\n", a.ID, done, c.By, a.Headline)
	return err
}

// ask asks the running tocsin. What it refuses comes as an error in its words.
func (s *shell) ask(ctx context.Context, f *alertsFlags, method, path string, body []byte, into any) ([]byte, error) {
	server := f.server
	if server == "" {
		conf, err := s.load()
		if err != nil {
			return nil, err
		}
		server = "http://" + conf.Listen
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(server, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, usage(fmt.Errorf("--server: %w", err))
	}
	resp, err := http.DefaultClient.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("no tocsin answers at %s; start it with 'tocsin serve', or name another with --server", server)
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		var refusal struct{ Error string }
		_ = json.Unmarshal(raw, &refusal) // a proxy's page has no error field
		return nil, errors.New(cmp.Or(refusal.Error, fmt.Sprintf("%s answered %s", server, resp.Status)))
	}
	return raw, json.Unmarshal(raw, into)
}

func (s *shell) print(raw []byte) error {
	_, err := s.out.Write(raw)
	return err
}

func (s *shell) printAlerts(list api.Alerts) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tLEVEL\tSTATUS\tAGE\tCOUNT\tACCOUNT\tREGION\tWHAT")
	for _, a := range list.Alerts {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", a.ID, a.Level, a.Status, age(time.Since(a.OpenedAt)), a.Occurrences, a.Account, a.Region, a.Headline)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if more := list.Total - int64(len(list.Alerts)); more > 0 {
		fmt.Fprintf(s.out, "and %d more\n", more)
	}
	return nil
}

func (s *shell) printAlert(a api.Alert) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "#%d %s  %s\n\n", a.ID, strings.ToUpper(a.Level.String()), a.Headline)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	line("status", statusLine(a.Alert))
	line("account", a.Account)
	line("region", a.Region)
	line("type", a.Type)
	line("count", strconv.FormatInt(a.Occurrences, 10))
	for _, f := range a.Facts {
		line(strings.ToLower(f.Name), f.Value)
	}
	line("first step", a.Command)
	line("console", a.Console)
	line("finding", a.Detection.ID)
	fmt.Fprintln(w)
	for _, e := range a.Timeline {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.At.UTC().Format(time.DateTime), e.Kind, e.By, e.Text)
	}
	fmt.Fprintln(w)
	for _, n := range a.Notifications {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", n.CreatedAt.UTC().Format(time.DateTime), n.Receiver, n.Kind, n.State, n.LastError)
	}
	return w.Flush()
}

func statusLine(a tocsin.Alert) string {
	switch a.Status {
	case tocsin.StatusAcked:
		return "acknowledged by " + a.AckedBy + " at " + a.AckedAt.UTC().Format(time.DateTime)
	case tocsin.StatusClosed:
		return fmt.Sprintf("closed by %s (%s) at %s", a.ClosedBy, a.CloseReason, a.ClosedAt.UTC().Format(time.DateTime))
	}
	return "open for " + age(time.Since(a.OpenedAt))
}

// age is a duration in its largest unit: "3m", "5h", "12d".
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
