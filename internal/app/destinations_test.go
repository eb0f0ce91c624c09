package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/api"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

var destinationsFile = filepath.Join(examples, "destinations.yml")

// ended are kinds that are known and refused, whatever their settings: their service
// is no more.
var ended = []string{"chime"}

func TestTheExampleHasAReceiverOfEveryKind(t *testing.T) {
	setExampleEnv(t)
	c := loadExample(t, destinationsFile)
	has := map[string]bool{}
	for _, r := range c.Receivers {
		has[r.Kind] = true
	}
	for _, k := range app.Kinds().Notifiers {
		if slices.Contains(ended, k.Name) {
			if _, err := k.Open(func(any) error { return nil }, notify.Env{}); err == nil {
				t.Errorf("%s is not refused: the example needs a receiver of that kind", k.Name)
			}
			continue
		}
		if !has[k.Name] {
			t.Errorf("%s has no receiver of kind %q", destinationsFile, k.Name)
		}
	}
}

// A clock shows the machine's time, and some more.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// pass lets time go by.
func (c *clock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// hurry is how many messages a second go to the receivers whose vendors take less than
// one a second: so they still go the way of those that have to wait for their turn.
const hurry = 200

// destinations is the example as it runs in the world: it finds the mail server there,
// and nobody waits for a vendor's limits. Of edits each first text is replaced by the
// second.
func (w *world) destinations(t *testing.T, edits ...string) *config.Config {
	t.Helper()
	text, err := os.ReadFile(destinationsFile)
	if err != nil {
		t.Fatal(err)
	}
	edits = append(edits, "intake: 127.0.0.1:8081", "listen: 127.0.0.1:0", `smtp: "smtp.example.com:587"`, fmt.Sprintf("smtp: %q, tls: none", w.smtp))
	here := string(text)
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(here, edits[i]) {
			t.Fatalf("%s has no %q", destinationsFile, edits[i])
		}
		here = strings.ReplaceAll(here, edits[i], edits[i+1])
	}
	for name, value := range worldSecrets {
		here = strings.ReplaceAll(here, "${env:"+name+"}", value)
	}
	c := parse(t, here)
	for i := range c.Receivers {
		switch r := &c.Receivers[i]; {
		case r.Rate >= 1:
			r.Rate = 0
		case r.Rate > 0:
			r.Rate = hurry
		}
		c.Receivers[i].Burst = 1000 // as many as a night has in an hour of the test
	}
	return c
}

// receiver is the receiver of that name, to be changed.
func receiver(t *testing.T, c *config.Config, name string) *config.Receiver {
	t.Helper()
	i := slices.IndexFunc(c.Receivers, func(r config.Receiver) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("there is no receiver %s", name)
	}
	return &c.Receivers[i]
}

// run starts the house in the world, with ana's phone enrolled.
func (w *world) run(t *testing.T, c *config.Config) *house {
	t.Helper()
	h := &house{log: &buffer{}}
	o := app.Options{
		Config: c, Now: w.now, Transport: w, Out: w.terminal("terminal"), Version: "test",
		Log: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	var err error
	if h.App, err = app.New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	h.end = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = h.end() })
	await(t, func() string {
		if code, body := get(t, h.URL()+"/readyz"); code != http.StatusOK {
			return "it is ready: " + body
		}
		return ""
	})
	if err := h.Engine().Enroll(t.Context(), "phones", "ana", w.phone.subscription()); err != nil {
		t.Fatal(err)
	}
	w.slack.Interactivity = h.URL() + "/act/soc-slack"
	return h
}

// A story is one alert on its way to everybody.
type story struct {
	alert    int64
	mark     string // stands in every message of it
	severity float64
	began    time.Time
}

// severities are one of each level, the least first.
var severities = []float64{0.5, 2, 5, 8, 9.5}

// mark is a word for the n-th finding, which stands nowhere else.
func mark(n int) string {
	return "zq" + string(rune('a'+n/26)) + string(rune('a'+n%26)) + "wick"
}

