// Package mapping reads events by what the configuration says of their source: a
// map of fields, filters, and conditions for what opens, updates and closes.
//
// An event goes through four questions, in this order, and what each came to is
// told in the reading's steps:
//
//	filters   does it concern us at all?        no: it is filtered
//	map       what is where in it?
//	decision  close, update, acknowledge, open: the first whose condition holds;
//	          without a condition for open everything else opens; none: ignored
//	key       which alert is it?
//
// What tocsin knows the event to be by its looks, or what the kind of its source
// makes of it, is what the map is laid over.
package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// Settings are what the configuration may say of any source besides its kind.
type Settings struct {
	Preset      string           `json:"preset" oneof:"alertops guardduty-5-to-10" doc:"A shipped map with its conditions: alertops or guardduty-5-to-10. What is written beside it goes before it."`
	Filters     []Filter         `json:"filters" doc:"What an event has to be like to be looked at. All of them have to let it pass; what they stop is recorded as filtered."`
	Map         Map              `json:"map" doc:"Where an event has what an alert says: paths such as Message^detail^severity, texts with paths in double braces, lists of which the first that is there counts, or mappings with from and then."`
	Facts       map[string]Field `json:"facts" doc:"More of the event that people are shown, by what it is called; written as in map."`
	Close       Condition        `json:"close" doc:"Events that say that it is over: an event pattern over the mapped fields, {status: [OK]}."`
	Update      Condition        `json:"update" doc:"Events that bring news of an alert that is there, and open none."`
	Acknowledge Condition        `json:"acknowledge" doc:"Events that say that somebody has taken it on elsewhere."`
	Open        Condition        `json:"open" doc:"Events that open an alert. Left out, all that none of the others wants; otherwise what is left is recorded as ignored."`
}

// IsZero reports whether nothing is said.
func (s Settings) IsZero() bool {
	return s.Preset == "" && len(s.Filters) == 0 && len(s.Map.fields()) == 0 && len(s.Facts) == 0 && !s.conditions()
}

// conditions reports whether one of them is said.
func (s Settings) conditions() bool {
	return !s.Close.IsZero() || !s.Update.IsZero() || !s.Acknowledge.IsZero() || !s.Open.IsZero()
}

// Dialect checks the settings and makes what reads the source's events. own is the
// dialect of the source's kind, nil if it has none; it is what is returned where
// the settings say nothing. Errors begin with the path of their setting,
// "filters[0].op: …"; where there are several, they are joined.
func (s Settings) Dialect(own collect.Dialect) (collect.Dialect, error) {
	if s.IsZero() {
		return own, nil
	}
	r := &reader{own: own}
	written := s.Map
	if s.Preset != "" {
		p, known := presets[s.Preset]
		if !known {
			return nil, under("preset", fmt.Errorf("no preset %q%s", s.Preset, didYouMean(s.Preset, Presets())))
		}
		shipped, err := p.settings()
		if err != nil {
			return nil, under("preset", fmt.Errorf("%s: %w", s.Preset, err))
		}
		r.preset, r.caveat, r.finding = s.Preset, p.caveat, p.finding
		s = s.over(shipped)
	}
	var wrong []error
	for i, f := range s.Filters {
		made, err := f.compile()
		if err != nil {
			wrong = append(wrong, under(fmt.Sprintf("filters[%d]", i), err))
		}
		r.filters = append(r.filters, made)
	}
	r.fields = s.Map.fields()
	r.laid = r.fields
	if r.finding {
		r.laid = written.fields()
	}
	for _, name := range slices.Sorted(maps.Keys(s.Facts)) {
		r.facts = append(r.facts, named{name, s.Facts[name]})
	}
	known := r.names()
	for _, c := range []decision{
		{"close", tocsin.IntentClose, s.Close},
		{"update", tocsin.IntentUpdate, s.Update},
		{"acknowledge", tocsin.IntentAcknowledge, s.Acknowledge},
		{"open", "", s.Open},
	} {
		if c.IsZero() {
			continue
		}
		if err := c.check(known); err != nil {
			wrong = append(wrong, under(c.name, err))
		}
		r.decisions = append(r.decisions, c)
	}
	r.opensRest = s.Open.IsZero()
	if s.Preset == "" && own == nil && len(r.fields) > 0 && !s.identifies() {
		wrong = append(wrong, under("map", errors.New("neither key nor source_id is mapped: say what makes two events one alert")))
	}
	return r, errors.Join(wrong...)
}

