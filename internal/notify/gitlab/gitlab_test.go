package gitlab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	token   = "glpat-t0k3nt0k3nt0k3nt0k3n"
	opening = "opened-critical-ec2-c2"
)

func config(url string) Config {
	return Config{Project: "acme/findings", Token: secret.New(token), BaseURL: url}
}

// afresh has each message that knows no issue come to a project without any, since
// the messages of the suite are of one alert and would find each other's.
type afresh struct {
	notify.Notifier
	gitlab *fake
}

func (a afresh) Notify(ctx context.Context, m notify.Message) (string, error) {
	a.gitlab.clear()
	if m.Ref != "" {
		m.Ref = "acme/findings#" + strconv.FormatInt(a.gitlab.add(ticket{}), 10)
	}
	return a.Notifier.Notify(ctx, m)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{token},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			if a != (notifytest.Answer{}) {
				url, taken := notifytest.Serve(t, a, "")
				return notifytest.Open(t, open, config(url)), taken
			}
			gitlab := &fake{}
			server := httptest.NewServer(gitlab)
			t.Cleanup(func() {
				server.Close()
				if done := gitlab.done(); len(done) > 0 {
					t.Errorf("findings had GitLab carry out %q", done)
				}
			})
			return afresh{notifytest.Open(t, open, config(server.URL)), gitlab}, gitlab.taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) { valid(t, m, got.Body) },
		Shown: func(t *testing.T, got notifytest.Taken) []string {
			title, text := decode(t, got.Body)
			return []string{title, prose(text)}
		},
	})
}

