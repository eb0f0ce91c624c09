package webhook

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

func named(t *testing.T, name string) notify.Message {
	t.Helper()
	for _, c := range notifytest.Messages() {
		if c.Name == name {
			return c.Message
		}
	}
	t.Fatalf("no message %q", name)
	return notify.Message{}
}

// posted is the request that tells of the message.
func posted(t *testing.T, c Config, m notify.Message) notifytest.Taken {
	t.Helper()
	address, taken := notifytest.Serve(t, notifytest.Answer{}, "")
	c.URL = secret.New(address)
	if _, err := opened(t, c).Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return taken()[0]
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	m := named(t, "opened-critical-ec2-c2")
	m.Alert.Title = "say \"x\"\n<b>&1 ünd \\"
	m.Alert.Resource.Tags = map[string]string{"k8s.io/owner": "ana"}
	for _, tt := range []struct{ name, kind, body, want string }{
		{"a text", "", `{"text":"{{text}}"}`, `{"text":"CRITICAL · prod-payments (111122223333) eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server"}`},
		{"values of every depth", "", `{"l":"{{alert.level}}","u":"{{links.alert}}","a":"{{account.name}}"}`, `{"l":"critical","u":"https://tocsin.example.com/alerts/4821","a":"prod-payments"}`},
		{"spaces within the braces", "", `["{{ kind }}"]`, `["opened"]`},
		{"a number within a text, and by itself", "", `{"s":"alert {{alert.id}}","n":{{alert.id}},"v":{{alert.severity}}}`, `{"s":"alert 4821","n":4821,"v":9.2}`},
		{"a text by itself", "", `{"t":{{alert.type}}}`, `{"t":"Backdoor:EC2/C\u0026CActivity.B!DNS"}`},
		{"quotes and line breaks", "", `{"t":"<{{alert.title}}>"}`, `{"t":"<say \"x\"\n\u003cb\u003e\u00261 ünd \\>"}`},
		{"a list by itself, and as text", "", `{"c":{{changes}},"p":"{{alert.paths}}"}`, `{"c":[],"p":"[\"sns:org-topic\"]"}`},
		{"an item of a list", "", `["{{alert.facts.0.name}}: {{alert.facts.0.value}}"]`, `["What: DNS query for evil[.]example, known as a command and control server"]`},
		{"a tag with dots", "", `["{{alert.resource.tags.k8s.io/owner}}"]`, `["ana"]`},
		{"what the message lacks", "", `{"s":"[{{note}}]","b":{{note}},"i":"{{digest.3.text}}","t":"{{alert.resource.tags.x}}"}`, `{"s":"[]","b":null,"i":"","t":""}`},
		{"plain text", "text/plain; charset=utf-8", "{{alert.level}}: {{alert.title}}", "critical: say \"x\"\n<b>&1 ünd \\"},
		{"a form", "application/x-www-form-urlencoded", "level={{alert.level}}&title={{alert.title}}", "level=critical&title=say+%22x%22%0A%3Cb%3E%261+%C3%BCnd+%5C"},
		{"XML", "text/xml", "<a t='{{alert.title}}'/>", "<a t='say &#34;x&#34;&#xA;&lt;b&gt;&amp;1 ünd \\'/>"},
		{"lines of JSON", "application/x-ndjson", "{\"index\":{}}\n{\"t\":\"{{alert.title}}\",\"a\":{{alert.title}}}\n", "{\"index\":{}}\n{\"t\":\"say \\\"x\\\"\\n\\u003cb\\u003e\\u00261 ünd \\\\\",\"a\":\"say \\\"x\\\"\\n\\u003cb\\u003e\\u00261 ünd \\\\\"}\n"},
		{"another kind of JSON", "application/vnd.api+json", `{"t":"{{alert.title}}"}`, `{"t":"say \"x\"\n\u003cb\u003e\u00261 ünd \\"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := posted(t, Config{Body: tt.body, ContentType: tt.kind}, m)
			if string(got.Body) != tt.want {
				t.Errorf("body %s is sent as\n%s, want\n%s", tt.body, got.Body, tt.want)
			}
			want := tt.kind
			if want == "" {
				want = "application/json"
			}
			if kind := got.Header.Get("Content-Type"); kind != want {
				t.Errorf("Content-Type %s, want %s", kind, want)
			}
		})
	}
}

// Whatever a finding says, a template of JSON stays JSON of its own shape.
func TestHostileTextsStayInTheirPlace(t *testing.T) {
	t.Parallel()
	tmpl, err := parse(`{"Content":"{{message}}","t":"{{alert.title}}","a":{{alert.title}},"f":"{{alert.facts}}"}`, "application/json")
	if err != nil {
		t.Fatal(err)
	}
	form, err := parse("a={{alert.title}}&b={{text}}", "application/x-www-form-urlencoded")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range notifytest.Corpus() {
		if strings.HasSuffix(c.Name, "-acknowledged") {
			continue // the texts are those of the opening
		}
		text, err := tmpl.render(c.Message, notifytest.Now())
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(text, &got); err != nil || len(got) != 4 {
			t.Errorf("%s: %v, %d keys: %.300s", c.Name, err, len(got), text)
		}
		message := got["Content"].(string)
		if n := notify.UTF16(message); n == 0 || n > 4096 {
			t.Errorf("%s: the message is %d long", c.Name, n)
		}
		m := c.Message
		ours := []string{m.AlertURL, notify.ConsoleLink(m), notify.DocumentationLink(m)}
		for _, item := range m.Digest {
			ours = append(ours, item.URL)
		}
		if bad := notifytest.Bad(message, ours...); bad != "" {
			t.Errorf("%s: the message %s", c.Name, bad)
		}
		if text, err = form.render(c.Message, notifytest.Now()); err != nil {
			t.Fatal(err)
		}
		if values, err := url.ParseQuery(string(text)); err != nil || len(values) != 2 {
			t.Errorf("%s: the form has %d values, %v", c.Name, len(values), err)
		}
	}
}

func TestWhatChimeTook(t *testing.T) {
	t.Parallel()
	long := named(t, "digest")
	for range 6 {
		long.Digest = append(long.Digest, long.Digest...)
	}
	for _, m := range []notify.Message{named(t, "opened-critical-ec2-c2"), named(t, "closed-archived"), named(t, "note"), long} {
		got := posted(t, Config{Template: "chime"}, m)
		var b map[string]string
		if err := json.Unmarshal(got.Body, &b); err != nil || len(b) != 1 || !strings.HasPrefix(string(got.Body), `{"Content": "`) {
			t.Fatalf("%v: %s", err, got.Body)
		}
		if n := notify.UTF16(b["Content"]); n > 4096 || !strings.HasPrefix(b["Content"], notify.FirstLine(m)) {
			t.Errorf("%d characters: %s", n, b["Content"])
		}
		if m.Kind == tocsin.TellDigest && !strings.Contains(b["Content"], " more\n") {
			t.Errorf("a digest of %d does not say how many more: %s", len(m.Digest), b["Content"])
		}
		if m.Kind == tocsin.TellOpened {
			notifytest.Golden(t, "chime/opened.json", got.Body)
		}
	}
}

func TestEveryKeyOfTheDocumentIsAPlaceholder(t *testing.T) {
	t.Parallel()
	var walk func(v any, path string)
	walk = func(v any, path string) {
		if path != "" {
			if _, err := known(path); err != nil {
				t.Errorf("%v", err)
			}
		}
		for key, part := range asObject(v) {
			walk(part, strings.TrimPrefix(path+"."+key, "."))
		}
	}
	for _, c := range notifytest.Messages() {
		if c.Message.Kind == tocsin.TellCode {
			continue
		}
		text, err := render(c.Message)
		if err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		walk(doc, "")
	}
}

func asObject(v any) map[string]any {
	parts, _ := v.(map[string]any)
	return parts
}

func TestSettingsOfTheBody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"a template", Config{Body: `{"text":"{{text}}"}`}, ""},
		{"a template in a file of its own type", Config{Body: "{{text}}", Headers: map[string]secret.String{"Content-Type": secret.New("text/plain")}}, ""},
		{"a placeholder misspelt", Config{Body: `{"text":"{{txt}}"}`}, "body: {{txt}} is not part of the message (did you mean {{text}}?)"},
		{"one within misspelt", Config{Body: `{"text":"{{alert.leve}}"}`}, "body: {{alert.leve}} is not part of the message (did you mean {{alert.level}}?)"},
		{"another tool's", Config{Body: `{"text":"{{ .CommonAnnotations.summary }}"}`}, "body: {{.CommonAnnotations.summary}} is not part of the message; see the webhook's JSON document for what is"},
		{"a part of a text", Config{Body: `["{{alert.level.name}}"]`}, "body: {{alert.level.name}} is not part of the message (did you mean {{alert.level}}?)"},
		{"an item without its number", Config{Body: `["{{alert.facts.name}}"]`}, "body: {{alert.facts.name}} is not part of the message (did you mean {{alert.facts}}?)"},
		{"nothing", Config{Body: `["{{}}"]`}, "body: {{}} is not part of the message; see the webhook's JSON document for what is"},
		{"braces that stay open", Config{Body: `{"text":"{{text"}`}, `body: {{text"} is not closed with }}`},
		{"no placeholder", Config{Body: `{"text":"fire"}`}, "body: it has no {{placeholder}}, so that every message would be the same"},
		{"no JSON", Config{Body: `{"text":"{{text}}",}`}, "body: it is not JSON, which content_type says: invalid character '}' looking for beginning of object key string"},
		{"a key that is a value", Config{Body: `{ {{text}}: 1 }`}, "body: it is not JSON, which content_type says: invalid character 'n' looking for beginning of object key string"},
		{"no media type", Config{Body: "{{text}}", ContentType: "json please"}, `content_type: "json please" is not a media type, such as application/json`},
		{"two content types", Config{ContentType: "text/plain", Headers: map[string]secret.String{"content-type": secret.New("text/plain")}}, "headers: Content-Type is set by content_type"},
		{"chime", Config{Template: "chime"}, ""},
		{"a template that is not shipped", Config{Template: "hipchat"}, `template: "hipchat" is none of chime`},
		{"two bodies", Config{Template: "chime", Body: "{{text}}"}, "template: body is set too; want one of them"},
		{"PUT", Config{Method: "PUT"}, ""},
		{"a method that has no body", Config{Method: "GET"}, `method: "GET" is none of POST, PUT, PATCH`},
		{"a transformer", Config{Input: &notify.Input{Paths: map[string]string{"s": "$.detail.severity"}, Template: `{"s": <s>}`}}, ""},
		{"several keys", Config{Secret: secret.New(signing + " whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")}, ""},
		{"a key of another kind among them", Config{Secret: secret.New(signing + " hunter2")}, "secret has several keys, of which one does not begin with whsec_"},
		{"a key of 23 bytes", Config{Secret: secret.New("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")}, "secret is a key of 23 bytes; Standard Webhooks want 24 to 64"},
		{"a password with spaces", Config{Secret: secret.New("correct horse battery staple")}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.c.URL = secret.New("https://hooks.example.com/x")
			got := ""
			if _, err := open(tt.c, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
		})
	}
	input := &notify.Input{Template: `{"s": <s>}`}
	if _, err := open(Config{URL: secret.New("https://x.example.com"), Input: input}, notifytest.Env(t, nil)); err == nil || !strings.HasPrefix(err.Error(), "input: ") {
		t.Errorf("a transformer with an unknown variable: %v", err)
	}
}

