package disclosure_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/disclosure"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

// values are what the message says in each field that can be hidden.
func values(m notify.Message) map[string][]string {
	a := m.Alert
	of := map[string][]string{
		"account": {a.Account, m.Account.ID}, "account.name": {m.Account.Name}, "account.tags": {m.Account.OU},
		"finding_id":  append(slices.Clone(a.Linked), a.Detection.ID),
		"resource.id": {a.Resource.ID}, "resource.name": {a.Resource.Name},
		"actor.ip": {a.Actor.IP}, "actor.country": {a.Actor.Country}, "actor.org": {a.Actor.Org}, "actor.domain": {a.Actor.Domain}, "actor.principal": {a.Actor.Principal},
		"title": {a.Title, a.Headline}, "description": {a.Description}, "command": {a.Command}, "links": {a.Console, a.Documentation},
	}
	for _, v := range a.Resource.Tags {
		of["resource.tags"] = append(of["resource.tags"], v)
	}
	for _, v := range m.Account.Tags {
		of["account.tags"] = append(of["account.tags"], v)
	}
	for name := range of {
		of[name] = slices.DeleteFunc(of[name], func(s string) bool { return strings.TrimSpace(s) == "" || name == "title" && s == a.Type })
	}
	return of
}

// shows reports whether text has the value, as a word of its own if it is short.
func shows(text, value string) bool {
	for i := 0; ; {
		j := strings.Index(text[i:], value)
		if j < 0 {
			return false
		}
		from, to := i+j, i+j+len(value)
		word := func(b byte) bool {
			return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
		}
		if len(value) >= 8 || (from == 0 || !word(text[from-1])) && (to == len(text) || !word(text[to])) {
			return true
		}
		i = from + 1
	}
}

// texts are all texts of the message that came from the alert.
func texts(v reflect.Value, into *[]string) {
	switch v.Kind() {
	case reflect.String:
		*into = append(*into, v.String())
	case reflect.Pointer:
		if !v.IsNil() {
			texts(v.Elem(), into)
		}
	case reflect.Slice:
		for i := range v.Len() {
			texts(v.Index(i), into)
		}
	case reflect.Map:
		for k, e := range v.Seq2() {
			texts(k, into)
			texts(e, into)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				texts(v.Field(i), into)
			}
		}
	default:
	}
}

// Whatever is hidden of whichever message, and wherever its value stands besides,
// the value is nowhere in what leaves.
func TestAHiddenValueIsNowhereInTheMessage(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	names := disclosure.Names()
	for _, c := range notifytest.Messages() {
		for range 60 {
			m := c.Message
			said := []notify.Message{m}
			if m.Alert.ID != 0 {
				m = scatter(m, random)
				said = []notify.Message{m}
			}
			for i, item := range m.Digest {
				one := scatter(notify.Message{Alert: item.Alert, Account: item.Account}, random)
				m.Digest = slices.Clone(m.Digest)
				m.Digest[i].Alert, m.Digest[i].Account = one.Alert, one.Account
				said = append(said, one)
			}
			var hide []string
			for range 1 + random.IntN(4) {
				hide = append(hide, names[random.IntN(len(names))])
			}
			out := disclosure.Message(m, hide)
			var all []string
			texts(reflect.ValueOf(struct {
				A tocsin.Alert
				B tocsin.Account
				C []tocsin.Change
				D []notify.Item
				E string
			}{out.Alert, out.Account, out.Changes, items(out.Digest), out.Text}), &all)
			for _, one := range said {
				for field, vs := range values(one) {
					for _, v := range vs {
						if text, ok := shown(all, v); ok && hides(hide, field) {
							t.Fatalf("%s, hiding %v: %s %q is in %q", c.Name, hide, field, v, text)
						}
					}
				}
			}
			if m.Alert.ID != 0 && out.Event != nil {
				t.Fatalf("%s, hiding %v: the event leaves", c.Name, hide)
			}
		}
	}
}

// shown is the first of the texts that has the value.
func shown(texts []string, value string) (text string, ok bool) {
	i := slices.IndexFunc(texts, func(s string) bool { return shows(s, value) })
	if i < 0 {
		return "", false
	}
	return texts[i], true
}

// items are those of a digest without our own links.
func items(digest []notify.Item) []notify.Item {
	digest = slices.Clone(digest)
	for i := range digest {
		digest[i].URL = ""
	}
	return digest
}

func hides(names []string, field string) bool {
	for _, g := range disclosure.Groups() {
		if slices.Contains(names, g.Name) && slices.Contains(g.Fields, field) {
			return true
		}
	}
	return slices.Contains(names, field)
}

