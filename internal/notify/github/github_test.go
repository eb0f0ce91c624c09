package github

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	token   = "github_pat_11ABCDEFG0t0k3nt0k3nt0k3n"
	opening = "opened-critical-ec2-c2"
)

func config(url string) Config {
	return Config{Repository: "acme/findings", Token: secret.New(token), BaseURL: url}
}

// afresh has each message that knows no issue come to a repository without any,
// since the messages of the suite are of one alert and would find each other's.
type afresh struct {
	notify.Notifier
	github *fake
}

func (a afresh) Notify(ctx context.Context, m notify.Message) (string, error) {
	a.github.clear()
	if m.Ref != "" {
		m.Ref = "acme/findings#" + strconv.FormatInt(a.github.add(ticket{}), 10)
	}
	return a.Notifier.Notify(ctx, m)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	schemas := compiled(t)
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{token},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			if a != (notifytest.Answer{}) {
				url, taken := notifytest.Serve(t, a, "")
				return notifytest.Open(t, open, config(url)), taken
			}
			github := &fake{}
			server := httptest.NewServer(github)
			t.Cleanup(server.Close)
			return afresh{notifytest.Open(t, open, config(server.URL)), github}, github.taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) { schemas.valid(t, m, got.Body) },
		Shown: func(t *testing.T, got notifytest.Taken) []string {
			i := decode(t, got.Body)
			return append([]string{i.Title}, prose(i.Body))
		},
	})
}

func decode(t *testing.T, raw []byte) issue {
	t.Helper()
	var i issue
	if err := json.Unmarshal(raw, &i); err != nil {
		t.Fatal(err)
	}
	return i
}

// schemas are those of GitHub's description, by what is requested.
type schemas map[string]*jsonschema.Schema

func compiled(t *testing.T) schemas {
	t.Helper()
	s := schemas{}
	for _, name := range []string{"create", "edit", "comment"} {
		schema, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "issues.schema.json") + "#/$defs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		s[name] = schema
	}
	return s
}

func (s schemas) wrong(t *testing.T, name string, raw []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s[name].Validate(doc)
}

