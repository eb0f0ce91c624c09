package cli

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
)

func alertsCommand(s *shell) *cobra.Command {
	r := &client{shell: s}
	c := &cobra.Command{
		Use: "alerts", Short: "List, show, take on, hand over and close alerts of a running tocsin",
		Example: `  tocsin alerts list --level high --team payments
  tocsin alerts show 42
  tocsin alerts ack 42
  tocsin alerts snooze 42 --until 2h
  tocsin alerts close 42 --reason false_positive --note "our own scanner"`,
	}
	clientFlags(c, r)
	c.AddCommand(
		alertsList(r), alertsShow(r), alertsAck(r), alertsUnack(r), alertsAssign(r), alertsSnooze(r), alertsEscalate(r), alertsRun(r),
		alertsReassign(r), alertsApplyPolicy(r), alertsClose(r), alertsNote(r),
	)
	return c
}

func alertsList(r *client) *cobra.Command {
	var status []string
	var level, account, region, kind, text, sort, team, assignee string
	var unanswered bool
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List alerts: worst first, then oldest", Args: cobra.NoArgs,
		Example: `  tocsin alerts list --status open --level high --account 111122223333
  tocsin alerts list --team payments --unanswered
  tocsin alerts list --text '*bitcoin*' --sort newest --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			q := url.Values{
				"status": status, "level": {level}, "account": {account}, "region": {region}, "type": {kind}, "text": {text}, "sort": {sort},
				"team": {team}, "assignee": {assignee}, "limit": {strconv.Itoa(limit)},
			}
			if slices.Contains(status, "all") {
				q.Del("status")
			}
			if unanswered {
				q.Set("unanswered", "true")
			}
			return show(c.Context(), r, http.MethodGet, "/api/alerts"+query(q), nil, r.printAlerts)
		},
	}
	flags := c.Flags()
	flags.StringSliceVar(&status, "status", []string{"open", "acked"}, "open, acked, closed or all")
	flags.StringVar(&level, "level", "", "at least this level: "+strings.Join(tocsin.Levels(), ", "))
	flags.StringVar(&account, "account", "", "of this account id")
	flags.StringVar(&region, "region", "", "of this region")
	flags.StringVar(&kind, "type", "", "whose finding type begins so")
	flags.StringVar(&text, "text", "", "with this text anywhere; * is any run of characters")
	flags.StringVar(&team, "team", "", "that this team owns")
	flags.StringVar(&assignee, "assignee", "", "that this person has taken on or was given")
	flags.BoolVar(&unanswered, "unanswered", false, "that were escalated to the end, and nobody answered")
	flags.StringVar(&sort, "sort", "level", "level, newest, changed or count")
	flags.IntVar(&limit, "limit", 50, "at most so many")
	return c
}

func alertsShow(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one alert with its timeline and notifications", Args: cobra.ExactArgs(1),
		Example: "  tocsin alerts show 42",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := number("an alert", args[0])
			if err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodGet, alertPath(id, ""), nil, r.printAlert)
		},
	}
}

func alertPath(id int64, what string) string {
	path := fmt.Sprintf("/api/alerts/%d", id)
	if what != "" {
		path += "/" + what
	}
	return path
}

// printAlerts prints a list. Columns in which nobody has anything are left out.
func (r *client) printAlerts(list api.Alerts) error {
	teams := slices.ContainsFunc(list.Alerts, func(a tocsin.Alert) bool { return a.Team != "" })
	taken := slices.ContainsFunc(list.Alerts, func(a tocsin.Alert) bool { return a.Assignee != "" })
	cells := func(fixed []string, team, assignee, what string) []string {
		if teams {
			fixed = append(fixed, team)
		}
		if taken {
			fixed = append(fixed, assignee)
		}
		return append(fixed, what)
	}
	t := newTable(r.out, cells([]string{"ID", "LEVEL", "STATUS", "AGE", "COUNT", "ACCOUNT", "REGION"}, "TEAM", "ASSIGNEE", "WHAT")...)
	for _, a := range list.Alerts {
		t.row(cells([]string{
			strconv.FormatInt(a.ID, 10), a.Level.String(), r.standing(a), age(r.time().Sub(a.OpenedAt)), strconv.FormatInt(a.Occurrences, 10), a.Account, a.Region,
		}, orDash(a.Team), orDash(a.Assignee), a.Headline)...)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if more := list.Total - int64(len(list.Alerts)); more > 0 {
		return r.say("and %d more", more)
	}
	return nil
}

// standing is where an alert stands, in a word or two: what matters most to whoever
// looks for one to take on.
func (s *shell) standing(a tocsin.Alert) string {
	e := a.Escalation
	switch {
	case a.Status == tocsin.StatusClosed:
		return "closed"
	case a.Held != nil:
		return "held"
	case a.Snoozed(s.time()):
		return "snoozed " + about(a.SnoozedUntil.Sub(s.time()))
	case a.Status != tocsin.StatusOpen || e == nil:
		return string(a.Status)
	case e.Exhausted:
		return "unanswered"
	case e.Highest > 1:
		return fmt.Sprintf("open, step %d", e.Highest)
	}
	return "open"
}

func (r *client) printAlert(a api.Alert) error {
	t := newTable(r.out)
	t.row(fmt.Sprintf("#%d %s  %s", a.ID, strings.ToUpper(a.Level.String()), a.Headline))
	t.gap()
	t.line("status", r.statusLine(a.Alert))
	t.line("team", a.Team)
	t.line("assignee", a.Assignee)
	t.line("snoozed", r.snoozeLine(a.Alert))
	t.line("waiting", approvalLine(a.Approvals))
	t.line("held", r.holdLine(a.Held))
	t.line("escalation", r.escalationLine(a.Escalation))
	t.line("account", a.Account)
	t.line("region", a.Region)
	t.line("type", a.Type)
	t.line("count", strconv.FormatInt(a.Occurrences, 10))
	for _, f := range a.Facts {
		t.line(strings.ToLower(f.Name), f.Value)
	}
	for _, key := range slices.Sorted(maps.Keys(a.Tags)) {
		t.line("tag", key+"="+a.Tags[key])
	}
	t.line("first step", a.Command)
	t.line("console", a.Console)
	t.line("finding", a.Detection.ID)
	if a.Previous != 0 {
		t.line("previous", fmt.Sprintf("alert %d", a.Previous))
	}
	if len(a.Timeline) > 0 {
		t.gap()
	}
	for _, e := range a.Timeline {
		t.row(second(e.At), distance(e.At, r.time()), e.Kind, e.By, e.Text)
	}
	if len(a.Notifications) > 0 {
		t.gap()
	}
	for _, n := range a.Notifications {
		t.row(second(n.CreatedAt), placeOf(n.Notification), string(n.Kind), string(n.State), n.Why, n.LastError)
	}
	return t.flush()
}

func (s *shell) statusLine(a tocsin.Alert) string {
	switch a.Status {
	case tocsin.StatusAcked:
		text := "acknowledged by " + a.AckedBy + " at " + s.moment(a.AckedAt)
		if !a.AckExpires.IsZero() {
			text += ", runs out " + distance(a.AckExpires, s.time())
		}
		return text
	case tocsin.StatusClosed:
		return fmt.Sprintf("closed by %s (%s) at %s", a.ClosedBy, a.CloseReason, s.moment(a.ClosedAt))
	case tocsin.StatusOpen:
	}
	return "open for " + age(s.time().Sub(a.EpisodeStart())) + ", since " + clock(a.EpisodeStart())
}

func (s *shell) snoozeLine(a tocsin.Alert) string {
	if !a.Snoozed(s.time()) {
		return ""
	}
	return "until " + s.moment(a.SnoozedUntil) + " by " + a.SnoozedBy
}

func (s *shell) holdLine(h *tocsin.Hold) string {
	if h == nil {
		return ""
	}
	text := "by " + h.By
	if !h.Until.IsZero() {
		text += " until " + s.moment(h.Until)
	}
	if h.Tell {
		return text + ", then people are told"
	}
	return text + ", nobody is told"
}

func (s *shell) escalationLine(e *tocsin.Escalation) string {
	if e == nil {
		return ""
	}
	text := "policy " + e.Policy
	if e.Highest > 0 {
		text += fmt.Sprintf(", step %d told", e.Highest)
	}
	if e.Exhausted {
		text += ", nobody answered"
	}
	if len(e.Acked) > 0 {
		text += ", acknowledged by " + strings.Join(e.Acked, ", ")
	}
	switch {
	case !e.At.IsZero():
		text += ", goes on " + s.moment(e.At)
	case e.Ended != "":
		text += ", ended: " + e.Ended
	}
	return text
}

// approvalLine is what waits for somebody's approval.
func approvalLine(actions []string) string {
	if len(actions) == 0 {
		return ""
	}
	return "for approval of " + strings.Join(actions, ", ") + ": tocsin alerts run ID ACTION"
}
