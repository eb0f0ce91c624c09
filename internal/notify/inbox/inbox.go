// Package inbox plays the receivers of a demonstration: Slack, a mail server, a
// webhook's endpoint and a vendor of text messages and calls, with a page that
// shows each message as its reader would see it.
//
// It keeps the last messages in memory and nothing else, and trusts nobody: what
// is shown is escaped, and mail is shown in a sandbox.
//
//	POST /slack/{channel}       a Slack incoming webhook
//	POST /slack-api/{method}    Slack's Web API, as far as an app posts and edits by it
//	POST /slack-response/{n}    what an app replies to whoever pressed a button
//	POST /webhook/{name}        an endpoint that checks signatures (Standard Webhooks)
//	POST /twilio/…              Twilio's API for messages and calls
//	GET  /                      the page
//	GET  /mail/{n}              the HTML of one mail, for a sandboxed frame
//	POST /press, /reply, /key   what a person does on the page
//
// Whoever is told can answer, on the page or in code: a button of Slack, a text
// message and a key of a phone go to where the vendor would take them, signed as
// the vendor signs. Links in mails are those of the program itself.
//
// A receiver can be made to fail: in code by [Inbox.Fail], or in its own URL by
// ?fail=503&times=2&retry_after=5&delay=2s, which refuses the first two attempts.
package inbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Options are how an inbox is made.
type Options struct {
	// Keep is how many messages of each kind are kept; 0 is 50.
	Keep int
	// Secret is the key that webhooks are signed with: whsec_ and base64, or any
	// text. Without it signatures are not checked.
	Secret secret.String
	// Now is the clock; nil is the system's.
	Now func() time.Time

	// URL is where the inbox is ("http://127.0.0.1:4711"), so that apps can reply to
	// whoever pressed a button.
	URL string
	// People are those in whose name answers are given.
	People []Person
	// Apps are those of the Slack workspace. What comes with another token is shown,
	// and its buttons do nothing.
	Apps []App
	// Phone is the account at the vendor of messages and calls; without its token
	// nobody answers.
	Phone Phone
	// HTTP takes answers to where they belong; nil is a client that waits for ten
	// seconds.
	HTTP *http.Client
}

// An Inbox is the receivers and their page. It is safe for concurrent use.
type Inbox struct {
	keep   int
	key    []byte
	now    func() time.Time
	mux    *http.ServeMux
	url    string
	people []Person
	apps   []App
	phone  Phone
	http   *http.Client

	mu      sync.Mutex // guards what follows
	slack   []*slackMessage
	mails   []*mailMessage
	hooks   []*hookMessage
	rings   []*ring
	presses []*press
	seq     int // numbers what was taken, mails apart
	mailSeq int
	fail    map[string]func(n int) (status int, retryAfter string)
	doors   map[string]*door
	news    chan struct{} // closed, and replaced, when anything was taken
}

// A door is what a receiver has seen: "slack/payments", "email".
type door struct {
	Name      string
	Attempts  int
	Taken     int
	Refused   int // in all
	inARow    int // refused since the last one taken
	LastError string
}

// New makes an empty inbox.
func New(o Options) *Inbox {
	b := &Inbox{
		keep: o.Keep, now: o.Now, url: strings.TrimSuffix(o.URL, "/"), people: o.People, apps: o.Apps, phone: o.Phone, http: o.HTTP,
		fail: map[string]func(int) (int, string){}, doors: map[string]*door{}, news: make(chan struct{}),
	}
	if b.http == nil {
		b.http = &http.Client{Timeout: 10 * time.Second}
	}
	if b.keep <= 0 {
		b.keep = 50
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.key = []byte(o.Secret.Reveal())
	if encoded, ok := strings.CutPrefix(o.Secret.Reveal(), "whsec_"); ok {
		if key, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			b.key = key
		}
	}
	b.mux = http.NewServeMux()
	b.mux.HandleFunc("GET /{$}", b.page)
	b.mux.HandleFunc("GET /mail/{n}", b.mailFrame)
	b.mux.HandleFunc("POST /slack/{channel}", b.takeSlack)
	b.mux.HandleFunc("POST /slack-api/{method}", b.takeSlackCall)
	b.mux.HandleFunc("POST /webhook/{name}", b.takeHook)
	b.mux.HandleFunc("POST /slack-response/{n}", b.takeResponse)
	b.mux.HandleFunc("POST /twilio/2010-04-01/Accounts/{account}/{resource}", b.takeRing)
	// Forms are for this page alone; what vendors are sent comes from no page.
	own := http.NewCrossOriginProtection()
	b.mux.Handle("POST /press", own.Handler(http.HandlerFunc(b.pressForm)))
	b.mux.Handle("POST /reply", own.Handler(http.HandlerFunc(b.replyForm)))
	b.mux.Handle("POST /key", own.Handler(http.HandlerFunc(b.keyForm)))
	return b
}

// ServeHTTP serves the page and the receivers. Its links are relative, so it may
// stand under any path that ends in a slash.
func (b *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.mux.ServeHTTP(w, r) }

// Fail has a receiver ("slack/payments", "slack-api/platform", "webhook/soar",
// "email", "phone") answer as f says: f is given the number of the attempt, from 1,
// and returns an HTTP status and a Retry-After, or 0 to take the message. Mail is refused for now (451) by a
// status of 408, 425, 429 or 5xx, and for good (550) by others. A nil f mends it.
func (b *Inbox) Fail(receiver string, f func(n int) (status int, retryAfter string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f == nil {
		delete(b.fail, receiver)
		return
	}
	b.fail[receiver] = f
}

// Counts are how many messages each kind of receiver took in all, edits and what
// is in threads apart.
func (b *Inbox) Counts() (slack, mails, webhooks int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, d := range b.doors {
		switch {
		case strings.HasPrefix(name, "slack"):
			slack += d.Taken
		case name == phoneDoor:
		case strings.HasPrefix(name, "webhook/"):
			webhooks += d.Taken
		default:
			mails += d.Taken
		}
	}
	return slack, mails, webhooks
}

// Rung is how many text messages and calls were taken in all.
func (b *Inbox) Rung() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := b.doors[phoneDoor]; d != nil {
		return d.Taken
	}
	return 0
}

// knock counts an attempt and says whether it is to be refused.
func (b *Inbox) knock(receiver string, fromURL func(n int) (int, string)) (status int, retryAfter string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.doors[receiver]
	if d == nil {
		d = &door{Name: receiver}
		b.doors[receiver] = d
	}
	d.Attempts++
	if f := b.fail[receiver]; f != nil {
		status, retryAfter = f(d.Attempts)
	} else if fromURL != nil {
		status, retryAfter = fromURL(d.Attempts)
	}
	if status != 0 {
		d.Refused++
		d.inARow++
		d.LastError = strconv.Itoa(status)
		if retryAfter != "" {
			d.LastError += ", Retry-After " + retryAfter
		}
	}
	return status, retryAfter
}

// took counts a message that was taken and says what went before it: "taken after
// 2 refusals (503, Retry-After 5)". b.mu is held.
func (b *Inbox) took(receiver string) string {
	b.doors[receiver].Taken++
	return b.mended(receiver)
}

// mended says what went before a request that was taken, which need not be a
// message. b.mu is held.
func (b *Inbox) mended(receiver string) string {
	close(b.news)
	b.news = make(chan struct{})
	d := b.doors[receiver]
	if d.inARow == 0 {
		return ""
	}
	word := "refusals"
	if d.inARow == 1 {
		word = "refusal"
	}
	before := fmt.Sprintf("taken after %d %s (%s)", d.inARow, word, d.LastError)
	d.inARow = 0
	return before
}

const bodyMax = 1 << 20

// receive does what all HTTP receivers do first: it reads the body, is slow or
// refuses if it is to. It returns false when the answer was given.
func (b *Inbox) receive(w http.ResponseWriter, r *http.Request, receiver string) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil {
		http.Error(w, "the body is longer than 1 MiB, or broke off", http.StatusRequestEntityTooLarge)
		return nil, false
	}
	if delay, err := time.ParseDuration(r.URL.Query().Get("delay")); err == nil && delay > 0 {
		timer := time.NewTimer(min(delay, time.Minute))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return nil, false
		}
	}
	status, retryAfter := b.knock(receiver, failing(r))
	if status == 0 {
		return body, true
	}
	if retryAfter != "" {
		w.Header().Set("Retry-After", retryAfter)
	}
	http.Error(w, "refused, as this demonstration was asked to", status)
	return nil, false
}

