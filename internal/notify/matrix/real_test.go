package matrix

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// account is somebody at a real homeserver.
type account struct {
	t     *testing.T
	base  string
	ID    string `json:"user_id"`
	Token string `json:"access_token"`
}

func login(t *testing.T, base, user, password string) account {
	t.Helper()
	a := account{t: t, base: base + "/_matrix/client/v3"}
	a.call(http.MethodPost, "/login", map[string]any{
		"type": "m.login.password", "password": password, "identifier": map[string]string{"type": "m.id.user", "user": user},
	}, &a)
	return a
}

func (a account) call(method, path string, body, into any) {
	a.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		a.t.Fatal(err)
	}
	for {
		r, err := http.NewRequestWithContext(a.t.Context(), method, a.base+path, bytes.NewReader(text))
		if err != nil {
			a.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+a.Token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			a.t.Fatal(err)
		}
		var reply bytes.Buffer
		_, _ = reply.ReadFrom(resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests {
			time.Sleep(500 * time.Millisecond)
			continue
		}
		if resp.StatusCode != http.StatusOK {
			a.t.Fatalf("%s %s: %s: %s", method, path, resp.Status, reply.String())
		}
		if into != nil {
			if err := json.Unmarshal(reply.Bytes(), into); err != nil {
				a.t.Fatal(err)
			}
		}
		return
	}
}

// tells tells the message, and waits as long as the homeserver asks for.
func tells(t *testing.T, n notify.Notifier, m notify.Message) string {
	t.Helper()
	for {
		ref, err := n.Notify(t.Context(), m)
		if wait, told := notify.RetryAfter(err); told {
			time.Sleep(wait)
			continue
		}
		if err != nil {
			t.Fatalf("Notify(%s): %v", m.Kind, err)
		}
		return ref
	}
}

// TestARealHomeserver tells a room and a person by the homeserver that
// TOCSIN_TEST_MATRIX names, http://127.0.0.1:8008, which has the accounts
// tocsin:tocsin-password and ana:ana-password, and reads back what is there.
func TestARealHomeserver(t *testing.T) {
	base := os.Getenv("TOCSIN_TEST_MATRIX")
	if base == "" {
		t.Skip("set TOCSIN_TEST_MATRIX to the address of a homeserver, such as a Synapse or a Conduit, with the accounts tocsin:tocsin-password and ana:ana-password")
	}
	us, person := login(t, base, "tocsin", "tocsin-password"), login(t, base, "ana", "ana-password")
	var made struct {
		RoomID string `json:"room_id"`
	}
	us.call(http.MethodPost, "/createRoom", map[string]any{"preset": "private_chat", "invite": []string{person.ID}}, &made)
	person.call(http.MethodPost, "/join/"+url.PathEscape(made.RoomID), struct{}{}, nil)
	env := notifytest.Env(t, nil)
	env.State = &notifytest.Memory{}
	n, err := open(Config{URL: base, Token: secret.New(us.Token), Room: made.RoomID}, env)
	if err != nil {
		t.Fatal(err)
	}

	opening := named(t, "opened-with-actions")
	root := tells(t, n, opening)
	if again := tells(t, n, opening); again != root {
		t.Errorf("sent twice it is %q, then %q", root, again)
	}
	acknowledged := named(t, "acknowledged")
	acknowledged.Ref = root
	for range 2 {
		tells(t, n, acknowledged)
	}
	read := readAll(person, made.RoomID)
	if len(read) != 3 {
		t.Fatalf("ana reads %d messages, want the opening, its edit and its line", len(read))
	}
	_, id, _ := strings.Cut(root, " ")
	if read[0].ID != id || read[0].Content.HTML != render(opening, notifytest.Now()).HTML {
		t.Errorf("the opening is %+v", read[0])
	}
	if r := read[1].Content.Relates; r == nil || r.Type != "m.replace" || r.Event != id || read[1].Content.New == nil {
		t.Errorf("the edit is %+v", read[1].Content)
	}
	if r := read[2].Content.Relates; r == nil || r.Type != "m.thread" || r.Event != id || read[2].Content.Body != "ACKNOWLEDGED by ana" {
		t.Errorf("the line is %+v", read[2].Content)
	}

	for _, c := range slices.Concat(notifytest.Cases(t), notifytest.Corpus()) {
		c.Message.ID += c.Name
		if c.Message.Kind != "code" {
			tells(t, n, c.Message)
		}
	}

	code := named(t, "code")
	code.To = person.ID
	direct, _, _ := strings.Cut(tells(t, n, code), " ")
	person.call(http.MethodPost, "/join/"+url.PathEscape(direct), struct{}{}, nil)
	if got := readAll(person, direct); len(got) != 1 {
		t.Errorf("ana reads %d messages of her own, want the code", len(got))
	}
	person.call(http.MethodPost, "/rooms/"+url.PathEscape(direct)+"/leave", struct{}{}, nil)
	opening.To, opening.ID = person.ID, opening.ID+"-again"
	if room, _, _ := strings.Cut(tells(t, n, opening), " "); room != direct {
		t.Errorf("after she left it is another room: %s, want %s", room, direct)
	}
	person.call(http.MethodPost, "/join/"+url.PathEscape(direct), struct{}{}, nil)

	wrong := notifytest.Open(t, open, Config{URL: base, Token: secret.New("no-such-token"), Room: made.RoomID})
	if _, err := wrong.Notify(t.Context(), opening); !notify.IsPermanent(err) {
		t.Errorf("with a wrong token: %v, want a permanent error", err)
	}
	elsewhere := notifytest.Open(t, open, Config{URL: base, Token: secret.New(us.Token), Room: "!nowhere:localhost"})
	opening.To = ""
	if _, err := elsewhere.Notify(t.Context(), opening); !notify.IsPermanent(err) {
		t.Errorf("in no room: %v, want a permanent error", err)
	}
}

type told struct {
	ID      string  `json:"event_id"`
	Type    string  `json:"type"`
	Content content `json:"content"`
}

// readAll are the messages of a room as the account sees them, oldest first.
func readAll(a account, room string) []told {
	a.t.Helper()
	var page struct {
		Chunk []told `json:"chunk"`
	}
	a.call(http.MethodGet, "/rooms/"+url.PathEscape(room)+"/messages?dir=b&limit=100", nil, &page)
	messages := slices.DeleteFunc(page.Chunk, func(e told) bool { return e.Type != "m.room.message" })
	slices.Reverse(messages)
	return messages
}
