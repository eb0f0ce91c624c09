package transform_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/transform"
)

// A target is refused with an Error or taken, and what is taken for AWS is taken
// in strict mode too.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"testdata/guardduty-email.json", "testdata/guardduty-json.json"} {
		f.Add(string(read(f, name)))
	}
	for _, seed := range []string{
		`{"InputPath":"$['a'][0].b[*].*"}`, `{"Input":"{\"a\": 1}"}`, `[{"Id":"1"},{}]`, `{"Targets":[{"Input":"1","InputPath":"$"}]}`,
		`{"InputPathsMap":{"a":"$.a","b-_":"$..b"},"InputTemplate":"{\"<a>\": [<b-_>, \"\\\\<a>\"], <a>: 1}"}`,
		`{"InputTemplate":"\"<aws.events.rule-arn>\" \"\\u00e9\"\n<x> \"<"}`, `{"InputTransformer":5}`, `{"InputPathsMap":[]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		_, err := transform.Parse([]byte(data), transform.AWS)
		if err != nil {
			if _, ok := errors.AsType[*transform.Error](err); !ok {
				t.Fatalf("Parse gives %T: %v", err, err)
			}
			return
		}
		if _, err := transform.Parse([]byte(data), transform.Strict); err != nil {
			t.Fatalf("taken for AWS and not in strict mode: %v", err)
		}
	})
}

// An event gives a result or a named error. A JSON template gives JSON, in strict
// mode always; strict mode changes only what is said to be unsafe.
func FuzzApply(f *testing.F) {
	findings, err := os.ReadDir("testdata/findings")
	if err != nil {
		f.Fatal(err)
	}
	for _, finding := range findings {
		f.Add(`{"a": <a>, "text": "<a>: <b>"}`, "$.detail.type", "$.detail.description", string(read(f, "testdata/findings/"+finding.Name())))
	}
	for _, template := range []string{`"<a>"` + "\n" + `"<b>"`, `[<a>, "<b>"]`, `<a>`, `{"e": <aws.events.event>, "j": "<aws.events.event.json>", "t": "<aws.events.rule-name>"}`} {
		f.Add(template, "$.detail.quoted", "$.detail.*", values)
		f.Add(template, "$.detail.object", "$.detail.list[*]", values)
	}
	f.Fuzz(func(t *testing.T, template, a, b, event string) {
		target := transform.Target{InputTransformer: &transform.InputTransformer{InputPathsMap: map[string]string{"a": a, "b": b}, InputTemplate: template}}
		text := strings.HasPrefix(strings.TrimSpace(template), `"`)
		strict, strictErr := apply(t, target, transform.Strict, event)
		if e, ok := errors.AsType[*transform.DropError](strictErr); ok && !strings.Contains(e.Reason, "larger") && !strings.Contains(e.Reason, "exceeded max depth") {
			t.Fatalf("strict mode dropped: %v", e)
		}
		if strictErr == nil && (!text && !json.Valid(strict.Text) || text && !stringsOnly(strict.Text)) {
			t.Fatalf("strict mode gives %q", strict.Text)
		}
		aws, err := apply(t, target, transform.AWS, event)
		if err != nil || text {
			return
		}
		if !json.Valid(aws.Text) || !bytes.Equal(aws.Text, []byte(minified(t, string(aws.Text)))) {
			t.Fatalf("gives %q, no minified JSON", aws.Text)
		}
		if len(aws.Unsafe) == 0 && strictErr == nil && !bytes.Equal(aws.Text, strict.Text) {
			t.Fatalf("gives %q, and in strict mode %q", aws.Text, strict.Text)
		}
	})
}

var errRefused = errors.New("refused")

func apply(t *testing.T, target transform.Target, mode transform.Mode, event string) (transform.Result, error) {
	tr, err := target.Compile(mode)
	if err != nil {
		return transform.Result{}, errRefused
	}
	raw := []byte(event)
	got, err := tr.Apply(raw, transform.Rule{Name: `r"`})
	if string(raw) != event {
		t.Fatal("the event was changed")
	}
	_, dropped := errors.AsType[*transform.DropError](err)
	_, unread := errors.AsType[*transform.EventError](err)
	if err != nil && !dropped && !unread {
		t.Fatalf("Apply gives %T: %v", err, err)
	}
	if err == nil && len(got.Text) > transform.MaxResult {
		t.Fatalf("gives %d bytes", len(got.Text))
	}
	return got, err
}

// stringsOnly reports whether text is JSON strings and space.
func stringsOnly(text []byte) bool {
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return true
		}
		if _, is := token.(string); err != nil || !is {
			return false
		}
	}
}
