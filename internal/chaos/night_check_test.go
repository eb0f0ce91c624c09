package chaos_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify/jira/jiratest"
	"github.com/tocsin-sec/tocsin/internal/notify/pagerduty/pagerdutytest"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// tellWithin is how soon somebody on call is told, or the fallback: a person whose
// phone has had its five messages of a quarter of an hour is told the next in a
// digest at its end; before that may come the first window of two minutes and the
// end of a storm's minute, and after it an attempt that came too soon or whose
// process was killed.
const tellWithin = 15*time.Minute + 2*time.Minute + time.Minute + 4*time.Minute

// underWayOfOne bounds the messages to one receiver that a process may have sent
// and not yet settled: what it claims at once, and a digest.
const underWayOfOne = 2*32 + 1

// books are what the store has of a night.
type books struct {
	*night
	alerts   map[int64]tocsin.Alert
	events   map[int64]tocsin.Event // by row
	notes    []tocsin.Notification  // oldest first
	of       map[int64][]tocsin.Notification
	timeline map[int64][]tocsin.Entry
	contacts map[int64]tocsin.Contact

	takes  []take
	byKey  map[string]*tocsin.Notification // by idempotency key
	byMail map[string]*tocsin.Notification // by Message-ID
	told   int                             // demands that were met
	latest time.Duration                   // that the slowest took
	twice  map[string]int                  // messages taken again because of kills, by place
}

// story is what became of an alert, for whoever has to find out why.
func (b *books) story(alert int64) string {
	var s strings.Builder
	a := b.alerts[alert]
	fmt.Fprintf(&s, "\n  alert %d of %s (%s), %s, worst %s", alert, a.Team, a.Account, a.Status, a.Worst)
	for _, e := range b.timeline[alert] {
		fmt.Fprintf(&s, "\n    %s %s %s %s", e.At.Format("02 15:04"), e.Kind, e.By, e.Text)
	}
	for _, o := range b.of[alert] {
		fmt.Fprintf(&s, "\n    notification %d: %s to %s %s, %s, made %s, due %s, %s %s (%d attempts, digest %t, %s) %s", o.ID, o.Kind, o.Receiver, o.Person, o.Why,
			o.CreatedAt.Format("15:04"), o.Due.Format("15:04:05"), o.State, o.SettledAt.Format("15:04"), o.Attempts, o.Digest, o.Ref, o.LastError)
	}
	return s.String()
}

// add takes note of a problem with an alert, whose story is told with the first
// few.
func (b *books) add(v *verdict, sort string, alert int64, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if v.counts[sort] < 3 {
		text += b.story(alert)
	}
	v.add(sort, "%s", text)
}

func (b *books) read(tx *store.Tx) error {
	b.alerts, b.events, b.notes = map[int64]tocsin.Alert{}, map[int64]tocsin.Event{}, nil
	b.timeline, b.contacts = map[int64][]tocsin.Entry{}, map[int64]tocsin.Contact{}
	b.takes = b.vendors.all()
	people, err := tx.People()
	if err != nil {
		return err
	}
	for _, p := range people {
		for _, c := range p.Contacts {
			b.contacts[c.ID] = c
		}
	}
	err = tx.EachAlert(dusk.Add(-time.Hour), dusk.Add(96*time.Hour), func(a tocsin.Alert) bool {
		b.alerts[a.ID] = a
		return true
	})
	if err != nil {
		return err
	}
	for id := range b.alerts {
		if b.timeline[id], err = tx.Timeline(id); err != nil {
			return err
		}
	}
	err = tx.EachEvent(store.EventFilter{}, func(ev tocsin.Event) error {
		ev.Raw = slices.Clone(ev.Raw)
		b.events[ev.Seq] = ev
		return nil
	})
	if err != nil {
		return err
	}
	for f := (store.NotificationFilter{Page: store.Page{Limit: 1000}}); ; {
		page, err := tx.Notifications(f)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		b.notes = append(b.notes, page...)
		f.Before = page[len(page)-1].ID
	}
	slices.Reverse(b.notes)
	b.index()
	return nil
}

