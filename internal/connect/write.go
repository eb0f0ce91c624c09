package connect

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"text/template"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// A Problem says what is wrong with one of the options, or with the source.
type Problem struct {
	Field string // "regions", "tags", "role_arn", "stack_name", "ous", "format"; empty for the source
	Text  string
}

// Problems are all that is wrong.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Text
		if p.Field != "" {
			lines[i] = p.Field + ": " + p.Text
		}
	}
	return strings.Join(lines, "; ")
}

// Write writes what is to be pasted. The error is [Problems].
func Write(s Source, o Options) (Text, error) {
	p := plan{Source: s, Options: o}
	p.check()
	if len(p.problems) > 0 {
		return Text{}, p.problems
	}
	var t Text
	switch o.Format {
	case CloudFormation:
		t = p.cloudFormation()
	case Terraform:
		t = p.terraform()
	default:
		t = p.cli()
	}
	t.Notes = append(t.Notes, p.notes()...)
	return t, nil
}

// A plan is what the templates are filled in with.
type plan struct {
	Source
	Options
	problems Problems

	Account string // that the source's topics or queue want, or ""
	Topic   string // name of the topic
	Queue   string // name of the queue
	Home    string // region of the queue
	All     bool   // every region
	Many    bool   // more than one
}

var (
	stackForm   = lazyregexp.New(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)
	regionForm  = lazyregexp.New(`^[a-z]{2,4}(-[a-z]+)+-[0-9]+$`)
	roleForm    = lazyregexp.New(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}$`)
	unitForm    = lazyregexp.New(`^(ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32})$`)
	tagForm     = lazyregexp.New(`^[\p{L}\p{N} _.:/=+@-]*$`)
	notInStack  = lazyregexp.New(`[^A-Za-z0-9-]+`)
	topicForm   = lazyregexp.New(`^[A-Za-z0-9_-]{1,256}$`)
	headerForm  = lazyregexp.New(`^[!#$%&'*+.^_|~0-9A-Za-z-]{1,512}$`)
	nothingElse = lazyregexp.New(`^[\x21-\x7e]+$`)
)

func (p *plan) fail(field, format string, args ...any) {
	p.problems = append(p.problems, Problem{field, fmt.Sprintf(format, args...)})
}

func (p *plan) check() {
	if p.Format != "" && !slices.Contains(Formats(), p.Format) {
		p.fail("format", "%q is none of cli, cloudformation and terraform", p.Format)
	}
	p.checkStack()
	p.checkRegions()
	p.checkTags()
	if p.RoleARN != "" && !roleForm.MatchString(p.RoleARN) {
		p.fail("role_arn", "%q is no ARN of an IAM role, such as arn:aws:iam::111122223333:role/deploy", p.RoleARN)
	}
	if p.RoleARN != "" && p.Format != CloudFormation {
		p.fail("role_arn", "is the role that CloudFormation acts as: it needs the format cloudformation")
	}
	for _, ou := range p.OUs {
		if !unitForm.MatchString(ou) {
			p.fail("ous", "%q is no id of an organizational unit, such as ou-ab12-11111111", ou)
		}
	}
	if len(p.OUs) > 0 && p.Format == CLI {
		p.fail("ous", "accounts of organizational units are set up by a StackSet: choose cloudformation or terraform")
	}
	if len(p.OUs) > 0 && len(p.Regions) == 0 {
		p.fail("regions", "say in which regions of those accounts; all is every region")
	}
	switch p.Way {
	case SQS:
		p.checkQueue()
	case SNS:
		p.checkEndpoint()
		p.checkTopics()
	default:
		p.checkEndpoint()
	}
}

func (p *plan) checkStack() {
	if p.StackName == "" {
		p.StackName = strings.TrimRight("tocsin-"+strings.Trim(notInStack.ReplaceAllString(p.Name, "-"), "-"), "-")
	}
	switch {
	case !stackForm.MatchString(p.StackName):
		p.fail("stack_name", "%q: want a letter first, then letters, digits and hyphens, 128 at most", p.StackName)
	case len(p.StackName) > 40: // the names of a role and a rule, 64 at most, are made of it and a region
		p.fail("stack_name", "%q is longer than 40 characters, which is what names of resources are made of", p.StackName)
	}
}

func (p *plan) checkRegions() {
	for _, region := range p.Regions {
		switch {
		case region == "all" && len(p.Regions) > 1:
			p.fail("regions", "all stands alone")
		case region == "all":
			p.All = true
		case !regionForm.MatchString(region):
			p.fail("regions", "%q is no region, such as eu-west-1", region)
		}
	}
	p.Many = p.All || len(p.Regions) > 1 || len(p.OUs) > 0
}

func (p *plan) checkTags() {
	for _, key := range slices.Sorted(maps.Keys(p.Tags)) {
		value := p.Tags[key]
		switch {
		case key == "" || len(key) > 128 || !tagForm.MatchString(key) || strings.Contains(key, "="):
			p.fail("tags", "%q: a key has 1 to 128 letters, digits, blanks and _ . : / + - @", key)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			p.fail("tags", "%q: aws: is AWS's own", key)
		case len(value) > 256 || !tagForm.MatchString(value):
			p.fail("tags", "%q: a value has at most 256 letters, digits, blanks and _ . : / = + - @", value)
		}
	}
	if len(p.Tags) > 50 {
		p.fail("tags", "more than 50")
	}
}