// While a receiver changes its key, both of its keys sign.
func TestSeveralKeysSignEach(t *testing.T) {
	t.Parallel()
	const second = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	got := posted(t, Config{Secret: secret.New(signing + " " + second)}, named(t, "note"))
	signatures := strings.Split(got.Header.Get("Webhook-Signature"), " ")
	if len(signatures) != 2 || signatures[0] == signatures[1] {
		t.Fatalf("signatures %q", signatures)
	}
	alone := got
	alone.Header = got.Header.Clone()
	alone.Header.Set("Webhook-Signature", signatures[0])
	verify(t, alone)
	keys, err := signingKeys(second)
	if err != nil {
		t.Fatal(err)
	}
	if want := "v1," + Sign(keys[0], got.Header.Get("Webhook-Id"), got.Header.Get("Webhook-Timestamp"), got.Body); signatures[1] != want {
		t.Errorf("the second signature is %q, want %q", signatures[1], want)
	}
}

func TestAnIDIsSignedWithoutFullStops(t *testing.T) {
	t.Parallel()
	m := named(t, "note")
	m.ID = "a.b\r\nc"
	if got := posted(t, Config{Secret: secret.New(signing)}, m); got.Header.Get("Webhook-Id") != "a_b__c" {
		t.Errorf("webhook-id = %q", got.Header.Get("Webhook-Id"))
	} else {
		verify(t, got)
	}
}

