package web

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/connect"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/setup"
)

// A SetUp lists and changes sources and receivers; [setup.Setup] is the one that
// does it. What is wrong with what was asked it says with [setup.Problems],
// [setup.RefusedError] and [setup.ErrNotFound].
type SetUp interface {
	Fixed() error
	Catalogue(w setup.What) []setup.Choice
	Choice(w setup.What, name string) (setup.Choice, bool)
	Form(w setup.What, kind string) (config.Form, bool)
	Names(what string) []string
	Sources(ctx context.Context) ([]setup.SourceInfo, error)
	Source(ctx context.Context, name string) (setup.SourceInfo, error)
	Receivers(ctx context.Context) ([]setup.ReceiverInfo, error)
	Receiver(ctx context.Context, name string) (setup.ReceiverInfo, error)
	Save(ctx context.Context, s setup.Save) error
	Delete(ctx context.Context, w setup.What, name, by string) error
	Disable(ctx context.Context, w setup.What, name, by string) error
	Enable(ctx context.Context, w setup.What, name, by string) error
	Rotate(ctx context.Context, source, by string, keep time.Duration) (setup.Token, error)
	Retire(ctx context.Context, source, by string) error
	URL(ctx context.Context, source string) (setup.Access, error)
	Connect(ctx context.Context, source string, o connect.Options) (connect.Text, error)
	Sample(source string) []byte
	TestSource(ctx context.Context, source string, event []byte) (engine.Explanation, error)
	TestReceiver(ctx context.Context, receiver, by string) error
}

var _ SetUp = (*setup.Setup)(nil)

// addPage is what the catalogue's address ends in, so that nothing can be called
// that.
const addPage = "add"

// homeOf is the list of what is set up.
func homeOf(w setup.What) string { return "/" + string(w) + "s" }

// hrefOf is the page of one entry; empty where its address is the catalogue's.
func hrefOf(w setup.What, name string) string {
	if name == addPage {
		return ""
	}
	return homeOf(w) + "/" + url.PathEscape(name)
}

// hereOf is what the navigation marks.
func hereOf(w setup.What) string { return string(w) + "s" }

// setupRoutes are the addresses of what is set up. What is done to an entry has one
// pattern, since the mux cannot tell /sources/{name}/edit from /sources/add/{choice}.
func (p *Pages) setupRoutes(mux *http.ServeMux) {
	for w, r := range map[setup.What]struct {
		show handler
		acts map[string]handler
	}{
		setup.Source: {p.showSource, map[string]handler{
			"edit": p.edit(setup.Source), "address": p.revealSource, "connect": p.connectSource, "rotate": p.rotateSource,
			"retire": p.retireSource, "test": p.testSource,
		}},
		setup.Receiver: {p.showReceiver, map[string]handler{"edit": p.edit(setup.Receiver), "test": p.testReceiver}},
	} {
		r.acts["disable"] = p.changeEntry(w, p.opts.Setup.Disable)
		r.acts["enable"] = p.changeEntry(w, p.opts.Setup.Enable)
		r.acts["delete"] = p.deleteEntry(w)
		home := homeOf(w)
		mux.Handle("GET "+home+"/"+addPage, p.adapt(p.showCatalogue(w)))
		mux.Handle("GET "+home+"/"+addPage+"/{choice}", p.adapt(p.showAdd(w)))
		mux.Handle("POST "+home+"/"+addPage+"/{choice}", p.adaptUpTo(maxSettings, p.add(w)))
		mux.Handle("GET "+home+"/{name}", p.adapt(r.show))
		mux.Handle("GET "+home+"/{name}/{do}", p.adapt(p.showAct(w, slices.Collect(maps.Keys(r.acts)))))
		mux.Handle("POST "+home+"/{name}/{do}", p.adaptUpTo(maxEvent, func(w http.ResponseWriter, req *http.Request) error {
			act, ok := r.acts[req.PathValue("do")]
			if !ok {
				return noSuchPage(req)
			}
			return act(w, req)
		}))
	}
}

