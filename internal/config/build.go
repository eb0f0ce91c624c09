package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/secret"
	"github.com/tocsin-sec/tocsin/library"
)

// build makes a configuration of a file and checks what only shows once all of
// it is known. What it returns is good only if there are no problems.
func (d *decoder) build(f file) *Config {
	c := &Config{Listen: f.Listen, Intake: f.Intake, PublicURL: strings.TrimRight(f.PublicURL, "/"), Store: f.Store}
	d.checkAddresses(f)
	c.TLS = d.certificate(f)
	c.Heartbeat = d.heartbeat(f)
	c.Sources = d.sources(f)
	d.directory = list(d, f)
	c.Receivers = d.receivers(f, c.PublicURL)
	var owners []routing.Owner
	c.Accounts, owners, c.Left = d.accounts(f)
	c.Coverage = d.coverage(f)
	c.Rules, c.Updates = d.rules(f, c.Accounts)
	c.Terms = d.terms(f.Alerts)
	c.Teams = d.teams(f)
	c.Policies = d.policies(f)
	c.Schedules = d.schedules(f)
	c.People = d.people(f)
	c.Inhibitions = d.inhibitions(f)
	table := routing.Table{Routes: d.routes(f), Accounts: c.Accounts, Teams: c.Teams, Owners: owners, Storm: f.Storm, Shadow: f.Shadow}
	if f.Storm < 1 && !d.failed("storm") {
		d.fail(d.spot("storm"), "storm", "is %d: want a number of alerts a minute; a large one is no limit", f.Storm)
	}
	table.Fallback, table.FallbackTeam = d.fallback(f)
	c.Fallback = d.lastResort(table, c.Policies)
	d.checkFallback(c)
	rs, err := routing.New(table)
	if err != nil && len(d.problems) == 0 {
		d.fail(d.spot("routes"), "routes", "%s", err)
	}
	c.Routes = rs
	c.Tests = d.trials(f)
	d.unused(c)
	for _, r := range d.remarks(f) {
		d.warnings = append(d.warnings, r.Problem)
	}
	return c
}

// checkFallback tells of a fallback that is disabled as a whole.
func (d *decoder) checkFallback(c *Config) {
	for _, r := range c.Receivers {
		if slices.Contains(c.Fallback, r.Name) && !r.Disabled {
			return
		}
	}
	if len(c.Fallback) > 0 && !d.failed("fallback") && !d.failed("receivers") {
		d.fail(d.spot("fallback"), "fallback", "is disabled: %s; alerts that nobody else is told of would be lost", strings.Join(c.Fallback, ", "))
	}
}

func (d *decoder) checkAddresses(f file) {
	d.checkAddress("listen", f.Listen)
	if f.Intake != "" {
		d.checkAddress("intake", f.Intake)
		if f.Intake == f.Listen && !strings.HasSuffix(f.Listen, ":0") {
			d.fail(d.spot("intake"), "intake", "is the same as listen: senders need an address of their own, or none")
		}
	}
	if f.PublicURL != "" {
		u, err := url.Parse(f.PublicURL)
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.RawQuery != "" || u.Fragment != "" {
			d.fail(d.spot("public_url"), "public_url", "%q is not a URL such as https://tocsin.example.com", f.PublicURL)
		}
	}
	scheme, rest, _ := strings.Cut(f.Store, ":")
	if !slices.Contains([]string{"sqlite", "postgres", "postgresql"}, scheme) || rest == "" {
		d.fail(d.spot("store"), "store", "want sqlite:<folder> or postgres://user@host/database") // it may hold a password: it is not shown
	}
}

func (d *decoder) checkAddress(key, address string) {
	if host, port, err := net.SplitHostPort(address); err != nil {
		d.fail(d.spot(key), key, "%q is not an address and a port, such as 127.0.0.1:8080", address)
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		d.fail(d.spot(key), key, "%q is not a port, want a number up to 65535", port)
	} else if strings.ContainsAny(host, "/ ") {
		d.fail(d.spot(key), key, "%q is not a host", host)
	}
}

