package alertmanager

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/plain"
)

// Limits of what is kept of an alert's texts, in characters.
const (
	maxName        = 300
	maxHeadline    = 80
	maxDescription = 2000
	maxFact        = 300
	maxFacts       = 12
	maxTags        = 50
)

// dialect reads alerts as they are kept. Labels are tags of the resource, so that
// routes can ask for them: {resource: {tags: {team: [payments]}}}.
type dialect struct{}

// Read reads one alert. That it is told again and again is no news: versions are
// ordered by startsAt, or endsAt once it is over. One that was over and is told of
// again some time later goes on all the same, by whatever startsAt: it was over only
// because nobody was heard of for a while.
func (dialect) Read(source string, raw []byte, _ func() (tocsin.Detection, bool)) (collect.Reading, error) {
	if err := collect.Valid(raw); err != nil {
		return collect.Reading{}, err
	}
	a, _, err := parse(raw)
	if err != nil {
		return collect.Reading{}, err
	}
	id := fingerprint(a.labels)
	d := detection(a)
	d.Key, d.ID = tocsin.KeyOf("alertmanager", source, id), id
	status := "firing"
	if a.resolved {
		status = "resolved"
		d.End(tocsin.ReasonRecovered)
	}
	return collect.Reading{Detection: d, Steps: []tocsin.Fact{
		{Name: "status", Value: status},
		{Name: "fingerprint", Value: id},
		{Name: "severity", Value: cmp.Or(plain.Line(severity(a.labels), maxName), "no label") + ": " + d.Level.String()},
	}}, nil
}

// severity is the label that says how bad it is.
func severity(labels map[string]string) string {
	return cmp.Or(labels["severity"], labels["level"], labels["priority"])
}

func detection(a alert) tocsin.Detection {
	name := a.labels["alertname"]
	title := cmp.Or(a.annotations["summary"], a.annotations["title"], a.annotations["message"])
	what := concerned(a.labels)
	if title == "" {
		title = strings.TrimSpace(cmp.Or(name, "alert") + " " + what)
	}
	d := tocsin.Detection{
		Dialect: "alertmanager", Level: tocsin.Medium,
		Type:        cmp.Or(plain.Line(name, maxName), "Prometheus alert"),
		Title:       plain.Prose(title, maxName),
		Headline:    plain.Prose(title, maxHeadline),
		Description: plain.Prose(cmp.Or(a.annotations["description"], a.annotations["message"]), maxDescription),
		Region:      plain.Line(a.labels["region"], maxName),
		Resource:    tocsin.Resource{ID: plain.Line(what, maxName), Tags: tags(a.labels)},
		Facts:       facts(a),
		FirstSeen:   tocsin.Millis(a.starts), LastSeen: tocsin.Millis(a.starts),
		Stands: !a.resolved,
	}
	if !a.starts.IsZero() {
		d.Count, d.UpdatedAt = 1, tocsin.Millis(a.starts)
	}
	if a.resolved && !a.ends.IsZero() {
		d.LastSeen, d.UpdatedAt = tocsin.Millis(a.ends), tocsin.Millis(a.ends)
	}
	if level, ok := collect.Level(severity(a.labels)); ok {
		d.Level = level
	}
	for _, label := range []string{"account_id", "aws_account_id", "account"} {
		if id := a.labels[label]; d.Account == "" && len(id) == 12 && strings.Trim(id, "0123456789") == "" {
			d.Account = id
		}
	}
	return d
}

// concerned is what the labels say is concerned.
func concerned(labels map[string]string) string {
	for _, name := range []string{"instance", "pod", "host", "hostname", "node", "service", "job"} {
		if labels[name] != "" {
			return labels[name]
		}
	}
	return ""
}

func tags(labels map[string]string) map[string]string {
	all := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if len(all) < maxTags {
			all[plain.Line(name, maxName)] = plain.Line(labels[name], maxName)
		}
	}
	return all
}

// facts are what a person is shown besides: links first, then the other annotations,
// then the labels.
func facts(a alert) []tocsin.Fact {
	var all []tocsin.Fact
	add := func(name, value string) {
		if value != "" && len(all) < maxFacts {
			all = append(all, tocsin.Fact{Name: plain.Line(name, maxName), Value: value})
		}
	}
	links := func(of map[string]string) {
		for _, name := range slices.Sorted(maps.Keys(of)) {
			if isLink(name) {
				add(name, plain.Link(of[name]))
			}
		}
	}
	links(a.annotations)
	add("Source", plain.Link(a.generator))
	for _, name := range slices.Sorted(maps.Keys(a.annotations)) {
		if !isLink(name) && !slices.Contains([]string{"summary", "title", "description", "message"}, name) {
			add(name, plain.Prose(a.annotations[name], maxFact))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.labels)) {
		if name != "alertname" {
			add(name, plain.Prose(a.labels[name], maxFact))
		}
	}
	return all
}

// isLink tells annotations that are there to be followed: runbook_url, dashboard.
func isLink(name string) bool {
	return strings.HasSuffix(name, "url") || strings.HasSuffix(name, "URL") || name == "runbook" || name == "dashboard"
}
