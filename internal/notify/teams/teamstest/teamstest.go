// Package teamstest plays a workflow of Microsoft Teams that posts what comes to
// its webhook: a [Server] takes Adaptive Cards as strictly as they are specified,
// and keeps them. For tests, whole-program scenes and demonstrations.
//
// It knows the parts of Adaptive Cards 1.5 that can be in a message without
// inputs (https://adaptivecards.io/explorer/): TextBlock, FactSet, Container,
// ActionSet and Action.OpenUrl. Others are refused, and so is a misspelt
// property, which Teams would quietly leave out.
package teamstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// MaxBytes is the greatest message in bytes: "about 28 KB"
// (https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages).
const MaxBytes = 28 << 10

// MaxActions is how many buttons Teams shows in one set.
const MaxActions = 6

// A Card is one that was posted.
type Card struct {
	// Path is where it was posted: one server may play several workflows.
	Path string
	// Heading is the first text, Texts are all of them, facts as "title: value".
	Heading string
	Texts   []string
	Buttons []Button
	Raw     []byte // the message as it came
}

// A Button opens an address.
type Button struct{ Title, URL string }

// Text is all that the card says, in lines.
func (c Card) Text() string { return strings.Join(c.Texts, "\n") }

// A Server is the workflow. It is safe for concurrent use; its zero value takes
// messages on any path.
type Server struct {
	mu       sync.Mutex // guards what follows
	cards    []Card
	fails    []failure
	refused  []string
	attempts int
}

type failure struct {
	status     int
	retryAfter string
}

// Fail answers the next request with the status, and Retry-After if it is not
// empty, and takes nothing. Several calls are several requests.
func (s *Server) Fail(status int, retryAfter string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = append(s.fails, failure{status, retryAfter})
}

// Cards are all that were posted, in order.
func (s *Server) Cards() []Card {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.cards)
}

// Refused says what was wrong with each message that was refused.
func (s *Server) Refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// Attempts counts all requests, refused ones too.
func (s *Server) Attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

// ServeHTTP takes one message. A workflow accepts with 202 and an empty body.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBytes+1))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	if len(s.fails) > 0 {
		f := s.fails[0]
		s.fails = s.fails[1:]
		if f.retryAfter != "" {
			w.Header().Set("Retry-After", f.retryAfter)
		}
		http.Error(w, "as this server was asked to", f.status)
		return
	}
	if len(body) > MaxBytes {
		s.refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "request entity too large")
		return
	}
	c, err := Parse(body)
	if err != nil {
		s.refuse(w, http.StatusBadRequest, "InvalidCard", err.Error())
		return
	}
	c.Path = r.URL.Path
	s.cards = append(s.cards, c)
	w.WriteHeader(http.StatusAccepted)
}

func (s *Server) refuse(w http.ResponseWriter, status int, code, message string) {
	s.refused = append(s.refused, message)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// Nobody is left to tell if the reply cannot be written.
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": message}})
}

// Parse reads a message with one card, or says what is wrong with it.
func Parse(body []byte) (Card, error) {
	var m struct {
		Type        string `json:"type"`
		Attachments []struct {
			ContentType string          `json:"contentType"`
			ContentURL  *string         `json:"contentUrl"`
			Content     json.RawMessage `json:"content"`
		} `json:"attachments"`
	}
	c := Card{Raw: body}
	if err := strict(body, &m); err != nil {
		return c, err
	}
	if m.Type != "message" || len(m.Attachments) != 1 {
		return c, fmt.Errorf("a message has type %q and %d attachments, want message and 1", m.Type, len(m.Attachments))
	}
	if got := m.Attachments[0].ContentType; got != "application/vnd.microsoft.card.adaptive" {
		return c, fmt.Errorf("contentType %q is no Adaptive Card", got)
	}
	var root struct {
		Schema   string            `json:"$schema"`
		Type     string            `json:"type"`
		Version  string            `json:"version"`
		Fallback string            `json:"fallbackText"`
		Lang     string            `json:"lang"`
		Body     []json.RawMessage `json:"body"`
		Actions  []json.RawMessage `json:"actions"`
		Teams    struct {
			Width string `json:"width"`
		} `json:"msteams"`
	}
	if err := strict(m.Attachments[0].Content, &root); err != nil {
		return c, err
	}
	if root.Type != "AdaptiveCard" || root.Version != "1.5" {
		return c, fmt.Errorf("type %q version %q, want AdaptiveCard 1.5", root.Type, root.Version)
	}
	if len(root.Body) == 0 {
		return c, errors.New("the body is empty")
	}
	if w := root.Teams.Width; w != "" && w != "Full" {
		return c, fmt.Errorf("msteams.width is %q", w)
	}
	for i, raw := range root.Body {
		if err := c.element(raw); err != nil {
			return c, fmt.Errorf("body[%d]: %w", i, err)
		}
	}
	if err := c.actions(root.Actions); err != nil {
		return c, err
	}
	if len(c.Texts) == 0 {
		return c, errors.New("the card has no text")
	}
	c.Heading = c.Texts[0]
	return c, nil
}

