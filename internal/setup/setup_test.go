package setup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/https"
	"github.com/tocsin-sec/tocsin/internal/collect/sns"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/connect"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/console"
	"github.com/tocsin-sec/tocsin/internal/notify/webhook"
	"github.com/tocsin-sec/tocsin/internal/setup"
	"github.com/tocsin-sec/tocsin/internal/store"
)

var kinds = config.Kinds{Collectors: []collect.Kind{sns.Kind, https.Kind}, Notifiers: []notify.Kind{console.Kind, webhook.Kind}}

const byHand = `
public_url: https://tocsin.example.com
sources:
  fixed: {https: {token: 0123456789abcdef}}
rules: [{use: guardduty}]
teams: {soc: {receivers: terminal}}
routes: [{name: named, pattern: {level: [critical]}, receivers: [terminal]}]
fallback: terminal
receivers: {terminal: {console: {}}}
`

// A house has a Setup on files and a store of its own. What runs in it are the
// sources of the configuration in force.
type house struct {
	*setup.Setup
	t      *testing.T
	folder string
	store  *store.Store
	keys   *setup.Keys
	config atomic.Pointer[config.Config]
	live   atomic.Pointer[map[string]setup.Live]
	hands  map[string]http.Handler
	log    *bytes.Buffer
	sent   []notify.Message
	fails  error // what the next reload, and what the next message, comes to
	now    time.Time
}

func (h *house) managed() string { return filepath.Join(h.folder, "tocsin.managed.yml") }

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, folder: t.TempDir(), log: &bytes.Buffer{}, now: time.Date(2026, 6, 12, 2, 30, 0, 0, time.UTC)}
	check(t, os.WriteFile(filepath.Join(h.folder, "tocsin.yml"), []byte(byHand), 0o600))
	var err error
	h.store, err = store.Open(t.Context(), "sqlite:"+t.TempDir())
	check(t, err)
	t.Cleanup(func() { _ = h.store.Close() })
	h.keys = setup.NewKeys(h.store, h.time)
	h.Setup = setup.New(setup.Options{
		File: filepath.Join(h.folder, "tocsin.yml"), Kinds: kinds, Store: h.store, Keys: h.keys, Now: h.time,
		Log: slog.New(slog.NewTextHandler(h.log, nil)), Config: h.config.Load, Reload: h.reload,
		Live: func() map[string]setup.Live { return *h.live.Load() },
		Explain: func(_ context.Context, source string, raw []byte) (engine.Explanation, error) {
			return engine.Explanation{Reason: source, Steps: []string{string(raw)}}, nil
		},
		Tell: func(_ context.Context, receiver string, m notify.Message) error {
			m.Receiver = receiver
			h.sent = append(h.sent, m)
			return h.fails
		},
	})
	check(t, h.reload())
	return h
}

func (h *house) time() time.Time { return h.now }

func (h *house) reload() error {
	if h.fails != nil {
		return h.fails
	}
	c, err := config.Load(filepath.Join(h.folder, "tocsin.yml"), kinds)
	if err != nil {
		return err
	}
	live := map[string]setup.Live{}
	h.hands = map[string]http.Handler{}
	for _, s := range c.Sources {
		if s.Disabled {
			continue
		}
		ring := h.keys.Of(s.Name)
		made, err := s.Open(collect.Env{
			Name: s.Name, Log: slog.New(slog.DiscardHandler), Now: h.time, HTTP: http.DefaultClient, Token: ring.Token, Admits: ring.Admits,
			State: memory{}, Handle: func(hand http.Handler) { h.hands[s.Name] = hand }, PublicURL: c.PublicURL + "/in/" + s.Name,
		})
		if err != nil {
			return err
		}
		posted := made.(interface {
			URL(bool) string
			Token() string
			MadeToken() bool
		})
		live[s.Name] = setup.Live{
			Status:   func(context.Context) collect.Status { return collect.Status{State: "ok"} },
			Describe: made.(collect.Describer).Describe, URL: posted.URL, Token: posted.Token, Made: posted.MadeToken(),
		}
	}
	h.live.Store(&live)
	h.config.Store(c)
	return h.Adopt(h.t.Context(), c)
}

