// Package snstest plays Amazon SNS: a [Signer] makes messages as SNS posts them,
// really signed, and a [Transport] answers what a receiver asks SNS for, the
// signing certificates and SubscribeURLs. For tests, benchmarks and simulations;
// nothing of it reaches the network.
//
// As with AWS, a certificate is published without the authority that issued it,
// and names the address where that can be had.
package snstest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // SignatureVersion 1 is RSA with SHA-1
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Message is one request of SNS. After [Signer.Sign], any change makes the
// signature wrong.
type Message struct {
	Type             string // "Notification", "SubscriptionConfirmation" or "UnsubscribeConfirmation"
	MessageID        string
	TopicARN         string
	SubscriptionARN  string // only in a header
	Subject          string // left out if empty
	Message          string
	Timestamp        string
	Token            string
	SubscribeURL     string
	UnsubscribeURL   string
	SignatureVersion string
	Signature        string
	SigningCertURL   string
	// Raw makes the body Message alone, as a topic with raw delivery does.
	Raw bool
}

// Body is what is posted.
func (m Message) Body() []byte {
	if m.Raw {
		return []byte(m.Message)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	// A struct of strings cannot fail to encode, nor a buffer to be written.
	_ = enc.Encode(struct {
		Type             string
		MessageID        string `json:"MessageId"`
		Token            string `json:",omitempty"`
		TopicARN         string `json:"TopicArn"`
		Subject          string `json:",omitempty"`
		Message          string
		SubscribeURL     string `json:",omitempty"`
		Timestamp        string
		SignatureVersion string
		Signature        string
		SigningCertURL   string
		UnsubscribeURL   string `json:",omitempty"`
	}{
		m.Type, m.MessageID, m.Token, m.TopicARN, m.Subject, m.Message, m.SubscribeURL, m.Timestamp,
		m.SignatureVersion, m.Signature, m.SigningCertURL, m.UnsubscribeURL,
	})
	return out.Bytes()
}

// Header is what the request's header holds.
func (m Message) Header() http.Header {
	h := http.Header{
		"Content-Type":           {"text/plain; charset=UTF-8"},
		"User-Agent":             {"Amazon Simple Notification Service Agent"},
		"X-Amz-Sns-Message-Type": {m.Type},
		"X-Amz-Sns-Message-Id":   {m.MessageID},
		"X-Amz-Sns-Topic-Arn":    {m.TopicARN},
	}
	if m.SubscriptionARN != "" {
		h.Set("X-Amz-Sns-Subscription-Arn", m.SubscriptionARN)
	}
	if m.Raw {
		h.Set("X-Amz-Sns-Rawdelivery", "true")
	}
	return h
}

// Request is the message as a POST to endpoint.
func (m Message) Request(endpoint string) (*http.Request, error) {
	r, err := http.NewRequest(http.MethodPost, endpoint, bytes.NewReader(m.Body()))
	if err != nil {
		return nil, err
	}
	r.Header = m.Header()
	return r, nil
}

// stringToSign is what the signature is of.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func (m Message) stringToSign() string {
	parts := []string{"Message", m.Message, "MessageId", m.MessageID}
	if m.Type == "Notification" {
		if m.Subject != "" {
			parts = append(parts, "Subject", m.Subject)
		}
		parts = append(parts, "Timestamp", m.Timestamp)
	} else {
		parts = append(parts, "SubscribeURL", m.SubscribeURL, "Timestamp", m.Timestamp, "Token", m.Token)
	}
	parts = append(parts, "TopicArn", m.TopicARN, "Type", m.Type)
	return strings.Join(parts, "\n") + "\n"
}

// A Signer makes messages. It is safe for many goroutines.
type Signer struct {
	// Version is the SignatureVersion: "1" is the default of a topic, "2" that of
	// [New].
	Version string
	// Now is the clock that timestamps are taken from.
	Now func() time.Time

	made    time.Time       // certificates are valid for half a year around it
	key     *rsa.PrivateKey // one for all regions
	root    *authority
	between *authority

	*published
}

// published are the certificates made so far.
type published struct {
	mu    sync.Mutex
	certs map[string][]byte // PEM by name
}

