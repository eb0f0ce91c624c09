package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
)

// asked is what every change says of who asks.
func (r *client) asked(note string) api.AlertChange {
	return api.AlertChange{Asked: api.Asked{By: r.by, Note: note}}
}

// change changes one alert, and says what it is now.
func (r *client) change(ctx context.Context, id, what string, body any, done func(tocsin.Alert) string) error {
	n, err := number("an alert", id)
	if err != nil {
		return err
	}
	return show(ctx, r, http.MethodPost, alertPath(n, what), body, func(a tocsin.Alert) error {
		return r.say("alert %d %s by %s: %s", a.ID, done(a), r.by, a.Headline)
	})
}

// words is what is said of every alert alike.
func words(text string) func(tocsin.Alert) string { return func(tocsin.Alert) string { return text } }

// several changes several alerts, each with a result of its own. It fails if one is
// not changed.
func (r *client) several(ctx context.Context, ids []int64, path string, body any, done string) error {
	var answer api.Results
	raw, err := r.ask(ctx, http.MethodPost, path, body, &answer)
	if err != nil {
		return err
	}
	refused := 0
	for _, one := range answer.Results {
		if one.Error != "" {
			refused++
		}
	}
	if r.json {
		err = r.print(raw)
	} else {
		err = r.printResults(answer, done)
	}
	if err == nil && refused > 0 {
		return fmt.Errorf("%d of %s not %s", refused, plural(len(ids), "alert"), done)
	}
	return err
}

func (r *client) printResults(answer api.Results, done string) error {
	for _, one := range answer.Results {
		why := strings.TrimPrefix(one.Error, fmt.Sprintf("alert %d: ", one.ID))
		text := fmt.Sprintf("alert %d not %s: %s", one.ID, done, why)
		if one.Error == "" {
			text = fmt.Sprintf("alert %d %s by %s: %s", one.ID, done, r.by, headline(one.Alert))
		}
		if err := r.say("%s", text); err != nil {
			return err
		}
	}
	return nil
}

func headline(a *tocsin.Alert) string {
	if a == nil {
		return ""
	}
	return a.Headline
}

func numbers(args []string) ([]int64, error) {
	ids := make([]int64, len(args))
	for i, arg := range args {
		var err error
		if ids[i], err = number("an alert", arg); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func noteFlag(c *cobra.Command, note *string) {
	c.Flags().StringVar(note, "note", "", "what to remember of it; it stands in the timeline")
}

func alertsAck(r *client) *cobra.Command {
	var note string
	c := &cobra.Command{
		Use: "ack ID...", Aliases: []string{"acknowledge"}, Short: "Say that you have taken alerts on", Args: cobra.MinimumNArgs(1),
		Example: "  tocsin alerts ack 42 --by ana\n  tocsin alerts ack 42 43 44 --note 'one and the same scanner'",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return r.change(c.Context(), args[0], "acknowledge", r.asked(note), words("acknowledged"))
			}
			ids, err := numbers(args)
			if err != nil {
				return err
			}
			body := api.Acknowledgements{Asked: r.asked(note).Asked, Several: api.Several{IDs: ids}}
			return r.several(c.Context(), ids, "/api/alerts/acknowledge", body, "acknowledged")
		},
	}
	byFlag(c, r)
	noteFlag(c, &note)
	return c
}

func alertsUnack(r *client) *cobra.Command {
	var note string
	c := &cobra.Command{
		Use: "unack ID", Aliases: []string{"unacknowledge"}, Short: "Give an alert back: people are called from the first step", Args: cobra.ExactArgs(1),
		Example: "  tocsin alerts unack 42 --note 'not ours after all'",
		RunE: func(c *cobra.Command, args []string) error {
			return r.change(c.Context(), args[0], "unacknowledge", r.asked(note), words("given back"))
		},
	}
	byFlag(c, r)
	noteFlag(c, &note)
	return c
}

func alertsAssign(r *client) *cobra.Command {
	var note string
	c := &cobra.Command{
		Use: "assign ID PERSON", Short: "Give an alert to a person, who has taken it on then", Args: cobra.ExactArgs(2),
		Example: "  tocsin alerts assign 42 bo --note 'you know this cluster'",
		RunE: func(c *cobra.Command, args []string) error {
			return r.change(c.Context(), args[0], "assign", api.Assignment{AlertChange: r.asked(note), To: args[1]}, words("assigned to "+args[1]))
		},
	}
	byFlag(c, r)
	noteFlag(c, &note)
	return c
}

func alertsSnooze(r *client) *cobra.Command {
	var until, note string
	c := &cobra.Command{
		Use: "snooze ID", Short: "Have nobody called until then", Args: cobra.ExactArgs(1),
		Long: `snooze has nobody called about an alert until then, for 7 days at most. When that is
over the alert is open, whoever had it before, and people are called from the first
step.`,
		Example: "  tocsin alerts snooze 42 --until 2h\n  tocsin alerts snooze 42 --until 2026-06-12T09:00:00+02:00 --note 'the owner is back at nine'",
		RunE: func(c *cobra.Command, args []string) error {
			at, err := r.parseTime("until", until)
			if err != nil {
				return err
			}
			if at.IsZero() {
				return usage(errors.New("--until is missing: say until when, such as 2h"))
			}
			return r.change(c.Context(), args[0], "snooze", api.Snooze{AlertChange: r.asked(note), Until: at}, func(a tocsin.Alert) string {
				return "snoozed until " + r.moment(a.SnoozedUntil)
			})
		},
	}
	c.Flags().StringVar(&until, "until", "", "until `TIME`, "+timeHelp+" (required)")
	byFlag(c, r)
	noteFlag(c, &note)
	return c
}

