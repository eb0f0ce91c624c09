package chaos_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/notify/pagerduty/pagerdutytest"
	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio/twiliotest"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// What follows is the organisation of the night: three teams in three time zones,
// and how its people are reached.

// The night is twelve hours around the moment at which New York skips one:
// 2026-03-08 02:00 EST is 03:00 EDT, 07:00 UTC.
const nightMinutes = 12 * 60

var dusk = time.Date(2026, 3, 8, 1, 0, 0, 0, time.UTC)

// at is a time of the night, "07:00" in UTC.
func at(clock string) time.Time {
	t, err := time.Parse("15:04", clock)
	if err != nil {
		panic(err)
	}
	return dusk.Truncate(24 * time.Hour).Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute)
}

// The vendors have bad times.
var (
	pagerDown = span{at("02:30"), at("04:30")} // answers 503
	smsDown   = span{at("08:20"), at("10:20")} // refuses connections
)

type span struct{ from, until time.Time }

func (s span) has(t time.Time) bool { return !t.Before(s.from) && t.Before(s.until) }

// bounces is an address that the mail server refuses for good.
const bounces = "eve@example.com"

// Slack's channels.
const (
	socChannel   = "C0SOC00001"
	deskChannel  = "C0DESK0001"
	trialChannel = "C0TRIAL001" // of a route in shadow: nobody is ever told there
)

const pagerKey = "0123456789abcdef0123456789abcdef"

// nightConfig is the organisation's tocsin.yml. No receiver has a rate, so that
// the time that passes is the simulated one alone.
const nightConfig = `store: "{{store}}"
public_url: https://tocsin.example.com
sources:
  gd: {https: {token: night-0123456789abcdef}}
  bus: {https: {token: night-0123456789abcdef}}
accounts:
  "100000000001": {name: web-1, environment: prod, team: web}
  "100000000002": {name: web-2, environment: prod, team: web}
  "100000000003": {name: web-3, environment: dev, team: web}
  "200000000001": {name: pay-1, environment: prod, team: pay}
  "200000000002": {name: pay-2, environment: prod, team: pay}
  "200000000003": {name: pay-3, environment: dev, team: pay}
  "300000000001": {name: core-1, environment: prod, team: core}
  "300000000002": {name: core-2, environment: prod, team: core}
  "300000000003": {name: core-3, environment: dev, team: core}
rules: [{use: guardduty}]
routes:
  - {name: samples, pattern: {sample: [true]}, drop: samples are made by hand}
  - {name: known, pattern: {type: [{prefix: "Policy:S3/"}]}, drop: known and accepted}
  - {name: trial, pattern: {level: [critical]}, receivers: [trial], shadow: true}
  - {name: page, pattern: {level: [high, critical]}, receivers: [pager], continue: true}
  - {name: web, pattern: {team: [web]}, team: web, first_window: 2m, storm: 40}
  - {name: owned, team: $team}
fallback: [desk]
teams:
  web: {policy: web, receivers: [soc], members: [ana, bo, cy], channel: soc, updates: 15m}
  pay: {policy: pay, receivers: [soc, tickets], members: [dee, eve, fin], updates: 1h}
  core: {policy: core, receivers: [soc], members: [fay, gus, hal, ida]}
policies:
  web:
    steps:
      - {tell: schedule:web, wait: 5m}
      - {tell: [schedule:web, person:cy], wait: 10m}
      - {tell: team:web, wait: 15m, min_level: high}
    repeat: 1
    fallback: receiver:desk
  pay:
    steps:
      - {tell: schedule:pay, wait: 10m}
      - {tell: team:pay, wait: 20m}
    fallback: receiver:desk
    notify_only_below: medium
  core:
    steps:
      - {tell: team:core, wait: 5m, assign: round_robin}
      - {tell: schedule:core, wait: 10m}
    repeat: 2
    ack_timeout: 45m
    fallback: [receiver:desk, person:ida]
schedules:
  web:
    time_zone: America/New_York
    layers:
      - {rotate: daily, from: 2026-03-07T02:30, people: [ana, bo, cy]}
  pay:
    time_zone: Europe/Berlin
    layers:
      - {name: days, rotate: weekly, from: 2026-03-01T09:00, people: [dee, fin]}
      - {name: nights, rotate: daily, from: 2026-03-07T22:00, people: [eve, fin], windows: [{from: "22:00", to: "06:00"}]}
  core:
    time_zone: Asia/Tokyo
    layers:
      - {rotate: 4 hours, from: 2026-03-08T09:00, people: [[fay, gus], [hal, ida]]}
people:
  ana: {time_zone: America/New_York, contacts: [{receiver: soc, address: UANA00001}, {receiver: sms, address: "+12025550101"}, {receiver: mail, address: ana@example.com}]}
  bo: {time_zone: America/New_York, contacts: [{receiver: sms, address: "+12025550102"}, {receiver: mail, address: bo@example.com}, {receiver: soc, address: UBO000001}]}
  cy: {time_zone: America/New_York, contacts: [{receiver: soc, address: UCY000001}, {receiver: sms, address: "+12025550103"}]}
  dee: {time_zone: Europe/Berlin, contacts: [{receiver: mail, address: dee@example.com}, {receiver: sms, address: "+4930123401"}]}
  eve: {time_zone: Europe/Berlin, contacts: [{receiver: mail, address: eve@example.com}, {receiver: sms, address: "+4930123402"}]}
  fin: {time_zone: Europe/Berlin, quiet: {from: "22:00", to: "07:00"}, contacts: [{receiver: soc, address: UFIN00001}, {receiver: sms, address: "+4930123403"}]}
  fay: {time_zone: Asia/Tokyo, contacts: [{receiver: sms, address: "+81312345601"}]}
  gus: {time_zone: Asia/Tokyo, contacts: [{receiver: soc, address: UGUS00001}, {receiver: sms, address: "+81312345602"}]}
  hal: {time_zone: Asia/Tokyo, contacts: [{receiver: mail, address: hal@example.com}, {receiver: soc, address: UHAL00001}]}
  ida: {time_zone: Asia/Tokyo, contacts: [{receiver: soc, address: UIDA00001}, {receiver: mail, address: ida@example.com}]}
receivers:
  soc: {rate: 0, slack: {token: "{{slack token}}", channel: {{soc}}, signing_secret: "{{slack secret}}", api_url: "{{slack}}"}}
  desk: {rate: 0, slack: {token: "{{slack token}}", channel: {{desk}}, api_url: "{{slack}}"}}
  trial: {rate: 0, slack: {token: "{{slack token}}", channel: {{trial}}, api_url: "{{slack}}"}}
  pager: {rate: 0, pagerduty: {routing_key: {{pager key}}, url: "{{pagerduty}}"}}
  tickets: {rate: 0, jira: {url: "{{jira}}", project: SEC, email: bot@example.com, token: jira-token, transitions: {ack: In Progress, close: Done, reopen: To Do}}}
  sms: {rate: 0, sms: {twilio: {account_sid: {{twilio account}}, auth_token: {{twilio token}}, from: "{{twilio number}}", url: "{{twilio}}"}}}
  mail: {rate: 0, email: {from: tocsin@example.com, smtp: "{{smtp}}", tls: none}}
`

