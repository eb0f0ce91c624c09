package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A silenceRow is one silence as the pages show it.
type silenceRow struct {
	tocsin.Silence
	Word, Tone string // where it stands: "In force"
	What       []string
	Recurs     string
	Begins     when
	Ends       when // when it is over, by its time or by hand
	Live       bool // it can be ended
}

func newSilenceRow(s tocsin.Silence, now time.Time) silenceRow {
	r := silenceRow{Silence: s, What: what(s), Begins: when{s.From, now}, Ends: when{s.Until, now}, Recurs: recurs(s.Every)}
	if !s.EndedAt.IsZero() {
		r.Ends = when{s.EndedAt, now}
	}
	switch {
	case !r.Ends.At.After(now):
		r.Word, r.Tone = "Over", "quiet"
	case s.From.After(now):
		r.Word, r.Tone, r.Live = "Scheduled", "news", true
	case s.Every != nil:
		r.Word, r.Tone, r.Live = "Recurs", "odd", true
	default:
		r.Word, r.Tone, r.Live = "In force", "odd", true
	}
	return r
}

// what says in words which alerts a silence is about, a line for each field.
func what(s tocsin.Silence) []string {
	if s.Key != "" {
		return []string{"finding " + string(s.Key)}
	}
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(s.Pattern))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		return []string{string(s.Pattern)}
	}
	var all []string
	describe("", fields, &all)
	return all
}

// describe says a pattern in words.
func describe(path string, fields map[string]any, all *[]string) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		here := name
		if path != "" {
			here = path + "." + name
		}
		switch v := fields[name].(type) {
		case map[string]any:
			describe(here, v, all)
		case []any:
			var words []string
			for _, one := range v {
				words = append(words, choice(one))
			}
			*all = append(*all, here+" "+strings.Join(words, " or "))
		default:
			*all = append(*all, here+" "+compact(v))
		}
	}
}

// choice is one of the values that a pattern accepts.
func choice(v any) string {
	switch v := v.(type) {
	case string:
		return "is " + v
	case map[string]any:
		for _, known := range [][2]string{{"prefix", "begins with "}, {"suffix", "ends with "}, {"wildcard", "is like "}, {"equals-ignore-case", "is "}, {"cidr", "is in "}} {
			if s, ok := v[known[0]].(string); ok && len(v) == 1 {
				return known[1] + s
			}
		}
	}
	return compact(v)
}

func compact(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v) // it came from JSON
	}
	return string(text)
}

// recurs says when a recurring silence is in force.
func recurs(r *tocsin.Recurrence) string {
	if r == nil {
		return ""
	}
	days := "every day"
	if len(r.Weekdays) > 0 {
		var words []string
		for _, d := range r.Weekdays {
			words = append(words, title(d))
		}
		days = strings.Join(words, ", ")
	}
	return days + " " + r.From + "–" + r.To + " " + r.TimeZone
}

type silencesView struct {
	Me                     actor
	Force, Scheduled, Over []silenceRow
}

// overShown is how many of those that are over are listed.
const overShown = 50

func (p *Pages) listSilences(w http.ResponseWriter, r *http.Request) error {
	in := silencesInput{Now: p.opts.Now(), By: remembered(r)}
	if err := p.opts.Store.View(r.Context(), in.read); err != nil {
		return fmt.Errorf("silences: %w", err)
	}
	return show(p, w, r, http.StatusOK, p.silencesPage, head{Title: "Silences", Here: "silences"}, in.view())
}

// A silencesInput is all that the list of silences is made of.
type silencesInput struct {
	Now        time.Time
	By         string
	People     []tocsin.Person
	Live, Over []tocsin.Silence
}

func (in *silencesInput) read(tx *store.Tx) (err error) {
	if in.Live, err = tx.Silences(store.SilenceFilter{Live: in.Now}); err != nil {
		return err
	}
	if in.Over, err = tx.Silences(store.SilenceFilter{Over: in.Now, Page: store.Page{Limit: overShown}}); err != nil {
		return err
	}
	in.People, err = tx.People()
	return err
}

