package email

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const password = "correct-horse-battery-staple"

// A mailServer is a real SMTP server that answers as told.
type mailServer struct {
	answer notifytest.Answer
	closed *smtp.SMTPError // what it says to MAIL, if anything

	mu     sync.Mutex                 // guards what follows
	refuse map[string]*smtp.SMTPError // by recipient
	taken  []notifytest.Taken
	to     [][]string
	login  []string
}

type session struct {
	s  *mailServer
	to []string
}

func (s *mailServer) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{s: s}, nil }

func (x *session) Mail(string, *smtp.MailOptions) error {
	if x.s.closed != nil {
		return x.s.closed
	}
	x.to = nil
	return nil
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if err := x.s.refuse[to]; err != nil {
		return err
	}
	x.to = append(x.to, to)
	return nil
}

func (x *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if status := x.s.answer.Status; status != 0 {
		code, said := 451, "try again later"
		if status >= 400 && status < 500 && status != 408 && status != 425 && status != 429 {
			code, said = 550, "no"
		}
		if x.s.answer.Echo {
			said += " for " + password + "\x1b[31m " + "https://evil.example/"
		}
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: said}
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	msg, err := netmail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		return err
	}
	x.s.taken = append(x.s.taken, notifytest.Taken{Header: http.Header(msg.Header), Body: body})
	x.s.to = append(x.s.to, x.to)
	return nil
}

func (x *session) Reset()        {}
func (x *session) Logout() error { return nil }

func (x *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (x *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, pass string) error {
		x.s.mu.Lock()
		defer x.s.mu.Unlock()
		x.s.login = append(x.s.login, user+":"+pass)
		if pass != password {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

// serve starts the server and returns its address and the file with the
// certificate that it shows.
func (s *mailServer) serve(t *testing.T, how mode) (address, caFile string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	if s.answer.Hang {
		// It takes the connection and never greets.
		t.Cleanup(func() { listener.Close() })
		_, caFile = certificate(t)
		return address, caFile
	}
	cert, caFile := certificate(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	server := smtp.NewServer(s)
	server.Domain, server.ErrorLog = "mail.example.com", silent{}
	switch how {
	case startTLS:
		server.TLSConfig = config
	case implicitTLS:
		listener = tls.NewListener(listener, config)
	case noTLS:
		server.AllowInsecureAuth = true
	}
	go func() {
		if err := server.Serve(listener); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return address, caFile
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

var madeOnce = sync.OnceValues(makeCertificate)

// certificate is one for 127.0.0.1, and a file to trust it by.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	cert, err := madeOnce()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return cert, file
}

func makeCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func (s *mailServer) received() []notifytest.Taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]notifytest.Taken(nil), s.taken...)
}

func settings(address, caFile string) Config {
	return Config{
		To: []string{"Alice Example <alice@example.com>", "bob@example.com"}, From: "tocsin <tocsin@example.com>",
		SMTP: address, Username: "tocsin", Password: secret.New(password), CAFile: caFile,
	}
}

func opened(t *testing.T, c Config) *notifier {
	t.Helper()
	return notifytest.Open(t, open, c).(*notifier)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		Secrets: []string{password},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			s := &mailServer{answer: a}
			return opened(t, settings(s.serve(t, startTLS))), s.received
		},
		Key: func(got notifytest.Taken) string { return netmail.Header(got.Header).Get("Message-ID") },
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			head(t, netmail.Header(got.Header))
			text, page := parts(t, got)
			if !strings.HasPrefix(text, notify.FirstLine(m)+"\n") {
				t.Errorf("the plain part begins with %.200q", text)
			}
			if len(text) > 32<<10 || len(page) > 100<<10 {
				// Gmail cuts a mail off at 102 KB.
				t.Errorf("the parts are %d and %d bytes long", len(text), len(page))
			}
			tags(t, m, page)
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string {
			text, page := parts(t, got)
			subject, err := new(mime.WordDecoder).DecodeHeader(netmail.Header(got.Header).Get("Subject"))
			if err != nil {
				t.Fatal(err)
			}
			shown := []string{subject, text}
			// Mail programs look for links within one text; a tag ends it.
			for _, between := range tag.Split(style.ReplaceAllString(page, ""), -1) {
				shown = append(shown, html.UnescapeString(between))
			}
			return shown
		},
	})
}

