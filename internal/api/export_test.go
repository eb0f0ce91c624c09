package api

import (
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// An Address is an endpoint as tests see it.
type Address struct{ Name, Method, Path string }

// Addresses are those of all endpoints.
func Addresses() (all []Address) {
	for _, e := range (&api{}).endpoints() {
		all = append(all, Address{e.name, e.method, e.path})
	}
	return all
}

// Strict is the description that knows every field of every answer.
func Strict() json.RawMessage { return written(describe((&api{}).endpoints(), true)) }

// ReadExample has the endpoint of that name read a body, and says what is wrong
// with it but for what stands in its path.
func ReadExample(name string, body []byte) error {
	endpoints := (&api{}).endpoints()
	e := endpoints[slices.IndexFunc(endpoints, func(e endpoint) bool { return e.name == name })]
	r := httptest.NewRequest(e.method, "/", strings.NewReader(string(body)))
	for _, p := range e.plan.params {
		if p.place == "path" {
			r.SetPathValue(p.name, "1")
		}
	}
	_, err := e.plan.read(httptest.NewRecorder(), r)
	return err
}

// Unused are descriptions of fields that no schema has, and of types that none is
// of.
func Unused() (unused []string) {
	s := &schemer{schemas: object{}, names: map[string]reflect.Type{}}
	reached := map[reflect.Type]bool{}
	for _, e := range (&api{}).endpoints() {
		reach(e.out, reached)
		if e.plan.body != nil {
			reach(e.in.FieldByIndex(e.plan.body).Type, reached)
		}
	}
	for t, fields := range descriptions {
		if !reached[t] {
			unused = append(unused, t.String())
			continue
		}
		for name := range fields {
			f, ok := t.FieldByName(name)
			if name != "" && (!ok || f.Tag.Get("json") == "-" || f.Tag.Get("doc") != "") {
				unused = append(unused, t.String()+"."+name)
			}
		}
	}
	for t := range called {
		if !reached[t] {
			unused = append(unused, "name of "+t.String())
		}
		s.name(t)
	}
	return unused
}

func reach(t reflect.Type, reached map[reflect.Type]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		reach(t.Elem(), reached)
	case reflect.Struct:
		if reached[t] || t == reflect.TypeFor[json.RawMessage]() {
			return
		}
		reached[t] = true
		for f := range t.Fields() {
			reach(f.Type, reached)
		}
	}
}

// Words are the words of a type, by the folder that it is in; the root's is ".."
// as seen from here.
func Words(folder, typ string) []string {
	for t, list := range words {
		here := filepath.Base(t.PkgPath())
		if t.Name() == typ && (here == folder || (here == "tocsin" && folder == "..")) {
			return slices.Clone(list)
		}
	}
	return nil
}
