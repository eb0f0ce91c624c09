package servicenow

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// An event is one record of Event Management
// (https://www.servicenow.com/docs/, "Event field format for event collection").
type event struct {
	Source      string `json:"source"`
	Class       string `json:"event_class"`
	Node        string `json:"node"`
	Resource    string `json:"resource,omitempty"`
	Type        string `json:"type"`
	MetricName  string `json:"metric_name,omitempty"`
	Severity    string `json:"severity"`
	MessageKey  string `json:"message_key"`
	State       string `json:"resolution_state"`
	Time        string `json:"time_of_event"`
	Description string `json:"description"`
	// Info is JSON in a text, as the field wants it.
	Info string `json:"additional_info"`
}

// Lengths of an event's fields, in characters.
const wordMax = 100

// event sends the message as an event and returns its message key. All events of an
// alert have the same, so that there is one alert of them there.
func (n *notifier) event(ctx context.Context, m notify.Message) (string, error) {
	e := n.record(m)
	body, err := json.Marshal(map[string][]event{"records": {e}})
	if err != nil {
		return "", notify.Permanent(err)
	}
	reply, err := n.send(ctx, http.MethodPost, "/api/global/em/jsonv2", body)
	if err != nil {
		return "", err
	}
	var said struct{ Result json.RawMessage }
	if err := json.Unmarshal(reply, &said); err != nil || len(said.Result) == 0 {
		return "", errors.New("the reply is not Event Management's; is there a proxy or a login page in between, or is the plugin not active?")
	}
	return e.MessageKey, nil
}

func (n *notifier) record(m notify.Message) event {
	e := event{
		Source: "tocsin", Class: "tocsin", Node: node(m),
		Resource: word(m.Alert.Resource.ID, wordMax), Type: word(kindOf(m), wordMax), MetricName: word(m.Alert.Rule, wordMax),
		Severity: severity(m.Level()), MessageKey: key(m), State: "New", Time: m.At.UTC().Format("2006-01-02 15:04:05"),
		Description: notify.Truncate(notify.FirstLine(m)+"\n"+text(notify.OutlineOf(m, n.now()), textMax-notify.FirstLineMax-1), textMax, notify.UTF16),
	}
	if over(m) {
		e.Severity, e.State = "0", "Closing"
	}
	info := map[string]string{
		"status": m.State(), "level": m.Level().String(), "why": notify.Why(m), "alert_url": notify.AlertLink(m), "message": notify.MessageID(m),
	}
	if m.AboutAlert() {
		info["account"], info["account_name"] = word(m.Alert.Account, wordMax), word(m.Account.Name, wordMax)
		info["region"], info["finding"] = notify.Region(m), notify.FindingID(m)
		info["team"], info["environment"] = word(m.Team, wordMax), word(m.Account.Environment, wordMax)
		info["console_url"], info["changes"] = notify.ConsoleLink(m), notify.Truncate(notify.Changes(m), 500, notify.UTF16)
	}
	for name, value := range info {
		if value == "" {
			delete(info, name)
		}
	}
	// A map of texts is always JSON.
	raw, _ := json.Marshal(info)
	e.Info = string(raw)
	return e
}

// over reports whether the alert there is to be closed: it is over, or snoozed,
// since it cannot be told to wait.
func over(m notify.Message) bool {
	switch m.Kind {
	case tocsin.TellClosed:
		return true
	case tocsin.TellUpdated, tocsin.TellChanged:
		return m.Alert.Status == tocsin.StatusClosed || m.Kind == tocsin.TellChanged && m.Alert.SnoozedUntil.After(m.At)
	}
	return false
}

// node is where it happened: what ServiceNow binds to something that it knows.
func node(m notify.Message) string {
	for _, s := range []string{m.Alert.Resource.ID, m.Alert.Resource.Name, strings.TrimSpace(notify.AccountLabel(m) + " " + notify.Region(m))} {
		if s = word(s, wordMax); s != "" {
			return s
		}
	}
	return "tocsin"
}

func kindOf(m notify.Message) string {
	if m.AboutAlert() && m.Alert.Type != "" {
		return m.Alert.Type
	}
	return "tocsin " + string(m.Kind)
}

// severity is Event Management's number: 1 critical, 2 major, 3 minor, 4 warning, 5
// informational. A level that nobody knows may be the worst there is, and is not
// taken for little.
func severity(l tocsin.Level) string {
	switch l {
	case tocsin.Critical:
		return "1"
	case tocsin.Medium:
		return "3"
	case tocsin.Low:
		return "4"
	case tocsin.Informational:
		return "5"
	}
	return "2"
}
