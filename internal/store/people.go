package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
)

// People gives everybody with their contact methods, by name.
func (tx *Tx) People() ([]tocsin.Person, error) {
	people, err := tx.people(`
		SELECT name, version, doc
		FROM person`)
	if err != nil {
		return nil, err
	}
	contacts, err := tx.contacts(`
		SELECT ` + contactColumns + `
		FROM contact
		WHERE address IS NOT NULL
		ORDER BY id`)
	if err != nil {
		return nil, err
	}
	of := map[string][]tocsin.Contact{}
	for _, c := range contacts {
		of[c.Person] = append(of[c.Person], c)
	}
	for i := range people {
		people[i].Contacts = of[people[i].Name]
	}
	// Not by the database, whose order of letters depends on where it is.
	slices.SortFunc(people, func(p, q tocsin.Person) int { return cmp.Compare(p.Name, q.Name) })
	return people, nil
}

// Person gives somebody with their contact methods, or ErrNotFound.
func (tx *Tx) Person(name string) (tocsin.Person, error) {
	people, err := tx.people(`
		SELECT name, version, doc
		FROM person
		WHERE name = $1`, text(name))
	if err == nil && len(people) == 0 {
		err = fmt.Errorf("person %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return tocsin.Person{}, err
	}
	p := people[0]
	p.Contacts, err = tx.contacts(`
		SELECT `+contactColumns+`
		FROM contact
		WHERE person = $1
			AND address IS NOT NULL
		ORDER BY id`, text(name))
	return p, err
}

func (tx *Tx) people(sql string, args ...any) ([]tocsin.Person, error) {
	var list []tocsin.Person
	err := tx.db.query(sql, args, func(r row) error {
		var p tocsin.Person
		var name string
		var version int64
		var doc []byte
		if err := r.Scan(&name, &version, &doc); err != nil {
			return err
		}
		if err := json.Unmarshal(doc, &p); err != nil {
			return fmt.Errorf("person %s: %w", name, err)
		}
		p.Name, p.Version = name, version
		list = append(list, p)
		return nil
	})
	return list, err
}

// SavePerson inserts somebody whose Version is 0, ErrExists if the name is taken,
// and else updates them, ErrStale if the Version is not the one stored. It raises
// Version by one. Contact methods are saved by [Tx.SaveContact].
func (tx *Tx) SavePerson(p *tocsin.Person) error {
	bare := *p
	bare.Contacts = nil
	doc, err := document(bare)
	if err != nil {
		return fmt.Errorf("person %s: %w", p.Name, err)
	}
	if p.Version == 0 {
		err = tx.insertPerson(p.Name, doc)
	} else {
		err = tx.updatePerson(p.Name, doc, p.Version)
	}
	if err != nil {
		return fmt.Errorf("person %s: %w", p.Name, err)
	}
	tx.remember(&p.Version)
	p.Version++
	tx.changed()
	return nil
}

// insertPerson looks before it inserts, so that it can say what is wrong.
func (tx *Tx) insertPerson(name, doc string) error {
	found, err := tx.ids(`
		SELECT version
		FROM person
		WHERE name = $1`, text(name))
	if err == nil && len(found) > 0 {
		err = overtaken{ErrExists}
	}
	if err != nil {
		return err
	}
	_, err = tx.db.exec(`
		INSERT INTO person (name, version, doc)
		VALUES ($1, 1, $2)`, text(name), doc)
	return err
}

func (tx *Tx) updatePerson(name, doc string, version int64) error {
	rows, err := tx.db.exec(`
		UPDATE person
		SET version = version + 1, doc = $1
		WHERE name = $2
			AND version = $3`, doc, text(name), version)
	if err == nil && rows == 0 {
		err = ErrStale
	}
	return err
}

// contactColumns are what scanContact reads.
const contactColumns = `
	id, person, receiver, COALESCE(address, ''), verified_at, disabled_why, failures, code`

func scanContact(r row) (tocsin.Contact, error) {
	var c tocsin.Contact
	var verified int64
	var code []byte
	if err := r.Scan(&c.ID, &c.Person, &c.Receiver, &c.Address, &verified, &c.DisabledWhy, &c.Failures, &code); err != nil {
		return c, err
	}
	c.VerifiedAt = moment(verified)
	if len(code) > 0 {
		c.Code = &tocsin.Code{}
		if json.Unmarshal(code, c.Code) != nil { // what the error says may quote the code
			return c, fmt.Errorf("contact %d: its code cannot be read", c.ID)
		}
	}
	return c, nil
}

func (tx *Tx) contacts(sql string, args ...any) ([]tocsin.Contact, error) {
	var list []tocsin.Contact
	err := tx.db.query(sql, args, func(r row) error {
		c, err := scanContact(r)
		list = append(list, c)
		return err
	})
	return list, err
}

// Contact gives one contact method, or ErrNotFound. It is locked against other
// replicas until the transaction ends, so that no two count the same failure, or
// the same try of a code; in a view nothing is locked. One that was removed has
// no Address.
func (tx *Tx) Contact(id int64) (tocsin.Contact, error) {
	list, err := tx.contacts(`
		SELECT `+contactColumns+`
		FROM contact
		WHERE id = $1
		`+tx.forUpdate(), id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("contact %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return tocsin.Contact{}, err
	}
	return list[0], nil
}

// ContactsBy gives the contact methods with that address, oldest first: several
// if people share it, and also those that nobody has verified.
func (tx *Tx) ContactsBy(receiver, address string) ([]tocsin.Contact, error) {
	return tx.contacts(`
		SELECT `+contactColumns+`
		FROM contact
		WHERE receiver = $1
			AND address = $2
		ORDER BY id`, text(receiver), text(address))
}

// SaveContact inserts a contact method without an ID, giving it one, and updates
// another as a whole: read it with [Tx.Contact] in the same transaction.
// ErrExists says that the person has that address already, ErrNotFound that it
// was removed.
func (tx *Tx) SaveContact(c *tocsin.Contact) error {
	if c.Address == "" {
		return fmt.Errorf("contact of %s by %s: it has no address", c.Person, c.Receiver)
	}
	code := ""
	if c.Code != nil {
		var err error
		if code, err = document(c.Code); err != nil {
			return fmt.Errorf("contact %d: %w", c.ID, err)
		}
	}
	same, err := tx.ids(`
		SELECT id
		FROM contact
		WHERE receiver = $1
			AND address = $2
			AND person = $3`, text(c.Receiver), text(c.Address), text(c.Person))
	if err != nil {
		return err
	}
	if len(same) > 0 && same[0] != c.ID {
		return overtaken{fmt.Errorf("contact %d, %s by %s: %w", same[0], c.Person, c.Receiver, ErrExists)}
	}
	columns := []any{
		text(c.Person), text(c.Receiver), text(c.Address), millis(c.VerifiedAt), text(c.DisabledWhy), int64(c.Failures),
		strings.TrimSpace(code),
	}
	tx.changed()
	if c.ID != 0 {
		rows, err := tx.db.exec(`
			UPDATE contact
			SET person = $1, receiver = $2, address = $3, verified_at = $4, disabled_why = $5, failures = $6, code = $7
			WHERE id = $8
				AND address IS NOT NULL`, append(columns, c.ID)...)
		if err == nil && rows == 0 {
			err = fmt.Errorf("contact %d: %w", c.ID, ErrNotFound)
		}
		return err
	}
	return tx.db.inserts(`
		INSERT INTO contact (person, receiver, address, verified_at, disabled_why, failures, code)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		"id", 1, func(_ int, args []any) []any {
			return append(args, columns...)
		}, func(_ int, id int64) {
			tx.remember(&c.ID)
			c.ID = id
		})
}

// RemoveContact forgets the address of a contact method and what proved it, or is
// ErrNotFound. The ID stays its own.
func (tx *Tx) RemoveContact(id int64) error {
	rows, err := tx.db.exec(`
		UPDATE contact
		SET address = NULL, verified_at = 0, code = ''
		WHERE id = $1
			AND address IS NOT NULL`, id)
	if err == nil && rows == 0 {
		err = fmt.Errorf("contact %d: %w", id, ErrNotFound)
	}
	tx.changed()
	return err
}

// changed raises the generation.
func (tx *Tx) changed() { tx.tallies.add(tallyGeneration, "", "", 1, 0) }

// Generation is another number after each change to people, contact methods,
// silences, overrides and schedules: whoever keeps a copy of them asks for it to
// know whether the copy is still good.
func (tx *Tx) Generation() (int64, error) {
	var generation int64
	err := tx.counted(tallyGeneration, func(_, _ string, sum tallied) { generation = sum.n })
	return generation, err
}
