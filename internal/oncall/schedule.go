package oncall

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/wallclock"
)

// A Schedule is the definition of one, as people write it and as its versions are
// kept. It is read by [New]; [Schedule.Validate] says whether it can be.
type Schedule struct {
	Name     string  `json:"name" doc:"What policies and pages call it."`
	TimeZone string  `json:"time_zone" required:"true" doc:"IANA time zone on whose wall clock it runs, such as Europe/Berlin."`
	Mode     string  `json:"mode,omitempty" default:"stack" doc:"stack: the last layer that names somebody is on call. union: all layers together are."`
	Layers   []Layer `json:"layers" required:"true" doc:"Who is on call when; with stack, a later layer goes before an earlier one."`
}

// The modes in which layers meet.
const (
	Stack = "stack" // the last layer that names somebody
	Union = "union" // all of them; one person once
)

// A Layer is turns that follow each other.
type Layer struct {
	Name   string `json:"name,omitempty" doc:"What shifts say they are by; layer 2 if left out."`
	Rotate string `json:"rotate,omitempty" doc:"How long a turn lasts: hourly, daily, weekly, monthly, such as 12 hours or 2 weeks, or every shift, which counts windows. Needed where there are several turns."`
	// From goes both ways: the rotation was there before it, too. A layer that is to
	// begin has a Start.
	From    string    `json:"from,omitempty" doc:"Wall-clock time at which the first turn begins and from which hand-offs are counted, such as 2026-01-05T09:00. Needed where there are several turns."`
	Turns   []Turn    `json:"people" required:"true" doc:"The turns in order: a name, or a list of the names that share the turn; an empty list is nobody."`
	Offset  int       `json:"offset,omitempty" doc:"Which turn is the one at from; 0 is the first."`
	Windows []Window  `json:"windows,omitempty" doc:"When the layer is there; always if left out. Turns go on outside, unless they rotate every shift."`
	Start   time.Time `json:"start,omitzero" doc:"Instant from which the layer is there, such as 2026-01-05T09:00:00+01:00."`
	End     time.Time `json:"end,omitzero" doc:"Instant from which it is there no more."`
}

// A Turn is the people that share it, each once. In JSON one person may stand
// without brackets.
type Turn []string