func (in silencesInput) view() silencesView {
	v := silencesView{Me: newActor(in.By, in.People)}
	for _, s := range in.Live {
		if row := newSilenceRow(s, in.Now); s.From.After(in.Now) {
			v.Scheduled = append(v.Scheduled, row)
		} else {
			v.Force = append(v.Force, row)
		}
	}
	slices.SortStableFunc(v.Force, func(a, b silenceRow) int { return a.Ends.At.Compare(b.Ends.At) })
	slices.SortStableFunc(v.Scheduled, func(a, b silenceRow) int { return a.From.Compare(b.From) })
	for _, s := range in.Over {
		v.Over = append(v.Over, newSilenceRow(s, in.Now))
	}
	return v
}

type silenceView struct {
	silenceRow
	Me      actor
	Pattern string // laid out
	Made    when
	Report  previewView
}

func (p *Pages) showSilence(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	in := silenceInput{Now: p.opts.Now(), By: remembered(r)}
	err = p.opts.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		if in.Silence, err = tx.Silence(id); err != nil {
			return err
		}
		in.People, err = tx.People()
		return err
	})
	if err == nil && !in.Silence.From.After(in.Now) {
		in.Report, err = p.report(r.Context(), id)
	}
	if err != nil {
		return fmt.Errorf("silence %d: %w", id, err)
	}
	return show(p, w, r, http.StatusOK, p.silencePage, head{Title: fmt.Sprintf("%s %d", title(in.Silence.Kind), id), Here: "silences"}, in.view())
}

func (p *Pages) report(ctx context.Context, id int64) (*routing.Preview, error) {
	found, err := p.opts.Act.ReportSilence(ctx, id)
	return &found, err
}

// A silenceInput is all that one silence's page is made of.
type silenceInput struct {
	Now     time.Time
	By      string
	People  []tocsin.Person
	Silence tocsin.Silence
	Report  *routing.Preview // nil where it has not begun
}

func (in silenceInput) view() silenceView {
	s := in.Silence
	v := silenceView{silenceRow: newSilenceRow(s, in.Now), Me: newActor(in.By, in.People), Pattern: laidOut(s.Pattern), Made: when{s.CreatedAt, in.Now}}
	if in.Report != nil {
		v.Report = newPreview(*in.Report)
	}
	return v
}

func laidOut(text json.RawMessage) string {
	var b bytes.Buffer
	if len(text) == 0 || json.Indent(&b, text, "", "  ") != nil {
		return string(text)
	}
	return b.String()
}

// A previewView is what a silence would hide, or hid.
type previewView struct {
	Shown   bool
	Text    string
	Hid     bool
	Alerts  int
	Warn    bool // something of it was worth knowing
	Levels  []levelCount
	Types   []routing.TypeCount
	Regrets []regretRow
	Cut     bool // more are counted than are listed
}

// A regretRow is a hidden alert that was worth knowing of.
type regretRow struct {
	routing.Later
	Text string
}

func newPreview(p routing.Preview) previewView {
	v := previewView{Shown: true, Hid: p.Hid, Text: title(p.String()) + ".", Alerts: p.Alerts, Types: p.ByType, Warn: p.Sequences+p.Suspects+p.Fixed > 0}
	for l := tocsin.Critical; l >= tocsin.Unknown; l-- {
		if n := p.ByLevel[l]; n > 0 {
			v.Levels = append(v.Levels, levelCount{Level: l, Count: int64(n)})
		}
	}
	for _, l := range p.Later {
		row := regretRow{Later: l}
		switch l.What {
		case routing.LaterSequence:
			row.Text = "became part of an attack sequence"
		case routing.LaterSuspect:
			row.Text = "has to do with an attack sequence"
		case routing.LaterFixed:
			row.Text = "somebody closed it as fixed: it was real"
		}
		v.Regrets = append(v.Regrets, row)
	}
	v.Cut = len(p.Later) == 100 // more are counted than named
	return v
}

