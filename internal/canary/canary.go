// Package canary is the form of the event that tocsin puts on an event bus to see
// that the way from there to itself is open, and how one that arrived is known.
package canary

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// What EventBridge says of a canary: its source and its detail-type. A rule that lets
// findings through lets canaries through if its pattern has the source too.
const (
	Source     = "tocsin.canary"
	DetailType = "tocsin canary"
)

// maxSize is how large a canary's event is at most, in bytes. EventBridge makes about
// 450 of it; more is room for an envelope that somebody printed prettily.
const maxSize = 2 << 10

// idLength is how many hexadecimal digits an id has.
const idLength = 32

// named is the source as it stands in the event: nobody escapes its letters. Without
// its quotation marks it is found faster.
var named = []byte(Source)

// detail is what is under "detail".
type detail struct {
	Canary  string    `json:"canary"`
	Account string    `json:"account"`
	Region  string    `json:"region"`
	SentAt  time.Time `json:"sent_at"`
}

// Detail is the detail of the event that is c: its id, its place and when it was sent.
func Detail(c tocsin.Canary) []byte {
	raw, err := json.Marshal(detail{c.ID, c.Account, c.Region, c.SentAt.UTC()})
	if err != nil { // a time has a form in JSON up to the year 9999
		return nil
	}
	return raw
}

// Read reports whether raw, a whole EventBridge event, says that it is a canary, and
// gives its id: "" where there is none of the right form. Whether the id is that of a
// canary that is out is for others to say: anybody can put such an event on a bus.
//
// It is asked of every event that comes: one that is not a canary costs a glance.
func Read(raw []byte) (id string, ok bool) {
	if len(raw) > maxSize || !bytes.Contains(raw, named) {
		return "", false
	}
	var e struct {
		Source string          `json:"source"`
		Detail json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(raw, &e) != nil || e.Source != Source {
		return "", false
	}
	var d struct {
		Canary string `json:"canary"`
	}
	if json.Unmarshal(e.Detail, &d) != nil || !IsID(d.Canary) {
		return "", true
	}
	return d.Canary, true
}

// IsID reports whether text has the form of a canary's id: 32 lower-case hexadecimal
// digits.
func IsID(text string) bool {
	if len(text) != idLength {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
