package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// ofPeople are the promises of people and of what they decide.
var ofPeople = []promise{
	{"people come back as they were saved", peopleComeBack},
	{"a stale person is not saved", stalePersonIsRefused},
	{"an address is whose it is", addressesAreKnown},
	{"a contact method that was removed never comes back as another", removedContacts},
	{"a code is kept and never shown", codesAreKept},
	{"no try of a code is lost", triesAreCounted},
	{"what people are sent is listed by person and contact method", notificationsOfPeople},
	{"silences last until they end or are ended", silencesLast},
	{"a stale silence is not saved", staleSilenceIsRefused},
	{"replicas that start together write down everybody once", peopleAreOne},
	{"a schedule's history only grows", historiesGrow},
	{"replicas add the same version once", historiesAreOne},
	{"overrides last until they end or are ended", overridesLast},
	{"a policy is kept as it was", policiesAreKept},
	{"replicas never give two alerts the same turn", turnsAreExclusive},
	{"whoever keeps a copy knows when it is old", generationsRise},
}

func ana() *tocsin.Person {
	return &tocsin.Person{
		Name: "ana", FullName: "Ana ☃ <ana>", TimeZone: "Europe/Berlin", Quiet: &tocsin.Hours{From: "22:00", To: "07:00"},
		High: []tocsin.NotificationRule{{Contact: 2}, {Minutes: 5, Contact: 1}},
	}
}

func savePerson(t *testing.T, s *store.Store, p *tocsin.Person) {
	t.Helper()
	update(t, s, func(tx *store.Tx) error { return tx.SavePerson(p) })
}

func saveContact(t *testing.T, s *store.Store, person, receiver, address string) *tocsin.Contact {
	t.Helper()
	c := &tocsin.Contact{Person: person, Receiver: receiver, Address: address}
	update(t, s, func(tx *store.Tx) error { return tx.SaveContact(c) })
	if c.ID == 0 {
		t.Fatal("a contact method was saved without an ID")
	}
	return c
}

// storedAna is ana as she is stored.
func storedAna(t *testing.T, s *store.Store) tocsin.Person {
	t.Helper()
	var p tocsin.Person
	view(t, s, func(tx *store.Tx) (err error) {
		p, err = tx.Person("ana")
		return err
	})
	return p
}

func peopleComeBack(t *testing.T, s *store.Store) {
	zoe, a := &tocsin.Person{Name: "Zoe"}, ana()
	savePerson(t, s, a)
	savePerson(t, s, zoe)
	mail, sms := saveContact(t, s, "ana", "mail", "ana@example.com"), saveContact(t, s, "ana", "sms", "+4930123456")
	bobs := saveContact(t, s, "Zoe", "sms", "+4930999999")
	a.Contacts = []tocsin.Contact{*mail, *sms}
	zoe.Contacts = []tocsin.Contact{*bobs}
	same(t, "person", storedAna(t, s), *a)
	view(t, s, func(tx *store.Tx) error {
		everybody, err := tx.People()
		same(t, "People", everybody, []tocsin.Person{*zoe, *a})
		_, missing := tx.Person("bob")
		if !errors.Is(missing, store.ErrNotFound) || !strings.HasPrefix(missing.Error(), "person bob") {
			t.Errorf("Person(bob) = %v, want person bob: not found", missing)
		}
		return err
	})
	a.Disabled, a.Contacts = true, nil // contact methods are not the person's to save
	savePerson(t, s, a)
	a.Contacts = []tocsin.Contact{*mail, *sms}
	if a.Version != 2 {
		t.Errorf("version = %d after the second save, want 2", a.Version)
	}
	same(t, "person", storedAna(t, s), *a)
}

