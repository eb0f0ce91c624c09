package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/oncall"
)

func onCallCommand(s *shell) *cobra.Command {
	r := &client{shell: s}
	var at string
	c := &cobra.Command{
		Use: "on-call [SCHEDULE]", Short: "Say who is on call; shifts, gaps, overrides and calendars", Args: cobra.MaximumNArgs(1),
		Long: `on-call says who is on call, until when, and who is next. Times of shifts are by the
schedule's clock, with its distance from UTC.`,
		Example: `  tocsin on-call
  tocsin on-call soc --at 2026-12-24T22:00:00+01:00
  tocsin on-call override soc --replace ana --with bo --from now --until 8h`,
		RunE: func(c *cobra.Command, args []string) error {
			moment, err := s.parseTime("at", at)
			if err != nil {
				return err
			}
			return r.whoIsOnCall(c.Context(), moment, args)
		},
	}
	clientFlags(c, r)
	c.Flags().StringVar(&at, "at", "", "at `TIME`, "+timeHelp+"; now if left out")
	c.AddCommand(onCallShifts(r), onCallGaps(r), onCallOverrides(r), onCallOverride(r), onCallEnd(r), onCallICal(r))
	return c
}

// whoIsOnCall prints all schedules, or the one that is named.
func (r *client) whoIsOnCall(ctx context.Context, at time.Time, named []string) error {
	var answer api.OnCall
	raw, err := r.ask(ctx, http.MethodGet, "/api/on-call"+query(url.Values{"at": {stamp(at)}}), nil, &answer)
	if err != nil {
		return err
	}
	if len(named) > 0 {
		i := slices.IndexFunc(answer.OnCall, func(o engine.OnCall) bool { return o.Schedule == named[0] })
		if i < 0 {
			return noSchedule(named[0], answer.OnCall)
		}
		answer.OnCall = answer.OnCall[i : i+1]
		if raw, err = marshal(answer); err != nil {
			return err
		}
	}
	if r.json {
		return r.print(raw)
	}
	return r.printOnCall(answer)
}

func noSchedule(name string, all []engine.OnCall) error {
	if len(all) == 0 {
		return fmt.Errorf("no schedule %q: none is configured", name)
	}
	known := make([]string, len(all))
	for i, o := range all {
		known[i] = o.Schedule
	}
	return fmt.Errorf("no schedule %q; there are %s", name, strings.Join(known, ", "))
}

func (r *client) printOnCall(answer api.OnCall) error {
	if len(answer.OnCall) == 0 {
		return r.say("no schedule is configured")
	}
	t := newTable(r.out, "SCHEDULE", "ON CALL", "UNTIL", "NEXT")
	for _, o := range answer.OnCall {
		until, next := "no change within 60 days", ""
		if !o.Until.IsZero() {
			until, next = r.day(o.Until), people(o.Next)
		}
		t.row(o.Schedule, people(o.People), until, next)
	}
	return t.flush()
}

// day is a moment with the day of the week: "Mon 2026-06-15 09:00 +02:00 (in 2d)".
func (s *shell) day(t time.Time) string { return day(t) + " (" + distance(t, s.time()) + ")" }

func people(names []string) string {
	if len(names) == 0 {
		return "NOBODY"
	}
	return strings.Join(names, ", ")
}

// stretchFlags say from when to when.
type stretchFlags struct{ from, to string }

func (f *stretchFlags) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.from, "from", "", "from `TIME` on, "+timeHelp+"; now if left out")
	c.Flags().StringVar(&f.to, "to", "", "until `TIME`; 60 days later if left out")
}

func (f *stretchFlags) query(s *shell) (string, error) {
	from, err := s.parseTime("from", f.from)
	if err != nil {
		return "", err
	}
	to, err := s.parseTime("to", f.to)
	return query(url.Values{"from": {stamp(from)}, "to": {stamp(to)}}), err
}

func schedulePath(name, what string) string { return "/api/schedules/" + url.PathEscape(name) + what }

func onCallShifts(r *client) *cobra.Command {
	var f stretchFlags
	c := &cobra.Command{
		Use: "shifts SCHEDULE", Short: "List the shifts of a schedule, in their whole length", Args: cobra.ExactArgs(1),
		Example: "  tocsin on-call shifts soc\n  tocsin on-call shifts soc --from 2026-12-20 --to 2027-01-06",
		RunE: func(c *cobra.Command, args []string) error {
			q, err := f.query(r.shell)
			if err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodGet, schedulePath(args[0], "/shifts")+q, nil, r.printShifts)
		},
	}
	f.flags(c)
	return c
}

