package config

import (
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/coverage"
)

// A Coverage is what is expected of accounts and regions, and how people are told of
// those that are dark.
type Coverage struct {
	// Disabled says that nobody watches.
	Disabled bool
	Expect   coverage.Expectation
	Alert    coverage.Alerting
}

// watched is what is written of coverage.
type watched struct {
	Regions  names         `json:"regions" doc:"The regions in which events of every account are expected that says none itself; all is every region that is enabled for the account. Left out, it is those that are enabled for the account as far as a source knows them, and else those in which something of it was seen."`
	Expect   *wanted       `json:"expect" doc:"What GuardDuty is to do in each of them."`
	Silence  time.Duration `json:"silence" default:"0s" doc:"For how long no event and no canary may come from a region before that is a gap; 0 is for ever, since quiet may be good."`
	Alert    *darkness     `json:"alert" doc:"How people are told of gaps. Left out, they are told of gaps, and not of warnings."`
	Disabled bool          `json:"disabled" default:"false" doc:"Nobody watches: no gap is noted and nobody is told; the page judges when it is looked at."`
}

type wanted struct {
	Features names `json:"features" doc:"Protection plans that are to be on, such as S3_DATA_EVENTS; one that is off is a warning, where the region has it."`
}

type darkness struct {
	Level    tocsin.Level  `json:"level" default:"high" doc:"Level of the alert."`
	After    time.Duration `json:"after" default:"15m" doc:"For how long a gap has to be there."`
	Disabled bool          `json:"disabled" default:"false" doc:"Tell nobody; pages, API and metrics show gaps all the same."`
}

// plans are GuardDuty's protection plans, and what is always on
// (https://docs.aws.amazon.com/guardduty/latest/APIReference/API_DetectorFeatureConfigurationResult.html).
var plans = []string{
	"CLOUD_TRAIL", "DNS_LOGS", "FLOW_LOGS", "S3_DATA_EVENTS", "EKS_AUDIT_LOGS", "EBS_MALWARE_PROTECTION", "RDS_LOGIN_EVENTS", "LAMBDA_NETWORK_LOGS",
	"EKS_RUNTIME_MONITORING", "RUNTIME_MONITORING",
}

// allRegions is what is written for all.
const allRegions = "all"

// coverage is what is watched, and how people are told.
func (d *decoder) coverage(f file) Coverage {
	if path := join("sources", coverage.Source); d.isWritten(path) {
		d.fail(d.keySpot(path), path, "is the name by which tocsin itself tells of gaps of coverage; call the source something else")
	}
	c := Coverage{Alert: coverage.Alerting{Level: tocsin.High, After: 15 * time.Minute}}
	w := f.Coverage
	if w == nil {
		return c
	}
	c.Disabled, c.Expect.Silence = w.Disabled, w.Silence
	if slices.Contains(w.Regions, allRegions) {
		c.Expect.All = true
		if len(w.Regions) > 1 {
			d.fail(d.spot("coverage.regions"), "coverage.regions", `has "all" beside others: all alone is every region`)
		}
	} else {
		c.Expect.Regions = d.regions("coverage.regions", w.Regions)
	}
	if w.Expect != nil {
		c.Expect.Features = w.Expect.Features
		for i, name := range w.Expect.Features {
			if !slices.Contains(plans, name) {
				at := d.item("coverage.expect.features", i)
				d.warn(d.spot(at), at, "GuardDuty had no protection plan %q when this was written%s", name, didYouMean(name, plans))
			}
		}
	}
	if a := w.Alert; a != nil {
		c.Alert = coverage.Alerting{Disabled: a.Disabled, Level: a.Level, After: a.After}
	}
	return c
}

// regions are those that are written at a path, each once; nil where none is written,
// which is not the same as an empty list.
func (d *decoder) regions(path string, written names) []string {
	if written == nil {
		return nil
	}
	all := []string{}
	for i, r := range written {
		at := d.item(path, i)
		switch {
		case !coverage.IsRegion(r):
			d.fail(d.spot(at), at, "%q is not a region such as eu-west-1", r)
		case slices.Contains(all, r):
			d.fail(d.spot(at), at, "region %q is there twice", r)
		default:
			all = append(all, r)
		}
	}
	return all
}