func stalePersonIsRefused(t *testing.T, s *store.Store) {
	p := ana()
	savePerson(t, s, p)
	mine, theirs := *p, *p
	theirs.FullName = "Ana by somebody else"
	savePerson(t, s, &theirs)
	for what, tt := range map[string]struct {
		p    tocsin.Person
		want error
	}{
		"stale":       {mine, store.ErrStale},
		"a new ana":   {*ana(), store.ErrExists},
		"never saved": {tocsin.Person{Name: "bob", Version: 3}, store.ErrStale},
	} {
		before := tt.p.Version
		err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.SavePerson(&tt.p) })
		if !errors.Is(err, tt.want) || tt.p.Version != before {
			t.Errorf("%s: SavePerson = %v with version %d, want %v and %d", what, err, tt.p.Version, tt.want, before)
		}
	}
	same(t, "person", storedAna(t, s), theirs)
	// Of a transaction that kept nothing, nothing is left either.
	wrong := errors.New("wrong")
	fresh, c := &tocsin.Person{Name: "bob"}, &tocsin.Contact{Person: "bob", Receiver: "sms", Address: "+1"}
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.SavePerson(fresh), tx.SaveContact(c), wrong)
	})
	if !errors.Is(err, wrong) || fresh.Version != 0 || c.ID != 0 {
		t.Errorf("after %v the person has version %d and the contact method id %d, want 0 and 0", err, fresh.Version, c.ID)
	}
}

func peopleAreOne(t *testing.T, s *store.Store) {
	const replicas = 4
	var wg sync.WaitGroup
	errs := make([]error, replicas)
	for i := range replicas {
		wg.Go(func() {
			errs[i] = s.Update(t.Context(), func(tx *store.Tx) error {
				if _, err := tx.Person("ana"); !errors.Is(err, store.ErrNotFound) {
					return err
				}
				return errors.Join(tx.SavePerson(ana()), tx.SaveContact(&tocsin.Contact{Person: "ana", Receiver: "sms", Address: "+1"}))
			})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if p := storedAna(t, s); p.Version != 1 || len(p.Contacts) != 1 {
		t.Errorf("ana has version %d and %d contact methods, want 1 and 1", p.Version, len(p.Contacts))
	}
}

func addressesAreKnown(t *testing.T, s *store.Store) {
	first := saveContact(t, s, "ana", "sms", "+4930123456")
	shared := saveContact(t, s, "bob", "sms", "+4930123456")
	saveContact(t, s, "ana", "voice", "+4930123456")
	first.VerifiedAt, first.Failures, first.DisabledWhy = at(5), 3, "bounced"
	update(t, s, func(tx *store.Tx) error { return tx.SaveContact(first) })
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.ContactsBy("sms", "+4930123456")
		same(t, "ContactsBy", got, []tocsin.Contact{*first, *shared})
		none, err2 := tx.ContactsBy("sms", "+49301234567")
		same(t, "ContactsBy of another address", len(none), 0)
		c, err3 := tx.Contact(first.ID)
		same(t, "Contact", c, *first)
		_, missing := tx.Contact(404)
		if !errors.Is(missing, store.ErrNotFound) {
			t.Errorf("Contact(404) = %v, want ErrNotFound", missing)
		}
		return errors.Join(err, err2, err3)
	})
	other := saveContact(t, s, "ana", "sms", "+4930777777")
	other.Address = "+4930123456"
	for what, tt := range map[string]struct {
		c    *tocsin.Contact
		want error
	}{
		"again":         {&tocsin.Contact{Person: "ana", Receiver: "sms", Address: "+4930123456"}, store.ErrExists},
		"moved onto it": {other, store.ErrExists},
		"not there":     {&tocsin.Contact{ID: 404, Person: "ana", Receiver: "sms", Address: "+1"}, store.ErrNotFound},
	} {
		err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.SaveContact(tt.c) })
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: SaveContact = %v, want %v", what, err, tt.want)
		}
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		return tx.SaveContact(&tocsin.Contact{Person: "ana", Receiver: "sms"})
	}); err == nil {
		t.Error("a contact method without an address was saved")
	}
}

