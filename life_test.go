package tocsin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
)

// A life is an alert from its opening at noon on, and what was told of it.
type life struct {
	alert tocsin.Alert
	now   time.Time
	log   []string
}

func born(terms tocsin.Terms, d tocsin.Detection) *life {
	l := &life{now: noon}
	l.alert, _ = tocsin.Alert{}.Fold(d, noon)
	l.alert.Terms = &terms
	return l
}

// at lets the clock go to so many minutes after noon: every instant that the
// alert waits for is lived through.
func (l *life) at(minutes int) *life {
	until := noon.Add(time.Duration(minutes) * time.Minute)
	for due := l.alert.Due(); !due.IsZero() && !due.After(until); due = l.alert.Due() {
		l.now = due
		var turns []tocsin.Turn
		l.alert, turns = l.alert.Tick(due)
		for _, t := range turns {
			l.say(t.Kind, t.Tell, t.Restart, t.Changes)
		}
		if len(turns) == 0 {
			break // the escalation's own time, which is another's to judge
		}
	}
	l.now = until
	return l
}

func (l *life) say(kind string, tell tocsin.Kind, restart bool, changes []tocsin.Change) {
	line := fmt.Sprintf("%d", int(l.now.Sub(noon).Minutes()))
	if kind != "" {
		line += " " + kind
	}
	if tell != "" {
		line += " tell:" + string(tell)
	}
	if restart {
		line += " restart"
	}
	for _, c := range changes {
		line += fmt.Sprintf(" (%s %s→%s)", c.What, c.From, c.To)
	}
	l.log = append(l.log, line)
}

func (l *life) event(d tocsin.Detection) *life {
	var act tocsin.Activity
	l.alert, act = l.alert.Fold(d, l.now)
	if act.Tell == "" && !act.Restart {
		act.Changes = nil
	}
	l.say(string(act.Verdict), act.Tell, act.Restart, act.Changes)
	return l
}

func (l *life) do(t *testing.T, what string, f func(tocsin.Alert) (tocsin.Alert, error)) *life {
	t.Helper()
	var err error
	if l.alert, err = f(l.alert); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	l.say(what, "", false, nil)
	return l
}

func (l *life) ack(t *testing.T) *life {
	t.Helper()
	return l.do(t, "ack", func(a tocsin.Alert) (tocsin.Alert, error) { return a.Acknowledge("ana", l.now) })
}

func (l *life) snooze(t *testing.T, minutes int) *life {
	return l.do(t, "snooze", func(a tocsin.Alert) (tocsin.Alert, error) {
		return a.Snooze("ana", noon.Add(time.Duration(minutes)*time.Minute), l.now)
	})
}

func (l *life) close(t *testing.T, reason tocsin.Reason) *life {
	return l.do(t, "close", func(a tocsin.Alert) (tocsin.Alert, error) { return a.Close("ana", reason, l.now) })
}

func sameIP(d *tocsin.Detection) { d.Actor.IP = "203.0.113.0" }

