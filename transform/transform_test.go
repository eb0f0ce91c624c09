package transform_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/transform"
)

var update = flag.Bool("update", false, "write the golden files anew")

// ec2 is the event of the AWS page.
const ec2 = `{
  "version": "0",
  "id": "7bf73129-1428-4cd3-a780-95db273d1602",
  "detail-type": "EC2 Instance State-change Notification",
  "source": "aws.ec2",
  "account": "123456789012",
  "time": "2015-11-11T21:29:54Z",
  "region": "us-east-1",
  "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"],
  "detail": {"instance-id": "i-0123456789", "state": "RUNNING"}
}`

var ec2Paths = map[string]string{
	"timestamp": "$.time", "instance": "$.detail.instance-id", "state": "$.detail.state", "resource": "$.resources[0]",
}

var example = transform.Rule{Name: "example", ARN: "arn:aws:events:us-east-2:123456789012:rule/example"}

func compile(t testing.TB, mode transform.Mode, paths map[string]string, template string) *transform.Transformer {
	t.Helper()
	out, err := transform.Target{ID: "1", InputTransformer: &transform.InputTransformer{InputPathsMap: paths, InputTemplate: template}}.Compile(mode)
	if err != nil {
		t.Fatalf("Compile(%q): %v", template, err)
	}
	return out
}

func TestTheExamplesOfTheAWSPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, template, want string }{
		{"simple string", `"instance <instance> is in <state>"`, `"instance i-0123456789 is in RUNNING"`},
		{"string with escaped quotes", `"instance \"<instance>\" is in <state>"`, `"instance \"i-0123456789\" is in RUNNING"`},
		{"simple JSON", "{\n  \"instance\" : <instance>,\n  \"state\": <state>\n}", `{"instance":"i-0123456789","state":"RUNNING"}`},
		{
			"JSON with strings and variables", "{\n \"instance\" : <instance>,\n \"state\": \"<state>\",\n \"instanceStatus\": \"instance \\\"<instance>\\\" is in <state>\"\n}",
			`{"instance":"i-0123456789","state":"RUNNING","instanceStatus":"instance \"i-0123456789\" is in RUNNING"}`,
		},
		{
			"JSON with a mix of variables and static information", `{"instance" : <instance>, "state": [ 9, <state>, true ], "Transformed" : "Yes"}`,
			`{"instance":"i-0123456789","state":[9,"RUNNING",true],"Transformed":"Yes"}`,
		},
		{
			"including reserved variables in JSON", `{"instance" : <instance>, "state": <state>, "ruleArn" : <aws.events.rule-arn>, "ruleName" : <aws.events.rule-name>, "originalEvent" : <aws.events.event.json>}`,
			`{"instance":"i-0123456789","state":"RUNNING","ruleArn":"arn:aws:events:us-east-2:123456789012:rule/example","ruleName":"example","originalEvent":` + minified(t, ec2) + `}`,
		},
		{"including reserved variables in a string", `"<aws.events.rule-name> triggered"`, `"example triggered"`},
		{
			"Amazon CloudWatch log group", `{"timestamp" : <timestamp>, "message": "instance \"<instance>\" is in <state>"}`,
			`{"timestamp":"2015-11-11T21:29:54Z","message":"instance \"i-0123456789\" is in RUNNING"}`,
		},
		{"an element of an array", `{"resource": <resource>}`, `{"resource":"arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"}`},
		{
			"text of several lines", "\"<state> instance <instance>\"\n\"ARN: \\\"<resource>\\\"\"\n\"\"\n\"Time: <timestamp>\"",
			"\"RUNNING instance i-0123456789\"\n\"ARN: \\\"arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111\\\"\"\n\"\"\n\"Time: 2015-11-11T21:29:54Z\"",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := compile(t, transform.AWS, ec2Paths, tt.template).Apply([]byte(ec2), example)
			if err != nil || string(got.Text) != tt.want {
				t.Errorf("%s\n gives %s, %v\n want  %s", tt.template, got.Text, err, tt.want)
			}
		})
	}
}