// valid holds an issue or comment to GitHub's schema, to its lengths, and to what
// GitHub would make of its text.
func (s schemas) valid(t *testing.T, m notify.Message, raw []byte) {
	t.Helper()
	i := decode(t, raw)
	name := "comment"
	if i.Title != "" {
		name = "create"
		if notify.UTF16(i.Title) > 256 || strings.ContainsAny(i.Title, "\r\n@#`") {
			t.Errorf("title %q", i.Title)
		}
		if with([]listed{{Number: 1, Body: i.Body}}, notify.KeyMark(m)) == 0 {
			t.Errorf("the issue lacks its key: …%s", i.Body[max(0, len(i.Body)-200):])
		}
	}
	if err := s.wrong(t, name, raw); err != nil {
		t.Errorf("GitHub's schema says: %v", err)
	}
	if notify.UTF16(i.Body) > 65536 {
		t.Errorf("the body is %d long", notify.UTF16(i.Body))
	}
	for _, found := range link.FindAllStringSubmatch(i.Body, -1) {
		if url := strings.ReplaceAll(found[2], "&amp;", "&"); !linked(m, url) {
			t.Errorf("a link leads to %s", url)
		}
	}
	for line := range strings.Lines(prose(i.Body)) {
		if found := meaning.FindString(line); found != "" {
			t.Errorf("%q means something in %.200q", found, line)
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
	fence = regexp.MustCompile("(?ms)^(````*)\n.*?\n(````*)$")
	link  = regexp.MustCompile(`\[((?:[^\[\]\n]|\\\[|\\\])*)\]\(<([^<>\s]+)>\)`)
	bold  = regexp.MustCompile(`\*\*([^*\n]*)\*\*`)
	// meaning is what GitHub makes something of, written apart from the code that
	// looks for it.
	meaning = regexp.MustCompile("`|<|>|\\*|~|\\||\\$|@[\\w-]|(?:^|\\W)#\\d|GH-\\d|[^\\\\]\\[|&[\\w#]+;|:[a-z0-9_+-]+:|https?://|www\\.|^(?:[-+] ){2}|^#|^\\d+[.)] |__|(?:^|\\W)_\\w")
)

// prose is the text without what GitHub leaves alone: code and our own links.
func prose(body string) string {
	body = fence.ReplaceAllString(body, "")
	body = withoutSpans(body)
	body = link.ReplaceAllString(body, "")
	body = bold.ReplaceAllString(body, "$1")
	return regexp.MustCompile(`(?m)^- `).ReplaceAllString(body, "")
}

// withoutSpans leaves out code spans: from a run of backticks to the next one of
// the same length.
func withoutSpans(body string) string {
	ticks := regexp.MustCompile("`+")
	var b strings.Builder
	for {
		open := ticks.FindStringIndex(body)
		if open == nil {
			return b.String() + body
		}
		b.WriteString(body[:open[0]])
		run, rest := body[open[0]:open[1]], body[open[1]:]
		end := -1
		for _, at := range ticks.FindAllStringIndex(rest, -1) {
			if rest[at[0]:at[1]] == run {
				end = at[1]
				break
			}
		}
		if end < 0 {
			b.WriteString(run)
			body = rest
			continue
		}
		body = rest[end:]
	}
}

// A check that lets everything pass is none.
func TestTheChecksFindMistakes(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	for _, tt := range []struct {
		name, of, body string
		ok             bool
	}{
		{"an issue", "create", `{"title":"a","body":"b","labels":["c"]}`, true},
		{"an issue without title", "create", `{"body":"b"}`, false},
		{"a key misspelt", "create", `{"title":"a","lables":["c"]}`, false},
		{"labels that are a text", "create", `{"title":"a","labels":"c"}`, false},
		{"a comment", "comment", `{"body":"b"}`, true},
		{"a comment of nothing", "comment", `{}`, false},
		{"closed", "edit", `{"state":"closed","state_reason":"completed"}`, true},
		{"a state that is not there", "edit", `{"state":"resolved"}`, false},
		{"a reason that is not there", "edit", `{"state":"closed","state_reason":"wontfix"}`, false},
	} {
		if err := s.wrong(t, tt.of, []byte(tt.body)); (err == nil) != tt.ok {
			t.Errorf("%s: the schema says %v, want ok %v", tt.name, err, tt.ok)
		}
	}
	for text, found := range map[string]bool{
		"nothing here": false, "@ana look": true, "see #12": true, "**bold** is ours": false, "**What:** `@ana #12` x": false,
		"[click](<https://tocsin.example.com>) ours": false, `evil\[.\]example`: false, "a [x] b": true, ":fire:": true, "<b>": true, "a ` b": true,
	} {
		if got := meaning.MatchString(prose(text)); got != found {
			t.Errorf("%q means something: %v, want %v", text, got, found)
		}
	}
}

func TestNobodyIsMentionedByWhatAFindingSays(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"EC2 i-0abc (web-1) is calling":   "EC2 i-0abc (web-1) is calling",
		"DNS query for evil[.]example":    `DNS query for evil\[.\]example`,
		"S3 invoices_archive_2026":        "S3 invoices_archive_2026",
		"Backdoor:EC2/C&CActivity.B!DNS":  "Backdoor:EC2/C&CActivity.B!DNS",
		"10.0.4.17 / 203.0.113.80, 50 %":  "10.0.4.17 / 203.0.113.80, 50 %",
		"arn:aws:s3:::bucket":             "`arn:aws:s3:::bucket`",
		"@security-team please close":     "`@security-team please close`",
		"role of ana@example[.]com":       "`role of ana@example[.]com`",
		"fixes #12, GH-13, acme/other#14": "`fixes #12, GH-13, acme/other#14`",
		"/close":                          "`/close`",
		"- [ ] a task":                    "`- [ ] a task`",
		"1. one":                          "`1. one`",
		"*bold* `code`":                   "`` *bold* `code` ``",
		"`":                               "`` ` ``",
		"<img src=x onerror=alert(1)>":    "`<img src=x onerror=alert(1)>`",
		"&#64;ana &lt;b&gt;":              "`&#64;ana &lt;b&gt;`",
		"port :8080: up":                  "`port :8080: up`",
		"[vulnerability:3] [issue:4]":     "`[vulnerability:3] [issue:4]`",
	} {
		if got := notify.MarkdownText(s); got != want {
			t.Errorf("MarkdownText(%q) = %s, want %s", s, got, want)
		}
	}
	n := notifytest.Open(t, open, config("https://api.github.com")).(*notifier)
	m := named(t, opening)
	m.Alert.Headline = "EC2 @everybody fixes #12 is calling"
	if got := n.issue(m).Title; !strings.Contains(got, "EC2 ＠everybody fixes ＃12 is calling") {
		t.Errorf("the title is %q", got)
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	c := config("https://api.github.com")
	c.Labels, c.Assignees = []string{"guardduty", "triage"}, []string{"ana"}
	n := notifytest.Open(t, open, c).(*notifier)
	for _, tt := range notifytest.Cases(t) {
		if tt.Message.Kind == tocsin.TellCode {
			continue
		}
		t.Run(tt.Name, func(t *testing.T) {
			i := n.issue(tt.Message)
			out := fmt.Sprintf("title: %s\nlabels: %q\nassignees: %q\n\n%s\n", i.Title, i.Labels, i.Assignees, i.Body)
			var what any = i
			if tt.Message.Ref != "" {
				note := n.news(tt.Message)
				what, out = note, note.Body+"\n"
			}
			raw, err := json.Marshal(what)
			if err != nil {
				t.Fatal(err)
			}
			s.valid(t, tt.Message, raw)
			notifytest.Golden(t, tt.Name+".md", []byte(out))
		})
	}
}

// serve is a repository with a notifier that writes to it.
func serve(t *testing.T, change func(*Config)) (*fake, notify.Notifier, *bytes.Buffer) {
	t.Helper()
	github := &fake{}
	server := httptest.NewServer(github)
	t.Cleanup(server.Close)
	c := config(server.URL)
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
	return github, n, &log
}

func named(t *testing.T, name string) notify.Message {
	t.Helper()
	for _, c := range notifytest.Messages() {
		if c.Name != name {
			continue
		}
		if c.Message.Kind == tocsin.TellClosed {
			c.Message.Alert.Status = tocsin.StatusClosed
		}
		return c.Message
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

func TestTheLifeOfAnAlertIsOneIssue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		told          []string
		state, reason string
		comments      []string // beginnings
	}{
		{"opened", []string{opening}, "open", "", nil},
		{"raised and updated", []string{opening, "raised", "updated"}, "open", "", []string{"**■ RAISED medium→critical: ", "**■ UPDATED: "}},
		{"acknowledged and assigned", []string{opening, "acknowledged", "changed-assigned"}, "open", "", []string{"**■ ACKNOWLEDGED by ana**", "**■ ASSIGNED to bo**"}},
		{"snoozed, and open again", []string{opening, "changed-snoozed", "changed-open-again"}, "open", "", []string{"**■ SNOOZED until 12 Jun 06:00 UTC**", "**■ OPEN AGAIN"}},
		{"closed, since it was archived", []string{opening, "closed-archived"}, "closed", "completed", []string{"**✓ CLOSED (archived): ended at its source**"}},
		{"closed as a false positive", []string{opening, "acknowledged", "closed-by-person"}, "closed", "not_planned", []string{"**■ ACK", "`✓ CLOSED (false positive) by alice@example[.]com`"}},
		{"open again as itself", []string{opening, "closed-archived", "reopened"}, "open", "reopened", []string{"**✓ CLOSED", "**■ REOPENED"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			github, n, log := serve(t, nil)
			ref := tell(t, n, tt.told...)
			all := github.all()
			if len(all) != 1 || ref != "acme/findings#1" || all[0].State != tt.state || all[0].Reason != tt.reason {
				t.Fatalf("issues %+v, reference %q; want one that is %s (%s)", all, ref, tt.state, tt.reason)
			}
			if len(all[0].Comments) != len(tt.comments) {
				t.Fatalf("comments %q, want %q", all[0].Comments, tt.comments)
			}
			for i, want := range tt.comments {
				if got := strings.TrimPrefix(all[0].Comments[i], "**"); !strings.HasPrefix(got, strings.TrimPrefix(want, "**")) {
					t.Errorf("comment %d is %.200q, want %q…", i, got, want)
				}
			}
			if log.Len() > 0 {
				t.Errorf("logged %s", log)
			}
		})
	}
}

func TestAnIssueSaysWhatTheMessageSays(t *testing.T) {
	t.Parallel()
	github, n, _ := serve(t, nil)
	tell(t, n, "opened-with-actions")
	body := github.all()[0].Body
	for _, want := range []string{
		"**■ CRITICAL · NEW · Backdoor:EC2/C&CActivity.B!DNS", `- **What:** DNS query for evil\[.\]example, known as`,
		"- **When:** first 2026-06-12 02:13 UTC", "ana, bo",
		"```\naws ec2 describe-instances --instance-ids", "[Alert #4821](<https://tocsin.example.com/alerts/4821>)",
		"finding 3ac1b2c3d4e5f60718293a4b5c6d7e8f", "message 01JXGHV1A2C3E4G5J6K7M8N9P0", "key tocsin-4821-1781231160000",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the issue lacks %q:\n%s", want, body)
		}
	}
	if strings.Contains(body, "tocsin.example.com/do/") {
		t.Error("the issue, which many read, has a link that acts for one reader")
	}
}

// The reply to the issue's making is lost; the next attempt finds it, whatever
// else was made meanwhile and however late the search is.
func TestARepeatAfterACrashMakesNoSecondIssue(t *testing.T) {
	t.Parallel()
	github, n, _ := serve(t, nil)
	github.lateness = true
	m := named(t, opening)
	github.next(fault{what: create})
	if _, err := n.Notify(t.Context(), m); err == nil || notify.IsPermanent(err) {
		t.Fatalf("Notify = %v with the reply lost", err)
	} else if wait, told := notify.RetryAfter(err); !told || wait < 5*time.Second {
		t.Errorf("Notify = %v, wait %v; want one that lets GitHub's lists catch up", err, wait)
	}
	for range 250 {
		github.add(ticket{issue: issue{Title: "x", Body: "somebody's"}, Created: notifytest.Now()})
	}
	ref, err := n.Notify(t.Context(), m)
	if all := github.all(); err != nil || ref != "acme/findings#1" || len(all) != 251 || len(all[0].Comments) != 0 {
		t.Errorf("then %q, %v; %d issues", ref, err, len(all))
	}
	if got := github.count(search); got != 0 {
		t.Errorf("the search, which takes few requests, was asked %d times", got)
	}
}

func TestARepeatedCommentIsNotWrittenTwice(t *testing.T) {
	t.Parallel()
	for _, lost := range []what{addition, edit} {
		github, n, log := serve(t, nil)
		m := named(t, "closed-archived")
		m.Ref = tell(t, n, opening)
		github.next(fault{what: lost})
		if _, err := n.Notify(t.Context(), m); err == nil || notify.IsPermanent(err) {
			t.Fatalf("Notify = %v with the reply to the %s lost", err, lost)
		}
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if got := github.all()[0]; len(got.Comments) != 1 || got.State != "closed" || log.Len() > 0 {
			t.Errorf("with the reply to the %s lost: %+v; logged %s", lost, got, log)
		}
	}
}

// An issue of an alert that this receiver has no reference of is searched for:
// only its key tells.
func TestAnOldIssueIsFoundByItsKey(t *testing.T) {
	t.Parallel()
	github, n, _ := serve(t, nil)
	old := notifytest.Now().Add(-30 * 24 * time.Hour)
	github.add(ticket{issue: issue{Title: "x", Body: "key tocsin-4821-17812311600001"}, Created: old})
	github.add(ticket{issue: issue{Title: "x", Body: "alert\n\n`told · key tocsin-4821-1781231160000`\n\nand what people wrote below"}, State: "closed", Created: old})
	m := named(t, "reopened")
	m.Ref = ""
	ref, err := n.Notify(t.Context(), m)
	if all := github.all(); err != nil || ref != "acme/findings#2" || len(all) != 2 || all[1].State != "open" || len(all[1].Comments) != 1 {
		t.Errorf("Notify = %q, %v; issues %+v", ref, err, all)
	}
}

func TestAReferenceToAnotherRepositoryIsNotFollowed(t *testing.T) {
	t.Parallel()
	github, n, _ := serve(t, nil)
	github.add(ticket{issue: issue{Title: "somebody's", Body: "x"}})
	m := named(t, "raised")
	m.Ref = "acme/before#1"
	ref, err := n.Notify(t.Context(), m)
	if all := github.all(); err != nil || ref != "acme/findings#2" || len(all) != 2 || len(all[0].Comments) != 0 {
		t.Errorf("Notify = %q, %v; issues %+v", ref, err, all)
	}
}

func TestAnIssueThatIsGone(t *testing.T) {
	t.Parallel()
	github, n, _ := serve(t, nil)
	raised, acknowledged := named(t, "raised"), named(t, "acknowledged")
	raised.Ref, acknowledged.Ref = "acme/findings#7", "acme/findings#7"
	if _, err := n.Notify(t.Context(), acknowledged); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "ticket acme/findings#7 is gone") {
		t.Errorf("news of an issue that was deleted: %v", err)
	}
	github.next(fault{what: comments, status: http.StatusMovedPermanently, headers: map[string]string{"Location": "/repositories/1/issues/7"}})
	ref, err := n.Notify(t.Context(), raised)
	if all := github.all(); err != nil || ref != "acme/findings#1" || len(all) != 1 || !strings.HasPrefix(all[0].Title, "RAISED") {
		t.Errorf("a call to act, after it was moved: %q, %v; issues %+v", ref, err, all)
	}
}

