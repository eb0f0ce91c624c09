// Package jiratest plays Jira: a [Server] keeps tickets as the REST API v3 of Jira
// Cloud does, or v2 of a Data Center, and refuses what they would refuse. For
// tests, whole-program scenes and demonstrations.
//
//	POST /rest/api/3/search/jql                   by one label; v2: /rest/api/2/search
//	POST /rest/api/{3,2}/issue
//	GET  /rest/api/{3,2}/issue/{key}              with expand=transitions
//	PUT  /rest/api/{3,2}/issue/{key}
//	GET  /rest/api/{3,2}/issue/{key}/comment
//	POST /rest/api/{3,2}/issue/{key}/comment
//	POST /rest/api/{3,2}/issue/{key}/transitions
//
// Requests can be made to fail ([Server.Fail]), replies to be lost after the work
// was done ([Server.Lose]), and the search to lag behind ([Server.Lag]).
package jiratest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// A Ticket is one issue.
type Ticket struct {
	Key      string
	Type     string
	Summary  string
	Text     string // the description, as text without markup
	Status   string
	Priority string
	Labels   []string
	// Fields are the others of its making, as they came.
	Fields map[string]any
	// Comments are texts without markup, oldest first.
	Comments []string
}

// What names a request, for [Server.Fail] and [Server.Lose].
type What string

// The requests.
const (
	Any        What = ""
	Search     What = "search"
	Create     What = "create"
	Read       What = "read"
	Edit       What = "edit"
	Comments   What = "comments"
	Comment    What = "comment"
	Transition What = "transition"
)

// A Write is a request that changed something, as it came.
type Write struct {
	What   What
	Key    string
	Header http.Header
	Body   []byte
}

// A Move is one transition of the workflow: from a status, under a name, to
// another.
type Move struct{ ID, Name, From, To string }

// Options are how Jira is set up.
type Options struct {
	API        int    // 3 or 2; 0 is 3
	Project    string // "" is "SEC"
	Email      string // with it, logins are basic; without it, bearer
	Token      string // "" asks for no login
	Types      []string
	Priorities []string
	// Moves are the workflow; nil is To Do, In Progress, Done, and back.
	Moves []Move
}

// A Server is Jira. It is safe for concurrent use.
type Server struct {
	o     Options
	login string
	mux   *http.ServeMux

	mu       sync.Mutex // guards what follows
	tickets  []*ticket
	made     int // numbers keys
	lag      int
	writes   []Write
	requests []What
	fails    []failure
}

type ticket struct {
	Ticket
	raw    []json.RawMessage // the comments' bodies
	unseen int               // searches that do not find it yet
}

type failure struct {
	what       What
	status     int // 0: the work is done and the reply lost
	retryAfter string
}

// New makes a Jira without tickets.
func New(o Options) *Server {
	if o.API == 0 {
		o.API = 3
	}
	if o.Project == "" {
		o.Project = "SEC"
	}
	if o.Types == nil {
		o.Types = []string{"Task", "Bug", "Incident"}
	}
	if o.Priorities == nil {
		o.Priorities = []string{"Highest", "High", "Medium", "Low", "Lowest"}
	}
	if o.Moves == nil {
		o.Moves = []Move{
			{"11", "Start work", "To Do", "In Progress"},
			{"21", "Resolve", "To Do", "Done"},
			{"22", "Resolve", "In Progress", "Done"},
			{"31", "Open again", "Done", "To Do"},
		}
	}
	s := &Server{o: o, mux: http.NewServeMux()}
	if o.Token != "" {
		s.login = "Bearer " + o.Token
		if o.Email != "" {
			s.login = "Basic " + base64.StdEncoding.EncodeToString([]byte(o.Email+":"+o.Token))
		}
	}
	base := fmt.Sprintf("/rest/api/%d", o.API)
	if o.API == 3 {
		s.handle("POST "+base+"/search/jql", Search, s.search)
		s.mux.HandleFunc(base+"/search", func(w http.ResponseWriter, _ *http.Request) {
			complain(w, http.StatusGone, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")
		})
	} else {
		s.handle("POST "+base+"/search", Search, s.search)
	}
	s.handle("POST "+base+"/issue", Create, s.create)
	s.handle("GET "+base+"/issue/{key}", Read, s.read)
	s.handle("PUT "+base+"/issue/{key}", Edit, s.edit)
	s.handle("GET "+base+"/issue/{key}/comment", Comments, s.comments)
	s.handle("POST "+base+"/issue/{key}/comment", Comment, s.comment)
	s.handle("POST "+base+"/issue/{key}/transitions", Transition, s.transition)
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Fail answers the next such request with the status, and Retry-After if it is
// not empty, and does nothing. Several calls are several requests.
func (s *Server) Fail(what What, status int, retryAfter string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = append(s.fails, failure{what, status, retryAfter})
}

// Lose does the work of the next such request and breaks the connection instead
// of answering.
func (s *Server) Lose(what What) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = append(s.fails, failure{what: what})
}

// Lag has the next searches, that many of them, not find what is made from now on.
func (s *Server) Lag(searches int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = searches
}

// Add puts a ticket there; one without a key is given the next. It returns the key.
func (s *Server) Add(t Ticket) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(t)
}

