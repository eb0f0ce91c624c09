package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/coverage"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/reports"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// threeAM is when all of it is looked at.
var threeAM = time.Date(2026, 6, 12, 3, 0, 0, 0, time.UTC)

func before(d time.Duration) time.Time { return threeAM.Add(-d) }
func after(d time.Duration) time.Time  { return threeAM.Add(d) }

// berlin is in the zone in which shifts of a schedule in Berlin are told.
func berlin(day, hour int) time.Time {
	return time.Date(2026, 6, day, hour, 0, 0, 0, time.FixedZone("", 2*60*60))
}

// answers are what a server answers, by method and path.
type answers map[string]any

// serve notes what it is asked, and answers.
func (a answers) serve(asked *bytes.Buffer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(asked, "> %s %s\n", r.Method, r.URL.RequestURI())
		if len(body) > 0 {
			fmt.Fprintf(asked, "> %s\n", body)
		}
		switch answer := a[r.Method+" "+r.URL.Path].(type) {
		case nil:
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(api.Refusal{Error: "there is no answer to " + r.Method + " " + r.URL.Path})
		case api.Refusal:
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(answer)
		case api.Calendar:
			_, _ = w.Write(answer)
		default:
			_ = json.NewEncoder(w).Encode(answer)
		}
	})
}

// alert is one as it is at three in the morning, changed by change.
func alert(change func(*tocsin.Alert)) tocsin.Alert {
	a := tocsin.Alert{
		ID: 42, Version: 3, Status: tocsin.StatusOpen, Worst: tocsin.High, Occurrences: 21, Events: 4, OpenedAt: before(13 * time.Minute), ChangedAt: before(time.Minute),
		Detection: tocsin.Detection{
			ID: "60c2f9a1b7d84e0fa1c3d5e7f9012345", Type: "Backdoor:EC2/C&CActivity.B", Level: tocsin.High, Severity: 8,
			Account: "111122223333", Region: "eu-west-1", Headline: "EC2 i-0123 (web-1) is calling a C2 server",
			Console: "https://console.aws.amazon.com/guardduty/home", Command: "aws ec2 describe-instances --instance-ids i-0123",
			Facts: []tocsin.Fact{{Name: "Remote", Value: "198.51.100[.]23, Netherlands"}},
		},
	}
	if change != nil {
		change(&a)
	}
	return a
}

func alertsOfTheNight() api.Alerts {
	return api.Alerts{Total: 61, Alerts: []tocsin.Alert{
		alert(func(a *tocsin.Alert) {
			a.Team = "payments"
			a.Escalation = &tocsin.Escalation{Policy: "around-the-clock", Highest: 2, At: after(4 * time.Minute)}
		}),
		alert(func(a *tocsin.Alert) {
			a.ID, a.Level, a.Status, a.AckedBy, a.Assignee, a.Team = 43, tocsin.Critical, tocsin.StatusAcked, "ana", "ana", "soc"
			a.Headline = "attack sequence: compromised credentials of user deploy-bot"
			a.OpenedAt = before(50 * time.Hour)
		}),
		alert(func(a *tocsin.Alert) {
			a.ID, a.SnoozedUntil, a.SnoozedBy = 44, after(2*time.Hour), "bo"
			a.Headline = "bucket \x1b[2J\nID  LEVEL  \u202eevil"
		}),
		alert(func(a *tocsin.Alert) {
			a.ID, a.Held = 45, &tocsin.Hold{By: "silence 3", Until: after(time.Hour), Tell: true}
		}),
		alert(func(a *tocsin.Alert) { a.ID, a.Escalation = 46, &tocsin.Escalation{Exhausted: true, Highest: 3} }),
		alert(func(a *tocsin.Alert) { a.ID, a.Status = 47, tocsin.StatusClosed }),
	}}
}

