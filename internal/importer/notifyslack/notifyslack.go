// Package notifyslack makes a tocsin.yml of the variables of
// terraform-aws-notify-slack
// (https://github.com/terraform-aws-modules/terraform-aws-notify-slack): the
// module's block in .tf or .tf.json, or terraform.tfvars, or the variables as JSON.
//
// Its topic becomes a source, its webhook a receiver. Everything that arrives is
// told, as before.
package notifyslack

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Options are what the file does not say.
type Options struct {
	// Account is the id of the account that the topics are in, 12 digits.
	Account string
}

// An importing is under way.
type importing struct {
	draft     *importer.Draft
	o         Options
	sources   *importer.Map
	receivers *importer.Map
	names     importer.Names
	told      []string
}

// Import reads the file. An error names the place in it.
func Import(name string, text []byte, o Options) (*importer.Draft, error) {
	root, err := read(name, text)
	if err != nil {
		return nil, err
	}
	if !root.Is(importer.Mapping) {
		return nil, importer.Failure(root, "got %s, want the variables of terraform-aws-notify-slack", root.Kind)
	}
	i := &importing{
		draft: &importer.Draft{Config: &importer.Map{}}, o: o,
		sources: &importer.Map{}, receivers: &importer.Map{}, names: importer.Names{},
	}
	modules := modulesOf(root)
	for _, m := range modules {
		if err := i.module(m.label, m.n); err != nil {
			return nil, err
		}
	}
	if len(modules) == 0 {
		return nil, importer.Failure(root, "no module of terraform-aws-notify-slack is in it, nor slack_webhook_url: want its block, or its variables")
	}
	i.assemble()
	return i.draft, nil
}

// read reads Terraform's language where the name does not say JSON.
func read(name string, text []byte) (*importer.Node, error) {
	trimmed := strings.TrimSpace(strings.TrimPrefix(string(text), "\ufeff"))
	if filepath.Ext(name) == ".json" || strings.HasPrefix(trimmed, "{") {
		return importer.ReadJSON(name, text)
	}
	return importer.ReadHCL(name, text)
}

type module struct {
	label string
	n     *importer.Node
}