// scatter writes values of the alert into other texts of it, as findings do.
func scatter(m notify.Message, random *rand.Rand) notify.Message {
	m.Event = []byte(`{}`)
	m.Alert.Resource.Tags = map[string]string{"owner": "Zoë Example", "stage": "blue"}
	m.Account.Tags = map[string]string{"cost-centre": "CC-4711"}
	m.Alert.Facts = slices.Clone(m.Alert.Facts)
	m.Changes = slices.Clone(m.Changes)
	for _, vs := range values(m) {
		for _, v := range vs {
			text := [...]string{"%s", "seen with %s.", "(%s)", "«%s»:443", "arn:aws:x:%s/y"}[random.IntN(5)]
			text = fmt.Sprintf(text, v)
			switch random.IntN(5) {
			case 0:
				m.Alert.Description += " " + text
			case 1:
				m.Alert.Facts = append(m.Alert.Facts, tocsin.Fact{Name: "What", Value: strings.ToUpper(text[:1]) + text[1:]})
			case 2:
				m.Changes = append(m.Changes, tocsin.Change{What: "note", To: text})
			case 3:
				m.Alert.Key += tocsin.Key("/" + v)
			default:
				m.Text += text
			}
		}
	}
	return m
}

func TestWhatIsLeftStillSaysWhatItIs(t *testing.T) {
	t.Parallel()
	m := notify.Message{Receiver: "chat", Alert: tocsin.Alert{ID: 42, Status: tocsin.StatusOpen, Detection: tocsin.Detection{
		Key: "aws/111122223333/eu-west-1/f1", ID: "f1f1f1f1", Type: "UnauthorizedAccess:IAMUser/ConsoleLogin", Level: tocsin.High, Account: "111122223333", Region: "eu-west-1",
		Title: "ana signed in from 203.0.113.7", Headline: "IAM user ana signed in from 203.0.113.7 (US)",
		Actor: tocsin.Actor{IP: "203.0.113.7", Country: "US", Principal: "ana"},
		Facts: []tocsin.Fact{{Name: "What", Value: "ConsoleLogin by banana-bot; USER from US"}, {Name: "From", Value: "203[.]0.113.7 (US)"}, {Name: "By", Value: "ana, key AKIA…6789"}},
	}}, Account: tocsin.Account{ID: "111122223333", Name: "payments"}}
	for _, tt := range []struct {
		name     string
		hide     []string
		headline string
		facts    []tocsin.Fact
		account  string
	}{
		{
			"nothing", nil, "IAM user ana signed in from 203.0.113.7 (US)",
			[]tocsin.Fact{{Name: "What", Value: "ConsoleLogin by banana-bot; USER from US"}, {Name: "From", Value: "203[.]0.113.7 (US)"}, {Name: "By", Value: "ana, key AKIA…6789"}},
			"payments (111122223333)",
		},
		{
			"an address and a country",
			[]string{"actor.ip", "actor.country"},
			"IAM user ana signed in from (hidden) ((hidden))",
			[]tocsin.Fact{{Name: "What", Value: "ConsoleLogin by banana-bot; USER from (hidden)"}, {Name: "From", Value: "203[.]0.113.7 ((hidden))"}, {Name: "By", Value: "ana, key AKIA…6789"}},
			"payments (111122223333)",
		},
		{
			"the whole actor",
			[]string{"actor"},
			"IAM user (hidden) signed in from (hidden) ((hidden))",
			[]tocsin.Fact{{Name: "What", Value: "ConsoleLogin by banana-bot; USER from (hidden)"}},
			"payments (111122223333)",
		},
		{"details", []string{"details"}, "UnauthorizedAccess:IAMUser/ConsoleLogin", nil, "payments (111122223333)"},
		{"the account", []string{"account", "account.name", "facts"}, "IAM user ana signed in from 203.0.113.7 (US)", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before, _ := json.Marshal(m)
			got := disclosure.Message(m, tt.hide)
			if got.Alert.Headline != tt.headline || got.Account.Label() != tt.account || got.Alert.Level != tocsin.High || got.Alert.ID != 42 {
				t.Errorf("headline %q, account %q, level %s", got.Alert.Headline, got.Account.Label(), got.Alert.Level)
			}
			if diff := cmp.Diff(tt.facts, got.Alert.Facts); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			if after, _ := json.Marshal(m); string(after) != string(before) {
				t.Errorf("the message itself was changed:\n%s\n%s", before, after)
			}
		})
	}
}

