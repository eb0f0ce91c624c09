package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

func peopleCommand(s *shell) *cobra.Command {
	r := &client{shell: s}
	c := &cobra.Command{
		Use: "people", Short: "List and change people, and how they are reached",
		Long: `people are those whom schedules, policies and teams name. How they are reached is kept
in the database: each address proves by a code that it is theirs before it is sent an
alert.`,
		Example: `  tocsin people list
  tocsin people add ana --full-name 'Ana Ruiz' --time-zone Europe/Berlin
  tocsin people contact add ana sms +4930123456
  tocsin people contact verify 1 123456`,
	}
	clientFlags(c, r)
	contact := &cobra.Command{
		Use: "contact", Short: "Add, prove and remove the addresses of people",
		Example: "  tocsin people contact add ana mail ana@example.com\n  tocsin people contact send-code 1\n  tocsin people contact verify 1 123456",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
		Args:    cobra.NoArgs,
	}
	contact.AddCommand(contactAdd(r), contactVerify(r), contactSendCode(r), contactEnable(r), contactRemove(r))
	c.AddCommand(peopleList(r), peopleShow(r), peopleAdd(r), peopleSet(r), peopleEnrol(r), contact)
	return c
}

func personPath(name, what string) string { return "/api/people/" + url.PathEscape(name) + what }

func peopleList(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List people, and whether they can be reached", Args: cobra.NoArgs,
		Example: "  tocsin people list",
		RunE: func(c *cobra.Command, _ []string) error {
			return show(c.Context(), r, http.MethodGet, "/api/people", nil, r.printPeople)
		},
	}
}

func (r *client) printPeople(list api.People) error {
	t := newTable(r.out, "NAME", "FULL NAME", "TIME ZONE", "REACHABLE", "BY")
	for _, p := range list.People {
		var by []string
		for _, c := range p.Contacts {
			if c.Usable() {
				by = append(by, c.Receiver)
			}
		}
		t.row(p.Name, orDash(p.FullName), zone(p), reachable(p), orDash(strings.Join(by, ", ")))
	}
	return t.flush()
}

func zone(p tocsin.Person) string {
	if p.TimeZone == "" {
		return "UTC"
	}
	return p.TimeZone
}

// reachable says whether a person can be told at once of what is urgent.
func reachable(p tocsin.Person) string {
	switch {
	case p.Disabled:
		return "disabled"
	case p.Reachable():
		return "yes"
	}
	return "NO"
}

func peopleShow(r *client) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a person, with their addresses", Args: cobra.ExactArgs(1),
		Example: "  tocsin people show ana",
		RunE: func(c *cobra.Command, args []string) error {
			return show(c.Context(), r, http.MethodGet, personPath(args[0], ""), nil, r.printPerson)
		},
	}
}

func (r *client) printPerson(p tocsin.Person) error {
	t := newTable(r.out)
	t.row(strings.TrimSpace(p.Name + "  " + p.FullName))
	t.gap()
	t.line("reachable", reachable(p))
	t.line("time zone", zone(p))
	if p.Quiet != nil {
		t.line("quiet", p.Quiet.From+"-"+p.Quiet.To+", alerts of low urgency wait")
	}
	t.line("high, critical", rulesLine(p, p.High))
	t.line("other alerts", rulesLine(p, p.Low))
	if err := t.flush(); err != nil {
		return err
	}
	if len(p.Contacts) == 0 {
		return r.say("no addresses; add one with 'tocsin people contact add %s RECEIVER ADDRESS'", p.Name)
	}
	t = newTable(r.out)
	t.gap()
	t.row("CONTACT", "RECEIVER", "ADDRESS", "STATE")
	for _, c := range p.Contacts {
		t.row(strconv.FormatInt(c.ID, 10), c.Receiver, notify.ShownAddress(c.Address), r.contactState(c))
	}
	return t.flush()
}

// rulesLine is how a person is told: "contact 1 (sms) at once, contact 2 (mail) after
// 5m".
func rulesLine(p tocsin.Person, rules []tocsin.NotificationRule) string {
	if len(rules) == 0 {
		return "at once by every address that is verified"
	}
	parts := make([]string, len(rules))
	for i, r := range rules {
		receiver := "removed"
		if c, ok := p.Contact(r.Contact); ok {
			receiver = c.Receiver
		}
		when := "at once"
		if r.Minutes > 0 {
			when = fmt.Sprintf("after %dm", r.Minutes)
		}
		parts[i] = fmt.Sprintf("contact %d (%s) %s", r.Contact, receiver, when)
	}
	return strings.Join(parts, ", ")
}