// index finds the notifications by what they are found by.
func (b *books) index() {
	b.of, b.byKey, b.byMail = map[int64][]tocsin.Notification{}, map[string]*tocsin.Notification{}, map[string]*tocsin.Notification{}
	for i := range b.notes {
		n := &b.notes[i]
		b.of[n.Alert] = append(b.of[n.Alert], *n)
		own, listed := messageKey(*n, b.alerts[n.Alert]), messageKey(*n, tocsin.Alert{})
		b.byKey[own] = n
		b.byMail[mailKey(*n, own, false)] = n
		if n.Digest { // it may be the first of those that one message told
			b.byKey[listed] = n
			b.byMail[mailKey(*n, listed, true)] = n
		}
	}
}

// messageKey is the idempotency key of a notification, as the engine promises to
// make it: the same for every attempt.
func messageKey(n tocsin.Notification, a tocsin.Alert) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d\x00%s", a.Key, a.OpenedAt.UnixMilli(), n.ID, n.Receiver))
	return "msg_" + hex.EncodeToString(sum[:12])
}

// mailKey is the Message-ID of a mail, which is made of the key.
func mailKey(n tocsin.Notification, key string, digest bool) string {
	sum := sha256.Sum256([]byte(n.Receiver + "\x00" + key))
	about := fmt.Sprintf("alert-%d", n.Alert)
	switch {
	case digest:
		about = string(tocsin.TellDigest)
	case n.Alert == 0:
		about = string(n.Kind)
	}
	return about + "." + hex.EncodeToString(sum[:12]) + "@example.com"
}

// check is all that is to be true once everything is over.
func (b *books) check(v *verdict) {
	b.journal(v)
	b.findings(v)
	b.everythingEnded(v)
	b.heard(v)
	b.rightPeople(v)
	b.once(v)
	b.inVain(v)
	b.explained(v)
	b.toldAndTaken(v)
	b.takenTwice(v)
	b.ways(v)
	if b.told == 0 {
		v.add("nothing proved", "nobody was ever to be called")
	}
}

// journal: every event that was sent is there once, byte for byte, with a verdict.
func (b *books) journal(v *verdict) {
	seen := map[delivery]int{}
	for _, ev := range b.events {
		key := delivery{ev.Source, ev.Envelope}
		seen[key]++
		was := b.sent[key]
		switch {
		case was == nil:
			v.add("stranger", "row %d, %s %s, was never sent", ev.Seq, ev.Source, ev.Envelope)
		case string(was.Raw) != string(ev.Raw):
			v.add("changed", "row %d, %s %s, is not what was sent", ev.Seq, ev.Source, ev.Envelope)
		case ev.Verdict == "" || ev.Verdict == tocsin.Duplicate || ev.Verdict == tocsin.Malformed || ev.Verdict == tocsin.Unmapped:
			v.add("verdict", "row %d, %s %s: verdict %q %s", ev.Seq, ev.Source, ev.Envelope, ev.Verdict, ev.Reason)
		case ev.Deliveries < was.times:
			v.add("deliveries", "row %d, %s %s: %d deliveries, accepted %d times", ev.Seq, ev.Source, ev.Envelope, ev.Deliveries, was.times)
		}
	}
	for key := range b.sent {
		if seen[key] != 1 {
			v.add("journal", "%s %s is in the journal %d times", key.source, key.envelope, seen[key])
		}
	}
}

// findings: the newest alert of each finding says what its newest version does,
// whatever the order and the ways in which they came.
func (b *books) findings(v *verdict) {
	newest, events := map[string]tocsin.Alert{}, map[string]int64{}
	for _, a := range b.alerts {
		events[a.Detection.ID] += a.Events
		if a.ID > newest[a.Detection.ID].ID {
			newest[a.Detection.ID] = a
		}
	}
	folded := map[string]int64{}
	for _, ev := range b.events {
		if a, ok := b.alerts[ev.Alert]; ok {
			folded[a.Detection.ID]++
		}
	}
	for _, t := range b.program.tales {
		a, last := newest[t.id], t.last()
		switch {
		case a.ID == 0:
			v.add("no alert", "finding %s has none", t.id)
		case a.Count != int64(last.count) || a.Over != last.archived || a.Severity != last.severity:
			b.add(v, "finding", a.ID, "finding %s: count %d, over %t, severity %v; want %d, %t, %v", t.id, a.Count, a.Over, a.Severity, last.count, last.archived, last.severity)
		case events[t.id] != folded[t.id]:
			b.add(v, "events", a.ID, "finding %s: its alerts have %d events, and the journal has %d", t.id, events[t.id], folded[t.id])
		}
	}
}

