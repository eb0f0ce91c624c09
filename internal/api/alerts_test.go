package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/store"
)

func TestListsAreFilteredSortedAndCut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ask(t, h, "POST", "/api/alerts/2/acknowledge", `{"by":"ana"}`, 200, nil)
	check(t, h.store.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.Alert(3)
		if err != nil {
			return err
		}
		a.Escalation = &tocsin.Escalation{Policy: "around-the-clock", Version: "1", Exhausted: true}
		return tx.Save(&a)
	}))
	for _, tt := range []struct {
		name, query string
		want        []int64
		total       int64
	}{
		{"worst first", "", []int64{3, 1, 2}, 3},
		{"newest first", "?sort=newest", []int64{3, 2, 1}, 3},
		{"by status", "?status=acked", []int64{2}, 1},
		{"by any of two statuses", "?status=acked&status=open", []int64{3, 1, 2}, 3},
		{"at least a level", "?level=high", []int64{3, 1}, 2},
		{"by account", "?account=444455556666", []int64{2}, 1},
		{"by region", "?region=us-east-1", []int64{3, 2}, 2},
		{"by the beginning of the type", "?type=Backdoor:", []int64{1}, 1},
		{"by text, with a star", "?text=web*spam", []int64{1}, 1},
		{"by team", "?team=payments", []int64{1}, 1},
		{"by assignee", "?assignee=ana", []int64{2}, 1},
		{"what nobody answered", "?unanswered=true", []int64{3}, 1},
		{"answered or not", "?unanswered=false", []int64{3, 1, 2}, 3},
		{"a page of it: the total is of all", "?limit=1&offset=1", []int64{1}, 3},
		{"a parameter that is empty is none", "?account=&level=", []int64{3, 1, 2}, 3},
		{"nothing", "?account=000000000000", nil, 0},
	} {
		var list api.Alerts
		header := ask(t, h, "GET", "/api/alerts"+tt.query, "", 200, &list)
		if got := ids(list); !slices.Equal(got, tt.want) || list.Total != tt.total {
			t.Errorf("%s: %s gives %v of %d, want %v of %d", tt.name, tt.query, got, list.Total, tt.want, tt.total)
		}
		for name, want := range map[string]string{"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
			if header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", tt.name, name, header.Get(name), want)
			}
		}
	}
	var raw map[string]json.RawMessage
	ask(t, h, "GET", "/api/alerts?account=000000000000", "", 200, &raw)
	if string(raw["alerts"]) != "[]" {
		t.Errorf("no alerts are %s, want an empty list", raw["alerts"])
	}
}

func TestOneAlertComesWithItsTimelineNotificationsAndAttempts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.fail(t, 1)
	var a api.Alert
	ask(t, h, "GET", "/api/alerts/1", "", 200, &a)
	if a.ID != 1 || a.Headline == "" || len(a.Timeline) != 1 || len(a.Notifications) != 1 || a.Notifications[0].Receiver != "soc" {
		t.Errorf("got %+v", a)
	}
	if tries := a.Notifications[0].Tries; len(tries) != 1 || tries[0].N != 1 || tries[0].TookMillis != 250 || tries[0].Error != "503 Service Unavailable" {
		t.Errorf("tries are %+v", a.Notifications[0].Tries)
	}
}

// fail has an attempt at the notification fail, so that it is tried again.
func (h house) fail(t *testing.T, id int64) {
	t.Helper()
	check(t, h.store.Update(t.Context(), func(tx *store.Tx) error {
		claimed, err := tx.Claim("soc", night, time.Minute, 1)
		if err != nil || len(claimed) != 1 || claimed[0].ID != id {
			return fmt.Errorf("claimed %v: %w", claimed, err)
		}
		_, err = tx.Settle([]store.Settlement{{
			ID: id, Attempts: 1, State: tocsin.Pending, Due: night.Add(time.Minute), At: night.Add(time.Second), Error: "503 Service Unavailable",
			Started: night, Took: 250 * time.Millisecond,
		}})
		return err
	}))
}

func TestAnAlertIsAcknowledgedOnceAndClosedOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var a tocsin.Alert
	ask(t, h, "POST", "/api/alerts/1/acknowledge", `{"by":"ana"}`, 200, &a)
	if a.Status != tocsin.StatusAcked || a.AckedBy != "ana" || !a.AckedAt.Equal(night.Add(time.Hour)) {
		t.Errorf("acknowledged: %+v", a)
	}
	var refusal api.Refusal
	ask(t, h, "POST", "/api/alerts/1/acknowledge", `{"by":"bob"}`, 409, &refusal)
	if !strings.Contains(refusal.Error, "already acknowledged by ana at 2026-06-12T03:30:00Z") {
		t.Errorf("the second is told %q", refusal.Error)
	}
	if refusal.Alert == nil || refusal.Alert.AckedBy != "ana" {
		t.Errorf("the second is shown %+v, want the alert as it is", refusal.Alert)
	}
	ask(t, h, "POST", "/api/alerts/1/close", `{"by":"ana","reason":"fixed","note":"terminated"}`, 200, &a)
	if a.Status != tocsin.StatusClosed || a.CloseReason != tocsin.ReasonFixed {
		t.Errorf("closed: %+v", a)
	}
	ask(t, h, "POST", "/api/alerts/1/close", `{"by":"bob","reason":"expected"}`, 409, &refusal)
	if !strings.Contains(refusal.Error, "already closed by ana (fixed)") {
		t.Errorf("the second is told %q", refusal.Error)
	}
	var whole api.Alert
	ask(t, h, "GET", "/api/alerts/1", "", 200, &whole)
	last := whole.Timeline[len(whole.Timeline)-1]
	if last.Kind != "closed" || last.By != "ana" || !strings.Contains(last.Text, "fixed: terminated") {
		t.Errorf("afterwards: %+v", last)
	}
}

