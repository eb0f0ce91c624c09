package notify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// An Outline is what a message says, top down, for notifiers that show a text:
// clean and defanged, and escaped for no receiver.
type Outline struct {
	First     string        // the first line; see [FirstLine]
	Situation string        // level, state, type, how often before
	Prose     []string      // what changed, what the finding says, what a note says
	Facts     []tocsin.Fact // without the first step
	Step      string        // the first thing to run, not defanged (see [Command]), or ""
	Items     []Line        // the alerts of a digest
	More      string        // what is left out: "12 more"
	Answers   []Line        // what the reader can do, by links
	Links     []Line        // where there is more to see: the alert's page first
	Footer    string        // whose finding it is, why they are told, the message's id

	news  bool // it is not asked of anybody to act
	paged bool // the first link is the alert's page
	items int
}

// A Line is a text, and where it leads if anywhere.
type Line struct{ Text, URL string }

// ItemsMax is the greatest number of alerts that an outline lists; it says how
// many more there are.
const ItemsMax = 50

// OutlineOf is all that a message says.
func OutlineOf(m Message, now time.Time) Outline {
	o := Outline{First: FirstLine(m), Footer: footer(m), Answers: answers(m), Links: links(m), items: len(m.Digest)}
	o.paged = m.Alert.ID != 0 && AlertLink(m) != ""
	switch m.Kind {
	case tocsin.TellDigest:
		for _, item := range m.Digest {
			o.Items = append(o.Items, Line{LookOf(item.Alert.Level).Shape + " " + item.Line(), item.Link()})
		}
		o.limit(shrinks[0])
	case tocsin.TellNote:
		if note := Note(m); note != o.First {
			o.Prose = []string{note}
		}
	case tocsin.TellCode:
		o.Footer = "" // they asked for it
		if text := Truncate(Defang(Clean(m.Text)), 500, Runes); text != "" {
			o.Prose = []string{text}
		}
	default:
		o.alert(m, now)
	}
	return o
}

// alert is how an alert stands.
func (o *Outline) alert(m Message, now time.Time) {
	o.news = !m.Kind.Calls()
	level := LookOf(m.Alert.Level)
	parts := []string{level.Shape + " " + level.Word, m.State()}
	if m.Alert.Sample {
		parts = append(parts, "SAMPLE")
	}
	o.Situation = joinDots(append(parts, Type(m), Seen(m))...)
	if changes := besides(m); changes != "" {
		o.Prose = append(o.Prose, "What changed: "+changes)
	}
	if prose := Description(m); prose != "" {
		o.Prose = append(o.Prose, prose)
	}
	for _, f := range Facts(m, now) {
		if f.Name == "First step" {
			o.Step = f.Value
			continue
		}
		o.Facts = append(o.Facts, f)
	}
	if m.Team == m.Account.Team {
		m.Team = "" // it is said with the account
	}
	if who := OnCall(m); who != "" {
		o.Facts = append(o.Facts, tocsin.Fact{Name: "On call", Value: strings.TrimPrefix(who, "on call ")})
	}
}

// answers are the links by which the reader acts. There is nothing to be done
// about a closed alert.
func answers(m Message) []Line {
	if m.Kind == tocsin.TellClosed || m.Alert.Status == tocsin.StatusClosed {
		return nil
	}
	var lines []Line
	for _, a := range m.Actions {
		if url, label := a.Link(), Truncate(Clean(a.Label), 40, Runes); url != "" && label != "" {
			lines = append(lines, Line{label, url})
		}
	}
	return lines
}

func links(m Message) []Line {
	var lines []Line
	add := func(text, url string) {
		if url != "" {
			lines = append(lines, Line{text, url})
		}
	}
	if m.Alert.ID == 0 {
		add("More", AlertLink(m))
		return lines
	}
	add("Alert #"+strconv.FormatInt(m.Alert.ID, 10), AlertLink(m))
	add("AWS console", ConsoleLink(m))
	add("About this type", DocumentationLink(m))
	return lines
}

// TakePage takes the alert's page out of the links, for receivers that link it from a
// title; ok is false where it is not among them.
func (o *Outline) TakePage() (page Line, ok bool) {
	if !o.paged || len(o.Links) == 0 {
		return Line{}, false
	}
	page, o.Links, o.paged = o.Links[0], o.Links[1:], false
	return page, true
}

func footer(m Message) string {
	var parts []string
	if m.Alert.ID != 0 {
		parts = append(parts, "alert #"+strconv.FormatInt(m.Alert.ID, 10))
	}
	if id := FindingID(m); id != "" {
		parts = append(parts, "finding "+id)
	}
	return joinDots(append(parts, Why(m))...)
}

// Brief is the outline of news that stand by themselves: what changed, when it
// was and who is on call. What calls for somebody stays whole.
func (o Outline) Brief() Outline {
	if !o.news {
		return o
	}
	prose := slices.DeleteFunc(slices.Clone(o.Prose), func(s string) bool { return !strings.HasPrefix(s, "What changed: ") })
	facts := slices.DeleteFunc(slices.Clone(o.Facts), func(f tocsin.Fact) bool { return f.Name != "When" && f.Name != "On call" })
	o.Prose, o.Facts, o.Step = prose, facts, ""
	return o
}

