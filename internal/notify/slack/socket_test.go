package slack

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

func TestSocketConnectsAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(s *slacktest.Server)
	}{
		{"when Slack asks for it", (*slacktest.Server).Refresh},
		{"when the connection breaks", (*slacktest.Server).Drop},
		{"when Slack is down for a while", func(s *slacktest.Server) {
			s.Break("apps.connections.open", slacktest.Fault{Status: 503}, slacktest.Fault{Error: "internal_error"})
			s.Drop()
		}},
		{"when there were too many", func(s *slacktest.Server) {
			s.Break("apps.connections.open", slacktest.Fault{Status: 429, RetryAfter: "0"})
			s.Drop()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := &actor{}
			s, n := bySocket(t, a)
			ref := told(t, n, shared(t, "opened-with-actions"))
			ts := strings.TrimPrefix(ref, slacktest.Channel+":")
			tt.end(s)
			ctx := soon(t)
			if err := s.Connected(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Press(ctx, slacktest.User, slacktest.Channel, ts, "tocsin_acknowledge"); err != nil {
				t.Error(err)
			}
		})
	}
}

// pressedByHand is a press as Slack tells of it, in a message with a block that is newer
// than the library.
const pressedByHand = `{"type":"block_actions","trigger_id":"1","user":{"id":"U012AB3CD"},"channel":{"id":"C0123456789"},
	"message":{"blocks":[{"type":"section","text":5}]},"container":{"message_ts":7},
	"actions":[{"action_id":"tocsin_acknowledge","block_id":"b","value":"4821"}]}`

// A press is acknowledged before it is acted on, so that a slow act shows no
// warning beside the button; and one that is slow does not keep others waiting.
func TestAnswersAreAcknowledgedAtOnce(t *testing.T) {
	t.Parallel()
	const other = "U0OTHER00"
	release := make(chan struct{})
	begun := make(chan struct{}, 2)
	a := &actor{within: time.Minute, reply: func(ctx context.Context, _ int, answer notify.Answer) (notify.Reply, error) {
		if answer.From == other {
			return notify.Reply{Text: "second"}, nil
		}
		begun <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return notify.Reply{Text: "first"}, nil
	}}
	s, n := bySocket(t, a)
	ref := told(t, n, shared(t, "opened-with-actions"))
	ts := strings.TrimPrefix(ref, slacktest.Channel+":")
	first := make(chan string, 1)
	go func() {
		said, _ := s.Press(soon(t), slacktest.User, slacktest.Channel, ts, "tocsin_acknowledge")
		first <- said
	}()
	<-begun
	if err := s.Send(soon(t), "interactive", []byte(pressedByHand)); err != nil {
		t.Errorf("a press that is not acted on yet: %v", err)
	}
	<-begun
	if said, err := s.Press(soon(t), other, slacktest.Channel, ts, "tocsin_escalate"); said != "second" || err != nil {
		t.Errorf("Press while another is worked on = %q, %v", said, err)
	}
	close(release)
	if said := <-first; said != "first" {
		t.Errorf("the slow one replied %q", said)
	}
}

// A block that is newer than the library is no reason not to hear of the button.
func TestAPayloadThatTheLibraryCannotRead(t *testing.T) {
	t.Parallel()
	came := make(chan notify.Answer, 1)
	s, _ := bySocket(t, &actor{reply: func(_ context.Context, _ int, a notify.Answer) (notify.Reply, error) {
		came <- a
		return notify.Reply{}, nil
	}})
	if err := s.Send(soon(t), "interactive", []byte(pressedByHand)); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(soon(t), "slash_commands", []byte(`{"command":"/tocsin"}`)); err != nil {
		t.Errorf("a slash command: %v", err)
	}
	select {
	case got := <-came:
		if got.Alert != 4821 {
			t.Errorf("answer %+v", got)
		}
	case <-soon(t).Done():
		t.Error("no answer came")
	}
}

func TestAWrongAppTokenIsTold(t *testing.T) {
	t.Parallel()
	told := make(chan string, 1)
	_, n := workspace(t, withAnswers(nil), func(c *Config, env *notify.Env) {
		c.AppToken = secret.New("xapp-sesame")
		env.Log = slog.New(slog.NewTextHandler(firstLine(told), nil))
	})
	listen(t, n)
	select {
	case got := <-told:
		if !strings.Contains(got, "is app_token right?") || !strings.Contains(got, "invalid_auth") || strings.Contains(got, "sesame") {
			t.Errorf("log %q", got)
		}
	case <-soon(t).Done():
		t.Error("nothing was logged")
	}
}

// firstLine takes the first line that is logged.
type firstLine chan string

func (f firstLine) Write(p []byte) (int, error) {
	select {
	case f <- string(p):
	default:
	}
	return len(p), nil
}

func TestPace(t *testing.T) {
	t.Parallel()
	now := notifytest.Now()
	p := pace{least: time.Second}
	for i, step := range []struct {
		after, want time.Duration // after the last connection was made, or failed
	}{
		{0, 0},
		{0, time.Second},
		{0, 2 * time.Second},
		{time.Second, 4 * time.Second},
		{0, 8 * time.Second},
		{0, 16 * time.Second},
		{0, 32 * time.Second},
		{0, time.Minute},
		{0, time.Minute},
		{4 * time.Hour, 0},
		{10 * time.Second, time.Second},
	} {
		now = now.Add(step.after)
		got := p.next(now)
		if got != step.want {
			t.Errorf("step %d: wait %v, want %v", i, got, step.want)
		}
		now = now.Add(got)
	}
}

func TestErrorsOfConnectionsHideTheTicket(t *testing.T) {
	t.Parallel()
	err := errors.New(`parse "wss://wss-primary.slack.com/link/?ticket=sesame&app_id=1": invalid; then Post "https://slack.com/api/apps.connections.open"`)
	if got := hidden(err); strings.Contains(got, "sesame") || !strings.Contains(got, "wss-primary.slack.com") {
		t.Errorf("hidden = %q", got)
	}
	if got := hidden(nil); got != "" {
		t.Errorf("hidden(nil) = %q", got)
	}
}
