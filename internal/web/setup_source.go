package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/connect"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/setup"
)

type sourceView struct {
	setup.SourceInfo
	entryDetails
	Href       string
	Word, Tone string
	Last       when
	Inbound    string
	Access     *setup.Access // shown in clear, once asked for
	TokenRows  []tokenRow
	Keeps      []option
	Newest     string // the id of the newest token, which a rotation follows
	Changes    []changeRow
	Pastes     *pasteView // nil where there is nothing to be pasted into AWS
	Sample     string
	Trial      *trialView
	Me         actor
}

type tokenRow struct {
	setup.Token
	Made, Used, Ends when
	Newest           bool
}

// A pasteView is the form of what is to be pasted into AWS, and the text.
type pasteView struct {
	Formats                           []option
	Regions, OUs, Stack, Role, Tags   string
	Open                              bool // it is what the source is for, or it was asked for
	MoreOpen                          bool
	Text                              *connect.Text
	WrongRegions, WrongOUs, WrongRest string
}

// A trialView is what would become of an event.
type trialView struct {
	explainView
	Read []tocsin.Fact // each step of how it was read, in order
}

// A sourceInput is all that the page of one source is made of.
type sourceInput struct {
	Source   setup.SourceInfo
	Details  entryDetails
	Accounts map[string]tocsin.Account
	Now      time.Time
	By       string
	Access   *setup.Access
	Asked    connect.Options // what is to be pasted
	Text     *connect.Text   // nil: it was not asked for
	Wrong    setup.Problems  // why it cannot be written
	Sample   string
	Found    *engine.Explanation // nil: nothing was tried yet
}

func (p *Pages) showSource(w http.ResponseWriter, r *http.Request) error {
	in, err := p.sourceInput(r)
	if err != nil {
		return err
	}
	return p.answerSource(w, r, in)
}

func (p *Pages) sourceInput(r *http.Request) (in sourceInput, err error) {
	name := r.PathValue("name")
	in = sourceInput{Now: p.opts.Now(), By: remembered(r), Accounts: p.opts.Accounts()}
	if in.Source, err = p.opts.Setup.Source(r.Context(), name); err != nil {
		return in, err
	}
	in.Details = p.details(in.Source.Entry)
	if !in.Source.Deleted {
		in.Sample = string(p.opts.Setup.Sample(name))
	}
	return in, nil
}

func (p *Pages) answerSource(w http.ResponseWriter, r *http.Request, in sourceInput) error {
	return show(p, w, r, http.StatusOK, p.sourcePage, head{Title: in.Source.Name, Here: "sources"}, in.view())
}

func (in sourceInput) view() sourceView {
	s := in.Source
	v := sourceView{
		SourceInfo: s, entryDetails: in.Details, Href: hrefOf(setup.Source, s.Name), Last: when{s.LastEvent, in.Now},
		Inbound: inboundQuery{Source: s.Name}.href(), Access: in.Access, Changes: changeRows(s.History, in.Now),
		Sample: in.Sample, Me: newActor(in.By, nil),
		Keeps: []option{{Value: "168h", Label: "7 days"}, {Value: "24h", Label: "1 day"}, {Value: "720h", Label: "30 days"}, {Value: "1m", Label: "1 minute: somebody has it who should not"}},
	}
	v.Word, v.Tone = entryState(s)
	for i, t := range s.Tokens {
		v.TokenRows = append(v.TokenRows, tokenRow{t, when{t.MadeAt, in.Now}, when{t.UsedAt, in.Now}, when{t.Until, in.Now}, i == 0})
	}
	if len(s.Tokens) > 0 {
		v.Newest = s.Tokens[0].ID
	}
	if s.URL != "" && (s.Kind == "sns" || s.Kind == "https") {
		v.Pastes = in.pastes()
	}
	if in.Found != nil {
		v.Trial = &trialView{explainInput{Now: in.Now, Accounts: in.Accounts, Found: in.Found}.view(), readSteps(*in.Found)}
	}
	return v
}

// entryState says in words how a source stands.
func entryState(s setup.SourceInfo) (word, tone string) {
	switch {
	case s.Deleted:
		return "Deleted", "quiet"
	case s.Disabled:
		return "Disabled", "odd"
	}
	return sourceState(SourceInfo{Name: s.Name, Kind: s.Kind, Status: s.Status}, true)
}

var formatLabels = map[connect.Format]string{connect.CLI: "AWS CLI", connect.CloudFormation: "CloudFormation", connect.Terraform: "Terraform"}

// pastes is the form of what is to be pasted, as it was filled in, and what came of
// it.
func (in sourceInput) pastes() *pasteView {
	o := in.Asked
	v := &pasteView{Regions: strings.Join(o.Regions, " "), OUs: strings.Join(o.OUs, " "), Stack: o.StackName, Role: o.RoleARN, Tags: tagLines(o.Tags), Text: in.Text}
	v.Open = in.Source.Kind == "sns" || in.Text != nil || len(in.Wrong) > 0
	v.MoreOpen = v.OUs+v.Stack+v.Role+v.Tags != ""
	for i, f := range connect.Formats() {
		v.Formats = append(v.Formats, option{Value: string(f), Label: formatLabels[f], Chosen: f == o.Format || o.Format == "" && i == 0})
	}
	v.WrongRegions, v.WrongOUs = in.Wrong.Of("regions"), in.Wrong.Of("ous")
	var rest []string
	for _, p := range in.Wrong {
		switch p.Field {
		case "regions", "ous":
		case "":
			rest = append(rest, sentence(p.Text))
		default:
			rest = append(rest, sentence(title(p.Field)+": "+p.Text))
		}
	}
	v.WrongRest = strings.Join(rest, " ")
	v.MoreOpen = v.MoreOpen || v.WrongOUs != ""
	return v
}