func person() tocsin.Person {
	return tocsin.Person{
		Name: "ana", FullName: "Ana Ruiz", TimeZone: "Europe/Berlin", Quiet: &tocsin.Hours{From: "22:00", To: "07:00"}, Version: 4,
		High: []tocsin.NotificationRule{{Contact: 1}, {Contact: 2, Minutes: 5}},
		Contacts: []tocsin.Contact{
			{ID: 1, Person: "ana", Receiver: "sms", Address: "+4930123456", VerifiedAt: before(48 * time.Hour)},
			{ID: 2, Person: "ana", Receiver: "mail", Address: "ana@example.com"},
			{ID: 3, Person: "ana", Receiver: "voice", Address: "+4930123457", VerifiedAt: before(time.Hour), DisabledWhy: "failed for good three times in a row"},
		},
	}
}

func notifications() api.Notifications {
	return api.Notifications{Next: 7, Notifications: []api.Notification{
		{Notification: tocsin.Notification{ID: 9, Alert: 42, Receiver: "sms", Person: "ana", Kind: tocsin.TellOpened, State: tocsin.Pending, Why: "policy around-the-clock, step 2", CreatedAt: before(time.Minute), Attempts: 2, LastError: "429 Too Many Requests"}},
		{Notification: tocsin.Notification{ID: 8, Alert: 42, Receiver: "soc-slack", Kind: tocsin.TellOpened, State: tocsin.Delivered, Why: "route critical", CreatedAt: before(13 * time.Minute), Attempts: 1}},
		{Notification: tocsin.Notification{ID: 7, Receiver: "mail", Person: "bo", Kind: tocsin.TellCode, State: tocsin.Delivered, Why: "to verify the address", CreatedAt: before(26 * time.Hour), Attempts: 1}},
	}}
}

func silence() tocsin.Silence {
	return tocsin.Silence{
		ID: 3, Kind: tocsin.KindSilence, Pattern: json.RawMessage(`{"type":[{"prefix":"Recon:"}]}`), Author: "ana", Reason: "scan of the quarter",
		From: before(time.Hour), Until: after(7 * time.Hour), NotifyFrom: tocsin.High, Version: 1,
	}
}

func preview() routing.Preview {
	return routing.Preview{
		From: before(90 * 24 * time.Hour), To: threeAM, Alerts: 412, Notifications: 37, ByLevel: map[tocsin.Level]int{tocsin.Low: 410, tocsin.Medium: 2},
		ByType:    []routing.TypeCount{{Type: "Recon:EC2/PortProbeUnprotectedPort", Alerts: 400}, {Type: "Recon:EC2/Portscan", Alerts: 12}},
		Sequences: 1, Fixed: 1,
		Later: []routing.Later{
			{Alert: 7, Type: "Recon:EC2/Portscan", Level: tocsin.Medium, What: routing.LaterSequence, Sequence: 12, By: "finding 60c2"},
			{Alert: 9, Type: "Recon:EC2/Portscan", Level: tocsin.Medium, What: routing.LaterFixed},
		},
	}
}

func onCallNow() api.OnCall {
	return api.OnCall{At: threeAM, OnCall: []engine.OnCall{
		{Schedule: "soc", People: []string{"ana"}, Until: berlin(15, 9), Next: []string{"bo"}},
		{Schedule: "soc-second", People: nil, Until: berlin(12, 9), Next: []string{"cy", "di"}},
		{Schedule: "lead", People: []string{"eve"}},
	}}
}

func explanation() engine.Explanation {
	a := alert(nil)
	return engine.Explanation{
		At: threeAM, Verdict: tocsin.Opened, Rule: "guardduty", Alert: &a, Told: []string{"soc-slack", "ana"},
		Expected: []escalation.Expected{{Kind: escalation.Told, People: []string{"ana"}, Text: "step 1: told ana"}},
		Steps: []string{
			`event: 1834 bytes, type "Backdoor:EC2/C&CActivity.B", account payments-prod (111122223333), region eu-west-1`,
			"rule: rule guardduty matched: it is a detection, high",
			"key: aws/111122223333/eu-west-1/60c2",
			"fold: no alert of that key is open: a new one opens",
			"no   critical",
			`       no   level  is "high", want ["critical"]`,
			"yes  production: tells soc-slack; climbs policy around-the-clock",
			"owner: team payments, owner of account payments-prod (111122223333)",
			"told: soc-slack (production), policy around-the-clock (production)",
			"as: high, of team payments",
			"told: receiver soc-slack, by production",
			"after 0s: step 1: told ana",
			"after 10m: step 2: told bo",
			"verdict: opened",
		},
	}
}