func event(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "event.json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWhatAnInputTransformerMakesOfTheEvent(t *testing.T) {
	t.Parallel()
	m := named(t, "opened-critical-ec2-c2")
	m.Event = event(t)
	paths := map[string]string{"severity": "$.detail.severity", "type": "$.detail.type"}
	asJSON := Config{Input: &notify.Input{Paths: paths, Template: `{"type": <type>, "severity": <severity>}`}, Secret: secret.New(signing)}
	got := posted(t, asJSON, m)
	verify(t, got)
	if string(got.Body) != `{"type":"Backdoor:EC2/C&CActivity.B!DNS","severity":8}` || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s: %s", got.Header.Get("Content-Type"), got.Body)
	}
	asText := Config{Input: &notify.Input{Paths: paths, Template: "\"severity <severity>\"\n\"type <type>\""}}
	got = posted(t, asText, m)
	if string(got.Body) != "\"severity 8\"\n\"type Backdoor:EC2/C&CActivity.B!DNS\"" || got.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%s: %s", got.Header.Get("Content-Type"), got.Body)
	}
	if n := opened(t, withURL(asJSON)).(notify.EventReader); !n.ReadsEvent() {
		t.Error("it does not say that it reads the event")
	}
	if n := opened(t, withURL(Config{})).(notify.EventReader); n.ReadsEvent() {
		t.Error("without input it says that it reads the event")
	}
}