// identifies reports whether the map says which alert an event is of.
func (s Settings) identifies() bool { return !s.Map.Key.IsZero() || !s.Map.SourceID.IsZero() }

// over is s laid over what a preset says.
func (s Settings) over(shipped Settings) Settings {
	s.Filters = append(slices.Clone(shipped.Filters), s.Filters...)
	s.Map = shipped.Map.over(s.Map)
	facts := maps.Clone(shipped.Facts)
	if facts == nil {
		facts = map[string]Field{}
	}
	maps.Copy(facts, s.Facts)
	s.Facts = facts
	for _, c := range []struct{ mine, theirs *Condition }{
		{&s.Close, &shipped.Close}, {&s.Update, &shipped.Update}, {&s.Acknowledge, &shipped.Acknowledge}, {&s.Open, &shipped.Open},
	} {
		if c.mine.IsZero() {
			*c.mine = *c.theirs
		}
	}
	return s
}

// A decision is what an event is for if its condition holds.
type decision struct {
	name   string
	intent tocsin.Intent
	Condition
}

// reader is the dialect of one source.
type reader struct {
	own            collect.Dialect
	preset, caveat string
	// finding says that events are GuardDuty findings, whatever is left of them.
	finding bool
	filters []filter
	fields  []named
	// laid are those of the fields that go before what the event is known to be.
	laid      []named
	facts     []named
	decisions []decision
	opensRest bool
}

// names are the fields that conditions may ask for.
func (r *reader) names() []string {
	var all []string
	for _, f := range r.fields {
		all = append(all, f.name)
	}
	for _, f := range r.facts {
		all = append(all, f.name)
	}
	return all
}

// Read reads one event.
func (r *reader) Read(source string, raw []byte, base func() (tocsin.Detection, bool)) (collect.Reading, error) {
	reading := collect.Reading{Steps: make([]tocsin.Fact, 0, len(r.filters)+len(r.fields)+len(r.facts)+4)}
	step := func(name, value string) { reading.Steps = append(reading.Steps, tocsin.Fact{Name: name, Value: value}) }
	if r.preset != "" {
		step("preset", r.preset+r.caveat)
	}
	doc, err := ParseDocument(raw)
	if err != nil {
		return reading, err
	}
	for _, f := range r.filters {
		ok, why := f.holds(doc)
		if !ok {
			step("filter", f.name+": stopped: "+why)
			reading.End, reading.Reason = tocsin.Filtered, "filter "+f.name+": "+why
			reading.Detection, _ = base()
			return reading, nil
		}
		step("filter", f.name+": passed: "+why)
	}
	own, known, err := r.known(source, raw, doc, base)
	reading.Steps = append(reading.Steps, own.Steps...)
	if err != nil || own.End != "" {
		own.Steps = reading.Steps
		return own, err
	}
	m := r.read(doc, step)
	if r.finding {
		known = r.asFinding(&own.Detection, m, known)
	}
	reading.Detection = own.Detection
	intent, decided, err := r.decide(m, own.Detection.Intent, step)
	if err != nil {
		return reading, err
	}
	laid := r.laid
	if !known {
		reading.Detection.Dialect, reading.Detection.Level = "map", tocsin.Medium
		laid = r.fields
	}
	said := lay(&reading.Detection, m, laid, r.facts, step)
	if !decided {
		reading.End, reading.Reason = tocsin.Ignored, "no condition wants it: "+r.told(m)
		return reading, nil
	}
	reading.Detection.Intent = intent
	if intent != "" && !known && !said["severity"] {
		reading.Detection.Level = tocsin.Unknown // it says nothing of it
	}
	if intent == tocsin.IntentClose {
		reading.Detection.Over, reading.Detection.OverReason = true, cmp.Or(reading.Detection.OverReason, string(tocsin.ReasonRecovered))
	}
	if err := r.identify(&reading.Detection, source, m, known); err != nil {
		return reading, err
	}
	step("key", string(reading.Detection.Key))
	name(&reading.Detection, source, m)
	return reading, nil
}

