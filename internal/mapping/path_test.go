package mapping_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/mapping"
)

func finding(t testing.TB) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "port-probe.json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// withSeverity is the finding with another severity, as it is spelled.
func withSeverity(t testing.TB, severity string) string {
	t.Helper()
	event := strings.Replace(string(finding(t)), `"severity": 8.0`, `"severity": `+severity, 1)
	if !strings.Contains(event, `"severity": `+severity) {
		t.Fatal("the finding has no severity 8.0")
	}
	return event
}

// sns is what SNS posts where the event came to a topic.
func sns(t testing.TB, event string) []byte {
	t.Helper()
	raw, err := json.Marshal(map[string]string{
		"Type": "Notification", "MessageId": "5c7ba7a1-6a1c-5d0a-8b3e-f8d5b3a3c111",
		"TopicArn": "arn:aws:sns:eu-west-1:111122223333:guardduty", "Message": event,
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

const ports = "Message^detail^service^action^portProbeAction^portProbeDetails^"

var vectors = []struct {
	name, document, path string // the document "" is the finding in its SNS envelope
	want                 string
	missing              bool
}{
	{name: "a number in a text within a text, without the zeros of its fraction", path: "Message^detail^severity", want: "8"},
	{name: "a boolean", path: "Message^detail^service^archived", want: "false"},
	{name: "the first of an array", path: ports + "0^localPortDetails^port", want: "22"},
	{name: "the last of an array", path: ports + "-1^localPortDetails^port", want: "443"},
	{name: "all of an array", path: ports + "*^localPortDetails^port", want: "22, 443"},
	{name: "an index behind the end", path: ports + "9^localPortDetails^port", missing: true},
	{name: "an index before the beginning", path: ports + "-3^localPortDetails^port", missing: true},
	{name: "a segment into a text that is no JSON", path: "Type^x", missing: true},
	{name: "null", document: `{"n":null}`, path: "n", missing: true},
	{name: "a segment into null", document: `{"n":null}`, path: "n^x", missing: true},
	{name: "a key in another case", path: "type", missing: true},
	{name: "a text as it is", path: "Type", want: "Notification"},
	{name: "a caret in a key", document: `{"a^b":{"c":"caret"}}`, path: "a^^b^c", want: "caret"},
	{name: "a caret at the end of a key", document: `{"a^":{"b":"x"}}`, path: "a^^^b", want: "x"},
	{name: "nothing but carets in a key", document: `{"^^":1}`, path: "^^^^", want: "1"},
	{name: "an empty text is there", document: `{"empty":""}`, path: "empty", want: ""},
	{name: "an object as compact JSON", document: `{"obj":{ "k" : [1, 2] }}`, path: "obj", want: `{"k":[1,2]}`},
	{name: "an array as compact JSON", document: `{"a":[ 1.0 , "x" ]}`, path: "a", want: `[1.0,"x"]`},
	{name: "the text of the final value is not entered", document: `{"a":"{\"b\": 1}"}`, path: "a", want: `{"b": 1}`},
	{name: "a text with space before its JSON", document: `{"a":"\n\t {\"b\":1}"}`, path: "a^b", want: "1"},
	{name: "an array in a text", document: `{"a":"[{\"b\":1},{\"b\":2}]"}`, path: "a^*^b", want: "1, 2"},
	{name: "JSON in a text in JSON in a text", document: `{"a":"{\"b\":\"{\\\"c\\\":true}\"}"}`, path: "a^b^c", want: "true"},
	{name: "a text that only begins like JSON", document: `{"a":"{b"}`, path: "a^b", missing: true},
	{name: "a plus is no index", document: `{"a":[1,2]}`, path: "a^+1", missing: true},
	{name: "a path as long as one may be", document: `{"a":1}`, path: strings.Repeat("a^", 63) + "a", missing: true},
	{name: "a number in a text has no parts", document: `{"a":"5"}`, path: "a^0", missing: true},
	{name: "a segment into a number", document: `{"a":5}`, path: "a^b", missing: true},
	{name: "a missing key", document: `{"a":1}`, path: "b", missing: true},
	{name: "an integer is a key of an object", document: `{"0":"zero"}`, path: "0", want: "zero"},
	{name: "a key into an array", document: `{"a":[1]}`, path: "a^b", missing: true},
	{name: "all values of an object by their keys in order", document: `{"b":2,"a":1,"c":{"x":3}}`, path: "*", want: `1, 2, {"x":3}`},
	{name: "all of nothing", document: `{"a":[]}`, path: "a^*", missing: true},
	{name: "all leaves out what is null", document: `{"a":[1,null,"",2]}`, path: "a^*", want: "1, , 2"},
	{name: "all leaves out what lacks the key", document: `{"a":[{"b":1},{},5,{"b":2}]}`, path: "a^*^b", want: "1, 2"},
	{name: "an array at the top", document: `[{"a":1},{"a":2}]`, path: "1^a", want: "2"},
	{name: "a key that is there twice: the last counts", document: `{"a":1,"a":2}`, path: "a", want: "2"},
	{name: "an escaped key", document: `{"\u0061\"b":1}`, path: `a"b`, want: "1"},
	{name: "dots and blanks are parts of keys", document: `{"a.b c":{"d":1}}`, path: "a.b c^d", want: "1"},
	{name: "a long number as it is written", document: `{"a":12345678901234567890123.1500}`, path: "a", want: "12345678901234567890123.15"},
	{name: "an exponent stays", document: `{"a":1.50e+10}`, path: "a", want: "1.5e+10"},
	{name: "an integer keeps its zeros", document: `{"a":100}`, path: "a", want: "100"},
	{name: "a form's field", document: `SourceName=web-1&SourceStatus=ALARM`, path: "SourceStatus", want: "ALARM"},
	{name: "a form's field that is there twice: the last counts", document: `a=1&a=2`, path: "a", want: "2"},
	{name: "a form's field with escapes", document: `a=x+y%26%C3%A9`, path: "a", want: "x y&é"},
	{name: "a form's field that holds JSON", document: `payload=%7B%22id%22%3A%225%22%7D`, path: "payload^id", want: "5"},
	{name: "an empty field of a form", document: `a=&b=1`, path: "a", want: ""},
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, tt := range vectors {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw := []byte(tt.document)
			if tt.document == "" {
				raw = sns(t, string(finding(t)))
			}
			d, err := mapping.ParseDocument(raw)
			if err != nil {
				t.Fatal(err)
			}
			p, err := mapping.ParsePath(tt.path)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := p.Text(d); got != tt.want || ok == tt.missing {
				t.Errorf("%s = %q, there: %v; want %q, there: %v", tt.path, got, ok, tt.want, !tt.missing)
			}
		})
	}
}

func TestPathsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ path, want string }{
		{"", "path is empty"},
		{"^a", `path "^a" has an empty segment; a caret in a key is written ^^`},
		{"a^", `path "a^" has an empty segment; a caret in a key is written ^^`},
		{strings.Repeat("a^", 64) + "a", "path of 65 segments: want 64 at most"},
	} {
		if _, err := mapping.ParsePath(tt.path); err == nil || err.Error() != tt.want {
			t.Errorf("ParsePath(%q) = %v, want %s", tt.path, err, tt.want)
		}
	}
}

func TestDocumentsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ raw, want string }{
		{"", "it is empty"},
		{"  \n", "it is empty"},
		{"hello", "not JSON: a value is missing at byte 0"},
		{`{"a":`, "not JSON: it ends too early at byte 5"},
		{"a=%zz", "not JSON: a value is missing at byte 0"},
		{"a=1\nb=2", "not JSON: a value is missing at byte 0"},
	} {
		if _, err := mapping.ParseDocument([]byte(tt.raw)); err == nil || err.Error() != tt.want {
			t.Errorf("ParseDocument(%q) = %v, want %s", tt.raw, err, tt.want)
		}
	}
}

// A text that holds brackets without an end costs no more than looking at it.
func TestTextsNestedWithoutEnd(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(map[string]string{"a": strings.Repeat("[", 1<<20)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := mapping.ParseDocument(raw)
	if err != nil {
		t.Fatal(err)
	}
	p, err := mapping.ParsePath("a^0^0")
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := p.Text(d); ok {
		t.Errorf("a^0^0 = %.20q, want it missing", got)
	}
}

func FuzzPath(f *testing.F) {
	for _, tt := range vectors {
		if tt.document != "" {
			f.Add(tt.path, []byte(tt.document))
		}
	}
	f.Add("Message^detail^*^0", sns(f, `{"detail":{"a":[1]}}`))
	f.Fuzz(func(t *testing.T, path string, raw []byte) {
		p, err := mapping.ParsePath(path)
		if err != nil {
			return
		}
		if p.String() != path {
			t.Errorf("ParsePath(%q) is written %q", path, p)
		}
		d, err := mapping.ParseDocument(raw)
		if err != nil {
			return
		}
		texts := p.Texts(d)
		text, ok := p.Text(d)
		if ok != (len(texts) > 0) || text != strings.Join(texts, ", ") {
			t.Errorf("%s of %q: %q, %v and %q", path, raw, text, ok, texts)
		}
		if again, _ := p.Text(d); again != text {
			t.Errorf("%s of %q is %q and then %q", path, raw, text, again)
		}
	})
}
