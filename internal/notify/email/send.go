package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

// timeout is for the whole conversation with the server, where ctx has no
// earlier end.
const timeout = 30 * time.Second

// An outcome is what became of a mail that the server could be asked to take.
type outcome struct {
	told     []string // addresses
	refused  []error  // who will not get it: 5xx
	deferred []error  // who may get it later: 4xx, as of a greylist or a full mailbox
}

// judge says whether the message is to be tried again: nil if not. has is who has
// it after all attempts.
func (o outcome) judge(has taken, now time.Time) error {
	said := o.refusals()
	switch some := len(has.by) > 0; {
	case len(o.deferred) > 0 && some && now.Sub(has.since) < stragglers:
		return fmt.Errorf("%d have it, %d are to get it yet: %s", len(has.by), len(o.deferred), said)
	case len(o.deferred) > 0 && !some:
		return errors.New(said)
	case !some:
		return notify.Permanent(errors.New(said))
	}
	return nil
}

// refusals are what the server said of those who do not have the mail, on one
// line and of the first few.
func (o outcome) refusals() string {
	const few = 3
	var said []string
	for i, err := range slices.Concat(o.deferred, o.refused) {
		if i == few {
			said = append(said, fmt.Sprintf("%d more", len(o.deferred)+len(o.refused)-few))
			break
		}
		said = append(said, err.Error())
	}
	return strings.Join(said, "; ")
}

// send hands the mail to the server for those in to.
func (n *notifier) send(ctx context.Context, msg *mail.Msg, to []*netmail.Address) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	o, err := n.converse(ctx, msg, to)
	if err == nil {
		return o, nil
	}
	if cause := ctx.Err(); cause != nil {
		return outcome{}, fmt.Errorf("%s: %w", n.host, cause)
	}
	return outcome{}, n.classify(err)
}

// loginError says that the server would not let us in. It is never permanent,
// whatever the code: the operator mends the password, and the mail still goes out.
type loginError struct{ error }

func (e loginError) Error() string { return "log in: " + e.error.Error() }
func (e loginError) Unwrap() error { return e.error }

// loginCodes are the replies that say so, to any command (RFC 4954, section 6).
var loginCodes = []int{530, 534, 535, 538}

// lasting reports whether a reply will be the same however often it is asked for
// (RFC 5321, section 4.2.1).
func lasting(code int) bool { return code >= 500 && !slices.Contains(loginCodes, code) }

// classify makes an error of the server's that no retry mends permanent. The
// server's words are cleaned; the password is in none of them, since it is sent
// encoded, but a server may say anything.
func (n *notifier) classify(err error) error {
	reply, ok := errors.AsType[*textproto.Error](err)
	if !ok {
		return fmt.Errorf("%s: %w", n.host, err)
	}
	clean := fmt.Errorf("%d %s", reply.Code, notify.Said(reply.Msg, n.password))
	if _, ok := errors.AsType[loginError](err); ok {
		return fmt.Errorf("%s: %w", n.host, loginError{clean})
	}
	clean = fmt.Errorf("%s: %w", n.host, clean)
	if lasting(reply.Code) {
		return notify.Permanent(clean)
	}
	return clean
}

// converse does one SMTP conversation. go-mail's own Send gives up when one
// recipient is refused, so the commands are given here.
func (n *notifier) converse(ctx context.Context, msg *mail.Msg, to []*netmail.Address) (o outcome, err error) {
	client, err := n.dial(ctx)
	if err != nil {
		return o, err
	}
	defer func() { _ = client.Close() }()
	if err := client.Mail("<" + n.from.Address + ">"); err != nil {
		return o, err
	}
	for _, a := range to {
		err := client.Rcpt("<" + a.Address + ">")
		if err == nil {
			o.told = append(o.told, a.Address)
			continue
		}
		reply, ok := errors.AsType[*textproto.Error](err)
		if !ok {
			return o, err
		}
		said := fmt.Errorf("%s: %w", a.Address, n.classify(err))
		if lasting(reply.Code) {
			o.refused = append(o.refused, said)
		} else {
			o.deferred = append(o.deferred, said)
		}
	}
	if len(o.told) > 0 {
		if err := data(client, msg); err != nil {
			return o, err
		}
	}
	// That the server may not say goodbye changes nothing.
	_ = client.Quit()
	return o, nil
}

// data hands over the mail itself. Once it returns nil the server has it.
func data(client *smtp.Client, msg *mail.Msg) error {
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := msg.WriteTo(w); err != nil {
		return err
	}
	return w.Close()
}

// dial connects, encrypts and logs in.
func (n *notifier) dial(ctx context.Context) (*smtp.Client, error) {
	options := []mail.Option{
		mail.WithPort(n.port), mail.WithTLSConfig(n.tls), mail.WithTimeout(timeout), mail.WithHELO(n.hello()),
		mail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			conn, err := n.connect(dialing, network, address)
			if err == nil {
				// The library knows no context once it is connected.
				context.AfterFunc(ctx, func() { conn.Close() })
			}
			return conn, err
		}),
	}
	switch n.mode {
	case startTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	default:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS)) // connect has done it, or nobody does
	}
	c, err := mail.NewClient(n.host, options...)
	if err != nil {
		return nil, notify.Permanent(err)
	}
	client, err := c.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return nil, err
	}
	if err := n.logIn(client); err != nil {
		_ = client.Close()
		return nil, loginError{err}
	}
	return client, nil
}

// hello is the name that we greet the server with: the sender's domain, since
// the machine's own name is nobody's business.
func (n *notifier) hello() string {
	if n.domain == "" {
		return "localhost"
	}
	return n.domain
}

// connect opens the connection, encrypted where TLS is spoken from the first
// byte.
func (n *notifier) connect(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if n.mode == implicitTLS {
		secure := tls.Client(conn, n.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return secure, nil
	}
	return conn, nil
}

// logIn authenticates with the best way that both sides know. A password goes
// in clear only where the configuration says that nothing is encrypted.
func (n *notifier) logIn(client *smtp.Client) error {
	if n.username == "" {
		return nil
	}
	_, offered := client.Extension("AUTH")
	ways := strings.Fields(strings.ToUpper(offered))
	password, inClear := n.password.Reveal(), n.mode == noTLS
	var auth smtp.Auth
	switch {
	case slices.Contains(ways, "SCRAM-SHA-256"):
		auth = smtp.ScramSHA256Auth(n.username, password)
	case slices.Contains(ways, "PLAIN"):
		auth = smtp.PlainAuth("", n.username, password, n.host, inClear)
	case slices.Contains(ways, "LOGIN"):
		auth = smtp.LoginAuth(n.username, password, n.host, inClear)
	case slices.Contains(ways, "CRAM-MD5"):
		auth = smtp.CRAMMD5Auth(n.username, password)
	default:
		return fmt.Errorf("the server offers no way to log in that is known here (it offers %q)", notify.Clean(offered))
	}
	return client.Auth(auth)
}
