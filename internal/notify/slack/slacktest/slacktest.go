// Package slacktest plays Slack for tests: the part of the Web API that tocsin
// uses, incoming webhooks, Socket Mode, and people who press buttons.
//
// It is strict, and in some things stricter than Slack: a message needs a text
// besides its blocks, every limit that Slack documents is one, and keys that Slack
// would quietly ignore are refused. It keeps messages with their edits and
// threads.
//
//	s := slacktest.New(slacktest.Options{})
//	defer s.Close()
//	// api_url: s.APIURL(), token: s.Token, app_token: s.AppToken, channel: slacktest.Channel
//	said, err := s.Press(ctx, slacktest.User, slacktest.Channel, ts, "tocsin_acknowledge")
package slacktest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// What every workspace here has, unless the options say otherwise.
const (
	Channel = "C0123456789"
	User    = "U012AB3CD"
	bot     = "U0BOT00000"
	team    = "T0123456789"
)

// Options are how a workspace is made. The zero value is a good one.
type Options struct {
	Token         string // the bot's; by default "xoxb-1111-2222-slacktest"
	AppToken      string // for Socket Mode; by default "xapp-1-A0123-slacktest"
	SigningSecret string // by default "0123456789abcdef0123456789abcdef"
	// Channels are those that the bot is in, Users those that it can write to; by
	// default Channel and User.
	Channels, Users []string
	// Interactivity is where buttons go where nobody is connected by Socket Mode:
	// the app's Request URL.
	Interactivity string
	// Now is the clock of signatures and times; by default the system's.
	Now func() time.Time
	// Ping is how often Socket Mode pings; by default every 5 seconds.
	Ping time.Duration
}

// A Server is Slack. It is safe for concurrent use.
type Server struct {
	Options
	// URL is where it is reached, without a slash at the end.
	URL string

	http    *httptest.Server
	stopped chan struct{}

	mu        sync.Mutex // guards what follows
	seq       int64
	messages  []*Message
	calls     []Call
	faults    map[string][]Fault
	direct    map[string]string // channels of direct messages, by user
	archived  []string
	hooks     map[string]string // channels of incoming webhooks, by path
	sockets   []*socket
	connected chan struct{} // closed and replaced at each connection
	tickets   map[string]bool
	presses   map[string]chan string // what was replied, by response URL or channel and user
}

// A Message is one that stands in a channel, as it is now.
type Message struct {
	Channel string
	TS      string
	// ThreadTS is the message that it answers; Broadcast says that it stands in the
	// channel as well.
	ThreadTS  string
	Broadcast bool
	// To is the only one who sees it; "" is everybody.
	To   string
	Text string
	// Body is all of it, as it was sent last; Edits are the bodies before, oldest
	// first.
	Body  json.RawMessage
	Edits []json.RawMessage
	// ID is the id in its metadata.
	ID string
}

// A Call is one that was taken: "chat.update" and its arguments.
type Call struct {
	Method string
	Body   json.RawMessage
}

// A Fault is how a call goes wrong. Exactly one of Status, Error and Hang is set.
type Fault struct {
	Status     int    // HTTP status, with a page as its body
	RetryAfter string // its header, as it stands there
	Error      string // of an answer with "ok": false
	Needed     string // the scope that is missing
	Hang       bool   // never answers
	// Lost has it do what was asked before it goes wrong.
	Lost bool
}

// New starts Slack on a port of its own on this machine.
func New(o Options) *Server {
	o.Token = cmp.Or(o.Token, "xoxb-1111-2222-slacktest")
	o.AppToken = cmp.Or(o.AppToken, "xapp-1-A0123-slacktest")
	o.SigningSecret = cmp.Or(o.SigningSecret, "0123456789abcdef0123456789abcdef")
	o.Ping = cmp.Or(o.Ping, 5*time.Second)
	if o.Channels == nil {
		o.Channels = []string{Channel}
	}
	if o.Users == nil {
		o.Users = []string{User}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		Options: o, stopped: make(chan struct{}), faults: map[string][]Fault{}, direct: map[string]string{},
		hooks: map[string]string{}, connected: make(chan struct{}), tickets: map[string]bool{}, presses: map[string]chan string{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/{method}", s.api)
	mux.HandleFunc("POST /services/{path...}", s.webhook)
	mux.HandleFunc("POST /actions/{id}", s.respond)
	mux.HandleFunc("GET /socket", s.upgrade)
	s.http = httptest.NewServer(mux)
	s.URL = s.http.URL
	return s
}

// Close ends it, and every connection.
func (s *Server) Close() {
	close(s.stopped)
	s.Drop()
	s.http.Close()
}

// APIURL is the setting api_url.
func (s *Server) APIURL() string { return s.URL + "/api/" }

// Webhook makes an incoming webhook of the channel and returns its URL.
func (s *Server) Webhook(channel string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	path := fmt.Sprintf("%s/B%09d/hook%020d", team, s.seq, s.seq)
	s.hooks[path] = channel
	return s.URL + "/services/" + path
}

// Break has the next calls of the method go wrong, one after the other; "" is any
// method, and "webhook" the incoming webhooks.
func (s *Server) Break(method string, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[method] = append(s.faults[method], faults...)
}

// Mend forgets all faults.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

// Archive archives a channel.
func (s *Server) Archive(channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.archived = append(s.archived, channel)
}

// Delete deletes a message, as people do.
func (s *Server) Delete(channel, ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m *Message) bool { return m.Channel == channel && m.TS == ts })
}