// head wants each header once and none that is not ours.
func head(t *testing.T, h netmail.Header) {
	t.Helper()
	want := map[string]bool{
		"Auto-Submitted": true, "Content-Type": true, "Date": true, "From": true, "List-Id": true, "Message-Id": true,
		"Mime-Version": true, "Subject": true, "To": true, "X-Auto-Response-Suppress": true,
		"In-Reply-To": true, "References": true,
		"Received": true, "Return-Path": true,
	}
	for name, values := range h {
		if !want[name] || len(values) != 1 {
			t.Errorf("header %s: %q", name, values)
		}
		for _, v := range values {
			if len(v) > 1500 {
				t.Errorf("header %s is %d bytes long", name, len(v))
			}
		}
	}
	if h.Get("Auto-Submitted") != "auto-generated" || h.Get("X-Auto-Response-Suppress") != "All" || h.Get("List-Id") != "<payments-oncall.example.com>" {
		t.Errorf("headers %v", h)
	}
	if to, err := h.AddressList("To"); err != nil || len(to) != 2 {
		t.Errorf("To = %v, %v", to, err)
	}
}

// parts are the plain text and the HTML of a mail.
func parts(t *testing.T, got notifytest.Taken) (text, page string) {
	t.Helper()
	msg, err := netmail.ReadMessage(bytes.NewReader(got.Body))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("Content-Type %s, %v", kind, err)
	}
	r := multipart.NewReader(msg.Body, params["boundary"])
	var bodies, kinds []string
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, strings.ReplaceAll(string(body), "\r\n", "\n"))
		kinds = append(kinds, p.Header.Get("Content-Type"))
	}
	if len(bodies) != 2 || !strings.HasPrefix(kinds[0], "text/plain") || !strings.HasPrefix(kinds[1], "text/html") {
		t.Fatalf("parts %q, want text/plain, then text/html", kinds)
	}
	return bodies[0], bodies[1]
}

var (
	tag   = regexp.MustCompile(`<[^>]*>`)
	style = regexp.MustCompile(`(?s)<style>.*?</style>`)
	href  = regexp.MustCompile(`(?i)href="([^"]*)"`)
)

