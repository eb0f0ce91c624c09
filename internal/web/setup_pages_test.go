package web

import (
	"context"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/setup"
)

// lacks checks that a page does not say something.
func lacks(t *testing.T, w *httptest.ResponseRecorder, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(w.Body.String(), word) {
			t.Errorf("page says %q:\n%s", word, brief(w.Body.String()))
		}
	}
}

// leads checks that an answer leads to another page.
func leads(t *testing.T, w *httptest.ResponseRecorder, to string) {
	t.Helper()
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != to {
		t.Errorf("answer = %d to %q, want 303 to %q; it says:\n%s", w.Code, w.Header().Get("Location"), to, brief(w.Body.String()))
	}
}

var (
	inputTag    = regexp.MustCompile(`(?s)<input ([^>]*)>`)
	areaTag     = regexp.MustCompile(`(?s)<textarea ([^>]*)>\n(.*?)</textarea>`)
	selectTag   = regexp.MustCompile(`(?s)<select ([^>]*)>(.*?)</select>`)
	attribute   = regexp.MustCompile(`(\w+)="([^"]*)"`)
	chosenValue = regexp.MustCompile(`<option value="([^"]*)" selected>`)
	firstValue  = regexp.MustCompile(`<option value="([^"]*)"`)
)

// filledIn are the fields of the page's form as a browser would send them.
func filledIn(t *testing.T, w *httptest.ResponseRecorder, action string) url.Values {
	t.Helper()
	_, rest, ok := strings.Cut(w.Body.String(), `<form method="post" action="`+action+`"`)
	if !ok {
		t.Fatalf("no form for %s on\n%s", action, brief(w.Body.String()))
	}
	form, _, _ := strings.Cut(rest, "</form>")
	attributes := func(tag string) map[string]string {
		all := map[string]string{}
		for _, m := range attribute.FindAllStringSubmatch(tag, -1) {
			all[m[1]] = html.UnescapeString(m[2])
		}
		return all
	}
	v := url.Values{}
	for _, m := range inputTag.FindAllStringSubmatch(form, -1) {
		a := attributes(m[1])
		if a["type"] == "checkbox" && !strings.Contains(m[1], "checked") {
			continue
		}
		v.Add(a["name"], a["value"])
	}
	for _, m := range areaTag.FindAllStringSubmatch(form, -1) {
		v.Add(attributes(m[1])["name"], strings.ReplaceAll(html.UnescapeString(m[2]), "\n", "\r\n"))
	}
	for _, m := range selectTag.FindAllStringSubmatch(form, -1) {
		chosen := chosenValue.FindStringSubmatch(m[2])
		if chosen == nil {
			chosen = firstValue.FindStringSubmatch(m[2])
		}
		v.Add(attributes(m[1])["name"], html.UnescapeString(chosen[1]))
	}
	return v
}

func TestWithoutASetupThereAreNoSuchPages(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	for _, path := range []string{"/receivers", "/receivers/add", "/receivers/soc-slack", "/sources/add", "/sources/add/sns", "/sources/org-topic", "/sources/org-topic/edit"} {
		says(t, get(p, path), 404)
	}
	lacks(t, get(p, "/sources"), `href="/receivers"`, "Add a source", `href="/sources/org-topic"`)
}

func TestTheSourcesLeadToTheirPagesAndToMore(t *testing.T) {
	t.Parallel()
	p, s := withShop(t)
	s.gone(t, "api")
	w := get(p, "/sources")
	says(t, w, 200, `href="/sources/add">Add a source`, `href="/sources/org-topic">org-topic`, "Amazon SNS", `href="/receivers"`)
	_, deleted, _ := strings.Cut(w.Body.String(), "Source api")
	if !strings.Contains(deleted[:400], "Deleted") || !strings.Contains(deleted[:800], "20 events") {
		t.Errorf("a source that was deleted is shown as %q", deleted[:800])
	}
}

func TestWhereNothingIsConfiguredOneIsAdded(t *testing.T) {
	t.Parallel()
	p := bare(t)
	opts := p.opts
	opts.Setup = fakeSetUp{}
	p = newPages(opts)
	says(t, get(p, "/sources"), 200, "No source is configured", `class="button primary" href="/sources/add">Add a source`)
	says(t, get(p, "/"), 200, `class="button primary" href="/sources/add">Connect a source`)
	says(t, get(p, "/receivers"), 200, "No receiver is configured", `href="/receivers/add">Add a receiver`)
}

