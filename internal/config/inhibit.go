package config

import (
	"encoding/json"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/routing"
)

// inhibition is an entry of inhibit.
type inhibition struct {
	Name  string       `json:"name" required:"true" doc:"What alerts say they are held by."`
	When  eventPattern `json:"when" required:"true" doc:"While an alert that this pattern matches is live,"`
	Mute  eventPattern `json:"mute" required:"true" doc:"alerts that this pattern matches are not told. They are told at its end, if they are still open."`
	Equal names        `json:"equal" doc:"Only if these fields are the same in both: account, resource.id, resource.tags.cluster."`
}

func (d *decoder) inhibitions(f file) *routing.Inhibitions {
	var all []routing.Inhibition
	seen := map[string]position{}
	for i, in := range f.Inhibit {
		path := index("inhibit", i)
		if in.Name == "" && d.isWritten(path+".name") && !d.failed(path+".name") {
			d.fail(d.spot(path+".name"), path+".name", "is empty")
		}
		if first, twice := seen[in.Name]; twice && in.Name != "" {
			d.fail(d.spot(path+".name"), path+".name", "inhibition %q is there twice, first in %s", in.Name, d.first(first, d.spot(path+".name")))
		}
		seen[in.Name] = d.spot(path + ".name")
		d.checkFields(in.When, path+".when")
		d.checkFields(in.Mute, path+".mute")
		for j, field := range in.Equal {
			d.checkEqual(d.item(path+".equal", j), field)
		}
		if len(in.Equal) == 0 && !d.failed(path) {
			d.warn(d.spot(path), path, "has no equal: one alert that when matches mutes what mute matches in every account; equal: account keeps it within one")
		}
		all = append(all, routing.Inhibition{Name: in.Name, When: in.When.parsed, Mute: in.Mute.parsed, Equal: in.Equal})
	}
	if d.failed("inhibit") {
		return nil
	}
	made, err := routing.NewInhibitions(all)
	if err != nil {
		d.fail(d.spot("inhibit"), "inhibit", "%s", err)
	}
	return made
}

// checkEqual tells of a field that no alert has.
func (d *decoder) checkEqual(path, field string) {
	asks, err := json.Marshal(map[string]any{field: nil})
	if err == nil {
		err = routing.CheckFields(asks)
	}
	switch {
	case field == "" || strings.TrimSpace(field) != field:
		d.fail(d.spot(path), path, "%q is no field of an alert", field)
	case err != nil:
		d.fail(d.spot(path), path, "%s", err)
	}
}
