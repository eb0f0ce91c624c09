// Package disclosure keeps what is nobody else's business from leaving: it takes
// the fields that a route or a receiver hides out of a message, and their values
// out of every text of it.
//
// A field's value is looked for wherever the alert speaks: in its title, its facts,
// its command, its links, what changed. So a hidden address is not in the headline
// either. The event itself, which says everything, goes to nobody from whom
// anything is hidden.
package disclosure

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Mark stands where something was taken out.
const Mark = "(hidden)"

// A Field is something that can be hidden.
type Field struct {
	Name, Doc string
	// take empties it and gives what it was.
	take func(a *tocsin.Alert, account *tocsin.Account) []string
	// facts are the names of the facts that tell nothing else.
	facts []string
}

// A Group is several fields under one name.
type Group struct {
	Name, Doc string
	Fields    []string
}

// Fields are all that can be hidden, in the order in which the reference has them.
func Fields() []Field { return slices.Clone(fields) }

// Groups are names for several fields.
func Groups() []Group { return slices.Clone(groups) }

var fields = []Field{
	{Name: "account", Doc: "The account's id.", take: func(a *tocsin.Alert, account *tocsin.Account) []string {
		return []string{empty(&a.Account), empty(&a.ReportedBy), empty(&account.ID)}
	}},
	{Name: "account.name", Doc: "What the configuration calls the account.", take: func(_ *tocsin.Alert, account *tocsin.Account) []string {
		return []string{empty(&account.Name)}
	}},
	{Name: "account.tags", Doc: "The account's own tags and where it is in the organisation.", take: func(_ *tocsin.Alert, account *tocsin.Account) []string {
		gone := append(slices.Collect(maps.Values(account.Tags)), empty(&account.OU))
		account.Tags = nil
		return gone
	}},
	{Name: "finding_id", Doc: "The finding's id.", take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		gone := append(a.Linked, empty(&a.Detection.ID))
		a.Linked = nil
		return gone
	}},
	{Name: "resource.id", Doc: "Which resource of ours it is.", facts: []string{"Ours"}, take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		return []string{empty(&a.Resource.ID)}
	}},
	{Name: "resource.name", Doc: "The resource's name.", facts: []string{"Ours"}, take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		return []string{empty(&a.Resource.Name)}
	}},
	{Name: "resource.tags", Doc: "The values of the resource's tags.", take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		gone := slices.Collect(maps.Values(a.Resource.Tags))
		a.Resource.Tags = nil
		return gone
	}},
	{Name: "actor.ip", Doc: "The address from which it was done.", take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		return []string{empty(&a.Actor.IP)}
	}},
	{Name: "actor.country", Doc: "The country from which it was done.", take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		return []string{empty(&a.Actor.Country)}
	}},
	{Name: "actor.org", Doc: "The network from which it was done.", take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		return named(org, empty(&a.Actor.Org))
	}},
	{Name: "actor.domain", Doc: "The domain that was asked for.", take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		domain := empty(&a.Actor.Domain)
		return []string{domain, strings.ReplaceAll(domain, "[.]", ".")} // it may stand alive elsewhere
	}},
	{Name: "actor.principal", Doc: "Who did it: a user, a role's session, a database user.", facts: []string{"By", "Agent"}, take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		return named(principal, empty(&a.Actor.Principal))
	}},
	{Name: "title", Doc: "Title and headline; the finding's type is told instead.", take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		gone := []string{a.Title, a.Headline, empty(&a.OwnTitle)}
		if a.Terms != nil {
			t := *a.Terms
			gone = append(gone, empty(&t.Title))
			a.Terms = &t
		}
		a.Title, a.Headline = a.Type, a.Type
		return slices.DeleteFunc(gone, func(s string) bool { return s == a.Type })
	}},
	{Name: "description", Doc: "The finding's description.", take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		return []string{empty(&a.Description)}
	}},
	{Name: "facts", Doc: "The facts: what, ours, by, from and the others.", take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		a.Facts = nil
		return nil // their values are those of other fields, or of none
	}},
	{Name: "command", Doc: "The first command to run.", take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		return []string{empty(&a.Command)}
	}},
	{Name: "links", Doc: "Links to the AWS console and to AWS's page of the type.", take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		return []string{empty(&a.Console), empty(&a.Documentation)}
	}},
	{Name: "changes", Doc: "What changed since the last message.", take: func(a *tocsin.Alert, _ *tocsin.Account) []string {
		a.Unsaid = nil
		return nil
	}},
}

var groups = []Group{
	{"actor", "All of actor.ip, actor.country, actor.org, actor.domain and actor.principal, and the facts By, From and Agent.", []string{"actor.ip", "actor.country", "actor.org", "actor.domain", "actor.principal"}},
	{"resource", "All of resource.id, resource.name and resource.tags, and the fact Ours.", []string{"resource.id", "resource.name", "resource.tags"}},
	{"details", "Everything but level, type, account, region, times and counts: for a place that is to know that something is there, and to look here for what it is.", []string{
		"finding_id", "resource.id", "resource.name", "resource.tags", "actor.ip", "actor.country", "actor.org", "actor.domain", "actor.principal",
		"title", "description", "facts", "command", "links", "changes",
	}},
}

func empty(s *string) string {
	was := *s
	*s = ""
	return was
}

// What is said of a network and of a principal names them within it: "AS64500 Example
// Hosting", "role deploy, session i-0abc, key …B2D3", "database user app".
var (
	org       = lazyregexp.New(`^(AS\d+)\s+(.+)$`)
	principal = lazyregexp.New(`(?:^|, )(?:(?:federated |database )?user|role|AWS service|AWS account principal|principal|session|(?:access )?key) ([^,]+)`)
)

// named is the value and the names in it, which stand alone elsewhere.
func named(form *lazyregexp.Regexp, value string) []string {
	all := []string{value}
	for _, found := range form.FindAllStringSubmatch(value, -1) {
		all = append(all, found[1:]...)
	}
	return all
}

// Check says what is wrong with the name of a field or a group.
func Check(name string) error {
	if _, ok := expand(name); !ok {
		return fmt.Errorf("%q is no field that can be hidden; want one of %s", name, strings.Join(Names(), ", "))
	}
	return nil
}

// Names are all fields and groups.
func Names() []string {
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
	}
	for _, g := range groups {
		names = append(names, g.Name)
	}
	return names
}

func expand(name string) ([]string, bool) {
	if i := slices.IndexFunc(groups, func(g Group) bool { return g.Name == name }); i >= 0 {
		return groups[i].Fields, true
	}
	ok := slices.ContainsFunc(fields, func(f Field) bool { return f.Name == name })
	return []string{name}, ok
}

// hides are the fields that names stand for, and the facts that go with them.
func hides(names []string) (hidden []Field, facts []string) {
	for _, name := range names {
		if name == "actor" {
			facts = append(facts, "From")
		}
		of, _ := expand(name)
		for _, f := range fields {
			if slices.Contains(of, f.Name) && !slices.ContainsFunc(hidden, func(h Field) bool { return h.Name == f.Name }) {
				hidden = append(hidden, f)
				facts = append(facts, f.facts...)
			}
		}
	}
	return hidden, facts
}

// Of is what is hidden of an alert from a receiver: what its routes hide from it
// and what the receiver never gets to see.
func Of(a tocsin.Alert, receiver string, always []string) []string {
	hide, named := a.Hidden[receiver]
	if !named {
		hide = a.Hidden[""]
	}
	if len(hide) == 0 {
		return always
	}
	return slices.Concat(always, hide)
}

// Everything is all that is hidden of an alert from anybody.
func Everything(a tocsin.Alert) []string {
	var all []string
	for _, names := range a.Hidden {
		all = append(all, names...)
	}
	return all
}

// Message is the message as it may go to its receiver, from which always is hidden
// besides what the alerts' routes hide. The message given stays as it is.
func Message(m notify.Message, always []string) notify.Message {
	var values []string
	hidden := false
	if hide := Of(m.Alert, m.Receiver, always); len(hide) > 0 && m.Alert.ID != 0 {
		hidden = true
		values = append(values, changed(m.Changes, hide)...)
		m.Alert, m.Account, values = without(m.Alert, m.Account, hide, values)
		m.Event = nil
		if slices.ContainsFunc(hide, func(name string) bool { return name == "changes" || name == "details" }) {
			m.Changes = nil
		}
	}
	digest := m.Digest
	m.Digest = nil
	for _, item := range digest {
		if hide := Of(item.Alert, m.Receiver, always); len(hide) > 0 {
			hidden = true
			item.Alert, item.Account, values = without(item.Alert, item.Account, hide, values)
		}
		m.Digest = append(m.Digest, item)
	}
	if !hidden {
		return m
	}
	c := newCensor(values)
	m.Alert, m.Account, m.Changes = of(c, m.Alert), of(c, m.Account), of(c, m.Changes)
	m.Text, m.Why = c.text(m.Text), c.text(m.Why)
	for i := range m.Digest {
		m.Digest[i].Alert, m.Digest[i].Account = of(c, m.Digest[i].Alert), of(c, m.Digest[i].Account)
	}
	return m
}

// Alert is the alert and its account as somebody may see them from whom hide is
// hidden.
func Alert(a tocsin.Alert, account tocsin.Account, hide []string) (tocsin.Alert, tocsin.Account) {
	if len(hide) == 0 {
		return a, account
	}
	a, account, values := without(a, account, hide, nil)
	c := newCensor(values)
	return of(c, a), of(c, account)
}

// without takes the fields out, and adds what they were to values.
func without(a tocsin.Alert, account tocsin.Account, hide, values []string) (tocsin.Alert, tocsin.Account, []string) {
	fields, facts := hides(hide)
	values = append(values, changed(a.Unsaid, hide)...)
	for _, f := range fields {
		values = append(values, f.take(&a, &account)...)
	}
	if len(facts) > 0 {
		a.Facts = slices.DeleteFunc(slices.Clone(a.Facts), func(f tocsin.Fact) bool { return slices.Contains(facts, f.Name) })
	}
	a.Hidden = nil
	return a, account, values
}

// changes are what [tocsin.Change] calls fields.
var changes = map[string]string{"remote IP": "actor.ip", "domain": "actor.domain", "principal": "actor.principal", "resource": "resource.id"}

// changed are the values that hidden fields had before or have now.
func changed(list []tocsin.Change, hide []string) (values []string) {
	fields, _ := hides(hide)
	for _, c := range list {
		if slices.ContainsFunc(fields, func(f Field) bool { return f.Name == changes[c.What] }) {
			values = append(values, c.From, c.To)
		}
	}
	return values
}

// A censor takes values out of texts, longest first, as they are and as they stand in
// commands and links.
type censor struct{ values []string }

func newCensor(values []string) censor {
	var all []string
	for _, v := range values {
		v = strings.TrimSpace(v)
		query := url.QueryEscape(v)
		all = append(all, v, notify.Defang(notify.Clean(v)), strings.ReplaceAll(v, "'", `'\''`), query, strings.ReplaceAll(query, "+", "%20"), url.PathEscape(v))
	}
	// An empty value would be everywhere.
	all = slices.DeleteFunc(all, func(v string) bool { return strings.TrimSpace(v) == "" })
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return censor{slices.Compact(all)}
}

// whole is below how many bytes a value is taken out only where it is a word of
// its own: "US" is not in "USER".
const whole = 8

// text is s without the values.
func (c censor) text(s string) string {
	for _, v := range c.values {
		s = cut(s, v)
		s = cutShort(s, v)
	}
	return s
}

// shortest is how many characters of a value make a shortened one known for it.
const shortest = 6

// cutShort takes out what is left of a value that was shortened to fit: its beginning
// before a …, and its end behind it.
func cutShort(s, value string) string {
	if len(value) < 2*shortest {
		return s
	}
	const dots = "…"
	for from := 0; ; {
		i := strings.Index(s[from:], dots)
		if i < 0 {
			return s
		}
		i += from
		head, tail := 0, 0
		for n := min(len(value), i); n >= shortest && head == 0; n-- {
			if equalASCII(s[i-n:i], value[:n]) {
				head = n
			}
		}
		after := s[i+len(dots):]
		for n := min(len(value), len(after)); n > 0 && tail == 0; n-- {
			if equalASCII(after[:n], value[len(value)-n:]) {
				tail = n
			}
		}
		if head == 0 {
			from = i + len(dots)
			continue
		}
		s = s[:i-head] + Mark + after[tail:]
		from = i - head + len(Mark)
	}
}

func cut(s, value string) string {
	var out strings.Builder
	rest := s
	for {
		i := indexFold(rest, value)
		if i < 0 {
			break
		}
		end := i + len(value)
		if len(value) < whole && !alone(rest, i, end) {
			_, width := utf8.DecodeRuneInString(rest[i:])
			out.WriteString(rest[:i+width])
			rest = rest[i+width:]
			continue
		}
		out.WriteString(rest[:i] + Mark)
		rest = rest[end:]
	}
	if out.Len() == 0 {
		return s
	}
	return out.String() + rest
}

// indexFold is where value is in s, in any case of its ASCII letters.
func indexFold(s, value string) int {
	for i := 0; i+len(value) <= len(s); i++ {
		if equalASCII(s[i:i+len(value)], value) {
			return i
		}
	}
	return -1
}

func equalASCII(a, b string) bool {
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// alone reports whether s[i:end] is no part of a longer word.
func alone(s string, i, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[end:])
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	return !word(before) && !word(after)
}

// of is a copy of v in which every text is without the values.
func of[T any](c censor, v T) T {
	return c.value(reflect.ValueOf(v)).Interface().(T)
}

func (c censor) value(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		if t := v.Type(); t != reflect.TypeFor[string]() && t != reflect.TypeFor[tocsin.Key]() {
			return v // a word of ours
		}
		clean := reflect.New(v.Type()).Elem()
		clean.SetString(c.text(v.String()))
		return clean
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		copied := reflect.New(v.Type().Elem())
		copied.Elem().Set(c.value(v.Elem()))
		return copied
	case reflect.Slice:
		if v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 {
			return v
		}
		copied := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			copied.Index(i).Set(c.value(v.Index(i)))
		}
		return copied
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		copied := reflect.MakeMapWithSize(v.Type(), v.Len())
		for key, value := range v.Seq2() {
			copied.SetMapIndex(c.value(key), c.value(value))
		}
		return copied
	case reflect.Struct:
		copied := reflect.New(v.Type()).Elem()
		copied.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				copied.Field(i).Set(c.value(v.Field(i)))
			}
		}
		return copied
	default:
		return v
	}
}
