package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// within bounds what the story waits for.
const within = 30 * time.Second

// alertOf is the alert that the finding is.
func (w *world) alertOf(ctx context.Context, f *finding) (a tocsin.Alert, err error) {
	err = w.app.Store().View(ctx, func(tx *store.Tx) error {
		found, _, err := tx.Alerts(store.AlertFilter{Text: f.id, Limit: 1})
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("no alert of finding %s", f.id)
		}
		if err == nil {
			a = found[0]
		}
		return err
	})
	return a, err
}

// An anotherCourse says that things went otherwise than the story has it: whoever
// looks at the demo did something first.
type anotherCourse string

func (c anotherCourse) Error() string { return string(c) }

// delivered waits for a message that was delivered. If none comes things have taken
// another course.
func (w *world) delivered(ctx context.Context, what string, filter store.NotificationFilter, is func(n tocsin.Notification) bool) (got tocsin.Notification, err error) {
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	filter.States, filter.Limit = []tocsin.State{tocsin.Delivered}, 1000
	err = w.poll(waiting, func(tx *store.Tx) (bool, error) {
		ns, err := tx.Notifications(filter)
		i := slices.IndexFunc(ns, is)
		if i >= 0 {
			got = ns[i]
		}
		return i >= 0, err
	})
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		err = anotherCourse(fmt.Sprintf("%s: not within %s", what, within))
	}
	return got, err
}

// line tells of something that is no delivery.
func (w *world) line(f *finding, what, became string) {
	w.tell(columns(f.account.name, f.region, what) + " → " + became)
}

// people is a scene in which people do something about a finding: with its alert,
// where the organisation is large enough to have them, as long as nobody else has
// answered.
func (w *world) people(f **finding, scene func(ctx context.Context, a tocsin.Alert) error) scene {
	return func(ctx context.Context) error {
		if (*f).instead {
			return nil
		}
		a, err := w.alertOf(ctx, *f)
		if err != nil {
			return err
		}
		return scene(ctx, a)
	}
}

// open is nil if people are told of the alert and nobody has answered it.
func open(a tocsin.Alert) error {
	if a.Held != nil {
		return anotherCourse(fmt.Sprintf("alert %d is held back by %s", a.ID, a.Held.By))
	}
	switch a.Status {
	case tocsin.StatusAcked:
		return anotherCourse(fmt.Sprintf("%s has alert %d already", a.AckedBy, a.ID))
	case tocsin.StatusClosed:
		return anotherCourse(fmt.Sprintf("%s closed alert %d already", a.ClosedBy, a.ID))
	case tocsin.StatusOpen:
	}
	return nil
}

// hears waits until somebody was told by a receiver what calls for them.
func (w *world) hears(f **finding, p person, receiver string) scene {
	return w.people(f, func(ctx context.Context, a tocsin.Alert) error {
		if err := open(a); err != nil {
			return err
		}
		n, err := w.delivered(ctx, fmt.Sprintf("%s is told of alert %d by %s", p.Name, a.ID, receiver),
			store.NotificationFilter{Alert: a.ID, Person: p.Name, Receiver: receiver}, func(n tocsin.Notification) bool { return n.Kind.Calls() })
		if err != nil {
			return err
		}
		w.line(*f, p.Name+" is told", byWhat[receiver]+": "+n.Why)
		return nil
	})
}

// byWhat are the receivers that tell people, in words.
var byWhat = map[string]string{"sms": "by text message", "call": "by phone", "mail": "by mail", "direct": "by Slack, directly"}

// A way is how somebody answers an alert. It returns once the answer was taken.
type way func(ctx context.Context, p person, alert int64) error

// answers has somebody answer, and tells how the alert stands afterwards.
func (w *world) answers(f **finding, p person, what string, how way) scene {
	return w.people(f, func(ctx context.Context, a tocsin.Alert) error {
		if err := open(a); err != nil {
			return err
		}
		err := w.answer(ctx, a, p, how)
		if err != nil && ctx.Err() == nil {
			return anotherCourse(fmt.Sprintf("%s %s: %s", p.Name, what, err))
		}
		if a, err = w.alertOf(ctx, *f); err != nil {
			return err
		}
		w.line(*f, p.Name+" "+what, standing(a))
		return nil
	})
}

