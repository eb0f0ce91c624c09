package config_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// everything has a setting of each type.
type everything struct {
	URL     secret.String            `json:"url" required:"true" doc:"Where to."`
	Topics  []string                 `json:"topics" doc:"Which." example:"arn:aws:sns:eu-west-1:111122223333:guardduty"`
	Ports   []int                    `json:"ports"`
	Wait    time.Duration            `json:"wait" default:"15s"`
	Retries int                      `json:"retries"`
	Loud    bool                     `json:"loud"`
	Mode    string                   `json:"mode" oneof:"fast slow"`
	Labels  map[string]string        `json:"labels"`
	Headers map[string]secret.String `json:"headers"`
	Body    any                      `json:"body"`
	Rows    []row                    `json:"rows"`
	Twilio  *twilio                  `json:"twilio"`
}

type row struct {
	Name string        `json:"name"`
	Key  secret.String `json:"key"`
}

type twilio struct {
	From  string        `json:"from" required:"true"`
	Token secret.String `json:"auth_token"`
}

var formKinds = config.Kinds{
	Collectors: []collect.Kind{kinds.Collectors[0]},
	Notifiers: append([]notify.Kind{notify.Define("every", "Takes everything.", func(everything, notify.Env) (notify.Notifier, error) {
		return receiver{}, nil
	})}, kinds.Notifiers...),
}

func TestAFormHasEverySettingWithItsType(t *testing.T) {
	t.Parallel()
	f, ok := config.ReceiverForm(formKinds, "every")
	if !ok {
		t.Fatal("no form")
	}
	var got []string
	for _, field := range f.Fields {
		got = append(got, field.Key+" "+string(field.Type))
	}
	want := []string{
		"every.url secret", "every.topics list", "every.ports list", "every.wait duration", "every.retries number", "every.loud boolean", "every.mode one of",
		"every.labels pairs", "every.headers secrets", "every.body yaml", "every.rows yaml", "every.twilio.from text", "every.twilio.auth_token secret",
		"hide list", "rate number", "timeout duration",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for key, check := range map[string]func(config.FormField) bool{
		"url":               func(f config.FormField) bool { return f.Required && f.Label == "URL" && f.Doc == "Where to." },
		"topics":            func(f config.FormField) bool { return f.Example != "" },
		"wait":              func(f config.FormField) bool { return f.Default == "15s" },
		"mode":              func(f config.FormField) bool { return cmp.Equal(f.Options, []string{"fast", "slow"}) },
		"twilio.auth_token": func(f config.FormField) bool { return f.Group == "twilio" && f.Label == "Auth token" },
		"every.twilio.from": func(f config.FormField) bool { return f.Required && f.Group == "twilio" },
		"timeout":           func(f config.FormField) bool { return f.Common },
	} {
		if field, ok := f.Field(key); !ok || !check(field) {
			t.Errorf("%s is %+v", key, field)
		}
	}
	if _, ok := config.SourceForm(formKinds, "every"); ok {
		t.Error("a receiver's kind has a form of a source")
	}
}

// What is typed into a form is written, read again, and shown as it was typed.
func TestWhatIsTypedComesBackAsItWas(t *testing.T) {
	t.Parallel()
	f, _ := config.ReceiverForm(formKinds, "every")
	typed := map[string]string{
		"every.url": "s3cret-url", "every.topics": "a\nb: c", "every.ports": "1\n2", "every.wait": "1h30m", "every.retries": "3", "every.loud": "true",
		"every.mode": "fast", "every.labels": "team: soc\nid: 012", "every.headers": "Authorization: Bearer abc\nX-Plain: ${env:PATH}",
		"every.body": "a:\n  - 1\n  - \"012345678901\"", "every.rows": "- name: x\n  key: s3cret-row", "every.twilio.from": "+4930123456", "timeout": "20s",
	}
	kept := map[string]string{}
	block, wrong := f.Compose("r.1", false, typed, func(key, text string) (string, error) {
		kept[key] = text
		return "${env:PATH}", nil // something that is there
	})
	if wrong != nil {
		t.Fatal(wrong)
	}
	if want := map[string]string{"every.url": "s3cret-url", "every.headers.Authorization": "Bearer abc", "every.rows[0].key": "s3cret-row"}; !cmp.Equal(kept, want) {
		t.Errorf("kept apart: %v", cmp.Diff(want, kept))
	}
	if strings.Contains(string(block), "s3cret") || strings.Contains(string(block), "abc") {
		t.Errorf("a secret is written:\n%s", block)
	}
	text, err := config.Splice("t.yml", []byte("sources: {events: {https: {}}}\nrules: [{use: guardduty}]\nfallback: r.1\n"), "receivers", "r.1", block)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("t.yml", text, formKinds)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := maps.Clone(typed)
	want["every.url"], want["every.headers"] = "${env:PATH}", "Authorization: ${env:PATH}\nX-Plain: ${env:PATH}"
	want["every.rows"] = "- name: x\n  key: ${env:PATH}"
	if diff := cmp.Diff(want, c.Receivers[0].Values); diff != "" {
		t.Errorf("it comes back as something else: %s\n%s", diff, text)
	}
}

func TestWhatCannotBeTypedIsSaidAtItsField(t *testing.T) {
	t.Parallel()
	f, _ := config.ReceiverForm(formKinds, "every")
	for _, tt := range []struct{ key, value, want string }{
		{"every.labels", "no colon", "no colon: want a name, a colon and a value"},
		{"every.headers", "s3cret", "a line: want a name, a colon and a value"},
		{"every.body", "a: [", "line 1: "},
		{"every.urll", "x", `no such setting (did you mean "url"?)`},
	} {
		_, wrong := f.Compose("r", false, map[string]string{tt.key: tt.value}, func(string, string) (string, error) { return "", nil })
		if len(wrong) != 1 || wrong[0].Key != tt.key || !strings.HasPrefix(wrong[0].Text, tt.want) {
			t.Errorf("%s = %q: %v, want %s", tt.key, tt.value, wrong, tt.want)
		}
	}
}
