package canary_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/canary"
)

// one sends from one place, and three from three accounts in two regions each.
var (
	one   = canary.Config{Accounts: []string{own}, Regions: []string{"eu-west-3"}}
	three = canary.Config{Accounts: []string{own, shop, audit}, Role: roles, Regions: []string{"eu-west-3", "us-east-1"}}
)

var paris = tocsin.Place{Account: own, Region: "eu-west-3"}

// pass lets time pass, and what is due happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestOneIsSentFromEveryPlace(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	synctest.Test(t, func(t *testing.T) {
		_, stop := s.start(t, three)
		pass(3 * time.Second)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		want := map[tocsin.Place]int{}
		for _, account := range three.Accounts {
			for _, region := range three.Regions {
				want[tocsin.Place{Account: account, Region: region}] = 1
			}
		}
		got := map[tocsin.Place]int{}
		for _, p := range s.sent() {
			got[p]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sent from (-want +got):\n%s", diff)
		}
		for _, in := range s.aws.Inputs(t) {
			if in["Source"] != "tocsin.canary" || in["DetailType"] != "tocsin canary" || in["EventBusName"] != "default" {
				t.Errorf("put %v", in)
			}
		}
		for _, c := range s.aviary.list() {
			if c.ArrivedAt.IsZero() || c.Due.Sub(c.SentAt) != 5*time.Minute || c.Source != "canaries" || len(c.ID) != 32 {
				t.Errorf("noted %+v, want it to have arrived, and to be due within 5m", c)
			}
		}
	})
}

func TestReplicasSendOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	synctest.Test(t, func(t *testing.T) {
		_, first := s.start(t, three)
		_, second := s.start(t, three)
		_, third := s.start(t, three)
		pass(30*time.Minute + 10*time.Second)
		for _, stop := range []func() error{first, second, third} {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
		got := map[tocsin.Place]int{}
		for _, p := range s.sent() {
			got[p]++
		}
		for p, n := range got {
			if n != 7 {
				t.Errorf("%d were sent from %v in 30 minutes, want one every 5 minutes, at its beginning too", n, p)
			}
		}
		if len(got) != 6 || len(s.lines(t)) != 0 {
			t.Errorf("sent from %d places, told %q; want 6 and nothing", len(got), s.lines(t))
		}
	})
}

// Replicas that begin at once have no secret in common yet, and do not see at once what
// another has noted, or else see it while it is on its way.
func TestReplicasThatBeginAtOnceSendTheFirstOnce(t *testing.T) {
	t.Parallel()
	for _, noting := range []time.Duration{0, 10 * time.Second} {
		t.Run(fmt.Sprintf("where noting takes %v", noting), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.lag, s.aviary.slow = 20*time.Second, noting
			synctest.Test(t, func(t *testing.T) {
				var stops []func() error
				for _, wait := range []time.Duration{7 * time.Second, time.Second, 3 * time.Second} {
					late := *s.memory
					late.wait = wait
					s.memory = &late
					_, stop := s.start(t, three)
					stops = append(stops, stop)
				}
				pass(time.Minute)
				for _, stop := range stops {
					if err := stop(); err != nil {
						t.Error(err)
					}
				}
				got := map[tocsin.Place]int{}
				for _, p := range s.sent() {
					got[p]++
				}
				for p, n := range got {
					if n != 1 {
						t.Errorf("%d were sent from %v at the beginning, want one", n, p)
					}
				}
				if len(got) != 6 {
					t.Errorf("sent from %d places, want 6", len(got))
				}
			})
		})
	}
}