func removedContacts(t *testing.T, s *store.Store) {
	savePerson(t, s, ana())
	old := saveContact(t, s, "ana", "sms", "+4930123456")
	remove := func() error {
		return s.Update(t.Context(), func(tx *store.Tx) error { return tx.RemoveContact(old.ID) })
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if err := remove(); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("RemoveContact again = %v, want ErrNotFound", err)
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.SaveContact(old) }); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("SaveContact of one that was removed = %v, want ErrNotFound", err)
	}
	again := saveContact(t, s, "ana", "sms", "+4930123456")
	if again.ID == old.ID {
		t.Error("the new one has the ID of the one that was removed")
	}
	same(t, "contact methods", storedAna(t, s).Contacts, []tocsin.Contact{*again})
	view(t, s, func(tx *store.Tx) error {
		by, err := tx.ContactsBy("sms", "+4930123456")
		same(t, "ContactsBy", by, []tocsin.Contact{*again})
		gone, err2 := tx.Contact(old.ID)
		same(t, "what is left", gone, tocsin.Contact{ID: old.ID, Person: "ana", Receiver: "sms"})
		return errors.Join(err, err2)
	})
}

func codesAreKept(t *testing.T, s *store.Store) {
	savePerson(t, s, ana())
	c := saveContact(t, s, "ana", "sms", "+4930123456")
	c.Code = &tocsin.Code{Digits: "048213", Expires: at(900), Tries: 2, Sent: []time.Time{at(0), at(60)}}
	update(t, s, func(tx *store.Tx) error { return tx.SaveContact(c) })
	p := storedAna(t, s)
	same(t, "code", p.Contacts[0].Code, c.Code)
	shown, err := json.Marshal(p)
	if err != nil || strings.Contains(string(shown), "048213") {
		t.Errorf("a person in JSON is %s, %v", shown, err)
	}
	c.Code = nil
	update(t, s, func(tx *store.Tx) error { return tx.SaveContact(c) })
	same(t, "code, once it was used", storedAna(t, s).Contacts[0].Code, (*tocsin.Code)(nil))
}

