// Package ecs runs an Amazon ECS task.
//
// The message's id is the client token, so that one task runs however often the
// message is sent within 24 hours. The task is told what it is about by environment
// variables: ECS has room for 8,192 characters of overrides.
package ecs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
)

// Limits of RunTask (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html).
const (
	overridesMost = 8192 // characters of all overrides, as JSON
	tokenMost     = 64
	startedMost   = 128
	subnetsMost   = 16
	groupsMost    = 5
	eventMost     = 1 << 20 // bytes of an event that input may make something of
)

// Kind is the notifier for ECS. It acts.
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("aws-ecs", "Runs an Amazon ECS task.", open)
	k.Title = "Amazon ECS"
	k.Abilities = notify.Abilities{Limit: "8,192 characters of overrides"}
	k.Checks = []notify.Check{
		{How: notify.ByCounterpart, By: "moto 5.2.1", Test: "TestMoto"},
		{How: notify.BySchema, By: "AWS's model of the service, in botocore 1.43.11", Test: "TestPromises"},
	}
	k.Acts = true
	k.Patience = send.ActPatience
	return k
}

// Config are the settings of a task.
type Config struct {
	Cluster         string   `json:"cluster" required:"true" doc:"ARN or name of the cluster." example:"arn:aws:ecs:eu-west-1:111122223333:cluster/response"`
	TaskDefinition  string   `json:"task_definition" required:"true" doc:"Task definition, by ARN, family, or family:revision." example:"isolate"`
	Container       string   `json:"container,omitempty" doc:"Container that is given the environment variables; input says it itself."`
	LaunchType      string   `json:"launch_type,omitempty" oneof:"FARGATE EC2 EXTERNAL" doc:"Where it runs; left out, the cluster's default."`
	PlatformVersion string   `json:"platform_version,omitempty" doc:"Version of Fargate."`
	Subnets         []string `json:"subnets,omitempty" doc:"Subnets of the task; Fargate needs some."`
	SecurityGroups  []string `json:"security_groups,omitempty" doc:"Security groups of the task."`
	AssignPublicIP  bool     `json:"assign_public_ip,omitempty" default:"false" doc:"Give the task a public address."`
	send.Content
	aws.Settings
}

type notifier struct {
	*send.Body
	session *aws.Session
	runTask aws.Operation[api.RunTaskInput, api.RunTaskOutput, api.Options]
	call    aws.Call
	c       Config
	name    string // of the variable that holds the content
}

var (
	clusterForm   = lazyregexp.New(`^[a-zA-Z0-9_-]{1,255}$`)
	familyForm    = lazyregexp.New(`^[a-zA-Z0-9_-]{1,255}(:[0-9]{1,9})?$`)
	subnetForm    = lazyregexp.New(`^subnet-[0-9a-f]{8,17}$`)
	groupForm     = lazyregexp.New(`^sg-[0-9a-f]{8,17}$`)
	launchTypes   = []string{"", "FARGATE", "EC2", "EXTERNAL"}
	capacityWords = []string{"RESOURCE:", "AGENT", "CAPACITY"}
)

func open(c Config, env notify.Env) (notify.Notifier, error) {
	cluster, err := aws.Named("cluster", c.Cluster, "ecs", "cluster/", clusterForm)
	if err != nil {
		return nil, err
	}
	task, err := aws.Named("task_definition", c.TaskDefinition, "ecs", "task-definition/", familyForm)
	if err != nil {
		return nil, err
	}
	where := cluster.Where()
	if where == "" {
		where = task.Where()
	}
	if err := c.check(where, task); err != nil {
		return nil, err
	}
	n := &notifier{c: c, name: "TOCSIN_MESSAGE"}
	if c.Raw {
		n.name = "TOCSIN_EVENT"
	}
	if n.Body, err = c.Acting("aws-ecs", eventMost); err != nil {
		return nil, err
	}
	if n.session, err = c.Open("aws-ecs", where, env.Name, env.HTTP); err != nil {
		return nil, err
	}
	n.runTask = api.NewFromConfig(n.session.Config).RunTask
	if task.Account == "*" {
		task.Account = cluster.Account
	}
	n.call = aws.Call{Action: "ecs:RunTask", Resource: task.In(n.session).String()}
	return n, nil
}

