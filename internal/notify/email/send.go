package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
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

// send hands the mail to the server. refused are the recipients that the server
// did not take while it took others; if it took none, that is the error.
func (n *notifier) send(ctx context.Context, msg *mail.Msg) (refused []error, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	refused, err = n.converse(ctx, msg)
	if err == nil {
		return refused, nil
	}
	if cause := ctx.Err(); cause != nil {
		return nil, fmt.Errorf("%s: %w", n.host, cause)
	}
	return nil, n.classify(err)
}

// classify makes an error of the server's that no retry mends permanent: a 5xx
// reply (RFC 5321, section 4.2.1). The server's words are cleaned; the password
// is in none of them, since it is sent encoded, but a server may say anything.
func (n *notifier) classify(err error) error {
	reply, ok := errors.AsType[*textproto.Error](err)
	if !ok {
		return fmt.Errorf("%s: %w", n.host, err)
	}
	said := notify.Truncate(notify.Defang(notify.Clean(reply.Msg)), 200, notify.Runes)
	if password := n.password.Reveal(); password != "" {
		said = strings.ReplaceAll(said, password, "***")
	}
	clean := fmt.Errorf("%s: %d %s", n.host, reply.Code, said)
	if reply.Code >= 500 {
		return notify.Permanent(clean)
	}
	return clean
}

// converse does one SMTP conversation. go-mail's own Send gives up when one
// recipient is refused, so the commands are given here.
func (n *notifier) converse(ctx context.Context, msg *mail.Msg) (refused []error, err error) {
	client, err := n.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if err := client.Mail("<" + n.from.Address + ">"); err != nil {
		return nil, err
	}
	var passing error
	for _, to := range n.to {
		if err := client.Rcpt("<" + to.Address + ">"); err != nil {
			if reply, ok := errors.AsType[*textproto.Error](err); !ok {
				return nil, err
			} else if reply.Code < 500 {
				passing = err
			}
			refused = append(refused, fmt.Errorf("%s: %w", to.Address, n.classify(err)))
		}
	}
	if len(refused) == len(n.to) {
		if passing != nil {
			return nil, passing
		}
		return nil, notify.Permanent(errors.Join(refused...))
	}
	w, err := client.Data()
	if err != nil {
		return nil, err
	}
	if _, err := msg.WriteTo(w); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	// The server has it; that it may not say goodbye changes nothing.
	_ = client.Quit()
	return refused, nil
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
		client.Close()
		return nil, err
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