func TestAnAlertsLife(t *testing.T) {
	t.Parallel()
	quarterly := tocsin.Terms{Updates: 15 * time.Minute}
	for _, tt := range []struct {
		name string
		live func(t *testing.T) *life
		want string
		end  tocsin.Status
	}{
		{"A2 later occurrences of an open alert tell nobody", func(*testing.T) *life {
			return born(tocsin.Terms{}, version(0)).at(3).event(version(1)).at(600)
		}, "3 updated", tocsin.StatusOpen},
		{"A3 a higher level than ever opens what was acknowledged", func(t *testing.T) *life {
			return born(tocsin.Terms{}, version(0)).at(2).ack(t).at(4).event(version(1, high, sameIP))
		}, "2 ack\n4 updated tell:raised restart (severity medium 5→high 8) (count 10→20)", tocsin.StatusOpen},
		{"A3 of an open alert the raise is told, and nobody begins again", func(*testing.T) *life {
			return born(tocsin.Terms{}, version(0)).at(4).event(version(1, high, sameIP))
		}, "4 updated tell:raised (severity medium 5→high 8) (count 10→20)", tocsin.StatusOpen},
		{"A3 a lower level never notifies", func(*testing.T) *life {
			return born(tocsin.Terms{}, version(0)).at(4).event(version(1, low, sameIP)).at(5).event(version(2, sameIP))
		}, "4 updated\n5 updated", tocsin.StatusOpen},
		{"A4 what its source closed opens again within ten minutes", func(*testing.T) *life {
			return born(tocsin.DefaultTerms(), version(0)).at(1).event(version(1, archived)).at(11).event(version(2))
		}, "1 closed tell:closed (count 10→20) (remote IP 203.0.113.0→203.0.113.1) (over false→true)\n" +
			"11 opened tell:opened (count 20→30) (remote IP 203.0.113.1→203.0.113.2) (over true→false)", tocsin.StatusOpen},
		{"A4 a person's end may have a window of its own", func(t *testing.T) *life {
			return born(tocsin.Terms{ReopenAfterPerson: time.Hour}, version(0)).at(1).close(t, tocsin.ReasonFixed).at(31).event(version(1, sameIP))
		}, "1 close\n31 opened tell:opened (count 10→20)", tocsin.StatusOpen},
		{"A6 an acknowledgement that nothing follows runs out", func(t *testing.T) *life {
			return born(tocsin.Terms{AckTimeout: 30 * time.Minute}, version(0)).at(1).ack(t).at(60)
		}, "1 ack\n31 unacknowledged tell:changed restart (status acknowledged by ana→open)", tocsin.StatusOpen},
		{"A7 given back, it is open", func(t *testing.T) *life {
			return born(tocsin.Terms{AckTimeout: time.Hour}, version(0)).ack(t).do(t, "unack", func(a tocsin.Alert) (tocsin.Alert, error) { return a.Unacknowledge("ana", noon) }).at(600)
		}, "0 ack\n0 unack", tocsin.StatusOpen},
		{"A8 assigning acknowledges", func(t *testing.T) *life {
			return born(tocsin.Terms{}, version(0)).do(t, "assign", func(a tocsin.Alert) (tocsin.Alert, error) { return a.Assign("ana", "bo", noon) })
		}, "0 assign", tocsin.StatusAcked},
		{"A9 at the end of a snooze it is open and told from the beginning", func(t *testing.T) *life {
			return born(tocsin.Terms{}, version(0)).at(1).ack(t).at(2).snooze(t, 62).at(100)
		}, "1 ack\n2 snooze\n62 awake tell:changed restart (status snoozed→open)", tocsin.StatusOpen},
		{"A9 a snooze keeps updates back until its end", func(t *testing.T) *life {
			return born(quarterly, version(0)).at(1).snooze(t, 60).at(20).event(version(1)).at(70)
		}, "1 snooze\n20 updated\n60 awake tell:changed restart (status snoozed→open)\n60 tell:updated (count 10→20) (remote IP 203.0.113.0→203.0.113.1)", tocsin.StatusOpen},
		{"A12 what is closed waits for nothing", func(t *testing.T) *life {
			return born(tocsin.Terms{AckTimeout: time.Minute, Stale: time.Hour}, version(0)).ack(t).snooze(t, 5).close(t, tocsin.ReasonExpected).at(600)
		}, "0 ack\n0 snooze\n0 close", tocsin.StatusClosed},
		{"A13 an archive may be only noted", func(*testing.T) *life {
			return born(tocsin.Terms{MarkOver: true}, version(0)).at(1).event(version(1, archived))
		}, "1 updated", tocsin.StatusOpen},
		{"A14 what had no occurrence for two weeks is closed as stale", func(*testing.T) *life {
			return born(tocsin.DefaultTerms(), version(0)).at(60).event(version(1)).at(60 * 24 * 15)
		}, "60 updated\n20220 closed tell:closed", tocsin.StatusClosed},
		{"quiet for four of the detector's periods", func(*testing.T) *life {
			return born(tocsin.Terms{Quiet: time.Hour, Stale: 48 * time.Hour}, version(0)).at(200)
		}, "60 closed tell:closed", tocsin.StatusClosed},
		{"updates are told every quarter of an hour, as a difference from what was told last", func(*testing.T) *life {
			return born(quarterly, version(0)).at(1).event(version(1)).at(3).event(version(2)).at(16).event(version(3)).at(60)
		}, "1 updated\n3 updated\n15 tell:updated (count 10→30) (remote IP 203.0.113.0→203.0.113.2)\n" +
			"16 updated\n30 tell:updated (count 30→40) (remote IP 203.0.113.2→203.0.113.3)", tocsin.StatusOpen},
		{"a count alone is not worth a message", func(*testing.T) *life {
			return born(quarterly, version(0)).at(1).event(version(1, sameIP)).at(60)
		}, "1 updated", tocsin.StatusOpen},
		{"ten times as often is", func(*testing.T) *life {
			return born(quarterly, version(0)).at(1).event(version(10, sameIP)).at(60)
		}, "1 updated\n15 tell:updated (count 10→110)", tocsin.StatusOpen},
		{"what changed back is no news", func(*testing.T) *life {
			return born(quarterly, version(0)).at(1).event(version(1)).at(2).event(version(2, sameIP)).at(60)
		}, "1 updated\n2 updated\n15 tell:updated (count 10→30)", tocsin.StatusOpen},
		{"a hold's end tells of the opening", func(*testing.T) *life {
			l := born(quarterly, version(0))
			l.alert.Held = &tocsin.Hold{By: "silence 3", Until: noon.Add(time.Hour), Tell: true}
			return l.at(5).event(version(1)).at(100)
		}, "5 updated\n60 released tell:opened restart", tocsin.StatusOpen},
		{"a hold's end may tell nobody", func(*testing.T) *life {
			l := born(tocsin.Terms{}, version(0))
			l.alert.Held = &tocsin.Hold{By: "silence 3", Until: noon.Add(time.Hour)}
			return l.at(100)
		}, "60 released", tocsin.StatusOpen},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := tt.live(t)
			if diff := cmp.Diff(tt.want, strings.Join(l.log, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if l.alert.Status != tt.end {
				t.Errorf("it is %s, want %s", l.alert.Status, tt.end)
			}
			if l.alert.Status == tocsin.StatusClosed && !l.alert.Due().IsZero() {
				t.Errorf("closed, and waits until %s", l.alert.Due())
			}
		})
	}
}

