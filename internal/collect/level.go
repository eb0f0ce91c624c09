package collect

import (
	"strings"

	"github.com/tocsin-sec/tocsin"
)

// levels are what senders call severities, besides tocsin's own words: those of
// PagerDuty (critical, error, warning, info), of syslog (RFC 5424, table 2), and
// what Prometheus rules and ticket systems have.
var levels = map[string]tocsin.Level{
	"emergency": tocsin.Critical, "emerg": tocsin.Critical, "alert": tocsin.Critical, "crit": tocsin.Critical, "fatal": tocsin.Critical,
	"page": tocsin.Critical, "disaster": tocsin.Critical, "p1": tocsin.Critical, "sev1": tocsin.Critical, "sev-1": tocsin.Critical,
	"error": tocsin.High, "err": tocsin.High, "major": tocsin.High, "severe": tocsin.High, "p2": tocsin.High, "sev2": tocsin.High, "sev-2": tocsin.High,
	"warning": tocsin.Medium, "warn": tocsin.Medium, "moderate": tocsin.Medium, "average": tocsin.Medium, "p3": tocsin.Medium, "sev3": tocsin.Medium, "sev-3": tocsin.Medium,
	"minor": tocsin.Low, "notice": tocsin.Low, "p4": tocsin.Low, "sev4": tocsin.Low, "sev-4": tocsin.Low,
	"information": tocsin.Informational, "debug": tocsin.Informational, "none": tocsin.Informational, "p5": tocsin.Informational, "sev5": tocsin.Informational, "sev-5": tocsin.Informational,
}

// Level is what a sender's word for a severity means, in any case; ok is false for
// a word that says nothing here.
func Level(word string) (l tocsin.Level, ok bool) {
	word = strings.ToLower(strings.TrimSpace(word))
	if l, ok = levels[word]; ok {
		return l, true
	}
	l, err := tocsin.ParseLevel(word)
	return l, err == nil && l != tocsin.Unknown
}