// certificate are the files of the certificate, which have to be there.
func (d *decoder) certificate(f file) TLS {
	if f.TLS == nil || d.failed("tls") {
		return TLS{}
	}
	if err := f.TLS.check(); err != nil {
		d.fail(d.spot("tls"), "tls", "%s", err)
	}
	return *f.TLS
}

// heartbeat is where the outside monitor is told.
func (d *decoder) heartbeat(f file) *Heartbeat {
	if f.Heartbeat == nil || d.failed("heartbeat") {
		return nil
	}
	if err := notify.CheckURL(f.Heartbeat.URL); err != nil {
		d.fail(d.spot("heartbeat.url"), "heartbeat.url", "%s", err)
	}
	if f.Heartbeat.Every < 10*time.Second {
		d.fail(d.spot("heartbeat.every"), "heartbeat.every", "is less than 10s")
	}
	return &Heartbeat{URL: f.Heartbeat.URL, Every: f.Heartbeat.Every}
}

// written are the keys of a map in the order of the file.
func written[K ~string, V any](d *decoder, path string, m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b K) int {
		x, y := d.keySpot(join(path, string(a))), d.keySpot(join(path, string(b)))
		return cmp.Or(x.file-y.file, x.line-y.line, x.column-y.column, strings.Compare(string(a), string(b)))
	})
	return keys
}

var nameForm = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func (d *decoder) checkName(path, name string) {
	if !nameForm.MatchString(name) {
		d.fail(d.keySpot(path), path, "name %q: want letters, digits, '-', '_' and '.', at most 63, the first a letter or digit", name)
	}
}

func (d *decoder) sources(f file) []Source {
	var all []Source
	for _, name := range written(d, "sources", f.Sources) {
		path := join("sources", name)
		d.checkName(path, name)
		picked := f.Sources[name].Kind
		i := slices.IndexFunc(d.kinds.Collectors, func(k collect.Kind) bool { return k.Name == picked.name })
		if i < 0 {
			continue // told by the decoder
		}
		kind := d.kinds.Collectors[i]
		form, _ := SourceForm(d.kinds, kind.Name)
		s := Source{Name: name, Kind: kind.Name, Disabled: f.Sources[name].Disabled, Place: d.place(path, form)}
		s.Open = func(env collect.Env) (collect.Collector, error) { return kind.Open(picked.decode, env) }
		d.try(picked, func() (any, error) { return s.Open(trialCollector(name)) })
		s.Dialect = d.dialect(path, f.Sources[name].Settings, kind.Dialect)
		all = append(all, s)
	}
	if len(f.Sources) == 0 {
		d.warn(d.spot("sources"), "sources", "there is none: no events come in")
	}
	return all
}

// longestTimeout is half of what an attempt is leased for.
const longestTimeout = 30 * time.Second

func (d *decoder) receivers(f file, publicURL string) []Receiver {
	var all []Receiver
	for _, name := range written(d, "receivers", f.Receivers) {
		path := join("receivers", name)
		d.checkName(path, name)
		if name == "link" {
			d.fail(d.keySpot(path), path, "is where links in messages lead, /act/link; call the receiver something else")
		}
		entry := f.Receivers[name]
		form, _ := ReceiverForm(d.kinds, entry.Kind.name)
		r := Receiver{Name: name, Kind: entry.Kind.name, Timeout: entry.Timeout, Disabled: entry.Disabled, Place: d.place(path, form)}
		i := slices.IndexFunc(d.kinds.Notifiers, func(k notify.Kind) bool { return k.Name == entry.Kind.name })
		if i >= 0 {
			kind, picked := d.kinds.Notifiers[i], entry.Kind
			r.Rate, r.Patience = kind.Rate, kind.Patience
			r.Follows, r.Edits, r.Interrupts, r.Address, r.Burst = kind.Follows, kind.Edits, kind.Interrupts, kind.Address, kind.Burst
			r.Acts, r.Hide = kind.Acts, entry.Hide
			d.directory.acting[name] = kind.Acts
			d.checkHide(path+".hide", entry.Hide)
			r.Open = func(env notify.Env) (notify.Notifier, error) { return kind.Open(picked.decode, env) }
			opened := d.try(picked, func() (any, error) { return r.Open(trialNotifier(name, publicURL)) })
			if p, ok := opened.(notify.Placed); ok && !p.Placed() {
				d.directory.placeless[name] = true
			}
			if reader, ok := opened.(notify.EventReader); ok && reader.ReadsEvent() && len(entry.Hide) > 0 {
				d.fail(d.spot(path+".hide"), path+".hide", "its settings send the event itself, which has everything; hide nothing, or leave out what sends the event")
			}
		}
		if entry.Rate != nil {
			r.Rate = *entry.Rate
		}
		if r.Rate < 0 {
			d.fail(d.spot(path+".rate"), path+".rate", "is negative; 0 is no limit")
		}
		if entry.Timeout == 0 && !d.failed(path) {
			d.fail(d.spot(path+".timeout"), path+".timeout", "is 0: no attempt would have any time")
		}
		if entry.Timeout > longestTimeout {
			d.fail(d.spot(path+".timeout"), path+".timeout", "is longer than %s, which is how long one attempt may take", longestTimeout)
		}
		all = append(all, r) // also without a kind, so that its name is known
	}
	return all
}

