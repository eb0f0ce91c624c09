package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

type peopleView struct {
	Me   actor
	Rows []personRow
}

// A personRow is somebody in the list.
type personRow struct {
	tocsin.Person
	Teams       []string
	OnCall      []string // schedules for which they are now
	Unreachable string   // why they cannot be told at once, or empty
	Trouble     int      // contact methods that are disabled
}

// Href is their page.
func (r personRow) Href() string { return personHref(r.Name) }

// A peopleInput is all that the list of people is made of.
type peopleInput struct {
	By     string
	People []tocsin.Person
	Teams  []tocsin.Team
	OnCall []engine.OnCall
}

func (p *Pages) listPeople(w http.ResponseWriter, r *http.Request) error {
	people, err := p.people(r)
	if err != nil {
		return fmt.Errorf("people: %w", err)
	}
	in := peopleInput{By: remembered(r), People: people, Teams: p.opts.Act.Teams(), OnCall: p.opts.Act.OnCall(p.opts.Now())}
	return show(p, w, r, http.StatusOK, p.peoplePage, head{Title: "People", Here: "people"}, in.view())
}

func (in peopleInput) view() peopleView {
	v := peopleView{Me: newActor(in.By, in.People)}
	for _, p := range in.People {
		v.Rows = append(v.Rows, in.row(p))
	}
	return v
}

func (in peopleInput) row(p tocsin.Person) personRow {
	row := personRow{Person: p, Unreachable: newWorld([]tocsin.Person{p}, nil).unreachable(p.Name)}
	for _, t := range in.Teams {
		if slices.Contains(t.Members, p.Name) {
			row.Teams = append(row.Teams, t.Name)
		}
	}
	for _, o := range in.OnCall {
		if slices.Contains(o.People, p.Name) {
			row.OnCall = append(row.OnCall, o.Schedule)
		}
	}
	for _, c := range p.Contacts {
		if c.DisabledWhy != "" {
			row.Trouble++
		}
	}
	return row
}

func (p *Pages) addPerson(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	person := tocsin.Person{Name: line(r.PostFormValue("name"), 63), FullName: line(r.PostFormValue("full_name"), 200), TimeZone: line(r.PostFormValue("time_zone"), 60)}
	saved, err := p.opts.Act.SavePerson(r.Context(), person, by(w, r))
	if errors.Is(err, store.ErrExists) {
		return wrong("name: there is somebody called %s already", person.Name)
	}
	if err != nil {
		return fmt.Errorf("add person: %w", err)
	}
	http.Redirect(w, r, personHref(saved.Name), http.StatusSeeOther)
	return nil
}

type personView struct {
	personRow
	Me        actor
	LocalTime string
	Contacts  []contactRow
	High, Low []ruleRow
	Default   bool // no rule is chosen
	Receivers []option
	Inviters  []option // that people enrol with by a link
	Recent    notificationTable
	Disturbed int // messages that called in the nights of the last weeks
	Feed      string
	Version   int64
}

// A contactRow is one contact method.
type contactRow struct {
	tocsin.Contact
	Kind       string // of the receiver
	Word, Tone string
	Verified   when
	CodeUntil  when // a code was sent and can be given until then; zero if not
	Pending    bool // it is not proven
}

// A ruleRow is one line of how somebody is told; an empty one is for another.
type ruleRow struct {
	Minutes  string
	Contacts []option
}

// nights is over how long interruptions are counted.
const nights = 28 * 24 * time.Hour

// A personInput is all that somebody's page is made of.
type personInput struct {
	peopleInput
	Now       time.Time
	Person    tocsin.Person
	Receivers []ReceiverInfo
	Recent    []tocsin.Notification
	Attempts  map[int64][]store.Attempt
	Alerts    map[int64]tocsin.Alert
	Messages  []store.PersonalMessage
}

// recentShown is how many of the last messages are listed.
const recentShown = 15

func (p *Pages) showPerson(w http.ResponseWriter, r *http.Request) error {
	in := personInput{
		Now: p.opts.Now(), Receivers: p.opts.Receivers(),
		peopleInput: peopleInput{By: remembered(r), Teams: p.opts.Act.Teams(), OnCall: p.opts.Act.OnCall(p.opts.Now())},
	}
	name := pathName(r, "name")
	err := p.opts.Store.View(r.Context(), func(tx *store.Tx) error { return in.read(tx, name) })
	if err != nil {
		return fmt.Errorf("person %s: %w", name, err)
	}
	return show(p, w, r, http.StatusOK, p.personPage, head{Title: name, Here: "people"}, in.view())
}