type memory struct{}

func (memory) Load(context.Context, string) ([]byte, error) { return nil, nil }
func (memory) Save(context.Context, string, []byte) error   { return nil }
func (memory) First(_ context.Context, _ string, value []byte) ([]byte, error) {
	return value, nil
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) text() string {
	h.t.Helper()
	text, err := os.ReadFile(h.managed())
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	check(h.t, err)
	return string(text)
}

// secrets are the names of the files of secrets, with what is in them.
func (h *house) secrets() map[string]string {
	h.t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(filepath.Join(h.folder, "secrets"))
	if errors.Is(err, os.ErrNotExist) {
		return all
	}
	check(h.t, err)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(h.folder, "secrets", e.Name()))
		check(h.t, err)
		info, err := e.Info()
		check(h.t, err)
		if info.Mode().Perm() != 0o600 {
			h.t.Errorf("%s has the mode %v", e.Name(), info.Mode())
		}
		all[e.Name()] = strings.TrimSpace(string(text))
	}
	return all
}

func (h *house) add(name string) {
	h.t.Helper()
	check(h.t, h.Save(h.t.Context(), setup.Save{
		What: setup.Source, Name: name, Kind: "sns", New: true, By: "ana",
		Values: map[string]string{"sns.topics": "arn:aws:sns:*:111122223333:guardduty", "team": "soc"},
	}))
}

func TestASourceIsAddedShownChangedAndDeleted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.add("org")
	got, err := h.Source(t.Context(), "org")
	check(t, err)
	if !got.Managed || got.Kind != "sns" || got.Title != "Amazon SNS" || got.Values["team"] != "soc" || got.Line != 4 {
		t.Errorf("it is %+v", got.Entry)
	}
	if !strings.HasPrefix(got.URL, "https://tocsin.example.com/in/org/") || !strings.HasSuffix(got.URL, "/***") || len(got.Tokens) != 1 {
		t.Errorf("its URL is %s, with %d tokens", got.URL, len(got.Tokens))
	}

	h.now = h.now.Add(time.Minute)
	check(t, h.Save(t.Context(), setup.Save{
		What: setup.Source, Name: "org", Kind: "sns", By: "bo",
		Values: map[string]string{"sns.topics": "arn:aws:sns:*:111122223333:guardduty", "receivers": "terminal"},
	}))
	want := `# Written by tocsin's pages and commands. It may be changed by hand as well.

sources:
  org:
    sns:
      topics:
        - "arn:aws:sns:*:111122223333:guardduty"
    receivers:
      - terminal
`
	if got := strings.ReplaceAll(h.text(), `- arn:aws:sns:*:111122223333:guardduty`, `- "arn:aws:sns:*:111122223333:guardduty"`); got != want {
		t.Errorf("the file is\n%s", got)
	}

	check(t, h.Delete(t.Context(), setup.Source, "org", "ana"))
	if strings.Contains(h.text(), "org") || !h.Gone("org") || h.Gone("fixed") || h.Gone("never") {
		t.Errorf("deleted, and Gone says %v, %v, %v:\n%s", h.Gone("org"), h.Gone("fixed"), h.Gone("never"), h.text())
	}
	got, err = h.Source(t.Context(), "org")
	check(t, err)
	var did []string
	for _, c := range got.History {
		did = append(did, c.By+" "+c.Did+" "+c.Text)
	}
	if want := []string{"ana deleted sns", "bo changed receivers, team", "ana added sns"}; !got.Deleted || !cmp.Equal(did, want) {
		t.Errorf("deleted is %v, and its history %q, want %q", got.Deleted, did, want)
	}
	if all, err := h.Sources(t.Context()); err != nil || len(all) != 2 || all[1].Name != "org" || !all[1].Deleted {
		t.Errorf("the list is %+v, %v", all, err)
	}
	if !strings.Contains(h.log.String(), "source=org did=deleted by=ana") {
		t.Errorf("the log does not have it:\n%s", h.log)
	}
}

