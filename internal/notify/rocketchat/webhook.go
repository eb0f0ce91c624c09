package rocketchat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// webhook posts by an incoming webhook
// (https://docs.rocket.chat/docs/integrations#incoming-webhook-integration).
type webhook struct {
	url    secret.String
	client *http.Client
	now    func() time.Time
}

// Notify posts the message. Rocket.Chat gives webhooks no ID back, so there is no
// reference.
func (w *webhook) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.To != "" || m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("rocket-chat: an incoming webhook cannot tell single people; set token instead"))
	}
	return "", fitted(func(most int) error { return w.post(ctx, coloured(m, w.now(), most)) })
}

func (w *webhook) post(ctx context.Context, h hook) error {
	body, err := notify.JSON(h)
	if err != nil {
		return notify.Permanent(fmt.Errorf("rocket-chat: %w", err))
	}
	reply, err := notify.Post(ctx, w.client, w.url.Reveal(), nil, body)
	if err != nil {
		return refused(fmt.Errorf("rocket-chat: %w", err), reply)
	}
	_, err = accepted(reply)
	return err
}

// Follows says that it cannot edit, so that it is told only of what calls.
func (*webhook) Follows() bool { return false }