// try opens what was chosen, and tells what its own checks say. A setting that
// the error begins with is where the problem is. What was opened is closed, and
// nil if it could not be.
func (d *decoder) try(c chosen, open func() (any, error)) any {
	if d.failed(c.path) {
		return nil
	}
	opened, err := open()
	if closer, ok := opened.(io.Closer); ok && err == nil {
		_ = closer.Close() // it holds nothing yet
	}
	if err != nil {
		d.refused(c, err)
		return nil
	}
	return opened
}

func (d *decoder) refused(c chosen, err error) {
	text := strings.TrimPrefix(err.Error(), c.name+": ")
	for _, key := range d.settingsOf(&c) {
		rest, ok := strings.CutPrefix(text, key)
		if _, written := d.spots[join(c.path, key)]; !ok || !written {
			continue
		}
		if rest, ok := strings.CutPrefix(rest, ": "); ok {
			path := join(c.path, key)
			d.fail(d.spot(path), path, "%s", rest)
			return
		}
		if strings.HasPrefix(rest, " ") {
			d.fail(d.spot(join(c.path, key)), c.path, "%s", text)
			return
		}
	}
	d.fail(c.at, c.path, "%s", text)
}

// trialCollector reaches nothing and keeps nothing.
func trialCollector(name string) collect.Env {
	return collect.Env{
		Name: name, Log: slog.New(slog.DiscardHandler), Now: time.Now, HTTP: offline(),
		Handle:    func(http.Handler) {},
		Token:     func() (secret.String, error) { return secret.New(strings.Repeat("0", 64)), nil },
		State:     forgetful{},
		PublicURL: "https://tocsin.invalid/in/" + name,
	}
}

func trialNotifier(name, publicURL string) notify.Env {
	env := notify.Env{
		Name: name, Log: slog.New(slog.DiscardHandler), Now: time.Now, HTTP: offline(), Out: io.Discard,
		Handle: func(http.Handler) {},
		Act: func(context.Context, notify.Answer) (notify.Reply, error) {
			return notify.Reply{}, errors.New("nothing is done while a configuration is checked")
		},
	}
	if publicURL != "" {
		env.CallbackURL = publicURL + "/act/" + name
	}
	return env
}

// offline is a client that dials nothing. Its transport is a plain one, since
// that is what notifiers that guard their connections know how to change.
func offline() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("nothing is sent while a configuration is checked")
	}}}
}

type forgetful struct{}

func (forgetful) Load(context.Context, string) ([]byte, error) { return nil, nil }
func (forgetful) Save(context.Context, string, []byte) error   { return nil }
func (forgetful) First(_ context.Context, _ string, value []byte) ([]byte, error) {
	return value, nil
}