// ledgerIsCurrent: what is pending is for later or waits for another that is, and
// nobody is still to be called for what somebody has.
func (b *books) ledgerIsCurrent(v *verdict, now time.Time) {
	type place struct {
		alert    int64
		receiver string
		contact  int64
	}
	waiting := map[place]bool{}
	last := now.Add(-time.Minute) // the last minute that was lived
	for _, n := range b.notes {
		if n.State != tocsin.Pending {
			continue
		}
		p := place{n.Alert, n.Receiver, n.Contact}
		if !n.Due.After(last) && (n.Alert == 0 || !waiting[p]) {
			b.add(v, "overdue", n.Alert, "notification %d is due since %s and pending", n.ID, n.Due.Format(time.TimeOnly))
		}
		waiting[p] = true
		if a, ok := b.alerts[n.Alert]; ok && n.Kind.Calls() && a.Status != tocsin.StatusOpen {
			b.add(v, "still called", n.Alert, "notification %d is pending, and the alert is %s", n.ID, a.Status)
		}
	}
	for _, a := range b.alerts {
		if due := a.Due(); !due.IsZero() && !due.After(last) {
			b.add(v, "late", a.ID, "alert %d is due since %s", a.ID, due.Format(time.TimeOnly))
		}
	}
}

// everythingEnded: nothing is open, and nothing is pending.
func (b *books) everythingEnded(v *verdict) {
	for _, n := range b.notes {
		if n.State == tocsin.Pending || n.SettledAt.IsZero() {
			b.add(v, "open end", n.Alert, "notification %d is %s", n.ID, n.State)
		}
	}
	for _, a := range b.alerts {
		if a.Status != tocsin.StatusClosed {
			b.add(v, "open end", a.ID, "alert %d is %s", a.ID, a.Status)
		}
	}
}

// A demand is a moment from which somebody on call is to be told.
type demand struct {
	at    time.Time
	since time.Time // whatever they were told since then counts
	until time.Time // when somebody took it, or it was over; zero if never
	team  string
	why   string
}

// demands are those of an alert that is High or worse, by its timeline.
func (b *books) demands(id int64) []demand {
	var all []demand
	team := teamOf(b.alerts[id].Account)
	worst := tocsin.Unknown
	var begun time.Time
	taken, held := false, false
	stop := func(at time.Time) {
		for i := range all {
			if all[i].until.IsZero() {
				all[i].until = at
			}
		}
	}
	call := func(e tocsin.Entry, since time.Time) {
		taken = false
		if worst >= tocsin.High && !held {
			stop(e.At) // the newer demand stands for it
			all = append(all, demand{at: e.At, since: since, team: team, why: e.Kind})
		}
	}
	for _, e := range b.timeline[id] {
		if e.Event != 0 {
			worst = max(worst, b.events[e.Event].Level)
		}
		switch e.Kind {
		case "opened", "reopened": // by the routes, whoever had it before
			begun, held, team = e.At, holds(e.Text), teamOf(b.alerts[id].Account)
			call(e, e.At)
		case "silenced", "suppressed", "held":
			held = true
			if begun.IsZero() {
				begun = e.At
			}
		case "raised":
			if held && holds(e.Text) {
				continue
			}
			since := begun
			if taken || held {
				since = e.At
			}
			held = false
			call(e, since)
		case "released":
			held = false
			if !strings.HasPrefix(e.Text, "mute ") { // of what was muted nobody is told at its end
				call(e, e.At)
			}
		case "awake", "unacknowledged":
			call(e, e.At)
		case "reassigned":
			team, held = strings.Fields(e.Text)[1], false
			call(e, e.At)
		case "acknowledged", "snoozed", "assigned":
			taken = true
			stop(e.At)
		case "closed":
			stop(e.At)
		}
	}
	return all
}