func TestAnIssueThatSomebodyClosedStaysAsTheyLeftIt(t *testing.T) {
	t.Parallel()
	github, n, _ := serve(t, nil)
	number := github.add(ticket{State: "closed", Reason: "duplicate"})
	for _, name := range []string{"acknowledged", "closed-archived"} {
		m := named(t, name)
		m.Ref = fmt.Sprintf("acme/findings#%d", number)
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := github.all()[0]; got.State != "closed" || got.Reason != "duplicate" || len(got.Comments) != 2 || github.count(edit) != 0 {
		t.Errorf("the issue is %+v", got)
	}
}

func TestPeopleMayCloseIssuesThemselves(t *testing.T) {
	t.Parallel()
	github, n, _ := serve(t, func(c *Config) { c.KeepOpen = true })
	tell(t, n, opening, "closed-archived")
	if got := github.all()[0]; got.State != "open" || len(got.Comments) != 1 {
		t.Errorf("the issue is %+v", got)
	}
}

func TestAnEditThatIsRefusedIsNoFailure(t *testing.T) {
	t.Parallel()
	github, n, log := serve(t, nil)
	github.next(fault{what: edit, status: http.StatusForbidden, body: `{"message":"Must have write access"}`})
	tell(t, n, opening, "closed-archived")
	if got := github.all()[0]; got.State != "open" || len(got.Comments) != 1 || !strings.Contains(log.String(), "ticket not moved") {
		t.Errorf("the issue is %+v; logged %s", got, log)
	}
}

func TestDigestsAndNotesAreIssuesOfTheirOwn(t *testing.T) {
	t.Parallel()
	github, n, _ := serve(t, nil)
	for _, name := range []string{"digest", "note", "digest", "note"} {
		if _, err := n.Notify(t.Context(), named(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	all := github.all()
	if len(all) != 2 || !strings.HasPrefix(all[1].Title, "Nobody is on call") || !strings.Contains(all[0].Body, "(<https://tocsin.example.com/alerts/4823>)") {
		t.Errorf("issues %+v", all)
	}
}

func TestALongDigestSaysHowManyMore(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	n := notifytest.Open(t, open, config("https://api.github.com")).(*notifier)
	m := named(t, "digest")
	item := m.Digest[0]
	item.URL += "?" + strings.Repeat("x", 1900)
	m.Digest = slices.Repeat([]notify.Item{item}, 90)
	i := n.issue(m)
	raw, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	s.valid(t, m, raw)
	if !strings.Contains(i.Body, "\n60 more\n") {
		t.Errorf("the digest of 90 does not say how many more: …%s", i.Body[max(0, len(i.Body)-600):])
	}
}

// Both kinds of limits, in all the ways in which GitHub tells of them.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	reset := strconv.FormatInt(notifytest.Now().Add(7*time.Minute).Unix(), 10)
	for _, tt := range []struct {
		name string
		o    fault
		wait time.Duration // 0: for good
	}{
		{"secondary limit with Retry-After", fault{status: 403, headers: map[string]string{"Retry-After": "60"}, body: `{"message":"You have exceeded a secondary rate limit."}`}, time.Minute},
		{"secondary limit, 429", fault{status: 429, headers: map[string]string{"Retry-After": "90"}}, 90 * time.Second},
		{"secondary limit in words alone", fault{status: 403, body: `{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}`}, time.Minute},
		{"primary limit, 403", fault{status: 403, headers: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}}, 7 * time.Minute},
		{"primary limit, 429", fault{status: 429, headers: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}}, 7 * time.Minute},
		{"a limit that says nonsense", fault{status: 403, headers: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}}, time.Minute},
		{"no permission", fault{status: 403, headers: map[string]string{"X-RateLimit-Remaining": "4987"}, body: `{"message":"Resource not accessible by personal access token"}`}, 0},
	} {
		for _, at := range []what{list, create, comments, addition, read, edit} {
			t.Run(tt.name+" at "+string(at), func(t *testing.T) {
				t.Parallel()
				github, n, log := serve(t, nil)
				o := tt.o // the same case runs at other requests beside this
				o.what = at
				github.next(o)
				var errs []error
				ref := ""
				for _, name := range []string{opening, "closed-archived"} {
					for range 2 {
						m := named(t, name)
						m.Ref = ref
						got, err := n.Notify(t.Context(), m)
						if err == nil {
							ref = got
							break
						}
						errs = append(errs, err)
					}
				}
				if tt.wait == 0 && at == edit {
					if len(errs) != 0 || !strings.Contains(log.String(), "ticket not moved") {
						t.Errorf("errors %v; logged %s", errs, log)
					}
					return
				}
				if len(errs) != 1 {
					t.Fatalf("errors %v, want one", errs)
				}
				wait, _ := notify.RetryAfter(errs[0])
				if wait != tt.wait || notify.IsPermanent(errs[0]) != (tt.wait == 0) {
					t.Errorf("Notify = %v, wait %v, permanent %v; want wait %v", errs[0], wait, notify.IsPermanent(errs[0]), tt.wait)
				}
				if all := github.all(); len(all) != 1 || len(all[0].Comments) != 1 || all[0].State != "closed" {
					t.Errorf("then issues %+v", all)
				}
			})
		}
	}
}

