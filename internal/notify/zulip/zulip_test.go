package zulip

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	bot = "tocsin-bot@example.zulipchat.com"
	key = "gjA04ZYcqXKalvYMA8OeXSfzUOLrtbZv"
	ana = "ana@example.com"
)

// A message is one that the server has.
type message struct {
	ID                       int64
	Type, To, Topic, Content string
}

// A server is Zulip, as far as a bot needs it.
type server struct {
	mu       sync.Mutex // guards what follows
	messages []message
	locked   bool // the time limit for edits has passed
	fail     func(w http.ResponseWriter, r *http.Request) bool
}

func newServer(t *testing.T) (*server, string) {
	t.Helper()
	z := &server{}
	s := httptest.NewServer(z)
	t.Cleanup(s.Close)
	return z, s.URL
}

func (z *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.fail != nil && z.fail(w, r) {
		return
	}
	refuse := func(status int, code, msg string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"result":"error","msg":%q,"code":%q}`, msg, code)
	}
	if user, password, _ := r.BasicAuth(); user != bot || password != key {
		refuse(401, "UNAUTHORIZED", "Invalid API key")
		return
	}
	// As Django does: a form of any method.
	if r.Method == http.MethodPatch {
		r.Method = http.MethodPost
		defer func() { r.Method = http.MethodPatch }()
		_ = r.ParseForm()
		z.edit(w, refuse, strings.TrimPrefix(r.URL.Path, "/api/v1/messages/"), r.PostForm)
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/api/v1/messages" || r.ParseForm() != nil {
		refuse(404, "BAD_REQUEST", "Not found")
		return
	}
	if wrong := mistakes(r.PostForm); len(wrong) > 0 {
		refuse(400, "BAD_REQUEST", strings.Join(wrong, "; "))
		return
	}
	m := message{int64(42 + len(z.messages)), r.PostForm.Get("type"), r.PostForm.Get("to"), r.PostForm.Get("topic"), r.PostForm.Get("content")}
	if m.Type == "stream" && m.To != "security" {
		refuse(400, "STREAM_DOES_NOT_EXIST", "Channel '"+m.To+"' does not exist")
		return
	}
	z.messages = append(z.messages, m)
	fmt.Fprintf(w, `{"result":"success","msg":"","id":%d}`, m.ID)
}

func (z *server) edit(w http.ResponseWriter, refuse func(int, string, string), number string, form url.Values) {
	id, _ := strconv.ParseInt(number, 10, 64)
	for i := range z.messages {
		if z.messages[i].ID != id {
			continue
		}
		if z.locked {
			refuse(400, "BAD_REQUEST", "The time limit for editing this message has passed")
			return
		}
		z.messages[i].Content = form.Get("content")
		fmt.Fprint(w, `{"result":"success","msg":"","detached_uploads":[]}`)
		return
	}
	refuse(400, "BAD_REQUEST", "Invalid message(s)")
}

// shown are the topics with the first lines of their messages.
func (z *server) shown() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	var lines []string
	for _, m := range z.messages {
		first, _, _ := strings.Cut(m.Content, "\n")
		lines = append(lines, strings.TrimSpace(m.Type+" "+m.To+" > "+m.Topic+": "+first))
	}
	return lines
}

// mistakes are what Zulip refuses or cuts, and what would mention somebody; written
// apart from the code that keeps to it.
func mistakes(form url.Values) []string {
	var wrong []string
	bad := func(when bool, format string, args ...any) {
		if when {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	for name := range form {
		bad(!slices.Contains([]string{"type", "to", "topic", "content"}, name), "an unknown parameter %s", name)
	}
	content := form.Get("content")
	bad(strings.TrimSpace(content) == "", "Message must not be empty")
	bad(utf8.RuneCountInString(content) > 10000, "the content has %d characters and is cut", utf8.RuneCountInString(content))
	bad(!utf8.ValidString(content) || strings.Contains(content, "\x00"), "Message must not contain null bytes")
	switch form.Get("type") {
	case "stream":
		bad(form.Get("topic") == "", "Topic can't be empty")
		bad(utf8.RuneCountInString(form.Get("topic")) > 60, "the topic %q is cut", form.Get("topic"))
	case "direct":
		bad(!directForm.MatchString(form.Get("to")), "Recipient %q", form.Get("to"))
	default:
		bad(true, "Invalid message type")
	}
	for _, found := range special.FindAllString(bare(content), -1) {
		bad(true, "%q is more than text", found)
	}
	return wrong
}

var (
	directForm = regexp.MustCompile(`^\[(?:\d+|"[^"@]+@[^"]+")\]$`)
	fences     = regexp.MustCompile("(?ms)^```text\n[^\n]*\n```$")
	spans      = regexp.MustCompile("`[^`\n]+`")
	anchors    = regexp.MustCompile(`\[([^\[\]]*)\]\((https?://[^\s()]*)\)`)
	names      = regexp.MustCompile(`(?m)^\* \*\*([^*\n]*):\*\* `)
	headings   = regexp.MustCompile(`(?m)^\*\*([^*\n]*)\*\*$`)
	// special is what Zulip takes for a mention, a link to a channel, emphasis, a link,
	// code, mathematics, an emoji, a time, a widget or a quotation.
	special = regexp.MustCompile("(?m)@_?\\*|#\\*\\*|\\*\\S|\\S\\*|\\]\\(|\\]\\[|`|~~|\\$\\$|:[\\w+-]+:|<time:|!avatar|&(?:#|[a-zA-Z]+;)|^/(?:me|poll|todo)|^[>|#]|^(?:[-+]|\\d+[.)])\\s")
)

// bare is the content without what is markup of ours.
func bare(content string) string {
	content = fences.ReplaceAllString(content, "")
	content = names.ReplaceAllString(content, "$1 ")
	content = headings.ReplaceAllString(content, "$1")
	content = spans.ReplaceAllString(content, "")
	content = anchors.ReplaceAllString(content, "$1")
	return regexp.MustCompile(`(?m)^\* `).ReplaceAllString(content, "")
}

func opened(t *testing.T, url string) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, Config{Site: url, Email: bot, Key: secret.New(key), Channel: "security"})
}

func TestPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP: true, NoCodes: true, Secrets: []string{key},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, `{"result":"success","msg":"","id":42}`)
			return opened(t, url), taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			form := parsed(t, got.Body)
			for _, wrong := range mistakes(form) {
				t.Errorf("Zulip: %s", wrong)
			}
			ours := []string{m.AlertURL, notify.ConsoleLink(m), notify.DocumentationLink(m)}
			for _, a := range m.Actions {
				ours = append(ours, a.URL)
			}
			for _, item := range m.Digest {
				ours = append(ours, item.URL)
			}
			for _, found := range anchors.FindAllStringSubmatch(spans.ReplaceAllString(fences.ReplaceAllString(form.Get("content"), ""), ""), -1) {
				if !slices.Contains(ours, found[2]) {
					t.Errorf("a link leads to %s", found[2])
				}
			}
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string {
			form := parsed(t, got.Body)
			return []string{form.Get("topic"), bare(form.Get("content"))}
		},
	})
}

func parsed(t *testing.T, body []byte) url.Values {
	t.Helper()
	form, err := url.ParseQuery(string(body))
	if err != nil {
		t.Fatal(err)
	}
	return form
}

// A check that lets everything pass is none.
func TestTheCheckFindsMistakes(t *testing.T) {
	t.Parallel()
	good := render(named(t, "opened-with-actions"), notifytest.Now())
	for name, spoil := range map[string]func(f url.Values){
		"no mistake":            func(url.Values) {},
		"everybody mentioned":   func(f url.Values) { f.Set("content", good+"\n@**all**") },
		"a group mentioned":     func(f url.Values) { f.Set("content", good+"\nask @*oncall*") },
		"a silent mention":      func(f url.Values) { f.Set("content", good+"\nask @_**Ana**") },
		"a link to a channel":   func(f url.Values) { f.Set("content", good+"\nsee #**general**") },
		"an emoji":              func(f url.Values) { f.Set("content", good+"\narn:aws:iam") },
		"a quotation":           func(f url.Values) { f.Set("content", good+"\n> said") },
		"a poll":                func(f url.Values) { f.Set("content", "/poll Lunch?") },
		"a time":                func(f url.Values) { f.Set("content", good+"\n<time:2026-06-12T02:30:00Z>") },
		"no topic":              func(f url.Values) { f.Del("topic") },
		"a topic of 61":         func(f url.Values) { f.Set("topic", strings.Repeat("é", 61)) },
		"a content of 10,001":   func(f url.Values) { f.Set("content", strings.Repeat("é", 10001)) },
		"no content":            func(f url.Values) { f.Set("content", " ") },
		"an unknown type":       func(f url.Values) { f.Set("type", "topic") },
		"a person by name":      func(f url.Values) { f.Set("type", "direct"); f.Set("to", "ana") },
		"a parameter misspelt":  func(f url.Values) { f.Set("subjekt", "x") },
		"code that is not ours": func(f url.Values) { f.Set("content", good+"\n``` \nx") },
	} {
		f := url.Values{"type": {"stream"}, "to": {"security"}, "topic": {"x"}, "content": {good}}
		spoil(f)
		if wrong := mistakes(f); (len(wrong) > 0) != (name != "no mistake") {
			t.Errorf("%s: the check says %q", name, wrong)
		}
	}
}

