package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// life is what is written of when alerts end and begin again.
type life struct {
	Reopen            time.Duration `json:"reopen" default:"10m" doc:"How long after its source closed it an alert opens again as itself; later, a new one opens."`
	ReopenAfterPerson time.Duration `json:"reopen_after_person" default:"0s" doc:"The same after a person closed it, unless as a false positive or as an accepted risk."`
	Stale             time.Duration `json:"stale" default:"14d" doc:"An alert that nothing happened to for so long is closed; 0 is never."`
	Quiet             *quiet        `json:"quiet" doc:"Close an alert when its detector has been quiet about it for several of its publishing periods. Left out, it is not done."`
	SourceClose       string        `json:"source_close" default:"close" doc:"What it means that the source regards it as over, such as a finding that is archived: close it, or only mark it for people to close."`
}

type quiet struct {
	Periods   int       `json:"periods" required:"true" doc:"How many periods."`
	Frequency frequency `json:"frequency" default:"6h" doc:"How often GuardDuty publishes updates of a finding, as the administrator account has set it: 15m, 1h or 6h."`
}

// A frequency is how often GuardDuty publishes updates
// (https://docs.aws.amazon.com/guardduty/latest/APIReference/API_CreateDetector.html,
// findingPublishingFrequency).
type frequency tocsin.Updates

func frequencies() []string {
	return []string{string(tocsin.UpdatesQuarterHourly), string(tocsin.UpdatesHourly), string(tocsin.UpdatesSixHourly)}
}

// UnmarshalText reads one of frequencies.
func (f *frequency) UnmarshalText(text []byte) error {
	u, err := tocsin.ParseUpdates(string(text))
	if err != nil || u.Every() == 0 {
		return fmt.Errorf("frequency %q is none of %s", text, strings.Join(frequencies(), ", "))
	}
	*f = frequency(u)
	return nil
}

// mostPeriods keeps a number of periods below a year and a half.
const mostPeriods = 2000

// terms are those under which alerts live.
func (d *decoder) terms(l *life) tocsin.Terms {
	if l == nil {
		return tocsin.DefaultTerms()
	}
	t := tocsin.Terms{Reopen: l.Reopen, ReopenAfterPerson: l.ReopenAfterPerson, Stale: l.Stale, MarkOver: l.SourceClose == "mark"}
	if l.SourceClose != "close" && l.SourceClose != "mark" && !d.failed("alerts.source_close") {
		d.fail(d.spot("alerts.source_close"), "alerts.source_close", "%q is neither close nor mark", l.SourceClose)
	}
	if q := l.Quiet; q != nil {
		if (q.Periods < 1 || q.Periods > mostPeriods) && !d.failed("alerts.quiet") {
			d.fail(d.spot("alerts.quiet.periods"), "alerts.quiet.periods", "%d is not between 1 and %d", q.Periods, mostPeriods)
		}
		t.Quiet = time.Duration(q.Periods) * tocsin.Updates(q.Frequency).Every()
	}
	if t == (tocsin.Terms{}) {
		t.Reopen = 1 // as good as never, but not the zero Terms, which stand for the default ones
	}
	return t
}