func TestTheCatalogueHasGuardDutyFirst(t *testing.T) {
	t.Parallel()
	p, _ := withShop(t)
	w := get(p, "/sources/add")
	says(t, w, 200, `href="/sources/add/guardduty-sns">GuardDuty by Amazon SNS`, `href="/sources/add/guardduty-https"`, `href="/sources/add/json"`)
	if body := w.Body.String(); strings.Index(body, "Amazon GuardDuty") > strings.Index(body, "Anything else") {
		t.Error("GuardDuty does not come first")
	}
	says(t, get(p, "/receivers/add"), 200, `href="/receivers/add/slack">Slack`, "threads", "acknowledges")
	says(t, get(p, "/sources/add/carrier-pigeon"), 404)
	says(t, get(p, "/receivers/add/sns"), 404)
}

func TestTheFormOfASourceAsksWhoIsTold(t *testing.T) {
	t.Parallel()
	p, _ := withShop(t)
	says(t, get(p, "/sources/add/guardduty-sns"), 200,
		`name="name"`, `name="set.sns.topics"`, `<select id="set.team"`, `<option value="payments">`, `<select id="set.policy"`,
		`type="checkbox" name="set.receivers" value="soc-slack"`, `name="set.filters"`, `name="set.map.severity"`, `name="set.close"`)
	// A choice has some of it made already.
	says(t, get(p, "/sources/add/guardduty-https"), 200, `name="set.https.header" value="X-Api-Key"`)
}

func TestASourceIsAdded(t *testing.T) {
	t.Parallel()
	p, s := withShop(t)
	w := post(p, "/sources/add/guardduty-sns", url.Values{
		"by": {"Ana"}, "name": {" eu-topic "}, "set.sns.topics": {"arn:aws:sns:eu-west-1:111122223333:guardduty\r\narn:aws:sns:us-east-1:111122223333:guardduty\r\n"},
		"set.team": {"payments"}, "set.receivers": {"soc-slack", "pages"}, "set.sns.raw": {""}, "set.filters": {"- {path: detail.severity, op: '>=', values: 4}"},
	})
	leads(t, w, "/sources/eu-topic")
	for _, want := range []string{
		"  eu-topic:\n    sns:\n      topics:\n        - arn:aws:sns:eu-west-1:111122223333:guardduty\n        - arn:aws:sns:us-east-1:111122223333:guardduty\n",
		"    team: payments\n", "    receivers:\n      - soc-slack\n      - pages\n",
	} {
		if got := s.managed(t); !strings.Contains(got, want) {
			t.Errorf("the managed file lacks\n%s\nit is\n%s", want, got)
		}
	}
	w = get(p, "/sources/eu-topic")
	says(t, w, 200, "No event yet", "https://tocsin.example.com/in/eu-topic/***", "Show it with its token", "<strong>added</strong> by Ana", "tocsin.managed.yml:")
	// What stands in the file is what the page shows.
	says(t, w, 200, "sources:\n  eu-topic:\n    sns:\n      topics:\n        - arn:aws:sns:eu-west-1")
}

func TestWhatIsWrongStandsAtItsFieldAndNothingIsLost(t *testing.T) {
	t.Parallel()
	p, s := withShop(t)
	before := s.managed(t)
	w := post(p, "/sources/add/sns", url.Values{
		"name": {"two words"}, "set.sns.topics": {"guardduty"}, "set.team": {"payments"}, "set.receivers": {"pages"}, "set.close": {"{status: [OK]}"},
		"set.sns.max_age": {"2h"},
	})
	says(t, w, 422, "It was not saved.", `value="two words"`, `aria-invalid="true"`, `<option value="payments" selected>`,
		`value="pages" checked`, "{status: [OK]}", `name="set.sns.max_age" value="2h"`, `href="#name"`)
	if got := s.managed(t); got != before {
		t.Errorf("something was written:\n%s", cmp.Diff(before, got))
	}
	w = post(p, "/sources/add/sns", url.Values{"name": {"eu-topic"}, "set.sns.topics": {"guardduty"}})
	says(t, w, 422, `href="#set.sns.topics"`, "is no ARN of an SNS topic")
	w = post(p, "/sources/add/sns", url.Values{"name": {"org-topic"}, "set.sns.topics": {"arn:aws:sns:eu-west-1:111122223333:guardduty"}})
	says(t, w, 422, "there is a source &#34;org-topic&#34; already")
	w = post(p, "/sources/add/sns", url.Values{"name": {"add"}, "set.sns.topics": {"arn:aws:sns:eu-west-1:111122223333:guardduty"}})
	says(t, w, 422, "choose another name")
}

