package config

import (
	"slices"

	"github.com/tocsin-sec/tocsin/internal/escalation"
)

// A directory is what the file gives names to, and which of them it refers to.
type directory struct {
	names map[string][]string // by what they are names of: "team", "policy", …; in the order of the file
	used  map[[2]string]bool  // what, name
	// placeless are the receivers that tell single people alone.
	placeless map[string]bool
	acting    map[string]bool // receivers that do something rather than telling
	left      map[string]bool // accounts
}

func list(d *decoder, f file) *directory {
	return &directory{
		names: map[string][]string{
			"receiver": written(d, "receivers", f.Receivers),
			"team":     written(d, "teams", f.Teams),
			"policy":   written(d, "policies", f.Policies),
			"schedule": written(d, "schedules", f.Schedules),
			"person":   written(d, "people", f.People),
		},
		used: map[[2]string]bool{}, placeless: map[string]bool{}, acting: map[string]bool{}, left: map[string]bool{},
	}
}

func (r *directory) add(what, name string) {
	if name != "" {
		r.names[what] = append(r.names[what], name)
	}
}

func (r *directory) has(what, name string) bool { return slices.Contains(r.names[what], name) }

func (r *directory) use(what, name string) { r.used[[2]string{what, name}] = true }

// meant is ` (did you mean "schedule:soc"?)` where soc alone, or something near
// it, was written as whom a step tells.
func (r *directory) meant(text string) string {
	var all []string
	for _, kind := range []escalation.TargetKind{escalation.Schedule, escalation.Person, escalation.Team, escalation.Receiver} {
		for _, name := range r.names[string(kind)] {
			target := escalation.Target{Kind: kind, Name: name}.String()
			if name == text {
				return didYouMean(target, []string{target})
			}
			all = append(all, target)
		}
	}
	if nearest(text, all) == "" {
		return ""
	}
	return didYouMean(text, all)
}

// refer tells of a name that nothing of that kind has. Nothing is told of an
// empty one, which is none.
func (d *decoder) refer(path, what, name string) {
	if name == "" {
		return
	}
	d.directory.use(what, name)
	if !d.directory.has(what, name) {
		d.fail(d.spot(path), path, "no %s %q%s", what, name, didYouMean(name, d.directory.names[what]))
	}
}

// checkReceivers tells of names that no receiver has, and of receivers that have
// no place of their own to tell.
func (d *decoder) checkReceivers(path string, list names) {
	for i, name := range list {
		at := d.item(path, i)
		switch {
		case name == "":
			d.fail(d.spot(at), at, "is empty: name a receiver")
		case slices.Index(list, name) < i:
			d.fail(d.spot(at), at, "receiver %q is there twice", name)
		default:
			d.checkReceiver(at, name)
		}
	}
}

func (d *decoder) checkReceiver(path, name string) {
	d.refer(path, "receiver", name)
	switch {
	case d.directory.acting[name]:
		d.fail(d.spot(path), path, "receiver %q does something rather than telling somebody: it runs only where a rule names it among its actions", name)
	case d.directory.placeless[name]:
		d.fail(d.spot(path), path, "receiver %q tells people alone: its settings name no place where an alert could be told", name)
	}
}

// checkPeople tells of people that the file does not name, though it names some.
// It is no mistake: people live in the database.
func (d *decoder) checkPeople(path string, list names) {
	for i, name := range list {
		d.checkPerson(d.item(path, i), name)
	}
}

func (d *decoder) checkPerson(path, name string) {
	known := d.directory.names["person"]
	if !slices.Contains(d.directory.names["mention"], name) {
		d.directory.add("mention", name)
	}
	if name == "" || len(known) == 0 || slices.Contains(known, name) {
		return
	}
	near := ""
	if nearest(name, known) != "" {
		near = didYouMean(name, known)
	}
	d.warn(d.spot(path), path, "no person %q in people%s: nobody is told unless the database has somebody of that name", name, near)
}

// item is the path of the ith of several, or of the one name that is no list.
func (d *decoder) item(path string, i int) string {
	if at := index(path, i); d.isWritten(at) {
		return at
	}
	return path
}

func (d *decoder) isWritten(path string) bool {
	_, ok := d.spots[path]
	return ok
}

// relay tells what a judge says of a field, unless the decoder has said that it is
// missing or cannot be read.
func (d *decoder) relay(path, field, text string) {
	at := path
	if field != "" {
		at += "." + field
	}
	missing := slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Path == parent(at) })
	if d.failed(at) || !d.isWritten(at) && missing {
		return
	}
	d.fail(d.spot(at), at, "%s", text)
}

// unused tells of what nothing refers to. A receiver that can tell single people
// may be used by contact methods, which are in the database.
func (d *decoder) unused(c *Config) {
	r := d.directory
	for _, kind := range []struct{ key, what, text string }{
		{"teams", "team", "nobody's: no route, account, owner or policy names it, nor the fallback"},
		{"policies", "policy", "not used: no team and no route names it"},
		{"schedules", "schedule", "not used: no policy tells it"},
	} {
		for _, name := range r.names[kind.what] {
			if path := join(kind.key, name); !r.used[[2]string{kind.what, name}] {
				d.warn(d.keySpot(path), path, "%s", kind.text)
			}
		}
	}
	for _, receiver := range c.Receivers {
		personal := receiver.Address != nil && len(r.names["mention"])+len(r.names["person"])+len(r.names["schedule"]) > 0
		if path := join("receivers", receiver.Name); !r.used[[2]string{"receiver", receiver.Name}] && !personal {
			d.warn(d.keySpot(path), path, "not used: nothing names it")
		}
	}
}
