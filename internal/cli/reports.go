package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/reports"
)

func reportsCommand(s *shell) *cobra.Command {
	r := &client{shell: s}
	var from, to string
	c := &cobra.Command{
		Use: "reports", Aliases: []string{"report"}, Short: "Report how soon alerts were answered, who was disturbed, and how much was noise", Args: cobra.NoArgs,
		Long: `reports sums up the alerts that opened in a time: how soon people were told, how soon
somebody took them on and how soon they were over; how many went beyond the first step,
and how many nobody answered; who was called at night; which rules and finding types
were closed as false positive or expected. Times are medians and, behind the slash, what
nine of ten stayed within.`,
		Example: "  tocsin reports\n  tocsin reports --from -90d\n  tocsin reports --from 2026-05-01 --to 2026-06-01 --json",
		RunE: func(c *cobra.Command, _ []string) error {
			q, err := s.period(from, to)
			if err != nil {
				return err
			}
			return show(c.Context(), r, http.MethodGet, "/api/reports"+q, nil, r.printReports)
		},
	}
	clientFlags(c, r)
	c.AddCommand(reportsLatency(r))
	c.Flags().StringVar(&from, "from", "", "alerts that opened since `TIME`, "+timeHelp+"; 30 days before --to if left out")
	c.Flags().StringVar(&to, "to", "", "alerts that opened before `TIME`; now if left out")
	return c
}

// period is the query of a time from --from until --to; what is left out is the
// server's to choose.
func (s *shell) period(from, to string) (string, error) {
	begin, err := s.parseTime("from", from)
	if err != nil {
		return "", err
	}
	end, err := s.parseTime("to", to)
	if err != nil {
		return "", err
	}
	return query(url.Values{"from": {stamp(begin)}, "to": {stamp(end)}}), nil
}

func (r *client) printReports(rep reports.Report) error {
	t := newTable(r.out)
	t.row(fmt.Sprintf("alerts that opened from %s until %s", clock(rep.From), clock(rep.To)))
	t.gap()
	t.row("", "ALERTS", "OPEN", "TOLD WITHIN", "TAKEN WITHIN", "OVER WITHIN", "ESCALATED", "UNANSWERED")
	answersRow(t, "all", rep.Answers)
	for _, g := range rep.ByLevel {
		answersRow(t, g.Name, g.Answers)
	}
	for _, g := range rep.ByTeam {
		name := "team " + g.Name
		if g.Name == "" {
			name = "no team"
		}
		answersRow(t, name, g.Answers)
	}
	if l := rep.LeftOut; l != (reports.LeftOut{}) {
		t.gap()
		t.row(fmt.Sprintf("left out: %d tests and samples, %d that nobody was to be told of, %d closed by their source before anybody was told",
			l.Tests, l.Suppressed, l.ClosedBeforeTold))
	}
	if len(rep.People) > 0 {
		t.gap()
		t.row("PERSON", "MESSAGES", "AT NIGHT")
	}
	for _, p := range rep.People {
		t.row(p.Person, strconv.Itoa(p.Notifications), strconv.Itoa(p.Interruptions))
	}
	noiseTable(t, "RULE", rep.NoiseByRule)
	noiseTable(t, "FINDING TYPE", rep.NoiseByType)
	if len(rep.Schedules) > 0 {
		t.gap()
		t.row("SCHEDULE", "COVERED", "HOURS")
	}
	for _, s := range rep.Schedules {
		t.row(s.Schedule, percentOf(s.Percent), fmt.Sprintf("%g of %g", s.CoveredHours, s.Hours))
	}
	return t.flush()
}

func answersRow(t table, name string, a reports.Answers) {
	t.row(name, strconv.Itoa(a.Episodes), strconv.Itoa(a.Open), within(a.TTN), within(a.TTA), within(a.TTR), share(a.Escalated), share(a.Unanswered))
}

// within is the median and the ninth decile: "2m / 11m". What was never measured is
// a dash, not zero.
func within(m reports.Measure) string {
	if m.Count == 0 {
		return "-"
	}
	return seconds(m.Median) + " / " + seconds(m.P90)
}

// seconds is a duration with two figures at most: "0.4s", "41s", "12m", "3h".
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", s)
	}
	return age(d)
}

func share(s reports.Share) string {
	if s.Count == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", s.Count, percentOf(s.Percent))
}

func percentOf(p float64) string { return strconv.FormatFloat(p, 'f', -1, 64) + "%" }

// noiseTable lists what was noisy, and leaves out what was not.
func noiseTable(t table, what string, all []reports.Noise) {
	head := false
	for _, n := range all {
		if n.FalsePositive+n.Expected == 0 {
			continue
		}
		if !head {
			head = true
			t.gap()
			t.row(what, "CLOSED", "FALSE POSITIVE", "EXPECTED", "NOISE")
		}
		t.row(n.Name, strconv.Itoa(n.Closed), strconv.Itoa(n.FalsePositive), strconv.Itoa(n.Expected), percentOf(n.Percent))
	}
}