func TestHiddenByWhom(t *testing.T) {
	t.Parallel()
	a := tocsin.Alert{Hidden: map[string][]string{"": {"actor", "resource"}, "chat": {"resource"}, "soc": {}}}
	for receiver, want := range map[string][]string{"chat": {"facts", "resource"}, "soc": {"facts"}, "sms": {"facts", "actor", "resource"}} {
		if got := disclosure.Of(a, receiver, []string{"facts"}); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", receiver, got, want)
		}
	}
	if got := disclosure.Of(tocsin.Alert{}, "chat", nil); got != nil {
		t.Errorf("without any: %v", got)
	}
}

func TestAFieldThatThereIsNot(t *testing.T) {
	t.Parallel()
	if err := disclosure.Check("actor.ip"); err != nil {
		t.Error(err)
	}
	if err := disclosure.Check("ip"); err == nil || !strings.Contains(err.Error(), `"ip" is no field that can be hidden; want one of account,`) {
		t.Errorf("error %v", err)
	}
}

// A link has a value in escapes, and a command in quotes of the shell's.
func TestAHiddenValueIsNotInALinkEither(t *testing.T) {
	t.Parallel()
	m := notifytest.Messages()[0].Message
	m.Alert.Resource.ID = "team's alarm/é + 5%"
	m.Alert.Console = "https://console.aws.amazon.com/cloudwatch/home?region=eu-west-1#alarmsV2:alarm/team%27s%20alarm%2F%C3%A9%20%2B%205%25"
	m.Alert.Documentation = "https://docs.example.com/team%27s+alarm%2F%C3%A9+%2B+5%25"
	m.Alert.Command = `aws cloudwatch describe-alarm-history --alarm-name='team'\''s alarm/é + 5%'`
	m.Changes = nil
	got := disclosure.Message(m, []string{"resource.id"}).Alert
	want := []string{
		"https://console.aws.amazon.com/cloudwatch/home?region=eu-west-1#alarmsV2:alarm/(hidden)", "https://docs.example.com/(hidden)",
		"aws cloudwatch describe-alarm-history --alarm-name='(hidden)'",
	}
	if diff := cmp.Diff(want, []string{got.Console, got.Documentation, got.Command}); diff != "" {
		t.Errorf("links and command (-want +got):\n%s", diff)
	}
}

func TestWhatAHiddenValueWasIsHiddenToo(t *testing.T) {
	t.Parallel()
	m := notifytest.Messages()[0].Message
	m.Alert.Actor = tocsin.Actor{IP: "203.0.113.9", Country: "USA", Org: "abcdefgh"}
	m.Alert.Unsaid = []tocsin.Change{{What: "remote IP", From: "198.51.100.1", To: "203.0.113.9"}, {What: "count", From: "1", To: "2"}}
	m.Alert.Linked = []string{"0a1b2c3d"}
	m.Alert.Resource.Tags = map[string]string{"empty": " "}
	m.Alert.Description = "first 198.51.100.1, then 203.0.113.9 of USA and JERUSALEM by xabcdefghx"
	m.Why = "route from 203.0.113.9"
	m.Changes = nil
	got := disclosure.Message(m, []string{"actor", "finding_id", "resource.tags"})
	if want := "first (hidden), then (hidden) of (hidden) and JERUSALEM by x(hidden)x"; got.Alert.Description != want {
		t.Errorf("the description is %q, want %q", got.Alert.Description, want)
	}
	if got.Why != "route from (hidden)" || got.Alert.Linked != nil {
		t.Errorf("why %q, linked %q", got.Why, got.Alert.Linked)
	}
	m.Alert.Resource.Tags = map[string]string{"198.51.100.1": "x"}
	if got := disclosure.Message(m, []string{"actor"}); got.Alert.Resource.Tags["(hidden)"] != "x" {
		t.Errorf("tags %v", got.Alert.Resource.Tags)
	}
	if m.Alert.Linked == nil || m.Alert.Actor.IP == "" {
		t.Error("the message that was given is not as it was")
	}
}

// A tag of blanks is no value: it would be everywhere.
func TestABlankValueHidesNothing(t *testing.T) {
	t.Parallel()
	m := notify.Message{Receiver: "chat", Alert: tocsin.Alert{ID: 1, Detection: tocsin.Detection{Headline: "EC2 i-0abc is mining", Resource: tocsin.Resource{Tags: map[string]string{"a": " ", "b": "\u200b", "c": ""}}}}}
	if got := disclosure.Message(m, []string{"resource.tags"}); got.Alert.Headline != m.Alert.Headline {
		t.Errorf("headline %q", got.Alert.Headline)
	}
}
