package engine_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

// reading is a spot that wants the event itself.
type reading struct{ *spot }

func (reading) ReadsEvent() bool { return true }

func TestANotifierIsGivenTheNewestEventIfItAsks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		hide []string
		want bool
	}{
		{"as it came", nil, true},
		{"not where anything is hidden, since it says everything", []string{"actor.ip"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNight(t, func(p *engine.Plan, table *routing.Table) {
				chat := p.Receivers["chat"]
				s, _ := chat.Notifier.(*spot)
				chat.Notifier, chat.Hide = reading{s}, tt.hide
				p.Receivers["chat"] = chat
				table.Routes = []routing.Route{{Name: "all", Receivers: []string{"chat", "soc"}}}
			})
			n.finding(sev(5))
			n.at(5).finding(sev(8), counted(2))
			n.want("0 chat", "0 soc", "5 chat raised", "5 soc raised")
			for _, m := range n.got {
				want := tt.want && m.Receiver == "chat"
				if got := len(m.Event) > 0; got != want {
					t.Errorf("%s of %s has an event: %v, want %v", m.Kind, m.Receiver, got, want)
				}
				var ev struct {
					Detail struct{ Severity float64 }
				}
				if want && (json.Unmarshal(m.Event, &ev) != nil || (ev.Detail.Severity == 8) != (m.Kind == tocsin.TellRaised)) {
					t.Errorf("%s has the event %s", m.Kind, m.Event)
				}
			}
		})
	}
}

// What a route hides is hidden from those whom it tells, and not from others.
func TestWhatARouteHidesIsHiddenFromThoseWhomItTells(t *testing.T) {
	t.Parallel()
	n := newNight(t, func(p *engine.Plan, table *routing.Table) {
		mail := p.Receivers["mail"]
		mail.Hide = []string{"finding_id"}
		p.Receivers["mail"] = mail
		table.Routes = []routing.Route{
			{Name: "soc", Receivers: []string{"soc", "mail"}, Continue: true},
			{Name: "all", Team: "watch", Receivers: []string{"chat"}, Hide: []string{"resource", "account"}},
		}
	})
	n.finding()
	n.at(2).ack("pri")
	n.at(3)
	_, err := n.Close(t.Context(), 1, engine.Ask{By: "pri"}, tocsin.ReasonFixed, dusk.AddDate(0, 1, 0))
	check(t, err)
	n.at(4)
	n.want("0 chat", "0 mail", "0 pri sms", "0 soc", "2 chat acknowledged", "3 chat closed", "3 mail closed", "3 soc closed")
	for _, m := range n.got {
		all, err := json.Marshal(m)
		check(t, err)
		hidden := m.Receiver == "chat" || m.Receiver == "sms"
		for _, secret := range []string{"i-0abc", "111122223333"} {
			if got := bytes.Contains(all, []byte(secret)); got == hidden {
				t.Errorf("%s of %s shows %s: %v", m.Kind, m.Receiver, secret, got)
			}
		}
		if shown := strings.Contains(m.Alert.Detection.ID+string(m.Alert.Key), "f1"); shown == (m.Receiver == "mail") {
			t.Errorf("%s of %s shows the finding's id: %v", m.Kind, m.Receiver, shown)
		}
	}
	// So it is in what comes back to whoever answers.
	reply, err := n.Answer(t.Context(), "sms", notify.Answer{Alert: 1, Do: notify.DoAcknowledge, From: "pri@sms"})
	check(t, err)
	if text, err := json.Marshal(reply); err != nil || bytes.Contains(text, []byte("i-0abc")) || bytes.Contains(text, []byte("111122223333")) {
		t.Errorf("the reply shows what is hidden: %s, %v", text, err)
	}
}