func (s *Server) add(t Ticket) string {
	if t.Key == "" {
		s.made++
		t.Key = s.o.Project + "-" + strconv.Itoa(s.made)
	}
	if t.Status == "" {
		t.Status = s.o.Moves[0].From
	}
	s.tickets = append(s.tickets, &ticket{Ticket: t, unseen: s.lag})
	return t.Key
}

// Remove deletes a ticket.
func (s *Server) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tickets = slices.DeleteFunc(s.tickets, func(t *ticket) bool { return t.Key == key })
}

// Tickets are all tickets in the order in which they were made.
func (s *Server) Tickets() []Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Ticket, len(s.tickets))
	for i, t := range s.tickets {
		all[i] = t.Ticket
		all[i].Comments = slices.Clone(t.Comments)
	}
	return all
}

// Writes are all requests that changed something.
func (s *Server) Writes() []Write {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

// Requests are all requests that were understood, refused ones too.
func (s *Server) Requests() []What {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// A reply is what a request comes to. Status 204 has no body.
type reply struct {
	status int
	body   any
}

// wrong is a refusal as Jira words it.
func wrong(status int, field, format string, args ...any) reply {
	text := fmt.Sprintf(format, args...)
	if field == "" {
		return reply{status, map[string]any{"errorMessages": []string{text}, "errors": map[string]any{}}}
	}
	return reply{status, map[string]any{"errorMessages": []string{}, "errors": map[string]string{field: text}}}
}

func complain(w http.ResponseWriter, status int, text string) { send(w, wrong(status, "", "%s", text)) }

func send(w http.ResponseWriter, r reply) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(r.status)
	if r.status != http.StatusNoContent {
		// Nobody is left to tell if the reply cannot be written.
		_ = json.NewEncoder(w).Encode(r.body)
	}
}

// handle mounts work, which is called with mu held.
func (s *Server) handle(pattern string, what What, work func(r *http.Request, body []byte) reply) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests = append(s.requests, what)
		lost := false
		if i := slices.IndexFunc(s.fails, func(f failure) bool { return f.what == Any || f.what == what }); i >= 0 {
			f := s.fails[i]
			s.fails = slices.Delete(s.fails, i, i+1)
			if f.retryAfter != "" {
				w.Header().Set("Retry-After", f.retryAfter)
			}
			if f.status != 0 {
				complain(w, f.status, "as this server was asked to")
				return
			}
			lost = true
		}
		if s.login != "" && r.Header.Get("Authorization") != s.login {
			complain(w, http.StatusUnauthorized, "Client must be authenticated to access this resource.")
			return
		}
		if len(body) > 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			complain(w, http.StatusUnsupportedMediaType, "Unsupported Media Type")
			return
		}
		answer := work(r, body)
		if answer.status < 300 && r.Method != http.MethodGet && what != Search {
			s.writes = append(s.writes, Write{what, r.PathValue("key"), r.Header.Clone(), body})
		}
		if lost {
			panic(http.ErrAbortHandler)
		}
		send(w, answer)
	})
}

func (s *Server) ticket(r *http.Request) (*ticket, reply, bool) {
	for _, t := range s.tickets {
		if strings.EqualFold(t.Key, r.PathValue("key")) {
			return t, reply{}, true
		}
	}
	return nil, wrong(http.StatusNotFound, "", "Issue does not exist or you do not have permission to see it."), false
}

