package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// An actor is who looks at a page and acts from it.
type actor struct {
	By string // the name remembered, or empty
	// Known says that they are among the people.
	Known bool
	// Clock is the time zone by which their forms are read: their own, or UTC.
	Clock *time.Location
	// Names are everybody's, for the field in which they write theirs.
	Names []string
}

// actorOf is who sent the request.
func actorOf(r *http.Request, people []tocsin.Person) actor {
	return newActor(remembered(r), people)
}

func newActor(by string, people []tocsin.Person) actor {
	a := actor{By: by, Clock: time.UTC}
	for _, p := range people {
		if p.Disabled {
			continue
		}
		a.Names = append(a.Names, p.Name)
		if p.Name != by || by == "" {
			continue
		}
		a.Known = true
		if zone, err := time.LoadLocation(p.TimeZone); err == nil {
			a.Clock = zone
		}
	}
	return a
}

// Zone is the name of the clock.
func (a actor) Zone() string { return a.clock().String() }

func (a actor) clock() *time.Location {
	if a.Clock == nil {
		return time.UTC
	}
	return a.Clock
}

// peopleOf are everybody in a select, the chosen one marked.
func peopleOf(people []tocsin.Person, chosen string) []option {
	var os []option
	for _, p := range people {
		if p.Disabled {
			continue
		}
		label := p.Name
		if p.FullName != "" {
			label += " (" + p.FullName + ")"
		}
		os = append(os, option{Value: p.Name, Label: label, Chosen: p.Name == chosen})
	}
	return os
}

// whoView asks for the name under which forms of this browser act.
type whoView struct {
	Me   actor
	Back string
}

func (p *Pages) askWho(w http.ResponseWriter, r *http.Request) error {
	people, err := p.people(r)
	if err != nil {
		return err
	}
	v := whoView{Me: actorOf(r, people), Back: local(r.URL.Query().Get("back"))}
	return show(p, w, r, http.StatusOK, p.whoPage, head{Title: "Who are you?"}, v)
}

func (p *Pages) saveWho(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	if by(w, r) == "web" {
		http.SetCookie(w, &http.Cookie{Name: byCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode})
	}
	http.Redirect(w, r, local(r.PostFormValue("back")), http.StatusSeeOther)
	return nil
}

// people are everybody, for forms.
func (p *Pages) people(r *http.Request) (list []tocsin.Person, err error) {
	err = p.opts.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		list, err = tx.People()
		return err
	})
	return list, err
}

// local is s if it is an address of these pages, or else the start.
func local(s string) string {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") {
		return "/"
	}
	return s
}
