package jira

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/jira/jiratest"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	email = "tocsin@example.com"
	token = "ATATT3xFfGF0T0k3nT0k3nT0k3n"
)

// config is one that the fake takes; API 3 logs in with an address, 2 without.
func config(api int, url string) Config {
	c := Config{URL: url, API: api, Project: "SEC", Token: secret.New(token)}
	if api == 3 {
		c.Email = email
	}
	return c
}

func options(api int) jiratest.Options {
	o := jiratest.Options{API: api, Token: token}
	if api == 3 {
		o.Email = email
	}
	return o
}

// afresh has each message that knows no ticket come to a Jira without any, since
// the messages of the suite are of one alert and would find each other's.
type afresh struct {
	notify.Notifier
	jira *jiratest.Server
}

func (a afresh) Notify(ctx context.Context, m notify.Message) (string, error) {
	for _, t := range a.jira.Tickets() {
		a.jira.Remove(t.Key)
	}
	if m.Ref != "" {
		a.jira.Add(jiratest.Ticket{Key: m.Ref})
	}
	return a.Notifier.Notify(ctx, m)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for _, api := range []int{2, 3} {
		t.Run(fmt.Sprintf("API %d", api), func(t *testing.T) {
			t.Parallel()
			notifytest.Run(t, notifytest.Harness{
				HTTP: true, NoCodes: true, Secrets: []string{token, "dG9jc2luQGV4YW1wbGUuY29tOkFUQVRU"},
				Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
					if a != (notifytest.Answer{}) {
						url, taken := notifytest.Serve(t, a, "")
						return notifytest.Open(t, open, config(api, url)), taken
					}
					jira := jiratest.New(options(api))
					server := httptest.NewServer(jira)
					t.Cleanup(server.Close)
					return afresh{notifytest.Open(t, open, config(api, server.URL)), jira}, func() []notifytest.Taken { return told(jira) }
				},
				Check: func(t *testing.T, m notify.Message, got notifytest.Taken) { valid(t, schema, m, got.Body) },
				Shown: func(t *testing.T, got notifytest.Taken) []string { return shown(t, got.Body) },
			})
		})
	}
}

// told are the tickets and comments that were written.
func told(jira *jiratest.Server) []notifytest.Taken {
	var taken []notifytest.Taken
	for _, w := range jira.Writes() {
		if w.What == jiratest.Create || w.What == jiratest.Comment {
			taken = append(taken, notifytest.Taken{Header: w.Header, Body: w.Body})
		}
	}
	return taken
}

// A body is a new ticket or a comment.
type body struct {
	Fields struct {
		Summary     string          `json:"summary"`
		Description json.RawMessage `json:"description"`
		Labels      []string        `json:"labels"`
	} `json:"fields"`
	Body json.RawMessage `json:"body"`
}

