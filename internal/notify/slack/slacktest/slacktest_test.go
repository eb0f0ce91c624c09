package slacktest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
)

// good is a message that Slack takes.
const good = `{"channel":"C0123456789","text":"hello","blocks":[
	{"type":"header","text":{"type":"plain_text","text":"hello","emoji":false}},
	{"type":"section","fields":[{"type":"mrkdwn","text":"*a*","verbatim":true}]},
	{"type":"context","elements":[{"type":"plain_text","text":"small"}]},
	{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"Acknowledge"},"action_id":"tocsin_acknowledge","value":"1","style":"primary"}]}
]}`

func TestCheck(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("x", n) }
	repeat := func(what string, n int) string { return strings.TrimSuffix(strings.Repeat(what+",", n), ",") }
	for _, tt := range []struct{ name, old, new, want string }{
		{"a good message", "", "", ""},
		{"a header of 150 characters", `"text":"hello","emoji"`, `"text":"` + long(150) + `","emoji"`, ""},
		{"a header of 151 characters", `"text":"hello","emoji"`, `"text":"` + long(151) + `","emoji"`, "invalid_blocks"},
		{"76 characters that are two units each", `"text":"hello","emoji"`, `"text":"` + strings.Repeat("🔥", 76) + `","emoji"`, "invalid_blocks"},
		{"no text", `"text":"hello","blocks"`, `"text":"","blocks"`, "no_text"},
		{"a header in mrkdwn", `"header","text":{"type":"plain_text","text":"hello","emoji":false}`, `"header","text":{"type":"mrkdwn","text":"hello"}`, "invalid_blocks"},
		{"emoji in mrkdwn", `"verbatim":true`, `"emoji":false`, "invalid_blocks"},
		{"verbatim in plain text", `"emoji":false`, `"verbatim":true`, "invalid_blocks"},
		{"a field of 2001 characters", `*a*`, long(2001), "invalid_blocks"},
		{"11 fields", `{"type":"mrkdwn","text":"*a*","verbatim":true}`, repeat(`{"type":"mrkdwn","text":"a"}`, 11), "invalid_blocks"},
		{"a section with nothing", `"fields":[{"type":"mrkdwn","text":"*a*","verbatim":true}]`, `"fields":[]`, "invalid_blocks"},
		{"an empty context", `"elements":[{"type":"plain_text","text":"small"}]`, `"elements":[]`, "invalid_blocks"},
		{"11 elements in a context", `{"type":"plain_text","text":"small"}`, repeat(`{"type":"plain_text","text":"small"}`, 11), "invalid_blocks"},
		{"an empty text", `"small"`, `""`, "invalid_blocks"},
		{"a button of 76 characters", `"text":"Acknowledge"`, `"text":"` + long(76) + `"`, "invalid_blocks"},
		{"a value of 2001 characters", `"value":"1"`, `"value":"` + long(2001) + `"`, "invalid_blocks"},
		{"a green button", `"primary"`, `"green"`, "invalid_blocks"},
		{"a button without an action", `"action_id":"tocsin_acknowledge",`, ``, "invalid_blocks"},
		{"a confirmation with words for texts", `"style":"primary"`, `"confirm":{"title":"sure?"}`, "invalid_blocks"},
		{"a key that nobody knows", `"style":"primary"`, `"colour":"red"`, "invalid_blocks"},
		{"a block that nobody knows", `"type":"context"`, `"type":"contxt"`, "invalid_blocks"},
		{"51 blocks", `"blocks":[`, `"blocks":[` + repeat(`{"type":"divider"}`, 47) + `,`, "invalid_blocks"},
		{"50 blocks", `"blocks":[`, `"blocks":[` + repeat(`{"type":"divider"}`, 46) + `,`, ""},
		{"too much in all", `"blocks":[`, `"blocks":[` + repeat(`{"type":"section","text":{"type":"mrkdwn","text":"`+long(2990)+`"}}`, 5) + `,`, "msg_blocks_too_long"},
		{"the same in attachments", `"blocks":[`, `"attachments":[{"color":"#000000","fallback":"x","blocks":[{"type":"contxt"}]}],"blocks":[`, "invalid_blocks"},
		{"not JSON", `{"channel"`, `{channel`, "invalid_payload"},
	} {
		body := strings.Replace(good, tt.old, tt.new, 1)
		if tt.old != "" && body == good {
			t.Fatalf("%s: nothing was changed", tt.name)
		}
		if got, why := slacktest.Check([]byte(body)); got != tt.want {
			t.Errorf("%s: Check = %q (%s), want %q", tt.name, got, why, tt.want)
		}
	}
}

