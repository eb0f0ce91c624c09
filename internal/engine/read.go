package engine

import (
	"cmp"
	"crypto/sha256"
	"fmt"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/canary"
	"github.com/tocsin-sec/tocsin/internal/cloudwatch"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/events"
	"github.com/tocsin-sec/tocsin/internal/generic"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/rules"
)

// A reading is an event with all that could be said of it before the store is
// asked: the part of accepting that runs in parallel and outside a transaction.
type reading struct {
	event     *tocsin.Event
	delivery  string             // what makes a redelivery one; empty if nothing does
	detection tocsin.Detection   // to be folded, unless event.Verdict is set
	more      []tocsin.Detection // what else the event tells of, to be folded too
	steps     []tocsin.Fact      // how the source's dialect came to that
	claim     *canaryClaim       // that it is a canary of ours; mostly nil
	watched   bool               // the claim is right
}

// read asks the dialects and the rules. It sets the event's Verdict where the
// event ends there.
func (p *Plan) read(ev *tocsin.Event) reading {
	ev.Size, ev.Deliveries = len(ev.Raw), 1
	r := reading{event: ev, delivery: delivery(ev)}
	if ev.Unreadable != "" {
		return r.end(tocsin.Malformed, ev.Unreadable)
	}
	if id, ok := canary.Read(ev.Raw); ok {
		return readCanary(r, id)
	}
	if ev.Unwanted != "" {
		r.describe(generic.Read(ev.Raw).Detection("", nil))
		return r.end(tocsin.Filtered, ev.Unwanted)
	}
	if d := p.Dialects[ev.Source]; d != nil {
		return p.readBy(d, r)
	}
	finding, ok, err := guardduty.Read(ev.Raw)
	if err != nil {
		return r.end(tocsin.Malformed, err.Error())
	}
	if ok {
		return p.readFinding(r, finding)
	}
	if d, ok := cloudwatch.Read(ev.Raw); ok {
		return p.readAlarm(r, d)
	}
	return p.readGeneric(r)
}

// readBy reads an event by its source's own dialect, which says that it matters.
// Rules may drop it all the same, or say more of its alert.
func (p *Plan) readBy(d collect.Dialect, r reading) reading {
	text := r.event.Raw
	got, err := d.Read(r.event.Source, text, func() (tocsin.Detection, bool) {
		if f, ok, err := guardduty.Read(r.event.Raw); ok && err == nil {
			text = f.Event()
			return f.Detection(), true
		}
		if d, ok := cloudwatch.Read(r.event.Raw); ok {
			return d, true
		}
		return readNamed(r.event.Raw)
	})
	r.steps = got.Steps
	if err != nil {
		return r.end(tocsin.Malformed, err.Error())
	}
	r.describe(got.Detection)
	if got.End != "" {
		return r.end(got.End, got.Reason)
	}
	// What is no JSON (a form) no rule can match.
	rule, _, _ := p.Rules.First(text)
	return p.detect(r, rule, func() tocsin.Detection { return got.Detection })
}

// readAlarm reads a CloudWatch alarm, whichever way it came.
func (p *Plan) readAlarm(r reading, d tocsin.Detection) reading {
	r.describe(d)
	rule, ok, err := p.Rules.First(cloudwatch.Event(r.event.Raw))
	if err != nil {
		return r.end(tocsin.Malformed, err.Error())
	}
	if !ok {
		return r.end(tocsin.Filtered, "no rule matched")
	}
	return p.detect(r, rule, func() tocsin.Detection { return d })
}

func (p *Plan) readFinding(r reading, f guardduty.Finding) reading {
	r.describe(f.Brief())
	r.event.Finding, r.event.Version = f.Key(), f.Version()
	r.claimSample(f)
	// The match reads the whole event, so that it is also what finds out that an
	// event is not JSON.
	rule, ok, err := p.Rules.First(f.Event())
	if err != nil {
		return r.end(tocsin.Malformed, err.Error())
	}
	if !ok {
		return r.end(tocsin.Filtered, "no rule matched")
	}
	return p.detect(r, rule, f.Detection)
}

// readGeneric reads what is known by its envelope, if at all. Its dialect is asked for
// words only where a rule wants them.
func (p *Plan) readGeneric(r reading) reading {
	rule, ok, err := p.Rules.First(r.event.Raw)
	if err != nil {
		return r.end(tocsin.Malformed, err.Error())
	}
	ev := generic.Read(r.event.Raw)
	dialect := events.Find(ev.Source, ev.Type)
	if ok && rule.Drop == "" && dialect != nil {
		if got, known := dialect.Read(r.event.Raw); known {
			return p.readEvent(r, rule, dialect, ev, got)
		}
	}
	r.describeBriefly(dialect, ev.Detection(rule.Name, rule.Alert.Key))
	if !ok && ev.Envelope() {
		return r.end(tocsin.Filtered, "no rule matched")
	}
	if !ok {
		return r.end(tocsin.Unmapped, "neither an EventBridge event nor a finding, and no rule matched")
	}
	return p.detect(r, rule, func() tocsin.Detection { return ev.Detection(rule.Name, rule.Alert.Key) })
}

