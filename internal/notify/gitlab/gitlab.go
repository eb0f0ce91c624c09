// Package gitlab keeps an issue of each alert in a GitLab project, by the REST API
// v4 (https://docs.gitlab.com/api/issues/).
//
// What is told first of an alert makes its issue, whatever is told later is a note
// on it; the issue is closed with its alert and opened again with it. A digest and
// a note are issues of their own, which nothing of ours closes.
//
// Nothing is written twice. The last line of an issue has a key of its alert, which
// is looked for before an issue is made; that of a note has the id of its message,
// which is looked for before it is added. No text of a finding is a quick action
// (https://docs.gitlab.com/user/project/quick_actions/), mentions anybody or refers
// to anything.
package gitlab

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

// Kind is the GitLab notifier. GitLab.com takes 60 notes a minute of one user
// (https://docs.gitlab.com/user/gitlab_com/#rate-limits-on-gitlabcom).
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("gitlab-issue", "Keeps an issue of each alert in a GitLab project.", open)
	k.Title = "GitLab issues"
	k.Abilities = notify.Abilities{Threads: true, Resolve: true, Rich: true, Limit: "1,048,576 characters"}
	k.Checks = []notify.Check{{How: notify.ByFake, By: "a server that speaks the issues API and carries out quick actions", Test: "TestTheLifeOfAnAlertIsOneIssue"}}
	k.Rate, k.Follows = 1, true
	return k
}

// Config are the settings of a GitLab receiver.
type Config struct {
	Project      string        `json:"project" doc:"Where the issues are: group/project, or the project's number."`
	Token        secret.String `json:"token" doc:"Project, group or personal access token with the scope api; its role is Reporter at least, or Planner."`
	BaseURL      string        `json:"base_url,omitempty" doc:"Where GitLab is: https://gitlab.example.com." default:"https://gitlab.com"`
	Labels       []string      `json:"labels,omitempty" doc:"Labels of new issues. Those that the project lacks are made."`
	Assignees    []int64       `json:"assignees,omitempty" doc:"Numbers of users to whom new issues are assigned."`
	Type         string        `json:"type,omitempty" doc:"Type of new issues: issue or incident." default:"issue"`
	Confidential *bool         `json:"confidential,omitempty" doc:"Show issues to members of the project alone." default:"true"`
	KeepOpen     bool          `json:"keep_open,omitempty" doc:"Do not close an issue when its alert is over: people do." default:"false"`
}

const defaultURL = "https://gitlab.com"

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if c.BaseURL == "" {
		c.BaseURL = defaultURL
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	project := strings.Trim(c.Project, "/")
	n := &notifier{
		c: c, project: project, issues: strings.TrimRight(c.BaseURL, "/") + "/api/v4/projects/" + url.PathEscape(project) + "/issues",
		confidential: c.Confidential == nil || *c.Confidential, client: env.HTTP, now: env.Now, log: env.Log,
	}
	n.desk = notify.Desk[int64]{Find: n.find, Create: n.create, Follow: n.follow, Gone: gone}
	return n, nil
}

var projectPath = lazyregexp.New(`^(?:\d+|[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+)$`)

func (c Config) check() error {
	if err := notify.CheckURL(secret.New(c.BaseURL)); err != nil {
		return fmt.Errorf("base_url %w", err)
	}
	switch {
	case strings.Contains(c.BaseURL, "/api/"):
		return errors.New("base_url: want the address of GitLab alone, without /api/…")
	case c.Project == "":
		return errors.New("project is not set")
	case !projectPath.MatchString(strings.Trim(c.Project, "/")):
		return fmt.Errorf("project: %q is neither group/project nor a project's number", c.Project)
	case c.Token.IsZero():
		return errors.New("token is not set")
	case c.Type != "" && c.Type != "issue" && c.Type != "incident":
		return fmt.Errorf("type: %q is none of issue, incident", c.Type)
	}
	for _, l := range c.Labels {
		if strings.TrimSpace(l) == "" || strings.Contains(l, ",") || notify.Runes(l) > 255 {
			return fmt.Errorf("labels: %q is not 1 to 255 characters without a comma", l)
		}
	}
	return nil
}

