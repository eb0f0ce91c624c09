package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
)

func notificationsCommand(s *shell) *cobra.Command {
	r := &client{shell: s}
	var alert, receiver, person, since, before string
	var state, kind []string
	var limit int
	c := &cobra.Command{
		Use: "notifications", Short: "List who was told what, and what came of it", Args: cobra.NoArgs,
		Long: `notifications lists messages, the newest first: to whom, why, and what came of it. Each
ends as delivered, failed (the receiver refused it for good), parked (it could not be
delivered in its time), cancelled (nobody needs it any more) or shadow (a route that
only tries would have sent it); until then it is pending.`,
		Example: `  tocsin notifications --state failed --state parked
  tocsin notifications --alert 42
  tocsin notifications --person ana --since -7d`,
		RunE: func(c *cobra.Command, _ []string) error {
			q := url.Values{"receiver": {receiver}, "person": {person}, "state": state, "kind": kind, "before": {before}, "limit": {strconv.Itoa(limit)}}
			if alert != "" {
				id, err := number("an alert", alert)
				if err != nil {
					return err
				}
				q.Set("alert", strconv.FormatInt(id, 10))
			}
			from, err := s.parseTime("since", since)
			if err != nil {
				return err
			}
			q.Set("since", stamp(from))
			return show(c.Context(), r, http.MethodGet, "/api/notifications"+query(q), nil, r.printNotifications)
		},
	}
	clientFlags(c, r)
	flags := c.Flags()
	flags.StringVar(&alert, "alert", "", "of this alert")
	flags.StringVar(&receiver, "receiver", "", "to this receiver of the configuration")
	flags.StringVar(&person, "person", "", "to contact methods of this person")
	flags.StringSliceVar(&state, "state", nil, "pending, delivered, failed, parked, cancelled or shadow; several may be given")
	flags.StringSliceVar(&kind, "kind", nil, "opened, raised, updated, acknowledged, changed, closed, digest, code or note; several may be given")
	flags.StringVar(&since, "since", "", "owed since `TIME`, "+timeHelp)
	flags.StringVar(&before, "before", "", "with a smaller number than this: the next page")
	flags.IntVar(&limit, "limit", 50, "at most so many")
	c.AddCommand(notificationsShow(r), notificationsRetry(r))
	return c
}

func notificationPath(id int64) string { return fmt.Sprintf("/api/notifications/%d", id) }

func notificationsShow(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one notification with its attempts", Args: cobra.ExactArgs(1),
		Example: "  tocsin notifications show 7",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := number("a notification", args[0])
			if err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodGet, notificationPath(id), nil, r.printNotification)
		},
	}
}

func notificationsRetry(r *client) *cobra.Command {
	c := &cobra.Command{
		Use: "retry ID", Short: "Send what failed or was parked once more", Args: cobra.ExactArgs(1),
		Example: "  tocsin notifications retry 7",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := number("a notification", args[0])
			if err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodPost, notificationPath(id)+"/retry", api.Who{By: r.by}, func(done api.Done) error {
				return r.say("notification %d is sent once more; 'tocsin notifications' shows what comes of it", done.ID)
			})
		},
	}
	byFlag(c, r)
	return c
}

// placeOf is to whom a notification goes: a receiver, or a person by one.
func placeOf(n tocsin.Notification) string {
	if n.Person == "" {
		return n.Receiver
	}
	return n.Person + " by " + n.Receiver
}

func (r *client) printNotifications(list api.Notifications) error {
	t := newTable(r.out, "ID", "OWED", "ALERT", "TO", "KIND", "STATE", "TRIES", "WHY", "ERROR")
	for _, n := range list.Notifications {
		t.row(strconv.FormatInt(n.ID, 10), r.moment(n.CreatedAt), alertOf(n.Notification), placeOf(n.Notification),
			string(n.Kind), string(n.State), strconv.Itoa(n.Attempts), n.Why, n.LastError)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if list.Next > 0 {
		return r.say("more with --before %d", list.Next)
	}
	return nil
}

func alertOf(n tocsin.Notification) string {
	if n.Alert == 0 {
		return "-"
	}
	return strconv.FormatInt(n.Alert, 10)
}

func (r *client) printNotification(n api.Notification) error {
	t := newTable(r.out)
	t.row(fmt.Sprintf("notification %d  %s", n.ID, n.State))
	t.gap()
	t.line("alert", alertOf(n.Notification))
	t.line("to", placeOf(n.Notification))
	t.line("kind", string(n.Kind))
	t.line("why", n.Why)
	t.line("text", n.Text)
	t.line("owed", r.moment(n.CreatedAt))
	if n.State == tocsin.Pending {
		t.line("next try", r.moment(n.Due))
		t.line("given up", r.moment(n.Deadline))
	}
	t.line("settled", r.moment(n.SettledAt))
	t.line("attempts", strconv.Itoa(n.Attempts))
	t.line("message", n.Ref)
	t.line("error", n.LastError)
	if len(n.Tries) > 0 {
		t.gap()
	}
	for _, try := range n.Tries {
		t.row(strconv.Itoa(try.N), second(try.At), fmt.Sprintf("%d ms", try.TookMillis), try.Error)
	}
	return t.flush()
}