func minified(t testing.TB, text string) string {
	t.Helper()
	var small bytes.Buffer
	if err := json.Compact(&small, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return small.String()
}

// values are an event with one of each.
const values = `{"id": "1", "detail": {
  "text": "a b", "number": 7.50, "yes": true, "no": false, "none": null, "empty": "",
  "object": {"acc_id": "0a78", "sf_id": "baz"}, "list": ["ACTIVE", "INACTIVE"], "numbers": [1, 2], "nothing": [], "bare": {},
  "quoted": "say \"hi\"", "path": "C:\\new", "lines": "one\ntwo", "tab": "a\tb", "amp": "a & <b> \u00e9 é", "emoji": "\ud83d\ude00", "half": "\ud83d",
  "inject": "x\",\"level\":\"low"
}}`

var valuePaths = func() map[string]string {
	paths := map[string]string{"missing": "$.detail.not.there"}
	for _, name := range []string{
		"text", "number", "yes", "no", "none", "empty", "object", "list", "numbers", "nothing", "bare",
		"quoted", "path", "lines", "tab", "amp", "emoji", "half", "inject",
	} {
		paths[name] = "$.detail." + name
	}
	return paths
}()

// dropped stands for a DropError.
const dropped = "(dropped)"

func TestEachValueInEachPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ value, outside, inside, text string }{
		{"text", `"a b"`, `a b`, `a b`},
		{"number", `7.50`, `7.50`, `7.50`},
		{"yes", `true`, `true`, `true`},
		{"no", `false`, `false`, `false`},
		{"none", `null`, `null`, `null`},
		{"empty", `""`, ``, ``},
		{"missing", `""`, ``, ``},
		{"object", `{"acc_id":"0a78","sf_id":"baz"}`, dropped, `{acc_id:0a78,sf_id:baz}`},
		{"list", `["ACTIVE","INACTIVE"]`, dropped, `[ACTIVE,INACTIVE]`},
		{"numbers", `[1,2]`, `[1,2]`, `[1,2]`},
		{"nothing", `[]`, `[]`, `[]`},
		{"bare", `{}`, `{}`, `{}`},
		{"quoted", `"say \"hi\""`, dropped, `say "hi"`},
		{"path", `"C:\\new"`, `C:\new`, `C:\new`}, // valid, and not what was meant
		{"lines", `"one\ntwo"`, dropped, "one\ntwo"},
		{"tab", `"a\tb"`, dropped, "a\tb"},
		{"amp", `"a & <b> \u00e9 é"`, `a & <b> é é`, `a & <b> é é`},
		{"emoji", `"\ud83d\ude00"`, `😀`, `😀`},
		{"half", `"\ud83d"`, "\uFFFD", "\uFFFD"},
		{"inject", `"x\",\"level\":\"low"`, `x","level":"low`, `x","level":"low`},
	} {
		for _, place := range []struct{ name, template, want string }{
			{"in JSON outside quotes", `{"v": <NAME> }`, `{"v":` + tt.outside + `}`},
			{"in JSON alone in quotes", `{"v": "<NAME>" }`, `{"v":"` + tt.inside + `"}`},
			{"in JSON with text in quotes", `{"v":  "x/<NAME>/y" }`, `{"v":"x/` + tt.inside + `/y"}`},
			{"in JSON by itself", `<NAME>`, tt.outside},
			{"in text", `"x <NAME>"`, `"x ` + tt.text + `"`},
			{"in text of two lines, twice", "\"<NAME>\"\n\"<NAME>\"", "\"" + tt.text + "\"\n\"" + tt.text + "\""},
		} {
			t.Run(tt.value+" "+place.name, func(t *testing.T) {
				t.Parallel()
				template := strings.ReplaceAll(place.template, "NAME", tt.value)
				got, err := compile(t, transform.AWS, valuePaths, template).Apply([]byte(values), transform.Rule{})
				if strings.Contains(place.want, dropped) {
					if e, ok := errors.AsType[*transform.DropError](err); !ok || e.Placeholder != tt.value {
						t.Fatalf("%s gives %s, %v, want a drop because of <%s>", template, got.Text, err, tt.value)
					}
					return
				}
				if err != nil || string(got.Text) != place.want {
					t.Errorf("%s gives %s, %v, want %s", template, got.Text, err, place.want)
				}
			})
		}
	}
}

func TestStrictEscapesInsideQuotes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value, inside string
		escaped       bool
	}{
		{"text", `a b`, false},
		{"number", `7.50`, false},
		{"missing", ``, false},
		{"numbers", `[1,2]`, false},
		{"object", `{\"acc_id\":\"0a78\",\"sf_id\":\"baz\"}`, true},
		{"list", `[\"ACTIVE\",\"INACTIVE\"]`, true},
		{"quoted", `say \"hi\"`, true},
		{"path", `C:\\new`, true},
		{"lines", `one\ntwo`, true},
		{"tab", `a\tb`, true},
		{"amp", `a & <b> é é`, false},
		{"inject", `x\",\"level\":\"low`, true},
	} {
		for _, place := range []struct{ name, template, want string }{
			{"in JSON", `{"v": "x/<NAME>"}`, `{"v":"x/` + tt.inside + `"}`},
			{"in text", `"x/<NAME>"`, `"x/` + tt.inside + `"`},
		} {
			t.Run(tt.value+" "+place.name, func(t *testing.T) {
				t.Parallel()
				template := strings.ReplaceAll(place.template, "NAME", tt.value)
				got, err := compile(t, transform.Strict, valuePaths, template).Apply([]byte(values), transform.Rule{})
				if err != nil || string(got.Text) != place.want || !json.Valid(got.Text) {
					t.Errorf("%s gives %s, %v, want %s", template, got.Text, err, place.want)
				}
				if (len(got.Unsafe) > 0) != tt.escaped {
					t.Errorf("Unsafe = %q, want it to say: %v", got.Unsafe, tt.escaped)
				}
			})
		}
	}
}

