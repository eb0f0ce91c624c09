package slack

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const path = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"

func opened(t *testing.T, url string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{WebhookURL: secret.New(url)})
}

func TestWebhookPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true,
		Secrets: []string{path, "XXXXXXXXXXXXXXXXXXXXXXXX", "B00000000"},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, "ok")
			return opened(t, url+path), taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) { limits(t, m, got.Body) },
		Shown: func(t *testing.T, got notifytest.Taken) []string { return shown(t, got.Body) },
	})
}

func TestWebhookAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		status    int
		body      string
		ok        bool
		permanent bool
	}{
		{"taken", 200, "ok", true, false},
		{"taken by one that imitates Slack", 200, `{"ok":true}`, true, false},
		{"a page of a proxy", 200, "<html>Sign in</html>", false, false},
		{"invalid payload", 400, "invalid_payload", false, true},
		{"webhook removed", 404, "no_service", false, true},
		{"channel archived", 410, "channel_is_archived", false, true},
		{"forbidden by an administrator", 403, "action_prohibited", false, true},
		{"webhook removed, in spite of the status", 500, "no_service", false, true},
		{"refused within a success", 200, `{"ok":false,"error":"channel_not_found"}`, false, true},
		{"Slack is in trouble", 500, "rollup_error", false, false},
		{"too many", 429, "rate_limited", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			}))
			defer server.Close()
			_, err := opened(t, server.URL+path).Notify(t.Context(), notifytest.Messages()[0].Message)
			if (err == nil) != tt.ok || notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Notify = %v, permanent %v; want ok %v, permanent %v", err, notify.IsPermanent(err), tt.ok, tt.permanent)
			}
		})
	}
}

func TestAWebhookTellsNoPerson(t *testing.T) {
	t.Parallel()
	m := notifytest.Messages()[0].Message
	m.To = "U012AB3CD"
	if _, err := opened(t, "http://127.0.0.1:1"+path).Notify(t.Context(), m); !notify.IsPermanent(err) {
		t.Errorf("Notify = %v, want a permanent error", err)
	}
}

func TestWebhookGolden(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			payload := renderer{}.message(c.Message, notifytest.Now())
			limits(t, c.Message, marshal(t, payload))
			golden(t, c.Name, payload)
		})
	}
}