// An address that was given out and taken back does not open a new source of the
// same name.
func TestASourceThatIsAddedAgainHasAnotherToken(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.add("org")
	before, err := h.URL(t.Context(), "org")
	check(t, err)
	check(t, h.Delete(t.Context(), setup.Source, "org", "ana"))
	h.add("org")
	after, err := h.URL(t.Context(), "org")
	check(t, err)
	if h.Gone("org") || before.Token == after.Token || h.keys.Of("org").Admits(before.Token) || !h.keys.Of("org").Admits(after.Token) {
		t.Errorf("the token is as it was: %v, gone: %v", before.Token == after.Token, h.Gone("org"))
	}
}

func TestWhatIsWrongIsSaidAtItsFieldAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.add("org")
	before := h.text()
	for _, tt := range []struct {
		name        string
		in          setup.Save
		field, want string
	}{
		{"a topic that is none", setup.Save{What: setup.Source, Name: "x", Kind: "sns", Values: map[string]string{"sns.topics": "guardduty"}}, "sns.topics", "no ARN of an SNS topic"},
		{"a topic that is missing", setup.Save{What: setup.Source, Name: "x", Kind: "sns"}, "sns.topics", "name the topics"},
		{"a team that nobody has", setup.Save{What: setup.Source, Name: "x", Kind: "https", Values: map[string]string{"team": "sco"}}, "team", `did you mean "soc"?`},
		{"a receiver that there is none of", setup.Save{What: setup.Source, Name: "x", Kind: "https", Values: map[string]string{"receivers": "terminal\nnobody"}}, "receivers", `no receiver "nobody"`},
		{"a setting that there is none of", setup.Save{What: setup.Source, Name: "x", Kind: "https", Values: map[string]string{"https.tokn": "x"}}, "https.tokn", "no such setting"},
		{"a number that is none", setup.Save{What: setup.Source, Name: "x", Kind: "https", Values: map[string]string{"https.max_requests": "many"}}, "https.max_requests", "want integer"},
		{"a name with a blank", setup.Save{What: setup.Source, Name: "o rg", Kind: "https"}, "name", "letters, digits"},
		{"a name that is there", setup.Save{What: setup.Source, Name: "org", Kind: "https", New: true}, "name", "there is a source"},
		{"a name in a hand-written file", setup.Save{What: setup.Source, Name: "fixed", Kind: "https", New: true}, "name", "tocsin.yml:4"},
		{"a kind that there is none of", setup.Save{What: setup.Source, Name: "x", Kind: "carrier-pigeon"}, "kind", "no kind"},
		{"a secret that cannot be", setup.Save{What: setup.Receiver, Name: "x", Kind: "webhook", Values: map[string]string{"webhook.url": "ftp://example.com"}}, "webhook.url", ""},
		{"a time that is none", setup.Save{What: setup.Receiver, Name: "x", Kind: "console", Values: map[string]string{"timeout": "soon"}}, "timeout", "duration"},
	} {
		tt.in.By = "ana"
		err := h.Save(t.Context(), tt.in)
		ps, ok := errors.AsType[setup.Problems](err)
		if !ok || ps[0].Field != tt.field || !strings.Contains(ps[0].Text, tt.want) {
			t.Errorf("%s: Save = %v, want %q about %q", tt.name, err, tt.want, tt.field)
		}
		if checked := h.Check(t.Context(), tt.in); checked == nil || checked.Error() != err.Error() {
			t.Errorf("%s: Check = %v, and Save %v", tt.name, checked, err)
		}
	}
	if err := h.Save(t.Context(), setup.Save{What: setup.Source, Name: "x", Kind: "https"}); err == nil || !strings.Contains(err.Error(), "who you are") {
		t.Errorf("Save by nobody = %v", err)
	}
	if h.text() != before || len(h.secrets()) != 0 {
		t.Errorf("something was written: %v\n%s", h.secrets(), h.text())
	}
}