func (r *client) printShifts(list api.Shifts) error {
	if len(list.Shifts) == 0 {
		return r.say("nobody is on call in that time")
	}
	t := newTable(r.out, "FROM", "UNTIL", "LASTS", "ON CALL", "BY")
	for _, s := range list.Shifts {
		by := slices.Clone(s.Layers)
		for _, id := range s.Overrides {
			by = append(by, "override "+id)
		}
		t.row(day(s.Start), day(s.End), lasting(s.End.Sub(s.Start)), people(s.People), strings.Join(by, ", "))
	}
	return t.flush()
}

// lasting is how long something lasts: "45m", "11h", "7d", "6d 23h".
func lasting(d time.Duration) string {
	days, hours := int(d.Hours())/24, d-d.Truncate(24*time.Hour)
	switch {
	case days == 0:
		return short(d)
	case hours == 0:
		return fmt.Sprintf("%dd", days)
	}
	return fmt.Sprintf("%dd %s", days, short(hours))
}

func onCallGaps(r *client) *cobra.Command {
	var f stretchFlags
	c := &cobra.Command{
		Use: "gaps [SCHEDULE]", Short: "List the times at which nobody is on call", Args: cobra.MaximumNArgs(1),
		Example: "  tocsin on-call gaps\n  tocsin on-call gaps soc --to 180d",
		RunE: func(c *cobra.Command, args []string) error {
			q, err := f.query(r.shell)
			if err != nil {
				return err
			}
			names := args
			if len(names) == 0 {
				var all api.Schedules
				if _, err := r.ask(c.Context(), http.MethodGet, "/api/schedules", nil, &all); err != nil {
					return err
				}
				for _, s := range all.Schedules {
					names = append(names, s.Name)
				}
			}
			found := api.Gaps{Gaps: []oncall.Gap{}}
			for _, name := range names {
				var one api.Gaps
				if _, err := r.ask(c.Context(), http.MethodGet, schedulePath(name, "/gaps")+q, nil, &one); err != nil {
					return err
				}
				found.Gaps = append(found.Gaps, one.Gaps...)
			}
			if r.json {
				raw, err := marshal(found)
				return errors.Join(err, r.print(raw))
			}
			return r.printGaps(found, len(names))
		},
	}
	f.flags(c)
	return c
}

func (r *client) printGaps(found api.Gaps, schedules int) error {
	if len(found.Gaps) == 0 {
		return r.say("no gaps in %s", plural(schedules, "schedule"))
	}
	t := newTable(r.out, "SCHEDULE", "FROM", "UNTIL", "LASTS")
	for _, g := range found.Gaps {
		t.row(g.Schedule, r.day(g.Start), day(g.End), lasting(g.End.Sub(g.Start)))
	}
	return t.flush()
}

func onCallOverrides(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "overrides [SCHEDULE]", Short: "List overrides that are not over", Args: cobra.MaximumNArgs(1),
		Example: "  tocsin on-call overrides\n  tocsin on-call overrides soc",
		RunE: func(c *cobra.Command, args []string) error {
			q := query(url.Values{"schedule": args})
			return show(c.Context(), r, http.MethodGet, "/api/overrides"+q, nil, r.printOverrides)
		},
	}
}

func (r *client) printOverrides(list api.Overrides) error {
	if len(list.Overrides) == 0 {
		return r.say("no overrides")
	}
	t := newTable(r.out, "ID", "SCHEDULE", "FROM", "UNTIL", "WHAT", "BY", "REASON")
	for _, o := range list.Overrides {
		schedule := o.Schedule
		if schedule == "" {
			schedule = "all"
		}
		t.row(o.ID, schedule, r.day(o.From), r.day(o.Until), overridden(o), o.By, o.Reason)
	}
	return t.flush()
}

// overridden is what an override does: "bo for ana".
func overridden(o oncall.Override) string {
	names := strings.Join(o.People, ", ")
	switch o.Kind {
	case oncall.Replace:
		return strings.Join(o.With, ", ") + " for " + names
	case oncall.Add:
		return names + " besides"
	case oncall.Remove:
		return "without " + names
	case oncall.Set:
		return names + " alone"
	}
	return string(o.Kind) + " " + names
}

