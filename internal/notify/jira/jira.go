// Package jira keeps a ticket of each alert in Jira: Cloud by its REST API v3,
// Server and Data Center by v2
// (https://developer.atlassian.com/cloud/jira/platform/rest/v3/).
//
// What is told first of an alert makes its ticket, whatever is told later is a
// comment on it, and transitions follow the alert where they are configured. A
// digest and a note are tickets of their own, which nothing of ours closes.
//
// Nothing is written twice. A ticket has a label of its alert, by which it is
// looked up before one is made; a comment ends in the id of its message, which is
// looked for before it is added. Only Jira's search may be late: a ticket that was
// made a moment ago may not be found yet, so where the reply to its making was
// lost, the next attempt waits.
package jira

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Kind is the Jira notifier. Jira names no number of requests that it takes; it
// says with 429 and Retry-After when they were too many
// (https://developer.atlassian.com/cloud/jira/platform/rate-limiting/).
var Kind = kind()

func kind() notify.Kind {
	k := notify.Define("jira", "Keeps a ticket of each alert in Jira Cloud, Server or Data Center.", open)
	k.Title = "Jira"
	k.Abilities = notify.Abilities{Threads: true, Resolve: true, Rich: true, Limit: "32,767 characters"}
	k.Checks = []notify.Check{
		{How: notify.BySchema, By: "Atlassian's JSON Schema of its document format from @atlaskit/adf-schema 57.7.22", Test: "TestGolden"},
		{How: notify.ByFake, By: "a server that speaks the REST API v3, and v2", Test: "TestTheLifeOfAnAlertIsOneTicket"},
	}
	k.Follows = true
	return k
}

// Config are the settings of a Jira receiver.
type Config struct {
	URL         string            `json:"url" doc:"Where Jira is: https://example.atlassian.net, or a Data Center's base URL."`
	API         int               `json:"api,omitempty" doc:"3 for Jira Cloud, 2 for Jira Server and Data Center." default:"3"`
	Project     string            `json:"project" doc:"Key of the project: SEC."`
	IssueType   string            `json:"issue_type,omitempty" doc:"Type of the tickets." default:"Task"`
	Email       string            `json:"email,omitempty" doc:"Whose token it is, for Jira Cloud. Without it the token is a personal access token of a Data Center."`
	Token       secret.String     `json:"token" doc:"API token, or personal access token. Its user needs to browse the project, create, edit and transition tickets and comment on them."`
	Priority    map[string]string `json:"priority,omitempty" doc:"Jira's priority by level: critical: Highest. Levels that are not there leave it to Jira."`
	Labels      []string          `json:"labels,omitempty" doc:"More labels. That of the alert is there in any case, so the create screen needs the field Labels."`
	Transitions Transitions       `json:"transitions,omitzero" doc:"Where tickets move with their alerts: names of transitions, or of the statuses to which these lead. What is not there is not moved."`
	Fields      map[string]any    `json:"fields,omitempty" doc:"More fields of a new ticket as the REST API takes them: customfield_10042: {value: Security}."`
}

// Transitions are the moves of a ticket.
type Transitions struct {
	Ack    string `json:"ack,omitempty" doc:"When the alert is acknowledged: In Progress."`
	Close  string `json:"close,omitempty" doc:"When it is closed: Done."`
	Reopen string `json:"reopen,omitempty" doc:"When it is open again: To Do."`
}