// WithClock is the same signer, with the same certificates, on another clock.
func (s *Signer) WithClock(now func() time.Time) *Signer {
	other := *s
	other.Now = now
	return &other
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issuerURL is where the authority between is to be had.
const issuerURL = "http://crt.snstest.example/between.cer"

// New makes a signer with certificates that are valid for a year around now().
func New(now func() time.Time) (*Signer, error) {
	s := &Signer{Version: "2", Now: now, made: now(), published: &published{certs: map[string][]byte{}}}
	var err error
	if s.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	if s.root, err = s.authority("snstest root", nil); err != nil {
		return nil, err
	}
	s.between, err = s.authority("snstest between", s.root)
	return s, err
}

func (s *Signer) authority(name string, parent *authority) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := s.template(name)
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
	signer, by := key, t
	if parent != nil {
		signer, by = parent.key, parent.cert
	}
	der, err := x509.CreateCertificate(rand.Reader, t, by, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key}, err
}

func (s *Signer) template(name string) *x509.Certificate {
	serial := make([]byte, 16)
	_, _ = rand.Read(serial) // never fails
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    s.made.AddDate(0, -6, 0),
		NotAfter:     s.made.AddDate(0, 6, 0),
	}
}

// Roots holds the authority that the certificates lead to.
func (s *Signer) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.root.cert)
	return pool
}

// CertificatePEM is the signing certificate for a topic's region, as it is
// published.
func (s *Signer) CertificatePEM(topicARN string) ([]byte, error) {
	return s.certificate(signingName(region(topicARN)))
}

func (s *Signer) certificate(name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := s.certs[name]; text != nil {
		return text, nil
	}
	t := s.template(name)
	t.DNSNames = []string{name}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.IssuingCertificateURL = []string{issuerURL}
	der, err := x509.CreateCertificate(rand.Reader, t, s.between.cert, s.key.Public(), s.between.key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.certs[name] = text
	return text, nil
}

// Notification is a signed message of the topic with text as its Message.
func (s *Signer) Notification(topicARN, text string) (Message, error) {
	m := s.message("Notification", topicARN)
	m.Message = text
	m.SubscriptionARN = subscriptionARN(topicARN)
	m.UnsubscribeURL = "https://" + host(topicARN) + "/?Action=Unsubscribe&SubscriptionArn=" + m.SubscriptionARN
	return m, s.Sign(&m)
}

// SubscriptionConfirmation is what SNS posts when somebody subscribes an endpoint.
func (s *Signer) SubscriptionConfirmation(topicARN string) (Message, error) {
	m := s.message("SubscriptionConfirmation", topicARN)
	m.Message = "You have chosen to subscribe to the topic " + topicARN + ".\nTo confirm the subscription, visit the SubscribeURL included in this message."
	s.confirmation(&m)
	return m, s.Sign(&m)
}

// UnsubscribeConfirmation is what SNS posts when somebody ended the subscription.
func (s *Signer) UnsubscribeConfirmation(topicARN string) (Message, error) {
	m := s.message("UnsubscribeConfirmation", topicARN)
	m.SubscriptionARN = subscriptionARN(topicARN)
	m.Message = "You have chosen to deactivate subscription " + m.SubscriptionARN + ".\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
	s.confirmation(&m)
	return m, s.Sign(&m)
}

func (s *Signer) confirmation(m *Message) {
	m.Token = strings.ReplaceAll(uuid()+uuid()+uuid()+uuid(), "-", "")
	m.SubscribeURL = "https://" + host(m.TopicARN) + "/?Action=ConfirmSubscription&TopicArn=" + m.TopicARN + "&Token=" + m.Token
}

func (s *Signer) message(kind, topicARN string) Message {
	return Message{
		Type: kind, MessageID: uuid(), TopicARN: topicARN,
		Timestamp:        s.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		SignatureVersion: s.Version,
		SigningCertURL:   CertURL(topicARN),
	}
}

// Sign makes m's signature right for what is in it.
func (s *Signer) Sign(m *Message) error {
	var signature []byte
	var err error
	switch text := []byte(m.stringToSign()); m.SignatureVersion {
	case "1":
		sum := sha1.Sum(text) // as SNS has it
		signature, err = rsa.SignPKCS1v15(nil, s.key, crypto.SHA1, sum[:])
	case "2":
		sum := sha256.Sum256(text)
		signature, err = rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, sum[:])
	default:
		return fmt.Errorf("signature version %q is neither 1 nor 2", m.SignatureVersion)
	}
	m.Signature = base64.StdEncoding.EncodeToString(signature)
	return err
}

