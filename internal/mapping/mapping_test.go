package mapping_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/mapping"
)

// settings are as the configuration says them, here in JSON.
func settings(t testing.TB, text string) mapping.Settings {
	t.Helper()
	var s mapping.Settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("settings %s: %v", text, err)
	}
	return s
}

func dialect(t testing.TB, text string) collect.Dialect {
	t.Helper()
	d, err := settings(t, text).Dialect(nil)
	if err != nil {
		t.Fatalf("settings %s: %v", text, err)
	}
	return d
}

// looks is what tocsin knows of an event by its looks.
func looks(raw []byte) func() (tocsin.Detection, bool) {
	return func() (tocsin.Detection, bool) {
		f, ok, err := guardduty.Read(raw)
		if !ok || err != nil {
			return tocsin.Detection{}, false
		}
		return f.Detection(), true
	}
}

func read(t testing.TB, d collect.Dialect, raw string) collect.Reading {
	t.Helper()
	got, err := d.Read("tickets", []byte(raw), looks([]byte(raw)))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return got
}

// step is what a trace says under a name; several are joined.
func step(r collect.Reading, name string) string {
	var all []string
	for _, s := range r.Steps {
		if s.Name == name {
			all = append(all, s.Value)
		}
	}
	return strings.Join(all, "; ")
}