// maxSettings is the largest form of settings, in bytes: a map of the events of some
// other tool may be long.
const maxSettings = 256 << 10

// showAct is the form of a change; of all else that is done by a button it leads
// back to the entry's page, for whoever loads the answer's address again.
func (p *Pages) showAct(w setup.What, acts []string) handler {
	return func(out http.ResponseWriter, r *http.Request) error {
		switch do := r.PathValue("do"); {
		case do == "edit":
			return p.showEdit(w)(out, r)
		case slices.Contains(acts, do):
			http.Redirect(out, r, hrefOf(w, r.PathValue("name")), http.StatusSeeOther)
			return nil
		}
		return noSuchPage(r)
	}
}

type catalogueView struct {
	What   setup.What
	Home   string
	Fixed  string // why nothing can be added, or empty
	Groups []choiceGroup
}

// A choiceGroup is what stands together in the catalogue.
type choiceGroup struct {
	ID, Name string
	Choices  []choiceRow
}

type choiceRow struct {
	setup.Choice
	Href string
	Can  []string // "edits", "threads"
}

func (p *Pages) showCatalogue(w setup.What) handler {
	return func(out http.ResponseWriter, r *http.Request) error {
		v := newCatalogue(w, p.opts.Setup.Catalogue(w), p.opts.Setup.Fixed())
		return show(p, out, r, http.StatusOK, p.cataloguePage, head{Title: "Add a " + string(w), Here: hereOf(w)}, v)
	}
}

func newCatalogue(w setup.What, all []setup.Choice, fixed error) catalogueView {
	v := catalogueView{What: w, Home: homeOf(w), Fixed: said(fixed)}
	for _, c := range all {
		if len(v.Groups) == 0 || v.Groups[len(v.Groups)-1].Name != c.Group {
			v.Groups = append(v.Groups, choiceGroup{ID: "group-" + strconv.Itoa(len(v.Groups)+1), Name: c.Group})
		}
		g := &v.Groups[len(v.Groups)-1]
		row := choiceRow{Choice: c, Href: homeOf(w) + "/" + addPage + "/" + url.PathEscape(c.Name)}
		if c.Abilities != nil {
			row.Can = can(*c.Abilities)
		}
		g.Choices = append(g.Choices, row)
	}
	return v
}

// said is an error as sentences, or nothing. Names and paths in it stay as they are.
func said(err error) string {
	if err == nil {
		return ""
	}
	var all []string
	for l := range strings.SplitSeq(err.Error(), "\n") {
		if l = strings.TrimSpace(l); l != "" {
			all = append(all, sentence(l))
		}
	}
	return strings.Join(all, " ")
}

// sentence makes a text begin with a capital, unless that is a name's, and end with
// a full stop.
func sentence(s string) string {
	if first, _, _ := strings.Cut(s, " "); !strings.ContainsAny(first, `./:_"“`) {
		r, size := utf8.DecodeRuneInString(s)
		s = string(unicode.ToUpper(r)) + s[size:]
	}
	return strings.TrimSuffix(s, ".") + "."
}

// can are a destination's abilities in words.
func can(a notify.Abilities) (words []string) {
	for _, ability := range []struct {
		has  bool
		word string
	}{{a.Edits, "edits"}, {a.Threads, "threads"}, {a.Acknowledge, "acknowledges"}, {a.Resolve, "resolves"}, {a.Rich, "rich"}} {
		if ability.has {
			words = append(words, ability.word)
		}
	}
	return words
}

// choice is what of the catalogue the address names.
func (p *Pages) choice(w setup.What, r *http.Request) (setup.Choice, config.Form, error) {
	c, ok := p.opts.Setup.Choice(w, r.PathValue("choice"))
	if !ok {
		return c, config.Form{}, noSuchPage(r)
	}
	f, ok := p.opts.Setup.Form(w, c.Kind)
	if !ok {
		return c, f, noSuchPage(r)
	}
	return c, f, nil
}