// What was seen when templates were run against AWS.
func TestWhatAWSWasSeenToDo(t *testing.T) {
	t.Parallel()
	event := `{"version":"0","id":"11111111-2222-3333-4444-555555555555","detail-type":"core.update-account-command","source":"core.update-account-command",
		"account":"111111111111","time":"2024-05-06T15:11:50Z","region":"us-east-1","resources":[],
		"detail":{"command":"update-account","payload":{"acc_id":"0a787ecb-4015","sf_id":"baz"},"list":["ACTIVE","INACTIVE"]}}`
	paths := map[string]string{
		"detail-type": "$.detail-type", "timestamp": "$.time", "command": "$.detail.command", "gone": "$.detail.notinmessage",
		"payload": "$.detail.payload", "id": "$.detail.payload.acc_id", "list": "$.detail.list",
	}
	for _, tt := range []struct{ name, template, want string }{
		{
			"text", `"Event of <detail-type> type, at time <timestamp>, info extracted from detail <command>"`,
			`"Event of core.update-account-command type, at time 2024-05-06T15:11:50Z, info extracted from detail update-account"`,
		},
		{"text that begins with brackets", `"{[/Check with special starting characters for event of <detail-type> type"`, `"{[/Check with special starting characters for event of core.update-account-command type"`},
		{"a missing value in text", `"info extracted from detail <gone>"`, `"info extracted from detail "`},
		{"JSON", `{"detailType": <detail-type>,  "time": <timestamp>, "command": <command>}`, `{"detailType":"core.update-account-command","time":"2024-05-06T15:11:50Z","command":"update-account"}`},
		{"a missing value in JSON", `{"detailType": <detail-type>, "command": <gone>}`, `{"detailType":"core.update-account-command","command":""}`},
		{"part of a string, twice", `{"method": "PUT", "path": "users/<id>/second/<id>"}`, `{"method":"PUT","path":"users/0a787ecb-4015/second/0a787ecb-4015"}`},
		{"an object in text", `"payload: <payload>"`, `"payload: {acc_id:0a787ecb-4015,sf_id:baz}"`},
		{"an array in text", `"<list>"`, `"[ACTIVE,INACTIVE]"`},
		{"an object in JSON", `{"payload": <payload>}`, `{"payload":{"acc_id":"0a787ecb-4015","sf_id":"baz"}}`},
		{"an object in quotes in JSON", `{"payload": "<payload>"}`, dropped},
		{"an object with text in quotes in JSON", `{"path": "users/<payload>"}`, dropped},
		{"an array in quotes in JSON", `{"list": "<list>"}`, dropped},
		{
			"the event without its detail", `{"originalEvent": <aws.events.event>}`,
			`{"originalEvent":{"id":"11111111-2222-3333-4444-555555555555","account":"111111111111","detailType":"core.update-account-command","time":"2024-05-06T15:11:50Z","source":"core.update-account-command","region":"us-east-1","resources":[],"version":"0"}}`,
		},
		{"the whole event", `{"originalEventJson": <aws.events.event.json>}`, `{"originalEventJson":` + minified(t, event) + `}`},
		{
			"reserved names in text", `"<aws.events.rule-arn> <aws.events.rule-name> <aws.events.event.ingestion-time>"`,
			`"arn:aws:events:us-east-1:111111111111:rule/test-bus/test-rule test-rule 2024-05-06T15:11:51Z"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule := transform.Rule{
				ARN:           transform.RuleARN("us-east-1", "111111111111", "test-bus", "test-rule"),
				IngestionTime: time.Date(2024, 5, 6, 15, 11, 51, 0, time.UTC),
			}
			got, err := compile(t, transform.AWS, paths, tt.template).Apply([]byte(event), rule)
			_, isDrop := errors.AsType[*transform.DropError](err)
			if isDrop != (tt.want == dropped) || !isDrop && (err != nil || string(got.Text) != tt.want) {
				t.Errorf("%s\n gives %s, %v\n want  %s", tt.template, got.Text, err, tt.want)
			}
		})
	}
}

func TestReservedNames(t *testing.T) {
	t.Parallel()
	event := `{"replay-name":"r","detail":{"a":1},"account":"111122223333","id":"1","region":"cn-north-1","detail-type":"T","time":"2026-03-01T12:00:00Z"}`
	for _, tt := range []struct {
		name, template, want string
		rule                 transform.Rule
	}{
		{"the ARN of a rule on the default bus", `<aws.events.rule-arn>`, `"arn:aws-cn:events:cn-north-1:111122223333:rule/guardduty"`, transform.Rule{Name: "guardduty"}},
		{"the name out of the ARN", `<aws.events.rule-name>`, `"guardduty"`, transform.Rule{ARN: transform.RuleARN("eu-west-1", "1", "bus", "guardduty")}},
		{"no rule", `[<aws.events.rule-name>, <aws.events.rule-arn>]`, `["",""]`, transform.Rule{}},
		{"no ingestion time is the event's time", `<aws.events.event.ingestion-time>`, `"2026-03-01T12:00:00Z"`, transform.Rule{}},
		{"the ingestion time is UTC", `<aws.events.event.ingestion-time>`, `"2026-03-01T12:00:05Z"`, transform.Rule{IngestionTime: time.Date(2026, 3, 1, 13, 0, 5, 0, time.FixedZone("", 3600))}},
		{"what AWS's events do not have stands behind", `<aws.events.event>`, `{"id":"1","account":"111122223333","detailType":"T","time":"2026-03-01T12:00:00Z","region":"cn-north-1","replay-name":"r"}`, transform.Rule{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := compile(t, transform.AWS, nil, tt.template).Apply([]byte(event), tt.rule)
			if err != nil || string(got.Text) != tt.want {
				t.Errorf("%s gives %s, %v, want %s", tt.template, got.Text, err, tt.want)
			}
		})
	}
	t.Run("an event of nothing else", func(t *testing.T) {
		t.Parallel()
		for event, want := range map[string]string{`{"x":1}`: `{"x":1}`, `{}`: `{}`, `{"detail":1}`: `{}`, `{"id":1,"i\u0064":2}`: `{"id":2}`} {
			got, err := compile(t, transform.AWS, nil, `<aws.events.event>`).Apply([]byte(event), transform.Rule{})
			if err != nil || string(got.Text) != want {
				t.Errorf("%s gives %s, %v, want %s", event, got.Text, err, want)
			}
		}
	})
	t.Run("in strict mode inside quotes", func(t *testing.T) {
		t.Parallel()
		got, err := compile(t, transform.Strict, nil, `"event: <aws.events.event.json>"`).Apply([]byte(`{"a":"b"}`), transform.Rule{})
		if want := `"event: {\"a\":\"b\"}"`; err != nil || string(got.Text) != want {
			t.Errorf("gives %s, %v, want %s", got.Text, err, want)
		}
	})
}

func TestRuleARN(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ region, bus, want string }{
		{"eu-west-1", "", "arn:aws:events:eu-west-1:111122223333:rule/r"},
		{"eu-west-1", "default", "arn:aws:events:eu-west-1:111122223333:rule/r"},
		{"eu-west-1", "security", "arn:aws:events:eu-west-1:111122223333:rule/security/r"},
		{"us-gov-west-1", "", "arn:aws-us-gov:events:us-gov-west-1:111122223333:rule/r"},
		{"us-isob-east-1", "", "arn:aws-iso-b:events:us-isob-east-1:111122223333:rule/r"},
	} {
		if got := transform.RuleARN(tt.region, "111122223333", tt.bus, "r"); got != tt.want {
			t.Errorf("RuleARN(%s, %q) = %s, want %s", tt.region, tt.bus, got, tt.want)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	event := `{"a":{"b-c_d":1.0,"list":[{"x":"p","y":[1,2]},{"x":"q","y":[3]},{"z":0},5],"none":[],"a/b":"slash","dup":1,"dup":{"k":2},"k\u0065y":"unescaped","été":"été"},"s":"text","a b":"space","it's":{"q\"q":9}}`
	const missing = "(missing)"
	for _, tt := range []struct{ name, path, want string }{
		{"the event", `$`, minified(t, event)},
		{"a member", `$.s`, `"text"`},
		{"a member of a member", `$.a.b-c_d`, `1.0`},
		{"a slash in a name", `$.a.a/b`, `"slash"`},
		{"letters of any language", `$.a.été`, `"été"`},
		{"a name written with an escape", `$.a.key`, `"unescaped"`},
		{"the last of two of one name", `$.a.dup`, `{"k":2}`},
		{"within the last of two of one name", `$.a.dup.k`, `2`},
		{"an element", `$.a.list[1].x`, `"q"`},
		{"an element of an element", `$.a.list[0].y[1]`, `2`},
		{"all elements", `$.a.list[*].x`, `["p","q"]`},
		{"all elements, with a dot", `$.a.list.*.x`, `["p","q"]`},
		{"all of all elements", `$.a.list[*].y[*]`, `[1,2,3]`},
		{"whole elements", `$.a.list[*].y`, `[[1,2],[3]]`},
		{"all members", `$.a.list[0].*`, `["p",[1,2]]`},
		{"all members in brackets", `$.a.list[0][*]`, `["p",[1,2]]`},
		{"all of an empty array", `$.a.none[*]`, `[]`},
		{"all of text", `$.s[*]`, `[]`},
		{"a wildcard behind which is nothing", `$.a.list[*].nope`, `[]`},
		{"a wildcard behind what is missing", `$.nope[*].x`, missing},
		{"no such member", `$.a.nope`, missing},
		{"below what is missing", `$.a.nope.deeper`, missing},
		{"a member of text", `$.s.x`, missing},
		{"a member of an array", `$.a.list.x`, missing},
		{"an element of an object", `$.a[0]`, missing},
		{"beyond the end", `$.a.list[99]`, missing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := compile(t, transform.AWS, map[string]string{"v": tt.path}, `{"v":<v>}`).Apply([]byte(event), transform.Rule{})
			want, gone := `{"v":`+tt.want+`}`, []string(nil)
			if tt.want == missing {
				want, gone = `{"v":""}`, []string{"v"}
			}
			if err != nil || string(got.Text) != want || !slices.Equal(got.Missing, gone) {
				t.Errorf("%s gives %s, missing %q, %v, want %s", tt.path, got.Text, got.Missing, err, want)
			}
			part, err := inputPath(t, tt.path).Apply([]byte(event), transform.Rule{})
			if tt.want == missing {
				if _, ok := errors.AsType[*transform.DropError](err); !ok {
					t.Errorf("as InputPath %s gives %s, %v, want a drop", tt.path, part.Text, err)
				}
				return
			}
			if err != nil || string(part.Text) != tt.want {
				t.Errorf("as InputPath %s gives %s, %v, want %s", tt.path, part.Text, err, tt.want)
			}
		})
	}
	for path, want := range map[string]string{
		`$['a b']`: `"space"`, `$["a b"]`: `"space"`, `$["it's"]['q"q']`: `9`, `$['a']['list'][0].x`: `"p"`, `$.a['b-c_d']`: `1.0`,
	} {
		t.Run("InputPath in brackets "+path, func(t *testing.T) {
			t.Parallel()
			got, err := inputPath(t, path).Apply([]byte(event), transform.Rule{})
			if err != nil || string(got.Text) != want {
				t.Errorf("%s gives %s, %v, want %s", path, got.Text, err, want)
			}
		})
	}
}

func inputPath(t testing.TB, path string) *transform.Transformer {
	t.Helper()
	out, err := transform.Target{ID: "1", InputPath: path}.Compile(transform.AWS)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOtherTargets(t *testing.T) {
	t.Parallel()
	event := "{ \"a\" : 1e2,\n\"b\":\"\xff\" }"
	for _, tt := range []struct {
		name   string
		target transform.Target
		want   string
	}{
		{"nothing said: the event", transform.Target{}, "{\"a\":1e2,\"b\":\"\uFFFD\"}"},
		{"Input", transform.Target{Input: `{"commands": [ "ls" ]}`}, `{"commands":["ls"]}`},
		{"Input that is a string", transform.Target{Input: ` "go" `}, `"go"`},
		{"InputPath to a string", transform.Target{InputPath: `$.b`}, "\"\uFFFD\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, mode := range []transform.Mode{transform.AWS, transform.Strict} {
				tr, err := tt.target.Compile(mode)
				if err != nil {
					t.Fatal(err)
				}
				got, err := tr.Apply([]byte(event), transform.Rule{})
				if err != nil || string(got.Text) != tt.want {
					t.Errorf("gives %s, %v, want %s", got.Text, err, tt.want)
				}
			}
		})
	}
}

func TestTextIsDeliveredAsItIsWritten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, template, want string }{
		{"two strings on a line", `"a:" "<text>"`, `"a:" "a b"`},
		{"strings without space between them", `"a:""<text>"`, `"a:""a b"`},
		{"a heredoc's indent and last line break", "  \"a\"\n\n  \"<text>\"\n", "  \"a\"\n\n  \"a b\"\n"},
		{"escapes", `"a\n\t\u00e9 \\ <text>"`, `"a\n\t\u00e9 \\ a b"`},
		{"a lone <", `"1 < 2 <text>`[:6] + `"`, `"1 < 2"`},
		{"a < whose > is on another line", "\"1 < 2\"\n\"3 > 2\"", "\"1 < 2\"\n\"3 > 2\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := compile(t, transform.AWS, valuePaths, tt.template).Apply([]byte(values), transform.Rule{})
			if err != nil || string(got.Text) != tt.want {
				t.Errorf("%q gives %q, %v, want %q", tt.template, got.Text, err, tt.want)
			}
		})
	}
}

func TestWhatIsReported(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, template  string
		missing, unsafe []string
	}{
		{"nothing to say", `{"a": "<text>", "b": <quoted>, "c": <list>}`, nil, nil},
		{"what is missing, once", `{"a": "<missing>", "b": <missing>}`, []string{"missing"}, nil},
		{"what came in as syntax, once, and got through", `{"a": "<inject>", "b": "<path>", "c": "<inject>"}`, nil, []string{"inject", "path"}},
		{"in text too", `"<quoted> <lines> <list> <text>"`, nil, []string{"quoted", "lines"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := compile(t, transform.AWS, valuePaths, tt.template).Apply([]byte(values), transform.Rule{})
			if err != nil || !slices.Equal(got.Missing, tt.missing) || !slices.Equal(got.Unsafe, tt.unsafe) {
				t.Errorf("Missing = %q, Unsafe = %q, %v, want %q and %q", got.Missing, got.Unsafe, err, tt.missing, tt.unsafe)
			}
		})
	}
}

func TestADropSaysWhoAndWhatNext(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, template, want string }{
		{
			"an object", "{\n  \"ok\": \"<text>\",\n  \"payload\": \"<object>\"\n}",
			`target 1: <object> at line 3:15 of InputTemplate: an object inside quotes, and its own quotation marks end them; give it a field of its own without quotes, as in {"object": <object>}, or use strict mode`,
		},
		{
			"an array", `{"a": "<text> <list>"}`,
			`target 1: <list> at line 1:15 of InputTemplate: an array inside quotes, and its own quotation marks end them; give it a field of its own without quotes, as in {"list": <list>}, or use strict mode`,
		},
		{
			"a string", `{"a": "é <lines>"}`,
			`target 1: <lines> at line 1:10 of InputTemplate: its text has a line break, which EventBridge does not escape inside quotes; give it a field of its own without quotes, as in {"lines": <lines>}, or use strict mode`,
		},
		{"the first of two", `{"a": "<list>", "b": "<lines>"}`, `<list>`},
		{"the second, for the first does no harm", `{"a": "<inject>", "b": "<lines>"}`, `<lines>`},
		{"the first, though the fault is seen later", `{"a": "<path>\\<path>", "b": "<quoted>"}`, `<quoted>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := compile(t, transform.AWS, valuePaths, tt.template).Apply([]byte(values), transform.Rule{})
			if _, ok := errors.AsType[*transform.DropError](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s\n gives %v\n want  %s", tt.template, err, tt.want)
			}
		})
	}
}