// covered is a part of how three accounts stand in two regions.
func covered(q coverage.Query) coverage.Grid {
	const admin, payments, lab = "111122223333", "444455556666", "777788889999"
	w := coverage.World{
		Accounts: map[string]tocsin.Account{admin: {ID: admin, Name: "security", Team: "soc"}, payments: {ID: payments, Name: "payments-\x1b[2Jprod", Team: "payments"}, lab: {ID: lab, Regions: []string{}}},
		Heard:    []coverage.Heard{{Place: tocsin.Place{Account: payments, Region: "eu-west-1"}, Last: before(2 * time.Hour), Events: 7}},
	}
	saw := func(kind tocsin.SightingKind, id, region string, s tocsin.Sighting) {
		s.Kind, s.Place, s.Source, s.At = kind, tocsin.Place{Account: id, Region: region}, "guardduty", before(5*time.Minute)
		w.Sightings = append(w.Sightings, s)
	}
	for _, region := range []string{"eu-west-1", "us-east-1"} {
		saw(tocsin.SawDetector, admin, region, tocsin.Sighting{Detector: &tocsin.Detector{ID: "12abc", Enabled: true, Frequency: "SIX_HOURS"}})
		saw(tocsin.SawDetector, payments, region, tocsin.Sighting{Detector: &tocsin.Detector{ID: "34def", Enabled: region == "eu-west-1", Administrator: admin, Relationship: "Enabled"}})
		saw(tocsin.SawReconciliation, admin, region, tocsin.Sighting{Reconciliation: &tocsin.Reconciliation{From: before(time.Hour), Until: before(5 * time.Minute), Every: 15 * time.Minute, API: 12, Received: 11, Recovered: 1}})
		w.Canaries = append(w.Canaries, tocsin.Canary{Place: tocsin.Place{Account: admin, Region: region}, Source: "canaries", SentAt: before(2 * time.Minute), Due: after(time.Minute), ArrivedAt: before(118 * time.Second), Path: "sqs:findings"})
	}
	return coverage.Judge(w, threeAM).Only(q)
}

func latencies() reports.LatencyReport {
	stages := func(skewed int, p50 ...float64) (all []reports.StageTimes) {
		for i, s := range reports.Stages() {
			one := reports.StageTimes{Stage: s}
			if p50[i] > 0 {
				one = reports.StageTimes{Stage: s, Count: 40 - i, P50: p50[i], P90: 2 * p50[i], P99: 5 * p50[i], Max: 9 * p50[i]}
			}
			all = append(all, one)
		}
		all[2].Skewed = skewed
		return all
	}
	return reports.LatencyReport{
		From: before(7 * 24 * time.Hour), To: threeAM, Openings: 40, Cut: true, Stages: stages(2, 310, 45, 0.6, 0.02, 240),
		ByAccount: []reports.LatencyGroup{{Name: "111122223333", Openings: 38, Stages: stages(2, 310, 45, 0.6, 0.02, 240)}, {Name: "", Openings: 2, Stages: stages(0, 0, 0, 0.5, 0.02, 0)}},
		ByRegion:  []reports.LatencyGroup{{Name: "eu-west-1", Openings: 40, Stages: stages(2, 310, 45, 0.6, 0.02, 240)}},
		ByRoute:   []reports.LatencyGroup{{Name: "payments", Openings: 40, Stages: stages(2, 310, 45, 0.6, 0.02, 240)}},
		Canaries: []reports.CanaryTime{
			{Source: "canaries", Account: "111122223333", Region: "eu-west-3", SentAt: before(time.Minute), Seconds: 1.4, Path: "sqs:org-queue"},
			{Source: "canaries", Account: "111122223333", Region: "us-east-1", SentAt: before(time.Minute), Skewed: true, Path: "sqs:org-queue"},
		},
	}
}

