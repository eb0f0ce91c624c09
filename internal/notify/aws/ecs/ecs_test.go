package ecs

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

func settings() Config {
	return Config{
		Cluster: "arn:aws:ecs:eu-west-1:111122223333:cluster/response", TaskDefinition: "isolate:7", Container: "isolate",
		LaunchType: "FARGATE", Subnets: []string{"subnet-0a1b2c3d4e5f60718"}, SecurityGroups: []string{"sg-0a1b2c3d4e5f60718"},
	}
}

func target(c Config) awstest.Target {
	return awstest.Target{
		Kind: Kind,
		Open: func(set aws.Settings, env notify.Env) (notify.Notifier, error) {
			c := c
			c.Settings = set
			return open(c, env)
		},
		Content: func(input map[string]any) string { return variables(input)["TOCSIN_MESSAGE"] },
		Key:     func(input map[string]any) string { return input["clientToken"].(string) },
		Cuts:    true,
		Check: func(t *testing.T, m notify.Message, input map[string]any) {
			t.Helper()
			v := variables(input)
			if v["TOCSIN_ID"] != m.ID || v["TOCSIN_LEVEL"] != m.Alert.Level.String() || v["TOCSIN_BY"] != m.By {
				t.Errorf("the variables are %v", v)
			}
			for name, value := range v {
				if value == "" || strings.ContainsAny(value, "\x00\n\r") {
					t.Errorf("%s = %q", name, value)
				}
			}
		},
	}
}

// variables are the environment variables that the container was given.
func variables(input map[string]any) map[string]string {
	v := map[string]string{}
	overrides, _ := input["overrides"].(map[string]any)
	containers, _ := overrides["containerOverrides"].([]any)
	for _, c := range containers {
		pairs, _ := c.(map[string]any)["environment"].([]any)
		for _, p := range pairs {
			pair := p.(map[string]any)
			v[pair["name"].(string)] = pair["value"].(string)
		}
	}
	return v
}

func TestPromises(t *testing.T) {
	t.Parallel()
	target(settings()).Promises(t)
}

func action() notify.Message {
	m := notifytest.Messages()[0].Message
	m.Kind, m.By = tocsin.TellAction, "ana"
	return m
}

// run sends one action and gives what ECS took.
func run(t *testing.T, c Config, m notify.Message) (map[string]any, error) {
	t.Helper()
	s := awstest.New(t)
	c.Settings = s.Settings()
	n := notifytest.Open(t, open, c)
	if _, err := n.Notify(t.Context(), m); err != nil {
		return nil, err
	}
	return s.Inputs(t)[0], nil
}

