package cli

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// cast has everybody whom the configuration names play: whoever they are, they can
// be reached. Who they are is in the database, which a trial does not ask.
func cast(conf *config.Config) {
	stage := stageOf(conf)
	known := map[string]tocsin.Person{}
	for _, p := range conf.People {
		known[p.Name] = p
	}
	for _, name := range mentioned(conf) {
		if _, ok := known[name]; !ok {
			known[name] = tocsin.Person{Name: name}
		}
	}
	conf.People = nil
	for _, name := range slices.Sorted(maps.Keys(known)) {
		p := known[name]
		p.Disabled = false
		p.Contacts = slices.Clone(p.Contacts)
		if len(p.Contacts) == 0 {
			p.Contacts = []tocsin.Contact{{Person: name, Receiver: stage, Address: name}}
		}
		for i := range p.Contacts {
			p.Contacts[i].VerifiedAt = longAgo
		}
		conf.People = append(conf.People, p)
	}
}

// stageOf is a receiver that can tell single people; where the configuration has
// none, one is added.
func stageOf(conf *config.Config) string {
	for _, r := range conf.Receivers {
		if r.Address != nil {
			return r.Name
		}
	}
	const stage = "(trial)" // no name that a configuration may have
	conf.Receivers = append(conf.Receivers, config.Receiver{
		Name: stage, Kind: stage, Timeout: time.Second,
		Address: func(text string) (string, error) { return text, nil },
		Open:    func(notify.Env) (notify.Notifier, error) { return silent{}, nil },
	})
	return stage
}

// silent tells nobody.
type silent struct{}

func (silent) Notify(context.Context, notify.Message) (string, error) {
	return "", notify.Permanent(errors.New("a trial tells nobody"))
}

// mentioned are the people whom schedules, teams and policies name.
func mentioned(conf *config.Config) []string {
	var names []string
	for _, s := range conf.Schedules {
		for _, l := range s.Layers {
			for _, turn := range l.Turns {
				names = append(names, turn...)
			}
		}
	}
	for _, t := range conf.Teams {
		names = append(names, t.Members...)
	}
	for _, p := range conf.Policies {
		targets := slices.Clone(p.Fallback)
		for _, step := range p.Steps {
			targets = append(targets, step.Targets...)
		}
		for _, t := range targets {
			if t.Kind == escalation.Person {
				names = append(names, t.Name)
			}
		}
	}
	return names
}
