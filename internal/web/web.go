// Package web is what people see: pages of alerts, of who is on call and of all
// that decides who is told, rendered on the server.
//
// Every page works without JavaScript; the one small script only refreshes,
// copies and moves by keyboard. Pages read through [store.Store] and act through
// [engine.Asks]. Everything that a finding says is untrusted and is escaped where
// it is shown.
//
// [New] makes the pages for people who are let in. [NewLinks] makes the one page
// that the whole world may open: what a signed link in a message leads to.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/coverage"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/shadow"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// Options are what the pages need. Store and Act are required.
type Options struct {
	Store *store.Store
	// Act does what people ask for on a page. Its errors of type [tocsin.StateError],
	// [engine.StaleError] and [engine.InputError] have words of their own, and so
	// have [store.ErrStale] and [store.ErrNotFound].
	Act engine.Asks
	// Sources gives the configured sources as they stand, tokens hidden.
	Sources func(ctx context.Context) []SourceInfo
	// Accounts are the configured accounts by id.
	Accounts func() map[string]tocsin.Account
	// Receivers are the configured receivers in the order of their names.
	Receivers func() []ReceiverInfo
	// Report judges the alerts that opened from from on and before to.
	Report func(ctx context.Context, from, to time.Time) (reports.Report, error)
	// Latency judges how long the way to people took of the alerts that it chooses.
	Latency func(ctx context.Context, f store.LatencyFilter) (reports.LatencyReport, error)
	// Compare says what another system sent in a time and what we sent of the same.
	Compare func(ctx context.Context, from, to time.Time) (shadow.Comparison, error)
	// Coverage judges how accounts and regions stand.
	Coverage func(ctx context.Context) (coverage.Grid, error)
	// Setup lists and changes sources and receivers. Without it there are no pages
	// for that.
	Setup   SetUp
	Now     func() time.Time
	Log     *slog.Logger
	Version string
	Demo    *DemoLinks // nil outside the demo
}

// A ReceiverInfo is a configured receiver.
type ReceiverInfo struct {
	Name, Kind string
	// Personal says that it can tell single people: contact methods may be of it.
	Personal bool
	// Invites says that people enrol with it by a link, since nobody knows such an
	// address by heart (a notify.Inviter).
	Invites bool
}

// DemoLinks are what the navigation shows in the demo only.
type DemoLinks struct {
	Inbox string // path of the demo's inbox
}

// A SourceInfo is a configured source as the Sources page shows it.
type SourceInfo struct {
	Name, Kind string
	Status     collect.Status
	Connect    []tocsin.Fact // how to connect a sender, tokens hidden
}

// Pages answers the requests for all pages. New makes one.
type Pages struct {
	opts    Options
	assets  assets
	handler http.Handler

	alertsPage        page[alertsView]
	alertPage         page[alertView]
	inboundPage       page[inboundView]
	eventPage         page[eventView]
	notificationsPage page[notificationsView]
	sourcesPage       page[sourcesView]
	problemPage       page[problem]
	whoPage           page[whoView]
	onCallPage        page[onCallView]
	schedulePage      page[scheduleView]
	policiesPage      page[policiesView]
	silencesPage      page[silencesView]
	silencePage       page[silenceView]
	newSilencePage    page[newSilenceView]
	peoplePage        page[peopleView]
	personPage        page[personView]
	invitationPage    page[invitationView]
	reportsPage       page[reportsView]
	latencyPage       page[latencyView]
	explainPage       page[explainView]
	shadowPage        page[shadowView]
	coveragePage      page[coverageView]
	placePage         page[placeView]
	cataloguePage     page[catalogueView]
	setupFormPage     page[setupForm]
	sourcePage        page[sourceView]
	receiversPage     page[receiversView]
	receiverPage      page[receiverView]
}

// New makes the pages. They want to be mounted at the root.
func New(opts Options) http.Handler { return newPages(opts) }

func newPages(opts Options) *Pages {
	if opts.Sources == nil {
		opts.Sources = func(context.Context) []SourceInfo { return nil }
	}
	if opts.Accounts == nil {
		opts.Accounts = func() map[string]tocsin.Account { return nil }
	}
	if opts.Receivers == nil {
		opts.Receivers = func() []ReceiverInfo { return nil }
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pages{opts: opts, assets: loadAssets()}
	p.alertsPage = newPage[alertsView]("alerts.html")
	p.alertPage = newPage[alertView]("alert.html")
	p.inboundPage = newPage[inboundView]("inbound.html")
	p.eventPage = newPage[eventView]("event.html")
	p.notificationsPage = newPage[notificationsView]("notifications.html")
	p.sourcesPage = newPage[sourcesView]("sources.html")
	p.problemPage = newPage[problem]("problem.html")
	p.whoPage = newPage[whoView]("who.html")
	p.onCallPage = newPage[onCallView]("oncall.html")
	p.schedulePage = newPage[scheduleView]("schedule.html")
	p.policiesPage = newPage[policiesView]("policies.html")
	p.silencesPage = newPage[silencesView]("silences.html")
	p.silencePage = newPage[silenceView]("silence.html")
	p.newSilencePage = newPage[newSilenceView]("silence_new.html")
	p.peoplePage = newPage[peopleView]("people.html")
	p.personPage = newPage[personView]("person.html")
	p.invitationPage = newPage[invitationView]("invitation.html")
	p.reportsPage = newPage[reportsView]("reports.html")
	p.latencyPage = newPage[latencyView]("latency.html")
	p.explainPage = newPage[explainView]("explain.html")
	p.shadowPage = newPage[shadowView]("shadow.html")
	p.coveragePage = newPage[coverageView]("coverage.html")
	p.placePage = newPage[placeView]("coverage_place.html")
	p.cataloguePage = newPage[catalogueView]("setup_catalogue.html")
	p.setupFormPage = newPage[setupForm]("setup_form.html")
	p.sourcePage = newPage[sourceView]("setup_source.html")
	p.receiversPage = newPage[receiversView]("setup_receivers.html")
	p.receiverPage = newPage[receiverView]("setup_receiver.html")
	p.handler = p.guard(p.routes())
	return p
}

func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }
