package chaos_test

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	netmail "net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/notify/jira/jiratest"
	"github.com/tocsin-sec/tocsin/internal/notify/pagerduty/pagerdutytest"
	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio/twiliotest"
)

// vendors are everybody who takes messages. They live through the night,
// whoever is killed in it.
type vendors struct {
	slack  *slacktest.Server
	pager  *pagerdutytest.Server
	jira   *jiratest.Server
	twilio *twiliotest.Server
	mail   *mailbox

	slackFront, pagerFront, jiraFront, twilioFront *front

	mu    sync.Mutex
	now   time.Time // guarded by mu, as are the rest
	takes []take
	// heard is told of each message as it is taken.
	heard func(take)
	// kill is called once that many more were taken, before their sender knows.
	kill      func()
	countdown int
}

// A take is a message that a vendor took.
type take struct {
	vendor string // "slack"
	verb   string // what it was asked: "post", "edit", "thread", "trigger", "create", "comment", "sms", "mail"
	at     time.Time
	key    string // the idempotency key; empty where the vendor is given none
	ref    string // what the vendor calls it
	to     string // the channel or address
	alert  int64  // 0 where it is about none, or about several
	kind   string // "opened", where the vendor is told
	link   string // that acknowledges
}

func newVendors(t *testing.T) *vendors {
	t.Helper()
	v := &vendors{now: dusk, pager: newPager(), heard: func(take) {}}
	v.slack = newSlack(v.time)
	t.Cleanup(v.slack.Close)
	v.jira = jiratest.New(jiratest.Options{Email: "bot@example.com", Token: "jira-token"})
	v.twilio = twiliotest.New(t)

	home, err := url.Parse(v.slack.URL)
	if err != nil {
		t.Fatal(err)
	}
	behind := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(home) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway) // whoever asked was killed
		},
	}
	v.slackFront = newFront(t, v, behind, v.readSlack)
	v.pagerFront = newFront(t, v, v.pager, readPager)
	v.jiraFront = newFront(t, v, v.jira, readJira)
	v.twilioFront = newFront(t, v, v.twilio, readTwilio)
	v.mail = newMailbox(t, v)
	return v
}

func (v *vendors) time() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// weather lets it be now, with what is broken then.
func (v *vendors) weather(now time.Time) {
	v.mu.Lock()
	v.now = now
	v.mu.Unlock()
	v.slackFront.behave(0, 9) // every ninth request comes too soon
	v.pagerFront.behave(0, 0)
	if pagerDown.has(now) {
		v.pagerFront.behave(http.StatusServiceUnavailable, 0)
	}
	v.twilioFront.listen(!smsDown.has(now))
}

// took takes note of a message.
func (v *vendors) took(t take) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t.at = v.now
	v.takes = append(v.takes, t)
	v.heard(t)
	if v.countdown--; v.countdown == 0 && v.kill != nil {
		v.kill()
	}
}

// all are the messages that were taken.
func (v *vendors) all() []take {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.takes)
}

func (v *vendors) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.takes)
}

// killAfter has kill called after n more messages; nil calls it off.
func (v *vendors) killAfter(n int, kill func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.countdown, v.kill = n, kill
}

// A front is the door of a vendor. It can be shut, and it sees what is taken.
type front struct {
	t       testing.TB
	v       *vendors
	address string
	vendor  http.Handler
	// read says what was taken, if anything was.
	read func(r *http.Request, asked, answered []byte) (take, bool)

	mu     sync.Mutex
	server *http.Server // nil while connections are refused; guarded by mu, as is the rest
	status int          // that everybody is answered; 0 is well
	every  int          // how many requests until one is too many; 0 is never
	n      int
}

func newFront(t testing.TB, v *vendors, vendor http.Handler, read func(*http.Request, []byte, []byte) (take, bool)) *front {
	t.Helper()
	f := &front{t: t, v: v, address: "127.0.0.1:0", vendor: vendor, read: read}
	f.listen(true)
	t.Cleanup(func() { f.listen(false) })
	return f
}

func (f *front) url() string { return "http://" + f.address }

// listen takes connections, or refuses them.
func (f *front) listen(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if on == (f.server != nil) {
		return
	}
	if !on {
		_ = f.server.Close()
		f.server = nil
		return
	}
	l, err := net.Listen("tcp", f.address)
	if err != nil {
		f.t.Error(err)
		return
	}
	f.address, f.server = l.Addr().String(), &http.Server{Handler: f}
	go func(s *http.Server) {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			f.t.Error(err)
		}
	}(f.server)
}

// behave has it answer everybody with the status, unless that is 0, and each
// every-th with 429.
func (f *front) behave(status, every int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status, f.every = status, every
}

