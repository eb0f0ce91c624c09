package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/coverage"
	"github.com/tocsin-sec/tocsin/internal/setup"
	"github.com/tocsin-sec/tocsin/internal/store"
)

type sourcesView struct {
	Sources  []sourceRow
	Coverage []coverageRow
	Add      string // where one is added; empty where that cannot be done
}

// A sourceRow is one source, configured or once heard of.
type sourceRow struct {
	SourceInfo
	Title      string // of its kind
	Href       string // its page; empty if it has none
	Configured bool
	Word, Tone string // of its state
	Last       when
	Events     int64
	Inbound    string // its part of the inbound log
}

// A coverageRow is one account with the regions that were heard of.
type coverageRow struct {
	ID, Label string
	Regions   []regionHeard // none: configured, never heard of
	Last      when
	Events    int64
}

// A regionHeard is when a region was heard of last.
type regionHeard struct {
	Region string
	Last   when
	Events int64
}

func (p *Pages) listSources(w http.ResponseWriter, r *http.Request) error {
	in := sourcesInput{Accounts: p.opts.Accounts(), Now: p.opts.Now(), Add: p.addHref(setup.Source)}
	err := p.opts.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		if in.Activity, err = tx.Sources(); err != nil {
			return err
		}
		in.Coverage, err = tx.Coverage()
		return err
	})
	if err == nil && p.opts.Setup != nil {
		in.Entries, err = p.opts.Setup.Sources(r.Context())
	}
	if err != nil {
		return fmt.Errorf("sources: %w", err)
	}
	if p.opts.Setup == nil {
		in.Sources = p.opts.Sources(r.Context())
	}
	return show(p, w, r, http.StatusOK, p.sourcesPage, head{Title: "Sources", Here: "sources", Refresh: 30}, in.view())
}

// addHref is where a source or a receiver is added; empty where that cannot be done.
func (p *Pages) addHref(w setup.What) string {
	if p.opts.Setup == nil || p.opts.Setup.Fixed() != nil {
		return ""
	}
	return homeOf(w) + "/" + addPage
}

// A sourcesInput is all that the Sources page is made of.
type sourcesInput struct {
	Sources  []SourceInfo       // where they have no pages
	Entries  []setup.SourceInfo // where they have: those that are, and those that were
	Add      string
	Accounts map[string]tocsin.Account
	Now      time.Time
	Activity []store.SourceActivity
	Coverage []store.Coverage
}

func (in sourcesInput) view() sourcesView {
	activity := map[string]store.SourceActivity{}
	for _, a := range in.Activity {
		activity[a.Source] = a
	}
	v := sourcesView{Add: in.Add}
	add := func(s SourceInfo, configured bool) *sourceRow {
		a := activity[s.Name]
		delete(activity, s.Name)
		row := sourceRow{
			SourceInfo: s, Title: s.Kind, Configured: configured, Last: when{a.LastEvent, in.Now}, Events: a.Events,
			Inbound: inboundQuery{Source: s.Name}.href(),
		}
		row.Word, row.Tone = sourceState(s, configured)
		v.Sources = append(v.Sources, row)
		return &v.Sources[len(v.Sources)-1]
	}
	for _, s := range in.Sources {
		add(s, true)
	}
	for _, s := range in.Entries {
		row := add(SourceInfo{Name: s.Name, Kind: s.Kind, Status: s.Status, Connect: s.Connect}, !s.Deleted)
		row.Title, row.Href = s.Title, hrefOf(setup.Source, s.Name)
		row.Word, row.Tone = entryState(s)
	}
	for _, a := range in.Activity {
		if _, left := activity[a.Source]; left && a.Source != coverage.Source { // which is tocsin itself
			add(SourceInfo{Name: a.Source}, false)
		}
	}
	v.Coverage = in.coverage()
	return v
}

// sourceState says a source's state in words; a subscription of SNS has those
// of the SNS console.
func sourceState(s SourceInfo, configured bool) (word, tone string) {
	if !configured {
		return "Not configured any more", "quiet"
	}
	sns := s.Kind == "sns"
	switch s.Status.State {
	case "ok":
		if sns {
			return "Confirmed", "good"
		}
		return "Ready", "good"
	case "pending":
		if sns {
			return "Pending confirmation", "odd"
		}
		return "Waiting", "odd"
	case "unsubscribed":
		return "Unsubscribed", "bad"
	case "failing":
		return "Failing", "bad"
	case "disabled":
		return "Disabled", "odd"
	case "":
		return "Says nothing of itself", "quiet"
	}
	return title(s.Status.State), "quiet"
}

// coverage puts the regions under their accounts; accounts that are configured
// and were never heard of come first, since they may be dark.
func (in sourcesInput) coverage() []coverageRow {
	rows := map[string]*coverageRow{}
	row := func(id string) *coverageRow {
		if rows[id] == nil {
			rows[id] = &coverageRow{ID: id, Label: accountLabel(id, in.Accounts)}
		}
		return rows[id]
	}
	for id := range in.Accounts {
		row(id)
	}
	for _, c := range in.Coverage {
		if c.Account == "" {
			continue // events that name no account
		}
		r := row(c.Account)
		r.Events += c.Events
		if c.LastEvent.After(r.Last.At) {
			r.Last = when{c.LastEvent, in.Now}
		}
		r.Regions = append(r.Regions, regionHeard{c.Region, when{c.LastEvent, in.Now}, c.Events})
	}
	var sorted []coverageRow
	for _, r := range rows {
		sorted = append(sorted, *r)
	}
	slices.SortFunc(sorted, func(a, b coverageRow) int {
		if heardA, heardB := len(a.Regions) > 0, len(b.Regions) > 0; heardA != heardB {
			if heardA {
				return 1
			}
			return -1
		}
		return strings.Compare(strings.ToLower(a.Label), strings.ToLower(b.Label))
	})
	return sorted
}
