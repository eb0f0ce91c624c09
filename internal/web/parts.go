package web

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
)

// A pager leads through a long list. From and To count from 1; Total is 0 where
// nobody counted.
type pager struct {
	From, To, Total int64
	// Previous and Next are addresses, or empty at the ends.
	Previous, Next string
	// Newest and Older say that the list is in the order of time.
	Timeline bool
}

// Shown reports whether there is more than one page.
func (p pager) Shown() bool { return p.Previous != "" || p.Next != "" }

// A param is one field of a page's query. What is as usual is not written.
type param struct{ name, value, usual string }

// address is the path with those of its query's fields that are not as usual.
func address(path string, params ...param) string {
	v := url.Values{}
	for _, p := range params {
		if p.value != p.usual {
			v.Set(p.name, p.value)
		}
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// levelOptions are the least levels to show, worst first.
func levelOptions(chosen tocsin.Level) []option {
	os := []option{{Value: "", Label: "Any level", Chosen: chosen == 0}}
	for l := tocsin.Critical; l >= tocsin.Informational; l-- {
		label := title(l.String())
		if l < tocsin.Critical {
			label += " and above"
		}
		os = append(os, option{Value: l.String(), Label: label, Chosen: chosen == l})
	}
	return os
}

// choose marks the option of the value.
func choose(os []option, value string) []option {
	os = slices.Clone(os)
	for i := range os {
		os[i].Chosen = os[i].Value == value
	}
	return os
}

// set is 1 if there is something in s.
func set(s string) int {
	if s == "" {
		return 0
	}
	return 1
}

// sortedAccounts are the configured accounts by name, then id.
func sortedAccounts(accounts map[string]tocsin.Account) []tocsin.Account {
	return slices.SortedFunc(maps.Values(accounts), func(a, b tocsin.Account) int {
		return strings.Compare(strings.ToLower(a.Label()), strings.ToLower(b.Label()))
	})
}

// safeLink is s if it is a link that a page may show, or empty: findings are
// untrusted, and only the web's own schemes are harmless to follow.
func safeLink(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	return u.String()
}
