package pagerduty

import (
	"cmp"
	"errors"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/plain"
)

// Limits of what is kept of an event's texts, in characters.
const (
	maxName     = 300
	maxHeadline = 80
	maxFact     = 300
	maxFacts    = 12
	maxTags     = 50
)

// dialect reads events as they are kept. component, group, class and what is plain
// in custom_details are tags of the resource, so that routes can ask for them:
// {resource: {tags: {component: [mysql]}}}.
type dialect struct{}

// Read reads one event.
func (dialect) Read(source string, raw []byte, _ func() (tocsin.Detection, bool)) (collect.Reading, error) {
	if err := collect.Valid(raw); err != nil {
		return collect.Reading{}, err
	}
	root := membersOf(gjson.ParseBytes(raw))
	r := collect.Reading{Detection: detection(root, root["payload"])}
	action, key := root["event_action"].Str, root["dedup_key"].Str
	r.Steps = []tocsin.Fact{{Name: "event_action", Value: cmp.Or(plain.Line(action, maxName), "none")}, {Name: "dedup_key", Value: cmp.Or(plain.Line(key, maxName), "none")}}
	if action == "" {
		r.End, r.Reason = tocsin.Ignored, "a change event: it is recorded, and opens nothing"
		return r, nil
	}
	if key == "" {
		return r, errors.New("dedup_key: missing")
	}
	d := &r.Detection
	d.Key, d.ID = tocsin.KeyOf("pagerduty", source, key), plain.Line(key, maxName)
	if action != "trigger" {
		d.Level = tocsin.Unknown // PagerDuty looks at the payload of triggers alone
	}
	switch action {
	case "trigger":
	case "acknowledge":
		d.Intent = tocsin.IntentAcknowledge
	case "resolve":
		d.End(tocsin.ReasonRecovered)
	default:
		return r, errors.New("event_action: none of trigger, acknowledge and resolve")
	}
	return r, nil
}

func detection(root map[string]gjson.Result, payload gjson.Result) tocsin.Detection {
	summary := payload.Get("summary").Str
	d := tocsin.Detection{
		Dialect: "pagerduty", Level: tocsin.Medium,
		Type:     cmp.Or(plain.Line(payload.Get("class").Str, maxName), "PagerDuty event"),
		Title:    plain.Prose(summary, maxName),
		Headline: plain.Prose(summary, maxHeadline),
		Resource: tocsin.Resource{ID: plain.Line(payload.Get("source").Str, maxName), Tags: tags(payload)},
	}
	if level, ok := collect.Level(payload.Get("severity").Str); ok {
		d.Level = level
	}
	if at, ok := plain.Instant(payload.Get("timestamp").String()); ok {
		d.FirstSeen, d.LastSeen = at, at
	}
	d.Facts = facts(root, payload)
	return d
}

// tags are what routes can ask for.
func tags(payload gjson.Result) map[string]string {
	all := map[string]string{}
	add := func(name string, v gjson.Result) {
		if name = plain.Line(name, maxName); name != "" && len(all) < maxTags && !v.IsObject() && !v.IsArray() && v.String() != "" {
			all[name] = plain.Line(v.String(), maxName)
		}
	}
	for _, name := range []string{"component", "group", "class"} {
		add(name, payload.Get(name))
	}
	payload.Get("custom_details").ForEach(func(k, v gjson.Result) bool {
		if _, taken := all[k.Str]; !taken {
			add(k.Str, v)
		}
		return true
	})
	return all
}

// facts are what a person is shown besides: where it is from, the links that came
// with it, and the details in the order in which they were sent.
func facts(root map[string]gjson.Result, payload gjson.Result) []tocsin.Fact {
	var all []tocsin.Fact
	add := func(name, value string) {
		if value = strings.TrimSpace(value); value != "" && name != "" && len(all) < maxFacts {
			all = append(all, tocsin.Fact{Name: plain.Line(name, maxName), Value: value})
		}
	}
	for _, f := range []struct{ name, member string }{{"Component", "component"}, {"Group", "group"}, {"Class", "class"}} {
		add(f.name, plain.Prose(payload.Get(f.member).Str, maxFact))
	}
	add("Sent by", plain.Prose(root["client"].Str, maxFact))
	add("Link", plain.Link(root["client_url"].Str))
	root["links"].ForEach(func(_, l gjson.Result) bool {
		add(cmp.Or(plain.Line(l.Get("text").Str, 80), "Link"), plain.Link(l.Get("href").Str))
		return true
	})
	details := payload.Get("custom_details")
	if !details.IsObject() {
		add("Details", plain.Prose(details.String(), maxFact))
		return all
	}
	details.ForEach(func(k, v gjson.Result) bool {
		add(k.Str, plain.Prose(v.String(), maxFact))
		return true
	})
	return all
}
