// Package ssm runs a command on EC2 instances and other managed nodes, by AWS
// Systems Manager.
//
// SendCommand knows no idempotency: a request that is made twice runs twice.
// Nothing is therefore tried again of which nobody knows how it ended: a request
// that was sent and never answered, or answered by a server or gateway that broke,
// or one that tocsin was killed in. Such an action fails for good, and says that the
// command may have run.
package ssm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
)

// Limits of SendCommand (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_SendCommand.html).
const (
	instancesMost = 50
	targetsMost   = 5
	valuesMost    = 50
	commentMost   = 100
	contentMost   = 64 << 10 // bytes of what a parameter is made of: a document holds 64 KB
)

// Kind is the notifier for Systems Manager. It acts.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("aws-ssm", "Runs a command on EC2 instances by AWS Systems Manager.", open)
	k.Title = "AWS Systems Manager"
	k.Abilities = notify.Abilities{Limit: "65,536 bytes"}
	k.Checks = []notify.Check{
		{How: notify.ByCounterpart, By: "moto 5.2.1", Test: "TestMoto"},
		{How: notify.BySchema, By: "AWS's model of the service, in botocore 1.43.11", Test: "TestPromises"},
	}
	k.Acts = true
	k.Patience = send.ActPatience
	return k
}

// Config are the settings of a command.
type Config struct {
	Document         string              `json:"document" required:"true" doc:"SSM document, by name or ARN." example:"AWS-RunShellScript"`
	DocumentVersion  string              `json:"document_version,omitempty" doc:"Version of the document: a number, $DEFAULT or $LATEST."`
	InstanceIDs      []string            `json:"instance_ids,omitempty" doc:"Managed nodes that it runs on, 50 at most."`
	Targets          []Target            `json:"targets,omitempty" doc:"Managed nodes that it runs on, by tag or resource group."`
	FindingInstance  bool                `json:"finding_instance,omitempty" default:"false" doc:"Run it on the EC2 instance that the finding is about."`
	Parameters       map[string][]string `json:"parameters,omitempty" doc:"Parameters of the document. With input they are what it makes: an object of lists of strings."`
	MessageParameter string              `json:"message_parameter,omitempty" doc:"Parameter that holds tocsin's JSON document, or with raw the event, in base64: what the finding says can then do nothing in a script."`
	StartWithin      time.Duration       `json:"start_within,omitempty" default:"10m" doc:"A node that cannot be reached for so long is given up; 30s at least."`
	MaxConcurrency   string              `json:"max_concurrency,omitempty" doc:"On how many nodes at a time: 10 or 10%."`
	MaxErrors        string              `json:"max_errors,omitempty" doc:"After how many errors no further node is asked: 1 or 10%."`
	send.Content
	aws.Settings
}

// A Target finds managed nodes.
type Target struct {
	Key    string   `json:"key" required:"true" doc:"tag:NAME, tag-key, InstanceIds, resource-groups:Name or resource-groups:ResourceTypeFilters."`
	Values []string `json:"values" required:"true" doc:"What it may be."`
}

type notifier struct {
	*send.Body
	session     *aws.Session
	sendCommand aws.Operation[api.SendCommandInput, api.SendCommandOutput, api.Options]
	call        aws.Call
	c           Config
	env         notify.Env
}

var (
	documentForm  = lazyregexp.New(`^[a-zA-Z0-9_.-]{3,128}$`)
	versionForm   = lazyregexp.New(`^(\$LATEST|\$DEFAULT|[1-9][0-9]*)$`)
	instanceForm  = lazyregexp.New(`^(i-([0-9a-f]{8}|[0-9a-f]{17})|mi-[0-9a-f]{17})$`)
	keyForm       = lazyregexp.New(`^[A-Za-z0-9_:/=+@.-]{1,163}$`)
	shareForm     = lazyregexp.New(`^([0-9]{1,7}|[0-9]{1,2}%|100%)$`)
	parameterForm = lazyregexp.New(`^[A-Za-z0-9_.-]{1,128}$`)
)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	document, err := aws.Named("document", c.Document, "ssm", "document/", documentForm)
	if err != nil {
		return nil, err
	}
	if c.StartWithin == 0 {
		c.StartWithin = 10 * time.Minute
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &notifier{c: c, env: env}
	if n.Body, err = c.Acting("aws-ssm", contentMost); err != nil {
		return nil, err
	}
	if n.session, err = c.Open("aws-ssm", document.Where(), env.Name, env.HTTP); err != nil {
		return nil, err
	}
	n.sendCommand = api.NewFromConfig(n.session.Config).SendCommand
	n.call = aws.Call{Action: "ssm:SendCommand", Resource: document.In(n.session).String() + " and the nodes"}
	return n, nil
}

