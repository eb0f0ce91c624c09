package matrix

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const (
	token = "syt_dG9jc2lu_KkZhGQyWnLzFbXoPpQmR_2mH7Qd"
	bot   = "@tocsin:example.com"
	ana   = "@ana:example.com"
	room  = "!soc:example.com"
)

// An event is one that the homeserver has.
type event struct {
	ID, Room, Transaction string
	Body                  []byte
	content
}

// A homeserver speaks as much of Matrix's client-server API as a bot needs: sending
// with transactions, members, invitations, new rooms.
type homeserver struct {
	mu      sync.Mutex // guards what follows
	events  []event
	once    map[string]string            // event by room and transaction
	members map[string]map[string]string // membership by room and user
	calls   []string
	fail    []failure
}

type failure struct {
	status int
	body   string
}

func newHomeserver(t *testing.T) (*homeserver, string) {
	t.Helper()
	h := &homeserver{once: map[string]string{}, members: map[string]map[string]string{room: {bot: "join", ana: "join"}}}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return h, s.URL
}

var (
	sendPath   = regexp.MustCompile(`^/_matrix/client/v3/rooms/([^/]+)/send/m\.room\.message/([^/]+)$`)
	memberPath = regexp.MustCompile(`^/_matrix/client/v3/rooms/([^/]+)/state/m\.room\.member/([^/]+)$`)
	invitePath = regexp.MustCompile(`^/_matrix/client/v3/rooms/([^/]+)/invite$`)
)