// A newSilenceView is the form of a new silence, with what it would have hidden.
type newSilenceView struct {
	Me      actor
	Alert   *alertRow // it is made from this one
	Only    []only
	Form    silenceForm
	Kinds   []option
	Fors    []option
	Levels  []option
	Days    []option // of the week
	Back    []option // over how many days to look back
	Problem string
	Preview previewView
	What    []string
}

// An only is one field of the alert that a silence may be narrowed to.
type only struct {
	Name, Label, Value string
	Chosen             bool
}

// A silenceForm is the form as it was filled in.
type silenceForm struct {
	Kind, Pattern, Built, Reason, For, From, Until, Zone string
	Every                                                bool
	EveryFrom, EveryTo, EveryZone                        string
	NotifyFrom                                           string
	Lookback                                             int
}

// kindsOfSilence are the kinds that are made by hand; one finding alone is muted
// by closing it.
var kindsOfSilence = []option{
	{Value: string(tocsin.KindSilence), Label: "Silence: it is known, for 30 days at most"},
	{Value: string(tocsin.KindMaintenance), Label: "Maintenance: planned, once or recurring"},
	{Value: string(tocsin.KindMute), Label: "Mute: to be expected, for a year at most"},
}

// lengths are how long a silence may last from its beginning.
var lengths = []option{
	{Value: "1h", Label: "1 hour"},
	{Value: "4h", Label: "4 hours"},
	{Value: "24h", Label: "1 day"},
	{Value: "168h", Label: "7 days"},
	{Value: "720h", Label: "30 days"},
	{Value: "", Label: "until the time below"},
}

var weekdayOptions = []option{
	{Value: "mon", Label: "Mon"},
	{Value: "tue", Label: "Tue"},
	{Value: "wed", Label: "Wed"},
	{Value: "thu", Label: "Thu"},
	{Value: "fri", Label: "Fri"},
	{Value: "sat", Label: "Sat"},
	{Value: "sun", Label: "Sun"},
}

var lookbacks = []option{{Value: "7", Label: "7 days"}, {Value: "30", Label: "30 days"}, {Value: "90", Label: "90 days"}, {Value: "365", Label: "a year"}}

// A newSilenceInput is all that the form is made of.
type newSilenceInput struct {
	Now      time.Time
	By       string
	People   []tocsin.Person
	Accounts map[string]tocsin.Account
	Alert    *tocsin.Alert
	Chosen   []string // names of the fields it is narrowed to
	Weekdays []string
	Form     silenceForm
	Problem  error
	Preview  *routing.Preview
}

func (p *Pages) newSilence(w http.ResponseWriter, r *http.Request) error {
	in, err := p.silenceInput(r)
	if err != nil {
		return err
	}
	in.Form = silenceForm{Kind: string(tocsin.KindSilence), For: "4h", Zone: in.me().Zone(), NotifyFrom: tocsin.High.String(), Lookback: 90, EveryZone: in.me().Zone()}
	if in.Alert != nil {
		in.Chosen = []string{"account", "type", "resource"}
		in.Form.Pattern = in.built()
		in.Form.Built = in.Form.Pattern
	}
	return p.showSilenceForm(w, r, http.StatusOK, in)
}

func (p *Pages) silenceInput(r *http.Request) (in newSilenceInput, err error) {
	in = newSilenceInput{Now: p.opts.Now(), By: remembered(r), Accounts: p.opts.Accounts()}
	id, err := positive(r.Form, "alert")
	if r.Form == nil {
		id, err = positive(r.URL.Query(), "alert")
	}
	if err != nil {
		return in, badQuery("/silences/new", err)
	}
	err = p.opts.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		if in.People, err = tx.People(); err != nil || id == 0 {
			return err
		}
		a, err := tx.Alert(id)
		in.Alert = &a
		return err
	})
	return in, err
}