func (r *client) contactState(c tocsin.Contact) string {
	switch {
	case c.DisabledWhy != "":
		return "disabled: " + c.DisabledWhy
	case c.VerifiedAt.IsZero():
		return "not verified: it is sent nothing but its code"
	}
	return "verified " + r.moment(c.VerifiedAt)
}

// personFlags are what can be said of a person.
type personFlags struct {
	fullName, timeZone, quiet string
	high, low                 []string
	disabled                  bool
}

func (f *personFlags) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.fullName, "full-name", "", "how people call them")
	flags.StringVar(&f.timeZone, "time-zone", "", "IANA time zone, for quiet hours and times in messages (default UTC)")
	flags.StringVar(&f.quiet, "quiet", "", "when alerts of low urgency wait, by their clock, such as 22:00-07:00; none for never")
}

var hoursForm = lazyregexp.New(`^(\d\d:\d\d)-(\d\d:\d\d)$`)

func parseHours(text string) (*tocsin.Hours, error) {
	if text == "none" {
		return nil, nil
	}
	m := hoursForm.FindStringSubmatch(text)
	if m == nil {
		return nil, usage(fmt.Errorf("--quiet %q: want hours such as 22:00-07:00, or none", text))
	}
	return &tocsin.Hours{From: m[1], To: m[2]}, nil
}

// parseRules reads "1" and "2+5m": contact 1 at once, contact 2 after five minutes.
// "all" alone is every address at once.
func parseRules(flag string, texts []string) ([]tocsin.NotificationRule, error) {
	if len(texts) == 1 && texts[0] == "all" {
		return nil, nil
	}
	var rules []tocsin.NotificationRule
	for _, text := range texts {
		id, after, later := strings.Cut(text, "+")
		n, err := strconv.ParseInt(id, 10, 64)
		var wait time.Duration
		if later && err == nil {
			wait, err = config.ParseDuration(after)
		}
		if err != nil || n < 1 || wait%time.Minute != 0 {
			return nil, usage(fmt.Errorf("--%s %q: want the number of a contact, and after + whole minutes, such as 1 or 2+5m", flag, text))
		}
		rules = append(rules, tocsin.NotificationRule{Contact: n, Minutes: int(wait / time.Minute)})
	}
	return rules, nil
}

// apply writes what was said into what the API takes.
func (f *personFlags) apply(c *cobra.Command, body *api.PersonBody) error {
	changed := c.Flags().Changed
	if changed("full-name") {
		body.FullName = f.fullName
	}
	if changed("time-zone") {
		body.TimeZone = f.timeZone
	}
	var err error
	if changed("quiet") {
		if body.Quiet, err = parseHours(f.quiet); err != nil {
			return err
		}
	}
	if changed("high") {
		if body.High, err = parseRules("high", f.high); err != nil {
			return err
		}
	}
	if changed("low") {
		if body.Low, err = parseRules("low", f.low); err != nil {
			return err
		}
	}
	if changed("disabled") {
		body.Disabled = f.disabled
	}
	return nil
}

func peopleAdd(r *client) *cobra.Command {
	var f personFlags
	c := &cobra.Command{
		Use: "add NAME", Short: "Write down a person, by the name that schedules and policies use", Args: cobra.ExactArgs(1),
		Example: "  tocsin people add ana --full-name 'Ana Ruiz' --time-zone Europe/Berlin --quiet 22:00-07:00",
		RunE: func(c *cobra.Command, args []string) error {
			body := api.PersonBody{By: r.by}
			if err := f.apply(c, &body); err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodPut, personPath(args[0], ""), body, func(p tocsin.Person) error {
				return r.say("%s is written down; add an address with 'tocsin people contact add %s RECEIVER ADDRESS'", p.Name, p.Name)
			})
		},
	}
	f.flags(c)
	byFlag(c, r)
	return c
}

