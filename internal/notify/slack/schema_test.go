package slack

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schema is made of the types that Slack publishes; see testdata/README.md.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	s, err := c.Compile(filepath.Join("testdata", "blocks.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(s *jsonschema.Schema, body []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func TestGoldenPayloadsAreWhatSlacksTypesSay(t *testing.T) {
	t.Parallel()
	s := schema(t)
	webhook, err := filepath.Glob(filepath.Join("testdata", "golden", "*.json"))
	if err != nil || len(webhook) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range webhook {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(s, text); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	app, err := filepath.Glob(filepath.Join("testdata", "golden", "app", "*.json"))
	if err != nil || len(app) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range app {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var calls []struct {
			Method string
			Body   json.RawMessage
		}
		if err := json.Unmarshal(text, &calls); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, c := range calls {
			if c.Method == "conversations.open" {
				continue
			}
			if err := valid(s, c.Body); err != nil {
				t.Errorf("%s: %s: %v", path, c.Method, err)
			}
		}
	}
}

// The schema bites: each of these is a good payload with one mistake planted.
func TestTheSchemaFindsMistakes(t *testing.T) {
	t.Parallel()
	s := schema(t)
	good := marshal(t, renderer{buttons: true}.message(shared(t, "opened-with-actions"), shared(t, "opened-with-actions").At))
	if err := valid(s, good); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, new string }{
		{"a header in mrkdwn", `"type":"header","text":{"type":"plain_text"`, `"type":"header","text":{"type":"mrkdwn"`},
		{"a green button", `"style":"primary"`, `"style":"green"`},
		{"a block that does not exist", `"type":"context"`, `"type":"contxt"`},
		{"a button with words for an object", `"title":{"type":"plain_text","text":"Close the alert?","emoji":false}`, `"title":"Close the alert?"`},
		{"a key that does not exist", `"action_id"`, `"actionid"`},
		{"no text", `"text":"CRITICAL`, `"txt":"CRITICAL`},
	} {
		bad := strings.Replace(string(good), tt.old, tt.new, 1)
		if bad == string(good) {
			t.Fatalf("%s: there is no %s in the payload", tt.name, tt.old)
		}
		if valid(s, []byte(bad)) == nil {
			t.Errorf("%s is not found", tt.name)
		}
	}
}