// tags wants no tags but those of the template, no handlers, and no links but
// ours.
func tags(t *testing.T, m notify.Message, page string) {
	t.Helper()
	known := regexp.MustCompile(`^</?(?:!DOCTYPE|html|head|meta|title|style|body|div|table|tr|td|h1|p|a|strong|span|br)\b`)
	for _, found := range tag.FindAllString(style.ReplaceAllString(page, ""), -1) {
		if !known.MatchString(found) || strings.Contains(strings.ToLower(found), " on") || strings.Contains(found, "url(") && !strings.Contains(found, "<meta") {
			t.Errorf("tag %s", found)
		}
	}
	ours := []string{m.AlertURL, notify.ConsoleLink(m), notify.DocumentationLink(m)}
	for _, a := range m.Actions {
		ours = append(ours, a.URL)
	}
	for _, item := range m.Digest {
		ours = append(ours, item.URL)
	}
	for _, found := range href.FindAllStringSubmatch(page, -1) {
		if url := html.UnescapeString(found[1]); !slices.Contains(ours, url) {
			t.Errorf("link to %s", url)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	n := opened(t, Config{To: []string{"alice@example.com"}, From: "tocsin@example.com", SMTP: "127.0.0.1:25"})
	for _, c := range append(notifytest.Cases(t), inThread(t)...) {
		t.Run(c.Name, func(t *testing.T) {
			to, err := n.recipients(c.Message)
			if err != nil {
				t.Fatal(err)
			}
			msg, err := n.compose(c.Message, to)
			if err != nil {
				t.Fatal(err)
			}
			var raw bytes.Buffer
			if _, err := msg.WriteTo(&raw); err != nil {
				t.Fatal(err)
			}
			got := notifytest.Taken{Body: raw.Bytes()}
			text, page := parts(t, got)
			tags(t, c.Message, page)
			head, _, _ := strings.Cut(raw.String(), "\r\n\r\n")
			notifytest.Golden(t, c.Name+".txt", []byte(strings.ReplaceAll(head, "\r\n", "\n")+"\n\n"+text))
			notifytest.Golden(t, c.Name+".html", []byte(page))
		})
	}
}

// inThread are messages to somebody who has the alert's first mail.
func inThread(t *testing.T) []notifytest.Case {
	t.Helper()
	var cases []notifytest.Case
	for _, c := range notifytest.Messages() {
		switch c.Name {
		case "updated", "acknowledged", "changed-snoozed", "closed-archived":
			c.Name += "-in-its-thread"
			c.Message.Ref = "<alert-4821.0123456789abcdef01234567@example.com>"
			cases = append(cases, c)
		}
	}
	if len(cases) != 4 {
		t.Fatalf("%d cases, want 4", len(cases))
	}
	return cases
}

func TestAPersonIsToldAlone(t *testing.T) {
	t.Parallel()
	s := &mailServer{}
	c := settings(s.serve(t, startTLS))
	m := notifytest.Messages()[0].Message
	m.To, m.Person = "Carol@Example.com", "carol"
	for _, to := range [][]string{c.To, nil} {
		c.To = to
		if _, err := opened(t, c).Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := s.told(), "Carol, then Carol"; got != want {
		t.Errorf("mails went to %s; want %s", got, want)
	}
	if to := netmail.Header(s.received()[0].Header).Get("To"); to != "<Carol@example.com>" {
		t.Errorf("To: %s", to)
	}
}

func TestNobodyToTell(t *testing.T) {
	t.Parallel()
	c := Config{From: "tocsin@example.com", SMTP: "127.0.0.1:1", TLS: "none"}
	m := notifytest.Messages()[0].Message
	for to, want := range map[string]string{
		"":          "email: the message is for nobody: it names no person, and to: is not set",
		"U012AB3CD": `email: "U012AB3CD" is not a mail address; want one such as ana@example.com`,
	} {
		m.To = to
		if _, err := opened(t, c).Notify(t.Context(), m); err == nil || err.Error() != want || !notify.IsPermanent(err) {
			t.Errorf("to %q: Notify = %v, permanent %v; want %s, permanent", to, err, notify.IsPermanent(err), want)
		}
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	const no, bad = " is not a mail address; want one such as ana@example.com", ": want a mail address of at most 254 plain letters, such as ana@example.com"
	for _, tt := range []struct{ name, text, want, err string }{
		{"plain", "ana@example.com", "ana@example.com", ""},
		{"with a name", "Ana Example <ana+alerts@Example.COM>", "ana+alerts@example.com", ""},
		{"with spaces", "  ana@example.com ", "ana@example.com", ""},
		{"two", "ana@example.com, bo@example.com", "", `"ana@example.com, bo@example.com"` + no},
		{"none", "ana", "", `"ana"` + no},
		{"with a header", "ana@example.com\r\nBcc: x@evil.example", "", `"ana@example.com Bcc: x@evil.example"` + no},
		{"quoted, which may hold a command", `"a> SIZE=1"@example.com`, "", `"\"a> SIZE=1\"@example.com"` + bad},
		{"in another script", "ána@example.com", "", `"ána@example.com"` + bad},
		{"a host in numbers", "ana@[127.0.0.1]", "", `"ana@[127.0.0.1]"` + bad},
		{"too long", strings.Repeat("a", 250) + "@example.com", "", `"` + strings.Repeat("a", 59) + `…"` + bad},
		{"nothing", "", "", `""` + no},
	} {
		got, err := Kind.Address(tt.text)
		said := ""
		if err != nil {
			said = err.Error()
		}
		if got != tt.want || said != tt.err {
			t.Errorf("%s: Address(%q) = %q, %q; want %q, %q", tt.name, tt.text, got, said, tt.want, tt.err)
		}
	}
}

// What was said in the first mail is not said again, and what is new is.
func TestInAThreadTheDifferenceIsSaid(t *testing.T) {
	t.Parallel()
	for _, c := range inThread(t) {
		page := newPage(c.Message, notifytest.Now())
		page.Thread = true
		text := page.text()
		if brief := !strings.Contains(text, "First step:"); brief != (c.Message.Kind == tocsin.TellAcknowledged || c.Message.Kind == tocsin.TellChanged) {
			t.Errorf("%s: brief %v:\n%s", c.Name, brief, text)
		}
		if changes := notify.Changes(c.Message); !strings.Contains(text, "What changed: "+changes) {
			t.Errorf("%s does not say what changed (%s):\n%s", c.Name, changes, text)
		}
	}
}

func TestALongDigestIsCut(t *testing.T) {
	t.Parallel()
	first := notifytest.Messages()[0].Message
	m := notify.Message{ID: "d", Kind: tocsin.TellDigest}
	for range 120 {
		m.Digest = append(m.Digest, notify.Item{Alert: first.Alert, Account: first.Account, URL: first.AlertURL})
	}
	page := newPage(m, notifytest.Now())
	text := page.text()
	if n := strings.Count(text, "#4821 https://tocsin.example.com/alerts/4821"); n != itemsMost || !strings.Contains(text, "and 70 more") {
		t.Errorf("%d alerts are listed:\n%s", n, text)
	}
}

func TestEncryptionAndLogin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, setting string
		how           mode
	}{
		{"STARTTLS", "starttls", startTLS}, {"TLS from the first byte", "tls", implicitTLS}, {"none, on this machine", "none", noTLS},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &mailServer{}
			c := settings(s.serve(t, tt.how))
			c.TLS = tt.setting
			ref, err := opened(t, c).Notify(t.Context(), notifytest.Messages()[0].Message)
			if err != nil {
				t.Fatal(err)
			}
			got := s.received()
			if len(got) != 1 || len(s.login) != 1 || s.login[0] != "tocsin:"+password {
				t.Fatalf("%d mails, logins %q", len(got), s.login)
			}
			if id := netmail.Header(got[0].Header).Get("Message-ID"); id != ref {
				t.Errorf("Notify = %q, the Message-ID is %q", ref, id)
			}
		})
	}
}