// Whatever breaks at whichever moment is told of within every+within and a minute, and
// it is over once a canary arrives in time.
func TestABrokenWayIsToldInBoundedTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ every, within, breaks time.Duration }{
		{5 * time.Minute, 5 * time.Minute, 20*time.Minute + time.Second},
		{5 * time.Minute, 5 * time.Minute, 24*time.Minute + 59*time.Second},
		{time.Minute, 10 * time.Minute, 33*time.Minute + 30*time.Second},
		{time.Minute, 10 * time.Second, time.Hour + time.Second},
		{7 * time.Minute, 90 * time.Second, time.Hour + 7*time.Second},
		{time.Hour, 2 * time.Minute, 5*time.Hour + 2*time.Second},
		{24 * time.Hour, 30 * time.Minute, 24*time.Hour + time.Minute},
	} {
		t.Run(fmt.Sprintf("every %v within %v", tt.every, tt.within), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			synctest.Test(t, func(t *testing.T) {
				c := one
				c.Every, c.Within = tt.every, tt.within
				s.start(t, c)
				pass(tt.breaks)
				s.change(func(c *cloud) { c.allCut = true })
				if n := len(s.lines(t)); n != 0 {
					t.Fatalf("told %q before it broke", s.lines(t))
				}
				broken := time.Now()
				for len(s.lines(t)) == 0 && time.Since(broken) < tt.every+tt.within+10*time.Minute {
					pass(time.Second)
				}
				took := time.Since(broken)
				if took > tt.every+tt.within+time.Minute || took < tt.within {
					t.Fatalf("told after %v, want between %v and %v", took, tt.within, tt.every+tt.within+time.Minute)
				}
				pass(3 * tt.every)
				if n := len(s.lines(t)); n != 1 {
					t.Errorf("told %q, want it once", s.lines(t))
				}
				s.change(func(c *cloud) { c.allCut = false })
				pass(tt.every + tt.within + time.Minute)
				lines := s.lines(t)
				if len(lines) != 2 || !strings.HasSuffix(lines[1], "over: canary/canaries/111122223333/eu-west-3") {
					t.Errorf("told %q, want that it is over", lines)
				}
			})
		})
	}
}

func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.seen = []tocsin.Sighting{{Kind: tocsin.SawMember, Place: tocsin.Place{Account: own}, Member: &tocsin.Member{Name: "payments-prod", Status: "ACTIVE"}}}
	synctest.Test(t, func(t *testing.T) {
		source, _ := s.start(t, one)
		pass(21 * time.Minute)
		s.change(func(c *cloud) { c.allCut = true })
		pass(15 * time.Minute)
		lines := s.lines(t)
		if len(lines) != 1 {
			t.Fatalf("told %q", lines)
		}
		d := s.read(t, s.events[0])
		want := tocsin.Detection{
			Key: "canary/canaries/111122223333/eu-west-3", Dialect: "canary", Type: "Canary", ID: "111122223333/eu-west-3", Level: tocsin.High,
			Headline: "No canary from payments-prod eu-west-3 for 10 minutes",
			Title:    "No canary from payments-prod eu-west-3 for 10 minutes: findings of there may not arrive",
			Account:  own, Region: "eu-west-3",
			Resource: tocsin.Resource{Type: "Place", ID: "111122223333/eu-west-3", Name: "payments-prod"},
			Facts: []tocsin.Fact{
				{Name: "Last arrived", Value: "2000-01-01 00:20:00 UTC by sqs:org-queue"},
				{Name: "First missing", Value: "2000-01-01 00:25:00 UTC"},
				{Name: "Sent", Value: "every 5m, to arrive within 5m"},
			},
			Command:   "aws events list-rules --event-bus-name default --region eu-west-3",
			FirstSeen: time.Date(2000, 1, 1, 0, 25, 0, 0, time.UTC), LastSeen: time.Date(2000, 1, 1, 0, 30, 15, 0, time.UTC),
		}
		if !strings.Contains(d.Description, "lets source tocsin.canary through") {
			t.Errorf("description %q", d.Description)
		}
		d.Description = ""
		if diff := cmp.Diff(want, d); diff != "" {
			t.Errorf("detection (-want +got):\n%s", diff)
		}
		st := source.(collect.Reporter).Status(t.Context())
		wantStatus := collect.Status{State: "ok", Lines: []tocsin.Fact{
			{Name: "Places", Value: "an event every 5m from each of 1; it is to arrive within 5m"},
			{Name: "Last arrived", Value: "2000-01-01 00:20:00 UTC from 111122223333 eu-west-3 by sqs:org-queue, after 0s"},
			{Name: "None arrives from", Value: "111122223333 eu-west-3"},
		}}
		if diff := cmp.Diff(wantStatus, st); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
	})
}

