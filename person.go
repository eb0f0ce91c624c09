package tocsin

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Person is somebody who can be told, by the name that schedules, policies and
// teams call them.
type Person struct {
	Name     string `json:"name"` // "ana"; unique
	FullName string `json:"full_name,omitempty"`
	// TimeZone is an IANA name, for quiet hours and for times in messages; UTC if empty.
	TimeZone string `json:"time_zone,omitempty"`
	// Quiet is when alerts of low urgency wait, by the wall clock in TimeZone.
	Quiet *Hours `json:"quiet,omitempty"`
	// High and Low are how the person is told of alerts of that urgency, in order.
	// Empty: at once by every contact method.
	High []NotificationRule `json:"high,omitempty"`
	Low  []NotificationRule `json:"low,omitempty"`
	// Disabled people are told nothing, and a step that names them goes on.
	Disabled bool `json:"disabled,omitempty"`
	// Version grows by one with each save.
	Version int64 `json:"version"`

	Contacts []Contact `json:"contacts,omitempty"`
}

// Hours are a part of every day, from From until To ("22:00", "07:00"); To may be
// on the next day.
type Hours struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// A NotificationRule says by which contact method a person is told, and how long
// after they came to be told at all.
type NotificationRule struct {
	Minutes int   `json:"minutes"`
	Contact int64 `json:"contact"` // its ID
}

// A Contact is one contact method of a person: an address that a receiver of the
// configuration reaches.
type Contact struct {
	ID       int64  `json:"id"`
	Person   string `json:"person"`
	Receiver string `json:"receiver"` // name in the configuration: "sms", "mail", "slack"
	Address  string `json:"address"`  // as that receiver writes it: "+4930123456", "ana@example.com", "U012AB3CD"
	// VerifiedAt is when the person proved that the address is theirs. Until then
	// it is sent nothing but its code.
	VerifiedAt time.Time `json:"verified_at,omitzero"`
	// DisabledWhy says why it is not used any more: it bounced, or failed for good
	// three times in a row.
	DisabledWhy string `json:"disabled_why,omitempty"`
	// Failures are the lasting failures in a row.
	Failures int `json:"failures,omitempty"`
	// Code is what proves the address, until it expires or was tried too often.
	Code *Code `json:"-"`
}

// Usable reports whether alerts may be sent to the address.
func (c Contact) Usable() bool { return !c.VerifiedAt.IsZero() && c.DisabledWhy == "" }

// A Code is what was sent to an address to find out whose it is.
type Code struct {
	Digits  string      `json:"digits"` // six; never shown or logged
	Expires time.Time   `json:"expires"`
	Tries   int         `json:"tries"`
	Sent    []time.Time `json:"sent"` // of the last hour
}

// A code that proves an address.
const (
	codeLife  = 15 * time.Minute
	codeTries = 5
	codeSends = 3 // within an hour
)

// Challenge gives the address new digits to prove itself by; at most three an hour.
func (c Contact) Challenge(digits string, now time.Time) (Contact, error) {
	now = Millis(now)
	var sent []time.Time
	if c.Code != nil {
		for _, t := range c.Code.Sent {
			if now.Sub(t) < time.Hour {
				sent = append(sent, t)
			}
		}
	}
	if len(sent) >= codeSends {
		return c, fmt.Errorf("%d codes were sent within an hour; the next can be at %s", codeSends, sent[0].Add(time.Hour).Format("15:04 UTC"))
	}
	c.Code = &Code{Digits: digits, Expires: now.Add(codeLife), Sent: append(sent, now)}
	return c, nil
}

// Verify takes what somebody says the code is. A wrong try counts: the contact
// method is to be kept although there is an error.
func (c Contact) Verify(digits string, now time.Time) (Contact, error) {
	now = Millis(now)
	switch {
	case c.Usable():
		return c, nil
	case c.Code == nil:
		return c, errors.New("code: none was sent; ask for one")
	case now.After(c.Code.Expires):
		return c, errors.New("code: it has expired; ask for another")
	case c.Code.Tries >= codeTries:
		return c, errors.New("code: it was tried too often; ask for another")
	}
	if subtle.ConstantTimeCompare([]byte(strings.TrimSpace(digits)), []byte(c.Code.Digits)) != 1 {
		tried := *c.Code
		tried.Tries++
		c.Code = &tried
		return c, fmt.Errorf("code: that is not it; %d tries are left", codeTries-tried.Tries)
	}
	c.Code, c.VerifiedAt, c.DisabledWhy, c.Failures = nil, now, "", 0
	return c, nil
}

// failuresMax is how many lasting failures in a row disable a contact method.
const failuresMax = 3

// Failed counts a lasting failure. Three in a row disable the contact method.
func (c Contact) Failed(reason string) Contact {
	if c.Failures++; c.Failures >= failuresMax {
		c.DisabledWhy = fmt.Sprintf("failed %d times in a row: %s", c.Failures, reason)
	}
	return c
}

// Contact is the person's contact method with that ID.
func (p Person) Contact(id int64) (Contact, bool) {
	i := slices.IndexFunc(p.Contacts, func(c Contact) bool { return c.ID == id })
	if i < 0 {
		return Contact{}, false
	}
	return p.Contacts[i], true
}

// Rules are how the person is told at that urgency: what they chose, as far as it
// is usable, or else every usable contact method at once.
func (p Person) Rules(u Urgency) []NotificationRule {
	chosen := p.High
	if u == UrgencyLow {
		chosen = p.Low
	}
	var rules []NotificationRule
	for _, r := range chosen {
		if c, ok := p.Contact(r.Contact); ok && c.Usable() {
			rules = append(rules, r)
		}
	}
	if len(rules) > 0 {
		return rules
	}
	for _, c := range p.Contacts {
		if c.Usable() {
			rules = append(rules, NotificationRule{Contact: c.ID})
		}
	}
	return rules
}

// Reachable reports whether the person can be told at once of what is urgent.
func (p Person) Reachable() bool {
	return !p.Disabled && slices.ContainsFunc(p.Rules(UrgencyHigh), func(r NotificationRule) bool { return r.Minutes == 0 })
}

// An Urgency is how a person is told: what is High or Critical is urgent.
type Urgency string

// The urgencies. They are PagerDuty's.
const (
	UrgencyHigh Urgency = "high"
	UrgencyLow  Urgency = "low"
)

// UrgencyOf is the urgency of a level.
func UrgencyOf(l Level) Urgency {
	if l >= High {
		return UrgencyHigh
	}
	return UrgencyLow
}
