package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/mapping"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// file is tocsin.yml, in the order in which an event travels. What is written
// here is the reference and the JSON Schema.
type file struct {
	Listen       string              `json:"listen" default:"127.0.0.1:8080" doc:"Address and port of pages, API and sources. Pages and API are served on loopback only."`
	Intake       string              `json:"intake" doc:"Address and port of the sources alone, for senders from elsewhere: 0.0.0.0:8443. Left out, they are reached at listen."`
	TLS          *TLS                `json:"tls" doc:"Certificate of the address that senders reach: of intake, or of listen where there is no intake. Left out, a proxy before it has to speak HTTPS."`
	PublicURL    string              `json:"public_url" doc:"How the world reaches this server, for links in messages, for what vendors call back and for senders: https://tocsin.example.com."`
	Store        string              `json:"store" default:"sqlite:./tocsin-data" doc:"Where everything is kept: sqlite: and a folder, made if it is missing, or postgres://user@host/database."`
	Include      names               `json:"include" doc:"More files with sources, accounts, owners, rules, routes, inhibit, teams, policies, schedules, people, receivers and tests: paths from this file's folder, * stands for any run of characters in a name. What has a name may be there once in all of them; lists go on where the file before ends."`
	Managed      string              `json:"managed" default:"tocsin.managed.yml" doc:"The file that pages and commands write, with sources and receivers: a path from this file's folder. It need not be there."`
	Heartbeat    *heartbeat          `json:"heartbeat" doc:"An outside monitor that is told again and again that tocsin works, and that alarms when it hears nothing."`
	Sources      map[string]source   `json:"sources" doc:"How events come in, by name. Each entry names one kind with its settings; the name is part of the URL, /in/<name>."`
	Accounts     map[account]details `json:"accounts" doc:"What is known of AWS accounts, by the account id in quotes. Dashes are taken out: 1234-5678-9012 is 123456789012."`
	AccountsFile string              `json:"accounts_file" doc:"Another YAML file with more accounts and owners, under the same two keys; a path from this file's folder. It is read as strictly, and read again with this one."`
	Owners       []owner             `json:"owners" doc:"Which teams own which accounts. What is said of the account itself goes first, then an owner by id, then the longest ou, then the first tag."`
	Coverage     *watched            `json:"coverage" doc:"Which accounts and regions are to be heard of, and who is told of those that are dark."`
	Rules        []rule              `json:"rules" doc:"Which events matter. They are tried in order and the first that matches decides; an event that none matches is recorded as filtered."`
	Alerts       *life               `json:"alerts" doc:"When alerts end, and when they begin again."`
	Routes       []route             `json:"routes" doc:"Whose an alert is and who is told of it. They are tried in order and the first that matches decides, unless it says continue; an alert that none matches goes to whoever owns its account, or else to the fallback."`
	Fallback     names               `json:"fallback" required:"true" doc:"Receivers, or one team written as team:name, that are told of alerts that nobody else is told of. Its use is counted and shown."`
	Storm        int                 `json:"storm" default:"60" doc:"How many new alerts a minute each route, owner and the fallback tell singly, unless the route says otherwise. What is more is told in one digest for each place at the end of the minute; nothing is left out."`
	Shadow       bool                `json:"shadow" default:"false" doc:"Judge everything and tell nobody, to run beside another system: what would have been told is recorded with each alert."`
	Inhibit      []inhibition        `json:"inhibit" doc:"Which alerts are not told while another one is live."`
	Teams        map[string]team     `json:"teams" doc:"Who owns accounts and alerts, by name."`
	Policies     map[string]policy   `json:"policies" doc:"Who is told one after the other until somebody answers, by name."`
	Schedules    map[string]schedule `json:"schedules" doc:"Who is on call when, by name."`
	People       map[string]person   `json:"people" doc:"People to begin with, by the name that schedules, policies and teams call them. Whoever is in the database already is left as they are there."`
	Receivers    map[string]receiver `json:"receivers" doc:"How people are told, by name. Each entry names one kind with its settings."`
	Tests        []trial             `json:"tests" doc:"Events, and what is to become of them; tocsin check runs them."`
}

type heartbeat struct {
	URL   secret.String `json:"url" required:"true" doc:"The address that the monitor gives out; it is asked for with GET."`
	Every time.Duration `json:"every" default:"1m" doc:"How often, 10s at least. Have the monitor alarm after three times as long."`
}

type source struct {
	Kind      chosen `json:"kind" kinds:"collectors"`
	Disabled  bool   `json:"disabled" default:"false" doc:"Take nothing in. Senders are told to come again later, and what the source brought so far is kept."`
	Team      string `json:"team" doc:"The team that owns its alerts where no route decides."`
	Policy    string `json:"policy" doc:"The policy that its alerts climb where no route decides."`
	Receivers names  `json:"receivers" doc:"Who is told of its alerts where no route decides."`
	mapping.Settings
}

type receiver struct {
	Kind     chosen        `json:"kind" kinds:"notifiers"`
	Disabled bool          `json:"disabled" default:"false" doc:"Tell nobody by it. What it is owed fails, and the fallback is told of alerts in its stead."`
	Hide     names         `json:"hide" doc:"Fields whose values never leave by it: see Fields that can be hidden."`
	Rate     *float64      `json:"rate" doc:"How many messages a second it is sent at most; 0 is no limit. Left out, it is what the vendor publishes."`
	Timeout  time.Duration `json:"timeout" default:"15s" doc:"How long one attempt may take, 30s at most."`
}

