package web

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// render is a page's part within the layout.
func render[V any](t *testing.T, pg page[V], v V) string {
	t.Helper()
	var b bytes.Buffer
	if err := pg.t.ExecuteTemplate(&b, "main", v); err != nil {
		t.Fatalf("%T: %v", v, err)
	}
	return b.String()
}

// A state is one state of a page, rendered.
type state struct{ name, html string }

// gallery renders every page in every main state. With evil, every text that a
// finding, a sender or a person wrote is that instead.
func gallery(t *testing.T, evil func(string) string) []state {
	t.Helper()
	p := newPages(Options{})
	in := galleryInputs(evil)
	states := []state{}
	add := func(name, html string) { states = append(states, state{name, html}) }

	add("alerts-open", render(t, p.alertsPage, in.alerts.view()))
	filtered := in.alerts
	filtered.Query = alertQuery{Status: "all", Level: tocsin.High, Account: evil("payments-prod"), Region: evil("eu-west-1"), Type: evil("Back"), Text: evil("i-0*"), Sort: "count", Page: 2}
	filtered.Total = 312
	add("alerts-filtered", render(t, p.alertsPage, filtered.view()))
	none := in.alerts
	none.Alerts, none.Total, none.Totals = nil, 0, store.Totals{}
	add("alerts-no-source", render(t, p.alertsPage, none.view()))
	none.Sources = 1
	add("alerts-nothing-yet", render(t, p.alertsPage, none.view()))
	none.Activity = []store.SourceActivity{{Source: evil("org-topic"), LastEvent: ago(3 * time.Minute), Events: 9}}
	add("alerts-all-clear", render(t, p.alertsPage, none.view()))
	none.Query.Text = evil("nothing")
	add("alerts-no-match", render(t, p.alertsPage, none.view()))

	add("alert-open", render(t, p.alertPage, in.alert.view()))
	acked := in.alert
	acked.Alert, _ = acked.Alert.Acknowledge(evil("ana"), ago(time.Minute))
	acked.By = evil("ana")
	acked.Alert.Approvals = []string{evil("isolate-instance")}
	add("alert-acked", render(t, p.alertPage, acked.view()))
	snoozed := in.alert
	snoozed.Alert.SnoozedUntil, snoozed.Alert.SnoozedBy = fixtureNow.Add(time.Hour), evil("marek")
	add("alert-snoozed", render(t, p.alertPage, snoozed.view()))
	held := in.alert
	held.Alert.Held, held.Holder = &tocsin.Hold{By: "silence 1", Until: fixtureNow.Add(time.Hour), Tell: true}, &in.silences.Live[0]
	add("alert-held", render(t, p.alertPage, held.view()))
	unanswered := in.alert
	unanswered.Alert.Escalation = &tocsin.Escalation{Policy: evil("around-the-clock"), Version: olderPolicy().Version(), Pass: 1, Step: 3, At: fixtureNow.Add(time.Hour), Exhausted: true, FallbackTold: true}
	for i := range 9 {
		unanswered.Timeline = append(unanswered.Timeline, tocsin.Entry{At: ago(time.Duration(9-i) * time.Minute), Kind: "updated", By: evil("sns:org-topic"), Text: evil("count 1 → 2"), Event: int64(i + 1)})
	}
	add("alert-unanswered", render(t, p.alertPage, unanswered.view()))
	closed := in.alert
	closed.Alert, _ = closed.Alert.Close(evil("marek"), tocsin.ReasonFalsePositive, ago(time.Minute))
	closed.Timeline, closed.Notifications, closed.Events, closed.Newest = nil, nil, nil, nil
	add("alert-closed-and-forgotten", render(t, p.alertPage, closed.view()))

	add("inbound", render(t, p.inboundPage, in.inbound.view()))
	quiet := inboundInput{Now: fixtureNow}
	add("inbound-nothing-yet", render(t, p.inboundPage, quiet.view()))
	quiet.Query.Source = evil("org-topic")
	add("inbound-no-match", render(t, p.inboundPage, quiet.view()))
	for i, ev := range in.inbound.Events {
		if i == 0 || ev.Verdict == tocsin.Malformed {
			ev.Raw = []byte(evil(string(ev.Raw)))
			v := eventView{newEventRow(ev, in.inbound.Accounts, fixtureNow), newRaw(ev)}
			add("event-"+string(ev.Verdict), render(t, p.eventPage, v))
		}
	}

	peopleStates(t, p, in, evil, add)
	setupStates(t, p, in, evil, add)
	coverageStates(t, p, evil, add)

	add("notifications", render(t, p.notificationsPage, in.notifications.view()))
	add("notifications-none", render(t, p.notificationsPage, notificationsInput{Now: fixtureNow}.view()))
	add("sources", render(t, p.sourcesPage, in.sources.view()))
	add("sources-none", render(t, p.sourcesPage, sourcesInput{Now: fixtureNow}.view()))

	add("problem-conflict", render(t, p.problemPage, conflict(acked.Alert, fixtureNow)))
	add("problem-stale", render(t, p.problemPage, stale(acked.Alert, in.alert.Timeline[1:], fixtureNow)))
	add("problem-fault", render(t, p.problemPage, problem{Status: 500, Title: "Something went wrong here", Words: evil("words"), Next: "The log knows.", Href: evil("/"), Link: "Go", Reference: "ABCDEFGH"}))
	return states
}

