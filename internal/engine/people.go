package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/wallclock"
)

var personForm = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// SavePerson writes a person: a new one, or a change of one that was read with
// that Version. Contact methods are written apart.
func (e *Engine) SavePerson(ctx context.Context, p tocsin.Person, _ string) (tocsin.Person, error) {
	if err := checkPerson(p); err != nil {
		return p, InputError{err}
	}
	err := e.decide(ctx, func(tx *store.Tx) error {
		known, err := tx.Person(p.Name)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		for _, r := range slices.Concat(p.High, p.Low) {
			if _, ok := known.Contact(r.Contact); !ok {
				return InputError{fmt.Errorf("rules: %s has no contact method %d", p.Name, r.Contact)}
			}
		}
		if err := tx.SavePerson(&p); err != nil {
			return err
		}
		p, err = tx.Person(p.Name)
		return err
	})
	return p, err
}

func checkPerson(p tocsin.Person) error {
	var problems []error
	if !personForm.MatchString(p.Name) {
		problems = append(problems, fmt.Errorf("name: %q: want letters, digits, '-', '_' and '.', at most 63", p.Name))
	}
	if p.TimeZone != "" {
		if _, err := wallclock.Zone(p.TimeZone); err != nil {
			problems = append(problems, fmt.Errorf("time_zone: %w", err))
		}
	}
	if p.Quiet != nil {
		if err := oncall.CheckHours(*p.Quiet); err != nil {
			problems = append(problems, fmt.Errorf("quiet: %w", err))
		}
	}
	for _, r := range slices.Concat(p.High, p.Low) {
		if r.Minutes < 0 || r.Minutes > 24*60 {
			problems = append(problems, fmt.Errorf("rules: %d minutes: want 0 to 1440", r.Minutes))
		}
	}
	return errors.Join(problems...)
}

// AddContact writes a contact method of a person and sends its code there.
func (e *Engine) AddContact(ctx context.Context, person, receiver, address, _ string) (tocsin.Contact, error) {
	c := tocsin.Contact{Person: person, Receiver: receiver}
	r, ok := e.plan.Load().Receivers[receiver]
	switch {
	case !ok:
		return c, InputError{fmt.Errorf("receiver: there is no receiver %q", receiver)}
	case !r.Addresses():
		return c, InputError{fmt.Errorf("receiver: %s (%s) cannot tell single people", receiver, r.Kind)}
	}
	var err error
	if c.Address, err = r.Address(strings.TrimSpace(address)); err != nil {
		return c, InputError{fmt.Errorf("address: %w", err)}
	}
	err = e.decide(ctx, func(tx *store.Tx) error {
		if _, err := tx.Person(person); err != nil {
			return err
		}
		if err := tx.SaveContact(&c); err != nil {
			return err
		}
		return e.sendCode(tx, &c)
	})
	return c, err
}

// Invite makes a link by which a person enrols an address with the receiver.
func (e *Engine) Invite(ctx context.Context, person, receiver, _ string) (string, error) {
	r, ok := e.plan.Load().Receivers[receiver]
	if !ok {
		return "", InputError{fmt.Errorf("receiver: there is no receiver %q", receiver)}
	}
	inviter, ok := r.Notifier.(notify.Inviter)
	if !ok {
		return "", InputError{fmt.Errorf("receiver: %s (%s) has no links to enrol by; give the address", receiver, r.Kind)}
	}
	if err := e.store.View(ctx, func(tx *store.Tx) error {
		_, err := tx.Person(person)
		return err
	}); err != nil {
		return "", err
	}
	url, err := inviter.Invite(person)
	if err != nil {
		return "", InputError{err}
	}
	return url, nil
}

// Invites reports whether people enrol with the receiver by a link.
func (e *Engine) Invites(receiver string) bool {
	_, ok := e.plan.Load().Receivers[receiver].Notifier.(notify.Inviter)
	return ok
}

