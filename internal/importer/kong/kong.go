// Package kong makes a tocsin.yml of main.yml, the configuration of Kong's
// GuardDuty2Slack (https://github.com/Kong/guardduty2slack).
//
//	colors:   {low: "#…", medium: "#…", high: "#…"}
//	url:      link of a message; two %s, for region and finding id
//	webhook:  of all accounts that have none of their own
//	accounts:
//	  012345678901: {name: …, severity: low | medium | high, webhook: …}
//
// What is the same: who is told of which account from which level on, and the
// colours. What is not is what the program got wrong: see docs/import.md.
package kong

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Options are what the file does not say.
type Options struct {
	// Topics are ARNs of the SNS topics that findings come by. Without any they come
	// by HTTPS.
	Topics []string
}

// levels are the words of the file, and what they are here.
var levels = []struct {
	word  string
	level tocsin.Level
}{{"low", tocsin.Low}, {"medium", tocsin.Medium}, {"high", tocsin.High}}

// Import reads main.yml. An error names the place in it.
func Import(name string, text []byte, o Options) (*importer.Draft, error) {
	root, err := importer.ReadYAML(name, text)
	if err != nil {
		return nil, err
	}
	if !root.Is(importer.Mapping) {
		return nil, importer.Failure(root, "got %s, want colors, url, webhook and accounts", root.Kind)
	}
	i := &importing{draft: &importer.Draft{Config: &importer.Map{}}, root: root, receivers: &importer.Map{}, names: importer.Names{}, byURL: map[string]string{}}
	for _, step := range []func() error{i.colors, i.url, i.fallback, i.accounts} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	i.assemble(name, o)
	i.draft.Leftovers(root, func(string) string { return "" })
	return i.draft, nil
}

// An importing is under way.
type importing struct {
	draft     *importer.Draft
	root      *importer.Node
	receivers *importer.Map
	known     *importer.Map // accounts
	paint     *importer.Map // colours; nil where the file has none
	names     importer.Names
	byURL     map[string]string // receivers by webhook
}

var colour = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)

// critical is what the file has no colour for.
const critical = "#6E0B14"

func (i *importing) colors() error {
	colors := i.root.At("colors")
	if colors == nil || colors.Kind == importer.Null {
		i.draft.Remark(i.root, "colors: there are none; messages have those of tocsin")
		return nil
	}
	if !colors.Is(importer.Mapping) {
		return importer.Failure(colors, "colors: got %s, want low, medium and high", colors.Kind)
	}
	i.paint = &importer.Map{Flow: true}
	for _, l := range levels {
		n := colors.At(l.word)
		text := n.Scalar()
		switch {
		case text == "":
			i.draft.Remark(colors, "colors.%s: is missing, and Slack showed grey; such findings have tocsin's own colour", l.word)
		case colour.MatchString(text):
			i.paint.Set(l.word, text)
		case colour.MatchString("#" + text):
			i.paint.Set(l.word, "#"+text)
		case slices.Contains([]string{"good", "warning", "danger"}, text):
			i.paint.Set(l.word, slackColours[text])
		default:
			return importer.Failure(n, "colors.%s: %q is no colour such as #FF0000", l.word, text)
		}
	}
	own := colors.At("critical").Scalar()
	if own != "" && !colour.MatchString(own) {
		return importer.Failure(colors.At("critical"), "colors.critical: %q is no colour such as #FF0000", own)
	}
	i.paint.Set("critical", cmp.Or(own, critical))
	return nil
}

// slackColours are the words that Slack has for colours of attachments.
var slackColours = map[string]string{"good": "#2EB67D", "warning": "#ECB22E", "danger": "#E01E5A"}

// consoles are the hosts to which the links of tocsin's messages lead.
var consoles = regexp.MustCompile(`^([a-z0-9-]+\.)?console\.(aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com)$`)

// url is a format of printf with two %s, for region and finding id. (A third or
// another verb came out as %!s(MISSING) in every message.)
func (i *importing) url() error {
	n := i.root.At("url")
	text := n.Scalar()
	if text == "" {
		i.draft.Remark(i.root, "url: is missing; messages link to the finding in the AWS console")
		return nil
	}
	bare := strings.ReplaceAll(text, "%%", "")
	if strings.Count(bare, "%s") != 2 || strings.Count(bare, "%") != 2 {
		return importer.Failure(n, "url: want %%s twice and no other %%: the first is the region, the second the finding's id")
	}
	u, err := url.Parse(strings.NewReplacer("%%", "%25", "%s", "x").Replace(text))
	if err != nil || u.Host == "" {
		return importer.Failure(n, "url: is not the URL of a page")
	}
	if !consoles.MatchString(u.Host) {
		i.draft.Remark(n, "url: leads to %s; tocsin's messages link to the finding in the AWS console of its partition, and to the alert in tocsin", u.Host)
	}
	return nil
}