func TestWhatIsWrittenByHandIsNotTouched(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	save := setup.Save{What: setup.Source, Name: "fixed", Kind: "https", By: "ana"}
	for what, err := range map[string]error{
		"Save":    h.Save(t.Context(), save),
		"Delete":  h.Delete(t.Context(), setup.Source, "fixed", "ana"),
		"Disable": h.Disable(t.Context(), setup.Receiver, "terminal", "ana"),
	} {
		if refused, ok := errors.AsType[*setup.RefusedError](err); !ok || !strings.Contains(refused.Error(), "tocsin.yml:") {
			t.Errorf("%s = %v, want file and line", what, err)
		}
	}
	got, err := h.Source(t.Context(), "fixed")
	if err != nil || got.Managed || !strings.Contains(got.Why, "tocsin.yml:4") || !strings.Contains(got.TokenWhy, "tocsin.yml:4") || got.Values["https.token"] != "***" {
		t.Errorf("it is %+v, %v", got, err)
	}
	if _, err := h.Rotate(t.Context(), "fixed", "ana", 0); err == nil || !strings.Contains(err.Error(), "tocsin.yml:4") {
		t.Errorf("Rotate of a configured token = %v", err)
	}
	for what, err := range map[string]error{
		"Delete":  h.Delete(t.Context(), setup.Source, "never", "ana"),
		"Disable": h.Disable(t.Context(), setup.Receiver, "never", "ana"),
	} {
		if !errors.Is(err, setup.ErrNotFound) {
			t.Errorf("%s of what is not there = %v", what, err)
		}
	}
}

func TestSecretsAreKeptApartAndNotShownAgain(t *testing.T) {
	t.Setenv("HOOK", "https://hooks.example.com/x")
	h := newHouse(t)
	save := func(values map[string]string) {
		t.Helper()
		check(t, h.Save(t.Context(), setup.Save{What: setup.Receiver, Name: "hook", Kind: "webhook", By: "ana", Values: values}))
	}
	save(map[string]string{"webhook.url": "https://hooks.example.com/s3cret", "webhook.secret": "s3cret-key", "webhook.headers": "Authorization: Bearer s3cret-token"})
	first := h.secrets()
	if len(first) != 3 || strings.Contains(h.text(), "s3cret") || strings.Contains(h.log.String(), "s3cret") {
		t.Errorf("secrets are %v, and the file\n%s", first, h.text())
	}
	got, err := h.Receiver(t.Context(), "hook")
	check(t, err)
	raw, err := json.Marshal(got)
	check(t, err)
	if strings.Contains(string(raw), "s3cret") || !strings.HasPrefix(got.Values["webhook.url"], "${file:") {
		t.Errorf("it shows %s", raw)
	}

	// What is left empty stays, what is typed replaces, and - removes.
	save(map[string]string{"webhook.url": "", "webhook.secret": "s3cret-other", "webhook.headers": got.Values["webhook.headers"]})
	if second := h.secrets(); len(second) != 3 || !slices.Contains(values(second), "s3cret-other") || slices.Contains(values(second), "s3cret-key") || !slices.Contains(values(second), "https://hooks.example.com/s3cret") {
		t.Errorf("after a change they are %v", second)
	}
	save(map[string]string{"webhook.secret": "-"})
	if third := h.secrets(); len(third) != 1 {
		t.Errorf("after two were removed they are %v", third)
	}
	check(t, h.Delete(t.Context(), setup.Receiver, "hook", "ana"))
	if last := h.secrets(); len(last) != 0 {
		t.Errorf("after it was deleted they are %v", last)
	}

	// A reference is written as it is.
	save(map[string]string{"webhook.url": "${env:HOOK}"})
	if !strings.Contains(h.text(), "${env:HOOK}") || len(h.secrets()) != 0 {
		t.Errorf("the reference became %v\n%s", h.secrets(), h.text())
	}
}

