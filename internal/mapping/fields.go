package mapping

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

// Map says where an event has what an alert says. What is not mapped is as tocsin
// knows the event by its looks, if it does.
type Map struct {
	Key        Field `json:"key" doc:"What makes two events one alert, by itself. Left out, it is source_name and source_id."`
	Source     Field `json:"source" doc:"The system that sends. It is part of what makes two events one alert; left out, it is the name of this source."`
	SourceName Field `json:"source_name" doc:"What of the sender's it is about: a check, a monitor, a host."`
	SourceID   Field `json:"source_id" doc:"The sender's own id of it."`
	Status     Field `json:"status" doc:"What the sender says of its state, for open, update, acknowledge and close."`
	Severity   Field `json:"severity" doc:"How bad it is: a level, a word such as warning, error or P1, or a number from 1 to 10 as GuardDuty's. Left out, it is medium."`
	Type       Field `json:"type" doc:"What kind of thing it is. Left out, it is source_name."`
	Subject    Field `json:"subject" doc:"What happened, in a few words: the alert's title."`
	Content    Field `json:"content" doc:"What happened, in more words."`
	URL        Field `json:"url" doc:"Where to read more: an http or https address."`
	Entity     Field `json:"entity" doc:"What of yours is concerned."`
	Account    Field `json:"account" doc:"The AWS account, 12 digits."`
	Region     Field `json:"region" doc:"The AWS region."`
	Topic      Field `json:"topic" doc:"What it is about, as the sender groups its alerts."`
	Assignee   Field `json:"assignee" doc:"Who has it at the sender's."`
	Tags       Field `json:"tags" doc:"Tags of the resource: an object, or \"name=value\" or \"name:value\" in a list or with commas between them."`
	OccurredAt Field `json:"occurred_at" doc:"When it happened: RFC 3339, or seconds or milliseconds since 1970."`
	UpdatedAt  Field `json:"updated_at" doc:"When the sender last changed it. An event that is older than what the alert knows is recorded and changes nothing."`
}

// A named is a field with its name.
type named struct {
	name  string
	field Field
}

// fields are those that are mapped, in the order of the reference.
func (m Map) fields() []named {
	all := []named{
		{"key", m.Key},
		{"source", m.Source},
		{"source_name", m.SourceName},
		{"source_id", m.SourceID},
		{"status", m.Status},
		{"severity", m.Severity},
		{"type", m.Type},
		{"subject", m.Subject},
		{"content", m.Content},
		{"url", m.URL},
		{"entity", m.Entity},
		{"account", m.Account},
		{"region", m.Region},
		{"topic", m.Topic},
		{"assignee", m.Assignee},
		{"tags", m.Tags},
		{"occurred_at", m.OccurredAt},
		{"updated_at", m.UpdatedAt},
	}
	return slices.DeleteFunc(all, func(n named) bool { return n.field.IsZero() })
}

// over is m with what other says in its place.
func (m Map) over(other Map) Map {
	for _, f := range []struct{ into, from *Field }{
		{&m.Key, &other.Key},
		{&m.Source, &other.Source},
		{&m.SourceName, &other.SourceName},
		{&m.SourceID, &other.SourceID},
		{&m.Status, &other.Status},
		{&m.Severity, &other.Severity},
		{&m.Type, &other.Type},
		{&m.Subject, &other.Subject},
		{&m.Content, &other.Content},
		{&m.URL, &other.URL},
		{&m.Entity, &other.Entity},
		{&m.Account, &other.Account},
		{&m.Region, &other.Region},
		{&m.Topic, &other.Topic},
		{&m.Assignee, &other.Assignee},
		{&m.Tags, &other.Tags},
		{&m.OccurredAt, &other.OccurredAt},
		{&m.UpdatedAt, &other.UpdatedAt},
	} {
		if !f.from.IsZero() {
			*f.into = *f.from
		}
	}
	return m
}

// mapped are the fields of one event.
type mapped struct{ values map[string]string }

// value is a field's value; ok is false if it is missing.
func (m mapped) value(name string) (string, bool) {
	v, ok := m.values[name]
	return v, ok
}

// text is a field's value with what surrounds it taken off, or empty.
func (m mapped) text(name string) string { return strings.TrimSpace(m.values[name]) }

// maxTags is how many tags are kept, which is how many a resource of AWS has.
const maxTags = 50

// tagsOf reads tags, written as an object, or as names with their values.
func tagsOf(text string) map[string]string {
	tags := map[string]string{}
	add := func(name, value string) {
		if name = strings.TrimSpace(name); name != "" && len(tags) < maxTags {
			tags[name] = strings.TrimSpace(value)
		}
	}
	words := strings.Split(text, ",")
	var v gjson.Result
	if c := first([]byte(text)); (c == '{' || c == '[') && collect.Valid([]byte(text)) == nil {
		v = gjson.Parse(text)
	}
	if v.IsObject() {
		members := map[string]string{}
		v.ForEach(func(k, inner gjson.Result) bool {
			if s, ok := textOf(inner); ok {
				members[k.Str] = s
			}
			return true
		})
		for _, name := range slices.Sorted(maps.Keys(members)) {
			add(name, members[name])
		}
		return tags
	}
	if v.IsArray() {
		words = words[:0]
		v.ForEach(func(_, inner gjson.Result) bool {
			if s, ok := textOf(inner); ok {
				words = append(words, s)
			}
			return true
		})
	}
	for _, w := range words {
		name, value := w, ""
		if i := strings.IndexAny(w, "=:"); i > 0 {
			name, value = w[:i], w[i+1:]
		}
		add(name, value)
	}
	return tags
}

// maxShown is how much of a value a trace shows, in characters.
const maxShown = 120

// quote is a value for a trace.
func quote(s string) string {
	n := 0
	for i := range s {
		if n++; n > maxShown {
			return strconv.Quote(s[:i] + "…")
		}
	}
	return strconv.Quote(s)
}
