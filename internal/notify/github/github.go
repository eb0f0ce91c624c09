// Package github keeps an issue of each alert in a GitHub repository, by the REST
// API (https://docs.github.com/rest/issues/issues).
//
// What is told first of an alert makes its issue, whatever is told later is a
// comment on it; the issue is closed with its alert, with a reason, and opened
// again with it. A digest and a note are issues of their own, which nothing of ours
// closes.
//
// Nothing is written twice. The last line of an issue has a key of its alert, which
// is looked for before an issue is made: among all issues made since the message
// came to be owed, and for what is older by GitHub's search, which may be late and
// takes few requests. A comment's last line has the id of its message, which is
// looked for before it is added.
package github

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the GitHub notifier. GitHub takes no more than 80 requests a minute that
// make content, and a message is up to two
// (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("github-issue", "Keeps an issue of each alert in a GitHub repository.", open)
	k.Title = "GitHub issues"
	k.Abilities = notify.Abilities{Threads: true, Resolve: true, Rich: true, Limit: "65,536 characters"}
	k.Checks = []notify.Check{
		{How: notify.BySchema, By: "GitHub's OpenAPI description from @octokit/openapi 23.0.2", Test: "TestGolden"},
		{How: notify.ByFake, By: "a server that speaks the issues API", Test: "TestTheLifeOfAnAlertIsOneIssue"},
	}
	k.Rate, k.Follows = 0.6, true
	return k
}

// Config are the settings of a GitHub receiver.
type Config struct {
	Repository string        `json:"repository" doc:"Where the issues are: owner/name. Findings are read by everybody who can read it."`
	Token      secret.String `json:"token" doc:"Fine-grained personal access token with Issues: read and write on the repository, or a classic one with the scope repo."`
	BaseURL    string        `json:"base_url,omitempty" doc:"Where the API is; https://github.example.com/api/v3 for GitHub Enterprise Server." default:"https://api.github.com"`
	Labels     []string      `json:"labels,omitempty" doc:"Labels of new issues."`
	Assignees  []string      `json:"assignees,omitempty" doc:"Logins of users to whom new issues are assigned."`
	KeepOpen   bool          `json:"keep_open,omitempty" doc:"Do not close an issue when its alert is over: people do." default:"false"`
}

const defaultURL = "https://api.github.com"

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if c.BaseURL == "" {
		c.BaseURL = defaultURL
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &notifier{
		c: c, api: strings.TrimRight(c.BaseURL, "/"), repository: strings.Trim(c.Repository, "/"),
		client: notify.Throttled(env.HTTP, limited), now: env.Now, log: env.Log,
	}
	n.desk = notify.Desk[int64]{Find: n.find, Create: n.create, Follow: n.follow, Gone: gone}
	return n, nil
}

