package engine

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// linkLife is how long a link in a message can be used.
const linkLife = 24 * time.Hour

// A Link is what a signed link in a message lets its reader do, once.
type Link struct {
	ID      string    `json:"i"` // the notification's, and what is done
	Alert   int64     `json:"a"`
	Do      notify.Do `json:"d"`
	Person  string    `json:"p"`
	Expires int64     `json:"e"` // seconds since 1970
	// Receiver is the one that the link was sent by, where it hides something.
	Receiver string `json:"r,omitempty"`
}

// ErrLink says that a link is none of ours, or was cut off.
var ErrLink = errors.New("this link is not valid: it may have been cut off; open the whole link from the message")

// ErrLinkOver says that a link was good once.
var ErrLinkOver = errors.New("this link has expired: links in messages can be used for 24 hours")

// A linkKey signs links. It is made once and kept in the store.
type linkKey []byte

func newLinkKey() linkKey {
	key := make(linkKey, 32)
	_, _ = rand.Read(key) // it never fails: crypto/rand ends the program instead
	return key
}

func (k linkKey) mac(payload []byte) []byte {
	h := hmac.New(sha256.New, k)
	h.Write(payload)
	return h.Sum(nil)[:16] // 128 bits are enough, and links in SMS are short
}

var coding = base64.RawURLEncoding

// sign is the link as it stands in a URL.
func (k linkKey) sign(l Link) string {
	payload, err := json.Marshal(l)
	if err != nil {
		return "" // cannot be: a link holds nothing that JSON has no form for
	}
	return coding.EncodeToString(append(k.mac(payload), payload...))
}

// read is the opposite of sign.
func (k linkKey) read(token string, now time.Time) (Link, error) {
	raw, err := coding.DecodeString(token)
	if err != nil || len(raw) < 16 || !hmac.Equal(raw[:16], k.mac(raw[16:])) {
		return Link{}, ErrLink
	}
	var l Link
	if err := json.Unmarshal(raw[16:], &l); err != nil {
		return Link{}, ErrLink
	}
	if now.Unix() > l.Expires {
		return l, ErrLinkOver
	}
	return l, nil
}

// labels are the words on buttons.
var labels = []struct {
	do     notify.Do
	label  string
	letter string
}{
	{notify.DoAcknowledge, "Acknowledge", "a"},
	{notify.DoEscalate, "Escalate", "e"},
	{notify.DoExpected, "Expected", "x"},
	{notify.DoClose, "Close", "c"},
}

// actions are what the reader of the message may do. Only who is known by name
// has links of their own: whoever has the link acts in that name.
func (p *Plan) actions(key linkKey, n tocsin.Notification, a tocsin.Alert) []notify.Action {
	if a.ID == 0 || a.Status == tocsin.StatusClosed {
		return nil
	}
	var as []notify.Action
	link := func(do notify.Do, letter string) string {
		if n.Person == "" || p.ReachableAt == "" {
			return ""
		}
		l := Link{ID: fmt.Sprintf("%d%s", n.ID, letter), Alert: a.ID, Do: do, Person: n.Person, Expires: n.Due.Add(linkLife).Unix()}
		if len(p.Receivers[n.Receiver].Hide) > 0 {
			l.Receiver = n.Receiver
		}
		return p.ReachableAt + "/act/link/" + key.sign(l)
	}
	for _, l := range labels {
		calls := l.do == notify.DoAcknowledge || l.do == notify.DoEscalate
		if calls && a.Status != tocsin.StatusOpen || l.do == notify.DoEscalate && a.Escalation == nil {
			continue
		}
		as = append(as, notify.Action{Do: l.do, Label: l.label, URL: link(l.do, l.letter), Reply: fmt.Sprintf("%d%s", a.ID, l.letter)})
	}
	for i, name := range a.Approvals {
		do := notify.DoRun(name)
		as = append(as, notify.Action{Do: do, Label: "Run " + name, URL: link(do, fmt.Sprintf("r%d", i))})
	}
	return as
}