func values(m map[string]string) (all []string) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

func TestASecretThatStandsInTheManagedFileMovesOutOfIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	check(t, os.WriteFile(h.managed(), []byte("receivers:\n  hook: {webhook: {url: https://hooks.example.com/s3cret}}\n"), 0o600))
	check(t, h.reload())
	got, err := h.Receiver(t.Context(), "hook")
	if err != nil || got.Values["webhook.url"] != "***" {
		t.Errorf("it shows %v, %v", got.Values, err)
	}
	check(t, h.Disable(t.Context(), setup.Receiver, "hook", "ana"))
	if strings.Contains(h.text(), "s3cret") || !slices.Equal(values(h.secrets()), []string{"https://hooks.example.com/s3cret"}) {
		t.Errorf("secrets are %v, and the file\n%s", h.secrets(), h.text())
	}
}

func TestDisabledAndEnabledAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.add("org")
	before := h.text()
	check(t, h.Disable(t.Context(), setup.Source, "org", "ana"))
	got, err := h.Source(t.Context(), "org")
	if err != nil || !got.Disabled || got.Status.State != "disabled" || !strings.Contains(h.text(), "    disabled: true\n") {
		t.Errorf("disabled is %v in state %q, %v:\n%s", got.Disabled, got.Status.State, err, h.text())
	}
	if _, err := h.URL(t.Context(), "org"); err == nil || !strings.Contains(err.Error(), "disabled") {
		t.Errorf("URL of a disabled source = %v", err)
	}
	// Settings that are changed meanwhile leave it disabled.
	check(t, h.Save(t.Context(), setup.Save{What: setup.Source, Name: "org", Kind: "sns", By: "ana", Values: got.Values}))
	if !strings.Contains(h.text(), "disabled: true") {
		t.Errorf("a change enabled it:\n%s", h.text())
	}
	check(t, h.Enable(t.Context(), setup.Source, "org", "ana"))
	if h.text() != before {
		t.Errorf("it is not as before:\n%s", h.text())
	}
}

func TestWhatIsInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	check(t, h.Save(t.Context(), setup.Save{What: setup.Receiver, Name: "hook", Kind: "webhook", By: "ana", Values: map[string]string{"webhook.url": "https://hooks.example.com"}}))
	check(t, h.Save(t.Context(), setup.Save{What: setup.Source, Name: "api", Kind: "https", By: "ana", Values: map[string]string{"receivers": "hook"}}))
	err := h.Delete(t.Context(), setup.Receiver, "hook", "ana")
	if refused, ok := errors.AsType[*setup.RefusedError](err); !ok || !strings.Contains(refused.Error(), "sources.api.receivers") {
		t.Errorf("Delete = %v, want who names it", err)
	}
	check(t, h.Delete(t.Context(), setup.Source, "api", "ana"))
	check(t, h.Delete(t.Context(), setup.Receiver, "hook", "ana"))
}

func TestAHandEditIsNotLost(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.add("org")
	byHand := strings.Replace(h.text(), "  org:", "  # Mine.\n  mine: {https: {}} # ours, too\n  org:", 1)
	check(t, os.WriteFile(h.managed(), []byte(byHand), 0o600))
	check(t, os.Chmod(h.managed(), 0o640))
	h.add("third")
	for _, want := range []string{"  # Mine.\n  mine: {https: {}} # ours, too\n  org:", "  third:\n"} {
		if !strings.Contains(h.text(), want) {
			t.Errorf("the file has no %q:\n%s", want, h.text())
		}
	}
	if info, err := os.Stat(h.managed()); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	// One with a mistake is not written over.
	check(t, os.WriteFile(h.managed(), []byte("sources: {x: {}}\n"), 0o600))
	err := h.Save(t.Context(), setup.Save{What: setup.Source, Name: "x", Kind: "https", By: "ana"})
	if _, ok := errors.AsType[*setup.RefusedError](err); !ok || !strings.Contains(err.Error(), "tocsin.managed.yml:1:") || h.text() != "sources: {x: {}}\n" {
		t.Errorf("Save over a mistake = %v:\n%s", err, h.text())
	}
}

func TestWhatCannotBePutInForceIsTakenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.fails = errors.New("its disk is gone")
	save := setup.Save{What: setup.Receiver, Name: "hook", Kind: "webhook", By: "ana", Values: map[string]string{"webhook.url": "https://hooks.example.com/s3cret"}}
	if err := h.Save(t.Context(), save); err == nil || !strings.Contains(err.Error(), "nothing was changed: its disk is gone") {
		t.Errorf("Save = %v", err)
	}
	if _, err := os.Stat(h.managed()); !os.IsNotExist(err) || len(h.secrets()) != 0 {
		t.Errorf("something is left: %v, %v", err, h.secrets())
	}
	h.fails = nil
	h.add("org")
	before := h.text()
	h.fails = errors.New("its disk is gone")
	if err := h.Save(t.Context(), save); err == nil || h.text() != before {
		t.Errorf("Save = %v:\n%s", err, h.text())
	}
	if leftovers, err := filepath.Glob(filepath.Join(h.folder, ".*")); err != nil || len(leftovers) != 0 {
		t.Errorf("files are left: %v, %v", leftovers, err)
	}
}

func TestWhereTheConfigurationIsFixedNothingCanBeChanged(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := setup.New(setup.Options{Kinds: kinds, Store: h.store, Keys: h.keys, Config: h.config.Load})
	if err := s.Fixed(); err == nil {
		t.Error("it is not fixed")
	}
	if err := s.Save(t.Context(), setup.Save{What: setup.Source, Name: "x", Kind: "https", By: "ana"}); err == nil || !strings.Contains(err.Error(), "fixed") {
		t.Errorf("Save = %v", err)
	}
}

func TestTheCatalogueHasWhatTheBinaryHas(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var names []string
	for _, c := range h.Catalogue(setup.Source) {
		names = append(names, c.Group+": "+c.Name)
		if c.Title == "" || c.Doc == "" || c.Kind == "" {
			t.Errorf("%+v says too little", c)
		}
		form, ok := h.Form(setup.Source, c.Kind)
		if !ok {
			t.Errorf("%s has no form", c.Name)
		}
		for key := range c.Values {
			if _, ok := form.Field(key); !ok {
				t.Errorf("%s sets %s, which is no field", c.Name, key)
			}
		}
	}
	want := []string{
		"Amazon GuardDuty: guardduty-sns", "Amazon GuardDuty: guardduty-5-to-10", "Amazon GuardDuty: guardduty-https", "Amazon Web Services: sns",
		"Amazon Web Services: cloudwatch-alarms", "Incident management: alertops", "Anything else: json", "Anything else: https",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("kinds that are not in the binary are not in its catalogue (-want +got):\n%s", diff)
	}
	if got := h.Names("team"); !cmp.Equal(got, []string{"soc"}) {
		t.Errorf("teams are %q", got)
	}
}

