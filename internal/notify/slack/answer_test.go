package slack

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// actor does what is answered and keeps it.
type actor struct {
	within  time.Duration // how long it may take; 0 is as long as ever
	mu      sync.Mutex    // guards answers
	answers []notify.Answer
	reply   func(ctx context.Context, n int, a notify.Answer) (notify.Reply, error)
}

func (a *actor) act(ctx context.Context, answer notify.Answer) (notify.Reply, error) {
	a.mu.Lock()
	a.answers = append(a.answers, answer)
	n := len(a.answers)
	a.mu.Unlock()
	if a.reply == nil {
		return notify.Reply{Text: "Acknowledged by ana at 02:30 UTC."}, nil
	}
	return a.reply(ctx, n, answer)
}

func (a *actor) all() []notify.Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]notify.Answer(nil), a.answers...)
}

// A way is one by which answers come.
type way struct {
	name string
	open func(t *testing.T, a *actor) (*slacktest.Server, notify.Notifier)
}

func ways() []way { return []way{{"Socket Mode", bySocket}, {"signed requests", byRequest}} }

func bySocket(t *testing.T, a *actor) (*slacktest.Server, notify.Notifier) {
	t.Helper()
	s, n := workspace(t, withAnswers(a.act))
	n.(*socket).least, n.(*socket).actTime = 10*time.Millisecond, cmp.Or(a.within, actTime)
	listen(t, n)
	if err := s.Connected(soon(t)); err != nil {
		t.Fatal(err)
	}
	return s, n
}

// listen has the notifier listen until the test ends.
func listen(t *testing.T, n notify.Notifier) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.(notify.Listener).Listen(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Listen = %v at its end", err)
			}
		case <-time.After(time.Minute):
			t.Error("Listen had not returned a minute after its context ended")
		}
	})
}

func byRequest(t *testing.T, a *actor) (*slacktest.Server, notify.Notifier) {
	t.Helper()
	var mounted http.Handler
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mounted.ServeHTTP(w, r) }))
	t.Cleanup(door.Close)
	s := slacktest.New(slacktest.Options{Token: token, Now: notifytest.Now, Interactivity: door.URL + "/act/soc"})
	t.Cleanup(s.Close)
	env := notifytest.Env(t, nil)
	env.Act, env.Handle = a.act, func(h http.Handler) { mounted = h }
	n, err := open(Config{
		Token: secret.New(token), Channel: slacktest.Channel, APIURL: secret.New(s.APIURL()), SigningSecret: secret.New(s.SigningSecret),
	}, env)
	if err != nil {
		t.Fatal(err)
	}
	n.(*app).actTime = cmp.Or(a.within, actTime)
	return s, n
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestPressingButtons(t *testing.T) {
	t.Parallel()
	for _, way := range ways() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			a := &actor{reply: func(_ context.Context, n int, _ notify.Answer) (notify.Reply, error) {
				return []notify.Reply{{Text: "Acknowledged by ana at 02:30 UTC."}, {Text: "Escalated."}, {}}[n-1], nil
			}}
			s, n := way.open(t, a)
			ref := told(t, n, shared(t, "opened-with-actions"))
			ts := strings.TrimPrefix(ref, slacktest.Channel+":")
			for _, press := range []struct{ action, want string }{
				{"tocsin_acknowledge", "Acknowledged by ana at 02:30 UTC."},
				{"tocsin_escalate", "Escalated."},
				{"tocsin_expected", "Done."},
			} {
				got, err := s.Press(soon(t), slacktest.User, slacktest.Channel, ts, press.action)
				if err != nil || got != press.want {
					t.Errorf("Press(%s) = %q, %v, want %q", press.action, got, err, press.want)
				}
			}
			got := a.all()
			for i := range got {
				if got[i].ID == "" {
					t.Error("an answer has no ID")
				}
				got[i].ID = ""
			}
			want := []notify.Answer{
				{Alert: 4821, Do: notify.DoAcknowledge, From: slacktest.User},
				{Alert: 4821, Do: notify.DoEscalate, From: slacktest.User},
				{Alert: 4821, Do: notify.DoExpected, From: slacktest.User},
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			if edits := s.Messages(slacktest.Channel)[0].Edits; len(edits) != 0 {
				t.Errorf("the message was edited %d times by the answers", len(edits))
			}
		})
	}
}

func TestAnAnswerThatIsDeliveredTwiceHasOneID(t *testing.T) {
	t.Parallel()
	for _, way := range ways() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			a := &actor{}
			s, n := way.open(t, a)
			ref := told(t, n, shared(t, "opened-with-actions"))
			if _, err := s.PressTwice(soon(t), slacktest.User, slacktest.Channel, strings.TrimPrefix(ref, slacktest.Channel+":"), "tocsin_acknowledge"); err != nil {
				t.Fatal(err)
			}
			got := a.all()
			if len(got) != 2 || got[0].ID != got[1].ID {
				t.Errorf("answers %+v, want two with one ID", got)
			}
		})
	}
}