func onCallOverride(r *client) *cobra.Command {
	var replace, with, add, remove, set []string
	var from, until, reason string
	var all bool
	c := &cobra.Command{
		Use: "override [SCHEDULE]", Short: "Put somebody else on call for a time", Args: cobra.MaximumNArgs(1),
		Long: `override changes who is on call from a moment until another: --replace ANA --with BO
puts bo where and while ana is on call; --add puts people on call besides those who
are; --remove takes them off call; --set has them on call and nobody else. With --all
instead of a schedule it is an absence from all of them.`,
		Example: `  tocsin on-call override soc --replace ana --with bo --until 8h
  tocsin on-call override soc --add cy --from 2026-12-24T18:00:00+01:00 --until 2026-12-25T08:00:00+01:00 --by ana
  tocsin on-call override --all --replace ana --with bo --from 2026-08-01 --until 2026-08-15 --reason holiday`,
		RunE: func(c *cobra.Command, args []string) error {
			body, err := overrideOf(replace, with, add, remove, set)
			if err != nil {
				return err
			}
			switch {
			case len(args) == 0 && !all:
				return usage(errors.New("name a schedule, or say --all"))
			case len(args) == 1 && all:
				return usage(errors.New("a schedule and --all: want one of them"))
			case len(args) == 1:
				body.Schedule = args[0]
			}
			body.By, body.Reason = r.by, reason
			if body.From, err = r.parseTime("from", from); err != nil {
				return err
			}
			if body.Until, err = r.parseTime("until", until); err != nil {
				return err
			}
			if body.Until.IsZero() {
				return usage(errors.New("--until is missing: say until when, such as 8h"))
			}
			return show(c.Context(), r, http.MethodPost, "/api/overrides", body, func(o oncall.Override) error {
				where := "on " + o.Schedule
				if o.Schedule == "" {
					where = "on all schedules"
				}
				return r.say("override %s: %s %s from %s until %s", o.ID, overridden(o), where, r.day(o.From), r.day(o.Until))
			})
		},
	}
	byFlag(c, r)
	flags := c.Flags()
	flags.StringSliceVar(&replace, "replace", nil, "`people` who are replaced; needs --with")
	flags.StringSliceVar(&with, "with", nil, "`people` who come for them")
	flags.StringSliceVar(&add, "add", nil, "`people` who are on call besides")
	flags.StringSliceVar(&remove, "remove", nil, "`people` who are not on call")
	flags.StringSliceVar(&set, "set", nil, "`people` who are on call, and nobody else")
	flags.StringVar(&from, "from", "", "from `TIME` on, "+timeHelp+"; now if left out")
	flags.StringVar(&until, "until", "", "until `TIME` (required)")
	flags.StringVar(&reason, "reason", "", "why")
	flags.BoolVar(&all, "all", false, "on all schedules")
	return c
}

// overrideOf is the one kind that the flags name.
func overrideOf(replace, with, add, remove, set []string) (api.OverrideBody, error) {
	body := api.OverrideBody{}
	given := 0
	for _, one := range []struct {
		kind   oncall.OverrideKind
		people []string
	}{{oncall.Replace, replace}, {oncall.Add, add}, {oncall.Remove, remove}, {oncall.Set, set}} {
		if len(one.people) > 0 {
			given++
			body.Kind, body.People = one.kind, one.people
		}
	}
	switch {
	case given != 1:
		return body, usage(errors.New("say one of --replace, --add, --remove and --set"))
	case body.Kind == oncall.Replace && len(with) == 0:
		return body, usage(errors.New("--with is missing: say who comes for them; if nobody does, say --remove"))
	case body.Kind != oncall.Replace && len(with) > 0:
		return body, usage(errors.New("--with is of --replace"))
	}
	body.With = with
	return body, nil
}

func onCallEnd(r *client) *cobra.Command {
	c := &cobra.Command{
		Use: "end ID", Short: "End an override now", Args: cobra.ExactArgs(1),
		Example: "  tocsin on-call end 7",
		RunE: func(c *cobra.Command, args []string) error {
			return show(c.Context(), r, http.MethodPost, "/api/overrides/"+url.PathEscape(args[0])+"/end", api.Who{By: r.by}, func(done api.OverrideDone) error {
				return r.say("override %s ended by %s", done.ID, r.by)
			})
		},
	}
	byFlag(c, r)
	return c
}

func onCallICal(r *client) *cobra.Command {
	var person bool
	c := &cobra.Command{
		Use: "ical SCHEDULE", Short: "Print the shifts of a schedule as iCalendar", Args: cobra.ExactArgs(1),
		Long: `ical prints the calendar that the server has at /api/schedules/SCHEDULE.ics, or of a
person at /api/people/NAME.ics: four weeks back and half a year ahead.`,
		Example: "  tocsin on-call ical soc > soc.ics\n  tocsin on-call ical --person ana > ana.ics",
		RunE: func(c *cobra.Command, args []string) error {
			path := schedulePath(args[0], ".ics")
			if person {
				path = personPath(args[0], ".ics")
			}
			text, err := r.get(c.Context(), http.MethodGet, path, nil)
			if err != nil {
				return err
			}
			return r.print(text)
		},
	}
	c.Flags().BoolVar(&person, "person", false, "the argument is a person: print their shifts on all schedules")
	return c
}