// decode is the title of an issue, or "", and the text of an issue or a note.
func decode(t *testing.T, raw []byte) (title, text string) {
	t.Helper()
	var b struct {
		issue
		note
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	return b.Title, b.Description + b.Body
}

// valid holds an issue or note to GitLab's lengths, and to what GitLab would make
// of its text.
func valid(t *testing.T, m notify.Message, raw []byte) {
	t.Helper()
	title, text := decode(t, raw)
	if title != "" {
		if notify.UTF16(title) > 255 || titled.MatchString(title) {
			t.Errorf("title %q", title)
		}
		if with([]listed{{1, text}}, notify.KeyMark(m)) == 0 {
			t.Errorf("the issue lacks its key: …%s", text[max(0, len(text)-200):])
		}
	}
	if n := notify.UTF16(text); n == 0 || n > 1_000_000 {
		t.Errorf("the text is %d long", n)
	}
	for _, found := range link.FindAllStringSubmatch(text, -1) {
		if url := strings.ReplaceAll(found[2], "&amp;", "&"); !linked(m, url) {
			t.Errorf("a link leads to %s", url)
		}
	}
	for line := range strings.Lines(prose(text)) {
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
	// meaning is what GitLab makes something of, written apart from the code that
	// looks for it: quick actions, mentions, references
	// (https://docs.gitlab.com/user/markdown/#gitlab-specific-references) and markup.
	meaning = regexp.MustCompile("^/|`|<|>|\\*|\\||@[\\w-]|#\\d|!\\d|\\$\\d|~\\w|~\"|%\\w|%\"|&\\d|GL-\\d|[^\\\\]\\[|\\[(?:vulnerability|issue|epic|feature_flag|contact|cadence|work_item):|&[\\w#]+;|:[a-z0-9_+-]+:|\\w://|www\\.|^#|\\{[+-]|__")
	titled  = regexp.MustCompile("[\r\n@#~`]|[!$&]\\d|%\\w")
)

// prose is the text without what GitLab leaves alone: code and our own links.
func prose(text string) string {
	text = fence.ReplaceAllString(text, "")
	text = withoutSpans(text)
	text = link.ReplaceAllString(text, "")
	text = bold.ReplaceAllString(text, "$1")
	return regexp.MustCompile(`(?m)^- `).ReplaceAllString(text, "· ")
}

// withoutSpans leaves out code spans: from a run of backticks to the next one of
// the same length.
func withoutSpans(text string) string {
	ticks := regexp.MustCompile("`+")
	var b strings.Builder
	for {
		open := ticks.FindStringIndex(text)
		if open == nil {
			return b.String() + text
		}
		b.WriteString(text[:open[0]] + "·")
		run, rest := text[open[0]:open[1]], text[open[1]:]
		end := -1
		for _, at := range ticks.FindAllStringIndex(rest, -1) {
			if rest[at[0]:at[1]] == run {
				end = at[1]
				break
			}
		}
		if end < 0 {
			b.WriteString(run)
			text = rest
			continue
		}
		text = rest[end:]
	}
}

// A check that lets everything pass is none.
func TestTheChecksFindMistakes(t *testing.T) {
	t.Parallel()
	for text, found := range map[string]bool{
		"nothing here": false, "/close": true, "a\n/assign @ana": true, "`/close`": false, "@ana": true, "see !12": true, "50 %": false, "%\"x\"": true,
		"**What:** `@ana !12` x": false, "[click](<https://tocsin.example.com>)": false, `evil\[.\]example`: false, "&12": true, "~bug": true,
	} {
		got := false
		for line := range strings.Lines(prose(text)) {
			got = got || meaning.MatchString(line)
		}
		if got != found {
			t.Errorf("%q means something: %v, want %v", text, got, found)
		}
	}
	gitlab := &fake{}
	gitlab.carryOut(&ticket{}, "x\n/close\n```\n/assign me\n```\n`/label ~a` /todo")
	if got := gitlab.done(); !slices.Equal(got, []string{"close"}) {
		t.Errorf("quick actions %q", got)
	}
}

// Whoever names a resource does not command GitLab.
func TestQuickActionsOfOthersAreText(t *testing.T) {
	t.Parallel()
	gitlab, n, _ := serve(t, nil)
	for i, text := range []string{"/close", "/assign @ana", "x\n/close", "/label ~done !12 %1", "> /confidential"} {
		m := named(t, opening)
		m.Alert.ID += int64(i)
		m.Alert.Headline, m.Alert.Title, m.Alert.Description, m.Alert.Type, m.Why, m.Account.Name = text, text, text, text, text, text
		m.Alert.Facts = []tocsin.Fact{{Name: text, Value: text}}
		ref, err := n.Notify(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		closed := m
		closed.ID, closed.Ref, closed.Kind = "01JXGHSOMETHINGELSE", ref, tocsin.TellAcknowledged
		closed.Alert.AckedBy, closed.Changes = text, []tocsin.Change{{What: text, To: text}}
		if _, err := n.Notify(t.Context(), closed); err != nil {
			t.Fatal(err)
		}
		note := named(t, "note")
		note.ID, note.Text = fmt.Sprintf("%s-%d", note.ID, i), text
		if _, err := n.Notify(t.Context(), note); err != nil {
			t.Fatal(err)
		}
	}
	if got := gitlab.done(); len(got) != 0 {
		t.Errorf("GitLab carried out %q", got)
	}
	if got := gitlab.all(); len(got) != 10 || !strings.HasPrefix(got[1].Description, "`/close`\n") {
		t.Errorf("%d issues, the second says %q", len(got), got[1].Description)
	}
	if got := gitlab.all()[0].Title; strings.ContainsAny(got, "@#~") {
		t.Errorf("the title is %q", got)
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	c := config("https://gitlab.com")
	c.Labels, c.Assignees, c.Type = []string{"guardduty", "triage"}, []int64{7}, "incident"
	n := notifytest.Open(t, open, c).(*notifier)
	for _, tt := range notifytest.Cases(t) {
		if tt.Message.Kind == tocsin.TellCode {
			continue
		}
		t.Run(tt.Name, func(t *testing.T) {
			i := n.issue(tt.Message)
			out := fmt.Sprintf("title: %s\nlabels: %s\nassignees: %d\ntype: %s\nconfidential: %v\n\n%s\n", i.Title, i.Labels, i.Assignees, i.Type, i.Confidential, i.Description)
			var what any = i
			if tt.Message.Ref != "" {
				news := n.news(tt.Message)
				what, out = news, news.Body+"\n"
			}
			raw, err := json.Marshal(what)
			if err != nil {
				t.Fatal(err)
			}
			valid(t, tt.Message, raw)
			notifytest.Golden(t, tt.Name+".md", []byte(out))
		})
	}
}

// serve is a project with a notifier that writes to it.
func serve(t *testing.T, change func(*Config)) (*fake, notify.Notifier, *bytes.Buffer) {
	t.Helper()
	gitlab := &fake{}
	server := httptest.NewServer(gitlab)
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
	return gitlab, n, &log
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
		name  string
		told  []string
		state string
		notes []string // beginnings
	}{
		{"opened", []string{opening}, "opened", nil},
		{"raised and updated", []string{opening, "raised", "updated"}, "opened", []string{"**■ RAISED medium→critical: ", "**■ UPDATED: "}},
		{"acknowledged and assigned", []string{opening, "acknowledged", "changed-assigned"}, "opened", []string{"**■ ACKNOWLEDGED by ana**", "**■ ASSIGNED to bo**"}},
		{"closed, since it was archived", []string{opening, "closed-archived"}, "closed", []string{"**✓ CLOSED (archived)"}},
		{"open again as itself", []string{opening, "closed-archived", "reopened"}, "opened", []string{"**✓ CLOSED", "**■ REOPENED"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			gitlab, n, log := serve(t, nil)
			ref := tell(t, n, tt.told...)
			all := gitlab.all()
			if len(all) != 1 || ref != "acme/findings#1" || all[0].State != tt.state || !all[0].Confidential {
				t.Fatalf("issues %+v, reference %q; want one that is %s", all, ref, tt.state)
			}
			if len(all[0].Notes) != len(tt.notes) {
				t.Fatalf("notes %q, want %q", all[0].Notes, tt.notes)
			}
			for i, want := range tt.notes {
				if got := all[0].Notes[i]; !strings.HasPrefix(got, want) {
					t.Errorf("note %d is %.200q, want %q…", i, got, want)
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
	gitlab, n, _ := serve(t, nil)
	tell(t, n, "opened-with-actions")
	text := gitlab.all()[0].Description
	for _, want := range []string{
		"**■ CRITICAL · NEW · Backdoor:EC2/C&CActivity.B!DNS", `- **What:** DNS query for evil\[.\]example, known as`,
		"```\naws ec2 describe-instances --instance-ids", "[Alert #4821](<https://tocsin.example.com/alerts/4821>)",
		"message 01JXGHV1A2C3E4G5J6K7M8N9P0", "key tocsin-4821-1781231160000",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the issue lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "tocsin.example.com/do/") {
		t.Error("the issue, which many read, has a link that acts for one reader")
	}
}

func TestARepeatAfterACrashMakesNoSecondIssue(t *testing.T) {
	t.Parallel()
	gitlab, n, _ := serve(t, nil)
	m := named(t, opening)
	gitlab.next(fault{what: create})
	if _, err := n.Notify(t.Context(), m); err == nil || notify.IsPermanent(err) {
		t.Fatalf("Notify = %v with the reply lost", err)
	}
	for range 250 {
		gitlab.add(ticket{issue: issue{Title: "x", Description: "somebody's"}, Created: notifytest.Now()})
	}
	ref, err := n.Notify(t.Context(), m)
	if all := gitlab.all(); err != nil || ref != "acme/findings#1" || len(all) != 251 || len(all[0].Notes) != 0 || gitlab.count(search) != 0 {
		t.Errorf("then %q, %v; %d issues, %d searches", ref, err, len(all), gitlab.count(search))
	}
}

func TestARepeatedNoteIsNotWrittenTwice(t *testing.T) {
	t.Parallel()
	for _, lost := range []what{addition, edit} {
		gitlab, n, log := serve(t, nil)
		m := named(t, "closed-archived")
		m.Ref = tell(t, n, opening)
		gitlab.next(fault{what: lost})
		if _, err := n.Notify(t.Context(), m); err == nil || notify.IsPermanent(err) {
			t.Fatalf("Notify = %v with the reply to the %s lost", err, lost)
		}
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if got := gitlab.all()[0]; len(got.Notes) != 1 || got.State != "closed" || log.Len() > 0 {
			t.Errorf("with the reply to the %s lost: %+v; logged %s", lost, got, log)
		}
	}
}

func TestAnOldIssueIsFoundByItsKey(t *testing.T) {
	t.Parallel()
	gitlab, n, _ := serve(t, nil)
	old := notifytest.Now().Add(-30 * 24 * time.Hour)
	gitlab.add(ticket{issue: issue{Description: "key tocsin-4821-17812311600001"}, Created: old})
	gitlab.add(ticket{issue: issue{Description: "`told · key tocsin-4821-1781231160000`\n\nand what people wrote below"}, State: "closed", Created: old})
	m := named(t, "reopened")
	m.Ref = ""
	ref, err := n.Notify(t.Context(), m)
	if all := gitlab.all(); err != nil || ref != "acme/findings#2" || len(all) != 2 || all[1].State != "opened" || len(all[1].Notes) != 1 {
		t.Errorf("Notify = %q, %v; issues %+v", ref, err, all)
	}
}

func TestAReferenceToAnotherProjectIsNotFollowed(t *testing.T) {
	t.Parallel()
	gitlab, n, _ := serve(t, nil)
	gitlab.add(ticket{issue: issue{Title: "somebody's"}})
	m := named(t, "raised")
	m.Ref = "acme/before#1"
	ref, err := n.Notify(t.Context(), m)
	if all := gitlab.all(); err != nil || ref != "acme/findings#2" || len(all) != 2 || len(all[0].Notes) != 0 {
		t.Errorf("Notify = %q, %v; issues %+v", ref, err, all)
	}
}

func TestAnIssueThatIsGone(t *testing.T) {
	t.Parallel()
	gitlab, n, _ := serve(t, nil)
	raised, acknowledged := named(t, "raised"), named(t, "acknowledged")
	raised.Ref, acknowledged.Ref = "acme/findings#7", "acme/findings#7"
	if _, err := n.Notify(t.Context(), acknowledged); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "ticket acme/findings#7 is gone") {
		t.Errorf("news of an issue that was deleted: %v", err)
	}
	ref, err := n.Notify(t.Context(), raised)
	if all := gitlab.all(); err != nil || ref != "acme/findings#1" || len(all) != 1 || !strings.HasPrefix(all[0].Title, "RAISED") {
		t.Errorf("a call to act: %q, %v; issues %+v", ref, err, all)
	}
}

func TestPeopleMayCloseIssuesThemselves(t *testing.T) {
	t.Parallel()
	gitlab, n, _ := serve(t, func(c *Config) { c.KeepOpen = true })
	tell(t, n, opening, "closed-archived")
	if got := gitlab.all()[0]; got.State != "opened" || len(got.Notes) != 1 {
		t.Errorf("the issue is %+v", got)
	}
	gitlab, n, _ = serve(t, nil)
	number := gitlab.add(ticket{State: "closed"})
	m := named(t, "closed-archived")
	m.Ref = fmt.Sprintf("acme/findings#%d", number)
	if _, err := n.Notify(t.Context(), m); err != nil || gitlab.count(edit) != 0 {
		t.Errorf("an issue that somebody closed: %v, %d edits", err, gitlab.count(edit))
	}
}

func TestAnEditThatIsRefusedIsNoFailure(t *testing.T) {
	t.Parallel()
	gitlab, n, log := serve(t, nil)
	gitlab.next(fault{what: edit, status: http.StatusForbidden, body: `{"message":"403 Forbidden"}`})
	tell(t, n, opening, "closed-archived")
	if got := gitlab.all()[0]; got.State != "opened" || len(got.Notes) != 1 || !strings.Contains(log.String(), "ticket not moved") {
		t.Errorf("the issue is %+v; logged %s", got, log)
	}
}

func TestDigestsAndNotesAreIssuesOfTheirOwn(t *testing.T) {
	t.Parallel()
	gitlab, n, _ := serve(t, nil)
	for _, name := range []string{"digest", "note", "digest", "note"} {
		if _, err := n.Notify(t.Context(), named(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	if all := gitlab.all(); len(all) != 2 || !strings.HasPrefix(all[1].Title, "Nobody is on call") || !strings.Contains(all[0].Description, "(<https://tocsin.example.com/alerts/4823>)") {
		t.Errorf("issues %+v", all)
	}
}

func TestEveryRequestWaitsAsTold(t *testing.T) {
	t.Parallel()
	for _, at := range []what{list, create, notes, addition, read, edit} {
		gitlab, n, _ := serve(t, nil)
		gitlab.next(fault{what: at, status: http.StatusTooManyRequests, retryAfter: "17", body: "Retry later"})
		var waits []time.Duration
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
				wait, _ := notify.RetryAfter(err)
				waits = append(waits, wait)
			}
		}
		if all := gitlab.all(); !slices.Equal(waits, []time.Duration{17 * time.Second}) || len(all) != 1 || len(all[0].Notes) != 1 || all[0].State != "closed" {
			t.Errorf("%s throttled: waits %v, issues %+v", at, waits, all)
		}
	}
}

func TestGitLabsAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"a wrong token", func(c *Config) { c.Token = secret.New("glpat-wrong-wrong-wrong") }, "401 Unauthorized"},
		{"no such project", func(c *Config) { c.Project = "acme/other" }, "404 Project Not Found"},
	} {
		_, n, _ := serve(t, tt.change)
		if _, err := n.Notify(t.Context(), named(t, opening)); !notify.IsPermanent(err) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "glpat") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>Sign in</html>") }))
	defer server.Close()
	_, err := notifytest.Open(t, open, config(server.URL)).Notify(t.Context(), named(t, opening))
	if err == nil || notify.IsPermanent(err) || !strings.Contains(err.Error(), "login page in between") {
		t.Errorf("a login page in between: %v", err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	no := false
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"gitlab.com", func(c *Config) { c.BaseURL = "" }, ""},
		{"a project's number", func(c *Config) { c.Project = "4711" }, ""},
		{"a project of a subgroup", func(c *Config) { c.Project = "acme/sec/findings" }, ""},
		{"seen by everybody", func(c *Config) { c.Confidential = &no }, ""},
		{"no project", func(c *Config) { c.Project = "" }, "project is not set"},
		{"a project without group", func(c *Config) { c.Project = "findings" }, `project: "findings" is neither group/project nor a project's number`},
		{"a project's address", func(c *Config) { c.Project = "https://gitlab.com/a/b" }, `project: "https://gitlab.com/a/b" is neither group/project nor a project's number`},
		{"no token", func(c *Config) { c.Token = secret.String{} }, "token is not set"},
		{"the API's address", func(c *Config) { c.BaseURL = "https://gitlab.com/api/v4" }, "base_url: want the address of GitLab alone, without /api/…"},
		{"plain HTTP to the world", func(c *Config) { c.BaseURL = "http://gitlab.example.com" }, "base_url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"a type that is not there", func(c *Config) { c.Type = "epic" }, `type: "epic" is none of issue, incident`},
		{"a label with a comma", func(c *Config) { c.Labels = []string{"a,b"} }, `labels: "a,b" is not 1 to 255 characters without a comma`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := config("https://gitlab.com")
			tt.change(&c)
			got := ""
			n, err := open(c, notifytest.Env(t, nil))
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
			if err == nil && n.(*notifier).issue(named(t, opening)).Confidential != (c.Confidential == nil) {
				t.Error("the issue is not as confidential as it is set")
			}
		})
	}
}

func TestAReplyThatIsNoneOfGitLabsIsNoSuccess(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		at   fault
	}{
		{"an issue without its number", fault{what: create, status: 201, body: `{}`}},
		{"a login page in place of a note", fault{what: addition, status: 200, body: "<html>Sign in</html>"}},
		{"a login page in place of an edit", fault{what: edit, status: 200, body: "<html>Sign in</html>"}},
	} {
		gitlab, n, _ := serve(t, nil)
		gitlab.next(tt.at)
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
		if all := gitlab.all(); errs != 1 || len(all) != 1 || len(all[0].Notes) != 1 || all[0].State != "closed" {
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
		{"an end that was taken back", "closed-archived", "opened", tocsin.StatusOpen, "opened"},
		{"a rise of an alert that is over", "raised", "closed", tocsin.StatusClosed, "closed"},
		{"a rise", "raised", "closed", tocsin.StatusOpen, "opened"},
		{"news", "updated", "closed", tocsin.StatusOpen, "closed"},
	} {
		gitlab, n, _ := serve(t, nil)
		gitlab.add(ticket{issue: issue{Title: "x", Description: "key tocsin-4821-1781231160000"}, State: tt.state, Created: notifytest.Now()})
		m := named(t, tt.told)
		m.Ref, m.Alert.Status = "acme/findings#1", tt.status
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if got := gitlab.all()[0].State; got != tt.want {
			t.Errorf("%s: the issue is %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestTheOldestOfSeveralIssuesIsTheAlerts(t *testing.T) {
	t.Parallel()
	gitlab, n, _ := serve(t, nil)
	for range 2 { // somebody copied it
		gitlab.add(ticket{issue: issue{Title: "x", Description: "key tocsin-4821-1781231160000"}, Created: notifytest.Now()})
	}
	m := named(t, "reopened")
	m.Ref = ""
	if ref, err := n.Notify(t.Context(), m); err != nil || ref != "acme/findings#1" {
		t.Errorf("Notify = %q, %v, want the first", ref, err)
	}
}

func TestAnIssueIsFoundAmongManyNewOnes(t *testing.T) {
	t.Parallel()
	gitlab, n, _ := serve(t, nil)
	for i := range 150 {
		gitlab.add(ticket{issue: issue{Title: "x", Description: fmt.Sprint("another ", i)}, Created: notifytest.Now()})
	}
	gitlab.add(ticket{issue: issue{Title: "x", Description: "key tocsin-4821-1781231160000"}, Created: notifytest.Now()})
	if ref, err := n.Notify(t.Context(), named(t, opening)); err != nil || ref != "acme/findings#151" {
		t.Errorf("Notify = %q, %v, want the one that is there", ref, err)
	}
}