func TestTheWebAPI(t *testing.T) {
	t.Parallel()
	s := slacktest.New(slacktest.Options{})
	t.Cleanup(s.Close)
	call := func(token, method, body string) map[string]any {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.APIURL()+method, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var reply map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
			t.Fatal(err)
		}
		return reply
	}
	posted := call(s.Token, "chat.postMessage", good)
	ts, _ := posted["ts"].(string)
	if posted["ok"] != true || ts == "" {
		t.Fatalf("chat.postMessage = %v", posted)
	}
	with := func(extra string) string { return strings.Replace(good, "{", "{"+extra+",", 1) }
	for _, tt := range []struct{ name, token, method, body, want string }{
		{"who am I", s.Token, "auth.test", "", ""},
		{"nobody", "", "auth.test", "", "not_authed"},
		{"somebody else", "xoxb-other", "auth.test", "", "invalid_auth"},
		{"the app's token for the bot's", s.AppToken, "auth.test", "", "not_allowed_token_type"},
		{"the bot's token for the app's", s.Token, "apps.connections.open", "", "not_allowed_token_type"},
		{"a connection", s.AppToken, "apps.connections.open", "", ""},
		{"no such method", s.Token, "chat.shout", "", "unknown_method"},
		{"another channel", s.Token, "chat.postMessage", strings.Replace(good, "C0123456789", "C9", 1), "channel_not_found"},
		{"an edit", s.Token, "chat.update", with(`"ts":"` + ts + `"`), ""},
		{"an edit of nothing", s.Token, "chat.update", with(`"ts":"1.2"`), "message_not_found"},
		{"an edit of what?", s.Token, "chat.update", good, "invalid_arguments"},
		{"a thread", s.Token, "chat.postMessage", with(`"thread_ts":"` + ts + `"`), ""},
		{"a thread of nothing", s.Token, "chat.postMessage", with(`"thread_ts":"1.2"`), "thread_not_found"},
		{"a broadcast of nothing", s.Token, "chat.postMessage", with(`"reply_broadcast":true`), "invalid_arguments"},
		{"a direct message", s.Token, "conversations.open", `{"users":"U012AB3CD"}`, ""},
		{"with nobody", s.Token, "conversations.open", `{"users":"U0"}`, "user_not_found"},
		{"to one alone", s.Token, "chat.postEphemeral", with(`"user":"U012AB3CD"`), ""},
	} {
		reply := call(tt.token, tt.method, tt.body)
		if got, _ := reply["error"].(string); got != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, reply, tt.want)
		}
	}
	if n := len(s.Messages(slacktest.Channel)); n != 1 {
		t.Errorf("%d messages in the channel, want 1", n)
	}
	if got := s.Thread(slacktest.Channel, ts); len(got) != 1 {
		t.Errorf("the thread has %d messages, want 1", len(got))
	}
	s.Archive(slacktest.Channel)
	if reply := call(s.Token, "chat.postMessage", good); reply["error"] != "is_archived" {
		t.Errorf("in an archived channel: %v", reply)
	}
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	s := slacktest.New(slacktest.Options{})
	t.Cleanup(s.Close)
	url := s.Webhook(slacktest.Channel)
	post := func(url, body string) string {
		resp, err := http.Post(url, "application/json", strings.NewReader(body)) //nolint:noctx // a test's own server
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		said, _ := io.ReadAll(resp.Body)
		return fmt.Sprintf("%d %s", resp.StatusCode, bytes.TrimSpace(said))
	}
	s.Break("webhook", slacktest.Fault{Error: "rollup_error", Status: 500})
	for _, tt := range []struct{ name, url, body, want string }{
		{"in trouble", url, good, "500 rollup_error"},
		{"a good message", url, good, "200 ok"},
		{"a bad one", url, `{"text":""}`, "400 no_text"},
		{"another hook", url + "x", good, "404 no_service"},
	} {
		if got := post(tt.url, tt.body); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := s.Messages(slacktest.Channel); len(got) != 1 || got[0].Text != "hello" {
		t.Errorf("messages %+v", got)
	}
}

func TestPressingWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := slacktest.New(slacktest.Options{})
	t.Cleanup(s.Close)
	if _, err := s.Press(t.Context(), slacktest.User, slacktest.Channel, "1.2", "tocsin_acknowledge"); err == nil {
		t.Error("a button of no message was pressed")
	}
}