// byLabel is the only JQL that is understood here.
var byLabel = regexp.MustCompile(`^labels = "([^"\s]+)"(?: ORDER BY created ASC)?$`)

func (s *Server) search(_ *http.Request, body []byte) reply {
	var q struct {
		JQL           string   `json:"jql"`
		Fields        []string `json:"fields"`
		MaxResults    int      `json:"maxResults"`
		NextPageToken string   `json:"nextPageToken"`
	}
	if err := strict(body, &q); err != nil {
		return wrong(http.StatusBadRequest, "", "Invalid request payload: %v", err)
	}
	label := byLabel.FindStringSubmatch(q.JQL)
	if label == nil {
		return wrong(http.StatusBadRequest, "", "Error in the JQL Query: %q", q.JQL)
	}
	found := []map[string]any{}
	for _, t := range s.tickets {
		if t.unseen > 0 {
			t.unseen--
			continue
		}
		if slices.Contains(t.Labels, label[1]) && (q.MaxResults == 0 || len(found) < q.MaxResults) {
			found = append(found, map[string]any{"id": "1" + t.Key, "key": t.Key, "fields": map[string]any{}})
		}
	}
	if s.o.API == 3 {
		return reply{http.StatusOK, map[string]any{"issues": found, "isLast": true}}
	}
	return reply{http.StatusOK, map[string]any{"startAt": 0, "maxResults": q.MaxResults, "total": len(found), "issues": found}}
}

// others are fields of a ticket that any project may have on its screens.
var others = []string{"assignee", "reporter", "components", "duedate", "environment", "fixVersions", "parent", "security", "versions"}