func (c Config) check() error {
	if err := c.checkNodes(); err != nil {
		return err
	}
	switch {
	case c.DocumentVersion != "" && !versionForm.MatchString(c.DocumentVersion):
		return fmt.Errorf("document_version: %q is neither a number nor $DEFAULT or $LATEST", c.DocumentVersion)
	case c.StartWithin < 30*time.Second || c.StartWithin > 30*24*time.Hour:
		return errors.New("start_within: want 30s to 30d")
	case c.MaxConcurrency != "" && !shareForm.MatchString(c.MaxConcurrency) || c.MaxErrors != "" && !shareForm.MatchString(c.MaxErrors):
		return errors.New("max_concurrency and max_errors: want a number or a percentage, such as 10%")
	case c.Input != nil && (len(c.Parameters) > 0 || c.MessageParameter != ""):
		return errors.New("input makes all parameters: leave parameters and message_parameter out")
	case c.Raw && c.MessageParameter == "":
		return errors.New("message_parameter: is not set: the one that is to hold the event")
	case c.MessageParameter != "" && !parameterForm.MatchString(c.MessageParameter):
		return fmt.Errorf("message_parameter: %q is not the name of a parameter", c.MessageParameter)
	case c.MessageParameter != "" && c.Parameters[c.MessageParameter] != nil:
		return errors.New("message_parameter: is among parameters already")
	}
	return nil
}

func (c Config) checkNodes() error {
	ways := 0
	for _, way := range []bool{len(c.InstanceIDs) > 0, len(c.Targets) > 0, c.FindingInstance} {
		if way {
			ways++
		}
	}
	switch {
	case ways != 1:
		return errors.New("set exactly one of instance_ids, targets and finding_instance")
	case len(c.InstanceIDs) > instancesMost:
		return fmt.Errorf("instance_ids: at most %d; take targets for more", instancesMost)
	case len(c.Targets) > targetsMost:
		return fmt.Errorf("targets: at most %d", targetsMost)
	}
	for _, id := range c.InstanceIDs {
		if !instanceForm.MatchString(id) {
			return fmt.Errorf("instance_ids: %q is not the id of an instance or a managed node", id)
		}
	}
	for _, t := range c.Targets {
		if !keyForm.MatchString(t.Key) || len(t.Values) == 0 || len(t.Values) > valuesMost {
			return fmt.Errorf("targets: %q: want a key such as tag:Name, and 1 to %d values", t.Key, valuesMost)
		}
	}
	return nil
}

// Notify has the command run and returns its id.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	in, err := n.request(m)
	if err != nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("aws-ssm: %w", ctx.Err())
	}
	id, err := n.earlier(ctx, m)
	if id != "" || err != nil {
		return id, err
	}
	watching, left := aws.Witness(ctx)
	out, err := n.sendCommand(watching, in)
	if err != nil {
		refused := n.session.Refused(ctx, n.call, err)
		if left() && !aws.Undone(err) {
			return "", notify.Permanent(fmt.Errorf("%w: %s", refused, inDoubt))
		}
		return "", n.remember(ctx, m, notBegun, refused)
	}
	id = sdk.ToString(out.Command.CommandId)
	// It runs: what cannot be written down any more changes nothing about that.
	_ = n.remember(ctx, m, id, nil)
	return id, nil
}

const inDoubt = "the command may have run: look at Run Command's history before you run it again"

// What is remembered of an attempt besides the id of its command.
const (
	begun    = "begun"
	notBegun = "not begun" // the service refused it
)

