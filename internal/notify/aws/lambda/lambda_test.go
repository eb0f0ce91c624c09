package lambda

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

const functionARN = "arn:aws:lambda:eu-west-1:111122223333:function:isolate:live"

func target(c Config) awstest.Target {
	return awstest.Target{
		Kind: Kind,
		Open: func(set aws.Settings, env notify.Env) (notify.Notifier, error) {
			c := c
			c.Settings = set
			return open(c, env)
		},
		Content: func(input map[string]any) string { return input["Payload"].(string) },
		Check: func(t *testing.T, m notify.Message, input map[string]any) {
			t.Helper()
			var about struct{ Custom struct{ ID, By string } }
			if err := json.Unmarshal([]byte(input["ClientContext"].(string)), &about); err != nil || about.Custom.ID != m.ID || about.Custom.By != m.By {
				t.Errorf("the client context is %v, want id %s", input["ClientContext"], m.ID)
			}
		},
	}
}

func TestPromises(t *testing.T) {
	t.Parallel()
	target(Config{Function: functionARN}).Promises(t)
}

// action is an action as the engine has it run.
func action() notify.Message {
	m := notifytest.Messages()[0].Message
	m.Kind, m.By = tocsin.TellAction, "ana"
	return m
}

func TestAFunctionThatIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	n := notifytest.Open(t, open, Config{Function: functionARN, Invocation: "request", Settings: s.Settings()})
	ref, err := n.Notify(t.Context(), action())
	if err != nil || ref == "" {
		t.Errorf("Notify = %q, %v, want the id of the request", ref, err)
	}
	if got := s.Inputs(t)[0]["InvocationType"]; got != "RequestResponse" {
		t.Errorf("invocation type %v", got)
	}
	s.FunctionFails(`{"errorType": "ValueError", "errorMessage": "no such instance: https://evil.example/"}`)
	_, err = n.Notify(t.Context(), action())
	if !notify.IsPermanent(err) || !strings.Contains(err.Error(), "ValueError: no such instance") || notifytest.Bad(err.Error()) != "" {
		t.Errorf("Notify to a function that fails = %v, want a permanent error with its words, harmless", err)
	}
}

func TestAFunctionThatIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	s.FunctionFails(`{"errorMessage": "nobody sees this"}`)
	n := notifytest.Open(t, open, Config{Function: functionARN, Settings: s.Settings()})
	ref, err := n.Notify(t.Context(), action())
	if err != nil || !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(ref) {
		t.Errorf("Notify = %q, %v, want the id of the request", ref, err)
	}
	if got := s.Inputs(t)[0]["InvocationType"]; got != "Event" {
		t.Errorf("invocation type %v", got)
	}
}

func TestPayloadsUpToTheLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		invocation string
		most       int
	}{{"event", eventMost}, {"request", requestMost}} {
		s := awstest.New(t)
		n := notifytest.Open(t, open, Config{Function: functionARN, Invocation: tt.invocation, Content: send.Content{Raw: true}, Settings: s.Settings()})
		m := action()
		m.Event = []byte(`"` + strings.Repeat("x", tt.most-2) + `"`)
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatalf("%s of %d bytes: %v", tt.invocation, len(m.Event), err)
		}
		if s.Inputs(t)[0]["Payload"] != string(m.Event) {
			t.Error("the event is not what was sent")
		}
		m.Event = append(m.Event, ' ')
		if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || len(s.Taken()) != 1 {
			t.Errorf("%s of %d bytes: %v, want a permanent error and no request", tt.invocation, len(m.Event), err)
		}
		m.Event = []byte("no JSON")
		if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || len(s.Taken()) != 1 {
			t.Errorf("no JSON: %v, want a permanent error and no request", err)
		}
	}
}

func TestTheClientContextFits(t *testing.T) {
	t.Parallel()
	m := action()
	m.By = strings.Repeat("\"𝔘", 1000)
	m.Receiver = strings.Repeat("<", 1000)
	if got := about(m); got == nil || len(*got) > contextMost {
		t.Errorf("the client context is %v", got)
	} else if text, err := base64.StdEncoding.DecodeString(*got); err != nil || !json.Valid(text) {
		t.Errorf("the client context is %s, %v", text, err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		c     Config
		wrong string
	}{
		{"an ARN", Config{Function: "arn:aws:lambda:eu-west-1:111122223333:function:isolate"}, ""},
		{"an alias", Config{Function: functionARN}, ""},
		{"the newest", Config{Function: "isolate:$LATEST", Settings: aws.Settings{Region: "eu-west-1"}}, ""},
		{"a name without a region", Config{Function: "isolate"}, "region: is not set"},
		{"a layer", Config{Function: "arn:aws:lambda:eu-west-1:111122223333:layer:x:1"}, "want function:"},
		{"another way to invoke", Config{Function: functionARN, Invocation: "dry"}, "neither event nor request"},
		{"nothing", Config{}, "function: is not set"},
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

// The function is made and invoked at moto, which runs none without Docker; what it
// was sent is in its recording.
func TestMoto(t *testing.T) {
	t.Parallel()
	m := awstest.StartMoto(t)
	m.Ask(t, "", "POST", "/moto-api/config", "application/json", `{"lambda": {"use_docker": false}}`)
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	role := regexp.MustCompile(`<Arn>([^<]+)</Arn>`).FindStringSubmatch(m.Ask(t, "iam", "POST", "/", "application/x-www-form-urlencoded", "Action=CreateRole&Version=2010-05-08&RoleName=isolate&AssumeRolePolicyDocument="+trust))
	if role == nil {
		t.Fatal("no role was made")
	}
	client := api.NewFromConfig(m.Config)
	if _, err := client.CreateFunction(t.Context(), &api.CreateFunctionInput{
		FunctionName: sdk.String("isolate"), Role: &role[1], Runtime: types.RuntimePython312, Handler: sdk.String("x.y"),
		Code: &types.FunctionCode{ZipFile: []byte("PK\x05\x06" + strings.Repeat("\x00", 18))},
	}); err != nil {
		t.Fatal(err)
	}
	m.Ask(t, "", "POST", "/moto-api/recorder/reset-recording", "", "")
	m.Ask(t, "", "POST", "/moto-api/recorder/start-recording", "", "")
	for _, invocation := range []string{"event", "request"} {
		ref, id := target(Config{Function: "isolate", Invocation: invocation}).Send(t, m)
		recorded := m.Ask(t, "", "GET", "/moto-api/recorder/download-recording", "", "")
		lines := strings.Split(strings.TrimSpace(recorded), "\n")
		var last struct {
			URL, Body string
			Encoded   bool `json:"body_encoded"`
		}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
			t.Fatal(err)
		}
		body := last.Body
		if last.Encoded {
			text, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				t.Fatal(err)
			}
			body = string(text)
		}
		if !strings.Contains(body, id) {
			t.Errorf("%s: moto recorded %s %.200s, want %s", invocation, last.URL, body, id)
		}
		t.Logf("moto: function took %s as request %q; recorded %s with %d bytes", invocation, ref, last.URL, len(body))
	}
}
