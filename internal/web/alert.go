package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// eventsPerAlert is how many events the alert's page lists before it leads to
// the inbound log.
const eventsPerAlert = 20

type alertView struct {
	alertRow
	Environment, Team      string
	Console, Documentation string // links that may be shown, or empty
	FirstSeen, LastSeen    when
	Timeline               []entryRow
	Notifications          notificationTable
	Events                 []eventRow // the newest, newest first
	AllEvents              string     // the inbound log of the alert, where Events are not all
	Raw                    *rawView   // the newest event's
	Reasons                []option
	By                     string // the name remembered
	CanAck, CanClose       bool
}

// SeverityText is GuardDuty's number, or empty.
func (v alertView) SeverityText() string {
	if v.Severity == 0 {
		return ""
	}
	return fmt.Sprintf("%g", v.Severity)
}

// RoleText says whether ours was attacked or attacks.
func (v alertView) RoleText() string {
	switch v.Role {
	case "TARGET":
		return "It is the target"
	case "ACTOR":
		return "It is what acts"
	}
	return ""
}

// TitleTells reports whether the title says more than the headline above and the
// description below.
func (v alertView) TitleTells() bool {
	return v.Title != "" && v.Title != v.Headline && !strings.HasPrefix(v.Description, v.Title)
}

// An entryRow is one line of the timeline.
type entryRow struct {
	tocsin.Entry
	When when
}

func (p *Pages) showAlert(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	in := alertInput{Accounts: p.opts.Accounts(), Now: p.opts.Now(), By: remembered(r)}
	err = p.opts.Store.View(r.Context(), func(tx *store.Tx) error { return in.read(tx, id) })
	if err != nil {
		return fmt.Errorf("alert %d: %w", id, err)
	}
	v := in.view()
	return show(p, w, http.StatusOK, p.alertPage, head{Title: v.What(), Here: "alerts"}, v)
}

// An alertInput is all that an alert's page is made of.
type alertInput struct {
	Accounts      map[string]tocsin.Account
	Now           time.Time
	By            string
	Alert         tocsin.Alert
	Timeline      []tocsin.Entry
	Notifications []tocsin.Notification
	Events        []tocsin.Event // one more than is shown says that there are more
	Newest        *tocsin.Event  // with its raw bytes
}

func (in *alertInput) read(tx *store.Tx, id int64) (err error) {
	if in.Alert, err = tx.Alert(id); err != nil {
		return err
	}
	if in.Timeline, err = tx.Timeline(id); err != nil {
		return err
	}
	if in.Notifications, err = tx.Notifications(store.NotificationFilter{Alert: id}); err != nil {
		return err
	}
	page := store.Page{Limit: eventsPerAlert + 1}
	if in.Events, err = tx.Events(store.EventFilter{Alert: id, Page: page}); err != nil || len(in.Events) == 0 {
		return err
	}
	newest, err := tx.Event(in.Events[0].Seq)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	in.Newest = &newest
	return err
}

func (in alertInput) view() alertView {
	a, account := in.Alert, in.Accounts[in.Alert.Account]
	v := alertView{
		alertRow: alertRow{
			Alert: a, Label: accountLabel(a.Account, in.Accounts),
			Opened: when{a.OpenedAt, in.Now}, Changed: when{a.ChangedAt, in.Now},
			Acked: when{a.AckedAt, in.Now}, Closed: when{a.ClosedAt, in.Now},
		},
		Environment: account.Environment, Team: account.Team,
		Console: safeLink(a.Console), Documentation: safeLink(a.Documentation),
		FirstSeen: when{a.FirstSeen, in.Now}, LastSeen: when{a.LastSeen, in.Now},
		By: in.By, CanAck: a.Status == tocsin.StatusOpen, CanClose: a.Status != tocsin.StatusClosed,
		Notifications: notificationTable{Rows: notificationRows(in.Notifications, nil, in.Now), OfAlert: a.ID},
	}
	for _, e := range in.Timeline {
		v.Timeline = append(v.Timeline, entryRow{e, when{e.At, in.Now}})
	}
	shown := in.Events
	if len(shown) > eventsPerAlert {
		shown = shown[:eventsPerAlert]
		v.AllEvents = inboundQuery{Alert: a.ID}.href()
	}
	v.Events = eventRows(shown, in.Accounts, in.Now)
	if in.Newest != nil {
		raw := newRaw(*in.Newest)
		v.Raw = &raw
	}
	for _, reason := range tocsin.Reasons() {
		v.Reasons = append(v.Reasons, option{Value: string(reason), Label: reasonWords[reason]})
	}
	return v
}

// reasonWords are the reasons as a person chooses them.
var reasonWords = map[tocsin.Reason]string{
	tocsin.ReasonFixed:         "Fixed",
	tocsin.ReasonFalsePositive: "False positive",
	tocsin.ReasonExpected:      "Expected: we did it ourselves",
	tocsin.ReasonAcceptedRisk:  "Accepted risk",
	tocsin.ReasonDuplicate:     "Duplicate of another alert",
	tocsin.ReasonOther:         "Other (say which in the note)",
}

func (p *Pages) acknowledgeAlert(w http.ResponseWriter, r *http.Request) error {
	id, err := readForm(r)
	if err != nil {
		return err
	}
	if _, err := p.opts.Act.Acknowledge(r.Context(), id, by(w, r)); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	http.Redirect(w, r, fmt.Sprintf("/alerts/%d", id), http.StatusSeeOther)
	return nil
}

// maxNote is the longest note kept, in runes.
const maxNote = 4000

func (p *Pages) closeAlert(w http.ResponseWriter, r *http.Request) error {
	id, err := readForm(r)
	if err != nil {
		return err
	}
	reason, err := tocsin.ParseReason(r.PostFormValue("reason"))
	if err != nil {
		return &problem{
			Status: http.StatusBadRequest, Title: "Closing needs a reason",
			Words: "The form came without one, so the alert was not closed.",
			Next:  "Go back and choose why it can be closed.", Href: pageOf(r), Link: "Back to the alert",
		}
	}
	note := []rune(strings.TrimSpace(plain(strings.ToValidUTF8(r.PostFormValue("note"), "\uFFFD"))))
	note = note[:min(len(note), maxNote)]
	if _, err := p.opts.Act.Close(r.Context(), id, by(w, r), reason, string(note)); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	http.Redirect(w, r, fmt.Sprintf("/alerts/%d", id), http.StatusSeeOther)
	return nil
}

// readForm reads a form of ours and returns what it is about, the id in the path.
// What is no form is the sender's fault.
func readForm(r *http.Request) (id int64, err error) {
	if id, err = pathID(r, "id"); err != nil {
		return 0, err
	}
	err = r.ParseForm()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return 0, err
	}
	if err != nil {
		return 0, &problem{
			Status: http.StatusBadRequest, Title: "That form cannot be read",
			Words: "What was sent is not a form of this page.",
			Next:  "Use the form on the page.", Href: pageOf(r), Link: "Go back",
		}
	}
	return id, nil
}