func (c Config) check(where string, task aws.ARN) error {
	switch {
	case task.Where() != "" && task.Where() != where:
		return fmt.Errorf("task_definition: is in %s, and the cluster in %s", task.Where(), where)
	case !slices.Contains(launchTypes, c.LaunchType):
		return fmt.Errorf("launch_type: %q is none of FARGATE, EC2 and EXTERNAL", c.LaunchType)
	case c.LaunchType == "FARGATE" && len(c.Subnets) == 0:
		return errors.New("subnets: Fargate needs at least one")
	case len(c.Subnets) == 0 && (len(c.SecurityGroups) > 0 || c.AssignPublicIP):
		return errors.New("security_groups and assign_public_ip are for tasks in subnets, and there are none")
	case len(c.Subnets) > subnetsMost || len(c.SecurityGroups) > groupsMost:
		return fmt.Errorf("at most %d subnets and %d security_groups", subnetsMost, groupsMost)
	case c.Input == nil && c.Container == "":
		return errors.New("container: is not set: the one that is to be told what it is about")
	case c.Input != nil && c.Container != "":
		return errors.New("container: input says itself which container it is for: leave one of them out")
	}
	for _, id := range c.Subnets {
		if !subnetForm.MatchString(id) {
			return fmt.Errorf("subnets: %q is not the id of a subnet", id)
		}
	}
	for _, id := range c.SecurityGroups {
		if !groupForm.MatchString(id) {
			return fmt.Errorf("security_groups: %q is not the id of a security group", id)
		}
	}
	return nil
}

// Notify runs the task and returns its ARN. One that was run before by the same
// message is a success.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	overrides, err := n.overrides(m)
	if err != nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("aws-ecs: %w", ctx.Err())
	}
	out, err := n.runTask(ctx, n.request(m, overrides))
	if conflict, ok := errors.AsType[*types.ConflictException](err); ok && len(conflict.ResourceIds) > 0 {
		return conflict.ResourceIds[0], nil
	}
	if err != nil {
		return "", n.session.Refused(ctx, n.call, err)
	}
	if len(out.Tasks) > 0 {
		return sdk.ToString(out.Tasks[0].TaskArn), nil
	}
	return "", n.unplaced(out.Failures)
}

func (n *notifier) request(m notify.Message, overrides *types.TaskOverride) *api.RunTaskInput {
	in := &api.RunTaskInput{
		Cluster: &n.c.Cluster, TaskDefinition: &n.c.TaskDefinition, Count: sdk.Int32(1), Overrides: overrides,
		ClientToken: sdk.String(send.Key(m.ID, tokenMost)), StartedBy: sdk.String(send.Key(notify.DedupKey(m), startedMost)),
		LaunchType: types.LaunchType(n.c.LaunchType),
	}
	if n.c.PlatformVersion != "" {
		in.PlatformVersion = &n.c.PlatformVersion
	}
	if len(n.c.Subnets) > 0 {
		network := &types.AwsVpcConfiguration{Subnets: n.c.Subnets, SecurityGroups: n.c.SecurityGroups, AssignPublicIp: types.AssignPublicIpDisabled}
		if n.c.AssignPublicIP {
			network.AssignPublicIp = types.AssignPublicIpEnabled
		}
		in.NetworkConfiguration = &types.NetworkConfiguration{AwsvpcConfiguration: network}
	}
	return in
}

