package web

import (
	"fmt"
	"net/http"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// A problem is a page for what cannot be done: what happened, and what to do
// next.
type problem struct {
	Status     int
	Title      string
	Words      string
	At         when // when it happened, if that matters
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