// answer tries until what is to be answered is there: the message may be on its way.
func (w *world) answer(ctx context.Context, a tocsin.Alert, p person, how way) error {
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := how(ctx, p, a.ID)
		if err == nil || !wait(waiting, 50*time.Millisecond) {
			return err
		}
	}
}

// standing is how an alert stands, in words.
func standing(a tocsin.Alert) string {
	row := fmt.Sprintf("%-8s #%-3d %s ", a.Status, a.ID, mark(a.Level))
	switch a.Status {
	case tocsin.StatusAcked:
		return row + "nobody else is called: " + a.AckedBy + " has it"
	case tocsin.StatusClosed:
		return row + "closed by " + a.ClosedBy + ": " + string(a.CloseReason)
	case tocsin.StatusOpen:
		return row + "the next step is told now"
	}
	return row
}

// replies is by text message, with the alert's number and a letter.
func (w *world) replies(letter string) way {
	return func(ctx context.Context, p person, alert int64) error {
		return w.in.Reply(ctx, p.Name, fmt.Sprintf("%d%s", alert, letter))
	}
}

// presses is by a button in Slack.
func (w *world) presses(action string) way {
	return func(ctx context.Context, p person, alert int64) error {
		return w.in.Press(ctx, p.Name, alert, action)
	}
}

// dials is by a key of the phone, while it says what happened.
func (w *world) dials(digit string) way {
	return func(ctx context.Context, p person, _ int64) error { return w.in.Key(ctx, p.Name, digit) }
}

// follows is by a link in a mail, and the one button of the page that it leads to.
func (w *world) follows(word string) way {
	return func(ctx context.Context, p person, alert int64) error {
		address, ok := w.in.Link(p.Name, alert, word)
		if !ok {
			return fmt.Errorf("no mail to %s has a link to %s alert %d", p.Name, strings.ToLower(word), alert)
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if err := w.visit(ctx, method, address); err != nil {
				return err
			}
		}
		return nil
	}
}

// visit asks for a page as a browser does.
func (w *world) visit(ctx context.Context, method, address string) error {
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // the connection is used again
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s of the link: %s", method, resp.Status)
	}
	return nil
}

// gap waits for the warning of the day on which nobody is on call.
func (w *world) gap(ctx context.Context) error {
	_, err := w.delivered(ctx, "the web team is warned of the gap", store.NotificationFilter{Receiver: "web-slack"},
		func(n tocsin.Notification) bool { return n.Kind == tocsin.TellNote })
	if err == nil {
		w.tell(columns("", "", "a day with nobody on call for web") + " → its team is warned in #web-alerts, five days ahead")
	}
	return err
}

// nobodyAnswers waits until the first step's time is over.
func (w *world) nobodyAnswers(f **finding, p person) scene {
	return w.people(f, func(ctx context.Context, a tocsin.Alert) error {
		if err := open(a); err != nil || a.Escalation == nil {
			return err
		}
		w.line(*f, p.Name+" does not answer", "the next step of policy "+a.Escalation.Policy+" is a minute after the first")
		return w.until(ctx, a.Escalation.At)
	})
}

// digest waits for the end of the storm's minute, if more was told in it than goes
// singly.
func (w *world) digest(ctx context.Context) error {
	const receiver = "platform-slack"
	var end time.Time
	waits := false
	err := w.app.Store().View(ctx, func(tx *store.Tx) error {
		ns, err := tx.Notifications(store.NotificationFilter{Receiver: receiver, Page: store.Page{Limit: 1000}})
		for _, n := range ns {
			waits = waits || n.Digest
			if n.Digest && n.State == tocsin.Pending && n.Due.After(end) {
				end = n.Due
			}
		}
		return err
	})
	if err != nil || !waits {
		return err
	}
	if err := w.until(ctx, end); err != nil {
		return err
	}
	_, err = w.delivered(ctx, "the storm is told in a digest", store.NotificationFilter{Receiver: receiver}, func(n tocsin.Notification) bool { return n.Digest })
	if err == nil {
		w.tell(columns("most", "all", "the storm's minute is over") + " → one message lists what was not told singly, the worst first")
	}
	return err
}

