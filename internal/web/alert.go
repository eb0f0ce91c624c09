package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// eventsPerAlert is how many events the alert's page lists before it leads to
// the inbound log.
const eventsPerAlert = 20

type alertView struct {
	alertRow
	Environment, Owner     string
	Console, Documentation string // links that may be shown, or empty
	FirstSeen, LastSeen    when
	Banners                []banner
	AckExpires             when
	OnCall                 []onCallNow
	Climb                  climb
	Timeline               []entryRow
	Notifications          notificationTable
	Events                 []eventRow // the newest, newest first
	AllEvents              string     // the inbound log of the alert, where Events are not all
	Raw                    *rawView   // the newest event's
	Reasons                []option
	Act                    alertForms
}

// A banner is what anybody who opens the alert has to know first.
type banner struct {
	Tone  string // "odd", "bad", "calm"
	Title string
	Text  string
	Until when
	Href  string // what it is about, or empty
	Link  string
}

// alertForms are what can be done, and what the forms carry.
type alertForms struct {
	Me actor
	// Seen is what the page shows of the alert, so that nobody acts on what is not so
	// any more.
	Seen                             seen
	Ack, GiveBack, Escalate, NewerOf bool
	Live                             bool
	Policy                           string // whose newer version can be applied
	People, Teams, Policies          []option
	Snoozes, Mutes                   []option
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

// An entryRow is one line of the timeline, or several that say much the same.
type entryRow struct {
	tocsin.Entry
	When   when
	Folded []entryRow
}

// Word is what happened.
func (e entryRow) Word() string {
	if w, ok := entryWords[e.Kind]; ok {
		return w
	}
	return title(e.Kind)
}

var entryWords = map[string]string{
	"unacknowledged": "Open again", "awake": "Snooze over", "exhausted": "Nobody answered", "reminded": "Still unanswered",
	"policy": "Policy changed", "released": "No longer held", "held": "Held back",
	"reassigned": "Handed over", "fallback": "Fallback told", "muted": "Muted",
}

func entryRows(entries []tocsin.Entry, now time.Time) []entryRow {
	var rows []entryRow
	for _, e := range entries {
		rows = append(rows, entryRow{Entry: e, When: when{e.At, now}})
	}
	return rows
}

// foldFrom is how many lines in a row that only say that it goes on are too many.
const foldFrom = 5

// folded puts runs of updates into one line each, so that what people did is seen.
func folded(rows []entryRow) []entryRow {
	var all []entryRow
	for i := 0; i < len(rows); {
		end := i
		for end < len(rows) && (rows[end].Kind == "updated" || rows[end].Kind == "appended") {
			end++
		}
		if end-i < foldFrom {
			end = max(end, i+1)
			all = append(all, rows[i:end]...)
			i = end
			continue
		}
		all = append(all, entryRow{Entry: tocsin.Entry{Kind: "updated", At: rows[i].At}, When: rows[i].When, Folded: rows[i : end-1]}, rows[end-1])
		i = end
	}
	return all
}

func (p *Pages) showAlert(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	in := alertInput{Accounts: p.opts.Accounts(), Now: p.opts.Now(), By: remembered(r)}
	in.ask(p.opts.Act)
	err = p.opts.Store.View(r.Context(), func(tx *store.Tx) error { return in.read(tx, id) })
	if err != nil {
		return fmt.Errorf("alert %d: %w", id, err)
	}
	v := in.view()
	return show(p, w, r, http.StatusOK, p.alertPage, head{Title: v.What(), Here: "alerts"}, v)
}

// An alertInput is all that an alert's page is made of.
type alertInput struct {
	Accounts      map[string]tocsin.Account
	Now           time.Time
	By            string
	Alert         tocsin.Alert
	Timeline      []tocsin.Entry
	Notifications []tocsin.Notification
	Attempts      map[int64][]store.Attempt // of some notifications, by ID
	Events        []tocsin.Event            // one more than is shown says that there are more
	Newest        *tocsin.Event             // with its raw bytes
	Holder        *tocsin.Silence           // the silence that holds it, if one does
	People        []tocsin.Person
	Teams         []tocsin.Team
	Policies      []escalation.Policy
	OnCall        []engine.OnCall
	// Policy is the one by which it climbs, as it was then; nil if it is not known.
	Policy *escalation.Policy
	World  escalation.World // who would be told
}

// ask takes from the engine what the configuration says.
func (in *alertInput) ask(act engine.Asks) {
	in.Teams, in.Policies, in.OnCall = act.Teams(), act.Policies(), act.OnCall(in.Now)
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
	if in.Attempts, err = attemptsOf(tx, in.Notifications); err != nil {
		return err
	}
	if err := in.readClimb(tx); err != nil {
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

// readClimb reads how the alert goes on by itself.
func (in *alertInput) readClimb(tx *store.Tx) (err error) {
	if in.People, err = tx.People(); err != nil {
		return err
	}
	if h := in.Alert.Held; h != nil {
		if in.Holder, err = silenceOf(tx, h.By); err != nil {
			return err
		}
	}
	if in.Alert.Escalation == nil {
		return nil
	}
	policy, err := tx.Policy(in.Alert.Escalation.Version)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	in.Policy = &policy
	w, err := readWorld(tx, in.People, in.Teams, in.Now)
	if err != nil {
		return err
	}
	in.World = w
	return w.readTurns(tx, policy)
}

// silenceOf is the silence that a hold names, or nil if it names none that is there.
func silenceOf(tx *store.Tx, by string) (*tocsin.Silence, error) {
	kind, number, _ := strings.Cut(by, " ")
	id, notOne := strconv.ParseInt(number, 10, 64)
	if kind == "alert" || notOne != nil {
		return nil, nil //nolint:nilnil,nilerr // most holds are of something else
	}
	s, err := tx.Silence(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // it is older than what is kept
	}
	return &s, err
}

func (in alertInput) view() alertView {
	a, account := in.Alert, in.Accounts[in.Alert.Account]
	v := alertView{
		alertRow:    newAlertRow(a, in.Accounts, in.Now),
		Environment: account.Environment, Owner: cmp.Or(a.Team, account.Team),
		Console: safeLink(a.Console), Documentation: safeLink(a.Documentation),
		FirstSeen: when{a.FirstSeen, in.Now}, LastSeen: when{a.LastSeen, in.Now}, AckExpires: when{a.AckExpires, in.Now},
		Banners: in.banners(), OnCall: in.onCall(), Climb: in.climb(), Act: in.forms(),
		Notifications: notificationTable{Rows: notificationRows(in.Notifications, nil, in.Attempts, in.Now), OfAlert: a.ID},
		Timeline:      folded(entryRows(in.Timeline, in.Now)),
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
	v.Reasons = reasonOptions()
	return v
}

// reasonOptions are the reasons that a person may choose.
func reasonOptions() []option {
	var os []option
	for _, reason := range tocsin.Reasons() {
		os = append(os, option{Value: string(reason), Label: reasonWords[reason]})
	}
	return os
}

// banners are what stands in the way of being told, worst first.
func (in alertInput) banners() []banner {
	a := in.Alert
	var bs []banner
	if a.Status == tocsin.StatusClosed {
		return nil
	}
	if e := a.Escalation; e != nil && a.Status == tocsin.StatusOpen {
		switch {
		case e.Exhausted:
			bs = append(bs, banner{Tone: "bad", Title: "Nobody answered.", Text: "Every step of the policy was told. Take it on, assign it, or hand it over."})
		case e.Empty:
			bs = append(bs, banner{Tone: "bad", Title: "Nobody could be reached.", Text: "The policy is tried again until somebody is on call and reachable."})
		}
	}
	if h := a.Held; h != nil {
		bs = append(bs, in.held(*h))
	}
	if a.Snoozed(in.Now) {
		bs = append(bs, banner{Tone: "odd", Title: "Snoozed by " + a.SnoozedBy + ".", Text: "Nobody is told. Then it is open, and people are told from the beginning.", Until: when{a.SnoozedUntil, in.Now}})
	}
	return bs
}

func (in alertInput) held(h tocsin.Hold) banner {
	b := banner{Tone: "odd", Title: "Held back by " + h.By + ".", Until: when{h.Until, in.Now}, Text: "Nobody was told, and nobody is at its end."}
	if h.Tell {
		b.Text = "Nobody was told. At its end people are, if the alert is still open."
	}
	kind, number, _ := strings.Cut(h.By, " ")
	switch {
	case in.Holder != nil:
		b.Text = "“" + in.Holder.Reason + "” (" + in.Holder.Author + "). " + b.Text
		b.Href, b.Link = "/silences/"+number, "Look at the "+kind
	case kind == "alert":
		b.Title = "Waits for alert " + number + "."
		b.Href, b.Link = "/alerts/"+number, "Look at that alert"
	case h.By == "first window":
		b.Title, b.Text = "In its first window.", "The route waits for more before it tells anybody."
	}
	return b
}

// forms are what can be done to the alert as it is.
func (in alertInput) forms() alertForms {
	a := in.Alert
	f := alertForms{
		Me: newActor(in.By, in.People), Seen: seenOf(a, in.Now),
		Ack: a.Status == tocsin.StatusOpen, GiveBack: a.Status == tocsin.StatusAcked, Live: a.Status != tocsin.StatusClosed,
		Escalate: a.Status == tocsin.StatusOpen && a.Escalation != nil && a.Held == nil,
		People:   peopleOf(in.People, in.By),
		Mutes: []option{
			{Value: "", Label: "Tell of it again if it comes back"},
			{Value: "7", Label: "Keep this finding quiet for 7 days"},
			{Value: "30", Label: "… for 30 days"},
			{Value: "90", Label: "… for 90 days"},
			{Value: "365", Label: "… for a year"},
		},
	}
	f.Snoozes = []option{
		{Value: "15m", Label: "15 minutes"},
		{Value: "1h", Label: "1 hour", Chosen: true},
		{Value: "4h", Label: "4 hours"},
		{Value: "tomorrow", Label: "until tomorrow 09:00 (" + f.Me.Zone() + ")"},
		{Value: "custom", Label: "until the time below"},
	}
	for _, t := range in.Teams {
		f.Teams = append(f.Teams, option{Value: t.Name, Label: t.Name, Chosen: false})
	}
	for _, p := range in.Policies {
		f.Policies = append(f.Policies, option{Value: p.Name, Label: p.Name})
		if e := a.Escalation; e != nil && f.Live && p.Name == e.Policy && p.Version() != e.Version {
			f.NewerOf, f.Policy = true, p.Name
		}
	}
	return f
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