func triesAreCounted(t *testing.T, s *store.Store) {
	const guessers, tries = 4, 10
	c := saveContact(t, s, "ana", "sms", "+4930123456")
	c.Code = &tocsin.Code{Digits: "048213", Expires: at(900)}
	update(t, s, func(tx *store.Tx) error { return tx.SaveContact(c) })
	var wg sync.WaitGroup
	errs := make([]error, guessers)
	for g := range guessers {
		wg.Go(func() {
			for range tries {
				errs[g] = errors.Join(errs[g], s.Update(t.Context(), func(tx *store.Tx) error {
					c, err := tx.Contact(c.ID)
					if err != nil {
						return err
					}
					c.Code.Tries++
					return tx.SaveContact(&c)
				}))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Contact(c.ID)
		same(t, "tries", got.Code.Tries, guessers*tries)
		return err
	})
}

func notificationsOfPeople(t *testing.T, s *store.Store) {
	sms, mail := saveContact(t, s, "ana", "sms", "+1"), saveContact(t, s, "ana", "mail", "ana@example.com")
	bobs := saveContact(t, s, "bob", "sms", "+2")
	var list []*tocsin.Notification
	for _, c := range []*tocsin.Contact{sms, mail, bobs, sms} {
		list = append(list, &tocsin.Notification{Alert: 1, Receiver: c.Receiver, Person: c.Person, Contact: c.ID, Digest: len(list) == 3})
	}
	owe(t, s, list...)
	update(t, s, func(tx *store.Tx) error { return tx.RemoveContact(mail.ID) })
	for what, tt := range map[string]struct {
		filter store.NotificationFilter
		want   []int64
	}{
		"by person":            {store.NotificationFilter{Person: "ana"}, []int64{list[3].ID, list[1].ID, list[0].ID}},
		"by contact method":    {store.NotificationFilter{Contact: sms.ID}, []int64{list[3].ID, list[0].ID}},
		"by another's":         {store.NotificationFilter{Contact: sms.ID, Person: "bob"}, []int64{}},
		"by person, the first": {store.NotificationFilter{Person: "ana", Page: store.Page{Before: list[1].ID}}, []int64{list[0].ID}},
	} {
		view(t, s, func(tx *store.Tx) error {
			got, err := tx.Notifications(tt.filter)
			same(t, what, ids(got), tt.want)
			return err
		})
	}
}

func silence(until int) *tocsin.Silence {
	return &tocsin.Silence{
		Kind: tocsin.KindSilence, Pattern: json.RawMessage(`{"account":["111122223333"]}`), Author: "ada", Reason: "a planned <test>",
		From: at(0), Until: at(until), NotifyFrom: tocsin.High, CreatedAt: at(0),
	}
}

func saveSilence(t *testing.T, s *store.Store, silences ...*tocsin.Silence) {
	t.Helper()
	for _, silence := range silences {
		update(t, s, func(tx *store.Tx) error { return tx.SaveSilence(silence) })
	}
}

func silencesLast(t *testing.T, s *store.Store) {
	short, long, mute, ended, coming := silence(100), silence(900), silence(900), silence(900), silence(2000)
	mute.Kind, mute.Pattern, mute.Key = tocsin.KindMute, nil, "aws/1/eu-west-1/f"
	mute.Every = &tocsin.Recurrence{TimeZone: "Europe/Berlin", From: "02:00", To: "04:00"}
	coming.From = at(1000)
	saveSilence(t, s, short, long, mute, ended, coming)
	ended.EndedAt, ended.EndedBy, ended.ReportedAt = at(50), "bob", at(60)
	saveSilence(t, s, ended)
	for _, tt := range []struct {
		name   string
		filter store.SilenceFilter
		want   []*tocsin.Silence
	}{
		{"all, newest first", store.SilenceFilter{}, []*tocsin.Silence{coming, ended, mute, long, short}},
		{"live while they last", store.SilenceFilter{Live: at(49)}, []*tocsin.Silence{coming, ended, mute, long, short}},
		{"live when one was ended", store.SilenceFilter{Live: at(50)}, []*tocsin.Silence{coming, mute, long, short}},
		{"live when one has ended", store.SilenceFilter{Live: at(100)}, []*tocsin.Silence{coming, mute, long}},
		{"over", store.SilenceFilter{Over: at(100)}, []*tocsin.Silence{ended, short}},
		{"over and not reported", store.SilenceFilter{Over: at(100), Unreported: true}, []*tocsin.Silence{short}},
		{"a page", store.SilenceFilter{Page: store.Page{Limit: 2, Before: coming.ID}}, []*tocsin.Silence{ended, mute}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			view(t, s, func(tx *store.Tx) error {
				got, err := tx.Silences(tt.filter)
				want := make([]tocsin.Silence, len(tt.want))
				for i := range want {
					want[i] = *tt.want[i]
				}
				same(t, "silences", got, want)
				return err
			})
		})
	}
}

func staleSilenceIsRefused(t *testing.T, s *store.Store) {
	first := silence(100)
	saveSilence(t, s, first)
	mine, theirs := *first, *first
	theirs.EndedAt, theirs.EndedBy = at(10), "bob"
	saveSilence(t, s, &theirs)
	mine.Until = at(900)
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.SaveSilence(&mine) }); !errors.Is(err, store.ErrStale) {
		t.Errorf("SaveSilence of a stale one = %v, want ErrStale", err)
	}
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Silence(first.ID)
		same(t, "silence", got, theirs)
		_, missing := tx.Silence(404)
		if !errors.Is(missing, store.ErrNotFound) {
			t.Errorf("Silence(404) = %v, want ErrNotFound", missing)
		}
		return err
	})
	if mine.Version != 1 || theirs.Version != 2 {
		t.Errorf("versions %d and %d, want 1 of the one that was not saved and 2", mine.Version, theirs.Version)
	}
}

