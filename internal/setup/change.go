package setup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// defaults is what problems call the configuration where there is no file.
const defaults = "defaults"

// load reads the configuration as it would be with something else in files.
func (s *Setup) load(instead config.Files) (*config.Config, error) {
	if s.o.File == "" {
		return config.ParseWith(defaults, config.Default(), s.o.Kinds, instead)
	}
	return config.LoadWith(s.o.File, s.o.Kinds, instead)
}

// Save adds an entry or changes the one of that name, in place, and puts it in
// force. What is wrong comes as [Problems]; then nothing was written.
func (s *Setup) Save(ctx context.Context, in Save) error { return s.save(ctx, in, true) }

// Check says what Save would find wrong, and writes nothing.
func (s *Setup) Check(ctx context.Context, in Save) error { return s.save(ctx, in, false) }

func (s *Setup) save(ctx context.Context, in Save, write bool) error {
	by, err := author(in.By)
	if err != nil && write {
		return err
	}
	x, err := s.begin()
	if err != nil {
		return err
	}
	defer x.end()
	if in.New {
		if _, _, p, ok := place(x.config, in.What, in.Name); ok {
			return Problems{{"name", fmt.Sprintf("there is a %s %q already, in %s:%d", in.What, in.Name, p.File, p.Line)}}
		}
	}
	kind, disabled, p, there := place(x.config, in.What, in.Name)
	if there && !s.managed(x.config, p) {
		return refused("%s %s: %s", in.What, in.Name, handWritten(p))
	}
	form, ok := s.Form(in.What, in.Kind)
	if !ok {
		return Problems{{"kind", fmt.Sprintf("there is no kind %q of %ss", in.Kind, in.What)}}
	}
	values := x.values(form, in.Values, kind == in.Kind, p)
	entry, wrong := form.Compose(in.Name, there && disabled, values, x.keeper(in.What, in.Name, p))
	if len(wrong) > 0 {
		return problemsOf(wrong)
	}
	if err := x.try(in.What, in.Name, entry, &form); err != nil || !write {
		return err
	}
	if err := x.write(); err != nil {
		return err
	}
	x.sweep(p.Values)
	c := Change{By: by, What: in.What, Name: in.Name, Did: "added", Text: in.Kind}
	if there {
		c.Did, c.Text = "changed", settings(in.Kind, changed(p.Values, values))
	}
	s.did(ctx, c)
	return nil
}

// Delete takes an entry out of the configuration. Of a source the journal stays; its
// URL is answered with 410 Gone from then on, and its tokens are forgotten.
func (s *Setup) Delete(ctx context.Context, w What, name, by string) error {
	by, err := author(by)
	if err != nil {
		return err
	}
	x, err := s.begin()
	if err != nil {
		return err
	}
	defer x.end()
	kind, _, p, err := x.own(w, name)
	if err != nil {
		return err
	}
	if err := x.try(w, name, nil, nil); err != nil {
		if ps, ok := errors.AsType[Problems](err); ok {
			return refused("%s %s is in use, or the configuration cannot do without it: %s", w, name, ps)
		}
		return err
	}
	if err := x.write(); err != nil {
		return err
	}
	x.sweep(p.Values)
	s.did(ctx, Change{By: by, What: w, Name: name, Did: "deleted", Text: kind})
	if w == Source {
		return s.o.Keys.Of(name).forget(ctx)
	}
	return nil
}

// Disable has a source take nothing in, or nobody told by a receiver.
func (s *Setup) Disable(ctx context.Context, w What, name, by string) error {
	return s.able(ctx, w, name, by, true)
}

// Enable undoes [Setup.Disable].
func (s *Setup) Enable(ctx context.Context, w What, name, by string) error {
	return s.able(ctx, w, name, by, false)
}

func (s *Setup) able(ctx context.Context, w What, name, by string, disable bool) error {
	by, err := author(by)
	if err != nil {
		return err
	}
	x, err := s.begin()
	if err != nil {
		return err
	}
	defer x.end()
	kind, disabled, p, err := x.own(w, name)
	if err != nil || disabled == disable {
		return err
	}
	form, _ := s.Form(w, kind)
	entry, wrong := form.Compose(name, disable, x.values(form, p.Values, true, p), x.keeper(w, name, p))
	if len(wrong) > 0 {
		return problemsOf(wrong)
	}
	if err := x.try(w, name, entry, &form); err != nil {
		return err
	}
	if err := x.write(); err != nil {
		return err
	}
	x.sweep(p.Values)
	did := "enabled"
	if disable {
		did = "disabled"
	}
	s.did(ctx, Change{By: by, What: w, Name: name, Did: did})
	return nil
}

// An edit is a change of the managed file that is under way. Only one is at a time.
type edit struct {
	*Setup
	config *config.Config // as the files are now
	path   string         // of the managed file
	before []byte         // nil where it is not there
	after  []byte
	made   []string // files of secrets that were written for it
	done   bool
}

func (s *Setup) begin() (*edit, error) {
	if err := s.Fixed(); err != nil {
		return nil, err
	}
	s.writing.Lock()
	c, err := s.load(nil)
	if err != nil {
		s.writing.Unlock()
		if ps, ok := errors.AsType[config.Problems](err); ok {
			return nil, refused("the configuration has mistakes as it is; mend them first: %s", ps)
		}
		return nil, err
	}
	x := &edit{Setup: s, config: c, path: c.Managed}
	if x.before, err = os.ReadFile(x.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.writing.Unlock()
		return nil, err
	}
	return x, nil
}

// end undoes what was done for nothing.
func (x *edit) end() {
	if !x.done {
		for _, path := range x.made {
			_ = os.Remove(path) // it is read by nobody
		}
	}
	x.writing.Unlock()
}

