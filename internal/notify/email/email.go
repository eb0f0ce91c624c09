// Package email tells people by e-mail, over SMTP
// (RFC 5321): plain text first, then HTML.
//
// Messages of one alert to one address make one thread: later ones refer to the
// first one's Message-ID and keep its subject, except that an alert that got worse
// says so; they begin with what is different.
package email

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	netmail "net/mail"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the e-mail notifier. A mail six hours late is of no use to anybody.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("email", "Sends e-mail over SMTP.", open)
	k.Title = "E-mail"
	k.Abilities = notify.Abilities{Threads: true, Acknowledge: true, Resolve: true, Rich: true, Limit: "100 KB of HTML, beyond which mail programs cut"}
	k.Checks = []notify.Check{{How: notify.ByCounterpart, By: "the SMTP server of emersion/go-smtp", Test: "TestEncryptionAndLogin"}}
	k.Patience = 6 * time.Hour
	k.Follows = true
	k.Address = address
	return k
}

// plainAddress is a mail address that needs neither quotes nor SMTPUTF8
// (RFC 5321, section 4.1.2: dot-string at domain).
var plainAddress = lazyregexp.New("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$")

// address reads the address of a person, with or without their name: "Ana
// <ana@Example.com>" is "ana@example.com".
func address(text string) (string, error) {
	text = notify.Clean(text)
	said := notify.Truncate(text, 60, notify.Runes)
	a, err := netmail.ParseAddress(text)
	if err != nil {
		return "", fmt.Errorf("%q is not a mail address; want one such as ana@example.com", said)
	}
	// RFC 5321, section 4.5.3.1.
	if !plainAddress.MatchString(a.Address) || strings.Contains(a.Address, "..") || len(a.Address) > 254 {
		return "", fmt.Errorf("%q: want a mail address of at most 254 plain letters, such as ana@example.com", said)
	}
	local, domain, _ := strings.Cut(a.Address, "@")
	return local + "@" + strings.ToLower(domain), nil
}

// Config are the settings of an e-mail receiver.
type Config struct {
	To            []string      `json:"to,omitempty" doc:"Addresses that are told, besides people: alice@example.com or Alice <alice@example.com>. Without it the receiver tells people alone."`
	From          string        `json:"from" doc:"Address that the mail is from."`
	SMTP          string        `json:"smtp" doc:"Mail server as host:port: smtp.example.com:587."`
	Username      string        `json:"username,omitempty" doc:"User name at the mail server; without it nobody logs in."`
	Password      secret.String `json:"password,omitzero" doc:"Password at the mail server."`
	TLS           string        `json:"tls,omitempty" doc:"starttls, which is then required; tls from the first byte (usually port 465); or none, which is for a server on this machine." default:"starttls"`
	Insecure      bool          `json:"insecure,omitempty" doc:"Allow tls: none to another machine: findings and password go over the network in clear."`
	CAFile        string        `json:"ca_file,omitempty" doc:"PEM file of certificate authorities to trust instead of the system's."`
	SubjectPrefix string        `json:"subject_prefix,omitempty" doc:"What subjects begin with, in square brackets." default:"tocsin"`
	ListID        string        `json:"list_id,omitempty" doc:"List-Id for filters in mail programs: alerts.example.com. By default it is made of the receiver's name and the domain of from."`
	Input         *notify.Input `json:"input,omitempty" doc:"The text is what an EventBridge input transformer makes of the alert's newest event, and nothing else; quotes around texts are taken off. What is about no event is the ordinary mail."`
}

// Placed reports whether the settings name addresses that are told besides people.
func (n *notifier) Placed() bool { return len(n.to) > 0 }

func open(c Config, env notify.Env) (notify.Notifier, error) {
	n := &notifier{name: env.Name, log: env.Log, now: env.Now, username: c.Username, password: c.Password}
	if err := n.addresses(c); err != nil {
		return nil, err
	}
	if err := n.server(c); err != nil {
		return nil, err
	}
	var err error
	if n.shaper, err = c.Input.Shaper(); err != nil {
		return nil, err
	}
	if n.prefix = notify.Clean(c.SubjectPrefix); n.prefix == "" {
		n.prefix = "tocsin"
	}
	if n.listID = c.ListID; n.listID == "" {
		n.listID = "<" + token(env.Name) + "." + n.domain + ">"
	} else {
		n.listID = "<" + strings.Trim(notify.Clean(n.listID), "<> ") + ">"
	}
	return n, nil
}