// readEvent takes what a dialect made of an event that a rule wants.
func (p *Plan) readEvent(r reading, rule rules.Rule, dialect *events.Dialect, ev generic.Event, got events.Reading) reading {
	r.event.Rule = rule.Name
	envelope := ev.Detection(rule.Name, rule.Alert.Key)
	if len(got.Detections) == 0 {
		r.describe(envelope)
	} else {
		r.describe(got.Detections[0])
	}
	if got.Quiet != "" {
		return r.end(tocsin.Filtered, got.Quiet)
	}
	if d := got.Detections[0]; d.Copied && d.Sample && len(got.Detections) == 1 {
		r.claim = &canaryClaim{at: tocsin.Place{Account: d.Account, Region: d.Region}, sample: d.Type, copied: true}
	}
	var wanted []tocsin.Detection
	var unwanted string
	for _, d := range got.Detections {
		switch {
		case len(rule.Alert.Key) > 0 && !d.Copied: // a copy is the alert of whoever found it
			d.Key = envelope.Key
		case dialect.ByRule:
			d.Key = tocsin.KeyOf("rule", rule.Name) + "/" + d.Key
		}
		d.EventAt = ev.Time
		d, reason, ok := p.judge(r.event, rule, d)
		if !ok {
			unwanted = reason
			continue
		}
		wanted = append(wanted, d)
	}
	if len(wanted) == 0 {
		return r.end(tocsin.Filtered, unwanted)
	}
	r.event.Level = wanted[0].Level
	for _, d := range wanted {
		r.event.Level = max(r.event.Level, d.Level)
	}
	r.detection, r.more = wanted[0], wanted[1:]
	return r
}

// readNamed is the first thing that an event tells of whose dialect is found by its
// envelope.
func readNamed(raw []byte) (d tocsin.Detection, ok bool) {
	ev := generic.Read(raw)
	dialect := events.Find(ev.Source, ev.Type)
	if dialect == nil {
		return d, false
	}
	got, ok := dialect.Read(raw)
	if !ok || got.Quiet != "" {
		return d, false
	}
	return got.Detections[0], true
}

// detect lets the rule that matched have its say. Only what it wants is put into
// words.
func (p *Plan) detect(r reading, rule rules.Rule, read func() tocsin.Detection) reading {
	r.event.Rule = rule.Name
	if rule.Drop != "" {
		return r.end(tocsin.Filtered, rule.Drop)
	}
	d, reason, ok := p.judge(r.event, rule, read())
	r.event.Level = d.Level
	if !ok {
		return r.end(tocsin.Filtered, reason)
	}
	r.detection = d
	return r
}

// judge gives the detection what its rule says of it. It is false, with the reason,
// where the account does not want it.
func (p *Plan) judge(ev *tocsin.Event, rule rules.Rule, d tocsin.Detection) (_ tocsin.Detection, reason string, ok bool) {
	d = rule.Alert.Apply(d)
	d.Rule = rule.Name
	if reason, ok := p.Rules.Wanted(d); !ok {
		return d, reason, false
	}
	d.Path = ev.Via + ":" + ev.Source
	return d, "", true
}

// describeBriefly is [reading.describe] of an event that is not put into words: what
// its dialect says without, and the envelope.
func (r *reading) describeBriefly(dialect *events.Dialect, envelope tocsin.Detection) {
	r.describe(envelope)
	if dialect == nil {
		return
	}
	r.event.Level = tocsin.Unknown // the envelope does not say
	if dialect.Brief == nil {
		return
	}
	d := dialect.Brief(r.event.Raw)
	r.event.Type, r.event.Account, r.event.Region = cmp.Or(d.Type, r.event.Type), cmp.Or(d.Account, r.event.Account), cmp.Or(d.Region, r.event.Region)
	r.event.Level = d.Level
}

func (r *reading) describe(d tocsin.Detection) {
	r.event.Type, r.event.Account, r.event.Region, r.event.Level = d.Type, d.Account, d.Region, d.Level
}

func (r reading) end(v tocsin.Verdict, reason string) reading {
	r.event.Verdict, r.event.Reason = v, reason
	return r
}

// delivery identifies what the sender would send again: the same envelope id
// from the same source with the same bytes. The bytes are in it so that a sender
// that reuses its ids loses nothing. It is 16 bytes and no text.
func delivery(ev *tocsin.Event) string {
	if ev.Envelope == "" {
		return ""
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d/%s/%d/%s/", len(ev.Source), ev.Source, len(ev.Envelope), ev.Envelope)
	h.Write(ev.Raw)
	return string(h.Sum(nil)[:16])
}
