package inbox

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// A Phone is the account at Twilio as it was set up there.
type Phone struct {
	AuthToken secret.String // signs what is called back
	// Replies is where text messages to the account's number go.
	Replies string
}

// phoneDoor is Twilio among the receivers.
const phoneDoor = "phone"

// A ring is a text message, a call, or what somebody sent or pressed themselves.
type ring struct {
	N      int
	SID    string
	At     time.Time
	Number string // of the person's phone
	Ours   string // the other one
	Call   bool
	Mine   bool     // the person's own: a reply, a key
	Lines  []string // of the text, or what is said
	Keys   []key    // that the call takes
	action string   // where they go
	Before string
}

// A key that a call takes, and what the call says it does.
type key struct{ Digit, Word string }

var phoneNumber = lazyregexp.New(`^\+[1-9][0-9]{6,14}$`)

// takeRing takes a text message or a call as Twilio does: a form, answered with the
// SID of what was made.
func (b *Inbox) takeRing(w http.ResponseWriter, r *http.Request) {
	body, ok := b.receive(w, r, phoneDoor)
	if !ok {
		return
	}
	refuse := func(status, code int, message string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "message": message, "status": status})
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || !phoneNumber.MatchString(form.Get("To")) {
		refuse(http.StatusBadRequest, 21211, "Invalid 'To' Phone Number")
		return
	}
	m := &ring{Number: form.Get("To"), Ours: form.Get("From")}
	kind := "SM"
	switch r.PathValue("resource") {
	case "Messages.json":
		m.Lines = strings.Split(form.Get("Body"), "\n")
	case "Calls.json":
		kind, m.Call = "CA", true
		if err := m.listen(form.Get("Twiml")); err != nil {
			refuse(http.StatusBadRequest, 12100, err.Error())
			return
		}
	default:
		refuse(http.StatusNotFound, 20404, "The requested resource was not found")
		return
	}
	b.mu.Lock()
	b.ring(m, kind)
	m.Before = b.took(phoneDoor)
	b.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"sid": m.SID, "status": "queued"})
}

// ring keeps it, with a SID. b.mu is held.
func (b *Inbox) ring(m *ring, kind string) {
	b.seq++
	m.N, m.SID, m.At = b.seq, fmt.Sprintf("%s%032x", kind, b.seq), b.now()
	b.rings = push(b.rings, m, b.keep)
}

var keyWord = lazyregexp.New(`\b([0-9]) to ([a-z]+)`)

// listen hears what TwiML has said, in order and each sentence once, and which keys
// it waits for; what is said if none is pressed is not heard.
func (m *ring) listen(twiml string) error {
	d := xml.NewDecoder(strings.NewReader(twiml))
	said, over := map[string]bool{}, false
	m.Keys, m.action = nil, ""
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			m.takeKeys()
			return nil
		}
		if err != nil {
			return fmt.Errorf("TwiML: %w", err)
		}
		switch e := token.(type) {
		case xml.EndElement:
			over = over || e.Name.Local == "Gather"
		case xml.StartElement:
			for _, a := range e.Attr {
				if e.Name.Local == "Gather" && a.Name.Local == "action" {
					m.action = a.Value
				}
			}
		case xml.CharData:
			text := strings.TrimSpace(string(e))
			if again, repeated := strings.CutPrefix(text, "Again: "); repeated && said[again] {
				continue
			}
			if text != "" && !said[text] && !over {
				said[text] = true
				m.Lines = append(m.Lines, text)
			}
		}
	}
}

// takeKeys finds out which keys the call takes, from what it says.
func (m *ring) takeKeys() {
	if m.action == "" {
		return
	}
	for _, line := range m.Lines {
		for _, found := range keyWord.FindAllStringSubmatch(line, -1) {
			k := key{found[1], found[2]}
			if !slices.Contains(m.Keys, k) {
				m.Keys = append(m.Keys, k)
			}
		}
	}
}

// Reply has somebody send a text message back.
func (b *Inbox) Reply(ctx context.Context, by, text string) error {
	p, ok := b.named(by)
	if !ok || p.Phone == "" {
		return fmt.Errorf("nobody with a phone is called %q", by)
	}
	return b.reply(ctx, p.Phone, text)
}

// reply tells the program, as Twilio does
// (https://www.twilio.com/docs/messaging/guides/webhook-request), and shows its answer.
func (b *Inbox) reply(ctx context.Context, number, text string) error {
	if b.phone.Replies == "" || b.phone.AuthToken.IsZero() {
		return errors.New("nobody takes replies")
	}
	m := &ring{Number: number, Mine: true, Lines: []string{text}}
	b.mu.Lock()
	for _, earlier := range b.rings {
		if earlier.Number == number && !earlier.Call && !earlier.Mine {
			m.Ours = earlier.Ours
			break
		}
	}
	b.ring(m, "SM")
	b.mu.Unlock()
	answer := &ring{Number: number, Ours: m.Ours}
	twiml, err := b.callBack(ctx, b.phone.Replies, url.Values{"MessageSid": {m.SID}, "From": {number}, "To": {m.Ours}, "Body": {text}})
	if err == nil {
		err = answer.listen(string(twiml))
	}
	return b.show(answer, "SM", err)
}

