package chime

import (
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/webhook"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

func TestChimeIsRefusedWithWhatToUseInstead(t *testing.T) {
	t.Parallel()
	decode := func(into any) error {
		into.(*Config).URL = secret.New("https://hooks.chime.aws/incomingwebhooks/0a1b2c3d?token=t0k3n")
		return nil
	}
	n, err := Kind.Open(decode, notifytest.Env(t, nil))
	if n != nil || err == nil {
		t.Fatalf("Open = %v, %v; want an error", n, err)
	}
	for _, want := range []string{"2026-02-20", "slack", "teams", "google-chat", "webhook with template: chime"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "t0k3n") {
		t.Errorf("the error has the room's token: %v", err)
	}
}

// What the error names is there.
func TestTheWebhookHasChimesTemplate(t *testing.T) {
	t.Parallel()
	_, err := webhook.Kind.Open(func(into any) error {
		c := into.(*webhook.Config)
		c.URL, c.Template = secret.New("https://mattermost.example.com/hooks/x"), "chime"
		return nil
	}, notify.Env{})
	if err != nil {
		t.Error(err)
	}
}