func (in *personInput) read(tx *store.Tx, name string) (err error) {
	if in.Person, err = tx.Person(name); err != nil {
		return err
	}
	if in.People, err = tx.People(); err != nil {
		return err
	}
	if in.Recent, err = tx.Notifications(store.NotificationFilter{Person: name, Page: store.Page{Limit: recentShown}}); err != nil {
		return err
	}
	if in.Attempts, err = attemptsOf(tx, in.Recent); err != nil {
		return err
	}
	if in.Alerts, err = alertsOf(tx, in.Recent); err != nil {
		return err
	}
	in.Messages, err = tx.Personal(in.Now.Add(-nights), in.Now)
	return err
}

func (in personInput) view() personView {
	p := in.Person
	v := personView{
		personRow: in.row(p), Me: newActor(in.By, in.People), Version: p.Version, Default: len(p.High)+len(p.Low) == 0,
		Recent: notificationTable{Rows: notificationRows(in.Recent, in.Alerts, in.Attempts, in.Now), Caption: "Messages"},
		Feed:   "/api" + personHref(p.Name) + ".ics",
		High:   in.rules(p.High), Low: in.rules(p.Low),
	}
	zone, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	v.LocalTime = in.Now.In(zone).Format("15:04 MST")
	for _, m := range in.Messages {
		if hour := m.At.In(zone).Hour(); m.Person == p.Name && m.Kind.Calls() && (hour >= 22 || hour < 8) {
			v.Disturbed++
		}
	}
	for _, c := range p.Contacts {
		v.Contacts = append(v.Contacts, in.contact(c))
	}
	for _, r := range in.Receivers {
		switch {
		case !r.Personal:
		case r.Invites:
			v.Inviters = append(v.Inviters, option{Value: r.Name, Label: r.Name + " (" + r.Kind + ")"})
		default:
			v.Receivers = append(v.Receivers, option{Value: r.Name, Label: r.Name + " (" + addressHints[r.Kind] + r.Kind + ")"})
		}
	}
	return v
}

// Shown is the address as people read it.
func (r contactRow) Shown() string { return notify.ShownAddress(r.Address) }

// addressHints say what is written for an address of such a receiver.
var addressHints = map[string]string{
	"sms": "a phone number, ", "voice": "a phone number, ", "email": "an address, ", "slack": "a member ID such as U012AB3CD, ",
}

func (in personInput) contact(c tocsin.Contact) contactRow {
	row := contactRow{Contact: c, Verified: when{c.VerifiedAt, in.Now}}
	if i := slices.IndexFunc(in.Receivers, func(r ReceiverInfo) bool { return r.Name == c.Receiver }); i >= 0 {
		row.Kind = in.Receivers[i].Kind
	}
	switch {
	case c.DisabledWhy != "":
		row.Word, row.Tone = "Not used", "bad"
	case c.Usable():
		row.Word, row.Tone = "Verified", "good"
	default:
		row.Word, row.Tone, row.Pending = "Not verified", "odd", true
		if c.Code != nil && c.Code.Expires.After(in.Now) {
			row.CodeUntil = when{c.Code.Expires, in.Now}
		}
	}
	return row
}

// rules are the lines of a form, with one more than there are.
func (in personInput) rules(rules []tocsin.NotificationRule) []ruleRow {
	var rows []ruleRow
	for _, r := range append(slices.Clone(rules), tocsin.NotificationRule{}) {
		row := ruleRow{Contacts: []option{{Value: "", Label: "Nothing"}}}
		if r.Contact != 0 {
			row.Minutes = strconv.Itoa(r.Minutes)
		}
		for _, c := range in.Person.Contacts {
			label := c.Receiver + " " + notify.ShownAddress(c.Address)
			if !c.Usable() {
				label += " (not in use)"
			}
			row.Contacts = append(row.Contacts, option{Value: strconv.FormatInt(c.ID, 10), Label: label, Chosen: c.ID == r.Contact})
		}
		rows = append(rows, row)
	}
	return rows
}

// changePerson reads somebody as their form saw them, changes and saves them.
func (p *Pages) changePerson(w http.ResponseWriter, r *http.Request, change func(*tocsin.Person) error) error {
	if err := parse(r); err != nil {
		return err
	}
	name := pathName(r, "name")
	var person tocsin.Person
	err := p.opts.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		person, err = tx.Person(name)
		return err
	})
	if err != nil {
		return err
	}
	if version, err := positive(r.PostForm, "version"); err == nil && version != 0 && version != person.Version {
		return fmt.Errorf("person %s: %w", name, store.ErrStale)
	}
	if err := change(&person); err != nil {
		return err
	}
	if _, err := p.opts.Act.SavePerson(r.Context(), person, by(w, r)); err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	http.Redirect(w, r, personHref(name), http.StatusSeeOther)
	return nil
}