func (p *plan) checkEndpoint() {
	u, err := url.Parse(p.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || !nothingElse.MatchString(p.URL) || strings.ContainsAny(p.URL, "$`\\\"'<>{}") {
		p.fail("", "AWS posts to HTTPS only, and the source is not reached by it: set public_url to how the world reaches this server, such as https://tocsin.example.com")
	}
	switch p.Way {
	case SNS:
	case APIDestination:
		if !headerForm.MatchString(p.Header) || !nothingElse.MatchString(p.Key) || len(p.Key) > 512 {
			p.fail("", "a connection of EventBridge cannot carry that header or token: make it up to 512 printable characters without blanks")
		}
	default:
		p.fail("", "there is nothing to paste into AWS for such a source")
	}
}

var queueForm = lazyregexp.New(`^arn:[a-z-]+:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}$`)

// checkQueue finds the queue's region and name.
func (p *plan) checkQueue() {
	arn := p.Source.Queue
	if strings.HasSuffix(arn, ".fifo") {
		p.fail("", "EventBridge gives a queue that keeps an order (FIFO) no order: read a standard queue")
		return
	}
	if !queueForm.MatchString(arn) {
		p.fail("", "the source's queue is not known: set queue_url to a queue of SQS, such as https://sqs.eu-west-1.amazonaws.com/111122223333/guardduty; it need not be there yet")
		return
	}
	part := strings.Split(arn, ":")
	p.Home, p.Account, p.Queue = part[3], part[4], part[5]
	if len(p.OUs) > 0 {
		p.fail("ous", "the queue is of account %s alone; GuardDuty's delegated administrator has the findings of all its members, so that its account is enough", p.Account)
	}
	switch {
	case len(p.Regions) == 0:
		p.Regions = []string{p.Home}
	case !p.All && !slices.Contains(p.Regions, p.Home):
		p.Regions = append([]string{p.Home}, p.Regions...)
		p.Many = true
	}
}

// checkTopics finds the name of a topic that the source allows, and where it may be.
func (p *plan) checkTopics() {
	if len(p.Topics) == 0 {
		p.fail("", "the source allows no topic yet: name the topics that may send, such as arn:aws:sns:*:111122223333:guardduty")
		return
	}
	part := strings.Split(p.Topics[0], ":")
	if len(part) != 6 {
		p.fail("", "%q is no ARN of a topic", p.Topics[0])
		return
	}
	p.Account = part[4]
	p.Topic = strings.ReplaceAll(part[5], "*", p.StackName)
	if part[5] == "*" {
		p.Topic = "guardduty"
	}
	if !topicForm.MatchString(p.Topic) || len(p.Account) != 12 || strings.Trim(p.Account, "0123456789") != "" {
		p.fail("", "%q: want an account of 12 digits and a topic that can be made", p.Topics[0])
	}
	if len(p.OUs) > 0 {
		p.fail("ous", "the source allows topics of account %s alone; GuardDuty's delegated administrator has the findings of all its members, so that its account is enough", p.Account)
	}
	if strings.Contains(part[3], "*") {
		return
	}
	for _, region := range p.Regions {
		if region != part[3] {
			p.fail("regions", "the source allows topics in %s alone: let it take others with arn:%s:sns:*:%s:%s", part[3], part[1], part[4], part[5])
			return
		}
	}
	if len(p.Regions) == 0 {
		p.Regions = []string{part[3]}
	}
}

//go:embed templates
var templates embed.FS

// fill fills in one of the templates.
func (p *plan) fill(name string) string {
	t := template.Must(template.New(name).Funcs(template.FuncMap{
		"quote": quote, "json": toJSON, "list": listOf, "join": strings.Join, "tagList": tagList, "tagWords": tagWords,
	}).ParseFS(templates, "templates/*.tmpl"))
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, p); err != nil {
		panic(err) // a template names what is there
	}
	return b.String()
}

// quote is a word for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func toJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSpace(b.String()), err
}

// listOf is a list of words as HCL is formatted.
func listOf(words []string) string { return `["` + strings.Join(words, `", "`) + `"]` }

type tag struct {
	Key   string
	Value string
}

// tagList is how most of AWS takes tags.
func tagList(tags map[string]string) []tag {
	all := []tag{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		all = append(all, tag{key, tags[key]})
	}
	return all
}

// tagWords are "key=value" for a shell.
func tagWords(tags map[string]string) string {
	var all []string
	for _, t := range tagList(tags) {
		all = append(all, quote(t.Key+"="+t.Value))
	}
	return strings.Join(all, " ")
}

func (p *plan) cli() Text { return Text{Commands: p.fill(string(p.Way) + ".sh.tmpl")} }