func (f *front) refuses() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	if f.status == 0 && f.every > 0 && f.n%f.every == 0 {
		return http.StatusTooManyRequests
	}
	return f.status
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked, err := io.ReadAll(r.Body)
	if err != nil {
		return // whoever asked was killed
	}
	if status := f.refuses(); status != 0 {
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "30")
		}
		http.Error(w, http.StatusText(status), status)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(asked))
	answer := httptest.NewRecorder()
	f.vendor.ServeHTTP(answer, r)
	if answer.Code < 300 {
		if t, ok := f.read(r, asked, answer.Body.Bytes()); ok {
			f.v.took(t)
		}
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// who is whose direct messages the channel has, or the channel.
func (v *vendors) who(channel string) string {
	for _, u := range slackUsers {
		if v.slack.Direct(u) == channel {
			return u
		}
	}
	return channel
}

func (v *vendors) readSlack(r *http.Request, asked, answered []byte) (take, bool) {
	reply, m := gjson.ParseBytes(answered), gjson.ParseBytes(asked)
	if !reply.Get("ok").Bool() {
		return take{}, false
	}
	t := take{
		vendor: "slack", to: v.who(m.Get("channel").String()), key: m.Get("metadata.event_payload.id").String(),
		alert: m.Get("metadata.event_payload.alert").Int(), kind: m.Get("metadata.event_payload.kind").String(),
		ref: m.Get("channel").String() + ":" + reply.Get("ts").String(),
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/chat.update"):
		t.verb = "edit"
	case !strings.HasSuffix(r.URL.Path, "/chat.postMessage"):
		return take{}, false
	case m.Get("thread_ts").Exists():
		t.verb, t.ref = "thread", m.Get("channel").String()+":"+m.Get("thread_ts").String()
	default:
		t.verb = "post"
	}
	return t, true
}

func readPager(_ *http.Request, asked, _ []byte) (take, bool) {
	e := gjson.ParseBytes(asked)
	t := take{
		vendor: "pagerduty", verb: e.Get("event_action").String(), ref: e.Get("dedup_key").String(),
		key: e.Get("payload.custom_details.Message").String(), to: e.Get("routing_key").String(),
	}
	t.alert = alertOf(t.ref)
	if t.alert == 0 { // what is about no single alert has a key of its own
		t.key = strings.TrimPrefix(t.ref, "tocsin-")
	}
	return t, true
}

// alertOf is the alert that a key of ours names, "tocsin-12-1772932800000".
func alertOf(key string) int64 {
	rest, ok := strings.CutPrefix(key, "tocsin-")
	number, _, isAlert := strings.Cut(rest, "-")
	id, err := strconv.ParseInt(number, 10, 64)
	if !ok || !isAlert || err != nil {
		return 0
	}
	return id
}

// messageIDs are those of messages, where they stand in a text.
var messageIDs = regexp.MustCompile(`msg_[0-9a-f]{24}`)

func readJira(r *http.Request, asked, answered []byte) (take, bool) {
	body := gjson.ParseBytes(asked)
	t := take{vendor: "jira", to: "SEC"}
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/issue"):
		t.verb, t.ref = "create", gjson.GetBytes(answered, "key").String()
		t.key = body.Get(`fields.labels.#(%"tocsin-*")`).String()
		t.alert = alertOf(t.key)
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/comment"):
		t.verb, t.key = "comment", messageIDs.FindString(string(asked))
		t.ref = strings.Split(r.URL.Path, "/")[5]
	default:
		return take{}, false
	}
	return t, true
}

func readTwilio(_ *http.Request, asked, answered []byte) (take, bool) {
	form, err := url.ParseQuery(string(asked))
	if err != nil {
		return take{}, false
	}
	t := take{vendor: "twilio", verb: "sms", ref: gjson.GetBytes(answered, "sid").String(), to: form.Get("To"), kind: "opened"}
	if callback, err := url.Parse(form.Get("StatusCallback")); err == nil {
		t.alert = twilio.AlertOf(callback.Query())
	}
	return t, true
}

// A mailbox is a mail server, and one address of it that there is not.
type mailbox struct {
	v       *vendors
	address string
	server  *smtp.Server
}

func newMailbox(t testing.TB, v *vendors) *mailbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &mailbox{v: v, address: l.Addr().String()}
	b.server = smtp.NewServer(b)
	b.server.Domain, b.server.ErrorLog = "mail.example.com", unread{}
	go func() {
		if err := b.server.Serve(l); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { _ = b.server.Close() })
	return b
}

// unread is a log of senders that were killed.
type unread struct{}

func (unread) Printf(string, ...any) {}
func (unread) Println(...any)        {}

func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailing{v: b.v}, nil }

// A mailing is one connection.
type mailing struct {
	v  *vendors
	to string
}

func (m *mailing) Mail(string, *smtp.MailOptions) error { return nil }

func (m *mailing) Rcpt(to string, _ *smtp.RcptOptions) error {
	if to == bounces {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	m.to = to
	return nil
}

// acknowledges finds the link in a mail that acknowledges: the first.
var acknowledges = regexp.MustCompile(`(?i)Acknowledge: https://tocsin\.example\.com/act/link/([A-Za-z0-9_-]+)`)

func (m *mailing) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	msg, err := netmail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return &smtp.SMTPError{Code: 554, Message: err.Error()}
	}
	t := take{vendor: "smtp", verb: "mail", to: m.to, ref: msg.Header.Get("Message-ID")}
	t.key = strings.Trim(t.ref, "<>")
	first, _, _ := strings.Cut(t.key, ".")
	if number, ok := strings.CutPrefix(first, "alert-"); ok {
		t.alert, _ = strconv.ParseInt(number, 10, 64)
	}
	// Quoted-printable breaks lines.
	plain := strings.NewReplacer("=\r\n", "", "=\n", "", "=3D", "=").Replace(string(text))
	if link := acknowledges.FindStringSubmatch(plain); link != nil {
		t.link = link[1]
		t.kind = "opened"
	}
	m.v.took(t)
	return nil
}

func (*mailing) Reset()        {}
func (*mailing) Logout() error { return nil }

// about names a take in a problem.
func (t take) about() string {
	return t.at.Format("15:04") + " " + t.vendor + " " + t.verb + " to " + t.to + ", " + cmp.Or(t.key, t.ref)
}