func (p *Pages) savePerson(w http.ResponseWriter, r *http.Request) error {
	return p.changePerson(w, r, func(person *tocsin.Person) error {
		person.FullName, person.TimeZone = line(r.PostFormValue("full_name"), 200), line(r.PostFormValue("time_zone"), 60)
		person.Disabled = r.PostFormValue("disabled") != ""
		hours := tocsin.Hours{From: line(r.PostFormValue("quiet_from"), 10), To: line(r.PostFormValue("quiet_to"), 10)}
		person.Quiet = nil
		switch {
		case hours.From != "" && hours.To != "":
			person.Quiet = &hours
		case hours.From != "" || hours.To != "":
			return wrong("quiet hours: say both when they begin and when they end")
		}
		return nil
	})
}

func (p *Pages) saveRules(w http.ResponseWriter, r *http.Request) error {
	return p.changePerson(w, r, func(person *tocsin.Person) (err error) {
		if person.High, err = readRules(r, "high"); err != nil {
			return err
		}
		person.Low, err = readRules(r, "low")
		return err
	})
}

func readRules(r *http.Request, urgency string) ([]tocsin.NotificationRule, error) {
	contacts, minutes := r.PostForm[urgency+"_contact"], r.PostForm[urgency+"_minutes"]
	var rules []tocsin.NotificationRule
	for i, c := range contacts {
		if c == "" || i >= len(minutes) {
			continue
		}
		id, err := strconv.ParseInt(c, 10, 64)
		if err != nil {
			return nil, wrong("%s: %q is no contact method", urgency, c)
		}
		after := 0
		if s := strings.TrimSpace(minutes[i]); s != "" {
			if after, err = strconv.Atoi(s); err != nil {
				return nil, wrong("%s: %q is no number of minutes", urgency, s)
			}
		}
		rules = append(rules, tocsin.NotificationRule{Minutes: after, Contact: id})
	}
	slices.SortStableFunc(rules, func(a, b tocsin.NotificationRule) int { return a.Minutes - b.Minutes })
	return rules, nil
}

func (p *Pages) addContact(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	name := pathName(r, "name")
	_, err := p.opts.Act.AddContact(r.Context(), name, line(r.PostFormValue("receiver"), 200), line(r.PostFormValue("address"), 300), by(w, r))
	if errors.Is(err, store.ErrExists) {
		return wrong("address: %s has that one already", name)
	}
	if err != nil {
		return fmt.Errorf("add contact of %s: %w", name, err)
	}
	http.Redirect(w, r, personHref(name)+"#contacts", http.StatusSeeOther)
	return nil
}

// changeContact does something to a contact method of the person in the path.
func (p *Pages) changeContact(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, id int64, by string) error) error {
	id, err := readForm(r)
	if err != nil {
		return err
	}
	name := pathName(r, "name")
	err = p.opts.Store.View(r.Context(), func(tx *store.Tx) error {
		c, err := tx.Contact(id)
		if err == nil && c.Person != name {
			err = store.ErrNotFound
		}
		return err
	})
	if err == nil {
		err = do(r.Context(), id, by(w, r))
	}
	if err != nil {
		return fmt.Errorf("contact %d of %s: %w", id, name, err)
	}
	http.Redirect(w, r, personHref(name)+"#contacts", http.StatusSeeOther)
	return nil
}

func (p *Pages) verifyContact(w http.ResponseWriter, r *http.Request) error {
	return p.changeContact(w, r, func(ctx context.Context, id int64, _ string) error {
		_, err := p.opts.Act.Verify(ctx, id, line(r.PostFormValue("code"), 20))
		return err
	})
}

func (p *Pages) sendCode(w http.ResponseWriter, r *http.Request) error {
	return p.changeContact(w, r, func(ctx context.Context, id int64, _ string) error { return p.opts.Act.SendCode(ctx, id) })
}

func (p *Pages) enableContact(w http.ResponseWriter, r *http.Request) error {
	return p.changeContact(w, r, p.opts.Act.EnableContact)
}

func (p *Pages) removeContact(w http.ResponseWriter, r *http.Request) error {
	return p.changeContact(w, r, p.opts.Act.RemoveContact)
}
