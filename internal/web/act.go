package web

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// seen is what a page showed of an alert when its forms were made: the version,
// the moment, and a sum of what matters to whoever decides. An alert's version
// grows with every event that is folded in; that it happened once more is no reason
// to refuse somebody who takes it on.
type seen struct {
	Version int64
	At      time.Time
	Sum     string
}

func seenOf(a tocsin.Alert, now time.Time) seen {
	return seen{Version: a.Version, At: now, Sum: sumOf(a)}
}

// sumOf is another one when somebody did something to the alert, or it got worse.
func sumOf(a tocsin.Alert) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d %q %q %d %q %d %t %d", a.Status, a.Worst, a.Assignee, a.AckedBy, a.AckedAt.UnixMilli(), a.Team, a.SnoozedUntil.UnixMilli(), a.Held != nil, a.Episode())
	if e := a.Escalation; e != nil {
		fmt.Fprintf(h, " %s %d", e.Version, len(e.Acked))
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// Text is the form's field.
func (s seen) Text() string {
	return fmt.Sprintf("%d.%d.%s", s.Version, s.At.UnixMilli(), s.Sum)
}

// readSeen reads it. A form without one acts on the alert as it is.
func readSeen(r *http.Request) (s seen) {
	parts := strings.Split(r.PostFormValue("seen"), ".")
	if len(parts) != 3 {
		return seen{}
	}
	version, err1 := strconv.ParseInt(parts[0], 10, 64)
	at, err2 := strconv.ParseInt(parts[1], 10, 64)
	if err1 != nil || err2 != nil || version < 1 {
		return seen{}
	}
	return seen{Version: version, At: time.UnixMilli(at).UTC(), Sum: parts[2]}
}

// overtakings is how often events may overtake a form before it is refused.
const overtakings = 5

// change has the engine change the alert of the form and goes back to its page.
func (p *Pages) change(w http.ResponseWriter, r *http.Request, doing string, do func(ctx context.Context, id int64, ask engine.Ask) (tocsin.Alert, error)) error {
	id, err := readForm(r)
	if err != nil {
		return err
	}
	s := readSeen(r)
	ask := engine.Ask{By: by(w, r), Version: s.Version, Note: lines(r, "note")}
	for range overtakings {
		_, err = do(r.Context(), id, ask)
		old, isStale := errors.AsType[*engine.StaleError](err)
		if !isStale {
			break
		}
		if sumOf(old.Alert) != s.Sum {
			return p.stale(r, old.Alert, s.At)
		}
		ask.Version = old.Alert.Version
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	http.Redirect(w, r, fmt.Sprintf("/alerts/%d", id), http.StatusSeeOther)
	return nil
}

// stale is the page of a form that was overtaken, with what overtook it.
func (p *Pages) stale(r *http.Request, a tocsin.Alert, at time.Time) error {
	var entries []tocsin.Entry
	err := p.opts.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		entries, err = tx.Timeline(a.ID)
		return err
	})
	if err != nil {
		return err
	}
	var since []tocsin.Entry
	for _, e := range entries {
		if e.At.After(at) && e.Kind != "appended" {
			since = append(since, e)
		}
	}
	pr := stale(a, since, p.opts.Now())
	return &pr
}

func (p *Pages) acknowledgeAlert(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "acknowledge", p.opts.Act.Acknowledge)
}

func (p *Pages) giveBackAlert(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "give back", p.opts.Act.Unacknowledge)
}

func (p *Pages) escalateAlert(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "escalate", p.opts.Act.Escalate)
}

// runAction runs an action that waits for approval.
func (p *Pages) runAction(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "run an action", func(ctx context.Context, id int64, ask engine.Ask) (tocsin.Alert, error) {
		return p.opts.Act.RunAction(ctx, id, ask, r.PostFormValue("action"))
	})
}

func (p *Pages) applyPolicy(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "apply policy", p.opts.Act.ApplyPolicy)
}

func (p *Pages) noteAlert(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "note", func(ctx context.Context, id int64, ask engine.Ask) (tocsin.Alert, error) {
		ask.Version = 0 // a note is true whatever else happened
		return p.opts.Act.Note(ctx, id, ask)
	})
}

func (p *Pages) assignAlert(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "assign", func(ctx context.Context, id int64, ask engine.Ask) (tocsin.Alert, error) {
		to := line(r.PostFormValue("to"), maxName)
		if to == "" {
			return tocsin.Alert{}, wrong("choose whom to assign it to")
		}
		return p.opts.Act.Assign(ctx, id, ask, to)
	})
}

func (p *Pages) reassignAlert(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "hand over", func(ctx context.Context, id int64, ask engine.Ask) (tocsin.Alert, error) {
		return p.opts.Act.Reassign(ctx, id, ask, line(r.PostFormValue("team"), 200), line(r.PostFormValue("policy"), 200))
	})
}

func (p *Pages) snoozeAlert(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "snooze", func(ctx context.Context, id int64, ask engine.Ask) (tocsin.Alert, error) {
		until, err := snoozeUntil(r, p.opts.Now())
		if err != nil {
			return tocsin.Alert{}, err
		}
		return p.opts.Act.Snooze(ctx, id, ask, until)
	})
}

