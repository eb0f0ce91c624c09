package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// keyName is where the store has the key that signs links.
const keyName = "links/key"

// adopt keeps what of a plan outlives it: policies, since alerts go on by the one
// with which they opened; schedules, since who was on call stays what it was;
// people that nobody wrote down yet. Alerts of accounts that left are closed.
func (e *Engine) adopt(ctx context.Context, p *Plan) error {
	now := tocsin.Millis(e.now())
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		for _, name := range slices.Sorted(maps.Keys(p.Policies)) {
			if err := tx.KeepPolicy(p.Policies[name], now); err != nil {
				return fmt.Errorf("policy %s: %w", name, err)
			}
		}
		histories, err := tx.Histories()
		if err != nil {
			return err
		}
		for _, s := range p.Schedules {
			history := histories[s.Name]
			// Whoever is on call stays so if they are still listed.
			next, err := history.Edit(s, now)
			if err == nil && len(next) > len(history) {
				err = tx.SaveHistory(s.Name, next)
			}
			if err != nil {
				return fmt.Errorf("schedule %s: %w", s.Name, err)
			}
		}
		if err := keepSince(tx, p, now); err != nil {
			return err
		}
		return adoptPeople(tx, p.People)
	})
	if err != nil {
		return fmt.Errorf("take on the configuration: %w", err)
	}
	return nil
}

// sinceName is where the store has since when routes and receivers are configured.
const sinceName = "routes/since"

// sinces are since when routes and receivers are configured, by name.
type sinces struct {
	Routes    map[string]time.Time `json:"routes"`
	Receivers map[string]time.Time `json:"receivers"`
}

func readSince(tx *store.Tx) (s sinces, err error) {
	text, err := tx.Get(sinceName)
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}

// keepSince notes what is new in the configuration, so that nothing is called dead
// that is young.
func keepSince(tx *store.Tx, p *Plan, now time.Time) error {
	old, err := readSince(tx)
	if err != nil {
		return fmt.Errorf("since when there are routes: %w", err)
	}
	next := sinces{map[string]time.Time{}, map[string]time.Time{}}
	keep := func(into, from map[string]time.Time, name string) {
		into[name] = now
		if since, ok := from[name]; ok {
			into[name] = since
		}
	}
	if p.Routes != nil {
		for _, name := range p.Routes.Names() {
			keep(next.Routes, old.Routes, name)
		}
	}
	for name := range p.Receivers {
		keep(next.Receivers, old.Receivers, name)
	}
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	return tx.Put(sinceName, text)
}

// adoptPeople writes those whom nobody wrote down yet. What people changed
// themselves stays.
func adoptPeople(tx *store.Tx, people []tocsin.Person) error {
	known, err := tx.People()
	if err != nil {
		return err
	}
	for _, p := range people {
		if slices.ContainsFunc(known, func(k tocsin.Person) bool { return k.Name == p.Name }) {
			continue
		}
		contacts := p.Contacts
		p.Contacts = nil
		if err := tx.SavePerson(&p); err != nil {
			return fmt.Errorf("person %s: %w", p.Name, err)
		}
		for _, c := range contacts {
			c.Person = p.Name
			if err := tx.SaveContact(&c); err != nil {
				return fmt.Errorf("person %s: contact method %s: %w", p.Name, c.Receiver, err)
			}
		}
	}
	return nil
}

// readKey gives the key that signs links, which the first process makes.
func readKey(ctx context.Context, s *store.Store) (key linkKey, err error) {
	read := func(tx *store.Tx) error {
		kept, err := tx.Get(keyName)
		key = kept
		return err
	}
	if err = s.View(ctx, read); err == nil && len(key) == 0 {
		err = s.Update(ctx, func(tx *store.Tx) error { return tx.PutFirst(keyName, newLinkKey()) })
		if err == nil {
			err = s.View(ctx, read)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("key of links: %w", err)
	}
	return key, nil
}

// closeLeft closes what is open in accounts that are ours no more: nothing will be
// heard of it, and nobody can do anything about it.
func (e *Engine) closeLeft(ctx context.Context, accounts []string) error {
	for _, account := range accounts {
		var live []tocsin.Alert
		err := e.store.View(ctx, func(tx *store.Tx) (err error) {
			live, _, err = tx.Alerts(store.AlertFilter{Account: account, Statuses: []tocsin.Status{tocsin.StatusOpen, tocsin.StatusAcked}, Limit: 10000})
			return err
		})
		if err != nil {
			return err
		}
		for _, a := range live {
			_, err := e.Close(ctx, a.ID, Ask{By: "tocsin", Note: "the configuration says that the account has left"}, tocsin.ReasonAccountLeft, time.Time{})
			if _, isState := errors.AsType[*tocsin.StateError](err); err != nil && !isState {
				return err
			}
		}
	}
	return nil
}
