// Package generic reads events that no dialect knows, so that a rule can make an
// alert of anything on the bus: it takes what an EventBridge envelope says and
// leaves the rest to the rule.
package generic

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// An Event is what the envelope says. Fields that are missing are empty.
type Event struct {
	ID, Type, Source, Account, Region string
	Time                              time.Time
	envelope                          bool
	raw                               []byte
}

// Read reads the envelope of a JSON object.
func Read(raw []byte) Event {
	ev := Event{raw: raw}
	gjson.ParseBytes(raw).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "id":
			ev.ID = v.String()
		case "detail-type":
			ev.Type = clean(v.String())
		case "source":
			ev.Source = clean(v.String())
		case "account":
			ev.Account = clean(v.String())
		case "region":
			ev.Region = clean(v.String())
		case "time":
			ev.Time, _ = time.Parse(time.RFC3339, v.String())
		}
		return true
	})
	ev.envelope = ev.Type != "" && ev.Source != ""
	return ev
}

// Envelope reports whether it has the shape of an EventBridge event.
func (ev Event) Envelope() bool { return ev.envelope }

// Detection is what the event says of itself. keys are paths into it
// ("$.detail.userIdentity.accountId") whose values, with the rule's name, are the
// alert's key; without any, each event is an alert of its own.
func (ev Event) Detection(rule string, keys []string) tocsin.Detection {
	title := cmp.Or(ev.Type, "event without a type")
	d := tocsin.Detection{
		Key: ev.key(rule, keys), Dialect: "generic", Type: ev.Type, ID: clean(ev.ID),
		Level: tocsin.Medium, Headline: title, Title: title,
		Account: ev.Account, Region: ev.Region, FirstSeen: ev.Time, LastSeen: ev.Time,
	}
	if ev.envelope {
		d.EventAt = ev.Time
	}
	if ev.Source != "" {
		d.Facts = append(d.Facts, tocsin.Fact{Name: "What", Value: ev.Type + " from " + ev.Source})
	}
	return d
}

func (ev Event) key(rule string, keys []string) tocsin.Key {
	parts := []string{"rule", rule}
	for _, path := range keys {
		// Whatever the event has there: a database's index takes some thousand bytes.
		parts = append(parts, wording.Identity(clean(gjson.GetBytes(ev.raw, strings.TrimPrefix(path, "$.")).String())))
	}
	if len(keys) > 0 {
		return tocsin.KeyOf(parts...)
	}
	id := wording.Identity(clean(ev.ID))
	if id == "" {
		sum := sha256.Sum256(ev.raw)
		id = hex.EncodeToString(sum[:16])
	}
	return tocsin.KeyOf(append(parts, id)...)
}

// clean makes one line of untrusted text: control characters and line breaks
// become spaces, and marks that turn the direction of writing are dropped.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case unicode.Is(unicode.Bidi_Control, r), r == '\ufeff':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