func TestAReceiverIsTestedWithAMarkedMessage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	check(t, h.TestReceiver(t.Context(), "terminal", "ana"))
	if m := h.sent[0]; m.Kind != tocsin.TellNote || !strings.HasPrefix(m.Text, "[TEST] ") || m.Receiver != "terminal" || !strings.Contains(m.Text, "ana") {
		t.Errorf("it was sent %+v", m)
	}
	h.fails = errors.New("channel_not_found")
	if err := h.TestReceiver(t.Context(), "terminal", "ana"); err == nil || !strings.Contains(err.Error(), "channel_not_found") {
		t.Errorf("TestReceiver = %v, want the receiver's own words", err)
	}
	history, err := h.History(t.Context(), setup.Receiver, "terminal")
	if err != nil || len(history) != 2 || !strings.Contains(history[0].Text, "channel_not_found") || history[1].Did != "tested" {
		t.Errorf("the history is %+v, %v", history, err)
	}
	if err := h.TestReceiver(t.Context(), "never", "ana"); !errors.Is(err, setup.ErrNotFound) {
		t.Errorf("of one that is not there: %v", err)
	}
}

func TestASourceIsTestedWithASampleOrAnEvent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	x, err := h.TestSource(t.Context(), "fixed", nil)
	if err != nil || x.Reason != "fixed" || !json.Valid([]byte(x.Steps[0])) || !strings.Contains(x.Steps[0], "GuardDuty Finding") {
		t.Errorf("with a sample: %+v, %v", x, err)
	}
	if x, err = h.TestSource(t.Context(), "fixed", []byte(`{"a":1}`)); err != nil || x.Steps[0] != `{"a":1}` {
		t.Errorf("with an event: %+v, %v", x, err)
	}
	if _, err = h.TestSource(t.Context(), "never", nil); !errors.Is(err, setup.ErrNotFound) {
		t.Errorf("of one that is not there: %v", err)
	}
}

func TestWhatIsToBePastedIsForThisSource(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.add("org")
	check(t, h.Save(t.Context(), setup.Save{What: setup.Source, Name: "api", Kind: "https", By: "ana", Values: map[string]string{"https.header": "X-Tocsin"}}))
	for source, wants := range map[string][]string{
		"org": {"https://tocsin.example.com/in/org/", "--name 'guardduty'"}, "api": {"https://tocsin.example.com/in/api\"", `"ApiKeyName": "X-Tocsin"`},
	} {
		a, err := h.URL(t.Context(), source)
		check(t, err)
		text, err := h.Connect(t.Context(), source, connect.Options{Format: connect.CLI})
		check(t, err)
		for _, want := range append(wants, a.Token) {
			if !strings.Contains(text.Commands, want) {
				t.Errorf("%s: no %s in\n%s", source, want, text.Commands)
			}
		}
	}
	_, err := h.Connect(t.Context(), "org", connect.Options{StackName: "1"})
	if ps, ok := errors.AsType[setup.Problems](err); !ok || ps.Of("stack_name") == "" {
		t.Errorf("Connect with a bad name = %v", err)
	}
}

func TestAnAddressIsTakenByWhoKnowsIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	check(t, h.Save(t.Context(), setup.Save{What: setup.Source, Name: "api", Kind: "https", By: "ana"}))
	post := func(token string) int {
		w := httptest.NewRecorder()
		h.hands["api"].ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/in/api/"+token, strings.NewReader("{}")))
		return w.Code
	}
	old, err := h.URL(t.Context(), "api")
	check(t, err)
	if len(old.Token) < 43 { // 32 bytes
		t.Errorf("the token has %d characters", len(old.Token))
	}
	_, err = h.Rotate(t.Context(), "api", "ana", 0)
	check(t, err)
	next, err := h.URL(t.Context(), "api")
	check(t, err)
	// 503: it is let in, and the collector does not run here.
	if next.Token == old.Token || post(old.Token) != 503 || post(next.Token) != 503 || post("guess") != 401 {
		t.Errorf("after Rotate old, new and a guess are answered %d, %d, %d", post(old.Token), post(next.Token), post("guess"))
	}
	h.now = h.now.Add(setup.Keep + time.Second)
	if post(old.Token) != 401 || post(next.Token) != 503 {
		t.Errorf("after 7 days old and new are answered %d, %d", post(old.Token), post(next.Token))
	}
}