var repositoryName = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$`)

const labelMax = 50

func (c Config) check() error {
	if err := notify.CheckURL(secret.New(c.BaseURL)); err != nil {
		return fmt.Errorf("base_url %w", err)
	}
	switch u, err := url.Parse(c.BaseURL); {
	case err == nil && (u.Host == "github.com" || u.Host == "www.github.com"):
		return errors.New("base_url: want the API's address, https://api.github.com, and not that of the pages")
	case c.Repository == "":
		return errors.New("repository is not set")
	case !repositoryName.MatchString(c.Repository):
		return fmt.Errorf("repository: %q is not owner/name", c.Repository)
	case c.Token.IsZero():
		return errors.New("token is not set")
	}
	for _, l := range c.Labels {
		if strings.TrimSpace(l) == "" || notify.Runes(l) > labelMax {
			return fmt.Errorf("labels: %q is not 1 to %d characters long", l, labelMax)
		}
	}
	return nil
}

type notifier struct {
	c          Config
	api        string // "https://api.github.com"
	repository string // "owner/name"
	client     *http.Client
	now        func() time.Time
	log        *slog.Logger
	desk       notify.Desk[int64] // tickets by the issue's number
}

// Notify writes the issue or a comment on it. The reference is the issue:
// "owner/name#17".
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("github: it writes issues, not to a single person, and proves no address"))
	}
	number, err := n.desk.Tell(ctx, n.number(m.Ref), m)
	if err != nil {
		return "", fmt.Errorf("github: %w", err)
	}
	return n.repository + "#" + strconv.FormatInt(number, 10), nil
}

// number is the issue's number of a reference of this repository, or 0.
func (n *notifier) number(ref string) int64 {
	digits, ours := strings.CutPrefix(ref, n.repository+"#")
	number, err := strconv.ParseInt(digits, 10, 64)
	if !ours || err != nil || number <= 0 {
		return 0
	}
	return number
}

// follow writes a comment on the issue, unless it is there, and closes or opens it.
func (n *notifier) follow(ctx context.Context, number int64, m notify.Message) error {
	there, err := n.commented(ctx, number, m)
	if err != nil {
		return err
	}
	if !there {
		if err := n.comment(ctx, number, m); err != nil {
			return err
		}
	}
	return n.settle(ctx, number, m)
}

// lag is how long a new issue may be missing from lists.
const lag = 10 * time.Second

func (n *notifier) create(ctx context.Context, m notify.Message) (int64, error) {
	var made struct{ Number int64 }
	err := n.call(ctx, http.MethodPost, n.issues(), n.issue(m), &made)
	if err == nil && made.Number == 0 {
		err = errors.New("the reply names no issue; is there a proxy in between?")
	}
	if _, told := notify.RetryAfter(err); err != nil && !notify.IsPermanent(err) && !told {
		// It may have been made all the same.
		err = notify.After(err, lag)
	}
	if err != nil {
		return 0, err
	}
	return made.Number, n.settle(ctx, made.Number, m) // its alert may be over already
}

func (n *notifier) issues() string { return "/repos/" + n.repository + "/issues" }

func (n *notifier) at(number int64) string {
	return n.issues() + "/" + strconv.FormatInt(number, 10)
}

// GitHub's limits, in characters. It counts those of Unicode; UTF-16 is the safe
// measure.
const (
	titleMax = 256
	bodyMax  = 65536
)

// An issue is what one is made of.
type issue struct {
	Title     string   `json:"title"`
	Body      string   `json:"body"`
	Labels    []string `json:"labels,omitempty"`
	Assignees []string `json:"assignees,omitempty"`
}

func (n *notifier) issue(m notify.Message) issue {
	return issue{
		Title:  notify.TicketTitle(m, titleMax),
		Body:   notify.TicketOutline(m, n.now()).Markdown(bodyMax),
		Labels: n.c.Labels, Assignees: n.c.Assignees,
	}
}

// A comment is the text of one.
type comment struct {
	Body string `json:"body"`
}

func (n *notifier) news(m notify.Message) comment {
	return comment{notify.CommentOutline(m, n.now(), "").Markdown(bodyMax)}
}

const (
	perPage = 100
	// pagesMost of issues that were made since a message came to be owed.
	pagesMost = 5
	// skew is how far GitHub's clock and ours may be apart.
	skew = 10 * time.Minute
)

// find is the number of the issue that has the alert's key, or 0. What begins an
// issue can only have been made since the message came to be owed, and lists have
// that at once; for all else GitHub's search is asked as well.
func (n *notifier) find(ctx context.Context, m notify.Message) (int64, error) {
	mark, since := notify.KeyMark(m), m.At.Add(-skew).UTC()
	for page := 1; page <= pagesMost; page++ {
		query := url.Values{
			"state": {"all"}, "sort": {"created"}, "direction": {"desc"}, "since": {since.Format(time.RFC3339)},
			"per_page": {strconv.Itoa(perPage)}, "page": {strconv.Itoa(page)},
		}
		var found []listed
		if err := n.call(ctx, http.MethodGet, n.issues()+"?"+query.Encode(), nil, &found); err != nil {
			return 0, err
		}
		if number := with(found, mark); number != 0 {
			return number, nil
		}
		if len(found) < perPage || found[len(found)-1].CreatedAt.Before(since) {
			break
		}
	}
	if notify.BeginsTicket(m) {
		return 0, nil
	}
	var found struct{ Items []listed }
	query := url.Values{"q": {`"` + notify.DedupKey(m) + `" in:body is:issue repo:` + n.repository}, "sort": {"created"}, "order": {"asc"}, "per_page": {"10"}}
	if err := n.call(ctx, http.MethodGet, "/search/issues?"+query.Encode(), nil, &found); err != nil {
		return 0, err
	}
	return with(found.Items, mark), nil
}

// A listed issue is one of a list.
type listed struct {
	Number    int64     `json:"number"`
	Body      string    `json:"body"`
	CreatedAt time.Time `json:"created_at"`
}

// with is the oldest issue that has the key.
func with(found []listed, mark *regexp.Regexp) int64 {
	var oldest int64
	for _, i := range found {
		if mark.MatchString(i.Body) && (oldest == 0 || i.Number < oldest) {
			oldest = i.Number
		}
	}
	return oldest
}

// commented reports whether the message is among the comments since it came to be
// owed.
func (n *notifier) commented(ctx context.Context, number int64, m notify.Message) (bool, error) {
	query := url.Values{"since": {m.At.Add(-skew).UTC().Format(time.RFC3339)}, "per_page": {strconv.Itoa(perPage)}}
	var raw json.RawMessage
	if err := n.call(ctx, http.MethodGet, n.at(number)+"/comments?"+query.Encode(), nil, &raw); err != nil {
		return false, err
	}
	id := notify.MessageID(m)
	return id != "" && bytes.Contains(raw, []byte("message "+id)), nil
}

func (n *notifier) comment(ctx context.Context, number int64, m notify.Message) error {
	return n.call(ctx, http.MethodPost, n.at(number)+"/comments", n.news(m), nil)
}

// A change is an edit of an issue's state.
type change struct {
	State  string `json:"state"`
	Reason string `json:"state_reason"`
}

// target is the state that the message asks for, with its reason; "" where it asks
// for none.
func (n *notifier) target(m notify.Message) change {
	switch {
	case n.c.KeepOpen:
	case m.Kind == tocsin.TellClosed && m.Alert.Status == tocsin.StatusClosed:
		return change{"closed", reason(m.Alert.CloseReason)}
	case m.Kind.Calls() && m.Alert.Status != tocsin.StatusClosed && (m.Ref != "" || m.Alert.Reopened > 0):
		return change{"open", "reopened"}
	}
	return change{}
}

// reason is GitHub's word: what needed nothing to be done was not planned.
func reason(r tocsin.Reason) string {
	switch r {
	case tocsin.ReasonFixed, tocsin.ReasonArchived, tocsin.ReasonRecovered, tocsin.ReasonQuiet:
		return "completed"
	}
	return "not_planned"
}

// settle closes or opens the issue, if it is not so already. That GitHub refuses is
// no failure: the comment says what became of the alert.
func (n *notifier) settle(ctx context.Context, number int64, m notify.Message) error {
	to := n.target(m)
	if to.State == "" {
		return nil
	}
	var now struct{ State string }
	if err := n.call(ctx, http.MethodGet, n.at(number), nil, &now); err != nil {
		return err
	}
	if now.State == to.State {
		return nil
	}
	err := n.call(ctx, http.MethodPatch, n.at(number), to, nil)
	if notify.IsPermanent(err) {
		n.log.WarnContext(ctx, "ticket not moved", "alert", m.Alert.ID, "err", err)
		return nil
	}
	return err
}

// repliesMax is how much is read of a reply: a page of issues with long texts.
const repliesMax = 16 << 20

// call makes one request and reads the reply into what is given. A reply that is no
// JSON is a proxy's, and nothing was written.
func (n *notifier) call(ctx context.Context, method, path string, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return notify.Permanent(err)
		}
	}
	reply, err := notify.Request{
		Method: method, URL: n.api + path, Body: text, Most: repliesMax,
		Headers: http.Header{
			"Authorization": {"Bearer " + n.c.Token.Reveal()}, "Accept": {"application/vnd.github+json"},
			"X-Github-Api-Version": {"2022-11-28"},
		},
		Secrets: []secret.String{n.c.Token},
	}.Send(ctx, n.client)
	if err != nil {
		return err
	}
	if into == nil {
		into = new(json.RawMessage)
	}
	if err := json.Unmarshal(reply, into); err != nil {
		return errors.New("the reply is not GitHub's JSON; is there a proxy in between, or is base_url wrong?")
	}
	return nil
}

// gone reports whether the issue is deleted, moved, or none that we may see.
func gone(err error) bool {
	status := notify.Status(err)
	return status == http.StatusNotFound || status == http.StatusGone || status == http.StatusMovedPermanently
}

// limited reads the ways in which GitHub says that there were too many requests:
// 403 or 429, with Retry-After; or with a limit that is used up until a time; or in
// words alone, after which a minute is to pass
// (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit).
func limited(resp *http.Response, body []byte) (time.Duration, bool) {
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusTooManyRequests {
		return 0, false
	}
	if wait, ok := notify.Wait(resp.Header); ok {
		return wait, true
	}
	if resp.Header.Get("X-Ratelimit-Remaining") == "0" {
		reset, err := strconv.ParseInt(resp.Header.Get("X-Ratelimit-Reset"), 10, 64)
		now, dated := http.ParseTime(resp.Header.Get("Date"))
		if err == nil && dated == nil {
			return max(time.Unix(reset, 0).Sub(now), time.Second), true
		}
		return time.Minute, true
	}
	if resp.StatusCode == http.StatusForbidden && bytes.Contains(bytes.ToLower(body), []byte("rate limit")) {
		return time.Minute, true
	}
	return 0, false
}