func TestFields(t *testing.T) {
	t.Parallel()
	const event = `{"id":" I-7 ","n":6.90,"state":"ALARM","message":"{\"host\":\"web-1\"}","tags":{"env":"prod"},"nothing":null,"empty":"","url":"https://a.example/b?c=d"}`
	const missing = "missing"
	for _, tt := range []struct{ name, field, want string }{
		{"a path", `"state"`, `"ALARM"`},
		{"a path through a text", `"message^host"`, `"web-1"`},
		{"what is not there", `"nowhere"`, missing},
		{"what the sns door has taken the envelope off", `"Message^state"`, `"ALARM"`},
		{"null is not there", `"nothing"`, missing},
		{"an empty text is there", `"empty"`, `""`},
		{"a text as it stands", `{"text":"payments"}`, `"payments"`},
		{"a number as text", `{"text":5.0}`, `"5"`},
		{"a template", `"{{message^host}} is in {{ state }}!"`, `"web-1 is in ALARM!"`},
		{"a template without one of its paths", `"{{nowhere}}{{state}}"`, `"ALARM"`},
		{"a template without any of its paths", `"it is {{nowhere}}"`, missing},
		{"the first that is there", `["nowhere","nothing","state","id"]`, `"ALARM"`},
		{"a text where nothing is there", `["nowhere",{"text":"none"}]`, `"none"`},
		{"an empty text is the first that is there", `["empty","state"]`, `""`},
		{"trim", `{"from":"id","then":["trim"]}`, `"I-7"`},
		{"one transform after the other", `{"from":"id","then":["trim","lower"]}`, `"i-7"`},
		{"upper", `{"from":"message^host","then":["upper"]}`, `"WEB-1"`},
		{"regex takes the first group", `{"from":"id","then":[{"regex":"I-([0-9]+)"}]}`, `"7"`},
		{"regex takes all without a group", `{"from":"id","then":[{"regex":"I-[0-9]+"}]}`, `"I-7"`},
		{"regex takes the group that is named", `{"from":"url","then":[{"regex":"(?P<scheme>[a-z]+)://(?P<host>[^/]+)","group":"host"}]}`, `"a.example"`},
		{"regex takes the group of that number", `{"from":"url","then":[{"regex":"([a-z]+)://([^/]+)","group":2}]}`, `"a.example"`},
		{"regex that does not match", `{"from":"id","then":[{"regex":"^X"}]}`, missing},
		{"regex whose group does not match", `{"from":"id","then":[{"regex":"I-7|(X)"}]}`, missing},
		{"map", `{"from":"state","then":[{"map":{"ALARM":"high","OK":"low"}}]}`, `"high"`},
		{"map leaves what it does not name", `{"from":"id","then":["trim",{"map":{"ALARM":"high"}}]}`, `"I-7"`},
		{"map with else", `{"from":"id","then":[{"map":{"ALARM":"high","else":"low"}}]}`, `"low"`},
		{"bands", `{"from":"n","then":[{"bands":{"<4":"low","<7":"medium","<9":"high","else":"critical"}}]}`, `"medium"`},
		{"bands in the order in which they are written", `{"from":"n","then":[{"bands":{">=1":"some",">=5":"many"}}]}`, `"some"`},
		{"bands compare decimals, not texts", `{"from":"n","then":[{"bands":{"<10":"less"}}]}`, `"less"`},
		{"an end that counts", `{"from":"n","then":[{"bands":{"<= 6.9":"in","else":"out"}}]}`, `"in"`},
		{"in no band", `{"from":"n","then":[{"bands":{"<4":"low"}}]}`, missing},
		{"what is no number is in no band", `{"from":"state","then":[{"bands":{"<4":"low","else":"x"}}]}`, missing},
		{"default", `{"from":"nowhere","then":[{"default":"unknown"}]}`, `"unknown"`},
		{"default is not for what is there", `{"from":"empty","then":[{"default":"unknown"}]}`, `""`},
		{"default behind what found nothing", `{"from":"state","then":[{"bands":{"<4":"low"}},{"default":"x"}]}`, `"x"`},
		{"a transform of what is not there", `{"from":"nowhere","then":["trim",{"regex":"x"},{"map":{"else":"x"}}]}`, missing},
		{"an object", `"tags"`, `"{\"env\":\"prod\"}"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := dialect(t, fmt.Sprintf(`{"map":{"key":{"text":"k"}},"facts":{"it":%s}}`, tt.field))
			got, _, _ := strings.Cut(step(read(t, d, event), "it"), " from ")
			if strings.HasPrefix(got, "missing: nothing at ") {
				got = missing
			}
			if got != tt.want {
				t.Errorf("%s = %s, want %s", tt.field, got, tt.want)
			}
		})
	}
}

// A path into a message looks nowhere else where there is a message.
func TestPathsIntoAMessageThatIsThere(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"map":{"key":{"text":"k"},"status":"Message^state"},"filters":[{"path":"Message^state","op":"missing"}]}`)
	for _, event := range []string{`{"Message":"hello","state":"outside"}`, `{"Message":"{\"a\":1}","state":"outside"}`} {
		if got := read(t, d, event); got.End != "" || !strings.HasPrefix(step(got, "status"), "missing: ") {
			t.Errorf("%s: %q, status %s; want it missing", event, got.End, step(got, "status"))
		}
	}
}

func TestMistakesInFields(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ field, want string }{
		{`"a^"`, `path "a^" has an empty segment; a caret in a key is written ^^`},
		{`""`, `path is empty`},
		{`"{{a"`, `"{{a": {{ without }}`},
		{`"{{}}"`, `"{{}}": path is empty`},
		{`[]`, `is an empty list: want at least one place`},
		{`5`, `got 5, want a path such as Message^id`},
		{`[["a"]]`, `got ["a"], want a path such as Message^id`},
		{`{"then":["trim"]}`, `want "from", where the value is, or "text", what it is`},
		{`{"from":"a","text":"b"}`, `want "from", where the value is, or "text", what it is`},
		{`{"form":"a"}`, `unknown key "form"`},
		{`{"text":["a"]}`, `text: got ["a"], want a text`},
		{`{"from":"a","then":["trimm"]}`, `no transform "trimm"; known: trim, lower, upper, and regex, map, bands, default with their settings`},
		{`{"from":"a","then":[{"regex":"("}]}`, "regex: error parsing regexp: missing closing ): `(`"},
		{`{"from":"a","then":[{"regex":"(a)","group":2}]}`, `group: the regex has no group 2`},
		{`{"from":"a","then":[{"regex":"(a)","group":"x"}]}`, `group: the regex has no group x`},
		{`{"from":"a","then":[{"default":"x","group":1}]}`, `group: it is of a regex, and there is none`},
		{`{"from":"a","then":[{"default":"x","map":{"a":"b"}}]}`, `2 transforms in one: want one of regex, map, bands, default`},
		{`{"from":"a","then":[{}]}`, `0 transforms in one: want one of regex, map, bands, default`},
		{`{"from":"a","then":[{"bands":{"~4":"x"}}]}`, `bands: "~4" is no band such as <4, <=6.9, >=7 or else`},
		{`{"from":"a","then":[{"bands":{"<four":"x"}}]}`, `bands: "<four" is no band such as <4, <=6.9, >=7 or else`},
		{`{"from":"a","then":[{"map":{}}]}`, `map: is empty`},
		{`{"from":"a","then":[{"map":{"a":{}}}]}`, `map: a: got {}, want a text`},
	} {
		var f mapping.Field
		if err := json.Unmarshal([]byte(tt.field), &f); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v\nwant %s", tt.field, err, tt.want)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	const event = `{"id":"7","state":"ALARM","n":6.90,"blanks":" 7\n","mapped":"::ffff:203.0.113.9","zone":"fe80::1%eth0","ip":"203.0.113.9","six":"2001:db8::1","hosts":[{"name":"web-1"},{"name":"db-1"}],"empty":"","nothing":null}`
	for _, tt := range []struct {
		filter string
		want   bool
	}{
		{`"path":"state","op":"is","values":"ALARM"`, true},
		{`"path":"state","op":"is","values":["OK","ALARM"]`, true},
		{`"path":"state","op":"is","values":"alarm"`, false},
		{`"path":"n","op":"is","values":6.9`, true},
		{`"path":"nowhere","op":"is","values":""`, false},
		{`"path":"empty","op":"is","values":""`, true},
		{`"path":"state","op":"is not","values":"OK"`, true},
		{`"path":"state","op":"is not","values":["OK","ALARM"]`, false},
		{`"path":"nowhere","op":"is not","values":"OK"`, true},
		{`"path":"state","op":"contains","values":"LAR"`, true},
		{`"path":"state","op":"contains","values":["x","y"]`, false},
		{`"path":"state","op":"not contains","values":["x","y"]`, true},
		{`"path":"state","op":"not contains","values":["x","LAR"]`, false},
		{`"path":"state","op":"starts","values":"AL"`, true},
		{`"path":"state","op":"ends","values":"RM"`, true},
		{`"path":"state","op":"ends","values":"AL"`, false},
		{`"path":"state","op":"matches","values":"^A.*M$"`, true},
		{`"path":"state","op":"matches","values":["^x","L"]`, true},
		{`"path":"state","op":"not matches","values":"^x"`, true},
		{`"path":"state","op":"not matches","values":"L"`, false},
		{`"path":"state","op":"exists"`, true},
		{`"path":"empty","op":"exists"`, true},
		{`"path":"nothing","op":"exists"`, false},
		{`"path":"nowhere","op":"missing"`, true},
		{`"path":"state","op":"missing"`, false},
		{`"path":"n","op":">","values":6.9`, false},
		{`"path":"n","op":">=","values":"6.90"`, true},
		{`"path":"n","op":"<","values":10`, true},
		{`"path":"n","op":"<=","values":6.89999999999999999999`, false},
		{`"path":"state","op":"<","values":10`, false},
		{`"path":"nowhere","op":"<","values":10`, false},
		{`"path":"n","op":"between","values":[6.9,7]`, true},
		{`"path":"n","op":"between","values":[7,8]`, false},
		{`"path":"ip","op":"in cidr","values":["10.0.0.0/8","203.0.113.0/24"]`, true},
		{`"path":"ip","op":"in cidr","values":"10.0.0.0/8"`, false},
		{`"path":"six","op":"in cidr","values":"2001:db8::/32"`, true},
		{`"path":"state","op":"in cidr","values":"10.0.0.0/8"`, false},
		{`"path":"hosts^*^name","op":"is","values":"db-1"`, true},
		{`"path":"hosts^*^name","op":"is not","values":"db-1"`, false},
		{`"path":"hosts^*^name","op":"starts","values":["mail"]`, false},
		{`"path":"Message^state","op":"is","values":"ALARM"`, true},
		{`"path":"n","op":"between","values":[5,6.9]`, true},
		{`"path":"n","op":"between","values":[6.9,6.9]`, true},
		{`"path":"n","op":"between","values":[5,6.8999]`, false},
		{`"path":"n","op":"<","values":6.9`, false},
		{`"path":"blanks","op":">","values":6`, true},
		{`"path":"ip","op":"in cidr","values":"203.0.113.200/24"`, true},
		{`"path":"mapped","op":"in cidr","values":"203.0.113.0/24"`, true},
		{`"path":"zone","op":"in cidr","values":"fe80::/10"`, true},
		{`"path":"ip","op":"in cidr","values":"2001:db8::/32"`, false},
		{`"all":[{"path":"state","op":"is","values":"ALARM"},{"path":"n","op":">","values":5}]`, true},
		{`"all":[{"path":"state","op":"is","values":"ALARM"},{"path":"n","op":">","values":50}]`, false},
		{`"any":[{"path":"state","op":"is","values":"OK"},{"path":"n","op":">","values":5}]`, true},
		{`"any":[{"path":"state","op":"is","values":"OK"},{"path":"n","op":">","values":50}]`, false},
		{`"all":[{"path":"id","op":"exists"},{"any":[{"path":"state","op":"is","values":"OK"},{"path":"n","op":">","values":5}]}]`, true},
		{`"any":[{"path":"id","op":"missing"},{"all":[{"path":"state","op":"is","values":"ALARM"},{"path":"n","op":">","values":50}]}]`, false},
	} {
		t.Run(tt.filter, func(t *testing.T) {
			t.Parallel()
			d := dialect(t, fmt.Sprintf(`{"filters":[{%s}],"map":{"key":"id"}}`, tt.filter))
			got := read(t, d, event)
			if passed := got.End == ""; passed != tt.want || (!passed && got.End != tocsin.Filtered) {
				t.Errorf("passed: %v (%s), want %v; %s", passed, got.End, tt.want, step(got, "filter"))
			}
		})
	}
}

func TestAFilterThatStopsIsNamed(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"map":{"key":"id"},"filters":[
		{"path":"id","op":"exists"},
		{"name":"production only","any":[{"path":"env","op":"is","values":["prod","live"]},{"path":"team","op":"is","values":"soc"}]}]}`)
	got := read(t, d, `{"id":"7","env":"test"}`)
	if want := `filter production only: env is "test"; team is missing`; got.End != tocsin.Filtered || got.Reason != want {
		t.Errorf("%s, %s; want filtered, %s", got.End, got.Reason, want)
	}
	if want := `id exists: passed: id is "7"; production only: stopped: env is "test"; team is missing`; step(got, "filter") != want {
		t.Errorf("the trace says\n%s\nwant\n%s", step(got, "filter"), want)
	}
}

// What a filter stops is listed as what it is.
func TestAFindingThatIsFilteredIsListedAsOne(t *testing.T) {
	t.Parallel()
	known, _ := looks(finding(t))()
	got := read(t, dialect(t, `{"map":{"key":"id"},"filters":[{"path":"detail^type","op":"is","values":"x"}]}`), string(finding(t)))
	if got.End != tocsin.Filtered || got.Detection.Type != known.Type || got.Detection.Account != known.Account {
		t.Errorf("%s: %q of %q, want %q of %q", got.End, got.Detection.Type, got.Detection.Account, known.Type, known.Account)
	}
}

func TestMistakesInSettingsSayWhere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ settings, want string }{
		{`{"preset":"alertop"}`, `preset: no preset "alertop" (did you mean "alertops"?)`},
		{`{"map":{"subject":"a"}}`, `map: neither key nor source_id is mapped: say what makes two events one alert`},
		{`{"filters":[{}]}`, `filters[0]: want one of "path" with "op", "all" and "any"`},
		{`{"filters":[{"path":"a","op":"exists"},{"path":"a","op":"iss","values":"x"}]}`, `filters[1].op: no "iss" (did you mean "is"?)`},
		{`{"filters":[{"path":"a^","op":"exists"}]}`, `filters[0].path: path "a^" has an empty segment; a caret in a key is written ^^`},
		{`{"filters":[{"path":"a","op":"is"}]}`, `filters[0].values: is wants at least one`},
		{`{"filters":[{"path":"a","op":"missing","values":1}]}`, `filters[0].values: missing takes none`},
		{`{"filters":[{"path":"a","op":"matches","values":"("}]}`, "filters[0].values: error parsing regexp: missing closing ): `(`"},
		{`{"filters":[{"path":"a","op":"<","values":"x"}]}`, `filters[0].values: "x" is no number`},
		{`{"filters":[{"path":"a","op":"between","values":[7,5]}]}`, `filters[0].values: between wants two numbers, the smaller first`},
		{`{"filters":[{"path":"a","op":"in cidr","values":"10.0.0.0"}]}`, `filters[0].values: "10.0.0.0" is no range such as 10.0.0.0/8`},
		{`{"filters":[{"all":[{"path":"a","op":"exists"},{"any":[{"path":"a","op":"x","values":1}]}]}]}`, `filters[0].all[1].any[0].op: no "x"`},
		{`{"filters":[{"op":"exists","any":[{"path":"a","op":"exists"}]}]}`, `filters[0]: want one of "path" with "op", "all" and "any"`},
		{`{"filters":[{"any":[]}]}`, `filters[0].any: is empty`},
		{`{"filters":[{"path":"a","op":"<","values":[5,7]}]}`, `filters[0].values: < wants one number`},
		{`{"filters":[{"path":"a","op":"exists","all":[]}]}`, `filters[0]: want one of "path" with "op", "all" and "any"`},
		{`{"map":{"key":"a","status":"b"},"open":{"statsu":["x"]}}`, `open: asks for "statsu", which is not mapped (did you mean "status"?)`},
		{`{"map":{"key":"a"},"close":{"$or":[{"status":["x"]},{"key":["y"]}]}}`, `close: asks for "status", which is not mapped; known: key`},
	} {
		if _, err := settings(t, tt.settings).Dialect(nil); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v\nwant %s", tt.settings, err, tt.want)
		}
	}
	for _, tt := range []struct{ condition, want string }{
		{`{"status":"x"}`, `$.status: `},
		{`{"status":[5,"x",{"anything-but":["y"]}]}`, `status: beside anything-but it is asked for numbers and for texts: want one of the two`},
	} {
		var c mapping.Condition
		if err := json.Unmarshal([]byte(tt.condition), &c); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v\nwant %s", tt.condition, err, tt.want)
		}
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := settings(t, `{"filters":[{},{"path":"a","op":"x"}],"map":{"subject":"a"},"open":{"x":["y"]}}`).Dialect(nil)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 4 {
		t.Errorf("errors:\n%v\nwant four", err)
	}
}

func TestNoSettingsAreTheKindsOwnDialect(t *testing.T) {
	t.Parallel()
	if d, err := (mapping.Settings{}).Dialect(nil); d != nil || err != nil || !(mapping.Settings{}).IsZero() {
		t.Errorf("Dialect = %v, %v; want none", d, err)
	}
	own := kind{}
	if d, err := (mapping.Settings{}).Dialect(own); d != own || err != nil {
		t.Errorf("Dialect = %v, %v; want the kind's own", d, err)
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	const all = `{"map":{"key":"id","status":"state","severity":"sev"},
		"close":{"status":["OK",0]},"update":{"status":[{"prefix":"INSUF"}]},"acknowledge":{"status":["ACK"]},"open":{"status":["ALARM"]}}`
	for _, tt := range []struct {
		name, settings, event string
		intent                tocsin.Intent
		end                   tocsin.Verdict
		why                   string
	}{
		{"opens", all, `{"id":1,"state":"ALARM"}`, "", "", `open: status is "ALARM"`},
		{"closes", all, `{"id":1,"state":"OK"}`, tocsin.IntentClose, "", `close: status is "OK"`},
		{"closes by a number", all, `{"id":1,"state":0.0}`, tocsin.IntentClose, "", `close: status is "0"`},
		{"closes by a number in a text", all, `{"id":1,"state":"0"}`, tocsin.IntentClose, "", `close: status is "0"`},
		{"updates", all, `{"id":1,"state":"INSUFFICIENT_DATA"}`, tocsin.IntentUpdate, "", `update: status is "INSUFFICIENT_DATA"`},
		{"acknowledges", all, `{"id":1,"state":"ACK"}`, tocsin.IntentAcknowledge, "", `acknowledge: status is "ACK"`},
		{"is ignored", all, `{"id":1,"state":"odd"}`, "", tocsin.Ignored, `none: status is "odd"`},
		{"is ignored without the field", all, `{"id":1}`, "", tocsin.Ignored, `none: status is missing`},
		{"the first that matches decides", `{"map":{"key":"id","status":"state"},"close":{"status":["x"]},"open":{"status":["x"]}}`, `{"id":1,"state":"x"}`, tocsin.IntentClose, "", `close: status is "x"`},
		{"without open the rest opens", `{"map":{"key":"id","status":"state"},"close":{"status":["OK"]}}`, `{"id":1,"state":"x"}`, "", "", `open: no other condition wants it: status is "x"`},
		{"without conditions everything opens", `{"map":{"key":"id"}}`, `{"id":1}`, "", "", `open: there is no condition`},
		{"a range of numbers", `{"map":{"key":"id","severity":"sev"},"open":{"severity":[{"numeric":[">=",5]}]}}`, `{"id":1,"sev":"5.0"}`, "", "", `open: severity is "5.0"`},
		{"a number with blanks around it, as filters and bands read it", `{"map":{"key":"id","severity":"sev"},"open":{"severity":[{"numeric":[">=",5]}]}}`, `{"id":1,"sev":" 5\n"}`, "", "", `open: severity is " 5\n"`},
		{"a number that is beyond all numbers", `{"map":{"key":"id","severity":"sev"},"open":{"severity":[{"numeric":[">=",5]}]}}`, `{"id":1,"sev":1e999}`, "", tocsin.Ignored, `none: severity is "1e999"`},
		{"what is no number", `{"map":{"key":"id","severity":"sev"},"open":{"severity":[{"numeric":[">=",5]}]}}`, `{"id":1,"sev":"NaN"}`, "", tocsin.Ignored, `none: severity is "NaN"`},
		{"a number beside texts is asked as both", `{"map":{"key":"id","severity":"sev"},"open":{"severity":["5",{"numeric":[">",7]}]}}`, `{"id":1,"sev":5}`, "", "", `open: severity is "5"`},
		{"a tag by its path", `{"map":{"key":"id","tags":"tags"},"open":{"tags.env":["prod"]}}`, `{"id":1,"tags":"env=prod"}`, "", "", `open: tags is "env=prod"`},
		{"a boolean", `{"map":{"key":"id"},"facts":{"over":"over"},"close":{"over":[true]}}`, `{"id":1,"over":true}`, tocsin.IntentClose, "", `close: over is "true"`},
		{"account ids are texts", `{"map":{"key":"id","account":"acc"},"open":{"account":[{"prefix":"1111"}]}}`, `{"id":1,"acc":"111122223333"}`, "", "", `open: account is "111122223333"`},
		{"tags are an object", `{"map":{"key":"id","tags":"tags"},"open":{"tags":{"env":["prod"]}}}`, `{"id":1,"tags":{"env":"prod"}}`, "", "", `open: tags is "{\"env\":\"prod\"}"`},
		{"not there", `{"map":{"key":"id","status":"state"},"open":{"status":[{"exists":false}]}}`, `{"id":1}`, "", "", `open: status is missing`},
		{"anything but", `{"map":{"key":"id","status":"state"},"open":{"status":[{"anything-but":["0"]}]}}`, `{"id":1,"state":0}`, "", tocsin.Ignored, `none: status is "0"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := read(t, dialect(t, tt.settings), tt.event)
			if got.End != tt.end || got.Detection.Intent != tt.intent || got.Detection.Over != (tt.intent == tocsin.IntentClose) {
				t.Errorf("end %q, intent %q, over %v; want %q, %q", got.End, got.Detection.Intent, got.Detection.Over, tt.end, tt.intent)
			}
			if step(got, "decision") != tt.why {
				t.Errorf("the trace says %s, want %s", step(got, "decision"), tt.why)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, settings, event, want string }{
		{"the key", `{"map":{"key":"id"}}`, `{"id":" A/7 "}`, "source/tickets/A~17"},
		{"name and id", `{"map":{"source_name":"host","source_id":"id"}}`, `{"host":"web-1","id":7.0}`, "source/tickets/web-1/7"},
		{"an id without a name", `{"map":{"source_name":"host","source_id":"id"}}`, `{"id":7}`, "source/tickets//7"},
		{"the sender's system", `{"map":{"source":{"text":"nagios"},"source_id":"id"}}`, `{"id":7}`, "source/nagios//7"},
		{"the key goes before name and id", `{"map":{"key":"k","source_name":"host","source_id":"id"}}`, `{"k":"K","host":"web-1","id":7}`, "source/tickets/K"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := read(t, dialect(t, tt.settings), tt.event).Detection
			if string(got.Key) != tt.want {
				t.Errorf("key %s, want %s", got.Key, tt.want)
			}
		})
	}
}