// Messages are those that everybody sees in the channel, oldest first, without
// what is only in threads.
func (s *Server) Messages(channel string) []Message {
	return s.list(func(m *Message) bool {
		return m.Channel == channel && m.To == "" && (m.ThreadTS == "" || m.Broadcast)
	})
}

// Thread are the answers to a message.
func (s *Server) Thread(channel, ts string) []Message {
	return s.list(func(m *Message) bool { return m.Channel == channel && m.ThreadTS == ts })
}

// Direct is the channel of the direct messages with a user, or "".
func (s *Server) Direct(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.direct[user]
}

func (s *Server) list(which func(*Message) bool) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, m := range s.messages {
		if which(m) {
			c := *m
			c.Edits = slices.Clone(m.Edits)
			all = append(all, c)
		}
	}
	return all
}

// Calls are all that were taken.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// fault takes the next fault of the method.
func (s *Server) fault(method string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range []string{method, ""} {
		if next := s.faults[name]; len(next) > 0 {
			s.faults[name] = next[1:]
			return next[0], true
		}
	}
	return Fault{}, false
}

// wrong answers as the fault says; it reports whether it did.
func (s *Server) wrong(w http.ResponseWriter, r *http.Request, f Fault) {
	switch {
	case f.Hang:
		select {
		case <-s.stopped:
		case <-r.Context().Done():
		}
	case f.Error != "":
		answer(w, map[string]any{"ok": false, "error": f.Error, "needed": f.Needed})
	default:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		http.Error(w, "<html><title>Slack</title><body>Server Error</body></html>", cmp.Or(f.Status, http.StatusInternalServerError))
	}
}

func answer(w http.ResponseWriter, reply map[string]any) {
	if reply["needed"] == "" {
		delete(reply, "needed")
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(reply)
}

// api is the Web API.
func (s *Server) api(w http.ResponseWriter, r *http.Request) {
	method := r.PathValue("method")
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		return // whoever asked has gone
	}
	f, broken := s.fault(method)
	if broken && !f.Lost {
		s.wrong(w, r, f)
		return
	}
	reply := s.do(r, method, body)
	if broken {
		s.wrong(w, r, f)
		return
	}
	answer(w, reply)
}

func refuse(code string, why ...string) map[string]any {
	reply := map[string]any{"ok": false, "error": code}
	if len(why) > 0 {
		reply["response_metadata"] = map[string]any{"messages": why}
	}
	return reply
}