func (d *decoder) rules(f file, accounts map[string]tocsin.Account) (*rules.Rules, map[string]tocsin.Updates) {
	var all []rules.Rule
	updates := map[string]tocsin.Updates{}
	var reached reach
	names := map[string]position{}
	for i, r := range f.Rules {
		path := index("rules", i)
		made, text, ok := d.rule(r, path)
		d.directory.add("rule", made.Name)
		if first, twice := names[made.Name]; twice && made.Name != "" {
			d.fail(d.spot(path), path, "rule %q is there twice, first in %s", made.Name, d.first(first, d.spot(path)))
			continue
		}
		names[made.Name] = d.spot(path)
		if !ok {
			continue
		}
		asked := object(text)
		if by := reached.by(implied(asked)); by != "" {
			d.warn(d.spot(path), path, "never reached: %s before it matches all that it matches, and the first that matches decides", by)
		}
		reached.add(fmt.Sprintf("rule %q", made.Name), asked)
		all = append(all, made)
		if r.Alert != nil && r.Alert.Updates != "" {
			updates[made.Name] = r.Alert.Updates
		}
	}
	if len(f.Rules) == 0 {
		d.warn(d.spot("rules"), "rules", `there is none: no event opens an alert; "- use: guardduty" takes every GuardDuty finding`)
	}
	rs, err := rules.New(all, accounts)
	if err != nil {
		d.fail(d.spot("rules"), "rules", "%s", err)
	}
	return rs, updates
}

func (d *decoder) rule(r rule, path string) (made rules.Rule, text []byte, ok bool) {
	before := len(d.problems)
	if r.Use != "" {
		if r.Name != "" || r.Pattern.text != nil || r.Drop != "" || r.Alert != nil {
			d.fail(d.spot(path), path, `"use" stands alone: the shipped rule has the rest`)
			return made, nil, false
		}
		shipped, err := Shipped(r.Use)
		if err != nil {
			d.fail(d.spot(join(path, "use")), join(path, "use"), "no shipped rule %q%s", r.Use, didYouMean(r.Use, library.Names()))
			return made, nil, false
		}
		shipped.Actions = d.actions(path, r.Actions)
		return shipped.Rule, shipped.text, len(d.problems) == before
	}
	_, hasPattern := d.spots[join(path, "pattern")]
	switch {
	case d.failed(path) && r.Name == "" && !hasPattern:
		return made, nil, false // what was meant is told already
	case r.Name == "" && !hasPattern:
		d.fail(d.spot(path), path, `want "use", or "name" and "pattern"`)
		return made, nil, false
	case r.Name == "":
		d.fail(d.spot(path), path, `"name" is missing`)
	case !hasPattern:
		d.fail(d.spot(path), path, `"pattern" is missing`)
	case r.Pattern.text == nil && !d.failed(join(path, "pattern")):
		d.fail(d.spot(join(path, "pattern")), join(path, "pattern"), "is empty")
	}
	if r.Drop != "" && r.Alert != nil {
		d.fail(d.keySpot(join(path, "alert")), path, `"drop" and "alert": want one of them`)
	}
	if _, dropped := d.spots[join(path, "drop")]; dropped && r.Drop == "" && !d.failed(join(path, "drop")) {
		d.fail(d.spot(join(path, "drop")), join(path, "drop"), "is empty: say why, it is recorded with each event")
	}
	if r.Drop != "" && len(r.Actions) > 0 {
		d.fail(d.keySpot(join(path, "actions")), path, `"drop" and "actions": what is dropped opens no alert that something could be done about`)
	}
	made = rules.Rule{Name: r.Name, Pattern: r.Pattern.parsed, Drop: r.Drop, Actions: d.actions(path, r.Actions)}
	if r.Alert != nil {
		d.checkKeys(join(join(path, "alert"), "key"), r.Alert.Key)
		made.Alert = rules.Alert{Level: r.Alert.Level, Title: r.Alert.Title, Key: r.Alert.Key}
	}
	return made, r.Pattern.text, len(d.problems) == before && made.Pattern != nil
}

var keyForm = lazyregexp.New(`^\$(\.[A-Za-z0-9_:-]+)+$`)

func (d *decoder) checkKeys(path string, keys names) {
	for i, key := range keys {
		at := index(path, i)
		if _, ok := d.spots[at]; !ok {
			at = path
		}
		if !keyForm.MatchString(key) {
			d.fail(d.spot(at), at, "%q is not a path into the event, such as $.detail.userIdentity.accountId or $.resources.0", key)
		}
	}
}