func (p *plan) cloudFormation() Text {
	t := Text{Files: []File{{p.TemplateFile(), p.fill(string(p.Way) + ".yaml.tmpl")}}}
	if !p.Many {
		t.Commands = p.fill("stack.sh.tmpl")
		return t
	}
	if p.OwnRoles() {
		t.Files = append(t.Files, File{p.RolesFile(), p.fill("roles.yaml.tmpl")})
	}
	t.Commands = p.fill("stackset.sh.tmpl")
	return t
}

func (p *plan) terraform() Text {
	if !p.Many {
		return Text{Files: []File{{"main.tf", p.fill(string(p.Way) + ".tf.tmpl")}}, Commands: p.fill("terraform.sh.tmpl")}
	}
	t := Text{Files: []File{
		{"main.tf", p.fill("stackset.tf.tmpl")}, {p.TemplateFile(), p.fill(string(p.Way) + ".yaml.tmpl")},
	}, Commands: p.fill("terraform.sh.tmpl")}
	if p.OwnRoles() {
		t.Files = append(t.Files, File{p.RolesFile(), p.fill("roles.yaml.tmpl")})
	}
	return t
}

// TemplateFile is what the CloudFormation template is called.
func (p *plan) TemplateFile() string { return p.StackName + ".yaml" }

// RolesFile is what the template of a StackSet's roles is called.
func (p *plan) RolesFile() string { return p.StackName + "-roles.yaml" }

// OwnRoles reports whether a StackSet needs roles that are made for it: into
// accounts of an organisation CloudFormation brings its own.
func (p *plan) OwnRoles() bool { return p.Many && len(p.OUs) == 0 && p.RoleARN == "" }

// API reports whether it goes by an API destination.
func (p *plan) API() bool { return p.Way == APIDestination }

// ByQueue reports whether tocsin reads a queue, so that nothing opens the source.
func (p *plan) ByQueue() bool { return p.Way == SQS }

// Secret is what the template takes as a parameter, and is in the commands alone; of a
// queue it is no secret.
func (p *plan) Secret() string {
	switch {
	case p.API():
		return p.Key
	case p.ByQueue():
		return p.Home
	}
	return p.URL
}

// Parameter is what the template calls it.
func (p *plan) Parameter() string {
	switch {
	case p.API():
		return "Key"
	case p.ByQueue():
		return "Home"
	}
	return "Endpoint"
}

// Parameters are the template's, as a StackSet takes them.
func (p *plan) Parameters() any {
	return []struct{ ParameterKey, ParameterValue string }{{p.Parameter(), p.Secret()}}
}

// RolePrefix is what the name of a role begins with: 38 characters at most.
func (p *plan) RolePrefix() string { return p.StackName[:min(len(p.StackName), 37)] + "-" }

// Capability is what CloudFormation wants to be told, or "".
func (p *plan) Capability() string {
	if p.API() || p.ByQueue() && p.Many {
		return "CAPABILITY_IAM"
	}
	return ""
}

// notes are what is good to know before.
func (p *plan) notes() []string {
	var all []string
	cfn := p.Format == CloudFormation || p.Format == Terraform && p.Many
	if cfn && p.API() {
		all = append(all, "CAPABILITY_IAM is asked for: the stack makes one role, by which EventBridge may call this API destination and nothing else.")
	}
	if cfn && p.ByQueue() && p.Many {
		all = append(all, "CAPABILITY_IAM is asked for: in each region but that of the queue the stack makes one role, by which EventBridge may forward to the queue's region and nothing else.")
	}
	if cfn && p.OwnRoles() {
		all = append(all, "CAPABILITY_NAMED_IAM is asked for "+p.RolesFile()+": a StackSet within one account acts by two roles, which may only touch what this stack makes.")
	}
	if p.Format == CloudFormation && p.Many && p.RoleARN != "" {
		all = append(all, "The StackSet acts as "+p.RoleARN+", which has to be allowed to assume AWSCloudFormationStackSetExecutionRole in the account.")
	}
	if len(p.OUs) > 0 {
		all = append(all, "A StackSet never puts anything into the management account; findings come to the delegated administrator.")
	}
	switch {
	case p.Way == SNS:
		all = append(
			all,
			"Run it in account "+p.Account+", whose topics the source allows. tocsin confirms the subscription by itself; the Sources page says when.",
			"The topic lets in EventBridge alone, without a condition: EventBridge meets none. See it work: aws guardduty create-sample-findings makes findings that come as samples.",
		)
	case p.ByQueue():
		all = append(all,
			"Run it in account "+p.Account+". tocsin needs no address that AWS reaches: it asks the queue, with the permissions that the source's page shows.",
			"The queue keeps what tocsin has not read for 14 days. See it work: aws guardduty create-sample-findings makes findings that come as samples.",
		)
	default:
		all = append(all, "See it work: aws guardduty create-sample-findings makes findings that come as samples.")
	}
	all = append(all, "What cannot be delivered within a day, or is refused, is kept for 14 days in the queue "+p.StackName+"-undelivered of the region.")
	if p.All {
		all = append(all, "All regions are those that are enabled in the account now; run it again once you enable another.")
	}
	if p.ByQueue() {
		return all // nothing of it is secret
	}
	return append(all, "The commands hold what opens the source: do not keep them where others read. The files hold nothing secret.")
}