func (s *Server) do(r *http.Request, method string, body []byte) map[string]any {
	want := s.Token
	if method == "apps.connections.open" {
		want = s.AppToken
	}
	switch given := strings.TrimSpace(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer")); given {
	case want:
	case "":
		return refuse("not_authed")
	case s.Token, s.AppToken:
		return refuse("not_allowed_token_type")
	default:
		return refuse("invalid_auth")
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return refuse("invalid_post_type")
	}
	var args map[string]any
	if len(body) > 0 && json.Unmarshal(body, &args) != nil {
		return refuse("invalid_json")
	}
	do, ok := map[string]func(map[string]any, []byte) map[string]any{
		"auth.test":             s.authTest,
		"chat.postMessage":      s.post,
		"chat.update":           s.update,
		"chat.postEphemeral":    s.whisper,
		"conversations.open":    s.open,
		"apps.connections.open": s.connect,
	}[method]
	if !ok {
		return refuse("unknown_method")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	reply := do(args, body)
	if reply["ok"] == true {
		s.calls = append(s.calls, Call{method, json.RawMessage(body)})
	}
	return reply
}

func (s *Server) authTest(map[string]any, []byte) map[string]any {
	return map[string]any{"ok": true, "url": s.URL + "/", "team": "slacktest", "user": "tocsin", "team_id": team, "user_id": bot, "bot_id": "B0BOT00000"}
}

// in finds a channel that the bot can write to; the refusal is nil if it can.
func (s *Server) in(channel string) map[string]any {
	switch {
	case slices.Contains(s.archived, channel):
		return refuse("is_archived")
	case slices.Contains(s.Channels, channel):
		return nil
	}
	for _, c := range s.direct {
		if c == channel {
			return nil
		}
	}
	return refuse("channel_not_found")
}

func (s *Server) stamp() string {
	s.seq++
	return fmt.Sprintf("%d.%06d", s.Now().Unix(), s.seq)
}

func (s *Server) post(args map[string]any, body []byte) map[string]any {
	channel, _ := args["channel"].(string)
	if no := s.in(channel); no != nil {
		return no
	}
	if code, why := Check(body); code != "" {
		return refuse(code, why)
	}
	m := &Message{Channel: channel, TS: s.stamp(), Text: str(args, "text"), Body: body, ThreadTS: str(args, "thread_ts"), ID: idOf(args)}
	m.Broadcast, _ = args["reply_broadcast"].(bool)
	if m.ThreadTS != "" && s.find(channel, m.ThreadTS) == nil {
		return refuse("thread_not_found")
	}
	if m.Broadcast && m.ThreadTS == "" {
		return refuse("invalid_arguments", "reply_broadcast needs thread_ts")
	}
	s.messages = append(s.messages, m)
	return map[string]any{"ok": true, "channel": channel, "ts": m.TS, "message": m.shown()}
}

func (s *Server) update(args map[string]any, body []byte) map[string]any {
	channel := str(args, "channel")
	if no := s.in(channel); no != nil {
		return no
	}
	if str(args, "ts") == "" {
		return refuse("invalid_arguments", "ts is missing")
	}
	m := s.find(channel, str(args, "ts"))
	if m == nil {
		return refuse("message_not_found")
	}
	if code, why := Check(body); code != "" {
		return refuse(code, why)
	}
	m.Edits = append(m.Edits, m.Body)
	m.Text, m.Body, m.ID = str(args, "text"), body, idOf(args)
	return map[string]any{"ok": true, "channel": channel, "ts": m.TS, "text": m.Text, "message": m.shown()}
}

func (s *Server) whisper(args map[string]any, body []byte) map[string]any {
	channel, user := str(args, "channel"), str(args, "user")
	if no := s.in(channel); no != nil {
		return no
	}
	if !slices.Contains(s.Users, user) {
		return refuse("user_not_in_channel")
	}
	if code, why := Check(body); code != "" {
		return refuse(code, why)
	}
	m := &Message{Channel: channel, TS: s.stamp(), To: user, Text: str(args, "text"), Body: body}
	s.messages = append(s.messages, m)
	s.replied(channel+" "+user, m.Text)
	return map[string]any{"ok": true, "message_ts": m.TS}
}

func (s *Server) open(args map[string]any, _ []byte) map[string]any {
	user := str(args, "users")
	if !slices.Contains(s.Users, user) {
		return refuse("user_not_found")
	}
	if s.direct[user] == "" {
		s.seq++
		s.direct[user] = fmt.Sprintf("D%09d", s.seq)
	}
	return map[string]any{"ok": true, "channel": map[string]any{"id": s.direct[user]}}
}

func (s *Server) find(channel, ts string) *Message {
	i := slices.IndexFunc(s.messages, func(m *Message) bool { return m.Channel == channel && m.TS == ts && m.To == "" })
	if i < 0 {
		return nil
	}
	return s.messages[i]
}

// shown is the message as Slack describes it.
func (m *Message) shown() map[string]any {
	shown := map[string]any{"type": "message", "user": bot, "bot_id": "B0BOT00000", "ts": m.TS, "text": m.Text, "team": team}
	var sent map[string]any
	if json.Unmarshal(m.Body, &sent) == nil {
		for _, key := range []string{"blocks", "attachments", "metadata"} {
			if sent[key] != nil {
				shown[key] = sent[key]
			}
		}
	}
	if m.ThreadTS != "" {
		shown["thread_ts"] = m.ThreadTS
	}
	return shown
}

func str(args map[string]any, key string) string {
	s, _ := args[key].(string)
	return s
}

func idOf(args map[string]any) string {
	metadata, _ := args["metadata"].(map[string]any)
	payload, _ := metadata["event_payload"].(map[string]any)
	return str(payload, "id")
}

// webhook is an incoming webhook, which answers in words.
func (s *Server) webhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		return // whoever asked has gone
	}
	if f, broken := s.fault("webhook"); broken {
		if f.Error != "" {
			http.Error(w, f.Error, cmp.Or(f.Status, http.StatusBadRequest))
			return
		}
		s.wrong(w, r, f)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	channel, ok := s.hooks[r.PathValue("path")]
	if !ok {
		http.Error(w, "no_service", http.StatusNotFound)
		return
	}
	if slices.Contains(s.archived, channel) {
		http.Error(w, "channel_is_archived", http.StatusGone)
		return
	}
	if code, _ := Check(body); code != "" {
		http.Error(w, code, http.StatusBadRequest)
		return
	}
	var args map[string]any
	_ = json.Unmarshal(body, &args) // Check has read it
	s.messages = append(s.messages, &Message{Channel: channel, TS: s.stamp(), Text: str(args, "text"), Body: body})
	s.calls = append(s.calls, Call{"webhook", body})
	_, _ = io.WriteString(w, "ok")
}

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

// Connected waits until somebody is connected by Socket Mode.
func (s *Server) Connected(ctx context.Context) error {
	for {
		s.mu.Lock()
		n, changed := len(s.sockets), s.connected
		s.mu.Unlock()
		if n > 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("nobody is connected: %w", ctx.Err())
		}
	}
}