// Key has somebody press a key in the newest call to them that takes any.
func (b *Inbox) Key(ctx context.Context, by, digit string) error {
	p, ok := b.named(by)
	if !ok {
		return fmt.Errorf("nobody is called %q", by)
	}
	b.mu.Lock()
	i := slices.IndexFunc(b.rings, func(m *ring) bool { return m.Number == p.Phone && len(m.Keys) > 0 })
	n := 0
	if i >= 0 {
		n = b.rings[i].N
	}
	b.mu.Unlock()
	return b.dial(ctx, n, digit)
}

// dial presses a key: it tells the program, as Twilio does
// (https://www.twilio.com/docs/voice/twiml/gather), and shows its answer. The call
// takes another key if the answer says so.
func (b *Inbox) dial(ctx context.Context, n int, digit string) error {
	b.mu.Lock()
	i := slices.IndexFunc(b.rings, func(m *ring) bool { return m.N == n && m.Call && !m.Mine })
	if i < 0 || len(b.rings[i].Keys) == 0 || b.phone.AuthToken.IsZero() {
		b.mu.Unlock()
		return errors.New("there is no call that takes keys")
	}
	call := b.rings[i]
	action := call.action
	call.Keys, call.action = nil, ""
	b.ring(&ring{Number: call.Number, Ours: call.Ours, Call: true, Mine: true, Lines: []string{digit}}, "CA")
	b.mu.Unlock()
	answer := &ring{Number: call.Number, Ours: call.Ours, Call: true}
	twiml, err := b.callBack(ctx, action, url.Values{"CallSid": {call.SID}, "From": {call.Ours}, "To": {call.Number}, "Digits": {digit}})
	if err == nil {
		err = answer.listen(string(twiml))
	}
	return b.show(answer, "CA", err)
}

// show shows what the program answered, or that it did not.
func (b *Inbox) show(answer *ring, kind string, err error) error {
	if err != nil {
		answer.Lines = []string{"No answer: " + err.Error()}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(answer.Lines) > 0 {
		b.ring(answer, kind)
	}
	return err
}

// callBack posts a form to where the program is called back, signed. It goes to
// nobody else, whatever a call said.
func (b *Inbox) callBack(ctx context.Context, address string, form url.Values) ([]byte, error) {
	ours, err := url.Parse(b.phone.Replies)
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(address); err != nil || u.Scheme != ours.Scheme || u.Host != ours.Host {
		return nil, errors.New("that is not an address of the program's")
	}
	return b.call(ctx, address, form.Encode(), http.Header{
		"X-Twilio-Signature": {twilio.Sign(b.phone.AuthToken.Reveal(), address, form)},
	})
}

// A handset is one phone as its owner holds it.
type handset struct {
	Owner   string // their name, or the number
	Number  string
	Writes  bool   // can reply
	Earlier []ring // oldest first
	Latest  []ring
}

// latest is how much of a phone is seen without scrolling up.
const latest = 6

// handsets are the phones that had anything, the one that rang last first. b.mu is
// held.
func (b *Inbox) handsets() []handset {
	var all []handset
	for _, m := range b.rings {
		i := slices.IndexFunc(all, func(h handset) bool { return h.Number == m.Number })
		if i < 0 {
			h := handset{Owner: m.Number, Number: m.Number, Writes: b.phone.Replies != "" && !b.phone.AuthToken.IsZero()}
			if p, ok := b.person(func(p Person) bool { return p.Phone == m.Number }); ok {
				h.Owner = p.Called()
			}
			i, all = len(all), append(all, h)
		}
		all[i].Latest = append(all[i].Latest, *m)
	}
	for i := range all {
		h := &all[i]
		slices.Reverse(h.Latest)
		if n := len(h.Latest) - latest; n > 0 {
			h.Earlier, h.Latest = h.Latest[:n], h.Latest[n:]
		}
	}
	return all
}

// replyForm is a text message that is written on the page.
func (b *Inbox) replyForm(w http.ResponseWriter, r *http.Request) {
	b.acts(w, r, func() string {
		number, text := r.PostForm.Get("number"), strings.TrimSpace(r.PostForm.Get("text"))
		b.mu.Lock()
		known := slices.ContainsFunc(b.rings, func(m *ring) bool { return m.Number == number })
		b.mu.Unlock()
		if known && text != "" {
			_ = b.reply(r.Context(), number, text) // it stands on the phone
		}
		return "phone" + number
	})
}

// keyForm is a key of a call on the page.
func (b *Inbox) keyForm(w http.ResponseWriter, r *http.Request) {
	b.acts(w, r, func() string {
		if n, err := strconv.Atoi(r.PostForm.Get("n")); err == nil {
			_ = b.dial(r.Context(), n, r.PostForm.Get("digit")) // it stands on the phone
		}
		return "phone" + r.PostForm.Get("number")
	})
}
