// Package library holds the rules that come with tocsin: each a YAML file with a
// pattern, what it is good for, and events that it matches and does not match.
// A configuration takes one by its name, as "use: guardduty".
package library

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names are the names of all rules, sorted.
func Names() []string {
	entries, _ := files.ReadDir(".") // an embedded folder can be read
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	slices.Sort(names)
	return names
}

// Rule is the text of the rule's file.
func Rule(name string) ([]byte, error) {
	text, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("no shipped rule %q", name)
	}
	return text, nil
}