func TestLongKeysStayApart(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"map":{"key":"id"}}`)
	key := func(id string) string { return string(read(t, d, `{"id":"`+id+`"}`).Detection.Key) }
	most, long := strings.Repeat("x", 512), strings.Repeat("x", 513)
	if got := key(most); got != "source/tickets/"+most {
		t.Errorf("512 bytes are a key as they are: %s", got)
	}
	if a, b := key(long), key(long+"y"); len(a) != len("source/tickets/")+64 || a == b {
		t.Errorf("keys %s and %s, want digests that differ", a, b)
	}
}

func TestWithoutAKeyAnEventIsMalformed(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"map":{"key":["id","Message^id"]}}`)
	for _, tt := range []struct{ event, want string }{
		{`{"a":1}`, "map.key: nothing at id, Message^id, so that nothing says which alert it is of"},
		{`{"id":" "}`, "map.key: nothing at id, Message^id, so that nothing says which alert it is of"},
		{`oops`, "not JSON: a value is missing at byte 0"},
	} {
		if _, err := d.Read("tickets", []byte(tt.event), looks(nil)); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.event, err, tt.want)
		}
	}
}

const everything = `{"map":{
	"source_name":"monitor","source_id":"id","status":"state","severity":"priority","type":"kind","subject":"title","content":"text",
	"url":"link","entity":"host","account":"account","region":"region","topic":"topic","assignee":"who","tags":"labels",
	"occurred_at":"at","updated_at":"changed"},
	"facts":{"Runbook":"runbook","Count":"n"}}`