// showAdd is the empty form of a choice of the catalogue.
func (p *Pages) showAdd(w setup.What) handler {
	return func(out http.ResponseWriter, r *http.Request) error {
		c, f, err := p.choice(w, r)
		if err != nil {
			return err
		}
		return p.showForm(out, r, http.StatusOK, addInput{What: w, Choice: c, Form: f, Values: c.Values})
	}
}

// add writes a new entry, or shows what is wrong.
func (p *Pages) add(w setup.What) handler {
	return func(out http.ResponseWriter, r *http.Request) error {
		if err := parse(r); err != nil {
			return err
		}
		c, f, err := p.choice(w, r)
		if err != nil {
			return err
		}
		in := addInput{What: w, Choice: c, Form: f, Name: line(r.PostFormValue("name"), 100), Values: typed(r)}
		for key, value := range c.Values {
			if _, ok := f.Field(key); !ok {
				in.Values[key] = value // of what has no field
			}
		}
		if in.Name == addPage {
			err = setup.Problems{{Field: "name", Text: "“" + addPage + "” is the address of this page: choose another name"}}
		} else {
			err = p.opts.Setup.Save(r.Context(), setup.Save{What: w, Name: in.Name, Kind: c.Kind, Values: in.Values, New: true, By: by(out, r)})
		}
		if problems, ok := errors.AsType[setup.Problems](err); ok {
			in.Problems = problems
			return p.showForm(out, r, http.StatusUnprocessableEntity, in)
		}
		if err != nil {
			return setupRefusal(r, err)
		}
		http.Redirect(out, r, hrefOf(w, in.Name), http.StatusSeeOther)
		return nil
	}
}

// A formInput is all that the form of an entry is made of.
type formInput interface {
	view(names func(what string) []string) setupForm
}

func (p *Pages) showForm(out http.ResponseWriter, r *http.Request, status int, in formInput) error {
	v := in.view(p.opts.Setup.Names)
	v.Fixed, v.Me = said(p.opts.Setup.Fixed()), actorOf(r, nil)
	title := "Add: " + v.Title
	if !v.New {
		title = "Change " + v.Name
	}
	return show(p, out, r, status, p.setupFormPage, head{Title: title, Here: hereOf(v.What)}, v)
}

// showEdit is the form of what is there.
func (p *Pages) showEdit(w setup.What) handler {
	return func(out http.ResponseWriter, r *http.Request) error {
		e, f, err := p.editable(w, r)
		if err != nil {
			return err
		}
		return p.showForm(out, r, http.StatusOK, editInput{Entry: e, Form: f, Values: e.Values})
	}
}

// editable is the entry that the address names, if it can be changed here.
func (p *Pages) editable(w setup.What, r *http.Request) (setup.Entry, config.Form, error) {
	e, err := p.entry(r.Context(), w, r.PathValue("name"))
	if err != nil {
		return e, config.Form{}, err
	}
	if e.Deleted || !e.Managed {
		why := "It was deleted."
		if !e.Deleted {
			why = sentence(e.Why)
		}
		return e, config.Form{}, &problem{
			Status: http.StatusConflict, Title: "It cannot be changed here", Words: why, Href: hrefOf(w, e.Name), Link: "Go back",
		}
	}
	f, ok := p.opts.Setup.Form(w, e.Kind)
	if !ok {
		return e, f, noSuchPage(r)
	}
	return e, f, nil
}

// entry is the entry that the address names.
func (p *Pages) entry(ctx context.Context, w setup.What, name string) (setup.Entry, error) {
	if w == setup.Source {
		s, err := p.opts.Setup.Source(ctx, name)
		return s.Entry, err
	}
	rc, err := p.opts.Setup.Receiver(ctx, name)
	return rc.Entry, err
}

