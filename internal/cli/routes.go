package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

func routesCommand(s *shell) *cobra.Command {
	r := &client{shell: s}
	c := &cobra.Command{
		Use: "routes", Aliases: []string{"route"}, Short: "List the routes, and those that take nothing",
		Example: "  tocsin routes list\n  tocsin routes dead --days 90",
	}
	clientFlags(c, r)
	c.AddCommand(routesList(r), routesDead(r))
	return c
}

func routesList(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the routes of the configuration, with what they have from those above", Args: cobra.NoArgs,
		Long: `list shows the routes as the configuration file has them, in the order in which they
are asked. It asks no server.`,
		Example: "  tocsin routes list -c tocsin.yml",
		RunE: func(*cobra.Command, []string) error {
			conf, err := r.load()
			if err != nil {
				return err
			}
			list := conf.Routes.List()
			if r.json {
				raw, err := marshal(struct {
					Routes []routing.Listed `json:"routes"`
				}{append([]routing.Listed{}, list...)})
				return errors.Join(err, r.print(raw))
			}
			return r.printRoutes(list, conf.Fallback)
		},
	}
}

func (r *client) printRoutes(list []routing.Listed, fallback []string) error {
	t := newTable(r.out, "ROUTE", "DOES", "PATTERN")
	for _, one := range list {
		pattern := one.Pattern
		if pattern == "" {
			pattern = "every alert"
		}
		t.row(strings.Repeat("  ", one.Depth)+one.Name, one.Does+inheritedFrom(one.Inherited), pattern)
	}
	if err := t.flush(); err != nil {
		return err
	}
	return r.say("What none of them takes goes to whoever owns its account, and else to the fallback: %s.", strings.Join(fallback, ", "))
}

// inheritedFrom is ` (receivers from "production")`, or nothing.
func inheritedFrom(all []routing.Inheritance) string {
	if len(all) == 0 {
		return ""
	}
	parts := make([]string, len(all))
	for i, h := range all {
		parts[i] = fmt.Sprintf("%s from %q", h.Field, h.From)
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func routesDead(r *client) *cobra.Command {
	var days int
	c := &cobra.Command{
		Use: "dead", Short: "List routes and receivers that took nothing for days", Args: cobra.NoArgs,
		Long: `dead lists the routes that no alert came by, and the receivers that were told nothing,
for so many days. A receiver of the fallback that was never needed is among them: it is
worth a test. What is younger than that in the configuration is left out.`,
		Example: "  tocsin routes dead\n  tocsin routes dead --days 30",
		RunE: func(c *cobra.Command, _ []string) error {
			q := query(url.Values{"days": {strconv.Itoa(days)}})
			return show(c.Context(), r, http.MethodGet, "/api/routes/dead"+q, nil, r.printDead)
		},
	}
	c.Flags().IntVar(&days, "days", 90, "for how many days, 400 at most")
	return c
}

func (r *client) printDead(list api.DeadRoutes) error {
	if len(list.Dead) == 0 {
		return r.say("every route and receiver took something within %s", plural(list.Days, "day"))
	}
	t := newTable(r.out, "WHAT", "NAME", "LAST", "IN ALL")
	for _, d := range list.Dead {
		last := "never"
		switch {
		case !d.Last.IsZero():
			last = r.moment(d.Last)
		case !d.Since.IsZero():
			last = "never since " + r.moment(d.Since)
		}
		t.row(d.What, d.Name, last, strconv.FormatInt(d.Count, 10))
	}
	return t.flush()
}