func TestRefusalsAreShown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		reply func(context.Context, int, notify.Answer) (notify.Reply, error)
		want  string
	}{
		{
			"somebody unknown",
			func(context.Context, int, notify.Answer) (notify.Reply, error) {
				return notify.Reply{}, errors.New("no person here has this Slack account: ask an administrator to add it")
			},
			"Not done: no person here has this Slack account∶ ask an administrator to add it",
		},
		{
			"markup in what is said",
			func(context.Context, int, notify.Answer) (notify.Reply, error) {
				return notify.Reply{}, errors.New("already closed by <!channel> *x* https://evil.example/")
			},
			"Not done∶ already closed by &lt;!channel&gt; ∗x∗ hxxps∶//evil[.]example/",
		},
		{
			"it takes too long",
			func(ctx context.Context, _ int, _ notify.Answer) (notify.Reply, error) {
				<-ctx.Done()
				return notify.Reply{}, ctx.Err()
			},
			"That took too long. Look whether it was done, and try again.",
		},
	} {
		for _, way := range ways() {
			t.Run(tt.name+" by "+way.name, func(t *testing.T) {
				t.Parallel()
				s, n := way.open(t, &actor{reply: tt.reply, within: 200 * time.Millisecond})
				ref := told(t, n, shared(t, "opened-with-actions"))
				got, err := s.Press(soon(t), "U0STRANGER", slacktest.Channel, strings.TrimPrefix(ref, slacktest.Channel+":"), "tocsin_acknowledge")
				if err != nil {
					t.Fatal(err)
				}
				if strings.NewReplacer("∶", ":").Replace(got) != strings.NewReplacer("∶", ":").Replace(tt.want) {
					t.Errorf("Press = %q, want %q", got, tt.want)
				}
			})
		}
	}
}

