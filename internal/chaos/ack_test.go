package chaos_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio/twiliotest"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// ackAlerts are how many alerts are open at once, each of which six people were
// told of and are to be told of again.
const ackAlerts = 200

// ackConfig has six people who are told by a direct message at once, and by two
// text messages later.
const ackConfig = `listen: 127.0.0.1:0
store: "{{store}}"
public_url: https://tocsin.example.com
sources: {gd: {https: {token: night-0123456789abcdef}}}
rules: [{use: guardduty}]
routes: [{name: all, team: watch, storm: 100000}]
fallback: [slack]
teams: {watch: {policy: watch, receivers: [slack], members: [p1, p2, p3, p4, p5, p6]}}
policies: {watch: {steps: [{tell: team:watch, wait: 24h}], fallback: receiver:slack}}
people: {{{people}}}
receivers:
  slack: {rate: 0, slack: {token: "{{token}}", channel: {{channel}}, {{how}}, api_url: "{{slack}}"}}
  sms: {rate: 0, sms: {twilio: {account_sid: {{twilio account}}, auth_token: {{twilio token}}, from: "{{twilio number}}", url: "{{twilio}}"}}}
`

// BenchmarkAcknowledge is how long it takes from the press of a button in Slack
// until nothing of the alert is still to be told to anybody: all is cancelled, and
// committed. Run it with -benchtime 200x for as many presses as there are alerts.
func BenchmarkAcknowledge(b *testing.B) {
	b.Run("by Socket Mode", func(b *testing.B) { acknowledge(b, `app_token: "{{app token}}"`) })
	b.Run("by signed request", func(b *testing.B) { acknowledge(b, `signing_secret: "{{secret}}"`) })
}

func acknowledge(b *testing.B, how string) {
	w := newWatchRoom(b, how)
	var stopped, answered []time.Duration
	var open []call
	for b.Loop() {
		if len(open) == 0 {
			b.StopTimer()
			open = w.open(b)
			b.StartTimer()
		}
		c := open[0]
		open = open[1:]
		begin := time.Now()
		said := make(chan error, 1)
		go func() {
			reply, err := w.slack.Press(b.Context(), "U0000001", slacktest.Channel, c.ts, "tocsin_acknowledge")
			if err == nil && !strings.HasPrefix(reply, "Acknowledged by p1") {
				err = fmt.Errorf("the reply is %q", reply)
			}
			said <- err
		}()
		for w.pending(b, c.alert) > 0 {
			time.Sleep(200 * time.Microsecond)
		}
		stopped = append(stopped, time.Since(begin))
		if err := <-said; err != nil {
			b.Fatal(err)
		}
		answered = append(answered, time.Since(begin))
	}
	b.ReportMetric(percentile(stopped, 50), "p50-ms")
	b.ReportMetric(percentile(stopped, 99), "p99-ms")
	b.ReportMetric(percentile(answered, 50), "reply-p50-ms")
	b.ReportMetric(percentile(answered, 99), "reply-p99-ms")
	w.nothingMore(b)
}

// percentile is in milliseconds.
func percentile(ds []time.Duration, p int) float64 {
	ds = slices.Clone(ds)
	slices.Sort(ds)
	return float64(ds[min(len(ds)*p/100, len(ds)-1)].Microseconds()) / 1000
}

// A watchRoom is a running tocsin, and whom it tells.
type watchRoom struct {
	*app.App
	slack  *slacktest.Server
	twilio *twiliotest.Server
	opened int
}

// A call is an alert, and its message in the channel.
type call struct {
	alert int64
	ts    string
}