// addresses reads whom the mail is from and for.
func (n *notifier) addresses(c Config) error {
	from, err := netmail.ParseAddress(c.From)
	if err != nil {
		return fmt.Errorf("from: %q is not a mail address", c.From)
	}
	n.from = from
	_, n.domain, _ = strings.Cut(from.Address, "@")
	for _, text := range c.To {
		to, err := netmail.ParseAddress(text)
		if err != nil {
			return fmt.Errorf("to: %q is not a mail address", text)
		}
		n.to = append(n.to, to)
	}
	return nil
}

// server reads how the mail server is reached.
func (n *notifier) server(c Config) error {
	host, port, err := net.SplitHostPort(c.SMTP)
	if err == nil {
		n.port, err = strconv.Atoi(port)
	}
	if err != nil || host == "" || n.port < 1 || n.port > 65535 {
		return fmt.Errorf("smtp: %q is not host:port, such as smtp.example.com:587", c.SMTP)
	}
	n.host = host
	n.tls = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	switch c.TLS {
	case "", "starttls":
		n.mode = startTLS
	case "tls":
		n.mode = implicitTLS
	case "none":
		n.mode = noTLS
		if !c.Insecure && !loopback(host) {
			return fmt.Errorf("tls: none would send findings to %s in clear; use starttls, or set insecure: true", host)
		}
	default:
		return fmt.Errorf("tls: %q is none of starttls, tls, none", c.TLS)
	}
	if c.Username == "" && !c.Password.IsZero() {
		return errors.New("username: is not set, but password is")
	}
	if c.CAFile == "" {
		return nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return fmt.Errorf("ca_file: %w", err)
	}
	n.tls.RootCAs = x509.NewCertPool()
	if !n.tls.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("ca_file: %s holds no certificate", c.CAFile)
	}
	return nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

type mode int

const (
	startTLS mode = iota
	implicitTLS
	noTLS
)

type notifier struct {
	name     string
	log      *slog.Logger
	now      func() time.Time
	from     *netmail.Address
	to       []*netmail.Address // may be empty: then it tells people alone
	domain   string             // of from
	host     string
	port     int
	tls      *tls.Config
	mode     mode
	username string
	password secret.String
	prefix   string
	listID   string
	shaper   *notify.Shaper // nil: the ordinary mail
	partly   partly
}

// ReadsEvent reports whether mails are made of the event itself.
func (n *notifier) ReadsEvent() bool { return n.shaper != nil }

// Notify sends the message to the person it is for, or to every recipient of the
// settings in one go, and returns its Message-ID, or that of the first message of
// the alert that went there. Recipients that the server
// defers are an error, and the next attempt is for them alone, for an hour. It is
// a success once one of them has it and nobody is left to be tried; who will not
// get it is logged.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	to, err := n.recipients(m)
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("email: %w", err))
	}
	msg, err := n.compose(m, to)
	if err != nil {
		return "", notify.Permanent(fmt.Errorf("email: %w", err))
	}
	o, err := n.send(ctx, msg, n.partly.missing(m.ID, to))
	if err != nil {
		return "", fmt.Errorf("email: %w", err)
	}
	now := n.now()
	if err := o.judge(n.partly.add(m.ID, o.told, now), now); err != nil {
		return "", fmt.Errorf("email: %w", err)
	}
	n.partly.forget(m.ID)
	for _, r := range slices.Concat(o.refused, o.deferred) {
		n.log.WarnContext(ctx, "recipient refused", "alert", m.Alert.ID, "err", r)
	}
	if ref := reference(m.Ref); ref != "" {
		return ref, nil
	}
	return "<" + n.messageID(m) + ">", nil
}

// recipients are whom the message is for.
func (n *notifier) recipients(m notify.Message) ([]*netmail.Address, error) {
	if m.To == "" {
		if len(n.to) == 0 {
			return nil, errors.New("the message is for nobody: it names no person, and to: is not set")
		}
		return n.to, nil
	}
	to, err := address(m.To)
	if err != nil {
		return nil, err
	}
	return []*netmail.Address{{Address: to}}, nil
}

