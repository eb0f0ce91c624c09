package servicenow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// A record is an incident as the Table API gives it with sysparm_display_value=all.
type record struct {
	ID        value `json:"sys_id"`
	Number    value `json:"number"`
	State     value `json:"state"`
	Active    value `json:"active"`
	WorkNotes value `json:"work_notes"`
}

type value struct {
	Value   string `json:"value"`
	Display string `json:"display_value"`
}

// read are the fields that are asked for.
const read = "sys_id,number,state,active,work_notes"

// incident writes the message into its incident and returns the sys_id.
func (n *notifier) incident(ctx context.Context, m notify.Message) (string, error) {
	found, err := n.find(ctx, m)
	switch {
	case err != nil:
		return "", err
	case found != nil && m.Ref == "" && notify.BeginsTicket(m):
		return found.ID.Value, nil // made by an attempt whose reply was lost
	case found != nil:
		return found.ID.Value, n.follow(ctx, *found, m)
	case m.Ref != "" && m.AboutAlert() && !m.Kind.Calls():
		return "", notify.Permanent(fmt.Errorf("incident %s is gone, or the user may not see it", word(m.Ref, 40)))
	}
	return n.create(ctx, m)
}

// find is the incident with the alert's correlation id, or nil. If there are
// several, it is the one that is open, or else the newest.
func (n *notifier) find(ctx context.Context, m notify.Message) (*record, error) {
	query := url.Values{
		// Keys have no character that means something in an encoded query.
		"sysparm_query":         {"correlation_id=" + key(m) + "^ORDERBYDESCactive^ORDERBYDESCsys_created_on"},
		"sysparm_fields":        {read},
		"sysparm_display_value": {"all"}, // a journal field has no value, but is shown
		"sysparm_limit":         {"1"},
	}
	var found []record
	if err := n.call(ctx, http.MethodGet, n.path("", query), nil, &found); err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// create makes the incident, in the state that its alert is in.
func (n *notifier) create(ctx context.Context, m notify.Message) (string, error) {
	fields := n.fields(m)
	var made struct {
		ID string `json:"sys_id"`
	}
	err := n.call(ctx, http.MethodPost, n.path("", url.Values{"sysparm_fields": {"sys_id"}}), fields, &made)
	if err == nil && made.ID == "" {
		err = errors.New("the reply names no incident; is there a proxy in between?")
	}
	if err != nil {
		return "", err
	}
	move := n.move(m, record{Active: value{Value: "true"}})
	return made.ID, n.moved(ctx, made.ID, m, move, nil)
}

// fields are those of a new incident.
func (n *notifier) fields(m notify.Message) map[string]string {
	fields := map[string]string{}
	maps.Copy(fields, n.c.Fields)
	fields["short_description"] = notify.Truncate(notify.FirstLine(m), shortMax, notify.UTF16)
	fields["description"] = text(notify.TicketOutline(m, n.now()), textMax)
	fields["correlation_id"] = key(m)
	fields["correlation_display"] = "tocsin"
	fields["impact"], fields["urgency"] = n.impact[m.Level()], n.urgency[m.Level()]
	if n.c.Group != "" {
		fields["assignment_group"] = n.c.Group
	}
	return fields
}

// follow writes a work note, unless it is there, and moves the incident.
func (n *notifier) follow(ctx context.Context, r record, m notify.Message) error {
	changes := map[string]string{}
	if id := notify.MessageID(m); id == "" || !strings.Contains(r.WorkNotes.Display, "message "+id) {
		changes["work_notes"] = text(notify.CommentOutline(m, n.now(), ""), textMax)
	}
	if m.Kind == tocsin.TellRaised {
		changes["impact"], changes["urgency"] = n.impact[m.Alert.Level], n.urgency[m.Alert.Level]
	}
	return n.moved(ctx, r.ID.Value, m, n.move(m, r), changes)
}

// move are the fields that move the incident where the message asks for it. One
// that somebody moved on meanwhile is left where it is.
func (n *notifier) move(m notify.Message, r record) map[string]string {
	open := r.Active.Value != "false" && r.State.Value != n.c.States.Close
	state := ""
	switch a := m.Alert; {
	case m.Kind == tocsin.TellClosed && open:
		state = n.c.States.Close
	case open && a.Status == tocsin.StatusAcked && (m.Kind == tocsin.TellAcknowledged || m.Kind == tocsin.TellChanged):
		state = n.c.States.Ack
	case !open && m.Kind.Calls() && m.AboutAlert() && a.Status != tocsin.StatusClosed:
		state = n.c.States.Reopen
	}
	if state == "" || state == leave || state == r.State.Value {
		return nil
	}
	move := map[string]string{"state": state}
	if m.Kind != tocsin.TellClosed {
		return move
	}
	if n.c.CloseCode != leave {
		move["close_code"] = n.c.CloseCode
	}
	move["close_notes"] = codeTag.ReplaceAllString(notify.Truncate(n.c.CloseNotes+": "+notify.News(m), textMax, notify.UTF16), "(${1}code)")
	return move
}

// moved writes what changes and where the incident goes, in one request. That
// ServiceNow refuses the move, because of a policy or a value that it does not
// know, is no failure: then what changes is written without it, and says so.
func (n *notifier) moved(ctx context.Context, id string, m notify.Message, move, changes map[string]string) error {
	all := map[string]string{}
	maps.Copy(all, move)
	maps.Copy(all, changes)
	if len(all) == 0 {
		return nil
	}
	path := n.path(id, url.Values{"sysparm_fields": {"sys_id"}})
	err := n.call(ctx, http.MethodPatch, path, all, nil)
	if len(move) == 0 || !notify.IsPermanent(err) || lost(err) {
		return err
	}
	n.log.WarnContext(ctx, "ticket not moved", "alert", m.Alert.ID, "err", err)
	if changes["work_notes"] == "" {
		return nil
	}
	note := text(notify.CommentOutline(m, n.now(), "This incident was not moved to state "+move["state"]+": ServiceNow refused it."), textMax)
	return n.call(ctx, http.MethodPatch, path, map[string]string{"work_notes": note}, nil)
}

// lost reports whether no request would help: the login, or the incident itself.
func lost(err error) bool {
	status := notify.Status(err)
	return status == http.StatusUnauthorized || status == http.StatusNotFound
}
