package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A problem is a page for what cannot be done: what happened, and what to do
// next.
type problem struct {
	Status int
	Title  string
	Words  string
	At     when // when it happened, if that matters
	// Changes are what happened since the form was shown.
	Changes    []entryRow
	Next       string
	Href, Link string // where to go on
	// Reference finds the log line of a fault of ours.
	Reference string
}

func (p *problem) Error() string { return p.Title }

func noSuchPage(r *http.Request) *problem {
	return &problem{
		Status: http.StatusNotFound, Title: "There is nothing here",
		Words: fmt.Sprintf("No page has the address %s.", r.URL.Path),
		Next:  "The alert or event may be older than what is kept, or the address was cut off on its way.",
		Href:  "/", Link: "Go to the alerts",
	}
}

// badQuery is a filter that cannot be read.
func badQuery(path string, err error) *problem {
	return &problem{
		Status: http.StatusBadRequest, Title: "That filter cannot be read",
		Words: "The address says: " + err.Error() + ".",
		Next:  "Choose the filter on the page instead of in the address.", Href: path, Link: "Show all",
	}
}

// conflict says what became of an alert before the form arrived.
func conflict(a tocsin.Alert, now time.Time) problem {
	pr := problem{
		Status: http.StatusConflict, Title: "Nothing was changed",
		Words: fmt.Sprintf("The alert is %s.", a.Status),
		Next:  "Look at the alert again, then decide.",
		Href:  fmt.Sprintf("/alerts/%d", a.ID), Link: "Look at the alert",
	}
	switch a.Status {
	case tocsin.StatusAcked:
		pr.Title = "Somebody has it already"
		pr.Words = fmt.Sprintf("Alert %d was already acknowledged by %s.", a.ID, a.AckedBy)
		pr.Next = "You need not do anything; the first acknowledgement stands."
		pr.At = when{a.AckedAt, now}
	case tocsin.StatusClosed:
		pr.Title = "It is closed already"
		pr.Words = fmt.Sprintf("Alert %d was already closed by %s (%s).", a.ID, a.ClosedBy, title(a.CloseReason))
		pr.Next = "Nothing is left to do. If it happens again, a new alert opens."
		pr.At = when{a.ClosedAt, now}
	}
	return pr
}

// stale says what became of an alert between the page and its form.
func stale(a tocsin.Alert, since []tocsin.Entry, now time.Time) problem {
	pr := problem{
		Status: http.StatusConflict, Title: "It is not as you saw it",
		Words: fmt.Sprintf("Alert %d was changed while you looked at it, so nothing was done.", a.ID),
		Next:  "Look at it again, then decide.",
		Href:  fmt.Sprintf("/alerts/%d", a.ID), Link: "Look at the alert",
	}
	if a.Status != tocsin.StatusOpen {
		now := conflict(a, now)
		pr.Title, pr.Words, pr.At = now.Title, now.Words, now.At
	}
	pr.Changes = entryRows(since, now)
	return pr
}

// refusal is what was asked for and cannot be done, in the words of who refused.
func refusal(r *http.Request, err error) problem {
	return problem{
		Status: http.StatusUnprocessableEntity, Title: "That cannot be done",
		Words: sentences(err), Next: "Nothing was changed. Go back, and your browser still has what you wrote.",
		Href: pageOf(r), Link: "Back",
	}
}

// sentences makes a sentence of each line of an error.
func sentences(err error) string {
	var all []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		// One that is to be made has no name yet that anybody knows.
		if line = strings.TrimPrefix(strings.TrimSpace(line), `override "new": `); line != "" {
			all = append(all, strings.TrimSuffix(title(line), ".")+".")
		}
	}
	return strings.Join(all, " ")
}
