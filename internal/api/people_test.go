package api_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/store"
)

func TestAPersonIsWrittenAndShown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var p tocsin.Person
	ask(t, h, "PUT", "/api/people/cy", `{"by":"ana","full_name":"Cy Young","time_zone":"America/New_York","quiet":{"from":"22:00","to":"07:00"}}`, 200, &p)
	if p.Name != "cy" || p.Version != 1 || p.Quiet == nil || p.Quiet.To != "07:00" {
		t.Errorf("written: %+v", p)
	}
	ask(t, h, "PUT", "/api/people/cy", `{"by":"ana"}`, 409, nil)
	ask(t, h, "PUT", "/api/people/cy", `{"by":"ana","version":1,"disabled":true}`, 200, &p)
	if !p.Disabled || p.Version != 2 {
		t.Errorf("changed: %+v", p)
	}
	ask(t, h, "PUT", "/api/people/cy", `{"by":"ana","version":1}`, 409, nil)
	ask(t, h, "GET", "/api/people/cy", "", 200, &p)
	if p.FullName != "" || !p.Disabled {
		t.Errorf("all of it is as the body said: %+v", p)
	}
	ask(t, h, "PUT", "/api/people/dee", `{"by":"ana","time_zone":"Mars/Olympus"}`, 422, nil)
	ask(t, h, "GET", "/api/people/nobody", "", 404, nil)
	var all api.People
	ask(t, h, "GET", "/api/people", "", 200, &all)
	if len(all.People) != 3 || all.People[0].Name != "ana" || all.People[2].Name != "cy" {
		t.Errorf("everybody: %+v", all.People)
	}
}

func TestAContactMethodIsProvedUsedAndRemoved(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var c tocsin.Contact
	ask(t, h, "POST", "/api/people/ana/contacts", `{"by":"ana","receiver":"mail","address":"ana@example.com"}`, 200, &c)
	if c.ID == 0 || c.Usable() {
		t.Errorf("added: %+v", c)
	}
	path := fmt.Sprintf("/api/contacts/%d/", c.ID)
	ask(t, h, "POST", path+"verify", `{"code":"none"}`, 422, nil)
	ask(t, h, "POST", path+"send-code", "", 200, &c)
	ask(t, h, "POST", path+"verify", `{"code":"`+h.code(t, c.ID)+`"}`, 200, &c)
	if !c.Usable() {
		t.Errorf("proved: %+v", c)
	}
	ask(t, h, "POST", path+"send-code", "", 422, nil)
	ask(t, h, "POST", path+"enable", `{"by":"ana"}`, 200, &c)
	if c.Usable() {
		t.Errorf("it has to be proved again: %+v", c)
	}
	var done api.Done
	ask(t, h, "POST", path+"remove", `{"by":"ana"}`, 200, &done)
	var p tocsin.Person
	ask(t, h, "GET", "/api/people/ana", "", 200, &p)
	if len(p.Contacts) != 0 || done.ID != c.ID {
		t.Errorf("removed: %+v, contacts %+v", done, p.Contacts)
	}
	ask(t, h, "POST", path+"remove", `{"by":"ana"}`, 404, nil)
	ask(t, h, "POST", "/api/people/nobody/contacts", `{"by":"ana","receiver":"mail","address":"x@example.com"}`, 404, nil)
	ask(t, h, "POST", "/api/people/ana/contacts", `{"by":"ana","receiver":"mail","address":"ana"}`, 422, nil)
	ask(t, h, "POST", "/api/people/ana/contacts", `{"by":"ana","receiver":"soc","address":"ana"}`, 422, nil)
}

// code is what the address was sent.
func (h house) code(t *testing.T, contact int64) (digits string) {
	t.Helper()
	check(t, h.store.View(t.Context(), func(tx *store.Tx) error {
		c, err := tx.Contact(contact)
		if err == nil {
			digits = c.Code.Digits
		}
		return err
	}))
	return digits
}

func TestACodeIsNeverAnswered(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var raw map[string]any
	ask(t, h, "POST", "/api/people/ana/contacts", `{"by":"ana","receiver":"mail","address":"ana@example.com"}`, 200, &raw)
	code := h.code(t, int64(raw["id"].(float64)))
	if !regexp.MustCompile(`^\d{6}$`).MatchString(code) {
		t.Fatalf("the code is %q", code)
	}
	for _, path := range []string{"/api/people", "/api/people/ana", "/api/notifications?person=ana"} {
		var answer any
		ask(t, h, "GET", path, "", 200, &answer)
		if strings.Contains(fmt.Sprint(answer), code) {
			t.Errorf("%s answers the code: %v", path, answer)
		}
	}
}