func TestAResultThatIsTooLarge(t *testing.T) {
	t.Parallel()
	big := fmt.Sprintf(`{"a": %q, "list": [%s1]}`, strings.Repeat("x", 300_000), strings.Repeat("12345678,", 150_000))
	for _, tt := range []struct {
		name   string
		target transform.Target
	}{
		{"a text many times", transform.Target{InputTransformer: &transform.InputTransformer{InputPathsMap: map[string]string{"a": "$.a"}, InputTemplate: `"` + strings.Repeat("<a>", 2000) + `"`}}},
		{"the event many times", transform.Target{InputTransformer: &transform.InputTransformer{InputTemplate: `[` + strings.Repeat("<aws.events.event.json>,", 300) + `1]`}}},
		{"an array that was gathered", transform.Target{InputPath: "$.list[*]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, mode := range []transform.Mode{transform.AWS, transform.Strict} {
				tr, err := tt.target.Compile(mode)
				if err != nil {
					t.Fatal(err)
				}
				got, err := tr.Apply([]byte(big), transform.Rule{})
				if _, ok := errors.AsType[*transform.DropError](err); !ok || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
					t.Errorf("gives %d bytes, %v, want a drop", len(got.Text), err)
				}
			}
		})
	}
}

func TestWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, event, want string }{
		{"nothing", ``, "event: offset 0: unexpected end of JSON input"},
		{"half", `{"detail": {"id": `, "event: offset 18: unexpected end of JSON input"},
		{"more behind it", `{} {}`, "event: offset 3: invalid character '{' after top-level value"},
		{"an array", `[{}]`, "event: offset 0: not an object"},
		{"too deep", strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000), "exceeded max depth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := inputPath(t, "$.detail").Apply([]byte(tt.event), transform.Rule{})
			if _, ok := errors.AsType[*transform.EventError](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("gives %v, want %s", err, tt.want)
			}
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range 101 {
		many[fmt.Sprint("n", i)] = "$.a"
	}
	it := func(paths map[string]string, template string) transform.Target {
		return transform.Target{ID: "1", InputTransformer: &transform.InputTransformer{InputPathsMap: paths, InputTemplate: template}}
	}
	a := map[string]string{"a": "$.a", "b": "$.b"}
	path := func(p string) transform.Target { return it(map[string]string{"a": p}, `<a>`) }
	for _, tt := range []struct {
		name        string
		target      transform.Target
		field, want string
	}{
		{"two of three", transform.Target{ID: "1", Input: "1", InputPath: "$"}, "Input, InputPath, InputTransformer", "Only one of Input, InputPath, or InputTransformer must be provided for target 1. "},
		{"a transformer and a path", transform.Target{InputPath: "$", InputTransformer: &transform.InputTransformer{}}, "Input, InputPath, InputTransformer", "Only one of Input, InputPath, or InputTransformer must be provided for the target. "},
		{"Input that is no JSON", transform.Target{ID: "1", Input: "go"}, "Input", "Input for target 1 is not a valid JSON text. At offset 0: invalid character 'g' looking for beginning of value; text has to be in double quotes."},
		{"Input that is too long", transform.Target{ID: "1", Input: `"` + strings.Repeat("é", 8191) + `"`}, "Input", "Input for target 1 has 8193 characters. EventBridge takes 8192 at most."},
		{"InputPath that is too long", transform.Target{ID: "1", InputPath: "$." + strings.Repeat("a", 255)}, "InputPath", "InputPath for target 1 has 257 characters. EventBridge takes 256 at most."},
		{"InputPath without $", transform.Target{ID: "1", InputPath: "detail"}, "InputPath", `InputPath for target 1 is not understood: "detail" does not begin with $.`},
		{"InputPath with an open bracket", transform.Target{ID: "1", InputPath: "$['a"}, "InputPath", `the quote or bracket is not closed`},

		{"a placeholder that is not there", it(a, `{"x": <c>}`), "InputTransformer.InputTemplate", "InputTemplate for target 1 contains invalid placeholder c. InputPathsMap has a, b; < and > cannot be escaped."},
		{"a placeholder without any path", it(nil, `"<c> and <c>"`), "InputTransformer.InputTemplate", "InputTemplate for target 1 contains invalid placeholder c. InputPathsMap is empty; < and > cannot be escaped."},
		{"a comparison that reads as a placeholder", it(a, `"1 < 2 and 3 > 2"`), "InputTransformer.InputTemplate", "InputTemplate for target 1 contains invalid placeholder  2 and 3 ."},
		{"a reserved name that is none", it(a, `<aws.events.event.id>`), "InputTransformer.InputTemplate", "contains invalid placeholder aws.events.event.id."},
		{"no template", it(a, ""), "InputTransformer.InputTemplate", "InputTemplate for target 1 is empty."},
		{"a template that is too long", it(a, `"`+strings.Repeat("é", 8191)+`"`), "InputTransformer.InputTemplate", "InputTemplate for target 1 has 8193 characters."},
		{"text without quotes", it(a, `Instance <a> is in state <b>`), "InputTransformer.InputTemplate", "Invalid InputTemplate for target 1: text without double quotes. Put each line in double quotes"},
		{"text without quotes that begins with a placeholder", it(a, `<a> is in state <b>`), "InputTransformer.InputTemplate", "Invalid InputTemplate for target 1: text without double quotes. Put each line in double quotes"},
		{"text behind the quotes", it(a, "\"<a>\"\n\"<b>\" seen"), "InputTransformer.InputTemplate", "Invalid InputTemplate for target 1: line 2:7: text outside of the double quotes."},
		{"a comma between strings", it(a, `"<a>", "<b>"`), "InputTransformer.InputTemplate", "line 1:6: text outside of the double quotes."},
		{"a placeholder outside the quotes of text", it(a, `"a" <a>`), "InputTransformer.InputTemplate", "line 1:5: text outside of the double quotes."},
		{"a quote that is not closed", it(a, `"a <a>`), "InputTransformer.InputTemplate", "unexpected end of JSON input."},
		{"a line break inside quotes", it(a, "\"<a>\nb\""), "InputTransformer.InputTemplate", `line 1:5: invalid character '\n' in string literal.`},
		{"JSON with a comma too many", it(a, "{\n  \"a\": <a>,\n}"), "InputTransformer.InputTemplate", "Invalid InputTemplate for target 1: line 3:1: invalid character '}' looking for beginning of object key string."},
		{"JSON with a comma too few", it(a, `{"é": <a> "b": <b>}`), "InputTransformer.InputTemplate", `line 1:11: invalid character '"' after object key:value pair.`},
		{"two placeholders side by side", it(a, `{"a": <a><b>}`), "InputTransformer.InputTemplate", "line 1:10: invalid character 'n' after object key:value pair."},
		{"a placeholder as a key", it(a, `{<a>: 1}`), "InputTransformer.InputTemplate", "line 1:2: <a> is an object key."},
		{"a placeholder in a key", it(a, `{"x<a>" : 1}`), "InputTransformer.InputTemplate", "InputTemplate for target 1 has <a> at line 1:4 in an object key."},
		{"a backslash before a placeholder", it(a, `{"x": "\<a>"}`), "InputTransformer.InputTemplate", "a backslash before a placeholder."},
		{"the event inside quotes", it(a, `{"x": "<aws.events.event>"}`), "InputTransformer.InputTemplate", `InputTemplate for target 1 has <aws.events.event> at line 1:8 inside quotes, and EventBridge would drop every event. Write it as the value of a JSON field, without quotes: {"event": <aws.events.event>}.`},
		{"the event in text", it(a, `"<aws.events.event.json>"`), "InputTransformer.InputTemplate", "has <aws.events.event.json> at line 1:2 inside quotes"},

		{"too many paths", it(many, `"a"`), "InputTransformer.InputPathsMap", "InputPathsMap for target 1 has 101 paths. EventBridge takes 100 at most."},
		{"a name with a dot", it(map[string]string{"a.b": "$.a"}, `"a"`), "InputTransformer.InputPathsMap[a.b]", "InputPathsMap for target 1 has a bad name: a.b."},
		{"a name that is empty", it(map[string]string{"": "$.a"}, `"a"`), `InputTransformer.InputPathsMap[""]`, `has a bad name: "".`},
		{"a name that is too long", it(map[string]string{strings.Repeat("a", 257): "$.a"}, `"a"`), "InputTransformer.InputPathsMap[" + strings.Repeat("a", 257) + "]", "A name has 1 to 256 of the characters"},
		{"a reserved name", it(map[string]string{"AWS.region": "$.a"}, `"a"`), "InputTransformer.InputPathsMap[AWS.region]", "defines AWS.region, and names that begin with AWS. are reserved."},
		{"a path that is too long", path("$." + strings.Repeat("a", 255)), "InputTransformer.InputPathsMap[a]", "The path of a in InputPathsMap for target 1 has 257 characters."},
		{"an empty path", path(""), "InputTransformer.InputPathsMap[a]", `The path of a in InputPathsMap for target 1 is not understood: "" does not begin with $.`},
		{"a path without a dot", path("$a"), "InputTransformer.InputPathsMap[a]", `at "a": "a" is not understood`},
		{"a path that ends in a dot", path("$.a."), "InputTransformer.InputPathsMap[a]", `at ".": a name is missing`},
		{"any depth", path("$..a"), "InputTransformer.InputPathsMap[a]", `at "..a": a name is missing`},
		{"a name with a space", path("$.Limit Amount"), "InputTransformer.InputPathsMap[a]", `at " Amount": " " is not understood`},
		{"brackets in InputPathsMap", path("$['a b']"), "InputTransformer.InputPathsMap[a]", `at "['a b']": EventBridge wants dot notation here`},
		{"a filter", path("$.a[?(@.b==1)]"), "InputTransformer.InputPathsMap[a]", "only [0], [1] … and [*] are understood"},
		{"from the end", path("$.a[-1]"), "InputTransformer.InputPathsMap[a]", "only [0], [1] … and [*] are understood"},
		{"a slice", path("$.a[0:2]"), "InputTransformer.InputPathsMap[a]", "only [0], [1] … and [*] are understood"},
		{"an index beyond reason", path("$.a[99999999999999999999]"), "InputTransformer.InputPathsMap[a]", "only [0], [1] … and [*] are understood"},
		{"a path that is not UTF-8", path("$.\xff"), "InputTransformer.InputPathsMap[a]", "a name is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.target.Compile(transform.AWS)
			e, ok := errors.AsType[*transform.Error](err)
			if !ok || !strings.Contains(err.Error(), tt.want) || e.Field != tt.field || e.Target != tt.target.ID {
				t.Errorf("Compile gives %v (%+v), want field %s and %s", err, e, tt.field, tt.want)
			}
		})
	}
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	_, err := transform.Target{ID: "1", InputTransformer: &transform.InputTransformer{
		InputPathsMap: map[string]string{"a": "b", "c d": "$.e"}, InputTemplate: `{"x": <f>, "y": <g>}`,
	}}.Compile(transform.AWS)
	want := `The path of a in InputPathsMap for target 1 is not understood: b does not begin with $. Write $.a.b, $.a[0] or $.a[*]; EventBridge itself does not check paths.
InputPathsMap for target 1 has a bad name: "c d". A name has 1 to 256 of the characters A-Z, a-z, 0-9, _ and -.
InputTemplate for target 1 contains invalid placeholder f. InputPathsMap has a, c d; < and > cannot be escaped.
InputTemplate for target 1 contains invalid placeholder g. InputPathsMap has a, c d; < and > cannot be escaped.`
	if err == nil || err.Error() != want {
		t.Errorf("Compile gives\n%v\nwant\n%s", err, want)
	}
}