func TestAnEnterpriseServer(t *testing.T) {
	t.Parallel()
	github := &fake{base: "/api/v3"}
	server := httptest.NewServer(github)
	defer server.Close()
	n := notifytest.Open(t, open, config(server.URL+"/api/v3/"))
	if ref := tell(t, n, opening, "acknowledged"); ref != "acme/findings#1" {
		t.Errorf("the reference is %q", ref)
	}
	_, err := notifytest.Open(t, open, config(server.URL)).Notify(t.Context(), named(t, opening))
	if !notify.IsPermanent(err) || !strings.Contains(err.Error(), "404") {
		t.Errorf("without its path: %v", err)
	}
}

func TestGitHubsAnswers(t *testing.T) {
	t.Parallel()
	_, n, _ := serve(t, func(c *Config) { c.Token = secret.New("ghp_wrong-wrong-wrong") })
	if _, err := n.Notify(t.Context(), named(t, opening)); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "Bad credentials") {
		t.Errorf("a wrong token: %v", err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>Sign in</html>") }))
	defer server.Close()
	_, err := notifytest.Open(t, open, config(server.URL)).Notify(t.Context(), named(t, opening))
	if err == nil || notify.IsPermanent(err) || !strings.Contains(err.Error(), "proxy in between") {
		t.Errorf("a login page in between: %v", err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"github.com", func(c *Config) { c.BaseURL = "" }, ""},
		{"a token that is not resolved yet", func(c *Config) { c.Token = secret.New("${env:GITHUB_TOKEN}") }, ""},
		{"no repository", func(c *Config) { c.Repository = "" }, "repository is not set"},
		{"a repository's address", func(c *Config) { c.Repository = "https://github.com/acme/findings" }, `repository: "https://github.com/acme/findings" is not owner/name`},
		{"a path that leads elsewhere", func(c *Config) { c.Repository = "acme/../x" }, `repository: "acme/../x" is not owner/name`},
		{"no token", func(c *Config) { c.Token = secret.String{} }, "token is not set"},
		{"the pages' address", func(c *Config) { c.BaseURL = "https://github.com" }, "base_url: want the API's address, https://api.github.com, and not that of the pages"},
		{"plain HTTP to the world", func(c *Config) { c.BaseURL = "http://github.example.com/api/v3" }, "base_url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"a label that is too long", func(c *Config) { c.Labels = []string{strings.Repeat("x", 51)} }, `labels: "` + strings.Repeat("x", 51) + `" is not 1 to 50 characters long`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := config("https://api.github.com")
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

func TestAReplyThatIsNoneOfGitHubsIsNoSuccess(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		at   fault
	}{
		{"an issue without its number", fault{what: create, status: 201, body: `{}`}},
		{"a login page in place of a comment", fault{what: addition, status: 200, body: "<html>Sign in</html>"}},
		{"a login page in place of an edit", fault{what: edit, status: 200, body: "<html>Sign in</html>"}},
	} {
		github, n, _ := serve(t, nil)
		github.next(tt.at)
		errs, ref := 0, ""
		for _, name := range []string{opening, "closed-archived"} {
			for range 2 {
				m := named(t, name)
				m.Ref = ref
				got, err := n.Notify(t.Context(), m)
				if err == nil {
					ref = got
					break
				}
				errs++
				if notify.IsPermanent(err) {
					t.Errorf("%s: %v is permanent", tt.name, err)
				}
			}
		}
		if all := github.all(); errs != 1 || len(all) != 1 || len(all[0].Comments) != 1 || all[0].State != "closed" {
			t.Errorf("%s: %d errors, issues %+v", tt.name, errs, all)
		}
	}
}

func TestAnIssueFollowsHowItsAlertStandsByNow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, told, state string
		status            tocsin.Status
		want              string
	}{
		{"an end that was taken back", "closed-archived", "open", tocsin.StatusOpen, "open"},
		{"a rise of an alert that is over", "raised", "closed", tocsin.StatusClosed, "closed"},
		{"a rise", "raised", "closed", tocsin.StatusOpen, "open"},
		{"news", "updated", "closed", tocsin.StatusOpen, "closed"},
	} {
		github, n, _ := serve(t, nil)
		github.add(ticket{issue: issue{Title: "x", Body: "key tocsin-4821-1781231160000"}, State: tt.state, Created: notifytest.Now()})
		m := named(t, tt.told)
		m.Ref, m.Alert.Status = "acme/findings#1", tt.status
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if got := github.all()[0].State; got != tt.want {
			t.Errorf("%s: the issue is %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestTheOldestOfSeveralIssuesIsTheAlerts(t *testing.T) {
	t.Parallel()
	github, n, _ := serve(t, nil)
	for range 2 { // somebody copied it
		github.add(ticket{issue: issue{Title: "x", Body: "key tocsin-4821-1781231160000"}, Created: notifytest.Now()})
	}
	m := named(t, "reopened")
	m.Ref = ""
	if ref, err := n.Notify(t.Context(), m); err != nil || ref != "acme/findings#1" {
		t.Errorf("Notify = %q, %v, want the first", ref, err)
	}
}

func TestAMessageWithoutAnIDIsCommentedEachTime(t *testing.T) {
	t.Parallel()
	github, n, _ := serve(t, nil)
	m := named(t, "updated")
	m.ID, m.Ref = "x", tell(t, n, opening)
	for range 2 {
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(github.all()[0].Comments); got != 2 {
		t.Errorf("%d comments, want 2: a short id may be any word", got)
	}
}
