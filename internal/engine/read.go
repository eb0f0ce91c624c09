package engine

import (
	"crypto/sha256"
	"fmt"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/cloudwatch"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/generic"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/rules"
)

// A reading is an event with all that could be said of it before the store is
// asked: the part of accepting that runs in parallel and outside a transaction.
type reading struct {
	event     *tocsin.Event
	delivery  string           // what makes a redelivery one; empty if nothing does
	detection tocsin.Detection // to be folded, unless event.Verdict is set
	steps     []tocsin.Fact    // how the source's dialect came to that
}

// read asks the dialects and the rules. It sets the event's Verdict where the
// event ends there.
func (p *Plan) read(ev *tocsin.Event) reading {
	ev.Size, ev.Deliveries = len(ev.Raw), 1
	r := reading{event: ev, delivery: delivery(ev)}
	if ev.Unreadable != "" {
		return r.end(tocsin.Malformed, ev.Unreadable)
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
		return cloudwatch.Read(r.event.Raw)
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

func (p *Plan) readGeneric(r reading) reading {
	rule, ok, err := p.Rules.First(r.event.Raw)
	if err != nil {
		return r.end(tocsin.Malformed, err.Error())
	}
	ev := generic.Read(r.event.Raw)
	r.describe(ev.Detection(rule.Name, rule.Alert.Key))
	if !ok && ev.Envelope() {
		return r.end(tocsin.Filtered, "no rule matched")
	}
	if !ok {
		return r.end(tocsin.Unmapped, "neither an EventBridge event nor a finding, and no rule matched")
	}
	return p.detect(r, rule, func() tocsin.Detection { return ev.Detection(rule.Name, rule.Alert.Key) })
}

// detect lets the rule that matched have its say. Only what it wants is put into
// words.
func (p *Plan) detect(r reading, rule rules.Rule, read func() tocsin.Detection) reading {
	r.event.Rule = rule.Name
	if rule.Drop != "" {
		return r.end(tocsin.Filtered, rule.Drop)
	}
	d := rule.Alert.Apply(read())
	d.Rule = rule.Name
	r.event.Level = d.Level
	if reason, ok := p.Rules.Wanted(d); !ok {
		return r.end(tocsin.Filtered, reason)
	}
	d.Path = r.event.Via + ":" + r.event.Source
	r.detection = d
	return r
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