// modulesOf are the modules in a file, or the variables that it is.
func modulesOf(root *importer.Node) []module {
	var all []module
	if !root.Has("module") {
		if root.Has("slack_webhook_url") || root.Has("slack_channel") || root.Has("sns_topic_name") {
			all = append(all, module{"slack", root})
		}
		return all
	}
	for _, group := range root.At("module").List() { // JSON has a list of them too
		group.Each(func(label string, e *importer.Entry) {
			for _, n := range e.Value.List() {
				source := n.At("source").Scalar()
				if strings.Contains(source, "notify-slack") || source == "" && n.Has("slack_webhook_url") {
					all = append(all, module{label, n})
				}
			}
		})
	}
	return all
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

func (i *importing) module(label string, n *importer.Node) error {
	n.At("source")
	n.At("version")
	if v := n.At("create"); v != nil && !v.True() {
		i.draft.Remark(v, "create is false: module %q makes nothing; it is left out", label)
		n.Take()
		return nil
	}
	name := i.names.Take(label, "slack")
	if err := i.receiver(name, n); err != nil {
		return err
	}
	if err := i.source(name, n); err != nil {
		return err
	}
	i.overrides(n)
	i.draft.Leftovers(n, unlike)
	return nil
}

// receiver makes a receiver of the webhook.
func (i *importing) receiver(name string, n *importer.Node) error {
	hook := n.At("slack_webhook_url")
	key := n.At("kms_key_arn")
	encrypted := key != nil && key.Kind != importer.Null && (key.Kind != importer.String || key.Text != "")
	what := "the webhook of module " + name
	settings := &importer.Map{}
	const sample = "https://hooks.slack.com/services/T00000000/B00000000/x"
	switch {
	case hook == nil || hook.Kind == importer.Null || hook.Is(importer.String) && hook.Text == "":
		i.draft.Remark(n, "slack_webhook_url: is not in the file; set it")
		settings.Set("webhook_url", i.unknown(name, what, sample))
	case encrypted:
		i.draft.Remark(hook, "slack_webhook_url: is encrypted with the key of kms_key_arn; set the URL that 'aws kms decrypt --ciphertext-blob fileb://… --query Plaintext --output text | base64 -d' gives")
		settings.Set("webhook_url", i.unknown(name, what+", decrypted", sample))
	case hook.Is(importer.Expression):
		i.draft.Remark(hook, "slack_webhook_url: is %s, which is not in the file; set it", named(hook))
		settings.Set("webhook_url", i.unknown(name, what, sample))
	default:
		url := secret.New(strings.TrimSpace(hook.Scalar())) // a heredoc ends in a line break
		if err := notify.CheckURL(url); err != nil {
			return importer.Failure(hook, "slack_webhook_url %s", err)
		}
		settings.Set("webhook_url", i.draft.Secret(name, what, url))
	}
	place := hook
	if place == nil {
		place = n
	}
	i.receivers.Set(name, (&importer.Map{}).Set("slack", settings), "from "+place.Where()+": slack_webhook_url")
	i.told = append(i.told, name)
	return nil
}

var reference = regexp.MustCompile(`^[A-Za-z_][\w.-]*$`)

// named is an expression that names a value, and no other: parts of the webhook may
// be in it.
func named(n *importer.Node) string {
	if reference.MatchString(n.Text) {
		return n.Text
	}
	return "an expression"
}

func (i *importing) unknown(name, what, sample string) importer.Ref {
	r := i.draft.Secret(name, what, secret.String{})
	r.Sample = sample
	return r
}

// source makes a source of the topic.
func (i *importing) source(name string, n *importer.Node) error {
	topic := n.First("sns_topic_name", "sns_topic_arn")
	text := topic.Scalar()
	if text == "" {
		at := topic
		if at == nil {
			at = n
		}
		i.draft.Remark(at, "sns_topic_name: is not in the file; set the topic's ARN")
		arn := i.unknown(name+"-topic", "ARN of the topic of module "+name+" (no secret)", "arn:aws:sns:*:111122223333:topic")
		i.sources.Set(name, (&importer.Map{}).Set("sns", (&importer.Map{}).Set("topics", importer.Items{arn})), "from "+at.Where())
		return nil
	}
	if !strings.HasPrefix(text, "arn:") {
		if !accountID.MatchString(i.o.Account) {
			return importer.Failure(topic, "the topic's account is not in the file: give it with --account 111122223333")
		}
		text = "arn:aws:sns:*:" + i.o.Account + ":" + text
	}
	i.sources.Set(name, (&importer.Map{}).Set("sns", (&importer.Map{}).Set("topics", []string{text})),
		"from "+topic.Where()+": "+"subscribe the URL of this source, which is on the page of sources, instead of the Lambda function; see docs/connect-sns.md.")
	if create := n.At("create_sns_topic"); create.True() || create == nil {
		i.draft.Remark(topic, "the topic is the module's own: keep it when the module goes (create_sns_topic)")
	}
	if policy := n.At("subscription_filter_policy"); policy.Scalar() != "" || policy.Is(importer.Expression) {
		i.draft.Remark(policy.Take(), "subscription_filter_policy: set it on tocsin's subscription too, and its scope; what does not come is not recorded")
	}
	n.At("subscription_filter_policy_scope")
	return nil
}

// overrides are what a webhook of an app does not take from the message.
func (i *importing) overrides(n *importer.Node) {
	for _, key := range []string{"slack_channel", "slack_username", "slack_emoji"} {
		if v := n.At(key); v.Scalar() != "" {
			i.draft.Remark(v, "%s %s: the webhook of an app has the channel, name and icon that it was made with", key, importer.OneLine(v.Scalar()))
		}
	}
}

func (i *importing) assemble() {
	c := i.draft.Config
	c.Set("sources", i.sources)
	rules := importer.Items{
		(&importer.Map{Flow: true}).Set("use", "guardduty"),
		(&importer.Map{Flow: true}).Set("use", "cloudwatch-alarms"),
		(&importer.Map{}).Set("name", "everything else", "The module posted whatever came. Other events of AWS open an alert each; add rules before this one.").
			Set("pattern", importer.Block(`{"source": [{"exists": true}]}`)),
	}
	c.Set("rules", rules)
	if len(i.told) > 1 {
		i.routes(c)
	}
	c.Set("fallback", i.told[0])
	c.Set("receivers", i.receivers)
}

// routes keep apart what came by the topics of several modules.
func (i *importing) routes(c *importer.Map) {
	var routes importer.Items
	for _, name := range i.told {
		filter := (&importer.Map{Flow: true}).Set("paths", []string{"sns:" + name})
		routes = append(routes, (&importer.Map{}).Set("name", "topic of "+name).Set("pattern", filter).Set("receivers", []string{name}).Set("continue", true))
	}
	c.Set("routes", routes)
}

// unlike says why a variable is not taken.
func unlike(path string) string {
	key := path[strings.LastIndexByte(path, '.')+1:]
	switch {
	case slices.ContainsFunc([]string{"lambda_", "iam_", "cloudwatch_", "sns_topic_", "enable_sns_", "log_events", "recreate_", "hash_", "reserved_", "trigger_", "architectures", "runtime", "s3_", "store_"}, func(p string) bool { return strings.HasPrefix(key, p) }):
		return "it is of the Lambda function and what belongs to it, which goes"
	case key == "tags" || key == "providers" || key == "count" || key == "for_each" || key == "depends_on":
		return "it is Terraform's"
	}
	return ""
}