// CertURL is where the signing certificate for a topic is published.
func CertURL(topicARN string) string {
	return "https://" + host(topicARN) + "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
}

func subscriptionARN(topicARN string) string {
	sum := sha256.Sum256([]byte(topicARN))
	return fmt.Sprintf("%s:%x-%x-%x-%x-%x", topicARN, sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func region(topicARN string) string {
	if part := strings.Split(topicARN, ":"); len(part) > 3 {
		return part[3]
	}
	return ""
}

func host(topicARN string) string {
	suffix := ".amazonaws.com"
	switch {
	case strings.HasPrefix(topicARN, "arn:aws-cn:"):
		suffix = ".amazonaws.com.cn"
	case strings.HasPrefix(topicARN, "arn:aws-eusc:"):
		suffix = ".amazonaws.eu"
	}
	return "sns." + region(topicARN) + suffix
}

// signingName is the name of a region's certificate.
func signingName(region string) string {
	switch region {
	case "us-gov-east-1", "us-gov-west-1":
		return "sns-us-gov-west-1.amazonaws.com"
	case "cn-north-1", "cn-northwest-1":
		return "sns-" + region + ".amazonaws.com.cn"
	case "eusc-de-east-1":
		return "sns-signing.eusc-de-east-1.amazonaws.eu"
	case "af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
		"ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1",
		"me-central-1", "me-south-1", "mx-central-1":
		return "sns-signing." + region + ".amazonaws.com"
	}
	return "sns.amazonaws.com"
}

// A Transport answers in the place of SNS. It is safe for many goroutines.
type Transport struct {
	Signer *Signer
	// Next gets the requests to other hosts; nil refuses them.
	Next http.RoundTripper
	// Fail may answer or fail a request instead; nil, nil lets it pass.
	Fail func(r *http.Request) (*http.Response, error)

	mu        sync.Mutex
	confirmed map[string]string // topics by token
	asked     map[string]int
}

// Client is an HTTP client whose requests the transport answers.
func (t *Transport) Client() *http.Client {
	return &http.Client{Transport: t, Timeout: 10 * time.Second}
}

// Confirmed are the topics whose SubscribeURL was visited, sorted.
func (t *Transport) Confirmed() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Compact(slices.Sorted(maps.Values(t.confirmed)))
}

// Asked is how often the host and path were asked for:
// "sns.eu-west-1.amazonaws.com/".
func (t *Transport) Asked(hostAndPath string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.asked[hostAndPath]
}

// RoundTrip answers r.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	if t.asked == nil {
		t.asked, t.confirmed = map[string]int{}, map[string]string{}
	}
	t.asked[r.URL.Host+r.URL.Path]++
	t.mu.Unlock()
	if t.Fail != nil {
		if resp, err := t.Fail(r); resp != nil || err != nil {
			return resp, err
		}
	}
	switch {
	case r.URL.String() == issuerURL:
		return Answer(r, http.StatusOK, t.Signer.between.cert.Raw), nil
	case !strings.HasPrefix(r.URL.Host, "sns."):
		if t.Next == nil {
			return nil, errors.New("snstest: no such host")
		}
		return t.Next.RoundTrip(r)
	case strings.HasSuffix(r.URL.Path, ".pem"):
		text, err := t.Signer.certificate(signingName(strings.Split(r.URL.Host, ".")[1]))
		if err != nil {
			return nil, err
		}
		return Answer(r, http.StatusOK, text), nil
	}
	return t.confirm(r, r.URL.Query()), nil
}

func (t *Transport) confirm(r *http.Request, q url.Values) *http.Response {
	if q.Get("Action") != "ConfirmSubscription" || q.Get("Token") == "" {
		return Answer(r, http.StatusBadRequest, []byte("<ErrorResponse/>"))
	}
	topicARN := q.Get("TopicArn")
	t.mu.Lock()
	t.confirmed[q.Get("Token")] = topicARN
	t.mu.Unlock()
	return Answer(r, http.StatusOK, []byte(`<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <ConfirmSubscriptionResult>
    <SubscriptionArn>`+subscriptionARN(topicARN)+`</SubscriptionArn>
  </ConfirmSubscriptionResult>
  <ResponseMetadata>
    <RequestId>`+uuid()+`</RequestId>
  </ResponseMetadata>
</ConfirmSubscriptionResponse>
`))
}

// Answer is a response to r.
func Answer(r *http.Request, status int, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}
