// Package rig runs the real program for those who break it and those who measure
// it: it builds, configures, starts and kills tocsin, and makes what is sent to it.
package rig

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Token is what the https and the sns source want.
const Token = "rig-token-0123456789abcdef"

// Paths of the sources, token included.
const (
	HTTPSPath = "/in/gd/" + Token
	SNSPath   = "/in/topic/" + Token
)

// A Config is the part of tocsin.yml that differs.
type Config struct {
	Store string // empty: --data says it
	// Certificate is the PEM file that SNS messages are signed with.
	Certificate string
	// Sources are further ones, by name, each as YAML: "{firehose: {token: …}}".
	Sources map[string]string
	// Minimum is the lowest level of which findings of [Account] open an alert; empty is
	// any.
	Minimum string
	// Receivers are the URLs of webhooks, by name. All are told of everything.
	Receivers map[string]string
	Timeout   string // of each receiver; empty is the default
}

// Write writes the configuration.
func (c Config) Write(file string) error {
	var b strings.Builder
	if c.Store != "" {
		fmt.Fprintf(&b, "store: %q\n", c.Store)
	}
	b.WriteString("sources:\n  gd: {https: {token: \"${env:TOKEN}\"}}\n")
	if c.Certificate != "" {
		fmt.Fprintf(&b, "  topic: {sns: {topics: [%q], token: \"${env:TOKEN}\", signing_certificates: [%q]}}\n", TopicARN, c.Certificate)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		fmt.Fprintf(&b, "  %s: %s\n", name, c.Sources[name])
	}
	if c.Minimum != "" {
		fmt.Fprintf(&b, "accounts: {%q: {minimum: %s}}\n", Account, c.Minimum)
	}
	b.WriteString("rules: [{use: guardduty}]\nreceivers:\n")
	names := slices.Sorted(maps.Keys(c.Receivers))
	for _, name := range names {
		timeout := ""
		if c.Timeout != "" {
			timeout = "timeout: " + c.Timeout + ", "
		}
		fmt.Fprintf(&b, "  %s: {%swebhook: {url: %q}}\n", name, timeout, c.Receivers[name])
	}
	fmt.Fprintf(&b, "fallback: [%s]\nstorm: 1000000 # as many messages as alerts: that is what is measured\n", strings.Join(names, ", "))
	return os.WriteFile(file, []byte(b.String()), 0o600)
}
