package webpush

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin/internal/secret"
)

// A signer tells push services who sends (VAPID, RFC 8292). It is safe for
// concurrent use.
type signer struct {
	key     *ecdsa.PrivateKey
	public  string // base64url, as browsers want it for applicationServerKey
	subject string

	mu     sync.Mutex        // guards signed
	signed map[string]signed // by push service: "https://fcm.googleapis.com"
}

type signed struct {
	header  string
	expires time.Time
}

const (
	// signedFor is how long a signature is good; push services refuse more than 24
	// hours (RFC 8292, section 2).
	signedFor = 12 * time.Hour
	// signedLeast is when another is made: some push services complain about one for
	// each message.
	signedLeast = 6 * time.Hour
	// originsMost bounds the signatures kept: there are a handful of push services.
	originsMost = 64
)

// parseKey reads a private key: 32 bytes in base64url, as every tool for Web Push
// writes it.
func parseKey(text string) (*ecdsa.PrivateKey, error) {
	raw, err := decode(text)
	if err != nil {
		return nil, errNoKey
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		return nil, errNoKey
	}
	return key, nil
}

var errNoKey = errors.New("it is no private key for Web Push: want 32 bytes in base64url, as 'npx web-push generate-vapid-keys' writes them")

func checkKey(text secret.String) error {
	if text.IsZero() || secret.IsReference(text.Reveal()) {
		return nil
	}
	_, err := parseKey(text.Reveal())
	return err
}

// newKey is one that nobody has had before, as parseKey reads it.
func newKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	raw, err := key.Bytes()
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return []byte(coding.EncodeToString(raw)), nil
}

func newSigner(key *ecdsa.PrivateKey, subject string) (*signer, error) {
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return &signer{key: key, public: coding.EncodeToString(public), subject: subject, signed: map[string]signed{}}, nil
}

// authorization is the header for a message to the push service.
func (s *signer) authorization(origin string, now time.Time) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if had, ok := s.signed[origin]; ok && had.expires.Sub(now) > signedLeast && had.expires.Sub(now) <= signedFor {
		return had.header, nil
	}
	expires := now.Add(signedFor).Truncate(time.Second)
	token, err := s.sign(origin, expires)
	if err != nil {
		return "", err
	}
	if len(s.signed) >= originsMost {
		clear(s.signed)
	}
	header := "vapid t=" + token + ", k=" + s.public
	s.signed[origin] = signed{header, expires}
	return header, nil
}

// sign makes the JSON Web Token (RFC 7519) with ES256 (RFC 7518, section 3.4).
func (s *signer) sign(origin string, expires time.Time) (string, error) {
	claims, err := json.Marshal(struct {
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		Subject  string `json:"sub,omitempty"`
	}{origin, expires.Unix(), s.subject})
	if err != nil {
		return "", err
	}
	text := coding.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + coding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	v.FillBytes(signature[32:])
	return text + "." + coding.EncodeToString(signature), nil
}

// checkSubject says what is wrong with whom a push service may write to. Apple
// takes neither spaces nor angle brackets.
func checkSubject(text string) error {
	if text == "" || secret.IsReference(text) {
		return nil
	}
	if box, ok := strings.CutPrefix(text, "mailto:"); ok {
		if a, err := mail.ParseAddress(box); err == nil && a.Address == box {
			return nil
		}
		return errors.New("is no mail address; want mailto:soc@example.com")
	}
	if u, err := url.Parse(text); err == nil && u.Scheme == "https" && u.Hostname() != "" && !strings.ContainsFunc(text, notURL) {
		return nil
	}
	return errors.New("must begin with mailto: or https://")
}