func TestMarkupOfOthersIsText(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"EC2 i-0abc (web-1) is calling a C2 server": "EC2 i-0abc (web-1) is calling a C2 server",
		"S3 invoices_archive_2026":                  "S3 invoices_archive_2026",
		"2 * 3":                                     "2 * 3",
		"Backdoor:EC2/C&CActivity.B!DNS":            "Backdoor:EC2/C&CActivity.B!DNS",
		"@**all** @_**Ana** @*oncall*":              "@∗∗all∗∗ @_∗∗Ana∗∗ @∗oncall∗",
		"#**general**":                              "#∗∗general∗∗",
		"arn:aws:iam::111122223333:role/x":          "arn∶aws∶iam:∶111122223333:role/x",
		"[click](hxxps://evil[.]example)":           "[click] (hxxps://evil[.]example)",
		"`code`":                                    "ˋcodeˋ",
		"$$x$$":                                     "＄＄x＄＄",
		"> quote":                                   "· > quote",
		"/me waves":                                 "· /me waves",
		"<time:2026-06-12T02:30:00Z>":               "‹time∶2026-06-12T02∶30:00Z>",
		"&#64;**all**":                              "＆#64;∗∗all∗∗",
	} {
		if got := plain(s); got != want {
			t.Errorf("plain(%q) = %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]string{
		"203.0.113.7:443 (Exampleland)":    "203.0.113.7:443 (Exampleland)",
		"arn:aws:iam::111122223333:role/x": "`arn:aws:iam::111122223333:role/x`", // can be copied
		"a `b` @**all**":                   "`a ˋbˋ @**all**`",
	} {
		if got := value(s); got != want {
			t.Errorf("value(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			content := render(c.Message, notifytest.Now())
			out := "topic: " + topicOf(c.Message) + "\n\n" + content + "\n"
			if c.Message.Ref != "" {
				out += "\n---- below it:\n\n" + line(c.Message) + "\n"
			}
			for _, text := range []string{content, line(c.Message)} {
				if wrong := mistakes(url.Values{"type": {"stream"}, "topic": {topicOf(c.Message)}, "content": {text}}); len(wrong) > 0 {
					t.Errorf("Zulip: %q", wrong)
				}
			}
			notifytest.Golden(t, c.Name+".md", []byte(out))
		})
	}
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

func tell(t *testing.T, n notify.Notifier, to, ref string, names ...string) string {
	t.Helper()
	for _, name := range names {
		m := named(t, name)
		m.To, m.Ref = to, ref
		got, err := n.Notify(t.Context(), m)
		if err != nil {
			t.Fatalf("Notify(%s): %v", name, err)
		}
		if m.AboutAlert() {
			ref = got
		}
	}
	return ref
}

const about = "stream security > #4821 EC2 i-0abc123def456789a (web-1) is calling a C2 server: "

func TestTheLifeOfAnAlertIsOneTopic(t *testing.T) {
	t.Parallel()
	z, url := newServer(t)
	ref := tell(t, opened(t, url), "", "", "opened-critical-ec2-c2", "acknowledged", "raised", "closed-by-person", "digest", "note")
	if want := "42 #4821 EC2 i-0abc123def456789a (web-1) is calling a C2 server"; ref != want {
		t.Errorf("the reference is %q, want %q", ref, want)
	}
	want := []string{
		about + "**✓ CLOSED (false positive) · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server**",
		about + "ACKNOWLEDGED by ana",
		about + "**■ RAISED medium→critical · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server**",
		about + "CLOSED (false positive) by alice@example[.]com",
		"stream security > tocsin: **■ 5 alerts · 2 critical, 1 high, 1 medium, 1 low · EC2 i-0abc123def456789a (web-1) is calling a C2 server**",
		"stream security > tocsin: **○ Nobody is on call for schedule payments from 2026-06-13 18:00 UTC to 2026-06-14 08:00 UTC.**",
	}
	if diff := cmp.Diff(want, z.shown()); diff != "" {
		t.Errorf("the channel shows (-want +got):\n%s", diff)
	}
}

func TestATopicStaysWhenTheHeadlineChanges(t *testing.T) {
	t.Parallel()
	z, url := newServer(t)
	n := opened(t, url)
	ref := tell(t, n, "", "", "opened-critical-ec2-c2")
	m := named(t, "updated")
	m.Ref, m.Alert.Headline = ref, "EC2 web-1 does something else now"
	if got, err := n.Notify(t.Context(), m); err != nil || got != ref {
		t.Fatalf("Notify = %q, %v, want %q", got, err, ref)
	}
	if got := z.shown(); len(got) != 2 || !strings.HasPrefix(got[1], about) {
		t.Errorf("the channel shows %q", got)
	}
}

func TestWhatCannotBeEditedAnyMoreIsToldBelow(t *testing.T) {
	t.Parallel()
	z, url := newServer(t)
	n := opened(t, url)
	ref := tell(t, n, "", "", "opened-critical-ec2-c2")
	z.locked = true
	if again := tell(t, n, "", ref, "acknowledged"); again != ref {
		t.Errorf("the reference is %q, want %q", again, ref)
	}
	if got := z.shown(); len(got) != 2 || got[1] != about+"ACKNOWLEDGED by ana" || !strings.Contains(got[0], "CRITICAL") {
		t.Errorf("the channel shows %q", got)
	}
}

func TestAMessageThatWasDeletedIsPostedAnew(t *testing.T) {
	t.Parallel()
	z, url := newServer(t)
	if ref := tell(t, opened(t, url), "", "7 #4821 gone", "acknowledged"); !strings.HasPrefix(ref, "42 #4821 EC2") || len(z.shown()) != 1 {
		t.Errorf("the reference is %q, and the channel shows %q", ref, z.shown())
	}
}

func TestAPersonIsToldDirectly(t *testing.T) {
	t.Parallel()
	z, site := newServer(t)
	n := notifytest.Open(t, open, Config{Site: site, Email: bot, Key: secret.New(key)})
	if n.(notify.Placed).Placed() {
		t.Error("without a channel there is a place")
	}
	if _, err := n.Notify(t.Context(), named(t, "code")); !notify.IsPermanent(err) {
		t.Errorf("a code for nobody: %v, want a permanent error", err)
	}
	tell(t, n, "17", "", "code")
	ref := tell(t, n, ana, "", "opened-critical-ec2-c2", "acknowledged", "raised")
	z.locked = true
	tell(t, n, ana, ref, "closed-by-person")
	want := []string{
		"direct [17] > : **○ 428317 is your code for tocsin**",
		`direct ["ana@example.com"] > : **■ RAISED medium→critical · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server**`,
		`direct ["ana@example.com"] > : **■ RAISED medium→critical · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server**`,
		`direct ["ana@example.com"] > : **✓ CLOSED (false positive) · prod-payments eu-west-1 · EC2 i-0abc123def456789a (web-1) is calling a C2 server**`,
	}
	if diff := cmp.Diff(want, z.shown()); diff != "" {
		t.Errorf("she is shown (-want +got):\n%s", diff)
	}
}

func TestALongMessageIsCutAtTheLimit(t *testing.T) {
	t.Parallel()
	m := named(t, "digest")
	m.Digest[0].URL = "https://tocsin.example.com/alerts/" + strings.Repeat("a", 900)
	for len(m.Digest) < 300 {
		m.Digest = append(m.Digest, m.Digest[0])
	}
	content := render(m, notifytest.Now())
	if wrong := mistakes(url.Values{"type": {"stream"}, "topic": {"x"}, "content": {content}}); len(wrong) > 0 {
		t.Errorf("Zulip: %q", wrong)
	}
	if !strings.Contains(content, " more\n") {
		t.Errorf("a digest of 300 does not say how many more there are:\n%.300s", content)
	}
	m = named(t, "opened-critical-ec2-c2")
	m.Alert.Command, m.AlertURL = "echo ``` @**all**", "https://tocsin.example.com/a)[x](b"
	if content := render(m, notifytest.Now()); strings.Contains(content, "@**all**") || strings.Contains(content, "a)[x](b") {
		t.Errorf("a command or a link ends early:\n%s", content)
	}
	m.Alert.Headline = strings.Repeat("𝔘", 200)
	if topic := topicOf(m); utf8.RuneCountInString(topic) > 60 || !strings.HasSuffix(topic, "…") {
		t.Errorf("the topic is %q", topic)
	}
}

func TestZulipsAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		status    int
		body      string
		permanent bool
		wait      time.Duration
		says      string
	}{
		{"the page of a proxy", 200, "<html>Sign in</html>", false, 0, "is there a proxy in between"},
		{"JSON of something else", 200, `{"id":1}`, false, 0, "is there a proxy in between"},
		{"a success of something else", 200, `{"result":"success"}`, false, 0, "is there a proxy in between"},
		{"in trouble, and says so", 502, `{"result":"error","retry-after":5}`, false, 0, "502"},
		{"a refusal with a good status", 200, `{"result":"error","msg":"no","code":"BAD_REQUEST"}`, true, 0, "refused: no"},
		{"a wrong key", 401, `{"result":"error","msg":"Invalid API key","code":"INVALID_API_KEY"}`, true, 0, "copy both again"},
		{"no such channel", 400, `{"result":"error","msg":"Channel 'x' does not exist","code":"STREAM_DOES_NOT_EXIST"}`, true, 0, "check channel"},
		{"too many", 429, `{"result":"error","msg":"API usage exceeded rate limit","code":"RATE_LIMIT_HIT","retry-after":28.7}`, false, 28700 * time.Millisecond, "exceeded rate limit"},
		{"too many for a year", 429, `{"result":"error","code":"RATE_LIMIT_HIT","retry-after":1e300}`, false, 15 * time.Minute, "429"},
		{"too many, no word on when", 429, `{"result":"error","code":"RATE_LIMIT_HIT"}`, false, 0, "429"},
		{"in trouble", 502, "", false, 0, "502"},
		{"the key echoed", 400, `{"result":"error","msg":"` + key + `"}`, true, 0, "***"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			z, url := newServer(t)
			z.fail = func(w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
				return true
			}
			_, err := opened(t, url).Notify(t.Context(), named(t, "opened-critical-ec2-c2"))
			if err == nil || notify.IsPermanent(err) != tt.permanent || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), key) {
				t.Errorf("Notify = %v, permanent %v; want %v and that it says %q", err, notify.IsPermanent(err), tt.permanent, tt.says)
			}
			if wait, told := notify.RetryAfter(err); wait != tt.wait || told != (tt.wait > 0) {
				t.Errorf("RetryAfter = %v, %v, want %v", wait, told, tt.wait)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	good := Config{Site: "https://example.zulipchat.com", Email: bot, Key: secret.New(key), Channel: "security"}
	for _, tt := range []struct {
		name  string
		spoil func(c *Config)
		want  string
	}{
		{"a channel", func(*Config) {}, ""},
		{"people alone", func(c *Config) { c.Channel = "" }, ""},
		{"references that are not resolved yet", func(c *Config) { c.Email, c.Key = "${env:BOT}", secret.New("${env:KEY}") }, ""},
		{"no site", func(c *Config) { c.Site = "" }, "site is not set"},
		{"plain HTTP to the world", func(c *Config) { c.Site = "http://zulip.example.com" }, "site must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"the path of the API", func(c *Config) { c.Site += "/api/v1" }, "site: want the organisation's address alone, without /api/…"},
		{"no bot", func(c *Config) { c.Email = "" }, "email is not set"},
		{"a bot's name", func(c *Config) { c.Email = "tocsin" }, `email: "tocsin" is not a bot's address, such as tocsin-bot@example.zulipchat.com`},
		{"no key", func(c *Config) { c.Key = secret.String{} }, "key is not set"},
		{"a short key", func(c *Config) { c.Key = secret.New("abc") }, "key is not an API key: want 32 letters and digits"},
		{"a long channel", func(c *Config) { c.Channel = strings.Repeat("a", 61) }, "channel: is longer than Zulip's 60 characters"},
		{"a long topic", func(c *Config) { c.Topic = strings.Repeat("a", 61) }, "topic: is longer than Zulip's 60 characters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, got := good, ""
			tt.spoil(&c)
			if _, err := open(c, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{" 17 ": "17", "007": "7", ana: ana, "ana": "", "-3": "", "Ana <ana@example.com>": "", "": ""} {
		if got, err := address(text); got != want || (err == nil) != (want != "") {
			t.Errorf("address(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}