// edit changes an entry in place, so that its history goes on.
func (p *Pages) edit(w setup.What) handler {
	return func(out http.ResponseWriter, r *http.Request) error {
		if err := parse(r); err != nil {
			return err
		}
		e, f, err := p.editable(w, r)
		if err != nil {
			return err
		}
		in := editInput{Entry: e, Form: f, Values: typed(r)}
		if r.PostFormValue("seen") != sumOfEntry(e) {
			in.Problems = setup.Problems{{Text: "it was changed by somebody else while you wrote; look at it in another tab, and save again to put yours in its place"}}
			return p.showForm(out, r, http.StatusConflict, in)
		}
		err = p.opts.Setup.Save(r.Context(), setup.Save{What: w, Name: e.Name, Kind: e.Kind, Values: in.Values, By: by(out, r)})
		if problems, ok := errors.AsType[setup.Problems](err); ok {
			in.Problems = problems
			return p.showForm(out, r, http.StatusUnprocessableEntity, in)
		}
		if err != nil {
			return setupRefusal(r, err)
		}
		http.Redirect(out, r, hrefOf(w, e.Name), http.StatusSeeOther)
		return nil
	}
}

// sumOfEntry is another one when somebody changed the entry. Secrets are not in it,
// since they are not in the entry.
func sumOfEntry(e setup.Entry) string {
	h := fnv.New64a()
	for _, key := range slices.Sorted(maps.Keys(e.Values)) {
		fmt.Fprintf(h, "%q %q ", key, e.Values[key])
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// changeEntry is one button of an entry's page.
func (p *Pages) changeEntry(w setup.What, change func(ctx context.Context, w setup.What, name, by string) error) handler {
	return func(out http.ResponseWriter, r *http.Request) error {
		if err := parse(r); err != nil {
			return err
		}
		name := r.PathValue("name")
		if err := change(r.Context(), w, name, by(out, r)); err != nil {
			return setupRefusal(r, err)
		}
		http.Redirect(out, r, hrefOf(w, name), http.StatusSeeOther)
		return nil
	}
}

// deleteEntry takes an entry out. A source's page stays, with its history.
func (p *Pages) deleteEntry(w setup.What) handler {
	return func(out http.ResponseWriter, r *http.Request) error {
		if err := parse(r); err != nil {
			return err
		}
		name := r.PathValue("name")
		if err := p.opts.Setup.Delete(r.Context(), w, name, by(out, r)); err != nil {
			return setupRefusal(r, err)
		}
		to := hrefOf(w, name)
		if w == setup.Receiver {
			to = homeOf(w)
		}
		http.Redirect(out, r, to, http.StatusSeeOther)
		return nil
	}
}

// setupRefusal finds the words for what cannot be done.
func setupRefusal(r *http.Request, err error) error {
	_, refused := errors.AsType[*setup.RefusedError](err)
	if _, wrong := errors.AsType[setup.Problems](err); !refused && !wrong {
		return err
	}
	return &problem{
		Status: http.StatusConflict, Title: "That cannot be done", Words: said(err), Next: "Nothing was changed.",
		Href: pageOf(r), Link: "Go back",
	}
}

// A settingRow is one setting that an entry has.
type settingRow struct{ Name, Value string }

// An entryDetails is what an entry's page shows of its settings.
type entryDetails struct {
	Settings []settingRow
	YAML     string // as a file holds it, secrets hidden
}

// details are what is set, as far as it may be shown.
func (p *Pages) details(e setup.Entry) (d entryDetails) {
	f, ok := p.opts.Setup.Form(e.What, e.Kind)
	if !ok || e.Deleted {
		return d
	}
	for _, field := range f.Fields {
		if value := e.Values[field.Key]; value != "" {
			d.Settings = append(d.Settings, settingRow{labelIn(f, field), value})
		}
	}
	hide := func(_, _ string) (string, error) { return "***", nil }
	if text, wrong := f.Compose(e.Name, e.Disabled, e.Values, hide); len(wrong) == 0 {
		d.YAML = hereOf(e.What) + ":\n  " + strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n  ")
	}
	return d
}

// A changeRow is one line of what was set up when and by whom.
type changeRow struct {
	setup.Change
	At when
}

func changeRows(all []setup.Change, now time.Time) (rows []changeRow) {
	for _, c := range all {
		rows = append(rows, changeRow{c, when{c.At, now}})
	}
	return rows
}