func TestNothingIsSentInClearUnasked(t *testing.T) {
	t.Parallel()
	s := &mailServer{}
	address, caFile := s.serve(t, noTLS) // a server that offers no STARTTLS, or one in between that hides it
	_, err := opened(t, settings(address, caFile)).Notify(t.Context(), notifytest.Messages()[0].Message)
	if err == nil || len(s.received()) != 0 || len(s.login) != 0 {
		t.Errorf("Notify = %v; %d mails, logins %q", err, len(s.received()), s.login)
	}

	stranger := &mailServer{}
	address, _ = stranger.serve(t, startTLS)
	c := settings(address, "")
	_, err = opened(t, c).Notify(t.Context(), notifytest.Messages()[0].Message)
	if err == nil || len(stranger.received()) != 0 || len(stranger.login) != 0 {
		t.Errorf("with a certificate that nobody vouches for: Notify = %v; %d mails, logins %q", err, len(stranger.received()), stranger.login)
	}
}

var (
	gone  = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.NoEnhancedCode, Message: "no such user"}
	later = &smtp.SMTPError{Code: 450, EnhancedCode: smtp.NoEnhancedCode, Message: "greylisted"}
)

// says makes the server say that of a recipient from now on; nil lets it in.
func (s *mailServer) says(to string, err *smtp.SMTPError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse == nil {
		s.refuse = map[string]*smtp.SMTPError{}
	}
	s.refuse[to] = err
}

// told are the recipients of each mail that the server took.
func (s *mailServer) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var mails []string
	for _, to := range s.to {
		mails = append(mails, strings.Join(to, "+"))
	}
	return strings.ReplaceAll(strings.Join(mails, ", then "), "@example.com", "")
}

func TestRecipientsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		alice, bob *smtp.SMTPError
		ok         bool
		permanent  bool
		logged     string
	}{
		{"one is gone", gone, nil, true, false, "no such user"},
		{"all are gone", gone, gone, false, true, ""},
		{"one is gone, the other to come back", gone, later, false, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &mailServer{}
			s.says("alice@example.com", tt.alice)
			s.says("bob@example.com", tt.bob)
			n := opened(t, settings(s.serve(t, startTLS)))
			var logged bytes.Buffer
			n.log = slog.New(slog.NewTextHandler(&logged, nil))
			ref, err := n.Notify(t.Context(), notifytest.Messages()[0].Message)
			if (err == nil) != tt.ok || notify.IsPermanent(err) != tt.permanent || (ref != "") != tt.ok {
				t.Errorf("Notify = %q, %v, permanent %v; want ok %v, permanent %v", ref, err, notify.IsPermanent(err), tt.ok, tt.permanent)
			}
			if !strings.Contains(logged.String(), tt.logged) {
				t.Errorf("the log is %q, want %q in it", logged.String(), tt.logged)
			}
			if tt.ok && (len(s.received()) != 1 || len(s.to[0]) != 1) {
				t.Errorf("mails %d, to %v", len(s.received()), s.to)
			}
		})
	}
}