// The rule of most people does not let canaries through when they begin.
func TestOneThatNeverArrived(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.allCut = true
	synctest.Test(t, func(t *testing.T) {
		s.start(t, one)
		pass(20 * time.Minute)
		want := []string{"5m20s No canary has arrived yet from 111122223333 eu-west-3: findings of there may not arrive"}
		if diff := cmp.Diff(want, s.lines(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestARegionThatIsCutOffIsOneAlert(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	synctest.Test(t, func(t *testing.T) {
		_, stop := s.start(t, three)
		_, other := s.start(t, three) // both tell of it, and it is one event
		pass(21 * time.Minute)
		s.change(func(c *cloud) {
			for _, account := range three.Accounts {
				c.cut[tocsin.Place{Account: account, Region: "us-east-1"}] = true
			}
		})
		pass(30 * time.Minute)
		s.change(func(c *cloud) { delete(c.cut, tocsin.Place{Account: shop, Region: "us-east-1"}) })
		pass(30 * time.Minute)
		s.change(func(c *cloud) { clear(c.cut) })
		pass(15 * time.Minute)
		want := []string{
			"30m20s No canary from 3 of 3 accounts in us-east-1 for 10 minutes: findings of there may not arrive",
			"55m5s news: No canary from 2 of 3 accounts in us-east-1 for 35 minutes: findings of there may not arrive",
			"1h25m5s over: canary/canaries//us-east-1",
		}
		if diff := cmp.Diff(want, s.lines(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		_, _ = stop(), other()
	})
}

func TestEverythingCutOffIsOneAlert(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	synctest.Test(t, func(t *testing.T) {
		s.start(t, three)
		pass(21 * time.Minute)
		s.change(func(c *cloud) { c.allCut = true })
		pass(30 * time.Minute)
		s.change(func(c *cloud) { c.allCut = false })
		pass(15 * time.Minute)
		want := []string{
			"30m20s No canary from 6 of 6 places for 10 minutes: findings may not arrive",
			"55m5s over: canary/canaries",
		}
		if diff := cmp.Diff(want, s.lines(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// That none can be sent is something else than that none arrives.
func TestOneThatCannotBeSent(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	synctest.Test(t, func(t *testing.T) {
		source, _ := s.start(t, one)
		pass(21 * time.Minute)
		s.change(func(c *cloud) { c.denies["events:PutEvents"] = true })
		pass(30 * time.Minute)
		const why = "canary: 400 AccessDeniedException: not authorized to perform: events:PutEvents; allow events:PutEvents on " +
			"arn:aws:events:eu-west-3:111122223333:event-bus/default to the role that tocsin runs as"
		st := source.(collect.Reporter).Status(t.Context())
		if st.State != "failing" || !strings.HasSuffix(st.Lines[0].Value, why) {
			t.Errorf("status %+v, want it to fail with %q", st, why)
		}
		d := s.read(t, s.events[0])
		if d.Level != tocsin.Medium || d.Description != why || d.Facts[0] != (tocsin.Fact{Name: "Why", Value: why}) || d.Account != own {
			t.Errorf("detection %+v", d)
		}
		s.change(func(c *cloud) { clear(c.denies) })
		pass(10 * time.Minute)
		want := []string{
			"30m5s No canary can be sent from 111122223333 eu-west-3: whether findings of there arrive is not known",
			"55m5s over: canary/canaries/111122223333/eu-west-3/unsent",
		}
		if diff := cmp.Diff(want, s.lines(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if st := source.(collect.Reporter).Status(t.Context()); st.State != "ok" {
			t.Errorf("status %+v, want it well again", st)
		}
		if n := strings.Count(s.log.String(), "\n"); n != 2 {
			t.Errorf("%d lines of log, want that it fails and that it works again:\n%s", n, s.log.String())
		}
	})
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	synctest.Test(t, func(t *testing.T) {
		c := one
		c.Every = time.Hour
		s.change(func(c *cloud) { c.down = true })
		s.start(t, c)
		pass(500 * time.Millisecond)
		s.change(func(c *cloud) { c.down = false })
		pass(time.Minute)
		if all := s.aviary.list(); len(all) != 1 || all[0].Error != "" || all[0].ArrivedAt.IsZero() {
			t.Errorf("after a moment without network: %+v, want it sent and arrived", all)
		}
		pass(30 * time.Minute)
		s.change(func(c *cloud) { c.down = true })
		pass(31 * time.Minute) // the next one cannot be sent
		s.change(func(c *cloud) { c.down = false })
		pass(5 * time.Minute)
		all := s.aviary.list()
		if len(all) != 3 || all[1].Error == "" || all[2].ArrivedAt.IsZero() || all[2].SentAt.Sub(all[1].SentAt) > 6*time.Minute {
			t.Errorf("canaries %+v, want another within minutes after one that could not be sent", all)
		}
		if lines := s.lines(t); len(lines) != 0 {
			t.Errorf("told %q of what passed", lines)
		}
	})
}

// While tocsin does not run, or cannot take events, nothing can arrive.
func TestNothingIsToldOfTocsinsOwnAbsence(t *testing.T) {
	t.Parallel()
	t.Run("it did not run", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		synctest.Test(t, func(t *testing.T) {
			_, stop := s.start(t, one)
			pass(20*time.Minute + time.Second)
			s.change(func(c *cloud) { c.lag = 2 * time.Hour }) // the last ones wait in the queue
			pass(5 * time.Minute)
			_ = stop()
			pass(2 * time.Hour)
			s.change(func(c *cloud) { c.lag = time.Minute })
			s.start(t, one)
			pass(time.Hour)
			if lines := s.lines(t); len(lines) != 0 {
				t.Errorf("told %q", lines)
			}
		})
	})
	t.Run("it did not run, and the way is broken", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		synctest.Test(t, func(t *testing.T) {
			_, stop := s.start(t, one)
			pass(20*time.Minute + time.Second)
			_ = stop()
			s.change(func(c *cloud) { c.allCut = true })
			pass(2 * time.Hour)
			s.start(t, one)
			pass(time.Hour)
			want := []string{"2h25m35s No canary from 111122223333 eu-west-3 for 2h5m: findings of there may not arrive"}
			if diff := cmp.Diff(want, s.lines(t)); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("the database was away", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		synctest.Test(t, func(t *testing.T) {
			s.start(t, one)
			pass(24*time.Minute + 50*time.Second)
			s.change(func(c *cloud) { c.lag = 20 * time.Second })
			pass(15 * time.Second)
			s.aviary.fail(errors.New("database is locked"))
			pass(40 * time.Minute)
			s.aviary.fail(nil)
			pass(time.Hour)
			if lines := s.lines(t); len(lines) != 0 {
				t.Errorf("told %q", lines)
			}
			if n := strings.Count(s.log.String(), "\n"); n != 2 {
				t.Errorf("%d lines of log, want two:\n%s", n, s.log.String())
			}
		})
	})
	t.Run("it ended between noting one and sending it", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		synctest.Test(t, func(t *testing.T) {
			daily := one
			daily.Every = 24 * time.Hour
			s.change(func(c *cloud) { c.cut[paris] = true }) // as if it was never sent
			_, stop := s.start(t, daily)
			pass(3 * time.Second)
			_ = stop()
			s.change(func(c *cloud) { clear(c.cut) })
			s.start(t, daily)
			pass(5 * time.Hour)
			if lines, all := s.lines(t), s.aviary.list(); len(lines) != 0 || len(all) != 1 || all[0].ArrivedAt.IsZero() || all[0].ArrivedAt.Sub(all[0].SentAt) > time.Minute {
				t.Errorf("told %q, canaries %+v; want the same sent again, within a minute", lines, all)
			}
		})
	})
}

// Steady lag is one alert, and not one every few minutes.
func TestAWayThatIsTooSlowDoesNotFlap(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	synctest.Test(t, func(t *testing.T) {
		s.start(t, one)
		pass(20 * time.Minute)
		s.change(func(c *cloud) { c.lag = 7 * time.Minute })
		pass(6 * time.Hour)
		s.change(func(c *cloud) { c.lag = 0 })
		pass(10 * time.Minute)
		want := []string{
			"30m20s No canary from 111122223333 eu-west-3 for 10 minutes: findings of there may not arrive",
			"6h25m5s over: canary/canaries/111122223333/eu-west-3",
		}
		if diff := cmp.Diff(want, s.lines(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestASinkThatFailsIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.allCut = true
	synctest.Test(t, func(t *testing.T) {
		s.sinkErr = errors.New("the disk is full")
		source, _ := s.start(t, one)
		pass(30 * time.Minute)
		if st := source.(collect.Reporter).Status(t.Context()); st.State != "failing" {
			t.Errorf("status %+v", st)
		}
		s.told.Lock()
		s.sinkErr = nil
		s.told.Unlock()
		pass(time.Minute)
		if lines := s.lines(t); len(lines) != 1 {
			t.Errorf("told %q, want it once", lines)
		}
	})
}

func TestSampleFindings(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.detectors[tocsin.Place{Account: shop, Region: "us-east-1"}] = "none"
	s.detectors[tocsin.Place{Account: audit, Region: "us-east-1"}] = "DISABLED"
	synctest.Test(t, func(t *testing.T) {
		c := three
		c.Mode, c.Every = "sample", time.Hour
		_, stop := s.start(t, c)
		pass(time.Hour + 14*time.Minute)
		want := []string{
			"30m5s No canary can be sent from 222233334444 us-east-1: whether findings of there arrive is not known",
			"30m5s No canary can be sent from 333344445555 us-east-1: whether findings of there arrive is not known",
		}
		if diff := cmp.Diff(want, s.lines(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		pass(2 * time.Minute) // the second of each is an update, and is published after a while
		var arrived int
		for _, c := range s.aviary.list() {
			if !c.ArrivedAt.IsZero() {
				arrived++
				if c.Sample != "Recon:EC2/PortProbeUnprotectedPort" || c.Due.Sub(c.SentAt) != 45*time.Minute {
					t.Errorf("canary %+v, want to be due after 30 minutes and the 15 that GuardDuty takes", c)
				}
			}
		}
		if arrived != 8 {
			t.Errorf("%d arrived, want two of each of four places", arrived)
		}
		s.change(func(c *cloud) { c.cut[paris] = true })
		pass(90 * time.Minute)
		want = append(want, "2h45m20s No canary from 111122223333 eu-west-3 for 1h30m: findings of there may not arrive")
		if diff := cmp.Diff(want, s.lines(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		_ = stop()
		reasons := map[string]bool{}
		for _, why := range s.aviary.failed {
			reasons[why] = true
		}
		want = []string{
			"canary: GuardDuty is not on in us-east-1 of 222233334444; turn it on, or leave the region out",
			"canary: the detector of 333344445555 in us-east-1 is suspended; enable it, or leave the region out",
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(reasons))); diff != "" {
			t.Errorf("reasons (-want +got):\n%s", diff)
		}
	})
}

func TestActionsThatAreDeniedAreNamed(t *testing.T) {
	t.Parallel()
	for action, resource := range map[string]string{
		"guardduty:ListDetectors": "*", "guardduty:GetDetector": "arn:aws:guardduty:eu-west-3:111122223333:detector/12abc34d567e8fa901bc2d34e56789f0",
		"guardduty:CreateSampleFindings": "arn:aws:guardduty:eu-west-3:111122223333:detector/12abc34d567e8fa901bc2d34e56789f0",
	} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.denies[action] = true
			synctest.Test(t, func(t *testing.T) {
				c := one
				c.Mode = "sample"
				s.start(t, c)
				pass(time.Minute)
				if all := s.aviary.list(); len(all) != 1 || !strings.Contains(all[0].Error, "allow "+action+" on "+resource+" to ") {
					t.Errorf("canaries %+v, want the action named", all)
				}
			})
		})
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	members := []tocsin.Sighting{
		{Kind: tocsin.SawMember, Source: "org", Place: tocsin.Place{Account: shop}, Member: &tocsin.Member{Name: "shop", Status: "ACTIVE"}},
		{Kind: tocsin.SawMember, Source: "again", Place: tocsin.Place{Account: shop}, Member: &tocsin.Member{Name: "shop", Status: "ACTIVE"}},
		{Kind: tocsin.SawMember, Source: "org", Place: tocsin.Place{Account: audit}, Member: &tocsin.Member{Name: "audit", Status: "SUSPENDED"}},
	}
	for _, tt := range []struct {
		name   string
		config canary.Config
		seen   []tocsin.Sighting
		want   []string
	}{
		{"of the credentials", canary.Config{}, nil, []string{own}},
		{"of the role", canary.Config{Settings: aws.Settings{RoleARN: "arn:aws:iam::" + shop + ":role/tocsin-canary"}}, nil, []string{shop}},
		{"by a role's name", canary.Config{Role: "tocsin-canary", Accounts: []string{shop}}, nil, []string{shop}},
		{"of the configuration", canary.Config{Role: roles, Accounts: []string{shop, audit, shop}}, nil, []string{shop, audit}},
		{"of the organisation", canary.Config{Role: roles}, members, []string{shop}},
		{"none seen yet", canary.Config{Role: roles}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.seen = tt.seen
			synctest.Test(t, func(t *testing.T) {
				tt.config.Regions = []string{"eu-west-3"}
				source, stop := s.start(t, tt.config)
				pass(3 * time.Second)
				got := map[string]bool{}
				for _, p := range s.sent() {
					got[p.Account] = true
				}
				if diff := cmp.Diff(tt.want, slices.Sorted(maps.Keys(got))); diff != "" {
					t.Errorf("sent from (-want +got):\n%s", diff)
				}
				if st := source.(collect.Reporter).Status(t.Context()); (st.State == "failing") != (tt.want == nil) {
					t.Errorf("status %+v", st)
				}
				_ = stop()
			})
		})
	}
}

func TestItEndsSoonThoughNobodyAnswers(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	synctest.Test(t, func(t *testing.T) {
		s.change(func(c *cloud) { c.hang = true })
		_, stop := s.start(t, one)
		pass(3 * time.Second)
		begun := time.Now()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v to end", took)
		}
		if all := s.aviary.list(); len(all) != 1 || all[0].Error != "tocsin ended while it was being sent" {
			t.Errorf("canaries %+v, want it noted that it was not sent", all)
		}
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*canary.Config)
		want   string
	}{
		{"as in the manual", func(*canary.Config) {}, ""},
		{"a region of the settings", func(c *canary.Config) { c.Regions, c.Region = nil, "eu-west-1" }, ""},
		{"a bus by its ARN", func(c *canary.Config) {
			c.Regions, c.EventBus = nil, "arn:aws:events:eu-west-1:111122223333:event-bus/security"
		}, ""},
		{"no regions", func(c *canary.Config) { c.Regions = nil }, "regions: is not set"},
		{"no region", func(c *canary.Config) { c.Regions = []string{"Paris"} }, `regions: "Paris" is not an AWS region`},
		{"two partitions", func(c *canary.Config) { c.Regions = []string{"cn-north-1", "eu-west-1"} }, "different partitions"},
		{"a bus elsewhere", func(c *canary.Config) { c.EventBus = "arn:aws:events:us-east-1:111122223333:event-bus/security" }, "the event bus is in us-east-1"},
		{"no bus", func(c *canary.Config) { c.EventBus = "a bus" }, "event_bus: "},
		{"no account", func(c *canary.Config) { c.Accounts = []string{"1111"} }, `accounts: "1111" is not the number`},
		{"no role", func(c *canary.Config) { c.Accounts = []string{own, shop} }, "role: is needed"},
		{"a role of one account", func(c *canary.Config) { c.Role = "arn:aws:iam::111122223333:role/x" }, "use role_arn"},
		{"a role by its name", func(c *canary.Config) { c.Role, c.Accounts = "tocsin-canary", []string{own, shop} }, ""},
		{"no role's ARN", func(c *canary.Config) { c.Role = "tocsin-{account}" }, "is not the ARN of a role"},
		{"too often", func(c *canary.Config) { c.Every = 30 * time.Second }, "every: 30s is not between 1m and 1d"},
		{"too seldom", func(c *canary.Config) { c.Every = 25 * time.Hour }, "every: "},
		{"too short", func(c *canary.Config) { c.Within = time.Second }, "within: "},
		{"another mode", func(c *canary.Config) { c.Mode = "ping" }, `mode: "ping" is neither`},
		{"samples on a bus", func(c *canary.Config) { c.Mode, c.EventBus = "sample", "security" }, "event_bus: GuardDuty puts"},
		{"a type without samples", func(c *canary.Config) { c.Type = "Recon:IAMUser/UserPermissions" }, "finding_type: is for mode: sample"},
		{"no type", func(c *canary.Config) { c.Mode, c.Type = "sample", "PortProbe" }, `finding_type: "PortProbe" is not`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := canary.Config{Regions: []string{"eu-west-1"}}
			tt.change(&c)
			_, err := opener(c)(collect.Env{Name: "canaries"})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("open = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestNoticesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`no JSON`, `{}`, `{"canary":"sings"}`, `{"canary":"late","phase":"perhaps"}`, `{"canary":7}`} {
		if r, err := canary.Kind.Dialect.Read("canaries", []byte(raw), nil); err == nil {
			t.Errorf("Read(%s) = %+v, want an error", raw, r)
		}
	}
	r, err := canary.Kind.Dialect.Read("canaries", canary.Kind.Sample, nil)
	if err != nil || r.Detection.Title != "No canary has arrived yet from payments-prod eu-west-1: findings of there may not arrive" {
		t.Errorf("the kind's sample: %+v, %v", r.Detection, err)
	}
}