func (h *homeserver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	refuse := func(status int, code, text string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"errcode":%q,"error":%q}`, code, text)
	}
	h.calls = append(h.calls, r.Method+" "+r.URL.Path)
	if len(h.fail) > 0 {
		f := h.fail[0]
		h.fail = h.fail[1:]
		if f.status != 0 {
			w.WriteHeader(f.status)
			io.WriteString(w, f.body)
			return
		}
	}
	if r.Header.Get("Authorization") != "Bearer "+token || r.URL.RawQuery != "" {
		refuse(401, "M_UNKNOWN_TOKEN", "Unknown token")
		return
	}
	body, _ := io.ReadAll(r.Body)
	path := r.URL.Path
	found := func(form *regexp.Regexp, method string) []string {
		if r.Method != method {
			return nil
		}
		return form.FindStringSubmatch(path)
	}
	if at := found(sendPath, http.MethodPut); at != nil {
		h.send(w, refuse, at[1], at[2], body)
	} else if at := found(memberPath, http.MethodGet); at != nil {
		switch members := h.members[at[1]]; {
		case members[bot] != "join":
			refuse(403, "M_FORBIDDEN", "You aren't a member of the room.")
		case members[at[2]] == "":
			refuse(404, "M_NOT_FOUND", "Event not found.")
		default:
			fmt.Fprintf(w, `{"membership":%q}`, members[at[2]])
		}
	} else if at := found(invitePath, http.MethodPost); at != nil {
		var asked struct {
			UserID string `json:"user_id"`
		}
		_ = json.Unmarshal(body, &asked)
		if h.members[at[1]][bot] != "join" {
			refuse(403, "M_FORBIDDEN", "You aren't a member of the room.")
			return
		}
		h.members[at[1]][asked.UserID] = "invite"
		io.WriteString(w, `{}`)
	} else if r.Method == http.MethodPost && path == "/_matrix/client/v3/createRoom" {
		var asked struct {
			Invite []string `json:"invite"`
			Direct bool     `json:"is_direct"`
			Preset string   `json:"preset"`
		}
		if json.Unmarshal(body, &asked) != nil || !asked.Direct || asked.Preset == "" || len(asked.Invite) != 1 {
			refuse(400, "M_BAD_JSON", "not a direct room")
			return
		}
		id := fmt.Sprintf("!direct%d:example.com", len(h.members))
		h.members[id] = map[string]string{bot: "join", asked.Invite[0]: "invite"}
		fmt.Fprintf(w, `{"room_id":%q}`, id)
	} else {
		refuse(404, "M_UNRECOGNIZED", "Unrecognized request")
	}
}

func (h *homeserver) send(w http.ResponseWriter, refuse func(int, string, string), room, transaction string, body []byte) {
	if h.members[room][bot] != "join" {
		refuse(403, "M_FORBIDDEN", "User "+bot+" not in room "+room)
		return
	}
	if wrong := mistakes(body); len(wrong) > 0 {
		refuse(400, "M_BAD_JSON", strings.Join(wrong, "; "))
		return
	}
	id, sent := h.once[room+" "+transaction]
	if !sent {
		id = fmt.Sprintf("$event%d:example.com", len(h.events))
		h.once[room+" "+transaction] = id
		e := event{ID: id, Room: room, Transaction: transaction, Body: body}
		_ = json.Unmarshal(body, &e.content)
		h.events = append(h.events, e)
	}
	fmt.Fprintf(w, `{"event_id":%q}`, id)
}

func (h *homeserver) all() []event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]event(nil), h.events...)
}

// shown is what people see of a room: its messages as they were edited last, each
// followed by the lines of its thread.
func (h *homeserver) shown(room string) []string {
	var roots []string
	first, thread := map[string]string{}, map[string][]string{}
	for _, e := range h.all() {
		switch {
		case e.Room != room:
		case e.Relates == nil || e.Relates.Type == "":
			roots = append(roots, e.ID)
			first[e.ID] = firstLine(e.content.Body)
		case e.Relates.Type == "m.replace":
			first[e.Relates.Event] = firstLine(e.New.Body)
		case e.Relates.Type == "m.thread":
			thread[e.Relates.Event] = append(thread[e.Relates.Event], "  "+e.content.Body)
		}
	}
	var lines []string
	for _, id := range roots {
		lines = append(append(lines, first[id]), thread[id]...)
	}
	return lines
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// tags are those that Matrix's apps show, with their attributes
// (https://spec.matrix.org/v1.12/client-server-api/#mroommessage-msgtypes).
var tags = map[string]string{
	"p": "", "br": "", "strong": "", "ul": "", "li": "", "pre": "", "code": "", "span": "data-mx-color", "a": "href",
}

// mistakes are what homeservers refuse, what apps do not show, and what would mention
// somebody; written apart from the code that keeps to it.
func mistakes(body []byte) []string {
	var wrong []string
	bad := func(when bool, format string, args ...any) {
		if when {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	var c map[string]any
	if err := json.Unmarshal(body, &c); err != nil {
		return []string{"M_NOT_JSON"}
	}
	bad(len(body) > 60<<10, "M_TOO_LARGE: %d bytes leave too little for what the homeserver adds", len(body))
	relates, _ := c["m.relates_to"].(map[string]any)
	text := func(c map[string]any) {
		said, _ := c["body"].(string)
		bad(c["msgtype"] != "m.text", "msgtype %v", c["msgtype"])
		bad(said == "", "no body")
		mentioned, ok := c["m.mentions"].(map[string]any)
		bad(!ok || len(mentioned) > 0, "m.mentions is %v: names in the text would be mentioned", c["m.mentions"])
		formatted, has := c["formatted_body"].(string)
		bad(has != (c["format"] == "org.matrix.custom.html"), "format %v", c["format"])
		wrong = append(wrong, badHTML(formatted)...)
	}
	text(c)
	switch {
	case relates == nil:
		bad(c["m.new_content"] != nil, "a replacement of nothing")
		return wrong
	case relates["rel_type"] == "m.replace":
		replacement, ok := c["m.new_content"].(map[string]any)
		bad(!ok, "no m.new_content")
		bad(replacement["m.relates_to"] != nil, "the replacement has a relation of its own")
		text(replacement)
	case relates["rel_type"] == "m.thread":
		to, _ := relates["m.in_reply_to"].(map[string]any)
		bad(relates["is_falling_back"] != true || to["event_id"] == nil, "a thread that older apps do not show: %v", relates)
	case relates["m.in_reply_to"] == nil:
		bad(true, "an unknown relation %v", relates)
	}
	id, _ := relates["event_id"].(string)
	bad(relates["rel_type"] != nil && !strings.HasPrefix(id, "$"), "related to %q", id)
	return wrong
}

func badHTML(text string) []string {
	var wrong []string
	err := walk(text, func(at xml.StartElement) {
		allowed, known := tags[at.Name.Local]
		if !known {
			wrong = append(wrong, "element "+at.Name.Local)
		}
		for _, a := range at.Attr {
			if a.Name.Local != allowed {
				wrong = append(wrong, "attribute "+a.Name.Local+" of "+at.Name.Local)
			}
		}
	}, func(string, bool) {})
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	return wrong
}

// walk reads HTML as ours is written: it is XML as well.
func walk(page string, element func(xml.StartElement), text func(s string, code bool)) error {
	d := xml.NewDecoder(strings.NewReader("<page>" + page + "</page>"))
	code := 0
	for depth := 0; ; {
		read, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch at := read.(type) {
		case xml.StartElement:
			if depth++; depth > 1 {
				element(at)
			}
			if at.Name.Local == "code" {
				code++
			}
		case xml.EndElement:
			depth--
			if at.Name.Local == "code" {
				code--
			}
		case xml.CharData:
			text(string(at), code > 0)
		default:
			return fmt.Errorf("%T", at)
		}
	}
}