type notifier struct {
	c            Config
	project      string // "group/project"
	issues       string // the URL of the project's issues
	confidential bool
	client       *http.Client
	now          func() time.Time
	log          *slog.Logger
	desk         notify.Desk[int64] // tickets by the issue's iid
}

// Notify writes the issue or a note on it. The reference is the issue:
// "group/project#17".
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("gitlab: it writes issues, not to a single person, and proves no address"))
	}
	number, err := n.desk.Tell(ctx, n.number(m.Ref), m)
	if err != nil {
		return "", fmt.Errorf("gitlab: %w", err)
	}
	return n.project + "#" + strconv.FormatInt(number, 10), nil
}

// number is the issue's number within the project (its iid) of a reference of this
// project, or 0.
func (n *notifier) number(ref string) int64 {
	digits, ours := strings.CutPrefix(ref, n.project+"#")
	number, err := strconv.ParseInt(digits, 10, 64)
	if !ours || err != nil || number <= 0 {
		return 0
	}
	return number
}

// follow writes a note on the issue, unless it is there, and closes or opens it.
func (n *notifier) follow(ctx context.Context, number int64, m notify.Message) error {
	there, err := n.noted(ctx, number, m)
	if err != nil {
		return err
	}
	if !there {
		if err := n.call(ctx, http.MethodPost, n.at(number)+"/notes", n.news(m), nil); err != nil {
			return err
		}
	}
	return n.settle(ctx, number, m)
}

func (n *notifier) at(number int64) string { return n.issues + "/" + strconv.FormatInt(number, 10) }

func (n *notifier) create(ctx context.Context, m notify.Message) (int64, error) {
	var made struct {
		Number int64 `json:"iid"`
	}
	err := n.call(ctx, http.MethodPost, n.issues, n.issue(m), &made)
	if err == nil && made.Number == 0 {
		err = errors.New("the reply names no issue; is there a proxy in between?")
	}
	if err != nil {
		return 0, err
	}
	return made.Number, n.settle(ctx, made.Number, m) // its alert may be over already
}

// GitLab's limits, in characters
// (https://docs.gitlab.com/api/issues/#create-an-issue).
const (
	titleMax = 255
	bodyMax  = 1 << 20
	noteMax  = 1_000_000
)

// An issue is what one is made of.
type issue struct {
	Title        string  `json:"title"`
	Description  string  `json:"description"`
	Labels       string  `json:"labels,omitempty"`
	Assignees    []int64 `json:"assignee_ids,omitempty"`
	Type         string  `json:"issue_type,omitempty"`
	Confidential bool    `json:"confidential"`
}

func (n *notifier) issue(m notify.Message) issue {
	return issue{
		Title:       notify.TicketTitle(m, titleMax),
		Description: notify.TicketOutline(m, n.now()).Markdown(bodyMax),
		Labels:      strings.Join(n.c.Labels, ","), Assignees: n.c.Assignees, Type: n.c.Type, Confidential: n.confidential,
	}
}

// A note is the text of one.
type note struct {
	Body string `json:"body"`
}

func (n *notifier) news(m notify.Message) note {
	return note{notify.CommentOutline(m, n.now(), "").Markdown(noteMax)}
}

const (
	perPage   = 100
	pagesMost = 5 // of issues that were made since a message came to be owed
	// skew is how far GitLab's clock and ours may be apart.
	skew = 10 * time.Minute
)

