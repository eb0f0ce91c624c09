// Package web is what people see: pages of alerts, the inbound log,
// notifications and sources, rendered on the server.
//
// Every page works without JavaScript; the one small script only refreshes,
// copies and moves by keyboard. Pages read through [store.Store] and act through
// an [Actor]. Everything that a finding says is untrusted and is escaped where
// it is shown.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// Options are what the pages need. Store and Act are required.
type Options struct {
	Store *store.Store
	Act   Actor
	// Sources gives the configured sources as they stand, tokens hidden.
	Sources func(ctx context.Context) []SourceInfo
	// Accounts are the configured accounts by id.
	Accounts func() map[string]tocsin.Account
	Now      func() time.Time
	Log      *slog.Logger
	Version  string
	Demo     *DemoLinks // nil outside the demo
}

// DemoLinks are what the navigation shows in the demo only.
type DemoLinks struct {
	Inbox string // path of the demo's inbox
}

// An Actor does what people ask for on a page. Its errors of type
// [tocsin.StateError], [store.ErrStale] and [store.ErrNotFound] have pages of
// their own.
type Actor interface {
	Acknowledge(ctx context.Context, id int64, by string) (tocsin.Alert, error)
	Close(ctx context.Context, id int64, by string, reason tocsin.Reason, note string) (tocsin.Alert, error)
	// Retry makes a parked or failed notification pending again. Of one that is
	// neither any more the error is store.ErrStale.
	Retry(ctx context.Context, notification int64, by string) error
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
	p.handler = p.guard(p.routes())
	return p
}

func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }
