// Package wording helps to put what AWS says into words: the envelope of an event,
// ARNs, times, facts, commands that are safe to paste and links to the console.
//
// Everything it is given is untrusted. What it gives is one line each, without
// control characters, with the links of others defanged.
package wording

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/plain"
)

// Limits of what is kept of texts, in characters.
const (
	MaxName        = 300
	MaxTitle       = 300
	MaxDescription = 2000
	MaxFact        = 300
	MaxFacts       = 12
	MaxHeadline    = 80
	// GoodName is how much of a name goes into a headline.
	GoodName = 30
)

// An Event is what EventBridge puts around what a service says
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html).
type Event struct {
	ID, DetailType, Source string
	Account, Region        string
	Time                   time.Time // zero if there is none
	Resources              []string
	Detail                 gjson.Result // an object
}

// Read reads the envelope; ok is false for what is no JSON, or no event whose
// detail is an object.
func Read(raw []byte) (ev Event, ok bool) {
	if !json.Valid(raw) {
		return ev, false
	}
	gjson.ParseBytes(raw).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "id":
			ev.ID = Line(v)
		case "detail-type":
			ev.DetailType = Line(v)
		case "source":
			ev.Source = Line(v)
		case "account":
			ev.Account = Line(v)
		case "region":
			ev.Region = Line(v)
		case "time":
			ev.Time = Time(v)
		case "resources":
			ev.Resources = Texts(v, 20)
		case "detail":
			ev.Detail = v
		}
		return true
	})
	return ev, ev.DetailType != "" && ev.Source != "" && ev.Detail.IsObject()
}

// Line is a text or a number as one line, and nothing of what is neither.
func Line(v gjson.Result) string {
	switch v.Type {
	case gjson.String:
		return plain.Line(v.Str, MaxName)
	case gjson.Number, gjson.True, gjson.False:
		return plain.Line(v.Raw, MaxName)
	}
	return ""
}

// Texts are the texts of an array, or of what should have been one, at most limit.
func Texts(v gjson.Result, limit int) (all []string) {
	each(v, func(e gjson.Result) bool {
		if s := Line(e); s != "" {
			all = append(all, s)
		}
		return len(all) < limit
	})
	return all
}

// Each calls do with the elements of an array, or with v itself if it is an object,
// as long as do says so.
func Each(v gjson.Result, do func(gjson.Result) bool) { each(v, do) }

func each(v gjson.Result, do func(gjson.Result) bool) {
	if v.IsArray() {
		v.ForEach(func(_, e gjson.Result) bool { return do(e) })
		return
	}
	if v.Exists() && v.Type != gjson.Null {
		do(v)
	}
}

// Get is the member of v of that name, whatever its case: CloudTrail writes the
// names of parameters in the one of the service.
func Get(v gjson.Result, name string) (found gjson.Result) {
	if !v.IsObject() {
		return found
	}
	v.ForEach(func(k, m gjson.Result) bool {
		if k.Str == name {
			found = m
			return false
		}
		if !found.Exists() && strings.EqualFold(k.Str, name) {
			found = m
		}
		return true
	})
	return found
}

// At goes down by [Get].
func At(v gjson.Result, names ...string) gjson.Result {
	for _, n := range names {
		v = Get(v, n)
	}
	return v
}

// Truth is a boolean, or a text that reads as one.
func Truth(v gjson.Result) (yes, known bool) {
	switch strings.ToLower(Line(v)) {
	case "true", "yes", "1":
		return true, true
	case "false", "no", "0":
		return false, true
	}
	return false, false
}

// Number is a number, or a text that reads as one; 0 for everything else.
func Number(v gjson.Result) float64 {
	f, err := strconv.ParseFloat(Line(v), 64)
	if err != nil || f != f || f > 1e18 || f < -1e18 {
		return 0
	}
	return f
}

// Account is an account's 12 digits; a sender that keeps it as a number loses the
// leading zeros.
func Account(v gjson.Result) string {
	s := Line(v)
	if v.Type == gjson.Number && len(s) < 12 && strings.Trim(s, digits) == "" {
		s = strings.Repeat("0", 12-len(s)) + s
	}
	return s
}

const digits = "0123456789"

// IsAccount reports whether s is the number of an account.
func IsAccount(s string) bool { return len(s) == 12 && strings.Trim(s, digits) == "" }

// layouts are how AWS's services write times besides ISO 8601: Health as RFC 1123
// has it, with one digit for a day where one is enough, and Inspector as people in
// America do.
var layouts = [...]string{
	time.RFC1123, "Mon, 2 Jan 2006 15:04:05 MST", time.RFC1123Z, "Jan 2, 2006, 3:04:05 PM", "Jan 2, 2006 3:04:05 PM", "2006-01-02T15:04:05.999999999",
}

// Time reads a time however AWS writes it, in UTC and to the millisecond; zero if
// it is none.
func Time(v gjson.Result) time.Time {
	if v.Type != gjson.String && v.Type != gjson.Number {
		return time.Time{}
	}
	s := v.Str
	if v.Type == gjson.Number {
		s = v.Raw
	}
	return Instant(s)
}

// Instant is [Time] of a text.
func Instant(s string) time.Time {
	if len(s) > 60 {
		return time.Time{}
	}
	if t, ok := plain.Instant(s); ok {
		return sane(t)
	}
	s = strings.Join(strings.Fields(s), " ") // Java puts a narrow space before AM and PM
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return sane(t)
		}
	}
	return time.Time{}
}

// sane is t if a database can keep it.
func sane(t time.Time) time.Time {
	if t.Year() < 1971 || t.Year() > 9999 {
		return time.Time{}
	}
	return tocsin.Millis(t)
}

// Level is the level of AWS's word for it: "HIGH", "Moderate", "INFORMATIONAL".
func Level(word string) tocsin.Level {
	if strings.EqualFold(word, "moderate") {
		return tocsin.Medium
	}
	level, err := tocsin.ParseLevel(word)
	if err != nil {
		return tocsin.Unknown
	}
	return level
}

// First is the first of the texts that is not empty.
func First(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// Join puts the texts that are not empty together.
func Join(sep string, texts ...string) string {
	var kept []string
	for _, s := range texts {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return strings.Join(kept, sep)
}

// maxTags is how many tags AWS lets a resource have.
const maxTags = 50

// Tags are those of a resource, by name: an object of them, or a list of objects with
// name and value. They are nil where there are none.
func Tags(v gjson.Result) (tags map[string]string) {
	list := v.IsArray()
	v.ForEach(func(key, value gjson.Result) bool {
		name, text := Line(key), Line(value)
		if list {
			name, text = member(value, "name", "key", "Key"), member(value, "value", "Value")
		}
		if name != "" {
			if tags == nil {
				tags = map[string]string{}
			}
			tags[name] = text
		}
		return len(tags) < maxTags
	})
	return tags
}

// member is the first of an object's members that says something.
func member(v gjson.Result, names ...string) string {
	for _, name := range names {
		if text := Line(v.Get(name)); text != "" {
			return text
		}
	}
	return ""
}

// After is prefix and s, or nothing where there is no s.
func After(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// Paren is " (s)", or nothing.
func Paren(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// Some lists at most limit of the texts, each once, and says how many more there
// are.
func Some(limit int, texts []string) string {
	switch len(texts) {
	case 0:
		return ""
	case 1:
		return texts[0]
	}
	var kept []string
	seen := make(map[string]bool, len(texts))
	for _, s := range texts {
		if s != "" && !seen[s] {
			seen[s] = true
			kept = append(kept, s)
		}
	}
	if more := len(kept) - limit; more > 0 {
		return strings.Join(kept[:limit], ", ") + " and " + strconv.Itoa(more) + " more"
	}
	return strings.Join(kept, ", ")
}

// Plural is "1 account" or "3 accounts".
func Plural[Number int | int64](n Number, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(int64(n), 10) + " " + noun + "s"
}

// Short is a name that fits into a headline; both ends are kept, which tell names
// apart.
func Short(name string) string { return Middle(name, GoodName) }

// Middle shortens s to limit characters and keeps both ends.
func Middle(s string, limit int) string {
	r := []rune(s)
	if len(r) <= limit {
		return s
	}
	head := (limit - 1) * 2 / 3
	return string(r[:head]) + "…" + string(r[len(r)-(limit-1-head):])
}

// Headline is s as a headline.
func Headline(s string) string { return Prose(s, MaxHeadline) }

// Title is s as a title.
func Title(s string) string { return Prose(s, MaxTitle) }

// Description is s as a description.
func Description(s string) string { return Prose(s, MaxDescription) }

// Prose is [plain.Prose], of texts that may have been cut and put together since:
// neither "www.evil.examplehttps://" nor "evil…https://" leaves a link that works.
func Prose(s string, limit int) string {
	s = plain.Prose(s, limit)
	if !strings.Contains(s, "://") && !strings.Contains(strings.ToLower(s), "www.") {
		return s
	}
	b := []byte(s)
	for i := range b {
		for _, scheme := range [...]string{"http://", "https://"} {
			if rest := b[i:]; len(rest) >= len(scheme) && strings.EqualFold(string(rest[:len(scheme)]), scheme) {
				copy(rest, "hxxp")
			}
		}
	}
	words := strings.Split(string(b), " ")
	for i, w := range words {
		lower := strings.ToLower(w)
		if at := strings.Index(lower, "www."); at >= 0 && len(lower) == len(w) {
			words[i] = w[:at] + strings.ReplaceAll(strings.ReplaceAll(w[at:], "[.]", "."), ".", "[.]")
		}
	}
	return plain.Cut(strings.Join(words, " "), limit)
}

// Sentence makes words of a code in capitals or a name in camel case:
// "INSTANCE_STORE_DRIVE" is "instance store drive".
func Sentence(code string) string {
	words := strings.FieldsFunc(code, func(r rune) bool { return r == '_' || r == '-' || r == ' ' })
	for i, w := range words {
		if _, ok := abbreviations[strings.ToUpper(w)]; ok {
			words[i] = strings.ToUpper(w)
			continue
		}
		words[i] = strings.ToLower(w)
	}
	return strings.Join(words, " ")
}

// abbreviations stay in capitals.
var abbreviations = map[string]struct{}{
	"EC2": {}, "EBS": {}, "S3": {}, "RDS": {}, "EKS": {}, "ECS": {}, "IAM": {}, "DNS": {}, "DOS": {}, "VPN": {}, "VPC": {}, "API": {}, "SSL": {}, "TLS": {},
	"ACM": {}, "DMCA": {}, "SES": {}, "SNS": {}, "SQS": {}, "IP": {}, "KMS": {}, "ELB": {}, "AWS": {}, "PII": {},
}

// Facts are what a message says, most important first.
type Facts []tocsin.Fact

// Add keeps a fact that says something, as long as there is room.
func (f *Facts) Add(name, value string) {
	if len(*f) >= MaxFacts {
		return
	}
	name, value = Prose(name, 40), Prose(value, MaxFact)
	if name != "" && value != "" {
		*f = append(*f, tocsin.Fact{Name: name, Value: value})
	}
}
