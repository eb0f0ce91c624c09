package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const token = "xoxb-1111-2222-sesameopen"

func TestAppPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, // in a channel; people are below
		Secrets: []string{token, "sesameopen"},
		Key: func(got notifytest.Taken) string {
			var m message
			if json.Unmarshal(got.Body, &m) != nil || m.Metadata == nil {
				return ""
			}
			id, _ := m.Metadata.EventPayload["id"].(string)
			return id
		},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, `{"ok":true,"channel":"C0123456789","ts":"1781231400.000100"}`)
			return notifytest.Open(t, open, Config{Token: secret.New(token), Channel: slacktest.Channel, APIURL: secret.New(url + "/api/")}), taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) { limits(t, m, got.Body) },
		Shown: func(t *testing.T, got notifytest.Taken) []string { return shown(t, got.Body) },
	})
}

// workspace is Slack with an app in it.
func workspace(t *testing.T, change ...func(*Config, *notify.Env)) (*slacktest.Server, notify.Notifier) {
	t.Helper()
	s := slacktest.New(slacktest.Options{Token: token, Now: notifytest.Now})
	t.Cleanup(s.Close)
	c := Config{Token: secret.New(s.Token), Channel: slacktest.Channel, APIURL: secret.New(s.APIURL())}
	env := notifytest.Env(t, nil)
	for _, f := range change {
		f(&c, &env)
	}
	n, err := open(c, env)
	if err != nil {
		t.Fatal(err)
	}
	return s, n
}

