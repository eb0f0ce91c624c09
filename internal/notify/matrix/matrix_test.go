package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const ok = `{"event_id":"$143273582443PhrSn:example.com"}`

func opened(t *testing.T, url string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{URL: url, Token: secret.New(token), Room: room})
}

func TestPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{token},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, ok)
			return opened(t, url), taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			for _, wrong := range mistakes(got.Body) {
				t.Errorf("Matrix would say: %s", wrong)
			}
			links(t, m, parsed(t, got.Body).HTML)
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string {
			c := parsed(t, got.Body)
			return append(texts(c.HTML), c.Body)
		},
	})
}

func parsed(t *testing.T, body []byte) content {
	t.Helper()
	var c content
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// texts are what an app makes links in: not code,.
func texts(page string) []string {
	var found []string
	_ = walk(page, func(xml.StartElement) {}, func(s string, code bool) {
		if !code {
			found = append(found, s)
		}
	})
	return found
}

// links finds links that are not ours.
func links(t *testing.T, m notify.Message, page string) {
	t.Helper()
	ours := []string{m.AlertURL, notify.ConsoleLink(m), notify.DocumentationLink(m)}
	for _, a := range m.Actions {
		ours = append(ours, a.URL)
	}
	for _, item := range m.Digest {
		ours = append(ours, item.URL)
	}
	err := walk(page, func(at xml.StartElement) {
		for _, a := range at.Attr {
			if a.Name.Local == "href" && !slices.Contains(ours, a.Value) {
				t.Errorf("a link leads to %s", a.Value)
			}
		}
	}, func(string, bool) {})
	if err != nil {
		t.Error(err)
	}
}

// A check that lets everything pass is none.
func TestTheCheckFindsMistakes(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	good := func(c content) object {
		body, err := notify.JSON(c)
		if err != nil {
			t.Fatal(err)
		}
		var o object
		if err := json.Unmarshal(body, &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	opening := render(named(t, "opened-with-actions"), notifytest.Now())
	changed := edit(opening, "$root")
	said := line(named(t, "acknowledged"), "$root")
	for _, tt := range []struct {
		name  string
		c     content
		spoil func(o object)
	}{
		{"no mistake", opening, func(object) {}},
		{"no mistake", changed, func(object) {}},
		{"no mistake", said, func(object) {}},
		{"everybody mentioned", opening, func(o object) { o["m.mentions"] = object{"room": true} }},
		{"mentions left to the app", opening, func(o object) { delete(o, "m.mentions") }},
		{"a script", opening, func(o object) { o["formatted_body"] = "<script>x</script>" }},
		{"an image", opening, func(o object) { o["formatted_body"] = `<img src="https://evil.example/x">` }},
		{"an element that is not closed", opening, func(o object) { o["formatted_body"] = "<p>x" }},
		{"no text", opening, func(o object) { o["body"] = "" }},
		{"another type", opening, func(o object) { o["msgtype"] = "m.image" }},
		{"too much", opening, func(o object) { o["body"] = strings.Repeat("a", 64<<10) }},
		{"a replacement of nothing", changed, func(o object) { delete(o, "m.relates_to") }},
		{"a replacement without content", changed, func(o object) { delete(o, "m.new_content") }},
		{"mentions in the replacement", changed, func(o object) { o["m.new_content"].(object)["m.mentions"] = object{"room": true} }},
		{"a thread of nothing", said, func(o object) { o["m.relates_to"].(object)["event_id"] = "" }},
		{"a thread that older apps do not show", said, func(o object) { delete(o["m.relates_to"].(object), "m.in_reply_to") }},
	} {
		o := good(tt.c)
		tt.spoil(o)
		body, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := mistakes(body); (len(wrong) > 0) != (tt.name != "no mistake") {
			t.Errorf("%s: the check says %q", tt.name, wrong)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			golden(t, c.Name+".json", render(c.Message, notifytest.Now()))
			if c.Message.Ref != "" {
				golden(t, c.Name+".line.json", line(c.Message, "$root"))
			}
		})
	}
	golden(t, "acknowledged.edit.json", edit(render(named(t, "acknowledged"), notifytest.Now()), "$root"))
}

func golden(t *testing.T, name string, c content) {
	t.Helper()
	body, err := notify.JSON(c)
	if err != nil {
		t.Fatal(err)
	}
	if wrong := mistakes(body); len(wrong) > 0 {
		t.Errorf("%s: Matrix would say: %q", name, wrong)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	notifytest.Golden(t, name, append(out.Bytes(), '\n'))
}

func named(t *testing.T, name string) notify.Message {
	t.Helper()
	for _, c := range notifytest.Messages() {
		if c.Name == name {
			return c.Message
		}
	}
	t.Fatalf("no message %q", name)
	return notify.Message{}
}

// tell tells the messages one after the other, as the engine would: with the reference
// of the first.
func tell(t *testing.T, n notify.Notifier, to string, names ...string) (ref string) {
	t.Helper()
	for _, name := range names {
		m := named(t, name)
		m.Ref, m.To = ref, to
		got, err := n.Notify(t.Context(), m)
		if err != nil {
			t.Fatalf("Notify(%s): %v", name, err)
		}
		if got != "" {
			ref = got
		}
	}
	return ref
}

func TestTheLifeOfAnAlertIsOneMessageAndItsThread(t *testing.T) {
	t.Parallel()
	h, url := newHomeserver(t)
	ref := tell(t, opened(t, url), "", "opened-critical-ec2-c2", "acknowledged", "updated", "raised", "closed-by-person", "digest", "note")
	if ref == "" {
		t.Fatal("no reference")
	}
	want := []string{
		"✓ CLOSED (false positive) · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"  ACKNOWLEDGED by ana",
		"  UPDATED: count 17 → 61 (+44), domain evil[.]example → worse[.]example, also came by https:api",
		"  CLOSED (false positive) by alice@example[.]com",
		"■ RAISED medium→critical · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"■ 5 alerts · 2 critical, 1 high, 1 medium, 1 low · EC2 i-0abc123def456789a (web-1) is calling a C2 server",
		"○ Nobody is on call for schedule payments from 2026-06-13 18:00 UTC to 2026-06-14 08:00 UTC.",
	}
	if diff := cmp.Diff(want, h.shown(room)); diff != "" {
		t.Errorf("the room shows (-want +got):\n%s", diff)
	}
}

func TestAMessageThatIsSentTwiceIsThereOnce(t *testing.T) {
	t.Parallel()
	h, url := newHomeserver(t)
	n := opened(t, url)
	first := tell(t, n, "", "opened-critical-ec2-c2")
	if again := tell(t, n, "", "opened-critical-ec2-c2"); again != first {
		t.Errorf("the second time it is %q, want %q", again, first)
	}
	m := named(t, "acknowledged")
	m.Ref = first
	for range 2 {
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.all(); len(got) != 3 || got[0].Transaction != named(t, "opened-critical-ec2-c2").ID {
		t.Errorf("%d events, want the message, its edit and its line; the first in transaction %q", len(got), got[0].Transaction)
	}
}

func TestAnAttemptThatBrokeOffIsTakenUp(t *testing.T) {
	t.Parallel()
	h, url := newHomeserver(t)
	n := opened(t, url)
	ref := tell(t, n, "", "opened-critical-ec2-c2")
	m := named(t, "acknowledged")
	m.Ref = ref
	h.fail = []failure{{}, {status: 502}} // the edit is taken, the line is not
	if _, err := n.Notify(t.Context(), m); err == nil || notify.IsPermanent(err) {
		t.Fatalf("Notify = %v, want an error that passes", err)
	}
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := h.all(); len(got) != 3 {
		t.Errorf("%d events, want the message, one edit and one line", len(got))
	}
}

func TestAMessageOfAnotherRoomIsLeftAlone(t *testing.T) {
	t.Parallel()
	h, url := newHomeserver(t)
	m := named(t, "acknowledged")
	m.Ref = "!other:example.com $event"
	ref, err := opened(t, url).Notify(t.Context(), m)
	if err != nil || !strings.HasPrefix(ref, room+" $") || h.all()[0].Relates != nil {
		t.Errorf("Notify = %q, %v; want a new message in %s", ref, err, room)
	}
}

func openedWith(t *testing.T, url string, s notify.State) notify.Notifier {
	t.Helper()
	env := notifytest.Env(t, nil)
	env.State = s
	n, err := open(Config{URL: url, Token: secret.New(token)}, env)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAPersonHasARoomThatOutlivesARestart(t *testing.T) {
	t.Parallel()
	h, url := newHomeserver(t)
	state := &notifytest.Memory{}
	n := openedWith(t, url, state)
	if n.(notify.Placed).Placed() {
		t.Error("without a room there is a place")
	}
	m := named(t, "code")
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) {
		t.Errorf("a code for nobody: %v, want a permanent error", err)
	}
	m.To = ana
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	n = openedWith(t, url, state) // as after a restart
	ref := tell(t, n, ana, "opened-with-actions", "acknowledged", "raised")
	direct, _, _ := strings.Cut(ref, " ")
	if len(h.members) != 2 || h.members[direct][ana] != "invite" {
		t.Fatalf("rooms %v, want one more, to which ana is invited", h.members)
	}
	var kinds []string
	for _, e := range h.all() {
		kind := "message"
		if e.Relates != nil {
			kind = e.Relates.Type
		}
		kinds = append(kinds, kind)
	}
	// The code, the opening, its two edits, and the rise, which must ring.
	if want := []string{"message", "message", "m.replace", "m.replace", ""}; !slices.Equal(kinds, want) {
		t.Errorf("events %q, want %q", kinds, want)
	}
}

func TestWhoLeftTheRoomIsInvitedAgain(t *testing.T) {
	t.Parallel()
	h, url := newHomeserver(t)
	n := openedWith(t, url, &notifytest.Memory{})
	direct, _, _ := strings.Cut(tell(t, n, ana, "opened-critical-ec2-c2"), " ")
	h.members[direct][ana] = "leave"
	tell(t, n, ana, "opened-low-root")
	if h.members[direct][ana] != "invite" || len(h.members) != 2 {
		t.Errorf("rooms %v, want ana invited to the same", h.members)
	}
	before := len(h.calls)
	tell(t, n, ana, "opened-medium-eks")
	if slices.ContainsFunc(h.calls[before:], func(call string) bool { return strings.HasSuffix(call, "/invite") }) {
		t.Errorf("who has not answered yet is invited once more: %q", h.calls[before:])
	}
	h.members[direct][bot] = "leave"
	tell(t, n, ana, "opened-high-rds")
	if len(h.members) != 3 {
		t.Errorf("rooms %v, want a new one, since the account is not in the old", h.members)
	}
}

func TestHomeserversAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		status    int
		body      string
		permanent bool
		wait      time.Duration
		says      string
	}{
		{"the page of a proxy", 200, "<html>Sign in</html>", false, 0, "is there a proxy in between"},
		{"JSON of something else", 200, `{}`, false, 0, "is there a proxy in between"},
		{"a wrong token", 401, `{"errcode":"M_UNKNOWN_TOKEN","error":"Unrecognised access token."}`, true, 0, "token is wrong, or the account was logged out"},
		{"not in the room", 403, `{"errcode":"M_FORBIDDEN","error":"User not in room"}`, true, 0, "the account is not in the room"},
		{"too much", 413, `{"errcode":"M_TOO_LARGE","error":"event too large"}`, true, 0, "event too large"},
		{"too many", 429, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests","retry_after_ms":2500}`, false, 2500 * time.Millisecond, "Too Many Requests"},
		{"too many for a year", 429, `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":9223372036854775807}`, false, 15 * time.Minute, "429"},
		{"too many, no word on when", 429, `{"errcode":"M_LIMIT_EXCEEDED"}`, false, 0, "429"},
		{"in trouble", 500, `{"errcode":"M_UNKNOWN","error":"Internal server error"}`, false, 0, "500"},
		{"the token echoed", 400, `{"errcode":"M_BAD_JSON","error":"` + token + `"}`, true, 0, "***"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, url := newHomeserver(t)
			h.fail = []failure{{tt.status, tt.body}}
			if tt.status == 200 {
				h.fail[0].status = http.StatusOK
			}
			_, err := opened(t, url).Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
			if err == nil || notify.IsPermanent(err) != tt.permanent || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), token) {
				t.Errorf("Notify = %v, permanent %v; want %v and that it says %q", err, notify.IsPermanent(err), tt.permanent, tt.says)
			}
			if wait, told := notify.RetryAfter(err); wait != tt.wait || told != (tt.wait > 0) {
				t.Errorf("RetryAfter = %v, %v, want %v", wait, told, tt.wait)
			}
		})
	}
}

