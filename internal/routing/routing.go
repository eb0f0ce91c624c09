// Package routing judges whose an alert is: which receivers are told of it, and
// by which route.
//
// Routes are tried in order; the first that matches decides, unless it says
// continue. An alert that no route takes goes to the receivers of its account,
// and where the account names none, to the fallback, which must be there.
package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/pattern"
)

// A Route takes the alerts whose [Document] its pattern matches.
type Route struct {
	Name      string // how messages call it; "route 2" if empty
	Pattern   *pattern.Pattern
	Receivers []string
	Continue  bool // go on to the next routes
}

// A Target is a receiver to be told, and by which route it came to that.
type Target struct {
	Receiver string
	Why      string
	Fallback bool // nobody else was to be told
}

// Routes judge alerts. They are immutable and safe for many goroutines.
type Routes struct {
	routes   []Route
	fallback []string
	accounts map[string]tocsin.Account
	set      *pattern.Set[int]
}

// New makes routes of an ordered list and the receivers of last resort.
func New(routes []Route, fallback []string, accounts map[string]tocsin.Account) (*Routes, error) {
	if len(fallback) == 0 {
		return nil, errors.New("no fallback: name a receiver that is told of alerts that no route takes")
	}
	rs := &Routes{routes: slices.Clone(routes), fallback: fallback, accounts: accounts, set: pattern.NewSet[int]()}
	for i := range rs.routes {
		r := &rs.routes[i]
		if r.Name == "" {
			r.Name = fmt.Sprintf("route %d", i+1)
		}
		if r.Pattern != nil {
			rs.set.Add(i, r.Pattern)
		}
	}
	return rs, nil
}

// Route says who is to be told of the alert: each receiver once, never nobody.
func (rs *Routes) Route(a tocsin.Alert) []Target {
	var targets []Target
	add := func(receivers []string, why string, fallback bool) {
		for _, r := range receivers {
			if !slices.ContainsFunc(targets, func(t Target) bool { return t.Receiver == r }) {
				targets = append(targets, Target{Receiver: r, Why: why, Fallback: fallback})
			}
		}
	}
	for _, i := range rs.matching(a) {
		add(rs.routes[i].Receivers, rs.routes[i].Name, false)
		if !rs.routes[i].Continue {
			return targets
		}
	}
	if len(targets) > 0 {
		return targets
	}
	if account := rs.accounts[a.Account]; len(account.Receivers) > 0 {
		add(account.Receivers, "account "+account.Label(), false)
		return targets
	}
	add(rs.fallback, "fallback", true)
	return targets
}

// matching are the indices of the routes that match, in order. A route without a
// pattern matches everything.
func (rs *Routes) matching(a tocsin.Alert) []int {
	if len(rs.routes) == 0 {
		return nil
	}
	var room [16]int
	// A Document is always a JSON object. Could it not be matched all the same, no
	// route would match, and the fallback would be told.
	hits, _ := rs.set.Match(Document(a, rs.accounts[a.Account]), room[:0])
	for i, r := range rs.routes {
		if r.Pattern == nil {
			hits = append(hits, i)
		}
	}
	slices.Sort(hits)
	return hits
}

// Document is the alert as routes see it, a flat JSON object:
//
//	type title level severity account account_name environment team region
//	partition resource{type id name tags} actor{ip country org domain principal}
//	sample rule count status paths
//
// level and status are words, severity and count numbers, sample a boolean and
// paths an array of "kind:source".
func Document(a tocsin.Alert, account tocsin.Account) []byte {
	doc, err := json.Marshal(document{
		Type: a.Type, Title: a.Title, Level: a.Level, Severity: a.Severity,
		Account: a.Account, AccountName: account.Name, Environment: account.Environment, Team: account.Team,
		Region: a.Region, Partition: a.Partition, Resource: a.Resource, Actor: a.Actor,
		Sample: a.Sample, Rule: a.Rule, Count: a.Occurrences, Status: a.Status, Paths: a.Paths,
	})
	if err != nil {
		return []byte("{}") // cannot be: the document holds nothing that JSON has no form for
	}
	return doc
}

type document struct {
	Type        string          `json:"type"`
	Title       string          `json:"title"`
	Level       tocsin.Level    `json:"level"`
	Severity    float64         `json:"severity"`
	Account     string          `json:"account"`
	AccountName string          `json:"account_name,omitempty"`
	Environment string          `json:"environment,omitempty"`
	Team        string          `json:"team,omitempty"`
	Region      string          `json:"region"`
	Partition   string          `json:"partition,omitempty"`
	Resource    tocsin.Resource `json:"resource"`
	Actor       tocsin.Actor    `json:"actor"`
	Sample      bool            `json:"sample"`
	Rule        string          `json:"rule"`
	Count       int64           `json:"count"`
	Status      tocsin.Status   `json:"status"`
	Paths       []string        `json:"paths,omitempty"`
}