func schedule(people ...string) oncall.Schedule {
	turns := make([]oncall.Turn, len(people))
	for i, p := range people {
		turns[i] = oncall.Turn{p}
	}
	return oncall.Schedule{Name: "soc", TimeZone: "Europe/Berlin", Layers: []oncall.Layer{{Rotate: "weekly", From: "2026-01-05T09:00", Turns: turns}}}
}

func edited(t *testing.T, h oncall.History, definition oncall.Schedule, n int) oncall.History {
	t.Helper()
	h, err := h.Edit(definition, at(n))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func historiesGrow(t *testing.T, s *store.Store) {
	one := edited(t, nil, schedule("ana", "bob"), 0)
	three := edited(t, edited(t, one, schedule("ana", "bob", "cy"), 100), schedule("cy", "bob"), 200)
	keep := func(name string, h oncall.History) error {
		return s.Update(t.Context(), func(tx *store.Tx) error { return tx.SaveHistory(name, h) })
	}
	for _, h := range []oncall.History{one, three, three} {
		if err := keep("soc", h); err != nil {
			t.Fatal(err)
		}
	}
	if err := keep("other", one); err != nil {
		t.Fatal(err)
	}
	if err := keep("soc", one); !errors.Is(err, store.ErrStale) {
		t.Errorf("SaveHistory of what is shorter = %v, want ErrStale", err)
	}
	view(t, s, func(tx *store.Tx) error {
		soc, err := tx.History("soc")
		same(t, "History", soc, three)
		none, err2 := tx.History("nobody's")
		same(t, "History of none", len(none), 0)
		all, err3 := tx.Histories()
		same(t, "Histories", all, map[string]oncall.History{"soc": three, "other": one})
		if _, err := oncall.New(soc, nil); err != nil {
			t.Errorf("what was kept cannot be asked: %v", err)
		}
		return errors.Join(err, err2, err3)
	})
}

func historiesAreOne(t *testing.T, s *store.Store) {
	const replicas = 4
	definitions := []oncall.Schedule{schedule("ana"), schedule("ana", "bob"), schedule("bob")}
	for n, definition := range definitions {
		var wg sync.WaitGroup
		errs := make([]error, replicas)
		for i := range replicas {
			wg.Go(func() {
				errs[i] = s.Update(t.Context(), func(tx *store.Tx) error {
					h, err := tx.History("soc")
					if err != nil {
						return err
					}
					if h, err = h.Edit(definition, at(100*n)); err != nil {
						return err
					}
					return tx.SaveHistory("soc", h)
				})
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	view(t, s, func(tx *store.Tx) error {
		h, err := tx.History("soc")
		if len(h) != len(definitions) {
			t.Errorf("%d versions for %d edits by each of %d replicas", len(h), len(definitions), replicas)
		}
		for i := range h {
			same(t, "people", h[i].Schedule.Layers[0].Turns, definitions[i].Layers[0].Turns)
		}
		return err
	})
	// What was read before somebody else added to it cannot be added to.
	h := edited(t, edited(t, nil, definitions[0], 0), schedule("mallory"), 50)
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.SaveHistory("soc", h) }); !errors.Is(err, store.ErrStale) {
		t.Errorf("SaveHistory of another history = %v, want ErrStale", err)
	}
}

func overridesLast(t *testing.T, s *store.Store) {
	override := func(schedule string, from, until int) *oncall.Override {
		return &oncall.Override{
			Schedule: schedule, Kind: oncall.Replace, People: []string{"ana"}, With: []string{"bob"},
			From: at(from), Until: at(until), By: "ana", Reason: "dentist", CreatedAt: at(0),
		}
	}
	cover, short, other, cut, dropped := override("", 0, 500), override("soc", 0, 100), override("other", 0, 500), override("soc", 0, 500), override("soc", 300, 500)
	for _, o := range []*oncall.Override{cover, short, other, cut, dropped} {
		update(t, s, func(tx *store.Tx) error { return tx.SaveOverride(o) })
		if err := o.Validate(); err != nil {
			t.Errorf("what was saved is not valid: %v", err)
		}
	}
	end := func(id string, n int) error {
		return s.Update(t.Context(), func(tx *store.Tx) error { return tx.EndOverride(id, at(n), "bob") })
	}
	if err := errors.Join(end(cut.ID, 200), end(dropped.ID, 200)); err != nil {
		t.Fatal(err)
	}
	cut.Until = at(200)
	for _, tt := range []struct {
		name, schedule string
		since          int
		want           []*oncall.Override
	}{
		{"of every schedule", "", 0, []*oncall.Override{cover, short, other, cut}},
		{"of one schedule", "soc", 0, []*oncall.Override{cover, short, cut}},
		{"once one has ended", "soc", 100, []*oncall.Override{cover, cut}},
		{"once one was ended", "soc", 200, []*oncall.Override{cover}},
	} {
		view(t, s, func(tx *store.Tx) error {
			got, err := tx.Overrides(tt.schedule, at(tt.since))
			var want []oncall.Override
			for _, o := range tt.want {
				want = append(want, *o)
			}
			same(t, tt.name, got, want)
			return err
		})
	}
	for what, tt := range map[string]struct{ got, want error }{
		"again":            {end(cut.ID, 300), store.ErrStale},
		"what has ended":   {end(short.ID, 100), store.ErrStale},
		"what is not":      {end("404", 0), store.ErrNotFound},
		"what cannot be":   {end("soc", 0), store.ErrNotFound},
		"one of the right": {end(other.ID, 1), nil},
	} {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("ending %s: %v, want %v", what, tt.got, tt.want)
		}
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.SaveOverride(cover) }); err == nil {
		t.Error("an override was changed")
	}
}

func policiesAreKept(t *testing.T, s *store.Store) {
	policy := escalation.Policy{
		Name:     "around the clock",
		Steps:    []escalation.Step{{Targets: []escalation.Target{{Kind: escalation.Schedule, Name: "soc"}}, Wait: escalation.Duration(5 * time.Minute)}},
		Fallback: []escalation.Target{{Kind: escalation.Receiver, Name: "soc-mail"}}, Repeat: 2,
	}
	newer := policy
	newer.Repeat = 3
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(tx.KeepPolicy(policy, at(0)), tx.KeepPolicy(newer, at(1)), tx.KeepPolicy(policy, at(2)))
	})
	view(t, s, func(tx *store.Tx) error {
		for _, want := range []escalation.Policy{policy, newer} {
			got, err := tx.Policy(want.Version())
			if err != nil {
				return err
			}
			same(t, "policy", got, want)
			same(t, "its version", got.Version(), want.Version())
		}
		_, missing := tx.Policy("0123")
		if !errors.Is(missing, store.ErrNotFound) {
			t.Errorf("Policy(0123) = %v, want ErrNotFound", missing)
		}
		return nil
	})
}

