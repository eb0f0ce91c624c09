package api_test

import (
	"context"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// inviting is a receiver that people enrol with by a link.
type inviting struct{}

func (inviting) Notify(context.Context, notify.Message) (string, error) { return "", nil }

func (inviting) Invite(person string) (string, error) {
	return "https://tocsin.example.com/act/phones/join/for-" + person, nil
}

func TestAPersonIsInvited(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var made api.Invitation
	ask(t, h, "POST", "/api/people/ana/invitations", `{"by":"bo","receiver":"phones"}`, 200, &made)
	if want := "https://tocsin.example.com/act/phones/join/for-ana"; made.URL != want {
		t.Errorf("the link is %s, want %s", made.URL, want)
	}
	ask(t, h, "POST", "/api/people/nobody/invitations", `{"by":"bo","receiver":"phones"}`, 404, nil)
	ask(t, h, "POST", "/api/people/ana/invitations", `{"by":"bo","receiver":"mail"}`, 422, nil)
	ask(t, h, "POST", "/api/people/ana/invitations", `{"by":"bo","receiver":"nothing"}`, 422, nil)
	ask(t, h, "POST", "/api/people/ana/invitations", `{"receiver":"phones"}`, 400, nil)
}