// failing reads how a receiver's URL wants it to fail.
func failing(r *http.Request) func(n int) (int, string) {
	q := r.URL.Query()
	status, err := strconv.Atoi(q.Get("fail"))
	if err != nil || status < 400 || status > 599 {
		return nil
	}
	times, err := strconv.Atoi(q.Get("times"))
	if err != nil {
		times = 1
	}
	retryAfter := ""
	if seconds, err := strconv.Atoi(q.Get("retry_after")); err == nil && seconds >= 0 {
		retryAfter = strconv.Itoa(seconds)
	}
	return func(n int) (int, string) {
		if n > times {
			return 0, ""
		}
		return status, retryAfter
	}
}

// push puts a message in front and drops what is beyond keep.
func push[M any](list []M, m M, keep int) []M {
	list = append([]M{m}, list...)
	return list[:min(len(list), keep)]
}

// takeSlack answers as Slack does: "ok", or a word that says what is wrong.
func (b *Inbox) takeSlack(w http.ResponseWriter, r *http.Request) {
	receiver := "slack/" + r.PathValue("channel")
	body, ok := b.receive(w, r, receiver)
	if !ok {
		return
	}
	m := &slackMessage{Channel: r.PathValue("channel"), Place: "#" + r.PathValue("channel"), At: b.now()}
	if err := m.read(body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	b.seq++
	m.N, m.Before = b.seq, b.took(receiver)
	b.slack = push(b.slack, m, b.keep)
	b.mu.Unlock()
	io.WriteString(w, "ok")
}

// A hookMessage is what a webhook brought.
type hookMessage struct {
	Name    string
	At      time.Time
	ID      string
	Body    string // indented
	Text    string
	Kind    string
	Level   string
	Verdict string // of the signature
	Good    bool
	Times   int // how often it was delivered
	Before  string
}

// takeHook checks the signature, says on the page what came of it, and folds a
// repeated delivery into the first by its id.
func (b *Inbox) takeHook(w http.ResponseWriter, r *http.Request) {
	receiver := "webhook/" + r.PathValue("name")
	body, ok := b.receive(w, r, receiver)
	if !ok {
		return
	}
	m := &hookMessage{Name: r.PathValue("name"), At: b.now(), ID: r.Header.Get("Webhook-Id"), Times: 1}
	if err := b.verify(r.Header, body); err != nil {
		m.Verdict = err.Error()
	} else {
		m.Verdict, m.Good = "signature verified", true
	}
	var said struct {
		Text, Kind string
		Alert      struct{ Level string }
	}
	if err := json.Unmarshal(body, &said); err != nil {
		http.Error(w, "the body is not JSON", http.StatusBadRequest)
		return
	}
	m.Text, m.Kind, m.Level, m.Body = said.Text, said.Kind, said.Alert.Level, indented(body)
	b.mu.Lock()
	defer b.mu.Unlock()
	m.Before = b.took(receiver)
	for _, old := range b.hooks {
		if m.ID != "" && old.ID == m.ID && old.Name == m.Name {
			old.Times++
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	b.hooks = push(b.hooks, m, b.keep)
	w.WriteHeader(http.StatusNoContent)
}

// verify checks a signature by the words of Standard Webhooks: any v1 signature
// in the list may match, and the timestamp is within five minutes.
func (b *Inbox) verify(h http.Header, body []byte) error {
	signatures, stamp := h.Get("Webhook-Signature"), h.Get("Webhook-Timestamp")
	switch {
	case signatures == "":
		return errors.New("not signed")
	case len(b.key) == 0:
		return errors.New("signed; no key to check with")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errors.New("SIGNATURE WRONG: no timestamp")
	}
	if age := b.now().Sub(time.Unix(seconds, 0)).Abs(); age > 5*time.Minute {
		return fmt.Errorf("SIGNATURE TOO OLD: %s", age.Round(time.Second))
	}
	mac := hmac.New(sha256.New, b.key)
	fmt.Fprintf(mac, "%s.%s.%s", h.Get("Webhook-Id"), stamp, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for got := range strings.FieldsSeq(signatures) {
		if hmac.Equal([]byte(got), []byte(want)) {
			return nil
		}
	}
	return errors.New("SIGNATURE WRONG")
}