// compose makes the mail.
func (n *notifier) compose(m notify.Message, to []*netmail.Address) (*mail.Msg, error) {
	page := newPage(m, n.now())
	page.Thread = reference(m.Ref) != ""
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithEncoding(mail.EncodingQP), mail.WithBoundary(boundary(m.ID)))
	msg.FromMailAddress(n.from)
	msg.ToMailAddress(to...)
	msg.Subject(n.subject(m))
	msg.SetDateWithValue(m.At.UTC())
	msg.SetMessageIDWithValue(n.messageID(m))
	if ref := reference(m.Ref); ref != "" {
		msg.SetGenHeader(mail.HeaderInReplyTo, ref)
		msg.SetGenHeader(mail.HeaderReferences, ref)
	}
	// RFC 3834, section 5; and what Exchange looks for.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader(mail.HeaderXAutoResponseSuppress, "All")
	msg.SetGenHeader("List-Id", n.listID)
	if text, ok := n.transformed(m); ok {
		msg.SetBodyString(mail.TypeTextPlain, text)
		return msg, nil
	}
	msg.SetBodyString(mail.TypeTextPlain, page.text())
	html, err := page.html()
	if err != nil {
		return nil, err
	}
	msg.AddAlternativeString(mail.TypeTextHTML, html)
	return msg, nil
}

// transformed is what the input transformer makes of the event, if there is one. A
// mail that could not be made so is better told in our own words than not at all.
func (n *notifier) transformed(m notify.Message) (string, bool) {
	if n.shaper == nil || len(m.Event) == 0 {
		return "", false
	}
	text, err := n.shaper.Shape(m)
	if err != nil {
		n.log.Warn("mail is not what input says", "alert", m.Alert.ID, "err", err)
		return "", false
	}
	return unquoted(text), true
}

// unquoted is the result of a template of texts without the quotes around them, as
// people read it; what lies between them stays. JSON stays as it is.
func unquoted(result []byte) string {
	text := strings.TrimSpace(string(result))
	if !strings.HasPrefix(text, `"`) {
		return text + "\n"
	}
	var b strings.Builder
	for text != "" {
		open := strings.IndexByte(text, '"')
		if open < 0 {
			break
		}
		b.WriteString(text[:open])
		d := json.NewDecoder(strings.NewReader(text[open:]))
		var one string
		if d.Decode(&one) != nil {
			text = text[open:]
			break
		}
		b.WriteString(one)
		text = text[open+int(d.InputOffset()):]
	}
	return b.String() + text + "\n"
}

// subject is the same for all messages of an alert that did not get worse since,
// so that mail programs which thread by subject keep them together. Hence its
// level is the worst that the alert had, and it does not say what became of it.
// That of a message about no single alert is its first line.
func (n *notifier) subject(m notify.Message) string {
	switch m.Kind {
	case tocsin.TellDigest:
		return "[" + n.prefix + "][" + m.Look().Word + "] " + notify.FirstLine(m)
	case tocsin.TellNote, tocsin.TellCode:
		return "[" + n.prefix + "] " + notify.FirstLine(m)
	}
	level := notify.LookOf(max(m.Alert.Worst, m.Alert.Level)).Word
	place := strings.TrimSpace(notify.AccountLabel(m) + " " + notify.Region(m))
	open := "[" + n.prefix + "][" + level + "]"
	if m.Alert.Sample {
		open += "[SAMPLE]"
	}
	end := fmt.Sprintf(" (#%d)", m.Alert.ID)
	what := notify.Headline(m)
	if place != "" {
		what = place + ": " + what
	}
	subject := open + " " + notify.Truncate(what, 110, notify.Runes) + end
	if reference(m.Ref) != "" {
		subject = "Re: " + subject
	}
	return subject
}

// messageID is the same for every attempt at one notification, so that a mail
// that was taken twice can be told.
func (n *notifier) messageID(m notify.Message) string {
	sum := sha256.Sum256([]byte(n.name + "\x00" + m.ID))
	about := fmt.Sprintf("alert-%d", m.Alert.ID)
	if m.Alert.ID == 0 {
		about = string(m.Kind)
	}
	return about + "." + hex.EncodeToString(sum[:12]) + "@" + n.domain
}

// boundary parts the mail; it cannot be foreseen by who wrote the finding.
func boundary(id string) string {
	sum := sha256.Sum256([]byte("boundary\x00" + id))
	return hex.EncodeToString(sum[:16])
}

// reference is a Message-ID as it stands in a header (RFC 5322, section 3.6.4),
// or "" if ref is none.
func reference(ref string) string {
	inner, ok := strings.CutPrefix(ref, "<")
	inner, closed := strings.CutSuffix(inner, ">")
	if !ok || !closed || len(ref) > 250 || strings.Count(inner, "@") != 1 {
		return ""
	}
	for _, c := range []byte(inner) {
		if c <= ' ' || c > '~' || c == '<' || c == '>' {
			return ""
		}
	}
	return ref
}

// token is s as one label of a List-Id.
func token(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			return r
		}
		return '-'
	}, s)
	if s == "" {
		return "tocsin"
	}
	return s
}
