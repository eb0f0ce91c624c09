package cli

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/shadow"
)

func shadowCommand(s *shell) *cobra.Command {
	r := &client{shell: s}
	var from, to string
	c := &cobra.Command{
		Use: "shadow", Short: "Compare what another system sent with what tocsin sends: they sent, we would send", Args: cobra.NoArgs,
		Long: `shadow compares the messages that another system sent (the old Lambda function, Alertmanager)
with those that tocsin sent or, with shadow: true, would have sent of the same findings.
What the other one sends comes in by a source of the kind shadow. Findings that only one
of the two tells of come first, each with the reason as far as it is known.`,
		Example: "  tocsin shadow\n  tocsin shadow --from -24h\n  tocsin shadow --from 2026-11-01 --to 2026-11-08 --json",
		RunE: func(c *cobra.Command, _ []string) error {
			q, err := s.period(from, to)
			if err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodGet, "/api/shadow"+q, nil, r.printShadow)
		},
	}
	clientFlags(c, r)
	c.Flags().StringVar(&from, "from", "", "what came in since `TIME`, "+timeHelp+"; 7 days before --to if left out")
	c.Flags().StringVar(&to, "to", "", "what came in before `TIME`; now if left out")
	return c
}

func (r *client) printShadow(rep shadow.Comparison) error {
	t := newTable(r.out)
	t.row(fmt.Sprintf("from %s until %s: they sent %d messages, we %d", clock(rep.From), clock(rep.To), rep.Sent, rep.Told))
	t.row(fmt.Sprintf("findings: %d told by both, %d by them only, %d by us only", rep.Both, rep.TheyOnly, rep.WeOnly))
	if len(rep.Rows) == 0 {
		return t.flush()
	}
	t.gap()
	t.row("", "LEVEL", "ACCOUNT", "FINDING", "THEY", "WE", "WHY")
	for _, row := range rep.Rows {
		level, account, what := "", "", ""
		if f := row.Finding; f != nil {
			level, account, what = f.Level.String(), f.Account, strings.TrimSpace(f.Type+" "+f.ID)
		} else {
			what = row.They[0].Text
		}
		t.row(string(row.Side), level, account, what, strconv.Itoa(len(row.They)), strconv.Itoa(len(row.We)), row.Why)
	}
	return t.flush()
}