// overrides are the environment variables of the container, or what input makes:
// then a TaskOverride, as EventBridge sends it.
func (n *notifier) overrides(m notify.Message) (*types.TaskOverride, error) {
	text, err := n.Of(m)
	if err != nil {
		return nil, err
	}
	if n.c.Input != nil {
		if size := utf8.RuneCount(text); size > overridesMost {
			return nil, tooLong(size)
		}
		var overrides types.TaskOverride
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err := d.Decode(&overrides)
		if _, more := d.Token(); err == nil && !errors.Is(more, io.EOF) {
			err = errors.New("there is more after it")
		}
		if err != nil {
			return nil, notify.Permanent(fmt.Errorf(`aws-ecs: input has to make the overrides of a task, {"containerOverrides": […]}: %w`, err))
		}
		return &overrides, nil
	}
	variables := about(m)
	whole := n.container(append(slices.Clone(variables), [2]string{n.name, string(text)}))
	switch size := weight(whole); {
	case size <= overridesMost:
		return whole, nil
	case n.c.Raw:
		return nil, tooLong(size)
	}
	return n.container(variables), nil
}

func tooLong(size int) error {
	return notify.Permanent(fmt.Errorf("aws-ecs: the overrides are %d characters long, and ECS takes %d: send less of the event, with input", size, overridesMost))
}

func (n *notifier) container(variables [][2]string) *types.TaskOverride {
	override := types.ContainerOverride{Name: &n.c.Container}
	for _, v := range variables {
		override.Environment = append(override.Environment, types.KeyValuePair{Name: &v[0], Value: &v[1]})
	}
	return &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{override}}
}

// weight is how many characters ECS counts of overrides that hold environment
// variables alone.
func weight(overrides *types.TaskOverride) int {
	type pair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	type container struct {
		Name        string `json:"name"`
		Environment []pair `json:"environment"`
	}
	var all []container
	for _, c := range overrides.ContainerOverrides {
		one := container{Name: sdk.ToString(c.Name)}
		for _, v := range c.Environment {
			one.Environment = append(one.Environment, pair{sdk.ToString(v.Name), sdk.ToString(v.Value)})
		}
		all = append(all, one)
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // which is Go's own
	if err := e.Encode(map[string]any{"containerOverrides": all}); err != nil {
		return overridesMost + 1
	}
	return utf8.RuneCount(bytes.TrimSpace(text.Bytes()))
}

// about is what the task is about, in variables that are never empty, each at most
// 200 characters long. What the finding says is untrusted.
func about(m notify.Message) [][2]string {
	a := m.Alert
	var all [][2]string
	for _, v := range [][2]string{
		{"TOCSIN_ID", m.ID},
		{"TOCSIN_ALERT", strconv.FormatInt(a.ID, 10)},
		{"TOCSIN_RECEIVER", m.Receiver},
		{"TOCSIN_BY", m.By},
		{"TOCSIN_RULE", a.Rule},
		{"TOCSIN_LEVEL", a.Level.String()},
		{"TOCSIN_TYPE", a.Type},
		{"TOCSIN_FINDING", a.Detection.ID},
		{"TOCSIN_ACCOUNT", a.Account},
		{"TOCSIN_REGION", a.Region},
		{"TOCSIN_RESOURCE_TYPE", a.Resource.Type},
		{"TOCSIN_RESOURCE_ID", a.Resource.ID},
		{"TOCSIN_URL", notify.AlertLink(m)},
	} {
		most := 200
		if v[0] == "TOCSIN_URL" {
			most = 2000
		}
		if v[1] = notify.Truncate(notify.Clean(v[1]), most, notify.Runes); v[1] != "" {
			all = append(all, v)
		}
	}
	return all
}

// unplaced is the error of a task that ECS did not start: what lacks room may have
// it later (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html).
func (n *notifier) unplaced(failures []types.Failure) error {
	if len(failures) == 0 {
		return errors.New("aws-ecs: the answer names neither a task nor a failure")
	}
	f := failures[0]
	reason := sdk.ToString(f.Reason)
	text := reason
	if detail := sdk.ToString(f.Detail); detail != "" {
		text += ": " + detail
	}
	err := fmt.Errorf("aws-ecs: the task was not started: %s (%s)", n.session.Clean(text), n.call.Resource)
	if slices.ContainsFunc(capacityWords, func(w string) bool { return strings.Contains(strings.ToUpper(reason), w) }) {
		return err
	}
	return notify.Permanent(err)
}