func report() reports.Report {
	all := reports.Answers{
		Episodes: 120, Open: 3, Untold: 1, Unacked: 20,
		TTN:       reports.Measure{Count: 119, Mean: 1.2, Median: 0.8, P90: 2.4},
		TTA:       reports.Measure{Count: 100, Mean: 600, Median: 310, P90: 1200},
		TTR:       reports.Measure{Count: 117, Mean: 9000, Median: 5400, P90: 90000},
		Escalated: reports.Share{Count: 9, Percent: 7.5}, Unanswered: reports.Share{Count: 1, Percent: 0.8},
	}
	return reports.Report{
		From: before(30 * 24 * time.Hour), To: threeAM, Answers: all, LeftOut: reports.LeftOut{Tests: 2, Suppressed: 40},
		ByLevel:     []reports.Group{{Name: "critical", Answers: reports.Answers{Episodes: 2}}, {Name: "high", Answers: all}},
		ByTeam:      []reports.Group{{Name: "", Answers: reports.Answers{Episodes: 1}}, {Name: "payments", Answers: all}},
		People:      []reports.Load{{Person: "ana", Notifications: 61, Interruptions: 7}},
		NoiseByRule: []reports.Noise{{Name: "guardduty", Closed: 100, FalsePositive: 10, Expected: 5, Percent: 15}, {Name: "root was used", Closed: 2}},
		NoiseByType: []reports.Noise{{Name: "Recon:EC2/Portscan", Closed: 12, FalsePositive: 10, Percent: 83.3}},
		Schedules:   []reports.Coverage{{Schedule: "soc", Hours: 720, CoveredHours: 718.5, Percent: 99.8}},
	}
}

