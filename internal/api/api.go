// Package api is the JSON API: what the command line and other programs ask of a
// running tocsin. It reads through the store and acts through the engine.
//
// Every endpoint is one value: its address, what it takes, what it answers, and
// the function that does it. The same values decode requests, strictly and telling
// all that is wrong at once, and make the OpenAPI 3.1 description that
// GET /api/openapi.json answers ([Description]).
//
// Errors are a [Refusal] with a fitting status: 400 for what cannot be read, 404
// for what is not there, 405 and 415 for another method or form, 409 where
// somebody was faster, 413 for what is too long, 422 for what can be read and
// cannot be done. Of our own faults the caller learns nothing but 500.
package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin/internal/coverage"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/setup"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// Options are what the API stands on.
type Options struct {
	Store *store.Store
	Act   engine.Asks
	Now   func() time.Time // nil is time.Now
	Log   *slog.Logger     // nil discards
	// Setup sets up sources and receivers; nil where nothing can be.
	Setup *setup.Setup
	// Coverage judges how accounts and regions stand; nil where nothing does.
	Coverage func(ctx context.Context) (coverage.Grid, error)
}

// New is the API as a handler for paths under /api/.
func New(o Options) http.Handler {
	a := &api{store: o.Store, act: o.Act, now: o.Now, log: o.Log, setup: o.Setup, coverage: o.Coverage}
	if a.now == nil {
		a.now = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.described = sync.OnceValue(Description)
	mux := http.NewServeMux()
	a.mount(mux, a.endpoints())
	return http.NewCrossOriginProtection().Handler(mux)
}

type api struct {
	store *store.Store
	act   engine.Asks
	now   func() time.Time
	log   *slog.Logger
	setup *setup.Setup
	// coverage judges how accounts and regions stand; nil where nothing does.
	coverage func(ctx context.Context) (coverage.Grid, error)
	// described is [Description], made when it is first asked for.
	described func() json.RawMessage
}

// endpoints are all that can be asked.
func (a *api) endpoints() []endpoint {
	const (
		notFound  = http.StatusNotFound
		conflict  = http.StatusConflict
		notToDo   = http.StatusUnprocessableEntity
		alert     = "/api/alerts/{id}"
		schedule  = "/api/schedules/{name}"
		source    = "/api/sources/{name}"
		receiver  = "/api/receivers/{name}"
		oneChange = "It answers the alert as it is then."
	)
	return []endpoint{
		on("list_alerts", "GET /api/alerts", "List alerts.", a.listAlerts),
		on("get_alert", "GET "+alert, "Show an alert with its timeline and its notifications.", a.showAlert, notFound),
		on("acknowledge_alert", "POST "+alert+"/acknowledge", "Take an alert on: people are called no more. "+oneChange, a.acknowledge, notFound, conflict, notToDo),
		on("unacknowledge_alert", "POST "+alert+"/unacknowledge", "Give an alert back: people are called from the first step. "+oneChange, a.unacknowledge, notFound, conflict, notToDo),
		on("assign_alert", "POST "+alert+"/assign", "Give an alert to a person, who has taken it on then. "+oneChange, a.assign, notFound, conflict, notToDo),
		on("snooze_alert", "POST "+alert+"/snooze", "Have nobody called until then, for 7 days at most. "+oneChange, a.snooze, notFound, conflict, notToDo),
		on("run_action", "POST "+alert+"/run", "Run an action that waits for somebody's approval. It runs once for each opening of the alert. "+oneChange, a.runAction, notFound, conflict, notToDo),
		on("escalate_alert", "POST "+alert+"/escalate", "End the present step now, and call the next. "+oneChange, a.escalate, notFound, conflict, notToDo),
		on("reassign_alert", "POST "+alert+"/reassign", "Hand an alert to another team or policy: people are called from the first step. "+oneChange, a.reassign, notFound, conflict, notToDo),
		on("close_alert", "POST "+alert+"/close", "Close an alert, saying why. "+oneChange, a.closeAlert, notFound, conflict, notToDo),
		on("note_alert", "POST "+alert+"/note", "Write a line into an alert's timeline. "+oneChange, a.note, notFound, conflict, notToDo),
		on("apply_policy", "POST "+alert+"/apply-policy", "Have a live alert go by its policy as it is configured today. "+oneChange, a.applyPolicy, notFound, conflict, notToDo),
		on("acknowledge_alerts", "POST /api/alerts/acknowledge", "Take several alerts on. Each has a result of its own.", a.acknowledgeMany),
		on("close_alerts", "POST /api/alerts/close", "Close several alerts, saying why. Each has a result of its own.", a.closeMany),

		on("list_notifications", "GET /api/notifications", "List notifications, the newest first: who was told what, and what came of it.", a.listNotifications),
		on("get_notification", "GET /api/notifications/{id}", "Show a notification with its attempts.", a.showNotification, notFound),
		on("retry_notification", "POST /api/notifications/{id}/retry", "Send a notification that failed or was parked once more, as a new one.", a.retry, notFound, conflict, notToDo),

		on("list_silences", "GET /api/silences", "List silences, the newest first.", a.listSilences),
		on("get_silence", "GET /api/silences/{id}", "Show a silence.", a.showSilence, notFound),
		on("create_silence", "POST /api/silences", "Make a silence.", a.createSilence, notToDo),
		on("change_silence", "PUT /api/silences/{id}", "Change a silence: all of it is as the body says.", a.changeSilence, notFound, conflict, notToDo),
		on("end_silence", "POST /api/silences/{id}/end", "End a silence now. What it held is told, if it is still worth it.", a.endSilence, notFound, conflict, notToDo),
		on("preview_silence", "POST /api/silences/preview", "Say what a silence would have hidden of the last days. Nothing is written.", a.previewSilence, notToDo),
		on("report_silence", "GET /api/silences/{id}/report", "Say what a silence has hidden.", a.reportSilence, notFound, notToDo),

		on("list_people", "GET /api/people", "List people with their contact methods.", a.listPeople),
		on("get_person", "GET /api/people/{name}", "Show a person.", a.showPerson, notFound),
		on("save_person", "PUT /api/people/{name}", "Write a person: all but the contact methods is as the body says.", a.savePerson, conflict, notToDo),
		on("add_contact", "POST /api/people/{name}/contacts", "Add a contact method, and send its address a code.", a.addContact, notFound, conflict, notToDo),
		on("invite_person", "POST /api/people/{name}/invitations", "Make a link by which a person enrols a phone or browser.", a.invite, notFound, notToDo),
		on("remove_contact", "POST /api/contacts/{id}/remove", "Forget a contact method.", a.removeContact, notFound, conflict, notToDo),
		on("enable_contact", "POST /api/contacts/{id}/enable", "Use a disabled contact method again, once the code that is sent is given.", a.enableContact, notFound, conflict, notToDo),
		on("send_code", "POST /api/contacts/{id}/send-code", "Send a code once more, three times an hour at most.", a.sendCode, notFound, conflict, notToDo),
		on("verify_contact", "POST /api/contacts/{id}/verify", "Give the code that the address was sent.", a.verifyContact, notFound, conflict, notToDo),
		on("person_calendar", "GET /api/people/{name}.ics", "Subscribe to the shifts of a person as an iCalendar feed.", a.personCalendar, notFound),

		on("on_call", "GET /api/on-call", "Say who is on call.", a.onCall),
		on("list_schedules", "GET /api/schedules", "List schedules as configured.", a.listSchedules),
		on("get_schedule", "GET "+schedule, "Show a schedule as configured.", a.showSchedule, notFound),
		on("list_shifts", "GET "+schedule+"/shifts", "List the shifts that touch a time, in their whole length.", a.listShifts, notFound),
		on("list_gaps", "GET "+schedule+"/gaps", "List the times at which nobody is on call.", a.listGaps, notFound),
		on("schedule_calendar", "GET "+schedule+".ics", "Subscribe to the shifts of a schedule as an iCalendar feed.", a.scheduleCalendar, notFound),
		on("list_overrides", "GET /api/overrides", "List overrides that are not over.", a.listOverrides),
		on("create_override", "POST /api/overrides", "Override who is on call for a time. Without a schedule it is an absence from all.", a.createOverride, conflict, notToDo),
		on("swap_shifts", "POST /api/overrides/swap", "Have two people who have agreed stand in for each other: two overrides.", a.swap, conflict, notToDo),
		on("end_override", "POST /api/overrides/{id}/end", "End an override now.", a.endOverride, notFound, conflict, notToDo),

		on("list_catalogue", "GET /api/catalogue", "List all that can be set up, with the fields of each.", a.catalogue, notToDo),
		on("list_sources", "GET /api/sources", "List sources: by what events come, and how they stand.", a.listSources, notToDo),
		on("get_source", "GET "+source, "Show a source with its history.", a.showSource, notFound, notToDo),
		on("save_source", "PUT "+source, "Write a source into the managed file and put it in force: all of it is as the body says. It answers the source as it is then.", a.saveSource, notToDo),
		on("delete_source", "POST "+source+"/delete", "Delete a source. Its journal is kept, and its URL answers 410.", a.deleteSource, notFound, notToDo),
		on("disable_source", "POST "+source+"/disable", "Have a source take nothing in: senders are told to come again in an hour.", a.disableSource, notFound, notToDo),
		on("enable_source", "POST "+source+"/enable", "Have a disabled source take events in again.", a.enableSource, notFound, notToDo),
		on("rotate_source", "POST "+source+"/rotate", "Make a source a new token. The one before stays good for a while.", a.rotateSource, notFound, notToDo),
		on("retire_source", "POST "+source+"/retire", "End the tokens of a source that another one has followed.", a.retireSource, notFound, notToDo),
		on("get_source_url", "POST "+source+"/url", "Show what opens a source, in clear.", a.sourceURL, notFound, notToDo),
		on("connect_source", "POST "+source+"/connect", "Say what to paste into AWS to have it send its findings to a source.", a.connectSource, notFound, notToDo),
		on("test_source", "POST "+source+"/test", "Say what would become of an event of a source, step by step; {} is a sample. Nothing is written or sent.", a.testSource, notFound, notToDo),
		on("list_receivers", "GET /api/receivers", "List receivers: by what people are told.", a.listReceivers, notToDo),
		on("get_receiver", "GET "+receiver, "Show a receiver with its history.", a.showReceiver, notFound, notToDo),
		on("save_receiver", "PUT "+receiver, "Write a receiver into the managed file and put it in force: all of it is as the body says. It answers the receiver as it is then.", a.saveReceiver, notToDo),
		on("delete_receiver", "POST "+receiver+"/delete", "Delete a receiver that nothing names.", a.deleteReceiver, notFound, notToDo),
		on("disable_receiver", "POST "+receiver+"/disable", "Have nobody told by a receiver. What it is owed fails, and the fallback is told of alerts in its stead.", a.disableReceiver, notFound, notToDo),
		on("enable_receiver", "POST "+receiver+"/enable", "Tell people by a disabled receiver again.", a.enableReceiver, notFound, notToDo),
		on("test_receiver", "POST "+receiver+"/test", "Send a message that is marked as a test by a receiver, now and once.", a.testReceiver, notFound, notToDo),

		on("list_policies", "GET /api/policies", "List escalation policies as configured.", a.listPolicies),
		on("preview_policy", "GET /api/policies/{name}/preview", "Say whom a policy would tell, and when, if nobody answered.", a.previewPolicy, notFound),
		on("list_teams", "GET /api/teams", "List teams as configured.", a.listTeams),
		on("dead_routes", "GET /api/routes/dead", "List routes and receivers that took nothing for days.", a.deadRoutes),
		on("explain_event", "POST /api/explain", "Say what would become of an event, step by step. Nothing is written or sent.", a.explain, notToDo),

		on("get_coverage", "GET /api/coverage", "Show how every account stands in every region: what is covered and by what proof, what is dark, what nobody can tell.", a.showCoverage),
		on("compare_shadow", "GET /api/shadow", "Compare what another system sent with what tocsin sent, or would have sent, of the same findings.", a.compare),
		on("get_report", "GET /api/reports", "Report how soon alerts were answered, who was disturbed, and how much was noise.", a.report),
		on("get_latency", "GET /api/reports/latency", "Report how long each stage took from an activity to the person who took its alert on, by account, region, route and time.", a.latency),
		on("get_description", "GET /api/openapi.json", "This description.", a.description),
	}
}

func (a *api) description(context.Context, none) (json.RawMessage, error) { return a.described(), nil }

// view reads in one snapshot.
func view[T any](ctx context.Context, a *api, f func(tx *store.Tx) (T, error)) (out T, err error) {
	err = a.store.View(ctx, func(tx *store.Tx) error {
		out, err = f(tx)
		return err
	})
	return out, err
}

// list is what JSON writes as a list, be it empty.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
