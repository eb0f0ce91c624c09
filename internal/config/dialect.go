package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/mapping"
)

// dialect is what reads the events of a source with these settings. What is wrong
// with them is told at the setting that an error begins with: "filters[0].op: …".
func (d *decoder) dialect(path string, s mapping.Settings, own collect.Dialect) collect.Dialect {
	written := fieldsOf(reflect.TypeFor[mapping.Settings]())
	if slices.ContainsFunc(written, func(f field) bool { return d.failed(join(path, f.key)) }) {
		return nil // what is left of them says something else
	}
	made, err := s.Dialect(own)
	if err == nil {
		return made
	}
	wrong := []error{err}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		wrong = several.Unwrap()
	}
	for _, err := range wrong {
		setting, text, _ := strings.Cut(err.Error(), ": ")
		at := path + "." + setting
		d.fail(d.spot(at), at, "%s", text)
	}
	return nil
}