func TestSecretsAreNeverShownAgain(t *testing.T) {
	t.Parallel()
	p, s := withShop(t)
	const hook, header, other = "https://hooks.example.com/verysecrethook", "Bearer verysecretheader", "whsec_dmVyeXNlY3JldHNpZ25hdHVyZWtleSEh"
	form := url.Values{"name": {"bad name"}, "set.webhook.url": {hook}, "set.webhook.headers": {"Authorization: " + header + "\r\nX-Team: ${env:HOME}"}, "set.webhook.secret": {other}}
	w := post(p, "/receivers/add/webhook", form)
	says(t, w, 422, "Type it again: secrets are not sent back.", "Authorization:\nX-Team: ${env:HOME}")
	lacks(t, w, "verysecret", other)

	form.Set("name", "paging")
	leads(t, post(p, "/receivers/add/webhook", form), "/receivers/paging")
	for _, path := range []string{"/receivers/paging", "/receivers/paging/edit", "/receivers"} {
		w := get(p, path)
		says(t, w, 200)
		lacks(t, w, "verysecret", other)
	}
	if text := s.managed(t); strings.Contains(text, "verysecret") || !strings.Contains(text, "${file:") {
		t.Errorf("the managed file holds a secret:\n%s", text)
	}
	// Nor those that a file holds.
	for _, path := range []string{"/receivers/soc-slack", "/receivers/pages", "/receivers/pages/edit"} {
		lacks(t, get(p, path), "handwrittensecret", "typedsecret")
	}
}

func TestAnEntryIsChangedInPlace(t *testing.T) {
	t.Parallel()
	p, s := withShop(t)
	for _, tt := range []struct{ path, name string }{{"/sources/checkmk", "checkmk"}, {"/receivers/pages", "pages"}} {
		was := must(s.entry(t, tt.name))
		// Saved as it is, nothing changes, secrets neither.
		form := filledIn(t, get(p, tt.path+"/edit"), tt.path+"/edit")
		leads(t, post(p, tt.path+"/edit", form), tt.path)
		is := must(s.entry(t, tt.name))
		for key, value := range was.Values {
			if is.Values[key] != value && value != "***" && value != "Authorization: ***" {
				t.Errorf("%s: %s was %q and is %q", tt.name, key, value, is.Values[key])
			}
		}
		if len(is.Values) != len(was.Values) {
			t.Errorf("%s had %v and has %v", tt.name, was.Values, is.Values)
		}
	}
	form := filledIn(t, get(p, "/sources/checkmk/edit"), "/sources/checkmk/edit")
	form.Set("set.map.severity", "level")
	form.Del("set.receivers")
	form.Set("by", "Ana")
	leads(t, post(p, "/sources/checkmk/edit", form), "/sources/checkmk")
	w := get(p, "/sources/checkmk")
	says(t, w, 200, "<strong>changed</strong> by Ana", "map.severity", "severity: level", `subject: &#34;{{host}}: {{service}}&#34;`)
	lacks(t, w, "- soc-slack")
	// Their history goes on, and what was typed for another state of it waits.
	w = post(p, "/sources/checkmk/edit", form)
	says(t, w, 409, "changed by somebody else", `level</textarea>`)
	leads(t, post(p, "/sources/checkmk/edit", filledIn(t, w, "/sources/checkmk/edit")), "/sources/checkmk")
}

// entry is one as it is configured.
func (s *shop) entry(t *testing.T, name string) (setup.Entry, error) {
	t.Helper()
	if source, err := s.Source(t.Context(), name); err == nil {
		return source.Entry, nil
	}
	rc, err := s.Receiver(t.Context(), name)
	return rc.Entry, err
}

func TestWhatIsWrittenByHandIsShownAndNotChanged(t *testing.T) {
	t.Parallel()
	p, _ := withShop(t)
	w := get(p, "/sources/org-topic")
	says(t, w, 200, "It is written by hand in", "tocsin.yml:5")
	lacks(t, w, "/sources/org-topic/edit", "/sources/org-topic/delete", "/sources/org-topic/disable")
	says(t, get(p, "/sources/org-topic/edit"), 409, "It cannot be changed here", "tocsin.yml:5")
	for _, do := range []string{"edit", "disable", "delete"} {
		says(t, post(p, "/sources/org-topic/"+do, url.Values{"by": {"ana"}}), 409, "tocsin.yml:5")
	}
	says(t, get(p, "/receivers"), 200, "tocsin.yml:8", "managed here")
}

func TestTheAddressIsShownToWhoeverAsksOnThePage(t *testing.T) {
	t.Parallel()
	p, s := withShop(t)
	token := must(s.keys.Of("checkmk").Token()).Reveal()
	for _, path := range []string{"/sources", "/sources/checkmk", "/sources/checkmk/edit"} {
		lacks(t, get(p, path), token)
	}
	// No address that can be linked to, embedded or found in a history shows it.
	for _, do := range []string{"address", "connect"} {
		w := get(p, "/sources/checkmk/"+do+"?format=cli")
		leads(t, w, "/sources/checkmk")
		lacks(t, w, token)
		r := httptest.NewRequest(http.MethodPost, "/sources/checkmk/"+do, nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w = httptest.NewRecorder()
		p.ServeHTTP(w, r)
		says(t, w, 403)
		lacks(t, w, token)
	}
	w := post(p, "/sources/checkmk/address", nil)
	says(t, w, 200, "https://tocsin.example.com/in/checkmk/"+token, "X-Api-Key: "+token)
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q, want no-store", got)
	}
}

func TestWhatToPasteIntoAWS(t *testing.T) {
	t.Parallel()
	p, s := withShop(t)
	token := must(s.keys.Of("org-topic").Token()).Reveal()
	w := post(p, "/sources/org-topic/connect", url.Values{"format": {"cli"}, "regions": {"eu-west-1, us-east-1"}})
	says(t, w, 200, token, "aws sns subscribe", "eu-west-1 us-east-1", `value="cli" checked`)
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q, want no-store", got)
	}
	w = post(p, "/sources/org-topic/connect", url.Values{"format": {"cloudformation"}, "regions": {"all"}, "tags": {"team=soc\r\ncost: 42"}})
	says(t, w, 200, "First, save this as", "AWS::SNS::Topic", "Then run", "cost=42\nteam=soc")
	w = post(p, "/sources/org-topic/connect", url.Values{"format": {"terraform"}, "regions": {"eu-west-1"}})
	says(t, w, 200, "aws_sns_topic", `value="terraform" checked`)
	w = post(p, "/sources/org-topic/connect", url.Values{"regions": {"mars"}, "ous": {"x"}, "stack_name": {"7"}})
	says(t, w, 200, "&#34;mars&#34; is no region", "is no id of an organizational unit", "Stack name: ", `value="mars"`, `value="x"`)
	lacks(t, w, token)
}

func TestASourceIsTestedWithoutTellingAnybody(t *testing.T) {
	t.Parallel()
	p, _ := withShop(t)
	before := activity(t, p, "checkmk")
	says(t, get(p, "/sources/org-topic"), 200, "GuardDuty Finding") // a sample to begin with
	w := post(p, "/sources/checkmk/test", url.Values{"event": {`{"state":"CRIT","host":"db-7","service":"disk"}`}})
	says(t, w, 200, "Opened", "db-7: disk",
		"<dt>filter</dt><dd>only what is bad: passed: state is &#34;CRIT&#34;</dd>",
		"<dt>severity</dt><dd>&#34;CRIT&#34; from state</dd>", "<dt>decision</dt>", "<dt>key</dt><dd>source/checkmk//db-7</dd>",
		"<h2 id=\"routes\">Routes</h2>", "At once: <span class=\"to\">security-slack</span>")
	w = post(p, "/sources/checkmk/test", url.Values{"event": {`{"state":"OK","host":"db-7"}`}})
	says(t, w, 200, "Filtered", "only what is bad: stopped: state is &#34;OK&#34;", "Nobody at once.")
	says(t, post(p, "/sources/checkmk/test", url.Values{"event": {"[1,"}}), 200, "Malformed")
	if after := activity(t, p, "checkmk"); after != before {
		t.Errorf("a test is in the journal: %+v, before %+v", after, before)
	}
}