func TestTheHardestMessageFitsAnEvent(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`\`, `"`, "&", "漢", "a"} {
		m := named(t, "digest")
		m.Digest[0].Alert.Headline = strings.Repeat(text, 300)
		m.Digest[0].URL = "https://tocsin.example.com/alerts/" + strings.Repeat("a", 1900)
		for len(m.Digest) < 300 {
			m.Digest = append(m.Digest, m.Digest[0])
		}
		c := render(m, notifytest.Now())
		body, err := notify.JSON(edit(c, "$root"))
		if wrong := mistakes(body); err != nil || len(wrong) > 0 {
			t.Errorf("%q: %v, %q", text, err, wrong)
		}
		if !strings.Contains(c.HTML, " more</p>") || !strings.Contains(c.Body, " more\n") {
			t.Errorf("%q: a digest of 300 does not say how many more there are", text)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	const url = "https://matrix.example.com"
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"a room", Config{URL: url, Token: secret.New(token), Room: room}, ""},
		{"a room of version 12", Config{URL: url, Token: secret.New(token), Room: "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"}, ""},
		{"people alone", Config{URL: url, Token: secret.New(token)}, ""},
		{"references that are not resolved yet", Config{URL: url, Token: secret.New("${env:TOKEN}"), Room: "${env:ROOM}"}, ""},
		{"nothing", Config{}, "url is not set"},
		{"plain HTTP to the world", Config{URL: "http://matrix.example.com", Token: secret.New(token)}, "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"the path of the API", Config{URL: url + "/_matrix/client/v3", Token: secret.New(token)}, "url: want the homeserver's address alone, without /_matrix/…"},
		{"no token", Config{URL: url}, "token is not set"},
		{"a room's address", Config{URL: url, Token: secret.New(token), Room: "#soc:example.com"}, "room: is an address, which may lead elsewhere tomorrow; want the room's ID, !abc:example.com"},
		{"a room's name", Config{URL: url, Token: secret.New(token), Room: "soc"}, "room: is not a room's ID: !abc:example.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if _, err := open(tt.c, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"@ana:example.com", "@ana:example.com"},
		{"  @ana.b-c=d:matrix.example.com:8448 ", "@ana.b-c=d:matrix.example.com:8448"},
		{"ana", ""},
		{"ana@example.com", ""},
		{"@ana", ""},
		{"@a/b:example.com", ""},
		{"@" + strings.Repeat("a", 250) + ":example.com", ""},
	} {
		if got, err := address(tt.text); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("address(%q) = %q, %v, want %q", tt.text, got, err, tt.want)
		}
	}
}