// Enroll writes an address that the receiver has proved itself as a contact method
// of the person. One that is there already is used again.
func (e *Engine) Enroll(ctx context.Context, receiver, person, address string) error {
	r := e.plan.Load().Receivers[receiver]
	if !r.Addresses() {
		return InputError{fmt.Errorf("receiver: %s cannot tell single people", receiver)}
	}
	address, err := r.Address(strings.TrimSpace(address))
	if err != nil {
		return InputError{fmt.Errorf("address: %w", err)}
	}
	return e.decide(ctx, func(tx *store.Tx) error {
		p, err := tx.Person(person)
		if err != nil {
			return err
		}
		c := tocsin.Contact{Person: person, Receiver: receiver, Address: address}
		if i := slices.IndexFunc(p.Contacts, func(k tocsin.Contact) bool { return k.Receiver == receiver && k.Address == address }); i >= 0 {
			c = p.Contacts[i]
		}
		c.VerifiedAt, c.DisabledWhy, c.Failures, c.Code = tocsin.Millis(e.now()), "", 0, nil
		return tx.SaveContact(&c)
	})
}

// SendCode sends the address a code once more; at most three an hour.
func (e *Engine) SendCode(ctx context.Context, contact int64) error {
	return e.decide(ctx, func(tx *store.Tx) error {
		c, err := tx.Contact(contact)
		if err != nil {
			return err
		}
		if c.Usable() {
			return InputError{errors.New("the address is verified already")}
		}
		return e.sendCode(tx, &c)
	})
}

func (e *Engine) sendCode(tx *store.Tx, c *tocsin.Contact) error {
	now := tocsin.Millis(e.now())
	digits, err := newCode()
	if err != nil {
		return err
	}
	if *c, err = c.Challenge(digits, now); err != nil {
		return InputError{err}
	}
	if err := tx.SaveContact(c); err != nil {
		return err
	}
	return tx.Owe([]*tocsin.Notification{{
		Receiver: c.Receiver, Person: c.Person, Contact: c.ID, Kind: tocsin.TellCode, Why: "to verify the address", State: tocsin.Pending,
		CreatedAt: now, Due: now, Deadline: c.Code.Expires,
	}})
}

func newCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("make a code: %w", err)
	}
	return fmt.Sprintf("%06d", n), nil
}

// Verify takes the code that was sent to the address, and uses the address from
// then on. A wrong try is kept.
func (e *Engine) Verify(ctx context.Context, contact int64, code string) (c tocsin.Contact, err error) {
	var refused error
	err = e.decide(ctx, func(tx *store.Tx) error {
		if c, err = tx.Contact(contact); err != nil || c.Usable() {
			refused = nil
			return err
		}
		c, refused = c.Verify(code, e.now())
		return tx.SaveContact(&c)
	})
	if err == nil && refused != nil {
		err = InputError{refused}
	}
	return c, err
}

// RemoveContact forgets a contact method.
func (e *Engine) RemoveContact(ctx context.Context, contact int64, _ string) error {
	return e.decide(ctx, func(tx *store.Tx) error { return tx.RemoveContact(contact) })
}

// EnableContact has a disabled contact method prove itself again.
func (e *Engine) EnableContact(ctx context.Context, contact int64, _ string) error {
	return e.decide(ctx, func(tx *store.Tx) error {
		c, err := tx.Contact(contact)
		if err != nil {
			return err
		}
		c.VerifiedAt, c.DisabledWhy, c.Failures = time.Time{}, "", 0
		return e.sendCode(tx, &c)
	})
}

// decide writes what people decide, and has it in force when it returns.
func (e *Engine) decide(ctx context.Context, f func(tx *store.Tx) error) error {
	if err := e.store.Update(ctx, f); err != nil {
		return err
	}
	if err := e.refresh(ctx); err != nil {
		return err
	}
	for name := range e.plan.Load().Receivers {
		e.receiver(name).wake() // codes, and what waits for a silence's end
	}
	e.clock.at(e.now())
	return nil
}