// holds reports whether the line of a raise, or of an alert that is open again,
// says that it is held back.
func holds(text string) bool {
	for _, by := range []string{"silence ", "maintenance ", "mute ", "dropped by "} {
		if strings.Contains(text, by) {
			return true
		}
	}
	return false
}

// heard: whoever was on call, or the fallback, was called in time for every alert
// of High or worse that nobody had, and that nobody had silenced.
func (b *books) heard(v *verdict) {
	for id := range b.alerts {
		for _, d := range b.demands(id) {
			by := d.at.Add(tellWithin)
			told, ok := b.met(id, d, by)
			switch {
			case ok:
				b.told++
				b.latest = max(b.latest, told.Sub(d.at))
			case !d.until.IsZero() && !d.until.After(by): // somebody was faster
			default:
				b.add(v, "nobody told", id, "from %s (%s) on nobody on call for %s was told within %v", d.at.Format("15:04"), d.why, d.team, tellWithin)
			}
		}
	}
}

// met says when somebody on call was told first, or the fallback, if that was by
// then.
func (b *books) met(id int64, d demand, by time.Time) (first time.Time, ok bool) {
	for _, n := range b.of[id] {
		if n.State != tocsin.Delivered || !n.Kind.Calls() || n.CreatedAt.Before(d.since) || n.SettledAt.After(by) || ok && !n.SettledAt.Before(first) {
			continue
		}
		duty := onDuty(d.team, n.CreatedAt)
		if slices.Equal(duty, []string{"eve"}) && b.skipped(id, n.CreatedAt, "eve") {
			duty = append(duty, n.Person) // whom the policy found instead
		}
		if n.Receiver == "desk" || n.Person != "" && slices.Contains(duty, n.Person) {
			first, ok = n.SettledAt, true
		}
	}
	return first, ok
}

// skipped reports whether the policy passed over somebody at that moment, since
// their address bounces.
func (b *books) skipped(id int64, at time.Time, name string) bool {
	return slices.ContainsFunc(b.timeline[id], func(e tocsin.Entry) bool {
		return e.Kind == "skipped" && e.At.Equal(at) && strings.Contains(e.Text, name+": has no verified contact method")
	})
}

// rightPeople: by a step that asks a schedule alone, those and only those on call
// at that moment are told; by one that goes round, one of the team, each as often.
func (b *books) rightPeople(v *verdict) {
	type firing struct {
		alert int64
		at    time.Time
		why   string
	}
	asked := map[firing][]string{}
	for _, n := range b.notes {
		policy, step := stepOf(n.Why)
		if n.Person == "" || !n.Kind.Calls() || step != "1" && (policy != "core" || step != "2") {
			continue
		}
		f := firing{n.Alert, n.CreatedAt, n.Why}
		if !slices.Contains(asked[f], n.Person) {
			asked[f] = append(asked[f], n.Person)
		}
	}
	turns := map[string]int{}
	for f, people := range asked {
		slices.Sort(people)
		policy, step := stepOf(f.why)
		if policy == "core" && step == "1" {
			if len(people) != 1 {
				b.add(v, "turn", f.alert, "%s at %s told %v, want one of them", f.why, f.at.Format("15:04"), people)
			}
			turns[people[0]]++
			continue
		}
		if duty := onDuty(policy, f.at); !slices.Equal(people, duty) {
			b.add(v, "wrong people", f.alert, "%s at %s told %v, want %v", f.why, f.at.Format("15:04"), people, duty)
		}
	}
	least, most := turns["fay"], turns["fay"]
	for _, name := range []string{"gus", "hal", "ida"} {
		least, most = min(least, turns[name]), max(most, turns[name])
	}
	if most-least > 1 {
		v.add("turns", "%v", turns)
	}
}

