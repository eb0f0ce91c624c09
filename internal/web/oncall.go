package web

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// hues is how many colours people have.
const hues = 10

// coloursOf gives each of them a colour, 0 to hues-1, that stays theirs: it goes by
// the name, and only who would share one with somebody else gets the next.
func coloursOf(people []string) map[string]int {
	people = slices.Sorted(slices.Values(people))
	people = slices.Compact(people)
	all, taken := map[string]int{}, map[int]bool{}
	for _, name := range people {
		h := fnv.New32a()
		_, _ = h.Write([]byte(name)) // it never fails
		c := int(h.Sum32() % hues)
		for n := 0; taken[c] && n < hues && len(taken) < hues; n++ {
			c = (c + 1) % hues
		}
		taken[c] = true
		all[name] = c
	}
	return all
}

// A personTag is somebody with their colour.
type personTag struct {
	Name string
	Hue  int
}

func tagsOf(people []string, colours map[string]int) []personTag {
	var tags []personTag
	for _, name := range people {
		tags = append(tags, personTag{name, colours[name]})
	}
	return tags
}

type onCallView struct {
	Me        actor
	Schedules []onCallRow
	People    []option
	Absences  []overrideRow
}

// An onCallRow is who is on call for one schedule, and who is next.
type onCallRow struct {
	Name, Zone string
	Now, Next  []personTag
	Until      when
	UntilText  string // by the schedule's clock
	Policies   []string
	Gap        when // the next time at which nobody is on call
	GapText    string
}

// Href is the schedule's page.
func (r onCallRow) Href() string { return scheduleHref(r.Name) }

func scheduleHref(name string) string { return "/on-call/" + url.PathEscape(name) }

// An overrideRow is one override as people say it.
type overrideRow struct {
	oncall.Override
	Text       string // "bo instead of ana"
	From, To   when
	Begins     string // by the clock of the page
	Ends       string
	Everywhere bool // on all schedules
}

// clockForm is how times stand in calendars.
const clockForm = "Mon 2 Jan 15:04"

func overrideRows(list []oncall.Override, zone *time.Location, now time.Time) []overrideRow {
	var rows []overrideRow
	for _, o := range list {
		r := overrideRow{
			Override: o, From: when{o.From, now}, To: when{o.Until, now}, Everywhere: o.Schedule == "",
			Begins: o.From.In(zone).Format(clockForm), Ends: o.Until.In(zone).Format(clockForm),
		}
		people := strings.Join(o.People, ", ")
		switch o.Kind {
		case oncall.Replace:
			r.Text = strings.Join(o.With, ", ") + " instead of " + people
		case oncall.Add:
			r.Text = people + " besides whoever is on call"
		case oncall.Remove:
			r.Text = "not " + people
		case oncall.Set:
			r.Text = people + " and nobody else"
		default:
			r.Text = string(o.Kind) + " " + people
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b overrideRow) int { return a.Override.From.Compare(b.Override.From) })
	return rows
}

// An onCallInput is all that the page of who is on call is made of.
type onCallInput struct {
	Now       time.Time
	By        string
	People    []tocsin.Person
	OnCall    []engine.OnCall
	Schedules []engine.ScheduleInfo
	Gaps      map[string]oncall.Gap // the next of each schedule
	Absences  []oncall.Override
}

func (p *Pages) showOnCall(w http.ResponseWriter, r *http.Request) error {
	in := onCallInput{Now: p.opts.Now(), By: remembered(r), Gaps: map[string]oncall.Gap{}}
	in.OnCall, in.Schedules = p.opts.Act.OnCall(in.Now), p.opts.Act.Schedules()
	for _, s := range in.Schedules {
		gaps, err := p.opts.Act.Gaps(s.Name, in.Now, in.Now.Add(oncall.Horizon))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("schedule %s: %w", s.Name, err)
		}
		if len(gaps) > 0 {
			in.Gaps[s.Name] = gaps[0]
		}
	}
	err := p.opts.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		if in.People, err = tx.People(); err != nil {
			return err
		}
		in.Absences, err = tx.Overrides("", tocsin.Millis(in.Now))
		return err
	})
	if err != nil {
		return fmt.Errorf("on call: %w", err)
	}
	return show(p, w, r, http.StatusOK, p.onCallPage, head{Title: "On call", Here: "oncall", Refresh: 60}, in.view())
}