// MarshalJSON writes "ana", or a list unless it is one person.
func (t Turn) MarshalJSON() ([]byte, error) {
	switch len(t) {
	case 0:
		return []byte("[]"), nil
	case 1:
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// UnmarshalJSON reads "ana" or ["ana", "bo"].
func (t *Turn) UnmarshalJSON(text []byte) error {
	var one string
	if err := json.Unmarshal(text, &one); err == nil && !bytes.Equal(text, []byte("null")) {
		*t = Turn{one}
		return nil
	}
	var several []string
	if err := json.Unmarshal(text, &several); err != nil {
		return errors.New("a turn is a name or a list of names")
	}
	*t = several
	return nil
}

// A Window is a part of every day, or of every week where its edges have weekdays.
// One that ends no later than it begins ends on the next day; equal edges are a
// whole day, or a whole week.
type Window struct {
	From     string   `json:"from" required:"true" doc:"When it opens: 09:00, or with a weekday, Fri 17:00."`
	To       string   `json:"to" required:"true" doc:"When it closes: 17:00, or with a weekday, Mon 08:00."`
	Weekdays []string `json:"weekdays,omitempty" doc:"Days on which a daily window opens: mon, tue-thu; every day if left out."`
}

// A Problem is what is wrong with one field of a definition.
type Problem struct {
	Field string // layers[1].windows[0].from
	Text  string
}

func (p Problem) Error() string { return p.Field + ": " + p.Text }

// ParseSchedule reads the JSON of a schedule, and refuses fields that it does not
// know and what [Schedule.Validate] refuses.
func ParseSchedule(text []byte) (Schedule, error) {
	var s Schedule
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Schedule{}, fmt.Errorf("schedule: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Schedule{}, errors.New("schedule: something follows its end")
	}
	return s, s.Validate()
}

// Validate is nil, or all that is wrong, a line each: schedule "soc":
// layers[0].from: …
func (s Schedule) Validate() error {
	var errs []error
	for _, p := range s.Problems() {
		errs = append(errs, fmt.Errorf("schedule %q: %w", s.Name, p))
	}
	return errors.Join(errs...)
}

// Problems are what is wrong, in the order of the fields.
func (s Schedule) Problems() []Problem {
	_, problems := s.compile()
	return problems
}

// A reader of a definition collects what is wrong with it.
type reader struct{ problems []Problem }

func (r *reader) fail(field, format string, args ...any) {
	r.problems = append(r.problems, Problem{field, fmt.Sprintf(format, args...)})
}

// compile makes of the definition what can be asked. It is to be used only where
// there are no problems.
func (s Schedule) compile() (*roster, []Problem) {
	var r reader
	if strings.TrimSpace(s.Name) == "" {
		r.fail("name", "is empty")
	}
	compiled := &roster{name: s.Name, zone: r.zone(s.TimeZone), union: s.Mode == Union}
	if s.Mode != "" && s.Mode != Stack && s.Mode != Union {
		r.fail("mode", "%q is neither stack nor union", s.Mode)
	}
	if len(s.Layers) == 0 {
		r.fail("layers", "there is none, so nobody would ever be on call")
	}
	names := map[string]bool{}
	for i, l := range s.Layers {
		path := fmt.Sprintf("layers[%d]", i)
		if l.Name == "" {
			l.Name = fmt.Sprintf("layer %d", i+1)
		}
		if names[l.Name] {
			r.fail(path+".name", "%q is there twice", l.Name)
		}
		names[l.Name] = true
		compiled.layers = append(compiled.layers, r.layer(path, l, compiled.zone))
	}
	return compiled, r.problems
}

// zone reads an IANA name.
func (r *reader) zone(name string) *time.Location {
	zone, err := wallclock.Zone(name)
	if err != nil {
		r.fail("time_zone", "%s", err)
		return time.UTC
	}
	return zone
}

// most bounds what is counted, so that arithmetic stays within int64: far more
// than anybody needs.
const most = 10_000

func (r *reader) layer(path string, l Layer, zone *time.Location) layer {
	compiled := layer{name: l.Name, zone: zone, offset: int64(l.Offset), start: l.Start, end: l.End}
	for _, t := range l.Turns {
		compiled.turns = append(compiled.turns, slices.Clone(t))
	}
	r.turns(path+".people", l.Turns)
	if l.Rotate != "" {
		var err error
		if compiled.rotation, err = parseRotation(l.Rotate); err != nil {
			r.fail(path+".rotate", "%s", err)
		}
	} else if len(l.Turns) > 1 {
		r.fail(path+".rotate", "is left out, and there are %d turns", len(l.Turns))
	}
	if l.From != "" {
		from, err := ParseCivil(l.From)
		if err != nil {
			r.fail(path+".from", "%s", err)
		}
		compiled.anchor = from
	} else if len(l.Turns) > 1 {
		r.fail(path+".from", "is left out: say when the first turn begins")
	}
	if l.Offset < -most || l.Offset > most {
		r.fail(path+".offset", "%d is out of range", l.Offset)
	}
	for i, w := range l.Windows {
		compiled.spans = append(compiled.spans, r.window(fmt.Sprintf("%s.windows[%d]", path, i), w)...)
	}
	if compiled.rotation.unit == shifts && len(l.Windows) == 0 {
		r.fail(path+".windows", "there is none, and turns rotate every shift: a shift is a window")
	}
	if !l.Start.IsZero() && !l.End.IsZero() && !l.Start.Before(l.End) {
		r.fail(path+".end", "%s is not after start", l.End.Format(time.RFC3339))
	}
	compiled.arrange()
	return compiled
}

func (r *reader) turns(path string, turns []Turn) {
	switch {
	case len(turns) == 0:
		r.fail(path, "there is nobody")
	case len(turns) > most:
		r.fail(path, "%d turns are more than %d", len(turns), most)
	}
	for i, t := range turns {
		if problem := people(t); problem != "" {
			r.fail(fmt.Sprintf("%s[%d]", path, i), "%s", problem)
		}
	}
}

// people says what is wrong with a list of names, if anything is.
func people(names []string) string {
	seen := map[string]bool{}
	for _, name := range names {
		switch {
		case name == "":
			return "a name is empty"
		case name != strings.TrimSpace(name):
			return fmt.Sprintf("%q has space around it", name)
		case seen[name]:
			return fmt.Sprintf("%q is there twice", name)
		}
		seen[name] = true
	}
	return ""
}
