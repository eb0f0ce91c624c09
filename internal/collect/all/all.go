// Package all lists the ways in.
package all

import (
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/alertmanager"
	"github.com/tocsin-sec/tocsin/internal/collect/file"
	"github.com/tocsin-sec/tocsin/internal/collect/heartbeat"
	"github.com/tocsin-sec/tocsin/internal/collect/https"
	"github.com/tocsin-sec/tocsin/internal/collect/pagerduty"
	"github.com/tocsin-sec/tocsin/internal/collect/shadow"
	"github.com/tocsin-sec/tocsin/internal/collect/sns"
)

// Kinds are all ways in, in the order in which the reference describes them.
func Kinds() []collect.Kind {
	return []collect.Kind{sns.Kind, https.Kind, alertmanager.Kind, pagerduty.Kind, heartbeat.Kind, file.Kind, shadow.Kind}
}