type inputs struct {
	alerts        alertsInput
	alert         alertInput
	inbound       inboundInput
	notifications notificationsInput
	sources       sourcesInput
	people        personInput
	onCall        onCallInput
	schedule      scheduleInput
	policies      policiesInput
	silences      silencesInput
	preview       routing.Preview
	explanation   engine.Explanation
	report        reports.Report
	world         *world
}

// galleryInputs are small fixtures without a store.
func galleryInputs(evil func(string) string) (in inputs) {
	accounts := map[string]tocsin.Account{}
	for id, a := range fixtureAccounts {
		a.Name, a.Team, a.Environment = evil(a.Name), evil(a.Team), evil(a.Environment)
		accounts[id] = a
	}
	in.alerts = alertsInput{
		Query: alertQuery{Status: "open", Sort: "level", Page: 1}, Accounts: accounts, Now: fixtureNow, Total: 12,
		Totals: store.Totals{
			Alerts:        map[tocsin.Status]int64{tocsin.StatusOpen: 12, tocsin.StatusAcked: 1, tocsin.StatusClosed: 1204},
			OpenByLevel:   map[tocsin.Level]int64{tocsin.Critical: 1, tocsin.High: 4, tocsin.Medium: 3, tocsin.Low: 3, tocsin.Informational: 1},
			Notifications: map[tocsin.State]int64{tocsin.Parked: 1, tocsin.Failed: 1, tocsin.Pending: 1, tocsin.Delivered: 900},
			Verdicts:      map[tocsin.Verdict]int64{tocsin.Opened: 12, tocsin.Updated: 4, tocsin.Malformed: 1, tocsin.Duplicate: 2},
			OldestDue:     ago(5 * time.Minute),
		},
	}
	byID := map[int64]tocsin.Alert{}
	for n := range sketches {
		a := spoil(fixtureAlert(n), evil)
		a.ID = int64(n + 1)
		in.alerts.Alerts = append(in.alerts.Alerts, a)
		byID[a.ID] = a
		ev := tocsin.Event{
			Seq: int64(100 - n), Source: evil("org-topic"), Via: "sns", Envelope: evil("5f3a0c1e"), ReceivedAt: a.OpenedAt, Raw: fixtureRaw(a),
			Verdict: tocsin.Verdicts()[n%len(tocsin.Verdicts())], Rule: a.Rule, Reason: evil("because"), Alert: a.ID % 3, Deliveries: n%3 + 1,
			Type: a.Type, Account: a.Account, Region: a.Region, Level: a.Level,
		}
		if ev.Verdict == tocsin.Malformed {
			ev.Raw, ev.Unreadable = []byte("{\"a\": \xff\x00\u202e"), evil("not JSON")
		}
		ev.Size = len(ev.Raw)
		in.inbound.Events = append(in.inbound.Events, ev)
		for _, note := range fixtureNotifications(a, n) {
			note.ID = int64(len(in.notifications.Notifications) + 1)
			note.Receiver, note.Why, note.LastError = evil(note.Receiver), evil(note.Why), evil(note.LastError)
			in.notifications.Notifications = append(in.notifications.Notifications, *note)
			if note.State == tocsin.Parked {
				in.notifications.Parked = append(in.notifications.Parked, *note)
			}
		}
	}
	in.inbound.Accounts, in.inbound.Now, in.inbound.Totals, in.inbound.Sources = accounts, fixtureNow, in.alerts.Totals, []string{evil("org-topic")}
	in.notifications.Now, in.notifications.Totals, in.notifications.Alerts = fixtureNow, in.alerts.Totals, byID
	in.addPeople(evil)
	in.notifications.People, in.notifications.Receivers = in.people.People, in.people.Receivers
	in.notifications.Attempts = map[int64][]store.Attempt{5: {{N: 1, At: ago(time.Hour), Took: 80 * time.Millisecond, Error: evil("429 Too Many Requests")}, {N: 2, At: ago(30 * time.Minute), Took: 10 * time.Second, Error: evil("timeout")}}}
	in.alerts.People, in.alerts.By, in.alerts.Mine, in.alerts.Unanswered, in.alerts.Teams = in.people.People, evil("ana"), 2, 1, []string{evil("payments")}
	a := in.alerts.Alerts[0]
	in.alert = alertInput{Accounts: accounts, Now: fixtureNow, Alert: a, Events: in.inbound.Events[:2], Newest: &in.inbound.Events[0], Notifications: in.notifications.Notifications[:2]}
	in.alert.People, in.alert.Teams, in.alert.Policies, in.alert.OnCall = in.people.People, in.people.Teams, in.policies.Policies, in.onCall.OnCall
	in.alert.Policy, in.alert.World = &in.policies.Policies[0], in.world
	for _, e := range fixtureTimeline(a, 100) {
		e.By, e.Text = evil(e.By), evil(e.Text)
		in.alert.Timeline = append(in.alert.Timeline, e)
	}
	for _, s := range fixtureSources() {
		facts := func(fs []tocsin.Fact) (spoilt []tocsin.Fact) {
			for _, f := range fs {
				spoilt = append(spoilt, tocsin.Fact{Name: evil(f.Name), Value: evil(f.Value)})
			}
			return spoilt
		}
		in.sources.Sources = append(in.sources.Sources, SourceInfo{
			Name: evil(s.Name), Kind: s.Kind, Connect: facts(s.Connect),
			Status: collect.Status{State: s.Status.State, Lines: facts(s.Status.Lines)},
		})
	}
	in.sources.Accounts, in.sources.Now = accounts, fixtureNow
	in.sources.Activity = []store.SourceActivity{{Source: "org-topic", LastEvent: ago(time.Minute), Events: 1204}, {Source: evil("gone"), LastEvent: ago(90 * time.Hour), Events: 1}}
	in.sources.Coverage = []store.Coverage{
		{Account: "111122223333", Region: evil("eu-west-1"), LastEvent: ago(time.Minute), Events: 1000},
		{Account: "111122223333", Region: "us-east-1", LastEvent: ago(50 * time.Hour), Events: 200},
		{Account: evil("222233334444"), Region: "", LastEvent: ago(time.Hour), Events: 4},
	}
	return in
}

// spoil replaces every text of an alert.
func spoil(a tocsin.Alert, evil func(string) string) tocsin.Alert {
	for _, s := range []*string{
		&a.Headline, &a.Title, &a.Description, &a.Type, &a.Rule, &a.Account, &a.Region, &a.ReportedBy, &a.Command, &a.Console, &a.Documentation,
		&a.Resource.ID, &a.Resource.Name, &a.Resource.Type, &a.Detection.ID, &a.AckedBy, &a.ClosedBy, &a.Team, &a.Assignee, &a.SnoozedBy,
	} {
		*s = evil(*s)
	}
	a.Key = tocsin.Key(evil(string(a.Key)))
	if a.Tags != nil {
		a.Tags = map[string]string{evil("data"): evil("cardholder")}
	}
	if a.Escalation != nil {
		e := *a.Escalation
		e.Policy = evil(e.Policy)
		a.Escalation = &e
	}
	if a.Held != nil {
		h := *a.Held
		h.By = evil(h.By)
		a.Held = &h
	}
	for i := range a.Facts {
		a.Facts[i].Name, a.Facts[i].Value = evil(a.Facts[i].Name), evil(a.Facts[i].Value)
	}
	for i := range a.Paths {
		a.Paths[i] = evil(a.Paths[i])
	}
	for i := range a.Told {
		a.Told[i] = evil(a.Told[i])
	}
	return a
}

