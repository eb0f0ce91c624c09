package api

import (
	"context"
	"slices"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// People is the answer to a list.
type People struct {
	People []tocsin.Person `json:"people" doc:"Everybody, by name."`
}

func (a *api) listPeople(ctx context.Context, _ none) (People, error) {
	return view(ctx, a, func(tx *store.Tx) (People, error) {
		people, err := tx.People()
		for i := range people {
			people[i] = shownPerson(people[i])
		}
		return People{list(people)}, err
	})
}

type byName struct {
	Name string `path:"name" jsonschema:"example=ana" doc:"Its name."`
}

func (a *api) showPerson(ctx context.Context, in byName) (tocsin.Person, error) {
	return view(ctx, a, func(tx *store.Tx) (tocsin.Person, error) {
		p, err := tx.Person(in.Name)
		return shownPerson(p), err
	})
}

// shownPerson is the person with addresses that may be shown.
func shownPerson(p tocsin.Person) tocsin.Person {
	p.Contacts = slices.Clone(p.Contacts)
	for i := range p.Contacts {
		p.Contacts[i] = shownContact(p.Contacts[i])
	}
	return p
}

// shownContact is the contact method without what a browser keeps secret.
func shownContact(c tocsin.Contact) tocsin.Contact {
	c.Address = notify.ShownAddress(c.Address)
	return c
}

// PersonBody is the body that writes a person.
type PersonBody struct {
	By       string                    `json:"by" jsonschema:"minLength=1,maxLength=200,example=ana" doc:"Who does it."`
	Version  int64                     `json:"version,omitempty" jsonschema:"minimum=0" doc:"The person's version as it was seen; another one is refused with 409. Left out or 0: the person is new, and somebody of that name is refused with 409."`
	FullName string                    `json:"full_name,omitempty" jsonschema:"maxLength=200,example=Ana Ruiz" doc:"How people call them."`
	TimeZone string                    `json:"time_zone,omitempty" jsonschema:"example=Europe/Berlin" doc:"IANA time zone, for quiet hours and for times in messages; UTC if left out."`
	Quiet    *tocsin.Hours             `json:"quiet,omitempty" doc:"When alerts of low urgency wait, by the clock of their time zone."`
	High     []tocsin.NotificationRule `json:"high,omitempty" jsonschema:"maxItems=20" doc:"How they are told of high and critical alerts, in order; at once by every contact method if left out."`
	Low      []tocsin.NotificationRule `json:"low,omitempty" jsonschema:"maxItems=20" doc:"How they are told of other alerts."`
	Disabled bool                      `json:"disabled,omitempty" doc:"Has them told nothing."`
}

type savePerson struct {
	byName
	PersonBody `body:"json"`
}

func (a *api) savePerson(ctx context.Context, in savePerson) (tocsin.Person, error) {
	p, err := a.act.SavePerson(ctx, tocsin.Person{
		Name: in.Name, Version: in.Version, FullName: in.FullName, TimeZone: in.TimeZone, Quiet: in.Quiet, High: in.High, Low: in.Low, Disabled: in.Disabled,
	}, in.By)
	return shownPerson(p), err
}

// ContactBody is the body that adds a contact method.
type ContactBody struct {
	By       string `json:"by" jsonschema:"minLength=1,maxLength=200,example=ana" doc:"Who does it."`
	Receiver string `json:"receiver" jsonschema:"minLength=1,example=mail" doc:"The receiver of the configuration that reaches the address."`
	Address  string `json:"address" jsonschema:"minLength=1,maxLength=500,example=ana@example.com" doc:"The address as that receiver writes it: +4930123456, ana@example.com, U012AB3CD."`
}

type addContact struct {
	byName
	ContactBody `body:"json"`
}

func (a *api) addContact(ctx context.Context, in addContact) (tocsin.Contact, error) {
	c, err := a.act.AddContact(ctx, in.Name, in.Receiver, in.Address, in.By)
	return shownContact(c), err
}

func (a *api) removeContact(ctx context.Context, in changeByID) (Done, error) {
	return Done{in.ID}, a.act.RemoveContact(ctx, in.ID, in.By)
}

func (a *api) enableContact(ctx context.Context, in changeByID) (tocsin.Contact, error) {
	if err := a.act.EnableContact(ctx, in.ID, in.By); err != nil {
		return tocsin.Contact{}, err
	}
	return a.contact(ctx, in.ID)
}

func (a *api) sendCode(ctx context.Context, in byID) (tocsin.Contact, error) {
	if err := a.act.SendCode(ctx, in.ID); err != nil {
		return tocsin.Contact{}, err
	}
	return a.contact(ctx, in.ID)
}

func (a *api) contact(ctx context.Context, id int64) (tocsin.Contact, error) {
	return view(ctx, a, func(tx *store.Tx) (tocsin.Contact, error) {
		c, err := tx.Contact(id)
		return shownContact(c), err
	})
}

// CodeBody is the body that proves an address.
type CodeBody struct {
	Code string `json:"code" jsonschema:"minLength=1,maxLength=20,example=123456" doc:"The six digits that the address was sent."`
}

type verifyContact struct {
	byID
	CodeBody `body:"json"`
}

func (a *api) verifyContact(ctx context.Context, in verifyContact) (tocsin.Contact, error) {
	c, err := a.act.Verify(ctx, in.ID, in.Code)
	return shownContact(c), err
}
