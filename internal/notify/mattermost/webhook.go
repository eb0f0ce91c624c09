package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// webhook posts by an incoming webhook.
type webhook struct {
	url    secret.String
	client *http.Client
	now    func() time.Time
}

// Notify posts the message. Mattermost gives webhooks no ID back, so there is no
// reference.
func (w *webhook) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.To != "" || m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("mattermost: an incoming webhook cannot tell single people; set token instead"))
	}
	shown := render(m, w.now(), nil)
	body, err := notify.JSON(hook{Text: shown.Message, Attachments: shown.Props.Attachments})
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("mattermost: %w", err))
	}
	reply, err := notify.Post(ctx, w.client, w.url.Reveal(), nil, body)
	if err != nil {
		return "", fmt.Errorf("mattermost: %w", err)
	}
	if strings.TrimSpace(string(reply)) != "ok" {
		return "", errors.New(`mattermost: the reply is not Mattermost's "ok"; is there a proxy in between, or is webhook_url not a webhook?`)
	}
	return "", nil
}

// Follows says that it cannot edit, so that it is told only of what calls.
func (*webhook) Follows() bool { return false }