// known is what the event is without the map: by the source's kind, by its looks,
// or by the looks of what an SNS envelope holds.
func (r *reader) known(source string, raw []byte, doc *Document, base func() (tocsin.Detection, bool)) (own collect.Reading, known bool, err error) {
	if r.own != nil {
		own, err = r.own.Read(source, raw, base)
		return own, true, err
	}
	if own.Detection, known = base(); known {
		return own, true, nil
	}
	own.Detection, known = enveloped(doc)
	return own, known, nil
}

// asFinding makes the event a finding if it is none yet, and takes from it what the
// map did not find.
func (r *reader) asFinding(d *tocsin.Detection, m mapped, known bool) bool {
	if !known {
		*d, known = rebuilt(m)
	}
	if _, ok := m.value("severity"); !ok && known && d.Severity > 0 {
		m.values["severity"] = strconv.FormatFloat(d.Severity, 'f', -1, 64)
	}
	return known
}

// read reads all fields.
func (r *reader) read(doc *Document, step func(name, value string)) mapped {
	m := mapped{values: make(map[string]string, len(r.fields)+len(r.facts))}
	for _, fields := range [...][]named{r.fields, r.facts} {
		for _, f := range fields {
			text, from, ok := f.field.read(doc)
			switch {
			case ok && from != "":
				step(f.name, quote(text)+" from "+from)
			case ok:
				step(f.name, quote(text))
			default:
				step(f.name, "missing: nothing at "+f.field.places())
				continue
			}
			m.values[f.name] = text
		}
	}
	return m
}

// decide says what the event is for; decided is false if nothing wants it. own is
// what its source's kind says.
func (r *reader) decide(m mapped, own tocsin.Intent, step func(name, value string)) (intent tocsin.Intent, decided bool, err error) {
	for _, d := range r.decisions {
		ok, err := d.holds(m)
		if err != nil {
			return "", false, fmt.Errorf("%s: %w", d.name, err)
		}
		if ok {
			step("decision", d.name+": "+tell(m, d.Condition))
			return d.intent, true, nil
		}
	}
	switch {
	case !r.opensRest:
		step("decision", "none: "+r.told(m))
		return "", false, nil
	case own != "":
		step("decision", string(own)+": the source says so")
	case len(r.decisions) > 0:
		step("decision", "open: no other condition wants it: "+r.told(m))
	default:
		step("decision", "open: there is no condition")
	}
	return own, true, nil
}

// told says what the fields are that the conditions ask for.
func (r *reader) told(m mapped) string {
	conditions := make([]Condition, len(r.decisions))
	for i, d := range r.decisions {
		conditions[i] = d.Condition
	}
	return tell(m, conditions...)
}

// A settingError is what is wrong with a setting, and which.
type settingError struct {
	path string
	err  error
}

func (e *settingError) Error() string { return e.path + ": " + e.err.Error() }
func (e *settingError) Unwrap() error { return e.err }

// under says that what is wrong is in the setting of that name.
func under(name string, err error) error {
	if inner, ok := err.(*settingError); ok { //nolint:errorlint // only what is wrapped by nothing has a path to put the name before
		return &settingError{name + "." + inner.path, inner.err}
	}
	return &settingError{name, err}
}