// c2 is GuardDuty's n-th finding, as it is after so many events.
func c2(n int, severity float64, count int) string {
	return fmt.Sprintf(`{"version":"0","id":"envelope-%[1]d-%[4]d","detail-type":"GuardDuty Finding","source":"aws.guardduty","account":"111122223333","time":"2026-06-12T02:00:00Z","region":"eu-west-1",
"detail":{"schemaVersion":"2.0","accountId":"111122223333","region":"eu-west-1","partition":"aws","id":"finding-%[1]d","type":"Backdoor:EC2/C&CActivity.B!DNS","severity":%[2]g,
"createdAt":"2026-06-12T02:00:00.000Z","updatedAt":"2026-06-12T02:%02[4]d:00.000Z","title":"A title","description":"A description.",
"resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-0abc%013[1]d","tags":[{"key":"Name","value":%[3]q}]}},
"service":{"count":%[4]d,"action":{"actionType":"DNS_REQUEST","dnsRequestAction":{"domain":"evil.example"}}}}}`, n, severity, mark(n), count)
}

// accept hands a finding to the house, by its door.
func (h *house) accept(t *testing.T, finding string) (alert int64) {
	t.Helper()
	code, said := post(t, h.in("findings", token), finding)
	var reply struct{ Receipts []tocsin.Receipt }
	if err := json.Unmarshal([]byte(said), &reply); err != nil || code != http.StatusAccepted || len(reply.Receipts) != 1 || reply.Receipts[0].Alert == 0 {
		t.Fatalf("a finding is answered %d %s (%v)", code, said, err)
	}
	return reply.Receipts[0].Alert
}

// ledger is what the API says of an alert's notifications.
func (h *house) ledger(t *testing.T, query string) []api.Notification {
	t.Helper()
	code, said := get(t, h.URL()+"/api/notifications?limit=1000&"+query)
	var list api.Notifications
	if err := json.Unmarshal([]byte(said), &list); err != nil || code != http.StatusOK {
		t.Fatalf("the ledger is answered %d %s (%v)", code, said, err)
	}
	return list.Notifications
}