func (p *Pages) showSilenceForm(w http.ResponseWriter, r *http.Request, status int, in newSilenceInput) error {
	return show(p, w, r, status, p.newSilencePage, head{Title: "New silence", Here: "silences"}, in.view())
}

func (in newSilenceInput) me() actor { return newActor(in.By, in.People) }

// saveSilence previews the silence of the form, or makes it.
func (p *Pages) saveSilence(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	in, err := p.silenceInput(r)
	if err != nil {
		return err
	}
	s, err := in.readForm(r)
	if err == nil {
		err = p.previewOrSave(w, r, s, &in)
	}
	switch {
	case err != nil && !isInput(err):
		return fmt.Errorf("silence: %w", err)
	case err != nil:
		in.Problem = err
		return p.showSilenceForm(w, r, http.StatusUnprocessableEntity, in)
	case in.Preview != nil:
		return p.showSilenceForm(w, r, http.StatusOK, in)
	}
	return nil // saved, and on its way there
}

func (p *Pages) previewOrSave(w http.ResponseWriter, r *http.Request, s tocsin.Silence, in *newSilenceInput) error {
	if r.PostFormValue("do") != "save" {
		found, err := p.opts.Act.PreviewSilence(r.Context(), s, in.Form.Lookback)
		in.Preview = &found
		return err
	}
	s.Author = by(w, r)
	saved, err := p.opts.Act.SaveSilence(r.Context(), s)
	if err != nil {
		return err
	}
	http.Redirect(w, r, fmt.Sprintf("/silences/%d", saved.ID), http.StatusSeeOther)
	return nil
}

// readForm reads the silence, and keeps what was typed for the form to come.
func (in *newSilenceInput) readForm(r *http.Request) (s tocsin.Silence, err error) {
	f := &in.Form
	*f = silenceForm{
		Kind: r.PostFormValue("kind"), Pattern: lines(r, "pattern"), Built: lines(r, "built"), Reason: line(r.PostFormValue("reason"), maxNote),
		For: r.PostFormValue("for"), From: line(r.PostFormValue("from"), 40), Until: line(r.PostFormValue("until"), 40), Zone: zoneOf(r).String(),
		Every: r.PostFormValue("every") != "", EveryFrom: line(r.PostFormValue("every_from"), 10), EveryTo: line(r.PostFormValue("every_to"), 10),
		EveryZone: line(r.PostFormValue("every_zone"), 60), NotifyFrom: r.PostFormValue("notify_from"), Lookback: 90,
	}
	in.Chosen, in.Weekdays = names(r, "only"), names(r, "weekday")
	if n, err := strconv.Atoi(r.PostFormValue("lookback")); err == nil {
		f.Lookback = n
	}
	// Whoever did not touch the pattern means the boxes.
	if in.Alert != nil && (f.Pattern == f.Built || f.Pattern == "") {
		f.Pattern = in.built()
		f.Built = f.Pattern
	}
	s = tocsin.Silence{Kind: tocsin.SilenceKind(f.Kind), Pattern: json.RawMessage(f.Pattern), Reason: f.Reason}
	if !json.Valid(s.Pattern) {
		return s, wrong("pattern: it is not JSON")
	}
	if s.NotifyFrom, err = tocsin.ParseLevel(f.NotifyFrom); err != nil {
		return s, wrong("notify from: %w", err)
	}
	if f.Every {
		s.Every = &tocsin.Recurrence{TimeZone: f.EveryZone, Weekdays: in.Weekdays, From: f.EveryFrom, To: f.EveryTo}
	}
	return s, in.readTimes(r, &s)
}

