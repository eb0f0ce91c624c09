package stepfunctions

import (
	"encoding/json"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

const machineARN = "arn:aws:states:eu-west-1:111122223333:stateMachine:isolate"

func target(c Config) awstest.Target {
	return awstest.Target{
		Kind: Kind,
		Open: func(set aws.Settings, env notify.Env) (notify.Notifier, error) {
			c := c
			c.Settings = set
			return open(c, env)
		},
		Content: func(input map[string]any) string { return input["input"].(string) },
		Key:     func(input map[string]any) string { return input["name"].(string) },
	}
}

func TestPromises(t *testing.T) {
	t.Parallel()
	target(Config{StateMachine: machineARN}).Promises(t)
}

func action() notify.Message {
	m := notifytest.Messages()[0].Message
	m.Kind, m.By = tocsin.TellAction, "ana"
	return m
}

func TestTheReferenceIsTheExecution(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, machine, id, want string }{
		{"a state machine", machineARN, "msg_1", "arn:aws:states:eu-west-1:111122223333:execution:isolate:msg_1"},
		{"an id that no name may be", machineARN, "a b/c:" + strings.Repeat("x", 100), "arn:aws:states:eu-west-1:111122223333:execution:isolate:a_b_c_" + strings.Repeat("x", 74)},
		{"in China", "arn:aws-cn:states:cn-north-1:111122223333:stateMachine:isolate", "msg_1", "arn:aws-cn:states:cn-north-1:111122223333:execution:isolate:msg_1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := awstest.New(t)
			n := notifytest.Open(t, open, Config{StateMachine: tt.machine, Settings: s.Settings()})
			m := action()
			m.ID = tt.id
			first, err := n.Notify(t.Context(), m)
			if err != nil || first != tt.want {
				t.Errorf("Notify = %q, %v, want %q", first, err, tt.want)
			}
			m.Alert.Occurrences++ // so that the input is another: AWS says that it exists
			if again, err := n.Notify(t.Context(), m); err != nil || again != tt.want {
				t.Errorf("again Notify = %q, %v, want %q", again, err, tt.want)
			}
		})
	}
}

// An execution is the state machine's, also where an alias or a version started it.
func TestTheExecutionOfAnAlias(t *testing.T) {
	t.Parallel()
	for _, machine := range []string{machineARN, machineARN + ":live", machineARN + ":3"} {
		n := notifytest.Open(t, open, Config{StateMachine: machine}).(*notifier)
		if got, want := n.execution("msg_1"), "arn:aws:states:eu-west-1:111122223333:execution:isolate:msg_1"; got != want {
			t.Errorf("%s: execution %s, want %s", machine, got, want)
		}
	}
}

func TestInputsUpToTheLimit(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{StateMachine: machineARN, Content: send.Content{Raw: true}, Settings: s.Settings()})
	m := action()
	m.Event = []byte(`"` + strings.Repeat("x", inputMost-2) + `"`)
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatalf("an event of %d bytes: %v", len(m.Event), err)
	}
	if s.Inputs(t)[0]["input"] != string(m.Event) {
		t.Error("the event is not what was sent")
	}
	m.ID = "msg_2"
	for name, event := range map[string]string{"one byte more": string(m.Event) + " ", "no JSON": "hello"} {
		m.Event = []byte(event)
		if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || len(s.Taken()) != 1 {
			t.Errorf("%s: %v, want a permanent error and no request", name, err)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		c     Config
		wrong string
	}{
		{"an ARN", Config{StateMachine: machineARN}, ""},
		{"an alias", Config{StateMachine: machineARN + ":live"}, ""},
		{"a version", Config{StateMachine: machineARN + ":3"}, ""},
		{"a name", Config{StateMachine: "isolate"}, "is not an ARN"},
		{"an execution", Config{StateMachine: "arn:aws:states:eu-west-1:111122223333:execution:isolate:x"}, "want stateMachine:"},
		{"nothing", Config{}, "is not an ARN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := open(tt.c, notifytest.Env(t, nil))
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("open = %v, want %q", err, tt.wrong)
			}
		})
	}
}

// The state machine is made and started at moto, and its execution read.
func TestMoto(t *testing.T) {
	t.Parallel()
	m := awstest.StartMoto(t)
	client := api.NewFromConfig(m.Config)
	made, err := client.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
		Name: sdk.String("isolate"), RoleArn: sdk.String("arn:aws:iam::123456789012:role/states"),
		Definition: sdk.String(`{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	p := target(Config{StateMachine: *made.StateMachineArn})
	ref, id := p.Send(t, m)
	got, err := client.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: &ref})
	if err != nil {
		t.Fatal(err)
	}
	var document struct{ ID, By string }
	if err := json.Unmarshal([]byte(*got.Input), &document); err != nil || document.ID != id || document.By != "ana" {
		t.Errorf("read %v %s, want %s", err, *got.Input, id)
	}
	again, _ := p.Send(t, m)
	all, err := client.ListExecutions(t.Context(), &api.ListExecutionsInput{StateMachineArn: made.StateMachineArn})
	if err != nil || again != ref || len(all.Executions) != 1 {
		t.Errorf("sent again it is %s, %v, and there are %d executions, want the same one", again, err, len(all.Executions))
	}
	t.Logf("moto: %s is %s with an input of %d bytes; sent again it is the same one", ref, got.Status, len(*got.Input))
}