var blankLines = regexp.MustCompile(`\n\s*\n+`)

// TestGallery renders each state of each page and compares it with its golden file.
func TestGallery(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range gallery(t, func(s string) string { return s }) {
		file := filepath.Join("testdata", s.name+".golden.html")
		seen[file] = true
		got := strings.TrimSpace(blankLines.ReplaceAllString(s.html, "\n")) + "\n"
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v; write it with -update", err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s changed (-want +got); write it anew with -update if that is meant:\n%s", file, diff)
		}
	}
	files, err := filepath.Glob("testdata/*.golden.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !seen[file] {
			t.Errorf("%s is of no state of the gallery", file)
		}
	}
}

// hostile are texts that break out of pages that are careless. Each has the
// word OWNED where it would act.
var hostile = []string{
	`<script>OWNED()</script>`,
	`"><img src=x onerror=OWNED()>`,
	`' onmouseover='OWNED()`,
	`" autofocus onfocus="OWNED()`,
	`javascript:OWNED()`,
	`JaVaScRiPt&colon;OWNED()`,
	`data:text/html,<script>OWNED()</script>`,
	`</pre></code><svg/onload=OWNED()>`,
	`</title></textarea></option></select><iframe srcdoc=OWNED>`,
	`{{OWNED}}${OWNED}<%OWNED%>`,
	"\x00<scr\x00ipt>OWNED()</script>",
	"\u202e<b>OWNED</b>\u2066",
	`<!--<script>OWNED`,
	`http://evil.example/" onclick="OWNED()`,
}

// tags are all start tags of a page.
var tags = regexp.MustCompile(`<[a-zA-Z][^>]*>`)

// TestHostileTexts puts each hostile text everywhere: the tags of the page stay
// the same as with harmless text, and no link leads to a script.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	for i, text := range hostile {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			for _, s := range gallery(t, func(string) string { return text }) {
				for _, tag := range tags.FindAllString(s.html, -1) {
					name := strings.ToLower(strings.Fields(strings.Trim(tag, "<>"))[0])
					if name == "script" || name == "img" || name == "iframe" || name == "b" || strings.HasPrefix(name, "svg/") {
						t.Errorf("%s: %q made a tag: %s", s.name, text, tag)
					}
					if acts(tag) {
						t.Errorf("%s: %q made an attribute that acts: %s", s.name, text, tag)
					}
				}
				if strings.ContainsAny(s.html, "\x00\u202e\u2066") {
					t.Errorf("%s: %q came through with characters that deceive", s.name, text)
				}
			}
		})
	}
}

var (
	quoted   = regexp.MustCompile(`"[^"]*"`)
	onEvent  = regexp.MustCompile(`(?i)\son\w+\s*=`)
	scripted = regexp.MustCompile(`(?i)(href|action|src)="\s*(javascript|data|vbscript):`)
)

// acts reports whether a tag has a handler of events outside quotes, or leads to
// a script.
func acts(tag string) bool {
	return scripted.MatchString(tag) || onEvent.MatchString(quoted.ReplaceAllString(tag, `""`))
}

func TestActsSeesWhatActs(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]bool{
		`<a href="/" onclick=x>`:                 true,
		`<a href="javascript:x">`:                true,
		`<a href="/" title="onclick=x">`:         false,
		`<a href="/?q=javascript:x">`:            false,
		`<input value="" autofocus onfocus="x">`: true,
	} {
		if got := acts(tag); got != want {
			t.Errorf("acts(%s) = %t, want %t", tag, got, want)
		}
	}
}
