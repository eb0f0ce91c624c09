package config

import (
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // where the system has no zone data, as in most containers

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/oncall"
)

type person struct {
	FullName string    `json:"full_name" doc:"How people call them."`
	TimeZone string    `json:"time_zone" default:"UTC" doc:"IANA time zone of their quiet hours, and of times in messages to them."`
	Quiet    *quietly  `json:"quiet" doc:"Hours in which alerts below high wait."`
	Contacts []contact `json:"contacts" doc:"How they are reached. Until they have proved that an address is theirs it is sent nothing but a code."`
}

type quietly struct {
	From string `json:"from" required:"true" doc:"When they begin: 22:00."`
	To   string `json:"to" required:"true" doc:"When they end, perhaps on the next day: 07:00."`
}

type contact struct {
	Receiver string `json:"receiver" required:"true" doc:"The receiver that reaches them; one that can tell single people."`
	Address  string `json:"address" required:"true" doc:"Their address as that receiver writes it: +4930123456, ana@example.com, U012AB3CD."`
}

// people are those to begin with. Nothing says yet that the addresses are theirs.
func (d *decoder) people(f file) []tocsin.Person {
	var all []tocsin.Person
	owned := map[contact]string{}
	for _, name := range written(d, "people", f.People) {
		p, path := f.People[name], join("people", name)
		d.checkName(path, name)
		made := tocsin.Person{Name: name, FullName: p.FullName, TimeZone: p.TimeZone}
		if _, err := time.LoadLocation(p.TimeZone); (err != nil || p.TimeZone == "Local") && !d.failed(path+".time_zone") {
			d.fail(d.spot(path+".time_zone"), path+".time_zone", "%q is no IANA time zone such as Europe/Berlin", p.TimeZone)
		}
		if p.Quiet != nil {
			made.Quiet = &tocsin.Hours{From: p.Quiet.From, To: p.Quiet.To}
			d.checkHours(path+".quiet", *made.Quiet)
		}
		for i, c := range p.Contacts {
			at := index(path+".contacts", i)
			if c = d.address(at, f, c); d.failed(at) {
				continue
			}
			if first, twice := owned[c]; twice {
				d.fail(d.spot(at+".address"), at+".address", "is %s's, too: an answer from there would be nobody's", first)
				continue
			}
			owned[c] = name
			made.Contacts = append(made.Contacts, tocsin.Contact{Person: name, Receiver: c.Receiver, Address: c.Address})
		}
		all = append(all, made)
	}
	return all
}

func (d *decoder) checkHours(path string, h tocsin.Hours) {
	err := oncall.CheckHours(h)
	if err == nil || d.failed(path) {
		return
	}
	text := err.Error()
	if key, rest, ok := strings.Cut(text, ": "); ok && d.isWritten(path+"."+key) {
		path, text = path+"."+key, rest
	}
	d.fail(d.spot(path), path, "%s", text)
}

// address has the receiver's kind read the address.
func (d *decoder) address(path string, f file, c contact) contact {
	d.refer(path+".receiver", "receiver", c.Receiver)
	i := slices.IndexFunc(d.kinds.Notifiers, func(k notify.Kind) bool { return k.Name == f.Receivers[c.Receiver].Kind.name })
	if i < 0 || d.failed(path) {
		return c
	}
	kind := d.kinds.Notifiers[i]
	if kind.Address == nil {
		d.fail(d.spot(path+".receiver"), path+".receiver", "%s (%s) cannot tell single people", c.Receiver, kind.Name)
		return c
	}
	address, err := kind.Address(c.Address)
	if err != nil {
		d.fail(d.spot(path+".address"), path+".address", "%s", err)
	}
	return contact{Receiver: c.Receiver, Address: address}
}
