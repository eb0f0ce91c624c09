package api_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/https"
	"github.com/tocsin-sec/tocsin/internal/collect/sns"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/console"
	"github.com/tocsin-sec/tocsin/internal/notify/webhook"
	"github.com/tocsin-sec/tocsin/internal/setup"
	"github.com/tocsin-sec/tocsin/internal/store"
)

const written = `
public_url: https://tocsin.example.com
sources: {events: {https: {token: 0123456789abcdef}}}
rules: [{use: guardduty}]
teams: {soc: {receivers: terminal}}
fallback: terminal
receivers: {terminal: {console: {}}}
`

// setUp sets up on files of its own. A source that it adds can be reached; a
// receiver called broken takes nothing.
func setUp(t *testing.T, s *store.Store, explain func(ctx context.Context, source string, raw []byte) (engine.Explanation, error)) *setup.Setup {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tocsin.yml")
	check(t, os.WriteFile(file, []byte(written), 0o600))
	kinds := config.Kinds{Collectors: []collect.Kind{sns.Kind, https.Kind}, Notifiers: []notify.Kind{console.Kind, webhook.Kind}}
	now := func() time.Time { return night.Add(time.Hour) }
	keys := setup.NewKeys(s, now)
	var c *config.Config
	o := setup.Options{
		File: file, Kinds: kinds, Store: s, Keys: keys, Now: now, Config: func() *config.Config { return c }, Explain: explain,
		Tell: func(_ context.Context, receiver string, _ notify.Message) error {
			if receiver == "broken" {
				return errors.New("connection refused")
			}
			return nil
		},
		Live: func() map[string]setup.Live {
			live := map[string]setup.Live{}
			for _, source := range c.Sources {
				ring := keys.Of(source.Name)
				token := func() string {
					secret, err := ring.Token()
					check(t, err)
					return secret.Reveal()
				}
				live[source.Name] = setup.Live{
					Status: func(context.Context) collect.Status {
						return collect.Status{State: "ok", Lines: []tocsin.Fact{{Name: "a", Value: "b"}}}
					},
					Describe: func(bool) []tocsin.Fact { return []tocsin.Fact{{Name: "Endpoint", Value: "x"}} },
					Token:    token, Made: source.Name != "events",
					URL: func(reveal bool) string {
						if !reveal {
							return "https://tocsin.example.com/in/" + source.Name + "/***"
						}
						return "https://tocsin.example.com/in/" + source.Name + "/" + token()
					},
				}
			}
			return live
		},
	}
	var made *setup.Setup
	o.Reload = func() (err error) {
		if c, err = config.Load(file, kinds); err != nil {
			return err
		}
		for _, source := range c.Sources { // as those that are opened do
			if _, err := keys.Of(source.Name).Token(); err != nil {
				return err
			}
		}
		return made.Adopt(context.Background(), c)
	}
	made = setup.New(o)
	check(t, o.Reload())
	return made
}

func TestASourceIsSetUpOverTheAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var all api.Sources
	ask(t, h, "GET", "/api/sources", "", 200, &all)
	if len(all.Sources) < 1 || all.Sources[0].Name != "events" || all.Sources[0].Managed || !strings.Contains(all.Sources[0].Why, "by hand") {
		t.Errorf("at first there are %+v", all.Sources)
	}
	var s api.SourceDetails
	ask(t, h, "PUT", "/api/sources/org", `{"by": "ana", "kind": "guardduty-sns", "new": true, "values": {"topics": "arn:aws:sns:*:111122223333:guardduty", "team": "soc"}}`, 200, &s)
	if s.Kind != "sns" || s.Values["sns.topics"] != "arn:aws:sns:*:111122223333:guardduty" || len(s.Tokens) != 1 || s.History[0].By != "ana" {
		t.Errorf("it is %+v", s)
	}
	ask(t, h, "PUT", "/api/sources/org", `{"by": "ana", "kind": "sns", "values": {"sns.topics": "arn:aws:sns:*:111122223333:guardduty"}}`, 200, &s)
	if s.Values["team"] != "" {
		t.Errorf("what is left out is still there: %v", s.Values)
	}
	ask(t, h, "POST", "/api/sources/org/rotate", `{"by": "ana", "keep_seconds": 3600}`, 200, &s)
	if len(s.Tokens) != 2 || s.Tokens[1].Until != night.Add(2*time.Hour) {
		t.Errorf("after a rotation its tokens are %+v", s.Tokens)
	}
	ask(t, h, "POST", "/api/sources/org/retire", `{"by": "ana"}`, 200, &s)
	var access api.Access
	ask(t, h, "POST", "/api/sources/org/url", "", 200, &access)
	if access.URL != access.Endpoint+"/"+access.Token || len(access.Token) < 43 {
		t.Errorf("it is opened by %+v", access)
	}
	var text api.Pasting
	ask(t, h, "POST", "/api/sources/org/connect", `{"format": "cloudformation", "regions": ["all"], "tags": {"owner": "soc"}}`, 200, &text)
	if !strings.Contains(text.Commands, access.Token) || len(text.Files) != 2 {
		t.Errorf("to be pasted is %+v", text)
	}
	var x engine.Explanation
	ask(t, h, "POST", "/api/sources/org/test", `{}`, 200, &x)
	if len(x.Steps) == 0 {
		t.Errorf("a test says %+v", x)
	}
	ask(t, h, "POST", "/api/sources/org/disable", `{"by": "ana"}`, 200, &s)
	if !s.Disabled || s.State != "disabled" {
		t.Errorf("disabled it is %+v", s)
	}
	ask(t, h, "POST", "/api/sources/org/enable", `{"by": "ana"}`, 200, &s)
	ask(t, h, "POST", "/api/sources/org/delete", `{"by": "ana"}`, 200, &s)
	if !s.Deleted {
		t.Errorf("deleted it is %+v", s)
	}
	ask(t, h, "GET", "/api/sources/org", "", 200, &s)
	if !s.Deleted || len(s.History) == 0 {
		t.Errorf("a deleted source has its history: %+v", s)
	}
	ask(t, h, "GET", "/api/sources/never", "", 404, nil)
}

func TestAReceiverIsSetUpOverTheAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var r api.ReceiverDetails
	ask(t, h, "PUT", "/api/receivers/broken", `{"by": "ana", "kind": "webhook", "values": {"url": "https://hooks.example.com/s3cret"}}`, 200, &r)
	if !strings.HasPrefix(r.Values["webhook.url"], "${file:") {
		t.Errorf("it is %+v", r)
	}
	var all api.Receivers
	ask(t, h, "GET", "/api/receivers", "", 200, &all)
	if len(all.Receivers) != 2 {
		t.Errorf("there are %+v", all.Receivers)
	}
	ask(t, h, "POST", "/api/receivers/terminal/test", `{"by": "ana"}`, 200, nil)
	var refusal api.Refusal
	ask(t, h, "POST", "/api/receivers/broken/test", `{"by": "ana"}`, 422, &refusal)
	if !strings.Contains(refusal.Error, "connection refused") {
		t.Errorf("a test that fails says %+v", refusal)
	}
	ask(t, h, "GET", "/api/receivers/broken", "", 200, &r)
	if r.History[0].Did != "tested" {
		t.Errorf("its history is %+v", r.History)
	}
	ask(t, h, "POST", "/api/receivers/broken/disable", `{"by": "ana"}`, 200, nil)
	ask(t, h, "POST", "/api/receivers/broken/enable", `{"by": "ana"}`, 200, nil)
	ask(t, h, "POST", "/api/receivers/broken/delete", `{"by": "ana"}`, 200, nil)
	ask(t, h, "POST", "/api/receivers/terminal/delete", `{"by": "ana"}`, 422, &refusal)
	if !strings.Contains(refusal.Error, "by hand") {
		t.Errorf("deleting what is written by hand says %+v", refusal)
	}
}

func TestTheCatalogueHasTheFields(t *testing.T) {
	t.Parallel()
	var all api.Catalogue
	ask(t, newHouse(t), "GET", "/api/catalogue", "", 200, &all)
	for _, c := range all.Sources {
		if c.Name != "guardduty-sns" {
			continue
		}
		if c.Fields[0].Key != "sns.topics" || c.Fields[0].Type != "list" {
			t.Errorf("its first field is %+v", c.Fields[0])
		}
		return
	}
	t.Errorf("no guardduty-sns in %+v", all.Sources)
}

func TestWhatIsWrongWithASettingIsToldAtIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var refusal api.Refusal
	for body, want := range map[string]api.Problem{
		`{"by": "ana", "kind": "sns", "values": {"topics": "x"}}`:   {In: "body", Field: "values.sns.topics"},
		`{"by": "ana", "kind": "https", "values": {"team": "sco"}}`: {In: "body", Field: "values.team"},
		`{"by": "ana", "kind": "pigeon"}`:                           {In: "body", Field: "kind"},
		`{"by": "ana", "kind": "https", "values": {"team": 1}}`:     {In: "body", Field: "values.team"},
		`{"by": "ana", "kind": "https", "values": []}`:              {In: "body", Field: "values"},
	} {
		ask(t, h, "PUT", "/api/sources/x", body, http.StatusBadRequest, &refusal)
		if len(refusal.Problems) != 1 || refusal.Problems[0].Field != want.Field || refusal.Problems[0].In != want.In {
			t.Errorf("%s: %+v, want %+v", body, refusal, want)
		}
	}
	ask(t, h, "POST", "/api/sources/events/connect", `{"stack_name": "1"}`, http.StatusBadRequest, &refusal)
	if refusal.Problems[0].Field != "stack_name" {
		t.Errorf("a bad name of a stack: %+v", refusal)
	}
	ask(t, h, "POST", "/api/sources/events/rotate", `{"by": "ana"}`, http.StatusUnprocessableEntity, &refusal)
}
