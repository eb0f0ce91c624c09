package slacktest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// answerTime is how long an app is waited for. Slack shows a warning beside the button
// after three seconds; a busy machine is not to.
const answerTime = 30 * time.Second

// A socket is one connection of Socket Mode.
type socket struct {
	conn *websocket.Conn

	mu   sync.Mutex // guards writing, and what follows
	acks map[string]chan json.RawMessage
}

func (c *socket) send(v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn.WriteJSON(v)
}

// connect gives the address of a connection, which can be used once.
func (s *Server) connect(map[string]any, []byte) map[string]any {
	s.seq++
	ticket := fmt.Sprintf("ticket-%d", s.seq)
	s.tickets[ticket] = true
	return map[string]any{"ok": true, "url": "ws" + s.URL[len("http"):] + "/socket?ticket=" + ticket}
}

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	ticket := r.FormValue("ticket")
	ok := s.tickets[ticket]
	delete(s.tickets, ticket)
	s.mu.Unlock()
	if !ok {
		http.Error(w, "no such ticket", http.StatusForbidden)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // it has answered
	}
	c := &socket{conn: conn, acks: map[string]chan json.RawMessage{}}
	hello := map[string]any{"type": "hello", "num_connections": 1, "connection_info": map[string]any{"app_id": "A0123456789"}}
	if c.send(hello) == nil {
		s.enter(c)
		go s.ping(c)
		c.read()
	}
	s.leave(c)
}

func (s *Server) enter(c *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets = append(s.sockets, c)
	close(s.connected)
	s.connected = make(chan struct{})
}

func (s *Server) leave(c *socket) {
	_ = c.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets = slices.DeleteFunc(s.sockets, func(other *socket) bool { return other == c })
}

// ping pings until the connection ends.
func (s *Server) ping(c *socket) {
	ticker := time.NewTicker(s.Ping)
	defer ticker.Stop()
	for {
		if c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-s.stopped:
			return
		}
	}
}

// read takes acknowledgements until the connection ends.
func (c *socket) read() {
	for {
		var ack struct {
			EnvelopeID string          `json:"envelope_id"`
			Payload    json.RawMessage `json:"payload"`
		}
		if c.conn.ReadJSON(&ack) != nil {
			return
		}
		c.mu.Lock()
		waiting := c.acks[ack.EnvelopeID]
		delete(c.acks, ack.EnvelopeID)
		c.mu.Unlock()
		if waiting != nil {
			waiting <- ack.Payload
		}
	}
}

// Refresh asks the connected to connect again, as Slack does every few hours.
func (s *Server) Refresh() {
	for _, c := range s.take() {
		_ = c.send(map[string]any{"type": "disconnect", "reason": "refresh_requested", "debug_info": map[string]any{"host": "slacktest"}})
	}
}

// Drop breaks all connections.
func (s *Server) Drop() {
	for _, c := range s.take() {
		_ = c.conn.Close()
	}
}

// take takes the connections off the list, so that nothing is sent to them.
func (s *Server) take() []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	sockets := s.sockets
	s.sockets = nil
	return sockets
}

// Press has a user press a button of a message and confirm it, and returns what
// the app replied to them alone. It goes over a connection of Socket Mode if there
// is one, or as a signed request to Interactivity. It is an error if there is no
// such button, if the app does not answer, or if nothing is replied until ctx ends.
func (s *Server) Press(ctx context.Context, user, channel, ts, actionID string) (string, error) {
	p, err := s.press(user, channel, ts, actionID)
	if err != nil {
		return "", err
	}
	if err := s.deliver(ctx, p); err != nil {
		return "", err
	}
	select {
	case said := <-p.replied:
		return said, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%s was pressed and nothing replied: %w", actionID, ctx.Err())
	}
}

// PressTwice is Press with the same answer delivered a second time, as Slack does
// where it did not see that the first arrived.
func (s *Server) PressTwice(ctx context.Context, user, channel, ts, actionID string) (said [2]string, err error) {
	p, err := s.press(user, channel, ts, actionID)
	for i := range said {
		if err == nil {
			err = s.deliver(ctx, p)
		}
		if err != nil {
			return said, err
		}
		select {
		case said[i] = <-p.replied:
		case <-ctx.Done():
			return said, ctx.Err()
		}
	}
	return said, nil
}

// A pressing is one press of a button.
type pressing struct {
	payload []byte
	replied chan string
}