// Each command at three in the morning: what is asked of the server, and what is
// printed.
func TestWhatCommandsAskAndPrint(t *testing.T) {
	t.Setenv("TOCSIN_SERVER", "")
	t.Setenv("TOCSIN_CONFIG", "")
	event := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(event, []byte("{\"source\": \"aws.guardduty\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shown := api.Alert{
		Alert: alert(func(a *tocsin.Alert) {
			a.Team, a.Assignee, a.Previous = "payments", "ana", 17
			a.Status, a.AckedBy, a.AckedAt, a.AckExpires = tocsin.StatusAcked, "ana", before(5*time.Minute), after(3*time.Hour+55*time.Minute)
			a.Escalation = &tocsin.Escalation{Policy: "around-the-clock", Highest: 1, Ended: "acknowledged"}
			a.Tags = map[string]string{"runbook": "c2", "cost": "4711"}
		}),
		Timeline:      []tocsin.Entry{{At: before(13 * time.Minute), Kind: "opened", By: "sns:org-topic"}, {At: before(5 * time.Minute), Kind: "acknowledged", By: "ana", Text: "on it\nat once"}},
		Notifications: notifications().Notifications,
	}
	held := api.Alert{Alert: alert(func(a *tocsin.Alert) {
		a.Held = &tocsin.Hold{By: "silence 3", Until: after(time.Hour), Tell: true}
		a.SnoozedUntil, a.SnoozedBy = after(2*time.Hour), "bo"
		a.Escalation = &tocsin.Escalation{Policy: "office-hours", At: after(6 * time.Hour)}
	})}
	again := alert(func(a *tocsin.Alert) { a.SnoozedUntil = after(2 * time.Hour) })
	override := oncall.Override{ID: "7", Schedule: "soc", Kind: oncall.Replace, People: []string{"ana"}, With: []string{"bo"}, From: threeAM, Until: after(8 * time.Hour), By: "ana", Reason: "dentist"}
	for _, tt := range []struct {
		name    string
		args    []string
		stdin   string
		answers answers
		code    int
	}{
		{name: "alerts-list", args: []string{"alerts", "list", "--team", "payments", "--unanswered"}, answers: answers{"GET /api/alerts": alertsOfTheNight()}},
		{name: "alerts-list-nobodys", args: []string{"alerts", "list", "--status", "all"}, answers: answers{"GET /api/alerts": api.Alerts{Total: 1, Alerts: []tocsin.Alert{alert(nil)}}}},
		{name: "alerts-show", args: []string{"alerts", "show", "#42"}, answers: answers{"GET /api/alerts/42": shown}},
		{name: "alerts-show-held", args: []string{"alerts", "show", "42"}, answers: answers{"GET /api/alerts/42": held}},
		{name: "alerts-ack", args: []string{"alerts", "ack", "42", "--note", "on it"}, answers: answers{"POST /api/alerts/42/acknowledge": alert(nil)}},
		{name: "alerts-ack-late", args: []string{"alerts", "ack", "42"}, answers: answers{"POST /api/alerts/42/acknowledge": api.Refusal{Error: "alert 42: already acknowledged by bo at 2026-06-12T02:58:00Z"}}, code: exitFailed},
		{name: "alerts-ack-several", args: []string{"alerts", "ack", "42", "43"}, code: exitFailed, answers: answers{"POST /api/alerts/acknowledge": api.Results{Results: []api.Result{
			{ID: 42, Status: 200, Alert: new(alert(nil))}, {ID: 43, Status: 409, Error: "alert 43: already closed by guardduty (archived) at 2026-06-12T02:58:00Z"},
		}}}},
		{name: "alerts-unack", args: []string{"alerts", "unack", "42"}, answers: answers{"POST /api/alerts/42/unacknowledge": alert(nil)}},
		{name: "alerts-assign", args: []string{"alerts", "assign", "42", "bo"}, answers: answers{"POST /api/alerts/42/assign": alert(nil)}},
		{name: "alerts-snooze", args: []string{"alerts", "snooze", "42", "--until", "2h"}, answers: answers{"POST /api/alerts/42/snooze": again}},
		{name: "alerts-escalate", args: []string{"alerts", "escalate", "42"}, answers: answers{"POST /api/alerts/42/escalate": alert(nil)}},
		{name: "alerts-reassign", args: []string{"alerts", "reassign", "42", "--team", "payments", "--policy", "office-hours"}, answers: answers{"POST /api/alerts/42/reassign": alert(nil)}},
		{name: "alerts-apply-policy", args: []string{"alerts", "apply-policy", "42"}, answers: answers{"POST /api/alerts/42/apply-policy": alert(nil)}},
		{name: "alerts-close", args: []string{"alerts", "close", "42", "--reason", "expected", "--note", "our scanner", "--mute-until", "30d"}, answers: answers{"POST /api/alerts/42/close": alert(nil)}},
		{name: "alerts-close-several", args: []string{"alerts", "close", "42", "42", "--reason", "fixed"}, answers: answers{"POST /api/alerts/close": api.Results{Results: []api.Result{{ID: 42, Status: 200, Alert: new(alert(nil))}}}}},
		{name: "alerts-note", args: []string{"alerts", "note", "42", "the", "scanner", "is", "ours"}, answers: answers{"POST /api/alerts/42/note": alert(nil)}},

		{name: "notifications", args: []string{"notifications", "--alert", "42", "--state", "failed,parked", "--since", "-7d"}, answers: answers{"GET /api/notifications": notifications()}},
		{name: "notifications-show", args: []string{"notifications", "show", "9"}, answers: answers{"GET /api/notifications/9": api.Notification{
			Notification: tocsin.Notification{ID: 9, Alert: 42, Receiver: "sms", Person: "ana", Kind: tocsin.TellOpened, State: tocsin.Pending, Why: "policy around-the-clock, step 2", CreatedAt: before(time.Minute), Due: after(time.Minute), Deadline: after(time.Hour), Attempts: 2, LastError: "429 Too Many Requests"},
			Tries:        []api.Attempt{{N: 1, At: before(time.Minute), TookMillis: 231, Error: "429 Too Many Requests"}},
		}}},
		{name: "notifications-retry", args: []string{"notifications", "retry", "9"}, answers: answers{"POST /api/notifications/9/retry": api.Done{ID: 9}}},

		{name: "silence-list", args: []string{"silence", "list", "--state", "all"}, answers: answers{"GET /api/silences": api.Silences{Next: 3, Silences: []tocsin.Silence{
			{ID: 5, Kind: tocsin.KindMute, Key: "aws/111122223333/eu-west-1/60c2", Author: "bo", Reason: "closed as expected", Until: after(30 * 24 * time.Hour)},
			{ID: 4, Kind: tocsin.KindMaintenance, Pattern: json.RawMessage(`{"account":["444455556666"]}`), Author: "cy", Reason: "patches", Until: after(90 * 24 * time.Hour), Every: &tocsin.Recurrence{}},
			silence(),
			{ID: 2, Kind: tocsin.KindSilence, Pattern: json.RawMessage(`{}`), Author: "ana", Until: after(time.Hour), EndedAt: before(time.Hour)},
			{ID: 1, Kind: tocsin.KindSilence, Pattern: json.RawMessage(`{}`), Author: "ana", From: before(2 * time.Hour), Until: before(time.Hour)},
			{ID: 0, Kind: tocsin.KindSilence, Pattern: json.RawMessage(`{}`), Author: "ana", From: after(2 * time.Hour), Until: after(3 * time.Hour)},
		}}}},
		{name: "silence-show", args: []string{"silence", "show", "3"}, answers: answers{"GET /api/silences/3": func() tocsin.Silence {
			s := silence()
			s.Every = &tocsin.Recurrence{TimeZone: "Europe/Berlin", Weekdays: []string{"sat", "sun"}, From: "22:00", To: "02:00"}
			s.EndedAt, s.EndedBy = before(time.Minute), "bo"
			return s
		}()}},
		{name: "silence-preview", args: []string{"silence", "preview", "--days", "90", "--pattern", `{"type": [{"prefix": "Recon:"}]}`}, answers: answers{"POST /api/silences/preview": preview()}},
		{name: "silence-create", stdin: "yes\n", args: []string{"silence", "create", "--pattern", `{"type": [{"prefix": "Recon:"}]}`, "--until", "8h", "--reason", "scan of the quarter", "--notify-from", "medium"}, answers: answers{"POST /api/silences/preview": preview(), "POST /api/silences": silence()}},
		{name: "silence-create-not", stdin: "n\n", args: []string{"silence", "create", "--pattern", `{}`, "--until", "8h", "--reason", "x"}, answers: answers{"POST /api/silences/preview": preview()}, code: exitFailed},
		{name: "silence-create-no-answer", args: []string{"silence", "create", "--pattern", `{}`, "--until", "8h", "--reason", "x"}, answers: answers{"POST /api/silences/preview": preview()}, code: exitFailed},
		{name: "silence-create-json", args: []string{"silence", "create", "--json", "-y", "--kind", "maintenance", "--every", "sat,sun 22:00-02:00 Europe/Berlin", "--pattern", `{}`, "--until", "30d", "--reason", "x"}, answers: answers{"POST /api/silences/preview": preview(), "POST /api/silences": silence()}},
		{name: "silence-end", args: []string{"silence", "end", "3"}, answers: answers{"POST /api/silences/3/end": func() tocsin.Silence { s := silence(); s.EndedBy = "ana"; return s }()}},
		{name: "silence-report", args: []string{"silence", "report", "3"}, answers: answers{"GET /api/silences/3/report": func() routing.Preview { p := preview(); p.Hid = true; return p }()}},

		{name: "on-call", args: []string{"on-call"}, answers: answers{"GET /api/on-call": onCallNow()}},
		{name: "on-call-one", args: []string{"on-call", "soc", "--at", "2026-06-12T05:00:00+02:00"}, answers: answers{"GET /api/on-call": onCallNow()}},
		{name: "on-call-one-json", args: []string{"on-call", "lead", "--json"}, answers: answers{"GET /api/on-call": onCallNow()}},
		{name: "on-call-unknown", args: []string{"on-call", "sco"}, answers: answers{"GET /api/on-call": onCallNow()}, code: exitFailed},
		{name: "on-call-shifts", args: []string{"on-call", "shifts", "soc", "--to", "2026-06-20"}, answers: answers{"GET /api/schedules/soc/shifts": api.Shifts{Shifts: []oncall.Shift{
			{Schedule: "soc", Start: berlin(8, 9), End: berlin(15, 9), People: []string{"ana"}, Layers: []string{"layer 1"}},
			{Schedule: "soc", Start: berlin(15, 9), End: berlin(15, 20), People: []string{"bo", "cy"}, Layers: []string{"layer 1"}, Overrides: []string{"7"}},
		}}}},
		{name: "on-call-gaps", args: []string{"on-call", "gaps"}, answers: answers{
			"GET /api/schedules":          api.Schedules{Schedules: []engine.ScheduleInfo{{Schedule: oncall.Schedule{Name: "soc"}}, {Schedule: oncall.Schedule{Name: "a/b"}}}},
			"GET /api/schedules/soc/gaps": api.Gaps{Gaps: []oncall.Gap{{Schedule: "soc", Start: berlin(20, 0), End: berlin(22, 9)}}},
			"GET /api/schedules/a/b/gaps": api.Gaps{},
		}},
		{name: "on-call-no-gaps", args: []string{"on-call", "gaps", "soc"}, answers: answers{"GET /api/schedules/soc/gaps": api.Gaps{}}},
		{name: "on-call-overrides", args: []string{"on-call", "overrides", "soc"}, answers: answers{"GET /api/overrides": api.Overrides{Overrides: []oncall.Override{
			override,
			{ID: "8", Kind: oncall.Remove, People: []string{"cy"}, From: threeAM, Until: after(24 * time.Hour), By: "cy"},
			{ID: "9", Schedule: "soc", Kind: oncall.Add, People: []string{"cy", "di"}, From: threeAM, Until: after(24 * time.Hour), By: "cy"},
			{ID: "10", Schedule: "soc", Kind: oncall.Set, People: []string{"eve"}, From: threeAM, Until: after(24 * time.Hour), By: "cy"},
		}}}},
		{name: "on-call-override", args: []string{"on-call", "override", "soc", "--replace", "ana", "--with", "bo", "--from", "now", "--until", "8h", "--reason", "dentist"}, answers: answers{"POST /api/overrides": override}},
		{name: "on-call-override-everywhere", args: []string{"on-call", "override", "--all", "--remove", "ana", "--until", "2026-06-20"}, answers: answers{"POST /api/overrides": func() oncall.Override {
			o := override
			o.Schedule, o.Kind, o.With = "", oncall.Remove, nil
			return o
		}()}},
		{name: "on-call-end", args: []string{"on-call", "end", "7"}, answers: answers{"POST /api/overrides/7/end": api.OverrideDone{ID: "7"}}},
		{name: "on-call-ical", args: []string{"on-call", "ical", "soc"}, answers: answers{"GET /api/schedules/soc.ics": api.Calendar("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")}},
		{name: "on-call-ical-person", args: []string{"on-call", "ical", "--person", "ana"}, answers: answers{"GET /api/people/ana.ics": api.Calendar("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")}},

		{name: "people-list", args: []string{"people", "list"}, answers: answers{"GET /api/people": api.People{People: []tocsin.Person{person(), {Name: "bo"}, {Name: "cy", Disabled: true}}}}},
		{name: "people-show", args: []string{"people", "show", "ana"}, answers: answers{"GET /api/people/ana": person()}},
		{name: "people-show-new", args: []string{"people", "show", "bo"}, answers: answers{"GET /api/people/bo": tocsin.Person{Name: "bo"}}},
		{name: "people-add", args: []string{"people", "add", "ana", "--full-name", "Ana Ruiz", "--time-zone", "Europe/Berlin", "--quiet", "22:00-07:00"}, answers: answers{"PUT /api/people/ana": person()}},
		{name: "people-set", args: []string{"people", "set", "ana", "--quiet", "none", "--high", "1,2+10m", "--disabled"}, answers: answers{"GET /api/people/ana": person(), "PUT /api/people/ana": func() tocsin.Person {
			p := person()
			p.Quiet, p.Disabled, p.High[1].Minutes = nil, true, 10
			return p
		}()}},
		{name: "contact-add", args: []string{"people", "contact", "add", "ana", "sms", "+4930123456"}, answers: answers{"POST /api/people/ana/contacts": person().Contacts[0]}},
		{name: "contact-verify", args: []string{"people", "contact", "verify", "1", "123456"}, answers: answers{"POST /api/contacts/1/verify": person().Contacts[0]}},
		{name: "contact-send-code", args: []string{"people", "contact", "send-code", "1"}, answers: answers{"POST /api/contacts/1/send-code": person().Contacts[0]}},
		{name: "contact-enable", args: []string{"people", "contact", "enable", "3"}, answers: answers{"POST /api/contacts/3/enable": person().Contacts[2]}},
		{name: "contact-remove", args: []string{"people", "contact", "remove", "1"}, answers: answers{"POST /api/contacts/1/remove": api.Done{ID: 1}}},

		{name: "routes-dead", args: []string{"routes", "dead", "--days", "30"}, answers: answers{"GET /api/routes/dead": api.DeadRoutes{Days: 30, Dead: []routing.Dead{
			{What: "route", Name: "old web", Tally: routing.Tally{Count: 7, Last: before(40 * 24 * time.Hour)}},
			{What: "route", Name: "never", Tally: routing.Tally{Since: before(50 * 24 * time.Hour)}},
			{What: "receiver", Name: "pager"},
		}}}},
		{name: "routes-alive", args: []string{"routes", "dead"}, answers: answers{"GET /api/routes/dead": api.DeadRoutes{Days: 90}}},

		{name: "coverage", args: []string{"coverage"}, answers: answers{"GET /api/coverage": covered(coverage.Query{})}},
		{name: "coverage-gaps", args: []string{"coverage", "--gaps", "--fail-on-gap"}, code: exitFailed, answers: answers{"GET /api/coverage": covered(coverage.Query{Gaps: true})}},
		{name: "coverage-account", args: []string{"coverage", "--account", "payments", "--region", "eu-west-1", "--fail-on-gap"}, answers: answers{"GET /api/coverage": covered(coverage.Query{Account: "payments", Region: "eu-west-1"})}},
		{name: "coverage-nothing", args: []string{"coverage"}, answers: answers{"GET /api/coverage": coverage.Judge(coverage.World{}, threeAM)}},
		{name: "reports", args: []string{"reports", "--from", "-30d"}, answers: answers{"GET /api/reports": report()}},
		{name: "reports-latency", args: []string{"reports", "latency", "--from", "-7d", "--region", "eu-west-1"}, answers: answers{"GET /api/reports/latency": latencies()}},
		{name: "reports-latency-nothing", args: []string{"reports", "latency"}, answers: answers{"GET /api/reports/latency": reports.JudgeLatency(reports.LatencyFacts{From: before(time.Hour), To: threeAM})}},
		{name: "reports-nothing", args: []string{"reports"}, answers: answers{"GET /api/reports": reports.Report{From: before(time.Hour), To: threeAM}}},

		{name: "explain", args: []string{"explain", event}, answers: answers{"POST /api/explain": explanation()}},
		{name: "explain-live", args: []string{"explain", event}, answers: answers{"POST /api/explain": func() engine.Explanation {
			x := explanation()
			x.Verdict, x.Live, x.Steps = tocsin.Updated, 42, x.Steps[:4]
			return x
		}()}},
		{name: "explain-filtered", args: []string{"explain", event}, answers: answers{"POST /api/explain": engine.Explanation{
			At: threeAM, Verdict: tocsin.Filtered, Reason: "no rule matched", Steps: []string{"event: 27 bytes", "rule: none: no rule matched", "verdict: filtered"},
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked, out, errOut bytes.Buffer
			server := httptest.NewServer(tt.answers.serve(&asked))
			defer server.Close()
			s := &shell{in: strings.NewReader(tt.stdin), out: &out, err: &errOut, now: func() time.Time { return threeAM }}
			args := append(slices.Clone(tt.args), "--server", server.URL)
			if byWhom(tt.args) {
				args = append(args, "--by", "ana")
			}
			code := s.run(t.Context(), args)
			if code != tt.code {
				t.Errorf("tocsin %s exits with %d, want %d; it says %s", strings.Join(tt.args, " "), code, tt.code, errOut.String())
			}
			line := strings.ReplaceAll(strings.Join(tt.args, " "), event, "event.json")
			golden(t, tt.name, fmt.Sprintf("$ tocsin %s\n%s\n%s%s", line, asked.String(), out.String(), errOut.String()))
		})
	}
}

// byWhom reports whether the command takes --by.
func byWhom(args []string) bool {
	c, _, err := rootCommand(&shell{in: strings.NewReader(""), out: io.Discard, err: io.Discard}).Find(args)
	return err == nil && c.Flags().Lookup("by") != nil
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