func TestTokensAreTurnedOver(t *testing.T) {
	t.Parallel()
	p, s := withShop(t)
	old := must(s.keys.Of("checkmk").Token()).Reveal()
	page := get(p, "/sources/checkmk")
	lacks(t, page, "/sources/checkmk/retire")
	form := filledIn(t, page, "/sources/checkmk/rotate")
	form.Set("by", "Ana")
	leads(t, post(p, "/sources/checkmk/rotate", form), "/sources/checkmk#address")
	// The form sent twice ends no token that senders still use.
	says(t, post(p, "/sources/checkmk/rotate", form), 409, "There is a newer token already")
	ring := s.keys.Of("checkmk")
	if is := must(ring.Token()).Reveal(); is == old || !ring.Admits(is) || !ring.Admits(old) {
		t.Errorf("after turning over the token is another one: %t; it is good: %t, and the old one: %t; want all", is != old, ring.Admits(is), ring.Admits(old))
	}
	w := get(p, "/sources/checkmk")
	says(t, w, 200, "newest", "by Ana", "in 7 d", "<strong>rotated</strong> by Ana", "/sources/checkmk/retire")
	leads(t, post(p, "/sources/checkmk/retire", url.Values{"by": {"Ana"}}), "/sources/checkmk")
	if ring.Admits(old) {
		t.Error("the old token is still good")
	}
	says(t, post(p, "/sources/checkmk/retire", nil), 409, "has one token only")
	form = filledIn(t, get(p, "/sources/checkmk"), "/sources/checkmk/rotate")
	form.Set("keep", "soon")
	says(t, post(p, "/sources/checkmk/rotate", form), 422, "no time")
	form.Set("keep", "10000h")
	says(t, post(p, "/sources/checkmk/rotate", form), 409, "at most 90 days")
}

func TestASourceIsDisabledEnabledAndDeleted(t *testing.T) {
	t.Parallel()
	p, s := withShop(t)
	leads(t, post(p, "/sources/api/disable", url.Values{"by": {"Ana"}}), "/sources/api")
	w := get(p, "/sources/api")
	says(t, w, 200, `<span class="badge t-odd">Disabled</span>`, "/sources/api/enable", "<strong>disabled</strong> by Ana", "disabled: true")
	lacks(t, w, "/sources/api/address")
	says(t, get(p, "/sources"), 200, "Disabled")
	leads(t, post(p, "/sources/api/enable", url.Values{"by": {"Ana"}}), "/sources/api")
	says(t, get(p, "/sources/api"), 200, "/sources/api/disable", "/sources/api/address")

	leads(t, post(p, "/sources/api/delete", url.Values{"by": {"Ana"}}), "/sources/api")
	if strings.Contains(s.managed(t), "api:") {
		t.Errorf("it is still in the file:\n%s", s.managed(t))
	}
	w = get(p, "/sources/api")
	says(t, w, 200, "It was deleted.", `href="/inbound?source=api"`, "<strong>deleted</strong> by Ana", "<strong>disabled</strong> by Ana", "410 Gone")
	lacks(t, w, `action="/sources/api`)
	says(t, get(p, "/inbound?source=api"), 200, "/inbound/")
	for _, do := range []string{"address", "connect", "rotate", "retire", "test"} {
		says(t, post(p, "/sources/api/"+do, url.Values{"keep": {"1h"}}), 409, "was deleted")
	}
	says(t, get(p, "/sources/api/edit"), 409, "It was deleted.")
	says(t, get(p, "/sources/nobody"), 404)
	says(t, post(p, "/sources/nobody/delete", nil), 404)
	says(t, post(p, "/sources/api/frobnicate", nil), 404)
	says(t, get(p, "/sources/api/frobnicate"), 404)
}