func decode(t *testing.T, raw []byte) (b body, text json.RawMessage) {
	t.Helper()
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	if text = b.Fields.Description; text == nil {
		text = b.Body
	}
	return b, text
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "adf.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("adf.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("adf.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// valid holds a text to Atlassian's schema, or to the wiki markup that is ours,
// and to the lengths.
func valid(t *testing.T, schema *jsonschema.Schema, m notify.Message, raw []byte) {
	t.Helper()
	b, text := decode(t, raw)
	if b.Body == nil {
		if n := notify.UTF16(b.Fields.Summary); n == 0 || n > 255 || strings.ContainsAny(b.Fields.Summary, "\r\n") {
			t.Errorf("the summary is %d long: %q", n, b.Fields.Summary)
		}
		if !slices.Contains(b.Fields.Labels, notify.DedupKey(m)) {
			t.Errorf("labels %q are without the alert's", b.Fields.Labels)
		}
	}
	var wiki string
	if json.Unmarshal(text, &wiki) == nil {
		if n := notify.UTF16(wiki); n == 0 || n > 32767 {
			t.Errorf("the text is %d long", n)
		}
		markup(t, m, wiki)
		return
	}
	if n := notify.UTF16(string(text)); n > 32767 {
		t.Errorf("the document is %d long", n)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("Atlassian's schema says: %v\n%.400s", err, text)
	}
	if _, err := jiratest.ADF(text); err != nil {
		t.Errorf("Jira would say: %v", err)
	}
	for _, found := range regexp.MustCompile(`"href":"([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		if !linked(m, strings.ReplaceAll(found[1], `\u0026`, "&")) {
			t.Errorf("a link leads to %s", found[1])
		}
	}
}

func linked(m notify.Message, url string) bool {
	ours := []string{m.AlertURL, notify.ConsoleLink(m), notify.DocumentationLink(m)}
	for _, item := range m.Digest {
		ours = append(ours, item.URL)
	}
	return slices.Contains(ours, url)
}

var (
	wikiCode = regexp.MustCompile(`(?s)\{noformat\}\n.*?\n\{noformat\}`)
	wikiLink = regexp.MustCompile(`\[[^|\[\]\n]+\|([^\[\]|\s]+)\]`)
	wikiBold = regexp.MustCompile(`(^|[ \n])\*[^*\n]+\*`)
	// wikiMark is what the renderer would take for more than text, written apart
	// from the code that takes it out.
	wikiMark = regexp.MustCompile(`[{}\[\]|!\\<>~^]|(?:^|\W)[*_+-]\w|\w[*_+-](?:\W|$)|--|\?\?|:[()PDp]|;[()]|\((?:x|y|n|i|c|/)\)|&(?:#[a-zA-Z]|[a-zA-Z]+;)|(?m:^(?:h[1-6]|bq)\.)`)
)

// markup finds wiki markup that is not ours.
func markup(t *testing.T, m notify.Message, wiki string) {
	t.Helper()
	rest := wikiCode.ReplaceAllString(wiki, "")
	for _, found := range wikiLink.FindAllStringSubmatch(rest, -1) {
		if !linked(m, found[1]) {
			t.Errorf("a link leads to %s", found[1])
		}
	}
	rest = wikiLink.ReplaceAllString(rest, "")
	for line := range strings.Lines(rest) {
		line = wikiBold.ReplaceAllString(strings.TrimPrefix(strings.TrimRight(line, "\n"), "* "), "$1")
		if found := wikiMark.FindString(regexp.MustCompile(`&#\d+;`).ReplaceAllString(line, "")); found != "" {
			t.Errorf("markup %q in %.300q", found, line)
		}
	}
}

// shown are the texts in which Jira could make links: not code.
func shown(t *testing.T, raw []byte) []string {
	t.Helper()
	b, text := decode(t, raw)
	texts := append([]string{b.Fields.Summary}, b.Fields.Labels...)
	var wiki string
	if json.Unmarshal(text, &wiki) == nil {
		return append(texts, jiratest.Wiki(wikiCode.ReplaceAllString(wiki, "")))
	}
	var doc node
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(n node)
	walk = func(n node) {
		if n.Type == "codeBlock" {
			return
		}
		texts = append(texts, n.Text)
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(doc)
	return texts
}

// A check that lets everything pass is none.
func TestTheChecksFindMistakes(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for name, doc := range map[string]string{
		"no mistake":               `{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"x"}]}]}`,
		"no version":               `{"type":"doc","content":[]}`,
		"a text without a block":   `{"type":"doc","version":1,"content":[{"type":"text","text":"x"}]}`,
		"an empty text":            `{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":""}]}]}`,
		"an empty list":            `{"type":"doc","version":1,"content":[{"type":"bulletList","content":[]}]}`,
		"an item that is a text":   `{"type":"doc","version":1,"content":[{"type":"bulletList","content":[{"type":"listItem","content":[{"type":"text","text":"x"}]}]}]}`,
		"bold by the wrong name":   `{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"x","marks":[{"type":"bold"}]}]}]}`,
		"a link without address":   `{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"x","marks":[{"type":"link","attrs":{}}]}]}]}`,
		"bold code":                `{"type":"doc","version":1,"content":[{"type":"codeBlock","content":[{"type":"text","text":"x","marks":[{"type":"strong"}]}]}]}`,
		"a list within paragraphs": `{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"bulletList"}]}]}`,
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
		if err != nil {
			t.Fatal(err)
		}
		_, wrong := jiratest.ADF([]byte(doc))
		want := name != "no mistake"
		if bySchema := schema.Validate(v) != nil; bySchema != want || (wrong != nil) != want {
			t.Errorf("%s: the schema finds a mistake %v, the fake %v; want %v", name, bySchema, wrong, want)
		}
	}
}

func TestWikiMarkupOfOthersIsText(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"EC2 i-0abc (web-1) is calling":      "EC2 i-0abc (web-1) is calling",
		"S3 invoices_archive_2026":           "S3 invoices_archive_2026",
		"203.0.113.7:443 (AS64500)":          "203.0.113.7:443 (AS64500)",
		"C&CActivity.B!DNS":                  "C&CActivity.B&#33;DNS",
		"*bold* _it_ -gone- +in+":            "&#42;bold&#42; &#95;it&#95; &#45;gone&#45; &#43;in&#43;",
		"{color:red}x{color}":                "&#123;color:red&#125;x&#123;color&#125;",
		"[x|hxxps://evil[.]example]":         "&#91;x&#124;hxxps://evil&#91;.&#93;example&#93;",
		"[~everybody] !x.png!":               "&#91;&#126;everybody&#93; &#33;x.png&#33;",
		"&#8238;gpj &lt;b&gt; a & b":         "&#38;#8238;gpj &#38;lt;b&#38;gt; a & b",
		"h1. big":                            "&#104;1. big",
		"bq. quoted":                         "&#98;q. quoted",
		"# one":                              "&#35; one",
		"(x) (on) :) ;-) :D":                 "&#40;x) &#40;on) &#58;) &#59;&#45;) &#58;D",
		"??cited??":                          "&#63;&#63;cited&#63;&#63;",
		`a\\b`:                               "a&#92;&#92;b",
		"nginx → sh":                         "nginx → sh",
		"told because of route 2 (receiver)": "told because of route 2 (receiver)",
	} {
		got := escape(s)
		if got != want {
			t.Errorf("escape(%q) = %q, want %q", s, got, want)
		}
		if shown := jiratest.Wiki(got); shown != s {
			t.Errorf("escape(%q) is shown as %q", s, shown)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for _, c := range notifytest.Cases(t) {
		if c.Message.Kind == tocsin.TellCode {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			for _, api := range []int{2, 3} {
				opts := config(api, "https://jira.example.com")
				opts.Labels = []string{"guardduty"}
				opts.Priority = map[string]string{"critical": "Highest", "high": "High"}
				opts.Fields = map[string]any{"customfield_10042": map[string]any{"value": "Security"}}
				n := notifytest.Open(t, open, opts).(*notifier)
				var what any = map[string]any{"fields": n.fields(c.Message)}
				if c.Message.Ref != "" {
					what = map[string]any{"body": n.written(func(room int) document { return news(c.Message, n.now(), room, "") })}
				}
				var out bytes.Buffer
				e := json.NewEncoder(&out)
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				if err := e.Encode(what); err != nil {
					t.Fatal(err)
				}
				valid(t, schema, c.Message, out.Bytes())
				if api == 3 {
					notifytest.Golden(t, c.Name+".json", out.Bytes())
					continue
				}
				b, text := decode(t, out.Bytes())
				var wiki string
				if err := json.Unmarshal(text, &wiki); err != nil {
					t.Fatal(err)
				}
				notifytest.Golden(t, c.Name+".txt", []byte(strings.TrimLeft(b.Fields.Summary+"\n\n"+wiki+"\n", "\n")))
			}
		})
	}
}

// serve is a Jira with a notifier that writes to it.
func serve(t *testing.T, api int, change func(*Config)) (*jiratest.Server, notify.Notifier, *bytes.Buffer) {
	t.Helper()
	jira := jiratest.New(options(api))
	server := httptest.NewServer(jira)
	t.Cleanup(server.Close)
	c := config(api, server.URL)
	c.Transitions = Transitions{Ack: "In Progress", Close: "Done", Reopen: "To Do"}
	if change != nil {
		change(&c)
	}
	env := notifytest.Env(t, nil)
	var log bytes.Buffer
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	n, err := open(c, env)
	if err != nil {
		t.Fatal(err)
	}
	return jira, n, &log
}

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

// tell notifies of the messages in order, as the engine does: with the reference
// that the first of an alert gave.
func tell(t *testing.T, n notify.Notifier, names ...string) string {
	t.Helper()
	refs := map[int64]string{}
	var last string
	for _, name := range names {
		m := named(t, name)
		m.Ref = refs[m.Alert.ID]
		ref, err := n.Notify(t.Context(), m)
		if err != nil {
			t.Fatalf("Notify(%s): %v", name, err)
		}
		if refs[m.Alert.ID] == "" {
			refs[m.Alert.ID] = ref
		}
		last = ref
	}
	return last
}

func TestTheLifeOfAnAlertIsOneTicket(t *testing.T) {
	t.Parallel()
	const opening = "opened-critical-ec2-c2"
	for _, tt := range []struct {
		name     string
		told     []string
		status   string
		comments []string // beginnings
	}{
		{"opened", []string{opening}, "To Do", nil},
		{"raised and updated", []string{opening, "raised", "updated"}, "To Do", []string{"■ RAISED medium→critical · ", "■ UPDATED · "}},
		{"acknowledged", []string{opening, "acknowledged"}, "In Progress", []string{"■ ACKNOWLEDGED by ana · Acknowledged by ana on 2026-06-12 02:29 UTC."}},
		{"assigned", []string{opening, "changed-assigned"}, "In Progress", []string{"■ ASSIGNED to bo"}},
		{"snoozed", []string{opening, "acknowledged", "changed-snoozed"}, "In Progress", []string{"■ ACKNOWLEDGED", "■ SNOOZED until 12 Jun 06:00 UTC"}},
		{"closed by a person", []string{opening, "acknowledged", "closed-by-person"}, "Done", []string{"■ ACK", "✓ CLOSED (false positive) · Closed by alice@example[.]com on 2026-06-12 02:29 UTC: false positive."}},
		{"closed without being acknowledged", []string{opening, "closed-archived"}, "Done", []string{"✓ CLOSED (archived) · Closed by guardduty"}},
		{"open again as itself", []string{opening, "closed-archived", "reopened"}, "To Do", []string{"✓ CLOSED", "■ REOPENED"}},
	} {
		for _, api := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s, API %d", tt.name, api), func(t *testing.T) {
				t.Parallel()
				jira, n, log := serve(t, api, nil)
				ref := tell(t, n, tt.told...)
				all := jira.Tickets()
				if len(all) != 1 || all[0].Key != ref || ref != "SEC-1" || all[0].Status != tt.status {
					t.Fatalf("tickets %+v, reference %q; want one that is %s", all, ref, tt.status)
				}
				if got := all[0]; got.Type != "Task" || got.Summary != notify.FirstLine(named(t, opening)) || !slices.Contains(got.Labels, "tocsin-4821-1781231160000") {
					t.Errorf("the ticket is %+v", got)
				}
				if len(all[0].Comments) != len(tt.comments) {
					t.Fatalf("comments %q, want %q", all[0].Comments, tt.comments)
				}
				for i, want := range tt.comments {
					if got := all[0].Comments[i]; !strings.HasPrefix(got, want) {
						t.Errorf("comment %d is %.200q, want %q…", i, got, want)
					}
				}
				if log.Len() > 0 {
					t.Errorf("logged %s", log)
				}
			})
		}
	}
}

func TestATicketSaysWhatTheMessageSays(t *testing.T) {
	t.Parallel()
	for _, api := range []int{2, 3} {
		jira, n, _ := serve(t, api, nil)
		tell(t, n, "opened-with-actions")
		text := jira.Tickets()[0].Text
		for _, want := range []string{
			"■ CRITICAL · NEW · Backdoor:EC2/C&CActivity.B!DNS <https://docs.aws.amazon.com/",
			"What: DNS query for evil[.]example", "When: first 2026-06-12 02:13 UTC", "Our account: prod-payments (111122223333)",
			"On call: team payments, on call ana, bo", "Seen before: 3 earlier alerts", "aws ec2 describe-instances --instance-ids",
			"Alert #4821 <https://tocsin.example.com/alerts/4821>", "AWS console <https://eu-west-1.console.aws.amazon.com/",
			"finding 3ac1b2c3d4e5f60718293a4b5c6d7e8f", "told because of route 2", "message 01JXGHV1A2C3E4G5J6K7M8N9P0",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("API %d: the ticket lacks %q:\n%s", api, want, text)
			}
		}
		if strings.Contains(text, "tocsin.example.com/do/") {
			t.Error("the ticket, which everybody reads, has a link that acts for one reader")
		}
	}
}

// The reply to the ticket's making is lost; the next attempt finds it.
func TestARepeatAfterACrashMakesNoSecondTicket(t *testing.T) {
	t.Parallel()
	for _, api := range []int{2, 3} {
		jira, n, _ := serve(t, api, nil)
		m := named(t, "opened-critical-ec2-c2")
		jira.Lag(1)
		jira.Lose(jiratest.Create)
		_, err := n.Notify(t.Context(), m)
		if wait, told := notify.RetryAfter(err); err == nil || notify.IsPermanent(err) || !told || wait < 10*time.Second {
			t.Errorf("API %d: Notify = %v, wait %v; want one that waits for Jira's search", api, err, wait)
		}
		tell(t, n, "opened-low-root") // while the search catches up
		ref, err := n.Notify(t.Context(), m)
		if all := jira.Tickets(); err != nil || ref != "SEC-1" || len(all) != 2 || len(all[0].Comments) != 0 {
			t.Errorf("API %d: then %q, %v; tickets %+v", api, ref, err, all)
		}
	}
}

func TestARepeatedCommentIsNotWrittenTwice(t *testing.T) {
	t.Parallel()
	for _, lost := range []jiratest.What{jiratest.Comment, jiratest.Transition} {
		jira, n, log := serve(t, 3, nil)
		ref := tell(t, n, "opened-critical-ec2-c2")
		m := named(t, "closed-archived")
		m.Ref = ref
		jira.Lose(lost)
		if _, err := n.Notify(t.Context(), m); err == nil || notify.IsPermanent(err) {
			t.Fatalf("Notify = %v with the reply to the %s lost", err, lost)
		}
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if got := jira.Tickets()[0]; len(got.Comments) != 1 || got.Status != "Done" || strings.Contains(got.Comments[0], "not moved") {
			t.Errorf("with the reply to the %s lost: %+v", lost, got)
		}
		if log.Len() > 0 {
			t.Errorf("logged %s", log)
		}
	}
}

func TestAMissingTransitionIsSaidAndNoFailure(t *testing.T) {
	t.Parallel()
	jira, n, log := serve(t, 3, func(c *Config) { c.Transitions.Close = "Shipped" })
	tell(t, n, "opened-critical-ec2-c2", "closed-archived")
	got := jira.Tickets()[0]
	if got.Status != "To Do" || !strings.Contains(got.Comments[0], `This ticket was not moved: from status "To Do" no transition leads to "Shipped".`) {
		t.Errorf("the ticket is %+v", got)
	}
	if !strings.Contains(log.String(), "ticket not moved") {
		t.Errorf("logged %q", log)
	}
}

func TestATransitionThatJiraRefusesIsNoFailure(t *testing.T) {
	t.Parallel()
	jira, n, log := serve(t, 3, nil)
	jira.Fail(jiratest.Transition, http.StatusBadRequest, "")
	tell(t, n, "opened-critical-ec2-c2", "closed-archived")
	if got := jira.Tickets()[0]; got.Status != "To Do" || len(got.Comments) != 1 || !strings.Contains(log.String(), "ticket not moved") {
		t.Errorf("the ticket is %+v; logged %q", got, log)
	}
}

func TestTransitionsByTheirOwnName(t *testing.T) {
	t.Parallel()
	jira, n, _ := serve(t, 3, func(c *Config) { c.Transitions = Transitions{Ack: "start WORK", Close: "resolve"} })
	tell(t, n, "opened-critical-ec2-c2", "acknowledged", "closed-archived")
	if got := jira.Tickets()[0].Status; got != "Done" {
		t.Errorf("the ticket is %s", got)
	}
}

func TestATicketThatSomebodyClosedStaysClosed(t *testing.T) {
	t.Parallel()
	jira, n, log := serve(t, 3, nil)
	key := jira.Add(jiratest.Ticket{Status: "Done"})
	for _, name := range []string{"acknowledged", "closed-archived"} {
		m := named(t, name)
		m.Ref = key
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := jira.Tickets()[0]; got.Status != "Done" || len(got.Comments) != 2 || log.Len() > 0 {
		t.Errorf("the ticket is %+v; logged %q", got, log)
	}
}

func TestWithoutTransitionsNothingMoves(t *testing.T) {
	t.Parallel()
	jira, n, _ := serve(t, 3, func(c *Config) { c.Transitions = Transitions{} })
	tell(t, n, "opened-critical-ec2-c2", "acknowledged", "closed-archived")
	if got := jira.Tickets()[0]; got.Status != "To Do" || len(got.Comments) != 2 {
		t.Errorf("the ticket is %+v", got)
	}
	if slices.Contains(jira.Requests(), jiratest.Read) {
		t.Error("the workflow was asked for in vain")
	}
}

func TestARaisedAlertRaisesThePriority(t *testing.T) {
	t.Parallel()
	jira, n, log := serve(t, 2, func(c *Config) { c.Priority = map[string]string{"medium": "Low", "Critical": "Highest"} })
	m := named(t, "opened-critical-ec2-c2")
	m.Alert.Level = tocsin.Medium
	ref, err := n.Notify(t.Context(), m)
	if err != nil || jira.Tickets()[0].Priority != "Low" {
		t.Fatalf("%v; the ticket is %+v", err, jira.Tickets())
	}
	raised := named(t, "raised")
	raised.Ref = ref
	if _, err := n.Notify(t.Context(), raised); err != nil || jira.Tickets()[0].Priority != "Highest" || log.Len() > 0 {
		t.Errorf("%v; the ticket is %+v; logged %q", err, jira.Tickets(), log)
	}
	jira.Fail(jiratest.Edit, http.StatusForbidden, "")
	if _, err := n.Notify(t.Context(), raised); err != nil || !strings.Contains(log.String(), "ticket keeps its priority") {
		t.Errorf("refused an edit: %v; logged %q", err, log)
	}
}

func TestATicketThatIsGone(t *testing.T) {
	t.Parallel()
	t.Run("is made again for what calls people", func(t *testing.T) {
		t.Parallel()
		jira, n, _ := serve(t, 3, nil)
		jira.Remove(tell(t, n, "opened-critical-ec2-c2"))
		raised := named(t, "raised")
		raised.Ref = "SEC-1"
		ref, err := n.Notify(t.Context(), raised)
		if all := jira.Tickets(); err != nil || ref != "SEC-2" || len(all) != 1 || !strings.HasPrefix(all[0].Summary, "RAISED") {
			t.Fatalf("Notify = %q, %v; tickets %+v", ref, err, all)
		}
		closed := named(t, "closed-archived")
		closed.Ref = "SEC-1" // which the engine keeps
		if ref, err := n.Notify(t.Context(), closed); err != nil || ref != "SEC-2" || jira.Tickets()[0].Status != "Done" {
			t.Errorf("then Notify = %q, %v; tickets %+v", ref, err, jira.Tickets())
		}
	})
	t.Run("is not missed by what only tells", func(t *testing.T) {
		t.Parallel()
		jira, n, _ := serve(t, 3, nil)
		jira.Remove(tell(t, n, "opened-critical-ec2-c2"))
		m := named(t, "acknowledged")
		m.Ref = "SEC-1"
		if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "ticket SEC-1 is gone") || len(jira.Tickets()) != 0 {
			t.Errorf("Notify = %v; tickets %+v", err, jira.Tickets())
		}
	})
}

func TestAnAlertWhoseOpeningWasToldElsewhere(t *testing.T) {
	t.Parallel()
	jira, n, _ := serve(t, 3, nil)
	m := named(t, "acknowledged")
	m.Ref = ""
	ref, err := n.Notify(t.Context(), m)
	if err != nil || ref != "SEC-1" {
		t.Fatalf("Notify = %q, %v", ref, err)
	}
	got := jira.Tickets()[0]
	if got.Status != "In Progress" || len(got.Comments) != 0 || !strings.Contains(got.Text, "Acknowledged by ana on 2026-06-12 02:29 UTC.") {
		t.Errorf("the ticket is %+v", got)
	}
}

func TestDigestsAndNotesAreTicketsOfTheirOwn(t *testing.T) {
	t.Parallel()
	jira, n, _ := serve(t, 3, func(c *Config) { c.Priority = map[string]string{"critical": "Highest"} })
	for _, name := range []string{"digest", "note", "digest", "note"} {
		if _, err := n.Notify(t.Context(), named(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	all := jira.Tickets()
	if len(all) != 2 || len(all[0].Comments)+len(all[1].Comments) != 0 || all[0].Priority != "Highest" || all[1].Priority != "" {
		t.Fatalf("tickets %+v", all)
	}
	if !strings.Contains(all[0].Text, "▲ HIGH · prod-payments (111122223333) eu-west-1 · Keys of role web-role are used outside AWS #4823 <https://tocsin.example.com/alerts/4823>") {
		t.Errorf("the digest says\n%s", all[0].Text)
	}
	if !strings.HasPrefix(all[1].Text, "Nobody is on call for schedule payments") {
		t.Errorf("the note says\n%s", all[1].Text)
	}
}

func TestALongDigestSaysHowManyMore(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for _, api := range []int{2, 3} {
		m := named(t, "digest")
		item := m.Digest[0]
		item.URL += "?" + strings.Repeat("x", 1500)
		m.Digest = slices.Repeat([]notify.Item{item}, 90)
		n := notifytest.Open(t, open, config(api, "https://jira.example.com")).(*notifier)
		raw, err := json.Marshal(map[string]any{"fields": n.fields(m)})
		if err != nil {
			t.Fatal(err)
		}
		valid(t, schema, m, raw)
		if !bytes.Contains(raw, []byte("82 more")) {
			t.Errorf("API %d: the digest of 90 does not say that 82 more are there: …%s", api, raw[max(0, len(raw)-600):])
		}
	}
}

func TestFieldsOfATicket(t *testing.T) {
	t.Parallel()
	jira, n, _ := serve(t, 3, func(c *Config) {
		c.IssueType, c.Labels = "Incident", []string{"guardduty", "soc"}
		c.Fields = map[string]any{"customfield_10042": map[string]any{"value": "Security"}, "components": []any{map[string]any{"name": "AWS"}}}
	})
	tell(t, n, "opened-critical-ec2-c2")
	got := jira.Tickets()[0]
	if got.Type != "Incident" || !slices.Equal(got.Labels, []string{"tocsin", "tocsin-4821-1781231160000", "guardduty", "soc"}) || len(got.Fields) != 2 {
		t.Errorf("the ticket is %+v", got)
	}
}

func TestJirasAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		change    func(*Config)
		permanent bool
		says      string
	}{
		{"no such project", func(c *Config) { c.Project = "NOPE" }, true, "valid project is required"},
		{"no such type", func(c *Config) { c.IssueType = "Epic" }, true, "The issue type selected is invalid."},
		{"a field that is on no screen", func(c *Config) { c.Fields = map[string]any{"severity": "x"} }, true, "Field 'severity' cannot be set"},
		{"a wrong token", func(c *Config) { c.Token = secret.New("ATATT-wrong-wrong-wrong") }, true, "401 Unauthorized"},
		{"the other API", func(c *Config) { c.API = 2 }, true, "404"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			jira, n, _ := serve(t, 3, tt.change)
			_, err := n.Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
			if err == nil || notify.IsPermanent(err) != tt.permanent || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "ATATT") {
				t.Errorf("Notify = %v, permanent %v; want permanent %v, %q and no token", err, notify.IsPermanent(err), tt.permanent, tt.says)
			}
			if len(jira.Tickets()) != 0 {
				t.Errorf("tickets %+v", jira.Tickets())
			}
		})
	}
	t.Run("a login page in between", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>Sign in</html>") }))
		defer server.Close()
		_, err := notifytest.Open(t, open, config(3, server.URL)).Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
		if err == nil || notify.IsPermanent(err) || !strings.Contains(err.Error(), "login page") {
			t.Errorf("Notify = %v", err)
		}
	})
}

