package eventbridge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/transform"
)

// A service is where a target may lead, known by its ARN.
type service struct {
	kind string
	// key is the setting that has the ARN.
	key  string
	acts bool
	more func(i *importing, n *importer.Node, settings *importer.Map) error
}

// services are those of targets, by the service of the ARN and what its resource
// begins with.
var services = []struct {
	name, resource string
	service
}{
	{"sns", "", service{kind: "aws-sns", key: "topic", more: fifo}},
	{"sqs", "", service{kind: "aws-sqs", key: "queue", more: fifo}},
	{"lambda", "function:", service{kind: "aws-lambda", key: "function", acts: true}},
	{"states", "stateMachine:", service{kind: "aws-step-functions", key: "state_machine", acts: true}},
	{"kinesis", "stream/", service{kind: "aws-kinesis", key: "stream", more: kinesis}},
	{"firehose", "deliverystream/", service{kind: "aws-firehose", key: "delivery_stream"}},
	{"events", "event-bus/", service{kind: "aws-eventbridge", key: "event_bus", more: bus}},
	{"logs", "log-group:", service{kind: "aws-logs", key: "log_group"}},
	{"ecs", "cluster/", service{kind: "aws-ecs", key: "cluster", acts: true, more: ecs}},
	{"ssm", "document/", service{kind: "aws-ssm", key: "document", acts: true, more: ssm}},
}

// cfnTypes are the resources of a template that targets may be.
var cfnTypes = map[string]struct{ arn, property string }{
	"AWS::SNS::Topic":                      {"arn:aws:sns:us-east-1:111122223333:topic", "TopicName"},
	"AWS::SQS::Queue":                      {"arn:aws:sqs:us-east-1:111122223333:queue", "QueueName"},
	"AWS::Lambda::Function":                {"arn:aws:lambda:us-east-1:111122223333:function:name", "FunctionName"},
	"AWS::Serverless::Function":            {"arn:aws:lambda:us-east-1:111122223333:function:name", "FunctionName"},
	"AWS::StepFunctions::StateMachine":     {"arn:aws:states:us-east-1:111122223333:stateMachine:name", "StateMachineName"},
	"AWS::Kinesis::Stream":                 {"arn:aws:kinesis:us-east-1:111122223333:stream/name", "Name"},
	"AWS::KinesisFirehose::DeliveryStream": {"arn:aws:firehose:us-east-1:111122223333:deliverystream/name", "DeliveryStreamName"},
	"AWS::Events::EventBus":                {"arn:aws:events:us-east-1:111122223333:event-bus/name", "Name"},
	"AWS::Logs::LogGroup":                  {"arn:aws:logs:us-east-1:111122223333:log-group:name", "LogGroupName"},
	"AWS::ECS::Cluster":                    {"arn:aws:ecs:us-east-1:111122223333:cluster/name", "ClusterName"},
}

// target makes a receiver of a target. Without a name nothing could be made of it,
// which is among the remarks.
func (i *importing) target(r *rule, n *importer.Node) (name string, acts bool, err error) {
	if !n.Is(importer.Mapping) {
		return "", false, failure(n, "a target of rule %q is %s, want a mapping", r.name, n.Kind)
	}
	id := n.At("Id").Scalar()
	arn, value, label := i.arn(r, n)
	s, ok := serviceOf(arn)
	if !ok {
		what := arn
		if what == "" {
			what = "what its Arn leads to is not in the template"
		}
		i.draft.Remark(n.Take(), "target %q of rule %q: not taken: %s", id, r.name, reason(what))
		return "", false, nil
	}
	mail := s.kind == "aws-sns" && i.o.Email != ""
	kind := s.kind
	if mail {
		kind = "email"
	}
	if i.o.Kinds != nil && !slices.Contains(i.o.Kinds, kind) {
		i.draft.Remark(n.Take(), "target %q of rule %q: not taken: there is no receiver of kind %s", id, r.name, kind)
		return "", false, nil
	}
	name = i.names.Take(label, kind)
	settings := &importer.Map{}
	if mail {
		settings.Set("to", []string{i.o.Email}).Set("from", i.o.From).Set("smtp", i.o.SMTP)
		i.draft.Remark(n, "target %q of rule %q: mail goes to %s by your own server instead of the topic's subscriptions; whoever else is subscribed is not in the file", id, r.name, i.o.Email)
	} else {
		if value == nil {
			value = i.variable(name+"-arn", "ARN that target "+id+" leads to (no secret)", arn)
		}
		settings.Set(s.key, value)
		if s.more != nil {
			if err := s.more(i, n, settings); err != nil {
				return "", false, err
			}
		}
	}
	if err := i.input(r, n, settings, mail || kind == "aws-sns", mail); err != nil {
		return "", false, err
	}
	i.receivers.Set(name, (&importer.Map{}).Set(kind, settings), fmt.Sprintf("from %s: target %q", n.Where(), id))
	return name, s.acts && !mail, nil
}