func open(c Config, env notify.Env) (notify.Notifier, error) {
	if c.API == 0 {
		c.API = 3
	}
	if c.IssueType == "" {
		c.IssueType = "Task"
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &notifier{
		c: c, base: fmt.Sprintf("%s/rest/api/%d", strings.TrimRight(c.URL, "/"), c.API),
		client: env.HTTP, now: env.Now, log: env.Log, priority: map[tocsin.Level]string{},
	}
	n.desk = notify.Desk[string]{Find: n.find, Create: n.create, Follow: n.follow, Gone: gone}
	for word, name := range c.Priority {
		level, err := tocsin.ParseLevel(word)
		if err != nil {
			return nil, fmt.Errorf("priority: %w", err)
		}
		n.priority[level] = name
	}
	return n, nil
}

var projectKey = lazyregexp.New(`^[A-Za-z][A-Za-z0-9_]*$`)

// ours are the fields that are not for the configuration to set.
var ours = []string{"project", "issuetype", "summary", "description", "labels", "priority"}

func (c Config) check() error {
	if err := notify.CheckURL(secret.New(c.URL)); err != nil {
		return fmt.Errorf("url %w", err)
	}
	switch {
	case strings.Contains(c.URL, "/rest/"):
		return errors.New("url: want the address of Jira alone, without /rest/…")
	case c.API != 2 && c.API != 3:
		return fmt.Errorf("api: %d is none of 2 (Server, Data Center), 3 (Cloud)", c.API)
	case c.Project == "":
		return errors.New("project is not set")
	case !projectKey.MatchString(c.Project):
		return fmt.Errorf("project: %q is not a project's key, such as SEC", c.Project)
	case c.Token.IsZero():
		return errors.New("token is not set")
	case strings.Contains(c.Email, ":"):
		return fmt.Errorf("email: %q has a colon, which a login cannot have", c.Email)
	}
	for _, l := range c.Labels {
		if l == "" || strings.ContainsAny(l, " \t\r\n") {
			return fmt.Errorf("labels: %q has a space, which Jira's labels cannot have", l)
		}
	}
	for _, name := range ours {
		if _, there := c.Fields[name]; there {
			return fmt.Errorf("fields: %s is set by tocsin itself", name)
		}
	}
	return nil
}

type notifier struct {
	c        Config
	base     string // "https://example.atlassian.net/rest/api/3"
	client   *http.Client
	now      func() time.Time
	log      *slog.Logger
	priority map[tocsin.Level]string // never written after open
	desk     notify.Desk[string]     // tickets by their key
}

// Notify writes the ticket or a comment on it. The reference is the ticket's key.
func (n *notifier) Notify(ctx context.Context, m notify.Message) (string, error) {
	if m.Kind == tocsin.TellCode {
		return "", notify.Permanent(errors.New("jira: it writes tickets, not to a single person, and proves no address"))
	}
	key, err := n.desk.Tell(ctx, m.Ref, m)
	if err != nil {
		return "", fmt.Errorf("jira: %w", err)
	}
	return key, nil
}

// follow writes a comment on the ticket, unless it is there, and moves it.
func (n *notifier) follow(ctx context.Context, key string, m notify.Message) error {
	there, err := n.commented(ctx, key, m)
	if err != nil {
		return err
	}
	to, missing, err := n.transition(ctx, key, m)
	if err != nil {
		return err
	}
	// The comment comes before the move: an attempt that finds the comment there,
	// and no transition any more, has nothing to complain of.
	if !there {
		if err := n.comment(ctx, key, m, missing); err != nil {
			return err
		}
	}
	if err := n.raise(ctx, key, m); err != nil {
		return err
	}
	return n.pass(ctx, key, to, m)
}

// settle is how long Jira's search may lag behind
// (https://developer.atlassian.com/cloud/jira/platform/search-and-reconcile/).
const settle = 30 * time.Second

// create makes the ticket, where its alert is by now.
func (n *notifier) create(ctx context.Context, m notify.Message) (string, error) {
	body, err := json.Marshal(map[string]any{"fields": n.fields(m)})
	if err != nil {
		return "", notify.Permanent(err)
	}
	var made struct{ Key string }
	err = n.call(ctx, http.MethodPost, "/issue", body, &made)
	if err == nil && made.Key == "" {
		err = errors.New("the reply names no ticket; is there a proxy in between?")
	}
	if _, told := notify.RetryAfter(err); err != nil && !notify.IsPermanent(err) && !told {
		// It may have been made all the same.
		err = notify.After(err, settle)
	}
	if err != nil {
		return "", err
	}
	to, _, err := n.transition(ctx, made.Key, m)
	if err != nil {
		return "", err
	}
	return made.Key, n.pass(ctx, made.Key, to, m)
}

// fields are those of a new ticket.
func (n *notifier) fields(m notify.Message) map[string]any {
	fields := map[string]any{}
	maps.Copy(fields, n.c.Fields)
	fields["project"] = map[string]any{"key": n.c.Project}
	fields["issuetype"] = map[string]any{"name": n.c.IssueType}
	fields["summary"] = notify.Truncate(notify.FirstLine(m), summaryMax, notify.UTF16)
	fields["description"] = n.written(func(room int) document { return description(m, n.now(), room) })
	fields["labels"] = append([]string{"tocsin", notify.DedupKey(m)}, n.c.Labels...)
	if name := n.priority[m.Level()]; name != "" && m.Kind != tocsin.TellNote {
		fields["priority"] = map[string]any{"name": name}
	}
	return fields
}

// find is the key of the oldest ticket with the alert's label, or "". All projects are
// searched, since tickets are moved.
func (n *notifier) find(ctx context.Context, m notify.Message) (string, error) {
	query := map[string]any{"jql": `labels = "` + notify.DedupKey(m) + `" ORDER BY created ASC`, "fields": []string{"key"}, "maxResults": 1}
	path := "/search"
	if n.c.API == 3 {
		path = "/search/jql"
	}
	// A page of Jira Cloud may be empty and yet not the last.
	for range 5 {
		body, err := json.Marshal(query)
		if err != nil {
			return "", notify.Permanent(err)
		}
		var found struct {
			Issues        []struct{ Key string }
			NextPageToken string
		}
		if err := n.call(ctx, http.MethodPost, path, body, &found); err != nil {
			return "", err
		}
		if len(found.Issues) > 0 {
			return found.Issues[0].Key, nil
		}
		if found.NextPageToken == "" {
			return "", nil
		}
		query["nextPageToken"] = found.NextPageToken
	}
	return "", nil
}

// commentsRead is how many comments are looked through for a message's id: a
// message is tried again within a day.
const commentsRead = 50

// commented reports whether the message is among the last comments.
func (n *notifier) commented(ctx context.Context, key string, m notify.Message) (bool, error) {
	var raw json.RawMessage
	path := fmt.Sprintf("/issue/%s/comment?orderBy=-created&maxResults=%d", url.PathEscape(key), commentsRead)
	if err := n.call(ctx, http.MethodGet, path, nil, &raw); err != nil {
		return false, err
	}
	id := word(m.ID, idMax)
	return len(id) >= 8 && bytes.Contains(raw, []byte(id)), nil
}

func (n *notifier) comment(ctx context.Context, key string, m notify.Message, missing string) error {
	text := n.written(func(room int) document { return news(m, n.now(), room, missing) })
	body, err := json.Marshal(map[string]any{"body": text})
	if err != nil {
		return notify.Permanent(err)
	}
	return n.call(ctx, http.MethodPost, "/issue/"+url.PathEscape(key)+"/comment", body, nil)
}

// raise gives the ticket the priority of its alert's new level. That Jira refuses
// is no failure: the comment says what became worse.
func (n *notifier) raise(ctx context.Context, key string, m notify.Message) error {
	name := n.priority[m.Alert.Level]
	if m.Kind != tocsin.TellRaised || name == "" {
		return nil
	}
	body, err := json.Marshal(map[string]any{"fields": map[string]any{"priority": map[string]any{"name": name}}})
	if err != nil {
		return notify.Permanent(err)
	}
	err = n.call(ctx, http.MethodPut, "/issue/"+url.PathEscape(key), body, nil)
	if notify.IsPermanent(err) {
		n.log.WarnContext(ctx, "ticket keeps its priority", "alert", m.Alert.ID, "err", err)
		return nil
	}
	return err
}

// A choice is one transition that a ticket has from where it is.
type choice struct {
	ID, Name string
	To       struct{ Name string }
}

// transition is the id of the one that the message asks for, or what is missing.
// Both are empty where nothing is to be moved.
func (n *notifier) transition(ctx context.Context, key string, m notify.Message) (id, missing string, err error) {
	target, fromDone := n.target(m)
	if target == "" {
		return "", "", nil
	}
	var issue struct {
		Fields struct {
			Status struct {
				Name           string
				StatusCategory struct{ Key string }
			}
		}
		Transitions []choice
	}
	if err := n.call(ctx, http.MethodGet, "/issue/"+url.PathEscape(key)+"?fields=status&expand=transitions", nil, &issue); err != nil {
		return "", "", err
	}
	status := issue.Fields.Status
	// A ticket that somebody moved on meanwhile is left where it is.
	if done := status.StatusCategory.Key == "done"; done != fromDone || strings.EqualFold(status.Name, target) {
		return "", "", nil
	}
	for _, c := range issue.Transitions {
		if strings.EqualFold(c.Name, target) || strings.EqualFold(c.To.Name, target) {
			return c.ID, "", nil
		}
	}
	missing = fmt.Sprintf("from status %q no transition leads to %q", word(status.Name, 60), target)
	n.log.WarnContext(ctx, "ticket not moved", "alert", m.Alert.ID, "err", fmt.Sprintf("%s: %s", key, missing))
	return "", missing, nil
}

// target is where the ticket is to go, or "", and whether it comes from where
// tickets are done.
func (n *notifier) target(m notify.Message) (name string, fromDone bool) {
	switch m.Kind {
	case tocsin.TellClosed:
		return n.c.Transitions.Close, false
	case tocsin.TellAcknowledged:
		return n.c.Transitions.Ack, false
	case tocsin.TellOpened, tocsin.TellRaised:
		if m.Ref != "" || m.Alert.Reopened > 0 {
			return n.c.Transitions.Reopen, true
		}
	case tocsin.TellChanged:
		if m.Alert.Status == tocsin.StatusAcked {
			return n.c.Transitions.Ack, false
		}
	}
	return "", false
}

// pass moves the ticket. That Jira refuses, because of a field that the
// transition's screen wants or for lack of permission, is no failure: the comment
// says what became of the alert.
func (n *notifier) pass(ctx context.Context, key, id string, m notify.Message) error {
	if id == "" {
		return nil
	}
	body, err := json.Marshal(map[string]any{"transition": map[string]any{"id": id}})
	if err != nil {
		return notify.Permanent(err)
	}
	err = n.call(ctx, http.MethodPost, "/issue/"+url.PathEscape(key)+"/transitions", body, nil)
	if notify.IsPermanent(err) {
		n.log.WarnContext(ctx, "ticket not moved", "alert", m.Alert.ID, "err", err)
		return nil
	}
	return err
}

// repliesMax is how much is read of a reply; comments are the longest.
const repliesMax = 2 << 20

// call makes one request and reads the reply into what is given, if anything.
func (n *notifier) call(ctx context.Context, method, path string, body []byte, into any) error {
	login := "Bearer " + n.c.Token.Reveal()
	if n.c.Email != "" {
		login = "Basic " + base64.StdEncoding.EncodeToString([]byte(n.c.Email+":"+n.c.Token.Reveal()))
	}
	reply, err := notify.Request{
		Method: method, URL: n.base + path, Body: body, Most: repliesMax,
		Headers: http.Header{"Authorization": {login}, "Accept": {"application/json"}},
		Secrets: []secret.String{n.c.Token},
	}.Send(ctx, n.client)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(reply, into); err != nil {
		return errors.New("the reply is not Jira's JSON; is there a proxy or a login page in between, or is url wrong?")
	}
	return nil
}

// gone reports whether there is no such ticket, or none that we may see.
func gone(err error) bool {
	status := notify.Status(err)
	return status == http.StatusNotFound || status == http.StatusGone
}

func word(s string, most int) string {
	return notify.Truncate(notify.Defang(notify.Clean(s)), most, notify.UTF16)
}
