package config

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

// details are what is written of an account.
type details struct {
	Name        string            `json:"name" doc:"How people call it."`
	Environment string            `json:"environment" doc:"Such as prod; routes can ask for it."`
	Team        string            `json:"team" doc:"Who owns it; routes can ask for it. A team that is not among teams can own accounts, but others are told."`
	OU          string            `json:"ou" doc:"Where in the organisation it stands, from the root's child down: prod/payments. Owners and routes can ask for it."`
	Tags        map[string]string `json:"tags" doc:"Tags that it has in AWS Organizations; owners can ask for them, and routes as account_tags."`
	Minimum     tocsin.Level      `json:"minimum" doc:"The lowest level worth an alert in this account. What is below is recorded as filtered."`
	Receivers   names             `json:"receivers" doc:"Who is told of the account's alerts unless a route says otherwise, instead of the receivers of its team."`
	Regions     names             `json:"regions" doc:"The regions that it uses: events are expected from these, and from no other. Left out, those of coverage."`
	Left        bool              `json:"left" default:"false" doc:"It has left the organisation: its open alerts are closed."`
}

// owner is an entry of owners.
type owner struct {
	Account account `json:"account" doc:"Id of one account, in quotes."`
	OU      string  `json:"ou" doc:"All accounts in that organizational unit and below: prod/payments."`
	Tag     string  `json:"tag" doc:"All accounts that have this tag, with value."`
	Value   string  `json:"value" doc:"Value of the tag, compared exactly."`
	Team    string  `json:"team" required:"true" doc:"The team that owns them."`
}

// accountsFile is what accounts_file names.
type accountsFile struct {
	Accounts map[account]details `json:"accounts"`
	Owners   []owner             `json:"owners"`
}

// accounts are all accounts of both files, who owns which, in order, and which
// have left.
func (d *decoder) accounts(f file) (all map[string]tocsin.Account, owners []routing.Owner, left []string) {
	all = make(map[string]tocsin.Account, len(f.Accounts))
	d.eachAccount(f.Accounts, all)
	owners = d.owners(f.Owners)
	if other, more := d.readAccounts(f); other != nil {
		for id := range more.Accounts {
			if first, twice := d.spots[join("accounts", string(id))+" key"]; twice {
				path := join("accounts", string(id))
				other.fail(other.keySpot(path), "accounts", "%q is there twice, first in %s in line %d", string(id), d.files[first.file], first.line)
			}
		}
		other.eachAccount(more.Accounts, all)
		owners = append(owners, other.owners(more.Owners)...)
		d.problems = append(d.problems, other.problems...)
		d.warnings = append(d.warnings, other.warnings...)
		d.texts = append(d.texts, other.texts...)
	}
	return all, owners, slices.Sorted(maps.Keys(d.directory.left))
}

// readAccounts reads the file that accounts_file names, if it does. What is wrong
// with it is told under its own name.
func (d *decoder) readAccounts(f file) (*decoder, accountsFile) {
	var more accountsFile
	if f.AccountsFile == "" || d.failed("accounts_file") {
		return nil, more
	}
	path := f.AccountsFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(d.file), path)
	}
	text, err := d.readFile(path)
	if err != nil {
		d.fail(d.spot("accounts_file"), "accounts_file", "%s", err)
		return nil, more
	}
	doc, problem := readYAML(path, text)
	if problem != nil {
		d.problems = append(d.problems, *problem)
		return nil, more
	}
	d.read = append(d.read, path)
	other := newDecoder(path, doc, d.kinds)
	other.directory, other.texts = d.directory, [][]byte{text}
	other.value(doc.root, "", reflect.ValueOf(&more).Elem())
	return other, more
}

func (d *decoder) eachAccount(from map[account]details, into map[string]tocsin.Account) {
	for _, id := range written(d, "accounts", from) {
		a, path := from[id], join("accounts", string(id))
		d.checkReceivers(path+".receivers", a.Receivers)
		d.directory.use("team", a.Team)
		d.directory.add("account team", a.Team)
		if teams := d.directory.names["team"]; a.Team != "" && len(teams) > 0 && !slices.Contains(teams, a.Team) {
			d.warn(d.spot(path+".team"), path+".team", "no team %q in teams%s: others are told of its alerts", a.Team, didYouMean(a.Team, teams))
		}
		into[string(id)] = tocsin.Account{
			ID: string(id), Name: a.Name, Environment: a.Environment, Team: a.Team, OU: strings.Trim(a.OU, "/"), Tags: a.Tags,
			Minimum: a.Minimum, Receivers: a.Receivers, Regions: d.regions(path+".regions", a.Regions),
		}
		if a.Left {
			d.directory.left[string(id)] = true
		}
	}
}

// owners checks each by itself, and that no two claim the same.
func (d *decoder) owners(list []owner) []routing.Owner {
	var all []routing.Owner
	seen := map[owner]position{}
	for i, o := range list {
		path := index("owners", i)
		o.OU = strings.Trim(o.OU, "/")
		d.refer(path+".team", "team", o.Team)
		said := 0
		for _, s := range []string{string(o.Account), o.OU, o.Tag} {
			if s != "" {
				said++
			}
		}
		tagged := d.isWritten(path + ".value")
		switch {
		case d.failed(path):
			continue
		case said != 1:
			d.fail(d.spot(path), path, `want one of "account", "ou" and "tag"`)
			continue
		case o.Tag != "" && !tagged:
			d.fail(d.spot(path), path, `"value" is missing`)
			continue
		case o.Tag == "" && tagged:
			d.fail(d.keySpot(path+".value"), path, `"value" is of a tag, and there is none`)
			continue
		}
		claims := owner{Account: o.Account, OU: o.OU, Tag: o.Tag, Value: o.Value}
		if first, twice := seen[claims]; twice {
			d.fail(d.spot(path), path, "the same is owned twice, first in %s", d.first(first, d.spot(path)))
			continue
		}
		seen[claims] = d.spot(path)
		all = append(all, routing.Owner{Account: string(o.Account), OU: o.OU, Tag: o.Tag, Value: o.Value, Team: o.Team})
	}
	return all
}