func (in onCallInput) view() onCallView {
	me := newActor(in.By, in.People)
	v := onCallView{Me: me, People: peopleOf(in.People, in.By)}
	var all []string
	for _, o := range in.OnCall {
		all = append(append(all, o.People...), o.Next...)
	}
	colours := coloursOf(all)
	for _, s := range in.Schedules {
		row := onCallRow{Name: s.Name, Zone: s.TimeZone, Policies: s.Policies}
		zone, err := time.LoadLocation(s.TimeZone)
		if err != nil {
			zone = time.UTC
		}
		if i := slices.IndexFunc(in.OnCall, func(o engine.OnCall) bool { return o.Schedule == s.Name }); i >= 0 {
			o := in.OnCall[i]
			row.Now, row.Next, row.Until = tagsOf(o.People, colours), tagsOf(o.Next, colours), when{o.Until, in.Now}
			row.UntilText = o.Until.In(zone).Format(clockForm)
		}
		if g, ok := in.Gaps[s.Name]; ok {
			row.Gap, row.GapText = when{g.Start, in.Now}, g.Start.In(zone).Format(clockForm)+" to "+g.End.In(zone).Format(clockForm)
		}
		v.Schedules = append(v.Schedules, row)
	}
	absences := slices.DeleteFunc(slices.Clone(in.Absences), func(o oncall.Override) bool { return o.Schedule != "" })
	v.Absences = overrideRows(absences, me.clock(), in.Now)
	return v
}

// saveAbsence takes somebody off all schedules, with or without somebody instead.
func (p *Pages) saveAbsence(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	o := oncall.Override{Kind: oncall.Remove, People: names(r, "person")}
	if cover := names(r, "cover"); len(cover) > 0 {
		o.Kind, o.With = oncall.Replace, cover
	}
	return p.override(w, r, o, "/on-call")
}

// saveOverride changes who is on call for one schedule for a while.
func (p *Pages) saveOverride(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	name := pathName(r, "schedule")
	o := oncall.Override{Schedule: name, Kind: oncall.OverrideKind(r.PostFormValue("kind")), People: names(r, "people")}
	if o.Kind == oncall.Replace {
		o.With = names(r, "with")
	}
	return p.override(w, r, o, scheduleHref(name))
}

func (p *Pages) override(w http.ResponseWriter, r *http.Request, o oncall.Override, back string) (err error) {
	zone := zoneOf(r)
	if o.From, err = wallTime(r, "from", "from", zone); err != nil {
		return err
	}
	if o.From.IsZero() {
		o.From = tocsin.Millis(p.opts.Now())
	}
	if o.Until, err = wallTime(r, "until", "until", zone); err != nil {
		return err
	}
	if o.Until.IsZero() {
		return wrong("until: say when it ends")
	}
	o.From, o.Until = o.From.UTC(), o.Until.UTC()
	o.By, o.Reason = by(w, r), line(r.PostFormValue("reason"), maxNote)
	if _, err := p.opts.Act.SaveOverride(r.Context(), o); err != nil {
		return fmt.Errorf("override: %w", err)
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}

func (p *Pages) endOverride(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	if err := p.opts.Act.EndOverride(r.Context(), pathName(r, "override"), by(w, r)); err != nil {
		return fmt.Errorf("end override: %w", err)
	}
	http.Redirect(w, r, local(cmp.Or(r.PostFormValue("back"), "/on-call")), http.StatusSeeOther)
	return nil
}
