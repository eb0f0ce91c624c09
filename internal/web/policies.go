package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/store"
)

type policiesView struct {
	Level    tocsin.Level
	Levels   []tab
	Policies []policyRow
	// Stranded are live alerts that go by a policy that is not configured any more.
	Stranded []int64
}

// A policyRow is a policy as a ladder.
type policyRow struct {
	Name, Version string
	Teams         []string // whose it is
	Steps         []ladderStep
	Repeat        string
	Fallback      []target
	Terms         []tocsin.Fact
	Preview       []rung
	More          string
	Live          int     // alerts that go by it as it is
	Older         []int64 // live alerts that go by it as it was
	OlderMore     int
}

// A ladderStep is one step.
type ladderStep struct {
	N          int
	Targets    []target
	Wait       string
	Conditions []string
}

// A target is whom or what a step tells.
type target struct{ Kind, Name, Href string }

func targetsOf(ts []escalation.Target) []target {
	var all []target
	for _, t := range ts {
		one := target{Kind: string(t.Kind), Name: t.Name}
		switch t.Kind {
		case escalation.Person:
			one.Href = personHref(t.Name)
		case escalation.Schedule:
			one.Href = scheduleHref(t.Name)
		case escalation.Receiver:
			one.Href = notificationQuery{Receiver: t.Name}.href()
		case escalation.Team:
		}
		all = append(all, one)
	}
	return all
}

// A policiesInput is all that the page of policies is made of.
type policiesInput struct {
	Now      time.Time
	Level    tocsin.Level
	Policies []escalation.Policy
	Teams    []tocsin.Team
	Preview  map[string][]escalation.Expected
	Live     []tocsin.Alert // those with a policy
}

func (p *Pages) listPolicies(w http.ResponseWriter, r *http.Request) error {
	in := policiesInput{Now: p.opts.Now(), Level: tocsin.High, Policies: p.opts.Act.Policies(), Teams: p.opts.Act.Teams(), Preview: map[string][]escalation.Expected{}}
	if s := r.URL.Query().Get("level"); s != "" {
		var err error
		if in.Level, err = tocsin.ParseLevel(s); err != nil {
			return badQuery("/policies", err)
		}
	}
	for _, policy := range in.Policies {
		var err error
		if in.Preview[policy.Name], err = p.opts.Act.PreviewPolicy(policy.Name, in.Level, in.Now); err != nil {
			return fmt.Errorf("preview: %w", err)
		}
	}
	if err := p.opts.Store.View(r.Context(), in.read); err != nil {
		return fmt.Errorf("policies: %w", err)
	}
	return show(p, w, r, http.StatusOK, p.policiesPage, head{Title: "Policies", Here: "policies"}, in.view())
}

// liveAtOnce is how many live alerts are read at once.
const liveAtOnce = 500

func (in *policiesInput) read(tx *store.Tx) error {
	f := store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusOpen, tocsin.StatusAcked}, Sort: "newest", Limit: liveAtOnce}
	for {
		alerts, _, err := tx.Alerts(f)
		if err != nil {
			return err
		}
		for _, a := range alerts {
			if a.Escalation != nil {
				in.Live = append(in.Live, a)
			}
		}
		if len(alerts) < f.Limit {
			return nil
		}
		f.Offset += f.Limit
	}
}

// olderShown is how many alerts of an older version are named.
const olderShown = 12

func (in policiesInput) view() policiesView {
	v := policiesView{Level: in.Level}
	for l := tocsin.Critical; l >= tocsin.Informational; l-- {
		label := title(l.String())
		v.Levels = append(v.Levels, tab{Label: label, Href: address("/policies", param{"level", l.String(), tocsin.High.String()}), Here: l == in.Level})
	}
	known := map[string]bool{}
	for _, p := range in.Policies {
		known[p.Name] = true
		v.Policies = append(v.Policies, in.row(p))
	}
	for _, a := range in.Live {
		if !known[a.Escalation.Policy] {
			v.Stranded = append(v.Stranded, a.ID)
		}
	}
	return v
}

