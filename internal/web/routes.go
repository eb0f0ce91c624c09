package web

import "net/http"

// routes are all addresses of the pages.
func (p *Pages) routes() *http.ServeMux {
	mux := http.NewServeMux()
	page := func(pattern string, h handler) { mux.Handle(pattern, p.adapt(h)) }

	page("GET /{$}", p.listAlerts)
	mux.Handle("GET /alerts", http.RedirectHandler("/", http.StatusPermanentRedirect))
	page("POST /alerts", p.changeAlerts)
	page("GET /alerts/{id}", p.showAlert)
	page("POST /alerts/{id}/acknowledge", p.acknowledgeAlert)
	page("POST /alerts/{id}/give-back", p.giveBackAlert)
	page("POST /alerts/{id}/assign", p.assignAlert)
	page("POST /alerts/{id}/snooze", p.snoozeAlert)
	page("POST /alerts/{id}/escalate", p.escalateAlert)
	page("POST /alerts/{id}/run", p.runAction)
	page("POST /alerts/{id}/reassign", p.reassignAlert)
	page("POST /alerts/{id}/apply-policy", p.applyPolicy)
	page("POST /alerts/{id}/note", p.noteAlert)
	page("POST /alerts/{id}/close", p.closeAlert)

	page("GET /inbound", p.listInbound)
	page("GET /inbound/{seq}", p.showEvent)
	page("GET /inbound/{seq}/raw", p.downloadEvent)

	page("GET /on-call", p.showOnCall)
	page("POST /on-call/absences", p.saveAbsence)
	page("GET /on-call/{schedule}", p.showSchedule)
	page("POST /on-call/{schedule}/overrides", p.saveOverride)
	page("POST /overrides/{override}/end", p.endOverride)
	page("GET /policies", p.listPolicies)

	page("GET /silences", p.listSilences)
	page("GET /silences/new", p.newSilence)
	page("POST /silences/new", p.saveSilence)
	page("GET /silences/{id}", p.showSilence)
	page("POST /silences/{id}/end", p.endSilence)

	page("GET /people", p.listPeople)
	page("POST /people", p.addPerson)
	page("GET /people/{name}", p.showPerson)
	page("POST /people/{name}", p.savePerson)
	page("POST /people/{name}/rules", p.saveRules)
	page("POST /people/{name}/contacts", p.addContact)
	page("POST /people/{name}/invitations", p.invite)
	page("POST /people/{name}/contacts/{id}/verify", p.verifyContact)
	page("POST /people/{name}/contacts/{id}/code", p.sendCode)
	page("POST /people/{name}/contacts/{id}/enable", p.enableContact)
	page("POST /people/{name}/contacts/{id}/remove", p.removeContact)

	page("GET /notifications", p.listNotifications)
	page("POST /notifications/{id}/retry", p.retryNotification)

	page("GET /reports", p.showReport)
	page("GET /latency", p.showLatency)
	page("GET /shadow", p.showShadow)
	page("GET /coverage", p.showCoverage)
	page("GET /coverage.csv", p.downloadCoverage)
	page("GET /coverage/{account}", p.showAccount)
	page("GET /coverage/{account}/{region}", p.showPlace)
	page("GET /explain", p.askExplain)
	mux.Handle("POST /explain", p.adaptUpTo(maxEvent, p.explain))
	page("GET /sources", p.listSources)
	if p.opts.Setup != nil {
		page("GET /receivers", p.listReceivers)
		p.setupRoutes(mux)
	}

	page("GET /who", p.askWho)
	page("POST /who", p.saveWho)

	page("GET /static/{name}", p.serveAsset)
	return mux
}
