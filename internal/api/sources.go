package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/connect"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/setup"
)

// SourceDetails are a source and how it stands.
type SourceDetails struct {
	Entry
	URL       string        `json:"url,omitempty" doc:"Where senders reach it, with *** for its token."`
	State     string        `json:"state,omitempty" doc:"How it stands: ok, pending, unsubscribed, failing or disabled."`
	Status    []tocsin.Fact `json:"status,omitempty" doc:"What it says of itself."`
	Connect   []tocsin.Fact `json:"connect,omitempty" doc:"How to connect a sender, with *** for its token."`
	Tokens    []Token       `json:"tokens,omitempty" doc:"The tokens that open it, the newest first, if they were made here."`
	TokenWhy  string        `json:"token_why,omitempty" doc:"Why they were not."`
	LastEvent time.Time     `json:"last_event,omitzero" doc:"When its last event came."`
	Events    int64         `json:"events" doc:"How many events came."`
	History   []SetupChange `json:"history,omitempty" doc:"What was done with it, the newest first; not in lists."`
}

// A Token is one of those that open a source, without itself.
type Token struct {
	ID     string    `json:"id" doc:"What tells it from others."`
	MadeAt time.Time `json:"made_at,omitzero" doc:"When it was made."`
	MadeBy string    `json:"made_by,omitempty" doc:"Who had it made."`
	UsedAt time.Time `json:"used_at,omitzero" doc:"When a request came with it last, to about a minute."`
	Until  time.Time `json:"until,omitzero" doc:"When it ends, if another one has followed it."`
}

func sourceOf(i setup.SourceInfo) SourceDetails {
	s := SourceDetails{
		Entry: entryOf(i.Entry), URL: i.URL, State: i.Status.State, Status: i.Status.Lines, Connect: i.Connect, TokenWhy: i.TokenWhy,
		LastEvent: i.LastEvent, Events: i.Events, History: changesOf(i.History),
	}
	for _, t := range i.Tokens {
		s.Tokens = append(s.Tokens, Token(t))
	}
	return s
}

// Sources is the answer to a list.
type Sources struct {
	Sources []SourceDetails `json:"sources" doc:"The sources in the order of the files, then those that were there once."`
}

func (a *api) listSources(ctx context.Context, _ none) (Sources, error) {
	s, err := a.setUp()
	if err != nil {
		return Sources{}, err
	}
	all, err := s.Sources(ctx)
	out := Sources{Sources: []SourceDetails{}}
	for _, i := range all {
		out.Sources = append(out.Sources, sourceOf(i))
	}
	return out, err
}

func (a *api) showSource(ctx context.Context, in byName) (SourceDetails, error) {
	s, err := a.setUp()
	if err != nil {
		return SourceDetails{}, err
	}
	i, err := s.Source(ctx, in.Name)
	return sourceOf(i), err
}

func (a *api) saveSource(ctx context.Context, in save) (SourceDetails, error) {
	if err := a.save(ctx, setup.Source, in); err != nil {
		return SourceDetails{}, err
	}
	return a.showSource(ctx, in.byName)
}

// changeSource does something with a source and answers it as it is then.
func (a *api) changeSource(ctx context.Context, in byName, f func(s *setup.Setup) error) (SourceDetails, error) {
	s, err := a.setUp()
	if err == nil {
		err = refusedSetup(f(s))
	}
	if err != nil {
		return SourceDetails{}, err
	}
	return a.showSource(ctx, in)
}

func (a *api) deleteSource(ctx context.Context, in changeByName) (SourceDetails, error) {
	return a.changeSource(ctx, in.byName, func(s *setup.Setup) error { return s.Delete(ctx, setup.Source, in.Name, in.By) })
}

func (a *api) disableSource(ctx context.Context, in changeByName) (SourceDetails, error) {
	return a.changeSource(ctx, in.byName, func(s *setup.Setup) error { return s.Disable(ctx, setup.Source, in.Name, in.By) })
}

func (a *api) enableSource(ctx context.Context, in changeByName) (SourceDetails, error) {
	return a.changeSource(ctx, in.byName, func(s *setup.Setup) error { return s.Enable(ctx, setup.Source, in.Name, in.By) })
}

