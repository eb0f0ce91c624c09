// Package webpushtest is a push service and the browsers behind it, for tests. The
// service keeps the rules of RFC 8030 and RFC 8292, and a browser decrypts what it
// is sent as RFC 8291 says, with the private key that only it has.
package webpushtest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// An Answer is how the service answers instead of taking a message.
type Answer struct {
	Status     int // 0 is as the rules say
	RetryAfter string
	Echo, Hang bool
}

// A Push is a message that the service took and the browser read.
type Push struct {
	Browser *Browser
	Header  http.Header
	Body    []byte // as sent
	Text    []byte // as the browser reads it
	Claims  Claims
	TTL     time.Duration
}

// Claims are those of the signature.
type Claims struct {
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Subject  string `json:"sub"`
}

// A Service is a push service. Make it with New.
type Service struct {
	URL string
	Now func() time.Time // by which signatures expire

	t       testing.TB
	server  *httptest.Server
	release chan struct{}

	mu       sync.Mutex // guards what follows
	answer   Answer
	browsers map[string]*Browser // by the last part of the endpoint
	taken    []Push
	refused  []string
}

// New starts a push service that ends with the test.
func New(t testing.TB) *Service {
	t.Helper()
	s := &Service{t: t, Now: time.Now, release: make(chan struct{}), browsers: map[string]*Browser{}}
	s.server = httptest.NewTLSServer(http.HandlerFunc(s.serve))
	s.URL = s.server.URL
	t.Cleanup(func() {
		close(s.release)
		s.server.Close()
	})
	return s
}

// Client trusts the service's certificate.
func (s *Service) Client() *http.Client {
	client := *s.server.Client()
	client.Timeout = 10 * time.Second
	return &client
}

// Answers has the service answer so from now on.
func (s *Service) Answers(a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = a
}

// Taken are the messages taken so far.
func (s *Service) Taken() []Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

// Refused says which rule each refused request broke.
func (s *Service) Refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// A Browser has subscribed to messages.
type Browser struct {
	Name    string
	service *Service
	key     *ecdh.PrivateKey
	auth    []byte
	// sender is the only key that may send to it: applicationServerKey in base64url.
	// Empty takes that of the first message.
	sender string
	gone   bool
}

var coding = base64.RawURLEncoding

// Subscribe is what PushManager.subscribe does. sender may be "" where the key is
// not known: then it is that of the first message.
func (s *Service) Subscribe(sender string) *Browser {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random)
	b := &Browser{Name: coding.EncodeToString(random[16:]), service: s, key: key, auth: random[:16], sender: sender}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.browsers[b.Name] = b
	return b
}

// Subscription is what PushSubscription.toJSON gives.
func (b *Browser) Subscription() string {
	return fmt.Sprintf(`{"endpoint":%q,"expirationTime":null,"keys":{"p256dh":%q,"auth":%q}}`, b.Endpoint(),
		coding.EncodeToString(b.key.PublicKey().Bytes()), coding.EncodeToString(b.auth))
}

// Endpoint is where messages for it are sent.
func (b *Browser) Endpoint() string { return b.service.URL + "/wpush/v2/" + b.Name }

// Auth is its secret.
func (b *Browser) Auth() string { return coding.EncodeToString(b.auth) }

// Unsubscribe has the service forget it.
func (b *Browser) Unsubscribe() {
	b.service.mu.Lock()
	defer b.service.mu.Unlock()
	b.gone = true
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.answer; a.Hang {
		s.mu.Unlock()
		select {
		case <-s.release:
		case <-r.Context().Done():
		}
		s.mu.Lock()
		return
	} else if a.Status != 0 {
		if a.RetryAfter != "" {
			w.Header().Set("Retry-After", a.RetryAfter)
		}
		if a.Status/100 == 3 {
			w.Header().Set("Location", "https://127.0.0.1:1/elsewhere")
		}
		w.WriteHeader(a.Status)
		if a.Echo {
			fmt.Fprintf(w, "Cannot POST %s\n\x1b[31m%v\n", r.URL, r.Header)
		}
		return
	}
	push, status, err := s.take(r, body)
	if err != nil {
		s.refused = append(s.refused, err.Error())
		http.Error(w, err.Error(), status)
		return
	}
	s.taken = append(s.taken, push)
	w.Header().Set("Location", s.URL+"/m/"+strconv.Itoa(len(s.taken)))
	w.WriteHeader(http.StatusCreated)
}

var topicForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// take holds a request against the rules.
func (s *Service) take(r *http.Request, body []byte) (Push, int, error) {
	p := Push{Header: r.Header.Clone(), Body: body}
	name, ok := strings.CutPrefix(r.URL.Path, "/wpush/v2/")
	b := s.browsers[name]
	switch {
	case !ok || b == nil:
		return p, http.StatusNotFound, errors.New("no such subscription")
	case b.gone:
		return p, http.StatusGone, errors.New("the subscription is gone")
	case r.Method != http.MethodPost:
		return p, http.StatusMethodNotAllowed, errors.New("want POST")
	case len(body) > 4096:
		return p, http.StatusRequestEntityTooLarge, fmt.Errorf("%d bytes", len(body))
	case r.Header.Get("Content-Encoding") != "aes128gcm":
		return p, http.StatusBadRequest, errors.New("the Content-Encoding is not aes128gcm")
	}
	ttl, err := strconv.ParseUint(r.Header.Get("TTL"), 10, 31)
	if err != nil {
		return p, http.StatusBadRequest, errors.New("the TTL is not a number of seconds")
	}
	p.TTL = time.Duration(ttl) * time.Second
	if u := r.Header.Get("Urgency"); u != "" && !slices.Contains([]string{"very-low", "low", "normal", "high"}, u) {
		return p, http.StatusBadRequest, errors.New("the Urgency is none")
	}
	if topics, has := r.Header["Topic"]; has && !topicForm.MatchString(strings.Join(topics, ",")) {
		return p, http.StatusBadRequest, errors.New("the Topic is not 1 to 32 characters of base64url")
	}
	key, claims, err := Verify(r.Header.Get("Authorization"), s.URL, s.Now())
	if err != nil {
		return p, http.StatusForbidden, err
	}
	if b.sender == "" {
		b.sender = key
	}
	if key != b.sender {
		return p, http.StatusForbidden, errors.New("the key is not the one that the browser subscribed with")
	}
	p.Browser, p.Claims = b, claims
	if p.Text, err = Decrypt(body, b.key, b.auth); err != nil {
		return p, http.StatusBadRequest, err
	}
	return p, http.StatusCreated, nil
}

var vapidForm = regexp.MustCompile(`^vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), ?k=([\w-]+)$`)

// Verify checks a signature (RFC 8292, sections 2 and 3) and gives its key.
func Verify(header, origin string, now time.Time) (key string, c Claims, err error) {
	m := vapidForm.FindStringSubmatch(header)
	if m == nil {
		return "", c, errors.New("the Authorization is not vapid t=…, k=…")
	}
	var parts [4][]byte
	for i := range parts {
		if parts[i], err = coding.DecodeString(m[i+1]); err != nil {
			return "", c, fmt.Errorf("part %d of Authorization: %w", i+1, err)
		}
	}
	var head struct{ Typ, Alg string }
	if err := json.Unmarshal(parts[0], &head); err != nil || head.Alg != "ES256" || head.Typ != "JWT" {
		return "", c, errors.New("the token is not signed by ES256")
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), parts[3])
	if err != nil {
		return "", c, fmt.Errorf("k: %w", err)
	}
	sum := sha256.Sum256([]byte(m[1] + "." + m[2]))
	if len(parts[2]) != 64 || !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(parts[2][:32]), new(big.Int).SetBytes(parts[2][32:])) {
		return "", c, errors.New("the signature is not that of the key")
	}
	if err := json.Unmarshal(parts[1], &c); err != nil {
		return "", c, fmt.Errorf("claims: %w", err)
	}
	expires := time.Unix(c.Expires, 0)
	switch {
	case c.Audience != origin:
		return "", c, fmt.Errorf("aud is %q, want %q", c.Audience, origin)
	case !expires.After(now) || expires.After(now.Add(24*time.Hour)):
		return "", c, fmt.Errorf("exp is %s, want within 24 hours of %s", expires.UTC(), now.UTC())
	case c.Subject != "" && !strings.HasPrefix(c.Subject, "mailto:") && !strings.HasPrefix(c.Subject, "https://"):
		return "", c, fmt.Errorf("sub is %q", c.Subject)
	}
	return m[4], c, nil
}

// Decrypt reads a message as a browser does (RFC 8291, section 4; RFC 8188).
func Decrypt(body []byte, key *ecdh.PrivateKey, auth []byte) ([]byte, error) {
	if len(body) < 21 {
		return nil, errors.New("the body has no head")
	}
	salt, size, named := body[:16], binary.BigEndian.Uint32(body[16:20]), int(body[20])
	if named != 65 || len(body) < 21+named+17 {
		return nil, fmt.Errorf("the key has %d bytes of %d, want 65", named, len(body))
	}
	sender, record := body[21:21+named], body[21+named:]
	if size < 18 || len(record) > int(size) {
		return nil, fmt.Errorf("a record of %d bytes, where one has %d", len(record), size)
	}
	theirs, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, err
	}
	shared, err := key.ECDH(theirs)
	if err != nil {
		return nil, err
	}
	info := slices.Concat([]byte("WebPush: info\x00"), key.PublicKey().Bytes(), sender)
	ikm, err := hkdf.Key(sha256.New, shared, auth, string(info), 32)
	if err != nil {
		return nil, err
	}
	prk, err := hkdf.Extract(sha256.New, ikm, salt)
	if err != nil {
		return nil, err
	}
	cek, err := hkdf.Expand(sha256.New, prk, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Expand(sha256.New, prk, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	text, err := gcm.Open(nil, nonce, record, nil)
	if err != nil {
		return nil, fmt.Errorf("the browser cannot read it: %w", err)
	}
	text = bytes.TrimRight(text, "\x00") // the padding
	message, ok := bytes.CutSuffix(text, []byte{2})
	if !ok {
		return nil, errors.New("the last record does not end with 2")
	}
	return message, nil
}
