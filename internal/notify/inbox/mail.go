package inbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// A mailMessage is a mail that was taken.
type mailMessage struct {
	N       int // its number in this inbox, from 1
	At      time.Time
	To      []string // as the envelope says
	From    string
	Subject string
	Date    string
	Thread  bool // refers to an earlier one
	Head    string
	Text    string
	HTML    string
	Before  string
}

// A MailServer takes mail into the inbox, without encryption or login: it is for
// this machine only.
type MailServer struct {
	server *smtp.Server
	closed context.Context
	end    context.CancelFunc // of closed
}

// MailServer makes the mail server of the inbox.
func (b *Inbox) MailServer() *MailServer {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &mailSession{inbox: b}, nil
	}))
	s.Domain = "inbox.demo"
	s.MaxMessageBytes = bodyMax
	s.MaxRecipients = 100
	s.ReadTimeout, s.WriteTimeout = 30*time.Second, 30*time.Second
	s.ErrorLog = quiet{}
	m := &MailServer{server: s}
	m.closed, m.end = context.WithCancel(context.Background())
	return m
}

// Serve takes mail from the listener until Close, which may have been before; it then
// returns nil.
func (s *MailServer) Serve(l net.Listener) error {
	// A Close that comes first knows of no listener that it could close.
	defer context.AfterFunc(s.closed, func() { _ = l.Close() })()
	if err := s.server.Serve(l); err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	return nil
}

// Close ends Serve and every conversation.
func (s *MailServer) Close() error {
	defer s.end()
	return s.server.Close()
}

// quiet is a logger that says nothing: a client that hangs up is not worth a
// line.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

type mailSession struct {
	inbox *Inbox
	to    []string
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error {
	s.to = nil
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	switch status, _ := s.inbox.knock("email", nil); {
	case status == 0:
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later, as this demonstration was asked to say"}
	default:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "refused, as this demonstration was asked to say"}
	}
	m, err := readMail(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "this is not a mail"}
	}
	m.To, m.At = s.to, s.inbox.now()
	b := s.inbox
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mailSeq++
	m.N, m.Before = b.mailSeq, b.took("email")
	b.mails = push(b.mails, m, b.keep)
	return nil
}

func (s *mailSession) Reset()        { s.to = nil }
func (s *mailSession) Logout() error { return nil }

// readMail reads a mail's headers and its text and HTML.
func readMail(raw []byte) (*mailMessage, error) {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	m := &mailMessage{
		Head: strings.ReplaceAll(string(head), "\r\n", "\n"), Date: msg.Header.Get("Date"),
		From: decoded(msg.Header.Get("From")), Subject: decoded(msg.Header.Get("Subject")),
		Thread: msg.Header.Get("In-Reply-To") != "",
	}
	m.parts(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body, 0)
	return m, nil
}

func decoded(header string) string {
	if text, err := new(mime.WordDecoder).DecodeHeader(header); err == nil {
		return text
	}
	return header
}

// parts keeps the first text and the first HTML within a part of the mail.
func (m *mailMessage) parts(contentType, encoding string, body io.Reader, depth int) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") && depth < 4 {
		r := multipart.NewReader(body, params["boundary"])
		for {
			p, err := r.NextRawPart()
			if err != nil {
				return
			}
			m.parts(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, depth+1)
		}
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(io.LimitReader(body, bodyMax))
	if err != nil {
		return
	}
	switch {
	case kind == "text/html" && m.HTML == "":
		m.HTML = string(text)
	case kind == "text/plain" && m.Text == "":
		m.Text = strings.ReplaceAll(string(text), "\r\n", "\n")
	}
}

// mailFrame is the HTML of one mail, for the page's sandboxed frame. It may run
// nothing, load nothing and send nothing; links open a new window.
func (b *Inbox) mailFrame(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	b.mu.Lock()
	var page string
	for _, m := range b.mails {
		if m.N == n {
			page = m.HTML
		}
	}
	b.mu.Unlock()
	if page == "" {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "+
		"frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	io.WriteString(w, strings.Replace(page, "<head>", `<head><base target="_blank">`, 1))
}