// A greylist defers who is new to it. Nobody else is to get the mail again for
// that, and nobody is to go without.
func TestDeferredRecipientsAreTriedOnTheirOwn(t *testing.T) {
	t.Parallel()
	type attempt struct {
		bob     *smtp.SMTPError // what the server says of bob; alice is welcome
		later   time.Duration   // passes before
		restart bool            // before
		want    string          // of the error, "" is none
	}
	for _, tt := range []struct {
		name     string
		attempts []attempt
		told     string
		logged   string
	}{
		{"let in at the third attempt", []attempt{
			{bob: later, want: "email: 1 have it, 1 are to get it yet: bob@example.com: 127.0.0.1: 450 greylisted"},
			{bob: later, later: time.Minute, want: "email: 1 have it, 1 are to get it yet: bob@example.com: 127.0.0.1: 450 greylisted"},
			{later: time.Minute},
		}, "alice, then bob", ""},
		{"gone after all", []attempt{
			{bob: later, want: "email: 1 have it, 1 are to get it yet: bob@example.com: 127.0.0.1: 450 greylisted"},
			{bob: gone, later: time.Minute},
		}, "alice", "bob@example.com: 127.0.0.1: 550 no such user"},
		{"not let in within the hour", []attempt{
			{bob: later, want: "email: 1 have it, 1 are to get it yet: bob@example.com: 127.0.0.1: 450 greylisted"},
			{bob: later, later: time.Hour},
		}, "alice", "bob@example.com: 127.0.0.1: 450 greylisted"},
		{"a restart in between, which sends twice rather than not at all", []attempt{
			{bob: later, want: "email: 1 have it, 1 are to get it yet: bob@example.com: 127.0.0.1: 450 greylisted"},
			{restart: true},
		}, "alice, then alice+bob", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &mailServer{}
			c := settings(s.serve(t, startTLS))
			now := notifytest.Now()
			var logged bytes.Buffer
			start := func() *notifier {
				n := opened(t, c)
				n.now = func() time.Time { return now }
				n.log = slog.New(slog.NewTextHandler(&logged, nil))
				return n
			}
			n := start()
			for i, a := range tt.attempts {
				if a.restart {
					n = start()
				}
				now = now.Add(a.later)
				s.says("bob@example.com", a.bob)
				ref, err := n.Notify(t.Context(), notifytest.Messages()[0].Message)
				got := ""
				if err != nil {
					got = err.Error()
				}
				if got != a.want || notify.IsPermanent(err) || (ref == "") != (err != nil) {
					t.Errorf("attempt %d: Notify = %q, %v, permanent %v; want error %q, not permanent", i+1, ref, err, notify.IsPermanent(err), a.want)
				}
			}
			if got := s.told(); got != tt.told {
				t.Errorf("mails went to %s; want %s", got, tt.told)
			}
			if got := logged.String(); (got == "") != (tt.logged == "") || !strings.Contains(got, tt.logged) {
				t.Errorf("the log is %q, want %q in it", got, tt.logged)
			}
			if len(n.partly.messages) != 0 {
				t.Errorf("%d messages are remembered after the last attempt, want none", len(n.partly.messages))
			}
		})
	}
}

func TestWhoHasAMessageIsRememberedWithinBounds(t *testing.T) {
	t.Parallel()
	var p partly
	to := []*netmail.Address{{Address: "alice@example.com"}, {Address: "bob@example.com"}}
	for i := range partlyMost + 1 {
		p.add(fmt.Sprint(i), []string{"alice@example.com"}, notifytest.Now().Add(time.Duration(i)*time.Second))
	}
	for id, want := range map[string]int{"0": 2, "1": 1, fmt.Sprint(partlyMost): 1} {
		if got := p.missing(id, to); len(got) != want {
			t.Errorf("message %s is still for %v, want %d", id, got, want)
		}
	}
}