// unsettled says what is owed yet, apart from what the receivers named are owed.
func (h *house) unsettled(t *testing.T, but ...string) string {
	t.Helper()
	var left []string
	err := h.Store().View(t.Context(), func(tx *store.Tx) error {
		due, err := tx.NextDue()
		for name := range due {
			if !slices.Contains(but, name) {
				left = append(left, name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(left)
	return strings.Join(left, ", ")
}

// drain lets time pass until nothing is owed any more.
func (h *house) drain(t *testing.T, c *clock) {
	t.Helper()
	for range 4 {
		c.pass(10 * time.Minute)
		if err := h.Engine().Drain(t.Context(), c.now()); err != nil {
			t.Fatal(err)
		}
		h.Engine().Quiesce()
		if h.unsettled(t) == "" {
			return
		}
	}
	left := h.ledger(t, "state=pending")
	t.Fatalf("after 40 minutes %d notifications are owed, such as %+v", len(left), left[0])
}

// tell has one finding of each level accepted, from the n-th on.
func (h *house) tell(t *testing.T, n int) []story {
	t.Helper()
	stories := make([]story, len(severities))
	for i, severity := range severities {
		stories[i] = story{mark: mark(n + i), severity: severity, began: time.Now()}
		stories[i].alert = h.accept(t, c2(n+i, severity, 1))
	}
	return stories
}

// ask has the API do something to an alert.
func (h *house) ask(t *testing.T, alert int64, what, body string) {
	t.Helper()
	if code, said := post(t, fmt.Sprintf("%s/api/alerts/%d/%s", h.URL(), alert, what), body); code != http.StatusOK {
		t.Fatalf("%s is answered %d %s", what, code, said)
	}
}

// acted says whether what acts has to do with the story: the example's rule names it
// for what is bad.
func (s story) acted() bool { return s.severity >= 9 }

// delays are how long it took each story to reach each receiver, and the pairs that
// nothing reached. What acts is left out where it has nothing to do.
func (w *world) delays(stories []story, receivers []config.Receiver) (took []time.Duration, missing []string) {
	shown := map[string][]string{} // by receiver, in the order of what it was sent
	all := map[string][]*sent{}
	for _, s := range w.all() {
		if s.taken {
			all[s.receiver], shown[s.receiver] = append(all[s.receiver], s), append(shown[s.receiver], s.shows())
		}
	}
	for _, r := range receivers {
		for _, story := range stories {
			if r.Acts && !story.acted() {
				continue
			}
			i := slices.IndexFunc(shown[r.Name], func(text string) bool { return strings.Contains(text, story.mark) })
			if i < 0 {
				missing = append(missing, fmt.Sprintf("%s was not told of %s", r.Name, story.mark))
				continue
			}
			took = append(took, all[r.Name][i].at.Sub(story.began))
		}
	}
	slices.Sort(took)
	return took, missing
}

// byHand is the action that waits for a person, and last who is told when others
// could not be.
const (
	byHand = "isolate"
	last   = "last-resort"
)

// Three destinations are broken in three ways; every other one is told of an alert of
// each level as soon as ever, and what the three were owed ends as well. It is not
// parallel: it measures.
func TestEveryDestinationIsToldBesideThreeThatAreBroken(t *testing.T) {
	broken := map[string]trouble{"jira": hangs, "soc-discord": busy, "soc-teams": refuses}
	ends := map[string]tocsin.State{"jira": tocsin.Parked, "soc-discord": tocsin.Parked, "soc-teams": tocsin.Failed}
	c := new(clock)
	w := newWorld(t, c.now)
	made := w.destinations(t)
	// Whoever waited for the one that hangs would wait for longer than this test does.
	receiver(t, made, "jira").Timeout = 30 * time.Second
	var others, three []config.Receiver
	var names []string
	for i, r := range made.Receivers {
		if _, ok := broken[r.Name]; ok {
			made.Receivers[i].Patience = 2 * time.Minute
			three, names = append(three, r), append(names, r.Name)
		} else if r.Name != last && r.Name != byHand {
			others = append(others, r)
		}
	}
	h := w.run(t, made)
	h.accept(t, c2(100, 2, 1)) // the first of all finds nothing warm
	await(t, func() string { return h.unsettled(t) })

	calm := h.tell(t, 0)
	await(t, func() string { return h.unsettled(t) })
	if _, missing := w.delays(calm, slices.Concat(others, three)); len(missing) > 0 {
		t.Fatalf("with nothing broken: %s", strings.Join(missing, "; "))
	}
	before, _ := w.delays(calm, others)
	for name, how := range broken {
		w.breaks(name, how)
	}
	// The machine may be busy with something else just now: three tries.
	var rough []story
	for try := 1; ; try++ {
		more := h.tell(t, len(severities)*try)
		rough = append(rough, more...)
		await(t, func() string { return h.unsettled(t, names...) })
		after, missing := w.delays(more, others)
		if len(missing) > 0 {
			t.Fatalf("with three broken: %s", strings.Join(missing, "; "))
		}
		median, most := after[len(after)/2], after[len(after)-1]
		limit, longest := 2*before[len(before)/2]+250*time.Millisecond, 2*before[len(before)-1]+time.Second
		t.Logf("from the door to %d vendors: median %v, most %v; with three broken %v, %v", len(others),
			before[len(before)/2].Round(time.Millisecond), before[len(before)-1].Round(time.Millisecond), median.Round(time.Millisecond), most.Round(time.Millisecond))
		if median <= limit && most <= longest {
			break
		}
		if try == 3 {
			t.Errorf("with three broken the median is %v, want at most %v, and the longest %v, want at most %v", median, limit, most, longest)
			break
		}
	}
	if _, missing := w.delays(rough, []config.Receiver{*receiver(t, made, last)}); len(missing) > 0 {
		t.Errorf("the last resort: %s", strings.Join(missing, "; "))
	}

	// Time passes, and somebody approves what waits.
	w.breaks("jira", dies)
	w.release()
	for _, s := range rough {
		if s.acted() {
			h.ask(t, s.alert, "run", `{"by":"ana","action":"`+byHand+`"}`)
		}
	}
	await(t, func() string { return h.unsettled(t, names...) })
	h.drain(t, c)
	for _, s := range calm {
		h.checkLedger(t, s, made, nil)
	}
	for _, s := range rough {
		h.checkLedger(t, s, made, ends)
	}

	// It is over. Whoever shows how an alert stands hears of it, if they heard of it at all.
	for name := range broken {
		w.breaks(name, "")
	}
	w.forget()
	closed := []story{calm[4], rough[4]}
	for _, s := range closed {
		h.ask(t, s.alert, "close", `{"by":"ana","reason":"fixed"}`)
	}
	await(t, func() string { return h.unsettled(t) })
	resolves := func(r config.Receiver) bool {
		i := slices.IndexFunc(app.Kinds().Notifiers, func(k notify.Kind) bool { return k.Name == r.Kind })
		return app.Kinds().Notifiers[i].Abilities.Resolve
	}
	never := func(r config.Receiver) bool { return !resolves(r) }
	for _, r := range slices.DeleteFunc(slices.Concat(others, three), never) {
		want := 1
		if broken[r.Name] == "" {
			want = len(closed)
		}
		heard := 0
		for _, s := range w.sentTo(r.Name) {
			if !s.taken || !strings.Contains(s.shows(), "fixed") {
				continue
			}
			several := 0 // messages share a request
			for _, story := range closed {
				if strings.Contains(s.shows(), story.mark) {
					several++
				}
			}
			heard += max(several, 1)
		}
		if heard < want {
			t.Errorf("%s heard of %d ends, want %d", r.Name, heard, want)
		}
	}
	for _, n := range h.ledger(t, "kind=closed") {
		told := !slices.Contains(names, n.Receiver) || slices.ContainsFunc(calm, func(s story) bool { return s.alert == n.Alert })
		if want := map[bool]tocsin.State{true: tocsin.Delivered, false: tocsin.Cancelled}[told]; n.State != want && resolves(*receiver(t, made, n.Receiver)) {
			t.Errorf("alert %d: its end for %s is %s (%s), want %s", n.Alert, n.Receiver, n.State, n.LastError, want)
		}
	}
	w.checkClean(t, h)
}

// checkLedger holds what the API says of an alert's opening to how it ends at each
// receiver; where ends says nothing it was delivered.
func (h *house) checkLedger(t *testing.T, s story, c *config.Config, ends map[string]tocsin.State) {
	t.Helper()
	found := map[string]api.Notification{}
	for _, n := range h.ledger(t, fmt.Sprintf("alert=%d", s.alert)) {
		switch n.State {
		case tocsin.Delivered, tocsin.Failed, tocsin.Parked, tocsin.Cancelled, tocsin.Shadow:
		default:
			t.Errorf("alert %d: %s to %s is %s", s.alert, n.Kind, n.Receiver, n.State)
		}
		if n.Kind == tocsin.TellOpened || n.Kind == tocsin.TellAction {
			found[n.Receiver] = n
		}
	}
	for _, r := range c.Receivers {
		n, ok := found[r.Name]
		want, troubled := ends[r.Name]
		if !troubled {
			want = tocsin.Delivered
		}
		switch {
		case r.Acts && !s.acted(), len(ends) == 0 && (r.Name == last || r.Name == byHand):
			if ok {
				t.Errorf("alert %d: %s was told without need: %s", s.alert, r.Name, n.Why)
			}
		case !ok:
			t.Errorf("alert %d: the ledger has nothing of %s", s.alert, r.Name)
		case n.State != want:
			t.Errorf("alert %d: %s: %s (%s), want %s", s.alert, r.Name, n.State, n.LastError, want)
		case troubled && n.LastError == "":
			t.Errorf("alert %d: %s: nothing says what went wrong", s.alert, r.Name)
		case r.Name == last && !strings.HasPrefix(n.Why, "fallback: "):
			t.Errorf("alert %d: %s was told for %q", s.alert, last, n.Why)
		}
	}
}

// checkClean finds out whether any vendor would have refused something, and whether
// secrets are where they are not to be.
func (w *world) checkClean(t *testing.T, h *house) {
	t.Helper()
	for _, c := range w.complaints() {
		t.Errorf("complaint: %.600s", c)
	}
	_, ledger := get(t, h.URL()+"/api/notifications?limit=1000")
	for where, text := range map[string]string{"log": h.log.String(), "ledger": ledger} {
		if found := secretsIn(text); len(found) > 0 {
			t.Errorf("the %s has the secrets %v", where, found)
		}
	}
}

// However a destination breaks, what it is owed ends, the ledger says how, and the
// last resort is told in its stead, once.
func TestHoweverADestinationBreaksItEndsAndTheLastResortIsTold(t *testing.T) {
	t.Parallel()
	cases := []struct {
		receiver string
		how      trouble
		ends     tocsin.State
		says     string
	}{
		{"jsm", hangs, tocsin.Parked, "deadline exceeded"},
		{"gotify", fails, tocsin.Parked, "500 Internal Server Error"},
		{"soc-zulip", busy, tocsin.Parked, "429 Too Many Requests"},
		{"pagerduty", refuses, tocsin.Failed, "Invalid routing key"},
		{"github", resets, tocsin.Parked, "connection reset by peer"},
		{"soc-matrix", late, tocsin.Parked, "deadline exceeded"},
		{"soc-google", babbles, tocsin.Parked, "not Google's"},
		{"queue", refuses, tocsin.Failed, "allow sts:AssumeRole on arn:aws:iam::444455556666:role/tocsin-sends"},
		{"mail", refuses, tocsin.Failed, "mailbox is closed"},
	}
	c := new(clock)
	w := newWorld(t, c.now)
	var names []string
	for _, tt := range cases {
		names = append(names, tt.receiver)
		w.breaks(tt.receiver, tt.how)
	}
	made := w.destinations(t, "    policy: ana\n    receivers:\n      - terminal\n", "    receivers: ["+strings.Join(names, ", ")+"]\n  - name: others\n    receivers:\n      - terminal\n")
	for _, name := range names {
		r := receiver(t, made, name)
		r.Patience = 2 * time.Minute
		if how := w.trouble(name); how == hangs || how == late {
			r.Timeout = 200 * time.Millisecond
		}
	}
	h := w.run(t, made)
	alert := h.accept(t, c2(1, 8, 1))
	await(t, func() string { return h.unsettled(t, names...) })
	await(t, func() string { // no attempt is under way, whose lease the passing time would end
		for _, n := range h.ledger(t, "state=pending") {
			if n.Attempts == 0 || len(n.Tries) < n.Attempts {
				return n.Receiver
			}
		}
		return ""
	})
	h.drain(t, c)

	found := map[string][]api.Notification{}
	for _, n := range h.ledger(t, fmt.Sprintf("alert=%d", alert)) {
		found[n.Receiver] = append(found[n.Receiver], n)
	}
	for _, tt := range cases {
		t.Run(string(tt.how)+" as "+tt.receiver, func(t *testing.T) {
			if len(found[tt.receiver]) != 1 {
				t.Fatalf("the ledger has %d notifications, want 1", len(found[tt.receiver]))
			}
			n := found[tt.receiver][0]
			if n.State != tt.ends || !strings.Contains(n.LastError, tt.says) {
				t.Errorf("it is %s (%s), want %s and %q", n.State, n.LastError, tt.ends, tt.says)
			}
			if again := len(n.Tries) > 0; again != (tt.ends == tocsin.Parked) {
				t.Errorf("it was tried %d times", n.Attempts)
			}
		})
	}
	if told := found[last]; len(told) != 1 || told[0].State != tocsin.Delivered || !strings.HasPrefix(told[0].Why, "fallback: ") {
		t.Errorf("the last resort has %+v, want one message", told)
	}
	// What was taken though nobody heard of it comes again under the same key.
	for _, s := range w.sentTo("soc-matrix") {
		if first := w.sentTo("soc-matrix")[0]; s.url != first.url {
			t.Errorf("tried again as %s, and first as %s", s.url, first.url)
		}
	}
	w.checkClean(t, h)
}