const ticket = `{"monitor":"disk","id":"T-1","state":"ALARM","priority":"P2","kind":"Disk full","title":"Disk of db-1 is full\u202e","text":"See https://evil.example/x\nnow",
	"link":"https://monitor.example.com/t/1","host":"db-1","account":"111122223333","region":"eu-west-1","topic":"storage","who":"ana",
	"labels":{"env":"prod","tier":1},"at":"2026-03-01T12:00:00Z","changed":1772366460,"runbook":"wipe it","n":5.0}`

func TestWhatBecomesOfTheFields(t *testing.T) {
	t.Parallel()
	got := read(t, dialect(t, everything), ticket)
	want := tocsin.Detection{
		Key: "source/tickets/disk/T-1", Dialect: "map", Type: "Disk full", ID: "T-1", Level: tocsin.High,
		Headline: "Disk of db-1 is full", Title: "Disk of db-1 is full", Description: "See hxxps://evil[.]example/x now",
		Account: "111122223333", Region: "eu-west-1",
		Resource:  tocsin.Resource{ID: "db-1", Tags: map[string]string{"env": "prod", "tier": "1"}},
		FirstSeen: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), LastSeen: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		UpdatedAt: time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC),
		Facts: []tocsin.Fact{
			{Name: "From", Value: "disk"},
			{Name: "Status", Value: "ALARM"},
			{Name: "Topic", Value: "storage"},
			{Name: "Assignee", Value: "ana"},
			{Name: "Link", Value: "https://monitor.example.com/t/1"},
			{Name: "Count", Value: "5"},
			{Name: "Runbook", Value: "wipe it"},
		},
	}
	if diff := cmp.Diff(want, got.Detection); diff != "" {
		t.Errorf("detection (-want +got):\n%s", diff)
	}
}

