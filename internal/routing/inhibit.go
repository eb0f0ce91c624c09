package routing

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/pattern"
)

// An Inhibition keeps alerts that Mute matches from being told while one that When
// matches is live and the fields in Equal are the same in both. When it is closed,
// they are told.
//
// As in Alertmanager, a field that both lack, or that is empty, is the same in
// both, and an alert that both patterns match is not inhibited by another one that
// both match, nor by itself
// (https://prometheus.io/docs/alerting/latest/configuration/#inhibition-related-settings).
type Inhibition struct {
	Name       string
	When, Mute *pattern.Pattern
	// Equal are dotted paths into the [Document]: "account", "resource.id",
	// "resource.tags.cluster".
	Equal []string
}

// A Fingerprint is what a live alert that inhibits and one that is inhibited have
// in common.
type Fingerprint struct {
	Inhibition string `json:"inhibition"` // its name
	Hash       string `json:"hash"`       // 32 hex digits
}

// Inhibitions are immutable and safe for many goroutines.
type Inhibitions struct {
	list []Inhibition
	set  *pattern.Set[int] // 2i for When of the ith, 2i+1 for its Mute
}

// NewInhibitions checks the list. An error names the inhibition.
func NewInhibitions(list []Inhibition) (*Inhibitions, error) {
	in := &Inhibitions{list: slices.Clone(list), set: pattern.NewSet[int]()}
	for i, one := range in.list {
		if one.Name == "" {
			return nil, fmt.Errorf("inhibition %d has no name", i+1)
		}
		if slices.ContainsFunc(in.list[:i], func(o Inhibition) bool { return o.Name == one.Name }) {
			return nil, fmt.Errorf("inhibition %q is there twice", one.Name)
		}
		if err := one.check(); err != nil {
			return nil, fmt.Errorf("inhibition %q: %w", one.Name, err)
		}
		in.set.Add(2*i, one.When)
		in.set.Add(2*i+1, one.Mute)
	}
	return in, nil
}

func (i Inhibition) check() error {
	if i.When == nil || i.Mute == nil {
		return errors.New("want two patterns, of the alerts that inhibit and of those that are inhibited")
	}
	known := Fields()
	for _, path := range i.Equal {
		if err := checkPath(path, known); err != nil {
			return fmt.Errorf("equal: %w", err)
		}
	}
	return nil
}

// Sources are the fingerprints by which a live alert inhibits others. They are to
// be kept while it is live.
func (in *Inhibitions) Sources(a tocsin.Alert, account tocsin.Account) []Fingerprint {
	var all []Fingerprint
	in.each(&a, &account, func(one *Inhibition, when, mute bool) {
		if !when {
			return
		}
		all = append(all, one.fingerprint(&a, &account, "any"))
		if !mute {
			all = append(all, one.fingerprint(&a, &account, "one-sided"))
		}
	})
	return all
}

// Targets are the fingerprints by which the alert is inhibited, if a live one has
// one of them among its Sources.
func (in *Inhibitions) Targets(a tocsin.Alert, account tocsin.Account) []Fingerprint {
	var all []Fingerprint
	in.each(&a, &account, func(one *Inhibition, when, mute bool) {
		switch {
		case mute && when:
			all = append(all, one.fingerprint(&a, &account, "one-sided"))
		case mute:
			all = append(all, one.fingerprint(&a, &account, "any"))
		}
	})
	return all
}

// each tells of the inhibitions that have to do with the alert, in their order.
func (in *Inhibitions) each(a *tocsin.Alert, account *tocsin.Account, tell func(one *Inhibition, when, mute bool)) {
	if in == nil || len(in.list) == 0 {
		return
	}
	var room [16]int
	hits, err := in.set.Match(document(a, account), room[:0])
	if err != nil {
		return // cannot be: a document is a JSON object; and who is not inhibited is told
	}
	for len(hits) > 0 {
		i := hits[0] / 2
		n := 1
		if len(hits) > 1 && hits[1]/2 == i {
			n = 2
		}
		tell(&in.list[i], hits[0]%2 == 0, hits[n-1]%2 == 1)
		hits = hits[n:]
	}
}

// fingerprint hashes the name and the values of the equal fields. Whether an alert
// that both patterns match may stand on the other side is part of it.
func (i *Inhibition) fingerprint(a *tocsin.Alert, account *tocsin.Account, side string) Fingerprint {
	text := make([]byte, 0, 256)
	add := func(s string) {
		text = append(strconv.AppendInt(text, int64(len(s)), 10), ':')
		text = append(text, s...)
	}
	add(i.Name)
	add(side)
	for _, path := range i.Equal {
		add(path)
		add(valueAt(a, account, path))
	}
	sum := sha256.Sum256(text)
	return Fingerprint{Inhibition: i.Name, Hash: hex.EncodeToString(sum[:16])}
}

// valueAt is what the [Document] has at a path, as text; of objects and arrays it
// is their JSON, and empty if there is nothing.
func valueAt(a *tocsin.Alert, account *tocsin.Account, path string) string {
	top, rest, _ := strings.Cut(path, ".")
	switch top {
	case "type":
		return a.Type
	case "title":
		return a.Title
	case "level":
		return a.Level.String()
	case "severity":
		return string(appendNumber(nil, a.Severity))
	case "account":
		return a.Account
	case "account_name":
		return account.Name
	case "environment":
		return account.Environment
	case "team":
		return cmp.Or(a.Team, account.Team)
	case "ou":
		return account.OU
	case "account_tags":
		return oneOf(account.Tags, rest)
	case "region":
		return a.Region
	case "partition":
		return a.Partition
	case "resource":
		return valueOfResource(a.Resource, rest)
	case "actor":
		return valueOfActor(a.Actor, rest)
	case "sample":
		return strconv.FormatBool(a.Sample)
	case "rule":
		return a.Rule
	case "count":
		return strconv.FormatInt(a.Occurrences, 10)
	case "status":
		return string(a.Status)
	case "assignee":
		return a.Assignee
	case "tags":
		return oneOf(a.Tags, rest)
	case "paths":
		return asJSON(a.Paths, len(a.Paths))
	}
	return ""
}

func valueOfResource(r tocsin.Resource, path string) string {
	field, key, _ := strings.Cut(path, ".")
	switch field {
	case "type":
		return r.Type
	case "id":
		return r.ID
	case "name":
		return r.Name
	case "tags":
		return oneOf(r.Tags, key)
	}
	return asJSON(r, 1)
}

func valueOfActor(a tocsin.Actor, field string) string {
	switch field {
	case "ip":
		return a.IP
	case "country":
		return a.Country
	case "org":
		return a.Org
	case "domain":
		return a.Domain
	case "principal":
		return a.Principal
	}
	return asJSON(a, 1)
}

// oneOf is the text under a key, dots or not, or all of them.
func oneOf(texts map[string]string, key string) string {
	if key == "" {
		return asJSON(texts, len(texts))
	}
	return texts[key]
}

func asJSON(v any, n int) string {
	if n == 0 {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "" // cannot be: these are texts
	}
	return string(text)
}