// fallback is the webhook of accounts that have none, and of those that the file
// does not name.
func (i *importing) fallback() error {
	n := i.root.At("webhook")
	if n.Scalar() == "" {
		if n == nil {
			n = i.root
		}
		return importer.Failure(n, "webhook: is empty: findings of accounts that have no webhook of their own, and of those that are not in the file, would reach nobody")
	}
	_, err := i.receiver("slack", n, "the default webhook")
	return err
}

// receiver is the name of the receiver that posts to the webhook.
func (i *importing) receiver(name string, n *importer.Node, what string) (string, error) {
	text := n.Scalar()
	if known := i.byURL[text]; known != "" {
		return known, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", importer.Failure(n, "webhook: is not the URL of an incoming webhook") // it may be a secret all the same
	}
	name = i.names.Take(name, "slack")
	i.byURL[text] = name
	settings := (&importer.Map{}).Set("webhook_url", i.draft.Secret(name, what, secret.New(text)))
	if i.paint != nil && !i.paint.Empty() {
		settings.Set("colors", i.paint)
	}
	i.receivers.Set(name, (&importer.Map{}).Set("slack", settings), "from "+n.Where()+": "+what)
	return name, nil
}

func (i *importing) accounts() error {
	i.known = &importer.Map{}
	accounts := i.root.At("accounts")
	if accounts == nil || accounts.Kind == importer.Null {
		i.draft.Remark(i.root, "accounts: there are none; all findings of all accounts go to the default webhook")
		return nil
	}
	if !accounts.Is(importer.Mapping) {
		return importer.Failure(accounts, "accounts: got %s, want accounts by their id", accounts.Kind)
	}
	var err error
	accounts.Each(func(id string, e *importer.Entry) {
		if err == nil {
			err = i.account(id, e)
		}
	})
	return err
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

func (i *importing) account(id string, e *importer.Entry) error {
	at := &importer.Node{File: i.root.File, Line: e.Line, Column: e.Column}
	digits := strings.ReplaceAll(id, "-", "")
	if !accountID.MatchString(digits) {
		return importer.Failure(at, "accounts: %q is not an account id: want 12 digits", id)
	}
	if slices.Contains(i.known.Keys(), digits) {
		return importer.Failure(at, "accounts: %s is there twice", digits)
	}
	if !e.Value.Is(importer.Mapping) && !e.Value.Is(importer.Null) {
		return importer.Failure(e.Value, "accounts.%s: got %s, want name, severity and webhook", id, e.Value.Kind)
	}
	name := e.Value.At("name").Scalar()
	a := (&importer.Map{Flow: true}).SetText("name", name)
	level, err := threshold(e.Value.At("severity"))
	if err != nil {
		return err
	}
	note := "every level"
	if level > tocsin.Low { // low let everything through
		a.Set("minimum", level.String())
		note = level.String() + " and above"
	}
	if hook := e.Value.At("webhook"); hook.Scalar() != "" {
		receiver, err := i.receiver("slack-"+cmp.Or(name, digits), hook, "the webhook of account "+strings.TrimSpace(digits+" "+name))
		if err != nil {
			return err
		}
		a.Set("receivers", []string{receiver})
	}
	i.known.Set(digits, a, fmt.Sprintf("from %s:%d: %s", i.root.File, e.Line, note))
	return nil
}

// threshold is the lowest level that is told. A missing one is low, as it was; a
// word that is none was low too, without a word about it, and is an error here.
func threshold(n *importer.Node) (tocsin.Level, error) {
	if n == nil || n.Kind == importer.Null || n.Kind == importer.String && n.Text == "" {
		return tocsin.Low, nil
	}
	for _, l := range levels {
		if n.Scalar() == l.word {
			return l.level, nil
		}
	}
	return tocsin.Unknown, importer.Failure(n, "severity: %q is none of low, medium and high", n.Scalar())
}

func (i *importing) assemble(name string, o Options) {
	c := i.draft.Config
	importer.Source(c, "guardduty", o.Topics)
	c.Set("rules", importer.Items{(&importer.Map{Flow: true}).Set("use", "guardduty")}, "Every finding, as before. What an account's minimum lets go is recorded as filtered.")
	if !i.known.Empty() {
		c.Set("accounts", i.known)
	}
	c.Set("fallback", "slack", fmt.Sprintf("Accounts that have no webhook of their own, and those that are not in %s.", name))
	c.Set("receivers", i.receivers)
}