func TestATaskOfFargate(t *testing.T) {
	t.Parallel()
	input, err := run(t, settings(), action())
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(map[string]any{"launch": input["launchType"], "count": input["count"], "by": input["startedBy"], "network": input["networkConfiguration"]})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"by":"tocsin-4821-1781231160000","count":1,"launch":"FARGATE","network":{"awsvpcConfiguration":{"assignPublicIp":"DISABLED","securityGroups":["sg-0a1b2c3d4e5f60718"],"subnets":["subnet-0a1b2c3d4e5f60718"]}}}`
	if string(got) != want {
		t.Errorf("ran %s\nwant %s", got, want)
	}
	v := variables(input)
	for name, want := range map[string]string{
		"TOCSIN_ALERT": "4821", "TOCSIN_ACCOUNT": "111122223333", "TOCSIN_REGION": "eu-west-1", "TOCSIN_RESOURCE_ID": "i-0abc123def456789a",
		"TOCSIN_BY": "ana", "TOCSIN_URL": "https://tocsin.example.com/alerts/4821", "TOCSIN_FINDING": "3ac1b2c3d4e5f60718293a4b5c6d7e8f",
	} {
		if v[name] != want {
			t.Errorf("%s = %q, want %q", name, v[name], want)
		}
	}
	if v["TOCSIN_MESSAGE"] == "" {
		t.Error("the document of a usual finding has no room")
	}
}

// The document is left out where it has no room; an event that has none is an
// error. The limit is that of all overrides, as JSON.
func TestOverridesUpToTheLimit(t *testing.T) {
	t.Parallel()
	c := settings()
	c.Raw = true
	m := action()
	n := notifytest.Open(t, open, c).(*notifier)
	rest := weight(n.container(append(about(m), [2]string{"TOCSIN_EVENT", ""})))
	m.Event = []byte(strings.Repeat("x", overridesMost-rest))
	input, err := run(t, c, m)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(input["overrides"]); err != nil || utf8.RuneCount(text.Bytes())-1 != overridesMost || variables(input)["TOCSIN_EVENT"] != string(m.Event) {
		t.Errorf("the overrides are %d characters long, want %d", utf8.RuneCount(text.Bytes())-1, overridesMost)
	}
	m.Event = append(m.Event, 'x')
	if _, err := run(t, c, m); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "8193 characters") {
		t.Errorf("one character more: %v, want a permanent error", err)
	}
	m.Alert.Description = strings.Repeat("a", overridesMost)
	input, err = run(t, settings(), m)
	if err != nil || variables(input)["TOCSIN_MESSAGE"] != "" || variables(input)["TOCSIN_ALERT"] != "4821" {
		t.Errorf("a long document: %v, variables %v; want it left out", err, variables(input))
	}
}

func TestOverridesOfAnInputTransformer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, template, want, wrong string }{
		{
			"as EventBridge sends them", `{"containerOverrides": [{"name": "isolate", "command": ["isolate", <id>], "environment": [{"name": "ACCOUNT", "value": <account>}]}]}`,
			`{"containerOverrides":[{"command":["isolate","i-0abc"],"environment":[{"name":"ACCOUNT","value":"111122223333"}],"name":"isolate"}]}`, "",
		},
		{"something else", `{"instance": <id>}`, "", `unknown field "instance"`},
		{"text", `"isolate <id>"`, "", "has to make the overrides of a task"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := settings()
			c.Container = ""
			c.Input = &notify.Input{Paths: map[string]string{"id": "$.detail.resource.id", "account": "$.account"}, Template: tt.template}
			m := action()
			m.Event = []byte(`{"account": "111122223333", "detail": {"resource": {"id": "i-0abc"}}}`)
			input, err := run(t, c, m)
			if tt.wrong != "" {
				if !notify.IsPermanent(err) || !strings.Contains(err.Error(), tt.wrong) {
					t.Errorf("Notify = %v, want a permanent error with %q", err, tt.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := json.Marshal(input["overrides"]); err != nil || string(got) != tt.want {
				t.Errorf("overrides %s, want %s", got, tt.want)
			}
		})
	}
}

// RunTask succeeds and says that it started nothing.
func TestATaskThatWasNotStarted(t *testing.T) {
	t.Parallel()
	for reason, permanent := range map[string]bool{
		"RESOURCE:MEMORY": false, "RESOURCE:CPU": false, "AGENT": false, "Capacity is unavailable at this time": false,
		"MISSING": true, "INACTIVE": true, "ATTRIBUTE": true,
	} {
		s := awstest.New(t)
		s.Unplaced(reason)
		c := settings()
		c.Settings = s.Settings()
		_, err := notifytest.Open(t, open, c).Notify(t.Context(), action())
		if err == nil || notify.IsPermanent(err) != permanent || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: Notify = %v, permanent %v, want %v", reason, err, notify.IsPermanent(err), permanent)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		wrong  string
	}{
		{"as they should be", func(*Config) {}, ""},
		{"names and a region", func(c *Config) { c.Cluster, c.Region = "response", "eu-west-1" }, ""},
		{"on instances", func(c *Config) { c.LaunchType, c.Subnets, c.SecurityGroups = "EC2", nil, nil }, ""},
		{"no cluster", func(c *Config) { c.Cluster = "" }, "cluster: is not set"},
		{"a task definition elsewhere", func(c *Config) {
			c.TaskDefinition = "arn:aws:ecs:us-east-1:111122223333:task-definition/isolate:7"
		}, "and the cluster in eu-west-1"},
		{"Fargate without subnets", func(c *Config) { c.Subnets, c.SecurityGroups = nil, nil }, "Fargate needs at least one"},
		{"groups without subnets", func(c *Config) { c.LaunchType, c.Subnets = "", nil }, "there are none"},
		{"a subnet that is none", func(c *Config) { c.Subnets = []string{"10.0.0.0/24"} }, "is not the id of a subnet"},
		{"no container", func(c *Config) { c.Container = "" }, "container: is not set"},
		{"container and input", func(c *Config) { c.Input = &notify.Input{Template: `{"a": 1}`} }, "leave one of them out"},
		{"another launch type", func(c *Config) { c.LaunchType = "MOON" }, "none of FARGATE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := settings()
			tt.change(&c)
			_, err := open(c, notifytest.Env(t, nil))
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("open = %v, want %q", err, tt.wrong)
			}
		})
	}
}

// asText mends what moto says of a container's processor and memory: it writes
// numbers where the API has text, and the SDK refuses them.
type asText struct{}

var asNumbers = regexp.MustCompile(`"(cpu|memory)": ?([0-9]+)`)

func (asText) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "Task") && !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "Tasks") {
		return resp, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	text = asNumbers.ReplaceAll(text, []byte(`"$1": "$2"`))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	resp.Header.Del("Content-Length")
	return resp, nil
}

// Cluster and task definition are made at moto, the task run and read.
func TestMoto(t *testing.T) {
	t.Parallel()
	m := awstest.StartMoto(t)
	found := func(action, form string) []string {
		t.Helper()
		found := regexp.MustCompile(form).FindStringSubmatch(m.Ask(t, "ec2", "POST", "/", "application/x-www-form-urlencoded", "Action="+action+"&Version=2016-11-15"))
		if found == nil {
			t.Fatalf("%s found nothing", action)
		}
		return found[1:]
	}
	subnets := found("DescribeSubnets", `<subnetId>(subnet-[0-9a-f]+)</subnetId>`)
	groups := found("DescribeSecurityGroups", `<groupId>(sg-[0-9a-f]+)</groupId>`)
	m.Config.HTTPClient = &http.Client{Transport: asText{}}
	client := api.NewFromConfig(m.Config)
	if _, err := client.CreateCluster(t.Context(), &api.CreateClusterInput{ClusterName: sdk.String("response")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.RegisterTaskDefinition(t.Context(), &api.RegisterTaskDefinitionInput{
		Family: sdk.String("isolate"), NetworkMode: types.NetworkModeAwsvpc, Cpu: sdk.String("256"), Memory: sdk.String("512"),
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ContainerDefinitions:    []types.ContainerDefinition{{Name: sdk.String("isolate"), Image: sdk.String("isolate:1"), Memory: sdk.Int32(128)}},
	}); err != nil {
		t.Fatal(err)
	}
	p := target(Config{
		Cluster: "response", TaskDefinition: "isolate", Container: "isolate", LaunchType: "FARGATE", Subnets: subnets, SecurityGroups: groups,
	})
	made := p.Open
	p.Open = func(set aws.Settings, env notify.Env) (notify.Notifier, error) {
		env.HTTP = &http.Client{Transport: asText{}}
		return made(set, env)
	}
	ref, id := p.Send(t, m)
	got, err := client.DescribeTasks(t.Context(), &api.DescribeTasksInput{Cluster: sdk.String("response"), Tasks: []string{ref}})
	if err != nil || len(got.Tasks) != 1 {
		t.Fatalf("read %v, %v; want one task", got, err)
	}
	v := map[string]string{}
	for _, pair := range got.Tasks[0].Overrides.ContainerOverrides[0].Environment {
		v[*pair.Name] = *pair.Value
	}
	if v["TOCSIN_ID"] != id || v["TOCSIN_BY"] != "ana" {
		t.Errorf("the task was given %v, want %s", v, id)
	}
	t.Logf("moto: task %s of %s was given %d variables, TOCSIN_MESSAGE of %d bytes", ref, *got.Tasks[0].TaskDefinitionArn, len(v), len(v["TOCSIN_MESSAGE"]))
}
