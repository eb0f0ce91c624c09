package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/reports"
)

func reportsLatency(r *client) *cobra.Command {
	var from, to string
	q := url.Values{}
	var account, region, route string
	c := &cobra.Command{
		Use: "latency", Short: "Report how long each stage took from an activity to the person who took its alert on", Args: cobra.NoArgs,
		Long: `latency sums up how long the alerts that opened in a time were under way: from the
activity until GuardDuty made a finding of it, until EventBridge had an event of it, until
tocsin had received it, until people were told, and until somebody took it on. Each is
what half stayed within, what 9 of 10 and what 99 of 100 did, and the longest. A stage that
ended before it began, since the clocks of two machines differ, counts as 0 and is counted
as skewed. Samples are left out; canaries have a table of their own.`,
		Example: "  tocsin reports latency\n  tocsin reports latency --from -31d --region eu-west-1\n  tocsin reports latency --route payments --json",
		RunE: func(c *cobra.Command, _ []string) error {
			begin, err := r.parseTime("from", from)
			if err != nil {
				return err
			}
			end, err := r.parseTime("to", to)
			if err != nil {
				return err
			}
			for name, value := range map[string]string{"from": stamp(begin), "to": stamp(end), "account": account, "region": region, "route": route} {
				q.Set(name, value)
			}
			return show(c.Context(), r, http.MethodGet, "/api/reports/latency"+query(q), nil, r.printLatency)
		},
	}
	flags := c.Flags()
	flags.StringVar(&from, "from", "", "alerts that opened since `TIME`, "+timeHelp+"; 7 days before --to if left out, 31 at most")
	flags.StringVar(&to, "to", "", "alerts that opened before `TIME`; now if left out")
	flags.StringVar(&account, "account", "", "only of this `account`, by its number")
	flags.StringVar(&region, "region", "", "only of this `region`")
	flags.StringVar(&route, "route", "", "only those that this `route` took first")
	return c
}

func (r *client) printLatency(rep reports.LatencyReport) error {
	t := newTable(r.out)
	t.row(fmt.Sprintf("%s that opened from %s until %s", plural(rep.Openings, "alert"), clock(rep.From), clock(rep.To)))
	if rep.Cut {
		t.row("there were more, and only the newest are counted: choose a shorter time")
	}
	t.gap()
	t.row("STAGE", "50%", "90%", "99%", "LONGEST", "COUNTED", "SKEWED")
	for _, s := range rep.Stages {
		if s.Count == 0 {
			t.row(stageWords(s.Stage), "-", "-", "-", "-", "0", "0")
			continue
		}
		t.row(stageWords(s.Stage), lapse(s.P50), lapse(s.P90), lapse(s.P99), lapse(s.Max), strconv.Itoa(s.Count), strconv.Itoa(s.Skewed))
	}
	latencyTable(t, "ACCOUNT", rep.ByAccount)
	latencyTable(t, "REGION", rep.ByRegion)
	latencyTable(t, "ROUTE", rep.ByRoute)
	if len(rep.Canaries) > 0 {
		t.gap()
		t.row("CANARY FROM", "REGION", "TOOK", "SENT", "BY")
	}
	for _, c := range rep.Canaries {
		took := lapse(c.Seconds)
		if c.Skewed {
			took = "skewed"
		}
		t.row(c.Account, c.Region, took, clock(c.SentAt), c.Path)
	}
	return t.flush()
}

// lapse is as seconds, and in milliseconds below one.
func lapse(s float64) string {
	if s < 1 {
		return strconv.FormatFloat(s*1000, 'f', 0, 64) + "ms"
	}
	return seconds(s)
}

// stageWords are a stage as a table has it.
func stageWords(s reports.Stage) string {
	words := map[reports.Stage]string{
		reports.ActivityToCreated: "activity to finding", reports.CreatedToEvent: "finding to event", reports.EventToReceived: "event to here",
		reports.ReceivedToTold: "here to people", reports.ToldToAcknowledged: "people to taken",
	}
	if w := words[s]; w != "" {
		return w
	}
	return string(s)
}

// latencyTable lists the medians and ninth deciles of parts.
func latencyTable(t table, what string, groups []reports.LatencyGroup) {
	if len(groups) == 0 {
		return
	}
	t.gap()
	head := []string{what, "ALERTS"}
	for _, s := range reports.Stages() {
		head = append(head, stageWords(s))
	}
	t.row(head...)
	for _, g := range groups {
		name := g.Name
		if name == "" {
			name = "none"
		}
		row := []string{name, strconv.Itoa(g.Openings)}
		for _, s := range g.Stages {
			if s.Count == 0 {
				row = append(row, "-")
				continue
			}
			row = append(row, lapse(s.P50)+" / "+lapse(s.P90))
		}
		t.row(row...)
	}
}