func TestSeverities(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"map":{"key":"id","severity":"s"}}`)
	for _, tt := range []struct {
		severity string
		want     tocsin.Level
		number   float64
	}{
		{`"high"`, tocsin.High, 0},
		{`" Warning "`, tocsin.Medium, 0},
		{`"ERROR"`, tocsin.High, 0},
		{`"P1"`, tocsin.Critical, 0},
		{`8.0`, tocsin.High, 8},
		{`"9"`, tocsin.Critical, 9},
		{`0`, tocsin.Informational, 0},
		{`10`, tocsin.Critical, 10},
		{`10.01`, tocsin.Medium, 0},
		{`1e999`, tocsin.Medium, 0},
		{`"NaN"`, tocsin.Medium, 0},
		{`11`, tocsin.Medium, 0},
		{`"odd"`, tocsin.Medium, 0},
		{`null`, tocsin.Medium, 0},
	} {
		got := read(t, d, `{"id":1,"s":`+tt.severity+`}`).Detection
		if got.Level != tt.want || got.Severity != tt.number {
			t.Errorf("%s: %s, %v; want %s, %v", tt.severity, got.Level, got.Severity, tt.want, tt.number)
		}
	}
	if got := step(read(t, d, `{"id":1,"s":"odd"}`), "severity"); got != `"odd" from s; is neither a level nor a number from 0 to 10: medium` {
		t.Errorf("the trace says %s", got)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"map":{"key":"id","tags":"t"}}`)
	for _, tt := range []struct {
		tags string
		want map[string]string
	}{
		{`{"env":"prod","n":1.0,"x":null}`, map[string]string{"env": "prod", "n": "1"}},
		{`"env=prod, team:soc ,urgent"`, map[string]string{"env": "prod", "team": "soc", "urgent": ""}},
		{`["env=prod","team:soc"]`, map[string]string{"env": "prod", "team": "soc"}},
		{`"{\"env\":\"prod\"}"`, map[string]string{"env": "prod"}},
		{`""`, map[string]string{}},
		{`"=nobody,:nothing, = x,"`, map[string]string{"=nobody": "", ":nothing": ""}},
	} {
		got := read(t, d, `{"id":1,"t":`+tt.tags+`}`).Detection.Resource.Tags
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.tags, diff)
		}
	}
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprintf("n%02d=x", i))
	}
	if got := read(t, d, `{"id":1,"t":"`+strings.Join(many, ",")+`"}`).Detection.Resource.Tags; len(got) != 50 || got["n49"] != "x" {
		t.Errorf("of 51 tags %d are kept, want the first 50", len(got))
	}
}