// slackUsers are those in the workspace.
var slackUsers = []string{"UANA00001", "UBO000001", "UCY000001", "UFIN00001", "UGUS00001", "UHAL00001", "UIDA00001"}

// urgent are the people's rules for what is urgent, in minutes by receiver.
var urgent = map[string][]struct {
	minutes  int
	receiver string
}{
	"ana": {{0, "soc"}, {0, "sms"}, {5, "mail"}},
	"bo":  {{0, "sms"}, {0, "mail"}, {2, "soc"}},
	"cy":  {{0, "soc"}, {3, "sms"}},
	"dee": {{0, "mail"}, {10, "sms"}},
	"eve": {{0, "mail"}, {10, "sms"}},
	"fin": {{0, "soc"}, {0, "sms"}},
	"fay": {{0, "sms"}},
	"gus": {{0, "soc"}, {5, "sms"}},
	"hal": {{0, "mail"}, {3, "soc"}},
	"ida": {{0, "soc"}, {0, "mail"}},
}

// A shift is who is on call until then.
type shift struct {
	until  time.Time
	people string
}

// shifts are who is on call through the night, worked out by hand.
//
//   - web hands over daily at 02:30 in New York, which there is not in this night:
//     at 03:00 EDT instead. Cy stands in for Ana from 05:00 until 06:00.
//   - pay has Eve for the night until 06:00 in Berlin, and hands the week over on
//     Sunday at 09:00.
//   - core hands over every four hours from 09:00 in Tokyo.
var shifts = map[string][]shift{
	"web":  {{at("05:00"), "ana"}, {at("06:00"), "cy"}, {at("07:00"), "ana"}, {at("23:00"), "bo"}},
	"pay":  {{at("05:00"), "eve"}, {at("08:00"), "dee"}, {at("21:00"), "fin"}},
	"core": {{at("04:00"), "fay gus"}, {at("08:00"), "hal ida"}, {at("12:00"), "fay gus"}, {at("16:00"), "hal ida"}},
}