// There is no end without a reason, whoever brought it about.
func TestEveryEndHasItsReason(t *testing.T) {
	t.Parallel()
	ends := map[tocsin.Reason]*life{
		tocsin.ReasonArchived: born(tocsin.DefaultTerms(), version(0)).event(version(1, archived)),
		tocsin.ReasonStale:    born(tocsin.DefaultTerms(), version(0)).at(60 * 24 * 20),
		tocsin.ReasonQuiet:    born(tocsin.Terms{Quiet: time.Hour}, version(0)).at(60),
		tocsin.ReasonFixed:    born(tocsin.Terms{}, version(0)).close(t, tocsin.ReasonFixed),
	}
	for reason, l := range ends {
		a := l.alert
		if a.Status != tocsin.StatusClosed || a.CloseReason != reason || a.ClosedBy == "" || a.ClosedAt.IsZero() {
			t.Errorf("want closed as %s: %s by %q as %q at %s", reason, a.Status, a.ClosedBy, a.CloseReason, a.ClosedAt)
		}
	}
	if _, err := version0().Close("ana", "", noon); err == nil {
		t.Error("closed without a reason")
	}
}

func version0() tocsin.Alert {
	a, _ := tocsin.Alert{}.Fold(version(0), noon)
	return a
}

func TestWhatCannotBeDoneSaysWhy(t *testing.T) {
	t.Parallel()
	open := version0()
	acked, _ := open.Acknowledge("ana", noon)
	closed, _ := open.Close("ana", tocsin.ReasonFixed, noon)
	for _, tt := range []struct {
		name string
		do   func() (tocsin.Alert, error)
		want string
	}{
		{"acknowledging twice", func() (tocsin.Alert, error) { return acked.Acknowledge("bo", noon) }, "already acknowledged by ana"},
		{"acknowledging what is closed", func() (tocsin.Alert, error) { return closed.Acknowledge("bo", noon) }, "already closed by ana (fixed)"},
		{"assigning what is closed", func() (tocsin.Alert, error) { return closed.Assign("ana", "bo", noon) }, "already closed by ana"},
		{"assigning to nobody", func() (tocsin.Alert, error) { return open.Assign("ana", "", noon) }, "needs a person"},
		{"giving back what nobody took", func() (tocsin.Alert, error) { return open.Unacknowledge("ana", noon) }, "cannot give back: it is open"},
		{"snoozing for eight days", func() (tocsin.Alert, error) { return open.Snooze("ana", noon.AddDate(0, 0, 8), noon) }, "7 days is the longest"},
		{"snoozing until yesterday", func() (tocsin.Alert, error) { return open.Snooze("ana", noon.AddDate(0, 0, -1), noon) }, "is over already"},
		{"snoozing what is closed", func() (tocsin.Alert, error) { return closed.Snooze("ana", noon.AddDate(0, 0, 1), noon) }, "already closed"},
		{"handing over what is closed", func() (tocsin.Alert, error) { return closed.Hand("payments", noon) }, "already closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before, err := tt.do()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if _, isState := errors.AsType[*tocsin.StateError](err); isState && before.ID != 0 {
				t.Error("the alert changed")
			}
		})
	}
}

func TestWhoeverIsReachable(t *testing.T) {
	t.Parallel()
	sms := tocsin.Contact{ID: 1, Receiver: "sms", VerifiedAt: noon}
	mail := tocsin.Contact{ID: 2, Receiver: "mail"}
	for _, tt := range []struct {
		name   string
		person tocsin.Person
		want   bool
	}{
		{"by a verified address", tocsin.Person{Contacts: []tocsin.Contact{sms}}, true},
		{"not by one that is not", tocsin.Person{Contacts: []tocsin.Contact{mail}}, false},
		{"not without an address", tocsin.Person{}, false},
		{"not by one that failed for good", tocsin.Person{Contacts: []tocsin.Contact{{ID: 1, VerifiedAt: noon, DisabledWhy: "bounced"}}}, false},
		{"not by what is told later only", tocsin.Person{Contacts: []tocsin.Contact{sms}, High: []tocsin.NotificationRule{{Minutes: 5, Contact: 1}}}, false},
		{"rules that name nothing usable count as none", tocsin.Person{Contacts: []tocsin.Contact{sms, mail}, High: []tocsin.NotificationRule{{Contact: 2}}}, true},
		{"not whoever is disabled", tocsin.Person{Disabled: true, Contacts: []tocsin.Contact{sms}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.person.Reachable(); got != tt.want {
				t.Errorf("reachable %t, want %t", got, tt.want)
			}
		})
	}
}