// What does not fit into its place is left out of it, and nothing else is.
func TestFieldsThatDoNotFit(t *testing.T) {
	t.Parallel()
	facts := make([]string, 13)
	for i := range facts {
		facts[i] = fmt.Sprintf(`"f%02d":{"text":"x"}`, i)
	}
	d := dialect(t, `{"map":{"key":"id","url":"link","occurred_at":"at","severity":"sev"},"facts":{`+strings.Join(facts, ",")+`}}`)
	got := read(t, d, `{"id":1,"link":"javascript:alert(1)","at":"yesterday","sev":"odd"}`)
	if n := len(got.Detection.Facts); n != 12 || got.Detection.Facts[0].Name != "f00" || got.Detection.Facts[11].Name != "f11" {
		t.Errorf("%d facts, want the first 12 of those that were asked for: %v", n, got.Detection.Facts)
	}
	if !strings.Contains(step(got, "url"), "is no http or https address: left out") {
		t.Errorf("the trace says of the link: %s", step(got, "url"))
	}
}

// A value as long as a trace shows is shown whole, and a longer one is cut where a
// character ends.
func TestTracesShowTheBeginningOfLongValues(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"map":{"key":{"text":"k"},"subject":"s"}}`)
	for _, tt := range []struct {
		characters int
		want       string
	}{
		{120, strings.Repeat("漢", 120)},
		{121, strings.Repeat("漢", 120) + "…"},
	} {
		if got := step(read(t, d, `{"s":"`+strings.Repeat("漢", tt.characters)+`"}`), "subject"); got != `"`+tt.want+`" from s` {
			t.Errorf("%d characters are shown as %s", tt.characters, got)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"map":{"key":"id","occurred_at":"t"}}`)
	want := time.Date(2026, 3, 1, 12, 0, 0, 500e6, time.UTC)
	for _, text := range []string{`"2026-03-01T12:00:00.5Z"`, `"2026-03-01T13:00:00.500+01:00"`, `"2026-03-01T12:00:00.500+0000"`, `"2026-03-01 12:00:00.5Z"`, `1772366400.5`, `1772366400500`, `"1772366400500"`} {
		if got := read(t, d, `{"id":1,"t":`+text+`}`).Detection.LastSeen; !got.Equal(want) {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{`"yesterday"`, `-1`, `1e300`, `""`} {
		if got := read(t, d, `{"id":1,"t":`+text+`}`); !got.Detection.LastSeen.IsZero() || !strings.Contains(step(got, "occurred_at"), "is no time: left out") {
			t.Errorf("%s is %v; the trace says %s", text, got.Detection.LastSeen, step(got, "occurred_at"))
		}
	}
}

func TestNewsSaysOnlyWhatItSays(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"map":{"key":"id","status":"s","subject":"title","severity":"sev"},"update":{"status":["u"]}}`)
	got := read(t, d, `{"id":1,"s":"u"}`).Detection
	if got.Level != tocsin.Unknown || got.Title != "" || got.Headline != "" {
		t.Errorf("news without a title and a level has %q and %s", got.Title, got.Level)
	}
	got = read(t, d, `{"id":1,"s":"u","title":"worse","sev":"critical"}`).Detection
	if got.Level != tocsin.Critical || got.Title != "worse" {
		t.Errorf("news of %q, %s; want worse, critical", got.Title, got.Level)
	}
	got = read(t, d, `{"id":1,"s":"x"}`).Detection
	if got.Level != tocsin.Medium || got.Title != "1 from tickets" || got.Type != "tickets" {
		t.Errorf("what opens without a title is %q of %q, %s", got.Title, got.Type, got.Level)
	}
}

func TestAMapIsLaidOverAFinding(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"map":{"subject":{"text":"Probe"},"topic":"detail^type","source_id":"id"}}`)
	for name, raw := range map[string]string{"as it is": string(finding(t)), "in an SNS envelope": string(sns(t, string(finding(t))))} {
		known, _ := looks(finding(t))()
		want := known
		want.Title, want.Headline = "Probe", "Probe"
		if name == "as it is" {
			want.Facts = append(want.Facts, tocsin.Fact{Name: "Topic", Value: "Recon:EC2/PortProbeUnprotectedPort"})[:min(12, len(known.Facts)+1)]
		}
		got := read(t, d, raw).Detection
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := read(t, dialect(t, `{"map":{"key":"detail^type"}}`), string(finding(t))).Detection.Key; got != "source/tickets/Recon:EC2~1PortProbeUnprotectedPort" {
		t.Errorf("a key that is written goes before the finding's own: %s", got)
	}
}