func newWatchRoom(b *testing.B, how string) *watchRoom {
	b.Helper()
	var users, people []string
	for i := 1; i <= 6; i++ {
		users = append(users, fmt.Sprintf("U000000%d", i))
		people = append(people, fmt.Sprintf(`p%d: {contacts: [{receiver: slack, address: U000000%d}, {receiver: sms, address: "+4930123450%d"}]}`, i, i, i))
	}
	w := &watchRoom{slack: slacktest.New(slacktest.Options{Users: users}), twilio: twiliotest.New(b)}
	b.Cleanup(w.slack.Close)
	text := strings.NewReplacer(
		"{{store}}", "sqlite:"+b.TempDir(), "{{people}}", strings.Join(people, ", "), "{{token}}", w.slack.Token, "{{channel}}", slacktest.Channel,
		"{{how}}", strings.NewReplacer("{{app token}}", w.slack.AppToken, "{{secret}}", w.slack.SigningSecret).Replace(how), "{{slack}}", w.slack.APIURL(),
		"{{twilio account}}", twiliotest.Account, "{{twilio token}}", twiliotest.Token, "{{twilio number}}", twiliotest.Number, "{{twilio}}", w.twilio.URL,
	).Replace(ackConfig)
	c, err := config.Parse("tocsin.yml", []byte(text), app.Kinds())
	if err != nil {
		b.Fatal(err)
	}
	if w.App, err = app.New(b.Context(), app.Options{Config: c}); err != nil {
		b.Fatal(err)
	}
	if err := w.Store().Update(b.Context(), verify6); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	if strings.HasPrefix(how, "app_token") {
		if err := w.slack.Connected(b.Context()); err != nil {
			b.Fatal(err)
		}
	} else {
		w.slack.Interactivity = w.URL() + "/act/slack"
	}
	return w
}

// verify6 has everybody prove their addresses, and choose to be told by text
// message after half an hour and after an hour.
func verify6(tx *store.Tx) error {
	people, err := tx.People()
	if err != nil {
		return err
	}
	for _, p := range people {
		for i := range p.Contacts {
			p.Contacts[i].VerifiedAt = time.Now()
			if err := tx.SaveContact(&p.Contacts[i]); err != nil {
				return err
			}
		}
		direct, text := p.Contacts[0].ID, p.Contacts[1].ID
		p.High = []tocsin.NotificationRule{{Contact: direct}, {Minutes: 30, Contact: text}, {Minutes: 60, Contact: text}}
		if err := tx.SavePerson(&p); err != nil {
			return err
		}
	}
	return nil
}

// open has alerts open, and waits until everybody was told of each.
func (w *watchRoom) open(b *testing.B) []call {
	b.Helper()
	events := make([]tocsin.Event, ackAlerts)
	for i := range events {
		w.opened++
		f := rig.Finding{Number: w.opened, Version: 1, Severity: 8, Envelope: rig.Envelope(1, w.opened)}
		events[i] = tocsin.Event{Source: "gd", Via: "https", Envelope: f.Envelope, Raw: f.Event()}
	}
	receipts, err := w.Engine().Accept(b.Context(), events...)
	if err != nil {
		b.Fatal(err)
	}
	told := func() int {
		n := 0
		for _, c := range w.slack.Calls() {
			if c.Method == "chat.postMessage" && !gjson.GetBytes(c.Body, "thread_ts").Exists() {
				n++
			}
		}
		return n
	}
	want := w.opened + 6*min(w.opened, 60) // what is more than 60 in a quarter of an hour waits for a digest
	for end := time.Now().Add(2 * time.Minute); told() < want; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("%d messages were posted, want %d", told(), want)
		}
	}
	stamps := map[int64]string{}
	for _, m := range w.slack.Messages(slacktest.Channel) {
		stamps[gjson.GetBytes(m.Body, "metadata.event_payload.alert").Int()] = m.TS
	}
	calls := make([]call, len(receipts))
	for i, r := range receipts {
		calls[i] = call{r.Alert, stamps[r.Alert]}
		if n := w.pending(b, r.Alert); n < 2*6 {
			b.Fatalf("%d calls are still to come for alert %d, want two for each of six", n, r.Alert)
		}
	}
	return calls
}

// pending is how many calls of an alert are still to come.
func (w *watchRoom) pending(b *testing.B, alert int64) (n int) {
	b.Helper()
	err := w.Store().View(b.Context(), func(tx *store.Tx) error {
		list, err := tx.Notifications(store.NotificationFilter{
			Alert: alert, States: []tocsin.State{tocsin.Pending}, Kinds: []tocsin.Kind{tocsin.TellOpened, tocsin.TellRaised, tocsin.TellDigest},
		})
		n = len(list)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// nothingMore wants nobody to have had a text message: all were stopped half an
// hour before they were due.
func (w *watchRoom) nothingMore(b *testing.B) {
	b.Helper()
	if sent := w.twilio.Messages(); len(sent) > 0 {
		b.Errorf("%d text messages were sent after the alerts were acknowledged, the first to %s", len(sent), sent[0].To)
	}
}