func turnsAreExclusive(t *testing.T, s *store.Store) {
	const replicas, times = 4, 15
	var wg sync.WaitGroup
	errs := make([]error, replicas)
	turns := make([][]int64, replicas)
	for i := range replicas {
		wg.Go(func() {
			for range times {
				var turn int64
				err := s.Update(t.Context(), func(tx *store.Tx) (err error) {
					if turn, err = tx.Rotation("p", 1); err != nil {
						return err
					}
					return tx.SetRotation("p", 1, turn+1)
				})
				errs[i] = errors.Join(errs[i], err)
				turns[i] = append(turns[i], turn)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	given := map[int64]int{}
	for _, list := range turns {
		for _, turn := range list {
			given[turn]++
		}
	}
	for turn := range int64(replicas * times) {
		if given[turn] != 1 {
			t.Errorf("turn %d was given %d times", turn, given[turn])
		}
	}
	view(t, s, func(tx *store.Tx) error {
		next, err := tx.Rotation("p", 1)
		other, err2 := tx.Rotation("p", 2)
		same(t, "Rotation in a view", []int64{next, other}, []int64{replicas * times, 0})
		return errors.Join(err, err2)
	})
	update(t, s, func(tx *store.Tx) error { return tx.SetRotation("q", 1, 7) })
	view(t, s, func(tx *store.Tx) error {
		next, err := tx.Rotation("q", 1)
		same(t, "Rotation that was never asked before", next, int64(7))
		return err
	})
}

func generationsRise(t *testing.T, s *store.Store) {
	generation := func() (g int64) {
		view(t, s, func(tx *store.Tx) (err error) {
			g, err = tx.Generation()
			return err
		})
		return g
	}
	var c *tocsin.Contact
	var override oncall.Override
	p, quiet := ana(), silence(100)
	for _, tt := range []struct {
		name string
		do   func(tx *store.Tx) error
		rise bool
	}{
		{"a person", func(tx *store.Tx) error { return tx.SavePerson(p) }, true},
		{"a contact method", func(tx *store.Tx) error {
			c = &tocsin.Contact{Person: "ana", Receiver: "sms", Address: "+1"}
			return tx.SaveContact(c)
		}, true},
		{"the address verified", func(tx *store.Tx) error { c.VerifiedAt = at(1); return tx.SaveContact(c) }, true},
		{"the contact method removed", func(tx *store.Tx) error { return tx.RemoveContact(c.ID) }, true},
		{"a silence", func(tx *store.Tx) error { return tx.SaveSilence(quiet) }, true},
		{"the silence ended", func(tx *store.Tx) error { quiet.EndedAt = at(1); return tx.SaveSilence(quiet) }, true},
		{"a schedule", func(tx *store.Tx) error { return tx.SaveHistory("soc", edited(t, nil, schedule("ana"), 0)) }, true},
		{"the same schedule", func(tx *store.Tx) error { return tx.SaveHistory("soc", edited(t, nil, schedule("ana"), 0)) }, false},
		{"an override", func(tx *store.Tx) error {
			override = oncall.Override{Kind: oncall.Add, People: []string{"ana"}, From: at(0), Until: at(9)}
			return tx.SaveOverride(&override)
		}, true},
		{"the override ended", func(tx *store.Tx) error { return tx.EndOverride(override.ID, at(1), "ada") }, true},
		{"an alert, an event and a message", func(tx *store.Tx) error {
			a := alert("other")
			return errors.Join(tx.Save(&a), tx.Journal([]*tocsin.Event{event(1, tocsin.Opened)}, []string{"x"}), tx.Owe([]*tocsin.Notification{to(1, 1, 0)}))
		}, false},
		{"a change that was not kept", func(tx *store.Tx) error {
			return errors.Join(tx.SaveSilence(silence(5)), errWrong)
		}, false},
	} {
		before := generation()
		if err := s.Update(t.Context(), tt.do); err != nil && !errors.Is(err, errWrong) {
			t.Fatal(fmt.Errorf("%s: %w", tt.name, err))
		}
		if after := generation(); (after != before) != tt.rise {
			t.Errorf("%s: the generation was %d and is %d", tt.name, before, after)
		}
	}
	update(t, s, func(tx *store.Tx) error {
		before, err := tx.Generation()
		err2 := tx.SavePerson(&tocsin.Person{Name: "bob"})
		after, err3 := tx.Generation()
		if after == before {
			t.Errorf("within the transaction the generation stays %d", before)
		}
		return errors.Join(err, err2, err3)
	})
}

var errWrong = errors.New("wrong")
