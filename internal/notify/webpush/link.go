package webpush

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"
)

// linkLife is for how long an invitation can be used.
const linkLife = 24 * time.Hour

// A link is an invitation of one person to enrol one browser.
type link struct {
	ID      string `json:"i"` // so that it is used once
	Person  string `json:"p"`
	Expires int64  `json:"e"` // seconds since 1970
}

func newLink(person string, now time.Time) link {
	id := make([]byte, 9)
	_, _ = rand.Read(id) // it never fails: crypto/rand ends the program instead
	return link{ID: coding.EncodeToString(id), Person: person, Expires: now.Add(linkLife).Unix()}
}

var (
	errLink     = errors.New("this is no invitation of ours: it may have been cut off on its way; open the whole link")
	errLinkOver = errors.New("this invitation has expired: it could be used for 24 hours; ask for another")
	errLinkUsed = errors.New("this invitation was used already; ask for another")
)

// A linkKey signs links. It is made once and kept in the store.
type linkKey []byte

const macLength = 16 // 128 bits are enough, and the link is drawn as a QR code

func (k linkKey) mac(purpose string, parts ...string) []byte {
	h := hmac.New(sha256.New, k)
	h.Write([]byte(purpose))
	for _, p := range parts {
		h.Write([]byte{0})
		h.Write([]byte(p))
	}
	return h.Sum(nil)[:macLength]
}

// sign is the link as it stands in a URL.
func (k linkKey) sign(l link) string {
	payload, err := json.Marshal(l)
	if err != nil {
		return "" // cannot be: a link holds nothing that JSON has no form for
	}
	return coding.EncodeToString(append(k.mac("join", string(payload)), payload...))
}

// linkMost is longer than any of ours.
const linkMost = 500

// read is the opposite of sign.
func (k linkKey) read(token string, now time.Time) (link, error) {
	var l link
	if len(token) > linkMost {
		return l, errLink
	}
	raw, err := coding.DecodeString(token)
	if err != nil || len(raw) < macLength || !hmac.Equal(raw[:macLength], k.mac("join", string(raw[macLength:]))) {
		return l, errLink
	}
	if err := json.Unmarshal(raw[macLength:], &l); err != nil {
		return link{}, errLink
	}
	if now.Unix() > l.Expires {
		return l, errLinkOver
	}
	return l, nil
}

// proof is what only the browser at that address learns, and gives back.
func (k linkKey) proof(l link, address string) string {
	return coding.EncodeToString(k.mac("proof", l.ID, address))
}

// short is a name made of so many bytes of the data's digest.
func short(data []byte, n int) string {
	sum := sha256.Sum256(data)
	return coding.EncodeToString(sum[:n])
}
