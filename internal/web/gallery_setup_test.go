package web

import (
	"errors"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/connect"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/setup"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// setupStates renders the pages of what is set up.
func setupStates(t *testing.T, p *Pages, in inputs, evil func(string) string, add func(name, html string)) {
	t.Helper()
	names := func(what string) []string { return []string{evil(what + "-1"), evil(what + "-2")} }
	fixed := errors.New(evil("the demo is as it is"))

	add("setup-catalogue-sources", render(t, p.cataloguePage, newCatalogue(setup.Source, fixtureChoices(), nil)))
	add("setup-catalogue-receivers", render(t, p.cataloguePage, newCatalogue(setup.Receiver, fixtureChoices()[3:], fixed)))

	fresh := addInput{What: setup.Source, Choice: fixtureChoices()[0], Form: fixtureForm(), Values: map[string]string{"pigeon.header": evil("X-Api-Key")}}
	add("setup-form-source", render(t, p.setupFormPage, fresh.view(names)))
	wrong := fresh
	wrong.Name = evil("two words")
	wrong.Values = map[string]string{
		"pigeon.to": evil("a\nb"), "pigeon.token": evil("typed secret"), "pigeon.headers": evil("Authorization: typed secret"), "pigeon.level": evil("loud"), "pigeon.loft.name": evil("x"),
		"team": evil("gone"), "receivers": evil("receiver-2\nnobody"), "map.severity": evil("{path: level}"), "close": evil("{status: [OK]}"), "pigeon.coo": evil("true"),
	}
	wrong.Problems = setup.Problems{
		{Field: "name", Text: evil("want letters")},
		{Field: "pigeon.to", Text: evil("is missing")},
		{Field: "receivers", Text: evil("there is no nobody")},
		{Text: evil("rules[0]: no such key")},
		{Field: "by", Text: evil("say who you are")},
		{Field: "close", Text: evil("line 1: no such field")},
	}
	add("setup-form-source-wrong", render(t, p.setupFormPage, wrong.view(names)))
	there := editInput{Entry: fixtureEntry(setup.Receiver, evil), Form: fixtureForm()}
	there.Values = there.Entry.Values
	v := there.view(names)
	v.Fixed, v.Me = evil("The demo is as it is."), newActor(evil("ana"), nil)
	add("setup-form-receiver", render(t, p.setupFormPage, v))

	source := sourceInput{Source: fixtureSource(evil), Accounts: in.alerts.Accounts, Now: fixtureNow, Sample: evil(`{"a":1}`), Details: fixtureDetails(evil)}
	add("setup-source", render(t, p.sourcePage, source.view()))
	asked := source
	asked.By = evil("ana")
	asked.Access = &setup.Access{URL: evil("https://tocsin.example.com/in/org-topic/SECRET"), Endpoint: evil("https://tocsin.example.com/in/org-topic"), Header: evil("X-Api-Key"), Token: evil("SECRET")}
	asked.Asked = connect.Options{Format: connect.Terraform, Regions: []string{evil("eu-west-1")}, OUs: []string{evil("ou-1")}, Tags: map[string]string{evil("team"): evil("soc")}, StackName: evil("stack"), RoleARN: evil("arn")}
	asked.Text = &connect.Text{Commands: evil("terraform apply"), Files: []connect.File{{Name: evil("main.tf"), Text: evil("resource {}")}}, Notes: []string{evil("Run it once.")}}
	asked.Found = &in.explanation
	add("setup-source-asked", render(t, p.sourcePage, asked.view()))
	refused := source
	refused.Source.Managed, refused.Source.Why, refused.Source.Tokens, refused.Source.TokenWhy = false, evil("it is written by hand in tocsin.yml:12"), nil, evil("the configuration gives the token")
	refused.Source.Kind = "https"
	refused.Wrong = setup.Problems{{Field: "regions", Text: evil("no region")}, {Field: "ous", Text: evil("no unit")}, {Field: "stack_name", Text: evil("no name")}, {Text: evil("set public_url")}}
	add("setup-source-by-hand", render(t, p.sourcePage, refused.view()))
	off := source
	off.Source.Disabled, off.Source.URL, off.Source.Tokens, off.Source.Connect, off.Source.Status = true, "", nil, nil, collect.Status{State: "disabled"}
	add("setup-source-disabled", render(t, p.sourcePage, off.view()))
	gone := sourceInput{Now: fixtureNow, Source: setup.SourceInfo{Entry: setup.Entry{What: setup.Source, Name: evil("old"), Deleted: true}, LastEvent: ago(time.Hour), Events: 1, History: source.Source.History}}
	add("setup-source-deleted", render(t, p.sourcePage, gone.view()))

	receiver := receiverInput{Now: fixtureNow, Details: fixtureDetails(evil), Receiver: setup.ReceiverInfo{
		Entry: fixtureEntry(setup.Receiver, evil), Personal: true, Abilities: notify.Abilities{Edits: true, Threads: true, Limit: "4,096 bytes"}, History: source.Source.History,
	}}
	add("setup-receiver", render(t, p.receiverPage, receiver.view()))
	told := receiver
	told.Tested = true
	add("setup-receiver-tested", render(t, p.receiverPage, told.view()))
	told.Refused, told.By = errors.New(evil("slack: 403 Forbidden")), evil("ana")
	add("setup-receiver-refused", render(t, p.receiverPage, told.view()))
	acting := receiver
	acting.Receiver.Acts, acting.Receiver.Disabled, acting.Receiver.Abilities = true, true, notify.Abilities{}
	acting.Details = entryDetails{}
	add("setup-receiver-acting", render(t, p.receiverPage, acting.view()))

	add("setup-receivers", render(t, p.receiversPage, newReceivers([]setup.ReceiverInfo{receiver.Receiver, acting.Receiver}, nil)))
	add("setup-receivers-none", render(t, p.receiversPage, newReceivers(nil, nil)))
	add("setup-receivers-fixed", render(t, p.receiversPage, newReceivers(nil, fixed)))

	add("setup-sources", render(t, p.sourcesPage, sourcesInput{
		Add: "/sources/add", Now: fixtureNow, Entries: []setup.SourceInfo{source.Source, off.Source, gone.Source},
		Activity: []store.SourceActivity{{Source: evil("org-topic"), LastEvent: ago(time.Minute), Events: 1204}},
	}.view()))
	add("setup-sources-none", render(t, p.sourcesPage, sourcesInput{Add: "/sources/add", Now: fixtureNow}.view()))
}

// fixtureChoices are of a binary that has three kinds.
func fixtureChoices() []setup.Choice {
	return []setup.Choice{
		{Name: "guardduty-pigeon", Title: "GuardDuty by pigeon", Doc: "Findings on a small roll of paper.", Group: "Amazon GuardDuty", Kind: "pigeon", Values: map[string]string{"pigeon.header": "X-Api-Key"}},
		{Name: "pigeon", Title: "Pigeon", Doc: "Anything on a small roll of paper.", Group: "Birds", Kind: "pigeon"},
		{Name: "json", Title: "Any JSON", Doc: "Whatever can post.", Group: "Anything else", Kind: "pigeon"},
		{Name: "swift", Title: "Swift", Doc: "Tells quickly.", Group: "Birds", Kind: "swift", Abilities: &notify.Abilities{Edits: true, Threads: true, Acknowledge: true, Resolve: true, Rich: true, Limit: "140 bytes"}, Checks: []notify.Check{{How: notify.ByFake, By: "a swift of ours"}, {How: notify.ByFake, By: "a swift of ours"}}},
		{Name: "fence", Title: "Fence", Doc: "Closes the gate.", Group: "Actions", Kind: "fence", Acts: true, Abilities: &notify.Abilities{}},
	}
}

// fixtureForm has a field of each type and place.
func fixtureForm() config.Form {
	return config.Form{Kind: "pigeon", Title: "Pigeon", Doc: "Anything on a small roll of paper.", Fields: []config.FormField{
		{Key: "pigeon.to", Label: "To", Doc: "Who gets it.", Type: config.List, Required: true},
		{Key: "pigeon.token", Label: "Token", Doc: "What it shows.", Type: config.Secret},
		{Key: "pigeon.header", Label: "Header", Doc: "A name.", Type: config.Text, Example: "X-Api-Key"},
		{Key: "pigeon.level", Label: "Level", Doc: "How loud.", Type: config.OneOf, Options: []string{"quiet", "noisy"}, Default: "quiet"},
		{Key: "pigeon.coo", Label: "Coo", Doc: "Whether it coos.", Type: config.Boolean, Default: "true"},
		{Key: "pigeon.headers", Label: "Headers", Doc: "More of them.", Type: config.Secrets},
		{Key: "pigeon.birds", Label: "Birds", Doc: "How many.", Type: config.Number, Default: "2"},
		{Key: "pigeon.wait", Label: "Wait", Doc: "How long.", Type: config.Duration},
		{Key: "pigeon.names", Label: "Names", Doc: "By number.", Type: config.Pairs},
		{Key: "pigeon.body", Label: "Body", Doc: "What it says.", Type: config.Text},
		{Key: "pigeon.colors.low", Label: "Low", Doc: "A colour.", Type: config.Text},
		{Key: "pigeon.loft.name", Label: "Name", Doc: "Of the loft.", Type: config.Text, Required: true, Group: "loft"},
		{Key: "pigeon.loft.key", Label: "Key", Doc: "Of the loft.", Type: config.Secret, Group: "loft"},
		{Key: "team", Label: "Team", Doc: "Whose it is.", Type: config.Text, Names: "team", Common: true},
		{Key: "receivers", Label: "Receivers", Doc: "Who is told.", Type: config.List, Names: "receiver", Common: true},
		{Key: "preset", Label: "Preset", Doc: "A map.", Type: config.OneOf, Options: []string{"nest"}, Common: true},
		{Key: "map.severity", Label: "Severity", Doc: "How bad.", Type: config.YAML, Common: true},
		{Key: "close", Label: "Close", Doc: "When it is over.", Type: config.YAML, Common: true},
	}}
}

func fixtureEntry(w setup.What, evil func(string) string) setup.Entry {
	return setup.Entry{
		What: w, Name: evil("org-topic"), Kind: "sns", Title: "Amazon SNS", File: evil("/etc/tocsin/tocsin.managed.yml"), Line: 3, Managed: true,
		Values: map[string]string{
			"pigeon.to": evil("ana"), "pigeon.token": evil("${file:/etc/tocsin/secrets/token}"), "pigeon.headers": evil("Authorization: ***"), "pigeon.loft.key": "***",
			"pigeon.body": evil("two\nlines"), "team": evil("payments"), "receivers": evil("soc"), "map.severity": evil("level"),
		},
	}
}

func fixtureDetails(evil func(string) string) entryDetails {
	return entryDetails{Settings: []settingRow{{"Topics", evil("arn:aws:sns:eu-west-1:111122223333:a\narn:aws:sns:us-east-1:111122223333:a")}}, YAML: evil("sources:\n  org-topic:\n    sns: {}")}
}

func fixtureSource(evil func(string) string) setup.SourceInfo {
	return setup.SourceInfo{
		Entry: fixtureEntry(setup.Source, evil), URL: evil("https://tocsin.example.com/in/org-topic/***"),
		Status:  collect.Status{State: "ok", Lines: []tocsin.Fact{{Name: evil("arn:aws:sns:eu-west-1:111122223333:a"), Value: evil("Confirmed")}}},
		Connect: []tocsin.Fact{{Name: evil("Endpoint"), Value: evil("https://tocsin.example.com/in/org-topic/***")}},
		Tokens: []setup.Token{
			{ID: evil("3f9a1c77"), MadeAt: ago(time.Hour), MadeBy: evil("ana")},
			{ID: evil("00d1e2f3"), MadeAt: ago(90 * 24 * time.Hour), UsedAt: ago(4 * time.Minute), Until: fixtureNow.Add(6 * 24 * time.Hour)},
		},
		LastEvent: ago(time.Minute), Events: 1204,
		History: []setup.Change{
			{At: ago(time.Hour), By: evil("ana"), What: setup.Source, Name: evil("org-topic"), Did: "rotated", Text: evil("token 3f9a1c77")},
			{At: ago(90 * 24 * time.Hour), By: evil("bo"), What: setup.Source, Name: evil("org-topic"), Did: "added"},
		},
	}
}
