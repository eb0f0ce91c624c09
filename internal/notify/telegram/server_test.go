package telegram

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

const (
	token = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
	group = "-1001234567890"
	ana   = "87654321"
)

// A said message is one in a chat.
type said struct {
	ID      int64
	Chat    string
	Thread  int64
	ReplyTo int64
	Text    string
	Silent  bool
	Buttons []button
	Edits   int
}

// A server speaks as much of the Bot API as a bot of ours needs.
type server struct {
	URL    string
	schema *jsonschema.Schema

	mu       sync.Mutex // guards what follows
	messages []*said
	updates  []update
	nextID   int64
	more     chan struct{} // closed when there are updates
	offsets  []int64
	answers  []string // what was shown to whoever pressed
	hook     string   // the webhook's address
	secret   string
	refuse   func(method string, arguments map[string]any) (status int, body string)
	changed  *sync.Cond
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{schema: compiled(t), more: make(chan struct{}), nextID: 1000}
	s.changed = sync.NewCond(&s.mu)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "calls.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("calls.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("calls.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, ok := strings.CutPrefix(r.URL.Path, "/bot"+token+"/")
	if !ok {
		answerWith(w, 401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`)
		return
	}
	body, _ := io.ReadAll(r.Body)
	var arguments map[string]any
	if r.Method != http.MethodPost || json.Unmarshal(body, &arguments) != nil {
		bad(w, "wrong request")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed.Broadcast()
	if s.refuse != nil {
		if status, body := s.refuse(method, arguments); status != 0 {
			answerWith(w, status, body)
			return
		}
	}
	if wrong := s.mistakes(method, body); len(wrong) > 0 {
		bad(w, strings.Join(wrong, "; "))
		return
	}
	switch method {
	case "sendMessage":
		s.send(w, body)
	case "editMessageText":
		s.edit(w, body)
	case "answerCallbackQuery":
		s.answers = append(s.answers, fmt.Sprint(arguments["text"]))
		good(w, true)
	case "getUpdates":
		s.give(w, r, int64(arguments["offset"].(float64)))
	case "setWebhook":
		s.hook, s.secret = arguments["url"].(string), arguments["secret_token"].(string)
		good(w, true)
	case "getWebhookInfo":
		good(w, map[string]any{"url": s.hook})
	case "deleteWebhook":
		s.hook = ""
		good(w, true)
	case "getMe":
		good(w, map[string]any{"id": 123456789, "is_bot": true, "username": "tocsin_bot"})
	default:
		answerWith(w, 404, `{"ok":false,"error_code":404,"description":"Not Found: method not found"}`)
	}
}

func answerWith(w http.ResponseWriter, status int, body string) {
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func bad(w http.ResponseWriter, description string) {
	answerWith(w, 400, fmt.Sprintf(`{"ok":false,"error_code":400,"description":%q}`, "Bad Request: "+description))
}

func good(w http.ResponseWriter, result any) {
	text, err := json.Marshal(map[string]any{"ok": true, "result": result})
	if err != nil {
		panic(err)
	}
	w.Write(text)
}

func (s *server) send(w http.ResponseWriter, body []byte) {
	var m message
	_ = json.Unmarshal(body, &m)
	one := &said{ID: int64(len(s.messages) + 1), Chat: chatText(m.Chat), Thread: m.Thread, Text: m.Text, Silent: m.Silent}
	if m.ReplyTo != nil {
		one.ReplyTo = m.ReplyTo.MessageID
	}
	one.Buttons = flat(m.Keyboard)
	s.messages = append(s.messages, one)
	good(w, map[string]any{"message_id": one.ID, "chat": map[string]any{"id": m.Chat}})
}

func (s *server) edit(w http.ResponseWriter, body []byte) {
	var m message
	_ = json.Unmarshal(body, &m)
	for _, one := range s.messages {
		if one.ID != m.MessageID || one.Chat != chatText(m.Chat) {
			continue
		}
		if one.Text == m.Text && fmt.Sprint(one.Buttons) == fmt.Sprint(flat(m.Keyboard)) {
			bad(w, "message is not modified: specified new message content and reply markup are exactly the same")
			return
		}
		one.Text, one.Buttons = m.Text, flat(m.Keyboard)
		one.Edits++
		good(w, map[string]any{"message_id": one.ID})
		return
	}
	bad(w, "message to edit not found")
}

func flat(k *keyboard) (all []button) {
	if k == nil {
		return nil
	}
	for _, row := range k.Rows {
		all = append(all, row...)
	}
	return all
}

func chatText(chat any) string {
	if number, ok := chat.(float64); ok {
		return fmt.Sprintf("%.0f", number)
	}
	return fmt.Sprint(chat)
}

// give gives the updates from offset on, forgets those before it, and holds the request
// until there are some.
func (s *server) give(w http.ResponseWriter, r *http.Request, offset int64) {
	s.offsets = append(s.offsets, offset)
	s.changed.Broadcast()
	if s.hook != "" {
		answerWith(w, 409, `{"ok":false,"error_code":409,"description":"Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"}`)
		return
	}
	for {
		for len(s.updates) > 0 && s.updates[0].ID < offset {
			s.updates = s.updates[1:]
		}
		if len(s.updates) > 0 {
			good(w, s.updates)
			return
		}
		more := s.more
		s.mu.Unlock()
		select {
		case <-more:
			s.mu.Lock()
		case <-r.Context().Done():
			s.mu.Lock()
			return
		}
	}
}

// happens has an update for the bot.
func (s *server) happens(u update) update {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.ID = s.nextID
	s.nextID++
	s.updates = append(s.updates, u)
	close(s.more)
	s.more = make(chan struct{})
	return u
}

// until waits until what is asked for is so.
func (s *server) until(is func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !is() {
		s.changed.Wait()
	}
}

func (s *server) all() []said {
	s.mu.Lock()
	defer s.mu.Unlock()
	var messages []said
	for _, m := range s.messages {
		messages = append(messages, *m)
	}
	return messages
}

var tagsOf = map[string]string{"b": "", "a": "href", "code": "", "pre": ""}

// mistakes are what Telegram refuses, cuts or makes something of by itself; written
// apart from the code that keeps to it.
func (s *server) mistakes(method string, body []byte) []string {
	return mistakes(s.schema, method, body)
}

func mistakes(schema *jsonschema.Schema, method string, body []byte) []string {
	var wrong []string
	bad := func(when bool, format string, args ...any) {
		if when {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	whole := map[string]json.RawMessage{
		"sendMessage": json.RawMessage(`{"chat_id":1,"text":"x"}`), "editMessageText": json.RawMessage(`{"chat_id":1,"message_id":1,"text":"x"}`),
		"answerCallbackQuery": json.RawMessage(`{"callback_query_id":"x"}`), "getUpdates": json.RawMessage(`{}`), "setWebhook": json.RawMessage(`{"url":"x"}`),
	}
	if _, known := whole[method]; known {
		whole[method] = body
		text, _ := json.Marshal(whole)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return []string{err.Error()}
		}
		if err := schema.Validate(doc); err != nil {
			return []string{err.Error()}
		}
	}
	var m message
	var shown struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(body, &shown)
	switch method {
	case "answerCallbackQuery":
		bad(notify.UTF16(shown.Text) > 200, "MESSAGE_TOO_LONG")
	case "sendMessage", "editMessageText":
		_ = json.Unmarshal(body, &m)
		bad(m.ParseMode != "HTML" || !m.Preview.Disabled, "no HTML, or with a preview")
		bad(m.Keyboard != nil && len(m.Keyboard.Rows) == 0, "an empty keyboard")
		for _, b := range flat(m.Keyboard) {
			bad(len(b.Data) < 1 || len(b.Data) > 64, "BUTTON_DATA_INVALID %q", b.Data)
			bad(b.Text == "", "a button without a text")
		}
		wrong = append(wrong, badHTML(m.Text)...)
	}
	return wrong
}

// made is what Telegram makes of a text by itself: mentions, commands, tags.
var made = regexp.MustCompile(`(?:^|[^\pL\pN_])([@/$#][\pL\pN_]*[\pL_][\pL\pN_]*|[@/$][\pL\pN_]+)`)

func badHTML(text string) []string {
	var wrong []string
	length, entities := 0, 0
	err := walk(text, func(at xml.StartElement) {
		entities++
		allowed, known := tagsOf[at.Name.Local]
		if !known {
			wrong = append(wrong, "can't parse entities: unsupported start tag "+at.Name.Local)
		}
		for _, a := range at.Attr {
			if a.Name.Local != allowed {
				wrong = append(wrong, "attribute "+a.Name.Local)
			}
		}
	}, func(s string, code bool) {
		length += notify.UTF16(s)
		if found := made.FindStringSubmatch(s); found != nil && !code {
			wrong = append(wrong, fmt.Sprintf("Telegram makes something of %q", found[1]))
		}
	})
	if err != nil {
		wrong = append(wrong, "can't parse entities: "+err.Error())
	}
	if length > 4096 || length == 0 {
		wrong = append(wrong, fmt.Sprintf("message is too long or empty: %d", length))
	}
	if entities > 100 {
		wrong = append(wrong, fmt.Sprintf("%d entities, of which Telegram shows 100", entities))
	}
	return wrong
}

// walk reads HTML as ours is written: it is XML as well.
func walk(page string, element func(xml.StartElement), text func(s string, code bool)) error {
	d := xml.NewDecoder(strings.NewReader("<page>" + page + "</page>"))
	depth, code := 0, 0
	for {
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
			if at.Name.Local == "code" || at.Name.Local == "pre" {
				code++
			}
		case xml.EndElement:
			depth--
			if at.Name.Local == "code" || at.Name.Local == "pre" {
				code--
			}
		case xml.CharData:
			text(string(at), code > 0)
		default:
			return fmt.Errorf("%T", at)
		}
	}
}