// own is where an entry that may be changed here stands.
func (x *edit) own(w What, name string) (kind string, disabled bool, p config.Place, err error) {
	kind, disabled, p, ok := place(x.config, w, name)
	switch {
	case !ok:
		return "", false, p, fmt.Errorf("%s %q %w", w, name, ErrNotFound)
	case !x.managed(x.config, p):
		return "", false, p, refused("%s %s: %s", w, name, handWritten(p))
	}
	return kind, disabled, p, nil
}

// values are what is to be written: what is typed, and of secrets that are left
// empty what is there.
func (x *edit) values(form config.Form, typed map[string]string, sameKind bool, p config.Place) map[string]string {
	all := map[string]string{}
	for key, value := range typed {
		if f, ok := form.Field(key); ok {
			key = f.Key
		}
		all[key] = value
	}
	for _, f := range form.Fields {
		value := strings.TrimSpace(all[f.Key])
		switch {
		case f.Type != config.Secret:
		case value == "-":
			delete(all, f.Key)
		case value == "" && sameKind && p.Values[f.Key] != "":
			all[f.Key] = p.Values[f.Key]
		}
	}
	return all
}

// keeper gives the reference that stands for a secret: what is there already where
// it was not typed anew, and else that of a file that is written for it.
func (x *edit) keeper(w What, name string, p config.Place) func(key, text string) (string, error) {
	return func(key, text string) (string, error) {
		trimmed := strings.TrimSpace(text)
		if strings.HasPrefix(trimmed, "***") {
			old, ok := p.Hidden(key)
			if !ok {
				return "", errors.New("*** stands for a secret that is there, and there is none: type it")
			}
			if secret.IsReference(old.Reveal()) {
				return old.Reveal(), nil
			}
			text = old.Reveal()
		}
		return x.keepSecret(w, name, key, text)
	}
}

// changed are the keys whose values differ.
func changed(was, is map[string]string) []string {
	all := map[string]bool{}
	for key, value := range is {
		if strings.TrimSpace(value) != strings.TrimSpace(was[key]) {
			all[key] = true
		}
	}
	for key := range was {
		if strings.TrimSpace(is[key]) == "" {
			all[key] = true
		}
	}
	return slices.Collect(maps.Keys(all))
}

func problemsOf(wrong []config.FieldProblem) Problems {
	var all Problems
	for _, p := range wrong {
		all = append(all, Problem{p.Key, p.Text})
	}
	return all
}

// try puts the entry in, or takes it out where it is nil, and checks the whole
// configuration with it.
func (x *edit) try(w What, name string, entry []byte, form *config.Form) error {
	text := x.before
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte(header)
	}
	after, err := config.Splice(x.path, text, w.key(), name, entry)
	if err != nil {
		return refused("%s cannot be changed here: %s", x.path, err)
	}
	x.after = after
	_, err = x.load(config.Files{x.path: after})
	ps, ok := errors.AsType[config.Problems](err)
	if !ok {
		return err
	}
	var all Problems
	for _, p := range ps {
		all = append(all, fieldProblem(p, w, name, form))
	}
	return all
}

// header begins a managed file.
const header = "# Written by tocsin's pages and commands. It may be changed by hand as well.\n"

// fieldProblem puts a problem of the configuration at the field that it is about.
func fieldProblem(p config.Problem, w What, name string, form *config.Form) Problem {
	elsewhere := Problem{Text: p.Error()}
	if form == nil {
		return elsewhere
	}
	rest, ok := config.Within(p.Path, w.key(), name)
	if !ok {
		return elsewhere
	}
	if text, ok := strings.CutPrefix(p.Text, "name "); ok {
		return Problem{"name", text}
	}
	field := ""
	for _, f := range form.Fields {
		if after, ok := strings.CutPrefix(rest, f.Key); ok && (after == "" || after[0] == '.' || after[0] == '[') && len(f.Key) > len(field) {
			field = f.Key
		}
	}
	if field == "" {
		for _, f := range form.Fields { // `"topics" is missing`, "topics: name the topics …"
			last := f.Key[strings.LastIndexByte(f.Key, '.')+1:]
			if after, ok := strings.CutPrefix(p.Text, last+": "); ok {
				return Problem{f.Key, after}
			}
			if strings.HasPrefix(p.Text, last+" ") && !f.Common {
				return Problem{f.Key, p.Text}
			}
			if p.Text == fmt.Sprintf("%q is missing", last) && (rest == "" || strings.HasPrefix(f.Key, rest)) {
				return Problem{f.Key, "is missing"}
			}
		}
	}
	return Problem{field, p.Text}
}

// write puts what was tried on disk and in force, or leaves everything as it was.
func (x *edit) write() error {
	now, err := os.ReadFile(x.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Equal(now, x.before) {
		return refused("%s was changed by somebody else just now; look at it and try again", x.path)
	}
	if err := replaceFile(x.path, x.after); err != nil {
		return refused("%s cannot be written: %s", x.path, err)
	}
	if err := x.o.Reload(); err != nil {
		return errors.Join(refused("it could not be put in force, and nothing was changed: %s", err), x.restore())
	}
	x.done = true
	return nil
}

func (x *edit) restore() error {
	if x.before == nil {
		return os.Remove(x.path)
	}
	return replaceFile(x.path, x.before)
}

// replaceFile writes a file whole: whoever reads it has the old text or the new one,
// also where the machine stops in between.
func replaceFile(path string, text []byte) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // what it was for did not come about
		}
	}()
	_, err = f.Write(text)
	err = cmp.Or(err, f.Chmod(mode), f.Sync())
	if err = cmp.Or(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// syncFolder has a rename outlive a loss of power. Not every system has that for
// folders.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}
