package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/coverage"
)

func coverageCommand(s *shell) *cobra.Command {
	r := &client{shell: s}
	var account, region, kind string
	var gaps, fail bool
	c := &cobra.Command{
		Use: "coverage", Short: "Show which accounts and regions are watched, by what proof, and which are dark", Args: cobra.NoArgs,
		Long: `coverage shows until when findings are checked, how many places (an account in a region)
are covered, and each gap and warning with its age and the next step. Of one account it
shows every region with its proof and when that was.

It exits with 0 whatever it finds, and with --fail-on-gap with 1 if there is a gap; a
warning is none.`,
		Example: "  tocsin coverage\n  tocsin coverage --gaps\n  tocsin coverage --account payments-prod\n  tocsin coverage --gaps --fail-on-gap --json",
		RunE: func(c *cobra.Command, _ []string) error {
			q := url.Values{"account": {account}, "region": {region}, "kind": {kind}}
			if gaps {
				q.Set("gaps", "true")
			}
			var g coverage.Grid
			raw, err := r.ask(c.Context(), http.MethodGet, "/api/coverage"+query(q), nil, &g)
			switch {
			case err != nil:
			case r.json:
				err = r.print(raw)
			default:
				err = r.printCoverage(g, gaps, account != "")
			}
			if err == nil && fail && hasGap(g) {
				err = exitCode{errSaid, exitFailed}
			}
			return err
		},
	}
	clientFlags(c, r)
	flags := c.Flags()
	flags.BoolVar(&gaps, "gaps", false, "gaps alone, without warnings and accounts")
	flags.StringVar(&account, "account", "", "accounts of this `ID`, or with this in their name")
	flags.StringVar(&region, "region", "", "this `REGION` alone")
	flags.StringVar(&kind, "kind", "", "gaps and warnings of this `KIND` alone, such as canary-late")
	flags.BoolVar(&fail, "fail-on-gap", false, "exit with 1 if there is a gap")
	return c
}

func hasGap(g coverage.Grid) bool {
	for _, gap := range g.Gaps {
		if gap.Severity == coverage.IsGap {
			return true
		}
	}
	return false
}

// fewAccounts is of how many accounts every region is printed.
const fewAccounts = 3

func (r *client) printCoverage(g coverage.Grid, gapsAlone, oneAccount bool) error {
	t := newTable(r.out)
	if c := g.Reconciliation; c != nil {
		t.row(fmt.Sprintf("checked until %s: received %d, API %d, recovered %d, unexplained %d", clock(c.Until), c.Received, c.API, c.Recovered, c.Unexplained))
	}
	t.row(totals(g.Totals))
	for _, n := range g.Notes {
		t.row("note: " + n.Says + " " + n.Fix)
	}
	if len(g.Gaps) > 0 {
		t.gap()
		t.row("", "KIND", "WHERE", "SINCE", "WHAT")
	}
	for _, gap := range g.Gaps {
		t.row(string(gap.Severity), string(gap.Kind), spot(gap), age(time.Duration(gap.Age)*time.Second), gap.Says)
		t.row("", "", "", "", "next: "+gap.Fix)
		if gap.Command != "" {
			t.row("", "", "", "", "$ "+gap.Command)
		}
	}
	switch {
	case gapsAlone:
	case oneAccount && len(g.Accounts) <= fewAccounts:
		for i := range g.Accounts {
			accountRows(t, g, &g.Accounts[i])
		}
	case len(g.Accounts) > 0:
		t.gap()
		t.row("ACCOUNT", "TEAM", "COVERED", "NOT COVERED")
		for i := range g.Accounts {
			a := &g.Accounts[i]
			t.row(a.Label(), orDash(a.Team), strconv.Itoa(a.Proven)+"/"+strconv.Itoa(a.Expected), uncovered(a))
		}
	}
	return t.flush()
}

// where is the place of a gap with the account's id, for people who copy it.
func spot(gap coverage.Gap) string {
	if gap.Name == "" {
		return gap.Label()
	}
	return gap.Label() + " (" + gap.Account + ")"
}

// totals is the sentence about how many are covered.
func totals(t coverage.Totals) string {
	text := fmt.Sprintf("%d of %d places are covered", t.Covered, t.Places)
	if t.Gaps+t.Unknown > 0 {
		text += fmt.Sprintf(", %d are not: gap %d, unknown %d", t.Gaps+t.Unknown, t.Gaps, t.Unknown)
	}
	if t.Warnings > 0 {
		text += fmt.Sprintf("; %d of the covered have a warning", t.Warnings)
	}
	return text
}

// uncovered are the regions of an account that are not covered, or why none is expected.
func uncovered(a *coverage.Account) string {
	if a.Expected == 0 {
		return a.Why
	}
	var all []string
	for _, c := range a.Cells {
		if c.State == coverage.Dark || c.State == coverage.Unknown {
			all = append(all, c.Region+" ("+stateOf(c)+")")
		}
	}
	return strings.Join(all, ", ")
}

// stateOf is how a place stands: its gaps, or its state where it has none.
func stateOf(c coverage.Cell) string {
	var kinds []string
	for _, k := range c.Kinds {
		kinds = append(kinds, string(k))
	}
	if len(kinds) == 0 {
		return string(c.State)
	}
	return strings.Join(kinds, ", ")
}

// accountRows are the regions of one account.
func accountRows(t table, g coverage.Grid, a *coverage.Account) {
	t.gap()
	t.row(a.Label())
	t.row("REGION", "STATE", "PROOF", "LAST EVENT", "CANARY ARRIVED", "CHECKED UNTIL", "UPDATES")
	for i := range a.Cells {
		c := &a.Cells[i]
		proof, canary, checked, updates := "", time.Time{}, time.Time{}, ""
		if c.Proof != nil {
			proof = string(c.Proof.By) + " " + distance(c.Proof.At, g.At)
			if c.Proof.Account != "" {
				proof += " of " + c.Proof.Account
			}
		}
		if c.Canary != nil {
			canary = c.Canary.ArrivedAt
		}
		if c.Reconciliation != nil {
			checked = c.Reconciliation.Until
		}
		if d := c.Detector; d != nil {
			updates = strings.ToLower(strings.ReplaceAll(d.Frequency, "_", " "))
		}
		t.row(c.Region, stateOf(*c), orDash(proof), orDash(ago(c.LastEvent, g.At)), orDash(ago(canary, g.At)), orDash(ago(checked, g.At)), orDash(updates))
	}
}

// ago is how long before the judgement something was; nothing for never.
func ago(t, judged time.Time) string {
	if t.IsZero() {
		return ""
	}
	return distance(t, judged)
}