// A shrink is how much of an outline is shown.
type shrink struct {
	value, prose, facts, items int
	step, footer               bool
	answers, links             int
}

// every is more answers and links than there are.
const every = 1 << 10

// shrinks are tried in turn until it fits.
var shrinks = []shrink{
	{500, 2000, FactsMax + 1, ItemsMax, true, true, every, every},
	{300, 900, FactsMax + 1, 30, true, true, every, every},
	{200, 500, FactsMax + 1, 20, true, true, every, every},
	{120, 300, 8, 10, true, true, every, every},
	{80, 200, 6, 6, false, true, every, every},
	{80, 200, 6, 6, false, true, every, 1},
	{60, 120, 4, 4, false, false, every, every},
	{40, 60, 2, 2, false, false, every, every},
	{0, 0, 0, 0, false, false, every, every},
	{0, 0, 0, 0, false, false, 2, 1},
	{0, 0, 0, 0, false, false, 0, 0},
}

// Fit renders as much of the outline as fits: first long values are cut, then the
// last facts and items are left out, and it says how many more there are. What
// comes last has no more than the first lines: a receiver refuses for good what is too
// long, and people are to be told whatever a link looks like.
func (o Outline) Fit(render func(Outline) string, fits func(string) bool) string {
	text := ""
	for _, s := range shrinks {
		shown := o
		shown.limit(s)
		if text = render(shown); fits(text) {
			return text
		}
	}
	return text
}

func (o *Outline) limit(s shrink) {
	var prose []string
	for _, p := range o.Prose {
		if p = Truncate(p, s.prose, Runes); p != "" {
			prose = append(prose, p)
		}
	}
	o.Prose = prose
	left := max(0, len(o.Facts)-s.facts)
	facts := slices.Clone(o.Facts[:len(o.Facts)-left])
	for i := range facts {
		facts[i].Value = Truncate(facts[i].Value, s.value, Runes)
	}
	o.Facts = facts
	o.Items = o.Items[:min(len(o.Items), s.items)]
	o.Answers = o.Answers[:min(len(o.Answers), s.answers)]
	o.Links = o.Links[:min(len(o.Links), s.links)]
	switch more := o.items - len(o.Items); {
	case more > 0:
		o.More = fmt.Sprintf("%d more", more)
	case left > 0:
		o.More = fmt.Sprintf("%d more facts", left)
	}
	if !s.step {
		o.Step = ""
	}
	if !s.footer {
		o.Footer = ""
	}
}

// Text is the outline below its first line in plain text, at most most units long. A
// first step that names what a receiver would make a link of is left out: one that is
// not as it should be would quietly find nothing.
func (o Outline) Text(most int, unit Unit) string {
	if Defang(o.Step) != o.Step {
		o.Step = ""
	}
	text := o.Fit(Outline.plain, func(s string) bool { return unit(s) <= most })
	return Truncate(text, most, unit)
}

func (o Outline) plain() string {
	var lines []string
	add := func(s string) {
		if s != "" {
			lines = append(lines, s)
		}
	}
	add(o.Situation)
	for _, p := range o.Prose {
		add(p)
	}
	for _, f := range o.Facts {
		add(f.Name + ": " + f.Value)
	}
	if o.Step != "" {
		add("First step: " + o.Step)
	}
	for _, item := range o.Items {
		add(item.Text)
		add(item.URL)
	}
	add(o.More)
	for _, l := range slices.Concat(o.Answers, o.Links) {
		add(l.Text + ": " + l.URL)
	}
	add(o.Footer)
	return strings.Join(lines, "\n")
}

// News says in one line what is new, for a thread below the alert's first message:
//
//	ACKNOWLEDGED by ana
//	RAISED medium→critical: severity medium 5 → critical 9.2, count 12 → 46 (+34)
//	CLOSED (false positive) by bo
func News(m Message) string {
	said := m.State()
	switch m.Kind {
	case tocsin.TellClosed:
		if m.Alert.ClosedBy != m.Alert.Dialect {
			said = by(said, "by", m.Alert.ClosedBy)
		}
	case tocsin.TellOpened:
		if m.Alert.Reopened == 0 {
			said = "STILL OPEN: " + Why(m)
		}
	}
	if changes := besides(m); changes != "" {
		said += ": " + changes
	}
	return said
}

// besides are the changes that the state does not say already.
func besides(m Message) string {
	state := strings.ToLower(m.State())
	m.Changes = slices.DeleteFunc(slices.Clone(m.Changes), func(c tocsin.Change) bool {
		return c.To != "open" && strings.Contains(state, strings.ToLower(c.To))
	})
	return Changes(m)
}

// AboutAlert reports whether the message is about one alert, so that what is told of
// it later belongs to it.
func (m Message) AboutAlert() bool {
	return m.Kind != tocsin.TellDigest && m.Kind != tocsin.TellNote && m.Kind != tocsin.TellCode
}