func peopleSet(r *client) *cobra.Command {
	var f personFlags
	c := &cobra.Command{
		Use: "set NAME", Short: "Change what is written of a person", Args: cobra.ExactArgs(1),
		Long: `set changes what its flags say and leaves the rest. --high and --low say how the person
is told of alerts of high and critical level, and of others: numbers of contacts, each
with the minutes it waits, or all for every address at once.`,
		Example: "  tocsin people set ana --time-zone America/New_York --quiet none\n  tocsin people set ana --high 1,2+5m --low 2\n  tocsin people set bo --disabled",
		RunE: func(c *cobra.Command, args []string) error {
			var old tocsin.Person
			if _, err := r.ask(c.Context(), http.MethodGet, personPath(args[0], ""), nil, &old); err != nil {
				return err
			}
			body := api.PersonBody{
				By: r.by, Version: old.Version, FullName: old.FullName, TimeZone: old.TimeZone, Quiet: old.Quiet, High: old.High, Low: old.Low, Disabled: old.Disabled,
			}
			if err := f.apply(c, &body); err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodPut, personPath(args[0], ""), body, r.printPerson)
		},
	}
	f.flags(c)
	byFlag(c, r)
	flags := c.Flags()
	flags.StringSliceVar(&f.high, "high", nil, "how they are told of high and critical alerts: `contacts` such as 1,2+5m, or all")
	flags.StringSliceVar(&f.low, "low", nil, "how they are told of other alerts: `contacts`, or all")
	flags.BoolVar(&f.disabled, "disabled", false, "have them told nothing; --disabled=false undoes it")
	return c
}

func contactPath(id int64, what string) string { return fmt.Sprintf("/api/contacts/%d/%s", id, what) }

func contactAdd(r *client) *cobra.Command {
	c := &cobra.Command{
		Use: "add NAME RECEIVER ADDRESS", Short: "Add an address of a person, and send it a code", Args: cobra.ExactArgs(3),
		Example: "  tocsin people contact add ana sms +4930123456\n  tocsin people contact add ana mail ana@example.com",
		RunE: func(c *cobra.Command, args []string) error {
			body := api.ContactBody{By: r.by, Receiver: args[1], Address: args[2]}
			return show(c.Context(), r, http.MethodPost, personPath(args[0], "/contacts"), body, func(made tocsin.Contact) error {
				return r.say("contact %d, %s by %s: a code is on its way; 'tocsin people contact verify %d CODE' proves the address", made.ID, notify.ShownAddress(made.Address), made.Receiver, made.ID)
			})
		},
	}
	byFlag(c, r)
	return c
}

// onContact is a command about one contact.
func onContact(use, short, example string, do func(c *cobra.Command, id int64, args []string) error) *cobra.Command {
	words := strings.Fields(use)
	return &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ExactArgs(len(words) - 1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := number("a contact", args[0])
			if err != nil {
				return err
			}
			return do(c, id, args[1:])
		},
	}
}

func contactVerify(r *client) *cobra.Command {
	return onContact("verify CONTACT CODE", "Give the code that the address was sent", "  tocsin people contact verify 1 123456", func(c *cobra.Command, id int64, args []string) error {
		return show(c.Context(), r, http.MethodPost, contactPath(id, "verify"), api.CodeBody{Code: args[0]}, func(made tocsin.Contact) error {
			return r.say("%s by %s is %s's: it is told of alerts from now on", notify.ShownAddress(made.Address), made.Receiver, made.Person)
		})
	})
}

func contactSendCode(r *client) *cobra.Command {
	return onContact("send-code CONTACT", "Send the code once more, three times an hour at most", "  tocsin people contact send-code 1", func(c *cobra.Command, id int64, _ []string) error {
		return show(c.Context(), r, http.MethodPost, contactPath(id, "send-code"), nil, func(made tocsin.Contact) error {
			return r.say("a code is on its way to %s by %s", notify.ShownAddress(made.Address), made.Receiver)
		})
	})
}

func contactEnable(r *client) *cobra.Command {
	c := onContact("enable CONTACT", "Use a disabled address again, once its code is given", "  tocsin people contact enable 1", func(c *cobra.Command, id int64, _ []string) error {
		return show(c.Context(), r, http.MethodPost, contactPath(id, "enable"), api.Who{By: r.by}, func(made tocsin.Contact) error {
			return r.say("a code is on its way to %s by %s; 'tocsin people contact verify %d CODE' has it used again", notify.ShownAddress(made.Address), made.Receiver, made.ID)
		})
	})
	byFlag(c, r)
	return c
}

func contactRemove(r *client) *cobra.Command {
	c := onContact("remove CONTACT", "Forget an address", "  tocsin people contact remove 1", func(c *cobra.Command, id int64, _ []string) error {
		return show(c.Context(), r, http.MethodPost, contactPath(id, "remove"), api.Who{By: r.by}, func(done api.Done) error {
			return r.say("contact %d is forgotten", done.ID)
		})
	})
	byFlag(c, r)
	return c
}