// difference has something new told of an alert that is told of already, when its
// team wants to hear of that: after a quarter of an hour. The clock is put forward.
func (w *world) difference(f **finding) scene {
	return w.people(f, func(ctx context.Context, a tocsin.Alert) error {
		if a.Status == tocsin.StatusClosed {
			return open(a)
		}
		(*f).moves()
		w.grow(*f)
		(*f).count *= 10
		_, err := w.publish(ctx, *f)
		if err := w.say(ctx, err, *f, "ten times as often, elsewhere"); err != nil {
			return err
		}
		if a, err = w.alertOf(ctx, *f); err != nil {
			return err
		}
		if err := w.forward(ctx, max(catchingUp, a.SayAt.Sub(w.clock.Now()))); err != nil {
			return err
		}
		n, err := w.delivered(ctx, "what is new is told", store.NotificationFilter{Alert: a.ID, Receiver: "web-slack"},
			func(n tocsin.Notification) bool { return n.Kind == tocsin.TellUpdated })
		if err != nil {
			return err
		}
		var news []string
		for _, c := range n.Changes {
			news = append(news, fmt.Sprintf("%s %s → %s", c.What, c.From, c.To))
		}
		w.line(*f, "a quarter of an hour later", "the clock is put forward; told in #web-alerts: "+strings.Join(news, ", "))
		return nil
	})
}

// silence is what somebody makes of a finding that they know of, once they saw what
// it would have hidden.
func (w *world) silence(f **finding, p person, reason string) scene {
	return w.people(f, func(ctx context.Context, _ tocsin.Alert) error {
		s := tocsin.Silence{Author: p.Name, Reason: reason, From: w.clock.Now(), Until: w.clock.Now().Add(6 * time.Hour)}
		s.Pattern = fmt.Appendf(nil, `{"account": [%q], "type": [%q]}`, (*f).account.id, (*f).kind.name)
		would, err := w.app.Engine().PreviewSilence(ctx, s, 30)
		if err != nil {
			return err
		}
		if s, err = w.app.Engine().SaveSilence(ctx, s); err != nil {
			return err
		}
		w.line(*f, p.Name+" silences it for six hours", fmt.Sprintf("silence %d, which %s", s.ID, would))
		return nil
	})
}

// somebodyAnswers has whoever is on call take the oldest open alert that has been
// open for two minutes, so that those who look at the demo can answer first.
func (w *world) somebodyAnswers(ctx context.Context) (answered bool, err error) {
	var oldest tocsin.Alert
	err = w.app.Store().View(ctx, func(tx *store.Tx) error {
		open, _, err := tx.Alerts(store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusOpen}, MinLevel: tocsin.High, Limit: 200})
		for _, a := range open {
			late := w.clock.Now().Sub(a.OpenedAt) > 2*time.Minute
			if a.Escalation != nil && a.Held == nil && late && (oldest.ID == 0 || a.OpenedAt.Before(oldest.OpenedAt)) {
				oldest = a
			}
		}
		return err
	})
	i := slices.IndexFunc(w.teams, func(t team) bool { return t.Name == oldest.Team })
	if err != nil || i < 0 {
		return false, err
	}
	p, _ := w.duty(oldest.Team)
	if err := w.in.Press(ctx, p.Name, oldest.ID, "tocsin_acknowledge"); err != nil {
		return false, ctx.Err() // the message is not kept any more
	}
	account := oldest.Account
	for _, known := range w.accounts {
		if known.id == account {
			account = known.name
		}
	}
	w.tell(columns(account, oldest.Region, p.Name+" presses Acknowledge in Slack") + fmt.Sprintf(" → acked    #%-3d %s nobody else is called", oldest.ID, mark(oldest.Level)))
	return true, nil
}