// Rotation is the body that has a token made.
type Rotation struct {
	By   string `json:"by" jsonschema:"minLength=1,maxLength=200,example=ana" doc:"Who has it made."`
	Keep int64  `json:"keep_seconds,omitempty" jsonschema:"minimum=60,maximum=7776000,example=604800" doc:"For how long the one before stays good, in seconds; 7 days if left out."`
}

type rotate struct {
	byName
	Rotation `body:"json"`
}

func (a *api) rotateSource(ctx context.Context, in rotate) (SourceDetails, error) {
	return a.changeSource(ctx, in.byName, func(s *setup.Setup) error {
		_, err := s.Rotate(ctx, in.Name, in.By, time.Duration(in.Keep)*time.Second)
		return err
	})
}

func (a *api) retireSource(ctx context.Context, in changeByName) (SourceDetails, error) {
	return a.changeSource(ctx, in.byName, func(s *setup.Setup) error { return s.Retire(ctx, in.Name, in.By) })
}

// An Access is what opens a source, in clear.
type Access struct {
	URL      string `json:"url" doc:"Where it is reached, with its token."`
	Endpoint string `json:"endpoint" doc:"The same without."`
	Header   string `json:"header,omitempty" doc:"The header that can have the token instead."`
	Token    string `json:"token" doc:"The token."`
}

func (a *api) sourceURL(ctx context.Context, in byName) (Access, error) {
	s, err := a.setUp()
	if err != nil {
		return Access{}, err
	}
	access, err := s.URL(ctx, in.Name)
	return Access(access), refusedSetup(err)
}

// Connecting is the body that asks what to paste into AWS.
type Connecting struct {
	Format    string            `json:"format,omitempty" jsonschema:"enum=cli,enum=cloudformation,enum=terraform,default=cli" doc:"In which form."`
	Regions   []string          `json:"regions,omitempty" doc:"Which regions; all alone is every one that is enabled. Left out, that of the caller."`
	OUs       []string          `json:"ous,omitempty" doc:"Organizational units in whose accounts a StackSet is to put it."`
	Tags      map[string]string `json:"tags,omitempty" doc:"Tags of every resource."`
	RoleARN   string            `json:"role_arn,omitempty" doc:"The role that CloudFormation acts as."`
	StackName string            `json:"stack_name,omitempty" doc:"What the stack is called: a letter first, then letters, digits and hyphens."`
}

type connectSource struct {
	byName
	Connecting `body:"json"`
}

// Pasting is what to paste.
type Pasting struct {
	Commands string        `json:"commands" doc:"Commands for a shell. What opens the source is in them."`
	Files    []PastingFile `json:"files,omitempty" doc:"Files that the commands want to be there. Nothing secret is in them."`
	Notes    []string      `json:"notes,omitempty" doc:"What is good to know before."`
}

// PastingFile is a file with its name.
type PastingFile struct {
	Name string `json:"name" doc:"What it is called."`
	Text string `json:"text" doc:"What is in it."`
}

func (a *api) connectSource(ctx context.Context, in connectSource) (Pasting, error) {
	s, err := a.setUp()
	if err != nil {
		return Pasting{}, err
	}
	t, err := s.Connect(ctx, in.Name, connect.Options{
		Format: connect.Format(in.Format), Regions: in.Regions, OUs: in.OUs, Tags: in.Tags, RoleARN: in.RoleARN, StackName: in.StackName,
	})
	out := Pasting{Commands: t.Commands, Notes: t.Notes}
	for _, f := range t.Files {
		out.Files = append(out.Files, PastingFile(f))
	}
	return out, refusedSetup(err)
}

type testSource struct {
	byName
	Event json.RawMessage `body:"raw" doc:"An event as the source brings it; {} for a sample."`
}

func (a *api) testSource(ctx context.Context, in testSource) (engine.Explanation, error) {
	s, err := a.setUp()
	if err != nil {
		return engine.Explanation{}, err
	}
	x, err := s.TestSource(ctx, in.Name, eventIn(in.Event))
	return x, refusedSetup(err)
}