func TestAStaleChangeIsRefusedWithThePresentState(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var a tocsin.Alert
	ask(t, h, "POST", "/api/alerts/1/note", `{"by":"bo","note":"looking"}`, 200, &a)
	var refusal api.Refusal
	ask(t, h, "POST", "/api/alerts/1/acknowledge", `{"by":"ana","version":1}`, 409, &refusal)
	if refusal.Alert == nil || refusal.Alert.Version != a.Version || refusal.Alert.Status != tocsin.StatusOpen {
		t.Errorf("refused with %+v, want the alert of version %d", refusal.Alert, a.Version)
	}
	ask(t, h, "POST", "/api/alerts/1/acknowledge", fmt.Sprintf(`{"by":"ana","version":%d}`, a.Version), 200, &a)
	if a.Status != tocsin.StatusAcked {
		t.Errorf("it is %s", a.Status)
	}
}

func TestWhatPeopleDoWithAnAlert(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	at := func(a tocsin.Alert) string {
		return strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Status, a.Assignee, a.Team))
	}
	for _, tt := range []struct{ name, what, body, want string }{
		{"assigned", "assign", `{"by":"ana","to":"bo"}`, "acked bo payments"},
		{"given back", "unacknowledge", `{"by":"bo","note":"not mine"}`, "open  payments"},
		{"handed to another team", "reassign", `{"by":"ana","team":"soc"}`, "open  soc"},
		{"escalated", "escalate", `{"by":"ana"}`, "open  soc"},
		{"snoozed for a while", "snooze", `{"by":"ana","for":"2h"}`, "open  soc"},
		{"snoozed until a time", "snooze", `{"by":"ana","until":"2026-06-12T09:00:00+02:00"}`, "open  soc"},
		{"noted", "note", `{"by":"ana","note":"the scanner is ours"}`, "open  soc"},
		{"closed and muted", "close", `{"by":"ana","reason":"false_positive","mute_until":"2026-07-12T00:00:00Z"}`, "closed  soc"},
	} {
		var a tocsin.Alert
		ask(t, h, "POST", "/api/alerts/1/"+tt.what, tt.body, 200, &a)
		if got := at(a); got != tt.want {
			t.Errorf("%s: it is %q, want %q", tt.name, got, tt.want)
		}
		if tt.name == "snoozed for a while" && !a.SnoozedUntil.Equal(night.Add(3*time.Hour)) {
			t.Errorf("snoozed until %s, want two hours from now", a.SnoozedUntil)
		}
		if tt.name == "snoozed until a time" && !a.SnoozedUntil.Equal(time.Date(2026, 6, 12, 7, 0, 0, 0, time.UTC)) {
			t.Errorf("snoozed until %s", a.SnoozedUntil)
		}
	}
	var muted api.Silences
	ask(t, h, "GET", "/api/silences", "", 200, &muted)
	if len(muted.Silences) != 1 || muted.Silences[0].Kind != tocsin.KindMute || muted.Silences[0].Key != "a" {
		t.Errorf("silences are %+v, want a mute of the alert's key", muted.Silences)
	}
}

func TestALiveAlertIsPutOnThePolicyOfToday(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var a tocsin.Alert
	ask(t, h, "POST", "/api/alerts/1/reassign", `{"by":"ana","policy":"around-the-clock"}`, 200, &a)
	today := a.Escalation.Version
	a.Escalation.Version = "of yesterday"
	check(t, h.store.Update(t.Context(), func(tx *store.Tx) error { return tx.Save(&a) }))
	ask(t, h, "POST", "/api/alerts/1/apply-policy", `{"by":"ana"}`, 200, &a)
	if a.Escalation == nil || a.Escalation.Version != today {
		t.Errorf("it goes by %+v, want version %s", a.Escalation, today)
	}
	ask(t, h, "POST", "/api/alerts/1/apply-policy", `{"by":"ana"}`, 422, nil)
}

func TestSeveralAtOnceHaveAResultEach(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var out api.Results
	ask(t, h, "POST", "/api/alerts/acknowledge", `{"by":"ana","ids":[2,99,1,2]}`, 200, &out)
	rows := func(out api.Results) (rows []string) {
		for _, r := range out.Results {
			status := ""
			if r.Alert != nil {
				status = string(r.Alert.Status)
			}
			rows = append(rows, strings.TrimSpace(fmt.Sprint(r.ID, " ", r.Status, " ", status)))
		}
		return rows
	}
	if got, want := rows(out), []string{"2 200 acked", "99 404", "1 200 acked"}; !slices.Equal(got, want) {
		t.Errorf("acknowledged: %q, want %q", got, want)
	}
	ask(t, h, "POST", "/api/alerts/1/close", `{"by":"bo","reason":"fixed"}`, 200, nil)
	ask(t, h, "POST", "/api/alerts/close", `{"by":"ana","ids":[1,3],"reason":"expected","note":"drill"}`, 200, &out)
	if got, want := rows(out), []string{"1 409 closed", "3 200 closed"}; !slices.Equal(got, want) {
		t.Errorf("closed: %q, want %q", got, want)
	}
	if !strings.Contains(out.Results[0].Error, "already closed by bo (fixed)") {
		t.Errorf("of the first it says %q", out.Results[0].Error)
	}
}