func TestWhatIsNoAnswer(t *testing.T) {
	t.Parallel()
	pressed := `{"type":"block_actions","trigger_id":"1.2","user":{"id":"U1"},"actions":[{"action_id":"tocsin_acknowledge","value":"4821","action_ts":"3.4"}]}`
	for _, tt := range []struct {
		name, old, new string
		want           notify.Answer
		ok             bool
	}{
		{"an answer", "", "", notify.Answer{ID: "1.2", Alert: 4821, Do: notify.DoAcknowledge, From: "U1"}, true},
		{"without a trigger", `"1.2"`, `""`, notify.Answer{ID: "3.4:U1", Alert: 4821, Do: notify.DoAcknowledge, From: "U1"}, true},
		{"a shortcut", "block_actions", "shortcut", notify.Answer{}, false},
		{"another app's button", "tocsin_acknowledge", "approve", notify.Answer{}, false},
		{"something that cannot be done", "tocsin_acknowledge", "tocsin_delete", notify.Answer{}, false},
		{"no alert", "4821", "x", notify.Answer{}, false},
		{"alert 0", "4821", "0", notify.Answer{}, false},
		{"nobody", "U1", "", notify.Answer{}, false},
	} {
		var i interaction
		unmarshal(t, strings.Replace(pressed, tt.old, tt.new, 1), &i)
		if got, ok := i.answer(); got != tt.want || ok != tt.ok {
			t.Errorf("%s: answer = %+v, %v, want %+v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	payload := url.Values{"payload": {`{"type":"block_actions","trigger_id":"1","user":{"id":"U1"},"channel":{"id":"C0123456789"},"actions":[{"action_id":"tocsin_acknowledge","value":"4821"}]}`}}.Encode()
	for _, tt := range []struct {
		name   string
		method string
		body   string
		change func(h http.Header, s *slacktest.Server)
		want   int
	}{
		{"Slack's", "POST", payload, func(http.Header, *slacktest.Server) {}, 200},
		{"no signature", "POST", payload, func(h http.Header, _ *slacktest.Server) { h.Del("X-Slack-Signature") }, 401},
		{"no time", "POST", payload, func(h http.Header, _ *slacktest.Server) { h.Del("X-Slack-Request-Timestamp") }, 401},
		{"of another body", "POST", payload, func(h http.Header, s *slacktest.Server) { s.Sign(h, []byte(payload+"x")) }, 401},
		{"of another secret", "POST", payload, func(h http.Header, s *slacktest.Server) {
			other := &slacktest.Server{Options: slacktest.Options{SigningSecret: "ffff", Now: s.Now}}
			other.Sign(h, []byte(payload))
		}, 401},
		{"six minutes old", "POST", payload, func(h http.Header, s *slacktest.Server) { sign(s, h, payload, -6*time.Minute) }, 401},
		{"four minutes old", "POST", payload, func(h http.Header, s *slacktest.Server) { sign(s, h, payload, -4*time.Minute) }, 200},
		{"six minutes ahead", "POST", payload, func(h http.Header, s *slacktest.Server) { sign(s, h, payload, 6*time.Minute) }, 401},
		{"not hexadecimal", "POST", payload, func(h http.Header, _ *slacktest.Server) { h.Set("X-Slack-Signature", "v0=zz") }, 401},
		{"cut short", "POST", payload, func(h http.Header, _ *slacktest.Server) {
			h.Set("X-Slack-Signature", h.Get("X-Slack-Signature")[:20])
		}, 401},
		{"somebody who looks", "GET", "", func(http.Header, *slacktest.Server) {}, 405},
		{"no payload", "POST", "payload=", func(http.Header, *slacktest.Server) {}, 400},
		{"not JSON", "POST", "payload=%7B", func(http.Header, *slacktest.Server) {}, 400},
		{"too large", "POST", "payload=" + strings.Repeat("x", 1<<20), func(http.Header, *slacktest.Server) {}, 413},
		{"another kind of payload", "POST", "payload=%7B%22type%22%3A%22view_closed%22%7D", func(http.Header, *slacktest.Server) {}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := &actor{}
			s, n := byRequest(t, a)
			r := httptest.NewRequest(tt.method, "/act/soc", strings.NewReader(tt.body))
			s.Sign(r.Header, []byte(tt.body))
			tt.change(r.Header, s)
			w := httptest.NewRecorder()
			n.(*app).callBack(w, r)
			if w.Code != tt.want {
				t.Errorf("status %d, want %d: %s", w.Code, tt.want, w.Body)
			}
			if acted := len(a.all()) > 0; acted != (tt.want == 200 && tt.body == payload) {
				t.Errorf("acted: %v", acted)
			}
		})
	}
}

func sign(s *slacktest.Server, h http.Header, body string, off time.Duration) {
	other := &slacktest.Server{Options: slacktest.Options{SigningSecret: s.SigningSecret, Now: func() time.Time { return s.Now().Add(off) }}}
	other.Sign(h, []byte(body))
}

func TestRepliesGoToSlackAlone(t *testing.T) {
	t.Parallel()
	a := &app{api: "https://slack.com/api/"}
	for address, want := range map[string]bool{
		"https://hooks.slack.com/actions/T0/1/x":     true,
		"https://hooks.slack-gov.com/actions/T0/1/x": true,
		"http://hooks.slack.com/actions/T0/1/x":      false,
		"https://evilslack.com/x":                    false,
		"https://hooks.slack.com.evil.example/x":     false,
		"https://hooks.slack.com@169.254.169.254/x":  false,
		"http://169.254.169.254/latest/meta-data":    false,
		"https://x:y@hooks.slack.com/actions":        false,
		"":                                           false,
	} {
		if got := a.answers(address); got != want {
			t.Errorf("answers(%q) = %v, want %v", address, got, want)
		}
	}
}

// Without an address of Slack's the reply goes by the Web API.
func TestAReplyByTheWebAPI(t *testing.T) {
	t.Parallel()
	s, n := workspace(t, withAnswers((&actor{}).act))
	a := n.(*socket).app
	var i interaction
	unmarshal(t, `{"type":"block_actions","trigger_id":"1","user":{"id":"U012AB3CD"},"channel":{"id":"C0123456789"},"response_url":"https://evil.example/","actions":[{"action_id":"tocsin_acknowledge","value":"4821"}]}`, &i)
	a.show(t.Context(), i, a.act(t.Context(), i))
	if got := methods(s); len(got) != 1 || got[0] != "chat.postEphemeral" {
		t.Errorf("calls %v", got)
	}
}

func TestAReplyThatCannotBeShownIsLogged(t *testing.T) {
	t.Parallel()
	a := &actor{}
	s, n := byRequest(t, a)
	var log bytes.Buffer
	n.(*app).env.Log = slog.New(slog.NewTextHandler(&log, nil))
	s.Break("response_url", slacktest.Fault{Status: 500})
	var i interaction
	unmarshal(t, `{"channel":{"id":"C0123456789"},"response_url":"`+s.URL+`/actions/sesame"}`, &i)
	n.(*app).show(t.Context(), i, "Done.")
	if got := log.String(); !strings.Contains(got, "reply to a button not shown") || strings.Contains(got, "sesame") {
		t.Errorf("log %q", got)
	}
}