// onDuty are those on call for a team's schedule.
func onDuty(team string, t time.Time) []string {
	for _, s := range shifts[team] {
		if t.Before(s.until) {
			return strings.Fields(s.people)
		}
	}
	return nil
}

// quiets are what nobody is to be told of for a while.
var quiets = []tocsin.Silence{
	{
		Kind: tocsin.KindSilence, Pattern: []byte(`{"type":["Recon:EC2/PortProbeUnprotectedPort"]}`), Author: "cy", Reason: "a scan that we ordered",
		From: at("02:00"), Until: at("03:30"),
	},
	{ // 02:00 until 04:00 in New York: of these two hours there is one, from 07:00 UTC
		Kind: tocsin.KindMaintenance, Pattern: []byte(`{"account":["300000000002"]}`), Author: "ida", Reason: "core-2 is patched every Sunday",
		From: dusk, Until: dusk.Add(72 * time.Hour), Every: &tocsin.Recurrence{TimeZone: "America/New_York", From: "02:00", To: "04:00"},
	},
}

// writeConfig writes the organisation's configuration.
func writeConfig(storeURL string, v *vendors) string {
	return strings.NewReplacer(
		"{{store}}", storeURL,
		"{{slack}}", v.slackFront.url()+"/api/", "{{slack token}}", v.slack.Token, "{{slack secret}}", v.slack.SigningSecret,
		"{{soc}}", socChannel, "{{desk}}", deskChannel, "{{trial}}", trialChannel,
		"{{pager key}}", pagerKey, "{{pagerduty}}", v.pagerFront.url()+"/v2/enqueue", "{{jira}}", v.jiraFront.url(),
		"{{twilio}}", v.twilioFront.url(), "{{twilio account}}", twiliotest.Account, "{{twilio token}}", twiliotest.Token, "{{twilio number}}", twiliotest.Number,
		"{{smtp}}", v.mail.address,
	).Replace(nightConfig)
}

// settleIn writes down what people did before the night: they proved their
// addresses, chose how they are told, made silences, and Cy stands in for Ana.
func settleIn(t *testing.T, c *config.Config) {
	t.Helper()
	ctx := t.Context()
	before := dusk.Add(-time.Hour)
	a, err := app.Offline(ctx, app.Options{Config: c, Now: func() time.Time { return before }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	var people []tocsin.Person
	err = a.Store().Update(ctx, func(tx *store.Tx) error {
		if people, err = tx.People(); err != nil {
			return err
		}
		for i := range people {
			p := &people[i]
			for j := range p.Contacts {
				p.Contacts[j].VerifiedAt = before
				if err := tx.SaveContact(&p.Contacts[j]); err != nil {
					return err
				}
			}
			for _, u := range urgent[p.Name] {
				for _, c := range p.Contacts {
					if c.Receiver == u.receiver {
						p.High = append(p.High, tocsin.NotificationRule{Minutes: u.minutes, Contact: c.ID})
					}
				}
			}
			if err := tx.SavePerson(p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(people) != len(urgent) {
		t.Fatalf("%d people were written, want %d", len(people), len(urgent))
	}
	for _, s := range quiets {
		if _, err := a.Engine().SaveSilence(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	_, err = a.Engine().SaveOverride(ctx, oncall.Override{
		Schedule: "web", Kind: oncall.Replace, People: []string{"ana"}, With: []string{"cy"},
		From: at("05:00"), Until: at("06:00"), By: "ana",
	})
	if err != nil {
		t.Fatal(err)
	}
}

// newSlack is the workspace of the night.
func newSlack(now func() time.Time) *slacktest.Server {
	return slacktest.New(slacktest.Options{
		Channels: []string{socChannel, deskChannel, trialChannel}, Users: slackUsers, Now: now,
	})
}

func newPager() *pagerdutytest.Server {
	return &pagerdutytest.Server{RoutingKeys: []string{pagerKey}}
}