// readSteps are the steps of how an event was read, before anybody asks whose it is.
func readSteps(x engine.Explanation) (steps []tocsin.Fact) {
	lines := x.Steps
	if x.Routes != nil {
		first, _, _ := strings.Cut(x.Routes.String(), "\n")
		if i := slices.Index(lines, first); i >= 0 {
			lines = lines[:i]
		}
	}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		steps = append(steps, tocsin.Fact{Name: name, Value: value})
	}
	return steps
}

// revealSource shows the address with its token: to whoever asked for it by the
// button of the page, since a form of another site is refused and a link is no
// form.
func (p *Pages) revealSource(w http.ResponseWriter, r *http.Request) error {
	in, err := p.sourceInput(r)
	if err != nil {
		return err
	}
	access, err := p.opts.Setup.URL(r.Context(), in.Source.Name)
	if err != nil {
		return setupRefusal(r, err)
	}
	in.Access = &access
	return p.answerSource(w, r, in)
}

// connectSource writes what is to be pasted into AWS. The token is in its commands,
// so that it comes as the address does: by a form alone, and kept by no cache.
func (p *Pages) connectSource(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	in, err := p.sourceInput(r)
	if err != nil {
		return err
	}
	words := func(field string) []string {
		return strings.FieldsFunc(line(r.PostFormValue(field), 2000), func(c rune) bool { return c == ' ' || c == ',' })
	}
	in.Asked = connect.Options{
		Format: connect.Format(line(r.PostFormValue("format"), 20)), Regions: words("regions"), OUs: words("ous"),
		StackName: line(r.PostFormValue("stack_name"), 200), RoleARN: line(r.PostFormValue("role_arn"), 1000), Tags: readTags(lines(r, "tags")),
	}
	text, err := p.opts.Setup.Connect(r.Context(), in.Source.Name, in.Asked)
	if problems, ok := errors.AsType[setup.Problems](err); ok {
		in.Wrong = problems
	} else if err != nil {
		return setupRefusal(r, err)
	} else {
		in.Text = &text
	}
	return p.answerSource(w, r, in)
}

// readTags reads tags, "name=value" or "name: value", one a line.
func readTags(text string) map[string]string {
	tags := map[string]string{}
	for l := range strings.SplitSeq(text, "\n") {
		at := strings.IndexAny(l, "=:")
		if at < 0 {
			at = len(l)
		}
		if name := strings.TrimSpace(l[:at]); name != "" {
			tags[name] = strings.TrimSpace(strings.TrimLeft(l[at:], "=:"))
		}
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}

func tagLines(tags map[string]string) string {
	var all []string
	for name, value := range tags {
		all = append(all, name+"="+value)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// testSource says what would become of an event of the source. Nothing is kept and
// nobody is told.
func (p *Pages) testSource(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	in, err := p.sourceInput(r)
	if err != nil {
		return err
	}
	if text := strings.ReplaceAll(r.PostFormValue("event"), "\r\n", "\n"); strings.TrimSpace(text) != "" {
		in.Sample = text
	}
	found, err := p.opts.Setup.TestSource(r.Context(), in.Source.Name, []byte(in.Sample))
	if err != nil {
		return setupRefusal(r, err)
	}
	in.Found = &found
	return p.answerSource(w, r, in)
}

// rotateSource makes a new token after the one that the page showed. A form that is
// sent twice makes no second one: that would end the token which senders still use.
func (p *Pages) rotateSource(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	keep, err := time.ParseDuration(r.PostFormValue("keep"))
	if err != nil || keep < 0 {
		return wrong("keep: %q is no time such as 168h", line(r.PostFormValue("keep"), 20))
	}
	name := r.PathValue("name")
	s, err := p.opts.Setup.Source(r.Context(), name)
	if err != nil {
		return err
	}
	if len(s.Tokens) > 0 && s.Tokens[0].ID != r.PostFormValue("newest") {
		return &problem{
			Status: http.StatusConflict, Title: "There is a newer token already",
			Words: "A token was made after this page was loaded, so none was made now: the one before it would have ended.",
			Next:  "Look at the tokens again, then decide.", Href: hrefOf(setup.Source, name) + "#address", Link: "Look at the tokens",
		}
	}
	if _, err := p.opts.Setup.Rotate(r.Context(), name, by(w, r), keep); err != nil {
		return setupRefusal(r, err)
	}
	http.Redirect(w, r, hrefOf(setup.Source, name)+"#address", http.StatusSeeOther)
	return nil
}

func (p *Pages) retireSource(w http.ResponseWriter, r *http.Request) error {
	return p.changeEntry(setup.Source, func(ctx context.Context, _ setup.What, name, by string) error {
		return p.opts.Setup.Retire(ctx, name, by)
	})(w, r)
}