// earlier is the command that an earlier attempt had run, or "" where there was
// none, and then it is written down that one begins. Nobody knows how an attempt
// ended that was begun and nothing else: tocsin was killed in it.
func (n *notifier) earlier(ctx context.Context, m notify.Message) (id string, err error) {
	if n.env.State == nil {
		return "", nil
	}
	before, err := n.env.State.Load(ctx, stateKey(m))
	if err != nil {
		return "", fmt.Errorf("aws-ssm: what became of earlier attempts: %w", err)
	}
	switch said := string(before); said {
	case "", notBegun:
	case begun:
		return "", notify.Permanent(errors.New("aws-ssm: an earlier attempt was cut off: " + inDoubt))
	default:
		return said, nil
	}
	if err := n.env.State.Save(ctx, stateKey(m), []byte(begun)); err != nil {
		return "", fmt.Errorf("aws-ssm: nothing is run that cannot be written down: %w", err)
	}
	return "", nil
}

// remember writes down how an attempt ended. If that cannot be, what was to be
// tried again must not: the next attempt would find it begun.
func (n *notifier) remember(ctx context.Context, m notify.Message, ended string, result error) error {
	if n.env.State == nil {
		return result
	}
	// The attempt's time may be up, and this is still to be written.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := n.env.State.Save(ctx, stateKey(m), []byte(ended)); err != nil && result != nil {
		return fmt.Errorf("%w; and that could not be written down: %w", result, err)
	}
	return result
}

func stateKey(m notify.Message) string { return "command/" + send.Key(m.ID, 128) }

func (n *notifier) request(m notify.Message) (*api.SendCommandInput, error) {
	parameters, err := n.parameters(m)
	if err != nil {
		return nil, err
	}
	in := &api.SendCommandInput{
		DocumentName: &n.c.Document, Parameters: parameters, InstanceIds: n.c.InstanceIDs,
		Comment: sdk.String(comment(m)), TimeoutSeconds: sdk.Int32(int32(n.c.StartWithin / time.Second)),
		DocumentVersion: optional(n.c.DocumentVersion), MaxConcurrency: optional(n.c.MaxConcurrency), MaxErrors: optional(n.c.MaxErrors),
	}
	for _, t := range n.c.Targets {
		in.Targets = append(in.Targets, types.Target{Key: &t.Key, Values: t.Values})
	}
	if n.c.FindingInstance {
		id := m.Alert.Resource.ID
		if !instanceForm.MatchString(id) {
			return nil, notify.Permanent(fmt.Errorf("aws-ssm: the finding is about no EC2 instance, but %q", notify.Truncate(notify.Clean(id), 60, notify.Runes)))
		}
		in.InstanceIds = []string{id}
	}
	return in, nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// comment names the message, by which the command is found in Run Command's
// history.
func comment(m notify.Message) string {
	text := "tocsin " + send.Key(m.ID, 64)
	if m.Alert.ID != 0 {
		text += fmt.Sprintf(" alert %d", m.Alert.ID)
	}
	return text[:min(len(text), commentMost)]
}

// parameters are those of the settings, with the message among them in base64, or
// what input makes.
func (n *notifier) parameters(m notify.Message) (map[string][]string, error) {
	if n.c.MessageParameter == "" && n.Own() {
		return n.c.Parameters, n.Takes(m)
	}
	text, err := n.Of(m)
	if err != nil {
		return nil, err
	}
	if n.c.Input == nil {
		parameters := maps.Clone(n.c.Parameters)
		if parameters == nil {
			parameters = map[string][]string{}
		}
		parameters[n.c.MessageParameter] = []string{base64.StdEncoding.EncodeToString(text)}
		return parameters, nil
	}
	var made map[string][]string
	if err := json.Unmarshal(text, &made); err != nil {
		return nil, notify.Permanent(fmt.Errorf(`aws-ssm: input has to make the document's parameters, {"commands": ["…"]}: %w`, err))
	}
	for name, values := range made {
		// {{ssm:name}} and {{name}} stand for values of Parameter Store and of the
		// document: no finding may ask for them.
		if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, "{{") }) {
			return nil, notify.Permanent(fmt.Errorf("aws-ssm: input made a parameter %q with {{ in it, which Systems Manager would replace by a value of its own", notify.Truncate(notify.Clean(name), 60, notify.Runes)))
		}
	}
	return made, nil
}
