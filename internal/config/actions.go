package config

import (
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/disclosure"
	"github.com/tocsin-sec/tocsin/internal/rules"
)

// actions are what a rule has run. Only what acts can be run, and by nothing else.
func (d *decoder) actions(path string, list []action) []rules.Action {
	var all []rules.Action
	for i, a := range list {
		at := join(index(join(path, "actions"), i), "run")
		if a.Run == "" {
			continue // told by the decoder
		}
		d.refer(at, "receiver", a.Run)
		switch known := slices.Contains(d.directory.names["receiver"], a.Run); {
		case known && !d.directory.acting[a.Run]:
			d.fail(d.spot(at), at, "receiver %q tells people and does nothing else; name it in a route, a team or a policy", a.Run)
		case slices.ContainsFunc(all, func(b rules.Action) bool { return b.Run == a.Run }):
			d.fail(d.spot(at), at, "receiver %q is there twice", a.Run)
		}
		all = append(all, rules.Action{Run: a.Run, Approve: a.Approve})
	}
	return all
}

// checkHide tells of what is no field that can be hidden.
func (d *decoder) checkHide(path string, list names) {
	for i, name := range list {
		at := d.item(path, i)
		if err := disclosure.Check(name); err != nil {
			near := ""
			if nearest(name, disclosure.Names()) != "" {
				near = didYouMean(name, disclosure.Names())
			}
			text := err.Error()
			if near != "" {
				text, _, _ = strings.Cut(text, ";")
			}
			d.fail(d.spot(at), at, "%s%s", text, near)
		}
	}
}