// The operator mends these, so the mail waits.
func TestWhoMayNotLogInTriesAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		password string
		closed   *smtp.SMTPError
		want     string
	}{
		{"a wrong password", "hunter2-hunter2", nil, "email: 127.0.0.1: log in: 535 "},
		{"a server that wants a login", "", &smtp.SMTPError{Code: 530, EnhancedCode: smtp.NoEnhancedCode, Message: "Authentication required"}, "email: 127.0.0.1: 530 Authentication required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &mailServer{closed: tt.closed}
			c := settings(s.serve(t, startTLS))
			c.Password = secret.New(tt.password)
			if tt.password == "" {
				c.Username = ""
			}
			_, err := opened(t, c).Notify(t.Context(), notifytest.Messages()[0].Message)
			if err == nil || notify.IsPermanent(err) || strings.Contains(err.Error(), "hunter2") || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("Notify = %v, permanent %v; want %q, to be tried again, without the password", err, notify.IsPermanent(err), tt.want)
			}
		})
	}
}

func TestMessagesOfOneAlertMakeAThread(t *testing.T) {
	t.Parallel()
	s := &mailServer{}
	n := opened(t, settings(s.serve(t, startTLS)))
	first := notifytest.Messages()[0].Message
	ref, err := n.Notify(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	closed := first
	closed.ID, closed.Kind, closed.Ref, closed.Alert.CloseReason = "another", "closed", ref, "archived"
	again, err := n.Notify(t.Context(), closed)
	if err != nil {
		t.Fatal(err)
	}
	if again != ref {
		t.Errorf("the closing's reference is %q, want the opening's %q", again, ref)
	}
	got := s.received()
	a, b := netmail.Header(got[0].Header), netmail.Header(got[1].Header)
	if b.Get("In-Reply-To") != ref || b.Get("References") != ref || b.Get("Message-ID") == ref {
		t.Errorf("the closing has In-Reply-To %q, References %q, Message-ID %q; the opening is %q", b.Get("In-Reply-To"), b.Get("References"), b.Get("Message-ID"), ref)
	}
	if want := "Re: " + a.Get("Subject"); b.Get("Subject") != want {
		t.Errorf("the closing's subject is %q, want %q", b.Get("Subject"), want)
	}
	if want := "[tocsin][CRITICAL] prod-payments eu-west-1: EC2 i-0abc123def456789a (web-1) is calling a C2 server (#4821)"; a.Get("Subject") != want {
		t.Errorf("subject %q, want %q", a.Get("Subject"), want)
	}
}

func TestAForgedReferenceIsNoHeader(t *testing.T) {
	t.Parallel()
	for _, ref := range []string{"<a@b>\r\nBcc: x@evil.example", "a@b", "<a b@c>", "<a@b> <c@d>", "<é@b>", "first-ref"} {
		if got := reference(ref); got != "" {
			t.Errorf("reference(%q) = %q, want none", ref, got)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	good := Config{To: []string{"a@example.com"}, From: "b@example.com", SMTP: "smtp.example.com:587"}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"good", func(*Config) {}, ""},
		{"people alone", func(c *Config) { c.To = nil }, ""},
		{"a bad address", func(c *Config) { c.To = []string{"a@example.com\r\nBcc: x@y"} }, `to: "a@example.com\r\nBcc: x@y" is not a mail address`},
		{"no sender", func(c *Config) { c.From = "" }, `from: "" is not a mail address`},
		{"no port", func(c *Config) { c.SMTP = "smtp.example.com" }, `smtp: "smtp.example.com" is not host:port, such as smtp.example.com:587`},
		{"in clear over the network", func(c *Config) { c.TLS = "none" }, "tls: none would send findings to smtp.example.com in clear; use starttls, or set insecure: true"},
		{"in clear and meant", func(c *Config) { c.TLS, c.Insecure = "none", true }, ""},
		{"in clear on this machine", func(c *Config) { c.TLS, c.SMTP = "none", "localhost:25" }, ""},
		{"an unknown way", func(c *Config) { c.TLS = "ssl" }, `tls: "ssl" is none of starttls, tls, none`},
		{"a password of nobody", func(c *Config) { c.Password = secret.New("x") }, "username: is not set, but password is"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := good
			tt.change(&c)
			got := ""
			if _, err := open(c, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
		})
	}
}