func told(t *testing.T, n notify.Notifier, m notify.Message) (ref string) {
	t.Helper()
	ref, err := n.Notify(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func methods(s *slacktest.Server) (all []string) {
	for _, c := range s.Calls() {
		all = append(all, c.Method)
	}
	return all
}

func TestOneMessageAnAlert(t *testing.T) {
	t.Parallel()
	s, n := workspace(t)
	ref := told(t, n, shared(t, "opened-critical-ec2-c2"))
	first := s.Messages(slacktest.Channel)
	if len(first) != 1 || ref != slacktest.Channel+":"+first[0].TS {
		t.Fatalf("after the opening: ref %q, messages %+v", ref, first)
	}
	if first[0].ID == "" {
		t.Error("the message does not carry its ID")
	}
	for _, step := range []struct {
		name      string
		thread    string
		broadcast bool
	}{
		{"updated", "UPDATED: count 17 → 61 (+44), domain evil[.]example → worse[.]example, also came by https:api", false},
		{"acknowledged", "ACKNOWLEDGED by ana", false},
		{"changed-assigned", "ASSIGNED to bo", false},
		{"raised", "RAISED medium→critical · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server", true},
		{"closed-by-person", "CLOSED (false positive) by alice＠example[.]com", false},
		{"reopened", "REOPENED critical · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server", true},
	} {
		m := shared(t, step.name)
		m.Ref = ref
		if got := told(t, n, m); got != ref {
			t.Errorf("%s: ref %q, want the first message's, %q", step.name, got, ref)
		}
		thread := s.Thread(slacktest.Channel, first[0].TS)
		last := thread[len(thread)-1]
		if last.Text != step.thread || last.Broadcast != step.broadcast {
			t.Errorf("%s: in the thread %q, in the channel too %v; want %q, %v", step.name, last.Text, last.Broadcast, step.thread, step.broadcast)
		}
		if root := s.Messages(slacktest.Channel)[0]; root.Text != notify.FirstLine(m) && step.name != "closed-by-person" {
			t.Errorf("%s: the message says %q", step.name, root.Text)
		}
	}
	var roots int
	for _, m := range s.Messages(slacktest.Channel) {
		if m.ThreadTS == "" {
			roots++
			if len(m.Edits) != 6 {
				t.Errorf("%d edits, want 6", len(m.Edits))
			}
		}
	}
	if roots != 1 {
		t.Errorf("%d messages besides the threads, want 1", roots)
	}
}

func TestWhatIsOverIsGreyAndHasNoButtons(t *testing.T) {
	t.Parallel()
	s, n := workspace(t, withAnswers(nil))
	asked := shared(t, "opened-with-actions")
	ref := told(t, n, asked)
	if root := s.Messages(slacktest.Channel)[0]; !strings.Contains(string(root.Body), "tocsin_acknowledge") {
		t.Fatalf("no buttons at first: %s", root.Body)
	}
	closed := shared(t, "closed-by-person")
	closed.Ref, closed.Actions = ref, asked.Actions
	told(t, n, closed)
	root := s.Messages(slacktest.Channel)[0]
	var body message
	if err := json.Unmarshal(root.Body, &body); err != nil {
		t.Fatal(err)
	}
	if got := body.Attachments[0].Color; got != "#546E7A" {
		t.Errorf("colour = %s", got)
	}
	if strings.Contains(string(root.Body), `"actions"`) || !strings.Contains(root.Text, "CLOSED (false positive)") {
		t.Errorf("the closed message is %s", root.Body)
	}
}

// withAnswers has the app hear of its buttons.
func withAnswers(act func(context.Context, notify.Answer) (notify.Reply, error)) func(*Config, *notify.Env) {
	if act == nil {
		act = func(context.Context, notify.Answer) (notify.Reply, error) { return notify.Reply{}, nil }
	}
	return func(c *Config, env *notify.Env) {
		c.AppToken = secret.New("xapp-1-A0123-slacktest")
		env.Act = act
	}
}

func TestAMessageThatIsGoneIsPostedAnew(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		gone func(s *slacktest.Server, ts string)
	}{
		{"deleted", func(s *slacktest.Server, ts string) { s.Delete(slacktest.Channel, ts) }},
		{"too old to be edited", func(s *slacktest.Server, _ string) {
			s.Break("chat.update", slacktest.Fault{Error: "edit_window_closed"})
		}},
		{"written by an app that was there before", func(s *slacktest.Server, _ string) {
			s.Break("chat.update", slacktest.Fault{Error: "cant_update_message"})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, n := workspace(t)
			ref := told(t, n, shared(t, "opened-critical-ec2-c2"))
			tt.gone(s, strings.TrimPrefix(ref, slacktest.Channel+":"))
			m := shared(t, "acknowledged")
			m.Ref = ref
			again := told(t, n, m)
			all := s.Messages(slacktest.Channel)
			last := all[len(all)-1]
			if again == ref || again != slacktest.Channel+":"+last.TS || last.ThreadTS != "" {
				t.Errorf("ref %q after %q; the last message is %+v", again, ref, last)
			}
		})
	}
}

func TestReferencesThatAreNotOurs(t *testing.T) {
	t.Parallel()
	for _, ref := range []string{"first-ref", "", ":", "C0123456789:", "C9999999999:1781231400.000100"} {
		s, n := workspace(t)
		m := shared(t, "acknowledged")
		m.Ref = ref
		told(t, n, m)
		if got := methods(s); !slices.Equal(got, []string{"chat.postMessage"}) {
			t.Errorf("with ref %q: calls %v, want a new message in the channel of the settings", ref, got)
		}
	}
}

func TestAPersonIsToldInADirectMessage(t *testing.T) {
	t.Parallel()
	s, n := workspace(t, func(c *Config, _ *notify.Env) { c.Channel = "" })
	m := shared(t, "opened-critical-ec2-c2")
	m.To, m.Person = slacktest.User, "ana"
	ref := told(t, n, m)
	direct := s.Direct(slacktest.User)
	if direct == "" || !strings.HasPrefix(ref, direct+":") {
		t.Fatalf("ref %q, direct message %q", ref, direct)
	}
	other := m
	other.ID = "01JXGH0000000000000000000"
	told(t, n, other)
	news := shared(t, "acknowledged")
	news.To, news.Ref = slacktest.User, ref
	if got := told(t, n, news); got != ref {
		t.Errorf("ref %q, want %q", got, ref)
	}
	want := []string{"conversations.open", "chat.postMessage", "chat.postMessage", "chat.update", "chat.postMessage"}
	if diff := cmp.Diff(want, methods(s)); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}

	proof := shared(t, "code")
	proof.To = slacktest.User
	told(t, n, proof)
	all := s.Messages(direct)
	if got := all[len(all)-1].Text; got != "428317 is your code for tocsin" {
		t.Errorf("the code's message says %q", got)
	}

	nobody := m
	nobody.To = "U0NOBODY0"
	if _, err := n.Notify(t.Context(), nobody); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "not in this workspace") {
		t.Errorf("Notify of nobody = %v", err)
	}
	if _, err := n.Notify(t.Context(), shared(t, "opened-critical-ec2-c2")); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "channel is not set") {
		t.Errorf("Notify without a channel = %v", err)
	}
}

func TestEveryMessageFitsAPerson(t *testing.T) {
	t.Parallel()
	s, n := workspace(t, func(c *Config, _ *notify.Env) { c.Channel = "" }, withAnswers(nil))
	for _, c := range notifytest.Messages() {
		m := c.Message
		m.To = slacktest.User
		before := len(s.Calls())
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		calls := s.Calls()[before:]
		limits(t, m, calls[len(calls)-1].Body)
	}
}

func TestACodeIsNotForAChannel(t *testing.T) {
	t.Parallel()
	s, n := workspace(t)
	if _, err := n.Notify(t.Context(), shared(t, "code")); !notify.IsPermanent(err) || len(s.Calls()) != 0 {
		t.Errorf("Notify = %v after %d calls, want a permanent error and none", err, len(s.Calls()))
	}
}

func TestSlackRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault     slacktest.Fault
		permanent bool
		wait      time.Duration
		says      string
	}{
		{slacktest.Fault{Error: "channel_not_found"}, true, 0, "channel_not_found: there is no such channel"},
		{slacktest.Fault{Error: "not_in_channel"}, true, 0, "/invite it there"},
		{slacktest.Fault{Error: "is_archived"}, true, 0, "archived"},
		{slacktest.Fault{Error: "invalid_auth"}, true, 0, "token is wrong"},
		{slacktest.Fault{Error: "token_revoked"}, true, 0, "token is wrong"},
		{slacktest.Fault{Error: "account_inactive"}, true, 0, "install it again"},
		{slacktest.Fault{Error: "missing_scope", Needed: "chat:write"}, true, 0, "the app lacks the scope chat:write"},
		{slacktest.Fault{Error: "invalid_blocks"}, true, 0, "report it as a bug"},
		{slacktest.Fault{Error: "msg_blocks_too_long"}, true, 0, "report it as a bug"},
		{slacktest.Fault{Error: "ratelimited"}, false, 0, "ratelimited"},
		{slacktest.Fault{Error: "internal_error"}, false, 0, "internal_error"},
		{slacktest.Fault{Error: "service_unavailable"}, false, 0, "service_unavailable"},
		{slacktest.Fault{Error: "fatal_error"}, false, 0, "fatal_error"},
		{slacktest.Fault{Error: "an_error_of_2030"}, false, 0, "an_error_of_2030"},
		{slacktest.Fault{Error: "<script> xoxb-1111"}, false, 0, "refused without a reason"},
		{slacktest.Fault{Status: 429, RetryAfter: "30"}, false, 30 * time.Second, "429"},
		{slacktest.Fault{Status: 503}, false, 0, "503"},
		{slacktest.Fault{Status: 200}, false, 0, "not Slack's"},
	} {
		t.Run(fmt.Sprint(tt.fault.Error, tt.fault.Status), func(t *testing.T) {
			t.Parallel()
			s, n := workspace(t)
			s.Break("chat.postMessage", tt.fault)
			_, err := n.Notify(t.Context(), shared(t, "opened-critical-ec2-c2"))
			if err == nil || notify.IsPermanent(err) != tt.permanent || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Notify = %v, permanent %v; want one that says %q, permanent %v", err, notify.IsPermanent(err), tt.says, tt.permanent)
			}
			if wait, _ := notify.RetryAfter(err); wait != tt.wait {
				t.Errorf("RetryAfter = %v, want %v", wait, tt.wait)
			}
			if strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "xoxb") {
				t.Errorf("the error holds a token: %v", err)
			}
			if _, err := n.Notify(t.Context(), shared(t, "opened-critical-ec2-c2")); err != nil {
				t.Errorf("the next attempt: %v", err)
			}
		})
	}
}

// An edit whose thread could not be written is tried again as a whole, and an
// edit is the same however often it is made.
func TestAnInterruptedEdit(t *testing.T) {
	t.Parallel()
	s, n := workspace(t)
	ref := told(t, n, shared(t, "opened-critical-ec2-c2"))
	m := shared(t, "acknowledged")
	m.Ref = ref
	s.Break("chat.postMessage", slacktest.Fault{Status: 503})
	if _, err := n.Notify(t.Context(), m); err == nil || notify.IsPermanent(err) {
		t.Errorf("Notify = %v, want an error that is tried again", err)
	}
	told(t, n, m)
	thread := s.Thread(slacktest.Channel, strings.TrimPrefix(ref, slacktest.Channel+":"))
	if len(thread) != 1 {
		t.Errorf("%d lines in the thread, want 1", len(thread))
	}
}

// A reply that is lost has the message posted twice; the ID in its metadata tells.
func TestALostReply(t *testing.T) {
	t.Parallel()
	s, n := workspace(t)
	s.Break("chat.postMessage", slacktest.Fault{Status: 502, Lost: true})
	m := shared(t, "opened-critical-ec2-c2")
	if _, err := n.Notify(t.Context(), m); err == nil {
		t.Fatal("Notify = nil, want an error")
	}
	told(t, n, m)
	all := s.Messages(slacktest.Channel)
	if len(all) != 2 || all[0].ID != m.ID || all[1].ID != m.ID {
		t.Errorf("messages %+v, want two with the ID %s", all, m.ID)
	}
}

func TestAHangingSlackIsLeft(t *testing.T) {
	t.Parallel()
	s, n := workspace(t)
	s.Break("", slacktest.Fault{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := n.Notify(ctx, shared(t, "opened-critical-ec2-c2")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Notify = %v", err)
	}
}

// All that an app sends for each shared message: with a first message to edit
// where there could be one.
func TestAppGolden(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			s, n := workspace(t, withAnswers(nil))
			m := c.Message
			if m.Kind == tocsin.TellCode {
				m.To = slacktest.User
			}
			if m.Ref != "" {
				first := m
				first.Kind, first.Ref = tocsin.TellOpened, ""
				m.Ref = told(t, n, first)
			}
			before := len(s.Calls())
			if m.Ref == "" {
				before = 0
			}
			told(t, n, m)
			type call struct {
				Method string          `json:"method"`
				Body   json.RawMessage `json:"body"`
			}
			var calls []call
			for _, made := range s.Calls()[before:] {
				calls = append(calls, call{made.Method, made.Body})
				if made.Method != "conversations.open" {
					limits(t, m, made.Body)
				}
			}
			golden(t, "app/"+c.Name, calls)
		})
	}
}