// kind is a source's kind that knows what it brings.
type kind struct{}

func (kind) Read(source string, raw []byte, _ func() (tocsin.Detection, bool)) (collect.Reading, error) {
	r := collect.Reading{
		Detection: tocsin.Detection{Key: tocsin.KeyOf("kind", source, string(raw)), Dialect: "kind", Title: "as the kind has it", Level: tocsin.Low},
		Steps:     []tocsin.Fact{{Name: "kind", Value: "read"}},
	}
	switch {
	case strings.Contains(string(raw), "over"):
		r.Detection.Intent, r.Detection.Over = tocsin.IntentClose, true
	case strings.Contains(string(raw), "change"):
		r.End, r.Reason = tocsin.Ignored, "a change"
	case strings.Contains(string(raw), "broken"):
		return r, errors.New("broken")
	}
	return r, nil
}

func TestAMapIsLaidOverWhatTheKindReads(t *testing.T) {
	t.Parallel()
	d, err := settings(t, `{"map":{"severity":"sev"},"filters":[{"path":"drop","op":"missing"}]}`).Dialect(kind{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		raw    string
		level  tocsin.Level
		intent tocsin.Intent
		end    tocsin.Verdict
	}{
		{`{"sev":"critical"}`, tocsin.Critical, "", ""},
		{`{}`, tocsin.Low, "", ""},
		{`{"x":"over"}`, tocsin.Low, tocsin.IntentClose, ""},
		{`{"x":"change"}`, tocsin.Low, "", tocsin.Ignored},
		{`{"drop":1}`, tocsin.Unknown, "", tocsin.Filtered},
	} {
		got := read(t, d, tt.raw)
		if got.Detection.Level != tt.level || got.Detection.Intent != tt.intent || got.End != tt.end {
			t.Errorf("%s: %s, %q, %q; want %s, %q, %q", tt.raw, got.Detection.Level, got.Detection.Intent, got.End, tt.level, tt.intent, tt.end)
		}
		if tt.end == "" && got.Detection.Key != tocsin.KeyOf("kind", "tickets", tt.raw) {
			t.Errorf("%s: key %s, want the kind's own", tt.raw, got.Detection.Key)
		}
		if tt.end != tocsin.Filtered && step(got, "kind") != "read" || !strings.HasPrefix(step(got, "filter"), "drop missing: ") {
			t.Errorf("%s: the trace is %v, want what the filter and the kind say", tt.raw, got.Steps)
		}
	}
	if _, err := d.Read("tickets", []byte(`{"x":"broken"}`), looks(nil)); err == nil || err.Error() != "broken" {
		t.Errorf("Read = %v, want what the kind says", err)
	}
}

func TestTraceTellsEachStep(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"filters":[{"name":"ours","path":"env","op":"is","values":"prod"}],
		"map":{"key":["Message^uid","id"],"status":"state","subject":"{{host}} is {{state}}","severity":{"from":"n","then":[{"bands":{"<4":"low","else":"high"}}]}},
		"facts":{"Note":"note"},"open":{"status":["ALARM"]}}`)
	got := read(t, d, `{"id":"7","env":"prod","state":"ALARM","host":"web-1","n":5}`)
	want := []tocsin.Fact{
		{Name: "filter", Value: `ours: passed: env is "prod"`},
		{Name: "key", Value: `"7" from id`},
		{Name: "status", Value: `"ALARM" from state`},
		{Name: "severity", Value: `"high" from n`},
		{Name: "subject", Value: `"web-1 is ALARM" from {{host}} is {{state}}`},
		{Name: "Note", Value: "missing: nothing at note"},
		{Name: "decision", Value: `open: status is "ALARM"`},
		{Name: "key", Value: "source/tickets/7"},
	}
	if diff := cmp.Diff(want, got.Steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestAnAlertOpsMap(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"preset":"alertops"}`)
	form := "SourceName=web-1&SourceId=77&SourceStatus=Open&Severity=Critical&ShortText=Disk+full&LongText=all+of+it&Topic=storage&SourceURL=https%3A%2F%2Fm.example.com%2F77"
	posted := `{"SourceName":"web-1","SourceId":77,"SourceStatus":"Open","Severity":"Critical","ShortText":"Disk full","LongText":"all of it","Topic":"storage","SourceURL":"https://m.example.com/77"}`
	fromForm, fromJSON := read(t, d, form).Detection, read(t, d, posted).Detection
	if diff := cmp.Diff(fromForm, fromJSON); diff != "" {
		t.Errorf("a form and JSON of the same differ (-form +JSON):\n%s", diff)
	}
	if fromForm.Key != "source/tickets/web-1/77" || fromForm.Title != "Disk full" || fromForm.Level != tocsin.Critical || fromForm.Intent != "" {
		t.Errorf("detection %+v", fromForm)
	}
	for status, want := range map[string]tocsin.Intent{
		"closed": tocsin.IntentClose, "CLOSED": tocsin.IntentClose, "Resolved\n": tocsin.IntentClose, "ok": tocsin.IntentClose, "0": tocsin.IntentClose,
		"Update": tocsin.IntentUpdate, "acknowledged": tocsin.IntentAcknowledge, "down": "", "": "",
	} {
		if got := read(t, d, fmt.Sprintf(`{"SourceId":77,"SourceStatus":%q}`, status)).Detection.Intent; got != want {
			t.Errorf("SourceStatus %q is for %q, want %q", status, got, want)
		}
	}
}