// stepOf reads "policy web, step 2 of 3, pass 2".
func stepOf(why string) (policy, step string) {
	rest, ok := strings.CutPrefix(why, "policy ")
	if !ok {
		return "", ""
	}
	policy, rest, _ = strings.Cut(rest, ", step ")
	step, _, _ = strings.Cut(rest, " of ")
	return policy, step
}

// beginnings are the lines of a timeline after which a policy begins at its first
// step.
var beginnings = []string{"opened", "reopened", "raised", "released", "awake", "unacknowledged", "reassigned"}

// once: nobody is told of the same thing for the same reason twice by the same way,
// unless the policy began again in between.
func (b *books) once(v *verdict) {
	type reason struct {
		alert   int64
		contact int64
		kind    tocsin.Kind
		why     string
		run     int
	}
	first := map[reason]tocsin.Notification{}
	for _, n := range b.notes {
		if n.Contact == 0 || n.Alert == 0 {
			continue
		}
		r := reason{n.Alert, n.Contact, n.Kind, n.Why, 0}
		if policy, _ := stepOf(n.Why); policy == "" || strings.HasSuffix(n.Why, "fallback") {
			r.why += n.CreatedAt.String() // reminders, ends of episodes: each time is one
		}
		for _, e := range b.timeline[n.Alert] {
			if !e.At.After(n.CreatedAt) && slices.Contains(beginnings, e.Kind) {
				r.run++
			}
		}
		if other, twice := first[r]; twice {
			b.add(v, "told twice", n.Alert, "notifications %d and %d to %s: %s", other.ID, n.ID, n.Person, n.Why)
		}
		first[r] = n
	}
}

// inVain: nobody is called for what somebody had taken before, or was over.
func (b *books) inVain(v *verdict) {
	stops := []string{"acknowledged", "closed", "assigned", "snoozed"}
	for _, n := range b.notes {
		if n.State != tocsin.Delivered || !n.Kind.Calls() {
			continue
		}
		stopped := ""
		for _, e := range b.timeline[n.Alert] {
			switch {
			case !e.At.After(n.CreatedAt) || !e.At.Before(n.SettledAt): // of one minute nobody knows the order
			case slices.Contains(stops, e.Kind):
				stopped = e.Kind
			case slices.Contains(beginnings, e.Kind):
				stopped = ""
			}
		}
		if stopped != "" {
			b.add(v, "in vain", n.Alert, "notification %d to %s %s was delivered after the alert was %s", n.ID, n.Receiver, n.Person, stopped)
		}
	}
}

// explained: the timeline says why each notification came to be owed.
func (b *books) explained(v *verdict) {
	for id, notes := range b.of {
		if id == 0 {
			continue
		}
		if _, ok := b.alerts[id]; !ok {
			v.add("no such alert", "notification %d is of alert %d", notes[0].ID, id)
			continue
		}
		for _, n := range notes {
			if !slices.ContainsFunc(b.timeline[id], func(e tocsin.Entry) bool { return explains(e, n) }) {
				b.add(v, "not explained", id, "notification %d (%s to %s, %s, %s)", n.ID, n.Kind, cmp.Or(n.Person, n.Receiver), n.Why, n.CreatedAt.Format("15:04"))
			}
		}
	}
}

// explains reports whether the line of the timeline says why n came to be owed.
func explains(e tocsin.Entry, n tocsin.Notification) bool {
	one := func(kinds ...string) bool { return e.At.Equal(n.CreatedAt) && slices.Contains(kinds, e.Kind) }
	switch n.Kind {
	case tocsin.TellOpened:
		policy, _, _ := strings.Cut(n.Why, ",")
		switch {
		case strings.HasPrefix(n.Why, "policy ") && strings.HasSuffix(n.Why, ", fallback"):
			return one("fallback", "exhausted", "reminded") && strings.HasPrefix(e.Text, policy) && strings.Contains(e.Text, cmp.Or(n.Person, n.Receiver))
		case strings.HasPrefix(n.Why, "policy "):
			return one("told") && strings.HasPrefix(e.Text, n.Why+":") && strings.Contains(e.Text, cmp.Or(n.Person, n.Receiver))
		}
		return one("opened", "reopened", "raised", "released", "fallback", "reassigned", "unacknowledged", "awake")
	case tocsin.TellRaised:
		return one("raised")
	case tocsin.TellUpdated:
		return !e.At.After(n.CreatedAt) && e.Event != 0 && e.Text != ""
	case tocsin.TellAcknowledged:
		return one("acknowledged")
	case tocsin.TellChanged:
		return one("unacknowledged", "awake", "snoozed", "assigned", "reassigned")
	case tocsin.TellClosed:
		return one("closed")
	case tocsin.TellDigest, tocsin.TellCode, tocsin.TellNote:
	}
	return false
}

