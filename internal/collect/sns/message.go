package sns

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" // SignatureVersion 1 is RSA with SHA-1
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

// The types of a message.
const (
	typeNotification = "Notification"
	typeSubscribe    = "SubscriptionConfirmation"
	typeUnsubscribe  = "UnsubscribeConfirmation"
)

// A message is what SNS posts to an HTTPS endpoint, its values decoded.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
type message struct {
	typ            string
	id             string
	topic          string
	subject        string
	hasSubject     bool
	message        string
	timestamp      string
	token          string
	subscribeURL   string
	version        string
	signature      string
	signingCertURL string
}

// parse reads a message. Of members given twice the last counts.
func parse(body []byte) (message, error) {
	var m message
	if err := collect.Valid(body); err != nil {
		return m, err
	}
	root := gjson.ParseBytes(body)
	if !root.IsObject() {
		return m, errors.New("not an SNS message: not a JSON object")
	}
	root.ForEach(func(key, value gjson.Result) bool {
		m.set(key.Str, value)
		return true
	})
	switch m.typ {
	case typeNotification, typeSubscribe, typeUnsubscribe:
	case "":
		return m, errors.New("not an SNS message: it has no Type")
	default:
		return m, fmt.Errorf("not an SNS message: unknown Type %.40q", m.typ)
	}
	if m.id == "" || m.topic == "" || m.timestamp == "" {
		return m, errors.New("not an SNS message: MessageId, TopicArn or Timestamp is missing")
	}
	return m, nil
}

func (m *message) set(key string, value gjson.Result) {
	if value.Type != gjson.String {
		return
	}
	switch key {
	case "Type":
		m.typ = value.Str
	case "MessageId":
		m.id = value.Str
	case "TopicArn":
		m.topic = value.Str
	case "Subject":
		m.subject, m.hasSubject = value.Str, true
	case "Message":
		m.message = value.Str
	case "Timestamp":
		m.timestamp = value.Str
	case "Token":
		m.token = value.Str
	case "SubscribeURL":
		m.subscribeURL = value.Str
	case "SignatureVersion":
		m.version = value.Str
	case "Signature":
		m.signature = value.Str
	case "SigningCertURL":
		m.signingCertURL = value.Str
	}
}

// sent is when SNS made the message. A retry keeps it.
func (m *message) sent() (time.Time, error) {
	return time.Parse(time.RFC3339, m.timestamp)
}

// stringToSign is what the signature is of: names and decoded values, each on a
// line, in the order of the names' bytes. Message attributes are not signed.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func (m *message) stringToSign(to []byte) []byte {
	add := func(name, value string) {
		to = append(to, name...)
		to = append(to, '\n')
		to = append(to, value...)
		to = append(to, '\n')
	}
	add("Message", m.message)
	add("MessageId", m.id)
	if m.typ == typeNotification {
		if m.hasSubject {
			add("Subject", m.subject)
		}
		add("Timestamp", m.timestamp)
	} else {
		add("SubscribeURL", m.subscribeURL)
		add("Timestamp", m.timestamp)
		add("Token", m.token)
	}
	add("TopicArn", m.topic)
	add("Type", m.typ)
	return to
}

// digest is the hash of the string to sign, and the hash's name.
func (m *message) digest() (crypto.Hash, []byte) {
	text := m.stringToSign(make([]byte, 0, len(m.message)+len(m.subscribeURL)+len(m.token)+512))
	if m.version == "1" {
		sum := sha1.Sum(text) // as SNS has it
		return crypto.SHA1, sum[:]
	}
	sum := sha256.Sum256(text)
	return crypto.SHA256, sum[:]
}

var errSignature = errors.New("signature does not verify")

// verify checks the signature with any of keys.
func (m *message) verify(keys ...*rsa.PublicKey) error {
	signature, err := base64.StdEncoding.DecodeString(m.signature)
	if err != nil {
		return errSignature
	}
	hash, sum := m.digest()
	for _, key := range keys {
		if rsa.VerifyPKCS1v15(key, hash, sum, signature) == nil {
			return nil
		}
	}
	return errSignature
}