func TestWhatIsWrittenGoesBeforeThePreset(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"preset":"alertops","map":{"source_id":"ticket"},"facts":{"Host":"h"},"close":{"status":["DONE"]},"filters":[{"path":"skip","op":"missing"}]}`)
	got := read(t, d, `{"SourceName":"web-1","SourceId":1,"ticket":2,"SourceStatus":"DONE","h":"x"}`)
	if got.Detection.Key != "source/tickets/web-1/2" || got.Detection.Intent != tocsin.IntentClose {
		t.Errorf("key %s, for %q", got.Detection.Key, got.Detection.Intent)
	}
	if got := read(t, d, `{"ticket":2,"SourceStatus":"closed"}`).Detection.Intent; got != "" {
		t.Errorf("closed is for %q, want nothing: the condition is another one now", got)
	}
	if got := read(t, d, `{"ticket":2,"skip":1}`).End; got != tocsin.Filtered {
		t.Errorf("what the filter stops ends as %q", got)
	}
}

func TestGuardDutySeverity5To10(t *testing.T) {
	t.Parallel()
	d := dialect(t, `{"preset":"guardduty-5-to-10"}`)
	known, _ := looks(finding(t))()
	transformed := func(severity string) string {
		return fmt.Sprintf(`{"severity":%s,"id":%q,"accountId":%q,"region":%q,"type":%q,"title":"Probe"}`, severity, known.ID, known.Account, known.Region, known.Type)
	}
	for _, shape := range []struct {
		name  string
		event func(severity string) string
	}{
		{"Message^detail^severity: as GuardDuty sends it, in its SNS envelope", func(s string) string { return string(sns(t, withSeverity(t, s))) }},
		{"Message^severity: transformed, in its SNS envelope", func(s string) string { return string(sns(t, transformed(s))) }},
		{"as GuardDuty sends it, out of its envelope", func(s string) string { return withSeverity(t, s) }},
		{"transformed, out of its envelope", transformed},
	} {
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			for _, tt := range []struct {
				severity string
				end      tocsin.Verdict
				intent   tocsin.Intent
			}{
				{"4.9", tocsin.Ignored, ""},
				{"4.999999", tocsin.Ignored, ""},
				{"5", "", ""},
				{"5.0", "", ""},
				{"8.9", "", ""},
				{"10.0", "", ""},
				{"10.1", tocsin.Ignored, ""},
				{"0", "", tocsin.IntentClose},
				{"0.0", "", tocsin.IntentClose},
			} {
				got := read(t, d, shape.event(tt.severity))
				if got.End != tt.end || got.Detection.Intent != tt.intent {
					t.Errorf("severity %s: end %q, for %q; want %q, %q; %v", tt.severity, got.End, got.Detection.Intent, tt.end, tt.intent, got.Steps)
				}
				if got.End == "" && got.Detection.Key != known.Key {
					t.Errorf("severity %s: key %s, want %s as by every other path", tt.severity, got.Detection.Key, known.Key)
				}
				if !strings.Contains(step(got, "preset"), "GuardDuty itself never sends 0") {
					t.Errorf("the trace does not say that 0 never comes: %s", step(got, "preset"))
				}
			}
		})
	}
}

func TestAFindingKeepsItsWordsUnderThePreset(t *testing.T) {
	t.Parallel()
	known, _ := looks(finding(t))()
	got := read(t, dialect(t, `{"preset":"guardduty-5-to-10","map":{"topic":{"text":"aws"}}}`), string(finding(t))).Detection
	known.Facts = append(known.Facts, tocsin.Fact{Name: "Topic", Value: "aws"})[:min(12, len(known.Facts)+1)]
	if diff := cmp.Diff(known, got); diff != "" {
		t.Errorf("detection (-want +got):\n%s", diff)
	}
}

// What an input transformer left without account and region is an alert all the
// same, by the id that it has.
func TestATransformedFindingWithoutItsAccount(t *testing.T) {
	t.Parallel()
	got := read(t, dialect(t, `{"preset":"guardduty-5-to-10"}`), `{"severity":8,"id":"c162","title":"Probe of i-0abc","region":"eu-west-1"}`).Detection
	if got.Key != "source/tickets//c162" || got.Title != "Probe of i-0abc" || got.Level != tocsin.High || got.Region != "eu-west-1" {
		t.Errorf("detection %+v", got)
	}
}

func TestEveryPresetStandsByItself(t *testing.T) {
	t.Parallel()
	for _, name := range mapping.Presets() {
		if _, err := (mapping.Settings{Preset: name}).Dialect(nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A map of a hostile event costs its words and nothing else.
func TestHostileFields(t *testing.T) {
	t.Parallel()
	got := read(t, dialect(t, everything), `{"id":"7","title":"<script>\u0000\u202e[x](http://evil.example)","link":"javascript:alert(1)","labels":"[[[[","text":`+
		string(must(json.Marshal(strings.Repeat("x", 5000))))+`}`).Detection
	if got.Title != "<script> [x](hxxp://evil[.]example)" || len(got.Description) > 2002 || len(got.Facts) != 0 {
		t.Errorf("title %q, %d bytes of description, facts %v", got.Title, len(got.Description), got.Facts)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func BenchmarkOneMappedEvent(b *testing.B) {
	d := dialect(b, `{"preset":"guardduty-5-to-10"}`)
	raw := sns(b, string(finding(b)))
	base := func() (tocsin.Detection, bool) { return tocsin.Detection{}, false }
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if r, err := d.Read("tickets", raw, base); err != nil || r.End != "" {
			b.Fatal(r.End, err)
		}
	}
}

func BenchmarkOneMappedTicket(b *testing.B) {
	d := dialect(b, everything)
	raw := []byte(ticket)
	base := func() (tocsin.Detection, bool) { return tocsin.Detection{}, false }
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Read("tickets", raw, base); err != nil {
			b.Fatal(err)
		}
	}
}
