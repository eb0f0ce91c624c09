package web

import "net/http"

// routes are all addresses of the pages.
func (p *Pages) routes() *http.ServeMux {
	mux := http.NewServeMux()
	page := func(pattern string, h handler) { mux.Handle(pattern, p.adapt(h)) }

	page("GET /{$}", p.listAlerts)
	mux.Handle("GET /alerts", http.RedirectHandler("/", http.StatusPermanentRedirect))
	page("GET /alerts/{id}", p.showAlert)
	page("POST /alerts/{id}/acknowledge", p.acknowledgeAlert)
	page("POST /alerts/{id}/close", p.closeAlert)

	page("GET /inbound", p.listInbound)
	page("GET /inbound/{seq}", p.showEvent)
	page("GET /inbound/{seq}/raw", p.downloadEvent)

	page("GET /notifications", p.listNotifications)
	page("POST /notifications/{id}/retry", p.retryNotification)

	page("GET /sources", p.listSources)

	page("GET /static/{name}", p.serveAsset)
	return mux
}