func strict(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// words are what properties may say (https://adaptivecards.io/explorer/TextBlock.html).
// They are compared without case, as Teams does.
var words = map[string][]string{
	"style":    {"default", "heading", "columnheader"},
	"weight":   {"default", "lighter", "bolder"},
	"size":     {"default", "small", "medium", "large", "extralarge"},
	"color":    {"default", "dark", "light", "accent", "good", "warning", "attention"},
	"fontType": {"default", "monospace"},
	"spacing":  {"default", "none", "small", "medium", "large", "extralarge", "padding"},
	"height":   {"auto", "stretch"},
	"action":   {"default", "positive", "destructive"},
	"box":      {"default", "emphasis", "good", "attention", "warning", "accent"},
}

func oneOf(kind, value string) error {
	if value == "" || slices.Contains(words[kind], strings.ToLower(value)) {
		return nil
	}
	return fmt.Errorf("%s %q is none of %v", kind, value, words[kind])
}

// common is what every element may have.
type common struct {
	Type      string `json:"type"`
	ID        string `json:"id"`
	Spacing   string `json:"spacing"`
	Separator bool   `json:"separator"`
	Height    string `json:"height"`
	IsVisible *bool  `json:"isVisible"`
}

func (e common) check() error {
	return errors.Join(oneOf("spacing", e.Spacing), oneOf("height", e.Height))
}

func (c *Card) element(raw json.RawMessage) error {
	var kind struct{ Type string }
	if err := json.Unmarshal(raw, &kind); err != nil {
		return err
	}
	switch kind.Type {
	case "TextBlock":
		return c.textBlock(raw)
	case "FactSet":
		return c.factSet(raw)
	case "Container":
		return c.container(raw)
	case "ActionSet":
		var e struct {
			common
			Actions []json.RawMessage `json:"actions"`
		}
		if err := strict(raw, &e); err != nil {
			return err
		}
		if len(e.Actions) == 0 {
			return errors.New("an ActionSet without actions")
		}
		return errors.Join(e.check(), c.actions(e.Actions))
	}
	return fmt.Errorf("type %q is unknown here", kind.Type)
}

func (c *Card) textBlock(raw json.RawMessage) error {
	var e struct {
		common
		Text     string `json:"text"`
		Style    string `json:"style"`
		Weight   string `json:"weight"`
		Size     string `json:"size"`
		Color    string `json:"color"`
		FontType string `json:"fontType"`
		IsSubtle bool   `json:"isSubtle"`
		Wrap     bool   `json:"wrap"`
		MaxLines int    `json:"maxLines"`
	}
	if err := strict(raw, &e); err != nil {
		return err
	}
	if strings.TrimSpace(e.Text) == "" {
		return errors.New("a TextBlock without text")
	}
	c.Texts = append(c.Texts, e.Text)
	return errors.Join(e.check(), oneOf("style", e.Style), oneOf("weight", e.Weight), oneOf("size", e.Size), oneOf("color", e.Color), oneOf("fontType", e.FontType))
}

func (c *Card) factSet(raw json.RawMessage) error {
	var e struct {
		common
		Facts []struct {
			Title string `json:"title"`
			Value string `json:"value"`
		} `json:"facts"`
	}
	if err := strict(raw, &e); err != nil {
		return err
	}
	if len(e.Facts) == 0 {
		return errors.New("a FactSet without facts")
	}
	for _, f := range e.Facts {
		if f.Title == "" || f.Value == "" {
			return fmt.Errorf("a fact without title or value: %+v", f)
		}
		c.Texts = append(c.Texts, f.Title+": "+f.Value)
	}
	return e.check()
}

func (c *Card) container(raw json.RawMessage) error {
	var e struct {
		common
		Style string            `json:"style"`
		Bleed bool              `json:"bleed"`
		Items []json.RawMessage `json:"items"`
	}
	if err := strict(raw, &e); err != nil {
		return err
	}
	for i, item := range e.Items {
		if err := c.element(item); err != nil {
			return fmt.Errorf("items[%d]: %w", i, err)
		}
	}
	return errors.Join(e.check(), oneOf("box", e.Style))
}

func (c *Card) actions(raw []json.RawMessage) error {
	if len(raw) > MaxActions {
		return fmt.Errorf("%d actions, and Teams shows %d", len(raw), MaxActions)
	}
	for i, one := range raw {
		var a struct {
			Type  string `json:"type"`
			ID    string `json:"id"`
			Title string `json:"title"`
			URL   string `json:"url"`
			Style string `json:"style"`
		}
		if err := strict(one, &a); err != nil {
			return fmt.Errorf("actions[%d]: %w", i, err)
		}
		u, err := url.Parse(a.URL)
		switch {
		case a.Type != "Action.OpenUrl":
			return fmt.Errorf("actions[%d]: type %q is unknown here", i, a.Type)
		case a.Title == "":
			return fmt.Errorf("actions[%d]: no title", i)
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
			return fmt.Errorf("actions[%d]: %q is no URL", i, a.URL)
		}
		if err := oneOf("action", a.Style); err != nil {
			return fmt.Errorf("actions[%d]: %w", i, err)
		}
		c.Buttons = append(c.Buttons, Button{a.Title, a.URL})
	}
	return nil
}
