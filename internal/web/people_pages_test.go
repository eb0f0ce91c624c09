package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

func TestPagesOfPeopleAnswer(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	for _, tt := range []struct {
		name, path string
		status     int
		words      []string
	}{
		{"an alert says who is told next", "/alerts/60", 200, []string{"Step 2 of 3", "security-slack", "Nobody answered: fallback", "payments-primary", "team payments", "data=cardholder"}},
		{"one that nobody answered says so", "/alerts/59", 200, []string{"Nobody answered.", "told again every 1h"}},
		{"a snoozed one says until when", "/alerts/58", 200, []string{"Snoozed by marek.", "2026-11-21 03:57:00 UTC", "begins again at step 1"}},
		{"a held one says by what", "/alerts/57", 200, []string{"Held back by silence 1.", "until the partner has a role", `href="/silences/1"`}},
		{"one of an older policy offers the newer", "/alerts/55", 200, []string{"Go by the newer policy"}},
		{"the list by team", "/?team=data", 200, []string{"Bucket acme-exports"}},
		{"the list by assignee", "/?status=acked&assignee=ana", 200, []string{"Acked"}},
		{"the list of the unanswered", "/?unanswered=1", 200, []string{"Credentials of role checkout-task", "Unanswered"}},
		{"who is on call", "/on-call", 200, []string{"payments-primary", "until</span> Mon 23 Nov 09:00", "nobody from", "not bo"}},
		{"a schedule", "/on-call/payments-primary", 200, []string{"16 November – 13 December 2026", "cy instead of bo", "Subscribe", "/api/schedules/payments-primary.ics", "of the time somebody is on call"}},
		{"a schedule where clocks change", "/on-call/soc?from=2026-10-26", 200, []string{"25 h", "13 h"}},
		{"a schedule that is not there", "/on-call/nowhere", 404, []string{"There is nothing here"}},
		{"a day that is none", "/on-call/soc?from=soon", 400, []string{"is no day such as"}},
		{"policies", "/policies", 200, []string{"around-the-clock", "high and worse only", "3 live alerts go by it", `href="/alerts/55"`, "&#43;10m"}},
		{"policies for another level", "/policies?level=low", 200, []string{"skipped: it is for high and worse, and this is low", "An acknowledgement holds</dt><dd>for good"}},
		{"silences", "/silences", 200, []string{"In force", "Scheduled", "Over", "resource.id is acme-exports", "type begins with Recon: or is like *PortProbe*", "Sat 22:00–04:00 Europe/Berlin"}},
		{"a silence that is over says what it hid", "/silences/5", 200, []string{"What it hid", "Hid 3 alerts in 10 days"}},
		{"no such silence", "/silences/99", 404, nil},
		{"a new silence from an alert", "/silences/new?alert=60", 200, []string{"i-0a1b2c3d4e5f60718", `name="only" value="type" checked`, "Preview"}},
		{"people", "/people", 200, []string{"Ana Ferreira", "has no verified contact method", "payments, security", "Disabled"}},
		{"somebody", "/people/ana", 200, []string{"no such mailbox", "Not verified", "&#43;351210000001", "expires", "22:00", "policy around-the-clock, step 1 of 3"}},
		{"nobody", "/people/nobody", 404, nil},
		{"reports", "/reports", 200, []string{"3 min 34 s", "118 taken on by nobody", "Recon:EC2/PortProbeUnprotectedPort", "723.12"}},
		{"a report of a backward time", "/reports?from=2026-11-20&to=2026-11-01", 400, []string{"before it begins"}},
		{"a report of the future", "/reports?from=2027-01-01&to=2027-01-02", 400, []string{"still to come"}},
		{"explain", "/explain?event=1", 200, []string{"&#34;detail-type&#34;:&#34;GuardDuty Finding&#34;"}},
		{"the ledger of a person", "/notifications?person=ana", 200, []string{"policy around-the-clock, step 1 of 3"}},
		{"the ledger by kind", "/notifications?kind=closed", 200, []string{"No notification matches"}},
		{"a kind that is none", "/notifications?kind=rumour", 400, []string{"there is no kind"}},
		{"who are you", "/who?back=/alerts/60", 200, []string{`name="back" value="/alerts/60"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			says(t, get(p, tt.path), tt.status, tt.words...)
		})
	}
}

var seenField = regexp.MustCompile(`name="seen" value="([^"]+)"`)

// seenOn is what the forms of a page carry.
func seenOn(t *testing.T, p *Pages, path string) string {
	t.Helper()
	found := seenField.FindStringSubmatch(get(p, path).Body.String())
	if found == nil {
		t.Fatalf("%s has no form that says what it showed", path)
	}
	return found[1]
}

func TestWhatPeopleDoToAnAlert(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	const path = "/alerts/60"
	do := func(what string, form url.Values, words ...string) {
		t.Helper()
		form.Set("by", "ana")
		form.Set("seen", seenOn(t, p, path))
		if w := post(p, path+"/"+what, form); w.Code != http.StatusSeeOther || w.Header().Get("Location") != path {
			t.Fatalf("%s = %d to %q, want 303 to %s; it says:\n%s", what, w.Code, w.Header().Get("Location"), path, brief(w.Body.String()))
		}
		says(t, get(p, path), 200, words...)
	}
	do("note", url.Values{"note": {"I look\r\nat it"}}, "<strong>Note</strong> by ana", "I look\nat it")
	do("escalate", url.Values{"note": {"now"}}, "<strong>Escalated</strong> by ana")
	do("acknowledge", url.Values{}, "Acknowledged by <strong>ana</strong>", "runs out", "Give back")
	do("give-back", url.Values{}, "Open again</strong> by ana", "Acknowledge</button>")
	do("assign", url.Values{"to": {"bo"}, "note": {"you know it best"}}, "<strong>bo</strong> has it, given by ana", "you know it best")
	do("snooze", url.Values{"for": {"4h"}}, "Snoozed by ana.", "2026-11-21 07:07:00 UTC")
	do("snooze", url.Values{"for": {"tomorrow"}, "zone": {"Europe/Berlin"}}, "2026-11-22 08:00:00 UTC")
	do("snooze", url.Values{"for": {"custom"}, "until": {"2026-11-23T10:30"}, "zone": {"America/New_York"}}, "2026-11-23 15:30:00 UTC")
	do("reassign", url.Values{"team": {"storefront"}, "note": {"their bucket"}}, "team storefront", "Handed over</strong> by ana", `/policies#office-hours`)
	do("close", url.Values{"reason": {"expected"}, "note": {"a drill"}, "mute": {"30"}}, "Closed by <strong>ana</strong>", "mute 6 until 2026-12-21")
	says(t, get(p, "/silences/6"), 200, "a drill", "Mute by ana")

	for what, form := range map[string]url.Values{
		"assign": {"to": {"bo"}}, "snooze": {"for": {"1h"}}, "reassign": {"team": {"data"}}, "escalate": {}, "give-back": {}, "acknowledge": {},
	} {
		says(t, post(p, path+"/"+what, form), 409, "closed by ana")
	}
	if a := find(t, p, store.AlertFilter{Team: "storefront", Statuses: []tocsin.Status{tocsin.StatusClosed}, Sort: "changed"}); a.ID != 60 || a.Assignee != "" {
		t.Errorf("the alert changed last is %d of %q", a.ID, a.Assignee)
	}
}

func TestWhatCannotBeDone(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	for _, tt := range []struct {
		name, path string
		form       url.Values
		status     int
		words      string
	}{
		{"assign to nobody", "/alerts/60/assign", nil, 422, "Choose whom to assign it to."},
		{"assign to a stranger", "/alerts/60/assign", url.Values{"to": {"zed"}}, 422, "There is no person &#34;zed&#34;."},
		{"snooze without a time", "/alerts/60/snooze", url.Values{"for": {"custom"}}, 422, "Until: say until when"},
		{"snooze into the past", "/alerts/60/snooze", url.Values{"for": {"custom"}, "until": {"2026-11-01T10:00"}}, 422, "that is over already"},
		{"snooze for a month", "/alerts/60/snooze", url.Values{"for": {"custom"}, "until": {"2026-12-20T10:00"}}, 422, "7 days is the longest"},
		{"an empty note", "/alerts/60/note", nil, 422, "Note: is empty."},
		{"hand over to nowhere", "/alerts/60/reassign", nil, 422, "needs a team or a policy"},
		{"the policy as it is", "/alerts/60/apply-policy", nil, 422, "as it is already"},
		{"a mute for two years", "/alerts/60/close", url.Values{"reason": {"expected"}, "mute": {"730"}}, 422, "1 to 365 days"},
		{"an override of nobody", "/on-call/soc/overrides", url.Values{"kind": {"add"}, "until": {"2026-11-23T10:00"}, "zone": {"UTC"}}, 422, "<p>People: there is nobody.</p>"},
		{"an override that is over", "/on-call/soc/overrides", url.Values{"kind": {"add"}, "people": {"bo"}, "until": {"2026-11-03T10:00"}, "zone": {"UTC"}}, 422, "is not after from"},
		{"a person without a name", "/people", url.Values{"name": {"  "}}, 422, "Name:"},
		{"a person who is there", "/people", url.Values{"name": {"ana"}}, 422, "there is somebody called ana already"},
		{"a contact of a receiver that tells no people", "/people/bo/contacts", url.Values{"receiver": {"payments-oncall"}, "address": {"x"}}, 422, "cannot tell single people"},
		{"a wrong code", "/people/ana/contacts/4/verify", url.Values{"code": {"000000"}}, 422, "4 tries are left"},
		{"somebody else's contact", "/people/bo/contacts/4/verify", url.Values{"code": {"123456"}}, 404, "There is nothing here"},
		{"half of quiet hours", "/people/ana", url.Values{"quiet_from": {"22:00"}}, 422, "both"},
		{"nothing to explain", "/explain", nil, 422, "paste one"},
		{"nothing ticked", "/alerts", url.Values{"do": {"acknowledge"}}, 400, "No alert is ticked"},
		{"a silence that is over", "/silences/5/end", nil, 422, "is over already"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			says(t, post(p, tt.path, tt.form), tt.status, strings.ReplaceAll(tt.words, "'", "&#39;"))
		})
	}
}

// What a page showed may not be so any more when its form is sent.
func TestFormsThatAreOvertaken(t *testing.T) {
	t.Parallel()
	p, sc := filled(t)
	const path = "/alerts/60"
	old := seenOn(t, p, path)
	change := func(f func(a *tocsin.Alert)) {
		t.Helper()
		err := sc.store.Update(t.Context(), func(tx *store.Tx) error {
			a, err := tx.Alert(60)
			if err != nil {
				return err
			}
			f(&a)
			return tx.Save(&a)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// That it happened once more is no reason to refuse.
	change(func(a *tocsin.Alert) { a.Occurrences += 40 })
	if w := post(p, path+"/acknowledge", url.Values{"by": {"marek"}, "seen": {old}}); w.Code != http.StatusSeeOther {
		t.Fatalf("an event between page and form: %d, want 303", w.Code)
	}
	// That somebody has it, is.
	w := post(p, path+"/close", url.Values{"by": {"ana"}, "seen": {old}, "reason": {"fixed"}})
	says(t, w, 409, "Somebody has it already", "acknowledged by marek")
	if a := find(t, p, store.AlertFilter{Assignee: "marek"}); a.Status != tocsin.StatusAcked {
		t.Errorf("the alert is %s, want acked", a.Status)
	}
	// What came later is told.
	later := fmt.Sprintf("%s.%d.%s", "1", fixtureNow.Add(-time.Hour).UnixMilli(), "x")
	says(t, post(p, path+"/snooze", url.Values{"seen": {later}, "for": {"1h"}}), 409, "Since you looked", "<strong>Acknowledged</strong> by marek")
	// And one that says nothing of what it saw acts on what is.
	if w := post(p, path+"/snooze", url.Values{"seen": {"nonsense"}, "for": {"1h"}}); w.Code != http.StatusSeeOther {
		t.Errorf("a form without what it saw = %d, want 303", w.Code)
	}
}

func TestSeveralAtOnce(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	w := post(p, "/alerts", url.Values{"do": {"acknowledge"}, "id": {"60", "59", "60"}, "by": {"ana"}, "back": {"/?level=high"}})
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/?level=high" {
		t.Fatalf("acknowledge two = %d to %q, want 303 to /?level=high", w.Code, w.Header().Get("Location"))
	}
	for _, id := range []int{59, 60} {
		says(t, get(p, fmt.Sprintf("/alerts/%d", id)), 200, "Acknowledged by <strong>ana</strong>")
	}
	says(t, post(p, "/alerts", url.Values{"do": {"close"}, "id": {"60"}}), 400, "Closing needs a reason")
	says(t, post(p, "/alerts", url.Values{"do": {"close"}, "id": {"60"}, "reason": {"fixed"}, "back": {"//evil.example"}}), 303)
	says(t, post(p, "/alerts", url.Values{"do": {"close"}, "id": {"60", "59", "9999"}, "reason": {"fixed"}}), 409, "1 was changed, 2 were not", "alert 60", "alert 9999")
	says(t, get(p, "/alerts/59"), 200, "Closed by <strong>web</strong>")
}

func TestSilenceFromAnAlert(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	form := url.Values{
		"alert": {"60"}, "only": {"account", "type"}, "kind": {"silence"}, "reason": {"we know"}, "for": {"4h"}, "notify_from": {"high"},
		"zone": {"UTC"}, "lookback": {"90"}, "do": {"preview"}, "by": {"ana"},
	}
	w := post(p, "/silences/new", form)
	says(t, w, 200, "Would have hidden", "in 90 days", "Backdoor:EC2/C&amp;CActivity.B!DNS", "we know")
	if _, list, _ := strings.Cut(get(p, "/silences").Body.String(), "<h1>"); strings.Contains(list, "we know") {
		t.Fatal("a preview made a silence")
	}
	form.Set("do", "save")
	form.Del("reason")
	says(t, post(p, "/silences/new", form), 422, "Not saved.", "Reason: say why", `name="only" value="account" checked`)
	form.Set("reason", "we know")
	w = post(p, "/silences/new", form)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/silences/6" {
		t.Fatalf("save = %d to %q, want 303 to /silences/6; it says:\n%s", w.Code, w.Header().Get("Location"), brief(w.Body.String()))
	}
	says(t, get(p, "/silences/6"), 200, "we know", "account is 111122223333", "type is Backdoor:EC2/C&amp;CActivity.B!DNS", "2026-11-21 07:07:00 UTC", "Silence by ana")
	if w := post(p, "/silences/6/end", url.Values{"by": {"bo"}}); w.Code != http.StatusSeeOther {
		t.Fatalf("end = %d, want 303", w.Code)
	}
	says(t, get(p, "/silences/6"), 200, "Over", "<dd>bo</dd>")

	written := url.Values{
		"kind": {"maintenance"}, "pattern": {`{"environment":["dev"]}`}, "reason": {"scan"}, "for": {""}, "from": {"2026-12-01T10:00"}, "until": {"2027-02-01T10:00"}, "zone": {"Europe/Berlin"},
		"every": {"1"}, "weekday": {"sat", "sun"}, "every_from": {"22:00"}, "every_to": {"04:00"}, "every_zone": {"Europe/Berlin"}, "notify_from": {"critical"}, "do": {"save"},
	}
	says(t, post(p, "/silences/new", written), 303)
	says(t, get(p, "/silences/7"), 200, "Scheduled", "Sat, Sun 22:00–04:00 Europe/Berlin", "2026-12-01 09:00:00 UTC", "environment is dev")
	written.Set("pattern", "{")
	says(t, post(p, "/silences/new", written), 422, "Pattern: it is not JSON.")
	written.Set("pattern", `{"colour":["red"]}`)
	says(t, post(p, "/silences/new", written), 422, "Not saved.", "colour")
}

func TestChangeWhoIsOnCall(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	says(t, get(p, "/on-call"), 200, `<span class="who h1">ana</span>`)
	form := url.Values{"kind": {"replace"}, "people": {"ana"}, "with": {"bo"}, "until": {"2026-11-22T12:00"}, "zone": {"Europe/Berlin"}, "reason": {"ill"}, "by": {"cy"}}
	w := post(p, "/on-call/payments-primary/overrides", form)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/on-call/payments-primary" {
		t.Fatalf("override = %d to %q; it says:\n%s", w.Code, w.Header().Get("Location"), brief(w.Body.String()))
	}
	says(t, get(p, "/on-call/payments-primary"), 200, "bo instead of ana", "Sun 22 Nov 12:00", "ill", "cy")
	says(t, get(p, "/on-call"), 200, "until</span> Sun 22 Nov 12:00")
	if w := post(p, "/overrides/3/end", url.Values{"by": {"cy"}, "back": {"/on-call/payments-primary"}}); w.Code != http.StatusSeeOther {
		t.Fatalf("end = %d, want 303", w.Code)
	}
	if strings.Contains(get(p, "/on-call/payments-primary").Body.String(), "bo instead of ana") {
		t.Error("the override is there after its end")
	}
	absence := url.Values{"person": {"ana"}, "from": {"2026-11-22T12:00"}, "until": {"2026-11-25T12:00"}, "zone": {"UTC"}}
	says(t, post(p, "/on-call/absences", absence), 303)
	says(t, get(p, "/on-call"), 200, "not ana", "Gap:")
	absence.Set("cover", "bo")
	says(t, post(p, "/on-call/absences", absence), 303)
	says(t, get(p, "/on-call"), 200, "bo instead of ana")
}

func TestPeopleAndTheirContacts(t *testing.T) {
	t.Parallel()
	p, sc := filled(t)
	w := post(p, "/people", url.Values{"name": {"fay"}, "full_name": {"Fay Okafor"}, "time_zone": {"Africa/Lagos"}, "by": {"ana"}})
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/people/fay" {
		t.Fatalf("add = %d to %q", w.Code, w.Header().Get("Location"))
	}
	says(t, get(p, "/people/fay"), 200, "Fay Okafor", "Cannot be told at once", "04:07 WAT")
	says(t, post(p, "/people/fay/contacts", url.Values{"receiver": {"sms"}, "address": {"+234 1 0000000"}}), 303)
	says(t, get(p, "/people/fay"), 200, "Not verified", "expires")
	var c tocsin.Contact
	err := sc.store.View(t.Context(), func(tx *store.Tx) error {
		fay, err := tx.Person("fay")
		c = fay.Contacts[0]
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	contact := fmt.Sprintf("/people/fay/contacts/%d", c.ID)
	if body := get(p, "/people/fay").Body.String(); strings.Contains(body, c.Code.Digits) {
		t.Error("the page shows the code that proves the address")
	}
	says(t, post(p, contact+"/verify", url.Values{"code": {" " + c.Code.Digits + " "}}), 303)
	says(t, get(p, "/people/fay"), 200, "Can be told at once", "Verified")
	rules := url.Values{"high_contact": {fmt.Sprint(c.ID), fmt.Sprint(c.ID), ""}, "high_minutes": {"10", "", "5"}, "low_contact": {""}, "low_minutes": {""}}
	says(t, post(p, "/people/fay/rules", rules), 303)
	says(t, get(p, "/people/fay"), 200, `name="high_minutes" inputmode="numeric" value="0"`, `name="high_minutes" inputmode="numeric" value="10"`)
	says(t, post(p, "/people/fay", url.Values{"version": {"1"}, "full_name": {"Fay"}}), 409, "Somebody else was faster")
	says(t, post(p, "/people/fay", url.Values{"full_name": {"Fay"}, "time_zone": {"UTC"}, "quiet_from": {"23:00"}, "quiet_to": {"06:00"}}), 303)
	says(t, get(p, "/people"), 200, "quiet 23:00–06:00")
	says(t, post(p, contact+"/remove", nil), 303)
	says(t, get(p, "/people/fay"), 200, "None, so fay cannot be told")
	says(t, post(p, "/people/ana/contacts/3/enable", nil), 303)
	says(t, get(p, "/people/ana"), 200, "Send a code")
	says(t, post(p, "/people/ana/contacts/4/code", nil), 303)
}

func TestExplainDoesNothing(t *testing.T) {
	t.Parallel()
	p, sc := filled(t)
	count := func() (n int64) {
		_ = sc.store.View(t.Context(), func(tx *store.Tx) error {
			totals, err := tx.Totals()
			n = totals.Alerts[tocsin.StatusOpen]
			return err
		})
		return n
	}
	before := count()
	event := fmt.Sprintf(`{"version":"0","id":"1","detail-type":"GuardDuty Finding","source":"aws.guardduty","account":"111122223333","time":"2026-11-21T03:00:00Z","region":"eu-west-1",
		"detail":{"schemaVersion":"2.0","accountId":"111122223333","region":"eu-west-1","partition":"aws","id":"aaaabbbb","arn":"arn:aws:guardduty:eu-west-1:111122223333:detector/x/finding/aaaabbbb","type":"Backdoor:EC2/C&CActivity.B!DNS","severity":9.1,"createdAt":"2026-11-21T03:00:00Z","updatedAt":"2026-11-21T03:00:00Z","title":"%s","description":"d",
		"resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-1"}},"service":{"serviceName":"guardduty","count":1,"archived":false,"resourceRole":"ACTOR","eventFirstSeen":"2026-11-21T02:59:00Z","eventLastSeen":"2026-11-21T02:59:30Z","action":{"actionType":"DNS_REQUEST","dnsRequestAction":{"domain":"c2.example"}}}}}`, strings.Repeat("é", 40<<10))
	w := post(p, "/explain", url.Values{"event": {event}})
	says(t, w, 200, "What becomes of it", "Opened", "team payments, owner of account", "tells payments-slack", "critical", "Step 1 of 3", "ana")
	if after := count(); after != before {
		t.Errorf("explaining opened %d alerts", after-before)
	}
	says(t, post(p, "/explain", url.Values{"event": {"hello"}}), 200, "Malformed")
	says(t, post(p, "/explain", url.Values{"event": {strings.Repeat("x", maxEvent)}}), 413, "1.0 MiB")
}

func TestWhoYouAre(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	w := post(p, "/who", url.Values{"by": {"ana"}, "back": {"/alerts/60"}})
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/alerts/60" {
		t.Fatalf("who = %d to %q, want 303 to /alerts/60", w.Code, w.Header().Get("Location"))
	}
	for _, back := range []string{"//evil.example", "https://evil.example", `/\evil.example`, ""} {
		if got := post(p, "/who", url.Values{"by": {"ana"}, "back": {back}}).Header().Get("Location"); got != "/" {
			t.Errorf("who with back %q goes to %q, want /", back, got)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/alerts/60", nil)
	r.AddCookie(w.Result().Cookies()[0])
	page := httptest.NewRecorder()
	p.ServeHTTP(page, r)
	says(t, page, 200, `<input type="hidden" name="by" value="ana">`, "until tomorrow 09:00 (Europe/Lisbon)")
	if forgotten := post(p, "/who", url.Values{"by": {" "}}).Result().Cookies(); len(forgotten) != 1 || forgotten[0].MaxAge >= 0 {
		t.Errorf("cookies = %v, want the name forgotten", forgotten)
	}
}

func TestLinksOfMessages(t *testing.T) {
	t.Parallel()
	_, sc := filled(t)
	var did []string
	var readErr, followErr error
	h := NewLinks(LinkOptions{
		Read: func(ctx context.Context, _ string) (engine.Link, tocsin.Alert, error) {
			var a tocsin.Alert
			err := sc.store.View(ctx, func(tx *store.Tx) (err error) {
				a, err = tx.Alert(60)
				return err
			})
			return engine.Link{Alert: 60, Do: notify.DoAcknowledge, Person: "ana"}, a, errors.Join(err, readErr)
		},
		Follow: func(ctx context.Context, token string) (notify.Reply, error) {
			if followErr != nil {
				return notify.Reply{}, followErr
			}
			did = append(did, token)
			a, err := sc.Acknowledge(ctx, 60, engine.Ask{By: "ana", Via: "link"})
			return notify.Reply{Text: "Acknowledged by ana at 03:07 UTC.", Alert: a}, err
		},
		Now: func() time.Time { return fixtureNow },
	})
	w := serve(h, http.MethodGet, "/act/link/abc")
	says(t, w, 200, "is calling a C2 server", "Acknowledge</button>", "in the name of ana, once")
	if len(did) != 0 {
		t.Fatalf("opening the link did %q", did)
	}
	for header, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "X-Frame-Options": "DENY",
	} {
		if got := w.Header().Get(header); got != want {
			t.Errorf("%s = %q, want %q", header, got, want)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("Content-Security-Policy = %q", csp)
	}
	if size := w.Body.Len(); size > 8<<10 {
		t.Errorf("the page has %d bytes, want at most 8 KiB", size)
	}
	for _, secret := range []string{"111122223333", "payments", "eu-west-1", "203.0.113.77", "i-0a1b2c3d4e5f60718</"} {
		if strings.Contains(w.Body.String(), secret) {
			t.Errorf("the page of a link says %q", secret)
		}
	}
	says(t, serve(h, http.MethodPost, "/act/link/abc"), 200, "Acknowledged by ana at 03:07 UTC.")
	says(t, serve(h, http.MethodGet, "/act/link/abc"), 200, "Nothing is left to do", "acknowledged by ana now")
	readErr, followErr = engine.ErrLinkOver, engine.ErrLinkOver
	says(t, serve(h, http.MethodGet, "/act/link/abc"), 410, "has expired")
	says(t, serve(h, http.MethodPost, "/act/link/abc"), 410, "has expired")
	readErr, followErr = engine.ErrLink, errors.New("a secret detail")
	says(t, serve(h, http.MethodGet, "/act/link/abc"), 404, "not a link of ours")
	if w := serve(h, http.MethodPost, "/act/link/abc"); w.Code != 503 || strings.Contains(w.Body.String(), "secret detail") {
		t.Errorf("a fault = %d: %s", w.Code, brief(w.Body.String()))
	}
	says(t, serve(h, http.MethodGet, "/act/link/"+strings.Repeat("a", 3000)), 404, "not a link of ours")
	says(t, serve(h, http.MethodGet, "/"), 404, "not a link of ours")
}

// A mailbox keeps what it is told.
type mailbox struct {
	mu   sync.Mutex
	told []notify.Message
}

func (m *mailbox) Notify(_ context.Context, one notify.Message) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, one)
	return "taken", nil
}

// The link of a message that the engine sent leads to the page, and works once.
func TestTheLinkOfAMessageThatWasSent(t *testing.T) {
	t.Parallel()
	box, plan := &mailbox{}, fixturePlan()
	sms := plan.Receivers["sms"]
	sms.Notifier = box
	plan.Receivers["sms"] = sms
	e, err := engine.New(t.Context(), engine.Options{Store: filledStore(t), Plan: plan, Now: func() time.Time { return fixtureNow }})
	if err != nil {
		t.Fatal(err)
	}
	event := tocsin.Event{Source: "org-topic", Via: "sns", ReceivedAt: fixtureNow, Raw: fixtureRaw(sketchAlert("fresh"))}
	if _, err := e.Accept(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := e.Drain(t.Context(), fixtureNow); err != nil {
			t.Fatal(err)
		}
	}
	link := ""
	for _, m := range box.told {
		for _, a := range m.Actions {
			if m.Person == "ana" && a.Do == notify.DoAcknowledge && m.Alert.Detection.ID == "fresh" {
				link = strings.TrimPrefix(a.URL, plan.ReachableAt)
			}
		}
	}
	if !strings.HasPrefix(link, LinkPath) {
		t.Fatalf("of %d messages none to ana has a link below %s: %q", len(box.told), LinkPath, link)
	}
	h := NewLinks(LinkOptions{Read: e.ReadLink, Follow: e.FollowLink, Now: func() time.Time { return fixtureNow }})
	says(t, serve(h, http.MethodGet, link), 200, "in the name of ana", "Acknowledge</button>")
	says(t, serve(h, http.MethodPost, link), 200, "Acknowledged by ana at 03:07 UTC.")
	says(t, serve(h, http.MethodPost, link), 200, "That was done already.")
	says(t, serve(h, http.MethodGet, link), 200, "acknowledged by ana")
	says(t, serve(h, http.MethodGet, link[:len(link)-3]), 404, "not a link of ours")
}

// sketchAlert is of a finding that nothing is known of yet.
func sketchAlert(id string) tocsin.Alert {
	a := fixtureAlert(0)
	a.Detection.ID = id
	return a
}

// A preview of what is to come agrees with what comes.
func TestAheadIsWhatHappens(t *testing.T) {
	t.Parallel()
	p := fixturePolicies()[0]
	w := newWorld([]tocsin.Person{{Name: "ana", Contacts: []tocsin.Contact{{ID: 1, VerifiedAt: longAgo}}}, {Name: "cy", Disabled: true}}, []tocsin.Team{{Name: "security", Members: []string{"ana", "cy"}}})
	p.Steps = []escalation.Step{
		{Targets: targets("person:cy"), Wait: minutes(5)},
		{Targets: targets("team:security"), Wait: minutes(10)},
		{Targets: targets("schedule:gone"), Wait: minutes(10)},
	}
	a := tocsin.Alert{Status: tocsin.StatusOpen, Worst: tocsin.High}
	s := escalation.Start(p, fixtureNow)
	a.Escalation = &s
	next, more := ahead(p, a, w, fixtureNow)
	var got []string
	for _, r := range next {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.When.At.Sub(fixtureNow), r.Title, strings.Join(append(r.People, r.Receivers...), " "), r.Missed)))
	}
	want := []string{
		"0s Step 1 of 3  skipped: cy: disabled",
		"0s Step 2 of 3 ana not cy: disabled",
		"10m0s Step 3 of 3  skipped: schedule gone: there is no such schedule",
		"10m0s Step 1 of 3, pass 2  skipped: cy: disabled",
		"10m0s Step 2 of 3, pass 2 ana not cy: disabled",
		"20m0s Step 3 of 3, pass 2  skipped: schedule gone: there is no such schedule",
		"20m0s Nobody answered: fallback payments-oncall",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("ahead =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if want := "Then the fallback is told again every 1h until somebody answers."; more != want {
		t.Errorf("and then %q, want %q", more, want)
	}
}

func TestColoursStay(t *testing.T) {
	t.Parallel()
	few := coloursOf([]string{"ana", "bo"})
	more := coloursOf([]string{"bo", "ana", "ana"})
	if few["ana"] != more["ana"] || few["bo"] != more["bo"] || few["ana"] == few["bo"] {
		t.Errorf("colours = %v, then %v; want the same, and two", few, more)
	}
	var everybody []string
	for i := range 30 {
		everybody = append(everybody, fmt.Sprintf("person-%d", i))
	}
	used := map[int]bool{}
	for _, c := range coloursOf(everybody) {
		used[c] = true
	}
	if len(used) != hues {
		t.Errorf("30 people have %d colours, want all %d", len(used), hues)
	}
}