// toldAndTaken: what is called delivered was taken at its place, and what was
// taken was owed.
func (b *books) toldAndTaken(v *verdict) {
	type told struct{ vendor, key string }
	taken, sms := map[told]bool{}, map[string]take{}
	tickets := map[string]time.Time{}
	for _, t := range b.takes {
		taken[told{t.vendor, t.key}] = true
		if t.vendor == "twilio" {
			sms[t.ref] = t
		}
		if t.verb == "create" {
			tickets[t.key] = t.at
		}
	}
	type batch struct {
		receiver string
		contact  int64
		at       time.Time
	}
	has := func(n tocsin.Notification) bool {
		key, listed := messageKey(n, b.alerts[n.Alert]), messageKey(n, tocsin.Alert{})
		switch n.Receiver {
		case "sms":
			t, ok := sms[n.Ref]
			return ok && t.to == b.contacts[n.Contact].Address
		case "mail":
			return taken[told{"smtp", mailKey(n, key, false)}] || n.Digest && taken[told{"smtp", mailKey(n, listed, true)}]
		case "pager":
			return taken[told{"pagerduty", key}] || n.Digest && taken[told{"pagerduty", listed}]
		case "tickets":
			a := b.alerts[n.Alert]
			made, ticket := tickets[fmt.Sprintf("tocsin-%d-%d", a.ID, a.OpenedAt.UnixMilli())]
			// A ticket begins with a call, or with whatever finds none.
			begins := ticket && (n.Kind.Calls() || made.Equal(n.SettledAt))
			return taken[told{"jira", key}] || begins || n.Digest && !tickets["tocsin-"+listed].IsZero() || n.Alert == 0 && !tickets["tocsin-"+key].IsZero()
		}
		return taken[told{"slack", key}] || n.Digest && taken[told{"slack", listed}]
	}
	proved := map[batch]bool{}
	for _, n := range b.notes {
		if n.State == tocsin.Delivered && n.Digest && has(n) {
			proved[batch{n.Receiver, n.Contact, n.SettledAt}] = true
		}
	}
	for _, n := range b.notes {
		switch {
		case n.State == tocsin.Shadow && n.Receiver != "trial", n.State != tocsin.Shadow && n.Receiver == "trial":
			b.add(v, "shadow", n.Alert, "notification %d to %s is %s", n.ID, n.Receiver, n.State)
		case n.State == tocsin.Delivered && !has(n) && !proved[batch{n.Receiver, n.Contact, n.SettledAt}]:
			b.add(v, "not taken", n.Alert, "notification %d (%s to %s %s) is delivered, and the vendor has not seen it", n.ID, n.Kind, n.Receiver, n.Person)
		}
	}
	for _, t := range b.takes {
		if t.to == trialChannel {
			v.add("shadow", "%s", t.about())
		}
		if b.owed(t) == nil {
			v.add("nobody owed", "%s", t.about())
		}
	}
}

// owed is a notification that the message tells, or nil.
func (b *books) owed(t take) *tocsin.Notification {
	switch {
	case t.vendor == "twilio":
		for i := range b.notes {
			n := &b.notes[i]
			// One that is about no single alert is a digest, or a note.
			about := n.Alert == t.alert || t.alert == 0 && n.Digest
			if n.Receiver == "sms" && b.contacts[n.Contact].Address == t.to && (n.Ref == t.ref || about) && !n.CreatedAt.After(t.at) {
				return n
			}
		}
		return nil
	case t.vendor == "smtp":
		return b.byMail[t.key]
	case t.verb == "create":
		if t.alert == 0 {
			return b.byKey[strings.TrimPrefix(t.key, "tocsin-")]
		}
		for _, n := range b.of[t.alert] {
			if n.Receiver == "tickets" {
				return &n
			}
		}
		return nil
	}
	return b.byKey[t.key]
}

