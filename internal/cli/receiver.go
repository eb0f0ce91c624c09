package cli

import (
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/api"
)

func receiverCommand(s *shell) *cobra.Command {
	r := &client{shell: s}
	c := &cobra.Command{
		Use: "receiver", Aliases: []string{"receivers"}, Short: "List, add, test and delete receivers",
		Long: `receiver sets up by what people are told, on the running tocsin. What it adds and
changes is written into the managed file (tocsin.managed.yml beside the configuration),
checked with the whole configuration first, and in force at once. A receiver tells
nobody until a route, a team, a policy or the fallback names it.`,
		Example: `  tocsin receiver list
  tocsin receiver kinds slack
  tocsin receiver add slack soc-slack webhook_url=@hook.txt
  tocsin receiver test soc-slack`,
	}
	clientFlags(c, r)
	c.AddCommand(
		receiverList(r), receiverShow(r), receiverKinds(r), receiverAdd(r), receiverSet(r),
		receiverChange(r, "test", "Send a message that is marked as a test, now", "receiver %s took the message"),
		receiverChange(r, "disable", "Have nobody told by a receiver; the fallback is told of alerts in its stead", "nobody is told by receiver %s"),
		receiverChange(r, "enable", "Tell people by a disabled receiver again", "people are told by receiver %s again"),
		receiverChange(r, "delete", "Delete a receiver that nothing names", "receiver %s is deleted"),
	)
	return c
}

func receiverPath(name, what string) string { return "/api/receivers/" + url.PathEscape(name) + what }

// sortedNames are the keys of a map.
func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func receiverList(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List receivers", Args: cobra.NoArgs,
		Example: "  tocsin receiver list",
		RunE: func(c *cobra.Command, _ []string) error {
			return show(c.Context(), r, http.MethodGet, "/api/receivers", nil, r.printReceivers)
		},
	}
}

func (r *client) printReceivers(list api.Receivers) error {
	t := newTable(r.out, "NAME", "KIND", "STATE", "WHERE")
	for _, e := range list.Receivers {
		t.row(e.Name, e.Kind, receiverState(e), where(e.Entry))
	}
	return t.flush()
}

func receiverState(e api.ReceiverDetails) string {
	switch {
	case e.Disabled:
		return "disabled"
	case e.Acts:
		return "acts"
	}
	return "ok"
}

func receiverShow(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show one receiver: its settings, and what was done with it", Args: cobra.ExactArgs(1),
		Example: "  tocsin receiver show soc-slack",
		RunE: func(c *cobra.Command, args []string) error {
			return show(c.Context(), r, http.MethodGet, receiverPath(args[0], ""), nil, r.printReceiver)
		},
	}
}

func (r *client) printReceiver(e api.ReceiverDetails) error {
	t := newTable(r.out)
	t.row(e.Name + "  " + receiverState(e))
	t.gap()
	t.line("kind", e.Title)
	t.line("where", where(e.Entry))
	printValues(t, e.Entry)
	t.gap()
	r.printHistory(t, e.History)
	return t.flush()
}

func receiverKinds(r *client) *cobra.Command {
	return kindsCommand(r, "receiver", "slack", func(c api.Catalogue) []api.Choice { return c.Receivers })
}

func receiverAdd(r *client) *cobra.Command {
	c := &cobra.Command{
		Use: "add KIND NAME [KEY=VALUE...]", Short: "Add a receiver", Args: cobra.MinimumNArgs(2),
		Long: "add writes a receiver into the managed file and puts it in force.\n\n" + settingsHelp,
		Example: `  tocsin receiver add slack soc-slack webhook_url=@hook.txt
  tocsin receiver add email soc-mail to=soc@example.com from=tocsin@example.com smtp=smtp.example.com:587`,
		RunE: func(c *cobra.Command, args []string) error {
			values, err := r.settings(args[2:])
			if err != nil {
				return err
			}
			body := api.Saving{By: r.by, Kind: args[0], Values: values, New: true}
			return put(c.Context(), r, receiverPath(args[1], ""), body, func(e api.ReceiverDetails) error {
				return r.say("receiver %s is in force, in %s; try it with 'tocsin receiver test %s'", e.Name, where(e.Entry), e.Name)
			})
		},
	}
	byFlag(c, r)
	return c
}

func receiverSet(r *client) *cobra.Command {
	c := &cobra.Command{
		Use: "set NAME KEY=VALUE...", Short: "Change settings of a receiver, in place", Args: cobra.MinimumNArgs(2),
		Long:    "set changes the settings that are given and leaves the others; KEY= takes one out.\n\n" + settingsHelp,
		Example: `  tocsin receiver set soc-slack timeout=20s`,
		RunE: func(c *cobra.Command, args []string) error {
			var now api.ReceiverDetails
			if _, err := r.ask(c.Context(), http.MethodGet, receiverPath(args[0], ""), nil, &now); err != nil {
				return err
			}
			body, err := r.changed(now.Entry, args[1:])
			if err != nil {
				return err
			}
			return put(c.Context(), r, receiverPath(args[0], ""), body, func(e api.ReceiverDetails) error {
				return r.say("receiver %s is changed", e.Name)
			})
		},
	}
	byFlag(c, r)
	return c
}

// receiverChange is a command that takes the name of a receiver and nothing else.
func receiverChange(r *client, verb, short, done string) *cobra.Command {
	c := &cobra.Command{
		Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1), Example: "  tocsin receiver " + verb + " soc-slack",
		RunE: func(c *cobra.Command, args []string) error {
			return show(c.Context(), r, http.MethodPost, receiverPath(args[0], "/"+verb), api.Who{By: r.by}, func(d api.DoneWith) error {
				return r.say(done, d.Name)
			})
		},
	}
	byFlag(c, r)
	return c
}