func withURL(c Config) Config {
	c.URL = secret.New("https://hooks.example.com/x")
	return c
}

func TestWithoutAnEventTheBodyIsSent(t *testing.T) {
	t.Parallel()
	input := &notify.Input{Paths: map[string]string{"s": "$.detail.severity"}, Template: `{"s": <s>}`}
	if got := posted(t, Config{Input: input, Body: `["{{text}}"]`}, named(t, "note")); !strings.HasPrefix(string(got.Body), `["Nobody is on call`) {
		t.Errorf("a note is sent as %s", got.Body)
	}
	_, err := opened(t, withURL(Config{Input: input})).Notify(t.Context(), named(t, "note"))
	if !notify.IsPermanent(err) || !strings.Contains(err.Error(), "there is no event to transform") {
		t.Errorf("a note without a body: %v", err)
	}
}

func TestPutAndPatch(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"PUT", "PATCH"} {
		if got := methodOf(t, Config{Method: method}); got != method {
			t.Errorf("method %s is sent as %s", method, got)
		}
	}
	if got := methodOf(t, Config{}); got != "POST" {
		t.Errorf("no method is sent as %s", got)
	}
}

func TestTheWholeMessageIsNoLongerThanItSays(t *testing.T) {
	t.Parallel()
	m := named(t, "digest")
	for len(m.Digest) < 200 {
		m.Digest = append(m.Digest, m.Digest[0])
	}
	if n := notify.UTF16(whole(m, notifytest.Now())); n > 4096 || n < 3000 {
		t.Errorf("{{message}} has %d characters, want at most 4,096 and most of them", n)
	}
	m = named(t, "opened-critical-ec2-c2")
	m.Alert.Facts = nil
	for range 12 {
		m.Alert.Facts = append(m.Alert.Facts, tocsin.Fact{Name: "Fact", Value: strings.Repeat("word ", 99)})
	}
	if n := notify.UTF16(whole(m, notifytest.Now())); n > 4096 {
		t.Errorf("{{message}} has %d characters", n)
	}
}

func TestLargeNumbersStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	m := named(t, "opened-critical-ec2-c2")
	m.Alert.ID = 9007199254740993
	if got := posted(t, Config{Body: `[{{alert.id}}, "{{alert.id}}"]`}, m); string(got.Body) != `[9007199254740993, "9007199254740993"]` {
		t.Errorf("sent %s", got.Body)
	}
}

func TestTheSettingsSayWhatTheTransformedTextIs(t *testing.T) {
	t.Parallel()
	m := named(t, "opened-critical-ec2-c2")
	m.Event = []byte(`{"detail":{"severity":8}}`)
	input := &notify.Input{Paths: map[string]string{"s": "$.detail.severity"}, Template: "\"severity <s>\"\n\"and more\""}
	for kind, want := range map[string]string{"": "text/plain; charset=utf-8", "text/csv": "text/csv"} {
		got := posted(t, Config{Input: input, ContentType: kind}, m)
		if is := got.Header.Get("Content-Type"); is != want {
			t.Errorf("content_type %q: %s is sent as %s, want %s", kind, got.Body, is, want)
		}
	}
}