func (s *Server) create(_ *http.Request, body []byte) reply {
	var q struct {
		Fields map[string]json.RawMessage `json:"fields"`
	}
	if err := strict(body, &q); err != nil {
		return wrong(http.StatusBadRequest, "", "Invalid request payload: %v", err)
	}
	t := Ticket{Fields: map[string]any{}}
	for _, name := range []string{"project", "issuetype", "summary"} {
		if q.Fields[name] == nil {
			return wrong(http.StatusBadRequest, name, "%s is required.", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(q.Fields)) {
		if field, text := s.set(&t, name, q.Fields[name]); text != "" {
			return wrong(http.StatusBadRequest, field, "%s", text)
		}
	}
	key := s.add(t)
	return reply{http.StatusCreated, map[string]any{"id": "1" + key, "key": key, "self": "/rest/api/" + strconv.Itoa(s.o.API) + "/issue/1" + key}}
}

// set takes one field, or says what is wrong with it.
func (s *Server) set(t *Ticket, name string, raw json.RawMessage) (field, text string) {
	var named struct {
		Key  string `json:"key"`
		Name string `json:"name"`
	}
	read := func(into any) bool { return json.Unmarshal(raw, into) == nil }
	switch name {
	case "project":
		if !read(&named) || named.Key != s.o.Project {
			return name, "valid project is required"
		}
	case "issuetype":
		if !read(&named) || !slices.Contains(s.o.Types, named.Name) {
			return name, "The issue type selected is invalid."
		}
		t.Type = named.Name
	case "priority":
		if !read(&named) || !slices.Contains(s.o.Priorities, named.Name) {
			return name, "The priority selected is invalid."
		}
		t.Priority = named.Name
	case "summary":
		switch {
		case !read(&t.Summary) || strings.TrimSpace(t.Summary) == "":
			return name, "You must specify a summary of the issue."
		case strings.ContainsAny(t.Summary, "\r\n"):
			return name, "The summary is invalid because it contains newline characters."
		case utf8.RuneCountInString(t.Summary) > 255:
			return name, "Summary must be less than 255 characters."
		}
	case "labels":
		if !read(&t.Labels) {
			return name, "data was not an array"
		}
		for _, l := range t.Labels {
			if l == "" || strings.ContainsAny(l, " \t") || len(l) > 255 {
				return name, fmt.Sprintf("The label '%s' contains spaces which is invalid.", l)
			}
		}
	case "description":
		words, err := s.text(raw)
		if err != nil {
			return name, err.Error()
		}
		t.Text = words
	default:
		var value any
		if !strings.HasPrefix(name, "customfield_") && !slices.Contains(others, name) || !read(&value) {
			return name, fmt.Sprintf("Field '%s' cannot be set. It is not on the appropriate screen, or unknown.", name)
		}
		t.Fields[name] = value
	}
	return "", ""
}

func (s *Server) read(r *http.Request, _ []byte) reply {
	t, refusal, ok := s.ticket(r)
	if !ok {
		return refusal
	}
	body := map[string]any{"id": "1" + t.Key, "key": t.Key, "fields": map[string]any{
		"summary": t.Summary, "labels": t.Labels,
		"status": map[string]any{"name": t.Status, "statusCategory": map[string]any{"key": s.category(t.Status)}},
	}}
	if strings.Contains(r.URL.Query().Get("expand"), "transitions") {
		body["transitions"] = s.moves(t.Status)
	}
	return reply{http.StatusOK, body}
}

// category is "done" for a status that nothing but a reopening leaves: one by the
// name of Done, Closed or Resolved.
func (s *Server) category(status string) string {
	switch status {
	case "Done", "Closed", "Resolved":
		return "done"
	case s.o.Moves[0].From:
		return "new"
	}
	return "indeterminate"
}

func (s *Server) moves(status string) []map[string]any {
	moves := []map[string]any{}
	for _, m := range s.o.Moves {
		if m.From == status {
			moves = append(moves, map[string]any{"id": m.ID, "name": m.Name, "to": map[string]any{"name": m.To}})
		}
	}
	return moves
}

func (s *Server) edit(r *http.Request, body []byte) reply {
	t, refusal, ok := s.ticket(r)
	if !ok {
		return refusal
	}
	var q struct {
		Fields map[string]json.RawMessage `json:"fields"`
	}
	if err := strict(body, &q); err != nil {
		return wrong(http.StatusBadRequest, "", "Invalid request payload: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(q.Fields)) {
		if field, text := s.set(&t.Ticket, name, q.Fields[name]); text != "" {
			return wrong(http.StatusBadRequest, field, "%s", text)
		}
	}
	return reply{status: http.StatusNoContent}
}

func (s *Server) comments(r *http.Request, _ []byte) reply {
	t, refusal, ok := s.ticket(r)
	if !ok {
		return refusal
	}
	most, err := strconv.Atoi(r.URL.Query().Get("maxResults"))
	if err != nil || most <= 0 {
		most = 100
	}
	raw := slices.Clone(t.raw)
	if r.URL.Query().Get("orderBy") == "-created" {
		slices.Reverse(raw)
	}
	list := []map[string]any{}
	for i, body := range raw[:min(len(raw), most)] {
		list = append(list, map[string]any{"id": strconv.Itoa(10000 + i), "body": body})
	}
	return reply{http.StatusOK, map[string]any{"startAt": 0, "maxResults": most, "total": len(t.raw), "comments": list}}
}

func (s *Server) comment(r *http.Request, body []byte) reply {
	t, refusal, ok := s.ticket(r)
	if !ok {
		return refusal
	}
	var q struct {
		Body json.RawMessage `json:"body"`
	}
	if err := strict(body, &q); err != nil {
		return wrong(http.StatusBadRequest, "", "Invalid request payload: %v", err)
	}
	text, err := s.text(q.Body)
	if err != nil || strings.TrimSpace(text) == "" {
		return wrong(http.StatusBadRequest, "comment", "Comment body is not valid: %v", err)
	}
	t.Comments, t.raw = append(t.Comments, text), append(t.raw, q.Body)
	return reply{http.StatusCreated, map[string]any{"id": strconv.Itoa(9999 + len(t.raw))}}
}

func (s *Server) transition(r *http.Request, body []byte) reply {
	t, refusal, ok := s.ticket(r)
	if !ok {
		return refusal
	}
	var q struct {
		Transition struct {
			ID string `json:"id"`
		} `json:"transition"`
	}
	if err := strict(body, &q); err != nil {
		return wrong(http.StatusBadRequest, "", "Invalid request payload: %v", err)
	}
	for _, m := range s.o.Moves {
		if m.ID == q.Transition.ID && m.From == t.Status {
			t.Status = m.To
			return reply{status: http.StatusNoContent}
		}
	}
	return wrong(http.StatusBadRequest, "", "It seems that you have tried to perform a workflow operation that is not valid for the current state of this issue.")
}