// snoozeUntil reads for how long.
func snoozeUntil(r *http.Request, now time.Time) (time.Time, error) {
	zone := zoneOf(r)
	custom, err := wallTime(r, "until", "until", zone)
	if err != nil {
		return time.Time{}, err
	}
	switch s := r.PostFormValue("for"); s {
	case "15m", "1h", "4h":
		d, err := time.ParseDuration(s)
		return now.Add(d), err
	case "tomorrow":
		return tomorrow(now, zone), nil
	case "custom", "":
		if custom.IsZero() {
			return custom, wrong("until: say until when to snooze it")
		}
		return custom, nil
	default:
		return time.Time{}, wrong("for: there is no choice %q", s)
	}
}

func (p *Pages) closeAlert(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "close", func(ctx context.Context, id int64, ask engine.Ask) (tocsin.Alert, error) {
		reason, err := reasonOf(r)
		if err != nil {
			return tocsin.Alert{}, err
		}
		mute, err := muteUntil(r, p.opts.Now())
		if err != nil {
			return tocsin.Alert{}, err
		}
		return p.opts.Act.Close(ctx, id, ask, reason, mute)
	})
}

func reasonOf(r *http.Request) (tocsin.Reason, error) {
	reason, err := tocsin.ParseReason(r.PostFormValue("reason"))
	if err != nil {
		return "", &problem{
			Status: http.StatusBadRequest, Title: "Closing needs a reason",
			Words: "The form came without one, so nothing was closed.",
			Next:  "Go back and choose why it can be closed.", Href: pageOf(r), Link: "Go back",
		}
	}
	return reason, nil
}

// muteUntil reads for how many days what was closed is to stay quiet; zero is not
// at all.
func muteUntil(r *http.Request, now time.Time) (time.Time, error) {
	days, err := positive(r.PostForm, "mute")
	if err != nil || days > 365 {
		return time.Time{}, wrong("mute: want 1 to 365 days")
	}
	if days == 0 {
		return time.Time{}, nil
	}
	return now.AddDate(0, 0, int(days)), nil
}

// most is how many alerts one form may change.
const most = 200

// A bulk is what became of many alerts that one form was about.
type bulk struct {
	Done    int
	Refused []string // why, one for each alert
}

// changeAlerts acknowledges or closes all alerts that are ticked. What one of them
// refuses does not keep the others.
func (p *Pages) changeAlerts(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	back := local(r.PostFormValue("back"))
	ids := names(r, "id")
	if len(ids) == 0 || len(ids) > most {
		return &problem{
			Status: http.StatusBadRequest, Title: "No alert is ticked",
			Words: fmt.Sprintf("Tick 1 to %d alerts in the list.", most), Next: "Then press the button again.", Href: back, Link: "Back to the list",
		}
	}
	ask := engine.Ask{By: by(w, r), Note: lines(r, "note")}
	do, err := p.bulkOf(r)
	if err != nil {
		return err
	}
	var b bulk
	for _, s := range ids {
		id, err := strconv.ParseInt(s, 10, 64)
		if err != nil || id <= 0 {
			return wrong("id: %q is no alert", s)
		}
		_, err = do(r.Context(), id, ask)
		_, inTheWay := errors.AsType[*tocsin.StateError](err)
		switch {
		case err == nil:
			b.Done++
		case inTheWay || errors.Is(err, store.ErrNotFound):
			b.Refused = append(b.Refused, fmt.Sprintf("alert %d: %v", id, strings.TrimPrefix(err.Error(), fmt.Sprintf("alert %d: ", id))))
		default:
			return fmt.Errorf("alert %d: %w", id, err)
		}
	}
	if len(b.Refused) > 0 {
		return b.problem(back)
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}

// bulkOf is what the pressed button does to each.
func (p *Pages) bulkOf(r *http.Request) (func(context.Context, int64, engine.Ask) (tocsin.Alert, error), error) {
	switch do := r.PostFormValue("do"); do {
	case "acknowledge":
		return p.opts.Act.Acknowledge, nil
	case "close":
		reason, err := reasonOf(r)
		return func(ctx context.Context, id int64, ask engine.Ask) (tocsin.Alert, error) {
			return p.opts.Act.Close(ctx, id, ask, reason, time.Time{})
		}, err
	default:
		return nil, wrong("do: there is no %q", do)
	}
}

func (b bulk) problem(back string) *problem {
	pr := &problem{
		Status: http.StatusConflict, Title: "Not all of them",
		Words: fmt.Sprintf("%d %s changed, %d %s not: %s.", b.Done, was(b.Done), len(b.Refused), was(len(b.Refused)), strings.Join(b.Refused, "; ")),
		Next:  "The rest is done.", Href: back, Link: "Back to the list",
	}
	if b.Done == 0 {
		pr.Title, pr.Next = "Nothing was changed", "Look at them again."
	}
	return pr
}

func was(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// pathName is a name in the request's path.
func pathName(r *http.Request, field string) string {
	return line(r.PathValue(field), 200)
}

// personHref is somebody's page.
func personHref(name string) string { return "/people/" + url.PathEscape(name) }