// reason says why there is nothing of a service.
func reason(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	const whole = 6
	if len(parts) < whole {
		return importer.OneLine(arn)
	}
	if parts[2] == "events" && strings.HasPrefix(parts[5], "api-destination/") {
		return "the URL of an API destination is not in the file; make a receiver of kind webhook"
	}
	return "tocsin has no receiver for " + importer.OneLine(arn)
}

func serviceOf(arn string) (service, bool) {
	parts := strings.SplitN(arn, ":", 6)
	const whole = 6
	if len(parts) < whole || parts[0] != "arn" {
		return service{}, false
	}
	for _, s := range services {
		if s.name == parts[2] && strings.HasPrefix(parts[5], s.resource) {
			return s.service, true
		}
	}
	return service{}, false
}

// arn is where the target leads. In a template it may be a resource of it, whose
// ARN is known once it is deployed: then value is nil, and arn one of its form.
func (i *importing) arn(r *rule, n *importer.Node) (arn string, value any, label string) {
	at := n.At("Arn")
	if text := strings.TrimSuffix(at.Scalar(), ":*"); text != "" && at.Tag == "" {
		return text, text, lastPart(text)
	}
	id := logical(at.Take())
	resource := r.resources.At(id)
	known, ok := cfnTypes[resource.At("Type").Scalar()]
	if !ok {
		return "", nil, id
	}
	name := resource.At("Properties").At(known.property)
	if name.Scalar() != "" && name.Tag == "" {
		id = name.Scalar()
	}
	return known.arn, nil, id
}

// logical is the resource that a Ref, Fn::GetAtt or Fn::Sub names.
func logical(n *importer.Node) string {
	text := n.Scalar()
	switch {
	case n.Is(importer.Mapping):
		for _, function := range []string{"Ref", "Fn::GetAtt", "Fn::Sub"} {
			if inner := n.At(function); inner != nil {
				return logical(inner)
			}
		}
	case n.Is(importer.List) && len(n.Items) > 0:
		return n.Items[0].Scalar()
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "${"), "}")
	id, _, _ := strings.Cut(text, ".")
	return id
}

// lastPart is the name at the end of an ARN.
func lastPart(arn string) string {
	if _, name, ok := strings.Cut(arn, ":function:"); ok {
		name, _, _ = strings.Cut(name, ":")
		return name
	}
	if _, name, ok := strings.Cut(arn, ":log-group:"); ok {
		return strings.Trim(name, "/")
	}
	return arn[strings.LastIndexAny(arn, ":/")+1:]
}