// find is the number of the issue that has the alert's key, or 0. What begins an
// issue can only have been made since the message came to be owed; for all else
// GitLab is searched.
func (n *notifier) find(ctx context.Context, m notify.Message) (int64, error) {
	mark := notify.KeyMark(m)
	recent := url.Values{
		"scope": {"all"}, "created_after": {m.At.Add(-skew).UTC().Format(time.RFC3339)},
		"order_by": {"created_at"}, "sort": {"asc"}, "per_page": {strconv.Itoa(perPage)},
	}
	for page := 1; page <= pagesMost; page++ {
		recent.Set("page", strconv.Itoa(page))
		var found []listed
		if err := n.call(ctx, http.MethodGet, n.issues+"?"+recent.Encode(), nil, &found); err != nil {
			return 0, err
		}
		if number := with(found, mark); number != 0 {
			return number, nil
		}
		if len(found) < perPage {
			break
		}
	}
	if notify.BeginsTicket(m) {
		return 0, nil
	}
	var found []listed
	search := url.Values{"scope": {"all"}, "search": {notify.DedupKey(m)}, "in": {"description"}, "order_by": {"created_at"}, "sort": {"asc"}, "per_page": {"20"}}
	if err := n.call(ctx, http.MethodGet, n.issues+"?"+search.Encode(), nil, &found); err != nil {
		return 0, err
	}
	return with(found, mark), nil
}

// A listed issue is one of a list.
type listed struct {
	Number      int64  `json:"iid"`
	Description string `json:"description"`
}

// with is the oldest issue that has the key.
func with(found []listed, mark *regexp.Regexp) int64 {
	var oldest int64
	for _, i := range found {
		if mark.MatchString(i.Description) && (oldest == 0 || i.Number < oldest) {
			oldest = i.Number
		}
	}
	return oldest
}

// noted reports whether the message is among the last notes.
func (n *notifier) noted(ctx context.Context, number int64, m notify.Message) (bool, error) {
	var raw json.RawMessage
	if err := n.call(ctx, http.MethodGet, n.at(number)+"/notes?order_by=created_at&sort=desc&per_page=100", nil, &raw); err != nil {
		return false, err
	}
	id := notify.MessageID(m)
	return id != "" && bytes.Contains(raw, []byte("message "+id)), nil
}

// A change is an edit of an issue's state.
type change struct {
	Event string `json:"state_event"`
}

// target is what the message asks for: "close", "reopen" or nothing.
func (n *notifier) target(m notify.Message) string {
	switch {
	case n.c.KeepOpen:
	case m.Kind == tocsin.TellClosed && m.Alert.Status == tocsin.StatusClosed:
		return "close"
	case m.Kind.Calls() && m.Alert.Status != tocsin.StatusClosed && (m.Ref != "" || m.Alert.Reopened > 0):
		return "reopen"
	}
	return ""
}

// settle closes or opens the issue, if it is not so already. That GitLab refuses is
// no failure: the note says what became of the alert.
func (n *notifier) settle(ctx context.Context, number int64, m notify.Message) error {
	event := n.target(m)
	if event == "" {
		return nil
	}
	var now struct{ State string }
	if err := n.call(ctx, http.MethodGet, n.at(number), nil, &now); err != nil {
		return err
	}
	if closed := now.State == "closed"; closed == (event == "close") {
		return nil
	}
	err := n.call(ctx, http.MethodPut, n.at(number), change{event}, nil)
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
func (n *notifier) call(ctx context.Context, method, address string, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return notify.Permanent(err)
		}
	}
	reply, err := notify.Request{
		Method: method, URL: address, Body: text, Most: repliesMax,
		Headers: http.Header{"Private-Token": {n.c.Token.Reveal()}, "Accept": {"application/json"}},
		Secrets: []secret.String{n.c.Token},
	}.Send(ctx, n.client)
	if err != nil {
		return err
	}
	if into == nil {
		into = new(json.RawMessage)
	}
	if err := json.Unmarshal(reply, into); err != nil {
		return errors.New("the reply is not GitLab's JSON; is there a proxy or a login page in between, or is base_url wrong?")
	}
	return nil
}

// gone reports whether there is no such issue, or none that we may see.
func gone(err error) bool {
	status := notify.Status(err)
	return status == http.StatusNotFound || status == http.StatusGone
}
