package transform_test

import (
	"errors"
	"fmt"

	"github.com/tocsin-sec/tocsin/transform"
)

const finding = `{
  "detail-type": "GuardDuty Finding", "source": "aws.guardduty", "account": "111122223333", "region": "eu-west-1",
  "detail": {
    "id": "60c2f9a1b7d84e0fa1c3d5e7f9012345", "type": "Backdoor:EC2/C&CActivity.B", "severity": 8.0,
    "resource": {"instanceDetails": {"instanceId": "i-0123456789abcdef0", "tags": [{"key": "Name", "value": "web-1"}]}},
    "description": "EC2 instance i-0123456789abcdef0 is querying a domain name\nof a known C&C server."
  }
}`

func Example() {
	mail, err := transform.Parse([]byte(`{
	  "Id": "mail",
	  "Arn": "arn:aws:sns:eu-west-1:111122223333:security",
	  "InputTransformer": {
	    "InputPathsMap": {"type": "$.detail.type", "severity": "$.detail.severity", "instance": "$.detail.resource.instanceDetails.instanceId", "account": "$.account"},
	    "InputTemplate": "\"<type> of severity <severity>\"\n\"<instance>, account <account>\""
	  }
	}`), transform.AWS)
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := mail.Apply([]byte(finding), transform.Rule{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", got.Text)
	// Output:
	// "Backdoor:EC2/C&CActivity.B of severity 8.0"
	// "i-0123456789abcdef0, account 111122223333"
}

// What EventBridge would drop without a word.
func ExampleDropError() {
	target := transform.Target{
		ID: "chat",
		InputTransformer: &transform.InputTransformer{
			InputPathsMap: map[string]string{"description": "$.detail.description"},
			InputTemplate: `{"text": "GuardDuty: <description>"}`,
		},
	}
	for _, mode := range []transform.Mode{transform.AWS, transform.Strict} {
		chat, err := target.Compile(mode)
		if err != nil {
			fmt.Println(err)
			return
		}
		got, err := chat.Apply([]byte(finding), transform.Rule{})
		if drop, ok := errors.AsType[*transform.DropError](err); ok {
			fmt.Println("dropped because of", drop.Placeholder)
			fmt.Println(drop)
			continue
		}
		fmt.Printf("%s\n", got.Text)
	}
	// Output:
	// dropped because of description
	// target chat: <description> at line 1:22 of InputTemplate: its text has a line break, which EventBridge does not escape inside quotes; give it a field of its own without quotes, as in {"description": <description>}, or use strict mode
	// {"text":"GuardDuty: EC2 instance i-0123456789abcdef0 is querying a domain name\nof a known C&C server."}
}

func ExampleTarget_Compile() {
	_, err := transform.Target{
		ID: "mail",
		InputTransformer: &transform.InputTransformer{
			InputPathsMap: map[string]string{"type": "$.detail.type", "name": "$.detail.resource.tags[?(@.key=='Name')].value"},
			InputTemplate: `"<tpye>"`,
		},
	}.Compile(transform.AWS)
	fmt.Println(err)
	// Output:
	// The path of name in InputPathsMap for target mail is not understood: "$.detail.resource.tags[?(@.key=='Name')].value" at "[?(@.key=='Name')].value": only [0], [1] … and [*] are understood. Write $.a.b, $.a[0] or $.a[*]; EventBridge itself does not check paths.
	// InputTemplate for target mail contains invalid placeholder tpye. InputPathsMap has name, type; < and > cannot be escaped.
}

func ExampleTransformer_Apply_inputPath() {
	names, err := transform.Parse([]byte(`{"Id": "1", "InputPath": "$.detail.resource.instanceDetails.tags[*].value"}`), transform.AWS)
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := names.Apply([]byte(finding), transform.Rule{})
	fmt.Printf("%s %v\n", got.Text, err)
	// Output:
	// ["web-1"] <nil>
}

func ExampleRule() {
	archive, err := transform.Parse([]byte(`{"InputTemplate": "{\"rule\": <aws.events.rule-arn>, \"event\": <aws.events.event>}"}`), transform.AWS)
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := archive.Apply([]byte(finding), transform.Rule{Name: "guardduty"})
	fmt.Printf("%s %v\n", got.Text, err)
	// Output:
	// {"rule":"arn:aws:events:eu-west-1:111122223333:rule/guardduty","event":{"account":"111122223333","detailType":"GuardDuty Finding","source":"aws.guardduty","region":"eu-west-1"}} <nil>
}