// input sets what is sent: the event as it is, what an input transformer makes of
// it, a part of it, or a constant. text says that people read it, so that it should
// say which account it is about.
func (i *importing) input(r *rule, n *importer.Node, settings *importer.Map, text, mail bool) error {
	raw := n.At("InputTransformer")
	constant, path := n.At("Input"), n.At("InputPath")
	var t transform.InputTransformer
	switch {
	case raw != nil && raw.Kind != importer.Null:
		t.InputTemplate = raw.At("InputTemplate").Scalar()
		paths := map[string]string{}
		var err error
		raw.At("InputPathsMap").Each(func(name string, e *importer.Entry) {
			paths[name] = e.Value.Scalar()
			if e.Value.Tag != "" {
				err = failure(e.Value, "%s is not known before the template is deployed", e.Value.Tag)
			}
		})
		if err != nil {
			return err
		}
		if len(paths) > 0 {
			t.InputPathsMap = paths
		}
		if raw.At("InputTemplate").Tag != "" {
			return failure(raw.At("InputTemplate"), "%s is not known before the template is deployed", raw.At("InputTemplate").Tag)
		}
		if text && !i.o.Exact {
			i.nameAccount(raw, &t)
		}
	case constant.Scalar() != "":
		if constant.Tag != "" {
			return failure(constant, "%s is not known before the template is deployed", constant.Tag)
		}
		t.InputTemplate = constant.Scalar()
		if !sameConstant(t.InputTemplate) {
			return failure(constant, "Input of a target of rule %q: a constant with < in it has no template", r.name)
		}
	case path.Scalar() != "" && path.Scalar() != "$":
		t.InputPathsMap, t.InputTemplate = map[string]string{"part": path.Scalar()}, "<part>"
	case mail:
		i.draft.Remark(n, "target of rule %q without an input transformer: mail has tocsin's own words, not the event as JSON", r.name)
		return nil
	default:
		settings.Set("raw", true, "Matched event: the event as it came.")
		return nil
	}
	if _, err := (transform.Target{InputTransformer: &t}).Compile(transform.Strict); err != nil {
		return failure(n, "target of rule %q: %s", r.name, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	in := &importer.Map{}
	if len(t.InputPathsMap) > 0 {
		paths := &importer.Map{}
		for _, name := range inOrder(raw.At("InputPathsMap"), t.InputPathsMap) {
			paths.Set(name, t.InputPathsMap[name])
		}
		in.Set("paths", paths)
	}
	in.Set("template", importer.Block(importer.Literal(t.InputTemplate)))
	settings.Set("input", in)
	return nil
}

// inOrder are the names as the file has them, and those that are new behind them.
func inOrder(n *importer.Node, paths map[string]string) []string {
	var names []string
	n.Each(func(name string, _ *importer.Entry) { names = append(names, name) })
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// sameConstant reports whether the constant as a template gives what the constant
// gives.
func sameConstant(text string) bool {
	constant, err := (transform.Target{Input: text}).Compile(transform.AWS)
	if err != nil {
		return false
	}
	template, err := (transform.Target{InputTransformer: &transform.InputTransformer{InputTemplate: text}}).Compile(transform.AWS)
	if err != nil {
		return false
	}
	a, err := constant.Apply([]byte("{}"), transform.Rule{})
	if err != nil {
		return false
	}
	b, err := template.Apply([]byte("{}"), transform.Rule{})
	return err == nil && sameJSON(a.Text, b.Text)
}

func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && x.String() == y.String()
}

// forgotten is how the mail of the GuardDuty guide begins, which does not say of
// which account the finding is; AWS's own later text, behind it, does.
const (
	forgotten  = `"You have a severity <`
	remembered = `"AWS <Account_ID> has a severity <`
)

// nameAccount has a text say which account it is about, unless it does.
func (i *importing) nameAccount(n *importer.Node, t *transform.InputTransformer) {
	for _, path := range t.InputPathsMap {
		if path == "$.account" || path == "$.detail.accountId" || path == "$" || path == "$.detail" {
			return
		}
	}
	if strings.Contains(t.InputTemplate, "<aws.events.event") || !isText(t.InputTemplate) {
		return
	}
	paths := maps.Clone(t.InputPathsMap)
	if paths == nil {
		paths = map[string]string{}
	}
	if _, taken := paths["Account_ID"]; taken {
		return // it is something else there
	}
	paths["Account_ID"] = "$.detail.accountId"
	t.InputPathsMap = paths
	if rest, ok := strings.CutPrefix(t.InputTemplate, forgotten); ok {
		t.InputTemplate = remembered + rest
	} else {
		t.InputTemplate = strings.TrimRight(t.InputTemplate, "\n") + "\n" + `"Account: <Account_ID>"`
	}
	i.draft.Remark(n, "the text does not say which account it is about: the account id was added; --exact leaves it out")
}

// isText reports whether a template is lines in quotes, which people read.
func isText(template string) bool {
	for line := range strings.Lines(strings.TrimSpace(template)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, `"`) || !strings.HasSuffix(line, `"`) {
			return false
		}
	}
	return true
}

// fifo keeps the group of a FIFO queue or topic.
func fifo(_ *importing, n *importer.Node, settings *importer.Map) error {
	if group := n.At("SqsParameters").At("MessageGroupId").Scalar(); group != "" {
		settings.Set("message_group_id", group)
	}
	return nil
}

func kinesis(i *importing, n *importer.Node, _ *importer.Map) error {
	if path := n.At("KinesisParameters").At("PartitionKeyPath"); path.Scalar() != "" {
		i.draft.Remark(path, "PartitionKeyPath %s: what stays in order here are the messages of each alert, or of each account (partition_key)", path.Scalar())
	}
	return nil
}

func bus(i *importing, n *importer.Node, _ *importer.Map) error {
	i.draft.Remark(n, "target %q: what is put on the bus is an event of tocsin's with the first one within; rules there have to ask for source tocsin", n.At("Id").Scalar())
	return nil
}

func ecs(i *importing, n *importer.Node, settings *importer.Map) error {
	p := n.At("EcsParameters")
	task := p.At("TaskDefinitionArn")
	if task.Scalar() == "" || task.Tag != "" {
		settings.Set("task_definition", i.variable("task-definition", "task definition of target "+n.At("Id").Scalar()+" (no secret)", "family"))
		task.Take()
	} else {
		settings.Set("task_definition", task.Scalar())
	}
	settings.SetText("launch_type", p.At("LaunchType").Scalar())
	settings.SetText("platform_version", p.At("PlatformVersion").Scalar())
	network := p.At("NetworkConfiguration").First("awsvpcConfiguration", "AwsVpcConfiguration")
	for _, s := range []struct{ from, to string }{{"Subnets", "subnets"}, {"SecurityGroups", "security_groups"}} {
		var ids []string
		for _, id := range network.At(s.from).List() {
			if id.Tag != "" || id.Scalar() == "" {
				i.draft.Remark(id.Take(), "%s: is known once the template is deployed; set %s", s.from, s.to)
				continue
			}
			ids = append(ids, id.Scalar())
		}
		if len(ids) > 0 {
			settings.Set(s.to, ids)
		}
	}
	if strings.EqualFold(network.At("AssignPublicIp").Scalar(), "ENABLED") {
		settings.Set("assign_public_ip", true)
	}
	if count := p.At("TaskCount"); count.Scalar() != "" && count.Scalar() != "1" {
		i.draft.Remark(count, "TaskCount %s: one task is run", count.Scalar())
	}
	return nil
}

func ssm(_ *importing, n *importer.Node, settings *importer.Map) error {
	var targets importer.Items
	var ids []string
	for _, t := range n.At("RunCommandParameters").At("RunCommandTargets").List() {
		key := t.At("Key").Scalar()
		var values []string
		for _, v := range t.At("Values").List() {
			values = append(values, v.Scalar())
		}
		if key == "InstanceIds" {
			ids = append(ids, values...)
			continue
		}
		targets = append(targets, (&importer.Map{Flow: true}).Set("key", key).Set("values", values))
	}
	if len(ids) > 0 {
		settings.Set("instance_ids", ids)
	}
	if len(targets) > 0 {
		settings.Set("targets", targets)
	}
	return nil
}