// takenTwice: a vendor takes a message once, and again only if whoever sent it was
// killed meanwhile; not more of them than were under way, and under the same key.
func (b *books) takenTwice(v *verdict) {
	type what struct{ vendor, verb, to, key string }
	first, again := map[what]take{}, map[string]int{}
	settled := map[string]bool{}
	for _, n := range b.notes {
		settled[n.Ref] = true
	}
	for _, t := range b.takes {
		if t.verb == "edit" {
			continue // may be repeated: it changes nothing
		}
		if t.vendor == "twilio" { // which knows no key: what is not in the books was taken in vain
			if !settled[t.ref] {
				again["sms"]++
				b.onlyAKill(v, t)
			}
			continue
		}
		w := what{t.vendor, t.verb, t.to, t.key}
		was, twice := first[w]
		if !twice {
			first[w] = t
			continue
		}
		if t.verb == "create" {
			v.add("two tickets", "%s: %s and %s", t.key, was.ref, t.ref)
		}
		again[t.vendor+" "+t.to]++
		b.onlyAKill(v, was)
	}
	for place, n := range again {
		if most := b.kills * underWayOfOne; n > most {
			v.add("taken twice", "%s: %d messages, want at most %d after %d kills", place, n, most, b.kills)
		}
	}
	b.twice = again
}

// onlyAKill: the message was taken in a minute in which somebody was killed.
func (b *books) onlyAKill(v *verdict, t take) {
	if b.killed[t.at] == 0 {
		v.add("taken twice", "%s, and nobody was killed then", t.about())
	}
}

// longestWait is the longest between two attempts at what a vendor does not take.
const longestWait = 6 * time.Minute

// ways: the address that bounces is not used any more after three times, and no
// other is given up because a vendor was down; what was opened at a vendor is over
// there, too.
func (b *books) ways(v *verdict) {
	bounced := 0
	for _, n := range b.notes {
		switch {
		case n.State == tocsin.Failed && b.contacts[n.Contact].Address == bounces:
			bounced++
		case n.State == tocsin.Failed:
			b.add(v, "failed", n.Alert, "notification %d to %s %s failed for good: %s", n.ID, n.Receiver, n.Person, n.LastError)
		case n.State == tocsin.Parked && n.Receiver != "sms":
			b.add(v, "parked", n.Alert, "notification %d to %s %s was given up: %s", n.ID, n.Receiver, n.Person, n.LastError)
		case n.State == tocsin.Parked && n.SettledAt.Add(longestWait).Before(n.Deadline):
			b.add(v, "parked", n.Alert, "notification %d to %s %s was given up at %s, and its time is until %s: %s", n.ID, n.Receiver, n.Person, n.SettledAt.Format("15:04"), n.Deadline.Format("15:04"), n.LastError)
		}
	}
	for _, c := range b.contacts {
		if (c.DisabledWhy != "") != (c.Address == bounces && bounced >= 3) {
			v.add("contact method", "%s %s of %s: disabled %q", c.Receiver, c.Address, c.Person, c.DisabledWhy)
		}
	}
	for _, i := range b.vendors.pager.Incidents() {
		if i.Status != pagerdutytest.Resolved && alertOf(i.DedupKey) != 0 {
			b.add(v, "incident", alertOf(i.DedupKey), "incident %s is %s", i.DedupKey, i.Status)
		}
	}
	for _, t := range b.vendors.jira.Tickets() {
		if id := alertOf(labelOf(t)); t.Status != "Done" && id != 0 {
			b.add(v, "ticket", id, "ticket %s (%s) is %s", t.Key, t.Summary, t.Status)
		}
	}
}

// labelOf is the label of a ticket that names its alert.
func labelOf(t jiratest.Ticket) string {
	for _, l := range t.Labels {
		if strings.HasPrefix(l, "tocsin-") {
			return l
		}
	}
	return ""
}