func (in *newSilenceInput) readTimes(r *http.Request, s *tocsin.Silence) (err error) {
	zone := zoneOf(r)
	if s.From, err = wallTime(r, "from", "from", zone); err != nil {
		return err
	}
	if s.From.IsZero() {
		s.From = in.Now
	}
	if in.Form.For == "" {
		if s.Until, err = wallTime(r, "until", "until", zone); err == nil && s.Until.IsZero() {
			err = wrong("until: every silence ends; say when")
		}
		return err
	}
	long, err := time.ParseDuration(in.Form.For)
	if err != nil {
		return wrong("for: there is no choice %q", in.Form.For)
	}
	s.Until = s.From.Add(long)
	return nil
}

// onlys are what the alert can be told apart by.
func (in newSilenceInput) onlys() []only {
	a := in.Alert
	all := []only{
		{Name: "account", Label: "Account", Value: a.Account},
		{Name: "region", Label: "Region", Value: a.Region},
		{Name: "type", Label: "Type", Value: a.Type},
		{Name: "resource", Label: "Resource", Value: a.Resource.ID},
		{Name: "principal", Label: "By", Value: a.Actor.Principal},
		{Name: "ip", Label: "From address", Value: a.Actor.IP},
	}
	all = slices.DeleteFunc(all, func(o only) bool { return o.Value == "" })
	for i := range all {
		all[i].Chosen = slices.Contains(in.Chosen, all[i].Name)
	}
	return all
}

// built is the pattern of the chosen fields.
func (in newSilenceInput) built() string {
	fields := map[string]any{}
	within := func(object, field, value string) {
		o, ok := fields[object].(map[string]any)
		if !ok {
			o = map[string]any{}
			fields[object] = o
		}
		o[field] = []string{value}
	}
	for _, o := range in.onlys() {
		switch {
		case !o.Chosen:
		case o.Name == "resource":
			within("resource", "id", o.Value)
		case o.Name == "principal" || o.Name == "ip":
			within("actor", o.Name, o.Value)
		default:
			fields[o.Name] = []string{o.Value}
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(fields); err != nil {
		return "{}" // cannot be: texts in maps
	}
	return strings.TrimSpace(b.String())
}

func (in newSilenceInput) view() newSilenceView {
	v := newSilenceView{
		Me: in.me(), Form: in.Form, Kinds: choose(kindsOfSilence, in.Form.Kind), Fors: choose(lengths, in.Form.For),
		Days: weekdayOptions, Back: choose(lookbacks, strconv.Itoa(in.Form.Lookback)),
	}
	v.Days = slices.Clone(weekdayOptions)
	for i := range v.Days {
		v.Days[i].Chosen = slices.Contains(in.Weekdays, v.Days[i].Value)
	}
	for l := tocsin.Critical; l >= tocsin.Informational; l-- {
		label := title(l.String()) + " and above"
		if l == tocsin.Critical {
			label = "Critical only"
		}
		v.Levels = append(v.Levels, option{Value: l.String(), Label: label, Chosen: l.String() == in.Form.NotifyFrom})
	}
	if in.Alert != nil {
		row := newAlertRow(*in.Alert, in.Accounts, in.Now)
		v.Alert, v.Only = &row, in.onlys()
		for i := range v.Only {
			if v.Only[i].Name == "account" {
				v.Only[i].Value = row.Label
			}
		}
	}
	if in.Problem != nil {
		v.Problem = sentences(in.Problem)
	}
	if in.Preview != nil {
		v.Preview = newPreview(*in.Preview)
		v.What = what(tocsin.Silence{Pattern: json.RawMessage(in.Form.Pattern)})
	}
	return v
}

func (p *Pages) endSilence(w http.ResponseWriter, r *http.Request) error {
	id, err := readForm(r)
	if err != nil {
		return err
	}
	if _, err := p.opts.Act.EndSilence(r.Context(), id, by(w, r)); err != nil {
		return fmt.Errorf("end silence %d: %w", id, err)
	}
	http.Redirect(w, r, fmt.Sprintf("/silences/%d", id), http.StatusSeeOther)
	return nil
}