func TestTheLimitsThemselvesAreAllowed(t *testing.T) {
	t.Parallel()
	paths := map[string]string{strings.Repeat("n", 256): "$." + strings.Repeat("p", 254)}
	for i := range 99 {
		paths[fmt.Sprint(i)] = "$.a"
	}
	for _, target := range []transform.Target{
		{InputTransformer: &transform.InputTransformer{InputPathsMap: paths, InputTemplate: `"` + strings.Repeat("é", 8190) + `"`}},
		{Input: `"` + strings.Repeat("é", 8190) + `"`},
		{InputPath: "$." + strings.Repeat("p", 254)},
	} {
		if _, err := target.Compile(transform.AWS); err != nil {
			t.Error(err)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	const one = `{"Id":"1","Arn":"arn:aws:sqs:::q","InputPath":"$.detail","SqsParameters":{"MessageGroupId":"g"}}`
	const it = `{"InputPathsMap":{"a":"$.a"},"InputTemplate":"<a>"}`
	for _, tt := range []struct {
		name, data string
		want       []string // ids
	}{
		{"a target", one, []string{"1"}},
		{"--targets file://", `[` + one + `, {"Id":"2","InputTransformer":` + it + `}]`, []string{"1", "2"}},
		{"--cli-input-json", `{"Rule":"r","EventBusName":"b","Targets":[` + one + `]}`, []string{"1"}},
		{"an InputTransformer alone", it, []string{""}},
		{"nothing to transform", `{"Id":"3","InputTransformer":null}`, []string{"3"}},
		{"no targets", `{"Targets":[]}`, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			targets, err := transform.Targets([]byte(tt.data))
			ids := []string{}
			for _, target := range targets {
				ids = append(ids, target.ID)
				if _, err := target.Compile(transform.AWS); err != nil {
					t.Errorf("target %s: %v", target.ID, err)
				}
			}
			if err != nil || !slices.Equal(ids, tt.want) {
				t.Errorf("Targets(%s) are %q, %v, want %q", tt.data, ids, err, tt.want)
			}
		})
	}
}

func TestWhatIsNoTarget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, data, want string }{
		{"nothing", ``, "The targets are not JSON"},
		{"no JSON", `{"Id": 1,}`, "The targets are not JSON: offset 9: invalid character '}'"},
		{"text", `"a"`, "A target is not an object."},
		{"an array of text", `["a"]`, "A target is not an object."},
		{"Targets that are none", `{"Targets": {}}`, "Targets is not an array."},
		{"two targets", `[{"Id":"1"},{"Id":"2"}]`, "There are 2 targets."},
		{"a misspelt member", `{"Id":"1","InputTransform":{}}`, `Target 1 has no member InputTransform. It may have Input, InputPath, InputTransformer.`},
		{"a member in another case", `{"Id":"1","inputPath":"$"}`, `Target 1 has no member inputPath.`},
		{"a misspelt member of the transformer", `{"Id":"1","InputTransformer":{"InputPathMap":{},"InputTemplate":"1"}}`, `InputTransformer of target 1 has no member InputPathMap. It may have InputPathsMap, InputTemplate.`},
		{"a misspelt member beside a template", `{"InputPathMap":{},"InputTemplate":"1"}`, `InputTransformer has no member InputPathMap.`},
		{"a path that is a number", `{"Id":"1","InputPath":5}`, "InputPath of target 1 is not a string."},
		{"a template that is JSON", `{"Id":"1","InputTransformer":{"InputTemplate":{"a":1}}}`, "InputTransformer.InputTemplate of target 1 is not a string."},
		{"paths that are an array", `{"InputPathsMap":[],"InputTemplate":"1"}`, "InputTransformer.InputPathsMap is not an object."},
		{"a path in the map that is a number", `{"Id":"1","InputTransformer":{"InputPathsMap":{"a":5},"InputTemplate":"1"}}`, "A path in InputTransformer.InputPathsMap of target 1 is not a string."},
		{"an id that is a number", `{"Id":1}`, "Id is not a string."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := transform.Parse([]byte(tt.data), transform.AWS)
			if _, ok := errors.AsType[*transform.Error](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse(%s) gives %v, want %s", tt.data, err, tt.want)
			}
		})
	}
}

