package api

import (
	"context"
	"net/http"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// Alerts is the answer to a list.
type Alerts struct {
	Alerts []tocsin.Alert `json:"alerts" doc:"The alerts, in the order that was asked for."`
	Total  int64          `json:"total" doc:"How many the filter chooses in all."`
}

// Alert is the answer about one alert.
type Alert struct {
	tocsin.Alert
	Timeline      []tocsin.Entry `json:"timeline" doc:"What became of it, the oldest first."`
	Notifications []Notification `json:"notifications" doc:"What was told of it, the newest first."`
}

// Asked is what the bodies of all changes have: who asks, and why.
type Asked struct {
	By   string `json:"by" jsonschema:"minLength=1,maxLength=200,example=ana" doc:"Who does it."`
	Note string `json:"note,omitempty" jsonschema:"maxLength=10000,example=looking into it" doc:"What is to be remembered of it; it stands in the timeline."`
}

// AlertChange is the body of a change of one alert.
type AlertChange struct {
	Asked
	Version int64 `json:"version,omitempty" jsonschema:"minimum=0" doc:"The alert's version as it was seen. Another one is refused with 409, and the answer has the alert as it is. Left out, any will do."`
}

func (c AlertChange) ask() engine.Ask {
	return engine.Ask{By: c.By, Version: c.Version, Note: c.Note, Via: "api"}
}

type listAlerts struct {
	Status     []tocsin.Status `query:"status" doc:"Alerts of this status; several may be given."`
	Level      tocsin.Level    `query:"level" doc:"Alerts of at least this level."`
	Account    string          `query:"account" doc:"Alerts of this AWS account id."`
	Region     string          `query:"region" doc:"Alerts of this AWS region."`
	Type       string          `query:"type" doc:"Alerts whose finding type begins so, such as CryptoCurrency:."`
	Text       string          `query:"text" doc:"Alerts with this text anywhere; * is any run of characters."`
	Team       string          `query:"team" doc:"Alerts that this team owns."`
	Assignee   string          `query:"assignee" doc:"Alerts that this person has taken on or was given."`
	Unanswered bool            `query:"unanswered" doc:"With true: alerts alone that were escalated to the end, and nobody answered."`
	Sort       string          `query:"sort" jsonschema:"enum=level,enum=newest,enum=changed,enum=count,default=level" doc:"level: the worst first, then the oldest. newest, changed, count: the most recent or most frequent first."`
	Limit      int             `query:"limit" jsonschema:"minimum=0,maximum=10000,default=100" doc:"At most so many; 0 is 100."`
	Offset     int             `query:"offset" jsonschema:"minimum=0" doc:"So many are passed over."`
}

func (a *api) listAlerts(ctx context.Context, in listAlerts) (Alerts, error) {
	f := store.AlertFilter{
		Statuses: in.Status, MinLevel: in.Level, Account: in.Account, Region: in.Region, Type: in.Type, Text: in.Text,
		Team: in.Team, Assignee: in.Assignee, Unanswered: in.Unanswered, Sort: in.Sort, Limit: in.Limit, Offset: in.Offset,
	}
	return view(ctx, a, func(tx *store.Tx) (Alerts, error) {
		alerts, total, err := tx.Alerts(f)
		return Alerts{list(alerts), total}, err
	})
}

// byID is one of the things that have a number.
type byID struct {
	ID int64 `path:"id" jsonschema:"minimum=1,example=42" doc:"Its number."`
}

func (a *api) showAlert(ctx context.Context, in byID) (Alert, error) {
	return Show(ctx, a.store, in.ID)
}

// mostNotifications is how many of one alert are shown.
const mostNotifications = 1000

// Show reads one alert with all that belongs to it.
func Show(ctx context.Context, s *store.Store, id int64) (out Alert, err error) {
	err = s.View(ctx, func(tx *store.Tx) (err error) {
		if out.Alert, err = tx.Alert(id); err != nil {
			return err
		}
		if out.Timeline, err = tx.Timeline(id); err != nil {
			return err
		}
		out.Timeline = list(out.Timeline)
		out.Notifications, err = ledger(tx, store.NotificationFilter{Alert: id, Page: store.Page{Limit: mostNotifications}})
		return err
	})
	return out, err
}

type changeAlert struct {
	byID
	AlertChange `body:"json"`
}

func (a *api) acknowledge(ctx context.Context, in changeAlert) (tocsin.Alert, error) {
	return a.act.Acknowledge(ctx, in.ID, in.ask())
}

func (a *api) unacknowledge(ctx context.Context, in changeAlert) (tocsin.Alert, error) {
	return a.act.Unacknowledge(ctx, in.ID, in.ask())
}

func (a *api) escalate(ctx context.Context, in changeAlert) (tocsin.Alert, error) {
	return a.act.Escalate(ctx, in.ID, in.ask())
}

func (a *api) applyPolicy(ctx context.Context, in changeAlert) (tocsin.Alert, error) {
	return a.act.ApplyPolicy(ctx, in.ID, in.ask())
}

// ActionRun is the body that approves an action.
type ActionRun struct {
	AlertChange
	Action string `json:"action" jsonschema:"minLength=1,example=isolate-instance" doc:"The action, one of the alert's approvals."`
}

type runAction struct {
	byID
	ActionRun `body:"json"`
}

func (a *api) runAction(ctx context.Context, in runAction) (tocsin.Alert, error) {
	return a.act.RunAction(ctx, in.ID, in.ask(), in.Action)
}

// Assignment is the body that gives an alert to somebody.
type Assignment struct {
	AlertChange
	To string `json:"to" jsonschema:"minLength=1,maxLength=200,example=bo" doc:"The person who gets it."`
}

type assignAlert struct {
	byID
	Assignment `body:"json"`
}

func (a *api) assign(ctx context.Context, in assignAlert) (tocsin.Alert, error) {
	return a.act.Assign(ctx, in.ID, in.ask(), in.To)
}

// Snooze is the body that has nobody called for a while.
type Snooze struct {
	AlertChange
	Until time.Time           `json:"until,omitzero" doc:"Until when; either this or for."`
	For   escalation.Duration `json:"for,omitzero" jsonschema:"example=2h" doc:"For how long from now, such as 90m or 2h."`
}

type snoozeAlert struct {
	byID
	Snooze `body:"json"`
}

func (a *api) snooze(ctx context.Context, in snoozeAlert) (tocsin.Alert, error) {
	until := in.Until
	switch given := !until.IsZero(); {
	case given == (in.For != 0):
		return tocsin.Alert{}, problems{{"body", "until", "say until when, or for how long, and not both"}}
	case !given:
		until = a.now().Add(time.Duration(in.For))
	}
	return a.act.Snooze(ctx, in.ID, in.ask(), until)
}

// Reassignment is the body that hands an alert over.
type Reassignment struct {
	AlertChange
	Team   string `json:"team,omitempty" jsonschema:"example=payments" doc:"The team that owns it from now on."`
	Policy string `json:"policy,omitempty" doc:"The policy by which people are called; the team's if left out."`
}

type reassignAlert struct {
	byID
	Reassignment `body:"json"`
}

func (a *api) reassign(ctx context.Context, in reassignAlert) (tocsin.Alert, error) {
	if in.Team == "" && in.Policy == "" {
		return tocsin.Alert{}, problems{{"body", "team", "say which team or which policy gets it"}}
	}
	return a.act.Reassign(ctx, in.ID, in.ask(), in.Team, in.Policy)
}

// Closing says why something is closed.
type Closing struct {
	Reason string    `json:"reason" jsonschema:"enum=fixed,enum=false_positive,enum=expected,enum=accepted_risk,enum=duplicate,enum=other,example=fixed" doc:"Why it is closed."`
	Mute   time.Time `json:"mute_until,omitzero" doc:"Until when nobody is told if it happens again, for 365 days at most."`
}

// AlertClosing is the body that closes one alert.
type AlertClosing struct {
	AlertChange
	Closing
}

type closeAlert struct {
	byID
	AlertClosing `body:"json"`
}

func (a *api) closeAlert(ctx context.Context, in closeAlert) (tocsin.Alert, error) {
	return a.act.Close(ctx, in.ID, in.ask(), tocsin.Reason(in.Reason), in.Mute)
}

// Noting is the body of a note.
type Noting struct {
	By      string `json:"by" jsonschema:"minLength=1,maxLength=200,example=ana" doc:"Who writes it."`
	Note    string `json:"note" jsonschema:"minLength=1,maxLength=10000,example=the scanner is ours" doc:"What is to be remembered."`
	Version int64  `json:"version,omitempty" jsonschema:"minimum=0" doc:"The alert's version as it was seen; left out, any will do."`
}

type noteAlert struct {
	byID
	Noting `body:"json"`
}

func (a *api) note(ctx context.Context, in noteAlert) (tocsin.Alert, error) {
	return a.act.Note(ctx, in.ID, engine.Ask{By: in.By, Version: in.Version, Note: in.Note, Via: "api"})
}

// Several names alerts.
type Several struct {
	IDs []int64 `json:"ids" jsonschema:"minItems=1,maxItems=1000" doc:"The alerts, by their numbers; one that is there twice is done once."`
}

// Acknowledgements is the body that takes several alerts on.
type Acknowledgements struct {
	Asked
	Several
}

// Closings is the body that closes several alerts.
type Closings struct {
	Asked
	Several
	Closing
}

// Results say what came of each of several alerts.
type Results struct {
	Results []Result `json:"results" doc:"One for each alert, in the order that was asked."`
}

// A Result is what came of one of several alerts.
type Result struct {
	ID     int64         `json:"id" doc:"The alert."`
	Status int           `json:"status" doc:"The HTTP status that it would have had by itself: 200 where it is done."`
	Error  string        `json:"error,omitempty" doc:"Why it is not done."`
	Alert  *tocsin.Alert `json:"alert,omitempty" doc:"The alert as it is now, where it is known."`
}

type acknowledgeMany struct {
	Acknowledgements `body:"json"`
}

func (a *api) acknowledgeMany(ctx context.Context, in acknowledgeMany) (Results, error) {
	return a.each(ctx, in.IDs, func(id int64) (tocsin.Alert, error) {
		return a.act.Acknowledge(ctx, id, AlertChange{Asked: in.Asked}.ask())
	})
}

type closeMany struct {
	Closings `body:"json"`
}

func (a *api) closeMany(ctx context.Context, in closeMany) (Results, error) {
	return a.each(ctx, in.IDs, func(id int64) (tocsin.Alert, error) {
		return a.act.Close(ctx, id, AlertChange{Asked: in.Asked}.ask(), tocsin.Reason(in.Reason), in.Mute)
	})
}

// each does it to every alert. Our own faults are told of each in words that say
// nothing, and logged.
func (a *api) each(ctx context.Context, ids []int64, do func(id int64) (tocsin.Alert, error)) (Results, error) {
	out := Results{Results: make([]Result, 0, len(ids))}
	seen := make(map[int64]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		alert, err := do(id)
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		if err == nil {
			out.Results = append(out.Results, Result{ID: id, Status: http.StatusOK, Alert: &alert})
			continue
		}
		status, refusal := refusalOf(err)
		if status == http.StatusInternalServerError {
			a.log.ErrorContext(ctx, "request refused", "alert", id, "err", err)
		}
		out.Results = append(out.Results, Result{ID: id, Status: status, Error: refusal.Error, Alert: refusal.Alert})
	}
	return out, nil
}