func (s *Server) press(user, channel, ts, actionID string) (*pressing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.find(channel, ts)
	if m == nil {
		return nil, fmt.Errorf("no message %s in %s", ts, channel)
	}
	pressed := buttonIn(m.Body, actionID)
	if pressed == nil {
		return nil, fmt.Errorf("the message has no button %q", actionID)
	}
	s.seq++
	id := strconv.FormatInt(s.seq, 10)
	action := map[string]any{
		"action_id": actionID, "block_id": "b" + id, "type": "button", "text": pressed["text"],
		"value": pressed["value"], "action_ts": s.stamp(),
	}
	if pressed["style"] != nil {
		action["style"] = pressed["style"]
	}
	payload, err := json.Marshal(map[string]any{
		"type": "block_actions", "api_app_id": "A0123456789", "token": "verification",
		"user":      map[string]any{"id": user, "username": "somebody", "name": "somebody", "team_id": team},
		"team":      map[string]any{"id": team, "domain": "slacktest"},
		"container": map[string]any{"type": "message_attachment", "message_ts": ts, "attachment_id": 1, "channel_id": channel, "is_ephemeral": false, "is_app_unfurl": false},
		"channel":   map[string]any{"id": channel, "name": "soc"}, "enterprise": nil, "is_enterprise_install": false,
		"message": m.shown(), "state": map[string]any{"values": map[string]any{}},
		"trigger_id": "trigger-" + id, "response_url": s.URL + "/actions/" + id, "actions": []any{action},
	})
	if err != nil {
		return nil, err
	}
	p := &pressing{payload: payload, replied: make(chan string, 4)}
	s.presses[id], s.presses[channel+" "+user] = p.replied, p.replied
	return p, nil
}

// buttonIn finds a button of a message.
func buttonIn(body []byte, actionID string) map[string]any {
	var found map[string]any
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if v["type"] == "button" && v["action_id"] == actionID {
				found = v
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	var all any
	if json.Unmarshal(body, &all) != nil {
		return nil
	}
	walk(all)
	return found
}

// deliver tells the app, and returns once it has answered.
func (s *Server) deliver(ctx context.Context, p *pressing) error {
	err := s.Send(ctx, "interactive", p.payload)
	if !errors.Is(err, errNobody) || s.Interactivity == "" {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return s.request(ctx, []byte(url.Values{"payload": {string(p.payload)}}.Encode()))
}

var errNobody = errors.New("nobody is connected by Socket Mode")

// Send sends a payload of any kind ("interactive", "slash_commands",
// "events_api") over a connection of Socket Mode, and returns once it is
// acknowledged.
func (s *Server) Send(ctx context.Context, kind string, payload []byte) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	s.mu.Lock()
	var c *socket
	if n := len(s.sockets); n > 0 {
		c = s.sockets[n-1]
	}
	s.seq++
	envelope := fmt.Sprintf("envelope-%d", s.seq)
	s.mu.Unlock()
	if c == nil {
		return errNobody
	}
	return c.deliver(ctx, envelope, kind, payload)
}

func (c *socket) deliver(ctx context.Context, envelope, kind string, payload []byte) error {
	acked := make(chan json.RawMessage, 1)
	c.mu.Lock()
	c.acks[envelope] = acked
	c.mu.Unlock()
	err := c.send(map[string]any{"envelope_id": envelope, "type": kind, "payload": json.RawMessage(payload), "accepts_response_payload": true})
	if err != nil {
		return err
	}
	select {
	case <-acked:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the app did not acknowledge the envelope: %w", ctx.Err())
	}
}

// request posts to the Request URL, signed.
func (s *Server) request(ctx context.Context, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Interactivity, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s.Sign(r.Header, body)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("the app did not answer: %w", err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the app answered %s: %.200s", resp.Status, said)
	}
	return nil
}

// Sign signs a request as Slack does.
func (s *Server) Sign(h http.Header, body []byte) {
	stamp := strconv.FormatInt(s.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(s.SigningSecret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	h.Set("X-Slack-Request-Timestamp", stamp)
	h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
}

// respond is a response URL.
func (s *Server) respond(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // whoever asked has gone
	}
	if f, broken := s.fault("response_url"); broken {
		s.wrong(w, r, f)
		return
	}
	var reply struct {
		ResponseType    string `json:"response_type"`
		ReplaceOriginal bool   `json:"replace_original"`
		Text            string `json:"text"`
	}
	if json.Unmarshal(body, &reply) != nil || reply.Text == "" || reply.ResponseType != "ephemeral" || reply.ReplaceOriginal {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.replied(r.PathValue("id"), reply.Text) {
		http.Error(w, "used_url", http.StatusNotFound)
		return
	}
	_, _ = io.WriteString(w, "ok")
}

// replied hands a reply to whoever waits for it.
func (s *Server) replied(id, text string) bool {
	waiting, ok := s.presses[id]
	if !ok {
		return false
	}
	select {
	case waiting <- text:
	default: // Slack shows five replies; nobody waits for so many
	}
	return true
}