// The GuardDuty guide's e-mail, and the same as JSON, of findings from the wild.
func TestGuardDuty(t *testing.T) {
	t.Parallel()
	findings, err := filepath.Glob("testdata/findings/*.json")
	if err != nil || len(findings) == 0 {
		t.Fatalf("findings = %q, %v", findings, err)
	}
	for _, name := range []string{"guardduty-email", "guardduty-json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all bytes.Buffer
			for _, mode := range []struct {
				name string
				mode transform.Mode
			}{{"AWS", transform.AWS}, {"strict", transform.Strict}} {
				target, err := transform.Parse(read(t, "testdata/"+name+".json"), mode.mode)
				if err != nil {
					t.Fatal(err)
				}
				for _, finding := range findings {
					got, err := target.Apply(read(t, finding), transform.Rule{})
					fmt.Fprintf(&all, "== %s, %s\n", strings.TrimSuffix(filepath.Base(finding), ".json"), mode.name)
					if err != nil {
						fmt.Fprintf(&all, "%v\n", err)
						continue
					}
					fmt.Fprintf(&all, "%s\nmissing %q, unsafe %q\n", got.Text, got.Missing, got.Unsafe)
				}
			}
			golden := "testdata/" + name + ".golden"
			if *update {
				if err := os.WriteFile(golden, all.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want := read(t, golden); !bytes.Equal(all.Bytes(), want) {
				t.Errorf("got\n%s\nwant\n%s", all.Bytes(), want)
			}
		})
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestATransformerMayBeShared(t *testing.T) {
	t.Parallel()
	tr := compile(t, transform.AWS, valuePaths, `{"a": <list>, "b": "<text>", "c": <aws.events.event.json>}`)
	want, err := tr.Apply([]byte(values), transform.Rule{})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for range 100 {
				got, err := tr.Apply([]byte(values), transform.Rule{})
				if err != nil || !bytes.Equal(got.Text, want.Text) {
					t.Errorf("gives %s, %v, want %s", got.Text, err, want.Text)
				}
			}
		})
	}
}
