package engine

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/disclosure"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// message is what the notifier is given for a job. A permanent error says that it
// can never be sent.
func (e *Engine) message(ctx context.Context, r Receiver, j job) (notify.Message, error) {
	w := e.world()
	n := j.notification
	m := notify.Message{
		ID: messageID(n, j.alert), Kind: n.Kind, Alert: j.alert, Changes: n.Changes,
		Receiver: n.Receiver, Why: n.Why, Ref: n.Ref, At: n.CreatedAt, Person: n.Person, Text: n.Text, Seen: j.seen,
	}
	if n.Alert != 0 && len(j.digest) == 0 {
		m.Account, m.AlertURL, m.Team = w.plan.account(j.alert), w.plan.alertURL(n.Alert), j.alert.Team
		m.OnCall = w.onCallOf(j.alert, e)
		m.Actions = w.plan.actions(e.key, n, j.alert)
	}
	for _, d := range j.digest {
		m.Digest = append(m.Digest, notify.Item{Alert: d.alert, Account: w.plan.account(d.alert), URL: w.plan.alertURL(d.alert.ID)})
	}
	if err := w.address(&m, n); err != nil {
		return m, notify.Permanent(err)
	}
	if n.Kind == tocsin.TellAction {
		m.By, m.Person = n.Person, ""
		m.Alert.Hidden = nil // routes hide from those who are told, and it has to know what to act on
	}
	if reader, ok := r.Notifier.(notify.EventReader); ok && reader.ReadsEvent() && m.Alert.ID != 0 {
		var err error
		if m.Event, err = e.newestEvent(ctx, m.Alert.ID); err != nil {
			return m, err
		}
	}
	return disclosure.Message(m, r.Hide), nil
}

// newestEvent is the event that brought the alert's last news, as rules matched it;
// nil if it is not kept any more.
func (e *Engine) newestEvent(ctx context.Context, alert int64) (event []byte, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) error {
		evs, err := tx.Events(store.EventFilter{
			Alert: alert, Verdicts: []tocsin.Verdict{tocsin.Opened, tocsin.Updated, tocsin.Closed, tocsin.Suppressed, tocsin.Silenced}, Page: store.Page{Limit: 1},
		})
		if err != nil || len(evs) == 0 {
			return err
		}
		newest, err := tx.Event(evs[0].Seq)
		event = newest.Raw
		return err
	})
	if f, ok, malformed := guardduty.Read(event); ok && malformed == nil {
		event = f.Event()
	}
	return event, err
}

// address says where the message goes, if not to the receiver's own place. An
// address that nobody proved is sent nothing but its code.
func (w *world) address(m *notify.Message, n tocsin.Notification) error {
	if n.Contact == 0 {
		return nil
	}
	c, ok := w.contacts[n.Contact]
	switch {
	case !ok:
		return fmt.Errorf("the contact method of %s was removed", n.Person)
	case n.Kind == tocsin.TellCode && c.Code == nil:
		return fmt.Errorf("the code for %s is not needed any more", n.Person)
	case n.Kind == tocsin.TellCode:
		m.Code = c.Code.Digits
	case c.VerifiedAt.IsZero():
		return fmt.Errorf("the contact method of %s is not verified", n.Person)
	case c.DisabledWhy != "":
		return fmt.Errorf("the contact method of %s is disabled: %s", n.Person, c.DisabledWhy)
	}
	m.To = c.Address
	return nil
}

// onCallOf are those on call now for the schedules of the alert's policy.
func (w *world) onCallOf(a tocsin.Alert, e *Engine) []string {
	if a.Escalation == nil {
		return nil
	}
	p, ok := w.plan.policy(a.Escalation)
	if !ok {
		return nil
	}
	var names []string
	for _, t := range p.Steps[0].Targets {
		if t.Kind != escalation.Schedule {
			continue
		}
		on, _ := w.onCall(t.Name, e.now())
		for _, name := range on {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// account is what the configuration says of the alert's account.
func (p *Plan) account(a tocsin.Alert) tocsin.Account {
	if p.Routes != nil {
		return p.Routes.Account(a.Account)
	}
	return tocsin.Account{ID: a.Account}
}

// alertURL is the alert's page here, or "" where no public URL is known.
func (p *Plan) alertURL(id int64) string {
	if p.PublicURL == "" {
		return ""
	}
	return strings.TrimSuffix(p.PublicURL, "/") + "/alerts/" + strconv.FormatInt(id, 10)
}