func (in policiesInput) row(p escalation.Policy) policyRow {
	row := policyRow{Name: p.Name, Version: p.Version(), Fallback: targetsOf(p.Fallback), Repeat: repeats(p.Repeat), Terms: terms(p, in.Level)}
	for _, t := range in.Teams {
		if t.Policy == p.Name {
			row.Teams = append(row.Teams, t.Name)
		}
	}
	for i, s := range p.Steps {
		row.Steps = append(row.Steps, ladderStep{N: i + 1, Targets: targetsOf(s.Targets), Wait: s.Wait.String(), Conditions: conditions(s)})
	}
	row.Preview, row.More = previewRungs(in.Preview[p.Name], len(p.Steps))
	for _, a := range in.Live {
		switch {
		case a.Escalation.Policy != p.Name:
		case a.Escalation.Version == row.Version:
			row.Live++
		case len(row.Older) < olderShown:
			row.Older = append(row.Older, a.ID)
		default:
			row.OlderMore++
		}
	}
	return row
}

// conditions say when a step is told, if that is not always and all of them.
func conditions(s escalation.Step) []string {
	var all []string
	if s.Assign == escalation.RoundRobin {
		all = append(all, "one after the other, alert by alert")
	}
	if s.OnlyIf == escalation.Unclosed {
		all = append(all, "also when somebody has it")
	}
	if s.MinLevel != tocsin.Unknown {
		all = append(all, s.MinLevel.String()+" and worse only")
	}
	if s.Window != nil {
		all = append(all, recurs(s.Window)+" only")
	}
	return all
}

func repeats(n int) string {
	switch {
	case n < 0:
		return "Then again from step 1, until somebody answers."
	case n == 1:
		return "Then once more from step 1."
	case n > 1:
		return fmt.Sprintf("Then %d times more from step 1.", n)
	}
	return ""
}

// terms are what else the policy says for that level.
func terms(p escalation.Policy, l tocsin.Level) []tocsin.Fact {
	every := func(d time.Duration, never string) string {
		if d == 0 {
			return never
		}
		return escalation.Duration(d).String()
	}
	all := []tocsin.Fact{
		{Name: "An acknowledgement holds", Value: every(p.AckHolds(l), "for good")},
		{Name: "Unanswered, the fallback hears again", Value: "every " + every(p.RemindsEvery(l), "")},
	}
	if p.RemindsEvery(l) == 0 {
		all[1].Value = "never"
	}
	if p.NeedAcks > 1 {
		all = append(all, tocsin.Fact{Name: "Must acknowledge", Value: strconv.Itoa(p.NeedAcks) + " people"})
	}
	if p.NotifyOnlyBelow != tocsin.Unknown {
		all = append(all, tocsin.Fact{Name: "Told once only", Value: "below " + p.NotifyOnlyBelow.String()})
	}
	return all
}

// previewRungs are the lines of a preview, the last of which may say how it goes on.
func previewRungs(lines []escalation.Expected, steps int) (rungs []rung, more string) {
	for _, e := range lines {
		if e.Kind == "" {
			more = strings.TrimSuffix(title(e.Text), ".") + "."
			continue
		}
		r := rung{After: "+" + e.After.String(), People: e.People, Receivers: e.Receivers, Tone: string(e.Kind)}
		if e.After == 0 {
			r.After = "at once"
		}
		text := e.Text
		if _, rest, ok := strings.Cut(text, ", step "); ok && (e.Kind == escalation.Told || e.Kind == escalation.Skipped) {
			r.Title, text, _ = strings.Cut("Step "+rest, ": ")
		}
		switch e.Kind {
		case escalation.Told, escalation.Skipped:
		case escalation.Fallback:
			r.Title = "Nobody reached: fallback"
		case escalation.Unanswered:
			r.Title = "Nobody answered: fallback"
		case escalation.Reminded:
			r.Title = "Fallback again"
		}
		if _, missed, ok := strings.Cut(text, "; not told: "); ok {
			r.Missed = "not " + missed
		} else if len(e.People)+len(e.Receivers) == 0 {
			r.Missed = strings.Replace(text, "skipped; ", "skipped: ", 1)
		}
		rungs = append(rungs, r)
	}
	if len(rungs) > 2*steps+3 {
		rungs = slices.Clip(rungs[:2*steps+3])
	}
	return rungs, more
}
