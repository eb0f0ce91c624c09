// Package rules judges whether an event is worth attention: the rules in their
// order, each an EventBridge event pattern, and what is known of each account.
// The first rule that matches decides.
package rules

import (
	"fmt"
	"slices"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/pattern"
)

// A Rule says which events it is for and what to do with them.
type Rule struct {
	Name    string
	Pattern *pattern.Pattern
	// Drop, if not empty, is why its events are recorded as filtered and no more.
	Drop string
	// Alert says what the alert is to be where the event does not.
	Alert Alert
	// Actions are what runs when it opens an alert, in order.
	Actions []Action
}

// An Action is something that is done because of an alert: a receiver that acts.
type Action struct {
	Run string // the receiver's name
	// Approve has it wait until a person approves it.
	Approve bool
}

// Alert is what a rule says of the alerts that it opens; empty fields leave it
// to the event.
type Alert struct {
	Level tocsin.Level
	// Title is what the alert is called.
	Title string
	// Key are paths into the event ("$.detail.userIdentity.accountId") whose values
	// make the alert's key, together with the rule's name.
	Key []string
}

// Rules judge events. They are immutable and safe for many goroutines.
type Rules struct {
	rules    []Rule
	accounts map[string]tocsin.Account
	set      *pattern.Set[int]
}

// New makes rules of an ordered list. Names must be there and be unique.
func New(rules []Rule, accounts map[string]tocsin.Account) (*Rules, error) {
	rs := &Rules{rules: rules, accounts: accounts, set: pattern.NewSet[int]()}
	names := map[string]bool{}
	for i, r := range rules {
		if r.Name == "" {
			return nil, fmt.Errorf("rule %d has no name", i+1)
		}
		if names[r.Name] {
			return nil, fmt.Errorf("rule %q is there twice", r.Name)
		}
		names[r.Name] = true
		rs.set.Add(i, r.Pattern)
	}
	return rs, nil
}

// First is the first rule in order that matches the event; ok is false if none
// does. An error says that the event is not a JSON object, or cannot be matched.
func (rs *Rules) First(event []byte) (r Rule, ok bool, err error) {
	var room [16]int
	matches, err := rs.set.Match(event, room[:0])
	if err != nil || len(matches) == 0 {
		return Rule{}, false, err
	}
	return rs.rules[matches[0]], true, nil // in the order in which they were added
}

// Wanted says whether a detection reaches its account's minimum, and if not, why.
// One whose level nobody knows is wanted: it may be the worst there is.
func (rs *Rules) Wanted(d tocsin.Detection) (reason string, ok bool) {
	a, known := rs.accounts[d.Account]
	if !known || d.Level == tocsin.Unknown || d.Level >= a.Minimum {
		return "", true
	}
	return fmt.Sprintf("%s is below the minimum of account %s (%s)", d.Level, a.Label(), a.Minimum), false
}

// Actions are what runs when the rule of that name opens an alert.
func (rs *Rules) Actions(rule string) []Action {
	i := slices.IndexFunc(rs.rules, func(r Rule) bool { return len(r.Actions) > 0 && r.Name == rule })
	if i < 0 {
		return nil
	}
	return rs.rules[i].Actions
}

// Names are the rules' names in order.
func (rs *Rules) Names() []string {
	names := make([]string, len(rs.rules))
	for i, r := range rs.rules {
		names[i] = r.Name
	}
	return names
}

// Apply gives the detection what the rule says of its alerts.
func (a Alert) Apply(d tocsin.Detection) tocsin.Detection {
	if a.Level != tocsin.Unknown {
		d.Level = a.Level
	}
	if a.Title != "" {
		d.Title, d.Headline = a.Title, a.Title
	}
	return d
}