func TestAReceiverIsTested(t *testing.T) {
	t.Parallel()
	p, s := withShop(t)
	says(t, post(p, "/receivers/soc-slack/test", url.Values{"by": {"Ana"}}), 200, "It was taken.", "<strong>tested</strong> by Ana")
	if got := s.told.Load(); got != 1 {
		t.Errorf("%d messages were sent, want 1", got)
	}
	s.refuses = errors.New("slack: 403 Forbidden: invalid_token")
	says(t, post(p, "/receivers/soc-slack/test", nil), 200, "The test did not arrive.", "slack: 403 Forbidden: invalid_token")
	leads(t, get(p, "/receivers/soc-slack/test"), "/receivers/soc-slack")
	says(t, post(p, "/receivers/nobody/test", nil), 404)
}

func TestAReceiverThatIsInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	p, s := withShop(t)
	form := filledIn(t, get(p, "/sources/checkmk/edit"), "/sources/checkmk/edit")
	form["set.receivers"] = []string{"pages"}
	leads(t, post(p, "/sources/checkmk/edit", form), "/sources/checkmk")
	before := s.managed(t)
	says(t, post(p, "/receivers/pages/delete", url.Values{"by": {"ana"}}), 409, "is in use", "checkmk")
	if s.managed(t) != before {
		t.Error("it was deleted all the same")
	}
	leads(t, post(p, "/receivers/loud/delete", url.Values{"by": {"ana"}}), "/receivers")
	says(t, get(p, "/receivers/loud"), 404)
	lacks(t, get(p, "/receivers"), "loud")
}

// A fakeSetUp has nothing, or what a test says.
type fakeSetUp struct {
	SetUp
	fixed   error
	sources []setup.SourceInfo
	err     error
}

func (f fakeSetUp) Fixed() error { return f.fixed }

func (f fakeSetUp) Catalogue(setup.What) []setup.Choice { return nil }

func (f fakeSetUp) Sources(context.Context) ([]setup.SourceInfo, error) { return f.sources, f.err }

func (f fakeSetUp) Receivers(context.Context) ([]setup.ReceiverInfo, error) { return nil, f.err }

func (f fakeSetUp) Source(context.Context, string) (setup.SourceInfo, error) {
	return setup.SourceInfo{}, f.err
}

func TestWhereNothingCanBeSetUp(t *testing.T) {
	t.Parallel()
	p := bare(t)
	opts := p.opts
	opts.Setup = fakeSetUp{fixed: errors.New("the demo is as it is")}
	p = newPages(opts)
	lacks(t, get(p, "/sources"), "/sources/add")
	lacks(t, get(p, "/"), "/sources/add")
	w := get(p, "/receivers")
	says(t, w, 200, "The demo is as it is.")
	lacks(t, w, "/receivers/add")
	says(t, get(p, "/sources/add"), 200, "Nothing can be added here.", "The demo is as it is.")
}

func TestNamesThatAreNoPathsAreEscaped(t *testing.T) {
	t.Parallel()
	p := bare(t)
	opts := p.opts
	opts.Setup = fakeSetUp{sources: []setup.SourceInfo{
		{Entry: setup.Entry{Name: "a/b?c#d e", Deleted: true}}, {Entry: setup.Entry{Name: "add"}},
	}}
	w := get(newPages(opts), "/sources")
	says(t, w, 200, `href="/sources/a%2Fb%3Fc%23d%20e"`)
	lacks(t, w, `class="name" href="/sources/add"`) // which is the catalogue
}

func TestAFaultOfOursIsLogged(t *testing.T) {
	t.Parallel()
	p := bare(t)
	opts := p.opts
	opts.Setup = fakeSetUp{err: errors.New("the disk is on fire")}
	p = newPages(opts)
	for _, path := range []string{"/sources", "/sources/x", "/receivers"} {
		w := get(p, path)
		says(t, w, 500, "Something went wrong here")
		lacks(t, w, "on fire")
	}
}