type rule struct {
	Use     string       `json:"use" doc:"A shipped rule, by name; nothing but actions stands beside it."`
	Name    string       `json:"name" doc:"What it is called in the journal, in alerts and in messages."`
	Pattern eventPattern `json:"pattern" doc:"An EventBridge event pattern over the whole event."`
	Drop    string       `json:"drop" doc:"Why its events are recorded as filtered, and no alert opened."`
	Actions []action     `json:"actions" doc:"What runs when it opens an alert: receivers that act, which nothing else has run. It may stand beside use."`
	Alert   *outcome     `json:"alert" doc:"What the alert is to be where the event does not say it. GuardDuty findings say it themselves."`
}

type action struct {
	Run     string `json:"run" required:"true" doc:"The receiver that does it."`
	Approve bool   `json:"approve" default:"false" doc:"Wait until a person approves it, with a button of a message, on the alert's page or by the API."`
}

type outcome struct {
	Level tocsin.Level `json:"level" doc:"Level of the alert."`
	Title string       `json:"title" doc:"What happened, in a few words."`
	Key   names        `json:"key" doc:"Paths into the event, such as $.detail.userIdentity.accountId. Events in which the values at all of them are the same are one alert."`
	// Updates goes before what routes and teams say.
	Updates tocsin.Updates `json:"updates" doc:"How often people hear what is new of its alerts, whatever routes and teams say."`
}

// account is a key of accounts.
type account string

// UnmarshalText takes dashes out and wants 12 digits.
func (a *account) UnmarshalText(text []byte) error {
	digits := strings.ReplaceAll(string(text), "-", "")
	if !isDigits(digits) || len(digits) != 12 {
		what := fmt.Sprintf("has %d digits", len(digits))
		if !isDigits(digits) {
			what = "is no number"
		}
		return fmt.Errorf("account id %q %s, want 12 digits", text, what)
	}
	*a = account(digits)
	return nil
}

// names is one name or a list of them.
type names []string

func (ns *names) read(d *decoder, n ast.Node, path string) {
	switch n.(type) {
	case *ast.SequenceNode:
		d.list(n, path, reflect.ValueOf(ns).Elem())
		return
	case *ast.MappingNode, *ast.MappingValueNode:
		d.fail(d.spots[path], path, "got mapping, want string or list")
		return
	}
	if kindOf(n) == "nothing" {
		return
	}
	if name, ok := d.text(n, path); ok {
		*ns = names{name}
	}
}

// chosen is the one kind, with its settings, that an entry of sources or
// receivers names.
type chosen struct {
	name     string
	settings reflect.Value // a value of the kind's Config
	at       position      // of the kind's key
	path     string        // "receivers.soc.slack"
}

// A choice is a kind as decoder, schema and reference see it.
type choice struct {
	name, doc string
	config    reflect.Type
}

func (k Kinds) choices(of string) []choice {
	var all []choice
	if of == "collectors" {
		for _, c := range k.Collectors {
			all = append(all, choice{c.Name, c.Doc, c.Config})
		}
	} else {
		for _, n := range k.Notifiers {
			all = append(all, choice{n.Name, n.Doc, n.Config})
		}
	}
	slices.SortFunc(all, func(a, b choice) int { return strings.Compare(a.name, b.name) })
	return all
}

// choose finds the kind among the keys that the entry has besides those that all
// kinds have in common.
func (d *decoder) choose(entries []entry, path string, common []string, of string, into reflect.Value) {
	choices := d.kinds.choices(of)
	known := make([]string, len(choices))
	for i, c := range choices {
		known[i] = c.name
	}
	var picked *chosen
	for _, e := range entries {
		if i := slices.Index(known, e.key); i < 0 {
			continue
		} else if picked != nil {
			d.fail(e.at, path, "two kinds, %s and %s: want one", picked.name, e.key)
		} else {
			picked = &chosen{name: e.key, at: e.at, path: join(path, e.key), settings: reflect.New(choices[i].config).Elem()}
			d.spots[picked.path+" key"] = e.at
			d.value(e.node, picked.path, picked.settings)
		}
	}
	strangers := 0
	for _, e := range entries {
		if slices.Contains(known, e.key) {
			continue
		}
		strangers++
		if picked != nil {
			d.fail(e.at, path, "unknown key %q%s", e.key, didYouMean(e.key, append(slices.Clone(common), d.settingsOf(picked)...)))
		} else {
			d.fail(e.at, path, "unknown kind %q%s", e.key, didYouMean(e.key, append(slices.Clone(known), common...)))
		}
	}
	if picked == nil {
		if strangers == 0 {
			d.fail(d.spots[path], path, "no kind; want one of %s", strings.Join(known, ", "))
		}
		return
	}
	into.Set(reflect.ValueOf(*picked))
}

// settingsOf are the keys that a person may have put a level too high.
func (d *decoder) settingsOf(c *chosen) []string {
	if c.settings.Kind() != reflect.Struct {
		return nil
	}
	var keys []string
	for _, f := range fieldsOf(c.settings.Type()) {
		keys = append(keys, f.key)
	}
	return keys
}

// decode puts the settings that were read into what a kind's Open gives it.
func (c chosen) decode(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || !c.settings.IsValid() || v.Elem().Type() != c.settings.Type() {
		return fmt.Errorf("%s: its settings are not of type %T", c.name, into)
	}
	v.Elem().Set(c.settings)
	return nil
}

// words are what a person may write where a type reads text, if they are few.
func words(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[tocsin.Level]():
		return tocsin.Levels()
	case reflect.TypeFor[tocsin.Updates]():
		return []string{string(tocsin.UpdatesNever)} // no time is near another one
	}
	return nil
}