func TestATokenThatIsEchoedStaysSecret(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"errorMessages":["the token `+token+` has expired"]}`)
	}))
	defer server.Close()
	_, err := notifytest.Open(t, open, config(3, server.URL)).Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
	if err == nil || strings.Contains(err.Error(), "ATATT") || !strings.Contains(err.Error(), "the token *** has expired") {
		t.Errorf("Notify = %v, want what Jira said without the token", err)
	}
}

func TestWordsThatAreEmptyAreLeftOut(t *testing.T) {
	t.Parallel()
	d := document{paragraph(bold("a"), plain(""), bold(" "), span{url: "https://x.example/"}, plain("b"))}
	raw, err := json.Marshal(d.adf())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := jiratest.ADF(raw); err != nil || text != "a b" {
		t.Errorf("ADF is %q, %v: %s", text, err, raw)
	}
	if got := d.wiki(); got != "*a* b" {
		t.Errorf("wiki markup is %q", got)
	}
}

// Every request of a message may be told to wait, and the next attempt goes on
// where this one stopped.
func TestEveryRequestWaitsAsTold(t *testing.T) {
	t.Parallel()
	for _, what := range []jiratest.What{jiratest.Search, jiratest.Create, jiratest.Comments, jiratest.Read, jiratest.Comment, jiratest.Edit, jiratest.Transition} {
		jira, n, _ := serve(t, 3, func(c *Config) { c.Priority = map[string]string{"critical": "Highest"} })
		jira.Fail(what, http.StatusTooManyRequests, "17")
		var waits []time.Duration
		ref := ""
		for _, name := range []string{"opened-critical-ec2-c2", "raised", "acknowledged"} {
			for range 2 {
				m := named(t, name)
				m.Ref = ref
				got, err := n.Notify(t.Context(), m)
				if err == nil {
					ref = got
					break
				}
				wait, _ := notify.RetryAfter(err)
				waits = append(waits, wait)
			}
		}
		got := jira.Tickets()
		if !slices.Equal(waits, []time.Duration{17 * time.Second}) || len(got) != 1 || len(got[0].Comments) != 2 || got[0].Status != "In Progress" {
			t.Errorf("%s throttled: waits %v, tickets %+v", what, waits, got)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"Cloud", func(*Config) {}, ""},
		{"a Data Center under a path", func(c *Config) { c.URL, c.API, c.Email = "https://intern.example.com/jira/", 2, "" }, ""},
		{"references that are not resolved yet", func(c *Config) { c.Token = secret.New("${env:JIRA_TOKEN}") }, ""},
		{"no address", func(c *Config) { c.URL = "" }, "url is not set"},
		{"plain HTTP to the world", func(c *Config) { c.URL = "http://example.atlassian.net" }, "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"an address of the API", func(c *Config) { c.URL += "/rest/api/3" }, "url: want the address of Jira alone, without /rest/…"},
		{"an API that is not there", func(c *Config) { c.API = 4 }, "api: 4 is none of 2 (Server, Data Center), 3 (Cloud)"},
		{"no project", func(c *Config) { c.Project = "" }, "project is not set"},
		{"a project's name", func(c *Config) { c.Project = "Security Team" }, `project: "Security Team" is not a project's key, such as SEC`},
		{"no token", func(c *Config) { c.Token = secret.String{} }, "token is not set"},
		{"an address with a colon", func(c *Config) { c.Email = "a:b@example.com" }, `email: "a:b@example.com" has a colon, which a login cannot have`},
		{"a level that is not there", func(c *Config) { c.Priority = map[string]string{"urgent": "High"} }, `priority: level "urgent" is none of informational, low, medium, high, critical`},
		{"a label with a space", func(c *Config) { c.Labels = []string{"guard duty"} }, `labels: "guard duty" has a space, which Jira's labels cannot have`},
		{"a field of ours", func(c *Config) { c.Fields = map[string]any{"summary": "x"} }, "fields: summary is set by tocsin itself"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := config(3, "https://example.atlassian.net")
			tt.change(&c)
			got := ""
			if _, err := open(c, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
		})
	}
}
