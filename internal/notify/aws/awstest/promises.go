package awstest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

// A Target is how the tests reach one kind of receiver.
type Target struct {
	Kind notify.Kind
	// Open opens it with these settings of the session.
	Open func(set aws.Settings, env notify.Env) (notify.Notifier, error)
	// Content is what an entry of the kind carries.
	Content func(input map[string]any) string
	// Key is its idempotency key; nil where the service knows none.
	Key func(input map[string]any) string
	// Check holds an entry to the limits of its kind.
	Check func(t *testing.T, m notify.Message, input map[string]any)
	// Cuts says that content may be missing where there is no room for it.
	Cuts bool
	// Once says that an attempt of which nobody knows how it ended is not repeated.
	Once bool
}

// acting tells an action of what the suite has to tell, but of what is about no
// alert.
type acting struct{ notify.Notifier }

func (a acting) Notify(ctx context.Context, m notify.Message) (string, error) {
	return a.Notifier.Notify(ctx, asAction(m))
}

func asAction(m notify.Message) notify.Message {
	if !about(m.Kind) {
		return m
	}
	m.Kind, m.By = tocsin.TellAction, "ana"
	return m
}

func about(k tocsin.Kind) bool {
	return k != tocsin.TellCode && k != tocsin.TellDigest && k != tocsin.TellNote
}

// opened is the target at the server, telling actions where it acts.
func (p Target) opened(t *testing.T, set aws.Settings) notify.Notifier {
	t.Helper()
	n, err := p.Open(set, notifytest.Env(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if p.Kind.Acts {
		return acting{n}
	}
	return n
}

// First is the first of the shared messages, as the target takes it.
func (p Target) First() notify.Message {
	m := notifytest.Messages()[0].Message
	if p.Kind.Acts {
		m = asAction(m)
	}
	return m
}

// Promises holds a target to the contract of notifiers, and to what AWS's targets
// have in common.
func (p Target) Promises(t *testing.T) {
	h := notifytest.Harness{
		HTTP: true, NoCodes: true, Once: p.Once, Secrets: []string{Secret},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			s := New(t)
			s.Now(notifytest.Now)
			s.Forgets() // the shared messages have few ids
			s.Answers(Answer{Status: a.Status, RetryAfter: a.RetryAfter, Echo: a.Echo, Hang: a.Hang, Hung: a.Hung})
			return p.opened(t, s.Settings()), s.Taken
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			if p.Kind.Acts {
				m = asAction(m)
			}
			input := Input(t, got)
			p.isDocument(t, m, p.Content(input))
			if p.Check != nil {
				p.Check(t, m, input)
			}
		},
	}
	if p.Kind.Acts {
		h.Refuses = func(k tocsin.Kind) bool { return !about(k) }
	}
	if p.Key != nil {
		h.Key = func(got notifytest.Taken) string { return p.Key(Input(t, got)) }
	}
	notifytest.Run(t, h)
	t.Run("keeps secrets out of errors in the service's own words", p.keepsSecrets)
	t.Run("has a role assumed, and keeps its secrets too", p.assumes)
	t.Run("says what a policy has to allow", p.denied)
	t.Run("waits out what throttles", p.throttled)
	t.Run("acts on nothing but an action", p.acts)
	t.Run("needs the policy that its documentation prints, and no more", p.policy)
	t.Run("reaches nobody when it is opened", p.offline)
	t.Run("takes the region that it is told", p.region)
	t.Run("sends what its golden files hold", p.golden)
	t.Run("hears of acknowledgements only where it can say so", p.follows)
	if p.Key != nil {
		t.Run("is idempotent", p.Idempotent)
	}
}

// isDocument reports whether it is tocsin's own document of the message.
func (p Target) isDocument(t *testing.T, m notify.Message, content string) {
	t.Helper()
	if content == "" && p.Cuts {
		return
	}
	var got struct {
		Version            int
		ID, Kind, Text, By string
	}
	if err := json.Unmarshal([]byte(content), &got); err != nil {
		t.Fatalf("the content is no JSON: %v\n%.200q", err, content)
	}
	if got.Version != 1 || got.ID != m.ID || got.Kind != string(m.Kind) || got.Text != notify.FirstLine(m) || got.By != m.By {
		t.Errorf("the document is version %d of %s %s by %q: %s", got.Version, got.Kind, got.ID, got.By, got.Text)
	}
}

func (p Target) keepsSecrets(t *testing.T) {
	s := New(t)
	n := p.opened(t, s.Settings())
	for _, code := range []string{"ValidationException", "InternalFailure"} {
		s.Answers(Answer{Status: 400, Code: code, Echo: true})
		_, err := n.Notify(t.Context(), p.First())
		if err == nil || strings.Contains(err.Error(), Secret) || regexp.MustCompile(`[0-9a-f]{64}`).MatchString(err.Error()) {
			t.Errorf("the error holds a secret or a signature: %v", err)
		}
		if err != nil && notifytest.Bad(err.Error()) != "" {
			t.Errorf("the error %s: %v", notifytest.Bad(err.Error()), err)
		}
	}
}

const role = "arn:aws:iam::111122223333:role/tocsin-sends"

func (p Target) assumes(t *testing.T) {
	s := New(t)
	s.Now(notifytest.Now)
	n := p.opened(t, s.Assuming(role, "external-4711"))
	m := p.First()
	for i := range 3 {
		m.ID = "msg_" + strings.Repeat(string(rune('a'+i)), 24)
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	assumed := 0
	for _, c := range s.Calls() {
		switch {
		case c.Service == "sts":
			assumed++
			if c.Input["RoleSessionName"] != "tocsin-payments-oncall" {
				t.Errorf("the session is called %v", c.Input["RoleSessionName"])
			}
		case !strings.HasPrefix(c.KeyID, "ASIA"):
			t.Errorf("%s was signed with %s, want the key of the session", c.Operation, c.KeyID)
		}
	}
	if assumed != 1 {
		t.Errorf("the role was assumed %d times for 3 messages, want once", assumed)
	}
	for _, code := range []string{"ValidationException", "InternalFailure"} {
		s.Answers(Answer{Status: 400, Code: code, Echo: true})
		if _, err := n.Notify(t.Context(), m); err == nil || strings.Contains(err.Error(), "session-token") || strings.Contains(err.Error(), "session-secret") || strings.Contains(err.Error(), "external-4711") {
			t.Errorf("the error holds a secret: %v", err)
		}
	}
}

func (p Target) denied(t *testing.T) {
	s := New(t)
	s.Now(notifytest.Now)
	n := p.opened(t, s.Assuming(role, "x4711"))
	if _, err := n.Notify(t.Context(), p.First()); err != nil {
		t.Fatal(err)
	}
	calls := s.Calls()
	call := calls[len(calls)-1]
	s.Answers(Answer{Status: 403, Code: "AccessDeniedException", Message: "no identity-based policy allows it"})
	m := p.First()
	m.ID += "x"
	_, err := n.Notify(t.Context(), m)
	if want := "allow " + call.Action + " on " + call.Resource; !notify.IsPermanent(err) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "to role "+role) {
		t.Errorf("Notify = %v, want a permanent error that says %q and to whom", err, want)
	}
	s.Answers(Answer{Status: 400, Code: "ResourceNotFoundException"})
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "make arn:") {
		t.Errorf("Notify = %v, want a permanent error that says what to make", err)
	}
}

