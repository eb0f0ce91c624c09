package mapping

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/plain"
)

// Limits of what is kept of an event's texts, in characters, and of a key's parts
// in bytes.
const (
	maxName        = 300
	maxHeadline    = 80
	maxDescription = 2000
	maxFact        = 300
	maxFacts       = 12
	maxIdentity    = 512
)

// enveloped is the finding within an SNS envelope.
func enveloped(doc *Document) (tocsin.Detection, bool) {
	message, ok := member(doc.root, snsEnvelope)
	if !ok {
		return tocsin.Detection{}, false
	}
	f, ok, err := guardduty.Read([]byte(message.String()))
	if !ok || err != nil {
		return tocsin.Detection{}, false
	}
	return f.Detection(), true
}

// rebuilt is the finding of which an input transformer has left some fields, so
// that it is the same alert as the whole finding by another path. It takes the id,
// the account and the region.
func rebuilt(m mapped) (tocsin.Detection, bool) {
	event := map[string]any{
		"source": guardduty.Source, "detail-type": guardduty.DetailType, "account": m.text("account"), "region": m.text("region"),
	}
	detail := map[string]any{
		"id": m.text("source_id"), "accountId": m.text("account"), "region": m.text("region"), "type": m.text("type"),
		"title": m.text("subject"), "description": m.text("content"),
	}
	if n, err := strconv.ParseFloat(m.text("severity"), 64); err == nil && n-n == 0 {
		detail["severity"] = n
	}
	event["detail"] = detail
	text, err := json.Marshal(event)
	if err != nil || m.text("source_id") == "" || m.text("account") == "" || m.text("region") == "" {
		return tocsin.Detection{}, false
	}
	f, ok, err := guardduty.Read(text)
	if !ok || err != nil {
		return tocsin.Detection{}, false
	}
	return f.Detection(), true
}

// lay puts the mapped fields over what is known of the event, and says which of
// them could be read.
func lay(d *tocsin.Detection, m mapped, fields, facts []named, step func(name, value string)) map[string]bool {
	said := map[string]bool{}
	for _, f := range fields {
		if _, ok := m.value(f.name); !ok {
			continue
		}
		if wrong := layOne(d, f.name, m.text(f.name)); wrong != "" {
			step(f.name, wrong)
			continue
		}
		said[f.name] = true
	}
	for _, name := range []string{"source_name", "status", "topic", "assignee", "url"} {
		if said[name] {
			addFact(d, name, m.text(name))
		}
	}
	for _, f := range facts {
		if v, ok := m.value(f.name); ok {
			d.Facts = append(d.Facts, tocsin.Fact{Name: plain.Line(f.name, maxName), Value: plain.Prose(v, maxFact)})
		}
	}
	d.Facts = d.Facts[:min(len(d.Facts), maxFacts)]
	return said
}

// layOne puts one field into its place, or says why not.
func layOne(d *tocsin.Detection, name, value string) (wrong string) {
	switch name {
	case "severity":
		return laySeverity(d, value)
	case "type":
		d.Type = plain.Line(value, maxName)
	case "subject":
		d.Title, d.Headline = plain.Prose(value, maxName), plain.Prose(value, maxHeadline)
	case "content":
		d.Description = plain.Prose(value, maxDescription)
	case "url":
		if plain.Link(value) == "" {
			return "is no http or https address: left out"
		}
	case "entity":
		d.Resource.ID = plain.Line(value, maxName)
	case "account":
		d.Account = plain.Line(value, maxName)
	case "region":
		d.Region = plain.Line(value, maxName)
	case "tags":
		d.Resource.Tags = maps.Clone(d.Resource.Tags)
		if d.Resource.Tags == nil {
			d.Resource.Tags = map[string]string{}
		}
		for k, v := range tagsOf(value) {
			d.Resource.Tags[plain.Line(k, maxName)] = plain.Line(v, maxName)
		}
	case "occurred_at":
		at, ok := plain.Instant(value)
		if !ok {
			return "is no time: left out"
		}
		d.FirstSeen, d.LastSeen = at, at
	case "updated_at":
		at, ok := plain.Instant(value)
		if !ok {
			return "is no time: left out"
		}
		d.UpdatedAt = at
	}
	return ""
}

// laySeverity takes a number for GuardDuty's, and a word for a level.
func laySeverity(d *tocsin.Detection, value string) (wrong string) {
	if level, ok := collect.Level(value); ok {
		d.Level, d.Severity = level, 0
		return ""
	}
	if n, err := strconv.ParseFloat(value, 64); err == nil && n >= 0 && n <= 10 {
		d.Level, d.Severity = guardduty.LevelOf(n), n
		return ""
	}
	return "is neither a level nor a number from 0 to 10: " + d.Level.String()
}

// addFact tells of a field that has no place of its own.
func addFact(d *tocsin.Detection, name, value string) {
	label := map[string]string{"source_name": "From", "status": "Status", "topic": "Topic", "assignee": "Assignee", "url": "Link"}[name]
	text := plain.Prose(value, maxFact)
	if name == "url" {
		text = plain.Link(value) // it is there to be followed
	}
	if text != "" {
		d.Facts = append(d.Facts, tocsin.Fact{Name: label, Value: text})
	}
}

// identify says which alert the event is of: the map's key goes first, then what
// the event is known to be, then the sender's own name and id.
func (r *reader) identify(d *tocsin.Detection, source string, m mapped, known bool) error {
	system := cmp.Or(m.text("source"), source)
	key, id := m.text("key"), m.text("source_id")
	switch {
	case key != "":
		d.Key = tocsin.KeyOf("source", identity(system), identity(key))
		d.ID = plain.Line(key, maxName)
	case known && d.Key != "":
	case id != "":
		d.Key = tocsin.KeyOf("source", identity(system), identity(m.text("source_name")), identity(id))
		d.ID = plain.Line(id, maxName)
	default:
		return errors.New(r.nameless())
	}
	return nil
}

// nameless says that nothing tells which alert an event is of.
func (r *reader) nameless() string {
	for _, f := range r.fields {
		if f.name == "key" || f.name == "source_id" {
			return fmt.Sprintf("map.%s: nothing at %s, so that nothing says which alert it is of", f.name, f.field.places())
		}
	}
	return "neither map.key nor map.source_id says which alert it is of"
}

// identity keeps a part of a key short enough for a database's index without making
// two of them one.
func identity(s string) string {
	if len(s) <= maxIdentity {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// name gives a detection that opens or updates the words that it lacks.
func name(d *tocsin.Detection, source string, m mapped) {
	d.Type = cmp.Or(d.Type, plain.Line(m.text("source_name"), maxName), source)
	if d.Intent == "" && strings.TrimSpace(d.Title) == "" {
		d.Title = plain.Prose(cmp.Or(d.ID, d.Type)+" from "+source, maxName)
		d.Headline = plain.Cut(d.Title, maxHeadline)
	}
}
