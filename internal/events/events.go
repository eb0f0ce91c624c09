// Package events is the list of the events that have a reading of their own, by the
// source and the detail-type of their envelopes.
//
// GuardDuty's findings and CloudWatch's alarms are not on it: they come without an
// envelope as well, and are known by their looks.
package events

import (
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/accessanalyzer"
	"github.com/tocsin-sec/tocsin/internal/cloudtrail"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/health"
	"github.com/tocsin-sec/tocsin/internal/inspector"
	"github.com/tocsin-sec/tocsin/internal/macie"
	"github.com/tocsin-sec/tocsin/internal/securityhub"
	"github.com/tocsin-sec/tocsin/internal/trustedadvisor"
)

// A Reading is what a dialect makes of an event.
type Reading struct {
	// Detections are to be folded into alerts, in the order of the event.
	Detections []tocsin.Detection
	// Quiet says why there is nothing to tell of, where there is nothing: "no threats
	// were found in the object".
	Quiet string
}

// A Dialect reads one kind of event.
type Dialect struct {
	// Read puts an event into words. ok is false where the event is not what its
	// envelope says it is.
	Read func(raw []byte) (r Reading, ok bool)
	// Brief is what lists need of an event that nobody wants, of which it takes less than
	// Read: type, account, region and level, as far as the event's detail says them. It
	// is nil where the envelope has it all.
	Brief func(raw []byte) tocsin.Detection
	// ByRule says that an alert is a rule's: the key is within it.
	ByRule bool
}

// quietScan is why a scan of Inspector's is not told of.
const quietScan = "a scan that is complete: what it found comes as findings"

// named are the dialects of one source, by detail-type.
var named = map[string]map[string]*Dialect{
	guardduty.Source: each(guardduty.Notices(), &Dialect{Read: notice}),
	trustedadvisor.Source: {
		trustedadvisor.DetailType: {Read: one(trustedadvisor.Read)},
	},
	health.Source: each([]string{health.DetailType, health.AbuseDetailType}, &Dialect{Read: one(health.Read), Brief: brief(briefHealth)}),
	inspector.Source: {
		inspector.DetailType:     {Read: one(inspector.Read), Brief: brief(briefInspector)},
		inspector.ScanDetailType: {Read: quiet(quietScan)},
	},
	macie.Source: {
		macie.DetailType: {Read: one(macie.Read), Brief: brief(briefMacie)},
	},
	accessanalyzer.Source: each([]string{accessanalyzer.DetailType, accessanalyzer.InternalDetailType, accessanalyzer.UnusedDetailType}, &Dialect{Read: one(accessanalyzer.Read), Brief: brief(briefAccessAnalyzer)}),
	securityhub.Source:    each(securityhub.DetailTypes(), &Dialect{Read: several(securityhub.Read), Brief: brief(briefSecurityHub)}),
}

// anywhere are the dialects of detail-types that every source of AWS's has.
var anywhere = each(cloudtrail.DetailTypes(), &Dialect{Read: one(cloudtrail.Read), Brief: brief(briefCloudTrail), ByRule: true})

// Find is the dialect of such an event, or nil. Whoever looks for one has the envelope
// read already.
func Find(source, detailType string) *Dialect {
	if d := named[source][detailType]; d != nil {
		return d
	}
	if len(source) > len("aws.") && source[:len("aws.")] == "aws." {
		return anywhere[detailType]
	}
	return nil
}

// each is a dialect by every one of the detail-types.
func each(detailTypes []string, d *Dialect) map[string]*Dialect {
	all := make(map[string]*Dialect, len(detailTypes))
	for _, t := range detailTypes {
		all[t] = d
	}
	return all
}

func one(read func([]byte) (tocsin.Detection, bool)) func([]byte) (Reading, bool) {
	return func(raw []byte) (Reading, bool) {
		d, ok := read(raw)
		if !ok {
			return Reading{}, false
		}
		return Reading{Detections: []tocsin.Detection{d}}, true
	}
}

func several(read func([]byte) ([]tocsin.Detection, bool)) func([]byte) (Reading, bool) {
	return func(raw []byte) (Reading, bool) {
		ds, ok := read(raw)
		return Reading{Detections: ds}, ok
	}
}

func quiet(why string) func([]byte) (Reading, bool) {
	return func([]byte) (Reading, bool) { return Reading{Quiet: why}, true }
}

func notice(raw []byte) (Reading, bool) {
	d, why, ok := guardduty.ReadNotice(raw)
	return Reading{Detections: []tocsin.Detection{d}, Quiet: why}, ok
}

func brief(read func(detail gjson.Result) tocsin.Detection) func([]byte) tocsin.Detection {
	return func(raw []byte) tocsin.Detection { return read(gjson.GetBytes(raw, "detail")) }
}

func briefHealth(detail gjson.Result) (d tocsin.Detection) {
	d.Account, d.Region = health.Brief(detail)
	return d
}

func briefInspector(detail gjson.Result) (d tocsin.Detection) {
	d.Account, d.Level = inspector.Brief(detail)
	return d
}

func briefMacie(detail gjson.Result) (d tocsin.Detection) {
	d.Account, d.Level = macie.Brief(detail)
	return d
}

func briefAccessAnalyzer(detail gjson.Result) (d tocsin.Detection) {
	d.Account, d.Level = accessanalyzer.Brief(detail)
	return d
}

func briefCloudTrail(detail gjson.Result) (d tocsin.Detection) {
	d.Account, d.Region = cloudtrail.Brief(detail)
	return d
}

func briefSecurityHub(detail gjson.Result) (d tocsin.Detection) {
	d.Type, d.Account, d.Region, d.Level = securityhub.Brief(detail)
	return d
}
