package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// maxEvent is the largest form with an event, in bytes: an event of EventBridge has
// 256 KiB at most, and forms write most characters of JSON as three
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html).
const maxEvent = 1 << 20

type explainView struct {
	Event   string // as pasted
	Seq     int64  // of the journal's event that it is, or 0
	Done    bool
	Verdict verdictNote
	Reason  string
	Rule    string
	Alert   *alertRow
	Live    int64
	Held    string
	Told    []string
	Routes  []routeStep
	Owner   string
	Notes   []string
	Expects []rung
	More    string
	Lines   []string // all of it in words
}

// A routeStep is one route that was looked at.
type routeStep struct {
	routing.Step
	Word, Tone string
}

// An explainInput is all that the page is made of.
type explainInput struct {
	Now      time.Time
	Accounts map[string]tocsin.Account
	Event    string
	Seq      int64
	Found    *engine.Explanation // nil: nothing was asked yet
}

func (p *Pages) askExplain(w http.ResponseWriter, r *http.Request) error {
	in := explainInput{Now: p.opts.Now()}
	seq, err := positive(r.URL.Query(), "event")
	if err != nil {
		return badQuery("/explain", err)
	}
	if seq > 0 {
		err := p.opts.Store.View(r.Context(), func(tx *store.Tx) error {
			ev, err := tx.Event(seq)
			in.Event, in.Seq = string(ev.Raw), seq
			return err
		})
		if err != nil {
			return fmt.Errorf("event %d: %w", seq, err)
		}
		if !utf8.ValidString(in.Event) {
			in.Event = ""
		}
	}
	return p.showExplain(w, r, in)
}

func (p *Pages) explain(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	in := explainInput{Now: p.opts.Now(), Accounts: p.opts.Accounts(), Event: strings.TrimSpace(r.PostFormValue("event"))}
	if in.Event == "" {
		return wrong("event: paste one")
	}
	found, err := p.opts.Act.Explain(r.Context(), []byte(in.Event))
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	in.Found = &found
	return p.showExplain(w, r, in)
}

func (p *Pages) showExplain(w http.ResponseWriter, r *http.Request, in explainInput) error {
	return show(p, w, r, http.StatusOK, p.explainPage, head{Title: "Explain", Here: "explain"}, in.view())
}

var stepWords = map[routing.StepResult][2]string{
	routing.Matched:    {"Matches", "good"},
	routing.NotMatched: {"No", "quiet"},
	routing.NotReached: {"Not reached", "quiet"},
}

func (in explainInput) view() explainView {
	v := explainView{Event: in.Event, Seq: in.Seq}
	x := in.Found
	if x == nil {
		return v
	}
	v.Done, v.Verdict, v.Reason, v.Rule, v.Live, v.Told, v.Lines = true, noteOf(x.Verdict), x.Reason, x.Rule, x.Live, x.Told, x.Steps
	if x.Alert != nil {
		row := newAlertRow(*x.Alert, in.Accounts, in.Now)
		v.Alert = &row
	}
	if x.Held != nil {
		v.Held = "by " + x.Held.By
		if !x.Held.Until.IsZero() {
			v.Held += " until " + when{x.Held.Until, in.Now}.Exact()
		}
		if !x.Held.Tell {
			v.Held += "; nobody is told at its end"
		}
	}
	if t := x.Routes; t != nil {
		v.Owner, v.Notes = t.Owner, t.Notes
		for _, s := range t.Steps {
			words := stepWords[s.Result]
			v.Routes = append(v.Routes, routeStep{s, words[0], words[1]})
		}
	}
	v.Expects, v.More = previewRungs(x.Expected, len(x.Expected))
	return v
}
