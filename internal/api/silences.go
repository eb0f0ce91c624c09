package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// Silences is the answer to a list.
type Silences struct {
	Silences []tocsin.Silence `json:"silences" doc:"The silences, the newest first."`
	Next     int64            `json:"next,omitempty" doc:"What before is to be for the next page; left out on the last."`
}

type listSilences struct {
	State  string `query:"state" jsonschema:"enum=active,enum=ended,enum=all,default=active" doc:"active: those that are not over, begun or not. ended: those that are over, by themselves or because somebody ended them."`
	Before int64  `query:"before" jsonschema:"minimum=1" doc:"Silences with a smaller number: the next page."`
	Limit  int    `query:"limit" jsonschema:"minimum=1,maximum=1000,default=100" doc:"At most so many."`
}

func (a *api) listSilences(ctx context.Context, in listSilences) (Silences, error) {
	f := store.SilenceFilter{Page: store.Page{Limit: in.Limit, Before: in.Before}}
	switch in.State {
	case "active":
		f.Live = a.now()
	case "ended":
		f.Over = a.now()
	}
	return view(ctx, a, func(tx *store.Tx) (Silences, error) {
		found, err := tx.Silences(f)
		out := Silences{Silences: list(found)}
		if len(found) == in.Limit {
			out.Next = found[in.Limit-1].ID
		}
		return out, err
	})
}

func (a *api) showSilence(ctx context.Context, in byID) (tocsin.Silence, error) {
	return view(ctx, a, func(tx *store.Tx) (tocsin.Silence, error) { return tx.Silence(in.ID) })
}

// What says what is silenced.
type What struct {
	Kind    tocsin.SilenceKind `json:"kind,omitempty" doc:"What it is for; silence if left out. A silence lasts 30 days at most, the others 365."`
	Pattern json.RawMessage    `json:"pattern,omitempty" jsonschema:"type=object" doc:"Event pattern over the alert, as a route's is: {\"type\": [{\"prefix\": \"Recon:\"}], \"account\": [\"111122223333\"]}. Either this or key."`
	Key     tocsin.Key         `json:"key,omitempty" doc:"Of a mute: the one alert, by its key."`
	Every   *tocsin.Recurrence `json:"every,omitempty" doc:"Of maintenance: has it recur within its time."`
}

// SilenceBody is the body that makes a silence.
type SilenceBody struct {
	By string `json:"by" jsonschema:"minLength=1,maxLength=200,example=ana" doc:"Who makes or changes it. Whoever makes it is its author, and is told before it ends and what it hid."`
	What
	Reason     string       `json:"reason" jsonschema:"minLength=1,maxLength=10000,example=scan of the quarter" doc:"Why, for those who look for what it hides."`
	From       time.Time    `json:"from,omitzero" doc:"When it begins; now if left out."`
	Until      time.Time    `json:"until" jsonschema:"example=2026-06-12T06:00:00Z" doc:"When it ends."`
	NotifyFrom tocsin.Level `json:"notify_from,omitempty" doc:"The lowest level of which people are told at its end, if the alert is still open; high if left out."`
}

func (b SilenceBody) silence() tocsin.Silence {
	s := tocsin.Silence{
		Kind: b.Kind, Pattern: b.Pattern, Key: b.Key, Every: b.Every, Author: b.By, Reason: b.Reason,
		From: b.From, Until: b.Until, NotifyFrom: b.NotifyFrom,
	}
	if s.Kind == "" {
		s.Kind = tocsin.KindSilence
	}
	if s.NotifyFrom == tocsin.Unknown {
		s.NotifyFrom = tocsin.High
	}
	return s
}

type createSilence struct {
	SilenceBody `body:"json"`
}

func (a *api) createSilence(ctx context.Context, in createSilence) (tocsin.Silence, error) {
	return a.act.SaveSilence(ctx, in.silence())
}

// SilenceChange is the body that changes a silence.
type SilenceChange struct {
	SilenceBody
	Version int64 `json:"version" jsonschema:"minimum=1,example=1" doc:"The silence's version as it was seen; another one is refused with 409."`
}

type changeSilence struct {
	byID
	SilenceChange `body:"json"`
}

// changeSilence leaves the author, who is told of its end, and when it began
// unless the body says so.
func (a *api) changeSilence(ctx context.Context, in changeSilence) (tocsin.Silence, error) {
	old, err := a.showSilence(ctx, in.byID)
	if err != nil {
		return old, err
	}
	s := in.silence()
	s.ID, s.Version, s.Author = in.ID, in.Version, old.Author
	if s.From.IsZero() {
		s.From = old.From
	}
	return a.act.SaveSilence(ctx, s)
}

func (a *api) endSilence(ctx context.Context, in changeByID) (tocsin.Silence, error) {
	return a.act.EndSilence(ctx, in.ID, in.By)
}

// PreviewBody is the body that asks what a silence would have hidden.
type PreviewBody struct {
	What
	Days int `json:"days,omitempty" jsonschema:"minimum=1,maximum=400,default=30,example=90" doc:"Of how many days before now; 30 if left out."`
}

type previewSilence struct {
	PreviewBody `body:"json"`
}

func (a *api) previewSilence(ctx context.Context, in previewSilence) (routing.Preview, error) {
	now := a.now()
	s := tocsin.Silence{Kind: in.Kind, Pattern: in.Pattern, Key: in.Key, Every: in.Every, From: now, Until: now.AddDate(0, 0, 1)}
	if s.Kind == "" {
		s.Kind = tocsin.KindSilence
	}
	return a.act.PreviewSilence(ctx, s, in.Days)
}

func (a *api) reportSilence(ctx context.Context, in byID) (routing.Preview, error) {
	return a.act.ReportSilence(ctx, in.ID)
}