func (p Target) throttled(t *testing.T) {
	s := New(t)
	n := p.opened(t, s.Settings())
	for _, code := range []string{"ThrottlingException", "ProvisionedThroughputExceededException", "TooManyRequestsException", "RequestLimitExceeded", "ServiceUnavailable"} {
		s.Answers(Answer{Status: 400, Code: code, RetryAfter: "7"})
		_, err := n.Notify(t.Context(), p.First())
		if wait, told := notify.RetryAfter(err); err == nil || notify.IsPermanent(err) || !told || wait.Seconds() != 7 {
			t.Errorf("%s: Notify = %v, permanent %v, wait %v; want to be tried again in 7 s", code, err, notify.IsPermanent(err), wait)
		}
	}
	if got := s.Seen(); got != 5 {
		t.Errorf("%d requests for 5 attempts: trying again is the engine's", got)
	}
}

func (p Target) acts(t *testing.T) {
	s := New(t)
	n, err := p.Open(s.Settings(), notifytest.Env(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range notifytest.Messages() {
		if !p.Kind.Acts || c.Message.Kind == tocsin.TellAction {
			continue
		}
		if _, err := n.Notify(t.Context(), c.Message); !notify.IsPermanent(err) {
			t.Errorf("%s: Notify = %v, want a permanent error", c.Name, err)
		}
	}
	if got := s.Seen(); got != 0 {
		t.Errorf("%d requests, want none", got)
	}
}

// Idempotent holds a target to taking a message once, however often it is sent.
func (p Target) Idempotent(t *testing.T) {
	s := New(t)
	n := p.opened(t, s.Settings())
	m := p.First()
	first, err := n.Notify(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Alert.Occurrences++ // an alert goes on between two attempts
	again, err := n.Notify(t.Context(), m)
	if err != nil || again != first || first == "" || len(s.Taken()) != 1 {
		t.Errorf("the second attempt gave %q, %v and the first %q, and %d were taken; want the same and one", again, err, first, len(s.Taken()))
	}
	m.ID = "msg_ffffffffffffffffffffffff"
	if other, err := n.Notify(t.Context(), m); err != nil || other == first || len(s.Taken()) != 2 {
		t.Errorf("another message gave %q, %v", other, err)
	}
	a, b := s.Inputs(t)[0], s.Inputs(t)[1]
	if p.Key(a) == "" || p.Key(a) == p.Key(b) {
		t.Errorf("the keys are %q and %q", p.Key(a), p.Key(b))
	}
}

func (p Target) offline(t *testing.T) {
	s := New(t)
	for _, set := range []aws.Settings{s.Settings(), s.Assuming(role, "")} {
		if _, err := p.Open(set, notifytest.Env(t, nil)); err != nil {
			t.Error(err)
		}
	}
	if got := s.Seen(); got != 0 {
		t.Errorf("opening made %d requests", got)
	}
}

func (p Target) region(t *testing.T) {
	s := New(t)
	s.Now(notifytest.Now)
	if _, err := p.opened(t, s.Settings()).Notify(t.Context(), p.First()); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Calls() {
		if c.Region != Region {
			t.Errorf("%s was signed for %s, want %s", c.Operation, c.Region, Region)
		}
	}
}

// golden compares what is sent besides the document, which is the webhook's.
func (p Target) golden(t *testing.T) {
	for _, c := range notifytest.Messages() {
		if c.Name != "opened-critical-ec2-c2" && (p.Kind.Acts || c.Name != "digest" && c.Name != "note") {
			continue
		}
		s := New(t)
		s.Now(notifytest.Now)
		if _, err := p.opened(t, s.Settings()).Notify(t.Context(), c.Message); err != nil {
			t.Fatal(err)
		}
		calls := s.Calls()
		last := calls[len(calls)-1]
		text, err := json.MarshalIndent(besides(last.Input, p.Content(s.Inputs(t)[0])), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		notifytest.Golden(t, c.Name+".json", append(text, '\n'))
	}
}

// besides is the value with the document left out.
func besides(value any, document string) any {
	switch v := value.(type) {
	case string:
		if v == document || v == base64.StdEncoding.EncodeToString([]byte(document)) {
			return "(tocsin's document)"
		}
	case []any:
		for i, one := range v {
			v[i] = besides(one, document)
		}
	case map[string]any:
		for name, one := range v {
			v[name] = besides(one, document)
		}
	}
	return value
}

func (p Target) follows(t *testing.T) {
	s := New(t)
	n, err := p.Open(s.Settings(), notifytest.Env(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := n.(notify.Follower); !ok || !f.Follows() {
		t.Error("it sends its own document, and is not told of acknowledgements")
	}
	if r, ok := n.(notify.EventReader); !ok || r.ReadsEvent() {
		t.Error("it sends its own document, and asks for the event")
	}
}

// A Statement is one of a policy.
type Statement struct {
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string]string
}

// Policy is what the manual prints under the kind's heading.
func Policy(t testing.TB, kind string) []Statement {
	t.Helper()
	path := filepath.Join("..", "..", "..", "..", "docs", "aws-targets.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n### `"+kind+"`")
	if !ok {
		t.Fatalf("%s has no section on %s", path, kind)
	}
	section, _, _ = strings.Cut(section, "\n### ")
	_, block, ok := strings.Cut(section, "```json\n")
	block, _, closed := strings.Cut(block, "\n```")
	var policy struct {
		Version   string
		Statement []Statement
	}
	if !ok || !closed {
		t.Fatalf("%s prints no policy for %s", path, kind)
	}
	if err := json.Unmarshal([]byte(block), &policy); err != nil || policy.Version != "2012-10-17" {
		t.Fatalf("%s: the policy for %s: %v", path, kind, err)
	}
	return policy.Statement
}

// implied are permissions that a service asks for by itself, on behalf of the
// caller.
var implied = map[string]string{"iam:PassRole": "ecs:RunTask"}

// policy compares what was called with what the manual says is needed.
func (p Target) policy(t *testing.T) {
	s := New(t)
	s.Now(notifytest.Now)
	if _, err := p.opened(t, s.Settings()).Notify(t.Context(), p.First()); err != nil {
		t.Fatal(err)
	}
	Allowed(t, p.Kind.Name, s.Calls())
}

// Allowed reports calls that the printed policy does not allow, and permissions
// that no call needed.
func Allowed(t testing.TB, kind string, calls []Call) {
	t.Helper()
	statements := Policy(t, kind)
	for _, c := range calls {
		if !slices.ContainsFunc(statements, func(s Statement) bool { return s.allows(c.Call) }) {
			t.Errorf("%s on %s was called, and the policy does not allow it", c.Action, c.Resource)
		}
	}
	for _, s := range statements {
		if s.Effect != "Allow" || slices.Contains(s.Resource, "*") {
			t.Errorf("the statement %+v is not one of least privilege", s)
		}
		for _, action := range s.Action {
			needed := func(c Call) bool { return c.Action == action || c.Action == implied[action] }
			if !slices.ContainsFunc(calls, needed) {
				t.Errorf("the policy allows %s, and nothing called it", action)
			}
		}
	}
}

func (s Statement) allows(c aws.Call) bool {
	return slices.Contains(s.Action, c.Action) && slices.ContainsFunc(s.Resource, func(resource string) bool {
		return regexp.MustCompile(`^` + strings.ReplaceAll(regexp.QuoteMeta(resource), `\*`, `.*`) + `$`).MatchString(c.Resource)
	})
}