func TestAnyIDMakesATransaction(t *testing.T) {
	t.Parallel()
	h, url := newHomeserver(t)
	m := named(t, "opened-critical-ec2-c2")
	m.ID = "a b?c#d%é"
	if _, err := opened(t, url).Notify(t.Context(), m); err != nil {
		t.Fatalf("Notify = %v after %q", err, h.calls)
	}
	if got := h.all()[0].Transaction; got != m.ID {
		t.Errorf("transaction %q, want %q", got, m.ID)
	}
}

func TestAPersonIsToldThoughTheirRoomCannotBeKept(t *testing.T) {
	t.Parallel()
	h, url := newHomeserver(t)
	state := &notifytest.Memory{}
	n := openedWith(t, url, state)
	m := named(t, "opened-low-root")
	m.To = ana
	state.Fail(errors.New("the database is away"))
	if _, err := n.Notify(t.Context(), m); err == nil || notify.IsPermanent(err) || len(h.members) != 1 {
		t.Errorf("a memory that cannot be read: %v, rooms %v", err, h.members)
	}
	full := openedWith(t, url, readOnly{state})
	state.Fail(nil)
	for range 2 {
		if _, err := full.Notify(t.Context(), m); err != nil {
			t.Error(err)
		}
	}
	if len(h.members) != 2 {
		t.Errorf("rooms %v, want one for her", h.members)
	}
}

// readOnly is a memory that takes nothing.
type readOnly struct{ *notifytest.Memory }

func (readOnly) Save(context.Context, string, []byte) error { return errors.New("the disk is full") }