func alertsEscalate(r *client) *cobra.Command {
	var note string
	c := &cobra.Command{
		Use: "escalate ID", Short: "End the present step now, and call the next", Args: cobra.ExactArgs(1),
		Example: "  tocsin alerts escalate 42 --note 'I need somebody who knows EKS'",
		RunE: func(c *cobra.Command, args []string) error {
			return r.change(c.Context(), args[0], "escalate", r.asked(note), words("escalated"))
		},
	}
	byFlag(c, r)
	noteFlag(c, &note)
	return c
}

func alertsRun(r *client) *cobra.Command {
	var note string
	c := &cobra.Command{
		Use: "run ID ACTION", Short: "Approve an action that waits for it, and have it run", Args: cobra.ExactArgs(2),
		Long: `Approve an action that waits for it, and have it run. What waits is in "tocsin alerts show".
It runs once for each opening of the alert; what came of it is on the timeline.`,
		Example: "  tocsin alerts run 42 isolate-instance --note 'confirmed with the owner'",
		RunE: func(c *cobra.Command, args []string) error {
			body := api.ActionRun{AlertChange: r.asked(note), Action: args[1]}
			return r.change(c.Context(), args[0], "run", body, words("action "+args[1]+" approved"))
		},
	}
	byFlag(c, r)
	noteFlag(c, &note)
	return c
}

func alertsReassign(r *client) *cobra.Command {
	var team, policy, note string
	c := &cobra.Command{
		Use: "reassign ID", Short: "Hand an alert to another team or policy: people are called from the first step", Args: cobra.ExactArgs(1),
		Example: "  tocsin alerts reassign 42 --team payments\n  tocsin alerts reassign 42 --policy around-the-clock",
		RunE: func(c *cobra.Command, args []string) error {
			var to []string
			if team != "" {
				to = append(to, "team "+team)
			}
			if policy != "" {
				to = append(to, "policy "+policy)
			}
			if len(to) == 0 {
				return usage(errors.New("--team and --policy are missing: say who gets it"))
			}
			body := api.Reassignment{AlertChange: r.asked(note), Team: team, Policy: policy}
			return r.change(c.Context(), args[0], "reassign", body, words("handed to "+strings.Join(to, " and ")))
		},
	}
	c.Flags().StringVar(&team, "team", "", "the team that gets it")
	c.Flags().StringVar(&policy, "policy", "", "the policy that it goes by; the team's if left out")
	byFlag(c, r)
	noteFlag(c, &note)
	return c
}

func alertsApplyPolicy(r *client) *cobra.Command {
	var note string
	c := &cobra.Command{
		Use: "apply-policy ID", Short: "Have a live alert go by its policy as it is configured today", Args: cobra.ExactArgs(1),
		Example: "  tocsin alerts apply-policy 42",
		RunE: func(c *cobra.Command, args []string) error {
			return r.change(c.Context(), args[0], "apply-policy", r.asked(note), words("put under its policy of today"))
		},
	}
	byFlag(c, r)
	noteFlag(c, &note)
	return c
}

func alertsClose(r *client) *cobra.Command {
	var reason, note, mute string
	c := &cobra.Command{
		Use: "close ID...", Short: "Close alerts, saying why", Args: cobra.MinimumNArgs(1),
		Long: `close ends alerts, and tells those who were told of their opening. With --mute-until
nobody is told if it happens again before then: for what is expected, 365 days at most.`,
		Example: `  tocsin alerts close 42 --reason fixed --note 'instance terminated'
  tocsin alerts close 42 43 --reason expected --mute-until 30d`,
		RunE: func(c *cobra.Command, args []string) error {
			why, err := tocsin.ParseReason(reason)
			if err != nil {
				return usage(fmt.Errorf("--reason: %w", err))
			}
			until, err := r.parseTime("mute-until", mute)
			if err != nil {
				return err
			}
			closing := api.Closing{Reason: string(why), Mute: until}
			if len(args) == 1 {
				done := "closed"
				if !until.IsZero() {
					done = "closed and muted until " + r.moment(until)
				}
				return r.change(c.Context(), args[0], "close", api.AlertClosing{AlertChange: r.asked(note), Closing: closing}, words(done))
			}
			ids, err := numbers(args)
			if err != nil {
				return err
			}
			body := api.Closings{Asked: r.asked(note).Asked, Several: api.Several{IDs: ids}, Closing: closing}
			return r.several(c.Context(), ids, "/api/alerts/close", body, "closed")
		},
	}
	byFlag(c, r)
	noteFlag(c, &note)
	c.Flags().StringVar(&reason, "reason", "", fmt.Sprintf("one of %v (required)", tocsin.Reasons()))
	c.Flags().StringVar(&mute, "mute-until", "", "tell nobody if it happens again before `TIME`, "+timeHelp)
	return c
}

func alertsNote(r *client) *cobra.Command {
	c := &cobra.Command{
		Use: "note ID TEXT...", Short: "Write a line into an alert's timeline", Args: cobra.MinimumNArgs(2),
		Example: "  tocsin alerts note 42 the scanner is ours",
		RunE: func(c *cobra.Command, args []string) error {
			return r.change(c.Context(), args[0], "note", api.Noting{By: r.by, Note: strings.Join(args[1:], " ")}, words("noted"))
		},
	}
	byFlag(c, r)
	return c
}
